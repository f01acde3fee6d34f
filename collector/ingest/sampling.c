/* sampling.c - see sampling.h. Neighbours: derive.c asks for each record, ingest.c lets it learn
 * from options data. */
#include "ingest/sampling.h"
#include <stdlib.h>

/* ---- plans ---- */

struct role {
    size_t at; /* in struct sampling_plan */
    ie_key key;
};
#define ROLE(member, element) {offsetof(struct sampling_plan, member), element}
static const struct role roles[] = {
    ROLE(interval, IANA(34)),       ROLE(random, IANA(50)),
    ROLE(packet_interval, IANA(305)), ROLE(packet_space, IANA(306)),
    ROLE(time_interval, IANA(307)), ROLE(time_space, IANA(308)),
    ROLE(size, IANA(309)),          ROLE(population, IANA(310)),
    ROLE(probability, IANA(311)),   ROLE(sampler, IANA(48)),
    ROLE(selector, IANA(302)),      ROLE(ingress, IANA(10)),
    ROLE(egress, IANA(14)),         ROLE(v9_interface, WEIR_V9_SCOPE(2)),
    ROLE(system_init, IANA(160)),
};

void sampling_plan_make(struct sampling_plan *plan, const struct wire_template *t)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        int16_t *to = (int16_t *)(void *)((char *)plan + roles[i].at);
        *to = (int16_t)wire_template_find(t, roles[i].key);
    }
    plan->says_rate = plan->interval >= 0 || plan->random >= 0 || plan->packet_interval >= 0 ||
                      plan->time_interval >= 0 || plan->size >= 0 || plan->probability >= 0;
    plan->names_sampler =
        plan->sampler >= 0 || plan->selector >= 0 || plan->ingress >= 0 || plan->egress >= 0;
}

/* ---- values ---- */

/* The number in a field of a row; 0 when the template has no such field. Octets (v9 scopes) are
 * read as a number of network order. */
static uint64_t number(const struct wire_template *t, struct batch *b, int16_t field, uint32_t row)
{
    if (field < 0)
        return 0;
    const struct column *c = batch_column_at(b, t->fields[field].column);
    switch (c->width) {
    case 1: return ((const uint8_t *)c->values)[row];
    case 2: return ((const uint16_t *)c->values)[row];
    case 4: return ((const uint32_t *)c->values)[row];
    case 8: return ((const uint64_t *)c->values)[row];
    default: break;
    }
    if (c->width)
        return 0;
    struct octets o = ((const struct octets *)c->values)[row];
    uint64_t v = 0;
    for (uint32_t i = 0; i < o.length && i < 8; i++)
        v = v << 8 | o.bytes[i];
    return v;
}

static double probability(const struct wire_template *t, struct batch *b, int16_t field,
                          uint32_t row)
{
    uint64_t bits = number(t, b, field, row);
    double p;
    memcpy(&p, &bits, sizeof p);
    return p > 0 && p <= 1 ? 1 / p : 0;
}

double sampling_stated(const struct sampling_plan *plan, const struct wire_template *t,
                       struct batch *b, uint32_t row)
{
    const int16_t plain[] = {plan->interval, plan->random};
    const struct {
        int16_t taken, more;
        bool is_whole; /* `more` is the whole, not the rest */
    } pairs[] = {{plan->packet_interval, plan->packet_space, false},
                 {plan->size, plan->population, true},
                 {plan->time_interval, plan->time_space, false}};
    for (size_t i = 0; i < 2; i++) {
        uint64_t v = number(t, b, plain[i], row);
        if (v)
            return (double)v;
    }
    for (size_t i = 0; i < 3; i++) {
        uint64_t taken = number(t, b, pairs[i].taken, row);
        if (!taken || pairs[i].more < 0)
            continue;
        double more = (double)number(t, b, pairs[i].more, row);
        double rate = (pairs[i].is_whole ? more : more + (double)taken) / (double)taken;
        if (rate >= 1)
            return rate;
    }
    return plan->probability >= 0 ? probability(t, b, plan->probability, row) : 0;
}

/* ---- what options data said ---- */

static struct sampler *find(const struct samplers *known, enum sampler_kind kind, uint64_t id)
{
    for (uint32_t i = 0; i < known->count; i++)
        if (known->list[i].id == id && known->list[i].kind == kind)
            return &known->list[i];
    return NULL;
}

double sampling_known(const struct sampling_plan *plan, const struct wire_template *t,
                      struct batch *b, uint32_t row, const struct samplers *known)
{
    const struct {
        int16_t field;
        enum sampler_kind kind;
    } names[] = {{plan->sampler, SAMPLER_ID},
                 {plan->selector, SAMPLER_SELECTOR},
                 {plan->ingress, SAMPLER_INTERFACE},
                 {plan->egress, SAMPLER_INTERFACE}};
    for (size_t i = 0; known->count && i < sizeof names / sizeof *names; i++) {
        if (names[i].field < 0)
            continue;
        const struct sampler *s = find(known, names[i].kind, number(t, b, names[i].field, row));
        if (s)
            return s->rate;
    }
    return known->rate;
}

static void remember(struct samplers *known, enum sampler_kind kind, uint64_t id, double rate)
{
    struct sampler *s = find(known, kind, id);
    if (!s && known->count == known->room) {
        uint32_t room = known->room ? 2 * known->room : 4;
        struct sampler *list =
            room > SAMPLERS_MOST ? NULL : realloc(known->list, room * sizeof *list);
        if (!list)
            return;
        known->list = list;
        known->room = room;
    }
    if (!s)
        s = &known->list[known->count++];
    *s = (struct sampler){id, rate, kind};
}

static void learn_row(struct samplers *known, const struct sampling_plan *plan,
                      const struct wire_template *t, struct batch *b, uint32_t row)
{
    double rate = sampling_stated(plan, t, b, row);
    uint64_t interface = number(t, b, plan->v9_interface, row);
    if (!interface && plan->ingress >= 0 && plan->ingress < t->scope_count)
        interface = number(t, b, plan->ingress, row);
    if (!interface && plan->egress >= 0 && plan->egress < t->scope_count)
        interface = number(t, b, plan->egress, row);
    if (rate <= 0)
        return;
    if (plan->sampler >= 0)
        remember(known, SAMPLER_ID, number(t, b, plan->sampler, row), rate);
    else if (plan->selector >= 0)
        remember(known, SAMPLER_SELECTOR, number(t, b, plan->selector, row), rate);
    else if (interface)
        remember(known, SAMPLER_INTERFACE, interface, rate);
    else
        known->rate = rate;
}

void sampling_learn(struct samplers *known, const struct sampling_plan *plan,
                    const struct wire_template *t, struct batch *b, uint32_t first, uint32_t rows)
{
    for (uint32_t row = first; plan->says_rate && row < first + rows; row++)
        learn_row(known, plan, t, b, row);
    uint64_t init = rows ? number(t, b, plan->system_init, first + rows - 1) : 0;
    if (init)
        known->system_init_ms = init;
}

void samplers_free(struct samplers *known)
{
    free(known->list);
    *known = (struct samplers){0};
}
