/* test_receive.c - a receiver among others: what waits in its socket from before the receivers of a
 * port were all there belongs to another one, which goes on without it. */
#include "ingest/endpoint.h"
#include "ingest/receive.h"
#include "ingest/steer.h"
#include "ingest_output.h"
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVERS 2u
#define EXPORTERS 12u
#define NUMBER_MINE 1u
#define T0_SEQUENCE 700u

static struct address exporter_at(unsigned i)
{
    return address_from_ipv4(0x7f000201u + i);
}

/* An IPFIX message without sets: enough to be heard. */
static void send_one(unsigned exporter, const struct endpoint *to)
{
    char where[ADDRESS_TEXT_SIZE + 2], text[ADDRESS_TEXT_SIZE];
    const struct address from = exporter_at(exporter);
    struct endpoint at;
    int fd;
    snprintf(where, sizeof where, "%s:0", address_print(&from, text));
    CU_ASSERT_EQUAL_FATAL(endpoint_read(where, &at, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(endpoint_bind(&at, SOCK_DGRAM, false, where, &fd, NULL), WEIR_OK);
    write_ipfix(&w, T0, T0_SEQUENCE, 1);
    open_set(&w, 256);
    close_set(&w);
    CU_ASSERT_EQUAL(sendto(fd, w.b.bytes, w.b.length, 0, (const struct sockaddr *)&to->address,
                           to->length),
                    (ssize_t)w.b.length);
    close(fd);
}

/* A socket that all exporters reach, as the first of a group does until the others are bound. */
static int bind_alone(struct endpoint *at)
{
    int fd;
    CU_ASSERT_EQUAL_FATAL(endpoint_read("127.0.0.1:0", at, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(endpoint_bind(at, SOCK_DGRAM, false, "", &fd, NULL), WEIR_OK);
    endpoint_set_port(at, endpoint_port_of(fd));
    return fd;
}

/* Sends one datagram of each exporter and lets the receiver read them. */
static void receive_all(const struct receiver_settings *settings, struct receiver_stats *stats)
{
    struct endpoint at;
    struct receiver *r = NULL;
    start((struct ingest_settings){0});
    int fd = bind_alone(&at);
    for (unsigned i = 0; i < EXPORTERS; i++)
        send_one(i, &at);
    CU_ASSERT_EQUAL_FATAL(receiver_new(in, settings, &r, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(receiver_add_udp(r, fd, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(receiver_start(r, NULL), WEIR_OK);
    receiver_stop(r);
    receiver_stats(r, stats);
    receiver_free(r);
    finish();
}

static unsigned count_mine(void)
{
    unsigned mine = 0;
    for (unsigned i = 0; i < EXPORTERS; i++) {
        const struct address from = exporter_at(i);
        mine += steer_to(&from, RECEIVERS) == NUMBER_MINE;
    }
    return mine;
}

static void hears_its_own_exporters_only(void)
{
    const struct receiver_settings settings = {
        .number = NUMBER_MINE, .of = RECEIVERS, .buffer = 1 << 16, .flush_ms = 1000};
    struct receiver_stats stats;
    const unsigned mine = count_mine();
    CU_ASSERT_FATAL(mine > 0 && mine < EXPORTERS);
    receive_all(&settings, &stats);
    CU_ASSERT_EQUAL(stats.ingest.datagrams, mine);
    CU_ASSERT_EQUAL(stats.ingest.sessions, mine);
    CU_ASSERT_EQUAL(out.counts.datagrams, mine);
    CU_ASSERT_EQUAL(out.checkpoints, mine);
    for (uint32_t i = 0; i < out.account_row_count; i++)
        CU_ASSERT(!out.account_rows[i].counts.datagrams ||
                  steer_to(&out.account_rows[i].key.exporter, RECEIVERS) == NUMBER_MINE);
    CU_ASSERT_EQUAL(out.counts.kernel_drops, EXPORTERS - mine);
    CU_ASSERT_EQUAL(stats.kernel_drops, EXPORTERS - mine);
}

static void alone_it_hears_all(void)
{
    const struct receiver_settings settings = {.buffer = 1 << 16, .flush_ms = 1000};
    struct receiver_stats stats;
    receive_all(&settings, &stats);
    CU_ASSERT_EQUAL(out.counts.datagrams, EXPORTERS);
    CU_ASSERT_EQUAL(out.counts.kernel_drops, 0);
}

UNIT_MAIN("receiver", {"hears its own exporters only", hears_its_own_exporters_only},
          {"alone it hears all", alone_it_hears_all})
