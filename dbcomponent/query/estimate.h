/* estimate.h - raw counts times sampling rate, exactly. Private to dbcomponent/query.
 *
 * An estimate is the sum over records of count times sampling rate, rounded once, at the end. The
 * rate is taken as a multiple of 2^-24 and the sum kept in 128 bits, so it does not depend on the
 * order of additions, and roll-ups and blocks give the same. A rate that no sampling can have
 * (below one in 2^24, past one in 2^32, not a number) counts as unknown. */
#ifndef WEIR_QUERY_ESTIMATE_H
#define WEIR_QUERY_ESTIMATE_H

#include "store.h"

typedef unsigned __int128 u128;
#define RATE_FRACTION 24
#define RATE_MOST 4294967296.0
#define ESTIMATE_WORDS 6u /* three u128 behind a record's words */

struct estimate {
    u128 of[3]; /* octets, packets, flows, times 2^RATE_FRACTION */
};
_Static_assert(sizeof(struct estimate) == ESTIMATE_WORDS * sizeof(uint64_t),
               "room for an estimate");

/* Multiples of 2^-24; 0: unknown. */
static inline uint64_t fixed_rate(double rate)
{
    if (!(rate > 0) || rate > RATE_MOST)
        return 0;
    return (uint64_t)(rate * (1 << RATE_FRACTION) + 0.5);
}

static inline uint64_t estimate_rounded(u128 estimate)
{
    u128 value = (estimate + (1u << (RATE_FRACTION - 1))) >> RATE_FRACTION;
    return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static inline void estimate_add(struct estimate *e, struct counts sums, uint64_t rate)
{
    uint64_t times = rate ? rate : UINT64_C(1) << RATE_FRACTION;
    e->of[0] += (u128)sums.octets * times;
    e->of[1] += (u128)sums.packets * times;
    e->of[2] += (u128)sums.flows * times;
}

static inline struct counts estimate_counts(const struct estimate *e)
{
    return (struct counts){.octets = estimate_rounded(e->of[0]),
                           .packets = estimate_rounded(e->of[1]),
                           .flows = estimate_rounded(e->of[2])};
}

#endif
