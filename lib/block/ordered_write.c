/* ordered_write.c - writes CODEC_ORDERED, see ordered.h: gaps of the values, and the numbers of the
 * rows, parted. Called by encode_values.c. */
#include "block/ordered.h"
#include <string.h>

static unsigned bits_below(uint32_t count) /* of a number below `count` */
{
    return count > 1 ? 32u - (unsigned)__builtin_clz(count - 1) : 0;
}

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

/* Parts the codes of rows [0, rows) by whether they are below `common`, and fills the bit map,
 * whole words. Both parts have room for one more. */
static void part_codes(const uint16_t *codes, uint32_t rows, uint32_t common, uint64_t *map,
                       uint16_t *few, uint16_t *rest)
{
    for (uint32_t first = 0; first < rows; first += 64) {
        uint32_t n = rows - first < 64 ? rows - first : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < n; i++) { /* no branch: which it is is chance */
            uint32_t code = codes[first + i];
            size_t hit = code < common;
            *few = (uint16_t)code;
            *rest = (uint16_t)(code - common);
            few += hit;
            rest += 1 - hit;
            word |= (uint64_t)hit << i;
        }
        map[first / 64] = word;
    }
}

static void write_rows(struct value_encoder *e, uint32_t rows, struct buffer *out)
{
    const struct dictionary *d = &e->dictionary;
    unsigned rare_bits = bits_below(d->count - d->common);
    size_t map = ((size_t)rows + 63) / 64 * 8, few = ((size_t)d->common_rows + 4) / 4 * 8;
    if (d->common == 0) {
        write_numbers(d->codes, rows, rare_bits, out);
        return;
    }
    uint8_t *memory = scratch_take(e, SCRATCH_PLANES, map + few + ((size_t)rows + 1) * 2);
    if (!memory) {
        out->failed = true;
        return;
    }
    uint16_t *common = (uint16_t *)(void *)(memory + map);
    uint16_t *rare = (uint16_t *)(void *)(memory + map + few);
    part_codes(d->codes, rows, d->common, (uint64_t *)(void *)memory, common, rare);
    buffer_put(out, memory, ((size_t)rows + 7) / 8);
    write_numbers(common, d->common_rows, bits_below(d->common), out);
    write_numbers(rare, rows - d->common_rows, rare_bits, out);
}

void ordered_write(struct value_encoder *e, const struct values *v, struct buffer *out)
{
    const struct dictionary *d = &e->dictionary;
    const uint8_t *rare = (const uint8_t *)d->values + (size_t)d->common * v->width;
    buffer_put_u32le(out, d->count);
    buffer_put_u32le(out, d->common);
    write_ladder(e, d->values, d->common, v->width, out);
    write_ladder(e, rare, d->count - d->common, v->width, out);
    write_rows(e, v->count, out);
    e->ordered = true;
}
