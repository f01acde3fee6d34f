/* test_value.c - lib/flow/value.c: each type against the text that it must give. */
#include "flow/value.h"
#include "unit.h"
#include <math.h>
#include <string.h>

static void expect(const struct vector *v, enum ie_type type, const char *json, const char *text)
{
    struct buffer out = {0};
    value_print_json(&out, v, 0, type);
    if (out.length != strlen(json) || memcmp(out.bytes, json, out.length))
        printf("\n%s: %.*s, not %s\n", ie_type_name(type), (int)out.length, (const char *)out.bytes,
               json);
    CU_ASSERT(out.length == strlen(json) && !memcmp(out.bytes, json, out.length));
    buffer_clear(&out);
    value_print_text(&out, v, 0, type);
    CU_ASSERT(out.length == strlen(text) && !memcmp(out.bytes, text, out.length));
    buffer_free(&out);
}

static void number(uint64_t value, uint8_t width, enum ie_type type, const char *json,
                   const char *text)
{
    struct vector v = {.key = IANA(1), .width = width, .rows = 1, .values = &value};
    expect(&v, type, json, text ? text : json);
}

static void octets(const char *bytes, size_t length, enum ie_type type, const char *json,
                   const char *text)
{
    struct octets o = {(const uint8_t *)bytes, (uint32_t)length};
    struct vector v = {.key = IANA(82), .width = 0, .rows = 1, .values = &o};
    expect(&v, type, json, text);
}

static void address(ie_key key, const char *bytes, const char *json, const char *text)
{
    struct vector v = {.key = key, .width = 16, .rows = 1, .values = bytes};
    expect(&v, IE_IPV6, json, text);
}

static void test_numbers(void)
{
    number(0, 1, IE_UNSIGNED8, "0", NULL);
    number(255, 1, IE_UNSIGNED8, "255", NULL);
    number(UINT64_MAX, 8, IE_UNSIGNED64, "18446744073709551615", NULL);
    number(UINT32_MAX, 4, IE_SECONDS, "4294967295", NULL);
    number(1260226734835, 8, IE_MILLISECONDS, "1260226734835", NULL);
    number(UINT64_MAX, 8, IE_MILLISECONDS, "18446744073709551615", NULL); /* of the wire: no sign */
    number(0x80, 1, IE_SIGNED8, "-128", NULL);
    number(0xfffe, 2, IE_SIGNED16, "-2", NULL);
    number(5, 4, IE_SIGNED32, "5", NULL);
    number(0xffffffff, 4, IE_SIGNED32, "-1", NULL);
    number(UINT64_C(1) << 63, 8, IE_SIGNED64, "-9223372036854775808", NULL);
    number(1, 1, IE_BOOLEAN, "true", NULL);
    number(2, 1, IE_BOOLEAN, "false", NULL);
}

static uint64_t double_bits(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static uint64_t float_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Ours may lie before 1970. */
static void test_own_times(void)
{
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{-90000, "-90000"},
                 {0, "0"},
                 {1260226734835, "1260226734835"},
                 {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vector v = {.key = WEIR_FLOW_START,
                           .width = 8,
                           .form = VECTOR_FLAT,
                           .rows = 1,
                           .values = &cases[i].value};
        expect(&v, ie_storage_type(v.key), cases[i].text, cases[i].text);
    }
}

static void test_floats(void)
{
    number(double_bits(0.1), 8, IE_FLOAT64, "0.1", NULL);
    number(double_bits(-1.5), 8, IE_FLOAT64, "-1.5", NULL);
    number(double_bits(1.0 / 3), 8, IE_FLOAT64, "0.3333333333333333", NULL);
    number(double_bits(1000), 8, IE_FLOAT64, "1000", NULL);
    number(float_bits(0.1f), 4, IE_FLOAT32, "0.1", NULL);
    number(float_bits(16777216.0f), 4, IE_FLOAT32, "16777216", NULL);
    number(double_bits((double)NAN), 8, IE_FLOAT64, "null", "nan");
    number(float_bits(-INFINITY), 4, IE_FLOAT32, "null", "-inf");
}

static void test_structured(void)
{
    number(UINT64_C(0xdbd06faf00085f98), 8, IE_MICROSECONDS,
           "{\"ntp_s\":3687870383,\"ntp_f\":548760}", "3687870383:548760");
    number(0xac10000a, 4, IE_IPV4, "\"172.16.0.10\"", "172.16.0.10");
    number(UINT64_C(0x44d9e7beef89), 8, IE_MAC_ADDRESS, "\"44:d9:e7:be:ef:89\"",
           "44:d9:e7:be:ef:89");
}

static void test_octets(void)
{
    octets("\x00\xab\x01", 3, IE_OCTET_ARRAY, "\"0x00ab01\"", "0x00ab01");
    octets("", 0, IE_OCTET_ARRAY, "\"0x\"", "0x");
    octets(NULL, 0, IE_STRING, "\"\"", "");
    octets("egp\0\0\0", 6, IE_STRING, "\"egp\"", "egp");
    octets("a b\0", 4, IE_STRING, "\"a b\"", "a b");
    octets("say \"x\"\n", 8, IE_STRING, "\"say \\\"x\\\"\\n\"", "say \"x\"\n");
    octets("\0\0\0", 3, IE_STRING, "\"\"", "");
    octets("\x01\x02\x03\x04\x05\x06", 6, IE_MAC_ADDRESS, "\"01:02:03:04:05:06\"",
           "01:02:03:04:05:06");
    octets("\x01\x02", 2, IE_UNSIGNED64, "\"0x0102\"", "0x0102");
}

static void test_addresses(void)
{
    static const char mapped[16] = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01";
    address(IANA(27), "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", "\"2001:db8::1\"",
            "2001:db8::1");
    address(IANA(27), mapped, "\"::ffff:127.0.0.1\"", "::ffff:127.0.0.1");
    address(WEIR_EXPORTER, mapped, "\"127.0.0.1\"", "127.0.0.1");
}

static void test_forms(void)
{
    const uint16_t values[] = {80, 443}, codes[] = {1, 0, 1};
    struct vector v = {.key = IANA(7), .width = 2, .form = VECTOR_DICTIONARY, .rows = 3,
                       .code_count = 2, .values = values, .codes = codes};
    struct buffer out = {0};
    for (uint32_t row = 0; row < 3; row++)
        value_print_json(&out, &v, row, IE_UNSIGNED16);
    v.form = VECTOR_CONSTANT;
    value_print_json(&out, &v, 2, IE_UNSIGNED16);
    v.form = VECTOR_FLAT;
    value_print_json(&out, &v, 1, IE_UNSIGNED16);
    CU_ASSERT(out.length == 13 && !memcmp(out.bytes, "44380443" "80" "443", 13));
    buffer_free(&out);
}

UNIT_MAIN("value", {"numbers", test_numbers}, {"own times", test_own_times},
          {"floats", test_floats}, {"structured", test_structured}, {"octets", test_octets},
          {"addresses", test_addresses}, {"forms", test_forms})
