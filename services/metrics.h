/* metrics.h - GET /metrics and GET /healthz. Private to this room. */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

struct services;
struct exchange;

/* Prometheus text: server, store, collector, and the account by exporter and domain. */
void metrics_get(struct services *s, struct exchange *x);
/* 200 "ok" while the store answers and the collector runs; else 503 and why. */
void health_get(struct services *s, struct exchange *x);

#endif
