/* replay.c - sends the datagrams of a capture again, over UDP, at a rate: a sender that costs
 * little, so that a limit that is found with it is the receiver's. For bench_udp.py.
 *
 *   replay CAPTURE ADDRESS:PORT FLOWS RATE
 *
 * CAPTURE is a pcap as weirgen writes it (raw IPv4 or Ethernet, IPv4 without options); it holds
 * FLOWS flows, and RATE flows a second are sent, 0 for as fast as it goes. Every source of the
 * capture is a socket bound to its port, on the loopback address 127.0.0.1 + the place of the
 * source: exporters stay different. The last few datagrams follow calmly after a pause, so that
 * sequence numbers show every loss before. Prints the datagrams sent, and the seconds that it took
 * without them, as JSON. */
#include "base/cursor.h"
#include "base/time.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SOURCES_MOST 64u
#define BURST 32u /* datagrams of a source a system call */
#define CALM 256u /* datagrams at the end that come after a pause, one by one */
#define CALM_US 300000
#define CALM_EACH_US 200
#define FILE_HEADER 24u
#define RECORD_HEADER 16u
#define ETHERNET_HEADER 14u
#define IP_HEADER 20u
#define UDP_HEADER 8u
#define LINK_ETHERNET 1u

struct source {
    uint32_t address; /* in the capture */
    uint16_t port;
    int fd;
    unsigned count; /* waiting to be sent */
    struct iovec vectors[BURST];
    struct mmsghdr messages[BURST];
};

struct replay {
    const uint8_t *bytes, *end, *at;
    size_t link; /* octets before the IP header */
    struct sockaddr_in to;
    struct source sources[SOURCES_MOST];
    unsigned source_count;
    uint64_t datagrams;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "replay: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
    exit(1);
}

static void open_capture(struct replay *r, const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size < FILE_HEADER)
        fail(path);
    size_t length = (size_t)info.st_size;
    void *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED)
        fail(path);
    close(fd);
    r->bytes = bytes;
    r->end = r->bytes + length;
    r->at = r->bytes + FILE_HEADER;
    if (load_le32(r->bytes) != 0xa1b2c3d4)
        fail(path);
    r->link = load_le32(r->bytes + 20) == LINK_ETHERNET ? ETHERNET_HEADER : 0;
}

static void read_target(struct replay *r, const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    r->to.sin_family = AF_INET;
    if (!colon || (size_t)(colon - text) >= sizeof host)
        fail(text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    r->to.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &r->to.sin_addr) != 1)
        fail(text);
}

static struct source *source_of(struct replay *r, uint32_t address, uint16_t port)
{
    for (unsigned i = 0; i < r->source_count; i++)
        if (r->sources[i].address == address && r->sources[i].port == port)
            return &r->sources[i];
    if (r->source_count == SOURCES_MOST)
        fail("too many sources in the capture");
    struct source *s = &r->sources[r->source_count];
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(port)};
    from.sin_addr.s_addr = htonl(0x7f000001 + r->source_count++);
    *s = (struct source){.address = address, .port = port};
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&from, sizeof from) != 0)
        fail("cannot bind a source");
    return s;
}

static void flush_source(struct replay *r, struct source *s)
{
    for (unsigned sent = 0; sent < s->count;) {
        int n = sendmmsg(s->fd, s->messages + sent, s->count - sent, 0);
        if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
            fail("sendmmsg");
        sent += n > 0 ? (unsigned)n : 0;
    }
    r->datagrams += s->count;
    s->count = 0;
}

/* The next datagram of the capture goes to its source; false at the end. */
static bool next_datagram(struct replay *r)
{
    if ((size_t)(r->end - r->at) < RECORD_HEADER + r->link + IP_HEADER + UDP_HEADER)
        return false;
    uint32_t length = load_le32(r->at + 8);
    const uint8_t *ip = r->at + RECORD_HEADER + r->link, *udp = ip + IP_HEADER;
    if ((size_t)(r->end - r->at) - RECORD_HEADER < length)
        return false;
    r->at += RECORD_HEADER + length;
    if (length < r->link + IP_HEADER + UDP_HEADER || ip[0] != 0x45)
        return true;
    struct source *s = source_of(r, load_be32(ip + 12), load_be16(udp));
    s->vectors[s->count] = (struct iovec){(void *)(uintptr_t)(udp + UDP_HEADER),
                                          length - r->link - IP_HEADER - UDP_HEADER};
    s->messages[s->count].msg_hdr = (struct msghdr){.msg_name = &r->to,
                                                    .msg_namelen = sizeof r->to,
                                                    .msg_iov = &s->vectors[s->count],
                                                    .msg_iovlen = 1};
    if (++s->count == BURST)
        flush_source(r, s);
    return true;
}

static void flush_all(struct replay *r)
{
    for (unsigned i = 0; i < r->source_count; i++)
        flush_source(r, &r->sources[i]);
}

static uint64_t count_datagrams(const struct replay *r)
{
    uint64_t count = 0;
    for (const uint8_t *at = r->at; (size_t)(r->end - at) >= RECORD_HEADER; count++)
        at += RECORD_HEADER + load_le32(at + 8);
    return count;
}

static void wait_until(uint64_t when_us)
{
    uint64_t now = clock_monotonic_us();
    if (now + 50 < when_us)
        nanosleep(&(struct timespec){.tv_sec = (time_t)((when_us - now) / 1000000),
                                     .tv_nsec = (long)((when_us - now) % 1000000) * 1000},
                  NULL);
}

int main(int argc, char **argv)
{
    static struct replay r;
    if (argc != 5)
        fail("usage: replay CAPTURE ADDRESS:PORT FLOWS RATE");
    open_capture(&r, argv[1]);
    read_target(&r, argv[2]);
    double flows = atof(argv[3]), rate = atof(argv[4]);
    double us_each = rate > 0 ? flows / (double)count_datagrams(&r) / rate * 1e6 : 0;
    uint64_t all = count_datagrams(&r), start = clock_monotonic_us(), read = 0;
    while (read + CALM < all && next_datagram(&r))
        if (++read % BURST == 0)
            wait_until(start + (uint64_t)((double)read * us_each));
    flush_all(&r);
    uint64_t took = clock_monotonic_us() - start;
    wait_until(start + took + CALM_US);
    while (next_datagram(&r)) {
        flush_all(&r);
        wait_until(clock_monotonic_us() + CALM_EACH_US);
    }
    printf("{\"datagrams\":%" PRIu64 ",\"seconds\":%.3f}\n", r.datagrams, (double)took / 1e6);
    return 0;
}
