/* shapes_db.h - shapes of the types of db.wsdl, and what every answer says about itself. Include
 * after dbStub.h: the collector's generated types have the same names. */
#ifndef WEIR_CLIENT_SHAPES_DB_H
#define WEIR_CLIENT_SHAPES_DB_H

#include "weir/shape.h"

struct wt__Account;

extern const struct shape shape_account, shape_counters, shape_coverage, shape_loss, shape_sampling,
    shape_counts, shape_service, shape_store;

/* "complete", "LOSSY" or "unknown" as tables show it. */
const char *loss_text(unsigned state);

/* Notes below a sheet: interval, loss (each lossy exporter by name), sampling, policy, source. */
void account_notes(struct report *r, const struct wt__Account *a);

/* Per cent of what was sent that is missing; negative when nothing was. */
double percent_missing(uint64_t missing, uint64_t received);

#endif
