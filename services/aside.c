/* aside.c - answers whose clients are slow, after their worker has gone on: octets that wait in
 * memory, and the turns in which they leave. Used by exchange.c, which writes while it can, and
 * serve.c, which hands over the turns. */
#include "base/time.h"
#include "serve_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TURN_OCTETS (1u << 20) /* of one connection before others have their turn */

struct aside {
    struct buffer bytes;
    size_t at; /* sent so far */
    uint64_t first_write_us, written;
    bool keep;
};

/* What does not fit is never counted: others, who fit, would be refused meanwhile. */
static bool take(struct server *s, uint64_t octets)
{
    uint64_t most = s->settings.aside_most, used = atomic_load(&s->aside);
    do {
        if (octets > most || used > most - octets)
            return false;
    } while (!atomic_compare_exchange_weak(&s->aside, &used, used + octets));
    return true;
}

bool aside_put(struct exchange *x, const void *bytes, size_t length)
{
    uint64_t reserved = length < x->reserved ? length : x->reserved;
    bool fits = take(x->server, length - reserved);
    if (fits) {
        x->reserved -= reserved;
        buffer_put(&x->aside, bytes, length);
    }
    x->broken = !fits || x->aside.failed;
    return !x->broken;
}

bool exchange_reserve(struct exchange *x, uint64_t octets)
{
    if (!x->slow && take(x->server, octets))
        x->reserved += octets;
    else if (!x->slow)
        x->slow = serve_slot(&x->server->slow, SLOW_WAIT_MS);
    return x->slow || x->reserved;
}

void aside_drop(struct exchange *x)
{
    atomic_fetch_sub(&x->server->aside, x->aside.length);
    buffer_free(&x->aside);
}

void aside_free(struct server *s, struct connection *c)
{
    if (!c->aside)
        return;
    atomic_fetch_sub(&s->aside, c->aside->bytes.length);
    buffer_free(&c->aside->bytes);
    free(c->aside);
    c->aside = NULL;
}

uint64_t write_limit_us(const struct server *s, uint64_t first_write_us, uint64_t written)
{
    return first_write_us + (uint64_t)s->settings.stall_ms * 1000 + written * 1000000 / SLOWEST;
}

/* It may neither stall nor drip, as while a worker waits. */
static void wait_for_client(struct server *s, struct connection *c)
{
    uint64_t now = clock_monotonic_us();
    uint64_t until = write_limit_us(s, c->aside->first_write_us, c->aside->written);
    int64_t left_ms = until > now ? (int64_t)((until - now) / 1000) : 0;
    connection_arm(s, c, SENDING, left_ms < s->settings.stall_ms ? left_ms : s->settings.stall_ms);
}

void aside_begin(struct worker *w, struct connection *c, struct exchange *x)
{
    c->aside = calloc(1, sizeof *c->aside);
    if (!c->aside) {
        aside_drop(x);
        connection_close(w->server, c);
        return;
    }
    *c->aside = (struct aside){x->aside, 0, x->first_write_us, x->written, x->keep};
    wait_for_client(w->server, c);
}

void aside_send(struct worker *w, struct connection *c)
{
    struct aside *a = c->aside;
    size_t most = a->at + TURN_OCTETS;
    while (a->at < a->bytes.length && a->at < most) {
        ssize_t n = send(c->fd, a->bytes.bytes + a->at, a->bytes.length - a->at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR) {
            connection_close(w->server, c);
            return;
        }
        a->at += n > 0 ? (size_t)n : 0;
        a->written += n > 0 ? (uint64_t)n : 0;
    }
    if (a->at < a->bytes.length) {
        wait_for_client(w->server, c);
        return;
    }
    bool keep = a->keep && !atomic_load(&w->server->stopping);
    aside_free(w->server, c);
    if (keep)
        exchange_wait(w, c);
    else
        exchange_leave(w, c);
}
