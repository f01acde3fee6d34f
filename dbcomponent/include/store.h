/* store.h - the one door of the DB component: append a block, ask totals, keep the catalogue, prove
 * it.
 *
 * Nothing of the engine behind it shows here: SQLite today (dbcomponent/store), a distributed
 * engine later. Everything a call changes is changed in one transaction or not at all.
 *
 * Threads: a struct store may be used by any number of threads at once. Writers queue for each
 * other; readers never wait for writers and each sees one consistent state. */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include "base/address.h"
#include "base/buffer.h"
#include "base/status.h"
#include "base/time.h"
#include "flow/account.h"
#include "flow/source.h"
#include "flow/vector.h"
#include "ie/ie.h"
#include <stdbool.h>

struct store;

enum store_mode { STORE_CREATE, STORE_READ_ONLY, STORE_WRITE /* creates nothing */ };
/* Opens (and creates, migrates) the store in directory `data`: one file, weir.db.
 * WEIR_ENOTFOUND, of modes that create nothing: there is no file, or nothing in it.
 * WEIR_EVERSION: the file is of a newer Weir, of one from before the first release, or (read only)
 * of an older one. WEIR_ECORRUPT, WEIR_EIO, WEIR_EDENIED name the file. Every message says what is
 * wrong with which file, and what to do.
 *
 * A file that something else makes shorter while it is open: the first call that misses octets, and
 * every one after it until the store is opened anew, returns WEIR_EIO and says so; nothing is
 * written to the file any more, not at store_close() either. Octets that the disk does not give:
 * WEIR_EIO of the calls that want them, with the block where they are of one. */
enum weir_status store_open(const char *data, enum store_mode mode, struct store **out,
                            struct weir_error *error);
void store_close(struct store *s);
/* Closes a store that nobody will write to for a while, and makes its file as small as it can be:
 * one of a megabyte or less shrinks to a third or a tenth, if nobody else has it open and there
 * is room for a second one beside it; else it stays as it is. Who opens it to write undoes that,
 * in some milliseconds; can be killed at any moment. Octets of the file, 0: it can not be looked
 * at. */
uint64_t store_put_away(struct store *s);

/* Scans are a sixth faster when the store's file is mapped into memory. But a mapped file that
 * something else makes shorter, or whose disk fails, is a SIGBUS to the thread that reads it, and
 * signals are the program's: so nothing is mapped until the program says that it has a handler,
 *
 *     static void on_bus_error(int signal, siginfo_t *info, void *unused)
 *     {
 *         if (info->si_code > 0 && store_fault(info->si_addr))
 *             return;
 *         … what the program does without a store …
 *     }
 *
 * (sigaction(), SA_SIGINFO; no thread that uses a store may block SIGBUS). Readers made later map.
 * Any thread. Of a program that says nothing the log's index alone is mapped (weir.db-shm: SQLite
 * has no other way); whoever shortens that one ends it. */
void store_may_map(bool may);
/* For that handler, in any thread; async-signal-safe. True: the address is one of a mapped file of
 * a store; zeros are there now, the thread can go on, and the call of store.h that it is in returns
 * WEIR_EIO. False: it is not. */
bool store_fault(const void *address);

/* Random identity made with the file, and a counter that grows with every call: for block ids. */
enum weir_status store_incarnation(struct store *s, uint8_t id[16], uint32_t *incarnation,
                                   struct weir_error *error);

/* ---- flows ---- */
enum store_outcome { STORE_STORED, STORE_KNOWN /* this (collector, sequence) is here already */ };
/* Checks the block whole, then stores its columns, adds its roll-ups, account and checkpoints in
 * one transaction. When it returns WEIR_OK the block survives kill -9 and power loss.
 * WEIR_EFULL: no space, nothing changed, try again later. WEIR_EEXISTS: another block of the same
 * name is here; WEIR_EMALFORMED…: not a block, or of version 3, which is slow to check and made by
 * compaction alone; both are refused for good. */
enum weir_status store_append(struct store *s, const uint8_t *block, size_t length,
                              enum store_outcome *outcome, struct weir_error *error);
/* The same for a block that this process has just encoded itself, a third cheaper: every checksum,
 * and the columns that roll-ups read, are checked; that the other columns decode is taken on trust
 * (whoever reads them checks it, as always). Never for octets that came from outside. */
enum weir_status store_append_own(struct store *s, const uint8_t *block, size_t length,
                                  enum store_outcome *outcome, struct weir_error *error);
/* Newest checkpoint of every session, those told last at the end, for collector_resume(); the
 * caller frees *out with free(). Upkeep forgets those of sessions that were not heard for long: of
 * each collector the 65,536 heard last are kept, and those that the same block told. */
enum weir_status store_checkpoints(struct store *s, const uint8_t collector[16],
                                   struct account_checkpoint **out, size_t *count,
                                   struct weir_error *error);

/* How much of a long call is done, 0 <= done <= all; what they count is the call's own matter. From
 * the calling thread. Wherever one is taken it may be NULL. */
typedef void (*store_progress)(void *context, uint64_t done, uint64_t all);

/* ---- questions ---- */
enum measure { MEASURE_OCTETS, MEASURE_PACKETS, MEASURE_FLOWS };
/* AUTO: roll-ups where they answer exactly; where only the interval's ends are not whole minutes,
 * roll-ups for the whole minutes between and blocks for the rest; else blocks. */
enum answer_source { SOURCE_AUTO, SOURCE_ROLLUP, SOURCE_BLOCKS };
/* Where a flow's octets and packets go.
 *   END           all to the bin that contains its end, and only flows that end in the interval
 *   PROPORTIONAL  evenly over the milliseconds from its start to its end, both included: of a flow
 *                 of n octets and d milliseconds, floor(n * t / d) lie in its first t. So shares
 *                 are whole numbers, those of adjoining bins and intervals add up to n exactly, and
 *                 flows that reach into the interval from either side bring their share. The flow
 *                 itself is counted where it ends; an answer's row may have octets and no flow.
 *                 Flow starts are in blocks only. A start that is absent or past the end is the
 *                 end. */
enum spread { SPREAD_END, SPREAD_PROPORTIONAL };

struct totals_request {
    const char *const *by;  /* keys, at most TOTALS_KEYS_MOST: element names; srcTag, dstTag,
                               exporter, domain, srcIP, dstIP; srcPort, dstPort, srcAS, dstAS,
                               proto, tos; "NAME/LEN" for prefixes of addresses (of srcIP, dstIP,
                               exporter: LEN bits of each family's own address).
                               srcIP is the IPv4 address, as mapped, unless that is 0.0.0.0 beside
                               an IPv6 one */
    size_t by_count;        /* 0 without step_ms: one row, the sum, be it zero. Else rows are those
                               that some record made: a key or a bin without traffic has none */
    const char *filter;     /* flow/filter.h; NULL or "": all */
    struct interval when;   /* by flow end; from < to */
    int64_t step_ms;        /* > 0: one row per key and time bin, bins aligned to when.from_ms;
                               at most 100,000 bins */
    uint32_t top;           /* 0: all rows (at most TOTALS_ROWS_MOST) */
    enum measure order;     /* of the raw counts, descending; ties by keys ascending (absent last),
                               so answers are reproducible. With step_ms, `top` keeps the largest
                               rows of all bins, and rows come by bin, then by order */
    enum answer_source source;
    enum spread spread;
    uint32_t percentile;    /* 1–100, with step_ms: totals.percentiles too; 0: none */
    uint32_t series;        /* with step_ms: only rows and percentiles of so many combinations of
                               keys, those with most of `order` in all bins together (ties by keys);
                               0: all. `top` then cuts these */
    int64_t deadline_ms;    /* answer or WEIR_ECANCELLED within this; 0: no deadline */
    uint64_t memory_most;   /* octets for groups; 0: 1 GiB. Past it groups are put aside in a
                               temporary file (TMPDIR, /var/tmp); what has to be in memory, the rows
                               of the answer and texts and IPv6 addresses among keys, is
                               WEIR_ELIMIT, field "memory". No room on disk: WEIR_EFULL */
    uint32_t threads;       /* scan threads; 0 or 1: one */
    bool once;              /* only flows metered at edge-in points: each flow that crossed the
                               network once, however many devices saw it (flow/selection.h) */
    /* Asked now and then, from any scan thread: does nobody want the answer any more? Then
     * WEIR_ECANCELLED. NULL: somebody does. */
    bool (*unwanted)(void *context);
    void *unwanted_context;
};
#define TOTALS_KEYS_MOST 8
#define TOTALS_ROWS_MOST 10000000u

/* A sum that would pass 2^64 - 1 is 2^64 - 1, whether blocks or roll-ups answer. */
struct counts {
    uint64_t octets, packets;
    uint64_t flows; /* exported records; an aggregated one counts as those it was made of */
};

/* One key value: as a column stores it. `length` 0 and `absent`: the records lack the element. */
struct key_value {
    bool absent;
    uint8_t width;         /* 1, 2, 4, 8: number; 16: octets; 0: text, octets in `text` */
    uint64_t number;
    uint8_t octets[16];
    struct octets_value {
        const uint8_t *bytes;
        uint32_t length;
    } text;
};

struct totals_key {
    ie_key key;
    uint8_t type;          /* enum ie_type */
    int16_t prefix_length; /* -1: none */
    const char *name;      /* as asked */
};

struct totals_row {
    const struct key_value *keys; /* by_count of them */
    int64_t bin_ms;               /* start of the time bin; when.from_ms without step */
    struct counts raw;            /* as exported */
    struct counts estimated;      /* times the sampling rate where it is known; unknown counts
                                     raw */
};

/* The percentile of the series of one combination of keys, by the nearest rank: of the values of
 * all bins between from and to in ascending order, bins without traffic (zero) and a last bin that
 * is shorter included, the ceil(percentile / 100 * bins)th. Each measure, raw and estimated, on its
 * own. */
struct totals_percentile {
    const struct key_value *keys; /* by_count of them */
    struct counts raw, estimated;
};

/* What the answer covers, what was lost on the way, how it was sampled (design: the account). */
enum loss_state { LOSS_COMPLETE, LOSS_LOSSY, LOSS_UNKNOWN };
#define COVERAGE_MOST 16384 /* rows with an exporter's name in an answer */
struct coverage_row { /* one exporter, domain and protocol heard in the interval; those heard first
                         in it have a row each, the others (past COVERAGE_MOST) one a protocol with
                         the address ::, domain 0 */
    struct address exporter;
    uint32_t domain;
    uint16_t protocol;
    int64_t first_heard_ms, last_heard_ms;
    uint64_t minutes;       /* minutes of the interval with at least one datagram */
    struct account_counts counts;
    uint64_t missing;       /* net: missing minus recovered, in `unit` */
    const char *unit;       /* "records" or "datagrams" */
    enum loss_state state;
};
struct answer_account {
    struct interval when;
    struct coverage_row *coverage; /* sorted by exporter, domain, protocol */
    size_t coverage_count;
    struct account_counts counts; /* sums */
    uint64_t missing_records, missing_datagrams; /* net */
    /* Per cent of what was sent, over exporters that count records; -1 when it can not be told. */
    double missing_records_percent;
    enum loss_state state;        /* worst of the rows; LOSS_UNKNOWN when nothing was heard at
                                     all */
    int64_t known_until_ms;       /* least last_heard of the exporters: loss after it is unknown
                                     (earlier than that for those without a row). None heard:
                                     when.from_ms, or 0 when that is INT64_MIN */
    struct counts raw, estimated; /* of the records that answer the question */
    struct counts unknown_rate;   /* of raw: records whose sampling rate is unknown */
    const char *policy;           /* of anonymisation, of the records that answer: "none", one, or a
                                     list ("crypto-pan; none") */
    const char *source;           /* "rollup", "blocks", or "rollup+blocks" */
    uint64_t blocks, blocks_skipped, rows_scanned;
};

struct totals {
    struct totals_key keys[TOTALS_KEYS_MOST];
    size_t key_count;
    struct totals_row *rows;
    size_t row_count;
    uint64_t groups;            /* before `top` and `series` cut */
    /* When asked for, one a combination of keys, by `order` descending; at most `top`. */
    struct totals_percentile *percentiles;
    size_t percentile_count;
    struct answer_account account;
    uint64_t elapsed_us, cpu_us;
    void *memory;               /* owns everything above */
};

/* On error *out is empty. WEIR_EARGUMENT and WEIR_ESYNTAX name the field (by, filter, from, step,
 * top…). SOURCE_ROLLUP when roll-ups can not answer exactly: WEIR_EARGUMENT says which key or
 * filter is why. */
enum weir_status store_totals(struct store *s, const struct totals_request *request,
                              struct totals *out, struct weir_error *error);
void totals_free(struct totals *t);

/* The account alone. */
struct account_answer {
    struct answer_account account;
    void *memory;
};
enum weir_status store_account(struct store *s, struct interval when, struct account_answer *out,
                               struct weir_error *error);
void account_answer_free(struct account_answer *a);

/* Every stored record that matches, in block order, as one JSON object a line:
 *   {"type":"flow","sourceIPv4Address":"…",…,"_tid":260,
 *    "_hdr":{"exportTime":…,"observationDomainId":…},
 *    "_weir":{"exporter":"…","domain":…,"flowStart":…,"flowEnd":…,"srcTag":…,…}}
 * `line` gets each with its newline; a result other than WEIR_OK ends the walk and is returned. */
typedef enum weir_status (*store_line)(void *context, const char *text, size_t length);
enum weir_status store_records(struct store *s, const char *filter, struct interval when,
                               store_line line, store_progress progress, void *context,
                               struct weir_error *error);

/* Stored flow records as columns, block by block, in the order they were stored: for exports. One
 * consistent state from begin to end. A result other than WEIR_OK of either function ends the walk
 * and is returned. */
struct scan_request {
    const char *filter; /* NULL or "": all */
    struct interval when; /* by flow end */
    /* Before any rows: every element that a block which may match has, sorted, Weir's own too;
     * valid to the end of the walk. NULL: not wanted (and not looked for). */
    enum weir_status (*begin)(void *context, const ie_key *keys, size_t count);
    /* `count` > 0 rows of the frame are selected (bits). The frame has all columns of the block,
     * and is valid until this returns. */
    enum weir_status (*rows)(void *context, const struct frame *frame, const uint64_t *selected,
                             uint32_t count);
    store_progress progress;
    void *context;
};
enum weir_status store_scan(struct store *s, const struct scan_request *request,
                            struct weir_error *error);

/* ---- names: what exporters call things, as their options data say ----
 * Interfaces by ingress- or egressInterface (NetFlow v9: the Interface scope), VRFs by VRF id,
 * applications by applicationId (RFC 6759: one octet engine, then the selector), samplers by
 * samplerId or selectorId. Of what was told several times the last word counts. */
enum name_kind { NAME_INTERFACE, NAME_VRF, NAME_APPLICATION, NAME_SAMPLER, NAME_KIND_COUNT };
struct name_entry {
    struct address exporter;
    uint32_t domain;
    enum name_kind kind;
    uint64_t number;         /* of octets: in network order, the last eight */
    uint32_t octets;         /* how many the number had, when it came as octets; else 0 */
    const char *name;        /* without trailing NULs, at most 1024 octets, any octets but NUL */
    const char *description; /* likewise; "" when there is none */
    int64_t told_ms;         /* export time of the last word */
    int64_t first_told_ms;   /* of the first one of those that are stored, whatever it was */
    ie_key element;          /* of which the name is the value: IANA(82), interfaceName */
};
struct names {
    const struct name_entry *list; /* by exporter, domain, kind, number */
    size_t count;
    void *memory;
};
/* From options data whose time (flow end, else export time) lies in the interval. */
enum weir_status store_names(struct store *s, struct interval when, struct names *out,
                             struct weir_error *error);
void names_free(struct names *n);

/* ---- catalogue: every change is one transaction, audited with who and when ---- */
struct tag {
    uint32_t id;            /* not 0 */
    const char *name;       /* 1–63 of A–Z a–z 0–9 . _ - */
    const struct prefix *prefixes;
    size_t prefix_count;
    const uint32_t *ases;
    size_t as_count;
};
struct device_entry {
    struct address address;
    const char *name;
    const char *description;
    double sampling_rate;   /* 0: not configured */
};
struct db_entry {
    const char *url;        /* http://host:port/db */
    const char *name;
};
/* Adding one that exists replaces nothing: WEIR_EEXISTS. Deleting what is not there:
 * WEIR_ENOTFOUND. `who` is kept for the audit. */
enum weir_status store_tag_add(struct store *s, const struct tag *tag, const char *who,
                               struct weir_error *error);
enum weir_status store_tag_delete(struct store *s, uint32_t id, const char *who,
                                  struct weir_error *error);
enum weir_status store_device_add(struct store *s, const struct device_entry *device,
                                  const char *who, struct weir_error *error);
enum weir_status store_device_delete(struct store *s, const struct address *address,
                                     const char *who, struct weir_error *error);
enum weir_status store_db_add(struct store *s, const struct db_entry *db, const char *who,
                              struct weir_error *error);
enum weir_status store_db_delete(struct store *s, const char *url, const char *who,
                                 struct weir_error *error);

/* Selection and privacy (flow/selection.h says what they mean and what is checked). A flow type's
 * priority and name are its own: WEIR_EEXISTS, field "priority" or "name". A filter that names a
 * tag which is not there: WEIR_ESYNTAX. */
enum weir_status store_flow_type_add(struct store *s, const struct flow_type *type, const char *who,
                                     struct weir_error *error);
enum weir_status store_flow_type_delete(struct store *s, const char *name, const char *who,
                                        struct weir_error *error);
enum weir_status store_domain_add(struct store *s, const struct observation_domain *domain,
                                  const char *who, struct weir_error *error);
/* WEIR_EEXISTS while it has points or a policy: delete those first, knowingly. */
enum weir_status store_domain_delete(struct store *s, const struct address *device, uint32_t domain,
                                     const char *who, struct weir_error *error);
/* Points and policies belong to a domain that was added: else WEIR_ENOTFOUND, field "domain". */
enum weir_status store_point_add(struct store *s, const struct observation_point *point,
                                 const char *who, struct weir_error *error);
enum weir_status store_point_delete(struct store *s, const struct address *device, uint32_t domain,
                                    uint32_t interface, const char *who, struct weir_error *error);
/* Replaces the policy of the same scope, so that there is no moment without one. Only one of
 * POLICY_DOMAIN wants its domain to be there. WEIR_EARGUMENT: policy_scope_check(). */
enum weir_status store_policy_set(struct store *s, const struct domain_policy *policy,
                                  const char *who, struct weir_error *error);
/* The one of this scope, device and domain; how it anonymises does not matter. */
enum weir_status store_policy_delete(struct store *s, const struct domain_policy *which,
                                     const char *who, struct weir_error *error);

/* All of it, consistent, sorted by id, address, url, priority, device and domain. Arrays live until
 * catalogue_free(). */
struct catalogue {
    const struct tag *tags;
    size_t tag_count;
    const struct device_entry *devices;
    size_t device_count;
    const struct db_entry *dbs;
    size_t db_count;
    const struct observation_domain *domains;
    size_t domain_count;
    /* The same as the collector wants it; flow types, points and policies are in here only. */
    struct catalogue_snapshot snapshot;
    void *memory;
};
enum weir_status store_catalogue(struct store *s, struct catalogue *out, struct weir_error *error);
void catalogue_free(struct catalogue *c);

/* ---- upkeep ---- */
struct upkeep_settings {
    /* Flow records that ended so long ago leave, a block at a time: a block when all in it have. 0:
     * they stay. An exporter without a clock (its flows end in 1970) has its records leave at
     * once. */
    int64_t retain_ms;
    /* When the file has more octets than this, the oldest blocks leave until it has not. 0: no
     * bound. The log beside it has up to 64 MiB more. */
    int64_t retain_octets;
    /* What left counts on in roll-ups, so that questions that they can answer reach further back;
     * they leave when they are so old, or when retain_octets wants it and there are no blocks. 0:
     * they stay. */
    int64_t retain_rollups_ms;
};
struct upkeep_report {
    uint64_t blocks_merged, blocks_made;       /* so many small ones became so many others */
    uint64_t blocks_removed, records_removed;  /* by retention */
    uint64_t rollups_made;                     /* of hours, days, 32 days */
    uint64_t octets_given_back;                /* to the file system */
    uint64_t positions_forgotten;              /* of sessions not heard for long */
};
/* Everything that is due, at once: retention, merging of small blocks (which are sorted and packed
 * more densely; one without others too, once), coarser roll-ups, checkpoints of long ago
 * (store_checkpoints()), space back to the file system. Records, account, roll-ups and what was
 * acknowledged stay the same. Others may use the store meanwhile; can be killed at any moment.
 * `progress` is told of each step anew. What was done before an error is in the report. */
enum weir_status store_upkeep(struct store *s, const struct upkeep_settings *settings,
                              store_progress progress, void *context, struct upkeep_report *report,
                              struct weir_error *error);
/* The same bit by bit in a thread of low priority, until store_upkeep_stop() or store_close(); once
 * a store. Errors are logged, and tried again. */
enum weir_status store_upkeep_start(struct store *s, const struct upkeep_settings *settings,
                                    struct weir_error *error);
void store_upkeep_stop(struct store *s);

/* A copy of the store as it is now, in the file `file`, which must not exist (WEIR_EEXISTS); made
 * beside as FILE.part. Others may use the store meanwhile. Put it into an empty folder as weir.db
 * to use it. */
enum weir_status store_backup(struct store *s, const char *file, store_progress progress,
                              void *context, struct weir_error *error);

/* ---- proof and state ---- */
struct store_status {
    uint64_t blocks, records, option_records, file_octets, block_octets, rollup_rows, collectors;
    int64_t first_ms, last_ms; /* least and most flow end; 0, 0 when empty */
    uint32_t schema_version;
};
enum weir_status store_status(struct store *s, struct store_status *out, struct weir_error *error);

/* Recomputes every checksum, of pages, rows, columns and segments, and every roll-up from the
 * blocks. Each difference is told to `differs` (one line each, at most 1,000) and counted; WEIR_OK
 * without any means proven. Memory is that of one block, and some 200 MB where an hour
 * has roll-ups of very many exporters. */
typedef void (*store_difference)(void *context, const char *text);
struct verify_report {
    uint64_t differences;
    /* Units of storage without a checksum of their own: another program wrote them when it
     * recovered the store after a crash, or the store is from before they had any. What they hold
     * was compared like everything else, but a flipped bit there may later change an answer before
     * it is found. They get checksums when they are next written; store_backup() makes a copy in
     * which all have them. */
    uint64_t bare_pages;
};
enum weir_status store_verify(struct store *s, store_difference differs, store_progress progress,
                              void *context, struct verify_report *report,
                              struct weir_error *error);
/* Gives stored flows the tags of the present catalogue, roll-ups too: one transaction a block.
 * Blocks may be merged, appended and removed meanwhile, by this process or others: none is left
 * out. `progress` is told of each list of blocks anew. Memory as of store_verify(). */
enum weir_status store_retag(struct store *s, store_progress progress, void *context,
                             uint64_t *blocks_changed, struct weir_error *error);

#endif
