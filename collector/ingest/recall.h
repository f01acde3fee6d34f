/* recall.h - templates and samplers over a restart: what was known of UDP exporters' templates, and
 * what their options data said of sampling, so that data sets decode at once when the collector
 * comes back, and have their rates, and not only when all is repeated. (A connection's templates
 * end with it: RFC 7011 section 8.4.)
 *
 * Entries, LITTLE ENDIAN:
 *
 *   exporter (16 octets)   domain u32   source port u16   protocol u16   count u32
 *   each: kind u8   heard last i64 (ms)   length u16   octets
 *
 * Protocol 9 or 10: a session, and its templates. Kind 0 and 1, without and with options; the
 * template record as it came (RFC 3954 sections 5.2 and 6.1, RFC 7011 sections 3.4.1 and 3.4.2).
 * Protocol 0, port 0: an exporter and domain (behind the first of its sessions), and its samplers.
 * Kind: enum sampler_kind (sampling.h); id u64, rate f64.
 *
 * keeper.h puts entries into a file and proves that they are whole; here nothing is trusted either.
 *
 * Threads: the ingest's. */
#ifndef WEIR_COLLECTOR_RECALL_H
#define WEIR_COLLECTOR_RECALL_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "ingest/ingest.h"

struct recalled {
    struct address exporter;
    uint32_t domain, count;
    uint16_t port, protocol;
    struct cursor parts; /* `count` of them, walked */
};

/* The next entry; false at the end, or (in->failed) when it is cut short. */
bool recall_next(struct cursor *in, struct recalled *out);
/* Makes an entry's templates or samplers known, as far as they can be read and are new. */
void recall_entry(struct ingest *in, const struct recalled *r);
/* Grows with every change of what recall_write() would write. */
uint64_t recall_version(const struct ingest *in);
/* Were some repeated since recall_write()? Then only their ages changed. */
bool recall_repeated(const struct ingest *in);
/* Appends all entries; returns how many. */
uint32_t recall_write(struct ingest *in, struct buffer *out);

/* The first message of a session with recalled templates. When its sequence is behind what the
 * collector heard before, the exporter has started anew, and its templates and samplers may mean
 * something else: they are forgotten, and data waits for new ones. */
void recall_confirm(struct ingest *in, struct session *s, uint32_t sequence);

#endif
