/* netflow7.c - NetFlow version 7 (netflow7.h): its header, and its record as a template. */
#include "wire/netflow7.h"

enum weir_status netflow7_read_header(struct cursor *datagram, struct netflow7_header *out)
{
    if (cursor_left(datagram) < NETFLOW7_HEADER)
        return WEIR_ETRUNCATED;
    if (cursor_u16(datagram) != 7)
        return WEIR_EVERSION;
    out->count = cursor_u16(datagram);
    out->sys_up_time_ms = cursor_u32(datagram);
    out->unix_secs = cursor_u32(datagram);
    out->unix_nsecs = cursor_u32(datagram);
    out->sequence = cursor_u32(datagram);
    cursor_skip(datagram, 4);
    return WEIR_OK;
}

enum weir_status netflow7_template(struct wire_template **out)
{
    static const struct wire_spec specs[] = {
        {IANA(8), 4},  /* srcaddr: sourceIPv4Address */
        {IANA(12), 4}, /* dstaddr: destinationIPv4Address */
        {IANA(15), 4}, /* nexthop: ipNextHopIPv4Address */
        {IANA(10), 2}, /* input: ingressInterface */
        {IANA(14), 2}, /* output: egressInterface */
        {IANA(2), 4},  /* dPkts: packetDeltaCount */
        {IANA(1), 4},  /* dOctets: octetDeltaCount */
        {IANA(22), 4}, /* First: flowStartSysUpTime */
        {IANA(21), 4}, /* Last: flowEndSysUpTime */
        {IANA(7), 2},  /* srcport: sourceTransportPort */
        {IANA(11), 2}, /* dstport: destinationTransportPort */
        {WEIR_V7_INVALID_FIELDS, 1}, /* flags1 */
        {IANA(6), 1},  /* tcp_flags: tcpControlBits */
        {IANA(4), 1},  /* prot: protocolIdentifier */
        {IANA(5), 1},  /* tos: ipClassOfService */
        {IANA(16), 2}, /* src_as: bgpSourceAsNumber */
        {IANA(17), 2}, /* dst_as: bgpDestinationAsNumber */
        {IANA(9), 1},  /* src_mask: sourceIPv4PrefixLength */
        {IANA(13), 1}, /* dst_mask: destinationIPv4PrefixLength */
        {WEIR_V7_FLAGS, 2},          /* flags2 */
        {WEIR_V7_BYPASSED_ROUTER, 4},/* router_sc */
    };
    return wire_template_new(0, RECORD_FLOW, 0, specs, sizeof specs / sizeof *specs, out);
}
