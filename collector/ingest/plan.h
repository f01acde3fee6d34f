/* plan.h - what Weir adds to a record (the WEIR elements of ie.h), decided once a template.
 *
 * Times. Of the elements that can tell when a flow ended, the most precise that the record has
 * wins; a zero (for sysUpTime-relative ones: an impossible age) says nothing, and the next is
 * asked:
 *
 *   flowEnd Nanoseconds, Microseconds (NTP timestamps, either era), Milliseconds,
 *   DeltaMicroseconds, SysUpTime, Seconds; then observationTime Nano-, Micro-, Milliseconds,
 *   Seconds
 *
 * SysUpTime needs the moment of boot: export time less the header's sysUpTime (v5, v9), or
 * systemInitTimeMilliseconds in the record or in options data (IPFIX). Differences are
 * modulo 2^32 ms, so the roll-over after 49.7 days is no event. An end more than five minutes
 * after its export is impossible (some exporters mix units), and so is one 24.8 days before it. All
 * other times are held against the message's reception, and so is the message's own (clock.h).
 * The start likewise; one is made from the other where the record has a duration.
 * Without a start, or with one after the end, a flow starts where it ends.
 *
 * Counters. octets: IE 1, else IE 85, else 0. packets: IE 2, else 86, else 0. A record with none of
 * the four counts what its initiator sent, IE 231 and 298. What came back, and RFC 5103's reverse
 * counters, become a row of their own (biflow.h).
 *
 * A record that is a piece of a packet counts one packet and its IP octets (packets.h).
 *
 * Sampling (sampling.h): the record's own statement; else options data; else the v5 header; else
 * the administrator's word; else 0, unknown. */
#ifndef WEIR_COLLECTOR_PLAN_H
#define WEIR_COLLECTOR_PLAN_H

#include "ingest/sampling.h"
#include "ingest/statistics.h"

#define PLAN_TIMES_MOST 10u
#define PLAN_LISTS_MOST 32u /* fields with RFC 6313 lists; more stay plain octets */

struct time_field {
    int16_t field;    /* index in the template */
    uint8_t encoding; /* enum time_encoding, derive.c */
};

struct record_plan {
    int16_t octets, packets; /* field index or -1 */
    int16_t duration_ms, duration_us;
    bool by_initiator; /* octets and packets are the initiator's: biflow.h */
    uint8_t end_count, start_count, list_count;
    uint16_t lists[PLAN_LISTS_MOST];
    int16_t section, exported; /* of a packet, and how much of it is there: packets.h; or -1 */
    uint8_t section_link;      /* enum dissect_link */
    struct time_field ends[PLAN_TIMES_MOST], starts[PLAN_TIMES_MOST];
    struct sampling_plan sampling;
    struct statistics_plan statistics;
};

void record_plan_make(struct record_plan *plan, const struct wire_template *t);

#endif
