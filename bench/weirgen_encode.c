/* weirgen_encode.c - NetFlow v5, v9 (RFC 3954) and IPFIX (RFC 7011) as exporters write them.
 *
 * A record is a list of fields: number of the element, octets, which value. The same list writes
 * the template and the records, so they can not disagree. All numbers BIG ENDIAN. Written from the
 * documents alone: it shares nothing with lib/wire, which it tests. */
#include "weirgen.h"
#include <string.h>

#define SET_HEADER 4u
#define TEMPLATE_OF_FAMILY(ipv6) (256u + (ipv6))
#define TEMPLATE_SAMPLING 258u
#define V5_RECORD 48u
#define V5_RECORDS_MOST 30u

struct field {
    uint16_t element;
    uint8_t length;
    uint8_t value; /* enum flow_field */
};
struct record_type {
    const struct field *fields;
    uint16_t count;
};
#define RECORD(list) {list, sizeof(list) / sizeof *(list)}

static const struct field v9_ipv4[] = {
    {8, 4, F_SRC4},    {12, 4, F_DST4},   {15, 4, F_NEXT_HOP4}, {10, 4, F_IN},
    {14, 4, F_OUT},    {2, 4, F_PACKETS}, {1, 8, F_OCTETS},     {22, 4, F_START},
    {21, 4, F_END},    {7, 2, F_SRC_PORT}, {11, 2, F_DST_PORT}, {6, 1, F_FLAGS},
    {4, 1, F_PROTOCOL}, {5, 1, F_TOS},    {16, 4, F_SRC_AS},    {17, 4, F_DST_AS},
};
static const struct field v9_ipv6[] = {
    {27, 16, F_SRC6},  {28, 16, F_DST6},  {62, 16, F_NEXT_HOP6}, {10, 4, F_IN},
    {14, 4, F_OUT},    {2, 4, F_PACKETS}, {1, 8, F_OCTETS},      {22, 4, F_START},
    {21, 4, F_END},    {7, 2, F_SRC_PORT}, {11, 2, F_DST_PORT},  {6, 1, F_FLAGS},
    {4, 1, F_PROTOCOL}, {5, 1, F_TOS},    {16, 4, F_SRC_AS},     {17, 4, F_DST_AS},
};
static const struct field ipfix_ipv4[] = {
    {8, 4, F_SRC4},    {12, 4, F_DST4},   {15, 4, F_NEXT_HOP4}, {10, 4, F_IN},
    {14, 4, F_OUT},    {2, 8, F_PACKETS}, {1, 8, F_OCTETS},     {152, 8, F_START},
    {153, 8, F_END},   {7, 2, F_SRC_PORT}, {11, 2, F_DST_PORT}, {6, 1, F_FLAGS},
    {4, 1, F_PROTOCOL}, {5, 1, F_TOS},    {16, 4, F_SRC_AS},    {17, 4, F_DST_AS},
};
static const struct field ipfix_ipv6[] = {
    {27, 16, F_SRC6},  {28, 16, F_DST6},  {62, 16, F_NEXT_HOP6}, {10, 4, F_IN},
    {14, 4, F_OUT},    {2, 8, F_PACKETS}, {1, 8, F_OCTETS},      {152, 8, F_START},
    {153, 8, F_END},   {7, 2, F_SRC_PORT}, {11, 2, F_DST_PORT},  {6, 1, F_FLAGS},
    {4, 1, F_PROTOCOL}, {5, 1, F_TOS},    {16, 4, F_SRC_AS},     {17, 4, F_DST_AS},
};
/* v5 has no templates; element 0 is a hole of zeros. */
static const struct field v5_ipv4[] = {
    {8, 4, F_SRC4},     {12, 4, F_DST4},   {15, 4, F_NEXT_HOP4}, {10, 2, F_IN},
    {14, 2, F_OUT},     {2, 4, F_PACKETS}, {1, 4, F_OCTETS},     {22, 4, F_START},
    {21, 4, F_END},     {7, 2, F_SRC_PORT}, {11, 2, F_DST_PORT}, {0, 1, 0},
    {6, 1, F_FLAGS},    {4, 1, F_PROTOCOL}, {5, 1, F_TOS},       {16, 2, F_SRC_AS},
    {17, 2, F_DST_AS},  {9, 1, F_SRC_MASK}, {13, 1, F_DST_MASK}, {0, 2, 0},
};

static const struct record_type record_types[PROTOCOL_COUNT][2] = {
    [PROTOCOL_V5] = {RECORD(v5_ipv4), {NULL, 0}},
    [PROTOCOL_V9] = {RECORD(v9_ipv4), RECORD(v9_ipv6)},
    [PROTOCOL_IPFIX] = {RECORD(ipfix_ipv4), RECORD(ipfix_ipv6)},
};
static const uint32_t header_sizes[PROTOCOL_COUNT] = {24, 20, 16};

/* ---- putting ---- */

static uint8_t *put(uint8_t *at, uint64_t value, unsigned length)
{
    for (unsigned i = length; i-- > 0; value >>= 8)
        at[i] = (uint8_t)value;
    return at + length;
}

static uint8_t *put_pairs(uint8_t *at, const uint16_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        at = put(at, values[i], 2);
    return at;
}

/* Sets are padded to four octets: v9 wants it, IPFIX allows it. */
static uint8_t *close_set(uint8_t *set, uint16_t id, uint8_t *at)
{
    while ((at - set) % 4)
        *at++ = 0;
    put(set, id, 2);
    put(set + 2, (uint64_t)(at - set), 2);
    return at;
}

/* ---- records ---- */

static uint32_t record_length(const struct record_type *type)
{
    uint32_t length = 0;
    for (uint16_t i = 0; i < type->count; i++)
        length += type->fields[i].length;
    return length;
}

static uint32_t set_length(uint32_t records)
{
    return records ? (SET_HEADER + records + 3) / 4 * 4 : 0;
}

bool gathered_fits(enum protocol p, const struct gathered *g, bool ipv6)
{
    uint32_t more = record_length(&record_types[p][ipv6]);
    if (p == PROTOCOL_V5)
        return g->count[0] < V5_RECORDS_MOST;
    return header_sizes[p] + set_length(g->length[ipv6] + more) + set_length(g->length[!ipv6]) <=
           DATAGRAM_MOST;
}

static uint64_t relative(uint64_t time_ms, int64_t boot_ms)
{
    return time_ms - (uint64_t)boot_ms; /* cut to 32 bits when put: sysUpTime rolls over */
}

void gathered_add(enum protocol p, struct gathered *g, const struct flow *f, int64_t boot_ms)
{
    const struct record_type *type = &record_types[p][f->ipv6];
    uint8_t *at = g->bytes[f->ipv6] + g->length[f->ipv6];
    for (uint16_t i = 0; i < type->count; i++) {
        const struct field *field = &type->fields[i];
        if (field->value >= F_NUMBERS) {
            memcpy(at, f->address[field->value - F_NUMBERS], 16);
            at += 16;
            continue;
        }
        uint64_t value = field->element ? f->number[field->value] : 0;
        if (field->element == 21 || field->element == 22)
            value = relative(value, boot_ms);
        at = put(at, value, field->length);
    }
    g->length[f->ipv6] = (uint32_t)(at - g->bytes[f->ipv6]);
    g->count[f->ipv6]++;
}

/* ---- headers ---- */

static void put_v5_header(const struct header *h, uint32_t records, uint8_t *at)
{
    at = put(at, 5, 2);
    at = put(at, records, 2);
    at = put(at, (uint64_t)(h->now_ms - h->boot_ms), 4);
    at = put(at, (uint64_t)(h->now_ms / 1000), 4);
    at = put(at, (uint64_t)(h->now_ms % 1000 * 1000000), 4);
    at = put(at, h->sequence, 4);
    at = put(at, h->domain, 2);                               /* engine type and engine id */
    put(at, h->sampling ? 1u << 14 | h->sampling : 0, 2);     /* mode 1: one packet in so many */
}

/* The clock of v9 and IPFIX headers has whole seconds. sysUpTime is that of the same moment, so
 * that the time of boot comes out to the millisecond. */
static void put_v9_header(const struct header *h, uint32_t records, uint8_t *at)
{
    int64_t seconds = h->now_ms / 1000;
    at = put(at, 9, 2);
    at = put(at, records, 2);
    at = put(at, (uint64_t)(seconds * 1000 - h->boot_ms), 4);
    at = put(at, (uint64_t)seconds, 4);
    at = put(at, h->sequence, 4);
    put(at, h->domain, 4);
}

static void put_ipfix_header(const struct header *h, size_t length, uint8_t *at)
{
    at = put(at, 10, 2);
    at = put(at, length, 2);
    at = put(at, (uint64_t)(h->now_ms / 1000), 4);
    at = put(at, h->sequence, 4);
    put(at, h->domain, 4);
}

static size_t finish(enum protocol p, const struct header *h, uint32_t records, uint8_t *out,
                     const uint8_t *at)
{
    size_t length = (size_t)(at - out);
    if (p == PROTOCOL_V5)
        put_v5_header(h, records, out);
    else if (p == PROTOCOL_V9)
        put_v9_header(h, records, out);
    else
        put_ipfix_header(h, length, out);
    return length;
}

/* ---- datagrams ---- */

size_t encode_data(enum protocol p, const struct header *h, const struct gathered *g,
                   uint8_t out[DATAGRAM_MOST])
{
    uint8_t *at = out + header_sizes[p];
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        uint8_t *set = at;
        if (!g->count[ipv6])
            continue;
        at += p == PROTOCOL_V5 ? 0 : SET_HEADER;
        memcpy(at, g->bytes[ipv6], g->length[ipv6]);
        at += g->length[ipv6];
        if (p != PROTOCOL_V5)
            at = close_set(set, (uint16_t)TEMPLATE_OF_FAMILY(ipv6), at);
    }
    return finish(p, h, g->count[0] + g->count[1], out, at);
}

static uint8_t *put_template(uint8_t *at, unsigned id, const struct record_type *type)
{
    at = put_pairs(at, (uint16_t[]){(uint16_t)id, type->count}, 2);
    for (uint16_t i = 0; i < type->count; i++)
        at = put_pairs(at, (uint16_t[]){type->fields[i].element, type->fields[i].length}, 2);
    return at;
}

/* RFC 3954 section 6.1: scope System, then samplingInterval and samplingAlgorithm (2: random). */
static uint8_t *put_v9_sampling(const struct header *h, uint8_t *at)
{
    uint8_t *set = at;
    at = put_pairs(at + SET_HEADER, (uint16_t[]){TEMPLATE_SAMPLING, 4, 8, 1, 4, 34, 4, 35, 1}, 9);
    at = close_set(set, 1, at);
    set = at;
    at = put(at + SET_HEADER, h->domain, 4);
    at = put(at, h->sampling, 4);
    at = put(at, 2, 1);
    return close_set(set, TEMPLATE_SAMPLING, at);
}

/* RFC 7011 section 3.4.2.2, RFC 5477: scope observationDomainId; selectorAlgorithm 1 (systematic
 * count-based), samplingPacketInterval 1, samplingPacketSpace n - 1. */
static uint8_t *put_ipfix_sampling(const struct header *h, uint8_t *at)
{
    uint8_t *set = at;
    at = put_pairs(at + SET_HEADER,
                   (uint16_t[]){TEMPLATE_SAMPLING, 4, 1, 149, 4, 304, 2, 305, 4, 306, 4}, 11);
    at = close_set(set, 3, at);
    set = at;
    at = put(at + SET_HEADER, h->domain, 4);
    at = put(at, 1, 2);
    at = put(at, 1, 4);
    at = put(at, h->sampling - 1, 4);
    return close_set(set, TEMPLATE_SAMPLING, at);
}

size_t encode_control(enum protocol p, const struct header *h, uint8_t out[DATAGRAM_MOST],
                      uint32_t *option_records)
{
    *option_records = 0;
    if (p == PROTOCOL_V5)
        return 0;
    uint8_t *set = out + header_sizes[p], *at = set + SET_HEADER;
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++)
        at = put_template(at, TEMPLATE_OF_FAMILY(ipv6), &record_types[p][ipv6]);
    at = close_set(set, p == PROTOCOL_V9 ? 0 : 2, at);
    if (h->sampling) {
        at = p == PROTOCOL_V9 ? put_v9_sampling(h, at) : put_ipfix_sampling(h, at);
        *option_records = 1;
    }
    return finish(p, h, 2 + 2 * *option_records, out, at); /* v9 counts templates as records */
}
