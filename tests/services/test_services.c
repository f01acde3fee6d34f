/* test_services.c - the services over a socket, in front of a store that remembers what it was
 * asked: every view's filter, faults, framing, MTOM, and the remote sink as its own counterpart. */
#include "fake_store.h"
#include "embed.h"
#include "fault.h"
#include "services.h"
#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct services *services;
static uint16_t port;
static _Atomic int changes;
static char answer[1 << 20];

/* ---- a client that knows only sockets ---- */

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 20};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)(void *)&to, sizeof to), 0);
    return fd;
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
static const char *envelope(const char *namespace, const char *operation)
{
    snprintf(
        message, sizeof message,
        "<e:Envelope xmlns:e=\"%s\" xmlns:d=\"urn:weir:db:1\" "
        "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Body>%s</e:Body></e:Envelope>",
        namespace, operation);
    return message;
}

static int ask(const char *operation)
{
    int fd = dial();
    const char *text = envelope(SOAP11, operation);
    int status = exchange(fd, "text/xml", text, strlen(text));
    close(fd);
    return status;
}

static bool says(const char *text)
{
    bool found = strstr(answer, text) != NULL;
    if (!found)
        printf("\n\"%s\" is not in: %.1500s\n", text, answer);
    return found;
}

/* ---- views ---- */

static void test_views(void)
{
    static const struct {
        const char *name, *arguments, *filter;
    } rows[] = {
        {"flowTagSrc", "<d:srcTag>PoP-BA</d:srcTag>", "src tag 7"},
        {"flowTagDst", "<d:dstTag>8</d:dstTag>", "dst tag 8"},
        {"flowTagSrcDst", "<d:srcTag>7</d:srcTag><d:dstTag>0</d:dstTag>",
         "src tag 7 and dst tag 0"},
        {"flowTagSrcDstProto",
         "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:protocol>6</d:protocol>",
         "src tag 7 and dst tag 8 and proto 6"},
        {"flowTagSrcDstPortSrc",
         "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:srcPort>65535</d:srcPort>",
         "src tag 7 and dst tag 8 and src port 65535"},
        {"flowTagSrcDstPortDst",
         "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:dstPort>53</d:dstPort>",
         "src tag 7 and dst tag 8 and dst port 53"},
        {"flowTagSrcDstASSrc",
         "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:srcAS>4294967295</d:srcAS>",
         "src tag 7 and dst tag 8 and src as 4294967295"},
        {"flowTagSrcDstASDst", "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:dstAS>1</d:dstAS>",
         "src tag 7 and dst tag 8 and dst as 1"},
        {"flowSrcIP", "<d:address>192.0.2.1</d:address>", "src ip 192.0.2.1"},
        {"flowDstIP", "<d:address>2001:DB8:0::1</d:address>", "dst ip 2001:db8::1"},
        {"flowSrcPort", "<d:port>0</d:port>", "src port 0"},
        {"flowDstPort", "<d:port>443</d:port>", "dst port 443"},
        {"flowSrcAS", "<d:as>65000</d:as>", "src as 65000"},
        {"flowDstAS", "<d:as>65001</d:as>", "dst as 65001"},
        {"flowToS", "<d:tos>184</d:tos>", "tos 184"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char operation[512];
        snprintf(operation, sizeof operation,
                 "<d:%s>%s<d:from>%zu</d:from><d:to>2000</d:to></d:%s>", rows[i].name,
                 rows[i].arguments, i, rows[i].name);
        CU_ASSERT_EQUAL(ask(operation), 200);
        CU_ASSERT_STRING_EQUAL(fake.filter, rows[i].filter);
        CU_ASSERT_EQUAL(fake.when.from_ms, (int64_t)i);
        CU_ASSERT_EQUAL(fake.when.to_ms, 2000);
        CU_ASSERT_STRING_EQUAL(fake.by, "");
        CU_ASSERT_TRUE(says("<wt:octets>18446744073709551615</wt:octets>"));
        CU_ASSERT_TRUE(says("<wt:packets>9007199254740993</wt:packets>"));
        CU_ASSERT_TRUE(says("<wt:missingRecordsPercent>12.5</wt:missingRecordsPercent>"));
        CU_ASSERT_TRUE(says("<wt:spoolDrops>119</wt:spoolDrops>"));
    }
}

static void test_aggregate(void)
{
    fake.rows = 3;
    CU_ASSERT_EQUAL(ask("<d:Aggregate><d:by>srcTag</d:by><d:by>exporter</d:by><d:by>x</d:by>"
                        "<d:filter>packets &lt; 5</d:filter><d:from>-5</d:from><d:to>9</d:to>"
                        "<d:step>60000</d:step><d:top>2</d:top><d:order>flows</d:order>"
                        "<d:source>rollup</d:source></d:Aggregate>"),
                    200);
    CU_ASSERT_STRING_EQUAL(fake.by, "srcTag,exporter,x,");
    CU_ASSERT_STRING_EQUAL(fake.filter, "packets < 5");
    CU_ASSERT_EQUAL(fake.when.from_ms, -5);
    CU_ASSERT_EQUAL(fake.step_ms, 60000);
    CU_ASSERT_EQUAL(fake.top, 2);
    CU_ASSERT_EQUAL(fake.order, MEASURE_FLOWS);
    CU_ASSERT_EQUAL(fake.source, SOURCE_ROLLUP);
    CU_ASSERT_TRUE(
        says("<wt:key name=\"srcTag\">2</wt:key><wt:key name=\"exporter\">192.0.2.2</wt:key>"));
    CU_ASSERT_TRUE(says("absent=\"true\""));
    CU_ASSERT_TRUE(says("<wt:bin>-3</wt:bin>"));
    CU_ASSERT_TRUE(says("<wt:source>rollup</wt:source>"));

    CU_ASSERT_EQUAL(ask("<d:Aggregate><d:from>1</d:from><d:to>2</d:to></d:Aggregate>"), 200);
    CU_ASSERT_PTR_NULL(strstr(answer, "<wt:bin>"));
    CU_ASSERT_EQUAL(fake.order, MEASURE_OCTETS);
    CU_ASSERT_EQUAL(fake.source, SOURCE_AUTO);

    CU_ASSERT_EQUAL(ask("<d:Aggregate><d:by>srcTag</d:by><d:by>exporter/48</d:by>"
                        "<d:from>1</d:from><d:to>2</d:to></d:Aggregate>"),
                    200); /* an IPv4 address has no 48 bits */
    CU_ASSERT_TRUE(says("<wt:key name=\"exporter/48\">192.0.2.2/32</wt:key>"));

    fake.rows = 3000; /* chunked */
    CU_ASSERT_EQUAL(
        ask("<d:Aggregate><d:by>srcTag</d:by><d:from>1</d:from><d:to>2</d:to></d:Aggregate>"), 200);
    CU_ASSERT_TRUE(strstr(answer, "chunked") != NULL);
    fake.rows = 5001; /* past rows_most */
    CU_ASSERT_EQUAL(
        ask("<d:Aggregate><d:by>srcTag</d:by><d:from>1</d:from><d:to>2</d:to></d:Aggregate>"), 500);
    CU_ASSERT_TRUE(says("<wt:code>TooLarge</wt:code>"));
    fake.rows = 3;
}

/* ---- faults ---- */

static void test_bad_arguments(void)
{
    static const struct {
        const char *operation, *code, *field;
    } rows[] = {
        {"<d:flowSrcIP><d:address>192.0.2</d:address><d:from>1</d:from><d:to>2</d:to></"
         "d:flowSrcIP>",
         "BadArgument", "address"},
        {"<d:flowSrcIP><d:address>1.2.3.4</d:address><d:from>2</d:from><d:to>2</d:to></"
         "d:flowSrcIP>",
         "BadArgument", "from"},
        {"<d:flowSrcIP><d:address>1.2.3.4</d:address><d:from>x</d:from><d:to>2</d:to></"
         "d:flowSrcIP>",
         "BadArgument", "from"},
        {"<d:flowSrcIP><d:address xsi:nil=\"true\"/><d:from>1</d:from><d:to>2</d:to></d:flowSrcIP>",
         "BadArgument", "address"},
        {"<d:flowSrcPort><d:port>65536</d:port><d:from>1</d:from><d:to>2</d:to></d:flowSrcPort>",
         "BadArgument", "port"},
        {"<d:flowSrcPort><d:port>-1</d:port><d:from>1</d:from><d:to>2</d:to></d:flowSrcPort>",
         "BadArgument", "port"},
        {"<d:flowToS><d:tos>256</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>", "BadArgument",
         "tos"},
        {"<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>99999999999999999999</d:to></"
         "d:flowToS>",
         "BadArgument", "to"},
        {"<d:flowSrcAS><d:as>4294967296</d:as><d:from>1</d:from><d:to>2</d:to></d:flowSrcAS>",
         "BadArgument", "as"},
        {"<d:flowTagSrc><d:srcTag>nowhere</d:srcTag><d:from>1</d:from><d:to>2</d:to></"
         "d:flowTagSrc>",
         "NotFound", "srcTag"},
        {"<d:flowTagSrcDst><d:srcTag>7</d:srcTag><d:dstTag>99</d:dstTag><d:from>1</d:from><d:to>2</"
         "d:to></d:flowTagSrcDst>",
         "NotFound", "dstTag"},
        {"<d:flowTagSrc><d:srcTag>7 or "
         "any</d:srcTag><d:from>1</d:from><d:to>2</d:to></d:flowTagSrc>",
         "BadArgument", "srcTag"},
        {"<d:flowTagSrc><d:srcTag></d:srcTag><d:from>1</d:from><d:to>2</d:to></d:flowTagSrc>",
         "BadArgument", "srcTag"},
        {"<d:flowTagSrc><d:srcTag>7</d:srcTag><d:to>2</d:to></d:flowTagSrc>", "BadArgument",
         "from"},
        {"<d:flowTagSrc xsi:nil=\"true\"/>", "BadArgument", "flowTagSrc"},
        {"<d:Aggregate><d:from>1</d:from><d:to>2</d:to><d:step>0</d:step></d:Aggregate>",
         "BadArgument", "step"},
        {"<d:Aggregate><d:from>1</d:from><d:to>2</d:to><d:order>size</d:order></d:Aggregate>",
         "BadArgument", "order"},
        {"<d:Aggregate><d:by></d:by><d:from>1</d:from><d:to>2</d:to></d:Aggregate>", "BadArgument",
         "by"},
        {"<d:StoreBlock><d:block></d:block></d:StoreBlock>", "BadArgument", "block"},
        {"<d:StoreBlock xsi:nil=\"true\"/>", "BadArgument", "StoreBlock"},
        {"<d:GetAccount><d:from>3</d:from><d:to>2</d:to></d:GetAccount>", "BadArgument", "from"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char code[64], field[64];
        int calls = fake.calls;
        snprintf(code, sizeof code, "<wt:code>%s</wt:code>", rows[i].code);
        snprintf(field, sizeof field, "<wt:field>%s</wt:field>", rows[i].field);
        CU_ASSERT_EQUAL(ask(rows[i].operation), 500);
        CU_ASSERT_TRUE(says(code));
        CU_ASSERT_TRUE(says(field));
        CU_ASSERT_TRUE(says("<wt:retryable>false</wt:retryable>"));
        CU_ASSERT_EQUAL(fake.calls, calls); /* the store was not bothered */
    }
}

static void test_bad_requests(void)
{
    static const char *const operations[] = {
        "<d:Nope/>",
        "<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to><d:zzz/></d:flowToS>",
        "<flowToS/>",
        "<d:flowToS>",
        "",
    };
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        CU_ASSERT_EQUAL(ask(operations[i]), 500);
        CU_ASSERT_TRUE(says("<wt:code>Bad"));
    }
}

static void test_store_faults(void)
{
    static const struct {
        enum weir_status status;
        const char *code, *retryable;
    } rows[] = {
        {WEIR_ENOMEM, "Overload", "true"},      {WEIR_EARGUMENT, "BadArgument", "false"},
        {WEIR_ESYNTAX, "BadArgument", "false"}, {WEIR_ENOTFOUND, "NotFound", "false"},
        {WEIR_EEXISTS, "Exists", "false"},      {WEIR_EMALFORMED, "BadBlock", "false"},
        {WEIR_ECHECKSUM, "BadBlock", "false"},  {WEIR_EVERSION, "BadBlock", "false"},
        {WEIR_ELIMIT, "TooLarge", "false"},     {WEIR_EIO, "Unavailable", "true"},
        {WEIR_EFULL, "Full", "true"},           {WEIR_EBUSY, "Overload", "true"},
        {WEIR_EDENIED, "Denied", "false"},      {WEIR_EUNAVAILABLE, "Unavailable", "true"},
        {WEIR_ECANCELLED, "Deadline", "true"},  {WEIR_ECORRUPT, "Corrupt", "false"},
        {WEIR_EINTERNAL, "Internal", "false"},
    };
    fake.fail_field = "filter";
    fake.fail_message = "a <b> & \"c\" \xff \xc3\xa9";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char code[64], retryable[64];
        fake.fail = rows[i].status;
        snprintf(code, sizeof code, "<wt:code>%s</wt:code>", rows[i].code);
        snprintf(retryable, sizeof retryable, "<wt:retryable>%s</wt:retryable>", rows[i].retryable);
        CU_ASSERT_EQUAL(ask("<d:Aggregate><d:from>1</d:from><d:to>2</d:to></d:Aggregate>"), 500);
        CU_ASSERT_TRUE(says(code));
        CU_ASSERT_TRUE(says(retryable));
        CU_ASSERT_TRUE(says("<wt:field>filter</wt:field>"));
        CU_ASSERT_TRUE(says("a &lt;b&gt; &amp; \"c\" ? \xc3\xa9"));
    }
    fake.fail = WEIR_OK;
}

static void test_soap12(void)
{
    int fd = dial();
    const char *text =
        envelope(SOAP12, "<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>");
    CU_ASSERT_EQUAL(exchange(fd, "application/soap+xml", text, strlen(text)), 200);
    CU_ASSERT_TRUE(says(SOAP12));
    text =
        envelope(SOAP12, "<d:flowToS><d:tos>1</d:tos><d:from>2</d:from><d:to>2</d:to></d:flowToS>");
    CU_ASSERT_EQUAL(exchange(fd, "application/soap+xml", text, strlen(text)), 400);
    CU_ASSERT_TRUE(says("SOAP-ENV:Sender"));
    CU_ASSERT_TRUE(says("<wt:field>from</wt:field>"));
    fake.fail = WEIR_EBUSY;
    text =
        envelope(SOAP12, "<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>");
    CU_ASSERT_EQUAL(exchange(fd, "application/soap+xml", text, strlen(text)), 500);
    CU_ASSERT_TRUE(says("SOAP-ENV:Receiver"));
    fake.fail = WEIR_OK;
    close(fd);
}

/* ---- connections ---- */

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

static void test_documents(void)
{
    static const char request[] = "GET /db?wsdl HTTP/1.1\r\nHost: flows.example:81\r\n\r\n";
    int fd = dial();
    send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    CU_ASSERT_TRUE(says("location=\"http://flows.example:81/db\""));
    CU_ASSERT_TRUE(says("schemaLocation=\"http://flows.example:81/xsd/weir-types.xsd\""));
    CU_ASSERT_PTR_NULL(strstr(answer, "soap12"));
    static const char both[] = "GET /collector?wsdl12 HTTP/1.1\r\nHost: h\r\n\r\n";
    send(fd, both, sizeof both - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    CU_ASSERT_TRUE(says("<soap12:binding style"));
    CU_ASSERT_TRUE(says("<binding name=\"CollectorSoap12\""));
    CU_ASSERT_TRUE(says("binding=\"col:CollectorSoap12\""));
    static const char schema[] = "GET /xsd/weir-types.xsd HTTP/1.1\r\n\r\n";
    send(fd, schema, sizeof schema - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    static const char head_only[] = "HEAD /healthz HTTP/1.1\r\nConnection: close\r\n\r\n";
    send(fd, head_only, sizeof head_only - 1, MSG_NOSIGNAL);
    (void)receive(fd);
    CU_ASSERT_TRUE(says("Content-Length: 3"));
    CU_ASSERT_PTR_NULL(strstr(answer, "ok\n"));
    close(fd);
}

/* The schema's counters are those of the account, in that order: they are copied as one run. */
static void test_counters_of_the_contract(void)
{
    const char *schema = NULL;
    for (const struct embedded *d = documents; d->name; d++)
        if (strcmp(d->name, "weir-types.xsd") == 0)
            schema = d->text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(schema);
    const char *at = strstr(schema, "<xs:complexType name=\"Counters\">");
    const char *end = strstr(at, "</xs:complexType>");
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++) {
        char name[100];
        snprintf(name, sizeof name, "<xs:element name=\"%s\"", account_counter_names[i].name);
        const char *element = strstr(at, "<xs:element name=");
        CU_ASSERT_TRUE(element && strncmp(element, name, strlen(name)) == 0);
        at = element + 1;
    }
    CU_ASSERT_TRUE(strstr(at, "<xs:element name=") > end);
}

/* Every code that can be sent is in the contract, and a client makes a status of it that is told
 * alike. */
static void test_codes_of_the_contract(void)
{
    const char *schema = NULL;
    for (const struct embedded *d = documents; d->name; d++)
        if (strcmp(d->name, "weir-types.xsd") == 0)
            schema = d->text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(schema);
    for (int status = WEIR_EINTERNAL; status < WEIR_OK; status++) {
        char element[100];
        const struct fault_kind *kind = fault_kind_of((enum weir_status)status);
        CU_ASSERT_EQUAL(kind->status, (enum weir_status)status);
        snprintf(element, sizeof element, "<xs:enumeration value=\"%s\">", kind->code);
        CU_ASSERT_PTR_NOT_NULL(strstr(schema, element));
        CU_ASSERT_STRING_EQUAL(fault_kind_of(fault_status_of(kind->code))->code, kind->code);
    }
    CU_ASSERT_EQUAL(fault_status_of("SomethingNew"), WEIR_EINTERNAL);
}

/* ---- blocks ---- */

static void test_mtom(void)
{
    static const char type[] = "multipart/related; type=\"application/xop+xml\"; boundary=\"B=b\"; "
                               "start=\"<r>\"; start-info=\"text/xml\"";
    for (size_t size = 0; size < 3000000; size = size ? size * 171 : 1) {
        char *body = malloc(size + 2000);
        size_t n = (size_t)sprintf(
            body,
            "--B=b\r\nContent-Type: application/xop+xml; charset=UTF-8; "
            "type=\"text/xml\"\r\nContent-ID: <r>\r\n\r\n%s\r\n--B=b\r\nContent-Type: "
            "application/octet-stream\r\nContent-ID: <x@y>\r\n\r\n",
            envelope(SOAP11, "<d:StoreBlock><d:block><x:Include "
                             "xmlns:x=\"http://www.w3.org/2004/08/xop/include\" "
                             "href=\"cid:x@y\"/></d:block></d:StoreBlock>"));
        char *data = body + n;
        for (size_t i = 0; i < size; i++)
            data[i] = i % 5 ? '=' : i % 7 ? '<' : '-'; /* what must not be taken for tags */
        n += size;
        n += (size_t)sprintf(body + n, "\r\n--B=b--%s", size % 2 ? "\r\n" : "");
        int fd = dial(), status = exchange(fd, type, body, n);
        CU_ASSERT_EQUAL(status, size ? 200 : 500);
        if (size) {
            CU_ASSERT_TRUE(says("stored"));
            CU_ASSERT_EQUAL(fake.block_length, size);
            CU_ASSERT_EQUAL(memcmp(fake.block, data, size), 0);
        }
        /* and the connection goes on */
        const char *text = envelope(SOAP11, "<d:GetStatus/>");
        CU_ASSERT_EQUAL(exchange(fd, "text/xml", text, strlen(text)), 200);
        close(fd);
        free(body);
    }
}

static void test_inline_block(void)
{
    fake.block_known = true;
    CU_ASSERT_EQUAL(ask("<d:StoreBlock><d:block>aGVsbG8gd29ybGQ=</d:block></d:StoreBlock>"), 200);
    CU_ASSERT_TRUE(says("known"));
    CU_ASSERT_EQUAL(fake.block_length, 11);
    CU_ASSERT_EQUAL(memcmp(fake.block, "hello world", 11), 0);
    fake.block_known = false;
}

static enum weir_status deliver(struct remote_sink *r, size_t size, struct weir_error *error)
{
    uint8_t *block = malloc(size);
    for (size_t i = 0; i < size; i++)
        block[i] = (uint8_t)(i * 2654435761u >> 13);
    struct sink sink = remote_sink(r);
    enum weir_status status = sink.deliver(sink.context, block, size, error);
    if (status == WEIR_OK)
        CU_ASSERT_TRUE(fake.block_length == size && memcmp(fake.block, block, size) == 0);
    free(block);
    return status;
}

static void test_remote_sink(void)
{
    static const struct {
        enum weir_status told, made;
    } rows[] = {
        {WEIR_EFULL, WEIR_EFULL},           {WEIR_EBUSY, WEIR_EBUSY},
        {WEIR_ENOMEM, WEIR_EBUSY},          {WEIR_EIO, WEIR_EUNAVAILABLE},
        {WEIR_ECORRUPT, WEIR_EUNAVAILABLE}, {WEIR_EINTERNAL, WEIR_EUNAVAILABLE},
        {WEIR_EMALFORMED, WEIR_EMALFORMED}, {WEIR_ECHECKSUM, WEIR_EMALFORMED},
        {WEIR_EVERSION, WEIR_EMALFORMED},   {WEIR_ELIMIT, WEIR_ELIMIT},
        {WEIR_EDENIED, WEIR_EDENIED},
    };
    char url[64];
    struct weir_error error;
    struct remote_sink *r;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/db", port);
    struct remote_sink_settings settings = {.url = url};
    CU_ASSERT_EQUAL_FATAL(remote_sink_new(&settings, &r, &error), WEIR_OK);
    for (size_t size = 1; size < 6000000; size *= 7)
        CU_ASSERT_EQUAL(deliver(r, size, &error), WEIR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fake.fail = rows[i].told;
        CU_ASSERT_EQUAL(deliver(r, 1000, &error), rows[i].made);
        CU_ASSERT_EQUAL(error.status, rows[i].made);
    }
    fake.fail = WEIR_OK;
    CU_ASSERT_EQUAL(deliver(r, 1000, &error), WEIR_OK);
    CU_ASSERT_EQUAL(deliver(r, 9u << 20, &error), WEIR_ELIMIT); /* past the server's block_most */
    CU_ASSERT_EQUAL(deliver(r, 1000, &error), WEIR_OK);
    remote_sink_stop(r);
    CU_ASSERT_EQUAL(deliver(r, 1000, &error), WEIR_EUNAVAILABLE);
    remote_sink_free(r);

    settings.url = "http://127.0.0.1:1/db";
    CU_ASSERT_EQUAL_FATAL(remote_sink_new(&settings, &r, &error), WEIR_OK);
    CU_ASSERT_EQUAL(deliver(r, 1000, &error), WEIR_EUNAVAILABLE);
    remote_sink_free(r);
    static const char *const bad[] = {"",         "ftp://a/db",    "http://",     "http:///db",
                                      "http://a", "http://a b/db", "http://a/d b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        settings.url = bad[i];
        CU_ASSERT_EQUAL(remote_sink_new(&settings, &r, &error), WEIR_EARGUMENT);
    }
}

/* ---- the collector's catalogue ---- */

static int ask_collector(const char *operation)
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

static void test_catalogue(void)
{
    int before = changes;
    CU_ASSERT_EQUAL(ask_collector("<c:AddTag><c:tag><w:id>12</w:id><w:name>PoP-RN</"
                                  "w:name><w:prefix>2001:db8::/32</w:prefix></c:tag></c:AddTag>"),
                    200);
    CU_ASSERT_EQUAL(changes, before + 1);
    CU_ASSERT_STRING_EQUAL(fake.who, "soap 127.0.0.1");
    /* known at once to questions */
    CU_ASSERT_EQUAL(ask("<d:flowTagSrc><d:srcTag>PoP-RN</d:srcTag><d:from>1</d:from><d:to>2</"
                        "d:to></d:flowTagSrc>"),
                    200);
    CU_ASSERT_STRING_EQUAL(fake.filter, "src tag 12");
    CU_ASSERT_EQUAL(
        ask_collector("<c:AddTag><c:tag><w:id>12</w:id><w:name>again</w:name></c:tag></c:AddTag>"),
        500);
    CU_ASSERT_TRUE(says("<wt:code>Exists</wt:code>"));
    CU_ASSERT_EQUAL(changes, before + 1);
    CU_ASSERT_EQUAL(ask_collector("<c:ListTags/>"), 200);
    CU_ASSERT_TRUE(says("<wt:name>PoP-RN</wt:name><wt:prefix>2001:db8::/32</wt:prefix>"));
    CU_ASSERT_EQUAL(ask_collector("<c:DelTag><c:tag>PoP-RN</c:tag></c:DelTag>"), 200);
    CU_ASSERT_EQUAL(ask("<d:flowTagSrc><d:srcTag>PoP-RN</d:srcTag><d:from>1</d:from><d:to>2</"
                        "d:to></d:flowTagSrc>"),
                    500);

    static const struct {
        const char *operation, *field;
    } bad[] = {
        {"<c:AddTag><c:tag><w:id>0</w:id><w:name>a</w:name></c:tag></c:AddTag>", "id"},
        {"<c:AddTag><c:tag><w:id>1</w:id><w:name>123</w:name></c:tag></c:AddTag>", "name"},
        {"<c:AddTag><c:tag><w:id>1</w:id><w:name></w:name></c:tag></c:AddTag>", "name"},
        {"<c:AddTag><c:tag><w:id>1</w:id><w:name>a</w:name><w:prefix>10.0.0.0/33</w:prefix></"
         "c:tag></c:AddTag>",
         "prefix"},
        {"<c:AddMDev><c:mdev><w:address>x</w:address></c:mdev></c:AddMDev>", "address"},
        {"<c:AddMDev><c:mdev><w:address>1.2.3.4</w:address><w:samplingRate>0</w:samplingRate></"
         "c:mdev></c:AddMDev>",
         "samplingRate"},
        {"<c:AddMDev><c:mdev><w:address>1.2.3.4</w:address><w:samplingRate>NaN</w:samplingRate></"
         "c:mdev></c:AddMDev>",
         "samplingRate"},
        {"<c:AddMDev><c:mdev><w:address>1.2.3.4</w:address><w:name>&#1;</w:name></c:mdev></"
         "c:AddMDev>",
         "name"},
        {"<c:AddCompDB><c:compDB><w:url>file:///etc/passwd</w:url></c:compDB></c:AddCompDB>",
         "url"},
        {"<c:AddTag><c:tag><w:name>a</w:name></c:tag></c:AddTag>", "id"},
        {"<c:AddTag/>", "tag"},
        {"<c:DelTag><c:tag>0</c:tag></c:DelTag>", "tag"},
    };
    before = changes;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char field[64];
        snprintf(field, sizeof field, "<wt:field>%s</wt:field>", bad[i].field);
        CU_ASSERT_EQUAL(ask_collector(bad[i].operation), 500);
        CU_ASSERT_TRUE(says(field));
    }
    CU_ASSERT_EQUAL(changes, before);
    CU_ASSERT_EQUAL(
        ask_collector("<c:AddMDev><c:mdev><w:address>1.2.3.4</w:address></c:mdev></c:AddMDev>"),
        200);
    CU_ASSERT_EQUAL(ask_collector("<c:ListMDevs/>"), 200);
    CU_ASSERT_TRUE(says("<wt:address>1.2.3.4</wt:address>"));
    CU_ASSERT_EQUAL(
        ask_collector(
            "<c:AddCompDB><c:compDB><w:url>http://a:1/db</w:url></c:compDB></c:AddCompDB>"),
        200);
    CU_ASSERT_EQUAL(ask_collector("<c:GetStatus/>"), 200);
    CU_ASSERT_TRUE(says("<wt:lastError>a? b</wt:lastError>"));
    CU_ASSERT_TRUE(says("<wt:catalogueError>c?</wt:catalogueError>"));
    CU_ASSERT_EQUAL(ask_collector("<c:GetAccount><c:from>1</c:from><c:to>2</c:to></c:GetAccount>"),
                    200);
    CU_ASSERT_TRUE(says("<wt:counters>"));
}

/* ---- selection and privacy ---- */

static void changes_to(const char *operation, const char *text)
{
    fake_selection.text[0] = '\0';
    CU_ASSERT_EQUAL(ask_collector(operation), 200);
    CU_ASSERT_STRING_EQUAL(fake_selection.text, text);
}

#define ANONY "<w:device>1.2.3.4</w:device><w:domain>7</w:domain><w:anonymisation>"
static void test_selection(void)
{
    changes_to("<c:AddFlowType><c:flowType><w:name>a</w:name><w:priority>5</w:priority>"
               "<w:filter>proto udp</w:filter><w:action>aggregate</w:action><w:key>srcTag</w:key>"
               "<w:key>dstTag</w:key></c:flowType></c:AddFlowType>",
               "a 5 aggregate [proto udp] [srcTag,dstTag] none");
    changes_to("<c:AddFlowType><c:flowType><w:name>b</w:name><w:priority>6</w:priority>"
               "<w:action>anonymise</w:action><w:anonymisation><w:method>truncate</w:method>"
               "<w:ipv4Length>8</w:ipv4Length></w:anonymisation></c:flowType></c:AddFlowType>",
               "b 6 anonymise [] [] truncate/8,48");
    changes_to("<c:DelFlowType><c:name>a</c:name></c:DelFlowType>", "-a");
    changes_to("<c:AddObsD><c:obsD><w:device>1.2.3.4</w:device><w:domain>7</w:domain>"
               "<w:name>n</w:name></c:obsD></c:AddObsD>", "domain 7 n");
    changes_to("<c:DelObsD><c:device>1.2.3.4</c:device><c:domain>7</c:domain></c:DelObsD>",
               "-domain 7");
    changes_to("<c:AddObsP><c:obsP><w:device>1.2.3.4</w:device><w:domain>7</w:domain>"
               "<w:interface>3</w:interface><w:role>edge-out</w:role></c:obsP></c:AddObsP>",
               "point 7 3 edge-out");
    changes_to("<c:DelObsP><c:device>1.2.3.4</c:device><c:domain>7</c:domain>"
               "<c:interface>3</c:interface></c:DelObsP>", "-point 7 3");
    int keys = fake_selection.keys;
    changes_to("<c:AnonyFlowDom><c:flowDom>" ANONY "<w:method>crypto-pan</w:method><w:field>ie95</w:field>"
               "<w:macs>true</w:macs><w:key>k</w:key></w:anonymisation></c:flowDom></c:AnonyFlowDom>",
               "policy 7 crypto-pan+mac+remove(ie95) key=k");
    CU_ASSERT_EQUAL(fake_selection.keys, keys + 1); /* made before there is a policy */
    changes_to("<c:DelAnonyFlowDom><c:device>1.2.3.4</c:device><c:domain>7</c:domain>"
               "</c:DelAnonyFlowDom>", "-policy 7");
    changes_to("<c:AnonyFlowDom><c:flowDom><w:device>1.2.3.4</w:device><w:anonymisation>"
               "<w:method>truncate</w:method></w:anonymisation></c:flowDom></c:AnonyFlowDom>",
               "policy device 0 truncate/24,48 key=");
    changes_to("<c:AnonyFlowDom><c:flowDom><w:anonymisation><w:method>truncate</w:method>"
               "</w:anonymisation></c:flowDom></c:AnonyFlowDom>", "policy all 0 truncate/24,48 key=");
    changes_to("<c:DelAnonyFlowDom><c:device>1.2.3.4</c:device></c:DelAnonyFlowDom>",
               "-policy device 0");
    changes_to("<c:DelAnonyFlowDom></c:DelAnonyFlowDom>", "-policy all 0");
    CU_ASSERT_EQUAL(ask_collector("<c:DelAnonyFlowDom><c:domain>7</c:domain></c:DelAnonyFlowDom>"), 500);
    CU_ASSERT_TRUE(says("<wt:field>device</wt:field>")); /* a domain of whom? */
    fake_selection.key_status = WEIR_EDENIED;
    fake_selection.text[0] = '\0';
    CU_ASSERT_EQUAL(ask_collector("<c:AnonyFlowDom><c:flowDom>" ANONY "<w:method>crypto-pan</w:method>"
                                  "</w:anonymisation></c:flowDom></c:AnonyFlowDom>"), 500);
    CU_ASSERT_TRUE(says("<wt:field>key</wt:field>"));
    CU_ASSERT_STRING_EQUAL(fake_selection.text, ""); /* no key, no policy */
    fake_selection.key_status = WEIR_OK;
    CU_ASSERT_EQUAL(ask_collector("<c:AnonyFlowDom><c:flowDom>" ANONY "<w:method>truncate</w:method>"
                                  "<w:ipv4Length>300</w:ipv4Length></w:anonymisation></c:flowDom>"
                                  "</c:AnonyFlowDom>"), 500);
    CU_ASSERT_TRUE(says("<wt:field>ipv4Length</wt:field>"));
    CU_ASSERT_EQUAL(ask_collector("<c:AddFlowType><c:flowType><w:name>a</w:name><w:priority>5</w:priority>"
                                  "<w:action>aggregate</w:action><w:key>a,b</w:key></c:flowType>"
                                  "</c:AddFlowType>"), 500);
    CU_ASSERT_TRUE(says("<wt:field>keys</wt:field>"));
    CU_ASSERT_EQUAL(ask_collector("<c:Suspend/>"), 200);
    CU_ASSERT_TRUE(fake_selection.suspended);
    CU_ASSERT_EQUAL(ask_collector("<c:Resume/>"), 200);
    CU_ASSERT_FALSE(fake_selection.suspended);
    static const char *const lists[] = {"<c:ListFlowTypes/>", "<c:ListObsDs/>", "<c:ListObsPs/>",
                                        "<c:ListAnonyFlowDoms/>"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        CU_ASSERT_EQUAL(ask_collector(lists[i]), 200);
}

/* Described and heard, heard only, and a socket, which is no exporter. */
static void test_devices_heard(void)
{
    CU_ASSERT_EQUAL(ask_collector("<c:ListMDevs/>"), 200);
    CU_ASSERT_TRUE(says("<wt:address>1.2.3.4</wt:address><wt:name>kept</wt:name>"
                        "<wt:lastHeard>5</wt:lastHeard></"));
    CU_ASSERT_TRUE(says("<wt:address>1.2.3.9</wt:address><wt:unknown>true</wt:unknown>"
                        "<wt:lastHeard>6</wt:lastHeard><wt:refused>4</wt:refused>"));
    CU_ASSERT_PTR_NULL(strstr(answer, "<wt:address>::</wt:address>"));
}

static void test_metrics(void)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
    int fd = dial();
    send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    close(fd);
    CU_ASSERT_TRUE(says("weir_exporter_records_total{exporter=\"1.2.3.4\",domain=\"7\",protocol=\"9\"} 12\n"));
    CU_ASSERT_TRUE(says("weir_exporter_deselected_records_total{exporter=\"1.2.3.4\",domain=\"7\",protocol=\"9\"} 3\n"));
    CU_ASSERT_TRUE(says("weir_exporter_refused_datagrams_total{exporter=\"1.2.3.9\",domain=\"0\",protocol=\"0\"} 4\n"));
    CU_ASSERT_TRUE(says("# TYPE weir_exporter_records_total counter\n"));
    CU_ASSERT_TRUE(says("weir_store_blocks 1\n"));
    CU_ASSERT_TRUE(says("weir_collector_running 1\n"));
}

/* ---- stopping ---- */

static void test_stop(void)
{
    int idle = dial(), bulk = dial();
    static const char half[] =
        "POST /db HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 500000\r\n\r\n<e:";
    send(bulk, half, sizeof half - 1, MSG_NOSIGNAL);
    usleep(50000);
    struct timeval before, after;
    gettimeofday(&before, NULL);
    services_stop(services);
    gettimeofday(&after, NULL);
    CU_ASSERT_TRUE(after.tv_sec - before.tv_sec <= 2);
    close(idle);
    close(bulk);
}

static enum weir_status change_fails;
static enum weir_status on_change(void *context, struct weir_error *error)
{
    atomic_fetch_add((_Atomic int *)context, 1);
    if (change_fails != WEIR_OK)
        return weir_fail(error, change_fails, "key", "the key is lost");
    return WEIR_OK;
}

/* What is kept and not in force is no success. */
static void test_not_in_force(void)
{
    static const char *const adds[] = {
        "<c:AddObsD><c:obsD><w:device>1.2.3.4</w:device><w:domain>7</w:domain></c:obsD></c:AddObsD>",
        "<c:DelObsD><c:device>1.2.3.4</c:device><c:domain>7</c:domain></c:DelObsD>"};
    for (size_t i = 0; i < sizeof adds / sizeof *adds; i++) {
        int before = changes;
        change_fails = WEIR_EIO;
        CU_ASSERT_EQUAL(ask_collector(adds[i]), 500);
        CU_ASSERT_TRUE(says("<wt:code>Unavailable</wt:code>"));
        CU_ASSERT_TRUE(says("<wt:field>key</wt:field>"));
        CU_ASSERT_TRUE(says("the change is kept, but not in force yet"));
        CU_ASSERT_TRUE(says("the key is lost"));
        CU_ASSERT_EQUAL(changes, before + 1);
        change_fails = WEIR_OK;
        CU_ASSERT_EQUAL(ask_collector(adds[i]), 200);
    }
}

int main(void)
{
    struct weir_error error = {0};
    struct services_settings settings = {.listen = "127.0.0.1:0",
                                         .roles = SERVICE_DB | SERVICE_COLLECTOR,
                                         .store = &fake,
                                         .collector = (struct collector *)(void *)&fake,
                                         .block_most = 8u << 20,
                                         .rows_most = 5000,
                                         .catalogue_changed = on_change,
                                         .context = (void *)(uintptr_t)&changes};
    fake.tags[0] = (struct tag){.id = 7, .name = "PoP-BA"};
    fake.tags[1] = (struct tag){.id = 8, .name = "PoP-PE"};
    fake.tag_count = 2;
    if (services_new(&settings, &services, &error) != WEIR_OK ||
        services_start(services, &error) != WEIR_OK) {
        printf("%s: %s\n", error.field, error.message);
        return 1;
    }
    port = services_port(services);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("services", NULL, NULL);
    CU_add_test(suite, "views", test_views);
    CU_add_test(suite, "aggregate", test_aggregate);
    CU_add_test(suite, "bad arguments", test_bad_arguments);
    CU_add_test(suite, "bad requests", test_bad_requests);
    CU_add_test(suite, "faults of the store", test_store_faults);
    CU_add_test(suite, "SOAP 1.2", test_soap12);
    CU_add_test(suite, "keep-alive", test_keep_alive);
    CU_add_test(suite, "slow senders", test_slow_senders_hold_up_no_one);
    CU_add_test(suite, "chunks", test_chunks);
    CU_add_test(suite, "refusals", test_refusals);
    CU_add_test(suite, "documents", test_documents);
    CU_add_test(suite, "counters of the contract", test_counters_of_the_contract);
    CU_add_test(suite, "codes of the contract", test_codes_of_the_contract);
    CU_add_test(suite, "MTOM", test_mtom);
    CU_add_test(suite, "inline block", test_inline_block);
    CU_add_test(suite, "remote sink", test_remote_sink);
    CU_add_test(suite, "catalogue", test_catalogue);
    CU_add_test(suite, "selection", test_selection);
    CU_add_test(suite, "not in force", test_not_in_force);
    CU_add_test(suite, "devices heard", test_devices_heard);
    CU_add_test(suite, "metrics", test_metrics);
    CU_add_test(suite, "stop", test_stop);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    services_free(services);
    free(fake.block);
    return failures ? 1 : 0;
}
