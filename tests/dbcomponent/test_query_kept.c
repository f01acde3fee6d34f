/* test_query_kept.c - what a reader keeps from one question to the next (query/account_pages.c,
 * store/sums.c): answers over any interval are those of a plain recomputation, also after others
 * have stored more, through this store and through another opening of the same file; and which
 * changes the file tells of (store/changes.c). */
#include "dbcomponent/query_data.h"
#include "store/changes.h"

#define ROWS_MOST  6000
#define FLOWS_MOST 6000
#define HOUR_MS    (60 * MINUTE_MS)
#define DAY_MS     (24 * HOUR_MS)

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
    static const int64_t back[] = {0, 0, 0, 0, 7 * HOUR_MS, 33 * DAY_MS, DATA_FROM_MS};
    int64_t from = DATA_FROM_MS - back[random_below(sizeof back / sizeof *back)];
    struct flavour f = {.ipv4 = true,
                        .rate = 10,
                        .exporters = 2,
                        .from_ms = from,
                        .to_ms = from + 3 * HOUR_MS};
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

/* Asked again and again, so that what is kept is used. */
static void ask_usual(struct store *s)
{
    const int64_t hour = DATA_FROM_MS / HOUR_MS * HOUR_MS;
    const struct interval usual[] = {
        {hour, hour + HOUR_MS},
        {hour + HOUR_MS + 7 * MINUTE_MS, hour + HOUR_MS + 17 * MINUTE_MS},
        {hour - HOUR_MS, hour + 4 * HOUR_MS},
        {hour - 50 * DAY_MS, hour + 2 * HOUR_MS},
        {hour - 34 * DAY_MS + 5 * MINUTE_MS, hour + 90 * DAY_MS},
        {-HOUR_MS, hour - DAY_MS},
        INTERVAL_ALL,
    };
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        ask(s, usual[i], SOURCE_ROLLUP);
}

static void merge_and_sum(struct store *s)
{
    const struct upkeep_settings settings = {0};
    struct upkeep_report report;
    CU_ASSERT_EQUAL(store_upkeep(s, &settings, NULL, NULL, &report, NULL), WEIR_OK);
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
        ask_usual(s);
        if (round % 10 == 9)
            merge_and_sum(round % 20 == 9 ? s : other);
        ask_usual(s);
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

/* A block with a flow and an account row in each of so many hours, every `apart`th from first_ms
 * on. */
static void append_hours(struct store *s, int64_t first_ms, uint32_t hours, int64_t apart)
{
    struct account account = {.rows = rows + row_count, .row_count = hours};
    for (uint32_t i = 0; i < hours; i++) {
        int64_t at = first_ms + i * apart * HOUR_MS;
        struct account_row row = random_row();
        row.key.minute_ms = minute_of(at);
        row.first_heard_ms = row.last_heard_ms = at;
        rows[row_count + i] = row;
        random_flow(&flows[flow_count + i],
                    &(struct flavour){.ipv4 = true, .exporters = 1, .from_ms = at,
                                      .to_ms = at + MINUTE_MS});
    }
    append_block(s, flows + flow_count, hours, ++sequence, &account);
    row_count += hours;
    flow_count += hours;
}

/* More hours change in one transaction, and between two questions, than the file tells of. */
static void many_hours(void)
{
    struct store *s, *other;
    row_count = flow_count = 0;
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &s, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(store_open(test_folder, STORE_CREATE, &other, NULL), WEIR_OK);
    append_hours(s, DATA_FROM_MS, CHANGES_NOTED_MOST, 1);
    ask_usual(s);
    append_hours(other, DATA_FROM_MS, CHANGES_NOTED_MOST + 1, 1);
    ask_usual(s);
    append_hours(other, DATA_FROM_MS - 30 * DAY_MS, 200, 3);
    ask_usual(s);
    for (unsigned i = 0; i < CHANGES_KEPT + 6; i++)
        append_hours(other, DATA_FROM_MS + i * HOUR_MS, 1, 1);
    ask_usual(s);
    store_close(other);
    store_close(s);
    folder_remove();
}

/* An hour with more groups than are kept is read from the file, again and again. */
static void more_than_is_kept(void)
{
    enum { FLOWS = 35000 };
    struct store *s;
    struct counts sum = {0};
    struct flow *many = calloc(FLOWS, sizeof *many);
    CU_ASSERT_PTR_NOT_NULL_FATAL(many);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &s, NULL), WEIR_OK);
    for (uint32_t block = 0; block < 2; block++) {
        for (uint32_t i = 0; i < FLOWS; i++) {
            random_flow(&many[i], &(struct flavour){.ipv4 = true, .exporters = 1,
                                                    .from_ms = DATA_FROM_MS,
                                                    .to_ms = DATA_FROM_MS + 5 * MINUTE_MS});
            many[i].src_tag = 2 * i + block;
            sum.octets += many[i].octets;
        }
        append_block(s, many, FLOWS, ++sequence, NULL);
        for (int again = 0; again < 2; again++) {
            struct totals t;
            struct totals_request q = {.when = {DATA_FROM_MS, DATA_FROM_MS + HOUR_MS},
                                       .source = SOURCE_ROLLUP};
            q.when.to_ms += again * 2 * HOUR_MS;
            CU_ASSERT_EQUAL_FATAL(store_totals(s, &q, &t, NULL), WEIR_OK);
            CU_ASSERT_EQUAL(t.account.raw.octets, sum.octets);
            CU_ASSERT_EQUAL(t.account.raw.flows, (block + 1) * FLOWS);
            totals_free(&t);
        }
    }
    free(many);
    store_close(s);
    folder_remove();
}

static bool count_calls(void *context)
{
    ++*(int *)context;
    return false;
}

static bool is_enough(void *context)
{
    return --*(int *)context < 0;
}

/* Adding up a long stretch asks whether anybody still waits, and what was cut off is not kept. */
static void unwanted(void)
{
    struct store *s;
    struct totals t;
    int calls = 0, enough;
    struct totals_request q = {.when = {DATA_FROM_MS, DATA_FROM_MS + 5 * HOUR_MS},
                               .source = SOURCE_ROLLUP,
                               .unwanted = is_enough,
                               .unwanted_context = &enough};
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &s, NULL), WEIR_OK);
    for (int block = 0; block < 3; block++) {
        for (uint32_t i = 0; i < FLOWS_MOST; i++)
            random_flow(&flows[i], &(struct flavour){.ipv4 = true, .exporters = 2,
                                                     .from_ms = DATA_FROM_MS,
                                                     .to_ms = DATA_FROM_MS + 4 * HOUR_MS});
        append_block(s, flows, FLOWS_MOST, ++sequence, NULL);
    }
    for (enough = 0; enough < 2; enough++) {
        int before = enough;
        CU_ASSERT_EQUAL(store_totals(s, &q, &t, NULL), WEIR_ECANCELLED);
        enough = before;
    }
    q.unwanted = count_calls;
    q.unwanted_context = &calls;
    for (int again = 0, first = 0; again < 2; again++) {
        CU_ASSERT_EQUAL(store_totals(s, &q, &t, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(t.account.raw.flows, 3 * FLOWS_MOST);
        CU_ASSERT(!again || calls < first);
        first = calls;
        calls = 0;
        totals_free(&t);
    }
    store_close(s);
    folder_remove();
}

static void noted_changes(void)
{
    struct changes_noted noted = {0};
    struct changes c = {.stamp = 9, .forgotten = 3, .list = {{9, 5 * HOUR_MS}, {4, -HOUR_MS}}};
    int64_t hour = 0;
    for (int64_t t = 0; t < 3 * HOUR_MS; t += 20 * MINUTE_MS)
        changes_note(&noted, t);
    CU_ASSERT_EQUAL(noted.count, 3);
    CU_ASSERT_FALSE(noted.all);
    changes_note(&noted, INT64_MIN);
    CU_ASSERT_TRUE(noted.all);
    CU_ASSERT_FALSE(changes_touch(&c, 9, INTERVAL_ALL));
    CU_ASSERT_TRUE(changes_touch(&c, 8, INTERVAL_ALL));
    CU_ASSERT_TRUE(changes_touch(&c, 8, (struct interval){6 * HOUR_MS - 1, 9 * HOUR_MS}));
    CU_ASSERT_FALSE(changes_touch(&c, 8, (struct interval){6 * HOUR_MS, 9 * HOUR_MS}));
    CU_ASSERT_TRUE(changes_touch(&c, 8, (struct interval){0, 5 * HOUR_MS + 1}));
    CU_ASSERT_FALSE(changes_touch(&c, 8, (struct interval){INT64_MIN, 5 * HOUR_MS}));
    CU_ASSERT_FALSE(changes_touch(&c, 4, (struct interval){-HOUR_MS, 0}));
    CU_ASSERT_TRUE(changes_touch(&c, 3, (struct interval){-1, 0}));
    CU_ASSERT_TRUE(changes_touch(&c, 2, (struct interval){9 * HOUR_MS, 9 * HOUR_MS + 1}));
    CU_ASSERT_TRUE(changes_latest(&c, INT64_MAX, &hour));
    CU_ASSERT_EQUAL(hour, 5 * HOUR_MS);
    CU_ASSERT_TRUE(changes_latest(&c, 5 * HOUR_MS, &hour));
    CU_ASSERT_EQUAL(hour, -HOUR_MS);
    CU_ASSERT_FALSE(changes_latest(&c, -HOUR_MS, &hour));
}

UNIT_MAIN("query kept", {"noted changes", noted_changes}, {"many hours", many_hours},
          {"more than is kept", more_than_is_kept}, {"unwanted", unwanted},
          {"any interval", any_interval}, {"minutes of an hour", minutes_of_an_hour},
          {"many exporters", many_exporters}, {"ends of time", ends_of_time})
