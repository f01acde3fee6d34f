/* capture.c - see capture.h. */
#include "ingest/capture.h"
#include "base/cursor.h"
#include "base/log.h"
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM "import"
#define ETHERTYPE_V4 0x0800
#define ETHERTYPE_V6 0x86dd
#define PROTOCOL_UDP 17
#define EXTENSIONS_MOST 16

#define READ_BUFFER (256u << 10) /* libpcap reads through stdio, whose 4 KiB cost a fifth of an
                                    import */
#define PACKET_HEADER 16u        /* in a pcap file, before each packet */

struct capture {
    pcap_t *pcap;
    char *buffer; /* stdio's */
    int link_type;
    uint64_t position;
    uint64_t fragments;
};

bool capture_recognise(const uint8_t *first, size_t length)
{
    /* pcap in both byte orders and both resolutions, pcapng's section header. */
    static const uint8_t magics[][4] = {
        {0xa1, 0xb2, 0xc3, 0xd4}, {0xd4, 0xc3, 0xb2, 0xa1}, {0xa1, 0xb2, 0x3c, 0x4d},
        {0x4d, 0x3c, 0xb2, 0xa1}, {0x0a, 0x0d, 0x0d, 0x0a},
    };
    for (size_t i = 0; i < sizeof magics / sizeof *magics && length >= 4; i++)
        if (memcmp(first, magics[i], 4) == 0)
            return true;
    return false;
}

/* ---- from the link to IP ---- */

/* Each reads its link header from the cursor and leaves it at the IP header; false: not IP. */
typedef bool (*link_header)(struct cursor *c);

static bool ip_follows(struct cursor *c, uint16_t ethertype)
{
    for (int tags = 0;
         tags < 4 && (ethertype == 0x8100 || ethertype == 0x88a8 || ethertype == 0x9100); tags++) {
        cursor_skip(c, 2);
        ethertype = cursor_u16(c);
    }
    return !c->failed && (ethertype == ETHERTYPE_V4 || ethertype == ETHERTYPE_V6);
}

static bool link_ethernet(struct cursor *c)
{
    cursor_skip(c, 12);
    return ip_follows(c, cursor_u16(c));
}

static bool link_cooked(struct cursor *c)
{
    cursor_skip(c, 14);
    return ip_follows(c, cursor_u16(c));
}

static bool link_cooked2(struct cursor *c)
{
    uint16_t ethertype = cursor_u16(c);
    cursor_skip(c, 18);
    return ip_follows(c, ethertype);
}

static bool link_loopback(struct cursor *c)
{
    /* address family in the byte order of whoever captured; IP's version tells */
    cursor_skip(c, 4);
    return !c->failed;
}

static bool link_raw(struct cursor *c)
{
    return !c->failed;
}

static const struct link_row {
    int type;
    link_header read;
} links[] = {
    {DLT_EN10MB, link_ethernet}, {DLT_LINUX_SLL, link_cooked}, {DLT_LINUX_SLL2, link_cooked2},
    {DLT_NULL, link_loopback},   {DLT_LOOP, link_loopback},    {DLT_RAW, link_raw},
    {DLT_IPV4, link_raw},        {DLT_IPV6, link_raw},
};

static const struct link_row *find_link(int type)
{
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (links[i].type == type)
            return &links[i];
    return NULL;
}

/* ---- from IP to the UDP payload ---- */

static bool read_udp(struct cursor *c, struct datagram *d)
{
    d->port = cursor_u16(c);
    cursor_skip(c, 2);
    uint16_t length = cursor_u16(c);
    cursor_skip(c, 2);
    if (c->failed || length < 8)
        return false;
    d->length = length - 8u;
    d->bytes = cursor_bytes(c, d->length);
    return d->bytes != NULL;
}

static bool read_ipv4(struct cursor *c, struct datagram *d)
{
    const uint8_t *head = cursor_bytes(c, 20);
    if (!head)
        return false;
    size_t header = (head[0] & 15u) * 4u, total = load_be16(head + 2);
    bool fragment = (load_be16(head + 6) & 0x3fff) != 0; /* more fragments, or not the first */
    if (header < 20 || total < header || head[9] != PROTOCOL_UDP || fragment)
        return false;
    d->from = address_from_ipv4(load_be32(head + 12));
    cursor_skip(c, header - 20);
    struct cursor payload = cursor_sub(c, total - header); /* Ethernet may pad behind it */
    return read_udp(&payload, d);
}

/* Hop-by-hop, routing and destination options come before UDP (RFC 8200 section 4). */
static bool is_extension(uint8_t next)
{
    return next == 0 || next == 43 || next == 60;
}

static bool read_ipv6(struct cursor *c, struct datagram *d)
{
    const uint8_t *head = cursor_bytes(c, 40);
    if (!head)
        return false;
    struct cursor payload = cursor_sub(c, load_be16(head + 4));
    uint8_t next = head[6];
    memcpy(d->from.octets, head + 8, sizeof d->from.octets);
    for (int i = 0; i < EXTENSIONS_MOST && is_extension(next); i++) {
        next = cursor_u8(&payload);
        cursor_skip(&payload, cursor_u8(&payload) * 8u + 6u);
    }
    return next == PROTOCOL_UDP && read_udp(&payload, d);
}

bool capture_udp(const uint8_t *ip, size_t length, struct datagram *d)
{
    struct cursor c = cursor_over(ip, length);
    unsigned version = length ? ip[0] >> 4 : 0;
    return version == 4 ? read_ipv4(&c, d) : version == 6 && read_ipv6(&c, d);
}

static bool is_fragment(const uint8_t *ip, size_t length)
{
    return length >= 20 && ip[0] >> 4 == 4 && ip[9] == PROTOCOL_UDP &&
           (load_be16(ip + 6) & 0x3fff) != 0;
}

/* ---- the capture ---- */

/* A FILE with a buffer that suits files of gigabytes; libpcap owns and closes it afterwards. */
static pcap_t *open_pcap(const char *path, char *buffer, char why[PCAP_ERRBUF_SIZE])
{
    FILE *file = fopen(path, "rbe");
    if (!file) {
        snprintf(why, PCAP_ERRBUF_SIZE, "%s", strerror(errno));
        return NULL;
    }
    (void)setvbuf(file, buffer, _IOFBF, READ_BUFFER);
    pcap_t *pcap = pcap_fopen_offline(file, why);
    if (!pcap)
        fclose(file);
    return pcap;
}

enum weir_status capture_open(const char *path, struct capture **out, struct weir_error *error)
{
    char why[PCAP_ERRBUF_SIZE];
    *out = NULL;
    struct capture *c = calloc(1, sizeof *c);
    if (c)
        c->buffer = malloc(READ_BUFFER);
    if (!c || !c->buffer) {
        free(c);
        return weir_fail(error, WEIR_ENOMEM, "path", "no memory for %s", path);
    }
    c->pcap = open_pcap(path, c->buffer, why);
    if (!c->pcap) {
        capture_close(c);
        return weir_fail(error, WEIR_EMALFORMED, "path", "%s: %s", path, why);
    }
    c->link_type = pcap_datalink(c->pcap);
    if (!find_link(c->link_type)) {
        const char *name = pcap_datalink_val_to_name(c->link_type);
        capture_close(c);
        return weir_fail(error, WEIR_EMALFORMED, "path", "%s: link type %s is not understood", path,
                         name ? name : "unknown");
    }
    *out = c;
    return WEIR_OK;
}

void capture_close(struct capture *c)
{
    if (c->fragments)
        log_warning(ROOM, "%llu IP fragments were left out", (unsigned long long)c->fragments);
    if (c->pcap)
        pcap_close(c->pcap);
    free(c->buffer);
    free(c);
}

static bool take_packet(struct capture *c, const struct pcap_pkthdr *head, const uint8_t *bytes,
                        struct datagram *d)
{
    struct cursor at = cursor_over(bytes, head->caplen);
    c->position += head->caplen + PACKET_HEADER;
    if (!find_link(c->link_type)->read(&at))
        return false;
    if (is_fragment(at.at, cursor_left(&at)))
        c->fragments++;
    d->received_ms = (int64_t)head->ts.tv_sec * 1000 + head->ts.tv_usec / 1000;
    return capture_udp(at.at, cursor_left(&at), d) && ingest_recognise(d->bytes, d->length) != 0;
}

bool capture_next(struct capture *c, struct datagram *d)
{
    struct pcap_pkthdr *head;
    const u_char *bytes;
    int result;
    while ((result = pcap_next_ex(c->pcap, &head, &bytes)) == 1)
        if (take_packet(c, head, bytes, d))
            return true;
    if (result == PCAP_ERROR)
        log_warning(ROOM, "the capture ends early: %s", pcap_geterr(c->pcap));
    return false;
}

uint64_t capture_position(const struct capture *c)
{
    return c->position;
}
