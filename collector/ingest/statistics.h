/* statistics.h - what an exporter says of its own work, in options data (RFC 7011 section 4;
 * NetFlow v9's counters of the same numbers): beside what was heard it tells about loss that
 * sequence numbers do not show, before a datagram was made or after the last one heard.
 *
 *   41 exportedMessageTotalCount, 42 exportedFlowRecordTotalCount   set beside what was heard
 *   165 notSentFlowTotalCount                                       lost in the exporter
 *   164 ignoredPacketTotalCount                                     never metered
 *
 * They are totals since the exporter started, and the collector may have come later: so the first
 * statement is where counting begins, and each later one adds what it grew by. A total that went
 * back began anew. Beside the growth of 41 and 42 goes what this session heard between the same two
 * statements: messages and flow records received, and those that are missing where the protocol
 * counts them (messages: NetFlow v9; records: IPFIX). Both statements are inside messages, so the
 * two may differ by those that were under way. 41 and 42 are read where the record is about the
 * exporting or metering process, the exporter or the observation domain, not a part of it. An
 * exporter that adds up several observation domains says more than one domain is compared with.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_STATISTICS_H
#define WEIR_COLLECTOR_STATISTICS_H

#include "flow/account.h"
#include "wire/template.h"

enum statistic { STATED_MESSAGES, STATED_RECORDS, STATED_UNSENT, STATED_IGNORED, STATISTICS_COUNT };
#define STATISTICS_SERIES_MOST 8u /* scopes of one session; further ones are not followed */

struct statistics_plan {
    int16_t field[STATISTICS_COUNT]; /* index in the template, or -1 */
    bool says_any;
};

/* What was heard of a session, or is known to be missing. */
struct heard {
    uint64_t messages, records;
};
struct statistics; /* what a session's exporter stated last; NULL: nothing yet */

void statistics_plan_make(struct statistics_plan *plan, const struct wire_template *t);
/* Learns from rows of options records, filled and bound, and counts in `counts`. Without memory it
 * learns nothing. *memory grows by the octets it took. */
void statistics_learn(struct statistics **known, const struct statistics_plan *plan,
                      const struct wire_template *t, struct batch *b, uint32_t first, uint32_t rows,
                      const struct heard *heard, struct account_counts *counts, int64_t *memory);
void statistics_free(struct statistics **known, int64_t *memory);

#endif
