/* endpoint.h - transport addresses as text, sockets and struct address. Pure but for sockets; any
 * thread. */
#ifndef WEIR_COLLECTOR_ENDPOINT_H
#define WEIR_COLLECTOR_ENDPOINT_H

#include "base/address.h"
#include "base/status.h"
#include <sys/socket.h>

/* Where to listen. */
struct endpoint {
    struct sockaddr_storage address;
    socklen_t length;
};

/* Reads "ADDRESS:PORT", "[v6]:PORT" or "*:PORT" (every address of both families). WEIR_ESYNTAX:
 * field is `where`. */
enum weir_status endpoint_read(const char *where, struct endpoint *out, struct weir_error *error);
uint16_t endpoint_port(const struct endpoint *e); /* host order */
void endpoint_set_port(struct endpoint *e, uint16_t port);

/* A non-blocking socket bound there; *fd is the caller's. `type`: SOCK_DGRAM or SOCK_STREAM (not
 * yet listening). `join`: to an address that another socket of this process holds (SO_REUSEPORT);
 * otherwise the address must be free. WEIR_EDENIED, WEIR_EBUSY (in use), WEIR_EIO: field is
 * `where`. */
enum weir_status endpoint_bind(const struct endpoint *e, int type, bool join, const char *where,
                               int *fd, struct weir_error *error);
uint16_t endpoint_port_of(int fd); /* that a socket is bound to */
/* Port in host order. A family that is neither IPv4 nor IPv6 gives "::" and 0. */
void endpoint_address(const struct sockaddr *from, struct address *address, uint16_t *port);

#endif
