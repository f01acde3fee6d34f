/* filter_value.c - one value as it is written, read as the type that its field wants.
 *
 * Numbers become ranges (most of one number), texts stay octets. Called by filter_term.c; what the
 * ranges mean for an operator is filter_build.c's business. */
#include "base/address.h"
#include "base/time.h"
#include "flow/filter_private.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT_MOST    63
#define NTP_TO_UNIX_SECONDS UINT64_C(2208988800) /* RFC 7011 section 6.1.9: 1900 to 1970 */

struct named_number {
    const char *name;
    uint8_t number;
};

/* Keywords of IANA's registry "Assigned Internet Protocol Numbers", and the names nfdump knows. */
/* clang-format off */
static const struct named_number protocols[] = {
    {"hopopt", 0}, {"icmp", 1}, {"igmp", 2}, {"ggp", 3}, {"ipip", 4}, {"ipencap", 4}, {"st", 5},
    {"tcp", 6}, {"cbt", 7}, {"egp", 8}, {"igp", 9}, {"bbn-rcc-mon", 10}, {"nvp-ii", 11},
    {"pup", 12}, {"argus", 13}, {"emcon", 14}, {"xnet", 15}, {"chaos", 16}, {"udp", 17},
    {"mux", 18}, {"dcn-meas", 19}, {"hmp", 20}, {"prm", 21}, {"xns-idp", 22}, {"trunk-1", 23},
    {"trunk-2", 24}, {"leaf-1", 25}, {"leaf-2", 26}, {"rdp", 27}, {"irtp", 28}, {"iso-tp4", 29},
    {"netblt", 30}, {"mfe-nsp", 31}, {"merit-inp", 32}, {"dccp", 33}, {"3pc", 34}, {"idpr", 35},
    {"xtp", 36}, {"ddp", 37}, {"idpr-cmtp", 38}, {"tp++", 39}, {"il", 40}, {"ipv6", 41},
    {"sdrp", 42}, {"ipv6-route", 43}, {"ipv6-frag", 44}, {"idrp", 45}, {"rsvp", 46}, {"gre", 47},
    {"dsr", 48}, {"bna", 49}, {"esp", 50}, {"ah", 51}, {"i-nlsp", 52}, {"swipe", 53}, {"narp", 54},
    {"mobile", 55}, {"tlsp", 56}, {"skip", 57}, {"ipv6-icmp", 58}, {"icmp6", 58}, {"icmpv6", 58},
    {"ipv6-nonxt", 59}, {"ipv6-opts", 60}, {"cftp", 62}, {"sat-expak", 64}, {"kryptolan", 65},
    {"rvd", 66}, {"ippc", 67}, {"sat-mon", 69}, {"visa", 70}, {"ipcv", 71}, {"cpnx", 72},
    {"cphb", 73}, {"wsn", 74}, {"pvp", 75}, {"br-sat-mon", 76}, {"sun-nd", 77}, {"wb-mon", 78},
    {"wb-expak", 79}, {"iso-ip", 80}, {"vmtp", 81}, {"secure-vmtp", 82}, {"vines", 83}, {"ttp", 84},
    {"nsfnet-igp", 85}, {"dgp", 86}, {"tcf", 87}, {"eigrp", 88}, {"ospf", 89}, {"sprite-rpc", 90},
    {"larp", 91}, {"mtp", 92}, {"ax.25", 93}, {"micp", 95}, {"scc-sp", 96}, {"etherip", 97},
    {"encap", 98}, {"gmtp", 100}, {"ifmp", 101}, {"pnni", 102}, {"pim", 103}, {"aris", 104},
    {"scps", 105}, {"qnx", 106}, {"a/n", 107}, {"ipcomp", 108}, {"snp", 109}, {"compaq-peer", 110},
    {"ipx-in-ip", 111}, {"vrrp", 112}, {"pgm", 113}, {"l2tp", 115}, {"ddx", 116}, {"iatp", 117},
    {"stp", 118}, {"srp", 119}, {"uti", 120}, {"smp", 121}, {"sm", 122}, {"ptp", 123},
    {"isis", 124}, {"fire", 125}, {"crtp", 126}, {"crudp", 127}, {"sscopmce", 128}, {"iplt", 129},
    {"sps", 130}, {"pipe", 131}, {"sctp", 132}, {"fc", 133}, {"mobility-header", 135},
    {"udplite", 136}, {"mpls-in-ip", 137}, {"manet", 138}, {"shim6", 139}, {"wesp", 140},
    {"rohc", 141}, {"ethernet", 143},
};
/* clang-format on */
static const struct named_number directions[] = {
    {"ingress", 0}, {"egress", 1}, {"in", 0}, {"out", 1}};
/* RFC 7011 section 6.1.5: 1 is true and 2 is false. */
static const struct named_number booleans[] = {{"true", 1}, {"false", 2}, {"yes", 1}, {"no", 2}};
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct named_number *find_name(const struct named_number *names, size_t n,
                                            const struct token *t)
{
    for (size_t i = 0; i < n; i++)
        if (token_is(t, names[i].name))
            return &names[i];
    return NULL;
}

const char *filter_protocol_name(uint8_t number)
{
    for (size_t i = 0; i < COUNT(protocols); i++)
        if (protocols[i].number == number)
            return protocols[i].name;
    return NULL;
}

bool value_is_protocol(const struct token *t)
{
    return find_name(protocols, COUNT(protocols), t) != NULL;
}

/* ---- one value of each kind: reads the token into *v; false when it is not one ---- */

typedef bool (*reader)(struct parser *p, const struct token *t, uint64_t most, struct value *v);

static bool copy_text(const struct token *t, char out[NUMBER_TEXT_MOST + 1])
{
    if (t->length == 0 || t->length > NUMBER_TEXT_MOST)
        return false;
    memcpy(out, t->text, t->length);
    out[t->length] = '\0';
    return true;
}

/* nfdump's factors: thousands, not 1024. */
static uint64_t factor_of(char c)
{
    static const struct {
        char letter;
        uint64_t factor;
    } factors[] = {{'k', 1000}, {'m', 1000000}, {'g', 1000000000}, {'t', 1000000000000}};
    for (size_t i = 0; i < COUNT(factors); i++)
        if ((c | 0x20) == factors[i].letter)
            return factors[i].factor;
    return 0;
}

static bool parse_u64(const char *text, uint64_t *out)
{
    char *end;
    bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
    if (text[hex ? 2 : 0] < '0' || (!hex && text[0] > '9'))
        return false;
    errno = 0;
    unsigned long long n = strtoull(hex ? text + 2 : text, &end, hex ? 16 : 10);
    if (errno || (hex && (text[2] == '+' || text[2] == '-')))
        return false;
    uint64_t factor = *end && !hex && !end[1] ? factor_of(*end) : 1;
    if ((*end && (hex || end[1])) || !factor)
        return false;
    return !__builtin_mul_overflow((uint64_t)n, factor, out);
}

static void set_number(struct value *v, wide number)
{
    v->range = (struct range){number, number};
}

/* Less than every one. */
static void set_below(struct value *v)
{
    v->inverted = true;
    v->range = (struct range){0, WIDE_MAX};
}

static bool read_number(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    char text[NUMBER_TEXT_MOST + 1];
    uint64_t n;
    (void)p;
    if (t->kind != TOKEN_WORD || !copy_text(t, text) || !parse_u64(text, &n) || n > most)
        return false;
    set_number(v, n);
    return true;
}

static bool read_signed(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    char text[NUMBER_TEXT_MOST + 1];
    uint64_t n;
    (void)p;
    (void)most;
    if (t->kind != TOKEN_WORD || !copy_text(t, text))
        return false;
    bool minus = text[0] == '-';
    if (!parse_u64(text + (minus || text[0] == '+'), &n) || n > (uint64_t)INT64_MAX + minus)
        return false;
    set_number(v, (minus ? 0 - n : n) ^ UINT64_C(1) << 63);
    return true;
}

static wide number_of_double(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    wide number = 0;
    (void)order_number(ORDER_FLOAT, bits, 8, &number);
    return number;
}

static bool read_float(const struct token *t, bool narrow, struct value *v)
{
    char text[NUMBER_TEXT_MOST + 1], *end;
    if (t->kind != TOKEN_WORD || !copy_text(t, text))
        return false;
    double d = strtod(text, &end);
    uint64_t factor = *end && !end[1] ? factor_of(*end) : 1;
    if (end == text || (*end && end[1]) || !factor || isnan(d))
        return false;
    d *= (double)factor;
    if (narrow)
        d = (double)(float)d;
    v->range = d == 0 ? (struct range){number_of_double(-0.0), number_of_double(0.0)}
                      : (struct range){number_of_double(d), number_of_double(d)};
    return true;
}

static bool read_float32(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    (void)p;
    (void)most;
    return read_float(t, true, v);
}

static bool read_float64(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    (void)p;
    (void)most;
    return read_float(t, false, v);
}

static bool read_named(const struct named_number *names, size_t n, const struct token *t,
                       struct value *v)
{
    const struct named_number *found = find_name(names, n, t);
    if (found)
        set_number(v, found->number);
    return found != NULL;
}

static bool read_boolean(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    return read_named(booleans, COUNT(booleans), t, v) || read_number(p, t, most, v);
}

static bool read_protocol(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    return read_named(protocols, COUNT(protocols), t, v) || read_number(p, t, most, v);
}

static bool read_direction(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    return read_named(directions, COUNT(directions), t, v) || read_number(p, t, most, v);
}

/* Digits are a tag's number; anything else, or anything quoted, is its name. */
static bool read_tag(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    char name[256];
    uint32_t tag;
    if (read_number(p, t, most, v))
        return true;
    if (!p->resolve || t->length == 0 || t->length >= sizeof name)
        return false;
    memcpy(name, t->text, t->length);
    name[t->length] = '\0';
    if (!p->resolve(p->context, name, &tag))
        return false;
    set_number(v, tag);
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

static bool read_mac(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    uint64_t n = 0;
    (void)p;
    (void)most;
    if (t->length != 17)
        return false;
    for (int i = 0; i < 17; i++) {
        char c = t->text[i];
        int digit = hex_digit(c);
        if (i % 3 == 2 ? c != ':' && c != '-' : digit < 0)
            return false;
        if (i % 3 != 2)
            n = n << 4 | (uint64_t)digit;
    }
    set_number(v, n);
    return true;
}

static wide number_of_address(const struct address *a)
{
    wide n = 0;
    for (int i = 0; i < 16; i++)
        n = n << 8 | a->octets[i];
    return n;
}

/* nfdump lets an IPv4 network drop its last octets: 10.1/16 is 10.1.0.0/16. */
static bool complete_ipv4(char *text, size_t size)
{
    unsigned dots = 0;
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '.' && (text[i] < '0' || text[i] > '9'))
            return true;
        dots += text[i] == '.';
    }
    for (; dots < 3; dots++, n += 2) {
        if (n + 3 > size)
            return false;
        memcpy(text + n, ".0", 3);
    }
    return true;
}

/* "A" or "A/LEN"; host bits of a network do not matter, as in nfdump. most == 32: IPv4 only. */
static bool read_address(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    char text[NUMBER_TEXT_MOST + 1];
    struct address a;
    uint64_t length = 128;
    (void)p;
    if (!copy_text(t, text))
        return false;
    char *slash = strchr(text, '/');
    if (slash) {
        *slash = '\0';
        if (!parse_u64(slash + 1, &length) || !complete_ipv4(text, sizeof text))
            return false;
    }
    if (address_parse(text, "filter", &a, NULL) != WEIR_OK)
        return false;
    if (slash && !strchr(text, ':')) {
        if (length > 32)
            return false;
        length += 96;
    }
    if (length > 128 || (most == 32 && !address_is_ipv4(&a)))
        return false;
    wide hosts = length == 0 ? WIDE_MAX : ((wide)1 << (128 - length)) - 1;
    wide n = number_of_address(&a);
    v->range = (struct range){n & ~hosts, n | hosts};
    return true;
}

bool value_is_address(const struct token *t)
{
    struct value v = {0};
    return (t->kind == TOKEN_WORD) && read_address(NULL, t, 128, &v);
}

/* Milliseconds since 1970, before it less than 0; written as a number, RFC 3339, or relative to
 * now. */
static bool read_time(const struct token *t, int64_t *ms)
{
    char text[NUMBER_TEXT_MOST + 1];
    return copy_text(t, text) && time_parse(text, "filter", ms, NULL) == WEIR_OK;
}

static bool read_milliseconds(struct parser *p, const struct token *t, uint64_t most,
                              struct value *v)
{
    int64_t ms;
    if (read_number(p, t, most, v))
        return true;
    if (!read_time(t, &ms))
        return false;
    if (ms < 0)
        set_below(v);
    else
        set_number(v, (uint64_t)ms);
    return true;
}

/* A plain number is seconds, as such elements print. A time between two seconds equals neither. */
static bool read_seconds(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    int64_t ms;
    if (read_number(p, t, most, v))
        return true;
    if (!read_time(t, &ms))
        return false;
    if (ms < 0) {
        set_below(v);
        return true;
    }
    v->inverted = ms % 1000 != 0;
    v->range = (struct range){((uint64_t)ms + 999) / 1000, (uint64_t)ms / 1000};
    return true;
}

/* The NTP timestamps of one millisecond; of era 0, which ends in 2036: what is later is above all,
 * what is before 1900 below. */
static bool read_ntp(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    int64_t ms;
    (void)p;
    (void)most;
    if (!read_time(t, &ms))
        return false;
    if (ms < -(int64_t)NTP_TO_UNIX_SECONDS * 1000) {
        set_below(v);
        return true;
    }
    wide since_1900 = (wide)(uint64_t)(ms + (int64_t)NTP_TO_UNIX_SECONDS * 1000);
    wide low = ((since_1900 << 32) + 999) / 1000,
         high = (((since_1900 + 1) << 32) + 999) / 1000 - 1;
    v->range = (struct range){low, high};
    return true;
}

static bool read_string(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    (void)p;
    (void)most;
    v->is_text = true;
    v->text = (struct octets){(const uint8_t *)t->text, t->length};
    return true;
}

/* 0x and pairs of hex digits are octets; a quoted text is its octets; digits are a number. */
static bool read_octets(struct parser *p, const struct token *t, uint64_t most, struct value *v)
{
    bool hex =
        t->kind == TOKEN_WORD && t->length >= 2 && t->text[0] == '0' && (t->text[1] | 0x20) == 'x';
    if (t->kind == TOKEN_TEXT)
        return read_string(p, t, most, v);
    if (!hex)
        return read_number(p, t, UINT64_MAX, v);
    if (t->length % 2)
        return false;
    uint32_t n = (t->length - 2) / 2;
    uint8_t *bytes = arena_alloc(&p->filter->memory, n + 1);
    if (!bytes) {
        (void)parse_out_of_memory(p);
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        int high = hex_digit(t->text[2 + 2 * i]), low = hex_digit(t->text[3 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    v->is_text = true;
    v->exact = true;
    v->text = (struct octets){bytes, n};
    return true;
}

static const reader readers[] = {
    [VALUE_NUMBER] = read_number,
    [VALUE_SIGNED] = read_signed,
    [VALUE_FLOAT32] = read_float32,
    [VALUE_FLOAT64] = read_float64,
    [VALUE_BOOLEAN] = read_boolean,
    [VALUE_PROTOCOL] = read_protocol,
    [VALUE_DIRECTION] = read_direction,
    [VALUE_TAG] = read_tag,
    [VALUE_MAC] = read_mac,
    [VALUE_ADDRESS] = read_address,
    [VALUE_SECONDS] = read_seconds,
    [VALUE_MILLISECONDS] = read_milliseconds,
    [VALUE_NTP] = read_ntp,
    [VALUE_STRING] = read_string,
    [VALUE_OCTETS] = read_octets,
};

/* ---- numbers that no value of an element can be ---- */

/* Digits with what may stand before and behind them; past 128 bits it is as large as can be. */
static bool parse_wide(const char *text, wide *out)
{
    wide n = 0, factor;
    bool over = false;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        over |= __builtin_mul_overflow(n, (wide)10, &n) ||
                __builtin_add_overflow(n, (wide)(*text - '0'), &n);
    factor = *text ? factor_of(*text++) : 1;
    over |= __builtin_mul_overflow(n, factor, &n);
    *out = over ? WIDE_MAX : n;
    return factor && !*text;
}

/* A record compared with such a number is less or greater, whatever the element's width. */
static bool read_beyond(const struct token *t, unsigned kind, struct value *v)
{
    const unsigned kinds = 1u << VALUE_NUMBER | 1u << VALUE_SIGNED | 1u << VALUE_BOOLEAN |
                           1u << VALUE_PROTOCOL | 1u << VALUE_TAG | 1u << VALUE_SECONDS |
                           1u << VALUE_MILLISECONDS | 1u << VALUE_NTP | 1u << VALUE_OCTETS;
    const wide half = (wide)1 << 63; /* signed numbers are in order from here */
    char text[NUMBER_TEXT_MOST + 1];
    wide n;
    if (!(kinds >> kind & 1) || t->kind != TOKEN_WORD || !copy_text(t, text))
        return false;
    bool minus = text[0] == '-';
    if (!parse_wide(text + minus, &n))
        return false;
    if (minus && n > 0)
        set_below(v);
    else
        set_number(v, kind == VALUE_SIGNED && n < WIDE_MAX - half ? n + half : n);
    return true;
}

/* ---- what an element's type wants ---- */

/* clang-format off */
#define ANY_NUMBER {VALUE_NUMBER, UINT64_MAX, "a number"}
#define ANY_SIGNED {VALUE_SIGNED, UINT64_MAX, "a number"}
#define ANY_OCTETS \
    {VALUE_OCTETS, UINT64_MAX, "a quoted text, 0x and hex digits, or a number"}
/* clang-format on */
static const struct want wants[IE_TYPE_COUNT] = {
    [IE_OCTET_ARRAY] = ANY_OCTETS,
    [IE_UNSIGNED8] = ANY_NUMBER,
    [IE_UNSIGNED16] = ANY_NUMBER,
    [IE_UNSIGNED32] = ANY_NUMBER,
    [IE_UNSIGNED64] = ANY_NUMBER,
    [IE_SIGNED8] = ANY_SIGNED,
    [IE_SIGNED16] = ANY_SIGNED,
    [IE_SIGNED32] = ANY_SIGNED,
    [IE_SIGNED64] = ANY_SIGNED,
    [IE_FLOAT32] = {VALUE_FLOAT32, 0, "a number"},
    [IE_FLOAT64] = {VALUE_FLOAT64, 0, "a number"},
    [IE_BOOLEAN] = {VALUE_BOOLEAN, 255, "true or false"},
    [IE_MAC_ADDRESS] = {VALUE_MAC, 0, "a MAC address (00:00:5e:00:53:01)"},
    [IE_STRING] = {VALUE_STRING, 0, "a text"},
    [IE_SECONDS] = {VALUE_SECONDS, UINT64_MAX, "a time (RFC 3339, now-15m, or seconds since 1970)"},
    [IE_MILLISECONDS] = {VALUE_MILLISECONDS, UINT64_MAX,
                         "a time (RFC 3339, now-15m, or milliseconds since 1970)"},
    [IE_MICROSECONDS] = {VALUE_NTP, 0, "a time (RFC 3339, now-15m, or milliseconds since 1970)"},
    [IE_NANOSECONDS] = {VALUE_NTP, 0, "a time (RFC 3339, now-15m, or milliseconds since 1970)"},
    [IE_IPV4] = {VALUE_ADDRESS, 32, "an IPv4 address or network"},
    [IE_IPV6] = {VALUE_ADDRESS, 128, "an IP address or network"},
    [IE_BASIC_LIST] = ANY_OCTETS,
    [IE_SUBTEMPLATE_LIST] = ANY_OCTETS,
    [IE_SUBTEMPLATE_MULTILIST] = ANY_OCTETS,
    [IE_UNSIGNED256] = ANY_OCTETS,
};

/* Enterprise elements are stored as octets; a filter reads them as the type their registry gives.
 */
enum ie_type value_type_of(ie_key key)
{
    enum ie_type stored = ie_storage_type(key);
    const struct ie *ie = ie_find(ie_key_pen(key), ie_key_id(key));
    return stored == IE_OCTET_ARRAY && ie ? (enum ie_type)ie->type : stored;
}

struct want value_want_of(ie_key key)
{
    if (key == IANA(4))
        return (struct want){VALUE_PROTOCOL, UINT8_MAX, "a protocol (tcp, icmp … or a number)"};
    if (key == WEIR_SRC_TAG || key == WEIR_DST_TAG)
        return (struct want){VALUE_TAG, UINT32_MAX, "the name of a known tag, or a number"};
    return wants[value_type_of(key)];
}

enum order value_order_of(ie_key key)
{
    uint8_t kind = wants[value_type_of(key)].kind;
    return kind == VALUE_SIGNED                             ? ORDER_SIGNED
           : kind == VALUE_FLOAT32 || kind == VALUE_FLOAT64 ? ORDER_FLOAT
                                                            : ORDER_UNSIGNED;
}

/* ---- the doors ---- */

static bool value_room(struct parser *p)
{
    if (p->value_count < p->value_room)
        return true;
    uint32_t room = p->value_room ? p->value_room * 2 : 16;
    struct value *moved = realloc(p->values, room * sizeof *moved);
    if (!moved) {
        (void)parse_out_of_memory(p);
        return false;
    }
    p->values = moved;
    p->value_room = room;
    return true;
}

static bool fail_value(struct parser *p, const struct want *want)
{
    struct suggestion near = {0};
    for (size_t i = 0; want->kind == VALUE_PROTOCOL && i < COUNT(protocols); i++)
        suggest_for(&near, &p->now, protocols[i].name);
    if (want->kind == VALUE_TAG && !p->resolve)
        (void)parse_fail(p, &p->now, "the number of a tag (no names are known here)");
    else
        (void)parse_fail_hint(p, &p->now, near.name ? near.name : "", want->expected);
    return false;
}

bool value_read(struct parser *p, const struct want *want)
{
    struct value v = {0};
    if (p->now.kind != TOKEN_WORD && p->now.kind != TOKEN_TEXT)
        return fail_value(p, want);
    if (!readers[want->kind](p, &p->now, want->most, &v) &&
        !(p->any_number && read_beyond(&p->now, want->kind, &v)))
        return fail_value(p, want);
    if (!value_room(p))
        return false;
    p->values[p->value_count++] = v;
    lex_advance(p);
    return true;
}

bool value_read_list(struct parser *p, const struct want *want)
{
    lex_advance(p);
    do {
        if (!value_read(p, want))
            return false;
        while (p->now.kind == TOKEN_COMMA)
            lex_advance(p);
    } while (p->now.kind != TOKEN_LIST_END);
    lex_advance(p);
    return true;
}
