/* heads.c - the heads of a block's columns together, in a sixth of their octets (block.h): for
 * stores of blocks so small that the heads are most of them. Layout: schemas/block-format.md.
 * Neighbour: directory.c knows a head. */
#include "base/cursor.h"
#include "block/block.h"
#include <string.h>
#include <zstd.h>

#define KEPT (BLOCK_COLUMN_HEAD_SIZE - 4u) /* all but its checksum, which follows from the rest */
#define FRONT 3u                           /* u8 octets that fill up, u16 heads */
#define LEVEL 12

bool block_heads_pack(const uint8_t *heads, uint32_t count, struct buffer *out)
{
    size_t size = (size_t)count * KEPT, room = ZSTD_compressBound(size), start = out->length;
    struct buffer turned = {0};
    uint8_t *to = buffer_extend(&turned, size + 1) ? turned.bytes : NULL;
    for (size_t k = 0; to && k < KEPT; k++)
        for (size_t i = 0; i < count; i++)
            to[k * count + i] = heads[i * BLOCK_COLUMN_HEAD_SIZE + 4 + k];
    size_t length = to && buffer_extend(out, FRONT + 1 + room)
                        ? ZSTD_compress(out->bytes + start + FRONT + 1, room, to, size, LEVEL)
                        : 0;
    buffer_free(&turned);
    bool done = length && !ZSTD_isError(length) && count <= UINT16_MAX;
    if (done) {
        uint8_t *at = out->bytes + start;
        at[0] = (FRONT + length) % BLOCK_COLUMN_HEAD_SIZE == 0;
        at[1] = (uint8_t)count;
        at[2] = (uint8_t)(count >> 8);
        memmove(at + FRONT + at[0], at + FRONT + 1, length);
        if (at[0])
            at[FRONT] = 0;
        length += FRONT + at[0];
    }
    out->length = start + (done ? length : 0);
    return done;
}

bool block_heads_packed(size_t length)
{
    return length % BLOCK_COLUMN_HEAD_SIZE != 0;
}

enum weir_status block_heads_unpack(const uint8_t *bytes, size_t length, struct arena *a,
                                    uint8_t **heads, uint32_t *count)
{
    struct cursor in = cursor_over(bytes, length);
    uint8_t fill = cursor_u8(&in);
    uint32_t n = cursor_u8(&in);
    n |= (uint32_t)cursor_u8(&in) << 8;
    const uint8_t *zeros = cursor_bytes(&in, fill);
    size_t size = (size_t)n * KEPT, left = cursor_left(&in);
    const uint8_t *frame = cursor_bytes(&in, left);
    if (in.failed || fill > 1 || (fill && zeros[0]) || n > BATCH_COLUMNS_MOST ||
        ZSTD_getFrameContentSize(frame, left) != size)
        return WEIR_EMALFORMED;
    uint8_t *turned = arena_alloc(a, size + 1);
    uint8_t *made = arena_alloc(a, (size_t)n * BLOCK_COLUMN_HEAD_SIZE + 1);
    if (!turned || !made)
        return WEIR_ENOMEM;
    if (ZSTD_decompress(turned, size, frame, left) != size)
        return WEIR_EMALFORMED;
    for (size_t i = 0; i < n; i++) {
        uint8_t *head = made + i * BLOCK_COLUMN_HEAD_SIZE;
        for (size_t k = 0; k < KEPT; k++)
            head[4 + k] = turned[k * n + i];
        uint32_t crc = crc32c(0, head + 4, KEPT);
        memcpy(head, &crc, 4);
    }
    *heads = made;
    *count = n;
    return WEIR_OK;
}
