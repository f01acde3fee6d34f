/* finish.c - from groups to an answer: fold the hidden sampling rate into estimates, rank, and
 * write the rows down.
 *
 * An estimate is the sum over records of count times sampling rate, rounded once, at the end. The
 * rate is taken as a multiple of 2^-24 and the sum kept in 128 bits, so it does not depend on the
 * order of additions, and roll-ups and blocks give the same. A rate that no sampling can have
 * (below one in 2^24, past one in 2^32, not a number) counts as unknown. */
#include "query/question.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 u128;
#define RATE_FRACTION 24
#define RATE_MOST 4294967296.0
#define ESTIMATE_WORDS 6u /* three u128 behind a record's words */

struct estimate {
    u128 of[3]; /* octets, packets, flows, times 2^RATE_FRACTION */
};

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

/* Multiples of 2^-24; 0: unknown. */
static uint64_t fixed_rate(double rate)
{
    if (!(rate > 0) || rate > RATE_MOST)
        return 0;
    return (uint64_t)(rate * (1 << RATE_FRACTION) + 0.5);
}

static uint64_t rounded(u128 estimate)
{
    u128 value = (estimate + (1u << (RATE_FRACTION - 1))) >> RATE_FRACTION;
    return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static void estimate_add(struct estimate *e, const uint64_t *sums, uint64_t rate)
{
    uint64_t times = rate ? rate : UINT64_C(1) << RATE_FRACTION;
    for (unsigned i = 0; i < 3; i++)
        e->of[i] += (u128)sums[i] * times;
}

static struct counts counts_of(const uint64_t *sums)
{
    return (struct counts){.octets = sums[0], .packets = sums[1], .flows = sums[2]};
}

static struct counts counts_of_estimate(const struct estimate *e)
{
    return (struct counts){.octets = rounded(e->of[0]), .packets = rounded(e->of[1]),
                           .flows = rounded(e->of[2])};
}

static void counts_add(struct counts *to, const uint64_t *sums)
{
    to->octets += sums[0];
    to->packets += sums[1];
    to->flows += sums[2];
}

/* Sums over all groups, into the answer's account. */
static void sum_groups(const struct question *q, const struct tally *t, const uint64_t *records,
                       unsigned stride, size_t count, struct answer_account *out)
{
    struct estimate all = {0};
    for (size_t i = 0; i < count; i++) {
        const uint64_t *record = records + i * stride;
        double rate = layout_rate(&q->layout, &t->interns, record + GROUP_SUMS);
        counts_add(&out->raw, record);
        if (fixed_rate(rate) == 0)
            counts_add(&out->unknown_rate, record);
        estimate_add(&all, record, fixed_rate(rate));
    }
    out->estimated = counts_of_estimate(&all);
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
        estimate_add(&e, from, fixed_rate(layout_rate(l, &t->interns, from + GROUP_SUMS)));
        memcpy(behind, &e, sizeof e);
    }
    return true;
}
_Static_assert(sizeof(struct estimate) == ESTIMATE_WORDS * sizeof(uint64_t),
               "room for an estimate");

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
    struct estimate e = {0};
    for (size_t k = 0; k < q->key_count; k++) {
        component_value(&q->layout.components[k], &r->tally->interns.tables[k], words, &keys[k]);
        if (!keep_text(&keys[k], q, a))
            return false;
    }
    if (q->layout.rate >= 0)
        memcpy(&e, words + q->layout.words, sizeof e);
    else
        estimate_add(&e, record, fixed_rate(q->layout.uniform_rate));
    row->keys = keys;
    row->bin_ms = q->when.from_ms + (int64_t)(bin_of(r, at) * q->bins.step);
    row->raw = counts_of(record);
    row->estimated = counts_of_estimate(&e);
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

enum weir_status question_finish(struct question *q, struct tally *t, struct totals *out,
                              struct weir_error *error)
{
    struct ranking r = {.question = q, .tally = t, .order = q->request->order,
                        .stride = t->groups.stride};
    struct groups folded = {0};
    bool fine = true;
    r.records = groups_compact(&t->groups, &r.count);
    sum_groups(q, t, r.records, r.stride, r.count, &out->account);
    if (q->layout.rate >= 0) {
        fine = groups_init(&folded, &q->budget, q->loops, q->seed, q->layout.words, ESTIMATE_WORDS,
                           0) &&
               fold(q, t, r.records, r.count, &folded);
        r.stride = folded.stride;
        r.records = fine ? groups_compact(&folded, &r.count) : NULL;
    }
    fine = fine && rank_groups(&r, q->request->top) && write_rows(&r, out) && write_empty(q, out) &&
           write_keys(q, out);
    if (folded.records)
        groups_free(&folded);
    return fine ? WEIR_OK : budget_error(&q->budget, error);
}
