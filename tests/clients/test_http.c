/* test_http.c - addresses and answers of the little HTTP client, and one exchange over loopback. */
#include "canned.h"
#include "weir/http.h"

static void addresses_are_read(void)
{
    static const struct {
        const char *text, *host, *port, *target;
    } cases[] = {
        {"http://127.0.0.1:8080/db?wsdl", "127.0.0.1", "8080", "/db?wsdl"},
        {"http://example.net", "example.net", "80", "/"},
        {"http://example.net?x", "example.net", "80", "/?x"},
        {"http://[::1]:81/a#b", "::1", "81", "/a"},
        {"http://[2001:db8::1]/", "2001:db8::1", "80", "/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_url u;
        CU_ASSERT_EQUAL(http_url_read(cases[i].text, &u, NULL), WEIR_OK);
        CU_ASSERT_STRING_EQUAL(u.host, cases[i].host);
        CU_ASSERT_STRING_EQUAL(u.port, cases[i].port);
        CU_ASSERT_STRING_EQUAL(u.target, cases[i].target);
    }
}

static void wrong_addresses_are_refused(void)
{
    static const char *const wrong[] = {
        "",
        "http://",
        "https://x/",
        "ftp://x",
        "http:///x",
        "http://:80/",
        "http://a:/",
        "http://a:x/",
        "http://[::1",
        "http://a b/",
        "http://a/\r\nX: y",
        "http://a:123456789/",
        "http://user@host/",
    };
    struct http_url u;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_EQUAL(http_url_read(wrong[i], &u, NULL), WEIR_ESYNTAX);
    char longest[4096];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest, "http://", 7);
    CU_ASSERT_EQUAL(http_url_read(longest, &u, NULL), WEIR_ESYNTAX);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void answers_are_read(void)
{
    static const struct {
        const char *bytes;
        int status;
        const char *type, *body;
    } cases[] = {
        {OK "Content-Length: 5\r\n\r\nhello", 200, "", "hello"},
        {OK "content-type:  text/xml \r\nCONTENT-LENGTH:5\r\n\r\nhelloXX", 200, "text/xml",
         "hello"},
        {OK "\r\nto the end", 200, "", "to the end"},
        {"HTTP/1.0 500 No\r\n\r\n", 500, "", ""},
        {"HTTP/1.1 404\x20\n\nx", 404, "", "x"},
        {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", 200, "",
         "hello!"},
        {OK "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", 200, "",
         "0123456789"},
        {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nok", 200, "", "ok"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_answer a;
        CU_ASSERT_EQUAL(http_answer_read(cases[i].bytes, strlen(cases[i].bytes), &a, NULL),
                        WEIR_OK);
        CU_ASSERT_EQUAL(a.status, cases[i].status);
        CU_ASSERT_STRING_EQUAL(a.content_type, cases[i].type);
        CU_ASSERT_EQUAL_FATAL(a.body.length, strlen(cases[i].body));
        CU_ASSERT_EQUAL(memcmp(a.body.bytes, cases[i].body, a.body.length), 0);
        buffer_free(&a.body);
    }
}

static void wrong_answers_are_refused(void)
{
    static const struct {
        const char *bytes;
        enum weir_status status;
    } cases[] = {
        {"", WEIR_ETRUNCATED},
        {"SSH-2.0-OpenSSH\r\n\r\n", WEIR_EMALFORMED},
        {"HTTP/2.0 200 OK\r\n\r\n", WEIR_EMALFORMED},
        {"HTTP/1.1 999 OK\r\n\r\n", WEIR_EMALFORMED},
        {"HTTP/1.1 2x0 OK\r\n\r\n", WEIR_EMALFORMED},
        {OK "no colon\r\n\r\n", WEIR_EMALFORMED},
        {OK "Content-Length: x\r\n\r\n", WEIR_EMALFORMED},
        {OK "Content-Length: -1\r\n\r\n", WEIR_EMALFORMED},
        {OK "Content-Length: 99999999999999999999\r\n\r\n", WEIR_EMALFORMED},
        {OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", WEIR_EMALFORMED},
        {OK "Content-Length: 6\r\n\r\nhello", WEIR_ETRUNCATED},
        {OK "Transfer-Encoding: gzip\r\n\r\n", WEIR_EMALFORMED},
        {OK "Transfer-Encoding: chunked\r\n\r\nzz\r\n", WEIR_EMALFORMED},
        {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n", WEIR_EMALFORMED},
        {OK "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", WEIR_EMALFORMED},
        {"HTTP/1.1 100 Continue\r\n\r\n", WEIR_ETRUNCATED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_answer a;
        CU_ASSERT_EQUAL(http_answer_read(cases[i].bytes, strlen(cases[i].bytes), &a, NULL),
                        cases[i].status);
        CU_ASSERT_PTR_NULL(a.body.bytes);
    }
}

/* Cut after every octet, from memory of exactly that size: never read past, never called whole
 * early. */
static void a_cut_answer_is_truncated(void)
{
    static const char *const wholes[] = {
        OK "Content-Type: text/xml\r\nContent-Length: 5\r\n\r\nhello",
        OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n",
    };
    for (size_t k = 0; k < 2; k++)
        for (size_t cut = 0; cut <= strlen(wholes[k]); cut++) {
            bool whole = cut == strlen(wholes[k]);
            char *bytes = malloc(cut ? cut : 1);
            memcpy(bytes, wholes[k], cut);
            struct http_answer a;
            enum weir_status status = http_answer_read(bytes, cut, &a, NULL);
            /* After "0\r\n" nothing of the body is missing, though the last empty line is. */
            bool last_chunk_seen = k == 1 && cut + 2 >= strlen(wholes[k]);
            CU_ASSERT_EQUAL(status == WEIR_OK, whole || last_chunk_seen);
            CU_ASSERT_EQUAL(http_answer_whole(bytes, cut), whole);
            buffer_free(&a.body);
            free(bytes);
        }
}

static void an_exchange_over_loopback(void)
{
    static const struct canned_row rows[] = {{"POST /x?y HTTP/1.1", 200, "<answer/>", NULL}};
    struct canned server;
    struct http_answer a;
    char url[128];
    canned_start(&server, rows, 1);
    snprintf(url, sizeof url, "%s/x?y", server.url);
    CU_ASSERT_EQUAL(http_send("POST", url, "X-Test: 1\r\n", "body", 4, &a, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(a.status, 200);
    CU_ASSERT_EQUAL(a.body.length, 9);
    CU_ASSERT_TRUE(strstr(a.content_type, "text/xml") == a.content_type);
    buffer_free(&a.body);
    CU_ASSERT_EQUAL(http_send("GET", url, "", NULL, 0, &a, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(a.status, 404);
    buffer_free(&a.body);
    canned_stop(&server);
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(http_send("GET", url, "", NULL, 0, &a, &error), WEIR_EUNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "does not answer"));
}

UNIT_MAIN("http", {"addresses are read", addresses_are_read},
          {"wrong addresses are refused", wrong_addresses_are_refused},
          {"answers are read", answers_are_read},
          {"wrong answers are refused", wrong_answers_are_refused},
          {"a cut answer is truncated", a_cut_answer_is_truncated},
          {"an exchange over loopback", an_exchange_over_loopback})
