/* served.h - the services over a socket, in front of a store that remembers what it was asked
 * (fake_store.h), and a client that knows only sockets: shared by the tests of this folder, each of
 * which ends in SERVED_MAIN. Include it once. */
#ifndef WEIR_TESTS_SERVED_H
#define WEIR_TESTS_SERVED_H

#include "fake_store.h"
#include "base/log_ring.h"
#include "services.h"
#include "unit.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SERVED_WORKERS 8
#define SERVED_CHANGES (SERVED_WORKERS / 4) /* changes that may wait for the store at a time */
#define SERVED_LONG    (SERVED_WORKERS - SERVED_CHANGES - 1) /* questions that may go on for long */

static struct services *services;
static uint16_t port;
static struct log_ring *served_log;
static _Atomic int changes;
static char answer[1 << 20];

/* ---- a client that knows only sockets ---- */

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 60};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
    return fd;
}

/* How many of the connections have something to read; waits, a minute at most, until it is `wanted`
 * of them. */
static inline int await_answers(const int *fds, int count, int wanted)
{
    for (int waited = 0;; waited++) {
        int ready = 0;
        for (int i = 0; i < count; i++)
            ready += poll(&(struct pollfd){.fd = fds[i], .events = POLLIN}, 1, 0) == 1;
        if (ready >= wanted || waited == 6000)
            return ready;
        usleep(10000);
    }
}

/* One answer, by its Content-Length (or chunks, or the end); its status, 0 when the connection
 * ended. */
static int receive(int fd)
{
    size_t n = 0;
    ssize_t got;
    char *body = NULL;
    answer[0] = '\0';
    while (n + 1 < sizeof answer && (got = recv(fd, answer + n, sizeof answer - 1 - n, 0)) > 0) {
        n += (size_t)got;
        answer[n] = '\0';
        body = strstr(answer, "\r\n\r\n");
        char *length = strstr(answer, "Content-Length: ");
        if (body && length && n >= (size_t)(body + 4 - answer) + strtoul(length + 16, NULL, 10))
            break;
        if (body && strstr(answer, "chunked") && strcmp(answer + n - 5, "0\r\n\r\n") == 0)
            break;
    }
    return body ? atoi(answer + 9) : 0;
}

static int exchange(int fd, const char *type, const char *body, size_t length)
{
    char head[512];
    int n =
        snprintf(head, sizeof head,
                 "POST /db HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                 type, length);
    send(fd, head, (size_t)n, MSG_NOSIGNAL);
    for (size_t at = 0; at < length;) {
        ssize_t sent = send(fd, body + at, length - at, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        at += (size_t)sent;
    }
    return receive(fd);
}

#define SOAP11 "http://schemas.xmlsoap.org/soap/envelope/"
#define SOAP12 "http://www.w3.org/2003/05/soap-envelope"
static char message[1 << 16];
static inline const char *envelope(const char *namespace, const char *operation)
{
    snprintf(
        message, sizeof message,
        "<e:Envelope xmlns:e=\"%s\" xmlns:d=\"urn:weir:db:1\" "
        "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Body>%s</e:Body></e:Envelope>",
        namespace, operation);
    return message;
}

static inline int ask(const char *operation)
{
    int fd = dial();
    const char *text = envelope(SOAP11, operation);
    int status = exchange(fd, "text/xml", text, strlen(text));
    close(fd);
    return status;
}

static inline bool says(const char *text)
{
    bool found = strstr(answer, text) != NULL;
    if (!found)
        printf("\n\"%s\" is not in: %.1500s\n", text, answer);
    return found;
}

static inline int ask_collector(const char *operation)
{
    char head[256], body[4096];
    int length = snprintf(body, sizeof body,
                          "<e:Envelope xmlns:e=\"" SOAP11 "\" xmlns:c=\"urn:weir:collector:1\" "
                          "xmlns:w=\"urn:weir:types:1\"><e:Body>%s</e:Body></e:Envelope>",
                          operation);
    int n = snprintf(
        head, sizeof head,
        "POST /collector HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n", length);
    int fd = dial();
    send(fd, head, (size_t)n, MSG_NOSIGNAL);
    send(fd, body, (size_t)length, MSG_NOSIGNAL);
    int status = receive(fd);
    close(fd);
    return status;
}

/* ---- a test program ---- */

static enum weir_status change_fails;
static inline enum weir_status on_change(void *context, struct weir_error *error)
{
    atomic_fetch_add((_Atomic int *)context, 1);
    if (change_fails != WEIR_OK)
        return weir_fail(error, change_fails, "key", "the key is lost");
    return WEIR_OK;
}

static inline int served_main(const char *suite, const struct unit_test *tests, size_t count)
{
    struct weir_error error = {0};
    struct log_ring *log = log_ring_new();
    struct services_settings settings = {.listen = "127.0.0.1:0",
                                         .roles = SERVICE_DB | SERVICE_COLLECTOR,
                                         .store = &fake,
                                         .collector = (struct collector *)(void *)&fake,
                                         .log = log,
                                         .workers = SERVED_WORKERS,
                                         .block_most = 8u << 20,
                                         .rows_most = 5000,
                                         .catalogue_changed = on_change,
                                         .context = (void *)(uintptr_t)&changes};
    served_log = log;
    fake.tags[0] = (struct tag){.id = 7, .name = "PoP-BA"};
    fake.tags[1] = (struct tag){.id = 8, .name = "PoP-PE"};
    fake.tag_count = 2;
    if (services_new(&settings, &services, &error) != WEIR_OK ||
        services_start(services, &error) != WEIR_OK) {
        printf("%s: %s\n", error.field, error.message);
        return 1;
    }
    port = services_port(services);
    int code = unit_main(suite, tests, count);
    services_stop(services);
    services_free(services);
    log_ring_free(log);
    free(fake.block);
    return code;
}

#define SERVED_MAIN(suite, ...)                                                                    \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct unit_test tests[] = {__VA_ARGS__};                                     \
        return served_main(suite, tests, sizeof tests / sizeof tests[0]);                          \
    }

#endif
