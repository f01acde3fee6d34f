/* collector.c - the door of the room (collector.h): joins receivers, ingest and delivery. */
#include "collector.h"
#include "base/log.h"
#include "base/time.h"
#include "deliver/deliver.h"
#include "ingest/endpoint.h"
#include "ingest/files.h"
#include "ingest/heard.h"
#include "ingest/workers.h"
#include "select/keyfile.h"
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
    struct tls *tls;
    struct workers *workers;
    struct heard *heard;
    _Atomic int64_t started_ms; /* these three are asked for by other threads */
    atomic_bool running, suspended;
    pthread_mutex_t lock; /* of `catalogue_error` */
    char catalogue_error[sizeof ((struct collector_status *)0)->catalogue_error];
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
    if (s->receivers == 0)
        s->receivers = 1;
}

static enum weir_status make_tls(const struct collector_tls *wanted, struct tls **out,
                                 struct weir_error *error)
{
    const struct tls_files files = {wanted->certificate, wanted->key, wanted->client_ca};
    if (!files.certificate)
        return WEIR_OK;
    if (!files.key)
        return weir_fail(error, WEIR_EARGUMENT, "tls-key", "a TLS certificate wants its key");
    return tls_new(&files, out, error);
}

static enum weir_status make_workers(struct collector *c, struct weir_error *error)
{
    const struct collector_settings *s = &c->settings;
    c->heard = heard_new();
    if (!c->heard)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the exporters heard");
    const struct worker_settings settings = {
        .count = s->receivers,
        .ingest = {.batch_rows = s->batch_rows,
                   .exporters_most = s->exporters_most,
                   .template_ms = s->template_ms,
                   .known_only = s->known_only,
                   .heard = c->heard},
        .receiver = {.buffer = s->receive_buffer,
                     .flush_ms = s->flush_ms,
                     .streams = {.connections_most = s->connections_most,
                                 .idle_ms = s->connection_idle_ms}},
        .tls = c->tls,
        .templates = s->templates,
    };
    const struct ingest_output output = deliver_output(c->deliver);
    return workers_new(&settings, &output, &c->workers, error);
}

static enum weir_status assemble(struct collector *c, const struct sink *sink,
                                 struct weir_error *error)
{
    enum weir_status status = deliver_new(&c->settings, sink, &c->deliver, error);
    if (status != WEIR_OK)
        return status;
    status = make_tls(&c->settings.tls, &c->tls, error);
    return status == WEIR_OK ? make_workers(c, error) : status;
}

enum weir_status collector_new(const struct collector_settings *settings, const struct sink *sink,
                               struct collector **out, struct weir_error *error)
{
    struct collector *c = calloc(1, sizeof *c);
    if (!c)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the collector");
    pthread_mutex_init(&c->lock, NULL);
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
    workers_free(c->workers);
    tls_free(c->tls);
    heard_free(c->heard);
    if (c->deliver) {
        (void)deliver_stop(c->deliver, 0, NULL);
        deliver_free(c->deliver);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void collector_resume(struct collector *c, const struct account_checkpoint *checkpoints, size_t n)
{
    struct account left = deliver_left_behind(c->deliver);
    struct account earlier = {.checkpoint_count = n};
    earlier.checkpoints = (struct account_checkpoint *)(uintptr_t)checkpoints; /* only read */
    heard_add(c->heard, &earlier);
    workers_resume(c->workers, checkpoints, n);
    workers_resume(c->workers, left.checkpoints, left.checkpoint_count);
    account_free(&left);
}

static void note_catalogue(struct collector *c, const char *error)
{
    pthread_mutex_lock(&c->lock);
    snprintf(c->catalogue_error, sizeof c->catalogue_error, "%.1023s", error);
    pthread_mutex_unlock(&c->lock);
}

void collector_outdated(struct collector *c, const struct weir_error *why)
{
    note_catalogue(c, *why->message ? why->message : weir_status_text(why->status));
}

enum weir_status collector_update(struct collector *c, const struct catalogue_snapshot *snapshot,
                                  struct weir_error *error)
{
    struct knowledge *k;
    struct weir_error why = {0};
    enum weir_status status = knowledge_new(snapshot, &k, &why);
    if (status != WEIR_OK) {
        why.status = status;
        collector_outdated(c, &why);
        if (error)
            *error = why;
        return status;
    }
    workers_configure(c->workers, k);
    knowledge_unref(k);
    note_catalogue(c, "");
    return WEIR_OK;
}

_Static_assert((int)COLLECTOR_UDP == (int)WORKER_UDP && (int)COLLECTOR_TCP == (int)WORKER_TCP &&
                   (int)COLLECTOR_TLS == (int)WORKER_TLS,
               "the door's transports are the workers'");

enum weir_status collector_listen(struct collector *c, unsigned how, const char *where,
                                  uint16_t *port, struct weir_error *error)
{
    return workers_listen(c->workers, how, where, port, error);
}

enum weir_status collector_check(const char *where, const struct collector_tls *tls,
                                 struct weir_error *error)
{
    struct endpoint ignored;
    struct tls *made = NULL;
    enum weir_status status = where ? endpoint_read(where, &ignored, error) : WEIR_OK;
    if (status == WEIR_OK && tls)
        status = make_tls(tls, &made, error);
    tls_free(made);
    return status;
}

enum weir_status collector_start(struct collector *c, struct weir_error *error)
{
    deliver_go_behind(c->deliver);
    enum weir_status status = workers_start(c->workers, error);
    c->running = status == WEIR_OK;
    c->started_ms = clock_now_ms();
    return status;
}

enum weir_status collector_stop(struct collector *c, int64_t patience_ms, struct weir_error *error)
{
    /* A receiver that waits for a full disk must not wait for ever: nobody could end it. */
    deliver_limit_patience(c->deliver, patience_ms > 0 ? patience_ms : 1);
    workers_stop(c->workers);
    c->running = false;
    return deliver_stop(c->deliver, patience_ms, error);
}

void collector_suspend(struct collector *c, bool suspended)
{
    atomic_store(&c->suspended, suspended);
    workers_suspend(c->workers, suspended);
}

void collector_status(struct collector *c, struct collector_status *out)
{
    struct receiver_stats received;
    struct deliver_state sent;
    workers_stats(c->workers, &received);
    const struct ingest_stats stats = received.ingest;
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
        .kernel_drops = received.kernel_drops,
        .connections = received.connections,
        .last_datagram_ms = stats.last_received_ms,
    };
    snprintf(out->last_error, sizeof out->last_error, "%s", sent.last_error);
    pthread_mutex_lock(&c->lock);
    memcpy(out->catalogue_error, c->catalogue_error, sizeof out->catalogue_error);
    pthread_mutex_unlock(&c->lock);
}

enum weir_status collector_heard(struct collector *c, struct heard_exporter **out, size_t *count)
{
    return heard_list(c->heard, out, count);
}

enum weir_status collector_key_make(const char *folder, const char *name, struct weir_error *error)
{
    return key_make(folder, name, error);
}

/* ---- from files ---- */

struct import {
    struct collector *collector;
    import_progress progress;
    void *context;
    uint64_t octets;
    uint64_t told; /* progress is told a thousand times, not once a datagram */
    int64_t ticked_ms;
    uint32_t refused;
    enum weir_status first_status; /* of the first file that was refused */
    struct weir_error first;
};

static enum weir_status import_datagram(void *context, const struct datagram *d)
{
    struct import *i = context;
    if (deliver_failed(i->collector->deliver, NULL))
        return WEIR_EUNAVAILABLE;
    enum weir_status status = ingest_datagram(workers_first(i->collector->workers), d);
    if (d->received_ms - i->ticked_ms >= 1000 || d->received_ms < i->ticked_ms) {
        ingest_tick(workers_first(i->collector->workers), d->received_ms);
        i->ticked_ms = d->received_ms;
    }
    return status;
}

static enum weir_status import_records(void *context, const struct ingest_origin *from,
                                       struct ingest_layout *layout, const uint8_t *bytes,
                                       size_t length)
{
    struct import *i = context;
    if (deliver_failed(i->collector->deliver, NULL))
        return WEIR_EUNAVAILABLE;
    return ingest_records(workers_first(i->collector->workers), from, layout, bytes, length);
}

static enum weir_status import_values(void *context, const struct ingest_origin *from,
                                      const struct wire_values *values)
{
    struct import *i = context;
    if (deliver_failed(i->collector->deliver, NULL))
        return WEIR_EUNAVAILABLE;
    return ingest_values(workers_first(i->collector->workers), from, values);
}

static void import_file_ends(void *context, struct transport *t)
{
    struct import *i = context;
    ingest_end_transport(workers_first(i->collector->workers), t, true);
}

/* The first one is what the import ends with; the others are said at once. */
static bool import_refused(void *context, enum weir_status why, const struct weir_error *error)
{
    struct import *i = context;
    if (why == WEIR_ENOMEM || deliver_failed(i->collector->deliver, NULL))
        return false;
    if (i->refused++)
        log_error("import", "left out: %s", error->message);
    else
        i->first = *error, i->first_status = why;
    return true;
}

static enum weir_status fail_for_refused(const struct import *i, struct weir_error *error)
{
    if (i->refused == 1)
        return weir_fail(error, i->first_status, i->first.field, "%s", i->first.message);
    return weir_fail(error, i->first_status, i->first.field,
                     "%u files were left out; the first: %s", i->refused, i->first.message);
}

static void import_told(void *context, uint64_t octets_done)
{
    struct import *i = context;
    if (!i->progress || (octets_done - i->told < i->octets / 1000 && octets_done < i->octets))
        return;
    struct ingest_stats stats;
    ingest_stats(workers_first(i->collector->workers), &stats);
    i->progress(i->context, octets_done, i->octets, stats.records);
    i->told = octets_done;
}

static void report(const struct collector *c, struct import_report *out)
{
    struct ingest_stats stats;
    ingest_stats(workers_first(c->workers), &stats);
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
    struct file_reader reader = {.datagram = import_datagram,
                                 .progress = import_told,
                                 .context = &import,
                                 .records = import_records,
                                 .values = import_values,
                                 .file_ends = import_file_ends,
                                 .refused = import_refused};
    deliver_limit_patience(c->deliver, SINK_PATIENCE_MS);
    enum weir_status status = files_size(paths, n, &import.octets, error);
    for (size_t i = 0; i < n && status == WEIR_OK; i++)
        status = files_read(&reader, paths[i], error);
    struct weir_error late = {0};
    ingest_finish(workers_first(c->workers));
    enum weir_status flushed = ingest_flush(workers_first(c->workers));
    enum weir_status stopped = deliver_stop(c->deliver, IMPORT_PATIENCE_MS, &late);
    report(c, out);
    out->files_refused = import.refused;
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
    return status == WEIR_OK && import.refused ? fail_for_refused(&import, error) : status;
}
