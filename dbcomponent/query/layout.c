/* layout.c - packing keys into words and reading them back; see layout.h. The columns of a block
 * are coded by bind.c, which is written for speed; what is here works on single values. */
#include "query/layout.h"
#include "query/keys.h"

#include <string.h>

static unsigned bits_for(uint64_t most)
{
    return most ? 64 - (unsigned)__builtin_clzll(most) : 0;
}

static void start_key(struct component *c, const struct totals_key *key)
{
    *c = (struct component){.kind = COMPONENT_NUMBER, .key = key->key, .column = key->key,
                            .prefix = key->prefix_length};
    c->both_families = key_holds_both_families(key->key);
    c->zero_if_absent = key_is_on_every_record(key->key);
    c->width = ie_storage_width(key->key);
    if (key->key == WEIR_SRC_IP || key->key == WEIR_DST_IP) {
        c->column = key->key == WEIR_SRC_IP ? IANA(8) : IANA(12);
        c->column6 = key->key == WEIR_SRC_IP ? IANA(27) : IANA(28);
    }
    bool ipv4 = key->type == IE_IPV4 || c->column6;
    if (ipv4 && c->prefix >= 0 && c->prefix < 32)
        c->drop = (uint8_t)(32 - c->prefix);
    c->seen = (struct survey){.least = UINT64_MAX};
}

void layout_start(struct layout *l, const struct totals_key *keys, size_t key_count, uint64_t bins)
{
    *l = (struct layout){.bin = -1};
    for (size_t i = 0; i < key_count; i++)
        start_key(&l->components[l->count++], &keys[i]);
    if (bins > 1) {
        l->bin = (int)l->count;
        l->components[l->count++] = (struct component){
            .kind = COMPONENT_BIN, .column = WEIR_FLOW_END, .prefix = -1, .span = bins - 1};
    }
    l->visible = l->count;
    l->rate = (int)l->count;
    l->components[l->count++] =
        (struct component){.kind = COMPONENT_INTERNED, .key = WEIR_SAMPLING_RATE, .prefix = -1,
                           .column = WEIR_SAMPLING_RATE, .zero_if_absent = true, .width = 8,
                           .seen = {.least = UINT64_MAX}};
}

void survey_number(struct component *c, unsigned width, uint64_t least, uint64_t most)
{
    struct survey *s = &c->seen;
    least = component_cut(c, least);
    most = component_cut(c, most);
    s->number = true;
    s->width = width > s->width ? (uint8_t)width : s->width;
    s->least = least < s->least ? least : s->least;
    s->most = most > s->most ? most : s->most;
}

void survey_anything(struct component *c, unsigned width)
{
    if (width >= 1 && width <= 8)
        survey_number(c, width, 0, width == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * width) - 1);
    c->seen.wide |= width == 16;
    c->seen.octets |= width == 0;
    c->seen.lacking = true;
}

/* Numbers alone, and few enough bits with the absent code: NUMBER. */
static void choose_number(struct component *c)
{
    const struct survey *s = &c->seen;
    if (!s->number) { /* no record has it: every code is the absent one */
        c->base = 0;
        c->span = 0;
    } else {
        c->base = s->least;
        c->span = s->most - s->least;
    }
    if (c->zero_if_absent && s->lacking && s->number) {
        c->span += c->base;
        c->base = 0;
    }
    c->bits = bits_for(c->span);
    if (s->lacking && !c->zero_if_absent)
        c->bits = c->span == UINT64_MAX ? 65 : bits_for(c->span + 1);
    if (c->bits > 64 || s->wide || s->octets || (c->zero_if_absent && c->width == 16))
        c->kind = COMPONENT_INTERNED;
}

static void choose(struct component *c)
{
    if (c->kind == COMPONENT_BIN)
        c->bits = bits_for(c->span);
    else if (c->kind == COMPONENT_NUMBER && c->column6 && (c->seen.wide || c->seen.octets))
        c->kind = COMPONENT_EITHER;
    else if (c->kind == COMPONENT_NUMBER)
        choose_number(c);
    if (c->kind == COMPONENT_EITHER)
        c->bits = 33;
    else if (c->kind == COMPONENT_INTERNED)
        c->bits = 32;
}

/* Is there one sampling rate for every record? Then no component is needed for it. */
static void choose_rate(struct layout *l)
{
    const struct survey *s = &l->components[l->rate].seen;
    uint64_t bits = s->number ? s->most : 0;
    if (s->wide || s->octets || (s->number && s->least != s->most) ||
        (s->number && s->lacking && s->most != 0))
        return;
    memcpy(&l->uniform_rate, &bits, sizeof bits);
    l->count--;
    l->rate = -1;
}

void layout_finish(struct layout *l)
{
    choose_rate(l);
    unsigned used = 0, first = 0;
    for (unsigned i = 0; i < l->count; i++) {
        struct component *c = &l->components[i];
        choose(c);
        l->interned |= c->kind == COMPONENT_INTERNED || c->kind == COMPONENT_EITHER;
        if (used + c->bits > 64) {
            l->words++;
            used = 0;
            first = i;
        }
        c->word = l->words;
        c->shift = 0;
        used += c->bits;
        for (unsigned j = first; j < i; j++)
            if (l->components[j].bits)
                l->components[j].shift += c->bits;
    }
    l->bits = l->words ? 64 : used;
    l->words++;
}

uint64_t component_absent(const struct component *c)
{
    return c->kind == COMPONENT_NUMBER   ? c->span + 1
           : c->kind == COMPONENT_EITHER ? UINT64_C(1) << 32
                                         : 0;
}

static uint64_t interned(uint32_t number)
{
    return number == INTERN_FAILED ? UINT64_MAX : number;
}

uint64_t component_code_number(const struct component *c, struct intern *t, uint64_t value)
{
    if (c->kind == COMPONENT_NUMBER)
        return component_cut(c, value) - c->base;
    if (c->kind == COMPONENT_EITHER)
        return component_cut(c, value);
    return interned(intern_number(t, component_cut(c, value) << c->drop));
}

uint64_t component_code_wide(const struct component *c, struct intern *t, const uint8_t octets[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (c->kind == COMPONENT_EITHER && !memcmp(octets, mapped, sizeof mapped)) {
        uint32_t ipv4;
        memcpy(&ipv4, octets + 12, sizeof ipv4);
        return component_cut(c, __builtin_bswap32(ipv4));
    }
    uint8_t copy[16];
    memcpy(copy, octets, sizeof copy);
    key_mask(copy, c->prefix, c->both_families);
    uint64_t code = interned(intern_wide(t, copy));
    return c->kind == COMPONENT_EITHER && code != UINT64_MAX ? code | UINT64_C(1) << 32 : code;
}

uint64_t component_code_octets(const struct component *c, struct intern *t, struct octets value)
{
    uint64_t code = interned(intern_octets(t, value.bytes, value.length));
    return c->kind == COMPONENT_EITHER && code != UINT64_MAX ? code | UINT64_C(1) << 32 : code;
}

uint64_t component_code_lacking(const struct component *c, struct intern *t)
{
    static const uint8_t none[16];
    if (!c->zero_if_absent)
        return component_absent(c);
    return ie_storage_width(c->key) == 16 ? component_code_wide(c, t, none)
                                          : component_code_number(c, t, 0);
}

/* The element's own width; what an exporter sent beyond it has 8. */
static uint8_t number_width(const struct component *c, uint64_t number)
{
    return c->width >= 1 && c->width < 8 && number >> 8 * c->width == 0 ? c->width : 8;
}

static void value_of_interned(const struct component *c, const struct intern_entry *e,
                              struct key_value *out)
{
    switch (e->bytes[0]) {
    case INTERNED_NUMBER:
        memcpy(&out->number, e->bytes + 1, sizeof out->number);
        out->width = number_width(c, out->number);
        return;
    case INTERNED_WIDE:
        memcpy(out->octets, e->bytes + 1, sizeof out->octets);
        out->width = 16;
        return;
    default:
        out->text.bytes = e->bytes + 1;
        out->text.length = e->length - 1;
        out->width = 0;
    }
}

static void value_of_ipv4(uint64_t number, struct key_value *out)
{
    struct address mapped = address_from_ipv4((uint32_t)number);
    memcpy(out->octets, mapped.octets, sizeof out->octets);
    out->width = 16;
}

void component_value(const struct component *c, const struct intern *t, const uint64_t *words,
                     struct key_value *out)
{
    uint64_t code = component_code(c, words);
    *out = (struct key_value){.width = c->column6 ? 16 : c->width};
    if (c->kind == COMPONENT_NUMBER) {
        out->absent = code > c->span || (!c->seen.number && !c->zero_if_absent);
        uint64_t number = (code + c->base) << c->drop;
        if (!out->absent && c->column6)
            value_of_ipv4(number, out);
        else if (!out->absent)
            *out = (struct key_value){.number = number, .width = number_width(c, number)};
    } else if (c->kind == COMPONENT_EITHER && code < UINT64_C(1) << 32) {
        value_of_ipv4(code << c->drop, out);
    } else if (c->kind == COMPONENT_BIN) {
        out->number = code;
    } else if ((uint32_t)code == 0) {
        out->absent = true;
    } else {
        value_of_interned(c, intern_entry(t, (uint32_t)code), out);
    }
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Numbers before addresses before octets: one element may have been stored as any of them. */
static int form_rank(const struct key_value *v)
{
    return v->absent ? 3 : v->width == 0 ? 2 : v->width == 16 ? 1 : 0;
}

static int compare_octets(const struct octets_value *a, const struct octets_value *b)
{
    uint32_t shorter = a->length < b->length ? a->length : b->length;
    int order = shorter ? memcmp(a->bytes, b->bytes, shorter) : 0;
    return order ? order : compare_u64(a->length, b->length);
}

static int compare_values(const struct key_value *a, const struct key_value *b)
{
    int ranks = form_rank(a) - form_rank(b);
    if (ranks || a->absent)
        return ranks;
    if (a->width == 16)
        return memcmp(a->octets, b->octets, sizeof a->octets);
    return a->width == 0 ? compare_octets(&a->text, &b->text) : compare_u64(a->number, b->number);
}

int layout_compare(const struct layout *l, const struct interns *interns, const uint64_t *a,
                   const uint64_t *b)
{
    for (unsigned i = 0; i < l->visible; i++) {
        const struct component *c = &l->components[i];
        uint64_t left = component_code(c, a), right = component_code(c, b);
        if (left == right)
            continue;
        if (c->kind == COMPONENT_NUMBER || c->kind == COMPONENT_BIN)
            return compare_u64(left, right);
        struct key_value x, y;
        component_value(c, &interns->tables[i], a, &x);
        component_value(c, &interns->tables[i], b, &y);
        return compare_values(&x, &y);
    }
    return 0;
}

double layout_rate(const struct layout *l, const struct interns *interns, const uint64_t *words)
{
    if (l->rate < 0)
        return l->uniform_rate;
    struct key_value value;
    component_value(&l->components[l->rate], &interns->tables[l->rate], words, &value);
    double rate;
    memcpy(&rate, &value.number, sizeof rate);
    return value.width == 8 && !value.absent ? rate : 0;
}
