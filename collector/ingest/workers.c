/* workers.c - see workers.h. Neighbours: collector.c (the owner), receive.c (one thread),
 * listen.c. */
#include "ingest/workers.h"
#include "base/log.h"
#include "base/time.h"
#include "ingest/keeper.h"
#include "ingest/listen.h"
#include "ingest/recall.h"
#include "ingest/steer.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT_TRIES 64 /* a free UDP port may be taken for TCP */

#define KEEP_MS          1000  /* changed templates are written at most so often */
#define KEEP_MS_A_MIB    250   /* and less often when there are many */
#define KEEP_REPEATED_MS 60000 /* when only their ages changed */

struct worker {
    struct workers *workers;
    struct ingest *ingest;
    struct receiver *receiver;
    struct buffer entries; /* of recall_write() */
    uint64_t kept_version;
    int64_t kept_ms;
    size_t kept_octets;
};

struct workers {
    struct worker_settings settings;
    char *templates;
    struct keeper *keeper; /* while the threads run */
    uint32_t count;
    struct worker all[WORKERS_MOST];
};

/* ---- templates over a restart ---- */

static void keep_templates(struct worker *one, int64_t now)
{
    struct keeper *k = one->workers->keeper;
    one->kept_version = recall_version(one->ingest);
    one->kept_ms = now;
    (void)recall_write(one->ingest, &one->entries);
    one->kept_octets = one->entries.length;
    keeper_offer(k, (uint32_t)(one - one->workers->all), &one->entries);
}

/* In the receiver's thread. */
static void worker_tick(void *context, int64_t now)
{
    struct worker *one = context;
    int64_t since = now - one->kept_ms;
    int64_t wait = KEEP_MS + (int64_t)(one->kept_octets >> 20) * KEEP_MS_A_MIB;
    bool changed = recall_version(one->ingest) != one->kept_version;
    if (!one->workers->keeper || (since >= 0 && since < wait))
        return;
    if (changed || (recall_repeated(one->ingest) && (since < 0 || since >= KEEP_REPEATED_MS)))
        keep_templates(one, now);
}

static void recall_file(struct workers *w)
{
    struct weir_error error = {0};
    struct buffer entries = {0};
    struct recalled r;
    enum weir_status status = keeper_read(w->templates, &entries, &error);
    if (status != WEIR_OK && status != WEIR_ENOTFOUND)
        log_warning("collector", "%s is ignored: %s; data waits for new templates", w->templates,
                    error.message);
    struct cursor in = cursor_over(entries.bytes, entries.length);
    while (recall_next(&in, &r))
        recall_entry(w->all[steer_to(&r.exporter, w->count)].ingest, &r);
    buffer_free(&entries);
}

static enum weir_status start_keeper(struct workers *w, struct weir_error *error)
{
    if (!w->templates)
        return WEIR_OK;
    recall_file(w);
    return keeper_new(w->templates, w->count, &w->keeper, error);
}

static void stop_keeper(struct workers *w)
{
    if (!w->keeper)
        return;
    for (uint32_t i = 0; i < w->count; i++)
        keep_templates(&w->all[i], clock_now_ms());
    keeper_stop(w->keeper);
    keeper_free(w->keeper);
    w->keeper = NULL;
}

/* ---- life ---- */

static enum weir_status make_one(struct workers *w, const struct ingest_output *output,
                                 struct weir_error *error)
{
    struct receiver_settings settings = w->settings.receiver;
    settings.number = w->count;
    settings.of = w->settings.count;
    struct worker *one = &w->all[w->count++];
    settings.tick = worker_tick;
    settings.context = one;
    one->workers = w;
    one->ingest = ingest_new(&w->settings.ingest, output);
    if (!one->ingest)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the decoder");
    return receiver_new(one->ingest, &settings, &one->receiver, error);
}

enum weir_status workers_new(const struct worker_settings *settings,
                             const struct ingest_output *output, struct workers **out,
                             struct weir_error *error)
{
    struct workers *w = calloc(1, sizeof *w);
    if (!w)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the receivers");
    w->settings = *settings;
    if (settings->count > 1) /* each has its share of what all may remember */
        w->settings.ingest.exporters_most =
            (settings->ingest.exporters_most + settings->count - 1) / settings->count;
    enum weir_status status = WEIR_OK;
    if (settings->templates && !(w->templates = strdup(settings->templates)))
        status = weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the receivers");
    while (status == WEIR_OK && w->count < settings->count && w->count < WORKERS_MOST)
        status = make_one(w, output, error);
    if (status != WEIR_OK) {
        workers_free(w);
        return status;
    }
    *out = w;
    return WEIR_OK;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->count; i++) {
        receiver_free(w->all[i].receiver); /* before the ingest, which it tells of its end */
        ingest_free(w->all[i].ingest);
        buffer_free(&w->all[i].entries);
    }
    keeper_free(w->keeper);
    free(w->templates);
    free(w);
}

struct ingest *workers_first(struct workers *w)
{
    return w->all[0].ingest;
}

void workers_resume(struct workers *w, const struct account_checkpoint *checkpoints, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ingest_resume(w->all[steer_to(&checkpoints[i].exporter, w->count)].ingest, &checkpoints[i],
                      1);
}

void workers_configure(struct workers *w, struct knowledge *k)
{
    for (uint32_t i = 0; i < w->count; i++)
        ingest_configure(w->all[i].ingest, k);
}

/* ---- sockets ---- */

/* A bound group goes to the receivers; what they do not take is closed. */
static enum weir_status hand_out(struct workers *w, enum worker_transport how, const int *fds,
                                 struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < w->count; i++) {
        struct receiver *r = w->all[i].receiver;
        if (status == WEIR_OK)
            status = how == WORKER_UDP
                         ? receiver_add_udp(r, fds[i], error)
                         : receiver_add_stream(r, fds[i],
                                               how == WORKER_TLS ? w->settings.tls : NULL, error);
        if (status != WEIR_OK)
            close(fds[i]);
    }
    return status;
}

#define KINDS 3
struct bound {
    enum worker_transport how;
    int fds[WORKERS_MOST];
};

static void close_bound(const struct workers *w, const struct bound *b)
{
    for (uint32_t i = 0; i < w->count; i++)
        close(b->fds[i]);
}

/* Binds one group a transport, all to the same port. */
static enum weir_status bind_all(struct workers *w, unsigned how, const char *where,
                                 struct endpoint *at, struct bound *bound, unsigned *count,
                                 struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    *count = 0;
    for (unsigned kind = WORKER_UDP; kind <= WORKER_TLS && status == WEIR_OK; kind <<= 1) {
        struct bound *b = &bound[*count];
        if (!(how & kind))
            continue;
        b->how = (enum worker_transport)kind;
        status = listen_group(at, kind == WORKER_UDP ? SOCK_DGRAM : SOCK_STREAM, w->count, where,
                              b->fds, error);
        *count += status == WEIR_OK;
    }
    if (status != WEIR_OK)
        while (*count)
            close_bound(w, &bound[--*count]);
    return status;
}

enum weir_status workers_listen(struct workers *w, unsigned how, const char *where, uint16_t *port,
                                struct weir_error *error)
{
    struct endpoint asked, at;
    struct bound bound[KINDS];
    unsigned count = 0;
    if ((how & WORKER_TLS) && !w->settings.tls)
        return weir_fail(error, WEIR_EARGUMENT, "tls-cert", "TLS wants a certificate and its key");
    enum weir_status status = endpoint_read(where, &asked, error);
    if (status != WEIR_OK)
        return status;
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        at = asked;
        status = bind_all(w, how, where, &at, bound, &count, error);
        if (status != WEIR_EBUSY || endpoint_port(&asked) != 0)
            break;
    }
    for (unsigned i = 0; i < count; i++) {
        if (status == WEIR_OK)
            status = hand_out(w, bound[i].how, bound[i].fds, error);
        else
            close_bound(w, &bound[i]);
    }
    *port = endpoint_port(&at);
    return status;
}

/* ---- life of the threads ---- */

enum weir_status workers_start(struct workers *w, struct weir_error *error)
{
    enum weir_status status = start_keeper(w, error);
    for (uint32_t i = 0; i < w->count && status == WEIR_OK; i++)
        status = receiver_start(w->all[i].receiver, error);
    if (status != WEIR_OK)
        workers_stop(w);
    return status;
}

void workers_stop(struct workers *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        receiver_ask_stop(w->all[i].receiver);
    for (uint32_t i = 0; i < w->count; i++)
        receiver_stop(w->all[i].receiver);
    stop_keeper(w);
}

void workers_suspend(struct workers *w, bool suspended)
{
    for (uint32_t i = 0; i < w->count; i++)
        receiver_suspend(w->all[i].receiver, suspended);
}

static void add_stats(struct receiver_stats *to, const struct receiver_stats *from)
{
    to->kernel_drops += from->kernel_drops;
    to->connections += from->connections;
    to->ingest.datagrams += from->ingest.datagrams;
    to->ingest.records += from->ingest.records;
    to->ingest.option_records += from->ingest.option_records;
    to->ingest.octets += from->ingest.octets;
    to->ingest.packets += from->ingest.packets;
    to->ingest.missing += from->ingest.missing;
    to->ingest.undecodable += from->ingest.undecodable;
    to->ingest.exporters += from->ingest.exporters; /* each has one worker */
    to->ingest.sessions += from->ingest.sessions;
    to->ingest.templates += from->ingest.templates;
    if (from->ingest.last_received_ms > to->ingest.last_received_ms)
        to->ingest.last_received_ms = from->ingest.last_received_ms;
}

void workers_stats(struct workers *w, struct receiver_stats *out)
{
    *out = (struct receiver_stats){0};
    for (uint32_t i = 0; i < w->count; i++) {
        struct receiver_stats one;
        receiver_stats(w->all[i].receiver, &one);
        add_stats(out, &one);
    }
}
