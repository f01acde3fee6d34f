/* weirgen_output.c - where datagrams go: UDP sockets, one an exporter, or a pcap file whose lengths
 * and checksums are right (weirgen.h). */
#include "weirgen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHECK_EVERY 4u /* datagrams */

enum weir_status endpoint_parse(const char *text, const char *field, struct endpoint *out,
                                struct weir_error *error)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    bool bracketed = *text == '[' && colon && colon[-1] == ']';
    size_t length = colon ? (size_t)(colon - text) : 0;
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (!colon || length >= sizeof host || end == colon + 1 || *end || !port || port > 65535)
        return weir_fail(error, WEIR_ESYNTAX, field,
                         "\"%s\" is not ADDRESS:PORT, as in 127.0.0.1:2055", text);
    memcpy(host, text + bracketed, length);
    host[length - 2u * bracketed] = '\0';
    out->port = (uint16_t)port;
    return address_parse(host, field, &out->address, error);
}

/* ---- UDP ---- */

struct udp_output {
    struct output base; /* first: an output is one of these */
    struct sockaddr_storage to;
    socklen_t to_length;
    struct endpoint receiver;
    int64_t waiting_most; /* octets in its socket; 0: any */
    uint32_t unchecked;   /* datagrams since somebody looked */
    size_t count;
    int sockets[];
};

static socklen_t socket_address(const struct endpoint *e, bool ipv4, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ipv4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};
        in.sin_addr.s_addr = htonl(address_ipv4(&e->address));
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
    memcpy(&in6.sin6_addr, e->address.octets, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

/* Until there is room: what is sent between two looks is far less than the room that is left. */
static void wait_for_room(struct udp_output *u)
{
    const struct timespec pause = {.tv_nsec = 500000};
    if (u->waiting_most && ++u->unchecked >= CHECK_EVERY) {
        u->unchecked = 0;
        while (queue_octets(&u->receiver) > u->waiting_most)
            (void)nanosleep(&pause, NULL);
    }
}

static enum weir_status udp_send(struct output *o, size_t exporter, const uint8_t *bytes,
                                 size_t length, int64_t now_ms, struct weir_error *error)
{
    struct udp_output *u = (struct udp_output *)o;
    (void)now_ms;
    wait_for_room(u);
    for (;;) {
        struct pollfd ready = {.fd = u->sockets[exporter], .events = POLLOUT};
        ssize_t sent = sendto(u->sockets[exporter], bytes, length, 0,
                              (const struct sockaddr *)&u->to, u->to_length);
        if (sent >= 0)
            return WEIR_OK;
        if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
            return weir_fail(error, WEIR_EIO, "udp", "sending failed: %s", strerror(errno));
        (void)poll(&ready, 1, 10);
    }
}

static enum weir_status udp_close(struct output *o, struct weir_error *error)
{
    struct udp_output *u = (struct udp_output *)o;
    (void)error;
    for (size_t i = 0; i < u->count; i++)
        if (u->sockets[i] >= 0)
            close(u->sockets[i]);
    free(u);
    return WEIR_OK;
}

static enum weir_status udp_bind(struct udp_output *u, size_t i, bool ipv4, struct endpoint *source,
                                 struct weir_error *error)
{
    struct sockaddr_storage from;
    char text[ADDRESS_TEXT_SIZE];
    if (address_is_ipv4(&source->address) != ipv4)
        return weir_fail(error, WEIR_EARGUMENT, "address",
                         "%s is not of the family of the receiver's address",
                         address_print(&source->address, text));
    socklen_t length = socket_address(source, ipv4, &from);
    u->sockets[i] = socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (u->sockets[i] < 0 || bind(u->sockets[i], (struct sockaddr *)&from, length) != 0 ||
        getsockname(u->sockets[i], (struct sockaddr *)&from, &length) != 0)
        return weir_fail(error, WEIR_EIO, "address", "cannot send from %s port %u: %s",
                         address_print(&source->address, text), source->port, strerror(errno));
    in_port_t port;
    memcpy(&port,
           (const char *)&from + (ipv4 ? offsetof(struct sockaddr_in, sin_port)
                                       : offsetof(struct sockaddr_in6, sin6_port)),
           sizeof port);
    source->port = ntohs(port);
    return WEIR_OK;
}

enum weir_status output_udp(struct endpoint to, int64_t waiting_most, struct endpoint *sources,
                            size_t count, struct output **out, struct weir_error *error)
{
    struct udp_output *u = malloc(sizeof *u + count * sizeof *u->sockets);
    bool ipv4 = address_is_ipv4(&to.address);
    if (!u)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for %zu sockets", count);
    u->base = (struct output){.send = udp_send, .close = udp_close};
    u->receiver = to;
    u->waiting_most = waiting_most;
    u->unchecked = 0;
    u->to_length = socket_address(&to, ipv4, &u->to);
    u->count = count;
    for (size_t i = 0; i < count; i++)
        u->sockets[i] = -1;
    for (size_t i = 0; i < count; i++) {
        enum weir_status status = udp_bind(u, i, ipv4, &sources[i], error);
        if (status) {
            (void)udp_close(&u->base, NULL);
            return status;
        }
    }
    *out = &u->base;
    return WEIR_OK;
}

/* ---- pcap ---- */

#define ETHERNET_HEADER 14u
#define UDP_HEADER 8u
#define LINK_ETHERNET 1u
#define LINK_RAW 101u

struct pcap_output {
    struct output base;
    FILE *file;
    const char *path;
    bool ethernet;
    int64_t last_us; /* timestamps grow */
    uint16_t ip_id;
    struct endpoint to;
    const struct endpoint *sources;
    char buffer[1 << 18];
};

static uint8_t *put(uint8_t *at, uint64_t value, unsigned length)
{
    for (unsigned i = length; i-- > 0; value >>= 8)
        at[i] = (uint8_t)value;
    return at + length;
}

/* RFC 1071: the one's complement sum does not mind byte order, so it is added up as it lies. */
static uint32_t sum_up(uint32_t sum, const uint8_t *bytes, size_t length)
{
    uint64_t wide = sum;
    for (; length >= 4; bytes += 4, length -= 4) {
        uint32_t word;
        memcpy(&word, bytes, 4);
        wide += word;
    }
    uint8_t rest[4] = {0};
    memcpy(rest, bytes, length);
    uint32_t word;
    memcpy(&word, rest, 4);
    wide += word;
    wide = (wide & UINT32_MAX) + (wide >> 32);
    wide = (wide & UINT32_MAX) + (wide >> 32);
    wide = (wide & 0xffff) + (wide >> 16);
    return (uint32_t)((wide & 0xffff) + (wide >> 16));
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
    uint16_t folded = (uint16_t)~((sum & 0xffff) + (sum >> 16));
    memcpy(at, &folded, 2);
}

static uint8_t *put_ipv4(struct pcap_output *p, uint8_t *at, const struct endpoint *from,
                         size_t udp)
{
    uint8_t *header = at;
    at = put(at, 0x4500, 2);
    at = put(at, 20 + udp, 2);
    at = put(at, p->ip_id++, 2);
    at = put(at, 0x4000, 2); /* don't fragment */
    at = put(at, 64 << 8 | 17, 2);
    at = put(at, 0, 2);
    at = put(at, address_ipv4(&from->address), 4);
    at = put(at, address_ipv4(&p->to.address), 4);
    put_checksum(header + 10, sum_up(0, header, 20));
    return at;
}

static uint8_t *put_ipv6(struct pcap_output *p, uint8_t *at, const struct endpoint *from,
                         size_t udp)
{
    at = put(at, 0x60000000, 4);
    at = put(at, udp, 2);
    at = put(at, 17 << 8 | 64, 2);
    memcpy(at, from->address.octets, 16);
    memcpy(at + 16, p->to.address.octets, 16);
    return at + 32;
}

static void put_udp(const struct pcap_output *p, uint8_t *at, const struct endpoint *from,
                    const uint8_t *addresses, size_t addresses_length, const uint8_t *bytes,
                    size_t length)
{
    uint8_t pseudo[8];
    uint16_t checksum;
    put(put(pseudo, UDP_HEADER + length, 4), 17, 4);
    put(put(put(put(at, from->port, 2), p->to.port, 2), UDP_HEADER + length, 2), 0, 2);
    uint32_t sum = sum_up(0, pseudo, sizeof pseudo);
    sum = sum_up(sum, addresses, addresses_length);
    sum = sum_up(sum, at, UDP_HEADER);
    put_checksum(at + 6, sum_up(sum, bytes, length));
    memcpy(&checksum, at + 6, 2);
    if (!checksum) /* RFC 768: zero would mean that there is none */
        put(at + 6, 0xffff, 2);
}

/* Link, IP and UDP headers of one datagram; returns their length. */
static size_t put_headers(struct pcap_output *p, const struct endpoint *from, const uint8_t *bytes,
                          size_t length, uint8_t *out)
{
    bool ipv4 = address_is_ipv4(&from->address);
    uint8_t *at = out;
    if (p->ethernet) {
        memcpy(at, (const uint8_t[]){2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, 12);
        at = put(at + 12, ipv4 ? 0x0800 : 0x86dd, 2);
    }
    at = ipv4 ? put_ipv4(p, at, from, UDP_HEADER + length)
              : put_ipv6(p, at, from, UDP_HEADER + length);
    size_t addresses = ipv4 ? 8 : 32;
    put_udp(p, at, from, at - addresses, addresses, bytes, length);
    return (size_t)(at - out) + UDP_HEADER;
}

static enum weir_status pcap_fail(const struct pcap_output *p, struct weir_error *error)
{
    return weir_fail(error, errno == ENOSPC ? WEIR_EFULL : WEIR_EIO, "pcap", "writing %s: %s",
                     p->path, strerror(errno));
}

static enum weir_status pcap_send(struct output *o, size_t exporter, const uint8_t *bytes,
                                  size_t length, int64_t now_ms, struct weir_error *error)
{
    struct pcap_output *p = (struct pcap_output *)o;
    uint8_t headers[ETHERNET_HEADER + 40 + UDP_HEADER];
    size_t before = put_headers(p, &p->sources[exporter], bytes, length, headers);
    int64_t now_us = now_ms * 1000;
    p->last_us = now_us > p->last_us ? now_us : p->last_us + 1;
    uint32_t record[4] = {(uint32_t)(p->last_us / 1000000), (uint32_t)(p->last_us % 1000000),
                          (uint32_t)(before + length), (uint32_t)(before + length)};
    if (fwrite(record, sizeof record, 1, p->file) != 1 ||
        fwrite(headers, before, 1, p->file) != 1 || fwrite(bytes, 1, length, p->file) != length)
        return pcap_fail(p, error);
    return WEIR_OK;
}

static enum weir_status pcap_close(struct output *o, struct weir_error *error)
{
    struct pcap_output *p = (struct pcap_output *)o;
    enum weir_status status = WEIR_OK;
    if (p->file == stdout ? fflush(p->file) != 0 : fclose(p->file) != 0)
        status = pcap_fail(p, error);
    free(p);
    return status;
}

enum weir_status output_pcap(const char *path, bool ethernet, struct endpoint to,
                             const struct endpoint *sources, size_t count, struct output **out,
                             struct weir_error *error)
{
    char text[ADDRESS_TEXT_SIZE];
    for (size_t i = 0; i < count; i++)
        if (address_is_ipv4(&sources[i].address) != address_is_ipv4(&to.address))
            return weir_fail(error, WEIR_EARGUMENT, "address",
                             "%s is not of the family of the receiver's address",
                             address_print(&sources[i].address, text));
    struct pcap_output *p = calloc(1, sizeof *p);
    if (!p)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for a file buffer");
    *p = (struct pcap_output){.base = {.send = pcap_send, .close = pcap_close},
                              .path = path, .ethernet = ethernet, .to = to, .sources = sources};
    p->file = strcmp(path, "-") ? fopen(path, "wb") : stdout;
    uint32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0,
                          0,          65535,       ethernet ? LINK_ETHERNET : LINK_RAW};
    if (!p->file ||
        (p->file != stdout && setvbuf(p->file, p->buffer, _IOFBF, sizeof p->buffer) != 0) ||
        fwrite(header, sizeof header, 1, p->file) != 1) {
        enum weir_status status = pcap_fail(p, error);
        if (p->file && p->file != stdout)
            fclose(p->file);
        free(p);
        return status;
    }
    *out = &p->base;
    return WEIR_OK;
}
