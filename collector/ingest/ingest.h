/* ingest.h - the decoding engine of one thread: a datagram in; records, account and checkpoints
 * out.
 *
 *   datagram ─▶ which protocol? ─▶ header, sequence (sequence.h) ─▶ sets ─▶ templates
 *            ─▶ column moves ─▶ times, counters, sampling, exporter (what every record gets)
 *            ─▶ batch ─▶ tags ─▶ output
 *
 * It owns what belongs to exporters: templates (keyed by exporter address, port, observation domain
 * and id), sequence positions, sampling from options, parked data. It knows no sockets, no disk, no
 * clock: the caller says when a datagram was received, so that a file is read as the network was
 * heard.
 *
 * Threads: one thread an ingest. ingest_configure() may be called by any thread; it takes effect
 * between two batches. */
#ifndef WEIR_COLLECTOR_INGEST_H
#define WEIR_COLLECTOR_INGEST_H

#include "base/wide.h"
#include "flow/account.h"
#include "flow/batch.h"
#include "flow/source.h"

/* A connection (TCP, TLS) is a transport session of its own: templates and sequences of its domains
 * live and die with it (RFC 7011 sections 8.4 and 10.4), whatever comes over UDP from the same
 * address and port. The caller keeps it where it is until ingest_end_transport(). */
struct session;
struct transport {
    struct session *sessions; /* the ingest's; NULL at first */
};

struct datagram {
    const uint8_t *bytes;
    size_t length;
    struct address from;  /* exporter */
    uint16_t port;        /* its source port, host order */
    int64_t received_ms;
    bool untimed; /* that is only when it was read: it says nothing about the exporter's clock */
    struct transport *transport; /* of the connection that a message came through; NULL: UDP,
                                    files */
};

/* Where finished batches go. Exactly one of `full` and `account` may be NULL. The receiver owns
 * both from now on (batch_free(), account_free() and free() of the struct account itself) and
 * returns an empty batch of the kind of `full` to go on with (any when full is NULL: return NULL
 * then). It may wait: that is the back-pressure. NULL for a full batch: no memory; the ingest then
 * drops and counts records.
 *
 * A batch is of one kind: flows and options data that leave together are two takes, and two blocks,
 * committed one after the other: options data first, the account of both with the flows. Killed in
 * between, a collector leaves options data stored that no account has. Their sequence goes on from
 * where it was before them, so that they count as missing: too much is said to be lost, never too
 * little, and of flows what is true. One transaction for both would need a block of two kinds
 * (queries, roll-ups, merging and retention go by the kind of a block), or a pair of blocks as one
 * unit of the spool, of StoreBlock and of what is acknowledged: for the milliseconds between two
 * blocks it is not worth that. */
struct ingest_output {
    struct batch *(*take)(void *context, struct batch *full, struct account *account);
    void *context;
};
/* How a take() ends that is done with both, or wants neither: frees `account`, empties `full` and
 * returns it. Each may be NULL. */
struct batch *ingest_give_back(struct batch *full, struct account *account);

struct heard;
struct ingest_settings {
    uint32_t batch_rows;
    uint32_t exporters_most;    /* sessions remembered; the longest idle leaves first */
    bool known_only;            /* refuse exporters that the knowledge has no device of */
    struct heard *heard;        /* gets every account that is handed on; NULL: nobody asks */
    uint64_t park_octets_most;  /* data sets waiting for templates, octets in all; 0: 16 MiB */
    int64_t park_ms;            /* how long they wait (reception time); 0: 10 minutes */
    int64_t template_ms;        /* over UDP a template that was not repeated for so long is
                                   forgotten; 0: a day, below 0: never */
};

/* What administrators know, compiled: shared by all threads, counted references. */
struct knowledge;
enum weir_status knowledge_new(const struct catalogue_snapshot *snapshot, struct knowledge **out,
                               struct weir_error *error);
struct knowledge *knowledge_ref(struct knowledge *k);
void knowledge_unref(struct knowledge *k);

struct ingest;
struct ingest *ingest_new(const struct ingest_settings *settings,
                          const struct ingest_output *output);
void ingest_free(struct ingest *in); /* does not flush */
void ingest_configure(struct ingest *in, struct knowledge *k); /* takes a reference */
void ingest_resume(struct ingest *in, const struct account_checkpoint *checkpoints, size_t n);

/* Decodes one datagram (or one IPFIX message of a file). Never fails on its bytes: what cannot be
 * decoded is counted in the account. WEIR_EMALFORMED is advice only (no protocol recognised it, for
 * a reader that probes files); WEIR_ENOMEM when records were dropped for memory. */
enum weir_status ingest_datagram(struct ingest *in, const struct datagram *d);
/* Records of a file that has no messages: what the program that received them kept. They are
 * counted as records, and that nothing is known of losses (in every minute), but not as
 * datagrams. */
struct ingest_layout; /* how they lie; remembers the batch, so it belongs to one ingest */
struct wire_spec;     /* wire/template.h */
struct ingest_origin {
    struct address exporter;
    uint32_t domain;
    uint16_t protocol;           /* as in the account; 0 unknown */
    int64_t export_ms;           /* 0: unknown */
    int64_t received_ms;
    bool has_up_time;
    uint32_t up_time_ms;
    struct transport *transport; /* of the file; the caller ends it with ingest_end_transport() */
};
/* NULL: no memory, or not a template (wire_template_new()). */
struct ingest_layout *ingest_layout_new(const struct wire_spec *specs, size_t count);
void ingest_layout_free(struct ingest_layout *layout);
/* Whole records in network byte order. WEIR_ENOMEM when some were dropped for memory. */
enum weir_status ingest_records(struct ingest *in, const struct ingest_origin *from,
                                struct ingest_layout *layout, const uint8_t *bytes, size_t length);
/* One record that is a set of values (wire/values.h); otherwise the same. */
struct wire_values;
enum weir_status ingest_values(struct ingest *in, const struct ingest_origin *from,
                               const struct wire_values *values);
/* The connection is over. Its sessions leave, and data sets that still wait for a template are
 * given up. `complete`: the exporter ended it, between two messages; otherwise what it may still
 * have sent is unknown, and counted so. */
void ingest_end_transport(struct ingest *in, struct transport *t, bool complete);
/* Octets of a connection that no message could be found in: counted as one refused datagram. */
void ingest_refuse_octets(struct ingest *in, const struct address *from, uint16_t port,
                          uint64_t octets, int64_t received_ms);
/* At the socket of this port of ours; the row has the address "::". */
void ingest_kernel_drops(struct ingest *in, uint16_t port, uint64_t datagrams, int64_t received_ms);
/* Suspended: count, do not decode. */
void ingest_suspend(struct ingest *in, bool suspended);
/* Expires parked data; call about once a second of reception time. */
void ingest_tick(struct ingest *in, int64_t now_ms);
/* Nothing more will come (the end of the files, of the process): what was held back, because the
 * next messages would have told what it is, is counted. ingest_flush() then hands it on. */
void ingest_finish(struct ingest *in);
/* Hands on what there is: flow batch, options batch, account and checkpoints (with the last of
 * them; alone when there are no records). Does nothing when there is nothing. */
enum weir_status ingest_flush(struct ingest *in);

struct ingest_stats {
    uint64_t datagrams, records, option_records;
    wide_sum octets, packets; /* of flow records */
    uint64_t missing;     /* net, in the protocols' units together */
    uint64_t undecodable; /* data sets and datagrams that no decoder could read */
    uint32_t exporters, sessions, templates;
    int64_t last_received_ms;
};
void ingest_stats(const struct ingest *in, struct ingest_stats *out); /* its thread only */

/* The first bytes say what it is: 0 when no protocol is recognised, else 1, 5, 7, 9, 10, or 105 for
 * sFlow version 5. */
int ingest_recognise(const uint8_t *bytes, size_t length);

#endif
