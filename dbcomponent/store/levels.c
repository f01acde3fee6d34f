/* levels.c - see levels.h. Neighbours: segment.c has the bytes, append.c and retag.c outdate,
 * verify.c compares, container.h's reader_rollups_coarse() is here. */
#include "store/levels.h"
#include "store/segment.h"
#include "store/sums.h"
#include <string.h>

#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS  (24 * HOUR_MS)
const int64_t level_ms[LEVEL_COUNT] = {HOUR_MS, DAY_MS, 32 * DAY_MS};

/* A slot is made when it has ended so long ago: exporters tell of flows some minutes after they
 * end. */
#define GRACE_MS (10 * MINUTE_MS)
/* How long a transaction goes on making slots. */
#define HOLD_US 10000
/* No slots before this: the times of exporters without a clock are not worth it. */
#define FIRST_MS 0
/* Coarser ones of fewer groups of minutes than this save nobody anything: each of them takes as
 * long to find as a few minutes' groups to read. */
#define GROUPS_LEAST 64

static int64_t slot_of(int64_t t_ms, int64_t size_ms)
{
    return t_ms - t_ms % size_ms; /* t_ms >= FIRST_MS */
}

static enum weir_status delete_slot(struct sql *sql, int level, int64_t from_ms,
                                    struct weir_error *error)
{
    struct query q = query_start(sql, SQL_LEVEL_DELETE);
    query_bind_i64(&q, level_ms[level]);
    query_bind_i64(&q, from_ms);
    query_row(&q);
    return query_end(&q, error);
}

enum weir_status levels_outdate(struct sql *sql, int64_t period_ms, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    changes_note(&sql->changed, period_ms);
    for (int level = 0; period_ms >= FIRST_MS && status == WEIR_OK && level < LEVEL_COUNT; level++)
        status = delete_slot(sql, level, slot_of(period_ms, level_ms[level]), error);
    return status;
}

/* ---- sums ---- */

struct summing {
    struct rollups *rollups;
    int64_t at_ms; /* where all of it goes */
    int sign;
    size_t most; /* groups of the table */
};

struct giving {
    rollup_row row;
    void *context;
};

typedef enum weir_status take_segment(void *context, int64_t start_ms, const uint8_t *bytes,
                                      size_t length, struct weir_error *error);

static enum weir_status add_segment(void *context, int64_t start_ms, const uint8_t *bytes,
                                    size_t length, struct weir_error *error)
{
    struct summing *s = context;
    enum weir_status status =
        segment_add_at(s->rollups, start_ms, s->at_ms, bytes, length, s->sign, error);
    if (status == WEIR_OK && rollups_count(s->rollups) > s->most)
        return weir_fail(error, WEIR_ELIMIT, "", "too many roll-ups at once");
    return status;
}

static enum weir_status give_segment(void *context, int64_t start_ms, const uint8_t *bytes,
                                     size_t length, struct weir_error *error)
{
    struct giving *g = context;
    struct arena a = {0};
    enum weir_status status =
        segment_walk(start_ms, bytes, length, INTERVAL_ALL, g->row, g->context, &a, error);
    arena_free(&a);
    return status;
}

/* Every segment of the resolution that starts in [from, to), to `take`. */
static enum weir_status walk(struct sql *sql, int64_t resolution_ms, struct interval when,
                             take_segment *take, void *context, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    struct query q = query_start(sql, SQL_LEVEL_RANGE);
    query_bind_i64(&q, resolution_ms);
    query_bind_i64(&q, when.from_ms);
    query_bind_i64(&q, when.to_ms - 1);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q)) {
        size_t length;
        int64_t start = query_i64(&q, 0);
        const uint8_t *bytes = query_blob(&q, 1, &length);
        status = take(context, start, bytes, length, error);
    }
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    if (status == WEIR_ENOMEM)
        weir_fail(error, status, "", "out of memory for roll-ups");
    return status == WEIR_OK ? ended : status;
}

/* Where segments of the resolution start that lie whole in `when`. */
static enum weir_status list_segments(struct sql *sql, int64_t resolution_ms, struct interval when,
                                      struct arena *a, int64_t **starts, size_t *count,
                                      struct weir_error *error)
{
    struct query q = query_start(sql, SQL_LEVEL_STARTS);
    query_bind_i64(&q, resolution_ms);
    query_bind_i64(&q, when.from_ms);
    query_bind_i64(&q, when.to_ms - resolution_ms);
    return query_numbers(&q, a, starts, count, error);
}

/* Of whole slots of the level: those that there are, and between them the next finer level. */
static enum weir_status sum_range(struct sql *sql, struct summing *s, int level,
                                  struct interval when, struct weir_error *error)
{
    struct arena a = {0};
    int64_t *starts, at = when.from_ms;
    size_t count;
    if (at >= when.to_ms)
        return WEIR_OK;
    if (level < 0)
        return walk(sql, MINUTE_MS, when, add_segment, s, error);
    enum weir_status status = list_segments(sql, level_ms[level], when, &a, &starts, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; at = starts[i++] + level_ms[level]) {
        const struct interval slot = {starts[i], starts[i] + 1};
        status = sum_range(sql, s, level - 1, (struct interval){at, starts[i]}, error);
        if (status == WEIR_OK)
            status = walk(sql, level_ms[level], slot, add_segment, s, error);
    }
    if (status == WEIR_OK)
        status = sum_range(sql, s, level - 1, (struct interval){at, when.to_ms}, error);
    arena_free(&a);
    return status;
}

enum weir_status levels_sum(struct sql *sql, struct rollups *r, int level, int64_t from_ms,
                            size_t most, struct weir_error *error)
{
    struct summing s = {r, from_ms, 1, most};
    const struct interval slot = {from_ms, from_ms + level_ms[level]};
    return sum_range(sql, &s, level - 1, slot, error);
}

enum weir_status levels_load(struct sql *sql, struct rollups *r, int level, int64_t from_ms,
                             int sign, struct weir_error *error)
{
    struct summing s = {r, from_ms, sign, SIZE_MAX};
    return walk(sql, level_ms[level], (struct interval){from_ms, from_ms + 1}, add_segment, &s,
                error);
}

/* ---- making them ---- */

static enum weir_status make_part(struct sql *sql, int level, int64_t from_ms, int64_t serial,
                                  struct scratch *scratch, struct weir_error *error)
{
    size_t count;
    enum weir_status status =
        levels_sum(sql, scratch->rollups, level, from_ms, SEGMENT_GROUPS_MOST, error);
    if (status != WEIR_OK)
        return status;
    const struct rollup_group *groups = rollups_sorted(scratch->rollups, &count);
    buffer_clear(&scratch->bytes);
    segment_write(&scratch->bytes, scratch->rollups, from_ms, groups, count);
    return segment_insert(sql, level_ms[level], from_ms, 0, serial, count, &scratch->bytes, error);
}

/* How many keys the minutes have together is only known when they are summed: where they are too
 * many, again in more parts. */
static enum weir_status make(struct upkeep *u, int level, int64_t from_ms, struct scratch *scratch,
                             struct weir_error *error)
{
    struct sql *sql = &u->store->writer;
    enum weir_status status = WEIR_ELIMIT;
    for (uint32_t parts = 1; status == WEIR_ELIMIT; parts *= 2) {
        /* What there are too few parts of, or another process made meanwhile. */
        status = delete_slot(sql, level, from_ms, error);
        for (uint32_t part = 0; status == WEIR_OK && part < parts; part++) {
            rollups_take_part(scratch->rollups, part, parts);
            status = make_part(sql, level, from_ms, 1 + (int64_t)part, scratch, error);
        }
    }
    return status;
}

/* Some of them in one transaction, for a commit costs more than most of them do; not for long, for
 * whoever writes waits. How many there were is added to *done. */
static enum weir_status make_some(struct upkeep *u, int level, const int64_t *starts, size_t count,
                                  size_t *done, struct weir_error *error)
{
    struct scratch *scratch = append_room_take(u->store);
    if (!scratch)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for roll-ups");
    enum weir_status status = store_begin(u->store, error);
    if (status == WEIR_OK) {
        uint64_t end = clock_monotonic_us() + HOLD_US;
        size_t n = 0;
        while (status == WEIR_OK && n < count && (n == 0 || clock_monotonic_us() < end))
            status = make(u, level, starts[n++], scratch, error);
        status = store_end(u->store, status, error);
        *done += n;
        u->report.rollups_made += status == WEIR_OK ? n : 0;
    }
    append_room_give(u->store, scratch);
    return status;
}

static enum weir_status list_missing(struct upkeep *u, int level, int64_t **starts, size_t *count,
                                     struct weir_error *error)
{
    struct reader *r;
    int64_t size = level_ms[level], finer = level ? level_ms[level - 1] : MINUTE_MS;
    int64_t settled = clock_now_ms() - GRACE_MS;
    arena_reset(&u->list);
    *count = 0;
    enum weir_status status = reader_open(u->store, &r, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(&r->sql, SQL_LEVEL_MISSING);
    query_bind_i64(&q, finer);
    query_bind_i64(&q, size);
    query_bind_i64(&q, slot_of(settled > 0 ? settled : 0, size) - 1);
    status = query_numbers(&q, &u->list, starts, count, error);
    return reader_end(r, status, error);
}

/* Whether the store has enough roll-ups that coarser ones are worth it. */
static enum weir_status look(struct upkeep *u, bool *worth, struct weir_error *error)
{
    struct reader *r;
    enum weir_status status = reader_open(u->store, &r, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(&r->sql, SQL_LEVEL_WORTH);
    query_bind_i64(&q, MINUTE_MS);
    query_bind_i64(&q, GROUPS_LEAST);
    *worth = query_row(&q) && query_i64(&q, 0) >= GROUPS_LEAST;
    status = query_end(&q, error);
    return reader_end(r, status, error);
}

enum weir_status upkeep_levels(struct upkeep *u, struct weir_error *error)
{
    bool worth = false;
    enum weir_status status = look(u, &worth, error);
    for (int level = 0; worth && status == WEIR_OK && level < LEVEL_COUNT; level++) {
        int64_t *starts;
        size_t count;
        status = list_missing(u, level, &starts, &count, error);
        for (size_t i = 0; status == WEIR_OK && i < count && !upkeep_stopped(u);) {
            status = make_some(u, level, starts + i, count - i, &i, error);
            upkeep_progress(u, i, count);
        }
    }
    return status;
}

/* ---- container.h ---- */

int64_t rollups_coarsest(int64_t from_ms, int64_t step_ms)
{
    int level = LEVEL_COUNT;
    while (level-- > 0)
        if (from_ms % level_ms[level] == 0 && step_ms % level_ms[level] == 0)
            return level_ms[level];
    return MINUTE_MS;
}

struct coarse { /* a walk from the coarsest level down */
    struct reader *reader;
    rollup_row row;
    void *context;
    int64_t coarsest_ms;
};

static enum weir_status walk_level(const struct coarse *c, int level, struct interval when,
                                   struct weir_error *error);

/* The part of a level's walk between two of its segments. */
static enum weir_status walk_gap(const struct coarse *c, int level, int64_t from_ms, int64_t to_ms,
                                 struct weir_error *error)
{
    return from_ms < to_ms ? walk_level(c, level - 1, (struct interval){from_ms, to_ms}, error)
                           : WEIR_OK;
}

/* Those that lie whole in `when`, and between them the next finer level. */
static enum weir_status walk_level(const struct coarse *c, int level, struct interval when,
                                   struct weir_error *error)
{
    if (level < 0)
        return rollups_walk(c->reader, when, c->coarsest_ms != INT64_MAX, c->row, c->context,
                            error);
    int64_t size = level_ms[level], *starts, at = when.from_ms;
    struct giving giving = {c->row, c->context};
    struct arena a = {0};
    size_t count = 0;
    /* A width past 2^63 has room for any. */
    if (size > c->coarsest_ms || (uint64_t)when.to_ms - (uint64_t)when.from_ms < (uint64_t)size)
        return walk_level(c, level - 1, when, error);
    enum weir_status status =
        list_segments(&c->reader->sql, size, when, &a, &starts, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        status = walk_gap(c, level, at, starts[i], error);
        if (status == WEIR_OK)
            status = walk(&c->reader->sql, size, (struct interval){starts[i], starts[i] + 1},
                          give_segment, &giving, error);
        at = starts[i] + size;
    }
    if (status == WEIR_OK)
        status = walk_gap(c, level, at, when.to_ms, error);
    arena_free(&a);
    return status;
}

enum weir_status levels_walk(struct reader *r, struct interval when, int64_t coarsest_ms,
                             rollup_row row, void *context, struct weir_error *error)
{
    const struct coarse c = {r, row, context, coarsest_ms};
    return walk_level(&c, LEVEL_COUNT - 1, when, error);
}

enum weir_status reader_rollups_coarse(struct reader *r, struct interval when, int64_t coarsest_ms,
                                       rollup_row row, void *context, struct weir_error *error)
{
    bool done = false, is_long = (uint64_t)when.to_ms - (uint64_t)when.from_ms > 2 * PERIOD_MS;
    enum weir_status status = WEIR_OK;
    if (coarsest_ms == INT64_MAX && !is_long)
        return rollups_walk(r, when, false, row, context, error);
    if (coarsest_ms == INT64_MAX)
        status = sums_walk_stretch(r, when, row, context, &done, error);
    return status == WEIR_OK && !done ? levels_walk(r, when, coarsest_ms, row, context, error)
                                      : status;
}
