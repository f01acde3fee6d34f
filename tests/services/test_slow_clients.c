/* test_slow_clients.c - clients that take long answers slowly, more of them than workers wait for:
 * every one has its answer whole, or a fault that says to come back; the others do not notice. */
#include "chunks.h"
#include "served.h"
#include <fcntl.h>

#define ROWS 5000u
#define KEYS 8
#define NAME 119 /* octets of a key's name: an answer is more than a socket takes */

static const char *question(void)
{
    static char text[KEYS * (NAME + 20) + 100];
    int n = snprintf(text, sizeof text, "<d:Aggregate>");
    for (char key = 'a'; key < 'a' + KEYS; key++) {
        char name[NAME + 1] = "";
        memset(name, key, NAME);
        n += snprintf(text + n, sizeof text - (size_t)n, "<d:by>%s</d:by>", name);
    }
    snprintf(text + n, sizeof text - (size_t)n, "<d:from>1</d:from><d:to>2</d:to></d:Aggregate>");
    return text;
}

struct client {
    int fd;
    size_t length;       /* octets of the answer that came */
    char first[4096];    /* of the answer */
    char last[16];       /* of what was counted: where a row's tag may have begun */
    struct chunks chunks;
    uint32_t rows;
    bool whole, gone;
};

static struct client begin(void)
{
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    char head[256];
    int small = 4096;
    const char *text = envelope(SOAP11, question());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    CU_ASSERT_EQUAL_FATAL(connect(c.fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
    int n = snprintf(head, sizeof head,
                     "POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n",
                     strlen(text));
    send(c.fd, head, (size_t)n, MSG_NOSIGNAL);
    send(c.fd, text, strlen(text), MSG_NOSIGNAL);
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    return c;
}

static uint32_t count(const char *text, size_t length, const char *what)
{
    uint32_t found = 0;
    const char *end = text + length;
    while ((text = memmem(text, (size_t)(end - text), what, strlen(what)))) {
        found++;
        text++;
    }
    return found;
}

/* Rows in `length` octets more, which follow c->last. */
static void count_rows(struct client *c, const char *bytes, size_t length)
{
    static const char row[] = "<db:row>";
    char piece[16384 + sizeof c->last];
    size_t before = strlen(c->last), all = before + length;
    memcpy(piece, c->last, before);
    memcpy(piece + before, bytes, length);
    c->rows += count(piece, all, row);
    size_t keep = all < sizeof row - 2 ? all : sizeof row - 2; /* less than a tag */
    memcpy(c->last, piece + all - keep, keep);
    c->last[keep] = '\0';
}

/* The head a line at a time, then chunks; a fault comes without chunks, in one piece. */
static bool take_some(struct client *c)
{
    char piece[16384];
    bool begun = strstr(c->first, "\r\n\r\n") != NULL;
    ssize_t n = recv(c->fd, piece, begun ? sizeof piece : 1, 0);
    if (n <= 0) {
        c->gone = n == 0 || (errno != EAGAIN && errno != EINTR);
        return false;
    }
    size_t got = (size_t)n, room = sizeof c->first - 1 - strlen(c->first);
    if (!begun || strstr(c->first, "Content-Length"))
        strncat(c->first, piece, got < room ? got : room);
    c->length += got;
    if (begun && strstr(c->first, "chunked")) {
        count_rows(c, piece, chunks_decode(&c->chunks, piece, got));
        c->whole = c->chunks.state == CHUNK_DONE;
    } else if (begun) {
        c->whole = strstr(c->first, ":Envelope>\r\n") || strstr(c->first, "</SOAP-ENV:Envelope>");
    }
    return true;
}

/* All answers have begun, or were refused: all that can be waited for is waited for. */
static void let_begin(const struct client *clients, int n)
{
    int fds[64];
    for (int i = 0; i < n; i++)
        fds[i] = clients[i].fd;
    CU_ASSERT_EQUAL(await_answers(fds, n, n), n);
}

static uint32_t take_all(struct client *clients, uint32_t n)
{
    uint32_t left = n;
    for (int idle = 0; left && idle < 20000;) {
        bool any = false;
        left = 0;
        for (uint32_t i = 0; i < n; i++)
            if (!clients[i].whole && !clients[i].gone) {
                any |= take_some(&clients[i]);
                left++;
            }
        idle = any ? 0 : idle + 1;
        usleep(300);
    }
    return left;
}

/* Twice as many as there are slots for those who make workers wait. */
static void test_turns(void)
{
    enum { CLIENTS = 8 };
    struct client clients[CLIENTS];
    fake.rows = ROWS;
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = begin();
    let_begin(clients, CLIENTS);
    CU_ASSERT_EQUAL(ask("<d:GetStatus/>"), 200);
    CU_ASSERT_EQUAL(take_all(clients, CLIENTS), 0);
    for (int i = 0; i < CLIENTS; i++) {
        CU_ASSERT(clients[i].whole);
        CU_ASSERT_EQUAL(clients[i].rows, ROWS);
        CU_ASSERT_PTR_NOT_NULL(strstr(clients[i].first, "HTTP/1.1 200"));
        CU_ASSERT(clients[i].length > 6u << 20);
        /* The connection goes on. */
        fcntl(clients[i].fd, F_SETFL, 0);
        const char *text = envelope(SOAP11, "<d:GetStatus/>");
        CU_ASSERT_EQUAL(exchange(clients[i].fd, "text/xml", text, strlen(text)), 200);
        close(clients[i].fd);
    }
}

/* More than there is room for: nobody loses his connection. */
static void test_full(void)
{
    enum { CLIENTS = 40 };
    static struct client clients[CLIENTS];
    uint32_t answered = 0, refused = 0;
    fake.rows = ROWS;
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = begin();
    let_begin(clients, CLIENTS);
    CU_ASSERT_EQUAL(ask("<d:GetStatus/>"), 200);
    CU_ASSERT_EQUAL(take_all(clients, CLIENTS), 0);
    for (int i = 0; i < CLIENTS; i++) {
        CU_ASSERT(clients[i].whole);
        answered += clients[i].rows == ROWS;
        refused += clients[i].rows == 0 && strstr(clients[i].first, "<wt:code>Overload</wt:code>");
        close(clients[i].fd);
    }
    CU_ASSERT(answered >= 7);
    CU_ASSERT(refused >= 10);
    CU_ASSERT_EQUAL(answered + refused, CLIENTS);
}

/* Connections that the server has, the one that asks among them. */
static int open_connections(void)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
    int fd = dial();
    send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    close(fd);
    const char *at = strstr(answer, "\nweir_http_connections ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    return atoi(at + strlen("\nweir_http_connections "));
}

/* Who leaves without his answer gives the room back. */
static void test_leaving(void)
{
    for (int round = 0; round < 3; round++) {
        struct client clients[12];
        for (int i = 0; i < 12; i++)
            clients[i] = begin();
        let_begin(clients, 12);
        for (int i = 0; i < 12; i++)
            close(clients[i].fd);
    }
    int left = 0;
    for (int waited = 0; (left = open_connections()) > 1 && waited < 6000; waited++)
        usleep(10000);
    CU_ASSERT_EQUAL(left, 1);
    test_turns();
}

SERVED_MAIN("slow clients", {"turns", test_turns}, {"full", test_full}, {"leaving", test_leaving})
