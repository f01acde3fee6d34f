/* ordered.c - reads CODEC_CLASSES and CODEC_ORDERED, see ordered.h: takes a payload apart,
 * decodes it, and answers ranges on it as it lies. Called by decode_values.c and encoded.c;
 * ordered_write.c is the other side. */
#include "block/ordered.h"
#include <string.h>

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

/* As many bits as there are rows, in whole words, those past the last row zero: a bit map that is
 * to be filled from `in`. */
static enum weir_status plane_open(struct cursor *in, uint32_t rows, struct arena *a,
                                   uint64_t **out)
{
    size_t words = ((size_t)rows + 63) / 64, size = ((size_t)rows + 7) / 8;
    const uint8_t *bytes = cursor_bytes(in, size);
    uint64_t *plane = *out = arena_alloc(a, words * 8);
    if (!bytes || !plane)
        return bytes ? WEIR_ENOMEM : WEIR_ETRUNCATED;
    plane[words - 1] = 0;
    memcpy(plane, bytes, size);
    bool fine = rows % 64 == 0 || plane[words - 1] >> (rows % 64) == 0;
    return fine ? WEIR_OK : WEIR_EMALFORMED;
}

/* CODEC_ORDERED has a bit for common values, which are of class 0; here it says class 1. */
static enum weir_status common_open(struct cursor *in, struct ordered *o, struct arena *a)
{
    uint32_t words = (o->rows + 63) / 64, rows[CLASSES_MOST];
    uint64_t *plane;
    enum weir_status s = plane_open(in, o->rows, a, &plane);
    if (s)
        return s;
    kernels_best()->count4((const uint64_t *[2]){plane, NULL}, words, rows);
    if (rows[1] == 0 || rows[1] == o->rows)
        return WEIR_EMALFORMED;
    for (uint32_t w = 0; w < words; w++)
        plane[w] = ~plane[w];
    if (o->rows % 64)
        plane[words - 1] &= (UINT64_C(1) << (o->rows % 64)) - 1;
    o->planes[0] = plane;
    return WEIR_OK;
}

static enum weir_status planes_open(struct cursor *in, struct ordered *o, struct arena *a)
{
    for (unsigned p = 0; p < o->plane_count; p++) {
        uint64_t *plane;
        enum weir_status s = plane_open(in, o->rows, a, &plane);
        if (s)
            return s;
        o->planes[p] = plane;
    }
    return WEIR_OK;
}

static enum weir_status numbers_open(struct cursor *in, struct ordered *o)
{
    uint32_t rows[CLASSES_MOST] = {o->rows}, words = (o->rows + 63) / 64;
    if (o->plane_count) {
        kernels_best()->count4(o->planes, words, rows);
        rows[0] -= words * 64 - o->rows;
    }
    for (unsigned c = 0; c < o->class_count; c++) {
        uint32_t values = o->values[c].count;
        unsigned bits = bits_below(values);
        if (rows[c] && !values)
            return WEIR_EMALFORMED;
        o->numbers[c] = (struct numbers){.count = rows[c], .bits = bits};
        o->numbers[c].at = cursor_bytes(in, packed_size(rows[c], bits));
        o->numbers[c].end = in->at;
    }
    return in->failed ? WEIR_ETRUNCATED : WEIR_OK;
}

/* How many values there are of each class, those of the last being what is left of all. */
static enum weir_status head_open(struct cursor *in, enum codec codec, struct ordered *o,
                                  uint32_t values[CLASSES_MOST])
{
    uint32_t left = cursor_u32_le(in), all = left;
    unsigned planes = codec == CODEC_ORDERED ? 1 : cursor_u8(in);
    if (planes > CLASS_PLANES_MOST || all == 0 || all > DICTIONARY_MOST || all > o->rows)
        return in->failed ? WEIR_ETRUNCATED : WEIR_EMALFORMED;
    o->plane_count = planes;
    o->class_count = 1u << planes;
    for (unsigned c = 0; c + 1 < o->class_count; left -= values[c++])
        if ((values[c] = cursor_u32_le(in)) > left)
            return WEIR_EMALFORMED;
    values[o->class_count - 1] = left;
    if (codec == CODEC_ORDERED && left == 0)
        return WEIR_EMALFORMED;
    if (codec == CODEC_ORDERED && left == all) { /* no common values: no bit map */
        o->plane_count = 0;
        o->class_count = 1;
        values[0] = left;
    }
    return in->failed ? WEIR_ETRUNCATED : WEIR_OK;
}

enum weir_status ordered_open(struct cursor *in, enum codec codec, uint32_t count, unsigned width,
                              struct arena *a, struct ordered *out)
{
    uint32_t values[CLASSES_MOST] = {0};
    enum weir_status s;
    *out = (struct ordered){.rows = count, .width = width};
    if (width == 0 || width > 8)
        return WEIR_EMALFORMED;
    if ((s = head_open(in, codec, out, values)))
        return s;
    for (unsigned c = 0; c < out->class_count; c++)
        if ((s = ladder_open(in, values[c], width, a, &out->values[c])))
            return s;
    s = codec == CODEC_ORDERED && out->plane_count ? common_open(in, out, a)
                                                   : planes_open(in, out, a);
    return s ? s : numbers_open(in, out);
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

/* How many of `count` ascending values are below `bound`. */
static uint32_t values_below(const uint8_t *values, uint32_t count, unsigned width, uint64_t bound)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (number_at(values + (size_t)middle * width, width) < bound)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many values of the ladder are below `bound`. */
static enum weir_status ladder_below(const struct ladder *l, unsigned width, uint64_t bound,
                                     uint32_t *out)
{
    uint8_t room[PACK_GROUP * 8];
    /* Groups that start so. */
    uint32_t groups = values_below(l->firsts, groups_of(l->count), width, bound);
    *out = 0;
    if (groups == 0)
        return WEIR_OK;
    enum weir_status s = ladder_group(l, width, groups - 1, room);
    uint32_t whole = (groups - 1) * PACK_GROUP;
    *out = whole + values_below(room, group_size(l->count, groups - 1), width, bound);
    return s;
}

/* ---- numbers ---- */

/* Numbers [first, first + PACK_GROUP), as far as there are any, at `out`. */
static void numbers_group(const struct numbers *n, uint32_t first, uint16_t *out)
{
    uint8_t padded[PACK_GROUP * 2 + PACK_SLACK];
    const uint8_t *at = n->at + (size_t)first / 8 * n->bits;
    size_t left = (size_t)(n->end - at), whole = PACK_GROUP / 8 * (size_t)n->bits;
    if (left < whole + PACK_SLACK) {
        size_t size = left < whole ? left : whole;
        if (size)
            memcpy(padded, at, size);
        memset(padded + size, 0, sizeof padded - size);
        at = padded;
    }
    kernels_best()->unpack16(at, n->bits, out);
}

/* All numbers of a class that has `values`, plus `add`: codes. */
static uint16_t *numbers_read(const struct numbers *n, uint32_t values, uint16_t add,
                              struct arena *a, enum weir_status *status)
{
    uint16_t *out = arena_alloc(a, packed_room(n->count) * sizeof *out + MERGE_SLACK);
    *status = out ? WEIR_OK : WEIR_ENOMEM;
    for (uint32_t first = 0; out && first < n->count; first += PACK_GROUP)
        numbers_group(n, first, out + first);
    /* Before adding, which could wrap what is too large to something small. */
    if (out && n->count && kernels_best()->most_code(out, n->count) >= values)
        *status = WEIR_EMALFORMED;
    for (uint32_t i = 0; out && add && i < n->count; i++)
        out[i] = (uint16_t)(out[i] + add);
    return out;
}

/* The codes of all classes, and one array of them in row order. */
static enum weir_status codes_read(const struct ordered *o, struct arena *a, uint16_t **out)
{
    uint16_t *parts[CLASSES_MOST];
    uint32_t before = 0;
    for (unsigned c = 0; c < o->class_count; before += o->values[c++].count) {
        enum weir_status s;
        parts[c] = numbers_read(&o->numbers[c], o->values[c].count, (uint16_t)before, a, &s);
        if (s)
            return s;
    }
    *out = parts[0];
    if (o->class_count == 1)
        return WEIR_OK;
    if (!(*out = arena_alloc(a, (size_t)o->rows * sizeof **out + MERGE_SLACK)))
        return WEIR_ENOMEM;
    if (o->class_count == 2)
        kernels_best()->merge[1](o->planes[0], parts[1], parts[0], o->rows, *out);
    else
        kernels_best()->merge4(o->planes, (const uint16_t *const *)parts, o->rows, *out);
    return WEIR_OK;
}

enum weir_status ordered_decode(const struct ordered *o, struct arena *a, struct part *out)
{
    uint32_t all = 0;
    uint16_t *codes;
    for (unsigned c = 0; c < o->class_count; c++)
        all += o->values[c].count;
    uint8_t *values = arena_alloc(a, (packed_room(all) + PACK_GROUP) * o->width), *at = values;
    if (!values)
        return WEIR_ENOMEM;
    for (unsigned c = 0; c < o->class_count; at += (size_t)o->values[c++].count * o->width) {
        enum weir_status s = ladder_read(&o->values[c], o->width, at);
        if (s)
            return s;
    }
    enum weir_status s = codes_read(o, a, &codes);
    if (s == WEIR_OK)
        *out = (struct part){VECTOR_DICTIONARY, values, codes, all};
    return s;
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
        const void *at = n->at + (size_t)g * PACK_GROUP * 2;
        if (n->bits != 16 || group_size(n->count, g) < PACK_GROUP) {
            numbers_group(n, g * PACK_GROUP, wide);
            at = wide;
        }
        k->match16(at, (uint16_t)from, (uint16_t)(to - 1 - from), bits + 4 * g);
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

/* Brings the classes' bits to where their rows are. */
static void spread_classes(const struct ordered *o, uint64_t *bits[CLASSES_MOST],
                           const uint64_t *care, uint64_t *out)
{
    uint32_t words = (o->rows + 63) / 64;
    bool any = false;
    for (unsigned c = 0; c < o->class_count; c++)
        any |= bits[c] != NULL;
    if (!any)
        return;
    if (o->class_count == 4)
        kernels_best()->expand4(o->planes, (const uint64_t *const *)bits, care, words, out);
    else if (o->class_count == 2)
        kernels_best()->expand(o->planes[0], bits[1], bits[0], care, words, out);
    else
        for (uint32_t w = 0; w < words; w++)
            out[w] |= bits[0][w];
}

enum weir_status ordered_select(const struct ordered *o, uint64_t low, uint64_t high,
                                const uint64_t *care, struct arena *a, uint64_t *out)
{
    uint64_t *bits[CLASSES_MOST];
    for (unsigned c = 0; c < o->class_count; c++) {
        const struct ladder *l = &o->values[c];
        uint32_t from, to = l->count;
        enum weir_status s = ladder_below(l, o->width, low, &from);
        if (s == WEIR_OK && high < UINT64_MAX)
            s = ladder_below(l, o->width, high + 1, &to);
        if (s == WEIR_OK)
            s = numbers_match(&o->numbers[c], from, to, a, &bits[c]);
        if (s)
            return s;
    }
    spread_classes(o, bits, care, out);
    return WEIR_OK;
}
