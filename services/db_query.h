/* db_query.h - how handlers of the DB component ask the store: limits, and the slot that a long
 * question takes so that long ones leave workers for the rest.
 *
 * Threads: any; each with its own struct soap. */
#ifndef WEIR_DB_QUERY_H
#define WEIR_DB_QUERY_H

#include "store.h"

struct soap;
/* Fills in the limits of the settings (deadline, memory, threads) and asks; ends the question when
 * its client is gone. SOAP_OK: *out is the caller's to free with totals_free(). Else a fault is
 * set: BadArgument for an empty interval, Overload when too many long questions go on, or what the
 * store says (store_totals()). */
int db_query(struct soap *soap, struct totals_request *request, struct totals *out);

#endif
