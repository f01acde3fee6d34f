/* test_number_out.c - numbers, texts and elements that services/number_out.c writes are, octet for
 * octet, those of gSOAP's library, whatever is in them. */
#include "generated_prelude.h"
#include "number_out.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

SOAP_NMAC struct Namespace namespaces[] = {{"wt", "urn:weir:types:1", NULL, NULL},
                                           {NULL, NULL, NULL, NULL}}; /* gSOAP's library wants it */

enum { OURS, THEIRS };
static struct soap *contexts[2];
static const char *texts[2];

static void begin(int mode)
{
    for (int i = 0; i < 2; i++) {
        contexts[i] = soap_new1(mode);
        CU_ASSERT_PTR_NOT_NULL_FATAL(contexts[i]);
        contexts[i]->ns = 1; /* as below an envelope */
        contexts[i]->os = &texts[i];
        CU_ASSERT_EQUAL_FATAL(soap_begin_send(contexts[i]), SOAP_OK);
        soap_serializeheader(contexts[i]); /* of which there is none: for the linker */
    }
}

static void end_equal(void)
{
    CU_ASSERT_EQUAL(contexts[OURS]->level, contexts[THEIRS]->level);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(soap_end_send(contexts[i]), SOAP_OK);
    CU_ASSERT_STRING_EQUAL(texts[OURS], texts[THEIRS]);
    for (int i = 0; i < 2; i++) {
        soap_destroy(contexts[i]);
        soap_end(contexts[i]);
        soap_free(contexts[i]);
    }
}

/* Both write the same. */
#define BOTH(ours, theirs, ...)                                                                    \
    do {                                                                                           \
        CU_ASSERT_EQUAL(ours(contexts[OURS], __VA_ARGS__), SOAP_OK);                               \
        CU_ASSERT_EQUAL(theirs(contexts[THEIRS], __VA_ARGS__), SOAP_OK);                           \
    } while (0)

static const char long_tag[] =
    "wt:aTagThatIsLongerThanAnyThatWeHaveAndThanThereIsRoomForInALineOfOurs";
static const char *const tags[] = {"wt:octets", "x", "-wt:none", long_tag};
static const char *const types[] = {"", NULL, "xsd:any"};
static const int modes[] = {SOAP_C_UTFSTRING, SOAP_C_UTFSTRING | SOAP_XML_INDENT,
                            SOAP_C_UTFSTRING | SOAP_XML_CANONICAL};

static void numbers_at(const char *tag, const char *type)
{
    static const ULONG64 u64[] = {0, 9, 10, UINT64_MAX};
    static const LONG64 i64[] = {0, -1, INT64_MIN, INT64_MAX};
    for (int i = 0; i < 4; i++) {
        const unsigned int u32 = (unsigned int)u64[i];
        const unsigned short u16 = (unsigned short)u64[i];
        BOTH(number_out_u64, soap_outULONG64, tag, -1, &u64[i], type, 0);
        BOTH(number_out_i64, soap_outLONG64, tag, -1, &i64[i], type, 0);
        BOTH(number_out_u32, soap_outunsignedInt, tag, -1, &u32, type, 0);
        BOTH(number_out_u16, soap_outunsignedShort, tag, -1, &u16, type, 0);
    }
}

static void set_attribute(const char *name, const char *value)
{
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(soap_set_attr(contexts[i], name, value, 1), SOAP_OK);
}

static void texts_at(const char *tag, const char *type)
{
    char long_text[400];
    memset(long_text, 'a', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    char *const values[] = {"",     "records",           "a & b",      "<x>",  "say \"so\"",
                            "it's", "\xc3\xa9t\xc3\xa9", "a\tb\nc\rd", "\x7f", long_text};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        BOTH(text_out, soap_outstring, tag, -1, &values[i], type, 0);
        set_attribute("name", "srcTag");
        BOTH(text_out, soap_outstring, tag, -1, &values[i], type, 0);
        BOTH(text_out, soap_outstring, tag, -1, &values[i], type, 0);
        set_attribute("name", values[i]);
        set_attribute("absent", "true");
        BOTH(text_out, soap_outstring, tag, -1, &values[1], type, 0);
    }
}

static void elements_at(const char *tag, const char *type)
{
    BOTH(element_begin_out, soap_element_begin_out, tag, -1, type);
    set_attribute("name", "a & b");
    BOTH(element_begin_out, soap_element_begin_out, tag, -1, type);
    numbers_at(tag, type);
    BOTH(element_end_out, soap_element_end_out, tag);
    BOTH(element_end_out, soap_element_end_out, tag);
}

static void everywhere(void (*write)(const char *tag, const char *type))
{
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)
        for (size_t t = 0; t < sizeof tags / sizeof *tags; t++)
            for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
                begin(modes[m]);
                BOTH(element_begin_out, soap_element_begin_out, "wt:all", -1, "");
                write(tags[t], types[k]);
                BOTH(element_end_out, soap_element_end_out, "wt:all");
                end_equal();
            }
}

static void numbers(void)
{
    everywhere(numbers_at);
}
static void short_texts(void)
{
    everywhere(texts_at);
}
static void elements(void)
{
    everywhere(elements_at);
}

/* Numbers of every length, and more of them than the engine's buffer has room for. */
static void more_than_a_buffer(void)
{
    begin(SOAP_C_UTFSTRING | SOAP_IO_STORE);
    BOTH(element_begin_out, soap_element_begin_out, "wt:all", -1, "");
    ULONG64 power = 1;
    for (unsigned i = 0; i<10000; i++, power = power> UINT64_MAX / 10 ? 1 : 10 * power) {
        const ULONG64 values[] = {power - 1, power, power + 1, power * (i % 9 + 1)};
        char *const text = i % 2 ? "records" : "datagrams";
        for (size_t v = 0; v < sizeof values / sizeof *values; v++)
            BOTH(number_out_u64, soap_outULONG64, "wt:octets", -1, &values[v], "", 0);
        BOTH(text_out, soap_outstring, "wt:t", -1, &text, "", 0);
    }
    BOTH(element_end_out, soap_element_end_out, "wt:all");
    end_equal();
}

/* The first element says what prefixes mean. */
static void first_element(void)
{
    begin(SOAP_C_UTFSTRING);
    for (int i = 0; i < 2; i++) {
        contexts[i]->ns = 0;
        soap_set_namespaces(contexts[i], namespaces);
    }
    BOTH(element_begin_out, soap_element_begin_out, "wt:all", -1, "");
    BOTH(element_begin_out, soap_element_begin_out, "wt:row", -1, "");
    BOTH(element_end_out, soap_element_end_out, "wt:row");
    BOTH(element_end_out, soap_element_end_out, "wt:all");
    end_equal();
}

UNIT_MAIN("numbers and texts", {"numbers", numbers}, {"texts", short_texts}, {"elements", elements},
          {"first element", first_element}, {"more than a buffer", more_than_a_buffer})
