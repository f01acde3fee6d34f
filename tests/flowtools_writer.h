/* flowtools_writer.h - flow-tools files for tests: an encoder of our own, in both byte orders,
 * plain or compressed. */
#ifndef WEIR_TESTS_FLOWTOOLS_WRITER_H
#define WEIR_TESTS_FLOWTOOLS_WRITER_H

#include "base/buffer.h"
#include <string.h>
#include <zlib.h>

struct flowtools_writer {
    struct buffer b;       /* the file */
    struct buffer records; /* before they are compressed */
    bool little;
};

static inline void put_number(struct buffer *b, bool little, uint64_t v, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        buffer_put_u8(b, (uint8_t)(v >> 8 * (little ? i : length - 1 - i)));
}

static inline void set_number_at(struct buffer *b, size_t at, bool little, uint64_t v,
                                 unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        b->bytes[at + i] = (uint8_t)(v >> 8 * (little ? i : length - 1 - i));
}

static inline void put_tlv(struct flowtools_writer *w, unsigned type, uint64_t v, unsigned length)
{
    put_number(&w->b, w->little, type, 2);
    put_number(&w->b, w->little, length, 2);
    put_number(&w->b, w->little, v, length);
}

static inline void begin_flowtools(struct flowtools_writer *w, bool little, unsigned version,
                                   unsigned method, bool compressed)
{
    static const uint8_t comment[] = {'a', ' ', 'f', 'i', 'l', 'e', 0};
    w->little = little;
    buffer_clear(&w->b);
    buffer_clear(&w->records);
    buffer_put_u8(&w->b, 0xcf);
    buffer_put_u8(&w->b, 0x10);
    buffer_put_u8(&w->b, little ? 1 : 2);
    buffer_put_u8(&w->b, 3);
    put_number(&w->b, little, 0, 4);
    put_tlv(w, 1, 1, 1); /* vendor */
    put_tlv(w, 2, version, 2);
    if (version == 8) {
        put_tlv(w, 3, 2, 1);
        put_tlv(w, 4, method, 1);
    }
    put_tlv(w, 8, compressed ? 0x0a : 0x08, 4);
    put_number(&w->b, little, 16, 2);
    put_number(&w->b, little, sizeof comment, 2);
    buffer_put(&w->b, comment, sizeof comment);
    set_number_at(&w->b, 4, little, w->b.length, 4);
}

static inline void end_flowtools(struct flowtools_writer *w, bool compressed)
{
    uLongf length = compressBound((uLong)w->records.length);
    size_t at = w->b.length;
    if (!compressed) {
        buffer_put(&w->b, w->records.bytes, w->records.length);
        return;
    }
    (void)buffer_extend(&w->b, length);
    (void)compress(w->b.bytes + at, &length, w->records.bytes, (uLong)w->records.length);
    w->b.length = at + length;
}

/* A record of zeros but for: time and sysUpTime, exporter 192.0.2.9, and these at their places. */
static inline size_t put_flowtools_record(struct flowtools_writer *w, size_t length,
                                          size_t packets_at, uint32_t packets, uint32_t octets)
{
    size_t at = w->records.length;
    memset(buffer_extend(&w->records, length), 0, length);
    set_number_at(&w->records, at, w->little, 1700000000, 4);
    set_number_at(&w->records, at + packets_at, w->little, packets, 4);
    set_number_at(&w->records, at + packets_at + 4, w->little, octets, 4);
    return at;
}

#endif
