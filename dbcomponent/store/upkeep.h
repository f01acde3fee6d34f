/* upkeep.h - what the steps of store_upkeep() share (store.h says what they do). Private to
 * dbcomponent/store.
 *
 *   upkeep.c      one round after the other, in a thread of its own or at once
 *   compact.c     small blocks become large ones
 *   retain.c      old blocks leave; what they counted stays in roll-ups, or leaves too
 *   deliver.c     deliveries of long ago become ranges
 *   positions.c   sequence positions of sessions that were not heard for long leave
 *   levels.c      roll-ups of hours, days and 32 days
 *
 * Each step reads by a reader, works with nothing locked, and changes the file in one short
 * transaction, after it has made sure that what it read is still so. So a round can end anywhere,
 * by SIGKILL too, and nothing is lost or doubled; and whoever writes waits for milliseconds. */
#ifndef WEIR_DB_UPKEEP_H
#define WEIR_DB_UPKEEP_H

#include "store/inside.h"
#include <stdatomic.h>

struct merger;
struct upkeep {
    struct store *store;
    struct upkeep_settings settings;
    bool thorough;             /* all that can be done, not only what is worth it now */
    const _Atomic bool *stop;  /* true: end the round soon; NULL: never */
    /* compact.c: blocks up to this id need not be made anew alone; the highest id that was there or
     * was made. */
    int64_t compacted, newest;
    bool few;                  /* compact.c: the store has few rows as a whole */
    struct upkeep_report report;
    struct merger *merger;     /* made when first wanted */
    struct arena list;
    store_progress progress;
    void *context;
};

static inline void upkeep_progress(const struct upkeep *u, uint64_t done, uint64_t all)
{
    if (u->progress)
        u->progress(u->context, done, all);
}

static inline bool upkeep_stopped(const struct upkeep *u)
{
    return u->stop && atomic_load(u->stop);
}

enum weir_status upkeep_compact(struct upkeep *u, struct weir_error *error);
enum weir_status upkeep_retain(struct upkeep *u, struct weir_error *error);
enum weir_status upkeep_give_back(struct upkeep *u, struct weir_error *error);
enum weir_status upkeep_deliveries(struct upkeep *u, struct weir_error *error);
enum weir_status upkeep_positions(struct upkeep *u, struct weir_error *error);
enum weir_status upkeep_levels(struct upkeep *u, struct weir_error *error);

/* deliver.c: the collectors' numbers, in u->list. */
enum weir_status upkeep_collectors(struct upkeep *u, int64_t **ids, size_t *count,
                                   struct weir_error *error);

#endif
