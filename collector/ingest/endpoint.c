/* endpoint.c - see endpoint.h. */
#include "ingest/endpoint.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Splits at the last colon; brackets around an IPv6 address go. */
static bool split(const char *where, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(where, ':');
    if (!colon || colon == where || colon[1] == '\0')
        return false;
    size_t length = (size_t)(colon - where);
    if (where[0] == '[') {
        if (length < 3 || where[length - 1] != ']')
            return false;
        where++;
        length -= 2;
    }
    if (length >= size)
        return false;
    memcpy(host, where, length);
    host[length] = '\0';
    *port = colon + 1;
    return true;
}

enum weir_status endpoint_read(const char *where, struct endpoint *out, struct weir_error *error)
{
    char host[128];
    const char *service;
    struct addrinfo *to;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    if (!split(where, host, sizeof host, &service))
        return weir_fail(error, WEIR_ESYNTAX, where,
                         "'%s' is not ADDRESS:PORT, [IPv6]:PORT or *:PORT", where);
    const char *name = strcmp(host, "*") == 0 ? "::" : host;
    if (getaddrinfo(name, service, &hints, &to) != 0)
        return weir_fail(error, WEIR_ESYNTAX, where,
                         "'%s': expected an IP address and a port number", where);
    memset(out, 0, sizeof *out);
    memcpy(&out->address, to->ai_addr, to->ai_addrlen);
    out->length = to->ai_addrlen;
    freeaddrinfo(to);
    return WEIR_OK;
}

uint16_t endpoint_port(const struct endpoint *e)
{
    struct address ignored;
    uint16_t port;
    endpoint_address((const struct sockaddr *)&e->address, &ignored, &port);
    return port;
}

/* The port stands at the same place in both families (RFC 3493 section 3.3 keeps the shape). */
void endpoint_set_port(struct endpoint *e, uint16_t port)
{
    in_port_t order = htons(port);
    size_t at = e->address.ss_family == AF_INET6 ? offsetof(struct sockaddr_in6, sin6_port)
                                                 : offsetof(struct sockaddr_in, sin_port);
    memcpy((char *)&e->address + at, &order, sizeof order);
}

static void set_options(int fd, int family, int type, bool join)
{
    int on = 1, off = 0;
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (type == SOCK_STREAM) /* connections of an earlier run may still wait for their end */
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (join)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

enum weir_status endpoint_bind(const struct endpoint *e, int type, bool join, const char *where,
                               int *out, struct weir_error *error)
{
    int fd = socket(e->address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return weir_fail(error, WEIR_EIO, where, "%s: no socket: %s", where, strerror(errno));
    set_options(fd, e->address.ss_family, type, join);
    if (bind(fd, (const struct sockaddr *)&e->address, e->length) == 0) {
        *out = fd;
        return WEIR_OK;
    }
    int why = errno;
    close(fd);
    if (why == EADDRINUSE)
        return weir_fail(error, WEIR_EBUSY, where, "%s is in use; choose another port, or 0",
                         where);
    return weir_fail(error, why == EACCES ? WEIR_EDENIED : WEIR_EIO, where, "cannot bind %s: %s",
                     where, strerror(why));
}

uint16_t endpoint_port_of(int fd)
{
    struct endpoint bound = {.length = sizeof bound.address};
    (void)getsockname(fd, (struct sockaddr *)&bound.address, &bound.length);
    return endpoint_port(&bound);
}

void endpoint_address(const struct sockaddr *from, struct address *address, uint16_t *port)
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        *address = address_from_ipv4(ntohl(v4.sin_addr.s_addr));
        *port = ntohs(v4.sin_port);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        memcpy(address->octets, &v6.sin6_addr, sizeof address->octets);
        *port = ntohs(v6.sin6_port);
    } else {
        memset(address, 0, sizeof *address);
        *port = 0;
    }
}
