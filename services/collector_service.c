/* collector_service.c - the collector's operations: its catalogue (kept in the store), account and
 * state. Neighbour: selection_service.c has those of selection and privacy. */
#include "answer.h"
#include "col.nsmap"
#include "colStub.h"
#include "collector.h"
#include "collector_service.h"
#include "fault.h"
#include "services_private.h"
#include <stdlib.h>

#define TEXT_MOST 255

/* ---- checking what is asked ---- */

/* Text that people read: short, and such as XML can give back. NULL is "". */
enum weir_status collector_check_text(const char *text, const char *field, struct weir_error *error)
{
    char copy[TEXT_MOST + 1];
    size_t length = text ? strlen(text) : 0;
    if (length > TEXT_MOST)
        return weir_fail(error, WEIR_EARGUMENT, field, "%s is longer than %d octets", field,
                         TEXT_MOST);
    memcpy(copy, text ? text : "", length);
    copy[length] = '\0';
    fault_clean(copy);
    if (length && memcmp(copy, text, length) != 0)
        return weir_fail(error, WEIR_EARGUMENT, field, "%s has characters that are no text", field);
    return WEIR_OK;
}

static enum weir_status check_tag(const struct wt__Tag *q, struct weir_error *error)
{
    if (!q)
        return weir_fail(error, WEIR_EARGUMENT, "tag", "tag is missing");
    if (q->id == 0)
        return weir_fail(error, WEIR_EARGUMENT, "id",
                         "id 0 means no tag: expected 1 to 4294967295");
    if (!q->name || !*q->name)
        return weir_fail(error, WEIR_EARGUMENT, "name", "name is missing");
    if (strspn(q->name, "0123456789") == strlen(q->name))
        return weir_fail(error, WEIR_EARGUMENT, "name",
                         "a name of digits only would be taken for a number");
    if (q->__sizeprefix < 0 || (q->__sizeprefix && !q->prefix) || q->__sizeas < 0 ||
        (q->__sizeas && !q->as))
        return weir_fail(error, WEIR_EINTERNAL, "tag", "the request was not read");
    return WEIR_OK;
}

static enum weir_status read_tag(struct soap *soap, const struct _col__AddTag *request,
                                 struct tag *tag, struct weir_error *error)
{
    const struct wt__Tag *q = request->tag;
    enum weir_status status = check_tag(q, error);
    if (status != WEIR_OK)
        return status;
    size_t n = (size_t)q->__sizeprefix;
    struct prefix *prefixes = soap_malloc(soap, (n ? n : 1) * sizeof *prefixes);
    if (!prefixes)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for %zu prefixes", n);
    for (size_t i = 0; i < n && status == WEIR_OK; i++)
        status = q->prefix[i] ? prefix_parse(q->prefix[i], "prefix", &prefixes[i], error)
                              : weir_fail(error, WEIR_EARGUMENT, "prefix", "a prefix is nil");
    *tag = (struct tag){.id = q->id,
                        .name = q->name,
                        .prefixes = prefixes,
                        .prefix_count = n,
                        .ases = q->as,
                        .as_count = (size_t)q->__sizeas};
    return status;
}

static enum weir_status read_device(struct soap *soap, const struct _col__AddMDev *request,
                                    struct device_entry *device, struct weir_error *error)
{
    const struct wt__MDev *q = request->mdev;
    (void)soap;
    if (!q)
        return weir_fail(error, WEIR_EARGUMENT, "mdev", "mdev is missing");
    if (!q->address)
        return weir_fail(error, WEIR_EARGUMENT, "address", "address is missing");
    enum weir_status status = address_parse(q->address, "address", &device->address, error);
    if (status == WEIR_OK)
        status = collector_check_text(q->name, "name", error);
    if (status == WEIR_OK)
        status = collector_check_text(q->description, "description", error);
    if (status != WEIR_OK)
        return status;
    device->name = q->name ? q->name : "";
    device->description = q->description ? q->description : "";
    device->sampling_rate = q->samplingRate ? *q->samplingRate : 0;
    if (q->samplingRate && !(*q->samplingRate >= 1 && *q->samplingRate <= 1e9))
        return weir_fail(error, WEIR_EARGUMENT, "samplingRate",
                         "samplingRate is out of range: expected 1 to 1,000,000,000");
    return WEIR_OK;
}

/* ---- changing the catalogue ---- */

/* Every change: made one at a time, then told to whoever uses the catalogue. */
int collector_changed(struct soap *soap, enum weir_status status, const struct weir_error *error)
{
    struct services *s = services_of(soap);
    struct weir_error why = {0};
    enum weir_status followed =
        status == WEIR_OK ? services_catalogue_changed(s, &why) : WEIR_OK;
    pthread_mutex_unlock(&s->changing);
    sem_post(&s->changes);
    if (followed != WEIR_OK)
        return fault_make(soap, WEIR_EUNAVAILABLE, why.field,
                          "the change is kept, but not in force yet; it will be tried again: %s",
                          *why.message ? why.message : weir_status_text(followed));
    return status == WEIR_OK ? SOAP_OK : fault_error(soap, error);
}

struct store *collector_change(struct soap *soap)
{
    if (services_may_change(soap) != SOAP_OK)
        return NULL;
    pthread_mutex_lock(&services_of(soap)->changing);
    return services_of(soap)->settings.store;
}

COLLECTOR_CHANGE(AddTag, "AddTag", true, struct tag, read_tag, store_tag_add)

int __col__DelTag(struct soap *soap, struct _col__DelTag *q, struct _col__DelTagResponse *answer)
{
    char who[WHO_SIZE];
    uint32_t id = 0;
    struct weir_error error;
    (void)answer;
    if (!q || !q->tag)
        return fault_missing(soap, "tag");
    struct store *store = collector_change(soap);
    if (!store)
        return soap->error;
    enum weir_status status =
        tag_names_resolve(services_of(soap)->tags, q->tag, "tag", &id, &error);
    if (status == WEIR_OK && id == 0)
        status = weir_fail(&error, WEIR_EARGUMENT, "tag",
                           "tag 0 means no tag: expected 1 to 4294967295");
    if (status == WEIR_OK)
        status = store_tag_delete(store, id, caller_who(soap, who), &error);
    return collector_changed(soap, status, &error);
}

static enum weir_status read_device_address(struct soap *soap, const struct _col__DelMDev *q,
                                            struct address *address, struct weir_error *error)
{
    (void)soap;
    return address_parse(q->address, "address", address, error);
}

static enum weir_status read_db(struct soap *soap, const struct _col__AddCompDB *q,
                                struct db_entry *db, struct weir_error *error)
{
    (void)soap;
    *db = (struct db_entry){q->compDB->url, q->compDB->name ? q->compDB->name : ""};
    enum weir_status status = remote_url_check(db->url, error);
    return status == WEIR_OK ? collector_check_text(db->name, "name", error) : status;
}

static enum weir_status read_db_url(struct soap *soap, const struct _col__DelCompDB *q,
                                    const char **url, struct weir_error *error)
{
    (void)soap;
    (void)error;
    *url = q->url;
    return WEIR_OK;
}

static enum weir_status delete_db(struct store *store, const char *const *url, const char *who,
                                  struct weir_error *error)
{
    return store_db_delete(store, *url, who, error);
}

COLLECTOR_CHANGE(AddMDev, "AddMDev", true, struct device_entry, read_device, store_device_add)
COLLECTOR_CHANGE(DelMDev, "address", q->address, struct address, read_device_address,
                 store_device_delete)
COLLECTOR_CHANGE(AddCompDB, "url", q->compDB && q->compDB->url, struct db_entry, read_db,
                 store_db_add)
COLLECTOR_CHANGE(DelCompDB, "url", q->url, const char *, read_db_url, delete_db)

/* ---- listing it ---- */

/* The catalogue, freed by the caller; or a fault. */
int collector_read_catalogue(struct soap *soap, struct catalogue *catalogue)
{
    struct weir_error error;
    if (store_catalogue(services_of(soap)->settings.store, catalogue, &error) == WEIR_OK)
        return SOAP_OK;
    return fault_error(soap, &error);
}

void *collector_zeroed(struct soap *soap, size_t count, size_t size)
{
    void *memory = soap_malloc(soap, count ? count * size : size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

char *collector_optional(struct soap *soap, const char *text)
{
    return text && *text ? soap_strdup(soap, text) : NULL;
}

static bool put_tag(struct soap *soap, const struct tag *from, struct wt__Tag *to)
{
    char text[PREFIX_TEXT_SIZE];
    to->id = from->id;
    to->name = soap_strdup(soap, from->name);
    to->__sizeprefix = (int)from->prefix_count;
    to->prefix = collector_zeroed(soap, from->prefix_count, sizeof *to->prefix);
    to->__sizeas = (int)from->as_count;
    to->as = collector_zeroed(soap, from->as_count, sizeof *to->as);
    if (!to->name || !to->prefix || !to->as)
        return false;
    for (size_t i = 0; i < from->prefix_count; i++) {
        to->prefix[i] = soap_strdup(soap, prefix_print(&from->prefixes[i], text));
        if (!to->prefix[i])
            return false;
    }
    for (size_t i = 0; i < from->as_count; i++)
        to->as[i] = from->ases[i];
    return true;
}

COLLECTOR_LIST(ListTags, tag, tags, tag_count, put_tag)

static bool put_rate(struct soap *soap, double rate, struct wt__MDev *to)
{
    if (!(rate > 0))
        return true;
    to->samplingRate = soap_malloc(soap, sizeof *to->samplingRate);
    if (!to->samplingRate)
        return false;
    *to->samplingRate = rate;
    return true;
}

static bool put_device(struct soap *soap, const struct device_entry *from, struct wt__MDev *to)
{
    char text[ADDRESS_TEXT_SIZE];
    to->address = soap_strdup(soap, address_print(&from->address, text));
    to->name = collector_optional(soap, from->name);
    to->description = collector_optional(soap, from->description);
    return to->address && put_rate(soap, from->sampling_rate, to);
}

/* ---- devices, described and heard ---- */

struct devices {
    struct soap *soap;
    const struct catalogue *catalogue;
    const struct heard_exporter *heard; /* sorted by exporter: an exporter's rows are neighbours */
    size_t heard_count;
    struct wt__MDev *out;
    size_t count;
};

static bool put_heard(struct devices *d, size_t first, size_t end, struct wt__MDev *to)
{
    LONG64 last = 0;
    uint64_t refused = 0;
    for (size_t i = first; i < end; i++) {
        refused += d->heard[i].counts.refused_datagrams;
        if (d->heard[i].last_heard_ms > last)
            last = d->heard[i].last_heard_ms;
    }
    to->lastHeard = soap_malloc(d->soap, sizeof *to->lastHeard);
    if (!to->lastHeard)
        return false;
    *to->lastHeard = last;
    if (!refused)
        return true;
    to->refused = soap_malloc(d->soap, sizeof *to->refused);
    if (to->refused)
        *to->refused = refused;
    return to->refused;
}

static bool put_unknown(struct devices *d, const struct address *address, struct wt__MDev *to)
{
    char text[ADDRESS_TEXT_SIZE];
    to->address = soap_strdup(d->soap, address_print(address, text));
    to->unknown = soap_malloc(d->soap, sizeof *to->unknown);
    if (!to->address || !to->unknown)
        return false;
    *to->unknown = xsd__boolean__true_;
    return true;
}

static int address_order(const struct address *a, const struct address *b)
{
    return memcmp(a->octets, b->octets, sizeof a->octets);
}

static size_t end_of_exporter(const struct devices *d, size_t first)
{
    size_t end = first;
    while (end < d->heard_count &&
           address_order(&d->heard[end].exporter, &d->heard[first].exporter) == 0)
        end++;
    return end;
}

/* Both lists are sorted by address: one walk over the two. */
static bool merge_devices(struct devices *d)
{
    static const struct address nobody; /* rows about sockets */
    size_t at = 0, end;
    bool ok = true;
    for (size_t i = 0; ok && (i < d->catalogue->device_count || at < d->heard_count);) {
        const struct device_entry *known =
            i < d->catalogue->device_count ? &d->catalogue->devices[i] : NULL;
        const struct address *heard = at < d->heard_count ? &d->heard[at].exporter : NULL;
        int order = !known ? 1 : !heard ? -1 : address_order(&known->address, heard);
        struct wt__MDev *to = &d->out[d->count];
        end = order >= 0 ? end_of_exporter(d, at) : at;
        if (order <= 0)
            ok = put_device(d->soap, known, to);
        else if (address_order(heard, &nobody) != 0)
            ok = put_unknown(d, heard, to);
        d->count += to->address != NULL;
        if (order >= 0 && to->address)
            ok = ok && put_heard(d, at, end, to);
        i += order <= 0;
        at = end;
    }
    return ok;
}

int __col__ListMDevs(struct soap *soap, struct _col__ListMDevs *q,
                     struct _col__ListMDevsResponse *answer)
{
    struct catalogue catalogue;
    struct heard_exporter *heard = NULL;
    struct devices d = {.soap = soap, .catalogue = &catalogue};
    struct collector *collector = services_of(soap)->settings.collector;
    (void)q;
    if (collector && collector_heard(collector, &heard, &d.heard_count) != WEIR_OK)
        return soap->error = SOAP_EOM;
    if (collector_read_catalogue(soap, &catalogue) != SOAP_OK) {
        free(heard);
        return soap->error;
    }
    d.heard = heard;
    d.out = collector_zeroed(soap, catalogue.device_count + d.heard_count, sizeof *d.out);
    bool ok = d.out && merge_devices(&d);
    answer->__sizemdev = (int)d.count;
    answer->mdev = d.out;
    catalogue_free(&catalogue);
    free(heard);
    return ok ? SOAP_OK : (soap->error = SOAP_EOM);
}

static bool put_db(struct soap *soap, const struct db_entry *from, struct wt__CompDB *to)
{
    to->url = soap_strdup(soap, from->url);
    to->name = collector_optional(soap, from->name);
    return to->url;
}

COLLECTOR_LIST(ListCompDBs, compDB, dbs, db_count, put_db)

/* ---- account and state ---- */

int __col__GetAccount(struct soap *soap, struct _col__GetAccount *q,
                      struct _col__GetAccountResponse *answer)
{
    struct weir_error error;
    struct account_answer account;
    if (!q)
        return fault_missing(soap, "GetAccount");
    if (q->from >= q->to)
        return fault_make(soap, WEIR_EARGUMENT, "from",
                          "from %lld is not before to %lld: expected from < to", (long long)q->from,
                          (long long)q->to);
    if (store_account(services_of(soap)->settings.store, (struct interval){q->from, q->to},
                      &account, &error) != WEIR_OK)
        return fault_error(soap, &error);
    int result = answer_account(soap, &account.account, true, &answer->account);
    account_answer_free(&account);
    return result;
}

static bool put_collector(struct soap *soap, const struct collector_status *from,
                          struct wt__CollectorStatus *to)
{
    to->running = from->running ? xsd__boolean__true_ : xsd__boolean__false_;
    to->suspended = from->suspended ? xsd__boolean__true_ : xsd__boolean__false_;
    to->started = from->started_ms;
    to->exporters = from->exporters;
    to->sessions = from->sessions;
    to->templates = from->templates;
    to->datagrams = from->datagrams;
    to->records = from->records;
    to->optionRecords = from->option_records;
    to->blocks = from->blocks;
    to->blockOctets = from->block_octets;
    to->queuedBlocks = from->queued_blocks;
    to->spooledBlocks = from->spooled_blocks;
    to->spooledOctets = from->spooled_octets;
    to->kernelDrops = from->kernel_drops;
    to->lastError = collector_optional(soap, from->last_error);
    to->catalogueError = collector_optional(soap, from->catalogue_error);
    if (from->last_datagram_ms) {
        to->lastDatagram = soap_malloc(soap, sizeof *to->lastDatagram);
        if (!to->lastDatagram)
            return false;
        *to->lastDatagram = from->last_datagram_ms;
    }
    return true;
}

int __col__GetStatus(struct soap *soap, struct _col__GetStatus *q,
                     struct _col__GetStatusResponse *answer)
{
    struct collector_status status = {0};
    (void)q;
    if (!services_of(soap)->settings.collector)
        return fault_make(soap, WEIR_EUNAVAILABLE, NULL, "no collector runs here");
    collector_status(services_of(soap)->settings.collector, &status);
    status.last_error[sizeof status.last_error - 1] = '\0';
    fault_clean(status.last_error);
    status.catalogue_error[sizeof status.catalogue_error - 1] = '\0';
    fault_clean(status.catalogue_error);
    answer->collector = collector_zeroed(soap, 1, sizeof *answer->collector);
    if (!answer->collector || !put_collector(soap, &status, answer->collector))
        return soap->error = SOAP_EOM;
    return answer_service_status(soap, &answer->service);
}
