/* protocols.c - the export protocols: headers opened, contents handed to those who decode them
 * (protocols.h). Bytes are lib/wire's; neighbours: sets.c decodes records by templates, sflow.c
 * samples. */
#include "ingest/protocols.h"
#include "wire/ipfix.h"
#include "wire/netflow9.h"
#include "wire/netflow_fixed.h"
#include "wire/sflow.h"
#include <string.h>

static int64_t from_seconds(uint32_t seconds, uint32_t nanoseconds)
{
    return (int64_t)seconds * 1000 + nanoseconds / 1000000;
}

static enum weir_status open_fixed(struct opened *o)
{
    struct netflow_fixed_header h;
    enum weir_status status = netflow_fixed_read_header(&o->content, &h);
    if (status != WEIR_OK)
        return status;
    o->format = h.format;
    o->sequence = h.sequence;
    o->count = h.count;
    o->key.domain = (uint32_t)h.engine_type << 8 | h.engine_id;
    o->header_ms = from_seconds(h.unix_secs, h.unix_nsecs);
    o->message.sys_up_time_ms = h.sys_up_time_ms;
    o->message.has_up_time = true;
    /* Whatever the mode says: exporters leave it 0 and fill the interval. 0 says nothing, 1 says
     * all. */
    o->message.header_rate = h.sampling_interval;
    return WEIR_OK;
}

static enum weir_status open_netflow9(struct opened *o)
{
    struct netflow9_header h;
    enum weir_status status = netflow9_read_header(&o->content, &h);
    if (status != WEIR_OK)
        return status;
    o->sequence = h.sequence;
    o->key.domain = h.source_id;
    o->header_ms = (int64_t)h.unix_secs * 1000;
    o->message.has_template = true;
    o->message.sys_up_time_ms = h.sys_up_time_ms;
    o->message.has_up_time = true;
    return WEIR_OK;
}

static enum weir_status open_ipfix(struct opened *o)
{
    struct ipfix_header h;
    enum weir_status status = ipfix_read_header(&o->content, &h);
    if (status != WEIR_OK)
        return status;
    o->sequence = h.sequence;
    o->key.domain = h.domain;
    o->header_ms = (int64_t)h.export_secs * 1000;
    o->message.has_template = true;
    return WEIR_OK;
}

/* The datagram's time is how long the agent has been up, and no more (samples.h). */
static enum weir_status open_sflow(struct opened *o)
{
    enum weir_status status = sflow_read_header(&o->content, &o->sflow);
    if (status != WEIR_OK)
        return status;
    o->sequence = o->sflow.sequence;
    o->key.domain = o->sflow.sub_agent;
    if (memcmp(&o->sflow.agent, &o->key.exporter, sizeof o->sflow.agent) != 0)
        o->key.agent = o->sflow.agent;
    o->message.sys_up_time_ms = o->sflow.up_time_ms;
    o->message.has_up_time = true;
    return WEIR_OK;
}

/* Records of one shape. The count is the exporter's word for the sequence; what the datagram holds
 * is decoded. */
static void decode_fixed(struct ingest *in, const struct opened *o, struct message_sum *sum)
{
    struct known_template *known = &in->fixed[o->format];
    struct cursor content = o->content;
    size_t said = (size_t)o->count * known->wire->least, there = cursor_left(&content);
    struct cursor records = cursor_sub(&content, said < there ? said : there);
    if (in->suspended)
        return;
    sets_decode_data(in, &o->message, known, &records, sum);
    size_t rest = cursor_left(&records) + cursor_left(&content);
    if (rest)
        ingest_counts(in, &o->message)->undecodable_octets += rest;
    sum->flow_records = o->count;
}

static void decode_sflow(struct ingest *in, const struct opened *o, struct message_sum *sum)
{
    struct session *s = o->message.session;
    if (!s->sequence.started || s->resumed)
        sflow_adopt(in, s, o->sflow.up_time_ms, o->message.received_ms);
    sum->sequence_ms = samples_clock(&s->samples, o->sflow.up_time_ms, o->message.received_ms);
    sum->option_records =
        1; /* says only that it is not empty: a sequence that stands still is told */
    if (in->suspended)
        samples_forget(&s->samples);
    else
        sflow_decode(in, &o->message, &o->sflow, o->content);
}

static void decode_netflow9(struct ingest *in, const struct opened *o, struct message_sum *sum)
{
    static const struct set_rules rules = {NETFLOW9_TEMPLATES, NETFLOW9_OPTIONS_TEMPLATES,
                                           netflow9_read_template, netflow9_read_options_template};
    struct cursor content = o->content;
    sets_decode_message(in, &o->message, &rules, &content, sum);
}

static void decode_ipfix(struct ingest *in, const struct opened *o, struct message_sum *sum)
{
    static const struct set_rules rules = {IPFIX_TEMPLATES, IPFIX_OPTIONS_TEMPLATES,
                                           ipfix_read_template, ipfix_read_options_template};
    struct cursor content = o->content;
    sets_decode_message(in, &o->message, &rules, &content, sum);
}

static const struct protocol protocols[] = {
    {5, NETFLOW5_HEADER, open_fixed, decode_fixed, 0},
    {9, NETFLOW9_HEADER, open_netflow9, decode_netflow9, 0},
    {10, IPFIX_HEADER, open_ipfix, decode_ipfix, 0},
    {1, NETFLOW1_HEADER, open_fixed, decode_fixed, NETFLOW1_RECORD},
    {7, NETFLOW7_HEADER, open_fixed, decode_fixed, NETFLOW7_RECORD},
};
static const struct protocol sflow = {SFLOW5, SFLOW_HEADER_LEAST, open_sflow, decode_sflow, 0};

static bool looks_like(const struct protocol *p, const uint8_t *bytes, size_t length)
{
    if (length < p->header || load_be16(bytes) != p->version)
        return false;
    size_t count = load_be16(bytes + 2);
    return !p->record || (count && p->header + count * p->record <= length);
}

const struct protocol *protocol_recognise(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (looks_like(&protocols[i], bytes, length))
            return &protocols[i];
    return sflow_recognise(bytes, length) ? &sflow : NULL;
}

int ingest_recognise(const uint8_t *bytes, size_t length)
{
    const struct protocol *p = protocol_recognise(bytes, length);
    return p ? p->version : 0;
}
