/* netflow7.h - NetFlow version 7 (Catalyst 5000 switches): a header of 24 octets, then records of
 * 52, all NETWORK BYTE ORDER. There is no RFC; Cisco's "NetFlow Export Datagram Format" (tables B-5
 * and B-6) describes it:
 *
 *   0 version = 7     2 count            4 SysUptime (ms)   8 unix_secs   12 unix_nsecs
 *   16 flow_sequence (records before this datagram)         20 reserved
 *
 * There is no engine, so an exporter has one observation domain, 0. Records become the IPFIX
 * elements that mean the same (template.h moves them); three fields have no such element and are
 * kept under Weir's own numbers: which fields of the record are not valid (flags1), flags of the
 * switch (flags2), and the router that the switch bypassed (router_sc). */
#ifndef WEIR_WIRE_NETFLOW7_H
#define WEIR_WIRE_NETFLOW7_H

#include "wire/template.h"

#define NETFLOW7_HEADER 24u
#define NETFLOW7_RECORD 52u

struct netflow7_header {
    uint16_t count; /* records the exporter says it sent; not checked against the length */
    uint32_t sys_up_time_ms;
    uint32_t unix_secs, unix_nsecs;
    uint32_t sequence;
};

/* Reads the header; the cursor then stands at the records. WEIR_ETRUNCATED, WEIR_EVERSION. */
enum weir_status netflow7_read_header(struct cursor *datagram, struct netflow7_header *out);
/* The fixed template of its records, id 0. The caller owns it. WEIR_ENOMEM. */
enum weir_status netflow7_template(struct wire_template **out);

#endif
