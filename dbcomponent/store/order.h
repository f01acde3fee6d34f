/* order.h - the order of the rows of a merged block (merge.h says which and why). */
#ifndef WEIR_DB_ORDER_H
#define WEIR_DB_ORDER_H

#include "base/arena.h"
#include "flow/vector.h"

/* `frames`, one after the other, have `rows` rows together. Which place each of them has
 * when they are sorted, from `a`; rows that compare equal stay in their order. NULL: no memory.
 * `scratch` is used and reset. */
const uint32_t *order_rows(const struct frame *frames, size_t count, uint32_t rows,
                           struct arena *a, struct arena *scratch);

#endif
