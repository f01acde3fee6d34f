/* segments_kept.c - the last hours' roll-up segments that a reader was asked for, as they are
 * stored, with marks at each minute: a question about some minutes of an hour reads those, and
 * neither the row nor the other minutes. Neighbours: segment.c knows the octets, reader.c asks.
 *
 * Invariant: what is remembered is of the state that reader_version() tells. */
#include "store/segment.h"
#include <stdlib.h>
#include <string.h>

#define PERIODS_MOST 16u
#define OCTETS_MOST  (512u << 10) /* of a period; a reader's are twice as much at most */

struct kept_segment {
    uint8_t *bytes;
    size_t length;
    struct segment_marks marks;
    struct kept_segment *next;
};

struct kept_period {
    int64_t period_ms;
    bool used;
    struct kept_segment *segments; /* may be none: there are no flows */
    size_t octets;
};

struct segments_kept {
    uint64_t version;
    struct kept_period periods[PERIODS_MOST];
    unsigned oldest;
    size_t octets;
};

static void forget(struct segments_kept *kept, struct kept_period *p)
{
    for (struct kept_segment *s = p->segments, *next; s; s = next) {
        next = s->next;
        free(s->bytes);
        free(s);
    }
    kept->octets -= p->octets;
    *p = (struct kept_period){0};
}

void segments_kept_free(struct segments_kept *kept)
{
    for (unsigned i = 0; kept && i < PERIODS_MOST; i++)
        forget(kept, &kept->periods[i]);
    free(kept);
}

/* This reader's, empty when the file has changed since; NULL: no memory. */
static struct segments_kept *kept_of(struct reader *r)
{
    uint64_t version = reader_version(r);
    if (!r->segments)
        r->segments = calloc(1, sizeof *r->segments);
    struct segments_kept *kept = r->segments;
    if (!kept || kept->version == version)
        return kept;
    for (unsigned i = 0; i < PERIODS_MOST; i++)
        forget(kept, &kept->periods[i]);
    kept->version = version;
    return kept;
}

static struct kept_period *find(struct segments_kept *kept, int64_t period_ms)
{
    for (unsigned i = 0; i < PERIODS_MOST; i++)
        if (kept->periods[i].used && kept->periods[i].period_ms == period_ms)
            return &kept->periods[i];
    return NULL;
}

/* Room for one more period of so many octets. */
static struct kept_period *make_room(struct segments_kept *kept, size_t octets)
{
    struct kept_period *p;
    do {
        p = &kept->periods[kept->oldest];
        kept->oldest = (kept->oldest + 1) % PERIODS_MOST;
        forget(kept, p);
    } while (kept->octets + octets > 2 * OCTETS_MOST);
    return p;
}

static enum weir_status add_segment(struct kept_period *p, const uint8_t *bytes, size_t length,
                                    struct arena *a, struct weir_error *error)
{
    struct kept_segment *s = calloc(1, sizeof *s);
    uint8_t *copy = malloc(length ? length : 1);
    if (!s || !copy) {
        free(s);
        free(copy);
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for roll-ups");
    }
    memcpy(copy, bytes, length);
    *s = (struct kept_segment){.bytes = copy, .length = length, .next = p->segments};
    p->segments = s;
    p->octets += length + sizeof *s;
    enum weir_status status = segment_mark_all(p->period_ms, copy, length, &s->marks, a, error);
    arena_reset(a);
    return status;
}

/* Reads the period's segments into *p, which is empty; stops, and says so, when they are too large.
 */
static enum weir_status read_period(struct reader *r, struct kept_period *p, bool *too_large,
                                    struct weir_error *error)
{
    struct arena a = {0};
    enum weir_status status = WEIR_OK;
    struct query q = query_start(&r->sql, SQL_ROLLUP_RANGE);
    query_bind_i64(&q, MINUTE_MS);
    query_bind_i64(&q, p->period_ms);
    query_bind_i64(&q, p->period_ms);
    while (status == WEIR_OK && !*too_large && query_row(&q) && query_sealed(&q)) {
        size_t length;
        const uint8_t *bytes = query_blob(&q, 1, &length);
        *too_large = p->octets + length > OCTETS_MOST;
        if (!*too_large)
            status = add_segment(p, bytes, length, &a, error);
    }
    arena_free(&a);
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

static enum weir_status remember(struct reader *r, struct segments_kept *kept, int64_t period_ms,
                                 struct kept_period **out, struct weir_error *error)
{
    struct kept_period p = {.period_ms = period_ms, .used = true};
    bool too_large = false;
    *out = NULL;
    enum weir_status status = read_period(r, &p, &too_large, error);
    kept->octets += p.octets;
    if (status != WEIR_OK || too_large) {
        forget(kept, &p);
        return status;
    }
    *out = make_room(kept, p.octets);
    **out = p;
    return WEIR_OK;
}

enum weir_status segments_kept_walk(struct reader *r, int64_t period_ms, struct interval when,
                                    rollup_row row, void *context, bool *done,
                                    struct weir_error *error)
{
    struct arena a = {0};
    struct segments_kept *kept = kept_of(r);
    enum weir_status status = WEIR_OK;
    struct kept_period *p = kept ? find(kept, period_ms) : NULL;
    if (kept && !p)
        status = remember(r, kept, period_ms, &p, error);
    *done = p != NULL;
    for (const struct kept_segment *s = p ? p->segments : NULL; s && status == WEIR_OK;
         s = s->next) {
        status = segment_walk_marked(period_ms, s->bytes, s->length, &s->marks, when, row, context,
                                     &a, error);
        arena_reset(&a);
    }
    arena_free(&a);
    return status;
}
