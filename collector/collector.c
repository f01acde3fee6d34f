/* collector.c - the door of the room (collector.h): joins receiver, ingest and delivery. */
#include "collector.h"
#include "base/log.h"
#include "base/time.h"
#include "deliver/deliver.h"
#include "ingest/files.h"
#include "ingest/receive.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_MS_DEFAULT 1000
#define RECEIVE_BUFFER_DEFAULT (INT64_C(256) << 20)
#define EXPORTERS_DEFAULT 65536u
#define IMPORT_PATIENCE_MS (INT64_C(24) * 3600 * 1000) /* for the sink to take what is queued */
#define SINK_PATIENCE_MS 15000 /* an import gives up when the sink takes nothing for this long */

struct collector {
    struct collector_settings settings;
    struct deliver *deliver;
    struct ingest *ingest;
    struct receiver *receiver;
    int64_t started_ms;
    bool running;
    atomic_bool suspended;
};

static void set_defaults(struct collector_settings *s)
{
    if (s->flush_ms <= 0)
        s->flush_ms = FLUSH_MS_DEFAULT;
    if (s->receive_buffer <= 0)
        s->receive_buffer = RECEIVE_BUFFER_DEFAULT;
    if (s->zstd_level == 0)
        s->zstd_level = 1;
    if (s->exporters_most == 0)
        s->exporters_most = EXPORTERS_DEFAULT;
    if (s->batch_rows == 0)
        s->batch_rows = BATCH_ROWS_DEFAULT;
}

static enum weir_status assemble(struct collector *c, const struct sink *sink, struct weir_error *error)
{
    enum weir_status status = deliver_new(&c->settings, sink, &c->deliver, error);
    if (status != WEIR_OK)
        return status;
    struct ingest_settings settings = {.batch_rows = c->settings.batch_rows,
                                       .exporters_most = c->settings.exporters_most};
    struct ingest_output output = deliver_output(c->deliver);
    c->ingest = ingest_new(&settings, &output);
    if (!c->ingest)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the decoder");
    return receiver_new(c->ingest, c->settings.receive_buffer, c->settings.flush_ms, &c->receiver,
                        error);
}

enum weir_status collector_new(const struct collector_settings *settings, const struct sink *sink,
                               struct collector **out, struct weir_error *error)
{
    struct collector *c = calloc(1, sizeof *c);
    if (!c)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the collector");
    c->settings = *settings;
    set_defaults(&c->settings);
    enum weir_status status = assemble(c, sink, error);
    if (status != WEIR_OK) {
        collector_free(c);
        return status;
    }
    *out = c;
    return WEIR_OK;
}

void collector_free(struct collector *c)
{
    if (!c)
        return;
    receiver_free(c->receiver);
    if (c->deliver) {
        (void)deliver_stop(c->deliver, 0, NULL);
        deliver_free(c->deliver);
    }
    ingest_free(c->ingest);
    free(c);
}

void collector_resume(struct collector *c, const struct account_checkpoint *checkpoints, size_t n)
{
    struct account left = deliver_left_behind(c->deliver);
    ingest_resume(c->ingest, checkpoints, n);
    ingest_resume(c->ingest, left.checkpoints, left.checkpoint_count);
    account_free(&left);
}

enum weir_status collector_update(struct collector *c, const struct catalogue_snapshot *snapshot,
                                  struct weir_error *error)
{
    struct knowledge *k;
    enum weir_status status = knowledge_new(snapshot, &k, error);
    if (status != WEIR_OK)
        return status;
    ingest_configure(c->ingest, k);
    knowledge_unref(k);
    return WEIR_OK;
}

enum weir_status collector_listen(struct collector *c, const char *where, uint16_t *port,
                                  struct weir_error *error)
{
    return receiver_listen(c->receiver, where, port, error);
}

enum weir_status collector_start(struct collector *c, struct weir_error *error)
{
    enum weir_status status = receiver_start(c->receiver, error);
    c->running = status == WEIR_OK;
    c->started_ms = clock_now_ms();
    return status;
}

enum weir_status collector_stop(struct collector *c, int64_t patience_ms, struct weir_error *error)
{
    receiver_stop(c->receiver);
    c->running = false;
    return deliver_stop(c->deliver, patience_ms, error);
}

void collector_suspend(struct collector *c, bool suspended)
{
    atomic_store(&c->suspended, suspended);
    receiver_suspend(c->receiver, suspended);
}

void collector_status(struct collector *c, struct collector_status *out)
{
    struct ingest_stats stats;
    struct deliver_state sent;
    uint64_t kernel_drops;
    receiver_stats(c->receiver, &stats, &kernel_drops);
    deliver_state(c->deliver, &sent);
    *out = (struct collector_status){
        .running = c->running,
        .suspended = atomic_load(&c->suspended),
        .started_ms = c->started_ms,
        .exporters = stats.exporters,
        .sessions = stats.sessions,
        .templates = stats.templates,
        .datagrams = stats.datagrams,
        .records = stats.records,
        .option_records = stats.option_records,
        .blocks = sent.blocks,
        .block_octets = sent.block_octets,
        .queued_blocks = sent.queued_blocks,
        .spooled_blocks = sent.spooled_blocks,
        .spooled_octets = sent.spooled_octets,
        .kernel_drops = kernel_drops,
        .last_datagram_ms = stats.last_received_ms,
    };
    snprintf(out->last_error, sizeof out->last_error, "%s", sent.last_error);
}

/* ---- from files ---- */

struct import {
    struct collector *collector;
    import_progress progress;
    void *context;
    uint64_t octets;
    uint64_t told; /* progress is told a thousand times, not once a datagram */
    int64_t ticked_ms;
};

static enum weir_status import_datagram(void *context, const struct datagram *d)
{
    struct import *i = context;
    if (deliver_failed(i->collector->deliver, NULL))
        return WEIR_EUNAVAILABLE;
    enum weir_status status = ingest_datagram(i->collector->ingest, d);
    if (d->received_ms - i->ticked_ms >= 1000 || d->received_ms < i->ticked_ms) {
        ingest_tick(i->collector->ingest, d->received_ms);
        i->ticked_ms = d->received_ms;
    }
    return status;
}

static void import_told(void *context, uint64_t octets_done)
{
    struct import *i = context;
    if (!i->progress || (octets_done - i->told < i->octets / 1000 && octets_done < i->octets))
        return;
    struct ingest_stats stats;
    ingest_stats(i->collector->ingest, &stats);
    i->progress(i->context, octets_done, i->octets, stats.records);
    i->told = octets_done;
}

static void report(const struct collector *c, struct import_report *out)
{
    struct ingest_stats stats;
    ingest_stats(c->ingest, &stats);
    *out = (struct import_report){
        .datagrams = stats.datagrams,
        .records = stats.records,
        .options = stats.option_records,
        .octets = stats.octets,
        .packets = stats.packets,
        .missing = stats.missing,
        .undecodable = stats.undecodable,
    };
}

enum weir_status collector_import(struct collector *c, const char *const *paths, size_t n,
                                  import_progress progress, void *context,
                                  struct import_report *out, struct weir_error *error)
{
    struct import import = {.collector = c, .progress = progress, .context = context};
    struct file_reader reader = {import_datagram, import_told, &import, 0, 0};
    deliver_limit_patience(c->deliver, SINK_PATIENCE_MS);
    enum weir_status status = files_size(paths, n, &import.octets, error);
    for (size_t i = 0; i < n && status == WEIR_OK; i++)
        status = files_read(&reader, paths[i], error);
    struct weir_error late = {0};
    enum weir_status flushed = ingest_flush(c->ingest);
    enum weir_status stopped = deliver_stop(c->deliver, IMPORT_PATIENCE_MS, &late);
    report(c, out);
    if (deliver_failed(c->deliver, error))
        return WEIR_EUNAVAILABLE;
    if (status == WEIR_OK && flushed != WEIR_OK)
        status = weir_fail(error, flushed, NULL, "%s while handing on the last records",
                           weir_status_text(flushed));
    if (status == WEIR_OK && stopped != WEIR_OK) {
        if (error)
            *error = late;
        status = stopped;
    }
    return status;
}
