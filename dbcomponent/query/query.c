/* query.c - where questions start: store_totals() and store_account() of store.h. One reader, so
 * one consistent state, serves a whole question: blocks or roll-ups, and the account. */
#include "query/question.h"

#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define GROUPS_MANY 262144u /* an answer with more of them took more memory than most */

static enum weir_status new_memory(void **memory, struct weir_error *error)
{
    *memory = calloc(1, sizeof(struct arena));
    return *memory ? WEIR_OK : weir_fail(error, WEIR_ENOMEM, NULL, "out of memory for an answer");
}

static void free_memory(void *memory)
{
    if (memory)
        arena_free(memory);
    free(memory);
}

void totals_free(struct totals *t)
{
    if (!t)
        return;
    free_memory(t->memory);
    *t = (struct totals){0};
}

void account_answer_free(struct account_answer *a)
{
    if (!a)
        return;
    free_memory(a->memory);
    *a = (struct account_answer){0};
}

static enum weir_status gather(struct question *q, struct team *team, struct weir_error *error)
{
    struct tally *t = team->tallies;
    team->count = 1;
    if (!tally_init(t, &q->layout, &q->bins, q->loops, &q->budget, q->seed, q->direct_bits))
        return budget_error(&q->budget, error);
    if (team->shares)
        tally_share(t, &team->common, &team->lock);
    if (q->rollups)
        return question_rollups(q, q->when, t, error);
    enum weir_status status =
        question_has_middle(q) ? question_rollups(q, q->middle, t, error) : WEIR_OK;
    return status == WEIR_OK ? question_scan(q, team, error) : status;
}

static void free_team(struct team *team)
{
    while (team->count)
        tally_free(&team->tallies[--team->count]);
    for (unsigned i = 0; team->shares && i < COMPONENTS_MOST; i++)
        intern_free(&team->common.tables[i]);
    if (team->shares)
        pthread_mutex_destroy(&team->lock);
}

/* Groups, rows. */
static enum weir_status count(struct question *q, struct totals *out, struct weir_error *error)
{
    struct team team = {
        .tallies = arena_zero(&q->arena, question_threads(q) * sizeof *team.tallies)};
    if (!team.tallies)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory for a question");
    team.shares = q->layout.interned && question_threads(q) > 1 &&
                  pthread_mutex_init(&team.lock, NULL) == 0;
    for (unsigned i = 0; team.shares && i < COMPONENTS_MOST; i++)
        intern_init(&team.common.tables[i], &q->budget, q->seed);
    enum weir_status status = gather(q, &team, error);
    if (status == WEIR_OK)
        status = question_overdue(q, error);
    if (status == WEIR_OK)
        status = question_finish(q, &team, out, error);
    free_team(&team);
    return status;
}

/* Layout, groups, rows. */
static enum weir_status answer(struct question *q, struct totals *out, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    if (q->rollups)
        question_layout_rollups(q);
    else
        status = question_survey(q, error);
    return status == WEIR_OK ? count(q, out, error) : status;
}

static enum weir_status describe(const struct question *q, struct arena *a,
                                 struct answer_account *out, struct weir_error *error)
{
    out->policy = policies_print(&q->policies, a);
    out->source = q->rollups               ? "rollup"
                  : question_has_middle(q) ? "rollup+blocks"
                                           : "blocks";
    out->blocks = q->blocks_met;
    out->blocks_skipped = q->blocks_skipped;
    out->rows_scanned = atomic_load(&q->rows_scanned);
    return out->policy ? WEIR_OK
                       : weir_fail(error, WEIR_ENOMEM, NULL, "out of memory for an answer");
}

/* A question with many groups, or one that found too many, leaves hundreds of MB that the C library
 * would keep for the process: the machine has them back. Smaller ones are faster with warm
 * memory. */
static void give_memory_back(enum weir_status status, uint64_t groups)
{
#ifdef __GLIBC__
    if (status == WEIR_ELIMIT || status == WEIR_ECANCELLED || groups > GROUPS_MANY)
        malloc_trim(0);
#else
    (void)status, (void)groups;
#endif
}

static enum weir_status go_on(const void *question, struct weir_error *error)
{
    return question_overdue(question, error);
}

static enum weir_status ask(struct store *s, struct reader *r, const struct totals_request *request,
                            struct totals *out, struct weir_error *error)
{
    struct question q;
    uint64_t cpu = clock_thread_cpu_us();
    enum weir_status status = question_plan(&q, s, r, request, error);
    reader_watch(r, go_on, &q);
    if (status == WEIR_OK)
        status = answer(&q, out, error);
    reader_watch(r, NULL, NULL);
    if (status == WEIR_OK)
        status = question_account(r, q.when, out->memory, &out->account, error);
    if (status == WEIR_OK)
        status = describe(&q, out->memory, &out->account, error);
    out->elapsed_us = clock_monotonic_us() - q.started_us;
    out->cpu_us = clock_thread_cpu_us() - cpu + atomic_load(&q.cpu_us);
    question_free(&q);
    give_memory_back(status, out->groups);
    return status;
}

enum weir_status store_totals(struct store *s, const struct totals_request *request,
                              struct totals *out, struct weir_error *error)
{
    struct reader *r;
    *out = (struct totals){0};
    enum weir_status status = new_memory(&out->memory, error);
    if (status != WEIR_OK)
        return status;
    status = reader_open(s, &r, error);
    if (status == WEIR_OK) {
        status = ask(s, r, request, out, error);
        status = reader_end(r, status, error);
    }
    if (status != WEIR_OK)
        totals_free(out);
    return status;
}

/* The account of an interval is that of its ungrouped totals. */
enum weir_status store_account(struct store *s, struct interval when, struct account_answer *out,
                               struct weir_error *error)
{
    struct totals totals;
    const struct totals_request request = {.when = when};
    *out = (struct account_answer){0};
    enum weir_status status = store_totals(s, &request, &totals, error);
    if (status != WEIR_OK)
        return status;
    out->account = totals.account;
    out->memory = totals.memory;
    return WEIR_OK;
}
