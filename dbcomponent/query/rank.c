/* rank.c - see rank.h. */
#include "query/rank.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

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

uint64_t ranking_bin(const struct ranking *r, size_t at)
{
    const struct layout *l = &r->question->layout;
    return l->bin < 0 ? 0 : component_code(&l->components[l->bin], words_of(r, at));
}

/* As rows are shown: bins in order of time, within a bin by rank. */
static int by_bin(const void *a, const void *b, void *context)
{
    const struct ranked *x = a, *y = b;
    uint64_t left = ranking_bin(context, x->at), right = ranking_bin(context, y->at);
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

size_t ranking_room(const struct ranking *r)
{
    uint32_t top = r->question->request->top;
    size_t most = top && top < TOTALS_ROWS_MOST ? top : TOTALS_ROWS_MOST;
    return r->count < most ? r->count : most;
}

void ranking_pick(struct ranking *r)
{
    r->row_count = ranking_room(r);
    for (size_t i = 0; i < r->row_count; i++)
        r->rows[i] = (struct ranked){r->records[i * r->stride + r->order], i};
    if (r->row_count && r->row_count < r->count)
        keep_best(r);
}

/* ---- sorting ---- */

#define STRETCH_LEAST 16384u /* fewer rows are sorted sooner than a thread is started */

struct stretch { /* of the rows */
    struct ranking *ranking;
    int (*compare)(const void *a, const void *b, void *ranking);
    struct ranked *rows;
    size_t count, threads;
};

static void sort_alone(const struct stretch *s)
{
    qsort_r(s->rows, s->count, sizeof *s->rows, s->compare, s->ranking);
}

/* Two that are in order, `right` behind `left`, as one. False: no memory to move `left` away. */
static bool merge(const struct stretch *left, const struct stretch *right)
{
    struct ranked *to = left->rows, *b = right->rows, *end = b + right->count;
    struct ranked *moved = malloc(left->count * sizeof *moved), *a = moved;
    if (!moved)
        return false;
    memcpy(moved, left->rows, left->count * sizeof *moved);
    while (a < moved + left->count)
        *to++ = b < end && left->compare(b, a, left->ranking) < 0 ? *b++ : *a++;
    free(moved);
    return true;
}

static void sort(const struct stretch *s);

static void *help(void *stretch)
{
    const struct stretch *s = stretch;
    uint64_t cpu = clock_thread_cpu_us();
    sort(s);
    atomic_fetch_add(&s->ranking->cpu_us, clock_thread_cpu_us() - cpu);
    return NULL;
}

/* Half of the threads sort the second part, meanwhile the others the first. */
static void sort(const struct stretch *s)
{
    pthread_t helper;
    size_t half = s->threads / 2, count = s->count / s->threads * half;
    if (s->threads < 2 || count < STRETCH_LEAST) {
        sort_alone(s);
        return;
    }
    struct stretch left = *s, right = *s;
    left.count -= count;
    left.threads -= half;
    right.rows += left.count;
    right.count = count;
    right.threads = half;
    bool helped = pthread_create(&helper, NULL, help, &right) == 0;
    sort(&left);
    if (helped)
        pthread_join(helper, NULL);
    else
        sort_alone(&right);
    if (!merge(&left, &right))
        sort_alone(s);
}

void ranking_sort(struct ranking *r, size_t threads)
{
    sort(&(struct stretch){.ranking = r,
                           .compare = r->question->layout.bin >= 0 ? by_bin : by_rank,
                           .rows = r->rows,
                           .count = r->row_count,
                           .threads = threads});
}
