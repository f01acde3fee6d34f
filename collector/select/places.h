/* places.h - observation domains and points, compiled for look-ups: which policy a record's domain
 * has (flow/selection.h, enum policy_scope, says how it is found), and which role the interface has
 * where it was metered.
 *
 * Threads: read-only once made. */
#ifndef WEIR_COLLECTOR_PLACES_H
#define WEIR_COLLECTOR_PLACES_H

#include "flow/batch.h"
#include "flow/source.h"
#include "select/policy.h"

struct places;
/* `policies` are those of the snapshot, compiled, in its order; behind them there is room for
 * places_policies_most(), and *policy_count grows by those that were put there: for devices whose
 * domains have several. */
enum weir_status places_new(const struct catalogue_snapshot *snapshot, struct policy *policies,
                            size_t *policy_count, struct places **out, struct weir_error *error);
size_t places_policies_most(const struct catalogue_snapshot *snapshot);
void places_free(struct places *p);

/* For every row: its policy, place + 1, into policies[row] (left alone where there is none, or an
 * exception), and, of flow records, WEIR_OBSERVATION_ROLE where its point is described. */
void places_mark(const struct places *p, struct batch *b, uint16_t *policies);

#endif
