/* value.c - values as text (value.h): one printer a type, in a table. */
#include "flow/value.h"
#include "base/address.h"
#include "base/cursor.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct context {
    struct buffer *out;
    ie_key key;
    bool json;
};

/* ---- pieces ---- */

static void put_quote(const struct context *c)
{
    if (c->json)
        buffer_put_u8(c->out, '"');
}

static void put_text(struct buffer *out, const char *text)
{
    buffer_put(out, text, strlen(text));
}

/* Much of what `weird records` prints are numbers, so they do not go through printf. */
static void put_unsigned(struct buffer *out, uint64_t v)
{
    char digits[20], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + v % 10);
    while (v /= 10);
    buffer_put(out, at, (size_t)(digits + sizeof digits - at));
}

static void put_hex_octet(struct buffer *out, uint8_t octet)
{
    static const char digits[] = "0123456789abcdef";
    buffer_put(out, (char[]){digits[octet >> 4], digits[octet & 15]}, 2);
}

static void put_hex(const struct context *c, struct octets o)
{
    put_quote(c);
    put_text(c->out, "0x");
    for (uint32_t i = 0; i < o.length; i++)
        put_hex_octet(c->out, o.bytes[i]);
    put_quote(c);
}

static void put_mac(const struct context *c, const uint8_t octets[6])
{
    put_quote(c);
    for (unsigned i = 0; i < 6; i++) {
        if (i)
            buffer_put_u8(c->out, ':');
        put_hex_octet(c->out, octets[i]);
    }
    put_quote(c);
}

/* ---- values of 1 to 8 octets ---- */

static void print_unsigned(const struct context *c, uint64_t v, uint8_t width)
{
    (void)width;
    put_unsigned(c->out, v);
}

static void print_signed(const struct context *c, uint64_t v, uint8_t width)
{
    unsigned unused = 64 - 8u * width;
    int64_t value = (int64_t)(v << unused) >> unused;
    if (value < 0)
        buffer_put_u8(c->out, '-');
    put_unsigned(c->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* The shortest decimal that reads back as the same number. */
static void print_double(const struct context *c, double v, bool single)
{
    char text[40];
    if (!isfinite(v)) { /* JSON has no word for these */
        put_text(c->out, c->json ? "null" : isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)v : !(back < v) && !(back > v))
            break;
    }
    put_text(c->out, text);
}

static void print_float(const struct context *c, uint64_t v, uint8_t width)
{
    float single;
    double wide;
    uint32_t low = (uint32_t)v;
    memcpy(&single, &low, sizeof single);
    memcpy(&wide, &v, sizeof wide);
    print_double(c, width == 4 ? (double)single : wide, width == 4);
}

static void print_boolean(const struct context *c, uint64_t v, uint8_t width)
{
    (void)width;
    put_text(c->out, v == 1 ? "true" : "false"); /* RFC 7011 section 6.1.5: 1 true, 2 false */
}

static void print_mac(const struct context *c, uint64_t v, uint8_t width)
{
    (void)width;
    uint64_t network = __builtin_bswap64(v);
    uint8_t octets[8];
    memcpy(octets, &network, 8);
    put_mac(c, octets + 2);
}

static void print_ntp(const struct context *c, uint64_t v, uint8_t width)
{
    (void)width;
    put_text(c->out, c->json ? "{\"ntp_s\":" : "");
    put_unsigned(c->out, v >> 32);
    put_text(c->out, c->json ? ",\"ntp_f\":" : ":");
    put_unsigned(c->out, v & UINT32_MAX);
    put_text(c->out, c->json ? "}" : "");
}

static void print_ipv4(const struct context *c, uint64_t v, uint8_t width)
{
    (void)width;
    put_quote(c);
    for (int shift = 24; shift >= 0; shift -= 8) {
        put_unsigned(c->out, v >> shift & 0xff);
        if (shift)
            buffer_put_u8(c->out, '.');
    }
    put_quote(c);
}

typedef void (*number_printer)(const struct context *c, uint64_t v, uint8_t width);
static const number_printer number_printers[IE_TYPE_COUNT] = {
    [IE_SIGNED8] = print_signed,       [IE_SIGNED16] = print_signed,
    [IE_SIGNED32] = print_signed,      [IE_SIGNED64] = print_signed,
    [IE_FLOAT32] = print_float,        [IE_FLOAT64] = print_float,
    [IE_BOOLEAN] = print_boolean,      [IE_MAC_ADDRESS] = print_mac,
    [IE_MICROSECONDS] = print_ntp,     [IE_NANOSECONDS] = print_ntp,
    [IE_IPV4] = print_ipv4,
};

/* Times of the wire begin with 1970 (RFC 7011 section 6.1.8). Ours are signed: a flow of an
 * exporter whose clock is not set has started before, when its sysUpTime says so. */
static void print_milliseconds(const struct context *c, uint64_t v, uint8_t width)
{
    (ie_key_pen(c->key) == WEIR_PEN ? print_signed : print_unsigned)(c, v, width);
}

static void print_number(const struct context *c, uint64_t v, uint8_t width, enum ie_type type)
{
    number_printer print = type == IE_MILLISECONDS          ? print_milliseconds
                           : (unsigned)type < IE_TYPE_COUNT ? number_printers[type]
                                                            : NULL;
    (print ? print : print_unsigned)(c, v, width);
}

/* ---- values of 16 octets, and of any ---- */

/* Our own elements hold an address of either family, and IPv4 is what it says; an IPv6 element of
 * an exporter stays IPv6, even when it is a mapped address. */
static void print_ipv6(const struct context *c, struct octets o)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    memcpy(address.octets, o.bytes, 16);
    put_quote(c);
    if (address_is_ipv4(&address) && ie_key_pen(c->key) != WEIR_PEN)
        put_text(c->out, "::ffff:");
    put_text(c->out, address_print(&address, text));
    put_quote(c);
}

static void print_string(const struct context *c, struct octets o)
{
    while (o.length && o.bytes[o.length - 1] == 0)
        o.length--;
    if (c->json)
        buffer_put_json(c->out, o.length ? (const char *)o.bytes : "", o.length);
    else if (o.length)
        buffer_put(c->out, o.bytes, o.length);
}

static void print_octets(const struct context *c, struct octets o, enum ie_type type)
{
    if (type == IE_STRING)
        print_string(c, o);
    else if (type == IE_IPV6 && o.length == 16)
        print_ipv6(c, o);
    else if (type == IE_MAC_ADDRESS && o.length == 6)
        put_mac(c, o.bytes);
    else
        put_hex(c, o);
}

static void print_value(const struct context *c, const struct vector *v, uint32_t row,
                        enum ie_type type)
{
    if (v->width == 0 || v->width == 16)
        print_octets(c, vector_octets(v, row), type);
    else
        print_number(c, vector_u64(v, row), v->width, type);
}

/* ---- values as they are on the wire ---- */

/* Octets that a number may have; 0, 0: it is none. */
static const struct {
    uint8_t least, most;
} wire_lengths[IE_TYPE_COUNT] = {
    [IE_UNSIGNED8] = {1, 8},  [IE_UNSIGNED16] = {1, 8},    [IE_UNSIGNED32] = {1, 8},
    [IE_UNSIGNED64] = {1, 8}, [IE_SIGNED8] = {1, 8},       [IE_SIGNED16] = {1, 8},
    [IE_SIGNED32] = {1, 8},   [IE_SIGNED64] = {1, 8},      [IE_FLOAT32] = {4, 4},
    [IE_BOOLEAN] = {1, 1},    [IE_MAC_ADDRESS] = {6, 6},   [IE_SECONDS] = {1, 8},
    [IE_IPV4] = {4, 4},       [IE_MILLISECONDS] = {1, 8},  [IE_MICROSECONDS] = {8, 8},
    [IE_FLOAT64] = {4, 8},    [IE_NANOSECONDS] = {8, 8},
};

void value_print_wire_json(struct buffer *out, ie_key key, struct octets value)
{
    const struct context c = {.out = out, .key = key, .json = true};
    enum ie_type type = ie_storage_type(key);
    bool odd = type == IE_FLOAT64 && value.length != 4 && value.length != 8;
    if (odd || !value.length || value.length < wire_lengths[type].least ||
        value.length > wire_lengths[type].most) {
        print_octets(&c, value, type);
        return;
    }
    uint64_t v = 0;
    for (uint32_t i = 0; i < value.length; i++)
        v = v << 8 | value.bytes[i];
    print_number(&c, v, (uint8_t)value.length, type);
}

void value_print_json(struct buffer *out, const struct vector *v, uint32_t row, enum ie_type type)
{
    print_value(&(struct context){.out = out, .key = v->key, .json = true}, v, row, type);
}

void value_print_text(struct buffer *out, const struct vector *v, uint32_t row, enum ie_type type)
{
    print_value(&(struct context){.out = out, .key = v->key, .json = false}, v, row, type);
}
