/* classes.h - the parting of a dictionary's values in classes by how often they occur. Private to
 * lib/block. */
#ifndef WEIR_BLOCK_CLASSES_H
#define WEIR_BLOCK_CLASSES_H

#include <stdint.h>

#define CLASS_PLANES_MOST 2
#define CLASSES_MOST      (1 << CLASS_PLANES_MOST)

/* Class 0 has the values that occur most. */
struct classes {
    uint32_t count; /* 1, 2 or 4; 0: not in classes */
    uint32_t values[CLASSES_MOST], rows[CLASSES_MOST];
};

/* Values of falling frequency, as a histogram: rank r has value_counts[r] values, which are in
 * row_counts[r] rows. */
struct ranking {
    uint32_t ranks;
    const uint32_t *value_counts;
    const uint64_t *row_counts;
};

/* Bits of a number below `count`. */
static inline unsigned bits_below(uint32_t count)
{
    return count > 1 ? 32u - (unsigned)__builtin_clz(count - 1) : 0;
}

/* How many values each class shall have, so that dictionary, classes and numbers of all rows take
 * about the least octets that can be read fast; fills `values`, leaves `rows` zero. At least one
 * value; at most CLASS_RANKS_MOST ranks. Which of equally frequent values go to which class is the
 * caller's choice. */
#define CLASS_RANKS_MOST 2048u
void classes_choose(const struct ranking *r, struct classes *out);

#endif
