/* test_prefix.c - lib/flow/prefix.c against a plain linear longest match, and how long a look-up
 * takes (`test_prefix bench` prints it). */
#include "flow/prefix.h"
#include "base/time.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;
static uint32_t rnd(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) ^ (uint32_t)(state >> 11);
}

static struct prefix_rule rule(const char *text, uint32_t tag)
{
    struct prefix_rule r = {.tag = tag};
    CU_ASSERT_EQUAL_FATAL(prefix_parse(text, "prefix", &r.prefix, NULL), WEIR_OK);
    return r;
}

static struct address address_of(const char *text)
{
    struct address a = {{0}};
    CU_ASSERT_EQUAL_FATAL(address_parse(text, "address", &a, NULL), WEIR_OK);
    return a;
}

static bool matches(const struct prefix *p, const struct address *a)
{
    for (unsigned bit = 0; bit < p->length; bit++)
        if ((p->address.octets[bit / 8] ^ a->octets[bit / 8]) & 0x80 >> bit % 8)
            return false;
    return true;
}

static uint32_t naive(const struct prefix_rule *rules, size_t count, const struct address *a)
{
    int best = -1;
    uint32_t tag = 0;
    for (size_t i = 0; i < count; i++)
        if (rules[i].prefix.length > best && matches(&rules[i].prefix, a) &&
            !(address_is_ipv4(a) && rules[i].prefix.length < 96)) {
            best = rules[i].prefix.length;
            tag = rules[i].tag;
        }
    return tag;
}

static void clear_host_bits(struct prefix *p)
{
    for (unsigned bit = p->length; bit < 128; bit++)
        p->address.octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

/* Prefixes that nest a lot: few distinct octets, all lengths. */
static struct prefix_rule random_rule(bool ipv4)
{
    struct prefix_rule r = {.tag = rnd() % 50 + 1};
    if (ipv4) {
        r.prefix.address = address_from_ipv4((rnd() & 0x03030303) | (rnd() % 4 ? 0 : 0xff000000));
        r.prefix.length = (uint8_t)(96 + rnd() % 33);
    } else {
        for (unsigned i = 0; i < 16; i++)
            r.prefix.address.octets[i] = rnd() % 3 ? 0x20 : (uint8_t)(rnd() % 2 ? 0xff : 0x21);
        r.prefix.length = (uint8_t)(rnd() % 129);
    }
    clear_host_bits(&r.prefix);
    return r;
}

static size_t without_conflicts(struct prefix_rule *rules, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t j = 0; j < kept && !known; j++)
            known = !memcmp(&rules[j].prefix, &rules[i].prefix, sizeof rules[j].prefix);
        if (!known)
            rules[kept++] = rules[i];
    }
    return kept;
}

static struct address near(const struct prefix_rule *rules, size_t count, bool ipv4)
{
    struct prefix_rule r = count && rnd() % 4 ? rules[rnd() % count] : random_rule(ipv4);
    struct address a = r.prefix.address;
    for (unsigned bit = r.prefix.length; bit < 128; bit++)
        if (rnd() % 2)
            a.octets[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    if (rnd() % 8 == 0) /* just outside */
        for (unsigned i = 16; i-- > (ipv4 ? 12 : 0);)
            if (a.octets[i]++ != 0xff)
                break;
    return a;
}

static void compare_with_naive(size_t count, bool ipv4)
{
    struct prefix_rule *rules = malloc((count + 1) * sizeof *rules);
    struct prefix_table *t;
    for (size_t i = 0; i < count; i++)
        rules[i] = random_rule(ipv4);
    count = without_conflicts(rules, count);
    CU_ASSERT_EQUAL_FATAL(prefix_table_new(rules, count, NULL, 0, &t, NULL), WEIR_OK);
    enum { N = 500 };
    uint32_t v4[N], tags[N] = {0}, expected[N];
    uint8_t v6[N][16];
    unsigned wrong = 0;
    for (size_t i = 0; i < N; i++) {
        struct address a = near(rules, count, ipv4);
        v4[i] = ipv4 ? address_ipv4(&a) : 0;
        memcpy(v6[i], a.octets, 16);
        expected[i] = naive(rules, count, &a);
        if (ipv4)
            wrong += prefix_lookup_ipv4(t, v4[i]) != expected[i];
        wrong += prefix_lookup_ipv6(t, v6[i]) != expected[i];
        if (i % 10 == 0) /* what is tagged already stays */
            tags[i] = expected[i] = 777;
    }
    if (ipv4)
        prefix_lookup_ipv4_many(t, v4, N, tags);
    else
        prefix_lookup_ipv6_many(t, (const uint8_t(*)[16])v6, N, tags);
    for (size_t i = 0; i < N; i++)
        wrong += tags[i] != expected[i];
    CU_ASSERT_EQUAL(wrong, 0);
    prefix_table_free(t);
    free(rules);
}

static void test_against_naive(void)
{
    for (int round = 0; round < 300; round++)
        compare_with_naive(rnd() % 60, round % 2);
    compare_with_naive(3000, true);
    compare_with_naive(3000, false);
}

static void test_edges(void)
{
    struct prefix_rule rules[] = {
        rule("0.0.0.0/0", 1),
        rule("255.255.255.255/32", 2),
        rule("0.0.0.0/32", 3),
        rule("10.0.0.0/8", 4),
        rule("10.1.0.0/16", 5),
        rule("10.1.2.0/23", 6),
        rule("10.1.2.128/25", 7),
        rule("::/0", 11),
        rule("::1/128", 12),
        rule("2001:db8::/32", 13),
        rule("2001:db8::/64", 14),
        rule("2001:db8::8000:0:0:0/65", 15),
        rule("2001:db8:0:0:8000::5/128", 16),
        rule("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 17),
        rule("ffff:ffff:ffff:ffff::/64", 18),
    };
    static const struct {
        const char *address;
        uint32_t tag;
    } cases[] = {
        {"255.255.255.255", 2},
        {"255.255.255.254", 1},
        {"0.0.0.0", 3},
        {"0.0.0.1", 1},
        {"10.2.0.0", 4},
        {"10.1.255.255", 5},
        {"10.1.3.255", 6},
        {"10.1.2.127", 6},
        {"10.1.2.128", 7},
        {"10.1.2.255", 7},
        {"10.1.4.0", 5},
        {"11.0.0.0", 1},
        {"9.255.255.255", 1},
        {"::", 11},
        {"::1", 12},
        {"::2", 11},
        {"2001:db8::1", 14},
        {"2001:db8:0:1::", 13},
        {"2001:db8:0:0:7fff:ffff:ffff:ffff", 14},
        {"2001:db8:0:0:8000::5", 16},
        {"2001:db8:0:0:8000::6", 15},
        {"2001:db9::", 11},
        {"2001:db7:ffff::", 11},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 17},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 18},
        {"ffff:ffff:ffff:fffe:ffff:ffff:ffff:ffff", 11},
    };
    struct prefix_table *t;
    rules[11] = rule("2001:db8:0:0:8000::/65", 15);
    CU_ASSERT_EQUAL_FATAL(prefix_table_new(rules, sizeof rules / sizeof *rules, NULL, 0, &t, NULL),
                          0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address a = address_of(cases[i].address);
        uint32_t tag = prefix_lookup_ipv6(t, a.octets);
        if (tag != cases[i].tag)
            printf("%s: %u, not %u\n", cases[i].address, tag, cases[i].tag);
        CU_ASSERT_EQUAL(tag, cases[i].tag);
    }
    prefix_table_free(t);
}

static void test_conflicts(void)
{
    struct prefix_rule rules[] = {rule("10.0.0.0/8", 4), rule("10.0.0.0/9", 5),
                                  rule("10.0.0.0/8", 4)};
    struct as_rule ases[] = {{65000, 9}, {4200000000, 8}, {65000, 9}};
    struct prefix_table *t;
    struct weir_error error;
    CU_ASSERT_EQUAL(prefix_table_new(rules, 3, ases, 3, &t, &error), WEIR_OK);
    CU_ASSERT_EQUAL(prefix_lookup_as(t, 65000), 9);
    CU_ASSERT_EQUAL(prefix_lookup_as(t, 4200000000), 8);
    CU_ASSERT_EQUAL(prefix_lookup_as(t, 1), 0);
    prefix_table_free(t);
    rules[2].tag = 6;
    CU_ASSERT_EQUAL(prefix_table_new(rules, 3, NULL, 0, &t, &error), WEIR_EEXISTS);
    CU_ASSERT_PTR_NULL(t);
    CU_ASSERT(strstr(error.message, "10.0.0.0/8") && strchr(error.message, '4') &&
              strchr(error.message, '6'));
    ases[2].tag = 3;
    CU_ASSERT_EQUAL(prefix_table_new(NULL, 0, ases, 3, &t, &error), WEIR_EEXISTS);
    CU_ASSERT_PTR_NULL(t);
    rules[2].tag = 0;
    CU_ASSERT_EQUAL(prefix_table_new(rules, 3, NULL, 0, &t, &error), WEIR_EARGUMENT);
    rules[2].tag = PREFIX_TAG_MOST + 1;
    CU_ASSERT_EQUAL(prefix_table_new(rules, 3, NULL, 0, &t, NULL), WEIR_EARGUMENT);
    CU_ASSERT_EQUAL(prefix_table_new(NULL, 0, NULL, 0, &t, &error), WEIR_OK);
    uint32_t address = 5, tag = 0;
    uint8_t v6[1][16] = {{0x20}};
    prefix_lookup_ipv4_many(t, &address, 1, &tag);
    prefix_lookup_ipv6_many(t, (const uint8_t(*)[16])v6, 1, &tag);
    CU_ASSERT_EQUAL(tag, 0);
    CU_ASSERT_EQUAL(
        prefix_lookup_ipv4(t, 5) + prefix_lookup_as(t, 5) + prefix_lookup_ipv6(t, v6[0]), 0);
    prefix_table_free(t);
    prefix_table_free(NULL);
}

static void test_small_tables_are_small(void)
{
    struct prefix_rule rules[] = {rule("10.0.0.0/12", 1), rule("10.1.2.0/30", 2),
                                  rule("2001:db8::/48", 3)};
    struct prefix_table *t;
    CU_ASSERT_EQUAL(prefix_table_new(rules, 3, NULL, 0, &t, NULL), WEIR_OK);
    CU_ASSERT(prefix_table_memory(t) < 300000);
    prefix_table_free(t);
}

/* Prefixes as the Internet has them: mostly /24, and /48 for IPv6. Each has its number as its tag,
 * so a few can be checked without a naive walk. */
static struct prefix_rule *internet(size_t count, bool ipv4)
{
    struct prefix_rule *rules = calloc(count, sizeof *rules);
    for (size_t i = 0; i < count; i++) {
        uint32_t key = (uint32_t)i * 2654435761u; /* odd: no two alike, in the lowest 24 bits too */
        struct prefix_rule *r = &rules[i];
        r->tag = (uint32_t)i + 1;
        if (ipv4) {
            r->prefix = (struct prefix){address_from_ipv4(key << 8), 96 + 24};
        } else {
            memcpy(r->prefix.address.octets, (uint8_t[]){0x20, 0x01}, 2);
            memcpy(r->prefix.address.octets + 2, &key, 4);
            r->prefix.length = 48;
        }
    }
    return rules;
}

static double lookups(const struct prefix_table *t, const struct prefix_rule *rules, size_t count,
                      bool ipv4, bool many)
{
    enum { N = 1 << 20, ROUNDS = 4 };
    uint32_t *v4 = malloc(N * sizeof *v4), *tags = malloc(N * sizeof *tags), sum = 0;
    uint8_t(*v6)[16] = malloc(N * sizeof *v6);
    for (size_t i = 0; i < N; i++) {
        struct address a = rules[rnd() % count].prefix.address;
        a.octets[15] = (uint8_t)rnd();
        memcpy(v6[i], a.octets, 16);
        v4[i] = ipv4 ? address_ipv4(&a) : 0;
    }
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        memset(tags, 0, N * sizeof *tags);
        uint64_t start = clock_thread_cpu_us();
        if (many && ipv4)
            prefix_lookup_ipv4_many(t, v4, N, tags);
        else if (many)
            prefix_lookup_ipv6_many(t, (const uint8_t(*)[16])v6, N, tags);
        for (size_t i = 0; i < N && !many; i++)
            sum += ipv4 ? prefix_lookup_ipv4(t, v4[i]) : prefix_lookup_ipv6(t, v6[i]);
        uint64_t took = clock_thread_cpu_us() - start;
        best = took < best ? took : best;
    }
    CU_ASSERT(many ? tags[0] && tags[N - 1] : sum != 0);
    free(v4);
    free(v6);
    free(tags);
    return (double)best * 1000.0 / N;
}

static void large(size_t count, bool ipv4, bool print)
{
    struct prefix_rule *rules = internet(count, ipv4);
    struct prefix_table *t;
    uint64_t start = clock_monotonic_us();
    struct weir_error error = {0};
    CU_ASSERT_EQUAL_FATAL(prefix_table_new(rules, count, NULL, 0, &t, &error), 0);
    double built = (double)(clock_monotonic_us() - start) / 1000.0;
    for (size_t i = 0; i < count; i += count / 997) {
        const struct address *a = &rules[i].prefix.address;
        uint32_t tag =
            ipv4 ? prefix_lookup_ipv4(t, address_ipv4(a)) : prefix_lookup_ipv6(t, a->octets);
        CU_ASSERT_EQUAL(tag, rules[i].tag);
    }
    if (print) {
        double one = lookups(t, rules, count, ipv4, false),
               many = lookups(t, rules, count, ipv4, true);
        printf("%s %8zu prefixes: built in %.0f ms, %zu KiB; look-up %.1f ns, in batches %.1f ns\n",
               ipv4 ? "IPv4" : "IPv6", count, built, prefix_table_memory(t) >> 10, one, many);
    }
    prefix_table_free(t);
    free(rules);
}

static void test_large(void)
{
    large(100000, true, false);
    large(100000, false, false);
}

static void print_figures(void)
{
    for (unsigned i = 0; i < 4; i++)
        large(i % 2 ? 1000000 : 17000, i < 2, true);
}

int main(int argc, char **argv)
{
    static const struct unit_test figures[] = {{"figures", print_figures}};
    static const struct unit_test tests[] = {
        {"against naive", test_against_naive},
        {"edges", test_edges},
        {"conflicts", test_conflicts},
        {"small tables are small", test_small_tables_are_small},
        {"large", test_large}};
    if (argc > 1 && !strcmp(argv[1], "bench"))
        return unit_main("prefix figures", figures, 1);
    return unit_main("prefix", tests, sizeof tests / sizeof *tests);
}
