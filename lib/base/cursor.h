/* cursor.h - the one bounded reader of bytes from outside.
 *
 * A cursor walks a buffer that it does not own. Its error is sticky: once a read would pass the
 * end, `failed` is set, that read and every later one yields zero (or NULL), and nothing moves.
 * So a decoder reads ten fields and checks once. Numbers are read in NETWORK BYTE ORDER (big
 * endian) unless the name ends in _le. A packet is never cast to a struct.
 *
 * Threads: a cursor belongs to one thread. */
#ifndef WEIR_BASE_CURSOR_H
#define WEIR_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *at;  /* next unread octet */
    const uint8_t *end; /* one past the last */
    bool failed;
};

static inline struct cursor cursor_over(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    return (struct cursor){.at = at, .end = length ? at + length : at, .failed = false};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return c->failed ? 0 : (size_t)(c->end - c->at);
}

/* The next `length` octets and past them; NULL (and failed) when fewer are left. */
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t length)
{
    if (cursor_left(c) < length || c->failed) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *here = c->at;
    if (length)
        c->at += length;
    return here;
}

static inline void cursor_skip(struct cursor *c, size_t length)
{
    (void)cursor_bytes(c, length);
}

/* A cursor over the next `length` octets, and past them. Failed from the start when fewer are
 * left. */
static inline struct cursor cursor_sub(struct cursor *c, size_t length)
{
    const uint8_t *here = cursor_bytes(c, length);
    if (c->failed)
        return (struct cursor){.at = c->end, .end = c->end, .failed = true};
    return cursor_over(here, length);
}

static inline uint16_t load_be16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
static inline uint32_t load_be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t load_be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline uint16_t load_le16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t load_le32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t load_le64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#define CURSOR_READ(name, type, load)                                                              \
    static inline type name(struct cursor *c)                                                      \
    {                                                                                              \
        const uint8_t *p = cursor_bytes(c, sizeof(type));                                          \
        return p ? load(p) : (type)0;                                                              \
    }
CURSOR_READ(cursor_u8, uint8_t, *)
CURSOR_READ(cursor_u16, uint16_t, load_be16)
CURSOR_READ(cursor_u32, uint32_t, load_be32)
CURSOR_READ(cursor_u64, uint64_t, load_be64)
CURSOR_READ(cursor_u16_le, uint16_t, load_le16)
CURSOR_READ(cursor_u32_le, uint32_t, load_le32)
CURSOR_READ(cursor_u64_le, uint64_t, load_le64)
#undef CURSOR_READ

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Weir is built for little-endian hosts; the loads above would need their other half."
#endif

#endif
