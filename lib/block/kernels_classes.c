/* kernels_classes.c - the loops of dictionaries in four classes, for any processor and for AVX2
 * with BMI2; see kernels_classes.h. Called through kernels.c's two sets by ordered.c. */
#include "block/kernels_classes.h"
#include "block/kernels.h"
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#endif
#define INLINE static inline __attribute__((always_inline))

INLINE void count4_body(const uint64_t *const planes[2], uint32_t words, uint32_t rows[4])
{
    uint64_t low = 0, high = 0, both = 0;
    for (uint32_t w = 0; w < words; w++) {
        uint64_t first = planes[0][w], second = planes[1] ? planes[1][w] : 0;
        low += (uint64_t)__builtin_popcountll(first);
        high += (uint64_t)__builtin_popcountll(second);
        both += (uint64_t)__builtin_popcountll(first & second);
    }
    rows[0] = (uint32_t)(64 * (uint64_t)words - low - high + both);
    rows[1] = (uint32_t)(low - both);
    rows[2] = (uint32_t)(high - both);
    rows[3] = (uint32_t)both;
}

void count4_plain(const uint64_t *const planes[2], uint32_t words, uint32_t rows[4])
{
    count4_body(planes, words, rows);
}

void unpack16_plain(const uint8_t *in, unsigned bits, uint16_t *out)
{
    uint16_t mask = (uint16_t)((1u << bits) - 1);
    for (size_t i = 0; i < PACK_GROUP; i++) {
        size_t bit = i * bits;
        out[i] = (uint16_t)(load_le64(in + (bit >> 3)) >> (bit & 7)) & mask;
    }
}

void merge4_plain(const uint64_t *const planes[2], const uint16_t *const parts[4], uint32_t count,
                  uint16_t *out)
{
    const uint16_t *next[4] = {parts[0], parts[1], parts[2], parts[3]};
    for (uint32_t first = 0; first < count; first += 64) {
        uint64_t low = planes[0][first / 64], high = planes[1][first / 64];
        uint32_t n = count - first < 64 ? count - first : 64;
        for (uint32_t i = 0; i < n; i++, low >>= 1, high >>= 1)
            *out++ = *next[(low & 1) | (high & 1) << 1]++;
    }
}

/* The next bits of a part, where its rows are; steps past them. */
INLINE uint64_t deposit_next(const uint64_t *part, uint64_t *at, uint64_t mask, bool wanted,
                             uint64_t (*deposit)(uint64_t, uint64_t))
{
    uint64_t from = *at;
    *at += (uint64_t)__builtin_popcountll(mask);
    return wanted ? deposit(bits_at(part, from), mask) : 0;
}

/* A part that is NULL is neither counted nor deposited: ranges of values seldom touch the classes
 * of few values, for which `rare_only` is a constant. */
INLINE void expand4_body(const uint64_t *const planes[2], const uint64_t *const parts[4],
                         const uint64_t *care, uint32_t words, uint64_t *out, bool rare_only,
                         uint64_t (*deposit)(uint64_t, uint64_t))
{
    const uint64_t *a = rare_only ? NULL : parts[0], *b = rare_only ? NULL : parts[1];
    const uint64_t *c = parts[2], *d = parts[3];
    uint64_t at[4] = {0};
    for (uint32_t w = 0; w < words; w++) {
        uint64_t low = planes[0][w], high = planes[1][w], all = 0;
        bool wanted = !care || care[w];
        if (a)
            all |= deposit_next(a, &at[0], ~(low | high), wanted, deposit);
        if (b)
            all |= deposit_next(b, &at[1], low & ~high, wanted, deposit);
        if (c)
            all |= deposit_next(c, &at[2], high & ~low, wanted, deposit);
        if (d)
            all |= deposit_next(d, &at[3], low & high, wanted, deposit);
        out[w] |= all;
    }
}

uint64_t deposit_plain(uint64_t value, uint64_t mask)
{
    uint64_t out = 0;
    for (; mask && value; mask &= mask - 1, value >>= 1)
        out |= (mask & (0 - mask)) & (0 - (value & 1));
    return out;
}

void expand4_plain(const uint64_t *const planes[2], const uint64_t *const parts[4],
                   const uint64_t *care, uint32_t words, uint64_t *out)
{
    expand4_body(planes, parts, care, words, out, false, deposit_plain);
}

#if defined(__x86_64__)
/* ---- numbers of whole half octets: no lane holds more than 16 bits ---- */

TARGET_AVX2 static void unpack_4(const uint8_t *in, uint16_t *out)
{
    const __m128i nibble = _mm_set1_epi8(15);
    for (unsigned i = 0; i < PACK_GROUP; i += 32, in += 16) {
        __m128i both = _mm_loadu_si128((const __m128i *)(const void *)in);
        __m128i even = _mm_and_si128(both, nibble);
        __m128i odd = _mm_and_si128(_mm_srli_epi16(both, 4), nibble);
        __m256i *to = (__m256i *)(void *)(out + i);
        _mm256_storeu_si256(to, _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(even, odd)));
        _mm256_storeu_si256(to + 1, _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(even, odd)));
    }
}

TARGET_AVX2 static void unpack_8(const uint8_t *in, uint16_t *out)
{
    for (unsigned i = 0; i < PACK_GROUP; i += 16) {
        __m128i octets = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        _mm256_storeu_si256((__m256i *)(void *)(out + i), _mm256_cvtepu8_epi16(octets));
    }
}

/* Eight numbers are twelve octets; every second one starts in the middle of an octet. */
TARGET_AVX2 static void unpack_12(const uint8_t *in, uint16_t *out)
{
    const __m256i places = _mm256_setr_epi8(0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11, 0, 1,
                                            1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11);
    const __m256i mask = _mm256_set1_epi16(0xfff);
    for (unsigned i = 0; i < PACK_GROUP; i += 16, in += 24) {
        __m128i low = _mm_loadu_si128((const __m128i *)(const void *)in);
        __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(in + 12));
        __m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), places);
        v = _mm256_blend_epi16(_mm256_and_si256(v, mask), _mm256_srli_epi16(v, 4), 0xaa);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), v);
    }
}

static void unpack_16(const uint8_t *in, uint16_t *out)
{
    memcpy(out, in, PACK_GROUP * sizeof *out);
}

TARGET_AVX2 void unpack16_avx2(const uint8_t *in, unsigned bits, uint16_t *out)
{
    static void (*const whole[5])(const uint8_t *, uint16_t *) = {NULL, unpack_4, unpack_8,
                                                                           unpack_12, unpack_16};
    uint32_t values[PACK_GROUP];
    if (bits && bits % 4 == 0) {
        whole[bits / 4](in, out);
        return;
    }
    kernels_avx2.unpack32(in, bits, values);
    kernels_avx2.store32[1](values, 0, out);
}

/* ---- four parts become one ---- */

/* For each way in which eight rows can be of a class: the shuffle that brings the class's next
 * numbers to those rows and zeros to the others. */
TARGET_AVX2 static void shuffles_of(__m128i shuffles[256])
{
    for (unsigned rows = 0; rows < 256; rows++) {
        /* 64 + n to the n-th row that is set, and the 64 away from it and to those that are not;
         * doubled it has the high bit, which asks for zero. */
        uint64_t octets = _pdep_u64(rows, UINT64_C(0x0101010101010101)) * 0xff;
        uint64_t places = _pdep_u64(UINT64_C(0x4746454443424140), octets) ^
                          UINT64_C(0x4040404040404040);
        __m128i wide = _mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)places));
        wide = _mm_mullo_epi16(wide, _mm_set1_epi16(0x0202));
        shuffles[rows] = _mm_add_epi16(wide, _mm_set1_epi16(0x0100));
    }
}

/* The next of a part, spread over eight rows; steps past those taken. */
TARGET_AVX2 INLINE __m128i spread(const __m128i shuffles[256], const uint16_t **part, uint64_t mask)
{
    __m128i next = _mm_loadu_si128((const __m128i *)(const void *)*part);
    *part += __builtin_popcountll(mask);
    return _mm_shuffle_epi8(next, shuffles[mask]);
}

TARGET_AVX2 void merge4_avx2(const uint64_t *const planes[2], const uint16_t *const parts[4],
                             uint32_t count, uint16_t *out)
{
    __m128i shuffles[256];
    const uint16_t *a = parts[0], *b = parts[1], *c = parts[2], *d = parts[3];
    uint32_t row = 0;
    shuffles_of(shuffles);
    while (row + 8 <= count) {
        uint64_t low = planes[0][row / 64], high = planes[1][row / 64];
        uint64_t neither = ~(low | high), both = low & high;
        low ^= both;
        high ^= both;
        uint32_t end = count - row < 64 ? row + (count - row) / 8 * 8 : row + 64;
        for (unsigned shift = 0; row < end; row += 8, shift += 8) {
            __m128i x = spread(shuffles, &a, neither >> shift & 255);
            __m128i y = spread(shuffles, &b, low >> shift & 255);
            x = _mm_or_si128(x, spread(shuffles, &c, high >> shift & 255));
            y = _mm_or_si128(y, spread(shuffles, &d, both >> shift & 255));
            _mm_storeu_si128((__m128i *)(void *)(out + row), _mm_or_si128(x, y));
        }
    }
    const uint16_t *next[4] = {a, b, c, d};
    for (; row < count; row++) {
        uint64_t low = planes[0][row / 64] >> (row % 64), high = planes[1][row / 64] >> (row % 64);
        out[row] = *next[(low & 1) | (high & 1) << 1]++;
    }
}

TARGET_AVX2 void count4_avx2(const uint64_t *const planes[2], uint32_t words, uint32_t rows[4])
{
    count4_body(planes, words, rows);
}

TARGET_AVX2 static uint64_t deposit_avx2(uint64_t value, uint64_t mask)
{
    return _pdep_u64(value, mask);
}

TARGET_AVX2 void expand4_avx2(const uint64_t *const planes[2], const uint64_t *const parts[4],
                              const uint64_t *care, uint32_t words, uint64_t *out)
{
    if (parts[0] || parts[1])
        expand4_body(planes, parts, care, words, out, false, deposit_avx2);
    else
        expand4_body(planes, parts, care, words, out, true, deposit_avx2);
}
#else
void unpack16_avx2(const uint8_t *in, unsigned bits, uint16_t *out)
{
    unpack16_plain(in, bits, out);
}

void count4_avx2(const uint64_t *const planes[2], uint32_t words, uint32_t rows[4])
{
    count4_plain(planes, words, rows);
}

void merge4_avx2(const uint64_t *const planes[2], const uint16_t *const parts[4], uint32_t count,
                 uint16_t *out)
{
    merge4_plain(planes, parts, count, out);
}

void expand4_avx2(const uint64_t *const planes[2], const uint64_t *const parts[4],
                  const uint64_t *care, uint32_t words, uint64_t *out)
{
    expand4_plain(planes, parts, care, words, out);
}
#endif
