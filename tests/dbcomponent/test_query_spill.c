/* test_query_spill.c - questions with more groups than their memory holds: put aside in parts, in
 * memory and on disk, they answer as if they had all memory there is. */
#include "dbcomponent/query_data.h"

#include <signal.h>
#include <sys/resource.h>

#define BLOCKS 12u
#define ROWS 25000u

static struct store *store;
static uint64_t all_octets;

/* Every flow a group of its own, but for those that repeat the one before; rates mixed. */
static void make_store(void)
{
    struct weir_error error = {0};
    static const double rates[] = {0, 10, 2.5};
    struct flow *flows = calloc(ROWS, sizeof *flows);
    CU_ASSERT_FATAL(flows != NULL);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, &error), WEIR_OK);
    for (uint32_t b = 0; b < BLOCKS; b++) {
        struct flavour f = {.ipv4 = true, .mixed_rate = true, .exporters = 2,
                            .from_ms = DATA_FROM_MS, .to_ms = DATA_FROM_MS + DATA_MS};
        for (uint32_t i = 0; i < ROWS; i++) {
            random_flow(&flows[i], &f);
            flows[i].src4 = 0x0a000000u + (uint32_t)(random_u64() >> 40);
            if (i && random_below(5) == 0) {
                flows[i] = flows[i - 1];
                flows[i].rate = rates[random_below(3)]; /* the same group, but for the rate */
            }
            if (random_below(1000) == 0) { /* does not fit the short form */
                flows[i].octets = UINT64_C(5000000000) + i;
                flows[i].packets = 2000000;
            }
            all_octets += flows[i].octets;
        }
        append_block(store, flows, ROWS, b + 1, NULL);
    }
    free(flows);
}

/* Rows that meet their groups again, late; the rate is told by the group. */
static void make_dense_store(void)
{
    struct weir_error error = {0};
    static const double rates[] = {0, 10, 2.5};
    struct flow *flows = calloc(ROWS, sizeof *flows);
    CU_ASSERT_FATAL(flows != NULL);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, &error), WEIR_OK);
    all_octets = 0;
    for (uint32_t b = 0; b < BLOCKS; b++) {
        struct flavour f = {.ipv4 = true, .mixed_rate = true, .exporters = 2,
                            .from_ms = DATA_FROM_MS, .to_ms = DATA_FROM_MS + DATA_MS};
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t group = (b * ROWS + i) % 45000;
            random_flow(&flows[i], &f);
            flows[i].src4 = 0x0a000000u + 64 * group;
            flows[i].rate = rates[group % 3];
            all_octets += flows[i].octets;
        }
        append_block(store, flows, ROWS, b + 1, NULL);
    }
    free(flows);
}

static void drop_store(void)
{
    store_close(store);
    folder_remove();
}

static const char *const tuple[] = {"sourceIPv4Address", "destinationIPv4Address",
                                    "sourceTransportPort", "destinationTransportPort",
                                    "protocolIdentifier"};

static bool same(const struct counts *a, const struct counts *b)
{
    return a->octets == b->octets && a->packets == b->packets && a->flows == b->flows;
}

static void compare(const struct totals *a, const struct totals *b)
{
    size_t wrong = 0;
    CU_ASSERT_EQUAL(a->groups, b->groups);
    CU_ASSERT_EQUAL_FATAL(a->row_count, b->row_count);
    for (size_t i = 0; i < a->row_count; i++) {
        wrong += !same(&a->rows[i].raw, &b->rows[i].raw) ||
                 !same(&a->rows[i].estimated, &b->rows[i].estimated) ||
                 a->rows[i].bin_ms != b->rows[i].bin_ms;
        for (size_t k = 0; k < a->key_count; k++)
            wrong += a->rows[i].keys[k].number != b->rows[i].keys[k].number ||
                     memcmp(a->rows[i].keys[k].octets, b->rows[i].keys[k].octets, 16);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(same(&a->account.raw, &b->account.raw));
    CU_ASSERT_TRUE(same(&a->account.estimated, &b->account.estimated));
    CU_ASSERT_TRUE(same(&a->account.unknown_rate, &b->account.unknown_rate));
    CU_ASSERT_EQUAL(a->account.raw.octets, all_octets);
}

/* 1 GiB: parts in memory, as a large sparse table is not worth it; 6 MiB: on disk. */
static void test_little_memory(void)
{
    static const uint32_t tops[] = {1, 10, 1000};
    for (unsigned i = 0; i < 3; i++)
        for (uint32_t threads = 1; threads <= 2; threads++) {
            struct totals_request r = {.by = tuple, .by_count = 5, .when = INTERVAL_ALL,
                                       .top = tops[i], .order = i == 1 ? MEASURE_PACKETS
                                                                       : MEASURE_OCTETS};
            struct totals much = answer_of(store, &r);
            CU_ASSERT_TRUE(much.groups > 200000);
            r.memory_most = 6 << 20;
            r.threads = threads;
            struct totals little = answer_of(store, &r);
            compare(&much, &little);
            totals_free(&much);
            totals_free(&little);
        }
}

/* Keys that are interned keep their numbers in each thread; merging translates. */
static void test_interned(void)
{
    static const char *const by[] = {"srcIP", "exporter", "dstIP"};
    struct totals_request r = {.by = by, .by_count = 3, .when = INTERVAL_ALL, .top = 50,
                               .step_ms = 0};
    struct totals much = answer_of(store, &r);
    r.memory_most = 12 << 20;
    r.threads = 2;
    struct totals little = answer_of(store, &r);
    compare(&much, &little);
    totals_free(&much);
    totals_free(&little);
}

/* There is memory for the table, but not for a second one that the rate is folded in. */
static void test_folding(void)
{
    static const char *const by[] = {"sourceIPv4Address"};
    for (uint32_t threads = 1; threads <= 2; threads++) {
        struct totals_request r = {.by = by, .by_count = 1, .when = INTERVAL_ALL, .top = 100};
        struct totals much = answer_of(store, &r);
        CU_ASSERT_EQUAL(much.groups, 45000);
        r.memory_most = 24 << 20;
        r.threads = threads;
        struct totals little = answer_of(store, &r);
        compare(&much, &little);
        totals_free(&much);
        totals_free(&little);
    }
}

/* All rows, and percentiles of all series: everything is kept. */
static void test_everything(void)
{
    static const char *const by[] = {"destinationIPv4Address"};
    struct totals_request r = {.by = by,
                               .by_count = 1,
                               .when = {DATA_FROM_MS, DATA_FROM_MS + DATA_MS},
                               .step_ms = 600000,
                               .percentile = 100};
    struct totals all = answer_of(store, &r);
    uint64_t sum = 0, peaks = 0;
    for (size_t i = 0; i < all.row_count; i++)
        sum += all.rows[i].raw.octets;
    for (size_t i = 0; i < all.percentile_count; i++)
        peaks += all.percentiles[i].raw.octets;
    CU_ASSERT_EQUAL(sum, all_octets);
    CU_ASSERT_EQUAL(all.row_count, all.groups);
    CU_ASSERT_TRUE(peaks <= sum && peaks > sum / 2);
    totals_free(&all);
}

static void test_refusals(void)
{
    struct totals t;
    struct weir_error error = {0};
    struct totals_request r = {.by = tuple, .by_count = 5, .when = INTERVAL_ALL,
                               .memory_most = 6 << 20};
    CU_ASSERT_EQUAL(store_totals(store, &r, &t, &error), WEIR_ELIMIT); /* the answer is too large */
    CU_ASSERT_STRING_EQUAL(error.field, "memory");
    r.top = 1;
    struct rlimit old, little = {.rlim_cur = 65536};
    getrlimit(RLIMIT_FSIZE, &old);
    little.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &little); /* as if the disk were full */
    CU_ASSERT_EQUAL(store_totals(store, &r, &t, &error), WEIR_EFULL);
    setrlimit(RLIMIT_FSIZE, &old);
    r.deadline_ms = 1;
    CU_ASSERT_EQUAL(store_totals(store, &r, &t, &error), WEIR_ECANCELLED);
}

UNIT_MAIN("spilling", {"make a store", make_store}, {"little memory", test_little_memory},
          {"interned keys", test_interned}, {"everything is kept", test_everything},
          {"refusals", test_refusals}, {"close it", drop_store},
          {"make a dense one", make_dense_store}, {"folding", test_folding},
          {"close it, too", drop_store})
