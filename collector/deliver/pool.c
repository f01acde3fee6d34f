/* pool.c - see pool.h. */
#include "deliver/pool.h"
#include "ingest/ingest.h"
#include <pthread.h>
#include <stdlib.h>

#define KINDS 2

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t batch_rows;
    unsigned batches_most; /* of a kind */
    struct batch *spare[KINDS][POOL_BATCHES_MOST];
    unsigned spare_count[KINDS];
    unsigned made[KINDS]; /* by this pool or brought by an ingest */
    struct pool_job *first, **last;
    uint64_t waiting;
    bool busy, stopped;
};

struct pool *pool_new(uint32_t batch_rows)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->batch_rows = batch_rows ? batch_rows : BATCH_ROWS_DEFAULT;
    p->batches_most = p->batch_rows <= 2 * BATCH_ROWS_DEFAULT ? POOL_BATCHES_MOST : POOL_LARGE_MOST;
    p->last = &p->first;
    return p;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    struct pool_job job;
    pool_stop(p);
    while (pool_next(p, &job)) {
        batch_free(job.batch);
        account_free(&job.account);
    }
    for (int kind = 0; kind < KINDS; kind++)
        while (p->spare_count[kind])
            batch_free(p->spare[kind][--p->spare_count[kind]]);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* With the lock held. A new batch while the round is not complete, else one that came back. */
static struct batch *empty_batch(struct pool *p, enum record_kind kind)
{
    if (!p->spare_count[kind] && p->made[kind] < p->batches_most) {
        struct batch *b = batch_new(p->batch_rows, kind);
        if (b) {
            p->made[kind]++;
            return b;
        }
    }
    while (!p->spare_count[kind] && p->made[kind] > 0 && !p->stopped)
        pthread_cond_wait(&p->changed, &p->lock);
    return p->spare_count[kind] ? p->spare[kind][--p->spare_count[kind]] : NULL;
}

/* With the lock held. Jobs with a batch are as many as there are batches; those with an account
 * alone would be without end when nobody takes them. */
static void wait_for_room(struct pool *p)
{
    while (p->waiting >= POOL_ACCOUNTS_MOST && !p->stopped)
        pthread_cond_wait(&p->changed, &p->lock);
}

static void queue_job(struct pool *p, struct pool_job *job)
{
    *p->last = job;
    p->last = &job->next;
    p->waiting++;
    pthread_cond_broadcast(&p->changed);
}

struct batch *pool_exchange(struct pool *p, struct batch *full, struct account *account)
{
    struct pool_job *job = calloc(1, sizeof *job);
    struct batch *empty = NULL;
    pthread_mutex_lock(&p->lock);
    if (!full)
        wait_for_room(p);
    if (!job || p->stopped) {
        pthread_mutex_unlock(&p->lock);
        free(job);
        return ingest_give_back(full, account); /* nobody will encode it: its records are lost */
    }
    job->batch = full;
    if (account)
        job->account = *account;
    free(account);
    enum record_kind kind = full ? batch_kind(full) : RECORD_FLOW;
    if (full && !p->made[kind])
        p->made[kind] = 1; /* the first one was made by the ingest */
    queue_job(p, job);
    if (full)
        empty = empty_batch(p, kind);
    pthread_mutex_unlock(&p->lock);
    return empty;
}

bool pool_next(struct pool *p, struct pool_job *out)
{
    pthread_mutex_lock(&p->lock);
    while (!p->first && !p->stopped)
        pthread_cond_wait(&p->changed, &p->lock);
    struct pool_job *job = p->first;
    if (job) {
        p->first = job->next;
        if (!p->first)
            p->last = &p->first;
        p->waiting--;
        p->busy = true;
        *out = *job;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    free(job);
    return job != NULL;
}

static void give_back(struct pool *p, struct batch *b, bool done)
{
    if (b)
        batch_reset(b);
    pthread_mutex_lock(&p->lock);
    if (b && p->spare_count[batch_kind(b)] < POOL_BATCHES_MOST) {
        p->spare[batch_kind(b)][p->spare_count[batch_kind(b)]++] = b;
        b = NULL;
    }
    p->busy = !done;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    batch_free(b);
}

void pool_return_batch(struct pool *p, struct pool_job *job)
{
    give_back(p, job->batch, false);
    job->batch = NULL;
}

void pool_return(struct pool *p, struct pool_job *job)
{
    give_back(p, job->batch, true);
    job->batch = NULL;
}

void pool_stop(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopped = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

bool pool_idle(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool idle = !p->first && !p->busy;
    pthread_mutex_unlock(&p->lock);
    return idle;
}

uint64_t pool_waiting(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t waiting = p->waiting;
    pthread_mutex_unlock(&p->lock);
    return waiting;
}
