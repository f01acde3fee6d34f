/* account_pages.c - the account of an interval from pages: sums over stretches of time that a
 * reader keeps for the next question. Most questions are about the same time, and reading the rows
 * of one hour costs more than all else that a question to the roll-ups does. Neighbours: coverage.c
 * adds up, store/account.c has the rows.
 *
 * Pages are of 32 days, days, hours and minutes, since 1970, and of the intervals that were asked
 * for. A page whose rows changed since it was made (store/changes.h) is made again of the next
 * smaller ones, of which nearly all are as they were; one that is new, of rows.
 *
 * Invariant: a page of stamp S is true in the reader's state when no change in it, or up to
 * next_ms, is told of after S. */
#include "query/coverage.h"
#include <stdlib.h>
#include <string.h>

#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS  (24 * HOUR_MS)
#define LONG_MS (32 * DAY_MS)
/* Who sends blocks may make up minutes at the ends of time, where sums of times would overflow. */
#define FAR_MS (INT64_C(1) << 62)
/* Octets of pages a reader keeps; past it those go that were not used for long, and if that is not
 * half of them, all. A page is made of smaller ones when these take a quarter at most. */
#define PAGES_MOST (UINT64_C(4) << 20)

struct page {                 /* sums over rows whose minute is in [from_ms, from_ms + size_ms) */
    int64_t from_ms, size_ms; /* size 0: no page */
    int64_t next_ms; /* of a page without exporters: the first minute after it that has a row; else
                        the page's end */
    uint64_t stamp;
    uint64_t round; /* of pages.round, when it was used last */
    struct heard *rows;
    size_t count;
    bool crowded; /* more exporters than may have rows: what it says is not all of each */
    struct account_counts counts;
};

struct pages {
    uint64_t round; /* counts how often there was no room any more */
    bool spans;     /* the three below are known */
    uint64_t span_stamp;
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

/* This reader's; NULL: no memory. */
static struct pages *pages_of(struct reader *r)
{
    struct pages *p = reader_kept(r);
    if (!p) {
        p = calloc(1, sizeof *p);
        if (p)
            reader_keep(r, p, free_pages);
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

/* Another table of so much room, with the pages that were used since round `since`. */
static bool move(struct pages *p, size_t capacity, uint64_t since)
{
    struct pages more = *p;
    more.capacity = capacity;
    more.table = calloc(capacity, sizeof *more.table);
    if (!more.table)
        return false;
    more.count = 0;
    more.octets = capacity * sizeof *more.table;
    for (size_t i = 0; i < p->capacity; i++) {
        struct page *page = &p->table[i];
        if (page->size_ms && page->round >= since) {
            *find(&more, page->from_ms, page->size_ms) = *page;
            more.octets += page->count * sizeof *page->rows;
            more.count++;
        } else {
            free(page->rows);
        }
    }
    free(p->table);
    *p = more;
    return true;
}

static bool make_room(struct pages *p)
{
    if (p->octets > PAGES_MOST) {
        bool moved = move(p, p->capacity, p->round);
        p->round++;
        if (!moved || p->octets > PAGES_MOST / 2)
            drop_all(p);
    }
    return 2 * (p->count + 1) <= p->capacity || move(p, p->capacity ? 2 * p->capacity : 64, 0);
}

static int64_t into(int64_t t_ms, int64_t size_ms)
{
    int64_t r = t_ms % size_ms;
    return r < 0 ? r + size_ms : r;
}

static const int64_t sizes[] = {LONG_MS, DAY_MS, HOUR_MS, MINUTE_MS};

/* The largest page, shorter than `most`, that starts at `at`, a whole minute, and ends in time. */
static int64_t size_at(int64_t at, int64_t end, int64_t most)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] < most && into(at, sizes[i]) == 0 && end - at >= sizes[i])
            return sizes[i];
    return MINUTE_MS;
}

/* ---- making pages ---- */

static enum weir_status add_parts(struct reader *r, struct pages *p, struct interval left,
                                  int64_t most, struct coverage *c, bool *crowded,
                                  struct weir_error *error);

static enum weir_status fill_from_rows(struct reader *r, struct page *page, struct coverage *c,
                                       struct weir_error *error)
{
    coverage_free(c);
    enum weir_status status = reader_account_rows(r, page->from_ms, page->from_ms + page->size_ms,
                                                  coverage_visit, c, error);
    page->crowded = c->others_until_ms != INT64_MAX;
    return status;
}

/* Parts of a standard page are of the next size; of an interval, of all. */
static enum weir_status fill_from_parts(struct reader *r, struct pages *p, struct page *page,
                                        struct coverage *c, struct weir_error *error)
{
    const struct interval all = {page->from_ms, page->from_ms + page->size_ms};
    bool standard = size_at(all.from_ms, all.to_ms, INT64_MAX) == page->size_ms;
    enum weir_status status =
        add_parts(r, p, all, standard ? page->size_ms : INT64_MAX, c, &page->crowded, error);
    return status == WEIR_OK && page->crowded ? fill_from_rows(r, page, c, error) : status;
}

/* What *page says of its time as the reader sees it; `parts`: made of smaller pages, unless these
 * have so many exporters that some might be left without rows. */
static enum weir_status fill(struct reader *r, struct pages *p, struct page *page, bool parts,
                             struct weir_error *error)
{
    struct coverage c = COVERAGE_EMPTY;
    enum weir_status status = parts ? fill_from_parts(r, p, page, &c, error)
                                    : fill_from_rows(r, page, &c, error);
    page->next_ms = page->from_ms + page->size_ms;
    if (status == WEIR_OK && c.count == 0)
        status = reader_account_next(r, page->next_ms, &page->next_ms, error);
    page->rows = c.rows;
    page->count = c.count;
    page->counts = c.counts;
    c.rows = NULL;
    coverage_free(&c);
    return status;
}

static bool parts_fit(const struct page *page)
{
    for (size_t i = 0; i + 1 < sizeof sizes / sizeof *sizes; i++)
        if (page->size_ms == sizes[i])
            return page->count * sizeof *page->rows * (size_t)(sizes[i] / sizes[i + 1]) <=
                   PAGES_MOST / 4;
    return page->size_ms != MINUTE_MS;
}

/* Where `made` goes: in the place of the page that was true before, or a new one. */
static enum weir_status put(struct pages *p, const struct page *made, const struct page **out)
{
    struct page *page = NULL;
    if (!make_room(p) || !(page = find(p, made->from_ms, made->size_ms)))
        return WEIR_ENOMEM;
    if (page->size_ms)
        p->octets -= page->count * sizeof *page->rows;
    else
        p->count++;
    free(page->rows);
    *page = *made;
    p->octets += made->count * sizeof *made->rows;
    *out = page;
    return WEIR_OK;
}

/* The page, valid until the next call. `whole`: an interval that was asked for. */
static enum weir_status get(struct reader *r, struct pages *p, struct interval when, bool whole,
                            const struct page **out, struct weir_error *error)
{
    const struct changes *c;
    struct page made = {.from_ms = when.from_ms, .size_ms = when.to_ms - when.from_ms};
    enum weir_status status = reader_changes(r, &c, error);
    struct page *page = p->capacity ? find(p, made.from_ms, made.size_ms) : NULL;
    bool was_here = page && page->size_ms;
    *out = page;
    if (status != WEIR_OK)
        return status;
    if (was_here) {
        const struct interval about = {when.from_ms, page->next_ms};
        page->round = p->round;
        if (!changes_touch(c, page->stamp, about)) {
            page->stamp = c->stamp;
            return WEIR_OK;
        }
    }
    made.stamp = c->stamp;
    made.round = p->round;
    status = fill(r, p, &made, whole || (was_here && parts_fit(page)), error);
    if (status == WEIR_OK)
        status = put(p, &made, out);
    if (status != WEIR_OK)
        free(made.rows);
    return status;
}

/* Adds pages smaller than `most`. *crowded: exporters may be left without rows, so this is not all
 * of each, and nothing was added after. */
static enum weir_status add_parts(struct reader *r, struct pages *p, struct interval left,
                                  int64_t most, struct coverage *c, bool *crowded,
                                  struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    *crowded = false;
    while (left.from_ms < left.to_ms) {
        const struct page *page;
        int64_t end = left.from_ms + size_at(left.from_ms, left.to_ms, most);
        status = get(r, p, (struct interval){left.from_ms, end}, false, &page, error);
        if (status != WEIR_OK)
            return status;
        *crowded = page->crowded || c->count + page->count > COVERAGE_MOST;
        if (*crowded)
            return WEIR_OK;
        if (!coverage_add(c, page->rows, page->count, &page->counts))
            return WEIR_ENOMEM;
        left.from_ms = end;
        if (page->count == 0 && page->next_ms - LONG_MS > end) /* a gap: go on at its end */
            left.from_ms = page->next_ms - into(page->next_ms, LONG_MS);
    }
    return WEIR_OK;
}

/* ---- reading ---- */

/* The minutes that overlap `when`, from the 32 days of the first row to those of the last, outside
 * of which there is none: so that what reaches beyond is of whole pages. */
static struct interval minutes_of(const struct pages *p, struct interval when)
{
    int64_t first = p->first_ms - into(p->first_ms, LONG_MS),
            last = p->last_ms + LONG_MS - into(p->last_ms, LONG_MS);
    if (when.from_ms > first)
        first = minute_of(when.from_ms);
    if (when.to_ms < last)
        last = minute_of(when.to_ms - 1) + MINUTE_MS;
    return (struct interval){first, last};
}

static enum weir_status know_span(struct reader *r, struct pages *p, struct weir_error *error)
{
    const struct changes *c;
    enum weir_status status = reader_changes(r, &c, error);
    if (status != WEIR_OK || (p->spans && p->span_stamp == c->stamp))
        return status;
    status = reader_account_span(r, &p->first_ms, &p->last_ms, error);
    p->spans = status == WEIR_OK;
    p->span_stamp = c->stamp;
    return status;
}

enum weir_status coverage_read(struct reader *r, struct interval when, struct coverage *c,
                               struct weir_error *error)
{
    const struct page *page;
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
    struct interval all = minutes_of(p, when);
    bool standard = size_at(all.from_ms, all.to_ms, INT64_MAX) == all.to_ms - all.from_ms;
    status = get(r, p, all, !standard, &page, error);
    if (status != WEIR_OK)
        return status;
    /* Which exporters are left without rows is decided in the order of minutes: by the rows. */
    if (page->crowded)
        return reader_account_rows(r, all.from_ms, all.to_ms, coverage_visit, c, error);
    return coverage_add(c, page->rows, page->count, &page->counts) ? WEIR_OK : WEIR_ENOMEM;
}
