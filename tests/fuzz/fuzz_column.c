/* fuzz_column.c - the payload of one column: codec, width, rows - 1 (2 octets, little endian),
 * absent rows (2 octets), then the column's bytes. */
#include "block/block.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_value(const struct vector *flat, const struct vector *v, uint32_t row)
{
    if (v->width && v->width <= 8)
        return vector_u64(flat, row) == vector_u64(v, row);
    struct octets a = vector_octets(flat, row), b = vector_octets(v, row);
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

/* What is answered on packed numbers is what the values say. */
static void ask_ranges(const struct block_column *c, const struct vector *flat, struct arena *a)
{
    struct vector v;
    uint64_t *out = arena_zero(a, ((size_t)c->rows + 63) / 64 * 8);
    uint64_t low = c->crc & 0xff, high = low + (c->crc >> 8);
    if (!out || column_encoded(c, a, &v, NULL) != WEIR_OK)
        return;
    bool fine = v.encoded->select(v.encoded, low, high, NULL, a, out);
    for (uint32_t row = 0; fine && flat && row < c->rows; row++) {
        bool want = vector_has(flat, row) && vector_u64(flat, row) >= low &&
                    vector_u64(flat, row) <= high;
        if ((out[row / 64] >> (row % 64) & 1) != want)
            abort();
    }
}

/* Added up, and group by group: what was decoded. */
static void read_otherwise(const struct block_column *c, const struct vector *base,
                           const struct vector *flat, struct arena *a)
{
    uint64_t sum, expected = 0, values[COLUMN_GROUP];
    struct column_groups *groups = NULL;
    uint32_t n = 0, row = 0;
    for (uint32_t i = 0; flat && flat->width == 8 && i < flat->rows; i++)
        expected += vector_u64(flat, i);
    if (column_can_sum(c) && column_sum(c, NULL, a, &sum, NULL) == WEIR_OK && flat &&
        sum != expected)
        abort();
    if (!column_can_group(c) || column_groups_open(c, base, a, &groups, NULL) != WEIR_OK || !groups)
        return;
    while (column_groups_next(groups, values, &n, NULL) == WEIR_OK && n)
        for (uint32_t i = 0; i < n; i++, row++)
            if (flat && vector_u64(flat, row) != values[i])
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t base_values[65536];
    static uint16_t base_codes[65536];
    base_codes[1] = 15;
    static const uint8_t widths[] = {0, 1, 2, 4, 8, 16};
    struct cursor in = cursor_over(data, size);
    struct block_column c = {.key = IANA(1), .base = IANA(2)};
    c.codec = cursor_u8(&in);
    c.width = widths[cursor_u8(&in) % 6];
    c.rows = cursor_u16_le(&in) + 1u;
    c.present_rows = c.rows - cursor_u16_le(&in) % c.rows;
    if (in.failed)
        return 0;
    struct vector base = {.key = IANA(2), .width = 8, .rows = c.rows, .values = base_values}, v,
                  flat;
    if (c.rows % 2) { /* so that maps have something to stand on */
        base.form = VECTOR_DICTIONARY;
        base.codes = base_codes;
        base.code_count = 16;
    }
    struct arena a = {.limit = 64u << 20};
    c.bytes = in.at;
    c.length = (uint32_t)cursor_left(&in);
    c.crc = crc32c(0, c.bytes, c.length);
    bool decoded =
        column_decode(&c, &base, &a, &v, NULL) == WEIR_OK && vector_flatten(&v, &a, &flat);
    if (decoded) {
        for (uint32_t row = 0; row < v.rows; row++)
            if (!same_value(&flat, &v, row))
                abort();
    }
    if (column_can_filter(&c))
        ask_ranges(&c, decoded ? &flat : NULL, &a);
    uint64_t sum;
    bool same;
    if (column_can_sum(&c))
        column_sum(&c, base_values, &a, &sum, NULL);
    read_otherwise(&c, &base, decoded ? &flat : NULL, &a);
    column_is_base(&c, &a, &same, NULL);
    arena_free(&a);
    return 0;
}
