/* loops.c - the inner loops; see loops.h. Each body is written once, as an inline function that the
 * two sets instantiate: the compiler vectorises it for what the set may use. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#pragma GCC optimize("O3")
#endif
#include "query/loops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

#define WIDEN(type, name)                                                                          \
    INLINE void widen_##name(const void *values, const uint32_t *index, uint32_t n, uint64_t *out) \
    {                                                                                              \
        const type *v = values;                                                                    \
        if (index)                                                                                 \
            for (uint32_t i = 0; i < n; i++)                                                       \
                out[i] = v[index[i]];                                                              \
        else                                                                                       \
            for (uint32_t i = 0; i < n; i++)                                                       \
                out[i] = v[i];                                                                     \
    }                                                                                              \
    INLINE void look_up_##name(const void *values, const uint16_t *codes, const uint32_t *index,   \
                               uint32_t n, uint64_t *out)                                          \
    {                                                                                              \
        const type *v = values;                                                                    \
        if (index)                                                                                 \
            for (uint32_t i = 0; i < n; i++)                                                       \
                out[i] = v[codes[index[i]]];                                                       \
        else                                                                                       \
            for (uint32_t i = 0; i < n; i++)                                                       \
                out[i] = v[codes[i]];                                                              \
    }                                                                                              \
    INLINE uint64_t encode_##name(const void *values, const uint32_t *index, uint32_t n,           \
                                  unsigned drop, uint64_t base, unsigned shift, uint64_t *word)    \
    {                                                                                              \
        const type *v = values;                                                                    \
        uint64_t all = 0;                                                                          \
        for (uint32_t i = 0; i < n; i++) {                                                         \
            uint64_t code = ((uint64_t)v[index ? index[i] : i] >> drop) - base;                    \
            all |= code;                                                                           \
            word[i] |= code << shift;                                                              \
        }                                                                                          \
        return all;                                                                                \
    }
WIDEN(uint8_t, u8)
WIDEN(uint16_t, u16)
WIDEN(uint32_t, u32)
WIDEN(uint64_t, u64)

/* Halves are added apart: neither sum can pass 64 bits. */
struct halves {
    uint64_t low, high;
};

INLINE void add_value(struct halves *h, uint64_t value)
{
    h->low += (uint32_t)value;
    h->high += value >> 32;
}

INLINE uint64_t join_halves(struct halves h)
{
    uint64_t high = h.high + (h.low >> 32);
    return high >> 32 ? UINT64_MAX : high << 32 | (uint32_t)h.low;
}

INLINE void add_values(struct halves *to, const uint64_t *values, size_t n)
{
    struct halves h = *to;
    for (size_t i = 0; i < n; i++)
        add_value(&h, values[i]);
    *to = h;
}

INLINE uint64_t sum(const uint64_t *values, size_t n)
{
    struct halves h = {0, 0};
    add_values(&h, values, n);
    return join_halves(h);
}

/* One word of the selection: nothing, all, a few, or a mask over 64 rows. */
INLINE void add_word(struct halves *to, const uint64_t *v, uint64_t bits)
{
    struct halves h = *to;
    if (bits == UINT64_MAX)
        add_values(&h, v, 64);
    else if (__builtin_popcountll(bits) <= 12)
        for (; bits; bits &= bits - 1)
            add_value(&h, v[__builtin_ctzll(bits)]);
    else
        for (unsigned i = 0; i < 64; i++)
            add_value(&h, v[i] & (0 - (bits >> i & 1)));
    *to = h;
}

INLINE uint64_t sum_selected(const uint64_t *values, const uint64_t *bits, size_t n)
{
    struct halves h = {0, 0};
    size_t whole = n / 64;
    for (size_t w = 0; w < whole; w++)
        if (bits[w])
            add_word(&h, values + 64 * w, bits[w]);
    for (uint64_t rest = n % 64 ? bits[whole] : 0; rest; rest &= rest - 1)
        add_value(&h, values[64 * whole + (unsigned)__builtin_ctzll(rest)]);
    return join_halves(h);
}

INLINE uint32_t inside(const uint64_t *values, size_t n, uint64_t from, uint64_t width,
                       uint64_t *bits)
{
    uint32_t count = 0;
    for (size_t first = 0; first < n; first += 64) {
        size_t rows = n - first < 64 ? n - first : 64;
        uint64_t word = 0;
        for (size_t i = 0; i < rows; i++)
            word |= (uint64_t)(values[first + i] - from < width) << i;
        bits[first / 64] = word;
        count += (uint32_t)__builtin_popcountll(word);
    }
    return count;
}

INLINE void rebase(uint64_t *value, uint32_t n, unsigned drop, uint64_t base)
{
    for (uint32_t i = 0; i < n; i++)
        value[i] = (value[i] >> drop) - base;
}

/* Through doubles, exact for differences below 2^52: the quotient is off by one at most, which the
 * remainder shows. */
INLINE void divide(uint64_t *value, uint32_t n, uint64_t from, uint64_t step)
{
    double inverse = 1.0 / (double)step;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t x = value[i] - from;
        uint64_t q = (uint64_t)(int64_t)((double)(int64_t)x * inverse);
        int64_t rest = (int64_t)(x - q * step);
        q -= (uint64_t)(rest < 0);
        q += (uint64_t)(rest >= (int64_t)step);
        value[i] = q;
    }
}

INLINE uint64_t combine(uint64_t *word, const uint64_t *code, uint32_t n, unsigned shift)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < n; i++) {
        all |= code[i];
        word[i] |= code[i] << shift;
    }
    return all;
}

INLINE void add_cell(struct cell *c, uint64_t octets, uint64_t packets, uint64_t flows)
{
    c->octets = add_capped(c->octets, octets);
    c->packets = add_capped(c->packets, packets);
    c->flows = add_capped(c->flows, flows);
}

INLINE void direct(struct cell *cells, size_t copy, const uint64_t *word, const uint64_t *octets,
                   const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        add_cell(cells + word[i], octets[i], packets[i], flows[i]);
        add_cell(cells + copy + word[i + 1], octets[i + 1], packets[i + 1], flows[i + 1]);
        add_cell(cells + 2 * copy + word[i + 2], octets[i + 2], packets[i + 2], flows[i + 2]);
        add_cell(cells + 3 * copy + word[i + 3], octets[i + 3], packets[i + 3], flows[i + 3]);
    }
    for (; i < n; i++)
        add_cell(cells + word[i], octets[i], packets[i], flows[i]);
}

/* The bodies above as functions of one set. */
#define ONE_WIDTH(set, target, name)                                                               \
    target static void set##_widen_##name(const void *v, const uint32_t *x, uint32_t n,            \
                                          uint64_t *o)                                             \
    {                                                                                              \
        widen_##name(v, x, n, o);                                                                  \
    }                                                                                              \
    target static void set##_look_up_##name(const void *v, const uint16_t *c, const uint32_t *x,   \
                                            uint32_t n, uint64_t *o)                               \
    {                                                                                              \
        look_up_##name(v, c, x, n, o);                                                             \
    }                                                                                              \
    target static uint64_t set##_encode_##name(const void *v, const uint32_t *x, uint32_t n,       \
                                               unsigned drop, uint64_t base, unsigned shift,       \
                                               uint64_t *word)                                     \
    {                                                                                              \
        return x ? encode_##name(v, x, n, drop, base, shift, word)                                 \
                 : encode_##name(v, NULL, n, drop, base, shift, word);                             \
    }
#define SET(set, target)                                                                           \
    ONE_WIDTH(set, target, u8)                                                                     \
    ONE_WIDTH(set, target, u16)                                                                    \
    ONE_WIDTH(set, target, u32)                                                                    \
    ONE_WIDTH(set, target, u64)                                                                    \
    target static uint64_t set##_sum(const uint64_t *v, size_t n)                                  \
    {                                                                                              \
        return sum(v, n);                                                                          \
    }                                                                                              \
    target static uint64_t set##_sum_selected(const uint64_t *v, const uint64_t *bits, size_t n)   \
    {                                                                                              \
        return sum_selected(v, bits, n);                                                           \
    }                                                                                              \
    target static uint32_t set##_inside(const uint64_t *v, size_t n, uint64_t from,                \
                                        uint64_t width, uint64_t *bits)                            \
    {                                                                                              \
        return inside(v, n, from, width, bits);                                                    \
    }                                                                                              \
    target static void set##_rebase(uint64_t *v, uint32_t n, unsigned drop, uint64_t base)         \
    {                                                                                              \
        rebase(v, n, drop, base);                                                                  \
    }                                                                                              \
    target static void set##_divide(uint64_t *v, uint32_t n, uint64_t from, uint64_t step)         \
    {                                                                                              \
        divide(v, n, from, step);                                                                  \
    }                                                                                              \
    target static uint64_t set##_combine(uint64_t *w, const uint64_t *c, uint32_t n, unsigned s)   \
    {                                                                                              \
        return combine(w, c, n, s);                                                                \
    }                                                                                              \
    target static void set##_direct(struct cell *cells, size_t copy, const uint64_t *w,            \
                                    const uint64_t *o, const uint64_t *p, const uint64_t *f,       \
                                    uint32_t n)                                                    \
    {                                                                                              \
        direct(cells, copy, w, o, p, f, n);                                                        \
    }
#define SET_ROW(set)                                                                               \
    .widen = {set##_widen_u8, set##_widen_u16, set##_widen_u32, set##_widen_u64},                  \
    .look_up = {set##_look_up_u8, set##_look_up_u16, set##_look_up_u32, set##_look_up_u64},        \
    .encode = {set##_encode_u8, set##_encode_u16, set##_encode_u32, set##_encode_u64},             \
    .sum = set##_sum, .sum_selected = set##_sum_selected, .inside = set##_inside,                  \
    .rebase = set##_rebase, .divide = set##_divide, .combine = set##_combine, .direct = set##_direct

SET(plain, )
const struct loops loops_plain = {.name = "plain", SET_ROW(plain)};

#if defined(__x86_64__)
SET(avx2, __attribute__((target("avx2,bmi,bmi2,popcnt"))))
static const struct loops loops_avx2 = {.name = "avx2", SET_ROW(avx2)};

const struct loops *loops_best(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? &loops_avx2
                                                                            : &loops_plain;
}
#else
const struct loops *loops_best(void)
{
    return &loops_plain;
}
#endif

uint32_t loop_index(const uint64_t *bits, uint32_t first, uint32_t n, uint32_t *index)
{
    uint32_t count = 0;
    for (uint32_t at = first; at < first + n; at += 64)
        for (uint64_t word = bits[at / 64]; word; word &= word - 1)
            index[count++] = at + (uint32_t)__builtin_ctzll(word);
    return count;
}
