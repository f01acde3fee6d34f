/* workers.h - the receiving threads of a collector, as one: each has its own sockets, connections
 * and ingest, and each exporter address has one of them (steer.h). So nothing that belongs to an
 * exporter is shared, and no datagram waits for a lock.
 *
 * Threads: workers_configure(), workers_suspend() and workers_stats() by any; the rest by the
 * owner, before the start or after the end. */
#ifndef WEIR_COLLECTOR_WORKERS_H
#define WEIR_COLLECTOR_WORKERS_H

#include "ingest/receive.h"

#define WORKERS_MOST 64u

struct workers;
struct worker_settings {
    uint32_t count; /* 1 … WORKERS_MOST */
    struct ingest_settings ingest;
    struct receiver_settings receiver;
    struct tls *tls;       /* for TLS sockets; the caller's; may be NULL */
    const char *templates; /* file that keeps them over a restart; NULL: none. Read when live. */
};

enum weir_status workers_new(const struct worker_settings *settings,
                             const struct ingest_output *output, struct workers **out,
                             struct weir_error *error);
void workers_free(struct workers *w);
/* The one that reads files when nothing is live. */
struct ingest *workers_first(struct workers *w);
/* Each checkpoint goes to the worker that will hear its exporter. */
void workers_resume(struct workers *w, const struct account_checkpoint *checkpoints, size_t n);
void workers_configure(struct workers *w, struct knowledge *k);
/* See collector_listen(); `how` is a sum of enum worker_transport. */
enum worker_transport { WORKER_UDP = 1, WORKER_TCP = 2, WORKER_TLS = 4 };
enum weir_status workers_listen(struct workers *w, unsigned how, const char *where, uint16_t *port,
                                struct weir_error *error);
/* Recalls the templates that an earlier run kept, and keeps them from now on. A damaged file is
 * ignored, with a warning. */
enum weir_status workers_start(struct workers *w, struct weir_error *error);
void workers_stop(struct workers *w);
void workers_suspend(struct workers *w, bool suspended);
void workers_stats(struct workers *w, struct receiver_stats *out); /* sums; the newest time */

#endif
