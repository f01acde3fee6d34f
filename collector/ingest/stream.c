/* stream.c - see stream.h. Neighbours: receive.c (the thread and its epoll), framing.c (messages),
 * tls.c, ingest.c. */
#include "ingest/stream.h"
#include "base/log.h"
#include "base/time.h"
#include "ingest/endpoint.h"
#include "ingest/framing.h"
#include "ingest/watch.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROOM            "collector"
#define LISTENERS_MOST  8u
#define READ_OCTETS     (256u << 10)
#define READS_MOST      4u   /* of one connection before the others get their turn */
#define ACCEPTS_MOST    64u  /* likewise of one listening socket */
#define NEW_MS          5000 /* a connection this young does not leave for another */
#define REFUSALS_LOG_MS 60000
#define ENDS_LOG_MOST   20u  /* of a minute: connections for nothing must not fill the disk */

struct listener {
    struct watch watch; /* first */
    struct streams *all;
    struct tls *tls;
    int fd;
};

struct connection {
    struct watch watch; /* first */
    struct streams *all;
    struct connection *next, **at; /* of all, newest first; later of the closed ones */
    struct transport transport;
    struct tls_session *tls;
    struct framing framing;
    struct address peer;
    uint16_t port;
    int fd; /* -1: closed, freed by the next tick */
    uint32_t events;
    bool shaking_hands, proven;            /* proven: it sent a message */
    int64_t opened_ms, heard_ms, begun_ms; /* begun: a message not whole yet; 0: none */
    uint64_t octets;                       /* that became no message, or not yet */
};

struct streams {
    struct ingest *ingest;
    struct stream_limits limits;
    struct listener *listeners[LISTENERS_MOST];
    unsigned listener_count;
    struct connection *connections, *closed;
    uint32_t count;
    int epoll;
    int spare; /* a descriptor to give up when there are no others, so that accept() works */
    int64_t refused_ms; /* when the log last said so */
    int64_t ends_ms;    /* since when ends were said, and how many */
    uint32_t ends;
    int64_t now_ms;
    uint8_t *octets; /* what was just read, of any connection */
};

/* ---- ends ---- */

static void say_end(const struct connection *c, const char *why)
{
    char text[ADDRESS_TEXT_SIZE];
    struct streams *all = c->all;
    if (all->now_ms - all->ends_ms >= REFUSALS_LOG_MS || all->now_ms < all->ends_ms) {
        all->ends_ms = all->now_ms;
        all->ends = 0;
    }
    if (all->ends++ >= ENDS_LOG_MOST)
        return;
    log_info(ROOM, "connection of %s port %u: %s%s", address_print(&c->peer, text), c->port, why,
             all->ends == ENDS_LOG_MOST ? "; others of this minute are not logged" : "");
}

/* The memory lives on until the next tick: events of this connection may still be in hand. */
static void close_connection(struct connection *c, bool complete)
{
    struct streams *all = c->all;
    ingest_end_transport(all->ingest, &c->transport, complete && !c->framing.have);
    tls_session_free(c->tls);
    c->tls = NULL;
    framing_free(&c->framing);
    close(c->fd);
    c->fd = -1;
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    all->count--;
    c->next = all->closed;
    all->closed = c;
}

/* Octets that became no message. What OpenSSL made no octets of counts as it came in. */
static uint64_t octets_in_vain(const struct connection *c)
{
    return c->tls && !c->proven ? tls_octets(c->tls) : c->octets;
}

static void refuse_connection(struct connection *c, const char *why)
{
    uint64_t octets = octets_in_vain(c);
    say_end(c, why);
    if (octets)
        ingest_refuse_octets(c->all->ingest, &c->peer, c->port, octets, c->all->now_ms);
    close_connection(c, false);
}

static void free_closed(struct streams *all)
{
    for (struct connection *c; (c = all->closed);) {
        all->closed = c->next;
        free(c);
    }
}

/* ---- reading ---- */

static void take_message(void *context, const uint8_t *message, size_t length)
{
    struct connection *c = context;
    struct datagram d = {.bytes = message,
                         .length = length,
                         .from = c->peer,
                         .port = c->port,
                         .received_ms = c->all->now_ms,
                         .transport = &c->transport};
    (void)ingest_datagram(c->all->ingest, &d);
    c->proven = true;
    c->octets -= length;
    c->begun_ms = 0;
}

/* False: the connection is closed. */
static bool take_octets(struct connection *c, size_t length)
{
    struct streams *all = c->all;
    c->heard_ms = all->now_ms;
    c->octets += length;
    enum weir_status status = framing_feed(&c->framing, all->octets, length, take_message, c);
    if (status != WEIR_OK) {
        refuse_connection(c, status == WEIR_ENOMEM ? "no memory for a message"
                                                   : "closed, what it sends is not IPFIX");
        return false;
    }
    if (!c->framing.have)
        c->begun_ms = 0;
    else if (!c->begun_ms)
        c->begun_ms = all->now_ms;
    return true;
}

static void watch_for(struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = &c->watch};
    if (events == c->events)
        return;
    c->events = events;
    (void)epoll_ctl(c->all->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

/* True: octets were read, and there may be more. */
static bool read_plain(struct connection *c)
{
    ssize_t got = read(c->fd, c->all->octets, READ_OCTETS);
    if (got > 0)
        return take_octets(c, (size_t)got);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got < 0 || c->framing.have)
        refuse_connection(c, got < 0 ? strerror(errno) : "it ended inside a message");
    else
        close_connection(c, true);
    return false;
}

static void tls_broke(struct connection *c)
{
    char why[192];
    snprintf(why, sizeof why, "TLS: %s", tls_trouble(c->tls));
    refuse_connection(c, why);
}

static bool after_tls_step(struct connection *c, enum tls_step step)
{
    switch (step) {
    case TLS_WANT_READ:
        watch_for(c, EPOLLIN);
        return false;
    case TLS_WANT_WRITE:
        watch_for(c, EPOLLOUT);
        return false;
    case TLS_ENDED:
        close_connection(c, true);
        return false;
    case TLS_BROKEN:
        tls_broke(c);
        return false;
    default:
        watch_for(c, EPOLLIN);
        return true;
    }
}

static bool read_tls(struct connection *c)
{
    size_t got = 0;
    if (c->shaking_hands) {
        if (!after_tls_step(c, tls_handshake(c->tls)))
            return false;
        c->shaking_hands = false;
        c->heard_ms = c->all->now_ms;
    }
    return after_tls_step(c, tls_read(c->tls, c->all->octets, READ_OCTETS, &got)) &&
           take_octets(c, got);
}

static void connection_ready(struct watch *w, uint32_t events)
{
    struct connection *c = (struct connection *)(void *)w;
    (void)events; /* errors and hang-ups show themselves in reading */
    if (c->fd < 0)
        return;
    c->all->now_ms = clock_now_ms();
    for (unsigned i = 0; i < READS_MOST; i++)
        if (!(c->tls ? read_tls(c) : read_plain(c)))
            return;
}

/* ---- coming ---- */

/* The kernel asks silent peers whether they are there: after two minutes of no answer, they are
 * not. */
static void keep_alive(int fd)
{
    const struct {
        int level, option, value;
    } options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, 60},
                   {IPPROTO_TCP, TCP_KEEPINTVL, 15},
                   {IPPROTO_TCP, TCP_KEEPCNT, 4}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        (void)setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                         sizeof options[i].value);
}

/* Makes room for one more; false when every connection deserves its place. */
static bool have_room(struct streams *all)
{
    struct connection *idle = NULL;
    if (all->count < all->limits.connections_most)
        return true;
    for (struct connection *c = all->connections; c; c = c->next)
        if (!c->proven && all->now_ms - c->opened_ms >= NEW_MS)
            idle = c; /* the list is by age: the last one found is the oldest */
    if (idle)
        refuse_connection(idle, "closed, it sent no message and others want its place");
    return idle != NULL;
}

static void say_refused(struct streams *all, const struct address *peer, const char *why)
{
    char text[ADDRESS_TEXT_SIZE];
    if (all->refused_ms && all->now_ms - all->refused_ms < REFUSALS_LOG_MS)
        return;
    all->refused_ms = all->now_ms;
    log_warning(ROOM, "a connection of %s is refused: %s", address_print(peer, text), why);
}

static bool open_connection(struct streams *all, const struct listener *l, int fd,
                            const struct address *peer, uint16_t port)
{
    struct connection *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &c->watch};
    if (!c)
        return false;
    *c = (struct connection){.watch = {connection_ready},
                             .all = all,
                             .tls = l->tls ? tls_session_new(l->tls, fd) : NULL,
                             .peer = *peer,
                             .port = port,
                             .fd = fd,
                             .events = EPOLLIN,
                             .shaking_hands = l->tls != NULL,
                             .opened_ms = all->now_ms,
                             .heard_ms = all->now_ms};
    if ((l->tls && !c->tls) || epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        tls_session_free(c->tls);
        free(c);
        return false;
    }
    keep_alive(fd);
    c->next = all->connections;
    c->at = &all->connections;
    if (c->next)
        c->next->at = &c->next;
    all->connections = c;
    all->count++;
    return true;
}

/* Without descriptors left accept() fails, and the socket would stay readable for ever. */
static void turn_away(struct streams *all, const struct listener *l)
{
    struct address nobody = {{0}};
    say_refused(all, &nobody, "no file descriptors left; raise the limit (ulimit -n)");
    if (all->spare < 0)
        return;
    close(all->spare);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    all->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_ready(struct watch *w, uint32_t events)
{
    struct listener *l = (struct listener *)(void *)w;
    struct streams *all = l->all;
    (void)events;
    all->now_ms = clock_now_ms();
    for (unsigned i = 0; i < ACCEPTS_MOST; i++) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        struct address peer;
        uint16_t port;
        int fd = accept4(l->fd, (struct sockaddr *)&from, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                turn_away(all, l);
            return;
        }
        endpoint_address((struct sockaddr *)&from, &peer, &port);
        bool room = have_room(all);
        if (!room || !open_connection(all, l, fd, &peer, port)) {
            say_refused(all, &peer, room ? "no memory" : "there are too many");
            close(fd);
        }
    }
}

/* ---- time ---- */

static const char *overdue(const struct connection *c, int64_t now)
{
    const struct stream_limits *most = &c->all->limits;
    if (c->shaking_hands && now - c->opened_ms > most->handshake_ms)
        return "closed, its TLS handshake takes too long";
    if (c->begun_ms && now - c->begun_ms > most->message_ms)
        return "closed, its message takes too long";
    if (now - c->heard_ms > most->idle_ms)
        return "closed, it was silent for too long";
    return NULL;
}

void streams_tick(struct streams *all, int64_t now_ms)
{
    all->now_ms = now_ms;
    for (struct connection *c = all->connections, *next; c; c = next) {
        next = c->next;
        const char *why = overdue(c, now_ms);
        if (why)
            refuse_connection(c, why);
    }
    free_closed(all);
}

void streams_drain(struct streams *all, int64_t deadline_ms)
{
    for (unsigned i = 0; i < all->listener_count; i++)
        listener_ready(&all->listeners[i]->watch, EPOLLIN);
    all->now_ms = clock_now_ms();
    for (struct connection *c = all->connections, *next; c; c = next) {
        next = c->next;
        while (c->fd >= 0 && clock_monotonic_ms() < deadline_ms &&
               (c->tls ? read_tls(c) : read_plain(c)))
            all->now_ms = clock_now_ms();
        if (c->fd >= 0)
            close_connection(c, true);
    }
    free_closed(all);
}

/* ---- life ---- */

struct streams *streams_new(struct ingest *in, int epoll, const struct stream_limits *limits)
{
    struct streams *all = calloc(1, sizeof *all);
    if (all)
        all->octets = malloc(READ_OCTETS);
    if (!all || !all->octets) {
        free(all);
        return NULL;
    }
    all->ingest = in;
    all->epoll = epoll;
    all->limits = *limits;
    if (!all->limits.connections_most)
        all->limits.connections_most = 4096;
    if (all->limits.idle_ms <= 0)
        all->limits.idle_ms = 30 * 60 * 1000;
    if (all->limits.message_ms <= 0)
        all->limits.message_ms = 30 * 1000;
    if (all->limits.handshake_ms <= 0)
        all->limits.handshake_ms = 10 * 1000;
    all->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return all;
}

enum weir_status streams_add(struct streams *all, int fd, struct tls *tls, struct weir_error *error)
{
    if (all->listener_count == LISTENERS_MOST)
        return weir_fail(error, WEIR_ELIMIT, NULL, "at most %u listening sockets", LISTENERS_MOST);
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for a listening socket");
    *l = (struct listener){{listener_ready}, all, tls, fd};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->watch};
    if (epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(l);
        return weir_fail(error, WEIR_EIO, NULL, "cannot watch the socket: %s", strerror(errno));
    }
    all->listeners[all->listener_count++] = l;
    return WEIR_OK;
}

void streams_free(struct streams *all)
{
    if (!all)
        return;
    while (all->connections)
        close_connection(all->connections, true);
    free_closed(all);
    for (unsigned i = 0; i < all->listener_count; i++) {
        close(all->listeners[i]->fd);
        free(all->listeners[i]);
    }
    if (all->spare >= 0)
        close(all->spare);
    free(all->octets);
    free(all);
}

uint32_t streams_count(const struct streams *all)
{
    return all->count;
}
