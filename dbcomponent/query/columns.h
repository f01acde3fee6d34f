/* columns.h - the columns of the block being scanned, loaded and decoded when first asked for, each
 * once; bases of relative columns too. Private to dbcomponent/query.
 *
 * Threads: belongs to the thread whose reader and arena it uses. */
#ifndef WEIR_QUERY_COLUMNS_H
#define WEIR_QUERY_COLUMNS_H

#include "query/question.h"

struct columns {
    struct reader *reader;
    const struct scan_block *block;
    struct arena *arena;
    struct vector *vectors; /* beside block->columns */
    uint8_t *states;
};

/* False: no memory. */
bool columns_open(struct columns *c, struct reader *r, const struct scan_block *block,
                  struct arena *a);
/* *out is NULL when no row of the block has the element. Errors name the block. */
enum weir_status columns_get(struct columns *c, ie_key key, const struct vector **out,
                             struct weir_error *error);
/* The same for a filter alone, which asks of it nothing but ranges: a column that can answer them
 * as it lies is not decoded, and is not kept. */
enum weir_status columns_get_encoded(struct columns *c, ie_key key, const struct vector **out,
                                     struct weir_error *error);
/* The sum of the selected rows of a column (NULL: all), when that can be had without decoding it
 * into memory; else *done is false, and columns_get() is the way. */
enum weir_status columns_sum(struct columns *c, ie_key key, const uint64_t *selected, uint64_t *sum,
                             bool *done, struct weir_error *error);
/* The column a group at a time (block.h), for whoever wants each value once; NULL: columns_get() is
 * the way, of a column that has been decoded already too. */
enum weir_status columns_groups(struct columns *c, ie_key key, struct column_groups **out,
                                struct weir_error *error);
/* Puts the block's number in front of the message. What is wrong with stored bytes is damage
 * (WEIR_ECORRUPT), whatever the codec calls it. */
enum weir_status columns_blame(const struct columns *c, enum weir_status status,
                               struct weir_error *error);

#endif
