/* kernels_pack.c - numbers into bits, and which of them have more bits than that, see kernels.h.
 * Compiled twice like kernels.c; called by packed.c and ordered_write.c. */
#include "block/kernels.h"
#include "block/kernels_target.h"

/* ---- packing ---- */
struct writer {
    uint8_t *out;
    uint64_t word;
    unsigned fill; /* bits of `word` in use, < 64 */
};

INLINE void write_bits(struct writer *w, uint64_t value, unsigned bits)
{
    w->word |= value << w->fill;
    unsigned fill = w->fill + bits;
    if (fill >= 64) {
        __builtin_memcpy(w->out, &w->word, 8);
        w->out += 8;
        fill -= 64;
        w->word = fill ? value >> (bits - fill) : 0;
    }
    w->fill = fill;
}

/* Two, four or eight values as one of so many bits, as a tree: no step waits for more than two
 * others. */
INLINE uint64_t join_2(const uint64_t *v, unsigned bits)
{
    return v[0] | v[1] << bits;
}

INLINE uint64_t join_4(const uint64_t *v, unsigned bits)
{
    return join_2(v, bits) | join_2(v + 2, bits) << 2 * bits;
}

INLINE uint64_t join_8(const uint64_t *v, unsigned bits)
{
    return join_4(v, bits) | join_4(v + 4, bits) << 4 * bits;
}

/* `join` values become one of join * bits <= 64 bits first: fewer steps of the serial writer. */
INLINE unsigned write_joined(struct writer *w, const uint64_t *values, unsigned count,
                             unsigned bits, unsigned join)
{
    unsigned i = 0;
    for (; i + join <= count; i += join) {
        const uint64_t *v = values + i;
        write_bits(w, join == 8 ? join_8(v, bits) : join == 4 ? join_4(v, bits) : join_2(v, bits),
                   join * bits);
    }
    return i;
}

INLINE uint8_t *pack(const uint64_t *values, unsigned count, unsigned bits, uint8_t *out)
{
    struct writer w = {.out = out};
    unsigned done = 0;
    if (bits == 0)
        return out;
    if (bits <= 8)
        done = write_joined(&w, values, count, bits, 8);
    else if (bits <= 16)
        done = write_joined(&w, values, count, bits, 4);
    else if (bits <= 32)
        done = write_joined(&w, values, count, bits, 2);
    for (; done < count; done++)
        write_bits(&w, values[done], bits);
    __builtin_memcpy(w.out, &w.word, 8);
    return out + packed_size(count, bits);
}

static uint8_t *pack_plain(const uint64_t *values, unsigned count, unsigned bits, uint8_t *out)
{
    return pack(values, count, bits, out);
}

/* Its shifts need no flags: a third of the steps. */
TARGET_AVX2 static uint8_t *pack_avx2(const uint64_t *values, unsigned count, unsigned bits,
                                      uint8_t *out)
{
    return pack(values, count, bits, out);
}

uint8_t *pack_bits(const uint64_t *values, unsigned count, unsigned bits, uint8_t *out)
{
    return kernels_best() == &kernels_avx2 ? pack_avx2(values, count, bits, out)
                                           : pack_plain(values, count, bits, out);
}

/* ---- exceptions ---- */
static void find_above_plain(const uint64_t *values, unsigned bits, uint64_t *out)
{
    for (unsigned w = 0; w < PACK_GROUP / 64; w++, values += 64) {
        uint64_t word = 0;
        for (unsigned i = 0; i < 64; i++)
            word |= (uint64_t)(values[i] >> bits != 0) << i;
        out[w] = word;
    }
}

#if defined(__x86_64__)
TARGET_AVX2 static void find_above_avx2(const uint64_t *values, unsigned bits, uint64_t *out)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m128i shift = _mm_cvtsi32_si128((int)bits);
    for (unsigned w = 0; w < PACK_GROUP / 64; w++, values += 64) {
        uint64_t word = 0;
        for (unsigned i = 0; i < 64; i += 4) {
            const void *at = values + i;
            __m256i high = _mm256_srl_epi64(_mm256_loadu_si256(at), shift);
            __m256d none = _mm256_castsi256_pd(_mm256_cmpeq_epi64(high, zero));
            word |= (uint64_t)(~_mm256_movemask_pd(none) & 15) << i;
        }
        out[w] = word;
    }
}
#else
#define find_above_avx2 find_above_plain
#endif

void find_above(const uint64_t *values, unsigned bits, uint64_t out[PACK_GROUP / 64])
{
    if (kernels_best() == &kernels_avx2)
        find_above_avx2(values, bits, out);
    else
        find_above_plain(values, bits, out);
}
