/* question.h - one question on its way: read (plan.c), surveyed and scanned (survey.c, scan.c,
 * columns.c) or put to the roll-ups (rollup.c), its groups brought together (collect.c), ranked
 * (rank.c) and written down (finish.c), with its account (account.c). spread.c shares flows out
 * over bins, series.c finds percentiles. query.c is where store.h's calls start. Private to
 * dbcomponent/query.
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
    bool inside;   /* every row counts, as far as time goes */
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
    struct interval middle; /* put to the roll-ups, while blocks answer the rest; empty: none */
    struct bins bins;
    bool rollups;
    unsigned flow_shift;    /* a group's flows are its third sum >> this (spread.c) */
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
    _Atomic uint64_t pieces, ends;         /* of spread flows */
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
static inline bool question_has_middle(const struct question *q)
{
    return q->middle.from_ms < q->middle.to_ms;
}
static inline bool question_spreads(const struct question *q)
{
    return q->request->spread == SPREAD_PROPORTIONAL;
}
/* The number of the bin that holds t_ms, which is clamped into the interval first. */
uint64_t question_bin(const struct question *q, int64_t t_ms);

/* survey.c: lists and judges the blocks, reads their directories, and lays out the groups. */
enum weir_status question_survey(struct question *q, struct weir_error *error);

/* The tallies of the threads of a scan, one each; the first is that of the thread that asks. */
struct team {
    struct tally *tallies; /* room for question_threads() */
    size_t count;          /* initialised */
    struct interns common; /* what they share, when there may be several and codes are numbers */
    pthread_mutex_t lock;  /* of it */
    bool shares;
};

/* scan.c: how many threads there may be. */
size_t question_threads(const struct question *q);
/* scan.c, rollup.c: all groups into *t, which the caller initialised; a scan's into those of a team
 * that has the first one. After a failure too, all that the team has are the caller's to free. */
enum weir_status question_scan(struct question *q, struct team *team, struct weir_error *error);
enum weir_status question_rollups(struct question *q, struct interval when, struct tally *t,
                                  struct weir_error *error);
/* What roll-up rows may hold, into the surveys of the layout. */
void question_survey_rollups(struct layout *l);
/* Lays out the groups for roll-up rows, of which nothing is known beforehand. */
void question_layout_rollups(struct question *q);

/* finish.c: ranks the groups of the team into rows and sums of *out, all in out->memory (a struct
 * arena). */
enum weir_status question_finish(struct question *q, struct team *team, struct totals *out,
                                 struct weir_error *error);

/* spread.c: adds the selected rows of a run to the groups, each shared out over the bins it spans.
 * `start` may be NULL. Scratch from `a`. Errors as tally_add(); WEIR_ELIMIT past 2^32 shares. */
struct spreader {
    struct question *question;
    struct tally *tally;
    struct arena *arena;
};
enum weir_status spread_run(const struct spreader *s, const struct run *run,
                            const struct vector *start, const struct vector *end,
                            struct weir_error *error);

struct group_list {
    uint64_t *records; /* flows as counted; estimates behind the words when the layout has rates */
    unsigned stride;
    size_t count;
};
/* series.c: leaves only the groups of the request's largest series in the list, in any order; then
 * percentiles of each series that is there. False: budget or memory. */
bool question_keep_series(struct question *q, const struct tally *t, struct group_list *groups);
bool question_percentiles(struct question *q, const struct tally *t,
                          const struct group_list *groups, struct totals *out);

/* account.c: what was received and lost in `when`, into *out; arrays from `a`. */
enum weir_status question_account(struct reader *r, struct interval when, struct arena *a,
                               struct answer_account *out, struct weir_error *error);

#endif
