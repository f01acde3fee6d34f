/* sampling.c - see sampling.h. Neighbours: derive.c asks for each record, ingest.c lets it learn
 * from options data. */
#include "ingest/sampling.h"
#include <stdlib.h>

#define RATE_MOST 1e15 /* of a file: more is no rate */

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
    for (size_t i = 0; known->named && i < sizeof names / sizeof *names; i++) {
        if (names[i].field < 0)
            continue;
        const struct sampler *s = find(known, names[i].kind, number(t, b, names[i].field, row));
        if (s)
            return s->rate;
    }
    return known->rate;
}

/* The two that are asked for all the time, beside the list. */
static void note_shortcut(struct samplers *known, const struct sampler *s, bool is_there)
{
    if (s->kind == SAMPLER_ALL)
        known->rate = is_there ? s->rate : 0;
    else if (s->kind == SAMPLER_INIT)
        known->system_init_ms = is_there ? s->id : 0;
}

/* Of SAMPLER_ALL and SAMPLER_INIT there is one of an exporter, whatever its id. */
static struct sampler *find_place(const struct samplers *known, const struct sampler *s)
{
    if (s->kind < SAMPLER_ALL)
        return find(known, s->kind, s->id);
    for (uint32_t i = 0; i < known->count; i++)
        if (known->list[i].kind == s->kind)
            return &known->list[i];
    return NULL;
}

static struct sampler *add_place(struct samplers *known)
{
    if (known->count == known->room) {
        uint32_t room = known->room ? 2 * known->room : 4;
        struct sampler *list =
            room > SAMPLERS_MOST ? NULL : realloc(known->list, room * sizeof *list);
        if (!list)
            return NULL;
        known->list = list;
        known->room = room;
    }
    return &known->list[known->count++];
}

static enum sampling_news remember(struct samplers *known, const struct sampler *told)
{
    struct sampler *s = find_place(known, told);
    bool there = s != NULL;
    bool same = s && s->id == told->id && s->rate >= told->rate && s->rate <= told->rate;
    if (s)
        known->recalled -= s->recalled;
    else if (!(s = add_place(known)))
        return SAMPLING_NO_NEWS;
    *s = *told;
    known->recalled += s->recalled;
    known->named += !there && s->kind < SAMPLER_ALL;
    note_shortcut(known, s, true);
    return same ? SAMPLING_REPEATED : SAMPLING_CHANGED;
}

static enum sampling_news learn_row(struct samplers *known, const struct sampling_plan *plan,
                                    const struct wire_template *t, struct batch *b, uint32_t row,
                                    int64_t heard_ms)
{
    struct sampler told = {.rate = sampling_stated(plan, t, b, row), .heard_ms = heard_ms};
    uint64_t interface = number(t, b, plan->v9_interface, row);
    if (!interface && plan->ingress >= 0 && plan->ingress < t->scope_count)
        interface = number(t, b, plan->ingress, row);
    if (!interface && plan->egress >= 0 && plan->egress < t->scope_count)
        interface = number(t, b, plan->egress, row);
    told.kind = plan->sampler >= 0    ? SAMPLER_ID
                : plan->selector >= 0 ? SAMPLER_SELECTOR
                : interface           ? SAMPLER_INTERFACE
                                      : SAMPLER_ALL;
    told.id = plan->sampler >= 0    ? number(t, b, plan->sampler, row)
              : plan->selector >= 0 ? number(t, b, plan->selector, row)
                                    : interface;
    return told.rate > 0 ? remember(known, &told) : SAMPLING_NO_NEWS;
}

static enum sampling_news more(enum sampling_news a, enum sampling_news b)
{
    return a > b ? a : b;
}

enum sampling_news sampling_learn(struct samplers *known, const struct sampling_plan *plan,
                                  const struct wire_template *t, struct batch *b, uint32_t first,
                                  uint32_t rows, int64_t heard_ms)
{
    enum sampling_news news = SAMPLING_NO_NEWS;
    for (uint32_t row = first; plan->says_rate && row < first + rows; row++)
        news = more(news, learn_row(known, plan, t, b, row, heard_ms));
    const struct sampler init = {.id = rows ? number(t, b, plan->system_init, first + rows - 1) : 0,
                                 .kind = SAMPLER_INIT,
                                 .heard_ms = heard_ms};
    return init.id ? more(news, remember(known, &init)) : news;
}

/* ---- over a restart ---- */

bool sampling_recall(struct samplers *known, const struct sampler *s)
{
    struct sampler recalled = *s;
    bool has_rate = s->rate >= 1 && s->rate <= RATE_MOST;
    if (s->kind >= SAMPLER_KINDS || (s->kind == SAMPLER_INIT ? s->id == 0 : !has_rate))
        return false;
    if (find_place(known, s))
        return true;
    recalled.recalled = true;
    if (!known->recalled || s->heard_ms < known->oldest_ms)
        known->oldest_ms = s->heard_ms;
    return remember(known, &recalled) != SAMPLING_NO_NEWS;
}

uint32_t sampling_forget_recalled(struct samplers *known, int64_t before_ms)
{
    uint32_t kept = 0, all = known->count;
    if (!known->recalled || known->oldest_ms >= before_ms)
        return 0;
    known->recalled = 0;
    known->oldest_ms = INT64_MAX;
    for (uint32_t i = 0; i < all; i++) {
        struct sampler s = known->list[i];
        if (s.recalled && s.heard_ms < before_ms) {
            note_shortcut(known, &s, false);
            known->named -= s.kind < SAMPLER_ALL;
            continue;
        }
        known->recalled += s.recalled;
        if (s.recalled && s.heard_ms < known->oldest_ms)
            known->oldest_ms = s.heard_ms;
        known->list[kept++] = s;
    }
    known->count = kept;
    return all - kept;
}

void samplers_free(struct samplers *known)
{
    free(known->list);
    *known = (struct samplers){0};
}
