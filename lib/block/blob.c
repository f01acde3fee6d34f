/* blob.c - octets, plain or through zstd: the entropy stage of the codecs, both ways. See codec.h.
 *
 *   u8 method, u32 stored length, that many octets */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticDCtx(): a context in the caller's arena */
#include "block/codec.h"
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* zstd must win at least this share, or the octets stay plain and cost no time to read. */
#define ZSTD_GAIN_LEAST(length) ((length) / 32 + 16)
#define LEVEL_THOROUGH 19

struct compressor {
    ZSTD_CCtx *context;
    int level;
    bool thorough;
};

struct compressor *compressor_new(int level)
{
    struct compressor *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->level = level;
    c->context = ZSTD_createCCtx();
    if (!c->context ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c->context, ZSTD_c_compressionLevel, level))) {
        compressor_free(c);
        return NULL;
    }
    return c;
}

void compressor_free(struct compressor *c)
{
    if (!c)
        return;
    ZSTD_freeCCtx(c->context);
    free(c);
}

void compressor_thorough(struct compressor *c, bool thorough)
{
    if (thorough != c->thorough)
        ZSTD_CCtx_setParameter(c->context, ZSTD_c_compressionLevel,
                               thorough ? LEVEL_THOROUGH : c->level);
    c->thorough = thorough;
}

static void put_head(struct buffer *out, size_t head, enum blob_method method, size_t stored)
{
    uint32_t length = (uint32_t)stored;
    out->bytes[head] = (uint8_t)method;
    memcpy(out->bytes + head + 1, &length, 4);
    out->length = head + 5 + stored;
}

void blob_write(struct compressor *c, const uint8_t *bytes, size_t length, struct buffer *out)
{
    size_t head = out->length;
    size_t room = ZSTD_compressBound(length);
    if (!buffer_extend(out, 5 + room))
        return;
    uint8_t *body = out->bytes + head + 5;
    if (length > 1 && memcmp(bytes, bytes + 1, length - 1) == 0) {
        body[0] = bytes[0];
        put_head(out, head, BLOB_REPEAT, 1);
        return;
    }
    size_t stored = length < 64 ? length : ZSTD_compress2(c->context, body, room, bytes, length);
    size_t gain = c->thorough ? 0 : ZSTD_GAIN_LEAST(length);
    if (length >= 64 && !ZSTD_isError(stored) && stored + gain < length) {
        put_head(out, head, BLOB_ZSTD, stored);
        return;
    }
    if (length)
        memcpy(body, bytes, length);
    put_head(out, head, BLOB_RAW, length);
}

static enum weir_status unzstd(struct decompressor *d, const uint8_t *bytes, size_t stored,
                               uint8_t *out, size_t length)
{
    if (ZSTD_getFrameContentSize(bytes, stored) != length)
        return WEIR_EMALFORMED;
    if (!d->context) {
        size_t size = ZSTD_estimateDCtxSize();
        void *memory = arena_alloc(d->arena, size);
        d->context = memory ? ZSTD_initStaticDCtx(memory, size) : NULL;
        if (!d->context)
            return WEIR_ENOMEM;
    }
    size_t got = ZSTD_decompressDCtx(d->context, out, length, bytes, stored);
    return ZSTD_isError(got) || got != length ? WEIR_EMALFORMED : WEIR_OK;
}

enum weir_status blob_read(struct decompressor *d, struct cursor *in, uint8_t *out, size_t length)
{
    uint8_t method = cursor_u8(in);
    uint32_t stored = cursor_u32_le(in);
    const uint8_t *bytes = cursor_bytes(in, stored);
    if (in->failed)
        return WEIR_ETRUNCATED;
    if (method == BLOB_ZSTD)
        return unzstd(d, bytes, stored, out, length);
    if (method == BLOB_REPEAT && stored == 1)
        memset(out, bytes[0], length);
    else if (method == BLOB_RAW && stored == length && length)
        memcpy(out, bytes, length);
    else if (method != BLOB_RAW || stored != length)
        return WEIR_EMALFORMED;
    return WEIR_OK;
}
