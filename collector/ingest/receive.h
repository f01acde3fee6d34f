/* receive.h - one receiving thread: its sockets, emptied into its ingest.
 *
 * The thread owns its sockets, its connections (stream.h) and its ingest. It reads UDP with
 * recvmmsg(), many datagrams a system call; asks for a receive buffer as large as the kernel gives;
 * and counts what the kernel dropped at each socket (the counter of SO_RXQ_OVFL, read where it
 * stands, so that drops after the last datagram count too).
 *
 * Several receivers share ports by steer.h. Between the first bind() and the moment the kernel has
 * the program of steer.h, a datagram may be put to the socket of any of them. It is not decoded
 * there: the receiver that its exporter belongs to goes on from the checkpoint of an earlier run,
 * and misses it, so that it would be both received and missing. It is counted with the kernel's
 * drops.
 *
 * Threads: receiver_add_…() before receiver_start(); receiver_suspend() and receiver_stats() by
 * any. */
#ifndef WEIR_COLLECTOR_RECEIVE_H
#define WEIR_COLLECTOR_RECEIVE_H

#include "ingest/ingest.h"
#include "ingest/stream.h"

struct receiver;

struct receiver_settings {
    uint32_t number, of; /* which of the receivers of its ports: 0 … of - 1; of 0 or 1: the only */
    int64_t buffer;   /* octets asked of SO_RCVBUF */
    int64_t flush_ms; /* a batch is handed on at the latest after this */
    struct stream_limits streams;
    /* Called about ten times a second by the thread, when nothing is half done; may be NULL. */
    void (*tick)(void *context, int64_t now_ms);
    void *context;
};

/* The ingest stays the caller's; between start and stop only the receiver's thread uses it. */
enum weir_status receiver_new(struct ingest *ingest, const struct receiver_settings *settings,
                              struct receiver **out, struct weir_error *error);
/* Take over bound sockets (listen.h); on failure they are still the caller's. `tls`: NULL for plain
 * TCP. */
enum weir_status receiver_add_udp(struct receiver *r, int fd, struct weir_error *error);
enum weir_status receiver_add_stream(struct receiver *r, int fd, struct tls *tls,
                                     struct weir_error *error);
enum weir_status receiver_start(struct receiver *r, struct weir_error *error);
/* Reads what sockets and connections still hold, flushes the ingest, ends the thread. In two steps,
 * so that several receivers end at once: ask them all, then stop each. */
void receiver_ask_stop(struct receiver *r);
void receiver_stop(struct receiver *r);
void receiver_free(struct receiver *r);

void receiver_suspend(struct receiver *r, bool suspended);
struct receiver_stats {
    struct ingest_stats ingest;
    uint64_t kernel_drops;
    uint32_t connections;
};
void receiver_stats(struct receiver *r, struct receiver_stats *out);

#endif
