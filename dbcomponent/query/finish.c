/* finish.c - from groups to an answer: rank them, and write the rows down. Neighbours: collect.c,
 * which brings the groups together, rank.c, and series.c, which finds percentiles among them. */
#include "query/collect.h"
#include "query/estimate.h"
#include "query/rank.h"

#include <string.h>

struct writing {
    struct question *question;
    struct ranking ranking;
    size_t all; /* groups, of which the ranking has the first at least */
};

static bool rank_groups(struct writing *w)
{
    struct ranking *r = &w->ranking;
    size_t octets = ranking_room(r) * sizeof *r->rows;
    if (!budget_take(&w->question->budget, octets))
        return false;
    r->rows = arena_alloc(&w->question->arena, octets);
    if (!r->rows)
        return false;
    ranking_pick(r);
    ranking_sort(r, question_threads(w->question));
    atomic_fetch_add(&w->question->cpu_us, r->cpu_us);
    return true;
}

static bool keep_text(struct key_value *value, struct question *q, struct arena *a)
{
    if (value->absent || value->width != 0)
        return true;
    if (!budget_take(&q->budget, value->text.length))
        return false;
    value->text.bytes = (const uint8_t *)arena_copy(a, value->text.bytes, value->text.length);
    return value->text.bytes != NULL;
}

static bool write_row(const struct writing *w, size_t at, struct totals_row *row,
                      struct key_value *keys, struct arena *a)
{
    struct question *q = w->question;
    const struct ranking *r = &w->ranking;
    const uint64_t *record = r->records + at * r->stride, *words = record + GROUP_SUMS;
    const struct counts sums = {record[0], record[1], record[2]};
    struct estimate e = {0};
    for (size_t k = 0; k < q->key_count; k++) {
        component_value(&q->layout.components[k], &r->tally->interns.tables[k], words, &keys[k]);
        if (!keep_text(&keys[k], q, a))
            return false;
    }
    if (q->layout.rate >= 0)
        memcpy(&e, words + q->layout.words, sizeof e);
    else
        estimate_add(&e, sums, fixed_rate(q->layout.uniform_rate));
    row->keys = keys;
    row->bin_ms = q->when.from_ms + (int64_t)(ranking_bin(r, at) * q->bins.step);
    row->raw = sums;
    row->estimated = estimate_counts(&e);
    return true;
}

static bool write_rows(const struct writing *w, struct totals *out)
{
    struct arena *a = out->memory;
    struct question *q = w->question;
    const struct ranking *r = &w->ranking;
    size_t keys = r->row_count * q->key_count;
    if (!budget_take(&q->budget,
                     r->row_count * sizeof *out->rows + keys * sizeof(struct key_value)))
        return false;
    struct key_value *values = arena_alloc(a, keys * sizeof *values);
    out->rows = arena_alloc(a, r->row_count * sizeof *out->rows);
    if (!values || !out->rows)
        return false;
    for (size_t i = 0; i < r->row_count; i++)
        if (!write_row(w, r->rows[i].at, &out->rows[i], values + i * q->key_count, a))
            return false;
    out->row_count = r->row_count;
    out->groups = w->all;
    return true;
}

/* Without keys and bins there is one row even when nothing matched: the sum of nothing. One bin is
 * a bin too. */
static bool write_empty(struct question *q, struct totals *out)
{
    if (out->row_count || q->key_count || q->request->step_ms > 0)
        return true;
    out->rows = arena_zero(out->memory, sizeof *out->rows);
    if (!out->rows)
        return false;
    out->rows[0].bin_ms = q->when.from_ms;
    out->row_count = out->groups = 1;
    return true;
}

static bool write_keys(const struct question *q, struct totals *out)
{
    out->key_count = q->key_count;
    for (size_t i = 0; i < q->key_count; i++) {
        out->keys[i] = q->keys[i];
        out->keys[i].name = arena_copy(out->memory, q->keys[i].name, strlen(q->keys[i].name));
        if (!out->keys[i].name)
            return false;
    }
    return true;
}

static bool write_answer(struct question *q, const struct tally *t, struct collected *found,
                         struct totals *out)
{
    struct group_list *groups = &found->list;
    if (q->request->series && !question_keep_series(q, t, groups))
        return false;
    struct writing w = {.question = q, .all = found->all,
                        .ranking = {.question = q, .tally = t, .order = q->request->order,
                                    .stride = groups->stride, .records = groups->records,
                                    .count = groups->count}};
    return rank_groups(&w) && write_rows(&w, out) && write_empty(q, out) && write_keys(q, out) &&
           (!q->request->percentile || question_percentiles(q, t, groups, out));
}

enum weir_status question_finish(struct question *q, struct team *team, struct totals *out,
                                 struct weir_error *error)
{
    struct collected found = {.all = 0};
    bool fine = question_collect(q, team, &found, &out->account) &&
                write_answer(q, team->tallies, &found, out);
    enum weir_status late = fine ? WEIR_OK : question_overdue(q, error);
    collected_free(&found);
    if (late != WEIR_OK)
        return late;
    return fine ? WEIR_OK : budget_error(&q->budget, error);
}
