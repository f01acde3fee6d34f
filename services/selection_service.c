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
                   (int)wt__AnonyMethod__remove + 1 == (int)ANONYMISE_REMOVE,
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

int __col__AnonyFlowDom(struct soap *soap, struct _col__AnonyFlowDom *q,
                        struct _col__AnonyFlowDomResponse *answer)
{
    char who[WHO_SIZE];
    struct weir_error error;
    (void)answer;
    if (!q || !q->flowDom || !q->flowDom->anonymisation)
        return fault_missing(soap, "flowDom");
    struct domain_policy policy = {.scope = POLICY_DOMAIN};
    enum weir_status status =
        read_scope(q->flowDom->device, q->flowDom->domain, &policy, &error);
    if (status == WEIR_OK)
        status = read_anonymisation(soap, q->flowDom->anonymisation, &policy.anonymisation, &error);
    if (status == WEIR_OK)
        status = make_key(soap, &policy.anonymisation, &error);
    if (status != WEIR_OK)
        return fault_error(soap, &error);
    struct store *store = collector_change(soap);
    return collector_changed(soap, store_policy_set(store, &policy, caller_who(soap, who), &error),
                             &error);
}

int __col__DelAnonyFlowDom(struct soap *soap, struct _col__DelAnonyFlowDom *q,
                           struct _col__DelAnonyFlowDomResponse *answer)
{
    char who[WHO_SIZE];
    struct domain_policy which = {.scope = POLICY_DOMAIN};
    struct weir_error error;
    (void)answer;
    if (!q)
        return fault_missing(soap, "device");
    if (read_scope(q->device, q->domain, &which, &error) != WEIR_OK)
        return fault_error(soap, &error);
    struct store *store = collector_change(soap);
    return collector_changed(soap, store_policy_delete(store, &which, caller_who(soap, who), &error),
                             &error);
}

int __col__ListAnonyFlowDoms(struct soap *soap, struct _col__ListAnonyFlowDoms *q,
                             struct _col__ListAnonyFlowDomsResponse *answer)
{
    char text[ADDRESS_TEXT_SIZE];
    struct catalogue catalogue;
    (void)q;
    if (collector_read_catalogue(soap, &catalogue) != SOAP_OK)
        return soap->error;
    size_t count = catalogue.snapshot.policy_count;
    answer->__sizeflowDom = (int)count;
    answer->flowDom = collector_zeroed(soap, count, sizeof *answer->flowDom);
    bool ok = answer->flowDom;
    for (size_t i = 0; ok && i < count; i++) {
        const struct domain_policy *from = &catalogue.snapshot.policies[i];
        struct wt__AnonyFlowDom *to = &answer->flowDom[i];
        if (from->scope != POLICY_ALL)
            ok = (to->device = soap_strdup(soap, address_print(&from->device, text)));
        if (from->scope == POLICY_DOMAIN)
            ok = ok && put_number(soap, from->domain, &to->domain);
        ok = ok && put_anonymisation(soap, &from->anonymisation, &to->anonymisation);
    }
    catalogue_free(&catalogue);
    return ok ? SOAP_OK : (soap->error = SOAP_EOM);
}

/* ---- flow types ---- */

static enum weir_status read_flow_type(struct soap *soap, const struct wt__FlowType *q,
                                       struct flow_type *out, struct weir_error *error)
{
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

int __col__AddFlowType(struct soap *soap, struct _col__AddFlowType *q,
                       struct _col__AddFlowTypeResponse *answer)
{
    char who[WHO_SIZE];
    struct flow_type type;
    struct weir_error error;
    (void)answer;
    if (!q || !q->flowType)
        return fault_missing(soap, "flowType");
    if (read_flow_type(soap, q->flowType, &type, &error) != WEIR_OK)
        return fault_error(soap, &error);
    struct store *store = collector_change(soap);
    return collector_changed(soap, store_flow_type_add(store, &type, caller_who(soap, who), &error),
                             &error);
}

int __col__DelFlowType(struct soap *soap, struct _col__DelFlowType *q,
                       struct _col__DelFlowTypeResponse *answer)
{
    char who[WHO_SIZE];
    struct weir_error error;
    (void)answer;
    if (!q || !q->name)
        return fault_missing(soap, "name");
    struct store *store = collector_change(soap);
    return collector_changed(
        soap, store_flow_type_delete(store, q->name, caller_who(soap, who), &error), &error);
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

int __col__ListFlowTypes(struct soap *soap, struct _col__ListFlowTypes *q,
                         struct _col__ListFlowTypesResponse *answer)
{
    struct catalogue catalogue;
    (void)q;
    if (collector_read_catalogue(soap, &catalogue) != SOAP_OK)
        return soap->error;
    size_t count = catalogue.snapshot.flow_type_count;
    answer->__sizeflowType = (int)count;
    answer->flowType = collector_zeroed(soap, count, sizeof *answer->flowType);
    bool ok = answer->flowType;
    for (size_t i = 0; ok && i < count; i++)
        ok = put_flow_type(soap, &catalogue.snapshot.flow_types[i], &answer->flowType[i]);
    catalogue_free(&catalogue);
    return ok ? SOAP_OK : (soap->error = SOAP_EOM);
}

/* ---- observation domains ---- */

int __col__AddObsD(struct soap *soap, struct _col__AddObsD *q, struct _col__AddObsDResponse *answer)
{
    char who[WHO_SIZE];
    struct weir_error error;
    (void)answer;
    if (!q || !q->obsD || !q->obsD->device)
        return fault_missing(soap, "device");
    struct observation_domain domain = {
        .domain = q->obsD->domain, .name = q->obsD->name, .description = q->obsD->description};
    if (address_parse(q->obsD->device, "device", &domain.device, &error) != WEIR_OK ||
        collector_check_text(domain.name, "name", &error) != WEIR_OK ||
        collector_check_text(domain.description, "description", &error) != WEIR_OK)
        return fault_error(soap, &error);
    struct store *store = collector_change(soap);
    return collector_changed(soap, store_domain_add(store, &domain, caller_who(soap, who), &error),
                             &error);
}

int __col__DelObsD(struct soap *soap, struct _col__DelObsD *q, struct _col__DelObsDResponse *answer)
{
    char who[WHO_SIZE];
    struct address device;
    struct weir_error error;
    (void)answer;
    if (!q || !q->device)
        return fault_missing(soap, "device");
    if (address_parse(q->device, "device", &device, &error) != WEIR_OK)
        return fault_error(soap, &error);
    struct store *store = collector_change(soap);
    return collector_changed(
        soap, store_domain_delete(store, &device, q->domain, caller_who(soap, who), &error),
        &error);
}

int __col__ListObsDs(struct soap *soap, struct _col__ListObsDs *q,
                     struct _col__ListObsDsResponse *answer)
{
    char text[ADDRESS_TEXT_SIZE];
    struct catalogue catalogue;
    (void)q;
    if (collector_read_catalogue(soap, &catalogue) != SOAP_OK)
        return soap->error;
    answer->__sizeobsD = (int)catalogue.domain_count;
    answer->obsD = collector_zeroed(soap, catalogue.domain_count, sizeof *answer->obsD);
    bool ok = answer->obsD;
    for (size_t i = 0; ok && i < catalogue.domain_count; i++) {
        const struct observation_domain *from = &catalogue.domains[i];
        struct wt__ObsD *to = &answer->obsD[i];
        to->device = soap_strdup(soap, address_print(&from->device, text));
        to->domain = from->domain;
        to->name = collector_optional(soap, from->name);
        to->description = collector_optional(soap, from->description);
        ok = to->device;
    }
    catalogue_free(&catalogue);
    return ok ? SOAP_OK : (soap->error = SOAP_EOM);
}

/* ---- observation points ---- */

int __col__AddObsP(struct soap *soap, struct _col__AddObsP *q, struct _col__AddObsPResponse *answer)
{
    char who[WHO_SIZE];
    struct weir_error error;
    (void)answer;
    if (!q || !q->obsP || !q->obsP->device)
        return fault_missing(soap, "device");
    struct observation_point point = {.domain = q->obsP->domain,
                                      .interface = q->obsP->interface_,
                                      .role = (enum observation_role)(q->obsP->role + 1),
                                      .name = q->obsP->name};
    if (address_parse(q->obsP->device, "device", &point.device, &error) != WEIR_OK ||
        collector_check_text(point.name, "name", &error) != WEIR_OK)
        return fault_error(soap, &error);
    struct store *store = collector_change(soap);
    return collector_changed(soap, store_point_add(store, &point, caller_who(soap, who), &error),
                             &error);
}

int __col__DelObsP(struct soap *soap, struct _col__DelObsP *q, struct _col__DelObsPResponse *answer)
{
    char who[WHO_SIZE];
    struct address device;
    struct weir_error error;
    (void)answer;
    if (!q || !q->device)
        return fault_missing(soap, "device");
    if (address_parse(q->device, "device", &device, &error) != WEIR_OK)
        return fault_error(soap, &error);
    struct store *store = collector_change(soap);
    return collector_changed(
        soap,
        store_point_delete(store, &device, q->domain, q->interface_, caller_who(soap, who), &error),
        &error);
}

int __col__ListObsPs(struct soap *soap, struct _col__ListObsPs *q,
                     struct _col__ListObsPsResponse *answer)
{
    char text[ADDRESS_TEXT_SIZE];
    struct catalogue catalogue;
    (void)q;
    if (collector_read_catalogue(soap, &catalogue) != SOAP_OK)
        return soap->error;
    size_t count = catalogue.snapshot.point_count;
    answer->__sizeobsP = (int)count;
    answer->obsP = collector_zeroed(soap, count, sizeof *answer->obsP);
    bool ok = answer->obsP;
    for (size_t i = 0; ok && i < count; i++) {
        const struct observation_point *from = &catalogue.snapshot.points[i];
        struct wt__ObsP *to = &answer->obsP[i];
        to->device = soap_strdup(soap, address_print(&from->device, text));
        to->domain = from->domain;
        to->interface_ = from->interface;
        to->role = (enum wt__ObsRole)(from->role - 1);
        to->name = collector_optional(soap, from->name);
        ok = to->device;
    }
    catalogue_free(&catalogue);
    return ok ? SOAP_OK : (soap->error = SOAP_EOM);
}

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
