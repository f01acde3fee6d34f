/* workers.c - see workers.h. Neighbours: collector.c (the owner), receive.c (one thread), listen.c. */
#include "ingest/workers.h"
#include "ingest/listen.h"
#include "ingest/steer.h"
#include <stdlib.h>
#include <unistd.h>

#define PORT_TRIES 64 /* a free UDP port may be taken for TCP */

struct worker {
    struct ingest *ingest;
    struct receiver *receiver;
};

struct workers {
    struct worker_settings settings;
    uint32_t count;
    struct worker all[WORKERS_MOST];
};

static enum weir_status make_one(struct workers *w, const struct ingest_output *output,
                                 struct weir_error *error)
{
    struct worker *one = &w->all[w->count++];
    one->ingest = ingest_new(&w->settings.ingest, output);
    if (!one->ingest)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the decoder");
    return receiver_new(one->ingest, &w->settings.receiver, &one->receiver, error);
}

enum weir_status workers_new(const struct worker_settings *settings,
                             const struct ingest_output *output, struct workers **out,
                             struct weir_error *error)
{
    struct workers *w = calloc(1, sizeof *w);
    if (!w)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the receivers");
    w->settings = *settings;
    enum weir_status status = WEIR_OK;
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
    }
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
            status = how == WORKER_UDP ? receiver_add_udp(r, fds[i], error)
                                       : receiver_add_stream(r, fds[i],
                                                             how == WORKER_TLS ? w->settings.tls : NULL,
                                                             error);
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
    enum weir_status status = WEIR_OK;
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
