/* receive.h - UDP sockets and the thread that empties them into an ingest.
 *
 * One thread owns the sockets and the ingest, so that an exporter's sessions live in one place whichever
 * port it sends to. It reads with recvmmsg(), many datagrams a system call; asks for a receive
 * buffer as large as the kernel gives; and counts what the kernel dropped (SO_RXQ_OVFL).
 *
 * Threads: receiver_listen() before receiver_start(); receiver_suspend() and receiver_stats() by any. */
#ifndef WEIR_COLLECTOR_RECEIVE_H
#define WEIR_COLLECTOR_RECEIVE_H

#include "ingest/ingest.h"

struct receiver;

/* The ingest stays the caller's; between start and stop only the receiver's thread uses it.
 * buffer: octets asked of SO_RCVBUF. flush_ms: a batch is handed on at the latest after this. */
enum weir_status receiver_new(struct ingest *ingest, int64_t buffer, int64_t flush_ms,
                              struct receiver **out, struct weir_error *error);
/* "ADDRESS:PORT", "[v6]:PORT" or "*:PORT"; port 0 picks a free one, written to *port. */
enum weir_status receiver_listen(struct receiver *r, const char *where, uint16_t *port,
                                 struct weir_error *error);
enum weir_status receiver_start(struct receiver *r, struct weir_error *error);
/* Reads what the sockets still hold, flushes the ingest, ends the thread. */
void receiver_stop(struct receiver *r);
void receiver_free(struct receiver *r);

void receiver_suspend(struct receiver *r, bool suspended);
void receiver_stats(struct receiver *r, struct ingest_stats *stats, uint64_t *kernel_drops);

#endif
