/* serve.c - threads and epoll: see serve.h. connections.c has the table, exchange.c a single
 * request. */
#include "serve_private.h"
#include "base/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ACCEPT_RUN 64
#define BACKLOG    1024

/* ---- listening ---- */

/* Splits "ADDRESS:PORT", "[v6]:PORT", "*:PORT". `host` empty means any. */
static bool split_where(const char *where, char host[256], char port[16])
{
    const char *colon = strrchr(where, ':');
    size_t n = colon ? (size_t)(colon - where) : 0;
    if (!colon || n >= 256 || strlen(colon + 1) >= 16 || !colon[1])
        return false;
    memcpy(host, where, n);
    host[n] = '\0';
    strcpy(port, colon + 1);
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n - 2);
        host[n - 2] = '\0';
    } else if (strchr(host, ':')) {
        return false;
    }
    if (strcmp(host, "*") == 0)
        host[0] = '\0';
    return strspn(port, "0123456789") == strlen(port) && strtol(port, NULL, 10) <= 65535;
}

enum weir_status server_check(const char *where, struct weir_error *error)
{
    char host[256], port[16];
    if (where && split_where(where, host, port))
        return WEIR_OK;
    return weir_fail(error, WEIR_EARGUMENT, "http",
                     "\"%s\" is no ADDRESS:PORT such as 127.0.0.1:8080, [::1]:8080 or *:8080",
                     where ? where : "");
}

static int listen_on(const struct addrinfo *a)
{
    int on = 1, off = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static enum weir_status open_listener(struct server *s, struct weir_error *error)
{
    char host[256], port[16];
    const char *where = s->settings.listen;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int code = 0;
    if (server_check(where, error) != WEIR_OK)
        return WEIR_EARGUMENT;
    (void)split_where(where, host, port);
    /* Any address: IPv6 takes IPv4 too; without IPv6 in the kernel, IPv4 alone. */
    const int families[] = {*host ? AF_UNSPEC : AF_INET6, AF_INET};
    for (int i = 0; i < (*host ? 1 : 2) && s->listener < 0; i++) {
        hints.ai_family = families[i];
        code = getaddrinfo(*host ? host : NULL, port, &hints, &list);
        if (code != 0)
            continue;
        s->listener = listen_on(list);
        freeaddrinfo(list);
    }
    if (code != 0)
        return weir_fail(error, WEIR_EARGUMENT, "http", "\"%s\": %s", where, gai_strerror(code));
    if (s->listener < 0)
        return weir_fail(error, WEIR_EIO, "http", "can not listen on %s: %s", where,
                         strerror(errno));
    struct sockaddr_storage bound = {0};
    socklen_t n = sizeof bound;
    getsockname(s->listener, (struct sockaddr *)(void *)&bound, &n);
    s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    return WEIR_OK;
}

static void peer_of(const struct sockaddr_storage *from, struct address *address, uint16_t *port)
{
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
        *address = address_from_ipv4(ntohl(in->sin_addr.s_addr));
        *port = ntohs(in->sin_port);
    } else {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)from;
        memcpy(address->octets, &in->sin6_addr, sizeof address->octets);
        *port = ntohs(in->sin6_port);
    }
}

static void arm_listener(struct server *s)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = EVENT_LISTENER};
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->listener, &event);
}

static void accept_some(struct server *s)
{
    for (int i = 0; i < ACCEPT_RUN && !atomic_load(&s->stopping); i++) {
        struct sockaddr_storage from = {0};
        socklen_t n = sizeof from;
        int on = 1, fd = accept4(s->listener, (struct sockaddr *)(void *)&from, &n,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            connections_evict(s);
            atomic_store(&s->accept_paused, true); /* the timer goes on with it */
            return;
        }
        if (fd < 0)
            break;
        struct address peer;
        uint16_t port;
        peer_of(&from, &peer, &port);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connection_add(s, fd, &peer, port);
    }
    arm_listener(s);
}

/* ---- workers ---- */

bool serve_slot(sem_t *slots, int64_t wait_ms)
{
    struct timespec until;
    if (sem_trywait(slots) == 0)
        return true;
    /* Not the day's clock, whose steps back would make the wait as long as they are. */
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += wait_ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int code;
    while ((code = sem_clockwait(slots, CLOCK_MONOTONIC, &until)) != 0 && errno == EINTR)
        continue;
    return code == 0;
}

static void tick(struct server *s)
{
    uint64_t ticks;
    if (read(s->timer, &ticks, sizeof ticks) < 0)
        return; /* another worker had it */
    connections_sweep(s);
    if (atomic_exchange(&s->accept_paused, false))
        arm_listener(s);
}

static void dispatch(struct worker *w, const struct epoll_event *event)
{
    enum connection_state was;
    struct server *s = w->server;
    if (event->data.u64 == EVENT_LISTENER) {
        accept_some(s);
    } else if (event->data.u64 == EVENT_TIMER) {
        tick(s);
    } else if (event->data.u64 != EVENT_WAKE) {
        struct connection *c = connection_claim(s, event->data.u64, &was);
        if (c && was == DRAINING)
            exchange_drain(w, c);
        else if (c && was == SENDING)
            aside_send(w, c);
        else if (c)
            exchange_run(w, c, event->events);
    }
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct epoll_event event;
    while (!atomic_load(&w->server->stopping))
        if (epoll_wait(w->server->epoll, &event, 1, -1) == 1)
            dispatch(w, &event);
    return NULL;
}

static bool watch(struct server *s, int fd, uint32_t events, uint64_t what)
{
    struct epoll_event event = {.events = events, .data.u64 = what};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static enum weir_status open_events(struct server *s, struct weir_error *error)
{
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    s->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->epoll >= 0 && s->timer >= 0 && s->wake >= 0 &&
        watch(s, s->listener, EPOLLIN | EPOLLONESHOT, EVENT_LISTENER) &&
        watch(s, s->timer, EPOLLIN, EVENT_TIMER) && watch(s, s->wake, EPOLLIN, EVENT_WAKE))
        return WEIR_OK;
    return weir_fail(error, WEIR_EIO, "http", "epoll: %s", strerror(errno));
}

static enum weir_status new_workers(struct server *s, struct weir_error *error)
{
    s->workers = calloc(s->settings.workers, sizeof *s->workers);
    for (uint32_t i = 0; s->workers && i < s->settings.workers; i++) {
        struct worker *w = &s->workers[i];
        w->server = s;
        w->capacity = REQUEST_SMALL;
        w->in = malloc(w->capacity);
        w->state = s->handler.worker_new(s->handler.context);
        if (!w->in || !w->state)
            return weir_fail(error, WEIR_ENOMEM, "http", "no memory for worker %u", i);
    }
    return s->workers ? WEIR_OK : weir_fail(error, WEIR_ENOMEM, "http", "no memory for workers");
}

enum weir_status server_new(const struct serve_settings *settings,
                            const struct serve_handler *handler, struct server **out,
                            struct weir_error *error)
{
    *out = NULL;
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        return weir_fail(error, WEIR_ENOMEM, "http", "no memory for the server");
    s->settings = *settings;
    s->handler = *handler;
    s->listener = s->epoll = s->timer = s->wake = -1;
    sem_init(&s->bulk, 0, settings->bulk);
    sem_init(&s->slow, 0, settings->slow);
    pthread_mutex_init(&s->lock, NULL);
    enum weir_status status = open_listener(s, error);
    if (status == WEIR_OK)
        status = open_events(s, error);
    if (status == WEIR_OK)
        status = connections_new(s, error);
    if (status == WEIR_OK)
        status = new_workers(s, error);
    if (status != WEIR_OK)
        server_free(s);
    else
        *out = s;
    return status;
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

const struct serve_counters *server_counters(const struct server *s)
{
    return &s->counters;
}

enum weir_status server_start(struct server *s, struct weir_error *error)
{
    struct itimerspec second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
    timerfd_settime(s->timer, 0, &second, NULL);
    for (uint32_t i = 0; i < s->settings.workers; i++) {
        struct worker *w = &s->workers[i];
        int code = pthread_create(&w->thread, NULL, work, w);
        if (code != 0) {
            server_stop(s);
            return weir_fail(error, WEIR_EIO, "http", "can not start a thread: %s", strerror(code));
        }
        w->started = true;
    }
    return WEIR_OK;
}

void server_stop(struct server *s)
{
    uint64_t one = 1;
    atomic_store(&s->stopping, true);
    if (write(s->wake, &one, sizeof one) < 0)
        log_error("services", "can not wake the workers: %s", strerror(errno));
    for (uint32_t i = 0; i < s->settings.workers; i++)
        if (s->workers[i].started) {
            pthread_join(s->workers[i].thread, NULL);
            s->workers[i].started = false;
        }
    close(s->listener);
    s->listener = -1;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->workers && i < s->settings.workers; i++) {
        if (s->workers[i].state)
            s->handler.worker_free(s->workers[i].state);
        free(s->workers[i].in);
    }
    connections_free(s);
    int fds[] = {s->listener, s->epoll, s->timer, s->wake};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pthread_mutex_destroy(&s->lock);
    sem_destroy(&s->bulk);
    sem_destroy(&s->slow);
    free(s->workers);
    free(s);
}
