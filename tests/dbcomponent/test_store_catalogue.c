/* The catalogue: what is added is there, what is wrong is refused with the field's name, and
 * nothing is half done. */
#include "store_fixture.h"

static struct prefix prefix_of(const char *text)
{
    struct prefix p = {0};
    CU_ASSERT_EQUAL_FATAL(prefix_parse(text, "prefix", &p, NULL), WEIR_OK);
    return p;
}

static struct address address_of(const char *text)
{
    struct address a = {0};
    CU_ASSERT_EQUAL_FATAL(address_parse(text, "address", &a, NULL), WEIR_OK);
    return a;
}

static void test_tags(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    struct prefix ba[] = {prefix_of("10.1.0.0/16"), prefix_of("2001:db8:1::/48"),
                          prefix_of("10.1.0.0/16")};
    struct prefix pe[] = {prefix_of("10.2.0.0/16")};
    uint32_t ases[] = {64500, 64501};
    struct tag two = {.id = 2, .name = "PoP-PE", .prefixes = pe, .prefix_count = 1};
    struct tag one = {
        .id = 1, .name = "PoP-BA", .prefixes = ba, .prefix_count = 3, .ases = ases, .as_count = 2};
    CU_ASSERT_EQUAL(store_tag_add(s, &two, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_tag_add(s, &one, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(c.tag_count, 2);
    CU_ASSERT_EQUAL(c.tags[0].id, 1);
    CU_ASSERT_STRING_EQUAL(c.tags[0].name, "PoP-BA");
    CU_ASSERT_EQUAL(c.tags[0].prefix_count, 2); /* the one given twice is one */
    CU_ASSERT_EQUAL(c.tags[0].as_count, 2);
    CU_ASSERT_EQUAL(c.tags[0].ases[1], 64501);
    CU_ASSERT_EQUAL(c.tags[1].prefix_count, 1);
    CU_ASSERT_EQUAL(memcmp(&c.tags[1].prefixes[0].address, &pe[0].address, 16), 0);
    CU_ASSERT_EQUAL(c.tags[1].prefixes[0].length, 112);
    CU_ASSERT_EQUAL(c.tags[1].as_count, 0);
    CU_ASSERT_EQUAL(c.snapshot.prefix_count, 3);
    CU_ASSERT_EQUAL(c.snapshot.as_count, 2);
    CU_ASSERT_EQUAL(c.snapshot.prefixes[2].tag, 2);
    CU_ASSERT_EQUAL(c.snapshot.ases[0].tag, 1);
    catalogue_free(&c);

    struct reader *r;
    uint32_t tag = 0;
    CU_ASSERT_EQUAL_FATAL(reader_open(s, &r, &error), WEIR_OK);
    CU_ASSERT_TRUE(reader_tag(r, "PoP-PE", &tag));
    CU_ASSERT_EQUAL(tag, 2);
    CU_ASSERT_FALSE(reader_tag(r, "PoP-XX", &tag));
    reader_close(r);
    CU_ASSERT_EQUAL(store_tag_delete(s, 2, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_tag_delete(s, 2, "test", &error), WEIR_ENOTFOUND);
    CU_ASSERT_STRING_EQUAL(error.field, "tag");
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL(c.tag_count, 1);
    CU_ASSERT_EQUAL(c.snapshot.prefix_count, 2);
    catalogue_free(&c);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static void refuse_tag(struct store *s, struct tag tag, enum weir_status status, const char *field,
                       const char *words)
{
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(store_tag_add(s, &tag, "test", &error), status);
    CU_ASSERT_EQUAL(error.status, status);
    CU_ASSERT_STRING_EQUAL(error.field, field);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, words));
}

static void test_tags_refused(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    struct prefix mine = prefix_of("10.1.0.0/16"), two[] = {prefix_of("10.9.0.0/16"), mine};
    struct prefix crooked = mine, long_one = mine;
    uint32_t as = 64500;
    char name[65];
    crooked.address.octets[15] = 1;
    long_one.length = 129;
    memset(name, 'a', 64);
    name[64] = 0;
    CU_ASSERT_EQUAL(store_tag_add(s,
                                  &(struct tag){.id = 1,
                                                .name = "BA",
                                                .prefixes = &mine,
                                                .prefix_count = 1,
                                                .ases = &as,
                                                .as_count = 1},
                                  "test", &error),
                    WEIR_OK);
    refuse_tag(s, (struct tag){.id = 0, .name = "x"}, WEIR_EARGUMENT, "tag", "1 to");
    refuse_tag(s, (struct tag){.id = 2, .name = ""}, WEIR_EARGUMENT, "name", "1 to 63");
    refuse_tag(s, (struct tag){.id = 2, .name = NULL}, WEIR_EARGUMENT, "name", "1 to 63");
    refuse_tag(s, (struct tag){.id = 2, .name = "a b"}, WEIR_EARGUMENT, "name", "a b");
    refuse_tag(s, (struct tag){.id = 2, .name = name}, WEIR_EARGUMENT, "name", "1 to 63");
    refuse_tag(s, (struct tag){.id = 1, .name = "PE"}, WEIR_EEXISTS, "tag", "BA");
    refuse_tag(s, (struct tag){.id = 2, .name = "BA"}, WEIR_EEXISTS, "name", "tag 1");
    refuse_tag(s, (struct tag){.id = 2, .name = "PE", .prefixes = &crooked, .prefix_count = 1},
               WEIR_EARGUMENT, "prefix", "host bits");
    refuse_tag(s, (struct tag){.id = 2, .name = "PE", .prefixes = &long_one, .prefix_count = 1},
               WEIR_EARGUMENT, "prefix", "129");
    /* The first prefix of the two was inserted already when the second is refused. */
    refuse_tag(s, (struct tag){.id = 2, .name = "PE", .prefixes = two, .prefix_count = 2},
               WEIR_EEXISTS, "prefix", "10.1.0.0/16 has tag 1 (BA) already; tag 2 (PE)");
    refuse_tag(s, (struct tag){.id = 2, .name = "PE", .ases = &as, .as_count = 1}, WEIR_EEXISTS,
               "as", "AS 64500 has tag 1 (BA)");
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL(c.tag_count, 1);
    CU_ASSERT_EQUAL(c.snapshot.prefix_count, 1);
    catalogue_free(&c);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* 17,000 prefixes in one tag: the paper's table, in one transaction. */
static void test_many_prefixes(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    struct prefix *many = malloc(17000 * sizeof *many);
    for (uint32_t i = 0; i < 17000; i++)
        many[i] = (struct prefix){address_from_ipv4(0x0a000000u + (i << 8)), 96 + 24};
    struct tag tag = {.id = 5, .name = "campus", .prefixes = many, .prefix_count = 17000};
    CU_ASSERT_EQUAL(store_tag_add(s, &tag, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL(c.tags[0].prefix_count, 17000);
    CU_ASSERT_EQUAL(memcmp(c.tags[0].prefixes, many, 17000 * sizeof *many), 0);
    catalogue_free(&c);
    free(many);
    store_close(s);
}

static void test_devices(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    struct device_entry d = {.address = address_of("192.0.2.1"),
                             .name = "edge-1",
                             .description = "Área",
                             .sampling_rate = 100};
    struct device_entry v6 = {
        .address = address_of("2001:db8::1"), .name = NULL, .description = NULL};
    CU_ASSERT_EQUAL(store_device_add(s, &v6, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_device_add(s, &d, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_device_add(s, &d, "test", &error), WEIR_EEXISTS);
    CU_ASSERT_STRING_EQUAL(error.field, "address");
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "192.0.2.1"));
    static const double rates[] = {-1, 0.5, 1.0 / 0.0, 0.0 / 0.0};
    for (size_t i = 0; i < 4; i++) {
        struct device_entry bad = {
            .address = address_of("192.0.2.9"), .name = "x", .sampling_rate = rates[i]};
        CU_ASSERT_EQUAL(store_device_add(s, &bad, "test", &error), WEIR_EARGUMENT);
        CU_ASSERT_STRING_EQUAL(error.field, "samplingRate");
    }
    struct device_entry bell = {.address = address_of("192.0.2.9"), .name = "a\ab"};
    CU_ASSERT_EQUAL(store_device_add(s, &bell, "test", &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, "name");
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(c.device_count, 2);
    CU_ASSERT_STRING_EQUAL(c.devices[0].name,
                           "edge-1"); /* ::ffff:192.0.2.1 sorts before 2001:db8::1 */
    CU_ASSERT_STRING_EQUAL(c.devices[0].description, "Área");
    CU_ASSERT_EQUAL(c.devices[0].sampling_rate, 100);
    CU_ASSERT_EQUAL(c.snapshot.device_count, 2);
    CU_ASSERT_EQUAL(c.snapshot.devices[0].sampling_rate, 100);
    catalogue_free(&c);
    CU_ASSERT_EQUAL(store_device_delete(s, &d.address, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_device_delete(s, &d.address, "test", &error), WEIR_ENOTFOUND);
    CU_ASSERT_STRING_EQUAL(error.field, "address");
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static void test_dbs(void)
{
    static const char *const wrong[] = {"", "ftp://x/db", "http://", "http:///db", "http://:80/db",
                                        "http://a b/", "http://a/\"", "http://a/\xc3\xa1"};
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    CU_ASSERT_EQUAL(store_db_add(s, &(struct db_entry){"http://b:8080/db", "b"}, "test", &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL(store_db_add(s, &(struct db_entry){"https://a:8443/db", NULL}, "test", &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL(store_db_add(s, &(struct db_entry){"http://b:8080/db", "c"}, "test", &error),
                    WEIR_EEXISTS);
    CU_ASSERT_STRING_EQUAL(error.field, "url");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CU_ASSERT_EQUAL(store_db_add(s, &(struct db_entry){wrong[i], ""}, "test", &error),
                        WEIR_EARGUMENT);
        CU_ASSERT_STRING_EQUAL(error.field, "url");
    }
    CU_ASSERT_EQUAL(store_db_add(s, &(struct db_entry){NULL, ""}, "test", &error), WEIR_EARGUMENT);
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(c.db_count, 2);
    CU_ASSERT_STRING_EQUAL(c.dbs[0].url, "http://b:8080/db");
    CU_ASSERT_STRING_EQUAL(c.dbs[0].name, "b");
    CU_ASSERT_STRING_EQUAL(c.dbs[1].name, "");
    catalogue_free(&c);
    CU_ASSERT_EQUAL(store_db_delete(s, "http://b:8080/db", "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_db_delete(s, "http://b:8080/db", "test", &error), WEIR_ENOTFOUND);
    store_close(s);
}

static struct flow_type type_of(const char *name, uint32_t priority, enum flow_action action,
                                const char *filter)
{
    return (struct flow_type){.name = name,
                              .priority = priority,
                              .filter = filter,
                              .action = action,
                              .keys = "",
                              .anonymisation = {.fields = "", .key = ""}};
}

static void test_flow_types(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    struct tag tag = {.id = 9, .name = "here"};
    struct flow_type drop = type_of("drop", 20, ACTION_DROP, "src tag here and proto udp");
    struct flow_type sum = type_of("sum", 10, ACTION_AGGREGATE, "");
    struct flow_type hide = type_of("hide", 30, ACTION_ANONYMISE, "any");
    sum.keys = "protocolIdentifier,srcTag";
    hide.anonymisation = (struct anonymisation){.method = ANONYMISE_TRUNCATE, .ipv4_length = 8,
                                                .ipv6_length = 32, .macs = true,
                                                .fields = "applicationName", .key = ""};
    CU_ASSERT_EQUAL(store_flow_type_add(s, &drop, "test", &error), WEIR_ESYNTAX); /* no such tag */
    CU_ASSERT_EQUAL(store_tag_add(s, &tag, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_flow_type_add(s, &drop, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_flow_type_add(s, &sum, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_flow_type_add(s, &hide, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_flow_type_add(s, &drop, "test", &error), WEIR_EEXISTS);
    CU_ASSERT_STRING_EQUAL(error.field, "name");
    hide.name = "other";
    CU_ASSERT_EQUAL(store_flow_type_add(s, &hide, "test", &error), WEIR_EEXISTS);
    CU_ASSERT_STRING_EQUAL(error.field, "priority");
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(c.snapshot.flow_type_count, 3);
    CU_ASSERT_STRING_EQUAL(c.snapshot.flow_types[0].name, "sum"); /* by priority */
    CU_ASSERT_STRING_EQUAL(c.snapshot.flow_types[0].keys, "protocolIdentifier,srcTag");
    CU_ASSERT_EQUAL(c.snapshot.flow_types[1].action, ACTION_DROP);
    CU_ASSERT_STRING_EQUAL(c.snapshot.flow_types[1].filter, "src tag here and proto udp");
    CU_ASSERT_EQUAL(c.snapshot.flow_types[2].anonymisation.ipv6_length, 32);
    CU_ASSERT_TRUE(c.snapshot.flow_types[2].anonymisation.macs);
    CU_ASSERT_STRING_EQUAL(c.snapshot.flow_types[2].anonymisation.fields, "applicationName");
    CU_ASSERT_EQUAL(c.snapshot.name_count, 1);
    CU_ASSERT_EQUAL(c.snapshot.names[0].tag, 9);
    catalogue_free(&c);
    /* The tag may go: the rule then means nobody. */
    CU_ASSERT_EQUAL(store_tag_delete(s, 9, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_flow_type_delete(s, "drop", "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_flow_type_delete(s, "drop", "test", &error), WEIR_ENOTFOUND);
    CU_ASSERT_STRING_EQUAL(error.field, "name");
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static struct flow_type with_keys(enum flow_action action, const char *keys)
{
    struct flow_type type = type_of("x", 0, action, "");
    type.keys = keys;
    return type;
}

static struct flow_type with_method(enum flow_action action, struct anonymisation how)
{
    struct flow_type type = type_of("x", 0, action, "");
    type.anonymisation = how;
    return type;
}

static void test_flow_types_refused(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    const struct {
        struct flow_type type;
        enum weir_status status;
        const char *field;
    } bad[] = {
        {type_of("", 1, ACTION_KEEP, ""), WEIR_EARGUMENT, "name"},
        {type_of("a b", 1, ACTION_KEEP, ""), WEIR_EARGUMENT, "name"},
        {type_of("x", 1, ACTION_KEEP, "proto ("), WEIR_ESYNTAX, "filter"},
        {type_of("x", 1, ACTION_COUNT, ""), WEIR_EARGUMENT, "action"},
        {with_keys(ACTION_AGGREGATE, "nothing"), WEIR_EARGUMENT, "keys"},
        {with_keys(ACTION_AGGREGATE, "srcTag,"), WEIR_EARGUMENT, "keys"},
        {with_keys(ACTION_AGGREGATE, "packetDeltaCount"), WEIR_EARGUMENT, "keys"},
        {with_keys(ACTION_AGGREGATE, "srcIP"), WEIR_EARGUMENT, "keys"},
        {with_keys(ACTION_DROP, "srcTag"), WEIR_EARGUMENT, "keys"},
        {with_method(ACTION_DROP, (struct anonymisation){.method = ANONYMISE_TRUNCATE}),
         WEIR_EARGUMENT, "method"},
        {with_method(ACTION_ANONYMISE,
                     (struct anonymisation){.method = ANONYMISE_TRUNCATE, .ipv4_length = 33}),
         WEIR_EARGUMENT, "ipv4Length"},
        {with_method(ACTION_ANONYMISE, (struct anonymisation){.method = ANONYMISE_EXEMPT}),
         WEIR_EARGUMENT, "method"},
        {with_method(ACTION_ANONYMISE, (struct anonymisation){.method = ANONYMISE_REMOVE}),
         WEIR_EARGUMENT, "fields"},
        {with_method(ACTION_ANONYMISE,
                     (struct anonymisation){.method = ANONYMISE_REMOVE, .fields = "flowEnd"}),
         WEIR_EARGUMENT, "fields"},
        {with_method(ACTION_ANONYMISE,
                     (struct anonymisation){.method = ANONYMISE_CRYPTO_PAN, .key = "../x"}),
         WEIR_EARGUMENT, "key"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_EQUAL(store_flow_type_add(s, &bad[i].type, "test", &error), bad[i].status);
        CU_ASSERT_STRING_EQUAL(error.field, bad[i].field);
    }
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL(c.snapshot.flow_type_count, 0);
    catalogue_free(&c);
    store_close(s);
}

static void test_domains(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    struct observation_domain domain = {address_of("192.0.2.1"), 7, "left", "over there"};
    struct observation_point point = {address_of("192.0.2.1"), 7, 3, ROLE_EDGE_IN, "eth3"};
    struct domain_policy policy = {address_of("192.0.2.1"), 7,
                                   {.method = ANONYMISE_CRYPTO_PAN, .fields = "", .key = "one"},
                                   POLICY_DOMAIN};
    CU_ASSERT_EQUAL(store_point_add(s, &point, "test", &error), WEIR_ENOTFOUND);
    CU_ASSERT_STRING_EQUAL(error.field, "domain");
    CU_ASSERT_EQUAL(store_policy_set(s, &policy, "test", &error), WEIR_ENOTFOUND);
    CU_ASSERT_EQUAL(store_domain_add(s, &domain, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_domain_add(s, &domain, "test", &error), WEIR_EEXISTS);
    CU_ASSERT_EQUAL(store_point_add(s, &point, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_point_add(s, &point, "test", &error), WEIR_EEXISTS);
    CU_ASSERT_STRING_EQUAL(error.field, "interface");
    point.interface = 4;
    point.role = ROLE_UNKNOWN;
    CU_ASSERT_EQUAL(store_point_add(s, &point, "test", &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, "role");
    CU_ASSERT_EQUAL(store_policy_set(s, &policy, "test", &error), WEIR_OK);
    policy.anonymisation = (struct anonymisation){.method = ANONYMISE_TRUNCATE, .ipv4_length = 24,
                                                  .ipv6_length = 48, .fields = "", .key = ""};
    CU_ASSERT_EQUAL(store_policy_set(s, &policy, "test", &error), WEIR_OK); /* in its place */
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(c.domain_count, 1);
    CU_ASSERT_STRING_EQUAL(c.domains[0].description, "over there");
    CU_ASSERT_EQUAL_FATAL(c.snapshot.point_count, 1);
    CU_ASSERT_EQUAL(c.snapshot.points[0].role, ROLE_EDGE_IN);
    CU_ASSERT_EQUAL(c.snapshot.points[0].interface, 3);
    CU_ASSERT_EQUAL_FATAL(c.snapshot.policy_count, 1);
    CU_ASSERT_EQUAL(c.snapshot.policies[0].anonymisation.method, ANONYMISE_TRUNCATE);
    CU_ASSERT_EQUAL(c.snapshot.policies[0].anonymisation.ipv4_length, 24);
    catalogue_free(&c);
    struct address device = address_of("192.0.2.1");
    CU_ASSERT_EQUAL(store_domain_delete(s, &device, 7, "test", &error), WEIR_EEXISTS);
    CU_ASSERT_EQUAL(store_policy_delete(s, &policy, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_policy_delete(s, &policy, "test", &error), WEIR_ENOTFOUND);
    CU_ASSERT_EQUAL(store_domain_delete(s, &device, 7, "test", &error), WEIR_EEXISTS);
    CU_ASSERT_EQUAL(store_point_delete(s, &device, 7, 3, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_point_delete(s, &device, 7, 3, "test", &error), WEIR_ENOTFOUND);
    CU_ASSERT_EQUAL(store_domain_delete(s, &device, 7, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* Wider policies want no domain that was described, and do not get into each other's way. */
static void test_policy_scopes(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct catalogue c;
    const struct anonymisation cut = {.method = ANONYMISE_TRUNCATE, .ipv4_length = 8, .fields = "",
                                      .key = ""};
    struct domain_policy all = {.anonymisation = cut, .scope = POLICY_ALL};
    struct domain_policy device = {address_of("192.0.2.1"), 0, cut, POLICY_DEVICE};
    struct domain_policy last = {address_of("192.0.2.1"), UINT32_MAX, cut, POLICY_DOMAIN};
    const struct observation_domain domain = {address_of("192.0.2.1"), UINT32_MAX, "", ""};
    device.anonymisation.ipv4_length = 16;
    last.anonymisation.ipv4_length = 24;
    CU_ASSERT_EQUAL(store_policy_set(s, &device, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_policy_set(s, &all, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_domain_add(s, &domain, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_policy_set(s, &last, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(c.snapshot.policy_count, 3);
    CU_ASSERT_EQUAL_FATAL(c.snapshot.domain_count, 1);
    CU_ASSERT_EQUAL(c.snapshot.domains[0].domain, UINT32_MAX);
    for (unsigned i = 0; i < 3; i++) {
        const struct domain_policy *p = &c.snapshot.policies[i];
        CU_ASSERT_EQUAL(p->scope, POLICY_ALL - i);
        CU_ASSERT_EQUAL(p->anonymisation.ipv4_length, 8 * (i + 1));
        CU_ASSERT_EQUAL(p->domain, i == 2 ? UINT32_MAX : 0);
        CU_ASSERT_EQUAL(memcmp(&p->device, i ? &device.device : &all.device, 16), 0);
    }
    catalogue_free(&c);
    CU_ASSERT_EQUAL(store_policy_delete(s, &device, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_policy_delete(s, &device, "test", &error), WEIR_ENOTFOUND);
    device.domain = 3;
    CU_ASSERT_EQUAL(store_policy_set(s, &device, "test", &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, "domain");
    device = (struct domain_policy){.anonymisation = cut, .scope = POLICY_DEVICE};
    CU_ASSERT_EQUAL(store_policy_set(s, &device, "test", &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, "device");
    CU_ASSERT_EQUAL(store_policy_delete(s, &all, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL(c.snapshot.policy_count, 1);
    catalogue_free(&c);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* An exception from a wider policy is a policy, is kept, and takes nothing else with it. */
static void test_exceptions(void)
{
    const char *folder = fixture_folder();
    struct store *s = fixture_open(folder);
    struct weir_error error = {0};
    struct catalogue c;
    const struct anonymisation none = {.method = ANONYMISE_EXEMPT, .fields = "", .key = ""};
    struct domain_policy p = {address_of("192.0.2.1"), 7, none, POLICY_DOMAIN};
    const struct observation_domain domain = {p.device, 7, "", ""};
    CU_ASSERT_EQUAL(store_policy_set(s, &p, "test", &error), WEIR_ENOTFOUND); /* not described */
    CU_ASSERT_EQUAL(store_domain_add(s, &domain, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_policy_set(s, &p, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_domain_delete(s, &p.device, 7, "test", &error), WEIR_EEXISTS);
    store_close(s);
    s = fixture_open(folder);
    CU_ASSERT_EQUAL_FATAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(c.snapshot.policy_count, 1);
    CU_ASSERT_EQUAL(c.snapshot.policies[0].anonymisation.method, ANONYMISE_EXEMPT);
    catalogue_free(&c);
    p.anonymisation.fields = "vlanId";
    CU_ASSERT_EQUAL(store_policy_set(s, &p, "test", &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, "fields");
    p = (struct domain_policy){.anonymisation = none, .scope = POLICY_ALL};
    CU_ASSERT_EQUAL(store_policy_set(s, &p, "test", &error), WEIR_EARGUMENT);
    CU_ASSERT_STRING_EQUAL(error.field, "method");
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"tags", test_tags},
        {"tags that are refused", test_tags_refused},
        {"a tag of 17,000 prefixes", test_many_prefixes},
        {"devices", test_devices},
        {"DB components", test_dbs},
        {"flow types", test_flow_types},
        {"flow types that are refused", test_flow_types_refused},
        {"observation domains, points, policies", test_domains},
        {"policies of devices and of all", test_policy_scopes},
        {"exceptions from policies", test_exceptions},
        {NULL, NULL},
    };
    return fixture_main("store: catalogue", tests);
}
