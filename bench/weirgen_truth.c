/* weirgen_truth.c - what was really sent and what of it arrived, as one JSON document (weirgen.h).
 *
 * Units: missing and unknown count what the protocol's sequence numbers count - records for v5 and
 * IPFIX (options data records too, RFC 7011 section 3.1), datagrams for v9. */
#include "weirgen.h"
#include <string.h>

void tally_add(struct tally *to, const struct tally *from)
{
    to->datagrams += from->datagrams;
    to->records += from->records;
    to->octets += from->octets;
    to->packets += from->packets;
}

static void put_number(struct buffer *out, const char *name, uint64_t n)
{
    buffer_print(out, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void put_tally(struct buffer *out, const char *name, const struct tally *t)
{
    buffer_print(out,
                 ",\"%s\":{\"datagrams\":%llu,\"records\":%llu,\"octets\":%llu,\"packets\":%llu}",
                 name, (unsigned long long)t->datagrams, (unsigned long long)t->records,
                 (unsigned long long)t->octets, (unsigned long long)t->packets);
}

static void put_name(struct buffer *out, const char *name)
{
    buffer_put_json(out, name, strlen(name));
}

static void put_truth(struct buffer *out, int64_t protocol, const struct truth *t)
{
    bool datagrams = protocol == PROTOCOL_V9;
    struct tally sent = t->received;
    tally_add(&sent, &t->duplicated);
    put_tally(out, "generated", &t->generated);
    put_tally(out, "dropped", &t->lost);
    put_tally(out, "received", &t->received);
    put_tally(out, "duplicated", &t->duplicated);
    put_tally(out, "sent", &sent);
    put_number(out, "option_records", t->option_records - t->lost_option_records);
    put_number(out, "template_datagrams", t->control_datagrams);
    put_number(out, "reordered", t->reordered);
    put_number(out, "restarts", t->restarts);
    put_number(out, "missing_knowable", datagrams ? t->missing_datagrams : t->missing_records);
    put_number(out, "unknown", datagrams ? t->unknown_datagrams : t->unknown_records);
    put_number(out, "unknown_places", t->unknown_gaps);
    buffer_print(out, ",\"unit\":\"%s\"", datagrams ? "datagrams" : "records");
}

static void truth_add(struct truth *to, const struct truth *from)
{
    tally_add(&to->generated, &from->generated);
    tally_add(&to->lost, &from->lost);
    tally_add(&to->received, &from->received);
    tally_add(&to->duplicated, &from->duplicated);
    to->option_records += from->option_records;
    to->lost_option_records += from->lost_option_records;
    to->control_datagrams += from->control_datagrams;
    to->reordered += from->reordered;
    to->restarts += from->restarts;
    to->missing_records += from->missing_records;
    to->missing_datagrams += from->missing_datagrams;
    to->unknown_records += from->unknown_records;
    to->unknown_datagrams += from->unknown_datagrams;
    to->unknown_gaps += from->unknown_gaps;
}

static void put_cell(struct buffer *out, size_t src, size_t dst, const struct tally *cell,
                     bool first)
{
    buffer_print(out, "%s\n{\"srcTag\":%zu,\"dstTag\":%zu", first ? "" : ",", src, dst);
    put_number(out, "octets", cell->octets);
    put_number(out, "packets", cell->packets);
    put_number(out, "flows", cell->records);
    buffer_put_u8(out, '}');
}

/* The cells that are not empty, summed over `count` exporters. */
static void put_matrix(struct buffer *out, size_t tags, struct exporter *const *exporters,
                       size_t count)
{
    bool first = true;
    buffer_print(out, "\"matrix\":[");
    for (size_t cell = 0; cell < (tags + 1) * (tags + 1); cell++) {
        struct tally sum = {0};
        for (size_t i = 0; i < count; i++)
            tally_add(&sum, &exporter_matrix(exporters[i])[cell]);
        if (sum.records)
            put_cell(out, cell / (tags + 1), cell % (tags + 1), &sum, first);
        first = first && !sum.records;
    }
    buffer_print(out, "]");
}

static void put_tags(struct buffer *out, uint32_t tags)
{
    buffer_print(out, "\"tags\":[");
    for (uint32_t tag = 1; tag <= tags; tag++) {
        char name[32], text[PREFIX_TEXT_SIZE];
        buffer_print(out, "%s\n{\"tag\":%u,\"name\":", tag > 1 ? "," : "", tag);
        put_name(out, plan_tag_name(tag, name));
        buffer_print(out, ",\"prefixes\":[");
        for (unsigned n = 0; plan_prefix(tags, tag, n, text); n++)
            buffer_print(out, "%s\"%s\"", n ? "," : "", text);
        buffer_print(out, "]}");
    }
    buffer_print(out, "],\n");
}

static void put_domains(struct buffer *out, const struct exporter *e, int64_t protocol,
                        struct truth *sum)
{
    const struct truth *t;
    buffer_print(out, ",\n\"domains\":[");
    for (size_t i = 0; i < exporter_domains(e); i++) {
        buffer_print(out, "%s\n{\"domain\":%u", i ? "," : "", exporter_domain(e, i, &t));
        put_truth(out, protocol, t);
        buffer_put_u8(out, '}');
        truth_add(sum, t);
    }
    buffer_print(out, "]");
}

static void put_exporter(struct buffer *out, uint32_t tags, const struct endpoint *source,
                         struct exporter *e)
{
    char text[ADDRESS_TEXT_SIZE];
    const struct spec *s = exporter_spec(e);
    struct truth sum = {0};
    buffer_print(out, "\n{\"name\":");
    put_name(out, s->name);
    buffer_print(out, ",\"address\":\"%s\",\"port\":%u,\"protocol\":\"%s\",\"sampling\":%lld",
                 address_print(&source->address, text), source->port, protocol_names[s->protocol],
                 (long long)s->sampling);
    put_domains(out, e, s->protocol, &sum);
    put_truth(out, s->protocol, &sum);
    buffer_print(out, ",\n");
    put_matrix(out, tags, &e, 1);
    buffer_put_u8(out, '}');
}

/* On a line of its own, for shell scripts. */
static void put_total(struct buffer *out, struct exporter *const *exporters, size_t count)
{
    struct tally generated = {0}, received = {0};
    const struct truth *t;
    for (size_t i = 0; i < count; i++)
        for (size_t d = 0; d < exporter_domains(exporters[i]); d++) {
            (void)exporter_domain(exporters[i], d, &t);
            tally_add(&generated, &t->generated);
            tally_add(&received, &t->received);
        }
    buffer_print(out, "\"total\":{\"exporters\":%zu", count);
    put_tally(out, "generated", &generated);
    put_tally(out, "received", &received);
    buffer_print(out, "},\n");
}

void truth_print(struct buffer *out, const struct settings *s, const struct endpoint *sources,
                 struct exporter *const *exporters)
{
    buffer_print(out, "{\"seed\":%lld,\"flows\":%lld,\"from_ms\":%lld,\"to_ms\":%lld,\n",
                 (long long)s->seed, (long long)s->flows, (long long)s->start_ms,
                 (long long)(s->start_ms + s->duration_ms));
    put_tags(out, (uint32_t)s->tags);
    buffer_print(out, "\"exporters\":[");
    for (size_t i = 0; i < s->spec_count; i++) {
        buffer_print(out, "%s", i ? "," : "");
        put_exporter(out, (uint32_t)s->tags, &sources[i], exporters[i]);
    }
    buffer_print(out, "],\n");
    put_total(out, exporters, s->spec_count);
    put_matrix(out, (size_t)s->tags, exporters, s->spec_count);
    buffer_print(out, "}\n");
}
