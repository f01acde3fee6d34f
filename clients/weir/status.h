/* status.h - the two halves of `weir status`, a service each: their generated types share names, so
 * each half has a file of its own. */
#ifndef WEIR_CLIENT_STATUS_H
#define WEIR_CLIENT_STATUS_H

#include "weir/session.h"

/* Asks the service; adds its notes to the report and {"service":…,…} to `json`. On failure neither
 * is changed and the error says why. */
enum outcome status_db(struct request *r, struct report *report, struct buffer *json);
enum outcome status_collector(struct request *r, struct report *report, struct buffer *json);

#endif
