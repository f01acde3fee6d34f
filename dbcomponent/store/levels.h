/* levels.h - coarser roll-ups: the sums of an hour, a day, 32 days, each one segment (segment.h)
 * whose only minute is its start, or several where it has very many groups.
 *
 * Invariant: a coarse segment that is there equals the sum of the minutes in it (verify proves it).
 * So whatever changes minutes takes the coarse segments over them away in its own transaction
 * (levels_outdate()), and upkeep makes them again when things are quiet, if the store has more than
 * a few groups. Who reads takes the
 * coarsest that there are, and minutes where there are none: the answer is the same, only
 * slower. */
#ifndef WEIR_DB_LEVELS_H
#define WEIR_DB_LEVELS_H

#include "store/rollups.h"
#include "store/sql.h"
#include "store/upkeep.h"

#define LEVEL_COUNT 3
extern const int64_t level_ms[LEVEL_COUNT]; /* ascending: an hour, a day, 32 days */

/* Whoever changes the minutes of the hour that starts at period_ms calls this: takes away what
 * covers the hour, and notes the change (changes.h). Inside a transaction. */
enum weir_status levels_outdate(struct sql *sql, int64_t period_ms, struct weir_error *error);

/* Adds to the table, for [from_ms, from_ms + level_ms[level]), one group at from_ms for each key
 * that it takes: from the next finer level, each slot of it from its segments if there are any,
 * else likewise; at last from minutes. WEIR_ELIMIT when the table has more than `most` groups after
 * a segment. */
enum weir_status levels_sum(struct sql *sql, struct rollups *r, int level, int64_t from_ms,
                            size_t most, struct weir_error *error);
/* Adds the coarse segments that start at from_ms to the table, times sign. */
enum weir_status levels_load(struct sql *sql, struct rollups *r, int level, int64_t from_ms,
                             int sign, struct weir_error *error);

#endif
