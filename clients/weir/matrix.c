/* matrix.c - `weir matrix`: source tag x destination tag, with names, sums of rows and columns. The
 * question is Aggregate by srcTag and dstTag; the JSON is that answer as it is. */
#include "dbStub.h"
#include "weir/shapes_db.h"
#include "weir/names.h"
#include "weir/totals.h"

#include <stdlib.h>
#include <string.h>

extern struct Namespace db_namespaces[];

#define TAGS_MOST 2000u

struct matrix {
    uint32_t *tags; /* sorted, each once: both sides of the matrix */
    size_t count;
    uint64_t *cells; /* count x count */
};

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Every tag that occurs on either side. Untagged traffic is tag 0. */
static bool collect_tags(struct matrix *m, struct arena *arena,
                         const struct _db__AggregateResponse *a)
{
    size_t rows = a->__sizerow > 0 ? (size_t)a->__sizerow : 0, n = 0;
    m->tags = arena_alloc(arena, (rows * 2 + 1) * sizeof *m->tags);
    if (!m->tags)
        return false;
    for (size_t i = 0; i < rows; i++)
        for (int side = 0; side < 2; side++) {
            uint32_t tag = 0;
            (void)totals_key_number(&a->row[i], side, &tag);
            m->tags[n++] = tag;
        }
    qsort(m->tags, n, sizeof *m->tags, by_number);
    for (size_t i = 0; i < n; i++)
        if (m->count == 0 || m->tags[m->count - 1] != m->tags[i])
            m->tags[m->count++] = m->tags[i];
    return true;
}

static size_t tag_index(const struct matrix *m, uint32_t tag)
{
    const uint32_t *at = bsearch(&tag, m->tags, m->count, sizeof tag, by_number);
    return (size_t)(at - m->tags);
}

static uint64_t measure_of(const struct wt__Row *row, size_t measure)
{
    return measure == 0 ? row->octets : measure == 1 ? row->packets : row->flows;
}

static bool fill_cells(struct matrix *m, struct arena *arena,
                       const struct _db__AggregateResponse *a, size_t measure)
{
    m->cells = arena_zero(arena, (m->count * m->count + 1) * sizeof *m->cells);
    if (!m->cells)
        return false;
    for (int i = 0; i < a->__sizerow; i++) {
        uint32_t from = 0, to = 0;
        (void)totals_key_number(&a->row[i], 0, &from);
        (void)totals_key_number(&a->row[i], 1, &to);
        m->cells[tag_index(m, from) * m->count + tag_index(m, to)] +=
            measure_of(&a->row[i], measure);
    }
    return true;
}

static const char *side_name(const struct tag_names *names, uint32_t tag, char space[16])
{
    const char *name = tag ? tag_name(names, tag) : "(no tag)";
    if (name)
        return name;
    (void)snprintf(space, 16, "%u", tag);
    return space;
}

static void matrix_sheet(struct sheet *s, const struct matrix *m, const struct tag_names *names,
                         const char *measure)
{
    char space[16];
    sheet_column(s, measure, 0);
    for (size_t c = 0; c < m->count; c++)
        sheet_column(s, side_name(names, m->tags[c], space), SHEET_RIGHT);
    sheet_column(s, "sum", SHEET_RIGHT | SHEET_SUM);
    uint64_t all = 0;
    for (size_t row = 0; row < m->count; row++) {
        uint64_t sum = 0;
        sheet_text(s, side_name(names, m->tags[row], space));
        for (size_t c = 0; c < m->count; c++) {
            sheet_number(s, m->cells[row * m->count + c]);
            sum += m->cells[row * m->count + c];
        }
        sheet_number(s, sum);
        all += sum;
    }
    if (m->count == 0)
        return;
    sheet_row_flags(s, SHEET_SUM);
    sheet_text(s, "sum");
    for (size_t c = 0; c < m->count; c++) {
        uint64_t sum = 0;
        for (size_t row = 0; row < m->count; row++)
            sum += m->cells[row * m->count + c];
        sheet_number(s, sum);
    }
    sheet_number(s, all);
}

/* `context`: the number of the measure. */
static enum outcome fill_report(struct request *r, struct report *report,
                                const struct totals_keys *keys,
                                const struct _db__AggregateResponse *a, const void *context)
{
    (void)keys;
    struct matrix m = {0};
    struct tag_names names = {0};
    if (!collect_tags(&m, &report->arena, a)) {
        report->failed = true;
        return OUTCOME_DONE;
    }
    if (m.count > TAGS_MOST) {
        (void)weir_fail(
            r->error, WEIR_ELIMIT, NULL,
            "%zu tags do not fit a matrix; ask `weir totals --by srcTag,dstTag --top N`", m.count);
        return OUTCOME_FAILED;
    }
    tag_names_load(r, &names);
    if (fill_cells(&m, &report->arena, a, *(const size_t *)context))
        matrix_sheet(&report->sheet, &m, &names, r->settings->measure);
    else
        report->failed = true;
    tag_names_free(&names);
    account_notes(report, a->account);
    return OUTCOME_DONE;
}

enum outcome word_matrix(struct request *r)
{
    static const char *const measures[] = {"octets", "packets", "flows"};
    struct totals_keys keys;
    struct session s;
    size_t measure;
    if (!request_choice(r, "measure", r->settings->measure, measures, 3, &measure) ||
        !totals_keys_read(r, "srcTag,dstTag", &keys))
        return OUTCOME_USAGE;
    if (!session_open(&s, r, "/db", db_namespaces))
        return OUTCOME_FAILED;
    enum outcome outcome = totals_show(r, &s, &keys, fill_report, &measure);
    session_close(&s);
    return outcome;
}
