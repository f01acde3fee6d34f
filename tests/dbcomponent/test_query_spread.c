/* test_query_spread.c - series: flows spread over bins against octets handed out one by one,
 * percentiles against sorting, and intervals of which roll-ups answer only the middle. */
#include "dbcomponent/query_data.h"

#define BLOCKS 9u
#define ROWS_MOST 400u

static struct flow *flows;
static uint32_t flow_count;
static struct store *store;

/* Small counts, so that they can be handed out singly; spans from nothing to hours. */
static void make_span(struct flow *w)
{
    static const int64_t spans[] = {0, 1, 7, 999, 60000, 200000, 7200000};
    w->octets = random_below(6) ? random_below(3000) : 0;
    w->packets = random_below(20);
    w->has_start = random_below(8) > 0;
    w->start_ms = w->end_ms - (int64_t)(random_u64() % (uint64_t)(spans[random_below(7)] + 1));
    if (random_below(20) == 0)
        w->start_ms = w->end_ms + 5; /* nonsense: counts as no start */
}

static void make_store(void)
{
    struct weir_error error = {0};
    flows = calloc(BLOCKS * ROWS_MOST, sizeof *flows);
    CU_ASSERT_FATAL(flows != NULL);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, &error), WEIR_OK);
    flow_count = 0;
    for (uint32_t b = 0; b < BLOCKS; b++) {
        struct flavour f = random_flavour(b, BLOCKS);
        uint32_t n = 1 + random_below(ROWS_MOST);
        for (uint32_t i = 0; i < n; i++) {
            random_flow(&flows[flow_count + i], &f);
            make_span(&flows[flow_count + i]);
        }
        append_block(store, flows + flow_count, n, b + 1, NULL);
        flow_count += n;
    }
}

static void drop_store(void)
{
    store_close(store);
    folder_remove();
    free(flows);
}

/* ---- the recomputation: a grid of bins by source tag ---- */

#define TAGS 6u
#define BINS_MOST 4000u
struct grid {
    struct interval when;
    int64_t step;
    uint64_t bins;
    struct counts (*cells)[TAGS];
};

static struct counts *cell_at(struct grid *g, int64_t t, uint32_t tag)
{
    if (t < g->when.from_ms || t >= g->when.to_ms)
        return NULL;
    return &g->cells[(t - g->when.from_ms) / g->step][tag];
}

/* The k-th of n lies in the first millisecond up to which n * t / d, rounded down, is k or more. */
static int64_t place_of(const struct flow *w, uint64_t k, uint64_t n)
{
    int64_t start = w->has_start && w->start_ms <= w->end_ms ? w->start_ms : w->end_ms;
    uint64_t d = (uint64_t)(w->end_ms - start) + 1;
    return start + (int64_t)((k * d + n - 1) / n) - 1;
}

static void hand_out(struct grid *g, const struct flow *w)
{
    struct counts *cell;
    for (uint64_t k = 1; k <= w->octets; k++)
        if ((cell = cell_at(g, place_of(w, k, w->octets), w->src_tag)) != NULL)
            cell->octets++;
    for (uint64_t k = 1; k <= w->packets; k++)
        if ((cell = cell_at(g, place_of(w, k, w->packets), w->src_tag)) != NULL)
            cell->packets++;
    if ((cell = cell_at(g, w->end_ms, w->src_tag)) != NULL)
        cell->flows++;
}

static void fill(struct grid *g, struct interval when, int64_t step, bool spread)
{
    g->when = when;
    g->step = step;
    g->bins = ((uint64_t)(when.to_ms - when.from_ms) + (uint64_t)step - 1) / (uint64_t)step;
    CU_ASSERT_FATAL(g->bins <= BINS_MOST);
    memset(g->cells, 0, g->bins * sizeof *g->cells);
    for (uint32_t i = 0; i < flow_count; i++) {
        struct flow w = flows[i];
        w.has_start = w.has_start && spread;
        hand_out(g, &w);
    }
}

static bool counts_same(const struct counts *a, const struct counts *b)
{
    return a->octets == b->octets && a->packets == b->packets && a->flows == b->flows;
}

static void compare(const struct grid *g, const struct totals *t)
{
    size_t filled = 0, wrong = 0;
    for (uint64_t b = 0; b < g->bins; b++)
        for (uint32_t tag = 0; tag < TAGS; tag++) {
            const struct counts *c = &g->cells[b][tag];
            filled += c->octets || c->packets || c->flows;
        }
    for (size_t i = 0; i < t->row_count; i++) {
        uint64_t bin = (uint64_t)((t->rows[i].bin_ms - g->when.from_ms) / g->step);
        wrong += !counts_same(&g->cells[bin][t->rows[i].keys[0].number], &t->rows[i].raw);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(t->row_count, filled);
}

static struct interval random_interval(void)
{
    struct interval when;
    when.from_ms = DATA_FROM_MS + (int64_t)(random_u64() % (uint64_t)DATA_MS) - MINUTE_MS;
    when.to_ms = when.from_ms + 1 + (int64_t)(random_u64() % (uint64_t)DATA_MS);
    return when;
}

static struct totals ask(const struct totals_request *request)
{
    struct totals t;
    struct weir_error error = {0};
    enum weir_status status = store_totals(store, request, &t, &error);
    if (status != WEIR_OK)
        fprintf(stderr, "totals: %s\n", error.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    return t;
}

static void test_spread(void)
{
    static const char *const by[] = {"srcTag"};
    static const int64_t steps[] = {1000 * 60, 1000 * 60 * 7, 4321, 1000 * 3600 * 5};
    struct grid g = {.cells = calloc(BINS_MOST, sizeof *g.cells)};
    CU_ASSERT_FATAL(g.cells != NULL);
    for (int round = 0; round < 60; round++) {
        struct interval when = random_interval();
        int64_t step = steps[random_below(4)];
        while ((when.to_ms - when.from_ms) / step >= BINS_MOST)
            step *= 4;
        fill(&g, when, step, true);
        const struct totals_request request = {
            .by = by, .by_count = 1, .when = when, .step_ms = step,
            .spread = SPREAD_PROPORTIONAL, .threads = 1 + random_below(2)};
        struct totals t = ask(&request);
        compare(&g, &t);
        CU_ASSERT_STRING_EQUAL(t.account.source, "blocks");
        totals_free(&t);
    }
    free(g.cells);
}

/* Adjoining intervals add up to the whole, and over all time that is what the flows have. */
static void test_sums(void)
{
    struct counts sum = {0}, truth = {0};
    for (uint32_t i = 0; i < flow_count; i++) {
        truth.octets += flows[i].octets;
        truth.packets += flows[i].packets;
        truth.flows++;
    }
    int64_t at = DATA_FROM_MS - 3 * 3600000;
    for (int64_t end = DATA_FROM_MS + 2 * DATA_MS; at < end;) {
        int64_t next = at + 1 + (int64_t)(random_u64() % 1000000);
        const struct totals_request request = {.when = {at, next}, .spread = SPREAD_PROPORTIONAL};
        struct totals t = ask(&request);
        sum.octets += t.rows[0].raw.octets;
        sum.packets += t.rows[0].raw.packets;
        sum.flows += t.rows[0].raw.flows;
        totals_free(&t);
        at = next;
    }
    CU_ASSERT_TRUE(counts_same(&sum, &truth));
    const struct totals_request all = {.when = INTERVAL_ALL, .spread = SPREAD_PROPORTIONAL};
    struct totals t = ask(&all);
    CU_ASSERT_TRUE(counts_same(&t.rows[0].raw, &truth));
    CU_ASSERT_TRUE(counts_same(&t.account.raw, &truth));
    totals_free(&t);
}

/* ---- percentiles ---- */

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t percentile_of(const struct grid *g, uint32_t tag, size_t offset, uint32_t percent)
{
    uint64_t values[BINS_MOST];
    for (uint64_t b = 0; b < g->bins; b++)
        memcpy(&values[b], (const char *)&g->cells[b][tag] + offset, sizeof values[b]);
    qsort(values, g->bins, sizeof *values, ascending);
    uint64_t rank = 1;
    while (rank * 100 < percent * g->bins)
        rank++;
    return values[rank - 1];
}

static void test_percentile(void)
{
    static const char *const by[] = {"srcTag"};
    static const uint32_t percents[] = {1, 50, 95, 99, 100};
    struct grid g = {.cells = calloc(BINS_MOST, sizeof *g.cells)};
    CU_ASSERT_FATAL(g.cells != NULL);
    for (int round = 0; round < 40; round++) {
        struct interval when = random_interval();
        int64_t step = 60000 * (1 + random_below(30));
        uint32_t percent = percents[random_below(5)];
        bool spread = random_below(2);
        fill(&g, when, step, spread);
        const struct totals_request request = {
            .by = by, .by_count = 1, .when = when, .step_ms = step, .percentile = percent,
            .spread = spread ? SPREAD_PROPORTIONAL : SPREAD_END};
        struct totals t = ask(&request);
        uint64_t last = UINT64_MAX;
        for (size_t i = 0; i < t.percentile_count; i++) {
            uint32_t tag = (uint32_t)t.percentiles[i].keys[0].number;
            const struct counts c = {
                percentile_of(&g, tag, offsetof(struct counts, octets), percent),
                percentile_of(&g, tag, offsetof(struct counts, packets), percent),
                percentile_of(&g, tag, offsetof(struct counts, flows), percent)};
            CU_ASSERT_TRUE(counts_same(&t.percentiles[i].raw, &c));
            CU_ASSERT_TRUE(c.octets <= last);
            CU_ASSERT_TRUE(t.percentiles[i].estimated.octets >= c.octets);
            last = c.octets;
        }
        totals_free(&t);
    }
    free(g.cells);
}

static void test_percentile_of_nothing(void)
{
    const struct totals_request request = {.when = {0, 600000}, .step_ms = 60000,
                                           .percentile = 95};
    struct totals t = ask(&request);
    CU_ASSERT_EQUAL(t.percentile_count, 1);
    CU_ASSERT_EQUAL(t.percentiles[0].raw.octets, 0);
    totals_free(&t);
}

/* ---- edges by blocks, the middle by roll-ups ---- */

static bool rows_same(const struct totals *a, const struct totals *b)
{
    if (a->row_count != b->row_count)
        return false;
    for (size_t i = 0; i < a->row_count; i++) {
        if (!counts_same(&a->rows[i].raw, &b->rows[i].raw) ||
            !counts_same(&a->rows[i].estimated, &b->rows[i].estimated) ||
            a->rows[i].bin_ms != b->rows[i].bin_ms)
            return false;
        for (size_t k = 0; k < a->key_count; k++)
            if (a->rows[i].keys[k].absent != b->rows[i].keys[k].absent ||
                a->rows[i].keys[k].number != b->rows[i].keys[k].number ||
                memcmp(a->rows[i].keys[k].octets, b->rows[i].keys[k].octets, 16))
                return false;
    }
    return counts_same(&a->account.raw, &b->account.raw) &&
           counts_same(&a->account.unknown_rate, &b->account.unknown_rate);
}

static void test_middle(void)
{
    static const char *const by[] = {"srcTag", "exporter", "protocolIdentifier", "domain"};
    static const char *const filters[] = {"", "src tag 2", "proto tcp or dst tag 4"};
    unsigned mixed = 0;
    for (int round = 0; round < 200; round++) {
        struct interval when = random_interval();
        if (random_below(3) == 0)
            when.from_ms -= when.from_ms % MINUTE_MS;
        if (random_below(4) == 0)
            when.to_ms = INT64_MAX;
        struct totals_request request = {
            .by = by, .by_count = random_below(5), .filter = filters[random_below(3)],
            .when = when, .threads = 1 + random_below(2)};
        if (when.to_ms != INT64_MAX && random_below(2))
            request.step_ms = 120000;
        struct totals a = ask(&request);
        request.source = SOURCE_BLOCKS;
        struct totals b = ask(&request);
        CU_ASSERT_TRUE(rows_same(&a, &b));
        bool is_mixed = !strcmp(a.account.source, "rollup+blocks");
        mixed += is_mixed;
        if (is_mixed)
            CU_ASSERT_TRUE(a.account.blocks <= b.account.blocks);
        totals_free(&a);
        totals_free(&b);
    }
    CU_ASSERT_TRUE(mixed > 60);
}

/* ---- refusals ---- */

static void refuse(const struct totals_request *request, const char *field)
{
    struct totals t;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(store_totals(store, request, &t, &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, field);
}

static bool is_unwanted(void *context)
{
    return ++*(int *)context > 2;
}

static void test_refusals(void)
{
    struct totals_request r = {.when = {0, 60000}, .spread = (enum spread)2};
    refuse(&r, "spread");
    r = (struct totals_request){.when = {0, 60000}, .spread = SPREAD_PROPORTIONAL,
                                .source = SOURCE_ROLLUP};
    refuse(&r, "spread");
    r = (struct totals_request){.when = {0, 60000}, .percentile = 95};
    refuse(&r, "percentile");
    r = (struct totals_request){.when = {0, 60000}, .percentile = 101, .step_ms = 1000};
    refuse(&r, "percentile");
    int asked = 0;
    struct totals t;
    struct weir_error error = {0};
    r = (struct totals_request){.when = INTERVAL_ALL, .source = SOURCE_BLOCKS,
                                .unwanted = is_unwanted, .unwanted_context = &asked};
    CU_ASSERT_EQUAL(store_totals(store, &r, &t, &error), WEIR_ECANCELLED);
}

UNIT_MAIN("series", {"make a store", make_store},
          {"shares equal octets handed out singly", test_spread},
          {"adjoining intervals add up", test_sums}, {"percentiles", test_percentile},
          {"percentile of nothing", test_percentile_of_nothing},
          {"roll-ups in the middle, blocks at the edges", test_middle},
          {"refusals", test_refusals}, {"close it", drop_store})
