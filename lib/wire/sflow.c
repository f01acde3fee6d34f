/* sflow.c - sFlow version 5: the datagram's header and its samples (sflow.h). Neighbours:
 * sflow_records.c reads what is in a flow sample. */
#include "wire/sflow.h"
#include <string.h>

enum sample_format {
    FLOW = 1,
    COUNTERS = 2,
    FLOW_EXPANDED = 3,
    COUNTERS_EXPANDED = 4,
    DISCARDED = 5
};
enum address_type { ADDRESS_IPV4 = 1, ADDRESS_IPV6 = 2 };

bool sflow_recognise(const uint8_t *bytes, size_t length)
{
    if (length < SFLOW_HEADER_LEAST || load_be32(bytes) != 5)
        return false;
    uint32_t type = load_be32(bytes + 4);
    return type == ADDRESS_IPV4 || type == ADDRESS_IPV6;
}

enum weir_status sflow_read_header(struct cursor *datagram, struct sflow_header *out)
{
    if (cursor_left(datagram) < SFLOW_HEADER_LEAST)
        return WEIR_ETRUNCATED;
    if (cursor_u32(datagram) != 5)
        return WEIR_EVERSION;
    uint32_t type = cursor_u32(datagram);
    if (type != ADDRESS_IPV4 && type != ADDRESS_IPV6)
        return WEIR_EMALFORMED;
    if (type == ADDRESS_IPV4) {
        out->agent = address_from_ipv4(cursor_u32(datagram));
    } else {
        const uint8_t *octets = cursor_bytes(datagram, sizeof out->agent.octets);
        if (!octets)
            return WEIR_ETRUNCATED;
        memcpy(out->agent.octets, octets, sizeof out->agent.octets);
    }
    out->sub_agent = cursor_u32(datagram);
    out->sequence = cursor_u32(datagram);
    out->up_time_ms = cursor_u32(datagram);
    out->samples = cursor_u32(datagram);
    return datagram->failed ? WEIR_ETRUNCATED : WEIR_OK;
}

/* A compact interface: two bits of format, thirty of value, whose highest means none. */
static void read_interface(struct cursor *c, uint32_t *format, uint32_t *value)
{
    uint32_t word = cursor_u32(c);
    *format = word >> 30;
    *value = word & 0x3fffffff;
    if (*format == 0 && *value == 0x3fffffff)
        *value = UINT32_MAX; /* as expanded samples say it */
}

static void read_flow_head(struct cursor *c, struct sflow_sample *s)
{
    s->sequence = cursor_u32(c);
    uint32_t source = cursor_u32(c);
    s->source = (uint64_t)(source >> 24) << 32 | (source & 0xffffff);
    s->rate = cursor_u32(c);
    s->pool = cursor_u32(c);
    s->drops = cursor_u32(c);
    read_interface(c, &s->input_format, &s->input);
    read_interface(c, &s->output_format, &s->output);
    s->record_count = cursor_u32(c);
}

static void read_expanded_head(struct cursor *c, struct sflow_sample *s)
{
    s->sequence = cursor_u32(c);
    s->source = cursor_u64(c); /* type and index follow each other */
    s->rate = cursor_u32(c);
    s->pool = cursor_u32(c);
    s->drops = cursor_u32(c);
    s->input_format = cursor_u32(c);
    s->input = cursor_u32(c);
    s->output_format = cursor_u32(c);
    s->output = cursor_u32(c);
    s->record_count = cursor_u32(c);
}

static enum sflow_kind kind_of(uint32_t format)
{
    static const enum sflow_kind kinds[] = {
        [FLOW] = SFLOW_FLOW,         [FLOW_EXPANDED] = SFLOW_FLOW,
        [COUNTERS] = SFLOW_COUNTERS, [COUNTERS_EXPANDED] = SFLOW_COUNTERS,
        [DISCARDED] = SFLOW_DISCARDED,
    };
    return format && format < sizeof kinds / sizeof *kinds ? kinds[format] : SFLOW_UNKNOWN;
}

bool sflow_next_sample(struct cursor *samples, struct sflow_sample *out)
{
    struct cursor at = *samples;
    uint32_t format = cursor_u32(&at), length = cursor_u32(&at);
    if (at.failed || length > cursor_left(&at))
        return false;
    struct cursor content = cursor_sub(&at, length);
    memset(out, 0, sizeof *out);
    out->kind = kind_of(format);
    out->length = 8 + (size_t)length;
    if (format == FLOW)
        read_flow_head(&content, out);
    else if (format == FLOW_EXPANDED)
        read_expanded_head(&content, out);
    if (content.failed)
        return false;
    out->records = content;
    *samples = at;
    return true;
}
