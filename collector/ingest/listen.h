/* listen.h - groups of sockets on one address: one for each receiving thread, steered by exporter
 * (steer.h). Before the threads start. */
#ifndef WEIR_COLLECTOR_LISTEN_H
#define WEIR_COLLECTOR_LISTEN_H

#include "ingest/endpoint.h"

/* Binds fds[0 … count-1], all the caller's, and for SOCK_STREAM listens. When the port is 0 a free
 * one is picked and written into *at. An address that any other process or socket holds is
 * WEIR_EBUSY, even when it would share. WEIR_ELIMIT: this kernel can not steer, so count must be 1.
 * Otherwise as endpoint_bind(). On failure nothing stays open. */
enum weir_status listen_group(struct endpoint *at, int type, unsigned count, const char *where,
                              int *fds, struct weir_error *error);

#endif
