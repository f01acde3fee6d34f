/* http.c - the way to a server and back: address, connection, time limits; see http.h. What comes
 * back is taken apart by http_answer.c. */
#include "weir/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CONNECT_MS     5000
#define ANSWER_SECONDS 900
#define READ_AT_ONCE   ((size_t)64 << 10)

/* ---- addresses ------------------------------------------------------------------------------- */

static enum weir_status refuse_url(const char *text, struct weir_error *error)
{
    return weir_fail(error, WEIR_ESYNTAX, "url", "\"%.200s\" is not http://HOST[:PORT]/PATH", text);
}

static bool copy_part(char *out, size_t size, const char *from, size_t length)
{
    if (length >= size)
        return false;
    memcpy(out, from, length);
    out[length] = '\0';
    return true;
}

/* Nothing in a URL may end a line of the request. */
static bool clean_url(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || *text == 0x7f)
            return false;
    return true;
}

enum weir_status http_url_read(const char *text, struct http_url *out, struct weir_error *error)
{
    if (strncmp(text, "http://", 7) != 0 || !clean_url(text))
        return refuse_url(text, error);
    const char *host = text + 7, *host_end, *p;
    if (*host == '[') {
        host_end = strchr(++host, ']');
        p = host_end ? host_end + 1 : NULL;
    } else {
        p = host_end = host + strcspn(host, ":/?#@");
    }
    if (!p || host_end == host ||
        !copy_part(out->host, sizeof out->host, host, (size_t)(host_end - host)))
        return refuse_url(text, error);
    memcpy(out->port, "80", 3);
    if (*p == ':') {
        size_t digits = strspn(p + 1, "0123456789");
        if (digits == 0 || !copy_part(out->port, sizeof out->port, p + 1, digits))
            return refuse_url(text, error);
        p += 1 + digits;
    }
    if (*p && !strchr("/?#", *p))
        return refuse_url(text, error);
    size_t length = strcspn(p, "#");
    bool slash = *p != '/';
    out->target[0] = '/';
    if (!copy_part(out->target + slash, sizeof out->target - slash, p, length))
        return refuse_url(text, error);
    return WEIR_OK;
}

/* ---- the connection -------------------------------------------------------------------------- */

/* connect() that gives up after CONNECT_MS; errno tells why. */
static bool connect_in_time(int fd, const struct addrinfo *to)
{
    int flags = fcntl(fd, F_GETFL);
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
        if (errno != EINPROGRESS)
            return false;
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int ready = poll(&p, 1, CONNECT_MS), problem = ETIMEDOUT;
        socklen_t size = sizeof problem;
        if (ready == 1)
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
        if (problem) {
            errno = problem;
            return false;
        }
    }
    (void)fcntl(fd, F_SETFL, flags);
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return true;
}

/* A connected socket, or -1 with the error filled. */
static int open_connection(const struct http_url *url, struct weir_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int code = getaddrinfo(url->host, url->port, &hints, &list), fd = -1;
    if (code) {
        (void)weir_fail(error, WEIR_EUNAVAILABLE, "url", "%.200s: %s", url->host,
                        gai_strerror(code));
        return -1;
    }
    for (const struct addrinfo *to = list; to && fd < 0; to = to->ai_next) {
        fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, to->ai_protocol);
        if (fd >= 0 && !connect_in_time(fd, to)) {
            int problem = errno;
            (void)close(fd);
            errno = problem;
            fd = -1;
        }
    }
    if (fd < 0)
        (void)weir_fail(error, WEIR_EUNAVAILABLE, "url", "%.200s port %s does not answer (%s)",
                        url->host, url->port, strerror(errno));
    freeaddrinfo(list);
    return fd;
}

static bool send_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* Reads until the answer is whole or the connection ends. */
static enum weir_status receive_all(int fd, struct buffer *in, struct weir_error *error)
{
    for (;;) {
        uint8_t *here = buffer_extend(in, READ_AT_ONCE);
        if (!here)
            return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory");
        ssize_t n = recv(fd, here, READ_AT_ONCE, 0);
        in->length -= READ_AT_ONCE - (size_t)(n > 0 ? n : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return weir_fail(error, WEIR_EUNAVAILABLE, "url", "no answer: %s",
                             errno == EAGAIN ? "too slow" : strerror(errno));
        if (n == 0 || http_answer_whole(in->bytes, in->length))
            return WEIR_OK;
        if (in->length > HTTP_ANSWER_MOST)
            return weir_fail(error, WEIR_ELIMIT, NULL,
                             "the answer is longer than %zu octets; ask for less",
                             HTTP_ANSWER_MOST);
    }
}

static enum weir_status exchange(int fd, const struct buffer *request, const void *body,
                                 size_t length, struct http_answer *out, struct weir_error *error)
{
    struct buffer in = {0};
    /* A server that refuses early may close while we still send: its answer is worth reading. */
    bool sent = send_all(fd, request->bytes, request->length) && send_all(fd, body, length);
    int problem = errno;
    enum weir_status status = receive_all(fd, &in, error);
    if (!status && !sent && !in.length)
        status = weir_fail(error, WEIR_EUNAVAILABLE, "url", "the request was not taken: %s",
                           strerror(problem));
    if (!status)
        status = http_answer_read(in.bytes, in.length, out, error);
    buffer_free(&in);
    return status;
}

enum weir_status http_send(const char *method, const char *url, const char *headers,
                           const void *body, size_t length, struct http_answer *out,
                           struct weir_error *error)
{
    struct http_url to;
    struct buffer request = {0};
    *out = (struct http_answer){0};
    enum weir_status status = http_url_read(url, &to, error);
    if (status)
        return status;
    bool v6 = strchr(to.host, ':') != NULL;
    buffer_print(&request,
                 "%s %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUser-Agent: weir\r\nConnection: close\r\n%s",
                 method, to.target, v6 ? "[" : "", to.host, v6 ? "]" : "", to.port, headers);
    if (body)
        buffer_print(&request, "Content-Length: %zu\r\n", length);
    buffer_print(&request, "\r\n");
    if (request.failed)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory");
    int fd = open_connection(&to, error);
    if (fd < 0) {
        status = WEIR_EUNAVAILABLE;
    } else {
        status = exchange(fd, &request, body, length, out, error);
        (void)close(fd);
    }
    buffer_free(&request);
    return status;
}
