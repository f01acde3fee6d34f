/* sampling.h - at which rate an exporter samples: what its options data said, and what a record
 * says.
 *
 * A rate is "one packet in so many"; 0 means that nothing is known. Nothing is assumed: an
 * interval of zero says nothing, and a sampler that was not announced has no rate. Elements read:
 *
 *   34 samplingInterval, 50 samplerRandomInterval       one in so many
 *   305 samplingPacketInterval, 306 samplingPacketSpace  interval taken, then space left out (RFC
 *                                                        5477)
 *   307 samplingTimeInterval, 308 samplingTimeSpace      the same of time
 *   309 samplingSize, 310 samplingPopulation             so many out of so many
 *   311 samplingProbability
 *   48 samplerId, 302 selectorId; 10 and 14 interfaces   what the rate belongs to
 *
 * Options data hold for the exporter and observation domain, whatever port it sends from: line
 * cards of one router use several. They hold until others take their place: exporters that announce
 * their samplers once, when they start, are common.
 *
 * Over a restart of the collector they are kept like templates (recall.h). What an earlier run was
 * told is the exporter's word still, so rates by it have the same origin; but whether it is the
 * same exporter nobody saw, so it ends when it is not repeated for as long as a template may be
 * silent.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_SAMPLING_H
#define WEIR_COLLECTOR_SAMPLING_H

#include "wire/template.h"

#define SAMPLERS_MOST 1024u /* of one exporter and domain; further ones are not remembered */

/* SAMPLER_ALL: everything that has no sampler of its own. SAMPLER_INIT is none: IE 160,
 * systemInitTimeMilliseconds (the id), which options data tell in the same way. */
enum sampler_kind {
    SAMPLER_ID, SAMPLER_SELECTOR, SAMPLER_INTERFACE, SAMPLER_ALL, SAMPLER_INIT, SAMPLER_KINDS
};
struct sampler {
    uint64_t id;
    double rate;
    enum sampler_kind kind;
    bool recalled;    /* told to an earlier run, and not repeated since */
    int64_t heard_ms; /* reception, the last time */
};
struct samplers {
    double rate;             /* SAMPLER_ALL's; 0 unknown */
    uint64_t system_init_ms; /* SAMPLER_INIT's; 0 unknown */
    struct sampler *list;    /* all of them, these two included */
    uint32_t count, room;
    uint32_t named;          /* how many a record can name: those of the first three kinds */
    uint32_t recalled;       /* how many are */
    int64_t oldest_ms;       /* no recalled one was heard before; 0 when there is none */
};

/* The fields of a template that speak of sampling, as field indexes; -1: not there. */
struct sampling_plan {
    int16_t interval, random, packet_interval, packet_space, time_interval, time_space;
    int16_t size, population, probability;
    int16_t sampler, selector, ingress, egress, v9_interface, system_init;
    bool says_rate, names_sampler;
};

void sampling_plan_make(struct sampling_plan *plan, const struct wire_template *t);
/* The rate that the record in `row` of the batch states; 0: none. The template is bound to `b`. */
double sampling_stated(const struct sampling_plan *plan, const struct wire_template *t,
                       struct batch *b, uint32_t row);
/* The rate that options data gave for the record's sampler or interface, else for everything. */
double sampling_known(const struct sampling_plan *plan, const struct wire_template *t,
                      struct batch *b, uint32_t row, const struct samplers *known);
enum sampling_news { SAMPLING_NO_NEWS, SAMPLING_REPEATED, SAMPLING_CHANGED };
/* Learns from rows of options records that were received at `heard_ms`. */
enum sampling_news sampling_learn(struct samplers *known, const struct sampling_plan *plan,
                                  const struct wire_template *t, struct batch *b, uint32_t first,
                                  uint32_t rows, int64_t heard_ms);
/* What an earlier run was told, as far as this one was not told anything else. False: no such
 * sampler can be, or there are too many. */
bool sampling_recall(struct samplers *known, const struct sampler *s);
/* Forgets what is recalled still and was heard before `before_ms`; returns how many. */
uint32_t sampling_forget_recalled(struct samplers *known, int64_t before_ms);
void samplers_free(struct samplers *known); /* its memory, not the struct */

#endif
