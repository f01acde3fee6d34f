/* wide.h - sums of counters that may exceed a u64: exact, and written in full.
 *
 * 128 bits with a sign hold 2^63 addends of the largest u64, or their difference; no program adds
 * so many. */
#ifndef WEIR_BASE_WIDE_H
#define WEIR_BASE_WIDE_H

#include <stdint.h>

typedef __int128 wide_sum;

/* high times 2^64 and low: how a sum is kept where its low half is used alone. */
static inline wide_sum wide_join(int64_t high, uint64_t low)
{
    return (wide_sum)high * ((wide_sum)1 << 64) + low;
}

#define WIDE_TEXT_SIZE 41 /* a sign, 39 digits, '\0' */
/* Decimal, into `out`, which is returned. */
char *wide_print(wide_sum sum, char out[static WIDE_TEXT_SIZE]);

#endif
