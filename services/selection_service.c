/* selection_service.c - the collector's operations of selection and privacy: flow types,
 * observation domains and points, anonymisation; and Suspend and Resume. Thin: what is right is
 * checked by lib/flow/selection.c and the store. Neighbour: collector_service.c. */
#include "base/buffer.h"
#include "colStub.h"
#include "collector.h"
#include "collector_service.h"
#include "fault.h"
#include "services_private.h"

#define IPV4_LENGTH 24u
#define IPV6_LENGTH 48u

/* The contract's enumerations are ours, in our order: methods behind ANONYMISE_NONE, roles behind
 * ROLE_UNKNOWN. */
_Static_assert((int)wt__FlowAction__keep == (int)ACTION_KEEP &&
                   (int)wt__FlowAction__drop == (int)ACTION_DROP &&
                   (int)wt__FlowAction__aggregate == (int)ACTION_AGGREGATE &&
                   (int)wt__FlowAction__anonymise == (int)ACTION_ANONYMISE,
               "actions");
_Static_assert((int)wt__AnonyMethod__crypto_pan + 1 == (int)ANONYMISE_CRYPTO_PAN &&
                   (int)wt__AnonyMethod__truncate + 1 == (int)ANONYMISE_TRUNCATE &&
                   (int)wt__AnonyMethod__remove + 1 == (int)ANONYMISE_REMOVE &&
                   (int)wt__AnonyMethod__none + 1 == (int)ANONYMISE_EXEMPT,
               "methods");
_Static_assert((int)wt__ObsRole__edge_in + 1 == (int)ROLE_EDGE_IN &&
                   (int)wt__ObsRole__edge_out + 1 == (int)ROLE_EDGE_OUT &&
                   (int)wt__ObsRole__core + 1 == (int)ROLE_CORE,
               "roles");

/* ---- lists of names are one text inside ---- */

static enum weir_status join_names(struct soap *soap, char **names, int count, const char *field,
                                   const char **out, struct weir_error *error)
{
    struct buffer text = {0};
    *out = "";
    for (int i = 0; i < count; i++) {
        if (!names || !names[i] || !*names[i] || strchr(names[i], ',')) {
            buffer_free(&text);
            return weir_fail(error, WEIR_EARGUMENT, field, "the name of an element is expected");
        }
        buffer_print(&text, "%s%s", i ? "," : "", names[i]);
    }
    buffer_put_u8(&text, 0);
    const char *copy = text.failed ? NULL : soap_strdup(soap, (const char *)text.bytes);
    buffer_free(&text);
    if (!copy)
        return weir_fail(error, WEIR_ENOMEM, field, "no memory for the names");
    *out = copy;
    return WEIR_OK;
}

static bool split_names(struct soap *soap, const char *text, char ***names, int *count)
{
    size_t most = 1;
    for (const char *at = text; *at; at++)
        most += *at == ',';
    *count = 0;
    *names = collector_zeroed(soap, most, sizeof **names);
    if (!*names || !*text)
        return *names != NULL;
    char *copy = soap_strdup(soap, text);
    for (char *rest = copy, *name; rest && (name = strsep(&rest, ","));)
        (*names)[(*count)++] = name;
    return copy != NULL;
}

/* ---- anonymisation ---- */

static uint32_t number_or(const unsigned *given, uint32_t otherwise)
{
    return given ? *given : otherwise;
}

static enum weir_status read_anonymisation(struct soap *soap, const struct wt__Anonymisation *q,
                                           struct anonymisation *out, struct weir_error *error)
{
    uint32_t ipv4 = number_or(q->ipv4Length, IPV4_LENGTH);
    uint32_t ipv6 = number_or(q->ipv6Length, IPV6_LENGTH);
    *out = (struct anonymisation){
        .method = (enum anonymise_method)(q->method + 1),
        /* Too long for its octet is too long for an address: the check says so. */
        .ipv4_length = (uint8_t)(ipv4 > UINT8_MAX ? UINT8_MAX : ipv4),
        .ipv6_length = (uint8_t)(ipv6 > UINT8_MAX ? UINT8_MAX : ipv6),
        .macs = q->macs && *q->macs == xsd__boolean__true_,
        .key = q->key ? q->key : "",
    };
    enum weir_status status =
        join_names(soap, q->field, q->__sizefield, "fields", &out->fields, error);
    return status == WEIR_OK ? anonymisation_check(out, error) : status;
}

/* Pseudonyms need a key before there is a policy that wants it. */
static enum weir_status make_key(struct soap *soap, const struct anonymisation *a,
                                 struct weir_error *error)
{
    if (a->method != ANONYMISE_CRYPTO_PAN)
        return WEIR_OK;
    return collector_key_make(services_of(soap)->key_folder, a->key, error);
}

static bool put_number(struct soap *soap, uint32_t number, unsigned **out)
{
    *out = soap_malloc(soap, sizeof **out);
    if (*out)
        **out = number;
    return *out;
}

static bool put_anonymisation(struct soap *soap, const struct anonymisation *from,
                              struct wt__Anonymisation **out)
{
    char text[ANONYMISATION_TEXT_SIZE];
    struct wt__Anonymisation *to = *out = collector_zeroed(soap, 1, sizeof *to);
    bool truncates = from->method == ANONYMISE_TRUNCATE;
    if (!to)
        return false;
    to->method = (enum wt__AnonyMethod)(from->method - 1);
    to->key = from->method == ANONYMISE_CRYPTO_PAN
                  ? soap_strdup(soap, *from->key ? from->key : ANONYMISE_KEY_DEFAULT)
                  : NULL;
    to->policy = soap_strdup(soap, anonymisation_print(from, text));
    if (from->macs && (to->macs = soap_malloc(soap, sizeof *to->macs)))
        *to->macs = xsd__boolean__true_;
    return split_names(soap, from->fields, &to->field, &to->__sizefield) && to->policy &&
           (!truncates || (put_number(soap, from->ipv4_length, &to->ipv4Length) &&
                           put_number(soap, from->ipv6_length, &to->ipv6Length)));
}

/* What a policy is for: what is absent is every one. */
static enum weir_status read_scope(const char *device, const unsigned *domain,
                                   struct domain_policy *out, struct weir_error *error)
{
    out->scope = !device ? POLICY_ALL : domain ? POLICY_DOMAIN : POLICY_DEVICE;
    out->domain = domain ? *domain : 0;
    if (!device && domain)
        return weir_fail(error, WEIR_EARGUMENT, "device",
                         "device is missing: a domain is one of a device");
    return device ? address_parse(device, "device", &out->device, error) : WEIR_OK;
}

static enum weir_status read_policy(struct soap *soap, const struct _col__AnonyFlowDom *q,
                                    struct domain_policy *policy, struct weir_error *error)
{
    *policy = (struct domain_policy){.scope = POLICY_DOMAIN};
    enum weir_status status = read_scope(q->flowDom->device, q->flowDom->domain, policy, error);
    if (status == WEIR_OK)
        status = read_anonymisation(soap, q->flowDom->anonymisation, &policy->anonymisation, error);
    return status == WEIR_OK ? make_key(soap, &policy->anonymisation, error) : status;
}

static enum weir_status read_which_policy(struct soap *soap, const struct _col__DelAnonyFlowDom *q,
                                          struct domain_policy *which, struct weir_error *error)
{
    (void)soap;
    *which = (struct domain_policy){.scope = POLICY_DOMAIN};
    return read_scope(q->device, q->domain, which, error);
}

static bool put_policy(struct soap *soap, const struct domain_policy *from,
                       struct wt__AnonyFlowDom *to)
{
    char text[ADDRESS_TEXT_SIZE];
    if (from->scope != POLICY_ALL &&
        !(to->device = soap_strdup(soap, address_print(&from->device, text))))
        return false;
    if (from->scope == POLICY_DOMAIN && !put_number(soap, from->domain, &to->domain))
        return false;
    return put_anonymisation(soap, &from->anonymisation, &to->anonymisation);
}

COLLECTOR_CHANGE(AnonyFlowDom, "flowDom", q->flowDom && q->flowDom->anonymisation,
                 struct domain_policy, read_policy, store_policy_set)
COLLECTOR_CHANGE(DelAnonyFlowDom, "device", true, struct domain_policy, read_which_policy,
                 store_policy_delete)
COLLECTOR_LIST(ListAnonyFlowDoms, flowDom, snapshot.policies, snapshot.policy_count, put_policy)

/* ---- flow types ---- */

static enum weir_status read_flow_type(struct soap *soap, const struct _col__AddFlowType *request,
                                       struct flow_type *out, struct weir_error *error)
{
    const struct wt__FlowType *q = request->flowType;
    *out = (struct flow_type){.name = q->name ? q->name : "",
                              .priority = q->priority,
                              .filter = q->filter ? q->filter : "",
                              .action = (enum flow_action)q->action,
                              .anonymisation = {.fields = "", .key = ""}};
    enum weir_status status = join_names(soap, q->key, q->__sizekey, "keys", &out->keys, error);
    if (status == WEIR_OK && q->anonymisation)
        status = read_anonymisation(soap, q->anonymisation, &out->anonymisation, error);
    if (status == WEIR_OK)
        status = flow_type_check(out, error);
    if (status != WEIR_OK || out->action != ACTION_ANONYMISE)
        return status;
    /* Without a method of its own it may have to fall back on pseudonyms. */
    struct anonymisation pan = {.method = ANONYMISE_CRYPTO_PAN, .key = ""};
    return make_key(soap, q->anonymisation ? &out->anonymisation : &pan, error);
}

static bool put_flow_type(struct soap *soap, const struct flow_type *from, struct wt__FlowType *to)
{
    to->name = soap_strdup(soap, from->name);
    to->priority = from->priority;
    to->filter = collector_optional(soap, from->filter);
    to->action = (enum wt__FlowAction)from->action;
    if (!to->name || !split_names(soap, from->keys, &to->key, &to->__sizekey))
        return false;
    return from->anonymisation.method == ANONYMISE_NONE ||
           put_anonymisation(soap, &from->anonymisation, &to->anonymisation);
}

static enum weir_status read_type_name(struct soap *soap, const struct _col__DelFlowType *q,
                                       const char **name, struct weir_error *error)
{
    (void)soap;
    (void)error;
    *name = q->name;
    return WEIR_OK;
}

static enum weir_status delete_type(struct store *store, const char *const *name, const char *who,
                                    struct weir_error *error)
{
    return store_flow_type_delete(store, *name, who, error);
}

COLLECTOR_CHANGE(AddFlowType, "flowType", q->flowType, struct flow_type, read_flow_type,
                 store_flow_type_add)
COLLECTOR_CHANGE(DelFlowType, "name", q->name, const char *, read_type_name, delete_type)
COLLECTOR_LIST(ListFlowTypes, flowType, snapshot.flow_types, snapshot.flow_type_count,
               put_flow_type)

/* ---- observation domains and points ---- */

/* A domain of a device, or an interface of it: what Del… operations name. */
struct place {
    struct address device;
    uint32_t domain, interface;
};

static enum weir_status read_domain(struct soap *soap, const struct _col__AddObsD *q,
                                    struct observation_domain *domain, struct weir_error *error)
{
    (void)soap;
    *domain = (struct observation_domain){
        .domain = q->obsD->domain, .name = q->obsD->name, .description = q->obsD->description};
    enum weir_status status = address_parse(q->obsD->device, "device", &domain->device, error);
    if (status == WEIR_OK)
        status = collector_check_text(domain->name, "name", error);
    return status == WEIR_OK ? collector_check_text(domain->description, "description", error)
                             : status;
}

static enum weir_status read_domain_place(struct soap *soap, const struct _col__DelObsD *q,
                                          struct place *place, struct weir_error *error)
{
    (void)soap;
    *place = (struct place){.domain = q->domain};
    return address_parse(q->device, "device", &place->device, error);
}

static enum weir_status delete_domain(struct store *store, const struct place *place,
                                      const char *who, struct weir_error *error)
{
    return store_domain_delete(store, &place->device, place->domain, who, error);
}

static bool put_domain(struct soap *soap, const struct observation_domain *from,
                       struct wt__ObsD *to)
{
    char text[ADDRESS_TEXT_SIZE];
    to->device = soap_strdup(soap, address_print(&from->device, text));
    to->domain = from->domain;
    to->name = collector_optional(soap, from->name);
    to->description = collector_optional(soap, from->description);
    return to->device;
}

static enum weir_status read_point(struct soap *soap, const struct _col__AddObsP *q,
                                   struct observation_point *point, struct weir_error *error)
{
    (void)soap;
    *point = (struct observation_point){.domain = q->obsP->domain,
                                        .interface = q->obsP->interface_,
                                        .role = (enum observation_role)(q->obsP->role + 1),
                                        .name = q->obsP->name};
    enum weir_status status = address_parse(q->obsP->device, "device", &point->device, error);
    return status == WEIR_OK ? collector_check_text(point->name, "name", error) : status;
}

static enum weir_status read_point_place(struct soap *soap, const struct _col__DelObsP *q,
                                         struct place *place, struct weir_error *error)
{
    (void)soap;
    *place = (struct place){.domain = q->domain, .interface = q->interface_};
    return address_parse(q->device, "device", &place->device, error);
}

static enum weir_status delete_point(struct store *store, const struct place *place,
                                     const char *who, struct weir_error *error)
{
    return store_point_delete(store, &place->device, place->domain, place->interface, who, error);
}

static bool put_point(struct soap *soap, const struct observation_point *from, struct wt__ObsP *to)
{
    char text[ADDRESS_TEXT_SIZE];
    to->device = soap_strdup(soap, address_print(&from->device, text));
    to->domain = from->domain;
    to->interface_ = from->interface;
    to->role = (enum wt__ObsRole)(from->role - 1);
    to->name = collector_optional(soap, from->name);
    return to->device;
}

COLLECTOR_CHANGE(AddObsD, "device", q->obsD && q->obsD->device, struct observation_domain,
                 read_domain, store_domain_add)
COLLECTOR_CHANGE(DelObsD, "device", q->device, struct place, read_domain_place, delete_domain)
COLLECTOR_LIST(ListObsDs, obsD, domains, domain_count, put_domain)
COLLECTOR_CHANGE(AddObsP, "device", q->obsP && q->obsP->device, struct observation_point,
                 read_point, store_point_add)
COLLECTOR_CHANGE(DelObsP, "device", q->device, struct place, read_point_place, delete_point)
COLLECTOR_LIST(ListObsPs, obsP, snapshot.points, snapshot.point_count, put_point)

/* ---- listening ---- */

static int suspend(struct soap *soap, bool suspended)
{
    struct collector *collector = services_of(soap)->settings.collector;
    if (!collector)
        return fault_make(soap, WEIR_EUNAVAILABLE, NULL, "no collector runs here");
    collector_suspend(collector, suspended);
    return SOAP_OK;
}

int __col__Suspend(struct soap *soap, struct _col__Suspend *q, struct _col__SuspendResponse *answer)
{
    (void)q;
    (void)answer;
    return suspend(soap, true);
}

int __col__Resume(struct soap *soap, struct _col__Resume *q, struct _col__ResumeResponse *answer)
{
    (void)q;
    (void)answer;
    return suspend(soap, false);
}
