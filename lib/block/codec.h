/* codec.h - what the two sides of the column codecs share. Private to lib/block.
 *
 * A payload is the bytes of `count` values of one width under one codec; payloads nest (the codes
 * of a dictionary are a payload of width 2). Every payload ends by itself: its length follows from
 * count, width and its own bytes. schemas/block-format.md has the layout of each. */
#ifndef WEIR_BLOCK_CODEC_H
#define WEIR_BLOCK_CODEC_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "block/block.h"
#include "block/dictionary.h"
#include "block/packed.h"

/* ---- blobs: octets whose number the reader knows, plain or compressed ---- */
enum blob_method { BLOB_RAW = 0, BLOB_ZSTD = 1, BLOB_REPEAT = 2 /* one octet, repeated */ };

struct compressor; /* a zstd context and its memory */
struct compressor *compressor_new(int level);
void compressor_free(struct compressor *c);
/* Whether from now on time does not matter, and any octet less does. */
void compressor_thorough(struct compressor *c, bool thorough);
/* Memory that ends shows in out->failed. */
void blob_write(struct compressor *c, const uint8_t *bytes, size_t length, struct buffer *out);

struct decompressor {
    struct arena *arena;
    void *context; /* made in the arena when it is first wanted */
    bool unmodelled; /* CODEC_MODELLED is malformed */
};
/* Fills out[0 .. length). WEIR_ETRUNCATED, WEIR_EMALFORMED, WEIR_ENOMEM. */
enum weir_status blob_read(struct decompressor *d, struct cursor *in, uint8_t *out, size_t length);

/* ---- what is known beforehand about elements (known.c) ---- */
/* Queries read it in bulk: codecs that decode fast are worth more octets. */
bool column_is_hot(ie_key key);
/* The columns it may be an affine partner of, best first; 0 ends the list. */
#define BASES_MOST 2
const ie_key *column_bases(ie_key key);
/* Columns that may stand on it, on those, and so on, at most. */
unsigned column_height(ie_key key);
/* The column whose value decides its value, as a rule; 0: none known. */
ie_key column_decider(ie_key key);
/* Whether column_decider() names it; a number below DECIDERS_MOST then, else -1. */
#define DECIDERS_MOST 4
int column_decides(ie_key key);
/* Columns stand on bases that stand on bases, at most this deep. */
#define BASE_DEPTH_MOST 3

/* What a payload stands in: RELATIVE > RUNS > MIXED > DICTIONARY > its values or codes. A codec may
 * stand in any that is before it, never in itself. */
enum nesting { NEST_COLUMN, NEST_RESIDUAL, NEST_RUN, NEST_PART, NEST_PLAIN };

/* ---- encoding values ---- */
struct values {
    const void *at; /* width 0: struct octets */
    uint32_t count; /* >= 1 */
    uint8_t width;
    uint64_t least, most; /* widths 1–8: see values_measure() */
};
/* Sets least and most, when the width has them. */
void values_measure(struct values *v);

/* Who uses which scratch: they nest, so none is shared. */
enum scratch_use {
    SCRATCH_RUNS,
    SCRATCH_LENGTHS,
    SCRATCH_PLANES,
    SCRATCH_SAMPLE,
    SCRATCH_MIXED,
    SCRATCH_COUNT
};

struct value_encoder { /* scratch from column to column; all zero but for the compressor at first */
    struct compressor *compressor;
    bool dense; /* see block_encoder_dense() */
    bool ordered; /* CODEC_CLASSES was used: version 2 */
    struct dictionary dictionary;
    struct dictionary sample;
    void *scratch[SCRATCH_COUNT];
    size_t scratch_size[SCRATCH_COUNT];
};
void *scratch_take(struct value_encoder *e, enum scratch_use use, size_t size);
void value_encoder_clear(struct value_encoder *e);

/* What the caller knows of the column. */
struct advice {
    bool hot;            /* as column_is_hot() */
    uint32_t code_limit; /* distinct values of a dictionary, at most */
    uint8_t *wait; /* blocks until a dictionary is tried again: content seldom changes its kind */
    bool planes;   /* CODEC_SPLIT_ZSTD, if it has a width and not all are equal */
};
/* Appends the payload of measured values under the codec it found best. Memory that ends shows in
 * out->failed. */
enum codec encode_values(struct value_encoder *e, const struct values *v,
                         const struct advice *advice, struct buffer *out);
/* Bits a value of width 1–8 would take, roughly, and 0 when all are equal; cheap: for choosing a
 * base. */
double guess_bits(const struct values *v);

/* Those of `rows` values of `size` octets whose bit is set, to `to`. */
void squeeze_values(void *to, const void *from, size_t size, const uint64_t *present,
                    uint32_t rows);

/* ---- decoding values ---- */
struct part {
    uint8_t form; /* enum vector_form */
    void *values;
    uint16_t *codes;
    uint32_t code_count;
};
/* `count` >= 1 values. WEIR_ETRUNCATED, WEIR_EMALFORMED, WEIR_ENOMEM. */
enum weir_status decode_values(struct decompressor *d, struct cursor *in, uint8_t codec,
                               uint32_t count, uint8_t width, struct part *out);

/* RUNS before they are expanded: lengths less one, adding up to the count, and a value (or its
 * code) for each run. */
struct run_parts {
    uint32_t count;
    const uint32_t *lengths;
    struct part values;
};
enum weir_status decode_run_parts(struct decompressor *d, struct cursor *in, uint32_t count,
                                  uint8_t width, struct run_parts *out);

/* ---- columns (column.c) ---- */
enum weir_status column_fail(const struct block_column *c, enum weir_status status,
                             const char *what, struct weir_error *error);
/* What can be said of a column before it is looked into; its checksum. */
enum weir_status column_check(const struct block_column *c, const struct vector *base,
                              struct weir_error *error);
/* NULL when every row has the element. */
enum weir_status column_presence(const struct block_column *c, struct decompressor *d,
                                 struct cursor *in, uint64_t **out);

/* out[i] = the base's value in row first + i, less residual[i], mod 2^64: a base of width 8. */
void less_than_base(const struct vector *base, uint32_t first, uint32_t count,
                    const uint64_t *residual, uint64_t *out);

/* The values of a map: u8 codec and a payload of `count` values. */
enum weir_status decode_map_values(struct decompressor *d, struct cursor *in, uint32_t count,
                                   uint8_t width, struct part *out);

static inline size_t value_size(unsigned width)
{
    return width ? width : sizeof(struct octets);
}

#endif
