/* test_words.c - what can be typed, and what comes back: the words against a server with canned
 * answers. */
#include "canned.h"
#include "weir/words.h"

#include <limits.h>

struct said {
    enum outcome outcome;
    char out[32768], aside[8192];
    struct weir_error error;
};

static void copy(char *to, size_t size, struct buffer *from)
{
    size_t n = from->length < size ? from->length : size - 1;
    if (n)
        memcpy(to, from->bytes, n);
    to[n] = '\0';
    buffer_free(from);
}

/* Runs `weir WORDS`, the words split at blanks; '_' stands for a blank inside a word. */
static struct said *say(const char *words)
{
    static struct said s;
    static char text[1024];
    char *argv[32];
    static char program[] = "weir";
    int argc = 1;
    struct buffer out = {0}, aside = {0};
    argv[0] = program;
    snprintf(text, sizeof text, "%s", words);
    for (char *p = strtok(text, " "); p && argc < 31; p = strtok(NULL, " ")) {
        for (char *c = p; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        argv[argc++] = p;
    }
    argv[argc] = NULL;
    memset(&s, 0, sizeof s);
    s.outcome = words_run(argc, argv, (struct output_style){false}, &out, &aside, &s.error);
    copy(s.out, sizeof s.out, &out);
    copy(s.aside, sizeof s.aside, &aside);
    return &s;
}

static void usage_errors_say_what_to_do(void)
{
    static const struct {
        const char *words, *message;
    } cases[] = {
        {"", "a word is missing"},
        {"totls", "did you mean \"totals\"?"},
        {"zebra", "unknown word \"zebra\"; `weir --help` lists them"},
        {"tag", "weir tag what? one of: add, del, list"},
        {"tag nop", "weir tag nop: unknown; one of: add, del, list"},
        {"tag add 1", "usage: weir tag add ID NAME PREFIX|AS... [OPTIONS]"},
        {"tag del 1 2", "usage: weir tag del ID|NAME"},
        {"totals extra", "usage: weir totals"},
        {"status --by x", "status takes no --by; `weir status --help`"},
        {"totals --format xml", "--format: \"xml\" is none of table, json or csv"},
        {"totals --order bytes", "--order: \"bytes\" is none of octets, packets, flows"},
        {"totals --source disk", "--source: \"disk\" is none of auto, rollup, blocks"},
        {"matrix --measure x", "--measure: \"x\" is none of"},
        {"totals --by a,,b", "--by: one to 8 keys"},
        {"totals --by a,b,c,d,e,f,g,h,i", "--by: one to 8 keys"},
        {"totals --from 5 --to 5", "--from must be before --to"},
        {"totals --from soon", "--from: \"soon\" is not a time"},
        {"totals --top x", "--top: \"x\" is not a whole number"},
        {"tag add 0 x 10.0.0.0/8", "is not the number of a tag"},
        {"tag add -- -1 x 10.0.0.0/8", "is not the number of a tag"},
        {"tag add 4294967296 x", "is not the number of a tag"},
        {"tag add 1 x 10.1.2.3/8", "10.0.0.0/8 was probably meant; an AS is written AS64500"},
        {"tag add 1 x ASx", "an AS is written AS64500"},
        {"device add nowhere", "\"nowhere\" is not an address"},
        {"device add 10.0.0.1 --sampling-rate 0", "is not a number from 1"},
        {"device add 10.0.0.1 --sampling-rate nan", "is not a number from 1"},
        {"call x --format csv", "call writes table or json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct said *s = say(cases[i].words);
        CU_ASSERT_EQUAL(s->outcome, OUTCOME_USAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(s->error.message, cases[i].message));
        if (!strstr(s->error.message, cases[i].message))
            printf("\n--- %s: got %s\n", cases[i].words, s->error.message);
    }
}

static void help_comes_from_the_table(void)
{
    struct said *s = say("--help");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "weir tag add ID NAME PREFIX|AS..."));
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "--url URL"));
    CU_ASSERT_EQUAL(say("help")->outcome, OUTCOME_DONE);
    s = say("totals --help");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "--by KEYS"));
    CU_ASSERT_PTR_NULL(strstr(s->out, "--sampling-rate"));
    s = say("tag --help");
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "weir tag list"));
    CU_ASSERT_PTR_NULL(strstr(s->out, "weir device list"));
}

/* ---- answers --------------------------------------------------------------------------------- */

#define ENVELOPE(body)                                                                             \
    "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:d=\"urn:weir:db:1\" " \
    "xmlns:c=\"urn:weir:collector:1\" xmlns:t=\"urn:weir:types:1\"><S:Body>" body                  \
    "</S:Body></S:Envelope>"
#define COUNTS(name, o, p, f)                                                                      \
    "<t:" name "><t:octets>" o "</t:octets><t:packets>" p "</t:packets><t:flows>" f                \
    "</t:flows></t:" name ">"
#define COUNTERS(name, datagrams, duplicates)                                                      \
    "<t:" name "><t:datagrams>" datagrams                                                          \
    "</t:datagrams><t:wireOctets>0</t:wireOctets><t:records>0</t:records>"                         \
    "<t:optionRecords>0</t:optionRecords><t:missingRecords>0</"                                    \
    "t:missingRecords><t:recoveredRecords>0</t:recoveredRecords>"                                  \
    "<t:missingDatagrams>0</t:missingDatagrams><t:recoveredDatagrams>0</"                          \
    "t:recoveredDatagrams><t:reordered>0</t:reordered>"                                            \
    "<t:duplicates>" duplicates "</t:duplicates><t:restarts>0</t:restarts><t:unknownGaps>0</"      \
                                "t:unknownGaps><t:noTemplateSets>0</t:noTemplateSets>"             \
    "<t:parkedSets>0</t:parkedSets><t:unparkedSets>0</t:unparkedSets><t:expiredSets>0</"           \
    "t:expiredSets><t:undecodableOctets>0</t:undecodableOctets>"                                   \
    "<t:undecodableDatagrams>0</t:undecodableDatagrams><t:kernelDrops>0</"                         \
    "t:kernelDrops><t:spoolDrops>0</t:spoolDrops>"                                                 \
    "<t:deselectedRecords>0</t:deselectedRecords><t:refusedDatagrams>0</"                          \
    "t:refusedDatagrams><t:missingSamples>0</t:missingSamples><t:recoveredSamples>0</"             \
    "t:recoveredSamples><t:droppedSamples>0</t:droppedSamples><t:otherSamples>0</t:otherSamples>"  \
    "<t:undecodedLists>0</t:undecodedLists><t:reportedMessages>0</t:reportedMessages>"             \
    "<t:reportedRecords>0</t:reportedRecords><t:comparedMessages>0</t:comparedMessages>"           \
    "<t:comparedRecords>0</t:comparedRecords><t:unsentRecords>0</t:unsentRecords>"                 \
    "<t:ignoredPackets>0</t:ignoredPackets><t:droppedRecords>0</t:droppedRecords>"                 \
    "<t:undatedRecords>0</t:undatedRecords></"                                                     \
    "t:" name ">"
#define COVERAGE(exporter, protocol, records, missing, unit, loss, datagrams, duplicates)          \
    "<t:coverage><t:exporter>" exporter "</t:exporter><t:domain>7</t:domain><t:protocol>" protocol \
    "</t:protocol>"                                                                                \
    "<t:firstHeard>0</t:firstHeard><t:lastHeard>1000</t:lastHeard><t:minutes>1</"                  \
    "t:minutes><t:records>" records "</t:records>"                                                 \
    "<t:missing>" missing "</t:missing><t:unit>" unit "</t:unit><t:loss>" loss                     \
    "</t:loss>" COUNTERS("counters", datagrams, duplicates) "</t:coverage>"
#define ACCOUNT(element, loss)                                                                     \
    "<" element "><t:from>0</t:from><t:to>60000</t:to><t:loss><t:state>" loss                      \
    "</t:state><t:missingRecords>25</t:missingRecords>"                                            \
    "<t:missingDatagrams>1</t:missingDatagrams><t:missingRecordsPercent>20</"                      \
    "t:missingRecordsPercent><t:knownUntil>1000</t:knownUntil></t:loss>"                           \
    "<t:sampling>" COUNTS("raw", "100", "10", "4") COUNTS("estimated", "1000", "100", "40")        \
        COUNTS("unknownRate", "50", "5",                                                           \
               "2") "</t:sampling>"                                                                \
                    "<t:policy>none</t:policy><t:source>rollup</t:source><t:blocks>3</"            \
                    "t:blocks><t:blocksSkipped>1</t:blocksSkipped><t:rowsScanned>1234</"           \
                    "t:rowsScanned>" COUNTERS(                                                     \
                        "received", "200",                                                         \
                        "2") "<t:exporters>2</t:exporters>" COVERAGE("192.0.2.1", "5", "100",      \
                                                                     "25", "records", "lossy",     \
                                                                     "10", "0")                    \
                        COVERAGE("192.0.2.2", "9", "100", "1", "datagrams", "complete", "101",     \
                                 "2") "</" element ">"
#define ROW(src, dst, octets, packets)                                                             \
    "<d:row><t:key name=\"srcTag\">" src "</t:key><t:key name=\"dstTag\">" dst                     \
    "</t:key><t:octets>" octets "</t:octets>"                                                      \
    "<t:packets>" packets "</t:packets><t:flows>1</t:flows><t:estimatedOctets>" octets             \
    "</t:estimatedOctets><t:estimatedPackets>" packets                                             \
    "</t:estimatedPackets><t:estimatedFlows>1</t:estimatedFlows></d:row>"
#define AGGREGATE                                                                                  \
    ENVELOPE("<d:AggregateResponse>" ROW("1", "2", "1000", "10") ROW("2", "1", "200", "2")         \
                 ROW("0", "1", "30", "3")                                                          \
                     ROW("1", "1", "4", "4") "<d:groups>9</d:groups>" ACCOUNT(                     \
                         "d:account", "lossy") "<d:elapsedMicroseconds>1500</"                     \
                                               "d:elapsedMicroseconds><d:cpuMicroseconds>700</"    \
                                               "d:cpuMicroseconds></d:AggregateResponse>")
#define TAGS                                                                                       \
    ENVELOPE("<c:ListTagsResponse><c:tag><t:id>2</t:id><t:name>PoP-PE</t:name></"                  \
             "c:tag><c:tag><t:id>1</t:id>"                                                         \
             "<t:name>PoP-BA</t:name><t:prefix>10.1.0.0/16</t:prefix><t:as>64500</t:as></c:tag></" \
             "c:ListTagsResponse>")
#define FAULT(code, field, message)                                                                \
    ENVELOPE("<S:Fault><faultcode>S:Client</faultcode><faultstring>x</"                            \
             "faultstring><detail><t:Fault><t:code>" code "</t:code><t:field>" field               \
             "</t:field><t:message>" message "</t:message><t:retryable>false</t:retryable>"        \
             "</t:Fault></detail></S:Fault>")

static struct canned server;

static struct said *ask(const struct canned_row *rows, size_t count, const char *words)
{
    canned_start(&server, rows, count);
    CU_ASSERT_EQUAL(setenv("WEIR_URL", server.url, 1), 0);
    return say(words); /* the caller stops the server */
}
#define ASK(rows, words) ask(rows, sizeof(rows) / sizeof((rows)[0]), words)

static void expect_out(const struct said *s, const char *expected)
{
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_STRING_EQUAL(s->out, expected);
    if (strcmp(s->out, expected) != 0)
        printf("\n--- %s\n--- got\n%s--- expected\n%s---\n", s->error.message, s->out, expected);
    canned_stop(&server);
}

static const struct canned_row data[] = {
    {"Aggregate>", 200, AGGREGATE, NULL},
    {"ListTags", 200, TAGS, NULL},
};

#define NOTES                                                                                      \
    "covers    1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z, 2 exporters and domains "     \
    "heard\n"                                                                                      \
    "loss      LOSSY: 25 records (20.00 %) and 1 datagrams are missing; unknown after "            \
    "1970-01-01T00:00:01.000Z\n"                                                                   \
    "          192.0.2.1 domain 7 lost 25 records\n"                                               \
    "sampling  counts are as exported; estimated: 1,000 octets, 100 packets; rate unknown for "    \
    "50.0 %\n"                                                                                     \
    "policy    none\n"                                                                             \
    "source    rollup: 3 blocks, 1 of them skipped, 1,234 rows looked at\n"

static void totals_as_a_table(void)
{
    expect_out(ASK(data, "totals --by srcTag,dstTag --top 4 --time"),
               "srcTag      dstTag    octets        %  packets  flows\n"
               "----------  --------  ------  -------  -------  -----\n"
               "1 PoP-BA    2 PoP-PE   1,000  1000.00       10      1\n"
               "2 PoP-PE    1 PoP-BA     200   200.00        2      1\n"
               "0 (no tag)  1 PoP-BA      30    30.00        3      1\n"
               "1 PoP-BA    1 PoP-BA       4     4.00        4      1\n"
               "\n"
               "rows      4 of 9\n" NOTES
               "time      1,500 us elapsed, 700 us processor (the server's)\n");
}

static void totals_as_csv(void)
{
    struct said *s = ASK(data, "totals --by srcTag,dstTag --format csv --time --top 1");
    CU_ASSERT_STRING_EQUAL(s->aside, "elapsed 1500 us, processor 700 us\n");
    CU_ASSERT_TRUE(canned_heard(&server, "<db:top>1</db:top>"));
    expect_out(s, "srcTag,dstTag,octets,packets,flows,estimated octets,estimated packets\n"
                  "1,2,1000,10,1,1000,10\n2,1,200,2,1,200,2\n0,1,30,3,1,30,3\n1,1,4,4,1,4,4\n");
}

static void totals_as_json(void)
{
    struct said *s = ASK(data, "totals --by srcTag,dstTag --format json");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    const char *rows = "{\"rows\":[\n{\"srcTag\":1,\"dstTag\":2,\"octets\":1000,\"packets\":10,"
                       "\"flows\":1,\"estimatedOctets\":1000,"
                       "\"estimatedPackets\":10,\"estimatedFlows\":1},\n{\"srcTag\":2,";
    CU_ASSERT_EQUAL(strncmp(s->out, rows, strlen(rows)), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "\"groups\":9,\n\"account\":{\"from\":0,\"to\":60000,"
                                          "\"loss\":{\"state\":\"lossy\",\"missingRecords\":25,"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(s->out, "\"coverage\":[{\"exporter\":\"192.0.2.1\",\"domain\":7,\"protocol\":5,"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(s->out, "\"elapsedMicroseconds\":1500,\"cpuMicroseconds\":700}\n"));
    canned_stop(&server);
}

static void the_question_carries_every_option(void)
{
    ASK(data, "totals --by srcIP --filter dst_port_443 --from 1000 --to 1970-01-01T00:00:02Z "
              "--step 5m --top 3 --order flows "
              "--source blocks --format json");
    CU_ASSERT_TRUE(canned_heard(&server, "POST /db HTTP/1.1"));
    CU_ASSERT_TRUE(canned_heard(
        &server, "<db:by>srcIP</db:by><db:filter>dst port 443</db:filter><db:from>1000</db:from>"
                 "<db:to>2000</db:to><db:step>300000</db:step><db:top>3</db:top>"
                 "<db:order>flows</db:order><db:source>blocks</db:source>"));
    canned_stop(&server);
    ASK(data, "totals --format json");
    CU_ASSERT_TRUE(canned_heard(
        &server, "<db:from>-9223372036854775808</db:from><db:to>9223372036854775807</db:to>"));
    canned_stop(&server);
}

/* Numbers for numeric keys, text otherwise, null for what records lack. */
static void keys_in_json_have_their_types(void)
{
    static const struct canned_row rows[] = {
        {"Aggregate>", 200,
         ENVELOPE(
             "<d:AggregateResponse><d:row><t:key "
             "name=\"sourceIPv4Address/24\">10.0.0.0/24</t:key><t:key "
             "name=\"protocolIdentifier\">6</t:key>"
             "<t:key name=\"interfaceName\">7</t:key><t:key name=\"srcTag\" "
             "absent=\"true\"></t:key><t:key name=\"samplingRate\">nan</t:key>"
             "<t:bin>-60000</t:bin><t:octets>18446744073709551615</t:octets><t:packets>0</"
             "t:packets><t:flows>0</t:flows><t:estimatedOctets>0</t:estimatedOctets>"
             "<t:estimatedPackets>0</t:estimatedPackets><t:estimatedFlows>0</t:estimatedFlows></"
             "d:row><d:groups>1</d:groups>" ACCOUNT(
                 "d:account",
                 "unknown") "<d:elapsedMicroseconds>0</d:elapsedMicroseconds><d:cpuMicroseconds>0</"
                            "d:cpuMicroseconds></d:AggregateResponse>"),
         NULL},
    };
    struct said *s = ASK(rows, "totals --by a,b,c,d,e --format json");
    const char *row = "{\"rows\":[\n{\"sourceIPv4Address/24\":\"10.0.0.0/"
                      "24\",\"protocolIdentifier\":6,\"interfaceName\":\"7\",\"srcTag\":null,"
                      "\"samplingRate\":\"nan\",\"bin\":-60000,\"octets\":18446744073709551615,";
    CU_ASSERT_EQUAL(strncmp(s->out, row, strlen(row)), 0);
    canned_stop(&server);
}

#define NAMED_ROW(exporter, proto, flows)                                                          \
    "<d:row><t:key name=\"exporter\">" exporter "</t:key><t:key name=\"proto\">" proto             \
    "</t:key><t:key name=\"dstPort\">443</t:key><t:octets>5</t:octets><t:packets>1</t:packets>"    \
    "<t:flows>" flows "</t:flows><t:estimatedOctets>5</t:estimatedOctets>"                         \
    "<t:estimatedPackets>1</t:estimatedPackets><t:estimatedFlows>1</t:estimatedFlows></d:row>"

/* Short names are the elements that they stand for; the whole is 4 flows. */
static void keys_in_tables_have_names(void)
{
    static const struct canned_row rows[] = {
        {"Aggregate>", 200,
         ENVELOPE("<d:AggregateResponse>" NAMED_ROW("192.0.2.1", "6", "3")
                      NAMED_ROW("192.0.2.2", "253", "1") "<d:groups>2</d:groups>" ACCOUNT(
                          "d:account", "lossy") "<d:elapsedMicroseconds>0</d:elapsedMicroseconds>"
                                                "<d:cpuMicroseconds>0</d:cpuMicroseconds>"
                                                "</d:AggregateResponse>"),
         NULL},
        {"ListMDevs", 200,
         ENVELOPE("<c:ListMDevsResponse><c:mdev><t:address>192.0.2.1</t:address>"
                  "<t:name>border</t:name></c:mdev></c:ListMDevsResponse>"),
         NULL},
    };
    expect_out(ASK(rows, "totals --by exporter,proto,dstPort --order flows"),
               "exporter          proto  dstPort  octets  packets  flows      %\n"
               "----------------  -----  -------  ------  -------  -----  -----\n"
               "192.0.2.1 border  6 tcp      443       5        1      3  75.00\n"
               "192.0.2.2         253        443       5        1      1  25.00\n"
               "\n" NOTES);
    struct said *s = ASK(rows, "totals --by exporter,proto,dstPort --format json");
    const char *row = "{\"rows\":[\n{\"exporter\":\"192.0.2.1\",\"proto\":6,\"dstPort\":443,";
    CU_ASSERT_EQUAL(strncmp(s->out, row, strlen(row)), 0);
    canned_stop(&server);
}

static void faults_name_their_field(void)
{
    static const struct canned_row rows[] = {
        {"Aggregate>", 500,
         FAULT("BadArgument", "filter", "column 3: found 'x', expected the end of the filter"),
         NULL},
    };
    CU_ASSERT_STRING_EQUAL(ASK(rows, "totals --filter x")->error.message,
                           "filter: column 3: found 'x', expected the end of the filter");
    canned_stop(&server);
}

static void the_matrix_has_names_and_sums(void)
{
    expect_out(ASK(data, "matrix"), "octets    (no tag)  PoP-BA  PoP-PE    sum\n"
                                    "--------  --------  ------  ------  -----\n"
                                    "(no tag)         0      30       0     30\n"
                                    "PoP-BA           0       4   1,000  1,004\n"
                                    "PoP-PE           0     200       0    200\n"
                                    "--------  --------  ------  ------  -----\n"
                                    "sum              0     234   1,000  1,234\n"
                                    "\n" NOTES);
    expect_out(ASK(data, "matrix --measure packets --format csv"),
               "packets,(no tag),PoP-BA,PoP-PE\n(no tag),0,3,0\nPoP-BA,0,4,10\nPoP-PE,0,2,0\n");
    static const struct canned_row nameless[] = {{"Aggregate>", 200, AGGREGATE, NULL}};
    expect_out(ASK(nameless, "matrix --measure flows --format csv"),
               "flows,(no tag),1,2\n(no tag),0,1,0\n1,0,1,1\n2,0,1,0\n");
}

static void the_account_marks_the_lossy(void)
{
    static const struct canned_row rows[] = {
        {"GetAccount>", 200,
         ENVELOPE("<d:GetAccountResponse>" ACCOUNT("d:account", "lossy") "</d:GetAccountResponse>"),
         NULL},
    };
    /* 25 of 125 records; 1 of 100 datagrams (101 came, 2 of them twice). */
    expect_out(ASK(rows, "account"),
               "exporter   domain  protocol    records  datagrams  missing  of             %  "
               "state     sampling  last heard\n"
               "---------  ------  ----------  -------  ---------  -------  ---------  -----  "
               "--------  --------  ----------\n"
               "192.0.2.1       7  NetFlow v5      100         10       25  records    20.00  "
               "LOSSY               1970-01-01T00:00:01.000Z\n"
               "192.0.2.2       7  NetFlow v9      100        101        1  datagrams   1.00  "
               "complete            1970-01-01T00:00:01.000Z\n"
               "\n"
               "covers      1970-01-01T00:00:00.000Z to 1970-01-01T00:01:00.000Z, 2 exporters and "
               "domains heard\n"
               "loss        LOSSY: 25 records (20.00 %) and 1 datagrams are missing; unknown after "
               "1970-01-01T00:00:01.000Z\n"
               "            192.0.2.1 domain 7 lost 25 records\n"
               "sampling    counts are as exported; estimated: 1,000 octets, 100 packets; rate "
               "unknown for 50.0 %\n"
               "policy      none\n"
               "source      rollup: 3 blocks, 1 of them skipped, 1,234 rows looked at\n"
               "duplicates  2 datagrams came again and were dropped\n");
}

static void devices_have_names(void)
{
    static const struct canned_row rows[] = {
        {"GetAccount>", 200,
         ENVELOPE("<d:GetAccountResponse>" ACCOUNT("d:account", "lossy") "</d:GetAccountResponse>"),
         NULL},
        {"ListMDevs", 200,
         ENVELOPE("<c:ListMDevsResponse><c:mdev><t:address>192.0.2.9</t:address></c:mdev><c:mdev>"
                  "<t:address>192.0.2.2</t:address><t:name>edge</t:name></c:mdev></"
                  "c:ListMDevsResponse>"),
         NULL},
    };
    expect_out(
        ASK(rows, "account --format csv"),
        "exporter,device,domain,protocol,records,datagrams,missing,of,%,state,sampling,last heard\n"
        "192.0.2.1,,7,NetFlow v5,100,10,25,records,20,LOSSY,,1970-01-01T00:00:01.000Z\n"
        "192.0.2.2,edge,7,NetFlow v9,100,101,1,datagrams,1,complete,,1970-01-01T00:00:01.000Z\n");
}

static void the_catalogue_is_kept(void)
{
    static const struct canned_row rows[] = {
        {"AddTag>", 200, ENVELOPE("<c:AddTagResponse/>"), NULL},
        {"DelTag>", 500, FAULT("NotFound", "tag", "there is no tag 9"), NULL},
        {"AddMDev>", 200, ENVELOPE("<c:AddMDevResponse/>"), NULL},
        {"AddCompDB>", 500, FAULT("BadArgument", "url", "must begin with http"), NULL},
        {"ListTags", 200, TAGS, NULL},
    };
    struct said *s = ASK(rows, "tag add 1 PoP-BA 10.1.0.0/16 as64500 2001:db8::/32");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_STRING_EQUAL(s->out, "");
    CU_ASSERT_TRUE(canned_heard(
        &server, "<wt:id>1</wt:id><wt:name>PoP-BA</wt:name><wt:prefix>10.1.0.0/16</wt:prefix>"
                 "<wt:prefix>2001:db8::/32</wt:prefix><wt:as>64500</wt:as>"));
    canned_stop(&server);
    s = ASK(rows, "tag del 9");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_FAILED);
    CU_ASSERT_EQUAL(s->error.status, WEIR_ENOTFOUND);
    CU_ASSERT_STRING_EQUAL(s->error.message, "there is no tag 9");
    canned_stop(&server);
    s = ASK(rows, "device add 192.0.2.1 edge --description a_router --sampling-rate 100");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_TRUE(canned_heard(
        &server, "<wt:address>192.0.2.1</wt:address><wt:name>edge</wt:name><wt:description>a router"
                 "</wt:description><wt:samplingRate>100</wt:samplingRate>"));
    canned_stop(&server);
    s = ASK(rows, "db add ftp://x");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_FAILED);
    CU_ASSERT_STRING_EQUAL(s->error.message, "url: must begin with http");
    canned_stop(&server);
    expect_out(ASK(rows, "tag list"),
               "tag  name    prefixes and ASes\n---  ------  -----------------\n  2  PoP-PE  \n"
               "  1  PoP-BA  10.1.0.0/16 AS64500\n");
    expect_out(ASK(rows, "tag list --format json"),
               "{\"tags\":[\n{\"id\":2,\"name\":\"PoP-PE\",\"prefix\":[],\"as\":[]},\n"
               "{\"id\":1,\"name\":\"PoP-BA\",\"prefix\":[\"10.1.0.0/16\"],\"as\":[64500]}]}\n");
}

static void what_is_no_answer_is_said(void)
{
    static const struct canned_row rows[] = {
        {"ListMDevs", 200, "<html/>", NULL},
        {"ListCompDBs", 403, "no", "text/plain"},
        {"GetStatus", 500, FAULT("Unavailable", "", "the collector does not run"), NULL},
    };
    struct said *s = ASK(rows, "device list");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->error.message, "no SOAP answer"));
    canned_stop(&server);
    s = ASK(rows, "db list");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->error.message, "answered HTTP 403"));
    canned_stop(&server);
    s = ASK(rows, "status");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_FAILED);
    CU_ASSERT_STRING_EQUAL(s->error.message, "the collector does not run");
    canned_stop(&server);
    s = say("status"); /* nobody there now */
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_FAILED);
    CU_ASSERT_EQUAL(s->error.status, WEIR_EUNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->error.message, "is weird running there?"));
    CU_ASSERT_EQUAL(say("status --url https://x")->outcome, OUTCOME_FAILED);
}

/* The generic client from end to end: contract, request and answer over the same little server. */
static void any_contract_is_called(void)
{
    static char wsdl[200000];
    static struct canned_row rows[] = {
        {"GET /c?wsdl ", 200, wsdl, NULL},
        {"GET /schemas/xsd/weir-types.xsd ", 200,
         "<schema xmlns=\"http://www.w3.org/2001/XMLSchema\" "
         "targetNamespace=\"urn:weir:types:1\"/>",
         NULL},
        {"ListTags", 200, TAGS, NULL},
        {"DelTag", 500, FAULT("NotFound", "tag", "there is no tag 9"), NULL},
    };
    canned_start(&server, rows, sizeof rows / sizeof rows[0]);
    FILE *file = fopen("wsdl/collector.wsdl", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t length = fread(wsdl, 1, sizeof wsdl - 64, file);
    fclose(file);
    wsdl[length] = '\0';
    char *location = strstr(wsdl, "http://127.0.0.1:8080/collector");
    CU_ASSERT_PTR_NOT_NULL_FATAL(location);
    char *rest = location + strlen("http://127.0.0.1:8080");
    memmove(location + strlen(server.url), rest, strlen(rest) + 1);
    memcpy(location, server.url, strlen(server.url));
    char words[256];
    snprintf(words, sizeof words, "call %s/c?wsdl ListTags --format json", server.url);
    struct said *s = say(words);
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "\"name\":\"PoP-PE\""));
    CU_ASSERT_TRUE(canned_heard(&server, "SOAPAction: \"urn:weir:collector:1/ListTags\""));
    snprintf(words, sizeof words, "call %s/c?wsdl DelTag tag=9", server.url);
    s = say(words);
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->error.message, "there is no tag 9"));
    snprintf(words, sizeof words, "call %s/c?wsdl DelTag", server.url);
    s = say(words);
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->aside, "DelTag: Removes a tag."));
    CU_ASSERT_PTR_NOT_NULL(strstr(s->aside, "tag=  TagRef"));
    snprintf(words, sizeof words, "call %s/c?wsdl", server.url);
    s = say(words);
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "AddCompDB"));
    snprintf(words, sizeof words, "call %s/c?wsdl ListTag", server.url);
    CU_ASSERT_PTR_NOT_NULL(strstr(say(words)->error.message, "did you mean \"ListTags\"?"));
    canned_stop(&server);
}

#define LINE(time, level, text)                                                                    \
    "<c:line><t:time>" time "</t:time><t:level>" level                                             \
    "</t:level><t:room>store</t:room><t:text>" text "</t:text></c:line>"

static void the_version_is_said(void)
{
    struct said *s = say("--version");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_EQUAL(strncmp(s->out, "weir ", 5), 0);
    CU_ASSERT_TRUE(s->out[5] >= '0' && s->out[5] <= '9' && strchr(s->out, '.'));
    CU_ASSERT_EQUAL(say("totals --version")->outcome, OUTCOME_DONE);
}

static void the_log_is_shown(void)
{
    static const struct canned_row rows[] = {
        {"<col:level>warning</col:level><col:limit>7</col:limit>", 200,
         ENVELOPE("<c:GetLogResponse>" LINE("1000", "error", "disk &amp; all") LINE(
             "2000", "warning", "odd") "<c:forgotten>5</c:forgotten></c:GetLogResponse>"),
         NULL},
    };
    canned_start(&server, rows, 1);
    setenv("WEIR_URL", server.url, 1);
    struct said *s = say("logs --level warning --limit 7 --from 500");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_DONE);
    CU_ASSERT_TRUE(canned_heard(&server, "<col:from>500</col:from>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "1970-01-01T00:00:01.000Z  error    store  disk & all"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s->out, "5 lines are kept no more"));
    s = say("logs --level warning --limit 7 --format json");
    CU_ASSERT_PTR_NOT_NULL(strstr(
        s->out, "{\"time\":2000,\"level\":\"warning\",\"room\":\"store\",\"text\":\"odd\"}"));
    s = say("logs --level loud");
    CU_ASSERT_EQUAL(s->outcome, OUTCOME_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(s->error.message, "is none of error, warning, info, debug"));
    canned_stop(&server);
}

UNIT_MAIN("words", {"usage errors say what to do", usage_errors_say_what_to_do},
          {"help comes from the table", help_comes_from_the_table},
          {"totals as a table", totals_as_a_table}, {"totals as CSV", totals_as_csv},
          {"totals as JSON", totals_as_json},
          {"the question carries every option", the_question_carries_every_option},
          {"keys in JSON have their types", keys_in_json_have_their_types},
          {"keys in tables have names", keys_in_tables_have_names},
          {"faults name their field", faults_name_their_field},
          {"the matrix has names and sums", the_matrix_has_names_and_sums},
          {"the account marks the lossy", the_account_marks_the_lossy},
          {"devices have names", devices_have_names},
          {"the catalogue is kept", the_catalogue_is_kept},
          {"what is no answer is said", what_is_no_answer_is_said},
          {"the version is said", the_version_is_said}, {"the log is shown", the_log_is_shown},
          {"any contract is called", any_contract_is_called})
