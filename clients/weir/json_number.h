/* json_number.h - is a text a number as JSON writes it (RFC 8259 section 6)? Narrower than the
 * schema types it comes from: no "+1", "007", ".5", "INF". Pure; any thread. */
#ifndef WEIR_CLIENT_JSON_NUMBER_H
#define WEIR_CLIENT_JSON_NUMBER_H

#include <stdbool.h>

bool json_is_number(const char *text);

#endif
