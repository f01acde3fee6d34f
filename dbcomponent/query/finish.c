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
    size_t count, all; /* all: before parts were cut to their first */
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
    to->octets = add_capped(to->octets, sums.octets);
    to->packets = add_capped(to->packets, sums.packets);
    to->flows = add_capped(to->flows, sums.flows);
}

/* Sums over groups, into the answer's account and *all. */
static void sum_groups(const struct question *q, const struct tally *t, const uint64_t *records,
                       unsigned stride, size_t count, struct estimate *all,
                       struct answer_account *out)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t *record = records + i * stride;
        struct counts sums = counts_of(q, record);
        double rate = layout_rate(&q->layout, &t->interns, record + GROUP_SUMS);
        counts_add(&out->raw, sums);
        if (fixed_rate(rate) == 0)
            counts_add(&out->unknown_rate, sums);
        estimate_add(all, sums, fixed_rate(rate));
    }
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

static size_t rows_wanted(const struct ranking *r)
{
    uint32_t top = r->question->request->top;
    size_t most = top && top < TOTALS_ROWS_MOST ? top : TOTALS_ROWS_MOST;
    return r->count < most ? r->count : most;
}

/* The first of the groups, in no order; r->rows has room for rows_wanted(). */
static void pick_best(struct ranking *r)
{
    r->row_count = rows_wanted(r);
    for (size_t i = 0; i < r->row_count; i++)
        r->rows[i] = (struct ranked){r->records[i * r->stride + r->order], i};
    if (r->row_count && r->row_count < r->count)
        keep_best(r);
}

static bool rank_groups(struct ranking *r)
{
    size_t octets = rows_wanted(r) * sizeof *r->rows;
    if (!budget_take(&r->question->budget, octets))
        return false;
    r->rows = arena_alloc(&r->question->arena, octets);
    if (!r->rows)
        return false;
    pick_best(r);
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
    out->groups = r->all;
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

/* ---- parts ---- */

/* What is kept of each part: all of its groups, or those that can be among the first. */
struct kept {
    struct group_list list;
    size_t room, all;
    struct ranked *rows; /* of one part */
    struct groups folded;
    struct estimate estimate;
};

static bool make_room(struct question *q, struct kept *k, size_t more)
{
    size_t stride = k->list.stride * sizeof(uint64_t);
    if (k->list.count + more <= k->room)
        return true;
    size_t room = k->room ? k->room : 1024;
    while (room < k->list.count + more)
        room *= 2;
    if (!budget_take(&q->budget, (room - k->room) * stride))
        return false;
    uint64_t *records = realloc(k->list.records, room * stride);
    if (!records)
        return false;
    k->list.records = records;
    k->room = room;
    return true;
}

static bool keep_all(struct question *q, struct kept *k, const struct group_list *part)
{
    if (!part->count)
        return true;
    if (!make_room(q, k, part->count))
        return false;
    memcpy(k->list.records + k->list.count * part->stride, part->records,
           part->count * part->stride * sizeof(uint64_t));
    k->list.count += part->count;
    return true;
}

static int by_place(const void *a, const void *b)
{
    size_t x = ((const struct ranked *)a)->at, y = ((const struct ranked *)b)->at;
    return (x > y) - (x < y);
}

/* Cuts what was kept to the first of it, in place. */
static void cut_kept(struct question *q, const struct tally *t, struct kept *k)
{
    struct group_list *l = &k->list;
    struct ranking r = {.question = q, .tally = t, .order = q->request->order,
                        .stride = l->stride, .records = l->records, .count = l->count,
                        .rows = k->rows};
    if (l->count <= 2 * (size_t)q->request->top)
        return;
    pick_best(&r);
    qsort(r.rows, r.row_count, sizeof *r.rows, by_place); /* so that none is written over unread */
    for (size_t i = 0; i < r.row_count; i++)
        memmove(l->records + i * l->stride, l->records + r.rows[i].at * l->stride,
                l->stride * sizeof(uint64_t));
    l->count = r.row_count;
}

static bool keep_first(struct question *q, const struct tally *t, struct kept *k,
                       const struct group_list *part)
{
    struct ranking r = {.question = q, .tally = t, .order = q->request->order,
                        .stride = part->stride, .records = part->records, .count = part->count,
                        .rows = k->rows};
    pick_best(&r);
    if (!make_room(q, k, r.row_count))
        return false;
    for (size_t i = 0; i < r.row_count; i++)
        memcpy(k->list.records + k->list.count++ * part->stride,
               part->records + r.rows[i].at * part->stride, part->stride * sizeof(uint64_t));
    cut_kept(q, t, k);
    return true;
}

/* A part's groups without the hidden rate; valid until the next part is read. */
static bool read_part(struct question *q, struct tally *t, unsigned part, struct kept *k,
                      struct group_list *out, struct answer_account *account)
{
    out->stride = t->groups.stride;
    if (!groups_load(&t->groups, part, &out->records, &out->count))
        return false;
    sum_groups(q, t, out->records, out->stride, out->count, &k->estimate, account);
    if (q->layout.rate >= 0) {
        if (k->folded.records)
            groups_free(&k->folded);
        if (!groups_init(&k->folded, &q->budget, q->loops, q->seed, q->layout.words,
                         ESTIMATE_WORDS, 0) ||
            !fold(q, t, out->records, out->count, &k->folded))
            return false;
        out->stride = k->folded.stride;
        out->records = groups_compact(&k->folded, &out->count);
    }
    drop_pieces(q, out);
    return true;
}

/* Parts are few rows each; of a part, what is not among its first `top` is not among all. */
static bool collect_parts(struct question *q, struct tally *t, struct kept *k,
                          struct answer_account *account)
{
    uint32_t top = q->request->percentile ? 0 : q->request->top;
    bool cut = top && top <= 65536;
    bool fine = !cut || (k->rows = arena_alloc(&q->arena, top * sizeof *k->rows)) != NULL;
    for (unsigned i = 0; fine && i < PARTS; i++) {
        struct group_list part;
        fine = read_part(q, t, i, k, &part, account) && question_overdue(q, NULL) == WEIR_OK;
        if (!fine)
            break;
        k->list.stride = part.stride;
        k->all += part.count;
        fine = cut ? keep_first(q, t, k, &part) : keep_all(q, k, &part);
    }
    return fine;
}

static bool collect(struct question *q, struct tally *t, struct kept *k, struct group_list *out,
                    struct answer_account *account)
{
    bool fine;
    if (groups_parts(&t->groups) == 1) {
        fine = read_part(q, t, 0, k, out, account);
        k->all = fine ? out->count : 0;
    } else {
        fine = collect_parts(q, t, k, account);
        *out = k->list;
    }
    account->estimated = estimate_counts(&k->estimate);
    return fine;
}

static bool write_answer(struct question *q, struct tally *t, const struct group_list *groups,
                         size_t all, struct totals *out)
{
    struct ranking r = {.question = q, .tally = t, .order = q->request->order, .all = all,
                        .stride = groups->stride, .records = groups->records,
                        .count = groups->count};
    return rank_groups(&r) && write_rows(&r, out) && write_empty(q, out) && write_keys(q, out) &&
           (!q->request->percentile || question_percentiles(q, t, groups, out));
}

enum weir_status question_finish(struct question *q, struct tally *t, struct totals *out,
                              struct weir_error *error)
{
    struct kept kept = {.room = 0};
    struct group_list groups = {0};
    bool fine = collect(q, t, &kept, &groups, &out->account) &&
                write_answer(q, t, &groups, kept.all, out);
    enum weir_status late = fine ? WEIR_OK : question_overdue(q, error);
    if (kept.folded.records)
        groups_free(&kept.folded);
    free(kept.list.records);
    if (late != WEIR_OK)
        return late;
    return fine ? WEIR_OK : budget_error(&q->budget, error);
}
