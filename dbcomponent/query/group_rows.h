/* group_rows.h - groups as rows again, a run at a time: a column of each word and each sum. For
 * groups.c, where groups leave their table.
 *
 * Threads: a run belongs to one. */
#ifndef WEIR_QUERY_GROUP_ROWS_H
#define WEIR_QUERY_GROUP_ROWS_H

#include "query/groups.h"
#include <stdlib.h>

struct rows {
    uint64_t words[GROUP_WORDS_MOST][LOOP_ROWS];
    uint64_t octets[LOOP_ROWS], packets[LOOP_ROWS], flows[LOOP_ROWS];
    const uint64_t *columns[GROUP_WORDS_MOST]; /* of words */
    uint32_t count;                            /* whoever makes it LOOP_ROWS empties the run */
};

/* An empty run, for free(); NULL: no memory. */
static inline struct rows *new_rows(void)
{
    struct rows *r = malloc(sizeof *r);
    for (unsigned w = 0; r && w < GROUP_WORDS_MOST; w++)
        r->columns[w] = r->words[w];
    if (r)
        r->count = 0;
    return r;
}

/* `sums` are GROUP_SUMS of them; there must be room. */
static inline void put_row(struct rows *r, const uint64_t *sums, const uint64_t *words,
                           unsigned count)
{
    r->octets[r->count] = sums[0];
    r->packets[r->count] = sums[1];
    r->flows[r->count] = sums[2];
    for (unsigned w = 0; w < count; w++)
        r->words[w][r->count] = words[w];
    r->count++;
}

#endif
