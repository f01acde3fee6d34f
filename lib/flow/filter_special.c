/* filter_special.c - the terms that are more than "an element compared with a value": address
 * families, TCP flags, ICMP, rates, flows, MPLS. One function each, found by the table at the end.
 *
 * Called by filter_term.c, whose operands and comparisons they share. */
#include "flow/filter_private.h"

#include <stdio.h>
#include <string.h>

static const struct want counter = {VALUE_NUMBER, UINT64_MAX, COUNTER_EXPECTED};
static const struct want octet = {VALUE_NUMBER, UINT8_MAX, "a number (0 to 255)"};

static uint32_t either(struct parser *p, uint32_t a, uint32_t b)
{
    return build_join(p, NODE_OR, a, b);
}

static uint32_t both(struct parser *p, uint32_t a, uint32_t b)
{
    return build_join(p, NODE_AND, a, b);
}

static uint32_t term_any(struct parser *p, int argument)
{
    (void)argument;
    return build_all(p);
}

/* The IPv6 column holds an IPv4 address (inside) or not. */
static uint32_t mapped(struct parser *p, ie_key key, bool inside)
{
    p->value_count = 0;
    uint32_t node = build_number(p, key, COMPARE_EQ, 0);
    if (!node)
        return 0;
    struct value v = {.range = {(wide)0xffff << 32, (wide)0xffff << 32 | UINT32_MAX}};
    p->values[0] = v;
    return build_compare(p, key, ORDER_UNSIGNED, inside ? COMPARE_EQ : COMPARE_NE);
}

/* inet, inet6: by ipVersion where the record says it, else by the addresses it has. */
static uint32_t term_family(struct parser *p, int version)
{
    bool four = version == 4;
    uint32_t said = build_number(p, IANA(60), COMPARE_EQ, (uint64_t)version);
    uint32_t seen = either(p, mapped(p, IANA(27), four), mapped(p, IANA(28), four));
    if (four)
        seen = either(p, seen, either(p, build_has(p, IANA(8)), build_has(p, IANA(12))));
    return either(p, said, both(p, build_not(p, build_has(p, IANA(60))), seen));
}

/* Letters: all of them set. A number: exactly these of the first eight. nfdump's rule: a record of
 * another protocol than TCP has no flags. */
static bool read_flags(struct parser *p, uint64_t *mask, uint64_t *value)
{
    static const char letters[] = "FSRPAU"; /* bit 0 first; X is all six */
    static const struct want number = {VALUE_NUMBER, UINT16_MAX,
                                       "TCP flags (letters of ASRPFUX, or a number)"};
    uint64_t bits = 0;
    bool named = p->now.kind == TOKEN_WORD;
    for (uint32_t i = 0; named && i < p->now.length; i++) {
        char c = (char)(p->now.text[i] & ~0x20);
        const char *at = c ? strchr(letters, c) : NULL;
        named = at || c == 'X';
        bits |= c == 'X' ? 0x3fu : at ? UINT64_C(1) << (at - letters) : 0;
    }
    if (named) {
        *mask = *value = bits;
        lex_advance(p);
        return true;
    }
    p->value_count = 0;
    if (!value_read(p, &number))
        return false;
    *value = (uint64_t)p->values[0].range.low;
    *mask = *value > 0xff ? 0xffff : 0xff;
    return true;
}

static uint32_t term_flags(struct parser *p, int argument)
{
    uint64_t mask, value;
    (void)argument;
    if (p->now.kind == TOKEN_COMPARE && p->now.compare == COMPARE_EQ)
        lex_advance(p);
    bool letters = p->now.kind == TOKEN_WORD && (p->now.text[0] < '0' || p->now.text[0] > '9');
    if (!read_flags(p, &mask, &value))
        return 0;
    uint32_t node =
        both(p, build_number(p, IANA(4), COMPARE_EQ, 6), build_bits(p, IANA(6), mask, value));
    p->flags_node = letters ? node : 0;
    p->flags_mask = mask;
    return node;
}

/* nfdump negates the letters, not the test: "not flags AF" is "neither A nor F", so that "flags S
 * and not flags AFRPU" is a lone SYN. */
uint32_t parse_flags_none(struct parser *p)
{
    uint32_t set =
        both(p, build_has(p, IANA(6)), build_not(p, build_bits(p, IANA(6), p->flags_mask, 0)));
    return build_not(p, both(p, build_number(p, IANA(4), COMPARE_EQ, 6), set));
}

/* ICMP's type (argument 8) or code (argument 0), from whichever element the exporter uses: types
 * and codes of their own (176–179), both in one (32, 139), or, as NetFlow v5 has it, both in the
 * destination port of a record that has none of those. Implies the protocol, as in nfdump. */
static uint32_t term_icmp(struct parser *p, int shift)
{
    const ie_key own[] = {shift ? IANA(176) : IANA(177), shift ? IANA(178) : IANA(179)};
    static const ie_key joint[] = {IANA(32), IANA(139)};
    enum compare compare;
    if (!read_operand(p, &octet, &compare))
        return 0;
    if (compare != COMPARE_EQ || p->value_count != 1)
        return parse_fail(p, &p->now, "'=' only, after icmp-type and icmp-code");
    uint64_t n = (uint64_t)p->values[0].range.low;
    uint32_t known = 0, hit = 0;
    for (size_t i = 0; i < 2; i++) {
        known = either(p, known, either(p, build_has(p, own[i]), build_has(p, joint[i])));
        hit = either(p, hit, build_number(p, own[i], COMPARE_EQ, n));
        hit = either(p, hit, build_bits(p, joint[i], UINT64_C(0xff) << shift, n << shift));
    }
    uint32_t port = build_bits(p, IANA(11), UINT64_C(0xff) << shift, n << shift);
    hit = either(p, hit, both(p, build_not(p, known), port));
    uint32_t protocol = either(p, build_number(p, IANA(4), COMPARE_EQ, 1),
                               build_number(p, IANA(4), COMPARE_EQ, 58));
    return both(p, protocol, hit);
}

/* engineType and engineId, or the two octets of a NetFlow v5 observation domain. */
static uint32_t term_engine(struct parser *p, int shift)
{
    enum compare compare;
    if (!read_operand(p, &octet, &compare))
        return 0;
    if (compare != COMPARE_EQ || p->value_count != 1)
        return parse_fail(p, &p->now, "'=' only, after engine-type and engine-id");
    uint64_t n = (uint64_t)p->values[0].range.low;
    uint32_t v5 = both(p, build_number(p, WEIR_PROTOCOL_VERSION, COMPARE_EQ, 5),
                       build_bits(p, WEIR_DOMAIN, UINT64_C(0xff) << shift, n << shift));
    return either(p, build_number(p, shift ? IANA(38) : IANA(39), COMPARE_EQ, n), v5);
}

static uint32_t term_derived(struct parser *p, int derived)
{
    enum compare compare;
    if (!read_operand(p, &counter, &compare))
        return 0;
    return build_derived(p, (enum derived)derived, compare);
}

/* A record is one flow unless it says how many it stands for. */
static uint32_t term_flows(struct parser *p, int argument)
{
    enum compare compare;
    (void)argument;
    if (!read_operand(p, &counter, &compare))
        return 0;
    uint32_t node = build_compare(p, IANA(3), ORDER_UNSIGNED, compare);
    if (!node || !last_leaf_holds(p, 1))
        return node;
    return either(p, node, build_not(p, build_has(p, IANA(3))));
}

static bool expect_word(struct parser *p, const char *word, const char *expected)
{
    if (!token_is(&p->now, word)) {
        (void)parse_fail(p, &p->now, "%s", expected);
        return false;
    }
    lex_advance(p);
    return true;
}

static uint32_t term_observation(struct parser *p, int argument)
{
    static const struct want want = {VALUE_NUMBER, UINT32_MAX, "an identifier (0 to 4294967295)"};
    enum compare compare;
    (void)argument;
    bool domain = token_is(&p->now, "domain");
    if (!domain && !token_is(&p->now, "point"))
        return parse_fail(p, &p->now, "'domain id' or 'point id'");
    lex_advance(p);
    if (!expect_word(p, "id", "'id'") || !read_operand(p, &want, &compare))
        return 0;
    return compare_key(p, domain ? WEIR_DOMAIN : IANA(138), compare);
}

/* "label3" with stem "label": 3; 0 when it is not that, or not 1 to 10. */
static unsigned stack_position(const struct token *t, const char *stem)
{
    unsigned n = 0;
    char word[16];
    for (unsigned i = 1; i <= 10; i++) {
        snprintf(word, sizeof word, "%s%u", stem, i);
        n = token_is(t, word) ? i : n;
    }
    return n;
}

static uint32_t mpls_any(struct parser *p, enum order order)
{
    static const struct want want = {VALUE_NUMBER, 0xfffff, "an MPLS label (0 to 1048575)"};
    enum compare compare;
    uint32_t node = 0;
    if (!read_operand(p, &want, &compare))
        return 0;
    for (unsigned i = 0; i < 10; i++)
        node = either(p, node, build_compare(p, IANA(70 + i), order, compare));
    return node;
}

static uint32_t term_mpls(struct parser *p, int argument)
{
    static const struct want label = {VALUE_NUMBER, 0xfffff, "an MPLS label (0 to 1048575)"};
    static const struct want class = {VALUE_NUMBER, 7, "a traffic class (0 to 7)"};
    (void)argument;
    unsigned n = stack_position(&p->now, "label"), e = stack_position(&p->now, "exp");
    bool any = token_is(&p->now, "any"), bottom = token_is(&p->now, "eos");
    enum compare compare;
    if (!n && !e && !any && !bottom)
        return parse_fail(p, &p->now, "label1 … label10, exp1 … exp10, eos or any");
    lex_advance(p);
    if (any || bottom)
        return mpls_any(p, any ? ORDER_LABEL : ORDER_BOTTOM);
    if (!read_operand(p, n ? &label : &class, &compare))
        return 0;
    return build_compare(p, IANA(69 + (n ? n : e)), n ? ORDER_LABEL : ORDER_EXP, compare);
}

bool read_element(struct parser *p, ie_key *key)
{
    return p->now.kind == TOKEN_WORD && ie_key_parse(p->now.text, p->now.length, key);
}

static uint32_t term_has(struct parser *p, int argument)
{
    ie_key key;
    (void)argument;
    if (!read_element(p, &key))
        return parse_fail(p, &p->now, "the name of an information element");
    lex_advance(p);
    return build_has(p, key);
}

static const struct {
    const char *word;
    uint32_t (*read)(struct parser *p, int argument);
    int argument;
} specials[] = {
    {"any", term_any, 0},
    {"inet", term_family, 4},
    {"ipv4", term_family, 4},
    {"inet6", term_family, 6},
    {"ipv6", term_family, 6},
    {"flags", term_flags, 0},
    {"icmp-type", term_icmp, 8},
    {"icmp-code", term_icmp, 0},
    {"engine-type", term_engine, 8},
    {"engine-id", term_engine, 0},
    {"duration", term_derived, DERIVED_DURATION},
    {"pps", term_derived, DERIVED_PPS},
    {"bps", term_derived, DERIVED_BPS},
    {"bpp", term_derived, DERIVED_BPP},
    {"flow", term_flows, 0},
    {"flows", term_flows, 0},
    {"observation", term_observation, 0},
    {"mpls", term_mpls, 0},
    {"has", term_has, 0},
};

bool special_term(struct parser *p, uint32_t *node)
{
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (!token_is(&p->now, specials[i].word))
            continue;
        lex_advance(p);
        *node = specials[i].read(p, specials[i].argument);
        return true;
    }
    return false;
}

void special_suggest(struct suggestion *s, const struct token *t)
{
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++)
        suggest_for(s, t, specials[i].word);
}
