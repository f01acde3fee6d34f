/* receive.c - the receiving thread; see receive.h. Neighbours: ingest.c (decoding), endpoint.c (names of
 * sockets). */
#include "ingest/receive.h"
#include "base/log.h"
#include "base/time.h"
#include "ingest/endpoint.h"
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM "collector"
#define SOCKETS_MOST 16u
#define BURST 64u            /* datagrams a system call */
#define ROUNDS_MOST 32u      /* bursts from one socket before the others get their turn */
#define DATAGRAM_MOST 65536u
#define TICK_MS 100

struct listening {
    int fd;
    uint32_t overflow; /* SO_RXQ_OVFL: datagrams the kernel dropped since the socket exists */
};

struct receiver {
    struct ingest *ingest;
    int64_t buffer, flush_ms;
    struct listening sockets[SOCKETS_MOST];
    unsigned socket_count;
    int epoll, wake;
    pthread_t thread;
    bool running;
    atomic_bool stop, suspended;

    /* The thread's own: one burst. */
    uint8_t *bytes;
    struct mmsghdr messages[BURST];
    struct iovec vectors[BURST];
    struct sockaddr_storage peers[BURST];
    uint64_t control[BURST][8];
    int64_t flushed_ms, ticked_ms;

    pthread_mutex_t lock; /* guards the two below */
    struct ingest_stats stats;
    uint64_t kernel_drops;
};

enum weir_status receiver_new(struct ingest *ingest, int64_t buffer, int64_t flush_ms,
                              struct receiver **out, struct weir_error *error)
{
    struct receiver *r = calloc(1, sizeof *r);
    if (r)
        r->bytes = malloc((size_t)BURST * DATAGRAM_MOST);
    if (!r || !r->bytes) {
        free(r);
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the receiver");
    }
    r->ingest = ingest;
    r->buffer = buffer;
    r->flush_ms = flush_ms;
    pthread_mutex_init(&r->lock, NULL);
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = SOCKETS_MOST};
    if (r->epoll < 0 || r->wake < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->wake, &event) != 0) {
        receiver_free(r);
        return weir_fail(error, WEIR_EIO, NULL, "cannot make an epoll: %s", strerror(errno));
    }
    *out = r;
    return WEIR_OK;
}

void receiver_free(struct receiver *r)
{
    if (!r)
        return;
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

/* SO_RCVBUFFORCE passes net.core.rmem_max where we may; SO_RCVBUF takes what the kernel gives. */
static void widen_buffer(int fd, int64_t octets)
{
    int size = octets > INT32_MAX / 2 ? INT32_MAX / 2 : (int)octets;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

enum weir_status receiver_listen(struct receiver *r, const char *where, uint16_t *port,
                                 struct weir_error *error)
{
    if (r->socket_count == SOCKETS_MOST)
        return weir_fail(error, WEIR_ELIMIT, where, "at most %u sockets", SOCKETS_MOST);
    int fd;
    enum weir_status status = endpoint_bind_udp(where, &fd, port, error);
    if (status != WEIR_OK)
        return status;
    int on = 1;
    widen_buffer(fd, r->buffer);
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = r->socket_count};
    if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        close(fd);
        return weir_fail(error, WEIR_EIO, where, "cannot watch the socket: %s", strerror(errno));
    }
    r->sockets[r->socket_count++] = (struct listening){.fd = fd};
    return WEIR_OK;
}

/* ---- the thread ---- */

static void prepare_burst(struct receiver *r)
{
    for (unsigned i = 0; i < BURST; i++) {
        r->vectors[i] = (struct iovec){r->bytes + (size_t)i * DATAGRAM_MOST, DATAGRAM_MOST};
        r->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &r->peers[i],
            .msg_namelen = sizeof r->peers[i],
            .msg_iov = &r->vectors[i],
            .msg_iovlen = 1,
            .msg_control = r->control[i],
            .msg_controllen = sizeof r->control[i],
        };
    }
}

static void note_overflow(struct receiver *r, struct listening *s, struct msghdr *message, int64_t now)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        uint32_t dropped;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
            continue;
        memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
        uint32_t more = dropped - s->overflow; /* the kernel's counter wraps like ours */
        if (more == 0)
            return;
        s->overflow = dropped;
        ingest_kernel_drops(r->ingest, more, now);
        pthread_mutex_lock(&r->lock);
        r->kernel_drops += more;
        pthread_mutex_unlock(&r->lock);
    }
}

/* Returns how many datagrams were read. */
static unsigned receive_burst(struct receiver *r, struct listening *s)
{
    prepare_burst(r);
    int count = recvmmsg(s->fd, r->messages, BURST, MSG_DONTWAIT, NULL);
    if (count <= 0)
        return 0;
    int64_t now = clock_now_ms();
    for (int i = 0; i < count; i++) {
        struct datagram d = {.bytes = r->vectors[i].iov_base,
                             .length = r->messages[i].msg_len,
                             .received_ms = now};
        endpoint_address((struct sockaddr *)&r->peers[i], &d.from, &d.port);
        note_overflow(r, s, &r->messages[i].msg_hdr, now);
        (void)ingest_datagram(r->ingest, &d);
    }
    return (unsigned)count;
}

static void drain_socket(struct receiver *r, struct listening *s)
{
    for (unsigned round = 0; round < ROUNDS_MOST; round++)
        if (receive_burst(r, s) < BURST)
            return;
}

static void keep_time(struct receiver *r)
{
    int64_t now = clock_now_ms();
    ingest_suspend(r->ingest, atomic_load(&r->suspended));
    if (now - r->ticked_ms >= 1000 || now < r->ticked_ms) {
        ingest_tick(r->ingest, now);
        r->ticked_ms = now;
    }
    if (now - r->flushed_ms >= r->flush_ms || now < r->flushed_ms) {
        (void)ingest_flush(r->ingest);
        r->flushed_ms = now;
    }
    struct ingest_stats stats;
    ingest_stats(r->ingest, &stats);
    pthread_mutex_lock(&r->lock);
    r->stats = stats;
    pthread_mutex_unlock(&r->lock);
}

static void *receive_main(void *context)
{
    struct receiver *r = context;
    r->flushed_ms = r->ticked_ms = clock_now_ms();
    while (!atomic_load(&r->stop)) {
        struct epoll_event events[SOCKETS_MOST + 1];
        int count = epoll_wait(r->epoll, events, SOCKETS_MOST + 1, TICK_MS);
        for (int i = 0; i < count; i++)
            if (events[i].data.u32 < r->socket_count)
                drain_socket(r, &r->sockets[events[i].data.u32]);
        keep_time(r);
    }
    for (unsigned i = 0; i < r->socket_count; i++) /* what came before the end was asked for */
        drain_socket(r, &r->sockets[i]);
    (void)ingest_flush(r->ingest);
    keep_time(r);
    return NULL;
}

enum weir_status receiver_start(struct receiver *r, struct weir_error *error)
{
    if (pthread_create(&r->thread, NULL, receive_main, r) != 0)
        return weir_fail(error, WEIR_EINTERNAL, NULL, "cannot start the receiving thread");
    r->running = true;
    return WEIR_OK;
}

void receiver_stop(struct receiver *r)
{
    if (!r->running)
        return;
    atomic_store(&r->stop, true);
    uint64_t one = 1;
    if (write(r->wake, &one, sizeof one) < 0)
        log_debug(ROOM, "the receiver wakes by its clock");
    pthread_join(r->thread, NULL);
    r->running = false;
}

void receiver_suspend(struct receiver *r, bool suspended)
{
    atomic_store(&r->suspended, suspended);
}

void receiver_stats(struct receiver *r, struct ingest_stats *stats, uint64_t *kernel_drops)
{
    pthread_mutex_lock(&r->lock);
    *stats = r->stats;
    *kernel_drops = r->kernel_drops;
    pthread_mutex_unlock(&r->lock);
}
