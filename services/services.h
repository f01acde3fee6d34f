/* services.h - the one door of the services room: SOAP and HTTP over a store and a collector.
 *
 *   struct services_settings settings = {.listen = "127.0.0.1:8080",
 *                                        .roles = SERVICE_DB | SERVICE_COLLECTOR,
 *                                        .store = store,
 *                                        .collector = collector};
 *
 *   services_new(&settings, &services, &error)   binds; services_port() is known
 *   services_start(services, &error)             answers
 *   services_stop(services)                      finishes what is being answered, then silence
 *   services_free(services)                      before the store and the collector are closed
 *
 * Threads: new, start, stop and free by one thread; handlers run in threads of their own, and call
 * `catalogue_changed` from them, one call at a time. */
#ifndef WEIR_SERVICES_H
#define WEIR_SERVICES_H

#include "base/status.h"
#include "flow/sink.h"
#include <stdint.h>

struct store;
struct collector;
struct log_ring;
struct services;

enum { SERVICE_DB = 1, SERVICE_COLLECTOR = 2 };

struct services_settings {
    const char *listen;          /* "ADDRESS:PORT"; port 0 picks a free one */
    const char *version;         /* shown by GetStatus; NULL: "unknown" */
    unsigned roles;              /* SERVICE_…; paths of other roles do not exist (404) */
    struct store *store;         /* needed by both roles: the collector's catalogue lives there */
    struct collector *collector; /* NULL: GetStatus of the collector is a fault, Unavailable */

    struct log_ring *log; /* what GetLog shows (base/log_ring.h); NULL: a fault, Unavailable */
    const char *key_folder;      /* where keys of anonymisation are (collector.h); NULL: none */

    /* Requests answered at a time; 0: 8. A quarter of them may be changes of the store, which wait
     * for its disk, and of the others all but one may be long questions. */
    uint32_t workers;
    uint32_t connections_most; /* 0: 1024 */
    int64_t idle_ms;           /* a silent connection is closed after this; 0: 60,000 */
    uint64_t block_most;       /* octets of a request to /db; 0: 64 MiB. Elsewhere 4 MiB */

    int64_t query_deadline_ms; /* a query's time; 0: 60,000 */
    uint64_t query_memory;     /* octets for the groups of one query; 0: 1 GiB */
    uint32_t query_threads;    /* scan threads a query; 0: 1 */
    uint32_t rows_most;        /* rows in an answer; more is a fault, TooLarge; 0: 1,000,000 */

    /* After a change of the catalogue is committed; may be NULL. Not WEIR_OK: it is not in force
     * yet, and the caller is told so, in a fault, though it is kept. */
    enum weir_status (*catalogue_changed)(void *context, struct weir_error *error);
    void *context;
};

/* Whether services_new() would understand where to listen; nothing is bound. WEIR_EARGUMENT. */
enum weir_status services_check(const char *where, struct weir_error *error);

/* Copies the settings (the strings too). WEIR_EARGUMENT and WEIR_EIO name the address. */
enum weir_status services_new(const struct services_settings *settings, struct services **out,
                              struct weir_error *error);
uint16_t services_port(const struct services *s);
enum weir_status services_start(struct services *s, struct weir_error *error);
void services_stop(struct services *s);
void services_free(struct services *s);

/* ---- a sink that is a DB component elsewhere ---- */
struct remote_sink;
struct remote_sink_settings {
    const char *url;    /* http://host:port/db */
    int64_t connect_ms; /* 0: 5,000 */
    int64_t answer_ms;  /* from the last octet sent to the answer; 0: 60,000 */
};
/* Makes no connection yet. WEIR_EARGUMENT: the URL is no http://host:port/path. */
enum weir_status remote_sink_new(const struct remote_sink_settings *settings,
                                 struct remote_sink **out, struct weir_error *error);
/* What to give to collector_new(). Delivers with StoreBlock and MTOM over one connection that is
 * kept. WEIR_EUNAVAILABLE, WEIR_EBUSY, WEIR_EFULL: try again. WEIR_EMALFORMED, WEIR_ELIMIT,
 * WEIR_EARGUMENT, WEIR_EDENIED: the DB component refuses this block for good. */
struct sink remote_sink(struct remote_sink *r);
/* Lets a deliver() that is waiting in another thread fail soon, and all later ones at once. */
void remote_sink_stop(struct remote_sink *r);
void remote_sink_free(struct remote_sink *r);

#endif
