/* test_claims.c - the table of connections under every order in which threads can come: who arms a
 * connection, who takes its event, the clock, and who makes room. connections.c is compiled into
 * this program, with a stop before each of its atomics and calls of epoll; one thread at a time
 * goes on to its next stop, and all orders are tried, one after the other, in which turns are taken
 * from at most three that could have gone on. (A machine's memory adds none: the atomics are
 * sequentially consistent.)
 *
 * epoll gives an event of a one-shot arming once. So whoever lets go of one that belongs to an open
 * connection leaves a request that nobody answers; and in the end here every connection has been
 * closed, once, by whoever it belonged to. */
#include "base/time.h"
#include "serve_private.h"
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

static void stop(void);
static int tell_epoll(int epoll, int operation, int fd, struct epoll_event *event);
static int close_fd(int fd);

#undef atomic_load
#undef atomic_store
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#define atomic_load(at)         (stop(), atomic_load_explicit(at, memory_order_seq_cst))
#define atomic_store(at, value) (stop(), atomic_store_explicit(at, value, memory_order_seq_cst))
#define atomic_compare_exchange_strong(at, from, to)                                               \
    (stop(), atomic_compare_exchange_strong_explicit(at, from, to, memory_order_seq_cst,           \
                                                     memory_order_seq_cst))
#define atomic_compare_exchange_weak(at, from, to) atomic_compare_exchange_strong(at, from, to)
#define epoll_ctl                                  tell_epoll
#define close                                      close_fd
#include "connections.c"
#undef epoll_ctl
#undef close
#undef atomic_load

/* No connection here has an answer put aside. */
void aside_free(struct server *s, struct connection *c)
{
    (void)s;
    (void)c;
}

/* ---- the world: two sockets, and an epoll ---- */

enum { FIRST, SECOND, SOCKETS };

static struct server server;
static struct {
    bool open, served;
    bool readable; /* epoll has an event of it that nobody took yet */
    uint64_t event;
} sockets[SOCKETS];
static const char *wrong; /* what should never happen; NULL: all is well */

static void expect(bool fine, const char *what)
{
    if (!fine && !wrong)
        wrong = what;
}

static int tell_epoll(int epoll, int operation, int fd, struct epoll_event *event)
{
    (void)epoll;
    stop();
    expect(sockets[fd].open, "epoll is told of a socket that is closed");
    expect(!sockets[fd].readable, "epoll is told of a socket before its event was taken");
    expect((operation == EPOLL_CTL_ADD) == !sockets[fd].event, "added twice, or not at first");
    sockets[fd].readable = sockets[fd].open;
    sockets[fd].event = event->data.u64;
    return 0;
}

static int close_fd(int fd)
{
    expect(sockets[fd].open, "a socket is closed twice");
    sockets[fd].open = sockets[fd].readable = false; /* epoll forgets it */
    return 0;
}

static bool is_readable(void)
{
    return sockets[FIRST].readable || sockets[SECOND].readable;
}

/* ---- threads, of which one goes on at a time ---- */

#define TASKS_MOST   3
#define STOPS_MOST   200
#define TURNS_MOST   3
#define STACK_OCTETS (64 << 10)

static struct task {
    void (*run)(void);
    ucontext_t at;
    bool waits, done;       /* waits: for an event */
} tasks[TASKS_MOST], *self; /* self: whose turn it is; NULL: the test's own */
static char stacks[TASKS_MOST][STACK_OCTETS];
static size_t task_count;
static ucontext_t test;
static bool ended;           /* nothing will come any more */
static struct task *last;    /* who had the last turn */
static unsigned turns_taken; /* see pick() */

static void stop(void)
{
    struct task *t = self;
    if (!t)
        return;
    self = NULL;
    swapcontext(&t->at, &test);
}

static void run_task(void)
{
    self->run();
    self->done = true;
    stop(); /* for ever */
}

static void make_task(void (*run)(void))
{
    struct task *t = &tasks[task_count];
    *t = (struct task){.run = run};
    getcontext(&t->at);
    t->at.uc_stack.ss_sp = stacks[task_count++];
    t->at.uc_stack.ss_size = STACK_OCTETS;
    makecontext(&t->at, run_task, 0);
}

/* The choices made on the way, of so many each; the next way differs in the last that can. */
static struct {
    size_t taken, of;
} way[STOPS_MOST];
static size_t way_length, way_at;

static size_t choose(size_t of)
{
    if (of < 2)
        return 0;
    if (way_at == way_length) {
        if (way_length == STOPS_MOST)
            abort();
        way[way_length].taken = 0;
        way[way_length++].of = of;
    }
    if (way[way_at].of != of)
        abort(); /* the same choices led elsewhere before: something here depends on more */
    return way[way_at++].taken;
}

static bool next_way(void)
{
    while (way_length && way[way_length - 1].taken + 1 == way[way_length - 1].of)
        way_length--;
    if (way_length)
        way[way_length - 1].taken++;
    return way_length > 0;
}

/* Those that can go on. */
static size_t list_ready(struct task **ready)
{
    size_t count = 0;
    for (size_t i = 0; i < task_count; i++)
        if (!tasks[i].done && (!tasks[i].waits || is_readable() || ended))
            ready[count++] = &tasks[i];
    return count;
}

/* Who goes on: anyone, but after TURNS_MOST turns that were taken from one that could have gone on
 * itself, only that one. */
static struct task *pick(struct task **ready, size_t count)
{
    bool last_ready = false;
    for (size_t i = 0; i < count; i++)
        last_ready |= ready[i] == last;
    if (last_ready && turns_taken == TURNS_MOST)
        return last;
    struct task *next = ready[choose(count)];
    turns_taken += last_ready && next != last;
    return last = next;
}

static bool go_on(void)
{
    struct task *ready[TASKS_MOST];
    size_t count = list_ready(ready);
    if (count == 0) {
        ended = true;
        count = list_ready(ready);
    }
    if (count == 0)
        return false;
    self = pick(ready, count);
    swapcontext(&test, &self->at);
    return true;
}

/* ---- what the threads do ---- */

#define LONG INT64_C(1000000000)
static bool kept;        /* connections are, after their first request */
static int64_t limit_ms; /* of an arming: LONG, or -LONG: its time is over at once */

static void add(int fd)
{
    static const struct address peer;
    sockets[fd].open = true;
    (void)connection_add(&server, fd, &peer, 1);
}

static void add_first(void)
{
    add(FIRST);
}

/* Serves a connection's first request, and another one when it is kept; then closes it. */
static void serve(void)
{
    for (;;) {
        enum connection_state was;
        struct task *t = self;
        t->waits = true;
        stop();
        t->waits = false;
        int fd = sockets[FIRST].readable ? FIRST : SECOND;
        if (!sockets[fd].readable)
            return; /* nothing will come */
        sockets[fd].readable = false;
        struct connection *c = connection_claim(&server, sockets[fd].event, &was);
        if (!c)
            continue;
        expect(c->fd == fd, "an event brings another connection's");
        expect(was == WAITING, "an event does not tell what was waited for");
        bool keep = kept && !sockets[fd].served;
        sockets[fd].served = true;
        if (keep)
            connection_arm(&server, c, WAITING, limit_ms);
        else
            connection_close(&server, c);
    }
}

static void sweep(void)
{
    connections_sweep(&server);
}

static void evict(void)
{
    (void)connections_evict(&server);
}

static void sweep_and_add(void)
{
    sweep();
    add(SECOND);
}

/* ---- every order ---- */

static void begin(uint32_t connections)
{
    struct weir_error error;
    memset(&server, 0, sizeof server);
    memset(sockets, 0, sizeof sockets);
    server.settings.connections_most = connections;
    server.settings.request_ms = limit_ms;
    pthread_mutex_init(&server.lock, NULL);
    CU_ASSERT_EQUAL_FATAL(connections_new(&server, &error), WEIR_OK);
    ended = false;
    task_count = way_at = turns_taken = 0;
    last = NULL;
}

static void end(uint32_t connections)
{
    for (int fd = 0; fd < SOCKETS; fd++)
        expect(!sockets[fd].open, "nobody serves a connection whose event came");
    expect(server.free_count == connections, "a place in the table is lost, or given twice");
    connections_free(&server);
    pthread_mutex_destroy(&server.lock);
}

static void run_once(uint32_t connections, void (*const *runs)(void))
{
    begin(connections);
    for (size_t i = 0; i < TASKS_MOST && runs[i]; i++)
        make_task(runs[i]);
    while (go_on())
        ;
    end(connections);
}

static void try_all(uint32_t connections, bool keep, int64_t limit, void (*const *runs)(void))
{
    unsigned ways = 0;
    wrong = NULL;
    kept = keep;
    limit_ms = limit;
    way_length = 0;
    do {
        run_once(connections, runs);
        ways++;
    } while (!wrong && next_way());
    printf("%u orders ", ways);
    CU_ASSERT_PTR_NULL(wrong);
    if (wrong)
        printf("- in the last one: %s ", wrong);
}
#define TRY(connections, keep, limit, ...)                                                         \
    try_all(connections, keep, limit, (void (*const[TASKS_MOST])(void)){__VA_ARGS__})

static void test_armed_and_taken(void)
{
    TRY(1, true, LONG, add_first, serve);
    TRY(1, true, LONG, add_first, serve, serve);
}

static void test_time_is_over(void)
{
    TRY(1, false, -LONG, add_first, serve, sweep);
}

static void test_others_want_room(void)
{
    TRY(1, false, LONG, add_first, serve, evict);
}

/* The place of a connection whose event is still in somebody's hands is another's by then. */
static void test_another_has_its_place(void)
{
    TRY(1, false, -LONG, add_first, serve, sweep_and_add);
    TRY(2, false, -LONG, add_first, serve, sweep_and_add);
}

UNIT_MAIN("claims", {"armed and taken", test_armed_and_taken},
          {"its time is over", test_time_is_over}, {"others want room", test_others_want_room},
          {"another has its place", test_another_has_its_place})
