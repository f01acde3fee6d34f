/* sflow.c - an sFlow datagram: its session, its samples into the batch, and what their numbers say
 * (ingest_private.h). Bytes are lib/wire's; neighbours: samples.c follows agents and data sources.
 *
 * A session is an agent's sub-agent as seen from one address and port. The agent names itself in
 * each datagram; where that is not the address the datagram came from, several agents may send through
 * one relay, and each has a session of its own. The exporter is the transport address, as for every
 * protocol; the agent is kept in each record. */
#include "ingest/ingest_private.h"
#include "wire/sflow.h"
#include <stdlib.h>
#include <string.h>

#define SAME_AGENT_MS 60000 /* what two clocks may drift apart while the collector was away */

/* Rows of the batch that have their values, but not yet what Weir adds. */
struct rows {
    uint32_t first, count;
};

/* ---- rows ---- */

/* The three elements that times, counters and sampling are derived from are where they were put. */
static struct known_template *point_at_columns(struct ingest *in)
{
    static const enum wire_value values[] = {V_OCTETS, V_PACKETS, V_SAMPLING_INTERVAL};
    struct known_template *known = &in->sampled;
    const struct wire_columns *columns = &in->sampled_columns;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        known->wire->fields[i].column = wire_column_of(columns, values[i]);
    known->plan.sampling.says_rate = wire_is_bound(columns, V_SAMPLING_INTERVAL);
    return known;
}

static void finish_rows(struct ingest *in, const struct message *m, struct rows *rows)
{
    struct derived_sums sums = {0, 0};
    if (!rows->count)
        return;
    derive_rows(&in->columns[RECORD_FLOW], in->batches[RECORD_FLOW], m, point_at_columns(in),
                rows->first, rows->count, &sums);
    in->stats.octets += sums.octets;
    in->stats.packets += sums.packets;
    sets_count_rows(in, m, RECORD_FLOW, rows->count);
    rows->count = 0;
}

static enum weir_status append(struct ingest *in, const struct message *m,
                               const struct wire_values *v, uint32_t *row)
{
    struct batch *b = in->batches[RECORD_FLOW];
    if (!b)
        return WEIR_EBUSY;
    enum weir_status status = derive_bind(&in->columns[RECORD_FLOW], b, m);
    if (status == WEIR_ELIMIT && batch_rows(b))
        return WEIR_EBUSY;
    return status == WEIR_OK ? wire_values_append(v, &in->sampled_columns, b, row) : status;
}

/* Adds a record, with a new batch when this one is full. False: it can not be kept. */
static bool add_record(struct ingest *in, const struct message *m, const struct wire_values *v,
                       struct rows *rows)
{
    uint32_t row = 0;
    enum weir_status status = append(in, m, v, &row);
    if (status == WEIR_EBUSY) {
        finish_rows(in, m, rows);
        status = handover_batch(in, RECORD_FLOW) ? append(in, m, v, &row) : WEIR_ENOMEM;
    }
    if (status == WEIR_ENOMEM)
        in->trouble = WEIR_ENOMEM;
    if (status != WEIR_OK)
        return false;
    if (!rows->count)
        rows->first = row;
    rows->count++;
    return true;
}

/* ---- samples ---- */

static void set_agent(struct wire_values *v, const struct address *agent)
{
    if (address_is_ipv4(agent))
        wire_set_number(v, V_AGENT_IPV4, address_ipv4(agent));
    else
        wire_set_octets(v, V_AGENT_IPV6, agent->octets, sizeof agent->octets);
}

static void take_flow(struct ingest *in, const struct message *m, const struct sflow_header *h,
                      const struct sflow_sample *sample, struct rows *rows)
{
    struct wire_values v;
    struct samples_outcome outcome = {0};
    int64_t memory = 0;
    samples_note(&m->session->samples, sample->source, sample->sequence, sample->drops, &outcome,
                 &memory);
    sessions_add_template_memory(in->sessions, memory);
    size_t unread = sflow_read_flow(sample, &v);
    set_agent(&v, &h->agent);
    if (!add_record(in, m, &v, rows))
        unread = sample->length;
    struct account_counts *c = ingest_counts(in, m);
    c->undecodable_octets += unread;
    c->missing_samples += outcome.missing;
    c->recovered_samples += outcome.recovered;
    c->dropped_samples += outcome.dropped;
    c->unknown_gaps += outcome.unknown_gaps;
}

void sflow_decode(struct ingest *in, const struct message *m, const struct sflow_header *h,
                  struct cursor samples)
{
    struct sflow_sample sample;
    struct rows rows = {0, 0};
    for (uint32_t i = 0; i < h->samples && sflow_next_sample(&samples, &sample); i++) {
        if (sample.kind == SFLOW_FLOW)
            take_flow(in, m, h, &sample, &rows);
        else if (sample.kind == SFLOW_UNKNOWN)
            ingest_counts(in, m)->undecodable_octets += sample.length;
        else
            ingest_counts(in, m)->other_samples++;
    }
    finish_rows(in, m, &rows);
    if (!wire_is_padding(&samples))
        ingest_counts(in, m)->undecodable_octets += cursor_left(&samples);
    if (sessions_template_memory_full(in->sessions))
        sessions_bound_templates(in->sessions, m->session);
}

/* ---- the session ---- */

/* A checkpoint does not name the agent. Its sequence goes to the first agent of that address, port and
 * sub-agent that has been up as long as the checkpoint says; to another one it only says that something is
 * not known. */
void sflow_adopt(struct ingest *in, struct session *s, uint32_t up_time_ms, int64_t received_ms)
{
    struct session_key key = s->key;
    memset(&key.agent, 0, sizeof key.agent);
    struct session *resumed = sessions_find(in->sessions, &key);
    if (!resumed || !resumed->resumed)
        return;
    resumed->resumed = false;
    int64_t away = received_ms - resumed->sequence.last_export_ms;
    int64_t drift = away - (int32_t)(up_time_ms - resumed->sequence.sys_up_time_ms);
    if (resumed != s) {
        s->sequence = resumed->sequence;
        sequence_init(&resumed->sequence, COUNTS_DATAGRAMS);
    }
    if (resumed != s && llabs(drift) > SAME_AGENT_MS)
        sequence_lose_track(&s->sequence);
}

enum weir_status sflow_make(struct ingest *in)
{
    static const struct wire_spec specs[] = {{IANA(1), 8}, {IANA(2), 8}, {IANA(34), 4}};
    enum weir_status status = wire_template_new(0, RECORD_FLOW, 0, specs,
                                                sizeof specs / sizeof *specs, &in->sampled.wire);
    if (status == WEIR_OK)
        record_plan_make(&in->sampled.plan, in->sampled.wire);
    return status;
}
