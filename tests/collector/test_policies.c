/* Which policy of anonymisation holds for which exporter and domain, for flows and options alike:
 * random places against the words of flow/selection.h. (What it does: test_anonymise.c.) */
#include "cells.h"
#include "select/keyfile.h"
#include "select/selection.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

static char key_folder[] = "/tmp/weir-keys-XXXXXX";

static uint64_t state = 88172645463325252u;
static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 20) % n);
}

static bool text_is(struct batch *b, uint32_t row, const char *expected)
{
    return cells_octets_are(b, WEIR_ANONYMISATION, row, expected, strlen(expected));
}

/* ---- which policy ---- */

#define EXPORTERS 4u
#define DOMAINS   5u
#define PLACES    (EXPORTERS * DOMAINS)
#define SENT      UINT32_C(0xc0a8ffff)

/* A record of every domain of every exporter, once for each kind. */
static struct batch *place_batch(enum record_kind kind)
{
    struct batch *b = batch_new(64, kind);
    batch_append(b, PLACES);
    uint8_t(*exporters)[16] = cells_fill(b, WEIR_EXPORTER, 16);
    uint32_t *domains = cells_fill(b, WEIR_DOMAIN, 4), *sources = cells_fill(b, IANA(8), 4);
    (void)cells_fill(b, IANA(58), 2);
    (void)cells_fill(b, IANA(59), 2);
    for (uint32_t i = 0; i < PLACES; i++) {
        struct address a = address_from_ipv4(0x0a000001 + i / DOMAINS);
        memcpy(exporters[i], a.octets, 16);
        domains[i] = i % DOMAINS;
        sources[i] = SENT;
    }
    return b;
}

static struct batch *place_selection(const struct catalogue_snapshot *snapshot,
                                     enum record_kind kind)
{
    struct selection *s;
    struct weir_error error = {0};
    struct account_book *book = account_book_new();
    struct selection_work *w = selection_work_new();
    struct batch *b = place_batch(kind);
    CU_ASSERT_EQUAL_FATAL(selection_new(snapshot, &s, &error), WEIR_OK);
    if (s)
        CU_ASSERT_EQUAL(selection_apply(s, w, b, 0, book, &(struct account_counts){0}), WEIR_OK);
    selection_work_free(w);
    selection_free(s);
    account_book_free(book);
    return b;
}

/* Of those that are not everyone's, some are exceptions. */
static struct anonymisation random_truncation(enum policy_scope scope)
{
    if (scope != POLICY_ALL && below(4) == 0)
        return (struct anonymisation){.method = ANONYMISE_EXEMPT, .fields = "", .key = ""};
    return (struct anonymisation){.method = ANONYMISE_TRUNCATE,
                                  .ipv4_length = (uint8_t)(8 * below(4)),
                                  .ipv6_length = (uint8_t)(8 * below(16)),
                                  .fields = "",
                                  .key = ""};
}

/* Policies and descriptions of random places, no two for the same. */
static void make_places(struct domain_policy *policies, size_t *policy_count,
                        struct observation_domain *domains, size_t *domain_count)
{
    unsigned taken[POLICY_SCOPE_COUNT][PLACES] = {{0}};
    *policy_count = *domain_count = 0;
    for (unsigned i = below(7); i-- > 0;) {
        enum policy_scope scope = (enum policy_scope)below(POLICY_SCOPE_COUNT);
        uint32_t exporter = scope == POLICY_ALL ? 0 : below(EXPORTERS);
        uint32_t domain = scope == POLICY_DOMAIN ? below(DOMAINS) : 0;
        if (taken[scope][exporter * DOMAINS + domain]++)
            continue;
        policies[(*policy_count)++] = (struct domain_policy){
            scope == POLICY_ALL ? (struct address){{0}} : address_from_ipv4(0x0a000001 + exporter),
            domain, random_truncation(scope), scope};
    }
    for (uint32_t place = 0; place < PLACES; place++)
        if (below(3) == 0)
            domains[(*domain_count)++] = (struct observation_domain){
                address_from_ipv4(0x0a000001 + place / DOMAINS), place % DOMAINS, "", ""};
}

static bool is_device(const struct address *a, uint32_t exporter)
{
    return address_ipv4(a) == 0x0a000001 + exporter;
}

static void least(struct anonymisation *out, bool *any, const struct anonymisation *a)
{
    if (a->method == ANONYMISE_EXEMPT)
        return;
    if (!*any || a->ipv4_length < out->ipv4_length)
        out->ipv4_length = a->ipv4_length;
    if (!*any || a->ipv6_length < out->ipv6_length)
        out->ipv6_length = a->ipv6_length;
    *any = true;
}

/* Straight from the words of flow/selection.h; false: nothing is anonymised. */
static bool expected_policy(const struct catalogue_snapshot *s, uint32_t exporter, uint32_t domain,
                            struct anonymisation *out)
{
    bool described = false, any = false, all = false;
    struct anonymisation everywhere = {0};
    for (size_t i = 0; i < s->domain_count; i++)
        described |= is_device(&s->domains[i].device, exporter) && s->domains[i].domain == domain;
    for (unsigned scope = POLICY_DOMAIN; scope <= POLICY_ALL; scope++)
        for (size_t i = 0; i < s->policy_count; i++) {
            const struct domain_policy *p = &s->policies[i];
            bool its = is_device(&p->device, exporter);
            if (p->scope == POLICY_ALL) {
                everywhere = p->anonymisation;
                all = true;
            } else if (p->scope == scope && its &&
                       (scope == POLICY_DEVICE || p->domain == domain)) {
                *out = p->anonymisation;
                return out->method != ANONYMISE_EXEMPT;
            }
        }
    for (size_t i = 0; !described && i < s->policy_count; i++)
        if (s->policies[i].scope == POLICY_DOMAIN && is_device(&s->policies[i].device, exporter))
            least(out, &any, &s->policies[i].anonymisation);
    if (all)
        least(out, &any, &everywhere);
    return any;
}

static void check_places(struct batch *b, const struct catalogue_snapshot *s)
{
    char text[ANONYMISATION_TEXT_SIZE];
    bool right = true;
    for (uint32_t i = 0; i < PLACES; i++) {
        struct anonymisation how = {0};
        bool hidden = expected_policy(s, i / DOMAINS, i % DOMAINS, &how);
        unsigned kept = how.ipv4_length;
        snprintf(text, sizeof text, "truncate/%u,%u", kept, how.ipv6_length);
        right = right && text_is(b, i, hidden ? text : "") &&
                cells_number(b, IANA(8), i) ==
                    (!hidden ? SENT : kept ? (SENT & UINT32_MAX << (32 - kept)) : 0);
    }
    CU_ASSERT_TRUE(right);
}

static void test_scopes(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        struct domain_policy policies[8];
        struct observation_domain domains[PLACES];
        struct catalogue_snapshot snapshot = {.policies = policies, .domains = domains};
        make_places(policies, &snapshot.policy_count, domains, &snapshot.domain_count);
        struct batch *b = place_selection(&snapshot, (enum record_kind)(round % 2));
        check_places(b, &snapshot);
        batch_free(b);
    }
}

/* What two policies come to in a domain that nobody described. */
static void test_joined(void)
{
    struct weir_error error;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(key_folder));
    CU_ASSERT_EQUAL_FATAL(key_make(key_folder, "", &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(key_make(key_folder, "other", &error), WEIR_OK);
    const struct anonymisation pan = {.method = ANONYMISE_CRYPTO_PAN, .fields = "", .key = ""};
    const struct anonymisation other = {
        .method = ANONYMISE_CRYPTO_PAN, .fields = "", .key = "other"};
    const struct anonymisation macs = {
        .method = ANONYMISE_CRYPTO_PAN, .fields = "vlanId", .key = "default", .macs = true};
    const struct anonymisation cut = {
        .method = ANONYMISE_TRUNCATE, .ipv4_length = 24, .ipv6_length = 48,
        .fields = "postVlanId", .key = ""};
    const struct anonymisation vlan = {.method = ANONYMISE_REMOVE, .fields = "vlanId", .key = ""};
    const struct anonymisation post = {
        .method = ANONYMISE_REMOVE, .fields = "postVlanId", .key = ""};
    const struct anonymisation none = {.method = ANONYMISE_EXEMPT, .fields = "", .key = ""};
    const struct {
        const struct anonymisation *a, *b;
        const char *text;
        bool vlan, post; /* still there */
    } cases[] = {
        {&none, &cut, "truncate/24,48+remove(postVlanId)", true, false},
        {&macs, &none, "crypto-pan+mac+remove(vlanId)", false, true},
        {&none, &vlan, "remove(vlanId)", false, true},
        {&none, &none, "", true, true},
        {&pan, &pan, "crypto-pan", true, true},
        {&pan, &other, "truncate/0,0", true, true},
        {&pan, &macs, "crypto-pan+mac+remove(vlanId)", false, true},
        {&other, &macs, "truncate/0,0+mac+remove(vlanId)", false, true},
        {&pan, &cut, "truncate/0,0+remove(postVlanId)", true, false},
        {&vlan, &pan, "crypto-pan+remove(vlanId)", false, true},
        {&cut, &vlan, "truncate/24,48+remove(postVlanId,vlanId)", false, false},
        {&vlan, &post, "remove(vlanId,postVlanId)", false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct domain_policy policies[] = {
            {address_from_ipv4(0x0a000001), 0, *cases[i].a, POLICY_DOMAIN},
            {address_from_ipv4(0x0a000001), 1, *cases[i].b, POLICY_DOMAIN}};
        const struct catalogue_snapshot snapshot = {
            .policies = policies, .policy_count = 2, .key_folder = key_folder};
        struct batch *b = place_selection(&snapshot, RECORD_FLOW);
        CU_ASSERT_TRUE(text_is(b, 2, cases[i].text));
        CU_ASSERT_EQUAL(cells_has(b, IANA(58), 2), cases[i].vlan);
        CU_ASSERT_EQUAL(cells_has(b, IANA(59), 2), cases[i].post);
        CU_ASSERT_EQUAL(cells_number(b, IANA(8), 2) == SENT,
                        !strncmp(cases[i].text, "remove", 6) || !*cases[i].text);
        CU_ASSERT_EQUAL(text_is(b, 0, ""), cases[i].a == &none);
        CU_ASSERT_EQUAL(text_is(b, 1, ""), cases[i].b == &none);
        CU_ASSERT_TRUE(text_is(b, DOMAINS + 2, "")); /* another exporter */
        batch_free(b);
    }
}

/* ---- records of options ---- */

static bool anything(uint32_t exporter, uint32_t domain)
{
    (void)exporter, (void)domain;
    return true;
}
static bool nothing(uint32_t exporter, uint32_t domain)
{
    (void)exporter, (void)domain;
    return false;
}
static bool second_exporter(uint32_t exporter, uint32_t domain)
{
    (void)domain;
    return exporter == 1;
}
static bool not_domain_1(uint32_t exporter, uint32_t domain)
{
    (void)exporter;
    return domain != 1;
}
static bool either(uint32_t exporter, uint32_t domain)
{
    return exporter == 1 || domain == 1;
}

static const struct {
    struct {
        const char *filter;
        enum flow_action action;
    } rules[2];
    bool (*reached)(uint32_t exporter, uint32_t domain);
} option_cases[] = {
    {{{"", ACTION_ANONYMISE}}, anything},
    {{{"port 53", ACTION_ANONYMISE}}, anything}, /* theirs? nobody can say */
    {{{"not port 53", ACTION_ANONYMISE}}, anything},
    {{{"exporter ip 10.0.0.2 and port 53", ACTION_ANONYMISE}}, second_exporter},
    {{{"exporter ip 10.0.0.2 or domain 1", ACTION_ANONYMISE}}, either},
    {{{"not domain 1", ACTION_ANONYMISE}}, not_domain_1},
    {{{"domain 1", ACTION_KEEP}, {"", ACTION_ANONYMISE}}, not_domain_1},
    {{{"domain 1 and port 53", ACTION_KEEP}, {"", ACTION_ANONYMISE}}, anything},
    {{{"exporter ip 10.0.0.1", ACTION_DROP}, {"", ACTION_ANONYMISE}}, anything},
    {{{"", ACTION_AGGREGATE}, {"exporter ip 10.0.0.2", ACTION_ANONYMISE}}, second_exporter},
    {{{"", ACTION_DROP}}, nothing},
    {{{"", ACTION_KEEP}, {"", ACTION_ANONYMISE}}, nothing},
};

static struct flow_type truncating(const char *filter, enum flow_action action, unsigned priority)
{
    return (struct flow_type){
        .name = "t",
        .priority = priority,
        .filter = filter,
        .action = action,
        .keys = action == ACTION_AGGREGATE ? "protocolIdentifier" : "",
        .anonymisation = {.method = action == ACTION_ANONYMISE ? ANONYMISE_TRUNCATE
                                                               : ANONYMISE_NONE,
                          .ipv4_length = 8,
                          .fields = "",
                          .key = ""}};
}

static void test_options(void)
{
    for (size_t i = 0; i < COUNT(option_cases); i++) {
        struct flow_type types[2];
        size_t count = 0;
        for (; count < 2 && option_cases[i].rules[count].filter; count++)
            types[count] = truncating(option_cases[i].rules[count].filter,
                                      option_cases[i].rules[count].action, (unsigned)count);
        struct catalogue_snapshot snapshot = {.flow_types = types, .flow_type_count = count};
        struct batch *b = place_selection(&snapshot, RECORD_OPTIONS);
        CU_ASSERT_EQUAL_FATAL(batch_rows(b), PLACES); /* whatever is dropped and merged */
        for (uint32_t row = 0; row < PLACES; row++) {
            bool reached = option_cases[i].reached(row / DOMAINS, row % DOMAINS);
            CU_ASSERT_EQUAL(cells_number(b, IANA(8), row), reached ? SENT & 0xff000000 : SENT);
            CU_ASSERT_TRUE(text_is(b, row, reached ? "truncate/8,0" : ""));
        }
        batch_free(b);
    }
}

/* A domain's policy and a rule: which of them options follow. */
static void test_options_with_a_policy(void)
{
    const struct {
        const char *filter, *with, *without; /* the policy: exporter 0 has one */
        bool own_method;
    } cases[] = {
        {"port 53", "truncate/16,32", "truncate/8,0", true},
        {"", "truncate/8,0", "truncate/8,0", true},
        {"exporter ip 10.0.0.1", "truncate/8,0", "", true},
        {"exporter ip 10.0.0.2", "truncate/16,32", "truncate/8,0", true},
        {"", "truncate/16,32", "crypto-pan", false},
        {"port 53", "truncate/16,32", "crypto-pan", false},
    };
    struct weir_error error;
    CU_ASSERT_EQUAL_FATAL(key_make(key_folder, "", &error), WEIR_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct domain_policy policy = {address_from_ipv4(0x0a000001), 0,
                                             {.method = ANONYMISE_TRUNCATE,
                                              .ipv4_length = 16,
                                              .ipv6_length = 32,
                                              .fields = "",
                                              .key = ""},
                                             POLICY_DEVICE};
        struct flow_type type = truncating(cases[i].filter, ACTION_ANONYMISE, 1);
        if (!cases[i].own_method)
            type.anonymisation.method = ANONYMISE_NONE;
        const struct catalogue_snapshot snapshot = {.flow_types = &type,
                                                    .flow_type_count = 1,
                                                    .policies = &policy,
                                                    .policy_count = 1,
                                                    .key_folder = key_folder};
        struct batch *b = place_selection(&snapshot, RECORD_OPTIONS);
        CU_ASSERT_TRUE(text_is(b, 0, cases[i].with));
        CU_ASSERT_TRUE(text_is(b, DOMAINS, cases[i].without));
        batch_free(b);
    }
}

static void remove_keys(void)
{
    static const char *const keys[] = {"default.key", "other.key"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", key_folder, keys[i]);
        CU_ASSERT_EQUAL(unlink(path), 0);
    }
    CU_ASSERT_EQUAL(rmdir(key_folder), 0);
}

UNIT_MAIN("policies", {"scopes", test_scopes}, {"joined", test_joined}, {"options", test_options},
          {"options with a policy", test_options_with_a_policy}, {"remove keys", remove_keys})
