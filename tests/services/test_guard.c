/* test_guard.c - what the parser is protected from (tag_scan.h), and how attachments are cut out
 * (mime.h). */
#include "chunks.h"
#include "mime.h"
#include "tag_scan.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

static const char *scan(const char *text)
{
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    const char *why = tag_scan(copy, n);
    free(copy);
    return why;
}

static void test_good_tags(void)
{
    static const char *const good[] = {
        "",
        "<a/>",
        "<?xml version=\"1.0\" encoding='utf-8'?><a b=\"1\" c = '2'>x = y 'z' \"</a>",
        "<a b='>'/><c d=\">\"/>",
        "<a>don't</a>",
        "<a><!-- a 'comment' with <tags x=1> --></a>",
        "<a><![CDATA[ packets < 5 and x=\"y ]]></a>",
        "--b\r\nContent-ID: <x@y>\r\n\r\n<a/>\r\n--b--",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CU_ASSERT_PTR_NULL(scan(good[i]));
}

static void test_bad_tags(void)
{
    static const char *const bad[] = {
        "<a b=1>", /* a lexer that ends the value at a blank would see other attributes */
        "<a b=x\" c=\">\">", "<a \"b\">", "<a b='<'>", "<a <b>", "<a 'b>", "<?x <!-- ?><a/>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_PTR_NOT_NULL(scan(bad[i]));
}

/* `count` attributes after `before`, each followed by `after`. */
static const char *scan_many(const char *before, const char *each, unsigned count)
{
    size_t n = strlen(each);
    char *text = malloc(strlen(before) + n * count + 1), *at = text + sprintf(text, "%s", before);
    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, "%s", each);
    const char *why = tag_scan(text, (size_t)(at - text));
    free(text);
    return why;
}

static void test_limits(void)
{
    CU_ASSERT_PTR_NULL(scan_many("<a", " b=\"\"", TAG_ATTRIBUTES_MOST));
    CU_ASSERT_PTR_NOT_NULL(scan_many("<a", " b=\"\"", TAG_ATTRIBUTES_MOST + 1));
    /* values that hold '>' do not begin a new tag */
    CU_ASSERT_PTR_NOT_NULL(scan_many("<a", " b=\">\"", TAG_ATTRIBUTES_MOST + 1));
    CU_ASSERT_PTR_NULL(scan_many("", "<a b=\"1\"/>", 1000));
    CU_ASSERT_PTR_NULL(scan_many("", "<a/>", TAGS_MOST));
    CU_ASSERT_PTR_NOT_NULL(scan_many("", "<a/>", TAGS_MOST + 1));
    /* hiding behind a comment, an instruction, a declaration */
    CU_ASSERT_PTR_NOT_NULL(scan_many("<!-- --><a", " b=\"\"", TAG_LOOSE_MOST + 1));
    CU_ASSERT_PTR_NOT_NULL(scan_many("<!-- ' --><a", " b=\"\"", TAG_LOOSE_MOST + 1));
    CU_ASSERT_PTR_NOT_NULL(scan_many("<!DOCTYPE x><a", " b=\"\"", TAG_LOOSE_MOST + 1));
    CU_ASSERT_PTR_NOT_NULL(scan_many("<?x ' ?><a", " b=\"\"", TAG_ATTRIBUTES_MOST + 1));
    CU_ASSERT_PTR_NOT_NULL(scan_many("<?x > ?><a", " b=\"\"", TAG_ATTRIBUTES_MOST + 1));
}

static struct mime_message m;
static struct weir_error error;

static enum weir_status split(const char *body)
{
    static char *kept;
    size_t n = strlen(body);
    free(kept);
    kept = malloc(n ? n : 1);
    memcpy(kept, body, n);
    return mime_split(kept, n, (struct text){"B", 1}, &m, &error);
}

#define PART1 "--B\r\nContent-ID: <r>\r\n\r\n<a/>"
#define PART2 "\r\n--B\r\nContent-ID: <x>\r\n\r\n"

static void test_mime(void)
{
    CU_ASSERT_EQUAL(split(PART1 PART2 "data\r\n--B--\r\n"), WEIR_OK);
    CU_ASSERT_TRUE(m.has_attachment);
    CU_ASSERT_TRUE(text_is(m.attachment, "data"));
    CU_ASSERT_EQUAL(m.root.length, strlen(PART1 PART2));
    CU_ASSERT_TRUE(text_is(m.closing, "\r\n--B--\r\n"));
    CU_ASSERT_EQUAL(split("\r\n" PART1 PART2 "\r\n\r\nx\r\n--B--"), WEIR_OK);
    CU_ASSERT_TRUE(text_is(m.attachment, "\r\n\r\nx"));
    CU_ASSERT_EQUAL(split(PART1 PART2 "\r\n--B--"), WEIR_OK); /* empty */
    CU_ASSERT_TRUE(m.has_attachment);
    CU_ASSERT_EQUAL(m.attachment.length, 0);
    CU_ASSERT_EQUAL(split(PART1 PART2 "--B--"), WEIR_OK); /* empty, one CRLF for both */
    CU_ASSERT_EQUAL(m.attachment.length, 0);
    CU_ASSERT_TRUE(text_is(m.closing, "--B--"));
    CU_ASSERT_EQUAL(split(PART1 "\r\n--B--"), WEIR_OK);
    CU_ASSERT_FALSE(m.has_attachment);
}

static void test_mime_bad(void)
{
    CU_ASSERT_EQUAL(split(""), WEIR_EMALFORMED);
    CU_ASSERT_EQUAL(split("<a/>"), WEIR_EMALFORMED);
    CU_ASSERT_EQUAL(split(PART1), WEIR_EMALFORMED);
    CU_ASSERT_EQUAL(split(PART1 "\r\n--B\r\nContent-ID: <x>"), WEIR_EMALFORMED);
    CU_ASSERT_EQUAL(split(PART1 PART2 "data"), WEIR_EMALFORMED);
    CU_ASSERT_EQUAL(split(PART1 PART2 "data" PART2 "more\r\n--B--"), WEIR_ELIMIT);
}

/* Decodes `text` in pieces of `step` octets; what the data is, or NULL when refused or unfinished.
 */
static const char *decode(const char *text, size_t step)
{
    static char out[4096];
    struct chunks c = {0};
    size_t have = 0, n = strlen(text);
    for (size_t at = 0; at < n && c.state != CHUNK_DONE && !c.failed; at += step) {
        size_t part = n - at < step ? n - at : step;
        memcpy(out + have, text + at, part);
        have += chunks_decode(&c, out + have, part);
    }
    out[have] = '\0';
    return c.failed || c.state != CHUNK_DONE ? NULL : out;
}

static void test_chunks(void)
{
    static const char good[] =
        "5\r\nhello\r\n1;a=\"b\"\r\n \r\n0000A\r\n0123456789\r\n0\r\nT: x\r\n\r\n";
    for (size_t step = 1; step < sizeof good; step++) {
        const char *data = decode(good, step);
        CU_ASSERT_TRUE(data && strcmp(data, "hello 0123456789") == 0);
    }
    CU_ASSERT_STRING_EQUAL(decode("0\r\n\r\n", 1), "");
    static const char *const bad[] = {
        "\r\n",
        "x\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "FFFFFFFFF\r\n",
        "5\r\nhello\r\n",
        "5\r\nhell",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_PTR_NULL(decode(bad[i], 3));
    struct chunks c = {0};
    char next[] = "1\r\nx\r\n0\r\n\r\nGET /";
    CU_ASSERT_EQUAL(chunks_decode(&c, next, sizeof next - 1), 1);
    CU_ASSERT_EQUAL(c.after, 5);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("guard", NULL, NULL);
    CU_add_test(suite, "good tags", test_good_tags);
    CU_add_test(suite, "bad tags", test_bad_tags);
    CU_add_test(suite, "limits", test_limits);
    CU_add_test(suite, "mime", test_mime);
    CU_add_test(suite, "mime, malformed", test_mime_bad);
    CU_add_test(suite, "chunks", test_chunks);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures ? 1 : 0;
}
