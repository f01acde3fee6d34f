/* buffer.c - the growable run of octets behind every encoder and printer: blocks, XML,
 * JSON lines. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256u

void buffer_clear(struct buffer *b)
{
    b->length = 0;
    b->failed = false;
}

void buffer_free(struct buffer *b)
{
    free(b->bytes);
    *b = (struct buffer){0};
}

/* Makes room for `more` octets after the length; doubling keeps appends O(1) amortised. */
static bool reserve(struct buffer *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->bytes && more <= b->capacity - b->length)
        return true;
    size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
    while (capacity - b->length < more) {
        if (capacity > SIZE_MAX / 2) {
            b->failed = true;
            return false;
        }
        capacity *= 2;
    }
    uint8_t *bytes = realloc(b->bytes, capacity);
    if (!bytes) {
        b->failed = true;
        return false;
    }
    b->bytes = bytes;
    b->capacity = capacity;
    return true;
}

uint8_t *buffer_extend(struct buffer *b, size_t length)
{
    if (!reserve(b, length))
        return NULL;
    uint8_t *here = b->bytes + b->length;
    b->length += length;
    return here;
}

void buffer_put(struct buffer *b, const void *bytes, size_t length)
{
    uint8_t *here = buffer_extend(b, length);
    if (here && length)
        memcpy(here, bytes, length);
}

void buffer_put_u8(struct buffer *b, uint8_t v)
{
    buffer_put(b, &v, sizeof v);
}

/* The host is little endian (cursor.h refuses any other), so the le forms are plain copies. */
void buffer_put_u16le(struct buffer *b, uint16_t v)
{
    buffer_put(b, &v, sizeof v);
}

void buffer_put_u32le(struct buffer *b, uint32_t v)
{
    buffer_put(b, &v, sizeof v);
}

void buffer_put_u64le(struct buffer *b, uint64_t v)
{
    buffer_put(b, &v, sizeof v);
}

void buffer_put_u16be(struct buffer *b, uint16_t v)
{
    buffer_put_u16le(b, __builtin_bswap16(v));
}

void buffer_put_u32be(struct buffer *b, uint32_t v)
{
    buffer_put_u32le(b, __builtin_bswap32(v));
}

void buffer_put_u64be(struct buffer *b, uint64_t v)
{
    buffer_put_u64le(b, __builtin_bswap64(v));
}

void buffer_print(struct buffer *b, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    if (reserve(b, 1)) {
        size_t room = b->capacity - b->length;
        int length = vsnprintf((char *)b->bytes + b->length, room, format, arguments);
        if (length < 0) {
            b->failed = true;
        } else if ((size_t)length < room) {
            b->length += (size_t)length;
        } else if (reserve(b, (size_t)length + 1)) {
            (void)vsnprintf((char *)b->bytes + b->length, (size_t)length + 1, format, again);
            b->length += (size_t)length;
        }
    }
    va_end(again);
    va_end(arguments);
}

/* Octets of the well-formed UTF-8 sequence at `p` (RFC 3629 section 4: no overlong forms, no
 * surrogates, nothing above U+10FFFF), or 0. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    static const struct {
        uint8_t lead_least, lead_most, second_least, second_most, length;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (p[0] < forms[i].lead_least || p[0] > forms[i].lead_most)
            continue;
        if (left < forms[i].length || p[1] < forms[i].second_least || p[1] > forms[i].second_most)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static bool json_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_json_ascii(struct buffer *b, uint8_t c)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof shorts; i += 2)
        if (c == (uint8_t)shorts[i]) {
            buffer_put_u8(b, '\\');
            buffer_put_u8(b, (uint8_t)shorts[i + 1]);
            return;
        }
    buffer_print(b, "\\u%04x", c);
}

void buffer_put_json(struct buffer *b, const char *text, size_t length)
{
    const uint8_t *p = (const uint8_t *)text, *end = length ? p + length : p;
    buffer_put_u8(b, '"');
    while (p < end) {
        const uint8_t *run = p;
        while (p < end && json_plain(*p))
            p++;
        if (p > run) {
            buffer_put(b, run, (size_t)(p - run));
        } else if (*p < 0x80) {
            put_json_ascii(b, *p++);
        } else {
            size_t n = utf8_sequence(p, (size_t)(end - p));
            buffer_put(b, n ? (const void *)p : "\xef\xbf\xbd", n ? n : 3);
            p += n ? n : 1;
        }
    }
    buffer_put_u8(b, '"');
}
