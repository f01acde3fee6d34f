/* sequence.c - places messages in an exporter's sequence; the rules and their reasons are in
 * sequence.h. Neighbours: sequence_memory.c remembers, ingest.c asks for each datagram, sessions.c
 * keeps one tracker a session. */
#include "ingest/sequence_private.h"
#include <stdlib.h>
#include <string.h>

#define DOUBTS_ENOUGH 3u
#define FOLLOWED_ENOUGH 8u
#define DOUBTFUL_ENOUGH 8u
#define LATE_MOST_MS 60000  /* a late message is not older than this, rule 5 */
#define CLOCK_SLACK_MS 2000 /* v9 headers round to seconds, on both sides */
#define CLOCK_STEP_MS 5000  /* an exporter that sets its clock by more, at a loss, looks
                               restarted */
#define UNITS_USUAL 30u     /* of a message, when none was heard yet */
#define FORMER_GOES_ON 8u   /* messages within which a run shows that a restart was none */

void sequence_init(struct sequence *s, enum sequence_rule rule)
{
    *s = (struct sequence){.rule = (uint8_t)rule, .protocol_rule = (uint8_t)rule};
}

void sequence_resume(struct sequence *s, const struct account_checkpoint *from)
{
    s->started = true;
    s->next = s->last_sequence = from->next_sequence;
    s->has_up_time = from->sys_up_time_ms != 0;
    s->sys_up_time_ms = from->sys_up_time_ms;
    s->first_export_ms = s->last_export_ms = from->export_ms;
}

void sequence_lose_track(struct sequence *s)
{
    s->desynchronised = s->started;
    s->watch = (struct sequence_watch){0};
    if (s->twin)
        sequence_lose_track(s->twin);
}

void sequence_finish(struct sequence *s, struct sequence_outcome *out)
{
    out->missing += s->held;
    s->held = 0;
    if (s->twin)
        sequence_finish(s->twin, out);
}

/* ---- counting by the session's rule ---- */

static uint32_t position_of(const struct sequence *s, const struct sequence_message *m,
                            uint32_t units)
{
    return s->rule == COUNTS_INCLUSIVE ? m->sequence - units : m->sequence;
}

static void note_time(struct sequence *s, const struct sequence_message *m)
{
    if (m->export_ms > s->last_export_ms || s->arrivals == 0)
        s->last_export_ms = m->export_ms;
    s->last_received_ms = m->received_ms;
    s->has_up_time = m->has_up_time;
    s->sys_up_time_ms = m->sys_up_time_ms;
}

/* The message is the newest of its session now. */
static void advance(struct sequence *s, const struct sequence_message *m, uint32_t position,
                    uint32_t units)
{
    s->advanced += position - s->next + units;
    if (m->export_ms < s->first_export_ms) /* and is of the run: the clock was set back */
        s->first_export_ms = m->export_ms;
    if (m->export_ms > s->last_export_ms)
        s->earlier_next = s->next;
    s->next = position + units;
    s->last_sequence = m->sequence;
    s->last_flows = m->flow_records;
    s->last_options = m->option_records;
    s->last_units = units;
    note_time(s, m);
}

static void begin_anew(struct sequence *s, const struct sequence_message *m, uint32_t position,
                       uint32_t units)
{
    s->next = position;
    s->advanced = 0;
    s->first_export_ms = s->last_export_ms = m->export_ms;
    s->has_suspect = false;
    s->restart_arrival = s->arrivals;
    sequence_gaps_forget(s);
    advance(s, m, position, units);
}

/* ---- rule 8: exporters that count something else ---- */

static bool explains(const struct sequence *s, uint8_t rule, const struct sequence_message *m)
{
    uint32_t step = m->sequence - s->last_sequence, records = s->last_flows + s->last_options;
    switch (rule) {
    case COUNTS_RECORDS: return records > 1 && (step == s->last_flows || step == records);
    case COUNTS_FLOWS:
        return s->protocol_rule == COUNTS_DATAGRAMS && step > 1 && step <= records;
    case COUNTS_DATAGRAMS: return step == 1 && s->last_units > 1;
    case COUNTS_INCLUSIVE: /* 0 again, without a record: a new beginning */
        return step == m->flow_records && (step || m->sequence);
    default: return step == 0 && s->last_units && (m->flow_records || m->option_records);
    }
}

/* Which other rule explains the step from the last message exactly; protocol_rule when none
 * does. */
static uint8_t other_explanation(const struct sequence *s, const struct sequence_message *m)
{
    static const uint8_t order[] = {COUNTS_DATAGRAMS, COUNTS_RECORDS, COUNTS_NOTHING,
                                    COUNTS_INCLUSIVE, COUNTS_FLOWS};
    for (size_t i = 0; i < sizeof order; i++)
        if (order[i] != s->protocol_rule && !(s->refuted >> order[i] & 1) &&
            explains(s, order[i], m))
            return order[i];
    return s->protocol_rule;
}

/* Could a session that counts by this rule have taken this step, with nothing lost? */
static bool allows(const struct sequence *s, uint8_t rule, const struct sequence_message *m)
{
    uint32_t step = m->sequence - s->last_sequence, records = s->last_flows + s->last_options;
    switch (rule) {
    case COUNTS_RECORDS: return step == s->last_flows || step == records;
    case COUNTS_FLOWS: return records > 1 ? step > 1 && step <= records : step <= records;
    case COUNTS_DATAGRAMS: return step == 1;
    case COUNTS_INCLUSIVE: return step == m->flow_records;
    default: return step == 0;
    }
}

/* The message came where it was expected: rules by which it could not are not the session's. */
static void prove(struct sequence *s, const struct sequence_message *m,
                  struct sequence_outcome *out)
{
    if (s->proven || s->arrivals == 0)
        return;
    bool all = true;
    for (uint8_t rule = COUNTS_RECORDS; rule <= COUNTS_FLOWS; rule++) {
        if (!allows(s, rule, m))
            s->refuted |= (uint8_t)(1u << rule);
        bool applies = rule != s->protocol_rule &&
                       (rule != COUNTS_FLOWS || s->protocol_rule == COUNTS_DATAGRAMS);
        all = all && (!applies || s->refuted >> rule & 1);
    }
    if (!all && (!s->held || ++s->followed < FOLLOWED_ENOUGH))
        return;
    s->proven = true;
    out->missing += s->held;
    s->held = 0;
    s->doubts = 0;
}

static void convert(struct sequence *s, const struct sequence_message *m, uint8_t rule,
                    struct sequence_outcome *out)
{
    s->rule = rule;
    out->unknown_gaps += rule == COUNTS_NOTHING;
    s->proven = true;
    s->given_up += s->held;
    s->held = 0;
    sequence_gaps_set_aside(s);
    uint32_t units = sequence_units_by(s, s->rule, m->flow_records, m->option_records);
    begin_anew(s, m, position_of(s, m, units), units);
}

/* True when the message is explained by another rule, and held back. */
static bool doubt(struct sequence *s, const struct sequence_message *m, uint32_t units,
                  struct sequence_outcome *out)
{
    if (s->proven)
        return false;
    uint8_t rule = other_explanation(s, m);
    if (rule == s->protocol_rule)
        return false;
    s->doubts = s->doubt_rule == rule ? (uint8_t)(s->doubts + 1) : 1;
    s->doubt_rule = rule;
    s->followed = 0;
    s->doubtful++;
    int32_t ahead = ahead_of(m->sequence, s->next);
    if (ahead > 0) {
        s->held += (uint32_t)ahead;
        sequence_gap_open(s, m, s->next, (uint32_t)ahead, true);
    }
    if (s->doubts >= DOUBTS_ENOUGH && rule != COUNTS_FLOWS)
        convert(s, m, rule, out);
    else if (s->doubtful >= DOUBTFUL_ENOUGH)
        convert(s, m, COUNTS_NOTHING, out);
    else
        advance(s, m, m->sequence, units);
    return true;
}

/* Did chance make the session be counted by another rule? This message says so: it was exported
 * after all others, lies behind what that rule has reached, and where the protocol's rule expects
 * it. */
static bool take_back(struct sequence *s, const struct sequence_message *m,
                      struct sequence_outcome *out)
{
    uint32_t units = sequence_units_by(s, s->rule, m->flow_records, m->option_records);
    if (s->rule == s->protocol_rule || m->export_ms < s->last_export_ms ||
        ahead_of(position_of(s, m, units), s->next) >= 0 || !allows(s, s->protocol_rule, m) ||
        allows(s, s->rule, m))
        return false;
    s->refuted |= (uint8_t)(1u << s->rule);
    s->rule = s->protocol_rule;
    s->proven = false;
    s->doubts = s->doubtful = s->followed = 0;
    out->missing += s->given_up;
    out->unknown_gaps++;
    s->given_up = 0;
    begin_anew(s, m, m->sequence,
               sequence_units_by(s, s->rule, m->flow_records, m->option_records));
    sequence_gaps_take_back(s);
    return true;
}

/* Options records that the exporter leaves out of its count: only that explains this step. */
static bool options_left_out(struct sequence *s, const struct sequence_message *m)
{
    if (s->rule != COUNTS_RECORDS || s->options_uncounted || !s->last_options ||
        m->sequence - s->last_sequence != s->last_flows)
        return false;
    s->options_uncounted = true;
    return true;
}

/* ---- rules 5 and 6 ---- */

static void restart(struct sequence *s, const struct sequence_message *m, uint32_t position,
                    uint32_t units, struct sequence_outcome *out)
{
    out->restarts++;
    out->unknown_gaps++;
    s->has_former = true;
    s->former = s->next;
    s->former_arrival = s->arrivals;
    s->from_zero = position == 0;
    sequence_gaps_end(s);
    begin_anew(s, m, position, units);
}

static bool restarted_by_up_time(const struct sequence *s, const struct sequence_message *m)
{
    if (!s->has_up_time || !m->has_up_time)
        return false;
    int32_t up = ahead_of(m->sys_up_time_ms, s->sys_up_time_ms);
    int64_t later = m->export_ms - s->last_export_ms - up; /* by this its start moved */
    return later > (up < 0 ? CLOCK_SLACK_MS : CLOCK_STEP_MS);
}

static uint64_t reasonable(const struct sequence *s, const struct sequence_message *m)
{
    int64_t elapsed = m->export_ms - s->last_export_ms;
    if (s->last_received_ms && m->received_ms - s->last_received_ms > elapsed)
        elapsed = m->received_ms - s->last_received_ms;
    uint64_t seconds = elapsed > 0 ? (uint64_t)elapsed / 1000 + 2 : 2;
    int64_t lived = s->last_export_ms - s->first_export_ms;
    uint64_t rate = s->advanced / (lived > 1000 ? (uint64_t)lived / 1000 : 1) * 64;
    if (rate < 100000)
        rate = 100000;
    uint64_t most = seconds < INT32_MAX / rate ? (UINT64_C(1) << 20) + seconds * rate : INT32_MAX;
    return most < INT32_MAX ? most : INT32_MAX;
}

/* Keeps the old place until the next message tells which one goes on, rule 5d. */
static void suspect(struct sequence *s, const struct sequence_message *m, uint32_t position,
                    uint32_t units, bool ahead)
{
    s->has_suspect = true;
    s->suspect_foreign = false;
    s->suspect_ahead = ahead;
    s->suspect = *m;
    s->suspect_position = position;
    s->suspect_units = units;
}

/* What lies between the place expected and this message is missing. */
static void take_ahead(struct sequence *s, const struct sequence_message *m, uint32_t position,
                       uint32_t units, struct sequence_outcome *out)
{
    uint32_t gap = position - s->next;
    out->missing += gap;
    if (gap)
        sequence_gap_open(s, m, s->next, gap, false);
    advance(s, m, position, units);
}

/* Decides a suspicion: the message at `position` lies nearer to the suspected place, or to the old
 * one; but what lies behind the old one and was exported later is not late, and what was exported
 * since the run began goes on from nothing before. It is placed afterwards as any other. */
static void decide(struct sequence *s, const struct sequence_message *m, uint32_t position,
                   struct sequence_outcome *out)
{
    int64_t from_suspect = ahead_of(position, s->suspect_position + s->suspect_units);
    int64_t from_old = ahead_of(position, s->next);
    s->has_suspect = false;
    bool new_behind = from_old < 0 && from_suspect >= 0 && m->export_ms > s->last_export_ms;
    bool run_goes_on = s->suspect.export_ms < s->first_export_ms &&
                       m->export_ms >= s->first_export_ms; /* the clock was not set back */
    if (run_goes_on || (llabs(from_suspect) >= llabs(from_old) && !new_behind)) {
        out->reordered++; /* the suspect was a stray */
        out->unknown_gaps += s->suspect_foreign;
        return;
    }
    if (s->suspect_ahead) {
        out->unknown_gaps++;
        begin_anew(s, &s->suspect, s->suspect_position, s->suspect_units);
    } else {
        restart(s, &s->suspect, s->suspect_position, s->suspect_units, out);
    }
    s->restart_arrival = s->arrivals - 1; /* the suspect is of the new run */
}

/* Does sysUpTime say that the message belongs to the run that is going on? */
static bool up_time_goes_on(const struct sequence *s, const struct sequence_message *m)
{
    int64_t drift = m->export_ms - s->last_export_ms -
                    ahead_of(m->sys_up_time_ms, s->sys_up_time_ms);
    return s->has_up_time && m->has_up_time && llabs(drift) <= CLOCK_SLACK_MS;
}

/* What was missing has come late; or was held back, and so never counted as missing. */
static void fill_gap(struct sequence *s, struct sequence_gap *gap, uint32_t units,
                     struct sequence_outcome *out)
{
    gap->left -= units;
    if (gap->held && s->held >= units)
        s->held -= units;
    else
        out->recovered += units;
}

/* Messages of the run before a restart that still arrive, or go on. True when it was one. */
static bool former_run(struct sequence *s, const struct sequence_message *m, uint32_t position,
                       uint32_t units, struct sequence_outcome *out)
{
    if (s->has_former && s->arrivals - s->former_arrival > SEQUENCE_WINDOW)
        s->has_former = false;
    int64_t from_former = ahead_of(position, s->former), from_next = ahead_of(position, s->next);
    int64_t near = sequence_near_most(s);
    if (!s->has_former || llabs(from_former) > near || llabs(from_next) <= llabs(from_former) ||
        up_time_goes_on(s, m) ||
        (m->export_ms >= s->first_export_ms && sequence_gap_at(s, m, position, units, GAP_OF_RUN)))
        return false;
    /* A late message was exported before the restart. One that goes on from the old place tells
     * that the restart was none, and does so soon: a new run that passes the old place does not,
     * and one that began at exactly 0 was a restart. */
    if (from_former < 0 && m->export_ms <= s->first_export_ms) {
        struct sequence_gap *gap = sequence_gap_at(s, m, position, units, GAP_OF_FORMER);
        if (gap)
            fill_gap(s, gap, units, out);
        out->reordered++;
        return true;
    }
    uint32_t since = s->arrivals - s->restart_arrival;
    if (s->from_zero || from_former < 0 || m->export_ms < s->last_export_ms ||
        since > FORMER_GOES_ON || (since > 2 && from_former != 0))
        return false;
    out->unknown_gaps++;
    uint32_t other = s->next;
    begin_anew(s, m, position, units);
    sequence_gaps_go_on(s);
    s->former = other;
    s->former_arrival = s->arrivals;
    return true;
}

/* ---- placing a message that is not where it was expected ---- */

/* Exported before the run began: a late one of an earlier run, or the exporter's clock was set
 * back. What sysUpTime says is of this run, is. */
static bool is_older_than_run(const struct sequence *s, const struct sequence_message *m)
{
    return m->export_ms < s->first_export_ms && !up_time_goes_on(s, m);
}

static void place_ahead(struct sequence *s, const struct sequence_message *m, uint32_t position,
                        uint32_t units, struct sequence_outcome *out)
{
    uint32_t gap = position - s->next;
    if (position == 0 && gap > FORMER_GOES_ON * (s->units_most ? s->units_most : UNITS_USUAL)) {
        restart(s, m, position, units, out);
    } else if (gap > reasonable(s, m) || is_older_than_run(s, m)) {
        suspect(s, m, position, units, true);
    } else {
        s->doubts = 0;
        take_ahead(s, m, position, units, out);
    }
}

/* Exported no earlier than the newest message, and behind what the run had reached before that
 * one's second: of this run it can not be, however late. */
static bool is_foreign(const struct sequence *s, const struct sequence_message *m,
                       uint32_t position)
{
    return m->export_ms >= s->last_export_ms && s->last_export_ms > s->first_export_ms &&
           ahead_of(position, s->earlier_next) < 0;
}

/* Rule 8: late, and of what was held back before another rule was taken. */
static bool was_given_up(struct sequence *s, const struct sequence_message *m)
{
    if (s->rule == s->protocol_rule)
        return false;
    uint32_t units = sequence_units_by(s, s->protocol_rule, m->flow_records, m->option_records);
    struct sequence_gap *gap = sequence_gap_at(s, m, m->sequence, units, GAP_ASIDE);
    if (!gap || !gap->held || s->given_up < units)
        return false;
    gap->left -= units;
    s->given_up -= units;
    return true;
}

static void place_behind(struct sequence *s, const struct sequence_message *m, uint32_t position,
                         uint32_t units, struct sequence_outcome *out)
{
    struct sequence_gap *gap = sequence_gap_at(s, m, position, units, GAP_OF_RUN);
    if (gap) {
        fill_gap(s, gap, units, out);
        out->reordered++;
    } else if (was_given_up(s, m) || sequence_span_take_late(s, position, units)) {
        out->reordered++;
    } else if (m->export_ms > s->last_export_ms || (position == 0 && is_foreign(s, m, position))) {
        restart(s, m, position, units, out);
    } else if (m->export_ms == s->last_export_ms || sequence_conflicts(s, m->sequence, units) ||
               m->export_ms < s->last_export_ms - LATE_MOST_MS) {
        suspect(s, m, position, units, false);
        s->suspect_foreign = is_foreign(s, m, position);
    } else {
        out->reordered++;
    }
}

static void place(struct sequence *s, const struct sequence_message *m, uint32_t position,
                  uint32_t units, struct sequence_outcome *out)
{
    if (s->has_suspect)
        decide(s, m, position, out);
    if (position == s->next && (position != 0 || !restarted_by_up_time(s, m))) {
        prove(s, m, out);
        advance(s, m, position, units);
    } else if (options_left_out(s, m)) {
        advance(s, m, m->sequence,
                sequence_units_by(s, s->rule, m->flow_records, m->option_records));
    } else if (restarted_by_up_time(s, m)) {
        restart(s, m, position, units, out);
    } else if (!doubt(s, m, units, out) && !former_run(s, m, position, units, out)) {
        if (ahead_of(position, s->next) > 0)
            place_ahead(s, m, position, units, out);
        else
            place_behind(s, m, position, units, out);
    }
}

/* The message behind an open span ends it; the place in between is the span's to explain. */
static bool place_after_span(struct sequence *s, const struct sequence_message *m,
                             uint32_t position, uint32_t units, struct sequence_outcome *out)
{
    struct sequence_span *span = sequence_span_open_one(s);
    if (!span || ahead_of(position, s->next) < 0 || restarted_by_up_time(s, m) ||
        (position != s->next && is_older_than_run(s, m)) || position - s->next > reasonable(s, m))
        return false;
    sequence_span_close(s, span, position);
    sequence_span_finish(span, out);
    s->next = position;
    advance(s, m, position, units);
    return true;
}

static uint32_t account_one(struct sequence *s, const struct sequence_message *m,
                            struct sequence_outcome *out)
{
    *out = (struct sequence_outcome){0};
    uint32_t token = 0, units = sequence_units_by(s, s->rule, m->flow_records, m->option_records);
    uint32_t position = position_of(s, m, units);
    if (!s->started) {
        s->started = true;
        out->unknown_gaps += s->rule == COUNTS_NOTHING;
        begin_anew(s, m, position, units);
    } else if (s->desynchronised) {
        s->desynchronised = false;
        out->unknown_gaps++;
        begin_anew(s, m, position, units);
    } else if (s->rule == COUNTS_NOTHING) {
        out->unknown_gaps += m->export_ms / 60000 != s->last_export_ms / 60000;
        note_time(s, m);
    } else if (!take_back(s, m, out) && !place_after_span(s, m, position, units, out)) {
        place(s, m, position, units, out);
    }
    units = sequence_units_by(s, s->rule, m->flow_records, m->option_records);
    if (m->unknown_octets && s->rule == COUNTS_RECORDS && s->next == m->sequence + units)
        token = sequence_span_start(s, m, m->sequence, units, out);
    sequence_remember(s, m, units);
    if (out->restarts)
        sequence_spans_forget(s, out);
    return token;
}

uint32_t sequence_account(struct sequence *s, const struct sequence_message *m,
                          struct sequence_outcome *out)
{
    struct sequence *whose = sequence_whose(s, m);
    uint32_t token = account_one(whose, m, out);
    if (!s->twin)
        sequence_watch_runs(s, m, out);
    return whose == s || !token ? token : token | TWIN_TOKEN;
}
