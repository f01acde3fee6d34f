/* test_query_series.c - the largest series of a question: beside those picked here from the answer
 * that has all of them. */
#include "dbcomponent/query_data.h"

#define BLOCKS 6u
#define ROWS 6000u

static struct store *store;

static void make_store(void)
{
    struct weir_error error = {0};
    struct flow *flows = calloc(ROWS, sizeof *flows);
    CU_ASSERT_FATAL(flows != NULL);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, &error), WEIR_OK);
    for (uint32_t b = 0; b < BLOCKS; b++) {
        struct flavour f = random_flavour(b, BLOCKS);
        for (uint32_t i = 0; i < ROWS; i++)
            random_flow(&flows[i], &f);
        append_block(store, flows, ROWS, b + 1, NULL);
    }
    free(flows);
}

static void drop_store(void)
{
    store_close(store);
    folder_remove();
}

/* ---- picked by hand ---- */

struct one {
    const struct key_value *keys;
    uint64_t whole;
};

static size_t key_count;

static int compare_keys(const struct key_value *a, const struct key_value *b)
{
    for (size_t k = 0; k < key_count; k++) {
        if (a[k].absent != b[k].absent)
            return a[k].absent ? 1 : -1;
        if (a[k].absent)
            continue;
        if (a[k].number != b[k].number)
            return a[k].number > b[k].number ? 1 : -1;
        int order = memcmp(a[k].octets, b[k].octets, sizeof a[k].octets);
        if (order)
            return order;
    }
    return 0;
}

static int by_keys(const void *a, const void *b)
{
    return compare_keys(((const struct one *)a)->keys, ((const struct one *)b)->keys);
}

static int by_whole(const void *a, const void *b)
{
    uint64_t x = ((const struct one *)a)->whole, y = ((const struct one *)b)->whole;
    return (x < y) - (x > y);
}

static uint64_t measure_of(const struct counts *c, enum measure order)
{
    const uint64_t all[] = {c->octets, c->packets, c->flows};
    return all[order];
}

/* The series of an answer, most first; *count of them. */
static struct one *series_of(const struct totals *t, enum measure order, size_t *count)
{
    struct one *list = calloc(t->row_count + 1, sizeof *list);
    size_t n = 0;
    CU_ASSERT_FATAL(list != NULL);
    for (size_t i = 0; i < t->row_count; i++)
        list[i] = (struct one){t->rows[i].keys, measure_of(&t->rows[i].raw, order)};
    qsort(list, t->row_count, sizeof *list, by_keys);
    for (size_t i = 0; i < t->row_count; i++)
        if (n && compare_keys(list[n - 1].keys, list[i].keys) == 0)
            list[n - 1].whole += list[i].whole;
        else
            list[n++] = list[i];
    qsort(list, n, sizeof *list, by_whole);
    *count = n;
    return list;
}

static bool is_among(const struct one *list, size_t count, const struct key_value *keys)
{
    for (size_t i = 0; i < count; i++)
        if (compare_keys(list[i].keys, keys) == 0)
            return true;
    return false;
}

static bool same(const struct counts *a, const struct counts *b)
{
    return a->octets == b->octets && a->packets == b->packets && a->flows == b->flows;
}

/* `some` has the rows and percentiles of `all` that belong to the list, in the same order. */
static void expect_only(const struct totals *some, const struct totals *all, const struct one *list,
                        size_t count)
{
    size_t at = 0, wrong = 0;
    for (size_t i = 0; i < all->row_count; i++) {
        const struct totals_row *a = &all->rows[i], *b = &some->rows[at];
        if (!is_among(list, count, a->keys))
            continue;
        CU_ASSERT_FATAL(at < some->row_count);
        wrong += compare_keys(a->keys, b->keys) != 0 || a->bin_ms != b->bin_ms ||
                 !same(&a->raw, &b->raw) || !same(&a->estimated, &b->estimated);
        at++;
    }
    CU_ASSERT_EQUAL(at, some->row_count);
    at = 0;
    for (size_t i = 0; i < all->percentile_count; i++) {
        const struct totals_percentile *a = &all->percentiles[i], *b = &some->percentiles[at];
        if (!is_among(list, count, a->keys))
            continue;
        CU_ASSERT_FATAL(at < some->percentile_count);
        wrong += compare_keys(a->keys, b->keys) != 0 || !same(&a->raw, &b->raw) ||
                 !same(&a->estimated, &b->estimated);
        at++;
    }
    CU_ASSERT_EQUAL(at, some->percentile_count);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(some->groups, all->groups);
    CU_ASSERT_TRUE(same(&some->account.raw, &all->account.raw));
}

static void compare(struct totals_request r, uint32_t wanted)
{
    size_t count;
    key_count = r.by_count;
    struct totals all = answer_of(store, &r);
    struct one *list = series_of(&all, r.order, &count);
    /* Which of equals comes first is not told here. */
    while (wanted < count && list[wanted - 1].whole == list[wanted].whole)
        wanted++;
    CU_ASSERT_TRUE(count > 0);
    r.series = wanted;
    struct totals some = answer_of(store, &r);
    expect_only(&some, &all, list, wanted < count ? wanted : count);
    totals_free(&some);
    totals_free(&all);
    free(list);
}

/* ---- tests ---- */

static const char *const keys[][2] = {
    {"srcTag", "dstTag"}, {"srcIP", NULL}, {"protocolIdentifier", "destinationTransportPort"},
    {"exporter", "tos"},
};

static void the_largest_are_kept(void)
{
    static const uint32_t wanted[] = {1, 5, 200, 1000000};
    for (size_t k = 0; k < 4; k++)
        for (size_t w = 0; w < 4; w++)
            for (unsigned order = 0; order < 3; order++) {
                struct totals_request r = {.by = keys[k], .by_count = keys[k][1] ? 2 : 1,
                                           .when = {DATA_FROM_MS, DATA_FROM_MS + DATA_MS},
                                           .step_ms = 10 * MINUTE_MS, .percentile = 90,
                                           .order = (enum measure)order, .threads = 1 + w % 2};
                compare(r, wanted[w]);
                r.percentile = 0;
                r.source = SOURCE_BLOCKS;
                r.spread = w % 2 ? SPREAD_PROPORTIONAL : SPREAD_END;
                compare(r, wanted[w]);
            }
}

/* With memory that hardly does. */
static void little_memory(void)
{
    struct totals_request r = {.by = keys[1], .by_count = 1,
                               .when = {DATA_FROM_MS, DATA_FROM_MS + DATA_MS},
                               .step_ms = MINUTE_MS, .source = SOURCE_BLOCKS, .series = 3};
    key_count = 1;
    struct totals much = answer_of(store, &r);
    r.memory_most = 8 << 20;
    r.threads = 2;
    struct totals little = answer_of(store, &r);
    CU_ASSERT_EQUAL_FATAL(much.row_count, little.row_count);
    CU_ASSERT_TRUE(much.row_count >= 3);
    for (size_t i = 0; i < much.row_count; i++)
        CU_ASSERT_TRUE(compare_keys(much.rows[i].keys, little.rows[i].keys) == 0 &&
                       same(&much.rows[i].raw, &little.rows[i].raw));
    totals_free(&much);
    totals_free(&little);
}

/* `top` cuts the rows that are left: the largest of them. */
static void top_cuts_what_is_left(void)
{
    struct totals_request r = {.by = keys[0], .by_count = 2, .series = 4,
                               .when = {DATA_FROM_MS, DATA_FROM_MS + DATA_MS},
                               .step_ms = 10 * MINUTE_MS};
    struct totals all = answer_of(store, &r);
    uint64_t most = 0;
    for (size_t i = 0; i < all.row_count; i++)
        most = all.rows[i].raw.octets > most ? all.rows[i].raw.octets : most;
    r.top = 1;
    struct totals one = answer_of(store, &r);
    CU_ASSERT_EQUAL_FATAL(one.row_count, 1);
    CU_ASSERT_EQUAL(one.rows[0].raw.octets, most);
    totals_free(&all);
    totals_free(&one);
}

static void a_series_needs_a_step(void)
{
    struct totals t;
    struct weir_error error = {0};
    struct totals_request r = {.when = INTERVAL_ALL, .series = 1};
    CU_ASSERT_EQUAL(store_totals(store, &r, &t, &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, "series");
}

UNIT_MAIN("the largest series", {"make a store", make_store},
          {"the largest are kept", the_largest_are_kept}, {"little memory", little_memory},
          {"top cuts what is left", top_cuts_what_is_left},
          {"a series needs a step", a_series_needs_a_step}, {"close it", drop_store})
