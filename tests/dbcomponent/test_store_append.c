/* Appending: exactly once, roll-ups equal to a plain recomputation, account and checkpoints added
 * up. */
#include "store_fixture.h"
#include <sys/stat.h>

#define BLOCKS 20
#define ROWS 700

struct sum { /* a roll-up key and its counts, in a plain array */
    struct rollup_key key;
    struct counts counts;
};
static struct sum sums[200000];
static size_t sum_count;

static bool same_key(const struct rollup_key *a, const struct rollup_key *b)
{
    return a->minute_ms == b->minute_ms && memcmp(&a->exporter, &b->exporter, 16) == 0 &&
           a->domain == b->domain && a->src_tag == b->src_tag && a->dst_tag == b->dst_tag &&
           a->protocol == b->protocol && a->has_protocol == b->has_protocol &&
           memcmp(&a->sampling_rate, &b->sampling_rate, 8) == 0 &&
           a->sampling_origin == b->sampling_origin;
}

static void add(const struct rollup_key *key, const struct counts *c, uint64_t times)
{
    size_t i = 0;
    while (i < sum_count && !same_key(&sums[i].key, key))
        i++;
    if (i == sum_count)
        sums[sum_count++] = (struct sum){*key, {0, 0, 0}};
    sums[i].counts.octets += c->octets * times;
    sums[i].counts.packets += c->packets * times;
    sums[i].counts.flows += c->flows * times;
}

static void add_flow(const struct flow *f)
{
    struct rollup_key key = {
        .minute_ms = f->end_ms - f->end_ms % 60000,
        .exporter = address_from_ipv4(f->exporter),
        .domain = f->domain,
        .src_tag = f->src_tag,
        .dst_tag = f->dst_tag,
        .protocol = f->protocol,
        .has_protocol = f->has_protocol,
        .sampling_rate = f->rate,
        .sampling_origin = f->origin,
    };
    struct counts one = {f->octets, f->packets, 1};
    add(&key, &one, 1);
}

static enum weir_status take_away(void *context, const struct rollup_key *key,
                                  const struct counts *c)
{
    (*(size_t *)context)++;
    add(key, c, UINT64_MAX);
    return WEIR_OK;
}

/* Everything stored less everything known is zero, key by key. */
static void test_rollups(void)
{
    static struct flow flows[ROWS];
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    enum store_outcome outcome;
    sum_count = 0;
    for (uint64_t n = 1; n <= BLOCKS; n++) {
        /* Over an hour's border, so that blocks belong to two periods. */
        fixture_flows(flows, ROWS, n, FIXTURE_TIME + 3540000, 3 * MINUTE_MS);
        struct buffer block = fixture_block(flows, ROWS, 1, n);
        CU_ASSERT_EQUAL_FATAL(store_append(s, block.bytes, block.length, &outcome, &error),
                              WEIR_OK);
        CU_ASSERT_EQUAL(outcome, STORE_STORED);
        buffer_free(&block);
        for (size_t i = 0; i < ROWS; i++)
            add_flow(&flows[i]);
    }
    struct reader *r;
    size_t rows = 0;
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    CU_ASSERT_EQUAL(reader_rollups(r, INTERVAL_ALL, take_away, &rows, &error), WEIR_OK);
    reader_close(r);
    CU_ASSERT(rows >= sum_count && sum_count > 100);
    for (size_t i = 0; i < sum_count; i++)
        if (sums[i].counts.octets | sums[i].counts.packets | sums[i].counts.flows)
            CU_FAIL_FATAL("a roll-up differs from the recomputation");
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static enum weir_status count_flows(void *context, const struct rollup_key *key,
                                    const struct counts *c)
{
    (void)key;
    *(uint64_t *)context += c->flows;
    return WEIR_OK;
}

/* Roll-ups of an interval of whole minutes are those of its flows and no others. */
static void test_rollup_interval(void)
{
    static struct flow flows[ROWS];
    struct store *s = fixture_open(fixture_folder());
    enum store_outcome outcome;
    struct weir_error error = {0};
    fixture_flows(flows, ROWS, 5, FIXTURE_TIME + 3540000, 3 * MINUTE_MS);
    struct buffer block = fixture_block(flows, ROWS, 1, 1);
    CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
    buffer_free(&block);
    struct reader *r;
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    for (int first = -1; first < 4; first++) {
        struct interval when = {FIXTURE_TIME + 3540000 + first * MINUTE_MS, 0};
        uint64_t stored = 0, known = 0;
        when.to_ms = when.from_ms + MINUTE_MS;
        for (size_t i = 0; i < ROWS; i++)
            known += flows[i].end_ms >= when.from_ms && flows[i].end_ms < when.to_ms;
        CU_ASSERT_EQUAL(reader_rollups(r, when, count_flows, &stored, &error), WEIR_OK);
        CU_ASSERT_EQUAL(stored, known);
    }
    reader_close(r);
    store_close(s);
}

static void test_twice(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct store_status status;
    enum store_outcome outcome;
    CU_ASSERT_EQUAL(fixture_append(s, 1, 7, 100, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_STORED);
    CU_ASSERT_EQUAL(fixture_append(s, 1, 7, 100, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_KNOWN);
    CU_ASSERT_EQUAL(fixture_append(s, 2, 7, 100, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_STORED); /* another collector */
    CU_ASSERT_EQUAL(fixture_append(s, 1, 7, 101, &outcome, &error),
                    WEIR_EEXISTS); /* another content */
    CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
    CU_ASSERT_EQUAL(status.records, 200);
    CU_ASSERT_EQUAL(status.blocks, 2);
    CU_ASSERT_EQUAL(status.collectors, 2);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static enum weir_status sum_account(void *context, const struct account_row *row)
{
    struct account_row *sum = context;
    if (sum->first_heard_ms == 0 || row->first_heard_ms < sum->first_heard_ms)
        sum->first_heard_ms = row->first_heard_ms;
    if (row->last_heard_ms > sum->last_heard_ms)
        sum->last_heard_ms = row->last_heard_ms;
    account_counts_add(&sum->counts, &row->counts);
    return WEIR_OK;
}

static void test_account(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    enum store_outcome outcome;
    uint64_t datagrams = 0;
    /* Out of order, one of them without records: the newest sequence has the checkpoint. */
    static const uint64_t order[] = {3, 1, 9, 4};
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(fixture_append(s, 1, order[i], order[i] == 4 ? 0 : 50, &outcome, &error),
                        WEIR_OK);
        datagrams += 3 * order[i];
    }
    struct reader *r;
    struct account_row sum = {0};
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    CU_ASSERT_EQUAL(reader_account(r, INTERVAL_ALL, sum_account, &sum, &error), WEIR_OK);
    CU_ASSERT_EQUAL(sum.counts.datagrams, datagrams);
    CU_ASSERT_EQUAL(sum.counts.records, 150);
    CU_ASSERT_EQUAL(sum.counts.missing_records, 4 * (0 + 1 + 2));
    CU_ASSERT_EQUAL(sum.first_heard_ms, FIXTURE_TIME + 1);
    CU_ASSERT_EQUAL(sum.last_heard_ms, FIXTURE_TIME + 9 + 7);
    /* A minute overlaps an interval that lies inside it, and not one that starts where it ends. */
    memset(&sum, 0, sizeof sum);
    struct interval inside = {FIXTURE_TIME + 59999, FIXTURE_TIME + 60000};
    CU_ASSERT_EQUAL(reader_account(r, inside, sum_account, &sum, &error), WEIR_OK);
    CU_ASSERT_EQUAL(sum.counts.records, 150);
    memset(&sum, 0, sizeof sum);
    struct interval after = {FIXTURE_TIME + 60000, FIXTURE_TIME + 120000};
    CU_ASSERT_EQUAL(reader_account(r, after, sum_account, &sum, &error), WEIR_OK);
    CU_ASSERT_EQUAL(sum.counts.records, 0);
    reader_close(r);

    struct account_checkpoint *checkpoints;
    size_t count;
    CU_ASSERT_EQUAL(store_checkpoints(s, fixture_id(1, 0).collector, &checkpoints, &count, &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    CU_ASSERT_EQUAL(checkpoints[0].next_sequence, 900);
    CU_ASSERT_EQUAL(checkpoints[0].port, 40000);
    free(checkpoints);
    CU_ASSERT_EQUAL(store_checkpoints(s, fixture_id(2, 0).collector, &checkpoints, &count, &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL(count, 0);
    free(checkpoints);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* Counters and ends at the edges of their types: nothing is refused, nothing is rounded. */
static void test_extremes(void)
{
    static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, -60001, -1, 0, 59999, INT64_MAX - 1};
    struct flow flows[7];
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    enum store_outcome outcome;
    fixture_flows(flows, 7, 1, 0, 1);
    for (size_t i = 0; i < 7; i++) {
        flows[i].end_ms = ends[i];
        flows[i].octets = UINT64_MAX - i;
        flows[i].src_tag = UINT32_MAX;
    }
    struct buffer block = fixture_block(flows, 7, 1, UINT64_MAX);
    enum weir_status status = store_append(s, block.bytes, block.length, &outcome, &error);
    CU_ASSERT_EQUAL(status, WEIR_OK);
    if (status != WEIR_OK)
        printf("%s\n", error.message);
    CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_KNOWN);
    buffer_free(&block);
    struct reader *r;
    uint64_t stored = 0;
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    CU_ASSERT_EQUAL(reader_rollups(r, INTERVAL_ALL, count_flows, &stored, &error), WEIR_OK);
    CU_ASSERT_EQUAL(stored, 7);
    reader_close(r);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* What is not a whole block is refused and leaves nothing behind. */
static void test_refused(void)
{
    static struct flow flows[ROWS];
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct store_status status;
    enum store_outcome outcome;
    fixture_flows(flows, ROWS, 3, FIXTURE_TIME, MINUTE_MS);
    struct buffer block = fixture_block(flows, ROWS, 1, 1);
    for (size_t cut = 0; cut < block.length; cut += 1 + block.length / 97)
        CU_ASSERT_NOT_EQUAL(store_append(s, block.bytes, cut, &outcome, &error), WEIR_OK);
    for (size_t at = 0; at < block.length; at += 1 + block.length / 211) {
        block.bytes[at] ^= 0x10;
        CU_ASSERT_NOT_EQUAL(store_append(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
        block.bytes[at] ^= 0x10;
    }
    CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
    CU_ASSERT_EQUAL(status.blocks + status.records + status.rollup_rows + status.collectors, 0);
    CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
    buffer_free(&block);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* Directory and columns come back as they went in. */
static void test_columns(void)
{
    static struct flow flows[ROWS];
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    enum store_outcome outcome;
    fixture_flows(flows, ROWS, 3, FIXTURE_TIME, MINUTE_MS);
    struct buffer bytes = fixture_block(flows, ROWS, 1, 1);
    CU_ASSERT_EQUAL(store_append(s, bytes.bytes, bytes.length, &outcome, &error), WEIR_OK);
    struct arena a = {0};
    struct block block;
    struct reader *r;
    struct stored_block *blocks;
    struct block_column *columns;
    size_t count;
    uint32_t column_count;
    CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &a, &block, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    CU_ASSERT_EQUAL(reader_blocks(r, RECORD_FLOW, INTERVAL_ALL, &a, &blocks, &count, &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    CU_ASSERT_EQUAL(blocks[0].rows, ROWS);
    CU_ASSERT_EQUAL(blocks[0].first_ms, block.head.first_ms);
    CU_ASSERT_EQUAL(reader_directory(r, blocks[0].rowid, &a, &columns, &column_count, &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(column_count, block.head.column_count);
    for (uint32_t i = 0; i < column_count; i++) {
        CU_ASSERT_EQUAL(columns[i].key, block.columns[i].key);
        CU_ASSERT_PTR_NULL(columns[i].bytes);
        CU_ASSERT_EQUAL_FATAL(columns[i].length, block.columns[i].length);
        CU_ASSERT_EQUAL_FATAL(reader_load(r, blocks[0].rowid, &columns[i], &a, &error), WEIR_OK);
        CU_ASSERT_EQUAL(memcmp(columns[i].bytes, block.columns[i].bytes, columns[i].length), 0);
    }
    /* By interval: the block's own ends, and one past them. */
    struct interval when = {blocks[0].last_ms, blocks[0].last_ms + 1};
    int64_t last = blocks[0].last_ms, first = blocks[0].first_ms;
    CU_ASSERT_EQUAL(reader_blocks(r, RECORD_FLOW, when, &a, &blocks, &count, &error), WEIR_OK);
    CU_ASSERT_EQUAL(count, 1);
    when = (struct interval){last + 1, INT64_MAX};
    CU_ASSERT_EQUAL(reader_blocks(r, RECORD_FLOW, when, &a, &blocks, &count, &error), WEIR_OK);
    CU_ASSERT_EQUAL(count, 0);
    when = (struct interval){INT64_MIN, first};
    CU_ASSERT_EQUAL(reader_blocks(r, RECORD_FLOW, when, &a, &blocks, &count, &error), WEIR_OK);
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_EQUAL(reader_blocks(r, RECORD_OPTIONS, INTERVAL_ALL, &a, &blocks, &count, &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL(count, 0);
    reader_close(r);
    arena_free(&a);
    buffer_free(&bytes);
    store_close(s);
}

/* The log beside the file is folded into it as it grows, and the file is little more than its
 * blocks. */
static void test_log(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct store_status status;
    enum store_outcome outcome;
    struct stat st;
    char path[128];
    off_t most = 0;
    snprintf(path, sizeof path, "%s/weir.db-wal", fixture_folder_name);
    for (uint64_t n = 1; n <= 120; n++) {
        CU_ASSERT_EQUAL(fixture_append(s, 1, n, 20000, &outcome, &error), WEIR_OK);
        CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
        most = st.st_size > most ? st.st_size : most;
    }
    CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
    CU_ASSERT(status.block_octets > 32 << 20);
    CU_ASSERT(most < 24 << 20);
    /* These flows have hardly two in one roll-up group; even so. */
    CU_ASSERT(status.file_octets < status.block_octets + status.block_octets / 4);
    store_close(s);
    CU_ASSERT_NOT_EQUAL(stat(path, &st), 0);
}

/* Our own blocks: the same outcome with less checking, and octets that changed are still seen. */
static void test_own(void)
{
    static struct flow flows[ROWS];
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    enum store_outcome outcome;
    fixture_flows(flows, ROWS, 3, FIXTURE_TIME, MINUTE_MS);
    struct buffer block = fixture_block(flows, ROWS, 1, 1);
    for (size_t at = 0; at < block.length; at += 1 + block.length / 211) {
        block.bytes[at] ^= 0x10;
        CU_ASSERT_NOT_EQUAL(store_append_own(s, block.bytes, block.length, &outcome, &error),
                            WEIR_OK);
        block.bytes[at] ^= 0x10;
    }
    CU_ASSERT_EQUAL(store_append_own(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_STORED);
    CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_KNOWN);
    buffer_free(&block);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* Models are slow to check: what an outsider sends has none; what compaction makes may. */
static void test_models(void)
{
    static struct flow flows[ROWS];
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct block_id id = fixture_id(1, 1);
    struct buffer block = {0};
    enum store_outcome outcome;
    fixture_flows(flows, ROWS, 3, FIXTURE_TIME, MINUTE_MS);
    struct block_encoder *e = block_encoder_new(1);
    struct batch *b = fixture_batch(flows, ROWS);
    block_encoder_thorough(e);
    block_encoder_model(e, true);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &block, &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, &error), WEIR_EMALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "version 3"));
    CU_ASSERT_EQUAL(store_append_own(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_STORED);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    buffer_free(&block);
    batch_free(b);
    block_encoder_free(e);
    store_close(s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"roll-ups equal a plain recomputation", test_rollups},
        {"roll-ups of an interval", test_rollup_interval},
        {"a block delivered twice is stored once", test_twice},
        {"account and checkpoints", test_account},
        {"edges of the types", test_extremes},
        {"what is refused changes nothing", test_refused},
        {"columns come back", test_columns},
        {"the log stays small", test_log},
        {"our own blocks", test_own},
        {"models of others", test_models},
        {NULL, NULL},
    };
    return fixture_main("store: append", tests);
}
