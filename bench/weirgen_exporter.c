/* weirgen_exporter.c - an exporter: its domains, their sequences, and what the way to the collector
 * does to its datagrams (weirgen.h).
 *
 * The way keeps the truth decidable: a datagram is overtaken by at most `window` others, only after
 * one of its sequence was heard, and never across a restart; datagrams with templates arrive in
 * order and once, unless --lose-templates exposes them to loss. */
#include "weirgen.h"
#include <stdlib.h>
#include <string.h>

#define LINGER_MS 1000 /* a datagram is sent at the latest so long after its first record */
#define REBOOT_MS 30000

struct domain {
    uint32_t id, sequence;
    int64_t boot_ms, opened_ms;
    uint64_t ordinal;     /* of its next datagram */
    uint64_t latest_sent; /* ordinal of the latest that arrived, + 1 */
    struct gathered gathered;
    struct tally tally; /* of what is gathered */
    bool lost, open;
    struct truth truth;
};

/* A datagram that others overtake, or a second copy. */
struct held {
    uint8_t bytes[DATAGRAM_MOST];
    size_t length, domain;
    uint64_t ordinal, due;
    bool copy;
};

struct exporter {
    struct spec spec;
    size_t index;
    struct exporter_context context;
    struct random random;
    bool losing;       /* within a run of losses */
    uint64_t clock;    /* datagrams on the way so far */
    struct held *held;
    size_t held_count, held_most;
    int64_t template_due_ms;
    int64_t restarts_done;
    struct tally *matrix;
    struct domain domains[];
};

struct exporter *exporter_new(const struct spec *spec, size_t index,
                              const struct exporter_context *context)
{
    size_t domains = (size_t)spec->domains, tags = context->tags + 1;
    struct exporter *e = calloc(1, sizeof *e + domains * sizeof *e->domains);
    if (!e)
        return NULL;
    e->spec = *spec;
    e->index = index;
    e->context = *context;
    e->held_most = 2 * (size_t)spec->reorder_window + 4;
    e->held = malloc(e->held_most * sizeof *e->held);
    e->matrix = calloc(tags * tags, sizeof *e->matrix);
    random_seed(&e->random, context->seed, 1000 + index);
    e->template_due_ms = context->start_ms;
    for (size_t i = 0; i < domains; i++) {
        e->domains[i].id = (uint32_t)(spec->first_domain + (int64_t)i);
        e->domains[i].sequence = (uint32_t)spec->sequence;
        e->domains[i].boot_ms = context->start_ms - spec->uptime_ms;
    }
    if (!e->held || !e->matrix) {
        exporter_free(e);
        return NULL;
    }
    return e;
}

void exporter_free(struct exporter *e)
{
    if (!e)
        return;
    free(e->held);
    free(e->matrix);
    free(e);
}

const struct spec *exporter_spec(const struct exporter *e)
{
    return &e->spec;
}

size_t exporter_domains(const struct exporter *e)
{
    return (size_t)e->spec.domains;
}

uint32_t exporter_domain(const struct exporter *e, size_t i, const struct truth **truth)
{
    *truth = &e->domains[i].truth;
    return e->domains[i].id;
}

const struct tally *exporter_matrix(const struct exporter *e)
{
    return e->matrix;
}

/* ---- the way ---- */

/* Gilbert's model: outside a run losses begin so often that `loss` of all are lost in the end. */
static bool draw_loss(struct exporter *e)
{
    double stay = 1 - 1 / e->spec.loss_burst, p = e->spec.loss;
    double begin = p < 1 ? p * (1 - stay) / (1 - p) : 1;
    e->losing = p > 0 && (p >= 1 || random_chance(&e->random, e->losing ? stay : begin));
    return e->losing;
}

static enum weir_status arrive(struct exporter *e, size_t domain, uint64_t ordinal, bool copy,
                               const uint8_t *bytes, size_t length, int64_t now_ms,
                               struct weir_error *error)
{
    struct domain *d = &e->domains[domain];
    if (!copy && ordinal < d->latest_sent)
        d->truth.reordered++;
    if (!copy && ordinal >= d->latest_sent)
        d->latest_sent = ordinal + 1;
    return e->context.output->send(e->context.output, e->index, bytes, length, now_ms, error);
}

static void hold(struct exporter *e, size_t domain, uint64_t ordinal, bool copy,
                 const uint8_t *bytes, size_t length)
{
    struct held *h = &e->held[e->held_count++];
    *h = (struct held){.length = length, .domain = domain, .ordinal = ordinal, .copy = copy};
    h->due = e->clock + 1 + random_below(&e->random, (uint32_t)e->spec.reorder_window);
    memcpy(h->bytes, bytes, length);
}

/* Those that were overtaken by as many as they should be; all, when `all`. */
static enum weir_status release(struct exporter *e, bool all, int64_t now_ms,
                                struct weir_error *error)
{
    size_t kept = 0;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < e->held_count; i++) {
        struct held *h = &e->held[i];
        if (!status && (all || h->due <= e->clock))
            status = arrive(e, h->domain, h->ordinal, h->copy, h->bytes, h->length, now_ms, error);
        else if (kept++ != i)
            e->held[kept - 1] = *h;
    }
    e->held_count = kept;
    return status;
}

static enum weir_status travel(struct exporter *e, size_t domain, bool straight,
                               const uint8_t *bytes, size_t length, int64_t now_ms,
                               struct weir_error *error)
{
    struct domain *d = &e->domains[domain];
    uint64_t ordinal = d->ordinal++;
    bool late = !straight && d->truth.heard && random_chance(&e->random, e->spec.reorder);
    bool twice = !straight && random_chance(&e->random, e->spec.duplicate);
    enum weir_status status = WEIR_OK;
    e->clock++;
    if (late)
        hold(e, domain, ordinal, false, bytes, length);
    else
        status = arrive(e, domain, ordinal, false, bytes, length, now_ms, error);
    if (twice) {
        hold(e, domain, ordinal, true, bytes, length);
        tally_add(&d->truth.duplicated, &d->tally);
    }
    return status ? status : release(e, false, now_ms, error);
}

/* ---- the account of it ---- */

static void run_ends(struct truth *t, bool knowable)
{
    if (knowable) {
        t->missing_records += t->run_records;
        t->missing_datagrams += t->run_datagrams;
    } else {
        t->unknown_records += t->run_records;
        t->unknown_datagrams += t->run_datagrams;
        t->unknown_gaps += t->run_datagrams > 0;
    }
    t->run_records = t->run_datagrams = 0;
}

static void account_for(struct truth *t, const struct tally *tally, uint64_t option_records,
                        bool lost)
{
    tally_add(&t->generated, tally);
    tally_add(lost ? &t->lost : &t->received, tally);
    t->option_records += option_records;
    if (lost) {
        t->lost_option_records += option_records;
        t->run_records += tally->records + option_records;
        t->run_datagrams++;
        return;
    }
    run_ends(t, t->heard);
    t->heard = true;
}

/* ---- datagrams ---- */

static struct header header_of(const struct exporter *e, const struct domain *d, int64_t now_ms)
{
    return (struct header){.now_ms = now_ms,
                           .boot_ms = d->boot_ms,
                           .sequence = d->sequence,
                           .domain = d->id,
                           .sampling = (uint32_t)e->spec.sampling};
}

static enum protocol protocol_of(const struct exporter *e)
{
    return (enum protocol)e->spec.protocol;
}

static enum weir_status send_data(struct exporter *e, size_t domain, int64_t now_ms,
                                  struct weir_error *error)
{
    uint8_t bytes[DATAGRAM_MOST];
    struct domain *d = &e->domains[domain];
    enum weir_status status = WEIR_OK;
    if (!d->open)
        return WEIR_OK;
    struct header header = header_of(e, d, now_ms);
    size_t length = encode_data(protocol_of(e), &header, &d->gathered, bytes);
    d->tally.datagrams = 1;
    d->sequence += protocol_of(e) == PROTOCOL_V9 ? 1 : (uint32_t)d->tally.records;
    if (d->lost)
        d->ordinal++;
    else
        status = travel(e, domain, false, bytes, length, now_ms, error);
    account_for(&d->truth, &d->tally, 0, d->lost);
    d->open = false;
    return status;
}

static enum weir_status send_control(struct exporter *e, size_t domain, int64_t now_ms,
                                     struct weir_error *error)
{
    uint8_t bytes[DATAGRAM_MOST];
    uint32_t option_records;
    struct domain *d = &e->domains[domain];
    struct header header = header_of(e, d, now_ms);
    size_t length = encode_control(protocol_of(e), &header, bytes, &option_records);
    if (!length)
        return WEIR_OK;
    bool lost = e->context.lose_templates && draw_loss(e);
    struct tally one = {.datagrams = 1};
    d->sequence += protocol_of(e) == PROTOCOL_V9 ? 1 : option_records;
    d->truth.control_datagrams++;
    account_for(&d->truth, &one, option_records, lost);
    if (!lost)
        return travel(e, domain, true, bytes, length, now_ms, error);
    d->ordinal++;
    return WEIR_OK;
}

static enum weir_status send_templates(struct exporter *e, int64_t now_ms, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < exporter_domains(e) && !status; i++) {
        status = send_data(e, i, now_ms, error);
        if (!status)
            status = send_control(e, i, now_ms, error);
    }
    e->template_due_ms = now_ms + e->context.template_every_ms;
    return status;
}

/* ---- flows ---- */

static void open_datagram(struct exporter *e, struct domain *d, int64_t now_ms)
{
    memset(d->gathered.count, 0, sizeof d->gathered.count);
    memset(d->gathered.length, 0, sizeof d->gathered.length);
    d->tally = (struct tally){0};
    d->opened_ms = now_ms;
    d->lost = draw_loss(e);
    d->open = true;
}

static void count_flow(struct exporter *e, struct domain *d, const struct flow *f)
{
    struct tally one = {0, 1, f->number[F_OCTETS], f->number[F_PACKETS]};
    tally_add(&d->tally, &one);
    if (!d->lost)
        tally_add(&e->matrix[f->src_tag * (e->context.tags + 1) + f->dst_tag], &one);
}

enum weir_status exporter_flow(struct exporter *e, struct traffic *t, int64_t now_ms,
                               struct weir_error *error)
{
    struct flow flow;
    size_t domain = e->spec.domains > 1 ? traffic_below(t, (uint32_t)e->spec.domains) : 0;
    struct domain *d = &e->domains[domain];
    bool ipv6 = traffic_chance(t, e->spec.ipv6) && e->spec.protocol != PROTOCOL_V5;
    struct moment moment = {.now_ms = now_ms,
                            .boot_ms = d->boot_ms,
                            .earliest_ms = e->context.start_ms,
                            .granularity_ms = e->spec.protocol == PROTOCOL_V5 ? 1 : 1000};
    traffic_draw(t, (uint32_t)e->spec.home, ipv6, &moment, &flow);
    if (d->open && !gathered_fits(protocol_of(e), &d->gathered, ipv6)) {
        enum weir_status status = send_data(e, domain, now_ms, error);
        if (status)
            return status;
    }
    if (!d->open)
        open_datagram(e, d, now_ms);
    gathered_add(protocol_of(e), &d->gathered, &flow, d->boot_ms);
    count_flow(e, d, &flow);
    return WEIR_OK;
}

/* ---- time ---- */

static int64_t next_restart(const struct exporter *e)
{
    int64_t span = e->context.end_ms - e->context.start_ms;
    return e->restarts_done < e->spec.restarts
               ? e->context.start_ms + span * (e->restarts_done + 1) / (e->spec.restarts + 1)
               : INT64_MAX;
}

static enum weir_status restart(struct exporter *e, int64_t now_ms, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < exporter_domains(e) && !status; i++)
        status = send_data(e, i, now_ms, error);
    if (!status)
        status = release(e, true, now_ms, error);
    for (size_t i = 0; i < exporter_domains(e); i++) {
        struct domain *d = &e->domains[i];
        run_ends(&d->truth, false);
        d->truth.heard = false;
        d->truth.restarts++;
        d->sequence = 0;
        d->boot_ms = now_ms - REBOOT_MS;
    }
    e->restarts_done++;
    e->template_due_ms = now_ms;
    return status;
}

enum weir_status exporter_tick(struct exporter *e, int64_t now_ms, struct weir_error *error)
{
    enum weir_status status = now_ms >= next_restart(e) ? restart(e, now_ms, error) : WEIR_OK;
    if (!status && now_ms >= e->template_due_ms && e->spec.protocol != PROTOCOL_V5)
        status = send_templates(e, now_ms, error);
    for (size_t i = 0; i < exporter_domains(e) && !status; i++)
        if (e->domains[i].open && now_ms - e->domains[i].opened_ms >= LINGER_MS)
            status = send_data(e, i, now_ms, error);
    return status;
}

enum weir_status exporter_finish(struct exporter *e, int64_t now_ms, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < exporter_domains(e) && !status; i++)
        status = send_data(e, i, now_ms, error);
    if (!status)
        status = release(e, true, now_ms, error);
    for (size_t i = 0; i < exporter_domains(e); i++)
        run_ends(&e->domains[i].truth, false);
    return status;
}
