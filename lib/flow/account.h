/* account.h - what was received, lost and sampled: the reason why a number can be trusted.
 *
 * One row counts one exporter (address), transport session (source port), protocol, observation
 * domain and minute of EXPORT time (of reception where a message has none). The collector counts,
 * a block carries the counts made since the block before it, the DB component adds them up in the
 * block's own transaction: account and records can not disagree.
 *
 * Counters only grow. A gap is counted as missing when it is seen; what of it arrives later, within
 * the memory the session keeps, is counted as recovered. So at any moment
 *     missing now = missing - recovered   in records (v5, v7, IPFIX) and in datagrams (v9, sFlow);
 *                                         in the other of the two where an exporter counts that
 * sFlow numbers its samples as well, of each data source apart: missing_samples counts flow samples
 * that are lost with datagrams or were lost before one was made: other units of the same loss.
 * What no protocol can tell is never a zero: `unknown_gaps` counts the places where an unknowable
 * amount may be lost (a restart, a sequence that jumped past reason), and everything after
 * `last_heard_ms` is unknown by nature.
 *
 * Rows about a socket of the collector rather than an exporter (kernel drops) have the address "::"
 * (all zero), and the socket's own port. */
#ifndef WEIR_FLOW_ACCOUNT_H
#define WEIR_FLOW_ACCOUNT_H

#include "base/address.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/status.h"

/* One row a counter: name in C and SQL, name in services and JSON, help for /metrics. The block's
 * bytes, the statements of the store, the services and the client are made from this list; append,
 * never reorder: the order is the storage order in blocks. Two contracts have it once more, because
 * they are read without Weir: schemas/xsd/weir-types.xsd (a test compares) and, as columns of table
 * account, schemas/sql (statements with a column that is not there fail at once). */
#define ACCOUNT_COUNTERS(X)                                                                        \
    X(datagrams, datagrams, "export datagrams received")                                           \
    X(wire_octets, wireOctets, "octets of those datagrams")                                        \
    X(records, records, "flow records decoded and kept")                                           \
    X(option_records, optionRecords, "records of options templates decoded and kept")              \
    X(missing_records, missingRecords,                                                             \
      "records that sequence numbers show as missing (v5, v7, IPFIX)")                             \
    X(recovered_records, recoveredRecords, "of those, records that arrived late")                  \
    X(missing_datagrams, missingDatagrams,                                                         \
      "datagrams that sequence numbers show as missing (v9, sFlow)")                               \
    X(recovered_datagrams, recoveredDatagrams, "of those, datagrams that arrived late")            \
    X(reordered, reordered, "datagrams that arrived after a later one")                            \
    X(duplicates, duplicates, "datagrams that arrived again and were dropped")                     \
    X(restarts, restarts, "times the exporter started its sequence anew")                          \
    X(unknown_gaps, unknownGaps, "places where an unknowable amount may be lost")                  \
    X(no_template_sets, noTemplateSets, "data sets that came before their template")               \
    X(parked_sets, parkedSets, "of those, sets kept until the template comes")                     \
    X(unparked_sets, unparkedSets, "parked sets that were decoded later")                          \
    X(expired_sets, expiredSets, "data sets given up because no template came")                    \
    X(undecodable_octets, undecodableOctets, "octets that no decoder could read")                  \
    X(undecodable_datagrams, undecodableDatagrams, "datagrams refused as a whole")                 \
    X(kernel_drops, kernelDrops,                                                                   \
      "datagrams lost at a socket of ours: its buffer was full, or the port was being opened")     \
    X(spool_drops, spoolDrops, "records given up because the spool was full")                      \
    X(deselected_records, deselectedRecords, "of the records, those that a flow type dropped")     \
    X(refused_datagrams, refusedDatagrams, "datagrams of undescribed exporters, refused unread")   \
    X(missing_samples, missingSamples,                                                             \
      "packet samples that sequence numbers show as missing (sFlow)")                              \
    X(recovered_samples, recoveredSamples, "of those, samples that arrived late")                  \
    X(dropped_samples, droppedSamples,                                                             \
      "samples that the agent says it dropped for lack of resources (sFlow)")                      \
    X(other_samples, otherSamples,                                                                 \
      "samples that are no flow records: interface counters, discarded packets (sFlow)")           \
    X(undecoded_lists, undecodedLists,                                                             \
      "RFC 6313 lists kept as octets: malformed, or on a template that is not known")              \
    X(reported_messages, reportedMessages, "messages that exporters say they sent (IE 41)")        \
    X(reported_records, reportedRecords, "flow records that exporters say they sent (IE 42)")      \
    X(compared_messages, comparedMessages,                                                         \
      "of those, messages that were received, or are known to be missing")                         \
    X(compared_records, comparedRecords,                                                           \
      "of those, records that were received, or are known to be missing (v9: received)")           \
    X(unsent_records, unsentRecords,                                                               \
      "flow records that exporters say they could not send (IE 165)")                              \
    X(ignored_packets, ignoredPackets,                                                             \
      "packets that exporters say they did not meter (IE 164)")                                    \
    X(dropped_records, droppedRecords,                                                             \
      "records received and given up for lack of memory, or of room for their elements")          \
    X(undated_records, undatedRecords,                                                             \
      "of the records, those placed at their reception: their exporter's clock is wrong")

struct account_counts {
#define ACCOUNT_FIELD(name, text, help) uint64_t name;
    ACCOUNT_COUNTERS(ACCOUNT_FIELD)
#undef ACCOUNT_FIELD
};
#define ACCOUNT_COUNTER_COUNT (sizeof(struct account_counts) / sizeof(uint64_t))

struct account_key {
    struct address exporter;
    uint32_t domain;
    uint16_t port;     /* source port of the transport session, host order */
    uint16_t protocol; /* 1 5 7 8 9 10 for NetFlow/IPFIX, 105 sFlow v5, 0 unknown */
    int64_t minute_ms;
};

struct account_row {
    struct account_key key;
    int64_t first_heard_ms; /* export times, within the minute */
    int64_t last_heard_ms;
    struct account_counts counts;
};

/* Where a session's sequence stands: what a collector needs to know after it was killed. The newest
 * checkpoint of a session (by block order) wins. */
struct account_checkpoint {
    struct address exporter;
    uint32_t domain;
    uint16_t port;
    uint16_t protocol;
    uint32_t next_sequence;  /* the sequence number expected next, in the protocol's unit; less
                                what no account has yet and a kill would lose */
    uint32_t sys_up_time_ms; /* of the last message; 0 for IPFIX */
    int64_t export_ms;       /* of the last message */
};

struct account {
    struct account_row *rows;
    size_t row_count;
    struct account_checkpoint *checkpoints;
    size_t checkpoint_count;
};

struct counter_name {
    const char *name; /* camelCase, as services show it */
    const char *help;
};
extern const struct counter_name account_counter_names[ACCOUNT_COUNTER_COUNT];
static inline uint64_t *account_counter(struct account_counts *c, size_t i)
{
    return (uint64_t *)(void *)c + i;
}

void account_counts_add(struct account_counts *to, const struct account_counts *from);

/* ---- counting, at the collector: rows made on first use ---- */
struct account_book;
struct account_book *account_book_new(void);
void account_book_free(struct account_book *book);
/* The row to count in, made if need be; valid until account_book_take() or the next
 * account_book_row(). NULL when memory ends. Nothing is refused for being too much, or it would be
 * lost; the caller takes the rows soon after account_book_full(), which bounds them. */
struct account_row *account_book_row(struct account_book *book, const struct account_key *key);
bool account_book_full(const struct account_book *book); /* 1<<14 rows or more */
bool account_book_empty(const struct account_book *book);
/* Moves all rows out and leaves the book empty. The caller frees with account_free(). */
enum weir_status account_book_take(struct account_book *book, struct account *out);
void account_free(struct account *a);

/* ---- as bytes, inside a block; layout in schemas/block-format.md ---- */
void account_write(struct buffer *out, const struct account *a);
/* Fills *out (caller frees). WEIR_EMALFORMED / WEIR_ETRUNCATED: *out is empty. Unknown counters of
 * a newer writer are an error, missing ones (older writer) read as zero. */
enum weir_status account_read(struct cursor *in, struct account *out, struct weir_error *error);

#endif
