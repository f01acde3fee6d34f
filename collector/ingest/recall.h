/* recall.h - templates over a restart: what was known of UDP exporters' templates, as octets, so
 * that data sets decode at once when the collector comes back and not only when templates are
 * repeated. (A connection's templates end with it: RFC 7011 section 8.4.)
 *
 * One entry a session, LITTLE ENDIAN:
 *
 *   exporter (16 octets)   domain u32   source port u16   protocol u16 (9 or 10)   templates u32
 *   each: options u8 (0, 1)   heard last i64 (ms)   length u16   the template record as it came
 *   (RFC 3954
 *         sections 5.2 and 6.1, RFC 7011 sections 3.4.1 and 3.4.2)
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
    struct cursor templates; /* `count` of them, walked */
};

/* The next entry; false at the end, or (in->failed) when it is cut short. */
bool recall_next(struct cursor *in, struct recalled *out);
/* Makes an entry's templates known, as far as they can be read and are new. */
void recall_templates(struct ingest *in, const struct recalled *r);
/* Grows with every change of what recall_write() would write. */
uint64_t recall_version(const struct ingest *in);
/* Were templates repeated since recall_write()? Then only their ages changed. */
bool recall_repeated(const struct ingest *in);
/* Appends all entries; returns how many. */
uint32_t recall_write(struct ingest *in, struct buffer *out);

/* The first message of a session with recalled templates. When its sequence is behind what the
 * collector heard before, the exporter has started anew, and its templates may mean something else:
 * they are forgotten, and data waits for new ones. */
void recall_confirm(struct ingest *in, struct session *s, uint32_t sequence);

#endif
