/* filter_judge.c - the tree on bounds: can any row of a block match, do all of them?
 *
 * A leaf's numbers are known to lie in [least, most] of the element's order; if no range of the
 * leaf meets that, no row matches; if one range contains it and every row has the element, all do.
 * Where nothing is known the verdict is FILTER_SOME, which is always right. filter_select() is the
 * other reading of the same tree. */
#include "flow/filter_private.h"

static wide load_octets(const uint8_t octets[16])
{
    wide n = 0;
    for (int i = 0; i < 16; i++)
        n = n << 8 | octets[i];
    return n;
}

/* The bounds in a leaf's order; false: nothing is known. Storage is bounded as unsigned numbers, so
 * signed and floating ones are in order only where both ends have the same sign. */
static bool bounds_as_range(const struct column_bounds *b, enum order order, struct range *out)
{
    wide least = b->width == 16 ? load_octets(b->least_octets) : b->least;
    wide most = b->width == 16 ? load_octets(b->most_octets) : b->most;
    if (b->width == 0 || least > most)
        return false;
    *out = (struct range){least, most};
    if (order == ORDER_UNSIGNED)
        return true;
    wide sign = (wide)1 << (8 * b->width - 1);
    if ((order != ORDER_SIGNED && order != ORDER_FLOAT) || b->width > 8 ||
        (least & sign) != (most & sign))
        return false;
    struct range r;
    if (!order_number(order, least, b->width, &r.low) ||
        !order_number(order, most, b->width, &r.high))
        return false;
    *out = r.low <= r.high ? r : (struct range){r.high, r.low}; /* negative floats turn round */
    return true;
}

/* `known` against the leaf's ranges. (Not-a-number matches nothing; it is above or below all
 * numbers of its sign, so a column that has one is bounded by one, and then nothing is known.) */
static enum filter_verdict judge_range(const struct leaf *leaf, struct range known,
                                       bool all_present)
{
    uint32_t low = 0, high = leaf->count; /* the first range that ends at or after known.low */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (leaf->ranges[middle].high < known.low)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == leaf->count || leaf->ranges[low].low > known.high)
        return FILTER_NONE;
    bool inside = leaf->ranges[low].low <= known.low && known.high <= leaf->ranges[low].high;
    return inside && all_present ? FILTER_ALL : FILTER_SOME;
}

/* (x & mask) == value needs every bit of value, so x >= value. */
static enum filter_verdict judge_bits(const struct leaf *leaf, struct range known, bool all_present)
{
    if (known.high < leaf->value)
        return FILTER_NONE;
    if (known.low != known.high)
        return FILTER_SOME;
    if (((uint64_t)known.low & leaf->mask) != leaf->value)
        return FILTER_NONE;
    return all_present ? FILTER_ALL : FILTER_SOME;
}

static enum filter_verdict judge_element(const struct leaf *leaf, const struct column_bounds *b)
{
    struct range known;
    if (!b->any)
        return FILTER_NONE;
    if (leaf->kind == LEAF_HAS)
        return b->all_present ? FILTER_ALL : FILTER_SOME;
    if (!bounds_as_range(b, (enum order)leaf->order, &known))
        return FILTER_SOME;
    if (leaf->kind == LEAF_RANGES)
        return judge_range(leaf, known, b->all_present);
    return leaf->kind == LEAF_BITS ? judge_bits(leaf, known, b->all_present) : FILTER_SOME;
}

/* Durations have bounds; rates are not worth it. */
static enum filter_verdict judge_derived(const struct leaf *leaf, filter_bounds bounds,
                                         void *context)
{
    struct column_bounds in[DERIVED_INPUTS];
    bool all = true;
    for (int k = 0; k < DERIVED_INPUTS && derived_inputs[leaf->derived][k]; k++) {
        if (!bounds(context, derived_inputs[leaf->derived][k], &in[k]))
            return FILTER_SOME;
        if (!in[k].any)
            return FILTER_NONE;
        if (in[k].width == 0 || in[k].width == 16)
            return FILTER_SOME;
        all &= in[k].all_present;
    }
    if (leaf->derived != DERIVED_DURATION)
        return FILTER_SOME;
    const uint64_t shortest[DERIVED_INPUTS] = {in[0].most, in[1].least};
    const uint64_t longest[DERIVED_INPUTS] = {in[0].least, in[1].most};
    struct range known = {derived_number(DERIVED_DURATION, shortest),
                          derived_number(DERIVED_DURATION, longest)};
    return judge_range(leaf, known, all);
}

static enum filter_verdict judge_leaf(const struct leaf *leaf, filter_bounds bounds, void *context)
{
    struct column_bounds b;
    if (leaf->kind == LEAF_DERIVED)
        return judge_derived(leaf, bounds, context);
    return bounds(context, leaf->key, &b) ? judge_element(leaf, &b) : FILTER_SOME;
}

static enum filter_verdict judge(const struct filter *f, uint32_t node, filter_bounds bounds,
                                 void *context);

/* "and" is none as soon as one is none; "or" is all as soon as one is all. */
static enum filter_verdict judge_children(const struct filter *f, const struct node *n,
                                          filter_bounds bounds, void *context)
{
    enum filter_verdict decisive = n->kind == NODE_AND ? FILTER_NONE : FILTER_ALL;
    enum filter_verdict result = n->kind == NODE_AND ? FILTER_ALL : FILTER_NONE;
    for (uint32_t child = n->first; child; child = f->nodes[child].next) {
        enum filter_verdict v = judge(f, child, bounds, context);
        if (v == decisive)
            return decisive;
        if (v == FILTER_SOME)
            result = FILTER_SOME;
    }
    return result;
}

static enum filter_verdict judge(const struct filter *f, uint32_t node, filter_bounds bounds,
                                 void *context)
{
    static const enum filter_verdict opposite[] = {
        [FILTER_NONE] = FILTER_ALL, [FILTER_SOME] = FILTER_SOME, [FILTER_ALL] = FILTER_NONE};
    const struct node *n = &f->nodes[node];
    switch ((enum node_kind)n->kind) {
    case NODE_AND:
    case NODE_OR:
        return judge_children(f, n, bounds, context);
    case NODE_NOT:
        return opposite[judge(f, n->first, bounds, context)];
    case NODE_LEAF:
        return judge_leaf(&f->leaves[n->first], bounds, context);
    case NODE_ALL:
        break;
    }
    return FILTER_ALL;
}

enum filter_verdict filter_judge(const struct filter *f, filter_bounds bounds, void *context)
{
    return judge(f, f->root, bounds, context);
}
