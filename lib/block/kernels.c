/* kernels.c - the inner loops of the codecs, written once and compiled twice: for any processor,
 * and for AVX2. Only unpacking has a vector path of its own. See kernels.h; called by packed.c,
 * relative.c and the column codecs. Packing is kernels_pack.c's. */
#include "block/kernels.h"
#include "block/kernels_classes.h"
#include "block/kernels_target.h"
/* Values a step: a constant, so that compilers make vectors of the loop; and few enough for them to
 * stay in registers. */
#define LANES(type) (128 / sizeof(type))

static inline uint64_t low_mask(unsigned bits)
{
    return bits >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << bits) - 1;
}

/* ---- unpacking, plain ---- */
static void unpack32_plain(const uint8_t *in, unsigned bits, uint32_t *out)
{
    uint32_t mask = (uint32_t)low_mask(bits);
    for (size_t i = 0; i < PACK_GROUP; i++) {
        size_t bit = i * bits;
        out[i] = (uint32_t)(load_le64(in + (bit >> 3)) >> (bit & 7)) & mask;
    }
}

static void unpack64_plain(const uint8_t *in, unsigned bits, uint64_t *out)
{
    uint64_t mask = low_mask(bits);
    if (bits <= 56)
        for (size_t i = 0; i < PACK_GROUP; i++)
            out[i] = (load_le64(in + (i * bits >> 3)) >> (i * bits & 7)) & mask;
    else
        for (size_t i = 0; i < PACK_GROUP; i++)
            out[i] = packed_value(in, i, bits);
}

/* ---- conversions: bodies that both sets are made of ---- */
#define STORE_BODY(name, from, to)                                                                 \
    INLINE void name(const from *restrict in, uint64_t add, void *restrict out)                    \
    {                                                                                              \
        to *restrict o = out;                                                                      \
        for (unsigned i = 0; i < PACK_GROUP; i++)                                                  \
            o[i] = (to)((to)in[i] + (to)add);                                                      \
    }
STORE_BODY(store32_1, uint32_t, uint8_t)
STORE_BODY(store32_2, uint32_t, uint16_t)
STORE_BODY(store32_4, uint32_t, uint32_t)
STORE_BODY(store32_8, uint32_t, uint64_t)
STORE_BODY(store64_1, uint64_t, uint8_t)
STORE_BODY(store64_2, uint64_t, uint16_t)
STORE_BODY(store64_4, uint64_t, uint32_t)
STORE_BODY(store64_8, uint64_t, uint64_t)

#define LOAD_BODY(name, type)                                                                      \
    INLINE void name(const void *restrict in, uint64_t subtract, uint64_t *restrict out)           \
    {                                                                                              \
        const type *v = in;                                                                        \
        for (unsigned i = 0; i < PACK_GROUP; i++)                                                  \
            out[i] = (type)(v[i] - (type)subtract);                                                \
    }
LOAD_BODY(load_1, uint8_t)
LOAD_BODY(load_2, uint16_t)
LOAD_BODY(load_4, uint32_t)
LOAD_BODY(load_8, uint64_t)

#define RANGE_BODY(name, type)                                                                     \
    INLINE void name(const void *values, size_t count, uint64_t *least, uint64_t *most)            \
    {                                                                                              \
        const type *v = values;                                                                    \
        type lo[LANES(type)], hi[LANES(type)];                                                     \
        for (unsigned j = 0; j < LANES(type); j++)                                                 \
            lo[j] = hi[j] = v[0];                                                                  \
        size_t i = 0;                                                                              \
        for (; i + LANES(type) <= count; i += LANES(type))                                         \
            for (unsigned j = 0; j < LANES(type); j++) {                                           \
                lo[j] = v[i + j] < lo[j] ? v[i + j] : lo[j];                                       \
                hi[j] = v[i + j] > hi[j] ? v[i + j] : hi[j];                                       \
            }                                                                                      \
        for (; i < count; i++) {                                                                   \
            lo[0] = v[i] < lo[0] ? v[i] : lo[0];                                                   \
            hi[0] = v[i] > hi[0] ? v[i] : hi[0];                                                   \
        }                                                                                          \
        for (unsigned j = 1; j < LANES(type); j++) {                                               \
            lo[0] = lo[j] < lo[0] ? lo[j] : lo[0];                                                 \
            hi[0] = hi[j] > hi[0] ? hi[j] : hi[0];                                                 \
        }                                                                                          \
        *least = lo[0];                                                                            \
        *most = hi[0];                                                                             \
    }
RANGE_BODY(range_1, uint8_t)
RANGE_BODY(range_2, uint16_t)
RANGE_BODY(range_4, uint32_t)
RANGE_BODY(range_8, uint64_t)

#define REBASE_BODY(name, type, other)                                                             \
    INLINE void name(const void *a, const void *b, size_t count, void *restrict out)               \
    {                                                                                              \
        const type *va = a;                                                                        \
        const other *vb = b;                                                                       \
        type *restrict o = out;                                                                    \
        size_t i = 0;                                                                              \
        for (; i + LANES(type) <= count; i += LANES(type))                                         \
            for (unsigned j = 0; j < LANES(type); j++)                                             \
                o[i + j] = (type)((type)vb[i + j] - va[i + j]);                                    \
        for (; i < count; i++)                                                                     \
            o[i] = (type)((type)vb[i] - va[i]);                                                    \
    }
#define REBASE_ROW(X)                                                                              \
    X(1, 1, uint8_t, uint8_t)                                                                      \
    X(1, 2, uint8_t, uint16_t) X(1, 4, uint8_t, uint32_t) X(1, 8, uint8_t, uint64_t)               \
        X(2, 1, uint16_t, uint8_t) X(2, 2, uint16_t, uint16_t) X(2, 4, uint16_t, uint32_t)         \
            X(2, 8, uint16_t, uint64_t) X(4, 1, uint32_t, uint8_t) X(4, 2, uint32_t, uint16_t)     \
                X(4, 4, uint32_t, uint32_t) X(4, 8, uint32_t, uint64_t) X(8, 1, uint64_t, uint8_t) \
                    X(8, 2, uint64_t, uint16_t) X(8, 4, uint64_t, uint32_t)                        \
                        X(8, 8, uint64_t, uint64_t)
#define REBASE_DEFINE(a, b, ta, tb) REBASE_BODY(rebase_##a##_##b, ta, tb)
REBASE_ROW(REBASE_DEFINE)

#define MERGE_BODY(name, type)                                                                     \
    INLINE void name(const uint64_t *bits, const void *common, const void *rare, uint32_t count,   \
                     void *out)                                                                    \
    {                                                                                              \
        const type *c = common, *r = rare;                                                         \
        type *o = out;                                                                             \
        for (uint32_t first = 0; first < count; first += 64) {                                     \
            uint64_t word = bits[first / 64];                                                      \
            uint32_t n = count - first < 64 ? count - first : 64;                                  \
            for (uint32_t i = 0; i < n; i++, word >>= 1) {                                         \
                size_t hit = word & 1;                                                             \
                const type *from = hit ? c : r;                                                    \
                *o++ = *from;                                                                      \
                c += hit;                                                                          \
                r += 1 - hit;                                                                      \
            }                                                                                      \
        }                                                                                          \
    }
MERGE_BODY(merge_1, uint8_t)
MERGE_BODY(merge_2, uint16_t)
MERGE_BODY(merge_4, uint32_t)
MERGE_BODY(merge_8, uint64_t)

static uint64_t sum32_plain(const uint32_t *values, const uint64_t *selected)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < PACK_GROUP; i++)
        total += values[i] & (0 - (selected[i / 64] >> (i % 64) & 1));
    return total;
}

INLINE uint16_t most_code_body(const uint16_t *codes, size_t count)
{
    uint16_t hi[LANES(uint16_t)] = {0};
    size_t i = 0;
    for (; i + LANES(uint16_t) <= count; i += LANES(uint16_t))
        for (unsigned j = 0; j < LANES(uint16_t); j++)
            hi[j] = codes[i + j] > hi[j] ? codes[i + j] : hi[j];
    for (; i < count; i++)
        hi[0] = codes[i] > hi[0] ? codes[i] : hi[0];
    for (unsigned j = 1; j < LANES(uint16_t); j++)
        hi[0] = hi[j] > hi[0] ? hi[j] : hi[0];
    return hi[0];
}

#define MATCH_BODY(name, type)                                                                     \
    INLINE void name(const void *numbers, type low, type span, uint64_t *out)                      \
    {                                                                                              \
        const uint8_t *at = numbers;                                                               \
        for (unsigned w = 0; w < PACK_GROUP / 64; w++) {                                           \
            uint64_t word = 0;                                                                     \
            for (unsigned i = 0; i < 64; i++, at += sizeof(type)) {                                \
                type number;                                                                       \
                __builtin_memcpy(&number, at, sizeof number);                                      \
                word |= (uint64_t)((type)(number - low) <= span) << i;                             \
            }                                                                                      \
            out[w] = word;                                                                         \
        }                                                                                          \
    }
MATCH_BODY(match8_body, uint8_t)
MATCH_BODY(match16_body, uint16_t)

INLINE void expand_body(const uint64_t *bits, const uint64_t *common, const uint64_t *rare,
                        const uint64_t *care, uint32_t words, uint64_t *out,
                        uint64_t (*deposit)(uint64_t, uint64_t))
{
    uint64_t in_common = 0;
    for (uint32_t w = 0; w < words; w++) {
        uint64_t in_rare = 64 * (uint64_t)w - in_common;
        if (!care || care[w]) {
            uint64_t all = common ? deposit(bits_at(common, in_common), bits[w]) : 0;
            out[w] |= all | (rare ? deposit(bits_at(rare, in_rare), ~bits[w]) : 0);
        }
        in_common += (uint64_t)__builtin_popcountll(bits[w]);
    }
}

/* ---- a set: the bodies above, compiled for one target ---- */
#define SET_STORE(set, target, bits, w, from)                                                      \
    target static void set##_store##bits##_##w(const from *in, uint64_t add, void *out)            \
    {                                                                                              \
        store##bits##_##w(in, add, out);                                                           \
    }
#define SET_WIDTH(set, target, w)                                                                  \
    SET_STORE(set, target, 32, w, uint32_t)                                                        \
    SET_STORE(set, target, 64, w, uint64_t)                                                        \
    target static void set##_load_##w(const void *in, uint64_t subtract, uint64_t *out)            \
    {                                                                                              \
        load_##w(in, subtract, out);                                                               \
    }                                                                                              \
    target static void set##_range_##w(const void *v, size_t n, uint64_t *least, uint64_t *most)   \
    {                                                                                              \
        range_##w(v, n, least, most);                                                              \
    }
#define SET_MERGE(set, target, w)                                                                  \
    target static void set##_merge_##w(const uint64_t *bits, const void *common, const void *rare, \
                                       uint32_t count, void *out)                                  \
    {                                                                                              \
        merge_##w(bits, common, rare, count, out);                                                 \
    }
#define SET_REBASE(set, target, a, b)                                                              \
    target static void set##_rebase_##a##_##b(const void *va, const void *vb, size_t n, void *o)   \
    {                                                                                              \
        rebase_##a##_##b(va, vb, n, o);                                                            \
    }
#define SET_REBASES(set, target, a)                                                                \
    SET_REBASE(set, target, a, 1)                                                                  \
    SET_REBASE(set, target, a, 2)                                                                  \
    SET_REBASE(set, target, a, 4)                                                                  \
    SET_REBASE(set, target, a, 8)
#define BY_WIDTH(name)                                                                             \
    {                                                                                              \
        name##_1, name##_2, name##_4, name##_8                                                     \
    }
#define SET(set, target, unpack_32, unpack_64, merge_of_2, sum_32, match_8, match_16, deposit)     \
    target static void set##_expand(const uint64_t *bits, const uint64_t *common,                  \
                                    const uint64_t *rare, const uint64_t *care, uint32_t words,    \
                                    uint64_t *out)                                                 \
    {                                                                                              \
        expand_body(bits, common, rare, care, words, out, deposit);                                \
    }                                                                                              \
    SET_MERGE(set, target, 1)                                                                      \
    SET_MERGE(set, target, 4)                                                                      \
    SET_MERGE(set, target, 8)                                                                      \
    SET_WIDTH(set, target, 1)                                                                      \
    SET_WIDTH(set, target, 2)                                                                      \
    SET_WIDTH(set, target, 4)                                                                      \
    SET_WIDTH(set, target, 8)                                                                      \
    SET_REBASES(set, target, 1)                                                                    \
    SET_REBASES(set, target, 2)                                                                    \
    SET_REBASES(set, target, 4)                                                                    \
    SET_REBASES(set, target, 8)                                                                    \
    target static uint16_t set##_most_code(const uint16_t *codes, size_t count)                    \
    {                                                                                              \
        return most_code_body(codes, count);                                                       \
    }                                                                                              \
    const struct kernels kernels_##set = {                                                         \
        .name = #set,                                                                              \
        .unpack32 = unpack_32,                                                                     \
        .unpack64 = unpack_64,                                                                     \
        .store32 = BY_WIDTH(set##_store32),                                                        \
        .store64 = BY_WIDTH(set##_store64),                                                        \
        .load = BY_WIDTH(set##_load),                                                              \
        .range = BY_WIDTH(set##_range),                                                            \
        .rebase = {BY_WIDTH(set##_rebase_1), BY_WIDTH(set##_rebase_2), BY_WIDTH(set##_rebase_4),   \
                   BY_WIDTH(set##_rebase_8)},                                                      \
        .merge = {set##_merge_1, merge_of_2, set##_merge_4, set##_merge_8},                        \
        .sum32 = sum_32,                                                                           \
        .match8 = match_8,                                                                         \
        .match16 = match_16,                                                                       \
        .expand = set##_expand,                                                                    \
        .most_code = set##_most_code,                                                              \
        .unpack16 = unpack16_##set,                                                                \
        .count4 = count4_##set,                                                                    \
        .merge4 = merge4_##set,                                                                    \
        .expand4 = expand4_##set,                                                                  \
    };

static void match8_plain(const uint8_t *numbers, uint8_t low, uint8_t span, uint64_t *out)
{
    match8_body(numbers, low, span, out);
}

static void match16_plain(const void *numbers, uint16_t low, uint16_t span, uint64_t *out)
{
    match16_body(numbers, low, span, out);
}

SET_MERGE(plain, , 2)
SET(plain, , unpack32_plain, unpack64_plain, plain_merge_2, sum32_plain, match8_plain,
    match16_plain, deposit_plain)

#if defined(__x86_64__)
/* ---- unpacking, AVX2 ----
 * Eight values are `bits` octets and start at an octet. A lane's octets are gathered into place by
 * a byte shuffle, shifted right by the lane's own count, and masked: the same few instructions for
 * every width, only the shuffle and shift constants differ, and those are made once a group. */

/* Shuffle for one lane of `size` octets that holds the value at `bit` of a 16-octet load. Octets
 * past the load read as zero: the value ends before them. */
static void lane_shuffle(int8_t *shuffle, unsigned bit, unsigned size)
{
    for (unsigned k = 0; k < size; k++)
        shuffle[k] = (int8_t)(bit / 8 + k < 16 ? bit / 8 + k : 0x80);
}

TARGET_AVX2 static void unpack_narrow(const uint8_t *in, unsigned bits, uint32_t *out)
{
    /* Low half of the vector: values 0–3 from the octet where the eight start; high half: values
     * 4–7 from the octet that holds bit 4 * bits. */
    unsigned high = 4 * bits / 8, rest = 4 * bits % 8;
    int8_t shuffle[32];
    uint32_t shift[8];
    for (unsigned j = 0; j < 4; j++) {
        lane_shuffle(shuffle + 4 * j, j * bits, 4);
        lane_shuffle(shuffle + 16 + 4 * j, rest + j * bits, 4);
        shift[j] = j * bits % 8;
        shift[4 + j] = (rest + j * bits) % 8;
    }
    const __m256i shuffles = _mm256_loadu_si256((const __m256i *)(const void *)shuffle);
    const __m256i shifts = _mm256_loadu_si256((const __m256i *)(const void *)shift);
    const __m256i mask = _mm256_set1_epi32((int)low_mask(bits));
    for (unsigned i = 0; i < PACK_GROUP; i += 8, in += bits) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)in);
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(in + high));
        __m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(b, a), shuffles);
        v = _mm256_and_si256(_mm256_srlv_epi32(v, shifts), mask);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), v);
    }
}

/* The constants of four values in four 64-bit lanes; the values start `bit` bits into the eight. */
struct quad {
    unsigned low, high; /* octets where the two 16-octet loads start */
    int8_t shuffle[32];
    uint64_t shift[4];
};

static void quad_plan(struct quad *q, unsigned bit, unsigned bits)
{
    unsigned second = bit + 2 * bits;
    q->low = bit / 8;
    q->high = second / 8;
    for (unsigned j = 0; j < 2; j++) {
        lane_shuffle(q->shuffle + 8 * j, bit % 8 + j * bits, 8);
        lane_shuffle(q->shuffle + 16 + 8 * j, second % 8 + j * bits, 8);
        q->shift[j] = (bit + j * bits) % 8;
        q->shift[2 + j] = (second + j * bits) % 8;
    }
}

TARGET_AVX2 INLINE __m256i quad_read(const uint8_t *in, const struct quad *q, __m256i mask)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(in + q->low));
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(in + q->high));
    __m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(b, a),
                                    _mm256_loadu_si256((const __m256i *)(const void *)q->shuffle));
    v = _mm256_srlv_epi64(v, _mm256_loadu_si256((const __m256i *)(const void *)q->shift));
    return _mm256_and_si256(v, mask);
}

TARGET_AVX2 static void unpack64_avx2(const uint8_t *in, unsigned bits, uint64_t *out)
{
    if (bits > 56) { /* a lane of 64 bits no longer holds value and shift */
        unpack64_plain(in, bits, out);
        return;
    }
    struct quad q[2];
    quad_plan(&q[0], 0, bits);
    quad_plan(&q[1], 4 * bits, bits);
    const __m256i mask = _mm256_set1_epi64x((long long)low_mask(bits));
    for (unsigned i = 0; i < PACK_GROUP; i += 8, in += bits) {
        _mm256_storeu_si256((__m256i *)(void *)(out + i), quad_read(in, &q[0], mask));
        _mm256_storeu_si256((__m256i *)(void *)(out + i + 4), quad_read(in, &q[1], mask));
    }
}

TARGET_AVX2 static void unpack32_avx2(const uint8_t *in, unsigned bits, uint32_t *out)
{
    if (bits <= 25) {
        unpack_narrow(in, bits, out);
        return;
    }
    uint64_t wide[PACK_GROUP];
    unpack64_avx2(in, bits, wide);
    for (unsigned i = 0; i < PACK_GROUP; i++)
        out[i] = (uint32_t)wide[i];
}

/* A shuffle of eight lanes of 16 bits: the lane of each octet that is 255 takes the next value. */
TARGET_AVX2 INLINE __m128i spread_places(uint64_t octets)
{
    /* The n-th octet that is set gets n: what pdep() deposits are the numbers 0, 1, 2 … */
    uint64_t places = _pdep_u64(UINT64_C(0x0706050403020100), octets);
    __m128i wide = _mm_cvtepu8_epi16(_mm_cvtsi64_si128((long long)places));
    return _mm_add_epi16(_mm_mullo_epi16(wide, _mm_set1_epi16(0x0202)), _mm_set1_epi16(0x0100));
}

/* Eight rows a step: each part is moved to where its rows are, and the two are blended. */
TARGET_AVX2 static void merge_2_avx2(const uint64_t *bits, const void *common, const void *rare,
                                     uint32_t count, void *out)
{
    const uint16_t *c = common, *r = rare;
    uint16_t *o = out;
    uint32_t row = 0;
    for (; row + 8 <= count; row += 8) {
        uint64_t mask = bits[row / 64] >> (row % 64) & 0xff;
        uint64_t octets = _pdep_u64(mask, UINT64_C(0x0101010101010101)) * 0xff;
        __m128i here = _mm_loadu_si128((const __m128i *)(const void *)c);
        __m128i there = _mm_loadu_si128((const __m128i *)(const void *)r);
        here = _mm_shuffle_epi8(here, spread_places(octets));
        there = _mm_shuffle_epi8(there, spread_places(~octets));
        __m128i choose = _mm_cvtepi8_epi16(_mm_cvtsi64_si128((long long)octets));
        _mm_storeu_si128((__m128i *)(void *)(o + row), _mm_blendv_epi8(there, here, choose));
        unsigned hits = (unsigned)__builtin_popcountll(mask);
        c += hits;
        r += 8 - hits;
    }
    for (; row < count; row++)
        o[row] = bits[row / 64] >> (row % 64) & 1 ? *c++ : *r++;
}

/* x <= span, unsigned: the larger of the two is span. */
TARGET_AVX2 static void match8_avx2(const uint8_t *numbers, uint8_t low, uint8_t span,
                                    uint64_t *out)
{
    const __m256i lows = _mm256_set1_epi8((char)low), spans = _mm256_set1_epi8((char)span);
    for (unsigned w = 0; w < PACK_GROUP / 64; w++) {
        uint64_t word = 0;
        for (unsigned i = 0; i < 64; i += 32) {
            const void *at = numbers + 64 * w + i;
            __m256i v = _mm256_sub_epi8(_mm256_loadu_si256(at), lows);
            v = _mm256_cmpeq_epi8(_mm256_max_epu8(v, spans), spans);
            word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(v) << i;
        }
        out[w] = word;
    }
}

TARGET_AVX2 static void match16_avx2(const void *numbers, uint16_t low, uint16_t span,
                                     uint64_t *out)
{
    const __m256i lows = _mm256_set1_epi16((short)low), spans = _mm256_set1_epi16((short)span);
    const uint8_t *at = numbers;
    for (unsigned w = 0; w < PACK_GROUP / 64; w++, at += 128) {
        uint64_t word = 0;
        for (unsigned i = 0; i < 64; i += 32) {
            const void *first = at + 2 * i, *second = at + 2 * i + 32;
            __m256i a = _mm256_sub_epi16(_mm256_loadu_si256(first), lows);
            __m256i b = _mm256_sub_epi16(_mm256_loadu_si256(second), lows);
            a = _mm256_cmpeq_epi16(_mm256_max_epu16(a, spans), spans);
            b = _mm256_cmpeq_epi16(_mm256_max_epu16(b, spans), spans);
            /* Packing works in halves: put them in order again. */
            a = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);
            word |= (uint64_t)(uint32_t)_mm256_movemask_epi8(a) << i;
        }
        out[w] = word;
    }
}

#define FEW_BITS 8 /* of a word, which are followed one by one */

TARGET_AVX2 INLINE uint64_t sum32_few(const uint32_t *values, uint64_t bits)
{
    uint64_t total = 0;
    for (; bits; bits &= bits - 1)
        total += values[__builtin_ctzll(bits)];
    return total;
}

TARGET_AVX2 static uint64_t sum32_avx2(const uint32_t *values, const uint64_t *selected)
{
    const __m256i lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
    uint64_t total = 0, lane[4];
    for (unsigned w = 0; w < PACK_GROUP / 64; w++, values += 64) {
        if (__builtin_popcountll(selected[w]) <= FEW_BITS) {
            total += sum32_few(values, selected[w]);
            continue;
        }
        for (unsigned i = 0; i < 8; i++) {
            const void *at = values + 8 * i;
            __m256i mask = _mm256_set1_epi32((int)(selected[w] >> (8 * i) & 0xff));
            mask = _mm256_cmpeq_epi32(_mm256_and_si256(mask, lanes), lanes);
            __m256i v = _mm256_and_si256(_mm256_loadu_si256(at), mask);
            even = _mm256_add_epi64(even, _mm256_and_si256(v, low));
            odd = _mm256_add_epi64(odd, _mm256_srli_epi64(v, 32));
        }
    }
    _mm256_storeu_si256((__m256i *)(void *)lane, _mm256_add_epi64(even, odd));
    return total + lane[0] + lane[1] + lane[2] + lane[3];
}

TARGET_AVX2 static uint64_t deposit_avx2(uint64_t value, uint64_t mask)
{
    return _pdep_u64(value, mask);
}

SET(avx2, TARGET_AVX2, unpack32_avx2, unpack64_avx2, merge_2_avx2, sum32_avx2, match8_avx2,
    match16_avx2, deposit_avx2)

bool kernels_have_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
}
#else
SET(avx2, , unpack32_plain, unpack64_plain, plain_merge_2, sum32_plain, match8_plain,
    match16_plain, deposit_plain)
bool kernels_have_avx2(void)
{
    return false;
}
#endif

static const struct kernels *forced;

void kernels_force(const struct kernels *k)
{
    __atomic_store_n(&forced, k, __ATOMIC_RELAXED);
}

const struct kernels *kernels_best(void)
{
    const struct kernels *k = __atomic_load_n(&forced, __ATOMIC_RELAXED);
    if (k)
        return k;
    return kernels_have_avx2() ? &kernels_avx2 : &kernels_plain;
}
