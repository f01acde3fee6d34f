/* sflow.h - sFlow version 5 (sflow.org, "sFlow Version 5", July 2004): XDR (RFC 4506), so
 * everything is in NETWORK BYTE ORDER and a multiple of four octets.
 *
 *   datagram   0 version = 5   4 address type (1 IPv4, 2 IPv6)   8 agent address (4 or 16 octets)
 *              then sub-agent id, sequence number, uptime (ms), number of samples
 *   sample     format (20 bits enterprise, 12 bits number), length, then so many octets:
 *                1 flow sample            3 expanded flow sample
 *                2 counter sample         4 expanded counter sample     5 discarded packet
 *   record     inside a sample: format, length, octets
 *
 * A flow sample is one packet taken out of `rate`, with what the device knows of it. Its values:
 *
 *   V_OCTETS, V_PACKETS     length of the frame as it was on the wire, and 1: raw, never multiplied
 *   V_SAMPLING_INTERVAL     the sample's rate; absent when it says 0
 *   V_OBSERVED_PACKETS      the sample pool: packets that could have been sampled until then
 *   V_OBSERVATION_POINT     the data source: type << 32 | index (type 0: index is an ifIndex)
 *   V_INGRESS, V_EGRESS     interfaces, by number. Absent when the sample says that there is none
 *                           (it starts or ends in the device), that it is unknown, or that there
 *                           are several (a multicast's output)
 *   V_FORWARDING            that the packet was discarded, and why (IANA's forwardingStatus)
 *   packet                  dissect.h, from the raw header; else the sampled Ethernet, IPv4, IPv6
 *   extended switch         V_VLAN, V_POST_VLAN, and V_DOT1Q_PRIORITY where the frame has no tag
 *   extended router         next hop and prefix lengths
 *   extended gateway        BGP next hop, source AS, first AS of the path back, first and last AS
 *                           of the path to the destination
 *   extended user, URL, MPLS, NAT, NAT ports    the elements that mean the same
 *
 * Octets of the packet are not kept: they are content, and would go around the anonymisation of the
 * addresses in them. AS paths between their ends, communities, and records of other kinds have no
 * element and are stepped over. Counter samples are cumulative counters of interfaces, and
 * discarded packets are about traffic that other samples count already: both are told apart here,
 * and are no flow records.
 *
 * Pure functions; any thread. */
#ifndef WEIR_WIRE_SFLOW_H
#define WEIR_WIRE_SFLOW_H

#include "base/address.h"
#include "base/cursor.h"
#include "wire/values.h"

#define SFLOW_HEADER_LEAST 28u /* with an IPv4 agent */

struct sflow_header {
    struct address agent;
    uint32_t sub_agent;
    uint32_t sequence;      /* datagrams of this sub-agent before this one */
    uint32_t up_time_ms;    /* of the agent */
    uint32_t samples;       /* said to follow; not checked against the length */
};

enum sflow_kind { SFLOW_FLOW, SFLOW_COUNTERS, SFLOW_DISCARDED, SFLOW_UNKNOWN };

struct sflow_sample {
    enum sflow_kind kind;
    /* of flow samples only */
    uint32_t sequence;      /* flow samples of this source before this one */
    uint64_t source;        /* type << 32 | index */
    uint32_t rate, pool;
    uint32_t drops; /* cumulative: packets the agent could not sample for lack of resources */
    uint32_t input_format, input, output_format, output;
    uint32_t record_count;
    struct cursor records;
    size_t length;          /* octets of the whole sample, its header included */
};

/* Is it sFlow version 5? For telling protocols apart. */
bool sflow_recognise(const uint8_t *bytes, size_t length);
/* Reads the header; the cursor then stands at the samples. WEIR_ETRUNCATED, WEIR_EVERSION,
 * WEIR_EMALFORMED: an address type that is neither. */
enum weir_status sflow_read_header(struct cursor *datagram, struct sflow_header *out);
/* The next sample; false at the end, or where a length is impossible or a flow sample is cut short:
 * then cursor_left() says how many octets stay unread. */
bool sflow_next_sample(struct cursor *samples, struct sflow_sample *out);
/* The values of a flow sample, with octets pointing into it. Returns the octets of its records that
 * could not be read (cut short, or lengths that pass the end). The values of the datagram (agent)
 * are the caller's to set. */
size_t sflow_read_flow(const struct sflow_sample *s, struct wire_values *out);

#endif
