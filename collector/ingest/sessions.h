/* sessions.h - what is remembered of exporters: sessions, and the sources they belong to.
 *
 *   source   (exporter address, domain)                  sampling from options data
 *     └─ session  (…, port, protocol)                    sequence, templates, parked sets,
 *                 checkpoint
 *
 * Found by hash with a secret seed, in constant time. Bounded: at `most` sessions (or past the
 * octets that templates, samples and sequences may take) the longest idle one leaves; what it held
 * is reported to `on_leave` first.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_SESSIONS_H
#define WEIR_COLLECTOR_SESSIONS_H

#include "ingest/samples.h"
#include "ingest/sampling.h"
#include "ingest/sequence.h"
#include "ingest/statistics.h"
#include "ingest/templates.h"

struct session_key {
    struct address exporter;
    uint32_t domain;
    uint16_t port, protocol;
    struct transport *transport; /* ingest.h; NULL: UDP and files */
    struct address agent; /* sFlow: where it is not the exporter itself (sflow.c); else zero */
};

struct source {
    struct source *next; /* of the same hash */
    struct address exporter;
    uint32_t domain, references;
    struct samplers samplers;
    uint64_t written; /* by recall.c */
};

struct session {
    struct session_key key;
    struct session *next;            /* of the same hash */
    struct session *newer, *older;   /* by the last message */
    struct session *beside, **beside_at; /* others of the same connection, and who points here */
    struct source *source;
    struct sequence sequence;
    struct templates templates;
    struct samples samples;          /* of sFlow */
    int64_t sequence_octets;         /* of the sequence's memory, as it was counted */
    struct heard heard;              /* statistics.h */
    struct statistics *statistics;
    struct parked *parked_first, *parked_last; /* park.h */
    uint32_t sys_up_time_ms;         /* of the last message, for the checkpoint */
    int64_t export_ms;               /* by the exporter's clock */
    int64_t placed_ms;               /* where the account has the last message; 0: none yet */
    bool clock_logged;               /* that its clock is off */
    uint32_t changed_at;             /* place + 1 in the list of changed sessions; 0: unchanged */
    double configured_rate;          /* the administrator's, as of knowledge_version */
    uint64_t knowledge_version;
    bool recalled; /* it has templates of an earlier run, and was not heard in this one */
    bool resumed;                    /* from a checkpoint, and not heard since */
};

struct sessions;
typedef void (*session_leaves)(void *context, struct session *s);

/* NULL when memory ends. */
struct sessions *sessions_new(uint32_t most, session_leaves on_leave, void *context);
void sessions_free(struct sessions *all); /* calls on_leave for none */
/* The session, made if need be; it is the newest now. NULL when memory ends. Valid until it
 * leaves, which sessions_get() of another may cause. */
struct session *sessions_get(struct sessions *all, const struct session_key *key);
/* The source if it is there; NULL otherwise. */
struct source *sessions_source(struct sessions *all, const struct address *exporter,
                               uint32_t domain);
/* The session if it is there, no newer than it was; NULL otherwise. */
struct session *sessions_find(struct sessions *all, const struct session_key *key);
/* Ends a session: it leaves like an idle one. */
void sessions_remove(struct sessions *all, struct session *s);
/* Calls `each` for all, the longest idle first; it must not make or end any. */
void sessions_each(struct sessions *all, void (*each)(void *context, struct session *s),
                   void *context);
/* Lets idle sessions go until templates fit in their memory; never `keep`. */
void sessions_bound_templates(struct sessions *all, const struct session *keep);
void sessions_add_template_memory(struct sessions *all, int64_t octets);
/* Counts what the session's sequence takes now into the same memory, and bounds it; `s` stays. */
void sessions_measure(struct sessions *all, struct session *s);
bool sessions_template_memory_full(const struct sessions *all);

/* A session whose checkpoint changed since sessions_take_checkpoints(). Sessions of a connection
 * have none: their sequence ends with it (RFC 7011 section 10.4), and nobody could go on from
 * there. */
void sessions_note_change(struct sessions *all, struct session *s);
/* The checkpoints of changed sessions and of those that left; malloc'd, the caller's. NULL and
 * *count 0 when there is none (or no memory: then they stay for the next time). */
struct account_checkpoint *sessions_take_checkpoints(struct sessions *all, size_t *count);
bool sessions_changed(const struct sessions *all);

uint32_t sessions_count(const struct sessions *all);
uint32_t sessions_exporters(const struct sessions *all); /* sources, exactly: address and domain */
uint32_t sessions_templates(const struct sessions *all);
void sessions_count_templates(struct sessions *all, int change);

#endif
