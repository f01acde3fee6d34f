/* test_soap_input.c - what a request leaves in the engine never shows in the next one, whichever
 * way each was read; and the engine is told of nothing that is not the message. */
#include "served.h"

#define ROUNDS (3 * SERVED_WORKERS) /* so that most engines have each request behind them */
#define AGGREGATE                                                                                  \
    "<d:Aggregate><d:by>srcTag</d:by><d:from>60000</d:from><d:to>120000</d:to></d:Aggregate>"

static int post(int fd, const char *fields, const char *body)
{
    static char request[1 << 16];
    int n = snprintf(request, sizeof request,
                     "POST /db HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n%s", fields,
                     strlen(body), body);
    send(fd, request, (size_t)n, MSG_NOSIGNAL);
    return receive(fd);
}

#define XML "Content-Type: text/xml\r\n"
#define PARTS                                                                                      \
    "Content-Type: multipart/related; type=\"application/xop+xml\"; boundary=\"B\"; "              \
    "start=\"<r>\"; start-info=\"text/xml\"\r\n"

static const char *parts(const char *text)
{
    static char body[1 << 15];
    snprintf(body, sizeof body,
             "--B\r\nContent-Type: application/xop+xml; type=\"text/xml\"\r\nContent-ID: <r>\r\n"
             "\r\n%.4000s\r\n--B\r\nContent-ID: <x@y>\r\n\r\ndata\r\n--B--",
             text);
    return body;
}

static int store_attached(int fd, const char *fields)
{
    static const char block[] = "<d:StoreBlock><d:block><x:Include xmlns:x=\"http://www.w3.org/"
                                "2004/08/xop/include\" href=\"cid:x@y\"/></d:block></d:StoreBlock>";
    char all[512];
    snprintf(all, sizeof all, PARTS "%s", fields);
    return post(fd, all, parts(envelope(SOAP11, block)));
}

static int refused_tag(int fd)
{
    static const char question[] = "<d:flowTagSrc><d:srcTag>none</d:srcTag><d:from>1</d:from>"
                                   "<d:to>2</d:to></d:flowTagSrc>";
    return post(fd, XML, envelope(SOAP11, question));
}

static int half_an_envelope(int fd)
{
    return post(fd, XML, "<e:Envelope xmlns:e=\"" SOAP11 "\" xmlns:n=\"urn:n\"><e:Body n:a='b'>");
}

static int soap12(int fd)
{
    return post(fd, "Content-Type: application/soap+xml\r\n", envelope(SOAP12, "<d:GetStatus/>"));
}

static int many_names(int fd)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "<d:GetStatus");
    for (int i = 0; i < 12; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " n%d=\"%d\" xmlns:p%d=\"urn:%d\"", i, i,
                      i, i);
    snprintf(text + n, sizeof text - (size_t)n, " id=\"x\"/>");
    return post(fd, XML, envelope(SOAP11, text));
}

static int attached(int fd)
{
    return store_attached(fd, "");
}

static void test_nothing_stays(void)
{
    static const struct {
        int (*ask)(int fd);
        int status;
    } between[] = {{attached, 200},
                   {refused_tag, 500},
                   {half_an_envelope, 500},
                   {soap12, 200},
                   {many_names, 200}};
    static char first[sizeof answer];
    int fd = dial();
    CU_ASSERT_EQUAL(post(fd, XML, envelope(SOAP11, AGGREGATE)), 200);
    snprintf(first, sizeof first, "%s", answer);
    CU_ASSERT_TRUE(says("AggregateResponse"));
    for (size_t i = 0; i < ROUNDS * sizeof between / sizeof *between; i++) {
        size_t k = i % (sizeof between / sizeof *between);
        CU_ASSERT_EQUAL(between[k].ask(fd), between[k].status);
        CU_ASSERT_EQUAL(post(fd, XML, envelope(SOAP11, AGGREGATE)), 200);
        CU_ASSERT_STRING_EQUAL(answer, first);
        CU_ASSERT_EQUAL(post(fd, XML, envelope(SOAP11, AGGREGATE)), 200);
        CU_ASSERT_STRING_EQUAL(answer, first);
    }
    close(fd);
}

/* A head in front of the envelope is no part of it. */
static void test_no_second_head(void)
{
    char body[8192];
    int fd = dial();
    snprintf(body, sizeof body, "POST /db HTTP/1.1\r\n" XML "\r\n%.4000s",
             envelope(SOAP11, AGGREGATE));
    for (int i = 0; i < ROUNDS; i++) {
        CU_ASSERT_EQUAL(post(fd, XML, body), 500);
        CU_ASSERT_EQUAL(post(fd, XML, envelope(SOAP11, AGGREGATE)), 200);
    }
    close(fd);
}

/* The engine would let pages of any site read an answer. */
static void test_no_other_origin(void)
{
    int fd = dial();
    for (int i = 0; i < ROUNDS; i++) {
        CU_ASSERT_EQUAL(store_attached(fd, "Origin: http://else.example\r\n"), 200);
        CU_ASSERT_PTR_NULL(strstr(answer, "Access-Control"));
        CU_ASSERT_EQUAL(
            post(fd, XML "Origin: http://else.example\r\n", envelope(SOAP11, AGGREGATE)), 200);
        CU_ASSERT_PTR_NULL(strstr(answer, "Access-Control"));
    }
    close(fd);
}

SERVED_MAIN("soap input", {"nothing stays", test_nothing_stays},
            {"no second head", test_no_second_head}, {"no other origin", test_no_other_origin})
