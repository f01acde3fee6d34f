/* connections.c - the table of open connections: who owns which, and how long it may wait. Used by
 * serve.c and exchange.c.
 *
 * Invariants: 1. a fd is closed only by the thread that moved its connection to BUSY. 2. a
 * generation grows when a connection is armed and when it is freed, so an event finds only the
 * arming it belongs to.
 * 3. once armed, a connection is not touched by the thread that armed it. */
#include "serve_private.h"
#include "base/time.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int64_t serve_now_ms(void)
{
    return clock_monotonic_ms();
}

static uint64_t word_of(uint64_t generation, unsigned state)
{
    return generation << 8 | state;
}

static unsigned state_of(uint64_t word)
{
    return (unsigned)(word & 0xff);
}

static bool move(struct connection *c, uint64_t from, unsigned state)
{
    return atomic_compare_exchange_strong(&c->word, &from, word_of(from >> 8, state));
}

enum weir_status connections_new(struct server *s, struct weir_error *error)
{
    uint32_t n = s->settings.connections_most;
    s->table = calloc(n, sizeof *s->table);
    s->free_list = calloc(n, sizeof *s->free_list);
    if (!s->table || !s->free_list)
        return weir_fail(error, WEIR_ENOMEM, "connections", "no memory for %u connections", n);
    for (uint32_t i = 0; i < n; i++) {
        s->table[i].fd = -1;
        s->free_list[i] = n - 1 - i;
    }
    s->free_count = n;
    return WEIR_OK;
}

void connections_free(struct server *s)
{
    for (uint32_t i = 0; s->table && i < s->settings.connections_most; i++) {
        aside_free(s, &s->table[i]);
        if (s->table[i].fd >= 0)
            close(s->table[i].fd);
    }
    free(s->table);
    free(s->free_list);
    s->table = NULL;
    s->free_list = NULL;
}

static struct connection *take_slot(struct server *s)
{
    struct connection *c = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->free_count)
        c = &s->table[s->free_list[--s->free_count]];
    pthread_mutex_unlock(&s->lock);
    return c;
}

static void give_slot(struct server *s, struct connection *c)
{
    pthread_mutex_lock(&s->lock);
    s->free_list[s->free_count++] = (uint32_t)(c - s->table);
    pthread_mutex_unlock(&s->lock);
}

/* Tells epoll to wake whoever is free once octets come. False: it can not; the connection is BUSY
 * still. */
static bool arm(struct server *s, struct connection *c, enum connection_state state, int operation,
                int64_t limit_ms)
{
    uint64_t generation = (atomic_load(&c->word) >> 8) + 1;
    uint64_t word = word_of(generation, state | ARMING);
    int fd = c->fd; /* from the store below on, *c may be another's */
    struct epoll_event event = {
        .events = (state == SENDING ? EPOLLOUT : EPOLLIN | EPOLLRDHUP) | EPOLLONESHOT};
    event.data.u64 = (generation << 32) | ((uint64_t)(c - s->table) + EVENT_CONNECTION);
    atomic_store(&c->deadline_ms, serve_now_ms() + limit_ms);
    atomic_store(&c->word, word);
    /* Its event may come, and the fd be closed, while this call is on its way back: it is done with
     * the fd then. (ThreadSanitizer tells of a race between the two.) */
    if (epoll_ctl(s->epoll, operation, fd, &event) != 0) {
        atomic_store(&c->word, word_of(generation, BUSY)); /* no event can have come */
        return false;
    }
    (void)move(c, word, state);
    return true;
}

bool connection_add(struct server *s, int fd, const struct address *peer, uint16_t port)
{
    struct connection *c = take_slot(s);
    if (!c && connections_evict(s))
        c = take_slot(s);
    if (!c) {
        close(fd);
        return false;
    }
    c->fd = fd;
    c->peer = *peer;
    c->peer_port = port;
    c->low_water = 1;
    c->request_since_ms = 0;
    c->continued = false;
    atomic_fetch_add(&s->counters.connections, 1);
    atomic_fetch_add(&s->counters.accepted, 1);
    if (arm(s, c, WAITING, EPOLL_CTL_ADD, s->settings.request_ms))
        return true;
    connection_close(s, c);
    return false;
}

struct connection *connection_claim(struct server *s, uint64_t event, enum connection_state *was)
{
    uint64_t index = (event & 0xffffffff) - EVENT_CONNECTION;
    if (index >= s->settings.connections_most)
        return NULL;
    struct connection *c = &s->table[index];
    uint64_t word = atomic_load(&c->word);
    /* Whoever armed it may take ARMING away meanwhile: the event is as good as before, and there is
     * no second one. */
    do {
        *was = (enum connection_state)(state_of(word) & ~ARMING);
        if ((uint32_t)(word >> 8) != (uint32_t)(event >> 32) || *was == FREE || *was == BUSY)
            return NULL;
    } while (!atomic_compare_exchange_weak(&c->word, &word, word_of(word >> 8, BUSY)));
    return c;
}

void connection_arm(struct server *s, struct connection *c, enum connection_state state,
                    int64_t limit_ms)
{
    if (!arm(s, c, state, EPOLL_CTL_MOD, limit_ms))
        connection_close(s, c);
}

void connection_close(struct server *s, struct connection *c)
{
    uint64_t generation = atomic_load(&c->word) >> 8;
    close(c->fd);
    c->fd = -1;
    aside_free(s, c);
    atomic_fetch_sub(&s->counters.connections, 1);
    atomic_store(&c->word, word_of(generation + 1, FREE));
    give_slot(s, c);
}

void connections_sweep(struct server *s)
{
    int64_t now = serve_now_ms();
    for (uint32_t i = 0; i < s->settings.connections_most; i++) {
        struct connection *c = &s->table[i];
        uint64_t word = atomic_load(&c->word);
        unsigned state = state_of(word);
        if (state == FREE || state >= BUSY || atomic_load(&c->deadline_ms) > now)
            continue;
        if (move(c, word, BUSY)) {
            atomic_fetch_add(&s->counters.timeouts, 1);
            connection_close(s, c);
        }
    }
}

bool connections_evict(struct server *s)
{
    struct connection *oldest = NULL;
    uint64_t oldest_word = 0;
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < s->settings.connections_most; i++) {
        struct connection *c = &s->table[i];
        uint64_t word = atomic_load(&c->word);
        int64_t deadline = atomic_load(&c->deadline_ms);
        if (state_of(word) == WAITING && deadline < least) {
            least = deadline;
            oldest = c;
            oldest_word = word;
        }
    }
    if (!oldest || !move(oldest, oldest_word, BUSY))
        return false;
    atomic_fetch_add(&s->counters.evicted, 1);
    connection_close(s, oldest);
    return true;
}
