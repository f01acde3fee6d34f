/* account_notes.c - the account of an answer in a few lines for people; the lossy
 * plainly marked. */
#include "dbStub.h"
#include "base/time.h"
#include "weir/shapes_db.h"

#define LOSSY_LISTED 10

const char *loss_text(unsigned state)
{
    static const char *const texts[] = {"complete", "LOSSY", "unknown"};
    return state < sizeof texts / sizeof texts[0] ? texts[state] : "unknown";
}

double percent_missing(uint64_t missing, uint64_t received)
{
    double sent = (double)missing + (double)received;
    return sent > 0 ? 100.0 * (double)missing / sent : -1;
}

static void note_interval(struct report *r, const struct wt__Account *a)
{
    char from[TIME_TEXT_SIZE], to[TIME_TEXT_SIZE];
    time_print(a->from, from);
    time_print(a->to, to);
    const char *many = a->exporters == 1 ? "exporter and domain" : "exporters and domains";
    bool open_start = a->from == INTERVAL_ALL.from_ms, open_end = a->to == INTERVAL_ALL.to_ms;
    if (open_start && open_end)
        report_note(r, "covers", "all time, %llu %s heard", (unsigned long long)a->exporters, many);
    else
        report_note(r, "covers", "%s to %s, %llu %s heard", open_start ? "the start" : from,
                    open_end ? "the end" : to, (unsigned long long)a->exporters, many);
}

/* Each exporter that lost something, so that nobody has to look for it. */
static void note_lossy(struct report *r, const struct wt__Account *a)
{
    unsigned listed = 0;
    char missing[GROUPED_SIZE];
    for (int i = 0; i < a->__sizecoverage; i++) {
        const struct wt__Coverage *c = &a->coverage[i];
        if (c->loss != wt__LossState__lossy || listed++ >= LOSSY_LISTED)
            continue;
        report_alert(r, "", "%.64s domain %u lost %s %.16s", c->exporter ? c->exporter : "?",
                     c->domain, print_grouped(c->missing, missing), c->unit ? c->unit : "");
    }
    if (listed > LOSSY_LISTED)
        report_alert(r, "", "and %u more; `weir account` lists all", listed - LOSSY_LISTED);
}

static const char *unknown_because(const struct wt__Account *a)
{
    const struct wt__Counters *c = a->received;
    if (!a->exporters)
        return "unknown: nothing was heard";
    if (c && c->noTemplateSets > c->unparkedSets + c->expiredSets)
        return "unknown: data sets without a template may hold records";
    return "unknown: for some exporter no protocol can tell";
}

static void note_loss(struct report *r, const struct wt__Account *a)
{
    const struct wt__Loss *l = a->loss;
    char records[GROUPED_SIZE], datagrams[GROUPED_SIZE], until[TIME_TEXT_SIZE] = "";
    if (!l)
        return;
    if (l->knownUntil)
        time_print(*l->knownUntil, until);
    if (l->state == wt__LossState__complete) {
        report_note(r, "loss", "complete: sequence numbers show nothing missing%s%s",
                    *until ? " until " : "", until);
        return;
    }
    if (l->state == wt__LossState__unknown && !l->missingRecords && !l->missingDatagrams) {
        report_alert(r, "loss", "%s", unknown_because(a));
        return;
    }
    char percent[32] = "";
    if (l->missingRecordsPercent)
        (void)snprintf(percent, sizeof percent, " (%.2f %%)", *l->missingRecordsPercent);
    report_alert(r, "loss", "%s: %s records%s and %s datagrams are missing; unknown after %s",
                 l->state == wt__LossState__lossy ? "LOSSY" : "LOSSY, and unknown in places",
                 print_grouped(l->missingRecords, records), percent,
                 print_grouped(l->missingDatagrams, datagrams),
                 *until ? until : "the last datagram");
    note_lossy(r, a);
}

static void note_sampling(struct report *r, const struct wt__Account *a)
{
    const struct wt__Sampling *s = a->sampling;
    if (!s || !s->raw || !s->estimated || !s->unknownRate || s->raw->flows == 0)
        return;
    char octets[GROUPED_SIZE], packets[GROUPED_SIZE];
    double unknown = s->raw->octets
                         ? 100.0 * (double)s->unknownRate->octets / (double)s->raw->octets
                         : 100.0 * (double)s->unknownRate->flows / (double)s->raw->flows;
    if (s->unknownRate->flows == 0 && s->estimated->octets == s->raw->octets &&
        s->estimated->packets == s->raw->packets)
        report_note(r, "sampling", "none: every packet was metered");
    else if (s->unknownRate->flows == s->raw->flows)
        report_note(r, "sampling", "rate unknown; counts are as exported");
    else
        report_note(
            r, "sampling",
            "counts are as exported; estimated: %s octets, %s packets; rate unknown for %.1f %%",
            print_grouped(s->estimated->octets, octets),
            print_grouped(s->estimated->packets, packets), unknown);
}

void account_notes(struct report *r, const struct wt__Account *a)
{
    if (!a)
        return;
    char scanned[GROUPED_SIZE];
    note_interval(r, a);
    note_loss(r, a);
    note_sampling(r, a);
    report_note(r, "policy", "%.64s", a->policy ? a->policy : "none");
    report_note(r, "source", "%.16s: %llu blocks, %llu of them skipped, %s rows looked at",
                a->source ? a->source : "?", (unsigned long long)a->blocks,
                (unsigned long long)a->blocksSkipped, print_grouped(a->rowsScanned, scanned));
}
