/* ordered_write.c - writes CODEC_CLASSES, see ordered.h: gaps of the values, and the numbers of the
 * rows, parted. Called by encode_values.c. */
#include "block/ordered.h"
#include <string.h>

/* ---- values ---- */

/* The firsts of all groups to `firsts`, and gaps to `gaps`, which is as long as the values. */
#define DESCEND(name, type)                                                                        \
    static void name(const void *values, uint32_t count, void *firsts, void *gaps)                 \
    {                                                                                              \
        const type *v = values;                                                                    \
        type *first = firsts, *gap = gaps;                                                         \
        for (uint32_t i = 0; i < count; i++)                                                       \
            if (i % PACK_GROUP)                                                                    \
                gap[i] = (type)(v[i] - v[i - 1]);                                                  \
            else                                                                                   \
                *first++ = v[i], gap[i] = 0;                                                       \
    }
DESCEND(descend_1, uint8_t)
DESCEND(descend_2, uint16_t)
DESCEND(descend_4, uint32_t)
DESCEND(descend_8, uint64_t)

static void write_ladder(struct value_encoder *e, const void *values, uint32_t count,
                         unsigned width, struct buffer *out)
{
    static void (*const descend[4])(const void *, uint32_t, void *, void *) = {
        descend_1, descend_2, descend_4, descend_8};
    uint32_t groups = (count + PACK_GROUP - 1) / PACK_GROUP;
    size_t firsts = (size_t)groups * 8; /* room that leaves gaps aligned */
    struct packed_plan plan;
    if (count == 0)
        return;
    uint8_t *memory = scratch_take(e, SCRATCH_PLANES, firsts + (size_t)count * width);
    if (!memory) {
        out->failed = true;
        return;
    }
    struct values gaps = {.at = memory + firsts, .count = count, .width = (uint8_t)width};
    descend[width_index(width)](values, count, memory, memory + firsts);
    values_measure(&gaps);
    packed_plan(gaps.at, count, width, gaps.least, gaps.most, &plan);
    buffer_put(out, memory, (size_t)groups * width);
    packed_write(&plan, gaps.at, count, width, out);
}

/* ---- rows ---- */

static void write_numbers(const uint16_t *numbers, uint32_t count, unsigned bits,
                          struct buffer *out)
{
    uint64_t group[PACK_GROUP];
    size_t size = packed_size(count, bits);
    uint8_t *at = buffer_extend(out, size + 8); /* what pack_bits() scribbles on */
    if (!at)
        return;
    for (uint32_t first = 0; first < count; first += PACK_GROUP) {
        uint32_t n = count - first < PACK_GROUP ? count - first : PACK_GROUP;
        for (uint32_t i = 0; i < n; i++)
            group[i] = numbers[first + i];
        at = pack_bits(group, n, bits, at);
    }
    out->length -= 8;
}

/* Where the rows' classes and numbers go. */
struct parting {
    uint16_t *parts[CLASSES_MOST];
    uint64_t *planes[CLASS_PLANES_MOST]; /* whole words; always both */
};

/* Parts the codes of rows [0, rows) by their classes; start[c] is the first code of class c. */
static void part_codes(const uint16_t *codes, uint32_t rows, const uint32_t start[CLASSES_MOST],
                       const struct parting *p)
{
    uint16_t *next[CLASSES_MOST];
    memcpy(next, p->parts, sizeof next);
    for (uint32_t first = 0; first < rows; first += 64) {
        uint32_t n = rows - first < 64 ? rows - first : 64;
        uint64_t low = 0, high = 0;
        for (uint32_t i = 0; i < n; i++) { /* no branch: which it is is chance */
            uint32_t code = codes[first + i];
            unsigned c = (unsigned)(code >= start[1]) + (code >= start[2]) + (code >= start[3]);
            *next[c]++ = (uint16_t)(code - start[c]);
            low |= (uint64_t)(c & 1) << i;
            high |= (uint64_t)(c >> 1) << i;
        }
        p->planes[0][first / 64] = low;
        p->planes[1][first / 64] = high;
    }
}

static bool parting_take(struct value_encoder *e, uint32_t rows, struct parting *out)
{
    size_t plane = ((size_t)rows + 63) / 64 * 8;
    uint8_t *at = scratch_take(e, SCRATCH_PLANES,
                               CLASS_PLANES_MOST * plane + (size_t)rows * 2);
    if (!at)
        return false;
    for (unsigned p = 0; p < CLASS_PLANES_MOST; p++, at += plane)
        out->planes[p] = (uint64_t *)(void *)at;
    for (unsigned c = 0; c < CLASSES_MOST; c++) {
        out->parts[c] = (uint16_t *)(void *)at;
        at += (size_t)e->dictionary.classes.rows[c] * 2;
    }
    return true;
}

static void write_rows(struct value_encoder *e, uint32_t rows, struct buffer *out)
{
    const struct dictionary *d = &e->dictionary;
    const struct classes *k = &d->classes;
    uint32_t start[CLASSES_MOST] = {0};
    struct parting p;
    if (!parting_take(e, rows, &p)) {
        out->failed = true;
        return;
    }
    for (unsigned c = 1; c < CLASSES_MOST; c++)
        start[c] = c < k->count ? start[c - 1] + k->values[c - 1] : UINT32_MAX;
    part_codes(d->codes, rows, start, &p);
    for (unsigned i = 0; i < bits_below(k->count); i++)
        buffer_put(out, (const uint8_t *)p.planes[i], ((size_t)rows + 7) / 8);
    for (unsigned c = 0; c < k->count; c++)
        write_numbers(p.parts[c], k->rows[c], bits_below(k->values[c]), out);
}

void ordered_write(struct value_encoder *e, const struct values *v, struct buffer *out)
{
    const struct classes *k = &e->dictionary.classes;
    const uint8_t *values = e->dictionary.values;
    buffer_put_u32le(out, e->dictionary.count);
    buffer_put_u8(out, (uint8_t)bits_below(k->count));
    for (unsigned c = 0; c + 1 < k->count; c++)
        buffer_put_u32le(out, k->values[c]);
    for (unsigned c = 0; c < k->count; values += (size_t)k->values[c++] * v->width)
        write_ladder(e, values, k->values[c], v->width, out);
    write_rows(e, v->count, out);
    e->ordered = true;
}
