/* test_block_golden.c - a block of version 1 as the first release wrote it, kept in tests/lib/data
 * and read for ever. Its values follow from the row number, so they are recomputed here and not
 * read back.
 *
 * Run with a path as the argument, the program writes such a block there: for the file of a NEW
 * version. The files of old versions are never made again. */
#include "block_cases.h"

#define GOLDEN "tests/lib/data/block-v1.weir"
#define GOLDEN_CRC                                                                                 \
    UINT32_C(0x10234b90) /* of the whole file: a file that was made anew is not the old one */
#define ROWS 6400u

static uint64_t scramble(uint64_t v)
{
    v = (v + 1) * UINT64_C(0x9e3779b97f4a7c15);
    v = (v ^ v >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return v ^ v >> 32;
}

static uint64_t flow_end(uint32_t row)
{
    return UINT64_C(1700000000000) + row * 7 + scramble(row) % 5000;
}
static uint64_t source(uint32_t row)
{
    uint64_t host = scramble(row) % 40 * (scramble(row + 1) % 40);
    return 0x0a000000 + host * 65539;
}
static uint64_t source_as(uint32_t row)
{
    return 64512 + scramble(source(row)) % 500;
}
static uint64_t octets(uint32_t row)
{
    return 40 + (scramble(row) >> (44 + scramble(row + 9) % 20));
}
static uint64_t uptime(uint32_t row)
{
    return (flow_end(row) - UINT64_C(1699999000123)) & 0xffffffff;
}
static uint64_t port(uint32_t row)
{
    return scramble(row) % 2 ? 32768 + (scramble(row) >> 8) % 28000
                             : 443 - (scramble(row) >> 8) % 3;
}
static uint64_t runs(uint32_t row)
{
    return row / 30 * 1000;
}
static uint64_t planes(uint32_t row)
{
    return (scramble(row) & 0xff) << 40 | (scramble(row) >> 8 & 0xff) |
           (scramble(row + 3) % 11 == 0 ? 0xee0000 : 0x110000);
}
static uint64_t protocol(uint32_t row)
{
    (void)row;
    return 17;
}
static bool everywhere(uint32_t row)
{
    return row < ROWS;
}
static bool here_and_there(uint32_t row)
{
    return scramble(row + 77) % 3 != 0;
}

/* A row a column of width 1 to 8; the codec it must have in the file. */
static const struct golden {
    ie_key key;
    uint8_t width;
    uint64_t (*value)(uint32_t row);
    bool (*present)(uint32_t row);
    enum codec codec;
} columns[] = {
    {WEIR_FLOW_END, 8, flow_end, everywhere, CODEC_FOR},
    {WEIR_OCTETS, 8, octets, everywhere, CODEC_RELATIVE},
    {WEIR_DOMAIN, 4, runs, everywhere, CODEC_RUNS},
    {IANA(1), 8, octets, everywhere, CODEC_FOR},
    {IANA(4), 1, protocol, everywhere, CODEC_CONSTANT},
    {IANA(7), 2, port, everywhere, CODEC_MIXED},
    {IANA(8), 4, source, everywhere, CODEC_DICTIONARY},
    {IANA(16), 4, source_as, everywhere, CODEC_RELATIVE},
    {IANA(21), 4, uptime, everywhere, CODEC_RELATIVE},
    {IANA(11), 2, port, here_and_there, CODEC_MIXED},
    {IANA(12), 4, source, here_and_there, CODEC_DICTIONARY},
    {IE_KEY(9, 1), 8, planes, everywhere, CODEC_SPLIT_ZSTD},
    {IE_KEY(9, 2), 4, protocol, here_and_there, CODEC_CONSTANT},
};
#define TEXT    IE_KEY(9, 3)
#define ADDRESS IE_KEY(9, 4)

/* Not CUnit's: the batch is made outside of a test, too. */
static void must(bool true_it_is)
{
    if (!true_it_is) {
        fprintf(stderr, "the batch can not be made\n");
        exit(1);
    }
}

static void fill_number(struct batch *b, const struct golden *g)
{
    size_t index;
    must(batch_column(b, g->key, g->width, &index) == WEIR_OK);
    for (uint32_t row = 0; row < ROWS; row++)
        if (g->present(row)) {
            uint64_t v = g->value(row);
            memcpy((uint8_t *)batch_column_at(b, index)->values + (size_t)row * g->width, &v,
                   g->width);
            batch_mark(b, index, row, 1);
        }
}

static void fill_octets(struct batch *b)
{
    size_t text, address;
    must(batch_column(b, TEXT, 0, &text) == WEIR_OK);
    must(batch_column(b, ADDRESS, 16, &address) == WEIR_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        char name[32];
        int n = snprintf(name, sizeof name, "host-%llu.example",
                         (unsigned long long)scramble(row) % 100000);
        uint64_t low = (scramble(row) & 0xffffff) << 40, high = UINT64_C(0xb80d0120);
        must(batch_put_octets(b, text, row, name, (uint32_t)n) == WEIR_OK);
        memcpy((uint8_t *)batch_column_at(b, address)->values + 16 * (size_t)row, &high, 8);
        memcpy((uint8_t *)batch_column_at(b, address)->values + 16 * (size_t)row + 8, &low, 8);
    }
    batch_mark(b, text, 0, ROWS);
    batch_mark(b, address, 0, ROWS);
}

static struct batch *golden_batch(void)
{
    struct batch *b = batch_new(ROWS, RECORD_FLOW);
    batch_append(b, ROWS);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        fill_number(b, &columns[i]);
    fill_octets(b);
    return b;
}

static uint8_t *read_golden(size_t *length)
{
    FILE *file = fopen(GOLDEN, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    uint8_t *bytes = malloc(1 << 20);
    *length = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void old_block_reads(void)
{
    size_t length;
    uint8_t *bytes = read_golden(&length);
    struct batch *b = golden_batch();
    struct arena a = {0}, scratch = {0};
    struct block block;
    struct weir_error error = {.message = ""};
    CU_ASSERT_EQUAL(crc32c(0, bytes, length), GOLDEN_CRC);
    CU_ASSERT_EQUAL_FATAL(block_open(bytes, length, &a, &block, &error), WEIR_OK);
    CU_ASSERT_EQUAL(block_check(&block, &scratch, &error), WEIR_OK);
    CU_ASSERT_STRING_EQUAL(error.message, "");
    CU_ASSERT(block.head.version == 1 && block.head.rows == ROWS && block.head.id.sequence == 1);
    CU_ASSERT_EQUAL(block.head.column_count, batch_column_count(b));
    for (size_t i = 0; i < batch_column_count(b); i++) {
        CU_ASSERT_TRUE(case_column_same(&block, batch_column_at(b, i), &scratch));
        arena_reset(&scratch);
    }
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        CU_ASSERT_EQUAL(block_find(&block, columns[i].key)->codec, columns[i].codec);
    CU_ASSERT_EQUAL(block_find(&block, TEXT)->codec, CODEC_OCTETS_ZSTD);
    CU_ASSERT_EQUAL(block_find(&block, ADDRESS)->codec, CODEC_SPLIT_ZSTD);
    struct cursor in = cursor_over(block.account_bytes, block.account_length);
    struct account account;
    CU_ASSERT_EQUAL_FATAL(account_read(&in, &account, &error), WEIR_OK);
    CU_ASSERT(account.row_count == 1 && account.rows[0].counts.records == ROWS);
    account_free(&account);
    arena_free(&a), arena_free(&scratch), batch_free(b), free(bytes);
}

static int write_golden(const char *path)
{
    const struct block_id id = {{1, 2, 3, 4}, 1};
    struct account_row row = {.key = {.domain = 7, .minute_ms = 60000},
                              .counts = {.records = ROWS}};
    const struct account account = {.rows = &row, .row_count = 1};
    struct batch *b = golden_batch();
    struct block_encoder *e = block_encoder_new(3);
    struct buffer out = {0};
    FILE *file = fopen(path, "wb");
    bool ok = file && block_encode(e, &id, b, &account, &out, NULL) == WEIR_OK &&
              fwrite(out.bytes, 1, out.length, file) == out.length;
    printf("%zu octets, CRC 0x%08x\n", out.length, (unsigned)crc32c(0, out.bytes, out.length));
    if (file)
        fclose(file);
    block_encoder_free(e), batch_free(b), buffer_free(&out);
    return !ok;
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {{"a block of version 1 reads", old_block_reads}};
    return argc > 1 ? write_golden(argv[1]) : unit_main("block, old versions", tests, 1);
}
