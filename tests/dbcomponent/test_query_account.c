/* test_query_account.c - the account beside an answer: coverage, loss, states, from rows that the
 * test chose, through a store. */
#include "dbcomponent/query_data.h"

static struct store *store;
static uint64_t sequence;

static struct account_row row_of(uint32_t host, uint32_t domain, uint16_t protocol, int minute,
                                 struct account_counts counts)
{
    struct account_row r = {.counts = counts};
    if (host)
        r.key.exporter = address_from_ipv4(host);
    r.key.domain = domain;
    r.key.protocol = protocol;
    r.key.port = (uint16_t)(40000 + minute % 2);
    r.key.minute_ms = DATA_FROM_MS + minute * MINUTE_MS;
    r.first_heard_ms = r.key.minute_ms + 1000;
    r.last_heard_ms = r.key.minute_ms + 50000;
    return r;
}

static void add_rows(struct account_row *rows, size_t count)
{
    struct flavour f = {.ipv4 = true, .rate = 10, .exporters = 1, .from_ms = DATA_FROM_MS,
                        .to_ms = DATA_FROM_MS + MINUTE_MS};
    struct account account = {.rows = rows, .row_count = count};
    struct flow flow;
    random_flow(&flow, &f);
    append_block(store, &flow, 1, ++sequence, &account);
}

static void open_store(void)
{
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, NULL), WEIR_OK);
}

static void close_store(void)
{
    store_close(store);
    folder_remove();
}

static struct account_answer ask(int from_minute, int to_minute)
{
    struct account_answer a;
    struct weir_error e;
    struct interval when = {DATA_FROM_MS + from_minute * MINUTE_MS,
                            DATA_FROM_MS + to_minute * MINUTE_MS};
    enum weir_status status = store_account(store, when, &a, &e);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    return a;
}

#define COUNTS(...) ((struct account_counts){__VA_ARGS__})
#define HOST_A 0xc0000201u
#define HOST_B 0xc0000202u

static void nothing_heard(void)
{
    open_store();
    struct account_answer a = ask(0, 10);
    CU_ASSERT_EQUAL(a.account.coverage_count, 0);
    CU_ASSERT_EQUAL(a.account.state, LOSS_UNKNOWN);
    CU_ASSERT_EQUAL(a.account.known_until_ms, DATA_FROM_MS);
    CU_ASSERT_EQUAL(a.account.missing_records_percent, -1);
    CU_ASSERT_STRING_EQUAL(a.account.policy, "none");
    account_answer_free(&a);
    account_answer_free(&a);
    close_store();
}

static void rows_add_up(void)
{
    struct account_row rows[] = {
        row_of(HOST_B, 7, 9, 0, COUNTS(.datagrams = 10, .records = 100, .missing_datagrams = 4,
                                       .recovered_datagrams = 1)),
        row_of(HOST_A, 1, 5, 0, COUNTS(.datagrams = 5, .records = 90, .missing_records = 12)),
        row_of(HOST_A, 1, 5, 1, COUNTS(.datagrams = 5, .records = 100, .recovered_records = 2)),
        row_of(HOST_A, 1, 5, 3, COUNTS(.datagrams = 1, .records = 0)),
        row_of(HOST_A, 0, 10, 2, COUNTS(.datagrams = 2, .records = 800, .option_records = 90)),
    };
    open_store();
    add_rows(rows, 5);
    struct account_row again = row_of(HOST_A, 1, 5, 1, COUNTS(.datagrams = 1, .records = 10));
    again.key.port = 50000; /* another session in a minute that was heard */
    add_rows(&again, 1);
    struct account_answer a = ask(0, 10);
    const struct answer_account *c = &a.account;
    CU_ASSERT_EQUAL_FATAL(c->coverage_count, 3);
    CU_ASSERT_EQUAL(c->coverage[0].domain, 0);
    CU_ASSERT_EQUAL(c->coverage[0].state, LOSS_COMPLETE);
    CU_ASSERT_EQUAL(c->coverage[1].domain, 1);
    CU_ASSERT_EQUAL(c->coverage[1].minutes, 3);
    CU_ASSERT_EQUAL(c->coverage[1].missing, 10);
    CU_ASSERT_EQUAL(c->coverage[1].counts.records, 200);
    CU_ASSERT_STRING_EQUAL(c->coverage[1].unit, "records");
    CU_ASSERT_EQUAL(c->coverage[1].state, LOSS_LOSSY);
    CU_ASSERT_EQUAL(c->coverage[1].first_heard_ms, DATA_FROM_MS + 1000);
    CU_ASSERT_EQUAL(c->coverage[1].last_heard_ms, DATA_FROM_MS + 3 * MINUTE_MS + 50000);
    CU_ASSERT_EQUAL(c->coverage[2].missing, 3);
    CU_ASSERT_STRING_EQUAL(c->coverage[2].unit, "datagrams");
    CU_ASSERT_EQUAL(c->state, LOSS_LOSSY);
    CU_ASSERT_EQUAL(c->missing_records, 10);
    CU_ASSERT_EQUAL(c->missing_datagrams, 3);
    CU_ASSERT_EQUAL(c->counts.records, 1100);
    CU_ASSERT_DOUBLE_EQUAL(c->missing_records_percent, 100.0 * 10 / (200 + 890 + 10), 1e-9);
    CU_ASSERT_EQUAL(c->known_until_ms, DATA_FROM_MS + 50000); /* B was heard in one minute only */
    CU_ASSERT_EQUAL(c->raw.flows, 2);
    CU_ASSERT_EQUAL(c->estimated.octets, 10 * c->raw.octets);
    CU_ASSERT_EQUAL(c->unknown_rate.flows, 0);
    account_answer_free(&a);
    a = ask(2, 3);
    CU_ASSERT_EQUAL(a.account.coverage_count, 1);
    CU_ASSERT_EQUAL(a.account.state, LOSS_COMPLETE);
    CU_ASSERT_EQUAL(a.account.missing_records_percent, 0);
    account_answer_free(&a);
    close_store();
}

static void state_of(struct account_counts counts, uint16_t protocol, enum loss_state want)
{
    struct account_row r = row_of(HOST_A, 1, protocol, 0, counts);
    open_store();
    add_rows(&r, 1);
    struct account_answer a = ask(0, 1);
    CU_ASSERT_EQUAL_FATAL(a.account.coverage_count, 1);
    CU_ASSERT_EQUAL(a.account.coverage[0].state, want);
    CU_ASSERT_EQUAL(a.account.state, want);
    account_answer_free(&a);
    close_store();
}

static void states(void)
{
    state_of(COUNTS(.datagrams = 1, .records = 5), 5, LOSS_COMPLETE);
    state_of(COUNTS(.datagrams = 1, .records = 5, .missing_records = 2, .recovered_records = 2), 5,
             LOSS_COMPLETE);
    state_of(COUNTS(.datagrams = 1, .reordered = 3, .duplicates = 2), 10, LOSS_COMPLETE);
    state_of(COUNTS(.datagrams = 1, .missing_records = 1), 10, LOSS_LOSSY);
    state_of(COUNTS(.datagrams = 1, .missing_datagrams = 1), 9, LOSS_LOSSY);
    state_of(COUNTS(.datagrams = 1, .expired_sets = 1), 9, LOSS_LOSSY);
    state_of(COUNTS(.datagrams = 2, .no_template_sets = 2, .parked_sets = 2, .unparked_sets = 1), 9,
             LOSS_UNKNOWN); /* one still waits: nobody knows what it holds */
    state_of(COUNTS(.datagrams = 2, .no_template_sets = 2, .parked_sets = 2, .unparked_sets = 2), 9,
             LOSS_COMPLETE);
    state_of(COUNTS(.datagrams = 2, .no_template_sets = 2, .unparked_sets = 1, .expired_sets = 1),
             10, LOSS_LOSSY);
    state_of(COUNTS(.datagrams = 1, .spool_drops = 1), 5, LOSS_LOSSY);
    state_of(COUNTS(.datagrams = 1, .dropped_records = 1), 5, LOSS_LOSSY);
    state_of(COUNTS(.datagrams = 1, .records = 1, .undated_records = 1), 5, LOSS_COMPLETE);
    state_of(COUNTS(.datagrams = 1, .restarts = 1), 5, LOSS_UNKNOWN);
    state_of(COUNTS(.datagrams = 1, .missing_records = 9, .unknown_gaps = 1), 10, LOSS_UNKNOWN);
    state_of(COUNTS(.datagrams = 1, .records = 5), 1, LOSS_UNKNOWN); /* v1 counts nothing */
}

static void sockets_are_no_exporters(void)
{
    struct account_row rows[] = {
        row_of(HOST_A, 1, 5, 0, COUNTS(.datagrams = 10, .records = 100)),
        row_of(0, 0, 0, 0, COUNTS(.kernel_drops = 6)),
    };
    open_store();
    add_rows(rows, 2);
    struct account_answer a = ask(0, 1);
    CU_ASSERT_EQUAL(a.account.coverage_count, 1);
    CU_ASSERT_EQUAL(a.account.counts.kernel_drops, 6);
    CU_ASSERT_EQUAL(a.account.coverage[0].state, LOSS_COMPLETE);
    CU_ASSERT_EQUAL(a.account.state, LOSS_LOSSY);
    account_answer_free(&a);
    close_store();
}

static void many_exporters(void)
{
    enum { EXPORTERS = 300, MINUTES = 70 };
    static struct account_row rows[EXPORTERS * MINUTES];
    size_t n = 0;
    for (uint32_t e = EXPORTERS; e-- > 0;)
        for (int m = 0; m < MINUTES; m++)
            if ((e + (uint32_t)m) % 3)
                rows[n++] =
                    row_of(0x0a000000 + e, e % 4, 10, m, COUNTS(.datagrams = 1, .records = e));
    open_store();
    add_rows(rows, n);
    struct account_answer a = ask(0, MINUTES);
    CU_ASSERT_EQUAL_FATAL(a.account.coverage_count, EXPORTERS);
    for (uint32_t e = 0; e < EXPORTERS; e++) {
        uint64_t minutes = 0;
        for (uint32_t m = 0; m < MINUTES; m++)
            minutes += (e + m) % 3 != 0;
        CU_ASSERT_EQUAL(address_ipv4(&a.account.coverage[e].exporter), 0x0a000000 + e);
        CU_ASSERT_EQUAL(a.account.coverage[e].minutes, minutes);
        CU_ASSERT_EQUAL(a.account.coverage[e].counts.records, minutes * e);
    }
    account_answer_free(&a);
    close_store();
}

/* More than have a row each: those heard first have all of theirs, in later minutes too, and the
 * sums of the others stand in one row a protocol. */
static void too_many_exporters(void)
{
    enum { MORE = 1000, MINUTES = 2, ALL = COVERAGE_MOST + MORE };
    struct account_row *rows = calloc(MINUTES * ALL, sizeof *rows);
    size_t n = 0;
    for (int m = 0; m < MINUTES; m++)
        for (uint32_t e = 0; e < ALL; e++)
            rows[n++] =
                row_of(0x0a000000 + e, e % 4, e % 2 ? 9 : 10, m,
                       COUNTS(.datagrams = 2, .records = 10, .missing_records = e % 2 ? 0 : 3,
                              .missing_datagrams = e % 2 ? 1 : 0));
    rows[n - 1].last_heard_ms += 5000;
    open_store();
    add_rows(rows, n);
    struct account_answer a = ask(0, MINUTES);
    const struct answer_account *c = &a.account;
    CU_ASSERT_EQUAL_FATAL(c->coverage_count, COVERAGE_MOST + 2);
    for (size_t i = 0; i < c->coverage_count; i++) {
        const struct coverage_row *row = &c->coverage[i];
        const uint64_t exporters = i < 2 ? MORE / 2 : 1;
        CU_ASSERT_EQUAL(row->protocol == 9 ? 9 : 10, row->protocol);
        CU_ASSERT_EQUAL(row->counts.records, 2 * 10 * exporters);
        CU_ASSERT_EQUAL(row->missing, (row->protocol == 9 ? 2 : 6) * exporters);
        CU_ASSERT_EQUAL(row->minutes, MINUTES);
        CU_ASSERT_EQUAL(row->state, LOSS_LOSSY);
        if (i >= 2)
            CU_ASSERT_EQUAL(address_ipv4(&row->exporter), 0x0a000000 + i - 2);
    }
    CU_ASSERT(c->coverage[0].protocol == 9 && c->coverage[1].protocol == 10);
    CU_ASSERT_EQUAL(c->counts.records, 2 * 10 * ALL);
    CU_ASSERT_EQUAL(c->missing_records, 6 * ALL / 2);
    CU_ASSERT_EQUAL(c->missing_datagrams, 2 * ALL / 2);
    CU_ASSERT_EQUAL(c->known_until_ms, DATA_FROM_MS + 50000); /* rather too early than too late */
    account_answer_free(&a);
    free(rows);
    close_store();
}

UNIT_MAIN("query account", {"nothing heard", nothing_heard}, {"rows add up", rows_add_up},
          {"states", states}, {"sockets are no exporters", sockets_are_no_exporters},
          {"many exporters", many_exporters}, {"too many exporters", too_many_exporters})
