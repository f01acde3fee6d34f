/* filter_term.c - one term of nfdump's language: [direction] field [compare] value.
 *
 * Most terms are rows of `fields`: a word, the directions that may stand before it, the elements it
 * looks at, and what its value must be. The few that are more than "an element compared with a
 * value" are in filter_special.c. Whatever is neither is an information element's name.
 *
 * Several elements in one term (either direction, either address family) mean "any of them", except
 * with "!=", which means "at least one is there, and none is equal": `port != 80` selects what
 * `not port 80` selects, of the records that have a port. */
#include "flow/filter_private.h"

#include <stdio.h>
#include <string.h>

enum direction { SRC = 1, DST = 2, IN = 4, OUT = 8, PREV = 16, NEXT = 32 };

struct field {
    const char *word;
    uint8_t directions; /* those it answers to */
    bool asked;         /* only when one of its directions is written */
    bool ip_may_follow; /* "router ip A" */
    struct want want;
    ie_key keys[2];
};

#define ADDRESS                                                                                    \
    {                                                                                              \
        VALUE_ADDRESS, 128, "an IP address or network (192.0.2.1, 2001:db8::/32)"                  \
    }
#define NUMBER32(what)                                                                             \
    {                                                                                              \
        VALUE_NUMBER, UINT32_MAX, what " (0 to 4294967295)"                                        \
    }
#define PORT                                                                                       \
    {                                                                                              \
        VALUE_NUMBER, UINT16_MAX, "a port number (0 to 65535)"                                     \
    }
#define AS        NUMBER32("an AS number")
#define INTERFACE NUMBER32("an interface number")
#define MASK                                                                                       \
    {                                                                                              \
        VALUE_NUMBER, 128, "a prefix length (0 to 128)"                                            \
    }
#define VLAN                                                                                       \
    {                                                                                              \
        VALUE_NUMBER, UINT16_MAX, "a VLAN number (0 to 65535)"                                     \
    }
#define TOS                                                                                        \
    {                                                                                              \
        VALUE_NUMBER, UINT8_MAX, "a type of service (0 to 255)"                                    \
    }
#define MAC                                                                                        \
    {                                                                                              \
        VALUE_MAC, 0, "a MAC address (00:00:5e:00:53:01)"                                          \
    }
#define COUNTER                                                                                    \
    {                                                                                              \
        VALUE_NUMBER, UINT64_MAX, COUNTER_EXPECTED                                                 \
    }
#define TAG                                                                                        \
    {                                                                                              \
        VALUE_TAG, UINT32_MAX, "the name of a known tag, or a number"                              \
    }
#define PROTOCOL                                                                                   \
    {                                                                                              \
        VALUE_PROTOCOL, UINT8_MAX, "a protocol (tcp, udp, icmp … or 0 to 255)"                   \
    }

static const struct field fields[] = {
    {"ip", SRC, false, false, ADDRESS, {IANA(8), IANA(27)}},
    {"ip", DST, false, false, ADDRESS, {IANA(12), IANA(28)}},
    {"ip", NEXT, true, false, ADDRESS, {IANA(15), IANA(62)}},
    {"port", SRC, false, false, PORT, {IANA(7)}},
    {"port", DST, false, false, PORT, {IANA(11)}},
    {"proto", 0, false, false, PROTOCOL, {IANA(4)}},
    {"as", SRC, false, false, AS, {IANA(16)}},
    {"as", DST, false, false, AS, {IANA(17)}},
    {"as", PREV, true, false, AS, {IANA(129)}},
    {"as", NEXT, true, false, AS, {IANA(128)}},
    {"if", IN, false, false, INTERFACE, {IANA(10)}},
    {"if", OUT, false, false, INTERFACE, {IANA(14)}},
    {"mask", SRC, false, false, MASK, {IANA(9), IANA(29)}},
    {"mask", DST, false, false, MASK, {IANA(13), IANA(30)}},
    {"vlan", SRC, false, false, VLAN, {IANA(58)}},
    {"vlan", DST, false, false, VLAN, {IANA(59)}},
    {"tos", SRC, false, false, TOS, {IANA(5)}},
    {"tos", DST, true, false, TOS, {IANA(55)}},
    {"mac", IN | SRC, false, false, MAC, {IANA(56)}},
    {"mac", IN | DST, false, false, MAC, {IANA(80)}},
    {"mac", OUT | SRC, false, false, MAC, {IANA(81)}},
    {"mac", OUT | DST, false, false, MAC, {IANA(57)}},
    {"packets", IN, false, false, COUNTER, {WEIR_PACKETS}},
    {"packets", OUT, true, false, COUNTER, {IANA(24), IE_KEY(REVERSE_PEN, 2)}},
    {"bytes", IN, false, false, COUNTER, {WEIR_OCTETS}},
    {"bytes", OUT, true, false, COUNTER, {IANA(23), IE_KEY(REVERSE_PEN, 1)}},
    {"tag", SRC, false, false, TAG, {WEIR_SRC_TAG}},
    {"tag", DST, false, false, TAG, {WEIR_DST_TAG}},
    {"exporter", 0, false, true, ADDRESS, {WEIR_EXPORTER}},
    {"domain", 0, false, false, NUMBER32("an observation domain"), {WEIR_DOMAIN}},
    {"bgpnext", 0, false, true, ADDRESS, {IANA(18), IANA(63)}},
    {"vrf", IN, true, false, NUMBER32("a VRF number"), {IANA(234)}},
    {"vrf", OUT, true, false, NUMBER32("a VRF number"), {IANA(235)}},
    {"flowdir", 0, false, false, {VALUE_DIRECTION, UINT8_MAX, "ingress or egress"}, {IANA(61)}},
    {"fwdstat", 0, false, false, {VALUE_NUMBER, UINT8_MAX, "a number (0 to 255)"}, {IANA(89)}},
};
static const char *const aliases[][2] = {
    {"host", "ip"},         {"net", "ip"},         {"octets", "bytes"},
    {"router", "exporter"}, {"protocol", "proto"},
};
static const struct {
    const char *word;
    uint8_t bit;
} direction_words[] = {
    {"src", SRC},   {"dst", DST},   {"in", IN},      {"out", OUT},
    {"prev", PREV}, {"next", NEXT}, {"ingress", IN}, {"egress", OUT},
};
#define COUNT_OF(a) (sizeof(a) / sizeof(a)[0])

/* ---- compare signs ---- */

static const struct {
    const char *word;
    enum compare compare;
} compare_words[] = {
    {"eq", COMPARE_EQ},
    {"ne", COMPARE_NE},
    {"lt", COMPARE_LT},
    {"le", COMPARE_LE},
    {"gt", COMPARE_GT},
    {"ge", COMPARE_GE},
    {"contains", COMPARE_CONTAINS},
};

/* A sign, its word, or nothing, which is "=". */
static enum compare read_compare(struct parser *p)
{
    enum compare compare = COMPARE_EQ;
    if (p->now.kind == TOKEN_COMPARE) {
        compare = p->now.compare;
        lex_advance(p);
        return compare;
    }
    for (size_t i = 0; i < COUNT_OF(compare_words); i++) {
        if (token_is(&p->now, compare_words[i].word)) {
            lex_advance(p);
            return compare_words[i].compare;
        }
    }
    return compare;
}

/* "contains" is for what is stored as octets. */
static bool may_contain(struct parser *p, const struct token *sign, const struct want *want)
{
    bool text = want->kind == VALUE_STRING || want->kind == VALUE_OCTETS;
    if (!text)
        (void)parse_fail(p, sign, "'=', '!=', '<', '<=', '>' or '>=', since this is not a text");
    return text;
}

/* [compare] value, or "in [ values ]": into p->values. */
bool read_operand(struct parser *p, const struct want *want, enum compare *compare)
{
    struct token sign = p->now;
    p->value_count = 0;
    if (token_is(&p->now, "in")) {
        *compare = COMPARE_EQ;
        lex_advance(p);
        if (p->now.kind == TOKEN_LIST)
            return value_read_list(p, want);
        (void)parse_fail(p, &p->now, "'[' and a list of values");
        return false;
    }
    *compare = read_compare(p);
    if (*compare == COMPARE_CONTAINS && !may_contain(p, &sign, want))
        return false;
    struct token written = p->now;
    if (!value_read(p, want))
        return false;
    if (*compare != COMPARE_CONTAINS || p->values[0].is_text)
        return true;
    (void)parse_fail(p, &written, "a quoted text, or 0x and hex digits");
    return false;
}

/* ---- elements compared ---- */

static bool is_tag(ie_key key)
{
    return key == WEIR_SRC_TAG || key == WEIR_DST_TAG;
}

/* A record without the element and one whose tag is 0 are the same: it has no tag. */
static uint32_t has_value(struct parser *p, ie_key key)
{
    return is_tag(key) ? build_all(p) : build_has(p, key);
}

/* Does the leaf just built hold `number`? */
bool last_leaf_holds(const struct parser *p, uint64_t number)
{
    const struct leaf *leaf = &p->filter->leaves[p->filter->leaf_count - 1];
    return ranges_hold(leaf->ranges, leaf->count, number);
}

uint32_t compare_key(struct parser *p, ie_key key, enum compare compare)
{
    uint32_t node = build_compare(p, key, value_order_of(key), compare);
    if (!node || !is_tag(key) || !last_leaf_holds(p, 0))
        return node;
    return build_join(p, NODE_OR, node, build_not(p, build_has(p, key)));
}

static uint32_t compare_keys(struct parser *p, const ie_key *keys, size_t n, enum compare compare)
{
    uint32_t equal = 0, has = 0;
    if (n == 1)
        return compare_key(p, keys[0], compare);
    for (size_t i = 0; i < n; i++) {
        equal = build_join(p, NODE_OR, equal,
                           compare_key(p, keys[i], compare == COMPARE_NE ? COMPARE_EQ : compare));
        if (compare == COMPARE_NE)
            has = build_join(p, NODE_OR, has, has_value(p, keys[i]));
    }
    return compare != COMPARE_NE ? equal : build_join(p, NODE_AND, has, build_not(p, equal));
}

/* ---- fields ---- */

static const char *canonical(const struct token *t, char out[16])
{
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (token_is(t, aliases[i][0]))
            return aliases[i][1];
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (token_is(t, fields[i].word)) {
            snprintf(out, 16, "%s", fields[i].word);
            return out;
        }
    return NULL;
}

/* The elements of the rows of `word` that answer to all of `directions`. */
static size_t keys_of(const char *word, unsigned directions, ie_key *out)
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const struct field *f = &fields[i];
        if (strcmp(f->word, word) != 0 || (f->directions & directions) != directions ||
            (!directions && f->asked))
            continue;
        for (size_t k = 0; k < COUNT_OF(f->keys) && f->keys[k]; k++)
            out[n++] = f->keys[k];
    }
    return n;
}

static const struct field *first_field(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (strcmp(fields[i].word, word) == 0)
            return &fields[i];
    return NULL;
}

/* `net A/LEN` or `net A MASK`; `net A` alone is what one forgets the length in. */
static bool finish_net(struct parser *p, const struct token *written)
{
    if (memchr(written->text, '/', written->length))
        return true;
    if (!value_is_address(&p->now) || memchr(p->now.text, '/', p->now.length)) {
        (void)parse_fail(p, written, "a network such as 10.1.0.0/16, or an address and a netmask");
        return false;
    }
    struct token mask = p->now;
    if (!value_read(p, &(struct want)ADDRESS))
        return false;
    struct value *v = &p->values[0];
    bool ipv4 = !memchr(written->text, ':', written->length);
    wide low_bits = ipv4 ? (wide)UINT32_MAX : WIDE_MAX;
    wide hosts = ~p->values[1].range.low & low_bits;
    p->value_count = 1;
    if ((hosts & (hosts + 1)) != 0 || ipv4 == (memchr(mask.text, ':', mask.length) != NULL)) {
        (void)parse_fail(p, &mask, "a netmask of leading ones, such as 255.255.0.0");
        return false;
    }
    v->range = (struct range){v->range.low & ~hosts, v->range.low | hosts};
    return true;
}

struct directions {
    unsigned bits;
    bool both; /* "src and dst": one test each, and both must hold */
};

static uint32_t term_field(struct parser *p, const char *word, struct directions d)
{
    ie_key keys[FILTER_KEYS_OF_TERM], other[FILTER_KEYS_OF_TERM];
    const struct field *field = first_field(word);
    size_t n = keys_of(word, d.both ? SRC : d.bits, keys);
    size_t m = d.both ? keys_of(word, DST, other) : 0;
    enum compare compare;
    if (!n || (d.both && !m))
        return parse_fail(p, &p->now, "a field that has the direction written before it");
    bool net = token_is(&p->now, "net");
    lex_advance(p);
    if (field->ip_may_follow && (token_is(&p->now, "ip") || token_is(&p->now, "host")))
        lex_advance(p);
    bool list = token_is(&p->now, "in");
    struct token written = p->now.kind == TOKEN_COMPARE ? lex_peek(p) : p->now;
    if (!read_operand(p, &field->want, &compare) || (net && !list && !finish_net(p, &written)))
        return 0;
    uint32_t node = compare_keys(p, keys, n, compare);
    return d.both ? build_join(p, NODE_AND, node, compare_keys(p, other, m, compare)) : node;
}

/* ---- elements by name ---- */

static uint32_t term_element(struct parser *p, ie_key key)
{
    static const ie_key source[] = {IANA(8), IANA(27)}, destination[] = {IANA(12), IANA(28)};
    struct want want = value_want_of(key);
    enum compare compare;
    lex_advance(p);
    p->any_number = true;
    bool read = read_operand(p, &want, &compare);
    p->any_number = false;
    if (!read)
        return 0;
    if (key == WEIR_SRC_IP)
        return compare_keys(p, source, 2, compare);
    if (key == WEIR_DST_IP)
        return compare_keys(p, destination, 2, compare);
    return compare_key(p, key, compare);
}

/* ---- what to say of an unknown word ---- */

static uint32_t fail_unknown(struct parser *p, bool directed)
{
    static const char any_term[] = "a term such as 'src ip 192.0.2.1', 'port 443', 'proto tcp', or "
                                   "the name of an information element";
    const char *expected = directed ? "a field such as ip, net, port, as or tag" : any_term;
    const struct token *t = &p->now;
    char hint[96] = "";
    struct suggestion near = {0};
    if (t->kind != TOKEN_WORD)
        return parse_fail_hint(p, t, "", expected);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (!directed || fields[i].directions)
            suggest_for(&near, t, fields[i].word);
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (!directed || first_field(aliases[i][1])->directions)
            suggest_for(&near, t, aliases[i][0]);
    if (!directed)
        special_suggest(&near, t);
    for (size_t i = 0; !directed && i < ie_count(); i++)
        if (ie_at(i)->pen == 0 || ie_at(i)->pen == WEIR_PEN)
            suggest_for(&near, t, ie_at(i)->name);
    if (value_is_protocol(t) && !directed)
        snprintf(hint, sizeof hint, "proto %.*s", (int)t->length, t->text);
    else if (value_is_address(t) && t->length < 64)
        snprintf(hint, sizeof hint, "ip %.*s", (int)t->length, t->text);
    else if (near.name)
        snprintf(hint, sizeof hint, "%s", near.name);
    return parse_fail_hint(p, t, hint, expected);
}

/* ---- directions ---- */

static unsigned direction_of(const struct token *t)
{
    for (size_t i = 0; i < COUNT_OF(direction_words); i++)
        if (token_is(t, direction_words[i].word))
            return direction_words[i].bit;
    return 0;
}

/* "src", "in dst", …; "src or dst" is what no direction means, "src and dst" wants both. */
static bool read_directions(struct parser *p, struct directions *d)
{
    unsigned bit;
    *d = (struct directions){0, false};
    while ((bit = direction_of(&p->now)) != 0) {
        struct token next = lex_peek(p);
        d->bits |= bit;
        lex_advance(p);
        if ((bit != SRC && bit != DST) || (next.kind != TOKEN_AND && next.kind != TOKEN_OR))
            continue;
        lex_advance(p);
        if (direction_of(&p->now) != (bit ^ (SRC | DST))) {
            (void)parse_fail(p, &p->now, bit == SRC ? "'dst'" : "'src'");
            return false;
        }
        lex_advance(p);
        d->bits &= ~bit;
        d->both = next.kind == TOKEN_AND;
        return true;
    }
    return true;
}

uint32_t parse_term(struct parser *p)
{
    char word[16];
    ie_key key;
    struct directions d;
    bool directed = direction_of(&p->now) != 0;
    if (!read_directions(p, &d))
        return 0;
    uint32_t special;
    if (!directed && special_term(p, &special))
        return special;
    const char *field = canonical(&p->now, word);
    if (field)
        return term_field(p, field, d);
    if (!directed && read_element(p, &key))
        return term_element(p, key);
    return fail_unknown(p, directed);
}
