/* open.c - the header and directory of a block from outside. Nothing of a column is decoded here;
 * see column.c and check.c. Layout: schemas/block-format.md. */
#include "base/cursor.h"
#include "block/block.h"
#include "block/codec.h"
#include "block/header.h"
#include <string.h>

static enum weir_status bad(struct weir_error *error, const char *field, const char *what)
{
    return weir_fail(error, WEIR_EMALFORMED, field, "block: %s", what);
}

/* Magic, version, checksum: whether the rest of the header can be believed. */
static enum weir_status check_header(const uint8_t *h, size_t length, struct weir_error *error)
{
    static const uint8_t zero[12];
    if (length < HEADER_SIZE)
        return weir_fail(error, WEIR_ETRUNCATED, "header", "block: %zu octets, its header has %d",
                         length, HEADER_SIZE);
    if (memcmp(h + HEADER_MAGIC, BLOCK_MAGIC, 8) != 0)
        return bad(error, "magic", "does not begin with the magic of a Weir block");
    unsigned version = load_le16(h + HEADER_VERSION);
    if (version < 1 || version > BLOCK_VERSION)
        return weir_fail(error, WEIR_EVERSION, "version",
                         "block: version %u; this Weir reads versions 1 to %d", version,
                         BLOCK_VERSION);
    if (load_le32(h + HEADER_CRC) != crc32c(0, h, HEADER_CRC))
        return weir_fail(error, WEIR_ECHECKSUM, "header",
                         "block: checksum of the header does not match");
    if (h[HEADER_KIND] > RECORD_OPTIONS)
        return bad(error, "kind", "kind is neither 0 (flows) nor 1 (options)");
    if (h[HEADER_ZERO] || memcmp(h + HEADER_RESERVED, zero, sizeof zero) != 0)
        return bad(error, "header", "bits that must be zero are set");
    return WEIR_OK;
}

static void read_head(const uint8_t *h, struct block_head *out)
{
    out->version = load_le16(h + HEADER_VERSION);
    out->kind = h[HEADER_KIND];
    memcpy(out->id.collector, h + HEADER_COLLECTOR, 16);
    out->id.sequence = load_le64(h + HEADER_SEQUENCE);
    out->rows = load_le32(h + HEADER_ROWS);
    out->first_ms = (int64_t)load_le64(h + HEADER_FIRST);
    out->last_ms = (int64_t)load_le64(h + HEADER_LAST);
    out->column_count = load_le32(h + HEADER_COLUMNS);
}

static enum weir_status check_lengths(const uint8_t *h, const struct block_head *head,
                                      size_t length, struct weir_error *error)
{
    if (length > BLOCK_BYTES_MOST)
        return weir_fail(error, WEIR_ELIMIT, "length", "block: %zu octets; at most %u are allowed",
                         length, BLOCK_BYTES_MOST);
    if (head->rows > BLOCK_ROWS_MOST)
        return bad(error, "rows", "more rows than a block may have");
    if (head->column_count > BATCH_COLUMNS_MOST)
        return bad(error, "columns", "more columns than a block may have");
    if (head->rows == 0 && head->column_count)
        return bad(error, "columns", "columns without rows");
    uint64_t columns = load_le64(h + HEADER_COLUMNS_LENGTH);
    uint64_t rest = HEADER_SIZE + (uint64_t)head->column_count * BLOCK_COLUMN_HEAD_SIZE +
                    load_le32(h + HEADER_ACCOUNT_LENGTH);
    if (columns > BLOCK_BYTES_MOST || rest + columns != length)
        return weir_fail(error, rest + columns > length ? WEIR_ETRUNCATED : WEIR_EMALFORMED,
                         "length", "block: %zu octets, its header says %llu", length,
                         (unsigned long long)(rest + columns));
    return WEIR_OK;
}

/* The columns' entries and where their bytes are; `end` is one past the last column's. */
static enum weir_status read_directory(const uint8_t *entry, const struct block_head *head,
                                       const uint8_t *at, const uint8_t *end,
                                       struct block_column *columns, struct weir_error *error)
{
    for (uint32_t i = 0; i < head->column_count; i++, entry += BLOCK_COLUMN_HEAD_SIZE) {
        size_t said = load_le32(entry + 32), left = (size_t)(end - at);
        enum weir_status s =
            block_column_read(entry, at, said < left ? said : left, &columns[i], error);
        if (s)
            return s;
        if (head->version < (columns[i].codec >= CODEC_MODELLED  ? 3
                             : columns[i].codec >= CODEC_ORDERED ? 2
                                                                 : 1))
            return bad(error, "directory", "a codec that its version does not have");
        columns[i].unmodelled = head->version < BLOCK_MODELS;
        if (columns[i].rows != head->rows)
            return bad(error, "directory", "a column has other rows than the block");
        if (i && columns[i].key <= columns[i - 1].key)
            return bad(error, "directory", "columns are not in ascending order of their keys");
        at += columns[i].length;
    }
    return at == end ? WEIR_OK : bad(error, "directory", "octets that belong to no column");
}

/* Every chain of bases ends, soon, at columns that are there. */
static bool chains_end(const struct block *b)
{
    for (uint32_t i = 0; i < b->head.column_count; i++) {
        const struct block_column *c = &b->columns[i];
        for (unsigned depth = 0; c && c->base; depth++)
            c = depth < BASE_DEPTH_MOST ? block_find(b, c->base) : NULL;
        if (!c)
            return false;
    }
    return true;
}

static bool interval_true(const struct block *b)
{
    const struct block_column *end = block_find(b, WEIR_FLOW_END);
    uint64_t first = (uint64_t)b->head.first_ms, last = (uint64_t)b->head.last_ms;
    return end ? first == end->least && last == end->most : first == 0 && last == 0;
}

static enum weir_status open_checked(const uint8_t *bytes, size_t length, struct arena *a,
                                     struct block *out, struct weir_error *error)
{
    const uint8_t *directory = bytes + HEADER_SIZE;
    size_t directory_size = (size_t)out->head.column_count * BLOCK_COLUMN_HEAD_SIZE;
    if (load_le32(bytes + HEADER_DIRECTORY_CRC) != crc32c(0, directory, directory_size))
        return weir_fail(error, WEIR_ECHECKSUM, "directory",
                         "block: checksum of the directory does not match");
    out->account_length = load_le32(bytes + HEADER_ACCOUNT_LENGTH);
    out->account_bytes = bytes + length - out->account_length;
    if (load_le32(bytes + HEADER_ACCOUNT_CRC) != crc32c(0, out->account_bytes, out->account_length))
        return weir_fail(error, WEIR_ECHECKSUM, "account",
                         "block: checksum of the account does not match");
    out->columns = arena_alloc(a, (out->head.column_count + 1) * sizeof *out->columns);
    if (!out->columns)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the directory of a block");
    enum weir_status s = read_directory(directory, &out->head, directory + directory_size,
                                        out->account_bytes, out->columns, error);
    if (s)
        return s;
    if (!chains_end(out))
        return bad(error, "directory", "a column stands on one that is not there, or on itself");
    if (!interval_true(out))
        return bad(error, "interval", "the interval is not that of its flow ends");
    return WEIR_OK;
}

enum weir_status block_open(const uint8_t *bytes, size_t length, struct arena *a, struct block *out,
                            struct weir_error *error)
{
    struct block b = {.columns = NULL};
    enum weir_status s = check_header(bytes, length, error);
    if (s)
        return s;
    read_head(bytes, &b.head);
    if ((s = check_lengths(bytes, &b.head, length, error)) ||
        (s = open_checked(bytes, length, a, &b, error)))
        return s;
    *out = b;
    return WEIR_OK;
}

const struct block_column *block_find(const struct block *b, ie_key key)
{
    size_t low = 0, high = b->head.column_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->columns[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->head.column_count && b->columns[low].key == key ? &b->columns[low] : NULL;
}
