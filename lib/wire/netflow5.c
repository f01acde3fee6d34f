/* netflow5.c - NetFlow version 5 (netflow5.h): its header, and its record as a template. */
#include "wire/netflow5.h"

enum weir_status netflow5_read_header(struct cursor *datagram, struct netflow5_header *out)
{
    if (cursor_left(datagram) < NETFLOW5_HEADER)
        return WEIR_ETRUNCATED;
    if (cursor_u16(datagram) != 5)
        return WEIR_EVERSION;
    out->count = cursor_u16(datagram);
    out->sys_up_time_ms = cursor_u32(datagram);
    out->unix_secs = cursor_u32(datagram);
    out->unix_nsecs = cursor_u32(datagram);
    out->sequence = cursor_u32(datagram);
    out->engine_type = cursor_u8(datagram);
    out->engine_id = cursor_u8(datagram);
    uint16_t sampling = cursor_u16(datagram);
    out->sampling_mode = (uint8_t)(sampling >> 14);
    out->sampling_interval = sampling & 0x3fff;
    return WEIR_OK;
}

enum weir_status netflow5_template(struct wire_template **out)
{
    static const struct wire_spec specs[] = {
        {IANA(8), 4},      /* srcaddr: sourceIPv4Address */
        {IANA(12), 4},     /* dstaddr: destinationIPv4Address */
        {IANA(15), 4},     /* nexthop: ipNextHopIPv4Address */
        {IANA(10), 2},     /* input: ingressInterface */
        {IANA(14), 2},     /* output: egressInterface */
        {IANA(2), 4},      /* dPkts: packetDeltaCount */
        {IANA(1), 4},      /* dOctets: octetDeltaCount */
        {IANA(22), 4},     /* First: flowStartSysUpTime */
        {IANA(21), 4},     /* Last: flowEndSysUpTime */
        {IANA(7), 2},      /* srcport: sourceTransportPort */
        {IANA(11), 2},     /* dstport: destinationTransportPort */
        {WIRE_PADDING, 1}, /* pad1 */
        {IANA(6), 1},      /* tcp_flags: tcpControlBits */
        {IANA(4), 1},      /* prot: protocolIdentifier */
        {IANA(5), 1},      /* tos: ipClassOfService */
        {IANA(16), 2},     /* src_as: bgpSourceAsNumber */
        {IANA(17), 2},     /* dst_as: bgpDestinationAsNumber */
        {IANA(9), 1},      /* src_mask: sourceIPv4PrefixLength */
        {IANA(13), 1},     /* dst_mask: destinationIPv4PrefixLength */
        {WIRE_PADDING, 2}, /* pad2 */
    };
    return wire_template_new(0, RECORD_FLOW, 0, specs, sizeof specs / sizeof *specs, out);
}
