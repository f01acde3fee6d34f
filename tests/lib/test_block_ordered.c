/* test_block_ordered.c - CODEC_CLASSES and CODEC_ORDERED: bytes written by hand, columns through a
 * dense encoder and back, ranges answered on packed numbers (and on runs) against a walk over the
 * rows, and what has to be refused. */
#include "block/ordered.h"
#include "block/header.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

static uint64_t state = 20261121;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* ---- by hand ---- */

/* 9 rows of width 4. Common: 10, 20 (firsts: 10; gaps 0, 10). Rare: 5, 6, 300 (gaps 0, 1, 294).
 * Rows: 10 20 5 10 300 6 20 20 5; common bits 1 1 0 1 0 0 1 1 0; common numbers 0 1 0 1 1 of a bit;
 * rare numbers 0 2 1 0 of two bits. */
#define HAND_HEAD 5, 0, 0, 0, 2, 0, 0, 0
#define HAND_COMMON 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0xa0
#define HAND_RARE 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 8, 0x02, 2, 147
#define HAND_ROWS 0xcb, 0x00, 0x1a, 0x18
static const uint8_t hand[] = {HAND_HEAD, HAND_COMMON, HAND_RARE, HAND_ROWS};
static const uint32_t hand_rows[9] = {10, 20, 5, 10, 300, 6, 20, 20, 5};

/* The same rows in four classes. Class 0: 20 alone (no gaps but its own 0; numbers of no bits).
 * Class 1: 10. Class 2: none. Class 3: 5, 6, 300, as above. Rows: 10 20 5 10 300 6 20 20 5; their
 * classes 1 0 3 1 3 3 0 0 3; planes 1 0 1 1 1 1 0 0 1 and 0 0 1 0 1 1 0 0 1; numbers of class 3:
 * 0 2 1 0 of two bits. */
#define FOUR_HEAD 5, 0, 0, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0
#define FOUR_20 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define FOUR_10 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define FOUR_ROWS 0x3d, 0x01, 0x34, 0x01, 0x18
static const uint8_t four[] = {FOUR_HEAD, FOUR_20, FOUR_10, HAND_RARE, FOUR_ROWS};
#define FOUR_PLANES (sizeof four - 5)

/* One class: 7 and 9, rows 9 7 9. */
static const uint8_t single[] = {2, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                 0, 0, 0, 2, 0, 0x08, 0x05};
static const uint32_t single_rows[3] = {9, 7, 9};

/* In memory of just its length, so that a read past it is seen. */
static struct block_column column_of(enum codec codec, const uint8_t *bytes, size_t length,
                                     uint32_t rows, struct arena *a)
{
    uint8_t *flush = arena_alloc(a, length ? length : 1);
    memcpy(flush, bytes, length);
    return (struct block_column){.key = IANA(8), .width = 4, .codec = (uint8_t)codec, .rows = rows,
                                 .present_rows = rows, .bytes = flush, .length = (uint32_t)length,
                                 .crc = crc32c(0, flush, length)};
}

static enum weir_status decode(enum codec codec, const uint8_t *bytes, size_t length, uint32_t rows,
                               struct arena *a, struct vector *out)
{
    struct block_column c = column_of(codec, bytes, length, rows, a);
    return column_decode(&c, NULL, a, out, NULL);
}

static void ranges_agree(const struct block_column *c, const uint32_t *values,
                         const uint64_t *present, struct arena *a);

static void reads(enum codec codec, const uint8_t *bytes, size_t length, uint32_t values,
                  const uint32_t *rows, uint32_t count)
{
    struct arena a = {0};
    struct vector v;
    CU_ASSERT_EQUAL_FATAL(decode(codec, bytes, length, count, &a, &v), WEIR_OK);
    CU_ASSERT_EQUAL(v.form, VECTOR_DICTIONARY);
    CU_ASSERT_EQUAL(v.code_count, values);
    for (uint32_t row = 0; row < count; row++)
        CU_ASSERT_EQUAL(vector_u64(&v, row), rows[row]);
    struct block_column c = column_of(codec, bytes, length, count, &a);
    ranges_agree(&c, rows, NULL, &a);
    for (size_t cut = 0; cut < length; cut++)
        CU_ASSERT_NOT_EQUAL(decode(codec, bytes, cut, count, &a, &v), WEIR_OK);
    arena_free(&a);
}

static void by_hand(void)
{
    reads(CODEC_ORDERED, hand, sizeof hand, 5, hand_rows, 9);
    reads(CODEC_CLASSES, four, sizeof four, 5, hand_rows, 9);
    reads(CODEC_CLASSES, single, sizeof single, 2, single_rows, 3);
}

struct wrong {
    size_t at;
    uint8_t value;
    bool fine;
};

static void refuses_each(enum codec codec, const uint8_t *bytes, size_t length,
                         const struct wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena a = {0};
        struct vector v;
        uint8_t copy[100];
        memcpy(copy, bytes, length);
        copy[wrong[i].at] = wrong[i].value;
        CU_ASSERT_EQUAL(decode(codec, copy, length, 9, &a, &v) == WEIR_OK, wrong[i].fine);
        arena_free(&a);
    }
}

static void refuses(void)
{
    static const struct wrong of_ordered[] = {
        {0, 0, false},     /* no values; more than rows; more than may be */
        {0, 10, false},    {2, 2, false},
        {4, 5, false},     /* common ones: all of them, and more */
        {4, 6, false},     {20, 9, false}, /* a group reference of nine octets */
        {23, 0x0a, false}, /* a gap before the first of a group; one that is zero */
        {23, 0x00, false}, {41, 3, false}, /* an exception past the end */
        {42, 0, false},    {42, 1, true},  /* a gap of 0, of 2 */
        {43, 0, false},    {44, 2, false}, /* bit map: none, one past the rows; another row */
        {44, 1, true},     {46, 0xff, false}, /* a number that no value has */
        {45, 0xfa, true},  /* bits behind the numbers are not looked at */
    };
    static const struct wrong of_classes[] = {
        {0, 0, false},     /* no values; more than rows; other than the classes have */
        {0, 10, false},    {0, 1, false},
        {4, 3, false},     {4, 255, false}, /* more classes than there may be; fewer */
        {4, 1, false},     {5, 6, false}, /* a class of more values than there are */
        {9, 5, false},     {13, 4, false}, {16, 255, false},
        {FOUR_PLANES, 0x3c, true},      /* a row of another class; of the empty one */
        {FOUR_PLANES, 0x39, false},     {FOUR_PLANES + 1, 3, false}, /* one past the rows */
        {FOUR_PLANES + 3, 0x81, false}, {FOUR_PLANES + 4, 0x1c, false}, /* no such number */
        {FOUR_PLANES + 4, 0x19, true},
    };
    refuses_each(CODEC_ORDERED, hand, sizeof hand, of_ordered,
                 sizeof of_ordered / sizeof of_ordered[0]);
    refuses_each(CODEC_CLASSES, four, sizeof four, of_classes,
                 sizeof of_classes / sizeof of_classes[0]);
}

/* A number too large for its class, which with the values of the class before would wrap to a value
 * of that: D is 65536, of which 40000 are of class 0, and a row of class 1 says 40000 of 25536. */
static void refuses_what_wraps(void)
{
    enum { VALUES = 65536, FIRST = 40000, ROWS = VALUES + 1 };
    struct buffer b = {0};
    struct arena a = {0};
    struct vector v;
    buffer_put_u32le(&b, VALUES), buffer_put_u8(&b, 1), buffer_put_u32le(&b, FIRST);
    for (uint32_t c = 0, count = FIRST; c < 2; c++, count = VALUES - FIRST) {
        for (uint32_t i = 0; i < count; i += PACK_GROUP)
            buffer_put_u32le(&b, 2 * i + c);
        for (unsigned i = 0; i < 9; i++)
            buffer_put_u8(&b, 0);
        for (uint32_t i = 0; i < count; i += PACK_GROUP) { /* gaps of two bits: 0, then 2 each */
            uint32_t n = count - i < PACK_GROUP ? count - i : PACK_GROUP;
            buffer_put_u8(&b, 2), buffer_put_u8(&b, 0);
            for (uint32_t at = 0; at < n; at += 4)
                buffer_put_u8(&b, at ? 0xaa : 0xa8);
        }
    }
    for (uint32_t row = 0; row < ROWS; row += 8)
        buffer_put_u8(&b, row == 0);
    for (uint32_t i = 0; i < ROWS - 1; i++)
        buffer_put_u16le(&b, 0);
    buffer_put_u16le(&b, 64); /* of class 1, of 15 bits */
    CU_ASSERT_EQUAL_FATAL(decode(CODEC_CLASSES, b.bytes, b.length, ROWS, &a, &v), WEIR_OK);
    CU_ASSERT_EQUAL(vector_u64(&v, 0), 129);
    b.bytes[b.length - 1] = 0x63; /* 25408 + 64, below 25536 */
    CU_ASSERT_EQUAL(decode(CODEC_CLASSES, b.bytes, b.length, ROWS, &a, &v), WEIR_OK);
    CU_ASSERT_EQUAL(vector_u64(&v, 0), 2 * (25344 + 64) + 1);
    b.bytes[b.length - 1] = 0x7f;
    CU_ASSERT_NOT_EQUAL(decode(CODEC_CLASSES, b.bytes, b.length, ROWS, &a, &v), WEIR_OK);
    buffer_free(&b), arena_free(&a);
}

/* ---- through the encoder ---- */

struct shape {
    uint32_t rows, hosts;
    unsigned skew; /* 0: all alike */
    uint32_t base, step;
    unsigned hole; /* every hole-th row lacks it; 0: none */
};

static uint32_t address(const struct shape *s)
{
    uint64_t host = next() % s->hosts;
    for (unsigned i = 0; i < s->skew; i++)
        host = next() % (host + 1);
    return s->base + (uint32_t)host * s->step;
}

static struct batch *make_batch(const struct shape *s)
{
    struct batch *b = batch_new((s->rows + 63) / 64 * 64, RECORD_FLOW);
    size_t index;
    batch_append(b, s->rows);
    CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(8), 4, &index), WEIR_OK);
    uint32_t *values = (uint32_t *)(void *)batch_column_at(b, index)->values;
    for (uint32_t row = 0; row < s->rows; row++) {
        if (s->hole && row % s->hole == 0)
            continue;
        values[row] = address(s);
        batch_mark(b, index, row, 1);
    }
    return b;
}

static struct buffer encode(struct batch *b, bool dense)
{
    const struct block_id id = {.sequence = 3};
    struct block_encoder *e = block_encoder_new(1);
    struct buffer out = {0};
    if (dense)
        block_encoder_dense(e);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &out, NULL), WEIR_OK);
    block_encoder_free(e);
    return out;
}

/* Ranges with ends on values, between them and past them; each against every row. */
static void ranges_agree(const struct block_column *c, const uint32_t *values,
                         const uint64_t *present, struct arena *a)
{
    uint32_t words = (c->rows + 63) / 64;
    struct vector v;
    CU_ASSERT_EQUAL_FATAL(column_encoded(c, a, &v, NULL), WEIR_OK);
    for (unsigned round = 0; round < 40; round++) {
        uint64_t low = values[next() % c->rows] + next() % 3 - 1;
        uint64_t high = round % 3 ? low + (next() >> (next() % 40 + 24)) : low;
        low = round == 0 ? 0 : low;
        high = round <= 1 ? UINT32_MAX : round == 2 ? UINT64_MAX : high;
        uint64_t *out = arena_zero(a, words * 8), *care = arena_alloc(a, words * 8);
        for (uint32_t w = 0; w < words; w++)
            care[w] = round % 4 == 3 && next() % 2 ? 0 : next();
        CU_ASSERT(v.encoded->select(v.encoded, low, high, round % 4 == 3 ? care : NULL, a, out));
        uint32_t wrong = 0;
        for (uint32_t row = 0; row < words * 64; row++) {
            bool has = row < c->rows && (!present || (present[row / 64] >> (row % 64) & 1));
            bool want = has && values[row] >= low && values[row] <= high;
            bool matters = round % 4 != 3 || care[row / 64];
            wrong += matters && (out[row / 64] >> (row % 64) & 1) != want;
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
}

static void both_ways(const struct shape *s)
{
    struct batch *b = make_batch(s);
    const struct column *from = batch_column_at(b, 0);
    const uint32_t *values = (const uint32_t *)(const void *)from->values;
    const uint64_t *present = from->present_rows < s->rows ? from->present : NULL;
    struct buffer bytes = encode(b, true);
    struct arena a = {0};
    struct block block;
    struct vector v;
    CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &a, &block, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(block_check(&block, &a, NULL), WEIR_OK);
    const struct block_column *c = block_find(&block, IANA(8));
    CU_ASSERT_EQUAL_FATAL(c->codec, CODEC_CLASSES);
    CU_ASSERT_EQUAL(block.head.version, 2);
    CU_ASSERT_EQUAL_FATAL(column_decode(c, NULL, &a, &v, NULL), WEIR_OK);
    uint32_t wrong = 0;
    for (uint32_t row = 0; row < s->rows; row++)
        wrong += vector_has(&v, row) != (!present || (present[row / 64] >> (row % 64) & 1)) ||
                 vector_u64(&v, row) != values[row];
    CU_ASSERT_EQUAL(wrong, 0);
    ranges_agree(c, values, present, &a);
    bytes.bytes[HEADER_VERSION] = 1; /* which does not have the codec */
    uint32_t crc = crc32c(0, bytes.bytes, HEADER_CRC);
    memcpy(bytes.bytes + HEADER_CRC, &crc, 4);
    CU_ASSERT_EQUAL(block_open(bytes.bytes, bytes.length, &a, &block, NULL), WEIR_EMALFORMED);
    buffer_free(&bytes), arena_free(&a), batch_free(b);
}

static const struct shape shapes[] = {
    {70000, 20000, 3, 0x0a000000, 7, 0},  /* four classes */
    {70000, 20000, 3, 0x0a000000, 7, 3},  {70001, 1000, 0, 0xff000000, 9999, 0}, /* no classes */
    {70001, 9000, 0, 0, 70000, 5},       {5000, 900, 5, 0xc0000000, 9001, 0},
    {200000, 65000, 2, 1, 65000, 0},      {200000, 65000, 5, 0x7fffff00, 3, 7},
    {4097, 300, 2, 5, 12345, 2},
    {150000, 400, 2, 77, 100000, 0},
};

static void columns(void)
{
    const struct kernels *sets[] = {kernels_best(), &kernels_plain};
    for (size_t k = 0; k < 2; k++) {
        kernels_force(sets[k]);
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            both_ways(&shapes[i]);
    }
    kernels_force(NULL);
}

static void plain_encoders_keep_version_1(void)
{
    struct batch *b = make_batch(&shapes[0]);
    struct buffer bytes = encode(b, false);
    struct arena a = {0};
    struct block block;
    CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &a, &block, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(block.head.version, 1);
    CU_ASSERT(!column_can_filter(block_find(&block, IANA(8))));
    buffer_free(&bytes), arena_free(&a), batch_free(b);
}

/* The columns of a small block are tried in every way; what is only tried makes it none of version
 * 2. Addresses that come again in the same order are shorter entropy-coded than in classes. */
static void tried_is_not_used(void)
{
    const struct block_id id = {.sequence = 3};
    unsigned in_classes = 0, otherwise = 0;
    for (uint32_t cycle = 100; cycle <= 8000; cycle += cycle / 4) {
        struct batch *b = batch_new(8192, RECORD_FLOW);
        struct block_encoder *e = block_encoder_new(1);
        struct buffer bytes = {0};
        struct arena a = {0};
        struct block block;
        size_t index;
        batch_append(b, 8192);
        CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(8), 4, &index), WEIR_OK);
        uint32_t *values = (uint32_t *)(void *)batch_column_at(b, index)->values;
        for (uint32_t row = 0; row < 8192; row++)
            values[row] = row < cycle    ? (uint32_t)(next() % 4 ? next() % 64 : next())
                          : cycle % 3 ? values[row - cycle]
                                         : values[next() % cycle];
        batch_mark(b, index, 0, 8192);
        block_encoder_thorough(e);
        CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &bytes, NULL), WEIR_OK);
        CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &a, &block, NULL), WEIR_OK);
        bool classes = block_find(&block, IANA(8))->codec == CODEC_CLASSES;
        CU_ASSERT_EQUAL(block.head.version, classes ? 2 : 1);
        *(classes ? &in_classes : &otherwise) += 1;
        block_encoder_free(e);
        buffer_free(&bytes), arena_free(&a), batch_free(b);
    }
    CU_ASSERT(in_classes > 0 && otherwise > 0);
}

/* Runs answer ranges too: of few values (coded), of many, in every row and in some. */
static void runs(void)
{
    for (unsigned kind = 0; kind < 6; kind++) {
        const uint32_t rows = 20001 + kind;
        struct batch *b = batch_new(20096, RECORD_FLOW);
        struct arena a = {0};
        struct block block;
        size_t index;
        batch_append(b, rows);
        CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(8), 4, &index), WEIR_OK);
        uint32_t *values = (uint32_t *)(void *)batch_column_at(b, index)->values;
        for (uint32_t row = 0, end = 0, value = 0; row < rows; row++) {
            if (row == end) {
                end = row + 1 + (uint32_t)(next() % (kind < 4 ? 60 : 3000));
                value = (uint32_t)(kind % 2 ? next() : next() % 4 * 77);
            }
            if (kind >= 2 && row % 7 == 3)
                continue;
            values[row] = value;
            batch_mark(b, index, row, 1);
        }
        const struct column *from = batch_column_at(b, 0);
        struct buffer bytes = encode(b, kind % 3);
        CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &a, &block, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(block.head.version, 1);
        CU_ASSERT_EQUAL(block_find(&block, IANA(8))->codec, CODEC_RUNS);
        ranges_agree(block_find(&block, IANA(8)), values, kind >= 2 ? from->present : NULL, &a);
        buffer_free(&bytes), arena_free(&a), batch_free(b);
    }
}

/* Octets changed behind a true checksum: an error, or rows whose ranges are those of their
 * values. */
static void flips(void)
{
    const struct shape s = {3000, 500, 3, 0x0a000000, 77, 0};
    struct batch *b = make_batch(&s);
    struct buffer bytes = encode(b, true);
    struct arena keep = {0}, a = {0};
    struct block block;
    CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &keep, &block, NULL), WEIR_OK);
    struct block_column c = *block_find(&block, IANA(8));
    uint8_t *copy = malloc(c.length);
    uint32_t refused = 0;
    for (unsigned round = 0; round < 4000; round++, arena_reset(&a)) {
        struct vector v, encoded;
        memcpy(copy, block_find(&block, IANA(8))->bytes, c.length);
        for (unsigned i = 0; i <= next() % 3; i++)
            copy[next() % (round % 2 ? 900 : c.length)] ^= (uint8_t)(1u << next() % 8);
        c.bytes = copy;
        c.crc = crc32c(0, copy, c.length);
        enum weir_status opened = column_encoded(&c, &a, &encoded, NULL);
        enum weir_status decoded = column_decode(&c, NULL, &a, &v, NULL);
        refused += decoded != WEIR_OK;
        uint64_t *out = arena_zero(&a, (s.rows + 63) / 64 * 8);
        uint64_t low = s.base + next() % 40000, high = low + next() % 5000;
        if (opened != WEIR_OK) {
            CU_ASSERT_NOT_EQUAL(decoded, WEIR_OK);
            continue;
        }
        bool fine = encoded.encoded->select(encoded.encoded, low, high, NULL, &a, out);
        CU_ASSERT(fine || column_encoded_status(&encoded) == WEIR_EMALFORMED);
        for (uint32_t row = 0; fine && decoded == WEIR_OK && row < s.rows; row++) {
            bool want = vector_u64(&v, row) >= low && vector_u64(&v, row) <= high;
            if ((out[row / 64] >> (row % 64) & 1) != want)
                CU_FAIL_FATAL("a range is not that of the values");
        }
    }
    CU_ASSERT(refused > 400);
    free(copy), buffer_free(&bytes), arena_free(&a), arena_free(&keep), batch_free(b);
}

/* ---- the loops ---- */

static void loops_agree(void)
{
    static uint8_t narrow[PACK_GROUP];
    static uint16_t wide[PACK_GROUP];
    if (!kernels_have_avx2())
        return;
    for (unsigned round = 0; round < 500; round++) {
        uint64_t one[4], two[4], bits[5], parts[2][6], care[5], got[2][5] = {{0}};
        for (unsigned i = 0; i < PACK_GROUP; i++)
            wide[i] = (uint16_t)next(), narrow[i] = (uint8_t)next();
        uint16_t low = (uint16_t)next(), span = (uint16_t)(round % 5 ? next() >> next() % 16 : 0);
        kernels_plain.match8(narrow, (uint8_t)low, (uint8_t)span, one);
        kernels_avx2.match8(narrow, (uint8_t)low, (uint8_t)span, two);
        CU_ASSERT_EQUAL(memcmp(one, two, sizeof one), 0);
        for (unsigned i = 0; i < PACK_GROUP; i++)
            CU_ASSERT_EQUAL(one[i / 64] >> (i % 64) & 1,
                            (uint8_t)(narrow[i] - (uint8_t)low) <= (uint8_t)span);
        kernels_plain.match16(wide, low, span, one);
        kernels_avx2.match16(wide, low, span, two);
        CU_ASSERT_EQUAL(memcmp(one, two, sizeof one), 0);
        for (unsigned i = 0; i < PACK_GROUP; i++)
            CU_ASSERT_EQUAL(one[i / 64] >> (i % 64) & 1, (uint16_t)(wide[i] - low) <= span);
        for (unsigned w = 0; w < 5; w++) {
            bits[w] = round % 7 ? next() & next() : round % 2 ? UINT64_MAX : 0;
            care[w] = next() % 3;
            parts[0][w] = next(), parts[1][w] = next();
        }
        parts[0][5] = parts[1][5] = 0;
        const uint64_t *rare = round % 3 ? parts[1] : NULL, *cared = round % 2 ? care : NULL;
        kernels_plain.expand(bits, parts[0], rare, cared, 5, got[0]);
        kernels_avx2.expand(bits, parts[0], rare, cared, 5, got[1]);
        CU_ASSERT_EQUAL(memcmp(got[0], got[1], sizeof got[0]), 0);
        for (uint32_t row = 0, at[2] = {0}; row < 320; row++) {
            bool hit = bits[row / 64] >> (row % 64) & 1;
            uint32_t i = at[hit]++;
            uint64_t want = hit ? parts[0][i / 64] >> (i % 64) & 1
                                : rare ? rare[i / 64] >> (i % 64) & 1 : 0;
            if (!cared || care[row / 64])
                CU_ASSERT_EQUAL(got[0][row / 64] >> (row % 64) & 1, want);
        }
    }
}

/* Plain and AVX2, and both as told one row at a time. */
static void loops_of_classes_agree(void)
{
    enum { ROWS = 1000, WORDS = (ROWS + 63) / 64 };
    const struct kernels *sets[] = {&kernels_plain, kernels_have_avx2() ? &kernels_avx2
                                                                        : &kernels_plain};
    for (unsigned round = 0; round < 400; round++) {
        static uint16_t parts[4][ROWS + MERGE_SLACK], merged[2][ROWS];
        static uint64_t bits[4][WORDS + 1];
        uint64_t planes[2][WORDS], care[WORDS], spread[2][WORDS] = {{0}};
        uint32_t rows[2][4], want[4] = {0}, wrong = 0, count = ROWS - round % 70;
        for (unsigned w = 0; w < WORDS; w++) {
            planes[0][w] = round % 9 ? next() | (round % 4 == 1 ? next() : 0) : 0;
            planes[1][w] = round % 11 ? next() & (round % 4 == 2 ? next() : UINT64_MAX) : 0;
            care[w] = next() % 3;
        }
        for (unsigned c = 0; c < 4; c++)
            for (unsigned i = 0; i < ROWS; i++) {
                parts[c][i] = (uint16_t)next();
                bits[c][i / 64] = i % 64 ? bits[c][i / 64] : next();
            }
        const uint64_t *const both[2] = {planes[0], round % 5 ? planes[1] : NULL};
        const uint64_t *const two[2] = {planes[0], planes[1]};
        const uint16_t *const from[4] = {parts[0], parts[1], parts[2], parts[3]};
        const uint64_t *ranges[4];
        for (unsigned c = 0; c < 4; c++)
            ranges[c] = round >> c & 1 ? bits[c] : NULL;
        for (unsigned k = 0; k < 2; k++) {
            sets[k]->count4(both, WORDS, rows[k]);
            sets[k]->merge4(two, from, count, merged[k]);
            sets[k]->expand4(two, ranges, round % 3 ? care : NULL, WORDS, spread[k]);
        }
        for (uint32_t row = 0, at[4] = {0}; row < WORDS * 64; row++) {
            unsigned low = planes[0][row / 64] >> (row % 64) & 1;
            unsigned high = planes[1][row / 64] >> (row % 64) & 1, c = low | high << 1;
            want[both[1] ? c : low]++;
            if (row >= ROWS)
                continue;
            uint32_t i = at[c]++;
            bool hit = ranges[c] && (bits[c][i / 64] >> (i % 64) & 1);
            hit &= round % 3 == 0 || care[row / 64];
            for (unsigned k = 0; k < 2; k++) {
                wrong += row < count && merged[k][row] != parts[c][i];
                wrong += (spread[k][row / 64] >> (row % 64) & 1) != hit;
            }
        }
        CU_ASSERT_EQUAL(wrong, 0);
        CU_ASSERT_EQUAL(memcmp(rows[0], want, sizeof want), 0);
        CU_ASSERT_EQUAL(memcmp(rows[1], want, sizeof want), 0);
    }
}

static void unpacking_agrees(void)
{
    static uint8_t packed[PACK_GROUP * 2 + PACK_SLACK];
    for (unsigned bits = 0; bits <= 16; bits++) {
        uint64_t numbers[PACK_GROUP];
        uint16_t got[2][PACK_GROUP];
        uint32_t wrong = 0;
        for (unsigned i = 0; i < PACK_GROUP; i++)
            numbers[i] = next() & ((1u << bits) - 1);
        pack_bits(numbers, PACK_GROUP, bits, packed);
        kernels_plain.unpack16(packed, bits, got[0]);
        kernels_best()->unpack16(packed, bits, got[1]);
        for (unsigned i = 0; i < PACK_GROUP; i++)
            wrong += got[0][i] != numbers[i] || got[1][i] != numbers[i];
        CU_ASSERT_EQUAL(wrong, 0);
    }
}

/* ---- the choice of classes ---- */

static void chosen(uint32_t ranks, const uint32_t *values, const uint64_t *rows,
                   struct classes *out)
{
    uint32_t sum = 0, all = 0;
    classes_choose(&(struct ranking){ranks, values, rows}, out);
    for (uint32_t r = 0; r < ranks; r++)
        all += values[r];
    for (uint32_t c = 0; c < out->count; c++)
        sum += out->values[c];
    CU_ASSERT_EQUAL(sum, all);
}

static void choices(void)
{
    struct classes c;
    chosen(1, (const uint32_t[]){1}, (const uint64_t[]){1000}, &c); /* one value */
    CU_ASSERT_EQUAL(c.count, 1);
    chosen(2, (const uint32_t[]){0, 65536}, (const uint64_t[]){0, 655360}, &c); /* all alike */
    CU_ASSERT_EQUAL(c.count, 1);
    /* One value has nearly all rows: no bits for its number. */
    chosen(2, (const uint32_t[]){1, 60000}, (const uint64_t[]){900000, 60000}, &c);
    CU_ASSERT_EQUAL(c.count, 2);
    CU_ASSERT_EQUAL(c.values[0], 1);
    /* Four kinds, each with a quarter of the rows. */
    chosen(4, (const uint32_t[]){16, 256, 4096, 40000},
           (const uint64_t[]){65536, 65536, 65536, 65536}, &c);
    CU_ASSERT_EQUAL(c.count, 4);
    CU_ASSERT_EQUAL(c.values[0], 16);
    CU_ASSERT_EQUAL(c.values[1], 256);
    CU_ASSERT_EQUAL(c.values[2], 4096);
    CU_ASSERT_EQUAL(c.values[3], 40000);
}

UNIT_MAIN("block, dictionaries in order", {"by hand", by_hand}, {"refuses", refuses},
          {"refuses what wraps", refuses_what_wraps},
          {"columns and ranges", columns}, {"runs", runs},
          {"version 1", plain_encoders_keep_version_1}, {"what is only tried", tried_is_not_used},
          {"flips with true checksums", flips}, {"loops agree", loops_agree},
          {"loops of classes agree", loops_of_classes_agree},
          {"unpacking agrees", unpacking_agrees}, {"choices", choices})
