/* fault.h - from a failure to the typed fault a client sees.
 *
 * A handler returns fault_error() (or fault_missing()); everything that gSOAP itself refuses
 * (syntax, types, missing elements, unknown operations) is turned into the same typed fault by
 * fault_from_engine().
 *
 * Threads: a struct soap belongs to one thread. */
#ifndef WEIR_FAULT_H
#define WEIR_FAULT_H

#include "base/status.h"
#include <stdbool.h>

struct soap;

/* How a status is told: the code of wt:FaultCode, whether the caller is to blame, whether to try
 * again. */
struct fault_kind {
    enum weir_status status;
    const char *code;
    bool sender, retryable;
};
const struct fault_kind *fault_kind_of(enum weir_status status); /* never NULL */
/* The status a client makes of a fault's code; WEIR_EINTERNAL for one it does not know. */
enum weir_status fault_status_of(const char *code);

/* Each returns SOAP_FAULT (or SOAP_EOM) for a handler to return. */
int fault_error(struct soap *soap, const struct weir_error *error);
int fault_missing(struct soap *soap, const char *field);
int fault_make(struct soap *soap, enum weir_status status, const char *field, const char *format,
               ...) __attribute__((format(printf, 4, 5)));
/* Makes soap->error, which gSOAP set while reading a request, a typed fault. */
void fault_from_engine(struct soap *soap);

/* Replaces what XML can not hold (control characters, broken UTF-8) by '?'. */
void fault_clean(char *text);

#endif
