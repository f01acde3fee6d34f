/* series.c - `weir series`: time bins of each combination of keys, drawn as a line of blocks, with
 * the 95th percentile (or another) and the peak. One call of Aggregate with step and percentile;
 * rows come by bin, and are put together by key here. */
#include "dbStub.h"
#include "base/time.h"
#include "weir/shapes_db.h"
#include "weir/totals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern struct Namespace db_namespaces[];

#define LINES_DEFAULT 10u /* series that a table shows when --top does not say */
#define CELLS_MOST 60u    /* of a sparkline */
#define CELLS_LEAST 10u   /* on a terminal that has no room for more */
#define BINS_WANTED 60

static const char *const measures[] = {"octets", "packets", "flows"};

/* ---- the step, when none was given: a round one that gives about sixty bins ---- */

static int64_t round_step(int64_t width)
{
    static const int64_t seconds[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,    600,
                                      900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800};
    size_t count = sizeof seconds / sizeof seconds[0];
    for (size_t i = 0; i < count; i++)
        if (width / (seconds[i] * 1000) <= BINS_WANTED)
            return seconds[i] * 1000;
    return (width / BINS_WANTED / 86400000 + 1) * 86400000;
}

/* The ends that were not given are the store's first and last flow, to a whole step. */
static enum outcome choose_bins(struct session *s, struct request *r)
{
    struct _db__GetStatus question = {}; /* no members */
    struct _db__GetStatusResponse answer = {0};
    int64_t from = settings.from_ms, to = settings.to_ms;
    if (from == INTERVAL_ALL.from_ms || to == INTERVAL_ALL.to_ms) {
        if (soap_call___db__GetStatus(s->soap, s->url, NULL, &question, &answer))
            return session_fail(s, r->error);
        const struct wt__StoreStatus *store = answer.store;
        bool any = store && store->first && store->last;
        if (from == INTERVAL_ALL.from_ms)
            from = any ? *store->first : 0;
        if (to == INTERVAL_ALL.to_ms)
            to = any ? *store->last + 1 : from + 1;
        if (to <= from)
            to = from + 1;
    }
    if (!settings.step_ms)
        settings.step_ms = round_step(to - from);
    if (settings.from_ms == INTERVAL_ALL.from_ms) {
        int64_t into = from % settings.step_ms;
        from -= into < 0 ? into + settings.step_ms : into;
    }
    settings.from_ms = from;
    settings.to_ms = to;
    return OUTCOME_DONE;
}

/* ---- putting rows together ---- */

struct line {
    const struct wt__Row *row; /* one of its rows, for the keys */
    uint64_t total, peak, percentile;
    uint64_t *cells; /* of the sparkline */
};

struct series {
    const struct _db__AggregateResponse *answer;
    size_t measure;
    uint64_t bins, cells, bins_a_cell;
    struct line *lines;
    size_t count;
};

static uint64_t measure_of(const struct wt__Row *row, size_t measure)
{
    return measure == 0 ? row->octets : measure == 1 ? row->packets : row->flows;
}

static int compare_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int compare_keys(const struct wt__Key *a, int a_count, const struct wt__Key *b, int b_count)
{
    for (int i = 0; i < a_count && i < b_count; i++) {
        bool no_a = a[i].absent && *a[i].absent, no_b = b[i].absent && *b[i].absent;
        int order = no_a != no_b ? (no_a ? 1 : -1) : compare_text(a[i].__item, b[i].__item);
        if (order)
            return order;
    }
    return a_count - b_count;
}

static int by_keys(const void *a, const void *b)
{
    const struct wt__Row *x = *(const struct wt__Row *const *)a;
    const struct wt__Row *y = *(const struct wt__Row *const *)b;
    return compare_keys(x->key, x->__sizekey, y->key, y->__sizekey);
}

static int by_total(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->total != y->total)
        return x->total > y->total ? -1 : 1;
    return compare_keys(x->row->key, x->row->__sizekey, y->row->key, y->row->__sizekey);
}

static void add_row(struct series *s, struct line *line, const struct wt__Row *row)
{
    uint64_t value = measure_of(row, s->measure);
    uint64_t bin = row->bin ? (uint64_t)(*row->bin - settings.from_ms) / (uint64_t)settings.step_ms
                            : 0;
    line->total += value;
    line->peak = value > line->peak ? value : line->peak;
    if (bin < s->bins)
        line->cells[bin / s->bins_a_cell] += value;
}

/* The answer's percentiles are in another order than the lines; both are few beside the rows. */
static void find_percentiles(struct series *s)
{
    for (int i = 0; i < s->answer->__sizepercentile; i++) {
        const struct wt__Percentile *p = &s->answer->percentile[i];
        const uint64_t values[] = {p->octets, p->packets, p->flows};
        for (size_t k = 0; k < s->count; k++)
            if (compare_keys(s->lines[k].row->key, s->lines[k].row->__sizekey, p->key,
                             p->__sizekey) == 0)
                s->lines[k].percentile = values[s->measure];
    }
}

static bool collect(struct series *s, struct arena *a, size_t top)
{
    size_t rows = (size_t)s->answer->__sizerow;
    const struct wt__Row **sorted = arena_alloc(a, (rows + 1) * sizeof *sorted);
    s->lines = arena_alloc(a, (rows + 1) * sizeof *s->lines);
    if (!sorted || !s->lines)
        return false;
    for (size_t i = 0; i < rows; i++)
        sorted[i] = &s->answer->row[i];
    qsort(sorted, rows, sizeof *sorted, by_keys);
    for (size_t i = 0; i < rows; i++) {
        if (i == 0 || by_keys(&sorted[i - 1], &sorted[i]) != 0) {
            uint64_t *cells = arena_zero(a, s->cells * sizeof *cells);
            if (!cells)
                return false;
            s->lines[s->count++] = (struct line){.row = sorted[i], .cells = cells};
        }
        add_row(s, &s->lines[s->count - 1], sorted[i]);
    }
    qsort(s->lines, s->count, sizeof *s->lines, by_total);
    s->count = s->count < top ? s->count : top;
    find_percentiles(s);
    return true;
}

/* ---- drawing ---- */

/* Eight heights; a bin without traffic is a space, one with hardly any the lowest block. */
static void draw(const struct series *s, const struct line *line, struct buffer *out)
{
    static const char blocks[8][4] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    uint64_t most = 1;
    for (uint64_t i = 0; i < s->cells; i++)
        most = line->cells[i] > most ? line->cells[i] : most;
    buffer_clear(out);
    for (uint64_t i = 0; i < s->cells; i++) {
        unsigned height = (unsigned)((double)line->cells[i] / (double)most * 8);
        if (line->cells[i] == 0)
            buffer_put_u8(out, ' ');
        else
            buffer_put(out, blocks[height > 7 ? 7 : height], 3);
    }
    buffer_put_u8(out, '\0');
}

#define STEP_TEXT_SIZE 32

/* As --step takes it: 5m, 1h, 90s. */
static const char *print_step(int64_t step_ms, char out[STEP_TEXT_SIZE])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{604800000, "w"}, {86400000, "d"}, {3600000, "h"},
                 {60000, "m"},     {1000, "s"},     {1, "ms"}};
    size_t i = 0;
    while (step_ms % units[i].ms)
        i++;
    (void)snprintf(out, STEP_TEXT_SIZE, "%lld%s", (long long)(step_ms / units[i].ms),
                   units[i].unit);
    return out;
}

static void put_line(struct sheet *sheet, const struct series *s, const struct line *line,
                     const struct totals_keys *keys, const struct key_names *names,
                     struct buffer *text)
{
    for (int i = 0; i < keys->count; i++)
        totals_key_cell(sheet, names, keys->names[i], line->row, i);
    draw(s, line, text);
    sheet_text(sheet, text->failed ? NULL : (const char *)text->bytes);
    sheet_number(sheet, line->total);
    sheet_number(sheet, line->percentile);
    sheet_number(sheet, line->peak);
    if (s->measure == 0)
        sheet_number(sheet, (uint64_t)((double)line->percentile * 8000 / (double)settings.step_ms));
}

static void fill_table(struct report *report, const struct totals_keys *keys,
                       const struct key_names *names, const struct series *s)
{
    struct buffer text = {0};
    char from[TIME_TEXT_SIZE], to[TIME_TEXT_SIZE], step[STEP_TEXT_SIZE];
    unsigned percent = (unsigned)settings.percentile;
    time_print(settings.from_ms, from);
    time_print(settings.to_ms, to);
    for (int i = 0; i < keys->count; i++)
        sheet_column(&report->sheet, keys->names[i], 0);
    const char *percentile = arena_print(&report->arena, "p%u of a bin", percent);
    const char *rate = arena_print(&report->arena, "p%u bit/s", percent);
    sheet_column(&report->sheet, "over time", 0);
    sheet_column(&report->sheet, measures[s->measure], SHEET_RIGHT);
    sheet_column(&report->sheet, percentile ? percentile : "", SHEET_RIGHT);
    sheet_column(&report->sheet, "peak", SHEET_RIGHT);
    if (s->measure == 0)
        sheet_column(&report->sheet, rate ? rate : "", SHEET_RIGHT);
    for (size_t i = 0; i < s->count; i++)
        put_line(&report->sheet, s, &s->lines[i], keys, names, &text);
    report_note(report, "bins", "%llu of %s, %s to %s", (unsigned long long)s->bins,
                print_step(settings.step_ms, step), from, to);
    if (s->answer->__sizepercentile > (int)s->count)
        report_note(report, "series", "the largest %zu; --top shows more", s->count);
    account_notes(report, s->answer->account);
    buffer_free(&text);
}

static void divide(struct series *s, uint64_t cells_most)
{
    uint64_t width = (uint64_t)(settings.to_ms - settings.from_ms);
    s->bins = (width + (uint64_t)settings.step_ms - 1) / (uint64_t)settings.step_ms;
    s->bins_a_cell = (s->bins + cells_most - 1) / cells_most;
    s->cells = (s->bins + s->bins_a_cell - 1) / s->bins_a_cell;
}

/* How many cells a line has, of so many at most. */
static uint64_t fill_sheet(struct report *report, const struct totals_keys *keys,
                           const struct key_names *names, struct series s, size_t top,
                           uint64_t cells_most)
{
    divide(&s, cells_most);
    if (collect(&s, &report->arena, top))
        fill_table(report, keys, names, &s);
    else
        report->failed = true;
    return s.cells;
}

/* Once more with shorter lines, where a terminal is too narrow for the table. */
static void fill_terminal(struct request *r, struct report *report, const struct totals_keys *keys,
                          const struct series *s, size_t top)
{
    struct key_names names;
    key_names_load(r, keys, &names);
    uint64_t cells = fill_sheet(report, keys, &names, *s, top, CELLS_MOST);
    size_t width = sheet_width(&report->sheet), columns = r->style.columns;
    if (columns && width > columns) {
        size_t over = width - columns;
        report_close(report);
        report_open(report);
        (void)fill_sheet(report, keys, &names, *s, top,
                         cells > over + CELLS_LEAST ? cells - over : CELLS_LEAST);
    }
    key_names_free(&names);
}

struct wanted {
    size_t measure, top;
};

/* Lines for people; every bin for programs. `context`: a struct wanted. */
static enum outcome fill_report(struct request *r, struct report *report,
                                const struct totals_keys *keys,
                                const struct _db__AggregateResponse *answer, const void *context)
{
    const struct wanted *wanted = context;
    if (r->output->write == output_table)
        fill_terminal(r, report, keys,
                      &(struct series){.answer = answer, .measure = wanted->measure}, wanted->top);
    else
        totals_report(r, report, keys, answer);
    return OUTCOME_DONE;
}

enum outcome word_series(struct request *r)
{
    struct totals_keys keys;
    struct session s;
    struct wanted wanted = {.top = settings.top ? (size_t)settings.top : LINES_DEFAULT};
    if (!request_choice(r, "measure", settings.measure, measures, 3, &wanted.measure) ||
        !totals_keys_read(r, settings.by, &keys))
        return OUTCOME_USAGE;
    /* All rows of a series are needed: one that is among the first has bins that are not. Of one
     * more than is shown, to see that there are more. */
    bool table = r->output->write == output_table;
    settings.series = table ? (int64_t)wanted.top + 1 : settings.top;
    settings.top = 0;
    settings.order = measures[wanted.measure];
    if (!settings.percentile)
        settings.percentile = 95;
    if (!session_open(&s, r, "/db", db_namespaces))
        return OUTCOME_FAILED;
    enum outcome outcome = choose_bins(&s, r);
    if (outcome == OUTCOME_DONE)
        outcome = totals_show(r, &s, &keys, fill_report, &wanted);
    session_close(&s);
    return outcome;
}
