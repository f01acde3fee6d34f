/* packet_writer.h - packets and sFlow datagrams for tests: an encoder of our own, written from the
 * RFCs and the sFlow specification, and not from the decoders. */
#ifndef WEIR_TESTS_PACKET_WRITER_H
#define WEIR_TESTS_PACKET_WRITER_H

#include "base/buffer.h"
#include <string.h>

/* ---- packets: each layer is put before what it carries ---- */

static inline void put_words(struct buffer *b, const uint32_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buffer_put_u32be(b, words[i]);
}

static inline void put_ethernet(struct buffer *b, uint16_t type)
{
    static const uint8_t addresses[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}; /* destination first */
    buffer_put(b, addresses, sizeof addresses);
    buffer_put_u16be(b, type);
}

/* The type before it must be 0x8100 or 0x88a8. */
static inline void put_tag(struct buffer *b, unsigned priority, unsigned vlan, uint16_t type)
{
    buffer_put_u16be(b, (uint16_t)(priority << 13 | vlan));
    buffer_put_u16be(b, type);
}

static inline void put_label(struct buffer *b, uint32_t label, unsigned experimental, bool bottom,
                             uint8_t ttl)
{
    buffer_put_u32be(b, label << 12 | experimental << 9 | (uint32_t)bottom << 8 | ttl);
}

/* 192.0.2.1 to 198.51.100.2; `fragment` as on the wire: flags and offset. */
static inline void put_ipv4(struct buffer *b, uint8_t protocol, uint16_t payload, uint16_t fragment)
{
    buffer_put_u16be(b, 0x4528); /* ToS 40 */
    buffer_put_u16be(b, (uint16_t)(20 + payload));
    buffer_put_u16be(b, 0x1234);
    buffer_put_u16be(b, fragment);
    buffer_put_u8(b, 61);
    buffer_put_u8(b, protocol);
    buffer_put_u16be(b, 0);
    buffer_put_u32be(b, 0xc0000201);
    buffer_put_u32be(b, 0xc6336402);
}

static const uint8_t ipv6_source[16] = {0x20, 1, 0x0d, 0xb8, 0, 1, [15] = 1};
static const uint8_t ipv6_destination[16] = {0x20, 1, 0x0d, 0xb8, 0, 2, [15] = 2};

static inline void put_ipv6(struct buffer *b, uint8_t next, uint16_t payload)
{
    buffer_put_u32be(b, 6u << 28 | 40u << 20 | 0xabcde);
    buffer_put_u16be(b, payload);
    buffer_put_u8(b, next);
    buffer_put_u8(b, 62);
    buffer_put(b, ipv6_source, 16);
    buffer_put(b, ipv6_destination, 16);
}

/* An extension header of 8 * units octets. */
static inline void put_extension(struct buffer *b, uint8_t next, unsigned units)
{
    buffer_put_u8(b, next);
    buffer_put_u8(b, (uint8_t)(units - 1));
    memset(buffer_extend(b, 8 * units - 2), 0, 8 * units - 2);
}

static inline void put_tcp(struct buffer *b, uint16_t flags)
{
    buffer_put_u16be(b, 50000);
    buffer_put_u16be(b, 443);
    buffer_put_u32be(b, 1);
    buffer_put_u32be(b, 2);
    buffer_put_u16be(b, (uint16_t)(0x5000 | flags));
    buffer_put_u16be(b, 1024);
    buffer_put_u32be(b, 0);
}

static inline void put_udp(struct buffer *b)
{
    buffer_put_u16be(b, 1053);
    buffer_put_u16be(b, 53);
    buffer_put_u16be(b, 8);
    buffer_put_u16be(b, 0);
}

/* ---- sFlow version 5: lengths are filled in when a part is closed ---- */

struct sflow_writer {
    struct buffer b;
    size_t count_at, sample, record, records_at;
};

static inline void set_be32(struct buffer *b, size_t at, size_t v)
{
    for (int i = 0; i < 4; i++)
        b->bytes[at + (size_t)i] = (uint8_t)(v >> (24 - 8 * i));
}

static inline void add_be32(struct buffer *b, size_t at)
{
    set_be32(b, at, ((size_t)b->bytes[at + 2] << 8 | b->bytes[at + 3]) + 1);
}

static inline void write_sflow(struct sflow_writer *w, uint32_t agent, uint32_t sub_agent,
                               uint32_t sequence, uint32_t up)
{
    const uint32_t words[] = {5, 1, agent, sub_agent, sequence, up, 0};
    buffer_clear(&w->b);
    put_words(&w->b, words, 7);
    w->count_at = w->b.length - 4;
}

static inline void open_sample(struct sflow_writer *w, uint32_t format)
{
    add_be32(&w->b, w->count_at);
    buffer_put_u32be(&w->b, format);
    buffer_put_u32be(&w->b, 0);
    w->sample = w->b.length;
}

static inline void close_sample(struct sflow_writer *w)
{
    set_be32(&w->b, w->sample - 4, w->b.length - w->sample);
}

/* A flow sample of ifIndex 7, one in 1000. */
static inline void open_flow(struct sflow_writer *w, uint32_t sequence, uint32_t drops,
                             uint32_t input, uint32_t output)
{
    const uint32_t words[] = {sequence, 7, 1000, 1000 * sequence, drops, input, output, 0};
    open_sample(w, 1);
    put_words(&w->b, words, 8);
    w->records_at = w->b.length - 4;
}

static inline void open_record(struct sflow_writer *w, uint32_t format)
{
    add_be32(&w->b, w->records_at);
    buffer_put_u32be(&w->b, format);
    buffer_put_u32be(&w->b, 0);
    w->record = w->b.length;
}

static inline void close_record(struct sflow_writer *w)
{
    while (w->b.length % 4)
        buffer_put_u8(&w->b, 0);
    set_be32(&w->b, w->record - 4, w->b.length - w->record);
}

static inline void put_record(struct sflow_writer *w, uint32_t format, const uint32_t *words,
                              size_t n)
{
    open_record(w, format);
    put_words(&w->b, words, n);
    close_record(w);
}

static inline void put_raw_header(struct sflow_writer *w, uint32_t protocol, uint32_t frame_length,
                                  const struct buffer *packet)
{
    const uint32_t words[] = {protocol, frame_length, 4, (uint32_t)packet->length};
    open_record(w, 1);
    put_words(&w->b, words, 4);
    buffer_put(&w->b, packet->bytes, packet->length);
    close_record(w);
}

#endif
