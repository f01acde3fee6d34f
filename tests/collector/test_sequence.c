/* test_sequence.c - the sequence account against a model that knows what was sent: random
 * schedules of loss, reordering, duplication, wrap and restart; and exporters that count something
 * else. */
#include "ingest/sequence.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

#define SENT_MOST 4000

static uint64_t state;
static uint32_t rnd(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

struct sent {
    struct sequence_message m;
    uint32_t units, run;
    uint32_t delay;   /* datagrams it is overtaken by */
    bool lost, twice;
};

struct total {
    uint64_t missing, recovered, reordered, duplicates, restarts, unknown_gaps;
};

static void add(struct total *t, const struct sequence_outcome *o)
{
    t->missing += o->missing;
    t->recovered += o->recovered;
    t->reordered += o->reordered;
    t->restarts += o->restarts;
    t->unknown_gaps += o->unknown_gaps;
}

static void hear(struct sequence *s, struct total *t, const struct sequence_message *m)
{
    struct sequence_outcome o;
    if (sequence_is_duplicate(s, m->sequence, m->hash)) {
        t->duplicates++;
        return;
    }
    (void)sequence_account(s, m, &o);
    add(t, &o);
}

/* ---- what an exporter sends ---- */

struct kind {
    enum sequence_rule rule;
    bool up_time, whole_seconds, fixed;
};
static const struct kind kinds[] = {
    {COUNTS_RECORDS, true, false, false},   /* v5 */
    {COUNTS_RECORDS, true, false, true},    /* v5, always 30 */
    {COUNTS_DATAGRAMS, true, true, false},  /* v9 */
    {COUNTS_RECORDS, false, true, false},   /* IPFIX */
    {COUNTS_RECORDS, false, true, true},
};

static void make_runs(struct sent *sent, uint32_t n, const struct kind *k, uint32_t start,
                      uint32_t runs, uint32_t step_ms)
{
    int64_t now = 1700000000000;
    uint32_t up = 5000 + rnd(1000000), sequence = start;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t run = i * runs / n;
        if (i && run != sent[i - 1].run) {
            now += 3000 + rnd(20000);
            sequence = 0;
            up = rnd(2000);
        }
        uint32_t elapsed = rnd(step_ms);
        now += elapsed;
        up += elapsed;
        struct sent *x = &sent[i];
        *x = (struct sent){.run = run};
        x->m.sequence = sequence;
        x->m.hash = rnd(1u << 30);
        x->m.export_ms = k->whole_seconds ? now / 1000 * 1000 : now;
        x->m.has_up_time = k->up_time;
        x->m.sys_up_time_ms = up;
        x->m.flow_records = k->fixed ? 30 : 1 + rnd(40);
        x->m.option_records = k->fixed || k->up_time ? 0 : rnd(20) == 0;
        x->units = k->rule == COUNTS_DATAGRAMS ? 1 : x->m.flow_records + x->m.option_records;
        sequence += x->units;
    }
}

/* ---- the network, and what can be known behind it ---- */

struct arrival {
    uint64_t at;
    const struct sent *what;
};

static int by_time(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* A message that leaves at i and is overtaken by d others arrives at i + d + 1/2. */
static uint32_t schedule(const struct sent *sent, uint32_t n, struct arrival *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = ((uint64_t)i << 32) +
                      (sent[i].delay ? ((uint64_t)sent[i].delay << 32) + (1u << 31) + i : i);
        if (!sent[i].lost)
            out[count++] = (struct arrival){at, &sent[i]};
        if (!sent[i].lost && sent[i].twice)
            out[count++] =
                (struct arrival){at + ((uint64_t)rnd(50) << 32) + (1u << 30) + i, &sent[i]};
    }
    qsort(out, count, sizeof *out, by_time);
    return count;
}

/* What was lost between the first message heard of a run and the last place heard of it. */
static uint64_t knowable(const struct sent *sent, uint32_t n, const struct arrival *heard,
                         uint32_t count, uint32_t runs)
{
    uint64_t missing = 0;
    for (uint32_t run = 0; run < runs; run++) {
        const struct sent *first = NULL, *last = NULL;
        for (uint32_t i = 0; i < count; i++)
            if (heard[i].what->run == run) {
                first = first ? first : heard[i].what;
                last = !last || heard[i].what > last ? heard[i].what : last;
            }
        for (const struct sent *x = sent; first && x < sent + n; x++)
            if (x->lost && x > first && x < last)
                missing += x->units;
    }
    return missing;
}

static void disturb(struct sent *sent, uint32_t n, uint32_t loss, uint32_t late, uint32_t twice,
                    uint32_t window)
{
    for (uint32_t i = 0; i < n; i++) {
        bool near_end = i + 130 > n || (i && sent[i].run != sent[i - 1].run);
        for (uint32_t j = i; j < n && j < i + 130; j++)
            near_end |= sent[j].run != sent[i].run; /* nothing passes a restart */
        sent[i].lost = !near_end && rnd(1000) < loss;
        sent[i].delay = !near_end && rnd(1000) < late ? 1 + rnd(window) : 0;
        sent[i].twice = !near_end && rnd(1000) < twice;
    }
}

static bool one_schedule(uint64_t seed)
{
    static struct sent sent[SENT_MOST];
    static struct arrival heard[2 * SENT_MOST];
    state = seed * 7919;
    const struct kind *k = &kinds[seed % 5];
    uint32_t n = 300 + rnd(SENT_MOST - 300), runs = rnd(3) == 0 ? 2 + rnd(2) : 1;
    uint32_t start = rnd(3) == 0 ? 0u - rnd(2000) : rnd(3) == 0 ? 0 : rnd(UINT32_MAX);
    if (n < 600)
        runs = 1;
    make_runs(sent, n, k, start, runs, 1 + rnd(300));
    disturb(sent, n, rnd(300), rnd(100), rnd(60), 1 + rnd(60));
    uint32_t count = schedule(sent, n, heard), twice = 0;
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, k->rule);
    for (uint32_t i = 0; i < count; i++)
        hear(&s, &t, &heard[i].what->m);
    sequence_free(&s);
    for (uint32_t i = 0; i < n; i++)
        twice += sent[i].twice && !sent[i].lost;
    uint64_t expected = knowable(sent, n, heard, count, runs);
    if (t.missing - t.recovered == expected && t.duplicates == twice && t.restarts == runs - 1 &&
        t.unknown_gaps == runs - 1)
        return true;
    printf("seed %lu kind %lu: missing %lu of %lu, duplicates %lu of %u, restarts %lu and unknown "
           "%lu of %u\n",
           seed, seed % 5, t.missing - t.recovered, expected, t.duplicates, twice, t.restarts,
           t.unknown_gaps, runs - 1);
    return false;
}

static void random_schedules(void)
{
    unsigned wrong = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++)
        wrong += !one_schedule(seed);
    CU_ASSERT_EQUAL(wrong, 0);
}

/* ---- single rules ---- */

static struct sequence_message message(uint32_t sequence, uint32_t records, int64_t second)
{
    static uint32_t hash;
    return (struct sequence_message){.sequence = sequence,
                                     .hash = ++hash,
                                     .export_ms = 1700000000000 + second * 1000,
                                     .flow_records = records};
}

static void hear_plain(struct sequence *s, struct total *t, uint32_t sequence, uint32_t records,
                       int64_t second)
{
    struct sequence_message m = message(sequence, records, second);
    hear(s, t, &m);
}

static void wraps(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    hear_plain(&s, &t, 0xffffffe0, 20, 0);
    hear_plain(&s, &t, 0xfffffff4, 20, 0); /* ends at 8 */
    hear_plain(&s, &t, 18, 20, 1);         /* 10 are missing */
    hear_plain(&s, &t, 8, 10, 1);          /* late */
    CU_ASSERT_EQUAL(t.missing, 10);
    CU_ASSERT_EQUAL(t.recovered, 10);
    CU_ASSERT_EQUAL(t.reordered, 1);
    CU_ASSERT_EQUAL(t.restarts + t.unknown_gaps, 0);
    sequence_free(&s);
}

/* sysUpTime rolls over after 49.7 days: with loss beside it, still no restart. */
static void up_time_rolls_over(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_DATAGRAMS);
    for (uint32_t i = 0; i < 20; i++) {
        struct sequence_message m = message(i + (i > 10), 5, i);
        m.has_up_time = true;
        m.sys_up_time_ms = 0xffffd8f0u + i * 1000;
        hear(&s, &t, &m);
    }
    CU_ASSERT_EQUAL(t.missing, 1);
    CU_ASSERT_EQUAL(t.restarts, 0);
    sequence_free(&s);
}

static void impossible_jump(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    for (uint32_t i = 0; i < 50; i++)
        hear_plain(&s, &t, i * 7, 7, i);
    hear_plain(&s, &t, 1000000000, 7, 50); /* one stray moves nothing */
    for (uint32_t i = 50; i < 60; i++)
        hear_plain(&s, &t, i * 7, 7, i);
    CU_ASSERT_EQUAL(t.missing + t.unknown_gaps + t.restarts, 0);
    CU_ASSERT_EQUAL(t.reordered, 1);
    for (uint32_t i = 0; i < 10; i++) /* it goes on there: an unknown amount, once */
        hear_plain(&s, &t, 2000000000 + i * 7, 7, 60 + i);
    CU_ASSERT_EQUAL(t.missing, 0);
    CU_ASSERT_EQUAL(t.unknown_gaps, 1);
    sequence_free(&s);
}

/* IPFIX: seconds are all there is, and a message without records may begin a run. In the second of
 * the newest message, behind what there was in the seconds before: that is no late one. */
static void begins_in_the_same_second(void)
{
    static const struct {
        uint32_t position, goes_on;             /* what comes in that second, and next */
        uint64_t missing, restarts, unknown_gaps;
    } cases[] = {
        {0, 0, 0, 1, 1},
        {0, 4, 4, 1, 1},     /* nearer to the old place, 7 */
        {0, 7, 7, 1, 1},     /* exactly the old place */
        {2, 7, 0, 0, 1},     /* a stray, for all that is known: so is what is missing */
        {2, 3, 1, 1, 1},     /* a run that does not begin at 0 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sequence s;
        struct total t = {0};
        sequence_init(&s, COUNTS_RECORDS);
        hear_plain(&s, &t, 0, 1, 0);
        hear_plain(&s, &t, 1, 2, 1);
        hear_plain(&s, &t, 3, 4, 2); /* up to 7 */
        hear_plain(&s, &t, cases[i].position, 0, 2);
        hear_plain(&s, &t, cases[i].goes_on, 1, 3);
        CU_ASSERT_EQUAL(t.missing - t.recovered, cases[i].missing);
        CU_ASSERT_EQUAL(t.restarts, cases[i].restarts);
        CU_ASSERT_EQUAL(t.unknown_gaps, cases[i].unknown_gaps);
        sequence_free(&s);
    }
}

/* NetFlow v9 of which, by chance, one datagram is lost behind each of three with two records: as if
 * it counted records. The next one that is not lost says that it does not. */
#define LOST(i) (102 + 3 * (i))
static void by_chance(uint32_t late_before, uint32_t late_after, uint64_t missing)
{
    struct sequence s;
    struct total t = {0};
    uint32_t sequence = 100;
    int64_t second = 0;
    sequence_init(&s, COUNTS_DATAGRAMS);
    for (uint32_t i = 0; i < 3; i++) {
        hear_plain(&s, &t, sequence++, 1, second++);
        hear_plain(&s, &t, sequence, 2, second++);
        sequence += 2;
    }
    for (uint32_t i = 0; i < 40; i++) {
        hear_plain(&s, &t, sequence++, 1 + i % 4, second++);
        if (i == 1 && late_before)
            hear_plain(&s, &t, late_before, 1, 1);
        if (i == 20 && late_after)
            hear_plain(&s, &t, late_after, 1, 1);
    }
    sequence_finish(&s, &(struct sequence_outcome){0});
    CU_ASSERT_EQUAL(t.missing - t.recovered, missing);
    CU_ASSERT_EQUAL(t.restarts, 0);
    CU_ASSERT_EQUAL(t.unknown_gaps, 1);
    sequence_free(&s);
}

/* And what was held back and came late, before and after that is known, is not missing. */
static void chance_is_taken_back(void)
{
    by_chance(0, 0, 3);
    by_chance(LOST(0), 0, 2);
    by_chance(0, LOST(1), 2);
    by_chance(LOST(2), LOST(1), 1);
}

static void long_outage_is_counted(void)
{
    struct sequence s;
    struct total t = {0};
    struct account_checkpoint from = {.next_sequence = 1000, .export_ms = 1700000000000};
    sequence_init(&s, COUNTS_RECORDS);
    sequence_resume(&s, &from);
    hear_plain(&s, &t, 1000 + 36000000, 10, 3600); /* 10,000 records a second for an hour */
    CU_ASSERT_EQUAL(t.missing, 36000000);
    CU_ASSERT_EQUAL(t.unknown_gaps, 0);
    sequence_free(&s);
}

static void resumed_after_a_restart(void)
{
    struct sequence s;
    struct total t = {0};
    struct account_checkpoint from = {.next_sequence = 100000, .sys_up_time_ms = 7000000,
                                      .export_ms = 1700000000000};
    sequence_init(&s, COUNTS_DATAGRAMS);
    sequence_resume(&s, &from);
    struct sequence_message m = message(200000, 5, 60);
    m.has_up_time = true;
    m.sys_up_time_ms = 30000;
    hear(&s, &t, &m);
    CU_ASSERT_EQUAL(t.restarts, 1);
    CU_ASSERT_EQUAL(t.unknown_gaps, 1);
    CU_ASSERT_EQUAL(t.missing, 0);
    sequence_free(&s);
}

/* Datagrams of ten records each, one a second. */
static void hear_run(struct sequence *s, struct total *t, uint32_t from, unsigned count,
                     int64_t second)
{
    for (unsigned i = 0; i < count; i++)
        hear_plain(s, t, from + 10 * i, 10, second + i);
}

#define OLD UINT32_C(0xf0000000)

/* The exporter starts anew at 0; then what its run before had missing comes, or never comes. */
static void late_past_a_restart(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    hear_run(&s, &t, OLD, 10, 0);
    struct sequence_message late = message(OLD + 100, 10, 10), never = message(OLD + 110, 10, 11);
    hear_run(&s, &t, OLD + 130, 10, 13); /* 30 are missing */
    CU_ASSERT_EQUAL(t.missing, 30);
    hear_run(&s, &t, 0, 5, 40);
    CU_ASSERT_EQUAL(t.restarts, 1);
    hear(&s, &t, &late);
    CU_ASSERT_EQUAL(t.recovered, 10);
    hear(&s, &t, &late); /* again */
    CU_ASSERT_EQUAL(t.duplicates, 1);
    hear_plain(&s, &t, OLD + 50, 10, 5); /* fills no gap */
    CU_ASSERT_EQUAL(t.recovered, 10);
    CU_ASSERT_EQUAL(t.reordered, 2);
    hear_run(&s, &t, 50, 10, 45); /* the new run goes on, and loses too */
    hear_plain(&s, &t, 170, 10, 56);
    hear_plain(&s, &t, 160, 10, 55);
    CU_ASSERT_EQUAL(t.missing, 50);
    CU_ASSERT_EQUAL(t.recovered, 20);
    hear_run(&s, &t, 180, SEQUENCE_WINDOW, 57);
    hear(&s, &t, &never); /* later than is remembered */
    hear_run(&s, &t, 180 + 10 * SEQUENCE_WINDOW, 2, 57 + SEQUENCE_WINDOW);
    CU_ASSERT_EQUAL(t.recovered, 20);
    CU_ASSERT_EQUAL(t.missing, 50);
    CU_ASSERT_EQUAL(t.restarts, 1);
    CU_ASSERT_EQUAL(t.unknown_gaps, 1);
    sequence_free(&s);
}

/* What comes late of a run whose numbers lie ahead of those of the run after it, be it the next
 * moment or past the window, is no jump ahead, and fills no gap. */
static void late_and_ahead(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    hear_run(&s, &t, 40000, 10, 0);
    hear_run(&s, &t, 0, 5, 100);
    hear_plain(&s, &t, 40100, 10, 10); /* went on from what was heard, before the restart */
    hear_run(&s, &t, 50, SEQUENCE_WINDOW, 105);
    hear_plain(&s, &t, 4000, 10, 7);
    hear_run(&s, &t, 50 + 10 * SEQUENCE_WINDOW, 2, 105 + SEQUENCE_WINDOW);
    CU_ASSERT_EQUAL(t.missing + t.reordered, 2);
    hear_plain(&s, &t, 90 + 10 * SEQUENCE_WINDOW, 10, 109 + SEQUENCE_WINDOW);
    hear_plain(&s, &t, 70 + 10 * SEQUENCE_WINDOW, 10, 6); /* of the old run, by its time */
    CU_ASSERT_EQUAL(t.recovered, 0);
    hear_plain(&s, &t, 80 + 10 * SEQUENCE_WINDOW, 10, 108 + SEQUENCE_WINDOW);
    CU_ASSERT_TRUE(t.missing == 20 && t.recovered == 10);
    CU_ASSERT_TRUE(t.restarts == 1 && t.unknown_gaps == 1);
    sequence_free(&s);
}

/* The exporter's clock is set back, at a loss: that is one of unknown_gaps, what is lost afterwards
 * is counted. Where nothing is lost at that moment, nothing is unknown. */
static void clock_set_back(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    hear_run(&s, &t, 0, 10, 3600);
    hear_run(&s, &t, 200, 10, 10);
    CU_ASSERT_TRUE(t.missing == 0 && t.unknown_gaps == 1);
    hear_run(&s, &t, 350, 10, 25);
    hear_plain(&s, &t, 320, 10, 22);
    hear_run(&s, &t, 450, 5, 2);
    hear_run(&s, &t, 600, 5, 17);
    CU_ASSERT_TRUE(t.missing == 150 && t.recovered == 10);
    CU_ASSERT_TRUE(t.restarts == 0 && t.unknown_gaps == 1);
    sequence_free(&s);
}

/* Of a restart that was none the gaps are those of the run that goes on. */
static void late_past_no_restart(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    hear_run(&s, &t, 5000, 10, 0);
    struct sequence_message late = message(5100, 10, 10);
    hear_run(&s, &t, 5110, 10, 11);
    CU_ASSERT_EQUAL(t.missing, 10);
    hear_run(&s, &t, 70, 2, 30);
    CU_ASSERT_EQUAL(t.restarts, 1);
    hear_run(&s, &t, 5210, 3, 32);
    hear(&s, &t, &late);
    CU_ASSERT_EQUAL(t.recovered, 10);
    CU_ASSERT_EQUAL(t.missing, 10);
    sequence_free(&s);
}

static void lost_track(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    hear_plain(&s, &t, 0, 10, 0);
    sequence_lose_track(&s);
    hear_plain(&s, &t, 500, 10, 1);
    hear_plain(&s, &t, 510, 10, 1);
    CU_ASSERT_EQUAL(t.unknown_gaps, 1);
    CU_ASSERT_EQUAL(t.missing, 0);
    sequence_free(&s);
}

/* ---- exporters that count something else (rule 8) ---- */

struct counter {
    enum sequence_rule protocol;
    enum { OTHER_DATAGRAMS, OTHER_RECORDS, OTHER_INCLUSIVE, OTHER_NOTHING, OTHER_FLOWS,
           OTHER_NO_OPTIONS } counts;
    uint64_t unknown_gaps;
};

static void other_counting(void)
{
    static const struct counter cases[] = {
        {COUNTS_RECORDS, OTHER_DATAGRAMS, 0}, {COUNTS_RECORDS, OTHER_INCLUSIVE, 0},
        {COUNTS_RECORDS, OTHER_NO_OPTIONS, 0}, {COUNTS_RECORDS, OTHER_NOTHING, 1},
        {COUNTS_DATAGRAMS, OTHER_RECORDS, 0}, {COUNTS_DATAGRAMS, OTHER_FLOWS, 1},
        {COUNTS_DATAGRAMS, OTHER_NOTHING, 1},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct sequence s;
        struct total t = {0};
        uint32_t sequence = 77;
        state = c + 5;
        sequence_init(&s, cases[c].protocol);
        for (uint32_t i = 0; i < 40; i++) {
            struct sequence_message m = message(sequence, 3 + rnd(20), 0);
            m.option_records = i % 7 == 3;
            switch (cases[c].counts) {
            case OTHER_DATAGRAMS: sequence++; break;
            case OTHER_RECORDS: sequence += m.flow_records + m.option_records; break;
            case OTHER_INCLUSIVE: m.sequence = sequence += m.flow_records; break;
            case OTHER_FLOWS: sequence += (m.flow_records + 1) / 2 + (m.flow_records > 8); break;
            case OTHER_NO_OPTIONS: sequence += m.flow_records; break;
            default: break;
            }
            hear(&s, &t, &m);
        }
        if (t.missing || t.restarts || t.unknown_gaps != cases[c].unknown_gaps)
            printf("case %zu: missing %lu, restarts %lu, unknown %lu\n", c, t.missing, t.restarts,
                   t.unknown_gaps);
        CU_ASSERT_EQUAL(t.missing, 0);
        CU_ASSERT_EQUAL(t.restarts, 0);
        CU_ASSERT_EQUAL(t.unknown_gaps, cases[c].unknown_gaps);
        sequence_free(&s);
    }
}

/* ---- data sets that were not decoded at once (rule 9) ---- */

static uint32_t hear_unknown(struct sequence *s, struct total *t, uint32_t sequence,
                             uint32_t records, uint32_t octets)
{
    struct sequence_outcome o;
    struct sequence_message m = message(sequence, records, 0);
    m.unknown_sets = 1;
    m.unknown_octets = octets;
    uint32_t token = sequence_account(s, &m, &o);
    add(t, &o);
    return token;
}

static void settle(struct sequence *s, struct total *t, struct sequence_settlement set)
{
    struct sequence_outcome o = {0};
    sequence_settle(s, &set, &o);
    add(t, &o);
}

static void settled_later(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    hear_plain(&s, &t, 0, 10, 0);
    uint32_t a = hear_unknown(&s, &t, 10, 5, 400); /* really 5 + 12 */
    hear_plain(&s, &t, 27, 3, 0);                  /* nothing lost */
    uint32_t b = hear_unknown(&s, &t, 30, 0, 400); /* really 20, and 15 are lost behind */
    hear_plain(&s, &t, 65, 3, 0);
    CU_ASSERT_EQUAL(t.missing, 0);
    settle(&s, &t, (struct sequence_settlement){a, true, 12, 0, 400});
    CU_ASSERT_EQUAL(t.missing, 0);
    settle(&s, &t, (struct sequence_settlement){b, true, 20, 0, 400});
    CU_ASSERT_EQUAL(t.missing, 15);
    uint32_t c = hear_unknown(&s, &t, 68, 0, 400); /* settled before the next comes */
    settle(&s, &t, (struct sequence_settlement){c, true, 7, 0, 400});
    hear_plain(&s, &t, 75, 3, 0);
    CU_ASSERT_EQUAL(t.missing, 15);
    CU_ASSERT_EQUAL(t.unknown_gaps + t.restarts, 0);
    sequence_free(&s);
}

static void never_settled(void)
{
    struct sequence s;
    struct total t = {0};
    sequence_init(&s, COUNTS_RECORDS);
    hear_plain(&s, &t, 0, 10, 0);
    uint32_t a = hear_unknown(&s, &t, 10, 5, 400);
    hear_plain(&s, &t, 27, 3, 0); /* 12 records of 33 octets explain it */
    settle(&s, &t, (struct sequence_settlement){.token = a});
    CU_ASSERT_EQUAL(t.missing + t.unknown_gaps, 0);
    uint32_t b = hear_unknown(&s, &t, 30, 0, 400);
    hear_plain(&s, &t, 3000, 3, 0); /* nothing that fits explains this */
    settle(&s, &t, (struct sequence_settlement){.token = b});
    CU_ASSERT_EQUAL(t.missing, 0);
    CU_ASSERT_EQUAL(t.unknown_gaps, 1);
    sequence_free(&s);
}

UNIT_MAIN("sequence", {"random schedules", random_schedules}, {"wrap", wraps},
          {"sysUpTime rolls over", up_time_rolls_over}, {"an impossible jump", impossible_jump},
          {"begins in the same second", begins_in_the_same_second},
          {"chance is taken back", chance_is_taken_back},
          {"a long outage is counted", long_outage_is_counted},
          {"resumed after a restart", resumed_after_a_restart}, {"lost track", lost_track},
          {"late past a restart", late_past_a_restart},
          {"late past a restart that was none", late_past_no_restart},
          {"late and ahead", late_and_ahead}, {"clock set back", clock_set_back},
          {"exporters that count something else", other_counting},
          {"sets settled later", settled_later}, {"sets never settled", never_settled})
