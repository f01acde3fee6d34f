/* octet_heap.c - see octet_heap.h. Neighbour: batch.c, whose columns point into it. */
#include "flow/octet_heap.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST (16u << 10)
#define CHUNK (1u << 20)
#define SPARE_MOST (4u << 20)
#define HEAP_MOST (256u << 20)

struct octet_chunk {
    struct octet_chunk *before;
    size_t used, size;
    uint8_t bytes[];
};

static void keep_spare(struct octet_heap *h, struct octet_chunk *chunk)
{
    if (h->spare_octets + chunk->size > SPARE_MOST) {
        free(chunk);
        return;
    }
    h->spare_octets += chunk->size;
    chunk->before = h->spare;
    h->spare = chunk;
}

void octet_heap_return(struct octet_heap *h, struct octet_mark mark)
{
    while (h->top && h->top != mark.chunk) {
        struct octet_chunk *top = h->top;
        h->top = top->before;
        h->octets -= top->size;
        keep_spare(h, top);
    }
    if (h->top)
        h->top->used = mark.used;
}

struct octet_mark octet_heap_mark(const struct octet_heap *h)
{
    return (struct octet_mark){h->top, h->top ? h->top->used : 0};
}

static struct octet_chunk *take_spare(struct octet_heap *h, size_t size)
{
    struct octet_chunk *chunk = h->spare;
    if (!chunk || chunk->size < size)
        return NULL;
    h->spare = chunk->before;
    h->spare_octets -= chunk->size;
    return chunk;
}

static bool grow(struct octet_heap *h, size_t length)
{
    size_t size = h->top ? CHUNK : CHUNK_FIRST;
    if (size < length)
        size = length;
    struct octet_chunk *chunk = take_spare(h, size);
    if (!chunk && (chunk = malloc(sizeof *chunk + size)))
        chunk->size = size;
    if (!chunk)
        return false;
    chunk->before = h->top;
    chunk->used = 0;
    h->top = chunk;
    h->octets += chunk->size;
    return true;
}

enum weir_status octet_heap_put(struct octet_heap *h, const void *bytes, uint32_t length,
                                const uint8_t **kept)
{
    struct octet_chunk *chunk = h->top;
    *kept = NULL;
    if (!length)
        return WEIR_OK;
    if (!chunk || chunk->size - chunk->used < length) {
        if (h->octets + (length > CHUNK ? length : CHUNK) > HEAP_MOST)
            return WEIR_ELIMIT;
        if (!grow(h, length))
            return WEIR_ENOMEM;
        chunk = h->top;
    }
    memcpy(chunk->bytes + chunk->used, bytes, length);
    *kept = chunk->bytes + chunk->used;
    chunk->used += length;
    return WEIR_OK;
}

void octet_heap_free(struct octet_heap *h)
{
    octet_heap_return(h, (struct octet_mark){0});
    while (h->spare) {
        struct octet_chunk *before = h->spare->before;
        free(h->spare);
        h->spare = before;
    }
    h->spare_octets = 0;
}
