/* sequence_twin.c - two exporters behind one address, port and observation domain (rule 10 of
 * sequence.h). Neighbours: sequence.c asks which tracker a message belongs to, and lets this watch
 * until there are two. */
#include "ingest/sequence_private.h"
#include <stdlib.h>

#define EVIDENCE_ENOUGH 3u /* of each of the two */
#define BOOTS_DIFFER_MS 2000

/* When the exporter of the run started, by its clock: two devices differ. */
static int64_t boot_of(int64_t export_ms, uint32_t sys_up_time_ms)
{
    return export_ms - (int64_t)sys_up_time_ms;
}

static struct sequence_run *run_of(struct sequence_watch *w, uint32_t position)
{
    for (unsigned i = 0; i < 2; i++)
        if (w->runs[i].used && w->runs[i].next == position)
            return &w->runs[i];
    return NULL;
}

static void note_message(struct sequence_run *run, const struct sequence_message *m,
                         uint32_t position, uint32_t units)
{
    run->next = position + units;
    run->export_ms = m->export_ms;
    run->sys_up_time_ms = m->has_up_time ? m->sys_up_time_ms : 0;
}

/* A run that goes on, exported after the other began, is no late message; when both do so again and
 * again, there are two. */
static void continue_run(struct sequence_watch *w, struct sequence_run *run,
                         const struct sequence_message *m, uint32_t units,
                         const struct sequence_outcome *out)
{
    struct sequence_run *other = &w->runs[run == &w->runs[0]];
    bool crossed = w->last != (uint8_t)(run - w->runs) && other->used;
    if (crossed && units && m->export_ms > other->began_ms && run->evidence < UINT8_MAX)
        run->evidence++;
    /* Nothing is missing where a run goes on, whatever the one tracker made of it. */
    w->spurious += (int64_t)out->missing - (int64_t)out->recovered;
    note_message(run, m, run->next, units);
    w->last = (uint8_t)(run - w->runs);
}

static void begin_run(struct sequence_watch *w, const struct sequence_message *m, uint32_t position,
                      uint32_t units, const struct sequence_outcome *out)
{
    uint8_t which = w->runs[0].used ? !w->last : 0;
    if (w->runs[which].used && w->runs[!which].evidence == 0)
        w->spurious = 0; /* of what was no second run */
    if (w->runs[!which].used)
        w->spurious += (int64_t)out->missing - (int64_t)out->recovered;
    w->runs[which] = (struct sequence_run){.used = true, .began_ms = m->export_ms};
    note_message(&w->runs[which], m, position, units);
    w->last = which;
}

static void go_on_with(struct sequence *s, const struct sequence_run *run)
{
    const struct account_checkpoint here = {.next_sequence = run->next,
                                            .sys_up_time_ms = run->sys_up_time_ms,
                                            .export_ms = run->export_ms};
    s->desynchronised = s->has_suspect = s->has_former = false;
    s->proven = true;
    s->held = 0;
    sequence_resume(s, &here);
}

static void part(struct sequence *s, struct sequence_outcome *out)
{
    struct sequence *twin = calloc(1, sizeof *twin);
    if (!twin)
        return;
    sequence_init(twin, (enum sequence_rule)s->protocol_rule);
    twin->options_uncounted = s->options_uncounted;
    sequence_gaps_forget(s);
    go_on_with(s, &s->watch.runs[0]);
    go_on_with(twin, &s->watch.runs[1]);
    s->twin = twin;
    out->unknown_gaps++;
    if (s->watch.spurious > 0)
        out->recovered += (uint64_t)s->watch.spurious;
}

void sequence_watch_runs(struct sequence *s, const struct sequence_message *m,
                         struct sequence_outcome *out)
{
    struct sequence_watch *w = &s->watch;
    uint32_t units = sequence_units_by(s, s->rule, m->flow_records, m->option_records);
    if (s->rule != s->protocol_rule || m->unknown_octets)
        return;
    struct sequence_run *run = run_of(w, m->sequence);
    if (run)
        continue_run(w, run, m, units, out);
    else
        begin_run(w, m, m->sequence, units, out);
    if (w->runs[0].evidence >= EVIDENCE_ENOUGH && w->runs[1].evidence >= EVIDENCE_ENOUGH)
        part(s, out);
}

struct sequence *sequence_whose(struct sequence *s, const struct sequence_message *m)
{
    if (!s->twin || m->sequence == s->next)
        return s;
    if (m->sequence == s->twin->next)
        return s->twin;
    if (m->has_up_time) {
        int64_t boot = boot_of(m->export_ms, m->sys_up_time_ms);
        int64_t one = llabs(boot - boot_of(s->last_export_ms, s->sys_up_time_ms));
        int64_t two = llabs(boot - boot_of(s->twin->last_export_ms, s->twin->sys_up_time_ms));
        if (llabs(one - two) > BOOTS_DIFFER_MS)
            return one < two ? s : s->twin;
    }
    int64_t one = ahead_of(m->sequence, s->next), two = ahead_of(m->sequence, s->twin->next);
    return llabs(one) <= llabs(two) ? s : s->twin;
}

void sequence_free(struct sequence *s)
{
    if (s->twin)
        sequence_free(s->twin);
    free(s->twin);
    free(s->heard);
    sequence_extra_free(s);
    s->heard = NULL;
    s->twin = NULL;
}
