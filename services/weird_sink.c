/* weird_sink.c - see weird_sink.h. Neighbours: remote_sink.c (SOAP), store.h, lib/block. */
#include "weird_sink.h"
#include "base/log.h"
#include "block/block.h"
#include "services.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct weird_sink {
    struct store *store;
    bool local;
    struct block_encoder *encoder; /* for checkpoint blocks */

    pthread_mutex_t lock; /* guards the three below; not held while delivering */
    char *url;            /* wanted; NULL: none */
    bool changed, stopped;

    /* The sender's own, but for remote_sink_stop(). */
    struct remote_sink *remote;
};

static enum weir_status to_store(struct weird_sink *w, const uint8_t *block, size_t length,
                                 struct weir_error *error)
{
    enum store_outcome outcome;
    return store_append_own(w->store, block, length, &outcome, error);
}

/* Follows a change of the catalogue: the old connection ends, the new one is made when needed. */
static enum weir_status follow(struct weird_sink *w, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    pthread_mutex_lock(&w->lock);
    if (w->changed) {
        remote_sink_free(w->remote);
        w->remote = NULL;
        w->changed = false;
    }
    if (w->stopped)
        status = weir_fail(error, WEIR_EUNAVAILABLE, NULL, "the collector is stopping");
    else if (!w->url)
        status = weir_fail(error, WEIR_EUNAVAILABLE, NULL,
                           "no DB component to deliver to; add one with: weir db add URL");
    else if (!w->remote)
        status = remote_sink_new(&(struct remote_sink_settings){.url = w->url}, &w->remote, error);
    pthread_mutex_unlock(&w->lock);
    return status;
}

/* The checkpoints of a delivered block, in a block of their own with its name: the store then knows
 * where the sessions stood, and that block is told from no other. */
static void keep_checkpoints(struct weird_sink *w, const uint8_t *bytes, size_t length)
{
    struct arena arena = {0};
    struct account account = {0};
    struct buffer out = {0};
    struct block block;
    struct weir_error error = {0};
    if (block_open(bytes, length, &arena, &block, NULL) == WEIR_OK && block.account_length) {
        struct cursor in = cursor_over(block.account_bytes, block.account_length);
        if (account_read(&in, &account, NULL) == WEIR_OK && account.checkpoint_count) {
            account.row_count = 0;
            if (block_encode(w->encoder, &block.head.id, NULL, &account, &out, &error) != WEIR_OK ||
                to_store(w, out.bytes, out.length, &error) != WEIR_OK)
                log_warning("collector", "sequence positions were not kept: %s", error.message);
        }
    }
    account_free(&account);
    buffer_free(&out);
    arena_free(&arena);
}

static enum weir_status deliver(void *context, const uint8_t *block, size_t length,
                                struct weir_error *error)
{
    struct weird_sink *w = context;
    if (w->local)
        return to_store(w, block, length, error);
    enum weir_status status = follow(w, error);
    if (status != WEIR_OK)
        return status;
    struct sink remote = remote_sink(w->remote);
    status = remote.deliver(remote.context, block, length, error);
    if (status == WEIR_OK)
        keep_checkpoints(w, block, length);
    return status;
}

struct weird_sink *weird_sink_new(struct store *store, bool local)
{
    struct weird_sink *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->store = store;
    w->local = local;
    pthread_mutex_init(&w->lock, NULL);
    w->encoder = block_encoder_new(1);
    if (!w->encoder) {
        weird_sink_free(w);
        return NULL;
    }
    return w;
}

struct sink weird_sink_of(struct weird_sink *w)
{
    return (struct sink){deliver, w};
}

void weird_sink_update(struct weird_sink *w, const struct catalogue *catalogue)
{
    char *url = catalogue->db_count ? strdup(catalogue->dbs[0].url) : NULL;
    pthread_mutex_lock(&w->lock);
    bool same = url && w->url ? strcmp(url, w->url) == 0 : url == w->url;
    if (same) {
        free(url);
    } else {
        free(w->url);
        w->url = url;
        w->changed = true;
    }
    pthread_mutex_unlock(&w->lock);
}

void weird_sink_stop(struct weird_sink *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopped = true;
    if (w->remote)
        remote_sink_stop(w->remote);
    pthread_mutex_unlock(&w->lock);
}

void weird_sink_free(struct weird_sink *w)
{
    if (!w)
        return;
    remote_sink_free(w->remote);
    block_encoder_free(w->encoder);
    pthread_mutex_destroy(&w->lock);
    free(w->url);
    free(w);
}
