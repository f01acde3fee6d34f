/* lay.c - see lay.h. Used by arrange.c; the loops over numbers are kernels.c's. */
#include "block/lay.h"
#include "block/kernels.h"
#include <string.h>

struct pair {
    uint64_t low, high;
};
_Static_assert(sizeof(struct octets) == sizeof(struct pair), "octets are moved as pairs");

static bool is_number(unsigned width)
{
    return width >= 1 && width <= 8;
}

/* Octets that a value of this width takes. */
static size_t size_of(unsigned width)
{
    return width ? width : sizeof(struct octets);
}

static uint8_t octets_for(uint64_t most)
{
    return most <= UINT8_MAX ? 1 : most <= UINT16_MAX ? 2 : most <= UINT32_MAX ? 4 : 8;
}

/* Rows that lack the element are zero, so there is a base only where none does. */
static void choose_size(struct laid *l, const struct column_bounds *b, bool exact)
{
    uint8_t whole = octets_for(b->most), less = octets_for(b->most - b->least);
    l->vector.width = whole < b->width ? whole : b->width;
    if (b->width == 8 && b->all_present && !exact && less < whole) {
        l->vector.width = less;
        l->base = b->least;
    }
}

bool laid_start(struct laid *l, const struct column_bounds *bounds, bool exact, bool whole,
                uint32_t rows, struct arena *a)
{
    *l = (struct laid){.width = bounds->width};
    l->vector = (struct vector){
        .key = bounds->key, .width = bounds->width, .form = VECTOR_FLAT, .rows = rows};
    if (is_number(bounds->width))
        choose_size(l, bounds, exact);
    size_t size = rows * size_of(l->vector.width) + 1;
    l->values = bounds->all_present || whole ? arena_alloc(a, size) : arena_zero(a, size);
    l->vector.values = l->values;
    if (!bounds->all_present)
        l->present = arena_zero(a, (rows / 64 + 2) * sizeof *l->present);
    l->vector.present = l->present;
    return l->values && (l->present || bounds->all_present);
}

/* ---- laying ---- */

/* Numbers less the base; false: they do not fit. */
static bool lay_numbers(const struct laid *l, const void *from, unsigned width, uint32_t count,
                        void *to)
{
    const struct kernels *k = kernels_best();
    unsigned size = l->vector.width;
    uint64_t above = size < 8 ? ~UINT64_C(0) << 8 * size : 0, group[PACK_GROUP], any = 0;
    const uint8_t *in = from;
    uint8_t *out = to;
    uint32_t row = 0;
    if (size == width && !l->base) {
        memcpy(to, from, count * (size_t)size);
        return true;
    }
    for (; row + PACK_GROUP <= count; row += PACK_GROUP) {
        k->load[width_index(width)](in + row * (size_t)width, l->base, group);
        k->store64[width_index(size)](group, 0, out + row * (size_t)size);
        for (unsigned i = 0; i < PACK_GROUP; i++) /* a loop that vectorises */
            any |= group[i];
    }
    for (; row < count; row++) {
        uint64_t v = 0;
        memcpy(&v, in + row * (size_t)width, width);
        v -= l->base;
        memcpy(out + row * (size_t)size, &v, size);
        any |= v;
    }
    return !(any & above);
}

static bool copy_octets(const struct octets *from, uint32_t count, struct arena *a,
                        struct octets *to)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *bytes = arena_alloc(a, from[i].length);
        if (!bytes)
            return false;
        if (from[i].length)
            memcpy(bytes, from[i].bytes, from[i].length);
        to[i] = (struct octets){bytes, from[i].length};
    }
    return true;
}

/* `count` values as they are held. */
static enum weir_status lay_values(const struct laid *l, const struct vector *v, uint32_t count,
                                   struct arena *a, void *to)
{
    if (v->width == 0)
        return copy_octets(v->values, count, a, to) ? WEIR_OK : WEIR_ENOMEM;
    if (is_number(v->width))
        return lay_numbers(l, v->values, v->width, count, to) ? WEIR_OK : WEIR_EMALFORMED;
    memcpy(to, v->values, count * (size_t)v->width);
    return WEIR_OK;
}

/* Four a step, here and below: the loop is much of what it does. */
#define LOOK_UP(type)                                                                              \
    do {                                                                                           \
        const type *restrict in = from;                                                            \
        type *restrict out = to;                                                                   \
        uint32_t row = 0;                                                                          \
        for (; row + 4 <= count; row += 4) {                                                       \
            out[row] = in[codes[row]];                                                             \
            out[row + 1] = in[codes[row + 1]];                                                     \
            out[row + 2] = in[codes[row + 2]];                                                     \
            out[row + 3] = in[codes[row + 3]];                                                     \
        }                                                                                          \
        for (; row < count; row++)                                                                 \
            out[row] = in[codes[row]];                                                             \
    } while (0)

static void look_up(void *to, const void *from, size_t size, const uint16_t *restrict codes,
                    uint32_t count)
{
    switch (size) {
    case 1: LOOK_UP(uint8_t); break;
    case 2: LOOK_UP(uint16_t); break;
    case 4: LOOK_UP(uint32_t); break;
    case 8: LOOK_UP(uint64_t); break;
    default: LOOK_UP(struct pair); break;
    }
}

static void repeat(uint8_t *to, const void *value, size_t size, uint32_t rows)
{
    size_t done = size, all = rows * size;
    if (rows)
        memcpy(to, value, size);
    for (; done < all; done *= 2)
        memcpy(to + done, to, done < all - done ? done : all - done);
}

static void lay_presence(uint64_t *to, uint32_t first, const uint64_t *from, uint32_t rows)
{
    unsigned shift = first % 64;
    to += first / 64;
    for (uint32_t w = 0; 64 * w < rows; w++) {
        uint32_t left = rows - 64 * w;
        uint64_t bits = from ? from[w] : ~UINT64_C(0);
        bits &= ~UINT64_C(0) >> (left < 64 ? 64 - left : 0);
        to[w] |= bits << shift;
        if (shift)
            to[w + 1] |= bits >> (64 - shift);
    }
}

enum weir_status laid_add(struct laid *l, uint32_t first, const struct vector *v, struct arena *a,
                          struct arena *scratch)
{
    size_t size = size_of(l->vector.width);
    uint8_t *to = (uint8_t *)l->values + first * size;
    if (l->present)
        lay_presence(l->present, first, v->present, v->rows);
    if (v->form == VECTOR_FLAT)
        return lay_values(l, v, v->rows, a, to);
    uint32_t count = v->form == VECTOR_CONSTANT ? 1 : v->code_count;
    void *few = arena_alloc(scratch, count * size);
    enum weir_status status = few ? lay_values(l, v, count, a, few) : WEIR_ENOMEM;
    if (status == WEIR_OK && v->form == VECTOR_CONSTANT)
        repeat(to, few, size, v->rows);
    else if (status == WEIR_OK)
        look_up(to, few, size, v->codes, v->rows);
    return status;
}

void laid_end(struct laid *l)
{
    const struct vector *v = &l->vector;
    if (v->width && v->rows && !l->present &&
        memcmp(v->values, (const uint8_t *)v->values + v->width,
               (v->rows - 1) * (size_t)v->width) == 0)
        l->vector.form = VECTOR_CONSTANT;
}

/* ---- reading ---- */

#define GATHER(held, type)                                                                         \
    static void gather_##held##_##type(const void *from, uint64_t base,                            \
                                       const uint32_t *restrict rows, uint32_t count, void *to)    \
    {                                                                                              \
        const held *restrict in = from;                                                            \
        type *restrict out = to, more = (type)base;                                                \
        uint32_t i = 0;                                                                            \
        for (; i + 4 <= count; i += 4) {                                                           \
            out[i] = (type)(in[rows[i]] + more);                                                   \
            out[i + 1] = (type)(in[rows[i + 1]] + more);                                           \
            out[i + 2] = (type)(in[rows[i + 2]] + more);                                           \
            out[i + 3] = (type)(in[rows[i + 3]] + more);                                           \
        }                                                                                          \
        for (; i < count; i++)                                                                     \
            out[i] = (type)(in[rows[i]] + more);                                                   \
    }
GATHER(uint8_t, uint8_t)
GATHER(uint8_t, uint16_t)
GATHER(uint8_t, uint32_t)
GATHER(uint8_t, uint64_t)
GATHER(uint16_t, uint16_t)
GATHER(uint16_t, uint32_t)
GATHER(uint16_t, uint64_t)
GATHER(uint32_t, uint32_t)
GATHER(uint32_t, uint64_t)
GATHER(uint64_t, uint64_t)

static void gather_pairs(const void *from, const uint32_t *restrict rows, uint32_t count, void *to)
{
    const struct pair *restrict in = from;
    struct pair *restrict out = to;
    for (uint32_t i = 0; i < count; i++)
        out[i] = in[rows[i]];
}

void laid_gather(const struct laid *l, const uint32_t *rows, uint32_t count, void *out)
{
    static void (*const gathers[4][4])(const void *, uint64_t, const uint32_t *, uint32_t,
                                       void *) = {
        {gather_uint8_t_uint8_t, gather_uint8_t_uint16_t, gather_uint8_t_uint32_t,
         gather_uint8_t_uint64_t},
        {NULL, gather_uint16_t_uint16_t, gather_uint16_t_uint32_t, gather_uint16_t_uint64_t},
        {NULL, NULL, gather_uint32_t_uint32_t, gather_uint32_t_uint64_t},
        {NULL, NULL, NULL, gather_uint64_t_uint64_t},
    };
    if (is_number(l->width))
        gathers[width_index(l->vector.width)][width_index(l->width)](l->vector.values, l->base,
                                                                     rows, count, out);
    else
        gather_pairs(l->vector.values, rows, count, out);
}

void laid_repeat(const struct laid *l, uint32_t row, uint32_t count, void *out)
{
    const uint8_t *at = (const uint8_t *)l->vector.values + row * size_of(l->vector.width);
    uint64_t number = is_number(l->width) ? vector_u64(&l->vector, row) + l->base : 0;
    repeat(out, is_number(l->width) ? (const uint8_t *)&number : at, size_of(l->width), count);
}
