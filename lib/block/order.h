/* order.h - the order of the rows of a block that stays (arrange.h says which and why). Private to
 * lib/block. */
#ifndef WEIR_BLOCK_ORDER_H
#define WEIR_BLOCK_ORDER_H

#include "base/arena.h"
#include "flow/vector.h"

/* Sorted rows from `at` on, up to the next span, have exporter, domain, port and export time of row
 * `row` of the frames. */
struct span {
    uint32_t at, row;
};

struct order {
    uint32_t *place; /* row of the frames -> its place when they are sorted */
    struct span *spans;
    uint32_t span_count; /* 0: not known */
};

/* `frames`, one after the other, have `rows` rows together; rows that compare equal stay in their
 * order. *out is from `a`. False: no memory. `scratch` is used. */
bool order_rows(const struct frame *frames, size_t count, uint32_t rows, struct arena *a,
                struct arena *scratch, struct order *out);
/* Whether all rows of a span have the same of this element. */
bool order_keeps_together(ie_key key);

#endif
