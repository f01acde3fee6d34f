/* soap_load.c - a load of HTTP requests over connections that are kept alive: bench/soap.py's
 * client. One thread and epoll, and nothing is parsed but where an answer ends, so that the server
 * is what is measured.
 *
 *   soap_load ADDRESS:PORT PATH REQUESTS CONNECTIONS SECONDS
 *
 * REQUESTS is a file of message bodies, one a line, sent in turns. Each connection sends the next
 * one when it has the whole answer to the last. Ends with one line of JSON: answers, those that
 * were not 200, seconds. */
#include "base/time.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MOST (1u << 20)

struct request {
    char *octets;
    size_t length;
};

struct peer {
    int fd;
    size_t have, whole; /* of the answer; whole 0: its head has not come */
    char *answer;
};

struct load {
    struct request *requests;
    size_t count, next;
    struct peer *peers;
    int epoll;
    uint64_t answers, refused;
    char *room; /* ANSWER_MOST octets a peer */
};

static int fail(const char *what)
{
    fprintf(stderr, "soap_load: %s: %s\n", what, strerror(errno));
    return 1;
}

static bool add_request(struct load *l, const char *path, const char *body, size_t length)
{
    struct request *more = realloc(l->requests, (l->count + 1) * sizeof *more);
    if (!more)
        return false;
    l->requests = more;
    struct request *r = &more[l->count];
    int n = asprintf(&r->octets,
                     "POST %s HTTP/1.1\r\nHost: weir\r\nContent-Type: text/xml; charset=utf-8\r\n"
                     "SOAPAction: \"\"\r\nContent-Length: %zu\r\n\r\n%.*s",
                     path, length, (int)length, body);
    if (n < 0)
        return false;
    r->length = (size_t)n;
    l->count++;
    return true;
}

static bool read_requests(struct load *l, const char *path, const char *file)
{
    FILE *in = fopen(file, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool ok = in != NULL;
    while (ok && (n = getline(&line, &room, in)) > 0) {
        size_t length = (size_t)n - (line[n - 1] == '\n');
        ok = length == 0 || add_request(l, path, line, length);
    }
    free(line);
    if (in)
        fclose(in);
    return ok && l->count;
}

static bool send_next(struct load *l, struct peer *p)
{
    const struct request *r = &l->requests[l->next];
    l->next = l->next + 1 < l->count ? l->next + 1 : 0;
    p->have = p->whole = 0;
    return send(p->fd, r->octets, r->length, MSG_NOSIGNAL) == (ssize_t)r->length;
}

static bool open_peer(struct load *l, struct peer *p, const struct sockaddr_in *to)
{
    int on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || connect(p->fd, (const struct sockaddr *)(const void *)to, sizeof *to) != 0)
        return false;
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, p->fd, &event) == 0;
}

/* Once the head is there: where the answer ends. */
static bool find_end(struct load *l, struct peer *p)
{
    static const char field[] = "\r\nContent-Length:";
    p->answer[p->have] = '\0';
    const char *body = strstr(p->answer, "\r\n\r\n");
    const char *length = body ? strcasestr(p->answer, field) : NULL;
    if (!body)
        return true;
    if (!length || length > body)
        return false; /* chunks: this client asks for small answers */
    p->whole = (size_t)(body + 4 - p->answer) + strtoul(length + sizeof field - 1, NULL, 10);
    l->refused += strncmp(p->answer, "HTTP/1.1 200", 12) != 0;
    return p->whole < ANSWER_MOST;
}

/* What has come; false: the connection is of no more use. */
static bool hear(struct load *l, struct peer *p)
{
    ssize_t n = recv(p->fd, p->answer + p->have, ANSWER_MOST - 1 - p->have, 0);
    if (n <= 0)
        return false;
    p->have += (size_t)n;
    if (!p->whole && !find_end(l, p))
        return false;
    if (!p->whole || p->have < p->whole)
        return true;
    l->answers++;
    return send_next(l, p);
}

static bool run(struct load *l, size_t peers, double seconds, double *took)
{
    uint64_t start = clock_monotonic_us(), now = start;
    for (size_t i = 0; i < peers; i++)
        if (!send_next(l, &l->peers[i]))
            return false;
    while ((double)(now - start) < seconds * 1e6) {
        struct epoll_event events[64];
        int n = epoll_wait(l->epoll, events, 64, 1000);
        for (int i = 0; i < n; i++)
            if (!hear(l, events[i].data.ptr))
                return false;
        now = clock_monotonic_us();
    }
    *took = (double)(now - start) / 1e6;
    return true;
}

static bool read_address(const char *text, struct sockaddr_in *to)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *to = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    return inet_pton(AF_INET, host, &to->sin_addr) == 1;
}

int main(int argc, char **argv)
{
    struct load l = {.epoll = epoll_create1(0)};
    struct sockaddr_in to;
    double took = 0;
    size_t peers = argc == 6 ? strtoul(argv[4], NULL, 10) : 0;
    if (peers == 0 || peers > 10000 || !read_address(argv[1], &to)) {
        fprintf(stderr, "usage: soap_load ADDRESS:PORT PATH REQUESTS CONNECTIONS SECONDS\n");
        return 2;
    }
    if (!read_requests(&l, argv[2], argv[3]))
        return fail(argv[3]);
    l.peers = calloc(peers, sizeof *l.peers);
    l.room = malloc(peers * ANSWER_MOST);
    if (!l.peers || !l.room)
        return fail("memory");
    for (size_t i = 0; i < peers; i++) {
        l.peers[i].answer = l.room + i * ANSWER_MOST;
        if (!open_peer(&l, &l.peers[i], &to))
            return fail(argv[1]);
    }
    if (!run(&l, peers, strtod(argv[5], NULL), &took))
        return fail("an answer is not as expected");
    printf("{\"answers\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"seconds\":%.3f}\n", l.answers,
           l.refused, took);
    return 0;
}
