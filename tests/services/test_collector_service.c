/* test_collector_service.c - the collector's operations over a socket: catalogue, selection and
 * privacy, devices, log; and /metrics. */
#include "served.h"

static void test_catalogue(void)
{
    int before = changes;
    CU_ASSERT_EQUAL(ask_collector("<c:AddTag><c:tag><w:id>12</w:id><w:name>PoP-RN</"
                                  "w:name><w:prefix>2001:db8::/32</w:prefix></c:tag></c:AddTag>"),
                    200);
    CU_ASSERT_EQUAL(changes, before + 1);
    CU_ASSERT_STRING_EQUAL(fake.who, "soap 127.0.0.1");
    /* known at once to questions */
    CU_ASSERT_EQUAL(ask("<d:flowTagSrc><d:srcTag>PoP-RN</d:srcTag><d:from>1</d:from><d:to>2</"
                        "d:to></d:flowTagSrc>"),
                    200);
    CU_ASSERT_STRING_EQUAL(fake.filter, "src tag 12");
    CU_ASSERT_EQUAL(
        ask_collector("<c:AddTag><c:tag><w:id>12</w:id><w:name>again</w:name></c:tag></c:AddTag>"),
        500);
    CU_ASSERT_TRUE(says("<wt:code>Exists</wt:code>"));
    CU_ASSERT_EQUAL(changes, before + 1);
    CU_ASSERT_EQUAL(ask_collector("<c:ListTags/>"), 200);
    CU_ASSERT_TRUE(says("<wt:name>PoP-RN</wt:name><wt:prefix>2001:db8::/32</wt:prefix>"));
    CU_ASSERT_EQUAL(ask_collector("<c:DelTag><c:tag>PoP-RN</c:tag></c:DelTag>"), 200);
    CU_ASSERT_EQUAL(ask("<d:flowTagSrc><d:srcTag>PoP-RN</d:srcTag><d:from>1</d:from><d:to>2</"
                        "d:to></d:flowTagSrc>"),
                    500);
    CU_ASSERT_EQUAL(
        ask_collector("<c:AddMDev><c:mdev><w:address>1.2.3.4</w:address></c:mdev></c:AddMDev>"),
        200);
    CU_ASSERT_EQUAL(ask_collector("<c:ListMDevs/>"), 200);
    CU_ASSERT_TRUE(says("<wt:address>1.2.3.4</wt:address>"));
    CU_ASSERT_EQUAL(
        ask_collector(
            "<c:AddCompDB><c:compDB><w:url>http://a:1/db</w:url></c:compDB></c:AddCompDB>"),
        200);
}

static void test_catalogue_refused(void)
{
    static const struct {
        const char *operation, *field;
    } bad[] = {
        {"<c:AddTag><c:tag><w:id>0</w:id><w:name>a</w:name></c:tag></c:AddTag>", "id"},
        {"<c:AddTag><c:tag><w:id>1</w:id><w:name>123</w:name></c:tag></c:AddTag>", "name"},
        {"<c:AddTag><c:tag><w:id>1</w:id><w:name></w:name></c:tag></c:AddTag>", "name"},
        {"<c:AddTag><c:tag><w:id>1</w:id><w:name>a</w:name><w:prefix>10.0.0.0/33</w:prefix></"
         "c:tag></c:AddTag>",
         "prefix"},
        {"<c:AddMDev><c:mdev><w:address>x</w:address></c:mdev></c:AddMDev>", "address"},
        {"<c:AddMDev><c:mdev><w:address>1.2.3.4</w:address><w:samplingRate>0</w:samplingRate></"
         "c:mdev></c:AddMDev>",
         "samplingRate"},
        {"<c:AddMDev><c:mdev><w:address>1.2.3.4</w:address><w:samplingRate>NaN</w:samplingRate></"
         "c:mdev></c:AddMDev>",
         "samplingRate"},
        {"<c:AddMDev><c:mdev><w:address>1.2.3.4</w:address><w:name>&#1;</w:name></c:mdev></"
         "c:AddMDev>",
         "name"},
        {"<c:AddCompDB><c:compDB><w:url>file:///etc/passwd</w:url></c:compDB></c:AddCompDB>",
         "url"},
        {"<c:AddTag><c:tag><w:name>a</w:name></c:tag></c:AddTag>", "id"},
        {"<c:AddTag/>", "tag"},
        {"<c:DelTag><c:tag>0</c:tag></c:DelTag>", "tag"},
    };
    int before = changes;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char field[64];
        snprintf(field, sizeof field, "<wt:field>%s</wt:field>", bad[i].field);
        CU_ASSERT_EQUAL(ask_collector(bad[i].operation), 500);
        CU_ASSERT_TRUE(says(field));
    }
    CU_ASSERT_EQUAL(changes, before);
}

static void test_state(void)
{
    CU_ASSERT_EQUAL(ask_collector("<c:GetStatus/>"), 200);
    CU_ASSERT_TRUE(says("<wt:lastError>a? b</wt:lastError>"));
    CU_ASSERT_TRUE(says("<wt:catalogueError>c?</wt:catalogueError>"));
    CU_ASSERT_EQUAL(ask_collector("<c:GetAccount><c:from>1</c:from><c:to>2</c:to></c:GetAccount>"),
                    200);
    CU_ASSERT_TRUE(says("<wt:counters>"));
}

/* ---- selection and privacy ---- */

static void changes_to(const char *operation, const char *text)
{
    fake_selection.text[0] = '\0';
    CU_ASSERT_EQUAL(ask_collector(operation), 200);
    CU_ASSERT_STRING_EQUAL(fake_selection.text, text);
}

#define ANONY "<w:device>1.2.3.4</w:device><w:domain>7</w:domain><w:anonymisation>"
static void test_selection(void)
{
    changes_to("<c:AddFlowType><c:flowType><w:name>a</w:name><w:priority>5</w:priority>"
               "<w:filter>proto udp</w:filter><w:action>aggregate</w:action><w:key>srcTag</w:key>"
               "<w:key>dstTag</w:key></c:flowType></c:AddFlowType>",
               "a 5 aggregate [proto udp] [srcTag,dstTag] none");
    changes_to("<c:AddFlowType><c:flowType><w:name>b</w:name><w:priority>6</w:priority>"
               "<w:action>anonymise</w:action><w:anonymisation><w:method>truncate</w:method>"
               "<w:ipv4Length>8</w:ipv4Length></w:anonymisation></c:flowType></c:AddFlowType>",
               "b 6 anonymise [] [] truncate/8,48");
    changes_to("<c:DelFlowType><c:name>a</c:name></c:DelFlowType>", "-a");
    changes_to("<c:AddObsD><c:obsD><w:device>1.2.3.4</w:device><w:domain>7</w:domain>"
               "<w:name>n</w:name></c:obsD></c:AddObsD>",
               "domain 7 n");
    changes_to("<c:DelObsD><c:device>1.2.3.4</c:device><c:domain>7</c:domain></c:DelObsD>",
               "-domain 7");
    changes_to("<c:AddObsP><c:obsP><w:device>1.2.3.4</w:device><w:domain>7</w:domain>"
               "<w:interface>3</w:interface><w:role>edge-out</w:role></c:obsP></c:AddObsP>",
               "point 7 3 edge-out");
    changes_to("<c:DelObsP><c:device>1.2.3.4</c:device><c:domain>7</c:domain>"
               "<c:interface>3</c:interface></c:DelObsP>",
               "-point 7 3");
    int keys = fake_selection.keys;
    changes_to(
        "<c:AnonyFlowDom><c:flowDom>" ANONY "<w:method>crypto-pan</w:method><w:field>ie95</w:field>"
        "<w:macs>true</w:macs><w:key>k</w:key></w:anonymisation></c:flowDom></c:AnonyFlowDom>",
        "policy 7 crypto-pan+mac+remove(ie95) key=k");
    CU_ASSERT_EQUAL(fake_selection.keys, keys + 1); /* made before there is a policy */
    changes_to("<c:DelAnonyFlowDom><c:device>1.2.3.4</c:device><c:domain>7</c:domain>"
               "</c:DelAnonyFlowDom>",
               "-policy 7");
    changes_to("<c:AnonyFlowDom><c:flowDom><w:device>1.2.3.4</w:device><w:anonymisation>"
               "<w:method>truncate</w:method></w:anonymisation></c:flowDom></c:AnonyFlowDom>",
               "policy device 0 truncate/24,48 key=");
    changes_to("<c:AnonyFlowDom><c:flowDom><w:anonymisation><w:method>truncate</w:method>"
               "</w:anonymisation></c:flowDom></c:AnonyFlowDom>",
               "policy all 0 truncate/24,48 key=");
    changes_to("<c:DelAnonyFlowDom><c:device>1.2.3.4</c:device></c:DelAnonyFlowDom>",
               "-policy device 0");
    changes_to("<c:DelAnonyFlowDom></c:DelAnonyFlowDom>", "-policy all 0");
    CU_ASSERT_EQUAL(ask_collector("<c:Suspend/>"), 200);
    CU_ASSERT_TRUE(fake_selection.suspended);
    CU_ASSERT_EQUAL(ask_collector("<c:Resume/>"), 200);
    CU_ASSERT_FALSE(fake_selection.suspended);
    static const char *const lists[] = {"<c:ListFlowTypes/>", "<c:ListObsDs/>", "<c:ListObsPs/>",
                                        "<c:ListAnonyFlowDoms/>"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        CU_ASSERT_EQUAL(ask_collector(lists[i]), 200);
}

static void test_selection_refused(void)
{
    CU_ASSERT_EQUAL(ask_collector("<c:DelAnonyFlowDom><c:domain>7</c:domain></c:DelAnonyFlowDom>"),
                    500);
    CU_ASSERT_TRUE(says("<wt:field>device</wt:field>")); /* a domain of whom? */
    fake_selection.key_status = WEIR_EDENIED;
    fake_selection.text[0] = '\0';
    CU_ASSERT_EQUAL(ask_collector("<c:AnonyFlowDom><c:flowDom>" ANONY
                                  "<w:method>crypto-pan</w:method>"
                                  "</w:anonymisation></c:flowDom></c:AnonyFlowDom>"),
                    500);
    CU_ASSERT_TRUE(says("<wt:field>key</wt:field>"));
    CU_ASSERT_STRING_EQUAL(fake_selection.text, ""); /* no key, no policy */
    fake_selection.key_status = WEIR_OK;
    CU_ASSERT_EQUAL(ask_collector("<c:AnonyFlowDom><c:flowDom>" ANONY
                                  "<w:method>truncate</w:method>"
                                  "<w:ipv4Length>300</w:ipv4Length></w:anonymisation></c:flowDom>"
                                  "</c:AnonyFlowDom>"),
                    500);
    CU_ASSERT_TRUE(says("<wt:field>ipv4Length</wt:field>"));
    CU_ASSERT_EQUAL(
        ask_collector("<c:AddFlowType><c:flowType><w:name>a</w:name><w:priority>5</w:priority>"
                      "<w:action>aggregate</w:action><w:key>a,b</w:key></c:flowType>"
                      "</c:AddFlowType>"),
        500);
    CU_ASSERT_TRUE(says("<wt:field>keys</wt:field>"));
}

/* What is kept and not in force is no success. */
static void test_not_in_force(void)
{
    static const char *const adds[] = {
        "<c:AddObsD><c:obsD><w:device>1.2.3.4</w:device><w:domain>7</w:domain></c:obsD></"
        "c:AddObsD>",
        "<c:DelObsD><c:device>1.2.3.4</c:device><c:domain>7</c:domain></c:DelObsD>"};
    for (size_t i = 0; i < sizeof adds / sizeof *adds; i++) {
        int before = changes;
        change_fails = WEIR_EIO;
        CU_ASSERT_EQUAL(ask_collector(adds[i]), 500);
        CU_ASSERT_TRUE(says("<wt:code>Unavailable</wt:code>"));
        CU_ASSERT_TRUE(says("<wt:field>key</wt:field>"));
        CU_ASSERT_TRUE(says("the change is kept, but not in force yet"));
        CU_ASSERT_TRUE(says("the key is lost"));
        CU_ASSERT_EQUAL(changes, before + 1);
        change_fails = WEIR_OK;
        CU_ASSERT_EQUAL(ask_collector(adds[i]), 200);
    }
}

/* Described and heard, heard only, and a socket, which is no exporter. */
static void test_devices_heard(void)
{
    CU_ASSERT_EQUAL(ask_collector("<c:ListMDevs/>"), 200);
    CU_ASSERT_TRUE(says("<wt:address>1.2.3.4</wt:address><wt:name>kept</wt:name>"
                        "<wt:lastHeard>5</wt:lastHeard></"));
    CU_ASSERT_TRUE(says("<wt:address>1.2.3.9</wt:address><wt:unknown>true</wt:unknown>"
                        "<wt:lastHeard>6</wt:lastHeard><wt:refused>4</wt:refused>"));
    CU_ASSERT_PTR_NULL(strstr(answer, "<wt:address>::</wt:address>"));
}

static void test_log(void)
{
    CU_ASSERT_EQUAL(ask_collector("<c:GetLog/>"), 200);
    CU_ASSERT_PTR_NULL(strstr(answer, "<col:line>"));
    CU_ASSERT_TRUE(says("<col:forgotten>0</col:forgotten>"));
    for (int i = 0; i < (int)LOG_RING_LINES + 3; i++) {
        char text[64];
        snprintf(text, sizeof text, "line %d <&> \x01 \xff", i);
        log_ring_put(served_log, &(struct log_line){i, i % 100 ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
                                                    "store", text});
    }
    CU_ASSERT_EQUAL(ask_collector("<c:GetLog><c:limit>2</c:limit></c:GetLog>"), 200);
    CU_ASSERT_TRUE(says("<wt:time>1001</wt:time><wt:level>info</wt:level><wt:room>store</wt:room>"
                        "<wt:text>line 1001 &lt;&amp;&gt; ? ?</wt:text>"));
    CU_ASSERT_TRUE(says("line 1002"));
    CU_ASSERT_PTR_NULL(strstr(answer, "line 1000"));
    CU_ASSERT_TRUE(says("<col:forgotten>3</col:forgotten>"));
    CU_ASSERT_EQUAL(
        ask_collector("<c:GetLog><c:from>800</c:from><c:level>warning</c:level></c:GetLog>"), 200);
    CU_ASSERT_TRUE(says("line 800") && says("line 900") && says("line 1000"));
    CU_ASSERT_PTR_NULL(strstr(answer, "info"));
    static const struct {
        const char *arguments, *field;
    } wrong[] = {{"<c:limit>0</c:limit>", "limit"},
                 {"<c:limit>1001</c:limit>", "limit"},
                 {"<c:limit>x</c:limit>", "limit"},
                 {"<c:level>loud</c:level>", "level"},
                 {"<c:from>yesterday</c:from>", "from"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[128];
        snprintf(text, sizeof text, "<c:GetLog>%s</c:GetLog>", wrong[i].arguments);
        CU_ASSERT_EQUAL(ask_collector(text), 500);
        snprintf(text, sizeof text, "<wt:code>BadArgument</wt:code><wt:field>%s</wt:field>",
                 wrong[i].field);
        CU_ASSERT_TRUE(says(text));
    }
    CU_ASSERT_EQUAL(
        ask_collector(
            "<c:GetLog xsi:nil=\"true\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"/>"),
        500);
}

static void test_metrics(void)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
    int fd = dial();
    send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    CU_ASSERT_EQUAL(receive(fd), 200);
    close(fd);
    CU_ASSERT_TRUE(
        says("weir_exporter_records_total{exporter=\"1.2.3.4\",domain=\"7\",protocol=\"9\"} 12\n"));
    CU_ASSERT_TRUE(says("weir_exporter_deselected_records_total{exporter=\"1.2.3.4\",domain=\"7\","
                        "protocol=\"9\"} 3\n"));
    CU_ASSERT_TRUE(says("weir_exporter_refused_datagrams_total{exporter=\"1.2.3.9\",domain=\"0\","
                        "protocol=\"0\"} 4\n"));
    CU_ASSERT_TRUE(says("# TYPE weir_exporter_records_total counter\n"));
    CU_ASSERT_TRUE(says("weir_store_blocks 1\n"));
    CU_ASSERT_TRUE(says("weir_collector_running 1\n"));
}

SERVED_MAIN("collector service", {"catalogue", test_catalogue},
            {"catalogue, refused", test_catalogue_refused}, {"state", test_state},
            {"selection", test_selection}, {"selection, refused", test_selection_refused},
            {"not in force", test_not_in_force}, {"devices heard", test_devices_heard},
            {"log", test_log}, {"metrics", test_metrics})
