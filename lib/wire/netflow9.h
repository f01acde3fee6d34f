/* netflow9.h - NetFlow version 9 (RFC 3954), all NETWORK BYTE ORDER.
 *
 *   0 version = 9   2 count of records, templates included   4 sysUpTime (ms)   8 UNIX Secs
 *   12 sequence number (export packets of this source id)    16 source id
 *
 * What is read more widely than the RFC says, because exporters send it: a field length of 65535 is
 * variable length as in IPFIX (no fixed field of that length fits a datagram); field types from
 * 32768 are plain numbers (v9 has no enterprise bit).
 *
 * Pure functions; any thread. */
#ifndef WEIR_WIRE_NETFLOW9_H
#define WEIR_WIRE_NETFLOW9_H

#include "wire/sets.h"

#define NETFLOW9_HEADER 20u
#define NETFLOW9_TEMPLATES 0u /* FlowSet ids (RFC 3954 sections 5.2 and 6.1) */
#define NETFLOW9_OPTIONS_TEMPLATES 1u

struct netflow9_header {
    uint16_t count;
    uint32_t sys_up_time_ms;
    uint32_t unix_secs;
    uint32_t sequence;
    uint32_t source_id;
};

/* WEIR_ETRUNCATED, WEIR_EVERSION. The cursor then stands at the first FlowSet. */
enum weir_status netflow9_read_header(struct cursor *datagram, struct netflow9_header *out);
/* wire_template_reader (sets.h), of template FlowSets and of options template FlowSets. */
bool netflow9_read_template(struct cursor *content, struct wire_definition *out);
/* Scope fields get the keys WEIR_V9_SCOPE(type) and stay octets. */
bool netflow9_read_options_template(struct cursor *content, struct wire_definition *out);

#endif
