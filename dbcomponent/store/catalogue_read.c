/* catalogue_read.c - the whole catalogue of one moment, for services and for the collector
 * (store.h). Neighbour: catalogue.c changes it. */
#include "store/inside.h"
#include <stdlib.h>
#include <string.h>

struct list { /* a growing array in an arena */
    void *items;
    size_t count, room;
};

struct reading {
    struct sql *sql;
    struct arena *arena;
    struct list tags, prefixes, rules, ases, as_rules, devices, described, dbs;
    struct list names, flow_types, domains, points, policies;
    bool full; /* memory ended */
};

/* One more zeroed item; NULL when memory ends, which `full` remembers. */
static void *list_add(struct reading *r, struct list *l, size_t size)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 16;
        void *more = arena_alloc(r->arena, room * size);
        if (!more) {
            r->full = true;
            return NULL;
        }
        if (l->count)
            memcpy(more, l->items, l->count * size);
        l->items = more;
        l->room = room;
    }
    void *item = (char *)l->items + l->count++ * size;
    return memset(item, 0, size);
}

static const char *keep(struct reading *r, const char *text)
{
    const char *copy = arena_copy(r->arena, text, strlen(text));
    if (!copy)
        r->full = true;
    return copy;
}

/* ---- one table each: a row of the table becomes an item ---- */

static void read_tag(struct reading *r, struct query *q)
{
    struct tag *tag = list_add(r, &r->tags, sizeof *tag);
    if (!tag)
        return;
    tag->id = (uint32_t)query_i64(q, 0);
    tag->name = keep(r, query_text(q, 1));
    struct named_tag *named = list_add(r, &r->names, sizeof *named);
    if (named)
        *named = (struct named_tag){tag->name, tag->id};
}

static void read_prefix(struct reading *r, struct query *q)
{
    struct prefix *prefix = list_add(r, &r->prefixes, sizeof *prefix);
    struct prefix_rule *rule = list_add(r, &r->rules, sizeof *rule);
    if (!prefix || !rule)
        return;
    rule->tag = (uint32_t)query_i64(q, 0);
    query_octets(q, 1, prefix->address.octets, sizeof prefix->address.octets);
    prefix->length = (uint8_t)query_i64(q, 2);
    rule->prefix = *prefix;
}

static void read_as(struct reading *r, struct query *q)
{
    uint32_t *number = list_add(r, &r->ases, sizeof *number);
    struct as_rule *rule = list_add(r, &r->as_rules, sizeof *rule);
    if (!number || !rule)
        return;
    rule->tag = (uint32_t)query_i64(q, 0);
    rule->as = *number = (uint32_t)query_i64(q, 1);
}

static void read_device(struct reading *r, struct query *q)
{
    struct device_entry *d = list_add(r, &r->described, sizeof *d);
    struct device *plain = list_add(r, &r->devices, sizeof *plain);
    if (!d || !plain)
        return;
    query_octets(q, 0, d->address.octets, sizeof d->address.octets);
    d->name = keep(r, query_text(q, 1));
    d->description = keep(r, query_text(q, 2));
    d->sampling_rate = query_f64(q, 3);
    *plain = (struct device){d->address, d->sampling_rate};
}

static void read_db(struct reading *r, struct query *q)
{
    struct db_entry *db = list_add(r, &r->dbs, sizeof *db);
    if (!db)
        return;
    db->url = keep(r, query_text(q, 0));
    db->name = keep(r, query_text(q, 1));
}

/* A word of ours that the row has; the seal says it is what was written, so an unknown one is of a
 * newer Weir, which the schema's version would have said: damage. */
static void refuse_word(struct query *q, const char *table)
{
    q->code = SQLITE_CORRUPT;
    q->table = table;
}

/* The six columns from `first` on. */
static bool read_anonymisation(struct reading *r, struct query *q, int first,
                               struct anonymisation *a)
{
    bool known = anonymise_method_parse(query_text(q, first), &a->method);
    a->ipv4_length = (uint8_t)query_i64(q, first + 1);
    a->ipv6_length = (uint8_t)query_i64(q, first + 2);
    a->fields = keep(r, query_text(q, first + 3));
    a->macs = query_i64(q, first + 4) != 0;
    a->key = keep(r, query_text(q, first + 5));
    return known;
}

static void read_flow_type(struct reading *r, struct query *q)
{
    struct flow_type *t = list_add(r, &r->flow_types, sizeof *t);
    if (!t)
        return;
    t->name = keep(r, query_text(q, 0));
    t->priority = (uint32_t)query_i64(q, 1);
    t->filter = keep(r, query_text(q, 2));
    t->keys = keep(r, query_text(q, 4));
    if (!flow_action_parse(query_text(q, 3), &t->action) ||
        !read_anonymisation(r, q, 5, &t->anonymisation))
        refuse_word(q, "flow_type");
}

static void read_domain(struct reading *r, struct query *q)
{
    struct observation_domain *d = list_add(r, &r->domains, sizeof *d);
    if (!d)
        return;
    query_octets(q, 0, d->device.octets, sizeof d->device.octets);
    d->domain = (uint32_t)query_i64(q, 1);
    d->name = keep(r, query_text(q, 2));
    d->description = keep(r, query_text(q, 3));
}

static void read_point(struct reading *r, struct query *q)
{
    struct observation_point *p = list_add(r, &r->points, sizeof *p);
    if (!p)
        return;
    query_octets(q, 0, p->device.octets, sizeof p->device.octets);
    p->domain = (uint32_t)query_i64(q, 1);
    p->interface = (uint32_t)query_i64(q, 2);
    p->name = keep(r, query_text(q, 3));
    if (!observation_role_parse(query_text(q, 4), &p->role))
        refuse_word(q, "observation_point");
}

static void read_policy(struct reading *r, struct query *q)
{
    struct domain_policy *p = list_add(r, &r->policies, sizeof *p);
    if (!p)
        return;
    static const struct address nobody;
    int64_t domain = query_i64(q, 1);
    query_octets(q, 0, p->device.octets, sizeof p->device.octets);
    p->domain = domain == POLICY_EVERY_DOMAIN ? 0 : (uint32_t)domain;
    if (domain == POLICY_EVERY_DOMAIN)
        p->scope = memcmp(&p->device, &nobody, sizeof nobody) == 0 ? POLICY_ALL : POLICY_DEVICE;
    if (!read_anonymisation(r, q, 2, &p->anonymisation))
        refuse_word(q, "anonymisation");
}

static const struct {
    enum sql_statement statement;
    void (*read)(struct reading *r, struct query *q);
} tables[] = {
    {SQL_TAGS, read_tag},       {SQL_TAG_PREFIXES, read_prefix}, {SQL_TAG_ASES, read_as},
    {SQL_DEVICES, read_device}, {SQL_DBS, read_db},              {SQL_FLOW_TYPES, read_flow_type},
    {SQL_DOMAINS, read_domain}, {SQL_POINTS, read_point},        {SQL_POLICIES, read_policy},
};

static enum weir_status read_tables(struct reading *r, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < sizeof tables / sizeof *tables; i++) {
        struct query q = query_start(r->sql, tables[i].statement);
        while (!r->full && query_row(&q) && query_sealed(&q))
            tables[i].read(r, &q);
        status = query_end(&q, error);
        if (status == WEIR_OK && r->full)
            status = weir_fail(error, WEIR_ENOMEM, "", "out of memory for the catalogue");
    }
    return status;
}

/* Prefixes and ASes were read in the order of their tags: each tag's are neighbours. */
static enum weir_status give_to_tags(struct reading *r, struct weir_error *error)
{
    const struct prefix_rule *rules = r->rules.items;
    const struct as_rule *as_rules = r->as_rules.items;
    size_t p = 0, a = 0;
    struct tag *tags = r->tags.items;
    for (size_t i = 0; i < r->tags.count; i++) {
        struct tag *t = &tags[i];
        t->prefixes = (const struct prefix *)r->prefixes.items + p;
        t->ases = (const uint32_t *)r->ases.items + a;
        for (; p < r->rules.count && rules[p].tag == t->id; p++)
            t->prefix_count++;
        for (; a < r->as_rules.count && as_rules[a].tag == t->id; a++)
            t->as_count++;
    }
    if (p != r->rules.count || a != r->as_rules.count)
        return weir_fail(error, WEIR_ECORRUPT, "tag",
                         "a prefix or AS belongs to a tag that is not there");
    return WEIR_OK;
}

static void fill(struct catalogue *out, const struct reading *r)
{
    *out = (struct catalogue){
        .tags = r->tags.items, .tag_count = r->tags.count,
        .devices = r->described.items, .device_count = r->described.count,
        .dbs = r->dbs.items, .db_count = r->dbs.count,
        .domains = r->domains.items, .domain_count = r->domains.count,
        .snapshot = {
            .prefixes = r->rules.items, .prefix_count = r->rules.count,
            .ases = r->as_rules.items, .as_count = r->as_rules.count,
            .devices = r->devices.items, .device_count = r->devices.count,
            .names = r->names.items, .name_count = r->names.count,
            .flow_types = r->flow_types.items, .flow_type_count = r->flow_types.count,
            .points = r->points.items, .point_count = r->points.count,
            .policies = r->policies.items, .policy_count = r->policies.count,
            .domains = r->domains.items, .domain_count = r->domains.count,
        },
        .memory = r->arena,
    };
}

enum weir_status catalogue_read(struct sql *sql, struct catalogue *out, struct weir_error *error)
{
    struct reading r = {.sql = sql, .arena = calloc(1, sizeof *r.arena)};
    if (!r.arena)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for the catalogue");
    enum weir_status status = read_tables(&r, error);
    if (status == WEIR_OK)
        status = give_to_tags(&r, error);
    fill(out, &r);
    if (status != WEIR_OK)
        catalogue_free(out);
    return status;
}

enum weir_status store_catalogue(struct store *s, struct catalogue *out, struct weir_error *error)
{
    struct reader *r;
    *out = (struct catalogue){0};
    enum weir_status status = reader_open(s, &r, error);
    if (status != WEIR_OK)
        return status;
    status = catalogue_read(&r->sql, out, error);
    status = reader_end(r, status, error);
    if (status != WEIR_OK)
        catalogue_free(out);
    return status;
}

void catalogue_free(struct catalogue *c)
{
    if (c->memory) {
        arena_free(c->memory);
        free(c->memory);
    }
    *c = (struct catalogue){0};
}
