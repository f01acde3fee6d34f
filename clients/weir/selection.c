/* selection.c - `weir type|domain|point|policy add|del|list`, `weir suspend|resume`: what the
 * collector does with records before they are stored. The questions are those of collector.wsdl.
 * Neighbour: catalogue.c has the rest of the catalogue. */
#include "colStub.h"
#include "base/address.h"
#include "weir/listing.h"
#include "weir/session.h"

#include <stdlib.h>
#include <string.h>

static const char *const roles[] = {"edge-in", "edge-out", "core"};
static const char *const methods[] = {"crypto-pan", "truncate", "remove", "none"};
static const char *const actions[] = {"keep", "drop", "aggregate", "anonymise"};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static const struct shape_field anonymisation_fields[] = {
    FIELD_NAME(wt__Anonymisation, method, methods),
    FIELD_OPTIONAL(wt__Anonymisation, ipv4Length, SHAPE_U32),
    FIELD_OPTIONAL(wt__Anonymisation, ipv6Length, SHAPE_U32),
    FIELD_LIST(wt__Anonymisation, field, SHAPE_TEXTS, NULL),
    FIELD_OPTIONAL(wt__Anonymisation, macs, SHAPE_FLAG),
    FIELD(wt__Anonymisation, key, SHAPE_TEXT),
    FIELD(wt__Anonymisation, policy, SHAPE_TEXT),
};
static const struct shape shape_anonymisation = SHAPE(wt__Anonymisation, anonymisation_fields);

static const struct shape_field type_fields[] = {
    FIELD(wt__FlowType, name, SHAPE_TEXT),
    FIELD(wt__FlowType, priority, SHAPE_U32),
    FIELD(wt__FlowType, filter, SHAPE_TEXT),
    FIELD_NAME(wt__FlowType, action, actions),
    FIELD_LIST(wt__FlowType, key, SHAPE_TEXTS, NULL),
    FIELD_STRUCT(wt__FlowType, anonymisation, shape_anonymisation),
};
static const struct shape shape_type = SHAPE(wt__FlowType, type_fields);

static const struct shape_field domain_fields[] = {
    FIELD(wt__ObsD, device, SHAPE_TEXT),
    FIELD(wt__ObsD, domain, SHAPE_U32),
    FIELD(wt__ObsD, name, SHAPE_TEXT),
    FIELD(wt__ObsD, description, SHAPE_TEXT),
};
static const struct shape shape_domain = SHAPE(wt__ObsD, domain_fields);

static const struct shape_field point_fields[] = {
    FIELD(wt__ObsP, device, SHAPE_TEXT),
    FIELD(wt__ObsP, domain, SHAPE_U32),
    {.name = "interface", .kind = SHAPE_U32, .offset = offsetof(struct wt__ObsP, interface_)},
    FIELD_NAME(wt__ObsP, role, roles),
    FIELD(wt__ObsP, name, SHAPE_TEXT),
};
static const struct shape shape_point = SHAPE(wt__ObsP, point_fields);

static const struct shape_field policy_fields[] = {
    FIELD(wt__AnonyFlowDom, device, SHAPE_TEXT),
    FIELD_OPTIONAL(wt__AnonyFlowDom, domain, SHAPE_U32),
    FIELD_STRUCT(wt__AnonyFlowDom, anonymisation, shape_anonymisation),
};
static const struct shape shape_policy = SHAPE(wt__AnonyFlowDom, policy_fields);

/* ---- operands ---- */

static bool read_device(struct request *r, const char *text)
{
    struct address address;
    struct weir_error error;
    if (address_parse(text, "device", &address, &error) == WEIR_OK)
        return true;
    (void)request_usage(r, "device", "%.400s", error.message);
    return false;
}

static bool read_number(struct request *r, const char *what, const char *text, unsigned *out)
{
    char *end;
    unsigned long v = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : UINT32_MAX + 1UL;
    *out = (unsigned)v;
    if (v <= UINT32_MAX && !*end)
        return true;
    (void)request_usage(r, what, "\"%.64s\" is not a number; 0 to 4294967295", text);
    return false;
}

/* The device and the number of a domain: the first two operands. */
static bool read_place(struct request *r, unsigned *domain)
{
    return read_device(r, r->operands[0]) && read_number(r, "domain", r->operands[1], domain);
}

/* "a,b" as names; the pointers are into a copy that lives as long as the session. */
static bool split(struct session *s, const char *text, char ***names, int *count)
{
    size_t length = strlen(text) + 1;
    char *copy = session_alloc(s, length);
    *names = session_alloc(s, length * sizeof **names);
    *count = 0;
    if (!copy || !*names)
        return false;
    memcpy(copy, text, length);
    for (char *rest = copy, *name; *copy && (name = strsep(&rest, ","));)
        (*names)[(*count)++] = name;
    return true;
}

static enum outcome ended(struct session *s, struct request *r, int failed)
{
    enum outcome outcome = failed ? session_fail(s, r->error) : OUTCOME_DONE;
    session_close(s);
    return outcome;
}

static enum outcome refused(struct session *s)
{
    session_close(s);
    return OUTCOME_USAGE;
}

/* ---- how to anonymise: a method and the options ---- */

struct how {
    struct wt__Anonymisation q;
    unsigned ipv4, ipv6;
    enum xsd__boolean yes;
};

/* "24,48", IPv4's first. */
static bool read_lengths(struct request *r, struct how *how)
{
    const char *text = r->settings->lengths;
    char *end;
    if (!text)
        return true;
    how->ipv4 = (unsigned)strtoul(text, &end, 10);
    bool good = end != text && *end == ',';
    text = end + good;
    how->ipv6 = good ? (unsigned)strtoul(text, &end, 10) : 0;
    if (!good || end == text || *end || how->ipv4 > 32 || how->ipv6 > 128) {
        (void)request_usage(
            r, "lengths", "--lengths: \"%.64s\" is not the bits kept of IPv4 and IPv6, as in 24,48",
            r->settings->lengths);
        return false;
    }
    how->q.ipv4Length = &how->ipv4;
    how->q.ipv6Length = &how->ipv6;
    return true;
}

static bool read_how(struct request *r, struct session *s, const char *method, struct how *how)
{
    size_t index;
    *how = (struct how){.yes = xsd__boolean__true_};
    if (!request_choice(r, "method", method, methods, COUNT(methods), &index) ||
        !read_lengths(r, how))
        return false;
    how->q.method = (enum wt__AnonyMethod)index;
    how->q.key = listing_lend(r->settings->key);
    how->q.macs = r->settings->macs ? &how->yes : NULL;
    return !r->settings->fields ||
           split(s, r->settings->fields, &how->q.field, &how->q.__sizefield);
}

/* ---- flow types ---- */

enum outcome word_type_add(struct request *r)
{
    struct session s;
    struct how how;
    size_t action;
    struct wt__FlowType type = {.name = r->operands[0],
                                .filter = listing_lend(r->settings->filter)};
    if (!read_number(r, "priority", r->operands[1], &type.priority) ||
        !request_choice(r, "action", r->operands[2], actions, COUNT(actions), &action))
        return OUTCOME_USAGE;
    type.action = (enum wt__FlowAction)action;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    if (r->settings->by && !split(&s, r->settings->by, &type.key, &type.__sizekey))
        return refused(&s);
    if (r->settings->method) {
        if (!read_how(r, &s, r->settings->method, &how))
            return refused(&s);
        type.anonymisation = &how.q;
    }
    struct _col__AddFlowType question = {.flowType = &type};
    struct _col__AddFlowTypeResponse answer;
    return ended(&s, r, soap_call___col__AddFlowType(s.soap, s.url, NULL, &question, &answer));
}

enum outcome word_type_del(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__DelFlowType question = {.name = r->operands[0]};
    struct _col__DelFlowTypeResponse answer;
    return ended(&s, r, soap_call___col__DelFlowType(s.soap, s.url, NULL, &question, &answer));
}

/* What an action works with: keys, or a policy. */
static void detail_cell(struct sheet *sheet, const struct wt__FlowType *t)
{
    struct buffer text = {0};
    for (int i = 0; i < t->__sizekey; i++)
        buffer_print(&text, "%s%s", i ? "," : "", t->key[i]);
    if (t->anonymisation && t->anonymisation->policy)
        buffer_print(&text, "%s", t->anonymisation->policy);
    buffer_put_u8(&text, '\0');
    sheet_text(sheet, text.failed ? "" : (const char *)text.bytes);
    buffer_free(&text);
}

enum outcome word_type_list(struct request *r)
{
    static const char *const columns[] = {"priority", "name", "action", "by", "filter"};
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__ListFlowTypes question = {}; /* no members */
    struct _col__ListFlowTypesResponse answer = {0};
    struct report report;
    if (soap_call___col__ListFlowTypes(s.soap, s.url, NULL, &question, &answer))
        return ended(&s, r, 1);
    listing_report(&report, columns, COUNT(columns));
    for (int i = 0; i < answer.__sizeflowType; i++) {
        const struct wt__FlowType *t = &answer.flowType[i];
        sheet_print(&report.sheet, "%u", t->priority);
        sheet_text(&report.sheet, t->name);
        sheet_text(&report.sheet, actions[(size_t)t->action % COUNT(actions)]);
        detail_cell(&report.sheet, t);
        sheet_text(&report.sheet, t->filter);
    }
    struct listing l = {"types", &shape_type, answer.flowType, answer.__sizeflowType};
    enum outcome outcome = listing_answer(r, &report, &l);
    session_close(&s);
    return outcome;
}

/* ---- observation domains ---- */

enum outcome word_domain_add(struct request *r)
{
    struct session s;
    struct wt__ObsD domain = {.device = r->operands[0],
                              .name = r->operand_count > 2 ? r->operands[2] : NULL,
                              .description = listing_lend(r->settings->description)};
    if (!read_place(r, &domain.domain))
        return OUTCOME_USAGE;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__AddObsD question = {.obsD = &domain};
    struct _col__AddObsDResponse answer;
    return ended(&s, r, soap_call___col__AddObsD(s.soap, s.url, NULL, &question, &answer));
}

enum outcome word_domain_del(struct request *r)
{
    struct session s;
    struct _col__DelObsD question = {.device = r->operands[0]};
    struct _col__DelObsDResponse answer;
    if (!read_place(r, &question.domain))
        return OUTCOME_USAGE;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    return ended(&s, r, soap_call___col__DelObsD(s.soap, s.url, NULL, &question, &answer));
}

enum outcome word_domain_list(struct request *r)
{
    static const char *const columns[] = {"device", "domain", "name", "description"};
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__ListObsDs question = {}; /* no members */
    struct _col__ListObsDsResponse answer = {0};
    struct report report;
    if (soap_call___col__ListObsDs(s.soap, s.url, NULL, &question, &answer))
        return ended(&s, r, 1);
    listing_report(&report, columns, COUNT(columns));
    for (int i = 0; i < answer.__sizeobsD; i++) {
        sheet_text(&report.sheet, answer.obsD[i].device);
        sheet_print(&report.sheet, "%u", answer.obsD[i].domain);
        sheet_text(&report.sheet, answer.obsD[i].name);
        sheet_text(&report.sheet, answer.obsD[i].description);
    }
    struct listing l = {"domains", &shape_domain, answer.obsD, answer.__sizeobsD};
    enum outcome outcome = listing_answer(r, &report, &l);
    session_close(&s);
    return outcome;
}

/* ---- observation points ---- */

enum outcome word_point_add(struct request *r)
{
    struct session s;
    size_t role;
    struct wt__ObsP point = {.device = r->operands[0],
                             .name = r->operand_count > 4 ? r->operands[4] : NULL};
    if (!read_place(r, &point.domain) ||
        !read_number(r, "interface", r->operands[2], &point.interface_) ||
        !request_choice(r, "role", r->operands[3], roles, COUNT(roles), &role))
        return OUTCOME_USAGE;
    point.role = (enum wt__ObsRole)role;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__AddObsP question = {.obsP = &point};
    struct _col__AddObsPResponse answer;
    return ended(&s, r, soap_call___col__AddObsP(s.soap, s.url, NULL, &question, &answer));
}

enum outcome word_point_del(struct request *r)
{
    struct session s;
    struct _col__DelObsP question = {.device = r->operands[0]};
    struct _col__DelObsPResponse answer;
    if (!read_place(r, &question.domain) ||
        !read_number(r, "interface", r->operands[2], &question.interface_))
        return OUTCOME_USAGE;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    return ended(&s, r, soap_call___col__DelObsP(s.soap, s.url, NULL, &question, &answer));
}

enum outcome word_point_list(struct request *r)
{
    static const char *const columns[] = {"device", "domain", "interface", "role", "name"};
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__ListObsPs question = {}; /* no members */
    struct _col__ListObsPsResponse answer = {0};
    struct report report;
    if (soap_call___col__ListObsPs(s.soap, s.url, NULL, &question, &answer))
        return ended(&s, r, 1);
    listing_report(&report, columns, COUNT(columns));
    for (int i = 0; i < answer.__sizeobsP; i++) {
        const struct wt__ObsP *p = &answer.obsP[i];
        sheet_text(&report.sheet, p->device);
        sheet_print(&report.sheet, "%u", p->domain);
        sheet_print(&report.sheet, "%u", p->interface_);
        sheet_text(&report.sheet, roles[(size_t)p->role % COUNT(roles)]);
        sheet_text(&report.sheet, p->name);
    }
    struct listing l = {"points", &shape_point, answer.obsP, answer.__sizeobsP};
    enum outcome outcome = listing_answer(r, &report, &l);
    session_close(&s);
    return outcome;
}

/* ---- policies of anonymisation ---- */

#define EVERY "all"

/* A policy's device and domain; "all" leaves them out. */
static bool read_scope(struct request *r, char **device, unsigned **domain, unsigned *number)
{
    bool every_device = strcmp(r->operands[0], EVERY) == 0;
    bool every_domain = strcmp(r->operands[1], EVERY) == 0;
    *device = every_device ? NULL : r->operands[0];
    *domain = every_domain ? NULL : number;
    if (every_device && !every_domain) {
        (void)request_usage(r, "domain", "\"%.64s\" is a domain of one device; " EVERY " of " EVERY,
                            r->operands[1]);
        return false;
    }
    return (every_device || read_device(r, r->operands[0])) &&
           (every_domain || read_number(r, "domain", r->operands[1], number));
}

enum outcome word_policy_set(struct request *r)
{
    struct session s;
    struct how how;
    unsigned number;
    struct wt__AnonyFlowDom domain = {.anonymisation = &how.q};
    if (!read_scope(r, &domain.device, &domain.domain, &number))
        return OUTCOME_USAGE;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    if (!read_how(r, &s, r->operands[2], &how))
        return refused(&s);
    struct _col__AnonyFlowDom question = {.flowDom = &domain};
    struct _col__AnonyFlowDomResponse answer;
    return ended(&s, r, soap_call___col__AnonyFlowDom(s.soap, s.url, NULL, &question, &answer));
}

enum outcome word_policy_del(struct request *r)
{
    struct session s;
    unsigned number;
    struct _col__DelAnonyFlowDom question = {0};
    struct _col__DelAnonyFlowDomResponse answer;
    if (!read_scope(r, &question.device, &question.domain, &number))
        return OUTCOME_USAGE;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    return ended(&s, r, soap_call___col__DelAnonyFlowDom(s.soap, s.url, NULL, &question, &answer));
}

enum outcome word_policy_list(struct request *r)
{
    static const char *const columns[] = {"device", "domain", "policy", "key"};
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__ListAnonyFlowDoms question = {}; /* no members */
    struct _col__ListAnonyFlowDomsResponse answer = {0};
    struct report report;
    if (soap_call___col__ListAnonyFlowDoms(s.soap, s.url, NULL, &question, &answer))
        return ended(&s, r, 1);
    listing_report(&report, columns, COUNT(columns));
    for (int i = 0; i < answer.__sizeflowDom; i++) {
        const struct wt__AnonyFlowDom *d = &answer.flowDom[i];
        sheet_text(&report.sheet, d->device ? d->device : EVERY);
        if (d->domain)
            sheet_print(&report.sheet, "%u", *d->domain);
        else
            sheet_text(&report.sheet, EVERY);
        sheet_text(&report.sheet, d->anonymisation ? d->anonymisation->policy : NULL);
        sheet_text(&report.sheet, d->anonymisation ? d->anonymisation->key : NULL);
    }
    struct listing l = {"policies", &shape_policy, answer.flowDom, answer.__sizeflowDom};
    enum outcome outcome = listing_answer(r, &report, &l);
    session_close(&s);
    return outcome;
}

/* ---- listening ---- */

enum outcome word_suspend(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__Suspend question = {}; /* no members */
    struct _col__SuspendResponse answer;
    return ended(&s, r, soap_call___col__Suspend(s.soap, s.url, NULL, &question, &answer));
}

enum outcome word_resume(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__Resume question = {}; /* no members */
    struct _col__ResumeResponse answer;
    return ended(&s, r, soap_call___col__Resume(s.soap, s.url, NULL, &question, &answer));
}
