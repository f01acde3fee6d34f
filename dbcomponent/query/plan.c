/* plan.c - reading a question: keys, filter, interval, bins, and whether roll-ups can answer it. */
#include "query/question.h"
#include "query/keys.h"

#include <stdlib.h>
#include <sys/random.h>

/* What a roll-up row knows of its flows, besides their minute. */
static const ie_key rollup_keys[] = {
    WEIR_EXPORTER, WEIR_DOMAIN,        WEIR_SRC_TAG,          WEIR_DST_TAG,
    IANA(4),       WEIR_SAMPLING_RATE, WEIR_SAMPLING_ORIGIN, WEIR_OBSERVATION_ROLE,
};

static bool rollups_know(ie_key key)
{
    for (size_t i = 0; i < sizeof rollup_keys / sizeof rollup_keys[0]; i++)
        if (rollup_keys[i] == key)
            return true;
    return false;
}

/* The ends of time count as whole: nothing lies beyond them. */
static bool is_whole_minute(int64_t t_ms)
{
    return t_ms % MINUTE_MS == 0 || t_ms == INT64_MIN || t_ms == INT64_MAX;
}

/* Why roll-ups can not answer exactly, as an error on the field that is why; WEIR_OK when they can,
 * as far as anything but the interval goes. */
static enum weir_status judge_keys(const struct question *q, struct weir_error *error)
{
    char name[IE_NAME_SIZE];
    for (size_t i = 0; i < q->key_count; i++)
        if (!rollups_know(q->keys[i].key))
            return weir_fail(
                error, WEIR_EARGUMENT, "by",
                "roll-ups do not keep %s; they keep exporter, domain, srcTag, dstTag, "
                "protocolIdentifier and observationRole; ask with source auto or blocks",
                q->keys[i].name);
    size_t count = 0;
    const ie_key *wanted = q->filter ? filter_keys(q->filter, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        if (!rollups_know(wanted[i]))
            return weir_fail(
                error, WEIR_EARGUMENT, "filter",
                "the filter looks at %s, which roll-ups do not keep; ask with source auto "
                "or blocks",
                ie_key_print(wanted[i], name));
    if (question_spreads(q))
        return weir_fail(error, WEIR_EARGUMENT, "spread",
                         "roll-ups do not keep when flows started; ask with source auto or blocks");
    if (q->bins.count > 1 && q->bins.step % MINUTE_MS != 0)
        return weir_fail(error, WEIR_EARGUMENT, "step", "roll-ups need whole minutes");
    return WEIR_OK;
}

static enum weir_status judge_rollups(const struct question *q, struct weir_error *error)
{
    enum weir_status status = judge_keys(q, error);
    if (status != WEIR_OK)
        return status;
    if (!is_whole_minute(q->when.from_ms))
        return weir_fail(error, WEIR_EARGUMENT, "from", "roll-ups need a whole minute");
    if (!is_whole_minute(q->when.to_ms))
        return weir_fail(error, WEIR_EARGUMENT, "to", "roll-ups need a whole minute");
    return WEIR_OK;
}

static int64_t minute_floor(int64_t t_ms)
{
    int64_t into = t_ms % MINUTE_MS;
    return t_ms - (into < 0 ? into + MINUTE_MS : into);
}

/* Only an end of the interval is no whole minute: roll-ups do for the minutes between. Bins that
 * start within a minute would cut through theirs. */
static void plan_middle(struct question *q)
{
    if (judge_keys(q, NULL) != WEIR_OK || (q->bins.count > 1 && !is_whole_minute(q->when.from_ms)))
        return;
    struct interval middle = q->when;
    if (!is_whole_minute(middle.from_ms)) {
        if (middle.from_ms > INT64_MAX - MINUTE_MS)
            return;
        middle.from_ms = minute_floor(middle.from_ms) + MINUTE_MS;
    }
    if (!is_whole_minute(middle.to_ms)) {
        if (middle.to_ms < INT64_MIN + MINUTE_MS)
            return;
        middle.to_ms = minute_floor(middle.to_ms);
    }
    if (middle.from_ms < middle.to_ms)
        q->middle = middle;
}

/* Bins beyond 2^52 ms would not be exact (loops.h, divide), nor would anybody mean them. */
static enum weir_status plan_bins(struct question *q, struct weir_error *error)
{
    int64_t step = q->request->step_ms;
    uint64_t width = question_width(q->when);
    q->bins = (struct bins){.from = (uint64_t)q->when.from_ms, .step = width, .count = 1};
    if (step == 0)
        return WEIR_OK;
    if (step < 0)
        return weir_fail(error, WEIR_EARGUMENT, "step", "%lld ms; expected more than 0",
                         (long long)step);
    uint64_t bins = width / (uint64_t)step + (width % (uint64_t)step != 0);
    if (width >> 52)
        return weir_fail(error, WEIR_EARGUMENT, "step",
                         "from and to lie too far apart for time bins: give a shorter interval");
    if (bins > BINS_MOST)
        return weir_fail(
            error, WEIR_EARGUMENT, "step",
            "%llu time bins between from and to; at most %u are allowed: give a longer "
            "step or a shorter interval",
            (unsigned long long)bins, BINS_MOST);
    q->bins.step = (uint64_t)step;
    q->bins.count = bins;
    return WEIR_OK;
}

/* `once`: the filter, which was read already, and the edge-in points. The line's end ends a
 * comment. */
static enum weir_status parse_once(struct question *q, const char *text, struct weir_error *error)
{
    const char *both = arena_print(&q->arena, "observationRole %d and (%s\n)", ROLE_EDGE_IN, text);
    filter_free(q->filter);
    q->filter = NULL;
    if (!both)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory for a filter");
    return filter_parse(both, reader_tag, q->reader, &q->filter, error);
}

static enum weir_status plan_filter(struct question *q, struct weir_error *error)
{
    const char *text = q->request->filter ? q->request->filter : "";
    if (!*text && !q->request->once)
        return WEIR_OK;
    enum weir_status status = filter_parse(text, reader_tag, q->reader, &q->filter, error);
    if (status == WEIR_OK && q->request->once)
        status = parse_once(q, filter_is_all(q->filter) ? "any" : text, error);
    if (status != WEIR_OK) {
        q->filter = NULL;
        return status;
    }
    if (filter_is_all(q->filter)) {
        filter_free(q->filter);
        q->filter = NULL;
    }
    return WEIR_OK;
}

static enum weir_status plan_interval(const struct question *q, struct weir_error *error)
{
    if (q->when.from_ms < q->when.to_ms)
        return WEIR_OK;
    char from[TIME_TEXT_SIZE], to[TIME_TEXT_SIZE];
    time_print(q->when.from_ms, from);
    time_print(q->when.to_ms, to);
    return weir_fail(error, WEIR_EARGUMENT, "from",
                     "%s is not before to, which is %s; expected from < to", from, to);
}

static enum weir_status plan_choices(struct question *q, struct weir_error *error)
{
    if ((unsigned)q->request->order > MEASURE_FLOWS)
        return weir_fail(error, WEIR_EARGUMENT, "order", "expected octets, packets or flows");
    if ((unsigned)q->request->source > SOURCE_BLOCKS)
        return weir_fail(error, WEIR_EARGUMENT, "source", "expected auto, rollup or blocks");
    if ((unsigned)q->request->spread > SPREAD_PROPORTIONAL)
        return weir_fail(error, WEIR_EARGUMENT, "spread", "expected end or proportional");
    if (q->request->percentile > 100)
        return weir_fail(error, WEIR_EARGUMENT, "percentile", "%u; expected 1 to 100",
                         q->request->percentile);
    if (q->request->percentile && q->request->step_ms == 0)
        return weir_fail(error, WEIR_EARGUMENT, "percentile",
                         "a percentile is that of a series of time bins: give a step");
    if (q->request->series && q->request->step_ms == 0)
        return weir_fail(error, WEIR_EARGUMENT, "series",
                         "series are of time bins: give a step, or ask for top");
    if (question_spreads(q))
        q->flow_shift = 32;
    if (q->request->source == SOURCE_ROLLUP) {
        q->rollups = true;
        return judge_rollups(q, error);
    }
    q->rollups = q->request->source == SOURCE_AUTO && judge_rollups(q, NULL) == WEIR_OK;
    if (q->request->source == SOURCE_AUTO && !q->rollups)
        plan_middle(q);
    return WEIR_OK;
}

/* Groups' hashes are seeded anew for each question: who sends flows must not choose collisions. A
 * thread asks the kernel once, and mixes on from there (splitmix64); nobody sees the numbers. */
static uint64_t random_seed(void)
{
    static _Thread_local uint64_t state;
    if (state == 0 && getrandom(&state, sizeof state, GRND_NONBLOCK) != (ssize_t)sizeof state)
        state = clock_monotonic_us() * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t seed = state += UINT64_C(0x9e3779b97f4a7c15);
    seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
    return seed ^ seed >> 31;
}

enum weir_status question_plan(struct question *q, struct store *s, struct reader *r,
                            const struct totals_request *request, struct weir_error *error)
{
    *q = (struct question){.request = request, .store = s, .reader = r, .when = request->when,
                        .started_us = clock_monotonic_us(), .seed = random_seed(),
                        .loops = loops_best()};
    policies_init(&q->policies);
    q->budget.most = request->memory_most ? request->memory_most : QUERY_MEMORY_DEFAULT;
    if (request->deadline_ms > 0)
        q->deadline_us = q->started_us + (uint64_t)request->deadline_ms * 1000;
    enum weir_status status = plan_interval(q, error);
    if (status == WEIR_OK)
        status = plan_bins(q, error);
    if (status == WEIR_OK)
        status = keys_parse(request->by, request->by_count, q->keys, error);
    if (status != WEIR_OK)
        return status;
    q->key_count = request->by_count;
    status = plan_filter(q, error);
    return status == WEIR_OK ? plan_choices(q, error) : status;
}

void question_free(struct question *q)
{
    filter_free(q->filter);
    arena_free(&q->arena);
    policies_free(&q->policies);
    q->filter = NULL;
}

enum weir_status question_overdue(const struct question *q, struct weir_error *error)
{
    if (q->request->unwanted && q->request->unwanted(q->request->unwanted_context))
        return weir_fail(error, WEIR_ECANCELLED, NULL, "nobody waits for the answer any more");
    if (!q->deadline_us || clock_monotonic_us() < q->deadline_us)
        return WEIR_OK;
    return weir_fail(
        error, WEIR_ECANCELLED, NULL,
        "no answer within the deadline of %lld ms; narrow the interval or the filter, or "
        "allow more time",
        (long long)q->request->deadline_ms);
}

uint64_t question_bin(const struct question *q, int64_t t_ms)
{
    if (t_ms < q->when.from_ms)
        t_ms = q->when.from_ms;
    if (t_ms >= q->when.to_ms)
        t_ms = q->when.to_ms - 1;
    return ((uint64_t)t_ms - q->bins.from) / q->bins.step;
}
