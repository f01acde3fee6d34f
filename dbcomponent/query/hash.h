/* hash.h - the hash of a group's words, as groups.c and dense.c use it. Private to query.
 *
 * Seeded at random, since who sends flows chooses the keys. The high bits are the good ones: slots
 * and parts are cut from them. Another seed gives a hash that knows nothing of the first. */
#ifndef WEIR_QUERY_HASH_H
#define WEIR_QUERY_HASH_H

#include <stdbool.h>
#include <stdint.h>

static inline __attribute__((always_inline)) uint64_t hash_mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0xd6e8feb86659fd93);
    return (h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline __attribute__((always_inline)) uint64_t hash_of_words(uint64_t seed,
                                                                    const uint64_t *words,
                                                                    unsigned count)
{
    for (unsigned w = 0; w < count; w++)
        seed = hash_mix(seed, words[w]);
    return seed;
}

static inline __attribute__((always_inline)) bool same_words(const uint64_t *a, const uint64_t *b,
                                                             unsigned count)
{
    for (unsigned w = 0; w < count; w++)
        if (a[w] != b[w])
            return false;
    return true;
}

#endif
