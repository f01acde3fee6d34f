/* test_query_rank.c - dbcomponent/query/rank.c alone: rows that several threads sort in parts are
 * in the order that one thread makes, and that plain comparison says. */
#include "query/rank.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define STRIDE (GROUP_SUMS + 1)
#define MOST 300007u

static uint64_t state = 11;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t *records;
static struct ranked *rows;

/* A key of 40 bits above a bin of 8, no two alike; few measures, so that keys decide often. */
static void make_records(size_t count, uint64_t measures)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t *record = records + i * STRIDE;
        for (unsigned k = 0; k < GROUP_SUMS; k++)
            record[k] = next() % measures;
        record[GROUP_SUMS] = (uint64_t)i * 0x9e3779b1 % (UINT64_C(1) << 40) << 8 | next() % 256;
    }
}

static struct layout layout_of(bool bins)
{
    struct layout l = {.count = 2, .visible = 2, .bin = bins ? 1 : -1, .rate = -1, .words = 1};
    l.components[0] = (struct component){.kind = COMPONENT_NUMBER, .bits = 40, .shift = 8};
    l.components[1] = (struct component){.kind = COMPONENT_NUMBER, .bits = 8};
    if (bins)
        l.components[1].kind = COMPONENT_BIN;
    return l;
}

static bool comes_before(size_t a, size_t b, enum measure order, bool bins)
{
    const uint64_t *x = records + a * STRIDE, *y = records + b * STRIDE;
    if (bins && (x[GROUP_SUMS] & 255) != (y[GROUP_SUMS] & 255))
        return (x[GROUP_SUMS] & 255) < (y[GROUP_SUMS] & 255);
    return x[order] != y[order] ? x[order] > y[order] : x[GROUP_SUMS] < y[GROUP_SUMS];
}

static void check_sorted(const struct ranking *r, bool bins)
{
    uint8_t *seen = calloc(r->count, 1);
    size_t wrong = 0, twice = 0;
    for (size_t i = 0; i < r->row_count; i++) {
        twice += seen[r->rows[i].at]++;
        wrong += i && !comes_before(r->rows[i - 1].at, r->rows[i].at, r->order, bins);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(twice, 0);
    free(seen);
}

static void one_way(size_t count, uint64_t measures, uint32_t top, bool bins, size_t threads)
{
    static struct question q;
    const struct totals_request request = {.top = top};
    q.request = &request;
    q.layout = layout_of(bins);
    struct tally *tally = calloc(1, sizeof *tally);
    struct ranking r = {.question = &q, .tally = tally, .records = records, .stride = STRIDE,
                        .count = count, .order = (enum measure)(count % 3), .rows = rows};
    make_records(count, measures);
    ranking_pick(&r);
    CU_ASSERT_EQUAL(r.row_count, top && top < count ? top : count);
    ranking_sort(&r, threads);
    check_sorted(&r, bins);
    CU_ASSERT_EQUAL(r.cpu_us > 0, threads > 1 && r.row_count >= 100000); /* others have helped */
    free(tally);
}

static void sorts(void)
{
    static const size_t counts[] = {0, 1, 2, 1000, 16384, 100000, MOST};
    static const uint64_t measures[] = {1, 50, UINT64_MAX};
    records = malloc(MOST * STRIDE * sizeof *records);
    rows = malloc(MOST * sizeof *rows);
    CU_ASSERT_FATAL(records && rows);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (size_t m = 0; m < sizeof measures / sizeof *measures; m++)
            for (size_t threads = 1; threads <= 5; threads++)
                one_way(counts[c], measures[m], c == 6 && m ? MOST / 2 : 0, threads & 1, threads);
    free(records);
    free(rows);
}

UNIT_MAIN("query: ranking", {"sorts in parts", sorts})
