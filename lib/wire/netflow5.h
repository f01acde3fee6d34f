/* netflow5.h - NetFlow version 5: a header of 24 octets, then records of 48, all NETWORK BYTE
 * ORDER. There is no RFC; Cisco's "NetFlow Export Datagram Format" (table B-3 and B-4) describes
 * it:
 *
 *   0 version = 5     2 count            4 SysUptime (ms)   8 unix_secs   12 unix_nsecs
 *   16 flow_sequence (records before this datagram)   20 engine_type   21 engine_id
 *   22 sampling: 2 bits mode, 14 bits interval
 *
 * Records become the IPFIX elements that mean the same (template.h moves them). */
#ifndef WEIR_WIRE_NETFLOW5_H
#define WEIR_WIRE_NETFLOW5_H

#include "wire/template.h"

#define NETFLOW5_HEADER 24u
#define NETFLOW5_RECORD 48u

struct netflow5_header {
    uint16_t count;         /* records the exporter says it sent; not checked against the length */
    uint32_t sys_up_time_ms;
    uint32_t unix_secs, unix_nsecs;
    uint32_t sequence;
    uint8_t engine_type, engine_id;
    uint8_t sampling_mode;
    uint16_t sampling_interval;
};

/* Reads the header; the cursor then stands at the records. WEIR_ETRUNCATED, WEIR_EVERSION. */
enum weir_status netflow5_read_header(struct cursor *datagram, struct netflow5_header *out);
/* The fixed template of its records, id 0. The caller owns it. */
enum weir_status netflow5_template(struct wire_template **out);

#endif
