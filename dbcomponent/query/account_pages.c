/* account_pages.c - the account of an interval from pages: sums over days, hours and minutes that a
 * reader keeps for the next question, for as long as the file stays as it is. Most questions are
 * about the same time, and reading the rows of one hour costs more than all else that a question to
 * the roll-ups does. Neighbours: coverage.c adds up, store/account.c has the rows.
 *
 * Invariant: every page of a reader is of the state that reader_version() tells. */
#include "query/coverage.h"
#include <stdlib.h>
#include <string.h>

#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS  (24 * HOUR_MS)
/* Who sends blocks may make up minutes at the ends of time, where sums of times would overflow. */
#define FAR_MS (INT64_C(1) << 62)
/* Octets of pages a reader keeps; past it all of them go, and what is asked now comes back. */
#define PAGES_MOST (UINT64_C(2) << 20)

struct page {                 /* sums over rows whose minute is in [from_ms, from_ms + size_ms) */
    int64_t from_ms, size_ms; /* size 0: no page */
    int64_t next_ms; /* of a page without exporters: the first minute after it that has a row */
    struct heard *rows;
    size_t count;
    bool crowded; /* more exporters than may have rows: what it says is not all of each */
    struct account_counts counts;
};

struct pages {
    uint64_t version;
    bool spans; /* the two below are known */
    int64_t first_ms,
        last_ms;        /* minutes of the first and the last row; first > last: there is none */
    struct page *table; /* open addressing, less than half full */
    size_t count, capacity;
    uint64_t octets;
};

static void drop_all(struct pages *p)
{
    for (size_t i = 0; i < p->capacity; i++)
        free(p->table[i].rows);
    free(p->table);
    p->table = NULL;
    p->count = p->capacity = 0;
    p->octets = 0;
}

static void free_pages(void *memory)
{
    drop_all(memory);
    free(memory);
}

/* This reader's, empty when the file has changed since; NULL: no memory. */
static struct pages *pages_of(struct reader *r)
{
    struct pages *p = reader_kept(r);
    if (!p) {
        p = calloc(1, sizeof *p);
        if (p)
            reader_keep(r, p, free_pages);
    }
    uint64_t version = reader_version(r);
    if (p && p->version != version) {
        drop_all(p);
        p->version = version;
        p->spans = false;
    }
    return p;
}

static struct page *find(const struct pages *p, int64_t from_ms, int64_t size_ms)
{
    uint64_t h = ((uint64_t)from_ms / (uint64_t)MINUTE_MS ^ (uint64_t)size_ms << 20) *
                 UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(h >> 32) & (p->capacity - 1);
    while (p->table[at].size_ms &&
           (p->table[at].from_ms != from_ms || p->table[at].size_ms != size_ms))
        at = (at + 1) & (p->capacity - 1);
    return &p->table[at];
}

static bool make_room(struct pages *p)
{
    if (p->octets > PAGES_MOST)
        drop_all(p);
    if (2 * (p->count + 1) <= p->capacity)
        return true;
    struct pages more = *p;
    more.capacity = p->capacity ? 2 * p->capacity : 64;
    more.table = calloc(more.capacity, sizeof *more.table);
    if (!more.table)
        return false;
    for (size_t i = 0; i < p->capacity; i++)
        if (p->table[i].size_ms)
            *find(&more, p->table[i].from_ms, p->table[i].size_ms) = p->table[i];
    more.octets += (more.capacity - p->capacity) * sizeof *more.table;
    free(p->table);
    *p = more;
    return true;
}

/* Reads the page's rows. */
static enum weir_status fill(struct reader *r, struct page *page, struct weir_error *error)
{
    struct coverage c = COVERAGE_EMPTY;
    int64_t end = page->from_ms + page->size_ms;
    enum weir_status status = reader_account_rows(r, page->from_ms, end, coverage_visit, &c, error);
    if (status == WEIR_OK && c.count == 0)
        status = reader_account_next(r, end, &page->next_ms, error);
    page->rows = c.rows;
    page->count = c.count;
    page->crowded = c.others_until_ms != INT64_MAX;
    page->counts = c.counts;
    c.rows = NULL;
    coverage_free(&c);
    return status;
}

/* The page, valid until the next call. */
static enum weir_status get(struct reader *r, struct pages *p, int64_t from_ms, int64_t size_ms,
                            const struct page **out, struct weir_error *error)
{
    if (!make_room(p))
        return WEIR_ENOMEM;
    struct page *page = find(p, from_ms, size_ms),
                made = {.from_ms = from_ms, .size_ms = size_ms, .next_ms = from_ms};
    *out = page;
    if (page->size_ms)
        return WEIR_OK;
    enum weir_status status = fill(r, &made, error);
    if (status != WEIR_OK) {
        free(made.rows);
        return status;
    }
    *page = made;
    p->count++;
    p->octets += made.count * sizeof *made.rows;
    return WEIR_OK;
}

static int64_t into(int64_t t_ms, int64_t size_ms)
{
    int64_t r = t_ms % size_ms;
    return r < 0 ? r + size_ms : r;
}

/* The largest page that starts at `at`, a whole minute, and ends in time. */
static int64_t size_at(int64_t at, int64_t end)
{
    static const int64_t sizes[] = {DAY_MS, HOUR_MS};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (at % sizes[i] == 0 && end - at >= sizes[i])
            return sizes[i];
    return MINUTE_MS;
}

/* The minutes that overlap `when`, from the day of the first row to that of the last, outside of
 * which there is none: so that what reaches beyond is of whole days. */
static struct interval minutes_of(const struct pages *p, struct interval when)
{
    int64_t first = p->first_ms - into(p->first_ms, DAY_MS),
            last = p->last_ms + DAY_MS - into(p->last_ms, DAY_MS);
    if (when.from_ms > first)
        first = minute_of(when.from_ms);
    if (when.to_ms < last)
        last = minute_of(when.to_ms - 1) + MINUTE_MS;
    return (struct interval){first, last};
}

static enum weir_status know_span(struct reader *r, struct pages *p, struct weir_error *error)
{
    if (p->spans)
        return WEIR_OK;
    enum weir_status status = reader_account_span(r, &p->first_ms, &p->last_ms, error);
    p->spans = status == WEIR_OK;
    return status;
}

/* A page; or its rows, when exporters may be left without rows: which ones is decided in the order
 * of minutes. */
static enum weir_status add_page(struct reader *r, struct pages *p, struct interval minutes,
                                 struct coverage *c, int64_t *next_ms, struct weir_error *error)
{
    const struct page *page;
    enum weir_status status =
        get(r, p, minutes.from_ms, minutes.to_ms - minutes.from_ms, &page, error);
    if (status != WEIR_OK)
        return status;
    *next_ms = page->next_ms;
    if (page->crowded || c->count + page->count > COVERAGE_MOST)
        return reader_account_rows(r, minutes.from_ms, minutes.to_ms, coverage_visit, c, error);
    return coverage_add(c, page->rows, page->count, &page->counts) ? WEIR_OK : WEIR_ENOMEM;
}

enum weir_status coverage_read(struct reader *r, struct interval when, struct coverage *c,
                               struct weir_error *error)
{
    struct pages *p = pages_of(r);
    if (!p)
        return WEIR_ENOMEM;
    enum weir_status status = know_span(r, p, error);
    if (status != WEIR_OK || p->first_ms > p->last_ms)
        return status;
    if (p->first_ms < -FAR_MS || p->last_ms > FAR_MS)
        return reader_account(r, when, coverage_visit, c, error);
    if (when.to_ms <= p->first_ms || when.from_ms >= p->last_ms + MINUTE_MS)
        return WEIR_OK;
    struct interval left = minutes_of(p, when);
    while (status == WEIR_OK && left.from_ms < left.to_ms) {
        int64_t from = left.from_ms, next = from;
        left.from_ms += size_at(from, left.to_ms);
        status = add_page(r, p, (struct interval){from, left.from_ms}, c, &next, error);
        if (status == WEIR_OK && next - DAY_MS > left.from_ms) /* a gap: go on at its last day */
            left.from_ms = next - into(next, DAY_MS);
    }
    return status;
}
