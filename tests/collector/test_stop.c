/* Ending a collector while its sink takes nothing: it ends in time, with or without a spool, and
 * what was received is kept or said to be lost. */
#include "base/time.h"
#include "block/block.h"
#include "collector.h"
#include "unit.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS 64u
#define RECORDS 30u    /* a v5 datagram's most */
#define DATAGRAMS 400u /* far more than outbox and batches hold */
#define PATIENCE_MS 300
#define SOON_MS 10000  /* of those in which the machine does anything */
#define LONG_MS 60000  /* for what needs no time */

/* ---- a sink that takes nothing until it is told to ---- */

struct stubborn {
    enum weir_status says;
    atomic_ullong records, tries;
};

static enum weir_status refuse(void *context, const uint8_t *bytes, size_t length,
                               struct weir_error *error)
{
    struct stubborn *s = context;
    struct arena arena = {0};
    struct block block;
    atomic_fetch_add(&s->tries, 1);
    if (s->says != WEIR_OK)
        return weir_fail(error, s->says, NULL, "the sink takes nothing");
    if (block_open(bytes, length, &arena, &block, NULL) == WEIR_OK)
        atomic_fetch_add(&s->records, block.head.rows);
    arena_free(&arena);
    return WEIR_OK;
}

static struct collector *start(struct stubborn *s, const char *spool, uint16_t *port)
{
    static uint32_t runs;
    struct collector_settings settings = {
        .id = {1}, .incarnation = ++runs, .batch_rows = ROWS, .spool = spool, .flush_ms = 50};
    struct sink sink = {refuse, s};
    struct collector *c = NULL;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL_FATAL(collector_new(&settings, &sink, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(collector_listen(c, COLLECTOR_UDP, "127.0.0.1:0", port, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(collector_start(c, &error), WEIR_OK);
    return c;
}

/* ---- NetFlow v5 datagrams of records that are all zero ---- */

static void put32(uint8_t *at, uint32_t value)
{
    value = htonl(value);
    memcpy(at, &value, 4);
}

static void send_datagrams(uint16_t port, unsigned n)
{
    uint8_t bytes[24 + RECORDS * 48] = {0, 5, 0, RECORDS};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (unsigned i = 0; i < n; i++) {
        put32(bytes + 4, 1000);
        put32(bytes + 8, (uint32_t)(clock_now_ms() / 1000));
        put32(bytes + 16, i * RECORDS);
        CU_ASSERT(sendto(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&to, sizeof to) > 0);
    }
    close(fd);
}

/* Until nothing changes any more: all is received, or the way to the sink is full. */
static void settle(struct collector *c)
{
    struct collector_status before = {0}, now = {0};
    for (int still = 0; still < 5;) {
        usleep(100000);
        collector_status(c, &now);
        bool same = now.records == before.records && now.blocks == before.blocks;
        still = same ? still + 1 : 0;
        before = now;
    }
}

/* Until so many records are received, and the sink was asked for something or got so many. */
static void await_received(struct collector *c, uint64_t records)
{
    struct collector_status now = {0};
    for (int64_t waited = 0; waited < LONG_MS && now.records < records; waited += 10) {
        usleep(10000);
        collector_status(c, &now);
    }
    CU_ASSERT_EQUAL(now.records, records);
}

static void await_sink(const atomic_ullong *what, uint64_t least)
{
    for (int64_t waited = 0; waited < LONG_MS && atomic_load(what) < least; waited += 10)
        usleep(10000);
}

/* A collector that never ends would hang the test: a clock ends the program instead. It counts
 * its own rests, so that it stands still with the machine. */
static void *watch(void *done)
{
    for (int64_t waited = 0; waited < SOON_MS; waited += 50) {
        usleep(50000);
        if (atomic_load((atomic_bool *)done))
            return NULL;
    }
    fprintf(stderr, "collector_stop() does not end\n");
    exit(1);
}

static enum weir_status stop(struct collector *c, struct weir_error *error)
{
    pthread_t clock;
    atomic_bool done = false;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&clock, NULL, watch, &done), 0);
    enum weir_status status = collector_stop(c, PATIENCE_MS, error);
    atomic_store(&done, true);
    pthread_join(clock, NULL);
    return status;
}

/* ---- tests ---- */

static void full_disk_ends(void)
{
    struct stubborn s = {.says = WEIR_EFULL};
    struct weir_error error = {0};
    uint16_t port = 0;
    struct collector *c = start(&s, NULL, &port);
    send_datagrams(port, DATAGRAMS);
    settle(c);
    CU_ASSERT_EQUAL(stop(c, &error), WEIR_EUNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "the sink takes nothing"));
    collector_free(c);
}

static void spool_ends_and_keeps(void)
{
    struct stubborn s = {.says = WEIR_EUNAVAILABLE};
    struct weir_error error = {0};
    uint16_t port = 0;
    char folder[] = "/tmp/weir-stop-XXXXXX", command[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    struct collector *c = start(&s, folder, &port);
    send_datagrams(port, 20);
    await_received(c, 20 * RECORDS);
    await_sink(&s.tries, 1);
    CU_ASSERT_EQUAL(stop(c, &error), WEIR_OK);
    CU_ASSERT(atomic_load(&s.tries) > 0);
    CU_ASSERT_EQUAL(atomic_load(&s.records), 0);
    collector_free(c);

    s.says = WEIR_OK; /* the next run delivers what the first one kept */
    c = start(&s, folder, &port);
    await_sink(&s.records, 20 * RECORDS);
    CU_ASSERT_EQUAL(stop(c, &error), WEIR_OK);
    CU_ASSERT_EQUAL(atomic_load(&s.records), 20 * RECORDS);
    collector_free(c);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CU_ASSERT_EQUAL(system(command), 0);
}

UNIT_MAIN("collector's end", {"a sink that is full", full_disk_ends},
          {"a spool whose sink is away", spool_ends_and_keeps})
