/* arena.h - memory with one lifetime: a request's, a block's.
 *
 * Everything allocated from an arena is freed together by arena_reset() (memory kept for the next
 * round) or arena_free(). Alignment is 64 octets for requests of 64 and more, else 16. Nothing is
 * initialised except by arena_zero(). A `limit` bounds what the arena may hold; past it, and when
 * memory ends, the result is NULL.
 *
 * Threads: an arena belongs to one thread. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    size_t used;  /* octets handed out since the last reset */
    size_t limit; /* 0: no limit */
};

void *arena_alloc(struct arena *a, size_t size);
void *arena_zero(struct arena *a, size_t size);
char *arena_copy(struct arena *a, const void *bytes, size_t length); /* with a '\0' after it */
char *arena_print(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#endif
