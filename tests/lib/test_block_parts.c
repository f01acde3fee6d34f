/* test_block_parts.c - columns that are read without being decoded into memory (block.h): added up,
 * and a group at a time, give what column_decode() gives; for packed columns, runs, and columns
 * relative to a base of any form; damage is an error. */
#include "block/block.h"
#include "unit.h"
#include <string.h>

#define ROWS_MOST 70000u
#define BASE WEIR_EXPORT_TIME
#define ENDS WEIR_FLOW_END /* the base's, less an age */
#define PLAIN WEIR_OCTETS
#define RUNNING WEIR_PACKETS

static uint64_t state = 1;
static uint64_t draw(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

enum base_kind { BASE_FLAT, BASE_DICTIONARY, BASE_CONSTANT, BASE_KINDS };

struct fixture {
    struct arena arena;
    struct buffer bytes;
    struct block block;
};
static uint64_t values[4][ROWS_MOST], selected[ROWS_MOST / 64 + 1];

static void draw_rows(enum base_kind kind, uint32_t rows)
{
    memset(values, 0, sizeof values);
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t base = kind == BASE_FLAT         ? draw(1u << 20)
                        : kind == BASE_DICTIONARY ? draw(300) << 20
                                                  : 0;
        values[0][i] = 1700000000000 + base;
        values[1][i] = values[0][i] - draw(i % 100 ? 10000 : 1u << 31);
        values[2][i] = draw(i % 50 ? 1500 : UINT64_C(1) << 40);
        values[3][i] = i / 100 % 7 + (i / 5000) * 1000;
    }
    memset(selected, 0, sizeof selected);
    for (uint32_t i = 0; i < rows; i++)
        selected[i / 64] |= (uint64_t)(i / 3000 % 2 ? draw(2) : 1) << (i % 64);
}

static void make(struct fixture *f, enum base_kind kind, uint32_t rows)
{
    struct block_encoder *e = block_encoder_new(1);
    const struct block_id id = {.sequence = 1};
    *f = (struct fixture){.block.columns = NULL};
    draw_rows(kind, rows);
    struct column columns[] = {
        {.key = ENDS, .width = 8, .values = values[1], .present_rows = rows},
        {.key = PLAIN, .width = 8, .values = values[2], .present_rows = rows},
        {.key = RUNNING, .width = 8, .values = values[3], .present_rows = rows},
        {.key = BASE, .width = 8, .values = values[0], .present_rows = rows}};
    block_encoder_dense(e);
    CU_ASSERT_EQUAL_FATAL(
        block_encode_columns(e, &id, RECORD_FLOW, columns, 4, rows, NULL, NULL, &f->bytes, NULL),
        WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(block_open(f->bytes.bytes, f->bytes.length, &f->arena, &f->block, NULL),
                          WEIR_OK);
    block_encoder_free(e);
}

static void forget(struct fixture *f)
{
    arena_free(&f->arena);
    buffer_free(&f->bytes);
}

static uint64_t sum_of(const uint64_t *of, const uint64_t *bits, uint32_t rows)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rows; i++)
        sum += bits && !(bits[i / 64] >> (i % 64) & 1) ? 0 : of[i];
    return sum;
}

static const uint32_t sizes[] = {1, 63, 255, 256, 257, 5000, ROWS_MOST};

static void test_sums(void)
{
    unsigned runs = 0;
    for (unsigned n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        struct fixture f;
        make(&f, BASE_DICTIONARY, sizes[n]);
        const ie_key keys[] = {PLAIN, RUNNING};
        for (unsigned k = 0; k < 2; k++) {
            const struct block_column *c = block_find(&f.block, keys[k]);
            uint64_t all = 0, some = 0;
            runs += c->codec == CODEC_RUNS;
            if (!column_can_sum(c))
                continue;
            CU_ASSERT_EQUAL(column_sum(c, NULL, &f.arena, &all, NULL), WEIR_OK);
            CU_ASSERT_EQUAL(column_sum(c, selected, &f.arena, &some, NULL), WEIR_OK);
            CU_ASSERT_EQUAL(all, sum_of(values[2 + k], NULL, sizes[n]));
            CU_ASSERT_EQUAL(some, sum_of(values[2 + k], selected, sizes[n]));
        }
        forget(&f);
    }
    CU_ASSERT(runs >= 2);
}

/* How many groups there were; 0: not to be had. */
static unsigned check_groups(struct fixture *f, ie_key key, const uint64_t *expected, uint32_t rows)
{
    const struct block_column *c = block_find(&f->block, key);
    struct column_groups *groups = NULL;
    struct vector base;
    uint64_t room[COLUMN_GROUP];
    uint32_t n = 0, row = 0;
    unsigned wrong = 0, count = 0;
    if (!column_can_group(c))
        return 0;
    if (c->codec == CODEC_RELATIVE)
        CU_ASSERT_EQUAL_FATAL(
            column_decode(block_find(&f->block, c->base), NULL, &f->arena, &base, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(column_groups_open(c, &base, &f->arena, &groups, NULL), WEIR_OK);
    if (!groups)
        return 0;
    while (column_groups_next(groups, room, &n, NULL) == WEIR_OK && n) {
        CU_ASSERT_FATAL(row + n <= rows);
        for (uint32_t i = 0; i < n; i++)
            wrong += room[i] != expected[row++];
        count++;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(row, rows);
    return count;
}

static void test_groups(void)
{
    for (unsigned kind = 0; kind < BASE_KINDS; kind++)
        for (unsigned n = 0; n < sizeof sizes / sizeof *sizes; n++) {
            struct fixture f;
            make(&f, kind, sizes[n]);
            unsigned ends = check_groups(&f, ENDS, values[1], sizes[n]);
            unsigned plain = check_groups(&f, PLAIN, values[2], sizes[n]);
            bool relative = block_find(&f.block, ENDS)->codec == CODEC_RELATIVE;
            if (sizes[n] >= 5000) {
                CU_ASSERT_EQUAL(ends, (sizes[n] + 255) / 256);
                CU_ASSERT_EQUAL(plain, ends);
                CU_ASSERT(relative);
            }
            forget(&f);
        }
}

/* With a checksum that fits: what is cut off, or too much, is found; nothing is read past it. */
static void test_damage(void)
{
    struct fixture f;
    make(&f, BASE_DICTIONARY, 5000);
    const ie_key keys[] = {ENDS, PLAIN, RUNNING};
    struct vector base;
    CU_ASSERT_EQUAL_FATAL(
        column_decode(block_find(&f.block, BASE), NULL, &f.arena, &base, NULL), WEIR_OK);
    for (unsigned k = 0; k < 3; k++) {
        struct block_column c = *block_find(&f.block, keys[k]);
        uint64_t sum, room[COLUMN_GROUP];
        c.crc ^= 1;
        struct column_groups *groups = NULL;
        if (column_can_sum(&c))
            CU_ASSERT_EQUAL(column_sum(&c, NULL, &f.arena, &sum, NULL), WEIR_ECHECKSUM);
        if (column_can_group(&c))
            CU_ASSERT_EQUAL(column_groups_open(&c, &base, &f.arena, &groups, NULL), WEIR_ECHECKSUM);
        uint32_t whole = c.length;
        for (uint32_t less = 1; less < 200 && less <= whole; less++) {
            c.length = whole - less;
            c.crc = crc32c(0, c.bytes, c.length);
            enum weir_status s = WEIR_OK;
            uint32_t n = 1;
            if (column_can_sum(&c))
                CU_ASSERT_NOT_EQUAL(column_sum(&c, NULL, &f.arena, &sum, NULL), WEIR_OK);
            if (!column_can_group(&c))
                continue;
            s = column_groups_open(&c, &base, &f.arena, &groups, NULL);
            while (s == WEIR_OK && n)
                s = column_groups_next(groups, room, &n, NULL);
            CU_ASSERT_NOT_EQUAL(s, WEIR_OK);
        }
    }
    forget(&f);
}

UNIT_MAIN("parts of blocks", {"sums", test_sums}, {"a group at a time", test_groups},
          {"damage", test_damage})
