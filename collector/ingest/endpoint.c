/* endpoint.c - see endpoint.h. */
#include "ingest/endpoint.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
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

static enum weir_status bind_to(const struct addrinfo *to, const char *where, int *out,
                                struct weir_error *error)
{
    int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return weir_fail(error, WEIR_EIO, where, "%s: no socket: %s", where, strerror(errno));
    int off = 0;
    if (to->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, to->ai_addr, to->ai_addrlen) == 0) {
        *out = fd;
        return WEIR_OK;
    }
    int why = errno;
    close(fd);
    if (why == EADDRINUSE)
        return weir_fail(error, WEIR_EBUSY, where, "%s is in use; choose another port, or 0", where);
    return weir_fail(error, why == EACCES ? WEIR_EDENIED : WEIR_EIO, where, "cannot bind %s: %s",
                     where, strerror(why));
}

enum weir_status endpoint_bind_udp(const char *where, int *fd, uint16_t *port,
                                   struct weir_error *error)
{
    char host[128];
    const char *service;
    struct addrinfo *to;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    if (!split(where, host, sizeof host, &service))
        return weir_fail(error, WEIR_ESYNTAX, where, "'%s' is not ADDRESS:PORT, [IPv6]:PORT or *:PORT",
                         where);
    const char *name = strcmp(host, "*") == 0 ? "::" : host;
    if (getaddrinfo(name, service, &hints, &to) != 0)
        return weir_fail(error, WEIR_ESYNTAX, where, "'%s': expected an IP address and a port number",
                         where);
    enum weir_status status = bind_to(to, where, fd, error);
    freeaddrinfo(to);
    if (status != WEIR_OK)
        return status;
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    struct address ignored;
    memset(&bound, 0, sizeof bound);
    (void)getsockname(*fd, (struct sockaddr *)&bound, &length);
    endpoint_address((struct sockaddr *)&bound, &ignored, port);
    return WEIR_OK;
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
