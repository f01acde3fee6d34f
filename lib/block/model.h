/* model.h - CODEC_MODELLED and CODEC_GIVEN: values whose bits are foretold by what came before them
 * in the column, and in another one, and coded in as many fractions of a bit as they surprise.
 * Private to lib/block. schemas/block-format.md has every number of it: it is part of the format.
 *
 * A value's octets are told highest first, an octet's bits likewise. Six contexts, each a hash,
 * lead to what was seen there: the value so far; the place alone; the value so far and the value
 * before; the octet of the value before; the value so far and what is given; the value so far and
 * the partner of what is given (the other end when the two were last seen, whichever was which: a
 * flow and its way back). What they say is mixed, and weights of the mixture follow what was right.
 *
 * A sixth to a half shorter than anything else where rows are few, at 60 to 90 ns a bit: so it is
 * for columns of at most MODEL_VALUES_MOST values, in stores that have no more rows (block.h,
 * block_encoder_model()). Whole numbers alone: the same on every machine. */
#ifndef WEIR_BLOCK_MODEL_H
#define WEIR_BLOCK_MODEL_H

#include "block/codec.h"

#define MODEL_VALUES_MOST 8192u
#define MODEL_VALUES_LEAST 8u

/* Another column's values, of the same rows. */
struct model_given {
    const uint32_t *hashes; /* model_hash() */
    const void *values; /* in the width of the column that is coded, known before it; NULL: no use
                           is made of them */
};
uint32_t model_hash(const void *value, unsigned width); /* widths 1 to 16 */

/* Appends a payload. `v`: width 1 to 16, 1 to MODEL_VALUES_MOST values. `given`: NULL for
 * CODEC_MODELLED. Memory that ends shows in out->failed. */
void model_write(const struct values *v, const struct model_given *given, struct buffer *out);

/* Reads one into `values`. Of CODEC_GIVEN, `given` has both hashes and values (NULL where its width
 * is of another kind). WEIR_ETRUNCATED, WEIR_EMALFORMED, WEIR_ENOMEM. */
enum weir_status model_read(struct cursor *in, uint32_t count, unsigned width,
                            const struct model_given *given, void *values);

#endif
