/* weird_sink.h - where a serving weird delivers: its own store, or the DB component of the
 * catalogue.
 *
 * Without the db role, blocks go to the DB component that was added first by URL order (AddCompDB);
 * while there is none, they wait in the spool. What this collector's sequence positions are is kept
 * in its own store, as blocks that carry checkpoints only, so that a restart knows what it missed.
 *
 * Threads: weird_sink_update() by any; the sink itself by the collector's sender. */
#ifndef WEIR_WEIRD_SINK_H
#define WEIR_WEIRD_SINK_H

#include "flow/sink.h"
#include "store.h"
#include <stdbool.h>

struct weird_sink;
/* `local`: deliver into `store`. The store must outlive the sink. NULL: no memory. */
struct weird_sink *weird_sink_new(struct store *store, bool local);
struct sink weird_sink_of(struct weird_sink *w);
/* Takes the DB components of the catalogue from now on. */
void weird_sink_update(struct weird_sink *w, const struct catalogue *catalogue);
/* Whoever waits for a remote DB component gives up soon. */
void weird_sink_stop(struct weird_sink *w);
void weird_sink_free(struct weird_sink *w);

#endif
