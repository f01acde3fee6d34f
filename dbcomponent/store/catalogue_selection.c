/* catalogue_selection.c - changes of flow types, observation domains and points, and policies:
 * checked, one transaction each, audited (store.h). Neighbours: catalogue.c has the rest of the
 * catalogue, catalogue_read.c reads it all. */
#include "store/catalogue.h"
#include "flow/filter.h"
#include <stdio.h>
#include <string.h>

/* Elements and numbers of a domain, for messages: "domain 7 of 192.0.2.1". */
#define PLACE_SIZE (ADDRESS_TEXT_SIZE + 40)
static const char *place(const struct address *device, uint32_t domain, char out[PLACE_SIZE])
{
    char address[ADDRESS_TEXT_SIZE];
    snprintf(out, PLACE_SIZE, "domain %u of %s", domain, address_print(device, address));
    return out;
}

/* What a policy is for: "every domain of 192.0.2.1". */
static const char *scope_text(const struct domain_policy *p, char out[PLACE_SIZE])
{
    char address[ADDRESS_TEXT_SIZE];
    if (p->scope == POLICY_DOMAIN)
        return place(&p->device, p->domain, out);
    if (p->scope == POLICY_DEVICE)
        snprintf(out, PLACE_SIZE, "every domain of %s", address_print(&p->device, address));
    else
        snprintf(out, PLACE_SIZE, "every exporter");
    return out;
}

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static void bind_anonymisation(struct query *q, const struct anonymisation *a)
{
    query_bind_text(q, anonymise_method_name(a->method));
    query_bind_i64(q, a->ipv4_length);
    query_bind_i64(q, a->ipv6_length);
    query_bind_text(q, text_of(a->fields));
    query_bind_i64(q, a->macs);
    query_bind_text(q, text_of(a->key));
}

/* ---- flow types ---- */

static bool find_tag(void *context, const char *name, uint32_t *tag)
{
    struct query q = query_start(context, SQL_TAG_BY_NAME);
    query_bind_text(&q, name);
    bool found = query_row(&q) && query_sealed(&q);
    if (found)
        *tag = (uint32_t)query_i64(&q, 0);
    query_end(&q, NULL);
    return found;
}

static enum weir_status check_tags(struct sql *sql, const struct flow_type *t,
                                   struct weir_error *error)
{
    struct filter *filter = NULL;
    enum weir_status status = filter_parse(text_of(t->filter), find_tag, sql, &filter, error);
    if (status == WEIR_OK)
        filter_free(filter);
    return status;
}

static enum weir_status check_place(struct sql *sql, const struct flow_type *t,
                                    struct weir_error *error)
{
    struct query q = query_start(sql, SQL_FLOW_TYPE_COUNT);
    int64_t count = query_row(&q) ? query_i64(&q, 0) : 0;
    enum weir_status status = query_end(&q, error);
    if (status == WEIR_OK && count >= FLOW_TYPES_MOST)
        return weir_fail(error, WEIR_ELIMIT, "name", "there are %lld flow types: at most %u can be",
                         (long long)count, FLOW_TYPES_MOST);
    if (status != WEIR_OK)
        return status;
    q = query_start(sql, SQL_FLOW_TYPE_AT);
    query_bind_i64(&q, t->priority);
    if (query_row(&q) && query_sealed(&q) && strcmp(query_text(&q, 0), t->name) != 0) {
        weir_fail(error, WEIR_EEXISTS, "priority", "%u is the priority of flow type %s already",
                  t->priority, query_text(&q, 0));
        query_end(&q, NULL);
        return WEIR_EEXISTS;
    }
    return query_end(&q, error);
}

static enum weir_status add_flow_type(struct sql *sql, const struct flow_type *t, const char *who,
                                      struct weir_error *error)
{
    char detail[160];
    enum weir_status status = check_place(sql, t, error);
    if (status == WEIR_OK)
        status = check_tags(sql, t, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(sql, SQL_FLOW_TYPE_ADD);
    query_bind_text(&q, t->name);
    query_bind_i64(&q, t->priority);
    query_bind_text(&q, text_of(t->filter));
    query_bind_text(&q, flow_action_name(t->action));
    query_bind_text(&q, text_of(t->keys));
    bind_anonymisation(&q, &t->anonymisation);
    status = catalogue_end_insert(&q, "name", t->name, error);
    snprintf(detail, sizeof detail, "priority %u, %s: %.100s", t->priority,
             flow_action_name(t->action), text_of(t->filter));
    return status == WEIR_OK ? catalogue_audit(sql, who, "type add", t->name, detail, error)
                             : status;
}

enum weir_status store_flow_type_add(struct store *s, const struct flow_type *type, const char *who,
                                     struct weir_error *error)
{
    enum weir_status status = flow_type_check(type, error);
    if (status == WEIR_OK)
        status = catalogue_check_text(type->filter, "filter", error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    return store_end(s, add_flow_type(&s->writer, type, who, error), error);
}

enum weir_status store_flow_type_delete(struct store *s, const char *name, const char *who,
                                        struct weir_error *error)
{
    char what[96];
    snprintf(what, sizeof what, "flow type %.70s", text_of(name));
    enum weir_status status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(&s->writer, SQL_FLOW_TYPE_DELETE);
    query_bind_text(&q, text_of(name));
    status = catalogue_end_delete(&q, "name", what, error);
    if (status == WEIR_OK)
        status = catalogue_audit(&s->writer, who, "type delete", text_of(name), "", error);
    return store_end(s, status, error);
}

/* ---- observation domains ---- */

static struct query domain_query(struct sql *sql, enum sql_statement which,
                                 const struct address *device, uint32_t domain)
{
    struct query q = query_start(sql, which);
    query_bind_address(&q, device);
    query_bind_i64(&q, domain);
    return q;
}

enum weir_status store_domain_add(struct store *s, const struct observation_domain *domain,
                                  const char *who, struct weir_error *error)
{
    char what[PLACE_SIZE];
    enum weir_status status = catalogue_check_text(domain->name, "name", error);
    if (status == WEIR_OK)
        status = catalogue_check_text(domain->description, "description", error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    struct query q = domain_query(&s->writer, SQL_DOMAIN_ADD, &domain->device, domain->domain);
    query_bind_text(&q, text_of(domain->name));
    query_bind_text(&q, text_of(domain->description));
    place(&domain->device, domain->domain, what);
    status = catalogue_end_insert(&q, "domain", what, error);
    if (status == WEIR_OK)
        status = catalogue_audit(&s->writer, who, "domain add", what, text_of(domain->name), error);
    return store_end(s, status, error);
}

/* WEIR_EEXISTS while something hangs on it. */
static enum weir_status check_unused(struct sql *sql, const struct address *device, uint32_t domain,
                                     const char *what, struct weir_error *error)
{
    struct query q = domain_query(sql, SQL_DOMAIN_USES, device, domain);
    int64_t points = 0, policies = 0;
    if (query_row(&q)) {
        points = query_i64(&q, 0);
        policies = query_i64(&q, 1);
    }
    enum weir_status status = query_end(&q, error);
    if (status == WEIR_OK && policies)
        return weir_fail(error, WEIR_EEXISTS, "domain",
                         "%s has a policy of anonymisation: delete that first, so that it is on "
                         "purpose",
                         what);
    if (status == WEIR_OK && points)
        return weir_fail(error, WEIR_EEXISTS, "domain",
                         "%s has %lld observation points: delete them first", what,
                         (long long)points);
    return status;
}

static enum weir_status delete_domain(struct sql *sql, const struct address *device,
                                      uint32_t domain, const char *who, struct weir_error *error)
{
    char what[PLACE_SIZE];
    place(device, domain, what);
    enum weir_status status = check_unused(sql, device, domain, what, error);
    if (status != WEIR_OK)
        return status;
    struct query q = domain_query(sql, SQL_DOMAIN_DELETE, device, domain);
    status = catalogue_end_delete(&q, "domain", what, error);
    return status == WEIR_OK ? catalogue_audit(sql, who, "domain delete", what, "", error) : status;
}

enum weir_status store_domain_delete(struct store *s, const struct address *device, uint32_t domain,
                                     const char *who, struct weir_error *error)
{
    enum weir_status status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    return store_end(s, delete_domain(&s->writer, device, domain, who, error), error);
}

/* A point or a policy for a domain that nobody described is most likely a mistyped number. */
static enum weir_status check_domain(struct sql *sql, const struct address *device, uint32_t domain,
                                     struct weir_error *error)
{
    char what[PLACE_SIZE];
    struct query q = domain_query(sql, SQL_DOMAIN_FIND, device, domain);
    bool found = query_row(&q) && query_sealed(&q);
    enum weir_status status = query_end(&q, error);
    if (status == WEIR_OK && !found)
        status = weir_fail(error, WEIR_ENOTFOUND, "domain", "there is no %s: add it first",
                           place(device, domain, what));
    return status;
}

/* ---- observation points ---- */

static enum weir_status add_point(struct sql *sql, const struct observation_point *p,
                                  const char *who, struct weir_error *error)
{
    char what[PLACE_SIZE + 32], where[PLACE_SIZE];
    enum weir_status status = check_domain(sql, &p->device, p->domain, error);
    if (status != WEIR_OK)
        return status;
    struct query q = domain_query(sql, SQL_POINT_ADD, &p->device, p->domain);
    query_bind_i64(&q, p->interface);
    query_bind_text(&q, text_of(p->name));
    query_bind_text(&q, observation_role_name(p->role));
    snprintf(what, sizeof what, "interface %u, %s", p->interface,
             place(&p->device, p->domain, where));
    status = catalogue_end_insert(&q, "interface", what, error);
    return status == WEIR_OK
               ? catalogue_audit(sql, who, "point add", what, observation_role_name(p->role), error)
               : status;
}

enum weir_status store_point_add(struct store *s, const struct observation_point *point,
                                 const char *who, struct weir_error *error)
{
    enum weir_status status = catalogue_check_text(point->name, "name", error);
    if (status == WEIR_OK && (point->role == ROLE_UNKNOWN || point->role >= ROLE_COUNT))
        status = weir_fail(error, WEIR_EARGUMENT, "role", "edge-in, edge-out or core is expected");
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    return store_end(s, add_point(&s->writer, point, who, error), error);
}

enum weir_status store_point_delete(struct store *s, const struct address *device, uint32_t domain,
                                    uint32_t interface, const char *who, struct weir_error *error)
{
    char what[PLACE_SIZE + 32], where[PLACE_SIZE];
    snprintf(what, sizeof what, "interface %u, %s", interface, place(device, domain, where));
    enum weir_status status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    struct query q = domain_query(&s->writer, SQL_POINT_DELETE, device, domain);
    query_bind_i64(&q, interface);
    status = catalogue_end_delete(&q, "interface", what, error);
    if (status == WEIR_OK)
        status = catalogue_audit(&s->writer, who, "point delete", what, "", error);
    return store_end(s, status, error);
}

/* ---- anonymisation ---- */

/* Domain -1 is every domain; of device "::", which no exporter is, that of every exporter. */
static struct query policy_query(struct sql *sql, enum sql_statement which,
                                 const struct domain_policy *p)
{
    struct query q = query_start(sql, which);
    query_bind_address(&q, &p->device);
    query_bind_i64(&q, p->scope == POLICY_DOMAIN ? (int64_t)p->domain : POLICY_EVERY_DOMAIN);
    return q;
}

static enum weir_status set_policy(struct sql *sql, const struct domain_policy *p, const char *who,
                                   struct weir_error *error)
{
    char what[PLACE_SIZE], text[ANONYMISATION_TEXT_SIZE];
    enum weir_status status = p->scope == POLICY_DOMAIN
                                  ? check_domain(sql, &p->device, p->domain, error)
                                  : WEIR_OK;
    if (status != WEIR_OK)
        return status;
    struct query q = policy_query(sql, SQL_POLICY_SET, p);
    bind_anonymisation(&q, &p->anonymisation);
    query_row(&q);
    status = query_end(&q, error);
    return status == WEIR_OK
               ? catalogue_audit(sql, who, "anonymise", scope_text(p, what),
                                 anonymisation_print(&p->anonymisation, text), error)
               : status;
}

enum weir_status store_policy_set(struct store *s, const struct domain_policy *policy,
                                  const char *who, struct weir_error *error)
{
    enum weir_status status = anonymisation_check(&policy->anonymisation, error);
    if (status == WEIR_OK)
        status = policy_scope_check(policy, error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    return store_end(s, set_policy(&s->writer, policy, who, error), error);
}

enum weir_status store_policy_delete(struct store *s, const struct domain_policy *which,
                                     const char *who, struct weir_error *error)
{
    char what[PLACE_SIZE + 16], where[PLACE_SIZE];
    snprintf(what, sizeof what, "policy for %s", scope_text(which, where));
    enum weir_status status = policy_scope_check(which, error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    struct query q = policy_query(&s->writer, SQL_POLICY_DELETE, which);
    status = catalogue_end_delete(&q, "domain", what, error);
    if (status == WEIR_OK)
        status = catalogue_audit(&s->writer, who, "anonymise no more", where, "", error);
    return store_end(s, status, error);
}
