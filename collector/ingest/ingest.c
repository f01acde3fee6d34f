/* ingest.c - the decoding engine (ingest.h): from a datagram to a message with its session, its
 * place in the sequence and its line in the account. Neighbours: sets.c decodes what is in it,
 * handover.c passes batches on. */
#include "ingest/hash.h"
#include "ingest/ingest_private.h"
#include "ingest/protocols.h"
#include "ingest/recall.h"
#include "base/log.h"
#include "base/time.h"
#include "select/selection.h"
#include <stdlib.h>

#define PARK_OCTETS (16u << 20)
#define PARK_MS 600000
#define TEMPLATE_MS 86400000 /* RFC 7011 section 8.4 leaves it to us: exporters that count packets
                                between repetitions may take hours on a quiet day */
#define COMPLAINTS_MS   3600000
#define COMPLAINTS_MOST 100u
#define EXPORTERS 65536u
#define RECORD_LIKELY 16u /* octets: few exporters send shorter records */

/* ---- the account ---- */

struct account_counts *ingest_counts(struct ingest *in, const struct message *m)
{
    const struct session_key *key = &m->session->key;
    struct account_key row_key = {.exporter = key->exporter,
                                  .domain = key->domain,
                                  .port = key->port,
                                  .protocol = key->protocol,
                                  .minute_ms = minute_of(m->export_ms)};
    struct account_row *row = account_book_row(in->book, &row_key);
    if (!row)
        return &in->nowhere.counts;
    if (!row->last_heard_ms && !row->first_heard_ms)
        row->first_heard_ms = row->last_heard_ms = m->export_ms;
    if (m->export_ms < row->first_heard_ms)
        row->first_heard_ms = m->export_ms;
    if (m->export_ms > row->last_heard_ms)
        row->last_heard_ms = m->export_ms;
    return &row->counts;
}

void ingest_count_sequence(struct ingest *in, const struct message *m,
                           const struct sequence_outcome *o)
{
    if (!(o->missing | o->recovered | o->reordered | o->restarts | o->unknown_gaps))
        return;
    struct account_counts *c = ingest_counts(in, m);
    /* Not by the protocol: some exporters count something else (rule 8 of sequence.h). */
    if (m->session->sequence.rule == COUNTS_DATAGRAMS) {
        c->missing_datagrams += o->missing;
        c->recovered_datagrams += o->recovered;
        m->session->heard.messages += o->missing - o->recovered;
    } else {
        c->missing_records += o->missing;
        c->recovered_records += o->recovered;
        m->session->heard.records += o->missing - o->recovered;
    }
    c->reordered += o->reordered;
    c->restarts += o->restarts;
    c->unknown_gaps += o->unknown_gaps;
    in->stats.missing += o->missing - o->recovered;
}

static void count_by_reception(struct ingest *in, const struct address *exporter, uint16_t port,
                               int64_t received_ms, struct account_counts add)
{
    struct account_key key = {.exporter = *exporter, .port = port,
                              .minute_ms = minute_of(received_ms)};
    struct account_row *row = account_book_row(in->book, &key);
    if (!row) {
        account_counts_add(&in->nowhere.counts, &add);
        return;
    }
    if (!row->first_heard_ms)
        row->first_heard_ms = received_ms;
    row->last_heard_ms = received_ms;
    account_counts_add(&row->counts, &add);
}

void ingest_kernel_drops(struct ingest *in, uint16_t port, uint64_t datagrams, int64_t received_ms)
{
    struct address nobody = {{0}};
    count_by_reception(in, &nobody, port, received_ms,
                       (struct account_counts){.kernel_drops = datagrams});
}

/* ---- one datagram ---- */

void ingest_refuse_octets(struct ingest *in, const struct address *from, uint16_t port,
                          uint64_t octets, int64_t received_ms)
{
    count_by_reception(in, from, port, received_ms,
                       (struct account_counts){.datagrams = 1,
                                               .wire_octets = octets,
                                               .undecodable_datagrams = 1,
                                               .undecodable_octets = octets});
    in->stats.undecodable++;
}

static enum weir_status refuse(struct ingest *in, const struct datagram *d)
{
    ingest_refuse_octets(in, &d->from, d->port, d->length, d->received_ms);
    return WEIR_EMALFORMED;
}

static bool is_known(const struct ingest *in, const struct address *exporter)
{
    return in->knowledge && knowledge_is_device(in->knowledge, exporter);
}

/* Unread, so neither its protocol nor its domain is known, and its port may be anything. */
static enum weir_status refuse_unknown(struct ingest *in, const struct datagram *d)
{
    count_by_reception(in, &d->from, 0, d->received_ms,
                       (struct account_counts){.refused_datagrams = 1});
    return WEIR_OK;
}

static double configured_rate(struct ingest *in, struct session *s)
{
    if (s->knowledge_version != in->knowledge_version) {
        s->knowledge_version = in->knowledge_version;
        s->configured_rate =
            in->knowledge ? knowledge_sampling_rate(in->knowledge, &s->key.exporter) : 0;
    }
    return s->configured_rate;
}

bool ingest_may_complain(struct ingest *in)
{
    return ++in->complaints <= COMPLAINTS_MOST;
}

/* Once a session. */
static void log_clock(struct ingest *in, const struct message *m)
{
    char address[ADDRESS_TEXT_SIZE], said[TIME_TEXT_SIZE], heard[TIME_TEXT_SIZE];
    struct session *s = m->session;
    if (s->clock_logged)
        return;
    s->clock_logged = true;
    if (!ingest_may_complain(in))
        return;
    time_print(m->stated_ms, said);
    time_print(m->received_ms, heard);
    log_warning("collector", "%s port %u domain %u says it is %s, at %s: its flows are placed at "
                             "their reception until its clock is right",
                address_print(&s->key.exporter, address), s->key.port, s->key.domain, said, heard);
}

/* When it was exported, as far as that can be believed (clock.h). */
static void place(struct ingest *in, struct opened *o)
{
    struct message *m = &o->message;
    m->bounds = clock_bounds(m->received_ms, o->untimed);
    m->time_from_reception = o->header_ms == 0;
    m->stated_ms = o->header_ms ? o->header_ms : m->received_ms;
    m->clock_is_off = o->header_ms != 0 && !clock_believed(&m->bounds, o->header_ms);
    m->export_ms = m->clock_is_off ? m->received_ms : m->stated_ms;
    if (m->clock_is_off)
        log_clock(in, m);
}

static bool find_session(struct ingest *in, struct opened *o)
{
    struct session *s = sessions_get(in->sessions, &o->key);
    if (!s)
        return false;
    o->message.session = s;
    o->message.configured_rate = configured_rate(in, s);
    if (s->source->samplers.recalled)
        (void)sampling_forget_recalled(&s->source->samplers,
                                       o->message.received_ms - in->settings.template_ms);
    place(in, o);
    return true;
}

static void account_sequence(struct ingest *in, const struct opened *o, uint32_t hash,
                             const struct message_sum *sum)
{
    const struct message *m = &o->message;
    struct session *s = m->session;
    struct sequence_message message = {.sequence = o->sequence,
                                       .hash = hash,
                                       .export_ms = sum->sequence_ms ? sum->sequence_ms
                                                                     : m->stated_ms,
                                       .received_ms = m->received_ms,
                                       .has_up_time = m->has_up_time,
                                       .sys_up_time_ms = m->sys_up_time_ms,
                                       .flow_records = sum->flow_records,
                                       .option_records = sum->option_records,
                                       .unknown_sets = sum->parked_count,
                                       .unknown_octets = sum->unknown_octets};
    struct sequence_outcome outcome;
    uint32_t token = sequence_account(&s->sequence, &message, &outcome);
    for (uint32_t i = 0; i < sum->parked_count; i++)
        sum->parked[i]->token = token;
    ingest_count_sequence(in, m, &outcome);
    s->sys_up_time_ms = s->sequence.sys_up_time_ms;
    s->export_ms = s->sequence.last_export_ms;
    s->placed_ms = m->export_ms;
    sessions_note_change(in->sessions, s);
    sessions_measure(in->sessions, s);
}

static void decode(struct ingest *in, const struct protocol *p, const struct opened *o,
                   uint32_t hash)
{
    struct message_sum sum = {0};
    in->current = &sum;
    p->decode(in, o, &sum);
    in->current = NULL;
    if (in->suspended)
        sequence_lose_track(&o->message.session->sequence);
    else
        account_sequence(in, o, hash, &sum);
}

/* A batch that leaves in the middle of a datagram has some of its records, but a sequence position
 * before it: after a kill these would count as missing too. So it leaves before, when the datagram
 * might not fit. Records shorter than RECORD_LIKELY octets can still split it. */
static bool might_split(const struct ingest *in, size_t octets)
{
    const struct batch *b = in->batches[RECORD_FLOW];
    return b && batch_rows(b) > 0 && batch_room(b) < octets / RECORD_LIKELY;
}

/* Hands on what must not wait for the octets that come now. */
static void prepare(struct ingest *in, size_t octets)
{
    in->trouble = WEIR_OK;
    /* What is configured is in force for the next datagram. handover_all() takes it, behind the
     * rows that came before it: nobody else may, who could see it a moment after it was not there
     * here, and those rows would be selected by it, without room for what it adds. */
    if (account_book_full(in->book) || might_split(in, octets) ||
        atomic_load_explicit(&in->knowledge_waits, memory_order_relaxed))
        (void)handover_all(in);
}

enum weir_status ingest_datagram(struct ingest *in, const struct datagram *d)
{
    const struct protocol *p = protocol_recognise(d->bytes, d->length);
    struct opened o = {.untimed = d->untimed,
                       .key = {.exporter = d->from, .port = d->port, .transport = d->transport},
                       .content = cursor_over(d->bytes, d->length),
                       .message = {.received_ms = d->received_ms}};
    in->stats.datagrams++;
    in->stats.last_received_ms = d->received_ms;
    prepare(in, d->length);
    if (in->settings.known_only && !is_known(in, &d->from))
        return refuse_unknown(in, d);
    if (!p || p->open(&o) != WEIR_OK)
        return refuse(in, d);
    o.key.protocol = p->version;
    o.message.version = (uint8_t)p->version;
    if (!find_session(in, &o)) { /* what it held is missing when the next one is placed */
        (void)refuse(in, d);
        return WEIR_ENOMEM;
    }
    if (o.message.session->recalled)
        recall_confirm(in, o.message.session, o.sequence);
    struct account_counts *c = ingest_counts(in, &o.message);
    c->datagrams++;
    c->wire_octets += d->length;
    uint32_t hash = hash_octets(d->bytes, d->length);
    if (!d->transport && sequence_is_duplicate(&o.message.session->sequence, o.sequence, hash)) {
        c->duplicates++;
        return WEIR_OK;
    }
    o.message.session->heard.messages++;
    decode(in, p, &o, hash);
    return in->trouble;
}

/* ---- records without messages ---- */

struct ingest_layout {
    struct known_template known;
};

struct ingest_layout *ingest_layout_new(const struct wire_spec *specs, size_t count)
{
    struct ingest_layout *layout = calloc(1, sizeof *layout);
    if (layout &&
        wire_template_new(0, RECORD_FLOW, 0, specs, count, &layout->known.wire) == WEIR_OK) {
        record_plan_make(&layout->known.plan, layout->known.wire);
        return layout;
    }
    free(layout);
    return NULL;
}

void ingest_layout_free(struct ingest_layout *layout)
{
    if (layout)
        wire_template_free(layout->known.wire);
    free(layout);
}

/* The message that such records may be thought to have come in. False: no memory. */
static bool open_origin(struct ingest *in, const struct ingest_origin *from, size_t octets,
                        struct opened *o)
{
    *o = (struct opened){.untimed = true,
                         .key = {.exporter = from->exporter,
                                 .domain = from->domain,
                                 .protocol = from->protocol,
                                 .transport = from->transport},
                         .message = {.received_ms = from->received_ms,
                                     .version = (uint8_t)from->protocol,
                                     .has_up_time = from->has_up_time,
                                     .sys_up_time_ms = from->up_time_ms},
                         .header_ms = from->export_ms};
    in->stats.last_received_ms = from->received_ms;
    prepare(in, octets);
    if (!find_session(in, o))
        return false;
    if (!o->message.session->sequence.started)
        sequence_init(&o->message.session->sequence, COUNTS_NOTHING);
    return true;
}

enum weir_status ingest_records(struct ingest *in, const struct ingest_origin *from,
                                struct ingest_layout *layout, const uint8_t *bytes, size_t length)
{
    struct opened o;
    struct message_sum sum = {0};
    if (!open_origin(in, from, length, &o))
        return WEIR_ENOMEM;
    o.content = cursor_over(bytes, length);
    sets_decode_data(in, &o.message, &layout->known, &o.content, &sum);
    account_sequence(in, &o, 0, &sum);
    return in->trouble;
}

enum weir_status ingest_values(struct ingest *in, const struct ingest_origin *from,
                               const struct wire_values *values)
{
    struct opened o;
    struct message_sum sum = {0};
    struct pending_rows rows = {0, 0};
    if (!open_origin(in, from, 2 * RECORD_LIKELY, &o))
        return WEIR_ENOMEM;
    (void)rows_add(in, &o.message, values, &rows);
    rows_finish(in, &o.message, &rows);
    account_sequence(in, &o, 0, &sum);
    return in->trouble;
}

void ingest_end_transport(struct ingest *in, struct transport *t, bool complete)
{
    for (struct session *s; (s = t->sessions);) {
        const struct message last = {.session = s,
                                     .export_ms = s->placed_ms ? s->placed_ms
                                                               : in->stats.last_received_ms};
        if (!complete)
            ingest_counts(in, &last)->unknown_gaps++;
        sessions_remove(in->sessions, s);
    }
}

/* ---- time ---- */

void ingest_tick(struct ingest *in, int64_t now_ms)
{
    if (now_ms - in->complaints_ms > COMPLAINTS_MS || now_ms < in->complaints_ms) {
        in->complaints = 0;
        in->complaints_ms = now_ms;
    }
    while (in->park.oldest &&
           now_ms - in->park.oldest->message.received_ms > in->settings.park_ms) {
        sets_give_up(in, in->park.oldest);
        if (account_book_full(in->book))
            (void)handover_all(in);
    }
}

void ingest_finish_session(void *context, struct session *s)
{
    struct ingest *in = context;
    struct sequence_outcome outcome = {0};
    const struct message last = {.session = s,
                                 .version = (uint8_t)s->key.protocol,
                                 .export_ms = s->placed_ms ? s->placed_ms
                                                           : in->stats.last_received_ms};
    sequence_finish(&s->sequence, &outcome);
    ingest_count_sequence(in, &last, &outcome);
}

static void finish_one(void *context, struct session *s)
{
    struct ingest *in = context;
    ingest_finish_session(in, s);
    if (account_book_full(in->book))
        (void)handover_all(in);
}

void ingest_finish(struct ingest *in)
{
    sessions_each(in->sessions, finish_one, in);
}

enum weir_status ingest_flush(struct ingest *in)
{
    return handover_all(in);
}

void ingest_suspend(struct ingest *in, bool suspended)
{
    in->suspended = suspended;
}

/* ---- what was heard before, what administrators know ---- */

void ingest_resume(struct ingest *in, const struct account_checkpoint *checkpoints, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct session_key key = {.exporter = checkpoints[i].exporter,
                                  .domain = checkpoints[i].domain,
                                  .port = checkpoints[i].port,
                                  .protocol = checkpoints[i].protocol};
        struct session *s = sessions_get(in->sessions, &key);
        if (!s)
            continue;
        sequence_resume(&s->sequence, &checkpoints[i]);
        s->resumed = true;
    }
}

void ingest_configure(struct ingest *in, struct knowledge *k)
{
    pthread_mutex_lock(&in->lock);
    knowledge_unref(in->next_knowledge);
    in->next_knowledge = knowledge_ref(k);
    atomic_store_explicit(&in->knowledge_waits, true, memory_order_release);
    pthread_mutex_unlock(&in->lock);
}

/* ---- life ---- */

static bool make_parts(struct ingest *in)
{
    in->sessions = sessions_new(in->settings.exporters_most, sets_session_leaves, in);
    in->book = account_book_new();
    in->scratch = wire_scratch_new();
    bool made = rows_make(in) == WEIR_OK;
    for (int i = 0; made && i < NETFLOW_FIXED_COUNT; i++) {
        made = netflow_fixed_template((enum netflow_fixed)i, &in->fixed[i].wire) == WEIR_OK;
        if (made)
            record_plan_make(&in->fixed[i].plan, in->fixed[i].wire);
    }
    for (int kind = 0; kind < 2; kind++) {
        in->batches[kind] = batch_new(in->settings.batch_rows, (enum record_kind)kind);
        made = made && in->batches[kind];
    }
    return made && in->sessions && in->book && in->scratch;
}

struct ingest *ingest_new(const struct ingest_settings *settings,
                          const struct ingest_output *output)
{
    struct ingest *in = calloc(1, sizeof *in);
    if (!in)
        return NULL;
    in->settings = *settings;
    in->output = *output;
    if (!in->settings.batch_rows)
        in->settings.batch_rows = BATCH_ROWS_DEFAULT;
    if (!in->settings.exporters_most)
        in->settings.exporters_most = EXPORTERS;
    if (!in->settings.park_ms)
        in->settings.park_ms = PARK_MS;
    if (!in->settings.template_ms)
        in->settings.template_ms = TEMPLATE_MS;
    if (in->settings.template_ms < 0)
        in->settings.template_ms = INT64_MAX;
    in->park.octets_most = settings->park_octets_most ? settings->park_octets_most : PARK_OCTETS;
    in->knowledge_version = 1;
    pthread_mutex_init(&in->lock, NULL);
    atomic_init(&in->knowledge_waits, false);
    if (make_parts(in))
        return in;
    ingest_free(in);
    return NULL;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    park_free(&in->park);
    sessions_free(in->sessions);
    account_book_free(in->book);
    wire_scratch_free(in->scratch);
    buffer_free(&in->definitions);
    selection_work_free(in->selection);
    for (int i = 0; i < NETFLOW_FIXED_COUNT; i++)
        wire_template_free(in->fixed[i].wire);
    wire_template_free(in->valued.wire);
    batch_free(in->batches[RECORD_FLOW]);
    batch_free(in->batches[RECORD_OPTIONS]);
    knowledge_unref(in->knowledge);
    knowledge_unref(in->next_knowledge);
    pthread_mutex_destroy(&in->lock);
    free(in);
}

void ingest_stats(const struct ingest *in, struct ingest_stats *out)
{
    *out = in->stats;
    out->exporters = sessions_exporters(in->sessions);
    out->sessions = sessions_count(in->sessions);
    out->templates = sessions_templates(in->sessions);
}
