/* test_connections.c - HTTP over a socket: connections that are kept, slow and odd senders, chunks,
 * refusals, many long questions, and the stop. */
#include "served.h"

static void test_keep_alive(void)
{
    int fd = dial();
    for (int i = 0; i < 20; i++) { /* answers and faults alike leave the connection open */
        const char *text = envelope(SOAP11, i % 2 ? "<d:Nope/>" : "<d:GetStatus/>");
        CU_ASSERT_EQUAL(exchange(fd, "text/xml", text, strlen(text)), i % 2 ? 500 : 200);
        CU_ASSERT_TRUE(says("Connection: keep-alive"));
    }
    static const char two[] =
        "GET /healthz HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n";
    send(fd, two, sizeof two - 1, MSG_NOSIGNAL);
    size_t n = 0;
    ssize_t got;
    while ((got = recv(fd, answer + n, sizeof answer - 1 - n, 0)) > 0)
        n += (size_t)got;
    answer[n] = '\0';
    CU_ASSERT_EQUAL(got, 0); /* closed by the server */
    CU_ASSERT_TRUE(says("Connection: close"));
    CU_ASSERT_PTR_NOT_EQUAL(strstr(answer, "ok\n"), strrchr(answer, 'o'));
    close(fd);
}

static void test_slow_senders_hold_up_no_one(void)
{
    int slow[32];
    static const char half[] =
        "POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 500\r\n\r\n<e:";
    for (size_t i = 0; i < 32; i++) {
        slow[i] = dial();
        send(slow[i], half, i % 2 ? 20 : sizeof half - 1, MSG_NOSIGNAL);
    }
    usleep(100000);
    CU_ASSERT_EQUAL(ask("<d:GetStatus/>"), 200);
    for (size_t i = 0; i < 32; i++)
        close(slow[i]);
    /* octet by octet */
    const char *text = envelope(SOAP11, "<d:GetStatus/>");
    char head[200];
    int fd = dial(),
        n = snprintf(head, sizeof head,
                     "POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n",
                     strlen(text));
    for (int i = 0; i < n; i++)
        send(fd, head + i, 1, MSG_NOSIGNAL);
    for (size_t i = 0; i < strlen(text); i++) {
        if (i % 64 == 0)
            usleep(1000);
        send(fd, text + i, 1, MSG_NOSIGNAL);
    }
    CU_ASSERT_EQUAL(receive(fd), 200);
    close(fd);
}

/* The same request in chunks of every size, then one by length on the same connection. */
static void test_chunks(void)
{
    int fd = dial();
    for (size_t size = 1; size < 700; size = size * 3 + 1) {
        static const char head[] = "POST /db HTTP/1.1\r\nContent-Type: text/xml\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n";
        const char *text = envelope(SOAP11, "<d:flowToS><d:tos>9</d:tos><d:from>1</d:from>"
                                            "<d:to>2</d:to></d:flowToS>");
        send(fd, head, sizeof head - 1, MSG_NOSIGNAL);
        for (size_t at = 0, n = strlen(text); at < n; at += size) {
            char chunk[1000];
            size_t part = n - at < size ? n - at : size;
            int length =
                snprintf(chunk, sizeof chunk, "%zx;x=y\r\n%.*s\r\n", part, (int)part, text + at);
            send(fd, chunk, (size_t)length, MSG_NOSIGNAL);
        }
        send(fd, "0\r\nTrailer: x\r\n\r\n", 17, MSG_NOSIGNAL);
        fake.filter[0] = '\0';
        CU_ASSERT_EQUAL(receive(fd), 200);
        CU_ASSERT_STRING_EQUAL(fake.filter, "tos 9");
    }
    const char *text = envelope(SOAP11, "<d:GetStatus/>");
    CU_ASSERT_EQUAL(exchange(fd, "text/xml", text, strlen(text)), 200);
    close(fd);
}

static void test_refusals(void)
{
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"hello\r\n", 400},
        {"POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 99999999999\r\n\r\n", 413},
        {"POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: -5\r\n\r\n", 400},
        {"POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
         400},
        {"POST /nope HTTP/1.1\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n",
         404},
        {"POST /db HTTP/1.1\r\nContent-Type: image/png\r\nContent-Length: 5\r\n\r\nhello", 415},
        {"POST /nope HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\nhello", 404},
        {"PUT /db HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405},
        {"GET /nope HTTP/1.1\r\n\r\n", 404},
        {"GET /xsd/../db.wsdl HTTP/1.1\r\n\r\n", 404},
        {"GET /xsd/none.xsd HTTP/1.1\r\n\r\n", 404},
        {"GET /db HTTP/1.1\r\n\r\n", 405},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = dial();
        send(fd, rows[i].request, strlen(rows[i].request), MSG_NOSIGNAL);
        CU_ASSERT_EQUAL(receive(fd), rows[i].status);
        close(fd);
    }
}

/* So many of them are answered, and the others told to come back. */
static void check_answers(const int *fds, int count, int wanted)
{
    int answered = 0, refused = 0;
    for (int i = 0; i < count; i++) {
        int status = receive(fds[i]);
        answered += status == 200;
        refused += status == 500 && says("<wt:code>Overload</wt:code>") &&
                   says("<wt:retryable>true</wt:retryable>");
        close(fds[i]);
    }
    CU_ASSERT_EQUAL(answered, wanted);
    CU_ASSERT_EQUAL(refused, count - wanted);
}

/* More long questions than may go on at a time: the others are told to come back, and what is short
 * is answered. */
static void test_long_questions(void)
{
    enum { ASKED = SERVED_LONG + 4 };
    int fds[ASKED];
    const char *text =
        envelope(SOAP11, "<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>");
    char head[256];
    int n = snprintf(head, sizeof head,
                     "POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n",
                     strlen(text));
    atomic_store(&fake_long_ms, 600000);
    for (int i = 0; i < ASKED; i++) {
        fds[i] = dial();
        send(fds[i], head, (size_t)n, MSG_NOSIGNAL);
        send(fds[i], text, strlen(text), MSG_NOSIGNAL);
    }
    CU_ASSERT_EQUAL(await_answers(fds, ASKED, ASKED - SERVED_LONG), ASKED - SERVED_LONG);
    CU_ASSERT_EQUAL(ask("<d:GetStatus/>"), 200);
    atomic_store(&fake_long_ms, 0);
    CU_ASSERT_EQUAL(ask("<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>"),
                    200);
    check_answers(fds, ASKED, SERVED_LONG);
}

static int send_change(bool block)
{
    const char *text = envelope(
        SOAP11, block ? "<d:StoreBlock><d:block>aGVsbG8gd29ybGQ=</d:block></d:StoreBlock>"
                      : "<c:AddMDev xmlns:c=\"urn:weir:collector:1\" xmlns:w=\"urn:weir:types:1\">"
                        "<c:mdev><w:address>192.0.2.1</w:address></c:mdev></c:AddMDev>");
    char head[256];
    int fd = dial(), n = snprintf(head, sizeof head,
                                  "POST /%s HTTP/1.1\r\nContent-Type: text/xml\r\n"
                                  "Content-Length: %zu\r\n\r\n",
                                  block ? "db" : "collector", strlen(text));
    send(fd, head, (size_t)n, MSG_NOSIGNAL);
    send(fd, text, strlen(text), MSG_NOSIGNAL);
    return fd;
}

/* A disk that stands still, and more who deliver and configure than there are workers: what reads
 * is answered all the same. */
static void test_reads_do_not_wait_for_changes(void)
{
    enum { ASKED = SERVED_WORKERS + 2 };
    int fds[ASKED];
    atomic_store(&fake_change_ms, 600000);
    for (int i = 0; i < ASKED; i++)
        fds[i] = send_change(i % 2);
    CU_ASSERT_EQUAL(await_answers(fds, ASKED, ASKED - SERVED_CHANGES), ASKED - SERVED_CHANGES);
    CU_ASSERT_EQUAL(ask("<d:GetStatus/>"), 200);
    CU_ASSERT_EQUAL(ask("<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>"),
                    200);
    atomic_store(&fake_change_ms, 0);
    check_answers(fds, ASKED, SERVED_CHANGES);
}

/* Counts hundredths of a second in which the machine did anything. */
static _Atomic uint32_t ticks;
static _Atomic bool stopped;
static void *tick(void *unused)
{
    (void)unused;
    while (!atomic_load(&stopped)) {
        usleep(10000);
        atomic_fetch_add(&ticks, 1);
    }
    return NULL;
}

/* Nobody is waited for until he has to leave, which is after ten seconds and more. */
static void test_stop(void)
{
    pthread_t clock;
    int idle = dial(), bulk = dial();
    static const char half[] =
        "POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 500000\r\n\r\n<e:";
    send(bulk, half, sizeof half - 1, MSG_NOSIGNAL);
    usleep(50000);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&clock, NULL, tick, NULL), 0);
    services_stop(services);
    atomic_store(&stopped, true);
    pthread_join(clock, NULL);
    CU_ASSERT(atomic_load(&ticks) <= 300);
    close(idle);
    close(bulk);
}

SERVED_MAIN("connections", {"keep-alive", test_keep_alive},
            {"slow senders", test_slow_senders_hold_up_no_one}, {"chunks", test_chunks},
            {"refusals", test_refusals}, {"long questions", test_long_questions},
            {"changes", test_reads_do_not_wait_for_changes}, {"stop", test_stop})
