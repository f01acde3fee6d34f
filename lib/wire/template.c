/* template.c - compiles template records into the program that mover.c runs (template.h).
 * Neighbours: netflow9.c and ipfix.c read template records, netflow5.c has one of its own. */
#include "wire/template.h"
#include <stdlib.h>
#include <string.h>

/* ---- how a field is kept ---- */

struct rule {
    uint8_t shape;
    uint8_t least, most; /* octets that the type may have on the wire; 0, 0: any, kept as octets */
};

static const struct rule rules[IE_TYPE_COUNT] = {
    [IE_UNSIGNED8] = {WIRE_NUMBER, 1, 8},     [IE_UNSIGNED16] = {WIRE_NUMBER, 1, 8},
    [IE_UNSIGNED32] = {WIRE_NUMBER, 1, 8},    [IE_UNSIGNED64] = {WIRE_NUMBER, 1, 8},
    [IE_SIGNED8] = {WIRE_SIGNED, 1, 8},       [IE_SIGNED16] = {WIRE_SIGNED, 1, 8},
    [IE_SIGNED32] = {WIRE_SIGNED, 1, 8},      [IE_SIGNED64] = {WIRE_SIGNED, 1, 8},
    [IE_FLOAT32] = {WIRE_NUMBER, 4, 4},       [IE_FLOAT64] = {WIRE_NUMBER, 8, 8},
    [IE_BOOLEAN] = {WIRE_NUMBER, 1, 1},       [IE_MAC_ADDRESS] = {WIRE_NUMBER, 6, 6},
    [IE_SECONDS] = {WIRE_NUMBER, 1, 8},       [IE_MILLISECONDS] = {WIRE_NUMBER, 1, 8},
    [IE_MICROSECONDS] = {WIRE_NUMBER, 8, 8},  [IE_NANOSECONDS] = {WIRE_NUMBER, 8, 8},
    [IE_IPV4] = {WIRE_NUMBER, 4, 4},          [IE_IPV6] = {WIRE_SIXTEEN, 16, 16},
};

static uint8_t round_up(uint16_t length)
{
    return length <= 1 ? 1 : length <= 2 ? 2 : length <= 4 ? 4 : 8;
}

static void keep_octets(struct wire_field *f)
{
    f->shape = WIRE_OCTETS;
    f->width = 0;
}

static void keep_typed(struct wire_field *f, enum ie_type type, uint8_t storage)
{
    const struct rule *rule = &rules[type];
    if (type == IE_FLOAT64 && f->length == 4) {
        f->shape = WIRE_NARROW_FLOAT;
        f->width = 8;
    } else if (f->length == 0) {
        f->shape = WIRE_SKIP;
    } else if (f->length < rule->least || f->length > rule->most) {
        f->key = IE_KEY(WIRE_MISFIT_PEN, ie_key_id(f->key));
        keep_octets(f);
    } else {
        f->shape = rule->shape;
        f->width = storage == 16 || round_up(f->length) < storage ? storage : round_up(f->length);
    }
}

static void choose_shape(struct wire_field *f)
{
    uint8_t storage = ie_storage_width(f->key);
    if (f->key == WIRE_PADDING)
        f->shape = WIRE_SKIP;
    else if (storage == 0)
        keep_octets(f);
    else
        keep_typed(f, ie_storage_type(f->key), storage);
}

/* ---- repeated elements ---- */

/* Numbers repetitions. `seen` is a filter that spares the search for elements met the first time,
 * so that a hostile template of many fields costs no more than its octets. */
static void number_repetitions(struct wire_template *t)
{
    uint64_t seen[64] = {0};
    for (uint16_t i = 0; i < t->field_count; i++) {
        struct wire_field *f = &t->fields[i];
        uint64_t hash = (f->key >> 16) * UINT64_C(0x9e3779b97f4a7c15) >> 52;
        uint64_t bit = UINT64_C(1) << hash % 64;
        bool maybe = seen[hash / 64] & bit;
        seen[hash / 64] |= bit;
        if (!maybe || f->shape == WIRE_SKIP)
            continue;
        for (uint16_t j = i; j-- > 0;)
            if (t->fields[j].shape != WIRE_SKIP && t->fields[j].key >> 16 == f->key >> 16) {
                f->key = t->fields[j].key + 1;
                break;
            }
    }
}

/* ---- the whole ---- */

/* Lays the fields out; false when the template is not one that can be used. */
static bool lay_out(struct wire_template *t, const struct wire_spec *specs)
{
    uint32_t at = 0;
    for (uint16_t i = 0; i < t->field_count; i++) {
        struct wire_field *f = &t->fields[i];
        if (specs[i].key != WIRE_PADDING && ie_key_pen(specs[i].key) == WEIR_PEN && t->id &&
            !(t->kind == RECORD_OPTIONS && i < t->scope_count))
            return false;
        *f = (struct wire_field){.key = specs[i].key, .length = specs[i].length, .at = at};
        f->segment = (uint16_t)(t->segment_count - 1);
        choose_shape(f);
        if (f->length == WIRE_VARIABLE) {
            t->segment_count++;
            t->least += 1;
            at = 0;
        } else {
            t->least += f->length;
            at += f->length;
        }
    }
    number_repetitions(t);
    return t->least > 0;
}

enum weir_status wire_template_new(uint16_t id, enum record_kind kind, uint16_t scope_count,
                                   const struct wire_spec *specs, size_t count,
                                   struct wire_template **out)
{
    *out = NULL;
    if (count > WIRE_FIELDS_MOST)
        return WEIR_ELIMIT;
    if (scope_count > count)
        return WEIR_EMALFORMED;
    size_t memory = sizeof(struct wire_template) + count * sizeof(struct wire_field);
    struct wire_template *t = calloc(1, memory);
    if (!t)
        return WEIR_ENOMEM;
    t->id = id;
    t->kind = kind;
    t->scope_count = scope_count;
    t->field_count = (uint16_t)count;
    t->segment_count = 1;
    t->memory = (uint32_t)memory;
    if (!lay_out(t, specs)) {
        free(t);
        return WEIR_EMALFORMED;
    }
    *out = t;
    return WEIR_OK;
}

void wire_template_free(struct wire_template *t)
{
    free(t);
}

bool wire_template_same(const struct wire_template *a, const struct wire_template *b)
{
    if (a->id != b->id || a->kind != b->kind || a->scope_count != b->scope_count ||
        a->field_count != b->field_count)
        return false;
    for (uint16_t i = 0; i < a->field_count; i++)
        if (a->fields[i].key != b->fields[i].key || a->fields[i].length != b->fields[i].length)
            return false;
    return true;
}

int wire_template_find(const struct wire_template *t, ie_key key)
{
    for (uint16_t i = 0; i < t->field_count; i++)
        if (t->fields[i].shape != WIRE_SKIP && t->fields[i].key == key)
            return i;
    return -1;
}
