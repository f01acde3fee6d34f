/* kernels_target.h - how a function is compiled for AVX2 in a program for any processor. Private to
 * kernels.c and kernels_pack.c. */
#ifndef WEIR_BLOCK_KERNELS_TARGET_H
#define WEIR_BLOCK_KERNELS_TARGET_H

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#else
#define TARGET_AVX2
#endif
#define INLINE static inline __attribute__((always_inline))

#endif
