/* tally.h - adding rows to groups: one thread's aggregation. Private to dbcomponent/query.
 *
 * A run of rows (a block, or a batch of roll-up rows) comes as vectors and a selection. How it is
 * added depends on what its columns turned out to be:
 *
 *   no key varies within the run        sums, vectorised; one addition to the one group
 *   few codes within the run            a small array of cells indexed by codes local to the run
 *                                       (dictionary codes, numbers minus the run's least), then
 *                                       each used cell is added to its group
 *   few codes in all                    the groups are an array themselves: indexed straight
 *   anything else                       hashed, with prefetching
 *
 * Bounds in a directory are verified when a block is stored, and yet not believed here: a code that
 * is too large for its place ends the question with WEIR_ECORRUPT before it is used as an index.
 *
 * Threads: a tally belongs to one thread; the layout is shared, read-only. */
#ifndef WEIR_QUERY_TALLY_H
#define WEIR_QUERY_TALLY_H

#include "block/block.h"
#include "query/layout.h"

#define LOCAL_BITS_MOST 16u /* all of them: the small array is then as large as the second cache */
#define COPIED_BITS_MOST                                                                           \
    9u /* up to here the small array has four copies: they fit the first cache */

struct bins {
    uint64_t from;  /* as the two's complement of when.from_ms */
    uint64_t step;
    uint64_t count; /* 1: no bins */
};

struct tally {
    const struct layout *layout;
    const struct loops *loops;
    struct bins bins;
    struct groups groups;
    struct interns interns;
    struct cell *local; /* NULL until wanted; all zero between runs */
};

/* direct_bits as of groups_init(). False: budget or memory. */
bool tally_init(struct tally *t, const struct layout *l, const struct bins *bins,
                const struct loops *loops, struct budget *budget, uint64_t seed,
                unsigned direct_bits);
void tally_free(struct tally *t);
/* Before anything is added: codes are to mean the same in all tallies that share `common`. */
void tally_share(struct tally *t, struct interns *common, pthread_mutex_t *lock);

struct run {
    struct frame frame;             /* every column the layout wants that some row has */
    const uint64_t *selected;       /* NULL: all rows */
    uint32_t selected_count;
    const struct vector *octets, *packets;
    const uint64_t *octets_sum, *packets_sum; /* of the selected rows, when it is known and no key
                                                 varies: then there need be no vector */
    const struct vector *flows;     /* NULL: each row is one flow */
    const struct block_column *columns; /* directory, sorted, for bounds; NULL: none known */
    uint32_t column_count;
    uint64_t first_bin, last_bin;   /* bounds of the bins of the selected rows */
};

/* Scratch comes from `a`. WEIR_ELIMIT, WEIR_ENOMEM, WEIR_ECORRUPT. */
enum weir_status tally_add(struct tally *t, const struct run *run, struct arena *a,
                           struct weir_error *error);
/* Adds all groups of `from` (another thread's, finished, of the same codes) to `to`. Few of them:
 * collect.h. */
enum weir_status tally_merge(struct tally *to, struct tally *from, struct weir_error *error);

#endif
