/* finish.c - from groups to an answer: fold the hidden sampling rate into estimates, rank, and
 * write the rows down. Neighbour: series.c, which finds percentiles among the same groups. */
#include "query/estimate.h"
#include "query/question.h"

#include <stdlib.h>
#include <string.h>

struct ranked {
    uint64_t measure;
    size_t at;
};

struct ranking {
    struct question *question;
    const struct tally *tally;
    const uint64_t *records;
    unsigned stride;
    size_t count;
    enum measure order;
    struct ranked *rows;
    size_t row_count;
};

/* A group's sums as counts: flows of shares are counted above their pieces. */
static struct counts counts_of(const struct question *q, const uint64_t *sums)
{
    return (struct counts){
        .octets = sums[0], .packets = sums[1], .flows = sums[2] >> q->flow_shift};
}

static void counts_add(struct counts *to, struct counts sums)
{
    to->octets += sums.octets;
    to->packets += sums.packets;
    to->flows += sums.flows;
}

/* Sums over all groups, into the answer's account. */
static void sum_groups(const struct question *q, const struct tally *t, const uint64_t *records,
                       unsigned stride, size_t count, struct answer_account *out)
{
    struct estimate all = {0};
    for (size_t i = 0; i < count; i++) {
        const uint64_t *record = records + i * stride;
        struct counts sums = counts_of(q, record);
        double rate = layout_rate(&q->layout, &t->interns, record + GROUP_SUMS);
        counts_add(&out->raw, sums);
        if (fixed_rate(rate) == 0)
            counts_add(&out->unknown_rate, sums);
        estimate_add(&all, sums, fixed_rate(rate));
    }
    out->estimated = estimate_counts(&all);
}

/* ---- folding the rate ---- */

static void words_without_rate(const struct layout *l, const uint64_t *words, uint64_t *out)
{
    memcpy(out, words, l->words * sizeof *out);
    if (l->rate < 0)
        return;
    const struct component *c = &l->components[l->rate];
    out[c->word] &= ~(((UINT64_C(1) << c->bits) - 1) << c->shift);
}

/* Groups that differ in nothing but the rate become one, with the estimate behind its words. */
static bool fold(const struct question *q, const struct tally *t, const uint64_t *records,
                 size_t count, struct groups *out)
{
    const struct layout *l = &q->layout;
    for (size_t i = 0; i < count; i++) {
        const uint64_t *from = records + i * t->groups.stride;
        uint64_t words[GROUP_WORDS_MOST];
        struct cell sums = {from[0], from[1], from[2], 0};
        struct estimate e;
        words_without_rate(l, from + GROUP_SUMS, words);
        uint64_t *record = groups_add_one(out, words, &sums);
        if (!record)
            return false;
        uint64_t *behind = record + GROUP_SUMS + l->words;
        memcpy(&e, behind, sizeof e);
        estimate_add(&e, counts_of(q, from),
                     fixed_rate(layout_rate(l, &t->interns, from + GROUP_SUMS)));
        memcpy(behind, &e, sizeof e);
    }
    return true;
}

/* Nothing looks for empty records any more, so flows may be 0 from here on. */
static void drop_pieces(const struct question *q, const struct group_list *groups)
{
    for (size_t i = 0; q->flow_shift && i < groups->count; i++)
        groups->records[i * groups->stride + 2] >>= q->flow_shift;
}

/* ---- ranking ---- */

static const uint64_t *words_of(const struct ranking *r, size_t at)
{
    return r->records + at * r->stride + GROUP_SUMS;
}

/* <0: a comes before b in the ranking. */
static int rank(const struct ranking *r, const struct ranked *a, const struct ranked *b)
{
    if (a->measure != b->measure)
        return a->measure > b->measure ? -1 : 1;
    return layout_compare(&r->question->layout, &r->tally->interns, words_of(r, a->at),
                          words_of(r, b->at));
}

static int by_rank(const void *a, const void *b, void *context)
{
    return rank(context, a, b);
}

static uint64_t bin_of(const struct ranking *r, size_t at)
{
    const struct layout *l = &r->question->layout;
    return l->bin < 0 ? 0 : component_code(&l->components[l->bin], words_of(r, at));
}

/* As rows are shown: bins in order of time, within a bin by rank. */
static int by_bin(const void *a, const void *b, void *context)
{
    const struct ranked *x = a, *y = b;
    uint64_t left = bin_of(context, x->at), right = bin_of(context, y->at);
    return left != right ? (left > right ? 1 : -1) : rank(context, x, y);
}

/* The heap's root is the last of the kept ones; a better one takes its place. */
static void sift_down(struct ranking *r, size_t at)
{
    for (;;) {
        size_t last = at, child = 2 * at + 1;
        for (size_t c = child; c < child + 2 && c < r->row_count; c++)
            if (rank(r, &r->rows[c], &r->rows[last]) > 0)
                last = c;
        if (last == at)
            return;
        struct ranked other = r->rows[at];
        r->rows[at] = r->rows[last];
        r->rows[last] = other;
        at = last;
    }
}

static void keep_best(struct ranking *r)
{
    for (size_t i = r->row_count / 2; i-- > 0;)
        sift_down(r, i);
    for (size_t i = r->row_count; i < r->count; i++) {
        struct ranked one = {r->records[i * r->stride + r->order], i};
        if (one.measure < r->rows[0].measure || rank(r, &one, &r->rows[0]) >= 0)
            continue;
        r->rows[0] = one;
        sift_down(r, 0);
    }
}

static bool rank_groups(struct ranking *r, uint32_t top)
{
    size_t most = top && top < TOTALS_ROWS_MOST ? top : TOTALS_ROWS_MOST;
    r->row_count = r->count < most ? r->count : most;
    if (!budget_take(&r->question->budget, r->row_count * sizeof *r->rows))
        return false;
    r->rows = arena_alloc(&r->question->arena, r->row_count * sizeof *r->rows);
    if (!r->rows)
        return false;
    for (size_t i = 0; i < r->row_count; i++)
        r->rows[i] = (struct ranked){r->records[i * r->stride + r->order], i};
    if (r->row_count && r->row_count < r->count)
        keep_best(r);
    qsort_r(r->rows, r->row_count, sizeof *r->rows, r->question->layout.bin >= 0 ? by_bin : by_rank,
            r);
    return true;
}

/* ---- writing down ---- */

static bool keep_text(struct key_value *value, struct question *q, struct arena *a)
{
    if (value->absent || value->width != 0)
        return true;
    if (!budget_take(&q->budget, value->text.length))
        return false;
    value->text.bytes = (const uint8_t *)arena_copy(a, value->text.bytes, value->text.length);
    return value->text.bytes != NULL;
}

static bool write_row(const struct ranking *r, size_t at, struct totals_row *row,
                      struct key_value *keys, struct arena *a)
{
    struct question *q = r->question;
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
    row->bin_ms = q->when.from_ms + (int64_t)(bin_of(r, at) * q->bins.step);
    row->raw = sums;
    row->estimated = estimate_counts(&e);
    return true;
}

static bool write_rows(const struct ranking *r, struct totals *out)
{
    struct arena *a = out->memory;
    struct question *q = r->question;
    size_t keys = r->row_count * q->key_count;
    if (!budget_take(&q->budget,
                     r->row_count * sizeof *out->rows + keys * sizeof(struct key_value)))
        return false;
    struct key_value *values = arena_alloc(a, keys * sizeof *values);
    out->rows = arena_alloc(a, r->row_count * sizeof *out->rows);
    if (!values || !out->rows)
        return false;
    for (size_t i = 0; i < r->row_count; i++)
        if (!write_row(r, r->rows[i].at, &out->rows[i], values + i * q->key_count, a))
            return false;
    out->row_count = r->row_count;
    out->groups = r->count;
    return true;
}

/* Without keys and bins there is one row even when nothing matched: the sum of nothing. */
static bool write_empty(struct question *q, struct totals *out)
{
    if (out->row_count || q->key_count || q->layout.bin >= 0)
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

/* The groups without the hidden rate: *out, in t's tables or in *folded's. False: memory. */
static bool list_groups(struct question *q, struct tally *t, struct groups *folded,
                        struct group_list *out, struct answer_account *account)
{
    out->stride = t->groups.stride;
    out->records = groups_compact(&t->groups, &out->count);
    sum_groups(q, t, out->records, out->stride, out->count, account);
    if (q->layout.rate >= 0) {
        if (!groups_init(folded, &q->budget, q->loops, q->seed, q->layout.words, ESTIMATE_WORDS,
                         0) ||
            !fold(q, t, out->records, out->count, folded))
            return false;
        out->stride = folded->stride;
        out->records = groups_compact(folded, &out->count);
    }
    drop_pieces(q, out);
    return true;
}

enum weir_status question_finish(struct question *q, struct tally *t, struct totals *out,
                              struct weir_error *error)
{
    struct groups folded = {0};
    struct group_list groups;
    bool fine = list_groups(q, t, &folded, &groups, &out->account);
    if (fine) {
        struct ranking r = {.question = q, .tally = t, .order = q->request->order,
                            .stride = groups.stride, .records = groups.records,
                            .count = groups.count};
        fine = rank_groups(&r, q->request->top) && write_rows(&r, out) && write_empty(q, out) &&
               write_keys(q, out);
    }
    if (fine && q->request->percentile)
        fine = question_percentiles(q, t, &groups, out);
    if (folded.records)
        groups_free(&folded);
    return fine ? WEIR_OK : budget_error(&q->budget, error);
}
