/* totals.c - `weir totals`: sums by any keys. The question is Aggregate of db.wsdl. */
#include "dbStub.h"
#include "base/time.h"
#include "flow/filter.h"
#include "ie/ie.h"
#include "weir/json_number.h"
#include "weir/shapes_db.h"
#include "weir/totals.h"

#include <stdlib.h>
#include <string.h>

extern struct Namespace db_namespaces[];

static const char *const measures[] = {"octets", "packets", "flows"};
static const char *const sources[] = {"auto", "rollup", "blocks"};
static const char *const spreads[] = {"end", "proportional"};

/* ---- asking ---------------------------------------------------------------------------------- */

bool totals_keys_read(struct request *r, const char *by, struct totals_keys *out)
{
    out->count = 0;
    if (!by || !*by)
        return true;
    size_t length = strlen(by);
    if (length >= sizeof out->text) {
        (void)request_usage(r, "by", "--by: longer than %zu characters", sizeof out->text - 1);
        return false;
    }
    memcpy(out->text, by, length + 1);
    for (char *at = out->text, *next; at; at = next) {
        next = strchr(at, ',');
        if (next)
            *next++ = '\0';
        if (!*at || out->count == KEYS_MOST) {
            (void)request_usage(r, "by",
                                "--by: one to %d keys with commas between, such as srcTag,dstTag",
                                KEYS_MOST);
            return false;
        }
        out->names[out->count++] = at;
    }
    return true;
}

/* A series needs two ends; those that were not given are the store's first and last flow. */
static enum outcome bound_series(struct session *s, struct request *r, int64_t *from_ms,
                                 int64_t *to_ms)
{
    struct _db__GetStatus question = {}; /* no members */
    struct _db__GetStatusResponse answer = {0};
    if (soap_call___db__GetStatus(s->soap, s->url, NULL, &question, &answer))
        return session_fail(s, r->error);
    const struct wt__StoreStatus *store = answer.store;
    if (!store || !store->first || !store->last)
        return OUTCOME_DONE;
    int64_t step = r->settings->step_ms;
    if (*from_ms == INTERVAL_ALL.from_ms) {
        int64_t into = *store->first % step;
        *from_ms = *store->first - (into < 0 ? into + step : into);
    }
    if (*to_ms == INTERVAL_ALL.to_ms)
        *to_ms = *store->last + 1;
    /* Nothing lies between: an empty answer, asked correctly. */
    if (*to_ms <= *from_ms)
        *to_ms = *from_ms + step;
    return OUTCOME_DONE;
}

enum outcome totals_ask(struct request *r, struct session *s, struct totals_keys *keys,
                        struct _db__AggregateResponse *answer)
{
    const struct settings *o = r->settings;
    size_t order, source, how;
    if (!request_choice(r, "order", o->order, measures, 3, &order) ||
        !request_choice(r, "source", o->source, sources, 3, &source) ||
        !request_choice(r, "spread", o->spread, spreads, 2, &how))
        return OUTCOME_USAGE;
    int64_t from_ms = o->from_ms, to_ms = o->to_ms, step_ms = o->step_ms;
    if (step_ms && (from_ms == INTERVAL_ALL.from_ms || to_ms == INTERVAL_ALL.to_ms)) {
        enum outcome outcome = bound_series(s, r, &from_ms, &to_ms);
        if (outcome != OUTCOME_DONE)
            return outcome;
    }
    unsigned top = (unsigned)o->top, percentile = (unsigned)o->percentile,
             series = (unsigned)o->series;
    enum wt__Spread spread = (enum wt__Spread)how;
    enum wt__Measure measure = (enum wt__Measure)order;
    enum wt__Source from = (enum wt__Source)source;
    enum xsd__boolean once = xsd__boolean__true_;
    struct _db__Aggregate question = {
        .__sizeby = keys->count,
        .by = keys->names,
        .filter = (char *)(uintptr_t)o->filter, /* gSOAP's structs know no const; it only reads */
        .from = from_ms,
        .to = to_ms,
        .step = step_ms ? &step_ms : NULL,
        .top = top ? &top : NULL,
        .order = &measure,
        .source = &from,
        .spread = how ? &spread : NULL,
        .percentile = percentile ? &percentile : NULL,
        .once = o->once ? &once : NULL,
        .series = series ? &series : NULL,
    };
    if (soap_call___db__Aggregate(s->soap, s->url, NULL, &question, answer))
        return session_fail(s, r->error);
    return OUTCOME_DONE;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static bool key_absent(const struct wt__Key *k)
{
    return !k->__item || (k->absent && *k->absent == xsd__boolean__true_);
}

bool totals_key_number(const struct wt__Row *row, int key, uint32_t *out)
{
    if (key >= row->__sizekey || key_absent(&row->key[key]))
        return false;
    const char *text = row->key[key].__item;
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    *out = (uint32_t)v;
    return *text >= '0' && *text <= '9' && *end == '\0' && v <= UINT32_MAX;
}

/* The elements of the short names (store.h, totals_request). */
static bool key_element(const char *name, ie_key *out)
{
    static const struct {
        const char *name;
        ie_key key;
    } rows[] = {{"srcPort", IANA(7)}, {"dstPort", IANA(11)}, {"srcAS", IANA(16)},
                {"dstAS", IANA(17)},  {"proto", IANA(4)},    {"tos", IANA(5)}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out = rows[i].key;
            return true;
        }
    return ie_key_parse(name, strlen(name), out);
}

/* Whether the element that a key names holds numbers: then its values are numbers in JSON. */
static bool key_is_numeric(const char *name)
{
    static const bool numeric[IE_TYPE_COUNT] = {
        [IE_UNSIGNED8] = true,  [IE_UNSIGNED16] = true, [IE_UNSIGNED32] = true,
        [IE_UNSIGNED64] = true, [IE_SIGNED8] = true,    [IE_SIGNED16] = true,
        [IE_SIGNED32] = true,   [IE_SIGNED64] = true,   [IE_FLOAT32] = true,
        [IE_FLOAT64] = true,    [IE_SECONDS] = true,    [IE_MILLISECONDS] = true,
    };
    ie_key key;
    return name && key_element(name, &key) && numeric[ie_storage_type(key)];
}

static void put_key(struct buffer *out, const struct wt__Key *k, bool numeric)
{
    const char *name = k->name ? k->name : "";
    buffer_put_json(out, name, strlen(name));
    buffer_put_u8(out, ':');
    if (key_absent(k))
        buffer_print(out, "null");
    else if (numeric && json_is_number(k->__item))
        buffer_print(out, "%s", k->__item);
    else
        buffer_put_json(out, k->__item, strlen(k->__item));
    buffer_put_u8(out, ',');
}

/* The end of a row or percentile. */
static void put_sums(struct buffer *out, const uint64_t sums[6])
{
    static const char *const names[] = {"octets",          "packets",          "flows",
                                        "estimatedOctets", "estimatedPackets", "estimatedFlows"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        buffer_print(out, "%s\"%s\":%llu", i ? "," : "", names[i], (unsigned long long)sums[i]);
    buffer_put_u8(out, '}');
}

static void put_percentile(struct buffer *out, const struct wt__Percentile *row,
                           const bool *numeric)
{
    buffer_put_u8(out, '{');
    for (int i = 0; i < row->__sizekey; i++)
        put_key(out, &row->key[i], i < KEYS_MOST && numeric[i]);
    put_sums(out, (uint64_t[]){row->octets, row->packets, row->flows, row->estimatedOctets,
                               row->estimatedPackets, row->estimatedFlows});
}

static void put_row(struct buffer *out, const struct wt__Row *row, const bool *numeric)
{
    buffer_put_u8(out, '{');
    for (int i = 0; i < row->__sizekey; i++)
        put_key(out, &row->key[i], i < KEYS_MOST && numeric[i]);
    if (row->bin)
        buffer_print(out, "\"bin\":%lld,", (long long)*row->bin);
    put_sums(out, (uint64_t[]){row->octets, row->packets, row->flows, row->estimatedOctets,
                               row->estimatedPackets, row->estimatedFlows});
}

void totals_json(struct buffer *out, const void *context)
{
    const struct _db__AggregateResponse *a = context;
    bool numeric[KEYS_MOST] = {false};
    for (int i = 0; a->__sizerow > 0 && i < a->row[0].__sizekey && i < KEYS_MOST; i++)
        numeric[i] = key_is_numeric(a->row[0].key[i].name);
    buffer_print(out, "{\"rows\":[");
    for (int i = 0; i < a->__sizerow; i++) {
        buffer_print(out, i ? ",\n" : "\n");
        put_row(out, &a->row[i], numeric);
    }
    buffer_print(out, "],\n\"groups\":%llu,\n\"account\":", (unsigned long long)a->groups);
    shape_json(out, &shape_account, a->account);
    buffer_print(out, ",\n\"elapsedMicroseconds\":%llu,\"cpuMicroseconds\":%llu",
                 (unsigned long long)a->elapsedMicroseconds,
                 (unsigned long long)a->cpuMicroseconds);
    for (int i = 0; i < a->__sizepercentile; i++) {
        buffer_print(out, i ? ",\n" : ",\n\"percentiles\":[\n");
        put_percentile(out, &a->percentile[i], numeric);
    }
    buffer_print(out, a->__sizepercentile > 0 ? "]}" : "}");
}

/* ---- the sheet ------------------------------------------------------------------------------- */

/* Which names a key's values have. */
enum named { NAMED_NOT, NAMED_TAG, NAMED_DEVICE, NAMED_PROTOCOL };

static enum named key_named(const char *name)
{
    ie_key key;
    if (!key_element(name, &key))
        return NAMED_NOT;
    return key == WEIR_SRC_TAG || key == WEIR_DST_TAG ? NAMED_TAG
           : key == WEIR_EXPORTER                     ? NAMED_DEVICE
           : key == IANA(4)                           ? NAMED_PROTOCOL
                                                      : NAMED_NOT;
}

void key_names_load(struct request *r, const struct totals_keys *keys, struct key_names *out)
{
    bool tags = false, devices = false;
    for (int i = 0; i < keys->count; i++) {
        tags = tags || key_named(keys->names[i]) == NAMED_TAG;
        devices = devices || key_named(keys->names[i]) == NAMED_DEVICE;
    }
    *out = (struct key_names){0};
    if (tags)
        tag_names_load(r, &out->tags);
    if (devices)
        device_names_load(r, &out->devices);
}

void key_names_free(struct key_names *n)
{
    tag_names_free(&n->tags);
    device_names_free(&n->devices);
}

static const char *name_of(const struct key_names *n, const char *key, const struct wt__Row *row,
                           int i)
{
    uint32_t number = 0;
    enum named named = key_named(key);
    if (named == NAMED_DEVICE)
        return device_name(&n->devices, row->key[i].__item);
    if (named == NAMED_NOT || !totals_key_number(row, i, &number))
        return NULL;
    if (named == NAMED_PROTOCOL)
        return number <= UINT8_MAX ? filter_protocol_name((uint8_t)number) : NULL;
    return number ? tag_name(&n->tags, number) : "(no tag)";
}

void totals_key_cell(struct sheet *sheet, const struct key_names *names, const char *key,
                     const struct wt__Row *row, int i)
{
    if (i >= row->__sizekey || key_absent(&row->key[i])) {
        sheet_text(sheet, NULL);
        return;
    }
    const char *name = names ? name_of(names, key, row, i) : NULL;
    if (name)
        sheet_print(sheet, "%.63s %.63s", row->key[i].__item, name);
    else
        sheet_text(sheet, row->key[i].__item);
}

struct totals_view {
    struct sheet *sheet;
    const struct totals_keys *keys;
    const struct key_names *names; /* NULL: CSV */
    bool bins, estimated;
    size_t order;                /* the measure that rows are ordered by */
    const struct wt__Counts *whole; /* of which rows are a share; NULL: no column tells it */
};

static void share_cell(const struct totals_view *v, uint64_t part)
{
    const uint64_t sums[] = {v->whole->octets, v->whole->packets, v->whole->flows};
    if (sums[v->order])
        sheet_decimal(v->sheet, 100.0 * (double)part / (double)sums[v->order]);
    else
        sheet_text(v->sheet, NULL);
}

static void row_cells(const struct totals_view *v, const struct wt__Row *row)
{
    const uint64_t sums[] = {row->octets, row->packets, row->flows};
    char bin[TIME_TEXT_SIZE];
    for (int i = 0; i < v->keys->count; i++)
        totals_key_cell(v->sheet, v->names, v->keys->names[i], row, i);
    if (v->bins) {
        time_print(row->bin ? *row->bin : 0, bin);
        sheet_text(v->sheet, bin);
    }
    for (size_t i = 0; i < 3; i++) {
        sheet_number(v->sheet, sums[i]);
        if (v->whole && i == v->order)
            share_cell(v, sums[i]);
    }
    if (v->estimated) {
        sheet_number(v->sheet, row->estimatedOctets);
        sheet_number(v->sheet, row->estimatedPackets);
    }
}

static void columns(const struct totals_view *v)
{
    for (int i = 0; i < v->keys->count; i++) {
        const char *name = v->keys->names[i];
        bool right = key_is_numeric(name) && !(v->names && key_named(name) != NAMED_NOT);
        sheet_column(v->sheet, name, right ? SHEET_RIGHT : 0);
    }
    if (v->bins)
        sheet_column(v->sheet, "from", 0);
    for (size_t i = 0; i < 3; i++) {
        sheet_column(v->sheet, measures[i], SHEET_RIGHT);
        if (v->whole && i == v->order)
            sheet_column(v->sheet, "%", SHEET_RIGHT);
    }
    if (v->estimated) {
        sheet_column(v->sheet, "estimated octets", SHEET_RIGHT);
        sheet_column(v->sheet, "estimated packets", SHEET_RIGHT);
    }
}

/* Estimates are columns of their own, shown when they say something: some row was sampled. */
static bool any_estimated(const struct _db__AggregateResponse *a)
{
    for (int i = 0; i < a->__sizerow; i++)
        if (a->row[i].estimatedOctets != a->row[i].octets ||
            a->row[i].estimatedPackets != a->row[i].packets)
            return true;
    return false;
}

void totals_report(struct request *r, struct report *report, const struct totals_keys *keys,
                   const struct _db__AggregateResponse *a)
{
    struct key_names names = {0};
    bool table = r->output->write == output_table;
    char shown[GROUPED_SIZE], all[GROUPED_SIZE];
    struct totals_view v = {.sheet = &report->sheet,
                            .keys = keys,
                            .names = table ? &names : NULL,
                            .bins = r->settings->step_ms > 0,
                            .estimated = !table || any_estimated(a)};
    (void)request_choice(r, "order", r->settings->order, measures, 3, &v.order);
    if (table)
        key_names_load(r, keys, &names);
    if (table && (keys->count || v.bins) && a->account && a->account->sampling)
        v.whole = a->account->sampling->raw;
    columns(&v);
    for (int i = 0; i < a->__sizerow; i++)
        row_cells(&v, &a->row[i]);
    if (a->groups > (uint64_t)a->__sizerow)
        report_note(report, "rows", "%s of %s", print_grouped((uint64_t)a->__sizerow, shown),
                    print_grouped(a->groups, all));
    account_notes(report, a->account);
    key_names_free(&names);
}

static enum outcome answer(struct request *r, struct report *report,
                           const struct _db__AggregateResponse *a)
{
    report->json = totals_json;
    report->json_context = a;
    if (r->settings->time) {
        report->elapsed_us = (int64_t)a->elapsedMicroseconds;
        report->cpu_us = (int64_t)a->cpuMicroseconds;
    }
    return request_answer(r, report);
}

enum outcome totals_show(struct request *r, struct session *s, struct totals_keys *keys,
                         totals_fill fill, const void *context)
{
    struct _db__AggregateResponse a = {0};
    struct report report;
    enum outcome outcome = totals_ask(r, s, keys, &a);
    if (outcome != OUTCOME_DONE)
        return outcome;
    report_open(&report);
    if (r->output->write != output_json)
        outcome = fill(r, &report, keys, &a, context);
    if (outcome == OUTCOME_DONE)
        outcome = answer(r, &report, &a);
    report_close(&report);
    return outcome;
}

static enum outcome fill_report(struct request *r, struct report *report,
                                const struct totals_keys *keys,
                                const struct _db__AggregateResponse *a, const void *context)
{
    (void)context;
    totals_report(r, report, keys, a);
    return OUTCOME_DONE;
}

enum outcome word_totals(struct request *r)
{
    struct totals_keys keys;
    struct session s;
    if (!totals_keys_read(r, r->settings->by, &keys))
        return OUTCOME_USAGE;
    if (!session_open(&s, r, "/db", db_namespaces))
        return OUTCOME_FAILED;
    enum outcome outcome = totals_show(r, &s, &keys, fill_report, NULL);
    session_close(&s);
    return outcome;
}
