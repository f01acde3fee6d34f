/* sets.c - the sets of a message: templates learned, data decoded, data without a template parked
 * (ingest_private.h). Bytes are lib/wire's; what happens to sessions and the account is here. */
#include "base/log.h"
#include "ingest/ingest_private.h"

/* ---- data ---- */

void sets_count_rows(struct ingest *in, const struct message *m, enum record_kind kind,
                     uint32_t rows)
{
    struct account_counts *c = ingest_counts(in, m);
    if (kind == RECORD_FLOW) {
        c->records += rows;
        c->undated_records += m->clock_is_off ? rows : 0;
        in->stats.records += rows;
        m->session->heard.records += rows;
    } else {
        c->option_records += rows;
        in->stats.option_records += rows;
    }
}

/* Columns beside those of the template. */
static enum weir_status bind_others(struct ingest *in, const struct message *m,
                                    struct known_template *known, struct batch *b)
{
    enum weir_status status = derive_bind(&in->columns[known->wire->kind], b, m);
    if (status == WEIR_OK && known->plan.list_count)
        status = lists_bind(b);
    if (status == WEIR_OK && known->biflow)
        status = biflow_bind(known->biflow, b);
    if (status == WEIR_OK && known->plan.section >= 0)
        status = packets_bind(b);
    return status;
}

/* The way back of records that have one (biflow.h). Only memory can be in its way. */
static void add_reverse(struct ingest *in, const struct message *m, struct known_template *known,
                        uint32_t first, uint32_t rows)
{
    struct batch *b = in->batches[RECORD_FLOW];
    struct derived_sums unused = {0, 0};
    uint32_t at, made;
    if (biflow_make(known->biflow, known->wire, b, first, rows, &at, &made) != WEIR_OK) {
        in->trouble = WEIR_ENOMEM;
        ingest_counts(in, m)->dropped_records +=
            biflow_count(known->biflow, known->wire, b, first, rows);
    }
    if (made)
        derive_rows(&in->columns[RECORD_FLOW], b, m, biflow_template(known->biflow), at, made,
                    &unused);
}

static void count_sums(struct ingest *in, const struct record_plan *plan,
                       const struct derived_sums *sums)
{
    if (plan->by_initiator) /* a report of import sums what delta and total counters say */
        return;
    in->stats.octets += sums->octets;
    in->stats.packets += sums->packets;
}

/* What is kept over a restart has changed. Templates of connections end with them. */
static void note_templates(struct ingest *in, const struct session *s)
{
    if (!s->key.transport)
        in->templates_version++;
}

static void learn_from_options(struct ingest *in, const struct message *m,
                               const struct known_template *known, uint32_t first, uint32_t rows)
{
    struct session *s = m->session;
    struct batch *b = in->batches[RECORD_OPTIONS];
    int64_t memory = 0;
    enum sampling_news news = sampling_learn(&s->source->samplers, &known->plan.sampling,
                                             known->wire, b, first, rows, m->received_ms);
    if (news == SAMPLING_CHANGED)
        note_templates(in, s);
    else if (news == SAMPLING_REPEATED)
        in->templates_repeated |= !s->key.transport;
    if (known->plan.statistics.says_any)
        statistics_learn(&s->statistics, &known->plan.statistics, known->wire, b, first, rows,
                         &s->heard, ingest_counts(in, m), &memory);
    sessions_add_template_memory(in->sessions, memory);
}

/* Moves what fits into the batch. *rows 0: nothing is left. WEIR_EBUSY: it needs an empty batch. */
static enum weir_status decode_some(struct ingest *in, const struct message *m,
                                    struct known_template *known, struct cursor *content,
                                    uint32_t *rows)
{
    enum record_kind kind = known->wire->kind;
    struct batch *b = in->batches[kind];
    uint32_t first = 0;
    *rows = 0;
    enum weir_status status = bind_others(in, m, known, b);
    if (status == WEIR_ELIMIT)
        return batch_rows(b) ? WEIR_EBUSY : WEIR_ELIMIT;
    if (status == WEIR_OK)
        status = wire_decode_most(known->wire, in->scratch, content, b,
                                  known->biflow ? batch_room(b) / 2 : UINT32_MAX, &first, rows);
    if (status != WEIR_OK || !*rows)
        return status;
    struct derived_sums sums = {0, 0};
    derive_rows(&in->columns[kind], b, m, known, first, *rows, &sums);
    if (kind == RECORD_FLOW && known->plan.section >= 0)
        packets_dissect(known, &in->columns[kind], &in->valued_columns, b, first, *rows, &sums);
    count_sums(in, &known->plan, &sums);
    sets_count_rows(in, m, kind, *rows);
    if (known->plan.list_count)
        ingest_counts(in, m)->undecoded_lists += lists_describe(
            known, &m->session->templates, b, first, *rows, &in->definitions);
    if (known->biflow)
        add_reverse(in, m, known, first, *rows);
    if (kind == RECORD_OPTIONS)
        learn_from_options(in, m, known, first, *rows);
    return WEIR_OK;
}

/* Records that were received and can not be kept: memory ended, or no batch can hold them. */
static void drop_rest(struct ingest *in, const struct message *m,
                      const struct known_template *known, struct cursor *content,
                      uint32_t *records, enum weir_status why)
{
    uint32_t dropped = wire_count(known->wire, *content);
    *records += dropped;
    if (why == WEIR_ENOMEM)
        in->trouble = WEIR_ENOMEM;
    ingest_counts(in, m)->dropped_records += dropped;
    if (!dropped) /* none is whole */
        ingest_counts(in, m)->undecodable_octets += cursor_left(content);
    cursor_skip(content, cursor_left(content));
}

void sets_decode_data(struct ingest *in, const struct message *m, struct known_template *known,
                      struct cursor *content, struct message_sum *sum)
{
    enum record_kind kind = known->wire->kind;
    uint32_t *records = kind == RECORD_FLOW ? &sum->flow_records : &sum->option_records;
    uint32_t rows = 1, stuck = 0;
    while (rows || stuck) {
        enum weir_status status = !in->batches[kind] && !handover_batch(in, kind)
                                      ? WEIR_ENOMEM
                                      : decode_some(in, m, known, content, &rows);
        if (status == WEIR_EBUSY || (status == WEIR_ELIMIT && !stuck)) {
            stuck++;
            status = stuck > 2 ? WEIR_ELIMIT : handover_batch(in, kind) ? WEIR_OK : WEIR_ENOMEM;
        } else if (status == WEIR_OK) {
            stuck = 0;
        }
        if (status != WEIR_OK) {
            drop_rest(in, m, known, content, records, status);
            return;
        }
        *records += rows;
    }
}

/* After its records: padding is shorter than any record (RFC 7011 section 3.3.1); what is longer
 * was a record cut short, and how many the exporter counted is then unknown. */
static void check_rest(struct ingest *in, const struct message *m,
                       const struct known_template *known, const struct cursor *rest,
                       struct message_sum *sum)
{
    if (cursor_left(rest) < known->wire->least)
        return;
    ingest_counts(in, m)->undecodable_octets += cursor_left(rest);
    sum->unknown_octets += (uint32_t)cursor_left(rest);
}

/* ---- data before its template ---- */

/* Takes a set out of those that the message in hand parked; false when it is older than that. */
static bool forget_parked(struct message_sum *sum, const struct parked *p)
{
    for (uint32_t i = 0; sum && i < sum->parked_count; i++)
        if (sum->parked[i] == p) {
            sum->parked[i] = sum->parked[--sum->parked_count];
            return true;
        }
    return false;
}

void sets_give_up(void *context, struct parked *p)
{
    struct ingest *in = context;
    struct sequence_outcome outcome = {0};
    const struct sequence_settlement nothing = {.token = p->token};
    if (!forget_parked(in->current, p))
        sequence_settle(&p->message.session->sequence, &nothing, &outcome);
    ingest_counts(in, &p->message)->expired_sets++;
    ingest_counts(in, &p->message)->undecodable_octets += p->length;
    ingest_count_sequence(in, &p->message, &outcome);
    sessions_note_change(in->sessions, p->message.session); /* what waited is said */
    park_remove(&in->park, p);
    park_free_one(p);
}

void sets_session_leaves(void *context, struct session *s)
{
    if (s->templates.count)
        note_templates(context, s);
    while (s->parked_first)
        sets_give_up(context, s->parked_first);
    ingest_finish_session(context, s);
}

static void park_set(struct ingest *in, const struct message *m, const struct wire_set *set,
                     struct message_sum *sum)
{
    ingest_counts(in, m)->no_template_sets++;
    in->stats.undecodable++;
    sum->unknown_octets += (uint32_t)cursor_left(&set->content);
    struct parked *p = NULL;
    if (sum->parked_count < sizeof sum->parked / sizeof *sum->parked)
        p = park_put(&in->park, m, set->id, &set->content, sets_give_up, in);
    if (!p) {
        ingest_counts(in, m)->expired_sets++;
        ingest_counts(in, m)->undecodable_octets += cursor_left(&set->content);
        return;
    }
    ingest_counts(in, m)->parked_sets++;
    sum->parked[sum->parked_count++] = p;
}

/* A set whose template came: decoded as part of the message it came in. */
static void unpark(struct ingest *in, struct parked *p, struct known_template *known,
                   struct message_sum *now)
{
    struct message_sum sum = {0};
    struct cursor content = cursor_over(p->bytes, p->length);
    struct sequence_outcome outcome = {0};
    sets_decode_data(in, &p->message, known, &content, &sum);
    check_rest(in, &p->message, known, &content, &sum);
    ingest_counts(in, &p->message)->unparked_sets++;
    in->stats.undecodable--;
    if (forget_parked(now, p)) {
        now->flow_records += sum.flow_records;
        now->option_records += sum.option_records;
        now->unknown_octets -= p->length - sum.unknown_octets;
    } else {
        const struct sequence_settlement decoded = {.token = p->token,
                                                    .decoded = true,
                                                    .flow_records = sum.flow_records,
                                                    .option_records = sum.option_records,
                                                    .octets = p->length - sum.unknown_octets};
        sequence_settle(&p->message.session->sequence, &decoded, &outcome);
        ingest_count_sequence(in, &p->message, &outcome);
    }
    park_remove(&in->park, p);
    park_free_one(p);
}

static void unpark_all(struct ingest *in, struct session *s, struct known_template *known,
                       struct message_sum *now)
{
    struct parked *p;
    while ((p = park_find(&in->park, s, known->wire->id)))
        unpark(in, p, known, now);
}

/* ---- templates ---- */

/* Once a template; and not for every one of an exporter that makes them up. */
static void log_conflict(struct ingest *in, struct session *s, uint16_t id)
{
    char text[ADDRESS_TEXT_SIZE];
    struct known_template *known = templates_find(&s->templates, id);
    if (known->conflict_logged)
        return;
    known->conflict_logged = true;
    if (!ingest_may_complain(in))
        return;
    log_warning("collector", "%s port %u domain %u redefines template %u without withdrawing it",
                address_print(&s->key.exporter, text), s->key.port, s->key.domain, id);
}

void sets_forget_template(struct ingest *in, struct session *s, uint16_t id, enum record_kind kind)
{
    int64_t memory = 0;
    uint32_t before = s->templates.count;
    if (id < WIRE_FIRST_DATA_ID)
        (void)templates_remove_kind(&s->templates, kind, &memory);
    else
        (void)templates_remove(&s->templates, id, &memory);
    sessions_count_templates(in->sessions, (int)s->templates.count - (int)before);
    sessions_add_template_memory(in->sessions, memory);
    if (s->templates.count != before)
        note_templates(in, s);
}

bool sets_learn_template(struct ingest *in, struct session *s, struct wire_template *wire,
                         const struct template_record *record)
{
    int64_t memory = 0;
    uint16_t id = wire->id;
    enum template_change change = templates_put(&s->templates, wire, record, &memory);
    sessions_add_template_memory(in->sessions, memory);
    sessions_count_templates(in->sessions, change == TEMPLATE_NEW);
    if (change == TEMPLATE_SAME)
        in->templates_repeated |= !s->key.transport;
    else
        note_templates(in, s);
    if (change == TEMPLATE_REDEFINED)
        log_conflict(in, s, id);
    if (sessions_template_memory_full(in->sessions))
        sessions_bound_templates(in->sessions, s);
    if (change != TEMPLATE_REFUSED && !sessions_template_memory_full(in->sessions))
        return true;
    sets_forget_template(in, s, id, RECORD_FLOW);
    return false;
}

static void learn(struct ingest *in, const struct message *m, struct wire_template *wire,
                  const struct template_record *record, struct message_sum *sum)
{
    struct session *s = m->session;
    uint16_t id = wire->id;
    if (!sets_learn_template(in, s, wire, record))
        return;
    if (s->parked_first && !in->suspended)
        unpark_all(in, s, templates_find(&s->templates, id), sum);
}

static void learn_set(struct ingest *in, const struct message *m, wire_template_reader read,
                      enum record_kind kind, struct cursor *content, struct message_sum *sum)
{
    struct wire_definition d;
    const uint8_t *before = content->at;
    for (; read(content, &d); before = content->at) {
        if (d.definition) {
            const struct template_record record = {before, (uint32_t)(content->at - before),
                                                   m->received_ms};
            learn(in, m, d.definition, &record, sum);
            continue;
        }
        sets_forget_template(in, m->session, d.id, kind);
        if (!d.withdrawn)
            ingest_counts(in, m)->undecodable_octets += (uint64_t)(content->at - before);
    }
    if (!wire_is_padding(content))
        ingest_counts(in, m)->undecodable_octets += cursor_left(content);
}

/* ---- a message ---- */

/* Over UDP a template that was not repeated for too long is no more (RFC 7011 section 8.4): its
 * number may mean something else by now. */
static struct known_template *find_template(struct ingest *in, const struct message *m, uint16_t id)
{
    struct known_template *known = templates_find(&m->session->templates, id);
    if (!known || m->session->key.transport ||
        m->received_ms - known->heard_ms <= in->settings.template_ms)
        return known;
    sets_forget_template(in, m->session, id, known->wire->kind);
    return NULL;
}

static void decode_set(struct ingest *in, const struct message *m, const struct set_rules *rules,
                       struct wire_set *set, struct message_sum *sum)
{
    if (set->id == rules->templates) {
        learn_set(in, m, rules->read_template, RECORD_FLOW, &set->content, sum);
    } else if (set->id == rules->options_templates) {
        learn_set(in, m, rules->read_options_template, RECORD_OPTIONS, &set->content, sum);
    } else if (set->id < WIRE_FIRST_DATA_ID) {
        ingest_counts(in, m)->undecodable_octets += cursor_left(&set->content);
    } else if (!in->suspended) {
        struct known_template *known = find_template(in, m, set->id);
        if (!known) {
            park_set(in, m, set, sum);
            return;
        }
        sets_decode_data(in, m, known, &set->content, sum);
        check_rest(in, m, known, &set->content, sum);
    }
}

void sets_decode_message(struct ingest *in, const struct message *m, const struct set_rules *rules,
                         struct cursor *message, struct message_sum *sum)
{
    struct wire_set set;
    while (wire_next_set(message, &set))
        decode_set(in, m, rules, &set, sum);
    if (cursor_left(message) && !wire_is_padding(message)) {
        ingest_counts(in, m)->undecodable_octets += cursor_left(message);
        sum->unknown_octets += (uint32_t)cursor_left(message);
    }
}
