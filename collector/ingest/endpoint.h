/* endpoint.h - transport addresses as text, sockets and struct address. Pure but for binding; any thread. */
#ifndef WEIR_COLLECTOR_ENDPOINT_H
#define WEIR_COLLECTOR_ENDPOINT_H

#include "base/address.h"
#include "base/status.h"
#include <sys/socket.h>

/* Binds a non-blocking UDP socket to "ADDRESS:PORT", "[v6]:PORT" or "*:PORT" (every address of both
 * families). *fd is the caller's. WEIR_ESYNTAX, WEIR_EDENIED, WEIR_EBUSY (in use), WEIR_EIO: field is `where`. */
enum weir_status endpoint_bind_udp(const char *where, int *fd, uint16_t *port,
                                   struct weir_error *error);
/* Port in host order. A family that is neither IPv4 nor IPv6 gives "::" and 0. */
void endpoint_address(const struct sockaddr *from, struct address *address, uint16_t *port);

#endif
