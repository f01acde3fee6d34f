/* fuzz_column.c - the payload of one column: codec, width, rows - 1 (2 octets, little endian),
 * absent rows (2 octets), then the column's bytes. */
#include "block/block.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    if (column_decode(&c, &base, &a, &v, NULL) == WEIR_OK && vector_flatten(&v, &a, &flat)) {
        volatile uint64_t sum = 0;
        for (uint32_t row = 0; row < v.rows; row++)
            if (v.width && v.width <= 8)
                sum += vector_u64(&flat, row) ^ vector_u64(&v, row);
            else if (vector_octets(&v, row).length)
                sum += vector_octets(&flat, row).bytes[0];
    }
    arena_free(&a);
    return 0;
}
