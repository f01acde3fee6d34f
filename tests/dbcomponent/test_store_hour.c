/* An hour of very many exporters: more roll-ups than are summed at once. They are proven, given
 * tags, and summed to hours and days in bounded memory and in segments of bounded size. */
#include "sqlite_file.h"
#include "store/segment.h"
#include "store_fixture.h"

#define BLOCKS 6u
#define ROWS 60000u
#define GROUPS (BLOCKS * ROWS) /* every row is of an exporter of its own */
/* Parts are about as large as each other. */
#define A_PART (SEGMENT_GROUPS_MOST + SEGMENT_GROUPS_MOST / 20)

static const char *folder;

/* Sources of block n are in 10.n.0.0/16. */
static void append_block(struct store *s, uint32_t n)
{
    struct flow *flows = malloc(ROWS * sizeof *flows);
    struct buffer block = {0};
    struct block_encoder *e = block_encoder_new(1);
    const struct block_id id = fixture_id(1, n + 1);
    enum store_outcome outcome;
    CU_ASSERT_PTR_NOT_NULL_FATAL(flows);
    fixture_flows(flows, ROWS, n, FIXTURE_TIME, 3 * MINUTE_MS);
    for (uint32_t i = 0; i < ROWS; i++) {
        flows[i].exporter = 0x0b000000u + n * ROWS + i;
        flows[i].src = 0x0a000000u | n << 16 | (i & 0xffff);
        flows[i].dst = 0xc0a80000u;
        flows[i].src_tag = flows[i].dst_tag = 0;
    }
    struct batch *b = fixture_batch(flows, ROWS);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &block, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(store_append(s, block.bytes, block.length, &outcome, NULL), WEIR_OK);
    batch_free(b);
    block_encoder_free(e);
    buffer_free(&block);
    free(flows);
}

static int64_t ask(const char *question)
{
    sqlite3_stmt *statement;
    sqlite3 *db = sqlite_file(folder);
    CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(db, question, -1, &statement, NULL), SQLITE_OK);
    int64_t answer = -1;
    if (sqlite3_step(statement) == SQLITE_ROW)
        answer = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return answer;
}

/* The most octets that this process had since the last time, beyond those it had then. */
static int64_t peak_octets(void)
{
    char line[128];
    long most = 0, now = 0;
    FILE *status = fopen("/proc/self/status", "r"), *clear = fopen("/proc/self/clear_refs", "w");
    while (status && fgets(line, sizeof line, status)) {
        (void)sscanf(line, "VmHWM: %ld", &most);
        (void)sscanf(line, "VmRSS: %ld", &now);
    }
    if (clear)
        fputs("5", clear);
    if (status)
        fclose(status);
    if (clear)
        fclose(clear);
    static long before;
    long more = most - before;
    before = now;
    return (int64_t)more * 1024;
}

static void check_memory(const char *what)
{
    int64_t octets = peak_octets();
    printf("  %s: %lld MB more at most\n", what, (long long)octets >> 20);
#ifndef __SANITIZE_ADDRESS__
    CU_ASSERT(octets < 250 << 20);
#endif
}

static enum weir_status add_flows(void *context, const struct rollup_key *key,
                                  const struct counts *c)
{
    uint64_t *flows = context;
    flows[key->src_tag == 7] += c->flows;
    return WEIR_OK;
}

static void check_flows(struct store *s, uint64_t tagged)
{
    for (int level = 0; level < 2; level++) {
        uint64_t flows[2] = {0, 0};
        struct reader *r;
        CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(reader_rollups_coarse(r, INTERVAL_ALL, level ? INT64_MAX : 0, add_flows,
                                              flows, NULL),
                        WEIR_OK);
        CU_ASSERT_EQUAL(flows[0], GROUPS - tagged);
        CU_ASSERT_EQUAL(flows[1], tagged);
        reader_close(r);
    }
}

static void check_sizes(void)
{
    CU_ASSERT(ask("SELECT max(groups) FROM rollup") <= A_PART);
    CU_ASSERT_EQUAL(ask("SELECT sum(groups) FROM rollup WHERE resolution_ms = 60000"), GROUPS);
}

static void keep_up(struct store *s)
{
    struct upkeep_report report;
    CU_ASSERT_EQUAL(store_upkeep(s, &(struct upkeep_settings){0}, NULL, NULL, &report, NULL),
                    WEIR_OK);
    CU_ASSERT_EQUAL(report.rollups_made, 3); /* the hour, its day, its 32 days */
    CU_ASSERT_EQUAL(ask("SELECT count(DISTINCT resolution_ms) FROM rollup"), 4);
    CU_ASSERT_EQUAL(ask("SELECT sum(groups) FROM rollup WHERE resolution_ms = 86400000"), GROUPS);
    CU_ASSERT(ask("SELECT count(*) FROM rollup WHERE resolution_ms = 86400000") > 1);
}

static void give_tag(struct store *s)
{
    struct prefix p;
    uint64_t changed;
    CU_ASSERT_EQUAL_FATAL(prefix_parse("10.5.0.0/16", "prefix", &p, NULL), WEIR_OK);
    const struct tag tag = {.id = 7, .name = "seven", .prefixes = &p, .prefix_count = 1};
    CU_ASSERT_EQUAL(store_tag_add(s, &tag, "test", NULL), WEIR_OK);
    CU_ASSERT_EQUAL(store_retag(s, NULL, NULL, &changed, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(changed, 1);
}

static void test_hour(void)
{
    folder = fixture_folder();
    struct store *s = fixture_open(folder);
    for (uint32_t n = 0; n < BLOCKS; n++)
        append_block(s, n);
    (void)peak_octets();
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    check_memory("verify");
    give_tag(s);
    check_memory("retag");
    check_sizes();
    check_flows(s, ROWS);
    keep_up(s);
    check_memory("upkeep");
    check_sizes();
    check_flows(s, ROWS);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    check_memory("verify again");
    store_close(s);
}

/* No part of an hour is passed over: what is not there is missed, group by group. */
static void test_missing(void)
{
    struct store *s = fixture_open(folder);
    int64_t groups = ask("SELECT groups FROM rollup WHERE resolution_ms = 60000 AND serial ="
                         " (SELECT max(serial) FROM rollup WHERE resolution_ms = 60000)");
    CU_ASSERT(groups > 1000);
    ask("DELETE FROM rollup WHERE resolution_ms = 60000 AND serial ="
        " (SELECT max(serial) FROM rollup WHERE resolution_ms = 60000)");
    /* The hour no longer equals its minutes, either. */
    CU_ASSERT_EQUAL(fixture_verify(s, NULL, NULL), 2 * groups);
    store_close(s);
}

int main(void)
{
    static const struct unit_test tests[] = {{"an hour of very many exporters", test_hour},
                                             {"what is missing of it", test_missing},
                                             {NULL, NULL}};
    return fixture_main("store hour", tests);
}
