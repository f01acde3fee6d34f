/* exchange.c - one request: wait for it to be whole, read it, have it answered. Between serve.c,
 * which hands over connections, and the handler. */
#include "chunks.h"
#include "serve_private.h"
#include "base/time.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define DRAIN_MS      5000
#define KEPT_CAPACITY (8u << 20) /* a worker's buffer grown past this is given back */
#define RUN_MOST      32         /* requests served in a row before others have their turn */
#define BULK_WAIT_MS  20
#define PATIENCE_US                                                                                \
    100000 /* how long a client may let us wait with an answer before it counts as slow */
#define SLICE_MS      200 /* how long a stop may go unnoticed while waiting for a peer */

/* Waits for the peer; false: it stalled until `until_us`, or the server stops and we were reading.
 */
static bool wait_for(struct server *s, int fd, short events, uint64_t until_us)
{
    for (;;) {
        uint64_t now = clock_monotonic_us();
        if (now >= until_us || ((events & POLLIN) && atomic_load(&s->stopping)))
            return false;
        struct pollfd p = {.fd = fd, .events = events};
        uint64_t left_ms = (until_us - now) / 1000 + 1;
        int n = poll(&p, 1, left_ms < SLICE_MS ? (int)left_ms : SLICE_MS);
        if (n > 0 || (n < 0 && errno != EINTR))
            return n > 0;
    }
}

/* ---- answering ---- */

/* One that makes us wait takes a slot, so that clients who do not read, or only now and then, leave
 * workers for the rest. False: there is none. */
static bool may_wait(struct exchange *x)
{
    if (!x->slow && x->waited_us >= PATIENCE_US)
        x->slow = serve_slot(&x->server->slow, SLOW_WAIT_MS);
    return x->slow || x->waited_us < PATIENCE_US;
}

/* Waits until the client takes more; false: it is too slow. */
static bool wait_to_write(struct exchange *x)
{
    uint64_t begun = clock_monotonic_us();
    uint64_t until = write_limit_us(x->server, x->first_write_us, x->written);
    until = x->write_until_us < until ? x->write_until_us : until;
    uint64_t patience = x->slow ? until : begun + PATIENCE_US;
    bool ready = wait_for(x->server, x->fd, POLLOUT, patience < until ? patience : until);
    uint64_t now = clock_monotonic_us();
    x->waited_us += now - begun;
    return ready || now < until;
}

bool exchange_write(struct exchange *x, const void *bytes, size_t length)
{
    const char *at = bytes;
    uint64_t stall_us = (uint64_t)x->server->settings.stall_ms * 1000;
    if (!x->first_write_us)
        x->first_write_us = clock_monotonic_us();
    if (x->aside.length)
        return !x->broken && aside_put(x, bytes, length);
    while (length && !x->broken) {
        ssize_t n = send(x->fd, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            at += n;
            length -= (size_t)n;
            x->written += (uint64_t)n;
            x->write_until_us = clock_monotonic_us() + stall_us;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno != EAGAIN) {
            x->broken = true;
        } else if (!may_wait(x)) {
            return aside_put(x, at, length);
        } else if (!wait_to_write(x)) {
            x->broken = true;
        }
    }
    return !x->broken;
}

void exchange_reply(struct exchange *x, int status, const char *type, const void *body,
                    size_t length)
{
    char head[512];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Connection: %s\r\nX-Content-Type-Options: nosniff\r\n\r\n",
                     status, http_reason(status), type, length, x->keep ? "keep-alive" : "close");
    if (n < 0 || (size_t)n >= sizeof head) {
        x->broken = true;
        return;
    }
    if (x->head->method == HTTP_HEAD)
        length = 0;
    if (length <= sizeof head - (size_t)n) { /* one packet */
        if (length)
            memcpy(head + n, body, length);
        exchange_write(x, head, (size_t)n + length);
    } else if (exchange_write(x, head, (size_t)n)) {
        exchange_write(x, body, length);
    }
}

void exchange_refuse(struct exchange *x, int status, const char *why)
{
    char line[sizeof ((struct weir_error *)0)->message + 64];
    int n = snprintf(line, sizeof line, "%s%s%s\n", http_reason(status), why ? ": " : "",
                     why ? why : "");
    atomic_fetch_add(&x->server->counters.refused, 1);
    exchange_reply(x, status, "text/plain; charset=utf-8", line,
                   n > 0 && (size_t)n < sizeof line ? (size_t)n : 0);
}

/* ---- leaving ---- */

/* The peer may still be sending; closing now would reset the connection and take our answer with
 * it. */
void exchange_leave(struct worker *w, struct connection *c)
{
    shutdown(c->fd, SHUT_WR);
    connection_arm(w->server, c, DRAINING, DRAIN_MS);
}

void exchange_drain(struct worker *w, struct connection *c)
{
    for (int rounds = 0; rounds < 16; rounds++) {
        ssize_t n =
            recv(c->fd, NULL, 16u << 20, MSG_DONTWAIT | MSG_TRUNC); /* thrown away uncopied */
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            connection_close(w->server, c);
            return;
        }
    }
    int64_t left = atomic_load(&c->deadline_ms) - serve_now_ms();
    connection_arm(w->server, c, DRAINING, left > 0 ? left : 0);
}

/* ---- reading ---- */

/* Sleep in epoll until `octets` are in the kernel's buffer (or the peer is done sending). */
static void wait_in_kernel(struct worker *w, struct connection *c, size_t octets)
{
    const struct serve_settings *settings = &w->server->settings;
    int low = (int)octets;
    if (c->low_water != octets && setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low) == 0)
        c->low_water = (uint32_t)octets;
    int64_t now = serve_now_ms(), limit = settings->idle_ms;
    if (octets > 1) { /* in the middle of a request: its time runs from its first octet */
        if (!c->request_since_ms)
            c->request_since_ms = now;
        limit = c->request_since_ms + settings->request_ms - now;
    }
    connection_arm(w->server, c, WAITING, limit > 0 ? limit : 0);
}

void exchange_wait(struct worker *w, struct connection *c)
{
    wait_in_kernel(w, c, 1);
}

static bool buffer_room(struct worker *w, size_t size)
{
    if (w->capacity >= size)
        return true;
    size_t capacity = w->capacity * 2 > size ? w->capacity * 2 : size;
    char *in = realloc(w->in, capacity);
    if (!in)
        return false;
    w->in = in;
    w->capacity = capacity;
    return true;
}

static void buffer_trim(struct worker *w)
{
    if (w->capacity <= KEPT_CAPACITY)
        return;
    char *in = realloc(w->in, REQUEST_SMALL);
    if (in) {
        w->in = in;
        w->capacity = REQUEST_SMALL;
    }
}

/* How long a large request may take: it may not stall, nor drip. */
struct reading {
    uint64_t start_us, until_us;
    uint64_t received;
};

static struct reading reading_begin(const struct worker *w)
{
    uint64_t now = clock_monotonic_us();
    return (struct reading){now, now + (uint64_t)w->server->settings.stall_ms * 1000, 0};
}

/* Receives up to `most` octets behind the `have` in w->in, and waits for at least one; 0: none will
 * come. Memory grows with what arrives, not with what was promised. */
static size_t read_more(struct worker *w, struct connection *c, struct reading *r, size_t have,
                        size_t most)
{
    if (w->capacity == have && !buffer_room(w, have < most ? have * 2 : have + most))
        return 0;
    size_t room = w->capacity - have < most ? w->capacity - have : most;
    for (;;) {
        ssize_t n = recv(c->fd, w->in + have, room, MSG_DONTWAIT);
        if (n > 0) {
            uint64_t stall_us = (uint64_t)w->server->settings.stall_ms * 1000;
            r->received += (uint64_t)n;
            uint64_t slowest_us = r->start_us + stall_us + r->received * 1000000 / SLOWEST;
            r->until_us = clock_monotonic_us() + stall_us;
            r->until_us = slowest_us < r->until_us ? slowest_us : r->until_us;
            return (size_t)n;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR) ||
            !wait_for(w->server, c->fd, POLLIN, r->until_us))
            return 0;
    }
}

static bool read_all(struct worker *w, struct connection *c, size_t total)
{
    struct reading r = reading_begin(w);
    size_t have = 0, n = 1;
    for (; have < total && n; have += n)
        n = read_more(w, c, &r, have, total - have);
    return have == total;
}

/* The head, which was peeked at, and a chunked body of at most `most` octets, decoded, behind it.
 * The whole length; 0: it did not come, or is malformed; most + 1 and more: too large. */
static size_t read_chunked(struct worker *w, struct connection *c, size_t head, size_t most,
                           bool *more)
{
    struct reading r = reading_begin(w);
    struct chunks chunks = {0};
    size_t have = head;
    if (recv(c->fd, w->in, head, MSG_DONTWAIT) != (ssize_t)head)
        return 0;
    while (chunks.state != CHUNK_DONE && have - head <= most) {
        size_t n = read_more(w, c, &r, have, REQUEST_SMALL);
        size_t data = n ? chunks_decode(&chunks, w->in + have, n) : 0;
        if (n == 0 || chunks.failed)
            return 0;
        have += data;
    }
    *more = chunks.after > 0;
    return have;
}

static struct exchange exchange_on(struct worker *w, struct connection *c,
                                   const struct http_head *head)
{
    return (struct exchange){
        .head = head,
        .peer = c->peer,
        .peer_port = c->peer_port,
        .fd = c->fd,
        .write_until_us = clock_monotonic_us() + (uint64_t)w->server->settings.stall_ms * 1000,
        .server = w->server,
    };
}

/* True: the connection stays, and is still ours. */
static bool exchange_end(struct worker *w, struct connection *c, struct exchange *x)
{
    if (x->slow)
        sem_post(&w->server->slow);
    x->slow = false;
    atomic_fetch_sub(&w->server->aside, x->reserved);
    x->reserved = 0;
    if (x->broken) {
        aside_drop(x);
        connection_close(w->server, c);
    } else if (x->aside.length) {
        aside_begin(w, c, x);
    } else if (x->keep) {
        return true;
    } else {
        exchange_leave(w, c);
    }
    return false;
}

static void refuse(struct worker *w, struct connection *c, const struct http_head *head, int status,
                   const char *why)
{
    struct exchange x = exchange_on(w, c, head);
    exchange_refuse(&x, status, why);
    (void)exchange_end(w, c, &x);
}

/* False: it could not be sent, and the connection is gone. */
static bool send_continue(struct worker *w, struct connection *c, const struct http_head *head)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!head->expects_continue || c->continued)
        return true;
    c->continued = true;
    if (send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof go_on - 1)
        return true;
    connection_close(w->server, c);
    return false;
}

/* The message is in w->in, whole. True: the connection stays, and is still ours. */
static bool answer(struct worker *w, struct connection *c, const struct http_head *head,
                   size_t total)
{
    struct exchange x = exchange_on(w, c, head);
    x.message = w->in;
    x.body = w->in + head->length;
    x.body_length = total - head->length;
    x.keep = head->keep_alive && !atomic_load(&w->server->stopping);
    atomic_fetch_add(&w->server->counters.requests, 1);
    c->continued = false;
    c->request_since_ms = 0;
    w->server->handler.answer(w->state, &x);
    buffer_trim(w);
    return exchange_end(w, c, &x);
}

/* Reads a large request that is framed by its length. */
static bool run_large(struct worker *w, struct connection *c, size_t total)
{
    struct http_head head;
    /* Buffers moved: read the head again where it is now. */
    if (!read_all(w, c, total) || http_head_read(w->in, total, &head) != HTTP_DONE) {
        connection_close(w->server, c);
        return false;
    }
    return answer(w, c, &head, total);
}

/* Reads one that comes in chunks, and lets it look as if it had not: the engine reads octets to
 * their end. */
static bool run_chunked(struct worker *w, struct connection *c, size_t head_length, size_t most)
{
    struct http_head head;
    bool more = false;
    size_t total = read_chunked(w, c, head_length, most, &more);
    if (http_head_read(w->in, head_length, &head) != HTTP_DONE) {
        connection_close(w->server, c);
        return false;
    }
    if (total == 0 || total - head_length > most) {
        refuse(w, c, &head, total ? 413 : 400,
               total ? NULL : "the chunks are malformed or do not end");
        return false;
    }
    memset(w->in + (head.transfer_coding.at - w->in), '-', head.transfer_coding.length);
    head.keep_alive = head.keep_alive && !more; /* a next request came along: it is gone */
    return answer(w, c, &head, total);
}

static bool large(struct worker *w, struct connection *c, const struct http_head *head,
                  size_t total, size_t most)
{
    if (!serve_slot(&w->server->bulk, BULK_WAIT_MS)) {
        refuse(w, c, head, 503, "too many large requests at a time; try again");
        return false;
    }
    bool kept = send_continue(w, c, head) &&
                (head->transfer_coding.length ? run_chunked(w, c, head->length, most)
                                              : run_large(w, c, total));
    sem_post(&w->server->bulk);
    return kept;
}

/* One request. True: the connection is still ours and may hold the next one. */
static bool run_one(struct worker *w, struct connection *c, bool peer_done)
{
    struct http_head head;
    ssize_t n = recv(c->fd, w->in, REQUEST_SMALL, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || (n < 0 && peer_done)) {
        connection_close(w->server, c);
        return false;
    }
    if (n < 0) {
        wait_in_kernel(w, c, 1);
        return false;
    }
    size_t have = (size_t)n, total = have + 1;
    int status = http_head_read(w->in, have, &head), refused = 413;
    if (status == HTTP_DONE) {
        uint64_t most = w->server->handler.admit(w->server->handler.context, &head, &refused);
        if (head.body_length > most || (head.transfer_coding.length && most == 0)) {
            refuse(w, c, &head, refused, NULL);
            return false;
        }
        total = head.length + (size_t)head.body_length;
        if (total > REQUEST_SMALL || head.transfer_coding.length)
            return large(w, c, &head, total, (size_t)most);
    } else if (status != HTTP_MORE) {
        refuse(w, c, &head, status, NULL);
        return false;
    }
    if (have >= total) {
        if (recv(c->fd, w->in, total, MSG_DONTWAIT) == (ssize_t)total)
            return answer(w, c, &head, total);
        connection_close(w->server, c);
        return false;
    }
    if (peer_done) { /* half a request, and the other half will not come */
        connection_close(w->server, c);
        return false;
    }
    if (status != HTTP_DONE || send_continue(w, c, &head))
        wait_in_kernel(w, c, total);
    return false;
}

void exchange_run(struct worker *w, struct connection *c, uint32_t events)
{
    bool peer_done = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    for (int i = 0; i < RUN_MOST; i++)
        if (!run_one(w, c, peer_done))
            return;
    exchange_wait(w, c);
}
