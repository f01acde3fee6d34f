/* statistics.c - see statistics.h. Neighbours: sets.c calls it for options records. */
#include "ingest/statistics.h"
#include <stdlib.h>

struct series { /* of one scope */
    uint64_t scope;
    uint64_t last[STATISTICS_COUNT];
    struct heard heard; /* at the last statement */
    uint8_t known;      /* bit s: statistic s was stated */
};
struct statistics {
    struct series series[STATISTICS_SERIES_MOST];
    uint32_t count;
};

static const uint16_t elements[STATISTICS_COUNT] = {
    [STATED_MESSAGES] = 41, [STATED_RECORDS] = 42, [STATED_UNSENT] = 165, [STATED_IGNORED] = 164};

/* Is the record about all that the session's exporter sends? */
static bool is_about_all(const struct wire_template *t)
{
    static const ie_key whole[] = {IANA(130), IANA(131), IANA(143), IANA(144), IANA(149),
                                   WEIR_V9_SCOPE(1)};
    for (uint16_t i = 0; i < t->scope_count; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof whole / sizeof *whole; k++)
            found = found || t->fields[i].key == whole[k];
        if (!found)
            return false;
    }
    return true;
}

void statistics_plan_make(struct statistics_plan *plan, const struct wire_template *t)
{
    plan->says_any = false;
    for (unsigned s = 0; s < STATISTICS_COUNT; s++) {
        plan->field[s] = (int16_t)wire_template_find(t, IANA(elements[s]));
        if (t->kind != RECORD_OPTIONS || (s <= STATED_RECORDS && !is_about_all(t)))
            plan->field[s] = -1;
        plan->says_any = plan->says_any || plan->field[s] >= 0;
    }
}

/* ---- one record ---- */

static struct octets octets_at(const struct column *c, uint32_t row)
{
    if (c->width == 0)
        return ((const struct octets *)c->values)[row];
    return (struct octets){(const uint8_t *)c->values + (size_t)c->width * row, c->width};
}

/* FNV-1a: exporters have few scopes, and one who makes two alike confuses his own counts. */
static uint64_t scope_of(const struct wire_template *t, struct batch *b, uint32_t row)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ t->id;
    for (uint16_t i = 0; i < t->scope_count; i++) {
        if (t->fields[i].shape == WIRE_SKIP)
            continue;
        struct octets o = octets_at(batch_column_at(b, t->fields[i].column), row);
        for (uint32_t k = 0; k < o.length; k++)
            hash = (hash ^ o.bytes[k]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static struct series *series_of(struct statistics *known, uint64_t scope)
{
    for (uint32_t i = 0; i < known->count; i++)
        if (known->series[i].scope == scope)
            return &known->series[i];
    if (known->count == STATISTICS_SERIES_MOST)
        return NULL;
    struct series *s = &known->series[known->count++];
    *s = (struct series){.scope = scope};
    return s;
}

/* How much a total grew since it was stated last; false: there is nothing to compare. */
static bool growth(struct series *s, enum statistic which, uint64_t now, uint64_t *grown)
{
    bool compares = (s->known >> which & 1) && now >= s->last[which];
    *grown = compares ? now - s->last[which] : 0;
    s->last[which] = now;
    s->known |= (uint8_t)(1u << which);
    return compares;
}

static void learn_row(struct series *s, const uint64_t now[STATISTICS_COUNT],
                      const bool stated[STATISTICS_COUNT], const struct heard *heard,
                      struct account_counts *counts)
{
    uint64_t grown[STATISTICS_COUNT] = {0};
    bool compares[STATISTICS_COUNT] = {false};
    for (unsigned which = 0; which < STATISTICS_COUNT; which++)
        if (stated[which])
            compares[which] = growth(s, which, now[which], &grown[which]);
    counts->reported_messages += grown[STATED_MESSAGES];
    counts->reported_records += grown[STATED_RECORDS];
    counts->unsent_records += grown[STATED_UNSENT];
    counts->ignored_packets += grown[STATED_IGNORED];
    /* What is recovered late may outweigh what came since. */
    if (compares[STATED_MESSAGES] && heard->messages > s->heard.messages)
        counts->compared_messages += heard->messages - s->heard.messages;
    if (compares[STATED_RECORDS] && heard->records > s->heard.records)
        counts->compared_records += heard->records - s->heard.records;
    s->heard = *heard;
}

void statistics_learn(struct statistics **known, const struct statistics_plan *plan,
                      const struct wire_template *t, struct batch *b, uint32_t first, uint32_t rows,
                      const struct heard *heard, struct account_counts *counts, int64_t *memory)
{
    if (!*known) {
        *known = calloc(1, sizeof **known);
        if (!*known)
            return;
        *memory += (int64_t)sizeof **known;
    }
    for (uint32_t row = first; row < first + rows; row++) {
        struct series *s = series_of(*known, scope_of(t, b, row));
        uint64_t now[STATISTICS_COUNT] = {0};
        bool stated[STATISTICS_COUNT] = {false};
        for (unsigned which = 0; s && which < STATISTICS_COUNT; which++) {
            if (plan->field[which] < 0)
                continue;
            const struct column *c = batch_column_at(b, t->fields[plan->field[which]].column);
            const struct vector v = {.width = c->width, .values = c->values};
            stated[which] = c->width >= 1 && c->width <= 8;
            now[which] = stated[which] ? vector_u64(&v, row) : 0;
        }
        if (s)
            learn_row(s, now, stated, heard, counts);
    }
}

void statistics_free(struct statistics **known, int64_t *memory)
{
    if (*known)
        *memory -= (int64_t)sizeof **known;
    free(*known);
    *known = NULL;
}
