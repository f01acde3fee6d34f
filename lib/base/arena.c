/* arena.c - memory with one lifetime, in chunks that survive a reset.
 *
 *   chunks ─▶ [ current chunk ] ─▶ [ older ] ─▶ [ older ]      allocation bumps `used` of the first
 *
 * A new chunk is as large as all before it together (to CHUNK_MOST), so the list stays short and
 * the walk over it, done only when the current chunk is full, costs nothing that shows. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define CHUNK_LEAST ((size_t)64 << 10)
#define CHUNK_MOST  ((size_t)16 << 20)
#define LINE        64u

/* One cache line, so that what follows it is aligned. */
struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* octets after this header */
    size_t used;
    char pad[LINE - sizeof(void *) - 2 * sizeof(size_t)];
};
_Static_assert(sizeof(struct arena_chunk) == LINE, "what follows the header must be aligned");

static uint8_t *chunk_bytes(struct arena_chunk *chunk)
{
    return (uint8_t *)(chunk + 1);
}

static size_t align_up(size_t n, size_t alignment)
{
    return (n + alignment - 1) & ~(alignment - 1);
}

/* Room in this chunk for `size` octets at `alignment`? Sizes are bounded by arena_alloc(). */
static void *chunk_take(struct arena_chunk *chunk, size_t size, size_t alignment)
{
    size_t at = align_up(chunk->used, alignment);
    if (at > chunk->size || chunk->size - at < size)
        return NULL;
    chunk->used = at + size;
    ASAN_UNPOISON_MEMORY_REGION(chunk_bytes(chunk) + at, size);
    return chunk_bytes(chunk) + at;
}

static struct arena_chunk *chunk_add(struct arena *a, size_t size)
{
    size_t held = 0;
    for (const struct arena_chunk *c = a->chunks; c; c = c->next)
        held += c->size;
    size_t want = held < CHUNK_LEAST ? CHUNK_LEAST : held > CHUNK_MOST ? CHUNK_MOST : held;
    if (a->limit && want > a->limit - a->used)
        want = a->limit - a->used;
    want = align_up(want < size ? size : want, LINE);
    struct arena_chunk *chunk = aligned_alloc(LINE, sizeof *chunk + want);
    if (!chunk)
        return NULL;
    *chunk = (struct arena_chunk){.next = a->chunks, .size = want};
    ASAN_POISON_MEMORY_REGION(chunk_bytes(chunk), want);
    a->chunks = chunk;
    return chunk;
}

/* The current chunk is full: an older one with room becomes current, or a new one does. */
static void *take_elsewhere(struct arena *a, size_t size, size_t alignment)
{
    for (struct arena_chunk **link = &a->chunks; *link; link = &(*link)->next) {
        struct arena_chunk *chunk = *link;
        void *here = chunk_take(chunk, size, alignment);
        if (!here)
            continue;
        *link = chunk->next;
        chunk->next = a->chunks;
        a->chunks = chunk;
        return here;
    }
    struct arena_chunk *chunk = chunk_add(a, size);
    return chunk ? chunk_take(chunk, size, alignment) : NULL;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    if (a->limit && (a->used > a->limit || size > a->limit - a->used))
        return NULL;
    size_t alignment = size >= LINE ? LINE : 16;
    /* An empty request still gets an address of its own, so that NULL means only "no memory". */
    size_t take = size ? size : 1;
    void *here = a->chunks ? chunk_take(a->chunks, take, alignment) : NULL;
    if (!here)
        here = take_elsewhere(a, take, alignment);
    if (here)
        a->used += size;
    return here;
}

void *arena_zero(struct arena *a, size_t size)
{
    void *here = arena_alloc(a, size);
    return here ? memset(here, 0, size) : NULL;
}

char *arena_copy(struct arena *a, const void *bytes, size_t length)
{
    char *here = length < SIZE_MAX ? arena_alloc(a, length + 1) : NULL;
    if (!here)
        return NULL;
    if (length)
        memcpy(here, bytes, length);
    here[length] = '\0';
    return here;
}

char *arena_print(struct arena *a, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *here = length < 0 ? NULL : arena_alloc(a, (size_t)length + 1);
    if (here)
        (void)vsnprintf(here, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    return here;
}

void arena_reset(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks; c; c = c->next) {
        c->used = 0;
        ASAN_POISON_MEMORY_REGION(chunk_bytes(c), c->size);
    }
    a->used = 0;
}

void arena_free(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk_bytes(chunk), chunk->size);
        free(chunk);
    }
    a->used = 0;
}
