/* bench_year.c - a traffic matrix over a year of minutes, from roll-ups: milliseconds with and
 * without coarser ones, asked by a reader that has kept nothing and by one that has. Not a test:
 * `bench_year FOLDER [TAGS]` makes the store in FOLDER when there is none: each minute of a year
 * has a flow from each tag to each, of two protocols. */
#include "store_fixture.h"

#define YEAR_DAYS 365
#define DAY_MS (1440 * MINUTE_MS)

static void fill(struct store *s, uint32_t tags)
{
    struct weir_error error = {0};
    enum store_outcome outcome;
    uint32_t pairs = tags * tags, count = 1440 * pairs * 2;
    struct flow *flows = malloc(count * sizeof *flows);
    for (uint32_t day = 0; day < YEAR_DAYS; day++) {
        for (uint32_t i = 0; i < count; i++)
            flows[i] = (struct flow){.end_ms = FIXTURE_TIME - YEAR_DAYS * DAY_MS + day * DAY_MS +
                                               i / (pairs * 2) * MINUTE_MS + i % 60000,
                                     .exporter = 0x7f000001,
                                     .src = i * 77,
                                     .dst = i * 13,
                                     .src_tag = 1 + i / 2 % pairs / tags,
                                     .dst_tag = 1 + i / 2 % tags,
                                     .protocol = i & 1 ? 6 : 17,
                                     .has_protocol = 1,
                                     .octets = 100 + i % 1000,
                                     .packets = 1 + i % 10};
        struct buffer block = fixture_block(flows, count, 1, day + 1);
        if (store_append_own(s, block.bytes, block.length, &outcome, &error) != WEIR_OK)
            printf("%s\n", error.message);
        buffer_free(&block);
    }
    free(flows);
}

static const char *folder;

/* How long it takes, in microseconds; `first`: a reader that has kept nothing. */
static uint64_t ask_once(struct store *s, bool first, struct interval when, uint64_t *flows)
{
    static const char *const by[] = {"srcTag", "dstTag"};
    struct totals_request request = {
        .by = by, .by_count = 2, .when = when, .source = SOURCE_ROLLUP};
    struct totals totals;
    struct weir_error error = {0};
    struct store *other = NULL;
    if (first && store_open(folder, STORE_READ_ONLY, &other, &error) != WEIR_OK)
        puts(error.message);
    if (store_totals(first ? other : s, &request, &totals, &error) != WEIR_OK)
        puts(error.message);
    uint64_t took = totals.elapsed_us;
    *flows = totals.account.raw.flows;
    totals_free(&totals);
    store_close(other);
    return took;
}

static void ask(struct store *s, const char *what, struct interval when)
{
    uint64_t flows = 0;
    for (int again = 0; again < 2; again++) {
        uint64_t best = UINT64_MAX;
        for (int i = 0; i < 9; i++) {
            uint64_t took = ask_once(s, !again, when, &flows);
            best = took < best ? took : best;
        }
        printf("%-24s %-5s %10llu flows %10.3f ms\n", what, again ? "again" : "first",
               (unsigned long long)flows, (double)best / 1e3);
    }
}

static void ask_all(struct store *s)
{
    const int64_t end = FIXTURE_TIME, start = end - YEAR_DAYS * DAY_MS;
    ask(s, "a year", (struct interval){start, end});
    ask(s, "a year less odd minutes",
        (struct interval){start + 17 * MINUTE_MS, end - 43 * MINUTE_MS});
    ask(s, "everything", INTERVAL_ALL);
    ask(s, "a day", (struct interval){end - 9 * DAY_MS, end - 8 * DAY_MS});
}

static uint32_t tags = 3;

static void run(void) /* as a test, for the fixture asserts */
{
    struct store *s = fixture_open(folder);
    struct weir_error error = {0};
    struct store_status status;
    struct upkeep_report report;
    store_status(s, &status, &error);
    if (status.records == 0) {
        fill(s, tags);
        puts("minutes alone");
        ask_all(s);
    }
    uint64_t began = clock_monotonic_us();
    store_upkeep(s, &(struct upkeep_settings){0}, NULL, NULL, &report, &error);
    printf("upkeep: %llu coarse segments, %llu blocks made, %.1f s\n",
           (unsigned long long)report.rollups_made, (unsigned long long)report.blocks_made,
           (double)(clock_monotonic_us() - began) / 1e6);
    ask_all(s);
    store_close(s);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {{"a year", run}, {NULL, NULL}};
    if (argc < 2) {
        puts("bench_year FOLDER [TAGS]");
        return 2;
    }
    folder = argv[1];
    if (argc > 2)
        tags = (uint32_t)atoi(argv[2]);
    return fixture_main("bench", tests);
}
