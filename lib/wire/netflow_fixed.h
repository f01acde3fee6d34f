/* netflow_fixed.h - NetFlow versions 1, 5 and 7: a header, then records of one shape, all NETWORK
 * BYTE ORDER. There is no RFC; Cisco's "NetFlow Export Datagram Format" (tables B-1 to B-6)
 * describes them:
 *
 *   header of all            0 version   2 count   4 SysUptime (ms)   8 unix_secs   12 unix_nsecs
 *   and of versions 5 and 7  16 flow_sequence (records before this datagram)
 *       version 5            20 engine_type   21 engine_id   22 sampling: 2 bits mode, 14 interval
 *       version 7            20 reserved
 *
 *   version   header   record   loss                        observation domain
 *         1       16       48   unknown: no sequence        0
 *         5       24       48   counted in records          engine_type * 256 + engine_id
 *         7       24       52   counted in records          0 (Catalyst 5000: there is no engine)
 *
 * Records become the IPFIX elements that mean the same (template.h moves them). Three fields of
 * version 7 have no such element and are kept under Weir's own numbers: which fields of the record
 * are not valid (flags1), flags of the switch (flags2), the router it bypassed (router_sc).
 *
 * Pure functions; any thread. */
#ifndef WEIR_WIRE_NETFLOW_FIXED_H
#define WEIR_WIRE_NETFLOW_FIXED_H

#include "wire/template.h"

enum netflow_fixed { NETFLOW1, NETFLOW5, NETFLOW7, NETFLOW_FIXED_COUNT };

#define NETFLOW1_HEADER 16u
#define NETFLOW1_RECORD 48u
#define NETFLOW5_HEADER 24u
#define NETFLOW5_RECORD 48u
#define NETFLOW7_HEADER 24u
#define NETFLOW7_RECORD 52u

struct netflow_fixed_header {
    enum netflow_fixed format;
    uint16_t count; /* records the exporter says it sent; not checked against the length */
    uint32_t sys_up_time_ms;
    uint32_t unix_secs, unix_nsecs;
    uint32_t sequence;              /* what follows is 0 in versions that do not have it */
    uint8_t engine_type, engine_id;
    uint8_t sampling_mode;
    uint16_t sampling_interval;
};

/* Reads the header; the cursor then stands at the records. WEIR_ETRUNCATED; WEIR_EVERSION: another
 * number than these three. */
enum weir_status netflow_fixed_read_header(struct cursor *datagram,
                                           struct netflow_fixed_header *out);
/* The template of a format's records, id 0. The caller owns it. WEIR_ENOMEM. */
enum weir_status netflow_fixed_template(enum netflow_fixed format, struct wire_template **out);

#endif
