/* aggregate.h - records that agree become one, within a batch.
 *
 * Two records agree when they have the same values of the named keys, and of what roll-ups and
 * answers tell records apart by: exporter, domain, minute of the flow's end, tags, sampling rate
 * and its origin, role of the observation point, policy of anonymisation. So totals by any of
 * these, by minute, once or estimated are exactly what they would have been.
 *
 * The one that is left has the keys; the sums of all delta counters (Weir's octets and packets are
 * among them); the earliest start, the latest end and export time, the least trusted origin of its
 * time; and WEIR_FLOW_COUNT, the number of records it stands for, which totals count as its flows.
 * Everything else is gone.
 *
 * Threads: pure but for its arguments. */
#ifndef WEIR_COLLECTOR_AGGREGATE_H
#define WEIR_COLLECTOR_AGGREGATE_H

#include "base/arena.h"
#include "flow/batch.h"

/* Of the rows whose bits are set in `rows`, one of each kind stays; the bits of the others are
 * cleared in `keep`. `seed` is secret: who sends flows must not choose collisions. Scratch memory
 * comes from `a`. WEIR_ENOMEM, WEIR_ELIMIT (no room for a
 * column): nothing was changed. */
enum weir_status aggregate_rows(struct batch *b, const uint64_t *rows, const ie_key *keys,
                                size_t key_count, uint64_t seed, struct arena *a, uint64_t *keep);

#endif
