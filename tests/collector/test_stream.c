/* test_stream.c - messages out of streams, connections over real sockets, and exporters steered to
 * their receivers by the kernel. */
#include "base/time.h"
#include "ingest/framing.h"
#include "ingest/listen.h"
#include "ingest/steer.h"
#include "ingest/stream.h"
#include "ingest/watch.h"
#include "unit.h"
#include "wire_writer.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define T0 1700000000u

/* ---- framing ---- */

struct seen {
    uint32_t count;
    size_t lengths[64];
    struct buffer octets;
};

static void see(void *context, const uint8_t *message, size_t length)
{
    struct seen *s = context;
    s->lengths[s->count++ % 64] = length;
    buffer_put(&s->octets, message, length);
}

static void put_message(struct buffer *b, uint16_t length, uint8_t fill)
{
    buffer_put_u16be(b, 10);
    buffer_put_u16be(b, length);
    memset(buffer_extend(b, length - 4u), fill, length - 4u);
}

/* Cut anywhere into three pieces, the same messages come out. */
static void frames_at_every_cut(void)
{
    struct buffer stream = {0};
    put_message(&stream, 16, 1);
    put_message(&stream, 37, 2);
    put_message(&stream, 16, 3);
    for (size_t i = 0; i <= stream.length; i++)
        for (size_t j = i; j <= stream.length; j++) {
            struct framing f = {0};
            struct seen s = {0};
            enum weir_status status = framing_feed(&f, stream.bytes, i, see, &s);
            status |= framing_feed(&f, stream.bytes + i, j - i, see, &s);
            status |= framing_feed(&f, stream.bytes + j, stream.length - j, see, &s);
            if (status != WEIR_OK || s.count != 3 || s.lengths[1] != 37 || f.have != 0 || f.begun ||
                s.octets.length != stream.length ||
                memcmp(s.octets.bytes, stream.bytes, stream.length) != 0)
                CU_FAIL("cut");
            buffer_free(&s.octets);
        }
    buffer_free(&stream);
}

/* A piece at a time until it is refused; how many octets that took, 0: never. */
static size_t refused_after(const uint8_t *octets, size_t length)
{
    struct framing f = {0};
    struct seen s = {0};
    size_t at = 0;
    enum weir_status status = WEIR_OK;
    while (at < length && status == WEIR_OK)
        status = framing_feed(&f, octets + at++, 1, see, &s);
    framing_free(&f);
    buffer_free(&s.octets);
    return status == WEIR_EMALFORMED ? at : 0;
}

static void refuses_as_soon_as_it_shows(void)
{
    CU_ASSERT_EQUAL(refused_after((const uint8_t *)"GET / HTTP", 10), 1);
    CU_ASSERT_EQUAL(refused_after((const uint8_t *)"\0\x09\0\x20", 4), 2);
    CU_ASSERT_EQUAL(refused_after((const uint8_t *)"\0\x0a\0\x0f\0\0", 6), 4);
    CU_ASSERT_EQUAL(refused_after((const uint8_t *)"\0\x0a\0\x10\0\0", 6), 0);
    struct buffer b = {0};
    put_message(&b, 20, 0);
    buffer_put_u8(&b, 1);
    CU_ASSERT_EQUAL(refused_after(b.bytes, b.length), 21);
    buffer_free(&b);
}

static void holds_what_came_not_what_was_promised(void)
{
    struct framing f = {0};
    struct seen s = {0};
    struct buffer b = {0};
    put_message(&b, FRAMING_MOST, 7);
    CU_ASSERT_EQUAL(framing_feed(&f, b.bytes, 100, see, &s), WEIR_OK);
    CU_ASSERT(f.room < 1024);
    for (size_t i = 100; i < b.length; i++)
        CU_ASSERT_EQUAL_FATAL(framing_feed(&f, b.bytes + i, 1, see, &s), WEIR_OK);
    CU_ASSERT_EQUAL(s.count, 1);
    CU_ASSERT_EQUAL(s.lengths[0], FRAMING_MOST);
    CU_ASSERT_PTR_NULL(f.begun);
    buffer_free(&b);
    buffer_free(&s.octets);
}

/* ---- a collector of one thread: this one ---- */

static struct {
    uint64_t flows, unknown_gaps, undecodable, expired, no_template, checkpoints;
} out;

static struct batch *take(void *context, struct batch *full, struct account *account)
{
    (void)context;
    for (size_t i = 0; account && i < account->row_count; i++) {
        const struct account_counts *c = &account->rows[i].counts;
        out.flows += c->records;
        out.unknown_gaps += c->unknown_gaps;
        out.undecodable += c->undecodable_datagrams;
        out.expired += c->expired_sets;
        out.no_template += c->no_template_sets;
    }
    if (account)
        out.checkpoints += account->checkpoint_count;
    return ingest_give_back(full, account);
}

static struct ingest *in;
static struct streams *streams;
static int epoll;
static uint16_t port;
static struct writer w;

static void start(struct stream_limits limits)
{
    const struct ingest_output output = {take, NULL};
    struct endpoint at;
    int fd;
    memset(&out, 0, sizeof out);
    in = ingest_new(&(struct ingest_settings){.batch_rows = 256}, &output);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    streams = streams_new(in, epoll, &limits);
    CU_ASSERT_FATAL(in && streams);
    CU_ASSERT_EQUAL_FATAL(endpoint_read("127.0.0.1:0", &at, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(listen_group(&at, SOCK_STREAM, 1, "", &fd, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(streams_add(streams, fd, NULL, NULL), WEIR_OK);
    port = endpoint_port(&at);
}

/* Serves what there is to serve, and what the kernel of a busy machine brings late. */
static void pump(void)
{
    struct epoll_event events[16];
    for (int count; (count = epoll_wait(epoll, events, 16, 100)) > 0;)
        for (int i = 0; i < count; i++) {
            struct watch *one = events[i].data.ptr;
            one->ready(one, events[i].events);
        }
}

static void finish(void)
{
    pump();
    streams_free(streams);
    (void)ingest_flush(in);
    ingest_free(in);
    close(epoll);
    buffer_free(&w.b);
}

static int connect_from(uint16_t from)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(from)}, there = here;
    here.sin_addr.s_addr = there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_port = htons(port);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&there, sizeof there), 0);
    return fd;
}

static void write_to(int fd, const void *octets, size_t length)
{
    CU_ASSERT_EQUAL(send(fd, octets, length, MSG_NOSIGNAL), (ssize_t)length);
}

/* Ends with a reset instead of an end. */
static void reset(int fd)
{
    struct linger now = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static bool is_closed(int fd)
{
    uint8_t octet;
    return recv(fd, &octet, 1, MSG_DONTWAIT) == 0;
}

static const uint16_t fields[] = {8, 4, 12, 4, 1, 4, 2, 4};

static void put_template(uint32_t sequence, uint32_t domain)
{
    write_ipfix(&w, T0, sequence, domain);
    write_template(&w, 256, fields, 4);
}

static void put_flows(unsigned n)
{
    open_set(&w, 256);
    for (unsigned i = 0; i < n; i++)
        memset(buffer_extend(&w.b, 16), 1, 16);
    close_set(&w);
}

static void send_data(int fd, uint32_t sequence, uint32_t domain, bool with_template, unsigned n)
{
    if (with_template)
        put_template(sequence, domain);
    else
        write_ipfix(&w, T0, sequence, domain);
    put_flows(n);
    write_to(fd, w.b.bytes, w.b.length);
}

/* ---- connections ---- */

static void domains_of_a_connection(void)
{
    start((struct stream_limits){0});
    int fd = connect_from(0);
    send_data(fd, 0, 1, true, 3);
    send_data(fd, 0, 2, true, 2);
    send_data(fd, 3, 1, false, 4);
    pump();
    CU_ASSERT_EQUAL(streams_count(streams), 1);
    close(fd);
    pump();
    CU_ASSERT_EQUAL(streams_count(streams), 0);
    finish();
    CU_ASSERT_EQUAL(out.flows, 9);
    CU_ASSERT_EQUAL(out.unknown_gaps, 0);
    CU_ASSERT_EQUAL(out.checkpoints, 0); /* nobody can go on where a connection stopped */
}

/* What the connection taught is not known to datagrams from the same address and port, and the
 * reverse. */
static void apart_from_datagrams(void)
{
    start((struct stream_limits){0});
    int fd = connect_from(0);
    struct sockaddr_in me;
    socklen_t length = sizeof me;
    (void)getsockname(fd, (struct sockaddr *)&me, &length);
    send_data(fd, 0, 1, true, 3);
    pump();
    write_ipfix(&w, T0, 50, 1);
    put_flows(7);
    struct datagram d = {.bytes = w.b.bytes,
                         .length = w.b.length,
                         .from = address_from_ipv4(INADDR_LOOPBACK),
                         .port = ntohs(me.sin_port),
                         .received_ms = (int64_t)T0 * 1000};
    (void)ingest_datagram(in, &d);
    send_data(fd, 3, 1, false, 2);
    pump();
    struct ingest_stats stats;
    ingest_stats(in, &stats);
    CU_ASSERT_EQUAL(stats.sessions, 2);
    CU_ASSERT_EQUAL(stats.records, 5);
    CU_ASSERT_EQUAL(stats.missing, 0);
    close(fd);
    finish();
    CU_ASSERT_EQUAL(out.no_template, 1);
}

static void same_port_again(void)
{
    start((struct stream_limits){0});
    int fd = connect_from(0);
    struct sockaddr_in me;
    socklen_t length = sizeof me;
    (void)getsockname(fd, (struct sockaddr *)&me, &length);
    send_data(fd, 0, 1, true, 3);
    pump();
    reset(fd);
    pump();
    fd = connect_from(ntohs(me.sin_port));
    send_data(fd, 3, 1, false, 5); /* the template went with the connection */
    pump();
    struct ingest_stats stats;
    ingest_stats(in, &stats);
    CU_ASSERT_EQUAL(stats.records, 3);
    CU_ASSERT_EQUAL(stats.templates, 0);
    send_data(fd, 8, 1, true, 1);
    pump();
    ingest_stats(in, &stats);
    CU_ASSERT_EQUAL(stats.records, 9); /* with those that waited */
    close(fd);
    finish();
    CU_ASSERT_EQUAL(out.unknown_gaps, 1); /* the reset */
}

static void ends_inside_a_message(void)
{
    start((struct stream_limits){0});
    int fd = connect_from(0);
    send_data(fd, 0, 1, true, 3);
    put_template(3, 1);
    write_to(fd, w.b.bytes, w.b.length - 1);
    close(fd);
    finish();
    CU_ASSERT_EQUAL(out.flows, 3);
    CU_ASSERT_EQUAL(out.unknown_gaps, 1);
    CU_ASSERT_EQUAL(out.undecodable, 1);
}

/* Data that waits for a template when the connection ends will never be decoded: counted at
 * once. */
static void ends_with_data_that_waits(void)
{
    start((struct stream_limits){0});
    int fd = connect_from(0);
    send_data(fd, 0, 1, false, 3);
    close(fd);
    finish();
    CU_ASSERT_EQUAL(out.expired, 1);
    CU_ASSERT_EQUAL(out.flows, 0);
}

static void garbage(void)
{
    start((struct stream_limits){0});
    int fd = connect_from(0), other = connect_from(0);
    write_to(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    send_data(other, 0, 1, true, 3);
    write_to(other, "\0\x09", 2);
    pump();
    CU_ASSERT(is_closed(fd));
    CU_ASSERT(is_closed(other));
    CU_ASSERT_EQUAL(streams_count(streams), 0);
    close(fd);
    close(other);
    finish();
    CU_ASSERT_EQUAL(out.undecodable, 2);
    CU_ASSERT_EQUAL(out.flows, 3);
    CU_ASSERT_EQUAL(out.unknown_gaps, 1);
}

/* ---- limits ---- */

static void slow_and_silent_peers(void)
{
    start((struct stream_limits){.message_ms = 5000, .idle_ms = 60000});
    const int64_t before = clock_now_ms();
    int slow = connect_from(0), silent = connect_from(0);
    write_to(slow, "\0\x0a", 2);
    pump();
    const int64_t now = clock_now_ms();
    streams_tick(streams, before + 4000);
    CU_ASSERT_EQUAL(streams_count(streams), 2);
    streams_tick(streams, now + 6000);
    CU_ASSERT_EQUAL(streams_count(streams), 1);
    CU_ASSERT(is_closed(slow));
    CU_ASSERT_FALSE(is_closed(silent));
    streams_tick(streams, now + 61000);
    CU_ASSERT_EQUAL(streams_count(streams), 0);
    CU_ASSERT(is_closed(silent));
    close(slow);
    close(silent);
    finish();
    CU_ASSERT_EQUAL(out.undecodable, 1);
}

static void too_many(void)
{
    start((struct stream_limits){.connections_most = 2});
    int good = connect_from(0), idle = connect_from(0), third, fourth;
    send_data(good, 0, 1, true, 1);
    pump();
    third = connect_from(0);
    pump();
    CU_ASSERT(is_closed(third)); /* the idle one is young */
    streams_tick(streams, clock_now_ms());
    struct timespec wait = {.tv_sec = 5, .tv_nsec = 100000000};
    nanosleep(&wait, NULL);
    fourth = connect_from(0);
    pump();
    CU_ASSERT(is_closed(idle));
    CU_ASSERT_FALSE(is_closed(fourth));
    CU_ASSERT_FALSE(is_closed(good));
    send_data(fourth, 0, 2, true, 2);
    send_data(good, 1, 1, false, 2);
    for (int *fd = (int[]){good, idle, third, fourth, -1}; *fd >= 0; fd++)
        close(*fd);
    finish();
    CU_ASSERT_EQUAL(out.flows, 5);
}

static void drains_at_the_end(void)
{
    start((struct stream_limits){0});
    int fd = connect_from(0); /* not accepted yet */
    for (uint32_t i = 0; i < 2000; i++)
        send_data(fd, i * 10, 1, i == 0, 10);
    streams_drain(streams, clock_monotonic_ms() + 5000);
    CU_ASSERT_EQUAL(streams_count(streams), 0);
    close(fd);
    finish();
    CU_ASSERT_EQUAL(out.flows, 20000);
}

/* ---- groups of sockets ---- */

static void in_use_is_said(void)
{
    for (int i = 0; i < 2; i++) {
        int type = i ? SOCK_STREAM : SOCK_DGRAM, fds[3], more[3];
        struct endpoint at;
        struct weir_error error = {0};
        CU_ASSERT_EQUAL(endpoint_read("127.0.0.1:0", &at, NULL), WEIR_OK);
        CU_ASSERT_EQUAL_FATAL(listen_group(&at, type, 3, "", fds, &error), WEIR_OK);
        CU_ASSERT(endpoint_port(&at) != 0);
        CU_ASSERT_EQUAL(listen_group(&at, type, 3, "", more, &error), WEIR_EBUSY);
        CU_ASSERT_EQUAL(listen_group(&at, type, 1, "", more, &error), WEIR_EBUSY);
        for (int k = 0; k < 3; k++)
            close(fds[k]);
    }
}

static void send_from(const char *from, const struct endpoint *to)
{
    struct endpoint at;
    char where[64];
    int fd;
    snprintf(where, sizeof where, "%s:0", from);
    CU_ASSERT_EQUAL(endpoint_read(where, &at, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(endpoint_bind(&at, SOCK_DGRAM, false, where, &fd, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(sendto(fd, "x", 1, 0, (const struct sockaddr *)&to->address, to->length), 1);
    close(fd);
}

#define WORKERS 5
/* Each datagram is at the socket that steer_to() names; with several addresses every socket has
 * some. */
static void check_steering(const char *listen_on, const char *const *from, size_t count)
{
    int fds[WORKERS];
    unsigned reached = 0;
    struct endpoint at;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(endpoint_read(listen_on, &at, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(listen_group(&at, SOCK_DGRAM, WORKERS, "", fds, &error), WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        struct address who;
        uint16_t ignored;
        uint8_t octet;
        send_from(from[i], &at);
        for (uint32_t k = 0; k < WORKERS; k++)
            if (recvfrom(fds[k], &octet, 1, 0, (struct sockaddr *)&peer, &length) == 1) {
                endpoint_address((struct sockaddr *)&peer, &who, &ignored);
                CU_ASSERT_EQUAL(k, steer_to(&who, WORKERS));
                reached |= 1u << k;
            }
    }
    CU_ASSERT(count < 20 || reached == (1u << WORKERS) - 1);
    CU_ASSERT(reached != 0);
    for (uint32_t k = 0; k < WORKERS; k++)
        close(fds[k]);
}

static void kernel_steers_as_we_do(void)
{
    static char text[40][32];
    const char *from[40];
    for (int i = 0; i < 40; i++) {
        snprintf(text[i], sizeof text[i], "127.0.%d.%d", i / 3, 11 + i);
        from[i] = text[i];
    }
    check_steering("127.0.0.1:0", from, 40);
    check_steering("[::1]:0", (const char *const[]){"[::1]"}, 1);
}

UNIT_MAIN("stream", {"frames at every cut", frames_at_every_cut},
          {"refuses as soon as it shows", refuses_as_soon_as_it_shows},
          {"holds what came", holds_what_came_not_what_was_promised},
          {"domains of a connection", domains_of_a_connection},
          {"apart from datagrams", apart_from_datagrams}, {"same port again", same_port_again},
          {"ends inside a message", ends_inside_a_message},
          {"ends with data that waits", ends_with_data_that_waits}, {"garbage", garbage},
          {"slow and silent peers", slow_and_silent_peers}, {"too many", too_many},
          {"drains at the end", drains_at_the_end}, {"in use is said", in_use_is_said},
          {"kernel steers as we do", kernel_steers_as_we_do})
