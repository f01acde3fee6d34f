/* packets.h - records that are packets: PSAMP (RFC 5476) sends a sampled packet's first octets
 * (dataLinkFrameSection, ipHeaderPacketSection; RFC 5477), and nothing of what a flow record says.
 * The octets are kept as they came; what they show is put beside them, as it is for sFlow, so that
 * such a record is a flow of one packet, with addresses and ports. It counts the octets that its IP
 * header states (of a frame without IP: dataLinkFrameSize, if the record has it).
 *
 * Only records that say none of this themselves are dissected. sectionExportedOctets says how much
 * of a section of fixed length is there. Neighbours: sets.c calls it, lib/wire/dissect.h knows
 * packets. Threads: one. */
#ifndef WEIR_COLLECTOR_PACKETS_H
#define WEIR_COLLECTOR_PACKETS_H

#include "ingest/derive.h"
#include "wire/values.h"

/* WEIR_ELIMIT when the batch could not hold the columns that packets may need. */
enum weir_status packets_bind(struct batch *b);
/* Rows [first, first + rows), filled and derived; what they count is added to `sums`. */
void packets_dissect(const struct known_template *known, const struct derived_columns *derived,
                     struct wire_columns *columns, struct batch *b, uint32_t first, uint32_t rows,
                     struct derived_sums *sums);

#endif
