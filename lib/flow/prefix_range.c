/* prefix_range.c - see prefix_range.h. Its neighbour is prefix.c. */
#include "flow/prefix_range.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define KEYS 8u           /* a cache line of starts */
#define WAYS (KEYS + 1u)
#define DEPTH_MOST 66u    /* distinct lengths that can be nested */
#define HUGE_PAGE (2u << 20)

struct open_range {
    uint64_t last; /* included */
    uint32_t value;
};

struct sweep {
    struct boundaries *out;
    size_t base; /* boundaries before this one belong to another sweep */
    struct open_range open[DEPTH_MOST + 1];
    size_t depth; /* open[0] is the background and never closes */
};

/* ---- sweeping ---- */

static bool boundaries_room(struct boundaries *b, size_t more)
{
    if (b->room - b->count >= more)
        return true;
    size_t room = 2 * b->room + more;
    uint64_t *starts = realloc(b->starts, room * sizeof *starts);
    if (starts)
        b->starts = starts;
    uint32_t *values = starts ? realloc(b->values, room * sizeof *values) : NULL;
    if (!values)
        return false;
    b->values = values;
    b->room = room;
    return true;
}

/* From `start` on the value is the innermost open range's. Equal neighbours are one. */
static void emit(struct sweep *s, uint64_t start)
{
    struct boundaries *b = s->out;
    uint32_t value = s->open[s->depth].value;
    if (b->count > s->base && b->starts[b->count - 1] == start)
        b->count--;
    if (b->count > s->base && b->values[b->count - 1] == value)
        return;
    b->starts[b->count] = start;
    b->values[b->count++] = value;
}

static void close_before(struct sweep *s, uint64_t start)
{
    while (s->depth && s->open[s->depth].last < start) {
        uint64_t next = s->open[s->depth].last + 1;
        s->depth--;
        emit(s, next);
    }
}

static uint64_t range_last(const struct range *r)
{
    return r->length >= 64 ? r->start : r->length ? r->start | UINT64_MAX >> r->length : UINT64_MAX;
}

bool boundaries_sweep(struct boundaries *b, const struct range *ranges, size_t count,
                      uint32_t background, uint32_t *backgrounds)
{
    struct sweep s = {.out = b, .base = b->count};
    if (!boundaries_room(b, 2 * count + 1))
        return false;
    s.open[0] = (struct open_range){UINT64_MAX, background};
    emit(&s, 0);
    for (size_t i = 0; i < count; i++) {
        const struct range *r = &ranges[i];
        if (i && r->start == r[-1].start && r->length == r[-1].length)
            continue; /* the same rule again */
        close_before(&s, r->start);
        if (r->value & RANGE_NODE)
            backgrounds[r->value & ~RANGE_NODE] = s.open[s.depth].value;
        s.open[++s.depth] = (struct open_range){range_last(r), r->value};
        emit(&s, r->start);
    }
    close_before(&s, UINT64_MAX);
    return true;
}

uint32_t boundaries_find(const struct boundaries *b, size_t first, size_t count, uint64_t x)
{
    const uint64_t *at = b->starts + first;
    while (count > 1) {
        size_t half = count / 2;
        at = at[half] <= x ? at + half : at;
        count -= half;
    }
    return b->values[at - b->starts];
}

void boundaries_free(struct boundaries *b)
{
    free(b->starts);
    free(b->values);
    *b = (struct boundaries){0};
}

/* ---- the tree ---- */

static void plan_levels(struct range_tree *t, size_t count, size_t *keys)
{
    size_t nodes = (count + KEYS - 1) / KEYS;
    *keys = 0;
    for (t->levels = 0;; nodes = (nodes + WAYS - 1) / WAYS) {
        t->first[t->levels] = *keys;
        t->nodes[t->levels++] = nodes;
        *keys += nodes * KEYS;
        if (nodes == 1)
            return;
    }
}

static void *aligned(size_t size)
{
    size_t align = size >= HUGE_PAGE ? HUGE_PAGE : 64;
    void *memory = aligned_alloc(align, (size + align - 1) / align * align);
    if (memory && align == HUGE_PAGE)
        (void)madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

/* The least key below node `node` of `level`; UINT64_MAX past the last node. */
static uint64_t least_below(const struct range_tree *t, unsigned level, size_t node)
{
    while (level-- > 0)
        node *= WAYS;
    return node < t->nodes[0] ? t->keys[node * KEYS] : UINT64_MAX;
}

static void fill_level(struct range_tree *t, unsigned level)
{
    uint64_t *keys = t->keys + t->first[level];
    for (size_t node = 0; node < t->nodes[level]; node++)
        for (size_t way = 1; way <= KEYS; way++)
            keys[node * KEYS + way - 1] = least_below(t, level - 1, node * WAYS + way);
}

bool range_tree_build(struct range_tree *t, const struct boundaries *b)
{
    size_t keys;
    *t = (struct range_tree){0};
    if (!b->count)
        return true;
    plan_levels(t, b->count, &keys);
    t->keys = aligned(keys * sizeof *t->keys);
    t->values = aligned(t->nodes[0] * KEYS * sizeof *t->values);
    if (!t->keys || !t->values)
        return false;
    /* Padding is never below a number that is searched, or holds the last value all the same. */
    for (size_t i = 0; i < t->nodes[0] * KEYS; i++) {
        t->keys[i] = i < b->count ? b->starts[i] : UINT64_MAX;
        t->values[i] = b->values[i < b->count ? i : b->count - 1];
    }
    for (unsigned level = 1; level < t->levels; level++)
        fill_level(t, level);
    return true;
}

void range_tree_free(struct range_tree *t)
{
    free(t->keys);
    free(t->values);
    *t = (struct range_tree){0};
}

static inline size_t rank(const uint64_t *keys, uint64_t x)
{
    size_t n = 0;
    for (unsigned i = 0; i < KEYS; i++)
        n += keys[i] <= x;
    return n;
}

/* One level down. The clamp is for UINT64_MAX, which padding is not above. */
static inline size_t step(const struct range_tree *t, unsigned level, size_t node, uint64_t x)
{
    size_t next = node * WAYS + rank(t->keys + t->first[level] + node * KEYS, x);
    return next < t->nodes[level - 1] ? next : t->nodes[level - 1] - 1;
}

static inline size_t leaf(const struct range_tree *t, size_t node, uint64_t x)
{
    return node * KEYS + rank(t->keys + node * KEYS, x) - 1;
}

uint32_t range_tree_find(const struct range_tree *t, uint64_t x)
{
    size_t node = 0;
    if (!t->levels)
        return 0;
    for (unsigned level = t->levels - 1; level > 0; level--)
        node = step(t, level, node, x);
    return t->values[leaf(t, node, x)];
}

void range_tree_find_many(const struct range_tree *t, const uint64_t *x, size_t n, uint32_t *values)
{
    size_t node[RANGE_WINDOW] = {0};
    if (!t->levels) {
        memset(values, 0, n * sizeof *values);
        return;
    }
    for (unsigned level = t->levels - 1; level > 0; level--)
        for (size_t i = 0; i < n; i++) {
            node[i] = step(t, level, node[i], x[i]);
            __builtin_prefetch(t->keys + t->first[level - 1] + node[i] * KEYS);
            if (level == 1)
                __builtin_prefetch(t->values + node[i] * KEYS);
        }
    for (size_t i = 0; i < n; i++)
        values[i] = t->values[leaf(t, node[i], x[i])];
}

size_t range_tree_memory(const struct range_tree *t)
{
    size_t keys = 0;
    for (unsigned level = 0; level < t->levels; level++)
        keys += t->nodes[level] * KEYS;
    return keys * sizeof *t->keys + (t->levels ? t->nodes[0] * KEYS * sizeof *t->values : 0);
}
