/* rank.h - which groups come first, and the first of many. Private to dbcomponent/query.
 *
 * Most of the measure first, ties by keys ascending: an order in which no two groups are equal, so
 * that what is picked does not depend on where groups lie.
 *
 * Threads: reads groups, layout and interned values, which nobody changes any more. */
#ifndef WEIR_QUERY_RANK_H
#define WEIR_QUERY_RANK_H

#include "query/question.h"

struct ranked {
    uint64_t measure;
    size_t at;
};

struct ranking {
    const struct question *question;
    const struct tally *tally;
    const uint64_t *records;
    unsigned stride;
    size_t count;
    enum measure order;
    struct ranked *rows; /* the first of them: room for ranking_room() */
    size_t row_count;
    _Atomic uint64_t cpu_us; /* of the helping threads */
};

/* How many rows the question wants of these groups. */
size_t ranking_room(const struct ranking *r);
/* The first of the groups into rows, in no order. */
void ranking_pick(struct ranking *r);
/* Puts what was picked in the order in which it is shown: bins in order of time, within a bin by
 * rank. Many rows are sorted by as many threads as there may be, 1 at least: in parts, which are
 * merged, so the order is the same. */
void ranking_sort(struct ranking *r, size_t threads);
/* The number of a group's bin. */
uint64_t ranking_bin(const struct ranking *r, size_t at);

#endif
