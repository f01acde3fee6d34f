/* unchanged.c - see unchanged.h. Used by merge.c. */
#include "store/unchanged.h"
#include <string.h>

#define BYTES_MOST 17u /* of a constant, a codec in front of it */

/* By the directory alone: every row has it, and as many octets as a constant has. */
static bool may_stay(const struct block_record *b, const struct block_column *c)
{
    if (c->present_rows != c->rows || c->width == 0 || c->length > BYTES_MOST)
        return false;
    if (c->codec == CODEC_CONSTANT)
        return true;
    uint32_t base = c->codec == CODEC_RELATIVE ? block_place(b, c->base) : UINT32_MAX;
    return base != UINT32_MAX && c->length == 1u + c->width &&
           b->columns[base].present_rows == b->columns[base].rows;
}

static bool same_shape(const struct block_column *a, const struct block_column *b)
{
    return a->width == b->width && a->codec == b->codec && a->base == b->base &&
           a->length == b->length && a->crc == b->crc;
}

static void widen_bounds(struct block_column *c, const struct block_column *by)
{
    c->rows += by->rows;
    c->present_rows += by->present_rows;
    c->least = by->least < c->least ? by->least : c->least;
    c->most = by->most > c->most ? by->most : c->most;
}

enum weir_status unchanged_find(struct sql *sql, const struct block_record *blocks, size_t count,
                                ie_key key, struct arena *a, struct arena *scratch,
                                struct block_column *out, bool *found, struct weir_error *error)
{
    *found = false;
    for (size_t i = 0; i < count; i++) {
        uint32_t place = block_place(&blocks[i], key);
        const struct block_column *c = place == UINT32_MAX ? NULL : &blocks[i].columns[place];
        if (!c || !may_stay(&blocks[i], c) || (i && !same_shape(c, out)))
            return WEIR_OK;
        struct block_column loaded = *c;
        enum weir_status status = block_column_load(sql, blocks[i].head.rowid, place, &loaded,
                                                    i ? scratch : a, error);
        if (status != WEIR_OK)
            return status;
        if (i == 0) {
            *out = loaded;
            if (c->codec == CODEC_RELATIVE && out->bytes[0] != CODEC_CONSTANT)
                return WEIR_OK;
        } else if (memcmp(loaded.bytes, out->bytes, c->length) != 0) {
            return WEIR_OK;
        } else {
            widen_bounds(out, c);
        }
    }
    *found = count > 0;
    return WEIR_OK;
}
