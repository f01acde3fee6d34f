/* recall.c - see recall.h. Neighbours: keeper.c (the file), sets.c (templates), workers.c. */
#include "ingest/recall.h"
#include "ingest/ingest_private.h"
#include "wire/ipfix.h"
#include "wire/netflow9.h"
#include <string.h>

#define RECORD_MOST 65535u
#define PROTOCOL_OF_SAMPLERS 0

static const struct {
    uint16_t protocol;
    wire_template_reader read[2]; /* by enum record_kind */
} readers[] = {
    {9, {netflow9_read_template, netflow9_read_options_template}},
    {10, {ipfix_read_template, ipfix_read_options_template}},
};

static wire_template_reader reader_of(uint16_t protocol, enum record_kind kind)
{
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (readers[i].protocol == protocol)
            return readers[i].read[kind];
    return NULL;
}

/* ---- in ---- */

struct part {
    uint8_t kind;
    int64_t heard_ms;
    struct cursor octets;
};

static bool next_part(struct cursor *in, struct part *out)
{
    out->kind = cursor_u8(in);
    out->heard_ms = (int64_t)cursor_u64_le(in);
    out->octets = cursor_sub(in, cursor_u16_le(in));
    return !in->failed;
}

bool recall_next(struct cursor *in, struct recalled *out)
{
    struct part ignored;
    if (!cursor_left(in))
        return false;
    const uint8_t *address = cursor_bytes(in, sizeof out->exporter.octets);
    if (address)
        memcpy(out->exporter.octets, address, sizeof out->exporter.octets);
    out->domain = cursor_u32_le(in);
    out->port = cursor_u16_le(in);
    out->protocol = cursor_u16_le(in);
    out->count = cursor_u32_le(in);
    const uint8_t *first = in->at;
    for (uint32_t i = 0; i < out->count && !in->failed; i++)
        (void)next_part(in, &ignored);
    if (in->failed)
        return false;
    out->parts = cursor_over(first, (size_t)(in->at - first));
    return true;
}

static void recall_samplers(struct ingest *in, const struct recalled *r)
{
    struct source *source = sessions_source(in->sessions, &r->exporter, r->domain);
    struct cursor all = r->parts;
    struct part p;
    for (uint32_t i = 0; source && i < r->count && next_part(&all, &p); i++) {
        struct sampler s = {.id = cursor_u64_le(&p.octets),
                            .kind = (enum sampler_kind)p.kind,
                            .heard_ms = p.heard_ms};
        uint64_t bits = cursor_u64_le(&p.octets);
        memcpy(&s.rate, &bits, sizeof s.rate);
        if (!p.octets.failed)
            (void)sampling_recall(&source->samplers, &s);
    }
}

void recall_entry(struct ingest *in, const struct recalled *r)
{
    struct session_key key = {
        .exporter = r->exporter, .domain = r->domain, .port = r->port, .protocol = r->protocol};
    struct cursor all = r->parts;
    struct part t;
    if (r->protocol == PROTOCOL_OF_SAMPLERS) {
        recall_samplers(in, r);
        return;
    }
    for (uint32_t i = 0; i < r->count && next_part(&all, &t); i++) {
        struct wire_definition d = {0};
        const struct template_record record = {t.octets.at, (uint32_t)cursor_left(&t.octets),
                                               t.heard_ms};
        wire_template_reader read = reader_of(r->protocol, t.kind ? RECORD_OPTIONS : RECORD_FLOW);
        if (!read || !read(&t.octets, &d) || !d.definition)
            continue;
        struct session *s = sessions_get(in->sessions, &key);
        if (!s || templates_find(&s->templates, d.definition->id)) {
            wire_template_free(d.definition); /* what was heard since then is newer */
            continue;
        }
        s->recalled = sets_learn_template(in, s, d.definition, &record) || s->recalled;
    }
}

void recall_confirm(struct ingest *in, struct session *s, uint32_t sequence)
{
    s->recalled = false;
    if (!s->sequence.started || (int32_t)(sequence - s->sequence.next) >= 0)
        return;
    sets_forget_template(in, s, 0, RECORD_FLOW);
    sets_forget_template(in, s, 0, RECORD_OPTIONS);
    if (sampling_forget_recalled(&s->source->samplers, INT64_MAX))
        in->templates_version++;
}

/* ---- out ---- */

struct writing {
    struct buffer *out;
    uint32_t entries;
    uint64_t number; /* of this recall_write() */
};

static bool kept(const struct known_template *k)
{
    return k->record && k->record_length <= RECORD_MOST;
}

static void write_template(struct buffer *out, const struct known_template *k)
{
    buffer_put_u8(out, k->wire->kind == RECORD_OPTIONS);
    buffer_put_u64le(out, (uint64_t)k->heard_ms);
    buffer_put_u16le(out, (uint16_t)k->record_length);
    buffer_put(out, k->record, k->record_length);
}

static void write_head(struct buffer *out, const struct recalled *r)
{
    buffer_put(out, r->exporter.octets, sizeof r->exporter.octets);
    buffer_put_u32le(out, r->domain);
    buffer_put_u16le(out, r->port);
    buffer_put_u16le(out, r->protocol);
    buffer_put_u32le(out, r->count);
}

static void write_samplers(struct writing *w, struct source *s)
{
    const struct recalled head = {.exporter = s->exporter,
                                  .domain = s->domain,
                                  .protocol = PROTOCOL_OF_SAMPLERS,
                                  .count = s->samplers.count};
    if (!head.count || s->written == w->number)
        return;
    s->written = w->number;
    write_head(w->out, &head);
    for (uint32_t i = 0; i < head.count; i++) {
        const struct sampler *one = &s->samplers.list[i];
        uint64_t bits;
        memcpy(&bits, &one->rate, sizeof bits);
        buffer_put_u8(w->out, (uint8_t)one->kind);
        buffer_put_u64le(w->out, (uint64_t)one->heard_ms);
        buffer_put_u16le(w->out, sizeof one->id + sizeof bits);
        buffer_put_u64le(w->out, one->id);
        buffer_put_u64le(w->out, bits);
    }
    w->entries++;
}

static void write_session(void *context, struct session *s)
{
    struct writing *w = context;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->templates.count; i++)
        count += kept(s->templates.list[i]);
    if (!count || s->key.transport)
        return;
    const struct recalled head = {.exporter = s->key.exporter,
                                  .domain = s->key.domain,
                                  .port = s->key.port,
                                  .protocol = s->key.protocol,
                                  .count = count};
    write_head(w->out, &head);
    for (uint32_t i = 0; i < s->templates.count; i++)
        if (kept(s->templates.list[i]))
            write_template(w->out, s->templates.list[i]);
    w->entries++;
    write_samplers(w, s->source);
}

uint64_t recall_version(const struct ingest *in)
{
    return in->templates_version;
}

bool recall_repeated(const struct ingest *in)
{
    return in->templates_repeated;
}

uint32_t recall_write(struct ingest *in, struct buffer *out)
{
    struct writing w = {out, 0, ++in->recall_writes};
    sessions_each(in->sessions, write_session, &w);
    in->templates_repeated = false;
    return w.entries;
}
