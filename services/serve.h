/* serve.h - the HTTP server: connections, time limits and workers. Knows no SOAP; what to answer is
 * the handler's business.
 *
 * A connection that waits costs an fd and 64 octets, never a thread. A worker takes it from epoll
 * when the whole request is there: until then its octets stay in the kernel (MSG_PEEK, and
 * SO_RCVLOWAT says when to wake), so a slow sender holds up no one. Requests larger than
 * REQUEST_SMALL are read by the worker itself; only some workers do that at a time, the others keep
 * answering. Likewise only some wait for clients that do not take their answers as they come; what
 * the others of those clients do not take is put aside, and leaves when they do.
 *
 * Everything is bounded: connections (the longest idle gives way), heads (http_head.h), bodies (the
 * handler says), and the time for each step. */
#ifndef WEIR_SERVE_H
#define WEIR_SERVE_H

#include "base/address.h"
#include "base/buffer.h"
#include "base/status.h"
#include "http_head.h"
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_SMALL 65536u

/* A request, whole, and the way to answer it. Valid during answer(). */
struct exchange {
    const struct http_head *head;
    const char *message; /* head and body, as they came */
    const char *body;
    size_t body_length;
    struct address peer;
    uint16_t peer_port;
    bool keep;   /* in: the client wants to go on; out: whether it may */
    bool broken; /* a write failed: the connection ends */
    int fd;
    uint64_t write_until_us; /* moves on with progress */
    uint64_t first_write_us, written, waited_us;
    bool slow; /* it holds a slot of those whose client is slow */
    uint64_t reserved;   /* octets that may be put aside, of what all together may */
    struct buffer aside; /* there was none: from here on the answer goes here, not to the client */
    struct server *server;
};

/* Writes all of it (or puts it aside: the client has it later), or sets x->broken and returns
 * false. */
bool exchange_write(struct exchange *x, const void *bytes, size_t length);
/* A whole answer. `type` may have parameters. HEAD requests get the head only. */
void exchange_reply(struct exchange *x, int status, const char *type, const void *body,
                    size_t length);
/* Before a long answer, of about so many octets at most: makes sure that it comes to its end also
 * when its client is slow. False: neither memory nor a worker's wait can be had, and it should not
 * be begun. */
bool exchange_reserve(struct exchange *x, uint64_t octets);
/* An error as one line of text. */
void exchange_refuse(struct exchange *x, int status, const char *why);

/* Takes a slot of work that only some workers may do at a time: short ones pass one another within
 * the wait; false when long ones hold all of them. Give it back with sem_post(). */
bool serve_slot(sem_t *slots, int64_t wait_ms);

struct serve_handler {
    void *context;
    /* A worker's own state (a struct soap and buffers); NULL ends the start. */
    void *(*worker_new)(void *context);
    void (*worker_free)(void *worker);
    /* Before the body is read: octets of body that are welcome. Fewer than what is coming makes it
     * 413. A refusal puts 404, 405 or 415 into *status. */
    uint64_t (*admit)(void *context, const struct http_head *head, int *status);
    /* Answers it, by exactly one exchange_reply() or writes of its own. */
    void (*answer)(void *worker, struct exchange *x);
};

struct serve_settings {
    const char *listen; /* "ADDRESS:PORT", "[::1]:8080", "*:8080", "localhost:0" */
    uint32_t workers;   /* threads */
    uint32_t bulk;      /* of them, how many may read large bodies at a time */
    uint32_t slow; /* how many may wait for clients that are slow to take their answers; bulk + slow
                      < workers */
    uint64_t aside_most; /* octets of answers for slow clients past them, of all together */
    uint32_t connections_most;
    int64_t idle_ms;    /* between two requests */
    int64_t request_ms; /* from the first octet of a request to its last (small ones) */
    int64_t stall_ms;   /* without any progress while reading a large body, or writing */
};

struct serve_counters {
    _Atomic uint64_t requests, refused, connections, accepted, evicted, timeouts;
};

struct server;
/* Whether `where` can be understood; nothing is bound. WEIR_EARGUMENT. */
enum weir_status server_check(const char *where, struct weir_error *error);
/* Binds and listens; nothing is accepted yet. WEIR_EARGUMENT and WEIR_EIO name the address. */
enum weir_status server_new(const struct serve_settings *settings,
                            const struct serve_handler *handler, struct server **out,
                            struct weir_error *error);
uint16_t server_port(const struct server *s);
const struct serve_counters *server_counters(const struct server *s);
enum weir_status server_start(struct server *s, struct weir_error *error);
/* Finishes the requests being answered, closes all connections (what was put aside is not sent any
 * more), ends the threads. */
void server_stop(struct server *s);
void server_free(struct server *s);

#endif
