/* sums.h - roll-ups added up in memory, kept by a reader from one question to the next: a question
 * about some minutes of an hour, or about a year, then reads a row a key and nothing of the file.
 *
 *   hour     a cell for each key and minute: what the key has counted from the hour's start to the
 *            end of the minute. Any minutes of the hour are a difference of two cells a key, and a
 *            key's bits say which minutes have one, so its cells are found without a search
 *   stretch  one cell a key: the sum over [from, to), more than two hours. While flows come in,
 *            only the sums near the present go stale: a stretch is made of stretches up to this
 *            32 days, this day, this hour, which stay, and of the hours since
 *
 * Each knows the stamp of its snapshot, and is used for as long as no change in it is told of
 * (changes.h): a commit to this hour costs nothing else its sums.
 *
 * Memory: SUMS_MOST octets a reader, at most SUMS_COUNT sums; what was not used for longest goes
 * first. An hour or a stretch that would take more than half of that is not kept, and is read from
 * its segments each time, as is one with a sum past 2^64. */
#ifndef WEIR_DB_SUMS_H
#define WEIR_DB_SUMS_H

#include "store/container.h"

#define SUMS_MOST  (4u << 20)
#define SUMS_COUNT 64u
/* An hour or a stretch with more groups is not looked at further. */
#define SUMS_GROUPS_MOST 65536u

struct sums_kept; /* a reader's */
void sums_free(struct sums_kept *kept);

/* Gives the sums of the minutes of `when` in the hour that starts at period_ms: a row a key, or,
 * `apart`, a row a key and minute. *done false: they are not kept, and nothing was given. */
enum weir_status sums_walk_hour(struct reader *r, int64_t period_ms, struct interval when,
                                bool apart, rollup_row row, void *context, bool *done,
                                struct weir_error *error);
/* The same of a stretch of more than two hours, a row a key; its minute is the first of `when`. */
enum weir_status sums_walk_stretch(struct reader *r, struct interval when, rollup_row row,
                                   void *context, bool *done, struct weir_error *error);

/* reader.c: reader_rollups(), or, not `apart`, with the minutes of an hour added up where the hour
 * is kept. */
enum weir_status rollups_walk(struct reader *r, struct interval when, bool apart, rollup_row row,
                              void *context, struct weir_error *error);
/* levels.c: reader_rollups_coarse() without stretches. */
enum weir_status levels_walk(struct reader *r, struct interval when, int64_t coarsest_ms,
                             rollup_row row, void *context, struct weir_error *error);

#endif
