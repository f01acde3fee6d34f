/* ie.h - information elements: what RFC 7012 calls the information model, as a table of facts.
 *
 * The table is made at build time from ipfix-elements.csv (IANA), ipfix-enterprise-elements.csv
 * and weir-elements.csv (our own: what a collector adds to a record). Data, not code.
 *
 * An element is named by (pen, id): private enterprise number (0 = IANA) and element number. A
 * record may carry the same element more than once (RFC 7011 section 8): `nth` tells them apart,
 * 0 for the first. The three make an ie_key, one number that columns are keyed by.
 *
 * Storage: an IANA element whose type is a number, time or address (and its reverse under PEN
 * 29305, RFC 5103) is stored as a fixed-width value; everything else - strings, octet arrays,
 * lists, enterprise elements and unknown ones - is stored as the octets that arrived, so that
 * nothing is lost, its length included. Enterprise elements of a known type are read as numbers
 * when a filter asks.
 *
 * Threads: the table is constant; any thread. */
#ifndef WEIR_IE_H
#define WEIR_IE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ie_type { /* RFC 7012 section 3.1, in the order of the IANA registry; RFC 6313 for lists */
    IE_OCTET_ARRAY = 0,
    IE_UNSIGNED8 = 1,
    IE_UNSIGNED16 = 2,
    IE_UNSIGNED32 = 3,
    IE_UNSIGNED64 = 4,
    IE_SIGNED8 = 5,
    IE_SIGNED16 = 6,
    IE_SIGNED32 = 7,
    IE_SIGNED64 = 8,
    IE_FLOAT32 = 9,
    IE_FLOAT64 = 10,
    IE_BOOLEAN = 11,
    IE_MAC_ADDRESS = 12,
    IE_STRING = 13,
    IE_SECONDS = 14,      /* dateTimeSeconds: u32 since 1970 */
    IE_MILLISECONDS = 15, /* u64 since 1970 */
    IE_MICROSECONDS = 16, /* u64 NTP timestamp, as on the wire (RFC 7011 section 6.1.9) */
    IE_NANOSECONDS = 17,  /* u64 NTP timestamp */
    IE_IPV4 = 18,
    IE_IPV6 = 19,
    IE_BASIC_LIST = 20,
    IE_SUBTEMPLATE_LIST = 21,
    IE_SUBTEMPLATE_MULTILIST = 22,
    IE_UNSIGNED256 = 23,
    IE_TYPE_COUNT
};

/* The elements of Weir itself live under an enterprise number that IANA keeps reserved, so no
 * exporter can own it; a template that uses it is refused (see lib/wire). */
#define WEIR_PEN UINT32_C(0xffffffff)
#define REVERSE_PEN UINT32_C(29305) /* RFC 5103 */

enum ie_registry {
    IE_REGISTRY_IANA,
    IE_REGISTRY_WEIR,
    IE_REGISTRY_REVERSE,    /* IANA's elements under REVERSE_PEN, derived (RFC 5103) */
    IE_REGISTRY_ENTERPRISE, /* vendors' lists; also numbers that NetFlow v9 vendors took without a
                               PEN */
};

struct ie {
    uint32_t pen;
    uint16_t id;
    uint8_t type;          /* enum ie_type */
    uint8_t registry;      /* enum ie_registry */
    const char *name;      /* camelCase, e.g. "octetDeltaCount"; enterprise names as their registry
                              has them */
    const char *semantics; /* "deltaCounter", "identifier", … or "" */
    const char *units;     /* "octets", "milliseconds", … or "" */
};

typedef uint64_t ie_key;
#define IE_KEY_NTH(pen, id, nth) (((ie_key)(pen) << 32) | ((ie_key)(id) << 16) | (ie_key)(nth))
#define IE_KEY(pen, id) IE_KEY_NTH(pen, id, 0)
#define IANA(id) IE_KEY(0, id)
#define WEIR(id) IE_KEY(WEIR_PEN, id)
static inline uint32_t ie_key_pen(ie_key k) { return (uint32_t)(k >> 32); }
static inline uint16_t ie_key_id(ie_key k) { return (uint16_t)(k >> 16); }
static inline uint16_t ie_key_nth(ie_key k) { return (uint16_t)k; }

/* What the collector adds to every record (weir-elements.csv has the same list; a test
 * compares). */
#define WEIR_EXPORTER WEIR(1)        /* ipv6Address: the metering device, IPv4 as mapped */
#define WEIR_DOMAIN WEIR(2)          /* unsigned32: observation domain id (v9 source id; v5 engine
                                        type<<8|id) */
#define WEIR_FLOW_START WEIR(3)      /* dateTimeMilliseconds */
#define WEIR_FLOW_END WEIR(4)        /* dateTimeMilliseconds: the interval a flow belongs to */
#define WEIR_TIME_ORIGIN WEIR(5)     /* unsigned8: enum time_origin (flow/batch.h) */
#define WEIR_OCTETS WEIR(6)          /* unsigned64: octetDeltaCount, else octetTotalCount, else 0 */
#define WEIR_PACKETS WEIR(7)         /* unsigned64: likewise of packets */
#define WEIR_SRC_TAG WEIR(8)         /* unsigned32: 0 = no tag */
#define WEIR_DST_TAG WEIR(9)         /* unsigned32 */
#define WEIR_SAMPLING_RATE WEIR(10)  /* float64: one packet in this many; 0 = unknown */
#define WEIR_SAMPLING_ORIGIN WEIR(11)/* unsigned8: enum sampling_origin (flow/batch.h) */
#define WEIR_EXPORT_TIME WEIR(12)    /* dateTimeMilliseconds: of the message header */
#define WEIR_SYS_UP_TIME WEIR(13)    /* unsigned32: v5 and v9 header; absent for IPFIX */
#define WEIR_TEMPLATE WEIR(14)       /* unsigned16: absent for v5 */
#define WEIR_PROTOCOL_VERSION WEIR(15) /* unsigned8: 1, 5, 7, 9, 10; 105 for sFlow v5; 0 unknown
                                          (files) */
#define WEIR_EXPORTER_PORT WEIR(16)  /* unsigned16 */
#define WEIR_OBSERVATION_ROLE WEIR(17) /* unsigned8: enum observation_role (flow/source.h); absent:
                                          unknown */
#define WEIR_ANONYMISATION WEIR(18)  /* string: the policy its addresses went through; absent:
                                        none */
#define WEIR_FLOW_COUNT WEIR(19)     /* unsigned64: flows this record stands for; absent: one */
#define WEIR_DIRECTION WEIR(20)      /* unsigned8: enum flow_direction (flow/batch.h); absent: a
                                        record as it came */
#define WEIR_LIST_TEMPLATES WEIR(21) /* octetArray: what the record's RFC 6313 lists stand on
                                        (flow/structured.h) */
/* NetFlow v9 option scopes (RFC 3954 section 6.1) have numbers of their own: scope type n is
 * WEIR(100 + n). */
#define WEIR_V9_SCOPE(type) WEIR(100 + (type))
/* What NetFlow v7 says and IANA has no number for (wire/netflow_fixed.h); 140 to 199 are for such
 * elements. */
#define WEIR_V7_INVALID_FIELDS WEIR(140)  /* unsigned8 */
#define WEIR_V7_FLAGS WEIR(141)           /* unsigned16 */
#define WEIR_V7_BYPASSED_ROUTER WEIR(142) /* ipv4Address */
/* Keys that a question may use and that no record carries: the address of either family. */
#define WEIR_SRC_IP WEIR(200)        /* ipv6Address, named "srcIP" */
#define WEIR_DST_IP WEIR(201)        /* ipv6Address, named "dstIP" */

/* The element's row, or NULL when no table has it. */
const struct ie *ie_find(uint32_t pen, uint16_t id);
/* By exact name, case-sensitive first, then not; IANA and Weir names win over enterprise ones. Also
 * "e<PEN>.<id>", "ie<id>", and "name#2" for a repeated element. False when nothing has that
 * name. */
bool ie_key_parse(const char *name, size_t length, ie_key *out);
/* The name as `weird records` prints it: the IANA or Weir name, "e<PEN>.<id>" for enterprise
 * elements, "ie<id>" for unknown ones, "#2" appended for a second occurrence. Returns `out`. */
#define IE_NAME_SIZE 80
char *ie_key_print(ie_key key, char out[IE_NAME_SIZE]);

/* Octets of the fixed-width storage of `key` (1, 2, 4, 8 or 16), or 0 when it is stored as octets.
 * A MAC address is its 48-bit number in 8 octets; an unsigned256 is stored as octets. */
uint8_t ie_storage_width(ie_key key);
/* The type values of `key` are stored and printed as: the registry's, strings and lists too, or
 * IE_OCTET_ARRAY for enterprise elements and unknown ones. */
enum ie_type ie_storage_type(ie_key key);
const char *ie_type_name(enum ie_type type); /* "unsigned32" … */

/* Table walk: for (size_t i = 0; i < ie_count(); i++) ie_at(i)… sorted by (pen, id). */
size_t ie_count(void);
const struct ie *ie_at(size_t i);

#endif
