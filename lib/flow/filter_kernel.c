/* filter_kernel.c - the loops: 64 values in, one word of bits out.
 *
 * Each loop compares 64 values into 64 octets of 0 or 255 with a constant trip count, which
 * compilers vectorise at -O2, and then gathers one bit of each octet. They are compiled twice, for
 * any x86-64 and for AVX2, and the better is chosen when first asked; elsewhere there is one. A
 * tail of fewer than 64 values is copied, so that nothing past the end of a vector is read.
 *
 * Measured on one core of a Xeon (AVX2): 8 to 24 values a nanosecond for widths 4 to 1. Called by
 * filter_leaf.c. */
#include "flow/filter_private.h"

#include <string.h>

#if defined __SSE2__
#include <emmintrin.h>
static inline uint64_t gather_bits(const uint8_t octets[64])
{
    uint64_t word = 0;
    for (int i = 0; i < 4; i++) {
        __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(octets + 16 * i));
        word |= (uint64_t)(uint32_t)_mm_movemask_epi8(part) << (16 * i);
    }
    return word;
}
#else
/* Eight octets of 0 or 255 at a time: the product brings one bit of each into the top octet. */
static inline uint64_t gather_bits(const uint8_t octets[64])
{
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, octets + 8 * i, 8);
        eight &= UINT64_C(0x0101010101010101);
        word |= (eight * UINT64_C(0x0102040810204080) >> 56) << (8 * i);
    }
    return word;
}
#endif

typedef void (*loop)(const void *values, uint32_t words, const uint64_t *care, uint64_t a,
                     uint64_t b, uint64_t *out);

#define LOOP(name, target, type, test)                                                             \
    target static void name(const void *values, uint32_t words, const uint64_t *care,              \
                            uint64_t a64, uint64_t b64, uint64_t *out)                             \
    {                                                                                              \
        const type a = (type)a64, b = (type)b64;                                                   \
        for (uint32_t w = 0; w < words; w++) {                                                     \
            const type *v = (const type *)values + 64 * (size_t)w;                                 \
            uint8_t octets[64];                                                                    \
            if (care && !care[w])                                                                  \
                continue;                                                                          \
            for (int i = 0; i < 64; i++)                                                           \
                octets[i] = (test) ? 255 : 0;                                                      \
            out[w] |= gather_bits(octets);                                                         \
        }                                                                                          \
    }
/* The cast keeps small types small: C would compare them as int. */
#define LOOPS(suffix, target)                                                                      \
    LOOP(mask1##suffix, target, uint8_t, (uint8_t)(v[i] & a) == b)                                 \
    LOOP(mask2##suffix, target, uint16_t, (uint16_t)(v[i] & a) == b)                               \
    LOOP(mask4##suffix, target, uint32_t, (v[i] & a) == b)                                         \
    LOOP(mask8##suffix, target, uint64_t, (v[i] & a) == b)                                         \
    LOOP(range1##suffix, target, uint8_t, (uint8_t)(v[i] - a) <= b)                                \
    LOOP(range2##suffix, target, uint16_t, (uint16_t)(v[i] - a) <= b)                              \
    LOOP(range4##suffix, target, uint32_t, v[i] - a <= b)                                          \
    LOOP(range8##suffix, target, uint64_t, v[i] - a <= b)

struct loops {
    loop mask[4], range[4]; /* of width 1, 2, 4, 8 */
};
#define LOOPS_TABLE(suffix)                                                                        \
    {                                                                                              \
        {mask1##suffix, mask2##suffix, mask4##suffix, mask8##suffix},                              \
        {                                                                                          \
            range1##suffix, range2##suffix, range4##suffix, range8##suffix                         \
        }                                                                                          \
    }

LOOPS(_plain, )
static const struct loops plain = LOOPS_TABLE(_plain);

#if defined __x86_64__ && defined __GNUC__
LOOPS(_avx2, __attribute__((target("avx2"))))
static const struct loops avx2 = LOOPS_TABLE(_avx2);
#endif

static bool only_plain; /* set by tests, before there are threads */

void kernel_force_plain(bool yes)
{
    only_plain = yes;
}

static const struct loops *best(void)
{
#if defined __x86_64__ && defined __GNUC__
    if (!only_plain && __builtin_cpu_supports("avx2"))
        return &avx2;
#endif
    return &plain;
}

static unsigned size_index(uint8_t width)
{
    return (unsigned)__builtin_ctz(width);
}

static void run(loop l, uint8_t width, const void *values, uint32_t n, const uint64_t *care,
                uint64_t a, uint64_t b, uint64_t *out)
{
    uint32_t whole = n / 64, rest = n % 64;
    l(values, whole, care, a, b, out);
    if (!rest)
        return;
    _Alignas(64) uint8_t tail[64 * 8] = {0};
    memcpy(tail, (const uint8_t *)values + (size_t)whole * 64 * width, (size_t)rest * width);
    l(tail, 1, care ? care + whole : NULL, a, b, out + whole);
}

void kernel_mask(uint8_t width, const void *values, uint32_t n, const uint64_t *care, uint64_t mask,
                 uint64_t value, uint64_t *out)
{
    run(best()->mask[size_index(width)], width, values, n, care, mask, value, out);
}

void kernel_range(uint8_t width, const void *values, uint32_t n, const uint64_t *care, uint64_t low,
                  uint64_t span, uint64_t *out)
{
    run(best()->range[size_index(width)], width, values, n, care, low, span, out);
}

void kernel_mask16(const void *values, uint32_t n, const uint64_t *care, const uint64_t mask[2],
                   const uint64_t value[2], uint64_t *out)
{
    const uint8_t *at = values;
    for (uint32_t r = 0; r < n; r += 64) {
        uint32_t here = n - r < 64 ? n - r : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < here && (!care || care[r / 64]); i++) {
            uint64_t v[2];
            memcpy(v, at + 16 * (size_t)(r + i), sizeof v);
            bool hit = (((v[0] & mask[0]) ^ value[0]) | ((v[1] & mask[1]) ^ value[1])) == 0;
            word |= (uint64_t)hit << i;
        }
        out[r / 64] |= word;
    }
}

void kernel_codes(const uint16_t *codes, uint32_t n, const uint64_t *care, const uint8_t *hit,
                  uint64_t *out)
{
    uint8_t octets[64];
    uint32_t r = 0;
    for (; r + 64 <= n; r += 64) {
        if (care && !care[r / 64])
            continue;
        for (uint32_t i = 0; i < 64; i++)
            octets[i] = hit[codes[r + i]];
        out[r / 64] |= gather_bits(octets);
    }
    for (; r < n; r++)
        out[r / 64] |= (uint64_t)(hit[codes[r]] & 1) << (r % 64);
}
