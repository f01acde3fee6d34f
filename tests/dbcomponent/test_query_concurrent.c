/* test_query_concurrent.c - questions while blocks arrive and stored tags change: each answer is of
 * one consistent state, with one scan thread and with several, whose readers open at different
 * moments. */
#include "dbcomponent/query_data.h"

#include <pthread.h>
#include <stdatomic.h>

#define ROWS 500u
#define BLOCKS 60u

static struct store *store;
static struct flow flows[ROWS];
static _Atomic bool done;
static _Atomic uint64_t asked, changed;

/* Every third block waits, a minute at most, until the others had their turn. */
static void *append_blocks(void *context)
{
    (void)context;
    for (uint32_t b = 1; b <= BLOCKS; b++) {
        for (int i = 0; b % 3 == 0 && i < 60000; i++) {
            if (asked >= b / 6 && (changed || b <= BLOCKS / 2))
                break;
            usleep(1000);
        }
        append_block(store, flows, ROWS, b + 1, NULL);
    }
    atomic_store(&done, true);
    return NULL;
}

/* Tags come and go: every stored block is rewritten, back and forth. */
static void *retag_blocks(void *context)
{
    struct prefix net = {.address = address_from_ipv4(0x0a000000), .length = 96 + 8};
    struct tag tag = {.id = 77, .name = "ten", .prefixes = &net, .prefix_count = 1};
    uint64_t now;
    (void)context;
    while (!atomic_load(&done)) {
        store_tag_add(store, &tag, "test", NULL);
        if (store_retag(store, NULL, NULL, &now, NULL) == WEIR_OK)
            changed += now;
        store_tag_delete(store, 77, "test", NULL);
        if (store_retag(store, NULL, NULL, &now, NULL) == WEIR_OK)
            changed += now;
    }
    return NULL;
}

/* Flows of whole blocks only, never fewer than before, and the rows add up to the account. */
static uint64_t check_one(enum answer_source source, uint32_t threads, uint64_t before)
{
    const char *by[] = {"srcTag"};
    struct totals_request r = {.by = by, .by_count = 1, .when = INTERVAL_ALL, .source = source,
                               .threads = threads};
    struct totals t;
    struct weir_error e = {0};
    enum weir_status status = store_totals(store, &r, &t, &e);
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    uint64_t sum = 0, raw = t.account.raw.flows;
    for (size_t i = 0; i < t.row_count; i++)
        sum += t.rows[i].raw.flows;
    CU_ASSERT_EQUAL(sum, raw);
    CU_ASSERT_EQUAL(raw % ROWS, 0);
    CU_ASSERT(raw >= before);
    CU_ASSERT_EQUAL(t.account.raw.octets, raw);
    totals_free(&t);
    return raw;
}

static void questions_meanwhile(void)
{
    struct flavour f = {.ipv4 = true, .rate = 1, .exporters = 2, .from_ms = DATA_FROM_MS,
                        .to_ms = DATA_FROM_MS + 10 * MINUTE_MS};
    pthread_t appender, retagger;
    uint64_t before = ROWS;
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, NULL), WEIR_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        random_flow(&flows[i], &f);
        flows[i].octets = 1;
    }
    append_block(store, flows, ROWS, 1, NULL);
    pthread_create(&appender, NULL, append_blocks, NULL);
    pthread_create(&retagger, NULL, retag_blocks, NULL);
    while (!atomic_load(&done)) {
        before = check_one(SOURCE_BLOCKS, 1 + (uint32_t)(asked % 4), before);
        before = check_one(SOURCE_ROLLUP, 1, before);
        asked++;
    }
    pthread_join(appender, NULL);
    pthread_join(retagger, NULL);
    CU_ASSERT(asked > 3 && changed > 0);
    for (uint32_t threads = 1; threads < 5; threads++)
        CU_ASSERT_EQUAL(check_one(SOURCE_BLOCKS, threads, before), (BLOCKS + 1) * ROWS);
    CU_ASSERT_EQUAL(check_one(SOURCE_ROLLUP, 1, before), (BLOCKS + 1) * ROWS);
    store_close(store);
    folder_remove();
}

UNIT_MAIN("query concurrent", {"questions meanwhile", questions_meanwhile})
