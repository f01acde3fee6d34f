/* recall.c - see recall.h. Neighbours: keeper.c (the file), sets.c (templates), workers.c. */
#include "ingest/recall.h"
#include "ingest/ingest_private.h"
#include "wire/ipfix.h"
#include "wire/netflow9.h"

#define RECORD_MOST 65535u

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

struct recalled_template {
    enum record_kind kind;
    int64_t heard_ms;
    struct cursor record;
};

static bool next_template(struct cursor *in, struct recalled_template *out)
{
    out->kind = cursor_u8(in) ? RECORD_OPTIONS : RECORD_FLOW;
    out->heard_ms = (int64_t)cursor_u64_le(in);
    out->record = cursor_sub(in, cursor_u16_le(in));
    return !in->failed;
}

bool recall_next(struct cursor *in, struct recalled *out)
{
    struct recalled_template ignored;
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
        (void)next_template(in, &ignored);
    if (in->failed)
        return false;
    out->templates = cursor_over(first, (size_t)(in->at - first));
    return true;
}

void recall_templates(struct ingest *in, const struct recalled *r)
{
    struct session_key key = {
        .exporter = r->exporter, .domain = r->domain, .port = r->port, .protocol = r->protocol};
    struct cursor all = r->templates;
    struct recalled_template t;
    for (uint32_t i = 0; i < r->count && next_template(&all, &t); i++) {
        struct wire_definition d = {0};
        const struct template_record record = {t.record.at, (uint32_t)cursor_left(&t.record),
                                               t.heard_ms};
        wire_template_reader read = reader_of(r->protocol, t.kind);
        if (!read || !read(&t.record, &d) || !d.definition)
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
}

/* ---- out ---- */

struct writing {
    struct buffer *out;
    uint32_t sessions;
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

static void write_session(void *context, struct session *s)
{
    struct writing *w = context;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->templates.count; i++)
        count += kept(s->templates.list[i]);
    if (!count || s->key.transport)
        return;
    buffer_put(w->out, s->key.exporter.octets, sizeof s->key.exporter.octets);
    buffer_put_u32le(w->out, s->key.domain);
    buffer_put_u16le(w->out, s->key.port);
    buffer_put_u16le(w->out, s->key.protocol);
    buffer_put_u32le(w->out, count);
    for (uint32_t i = 0; i < s->templates.count; i++)
        if (kept(s->templates.list[i]))
            write_template(w->out, s->templates.list[i]);
    w->sessions++;
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
    struct writing w = {out, 0};
    sessions_each(in->sessions, write_session, &w);
    in->templates_repeated = false;
    return w.sessions;
}
