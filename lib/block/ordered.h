/* ordered.h - CODEC_CLASSES: a dictionary in up to four classes of values, the values of each in
 * ascending order; and CODEC_ORDERED, its forerunner of two classes, which is only read. Private to
 * lib/block. Layout: schemas/block-format.md, codecs 10 and 9.
 *
 *   class 0   the values that occur most     numbers in few bits (mostly 4)
 *   …
 *   class 3   the rarest                     numbers in many (mostly 16)
 *   bit maps, one bit a row each: bits 0 and 1 of the row's class; then the rows' numbers, each
 *   class's apart
 *
 * A code is a number plus the values of the classes before. Numbers are of fixed width in a class,
 * so they unpack without a branch and without an entropy coder, in hardly more octets than one
 * would need; and a range of values is a range of numbers in each class, found by two binary
 * searches over the group firsts. So a filter compares packed numbers and never sees a value.
 *
 * Threads: pure functions on the caller's memory. */
#ifndef WEIR_BLOCK_ORDERED_H
#define WEIR_BLOCK_ORDERED_H

#include "block/codec.h"

/* Values that ascend: the first of every PACK_GROUP of them, and the gaps between the others. */
struct ladder {
    uint32_t count;
    const uint8_t *firsts;
    const uint8_t **groups; /* where each group's gaps start */
    const uint8_t *end;     /* of the gaps */
    struct packed_reader gaps;
};

/* Numbers of one class, in row order, `bits` each. */
struct numbers {
    uint32_t count;
    unsigned bits;
    const uint8_t *at, *end;
};

/* A payload, taken apart but not decoded. */
struct ordered {
    uint32_t rows;
    unsigned width, plane_count, class_count; /* 0, 1, 2 planes are 1, 2, 4 classes */
    struct ladder values[CLASSES_MOST];
    struct numbers numbers[CLASSES_MOST];
    const uint64_t *planes[CLASS_PLANES_MOST]; /* bit r of plane p: bit p of the class of row r */
};

/* `codec`: CODEC_CLASSES or CODEC_ORDERED. Memory from `a`; points into the cursor's octets. Every
 * length is checked, values and numbers are not yet. WEIR_ETRUNCATED, WEIR_EMALFORMED,
 * WEIR_ENOMEM. */
enum weir_status ordered_open(struct cursor *in, enum codec codec, uint32_t count, unsigned width,
                              struct arena *a, struct ordered *out);
/* Values and codes; refuses values that do not ascend and numbers that no value has. */
enum weir_status ordered_decode(const struct ordered *o, struct arena *a, struct part *out);
/* ORs into out[] a bit for each row whose value is in [low, high]; words of `out` in which `care`
 * is zero may be left as they are (NULL: all matter). */
enum weir_status ordered_select(const struct ordered *o, uint64_t low, uint64_t high,
                                const uint64_t *care, struct arena *a, uint64_t *out);

/* Appends the payload of a dictionary in classes (dictionary.h), for CODEC_CLASSES. Memory
 * that ends shows in out->failed. */
void ordered_write(struct value_encoder *e, const struct values *v, struct buffer *out);

#endif
