/* answer.c - see answer.h. Used by db_service.c, db_views.c and collector_service.c. */
#include "answer.h"
#include "base/arena.h"
#include "dbStub.h"
#include "fault.h"
#include "flow/value.h"
#include "services_private.h"

static void *zeroed(struct soap *soap, size_t count, size_t size)
{
    void *memory = soap_malloc(soap, count ? count * size : size);
    if (memory)
        memset(memory, 0, count * size);
    return memory;
}

/* ---- the account ---- */

_Static_assert(sizeof(struct wt__Counters) == sizeof(struct account_counts),
               "the contract's counters are those of flow/account.h, in that order");

static void put_counters(struct wt__Counters *to, const struct account_counts *from)
{
    memcpy(to, from, sizeof *to);
}

static struct wt__Counts *put_counts(struct soap *soap, const struct counts *from)
{
    struct wt__Counts *to = zeroed(soap, 1, sizeof *to);
    if (to) {
        to->octets = from->octets;
        to->packets = from->packets;
        to->flows = from->flows;
    }
    return to;
}

static enum wt__LossState loss_state(enum loss_state state)
{
    return state == LOSS_COMPLETE ? wt__LossState__complete
           : state == LOSS_LOSSY  ? wt__LossState__lossy
                                  : wt__LossState__unknown;
}

static int64_t *put_time(struct soap *soap, int64_t ms)
{
    LONG64 *at = soap_malloc(soap, sizeof *at);
    if (at)
        *at = ms;
    return (int64_t *)(void *)at;
}

static bool put_coverage(struct soap *soap, const struct coverage_row *from, bool counters,
                         struct wt__Coverage *to)
{
    char address[ADDRESS_TEXT_SIZE];
    to->exporter = soap_strdup(soap, address_print(&from->exporter, address));
    to->domain = from->domain;
    to->protocol = from->protocol;
    to->firstHeard = from->first_heard_ms;
    to->lastHeard = from->last_heard_ms;
    to->minutes = from->minutes;
    to->records = from->counts.records;
    to->missing = from->missing;
    to->unit = soap_strdup(soap, from->unit ? from->unit : "records");
    to->loss = loss_state(from->state);
    if (!counters)
        return to->exporter && to->unit;
    to->counters = zeroed(soap, 1, sizeof *to->counters);
    if (to->counters)
        put_counters(to->counters, &from->counts);
    return to->exporter && to->unit && to->counters;
}

static struct wt__Loss *put_loss(struct soap *soap, const struct answer_account *from)
{
    struct wt__Loss *to = zeroed(soap, 1, sizeof *to);
    if (!to)
        return NULL;
    to->state = loss_state(from->state);
    to->missingRecords = from->missing_records;
    to->missingDatagrams = from->missing_datagrams;
    if (from->missing_records_percent >= 0) {
        to->missingRecordsPercent = soap_malloc(soap, sizeof(double));
        if (!to->missingRecordsPercent)
            return NULL;
        *to->missingRecordsPercent = from->missing_records_percent;
    }
    if (from->coverage_count) {
        to->knownUntil = (LONG64 *)(void *)put_time(soap, from->known_until_ms);
        if (!to->knownUntil)
            return NULL;
    }
    return to;
}

static struct wt__Sampling *put_sampling(struct soap *soap, const struct answer_account *from)
{
    struct wt__Sampling *to = zeroed(soap, 1, sizeof *to);
    if (!to)
        return NULL;
    to->raw = put_counts(soap, &from->raw);
    to->estimated = put_counts(soap, &from->estimated);
    to->unknownRate = put_counts(soap, &from->unknown_rate);
    return to->raw && to->estimated && to->unknownRate ? to : NULL;
}

int answer_account(struct soap *soap, const struct answer_account *from, bool counters,
                   struct wt__Account **out)
{
    struct wt__Account *to = zeroed(soap, 1, sizeof *to);
    size_t rows = from->coverage_count;
    if (!counters && rows > ANSWER_COVERAGE_MOST)
        rows = ANSWER_COVERAGE_MOST;
    if (!to || rows > INT32_MAX)
        return soap->error = SOAP_EOM;
    to->from = from->when.from_ms;
    to->to = from->when.to_ms;
    to->loss = put_loss(soap, from);
    to->sampling = put_sampling(soap, from);
    to->policy = soap_strdup(soap, from->policy ? from->policy : "none");
    to->source = soap_strdup(soap, from->source ? from->source : "blocks");
    to->blocks = from->blocks;
    to->blocksSkipped = from->blocks_skipped;
    to->rowsScanned = from->rows_scanned;
    to->received = zeroed(soap, 1, sizeof *to->received);
    to->exporters = from->coverage_count;
    to->__sizecoverage = (int)rows;
    to->coverage = zeroed(soap, rows, sizeof *to->coverage);
    if (!to->loss || !to->sampling || !to->policy || !to->source || !to->received || !to->coverage)
        return soap->error = SOAP_EOM;
    put_counters(to->received, &from->counts);
    for (size_t i = 0; i < rows; i++)
        if (!put_coverage(soap, &from->coverage[i], counters, &to->coverage[i]))
            return soap->error = SOAP_EOM;
    *out = to;
    return SOAP_OK;
}

/* ---- totals ---- */

/* The six sums, which several of the contract's types have by the same names. */
#define PUT_SUMS(to, raw_sums, estimated_sums)                                                     \
    do {                                                                                           \
        (to)->octets = (raw_sums)->octets;                                                         \
        (to)->packets = (raw_sums)->packets;                                                       \
        (to)->flows = (raw_sums)->flows;                                                           \
        (to)->estimatedOctets = (estimated_sums)->octets;                                          \
        (to)->estimatedPackets = (estimated_sums)->packets;                                        \
        (to)->estimatedFlows = (estimated_sums)->flows;                                            \
    } while (0)

int answer_totals(struct soap *soap, const struct totals *from, struct wt__Totals *out)
{
    struct counts zero = {0};
    const struct counts *raw = from->row_count ? &from->rows[0].raw : &zero;
    const struct counts *estimated = from->row_count ? &from->rows[0].estimated : &zero;
    PUT_SUMS(out, raw, estimated);
    out->elapsedMicroseconds = from->elapsed_us;
    out->cpuMicroseconds = from->cpu_us;
    return answer_account(soap, &from->account, false, &out->account);
}

/* A value of a key as a vector of one, which is what lib prints. */
static void print_value(struct buffer *text, const struct totals_key *key,
                        const struct key_value *value)
{
    uint8_t u8 = (uint8_t)value->number;
    uint16_t u16 = (uint16_t)value->number;
    uint32_t u32 = (uint32_t)value->number;
    struct octets octets = {value->text.bytes, value->text.length};
    const void *values = value->width == 1    ? (const void *)&u8
                         : value->width == 2  ? (const void *)&u16
                         : value->width == 4  ? (const void *)&u32
                         : value->width == 8  ? (const void *)&value->number
                         : value->width == 16 ? (const void *)value->octets
                                              : (const void *)&octets;
    struct vector v = {.key = key->key,
                       .width = value->width,
                       .form = VECTOR_CONSTANT,
                       .rows = 1,
                       .values = values};
    value_print_text(text, &v, 0, (enum ie_type)key->type);
}

/* Addresses of either family are sixteen octets with IPv4 mapped into them: shown as what they are,
 * and a prefix no longer than they are. */
static void print_address(struct buffer *text, const struct key_value *value, int prefix_length)
{
    struct address address;
    char line[ADDRESS_TEXT_SIZE];
    memcpy(address.octets, value->octets, sizeof address.octets);
    address_print(&address, line);
    buffer_put(text, line, strlen(line));
    int most = address_is_ipv4(&address) ? 32 : 128;
    if (prefix_length >= 0)
        buffer_print(text, "/%d", prefix_length < most ? prefix_length : most);
}

/* The keys of an answer's rows: many small things, which gSOAP would allocate one by one. */
struct keys_out {
    struct soap *soap;
    const struct totals *from;
    struct buffer text;
    char *names[TOTALS_KEYS_MOST];
    char *room; /* for texts, and what is left of it */
    size_t left;
};
#define TEXT_ROOM 2048u

static bool keys_begin(struct keys_out *o, struct soap *soap, const struct totals *from)
{
    *o = (struct keys_out){.soap = soap, .from = from};
    bool ok = true;
    for (size_t k = 0; ok && k < from->key_count; k++)
        ok = (o->names[k] = soap_strdup(soap, from->keys[k].name)) != NULL;
    return ok;
}

/* A copy of the text that was printed; NULL: no memory. */
static char *keep_text(struct keys_out *o)
{
    size_t length = o->text.length;
    if (o->text.failed)
        return NULL;
    if (length > o->left) {
        o->left = length > TEXT_ROOM ? length : TEXT_ROOM;
        o->room = soap_malloc(o->soap, o->left);
        o->left = o->room ? o->left : 0;
    }
    char *at = o->room;
    if (!at)
        return NULL;
    memcpy(at, o->text.bytes, length);
    o->room += length;
    o->left -= length;
    return at;
}

static bool put_key(struct keys_out *o, size_t k, const struct key_value *value, struct wt__Key *to)
{
    const struct totals_key *key = &o->from->keys[k];
    to->name = o->names[k];
    buffer_clear(&o->text);
    if (value->absent) {
        to->absent = soap_malloc(o->soap, sizeof *to->absent);
        if (!to->absent)
            return false;
        *to->absent = xsd__boolean__true_;
    } else {
        if (value->width == 16 && key->type == IE_IPV6) {
            print_address(&o->text, value, key->prefix_length);
        } else {
            print_value(&o->text, key, value);
            if (key->prefix_length >= 0)
                buffer_print(&o->text, "/%d", key->prefix_length);
        }
    }
    buffer_put_u8(&o->text, 0);
    to->__item = keep_text(o);
    if (to->__item)
        fault_clean(to->__item);
    return to->__item != NULL;
}

/* Those of a row, with room for them in `keys`, which *to is then. */
static bool put_keys(struct keys_out *o, const struct key_value *values, struct wt__Key *keys,
                     int *count, struct wt__Key **to)
{
    bool ok = true;
    *count = (int)o->from->key_count;
    *to = keys;
    for (size_t k = 0; ok && k < o->from->key_count; k++)
        ok = put_key(o, k, &values[k], &keys[k]);
    return ok;
}

static bool put_row(struct keys_out *o, size_t index, bool bins, struct wt__Key *keys,
                    struct wt__Row *to)
{
    const struct totals_row *row = &o->from->rows[index];
    PUT_SUMS(to, &row->raw, &row->estimated);
    if (bins)
        to->bin = (LONG64 *)(void *)put_time(o->soap, row->bin_ms);
    return (!bins || to->bin) && put_keys(o, row->keys, keys, &to->__sizekey, &to->key);
}

static bool put_percentile(struct keys_out *o, size_t index, struct wt__Key *keys,
                           struct wt__Percentile *to)
{
    const struct totals_percentile *row = &o->from->percentiles[index];
    PUT_SUMS(to, &row->raw, &row->estimated);
    return put_keys(o, row->keys, keys, &to->__sizekey, &to->key);
}

/* Room for so many rows of `size` octets, *rows, and for their keys; NULL: none. */
static struct wt__Key *make_rows(struct keys_out *o, size_t count, size_t size, int *rows_count,
                                 void **rows)
{
    if (count > INT32_MAX)
        return NULL;
    *rows_count = (int)count;
    *rows = zeroed(o->soap, count, size);
    return *rows ? zeroed(o->soap, count * o->from->key_count, sizeof(struct wt__Key)) : NULL;
}

static bool put_percentiles(struct keys_out *o, struct _db__AggregateResponse *out)
{
    void *rows = NULL;
    size_t count = o->from->percentile_count, each = o->from->key_count;
    struct wt__Key *keys =
        make_rows(o, count, sizeof *out->percentile, &out->__sizepercentile, &rows);
    bool ok = keys != NULL;
    out->percentile = rows;
    for (size_t i = 0; ok && i < count; i++)
        ok = put_percentile(o, i, keys + i * each, &out->percentile[i]);
    return ok;
}

static bool put_rows(struct keys_out *o, bool bins, struct _db__AggregateResponse *out)
{
    void *rows = NULL;
    size_t count = o->from->row_count, each = o->from->key_count;
    struct wt__Key *keys = make_rows(o, count, sizeof *out->row, &out->__sizerow, &rows);
    bool ok = keys != NULL;
    out->row = rows;
    for (size_t i = 0; ok && i < count; i++)
        ok = put_row(o, i, bins, keys + i * each, &out->row[i]);
    return ok;
}

int answer_rows(struct soap *soap, const struct totals *from, bool bins,
                struct _db__AggregateResponse *out)
{
    struct keys_out keys;
    bool ok = keys_begin(&keys, soap, from) && put_rows(&keys, bins, out) &&
              put_percentiles(&keys, out);
    buffer_free(&keys.text);
    if (!ok)
        return soap->error = SOAP_EOM;
    out->groups = from->groups;
    out->elapsedMicroseconds = from->elapsed_us;
    out->cpuMicroseconds = from->cpu_us;
    return answer_account(soap, &from->account, false, &out->account);
}

int answer_service_status(struct soap *soap, struct wt__ServiceStatus **out)
{
    struct services *s = services_of(soap);
    const struct serve_counters *counters = server_counters(s->server);
    struct wt__ServiceStatus *to = zeroed(soap, 1, sizeof *to);
    if (!to || !(to->version = soap_strdup(soap, s->version)))
        return soap->error = SOAP_EOM;
    to->now = clock_now_ms();
    to->started = s->started_ms;
    to->connections = atomic_load(&counters->connections);
    to->requests = atomic_load(&counters->requests);
    to->faults = atomic_load(&s->faults);
    *out = to;
    return SOAP_OK;
}
