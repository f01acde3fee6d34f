/* places.h - observation domains and points, compiled for look-ups: which policy a record's domain
 * has, and which role the interface has where it was metered.
 *
 * Threads: read-only once made. */
#ifndef WEIR_COLLECTOR_PLACES_H
#define WEIR_COLLECTOR_PLACES_H

#include "flow/batch.h"
#include "flow/source.h"

struct places;
/* Policies are known by their place in the snapshot. */
enum weir_status places_new(const struct catalogue_snapshot *snapshot, struct places **out,
                            struct weir_error *error);
void places_free(struct places *p);

/* For every row: its domain's policy, place + 1, into policies[row] (left alone where there is
 * none), and, of flow records, WEIR_OBSERVATION_ROLE where its point is described. */
void places_mark(const struct places *p, struct batch *b, uint16_t *policies);

#endif
