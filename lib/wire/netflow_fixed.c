/* netflow_fixed.c - NetFlow versions 1, 5 and 7 (netflow_fixed.h): their header, and their records
 * as templates, both from one description. */
#include "wire/netflow_fixed.h"

static const struct format {
    uint16_t version, header;
} formats[NETFLOW_FIXED_COUNT] = {
    [NETFLOW1] = {1, NETFLOW1_HEADER},
    [NETFLOW5] = {5, NETFLOW5_HEADER},
    [NETFLOW7] = {7, NETFLOW7_HEADER},
};

enum weir_status netflow_fixed_read_header(struct cursor *datagram,
                                           struct netflow_fixed_header *out)
{
    size_t octets = cursor_left(datagram), f = 0;
    uint16_t version = cursor_u16(datagram);
    if (datagram->failed)
        return WEIR_ETRUNCATED;
    while (f < NETFLOW_FIXED_COUNT && formats[f].version != version)
        f++;
    if (f == NETFLOW_FIXED_COUNT)
        return WEIR_EVERSION;
    if (octets < formats[f].header)
        return WEIR_ETRUNCATED;
    *out = (struct netflow_fixed_header){.format = (enum netflow_fixed)f};
    out->count = cursor_u16(datagram);
    out->sys_up_time_ms = cursor_u32(datagram);
    out->unix_secs = cursor_u32(datagram);
    out->unix_nsecs = cursor_u32(datagram);
    if (f != NETFLOW1)
        out->sequence = cursor_u32(datagram);
    if (f == NETFLOW5) {
        out->engine_type = cursor_u8(datagram);
        out->engine_id = cursor_u8(datagram);
        uint16_t sampling = cursor_u16(datagram);
        out->sampling_mode = (uint8_t)(sampling >> 14);
        out->sampling_interval = sampling & 0x3fff;
    } else if (f == NETFLOW7) {
        cursor_skip(datagram, 4);
    }
    return WEIR_OK;
}

/* ---- records ---- */

enum { V1 = 1 << NETFLOW1, V5 = 1 << NETFLOW5, V7 = 1 << NETFLOW7, ALL = V1 | V5 | V7 };

/* The fields of each format, in its order: those of the rows that name it. */
static const struct {
    struct wire_spec spec;
    unsigned formats;
} fields[] = {
    {{IANA(8), 4}, ALL},                 /* srcaddr: sourceIPv4Address */
    {{IANA(12), 4}, ALL},                /* dstaddr: destinationIPv4Address */
    {{IANA(15), 4}, ALL},                /* nexthop: ipNextHopIPv4Address */
    {{IANA(10), 2}, ALL},                /* input: ingressInterface */
    {{IANA(14), 2}, ALL},                /* output: egressInterface */
    {{IANA(2), 4}, ALL},                 /* dPkts: packetDeltaCount */
    {{IANA(1), 4}, ALL},                 /* dOctets: octetDeltaCount */
    {{IANA(22), 4}, ALL},                /* First: flowStartSysUpTime */
    {{IANA(21), 4}, ALL},                /* Last: flowEndSysUpTime */
    {{IANA(7), 2}, ALL},                 /* srcport: sourceTransportPort */
    {{IANA(11), 2}, ALL},                /* dstport: destinationTransportPort */
    {{WIRE_PADDING, 2}, V1},             /* pad1 */
    {{WIRE_PADDING, 1}, V5},             /* pad1 */
    {{WEIR_V7_INVALID_FIELDS, 1}, V7},   /* flags1 */
    {{IANA(6), 1}, V5 | V7},             /* tcp_flags: tcpControlBits */
    {{IANA(4), 1}, ALL},                 /* prot: protocolIdentifier */
    {{IANA(5), 1}, ALL},                 /* tos: ipClassOfService */
    {{IANA(6), 1}, V1},                  /* flags: tcpControlBits */
    {{WIRE_PADDING, 7}, V1},             /* retransmissions, which few fill, and reserved octets */
    {{IANA(16), 2}, V5 | V7},            /* src_as: bgpSourceAsNumber */
    {{IANA(17), 2}, V5 | V7},            /* dst_as: bgpDestinationAsNumber */
    {{IANA(9), 1}, V5 | V7},             /* src_mask: sourceIPv4PrefixLength */
    {{IANA(13), 1}, V5 | V7},            /* dst_mask: destinationIPv4PrefixLength */
    {{WIRE_PADDING, 2}, V5},             /* pad2 */
    {{WEIR_V7_FLAGS, 2}, V7},            /* flags2 */
    {{WEIR_V7_BYPASSED_ROUTER, 4}, V7},  /* router_sc */
};
#define FIELDS (sizeof fields / sizeof *fields)

enum weir_status netflow_fixed_template(enum netflow_fixed format, struct wire_template **out)
{
    struct wire_spec specs[FIELDS];
    size_t count = 0;
    for (size_t i = 0; i < FIELDS; i++)
        if (fields[i].formats & 1u << format)
            specs[count++] = fields[i].spec;
    return wire_template_new(0, RECORD_FLOW, 0, specs, count, out);
}
