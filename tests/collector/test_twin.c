/* test_twin.c - two exporters behind one address, port and domain: found out, parted, and then each
 * counted exactly; one exporter, however it restarts and reorders, is never taken for two
 * (test_schedules.c). */
#include "ingest/sequence.h"
#include "unit.h"
#include <stdlib.h>

#define T0 INT64_C(1700000000000)
#define ROUNDS 400
#define QUIET 40 /* rounds without loss, in which the two are found out */

static uint64_t random_state;
static uint32_t below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % n;
}

struct exporter {
    uint32_t sequence, boot;
};

struct heard {
    uint64_t missing, recovered, lost;
    uint32_t restarts, unknown_gaps, gaps_when_quiet;
};

static void send(struct sequence *s, struct exporter *e, enum sequence_rule rule, bool up_time,
                 int64_t now_ms, bool lose, struct heard *h)
{
    static uint32_t hash;
    uint32_t records = 1 + below(30), units = rule == COUNTS_RECORDS ? records : 1;
    const struct sequence_message m = {.sequence = e->sequence, .hash = hash++,
                                       .export_ms = now_ms / 1000 * 1000, .received_ms = now_ms,
                                       .has_up_time = up_time,
                                       .sys_up_time_ms = e->boot + (uint32_t)(now_ms - T0),
                                       .flow_records = records};
    struct sequence_outcome out = {0};
    e->sequence += units;
    if (lose) {
        h->lost += units;
        return;
    }
    CU_ASSERT_FALSE(sequence_is_duplicate(s, m.sequence, m.hash));
    (void)sequence_account(s, &m, &out);
    h->missing += out.missing;
    h->recovered += out.recovered;
    h->restarts += out.restarts;
    h->unknown_gaps += out.unknown_gaps;
}

static void run(enum sequence_rule rule, bool up_time, uint32_t apart, struct heard *h)
{
    struct sequence s;
    struct exporter exporters[2] = {{1000, 1000000}, {1000 + apart, 77000000}};
    *h = (struct heard){0};
    sequence_init(&s, rule);
    for (int64_t i = 0; i < ROUNDS; i++) {
        bool last = i == ROUNDS - 1;
        for (unsigned which = 0; which < 2; which++)
            if (last || i < QUIET || below(3))
                send(&s, &exporters[which], rule, up_time, T0 + i * 700 + which * 10,
                     i >= QUIET && !last && below(8) == 0, h);
        if (i == QUIET)
            h->gaps_when_quiet = h->unknown_gaps;
    }
    sequence_free(&s);
}

static void parted(void)
{
    static const uint32_t distances[] = {20000, 300000, 900000000, 3000000000u};
    for (unsigned seed = 1; seed <= 20; seed++)
        for (size_t d = 0; d < sizeof distances / sizeof *distances; d++)
            for (int way = 0; way < 3; way++) {
                struct heard h;
                random_state = seed * 1000 + d;
                run(way ? COUNTS_RECORDS : COUNTS_DATAGRAMS, way < 2, distances[d], &h);
                CU_ASSERT_EQUAL(h.missing - h.recovered, h.lost);
                CU_ASSERT(h.unknown_gaps >= 1); /* it is said */
                CU_ASSERT_EQUAL(h.unknown_gaps, h.gaps_when_quiet);
                CU_ASSERT(h.lost > 0);
            }
}

UNIT_MAIN("two exporters as one", {"parted, and counted each", parted})
