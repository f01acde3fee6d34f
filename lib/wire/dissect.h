/* dissect.h - the head of a packet as a flow record's values: what sFlow samples and PSAMP sections
 * carry. All wire numbers are in NETWORK BYTE ORDER. Only the first octets of a packet are there,
 * so everything may end anywhere: what was whole until then is set, and nothing is an error.
 *
 *   Ethernet II and 802.3 with SNAP, up to eight 802.1Q/802.1ad tags (the first is the outer VLAN,
 * the second the customer's), PPPoE sessions, PPP, MPLS (ten labels are kept), IPv4 and IPv6 (RFC
 * 791, RFC 8200) with extension headers, TCP, UDP, UDP-Lite, SCTP, DCCP, ICMP, ICMPv6
 *
 * Of a fragment that is not the first only addresses and the fragment's own fields are set: what
 * looks like ports there is payload. Fragment fields are set on fragments only. Tunnels are not
 * opened: a flow is what the observed network forwards. A packet that is neither IP nor MPLS (ARP,
 * say) gives its Ethernet fields.
 *
 * Pure functions; any thread. */
#ifndef WEIR_WIRE_DISSECT_H
#define WEIR_WIRE_DISSECT_H

#include "base/cursor.h"
#include "wire/values.h"

/* How the octets begin: sFlow's header_protocol (sflow_version_5.txt, "Packet header data"). */
enum dissect_link {
    DISSECT_ETHERNET = 1,
    DISSECT_PPP = 7,
    DISSECT_IPV4 = 11,
    DISSECT_IPV6 = 12,
    DISSECT_MPLS = 13,
    DISSECT_POS = 14, /* PPP in HDLC-like framing (RFC 1662, RFC 2615) */
};

/* False: a link type that is not understood; nothing was set. The octets must live until the values
 * are appended. */
bool dissect_packet(struct wire_values *v, uint32_t link, struct cursor packet);

#endif
