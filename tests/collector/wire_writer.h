/* wire_writer.h - export datagrams for tests: an encoder of our own, written from the RFCs and not
 * from the decoder. */
#ifndef WEIR_TESTS_WIRE_WRITER_H
#define WEIR_TESTS_WIRE_WRITER_H

#include "base/buffer.h"
#include <string.h>

struct writer {
    struct buffer b;
    size_t set; /* where the open set starts */
    int version;
};

static inline void put_be16_at(struct buffer *b, size_t at, size_t v)
{
    b->bytes[at] = (uint8_t)(v >> 8);
    b->bytes[at + 1] = (uint8_t)v;
}

static inline void write_ipfix(struct writer *w, uint32_t secs, uint32_t sequence, uint32_t domain)
{
    buffer_clear(&w->b);
    w->version = 10;
    buffer_put_u16be(&w->b, 10);
    buffer_put_u16be(&w->b, 0);
    buffer_put_u32be(&w->b, secs);
    buffer_put_u32be(&w->b, sequence);
    buffer_put_u32be(&w->b, domain);
}

static inline void write_netflow9(struct writer *w, uint32_t up, uint32_t secs, uint32_t sequence,
                                  uint32_t source)
{
    buffer_clear(&w->b);
    w->version = 9;
    buffer_put_u16be(&w->b, 9);
    buffer_put_u16be(&w->b, 1);
    buffer_put_u32be(&w->b, up);
    buffer_put_u32be(&w->b, secs);
    buffer_put_u32be(&w->b, sequence);
    buffer_put_u32be(&w->b, source);
}

static inline void open_set(struct writer *w, uint16_t id)
{
    w->set = w->b.length;
    buffer_put_u16be(&w->b, id);
    buffer_put_u16be(&w->b, 0);
}

static inline void close_set(struct writer *w)
{
    while (w->b.length % 4)
        buffer_put_u8(&w->b, 0);
    put_be16_at(&w->b, w->set + 2, w->b.length - w->set);
    if (w->version == 10)
        put_be16_at(&w->b, 2, w->b.length);
}

/* pairs: element, length, …; n of them. Elements >= 32768 get the enterprise number 35632 in
 * IPFIX. */
static inline void put_fields(struct writer *w, const uint16_t *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buffer_put_u16be(&w->b, pairs[2 * i]);
        buffer_put_u16be(&w->b, pairs[2 * i + 1]);
        if (w->version == 10 && pairs[2 * i] & 0x8000)
            buffer_put_u32be(&w->b, 35632);
    }
}

static inline void write_template(struct writer *w, uint16_t id, const uint16_t *pairs, size_t n)
{
    open_set(w, w->version == 10 ? 2 : 0);
    buffer_put_u16be(&w->b, id);
    buffer_put_u16be(&w->b, (uint16_t)n);
    put_fields(w, pairs, n);
    close_set(w);
}

static inline void write_options_template(struct writer *w, uint16_t id, const uint16_t *pairs,
                                          size_t scopes, size_t n)
{
    open_set(w, w->version == 10 ? 3 : 1);
    buffer_put_u16be(&w->b, id);
    if (w->version == 10) {
        buffer_put_u16be(&w->b, (uint16_t)n);
        buffer_put_u16be(&w->b, (uint16_t)scopes);
    } else {
        buffer_put_u16be(&w->b, (uint16_t)(4 * scopes));
        buffer_put_u16be(&w->b, (uint16_t)(4 * (n - scopes)));
    }
    put_fields(w, pairs, n);
    close_set(w);
}

struct v5_flow {
    uint32_t src, dst, packets, octets, first, last;
};

static inline void write_netflow5(struct writer *w, uint32_t up, uint32_t secs, uint32_t sequence,
                                  uint16_t sampling, const struct v5_flow *flows, uint16_t n)
{
    buffer_clear(&w->b);
    w->version = 5;
    buffer_put_u16be(&w->b, 5);
    buffer_put_u16be(&w->b, n);
    buffer_put_u32be(&w->b, up);
    buffer_put_u32be(&w->b, secs);
    buffer_put_u32be(&w->b, 0);
    buffer_put_u32be(&w->b, sequence);
    buffer_put_u16be(&w->b, 0);
    buffer_put_u16be(&w->b, sampling);
    for (uint16_t i = 0; i < n; i++) {
        const uint32_t words[] = {flows[i].src, flows[i].dst, 0, 0, flows[i].packets,
                                  flows[i].octets, flows[i].first, flows[i].last};
        for (size_t k = 0; k < 8; k++)
            buffer_put_u32be(&w->b, words[k]);
        memset(buffer_extend(&w->b, 16), 0, 16);
    }
}

#endif
