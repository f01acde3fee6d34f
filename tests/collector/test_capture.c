/* UDP payloads out of IP packets, and captures written here octet by octet. */
#include "base/buffer.h"
#include "ingest/capture.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A NetFlow v5 header that announces one record, and the record. */
static void put_export(struct buffer *b)
{
    buffer_put_u16be(b, 5);
    buffer_put_u16be(b, 1);
    memset(buffer_extend(b, 20 + 48), 0, 20 + 48);
}
#define EXPORT_LENGTH 72u

static void put_udp(struct buffer *b, uint16_t port)
{
    buffer_put_u16be(b, port);
    buffer_put_u16be(b, 2055);
    buffer_put_u16be(b, EXPORT_LENGTH + 8);
    buffer_put_u16be(b, 0);
    put_export(b);
}

static void put_ipv4(struct buffer *b, uint16_t fragment, uint8_t protocol)
{
    buffer_put_u16be(b, 0x4500);
    buffer_put_u16be(b, 20 + 8 + EXPORT_LENGTH);
    buffer_put_u16be(b, 1);
    buffer_put_u16be(b, fragment);
    buffer_put_u8(b, 64);
    buffer_put_u8(b, protocol);
    buffer_put_u16be(b, 0);
    buffer_put_u32be(b, 0xc0000201);
    buffer_put_u32be(b, 0x7f000001);
    put_udp(b, 4000);
}

static void put_ipv6(struct buffer *b, unsigned extensions)
{
    buffer_put_u32be(b, 0x60000000);
    buffer_put_u16be(b, (uint16_t)(8 + EXPORT_LENGTH + extensions * 8));
    buffer_put_u8(b, extensions ? 0 : 17);
    buffer_put_u8(b, 64);
    for (int i = 0; i < 2; i++) {
        buffer_put_u32be(b, 0x20010db8);
        buffer_put_u64be(b, 0);
        buffer_put_u32be(b, 7);
    }
    for (unsigned i = 0; i < extensions; i++) {
        buffer_put_u8(b, i + 1 < extensions ? 60 : 17);
        buffer_put_u8(b, 0);
        memset(buffer_extend(b, 6), 0, 6);
    }
    put_udp(b, 4001);
}

static void finds_udp(void)
{
    struct datagram d = {0};
    struct buffer b = {0};
    char text[ADDRESS_TEXT_SIZE];
    put_ipv4(&b, 0x4000, 17); /* don't fragment is no fragment */
    CU_ASSERT_FATAL(capture_udp(b.bytes, b.length, &d));
    CU_ASSERT_EQUAL(d.length, EXPORT_LENGTH);
    CU_ASSERT_EQUAL(d.port, 4000);
    CU_ASSERT_STRING_EQUAL(address_print(&d.from, text), "192.0.2.1");
    for (unsigned extensions = 0; extensions < 4; extensions++) {
        buffer_clear(&b);
        put_ipv6(&b, extensions);
        CU_ASSERT_FATAL(capture_udp(b.bytes, b.length, &d));
        CU_ASSERT_EQUAL(d.length, EXPORT_LENGTH);
        CU_ASSERT_EQUAL(d.port, 4001);
        CU_ASSERT_STRING_EQUAL(address_print(&d.from, text), "2001:db8::7");
    }
    buffer_free(&b);
}

static void refuses_what_is_not_whole(void)
{
    struct datagram d = {0};
    struct buffer b = {0};
    put_ipv4(&b, 0x2000, 17);
    CU_ASSERT_FALSE(capture_udp(b.bytes, b.length, &d)); /* more fragments follow */
    buffer_clear(&b);
    put_ipv4(&b, 0x0001, 17);
    CU_ASSERT_FALSE(capture_udp(b.bytes, b.length, &d)); /* not the first */
    buffer_clear(&b);
    put_ipv4(&b, 0, 6);
    CU_ASSERT_FALSE(capture_udp(b.bytes, b.length, &d)); /* TCP */
    buffer_clear(&b);
    put_ipv4(&b, 0, 17);
    for (size_t cut = 0; cut < b.length; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, b.bytes, cut);
        CU_ASSERT_FALSE(capture_udp(exact, cut, &d));
        free(exact);
    }
    b.bytes[0] = 0x44; /* a header shorter than a header */
    CU_ASSERT_FALSE(capture_udp(b.bytes, b.length, &d));
    buffer_free(&b);
}

/* ---- whole captures ---- */

static void put_packet(struct buffer *file, const struct buffer *packet, uint32_t seconds)
{
    buffer_put_u32le(file, seconds);
    buffer_put_u32le(file, 250000);
    buffer_put_u32le(file, (uint32_t)packet->length);
    buffer_put_u32le(file, (uint32_t)packet->length);
    buffer_put(file, packet->bytes, packet->length);
}

static void write_file(const char *path, const struct buffer *file)
{
    FILE *out = fopen(path, "wb");
    CU_ASSERT_FATAL(out != NULL);
    CU_ASSERT_EQUAL(fwrite(file->bytes, 1, file->length, out), file->length);
    fclose(out);
}

static void pcap_head(struct buffer *file, uint32_t link_type)
{
    buffer_put_u32le(file, 0xa1b2c3d4);
    buffer_put_u32le(file, 0x00040002);
    buffer_put_u64le(file, 0);
    buffer_put_u32le(file, 65535);
    buffer_put_u32le(file, link_type);
}

static void link_none(struct buffer *b)
{
    (void)b;
}
static void link_ethernet(struct buffer *b)
{
    memset(buffer_extend(b, 12), 0, 12);
    buffer_put_u16be(b, 0x0800);
}
static void link_qinq(struct buffer *b)
{
    memset(buffer_extend(b, 12), 0, 12);
    buffer_put_u32be(b, 0x88a80001);
    buffer_put_u32be(b, 0x81000002);
    buffer_put_u16be(b, 0x0800);
}
static void link_cooked(struct buffer *b)
{
    memset(buffer_extend(b, 14), 0, 14);
    buffer_put_u16be(b, 0x0800);
}
static void link_cooked2(struct buffer *b)
{
    buffer_put_u16be(b, 0x0800);
    memset(buffer_extend(b, 18), 0, 18);
}
static void link_null(struct buffer *b)
{
    buffer_put_u32le(b, 2);
}

static void reads_every_link(void)
{
    static const struct {
        uint32_t type;
        void (*put)(struct buffer *);
    } links[] = {{101, link_none},    {1, link_ethernet}, {1, link_qinq},
                 {113, link_cooked}, {276, link_cooked2}, {0, link_null}};
    char path[] = "/tmp/weir-capture-XXXXXX";
    close(mkstemp(path));
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        struct buffer file = {0}, packet = {0};
        struct capture *c;
        struct datagram d;
        pcap_head(&file, links[i].type);
        links[i].put(&packet);
        put_ipv4(&packet, 0, 17);
        put_packet(&file, &packet, 1000);
        put_packet(&file, &packet, 1001);
        write_file(path, &file);
        CU_ASSERT_EQUAL_FATAL(capture_open(path, &c, NULL), WEIR_OK);
        CU_ASSERT(capture_next(c, &d));
        CU_ASSERT_EQUAL(d.received_ms, 1000250);
        CU_ASSERT_EQUAL(d.length, EXPORT_LENGTH);
        CU_ASSERT(capture_next(c, &d));
        CU_ASSERT_EQUAL(d.received_ms, 1001250);
        CU_ASSERT_FALSE(capture_next(c, &d));
        capture_close(c);
        buffer_free(&file);
        buffer_free(&packet);
    }
    unlink(path);
}

static void names_what_it_cannot_read(void)
{
    char path[] = "/tmp/weir-capture-XXXXXX";
    struct weir_error error = {0};
    struct capture *c;
    struct buffer file = {0};
    close(mkstemp(path));
    pcap_head(&file, 105); /* IEEE 802.11 */
    write_file(path, &file);
    CU_ASSERT_EQUAL(capture_open(path, &c, &error), WEIR_EMALFORMED);
    CU_ASSERT_PTR_NULL(c);
    CU_ASSERT(strstr(error.message, "IEEE802_11") != NULL);
    CU_ASSERT_EQUAL(capture_open("/no/such.pcap", &c, &error), WEIR_EMALFORMED);
    unlink(path);
    buffer_free(&file);
}

UNIT_MAIN("capture", {"UDP in IPv4 and IPv6", finds_udp},
          {"fragments, cuts and other protocols are refused", refuses_what_is_not_whole},
          {"every link type", reads_every_link},
          {"errors name the file", names_what_it_cannot_read})
