/* sflow_records.c - what is in a flow sample, as values (sflow.h has the list). Neighbours: sflow.c
 * finds the samples, dissect.c reads raw packet headers.
 *
 * Every kind of record is a row of a table: its format number and the function that reads it. The
 * order of records in a sample means nothing, and several may tell the same, so they are read in
 * the order of that table: what is told first stays, unless a better witness comes later. */
#include "wire/sflow.h"
#include "wire/dissect.h"

#define RECORDS_MOST 64u /* of one sample; further ones are stepped over */
#define PATH_MOST 4096u  /* segments of an AS path */

/* ---- shared shapes ---- */

struct place { /* where an address goes, by its family */
    enum wire_value ipv4, ipv6;
};

/* An address with its type. False: neither family; the cursor then failed, or the address is
 * unknown and of no octets. */
static bool read_address(struct wire_values *v, struct cursor *c, struct place to)
{
    uint32_t type = cursor_u32(c);
    if (type == 1) {
        uint32_t address = cursor_u32(c);
        if (!c->failed)
            wire_set_number(v, to.ipv4, address);
    } else if (type == 2) {
        const uint8_t *octets = cursor_bytes(c, 16);
        if (octets)
            wire_set_octets(v, to.ipv6, octets, 16);
    } else if (type != 0) {
        c->failed = true; /* of a length that nobody knows */
    }
    return !c->failed && type != 0;
}

/* A string or opaque<>: length, octets, and zeros up to a multiple of four. */
static struct octets read_opaque(struct cursor *c)
{
    uint32_t length = cursor_u32(c);
    const uint8_t *bytes = cursor_bytes(c, length);
    if (!bytes)
        return (struct octets){0};
    size_t padding = (4 - length % 4) % 4;
    cursor_skip(c, padding < cursor_left(c) ? padding : cursor_left(c));
    return (struct octets){bytes, length};
}

static void set_text(struct wire_values *v, enum wire_value which, struct octets text)
{
    if (text.length)
        wire_set_octets(v, which, text.bytes, text.length);
}

static void set_if_new(struct wire_values *v, enum wire_value which, uint64_t number)
{
    if (!wire_has(v, which))
        wire_set_number(v, which, number);
}

static void set_number(struct wire_values *v, const struct cursor *c, enum wire_value which,
                       uint64_t number)
{
    if (!c->failed)
        wire_set_number(v, which, number);
}

static void put_octets(struct wire_values *v, const struct cursor *c, uint32_t octets)
{
    if (!c->failed)
        set_if_new(v, V_OCTETS, octets);
}

/* ---- the packet ---- */

static void read_raw_header(struct wire_values *v, struct cursor *c)
{
    uint32_t link = cursor_u32(c), frame_length = cursor_u32(c);
    cursor_skip(c, 4); /* octets stripped from the frame's ends: they are counted in its length */
    struct octets header = read_opaque(c);
    if (c->failed)
        return;
    wire_set_number(v, V_OCTETS, frame_length);
    wire_set_number(v, V_FRAME_SIZE, frame_length);
    (void)dissect_packet(v, link, cursor_over(header.bytes, header.length));
}

static uint64_t read_mac(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 8); /* six octets, padded */
    return p ? (uint64_t)load_be16(p) << 32 | load_be32(p + 2) : 0;
}

static void read_ethernet_frame(struct wire_values *v, struct cursor *c)
{
    uint32_t length = cursor_u32(c);
    uint64_t source = read_mac(c), destination = read_mac(c);
    uint32_t type = cursor_u32(c);
    if (c->failed)
        return;
    put_octets(v, c, length);
    set_if_new(v, V_SOURCE_MAC, source);
    set_if_new(v, V_DESTINATION_MAC, destination);
    set_if_new(v, V_ETHERNET_TYPE, type & 0xffff);
}

static void read_sampled_ports(struct wire_values *v, struct cursor *c, uint32_t protocol)
{
    uint32_t source = cursor_u32(c), destination = cursor_u32(c), flags = cursor_u32(c),
             priority = cursor_u32(c);
    if (c->failed)
        return;
    wire_set_number(v, V_CLASS_OF_SERVICE, priority & 0xff);
    wire_set_number(v, V_SOURCE_PORT, source & 0xffff);
    wire_set_number(v, V_DESTINATION_PORT, destination & 0xffff);
    if (protocol == 6)
        wire_set_number(v, V_TCP_FLAGS, flags & 0xff);
}

static void read_sampled_ipv4(struct wire_values *v, struct cursor *c)
{
    uint32_t length = cursor_u32(c), protocol = cursor_u32(c);
    put_octets(v, c, length);
    if (wire_has(v, V_SOURCE_IPV4) || wire_has(v, V_SOURCE_IPV6))
        return; /* the raw header said it already */
    set_number(v, c, V_IP_LENGTH, length);
    set_number(v, c, V_PROTOCOL, protocol & 0xff);
    set_number(v, c, V_SOURCE_IPV4, cursor_u32(c));
    set_number(v, c, V_DESTINATION_IPV4, cursor_u32(c));
    read_sampled_ports(v, c, protocol);
}

static void read_sampled_ipv6(struct wire_values *v, struct cursor *c)
{
    uint32_t length = cursor_u32(c), protocol = cursor_u32(c);
    put_octets(v, c, length);
    const uint8_t *addresses = cursor_bytes(c, 32);
    if (!addresses || wire_has(v, V_SOURCE_IPV4) || wire_has(v, V_SOURCE_IPV6))
        return;
    wire_set_number(v, V_IP_LENGTH, length);
    wire_set_number(v, V_PROTOCOL, protocol & 0xff);
    wire_set_octets(v, V_SOURCE_IPV6, addresses, 16);
    wire_set_octets(v, V_DESTINATION_IPV6, addresses + 16, 16);
    read_sampled_ports(v, c, protocol);
}

/* ---- what the device knows of it ---- */

static void read_switch(struct wire_values *v, struct cursor *c)
{
    uint32_t vlan = cursor_u32(c), priority = cursor_u32(c), post_vlan = cursor_u32(c);
    if (c->failed)
        return;
    if (vlan && vlan <= 0xffff)
        wire_set_number(v, V_VLAN, vlan);
    if (vlan && priority <= 7)
        set_if_new(v, V_DOT1Q_PRIORITY, priority);
    if (post_vlan && post_vlan <= 0xffff)
        wire_set_number(v, V_POST_VLAN, post_vlan);
}

static void read_router(struct wire_values *v, struct cursor *c)
{
    bool known = read_address(v, c, (struct place){V_NEXT_HOP_IPV4, V_NEXT_HOP_IPV6});
    uint32_t source = cursor_u32(c), destination = cursor_u32(c);
    bool is_ipv6 = wire_has(v, V_SOURCE_IPV6) ||
                   (!wire_has(v, V_SOURCE_IPV4) && known && wire_has(v, V_NEXT_HOP_IPV6));
    if (c->failed)
        return;
    if (source <= 128)
        wire_set_number(v, is_ipv6 ? V_SOURCE_IPV6_PREFIX : V_SOURCE_IPV4_PREFIX, source);
    if (destination <= 128)
        wire_set_number(v, is_ipv6 ? V_DESTINATION_IPV6_PREFIX : V_DESTINATION_IPV4_PREFIX,
                        destination);
}

/* An AS path is segments, each of a type (set or sequence), a count, and numbers. */
static void read_path(struct wire_values *v, struct cursor *c)
{
    uint32_t segments = cursor_u32(c), first = 0, last = 0;
    bool any = false;
    for (uint32_t i = 0; i < segments && i < PATH_MOST && !c->failed; i++) {
        cursor_skip(c, 4);
        uint32_t count = cursor_u32(c);
        struct cursor numbers = cursor_sub(c, (size_t)count * 4);
        if (!count || numbers.failed)
            continue;
        if (!any)
            first = load_be32(numbers.at);
        last = load_be32(numbers.end - 4);
        any = true;
    }
    if (!any || c->failed)
        return;
    wire_set_number(v, V_NEXT_AS, first);
    wire_set_number(v, V_DESTINATION_AS, last);
}

static void read_gateway(struct wire_values *v, struct cursor *c)
{
    (void)read_address(v, c, (struct place){V_BGP_NEXT_HOP_IPV4, V_BGP_NEXT_HOP_IPV6});
    cursor_skip(c, 4); /* the device's own AS */
    uint32_t source = cursor_u32(c), previous = cursor_u32(c);
    if (c->failed)
        return;
    wire_set_number(v, V_SOURCE_AS, source);
    wire_set_number(v, V_PREVIOUS_AS, previous);
    read_path(v, c);
}

static void read_user(struct wire_values *v, struct cursor *c)
{
    cursor_skip(c, 4); /* character set (RFC 2978) */
    struct octets source = read_opaque(c);
    cursor_skip(c, 4);
    struct octets destination = read_opaque(c);
    set_text(v, V_USER, source);
    set_text(v, V_DESTINATION_USER, destination);
}

static void read_url(struct wire_values *v, struct cursor *c)
{
    cursor_skip(c, 4); /* whether the source or the destination is the server */
    set_text(v, V_HTTP_TARGET, read_opaque(c));
    set_text(v, V_HTTP_HOST, read_opaque(c));
}

/* The stack as it came in, and where it was sent on; labels in the frame itself are better known.
 */
static void read_mpls(struct wire_values *v, struct cursor *c)
{
    (void)read_address(v, c, (struct place){V_TOP_LABEL_IPV4, V_TOP_LABEL_IPV6});
    uint32_t count = cursor_u32(c);
    bool in_frame = wire_has(v, V_MPLS_LABEL);
    for (uint32_t i = 0; i < count && !c->failed && !in_frame; i++) {
        const uint8_t *entry = cursor_bytes(c, 4);
        if (!entry)
            return;
        if (i == 0)
            wire_set_number(v, V_TOP_LABEL_TTL, entry[3]);
        if (i < WIRE_MPLS_LABELS)
            wire_set_octets(v, V_MPLS_LABEL + i, entry, 3);
    }
}

static void read_nat(struct wire_values *v, struct cursor *c)
{
    (void)read_address(v, c, (struct place){V_POST_NAT_SOURCE_IPV4, V_POST_NAT_SOURCE_IPV6});
    (void)read_address(v, c,
                       (struct place){V_POST_NAT_DESTINATION_IPV4, V_POST_NAT_DESTINATION_IPV6});
}

static void read_nat_ports(struct wire_values *v, struct cursor *c)
{
    set_number(v, c, V_POST_NAT_SOURCE_PORT, cursor_u32(c) & 0xffff);
    uint32_t destination = cursor_u32(c);
    set_number(v, c, V_POST_NAT_DESTINATION_PORT, destination & 0xffff);
}

/* Tags that the device stripped before it took the header (record 1012). */
static void read_stripped_tags(struct wire_values *v, struct cursor *c)
{
    uint32_t count = cursor_u32(c);
    for (uint32_t i = 0; i < count && i < 2; i++) {
        uint32_t tag = cursor_u32(c) & 0xffff;
        if (c->failed || wire_has(v, i ? V_CUSTOMER_VLAN : V_DOT1Q_VLAN))
            return;
        wire_set_number(v, i ? V_CUSTOMER_VLAN : V_DOT1Q_VLAN, tag & 0x0fff);
        set_if_new(v, i ? V_CUSTOMER_PRIORITY : V_DOT1Q_PRIORITY, tag >> 13);
    }
}

/* In the order of reading. */
static const struct {
    uint32_t format;
    void (*read)(struct wire_values *v, struct cursor *c);
} kinds[] = {
    {1, read_raw_header}, {4, read_sampled_ipv6}, {3, read_sampled_ipv4}, {2, read_ethernet_frame},
    {1001, read_switch},  {1002, read_router},    {1003, read_gateway},   {1004, read_user},
    {1005, read_url},     {1006, read_mpls},      {1007, read_nat},       {1020, read_nat_ports},
    {1012, read_stripped_tags},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- the sample itself ---- */

/* IANA's forwardingStatus for the reasons of discarding: ICMP unreachable codes up to 255, then
 * sFlow's own. What is not listed is dropped for an unknown reason. */
static uint8_t forwarding_of(uint32_t reason)
{
    static const struct {
        uint16_t reason;
        uint8_t status;
    } rows[] = {
        {0, 131},   {1, 131},   {4, 133},   {6, 131},   {7, 131},   {9, 129},   {10, 129},
        {13, 129},  {257, 137}, {258, 130}, {259, 143}, {260, 139}, {261, 138}, {262, 133},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].reason == reason)
            return rows[i].status;
    return 128;
}

static void set_interface(struct wire_values *v, enum wire_value which, uint32_t format,
                          uint32_t value)
{
    if (format == 0 && value && value != UINT32_MAX)
        wire_set_number(v, which, value);
    else if (format == 1 && which == V_EGRESS)
        wire_set_number(v, V_FORWARDING, forwarding_of(value));
}

static void set_sample(struct wire_values *v, const struct sflow_sample *s)
{
    wire_set_number(v, V_PACKETS, 1);
    wire_set_number(v, V_OBSERVATION_POINT, s->source);
    wire_set_number(v, V_OBSERVED_PACKETS, s->pool);
    if (s->rate)
        wire_set_number(v, V_SAMPLING_INTERVAL, s->rate);
    set_interface(v, V_INGRESS, s->input_format, s->input);
    set_interface(v, V_EGRESS, s->output_format, s->output);
}

struct record {
    uint32_t format;
    struct cursor content;
};

/* The records of a sample; what is left of the cursor could not be read. */
static unsigned find_records(struct cursor *c, uint32_t said, struct record found[RECORDS_MOST])
{
    unsigned count = 0;
    for (uint32_t i = 0; i < said && cursor_left(c) >= 8; i++) {
        struct cursor at = *c;
        struct record r = {.format = cursor_u32(&at)};
        uint32_t length = cursor_u32(&at);
        if (length > cursor_left(&at))
            break;
        r.content = cursor_sub(&at, length);
        if (count < RECORDS_MOST)
            found[count++] = r;
        *c = at;
    }
    return count;
}

size_t sflow_read_flow(const struct sflow_sample *s, struct wire_values *out)
{
    struct record found[RECORDS_MOST];
    struct cursor c = s->records;
    size_t unread = 0;
    unsigned count = find_records(&c, s->record_count, found);
    wire_values_clear(out);
    set_sample(out, s);
    for (size_t k = 0; k < KINDS; k++)
        for (unsigned i = 0; i < count; i++) {
            if (found[i].format != kinds[k].format)
                continue;
            size_t length = cursor_left(&found[i].content);
            kinds[k].read(out, &found[i].content);
            unread += found[i].content.failed ? length : 0;
        }
    set_if_new(out, V_OCTETS, 0);
    return unread + cursor_left(&c);
}
