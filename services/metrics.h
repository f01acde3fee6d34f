/* metrics.h - GET /metrics and GET /healthz: rows of services.c's table. Private to this room.
 *
 * Each writes one whole answer to *x. Threads: any. */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

struct services;
struct exchange;

/* Prometheus text: server, store, collector, and the account by exporter and domain. What can not
 * be had now is left out. */
void metrics_get(struct services *s, struct exchange *x);
/* 200 "ok" while the store answers and the collector runs; else 503 and why. */
void health_get(struct services *s, struct exchange *x);

#endif
