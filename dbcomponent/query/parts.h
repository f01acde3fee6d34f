/* parts.h - rows of more groups than a table should hold, put aside by hash: each of 256 parts is
 * small enough to be grouped on its own, in cache, when all rows have come. Private to query.
 *
 * What a row becomes, one after the other in the chunks of its part (u64 each):
 *
 *   [ octets:32 | packets:20 | flows:12 | words … ]             low bits first; flows are never 0
 *   [ 0 | octets | packets | flows | words … ]                  where those are too large
 *
 * Chunks come out of the question's budget; when that is used up, all of them are written to a
 * temporary file without a name (in TMPDIR, else /var/tmp, else /tmp) and filled anew. So the
 * number of groups is bounded by disk, not by memory.
 *
 * Threads: parts belong to one thread; the budget is shared. */
#ifndef WEIR_QUERY_PARTS_H
#define WEIR_QUERY_PARTS_H

#include "query/budget.h"
#include "query/loops.h"

#define PARTS 256u /* as many as an octet can say */

struct parts;
/* NULL: no memory. `words`: of a key. */
struct parts *parts_new(struct budget *budget, unsigned words);
void parts_free(struct parts *p);

/* Puts n <= LOOP_ROWS rows aside, row i in part part[i]; words[w] is an array of n. False: memory,
 * or the temporary file (budget_error() says which). */
bool parts_put(struct parts *p, const uint8_t *part, const uint64_t *const *words,
               const uint64_t *octets, const uint64_t *packets, const uint64_t *flows, uint32_t n);
/* No more rows will come. When they fill most of the budget they go to the file, to leave memory
 * for grouping them. False: the file. */
bool parts_settle(struct parts *p);
uint64_t parts_rows(const struct parts *p, unsigned part);
/* The rows of a part, in runs of at most LOOP_ROWS; as groups_add() wants them. False: that of
 * `take`, or the temporary file. */
typedef bool (*parts_take)(void *context, const uint64_t *const *words, const uint64_t *octets,
                           const uint64_t *packets, const uint64_t *flows, uint32_t n);
bool parts_read(struct parts *p, unsigned part, parts_take take, void *context);
/* Gives the part's memory back. */
void parts_drop(struct parts *p, unsigned part);

#endif
