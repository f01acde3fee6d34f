/* encoder.h - what the parts of the block encoder share: encode.c, encode_model.c. Private to
 * lib/block. */
#ifndef WEIR_BLOCK_ENCODER_H
#define WEIR_BLOCK_ENCODER_H

#include "block/block.h"
#include "block/codec.h"
#include "block/given.h"
#include "block/map.h"

/* What is remembered of a column from block to block; by a hash of the key, the last one wins. */
#define MEMORIES 256u
struct memory {
    ie_key key;
    uint8_t wait; /* see struct advice */
};

struct block_encoder {
    struct value_encoder values;
    struct memory memories[MEMORIES];
    struct mapper mapper;
    struct column **columns; /* those of the batch that some row has, by key */
    size_t *last_uses; /* of each column: the last one that is it or may stand on it */
    size_t column_room;
    const struct column_feed *feed; /* NULL: all values are there */
    /* Present rows only: the column, its base; and residuals. */
    void *dense, *base, *residual;
    size_t dense_size, base_size, residual_size;
    bool thorough; /* small ones in every way */
    bool small;    /* this block is */
    bool model;    /* small ones may be CODEC_MODELLED */
    bool modelled; /* columns of this block may be */
    bool version_3; /* and one is */
    size_t model_octets; /* of the block's columns for which models were tried */
    struct told told[BATCH_COLUMNS_MOST];   /* of a modelled block: by place */
    uint16_t stands[BATCH_COLUMNS_MOST];    /* the base that was chosen; GIVEN_BY_NONE */
    struct buffer tried, shortest;
};

/* The column's place; `count`: there is none. */
size_t encoder_place(const struct block_encoder *e, size_t count, ie_key key);
/* Its values are there now; false: no memory. */
bool encoder_want(const struct block_encoder *e, size_t place);
/* `v` less `key`, one of the column's bases; false: there is no such column, or no memory. */
bool encoder_stand_on(struct block_encoder *e, const struct column *c, size_t count, uint32_t rows,
                      ie_key key, const struct values *v, struct values *residual);

/* ---- modelled blocks (encode_model.c) ---- */

/* What the columns tell of each other; e->modelled becomes false when memory ends. */
void encoder_look_around(struct block_encoder *e, size_t count, uint32_t rows);
/* Whether chains of bases end, and stay short, when the column stands on this one (place `count`:
 * there is none, and it may not); with those that are in no encoder, since a merge copied them
 * (they stand on what column_bases() says). */
bool encoder_may_stand(const struct block_encoder *e, size_t count, size_t place, size_t base);
/* In e->shortest, when it is shorter than `length` by a model: of its values, of what a base
 * leaves, or given another column. */
bool encoder_model(struct block_encoder *e, size_t place, size_t count, uint32_t rows,
                   const struct values *v, size_t length, struct block_column *entry);

#endif
