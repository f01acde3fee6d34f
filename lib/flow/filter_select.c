/* filter_select.c - the tree on bitmaps: one bit a row, 64 rows a word.
 *
 * "and" stops when nothing is left, "or" when everything is; what is already decided is passed down
 * as `care`, so that later leaves skip whole words. Leaves: filter_leaf.c. Also here: numbers that
 * are made of several elements. */
#include "flow/filter_private.h"

#include <string.h>

/* ---- spare bitmaps: as many as the tree is deep, taken from the arena once ---- */

static uint64_t *take(struct evaluation *e)
{
    uint64_t *map = e->spare;
    if (!map)
        return arena_alloc(e->arena, e->words * sizeof *map);
    memcpy(&e->spare, map, sizeof e->spare);
    return map;
}

static void give(struct evaluation *e, uint64_t *map)
{
    memcpy(map, &e->spare, sizeof e->spare);
    e->spare = map;
}

/* ---- words ---- */

static uint64_t last_word(const struct evaluation *e)
{
    uint32_t rest = e->frame->rows % 64;
    return rest ? (UINT64_C(1) << rest) - 1 : UINT64_MAX;
}

static void set_all(const struct evaluation *e, uint64_t *out)
{
    memset(out, 0xff, e->words * sizeof *out);
    out[e->words - 1] &= last_word(e);
}

static bool all_zero(const uint64_t *map, uint32_t words)
{
    uint64_t any = 0;
    for (uint32_t w = 0; w < words; w++)
        any |= map[w];
    return any == 0;
}

/* ---- nodes; false: memory ended ---- */

static bool evaluate(struct evaluation *e, uint32_t node, const uint64_t *care, uint64_t *out);

static bool evaluate_and(struct evaluation *e, uint32_t child, const uint64_t *care, uint64_t *out)
{
    const struct node *nodes = e->filter->nodes;
    uint64_t *next = take(e);
    bool ok = next && evaluate(e, child, care, out);
    while (ok && (child = nodes[child].next) != 0 && !all_zero(out, e->words)) {
        ok = evaluate(e, child, out, next);
        for (uint32_t w = 0; w < e->words; w++)
            out[w] &= next[w];
    }
    if (next)
        give(e, next);
    return ok;
}

static bool evaluate_or(struct evaluation *e, uint32_t child, const uint64_t *care, uint64_t *out)
{
    const struct node *nodes = e->filter->nodes;
    uint64_t *next = take(e), *open = take(e);
    bool ok = next && open && evaluate(e, child, care, out);
    while (ok && (child = nodes[child].next) != 0) {
        for (uint32_t w = 0; w < e->words; w++)
            open[w] = ~out[w] & (care ? care[w] : UINT64_MAX);
        open[e->words - 1] &= last_word(e);
        if (all_zero(open, e->words))
            break;
        ok = evaluate(e, child, open, next);
        for (uint32_t w = 0; w < e->words; w++)
            out[w] |= next[w];
    }
    if (next)
        give(e, next);
    if (open)
        give(e, open);
    return ok;
}

static bool evaluate_not(struct evaluation *e, uint32_t child, const uint64_t *care, uint64_t *out)
{
    if (!evaluate(e, child, care, out))
        return false;
    for (uint32_t w = 0; w < e->words; w++)
        out[w] = ~out[w];
    out[e->words - 1] &= last_word(e);
    return true;
}

static bool evaluate(struct evaluation *e, uint32_t node, const uint64_t *care, uint64_t *out)
{
    const struct node *n = &e->filter->nodes[node];
    switch ((enum node_kind)n->kind) {
    case NODE_AND:
        return evaluate_and(e, n->first, care, out);
    case NODE_OR:
        return evaluate_or(e, n->first, care, out);
    case NODE_NOT:
        return evaluate_not(e, n->first, care, out);
    case NODE_LEAF:
        return leaf_select(&e->filter->leaves[n->first], e, care, out);
    case NODE_ALL:
        break;
    }
    set_all(e, out);
    return true;
}

uint32_t filter_select(const struct filter *f, const struct frame *frame, struct arena *a,
                       uint64_t *selected)
{
    struct evaluation e = {
        .filter = f, .frame = frame, .arena = a, .words = (frame->rows + 63) / 64};
    uint32_t count = 0;
    if (frame->rows == 0)
        return 0;
    if (!evaluate(&e, f->root, NULL, selected))
        return UINT32_MAX;
    for (uint32_t w = 0; w < e.words; w++)
        count += (uint32_t)__builtin_popcountll(selected[w]);
    return count;
}

/* ---- derived numbers ---- */

static uint64_t duration_of(uint64_t start, uint64_t end)
{
    return end > start ? end - start : 0;
}

/* floor(n * factor / by); 0 by 0, as nfdump has it: a flow of no duration has no rate. */
static uint64_t ratio(uint64_t n, uint64_t factor, uint64_t by)
{
    uint64_t scaled;
    if (by == 0)
        return 0;
    if (!__builtin_mul_overflow(n, factor, &scaled))
        return scaled / by;
    wide quotient = (wide)n * factor / by;
    return quotient > UINT64_MAX ? UINT64_MAX : (uint64_t)quotient;
}

uint64_t derived_number(enum derived derived, const uint64_t inputs[DERIVED_INPUTS])
{
    switch (derived) {
    case DERIVED_DURATION:
        return duration_of(inputs[0], inputs[1]);
    case DERIVED_PPS:
        return ratio(inputs[2], 1000, duration_of(inputs[0], inputs[1]));
    case DERIVED_BPS:
        return ratio(inputs[2], 8000, duration_of(inputs[0], inputs[1]));
    case DERIVED_BPP:
        return ratio(inputs[1], 1, inputs[0]);
    case DERIVED_COUNT:
        break;
    }
    return 0;
}

/* Up to 64 numbers of a vector, from `row`. */
static void fetch(const struct vector *v, uint32_t row, uint32_t n, uint64_t out[64])
{
    if (v->form == VECTOR_FLAT && v->width == 8) {
        memcpy(out, (const uint64_t *)v->values + row, n * sizeof *out);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = vector_u64(v, row + i);
}

/* Which of `n` numbers lie in the leaf's ranges; one range is what comparisons have. */
static uint64_t held(const struct leaf *leaf, const uint64_t numbers[64], uint32_t n)
{
    uint64_t word = 0;
    if (leaf->count == 1 && leaf->ranges[0].low <= UINT64_MAX) {
        wide high = leaf->ranges[0].high;
        uint64_t low = (uint64_t)leaf->ranges[0].low;
        kernel_range(8, numbers, n, NULL, low,
                     (high < UINT64_MAX ? (uint64_t)high : UINT64_MAX) - low, &word);
        return n < 64 ? word & ((UINT64_C(1) << n) - 1) : word;
    }
    for (uint32_t i = 0; i < n; i++)
        word |= (uint64_t)ranges_hold(leaf->ranges, leaf->count, numbers[i]) << i;
    return word;
}

static uint64_t derived_word(const struct leaf *leaf, const struct vector *const *inputs,
                             uint32_t row, uint32_t n)
{
    uint64_t columns[DERIVED_INPUTS][64], numbers[64] = {0};
    for (int k = 0; k < DERIVED_INPUTS && inputs[k]; k++)
        fetch(inputs[k], row, n, columns[k]);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t each[DERIVED_INPUTS] = {columns[0][i], columns[1][i],
                                         inputs[2] ? columns[2][i] : 0};
        numbers[i] = derived_number((enum derived)leaf->derived, each);
    }
    return held(leaf, numbers, n);
}

bool leaf_derived_select(const struct leaf *leaf, const struct evaluation *e, const uint64_t *care,
                         uint64_t *out)
{
    const struct vector *inputs[DERIVED_INPUTS] = {NULL};
    memset(out, 0, e->words * sizeof *out);
    for (int k = 0; k < DERIVED_INPUTS && derived_inputs[leaf->derived][k]; k++) {
        inputs[k] = frame_find(e->frame, derived_inputs[leaf->derived][k]);
        if (!inputs[k] || inputs[k]->width == 0 || inputs[k]->width == 16)
            return true;
    }
    for (uint32_t w = 0; w < e->words; w++) {
        uint32_t rest = e->frame->rows - 64 * w;
        if (care && !care[w])
            continue;
        out[w] = derived_word(leaf, inputs, 64 * w, rest < 64 ? rest : 64);
        for (int k = 0; k < DERIVED_INPUTS; k++)
            out[w] &= inputs[k] && inputs[k]->present ? inputs[k]->present[w] : UINT64_MAX;
    }
    return true;
}
