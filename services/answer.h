/* answer.h - what the store answers, as the contract's types. Memory is the request's
 * (soap_malloc); the store's answer may be freed afterwards. Results are SOAP_OK, or a fault for
 * the handler to return.
 *
 * The wt__ types are those of schemas/xsd/weir-types.xsd, generated alike for every service. */
#ifndef WEIR_ANSWER_H
#define WEIR_ANSWER_H

#include "store.h"

struct soap;
struct wt__Account;
struct wt__ServiceStatus;
struct wt__Totals;
struct _db__AggregateResponse;

#define ANSWER_COVERAGE_MOST 1000u /* rows of coverage in an answer that is not about coverage */

/* `counters`: every coverage row, with all its counters (GetAccount); else the first rows without.
 */
int answer_account(struct soap *soap, const struct answer_account *from, bool counters,
                   struct wt__Account **out);
int answer_totals(struct soap *soap, const struct totals *from, struct wt__Totals *out);
int answer_rows(struct soap *soap, const struct totals *from, bool bins,
                struct _db__AggregateResponse *out);
int answer_service_status(struct soap *soap, struct wt__ServiceStatus **out);

#endif
