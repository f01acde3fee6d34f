/* selection.c - see selection.h. Neighbours: places.c knows domains and points, policy.c
 * anonymises, aggregate.c merges, handover.c calls it for each batch that is handed on. */
#include "select/selection.h"
#include "base/time.h"
#include "flow/filter.h"
#include "ingest/clock.h"
#include "select/aggregate.h"
#include "select/places.h"
#include "select/policy.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct rule {
    struct filter *filter;
    enum flow_action action;
    ie_key keys[FLOW_TYPE_KEYS_MOST];
    size_t key_count;
    uint32_t policy; /* ANONYMISE with a method of its own: number + 1 */
};

struct selection {
    struct rule *rules;
    size_t rule_count;
    struct policy *policies; /* those of places, by number; then those of rules */
    size_t policy_count;
    uint32_t fallback;     /* number + 1: of ANONYMISE where neither rule nor domain has one */
    struct places *places; /* NULL: none described */
    uint64_t seed;
};

struct selection_work {
    struct arena arena;
    struct policy_work *policies;
};

/* ---- compiling ---- */

/* A name that nobody has any more is of no flow: no tag has that number. */
static bool resolve(void *context, const char *name, uint32_t *tag)
{
    const struct catalogue_snapshot *snapshot = context;
    *tag = PREFIX_TAG_MOST + 1;
    for (size_t i = 0; i < snapshot->name_count; i++)
        if (strcmp(snapshot->names[i].name, name) == 0)
            *tag = snapshot->names[i].tag;
    return true;
}

static enum weir_status add_policy(struct selection *s, const struct anonymisation *how,
                                   const char *key_folder, uint32_t *number,
                                   struct weir_error *error)
{
    *number = (uint32_t)s->policy_count + 1;
    return policy_compile(how, key_folder, &s->policies[s->policy_count++], error);
}

static enum weir_status add_rule(struct selection *s, const struct catalogue_snapshot *snapshot,
                                 const struct flow_type *type, struct weir_error *error)
{
    static const struct anonymisation pan = {
        .method = ANONYMISE_CRYPTO_PAN, .fields = "", .key = ""};
    struct rule *r = &s->rules[s->rule_count++];
    r->action = type->action;
    enum weir_status status =
        filter_parse(type->filter, resolve, (void *)(uintptr_t)snapshot, &r->filter, error);
    if (status == WEIR_OK && type->action == ACTION_AGGREGATE)
        status =
            elements_parse(type->keys, "keys", r->keys, FLOW_TYPE_KEYS_MOST, &r->key_count, error);
    if (status != WEIR_OK || type->action != ACTION_ANONYMISE)
        return status;
    if (type->anonymisation.method != ANONYMISE_NONE)
        return add_policy(s, &type->anonymisation, snapshot->key_folder, &r->policy, error);
    return s->fallback ? WEIR_OK : add_policy(s, &pan, snapshot->key_folder, &s->fallback, error);
}

static enum weir_status compile(struct selection *s, const struct catalogue_snapshot *snapshot,
                                struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    uint32_t number;
    for (size_t i = 0; status == WEIR_OK && i < snapshot->policy_count; i++)
        status = add_policy(s, &snapshot->policies[i].anonymisation, snapshot->key_folder, &number,
                            error);
    if (status == WEIR_OK && snapshot->policy_count + snapshot->point_count)
        status = places_new(snapshot, s->policies, &s->policy_count, &s->places, error);
    for (size_t i = 0; status == WEIR_OK && i < snapshot->flow_type_count; i++)
        status = add_rule(s, snapshot, &snapshot->flow_types[i], error);
    if (getrandom(&s->seed, sizeof s->seed, GRND_NONBLOCK) != (ssize_t)sizeof s->seed)
        s->seed = (uint64_t)(uintptr_t)s; /* early at boot: better than nothing */
    return status;
}

enum weir_status selection_new(const struct catalogue_snapshot *snapshot, struct selection **out,
                               struct weir_error *error)
{
    *out = NULL;
    if (!(snapshot->flow_type_count + snapshot->policy_count + snapshot->point_count))
        return WEIR_OK;
    struct selection *s = calloc(1, sizeof *s);
    if (s) {
        s->rules = calloc(snapshot->flow_type_count + 1, sizeof *s->rules);
        s->policies =
            calloc(snapshot->policy_count + places_policies_most(snapshot) +
                       snapshot->flow_type_count + 1, sizeof *s->policies);
    }
    if (!s || !s->rules || !s->policies) {
        selection_free(s);
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for flow types and policies");
    }
    enum weir_status status = compile(s, snapshot, error);
    if (status != WEIR_OK)
        selection_free(s);
    else
        *out = s;
    return status;
}

void selection_free(struct selection *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->rule_count; i++)
        filter_free(s->rules[i].filter);
    for (size_t i = 0; i < s->policy_count; i++)
        explicit_bzero(&s->policies[i], sizeof s->policies[i]);
    places_free(s->places);
    free(s->rules);
    free(s->policies);
    free(s);
}

struct selection_work *selection_work_new(void)
{
    struct selection_work *w = calloc(1, sizeof *w);
    if (w && (w->policies = policy_work_new()))
        return w;
    free(w);
    return NULL;
}

void selection_work_free(struct selection_work *w)
{
    if (!w)
        return;
    policy_work_free(w->policies);
    arena_free(&w->arena);
    free(w);
}

void selection_reserve(struct batch *b)
{
    size_t index;
    (void)batch_column(b, WEIR_ANONYMISATION, 0, &index);
    if (batch_kind(b) != RECORD_FLOW)
        return;
    (void)batch_column(b, WEIR_OBSERVATION_ROLE, 1, &index);
    (void)batch_column(b, WEIR_FLOW_COUNT, 8, &index);
}

/* ---- one batch ---- */

struct books {
    struct account_book *book;
    struct account_counts *nowhere; /* without memory for a row */
    int64_t received_ms;            /* of the newest record in the batch */
};

struct pass {
    const struct selection *s;
    struct selection_work *w;
    struct batch *batch;
    struct books books;
    uint32_t rows, words;
    uint64_t *keep;     /* what is not dropped */
    uint16_t *policies; /* a row's policy, number + 1; 0: none */
    uint64_t **merged;  /* by rule: what it aggregates; NULL: nothing */
};

static uint64_t *bits(struct pass *p, bool set)
{
    uint64_t *b = arena_zero(&p->w->arena, (size_t)p->words * 8 + 8);
    if (b && set)
        memset(b, 0xff, p->rows / 64 * 8);
    if (b && set && p->rows % 64)
        b[p->rows / 64] = (UINT64_C(1) << p->rows % 64) - 1;
    return b;
}

static struct column *find(struct batch *b, ie_key key, uint8_t width)
{
    for (size_t i = 0; i < batch_column_count(b); i++)
        if (batch_column_at(b, i)->key == key && batch_column_at(b, i)->width == width)
            return batch_column_at(b, i);
    return NULL;
}

static uint64_t number_at(const struct column *c, uint32_t row)
{
    if (!c)
        return 0;
    return c->width == 1   ? ((const uint8_t *)c->values)[row]
           : c->width == 2 ? ((const uint16_t *)c->values)[row]
           : c->width == 4 ? ((const uint32_t *)c->values)[row]
                           : ((const uint64_t *)c->values)[row];
}

struct exported { /* columns; NULL: not there */
    const struct column *time, *origin;
};

/* Where the account has the record's message: when it was exported, or when it was received, if the
 * exporter's clock is not believed. A batch does not wait for long, so the newest reception says
 * that to within a moment. */
static int64_t exported_at(const struct exported *e, uint32_t row, int64_t received_ms)
{
    const struct clock_bounds bounds = clock_bounds(received_ms, false);
    int64_t time = (int64_t)number_at(e->time, row);
    bool off = e->origin && number_at(e->origin, row) == TIME_FROM_RECEPTION &&
               !clock_believed(&bounds, time);
    return off ? received_ms : time;
}

typedef void (*row_counter)(struct account_counts *c, enum record_kind kind, uint64_t records);

static void count_deselected(struct account_counts *c, enum record_kind kind, uint64_t records)
{
    (void)kind; /* options are not dropped by anyone */
    c->deselected_records += records;
}

/* They were counted when they were decoded, and maybe handed on since. */
static void count_given_up(struct account_counts *c, enum record_kind kind, uint64_t records)
{
    uint64_t *kept = kind == RECORD_FLOW ? &c->records : &c->option_records;
    *kept -= records < *kept ? records : *kept;
    c->dropped_records += records;
}

/* Counts rows where their records were counted; rows made from records are none, and merged ones
 * are several. `which` NULL: all. */
static void count_rows(struct batch *b, const struct books *books, const uint64_t *which,
                       row_counter count)
{
    const struct column *exporter = find(b, WEIR_EXPORTER, 16);
    const struct column *domain = find(b, WEIR_DOMAIN, 4);
    const struct column *port = find(b, WEIR_EXPORTER_PORT, 2);
    const struct column *version = find(b, WEIR_PROTOCOL_VERSION, 1);
    const struct exported exported = {find(b, WEIR_EXPORT_TIME, 8), find(b, WEIR_TIME_ORIGIN, 1)};
    const struct column *made = find(b, WEIR_DIRECTION, 1);
    const struct column *several = find(b, WEIR_FLOW_COUNT, 8);
    struct account_key last = {0};
    struct account_row *row = NULL;
    for (uint32_t r = 0; exporter && r < batch_rows(b); r++) {
        if ((which && !(which[r / 64] >> r % 64 & 1)) ||
            (made && made->present[r / 64] >> r % 64 & 1))
            continue;
        struct account_key key;
        int64_t time = exported_at(&exported, r, books->received_ms);
        memset(&key, 0, sizeof key);
        memcpy(&key.exporter, (const uint8_t *)exporter->values + (size_t)r * 16, 16);
        key.domain = (uint32_t)number_at(domain, r);
        key.port = (uint16_t)number_at(port, r);
        key.protocol = (uint16_t)number_at(version, r);
        key.minute_ms = minute_of(time);
        if (!row || memcmp(&key, &last, sizeof key) != 0)
            row = account_book_row(books->book, &key);
        last = key;
        if (row && !row->first_heard_ms && !row->last_heard_ms)
            row->first_heard_ms = row->last_heard_ms = time;
        uint64_t records = several ? number_at(several, r) : 0;
        count(row ? &row->counts : books->nowhere, batch_kind(b), records ? records : 1);
    }
}

void selection_give_up(struct batch *b, int64_t received_ms, struct account_book *book,
                       struct account_counts *nowhere)
{
    const struct books books = {book, nowhere, received_ms};
    count_rows(b, &books, NULL, count_given_up);
}

static void set_policy(struct pass *p, const struct rule *r, const uint64_t *matched)
{
    for (uint32_t w = 0; w < p->words; w++)
        for (uint64_t set = matched[w]; set; set &= set - 1) {
            uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(set);
            if (r->policy)
                p->policies[row] = (uint16_t)r->policy;
            else if (!p->policies[row])
                p->policies[row] = (uint16_t)p->s->fallback;
        }
}

static void act(struct pass *p, size_t index, uint64_t *matched)
{
    const struct rule *r = &p->s->rules[index];
    if (r->action == ACTION_DROP) {
        for (uint32_t w = 0; w < p->words; w++)
            p->keep[w] &= ~matched[w];
        count_rows(p->batch, &p->books, matched, count_deselected);
    } else if (r->action == ACTION_AGGREGATE) {
        p->merged[index] = matched;
    } else if (r->action == ACTION_ANONYMISE) {
        set_policy(p, r, matched);
    }
}

/* The first rule that matches a row decides about it. */
static enum weir_status apply_rules(struct pass *p)
{
    struct frame frame = batch_frame(p->batch, &p->w->arena);
    uint64_t *undecided = bits(p, true);
    bool left = p->rows > 0;
    if (!undecided || !frame.vectors)
        return WEIR_ENOMEM;
    for (size_t i = 0; i < p->s->rule_count && left; i++) {
        uint64_t *matched = bits(p, false);
        if (!matched ||
            filter_select(p->s->rules[i].filter, &frame, &p->w->arena, matched) == UINT32_MAX)
            return WEIR_ENOMEM;
        left = false;
        for (uint32_t w = 0; w < p->words; w++) {
            matched[w] &= undecided[w];
            undecided[w] &= ~matched[w];
            left |= undecided[w] != 0;
        }
        act(p, i, matched);
    }
    return WEIR_OK;
}

/* ---- records of options ---- */

/* Whose a record of options is. Of anything else that a filter asks for, nothing is known: what it
 * tells is about flows that are not in it. */
struct origin {
    const uint8_t *exporter;
    uint32_t domain;
    uint16_t port;
    uint8_t version;
};

static bool origin_bounds(void *context, ie_key key, struct column_bounds *out)
{
    const struct origin *o = context;
    const struct {
        ie_key key;
        uint8_t width;
        uint64_t value;
    } known[] = {{WEIR_EXPORTER, 16, 0},
                 {WEIR_DOMAIN, 4, o->domain},
                 {WEIR_EXPORTER_PORT, 2, o->port},
                 {WEIR_PROTOCOL_VERSION, 1, o->version}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].key != key)
            continue;
        *out = (struct column_bounds){.key = key,
                                      .width = known[i].width,
                                      .any = true,
                                      .all_present = true,
                                      .least = known[i].value,
                                      .most = known[i].value};
        if (out->width == 16) {
            memcpy(out->least_octets, o->exporter, 16);
            memcpy(out->most_octets, o->exporter, 16);
        }
        return true;
    }
    return false;
}

/* The policy that flow types give to options of this origin, whose own is `policy`. The first rule
 * decides that keeps all of its flows, or anonymises some. Whether these are the ones that the
 * options are about nobody can say, so the domain's policy is enough for them, if there is one. */
static uint16_t policy_of_options(const struct selection *s, struct origin *o, uint16_t policy)
{
    for (size_t i = 0; i < s->rule_count; i++) {
        const struct rule *r = &s->rules[i];
        if (r->action != ACTION_KEEP && r->action != ACTION_ANONYMISE)
            continue;
        enum filter_verdict verdict = filter_judge(r->filter, origin_bounds, o);
        if (verdict == FILTER_NONE || (r->action == ACTION_KEEP && verdict != FILTER_ALL))
            continue;
        if (r->action == ACTION_KEEP || (policy && (verdict != FILTER_ALL || !r->policy)))
            return policy;
        return (uint16_t)(r->policy ? r->policy : s->fallback);
    }
    return policy;
}

/* Rows come in runs of one origin. */
static void judge_options(struct pass *p)
{
    const struct column *exporter = find(p->batch, WEIR_EXPORTER, 16);
    const struct column *domain = find(p->batch, WEIR_DOMAIN, 4);
    const struct column *port = find(p->batch, WEIR_EXPORTER_PORT, 2);
    const struct column *version = find(p->batch, WEIR_PROTOCOL_VERSION, 1);
    struct origin last = {0};
    uint16_t policy = 0;
    for (uint32_t row = 0; exporter && row < p->rows; row++) {
        struct origin o = {(const uint8_t *)exporter->values + (size_t)row * 16,
                           (uint32_t)number_at(domain, row), (uint16_t)number_at(port, row),
                           (uint8_t)number_at(version, row)};
        if (!last.exporter || o.domain != last.domain || o.port != last.port ||
            o.version != last.version || memcmp(o.exporter, last.exporter, 16) != 0)
            policy = policy_of_options(p->s, &o, p->policies[row]);
        last = o;
        p->policies[row] = policy;
    }
}

static enum weir_status apply_policies(struct pass *p)
{
    uint64_t met[(UINT16_MAX + 64) / 64] = {0};
    for (uint32_t row = 0; row < p->rows; row++)
        met[p->policies[row] / 64] |= UINT64_C(1) << p->policies[row] % 64;
    for (size_t number = 1; number <= p->s->policy_count; number++) {
        if (!(met[number / 64] >> number % 64 & 1))
            continue;
        uint64_t *rows = bits(p, false);
        if (!rows)
            return WEIR_ENOMEM;
        for (uint32_t row = 0; row < p->rows; row++)
            rows[row / 64] |= (uint64_t)(p->policies[row] == number) << row % 64;
        for (uint32_t w = 0; w < p->words; w++)
            rows[w] &= p->keep[w];
        enum weir_status status =
            policy_apply(&p->s->policies[number - 1], p->w->policies, p->batch, rows);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static enum weir_status apply_aggregation(struct pass *p)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < p->s->rule_count && status == WEIR_OK; i++)
        if (p->merged[i])
            status = aggregate_rows(p->batch, p->merged[i], p->s->rules[i].keys,
                                    p->s->rules[i].key_count, p->s->seed, &p->w->arena, p->keep);
    /* Without room for a flow count the records stay apart: nothing is lost by that. */
    return status == WEIR_ELIMIT ? WEIR_OK : status;
}

static bool all_kept(const struct pass *p)
{
    uint32_t kept = 0;
    for (uint32_t w = 0; w < p->words; w++)
        kept += (uint32_t)__builtin_popcountll(p->keep[w]);
    return kept == p->rows;
}

static enum weir_status carry_out(struct pass *p)
{
    bool flows = batch_kind(p->batch) == RECORD_FLOW;
    struct arena *arena = &p->w->arena;
    p->keep = bits(p, true);
    p->policies = arena_zero(arena, ((size_t)p->rows + 1) * sizeof *p->policies);
    p->merged = arena_zero(arena, (p->s->rule_count + 1) * sizeof(uint64_t *));
    if (!p->keep || !p->policies || !p->merged)
        return WEIR_ENOMEM;
    enum weir_status status = WEIR_OK;
    if (p->s->places)
        places_mark(p->s->places, p->batch, p->policies);
    if (flows && p->s->rule_count)
        status = apply_rules(p);
    else if (!flows)
        judge_options(p);
    if (status == WEIR_OK && p->s->policy_count)
        status = apply_policies(p);
    if (status == WEIR_OK && flows)
        status = apply_aggregation(p);
    return status == WEIR_OK && !all_kept(p) ? batch_keep(p->batch, p->keep) : status;
}

enum weir_status selection_apply(const struct selection *s, struct selection_work *w,
                                 struct batch *b, int64_t received_ms, struct account_book *book,
                                 struct account_counts *nowhere)
{
    struct pass p = {.s = s,
                     .w = w,
                     .batch = b,
                     .books = {book, nowhere, received_ms},
                     .rows = batch_rows(b)};
    p.words = (p.rows + 63) / 64;
    arena_reset(&w->arena);
    enum weir_status status = carry_out(&p);
    if (status != WEIR_OK) /* but for those that were dropped already */
        count_rows(b, &p.books, p.keep, count_given_up);
    return status;
}
