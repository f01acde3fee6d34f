/* pool.h - the round of batches between ingest threads and the encoder.
 *
 *   free batches ──pool_exchange──▶ being filled ──pool_exchange──▶ jobs ──pool_next──▶ encoder
 *        ▲──────────────────────────────── pool_return ◀────────────────────────────────┘
 *
 * At most POOL_BATCHES_MOST (large ones: POOL_LARGE_MOST) batches of a kind exist, and one more for
 * each ingest after the first, whatever the load.
 *
 * Threads: pool_exchange() by any number; pool_next() and pool_return() by the encoder; others by
 * any. */
#ifndef WEIR_COLLECTOR_POOL_H
#define WEIR_COLLECTOR_POOL_H

#include "flow/account.h"
#include "flow/batch.h"

#define POOL_BATCHES_MOST 6u
#define POOL_LARGE_MOST 1u /* of large ones: it comes back before it is encoded */
#define POOL_ACCOUNTS_MOST 16u /* jobs that wait when an account alone is put to them */

struct pool;
struct pool_job {
    struct pool_job *next;  /* the pool's own */
    struct batch *batch;    /* NULL: an account alone */
    struct account account; /* may be empty; whoever took the job frees it */
};

struct pool *pool_new(uint32_t batch_rows); /* 0: BATCH_ROWS_DEFAULT */
void pool_free(struct pool *p);
/* See ingest_output.take: queues `full` and the contents of `account` (both now the pool's), and
 * returns an empty batch of the same kind, waiting for one if need be (an account alone waits for
 * its place); NULL when full is NULL or memory ends. Once stopped, nothing is queued: the records
 * and the account are lost, and `full` comes back empty. */
struct batch *pool_exchange(struct pool *p, struct batch *full, struct account *account);
/* The next job, waiting; false once stopped and empty. */
bool pool_next(struct pool *p, struct pool_job *out);
/* The job's batch is reset and free again, and not in the job any more. */
void pool_return_batch(struct pool *p, struct pool_job *job);
void pool_return(struct pool *p, struct pool_job *job); /* the same, and the job is done */
void pool_stop(struct pool *p); /* what waits is still encoded; nothing comes in any more */
bool pool_idle(struct pool *p);       /* no job waits or is being worked on */
uint64_t pool_waiting(struct pool *p);

#endif
