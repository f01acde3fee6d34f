/* account.c - `weir account`: what was received, lost and sampled, an exporter and domain a row. */
#include "dbStub.h"
#include "base/time.h"
#include "weir/names.h"
#include "weir/shapes_db.h"
#include "weir/totals.h"

#include <stdlib.h>
#include <string.h>

extern struct Namespace db_namespaces[];

/* What protocol numbers stand for; NetFlow versions by number. */
static void protocol_cell(struct sheet *s, unsigned protocol)
{
    if (protocol == 10)
        sheet_text(s, "IPFIX");
    else if (protocol == 105)
        sheet_text(s, "sFlow v5");
    else if (protocol)
        sheet_print(s, "NetFlow v%u", protocol);
    else
        sheet_text(s, "?");
}

/* What arrived, in the unit that the protocol's sequence numbers count; each datagram once. */
static uint64_t received_in_unit(const struct wt__Coverage *c)
{
    if (!c->unit || strcmp(c->unit, "datagrams") != 0 || !c->counters)
        return c->records;
    uint64_t datagrams = c->counters->datagrams, again = c->counters->duplicates;
    return datagrams > again ? datagrams - again : 0;
}

/* Rows of the totals by exporter and domain, in order. There may be as many as the account has. */
struct sums {
    const struct wt__Row **rows;
    size_t count;
};

static int compare_keys(const char *exporter, const char *domain, const struct wt__Row *row)
{
    int order = strcmp(exporter, row->key[0].__item);
    return order ? order : strcmp(domain, row->key[1].__item);
}

static int by_key(const void *a, const void *b)
{
    const struct wt__Row *x = *(const struct wt__Row *const *)a;
    return compare_keys(x->key[0].__item, x->key[1].__item, *(const struct wt__Row *const *)b);
}

/* Without memory there are none. The caller frees `rows`. */
static struct sums sort_sums(const struct _db__AggregateResponse *answer)
{
    size_t most = answer->__sizerow > 0 ? (size_t)answer->__sizerow : 0;
    struct sums sums = {calloc(most + 1, sizeof *sums.rows), 0};
    for (size_t i = 0; sums.rows && i < most; i++) {
        const struct wt__Row *row = &answer->row[i];
        if (row->__sizekey >= 2 && row->key[0].__item && row->key[1].__item)
            sums.rows[sums.count++] = row;
    }
    if (sums.rows)
        qsort(sums.rows, sums.count, sizeof *sums.rows, by_key);
    return sums;
}

static const struct wt__Row *find_sum(const struct sums *sums, const char *exporter,
                                      const char *domain)
{
    size_t low = 0, high = exporter ? sums->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(exporter, domain, sums->rows[middle]);
        if (order == 0)
            return sums->rows[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* How an exporter's records were sampled, from what its totals grow by when estimated; only where
 * all rates are known can that be told from "not sampled". */
static void sampling_cell(struct sheet *s, const struct wt__Account *a,
                          const struct wt__Coverage *c, const struct sums *sums)
{
    char domain[16];
    (void)snprintf(domain, sizeof domain, "%u", c->domain);
    bool all_unknown = a->sampling && a->sampling->raw && a->sampling->unknownRate &&
                       a->sampling->unknownRate->flows == a->sampling->raw->flows;
    const struct wt__Row *row = find_sum(sums, c->exporter, domain);
    if (!row) {
        sheet_text(s, NULL);
        return;
    }
    bool known = a->sampling && a->sampling->unknownRate && a->sampling->unknownRate->flows == 0;
    if (row->packets && row->estimatedPackets > row->packets)
        sheet_print(s, "1 in %.6g", (double)row->estimatedPackets / (double)row->packets);
    else
        sheet_text(s, known ? "none" : all_unknown ? "unknown" : "none or unknown");
}

static void coverage_row(struct sheet *s, const struct wt__Account *a, const struct wt__Coverage *c,
                         const struct sums *sums, const struct device_names *names)
{
    char last[TIME_TEXT_SIZE];
    double percent = percent_missing(c->missing, received_in_unit(c));
    if (c->loss == wt__LossState__lossy)
        sheet_row_flags(s, SHEET_ALERT);
    sheet_text(s, c->exporter);
    if (names->count)
        sheet_text(s, device_name(names, c->exporter));
    sheet_number(s, c->domain);
    protocol_cell(s, c->protocol);
    sheet_number(s, c->records);
    sheet_number(s, c->counters ? c->counters->datagrams : 0);
    sheet_number(s, c->missing);
    sheet_text(s, c->unit);
    if (percent < 0)
        sheet_text(s, NULL);
    else
        sheet_decimal(s, percent);
    sheet_text(s, loss_text((unsigned)c->loss));
    sampling_cell(s, a, c, sums);
    time_print(c->lastHeard, last);
    sheet_text(s, last);
}

static void account_sheet(struct sheet *s, const struct wt__Account *a,
                          const struct _db__AggregateResponse *totals,
                          const struct device_names *names)
{
    static const struct sheet_column columns[] = {
        {"domain", SHEET_RIGHT},  {"protocol", 0},
        {"records", SHEET_RIGHT}, {"datagrams", SHEET_RIGHT},
        {"missing", SHEET_RIGHT}, {"of", 0},
        {"%", SHEET_RIGHT},       {"state", 0},
        {"sampling", 0},          {"last heard", 0},
    };
    sheet_column(s, "exporter", 0);
    if (names->count)
        sheet_column(s, "device", 0);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        sheet_column(s, columns[i].title, columns[i].flags);
    struct sums sums = sort_sums(totals);
    for (int i = 0; i < a->__sizecoverage; i++)
        coverage_row(s, a, &a->coverage[i], &sums, names);
    free(sums.rows);
}

/* What exporters say they sent, beside what was heard of it. */
static void reported_note(struct report *r, const char *what, uint64_t heard, uint64_t said)
{
    char left[GROUPED_SIZE], right[GROUPED_SIZE];
    if (said)
        report_note(r, "reported",
                    "%s of %s %s that exporters say they sent were heard, or are known "
                    "to be missing",
                    print_grouped(heard, left), print_grouped(said, right), what);
}

/* Counters that are rarely other than zero get a line when they are: each is a reason to look. */
static void counter_notes(struct report *r, const struct wt__Counters *c)
{
    if (!c)
        return;
    const struct {
        const char *name;
        uint64_t count;
        const char *what;
    } rows[] = {
        {"reordered", c->reordered, "datagrams came after a later one"},
        {"duplicates", c->duplicates, "datagrams came again and were dropped"},
        {"recovered", c->recoveredRecords, "records that were missing arrived late"},
        {"recovered", c->recoveredDatagrams, "datagrams that were missing arrived late"},
        {"restarts", c->restarts, "times an exporter started its sequence anew"},
        {"unknown gaps", c->unknownGaps, "places where an unknowable amount may be lost"},
        {"no template", c->noTemplateSets, "data sets came before their template"},
        {"expired", c->expiredSets, "data sets were given up because no template came"},
        {"undecodable", c->undecodableDatagrams, "datagrams were refused as a whole"},
        {"undecodable", c->undecodableOctets, "octets that no decoder could read"},
        {"kernel drops", c->kernelDrops, "datagrams lost at a full buffer or an opening port"},
        {"spool drops", c->spoolDrops, "records given up because the spool was full"},
        {"given up", c->droppedRecords, "records given up for lack of memory"},
        {"undated", c->undatedRecords, "records placed at their reception: their clock is wrong"},
        {"deselected", c->deselectedRecords, "records that a flow type said to drop"},
        {"refused", c->refusedDatagrams,
         "datagrams of exporters that nobody described (--known-only)"},
        {"missing", c->missingSamples, "sFlow samples are missing, or were late"},
        {"recovered", c->recoveredSamples, "of them arrived late"},
        {"undecoded", c->undecodedLists,
         "lists (RFC 6313) stay octets: malformed, or without a template"},
        {"unsent", c->unsentRecords, "records that exporters say they could not send"},
        {"ignored", c->ignoredPackets, "packets that exporters say they did not meter"},
        {"dropped", c->droppedSamples, "samples that sFlow agents had no resources to take"},
    };
    char grouped[GROUPED_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].count)
            report_alert(r, rows[i].name, "%s %s", print_grouped(rows[i].count, grouped),
                         rows[i].what);
    reported_note(r, "records", c->comparedRecords, c->reportedRecords);
    reported_note(r, "messages", c->comparedMessages, c->reportedMessages);
}

static void account_json(struct buffer *out, const void *context)
{
    const struct _db__GetAccountResponse *a = context;
    buffer_print(out, "{\"account\":");
    shape_json(out, &shape_account, a->account);
    buffer_put_u8(out, '}');
}

static enum outcome answer_account(struct request *r, struct session *s,
                                   const struct _db__GetAccountResponse *answer)
{
    struct report report;
    struct totals_keys keys;
    struct device_names names;
    struct _db__AggregateResponse sums = {0};
    report_open(&report);
    if (r->output->write != output_json && answer->account) {
        /* Estimates by exporter are a nicety: without them the column stays empty. */
        if (totals_keys_read(r, "exporter,domain", &keys) &&
            totals_ask(r, s, &keys, &sums) != OUTCOME_DONE)
            sums = (struct _db__AggregateResponse){0};
        device_names_load(r, &names);
        account_sheet(&report.sheet, answer->account, &sums, &names);
        device_names_free(&names);
        account_notes(&report, answer->account);
        counter_notes(&report, answer->account->received);
    }
    report.json = account_json;
    report.json_context = answer;
    enum outcome outcome = request_answer(r, &report);
    report_close(&report);
    return outcome;
}

enum outcome word_account(struct request *r)
{
    struct session s;
    if (!session_open(&s, r, "/db", db_namespaces))
        return OUTCOME_FAILED;
    struct _db__GetAccount question = {.from = r->settings->from_ms, .to = r->settings->to_ms};
    struct _db__GetAccountResponse answer = {0};
    enum outcome outcome;
    if (soap_call___db__GetAccount(s.soap, s.url, NULL, &question, &answer))
        outcome = session_fail(&s, r->error);
    else
        outcome = answer_account(r, &s, &answer);
    session_close(&s);
    return outcome;
}
