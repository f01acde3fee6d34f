/* deliver.c - the two threads between ingest and sink; see deliver.h. Neighbours: outbox.c (the
 * queue of finished blocks), lib/block (encoding), pool.c (the round of batches). */
#include "deliver/deliver.h"
#include "base/log.h"
#include "base/time.h"
#include "block/arrange.h"
#include "block/block.h"
#include "deliver/outbox.h"
#include "deliver/pool.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ROOM "collector"
#define RETRY_LEAST_MS 100
#define RETRY_MOST_MS 5000
#define SEND_WAIT_MS 500
#define BEHIND_NICE 3

struct deliver {
    struct collector_settings settings;
    struct sink sink;
    struct pool *pool;
    struct outbox *outbox;
    struct block_encoder *encoder;
    struct arranger *arranger; /* settings.lasting; else NULL */
    struct arena arena;        /* of the encoder thread, for one block */
    uint32_t next_block; /* low half of block sequences; encoder thread only */
    pthread_t encoder_thread, sender_thread;
    bool encoder_runs, sender_runs;
    _Atomic int64_t patience_ms; /* 0: no end */
    struct account left; /* checkpoints found in the spool at start */
    atomic_bool failed;
    atomic_bool behind;
    _Atomic pid_t threads[2]; /* the kernel's names for encoder and sender; 0: not yet known */

    pthread_mutex_t lock; /* guards what is below */
    struct account carried; /* of blocks given up; goes with the next block */
    struct deliver_state state;
    bool draining; /* stop once everything is sent */
    bool hurry;    /* stop now */
};

static bool in_hurry(struct deliver *d)
{
    pthread_mutex_lock(&d->lock);
    bool hurry = d->hurry;
    pthread_mutex_unlock(&d->lock);
    return hurry;
}

/* The state of the way to the sink is logged when it changes, not at every try. */
static void note_trouble(struct deliver *d, const struct weir_error *error)
{
    pthread_mutex_lock(&d->lock);
    bool news = strcmp(d->state.last_error, error->message) != 0;
    snprintf(d->state.last_error, sizeof d->state.last_error, "%.255s", error->message);
    pthread_mutex_unlock(&d->lock);
    if (news)
        log_error(ROOM, "blocks wait: %s", error->message);
}

static void note_well(struct deliver *d)
{
    pthread_mutex_lock(&d->lock);
    bool news = d->state.last_error[0] != '\0';
    d->state.last_error[0] = '\0';
    pthread_mutex_unlock(&d->lock);
    if (news)
        log_info(ROOM, "blocks flow again");
}

/* Sleeps a little longer each time; false when there is no time left. */
static bool wait_before_retry(struct deliver *d, int64_t *pause_ms)
{
    for (int64_t slept = 0; slept < *pause_ms; slept += RETRY_LEAST_MS) {
        if (in_hurry(d))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = RETRY_LEAST_MS * 1000000L}, NULL);
    }
    *pause_ms = *pause_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : *pause_ms * 2;
    return true;
}

static bool worth_retrying(enum weir_status status)
{
    return status == WEIR_EFULL || status == WEIR_EBUSY || status == WEIR_EUNAVAILABLE ||
           status == WEIR_EIO || status == WEIR_ENOMEM;
}

/* Lets everyone who waits go, so that the owner sees deliver_failed(). */
static bool out_of_patience(struct deliver *d, int64_t since_ms)
{
    int64_t patience_ms = atomic_load(&d->patience_ms);
    if (!patience_ms || clock_monotonic_ms() - since_ms < patience_ms)
        return false;
    atomic_store(&d->failed, true);
    pool_stop(d->pool);
    outbox_stop(d->outbox);
    return true;
}

/* ---- accounts of blocks that are given up ---- */

/* Joins `from` to `to`, which then owns both; `from` is empty afterwards. */
static void account_join(struct account *to, struct account *from)
{
    size_t rows = to->row_count + from->row_count;
    size_t points = to->checkpoint_count + from->checkpoint_count;
    struct account_row *r = realloc(to->rows, (rows ? rows : 1) * sizeof *r);
    if (r)
        to->rows = r;
    struct account_checkpoint *p = realloc(to->checkpoints, (points ? points : 1) * sizeof *p);
    if (p)
        to->checkpoints = p;
    if (!r || !p) {
        log_error(ROOM, "no memory: the account of a block is lost");
    } else {
        if (from->row_count)
            memcpy(to->rows + to->row_count, from->rows, from->row_count * sizeof *r);
        if (from->checkpoint_count)
            memcpy(to->checkpoints + to->checkpoint_count, from->checkpoints,
                   from->checkpoint_count * sizeof *p);
        to->row_count = rows;
        to->checkpoint_count = points;
    }
    account_free(from);
}

/* The records of a lost block were received and are gone: they count as spoolDrops, not as records.
 * An account may run ahead of or behind its batch by what other batches hold, so the number given
 * up is the batch's own; rows absorb it in order. */
static void carry_over(struct deliver *d, struct account *account, uint64_t records_lost)
{
    for (size_t i = 0; i < account->row_count && records_lost; i++) {
        struct account_counts *c = &account->rows[i].counts;
        uint64_t n = c->records < records_lost ? c->records : records_lost;
        c->records -= n;
        c->spool_drops += n;
        records_lost -= n;
    }
    if (records_lost && account->row_count)
        account->rows[0].counts.spool_drops += records_lost;
    pthread_mutex_lock(&d->lock);
    account_join(&d->carried, account);
    pthread_mutex_unlock(&d->lock);
}

static void pick_up_carried(struct deliver *d, struct account *account)
{
    pthread_mutex_lock(&d->lock);
    if (d->carried.row_count || d->carried.checkpoint_count) {
        /* Older first, so that the newest checkpoint of a session stays last. */
        account_join(&d->carried, account);
        *account = d->carried;
        d->carried = (struct account){0};
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---- priority ---- */

static void go_behind(pid_t thread)
{
    (void)setpriority(PRIO_PROCESS, (id_t)thread, BEHIND_NICE);
}

/* Either this sees `behind`, or deliver_go_behind() sees the name. */
static void note_thread(struct deliver *d, unsigned which)
{
    pid_t self = gettid();
    atomic_store(&d->threads[which], self);
    if (atomic_load(&d->behind))
        go_behind(self);
}

void deliver_go_behind(struct deliver *d)
{
    atomic_store(&d->behind, true);
    for (unsigned i = 0; i < 2; i++) {
        pid_t thread = atomic_load(&d->threads[i]);
        if (thread)
            go_behind(thread);
    }
}

/* ---- the encoder thread ---- */

static enum weir_status put_patiently(struct deliver *d, uint64_t sequence, struct buffer *block)
{
    struct weir_error error = {0};
    int64_t pause_ms = RETRY_LEAST_MS;
    int64_t since_ms = clock_monotonic_ms();
    enum weir_status status;
    while ((status = outbox_put(d->outbox, sequence, block, &error)) != WEIR_OK) {
        note_trouble(d, &error);
        if (!worth_retrying(status) || out_of_patience(d, since_ms) ||
            !wait_before_retry(d, &pause_ms))
            return status;
    }
    return WEIR_OK;
}

static void count_block(struct deliver *d, size_t octets)
{
    pthread_mutex_lock(&d->lock);
    d->state.blocks++;
    d->state.block_octets += octets;
    pthread_mutex_unlock(&d->lock);
}

/* The batch of a block that lasts is large, and goes back as soon as its values are taken: so there
 * need not be another one to fill meanwhile. */
static enum weir_status encode_lasting(struct deliver *d, const struct block_id *id,
                                       struct pool_job *job, struct buffer *block,
                                       struct weir_error *error)
{
    struct arranged arranged;
    enum record_kind kind = batch_kind(job->batch);
    arena_reset(&d->arena);
    const struct frame frame = batch_frame(job->batch, &d->arena);
    if (!frame.vectors)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory to arrange %u records", frame.rows);
    enum weir_status status = arranger_take(d->arranger, &frame, 1, error);
    pool_return_batch(d->pool, job);
    if (status == WEIR_OK)
        status = arranger_finish(d->arranger, &arranged, error);
    if (status != WEIR_OK)
        return status;
    return block_encode_columns(d->encoder, id, kind, arranged.columns, arranged.count,
                                arranged.rows, &arranged.feed, &job->account, block, error);
}

static enum weir_status encode(struct deliver *d, const struct block_id *id, struct pool_job *job,
                               struct buffer *block, struct weir_error *error)
{
    if (d->arranger && job->batch && batch_rows(job->batch))
        return encode_lasting(d, id, job, block, error);
    return block_encode(d->encoder, id, job->batch, &job->account, block, error);
}

static void encode_job(struct deliver *d, struct pool_job *job, struct buffer *block)
{
    struct weir_error error = {0};
    struct block_id id = {.sequence = (uint64_t)d->settings.incarnation << 32 | ++d->next_block};
    memcpy(id.collector, d->settings.id, sizeof id.collector);
    uint64_t records =
        job->batch && batch_kind(job->batch) == RECORD_FLOW ? batch_rows(job->batch) : 0;
    pick_up_carried(d, &job->account);
    buffer_clear(block);
    enum weir_status status = encode(d, &id, job, block, &error);
    size_t octets = block->length;
    if (status != WEIR_OK)
        log_error(ROOM, "a batch of %" PRIu64 " records is lost: %s", records, error.message);
    else
        status = put_patiently(d, id.sequence, block);
    if (status == WEIR_OK)
        count_block(d, octets);
    else
        carry_over(d, &job->account, records);
    account_free(&job->account);
}

static void *encoder_main(void *context)
{
    struct deliver *d = context;
    struct pool_job job;
    struct buffer block = {0};
    note_thread(d, 0);
    while (pool_next(d->pool, &job)) {
        encode_job(d, &job, &block);
        pool_return(d->pool, &job);
    }
    buffer_free(&block);
    return NULL;
}

/* ---- the sender thread ---- */

/* What the sink will never take leaves its account behind. */
static void give_up(struct deliver *d, const uint8_t *bytes, size_t length,
                    const struct weir_error *why)
{
    struct arena arena = {0};
    struct block block;
    log_error(ROOM, "the sink refused a block for good: %s", why->message);
    if (block_open(bytes, length, &arena, &block, NULL) == WEIR_OK) {
        struct account account = {0};
        struct cursor in = cursor_over(block.account_bytes, block.account_length);
        if (block.account_length && account_read(&in, &account, NULL) == WEIR_OK)
            carry_over(d, &account, block.head.kind == RECORD_FLOW ? block.head.rows : 0);
    }
    arena_free(&arena);
    outbox_refused(d->outbox);
}

/* False when there is nothing left to do here. */
static bool send_one(struct deliver *d, int64_t *pause_ms, int64_t *well_ms)
{
    const uint8_t *bytes;
    size_t length;
    struct weir_error error = {0};
    enum weir_status status = outbox_next(d->outbox, SEND_WAIT_MS, &bytes, &length, &error);
    if (status == WEIR_ENOTFOUND) {
        *well_ms = clock_monotonic_ms();
        pthread_mutex_lock(&d->lock);
        bool ended = d->draining || d->hurry;
        pthread_mutex_unlock(&d->lock);
        return !ended;
    }
    if (status == WEIR_OK)
        status = d->sink.deliver(d->sink.context, bytes, length, &error);
    if (status == WEIR_OK) {
        outbox_done(d->outbox);
        note_well(d);
        *pause_ms = RETRY_LEAST_MS;
        *well_ms = clock_monotonic_ms();
        return !in_hurry(d);
    }
    if (!worth_retrying(status)) {
        give_up(d, bytes, length, &error);
        return !in_hurry(d);
    }
    note_trouble(d, &error);
    bool safe = d->settings.spool != NULL; /* on disk: nothing is lost by trying again later */
    return (safe || !out_of_patience(d, *well_ms)) && wait_before_retry(d, pause_ms);
}

static void *sender_main(void *context)
{
    struct deliver *d = context;
    int64_t pause_ms = RETRY_LEAST_MS, well_ms = clock_monotonic_ms();
    note_thread(d, 1);
    while (send_one(d, &pause_ms, &well_ms))
        ;
    return NULL;
}

/* ---- life ---- */

static void note_left(void *context, const uint8_t *bytes, size_t length)
{
    struct deliver *d = context;
    struct arena arena = {0};
    struct account account = {0};
    struct block block;
    if (block_open(bytes, length, &arena, &block, NULL) == WEIR_OK && block.account_length) {
        struct cursor in = cursor_over(block.account_bytes, block.account_length);
        if (account_read(&in, &account, NULL) == WEIR_OK) {
            account.row_count = 0; /* the rows go with their block; only the positions are wanted */
            account_join(&d->left, &account);
        }
    }
    arena_free(&arena);
}

struct account deliver_left_behind(struct deliver *d)
{
    struct account left = d->left;
    d->left = (struct account){0};
    return left;
}

static struct batch *take(void *context, struct batch *full, struct account *account)
{
    struct deliver *d = context;
    return pool_exchange(d->pool, full, account);
}

struct ingest_output deliver_output(struct deliver *d)
{
    return (struct ingest_output){take, d};
}

void deliver_limit_patience(struct deliver *d, int64_t patience_ms)
{
    atomic_store(&d->patience_ms, patience_ms);
}

bool deliver_failed(struct deliver *d, struct weir_error *error)
{
    if (!atomic_load(&d->failed))
        return false;
    pthread_mutex_lock(&d->lock);
    (void)weir_fail(error, WEIR_EUNAVAILABLE, NULL, "%s", d->state.last_error);
    pthread_mutex_unlock(&d->lock);
    return true;
}

static enum weir_status start_threads(struct deliver *d, struct weir_error *error)
{
    d->encoder_runs = pthread_create(&d->encoder_thread, NULL, encoder_main, d) == 0;
    d->sender_runs = pthread_create(&d->sender_thread, NULL, sender_main, d) == 0;
    if (d->encoder_runs && d->sender_runs)
        return WEIR_OK;
    return weir_fail(error, WEIR_EINTERNAL, NULL, "cannot start the delivery threads");
}

enum weir_status deliver_new(const struct collector_settings *settings, const struct sink *sink,
                             struct deliver **out, struct weir_error *error)
{
    struct deliver *d = calloc(1, sizeof *d);
    if (!d)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the delivery threads");
    d->settings = *settings;
    d->sink = *sink;
    pthread_mutex_init(&d->lock, NULL);
    d->pool = pool_new(settings->batch_rows);
    d->encoder = block_encoder_new(settings->zstd_level);
    if (settings->lasting)
        d->arranger = arranger_new();
    if (settings->lasting && d->encoder)
        block_encoder_thorough(d->encoder);
    enum weir_status status =
        d->pool && d->encoder && (d->arranger || !settings->lasting)
            ? outbox_new(settings->spool, settings->spool_most, &d->outbox, error)
            : weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the encoder");
    if (status == WEIR_OK)
        status = outbox_each(d->outbox, note_left, d, error);
    if (status == WEIR_OK)
        status = start_threads(d, error);
    if (status != WEIR_OK) {
        (void)deliver_stop(d, 0, NULL);
        deliver_free(d);
        return status;
    }
    *out = d;
    return WEIR_OK;
}

static uint64_t blocks_left(struct deliver *d)
{
    uint64_t blocks;
    outbox_state(d->outbox, &blocks, NULL);
    return blocks;
}

/* With a spool, what is on disk is safe: no need to wait for a sink that does not answer. */
static bool safe_or_delivered(struct deliver *d)
{
    pthread_mutex_lock(&d->lock);
    bool sink_answers = d->state.last_error[0] == '\0';
    pthread_mutex_unlock(&d->lock);
    return pool_idle(d->pool) && (blocks_left(d) == 0 || (d->settings.spool && !sink_answers));
}

static void wait_delivered(struct deliver *d, int64_t patience_ms)
{
    struct timespec step = {.tv_nsec = 5 * 1000000L};
    for (int64_t waited = 0;
         waited < patience_ms && !safe_or_delivered(d) && !atomic_load(&d->failed); waited += 5)
        nanosleep(&step, NULL);
}

enum weir_status deliver_stop(struct deliver *d, int64_t patience_ms, struct weir_error *error)
{
    if (d->outbox)
        wait_delivered(d, patience_ms);
    pool_stop(d->pool);
    /* What is still there now is not sent again and again until the sink answers, perhaps never. */
    bool hurry = !d->outbox || !pool_idle(d->pool) || blocks_left(d) > 0;
    pthread_mutex_lock(&d->lock);
    d->draining = true;
    d->hurry = hurry;
    pthread_mutex_unlock(&d->lock);
    if (d->outbox)
        outbox_stop(d->outbox);
    if (d->encoder_runs)
        pthread_join(d->encoder_thread, NULL);
    if (d->sender_runs)
        pthread_join(d->sender_thread, NULL);
    d->encoder_runs = d->sender_runs = false;

    uint64_t left = d->outbox && !d->settings.spool ? blocks_left(d) : 0;
    if (left)
        return weir_fail(error, WEIR_EUNAVAILABLE, NULL, "%" PRIu64 " blocks were not taken: %s",
                         left, d->state.last_error);
    if (atomic_load(&d->failed))
        return weir_fail(error, WEIR_EUNAVAILABLE, NULL, "the last records are lost: %s",
                         d->state.last_error);
    return WEIR_OK;
}

void deliver_free(struct deliver *d)
{
    if (!d)
        return;
    outbox_free(d->outbox);
    block_encoder_free(d->encoder);
    arranger_free(d->arranger);
    arena_free(&d->arena);
    pool_free(d->pool);
    account_free(&d->carried);
    account_free(&d->left);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

void deliver_state(struct deliver *d, struct deliver_state *out)
{
    uint64_t blocks, octets;
    outbox_state(d->outbox, &blocks, &octets);
    pthread_mutex_lock(&d->lock);
    *out = d->state;
    pthread_mutex_unlock(&d->lock);
    out->queued_blocks = blocks + pool_waiting(d->pool);
    out->spooled_blocks = d->settings.spool ? blocks : 0;
    out->spooled_octets = d->settings.spool ? octets : 0;
}
