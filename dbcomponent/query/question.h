/* question.h - one question on its way: read (plan.c), surveyed and scanned (survey.c, scan.c,
 * columns.c) or put to the roll-ups (rollup.c), ranked and written down (finish.c), with its
 * account (account.c). query.c is where store.h's calls start. Private to dbcomponent/query.
 *
 * Threads: a struct question is filled by one thread; the scan's threads only read it, but for the
 * counters that say atomic. */
#ifndef WEIR_QUERY_QUESTION_H
#define WEIR_QUERY_QUESTION_H

#include "flow/filter.h"
#include "query/policy.h"
#include "query/tally.h"
#include "store/container.h"
#include <stdatomic.h>

#define BINS_MOST 100000u
#define QUERY_MEMORY_DEFAULT (UINT64_C(1) << 30)
#define QUERY_THREADS_MOST 64u

/* A block that has to be looked into. */
struct scan_block {
    struct stored_block stored;
    bool inside;   /* every flow end is in the interval */
    bool filtered; /* some rows may not match the filter */
    uint32_t column_count;
    struct block_column *columns; /* of those the question needs, sorted by key; heads only */
};

struct question {
    const struct totals_request *request;
    struct store *store;
    struct reader *reader;
    struct arena arena; /* lives as long as the question */
    struct policies policies;
    struct totals_key keys[TOTALS_KEYS_MOST];
    size_t key_count;
    struct filter *filter; /* NULL: all */
    struct interval when;
    struct bins bins;
    bool rollups;
    uint64_t started_us, deadline_us; /* monotonic; deadline 0: none */
    struct budget budget;
    uint64_t seed;
    const struct loops *loops;
    struct layout layout;
    unsigned direct_bits;
    struct scan_block *blocks;
    size_t block_count;
    uint64_t blocks_met, blocks_skipped, rows_to_scan;
    _Atomic uint64_t rows_scanned, cpu_us; /* cpu: of the helping threads */
};

/* plan.c: reads the request. Errors as store_totals(). After it, and after a failure,
 * question_free(). */
enum weir_status question_plan(struct question *q, struct store *s, struct reader *r,
                            const struct totals_request *request, struct weir_error *error);
void question_free(struct question *q);
enum weir_status question_overdue(const struct question *q, struct weir_error *error);
static inline uint64_t
question_width(struct interval i) /* its length, mod 2^64: INTERVAL_ALL fits */
{
    return (uint64_t)i.to_ms - (uint64_t)i.from_ms;
}
/* The number of the bin that holds t_ms, which is clamped into the interval first. */
uint64_t question_bin(const struct question *q, int64_t t_ms);

/* survey.c: lists and judges the blocks, reads their directories, and lays out the groups. */
enum weir_status question_survey(struct question *q, struct weir_error *error);

/* scan.c, rollup.c: all groups into *t, which the caller initialised. */
enum weir_status question_scan(struct question *q, struct tally *t, struct weir_error *error);
enum weir_status question_rollups(struct question *q, struct tally *t, struct weir_error *error);
/* Lays out the groups for roll-up rows, of which nothing is known beforehand. */
void question_layout_rollups(struct question *q);

/* finish.c: ranks the groups of *t into rows and sums of *out, all in out->memory (a struct arena).
 */
enum weir_status question_finish(struct question *q, struct tally *t, struct totals *out,
                              struct weir_error *error);

/* account.c: what was received and lost in `when`, into *out; arrays from `a`. */
enum weir_status question_account(struct reader *r, struct interval when, struct arena *a,
                               struct answer_account *out, struct weir_error *error);

#endif
