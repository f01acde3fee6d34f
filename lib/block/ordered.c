/* ordered.c - reads CODEC_ORDERED, see ordered.h: takes a payload apart, decodes it, and answers
 * ranges on it as it lies. Called by decode_values.c and column.c; ordered_write.c is the other
 * side. */
#include "block/ordered.h"
#include <string.h>

static unsigned bits_below(uint32_t count) /* of a number below `count` */
{
    return count > 1 ? 32u - (unsigned)__builtin_clz(count - 1) : 0;
}

static uint32_t groups_of(uint32_t count)
{
    return (count + PACK_GROUP - 1) / PACK_GROUP;
}

static unsigned group_size(uint32_t count, uint32_t group)
{
    uint32_t left = count - group * PACK_GROUP;
    return left < PACK_GROUP ? left : PACK_GROUP;
}

/* ---- taking apart ---- */

static enum weir_status ladder_open(struct cursor *in, uint32_t count, unsigned width,
                                    struct arena *a, struct ladder *out)
{
    uint32_t groups = groups_of(count);
    *out = (struct ladder){.count = count};
    if (count == 0)
        return WEIR_OK;
    out->firsts = cursor_bytes(in, (size_t)groups * width);
    out->groups = arena_alloc(a, groups * sizeof *out->groups);
    if (in->failed || !out->groups)
        return in->failed ? WEIR_ETRUNCATED : WEIR_ENOMEM;
    enum weir_status s = packed_open(in, width, &out->gaps);
    for (uint32_t g = 0; s == WEIR_OK && g < groups; g++) {
        out->groups[g] = in->at;
        s = packed_next(&out->gaps, in, group_size(count, g), NULL);
    }
    out->end = in->at;
    return s;
}

static void numbers_open(struct cursor *in, uint32_t count, uint32_t values, struct numbers *out)
{
    size_t size = packed_size(count, bits_below(values));
    *out = (struct numbers){.count = count, .bits = bits_below(values)};
    out->at = cursor_bytes(in, size);
    out->end = in->at;
}

/* The bit map; *hits: how many bits are 1. */
static enum weir_status map_open(struct cursor *in, struct ordered *o, struct arena *a,
                                 uint32_t *hits)
{
    size_t words = ((size_t)o->rows + 63) / 64, size = ((size_t)o->rows + 7) / 8;
    const uint8_t *bytes = cursor_bytes(in, size);
    o->common = arena_alloc(a, words * 8);
    if (!bytes || !o->common)
        return bytes ? WEIR_ENOMEM : WEIR_ETRUNCATED;
    o->common[words - 1] = 0;
    memcpy(o->common, bytes, size);
    *hits = 0;
    for (size_t w = 0; w < words; w++)
        *hits += (uint32_t)__builtin_popcountll(o->common[w]);
    bool fine = *hits > 0 && *hits < o->rows &&
                (o->rows % 64 == 0 || o->common[words - 1] >> (o->rows % 64) == 0);
    return fine ? WEIR_OK : WEIR_EMALFORMED;
}

enum weir_status ordered_open(struct cursor *in, uint32_t count, unsigned width, struct arena *a,
                              struct ordered *out)
{
    uint32_t values = cursor_u32_le(in), common = cursor_u32_le(in), hits = 0;
    enum weir_status s;
    *out = (struct ordered){.rows = count, .width = width};
    if (in->failed)
        return WEIR_ETRUNCATED;
    if (width == 0 || width > 8 || values == 0 || values > DICTIONARY_MOST || values > count ||
        common >= values)
        return WEIR_EMALFORMED;
    if ((s = ladder_open(in, common, width, a, &out->values[ORDERED_COMMON])) ||
        (s = ladder_open(in, values - common, width, a, &out->values[ORDERED_RARE])) ||
        (common && (s = map_open(in, out, a, &hits))))
        return s;
    numbers_open(in, hits, common, &out->numbers[ORDERED_COMMON]);
    numbers_open(in, count - hits, values - common, &out->numbers[ORDERED_RARE]);
    return in->failed ? WEIR_ETRUNCATED : WEIR_OK;
}

/* ---- values ---- */

/* Gaps become values in place. False: they do not ascend. */
#define CLIMB(name, type)                                                                          \
    static bool name(void *values, unsigned count, uint64_t first)                                 \
    {                                                                                              \
        type *v = values, sum = (type)first;                                                       \
        bool fine = v[0] == 0;                                                                     \
        v[0] = sum;                                                                                \
        for (unsigned i = 1; i < count; i++) {                                                     \
            type before = sum;                                                                     \
            v[i] = sum = (type)(sum + v[i]);                                                       \
            fine &= sum > before;                                                                  \
        }                                                                                          \
        return fine;                                                                               \
    }
CLIMB(climb_1, uint8_t)
CLIMB(climb_2, uint16_t)
CLIMB(climb_4, uint32_t)
CLIMB(climb_8, uint64_t)

static uint64_t number_at(const uint8_t *at, unsigned width)
{
    uint64_t v = 0;
    memcpy(&v, at, width);
    return v;
}

/* PACK_GROUP values at `out`, those of group `g`. */
static enum weir_status ladder_group(const struct ladder *l, unsigned width, uint32_t g, void *out)
{
    static bool (*const climb[4])(void *, unsigned, uint64_t) = {climb_1, climb_2, climb_4,
                                                                 climb_8};
    struct cursor in = cursor_over(l->groups[g], (size_t)(l->end - l->groups[g]));
    unsigned count = group_size(l->count, g);
    enum weir_status s = packed_next(&l->gaps, &in, count, out);
    if (s)
        return s;
    return climb[width_index(width)](out, count, number_at(l->firsts + (size_t)g * width, width))
               ? WEIR_OK
               : WEIR_EMALFORMED;
}

/* All values, to an array that has room for whole groups. */
static enum weir_status ladder_read(const struct ladder *l, unsigned width, uint8_t *out)
{
    for (uint32_t g = 0; g < groups_of(l->count); g++) {
        uint8_t *at = out + (size_t)g * PACK_GROUP * width;
        enum weir_status s = ladder_group(l, width, g, at);
        if (s)
            return s;
        if (g && number_at(at, width) <= number_at(at - width, width))
            return WEIR_EMALFORMED;
    }
    return WEIR_OK;
}

/* How many values are below `bound`. */
static enum weir_status ladder_below(const struct ladder *l, unsigned width, uint64_t bound,
                                     uint32_t *out)
{
    uint8_t room[PACK_GROUP * 8];
    uint32_t low = 0, high = groups_of(l->count); /* groups that start below it */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (number_at(l->firsts + (size_t)middle * width, width) < bound)
            low = middle + 1;
        else
            high = middle;
    }
    *out = 0;
    if (low == 0)
        return WEIR_OK;
    enum weir_status s = ladder_group(l, width, low - 1, room);
    unsigned count = group_size(l->count, low - 1), below = 0;
    for (unsigned i = 0; i < count; i++)
        below += number_at(room + i * width, width) < bound;
    *out = (low - 1) * PACK_GROUP + below;
    return s;
}

/* ---- numbers ---- */

/* Numbers [first, first + PACK_GROUP), as far as there are any, at `out`. */
static void numbers_group(const struct numbers *n, uint32_t first, uint64_t add, uint16_t *out)
{
    uint8_t padded[PACK_GROUP * 2 + PACK_SLACK];
    uint32_t values[PACK_GROUP];
    const uint8_t *at = n->at + (size_t)first / 8 * n->bits;
    size_t left = (size_t)(n->end - at), whole = PACK_GROUP / 8 * (size_t)n->bits;
    if (left < whole + PACK_SLACK) {
        size_t size = left < whole ? left : whole;
        if (size)
            memcpy(padded, at, size);
        memset(padded + size, 0, sizeof padded - size);
        at = padded;
    }
    kernels_best()->unpack32(at, n->bits, values);
    kernels_best()->store32[1](values, add, out);
}

static uint16_t *numbers_read(const struct numbers *n, uint32_t values, uint32_t add,
                              struct arena *a, enum weir_status *status)
{
    uint16_t *out = arena_alloc(a, packed_room(n->count) * sizeof *out + MERGE_SLACK);
    *status = out ? WEIR_OK : WEIR_ENOMEM;
    for (uint32_t first = 0; out && first < n->count; first += PACK_GROUP)
        numbers_group(n, first, add, out + first);
    if (out && n->count && kernels_best()->most_code(out, n->count) >= add + values)
        *status = WEIR_EMALFORMED;
    return out;
}

enum weir_status ordered_decode(const struct ordered *o, struct arena *a, struct part *out)
{
    const struct ladder *common = &o->values[ORDERED_COMMON], *rare = &o->values[ORDERED_RARE];
    uint32_t all = common->count + rare->count;
    enum weir_status s;
    uint8_t *values = arena_alloc(a, (packed_room(all) + PACK_GROUP) * o->width);
    if (!values)
        return WEIR_ENOMEM;
    if ((s = ladder_read(common, o->width, values)) ||
        (s = ladder_read(rare, o->width, values + (size_t)common->count * o->width)))
        return s;
    uint16_t *codes = numbers_read(&o->numbers[ORDERED_RARE], rare->count, common->count, a, &s);
    if (s)
        return s;
    if (o->common) {
        uint16_t *merged = arena_alloc(a, (size_t)o->rows * sizeof *merged + MERGE_SLACK);
        uint16_t *few = numbers_read(&o->numbers[ORDERED_COMMON], common->count, 0, a, &s);
        if (s || !merged)
            return s ? s : WEIR_ENOMEM;
        kernels_best()->merge[1](o->common, few, codes, o->rows, merged);
        codes = merged;
    }
    *out = (struct part){VECTOR_DICTIONARY, values, codes, all};
    return WEIR_OK;
}

/* ---- ranges ---- */

/* A bit for each of the numbers, 1 when it is in [from, to): *out, with a word to spare. NULL: none
 * is. */
static enum weir_status numbers_match(const struct numbers *n, uint32_t from, uint32_t to,
                                      struct arena *a, uint64_t **out)
{
    uint32_t groups = groups_of(n->count);
    *out = NULL;
    if (from >= to || n->count == 0)
        return WEIR_OK;
    uint64_t *bits = arena_alloc(a, (groups * (PACK_GROUP / 64) + 1) * sizeof *bits);
    if (!bits)
        return WEIR_ENOMEM;
    const struct kernels *k = kernels_best();
    for (uint32_t g = 0; g < groups; g++) {
        uint16_t wide[PACK_GROUP];
        if (n->bits == 8 && group_size(n->count, g) == PACK_GROUP) {
            k->match8(n->at + (size_t)g * PACK_GROUP, (uint8_t)from, (uint8_t)(to - 1 - from),
                      bits + 4 * g);
            continue;
        }
        if (n->bits == 16 && group_size(n->count, g) == PACK_GROUP)
            memcpy(wide, n->at + (size_t)g * PACK_GROUP * 2, sizeof wide);
        else
            numbers_group(n, g * PACK_GROUP, 0, wide);
        k->match16(wide, (uint16_t)from, (uint16_t)(to - 1 - from), bits + 4 * g);
    }
    if (n->count % PACK_GROUP) { /* no bits past the last number */
        uint32_t last = groups - 1, count = group_size(n->count, last);
        for (uint32_t w = count / 64; w < PACK_GROUP / 64; w++)
            bits[4 * last + w] &= w * 64 < count ? (UINT64_C(1) << (count - w * 64)) - 1 : 0;
    }
    bits[4 * groups] = 0;
    *out = bits;
    return WEIR_OK;
}

enum weir_status ordered_select(const struct ordered *o, uint64_t low, uint64_t high,
                                const uint64_t *care, struct arena *a, uint64_t *out)
{
    uint64_t *bits[ORDERED_KINDS];
    uint32_t words = (o->rows + 63) / 64;
    for (int k = 0; k < ORDERED_KINDS; k++) {
        const struct ladder *l = &o->values[k];
        uint32_t from, to = l->count;
        enum weir_status s = ladder_below(l, o->width, low, &from);
        if (s == WEIR_OK && high < UINT64_MAX)
            s = ladder_below(l, o->width, high + 1, &to);
        if (s == WEIR_OK)
            s = numbers_match(&o->numbers[k], from, to, a, &bits[k]);
        if (s)
            return s;
    }
    if (o->common && (bits[0] || bits[1]))
        kernels_best()->expand(o->common, bits[0], bits[1], care, words, out);
    for (uint32_t w = 0; !o->common && bits[ORDERED_RARE] && w < words; w++)
        out[w] |= bits[ORDERED_RARE][w];
    return WEIR_OK;
}
