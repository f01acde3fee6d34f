/* loops.h - the inner loops of a scan: widen, pick, sum, code, add. Private to dbcomponent/query.
 *
 * Two sets of the same functions: plain C, and compiled for AVX2, picked when the processor has it;
 * a test proves them equal. All work on runs of at most LOOP_ROWS rows but for the sums, which take
 * whole columns.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef WEIR_QUERY_LOOPS_H
#define WEIR_QUERY_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOP_ROWS 512u

/* A group in an array that its code indexes directly. Half a cache line. */
struct cell {
    uint64_t octets, packets, flows, spare;
};

/* Sums stop at the largest number there is: a counter that some exporter sent wrong must not make a
 * sum small. So additions give the same in any order. */
static inline uint64_t add_capped(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;
    return sum | (0 - (uint64_t)(sum < a));
}
static inline uint64_t multiply_capped(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

struct loops {
    const char *name;
    /* out[i] = values[i], or values[index[i]] when index is not NULL; by width 1, 2, 4, 8. */
    void (*widen[4])(const void *values, const uint32_t *index, uint32_t n, uint64_t *out);
    /* out[i] = values[codes[i]], or values[codes[index[i]]]. */
    void (*look_up[4])(const void *values, const uint16_t *codes, const uint32_t *index, uint32_t n,
                       uint64_t *out);
    /* Capped, as add_capped(); n below 2^32. */
    uint64_t (*sum)(const uint64_t *values, size_t n);
    /* Of the rows whose bit is set; bits has (n + 63) / 64 words, those past n zero. */
    uint64_t (*sum_selected)(const uint64_t *values, const uint64_t *bits, size_t n);
    /* bits[r] = values[r] - from < width (mod 2^64); whole words are written. Returns how many. */
    uint32_t (*inside)(const uint64_t *values, size_t n, uint64_t from, uint64_t width,
                       uint64_t *bits);
    /* value[i] = (value[i] >> drop) - base */
    void (*rebase)(uint64_t *value, uint32_t n, unsigned drop, uint64_t base);
    /* value[i] = (value[i] - from) / step, for differences below 2^52 */
    void (*divide)(uint64_t *value, uint32_t n, uint64_t from, uint64_t step);
    /* All of it at once, the common case: code = (values[i] >> drop) - base, word[i] |= code <<
     * shift; by width, with or without index. Returns the codes or-ed together, as combine() does.
     */
    uint64_t (*encode[4])(const void *values, const uint32_t *index, uint32_t n, unsigned drop,
                          uint64_t base, unsigned shift, uint64_t *word);
    /* word[i] |= code[i] << shift. Returns all the codes or-ed together: what tells whether any of
     * them is too large for its place. */
    uint64_t (*combine)(uint64_t *word, const uint64_t *code, uint32_t n, unsigned shift);
    /* cells[word[i]] += (octets, packets, flows)[i], capped. Row i goes to copy i % 4 of the array,
     * `copy` cells apart, so that neighbours of one group do not wait for each other; 0: one
     * copy. */
    void (*direct)(struct cell *cells, size_t copy, const uint64_t *word, const uint64_t *octets,
                   const uint64_t *packets, const uint64_t *flows, uint32_t n);
};
extern const struct loops loops_plain;
const struct loops *loops_best(void);

/* Row numbers of the set bits in words [first / 64, (first + n) / 64) of `bits`; first is a
 * multiple of 64. Returns how many. */
uint32_t loop_index(const uint64_t *bits, uint32_t first, uint32_t n, uint32_t *index);

#endif
