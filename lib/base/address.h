/* address.h - IP addresses as 16 octets in NETWORK BYTE ORDER. An IPv4 address is its IPv4-mapped
 * form ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so both families share one shape and one order.
 * Pure functions; any thread. */
#ifndef WEIR_BASE_ADDRESS_H
#define WEIR_BASE_ADDRESS_H

#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

struct address {
    uint8_t octets[16];
};

struct prefix {
    struct address address; /* host bits are zero */
    uint8_t length;         /* 0–128; an IPv4 prefix a.b.c.d/n has length 96 + n */
};

#define ADDRESS_TEXT_SIZE 46
#define PREFIX_TEXT_SIZE 50

struct address address_from_ipv4(uint32_t host_order);
bool address_is_ipv4(const struct address *a);
uint32_t address_ipv4(const struct address *a); /* HOST ORDER; only when address_is_ipv4() */
/* "192.0.2.1" or "2001:db8::1" (RFC 5952); returns `out`. */
char *address_print(const struct address *a, char out[ADDRESS_TEXT_SIZE]);
char *prefix_print(const struct prefix *p, char out[PREFIX_TEXT_SIZE]);
/* WEIR_ESYNTAX with `field` named. */
enum weir_status address_parse(const char *text, const char *field, struct address *out,
                               struct weir_error *error);
/* "10.1.0.0/16", "2001:db8::/32", or an address alone (host route). Host bits that are set are an
 * error that shows the prefix that was probably meant. */
enum weir_status prefix_parse(const char *text, const char *field, struct prefix *out,
                              struct weir_error *error);

#endif
