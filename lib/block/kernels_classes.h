/* kernels_classes.h - the inner loops of dictionaries in classes (ordered.h): numbers of at most 16
 * bits, and four parts becoming one. Members of struct kernels (kernels.h), which says what they
 * do. Private to lib/block.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef WEIR_BLOCK_KERNELS_CLASSES_H
#define WEIR_BLOCK_KERNELS_CLASSES_H

#include <stdint.h>

/* 64 of `bits`, from bit `at` on; where that is the start of a word, no other is read. */
static inline uint64_t bits_at(const uint64_t *bits, uint64_t at)
{
    const uint64_t *w = bits + at / 64;
    return at % 64 ? w[0] >> (at % 64) | w[1] << (64 - at % 64) : w[0];
}
/* The low bits of `value` go where the bits of `mask` are, in order. */
uint64_t deposit_plain(uint64_t value, uint64_t mask);

void unpack16_plain(const uint8_t *in, unsigned bits, uint16_t *out);
void count4_plain(const uint64_t *const planes[2], uint32_t words, uint32_t rows[4]);
void merge4_plain(const uint64_t *const planes[2], const uint16_t *const parts[4], uint32_t count,
                  uint16_t *out);
void expand4_plain(const uint64_t *const planes[2], const uint64_t *const parts[4],
                   const uint64_t *care, uint32_t words, uint64_t *out);

void unpack16_avx2(const uint8_t *in, unsigned bits, uint16_t *out);
void count4_avx2(const uint64_t *const planes[2], uint32_t words, uint32_t rows[4]);
void merge4_avx2(const uint64_t *const planes[2], const uint16_t *const parts[4], uint32_t count,
                 uint16_t *out);
void expand4_avx2(const uint64_t *const planes[2], const uint64_t *const parts[4],
                  const uint64_t *care, uint32_t words, uint64_t *out);

#endif
