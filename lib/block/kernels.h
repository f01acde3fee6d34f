/* kernels.h - the inner loops of the codecs: bit packing and the conversions around it. Private to
 * lib/block.
 *
 * All of them work on whole groups of PACK_GROUP values; a shorter last group goes through a padded
 * copy. Packed values lie one after the other, each `bits` wide, lowest bit first, in little-endian
 * order: value i has bits [i * bits, (i + 1) * bits) of the run. Eight values are `bits` octets, so
 * every eighth value starts at a whole octet; that is what the vector paths rest on.
 *
 * Two sets: plain C, and AVX2, picked when the processor has it. A test proves them equal.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef WEIR_BLOCK_KERNELS_H
#define WEIR_BLOCK_KERNELS_H

#include "base/cursor.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_GROUP 256u
/* unpack*() may read this many octets past the packed run. */
#define PACK_SLACK  32u
#define MERGE_SLACK 16u

/* Index of width 1, 2, 4, 8 in the tables below. */
static inline unsigned width_index(unsigned width)
{
    return (unsigned)__builtin_ctz(width);
}

struct kernels {
    const char *name;
    /* PACK_GROUP values out of PACK_GROUP * bits / 8 octets; bits 0–32 and 0–64. */
    void (*unpack32)(const uint8_t *in, unsigned bits, uint32_t *out);
    void (*unpack64)(const uint8_t *in, unsigned bits, uint64_t *out);
    /* out[i] = in[i] + add, mod 2^(8 * width), PACK_GROUP values; by width_index(). */
    void (*store32[4])(const uint32_t *in, uint64_t add, void *out);
    void (*store64[4])(const uint64_t *in, uint64_t add, void *out);
    /* out[i] = in[i] - subtract, mod 2^(8 * width), PACK_GROUP values. */
    void (*load[4])(const void *in, uint64_t subtract, uint64_t *out);
    /* Least and most of `count` values, count >= 1. */
    void (*range[4])(const void *values, size_t count, uint64_t *least, uint64_t *most);
    /* out[i] = base[i] - v[i], mod 2^(8 * width of v), `count` values; [v's width][base's width].
     * It undoes itself: a value's residual and a residual's value are the same difference. */
    void (*rebase[4][4])(const void *v, const void *base, size_t count, void *out);
    /* Row i takes the next of `common` when bit i is 1, else the next of `rare`. Both may be read
     * up to MERGE_SLACK octets past their end. */
    void (*merge[4])(const uint64_t *bits, const void *common, const void *rare, uint32_t count,
                     void *out);
    /* Of PACK_GROUP values, those whose bit is set, added up. */
    uint64_t (*sum32)(const uint32_t *values, const uint64_t selected[PACK_GROUP / 64]);
    /* Which of PACK_GROUP numbers are in [low, low + span]; those of 16 bits need no alignment. */
    void (*match8)(const uint8_t *numbers, uint8_t low, uint8_t span,
                   uint64_t out[PACK_GROUP / 64]);
    void (*match16)(const void *numbers, uint16_t low, uint16_t span,
                    uint64_t out[PACK_GROUP / 64]);
    /* The reverse of packing bits together: row i has the next bit of `common` when bit i of `bits`
     * is 1, else the next of `rare` (NULL: zeros); ORed into `out`. As long as the parts are, one
     * more word of them can be read. Where a word of `care` is zero, `out` is left alone. */
    void (*expand)(const uint64_t *bits, const uint64_t *common, const uint64_t *rare,
                   const uint64_t *care, uint32_t words, uint64_t *out);
    uint16_t (*most_code)(const uint16_t *codes, size_t count);
    /* The following are kernels_classes.c's. PACK_GROUP numbers of 0 to 16 bits. */
    void (*unpack16)(const uint8_t *in, unsigned bits, uint16_t *out);
    /* Rows of each class, as the planes of merge4() say; planes[1] may be NULL: zeros. */
    void (*count4)(const uint64_t *const planes[2], uint32_t words, uint32_t rows[4]);
    /* Row i takes the next of parts[bit i of planes[0] + 2 * bit i of planes[1]]. Each may be read
     * up to MERGE_SLACK octets past its end. */
    void (*merge4)(const uint64_t *const planes[2], const uint16_t *const parts[4], uint32_t count,
                   uint16_t *out);
    /* As expand(), with four parts: NULL ones are zeros. Where a word of `care` is zero, nothing is
     * ORed into `out`. */
    void (*expand4)(const uint64_t *const planes[2], const uint64_t *const parts[4],
                    const uint64_t *care, uint32_t words, uint64_t *out);
};
extern const struct kernels kernels_plain;
extern const struct kernels kernels_avx2; /* call only when kernels_have_avx2() */
bool kernels_have_avx2(void);
const struct kernels *kernels_best(void);
/* For tests and measurements: the set that kernels_best() returns from now on; NULL: the best
 * again. */
void kernels_force(const struct kernels *k);

/* Packs `count` values, each below 2^bits, and returns the end of what was written: exactly
 * (count * bits + 7) / 8 octets, though up to 8 more may be scribbled on. */
uint8_t *pack_bits(const uint64_t *values, unsigned count, unsigned bits, uint8_t *out);
/* Of PACK_GROUP values, those that have more than `bits` (< 64) bits: a bit each. */
void find_above(const uint64_t *values, unsigned bits, uint64_t out[PACK_GROUP / 64]);
static inline size_t packed_size(size_t count, unsigned bits)
{
    return (count * bits + 7) / 8;
}
/* Value `index` of a packed run; reads up to 9 octets from the one it starts in. */
static inline uint64_t packed_value(const uint8_t *run, size_t index, unsigned bits)
{
    size_t bit = index * bits;
    unsigned shift = (unsigned)(bit & 7);
    uint64_t v = load_le64(run + (bit >> 3)) >> shift;
    if (shift + bits > 64)
        v |= (uint64_t)run[(bit >> 3) + 8] << (64 - shift);
    return bits >= 64 ? v : v & ((UINT64_C(1) << bits) - 1);
}

#endif
