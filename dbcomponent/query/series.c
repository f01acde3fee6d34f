/* series.c - the largest series, and percentiles of series: the groups, sorted so that those which
 * differ in nothing but their time bin are neighbours; each measure's percentile by the nearest
 * rank (store.h, totals_percentile). Neighbour: finish.c, whose groups these are. */
#include "query/estimate.h"
#include "query/question.h"

#include <stdlib.h>
#include <string.h>

#define MEASURES 6u /* octets, packets, flows; raw, estimated */

struct serial {
    struct question *question;
    const struct tally *tally;
    const struct group_list *groups;
    size_t *order;              /* groups, those of a series together */
    uint64_t *values[MEASURES]; /* of one series */
    uint64_t bin_mask;          /* where the bin's code is not, in its word */
    unsigned bin_word;
};

static const uint64_t *words_of(const struct serial *s, size_t group)
{
    return s->groups->records + group * s->groups->stride + GROUP_SUMS;
}

/* Codes are one to one with values within a tally, so any order of them brings equals together. */
static int by_series(const void *a, const void *b, void *context)
{
    const struct serial *s = context;
    const uint64_t *x = words_of(s, *(const size_t *)a), *y = words_of(s, *(const size_t *)b);
    for (unsigned w = 0; w < s->question->layout.words; w++) {
        uint64_t mask = w == s->bin_word ? s->bin_mask : UINT64_MAX;
        if ((x[w] & mask) != (y[w] & mask))
            return (x[w] & mask) > (y[w] & mask) ? 1 : -1;
    }
    return 0;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Bins that are no group have zero, and come first. */
static uint64_t nearest_rank(const struct question *q, uint64_t *values, uint64_t count)
{
    uint64_t bins = q->bins.count, zeros = bins - count;
    uint64_t rank = (q->request->percentile * bins + 99) / 100;
    if (rank <= zeros)
        return 0;
    qsort(values, count, sizeof *values, ascending);
    return values[rank - zeros - 1];
}

static void take_values(const struct serial *s, size_t group, size_t at)
{
    const struct layout *l = &s->question->layout;
    const uint64_t *record = words_of(s, group) - GROUP_SUMS;
    const struct counts raw = {record[0], record[1], record[2]};
    struct estimate e = {0};
    if (l->rate >= 0)
        memcpy(&e, record + GROUP_SUMS + l->words, sizeof e);
    else
        estimate_add(&e, raw, fixed_rate(l->uniform_rate));
    const struct counts estimated = estimate_counts(&e);
    const uint64_t all[MEASURES] = {raw.octets,       raw.packets,       raw.flows,
                                    estimated.octets, estimated.packets, estimated.flows};
    for (unsigned m = 0; m < MEASURES; m++)
        s->values[m][at] = all[m];
}

static bool keep_keys(const struct serial *s, size_t group, struct arena *a,
                      struct totals_percentile *out)
{
    struct question *q = s->question;
    struct key_value *keys = arena_alloc(a, (q->key_count + 1) * sizeof *keys);
    for (size_t k = 0; keys && k < q->key_count; k++) {
        component_value(&q->layout.components[k], &s->tally->interns.tables[k], words_of(s, group),
                        &keys[k]);
        if (keys[k].absent || keys[k].width != 0)
            continue;
        keys[k].text.bytes =
            (const uint8_t *)arena_copy(a, keys[k].text.bytes, keys[k].text.length);
        if (!keys[k].text.bytes)
            return false;
    }
    out->keys = keys;
    return keys != NULL;
}

/* The series whose groups are order[first … first + count - 1]. */
static bool put_series(const struct serial *s, size_t first, size_t count, struct arena *a,
                       struct totals_percentile *out)
{
    uint64_t of[MEASURES];
    for (size_t i = 0; i < count; i++)
        take_values(s, s->order[first + i], i);
    for (unsigned m = 0; m < MEASURES; m++)
        of[m] = nearest_rank(s->question, s->values[m], count);
    out->raw = (struct counts){of[0], of[1], of[2]};
    out->estimated = (struct counts){of[3], of[4], of[5]};
    return keep_keys(s, s->order[first], a, out);
}

static size_t length_of(struct serial *s, size_t first)
{
    size_t n = 1;
    while (first + n < s->groups->count &&
           by_series(&s->order[first], &s->order[first + n], s) == 0)
        n++;
    return n;
}

struct listed {
    uint64_t measure;
    size_t group; /* one of the series */
    struct totals_percentile row;
};

static int compare_ranks(const struct serial *s, uint64_t x, size_t x_group, uint64_t y,
                         size_t y_group)
{
    if (x != y)
        return x > y ? -1 : 1;
    return layout_compare(&s->question->layout, &s->tally->interns, words_of(s, x_group),
                          words_of(s, y_group));
}

/* Most of the measure first, ties by keys. */
static int by_measure(const void *a, const void *b, void *context)
{
    const struct listed *x = a, *y = b;
    return compare_ranks(context, x->measure, x->group, y->measure, y->group);
}

static uint64_t measure_of(struct counts c, enum measure order)
{
    return order == MEASURE_OCTETS ? c.octets : order == MEASURE_PACKETS ? c.packets : c.flows;
}

static bool list_series(struct serial *s, struct arena *a, struct listed *list, size_t *count)
{
    for (size_t first = 0, n; first < s->groups->count; first += n) {
        n = length_of(s, first);
        struct listed *one = &list[*count];
        if (!put_series(s, first, n, a, &one->row))
            return false;
        one->measure = measure_of(one->row.raw, s->question->request->order);
        one->group = s->order[first];
        ++*count;
    }
    return true;
}

static bool write_list(struct serial *s, struct listed *list, size_t count, struct totals *out)
{
    const struct question *q = s->question;
    uint32_t top = q->request->top;
    qsort_r(list, count, sizeof *list, by_measure, s);
    out->percentile_count = top && top < count ? top : count;
    /* Without keys there is one series even when nothing matched. */
    bool nothing = count == 0 && q->key_count == 0;
    out->percentiles = arena_zero(out->memory, (count + 1) * sizeof *out->percentiles);
    for (size_t i = 0; out->percentiles && i < out->percentile_count; i++)
        out->percentiles[i] = list[i].row;
    out->percentile_count += nothing;
    return out->percentiles != NULL;
}

/* Sorts the groups by series; octets beside are for what the caller keeps of each. */
static bool sort_series(struct serial *s, size_t beside)
{
    struct question *q = s->question;
    const struct layout *l = &q->layout;
    size_t count = s->groups->count;
    if (!budget_take(&q->budget, (count + 1) * (sizeof *s->order + beside)))
        return false;
    s->bin_mask = UINT64_MAX;
    if (l->bin >= 0) {
        const struct component *c = &l->components[l->bin];
        s->bin_word = c->word;
        s->bin_mask = ~(((UINT64_C(1) << c->bits) - 1) << c->shift);
    }
    s->order = arena_alloc(&q->arena, (count + 1) * sizeof *s->order);
    if (!s->order)
        return false;
    for (size_t i = 0; i < count; i++)
        s->order[i] = i;
    qsort_r(s->order, count, sizeof *s->order, by_series, s);
    return true;
}

bool question_percentiles(struct question *q, const struct tally *t,
                          const struct group_list *groups, struct totals *out)
{
    struct serial s = {.question = q, .tally = t, .groups = groups};
    size_t count = 0, bins = q->bins.count < groups->count ? q->bins.count : groups->count;
    if (!sort_series(&s, sizeof(struct listed)))
        return false;
    struct listed *list = arena_alloc(&q->arena, (groups->count + 1) * sizeof *list);
    s.values[0] = arena_alloc(&q->arena, MEASURES * (bins + 1) * sizeof *s.values[0]);
    if (!list || !s.values[0])
        return false;
    for (unsigned m = 1; m < MEASURES; m++)
        s.values[m] = s.values[m - 1] + bins + 1;
    return list_series(&s, out->memory, list, &count) && write_list(&s, list, count, out);
}

/* ---- the largest ---- */

struct span { /* order[first … first + count - 1] */
    uint64_t whole;
    size_t first, count;
};

/* Most of the whole first, ties by keys. */
static int by_whole(const void *a, const void *b, void *context)
{
    const struct span *x = a, *y = b;
    const struct serial *s = context;
    return compare_ranks(s, x->whole, s->order[x->first], y->whole, s->order[y->first]);
}

static struct span take_span(struct serial *s, size_t first)
{
    struct span span = {.first = first, .count = length_of(s, first)};
    for (size_t i = 0; i < span.count; i++) {
        const uint64_t *sums = words_of(s, s->order[first + i]) - GROUP_SUMS;
        if (__builtin_add_overflow(span.whole, sums[s->question->request->order], &span.whole))
            span.whole = UINT64_MAX;
    }
    return span;
}

static int ascending_places(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

bool question_keep_series(struct question *q, const struct tally *t, struct group_list *groups)
{
    struct serial s = {.question = q, .tally = t, .groups = groups};
    size_t count = 0, kept = 0, most = q->request->series;
    if (!sort_series(&s, sizeof(struct span) + sizeof(size_t)))
        return false;
    struct span *spans = arena_alloc(&q->arena, (groups->count + 1) * sizeof *spans);
    size_t *places = arena_alloc(&q->arena, (groups->count + 1) * sizeof *places);
    if (!spans || !places)
        return false;
    for (size_t first = 0; first < groups->count; first += spans[count++].count)
        spans[count] = take_span(&s, first);
    qsort_r(spans, count, sizeof *spans, by_whole, &s);
    for (size_t i = 0; i < count && i < most; i++)
        for (size_t k = 0; k < spans[i].count; k++)
            places[kept++] = s.order[spans[i].first + k];
    /* Each moves forward or stays, so that none is overwritten before it has moved. */
    qsort(places, kept, sizeof *places, ascending_places);
    for (size_t i = 0; i < kept; i++)
        memmove(groups->records + i * groups->stride, groups->records + places[i] * groups->stride,
                groups->stride * sizeof *groups->records);
    groups->count = kept;
    return true;
}
