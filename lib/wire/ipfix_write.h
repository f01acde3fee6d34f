/* ipfix_write.h - flow records as IPFIX messages (RFC 7011), one after the other as in a file
 * (RFC 5655): what `weird export --format ipfix` writes. Any collector can read it.
 *
 * A record goes out as it came in: its elements in the order of their keys, fixed-width ones BIG
 * ENDIAN in as many octets as they are stored in, octets as variable-length fields (section 7).
 * What is different:
 *   flowStartSysUpTime, flowEndSysUpTime
 *                               say nothing without the router's start, which only NetFlow's
 *                               header has: flowStartMilliseconds and flowEndMilliseconds instead.
 *                               The same where a record has the time of a message to the
 *                               millisecond. A start before 1970, or just then, which these can
 *                               not say, is said by flowDurationMilliseconds
 *   times not believed          (collector/ingest/clock.h) go out as they came: whoever reads the
 *                               file sees what the exporter said
 *   exporterIPv4Address or -IPv6Address   who exported it, when the record does not say
 *   samplingInterval            the rate that it was sampled at, when it is known and a whole
 *                               number, and the record does not say
 *   what IPFIX can not say      Weir's own elements (tags…), and numbers past 32767 that NetFlow v9
 *                               vendors took without an enterprise: left out
 *   times that it can not say   the end of such a flow before 1970, its start when the duration
 *                               can not say it either: left out. Export times before 1970 or past
 *                               2106, of which the header has no seconds: the nearest that it has.
 *                               Such records are counted
 *
 * A message has records of one observation domain and export time; its sequence number counts the
 * domain's records (section 3.1). Messages have at most 1,400 octets, so that they fit datagrams
 * too, unless a single record is longer; a record past 65,000 octets is left out and counted.
 * A template is written in each domain before its first record.
 *
 * Threads: a writer belongs to one thread. */
#ifndef WEIR_WIRE_IPFIX_WRITE_H
#define WEIR_WIRE_IPFIX_WRITE_H

#include "base/buffer.h"
#include "base/status.h"
#include "flow/vector.h"

struct ipfix_writer;
struct ipfix_writer *ipfix_writer_new(void); /* NULL: no memory */
void ipfix_writer_free(struct ipfix_writer *w);

/* Appends the selected rows (NULL: all) of the frame to *out, whole messages. A domain can have
 * 65,280 kinds of records: WEIR_ELIMIT past that. WEIR_ENOMEM. */
enum weir_status ipfix_write(struct ipfix_writer *w, const struct frame *f,
                             const uint64_t *selected, struct buffer *out,
                             struct weir_error *error);

struct ipfix_written {
    uint64_t messages, records, too_long;
    uint64_t times_unsaid; /* records with a time that is left out, or not that of its message */
};
struct ipfix_written ipfix_writer_report(const struct ipfix_writer *w);

#endif
