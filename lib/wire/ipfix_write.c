/* ipfix_write.c - see ipfix_write.h. A row's presence bits over the block's fields are its kind;
 * each kind has a list of fields, and one template a domain. Neighbour: ipfix.c reads what this
 * writes. */
#include "wire/ipfix_write.h"
#include "base/address.h"
#include "flow/batch.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_MOST 1400u
#define RECORD_MOST 65000u
#define HEADER 16u
#define SET_HEADER 4u
#define TEMPLATE_SET 2u
#define FIRST_TEMPLATE 256u
#define VARIABLE 65535u

/* Fields that a row gets beside its columns. */
enum added { ADD_START, ADD_END, ADD_DURATION, ADD_EXPORTER4, ADD_EXPORTER6, ADD_RATE, ADDED };
static const struct {
    uint16_t id, length;
} added_fields[ADDED] = {[ADD_START] = {152, 8},     [ADD_END] = {153, 8},
                         [ADD_DURATION] = {161, 4},  [ADD_EXPORTER4] = {130, 4},
                         [ADD_EXPORTER6] = {131, 16}, [ADD_RATE] = {34, 4}};

struct field {
    uint16_t id, length; /* length as in a template */
    uint32_t pen;
    const struct vector *vector; /* NULL: added, `which` says what */
    enum added which;
};

/* A kind of record, as octets: for each field id, length, pen. */
struct template {
    uint32_t domain;
    uint16_t id;
    uint32_t length;
    uint8_t *fields;
    uint64_t hash;
};

struct domain {
    uint32_t domain, sequence;
    uint32_t templates;
};

struct ipfix_writer {
    struct template *templates;
    size_t template_count, template_room;
    uint32_t *slots; /* template + 1, by hash; twice the room */
    struct domain *domains;
    size_t domain_count, domain_room;
    struct ipfix_written report;
    struct buffer message, record, kind;
    /* The message being made. */
    size_t domain; /* index */
    uint32_t export_s, records;
    size_t set_at; /* of the set being filled; 0: none */
    uint16_t set_id;
};

struct ipfix_writer *ipfix_writer_new(void)
{
    return calloc(1, sizeof(struct ipfix_writer));
}

void ipfix_writer_free(struct ipfix_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->template_count; i++)
        free(w->templates[i].fields);
    free(w->templates);
    free(w->slots);
    free(w->domains);
    buffer_free(&w->message);
    buffer_free(&w->record);
    buffer_free(&w->kind);
    free(w);
}

struct ipfix_written ipfix_writer_report(const struct ipfix_writer *w)
{
    return w->report;
}

static enum weir_status no_memory(struct weir_error *error)
{
    return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory while writing IPFIX");
}

/* ---- messages ---- */

static void put_at16(struct buffer *b, size_t at, uint32_t v)
{
    b->bytes[at] = (uint8_t)(v >> 8);
    b->bytes[at + 1] = (uint8_t)v;
}

static void close_set(struct ipfix_writer *w)
{
    if (w->set_at && !w->message.failed)
        put_at16(&w->message, w->set_at + 2, (uint32_t)(w->message.length - w->set_at));
    w->set_at = 0;
}

static void close_message(struct ipfix_writer *w, struct buffer *out)
{
    close_set(w);
    if (w->message.length > HEADER && !w->message.failed) {
        put_at16(&w->message, 2, (uint32_t)w->message.length);
        buffer_put(out, w->message.bytes, w->message.length);
        w->domains[w->domain].sequence += w->records;
        w->report.messages++;
        w->report.records += w->records;
    }
    w->message.length = 0;
    w->records = 0;
}

static void open_message(struct ipfix_writer *w)
{
    const struct domain *d = &w->domains[w->domain];
    buffer_put_u16be(&w->message, 10);
    buffer_put_u16be(&w->message, 0);
    buffer_put_u32be(&w->message, w->export_s);
    buffer_put_u32be(&w->message, d->sequence);
    buffer_put_u32be(&w->message, d->domain);
}

/* Room for `length` more octets in a set `id`, in this message or a new one. */
static void make_room(struct ipfix_writer *w, uint16_t id, size_t length, struct buffer *out)
{
    size_t more = length + (w->set_at && w->set_id == id ? 0 : SET_HEADER);
    if (w->message.length > HEADER && w->message.length + more > MESSAGE_MOST)
        close_message(w, out);
    if (w->message.length == 0)
        open_message(w);
    if (w->set_at && w->set_id == id)
        return;
    close_set(w);
    w->set_at = w->message.length;
    w->set_id = id;
    buffer_put_u16be(&w->message, id);
    buffer_put_u16be(&w->message, 0);
}

static bool find_domain(struct ipfix_writer *w, uint32_t domain)
{
    for (w->domain = 0; w->domain < w->domain_count; w->domain++)
        if (w->domains[w->domain].domain == domain)
            return true;
    if (w->domain_count == w->domain_room) {
        size_t room = w->domain_room ? 2 * w->domain_room : 16;
        struct domain *more = realloc(w->domains, room * sizeof *more);
        if (!more)
            return false;
        w->domains = more;
        w->domain_room = room;
    }
    w->domains[w->domain_count++] = (struct domain){.domain = domain};
    return true;
}

/* Goes on in the message of that domain and time. False: no memory. */
static bool turn_to(struct ipfix_writer *w, uint32_t domain, uint32_t export_s, struct buffer *out)
{
    bool same = w->message.length && w->domains[w->domain].domain == domain;
    if (same && w->export_s == export_s)
        return true;
    close_message(w, out);
    w->export_s = export_s;
    return same || find_domain(w, domain);
}

/* ---- templates ---- */

static uint64_t hash_of(uint32_t domain, const uint8_t *bytes, size_t length)
{
    uint64_t h = UINT64_C(1469598103934665603) ^ domain; /* FNV-1a; kinds are few */
    for (size_t i = 0; i < length; i++)
        h = (h ^ bytes[i]) * UINT64_C(1099511628211);
    return h ^ h >> 29;
}

static bool grow_templates(struct ipfix_writer *w)
{
    size_t room = w->template_room ? 2 * w->template_room : 64;
    struct template *more = realloc(w->templates, room * sizeof *more);
    if (!more)
        return false;
    w->templates = more;
    uint32_t *slots = calloc(2 * room, sizeof *slots);
    if (!slots)
        return false;
    free(w->slots);
    w->slots = slots;
    w->template_room = room;
    for (size_t i = 0; i < w->template_count; i++) {
        size_t at = more[i].hash & (2 * room - 1);
        while (slots[at])
            at = (at + 1) & (2 * room - 1);
        slots[at] = (uint32_t)i + 1;
    }
    return true;
}

static void write_template(struct ipfix_writer *w, const struct template *t, struct buffer *out)
{
    size_t count = 0, length = 4;
    for (size_t at = 0; at < t->length; at += 8, count++)
        length += memcmp(t->fields + at + 4, "\0\0\0\0", 4) ? 8 : 4;
    make_room(w, TEMPLATE_SET, length, out);
    buffer_put_u16be(&w->message, t->id);
    buffer_put_u16be(&w->message, (uint16_t)count);
    for (const uint8_t *f = t->fields; f < t->fields + t->length; f += 8) {
        bool enterprise = memcmp(f + 4, "\0\0\0\0", 4) != 0;
        buffer_put_u8(&w->message, (uint8_t)(f[0] | (enterprise ? 0x80 : 0)));
        buffer_put(&w->message, f + 1, enterprise ? 7 : 3);
    }
}

/* The template of w->kind in the present domain, written down when it is new. */
static enum weir_status find_template(struct ipfix_writer *w, uint16_t *id, struct buffer *out,
                                      struct weir_error *error)
{
    struct domain *d = &w->domains[w->domain];
    if (w->template_count == w->template_room && !grow_templates(w))
        return no_memory(error);
    uint64_t hash = hash_of(d->domain, w->kind.bytes, w->kind.length);
    size_t at = hash & (2 * w->template_room - 1);
    for (; w->slots[at]; at = (at + 1) & (2 * w->template_room - 1)) {
        const struct template *t = &w->templates[w->slots[at] - 1];
        if (t->hash == hash && t->domain == d->domain && t->length == w->kind.length &&
            !memcmp(t->fields, w->kind.bytes, t->length)) {
            *id = t->id;
            return WEIR_OK;
        }
    }
    if (d->templates == 65536 - FIRST_TEMPLATE)
        return weir_fail(error, WEIR_ELIMIT, NULL,
                         "domain %u has more kinds of records than IPFIX has template ids",
                         (unsigned)d->domain);
    struct template t = {.domain = d->domain, .hash = hash, .length = (uint32_t)w->kind.length,
                         .id = (uint16_t)(FIRST_TEMPLATE + d->templates++)};
    t.fields = malloc(w->kind.length + 1);
    if (!t.fields)
        return no_memory(error);
    memcpy(t.fields, w->kind.bytes, w->kind.length);
    w->templates[w->template_count++] = t;
    w->slots[at] = (uint32_t)w->template_count;
    write_template(w, &t, out);
    *id = t.id;
    return WEIR_OK;
}

/* ---- records ---- */

struct writing {
    struct ipfix_writer *writer;
    const struct frame *frame;
    struct field *fields; /* every one that a row of the frame may have */
    uint32_t field_count;
    const struct vector *domain, *exported, *exporter, *rate, *start, *end;
    const struct vector *origin, *up_start, *up_end, *start_ms, *end_ms, *durations[2],
        *says_exporter[2], *says_rate[3];
    unsigned times; /* of the present row: bits of ADD_START, ADD_END, ADD_DURATION */
    uint64_t *bits, *last_bits; /* a bit a field */
    uint16_t id;                /* of last_bits, in last_domain; 0: none */
    size_t last_domain;
};

static bool is_mac(const struct vector *v)
{
    return v->width == 8 && ie_storage_type(v->key) == IE_MAC_ADDRESS;
}

static bool is_written(ie_key key)
{
    if (ie_key_pen(key) == WEIR_PEN || key == IANA(21) || key == IANA(22))
        return false;
    return ie_key_id(key) < 32768;
}

static void list_fields(struct writing *w)
{
    for (uint32_t i = 0; i < w->frame->count; i++) {
        const struct vector *v = &w->frame->vectors[i];
        if (!is_written(v->key))
            continue;
        w->fields[w->field_count++] = (struct field){
            .id = ie_key_id(v->key), .pen = ie_key_pen(v->key), .vector = v,
            .length = (uint16_t)(v->width == 0 ? VARIABLE : is_mac(v) ? 6 : v->width)};
    }
    for (unsigned i = 0; i < ADDED; i++)
        w->fields[w->field_count++] = (struct field){
            .id = added_fields[i].id, .length = added_fields[i].length, .which = (enum added)i};
}

static bool has(const struct vector *v, uint32_t row)
{
    return v && vector_has(v, row);
}

static uint64_t number(const struct vector *v, uint32_t row)
{
    return has(v, row) && v->width >= 1 && v->width <= 8 ? vector_u64(v, row) : 0;
}

/* 0: not known, or no whole number. */
static uint32_t whole_rate(const struct writing *w, uint32_t row)
{
    uint64_t bits = number(w->rate, row);
    double rate;
    memcpy(&rate, &bits, sizeof rate);
    if (!(rate > 1) || rate >= 4294967296.0 || rate != (double)(uint32_t)rate)
        return 0;
    return (uint32_t)rate;
}

static bool is_ipv4(const struct writing *w, uint32_t row)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return !memcmp(vector_octets(w->exporter, row).bytes, mapped, sizeof mapped);
}

/* The second of a message's header (RFC 7011 section 3.1): the nearest that 32 bits can say. */
static uint32_t header_time(int64_t exported_ms)
{
    int64_t s = exported_ms / 1000;
    return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

#define TIMES (1u << ADD_START | 1u << ADD_END)

/* Which times would not come out of the message the same: those relative to a router's start, and
 * those of a message that are not to the second, or not what its header says. */
static unsigned times_to_say(const struct writing *w, uint32_t row)
{
    uint64_t origin = number(w->origin, row);
    int64_t exported = (int64_t)number(w->exported, row);
    unsigned say = 0;
    if (origin >= TIME_FROM_EXPORT)
        say = (int64_t)number(w->end, row) == INT64_C(1000) * header_time(exported) ? 0 : TIMES;
    else if (has(w->up_start, row) || has(w->up_end, row))
        say = origin == TIME_FROM_START ? 1u << ADD_START : TIMES;
    if (!has(w->start, row) || has(w->start_ms, row))
        say &= ~(1u << ADD_START);
    if (!has(w->end, row) || has(w->end_ms, row))
        say &= ~(1u << ADD_END);
    return say;
}

/* A start that is no number of milliseconds since 1970 is said by the flow's duration, which has
 * 32 bits. False when neither can say it. */
static bool say_by_duration(struct writing *w, uint32_t row)
{
    int64_t end = (int64_t)number(w->end, row);
    uint64_t length = (uint64_t)end - number(w->start, row);
    w->times &= ~(1u << ADD_START);
    if (end <= 0 || length > UINT32_MAX || has(w->durations[0], row) || has(w->durations[1], row))
        return false;
    w->times |= 1u << ADD_DURATION | (has(w->end_ms, row) ? 0 : 1u << ADD_END);
    return true;
}

/* What is said of the row's times; what can not be is left out, and counted. 0 is a time, but
 * readers, ours too, take it for one that is not there. */
static void choose_times(struct writing *w, uint32_t row)
{
    int64_t exported = (int64_t)number(w->exported, row);
    bool all = exported >= 0 && exported / 1000 <= UINT32_MAX;
    w->times = times_to_say(w, row);
    if (w->times & 1u << ADD_START && (int64_t)number(w->start, row) <= 0)
        all &= say_by_duration(w, row);
    if (w->times & 1u << ADD_END && (int64_t)number(w->end, row) <= 0) {
        w->times &= ~(1u << ADD_END);
        all = false;
    }
    w->writer->report.times_unsaid += !all;
}

static bool wants(const struct writing *w, enum added which, uint32_t row)
{
    bool known = has(w->says_exporter[0], row) || has(w->says_exporter[1], row);
    bool sampled = has(w->says_rate[0], row) || has(w->says_rate[1], row) ||
                   has(w->says_rate[2], row);
    switch (which) {
    case ADD_START:
    case ADD_END:
    case ADD_DURATION: return w->times >> which & 1;
    case ADD_EXPORTER4: return w->exporter && !known && is_ipv4(w, row);
    case ADD_EXPORTER6: return w->exporter && !known && !is_ipv4(w, row);
    default: return !sampled && whole_rate(w, row) != 0;
    }
}

static void put_number(struct buffer *to, uint64_t v, unsigned width)
{
    for (unsigned i = width; i-- > 0;)
        buffer_put_u8(to, (uint8_t)(v >> 8 * i));
}

/* RFC 7011 section 7: one octet of length, or 255 and two. */
static void put_variable(struct buffer *to, struct octets o)
{
    if (o.length < 255) {
        buffer_put_u8(to, (uint8_t)o.length);
    } else {
        buffer_put_u8(to, 255);
        buffer_put_u16be(to, (uint16_t)o.length);
    }
    buffer_put(to, o.bytes, o.length);
}

static void put_added(const struct writing *w, enum added which, uint32_t row, struct buffer *to)
{
    switch (which) {
    case ADD_START: buffer_put_u64be(to, number(w->start, row)); return;
    case ADD_END: buffer_put_u64be(to, number(w->end, row)); return;
    case ADD_DURATION:
        buffer_put_u32be(to, (uint32_t)(number(w->end, row) - number(w->start, row)));
        return;
    case ADD_EXPORTER4: buffer_put(to, vector_octets(w->exporter, row).bytes + 12, 4); return;
    case ADD_EXPORTER6: buffer_put(to, vector_octets(w->exporter, row).bytes, 16); return;
    default: buffer_put_u32be(to, whole_rate(w, row)); return;
    }
}

/* False: longer than a message can be. */
static bool put_field(const struct writing *w, const struct field *f, uint32_t row,
                      struct buffer *to)
{
    const struct vector *v = f->vector;
    if (!v) {
        put_added(w, f->which, row, to);
    } else if (v->width >= 1 && v->width <= 8) {
        put_number(to, vector_u64(v, row), f->length);
    } else {
        struct octets o = vector_octets(v, row);
        if (o.length > RECORD_MOST)
            return false;
        if (v->width)
            buffer_put(to, o.bytes, o.length);
        else
            put_variable(to, o);
    }
    return to->length <= RECORD_MOST;
}

static void mark_fields(struct writing *w, uint32_t row)
{
    memset(w->bits, 0, (w->field_count + 63) / 64 * sizeof *w->bits);
    choose_times(w, row);
    for (uint32_t i = 0; i < w->field_count; i++) {
        const struct field *f = &w->fields[i];
        bool there = f->vector ? vector_has(f->vector, row) : wants(w, f->which, row);
        w->bits[i / 64] |= (uint64_t)there << (i % 64);
    }
}

static void describe_kind(struct writing *w)
{
    struct buffer *kind = &w->writer->kind;
    buffer_clear(kind);
    for (uint32_t i = 0; i < w->field_count; i++) {
        if (!(w->bits[i / 64] >> (i % 64) & 1))
            continue;
        buffer_put_u16be(kind, w->fields[i].id);
        buffer_put_u16be(kind, w->fields[i].length);
        buffer_put_u32be(kind, w->fields[i].pen);
    }
}

/* The row's template; mostly that of the row before. */
static enum weir_status choose_template(struct writing *w, uint32_t row, struct buffer *out,
                                        struct weir_error *error)
{
    struct ipfix_writer *writer = w->writer;
    size_t octets = (w->field_count + 63) / 64 * sizeof *w->bits;
    mark_fields(w, row);
    if (w->id && w->last_domain == writer->domain && !memcmp(w->bits, w->last_bits, octets))
        return WEIR_OK;
    describe_kind(w);
    if (writer->kind.failed)
        return no_memory(error);
    memcpy(w->last_bits, w->bits, octets);
    w->last_domain = writer->domain;
    w->id = 0;
    return writer->kind.length ? find_template(writer, &w->id, out, error) : WEIR_OK;
}

static enum weir_status write_row(struct writing *w, uint32_t row, struct buffer *out,
                                  struct weir_error *error)
{
    struct ipfix_writer *writer = w->writer;
    uint32_t export_s = header_time((int64_t)number(w->exported, row));
    if (!turn_to(writer, (uint32_t)number(w->domain, row), export_s, out))
        return no_memory(error);
    enum weir_status status = choose_template(w, row, out, error);
    if (status != WEIR_OK || !w->id)
        return status;
    bool fits = true;
    buffer_clear(&writer->record);
    for (uint32_t i = 0; fits && i < w->field_count; i++)
        if (w->bits[i / 64] >> (i % 64) & 1)
            fits = put_field(w, &w->fields[i], row, &writer->record);
    if (!fits) {
        writer->report.too_long++;
        return WEIR_OK;
    }
    make_room(writer, w->id, writer->record.length, out);
    buffer_put(&writer->message, writer->record.bytes, writer->record.length);
    writer->records++;
    return writer->message.failed || writer->record.failed || out->failed ? no_memory(error)
                                                                          : WEIR_OK;
}

static void find_columns(struct writing *w)
{
    const struct frame *f = w->frame;
    w->domain = frame_find(f, WEIR_DOMAIN);
    w->exported = frame_find(f, WEIR_EXPORT_TIME);
    w->exporter = frame_find(f, WEIR_EXPORTER);
    if (w->exporter && w->exporter->width != 16)
        w->exporter = NULL;
    w->rate = frame_find(f, WEIR_SAMPLING_RATE);
    w->start = frame_find(f, WEIR_FLOW_START);
    w->end = frame_find(f, WEIR_FLOW_END);
    w->origin = frame_find(f, WEIR_TIME_ORIGIN);
    w->up_start = frame_find(f, IANA(22));
    w->up_end = frame_find(f, IANA(21));
    w->start_ms = frame_find(f, IANA(152));
    w->end_ms = frame_find(f, IANA(153));
    w->durations[0] = frame_find(f, IANA(161));
    w->durations[1] = frame_find(f, IANA(162));
    w->says_exporter[0] = frame_find(f, IANA(130));
    w->says_exporter[1] = frame_find(f, IANA(131));
    w->says_rate[0] = frame_find(f, IANA(34));
    w->says_rate[1] = frame_find(f, IANA(50));
    w->says_rate[2] = frame_find(f, IANA(305));
}

enum weir_status ipfix_write(struct ipfix_writer *writer, const struct frame *f,
                             const uint64_t *selected, struct buffer *out,
                             struct weir_error *error)
{
    struct writing w = {.writer = writer, .frame = f};
    size_t most = f->count + ADDED, words = (most + 63) / 64;
    enum weir_status status = WEIR_OK;
    w.fields = malloc(most * sizeof *w.fields);
    w.bits = calloc(2 * words, sizeof *w.bits);
    if (!w.fields || !w.bits) {
        status = no_memory(error);
    } else {
        w.last_bits = w.bits + words;
        find_columns(&w);
        list_fields(&w);
    }
    for (uint32_t row = 0; status == WEIR_OK && row < f->rows; row++)
        if (!selected || (selected[row / 64] >> (row % 64) & 1))
            status = write_row(&w, row, out, error);
    if (status == WEIR_OK) {
        close_message(writer, out);
        if (out->failed)
            status = no_memory(error);
    }
    free(w.fields);
    free(w.bits);
    return status;
}
