/* test_query_limits.c - questions that are refused: what is said, of which field; bounds of memory
 * and time; damaged blocks. */
#include "dbcomponent/query_data.h"
#include "dbcomponent/sqlite_file.h"

static struct store *store;
static struct flow *flows;
#define ROWS 40000u

static void make_store(void)
{
    struct flavour f = {.ipv4 = true, .rate = 1, .exporters = 1, .from_ms = DATA_FROM_MS,
                        .to_ms = DATA_FROM_MS + DATA_MS};
    struct weir_error error;
    flows = calloc(ROWS, sizeof *flows);
    CU_ASSERT_FATAL(flows != NULL);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, &error), WEIR_OK);
    for (uint32_t b = 0; b < 2; b++) {
        for (uint32_t i = 0; i < ROWS; i++)
            random_flow(&flows[i], &f);
        append_block(store, flows, ROWS, b + 1, NULL);
    }
}

static void refused(struct totals_request r, enum weir_status status, const char *field,
                    const char *says)
{
    struct totals t;
    struct weir_error e = {0};
    if (r.when.from_ms == 0 && r.when.to_ms == 0)
        r.when = INTERVAL_ALL;
    CU_ASSERT_EQUAL(store_totals(store, &r, &t, &e), status);
    CU_ASSERT_STRING_EQUAL(e.field, field);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, says));
    if (!strstr(e.message, says) || strcmp(e.field, field))
        fprintf(stderr, "field %s: %s\n", e.field, e.message);
    CU_ASSERT_PTR_NULL(t.memory);
    CU_ASSERT_PTR_NULL(t.rows);
    CU_ASSERT_EQUAL(store_totals(store, &r, &t, NULL), status);
}
#define REQUEST(...) ((struct totals_request){__VA_ARGS__})

static void bad_questions(void)
{
    const char *unknown[] = {"sourcIPv4Address"}, *port[] = {"sourceTransportPort"};
    const char *tag[] = {"srcTag"};
    const struct interval hour = {DATA_FROM_MS, DATA_FROM_MS + 60 * MINUTE_MS};
    refused(REQUEST(.when = {5, 5}), WEIR_EARGUMENT, "from", "not before");
    refused(REQUEST(.when = {6, 5}), WEIR_EARGUMENT, "from", "not before");
    refused(REQUEST(.when = hour, .step_ms = -1), WEIR_EARGUMENT, "step", "more than 0");
    refused(REQUEST(.when = hour, .step_ms = 35), WEIR_EARGUMENT, "step", "time bins");
    refused(REQUEST(.when = INTERVAL_ALL, .step_ms = 60000), WEIR_EARGUMENT, "step", "too far");
    refused(REQUEST(.when = INTERVAL_ALL, .step_ms = INT64_MAX), WEIR_EARGUMENT, "step", "too far");
    refused(REQUEST(.by = unknown, .by_count = 1), WEIR_EARGUMENT, "by", "sourceIPv4Address");
    refused(REQUEST(.by = unknown, .by_count = 9), WEIR_EARGUMENT, "by", "at most 8");
    refused(REQUEST(.filter = "src port ="), WEIR_ESYNTAX, "filter", "");
    refused(REQUEST(.filter = "src tag PoP-NOWHERE"), WEIR_ESYNTAX, "filter", "PoP-NOWHERE");
    refused(REQUEST(.order = (enum measure)7), WEIR_EARGUMENT, "order", "octets");
    refused(REQUEST(.source = (enum answer_source)7), WEIR_EARGUMENT, "source", "auto");
    refused(REQUEST(.by = port, .by_count = 1, .source = SOURCE_ROLLUP), WEIR_EARGUMENT, "by",
            "sourceTransportPort");
    refused(REQUEST(.filter = "packets > 5", .source = SOURCE_ROLLUP), WEIR_EARGUMENT, "filter",
            "packets");
    refused(REQUEST(.when = {DATA_FROM_MS + 1, INT64_MAX}, .source = SOURCE_ROLLUP), WEIR_EARGUMENT,
            "from", "whole minute");
    refused(REQUEST(.when = {DATA_FROM_MS, DATA_FROM_MS + 1}, .source = SOURCE_ROLLUP),
            WEIR_EARGUMENT, "to", "whole minute");
    refused(REQUEST(.by = tag, .by_count = 1, .when = hour, .step_ms = 90000,
                    .source = SOURCE_ROLLUP), WEIR_EARGUMENT, "step", "whole minute");
}

static void memory_is_bounded(void)
{
    const char *by[] = {"destinationIPv4Address", "sourceTransportPort"};
    for (uint32_t threads = 1; threads <= 2; threads++) {
        refused(REQUEST(.by = by, .by_count = 2, .memory_most = 1 << 20, .threads = threads),
                WEIR_ELIMIT, "memory", "--query-memory");
        refused(REQUEST(.by = by, .by_count = 1, .memory_most = 100, .threads = threads),
                WEIR_ELIMIT, "memory", "narrow");
    }
    struct totals t;
    struct totals_request r = {.by = by, .by_count = 1, .when = INTERVAL_ALL, .top = 3,
                               .memory_most = 32 << 20};
    CU_ASSERT_EQUAL_FATAL(store_totals(store, &r, &t, NULL), WEIR_OK);
    CU_ASSERT(t.groups > 10000 && t.row_count == 3);
    totals_free(&t);
}

/* A millisecond is far too little for this question, but for a machine that nobody has: so one of
 * many tries must be cancelled, and all of them be over soon. */
static void time_is_bounded(void)
{
    const char *by[] = {"destinationIPv4Address", "sourceIPv4Address", "sourceTransportPort"};
    struct totals_request r = {.by = by, .by_count = 3, .when = INTERVAL_ALL, .deadline_ms = 1};
    struct totals t;
    int cancelled = 0;
    for (int i = 0; i < 20; i++) {
        struct weir_error e = {0};
        enum weir_status status = store_totals(store, &r, &t, &e);
        CU_ASSERT(status == WEIR_ECANCELLED || status == WEIR_OK);
        if (status == WEIR_ECANCELLED)
            CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "deadline of 1 ms"));
        cancelled += status == WEIR_ECANCELLED;
        totals_free(&t);
    }
    CU_ASSERT(cancelled > 0);
    r.deadline_ms = 60000;
    CU_ASSERT_EQUAL(store_totals(store, &r, &t, NULL), WEIR_OK);
    totals_free(&t);
}

static void empty_answers(void)
{
    const char *by[] = {"srcTag"};
    struct totals t;
    struct totals_request r = {.when = {0, 60000}, .by = by, .by_count = 1};
    for (int source = SOURCE_AUTO; source <= SOURCE_BLOCKS; source++) {
        r.source = (enum answer_source)source;
        r.by_count = 1;
        CU_ASSERT_EQUAL_FATAL(store_totals(store, &r, &t, NULL), WEIR_OK);
        CU_ASSERT(t.row_count == 0 && t.groups == 0 && t.key_count == 1);
        CU_ASSERT_EQUAL(t.account.state, LOSS_UNKNOWN);
        totals_free(&t);
        r.by_count = 0; /* the sum of nothing is a row of zeros */
        CU_ASSERT_EQUAL_FATAL(store_totals(store, &r, &t, NULL), WEIR_OK);
        CU_ASSERT(t.row_count == 1 && t.rows[0].raw.flows == 0 && t.rows[0].raw.octets == 0);
        totals_free(&t);
    }
    totals_free(&t);
    totals_free(NULL);
}

/* Flips bits of a stored column; a question that needs it must fail and name the block. */
static void damage_is_told(void)
{
    struct totals t;
    struct weir_error e = {0};
    const char *by[] = {"sourceTransportPort"};
    struct totals_request r = {.by = by, .by_count = 1, .when = INTERVAL_ALL};
    sqlite3 *db = sqlite_file(test_folder);
    /* Every column of the second block: whichever is read first is found out. */
    CU_ASSERT_EQUAL(sqlite3_exec(db, "UPDATE block_column SET data = zeroblob(length(data)) "
                                     "WHERE rowid > (SELECT max(rowid) FROM block_column) / 2",
                                 NULL, NULL, NULL), SQLITE_OK);
    CU_ASSERT(sqlite3_changes(db) > 0);
    sqlite3_close(db);
    for (r.threads = 1; r.threads <= 2; r.threads++) {
        CU_ASSERT_EQUAL(store_totals(store, &r, &t, &e), WEIR_ECORRUPT);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "block "));
    }
}

static void drop_store(void)
{
    store_close(store);
    folder_remove();
    free(flows);
}

UNIT_MAIN("query limits", {"make a store", make_store}, {"bad questions", bad_questions},
          {"memory is bounded", memory_is_bounded}, {"time is bounded", time_is_bounded},
          {"empty answers", empty_answers}, {"damage is told", damage_is_told},
          {"close it", drop_store})
