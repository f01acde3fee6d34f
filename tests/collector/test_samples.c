/* test_samples.c - flow samples by their numbers: gaps, late ones, new starts, drops; the agent's
 * clock. Random schedules are compared with a plain recomputation. */
#include "ingest/samples.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

#define SOURCE 7u

static struct samples s;
static struct samples_outcome out;
static int64_t memory;

static void start(void)
{
    samples_free(&s, &memory);
    CU_ASSERT_EQUAL(memory, 0);
    memset(&out, 0, sizeof out);
}

static void note(uint32_t sequence)
{
    samples_note(&s, SOURCE, sequence, 0, &out, &memory);
}

static void gaps_and_late_ones(void)
{
    start();
    note(100);
    note(101);
    note(105);
    CU_ASSERT_EQUAL(out.missing, 3);
    note(103);
    note(102);
    CU_ASSERT_TRUE(out.missing == 3 && out.recovered == 2);
    note(99); /* before the first: was never counted as missing */
    note(106);
    CU_ASSERT_TRUE(out.missing == 3 && out.recovered == 2 && out.unknown_gaps == 0);
    CU_ASSERT_TRUE(memory > 0);
}

static void wraps(void)
{
    start();
    note(UINT32_MAX - 1);
    note(1); /* UINT32_MAX and 0 are missing */
    note(0);
    note(2);
    CU_ASSERT_TRUE(out.missing == 2 && out.recovered == 1 && out.unknown_gaps == 0);
}

static void window(void)
{
    start();
    note(0);
    note(SAMPLES_WINDOW);
    CU_ASSERT_EQUAL(out.missing, SAMPLES_WINDOW - 1);
    note(1); /* the oldest the window can tell */
    CU_ASSERT_EQUAL(out.recovered, 1);
    note(0); /* outside */
    note(SAMPLES_WINDOW + 1);
    CU_ASSERT_TRUE(out.recovered == 1 && out.unknown_gaps == 0);
    for (uint32_t by = 1; by < 3 * SAMPLES_WINDOW; by += 97) { /* every way of moving bits */
        start();
        note(1000);
        note(1000 + by);
        for (uint32_t i = 1; i < by; i++)
            note(1000 + i);
        uint32_t told = by <= SAMPLES_WINDOW ? by - 1 : SAMPLES_WINDOW - 1;
        CU_ASSERT_TRUE(out.missing == by - 1);
        /* Three in a row outside the window start anew; from then on all is told apart differently.
         */
        CU_ASSERT_TRUE(by > SAMPLES_WINDOW + 2 ? out.unknown_gaps > 0 : out.recovered == told);
    }
}

static void new_starts(void)
{
    start();
    for (uint32_t i = 5000; i < 5010; i++)
        note(i);
    note(1);
    note(2);
    CU_ASSERT_EQUAL(out.unknown_gaps, 0);
    note(3);
    note(4);
    CU_ASSERT_TRUE(out.unknown_gaps == 1 && out.missing == 0);
    note(3000000); /* past reason */
    note(3000001);
    CU_ASSERT_TRUE(out.unknown_gaps == 2 && out.missing == 0);
    note(3000001);
    note(3000001);
    note(3000001); /* stands still: nothing to be learned, but not taken for complete */
    CU_ASSERT_EQUAL(out.unknown_gaps, 3);
}

static void drops(void)
{
    start();
    samples_note(&s, SOURCE, 1, 10, &out, &memory);
    samples_note(&s, SOURCE, 2, 12, &out, &memory);
    samples_note(&s, SOURCE, 4, UINT32_MAX, &out, &memory); /* went back: set anew */
    samples_note(&s, SOURCE, 3, 12, &out, &memory);
    samples_note(&s, SOURCE, 5, 4, &out, &memory); /* rolled over */
    CU_ASSERT_TRUE(out.dropped == 2 + 5 && out.recovered == 1);
}

static void many_sources(void)
{
    start();
    for (uint64_t round = 0; round < 2; round++)
        for (uint64_t i = 0; i < 2 * SAMPLES_SOURCES_MOST; i++)
            samples_note(&s, i << 32, (uint32_t)(10 + 2 * round), 0, &out, &memory);
    CU_ASSERT_EQUAL(out.missing, SAMPLES_SOURCES_MOST); /* one each of those that are followed */
    CU_ASSERT_EQUAL(s.count, SAMPLES_SOURCES_MOST);
    CU_ASSERT_TRUE(memory < (INT64_C(4) << 20));
    samples_forget(&s);
    note(77);
    CU_ASSERT_EQUAL(out.missing, SAMPLES_SOURCES_MOST);
}

/* Any order within the window: missing and recovered are what a plain count says. */
static void random_orders(void)
{
    srand(7);
    for (int round = 0; round < 200; round++) {
        uint32_t sent[2000], n = 0, base = (uint32_t)rand() * 4u;
        start();
        for (uint32_t i = 0; i < 2000; i++)
            if (i == 0 || rand() % 10)
                sent[n++] = i;
        for (uint32_t i = 1; i < n; i++) { /* any order within blocks of 500 */
            uint32_t j = i / 500 * 500 + (uint32_t)rand() % 500;
            if (j && j < n) {
                uint32_t t = sent[i];
                sent[i] = sent[j];
                sent[j] = t;
            }
        }
        uint32_t newest = 0;
        for (uint32_t i = 0; i < n; i++) {
            note(base + sent[i]);
            newest = sent[i] > newest ? sent[i] : newest;
        }
        CU_ASSERT_EQUAL(out.missing - out.recovered, newest + 1 - n);
        CU_ASSERT_EQUAL(out.unknown_gaps, 0);
    }
}

static void clocks(void)
{
    const int64_t now = 1700000000000;
    start();
    CU_ASSERT_EQUAL(samples_clock(&s, 10000, now), now);
    note(1);
    CU_ASSERT_EQUAL(samples_clock(&s, 11000, now + 1007), now + 1000);
    CU_ASSERT_EQUAL(samples_clock(&s, 10500, now + 1010), now + 500); /* late, not newest */
    CU_ASSERT_TRUE(s.up_time_ms == 11000 && s.count == 1);
    CU_ASSERT_EQUAL(samples_clock(&s, 5, now + 20000), now + 20000); /* restarted */
    CU_ASSERT_EQUAL(s.count, 0);
    note(1);
    CU_ASSERT_EQUAL(samples_clock(&s, UINT32_MAX, now + 20001), now + 20001);
    note(1);
    CU_ASSERT_EQUAL(samples_clock(&s, 4, now + 20006), now + 20006); /* roll-over of 49.7 days */
    CU_ASSERT_EQUAL(s.count, 1);
    start();
}

UNIT_MAIN("samples", {"gaps and late ones", gaps_and_late_ones}, {"wraps", wraps},
          {"window", window}, {"new starts", new_starts}, {"drops", drops},
          {"many sources", many_sources}, {"random orders", random_orders}, {"clocks", clocks})
