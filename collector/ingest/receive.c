/* receive.c - a receiving thread; see receive.h. Neighbours: ingest.c (decoding), stream.c
 * (connections), listen.c (binds the sockets). */
#include "ingest/receive.h"
#include "base/log.h"
#include "base/time.h"
#include "ingest/endpoint.h"
#include "ingest/steer.h"
#include "ingest/watch.h"
#include <errno.h>
#include <linux/sock_diag.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM          "collector"
#define SOCKETS_MOST  16u
#define EVENTS        64
#define BURST         64u /* datagrams a system call */
#define ROUNDS_MOST   32u /* bursts from one socket before the others get their turn */
#define DATAGRAM_MOST 65536u
#define TICK_MS       100
#define REST_US       500 /* see rest() */
#define FIRST_NICE    (-10)
#define REST_BUFFER   (1 << 20)
#define DRAIN_MS      10000 /* what arrives without end is not waited for at the end */

struct udp_socket {
    struct watch watch; /* first */
    struct receiver *receiver;
    int fd;
    uint16_t port;
    uint32_t dropped; /* by the kernel since the socket exists */
};

struct receiver {
    struct watch watch; /* first: of `wake` */
    struct ingest *ingest;
    struct receiver_settings settings;
    struct udp_socket sockets[SOCKETS_MOST];
    unsigned socket_count;
    struct streams *streams;
    int epoll, wake;
    pthread_t thread;
    bool running;
    atomic_bool stop, suspended;

    /* The thread's own: one burst. */
    uint8_t *bytes;
    struct mmsghdr messages[BURST];
    struct iovec vectors[BURST];
    struct sockaddr_storage peers[BURST];
    int64_t flushed_ms, ticked_ms, looked_ms;
    uint64_t kernel_drops;
    unsigned taken; /* datagrams since the last look at epoll */
    bool may_rest;

    pthread_mutex_t lock; /* guards: */
    struct receiver_stats stats;
};

/* The thread looks at `stop` after every event. */
static void woken(struct watch *w, uint32_t events)
{
    (void)w;
    (void)events;
}

static enum weir_status open_epoll(struct receiver *r, struct weir_error *error)
{
    r->watch.ready = woken;
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &r->watch};
    if (r->epoll < 0 || r->wake < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->wake, &event) != 0)
        return weir_fail(error, WEIR_EIO, NULL, "cannot make an epoll: %s", strerror(errno));
    return WEIR_OK;
}

enum weir_status receiver_new(struct ingest *ingest, const struct receiver_settings *settings,
                              struct receiver **out, struct weir_error *error)
{
    struct receiver *r = calloc(1, sizeof *r);
    if (!r)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the receiver");
    r->ingest = ingest;
    r->settings = *settings;
    pthread_mutex_init(&r->lock, NULL);
    enum weir_status status = open_epoll(r, error);
    if (status == WEIR_OK) {
        r->bytes = malloc((size_t)BURST * DATAGRAM_MOST);
        r->streams = streams_new(ingest, r->epoll, &settings->streams);
        if (!r->bytes || !r->streams)
            status = weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the receiver");
    }
    if (status != WEIR_OK) {
        receiver_free(r);
        return status;
    }
    *out = r;
    return WEIR_OK;
}

void receiver_free(struct receiver *r)
{
    if (!r)
        return;
    streams_free(r->streams);
    for (unsigned i = 0; i < r->socket_count; i++)
        close(r->sockets[i].fd);
    if (r->epoll >= 0)
        close(r->epoll);
    if (r->wake >= 0)
        close(r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r->bytes);
    free(r);
}

/* ---- datagrams ---- */

static void prepare_burst(struct receiver *r)
{
    for (unsigned i = 0; i < BURST; i++) {
        r->vectors[i] = (struct iovec){r->bytes + (size_t)i * DATAGRAM_MOST, DATAGRAM_MOST};
        r->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &r->peers[i],
            .msg_namelen = sizeof r->peers[i],
            .msg_iov = &r->vectors[i],
            .msg_iovlen = 1,
        };
    }
}

static void add_drops(struct receiver *r, const struct udp_socket *s, uint32_t count, int64_t now)
{
    if (count == 0)
        return;
    r->kernel_drops += count;
    ingest_kernel_drops(r->ingest, s->port, count, now);
}

/* Returns how many datagrams were read. */
static unsigned receive_burst(struct receiver *r, const struct udp_socket *s)
{
    prepare_burst(r);
    int count = recvmmsg(s->fd, r->messages, BURST, MSG_DONTWAIT, NULL);
    if (count <= 0)
        return 0;
    int64_t now = clock_now_ms();
    uint32_t astray = 0; /* see receive.h */
    r->taken += (unsigned)count;
    for (int i = 0; i < count; i++) {
        struct datagram d = {
            .bytes = r->vectors[i].iov_base, .length = r->messages[i].msg_len, .received_ms = now};
        endpoint_address((struct sockaddr *)&r->peers[i], &d.from, &d.port);
        if (steer_to(&d.from, r->settings.of) == r->settings.number)
            (void)ingest_datagram(r->ingest, &d);
        else
            astray++;
    }
    add_drops(r, s, astray, now);
    return (unsigned)count;
}

static void socket_ready(struct watch *w, uint32_t events)
{
    struct udp_socket *s = (struct udp_socket *)(void *)w;
    (void)events;
    for (unsigned round = 0; round < ROUNDS_MOST; round++)
        if (receive_burst(s->receiver, s) < BURST)
            return;
}

/* The kernel's counter wraps like ours. */
static void count_drops(struct receiver *r, struct udp_socket *s, int64_t now)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof memory;
    if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, memory, &length) != 0)
        return;
    add_drops(r, s, memory[SK_MEMINFO_DROPS] - s->dropped, now);
    s->dropped = memory[SK_MEMINFO_DROPS];
}

/* ---- the thread ---- */

static void publish_stats(struct receiver *r)
{
    struct receiver_stats stats = {.kernel_drops = r->kernel_drops,
                                   .connections = streams_count(r->streams)};
    ingest_stats(r->ingest, &stats.ingest);
    pthread_mutex_lock(&r->lock);
    r->stats = stats;
    pthread_mutex_unlock(&r->lock);
}

static void look_around(struct receiver *r, int64_t now)
{
    for (unsigned i = 0; i < r->socket_count; i++)
        count_drops(r, &r->sockets[i], now);
    streams_tick(r->streams, now);
    if (r->settings.tick)
        r->settings.tick(r->settings.context, now);
    r->looked_ms = now;
}

/* Also when the clock was set back. */
static bool due(int64_t now, int64_t last_ms, int64_t every_ms)
{
    return now - last_ms >= every_ms || now < last_ms;
}

static void keep_time(struct receiver *r)
{
    int64_t now = clock_now_ms();
    if (due(now, r->looked_ms, TICK_MS))
        look_around(r, now);
    if (due(now, r->ticked_ms, 1000)) {
        ingest_tick(r->ingest, now);
        r->ticked_ms = now;
    }
    if (due(now, r->flushed_ms, r->settings.flush_ms)) {
        (void)ingest_flush(r->ingest);
        r->flushed_ms = now;
    }
    publish_stats(r);
}

/* What came before the end was asked for. */
static void drain_all(struct receiver *r)
{
    int64_t deadline = clock_monotonic_ms() + DRAIN_MS;
    for (unsigned i = 0; i < r->socket_count; i++)
        while (receive_burst(r, &r->sockets[i]) == BURST && clock_monotonic_ms() < deadline)
            ;
    streams_drain(r->streams, deadline);
    look_around(r, clock_now_ms());
    ingest_finish(r->ingest);
    (void)ingest_flush(r->ingest);
    publish_stats(r);
}

/* To be woken for every datagram costs more than to decode it. When few came at once, a moment's
 * rest lets more gather: a thousandth of what the buffer holds, where it is not kept small on
 * purpose. */
static void rest(struct receiver *r)
{
    if (r->may_rest && r->taken && r->taken < BURST)
        nanosleep(&(struct timespec){.tv_nsec = REST_US * 1000L}, NULL);
    r->taken = 0;
}

/* Whoever waits for a core that encodes or compacts waits for several of the scheduler's turns, and
 * those are as long as a usual receive buffer lasts. Refused without CAP_SYS_NICE: then it is
 * enough that the others step back (deliver.h). */
static void go_first(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), FIRST_NICE);
}

static void *receive_main(void *context)
{
    struct receiver *r = context;
    go_first();
    sigset_t pipe; /* a TLS peer that is gone is an error of the write */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    r->flushed_ms = r->ticked_ms = clock_now_ms();
    while (!atomic_load(&r->stop)) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(r->epoll, events, EVENTS, TICK_MS);
        /* Before what came: who suspended or resumed before it was sent means it. */
        ingest_suspend(r->ingest, atomic_load(&r->suspended));
        for (int i = 0; i < count; i++) {
            struct watch *w = events[i].data.ptr;
            w->ready(w, events[i].events);
        }
        keep_time(r);
        rest(r);
    }
    drain_all(r);
    return NULL;
}

/* ---- for the owner ---- */

/* SO_RCVBUFFORCE passes net.core.rmem_max where we may; SO_RCVBUF takes what the kernel gives.
 * Returns what it gave. */
static int set_buffer(int fd, int64_t octets)
{
    int given = 0;
    socklen_t length = sizeof given;
    int size = octets > INT32_MAX / 2 ? INT32_MAX / 2 : (int)octets;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    (void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &given, &length);
    return given;
}

enum weir_status receiver_add_udp(struct receiver *r, int fd, struct weir_error *error)
{
    if (r->socket_count == SOCKETS_MOST)
        return weir_fail(error, WEIR_ELIMIT, NULL, "at most %u sockets", SOCKETS_MOST);
    struct udp_socket *s = &r->sockets[r->socket_count];
    *s = (struct udp_socket){{socket_ready}, r, fd, endpoint_port_of(fd), 0};
    bool roomy = set_buffer(fd, r->settings.buffer) >= REST_BUFFER;
    r->may_rest = roomy && (r->may_rest || r->socket_count == 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &s->watch};
    if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return weir_fail(error, WEIR_EIO, NULL, "cannot watch the socket: %s", strerror(errno));
    r->socket_count++;
    return WEIR_OK;
}

enum weir_status receiver_add_stream(struct receiver *r, int fd, struct tls *tls,
                                     struct weir_error *error)
{
    return streams_add(r->streams, fd, tls, error);
}

enum weir_status receiver_start(struct receiver *r, struct weir_error *error)
{
    publish_stats(r);
    if (pthread_create(&r->thread, NULL, receive_main, r) != 0)
        return weir_fail(error, WEIR_EINTERNAL, NULL, "cannot start the receiving thread");
    r->running = true;
    return WEIR_OK;
}

void receiver_ask_stop(struct receiver *r)
{
    uint64_t one = 1;
    atomic_store(&r->stop, true);
    if (r->running && write(r->wake, &one, sizeof one) < 0)
        log_debug(ROOM, "the receiver wakes by its clock");
}

void receiver_stop(struct receiver *r)
{
    if (!r->running)
        return;
    receiver_ask_stop(r);
    pthread_join(r->thread, NULL);
    r->running = false;
}

void receiver_suspend(struct receiver *r, bool suspended)
{
    atomic_store(&r->suspended, suspended);
}

void receiver_stats(struct receiver *r, struct receiver_stats *out)
{
    pthread_mutex_lock(&r->lock);
    *out = r->stats;
    pthread_mutex_unlock(&r->lock);
}
