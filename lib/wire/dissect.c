/* dissect.c - packet heads to values (dissect.h). Every layer is a function that sets what it reads
 * and hands the rest to the next one. Neighbours: sflow_records.c calls it for raw packet headers.
 */
#include "wire/dissect.h"

#define TAGS_MOST 8u
#define EXTENSIONS_MOST 16u
#define ETHERNET_TYPE_LEAST 1536u /* smaller numbers are lengths (IEEE 802.3 section 3.2.6) */

/* ---- above IP ---- */

static void read_ports(struct wire_values *v, struct cursor *c)
{
    uint16_t source = cursor_u16(c), destination = cursor_u16(c);
    if (c->failed)
        return;
    wire_set_number(v, V_SOURCE_PORT, source);
    wire_set_number(v, V_DESTINATION_PORT, destination);
}

/* RFC 7125: the twelve bits behind the data offset. */
static void read_tcp(struct wire_values *v, struct cursor *c)
{
    read_ports(v, c);
    cursor_skip(c, 8);
    uint16_t flags = cursor_u16(c) & 0x0fff;
    if (!c->failed)
        wire_set_number(v, V_TCP_FLAGS, flags);
}

static void read_icmp4(struct wire_values *v, struct cursor *c)
{
    uint16_t type_code = cursor_u16(c);
    if (!c->failed)
        wire_set_number(v, V_ICMP_IPV4, type_code);
}

static void read_icmp6(struct wire_values *v, struct cursor *c)
{
    uint16_t type_code = cursor_u16(c);
    if (!c->failed)
        wire_set_number(v, V_ICMP_IPV6, type_code);
}

static const struct {
    uint8_t protocol;
    void (*read)(struct wire_values *v, struct cursor *c);
} transports[] = {
    {6, read_tcp},    {17, read_ports},  {1, read_icmp4},   {58, read_icmp6},
    {132, read_ports}, {136, read_ports}, {33, read_ports},
};

static void read_transport(struct wire_values *v, uint8_t protocol, struct cursor *c)
{
    wire_set_number(v, V_PROTOCOL, protocol);
    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
        if (transports[i].protocol == protocol)
            transports[i].read(v, c);
}

/* ---- IP ---- */

static void set_fragment(struct wire_values *v, uint32_t id, uint16_t offset, uint8_t flags)
{
    wire_set_number(v, V_FRAGMENT_ID, id);
    wire_set_number(v, V_FRAGMENT_OFFSET, offset);
    wire_set_number(v, V_FRAGMENT_FLAGS, flags);
}

static void read_ipv4(struct wire_values *v, struct cursor *c)
{
    const uint8_t *head = cursor_bytes(c, 20);
    if (!head || head[0] >> 4 != 4 || (head[0] & 15) < 5)
        return;
    size_t length = (head[0] & 15u) * 4u, total = load_be16(head + 2);
    uint16_t fragment = load_be16(head + 6), offset = fragment & 0x1fff;
    wire_set_number(v, V_CLASS_OF_SERVICE, head[1]);
    wire_set_number(v, V_IP_LENGTH, total);
    wire_set_number(v, V_TTL, head[8]);
    wire_set_number(v, V_PROTOCOL, head[9]);
    wire_set_number(v, V_SOURCE_IPV4, load_be32(head + 12));
    wire_set_number(v, V_DESTINATION_IPV4, load_be32(head + 16));
    if (fragment & 0x3fff)
        set_fragment(v, load_be16(head + 4), offset, (uint8_t)(fragment >> 13 << 5));
    cursor_skip(c, length - 20);
    /* What the packet does not have is Ethernet's padding. A total of 0 is segmentation offload's.
     */
    struct cursor rest = *c;
    if (total >= length && total - length < cursor_left(c))
        rest = cursor_sub(c, total - length);
    if (!offset && (total >= length || !total))
        read_transport(v, head[9], &rest);
}

/* Is it an extension header with a length in its second octet (RFC 8200 section 4, RFC 7045)? The
 * unit of that length, or 0. */
static unsigned extension_unit(uint8_t next)
{
    static const uint8_t units[] = {[0] = 8, [43] = 8, [51] = 4, [60] = 8, [135] = 8, [139] = 8,
                                    [140] = 8};
    return next < sizeof units ? units[next] : 0;
}

/* Steps over the extension headers. False: behind a fragment header that is not the first's, or at
 * the end of the octets. */
static bool read_extensions(struct wire_values *v, struct cursor *c, uint8_t *next)
{
    for (unsigned i = 0; i < EXTENSIONS_MOST && (extension_unit(*next) || *next == 44); i++) {
        const uint8_t *head = cursor_bytes(c, 8);
        if (!head)
            return false;
        if (*next == 44) {
            uint16_t word = load_be16(head + 2);
            set_fragment(v, load_be32(head + 4), word >> 3, word & 1 ? 0x20 : 0);
            *next = head[0];
            if (word >> 3)
                return false;
            continue;
        }
        size_t more = *next == 51 ? (head[1] + 2u) * 4u : (head[1] + 1u) * 8u;
        cursor_skip(c, more > 8 ? more - 8 : 0);
        *next = head[0];
    }
    return !c->failed;
}

static void read_ipv6(struct wire_values *v, struct cursor *c)
{
    const uint8_t *head = cursor_bytes(c, 40);
    if (!head || head[0] >> 4 != 6)
        return;
    uint32_t first = load_be32(head);
    size_t length = load_be16(head + 4);
    uint8_t next = head[6];
    wire_set_number(v, V_CLASS_OF_SERVICE, first >> 20 & 0xff);
    wire_set_number(v, V_FLOW_LABEL, first & 0xfffff);
    wire_set_number(v, V_TTL, head[7]);
    wire_set_octets(v, V_SOURCE_IPV6, head + 8, 16);
    wire_set_octets(v, V_DESTINATION_IPV6, head + 24, 16);
    if (length) /* 0: a jumbogram (RFC 2675), or segmentation offload */
        wire_set_number(v, V_IP_LENGTH, 40 + length);
    struct cursor rest = *c;
    if (length && length < cursor_left(c))
        rest = cursor_sub(c, length);
    bool whole = read_extensions(v, &rest, &next);
    wire_set_number(v, V_PROTOCOL, next);
    if (whole)
        read_transport(v, next, &rest);
}

static void read_ip(struct wire_values *v, struct cursor *c)
{
    unsigned version = cursor_left(c) ? c->at[0] >> 4 : 0;
    if (version == 4)
        read_ipv4(v, c);
    else if (version == 6)
        read_ipv6(v, c);
}

/* ---- between link and IP ---- */

/* RFC 3032: label 20 bits, experimental 3, bottom of stack 1, time to live 8. Below the bottom
 * nothing says what follows; IP's first four bits do, and a pseudowire's control word has none of
 * both. */
static void read_mpls(struct wire_values *v, struct cursor *c)
{
    for (unsigned i = 0; cursor_left(c) >= 4; i++) {
        const uint8_t *entry = cursor_bytes(c, 4);
        if (i == 0)
            wire_set_number(v, V_TOP_LABEL_TTL, entry[3]);
        if (i < WIRE_MPLS_LABELS)
            wire_set_octets(v, V_MPLS_LABEL + i, entry, 3);
        if (entry[2] & 1) {
            read_ip(v, c);
            return;
        }
    }
}

static void read_ppp(struct wire_values *v, struct cursor *c)
{
    unsigned protocol = cursor_left(c) ? c->at[0] : 0;
    if (protocol & 1) { /* compressed to one octet (RFC 1661 section 6.5) */
        cursor_skip(c, 1);
    } else {
        protocol = cursor_u16(c);
    }
    if (protocol == 0x21)
        read_ipv4(v, c);
    else if (protocol == 0x57)
        read_ipv6(v, c);
    else if (protocol == 0x281)
        read_mpls(v, c);
}

static void read_pos(struct wire_values *v, struct cursor *c)
{
    if (cursor_left(c) >= 2 && load_be16(c->at) == 0xff03) /* address and control */
        cursor_skip(c, 2);
    read_ppp(v, c);
}

static void read_pppoe(struct wire_values *v, struct cursor *c)
{
    cursor_skip(c, 6);
    read_ppp(v, c);
}

static const struct {
    uint16_t type;
    void (*read)(struct wire_values *v, struct cursor *c);
} network_layers[] = {
    {0x0800, read_ipv4}, {0x86dd, read_ipv6}, {0x8847, read_mpls}, {0x8848, read_mpls},
    {0x8864, read_pppoe},
};

static void set_tag(struct wire_values *v, unsigned place, uint16_t tag)
{
    if (place == 0) {
        wire_set_number(v, V_VLAN, tag & 0x0fff);
        wire_set_number(v, V_DOT1Q_VLAN, tag & 0x0fff);
        wire_set_number(v, V_DOT1Q_PRIORITY, tag >> 13);
    } else if (place == 1) {
        wire_set_number(v, V_CUSTOMER_VLAN, tag & 0x0fff);
        wire_set_number(v, V_CUSTOMER_PRIORITY, tag >> 13);
    }
}

static bool is_tag(uint16_t type)
{
    return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200;
}

/* Steps over VLAN tags; the type behind them, 0 when the octets end. */
static uint16_t read_tags(struct wire_values *v, struct cursor *c)
{
    uint16_t type = cursor_u16(c);
    for (unsigned i = 0; i < TAGS_MOST && is_tag(type); i++) {
        uint16_t tag = cursor_u16(c);
        if (c->failed)
            return 0;
        set_tag(v, i, tag);
        type = cursor_u16(c);
    }
    return c->failed ? 0 : type;
}

/* 802.3: LLC with SNAP and no organisation names a type as well (RFC 1042). */
static uint16_t read_snap(struct cursor *c)
{
    static const uint8_t snap[] = {0xaa, 0xaa, 3, 0, 0, 0};
    const uint8_t *head = cursor_bytes(c, 8);
    return head && memcmp(head, snap, sizeof snap) == 0 ? load_be16(head + 6) : 0;
}

static uint64_t mac_at(const uint8_t *p)
{
    return (uint64_t)load_be16(p) << 32 | load_be32(p + 2);
}

static void read_ethernet(struct wire_values *v, struct cursor *c)
{
    const uint8_t *addresses = cursor_bytes(c, 12);
    if (!addresses)
        return;
    wire_set_number(v, V_DESTINATION_MAC, mac_at(addresses));
    wire_set_number(v, V_SOURCE_MAC, mac_at(addresses + 6));
    uint16_t type = read_tags(v, c);
    if (type && type < ETHERNET_TYPE_LEAST)
        type = read_snap(c);
    if (!type)
        return;
    wire_set_number(v, V_ETHERNET_TYPE, type);
    for (size_t i = 0; i < sizeof network_layers / sizeof *network_layers; i++)
        if (network_layers[i].type == type)
            network_layers[i].read(v, c);
}

static const struct {
    uint32_t link;
    void (*read)(struct wire_values *v, struct cursor *c);
} links[] = {
    {DISSECT_ETHERNET, read_ethernet}, {DISSECT_IPV4, read_ip}, {DISSECT_IPV6, read_ip},
    {DISSECT_MPLS, read_mpls},         {DISSECT_PPP, read_ppp}, {DISSECT_POS, read_pos},
};

bool dissect_packet(struct wire_values *v, uint32_t link, struct cursor packet)
{
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (links[i].link == link) {
            links[i].read(v, &packet);
            return true;
        }
    return false;
}
