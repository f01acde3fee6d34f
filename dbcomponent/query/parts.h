/* parts.h - rows of more groups than a table should hold, put aside by hash: each of PARTS parts is
 * small enough to be grouped on its own, in cache, when all rows have come. Private to query.
 *
 * What a row becomes, one after the other in the chunks of its part (u64 each):
 *
 *   [ octets:32 | packets:20 | flows:12 | words … ]             low bits first; flows are never 0
 *   [ 0 | octets | packets | flows | words … ]                  where those are too large
 *
 * Chunks come out of the question's budget, a huge page of them at a time where that is little of
 * it; when it is used up, all of them are written to a temporary file without a name (in TMPDIR,
 * else /var/tmp, else /tmp) and filled anew. So the number of groups is bounded by disk, not by
 * memory.
 *
 * Threads: parts belong to one thread until they are settled; the budget is shared. */
#ifndef WEIR_QUERY_PARTS_H
#define WEIR_QUERY_PARTS_H

#include "query/budget.h"
#include "query/loops.h"

#define PART_BITS 8u
#define PARTS (1u << PART_BITS)
#define PART_OCTETS_BITS 32
#define PART_PACKETS_BITS 20
#define PART_FLOWS_BITS 12

struct parts;
/* NULL: no memory. `words`: of a key. */
struct parts *parts_new(struct budget *budget, unsigned words);
void parts_free(struct parts *p);

/* Puts n <= LOOP_ROWS rows aside, row i in part part[i]; words[w] is an array of n. False: memory,
 * or the temporary file (budget_error() says which). */
bool parts_put(struct parts *p, const uint16_t *part, const uint64_t *const *words,
               const uint64_t *octets, const uint64_t *packets, const uint64_t *flows, uint32_t n);
/* No more rows will come. When they fill most of the budget they go to the file, to leave memory
 * for grouping them. False: the file. */
bool parts_settle(struct parts *p);
uint64_t parts_rows(const struct parts *p, unsigned part);
/* Are there rows in the file? */
bool parts_spilt(const struct parts *p);
/* Hands out the rows of a part as they lie, whole rows from `at` to `end`. Several threads may read
 * and drop parts at once, each part one of them. False: that of `take`, memory, or the temporary
 * file. */
typedef bool (*parts_take)(void *context, const uint64_t *at, const uint64_t *end);
bool parts_read(const struct parts *p, unsigned part, parts_take take, void *context);
/* The sums of the row at `at`; returns where its words are, behind which the next row starts. */
static inline const uint64_t *parts_sums(const uint64_t *at, uint64_t sums[3])
{
    uint64_t packed = *at++;
    if (packed) {
        sums[0] = packed & ((UINT64_C(1) << PART_OCTETS_BITS) - 1);
        sums[1] = packed >> PART_OCTETS_BITS & ((1u << PART_PACKETS_BITS) - 1);
        sums[2] = packed >> (PART_OCTETS_BITS + PART_PACKETS_BITS);
        return at;
    }
    for (unsigned i = 0; i < 3; i++)
        sums[i] = *at++;
    return at;
}
/* Gives the part's memory back. */
void parts_drop(struct parts *p, unsigned part);

#endif
