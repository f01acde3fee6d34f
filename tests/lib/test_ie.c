/* test_ie.c - the generated table of information elements against itself, the headers' constants
 * and known rows of the registries. */
#include "ie/ie.h"
#include "unit.h"

#include <string.h>

static bool parse(const char *name, ie_key *out)
{
    return ie_key_parse(name, strlen(name), out);
}

static void the_table_is_sorted_and_found(void)
{
    CU_ASSERT_TRUE_FATAL(ie_count() > 3000);
    size_t wrong = 0;
    for (size_t i = 0; i < ie_count(); i++) {
        const struct ie *row = ie_at(i), *before = i ? ie_at(i - 1) : NULL;
        wrong += ie_find(row->pen, row->id) != row;
        wrong += row->type >= IE_TYPE_COUNT || !row->name[0];
        wrong += before && IE_KEY(before->pen, before->id) >= IE_KEY(row->pen, row->id);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_PTR_NULL(ie_at(ie_count()));
    CU_ASSERT_PTR_NULL(ie_find(0, 0));
    CU_ASSERT_PTR_NULL(ie_find(12345678, 1));
    CU_ASSERT_PTR_NULL(ie_find(0, 65535));
}

static void known_rows_are_right(void)
{
    static const struct {
        ie_key key;
        const char *name;
        uint8_t type, width;
    } known[] = {
        {IANA(1), "octetDeltaCount", IE_UNSIGNED64, 8},
        {IANA(4), "protocolIdentifier", IE_UNSIGNED8, 1},
        {IANA(8), "sourceIPv4Address", IE_IPV4, 4},
        {IANA(28), "destinationIPv6Address", IE_IPV6, 16},
        {IANA(56), "sourceMacAddress", IE_MAC_ADDRESS, 8},
        {IANA(82), "interfaceName", IE_STRING, 0},
        {IANA(150), "flowStartSeconds", IE_SECONDS, 4},
        {IANA(154), "flowStartMicroseconds", IE_MICROSECONDS, 8},
        {IANA(276), "dataRecordsReliability", IE_BOOLEAN, 1},
        {IANA(291), "basicList", IE_BASIC_LIST, 0},
        {IANA(320), "absoluteError", IE_FLOAT64, 8},
        {IE_KEY(REVERSE_PEN, 1), "reverseOctetDeltaCount", IE_UNSIGNED64, 8},
        {IE_KEY(REVERSE_PEN, 27), "reverseSourceIPv6Address", IE_IPV6, 16},
        {WEIR_EXPORTER, "exporter", IE_IPV6, 16},
        {WEIR_DOMAIN, "domain", IE_UNSIGNED32, 4},
        {WEIR_FLOW_START, "flowStart", IE_MILLISECONDS, 8},
        {WEIR_FLOW_END, "flowEnd", IE_MILLISECONDS, 8},
        {WEIR_TIME_ORIGIN, "timeOrigin", IE_UNSIGNED8, 1},
        {WEIR_OCTETS, "octets", IE_UNSIGNED64, 8},
        {WEIR_PACKETS, "packets", IE_UNSIGNED64, 8},
        {WEIR_SRC_TAG, "srcTag", IE_UNSIGNED32, 4},
        {WEIR_DST_TAG, "dstTag", IE_UNSIGNED32, 4},
        {WEIR_SAMPLING_RATE, "samplingRate", IE_FLOAT64, 8},
        {WEIR_SAMPLING_ORIGIN, "samplingOrigin", IE_UNSIGNED8, 1},
        {WEIR_EXPORT_TIME, "exportTime", IE_MILLISECONDS, 8},
        {WEIR_SYS_UP_TIME, "sysUpTime", IE_UNSIGNED32, 4},
        {WEIR_TEMPLATE, "template", IE_UNSIGNED16, 2},
        {WEIR_PROTOCOL_VERSION, "protocolVersion", IE_UNSIGNED8, 1},
        {WEIR_EXPORTER_PORT, "exporterPort", IE_UNSIGNED16, 2},
        {WEIR_OBSERVATION_ROLE, "observationRole", IE_UNSIGNED8, 1},
        {WEIR_ANONYMISATION, "anonymisation", IE_STRING, 0},
        {WEIR_FLOW_COUNT, "flowCount", IE_UNSIGNED64, 8},
        {WEIR_DIRECTION, "direction", IE_UNSIGNED8, 1},
        {WEIR_LIST_TEMPLATES, "listTemplates", IE_OCTET_ARRAY, 0},
        {WEIR_V9_SCOPE(1), "scope1", IE_OCTET_ARRAY, 0},
        {WEIR_V9_SCOPE(5), "scope5", IE_OCTET_ARRAY, 0},
        {WEIR_V7_INVALID_FIELDS, "v7InvalidFields", IE_UNSIGNED8, 1},
        {WEIR_V7_FLAGS, "v7Flags", IE_UNSIGNED16, 2},
        {WEIR_V7_BYPASSED_ROUTER, "v7BypassedRouter", IE_IPV4, 4},
        {WEIR_SRC_IP, "srcIP", IE_IPV6, 16},
        {WEIR_DST_IP, "dstIP", IE_IPV6, 16},
    };
    char text[IE_NAME_SIZE];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        CU_ASSERT_STRING_EQUAL(ie_key_print(known[i].key, text), known[i].name);
        CU_ASSERT_EQUAL(ie_storage_type(known[i].key), known[i].type);
        CU_ASSERT_EQUAL(ie_storage_width(known[i].key), known[i].width);
        ie_key key = 0;
        CU_ASSERT_TRUE(parse(known[i].name, &key));
        CU_ASSERT_EQUAL(key, known[i].key);
    }
}

/* RFC 5103 section 6.1 leaves some elements without a reverse. */
static void some_elements_have_no_reverse(void)
{
    static const uint16_t irreversible[] = {40, 130, 131, 145, 148, 149, 210, 211, 216, 239};
    for (size_t i = 0; i < sizeof irreversible / sizeof irreversible[0]; i++) {
        CU_ASSERT_PTR_NOT_NULL(ie_find(0, irreversible[i]));
        CU_ASSERT_PTR_NULL(ie_find(REVERSE_PEN, irreversible[i]));
    }
    CU_ASSERT_EQUAL(ie_storage_width(IE_KEY(REVERSE_PEN, 40)), 0);
}

static void enterprise_and_unknown_are_octets(void)
{
    char text[IE_NAME_SIZE];
    const struct ie *row = ie_find(0, 8192); /* a vendor's number without a PEN */
    CU_ASSERT_PTR_NOT_NULL_FATAL(row);
    CU_ASSERT_EQUAL(row->registry, IE_REGISTRY_ENTERPRISE);
    CU_ASSERT_EQUAL(ie_storage_width(IANA(8192)), 0);
    CU_ASSERT_STRING_EQUAL(ie_key_print(IANA(8192), text), "ie8192");
    CU_ASSERT_STRING_EQUAL(ie_key_print(IANA(60000), text), "ie60000");
    CU_ASSERT_STRING_EQUAL(ie_key_print(IE_KEY(35632, 188), text), "e35632.188");
    CU_ASSERT_STRING_EQUAL(ie_key_print(IE_KEY_NTH(35632, 188, 1), text), "e35632.188#2");
    CU_ASSERT_STRING_EQUAL(ie_key_print(IE_KEY_NTH(0, 82, 2), text), "interfaceName#3");
    CU_ASSERT_EQUAL(ie_storage_type(IE_KEY(35632, 188)), IE_OCTET_ARRAY);
}

static void names_are_read_back(void)
{
    size_t wrong = 0;
    char text[IE_NAME_SIZE];
    for (size_t i = 0; i < ie_count(); i++) {
        ie_key key = IE_KEY_NTH(ie_at(i)->pen, ie_at(i)->id, i % 3), back = 0;
        wrong += !parse(ie_key_print(key, text), &back) || back != key;
        wrong += !parse(ie_at(i)->name, &back);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void letter_case_may_differ(void)
{
    ie_key key = 0;
    CU_ASSERT_TRUE(parse("SOURCEipv4address", &key));
    CU_ASSERT_EQUAL(key, IANA(8));
    CU_ASSERT_TRUE(parse("srctag", &key));
    CU_ASSERT_EQUAL(key, WEIR_SRC_TAG);
    CU_ASSERT_TRUE(parse("streamcore_wan_rtt", &key));
    CU_ASSERT_EQUAL(key, IANA(8192));
}

static void wrong_names_are_refused(void)
{
    static const char *const wrong[] = {
        "",
        "#",
        "#2",
        "octetDeltaCoun",
        "octetDeltaCountx",
        "octetDeltaCount#0",
        "octetDeltaCount#",
        "octetDeltaCount#65537",
        "octetDeltaCount#2x",
        "ie",
        "ie65536",
        "ie-1",
        "e.",
        "e1",
        "e1.",
        "e.1",
        "e4294967296.1",
        "e1.65536",
        "e1.2.3",
        "e 1.2",
        "octetDeltaCount ",
        "99999999999",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ie_key key = 42;
        CU_ASSERT_FALSE(parse(wrong[i], &key));
        CU_ASSERT_EQUAL(key, 42);
    }
    ie_key key;
    CU_ASSERT_FALSE(ie_key_parse("octets\0octetDeltaCount", 22, &key));
    CU_ASSERT_TRUE(ie_key_parse("octetsXYZ", 6, &key)); /* the length decides, not a NUL */
    CU_ASSERT_EQUAL(key, WEIR_OCTETS);
}

static void types_have_names(void)
{
    for (int type = 0; type < IE_TYPE_COUNT; type++)
        CU_ASSERT_PTR_NOT_NULL(ie_type_name((enum ie_type)type));
    CU_ASSERT_STRING_EQUAL(ie_type_name(IE_MILLISECONDS), "dateTimeMilliseconds");
    CU_ASSERT_STRING_EQUAL(ie_type_name((enum ie_type)77), "unknown");
}

UNIT_MAIN("ie", {"the table is sorted and found", the_table_is_sorted_and_found},
          {"known rows are right", known_rows_are_right},
          {"some elements have no reverse", some_elements_have_no_reverse},
          {"enterprise and unknown are octets", enterprise_and_unknown_are_octets},
          {"names are read back", names_are_read_back},
          {"letter case may differ", letter_case_may_differ},
          {"wrong names are refused", wrong_names_are_refused},
          {"types have names", types_have_names})
