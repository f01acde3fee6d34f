/* test_query_states.c - a question is answered from one consistent state, whatever upkeep does
 * beside it: blocks are merged, retagged and removed, the file gets shorter, and readers of several
 * threads open at different moments. Every block here has the same flows, so the states that are
 * allowed can be counted out: whole blocks only, each once, each with old tags or with new ones. */
#include "base/time.h"
#include "dbcomponent/query_data.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define ROWS 500u
#define TEN 100u /* of them from 10/8 */
#define BLOCKS 120u
#define TAG 77u
#define APART_MS (120 * MINUTE_MS) /* so that no merged block spans them all, and some leave */

static struct store *store;
static struct flow flows[ROWS];
static _Atomic bool done;
static _Atomic uint64_t appended, asked, changed;

static void make_flows(uint32_t block)
{
    struct flavour f = {.ipv4 = true, .rate = 1, .exporters = 2, .from_ms = DATA_FROM_MS,
                        .to_ms = DATA_FROM_MS + 1};
    for (uint32_t i = 0; i < ROWS; i++) {
        random_flow(&flows[i], &f);
        flows[i].has4 = true;
        flows[i].src4 = (i < TEN ? 0x0a000000u : 0xc0000000u) + i;
        flows[i].src_tag = flows[i].dst_tag = 0;
        flows[i].octets = 3;
        flows[i].end_ms = DATA_FROM_MS + (int64_t)block * APART_MS;
    }
}

static void append(uint32_t block)
{
    make_flows(block);
    append_block(store, flows, ROWS, block + 1, NULL);
    atomic_fetch_add(&appended, 1);
}

static void *retag(void *context)
{
    struct prefix net = {.address = address_from_ipv4(0x0a000000), .length = 96 + 8};
    struct tag tag = {.id = TAG, .name = "ten", .prefixes = &net, .prefix_count = 1};
    /* Blocks that are retagged all the time are never merged. */
    const struct timespec pause = {.tv_nsec = 20000000};
    uint64_t now;
    (void)context;
    while (!atomic_load(&done)) {
        store_tag_add(store, &tag, "test", NULL);
        if (store_retag(store, NULL, NULL, &now, NULL) == WEIR_OK)
            changed += now;
        store_tag_delete(store, TAG, "test", NULL);
        if (store_retag(store, NULL, NULL, &now, NULL) == WEIR_OK)
            changed += now;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* What the oldest `gone` blocks are younger than leaves; 0: nothing does. */
static void keep_up(uint32_t gone, struct upkeep_report *all)
{
    struct upkeep_report report = {0};
    struct weir_error error = {0};
    const int64_t line = DATA_FROM_MS + (int64_t)gone * APART_MS - 1;
    const struct upkeep_settings settings = {.retain_ms = gone ? clock_now_ms() - line : 0};
    enum weir_status status = store_upkeep(store, &settings, NULL, NULL, &report, &error);
    if (status != WEIR_OK)
        fprintf(stderr, "upkeep: %s\n", error.message);
    CU_ASSERT_EQUAL(status, WEIR_OK);
    all->blocks_made += report.blocks_made;
    all->records_removed += report.records_removed;
    all->octets_given_back += report.octets_given_back;
}

/* Appends, merges now and then, and from the middle on removes the oldest; goes on merging, a
 * minute at most, until the others had their turn. */
static void *change(void *context)
{
    struct upkeep_report *report = context;
    for (uint32_t b = 1; b <= BLOCKS; b++) {
        append(b);
        if (b % 5 == 0)
            keep_up(b > BLOCKS / 2 ? b - BLOCKS / 2 : 0, report);
    }
    keep_up(BLOCKS / 2, report);
    for (int i = 0; i < 600 && (asked <= 3 || !changed || report->blocks_made <= 3); i++) {
        usleep(100000);
        keep_up(BLOCKS / 2, report);
    }
    atomic_store(&done, true);
    return NULL;
}

struct state {
    uint64_t rows, tagged;
};

static struct state ask(enum answer_source source, uint32_t threads)
{
    const char *by[] = {"srcTag"};
    const struct totals_request r = {.by = by, .by_count = 1, .when = INTERVAL_ALL,
                                     .source = source, .threads = threads};
    struct totals t;
    struct weir_error e = {0};
    struct state s = {0, 0};
    enum weir_status status = store_totals(store, &r, &t, &e);
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    for (size_t i = 0; i < t.row_count; i++) {
        CU_ASSERT_EQUAL(t.rows[i].raw.octets, 3 * t.rows[i].raw.flows);
        CU_ASSERT(t.rows[i].keys[0].number == 0 || t.rows[i].keys[0].number == TAG);
        s.rows += t.rows[i].raw.flows;
        s.tagged += t.rows[i].keys[0].number == TAG ? t.rows[i].raw.flows : 0;
    }
    CU_ASSERT_EQUAL(s.rows, t.account.raw.flows);
    totals_free(&t);
    return s;
}

static void check_state(struct state s, uint64_t least, uint64_t most)
{
    CU_ASSERT_EQUAL(s.rows % ROWS, 0);
    CU_ASSERT_EQUAL(s.tagged % TEN, 0);
    CU_ASSERT(s.tagged / TEN <= s.rows / ROWS);
    CU_ASSERT(s.rows / ROWS >= least && s.rows / ROWS <= most);
}

static void states_meanwhile(void)
{
    pthread_t changer, retagger;
    struct upkeep_report report = {0};
    uint64_t before = 0;
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, NULL), WEIR_OK);
    append(0);
    pthread_create(&changer, NULL, change, &report);
    pthread_create(&retagger, NULL, retag, NULL);
    while (!atomic_load(&done)) {
        uint64_t least = atomic_load(&appended);
        /* Blocks leave, but no more of them than came before the line; roll-ups keep what left. */
        struct state s = ask(SOURCE_BLOCKS, 1 + (uint32_t)(asked % 4));
        uint64_t left = least > BLOCKS / 2 ? BLOCKS / 2 : least;
        check_state(s, left, atomic_load(&appended) + 1);
        struct state r = ask(SOURCE_ROLLUP, 1);
        check_state(r, least, atomic_load(&appended) + 1);
        CU_ASSERT(r.rows >= before);
        before = r.rows;
        asked++;
    }
    pthread_join(changer, NULL);
    pthread_join(retagger, NULL);
    CU_ASSERT(asked > 3 && changed > 0 && report.blocks_made > 3 && report.records_removed > 0);
    CU_ASSERT(report.octets_given_back > 0);
    printf("(%llu questions, %llu blocks retagged, %llu made, %llu records removed) ",
           (unsigned long long)asked, (unsigned long long)changed,
           (unsigned long long)report.blocks_made, (unsigned long long)report.records_removed);
    CU_ASSERT_EQUAL(ask(SOURCE_ROLLUP, 1).rows, (BLOCKS + 1) * (uint64_t)ROWS);
    struct verify_report proof;
    CU_ASSERT_EQUAL(store_verify(store, NULL, NULL, NULL, &proof, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(proof.differences, 0);
    store_close(store);
    folder_remove();
}

UNIT_MAIN("query states", {"states meanwhile", states_meanwhile})
