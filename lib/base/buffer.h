/* buffer.h - a growable run of octets, for writing.
 *
 * Its error is sticky like the cursor's: when memory ends, `failed` is set and later writes do
 * nothing; check once at the end. `bytes` stays valid until the next write or buffer_free().
 * buffer_clear() keeps the memory for the next use: a hot path allocates only while it grows.
 * Integers are written LITTLE ENDIAN by put_*le (storage) and BIG ENDIAN by put_*be (wire).
 *
 * Threads: a buffer belongs to one thread. */
#ifndef WEIR_BASE_BUFFER_H
#define WEIR_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    bool failed;
};

void buffer_clear(struct buffer *b); /* length 0, failed false; memory kept */
void buffer_free(struct buffer *b);  /* memory returned; the struct is all zero and usable again */

/* Room for `length` more octets at the end, counted as written; NULL when memory ends. The new
 * octets are not initialised. */
uint8_t *buffer_extend(struct buffer *b, size_t length);

void buffer_put(struct buffer *b, const void *bytes, size_t length);
void buffer_put_u8(struct buffer *b, uint8_t v);
void buffer_put_u16le(struct buffer *b, uint16_t v);
void buffer_put_u32le(struct buffer *b, uint32_t v);
void buffer_put_u64le(struct buffer *b, uint64_t v);
void buffer_put_u16be(struct buffer *b, uint16_t v);
void buffer_put_u32be(struct buffer *b, uint32_t v);
void buffer_put_u64be(struct buffer *b, uint64_t v);
void buffer_print(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `text` as a JSON string with its quotes; octets that are not UTF-8 become U+FFFD. */
void buffer_put_json(struct buffer *b, const char *text, size_t length);

#endif
