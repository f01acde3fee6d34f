/* upkeep.c - store_upkeep() and the thread that runs it while the store is open (store.h).
 * Neighbours: upkeep.h lists the steps. */
#include "store/upkeep.h"
#include "base/log.h"
#include "store/merge.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- rounds ---- */

/* In the order that gives most: what leaves need not be merged before. Positions leave before
 * deliveries become ranges, in which all are as old as the newest. Some steps are due every second,
 * some seldom; `every` counts rounds. */
static const struct step {
    enum weir_status (*run)(struct upkeep *u, struct weir_error *error);
    unsigned every;
} steps[] = {
    {upkeep_retain, 1}, {upkeep_compact, 1}, {upkeep_positions, 60}, {upkeep_deliveries, 60},
    {upkeep_levels, 30}, {upkeep_give_back, 5},
};

static enum weir_status run_steps(struct upkeep *u, unsigned round, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < sizeof steps / sizeof *steps; i++)
        if (round % steps[i].every == 0 && !upkeep_stopped(u))
            status = steps[i].run(u, error);
    return status;
}

static void finish(struct upkeep *u)
{
    merger_free(u->merger);
    u->merger = NULL;
    arena_free(&u->list);
}

enum weir_status store_upkeep(struct store *s, const struct upkeep_settings *settings,
                              store_progress progress, void *context, struct upkeep_report *report,
                              struct weir_error *error)
{
    struct upkeep u = {.store = s, .settings = *settings, .thorough = true, .progress = progress,
                       .context = context};
    enum weir_status status = run_steps(&u, 0, error);
    finish(&u);
    if (status == WEIR_OK)
        store_fold(s);
    *report = u.report;
    return status;
}

/* ---- the thread ---- */

#define ROUND_MS 1000
/* Behind whoever collects and answers, but never so far that a transaction it is in waits long. */
#define NICE 8

struct upkeeper {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic bool stop;
    struct upkeep work;
};

static void rest(struct upkeeper *k)
{
    struct timespec until;
    /* Not the day's clock, whose steps back would make the rest as long as they are. */
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(ROUND_MS % 1000) * 1000000;
    until.tv_sec += ROUND_MS / 1000;
    pthread_mutex_lock(&k->lock);
    while (!atomic_load(&k->stop) &&
           pthread_cond_clockwait(&k->wake, &k->lock, CLOCK_MONOTONIC, &until) == 0)
        ;
    pthread_mutex_unlock(&k->lock);
}

static void *keep_up(void *context)
{
    struct upkeeper *k = context;
    enum weir_status told = WEIR_OK;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    for (unsigned round = 1; !atomic_load(&k->stop); round++) {
        struct weir_error error = {0};
        enum weir_status status = run_steps(&k->work, round, &error);
        if (status != WEIR_OK && status != told)
            log_error("store", "upkeep goes on later: %s", error.message);
        told = status;
        finish(&k->work); /* what a round needs is seldom wanted */
        rest(k);
    }
    return NULL;
}

enum weir_status store_upkeep_start(struct store *s, const struct upkeep_settings *settings,
                                    struct weir_error *error)
{
    struct upkeeper *k = calloc(1, sizeof *k);
    if (!k)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    k->work = (struct upkeep){.store = s, .settings = *settings, .stop = &k->stop};
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->wake, NULL);
    if (pthread_create(&k->thread, NULL, keep_up, k) != 0) {
        free(k);
        return weir_fail(error, WEIR_EIO, "", "no thread for upkeep");
    }
    s->upkeeper = k;
    return WEIR_OK;
}

void store_upkeep_stop(struct store *s)
{
    struct upkeeper *k = s->upkeeper;
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    atomic_store(&k->stop, true);
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->wake);
    s->upkeeper = NULL;
    free(k);
}
