/* test_query_compacted.c - questions before and after compaction, whose blocks answer address
 * ranges on packed columns: the same answers to the last octet, IPv4 and IPv6 mixed, alone and as
 * keys; and a column that was damaged is an error that names its block. */
#include "query_data.h"
#include "sqlite_file.h"
#include "store/container.h"

#define BLOCKS 14u
#define FLOWS 4000u
#define QUESTIONS 14u

static struct store *make_store(uint32_t flows_each)
{
    struct store *s;
    struct flow *flows = calloc(flows_each, sizeof *flows);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &s, NULL), WEIR_OK);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct flavour f = random_flavour(i, BLOCKS);
        f.ipv4 = i % 5 != 4;
        f.ipv6 = i % 3 == 0 || !f.ipv4;
        for (uint32_t k = 0; k < flows_each; k++) {
            random_flow(&flows[k], &f);
            flows[k].dst4 = flows[k].has4 ? 0xac100000u + (flows[k].dst4 % 900) * 257 : 0;
        }
        append_block(s, flows, flows_each, i + 1, NULL);
    }
    free(flows);
    return s;
}

static uint32_t columns_of(struct store *s, enum codec codec)
{
    struct reader *r;
    struct arena a = {0};
    struct stored_block *blocks;
    size_t count;
    uint32_t found = 0;
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(reader_blocks(r, RECORD_FLOW, INTERVAL_ALL, &a, &blocks, &count, NULL),
                    WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        struct block_column *columns;
        uint32_t n;
        CU_ASSERT_EQUAL(reader_directory(r, blocks[i].rowid, &a, &columns, &n, NULL), WEIR_OK);
        for (uint32_t c = 0; c < n; c++)
            found += columns[c].codec == codec;
    }
    reader_close(r);
    arena_free(&a);
    return found;
}

static const struct {
    const char *filter, *by[2];
    size_t by_count;
} asked[QUESTIONS] = {
    {"src net 10.3.0.0/16", {NULL}, 0},
    {"host 10.7.0.12", {NULL}, 0},
    {"src net 10.0.0.0/13 and dst net 172.16.0.0/14", {NULL}, 0},
    {"not src net 10.0.0.0/12", {NULL}, 0},
    {"src net 10.4.0.0/16 or dst ip 172.16.9.9 or src net 2001:db8::/32", {NULL}, 0},
    {"src ip in [ 10.1.0.1 10.2.0.2 10.29.0.39 10.30.0.1 ]", {NULL}, 0},
    {"src net 10.5.0.0/16", {"sourceIPv4Address"}, 1},
    {"dst net 172.16.0.0/16", {"sourceIPv4Address/16", "destinationIPv4Address/24"}, 2},
    {"sourceIPv4Address > 10.10.0.5 and proto tcp", {"srcIP"}, 1},
    {"has sourceIPv4Address and bytes > 1000", {NULL}, 0},
    {"src ip 0.0.0.0", {"srcIP"}, 1},
    {"tos 0 and not proto udp", {NULL}, 0},
    {"tos > 100 or flags S", {"protocolIdentifier"}, 1},
    {"src net 10.6.0.0/15 and src ip in [ 10.6.0.1 10.6.0.2 10.6.0.3 10.6.0.4 10.6.0.5 10.6.0.6 "
     "10.6.0.7 10.6.0.9 10.6.0.11 10.6.0.13 10.7.0.1 ]", {NULL}, 0},
};

static struct totals ask(struct store *s, size_t i)
{
    struct totals t;
    struct weir_error error;
    struct totals_request q = {.by = asked[i].by, .by_count = asked[i].by_count,
                               .filter = asked[i].filter, .when = INTERVAL_ALL,
                               .source = SOURCE_BLOCKS};
    enum weir_status status = store_totals(s, &q, &t, &error);
    if (status != WEIR_OK)
        fprintf(stderr, "%s: %s\n", asked[i].filter, error.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    return t;
}

static bool same(const struct totals *a, const struct totals *b)
{
    if (a->row_count != b->row_count)
        return false;
    for (size_t i = 0; i < a->row_count; i++)
        if (memcmp(&a->rows[i].raw, &b->rows[i].raw, sizeof a->rows[i].raw) != 0)
            return false;
    return true;
}

static void compact(struct store *s)
{
    const struct upkeep_settings settings = {0};
    struct upkeep_report report;
    CU_ASSERT_EQUAL_FATAL(store_upkeep(s, &settings, NULL, NULL, &report, NULL), WEIR_OK);
    CU_ASSERT(report.blocks_made > 0);
}

static void same_before_and_after(uint32_t flows_each, enum codec codec)
{
    struct store *s = make_store(flows_each);
    struct totals before[QUESTIONS];
    for (size_t i = 0; i < QUESTIONS; i++)
        before[i] = ask(s, i);
    CU_ASSERT_EQUAL(columns_of(s, codec), 0);
    compact(s);
    CU_ASSERT(columns_of(s, codec) >= 2);
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct totals after = ask(s, i);
        CU_ASSERT(before[i].account.raw.flows > 0);
        CU_ASSERT(same(&before[i], &after));
        totals_free(&after);
        totals_free(&before[i]);
    }
    store_close(s);
    folder_remove();
}

static void same_answers(void)
{
    same_before_and_after(FLOWS, CODEC_CLASSES);
}

/* A store of so few rows is modelled. */
static void same_answers_of_few(void)
{
    same_before_and_after(500, CODEC_MODELLED);
}

/* Every octet of every stored column turned over, one column after the other. */
static void damage(void)
{
    struct store *s = make_store(FLOWS);
    sqlite3_stmt *turn, *list;
    compact(s);
    store_close(s);
    sqlite3 *db = sqlite_file(test_folder);
    sqlite3_prepare_v2(db, "SELECT rowid, data FROM block_column", -1, &list, NULL);
    uint32_t turned = 0;
    while (sqlite3_step(list) == SQLITE_ROW) {
        int length = sqlite3_column_bytes(list, 1);
        uint8_t *bytes = malloc((size_t)length + 1);
        if (length)
            memcpy(bytes, sqlite3_column_blob(list, 1), (size_t)length);
        if (length)
            bytes[length / 2] ^= 0x10;
        sqlite3_prepare_v2(db, "UPDATE block_column SET data = ? WHERE rowid = ?", -1, &turn, NULL);
        sqlite3_bind_blob(turn, 1, bytes, length, SQLITE_STATIC);
        sqlite3_bind_int64(turn, 2, sqlite3_column_int64(list, 0));
        turned += sqlite3_step(turn) == SQLITE_DONE;
        sqlite3_finalize(turn);
        free(bytes);
    }
    CU_ASSERT(turned > 10);
    sqlite3_finalize(list);
    sqlite3_close(db);
    CU_ASSERT_EQUAL_FATAL(store_open(test_folder, STORE_READ_ONLY, &s, NULL), WEIR_OK);
    for (size_t i = 0; i < QUESTIONS; i++) {
        struct totals t;
        struct weir_error error = {0};
        struct totals_request q = {.by = asked[i].by, .by_count = asked[i].by_count,
                                   .filter = asked[i].filter, .when = INTERVAL_ALL,
                                   .source = SOURCE_BLOCKS};
        CU_ASSERT_EQUAL(store_totals(s, &q, &t, &error), WEIR_ECORRUPT);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "block "));
    }
    store_close(s);
    folder_remove();
}

UNIT_MAIN("query, compacted blocks", {"same answers", same_answers},
          {"same answers of few", same_answers_of_few}, {"damage", damage})
