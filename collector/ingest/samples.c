/* samples.c - see samples.h. Neighbours: sflow.c asks for each datagram and sample, sessions.c
 * keeps one a session. */
#include "ingest/samples.h"
#include <stdlib.h>
#include <string.h>

#define JUMP_MOST (1 << 20)
#define ODD_ENOUGH 3u
#define ROOM_FIRST 8u

/* ---- the agent's clock ---- */

int64_t samples_clock(struct samples *s, uint32_t up_time_ms, int64_t received_ms)
{
    int64_t by_up_time = s->boot_ms + up_time_ms;
    if (!s->anchored || llabs(received_ms - by_up_time) > SAMPLES_CLOCK_SLACK_MS) {
        if (s->anchored && (int32_t)(up_time_ms - s->up_time_ms) < 0)
            samples_forget(s);
        s->anchored = true;
        s->boot_ms = received_ms - up_time_ms;
        s->up_time_ms = up_time_ms;
        return received_ms;
    }
    if ((int32_t)(up_time_ms - s->up_time_ms) > 0)
        s->up_time_ms = up_time_ms;
    return by_up_time;
}

/* ---- sources by number ---- */

static struct sample_source *slot_of(const struct samples *s, uint64_t source)
{
    uint64_t at = (source * UINT64_C(0x9e3779b97f4a7c15)) >> 40;
    for (;; at++) {
        struct sample_source *slot = &s->sources[at & (s->room - 1)];
        if (!slot->used || slot->source == source)
            return slot;
    }
}

static bool grow(struct samples *s, int64_t *memory)
{
    if (s->room && s->count < s->room / 2)
        return true;
    struct samples more = {.room = s->room ? 2 * s->room : ROOM_FIRST};
    if (s->count >= SAMPLES_SOURCES_MOST)
        return false;
    more.sources = calloc(more.room, sizeof *more.sources);
    if (!more.sources)
        return false;
    for (uint32_t i = 0; i < s->room; i++)
        if (s->sources[i].used)
            *slot_of(&more, s->sources[i].source) = s->sources[i];
    *memory += (int64_t)((more.room - s->room) * sizeof *more.sources);
    free(s->sources);
    s->sources = more.sources;
    s->room = more.room;
    return true;
}

void samples_forget(struct samples *s)
{
    if (s->room)
        memset(s->sources, 0, s->room * sizeof *s->sources);
    s->count = 0;
}

void samples_free(struct samples *s, int64_t *memory)
{
    *memory -= (int64_t)(s->room * sizeof *s->sources);
    free(s->sources);
    *s = (struct samples){0};
}

/* ---- the window ---- */

static bool was_heard(const struct sample_source *t, uint32_t behind)
{
    return t->heard[behind / 64] >> (behind % 64) & 1;
}

static void mark(struct sample_source *t, uint32_t behind)
{
    t->heard[behind / 64] |= UINT64_C(1) << (behind % 64);
}

/* The newest becomes one that is `by` ahead: every bit moves up. */
static void advance(struct sample_source *t, uint32_t by)
{
    const uint32_t words = SAMPLES_WINDOW / 64;
    uint32_t whole = by / 64, part = by % 64;
    for (uint32_t i = words; i-- > 0;) {
        uint64_t high = whole <= i ? t->heard[i - whole] << part : 0;
        uint64_t low = part && whole + 1 <= i ? t->heard[i - whole - 1] >> (64 - part) : 0;
        t->heard[i] = high | low;
    }
    t->newest += by;
    if (t->newest - t->first >= SAMPLES_WINDOW)
        t->first = t->newest - SAMPLES_WINDOW + 1;
    mark(t, 0);
}

static void begin(struct sample_source *t, uint64_t source, uint32_t sequence, uint32_t drops)
{
    *t = (struct sample_source){
        .source = source, .first = sequence, .newest = sequence, .drops = drops, .used = true};
    mark(t, 0);
}

static void take_ahead(struct sample_source *t, uint32_t by, uint32_t drops,
                       struct samples_outcome *out)
{
    uint32_t dropped = drops - t->drops;
    out->missing += by - 1;
    if (dropped < UINT32_MAX / 2) /* else the count went back: it was set anew */
        out->dropped += dropped;
    t->drops = drops;
    t->odd = 0;
    advance(t, by);
}

void samples_note(struct samples *s, uint64_t source, uint32_t sequence, uint32_t drops,
                  struct samples_outcome *out, int64_t *memory)
{
    struct sample_source *t = s->room ? slot_of(s, source) : NULL;
    if (!t || !t->used) {
        if (!grow(s, memory))
            return;
        begin(slot_of(s, source), source, sequence, drops);
        s->count++;
        return;
    }
    int32_t ahead = (int32_t)(sequence - t->newest);
    uint32_t behind = t->newest - sequence;
    if (ahead > 0 && ahead <= JUMP_MOST) {
        take_ahead(t, (uint32_t)ahead, drops, out);
    } else if (ahead <= 0 && behind <= t->newest - t->first && !was_heard(t, behind)) {
        mark(t, behind);
        out->recovered++;
        t->odd = 0;
    } else if (ahead > 0 || ++t->odd >= ODD_ENOUGH) {
        out->unknown_gaps++;
        begin(t, source, sequence, drops);
    }
}
