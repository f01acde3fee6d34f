/* test_claims.c - the table of connections under two threads: one arms, the other claims the event
 * that comes of it at once, so that the claim often falls between the two steps of an arming. An
 * event is delivered once: one that is not taken is a connection that nobody serves. */
#include "serve_private.h"
#include "unit.h"
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LASTS_MS    1500  /* turns for so long; the fault this is for shows within a tenth of it */
#define PATIENCE_MS 20000 /* for one turn, also on a busy machine */

static struct server server;
static struct connection *_Atomic claimed;
static _Atomic bool stop;

/* Hands each connection that it claims to the other thread, which arms it again. */
static void *claim(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        struct epoll_event event;
        enum connection_state was;
        if (epoll_wait(server.epoll, &event, 1, 0) != 1)
            continue;
        struct connection *c = connection_claim(&server, event.data.u64, &was);
        if (c && was == WAITING)
            atomic_store(&claimed, c);
    }
    return NULL;
}

static struct connection *take_claimed(void)
{
    struct connection *c;
    int64_t until = serve_now_ms() + PATIENCE_MS;
    for (uint32_t i = 0; !(c = atomic_exchange(&claimed, NULL)); i++)
        if (i % 4096 == 4095 && serve_now_ms() > until)
            return NULL;
    return c;
}

static void test_every_event_is_taken(void)
{
    struct weir_error error;
    struct address peer = {{0}};
    pthread_t thread;
    int pair[2];
    server.settings.connections_most = 2;
    server.settings.request_ms = 1000000;
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    pthread_mutex_init(&server.lock, NULL);
    CU_ASSERT_EQUAL_FATAL(connections_new(&server, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CU_ASSERT_EQUAL_FATAL(write(pair[1], "x", 1), 1); /* it stays readable */
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, claim, NULL), 0);
    CU_ASSERT_TRUE(connection_add(&server, pair[0], &peer, 1));
    int64_t until = serve_now_ms() + LASTS_MS;
    struct connection *c;
    while ((c = take_claimed()) && serve_now_ms() < until)
        connection_arm(&server, c, WAITING, 1000000);
    CU_ASSERT_PTR_NOT_NULL(c);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    connections_free(&server);
    close(server.epoll);
    close(pair[1]);
    pthread_mutex_destroy(&server.lock);
}

UNIT_MAIN("claims", {"every event is taken", test_every_event_is_taken})
