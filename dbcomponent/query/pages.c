/* pages.c - see pages.h. */
#include "query/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *pages_take(size_t octets)
{
    if (octets < PAGES_HUGE) {
        void *memory = aligned_alloc(64, (octets + 63) & ~(size_t)63);
        return memory ? memset(memory, 0, octets) : NULL;
    }
    uint8_t *memory = mmap(NULL, octets + PAGES_HUGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)memory & (PAGES_HUGE - 1);
    if (before)
        munmap(memory, before);
    size_t after = PAGES_HUGE - before, kept = (octets + 4095) & ~(size_t)4095;
    if (after > kept - octets)
        munmap(memory + before + kept, after - (kept - octets));
    (void)madvise(memory + before, kept, MADV_HUGEPAGE);
    return memory + before;
}

void pages_give(void *memory, size_t octets)
{
    if (octets < PAGES_HUGE)
        free(memory);
    else if (memory)
        munmap(memory, (octets + 4095) & ~(size_t)4095);
}
