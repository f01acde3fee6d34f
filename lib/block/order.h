/* order.h - the order of the rows of a block that stays (arrange.h says which and why). Private to
 * lib/block. */
#ifndef WEIR_BLOCK_ORDER_H
#define WEIR_BLOCK_ORDER_H

#include "base/arena.h"
#include "block/dictionary.h"
#include "block/kernels.h"
#include "block/lay.h"
#include "flow/vector.h"

/* Sorted rows from `at` on, up to the next span, have exporter, domain, port and export time of row
 * `row` of the frames. */
struct span {
    uint32_t at, row;
};

struct order {
    uint32_t *rows; /* place when they are sorted -> row of the frames, one after the other */
    struct span *spans;
    uint32_t span_count; /* 0: not known */
};

/* The frames, one after the other, and what they have. */
struct unordered {
    const struct frame *frames;
    size_t count;
    uint32_t rows;               /* of all frames */
    const uint32_t *first_rows;  /* of each frame */
    const ie_key *keys;          /* of the columns, ascending */
    uint32_t column_count;
    const struct vector *const *of; /* by column and frame, `count` for a column; NULL: the frame
                                       lacks it */
    struct dictionary *dictionary;  /* used */
    const struct laid *laid; /* by column: how its values are held; NULL: as they are */
};

/* The better order of the two; rows that compare equal stay in their order. *out is from `a`.
 * False: no memory. `scratch` is used. */
bool order_rows(const struct unordered *u, struct arena *a, struct arena *scratch,
                struct order *out);
/* Whether all rows of a span have the same of this element. */
bool order_keeps_together(ie_key key);
/* Whether rows are ordered by the numbers of this element, so that its values must be held as they
 * are; export times are ordered by their differences. */
bool order_reads_numbers(ie_key key);

/* The frame that has this row. */
static inline uint32_t frame_of(const struct unordered *u, uint32_t row)
{
    uint32_t frame = 0;
    for (uint32_t high = (uint32_t)u->count; frame + 1 < high;) {
        uint32_t middle = (frame + high) / 2;
        if (u->first_rows[middle] <= row)
            frame = middle;
        else
            high = middle;
    }
    return frame;
}

/* ---- between the parts of it: order.c, order_alike.c, order_choice.c ---- */

/* Rows that lie together and have exporter, export time, template and elements in common: most
 * often the flows of one message. */
struct run {
    uint64_t key;        /* exporter and export time */
    uint32_t first, end; /* rows */
    uint32_t exporter, origin; /* numbers; an origin is an exporter, a template, and the elements
                                  that are there */
};

struct runs {
    struct run *runs;
    uint32_t count, origins;
};

/* By what the flows are. NULL: no memory. */
uint32_t *order_alike(const struct unordered *u, const struct runs *runs, struct arena *a,
                      struct arena *scratch);
#define ORDER_ALIKE_ROWS_MOST (UINT32_C(1) << 20)

/* Rows of both orders that are looked at to choose one. */
#define ORDER_WINDOWS 16u
static inline uint32_t order_window_size(uint32_t rows)
{
    return rows < ORDER_WINDOWS * PACK_GROUP ? rows / ORDER_WINDOWS : PACK_GROUP;
}
static inline uint32_t order_window(uint32_t rows, uint32_t window)
{
    return (uint32_t)((uint64_t)(rows - order_window_size(rows)) * window / (ORDER_WINDOWS - 1));
}

/* Whether the rows encode shorter as in `alike` than as in `told`, by a sample; *better. Of `told`,
 * rows that are in no window need not be known. False: no memory. */
bool order_choose(const struct unordered *u, const struct order *told, const uint32_t *alike,
                  struct arena *scratch, bool *better);

#endif
