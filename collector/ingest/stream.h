/* stream.h - IPFIX over TCP and TLS (RFC 7011 sections 10.4 and 11): listening sockets and the
 * connections that one receiving thread reads into its ingest.
 *
 *   listening socket ─▶ connection ─▶ (TLS) ─▶ framing ─▶ messages ─▶ ingest_datagram()
 *
 * A connection is a transport session of its own (ingest.h). It ends when the exporter ends it, and
 * otherwise when
 *   - the octets are no IPFIX, or no TLS: counted as undecodable (the account's row of that
 *     address),
 *   - a TLS handshake, or a message that was begun, is not whole in time: a slow peer,
 *   - nothing came for long, or the kernel finds that the peer is gone (keepalive): half open,
 *   - there are too many: the oldest that never sent a message leaves for a new one; if all have,
 *     the new one is closed at once.
 * What a connection that did not end well may still have held is unknown, and the account says so.
 *
 * Memory: a connection holds at most one message (64 KiB) and, with TLS, OpenSSL's buffers of one
 * record.
 *
 * Threads: all functions by the receiver's thread, or before it starts and after it ended. */
#ifndef WEIR_COLLECTOR_STREAM_H
#define WEIR_COLLECTOR_STREAM_H

#include "ingest/ingest.h"
#include "ingest/tls.h"

struct stream_limits {         /* 0: what is said here */
    uint32_t connections_most; /* 4096 */
    int64_t idle_ms;           /* without an octet; 30 minutes */
    int64_t message_ms;        /* from the first octet of a message to its last; 30 s */
    int64_t handshake_ms;      /* 10 s */
};

struct streams;
/* Watches its sockets with `epoll`, whose events point to struct watch. NULL: no memory. */
struct streams *streams_new(struct ingest *in, int epoll, const struct stream_limits *limits);
void streams_free(struct streams *all); /* closes everything; nothing is read any more */
/* Takes over a listening, non-blocking socket. `tls` (NULL: plain TCP) must outlive the streams.
 * WEIR_ELIMIT, WEIR_EIO, WEIR_ENOMEM: the socket is still the caller's. */
enum weir_status streams_add(struct streams *all, int fd, struct tls *tls,
                             struct weir_error *error);
/* Closes what took too long, and frees what was closed; at most every now and then, and never from
 * inside a watch's call. */
void streams_tick(struct streams *all, int64_t now_ms);
/* Reads what connections have sent so far (until deadline_ms of clock_monotonic_ms()), then closes
 * them all. */
void streams_drain(struct streams *all, int64_t deadline_ms);
uint32_t streams_count(const struct streams *all); /* connections */

#endif
