/* squeeze.c - the values of rows that have an element, one after the other, see codec.h. Used by
 * encode.c; column.c scatters them again. */
#include "block/codec.h"
#include <string.h>

static inline __attribute__((always_inline)) void squeeze(uint8_t *restrict to, const uint8_t *from,
                                                          size_t size, const uint64_t *present,
                                                          uint32_t rows)
{
    for (uint32_t first = 0; first < rows; first += 64, from += 64 * size) {
        uint64_t bits = present[first / 64];
        if (bits == ~UINT64_C(0)) {
            memcpy(to, from, 64 * size);
            to += 64 * size;
            continue;
        }
        for (; bits; bits &= bits - 1, to += size)
            memcpy(to, from + (size_t)__builtin_ctzll(bits) * size, size);
    }
}

void squeeze_values(void *to, const void *from, size_t size, const uint64_t *present,
                           uint32_t rows)
{
    switch (size) {
    case 1:
        squeeze(to, from, 1, present, rows);
        return;
    case 2:
        squeeze(to, from, 2, present, rows);
        return;
    case 4:
        squeeze(to, from, 4, present, rows);
        return;
    case 8:
        squeeze(to, from, 8, present, rows);
        return;
    default:
        squeeze(to, from, 16, present, rows);
        return;
    }
}
