/* test_weirgen_output.c - the pcap file: every length, and every checksum added up the slow way. */
#include "weirgen.h"
#include "unit.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)(p[0] | p[1] << 8 | p[2] << 16) | (uint32_t)p[3] << 24;
}

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)(p[0] << 8 | p[1]);
}

/* RFC 1071, octet pair by octet pair; a run that includes its own checksum comes to 0xffff. */
static uint32_t ones_sum(uint32_t sum, const uint8_t *p, size_t length)
{
    for (size_t i = 0; i < length; i += 2)
        sum += be16((const uint8_t[]){p[i], i + 1 < length ? p[i + 1] : 0});
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static size_t check_packet(const uint8_t *ip, size_t length, const uint8_t *payload)
{
    bool ipv4 = ip[0] >> 4 == 4;
    size_t header = ipv4 ? 20 : 40, size = length - header - 8;
    const uint8_t *udp = ip + header;
    CU_ASSERT_EQUAL(be16(ip + (ipv4 ? 2 : 4)), ipv4 ? length : length - 40);
    CU_ASSERT_EQUAL(ip[ipv4 ? 9 : 6], 17);
    if (ipv4)
        CU_ASSERT_EQUAL(ones_sum(0, ip, 20), 0xffff);
    CU_ASSERT_EQUAL(be16(udp), 5555);
    CU_ASSERT_EQUAL(be16(udp + 2), 2055);
    CU_ASSERT_EQUAL(be16(udp + 4), size + 8);
    uint32_t sum = ones_sum(17 + (uint32_t)size + 8, udp - (ipv4 ? 8 : 32), ipv4 ? 8 : 32);
    CU_ASSERT_EQUAL(ones_sum(sum, udp, size + 8), 0xffff);
    CU_ASSERT_NOT_EQUAL(be16(udp + 6), 0);
    CU_ASSERT(!memcmp(udp + 8, payload, size));
    return size;
}

static uint8_t *read_whole(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    *size = file ? fread(bytes, 1, 1 << 20, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

static void pcap_of(const char *from, const char *to, bool ethernet)
{
    char path[] = "/tmp/weirgen-test-XXXXXX";
    int fd = mkstemp(path);
    struct endpoint source = {.port = 5555}, target = {.port = 2055};
    struct output *o;
    uint8_t payload[200];
    CU_ASSERT_EQUAL(address_parse(from, "from", &source.address, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(address_parse(to, "to", &target.address, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(output_pcap(path, ethernet, target, &source, 1, &o, NULL), WEIR_OK);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 37 + 11);
    for (size_t length = 0; length < 200; length++)
        CU_ASSERT_EQUAL(o->send(o, 0, payload, length, 1767225600123 - (int64_t)(length % 3), NULL),
                        WEIR_OK);
    CU_ASSERT_EQUAL(o->close(o, NULL), WEIR_OK);
    size_t size, at = 24, link = ethernet ? 14 : 0;
    uint8_t *file = read_whole(path, &size);
    uint64_t last = 0;
    CU_ASSERT(size > 24 && le32(file) == 0xa1b2c3d4 && le32(file + 20) == (ethernet ? 1 : 101));
    for (size_t length = 0; length < 200 && at + 16 <= size; length++) {
        uint64_t us = le32(file + at) * UINT64_C(1000000) + le32(file + at + 4);
        CU_ASSERT(us > last);
        last = us;
        size_t captured = le32(file + at + 8);
        CU_ASSERT_EQUAL(le32(file + at + 12), captured);
        CU_ASSERT_EQUAL(check_packet(file + at + 16 + link, captured - link, payload), length);
        if (ethernet)
            CU_ASSERT_EQUAL(be16(file + at + 28), strchr(from, ':') ? 0x86dd : 0x0800);
        at += 16 + captured;
    }
    CU_ASSERT_EQUAL(at, size);
    free(file);
    close(fd);
    unlink(path);
}

static void test_pcap(void)
{
    pcap_of("127.0.0.11", "127.0.0.1", true);
    pcap_of("192.0.2.200", "198.51.100.7", false);
    pcap_of("2001:db8::1", "::1", true);
    pcap_of("2001:db8:ffff:ffff::1", "2001:db8::99", false);
}

static void test_errors(void)
{
    struct endpoint source = {.address = address_from_ipv4(0x7f000001)}, to = source;
    struct output *o;
    struct weir_error error;
    to.port = 1;
    CU_ASSERT_EQUAL(output_pcap("/nonexistent/x", true, to, &source, 1, &o, &error), WEIR_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "/nonexistent/x"));
    memset(to.address.octets, 0, 16);
    CU_ASSERT_EQUAL(output_pcap("/tmp/never", true, to, &source, 1, &o, &error), WEIR_EARGUMENT);
    CU_ASSERT_EQUAL(output_udp(to, 0, &source, 1, &o, &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, "address");
    to = source = (struct endpoint){.address = address_from_ipv4(0xc0000201), .port = 9};
    CU_ASSERT_EQUAL(output_udp(to, 0, &source, 1, &o, &error),
                    WEIR_EIO); /* not an address of this host */
}

static void test_udp(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                       from;
    socklen_t length = sizeof in;
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&in, &length), 0);
    struct endpoint to = {address_from_ipv4(0x7f000001), ntohs(in.sin_port)};
    struct endpoint sources[2] = {{address_from_ipv4(0x7f00000b), 0},
                                  {address_from_ipv4(0x7f00000c), 0}};
    struct output *o;
    CU_ASSERT_EQUAL_FATAL(output_udp(to, 0, sources, 2, &o, NULL), WEIR_OK);
    for (size_t i = 0; i < 2; i++) {
        char got[8];
        length = sizeof from;
        CU_ASSERT_NOT_EQUAL(sources[i].port, 0);
        CU_ASSERT_EQUAL(o->send(o, i, (const uint8_t *)"hello", 5, 0, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(recvfrom(fd, got, sizeof got, 0, (struct sockaddr *)&from, &length), 5);
        CU_ASSERT_EQUAL(ntohl(from.sin_addr.s_addr), 0x7f00000b + i);
        CU_ASSERT_EQUAL(ntohs(from.sin_port), sources[i].port);
    }
    CU_ASSERT_EQUAL(o->close(o, NULL), WEIR_OK);
    close(fd);
}

/* ---- as fast as it is read ---- */

#define SENT 500u
#define OCTETS 1200u

struct sender {
    struct output *output;
    _Atomic unsigned sent;
};

static void *send_all(void *context)
{
    static const uint8_t octets[OCTETS];
    struct sender *s = context;
    for (unsigned i = 0; i < SENT; i++, atomic_fetch_add(&s->sent, 1))
        CU_ASSERT_EQUAL(s->output->send(s->output, 0, octets, OCTETS, 0, NULL), WEIR_OK);
    return NULL;
}

/* A receiver that does not read holds the sender up; nothing is lost, though all of it together is
 * far more than the socket holds. */
static void test_waiting(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 64 << 10;
    const struct timespec pause = {.tv_nsec = 200000000};
    const struct timeval patience = {.tv_sec = 60};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof in;
    struct endpoint source = {address_from_ipv4(0x7f00000b), 0};
    struct sender s = {0};
    uint8_t octets[OCTETS];
    pthread_t thread;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&in, &length), 0);
    struct endpoint to = {address_from_ipv4(0x7f000001), ntohs(in.sin_port)};
    CU_ASSERT_EQUAL_FATAL(output_udp(to, 32 << 10, &source, 1, &s.output, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(queue_octets(&to), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, send_all, &s), 0);
    nanosleep(&pause, NULL);
    CU_ASSERT(atomic_load(&s.sent) < SENT / 2);
    for (unsigned i = 0; i < SENT; i++)
        CU_ASSERT_EQUAL_FATAL(recv(fd, octets, sizeof octets, 0), (ssize_t)OCTETS);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(recv(fd, octets, sizeof octets, MSG_DONTWAIT), -1);
    CU_ASSERT_EQUAL(queue_octets(&to), 0);
    CU_ASSERT_EQUAL(s.output->close(s.output, NULL), WEIR_OK);
    close(fd);
}

UNIT_MAIN("weirgen output", {"pcap", test_pcap}, {"errors", test_errors}, {"udp", test_udp},
          {"as fast as it is read", test_waiting})
