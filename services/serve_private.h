/* serve_private.h - what serve.c (threads, epoll), connections.c (the table) and exchange.c (one
 * request) share. Nobody else includes it. */
#ifndef WEIR_SERVE_PRIVATE_H
#define WEIR_SERVE_PRIVATE_H

#include "serve.h"
#include <pthread.h>
#include <semaphore.h>

/* WAITING, SENDING and DRAINING connections are armed in epoll and owned by whoever moves them to
 * BUSY first: the worker that gets the event, or the sweeper whose clock ran out. BUSY ones belong
 * to that thread. */
enum connection_state { FREE, WAITING, SENDING, DRAINING, BUSY };
/* Added to one of them while epoll is being told: an event may claim it already, a clock
 * may not, or it would close a fd that is about to be named to epoll. */
#define ARMING 0x80u

struct connection {
    _Atomic uint64_t word;       /* generation << 8 | state; a stale event has an old generation */
    _Atomic int64_t deadline_ms; /* monotonic; read by the sweeper */
    int64_t request_since_ms;    /* first octet of the request that is coming in; 0: none */
    struct address peer;
    int fd;
    uint32_t low_water; /* SO_RCVLOWAT set */
    uint16_t peer_port;
    bool continued; /* "100 Continue" was sent for this request */
    struct aside *aside; /* of an answer, when SENDING; else NULL */
};

struct worker {
    struct server *server;
    void *state; /* the handler's */
    char *in;    /* the request */
    size_t capacity;
    pthread_t thread;
    bool started;
};

struct server {
    struct serve_settings settings;
    struct serve_handler handler;
    struct serve_counters counters;
    int listener, epoll, timer, wake;
    uint16_t port;
    _Atomic bool stopping, accept_paused;
    sem_t bulk; /* large requests that may still be read */
    sem_t slow; /* answers that may still be waited for */
    _Atomic uint64_t aside; /* octets put aside */
    struct worker *workers;
    struct connection *table; /* connections_most of them */
    uint32_t *free_list;      /* indexes of FREE ones; a stack under `lock` */
    uint32_t free_count;
    pthread_mutex_t lock;
};

/* epoll's 64 bits of a connection: index and the low half of its generation. Others are below 16.
 */
enum { EVENT_LISTENER = 1, EVENT_TIMER = 2, EVENT_WAKE = 3, EVENT_CONNECTION = 16 };

int64_t serve_now_ms(void);

/* ---- connections.c ---- */
enum weir_status connections_new(struct server *s, struct weir_error *error);
void connections_free(struct server *s); /* closes what is open */
/* Takes the new fd; when the table is full the longest idle one gives way. False: refused, fd
 * closed. */
bool connection_add(struct server *s, int fd, const struct address *peer, uint16_t port);
/* The connection of an event, now BUSY and the caller's; NULL when the event is stale. */
struct connection *connection_claim(struct server *s, uint64_t event, enum connection_state *was);
/* Gives it back to epoll: for what comes, or, when SENDING, for room to write. */
void connection_arm(struct server *s, struct connection *c, enum connection_state state,
                    int64_t limit_ms);
void connection_close(struct server *s, struct connection *c);
/* Closes what is past its deadline. */
void connections_sweep(struct server *s);
/* Closes the longest waiting one; false when none waits. */
bool connections_evict(struct server *s);

/* ---- exchange.c ---- */
/* Serves what has arrived on a BUSY connection and gives it away (armed or closed). */
void exchange_run(struct worker *w, struct connection *c, uint32_t events);
void exchange_drain(struct worker *w, struct connection *c);
/* Gives a BUSY connection away: until its next request comes; to end. */
void exchange_wait(struct worker *w, struct connection *c);
void exchange_leave(struct worker *w, struct connection *c);

/* ---- aside.c ---- */
#define SLOWEST 8192 /* octets a second of a large request or answer, at least */
/* When an answer that got so far has to have got further. */
uint64_t write_limit_us(const struct server *s, uint64_t first_write_us, uint64_t written);
#define SLOW_WAIT_MS 100 /* for a slot of those who wait for slow clients */
/* False, and x->broken: there is no room for it. */
bool aside_put(struct exchange *x, const void *bytes, size_t length);
void aside_drop(struct exchange *x);
/* Gives a BUSY connection away; it owns x->aside then, and goes on when the client takes it. */
void aside_begin(struct worker *w, struct connection *c, struct exchange *x);
/* A turn of a connection that was SENDING. */
void aside_send(struct worker *w, struct connection *c);
void aside_free(struct server *s, struct connection *c);

#endif
