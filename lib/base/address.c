/* address.c - IP addresses and prefixes, between sixteen octets and text. */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

#define MAPPED_BITS 96

struct address address_from_ipv4(uint32_t host_order)
{
    struct address a;
    uint32_t wire = htonl(host_order);
    memcpy(a.octets, mapped, sizeof mapped);
    memcpy(a.octets + sizeof mapped, &wire, sizeof wire);
    return a;
}

bool address_is_ipv4(const struct address *a)
{
    return memcmp(a->octets, mapped, sizeof mapped) == 0;
}

uint32_t address_ipv4(const struct address *a)
{
    uint32_t wire;
    memcpy(&wire, a->octets + sizeof mapped, sizeof wire);
    return ntohl(wire);
}

/* ---- text ------------------------------------------------------------------------------------ */

struct run {
    int start, length;
};

/* The longest run of zero groups, the first of equal ones (RFC 5952 section 4.2.3); a single zero
 * group is not shortened (4.2.2). */
static struct run longest_zeros(const uint16_t groups[8])
{
    struct run best = {8, 1}, here = {0, 0};
    for (int i = 0; i < 8; i++) {
        if (groups[i] != 0) {
            here.length = 0;
            continue;
        }
        if (here.length++ == 0)
            here.start = i;
        if (here.length > best.length)
            best = here;
    }
    return best.length > 1 ? best : (struct run){8, 0};
}

static char *put_hex(char *p, uint16_t v)
{
    bool started = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = ((unsigned)v >> shift) & 15u;
        started = started || digit || shift == 0;
        if (started)
            *p++ = "0123456789abcdef"[digit];
    }
    return p;
}

static char *put_decimal(char *p, uint8_t v)
{
    if (v >= 100)
        *p++ = (char)('0' + v / 100);
    if (v >= 10)
        *p++ = (char)('0' + v / 10 % 10);
    *p++ = (char)('0' + v % 10);
    return p;
}

static void print_ipv4(const uint8_t octets[4], char *p)
{
    for (int i = 0; i < 4; i++) {
        if (i)
            *p++ = '.';
        p = put_decimal(p, octets[i]);
    }
    *p = '\0';
}

static void print_ipv6(const uint8_t octets[16], char *p)
{
    uint16_t groups[8];
    for (int i = 0; i < 8; i++)
        groups[i] = (uint16_t)(octets[2 * i] << 8 | octets[2 * i + 1]);
    struct run zeros = longest_zeros(groups);
    for (int i = 0; i < 8;) {
        if (i == zeros.start) {
            *p++ = ':';
            *p++ = ':';
            i += zeros.length;
            continue;
        }
        if (i && i != zeros.start + zeros.length)
            *p++ = ':';
        p = put_hex(p, groups[i++]);
    }
    *p = '\0';
}

char *address_print(const struct address *a, char out[ADDRESS_TEXT_SIZE])
{
    if (address_is_ipv4(a))
        print_ipv4(a->octets + sizeof mapped, out);
    else
        print_ipv6(a->octets, out);
    return out;
}

char *prefix_print(const struct prefix *p, char out[PREFIX_TEXT_SIZE])
{
    char text[ADDRESS_TEXT_SIZE];
    bool ipv4 = address_is_ipv4(&p->address) && p->length >= MAPPED_BITS;
    if (ipv4)
        print_ipv4(p->address.octets + sizeof mapped, text);
    else
        print_ipv6(p->address.octets, text);
    (void)snprintf(out, PREFIX_TEXT_SIZE, "%s/%u", text,
                   ipv4 ? p->length - (unsigned)MAPPED_BITS : p->length);
    return out;
}

/* ---- parsing --------------------------------------------------------------------------------- */

static bool read_address(const char *text, struct address *out)
{
    struct in_addr ipv4;
    if (inet_pton(AF_INET, text, &ipv4) == 1) {
        *out = address_from_ipv4(ntohl(ipv4.s_addr));
        return true;
    }
    return inet_pton(AF_INET6, text, out->octets) == 1;
}

enum weir_status address_parse(const char *text, const char *field, struct address *out,
                               struct weir_error *error)
{
    struct address a;
    if (!read_address(text, &a))
        return weir_fail(error, WEIR_ESYNTAX, field,
                         "\"%.64s\" is not an address; write 192.0.2.1 or 2001:db8::1", text);
    *out = a;
    return WEIR_OK;
}

static enum weir_status refuse_prefix(const char *text, const char *field, struct weir_error *error)
{
    return weir_fail(error, WEIR_ESYNTAX, field,
                     "\"%.64s\" is not a prefix; write 10.1.0.0/16, 2001:db8::/32 or an address",
                     text);
}

/* One to three digits and nothing else. */
static bool read_length(const char *text, unsigned *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 3 || text[digits])
        return false;
    *out = 0;
    for (size_t i = 0; i < digits; i++)
        *out = *out * 10 + (unsigned)(text[i] - '0');
    return true;
}

static void clear_host_bits(struct prefix *p)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = p->length > 8 * i ? p->length - 8 * i : 0;
        if (kept < 8)
            p->address.octets[i] &= (uint8_t)(0xff00u >> kept);
    }
}

enum weir_status prefix_parse(const char *text, const char *field, struct prefix *out,
                              struct weir_error *error)
{
    char head[ADDRESS_TEXT_SIZE];
    const char *slash = strchr(text, '/');
    size_t head_length = slash ? (size_t)(slash - text) : strlen(text);
    if (head_length >= sizeof head)
        return refuse_prefix(text, field, error);
    memcpy(head, text, head_length);
    head[head_length] = '\0';

    struct prefix given;
    if (!read_address(head, &given.address))
        return refuse_prefix(text, field, error);
    /* How it is written decides: ::ffff:10.0.0.0/104 counts all 128 bits. */
    bool dotted = !strchr(head, ':');
    unsigned most = dotted ? 32 : 128, length = most;
    if (slash && !read_length(slash + 1, &length))
        return refuse_prefix(text, field, error);
    if (length > most)
        return weir_fail(error, WEIR_ESYNTAX, field, "\"%.64s\": the length is 0 to %u", text,
                         most);
    given.length = (uint8_t)(dotted ? length + MAPPED_BITS : length);

    struct prefix clean = given;
    clear_host_bits(&clean);
    if (memcmp(&clean.address, &given.address, sizeof clean.address) != 0) {
        char meant[PREFIX_TEXT_SIZE];
        return weir_fail(error, WEIR_ESYNTAX, field,
                         "\"%.64s\" has host bits set; %s was probably meant", text,
                         prefix_print(&clean, meant));
    }
    *out = clean;
    return WEIR_OK;
}
