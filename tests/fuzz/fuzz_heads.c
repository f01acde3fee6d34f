/* Packed heads of columns: what unpacks is a number of heads that are read, and packs again to what
 * unpacks to the same. */
#include "block/block.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct buffer packed = {0};
    uint8_t *heads, *again;
    uint32_t count, more;
    if (block_heads_unpack(data, size, &a, &heads, &count) == WEIR_OK) {
        struct block_column c;
        for (uint32_t i = 0; i < count; i++)
            (void)block_column_read(heads + (size_t)i * BLOCK_COLUMN_HEAD_SIZE, NULL, 0, &c, NULL);
        if (!block_heads_pack(heads, count, &packed) || !block_heads_packed(packed.length) ||
            block_heads_unpack(packed.bytes, packed.length, &a, &again, &more) != WEIR_OK ||
            more != count || memcmp(heads, again, (size_t)count * BLOCK_COLUMN_HEAD_SIZE) != 0)
            abort();
    }
    buffer_free(&packed);
    arena_free(&a);
    return 0;
}
