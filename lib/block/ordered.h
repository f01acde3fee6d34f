/* ordered.h - CODEC_ORDERED: a dictionary whose values ascend, with the common values apart from
 * the rare ones. Private to lib/block. Layout: schemas/block-format.md, codec 9.
 *
 *   common values  v0 < v1 < …           numbers 0 … C - 1, in few bits (mostly 8)
 *   rare values    w0 < w1 < …           numbers C … D - 1, in more (mostly 16)
 *   a bit a row: which of the two; then the rows' numbers, common ones and rare ones apart
 *
 * Both kinds of numbers are of fixed width, so they unpack without a branch and without an entropy
 * coder, in hardly more octets than one would need; and a range of values is a range of numbers in
 * each kind, found by two binary searches over the group firsts. So a filter compares packed
 * numbers and never sees a value.
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

/* Numbers of one kind, in row order, `bits` each. */
struct numbers {
    uint32_t count;
    unsigned bits;
    const uint8_t *at, *end;
};

enum ordered_kind { ORDERED_COMMON, ORDERED_RARE, ORDERED_KINDS };

/* A payload, taken apart but not decoded. */
struct ordered {
    uint32_t rows;
    unsigned width;
    struct ladder values[ORDERED_KINDS];
    struct numbers numbers[ORDERED_KINDS];
    uint64_t *common; /* bit r: row r has a common value; NULL: there are none */
};

/* Memory from `a`; points into the cursor's octets. Every length is checked, values and numbers are
 * not yet. WEIR_ETRUNCATED, WEIR_EMALFORMED, WEIR_ENOMEM. */
enum weir_status ordered_open(struct cursor *in, uint32_t count, unsigned width, struct arena *a,
                              struct ordered *out);
/* Values and codes; refuses values that do not ascend and numbers that no value has. */
enum weir_status ordered_decode(const struct ordered *o, struct arena *a, struct part *out);
/* ORs into out[] a bit for each row whose value is in [low, high]; words of `out` in which `care`
 * is zero may be left as they are (NULL: all matter). */
enum weir_status ordered_select(const struct ordered *o, uint64_t low, uint64_t high,
                                const uint64_t *care, struct arena *a, uint64_t *out);

/* Appends the payload of a dictionary in order (dictionary.h). Memory that ends shows in
 * out->failed. */
void ordered_write(struct value_encoder *e, const struct values *v, struct buffer *out);

#endif
