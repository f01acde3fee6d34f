/* listen.c - see listen.h. Neighbours: collector.c gives each receiver its socket. */
#include "ingest/listen.h"
#include "ingest/steer.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 1024

/* The first socket is bound alone, so that a port which someone else shares is found to be in use,
 * and lets others join afterwards. */
static enum weir_status bind_one(struct endpoint *at, int type, unsigned i, unsigned count,
                                 const char *where, int *fd, struct weir_error *error)
{
    int on = 1;
    enum weir_status status = endpoint_bind(at, type, i > 0, where, fd, error);
    if (status != WEIR_OK)
        return status;
    if (i == 0) {
        endpoint_set_port(at, endpoint_port_of(*fd));
        if (count > 1)
            (void)setsockopt(*fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    if (type != SOCK_STREAM || listen(*fd, BACKLOG) == 0)
        return WEIR_OK;
    status = weir_fail(error, errno == EADDRINUSE ? WEIR_EBUSY : WEIR_EIO, where,
                       "cannot listen on %s: %s", where, strerror(errno));
    close(*fd);
    return status;
}

static void close_all(const int *fds, unsigned count)
{
    while (count)
        close(fds[--count]);
}

enum weir_status listen_group(struct endpoint *at, int type, unsigned count, const char *where,
                              int *fds, struct weir_error *error)
{
    for (unsigned i = 0; i < count; i++) {
        enum weir_status status = bind_one(at, type, i, count, where, &fds[i], error);
        if (status != WEIR_OK) {
            close_all(fds, i);
            return status;
        }
    }
    if (count < 2 || steer_attach(fds[0], count))
        return WEIR_OK;
    int why = errno;
    close_all(fds, count);
    return weir_fail(error, WEIR_ELIMIT, "receivers",
                     "this kernel can not give each exporter its receiver (%s); use --receivers 1",
                     strerror(why));
}
