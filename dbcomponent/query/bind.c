/* bind.c - codes of a run's rows, column by column; see bind.h and layout.h. */
#include "query/bind.h"
#include "query/keys.h"

#include <string.h>

static const struct block_column *column_of(const struct run *run, ie_key key)
{
    uint32_t low = 0, high = run->columns ? run->column_count : 0;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (run->columns[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < run->column_count && run->columns && run->columns[low].key == key
               ? &run->columns[low]
               : NULL;
}

static unsigned bits_for(uint64_t most)
{
    return most ? 64 - (unsigned)__builtin_clzll(most) : 0;
}

/* Interning failed. (Numbers never fail; the filler of an absent row may code as anything, and is
 * replaced or refused later.) */
static bool has_failed(const struct binding *b, uint64_t code)
{
    return code == UINT64_MAX && b->component->kind != COMPONENT_NUMBER;
}

/* The code of one stored value, whatever it is stored as. UINT64_MAX: budget or memory. */
static uint64_t code_of_value(const struct binding *b, const struct vector *v, uint32_t at)
{
    const struct component *c = b->component;
    switch (v->width) {
    case 1: return component_code_number(c, b->interned, ((const uint8_t *)v->values)[at]);
    case 2: return component_code_number(c, b->interned, ((const uint16_t *)v->values)[at]);
    case 4: return component_code_number(c, b->interned, ((const uint32_t *)v->values)[at]);
    case 8: return component_code_number(c, b->interned, ((const uint64_t *)v->values)[at]);
    case 16:
        return component_code_wide(c, b->interned, (const uint8_t *)v->values + 16 * (size_t)at);
    default: return component_code_octets(c, b->interned, ((const struct octets *)v->values)[at]);
    }
}

static bool is_zero(const struct vector *v, uint32_t row)
{
    static const uint8_t none[16];
    if (v->width >= 1 && v->width <= 8)
        return vector_u64(v, row) == 0;
    struct octets value = vector_octets(v, row);
    return v->width == 16 && !memcmp(value.bytes, none, sizeof none);
}

static bool bind_codes(struct binding *b, struct arena *a)
{
    uint32_t count = b->v->code_count;
    uint64_t *lut = arena_alloc(a, ((size_t)count + 1) * sizeof *lut);
    if (!lut)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (has_failed(b, lut[i] = code_of_value(b, b->v, i)))
            return false;
    lut[count] = b->lacking;
    b->lut = lut;
    b->form = BIND_CODES;
    b->local_bits = bits_for(b->v->present ? count : count - 1);
    return true;
}

static void bind_number(struct binding *b, const struct run *run)
{
    const struct component *c = b->component;
    const struct block_column *column = column_of(run, b->v->key);
    b->form = BIND_NUMBER;
    b->local_bits = 65;
    if (!column)
        return;
    b->least = component_cut(c, column->least);
    b->span = component_cut(c, column->most) - b->least;
    if (b->span != UINT64_MAX)
        b->local_bits = bits_for(b->v->present ? b->span + 1 : b->span);
}

static bool bind_bin(struct binding *b, const struct run *run)
{
    b->least = run->first_bin;
    b->span = run->last_bin - run->first_bin;
    b->local_bits = bits_for(b->span);
    b->form = b->span ? BIND_BIN : BIND_CONSTANT;
    b->code = b->least;
    return b->v || b->form == BIND_CONSTANT;
}

static bool is_number(const struct vector *v)
{
    return v->width >= 1 && v->width <= 8;
}

/* Picks the form; b->v is then the only vector, but for BIND_ROWS of both families. */
static bool bind(struct binding *b, const struct run *run, struct arena *a)
{
    if (b->component->kind == COMPONENT_BIN)
        return bind_bin(b, run);
    b->lacking = component_code_lacking(b->component, b->interned);
    if (has_failed(b, b->lacking))
        return false;
    if (b->v && b->v6) {
        b->form = BIND_ROWS;
        b->local_bits = 65;
        return true;
    }
    b->v = b->v ? b->v : b->v6;
    b->v6 = NULL;
    b->code = b->lacking;
    if (!b->v) {
        b->form = BIND_CONSTANT;
        return true;
    }
    if (b->v->form == VECTOR_CONSTANT) {
        b->code = code_of_value(b, b->v, 0);
        b->form = b->v->present ? BIND_MAYBE : BIND_CONSTANT;
        b->local_bits = b->v->present ? 1 : 0;
        return !has_failed(b, b->code);
    }
    if (b->v->form == VECTOR_DICTIONARY && b->v->code_count)
        return bind_codes(b, a);
    if (is_number(b->v) && b->component->kind != COMPONENT_INTERNED) {
        bind_number(b, run);
        return true;
    }
    b->form = BIND_ROWS;
    b->local_bits = 65;
    return true;
}

/* Numbers can only be coded as numbers: a column of another shape than the survey said is damage.
 */
static bool shape_fits(const struct component *c, const struct vector *v)
{
    return !v || c->kind == COMPONENT_INTERNED || c->kind == COMPONENT_EITHER || is_number(v);
}

enum weir_status bind_component(struct tally *t, unsigned index, const struct run *run,
                                struct arena *a, struct binding *out, struct weir_error *error)
{
    const struct component *c = &t->layout->components[index];
    *out = (struct binding){.component = c, .interned = &t->interns.tables[index]};
    out->v = frame_find(&run->frame, c->column);
    out->v6 = c->column6 ? frame_find(&run->frame, c->column6) : NULL;
    if (!shape_fits(c, out->v) || !shape_fits(c, out->v6) ||
        (c->kind == COMPONENT_BIN && !out->v && run->first_bin != run->last_bin)) {
        char name[IE_NAME_SIZE];
        return weir_fail(error, WEIR_ECORRUPT, NULL, "column %s is not what its directory says",
                         ie_key_print(c->column, name));
    }
    return bind(out, run, a) ? WEIR_OK : budget_error(t->groups.budget, error);
}

static unsigned width_index(unsigned width)
{
    return (unsigned)__builtin_ctz(width) & 3;
}

void load_numbers(const struct loops *loops, const struct vector *v, uint32_t first, uint32_t n,
                  const uint32_t *index, uint64_t *out)
{
    if (!v || !is_number(v)) {
        memset(out, 0, n * sizeof *out);
        return;
    }
    unsigned w = width_index(v->width);
    if (v->form == VECTOR_DICTIONARY) {
        loops->look_up[w](v->values, index ? v->codes : v->codes + first, index, n, out);
    } else if (v->form == VECTOR_FLAT) {
        const uint8_t *values = v->values;
        loops->widen[w](index ? values : values + (size_t)first * v->width, index, n, out);
    } else {
        for (uint32_t i = 0; i < n; i++)
            out[i] = vector_u64(v, 0);
        for (uint32_t i = 0; v->present && i < n; i++)
            if (!vector_has(v, index ? index[i] : first + i))
                out[i] = 0;
    }
}

static void put_lacking(const struct vector *v, uint32_t first, uint32_t n, const uint32_t *index,
                        uint64_t lacking, uint64_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        if (!vector_has(v, index ? index[i] : first + i))
            out[i] = lacking;
}

/* ---- a row at a time; addresses of 16 octets are gathered and numbered together ---- */

struct gathered {
    uint64_t mask[2]; /* of the prefix, as the octets lie */
    uint64_t halves[LOOP_ROWS][2];
    uint32_t place[LOOP_ROWS], number[LOOP_ROWS];
    uint32_t count;
};
_Static_assert(LOOP_ROWS <= INTERN_RUN, "a run of rows is numbered in one go");

/* IPv4-mapped, network order: ::ffff:a.b.c.d. */
static bool is_mapped(const uint64_t half[2])
{
    return half[0] == 0 && (uint32_t)half[1] == UINT32_C(0xffff0000);
}

/* Which of a row's two addresses counts: keys.h, srcIP. NULL: it has none. */
static const struct vector *address_of_row(const struct binding *b, uint32_t row)
{
    bool has = b->v && vector_has(b->v, row);
    bool has6 = b->v6 && vector_has(b->v6, row);
    if (has6 && (!has || (is_zero(b->v, row) && !is_zero(b->v6, row))))
        return b->v6;
    return has ? b->v : NULL;
}

/* Gathers the row's address when it is a plain one of 16 octets; false: it has to be coded alone.
 */
static bool gather(const struct component *c, const struct vector *v, uint32_t row, uint32_t place,
                   struct gathered *g)
{
    uint64_t half[2];
    if (v->width != 16)
        return false;
    memcpy(half, (const uint8_t *)v->values + 16 * (size_t)vector_index(v, row), sizeof half);
    if (c->both_families && is_mapped(half))
        return false;
    g->halves[g->count][0] = half[0] & g->mask[0];
    g->halves[g->count][1] = half[1] & g->mask[1];
    g->place[g->count++] = place;
    return true;
}

/* The value coded last: neighbours are often equal, and a look-up is a hundred times a comparison.
 */
struct last {
    const struct vector *v;
    uint64_t value[2], code;
};

/* Values of 8 and 16 octets: is it the last one again? Keeps it for the next time when not. */
static bool is_last(struct last *last, const struct vector *v, uint32_t at)
{
    uint64_t value[2] = {0, 0};
    if (v->width < 8)
        return false;
    memcpy(value, (const uint8_t *)v->values + (size_t)v->width * at, v->width);
    if (last->v == v && value[0] == last->value[0] && value[1] == last->value[1])
        return true;
    *last = (struct last){.v = v, .value = {value[0], value[1]}};
    return false;
}

static uint64_t code_alone(const struct binding *b, const struct vector *v, uint32_t row,
                           struct last *last)
{
    uint32_t at = vector_index(v, row);
    if (!is_last(last, v, at)) {
        uint64_t code = code_of_value(b, v, at);
        if (v->width < 8)
            return code;
        last->code = code;
    }
    return last->code;
}

static bool codes_by_row(const struct binding *b, uint32_t first, uint32_t n, const uint32_t *index,
                         uint64_t *out)
{
    const struct component *c = b->component;
    struct last last = {.v = NULL};
    struct gathered g;
    g.count = 0;
    memset(g.mask, 0xff, sizeof g.mask);
    key_mask((uint8_t *)g.mask, c->prefix, false);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = index ? index[i] : first + i;
        const struct vector *v = address_of_row(b, row);
        if (v && gather(c, v, row, i, &g))
            continue;
        out[i] = v ? code_alone(b, v, row, &last) : b->lacking;
        if (has_failed(b, out[i]))
            return false;
    }
    if (!intern_wide_run(b->interned, (const uint64_t(*)[2])g.halves, g.count, g.number))
        return false;
    uint64_t mark = c->kind == COMPONENT_EITHER ? UINT64_C(1) << 32 : 0;
    for (uint32_t i = 0; i < g.count; i++)
        out[g.place[i]] = mark | g.number[i];
    return true;
}

static void codes_of_dictionary(const struct tally *t, const struct binding *b, bool local,
                                uint32_t first, uint32_t n, const uint32_t *index, uint64_t *out)
{
    const uint16_t *codes = index ? b->v->codes : b->v->codes + first;
    if (local)
        t->loops->widen[1](codes, index, n, out);
    else
        t->loops->look_up[3](b->lut, codes, index, n, out);
    if (b->v->present)
        put_lacking(b->v, first, n, index, local ? b->v->code_count : b->lacking, out);
}

static void codes_of_numbers(const struct tally *t, const struct binding *b, bool local,
                             uint32_t first, uint32_t n, const uint32_t *index, uint64_t *out)
{
    load_numbers(t->loops, b->v, first, n, index, out);
    t->loops->rebase(out, n, b->component->drop, local ? b->least : b->component->base);
    if (b->v->present)
        put_lacking(b->v, first, n, index, local ? b->span + 1 : b->lacking, out);
}

bool binding_encode(const struct tally *t, const struct binding *b, bool local, uint32_t first,
                    uint32_t n, const uint32_t *index, uint64_t *word, uint64_t *all)
{
    const struct component *c = b->component;
    const struct vector *v = b->v;
    unsigned shift = local ? b->local_shift : c->shift;
    if (!v || v->present)
        return false;
    if (b->form == BIND_NUMBER && v->form == VECTOR_FLAT) {
        const uint8_t *values = v->values;
        *all = t->loops->encode[width_index(v->width)](
            index ? values : values + (size_t)first * v->width, index, n, c->drop,
            local ? b->least : c->base, shift, word);
        return true;
    }
    if (b->form == BIND_CODES && local) {
        *all =
            t->loops->encode[1](index ? v->codes : v->codes + first, index, n, 0, 0, shift, word);
        return true;
    }
    return false;
}

bool binding_codes(const struct tally *t, const struct binding *b, bool local, uint32_t first,
                   uint32_t n, const uint32_t *index, uint64_t *out)
{
    switch (b->form) {
    case BIND_ROWS: return codes_by_row(b, first, n, index, out);
    case BIND_CODES: codes_of_dictionary(t, b, local, first, n, index, out); return true;
    case BIND_NUMBER: codes_of_numbers(t, b, local, first, n, index, out); return true;
    case BIND_BIN:
        load_numbers(t->loops, b->v, first, n, index, out);
        t->loops->divide(out, n, t->bins.from, t->bins.step);
        if (local)
            t->loops->rebase(out, n, 0, b->least);
        return true;
    case BIND_MAYBE:
        for (uint32_t i = 0; i < n; i++)
            out[i] = local ? 0 : b->code;
        put_lacking(b->v, first, n, index, local ? 1 : b->lacking, out);
        return true;
    default:
        for (uint32_t i = 0; i < n; i++)
            out[i] = local ? 0 : b->code;
        return true;
    }
}

static uint64_t widen_number(const struct binding *b, uint64_t local)
{
    return b->v->present && local > b->span ? b->lacking : local + b->least - b->component->base;
}

void binding_widen(const struct binding *b, const uint32_t *cells, uint32_t n, uint64_t *out)
{
    uint64_t mask = (UINT64_C(1) << b->local_bits) - 1;
    for (uint32_t i = 0; i < n; i++)
        out[i] = cells[i] >> b->local_shift & mask;
    switch (b->form) {
    case BIND_CODES: /* the last one is for rows that lack it */
        for (uint32_t i = 0; i < n; i++)
            out[i] = b->lut[out[i] < b->v->code_count ? out[i] : b->v->code_count];
        return;
    case BIND_NUMBER:
        for (uint32_t i = 0; i < n; i++)
            out[i] = widen_number(b, out[i]);
        return;
    case BIND_MAYBE:
        for (uint32_t i = 0; i < n; i++)
            out[i] = out[i] ? b->lacking : b->code;
        return;
    case BIND_BIN:
        for (uint32_t i = 0; i < n; i++)
            out[i] += b->least;
        return;
    default:
        for (uint32_t i = 0; i < n; i++)
            out[i] = b->code;
    }
}
