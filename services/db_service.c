/* db_service.c - the DB component's operations but for the views (db_views.c): thin, from the
 * contract's types to store.h and back. */
#include "answer.h"
#include "db.nsmap"
#include "db_query.h"
#include "dbStub.h"
#include "fault.h"
#include "services_private.h"
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#define QUERY_WAIT_MS 100
#define SHORT_US      2000
#define ROWS_CHUNKED                                                                               \
    2000 /* answers with more rows are written once, in chunks, instead of counted first */

/* ---- asking ---- */

static int check_interval(struct soap *soap, int64_t from_ms, int64_t to_ms)
{
    if (from_ms < to_ms)
        return SOAP_OK;
    return fault_make(soap, WEIR_EARGUMENT, "from",
                      "from %lld is not before to %lld: expected from < to", (long long)from_ms,
                      (long long)to_ms);
}

/* A question on its way. Short ones just run: only one that goes on past SHORT_US takes a slot, of
 * which there are fewer than workers, so that long ones leave some for the rest. And whether the
 * client has gone is put to the socket not oftener than a hundred times a second. Who speaks
 * HTTP/1.1 does not close its side of the connection while it waits; HTTP/1.0 may. */
enum slot { SLOT_NONE, SLOT_TAKING, SLOT_TAKEN, SLOT_REFUSED };
struct asking {
    struct services *services;
    int fd;
    bool may_leave;
    _Atomic uint64_t next_us;
    _Atomic int slot; /* enum slot */
};

static void take_slot(struct asking *a)
{
    int none = SLOT_NONE;
    if (atomic_compare_exchange_strong(&a->slot, &none, SLOT_TAKING))
        atomic_store(&a->slot,
                     serve_slot(&a->services->queries, QUERY_WAIT_MS) ? SLOT_TAKEN : SLOT_REFUSED);
}

/* Asked now and then from the threads of the question. */
static bool is_unwanted(void *context)
{
    struct asking *a = context;
    uint64_t now = clock_monotonic_us();
    if (now < atomic_load(&a->next_us))
        return atomic_load(&a->slot) == SLOT_REFUSED;
    atomic_store(&a->next_us, now + 10000);
    take_slot(a);
    struct pollfd p = {.fd = a->fd, .events = POLLRDHUP};
    bool gone =
        a->may_leave && poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
    return gone || atomic_load(&a->slot) == SLOT_REFUSED;
}

int db_query(struct soap *soap, struct totals_request *request, struct totals *out)
{
    const struct services_settings *settings = &services_of(soap)->settings;
    struct weir_error error;
    request->deadline_ms = settings->query_deadline_ms;
    request->memory_most = settings->query_memory;
    request->threads = settings->query_threads;
    const struct exchange *exchange = caller_of(soap)->exchange;
    struct asking asking = {.services = services_of(soap),
                            .fd = exchange->fd,
                            .may_leave = exchange->head->minor > 0,
                            .next_us = clock_monotonic_us() + SHORT_US};
    int result = check_interval(soap, request->when.from_ms, request->when.to_ms);
    if (result != SOAP_OK)
        return result;
    request->unwanted = is_unwanted;
    request->unwanted_context = &asking;
    enum weir_status status = store_totals(settings->store, request, out, &error);
    int slot = atomic_load(&asking.slot);
    request->unwanted = NULL;
    request->unwanted_context = NULL;
    if (slot == SLOT_TAKEN)
        sem_post(&asking.services->queries);
    if (status == WEIR_OK)
        return SOAP_OK;
    return slot == SLOT_REFUSED
               ? fault_make(soap, WEIR_EBUSY, NULL, "too many questions at a time; try again")
               : fault_error(soap, &error);
}

static int read_aggregate(struct soap *soap, const struct _db__Aggregate *q,
                          struct totals_request *request)
{
    static const enum measure measures[] = {MEASURE_OCTETS, MEASURE_PACKETS, MEASURE_FLOWS};
    static const enum answer_source sources[] = {SOURCE_AUTO, SOURCE_ROLLUP, SOURCE_BLOCKS};
    static const enum spread spreads[] = {SPREAD_END, SPREAD_PROPORTIONAL};
    if (q->__sizeby < 0 || q->__sizeby > TOTALS_KEYS_MOST)
        return fault_make(soap, WEIR_EARGUMENT, "by", "%d keys: expected at most %d", q->__sizeby,
                          TOTALS_KEYS_MOST);
    for (int i = 0; i < q->__sizeby; i++)
        if (!q->by || !q->by[i] || !*q->by[i])
            return fault_make(soap, WEIR_EARGUMENT, "by", "a key is empty");
    if (q->step && *q->step <= 0)
        return fault_make(soap, WEIR_EARGUMENT, "step",
                          "step %lld is out of range: expected at least 1 ms", (long long)*q->step);
    *request = (struct totals_request){
        .by = (const char *const *)q->by,
        .by_count = (size_t)q->__sizeby,
        .filter = q->filter,
        .when = {q->from, q->to},
        .step_ms = q->step ? *q->step : 0,
        .top = q->top ? *q->top : 0,
        .order = measures[q->order ? *q->order % 3 : 0],
        .source = sources[q->source ? *q->source % 3 : 0],
        .spread = spreads[q->spread ? *q->spread % 2 : 0],
        .percentile = q->percentile ? *q->percentile : 0,
        .series = q->series ? *q->series : 0,
        .once = q->once && *q->once == xsd__boolean__true_,
    };
    return SOAP_OK;
}

/* About what the rows take as XML, rather more than less. */
static uint64_t answer_octets(const struct totals *t)
{
    uint64_t row = 350, texts = 0;
    for (size_t k = 0; k < t->key_count; k++)
        row += 100 + strlen(t->keys[k].name);
    for (size_t i = 0; i < t->row_count; i++)
        for (size_t k = 0; k < t->key_count; k++)
            texts += t->rows[i].keys[k].width ? 0 : t->rows[i].keys[k].text.length;
    return (t->row_count + t->percentile_count) * row + 2 * texts;
}

int __db__Aggregate(struct soap *soap, struct _db__Aggregate *q,
                    struct _db__AggregateResponse *answer)
{
    struct totals_request request;
    struct totals totals;
    if (!q)
        return fault_missing(soap, "Aggregate");
    int result = read_aggregate(soap, q, &request);
    if (result == SOAP_OK)
        result = db_query(soap, &request, &totals);
    if (result != SOAP_OK)
        return result;
    uint32_t most = services_of(soap)->settings.rows_most;
    size_t rows = totals.row_count + totals.percentile_count;
    if (totals.row_count > most || totals.percentile_count > most)
        result =
            fault_make(soap, WEIR_ELIMIT, "by",
                       "the answer has %zu rows: expected at most %u; ask for top or series, fewer "
                       "keys or a longer step",
                       totals.row_count, most);
    else if (rows > ROWS_CHUNKED &&
             !exchange_reserve(caller_of(soap)->exchange, answer_octets(&totals)))
        result = fault_make(soap, WEIR_EBUSY, NULL, "too many long answers at a time; try again");
    else
        result = answer_rows(soap, &totals, request.step_ms > 0, answer);
    /* Only HTTP/1.1 knows chunks. */
    if (rows > ROWS_CHUNKED && caller_of(soap)->exchange->head->minor > 0)
        soap_set_omode(soap, SOAP_IO_CHUNK);
    totals_free(&totals);
    return result;
}

/* ---- storing ---- */

int __db__StoreBlock(struct soap *soap, struct _db__StoreBlock *q,
                     struct _db__StoreBlockResponse *answer)
{
    struct caller *c = caller_of(soap);
    struct weir_error error;
    enum store_outcome outcome;
    if (!q)
        return fault_missing(soap, "StoreBlock");
    struct text block = {(const char *)q->block.__ptr,
                         q->block.__size > 0 ? (size_t)q->block.__size : 0};
    if (block.length == 0 && c->has_attachment)
        block = c->attachment;
    if (block.length == 0)
        return fault_missing(soap, "block");
    if (services_may_change(soap) != SOAP_OK)
        return soap->error;
    enum weir_status status = store_append(c->services->settings.store, (const uint8_t *)block.at,
                                           block.length, &outcome, &error);
    sem_post(&c->services->changes);
    if (status != WEIR_OK) {
        if (fault_kind_of(status)->sender) /* the argument; the message says which part of it */
            snprintf(error.field, sizeof error.field, "block");
        return fault_error(soap, &error);
    }
    answer->outcome = outcome == STORE_STORED ? wt__StoreOutcome__stored : wt__StoreOutcome__known;
    return SOAP_OK;
}

/* ---- account and state ---- */

int __db__GetAccount(struct soap *soap, struct _db__GetAccount *q,
                     struct _db__GetAccountResponse *answer)
{
    struct weir_error error;
    struct account_answer account;
    if (!q)
        return fault_missing(soap, "GetAccount");
    int result = check_interval(soap, q->from, q->to);
    if (result != SOAP_OK)
        return result;
    if (store_account(services_of(soap)->settings.store, (struct interval){q->from, q->to},
                      &account, &error) != WEIR_OK)
        return fault_error(soap, &error);
    result = answer_account(soap, &account.account, true, &answer->account);
    account_answer_free(&account);
    return result;
}

static LONG64 *put_time(struct soap *soap, int64_t ms)
{
    LONG64 *at = soap_malloc(soap, sizeof *at);
    if (at)
        *at = ms;
    return at;
}

int __db__GetStatus(struct soap *soap, struct _db__GetStatus *q,
                    struct _db__GetStatusResponse *answer)
{
    (void)q;
    struct store_status status;
    struct weir_error error;
    struct wt__StoreStatus *to = soap_malloc(soap, sizeof *to);
    if (!to || answer_service_status(soap, &answer->service) != SOAP_OK)
        return soap->error = SOAP_EOM;
    if (store_status(services_of(soap)->settings.store, &status, &error) != WEIR_OK)
        return fault_error(soap, &error);
    memset(to, 0, sizeof *to);
    to->schemaVersion = status.schema_version;
    to->blocks = status.blocks;
    to->records = status.records;
    to->optionRecords = status.option_records;
    to->fileOctets = status.file_octets;
    to->blockOctets = status.block_octets;
    to->rollupRows = status.rollup_rows;
    to->collectors = status.collectors;
    if (status.records) {
        to->first = put_time(soap, status.first_ms);
        to->last = put_time(soap, status.last_ms);
    }
    answer->store = to;
    return SOAP_OK;
}
