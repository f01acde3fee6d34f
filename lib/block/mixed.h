/* mixed.h - a column of two kinds of values, few common ones among many rare ones: ports. Private
 * to lib/block; encoders only. */
#ifndef WEIR_BLOCK_MIXED_H
#define WEIR_BLOCK_MIXED_H

#include "block/codec.h"

/* Of a sample's dictionary: how many of its most frequent values are to be called common, so that
 * the bits a row are fewest; 0: none. `rare` is what a rare value takes; *bits becomes the
 * estimate. */
uint32_t mixed_choose(const struct dictionary *sample, double rare, double *bits);

struct mixture {
    uint64_t *bits; /* 1: common */
    void *common, *rare;
    uint32_t common_count;
};
/* Parts the rows, width 1–8, by whether their value is one of the first `common` of e->sample. The
 * memory is the encoder's scratch. False: no memory. */
bool mixed_part(struct value_encoder *e, const struct values *v, uint32_t common,
                struct mixture *m);

#endif
