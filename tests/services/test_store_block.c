/* test_store_block.c - StoreBlock over a socket: MTOM, inline, and the remote sink as its own
 * counterpart. */
#include "served.h"

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

SERVED_MAIN("store block", {"MTOM", test_mtom}, {"inline block", test_inline_block},
            {"remote sink", test_remote_sink})
