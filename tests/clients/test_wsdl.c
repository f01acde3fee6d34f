/* test_wsdl.c - the WSDL reader, requests and answers of the generic client: on this project's own
 * contracts, on one that is unlike them, and on hostile ones. Runs in the top folder. */
#include "unit.h"
#include "weir/message.h"
#include "weir/shape.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/weir-test-XXXXXX";

/* Writes a file into the test's folder; its path. */
static const char *put_file(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
    return path;
}

/* ---- our own contracts ----------------------------------------------------------------------- */

static void our_contracts_are_read(void)
{
    struct wsdl w;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL_FATAL(wsdl_load(&w, "wsdl/db.wsdl", &error), WEIR_OK);
    CU_ASSERT_STRING_EQUAL(w.endpoint, "http://127.0.0.1:8080/db");
    CU_ASSERT_FALSE(w.soap12);
    CU_ASSERT_EQUAL(w.document_count, 2); /* and the types it imports */
    const struct wsdl_operation *o = wsdl_operation(&w, "flowTagSrcDstPortSrc");
    CU_ASSERT_PTR_NOT_NULL_FATAL(o);
    CU_ASSERT_STRING_EQUAL(o->action, "urn:weir:db:1/flowTagSrcDstPortSrc");
    CU_ASSERT_STRING_EQUAL(o->input.ns, "urn:weir:db:1");
    CU_ASSERT_PTR_NOT_NULL(strstr(o->doc, "one source port"));
    CU_ASSERT_PTR_NULL(wsdl_operation(&w, "nothing"));
    wsdl_free(&w);
    CU_ASSERT_EQUAL_FATAL(wsdl_load(&w, "wsdl/collector.wsdl", &error), WEIR_OK);
    CU_ASSERT_PTR_NOT_NULL(wsdl_operation(&w, "AddMDev"));
    wsdl_free(&w);
}

/* Builds the request of an operation; its body's text in *out, or the status. */
static enum weir_status build(const char *wsdl, const char *operation, char **words, size_t count,
                              struct buffer *out, struct weir_error *error)
{
    struct wsdl w;
    struct parameter *parameters;
    CU_ASSERT_EQUAL_FATAL(wsdl_load(&w, wsdl, error), WEIR_OK);
    const struct wsdl_operation *o = wsdl_operation(&w, operation);
    CU_ASSERT_PTR_NOT_NULL_FATAL(o);
    enum weir_status status = message_parameters(&w.arena, words, count, &parameters, error);
    if (!status)
        status = message_write(&w, o, parameters, count, out, error);
    buffer_put_u8(out, '\0');
    wsdl_free(&w);
    return status;
}
#define WORDS(...) (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)

static void expect_body(const char *wsdl, const char *operation, char **words, size_t count,
                        const char *body)
{
    struct buffer out = {0};
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(build(wsdl, operation, words, count, &out, &error), WEIR_OK);
    const char *start = strstr((char *)out.bytes, "<s:Body>");
    CU_ASSERT_PTR_NOT_NULL_FATAL(start);
    CU_ASSERT_EQUAL(strncmp(start + 8, body, strlen(body)), 0);
    CU_ASSERT_STRING_EQUAL(start + 8 + strlen(body), "</s:Body></s:Envelope>\n");
    if (strncmp(start + 8, body, strlen(body)) != 0)
        printf("\n--- got %s\n", start);
    buffer_free(&out);
}

#define DB  "xmlns=\"urn:weir:db:1\""
#define COL "xmlns=\"urn:weir:collector:1\""
#define WT  "xmlns=\"urn:weir:types:1\""

static void requests_follow_the_schema(void)
{
    /* In the schema's order, whatever was typed; escaped; repeated where allowed. */
    expect_body("wsdl/db.wsdl", "Aggregate",
                WORDS("to=1970-01-01T00:00:01Z", "by=srcTag", "from=0", "by=dstTag",
                      "filter=a<b & \"c\"", "step=5m"),
                "<Aggregate " DB "><by " DB ">srcTag</by><by " DB ">dstTag</by><filter " DB
                ">a&lt;b &amp; &quot;c&quot;</filter><from " DB ">0</from><to " DB
                ">1000</to><step " DB ">300000</step></Aggregate>");
    /* The only element has members: its name may be left out, or not. */
    const char *tag =
        "<AddTag " COL "><tag " COL "><id " WT ">1</id><name " WT ">x</name><prefix " WT
        ">10.0.0.0/8</prefix><prefix " WT ">10.1.0.0/16</prefix></tag></AddTag>";
    expect_body("wsdl/collector.wsdl", "AddTag",
                WORDS("id=1", "name=x", "prefix=10.0.0.0/8", "prefix=10.1.0.0/16"), tag);
    expect_body("wsdl/collector.wsdl", "AddTag",
                WORDS("tag.prefix=10.0.0.0/8", "tag.name=x", "prefix=10.1.0.0/16", "tag.id=1"),
                tag);
    expect_body("wsdl/collector.wsdl", "ListTags", NULL, 0, "<ListTags " COL "></ListTags>");
}

static void wrong_parameters_are_refused(void)
{
    static const struct {
        const char *wsdl, *operation;
        char *words[4];
        const char *message;
    } cases[] = {
        {"wsdl/db.wsdl", "flowSrcIP", {0}, "address is missing (Address): source address"},
        {"wsdl/db.wsdl",
         "flowSrcIP",
         {"adress=1.2.3.4", "from=0", "to=1"},
         "did you mean \"address\"?"},
        {"wsdl/db.wsdl", "flowSrcIP", {"address=1.2.3.4", "from=soon", "to=1"}, "is not a time"},
        {"wsdl/db.wsdl",
         "flowSrcIP",
         {"address=1", "from=0", "to=1", "to=2"},
         "to is given more often than flowSrcIP"},
        {"wsdl/db.wsdl", "flowSrcIP", {"address"}, "\"address\" is not NAME=VALUE"},
        {"wsdl/db.wsdl", "flowSrcIP", {"=x"}, "is not NAME=VALUE"},
        {"wsdl/db.wsdl",
         "flowSrcIP",
         {"address=\x01", "from=0", "to=1"},
         "not text that XML can carry"},
        {"wsdl/db.wsdl",
         "flowSrcIP",
         {"address=\xff", "from=0", "to=1"},
         "not text that XML can carry"},
        {"wsdl/db.wsdl", "StoreBlock", {"block=@/nonexistent/x"}, "No such file"},
        {"wsdl/collector.wsdl", "AddTag", {"name=x"}, "tag.id is missing (unsignedInt)"},
        {"wsdl/collector.wsdl", "ListTags", {"x=1"}, "ListTags takes no parameter \"x\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        struct weir_error error = {0};
        char *words[4];
        size_t count = 0;
        memcpy(words, cases[i].words, sizeof words);
        while (count < 4 && words[count])
            count++;
        CU_ASSERT_NOT_EQUAL(build(cases[i].wsdl, cases[i].operation, words, count, &out, &error),
                            WEIR_OK);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].message));
        if (!strstr(error.message, cases[i].message))
            printf("\n--- got %s\n", error.message);
        buffer_free(&out);
    }
}

static void help_names_types_and_documentation(void)
{
    struct wsdl w;
    struct buffer out = {0};
    CU_ASSERT_EQUAL_FATAL(wsdl_load(&w, "wsdl/db.wsdl", NULL), WEIR_OK);
    message_help(&w, wsdl_operation(&w, "Aggregate"), &out);
    buffer_put_u8(&out, '\0');
    CU_ASSERT_PTR_NOT_NULL(
        strstr((char *)out.bytes, "  by=  string, any number\n      a key: the name of an"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr((char *)out.bytes, "  from=  EpochMs\n      start of the interval"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr((char *)out.bytes, "  order=  octets, packets or flows, optional\n"));
    buffer_free(&out);
    wsdl_free(&w);
}

/* ---- answers --------------------------------------------------------------------------------- */

#define ENVELOPE(body)                                                                             \
    "<S:Envelope xmlns:S=\"" SOAP11_NS                                                             \
    "\" xmlns:d=\"urn:weir:db:1\" xmlns:c=\"urn:weir:collector:1\""                                \
    " xmlns:t=\"urn:weir:types:1\"><S:Body>" body "</S:Body></S:Envelope>"

static void expect_answer(const char *wsdl, const char *envelope, bool json, const char *expected)
{
    struct wsdl w;
    struct message_answer a;
    struct buffer out = {0};
    CU_ASSERT_EQUAL_FATAL(wsdl_load(&w, wsdl, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(message_read(&w, envelope, strlen(envelope), &a, NULL), WEIR_OK);
    if (json)
        message_print_json(&w, a.body, &out);
    else
        message_print_text(&w, a.body, &out);
    buffer_put_u8(&out, '\0');
    CU_ASSERT_STRING_EQUAL((char *)out.bytes, expected);
    if (strcmp((char *)out.bytes, expected) != 0)
        printf("\n--- got\n%s\n--- expected\n%s\n", (char *)out.bytes, expected);
    buffer_free(&out);
    xmlFreeDoc(a.doc);
    wsdl_free(&w);
}

static void answers_become_json_by_their_types(void)
{
    expect_answer(
        "wsdl/collector.wsdl",
        ENVELOPE("<c:ListTagsResponse><c:tag><t:id>1</t:id><t:name>7</t:name><t:prefix>10.0.0.0/8</"
                 "t:prefix>"
                 "<t:as>64500</t:as></c:tag><c:tag><t:id>2</t:id><t:name>a\"b</t:name></c:tag></"
                 "c:ListTagsResponse>"),
        true,
        "{\"tag\":[{\"id\":1,\"name\":\"7\",\"prefix\":[\"10.0.0.0/8\"],\"as\":[64500]},\n"
        "{\"id\":2,\"name\":\"a\\\"b\",\"prefix\":[],\"as\":[]}]}\n");
    expect_answer("wsdl/collector.wsdl", ENVELOPE("<c:ListTagsResponse/>"), true, "{\"tag\":[]}\n");
    expect_answer("wsdl/collector.wsdl", ENVELOPE("<c:AddTagResponse/>"), true, "{}\n");
    /* Attributes are members and the text is "value"; 64 bits exactly; what the schema lacks is
     * kept. */
    expect_answer(
        "wsdl/db.wsdl",
        ENVELOPE("<d:AggregateResponse><d:row><t:key name=\"srcTag\" absent=\"true\">5</t:key>"
                 "<t:octets>18446744073709551615</t:octets><t:packets>NaN</t:packets><t:new><x>1</"
                 "x></t:new>"
                 "</d:row><d:groups>1</d:groups></d:AggregateResponse>"),
        true,
        "{\"row\":[{\"key\":[{\"name\":\"srcTag\",\"absent\":true,\"value\":\"5\"}],"
        "\"octets\":18446744073709551615,\"packets\":\"NaN\",\"new\":{\"x\":\"1\"}}],\"groups\":1,"
        "\"percentile\":[]}\n");
}

static void answers_become_lines(void)
{
    expect_answer("wsdl/collector.wsdl",
                  ENVELOPE("<c:ListTagsResponse><c:tag><t:id>1</t:id><t:name>a\tb</t:name></"
                           "c:tag></c:ListTagsResponse>"),
                  false, "tag:\n  id: 1\n  name: a b\n");
    expect_answer("wsdl/collector.wsdl", ENVELOPE("<c:AddTagResponse/>"), false, "done\n");
}

static void faults_are_one_line(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {ENVELOPE("<S:Fault><faultcode>S:Client</faultcode><faultstring>no such\n "
                  "tag</faultstring><detail>"
                  "<t:Fault><t:code>NotFound</t:code><t:message>no such "
                  "tag</t:message></t:Fault></detail></S:Fault>"),
         "no such tag (code=NotFound)"},
        {"<E:Envelope xmlns:E=\"" SOAP12_NS
         "\"><E:Body><E:Fault><E:Code><E:Value>E:Sender</E:Value></E:Code><E:Reason>"
         "<E:Text>bad</E:Text></E:Reason><E:Detail><a><b>why</b></a></E:Detail></E:Fault></"
         "E:Body></E:Envelope>",
         "bad (b=why)"},
        {ENVELOPE("<S:Fault/>"), "a fault without a text"},
        {"<html/>", "the answer is no SOAP envelope"},
        {"<S:Envelope xmlns:S=\"" SOAP11_NS "\"/>", "the answer is no SOAP envelope"},
        {"not xml", "the answer is not XML: line 1"},
        {"", "is not XML"},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "has a DTD"},
        {"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "has a DTD"},
    };
    struct wsdl w;
    CU_ASSERT_EQUAL_FATAL(wsdl_load(&w, "wsdl/db.wsdl", NULL), WEIR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct message_answer a;
        struct weir_error error = {0};
        CU_ASSERT_NOT_EQUAL(message_read(&w, cases[i].text, strlen(cases[i].text), &a, &error),
                            WEIR_OK);
        CU_ASSERT_PTR_NULL(a.doc);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].message));
        if (!strstr(error.message, cases[i].message))
            printf("\n--- got %s\n", error.message);
    }
    wsdl_free(&w);
}

/* Entities that would grow a thousand million times are never expanded, and depth ends. */
static void hostile_answers_end(void)
{
    struct wsdl w;
    struct message_answer a;
    struct buffer text = {0};
    CU_ASSERT_EQUAL_FATAL(wsdl_load(&w, "wsdl/db.wsdl", NULL), WEIR_OK);
    buffer_print(&text, "<!DOCTYPE l [<!ENTITY a0 \"ha\">");
    for (int i = 1; i < 10; i++) {
        buffer_print(&text, "<!ENTITY a%d \"", i);
        for (int k = 0; k < 10; k++)
            buffer_print(&text, "&a%d;", i - 1);
        buffer_print(&text, "\">");
    }
    buffer_print(&text, "]><l>&a9;</l>");
    CU_ASSERT_NOT_EQUAL(message_read(&w, text.bytes, text.length, &a, NULL), WEIR_OK);
    buffer_clear(&text);
    buffer_print(&text, "<S:Envelope xmlns:S=\"" SOAP11_NS "\"><S:Body>");
    for (int i = 0; i < 100000; i++)
        buffer_print(&text, "<a>");
    CU_ASSERT_NOT_EQUAL(message_read(&w, text.bytes, text.length, &a, NULL), WEIR_OK);
    buffer_free(&text);
    wsdl_free(&w);
}

/* ---- other people's contracts ---------------------------------------------------------------- */

/* Unlike ours: prefixes everywhere, unqualified locals, types inside, extension, an attribute in
 * the request, a choice, SOAP 1.2 only, a type that contains itself. */
#define OTHER_HEAD                                                                                 \
    "<w:definitions xmlns:w=\"" WSDL_NS "\" xmlns:s=\"" SOAP12_BINDING_NS "\" xmlns:x=\"" XSD_NS   \
    "\" xmlns:o=\"urn:other\" targetNamespace=\"urn:other\">"
#define OTHER_TAIL                                                                                 \
    "<w:message name=\"In\"><w:part name=\"p\" element=\"o:Op\"/></w:message><w:message "          \
    "name=\"Out\"/>"                                                                               \
    "<w:portType name=\"P\"><w:operation name=\"Op\"><w:input message=\"o:In\"/><w:output "        \
    "message=\"o:Out\"/></w:operation></w:portType>"                                               \
    "<w:binding name=\"B\" type=\"o:P\"><s:binding style=\"document\" "                            \
    "transport=\"x\"/><w:operation name=\"Op\"><s:operation soapAction=\"act\"/>"                  \
    "</w:operation></w:binding><w:service name=\"S\"><w:port name=\"Q\" "                          \
    "binding=\"o:B\"><s:address location=\"http://h/p\"/></w:port></w:service></w:definitions>"

static const char other[] =
    OTHER_HEAD "<w:types><x:schema targetNamespace=\"urn:other\">"
               "<x:complexType name=\"Base\"><x:sequence><x:element name=\"first\" "
               "type=\"x:int\"/></x:sequence><x:attribute name=\"kind\" type=\"x:string\" "
               "use=\"required\"/></x:complexType>"
               "<x:complexType name=\"Derived\"><x:complexContent><x:extension "
               "base=\"o:Base\"><x:choice><x:element name=\"a\" type=\"o:Colour\"/><x:element "
               "ref=\"o:b\"/></x:choice></x:extension></x:complexContent></x:complexType>"
               "<x:complexType name=\"Tree\"><x:sequence><x:element name=\"leaf\" "
               "type=\"x:string\" minOccurs=\"0\"/><x:element name=\"child\" type=\"o:Tree\" "
               "minOccurs=\"0\" maxOccurs=\"unbounded\"/></x:sequence></x:complexType>"
               "<x:simpleType name=\"Colour\"><x:restriction base=\"x:string\"><x:enumeration "
               "value=\"red\"/><x:enumeration value=\"blue\"/></x:restriction></x:simpleType>"
               "<x:element name=\"b\" type=\"x:boolean\"/>"
               "<x:element name=\"Op\"><x:complexType><x:all><x:element name=\"d\" "
               "type=\"o:Derived\"/><x:element name=\"t\" type=\"o:Tree\" "
               "minOccurs=\"0\"/></x:all></x:complexType></x:element>"
               "</x:schema></w:types>" OTHER_TAIL;

static void an_unlike_contract_is_spoken(void)
{
    const char *path = put_file("other.wsdl", other);
    struct wsdl w;
    CU_ASSERT_EQUAL_FATAL(wsdl_load(&w, path, NULL), WEIR_OK);
    CU_ASSERT_TRUE(w.soap12);
    CU_ASSERT_STRING_EQUAL(w.endpoint, "http://h/p");
    struct buffer help = {0};
    message_help(&w, wsdl_operation(&w, "Op"), &help); /* ends, though Tree contains itself */
    buffer_put_u8(&help, '\0');
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)help.bytes, "  d.a=  red or blue, optional\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)help.bytes, "  t.child[0].leaf=  string, optional\n"));
    buffer_free(&help);
    wsdl_free(&w);
    expect_body(path, "Op",
                WORDS("t.child[1].leaf=two", "d.kind=k", "d.first=5", "d.b=true",
                      "t.child[0].leaf=one", "t.child[1].child.leaf=x"),
                "<Op xmlns=\"urn:other\"><d xmlns=\"\" kind=\"k\"><first xmlns=\"\">5</first><b "
                "xmlns=\"urn:other\">true</b></d>"
                "<t xmlns=\"\"><child xmlns=\"\"><leaf xmlns=\"\">one</leaf></child><child "
                "xmlns=\"\"><leaf xmlns=\"\">two</leaf>"
                "<child xmlns=\"\"><leaf xmlns=\"\">x</leaf></child></child></t></Op>");
    struct buffer out = {0};
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(build(path, "Op", WORDS("d.first=5"), &out, &error), WEIR_EARGUMENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "d.kind is missing"));
    buffer_free(&out);
}

static void hostile_contracts_are_refused(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"<x/>", "neither WSDL 1.1 nor a schema"},
        {"<w:definitions xmlns:w=\"" WSDL_NS "\"/>", "has no SOAP port"},
        {"<!DOCTYPE a []><a/>", "has a DTD"},
        {OTHER_HEAD "<w:import namespace=\"a\" location=\"nowhere.wsdl\"/>" OTHER_TAIL,
         "No such file"},
        {OTHER_HEAD "<w:import namespace=\"a\" location=\"https://h/x\"/>" OTHER_TAIL,
         "only http:// and files"},
        {OTHER_HEAD "<w:types><x:schema><x:import "
                    "schemaLocation=\"self.wsdl\"/></x:schema></w:types>" OTHER_TAIL,
         NULL},
        {"<w:definitions xmlns:w=\"" WSDL_NS "\" xmlns:s=\"" SOAP11_BINDING_NS
         "\" targetNamespace=\"u\" xmlns:o=\"u\">"
         "<w:binding name=\"B\" type=\"o:P\"><s:binding style=\"rpc\"/></w:binding><w:service "
         "name=\"S\"><w:port name=\"p\" binding=\"o:B\">"
         "<s:address location=\"http://h/\"/></w:port></w:service></w:definitions>",
         "only document/literal"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wsdl w;
        struct weir_error error = {0};
        enum weir_status status = wsdl_load(&w, put_file("self.wsdl", cases[i].text), &error);
        CU_ASSERT_EQUAL(status == WEIR_OK, cases[i].message == NULL);
        if (cases[i].message)
            CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].message));
        if (status == WEIR_OK)
            wsdl_free(&w);
    }
    struct wsdl w;
    struct weir_error error;
    CU_ASSERT_EQUAL(wsdl_load(&w, "/nonexistent.wsdl", &error), WEIR_ENOTFOUND);
    CU_ASSERT_EQUAL(wsdl_load(&w, "/", &error), WEIR_EIO);
}

/* ---- the shapes of generated structs follow the schema --------------------------------------- */

static void a_base_that_is_itself_ends(void)
{
    static const char text[] = OTHER_HEAD
        "<w:types><x:schema targetNamespace=\"urn:other\"><x:simpleType name=\"A\"><x:restriction "
        "base=\"o:A\"/></x:simpleType>"
        "<x:complexType name=\"C\"><x:complexContent><x:extension "
        "base=\"o:C\"><x:sequence><x:element name=\"e\" "
        "type=\"o:A\"/></x:sequence></x:extension></x:complexContent></x:complexType>"
        "<x:complexType name=\"D\"><x:complexContent><x:extension "
        "base=\"o:F\"/></x:complexContent></x:complexType>"
        "<x:complexType name=\"F\"><x:complexContent><x:extension "
        "base=\"o:D\"><x:sequence><x:element name=\"g\" "
        "type=\"x:int\"/></x:sequence></x:extension></x:complexContent></x:complexType>"
        "<x:element name=\"Op\"><x:complexType><x:sequence><x:element name=\"c\" "
        "type=\"o:C\"/><x:element name=\"d\" "
        "type=\"o:D\"/></x:sequence></x:complexType></x:element></x:schema></w:types>" OTHER_TAIL;
    const char *path = put_file("loop.wsdl", text);
    struct buffer out = {0};
    struct weir_error error = {0};
    CU_ASSERT_NOT_EQUAL(build(path, "Op", WORDS("c.e=1", "d.g=2"), &out, &error), WEIR_EINTERNAL);
    buffer_free(&out);
}

extern const struct shape shape_account, shape_counters, shape_coverage, shape_loss, shape_sampling,
    shape_counts, shape_service, shape_store;

static void shapes_follow_the_schema(void)
{
    static const struct {
        const char *type;
        const struct shape *shape;
    } rows[] = {
        {"Account", &shape_account},       {"Counters", &shape_counters},
        {"Coverage", &shape_coverage},     {"Loss", &shape_loss},
        {"Sampling", &shape_sampling},     {"Counts", &shape_counts},
        {"ServiceStatus", &shape_service}, {"StoreStatus", &shape_store},
    };
    xmlDocPtr doc = xmlReadFile("schemas/xsd/weir-types.xsd", NULL, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        xmlNode *type = xml_child(xmlDocGetRootElement(doc));
        while (type && !(xml_is(type, XSD_NS, "complexType") &&
                         xml_attribute_is(type, "name", rows[i].type)))
            type = xml_next(type);
        CU_ASSERT_PTR_NOT_NULL_FATAL(type);
        xmlNode *element = xml_child(xml_find(type, XSD_NS, "sequence"));
        for (size_t k = 0; k < rows[i].shape->field_count; k++, element = xml_next(element)) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(element);
            CU_ASSERT_TRUE(xml_attribute_is(element, "name", rows[i].shape->fields[k].name));
        }
        CU_ASSERT_PTR_NULL(element); /* the schema has no field more */
    }
    xmlFreeDoc(doc);
}

static void the_folder_goes(void)
{
    static const char *const names[] = {"other.wsdl", "self.wsdl", "loop.wsdl"};
    char path[256];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        CU_ASSERT_EQUAL(unlink(path), 0);
    }
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void the_folder_comes(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

UNIT_MAIN("wsdl", {"the folder comes", the_folder_comes},
          {"our contracts are read", our_contracts_are_read},
          {"requests follow the schema", requests_follow_the_schema},
          {"wrong parameters are refused", wrong_parameters_are_refused},
          {"help names types and documentation", help_names_types_and_documentation},
          {"answers become JSON by their types", answers_become_json_by_their_types},
          {"answers become lines", answers_become_lines},
          {"faults are one line", faults_are_one_line},
          {"hostile answers end", hostile_answers_end},
          {"an unlike contract is spoken", an_unlike_contract_is_spoken},
          {"hostile contracts are refused", hostile_contracts_are_refused},
          {"a base that is itself ends", a_base_that_is_itself_ends},
          {"shapes follow the schema", shapes_follow_the_schema},
          {"the folder goes", the_folder_goes})
