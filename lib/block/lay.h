/* lay.h - a column of several frames, one after the other, as it waits to be put in order: each
 * value in the fewest octets that are enough for all of them. Private to lib/block; arrange.c's.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef WEIR_BLOCK_LAY_H
#define WEIR_BLOCK_LAY_H

#include "base/arena.h"
#include "base/status.h"
#include "flow/filter.h"
#include "flow/vector.h"

struct laid {
    struct vector vector; /* of all rows, FLAT or CONSTANT; its width is what a value is held in */
    uint64_t base;        /* a value is what is held and this; 0 unless `width` is 8 */
    uint8_t width;        /* of the column */
    uint64_t *present;    /* NULL: every row has it */
    void *values;
};

/* A column of `rows` rows, within these bounds: key, width, least and most of width 1 to 8, and
 * whether every row has it. `exact`: what is held must be the values themselves (base 0). `whole`:
 * every row will be laid. Memory from `a`, zero where nothing is laid. False: no memory. */
bool laid_start(struct laid *l, const struct column_bounds *bounds, bool exact, bool whole,
                uint32_t rows, struct arena *a);
/* Rows [first, first + v->rows) are v's, which may be of less width than the column. Octets are
 * copied to `a`. WEIR_EMALFORMED: a value is not within the bounds. WEIR_ENOMEM. */
enum weir_status laid_add(struct laid *l, uint32_t first, const struct vector *v, struct arena *a,
                          struct arena *scratch);
/* After the last row: finds out whether all rows have the same value. */
void laid_end(struct laid *l);

/* out[i] = the value of row rows[i], of the column's width. */
void laid_gather(const struct laid *l, const uint32_t *rows, uint32_t count, void *out);
/* The value of row `row`, `count` times. */
void laid_repeat(const struct laid *l, uint32_t row, uint32_t count, void *out);

#endif
