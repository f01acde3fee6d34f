/* block.h - a batch as it is stored, sent and checked: columns, each compressed on its own.
 *
 * Layout, octet by octet: schemas/block-format.md. In short:
 *
 *   header     magic, version, kind, rows, collector id, sequence, interval, lengths, CRC-32C
 *   directory  one entry a column: element, width, codec, rows present, least, most, base, length,
 *              CRC
 *   columns    each column's bytes; a column can be decoded without the others (but for its base)
 *   account    what was received and lost since the block before (flow/account.h), with its CRC
 *
 * Codecs are chosen by content, per column: constant; frame of reference + bit packing; dictionary;
 * relative to another column (v5's flowEndSysUpTime is flowEnd minus a boot time that hardly
 * changes; WEIR_OCTETS is octetDeltaCount itself); byte-split + zstd; octets + zstd; dictionaries
 * in order, on which ranges are answered without decoding. Every codec is exact.
 *
 * Decoding validates: there is no unchecked twin. Any bytes give a column or an error; no length
 * field is believed before it was checked against what is there, and a decoded column is never
 * larger than rows x width (octets: the length the directory states, bounded by BLOCK_OCTETS_MOST).
 *
 * Threads: pure functions on the caller's memory; any thread. An encoder belongs to one thread. */
#ifndef WEIR_BLOCK_H
#define WEIR_BLOCK_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "base/time.h"
#include "flow/account.h"
#include "flow/batch.h"
#include "flow/filter.h"
#include "flow/vector.h"

#define BLOCK_VERSION 3 /* the newest; a block has the least that knows its codecs */
#define BLOCK_MODELS 3 /* the first that has MODELLED and GIVEN */
#define BLOCK_ROWS_MOST (1u << 20)
#define BLOCK_BYTES_MOST (256u << 20)
#define BLOCK_OCTETS_MOST (256u << 20)

enum codec {
    CODEC_CONSTANT = 0,
    CODEC_FOR = 1,        /* frame of reference, bit-packed residuals */
    CODEC_DICTIONARY = 2, /* distinct values; codes bit-packed */
    CODEC_RELATIVE = 3,   /* stands on a base column: base less this one, coded; CODEC_MAP, GIVEN */
    CODEC_SPLIT_ZSTD = 4, /* byte planes, zstd */
    CODEC_OCTETS_ZSTD = 5,/* variable-length: lengths and bytes, zstd */
    CODEC_RUNS = 6,       /* runs of equal values: lengths, and the values coded by another codec */
    CODEC_MIXED = 7,      /* a bit a row: of the few common values, or of the many rare ones
                             (ports) */
    CODEC_MAP = 8,        /* inside RELATIVE: a value for each dictionary value of the base (AS,
                             address) */
    CODEC_ORDERED = 9,  /* version 2: distinct values in ascending order, common ones apart */
    CODEC_CLASSES = 10, /* version 2: the same in up to four classes; what is written now */
    CODEC_MODELLED = 11, /* version 3: bits foretold by those before; few values (model.h) */
    CODEC_GIVEN = 12, /* inside RELATIVE, version 3: the same, and by the base's values */
    CODEC_COUNT
};

/* Names the block for ever: delivery is idempotent by (collector, sequence). */
struct block_id {
    uint8_t collector[16]; /* random, made once a collector */
    uint64_t sequence;     /* grows; never used twice by a collector */
};

struct block_head {
    uint16_t version;
    uint8_t kind; /* enum record_kind */
    struct block_id id;
    uint32_t rows; /* 0: a block that only carries an account */
    /* Least and most WEIR_FLOW_END of its rows (both included); 0, 0 when rows is 0. */
    int64_t first_ms, last_ms;
    uint32_t column_count;
};

/* A column, not yet decoded: a row of the directory and where its bytes are. */
struct block_column {
    ie_key key;
    uint8_t width; /* as struct vector */
    uint8_t codec; /* enum codec */
    uint32_t rows, present_rows;
    ie_key base;   /* CODEC_RELATIVE: the column it stands on; else 0 */
    uint64_t least, most;                       /* width 1–8, over the present rows */
    uint8_t least_octets[16], most_octets[16];  /* width 16 */
    uint32_t crc;
    const uint8_t *bytes; /* not owned */
    uint32_t length;
    bool unmodelled; /* of a block before BLOCK_MODELS: MODELLED or GIVEN in it is malformed */
};

/* ---- writing ---- */
struct block_encoder; /* keeps scratch memory and zstd contexts from block to block */
struct block_encoder *block_encoder_new(int zstd_level);
void block_encoder_free(struct block_encoder *e);
/* For blocks that stay: dictionaries are tried every time; those of addresses and other numbers
 * that queries read are put in order (CODEC_CLASSES), which is smaller, and faster to read; what
 * queries seldom read is entropy-coded where that is smaller. Measures stay packed. */
void block_encoder_dense(struct block_encoder *e);
/* The same; and of a small block, of 8192 rows at most, every column is encoded in every way that
 * may be the shortest, and the shortest is taken, entropy-coded or not: so few are read in no time.
 * (The corpus's traces: 13.2 to 11.8, 11.2 to 9.2, 14.1 to 13.0 octets a flow.) */
void block_encoder_thorough(struct block_encoder *e);
/* Whether small blocks of a thorough encoder may be modelled (CODEC_MODELLED, GIVEN): a sixth
 * to a half shorter, and slow: 2 to 3 us to read a value of 4 octets. So it is for stores that have
 * few rows as a whole, however many blocks will come. At first not. */
void block_encoder_model(struct block_encoder *e, bool model);
/* Appends the whole block to *out. `batch` may be NULL (account only). The account may be NULL.
 * WEIR_ENOMEM, WEIR_ELIMIT. On failure *out is as before. */
enum weir_status block_encode(struct block_encoder *e, const struct block_id *id,
                              struct batch *batch, const struct account *account,
                              struct buffer *out, struct weir_error *error);
/* Columns whose values are there only while they are wanted: fill() sets them, drop() takes them
 * back (or does nothing, when there are none). fill() is false when memory ends. */
struct column_feed {
    bool (*fill)(void *context, size_t column);
    void (*drop)(void *context, size_t column);
    void *context;
};
/* The same for columns that are in no batch: `count` of them, sorted by key, each with a row that
 * has it. Values are aligned to 64 octets and zero in rows that lack the element; `present` may be
 * NULL where present_rows == rows. With a `feed` (else NULL) each column is filled once, when it is
 * encoded or another one that may stand on it is, and dropped after the last of these; an error
 * leaves some that are not. */
enum weir_status block_encode_columns(struct block_encoder *e, const struct block_id *id,
                                      enum record_kind kind, struct column *columns, size_t count,
                                      uint32_t rows, const struct column_feed *feed,
                                      const struct account *account, struct buffer *out,
                                      struct weir_error *error);

/* ---- reading ---- */
struct block {
    struct block_head head;
    struct block_column *columns; /* from the arena, head.column_count of them, sorted by key */
    const uint8_t *account_bytes;
    size_t account_length;
};
/* Checks magic, version, every length and the CRCs of header and directory; points into `bytes`,
 * which stay the caller's and must outlive *out. Column CRCs are checked by column_decode() and
 * block_check(). WEIR_EVERSION names both versions; WEIR_EMALFORMED and WEIR_ETRUNCATED say
 * where. */
enum weir_status block_open(const uint8_t *bytes, size_t length, struct arena *a,
                            struct block *out, struct weir_error *error);
/* Every column and the account decode, and every least/most/present is true. For blocks from
 * outside, before they are stored, and for verify. `a` is scratch. */
enum weir_status block_check(const struct block *b, struct arena *a, struct weir_error *error);
const struct block_column *block_find(const struct block *b, ie_key key); /* NULL: no row has it */

/* A directory entry alone, as a store keeps it beside the column's bytes (BLOCK_COLUMN_HEAD_SIZE
 * octets, with its own CRC in front). Reading takes the column bytes along and checks their length;
 * with `bytes` NULL (a store reads directories without columns) `length` is not looked at,
 * out->bytes is NULL and out->length is what the head says. */
#define BLOCK_COLUMN_HEAD_SIZE 96
void block_column_write(const struct block_column *c, uint8_t out[BLOCK_COLUMN_HEAD_SIZE]);
enum weir_status block_column_read(const uint8_t head[BLOCK_COLUMN_HEAD_SIZE], const uint8_t *bytes,
                                   size_t length, struct block_column *out,
                                   struct weir_error *error);

/* Heads of columns, one after the other as above, in about a sixth of their octets: for a store of
 * small blocks. Packing appends to *out; false: no memory. What is packed never has a multiple of
 * BLOCK_COLUMN_HEAD_SIZE octets, and block_heads_packed() knows it by that. Unpacking gives the
 * same heads, from `a`, whose checksums are made anew: so whoever keeps packed heads must have a
 * checksum of his own over them. WEIR_EMALFORMED, WEIR_ENOMEM. */
bool block_heads_pack(const uint8_t *heads, uint32_t count, struct buffer *out);
bool block_heads_packed(size_t length);
enum weir_status block_heads_unpack(const uint8_t *bytes, size_t length, struct arena *a,
                                    uint8_t **heads, uint32_t *count);

/* Decodes one column into memory from `a`; form FLAT, CONSTANT or DICTIONARY, whichever the codec
 * gives for nothing. `base` is the decoded base column when c->base is not 0 (its key must match,
 * and its form be the one column_decode() gave it), else NULL. WEIR_ECHECKSUM, WEIR_EMALFORMED: the
 * element is named. WEIR_ENOMEM. */
enum weir_status column_decode(const struct block_column *c, const struct vector *base,
                               struct arena *a, struct vector *out, struct weir_error *error);
/* The sum of the selected rows (a bit a row; NULL: all), mod 2^64, without decoding them into
 * memory. Only a column of CODEC_FOR or RUNS, width 8, that every row has: column_can_sum().
 * Scratch from `a`. Errors as column_decode(). */
bool column_can_sum(const struct block_column *c);
enum weir_status column_sum(const struct block_column *c, const uint64_t *selected,
                            struct arena *a, uint64_t *sum, struct weir_error *error);
/* A column read COLUMN_GROUP rows at a time, for whoever looks at each value once: nothing of its
 * size goes through memory. Only a column of width 8 that every row has, packed or relative to
 * another (column_can_group()); *out is NULL when, looked into, it is neither, and column_decode()
 * is the way. `c` and `base` (as for column_decode()) must outlive *out, which is from `a`. Each
 * call of _next() gives the next rows, all but the last COLUMN_GROUP of them; 0 at the end. Errors
 * as column_decode(). */
#define COLUMN_GROUP 256u
struct column_groups;
bool column_can_group(const struct block_column *c);
enum weir_status column_groups_open(const struct block_column *c, const struct vector *base,
                                    struct arena *a, struct column_groups **out,
                                    struct weir_error *error);
enum weir_status column_groups_next(struct column_groups *g, uint64_t values[COLUMN_GROUP],
                                    uint32_t *count, struct weir_error *error);
/* A column of numbers that can answer ranges as it lies, CODEC_CLASSES, ORDERED or RUNS:
 * column_can_filter(). Its vector is ENCODED and good for filter_select() alone, whose false then
 * is for column_encoded_status() to explain: WEIR_OK is memory. Errors as column_decode(). */
bool column_can_filter(const struct block_column *c);
enum weir_status column_encoded(const struct block_column *c, struct arena *a, struct vector *out,
                                struct weir_error *error);
enum weir_status column_encoded_status(const struct vector *v);
/* Is this CODEC_RELATIVE column its base itself, in every row (when the base is of the same width
 * and in every row)? Scratch from `a`. Errors as column_decode(). */
enum weir_status column_is_base(const struct block_column *c, struct arena *a, bool *same,
                                struct weir_error *error);
/* Any vector as FLAT, memory from `a`; the same vector when it is FLAT already. False: no
 * memory. */
bool vector_flatten(const struct vector *v, struct arena *a, struct vector *out);
/* What filter_judge() wants to know. */
void column_bounds_of(const struct block_column *c, struct column_bounds *out);

/* CRC-32C (Castagnoli), SSE4.2 where the processor has it, tables elsewhere; equal by test. */
uint32_t crc32c(uint32_t seed, const void *bytes, size_t length);

#endif
