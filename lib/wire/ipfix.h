/* ipfix.h - IPFIX messages (RFC 7011), all NETWORK BYTE ORDER.
 *
 *   0 version = 10   2 length of the message   4 export time (s)
 *   8 sequence number (data records of this domain sent before)   12 observation domain id
 *
 * Pure functions; any thread. */
#ifndef WEIR_WIRE_IPFIX_H
#define WEIR_WIRE_IPFIX_H

#include "wire/sets.h"

#define IPFIX_HEADER 16u
#define IPFIX_TEMPLATES 2u /* Set ids (RFC 7011 section 3.3.2) */
#define IPFIX_OPTIONS_TEMPLATES 3u

struct ipfix_header {
    uint16_t length;
    uint32_t export_secs;
    uint32_t sequence;
    uint32_t domain;
};

/* Reads the header; the cursor then holds the sets, cut to the message's own length when that is
 * shorter than the datagram. WEIR_ETRUNCATED: not even a header, WEIR_EVERSION, WEIR_EMALFORMED: a
 * length below 16. A length past the end of the datagram is not an error: the sets that are whole
 * can be read. */
enum weir_status ipfix_read_header(struct cursor *datagram, struct ipfix_header *out);
/* wire_template_reader (sets.h), of template sets and of options template sets. */
bool ipfix_read_template(struct cursor *content, struct wire_definition *out);
bool ipfix_read_options_template(struct cursor *content, struct wire_definition *out);

#endif
