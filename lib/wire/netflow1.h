/* netflow1.h - NetFlow version 1: a header of 16 octets, then records of 48, all NETWORK BYTE
 * ORDER. There is no RFC; Cisco's "NetFlow Export Datagram Format" (tables B-1 and B-2) describes
 * it:
 *
 *   0 version = 1     2 count            4 SysUptime (ms)   8 unix_secs   12 unix_nsecs
 *
 * There is no sequence number: what was lost can not be told, and is accounted as unknown. There is
 * no engine either, so an exporter has one observation domain, 0. Records become the IPFIX elements
 * that mean the same (template.h moves them). */
#ifndef WEIR_WIRE_NETFLOW1_H
#define WEIR_WIRE_NETFLOW1_H

#include "wire/template.h"

#define NETFLOW1_HEADER 16u
#define NETFLOW1_RECORD 48u

struct netflow1_header {
    uint16_t count; /* records the exporter says it sent; not checked against the length */
    uint32_t sys_up_time_ms;
    uint32_t unix_secs, unix_nsecs;
};

/* Reads the header; the cursor then stands at the records. WEIR_ETRUNCATED, WEIR_EVERSION. */
enum weir_status netflow1_read_header(struct cursor *datagram, struct netflow1_header *out);
/* The fixed template of its records, id 0. The caller owns it. WEIR_ENOMEM. */
enum weir_status netflow1_template(struct wire_template **out);

#endif
