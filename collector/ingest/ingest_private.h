/* ingest_private.h - the insides of struct ingest, shared by its files:
 *   ingest.c    life, datagrams to messages, sequence, statistics
 *   sets.c      sets of a message: templates, data, parked data
 *   sflow.c     samples of an sFlow datagram
 *   rows.c      records that are sets of values
 *   handover.c  batches, account and checkpoints going out; knowledge coming in
 *   recall.c    templates over a restart */
#ifndef WEIR_COLLECTOR_INGEST_PRIVATE_H
#define WEIR_COLLECTOR_INGEST_PRIVATE_H

#include "ingest/ingest.h"
#include "ingest/lists.h"
#include "ingest/packets.h"
#include "ingest/park.h"
#include "select/knowledge.h"
#include "wire/netflow_fixed.h"
#include "wire/sets.h"
#include "wire/sflow.h"
#include <pthread.h>
#include <stdatomic.h>

struct ingest {
    struct ingest_settings settings;
    struct ingest_output output;
    struct sessions *sessions;
    struct park park;
    struct account_book *book;
    struct account_row nowhere; /* counted in while there is no memory for a row (handover.c) */
    struct wire_scratch *scratch;
    struct buffer definitions;  /* scratch of lists.h */
    struct known_template fixed[NETFLOW_FIXED_COUNT]; /* whose records have one shape */
    struct known_template valued;             /* of records that are sets of values (rows.c) */
    struct wire_columns valued_columns;
    struct batch *batches[2];   /* by enum record_kind; NULL when memory ended */
    struct derived_columns columns[2];
    struct selection_work *selection; /* NULL until there is something to select */
    struct knowledge *knowledge;
    uint64_t knowledge_version;
    pthread_mutex_t lock;       /* of `next_knowledge` */
    struct knowledge *next_knowledge;
    atomic_bool knowledge_waits;
    bool suspended;
    uint32_t complaints;        /* of exporters that were logged, lately */
    int64_t complaints_ms;      /* since then */
    uint64_t templates_version; /* of those to keep over a restart; grows with each change */
    bool templates_repeated;    /* some were heard again since they were written */
    uint64_t recall_writes;     /* how often they were */
    struct message_sum *current; /* of the message being decoded */
    enum weir_status trouble;   /* WEIR_ENOMEM when records of this datagram were dropped */
    struct ingest_stats stats;
};

/* What the sets of one message came to, for the sequence. */
struct message_sum {
    uint32_t flow_records, option_records;
    uint32_t unknown_octets;
    int64_t sequence_ms; /* export time by the exporter's own clock, where it is not m->stated_ms;
                            or 0 */
    struct parked *parked[16]; /* those of this message that still wait for their token */
    uint32_t parked_count;
};

/* The account row of a message; never NULL, valid until the next call or hand-over. */
struct account_counts *ingest_counts(struct ingest *in, const struct message *m);

/* May something about an exporter be logged? Not of each one that makes things up: so many an
 * hour. */
bool ingest_may_complain(struct ingest *in);

/* Nothing more comes of this session: what was held back is counted (session_leaves of
 * sessions.h). */
void ingest_finish_session(void *context, struct session *s);
void ingest_count_sequence(struct ingest *in, const struct message *m,
                           const struct sequence_outcome *o);

/* handover.c */
/* Hands on the batch of this kind, full or not, with the account; false: no batch is left. */
bool handover_batch(struct ingest *in, enum record_kind kind);
enum weir_status handover_all(struct ingest *in);
void handover_take_knowledge(struct ingest *in); /* when nothing is half done */

/* sets.c */
/* The protocol's way with set ids below 256. */
struct set_rules {
    uint16_t templates, options_templates;
    wire_template_reader read_template, read_options_template;
};
void sets_decode_message(struct ingest *in, const struct message *m, const struct set_rules *rules,
                         struct cursor *message, struct message_sum *sum);
/* The records of one data set. What is left of the cursor is padding or cut short. */
void sets_decode_data(struct ingest *in, const struct message *m, struct known_template *known,
                      struct cursor *content, struct message_sum *sum);
/* Makes a template known; false: there is no room for it. Takes `wire` over. */
bool sets_learn_template(struct ingest *in, struct session *s, struct wire_template *wire,
                         const struct template_record *record);
/* `id` below 256: all of that kind. */
void sets_forget_template(struct ingest *in, struct session *s, uint16_t id, enum record_kind kind);
/* Counts records that are in the batch now. */
void sets_count_rows(struct ingest *in, const struct message *m, enum record_kind kind,
                     uint32_t rows);
/* Frees a parked set and counts it as expired. `context` is the ingest. */
void sets_give_up(void *context, struct parked *p);
/* All of a session's, when it leaves. */
void sets_session_leaves(void *context, struct session *s);

/* rows.c */
struct pending_rows { /* of the batch: they have their values, but not yet what Weir adds */
    uint32_t first, count;
};
enum weir_status rows_make(struct ingest *in);
/* Adds a record, with a new batch when this one is full. False: it can not be kept, and was counted
 * as dropped. */
bool rows_add(struct ingest *in, const struct message *m, const struct wire_values *v,
              struct pending_rows *rows);
/* Adds what Weir adds, and counts them. Before anything else touches the batch. */
void rows_finish(struct ingest *in, const struct message *m, struct pending_rows *rows);

/* sflow.c */
void sflow_decode(struct ingest *in, const struct message *m, const struct sflow_header *h,
                  struct cursor samples);
/* Gives a session that is heard for the first time what a checkpoint says of it. */
void sflow_adopt(struct ingest *in, struct session *s, uint32_t up_time_ms, int64_t received_ms);

#endif
