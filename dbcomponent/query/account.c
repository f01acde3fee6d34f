/* account.c - what an answer covers and what was lost on the way: the stored account rows of the
 * interval, added up by exporter, domain and protocol (a protocol decides what its sequence
 * counts).
 *
 * The state of a row, the worst that applies:
 *   unknown   the exporter restarted, or its sequence jumped past reason, or its protocol has no
 *             sequence: an unknowable amount may be missing
 *   lossy     something is known to be missing or could not be decoded or kept
 *   complete  the sequence has no gap up to last_heard_ms
 *
 * Rows about a socket (address ::) are no exporter's: they enter the sums, and what the kernel
 * dropped makes the whole answer lossy at least.
 *
 * Who sends from a million addresses must not make every answer as large: past COVERAGE_MOST rows
 * an exporter that comes anew is added to a row without a name, one a protocol. */
#include "query/coverage.h"
#include "query/question.h"

#include <stdlib.h>
#include <string.h>

enum unit { UNIT_RECORDS, UNIT_DATAGRAMS };

/* What the sequence numbers of a protocol count, but for exporters that were found to count
 * otherwise; `none`: it has none. */
static const struct protocol {
    uint16_t protocol;
    enum unit unit;
    bool none;
} protocols[] = {
    {1, UNIT_RECORDS, true},  {5, UNIT_RECORDS, false},  {7, UNIT_RECORDS, false},
    {6, UNIT_RECORDS, false}, {8, UNIT_RECORDS, false},  {9, UNIT_DATAGRAMS, false},
    {10, UNIT_RECORDS, false},
    {105, UNIT_DATAGRAMS, false},
};
static const char *const unit_names[] = {
    [UNIT_RECORDS] = "records", [UNIT_DATAGRAMS] = "datagrams"};

static const struct protocol *protocol_of(uint16_t number)
{
    static const struct protocol unknown = {0, UNIT_RECORDS, true};
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
        if (protocols[i].protocol == number)
            return &protocols[i];
    return &unknown;
}

uint16_t account_protocol_known(uint16_t number)
{
    return protocol_of(number)->protocol;
}

/* What is missing less what came late. Late ones may be counted in a later minute than their gap,
 * so an interval can hold more of the second. */
static uint64_t net(uint64_t missing, uint64_t recovered)
{
    return missing > recovered ? missing - recovered : 0;
}

static bool lost_something(const struct account_counts *c)
{
    return c->expired_sets || c->undecodable_octets || c->undecodable_datagrams || c->spool_drops ||
           c->kernel_drops || c->missing_samples > c->recovered_samples || c->dropped_samples ||
           c->unsent_records || c->dropped_records;
}

/* Sets that wait for their template, or waited when the collector ended: they may hold anything. */
static bool sets_wait(const struct account_counts *c)
{
    return c->no_template_sets > c->unparked_sets + c->expired_sets;
}

static enum loss_state state_of(const struct coverage_row *row)
{
    const struct account_counts *c = &row->counts;
    if (c->restarts || c->unknown_gaps || sets_wait(c) || protocol_of(row->protocol)->none)
        return LOSS_UNKNOWN;
    return row->missing || lost_something(c) ? LOSS_LOSSY : LOSS_COMPLETE;
}

static int by_exporter(const void *a, const void *b)
{
    const struct coverage_row *x = a, *y = b;
    int order = memcmp(&x->exporter, &y->exporter, sizeof x->exporter);
    if (order)
        return order;
    if (x->domain != y->domain)
        return x->domain > y->domain ? 1 : -1;
    return (x->protocol > y->protocol) - (x->protocol < y->protocol);
}

static void judge_row(struct coverage_row *row, struct answer_account *out, uint64_t *received)
{
    const struct account_counts *c = &row->counts;
    uint64_t records = net(c->missing_records, c->recovered_records);
    uint64_t datagrams = net(c->missing_datagrams, c->recovered_datagrams);
    const struct protocol *p = protocol_of(row->protocol);
    enum unit unit = p->unit;
    if (unit == UNIT_RECORDS ? !records && datagrams : !datagrams && records)
        unit = unit == UNIT_RECORDS ? UNIT_DATAGRAMS : UNIT_RECORDS; /* it counts otherwise */
    row->unit = unit_names[unit];
    row->missing = unit == UNIT_RECORDS ? records : datagrams;
    row->state = state_of(row);
    out->missing_records += records;
    out->missing_datagrams += datagrams;
    if (unit == UNIT_RECORDS && !p->none)
        *received += c->records + c->option_records;
    if (row->state > out->state)
        out->state = row->state;
    if (row->last_heard_ms < out->known_until_ms)
        out->known_until_ms = row->last_heard_ms;
}

static void judge(const struct coverage *c, struct interval when, struct answer_account *out)
{
    uint64_t received = 0;
    out->counts = c->counts;
    out->state = c->count ? LOSS_COMPLETE : LOSS_UNKNOWN;
    out->known_until_ms = c->count ? INT64_MAX : when.from_ms == INT64_MIN ? 0 : when.from_ms;
    for (size_t i = 0; i < c->count; i++)
        judge_row(&out->coverage[i], out, &received);
    if (c->others_until_ms < out->known_until_ms)
        out->known_until_ms = c->others_until_ms;
    if (out->state == LOSS_COMPLETE && lost_something(&c->counts))
        out->state = LOSS_LOSSY;
    uint64_t sent = received + out->missing_records;
    out->missing_records_percent = sent ? 100.0 * (double)out->missing_records / (double)sent : -1;
}

enum weir_status question_account(struct reader *r, struct interval when, struct arena *a,
                               struct answer_account *out, struct weir_error *error)
{
    struct coverage c = COVERAGE_EMPTY;
    enum weir_status status = coverage_read(r, when, &c, error);
    out->when = when;
    out->policy = "none";
    if (status == WEIR_OK) {
        out->coverage = arena_alloc(a, c.count * sizeof *out->coverage);
        status = out->coverage ? WEIR_OK : WEIR_ENOMEM;
    }
    if (status == WEIR_OK) {
        out->coverage_count = c.count;
        if (c.count) {
            for (size_t i = 0; i < c.count; i++)
                out->coverage[i] = c.rows[i].row;
            qsort(out->coverage, c.count, sizeof *out->coverage, by_exporter);
        }
        judge(&c, when, out);
    } else if (status == WEIR_ENOMEM) {
        weir_fail(error, status, NULL, "out of memory while reading the account");
    }
    coverage_free(&c);
    return status;
}
