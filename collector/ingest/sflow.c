/* sflow.c - an sFlow datagram: its session, its samples into the batch, and what their numbers say
 * (ingest_private.h). Bytes are lib/wire's; neighbours: samples.c follows agents and data sources,
 * rows.c moves values into the batch.
 *
 * A session is an agent's sub-agent as seen from one address and port. The agent names itself in
 * each datagram; where that is not the address the datagram came from, several agents may send
 * through one relay, and each has a session of its own. The exporter is the transport address, as
 * for every protocol; the agent is kept in each record. */
#include "ingest/ingest_private.h"
#include "wire/sflow.h"
#include <stdlib.h>
#include <string.h>

#define SAME_AGENT_MS 60000 /* what two clocks may drift apart while the collector was away */

/* ---- samples ---- */

static void set_agent(struct wire_values *v, const struct address *agent)
{
    if (address_is_ipv4(agent))
        wire_set_number(v, V_AGENT_IPV4, address_ipv4(agent));
    else
        wire_set_octets(v, V_AGENT_IPV6, agent->octets, sizeof agent->octets);
}

static void take_flow(struct ingest *in, const struct message *m, const struct sflow_header *h,
                      const struct sflow_sample *sample, struct pending_rows *rows)
{
    struct wire_values v;
    struct samples_outcome outcome = {0};
    int64_t memory = 0;
    samples_note(&m->session->samples, sample->source, sample->sequence, sample->drops, &outcome,
                 &memory);
    sessions_add_template_memory(in->sessions, memory);
    size_t unread = sflow_read_flow(sample, &v);
    set_agent(&v, &h->agent);
    (void)rows_add(in, m, &v, rows);
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
    struct pending_rows rows = {0, 0};
    for (uint32_t i = 0; i < h->samples && sflow_next_sample(&samples, &sample); i++) {
        if (sample.kind == SFLOW_FLOW)
            take_flow(in, m, h, &sample, &rows);
        else if (sample.kind == SFLOW_UNKNOWN)
            ingest_counts(in, m)->undecodable_octets += sample.length;
        else
            ingest_counts(in, m)->other_samples++;
    }
    rows_finish(in, m, &rows);
    if (!wire_is_padding(&samples))
        ingest_counts(in, m)->undecodable_octets += cursor_left(&samples);
    if (sessions_template_memory_full(in->sessions))
        sessions_bound_templates(in->sessions, m->session);
}

/* ---- the session ---- */

/* A checkpoint does not name the agent. Its sequence goes to the first agent of that address, port
 * and sub-agent that has been up as long as the checkpoint says; to another one it only says that
 * something is not known. */
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
