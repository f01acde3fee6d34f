/* canned.h - an HTTP server for tests that answers from a table: the first row whose `when` occurs
 * in the request wins. It keeps the last request. One connection at a time, loopback, a free port.
 *
 *     static const struct canned_row rows[] = {{"GetStatus", 200, "<Envelope…"}};
 *     struct canned c;
 *     canned_start(&c, rows, 1);     // c.url is http://127.0.0.1:PORT
 *     …
 *     canned_stop(&c); */
#ifndef WEIR_TESTS_CANNED_H
#define WEIR_TESTS_CANNED_H

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct canned_row {
    const char *when;
    int status;
    const char *body;
    const char *type; /* NULL: text/xml */
};

struct canned {
    const struct canned_row *rows;
    size_t count;
    int listener;
    pthread_t thread;
    char url[64];
    pthread_mutex_t lock;
    char *last; /* the last request, head and body */
};

/* A whole request: the head, and as much body as its Content-Length says. */
static inline char *canned_read(int fd)
{
    size_t room = (size_t)1 << 20, length = 0;
    char *text = malloc(room + 1);
    while (text && length < room) {
        ssize_t n = recv(fd, text + length, room - length, 0);
        if (n <= 0)
            break;
        length += (size_t)n;
        text[length] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *size = strcasestr(text, "content-length:");
        size_t want = size && end && size < end ? strtoul(size + 15, NULL, 10) : 0;
        if (end && length >= (size_t)(end + 4 - text) + want)
            break;
    }
    return text;
}

static inline void canned_answer(struct canned *c, int fd, const char *request)
{
    static const struct canned_row none = {"", 404, "nothing here", "text/plain"};
    const struct canned_row *row = &none;
    for (size_t i = 0; i < c->count && row == &none; i++)
        if (strstr(request, c->rows[i].when))
            row = &c->rows[i];
    char head[256];
    int n = snprintf(
        head, sizeof head,
        "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
        row->status, row->type ? row->type : "text/xml; charset=utf-8", strlen(row->body));
    (void)!send(fd, head, (size_t)n, MSG_NOSIGNAL);
    (void)!send(fd, row->body, strlen(row->body), MSG_NOSIGNAL);
}

static inline void *canned_run(void *context)
{
    struct canned *c = context;
    int fd;
    while ((fd = accept(c->listener, NULL, NULL)) >= 0) {
        char *request = canned_read(fd);
        pthread_mutex_lock(&c->lock); /* kept before it is answered: who has the answer can look */
        free(c->last);
        c->last = request;
        pthread_mutex_unlock(&c->lock);
        if (request)
            canned_answer(c, fd, request);
        close(fd);
    }
    return NULL;
}

static inline void canned_start(struct canned *c, const struct canned_row *rows, size_t count)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    *c = (struct canned){.rows = rows, .count = count, .lock = PTHREAD_MUTEX_INITIALIZER};
    c->listener = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(c->listener, (struct sockaddr *)&where, size), 0);
    CU_ASSERT_EQUAL_FATAL(listen(c->listener, 8), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(c->listener, (struct sockaddr *)&where, &size), 0);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u", ntohs(where.sin_port));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&c->thread, NULL, canned_run, c), 0);
}

static inline void canned_stop(struct canned *c)
{
    shutdown(c->listener, SHUT_RDWR);
    pthread_join(c->thread, NULL);
    close(c->listener);
    free(c->last);
    c->last = NULL;
}

/* Did the last request that ended hold this text? */
static inline bool canned_heard(struct canned *c, const char *text)
{
    pthread_mutex_lock(&c->lock);
    bool heard = c->last && strstr(c->last, text);
    pthread_mutex_unlock(&c->lock);
    return heard;
}

#endif
