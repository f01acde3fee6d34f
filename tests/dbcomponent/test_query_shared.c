/* test_query_shared.c - groups of several threads, read part by part: tables of any size and shape
 * alone, and questions of so many groups that threads share them, against a recomputation and
 * against one thread; given up anywhere. */
#include "dbcomponent/query_data.h"
#include "query/groups.h"
#include "query/intern.h"

/* ---- tables ---- */

#define KEYS 60000u

struct want {
    uint64_t octets, packets, flows;
};

static struct want want[KEYS];

static uint64_t word_of(uint32_t key, unsigned w)
{
    return w ? key * UINT64_C(0x100000001b3) : key; /* the first tells all keys apart */
}

static void fill(struct groups *g, unsigned words, uint32_t keys, uint32_t rows)
{
    uint64_t column[GROUP_WORDS_MOST][LOOP_ROWS], octets[LOOP_ROWS], packets[LOOP_ROWS],
        flows[LOOP_ROWS];
    const uint64_t *columns[GROUP_WORDS_MOST];
    for (unsigned w = 0; w < words; w++)
        columns[w] = column[w];
    for (uint32_t n; rows; rows -= n) {
        n = rows < 300 ? rows : 300;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t key = random_below(keys);
            for (unsigned w = 0; w < words; w++)
                column[w][i] = word_of(key, w);
            octets[i] = random_u64() >> (random_below(50) ? 40 : 20); /* short form or not */
            packets[i] = random_below(1000);
            flows[i] = 1 + random_below(3);
            want[key].octets += octets[i];
            want[key].packets += packets[i];
            want[key].flows += flows[i];
        }
        CU_ASSERT_TRUE_FATAL(groups_add(g, columns, octets, packets, flows, n));
    }
}

static size_t check_part(const struct dense *d, unsigned words)
{
    size_t wrong = 0;
    for (size_t i = 0; i < d->count; i++) {
        const uint64_t *record = d->records + i * d->stride, *key = record + GROUP_SUMS;
        struct want none = {0}, *w = &want[key[0] % KEYS];
        wrong += key[0] >= KEYS || memcmp(w, record, sizeof *w) != 0;
        for (unsigned k = 1; k < words; k++)
            wrong += key[k] != word_of((uint32_t)key[0], k);
        *w = none; /* a group that comes twice, or never, is wrong */
    }
    return wrong;
}

/* Tables of so many keys and rows each; rows of a large one are put aside. */
static void check_tables(unsigned words, unsigned direct_bits, const uint32_t (*sizes)[2],
                         unsigned tables)
{
    struct budget budget = {.most = UINT64_C(1) << 30};
    struct groups g[4];
    struct dense d;
    const uint64_t mask[GROUP_WORDS_MOST] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    size_t wrong = 0;
    memset(want, 0, sizeof want);
    for (unsigned t = 0; t < tables; t++) {
        CU_ASSERT_TRUE_FATAL(groups_init(&g[t], &budget, loops_best(), 5, words, 0, direct_bits));
        if (!direct_bits)
            groups_scatter(&g[t], mask);
        fill(&g[t], words, sizes[t][0], sizes[t][1]);
        CU_ASSERT_TRUE(groups_divisible(&g[t]));
        CU_ASSERT_TRUE(groups_settle(&g[t]));
    }
    dense_init(&d, &budget, 77, words);
    for (unsigned part = 0; part < PARTS; part++) {
        CU_ASSERT_TRUE(dense_start(&d, groups_part_rows(&g[0], part)));
        for (unsigned t = 0; t < tables; t++)
            CU_ASSERT_TRUE(groups_read(&g[t], part, tables == 1, &d));
        wrong += check_part(&d, words);
    }
    for (uint32_t key = 0; key < KEYS; key++)
        wrong += want[key].flows != 0;
    CU_ASSERT_EQUAL(wrong, 0);
    dense_free(&d);
    for (unsigned t = 0; t < tables; t++)
        groups_free(&g[t]);
    CU_ASSERT_EQUAL(budget.used, 0);
}

static void tables_part_by_part(void)
{
    static const uint32_t sizes[][2] = {
        {7, 100}, {KEYS, 30}, {3000, 20000}, {KEYS, 200000}}; /* 64 slots and more */
    for (unsigned words = 1; words <= 3; words++) {
        check_tables(words, 0, sizes, 4);
        for (unsigned t = 0; t < 4; t++)
            check_tables(words, 0, sizes + t, 1);
    }
    check_tables(1, 16, sizes, 4);
    check_tables(1, 16, sizes + 2, 1);
}

/* A table that begins with ever new groups scatters early; it comes back when it was mistaken, and
 * does not when nearly every row is a group. */
static void second_thoughts(void)
{
    for (unsigned few = 0; few < 2; few++) {
        struct budget budget = {.most = UINT64_C(1) << 30};
        struct groups g;
        const uint64_t mask[] = {UINT64_MAX};
        const uint64_t one[LOOP_ROWS] = {[0 ... LOOP_ROWS - 1] = 1};
        uint64_t word[LOOP_ROWS], next_word = 0, reunited = 0;
        const uint64_t *words[] = {word};
        CU_ASSERT_TRUE_FATAL(groups_init(&g, &budget, loops_best(), 9, 1, 0, 0));
        groups_scatter(&g, mask);
        for (uint32_t run = 0; run < 2000; run++) {
            for (uint32_t i = 0; i < LOOP_ROWS; i++)
                word[i] = few ? random_below(50000) : next_word++ * 977;
            CU_ASSERT_TRUE(groups_add(&g, words, one, one, one, LOOP_ROWS));
            CU_ASSERT_TRUE(run < 100 || groups_scattered(&g) || reunited || g.reunited);
            reunited += g.reunited;
        }
        CU_ASSERT_EQUAL(reunited > 1000, few);
        CU_ASSERT_EQUAL(groups_scattered(&g), !few);
        CU_ASSERT_TRUE(!few || g.count == 50000);
        groups_free(&g);
        CU_ASSERT_EQUAL(budget.used, 0);
    }
}

/* Tables that share a common one number alike, whoever comes first, and tell the same values. */
static void common_numbers(void)
{
    struct budget budget = {.most = 64 << 20};
    struct intern common, own[2];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    uint32_t number[2][3000];
    size_t wrong = 0;
    intern_init(&common, &budget, 3);
    for (unsigned t = 0; t < 2; t++) {
        intern_init(&own[t], &budget, 3);
        intern_share(&own[t], &common, &lock);
        for (uint32_t i = 0; i < 3000; i++) {
            uint32_t value = t ? 2999 - i : i;
            uint8_t wide[16] = {(uint8_t)value, (uint8_t)(value >> 8), 0x20};
            number[t][value] = value % 2 ? intern_wide(&own[t], wide)
                                         : intern_number(&own[t], value);
        }
    }
    for (uint32_t i = 0; i < 3000; i++) {
        const struct intern_entry *e = intern_entry(&own[0], number[0][i]);
        uint16_t value = (uint16_t)i;
        wrong += number[0][i] != number[1][i] || number[0][i] == 0;
        wrong += e->length != (i % 2 ? 17 : 9) || memcmp(e->bytes + 1, &value, 2) != 0;
        wrong += e != intern_entry(&own[1], number[1][i]);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    for (unsigned t = 0; t < 2; t++)
        intern_free(&own[t]);
    intern_free(&common);
    CU_ASSERT_EQUAL(budget.used, 0);
}

/* ---- questions ---- */

#define BLOCKS 6u
#define ROWS 20000u
#define SOURCES 40000u      /* hashed */
#define DESTINATIONS 16384u /* an array */

static struct store *store;
static uint64_t by_source[SOURCES], by_destination[DESTINATIONS];

static void make_store(void)
{
    struct weir_error error = {0};
    struct flow *flows = calloc(ROWS, sizeof *flows);
    CU_ASSERT_FATAL(flows != NULL);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, &error), WEIR_OK);
    for (uint32_t b = 0; b < BLOCKS; b++) {
        struct flavour f = {.ipv4 = true, .rate = 10, .exporters = 2, .from_ms = DATA_FROM_MS,
                            .to_ms = DATA_FROM_MS + DATA_MS};
        for (uint32_t i = 0; i < ROWS; i++) {
            random_flow(&flows[i], &f);
            uint32_t source = random_below(SOURCES), destination = random_below(DESTINATIONS);
            flows[i].src4 = 0x0a000000u + source;
            flows[i].dst4 = 0x0b000000u + destination;
            flows[i].octets = 1 + random_below(50); /* many ties */
            by_source[source] += flows[i].octets;
            by_destination[destination] += flows[i].octets;
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

static const char *const keys[][3] = {
    {"sourceIPv4Address"},
    {"destinationIPv4Address"},
    {"sourceIPv4Address", "destinationIPv4Address"},
    {"sourceIPv4Address/20", "destinationTransportPort", "exporter"}}; /* an interned one */
static const size_t key_counts[] = {1, 1, 2, 3};

/* How many groups a key has, and whether the rows are the first of them, in order. */
static void recompute(const struct totals *t, const uint64_t *octets, uint32_t count)
{
    size_t groups = 0, wrong = 0, before = 0;
    uint64_t last = 0;
    uint32_t last_key = 0;
    for (uint32_t i = 0; i < count; i++)
        groups += octets[i] != 0;
    CU_ASSERT_EQUAL(t->groups, groups);
    for (size_t i = 0; i < t->row_count; i++) {
        const uint8_t *ip = t->rows[i].keys[0].octets;
        uint32_t key = t->rows[i].keys[0].width == 16
                           ? (uint32_t)ip[13] << 16 | (uint32_t)ip[14] << 8 | ip[15]
                           : (uint32_t)t->rows[i].keys[0].number & 0xffffff;
        uint64_t sum = t->rows[i].raw.octets;
        wrong += key >= count || sum != octets[key] || t->rows[i].estimated.octets != 10 * sum;
        wrong += i && (sum > last || (sum == last && key < last_key));
        last = sum;
        last_key = key;
    }
    for (uint32_t i = 0; i < count; i++)
        before += octets[i] > last || (octets[i] == last && i <= last_key);
    CU_ASSERT_EQUAL(before, t->row_count);
    CU_ASSERT_EQUAL(wrong, 0);
}

static void compare(const struct totals *a, const struct totals *b)
{
    size_t wrong = 0;
    CU_ASSERT_EQUAL(a->groups, b->groups);
    CU_ASSERT_EQUAL_FATAL(a->row_count, b->row_count);
    for (size_t i = 0; i < a->row_count; i++) {
        wrong += memcmp(&a->rows[i].raw, &b->rows[i].raw, sizeof a->rows[i].raw) != 0;
        wrong += memcmp(&a->rows[i].estimated, &b->rows[i].estimated, sizeof a->rows[i].raw) != 0;
        wrong += a->rows[i].bin_ms != b->rows[i].bin_ms;
        for (size_t k = 0; k < a->key_count; k++)
            wrong += a->rows[i].keys[k].number != b->rows[i].keys[k].number ||
                     memcmp(a->rows[i].keys[k].octets, b->rows[i].keys[k].octets, 16) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(memcmp(&a->account.raw, &b->account.raw, sizeof a->account.raw), 0);
    CU_ASSERT_EQUAL(memcmp(&a->account.estimated, &b->account.estimated, sizeof a->account.raw), 0);
}

static void any_number_of_threads(void)
{
    static const uint32_t tops[] = {7, 0, 3000};
    for (unsigned i = 0; i < 4; i++)
        for (unsigned top = 0; top < 3; top++) {
            struct totals_request r = {.by = keys[i], .by_count = key_counts[i],
                                       .when = {DATA_FROM_MS, DATA_FROM_MS + DATA_MS},
                                       .top = tops[top], .step_ms = i == 2 && top == 1 ? 600000 : 0,
                                       .percentile = i == 2 && top == 1 ? 95 : 0};
            struct totals one = answer_of(store, &r);
            if (i < 2)
                recompute(&one, i ? by_destination : by_source, i ? DESTINATIONS : SOURCES);
            for (r.threads = 2; r.threads <= 5; r.threads++) {
                /* A table each, so more threads need more: five of them may be refused 4 MiB. */
                r.memory_most = r.threads == 2 && top == 0 ? 4 << 20 : 0;
                struct totals more = answer_of(store, &r);
                compare(&one, &more);
                totals_free(&more);
            }
            totals_free(&one);
        }
}

/* Few enough to be merged, so many that the table they are merged into scatters. */
static void merged_and_scattered(void)
{
    struct totals_request r = {.by = keys[2], .by_count = 2, .when = INTERVAL_ALL, .top = 9,
                               .filter = "src net 10.0.0.0/20"};
    struct totals one = answer_of(store, &r);
    CU_ASSERT_TRUE(one.groups > 11500 && one.groups < 13500);
    for (r.threads = 2; r.threads <= 4; r.threads++)
        for (unsigned i = 0; i < 10; i++) {
            struct totals more = answer_of(store, &r);
            compare(&one, &more);
            totals_free(&more);
        }
    totals_free(&one);
}

/* ---- given up ---- */

static _Atomic int patience;
static bool out_of_patience(void *context)
{
    (void)context;
    return atomic_fetch_sub(&patience, 1) <= 0;
}

/* Nobody wants the answer any more: while blocks are read, while parts are. */
static void given_up(void)
{
    unsigned cancelled = 0, answered = 0;
    for (int wait = 0; wait < 400; wait += 9) {
        struct totals t;
        struct weir_error error = {0};
        struct totals_request r = {.by = keys[2], .by_count = 2, .when = INTERVAL_ALL, .top = 5,
                                   .threads = 3, .unwanted = out_of_patience};
        atomic_store(&patience, wait);
        enum weir_status status = store_totals(store, &r, &t, &error);
        CU_ASSERT_TRUE(status == WEIR_OK || status == WEIR_ECANCELLED);
        cancelled += status == WEIR_ECANCELLED && wait > 60; /* parts, by then */
        answered += status == WEIR_OK;
        totals_free(&t);
    }
    CU_ASSERT_TRUE(cancelled > 5 && answered > 0);
}

UNIT_MAIN("groups of several threads", {"tables part by part", tables_part_by_part},
          {"second thoughts", second_thoughts}, {"common numbers", common_numbers},
          {"make a store", make_store}, {"any number of threads", any_number_of_threads},
          {"merged and scattered", merged_and_scattered}, {"given up", given_up},
          {"close it", drop_store})
