/* groups.h - the groups of a question: a key of one or more 64-bit words, and its sums.
 *
 *   record   [ octets | packets | flows | word 0 | word 1 … | extra … ]   u64 each; flows 0: empty
 *
 * Two shapes. DIRECT: one word below 2^direct_bits indexes an array of cells. HASHED: open
 * addressing with linear probing over records, a power of two of them, at most two thirds full; the
 * hash is seeded at random, since who sends flows chooses their keys. Additions come in runs:
 * records are prefetched well before they are looked at, so that memory latency overlaps.
 *
 * Invariant: every group that exists has flows > 0, which is what tells a used record from an empty
 * one; so adding 0 flows is never asked for.
 *
 * SCATTERED: a table that was let (groups_scatter()) and has outgrown the cache, with rows that
 * hardly ever meet their group again, or is past the budget, puts its groups aside in parts
 * (parts.h) and goes on; then it is read part by part. Should so many rows turn out to be of few
 * groups, they come back into a table. Groups that are one but for masked bits are in one part.
 *
 * Threads: a table belongs to one thread until it is read part by part; the budget is shared. */
#ifndef WEIR_QUERY_GROUPS_H
#define WEIR_QUERY_GROUPS_H

#include "query/dense.h"
#include "query/parts.h"

#define GROUP_WORDS_MOST 12u
#define GROUP_SUMS 3u /* octets, packets, flows, in front of the words */

struct groups {
    struct budget *budget;
    const struct loops *loops;
    uint64_t seed;
    unsigned words, extra, stride; /* u64 a record = GROUP_SUMS + words + extra */
    struct cell *cells;            /* DIRECT */
    unsigned direct_bits;
    uint64_t *records;             /* HASHED */
    size_t capacity, count;
    unsigned down;                 /* hash >> down is a slot */
    uint64_t rows;                 /* added since it was empty */
    bool may_scatter, scattering;  /* scattering: rows go to their parts at once */
    bool reunited;                 /* they did, and were brought back */
    uint64_t aside, reconsider_at; /* rows put aside */
    uint64_t part_mask[GROUP_WORDS_MOST];/* of words, for choosing a part */
    struct parts *parts;
};

/* HASHED when direct_bits is 0, else DIRECT (words must be 1). False: budget or memory. */
bool groups_init(struct groups *g, struct budget *budget, const struct loops *loops, uint64_t seed,
                 unsigned words, unsigned extra, unsigned direct_bits);
void groups_free(struct groups *g);

/* Adds n <= LOOP_ROWS rows; words[w] is an array of n. False: budget or memory. */
bool groups_add(struct groups *g, const uint64_t *const *words, const uint64_t *octets,
                const uint64_t *packets, const uint64_t *flows, uint32_t n);
/* Adds to one group; words is an array of g->words. NULL: budget or memory; else the record
 * (HASHED) or its cell (DIRECT), valid until the next addition. */
uint64_t *groups_add_one(struct groups *g, const uint64_t *words, const struct cell *sums);

/* So many rows come added up already: that each is of another group then says nothing of them. */
static inline void groups_foresee(struct groups *g, uint64_t rows)
{
    g->rows += rows;
}

/* Allows the table to scatter; `mask` says by which bits of each word. */
void groups_scatter(struct groups *g, const uint64_t *mask);
/* Every row put aside, and then every group in the table, as rows to `take`, in runs of at most
 * LOOP_ROWS. What was read is given back. */
typedef bool (*groups_take)(void *context, const uint64_t *const *words, const uint64_t *octets,
                            const uint64_t *packets, const uint64_t *flows, uint32_t n);
bool groups_drain(struct groups *g, groups_take take, void *context);

/* Part by part: which of PARTS parts a group is in is told by its words, the same in every table of
 * one seed and shape. So several tables can be read as if they were one, and by several threads,
 * each part by one of them. */
bool groups_scattered(const struct groups *g);
/* Can it be read so? Not small arrays, nor tables that may not scatter. */
bool groups_divisible(const struct groups *g);
/* Octets that a table takes while it grows to so many records, of so many words and extra ones. */
uint64_t groups_growth(uint64_t count, unsigned words);
/* No more rows will come, and parts are to be read: what is not where its part would be looked for
 * is put aside. False: budget, memory or the temporary file. */
bool groups_settle(struct groups *g);
/* About how many rows a part has: for making room. */
uint64_t groups_part_rows(const struct groups *g, unsigned part);
/* Adds the groups of a part to *d. `alone`: no other table has groups. Rows put aside are given
 * back. False as before. */
bool groups_read(struct groups *g, unsigned part, bool alone, struct dense *d);

/* Moves the used records together, to the front of `records`, in no order, and returns them; *count
 * of them. The table can not be added to afterwards. NULL with *count > 0: memory. */
uint64_t *groups_compact(struct groups *g, size_t *count);

#endif
