/* directory.c - a directory entry as bytes, and back, checked. Layout: schemas/block-format.md.
 * Used by encode.c and open.c, and by a store that keeps entries beside the columns. */
#include "base/cursor.h"
#include "block/block.h"
#include <string.h>

enum entry_offset {
    ENTRY_CRC = 0, /* of what follows */
    ENTRY_BYTES_CRC = 4,
    ENTRY_KEY = 8,
    ENTRY_BASE = 16,
    ENTRY_ROWS = 24,
    ENTRY_PRESENT = 28,
    ENTRY_LENGTH = 32,
    ENTRY_WIDTH = 36,
    ENTRY_CODEC = 37,
    ENTRY_ZERO = 38, /* 2 */
    ENTRY_LEAST = 40,
    ENTRY_MOST = 56,
    ENTRY_RESERVED = 72 /* 24, zero */
};

static void put(uint8_t *at, uint64_t v, size_t size)
{
    memcpy(at, &v, size);
}

void block_column_write(const struct block_column *c, uint8_t out[BLOCK_COLUMN_HEAD_SIZE])
{
    memset(out, 0, BLOCK_COLUMN_HEAD_SIZE);
    put(out + ENTRY_BYTES_CRC, c->crc, 4);
    put(out + ENTRY_KEY, c->key, 8);
    put(out + ENTRY_BASE, c->base, 8);
    put(out + ENTRY_ROWS, c->rows, 4);
    put(out + ENTRY_PRESENT, c->present_rows, 4);
    put(out + ENTRY_LENGTH, c->length, 4);
    out[ENTRY_WIDTH] = c->width;
    out[ENTRY_CODEC] = c->codec;
    if (c->width == 16) {
        memcpy(out + ENTRY_LEAST, c->least_octets, 16);
        memcpy(out + ENTRY_MOST, c->most_octets, 16);
    } else if (c->width) {
        put(out + ENTRY_LEAST, c->least, 8);
        put(out + ENTRY_MOST, c->most, 8);
    }
    put(out + ENTRY_CRC, crc32c(0, out + 4, BLOCK_COLUMN_HEAD_SIZE - 4), 4);
}

static bool all_zero(const uint8_t *at, size_t length)
{
    uint8_t any = 0;
    for (size_t i = 0; i < length; i++)
        any |= at[i];
    return any == 0;
}

static const char *bounds_wrong(const uint8_t *head, const struct block_column *c)
{
    if (c->width == 0)
        return all_zero(head + ENTRY_LEAST, 32) ? NULL : "octets have no bounds";
    if (c->width == 16)
        return memcmp(c->least_octets, c->most_octets, 16) > 0 ? "least is above most" : NULL;
    if (c->least > c->most)
        return "least is above most";
    if (c->width < 8 && c->most >> (8 * c->width))
        return "a bound is wider than the column";
    return all_zero(head + ENTRY_LEAST + 8, 8) && all_zero(head + ENTRY_MOST + 8, 8)
               ? NULL
               : "bits that must be zero are set";
}

/* What is wrong with an entry, or NULL. */
static const char *entry_wrong(const uint8_t *head, const struct block_column *c)
{
    if (c->width > 16 ||
        !(1u << c->width & (1u << 0 | 1u << 1 | 1u << 2 | 1u << 4 | 1u << 8 | 1u << 16)))
        return "width is not 0, 1, 2, 4, 8 or 16";
    if (c->codec >= CODEC_COUNT || c->codec == CODEC_MAP || c->codec == CODEC_GIVEN)
        return "codec is unknown: a newer Weir wrote it";
    if (c->rows == 0 || c->rows > BLOCK_ROWS_MOST)
        return "rows are not 1 to 1048576";
    if (c->present_rows == 0 || c->present_rows > c->rows)
        return "rows present are not 1 to rows";
    if ((c->codec == CODEC_RELATIVE) != (c->base != 0) || (c->base && c->base == c->key))
        return "base does not go with the codec";
    if (!all_zero(head + ENTRY_ZERO, 2) || !all_zero(head + ENTRY_RESERVED, 24))
        return "bits that must be zero are set";
    return bounds_wrong(head, c);
}

enum weir_status block_column_read(const uint8_t head[BLOCK_COLUMN_HEAD_SIZE], const uint8_t *bytes,
                                   size_t length, struct block_column *out,
                                   struct weir_error *error)
{
    char name[IE_NAME_SIZE];
    struct block_column c = {
        .key = load_le64(head + ENTRY_KEY),
        .width = head[ENTRY_WIDTH],
        .codec = head[ENTRY_CODEC],
        .rows = load_le32(head + ENTRY_ROWS),
        .present_rows = load_le32(head + ENTRY_PRESENT),
        .base = load_le64(head + ENTRY_BASE),
        .crc = load_le32(head + ENTRY_BYTES_CRC),
        .bytes = bytes,
        .length = load_le32(head + ENTRY_LENGTH),
    };
    if (load_le32(head + ENTRY_CRC) != crc32c(0, head + 4, BLOCK_COLUMN_HEAD_SIZE - 4))
        return weir_fail(error, WEIR_ECHECKSUM, "directory",
                         "checksum of a directory entry does not match");
    if (c.width == 16) {
        memcpy(c.least_octets, head + ENTRY_LEAST, 16);
        memcpy(c.most_octets, head + ENTRY_MOST, 16);
    } else {
        c.least = load_le64(head + ENTRY_LEAST);
        c.most = load_le64(head + ENTRY_MOST);
    }
    ie_key_print(c.key, name);
    const char *wrong = entry_wrong(head, &c);
    if (wrong)
        return weir_fail(error, WEIR_EMALFORMED, name, "directory entry of column %s: %s", name,
                         wrong);
    if (bytes && c.length != length)
        return weir_fail(error, c.length > length ? WEIR_ETRUNCATED : WEIR_EMALFORMED, name,
                         "column %s has %zu octets, its directory entry says %u", name, length,
                         (unsigned)c.length);
    *out = c;
    return WEIR_OK;
}
