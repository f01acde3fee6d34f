/* answer.h - what the store answers, as the contract's types. Memory is the request's
 * (soap_malloc); the store's answer may be freed afterwards. Results are SOAP_OK, or a fault for
 * the handler to return.
 *
 * The wt__ types are those of schemas/xsd/weir-types.xsd, generated alike for every service.
 *
 * Threads: as of the struct soap, one at a time. */
#ifndef WEIR_ANSWER_H
#define WEIR_ANSWER_H

#include "store.h"

struct soap;
struct wt__Account;
struct wt__ServiceStatus;
struct wt__Totals;
struct _db__AggregateResponse;

#define ANSWER_COVERAGE_MOST 1000u /* rows of coverage in an answer that is not about coverage */

/* `counters`: every coverage row, with all its counters (GetAccount); else the first
 * ANSWER_COVERAGE_MOST, without; wt__Account's `exporters` says how many there are. */
int answer_account(struct soap *soap, const struct answer_account *from, bool counters,
                   struct wt__Account **out);
/* The sums of the first row (zero when there is none) and the account. */
int answer_totals(struct soap *soap, const struct totals *from, struct wt__Totals *out);
/* Rows, percentiles and the account; `bins`: rows have times. No limit but memory: how many rows an
 * answer may have is the caller's care. */
int answer_rows(struct soap *soap, const struct totals *from, bool bins,
                struct _db__AggregateResponse *out);
/* Of the server that answers: version, clock and counters. */
int answer_service_status(struct soap *soap, struct wt__ServiceStatus **out);

#endif
