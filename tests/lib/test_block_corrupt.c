/* test_block_corrupt.c - bytes from outside: whatever is flipped, cut or invented, a block gives an
 * error or the same values as before, never other ones; crafted payloads with true checksums are
 * refused. */
#include "block/codec.h"
#include "block/header.h"
#include "block_cases.h"

static const struct block_id id = {{9}, 1};

static void put(struct batch *b, ie_key key, uint8_t width, uint32_t row, uint64_t v)
{
    size_t index;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, width, &index), WEIR_OK);
    memcpy((uint8_t *)batch_column_at(b, index)->values + (size_t)row * width, &v, width);
    batch_mark(b, index, row, 1);
}

static struct batch *small_batch(void)
{
    static const uint8_t widths[] = {1, 2, 4, 8, 16, 0};
    struct batch *b = batch_new(128, RECORD_FLOW);
    batch_append(b, 100);
    for (unsigned shape = 0; shape < CASE_SHAPES; shape++)
        case_column(b, IE_KEY(7, shape), widths[shape % 6], shape, shape % 4);
    case_column(b, WEIR_FLOW_END, 8, 3, 0);
    for (uint32_t row = 0; row < 100; row++) { /* one column is another, one decides another */
        uint64_t octets = case_next() >> 40, host = case_next() % 7 * 0x01357913;
        put(b, IANA(1), 8, row, octets);
        put(b, WEIR_OCTETS, 8, row, octets);
        put(b, IANA(8), 4, row, host);
        put(b, IANA(9), 1, row, host % 31);
    }
    return b;
}

static void make(struct batch *b, struct buffer *bytes)
{
    struct account_row row = {.key = {.domain = 1}, .counts = {.records = 5}};
    const struct account account = {.rows = &row, .row_count = 1};
    struct block_encoder *e = block_encoder_new(3);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, &account, bytes, NULL), WEIR_OK);
    block_encoder_free(e);
}

/* Opens and checks a copy that sits flush at the end of its memory. */
static enum weir_status judge(const uint8_t *bytes, size_t length, struct weir_error *error)
{
    uint8_t *flush = malloc(length ? length : 1);
    struct arena a = {0};
    struct block block;
    memcpy(flush, bytes, length);
    enum weir_status s = block_open(flush, length, &a, &block, error);
    if (!s)
        s = block_check(&block, &a, error);
    arena_free(&a);
    free(flush);
    return s;
}

static void every_flip(void)
{
    struct batch *b = small_batch();
    struct buffer bytes = {0};
    make(b, &bytes);
    CU_ASSERT_EQUAL(judge(bytes.bytes, bytes.length, NULL), WEIR_OK);
    for (size_t i = 0; i < bytes.length; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct weir_error error = {.message = ""};
            bytes.bytes[i] ^= (uint8_t)(1u << bit);
            CU_ASSERT_NOT_EQUAL(judge(bytes.bytes, bytes.length, &error), WEIR_OK);
            CU_ASSERT_NOT_EQUAL(error.message[0], 0);
            bytes.bytes[i] ^= (uint8_t)(1u << bit);
        }
    buffer_free(&bytes), batch_free(b);
}

static void every_truncation(void)
{
    struct batch *b = small_batch();
    struct buffer bytes = {0};
    make(b, &bytes);
    for (size_t length = 0; length < bytes.length; length++)
        CU_ASSERT_EQUAL(judge(bytes.bytes, length, NULL), WEIR_ETRUNCATED);
    buffer_put_u8(&bytes, 0);
    CU_ASSERT_EQUAL(judge(bytes.bytes, bytes.length, NULL), WEIR_EMALFORMED);
    buffer_free(&bytes), batch_free(b);
}

/* Reads all of it: every code leads to a value, every octet is in memory that the sanitizer knows.
 */
static bool readable(const struct vector *v)
{
    volatile uint64_t sum = 0;
    if (v->form > VECTOR_DICTIONARY || v->rows != 100)
        return false;
    for (uint32_t row = 0; row < v->rows; row++) {
        if (v->form == VECTOR_DICTIONARY && v->codes[row] >= v->code_count)
            return false;
        if (v->width && v->width <= 8) {
            sum += vector_u64(v, row);
            continue;
        }
        struct octets o = vector_octets(v, row);
        for (uint32_t i = 0; i < o.length; i++)
            sum += o.bytes[i];
    }
    return true;
}

static void decode_damaged(const struct block *b, const struct block_column *good,
                           const uint8_t *bytes)
{
    struct block_column c = *good;
    struct vector v, base = {.rows = 0};
    struct arena a = {0};
    c.bytes = bytes;
    c.crc = crc32c(0, bytes, c.length);
    if (c.base)
        CU_ASSERT_EQUAL(case_decode(b, block_find(b, c.base), &a, &base, NULL), WEIR_OK);
    if (column_decode(&c, &base, &a, &v, NULL) == WEIR_OK)
        CU_ASSERT_TRUE(readable(&v));
    arena_free(&a);
}

/* Flips with the column's checksum made true again: any values or an error, never a fault or a
 * vector that leads outside of its memory. */
static void true_checksums(void)
{
    struct batch *b = small_batch();
    struct buffer bytes = {0};
    struct arena a = {0};
    struct block block;
    make(b, &bytes);
    CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &a, &block, NULL), WEIR_OK);
    for (uint32_t i = 0; i < block.head.column_count; i++) {
        const struct block_column *c = &block.columns[i];
        for (uint32_t at = 0; at < c->length * 12; at++) {
            uint8_t *copy = malloc(c->length);
            memcpy(copy, c->bytes, c->length);
            copy[at / 12] = (uint8_t)(at % 12 < 8 ? copy[at / 12] ^ 1u << at % 12 : case_next());
            decode_damaged(&block, c, copy);
            free(copy);
        }
    }
    arena_free(&a);
    buffer_free(&bytes), batch_free(b);
}

/* ---- payloads made by hand ---- */
#define ROWS 4
static enum weir_status decode_bytes(uint8_t codec, uint8_t width, const void *bytes, size_t length)
{
    uint8_t *flush = malloc(length ? length : 1);
    memcpy(flush, bytes, length);
    struct block_column c = {.key = IANA(4),
                             .width = width,
                             .codec = codec,
                             .rows = ROWS,
                             .present_rows = ROWS,
                             .bytes = flush,
                             .length = (uint32_t)length};
    uint64_t zeros[ROWS] = {0};
    static const uint16_t codes[ROWS] = {0, 1, 2, 1};
    struct vector base = {.key = IANA(1), .width = 8, .rows = ROWS, .values = zeros}, out;
    c.base = codec == CODEC_RELATIVE ? IANA(1) : 0;
    if (length && flush[0] == CODEC_MAP) { /* the base's dictionary has three values */
        base.form = VECTOR_DICTIONARY;
        base.codes = codes;
        base.code_count = 3;
    }
    struct arena a = {0};
    c.crc = crc32c(0, flush, length);
    enum weir_status s = column_decode(&c, &base, &a, &out, NULL);
    arena_free(&a);
    free(flush);
    return s;
}
/* A packed payload of ROWS values 0–3 of two bits: reference 0, no exceptions. */
#define PACKED_0123 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xe4
#define PACKED_ZERO 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

#define CRAFTED(expected, codec, width, ...)                                                       \
    {expected, codec, width, sizeof((const uint8_t[]){__VA_ARGS__}), (const uint8_t[]){__VA_ARGS__}}
/* Payloads of ROWS values, by hand. What is right comes first: else the rest would prove
 * nothing. */
static const struct {
    enum weir_status expected;
    uint8_t codec, width;
    size_t length;
    const uint8_t *bytes;
} crafted_payloads[] = {
    CRAFTED(WEIR_OK, CODEC_CONSTANT, 2, 1, 2),
    CRAFTED(WEIR_OK, CODEC_FOR, 2, PACKED_0123),
    CRAFTED(WEIR_OK, CODEC_DICTIONARY, 1, 4, 0, 0, 0, CODEC_FOR, PACKED_0123, CODEC_FOR,
            PACKED_0123),
    CRAFTED(WEIR_OK, CODEC_RELATIVE, 1, CODEC_FOR, PACKED_0123),
    CRAFTED(WEIR_OK, CODEC_RUNS, 1, 4, 0, 0, 0, CODEC_FOR, PACKED_ZERO, CODEC_FOR, PACKED_0123),
    CRAFTED(WEIR_OK, CODEC_SPLIT_ZSTD, 1, BLOB_RAW, 4, 0, 0, 0, 1, 2, 3, 4),
    CRAFTED(WEIR_OK, CODEC_SPLIT_ZSTD, 1, BLOB_REPEAT, 1, 0, 0, 0, 9),
    CRAFTED(WEIR_OK, CODEC_OCTETS_ZSTD, 0, CODEC_FOR, PACKED_ZERO, 0, 0, 0, 0, BLOB_RAW, 0, 0, 0,
            0),
    CRAFTED(WEIR_OK, CODEC_CONSTANT, 0, 2, 0, 0, 0, 'h', 'i'),
    CRAFTED(WEIR_OK, CODEC_MIXED, 1, BLOB_RAW, 1, 0, 0, 0, 5, CODEC_CONSTANT, 9, CODEC_CONSTANT, 8),
    CRAFTED(WEIR_OK, CODEC_RELATIVE, 1, CODEC_MAP, 3, 0, 0, 0, CODEC_SPLIT_ZSTD, BLOB_RAW, 3, 0,
            0, 0, 7, 8, 9),
    /* maps: fewer values than codes that are used, more than there are, none; in the wrong place */
    CRAFTED(WEIR_EMALFORMED, CODEC_RELATIVE, 1, CODEC_MAP, 2, 0, 0, 0, CODEC_SPLIT_ZSTD, BLOB_RAW,
            2, 0, 0, 0, 7, 8),
    CRAFTED(WEIR_EMALFORMED, CODEC_RELATIVE, 1, CODEC_MAP, 4, 0, 0, 0, CODEC_SPLIT_ZSTD, BLOB_RAW,
            4, 0, 0, 0, 7, 8, 9, 9),
    CRAFTED(WEIR_EMALFORMED, CODEC_RELATIVE, 1, CODEC_MAP, 0, 0, 0, 0, CODEC_CONSTANT, 1),
    CRAFTED(WEIR_EMALFORMED, CODEC_MAP, 1, 3, 0, 0, 0, CODEC_CONSTANT, 1),
    CRAFTED(WEIR_ETRUNCATED, CODEC_RELATIVE, 1, CODEC_MAP, 3, 0, 0),
    CRAFTED(WEIR_EMALFORMED, CODEC_RELATIVE, 1, CODEC_MAP, 3, 0, 0, 0, CODEC_CONSTANT, 1, 1),
    /* mixtures: all of one part, a bit past the rows; in themselves */
    CRAFTED(WEIR_EMALFORMED, CODEC_MIXED, 1, BLOB_RAW, 1, 0, 0, 0, 15, CODEC_CONSTANT, 9,
            CODEC_CONSTANT, 8),
    CRAFTED(WEIR_EMALFORMED, CODEC_MIXED, 1, BLOB_RAW, 1, 0, 0, 0, 0, CODEC_CONSTANT, 9,
            CODEC_CONSTANT, 8),
    CRAFTED(WEIR_EMALFORMED, CODEC_MIXED, 1, BLOB_RAW, 1, 0, 0, 0, 21, CODEC_CONSTANT, 9,
            CODEC_CONSTANT, 8),
    CRAFTED(WEIR_EMALFORMED, CODEC_MIXED, 1, BLOB_RAW, 1, 0, 0, 0, 5, CODEC_MIXED),
    /* octets behind, octets missing */
    CRAFTED(WEIR_EMALFORMED, CODEC_CONSTANT, 2, 1, 2, 3),
    CRAFTED(WEIR_ETRUNCATED, CODEC_CONSTANT, 2, 1),
    CRAFTED(WEIR_ETRUNCATED, CODEC_CONSTANT, 0, 255, 255, 255, 255, 'h'),
    /* a codec that does not go with the width, or is none */
    CRAFTED(WEIR_EMALFORMED, CODEC_FOR, 0, PACKED_0123),
    CRAFTED(WEIR_EMALFORMED, CODEC_FOR, 16, PACKED_0123),
    CRAFTED(WEIR_EMALFORMED, CODEC_RELATIVE, 16, CODEC_FOR, PACKED_0123),
    CRAFTED(WEIR_EMALFORMED, CODEC_OCTETS_ZSTD, 1, CODEC_FOR, PACKED_ZERO),
    CRAFTED(WEIR_EMALFORMED, CODEC_SPLIT_ZSTD, 0, BLOB_RAW, 0, 0, 0, 0),
    CRAFTED(WEIR_EMALFORMED, CODEC_COUNT, 1, 1),
    /* a code past the dictionary; no value; more values than rows */
    CRAFTED(WEIR_EMALFORMED, CODEC_DICTIONARY, 1, 3, 0, 0, 0, CODEC_FOR, PACKED_ZERO, CODEC_FOR,
            PACKED_0123),
    CRAFTED(WEIR_EMALFORMED, CODEC_DICTIONARY, 1, 0, 0, 0, 0, CODEC_FOR, PACKED_0123),
    CRAFTED(WEIR_EMALFORMED, CODEC_DICTIONARY, 1, 5, 0, 0, 0, CODEC_FOR, PACKED_ZERO, CODEC_FOR,
            PACKED_0123),
    /* nesting that the format does not have */
    CRAFTED(WEIR_EMALFORMED, CODEC_RELATIVE, 1, CODEC_RELATIVE, CODEC_FOR, PACKED_0123),
    CRAFTED(WEIR_EMALFORMED, CODEC_RUNS, 1, 4, 0, 0, 0, CODEC_FOR, PACKED_ZERO, CODEC_RUNS),
    CRAFTED(WEIR_EMALFORMED, CODEC_DICTIONARY, 1, 4, 0, 0, 0, CODEC_DICTIONARY),
    /* runs that do not add up: too long, too short; none */
    CRAFTED(WEIR_EMALFORMED, CODEC_RUNS, 1, 4, 0, 0, 0, CODEC_FOR, PACKED_0123, CODEC_FOR,
            PACKED_0123),
    CRAFTED(WEIR_EMALFORMED, CODEC_RUNS, 1, 3, 0, 0, 0, CODEC_FOR, PACKED_ZERO, CODEC_FOR,
            PACKED_0123),
    CRAFTED(WEIR_EMALFORMED, CODEC_RUNS, 1, 0, 0, 0, 0),
    /* blobs: unknown method, other length, not zstd */
    CRAFTED(WEIR_EMALFORMED, CODEC_SPLIT_ZSTD, 1, 3, 4, 0, 0, 0, 1, 2, 3, 4),
    CRAFTED(WEIR_EMALFORMED, CODEC_SPLIT_ZSTD, 1, BLOB_RAW, 3, 0, 0, 0, 1, 2, 3),
    CRAFTED(WEIR_EMALFORMED, CODEC_SPLIT_ZSTD, 1, BLOB_ZSTD, 4, 0, 0, 0, 1, 2, 3, 4),
    CRAFTED(WEIR_EMALFORMED, CODEC_SPLIT_ZSTD, 1, BLOB_REPEAT, 2, 0, 0, 0, 1, 2),
    /* lengths that are not the total */
    CRAFTED(WEIR_EMALFORMED, CODEC_OCTETS_ZSTD, 0, CODEC_FOR, PACKED_0123, 5, 0, 0, 0, BLOB_RAW,
            5, 0, 0, 0, 1, 2, 3, 4, 5),
};
#undef CRAFTED

static void crafted(void)
{
    for (size_t i = 0; i < sizeof crafted_payloads / sizeof *crafted_payloads; i++) {
        const uint8_t *bytes = crafted_payloads[i].bytes;
        enum weir_status status = decode_bytes(crafted_payloads[i].codec, crafted_payloads[i].width,
                                               bytes, crafted_payloads[i].length);
        CU_ASSERT_EQUAL(status, crafted_payloads[i].expected);
        if (status != crafted_payloads[i].expected)
            printf("crafted payload %zu: %s\n", i, weir_status_text(status));
    }
}

/* A directory that is sealed correctly and lies. */
static void lies(void)
{
    struct batch *b = small_batch();
    struct buffer good = {0};
    make(b, &good);
    struct arena a = {0};
    struct block block;
    CU_ASSERT_EQUAL_FATAL(block_open(good.bytes, good.length, &a, &block, NULL), WEIR_OK);
    for (uint32_t i = 0; i < block.head.column_count; i++)
        for (unsigned lie = 0; lie < 7; lie++) {
            struct block_column c = block.columns[i];
            if (lie == 0)
                c.width ? c.width == 16 ? (void)c.most_octets[15]++ : (void)c.most++
                        : (void)c.width++;
            else if (lie == 1)
                c.rows++;
            else if (lie == 2)
                c.present_rows == c.rows ? c.present_rows-- : c.present_rows++;
            else if (lie == 3)
                c.length++;
            else if (lie == 4)
                c.key++;
            else if (lie == 5)
                c.base = c.codec == CODEC_RELATIVE ? c.key : IANA(999);
            else
                c.codec = (uint8_t)(c.codec == CODEC_RELATIVE ? CODEC_FOR
                                    : i % 2                   ? CODEC_COUNT
                                                              : CODEC_MAP);
            uint8_t *bytes = malloc(good.length), *directory = bytes + HEADER_SIZE;
            memcpy(bytes, good.bytes, good.length);
            block_column_write(&c, directory + i * BLOCK_COLUMN_HEAD_SIZE);
            uint32_t crc = crc32c(0, directory, block.head.column_count * BLOCK_COLUMN_HEAD_SIZE);
            memcpy(bytes + HEADER_DIRECTORY_CRC, &crc, 4);
            crc = crc32c(0, bytes, HEADER_CRC);
            memcpy(bytes + HEADER_CRC, &crc, 4);
            enum weir_status s = judge(bytes, good.length, NULL);
            /* Another key alone is no lie, where order and bases allow it. */
            CU_ASSERT(s != WEIR_OK || lie == 4);
            free(bytes);
        }
    arena_free(&a), buffer_free(&good), batch_free(b);
}

/* A dictionary that has a value twice is found, by hashing and by sorting. */
static void values_twice(void)
{
    static const uint8_t widths[] = {2, 4, 8, 16, 0};
    static uint8_t values[2000 * 16];
    static struct octets strings[2000];
    struct dictionary d = {0};
    for (size_t w = 0; w < sizeof widths; w++)
        for (unsigned crafted = 0; crafted < 2; crafted++) {
            unsigned width = widths[w];
            bool distinct = false;
            for (uint32_t i = 0; i < 2000; i++) {
                uint64_t v = crafted && width > 2 ? case_colliding(i) : i * UINT64_C(31);
                memcpy(values + (width ? i * width : i * 8), &v, width == 16 || !width ? 8 : width);
                strings[i] = (struct octets){values + (size_t)i * 8, 8};
            }
            const void *at = width ? (const void *)values : strings;
            CU_ASSERT(dictionary_distinct(&d, at, 2000, width, &distinct) && distinct);
            memmove(values + (width ? 1999u * width : 1999u * 8), values + 5 * (width ? width : 8u),
                    width ? width : 8);
            CU_ASSERT(dictionary_distinct(&d, at, 2000, width, &distinct) && !distinct);
        }
    dictionary_free(&d);
}

static void reseal_directory(uint8_t *bytes, const struct block *b)
{
    uint32_t crc = crc32c(0, bytes + HEADER_SIZE, b->head.column_count * BLOCK_COLUMN_HEAD_SIZE);
    memcpy(bytes + HEADER_DIRECTORY_CRC, &crc, 4);
    crc = crc32c(0, bytes, HEADER_CRC);
    memcpy(bytes + HEADER_CRC, &crc, 4);
}

/* Two columns that stand on each other. */
static void circles(void)
{
    struct batch *b = small_batch();
    struct buffer bytes = {0};
    struct arena a = {0};
    struct block block;
    struct weir_error error;
    make(b, &bytes);
    CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &a, &block, NULL), WEIR_OK);
    static const ie_key pair[2] = {WEIR_OCTETS, IANA(9)};
    for (size_t i = 0; i < 2; i++) {
        const struct block_column *at = block_find(&block, pair[i]);
        CU_ASSERT_EQUAL_FATAL(at->codec, CODEC_RELATIVE);
        struct block_column c = *at;
        c.base = pair[1 - i];
        block_column_write(&c, bytes.bytes + HEADER_SIZE +
                                   (size_t)(at - block.columns) * BLOCK_COLUMN_HEAD_SIZE);
    }
    reseal_directory(bytes.bytes, &block);
    CU_ASSERT_EQUAL(judge(bytes.bytes, bytes.length, &error), WEIR_EMALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "stands on"));
    arena_free(&a), buffer_free(&bytes), batch_free(b);
}

static void reseal(uint8_t *bytes)
{
    uint32_t crc = crc32c(0, bytes, HEADER_CRC);
    memcpy(bytes + HEADER_CRC, &crc, 4);
}

static void headers(void)
{
    struct batch *b = small_batch();
    struct buffer good = {0};
    struct weir_error error;
    make(b, &good);
    static const struct {
        size_t at;
        uint8_t value;
        enum weir_status status;
    } wrong[] = {{HEADER_MAGIC, 'W', WEIR_EMALFORMED},
                 {HEADER_VERSION, 0, WEIR_EVERSION},
                 {HEADER_VERSION, 4, WEIR_EVERSION},
                 {HEADER_KIND, 2, WEIR_EMALFORMED},
                 {HEADER_ZERO, 1, WEIR_EMALFORMED},
                 {HEADER_ROWS + 3, 1, WEIR_EMALFORMED},
                 {HEADER_ROWS, 99, WEIR_EMALFORMED},
                 {HEADER_FIRST, 1, WEIR_EMALFORMED},
                 {HEADER_COLUMNS, 200, WEIR_ETRUNCATED},
                 {HEADER_COLUMNS + 1, 255, WEIR_EMALFORMED},
                 {HEADER_ACCOUNT_LENGTH + 3, 255, WEIR_ETRUNCATED},
                 {HEADER_COLUMNS_LENGTH + 7, 255, WEIR_ETRUNCATED},
                 {HEADER_RESERVED + 11, 1, WEIR_EMALFORMED}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t *bytes = malloc(good.length);
        memcpy(bytes, good.bytes, good.length);
        bytes[wrong[i].at] = wrong[i].value;
        reseal(bytes);
        CU_ASSERT_EQUAL(judge(bytes, good.length, &error), wrong[i].status);
        free(bytes);
    }
    good.bytes[HEADER_VERSION] = 9;
    CU_ASSERT_EQUAL(judge(good.bytes, good.length, &error), WEIR_EVERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "version 9"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "versions 1 to 3"));
    buffer_free(&good), batch_free(b);
}

UNIT_MAIN("block, damaged", {"every flip", every_flip}, {"every truncation", every_truncation},
          {"flips with true checksums", true_checksums}, {"crafted payloads", crafted},
          {"lies in the directory", lies}, {"circles", circles}, {"values twice", values_twice},
          {"headers", headers})
