/* sequence_private.h - what sequence.c asks of a tracker's memory (sequence_memory.c). */
#ifndef WEIR_COLLECTOR_SEQUENCE_PRIVATE_H
#define WEIR_COLLECTOR_SEQUENCE_PRIVATE_H

#include "ingest/sequence.h"

/* Rule 7: the distance modulo 2^32, behind or ahead. */
static inline int32_t ahead_of(uint32_t position, uint32_t from)
{
    return (int32_t)(position - from);
}

/* What a message counts for by this rule. */
uint32_t sequence_units_by(const struct sequence *s, uint8_t rule, uint32_t flows,
                           uint32_t options);
/* What was heard: the message is one of the last arrivals now. */
void sequence_remember(struct sequence *s, const struct sequence_message *m, uint32_t units);
/* Does something heard since the last restart lie where this message says it lies? Rule 5d. */
bool sequence_conflicts(const struct sequence *s, uint32_t sequence, uint32_t units);
/* How far a window reaches at most. */
uint32_t sequence_near_most(const struct sequence *s);
/* Gaps. `m` is the message that shows the gap, by coming after it. */
void sequence_gap_open(struct sequence *s, const struct sequence_message *m, uint32_t start,
                       uint32_t length, bool held);
void sequence_gaps_forget(struct sequence *s); /* those of the run that goes on */
/* Rule 5: the run has ended; or is the one that goes on after all. */
void sequence_gaps_end(struct sequence *s);
void sequence_gaps_go_on(struct sequence *s);
/* Rule 8: all are set aside while another rule counts; or are again what the protocol's rule found
 * missing. */
void sequence_gaps_set_aside(struct sequence *s);
void sequence_gaps_take_back(struct sequence *s);
void sequence_extra_free(struct sequence *s);
/* The remembered gap that still misses what lies at `position`, or NULL. */
struct sequence_gap *sequence_gap_at(struct sequence *s, const struct sequence_message *m,
                                     uint32_t position, uint32_t units, enum gap_whose whose);
/* Spans of unknown length, rule 9. The open one, or NULL. */
struct sequence_span *sequence_span_open_one(struct sequence *s);
void sequence_span_close(struct sequence *s, struct sequence_span *span, uint32_t end);
/* Settles a span when nothing more can be learned about it. */
void sequence_span_finish(struct sequence_span *span, struct sequence_outcome *out);
void sequence_spans_forget(struct sequence *s, struct sequence_outcome *out);
/* Starts the span of a message that was not decoded wholly; returns its token, or 0. */
uint32_t sequence_span_start(struct sequence *s, const struct sequence_message *m,
                             uint32_t position, uint32_t units, struct sequence_outcome *out);
/* A late message inside a closed span was not missing after all: true. */
bool sequence_span_take_late(struct sequence *s, uint32_t position, uint32_t units);

/* Rule 10. Which tracker a message belongs to: `s` or its twin. */
struct sequence *sequence_whose(struct sequence *s, const struct sequence_message *m);
/* Watches a message that was placed, as long as there is no twin; may make it. */
void sequence_watch_runs(struct sequence *s, const struct sequence_message *m,
                         struct sequence_outcome *out);
#define TWIN_TOKEN UINT32_C(0x80000000) /* tokens of the twin's spans */

#endif
