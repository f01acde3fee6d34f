/* Upkeep: merged blocks say what they were merged from; what leaves is accounted for; coarse
 * roll-ups are exact; space is given back; a backup is a store. */
#include "store_fixture.h"
#include "store/inside.h"
#include <sys/stat.h>

#define BLOCKS 40
#define ROWS 400

/* ---- what a store says, whatever the order of its records ---- */

struct sums {
    uint64_t records, hash;          /* of the records' lines */
    uint64_t rows, flows, octets, mixed; /* of roll-ups */
};

static enum weir_status sum_line(void *context, const char *text, size_t length)
{
    struct sums *s = context;
    s->records++;
    s->hash += (uint64_t)crc32c(0, text, length) * UINT64_C(0x9e3779b97f4a7c15);
    return WEIR_OK;
}

static enum weir_status sum_rollup(void *context, const struct rollup_key *k,
                                   const struct counts *c)
{
    struct sums *s = context;
    s->rows++;
    s->flows += c->flows;
    s->octets += c->octets;
    s->mixed += (k->src_tag + 31 * k->dst_tag + 977 * k->protocol + crc32c(0, &k->exporter, 16) +
                 (uint64_t)(k->sampling_rate * 7) + k->domain) * (c->octets + 3 * c->packets);
    return WEIR_OK;
}

static struct sums sums_between(struct store *s, struct interval when, int64_t coarsest_ms)
{
    struct sums sums = {0};
    struct reader *r;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    enum weir_status status =
        coarsest_ms ? reader_rollups_coarse(r, when, coarsest_ms, sum_rollup, &sums, &error)
                    : reader_rollups(r, when, sum_rollup, &sums, &error);
    CU_ASSERT_EQUAL(status, WEIR_OK);
    reader_close(r);
    return sums;
}

static struct sums sums_of(struct store *s)
{
    struct sums sums = sums_between(s, INTERVAL_ALL, 0);
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(store_records(s, NULL, INTERVAL_ALL, sum_line, NULL, &sums, &error), WEIR_OK);
    return sums;
}

static bool same_rollups(const struct sums *a, const struct sums *b)
{
    return a->flows == b->flows && a->octets == b->octets && a->mixed == b->mixed;
}

static struct upkeep_report keep_up(struct store *s, struct upkeep_settings settings)
{
    struct upkeep_report report = {0};
    struct weir_error error = {0};
    enum weir_status status = store_upkeep(s, &settings, NULL, NULL, &report, &error);
    if (status != WEIR_OK)
        printf("store_upkeep: %s\n", error.message);
    CU_ASSERT_EQUAL(status, WEIR_OK);
    return report;
}

static void append_all(struct store *s, enum store_outcome expected)
{
    struct weir_error error = {0};
    enum store_outcome outcome;
    for (uint64_t n = 1; n <= BLOCKS; n++) {
        CU_ASSERT_EQUAL(fixture_append(s, (uint8_t)(n % 2), n, ROWS, &outcome, &error), WEIR_OK);
        CU_ASSERT_EQUAL(outcome, expected);
    }
}

static struct store *full_store(void)
{
    struct store *s = fixture_open(fixture_folder());
    append_all(s, STORE_STORED);
    return s;
}

static uint64_t blocks_of(struct store *s)
{
    struct store_status status;
    CU_ASSERT_EQUAL(store_status(s, &status, NULL), WEIR_OK);
    return status.blocks;
}

/* ---- merging ---- */

static void test_merge(void)
{
    enum store_outcome outcome;
    struct store *s = full_store();
    struct sums before = sums_of(s);
    CU_ASSERT_EQUAL(before.records, BLOCKS * ROWS);
    struct upkeep_report report = keep_up(s, (struct upkeep_settings){0});
    CU_ASSERT_EQUAL(report.blocks_merged, BLOCKS);
    CU_ASSERT_EQUAL(report.blocks_made, 1);
    CU_ASSERT_EQUAL(blocks_of(s), 1);
    struct sums after = sums_of(s);
    CU_ASSERT(after.records == before.records && after.hash == before.hash);
    CU_ASSERT(same_rollups(&before, &after));
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    append_all(s, STORE_KNOWN); /* though deliveries are ranges now */
    CU_ASSERT_EQUAL(fixture_append(s, 0, BLOCKS + 2, ROWS, &outcome, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_STORED);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    keep_up(s, (struct upkeep_settings){0});
    keep_up(s, (struct upkeep_settings){0});
    CU_ASSERT_EQUAL(sums_of(s).records, (BLOCKS + 1) * ROWS);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static uint64_t octets_of(struct store *s)
{
    struct store_status status;
    CU_ASSERT_EQUAL(store_status(s, &status, NULL), WEIR_OK);
    return status.block_octets;
}

/* A block without others is made anew, once. */
static void test_alone(void)
{
    enum store_outcome outcome;
    struct store *s = fixture_open(fixture_folder());
    CU_ASSERT_EQUAL(fixture_append(s, 1, 1, 5000, &outcome, NULL), WEIR_OK);
    struct sums before = sums_of(s);
    uint64_t octets = octets_of(s);
    struct upkeep_report report = keep_up(s, (struct upkeep_settings){0});
    CU_ASSERT_EQUAL(report.blocks_merged, 1);
    CU_ASSERT_EQUAL(report.blocks_made, 1);
    CU_ASSERT(octets_of(s) + octets / 32 < octets);
    struct sums after = sums_of(s);
    CU_ASSERT(after.records == before.records && after.hash == before.hash);
    CU_ASSERT(same_rollups(&before, &after));
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    CU_ASSERT_EQUAL(keep_up(s, (struct upkeep_settings){0}).blocks_made, 0);
    store_close(s);
    s = fixture_open(fixture_folder_name);
    CU_ASSERT_EQUAL(keep_up(s, (struct upkeep_settings){0}).blocks_made, 0);
    CU_ASSERT_EQUAL(fixture_append(s, 1, 1, 5000, &outcome, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_KNOWN);
    CU_ASSERT_EQUAL(fixture_append(s, 1, 100000, 5000, &outcome, NULL), WEIR_OK); /* far away */
    CU_ASSERT_EQUAL(keep_up(s, (struct upkeep_settings){0}).blocks_made, 1);
    CU_ASSERT_EQUAL(blocks_of(s), 2);
    CU_ASSERT_EQUAL(keep_up(s, (struct upkeep_settings){0}).blocks_made, 0);
    CU_ASSERT_EQUAL(sums_of(s).records, 10000);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* What changed lately is noted in as many octets as it takes, and read as earlier releases wrote
 * it, always in 1040. */
static void test_changes(void)
{
    struct changes before, after;
    struct sql sql;
    char path[160];
    uint8_t octets[16 + 16 * CHANGES_KEPT] = {0};
    enum store_outcome outcome;
    struct store *s = fixture_open(fixture_folder());
    snprintf(path, sizeof path, "%s/weir.db", fixture_folder_name);
    CU_ASSERT_EQUAL(fixture_append(s, 1, 1, ROWS, &outcome, NULL), WEIR_OK);
    store_close(s);
    CU_ASSERT_EQUAL_FATAL(sql_open(&sql, path, path, SQLITE_OPEN_READWRITE, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(meta_read(&sql, "changes", octets, sizeof octets, NULL), WEIR_ECORRUPT);
    CU_ASSERT_EQUAL(meta_read_most(&sql, "changes", octets, sizeof octets, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(changes_read(&sql, &before, NULL), WEIR_OK);
    CU_ASSERT(before.stamp > 0 && before.list[0].stamp > 0);
    CU_ASSERT_EQUAL(meta_write(&sql, "changes", octets, sizeof octets, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(changes_read(&sql, &after, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof after), 0);
    sql_close(&sql);
}

/* Who reads sees the blocks that there were when it began. */
static void test_reader_meanwhile(void)
{
    struct reader *r;
    struct arena a = {0};
    struct stored_block *blocks;
    struct block_column *columns;
    struct weir_error error = {0};
    size_t count;
    uint32_t column_count;
    struct store *s = full_store();
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    keep_up(s, (struct upkeep_settings){.retain_ms = 1});
    CU_ASSERT_EQUAL(blocks_of(s), 0);
    CU_ASSERT_EQUAL(reader_blocks(r, RECORD_FLOW, INTERVAL_ALL, &a, &blocks, &count, &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL(count, BLOCKS);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(reader_directory(r, blocks[i].rowid, &a, &columns, &column_count, &error),
                        WEIR_OK);
        CU_ASSERT_EQUAL(reader_load(r, blocks[i].rowid, &columns[0], &a, &error), WEIR_OK);
    }
    reader_close(r);
    arena_free(&a);
    store_close(s);
}

/* An element that is a number here and octets there keeps its blocks apart. */
static void append_odd(struct store *s, uint64_t sequence, uint8_t width)
{
    struct flow flows[64];
    struct buffer bytes = {0};
    struct block_id id = fixture_id(9, sequence);
    enum store_outcome outcome;
    size_t column;
    fixture_flows(flows, 64, sequence, FIXTURE_TIME, MINUTE_MS);
    struct batch *b = fixture_batch(flows, 64);
    struct block_encoder *e = block_encoder_new(1);
    CU_ASSERT_EQUAL_FATAL(batch_column(b, IE_KEY(4711, 1), width, &column), WEIR_OK);
    for (uint32_t row = 0; row < 64; row += 3) {
        if (width)
            ((uint8_t *)batch_column_at(b, column)->values)[row * width] =
                (uint8_t)(row + sequence);
        else
            CU_ASSERT_EQUAL(batch_put_octets(b, column, row, "octets", row % 7), WEIR_OK);
        batch_mark(b, column, row, 1);
    }
    CU_ASSERT_EQUAL(block_encode(e, &id, b, NULL, &bytes, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(store_append(s, bytes.bytes, bytes.length, &outcome, NULL), WEIR_OK);
    buffer_free(&bytes);
    block_encoder_free(e);
    batch_free(b);
}

static void test_odd_blocks(void)
{
    static const uint8_t widths[] = {4, 0, 0, 8, 1, 0, 2};
    struct store *s = fixture_open(fixture_folder());
    for (uint64_t i = 0; i < sizeof widths; i++)
        append_odd(s, i + 1, widths[i]);
    struct sums before = sums_of(s);
    for (int i = 0; i < 4; i++)
        keep_up(s, (struct upkeep_settings){0});
    struct sums after = sums_of(s);
    CU_ASSERT(blocks_of(s) < sizeof widths);
    CU_ASSERT(blocks_of(s) >= 2);
    CU_ASSERT(after.records == before.records && after.hash == before.hash);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* ---- retention ---- */

static int64_t since(int64_t t_ms)
{
    return clock_now_ms() - t_ms;
}

static void test_age(void)
{
    struct store *s = full_store();
    struct sums before = sums_of(s);
    /* Blocks reach from n * 10 s to at most three minutes later. */
    int64_t cut = FIXTURE_TIME + 4 * MINUTE_MS;
    struct upkeep_report report = keep_up(s, (struct upkeep_settings){.retain_ms = since(cut)});
    CU_ASSERT(report.blocks_removed >= 6 && report.blocks_removed < 10);
    CU_ASSERT_EQUAL(report.records_removed, report.blocks_removed * ROWS);
    struct sums after = sums_of(s);
    CU_ASSERT_EQUAL(after.records, (BLOCKS - report.blocks_removed) * ROWS);
    CU_ASSERT(same_rollups(&before, &after)); /* what left counts on */
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    append_all(s, STORE_KNOWN);
    /* Now everything; and the roll-ups, too. */
    report =
        keep_up(s, (struct upkeep_settings){.retain_ms = since(FIXTURE_TIME + 60 * MINUTE_MS)});
    after = sums_of(s);
    CU_ASSERT_EQUAL(after.records, 0);
    CU_ASSERT(same_rollups(&before, &after));
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    keep_up(s, (struct upkeep_settings){.retain_rollups_ms = since(FIXTURE_TIME + 90 * MINUTE_MS)});
    after = sums_of(s);
    CU_ASSERT_EQUAL(after.flows, 0);
    CU_ASSERT_EQUAL(sums_between(s, INTERVAL_ALL, INT64_MAX).flows, 0);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    append_all(s, STORE_KNOWN);
    store_close(s);
}

/* An id is never a block's again: whoever has one in hand would read another's columns. */
static void test_ids(void)
{
    struct reader *r;
    struct arena a = {0};
    struct stored_block *blocks;
    enum store_outcome outcome;
    size_t count;
    int64_t newest = 0;
    struct store *s = full_store();
    for (uint64_t round = 0; round < 3; round++) {
        CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(reader_blocks(r, RECORD_FLOW, INTERVAL_ALL, &a, &blocks, &count, NULL),
                        WEIR_OK);
        for (size_t i = 0; i < count; i++)
            CU_ASSERT(blocks[i].rowid > newest);
        newest = blocks[count - 1].rowid;
        reader_close(r);
        keep_up(s, (struct upkeep_settings){.retain_ms = 1});
        CU_ASSERT_EQUAL(fixture_append(s, 3, round + 1, ROWS, &outcome, NULL), WEIR_OK);
    }
    arena_free(&a);
    store_close(s);
}

static void test_size(void)
{
    struct stat st;
    char path[128];
    struct store_status status;
    const char *folder = fixture_folder();
    struct store *s = fixture_open(folder);
    enum store_outcome outcome;
    for (uint64_t n = 1; n <= 30; n++)
        CU_ASSERT_EQUAL(fixture_append(s, 1, n, 20000, &outcome, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(store_status(s, &status, NULL), WEIR_OK);
    int64_t bound = (int64_t)status.file_octets / 3;
    keep_up(s, (struct upkeep_settings){.retain_octets = bound});
    CU_ASSERT_EQUAL(store_status(s, &status, NULL), WEIR_OK);
    CU_ASSERT((int64_t)status.file_octets <= bound);
    CU_ASSERT(status.records > 20000);
    snprintf(path, sizeof path, "%s/weir.db", folder);
    CU_ASSERT(stat(path, &st) == 0 && st.st_size <= bound);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    CU_ASSERT_EQUAL(sums_of(s).flows, 600000);
    store_close(s);
}

/* ---- coarse roll-ups ---- */

#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

static void append_days(struct store *s, uint8_t collector, uint32_t days)
{
    enum store_outcome outcome;
    for (uint32_t day = 0; day < days; day++) {
        struct flow flows[ROWS];
        fixture_flows(flows, ROWS, day + 1000u * collector, FIXTURE_TIME + day * DAY_MS, DAY_MS);
        struct buffer block = fixture_block(flows, ROWS, collector, day + 1);
        CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, NULL), WEIR_OK);
        buffer_free(&block);
    }
}

static void compare_levels(struct store *s)
{
    static const int64_t coarsest[] = {MINUTE_MS, HOUR_MS, DAY_MS, INT64_MAX};
    for (unsigned i = 0; i < 60; i++) {
        struct interval when = INTERVAL_ALL;
        if (i) {
            when.from_ms = FIXTURE_TIME + (int64_t)(fixture_random() % (80 * 1440)) * MINUTE_MS;
            when.to_ms = when.from_ms + (int64_t)(1 + fixture_random() % (80 * 1440)) * MINUTE_MS;
        }
        struct sums fine = sums_between(s, when, 0);
        struct sums coarse = sums_between(s, when, coarsest[i % 4]);
        CU_ASSERT(same_rollups(&fine, &coarse));
    }
}

/* Of a few groups none are made, until there are more. */
static void test_few_groups(void)
{
    enum store_outcome outcome;
    struct store *s = fixture_open(fixture_folder());
    CU_ASSERT_EQUAL(fixture_append(s, 1, 1000, 20, &outcome, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(keep_up(s, (struct upkeep_settings){0}).rollups_made, 0);
    compare_levels(s);
    append_days(s, 2, 10);
    CU_ASSERT(keep_up(s, (struct upkeep_settings){0}).rollups_made > 0);
    compare_levels(s);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static void test_levels(void)
{
    struct store *s = fixture_open(fixture_folder());
    append_days(s, 1, 100);
    compare_levels(s);
    struct sums fine = sums_of(s);
    CU_ASSERT(keep_up(s, (struct upkeep_settings){0}).rollups_made > 100);
    struct sums coarse = sums_between(s, INTERVAL_ALL, INT64_MAX);
    CU_ASSERT(same_rollups(&fine, &coarse));
    CU_ASSERT(coarse.rows < fine.rows / 2);
    compare_levels(s);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    /* Late flows, other tags, and flows that leave: exact at every moment. */
    append_days(s, 2, 40);
    compare_levels(s);
    keep_up(s, (struct upkeep_settings){0});
    compare_levels(s);
    struct prefix prefix;
    CU_ASSERT_EQUAL(prefix_parse("10.0.0.0/9", "prefix", &prefix, NULL), WEIR_OK);
    struct tag tag = {.id = 77, .name = "half", .prefixes = &prefix, .prefix_count = 1};
    uint64_t changed;
    CU_ASSERT_EQUAL(store_tag_add(s, &tag, "test", NULL), WEIR_OK);
    CU_ASSERT_EQUAL(store_retag(s, NULL, NULL, &changed, NULL), WEIR_OK);
    CU_ASSERT(changed > 0);
    compare_levels(s);
    keep_up(s, (struct upkeep_settings){.retain_ms = since(FIXTURE_TIME + 30 * DAY_MS)});
    compare_levels(s);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    keep_up(s, (struct upkeep_settings){.retain_rollups_ms = since(FIXTURE_TIME + 20 * DAY_MS)});
    compare_levels(s);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* ---- the thread, and backup ---- */

static void test_thread(void)
{
    struct weir_error error = {0};
    enum store_outcome outcome;
    struct store *s = fixture_open(fixture_folder());
    const struct upkeep_settings settings = {.retain_octets = 64 << 20};
    CU_ASSERT_EQUAL_FATAL(store_upkeep_start(s, &settings, &error), WEIR_OK);
    for (uint64_t n = 1; n <= 120; n++) {
        CU_ASSERT_EQUAL(fixture_append(s, 1, n, 5000, &outcome, &error), WEIR_OK);
        usleep(20000);
    }
    for (int waited = 0; waited < 600 && blocks_of(s) >= 60; waited++)
        usleep(100000);
    store_upkeep_stop(s);
    CU_ASSERT(blocks_of(s) < 60);
    CU_ASSERT_EQUAL(sums_of(s).records, 120 * 5000);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(store_upkeep_start(s, &settings, &error), WEIR_OK);
    store_close(s); /* stops it */
}

static void test_backup(void)
{
    char file[128];
    struct weir_error error = {0};
    struct store *s = full_store();
    struct sums sums = sums_of(s);
    char folder[] = "/tmp/weir-backup-XXXXXX";
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/weir.db", folder);
    CU_ASSERT_EQUAL(store_backup(s, file, NULL, NULL, &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_backup(s, file, NULL, NULL, &error), WEIR_EEXISTS);
    CU_ASSERT_EQUAL(store_backup(s, "/nowhere/at/all", NULL, NULL, &error), WEIR_EIO);
    store_close(s);
    struct store *copy = NULL;
    CU_ASSERT_EQUAL_FATAL(store_open(folder, STORE_READ_ONLY, &copy, &error), WEIR_OK);
    struct sums copied = sums_of(copy);
    CU_ASSERT_EQUAL(memcmp(&sums, &copied, sizeof sums), 0);
    CU_ASSERT_EQUAL(fixture_verify(copy, fixture_print_difference, NULL), 0);
    store_close(copy);
    unlink(file);
    rmdir(folder);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"merging", test_merge},
        {"a block without others", test_alone},
        {"what changed, in few octets", test_changes},
        {"a reader meanwhile", test_reader_meanwhile},
        {"blocks that do not go together", test_odd_blocks},
        {"retention by age", test_age},
        {"ids are not used again", test_ids},
        {"retention by size", test_size},
        {"coarse roll-ups", test_levels},
        {"roll-ups of few groups", test_few_groups},
        {"upkeep in a thread", test_thread},
        {"backup", test_backup},
        {NULL, NULL},
    };
    return fixture_main("store: upkeep", tests);
}
