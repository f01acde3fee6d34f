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
 * cards of one router use several.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_SAMPLING_H
#define WEIR_COLLECTOR_SAMPLING_H

#include "wire/template.h"

#define SAMPLERS_MOST 1024u /* of one exporter and domain; further ones are not remembered */

enum sampler_kind { SAMPLER_ID, SAMPLER_SELECTOR, SAMPLER_INTERFACE };
struct sampler {
    uint64_t id;
    double rate;
    enum sampler_kind kind;
};
struct samplers {
    double rate;             /* of everything that has no sampler of its own; 0 unknown */
    struct sampler *list;
    uint32_t count, room;
    uint64_t system_init_ms; /* IE 160 of options data; 0 unknown. Learned like sampling */
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
/* Learns from rows of options records. */
void sampling_learn(struct samplers *known, const struct sampling_plan *plan,
                    const struct wire_template *t, struct batch *b, uint32_t first, uint32_t rows);
void samplers_free(struct samplers *known); /* its memory, not the struct */

#endif
