/* Retagging: stored flows and roll-ups get the tags of the present catalogue, as if they had come
 * with them. */
#include "store_fixture.h"

#define ROWS 900
#define BLOCKS 12

static struct flow all[BLOCKS][ROWS];

static void add_tag(struct store *s, uint32_t id, const char *name, const char *text, uint32_t as)
{
    struct prefix p;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL_FATAL(prefix_parse(text, "prefix", &p, &error), WEIR_OK);
    struct tag tag = {.id = id,
                      .name = name,
                      .prefixes = &p,
                      .prefix_count = 1,
                      .ases = &as,
                      .as_count = as != 0};
    CU_ASSERT_EQUAL(store_tag_add(s, &tag, "test", &error), WEIR_OK);
}

/* By plain reading of the rule: the longest prefix. Source addresses are 10.0.x.y,
 * destinations 10.1.x.y. */
static uint32_t expected(uint32_t address)
{
    return address >> 8 == 0x0a0001  ? 12
           : address >> 16 == 0x0a00 ? 11
           : address >> 15 == 0x1402 ? 13
                                     : 0;
}

struct pair {
    uint64_t octets[20][20], flows;
};

static enum weir_status add_pair(void *context, const struct rollup_key *key,
                                 const struct counts *c)
{
    struct pair *p = context;
    CU_ASSERT_FATAL(key->src_tag < 20 && key->dst_tag < 20);
    CU_ASSERT(c->flows > 0 && c->flows < 1u << 20); /* never a negative part */
    p->octets[key->src_tag][key->dst_tag] += c->octets;
    p->flows += c->flows;
    return WEIR_OK;
}

static void check_rollups(struct store *s, const struct pair *known)
{
    struct reader *r;
    struct pair stored = {0};
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(reader_rollups(r, INTERVAL_ALL, add_pair, &stored, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(memcmp(&stored, known, sizeof stored), 0);
    reader_close(r);
}

static void tags_of(bool tagged, struct pair *out)
{
    memset(out, 0, sizeof *out);
    for (size_t b = 0; b < BLOCKS; b++)
        for (size_t i = 0; i < ROWS; i++) {
            const struct flow *f = &all[b][i];
            uint32_t src = tagged ? expected(f->src) : f->src_tag,
                     dst = tagged ? expected(f->dst) : f->dst_tag;
            out->octets[src][dst] += f->octets;
            out->flows++;
        }
}

static uint64_t lines, wrong;

static enum weir_status check_line(void *context, const char *text, size_t length)
{
    unsigned a, b, c, d, src_tag, dst_tag;
    char line[4096];
    (void)context;
    snprintf(line, sizeof line, "%.*s", (int)length, text);
    const char *src = strstr(line, "\"sourceIPv4Address\":\""),
               *dst = strstr(line, "\"destinationIPv4Address\":\"");
    const char *tags = strstr(line, "\"srcTag\":");
    lines++;
    if (!src || !dst || !tags ||
        sscanf(tags, "\"srcTag\":%u,\"dstTag\":%u", &src_tag, &dst_tag) != 2) {
        wrong++;
        return WEIR_OK;
    }
    sscanf(src, "\"sourceIPv4Address\":\"%u.%u.%u.%u", &a, &b, &c, &d);
    wrong += expected(a << 24 | b << 16 | c << 8 | d) != src_tag;
    sscanf(dst, "\"destinationIPv4Address\":\"%u.%u.%u.%u", &a, &b, &c, &d);
    wrong += expected(a << 24 | b << 16 | c << 8 | d) != dst_tag;
    return WEIR_OK;
}

static void append_all(struct store *s)
{
    enum store_outcome outcome;
    for (size_t b = 0; b < BLOCKS; b++) {
        struct buffer block = fixture_block(all[b], ROWS, 1, b + 1);
        CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, NULL), WEIR_OK);
        buffer_free(&block);
    }
}

static void add_tags(struct store *s)
{
    add_tag(s, 11, "BA", "10.0.0.0/16", 0);
    add_tag(s, 12, "BA-lab", "10.0.1.0/24", 0);
    add_tag(s, 13, "PE", "10.1.0.0/17", 0);
}

/* Roll-ups and records have the tags that plain reading gives them. */
static void check_tagged(struct store *s)
{
    struct pair known;
    tags_of(true, &known);
    check_rollups(s, &known);
    lines = wrong = 0;
    CU_ASSERT_EQUAL(store_records(s, NULL, INTERVAL_ALL, check_line, NULL, NULL, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(lines, BLOCKS * ROWS);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
}

static void test_retag(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    enum store_outcome outcome;
    struct pair known;
    uint64_t changed;
    for (size_t b = 0; b < BLOCKS; b++)
        fixture_flows(all[b], ROWS, b + 1, FIXTURE_TIME + (int64_t)b * 20 * MINUTE_MS,
                      3 * MINUTE_MS);
    append_all(s);
    tags_of(false, &known);
    check_rollups(s, &known);
    add_tags(s);
    CU_ASSERT_EQUAL(store_retag(s, NULL, NULL, &changed, &error), WEIR_OK);
    CU_ASSERT_EQUAL(changed, BLOCKS);
    check_tagged(s);
    CU_ASSERT_EQUAL(store_retag(s, NULL, NULL, &changed, &error), WEIR_OK);
    CU_ASSERT_EQUAL(changed, 0); /* nothing is left to do */
    /* A block that comes afterwards is rolled up with the others. */
    struct buffer late = fixture_block(all[0], ROWS, 1, BLOCKS + 1);
    CU_ASSERT_EQUAL(store_append(s, late.bytes, late.length, &outcome, &error), WEIR_OK);
    buffer_free(&late);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static void merge_all(void *context, uint64_t done, uint64_t of)
{
    static const struct upkeep_settings settings = {0};
    struct upkeep_report report;
    struct weir_error error = {0};
    (void)of;
    if (done == BLOCKS / 2)
        CU_ASSERT_EQUAL(store_upkeep(context, &settings, NULL, NULL, &report, &error), WEIR_OK);
}

/* Half of the blocks have the new tags when all of them become one. */
static void test_merged_meanwhile(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    uint64_t changed;
    append_all(s);
    add_tags(s);
    CU_ASSERT_EQUAL(store_retag(s, merge_all, s, &changed, &error), WEIR_OK);
    CU_ASSERT_EQUAL(changed, BLOCKS / 2 + 1);
    check_tagged(s);
    store_close(s);
}

static struct batch *addresses(uint32_t rows)
{
    struct batch *b = batch_new(64, RECORD_FLOW);
    uint32_t count = rows;
    batch_append(b, rows);
    FIXTURE_FILL(WEIR_FLOW_END, uint64_t, FIXTURE_TIME + i);
    FIXTURE_FILL(WEIR_OCTETS, uint64_t, 1u << i);
    return b;
}

struct by_tag {
    uint64_t octets[4];
};

static enum weir_status add_by_tag(void *context, const struct rollup_key *key,
                                   const struct counts *c)
{
    ((struct by_tag *)context)->octets[key->src_tag & 3] += c->octets;
    return WEIR_OK;
}

/* Both families in one record, ASes, and a block that came without any tag column. */
static void test_rule(void)
{
    enum { NEITHER, V4, V6, BOTH_V4, BOTH_V6, BY_AS, ROW_COUNT };
    static const uint32_t v4[ROW_COUNT] = {[V4] = 0x0a000001, [BOTH_V4] = 0x0a000001};
    static const uint8_t net[4] = {0x20, 0x01, 0x0d, 0xb8};
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    enum store_outcome outcome;
    uint64_t changed;
    size_t at4, at6, as;
    add_tag(s, 1, "four", "10.0.0.0/8", 0);
    add_tag(s, 2, "six", "2001:db8::/32", 0);
    add_tag(s, 3, "as", "192.0.2.0/24", 64500);
    struct batch *b = addresses(ROW_COUNT);
    CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(8), 4, &at4), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(27), 16, &at6), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(16), 4, &as), WEIR_OK);
    memcpy(batch_column_at(b, at4)->values, v4, sizeof v4);
    memcpy((uint8_t *)batch_column_at(b, at6)->values + 16 * V6, net, 4);
    memcpy((uint8_t *)batch_column_at(b, at6)->values + 16 * BOTH_V6, net, 4);
    ((uint32_t *)batch_column_at(b, as)->values)[BY_AS] = 64500;
    ((uint32_t *)batch_column_at(b, as)->values)[V4] = 64500; /* the prefix goes before */
    batch_mark(b, at4, V4, 1);
    batch_mark(b, at4, BOTH_V4, 2);
    batch_mark(b, at6, V6, 3);
    batch_mark(b, as, V4, 1);
    batch_mark(b, as, BY_AS, 1);
    struct buffer block = {0};
    struct block_id id = fixture_id(1, 1);
    struct block_encoder *e = block_encoder_new(1);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &block, &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_retag(s, NULL, NULL, &changed, &error), WEIR_OK);
    CU_ASSERT_EQUAL(changed, 1);
    struct reader *r;
    struct by_tag sums = {{0}};
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    CU_ASSERT_EQUAL(reader_rollups(r, INTERVAL_ALL, add_by_tag, &sums, &error), WEIR_OK);
    reader_close(r);
    CU_ASSERT_EQUAL(sums.octets[0], 1 << NEITHER);
    CU_ASSERT_EQUAL(sums.octets[1], 1 << V4 | 1 << BOTH_V4);
    CU_ASSERT_EQUAL(sums.octets[2], 1 << V6 | 1 << BOTH_V6);
    CU_ASSERT_EQUAL(sums.octets[3], 1 << BY_AS);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    block_encoder_free(e);
    batch_free(b);
    buffer_free(&block);
    store_close(s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"tags of stored flows and roll-ups", test_retag},
        {"blocks that are merged meanwhile", test_merged_meanwhile},
        {"which address, which AS", test_rule},
        {NULL, NULL},
    };
    return fixture_main("store: retag", tests);
}
