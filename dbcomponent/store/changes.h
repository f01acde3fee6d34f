/* changes.h - which hours' sums and accounts have changed lately, as the file itself tells (meta,
 * `changes`), so that who keeps something derived from other hours may go on keeping it.
 *
 * Every transaction that changes what the roll-ups of an hour add up to, or an account row of it,
 * says so (changes_note()) and writes it down before it commits (changes_store()), under a stamp
 * that goes up by one. Merging, and making coarser roll-ups, change no sum and are not told. What
 * was derived from a snapshot of stamp S is still true in one of stamp T >= S when no hour of it is
 * told of with a stamp above S. Only the hours told of last are remembered, CHANGES_KEPT of them;
 * what was forgotten may have been any hour.
 *
 *   meta `changes`                            numbers LITTLE ENDIAN
 *   0    8   stamp of the last change
 *   8    8   the highest stamp of what was forgotten
 *   16   16  for each of CHANGES_KEPT: stamp (0: none), start of the hour, each 8 octets
 *
 * Threads: those of the struct sql. */
#ifndef WEIR_DB_CHANGES_H
#define WEIR_DB_CHANGES_H

#include "base/status.h"
#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sql;

#define CHANGES_KEPT 64u
#define CHANGES_NOTED_MOST 16u
struct changes_noted { /* by a transaction that goes on; of more hours than it has room for: all */
    unsigned count;
    bool all;
    int64_t hours[CHANGES_NOTED_MOST];
};

struct changes {
    uint64_t stamp, forgotten;
    struct change {
        uint64_t stamp;
        int64_t hour_ms;
    } list[CHANGES_KEPT];
};

/* The hour of t_ms changes in the transaction. */
void changes_note(struct changes_noted *noted, int64_t t_ms);
/* Writes down what was noted in sql->changed, if anything, as the last thing in a transaction. */
enum weir_status changes_store(struct sql *sql, struct weir_error *error);
/* As this connection's transaction sees them; all zero in a file where none was told of yet. */
enum weir_status changes_read(struct sql *sql, struct changes *out, struct weir_error *error);

/* May anything in [from_ms, to_ms) have changed after stamp `since`? */
bool changes_touch(const struct changes *c, uint64_t since, struct interval when);
/* The latest hour that was told of and starts before before_ms; false: there is none. */
bool changes_latest(const struct changes *c, int64_t before_ms, int64_t *hour_ms);

#endif
