/* collector_service.h - what the files with the collector's operations share. Private to this room.
 */
#ifndef WEIR_COLLECTOR_SERVICE_H
#define WEIR_COLLECTOR_SERVICE_H

#include "base/status.h"
#include "store.h"

struct soap;

/* Text that people read: short, and such as XML can give back. NULL is "". */
enum weir_status collector_check_text(const char *text, const char *field,
                                      struct weir_error *error);
/* Every change: made one at a time, then told to whoever uses the catalogue.
 *     struct store *store = collector_change(soap);
 *     return collector_changed(soap, store_…(store, …, &error), &error); */
struct store *collector_change(struct soap *soap);
int collector_changed(struct soap *soap, enum weir_status status, const struct weir_error *error);
/* The catalogue, freed by the caller; or a fault. */
int collector_read_catalogue(struct soap *soap, struct catalogue *catalogue);
/* From the request's memory; NULL when it ends. At least one is made. */
void *collector_zeroed(struct soap *soap, size_t count, size_t size);
/* A copy, or NULL for "". */
char *collector_optional(struct soap *soap, const char *text);

#endif
