/* fuzz_block.c - a block from outside: open, check, decode every column. Checksums are made true
 * first, or no mutation would get past them. */
#include "block/block.h"
#include "block/header.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_crc(uint8_t *at, const void *bytes, size_t length)
{
    uint32_t crc = crc32c(0, bytes, length);
    memcpy(at, &crc, 4);
}

static void seal(uint8_t *b, size_t size)
{
    size_t columns = load_le32(b + HEADER_COLUMNS), account = load_le32(b + HEADER_ACCOUNT_LENGTH);
    if (columns > (size - HEADER_SIZE) / BLOCK_COLUMN_HEAD_SIZE)
        return;
    uint8_t *at = b + HEADER_SIZE + columns * BLOCK_COLUMN_HEAD_SIZE, *end = b + size;
    for (size_t i = 0; i < columns; i++) {
        uint8_t *entry = b + HEADER_SIZE + i * BLOCK_COLUMN_HEAD_SIZE;
        size_t length = load_le32(entry + 32);
        if (length > (size_t)(end - at))
            return;
        put_crc(entry + 4, at, length);
        put_crc(entry, entry + 4, BLOCK_COLUMN_HEAD_SIZE - 4);
        at += length;
    }
    if (account == (size_t)(end - at))
        put_crc(b + HEADER_ACCOUNT_CRC, at, account);
    put_crc(b + HEADER_DIRECTORY_CRC, b + HEADER_SIZE, columns * BLOCK_COLUMN_HEAD_SIZE);
    put_crc(b + HEADER_CRC, b, HEADER_CRC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {.limit = 64u << 20}, scratch = {.limit = 64u << 20};
    struct block block;
    struct weir_error error;
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    if (size >= HEADER_SIZE)
        seal(copy, size);
    if (block_open(copy, size, &a, &block, &error) == WEIR_OK) {
        (void)block_check(&block, &scratch, &error);
        for (uint32_t i = 0; i < block.head.column_count; i++) {
            struct vector v;
            if (!block.columns[i].base)
                (void)column_decode(&block.columns[i], NULL, &scratch, &v, &error);
            arena_reset(&scratch);
        }
    }
    arena_free(&a);
    arena_free(&scratch);
    free(copy);
    return 0;
}
