/* What an anonymisation policy does to each element that holds an address, or may: every method,
 * beside a row that has no policy and one whose addresses are all zero. */
#include "cells.h"
#include "select/cryptopan.h"
#include "select/keyfile.h"
#include "select/selection.h"
#include "wire/template.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char key_folder[] = "/tmp/weir-keys-XXXXXX";

static const ie_key ipv4_elements[] = {IANA(8),
                                       IANA(12),
                                       IANA(15),
                                       IANA(18),
                                       IANA(44),
                                       IANA(45),
                                       IANA(47),
                                       IANA(130),
                                       IANA(225),
                                       IANA(226),
                                       IANA(366),
                                       IE_KEY(REVERSE_PEN, 8),
                                       IE_KEY(REVERSE_PEN, 226),
                                       WEIR_V7_BYPASSED_ROUTER};
static const ie_key ipv6_elements[] = {IANA(27),  IANA(28),  IANA(62),  IANA(63),
                                       IANA(281), IANA(282), IANA(140), IE_KEY(REVERSE_PEN, 28)};
static const ie_key mac_elements[] = {IANA(56), IANA(80), IANA(57), IANA(81)};
static const ie_key vendor_elements[] = {IE_KEY(0, 40001), IE_KEY(9, 12236), IE_KEY(9, 12238)};
/* Packets, lists, and what no table knows: addresses may be in there, and nobody can say where. */
static const ie_key removed_elements[] = {IANA(104), IANA(313), IANA(315),
                                          IANA(291), IANA(292), IANA(12240),
                                          IE_KEY(9, 1001), IE_KEY(REVERSE_PEN, 12240),
                                          IE_KEY(WIRE_MISFIT_PEN, 8),
                                          IE_KEY(WIRE_MISFIT_PEN, 12240)};
static const ie_key other_elements[] = {IANA(82), IE_KEY(9, 12235), IANA(96)};
#define COUNT(list) (sizeof(list) / sizeof *(list))
#define V4(i)       (UINT32_C(0xc0000201) + (uint32_t)(i)*0x01010101u)

static bool text_is(struct batch *b, uint32_t row, const char *expected)
{
    return cells_octets_are(b, WEIR_ANONYMISATION, row, expected, strlen(expected));
}

static void address6(size_t i, uint8_t out[16])
{
    struct address a;
    (void)address_parse("2001:db8:1234:5678:9abc:def0:1122:3344", "a", &a, NULL);
    memcpy(out, a.octets, 16);
    out[15] = (uint8_t)i;
}

static void put_octets(struct batch *b, ie_key key, const void *bytes, uint32_t length)
{
    size_t index;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, 0, &index), WEIR_OK);
    for (uint32_t row = 0; row < 2; row++) {
        CU_ASSERT_EQUAL(batch_put_octets(b, index, row, bytes, length), WEIR_OK);
        batch_mark(b, index, row, 1);
    }
}

/* Two rows alike but for the domain: 0 has the policy, 1 has none. Row 2 is all zero addresses. */
static struct batch *element_batch(enum record_kind kind)
{
    static const uint8_t vendor4[4] = {192, 0, 2, 77};
    uint8_t six[16];
    struct batch *b = batch_new(64, kind);
    batch_append(b, 3);
    uint8_t(*exporters)[16] = cells_fill(b, WEIR_EXPORTER, 16);
    struct address a = address_from_ipv4(0x0a000001);
    for (int row = 0; row < 3; row++)
        memcpy(exporters[row], a.octets, 16);
    uint32_t *domains = cells_fill(b, WEIR_DOMAIN, 4);
    domains[1] = 1;
    for (size_t i = 0; i < COUNT(ipv4_elements); i++) {
        uint32_t *values = cells_fill(b, ipv4_elements[i], 4);
        values[0] = values[1] = V4(i);
    }
    for (size_t i = 0; i < COUNT(ipv6_elements); i++) {
        uint8_t(*values)[16] = cells_fill(b, ipv6_elements[i], 16);
        address6(i, values[0]);
        address6(i, values[1]);
    }
    for (size_t i = 0; i < COUNT(mac_elements); i++) {
        uint64_t *values = cells_fill(b, mac_elements[i], 8);
        values[0] = values[1] = UINT64_C(0x001122334455) + i;
    }
    put_octets(b, vendor_elements[0], vendor4, 4);
    put_octets(b, vendor_elements[1], "odd", 3);
    address6(9, six);
    put_octets(b, vendor_elements[2], six, 16);
    for (size_t i = 0; i < COUNT(removed_elements); i++)
        put_octets(b, removed_elements[i], "E....packet", 11);
    for (size_t i = 0; i < COUNT(other_elements); i++)
        put_octets(b, other_elements[i], "eth0", 4);
    return b;
}

struct expectation {
    struct cryptopan *pan; /* NULL: truncation */
    unsigned ipv4, ipv6;
    bool macs;
    const char *text;
};

static uint32_t expected4(const struct expectation *e, uint32_t v)
{
    return e->pan ? cryptopan_ipv4(e->pan, v) : v & UINT32_MAX << (32 - e->ipv4);
}

static void expected6(const struct expectation *e, uint8_t v[16])
{
    if (e->pan)
        cryptopan_ipv6(e->pan, v);
    else
        memset(v + e->ipv6 / 8, 0, 16 - e->ipv6 / 8);
}

static void check_addresses(struct batch *b, const struct expectation *e)
{
    uint8_t six[16];
    for (size_t i = 0; i < COUNT(ipv4_elements); i++) {
        CU_ASSERT_EQUAL(cells_number(b, ipv4_elements[i], 0), expected4(e, V4(i)));
        CU_ASSERT_EQUAL(cells_number(b, ipv4_elements[i], 1), V4(i));
        CU_ASSERT_EQUAL(cells_number(b, ipv4_elements[i], 2), 0);
    }
    for (size_t i = 0; i < COUNT(ipv6_elements); i++) {
        const uint8_t(*values)[16] = cells_find(b, ipv6_elements[i])->values;
        address6(i, six);
        CU_ASSERT_EQUAL(memcmp(values[1], six, 16), 0);
        expected6(e, six);
        CU_ASSERT_EQUAL(memcmp(values[0], six, 16), 0);
        memset(six, 0, 16);
        CU_ASSERT_EQUAL(memcmp(values[2], six, 16), 0);
    }
    for (size_t i = 0; i < COUNT(mac_elements); i++) {
        uint64_t mac = UINT64_C(0x001122334455) + i;
        uint64_t changed = !e->macs ? mac
                           : e->pan ? cryptopan_mac(e->pan, mac)
                                    : mac & ~UINT64_C(0xffffff);
        CU_ASSERT_EQUAL(cells_number(b, mac_elements[i], 0), changed);
        CU_ASSERT_EQUAL(cells_number(b, mac_elements[i], 1), mac);
    }
}

static void check_octets(struct batch *b, const struct expectation *e)
{
    uint8_t six[16];
    uint32_t four = __builtin_bswap32(expected4(e, 0xc000024d));
    struct address a = address_from_ipv4(0x0a000001);
    CU_ASSERT_TRUE(cells_octets_are(b, vendor_elements[0], 0, &four, 4));
    CU_ASSERT_TRUE(cells_octets_are(b, vendor_elements[0], 1, "\xc0\0\2\x4d", 4));
    /* no address has three octets */
    CU_ASSERT_TRUE(cells_octets_are(b, vendor_elements[1], 0, NULL, 0));
    CU_ASSERT_TRUE(cells_octets_are(b, vendor_elements[1], 1, "odd", 3));
    address6(9, six);
    CU_ASSERT_TRUE(cells_octets_are(b, vendor_elements[2], 1, six, 16));
    expected6(e, six);
    CU_ASSERT_TRUE(cells_octets_are(b, vendor_elements[2], 0, six, 16));
    for (size_t i = 0; i < COUNT(removed_elements); i++) {
        CU_ASSERT_TRUE(cells_octets_are(b, removed_elements[i], 0, NULL, 0));
        CU_ASSERT_TRUE(cells_octets_are(b, removed_elements[i], 1, "E....packet", 11));
    }
    for (size_t i = 0; i < COUNT(other_elements); i++)
        CU_ASSERT_TRUE(cells_octets_are(b, other_elements[i], 0, "eth0", 4));
    CU_ASSERT_EQUAL(memcmp(cells_find(b, WEIR_EXPORTER)->values, a.octets, 16), 0);
    CU_ASSERT_TRUE(text_is(b, 0, e->text));
    CU_ASSERT_TRUE(text_is(b, 1, ""));
}

static struct batch *anonymise(const struct anonymisation *how, enum record_kind kind)
{
    struct domain_policy policy = {address_from_ipv4(0x0a000001), 0, *how, POLICY_DOMAIN};
    /* That domain 1 has none was decided by someone. */
    const struct observation_domain described = {address_from_ipv4(0x0a000001), 1, "", ""};
    struct catalogue_snapshot snapshot = {.policies = &policy,
                                          .policy_count = 1,
                                          .domains = &described,
                                          .domain_count = 1,
                                          .key_folder = key_folder};
    struct selection *s;
    struct weir_error error = {0};
    struct account_book *book = account_book_new();
    struct selection_work *w = selection_work_new();
    struct batch *b = element_batch(kind);
    CU_ASSERT_EQUAL_FATAL(selection_new(&snapshot, &s, &error), WEIR_OK);
    CU_ASSERT_EQUAL(selection_apply(s, w, b, 0, book, &(struct account_counts){0}), WEIR_OK);
    selection_work_free(w);
    selection_free(s);
    account_book_free(book);
    return b;
}

static void test_elements(void)
{
    uint8_t key[32];
    struct weir_error error;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(key_folder));
    CU_ASSERT_EQUAL_FATAL(key_make(key_folder, "", &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(key_read(key_folder, "", key, &error), WEIR_OK);
    struct cryptopan *pan = cryptopan_new(key);
    const struct {
        struct anonymisation how;
        struct expectation expected;
    } cases[] = {
        {{.method = ANONYMISE_CRYPTO_PAN, .fields = "", .key = ""},
         {.pan = pan, .text = "crypto-pan"}},
        {{.method = ANONYMISE_CRYPTO_PAN, .fields = "", .key = "default", .macs = true},
         {.pan = pan, .macs = true, .text = "crypto-pan+mac"}},
        {{.method = ANONYMISE_TRUNCATE,
          .ipv4_length = 20,
          .ipv6_length = 40,
          .fields = "",
          .key = ""},
         {.ipv4 = 20, .ipv6 = 40, .text = "truncate/20,40"}},
        {{.method = ANONYMISE_TRUNCATE,
          .ipv4_length = 32,
          .ipv6_length = 128,
          .macs = true,
          .fields = "",
          .key = ""},
         {.ipv4 = 32, .ipv6 = 128, .macs = true, .text = "truncate/32,128+mac"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int kind = RECORD_FLOW; kind <= RECORD_OPTIONS; kind++) {
            struct batch *b = anonymise(&cases[i].how, (enum record_kind)kind);
            check_addresses(b, &cases[i].expected);
            check_octets(b, &cases[i].expected);
            batch_free(b);
        }
    cryptopan_free(pan);
}

static void test_removal(void)
{
    struct anonymisation how = {.method = ANONYMISE_REMOVE,
                                .key = "",
                                .fields = "sourceIPv4Address,interfaceName,destinationIPv6Address"};
    struct batch *b = anonymise(&how, RECORD_FLOW);
    CU_ASSERT_FALSE(cells_has(b, IANA(8), 0));
    CU_ASSERT_TRUE(cells_has(b, IANA(8), 1));
    CU_ASSERT_FALSE(cells_has(b, IANA(82), 0));
    CU_ASSERT_FALSE(cells_has(b, IANA(28), 0));
    CU_ASSERT_EQUAL(cells_number(b, IANA(12), 0), V4(1));
    /* The address must not be found in the packet, or in a list. */
    static const ie_key beside[] = {IANA(104), IANA(313), IANA(315), IANA(291), IANA(292)};
    for (size_t i = 0; i < COUNT(beside); i++) {
        CU_ASSERT_FALSE(cells_has(b, beside[i], 0));
        CU_ASSERT_TRUE(cells_has(b, beside[i], 1));
    }
    CU_ASSERT_TRUE(cells_has(b, IANA(12240), 0)); /* nothing else than that */
    CU_ASSERT_TRUE(text_is(b, 0, "remove(sourceIPv4Address,interfaceName,destinationIPv6Address)"));
    batch_free(b);
    how.fields = "interfaceName"; /* no packet has it */
    b = anonymise(&how, RECORD_FLOW);
    CU_ASSERT_TRUE(cells_octets_are(b, IANA(313), 0, "E....packet", 11));
    CU_ASSERT_FALSE(cells_has(b, IANA(82), 0));
    batch_free(b);
}

/* A policy without its key must not come into force as something weaker. */
static void test_no_key(void)
{
    struct domain_policy policy = {
        address_from_ipv4(1), 0, {.method = ANONYMISE_CRYPTO_PAN, .fields = "", .key = "not-there"},
        POLICY_DOMAIN};
    struct catalogue_snapshot snapshot = {
        .policies = &policy, .policy_count = 1, .key_folder = key_folder};
    struct selection *s = (void *)1;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(selection_new(&snapshot, &s, &error), WEIR_ENOTFOUND);
    CU_ASSERT_PTR_NULL(s);
    snapshot.key_folder = NULL;
    CU_ASSERT_EQUAL(selection_new(&snapshot, &s, &error), WEIR_EARGUMENT);
    char path[96];
    snprintf(path, sizeof path, "%s/default.key", key_folder);
    unlink(path);
    rmdir(key_folder);
}

UNIT_MAIN("anonymisation", {"elements", test_elements}, {"removal", test_removal},
          {"no key", test_no_key})
