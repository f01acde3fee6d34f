/* block_cases.h - batches with columns of every width, shape and presence, for the tests of
 * lib/block. */
#ifndef WEIR_TESTS_BLOCK_CASES_H
#define WEIR_TESTS_BLOCK_CASES_H

#include "block/block.h"
#include "block/kernels.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

static uint64_t case_state = 88172645463325252u;
static inline uint64_t case_next(void)
{
    case_state ^= case_state << 13;
    case_state ^= case_state >> 7;
    return case_state ^= case_state << 17;
}

/* Value `row` of a column of shape `shape`; the same arguments give the same value only in
 * sequence. */
enum { CASE_SHAPES = 12 };
static inline uint64_t case_value(unsigned shape, uint32_t row)
{
    uint64_t r = case_next();
    switch (shape) {
    case 0:
        return 77; /* constant */
    case 1:
        return r; /* random */
    case 2:
        return r >> (r & 63); /* heavy tail */
    case 3:
        return UINT64_C(1700000000000) + row * 40 + r % 3000; /* times */
    case 4:
        return row / 30 * UINT64_C(0x1234567); /* runs */
    case 5:
        return r % 5 * UINT64_C(0x0101010101010101); /* few values */
    case 6:
        return (r % 2000) * (r % 2000) * 7919; /* some thousand, skewed */
    case 7:
        return r % 100 == 0; /* rare ones */
    case 8:
        return 0; /* zero */
    case 9:
        return row % 2 ? UINT64_MAX : 0; /* both ends */
    case 10:
        return row; /* sorted, distinct */
    default:
        return row % 64 == 63 ? r : row / 500; /* long runs, broken */
    }
}

/* 4-octet values whose hash in dictionary.c begins with the same 12 bits, found by undoing it. */
static inline uint64_t case_colliding(uint32_t i)
{
    uint32_t v = 0x12300000 | (i * 13 & 0xfffff);
    uint32_t inverse = UINT32_C(0x9e3779b1);
    for (int step = 0; step < 5; step++) /* Newton: the inverse of an odd number mod 2^32 */
        inverse *= 2 - inverse * UINT32_C(0x9e3779b1);
    v *= inverse;
    return v ^ v >> 15 ^ v >> 30;
}

/* How rows lack the element. */
enum { CASE_HOLES = 6 };
static inline bool case_present(unsigned hole, uint32_t row, uint32_t rows)
{
    switch (hole) {
    case 0:
        return true;
    case 1:
        return row % 2 == 0 || row + 1 == rows;
    case 2:
        return row >= rows / 2;
    case 3:
        return row + 1 == rows;
    case 4:
        return row % 64 != 5 || row < 6;
    default:
        return row == 0 || case_next() % 10 == 0;
    }
}

static inline void case_octets(struct batch *b, size_t column, uint32_t row, unsigned shape)
{
    uint8_t bytes[200];
    uint64_t v = case_value(shape, row);
    uint32_t length = shape == 1   ? (uint32_t)(v % sizeof bytes)
                      : shape == 8 ? 0
                                   : (uint32_t)(v % 9);
    for (uint32_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(v >> (i % 8 * 8));
    CU_ASSERT_EQUAL_FATAL(batch_put_octets(b, column, row, bytes, length), WEIR_OK);
}

static inline void case_column(struct batch *b, ie_key key, uint8_t width, unsigned shape,
                               unsigned hole)
{
    size_t index;
    uint32_t rows = batch_rows(b);
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, width, &index), WEIR_OK);
    for (uint32_t row = 0; row < rows; row++) {
        if (!case_present(hole, row, rows))
            continue;
        struct column *c = batch_column_at(b, index);
        uint8_t value[16];
        uint64_t low = case_value(shape, row), high = width == 16 ? case_value(shape, row) : 0;
        memcpy(value, &low, 8);
        memcpy(value + 8, &high, 8);
        if (width)
            memcpy((uint8_t *)c->values + (size_t)row * width, value, width);
        else
            case_octets(b, index, row, shape);
        batch_mark(b, index, row, 1);
    }
}

/* Decodes with all bases. */
static inline enum weir_status case_decode(const struct block *b, const struct block_column *c,
                                           struct arena *a, struct vector *out,
                                           struct weir_error *error)
{
    struct vector base = {.rows = 0};
    if (c->base) {
        const struct block_column *on = block_find(b, c->base);
        enum weir_status s = on ? case_decode(b, on, a, &base, error) : WEIR_ENOTFOUND;
        if (s)
            return s;
    }
    return column_decode(c, c->base ? &base : NULL, a, out, error);
}

/* Whether row `row` of the vector is what the column of the batch has. */
static inline bool case_same(const struct column *c, const struct vector *v, uint32_t row)
{
    bool has = c->present[row / 64] >> (row % 64) & 1;
    if (vector_has(v, row) != has || v->width != c->width)
        return false;
    if (c->width && c->width <= 8) {
        uint64_t want = 0;
        memcpy(&want, (uint8_t *)c->values + (size_t)row * c->width, c->width);
        return vector_u64(v, row) == want;
    }
    struct octets got = vector_octets(v, row);
    if (c->width == 16)
        return memcmp(got.bytes, (uint8_t *)c->values + 16 * (size_t)row, 16) == 0;
    const struct octets *want = (struct octets *)c->values + row;
    return got.length == want->length &&
           (!got.length || memcmp(got.bytes, want->bytes, got.length) == 0);
}

static inline bool case_column_same(const struct block *b, struct column *c, struct arena *a)
{
    struct vector v, flat;
    struct weir_error error = {.message = ""};
    const struct block_column *bc = block_find(b, c->key);
    if (!bc || bc->present_rows != c->present_rows || case_decode(b, bc, a, &v, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return false;
    }
    if (!vector_flatten(&v, a, &flat) || flat.form != VECTOR_FLAT)
        return false;
    for (uint32_t row = 0; row < b->head.rows; row++)
        if (!case_same(c, &v, row) || !case_same(c, &flat, row))
            return false;
    return true;
}

#endif
