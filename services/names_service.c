/* names_service.c - ListNames of the DB component: what exporters call things, from store_names().
 * Neighbours: names_text.c, and weird_names.c, which prints the same. */
#include "base/address.h"
#include "dbStub.h"
#include "fault.h"
#include "names_text.h"
#include "services_private.h"

_Static_assert((int)wt__NameKind__interface_ == (int)NAME_INTERFACE &&
                   (int)wt__NameKind__vrf == (int)NAME_VRF &&
                   (int)wt__NameKind__application == (int)NAME_APPLICATION &&
                   (int)wt__NameKind__sampler == (int)NAME_SAMPLER,
               "the contract's kinds are ours, in our order");

/* What is asked for; NULL: any. */
struct wanted {
    const enum wt__NameKind *kind;
    const struct address *exporter;
    const unsigned *domain;
};

static bool is_wanted(const struct wanted *w, const struct name_entry *e)
{
    return (!w->kind || (int)*w->kind == (int)e->kind) && (!w->domain || *w->domain == e->domain) &&
           (!w->exporter ||
            memcmp(w->exporter->octets, e->exporter.octets, sizeof e->exporter.octets) == 0);
}

/* Text of an exporter: such as XML can carry. */
static char *clean_copy(struct soap *soap, const char *text)
{
    char *copy = soap_strdup(soap, text);
    if (copy)
        fault_clean(copy);
    return copy;
}

static ULONG64 *put_count(struct soap *soap, uint64_t count)
{
    ULONG64 *to = soap_malloc(soap, sizeof *to);
    if (to)
        *to = count;
    return to;
}

static bool put_name(struct soap *soap, const struct name_entry *from, struct wt__LearnedName *to)
{
    char address[ADDRESS_TEXT_SIZE], element[IE_NAME_SIZE];
    struct name_id id;
    name_id_print(from, &id);
    memset(to, 0, sizeof *to);
    to->exporter = soap_strdup(soap, address_print(&from->exporter, address));
    to->domain = from->domain;
    to->kind = (enum wt__NameKind)from->kind;
    to->id = soap_strdup(soap, id.text);
    to->name = clean_copy(soap, from->name);
    to->description = *from->description ? clean_copy(soap, from->description) : NULL;
    to->option = soap_strdup(soap, ie_key_print(from->element, element));
    to->first = from->first_told_ms;
    to->last = from->told_ms;
    if (id.is_application) {
        to->engine = put_count(soap, id.engine);
        to->selector = put_count(soap, id.selector);
    }
    return to->exporter && to->id && to->name && to->option &&
           (!*from->description || to->description) &&
           (!id.is_application || (to->engine && to->selector));
}

static int put_names(struct soap *soap, const struct names *names, const struct wanted *wanted,
                     struct _db__ListNamesResponse *answer)
{
    size_t count = 0, most = services_of(soap)->settings.rows_most;
    for (size_t i = 0; i < names->count; i++)
        count += is_wanted(wanted, &names->list[i]);
    if (count > most)
        return fault_make(soap, WEIR_ELIMIT, "exporter",
                          "the answer has %zu names: expected at most %zu; ask for a kind, an "
                          "exporter or a shorter time",
                          count, most);
    answer->name = soap_malloc(soap, (count ? count : 1) * sizeof *answer->name);
    bool ok = answer->name;
    for (size_t i = 0; ok && i < names->count; i++)
        if (is_wanted(wanted, &names->list[i]))
            ok = put_name(soap, &names->list[i], &answer->name[answer->__sizename++]);
    return ok ? SOAP_OK : (soap->error = SOAP_EOM);
}

int __db__ListNames(struct soap *soap, struct _db__ListNames *q,
                    struct _db__ListNamesResponse *answer)
{
    struct weir_error error;
    struct address exporter;
    struct names names;
    if (!q)
        return fault_missing(soap, "ListNames");
    struct wanted wanted = {.kind = q->kind, .domain = q->domain};
    struct interval when = {q->from ? *q->from : INT64_MIN, q->to ? *q->to : INT64_MAX};
    if (when.from_ms >= when.to_ms)
        return fault_make(soap, WEIR_EARGUMENT, "from",
                          "from %lld is not before to %lld: expected from < to",
                          (long long)when.from_ms, (long long)when.to_ms);
    if (q->exporter && address_parse(q->exporter, "exporter", &exporter, &error) != WEIR_OK)
        return fault_error(soap, &error);
    if (q->exporter)
        wanted.exporter = &exporter;
    if (!serve_slot(&services_of(soap)->queries, 100)) /* it reads every block of options */
        return fault_make(soap, WEIR_EBUSY, NULL, "too many questions at a time; try again");
    enum weir_status status = store_names(services_of(soap)->settings.store, when, &names, &error);
    sem_post(&services_of(soap)->queries);
    if (status != WEIR_OK)
        return fault_error(soap, &error);
    int result = put_names(soap, &names, &wanted, answer);
    names_free(&names);
    return result;
}
