/* collector.h - the one door of the collector room: exporters in, blocks out.
 *
 *   sockets or files ─▶ ingest (decode, account, tag) ─▶ batches ─▶ blocks ─▶ queue ─▶ sink
 *
 * A collector owns its sockets, threads, exporters, templates and sequences. It has no database:
 * what administrators know comes in as a catalogue_snapshot, flows go out through a sink.
 *
 * Threads: the functions here are called by the main program's threads; collector_update(),
 * collector_outdated() and collector_status() by any thread while it runs, the others by one
 * thread. */
#ifndef WEIR_COLLECTOR_H
#define WEIR_COLLECTOR_H

#include "base/status.h"
#include "base/wide.h"
#include "flow/account.h"
#include "flow/sink.h"
#include "flow/source.h"
#include <stdbool.h>
#include <stdint.h>

struct collector;

/* PEM files. */
struct collector_tls {
    const char *certificate; /* the collector's, its chain after it; NULL: no TLS */
    const char *key;
    const char *client_ca;   /* exporters must show a certificate that this signed; NULL: anyone may
                                connect */
};

struct collector_settings {
    uint8_t id[16];            /* names this collector in every block; random, kept by the caller */
    uint32_t incarnation;      /* grows at every start; block sequences are incarnation << 32 | n */
    uint32_t batch_rows;       /* 0: BATCH_ROWS_DEFAULT */
    bool lasting;              /* blocks are arranged and encoded as compaction would, so that they
                                  need none: slower to make, smaller; worth it with large batches */
    int64_t flush_ms;          /* a batch is handed on at the latest after this; 0: 1000 */
    int64_t receive_buffer;    /* SO_RCVBUF asked for, octets; 0: as much as the kernel gives */
    int zstd_level;            /* 0: 1 */
    const char *spool;         /* directory, or NULL: blocks go straight to the sink */
    int64_t spool_most;        /* octets the spool may take; past it the newest block is refused and
                                  its records counted as spoolDrops; 0: 8 GiB */
    uint32_t exporters_most;   /* exporters remembered; the longest idle leaves first; 0: 65536 */
    bool known_only;           /* datagrams of exporters that the snapshot's devices lack are
                                  refused unread and counted (refusedDatagrams) */
    uint32_t receivers;        /* receiving threads; each exporter (address) has one of them; 0:
                                  1 */
    /* TCP and TLS: see collector_listen(). 0: 4096 connections, 30 minutes of silence. */
    uint32_t connections_most;
    int64_t connection_idle_ms;
    struct collector_tls tls;
    const char *templates;     /* file that keeps the templates of UDP exporters over a restart;
                                  NULL: none. Written while live, and read by collector_start(). */
    int64_t template_ms;       /* over UDP a template that was not repeated for so long is forgotten
                                  (RFC 7011 section 8.4); 0: a day, below 0: never */
};

/* Copies the settings (their strings may go once it has returned, but for the spool's); the sink's
 * context must outlive the collector. Spooled blocks of an earlier run are delivered first.
 * WEIR_ENOMEM. WEIR_EBUSY: another process has the spool; WEIR_EFULL, WEIR_EIO: it can not be used.
 * WEIR_EARGUMENT names the option of tls whose file can not be used. On error *out is untouched. */
enum weir_status collector_new(const struct collector_settings *settings, const struct sink *sink,
                               struct collector **out, struct weir_error *error);
/* Sequence positions of an earlier run, so that what was lost while no one listened is counted;
 * newer ones in the spool win over those given. Before collector_start(). Copies. */
void collector_resume(struct collector *c, const struct account_checkpoint *checkpoints, size_t n);
/* Takes effect between two batches. Copies everything. On error the old snapshot stays in force:
 * WEIR_ENOMEM; WEIR_EEXISTS, WEIR_EARGUMENT of prefix_table_new() (flow/prefix.h); WEIR_ESYNTAX of
 * a filter; and what is wrong with a key's file, as collector_key_make(). collector_status() says
 * so, too, until one succeeds. */
enum weir_status collector_update(struct collector *c, const struct catalogue_snapshot *snapshot,
                                  struct weir_error *error);
/* There is a newer catalogue, and it could not even be read: the same in collector_status(). */
void collector_outdated(struct collector *c, const struct weir_error *why);

/* ---- live ---- */
/* Binds to "ADDRESS:PORT" ("[::1]:2055", "*:2055"; port 0 picks one that is free for all that is
 * asked) and writes the port bound, host order. `how`: a sum of enum collector_transport. Before
 * collector_start().
 * UDP: every protocol is told apart by its first bytes on any port. TCP and TLS carry IPFIX (RFC
 * 7011 sections 10.4 and 11). A connection ends when it sends something else, when a message or a
 * TLS handshake is not whole in time, or after a long silence. TLS needs settings.tls:
 * WEIR_EARGUMENT without. WEIR_ESYNTAX: `where` says nothing. WEIR_EBUSY (in use), WEIR_EDENIED,
 * WEIR_EIO. */
enum collector_transport { COLLECTOR_UDP = 1, COLLECTOR_TCP = 2, COLLECTOR_TLS = 4 };
enum weir_status collector_listen(struct collector *c, unsigned how, const char *where,
                                  uint16_t *port, struct weir_error *error);
/* Whether collector_listen() would understand `where`, and whether the files of `tls` can be used;
 * nothing is bound. Either may be NULL. WEIR_ESYNTAX, WEIR_EARGUMENT. */
enum weir_status collector_check(const char *where, const struct collector_tls *tls,
                                 struct weir_error *error);
enum weir_status collector_start(struct collector *c, struct weir_error *error);
/* Ends the threads, hands on every batch and waits for the sink to take all blocks (at most
 * `patience_ms`; what then remains stays in the spool, or is WEIR_EUNAVAILABLE without one). */
enum weir_status collector_stop(struct collector *c, int64_t patience_ms, struct weir_error *error);
void collector_free(struct collector *c);

/* While suspended, datagrams are received and counted as datagrams, but not decoded. */
void collector_suspend(struct collector *c, bool suspended);

struct collector_status {
    bool running, suspended;
    int64_t started_ms;
    uint32_t exporters, sessions, templates, connections;
    uint64_t datagrams, records, option_records, blocks, block_octets;
    uint64_t queued_blocks, spooled_blocks, spooled_octets;
    uint64_t kernel_drops;
    int64_t last_datagram_ms;  /* reception; 0: none yet */
    char last_error[256];      /* of the sink; "" while it takes blocks */
    char catalogue_error[1024]; /* why an older catalogue is in force; "" while it is the newest */
};
void collector_status(struct collector *c, struct collector_status *out);

/* Who was heard since it started (and, with zero counts, whom an earlier run heard): one row an
 * exporter, domain and protocol, sorted by these, at most 65,537. Rows about a socket, and the sums
 * of exporters that were the longest idle when there were more, have the address "::". Refused
 * exporters have domain and protocol 0. */
struct heard_exporter {
    struct address exporter;
    uint32_t domain;
    uint16_t protocol;
    int64_t last_heard_ms; /* export time, or reception where there is none */
    struct account_counts counts;
};
/* The caller frees *out with free(). WEIR_ENOMEM. */
enum weir_status collector_heard(struct collector *c, struct heard_exporter **out, size_t *count);

/* Makes sure that the named key of anonymisation is in `folder` and usable: made of random octets
 * in a file of mode 0600 when it is not there. To be called before a policy with it is stored.
 * WEIR_EARGUMENT, WEIR_EDENIED (others may read it), WEIR_EMALFORMED, WEIR_EIO, WEIR_EFULL; field
 * "key". Needs no collector; any thread. */
enum weir_status collector_key_make(const char *folder, const char *name, struct weir_error *error);

/* ---- from files, as fast as it goes; instead of collector_start() ---- */
struct import_report {
    uint64_t datagrams, records, options, missing, undecodable;
    wide_sum octets, packets; /* exact, whatever the counters of the records say */
    uint32_t files_refused; /* left out, because they can not be read as anything */
};
typedef void (*import_progress)(void *context, uint64_t octets_done, uint64_t octets_all,
                                uint64_t records);
/* Each path: a pcap or pcapng of export datagrams (each source address an exporter; any UDP payload
 * that looks like an export protocol counts), a folder of raw datagrams (read in name order) or one
 * raw datagram, an IPFIX file (RFC 5655), a file of flow-tools, or one of nfcapd (through the
 * program nfdump); told apart by content. Ends with everything in the sink and
 * the delivery threads ended: the collector can only be freed then. A path that is not there is
 * WEIR_ENOTFOUND, before anything is read. A file that cannot be read as any of these is left out
 * and counted; all others are stored, and then the result is WEIR_EMALFORMED (or what else was
 * wrong with the first such file), naming it and what it should be; further ones are named in the
 * log.
 *
 * Files are read in the order given (folders: in name order), and sequence numbers tell loss only
 * in the order in which messages were sent: captures that overlap in time at the same exporter must
 * be merged by time before. `progress` may be NULL. */
enum weir_status collector_import(struct collector *c, const char *const *paths, size_t n,
                                  import_progress progress, void *context,
                                  struct import_report *report, struct weir_error *error);

#endif
