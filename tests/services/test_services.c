/* test_services.c - the DB component over a socket: every view's filter, Aggregate, faults,
 * SOAP 1.2, documents, and the contract's lists against ours. */
#include "served.h"
#include "embed.h"
#include "fault.h"

/* ---- views ---- */

static void test_views(void)
{
    static const struct {
        const char *name, *arguments, *filter;
    } rows[] = {
        {"flowTagSrc", "<d:srcTag>PoP-BA</d:srcTag>", "src tag 7"},
        {"flowTagDst", "<d:dstTag>8</d:dstTag>", "dst tag 8"},
        {"flowTagSrcDst", "<d:srcTag>7</d:srcTag><d:dstTag>0</d:dstTag>",
         "src tag 7 and dst tag 0"},
        {"flowTagSrcDstProto",
         "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:protocol>6</d:protocol>",
         "src tag 7 and dst tag 8 and proto 6"},
        {"flowTagSrcDstPortSrc",
         "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:srcPort>65535</d:srcPort>",
         "src tag 7 and dst tag 8 and src port 65535"},
        {"flowTagSrcDstPortDst",
         "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:dstPort>53</d:dstPort>",
         "src tag 7 and dst tag 8 and dst port 53"},
        {"flowTagSrcDstASSrc",
         "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:srcAS>4294967295</d:srcAS>",
         "src tag 7 and dst tag 8 and src as 4294967295"},
        {"flowTagSrcDstASDst", "<d:srcTag>7</d:srcTag><d:dstTag>8</d:dstTag><d:dstAS>1</d:dstAS>",
         "src tag 7 and dst tag 8 and dst as 1"},
        {"flowSrcIP", "<d:address>192.0.2.1</d:address>", "src ip 192.0.2.1"},
        {"flowDstIP", "<d:address>2001:DB8:0::1</d:address>", "dst ip 2001:db8::1"},
        {"flowSrcPort", "<d:port>0</d:port>", "src port 0"},
        {"flowDstPort", "<d:port>443</d:port>", "dst port 443"},
        {"flowSrcAS", "<d:as>65000</d:as>", "src as 65000"},
        {"flowDstAS", "<d:as>65001</d:as>", "dst as 65001"},
        {"flowToS", "<d:tos>184</d:tos>", "tos 184"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char operation[512];
        snprintf(operation, sizeof operation,
                 "<d:%s>%s<d:from>%zu</d:from><d:to>2000</d:to></d:%s>", rows[i].name,
                 rows[i].arguments, i, rows[i].name);
        CU_ASSERT_EQUAL(ask(operation), 200);
        CU_ASSERT_STRING_EQUAL(fake.filter, rows[i].filter);
        CU_ASSERT_EQUAL(fake.when.from_ms, (int64_t)i);
        CU_ASSERT_EQUAL(fake.when.to_ms, 2000);
        CU_ASSERT_STRING_EQUAL(fake.by, "");
        CU_ASSERT_TRUE(says("<wt:octets>18446744073709551615</wt:octets>"));
        CU_ASSERT_TRUE(says("<wt:packets>9007199254740993</wt:packets>"));
        CU_ASSERT_TRUE(says("<wt:missingRecordsPercent>12.5</wt:missingRecordsPercent>"));
        CU_ASSERT_TRUE(says("<wt:spoolDrops>119</wt:spoolDrops>"));
    }
}

static void test_aggregate(void)
{
    fake.rows = 3;
    CU_ASSERT_EQUAL(ask("<d:Aggregate><d:by>srcTag</d:by><d:by>exporter</d:by><d:by>x</d:by>"
                        "<d:filter>packets &lt; 5</d:filter><d:from>-5</d:from><d:to>9</d:to>"
                        "<d:step>60000</d:step><d:top>2</d:top><d:order>flows</d:order>"
                        "<d:source>rollup</d:source></d:Aggregate>"),
                    200);
    CU_ASSERT_STRING_EQUAL(fake.by, "srcTag,exporter,x,");
    CU_ASSERT_STRING_EQUAL(fake.filter, "packets < 5");
    CU_ASSERT_EQUAL(fake.when.from_ms, -5);
    CU_ASSERT_EQUAL(fake.step_ms, 60000);
    CU_ASSERT_EQUAL(fake.top, 2);
    CU_ASSERT_EQUAL(fake.order, MEASURE_FLOWS);
    CU_ASSERT_EQUAL(fake.source, SOURCE_ROLLUP);
    CU_ASSERT_TRUE(
        says("<wt:key name=\"srcTag\">2</wt:key><wt:key name=\"exporter\">192.0.2.2</wt:key>"));
    CU_ASSERT_TRUE(says("absent=\"true\""));
    CU_ASSERT_TRUE(says("<wt:bin>-3</wt:bin>"));
    CU_ASSERT_TRUE(says("<wt:source>rollup</wt:source>"));

    CU_ASSERT_EQUAL(ask("<d:Aggregate><d:from>1</d:from><d:to>2</d:to></d:Aggregate>"), 200);
    CU_ASSERT_PTR_NULL(strstr(answer, "<wt:bin>"));
    CU_ASSERT_EQUAL(fake.order, MEASURE_OCTETS);
    CU_ASSERT_EQUAL(fake.source, SOURCE_AUTO);

    CU_ASSERT_EQUAL(ask("<d:Aggregate><d:by>srcTag</d:by><d:by>exporter/48</d:by>"
                        "<d:from>1</d:from><d:to>2</d:to></d:Aggregate>"),
                    200); /* an IPv4 address has no 48 bits */
    CU_ASSERT_TRUE(says("<wt:key name=\"exporter/48\">192.0.2.2/32</wt:key>"));

    fake.rows = 3000; /* chunked */
    CU_ASSERT_EQUAL(
        ask("<d:Aggregate><d:by>srcTag</d:by><d:from>1</d:from><d:to>2</d:to></d:Aggregate>"), 200);
    CU_ASSERT_TRUE(strstr(answer, "chunked") != NULL);
    fake.rows = 5001; /* past rows_most */
    CU_ASSERT_EQUAL(
        ask("<d:Aggregate><d:by>srcTag</d:by><d:from>1</d:from><d:to>2</d:to></d:Aggregate>"), 500);
    CU_ASSERT_TRUE(says("<wt:code>TooLarge</wt:code>"));
    fake.rows = 3;
}

/* ---- faults ---- */

static void test_bad_arguments(void)
{
    static const struct {
        const char *operation, *code, *field;
    } rows[] = {
        {"<d:flowSrcIP><d:address>192.0.2</d:address><d:from>1</d:from><d:to>2</d:to></"
         "d:flowSrcIP>",
         "BadArgument", "address"},
        {"<d:flowSrcIP><d:address>1.2.3.4</d:address><d:from>2</d:from><d:to>2</d:to></"
         "d:flowSrcIP>",
         "BadArgument", "from"},
        {"<d:flowSrcIP><d:address>1.2.3.4</d:address><d:from>x</d:from><d:to>2</d:to></"
         "d:flowSrcIP>",
         "BadArgument", "from"},
        {"<d:flowSrcIP><d:address xsi:nil=\"true\"/><d:from>1</d:from><d:to>2</d:to></d:flowSrcIP>",
         "BadArgument", "address"},
        {"<d:flowSrcPort><d:port>65536</d:port><d:from>1</d:from><d:to>2</d:to></d:flowSrcPort>",
         "BadArgument", "port"},
        {"<d:flowSrcPort><d:port>-1</d:port><d:from>1</d:from><d:to>2</d:to></d:flowSrcPort>",
         "BadArgument", "port"},
        {"<d:flowToS><d:tos>256</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>", "BadArgument",
         "tos"},
        {"<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>99999999999999999999</d:to></"
         "d:flowToS>",
         "BadArgument", "to"},
        {"<d:flowSrcAS><d:as>4294967296</d:as><d:from>1</d:from><d:to>2</d:to></d:flowSrcAS>",
         "BadArgument", "as"},
        {"<d:flowTagSrc><d:srcTag>nowhere</d:srcTag><d:from>1</d:from><d:to>2</d:to></"
         "d:flowTagSrc>",
         "NotFound", "srcTag"},
        {"<d:flowTagSrcDst><d:srcTag>7</d:srcTag><d:dstTag>99</d:dstTag><d:from>1</d:from><d:to>2</"
         "d:to></d:flowTagSrcDst>",
         "NotFound", "dstTag"},
        {"<d:flowTagSrc><d:srcTag>7 or "
         "any</d:srcTag><d:from>1</d:from><d:to>2</d:to></d:flowTagSrc>",
         "BadArgument", "srcTag"},
        {"<d:flowTagSrc><d:srcTag></d:srcTag><d:from>1</d:from><d:to>2</d:to></d:flowTagSrc>",
         "BadArgument", "srcTag"},
        {"<d:flowTagSrc><d:srcTag>7</d:srcTag><d:to>2</d:to></d:flowTagSrc>", "BadArgument",
         "from"},
        {"<d:flowTagSrc xsi:nil=\"true\"/>", "BadArgument", "flowTagSrc"},
        {"<d:Aggregate><d:from>1</d:from><d:to>2</d:to><d:step>0</d:step></d:Aggregate>",
         "BadArgument", "step"},
        {"<d:Aggregate><d:from>1</d:from><d:to>2</d:to><d:order>size</d:order></d:Aggregate>",
         "BadArgument", "order"},
        {"<d:Aggregate><d:by></d:by><d:from>1</d:from><d:to>2</d:to></d:Aggregate>", "BadArgument",
         "by"},
        {"<d:StoreBlock><d:block></d:block></d:StoreBlock>", "BadArgument", "block"},
        {"<d:StoreBlock xsi:nil=\"true\"/>", "BadArgument", "StoreBlock"},
        {"<d:GetAccount><d:from>3</d:from><d:to>2</d:to></d:GetAccount>", "BadArgument", "from"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char code[64], field[64];
        int calls = fake.calls;
        snprintf(code, sizeof code, "<wt:code>%s</wt:code>", rows[i].code);
        snprintf(field, sizeof field, "<wt:field>%s</wt:field>", rows[i].field);
        CU_ASSERT_EQUAL(ask(rows[i].operation), 500);
        CU_ASSERT_TRUE(says(code));
        CU_ASSERT_TRUE(says(field));
        CU_ASSERT_TRUE(says("<wt:retryable>false</wt:retryable>"));
        CU_ASSERT_EQUAL(fake.calls, calls); /* the store was not bothered */
    }
}

static void test_bad_requests(void)
{
    static const char *const operations[] = {
        "<d:Nope/>",
        "<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to><d:zzz/></d:flowToS>",
        "<flowToS/>",
        "<d:flowToS>",
        "",
    };
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        CU_ASSERT_EQUAL(ask(operations[i]), 500);
        CU_ASSERT_TRUE(says("<wt:code>Bad"));
    }
}

static void test_store_faults(void)
{
    static const struct {
        enum weir_status status;
        const char *code, *retryable;
    } rows[] = {
        {WEIR_ENOMEM, "Overload", "true"},      {WEIR_EARGUMENT, "BadArgument", "false"},
        {WEIR_ESYNTAX, "BadArgument", "false"}, {WEIR_ENOTFOUND, "NotFound", "false"},
        {WEIR_EEXISTS, "Exists", "false"},      {WEIR_EMALFORMED, "BadBlock", "false"},
        {WEIR_ECHECKSUM, "BadBlock", "false"},  {WEIR_EVERSION, "BadBlock", "false"},
        {WEIR_ELIMIT, "TooLarge", "false"},     {WEIR_EIO, "Unavailable", "true"},
        {WEIR_EFULL, "Full", "true"},           {WEIR_EBUSY, "Overload", "true"},
        {WEIR_EDENIED, "Denied", "false"},      {WEIR_EUNAVAILABLE, "Unavailable", "true"},
        {WEIR_ECANCELLED, "Deadline", "true"},  {WEIR_ECORRUPT, "Corrupt", "false"},
        {WEIR_EINTERNAL, "Internal", "false"},
    };
    fake.fail_field = "filter";
    fake.fail_message = "a <b> & \"c\" \xff \xc3\xa9";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char code[64], retryable[64];
        fake.fail = rows[i].status;
        snprintf(code, sizeof code, "<wt:code>%s</wt:code>", rows[i].code);
        snprintf(retryable, sizeof retryable, "<wt:retryable>%s</wt:retryable>", rows[i].retryable);
        CU_ASSERT_EQUAL(ask("<d:Aggregate><d:from>1</d:from><d:to>2</d:to></d:Aggregate>"), 500);
        CU_ASSERT_TRUE(says(code));
        CU_ASSERT_TRUE(says(retryable));
        CU_ASSERT_TRUE(says("<wt:field>filter</wt:field>"));
        CU_ASSERT_TRUE(says("a &lt;b&gt; &amp; \"c\" ? \xc3\xa9"));
    }
    fake.fail = WEIR_OK;
}

static void test_soap12(void)
{
    int fd = dial();
    const char *text =
        envelope(SOAP12, "<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>");
    CU_ASSERT_EQUAL(exchange(fd, "application/soap+xml", text, strlen(text)), 200);
    CU_ASSERT_TRUE(says(SOAP12));
    text =
        envelope(SOAP12, "<d:flowToS><d:tos>1</d:tos><d:from>2</d:from><d:to>2</d:to></d:flowToS>");
    CU_ASSERT_EQUAL(exchange(fd, "application/soap+xml", text, strlen(text)), 400);
    CU_ASSERT_TRUE(says("SOAP-ENV:Sender"));
    CU_ASSERT_TRUE(says("<wt:field>from</wt:field>"));
    fake.fail = WEIR_EBUSY;
    text =
        envelope(SOAP12, "<d:flowToS><d:tos>1</d:tos><d:from>1</d:from><d:to>2</d:to></d:flowToS>");
    CU_ASSERT_EQUAL(exchange(fd, "application/soap+xml", text, strlen(text)), 500);
    CU_ASSERT_TRUE(says("SOAP-ENV:Receiver"));
    fake.fail = WEIR_OK;
    close(fd);
}

static void test_names(void)
{
    CU_ASSERT_EQUAL(ask("<d:ListNames/>"), 200);
    CU_ASSERT_TRUE(fake_names_when.from_ms == INT64_MIN && fake_names_when.to_ms == INT64_MAX);
    CU_ASSERT_TRUE(says("<wt:domain>7</wt:domain><wt:kind>interface</wt:kind><wt:id>3</wt:id>"
                        "<wt:name>Gi0/3 &lt;up&gt;</wt:name><wt:option>interfaceName</wt:option>"
                        "<wt:first>10</wt:first><wt:last>20</wt:last>"));
    CU_ASSERT_TRUE(
        says("<wt:kind>application</wt:kind><wt:id>0x030001bb</wt:id><wt:engine>3</wt:engine>"
             "<wt:selector>443</wt:selector><wt:name>https?</wt:name>"
             "<wt:description>web</wt:description><wt:option>applicationName</wt:option>"));
    CU_ASSERT_EQUAL(ask("<d:ListNames><d:kind>vrf</d:kind></d:ListNames>"), 200);
    CU_ASSERT_PTR_NULL(strstr(answer, "<wt:id>"));
    CU_ASSERT_EQUAL(ask("<d:ListNames><d:kind>application</d:kind><d:from>5</d:from><d:to>6</"
                        "d:to></d:ListNames>"),
                    200);
    CU_ASSERT_TRUE(fake_names_when.from_ms == 5 && fake_names_when.to_ms == 6);
    CU_ASSERT_PTR_NULL(strstr(answer, "interfaceName"));
    CU_ASSERT_EQUAL(
        ask("<d:ListNames><d:exporter>::</d:exporter><d:domain>7</d:domain></d:ListNames>"), 200);
    CU_ASSERT_TRUE(says("interfaceName"));
    CU_ASSERT_PTR_NULL(strstr(answer, "applicationName"));
    static const struct {
        const char *arguments, *field;
    } wrong[] = {{"<d:kind>router</d:kind>", "kind"},
                 {"<d:exporter>1.2.3</d:exporter>", "exporter"},
                 {"<d:domain>-1</d:domain>", "domain"},
                 {"<d:from>6</d:from><d:to>6</d:to>", "from"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[256];
        snprintf(text, sizeof text, "<d:ListNames>%s</d:ListNames>", wrong[i].arguments);
        CU_ASSERT_EQUAL(ask(text), 500);
        snprintf(text, sizeof text, "<wt:code>BadArgument</wt:code><wt:field>%s</wt:field>",
                 wrong[i].field);
        CU_ASSERT_TRUE(says(text));
    }
}

static void test_documents(void)
{
    static const char request[] = "GET /db?wsdl HTTP/1.1\r\nHost: flows.example:81\r\n\r\n";
    int fd = dial();
    send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    CU_ASSERT_TRUE(says("location=\"http://flows.example:81/db\""));
    CU_ASSERT_TRUE(says("schemaLocation=\"http://flows.example:81/xsd/weir-types.xsd\""));
    CU_ASSERT_PTR_NULL(strstr(answer, "soap12"));
    static const char both[] = "GET /collector?wsdl12 HTTP/1.1\r\nHost: h\r\n\r\n";
    send(fd, both, sizeof both - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    CU_ASSERT_TRUE(says("<soap12:binding style"));
    CU_ASSERT_TRUE(says("<binding name=\"CollectorSoap12\""));
    CU_ASSERT_TRUE(says("binding=\"col:CollectorSoap12\""));
    static const char schema[] = "GET /xsd/weir-types.xsd HTTP/1.1\r\n\r\n";
    send(fd, schema, sizeof schema - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    static const char head_only[] = "HEAD /healthz HTTP/1.1\r\nConnection: close\r\n\r\n";
    send(fd, head_only, sizeof head_only - 1, MSG_NOSIGNAL);
    (void)receive(fd);
    CU_ASSERT_TRUE(says("Content-Length: 3"));
    CU_ASSERT_PTR_NULL(strstr(answer, "ok\n"));
    close(fd);
}

/* The schema's counters are those of the account, in that order: they are copied as one run. */
static void test_counters_of_the_contract(void)
{
    const char *schema = NULL;
    for (const struct embedded *d = documents; d->name; d++)
        if (strcmp(d->name, "weir-types.xsd") == 0)
            schema = d->text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(schema);
    const char *at = strstr(schema, "<xs:complexType name=\"Counters\">");
    const char *end = strstr(at, "</xs:complexType>");
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++) {
        char name[100];
        snprintf(name, sizeof name, "<xs:element name=\"%s\"", account_counter_names[i].name);
        const char *element = strstr(at, "<xs:element name=");
        CU_ASSERT_TRUE(element && strncmp(element, name, strlen(name)) == 0);
        at = element + 1;
    }
    CU_ASSERT_TRUE(strstr(at, "<xs:element name=") > end);
}

/* Every code that can be sent is in the contract, and a client makes a status of it that is told
 * alike. */
static void test_codes_of_the_contract(void)
{
    const char *schema = NULL;
    for (const struct embedded *d = documents; d->name; d++)
        if (strcmp(d->name, "weir-types.xsd") == 0)
            schema = d->text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(schema);
    for (int status = WEIR_EINTERNAL; status < WEIR_OK; status++) {
        char element[100];
        const struct fault_kind *kind = fault_kind_of((enum weir_status)status);
        CU_ASSERT_EQUAL(kind->status, (enum weir_status)status);
        snprintf(element, sizeof element, "<xs:enumeration value=\"%s\">", kind->code);
        CU_ASSERT_PTR_NOT_NULL(strstr(schema, element));
        CU_ASSERT_STRING_EQUAL(fault_kind_of(fault_status_of(kind->code))->code, kind->code);
    }
    CU_ASSERT_EQUAL(fault_status_of("SomethingNew"), WEIR_EINTERNAL);
}

SERVED_MAIN("services", {"views", test_views}, {"aggregate", test_aggregate},
            {"bad arguments", test_bad_arguments}, {"bad requests", test_bad_requests},
            {"faults of the store", test_store_faults}, {"SOAP 1.2", test_soap12},
            {"names", test_names}, {"documents", test_documents},
            {"counters of the contract", test_counters_of_the_contract},
            {"codes of the contract", test_codes_of_the_contract})
