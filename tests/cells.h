/* cells.h - a batch cell by cell: what tests of decoding and selection fill in and look at. */
#ifndef WEIR_TESTS_CELLS_H
#define WEIR_TESTS_CELLS_H

#include "flow/batch.h"
#include "flow/vector.h"
#include "unit.h"
#include <string.h>

/* The values of a new column of so many octets, marked as there in all rows. */
static inline void *cells_fill(struct batch *b, ie_key key, uint8_t width)
{
    size_t index;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, width, &index), WEIR_OK);
    batch_mark(b, index, 0, batch_rows(b));
    return batch_column_at(b, index)->values;
}

/* NULL: the batch has no such column. */
static inline struct column *cells_find(struct batch *b, ie_key key)
{
    for (size_t i = 0; i < batch_column_count(b); i++)
        if (batch_column_at(b, i)->key == key)
            return batch_column_at(b, i);
    return NULL;
}

static inline bool cells_has(struct batch *b, ie_key key, uint32_t row)
{
    const struct column *c = cells_find(b, key);
    return c && (c->present[row / 64] >> row % 64 & 1);
}

/* 0 where there is none. */
static inline uint64_t cells_number(struct batch *b, ie_key key, uint32_t row)
{
    const struct column *c = cells_find(b, key);
    struct vector v = {0};
    if (c)
        v = (struct vector){.width = c->width, .values = c->values};
    return cells_has(b, key, row) ? vector_u64(&v, row) : 0;
}

/* None is as good as no octets. */
static inline bool cells_octets_are(struct batch *b, ie_key key, uint32_t row, const void *bytes,
                                    size_t length)
{
    const struct column *c = cells_find(b, key);
    if (!c || c->width || !cells_has(b, key, row))
        return length == 0;
    struct octets o = ((const struct octets *)c->values)[row];
    return o.length == length && (length == 0 || memcmp(o.bytes, bytes, length) == 0);
}

#endif
