/* test_query_kept.c - what a reader keeps from one question to the next (query/account_pages.c,
 * store/segments_kept.c): answers over any interval are those of a plain recomputation, also after
 * others have stored more, through this store and through another opening of the same file. */
#include "dbcomponent/query_data.h"

#define ROWS_MOST  6000
#define FLOWS_MOST 6000
#define HOUR_MS    (60 * MINUTE_MS)

static struct account_row rows[ROWS_MOST];
static size_t row_count;
static struct flow flows[FLOWS_MOST];
static size_t flow_count;
static uint64_t sequence;

/* Minutes in three heaps: days apart, around 1970, and all the rest of one day. */
static int64_t random_minute(void)
{
    static const int64_t bases[] = {DATA_FROM_MS, DATA_FROM_MS, DATA_FROM_MS - 40 * 24 * HOUR_MS,
                                    0};
    return bases[random_below(4)] / MINUTE_MS * MINUTE_MS +
           ((int64_t)random_below(3000) - 1500) * MINUTE_MS;
}

static struct account_row random_row(void)
{
    struct account_row r = {.key = {.domain = random_below(3),
                                    .port = (uint16_t)(40000 + random_below(2)),
                                    .protocol = random_below(2) ? 9 : 10,
                                    .minute_ms = random_minute()}};
    if (random_below(20))
        r.key.exporter = address_from_ipv4(0xc0000201u + random_below(4));
    r.first_heard_ms = r.key.minute_ms + 10;
    r.last_heard_ms = r.key.minute_ms + random_below(59000) + 10;
    r.counts = (struct account_counts){.datagrams = random_below(5),
                                       .records = random_below(1000),
                                       .kernel_drops = random_below(3)};
    return r;
}

static void append_more(struct store *s, uint32_t new_rows, uint32_t new_flows)
{
    struct flavour f = {.ipv4 = true,
                        .rate = 10,
                        .exporters = 2,
                        .from_ms = DATA_FROM_MS,
                        .to_ms = DATA_FROM_MS + 3 * HOUR_MS};
    for (uint32_t i = 0; i < new_rows; i++)
        rows[row_count + i] = random_row();
    for (uint32_t i = 0; i < new_flows; i++)
        random_flow(&flows[flow_count + i], &f);
    struct account account = {.rows = rows + row_count, .row_count = new_rows};
    append_block(s, flows + flow_count, new_flows, ++sequence, &account);
    row_count += new_rows;
    flow_count += new_flows;
}

static bool overlaps(const struct account_row *r, struct interval when)
{
    return (when.from_ms == INT64_MIN || r->key.minute_ms > when.from_ms - MINUTE_MS) &&
           r->key.minute_ms < when.to_ms;
}

static bool same_minute_before(size_t i, struct interval when)
{
    for (size_t k = 0; k < i; k++)
        if (rows[k].counts.datagrams && rows[k].key.domain == rows[i].key.domain &&
            rows[k].key.protocol == rows[i].key.protocol &&
            rows[k].key.minute_ms == rows[i].key.minute_ms && overlaps(&rows[k], when) &&
            !memcmp(&rows[k].key.exporter, &rows[i].key.exporter, 16))
            return true;
    return false;
}

/* One coverage row, or the sums, recomputed from the rows that were stored. */
static void check_account(const struct answer_account *a, struct interval when)
{
    uint64_t records = 0, drops = 0, minutes = 0, heard = 0;
    int64_t first = INT64_MAX, last = INT64_MIN, got_first = INT64_MAX, got_last = INT64_MIN;
    static const struct address socket;
    for (size_t i = 0; i < row_count; i++) {
        const struct account_row *r = &rows[i];
        if (!overlaps(r, when))
            continue;
        records += r->counts.records;
        drops += r->counts.kernel_drops;
        if (!memcmp(&r->key.exporter, &socket, 16))
            continue;
        minutes += r->counts.datagrams && !same_minute_before(i, when);
        first = r->first_heard_ms < first ? r->first_heard_ms : first;
        last = r->last_heard_ms > last ? r->last_heard_ms : last;
    }
    for (size_t i = 0; i < a->coverage_count; i++) {
        const struct coverage_row *c = &a->coverage[i];
        heard += c->minutes;
        got_first = c->first_heard_ms < got_first ? c->first_heard_ms : got_first;
        got_last = c->last_heard_ms > got_last ? c->last_heard_ms : got_last;
    }
    CU_ASSERT_EQUAL(a->counts.records, records);
    CU_ASSERT_EQUAL(a->counts.kernel_drops, drops);
    CU_ASSERT_EQUAL(heard, minutes);
    CU_ASSERT_EQUAL(got_first, first);
    CU_ASSERT_EQUAL(got_last, last);
}

static void check_totals(const struct totals *t, struct interval when, uint32_t tag)
{
    struct counts sum = {0};
    for (size_t i = 0; i < flow_count; i++)
        if (flows[i].end_ms >= when.from_ms && flows[i].end_ms < when.to_ms &&
            flows[i].src_tag == tag) {
            sum.octets += flows[i].octets;
            sum.packets += flows[i].packets;
            sum.flows++;
        }
    const struct counts *got = &t->account.raw;
    CU_ASSERT_EQUAL(got->octets, sum.octets);
    CU_ASSERT_EQUAL(got->packets, sum.packets);
    CU_ASSERT_EQUAL(got->flows, sum.flows);
}

static void ask(struct store *s, struct interval when, enum answer_source source)
{
    char filter[32];
    uint32_t tag = random_below(6);
    snprintf(filter, sizeof filter, "src tag %u", tag);
    struct totals_request q = {.filter = filter, .when = when, .source = source};
    struct totals t;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL_FATAL(store_totals(s, &q, &t, &error), WEIR_OK);
    check_totals(&t, when, tag);
    check_account(&t.account, when);
    totals_free(&t);
}

static struct interval random_interval(void)
{
    int64_t from = random_minute(), width = 1 + random_below(random_below(3) ? 150 : 6000);
    return (struct interval){from, from + width * MINUTE_MS};
}

static void any_interval(void)
{
    struct store *s, *other;
    row_count = flow_count = 0;
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &s, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(store_open(test_folder, STORE_CREATE, &other, NULL), WEIR_OK);
    ask(s, INTERVAL_ALL, SOURCE_ROLLUP); /* of nothing */
    for (int round = 0; round < 60; round++) {
        append_more(round % 3 == 2 ? other : s, 1 + random_below(60), 1 + random_below(60));
        for (int i = 0; i < 12; i++)
            ask(round % 2 && i > 8 ? other : s, random_interval(), SOURCE_ROLLUP);
        struct interval odd = random_interval();
        odd.from_ms += random_below(60000);
        odd.to_ms += random_below(60000);
        ask(s, odd, SOURCE_AUTO);
        ask(s, INTERVAL_ALL, SOURCE_ROLLUP);
        ask(s, (struct interval){INT64_MIN, DATA_FROM_MS}, SOURCE_ROLLUP);
        ask(s, (struct interval){DATA_FROM_MS + HOUR_MS, INT64_MAX}, SOURCE_ROLLUP);
    }
    store_close(other);
    store_close(s);
    folder_remove();
}

/* The minutes of an hour, one by one and in runs, the empty ones too. */
static void minutes_of_an_hour(void)
{
    struct store *s;
    row_count = flow_count = 0;
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &s, NULL), WEIR_OK);
    append_more(s, 10, 40);
    append_more(s, 10, 3);
    int64_t hour = DATA_FROM_MS / HOUR_MS * HOUR_MS;
    for (int64_t from = -2; from < 64; from++)
        for (int64_t width = 1; width < 64; width += 1 + width / 2)
            ask(s, (struct interval){hour + from * MINUTE_MS, hour + (from + width) * MINUTE_MS},
                SOURCE_ROLLUP);
    store_close(s);
    folder_remove();
}

/* More pages than a reader keeps. */
static void many_exporters(void)
{
    enum { EXPORTERS = 400, MINUTES = 40 };
    static struct account_row many[EXPORTERS * MINUTES];
    struct store *s;
    for (uint32_t i = 0; i < EXPORTERS * MINUTES; i++)
        many[i] =
            (struct account_row){.key = {.exporter = address_from_ipv4(0x0a000000u + i / MINUTES),
                                         .protocol = 10,
                                         .minute_ms = DATA_FROM_MS + i % MINUTES * MINUTE_MS},
                                 .counts = {.datagrams = 1, .records = i % 7}};
    struct account account = {.rows = many, .row_count = EXPORTERS * MINUTES};
    struct flow flow;
    random_flow(&flow, &(struct flavour){.ipv4 = true,
                                         .exporters = 1,
                                         .from_ms = DATA_FROM_MS,
                                         .to_ms = DATA_FROM_MS + MINUTE_MS});
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &s, NULL), WEIR_OK);
    append_block(s, &flow, 1, 1, &account);
    for (int i = 0; i < 80; i++) {
        int64_t from = random_below(MINUTES), to = from + 1 + random_below(MINUTES);
        uint64_t records = 0;
        struct account_answer a;
        struct interval when = {DATA_FROM_MS + from * MINUTE_MS, DATA_FROM_MS + to * MINUTE_MS};
        for (uint32_t k = 0; k < EXPORTERS * MINUTES; k++)
            records += k % MINUTES >= from && k % MINUTES < to ? k % 7 : 0;
        CU_ASSERT_EQUAL_FATAL(store_account(s, when, &a, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(a.account.coverage_count, EXPORTERS);
        CU_ASSERT_EQUAL(a.account.counts.records, records);
        CU_ASSERT_EQUAL(a.account.coverage[EXPORTERS - 1].minutes,
                        (uint64_t)((to < MINUTES ? to : MINUTES) - from));
        account_answer_free(&a);
    }
    store_close(s);
    folder_remove();
}

/* Whoever sends blocks can say any minute. */
static void ends_of_time(void)
{
    static const int64_t minutes[] = {INT64_MIN / MINUTE_MS * MINUTE_MS,
                                      INT64_MAX / MINUTE_MS * MINUTE_MS, 0};
    struct store *s;
    row_count = flow_count = 0;
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &s, NULL), WEIR_OK);
    for (int i = 2; i >= 0; i--) {
        append_more(s, 1, 1);
        struct account_row row = random_row();
        row.key.minute_ms = minutes[i];
        row.first_heard_ms = row.last_heard_ms = 5;
        rows[row_count] = row;
        struct account account = {.rows = rows + row_count++, .row_count = 1};
        append_block(s, flows, 1, ++sequence, &account);
        flows[flow_count++] = flows[0];
        for (int k = 0; k < 20; k++)
            ask(s, random_interval(), SOURCE_ROLLUP);
        ask(s, INTERVAL_ALL, SOURCE_ROLLUP);
        ask(s, (struct interval){INT64_MIN, 0}, SOURCE_ROLLUP);
        ask(s, (struct interval){0, INT64_MAX}, SOURCE_ROLLUP);
    }
    store_close(s);
    folder_remove();
}

UNIT_MAIN("query kept", {"any interval", any_interval}, {"minutes of an hour", minutes_of_an_hour},
          {"many exporters", many_exporters}, {"ends of time", ends_of_time})
