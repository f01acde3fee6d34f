/* header.h - where things are in a block's first 96 octets; schemas/block-format.md says the same
 * in words. Private to lib/block. LITTLE ENDIAN. */
#ifndef WEIR_BLOCK_HEADER_H
#define WEIR_BLOCK_HEADER_H

enum header_offset {
    HEADER_MAGIC = 0, /* 8 */
    HEADER_VERSION = 8,
    HEADER_KIND = 10,
    HEADER_ZERO = 11,
    HEADER_ROWS = 12,
    HEADER_COLLECTOR = 16, /* 16 */
    HEADER_SEQUENCE = 32,
    HEADER_FIRST = 40,
    HEADER_LAST = 48,
    HEADER_COLUMNS = 56,
    HEADER_ACCOUNT_LENGTH = 60,
    HEADER_COLUMNS_LENGTH = 64, /* 8 */
    HEADER_ACCOUNT_CRC = 72,
    HEADER_DIRECTORY_CRC = 76,
    HEADER_RESERVED = 80, /* 12, zero */
    HEADER_CRC = 92,      /* of what is before it */
    HEADER_SIZE = 96
};
/* Not text, and damaged by whatever takes it for text. */
#define BLOCK_MAGIC "\x89WEIR\r\n\x1a"

#endif
