/* sequence_memory.c - what a tracker remembers: datagrams heard, gaps, and spans of unknown length
 * (rules 3, 4 and 9 of sequence.h). Neighbour: sequence.c places messages. */
#include "ingest/sequence_private.h"
#include <stdlib.h>
#include <string.h>

#define HEARD_BITS_FIRST 3u
#define HEARD_BITS_MOST 7u
#define GAPS_FIRST 4u
#define EXPLAINED_OCTETS 16u /* an undecoded record is taken to be at least this long, rule 9 */

/* ---- units ---- */

uint32_t sequence_units_by(const struct sequence *s, uint8_t rule, uint32_t flows, uint32_t options)
{
    switch (rule) {
    case COUNTS_RECORDS: return flows + (s->options_uncounted ? 0 : options);
    case COUNTS_DATAGRAMS: return 1;
    case COUNTS_INCLUSIVE: return flows;
    default: return 0; /* COUNTS_NOTHING */
    }
}

/* ---- what was heard ---- */

static uint32_t heard_count(const struct sequence *s)
{
    uint32_t room = s->heard ? 1u << s->heard_bits : 0;
    return s->arrivals < room ? s->arrivals : room;
}

/* Grows the memory while the session is young. Without memory it stays as it is. */
static void heard_grow(struct sequence *s)
{
    if (s->heard && (s->heard_bits == HEARD_BITS_MOST || s->arrivals < 1u << s->heard_bits))
        return;
    uint8_t bits = s->heard ? (uint8_t)(s->heard_bits + 1) : HEARD_BITS_FIRST;
    struct sequence_heard *more = calloc(1u << bits, sizeof *more);
    if (!more)
        return;
    for (uint32_t i = 0; i < heard_count(s); i++)
        more[s->heard[i].arrival & ((1u << bits) - 1)] = s->heard[i];
    free(s->heard);
    s->heard = more;
    s->heard_bits = bits;
}

void sequence_remember(struct sequence *s, const struct sequence_message *m, uint32_t units)
{
    heard_grow(s);
    if (s->heard)
        s->heard[s->arrivals & ((1u << s->heard_bits) - 1)] =
            (struct sequence_heard){m->sequence, m->hash, units, s->arrivals};
    s->arrivals++;
    if (units > s->units_most)
        s->units_most = units;
}

bool sequence_is_duplicate(const struct sequence *s, uint32_t sequence, uint32_t hash)
{
    if (s->twin && sequence_is_duplicate(s->twin, sequence, hash))
        return true;
    if (!s->started || (!s->has_former && ahead_of(sequence, s->last_sequence) > 0))
        return false;
    for (uint32_t i = 0; i < heard_count(s); i++)
        if (s->heard[i].sequence == sequence && s->heard[i].hash == hash)
            return true;
    return false;
}

/* Does something heard since the last restart lie where this message says it lies? Rule 5d. */
bool sequence_conflicts(const struct sequence *s, uint32_t sequence, uint32_t units)
{
    for (uint32_t i = 0; i < heard_count(s); i++) {
        const struct sequence_heard *h = &s->heard[i];
        if (h->arrival - s->restart_arrival < s->arrivals - s->restart_arrival && h->units &&
            units && (sequence - h->sequence < h->units || h->sequence - sequence < units))
            return true;
    }
    return false;
}

uint32_t sequence_near_most(const struct sequence *s)
{
    return SEQUENCE_WINDOW * (s->units_most ? s->units_most : 1);
}

/* ---- gaps ---- */

static struct sequence_extra *extra_of(struct sequence *s)
{
    if (!s->extra)
        s->extra = calloc(1, sizeof *s->extra);
    return s->extra;
}

void sequence_extra_free(struct sequence *s)
{
    if (!s->extra)
        return;
    free(s->extra->gaps);
    free(s->extra->spans);
    free(s->extra);
    s->extra = NULL;
}

size_t sequence_memory(const struct sequence *s)
{
    size_t octets = s->heard ? sizeof *s->heard << s->heard_bits : 0;
    if (s->extra)
        octets += sizeof *s->extra + s->extra->gap_room * sizeof *s->extra->gaps +
                  (s->extra->spans ? SEQUENCE_SPANS * sizeof *s->extra->spans : 0);
    return octets + (s->twin ? sizeof *s->twin + sequence_memory(s->twin) : 0);
}

/* A place for one more gap: a new one while there is room to grow, else that of the oldest. NULL
 * only when memory ends before the first. */
static struct sequence_gap *gap_place(struct sequence_extra *x)
{
    if (x->gap_count >= x->gap_room && x->gap_room < SEQUENCE_GAPS) {
        uint32_t room = x->gap_room ? 2 * x->gap_room : GAPS_FIRST;
        struct sequence_gap *gaps = realloc(x->gaps, room * sizeof *gaps);
        if (gaps) {
            memset(gaps + x->gap_room, 0, (room - x->gap_room) * sizeof *gaps);
            x->gaps = gaps;
            x->gap_room = room;
        }
    }
    return x->gap_room ? &x->gaps[x->gap_count++ % x->gap_room] : NULL;
}

/* `m` is the message that shows the gap, by coming after it. */
void sequence_gap_open(struct sequence *s, const struct sequence_message *m, uint32_t start,
                     uint32_t length, bool held)
{
    struct sequence_extra *x = extra_of(s);
    struct sequence_gap *gap = x ? gap_place(x) : NULL;
    if (gap)
        *gap = (struct sequence_gap){start, length, length, s->arrivals, m->export_ms, held,
                                     GAP_OF_RUN};
}

void sequence_gaps_forget(struct sequence *s)
{
    bool kept = false;
    for (uint32_t i = 0; s->extra && i < s->extra->gap_room; i++) {
        struct sequence_gap *g = &s->extra->gaps[i];
        if (g->whose != GAP_OF_RUN)
            kept = true;
        else
            *g = (struct sequence_gap){0};
    }
    if (s->extra && !kept)
        s->extra->gap_count = 0;
}

/* Those of one kind become those of another; those that were there of that are forgotten. */
static void turn(struct sequence *s, enum gap_whose from, enum gap_whose to)
{
    for (uint32_t i = 0; s->extra && i < s->extra->gap_room; i++) {
        struct sequence_gap *g = &s->extra->gaps[i];
        if (g->whose == to)
            *g = (struct sequence_gap){0};
        else if (g->whose == from && g->left)
            g->whose = (uint8_t)to;
    }
}

void sequence_gaps_end(struct sequence *s)
{
    turn(s, GAP_OF_RUN, GAP_OF_FORMER);
}

void sequence_gaps_go_on(struct sequence *s)
{
    turn(s, GAP_OF_FORMER, GAP_OF_RUN);
}

void sequence_gaps_set_aside(struct sequence *s)
{
    for (uint32_t i = 0; s->extra && i < s->extra->gap_room; i++)
        s->extra->gaps[i].whose = s->extra->gaps[i].left ? GAP_ASIDE : GAP_OF_RUN;
}

void sequence_gaps_take_back(struct sequence *s)
{
    for (uint32_t i = 0; s->extra && i < s->extra->gap_room; i++) {
        s->extra->gaps[i].whose = GAP_OF_RUN;
        s->extra->gaps[i].held = false;
    }
}

/* What belongs into a gap was exported before the message that showed it; and, where that was
 * exported since the run began, so was what is missing. */
static bool may_fill(const struct sequence *s, const struct sequence_gap *g,
                     const struct sequence_message *m)
{
    return m->export_ms <= g->export_ms &&
           (g->whose != GAP_OF_RUN || m->export_ms >= s->first_export_ms ||
            g->export_ms < s->first_export_ms);
}

struct sequence_gap *sequence_gap_at(struct sequence *s, const struct sequence_message *m,
                                     uint32_t position, uint32_t units, enum gap_whose whose)
{
    for (uint32_t i = 0; s->extra && i < s->extra->gap_room; i++) {
        struct sequence_gap *g = &s->extra->gaps[i];
        if (units && g->left >= units && g->whose == whose && may_fill(s, g, m) &&
            s->arrivals - g->arrival <= SEQUENCE_WINDOW &&
            position - g->start < g->length && position - g->start + units <= g->length)
            return g;
    }
    return NULL;
}

/* ---- spans of unknown length, rule 9 ---- */

static struct sequence_span *span_find(struct sequence *s, uint32_t token)
{
    if (!s->extra || !s->extra->spans || !token)
        return NULL;
    struct sequence_span *span = &s->extra->spans[token % SEQUENCE_SPANS];
    return span->used && span->token == token ? span : NULL;
}

struct sequence_span *sequence_span_open_one(struct sequence *s)
{
    return s->extra ? span_find(s, s->extra->open_token) : NULL;
}

void sequence_span_close(struct sequence *s, struct sequence_span *span, uint32_t end)
{
    span->end = end;
    span->closed = true;
    s->extra->open_token = 0;
}

/* Settles a span when nothing more can be learned about it. */
void sequence_span_finish(struct sequence_span *span, struct sequence_outcome *out)
{
    if (!span->closed || span->pending)
        return;
    uint32_t length = span->end - span->start;
    uint32_t left = length > span->counted ? length - span->counted : 0;
    if (!span->octets)
        out->missing += left;
    else if (left > span->octets / EXPLAINED_OCTETS)
        out->unknown_gaps++;
    span->used = false;
}

void sequence_spans_forget(struct sequence *s, struct sequence_outcome *out)
{
    for (uint32_t i = 0; s->extra && s->extra->spans && i < SEQUENCE_SPANS; i++) {
        struct sequence_span *span = &s->extra->spans[i];
        if (span->used && span->closed)
            out->unknown_gaps++;
        span->used = false;
    }
}

uint32_t sequence_checkpoint(const struct sequence *s)
{
    uint32_t waits = (uint32_t)s->held;
    for (uint32_t i = 0; s->extra && s->extra->spans && i < SEQUENCE_SPANS; i++) {
        const struct sequence_span *span = &s->extra->spans[i];
        uint32_t length = span->end - span->start;
        if (span->used && span->closed && length > span->counted)
            waits += length - span->counted;
    }
    return s->next - waits;
}

/* Starts the span of a message that was not decoded wholly. */
uint32_t sequence_span_start(struct sequence *s, const struct sequence_message *m,
                             uint32_t position, uint32_t units, struct sequence_outcome *out)
{
    struct sequence_extra *x = extra_of(s);
    if (x && !x->spans)
        x->spans = calloc(SEQUENCE_SPANS, sizeof *x->spans);
    if (!x || !x->spans)
        return 0;
    uint32_t token = ++x->last_token ? x->last_token : ++x->last_token;
    struct sequence_span *span = &x->spans[token % SEQUENCE_SPANS];
    if (span->used && span->closed)
        out->unknown_gaps++;
    *span = (struct sequence_span){.start = position,
                                   .counted = units,
                                   .pending = m->unknown_sets,
                                   .octets = m->unknown_octets,
                                   .token = token,
                                   .used = true};
    x->open_token = token;
    return token;
}

/* A late message inside a closed span is one that was not missing after all. */
bool sequence_span_take_late(struct sequence *s, uint32_t position, uint32_t units)
{
    for (uint32_t i = 0; s->extra && s->extra->spans && i < SEQUENCE_SPANS; i++) {
        struct sequence_span *span = &s->extra->spans[i];
        if (span->used && span->closed && position - span->start < span->end - span->start) {
            span->counted += units;
            return true;
        }
    }
    return false;
}

void sequence_settle(struct sequence *s, const struct sequence_settlement *set,
                     struct sequence_outcome *out)
{
    if (s->twin && set->token & TWIN_TOKEN) {
        struct sequence_settlement own = *set;
        own.token &= ~TWIN_TOKEN;
        sequence_settle(s->twin, &own, out);
        return;
    }
    struct sequence_span *span = span_find(s, set->token);
    if (!span || !span->pending)
        return;
    span->pending--;
    if (set->decoded) {
        uint32_t units = sequence_units_by(s, s->rule, set->flow_records, set->option_records);
        span->counted += units;
        span->octets -= set->octets < span->octets ? set->octets : span->octets;
        if (!span->closed) {
            s->next += units;
            s->last_flows += set->flow_records;
            s->last_options += set->option_records;
            s->last_units += units;
        }
    }
    if (!span->closed && !span->pending && !span->octets) {
        span->used = false; /* all is known before the next message came */
        s->extra->open_token = 0;
    }
    sequence_span_finish(span, out);
}
