/* rollups.h - sums by minute, exporter, domain, tags, protocol and sampling, in memory.
 *
 * A hash table of groups: blocks are added a frame at a time, stored segments a group at a time,
 * with a sign, so that the same table rolls up (+), compares (recomputed - stored is zero
 * everywhere) and changes tags (- old + new). Sums are wider than the counters that they add, and
 * never stop or wrap: what was added and taken away again leaves exactly zero, and what exceeds a
 * u64 is only capped where it is given out (rollup_counts()), as sums of scans are.
 *
 *   contexts  exporter, domain, rate, origin, role, policy: few; a group names its context by its
 *             number
 *   groups    dense, in order of first sight
 *   slots     hash -> index of group + 1
 *
 * What has more groups than memory is for is summed part by part (rollups_take_part()): each time
 * over all of it, and a table takes the keys of one part only.
 *
 * Threads: a table belongs to one thread. */
#ifndef WEIR_DB_ROLLUPS_H
#define WEIR_DB_ROLLUPS_H

#include "store/container.h"

#define PERIOD_MS (60 * MINUTE_MS) /* a segment's hour */
static inline int64_t period_of(int64_t t_ms)
{
    int64_t r = t_ms % PERIOD_MS;
    return t_ms - (r < 0 ? r + PERIOD_MS : r);
}

struct rollup_context {
    struct address exporter;
    uint64_t rate_bits; /* of the double */
    uint32_t domain;
    uint8_t origin;
    uint8_t role;          /* enum observation_role */
    uint8_t policy_length; /* 0: none */
    const char *policy;    /* WEIR_ANONYMISATION, cut to what fits; only a table's own contexts have
                              a '\0' behind it. Contexts are many when exporters are: not an
                              array */
};
/* Lends `text` to the context. */
void rollup_context_policy(struct rollup_context *c, const char *text, size_t length);

struct rollup_group {
    int64_t minute_ms;
    uint64_t tags;  /* source << 32 | destination */
    uint64_t place; /* context << 33 | has protocol << 32 | protocol */
    struct counts counts; /* modulo 2^64 */
    struct rollup_carries { /* times 2^64; below 0 in a difference that is */
        int64_t octets, packets, flows;
    } carries;
};
#define GROUP_PLACE(context, has, protocol)                                                        \
    ((uint64_t)(context) << 33 | (uint64_t)(has) << 32 | (uint32_t)(protocol))

struct rollups;
struct rollups *rollups_new(void); /* NULL when memory ends */
void rollups_free(struct rollups *r);
void rollups_clear(struct rollups *r); /* memory kept, but for that of very many groups */
/* Clears; until the next rollups_clear() the table passes over groups of stored segments and of
 * other tables whose keys are not of the part: 0 to parts - 1. A key is of one part, by its hash,
 * whatever table it comes to; parts are about as large as each other. */
void rollups_take_part(struct rollups *r, uint32_t part, uint32_t parts);

/* The elements that rollups_add_frame() reads. */
extern const ie_key rollup_keys[];
extern const size_t rollup_key_count;

/* Adds (sign 1) or takes away (sign -1) every row of the frame. Elements the frame lacks read as
 * zero. `a` is scratch. WEIR_EMALFORMED when an element has a width that it can not have, or rows
 * have no WEIR_FLOW_END; WEIR_ENOMEM. After an error the table is of no use until rollups_clear().
 */
enum weir_status rollups_add_frame(struct rollups *r, const struct frame *f, int sign,
                                   struct arena *a, struct weir_error *error);
/* The number of a context, made if need be (with a policy of its own); false: no memory. */
bool rollups_context(struct rollups *r, const struct rollup_context *c, uint32_t *number);
/* Adds one group's sums, sign 1, or takes them away, -1; its place has this table's context number.
 * False: no memory. */
bool rollups_add(struct rollups *r, const struct rollup_group *g, int sign);
/* Is the group, whose context this is, of the part that the table takes? */
bool rollups_takes(const struct rollups *r, const struct rollup_context *c,
                   const struct rollup_group *g);
/* Adds those groups of another table that this one takes. False: no memory. */
bool rollups_join(struct rollups *r, const struct rollups *of, const struct rollup_group *groups,
                  size_t count, int sign);

/* Sorts by minute, context, tags, protocol; groups whose counts are all zero are dropped. Nothing
 * may be added before the next rollups_clear(). The groups stay the table's. */
const struct rollup_group *rollups_sorted(struct rollups *r, size_t *count);
/* The same in another order: as qsort() compares two struct rollup_group. */
typedef int rollup_order(const void *left, const void *right);
const struct rollup_group *rollups_sorted_by(struct rollups *r, rollup_order *compare,
                                             size_t *count);
size_t rollups_count(const struct rollups *r);
const struct rollup_context *rollups_context_at(const struct rollups *r, uint32_t number);
void rollup_key_fill(struct rollup_key *out, const struct rollup_context *c,
                     const struct rollup_group *g);
/* The group's sums, UINT64_MAX where they exceed it. */
static inline struct counts rollup_counts(const struct rollup_group *g)
{
    return (struct counts){
        .octets = g->carries.octets > 0 ? UINT64_MAX : g->counts.octets,
        .packets = g->carries.packets > 0 ? UINT64_MAX : g->counts.packets,
        .flows = g->carries.flows > 0 ? UINT64_MAX : g->counts.flows,
    };
}

#endif
