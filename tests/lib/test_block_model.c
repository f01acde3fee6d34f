/* test_block_model.c - CODEC_MODELLED and CODEC_GIVEN: octets that another implementation made from
 * schemas/block-format.md alone, values of every width there and back, what has to be refused, and
 * blocks of a modelling encoder: shorter, whole, with chains of bases that end. */
#include "block/given.h"
#include "block/header.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t state = 20261122;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* ---- known octets ---- */

#define KNOWN 20u
/* Of values 10.0.a.b, a = i * i mod 7, b = 200 - 13 * i mod 5. */
static const uint8_t alone[] = {
    0x00, 0x0c, 0x00, 0x0a, 0x00, 0x12, 0x00, 0x00, 0x00, 0xff, 0x37, 0xb6, 0xa7, 0xfa,
    0x4a, 0x05, 0x07, 0x0d, 0xd9, 0xf4, 0xc8, 0x79, 0xbd, 0x45, 0xa2, 0xca, 0x73};
/* The same, given i mod 4 * 1000 + 7, of 8 octets. */
static const uint8_t by_number[] = {
    0x00, 0x0c, 0x00, 0x0a, 0x00, 0x13, 0x00, 0x00, 0x00, 0xff, 0x37, 0x83, 0xcd, 0xb6,
    0xd9, 0x99, 0x81, 0xe4, 0x8b, 0x83, 0xe0, 0xff, 0xc0, 0x0b, 0xbc, 0x50, 0x16, 0xf9};
/* The same, given the value of the row after, the first after the last; known beforehand. */
static const uint8_t primed[] = {
    0x01, 0x0c, 0x00, 0x0a, 0x00, 0x0f, 0x00, 0x00, 0x00, 0xf3, 0xd6, 0xb1,
    0xc3, 0x7b, 0x07, 0x4e, 0x25, 0x86, 0x49, 0xbc, 0x86, 0x5e, 0x26, 0xb1};

struct known {
    uint32_t values[KNOWN], after[KNOWN], hashes[KNOWN];
    uint64_t numbers[KNOWN];
    uint8_t given[KNOWN * 4];
};

static void fill_known(struct known *k)
{
    for (uint32_t i = 0; i < KNOWN; i++) {
        k->values[i] = 0x0a000000u + ((i * i % 7) << 8) + 200 - i * 13 % 5;
        k->numbers[i] = i % 4 * 1000 + 7;
    }
    for (uint32_t i = 0; i < KNOWN; i++)
        k->after[i] = k->values[(i + 1) % KNOWN];
}

static void both_ways(struct known *k, const struct model_given *given, const uint8_t *octets,
                      size_t length)
{
    const struct values v = {.at = k->values, .count = KNOWN, .width = 4};
    struct buffer b = {0};
    uint32_t back[KNOWN];
    struct cursor in = cursor_over(octets, length);
    model_write(&v, given, &b);
    CU_ASSERT(!b.failed && b.length == length && memcmp(b.bytes, octets, length) == 0);
    CU_ASSERT_EQUAL(model_read(&in, KNOWN, 4, given, back), WEIR_OK);
    CU_ASSERT_EQUAL(cursor_left(&in), 0);
    CU_ASSERT_EQUAL(memcmp(back, k->values, sizeof back), 0);
    buffer_free(&b);
}

static void known_octets(void)
{
    struct known k;
    bool same_kind;
    fill_known(&k);
    both_ways(&k, NULL, alone, sizeof alone);
    given_make(k.numbers, 8, NULL, KNOWN, 4, k.hashes, k.given, &same_kind);
    CU_ASSERT(same_kind);
    both_ways(&k, &(struct model_given){k.hashes, NULL}, by_number, sizeof by_number);
    given_make(k.after, 4, NULL, KNOWN, 4, k.hashes, k.given, &same_kind);
    both_ways(&k, &(struct model_given){k.hashes, k.given}, primed, sizeof primed);
}

/* ---- every width ---- */

static void fill_values(uint8_t *values, uint32_t count, unsigned width, unsigned shape)
{
    uint8_t few[32][16];
    for (size_t i = 0; i < sizeof few; i++)
        few[i / 16][i % 16] = (uint8_t)next();
    for (uint32_t i = 0; i < count; i++)
        for (unsigned k = 0; k < width; k++)
            values[i * width + k] = shape == 0   ? (uint8_t)next()
                                    : shape == 1 ? few[i * 7 % 32][k]
                                    : shape == 2 ? (uint8_t)(k ? 3 : i % 3)
                                                 : 9;
}

static void there_and_back(uint32_t count, unsigned width, unsigned shape, unsigned base_width)
{
    uint8_t *values = malloc(count * width + 1), *back = malloc(count * width + 1);
    uint8_t *base = malloc(count * 16), *given = malloc(count * 16);
    uint32_t *hashes = malloc(count * sizeof *hashes);
    struct buffer b = {0};
    bool same_kind = false;
    fill_values(values, count, width, shape);
    fill_values(base, count, base_width ? base_width : 1, 1);
    if (base_width)
        given_make(base, base_width, NULL, count, width, hashes, given, &same_kind);
    const struct model_given with = {hashes, same_kind ? given : NULL};
    const struct model_given *g = base_width ? &with : NULL;
    const struct values v = {.at = values, .count = count, .width = (uint8_t)width};
    model_write(&v, g, &b);
    struct cursor in = cursor_over(b.bytes, b.length);
    CU_ASSERT_EQUAL(model_read(&in, count, width, g, back), WEIR_OK);
    CU_ASSERT_EQUAL(cursor_left(&in), 0);
    CU_ASSERT_EQUAL(memcmp(values, back, count * width), 0);
    buffer_free(&b);
    free(values);
    free(back);
    free(base);
    free(given);
    free(hashes);
}

static void every_width(void)
{
    static const unsigned widths[] = {1, 2, 4, 8, 16};
    static const uint32_t counts[] = {1, 2, 63, 700, MODEL_VALUES_MOST};
    for (size_t w = 0; w < 5; w++)
        for (size_t n = 0; n < 5; n++)
            for (unsigned shape = 0; shape < 4; shape++) {
                there_and_back(counts[n], widths[w], shape, 0);
                there_and_back(counts[n], widths[w], shape, widths[(w + n) % 5]);
            }
}

/* ---- what is refused ---- */

static enum weir_status reads(const uint8_t *octets, size_t length, uint32_t count, unsigned width)
{
    uint8_t *flush = malloc(length + 1), *values = malloc((size_t)count * width + 16);
    memcpy(flush, octets, length);
    struct cursor in = cursor_over(flush, length);
    enum weir_status s = model_read(&in, count, width, NULL, values);
    free(flush);
    free(values);
    return s;
}

static void refuses(void)
{
    uint8_t octets[sizeof alone];
    CU_ASSERT_EQUAL(reads(alone, sizeof alone, KNOWN, 4), WEIR_OK);
    for (size_t length = 0; length < sizeof alone; length++)
        CU_ASSERT_EQUAL(reads(alone, length, KNOWN, 4), WEIR_ETRUNCATED);
    CU_ASSERT_EQUAL(reads(alone, sizeof alone, MODEL_VALUES_MOST + 1, 4), WEIR_EMALFORMED);
    CU_ASSERT_EQUAL(reads(alone, sizeof alone, 0, 4), WEIR_EMALFORMED);
    CU_ASSERT_EQUAL(reads(alone, sizeof alone, KNOWN, 0), WEIR_EMALFORMED);
    CU_ASSERT_EQUAL(reads(alone, sizeof alone, KNOWN, 2), WEIR_EMALFORMED); /* 4 octets vary */
    memcpy(octets, alone, sizeof alone);
    octets[0] = 1; /* known beforehand: by what? */
    CU_ASSERT_EQUAL(reads(octets, sizeof octets, KNOWN, 4), WEIR_EMALFORMED);
    octets[0] = 2;
    CU_ASSERT_EQUAL(reads(octets, sizeof octets, KNOWN, 4), WEIR_EMALFORMED);
    for (size_t i = 9; i < sizeof alone; i++) { /* any octets are values */
        memcpy(octets, alone, sizeof alone);
        octets[i] ^= (uint8_t)(1 + next() % 255);
        CU_ASSERT_EQUAL(reads(octets, sizeof octets, KNOWN, 4), WEIR_OK);
    }
}

/* ---- blocks ---- */

#define ROWS 1500u

static void set(struct batch *b, ie_key key, uint8_t width, uint32_t row, const void *value)
{
    size_t at;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, width, &at), WEIR_OK);
    memcpy((uint8_t *)batch_column_at(b, at)->values + (size_t)row * width, value, width);
    batch_mark(b, at, row, 1);
}

/* Talks of hosts: a flow, and its way back. Each column tells of the next one, so that a chain of
 * all of them would be too long. */
static struct batch *talks(void)
{
    struct batch *b = batch_new(1536, RECORD_FLOW);
    uint32_t hosts[40];
    for (size_t i = 0; i < 40; i++)
        hosts[i] = (uint32_t)next();
    batch_append(b, ROWS);
    for (uint32_t row = 0; row < ROWS; row++) {
        uint64_t talk = row / 2 * 2654435761u >> 7;
        uint32_t near = hosts[talk % 40], far = hosts[(talk % 40 * 7 + talk / 64 % 2) % 40];
        uint16_t port = (uint16_t)(talk * 40503 >> 3), service = (uint16_t)(talk % 40 * 1000);
        uint64_t octets = talk % 40 * 131 + next() % 4, tag = talk % 40;
        uint8_t six[16] = {0x20, 1, [14] = (uint8_t)(talk % 40), [15] = 1};
        set(b, IANA(8), 4, row, row % 2 ? &far : &near);
        set(b, IANA(12), 4, row, row % 2 ? &near : &far);
        set(b, IANA(7), 2, row, row % 2 ? &service : &port);
        set(b, IANA(11), 2, row, row % 2 ? &port : &service);
        set(b, IANA(1), 8, row, &octets);
        set(b, WEIR_OCTETS, 8, row, &octets);
        set(b, WEIR_SRC_TAG, 4, row, &tag);
        if (talk % 3)
            set(b, IANA(27), 16, row, six);
        else
            set(b, IANA(192), 1, row, &tag);
    }
    return b;
}

static struct buffer encoded(struct batch *b, bool model)
{
    struct block_id id = {.sequence = 1};
    struct buffer out = {0};
    struct block_encoder *e = block_encoder_new(1);
    block_encoder_thorough(e);
    block_encoder_model(e, model);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &out, NULL), WEIR_OK);
    block_encoder_free(e);
    return out;
}

static void decode_chain(const struct block *b, const struct block_column *c, struct arena *a,
                         struct vector *out)
{
    struct vector base;
    if (c->base)
        decode_chain(b, block_find(b, c->base), a, &base);
    CU_ASSERT_EQUAL_FATAL(column_decode(c, c->base ? &base : NULL, a, out, NULL), WEIR_OK);
}

static uint32_t differ(const struct block *block, struct batch *from, struct arena *a)
{
    uint32_t wrong = 0;
    for (size_t i = 0; i < batch_column_count(from); i++) {
        const struct column *c = batch_column_at(from, i);
        struct vector v, flat;
        decode_chain(block, block_find(block, c->key), a, &v);
        CU_ASSERT_FATAL(vector_flatten(&v, a, &flat));
        for (uint32_t row = 0; row < ROWS; row++)
            wrong += memcmp((const uint8_t *)flat.values + (size_t)row * c->width,
                            (const uint8_t *)c->values + (size_t)row * c->width, c->width) != 0;
    }
    return wrong;
}

static void refused_as_version_2(struct buffer *b, struct arena *a)
{
    struct block block;
    b->bytes[HEADER_VERSION] = 2;
    uint32_t crc = crc32c(0, b->bytes, HEADER_CRC);
    memcpy(b->bytes + HEADER_CRC, &crc, 4);
    CU_ASSERT_EQUAL(block_open(b->bytes, b->length, a, &block, NULL), WEIR_EMALFORMED);
}

/* GIVEN does not show in the directory: columns of older blocks that have it are malformed. */
static void refused_in_older(const struct block *block, struct arena *a)
{
    struct vector base, v;
    for (uint32_t i = 0; i < block->head.column_count; i++) {
        struct block_column c = block->columns[i];
        bool given = c.present_rows == ROWS && c.base && c.bytes[0] == CODEC_GIVEN;
        if (!given && c.codec != CODEC_MODELLED)
            continue;
        if (c.base)
            decode_chain(block, block_find(block, c.base), a, &base);
        CU_ASSERT_EQUAL(column_decode(&c, c.base ? &base : NULL, a, &v, NULL), WEIR_OK);
        c.unmodelled = true;
        CU_ASSERT_EQUAL(column_decode(&c, c.base ? &base : NULL, a, &v, NULL), WEIR_EMALFORMED);
    }
}

static void blocks(void)
{
    struct batch *b = talks();
    struct buffer plain = encoded(b, false), model = encoded(b, true);
    struct arena a = {0};
    struct block block;
    uint32_t modelled = 0, given = 0;
    CU_ASSERT(model.length * 4 < plain.length * 3);
    CU_ASSERT_EQUAL_FATAL(block_open(plain.bytes, plain.length, &a, &block, NULL), WEIR_OK);
    CU_ASSERT(block.head.version < 3);
    CU_ASSERT_EQUAL_FATAL(block_open(model.bytes, model.length, &a, &block, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(block.head.version, 3);
    CU_ASSERT_EQUAL(block_check(&block, &a, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(differ(&block, b, &a), 0);
    for (uint32_t i = 0; i < block.head.column_count; i++) {
        const struct block_column *c = &block.columns[i];
        modelled += c->codec == CODEC_MODELLED;
        given += c->present_rows == ROWS && c->base && c->bytes[0] == CODEC_GIVEN;
        CU_ASSERT(c->base != WEIR_SRC_TAG);
    }
    CU_ASSERT(modelled > 0 && given > 1);
    CU_ASSERT_EQUAL(block_find(&block, WEIR_OCTETS)->base, IANA(1));
    refused_as_version_2(&model, &a);
    refused_in_older(&block, &a);
    buffer_free(&plain);
    buffer_free(&model);
    arena_free(&a);
    batch_free(b);
}

/* ---- as many columns as there can be ---- */

#define WIDE_ROWS 256u
#define LONG_ROWS 2048u

/* Every value another one; the first column may stand on one that is not there. */
static struct batch *columns_of(uint32_t columns, uint8_t width, uint32_t rows)
{
    struct batch *b = batch_new(rows, RECORD_FLOW);
    batch_append(b, rows);
    for (uint32_t i = 0; i < columns; i++) {
        ie_key key = i ? IANA(1000 + i) : IANA(18);
        for (uint32_t row = 0; row < rows; row++) {
            uint64_t value[2] = {next() & 0x00ffffffu, next() & 0xff};
            set(b, key, i ? width : 4, row, value);
        }
    }
    return b;
}

static void many_columns(void)
{
    struct batch *b = columns_of(BATCH_COLUMNS_MOST, 4, WIDE_ROWS);
    clock_t before = clock();
    struct buffer out = encoded(b, true);
    double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
    struct arena a = {0};
    struct block block;
    CU_ASSERT(seconds < 60); /* some; were each of their values looked at once a pair, 200 */
    CU_ASSERT_EQUAL_FATAL(block_open(out.bytes, out.length, &a, &block, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(block.head.version, 3);
    CU_ASSERT_EQUAL(block_check(&block, &a, NULL), WEIR_OK);
    buffer_free(&out);
    arena_free(&a);
    batch_free(b);
}

/* What takes minutes to read is not modelled. */
static void long_columns(void)
{
    struct batch *b = columns_of(200, 16, LONG_ROWS);
    struct buffer out = encoded(b, true);
    struct arena a = {0};
    struct block block;
    size_t modelled = 0;
    CU_ASSERT_EQUAL_FATAL(block_open(out.bytes, out.length, &a, &block, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(block_check(&block, &a, NULL), WEIR_OK);
    for (uint32_t i = 0; i < block.head.column_count; i++)
        if (block.columns[i].codec == CODEC_MODELLED)
            modelled += (size_t)block.columns[i].rows * block.columns[i].width;
    CU_ASSERT(modelled > 1 << 20 && modelled < 5 << 20);
    buffer_free(&out);
    arena_free(&a);
    batch_free(b);
}

UNIT_MAIN("block, models", {"known octets", known_octets}, {"every width", every_width},
          {"refuses", refuses}, {"blocks", blocks}, {"many columns", many_columns},
          {"long columns", long_columns})
