/* test_http_head.c - framing of requests, against what RFC 9112 says and a table of bad ones. */
#include "http_head.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

static struct http_head head;

static int read_text(const char *text)
{
    /* flush against the end of its allocation: the sanitizer sees a read too far */
    static char *copy; /* until the next call: `head` points into it */
    size_t n = strlen(text);
    free(copy);
    copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    return http_head_read(copy, n, &head);
}

static void test_good(void)
{
    static const char text[] =
        "POST /db?x=1 HTTP/1.1\r\nHost: a.example:8080\r\ncontent-LENGTH:  12 \r\n"
        "Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"\"\r\n"
        "Expect: 100-continue\r\n\r\n<body>";
    CU_ASSERT_EQUAL(http_head_read(text, sizeof text - 1, &head), HTTP_DONE);
    CU_ASSERT_EQUAL(head.length, sizeof text - 1 - 6);
    CU_ASSERT_EQUAL(head.body_length, 12);
    CU_ASSERT_EQUAL(head.method, HTTP_POST);
    CU_ASSERT_TRUE(head.keep_alive);
    CU_ASSERT_TRUE(head.expects_continue);
    CU_ASSERT_TRUE(text_is(head.path, "/db"));
    CU_ASSERT_TRUE(text_is(head.query, "x=1"));
    CU_ASSERT_TRUE(text_is(head.host, "a.example:8080"));
    CU_ASSERT_TRUE(text_is(head.content_type, "text/xml"));
}

static void test_every_cut_wants_more(void)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, text, n);
        CU_ASSERT_EQUAL(http_head_read(copy, n, &head), HTTP_MORE);
        free(copy);
    }
    CU_ASSERT_EQUAL(http_head_read(text, sizeof text - 1, &head), HTTP_DONE);
    CU_ASSERT_FALSE(head.keep_alive);
}

static void test_versions(void)
{
    CU_ASSERT_EQUAL(read_text("GET / HTTP/1.0\r\n\r\n"), HTTP_DONE);
    CU_ASSERT_FALSE(head.keep_alive);
    CU_ASSERT_EQUAL(read_text("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), HTTP_DONE);
    CU_ASSERT_TRUE(head.keep_alive);
    CU_ASSERT_EQUAL(read_text("GET / HTTP/2.0\r\n\r\n"), 505);
}

static void test_boundary(void)
{
    CU_ASSERT_EQUAL(
        read_text("POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Type: multipart/related; "
                  "type=\"a;b\"; boundary=\"x y\"; start=\"<r>\"\r\n\r\n"),
        HTTP_DONE);
    CU_ASSERT_TRUE(text_is(head.content_type, "multipart/related"));
    CU_ASSERT_EQUAL(head.boundary.length, 3);
    CU_ASSERT_EQUAL(
        read_text("POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Type: multipart/related; "
                  "boundary=abc;type=x\r\n\r\n"),
        HTTP_DONE);
    CU_ASSERT_EQUAL(head.boundary.length, 3);
}

static void test_bad(void)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"hello", 400},
        {"\x16\x03\x01", 400},
        {"get / HTTP/1.1\r\n\r\n", 400},
        {"GET http://x/ HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 400},
        {"GET / FTP/1.1\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"AAAAAAAAAAAAAAAAAAAAAA", 400},
        {"POST / HTTP/1.1\r\n\r\n", 411},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 5x\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n", 415},
        {"POST / HTTP/1.1\r\nExpect: 200-ok\r\n\r\n", 417},
        {"GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a<b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA : x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: \x01\r\n\r\n", 400},
        {"GET /\x01 HTTP/1.1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Type: multipart/related\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = read_text(rows[i].text);
        if (status != rows[i].status)
            printf("row %zu: %d instead of %d: %s\n", i, status, rows[i].status, rows[i].text);
        CU_ASSERT_EQUAL(status, rows[i].status);
    }
}

static void test_limits(void)
{
    size_t n = HTTP_HEAD_MOST + 100;
    char *text = malloc(n + 1);
    memset(text, 'a', n);
    memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
    CU_ASSERT_EQUAL(http_head_read(text, n, &head), 431);
    CU_ASSERT_EQUAL(http_head_read(text, HTTP_HEAD_MOST - 1, &head), HTTP_MORE);
    char *at = text + sprintf(text, "GET / HTTP/1.1\r\n");
    for (unsigned i = 0; i <= HTTP_FIELDS_MOST; i++)
        at += sprintf(at, "A: b\r\n");
    strcpy(at, "\r\n");
    CU_ASSERT_EQUAL(http_head_read(text, strlen(text), &head), 431);
    free(text);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("http_head", NULL, NULL);
    CU_add_test(suite, "good", test_good);
    CU_add_test(suite, "every cut wants more", test_every_cut_wants_more);
    CU_add_test(suite, "versions", test_versions);
    CU_add_test(suite, "boundary", test_boundary);
    CU_add_test(suite, "bad", test_bad);
    CU_add_test(suite, "limits", test_limits);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures ? 1 : 0;
}
