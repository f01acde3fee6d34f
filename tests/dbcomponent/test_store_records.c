/* Records as JSON lines: each line known beforehand, filters and intervals, and the end of a walk.
 */
#include "store_fixture.h"

static char *printed;
static size_t printed_length;
static unsigned printed_lines;

static enum weir_status keep_line(void *context, const char *text, size_t length)
{
    (void)context;
    CU_ASSERT_EQUAL(text[length - 1], '\n');
    printed = realloc(printed, printed_length + length + 1);
    memcpy(printed + printed_length, text, length);
    printed_length += length;
    printed[printed_length] = 0;
    printed_lines++;
    return WEIR_OK;
}

static void forget(void)
{
    free(printed);
    printed = NULL;
    printed_length = printed_lines = 0;
}

static void set(struct batch *b, ie_key key, uint32_t row, uint64_t value)
{
    size_t column;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, ie_storage_width(key), &column), WEIR_OK);
    struct column *c = batch_column_at(b, column);
    memcpy((uint8_t *)c->values + (size_t)row * c->width, &value, c->width);
    batch_mark(b, column, row, 1);
}

static void set_octets(struct batch *b, ie_key key, uint32_t row, const void *bytes,
                       uint32_t length)
{
    size_t column;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, 0, &column), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(batch_put_octets(b, column, row, bytes, length), WEIR_OK);
    batch_mark(b, column, row, 1);
}

static void set_common(struct batch *b, uint32_t row, uint64_t version, uint64_t end_ms)
{
    struct address exporter = address_from_ipv4(0xc0000201); /* 192.0.2.1 */
    size_t column;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, WEIR_EXPORTER, 16, &column), WEIR_OK);
    memcpy((uint8_t *)batch_column_at(b, column)->values + 16 * (size_t)row, exporter.octets, 16);
    batch_mark(b, column, row, 1);
    set(b, WEIR_PROTOCOL_VERSION, row, version);
    set(b, WEIR_DOMAIN, row, 7);
    set(b, WEIR_FLOW_END, row, end_ms);
    set(b, WEIR_EXPORT_TIME, row, 1456773240090);
}

static void append(struct store *s, struct batch *b, uint64_t sequence)
{
    struct buffer block = {0};
    struct weir_error error = {0};
    enum store_outcome outcome;
    struct block_id id = fixture_id(1, sequence);
    struct block_encoder *e = block_encoder_new(1);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &block, &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, &error), WEIR_OK);
    block_encoder_free(e);
    buffer_free(&block);
    batch_free(b);
}

static struct batch *three_flows(void)
{
    struct batch *b = batch_new(64, RECORD_FLOW);
    batch_append(b, 3);
    set_common(b, 0, 5, 1000);
    set(b, IANA(8), 0, 0x0a00000b);
    set(b, IANA(1), 0, 4581);
    set(b, WEIR_SYS_UP_TIME, 0, 1785097000);
    set(b, WEIR_OCTETS, 0, 4581);
    set(b, WEIR_SRC_TAG, 0, 3);
    set_common(b, 1, 9, 2000);
    set(b, IANA(4), 1, 6);
    set(b, WEIR_SYS_UP_TIME, 1, 5);
    set(b, WEIR_TEMPLATE, 1, 260);
    set_octets(b, IE_KEY(9, 12235), 1, "\x01\x02", 2);
    set_common(b, 2, 10, 3000);
    set(b, IANA(4), 2, 17);
    set(b, WEIR_TEMPLATE, 2, 256);
    set_octets(b, IANA(82), 2, "eth\"0", 5);
    set(b, IE_KEY(REVERSE_PEN, 1), 2, 99);
    return b;
}

static struct batch *one_option(void)
{
    struct batch *b = batch_new(64, RECORD_OPTIONS);
    batch_append(b, 1);
    set_common(b, 0, 9, 2500);
    set(b, WEIR_SYS_UP_TIME, 0, 5);
    set(b, WEIR_TEMPLATE, 0, 300);
    set(b, IANA(34), 0, 100);
    set_octets(b, WEIR_V9_SCOPE(1), 0, "\x0a\x0f\x01\x73", 4);
    return b;
}

static struct store *make_store(void)
{
    struct store *s = fixture_open(fixture_folder());
    append(s, three_flows(), 1);
    append(s, one_option(), 2);
    append(s, three_flows(), 3);
    return s;
}

#define WEIR_PART(version, rest)                                                                   \
    "\"_weir\":{\"exporter\":\"192.0.2.1\",\"domain\":7,\"protocolVersion\":" version              \
    ",\"exportTime\":1456773240090," rest "}}\n"
#define LINE_V5                                                                                    \
    "{\"type\":\"flow\",\"octetDeltaCount\":4581,\"sourceIPv4Address\":\"10.0.0.11\","             \
    "\"_hdr\":{\"sysUpTime\":1785097000,\"unix_secs\":1456773240,\"unix_nsecs\":90000000}"         \
    "," WEIR_PART("5", "\"flowEnd\":1000,\"octets\":4581,\"srcTag\":3")
#define LINE_V9                                                                                    \
    "{\"type\":\"flow\",\"protocolIdentifier\":6,\"e9.12235\":\"0x0102\",\"_tid\":260,"            \
    "\"_hdr\":{\"sysUpTime\":5,\"unix_secs\":1456773240,\"source_id\":7}," WEIR_PART(              \
        "9", "\"flowEnd\":2000")
#define LINE_IPFIX                                                                                 \
    "{\"type\":\"flow\",\"protocolIdentifier\":17,\"interfaceName\":\"eth\\\"0\","                 \
    "\"reverseOctetDeltaCount\":99,\"_tid\":256,"                                                  \
    "\"_hdr\":{\"exportTime\":1456773240,\"observationDomainId\":7}," WEIR_PART(                   \
        "10", "\"flowEnd\":3000")
#define LINE_OPTION                                                                                \
    "{\"type\":\"options\",\"samplingInterval\":100,\"scope1\":\"0x0a0f0173\",\"_tid\":300,"       \
    "\"_hdr\":{\"sysUpTime\":5,\"unix_secs\":1456773240,\"source_id\":7}," WEIR_PART(              \
        "9", "\"flowEnd\":2500")

static void check(struct store *s, const char *filter, struct interval when, const char *text)
{
    struct weir_error error = {0};
    forget();
    CU_ASSERT_EQUAL(store_records(s, filter, when, keep_line, NULL, NULL, &error), WEIR_OK);
    if (strcmp(printed ? printed : "", text) != 0) {
        printf("\nprinted:\n%sexpected:\n%s", printed ? printed : "", text);
        CU_FAIL("other lines");
    }
    forget();
}

static void test_lines(void)
{
    struct store *s = make_store();
    check(s, NULL, INTERVAL_ALL,
          LINE_V5 LINE_V9 LINE_IPFIX LINE_OPTION LINE_V5 LINE_V9 LINE_IPFIX);
    check(s, "", (struct interval){2000, 3000}, LINE_V9 LINE_OPTION LINE_V9);
    check(s, "proto tcp", INTERVAL_ALL, LINE_V9 LINE_V9);
    check(s, "src ip 10.0.0.11", INTERVAL_ALL, LINE_V5 LINE_V5);
    check(s, "src tag 3", INTERVAL_ALL, LINE_V5 LINE_V5);
    check(s, "proto udp", (struct interval){0, 3000}, "");
    store_close(s);
}

static enum weir_status stop_after_two(void *context, const char *text, size_t length)
{
    (void)text;
    (void)length;
    return ++*(int *)context == 2 ? WEIR_ECANCELLED : WEIR_OK;
}

static void test_ends(void)
{
    struct store *s = make_store();
    struct weir_error error = {0};
    int lines = 0;
    CU_ASSERT_EQUAL(store_records(s, NULL, INTERVAL_ALL, stop_after_two, NULL, &lines, &error),
                    WEIR_ECANCELLED);
    CU_ASSERT_EQUAL(lines, 2);
    CU_ASSERT_EQUAL(store_records(s, "proto", INTERVAL_ALL, keep_line, NULL, NULL, &error),
                    WEIR_ESYNTAX);
    CU_ASSERT_STRING_EQUAL(error.field, "filter");
    CU_ASSERT_EQUAL(store_records(s, NULL, (struct interval){5, 5}, keep_line, NULL, NULL, &error),
                    WEIR_EARGUMENT);
    store_close(s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"lines", test_lines},
        {"the end of a walk", test_ends},
        {NULL, NULL},
    };
    return fixture_main("store: records", tests);
}
