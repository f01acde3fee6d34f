/* netflow1.c - NetFlow version 1 (netflow1.h): its header, and its record as a template. */
#include "wire/netflow1.h"

enum weir_status netflow1_read_header(struct cursor *datagram, struct netflow1_header *out)
{
    if (cursor_left(datagram) < NETFLOW1_HEADER)
        return WEIR_ETRUNCATED;
    if (cursor_u16(datagram) != 1)
        return WEIR_EVERSION;
    out->count = cursor_u16(datagram);
    out->sys_up_time_ms = cursor_u32(datagram);
    out->unix_secs = cursor_u32(datagram);
    out->unix_nsecs = cursor_u32(datagram);
    return WEIR_OK;
}

enum weir_status netflow1_template(struct wire_template **out)
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
        {WIRE_PADDING, 2}, /* pad1 */
        {IANA(4), 1},      /* prot: protocolIdentifier */
        {IANA(5), 1},      /* tos: ipClassOfService */
        {IANA(6), 1},      /* flags: tcpControlBits */
        {WIRE_PADDING,
         7}, /* retransmission counters that few exporters fill, and reserved octets */
    };
    return wire_template_new(0, RECORD_FLOW, 0, specs, sizeof specs / sizeof *specs, out);
}
