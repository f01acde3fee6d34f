/* filter_build.c - the filter's tree as it grows: nodes, leaves, their ranges and indexes.
 *
 * Nodes and leaves are arrays that grow (an index outlives a move); ranges, texts and indexes live
 * in the filter's own arena until filter_free(). Called by filter_term.c and filter_parse.c. */
#include "flow/filter_private.h"

#include <stdlib.h>
#include <string.h>

const ie_key derived_inputs[DERIVED_COUNT][DERIVED_INPUTS] = {
    [DERIVED_DURATION] = {WEIR_FLOW_START, WEIR_FLOW_END, 0},
    [DERIVED_PPS] = {WEIR_FLOW_START, WEIR_FLOW_END, WEIR_PACKETS},
    [DERIVED_BPS] = {WEIR_FLOW_START, WEIR_FLOW_END, WEIR_OCTETS},
    [DERIVED_BPP] = {WEIR_PACKETS, WEIR_OCTETS, 0},
};

/* ---- nodes ---- */

static bool grow(void **array, uint32_t *room, uint32_t count, size_t size)
{
    if (count < *room)
        return true;
    uint32_t more = *room ? *room * 2 : 16;
    void *moved = realloc(*array, more * size);
    if (!moved)
        return false;
    *array = moved;
    *room = more;
    return true;
}

static uint32_t new_node(struct parser *p, enum node_kind kind, uint8_t cost, uint32_t first)
{
    struct filter *f = p->filter;
    void *nodes = f->nodes;
    if (f->node_count == 0)
        f->node_count = 1; /* invariant 2: there is no node 0 */
    bool room = grow(&nodes, &f->node_room, f->node_count, sizeof *f->nodes);
    f->nodes = nodes;
    if (!room)
        return parse_out_of_memory(p);
    f->nodes[f->node_count] = (struct node){.kind = (uint8_t)kind, .cost = cost, .first = first};
    return f->node_count++;
}

static uint8_t cost_of(const struct leaf *leaf)
{
    switch ((enum leaf_kind)leaf->kind) {
    case LEAF_HAS:
        return 0;
    case LEAF_BITS:
        return 1;
    case LEAF_RANGES:
        return leaf->order == ORDER_UNSIGNED && leaf->count <= LEAF_FEW ? 1 : 2;
    default:
        return 3;
    }
}

uint32_t build_leaf(struct parser *p, const struct leaf *leaf)
{
    struct filter *f = p->filter;
    void *leaves = f->leaves;
    bool room = grow(&leaves, &f->leaf_room, f->leaf_count, sizeof *f->leaves);
    f->leaves = leaves;
    if (!room)
        return parse_out_of_memory(p);
    f->leaves[f->leaf_count] = *leaf;
    return new_node(p, NODE_LEAF, cost_of(leaf), f->leaf_count++);
}

uint32_t build_all(struct parser *p)
{
    return new_node(p, NODE_ALL, 0, 0);
}

uint32_t build_has(struct parser *p, ie_key key)
{
    return build_leaf(p, &(struct leaf){.key = key, .kind = LEAF_HAS});
}

uint32_t build_not(struct parser *p, uint32_t child)
{
    return child ? new_node(p, NODE_NOT, p->filter->nodes[child].cost, child) : 0;
}

/* Flat: joining to a node of the same kind adds a child, so `a or b or c …` is one level deep. New
 * children go to the front; build_finish() orders them anyway. */
uint32_t build_join(struct parser *p, enum node_kind kind, uint32_t a, uint32_t b)
{
    if (p->status != WEIR_OK || !a || !b)
        return p->status != WEIR_OK ? 0 : a ? a : b;
    struct node *nodes = p->filter->nodes;
    if (nodes[a].kind != kind) {
        uint32_t parent = new_node(p, kind, nodes[a].cost, a);
        if (!parent)
            return 0;
        nodes = p->filter->nodes;
        a = parent;
    }
    nodes[b].next = nodes[a].first;
    nodes[a].first = b;
    if (nodes[b].cost > nodes[a].cost)
        nodes[a].cost = nodes[b].cost;
    return a;
}

/* ---- ranges ---- */

static int by_low(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

/* Invariant 1. */
static uint32_t sort_and_merge(struct range *r, uint32_t n)
{
    uint32_t out = 0;
    qsort(r, n, sizeof *r, by_low);
    for (uint32_t i = 0; i < n; i++) {
        if (out && (r[out - 1].high == WIDE_MAX || r[i].low <= r[out - 1].high + 1)) {
            if (r[i].high > r[out - 1].high)
                r[out - 1].high = r[i].high;
        } else
            r[out++] = r[i];
    }
    return out;
}

/* What lies outside of `n` sorted ranges; `out` has room for n + 1. */
static uint32_t complement(const struct range *r, uint32_t n, struct range *out)
{
    uint32_t count = 0;
    wide from = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (r[i].low > from)
            out[count++] = (struct range){from, r[i].low - 1};
        if (r[i].high == WIDE_MAX)
            return count;
        from = r[i].high + 1;
    }
    out[count++] = (struct range){from, WIDE_MAX};
    return count;
}

/* The numbers x for which `x compare v` holds, v being a range that stands for one value: the
 * numbers that print as it (a millisecond of an NTP timestamp), or none when inverted. What is
 * below all numbers ends before 0, at WIDE_MAX. */
static bool range_of(enum compare compare, struct range v, bool inverted, struct range *out)
{
    bool below = inverted && v.low == 0;
    switch (compare) {
    case COMPARE_LT:
        *out = (struct range){0, v.low - 1};
        return v.low > 0;
    case COMPARE_LE:
        *out = (struct range){0, v.high};
        return !below;
    case COMPARE_GT:
        *out = (struct range){v.high + 1, WIDE_MAX};
        return v.high < WIDE_MAX || below;
    case COMPARE_GE:
        *out = (struct range){v.low, WIDE_MAX};
        return true;
    default:
        *out = v;
        return !inverted;
    }
}

#define MAPPED_LOW  ((wide)0xffff << 32)
#define MAPPED_HIGH (MAPPED_LOW | 0xffffffffu)

/* An address range as numbers of a type ipv4Address; false: no IPv4 address is in it. */
static bool range_as_ipv4(struct range *r)
{
    if (r->low < MAPPED_LOW || r->high > MAPPED_HIGH)
        return false;
    *r = (struct range){r->low - MAPPED_LOW, r->high - MAPPED_LOW};
    return true;
}

static uint32_t collect_ranges(struct parser *p, ie_key key, enum compare compare,
                               struct range *out)
{
    bool ipv4 = value_type_of(key) == IE_IPV4;
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->value_count; i++) {
        struct range r = p->values[i].range;
        if (p->values[i].is_text || (ipv4 && !range_as_ipv4(&r)))
            continue;
        if (range_of(compare, r, p->values[i].inverted, &out[n]))
            n++;
    }
    return sort_and_merge(out, n);
}

/* ---- indexes of long lists ---- */

static bool index_small(struct parser *p, struct leaf *leaf)
{
    uint64_t *bits = arena_zero(&p->filter->memory, 65536 / 8);
    if (!bits)
        return false;
    for (uint32_t i = 0; i < leaf->count && leaf->ranges[i].low < 65536; i++) {
        uint32_t low = (uint32_t)leaf->ranges[i].low;
        uint32_t high = leaf->ranges[i].high < 65536 ? (uint32_t)leaf->ranges[i].high : 65535;
        for (uint32_t v = low; v <= high; v++)
            bits[v / 64] |= UINT64_C(1) << (v % 64);
    }
    leaf->small = bits;
    return true;
}

static bool index_32(struct parser *p, struct leaf *leaf)
{
    struct arena *a = &p->filter->memory;
    uint64_t *blocks = arena_zero(a, 65536 / 8);
    uint32_t *lows = arena_alloc(a, leaf->count * sizeof *lows);
    uint32_t *highs = arena_alloc(a, leaf->count * sizeof *highs);
    if (!blocks || !lows || !highs)
        return false;
    uint32_t n = 0;
    for (; n < leaf->count && leaf->ranges[n].low <= UINT32_MAX; n++) {
        wide high = leaf->ranges[n].high;
        lows[n] = (uint32_t)leaf->ranges[n].low;
        highs[n] = high <= UINT32_MAX ? (uint32_t)high : UINT32_MAX;
        for (uint32_t b = lows[n] >> 16; b <= highs[n] >> 16; b++)
            blocks[b / 64] |= UINT64_C(1) << (b % 64);
    }
    leaf->blocks = blocks;
    leaf->lows = lows;
    leaf->highs = highs;
    leaf->count32 = n;
    return true;
}

static uint32_t build_ranges(struct parser *p, ie_key key, enum order order, enum compare compare)
{
    struct range *r = arena_alloc(&p->filter->memory, (p->value_count + 1) * sizeof *r);
    struct range *outside = NULL;
    if (compare == COMPARE_NE)
        outside = arena_alloc(&p->filter->memory, (p->value_count + 2) * sizeof *r);
    if (!r || (compare == COMPARE_NE && !outside))
        return parse_out_of_memory(p);
    struct leaf leaf = {.key = key, .kind = LEAF_RANGES, .order = (uint8_t)order, .ranges = r};
    leaf.count = collect_ranges(p, key, compare, r);
    if (outside) {
        leaf.count = complement(r, leaf.count, outside);
        leaf.ranges = outside;
    }
    if (leaf.count > LEAF_FEW && order == ORDER_UNSIGNED &&
        (!index_small(p, &leaf) || !index_32(p, &leaf)))
        return parse_out_of_memory(p);
    return build_leaf(p, &leaf);
}

/* ---- texts ---- */

static int by_octets(const void *a, const void *b)
{
    const struct octets *x = a, *y = b;
    size_t n = x->length < y->length ? x->length : y->length;
    int c = n ? memcmp(x->bytes, y->bytes, n) : 0;
    return c ? c : (x->length > y->length) - (x->length < y->length);
}

/* Copies the text values of one sort, exact or not, and sorts them. */
static struct octets *collect_texts(struct parser *p, bool exact, uint32_t *count)
{
    struct octets *out = arena_alloc(&p->filter->memory, (p->value_count + 1) * sizeof *out);
    *count = 0;
    for (uint32_t i = 0; out && i < p->value_count; i++) {
        const struct value *v = &p->values[i];
        if (!v->is_text || v->exact != exact)
            continue;
        char *copy = arena_copy(&p->filter->memory, v->text.bytes, v->text.length);
        if (!copy)
            return NULL;
        out[(*count)++] = (struct octets){(const uint8_t *)copy, v->text.length};
    }
    if (out)
        qsort(out, *count, sizeof *out, by_octets);
    return out;
}

/* One value against "<", "<=", ">", ">=": a bound, and perhaps not the bound itself. */
static uint32_t build_bounded_text(struct parser *p, struct leaf *leaf, const struct octets *text,
                                   enum compare compare)
{
    bool below = compare == COMPARE_LT || compare == COMPARE_LE;
    struct octets *bounds = arena_zero(&p->filter->memory, 2 * sizeof *bounds);
    if (!bounds)
        return parse_out_of_memory(p);
    bounds[below ? 1 : 0] = *text;
    struct leaf between = *leaf;
    between.kind = LEAF_BETWEEN;
    between.texts = bounds;
    uint32_t node = build_leaf(p, &between);
    if (compare == COMPARE_LE || compare == COMPARE_GE)
        return node;
    return build_join(p, NODE_AND, node, build_not(p, build_leaf(p, leaf)));
}

static uint32_t build_texts(struct parser *p, ie_key key, enum compare compare, bool exact)
{
    struct leaf leaf = {.key = key, .kind = LEAF_TEXT, .trimmed = !exact};
    struct octets *texts = collect_texts(p, exact, &leaf.count);
    leaf.texts = texts;
    if (!texts)
        return parse_out_of_memory(p);
    if (!leaf.count)
        return 0;
    if (compare == COMPARE_CONTAINS)
        leaf.kind = LEAF_CONTAINS;
    if (compare == COMPARE_EQ || compare == COMPARE_NE || compare == COMPARE_CONTAINS)
        return build_leaf(p, &leaf);
    return build_bounded_text(p, &leaf, texts, compare);
}

/* ---- leaves that compare ---- */

uint32_t build_compare(struct parser *p, ie_key key, enum order order, enum compare compare)
{
    bool has_text = false, has_number = false;
    for (uint32_t i = 0; i < p->value_count; i++) {
        has_text |= p->values[i].is_text;
        has_number |= !p->values[i].is_text;
    }
    if (!has_text)
        return build_ranges(p, key, order, compare);
    /* "!=" of texts, or of a mixture: present, and none of them. */
    enum compare each = compare == COMPARE_NE ? COMPARE_EQ : compare;
    uint32_t node =
        build_join(p, NODE_OR, build_texts(p, key, each, false), build_texts(p, key, each, true));
    if (has_number)
        node = build_join(p, NODE_OR, node, build_ranges(p, key, order, each));
    if (compare != COMPARE_NE || !node)
        return node;
    return build_join(p, NODE_AND, build_has(p, key), build_not(p, node));
}

static bool set_number(struct parser *p, uint64_t number)
{
    void *values = p->values;
    bool room = grow(&values, &p->value_room, 0, sizeof *p->values);
    p->values = values;
    if (!room) {
        (void)parse_out_of_memory(p);
        return false;
    }
    p->values[0] = (struct value){.range = {number, number}};
    p->value_count = 1;
    return true;
}

uint32_t build_number(struct parser *p, ie_key key, enum compare compare, uint64_t number)
{
    return set_number(p, number) ? build_ranges(p, key, ORDER_UNSIGNED, compare) : 0;
}

uint32_t build_bits(struct parser *p, ie_key key, uint64_t mask, uint64_t value)
{
    return build_leaf(p,
                      &(struct leaf){.key = key, .kind = LEAF_BITS, .mask = mask, .value = value});
}

uint32_t build_derived(struct parser *p, enum derived derived, enum compare compare)
{
    uint32_t node = build_ranges(p, derived_inputs[derived][0], ORDER_UNSIGNED, compare);
    if (!node)
        return 0;
    struct node *n = &p->filter->nodes[node];
    struct leaf *leaf = &p->filter->leaves[n->first];
    leaf->kind = LEAF_DERIVED;
    leaf->derived = (uint8_t)derived;
    n->cost = cost_of(leaf);
    return node;
}

/* ---- when all is read ---- */

/* Cheap children first, the order of one cost kept turned round as build_join() left it. */
static void order_children(struct node *nodes, uint32_t parent)
{
    uint32_t heads[4] = {0};
    for (uint32_t child = nodes[parent].first, next; child; child = next) {
        next = nodes[child].next;
        nodes[child].next = heads[nodes[child].cost];
        heads[nodes[child].cost] = child;
    }
    uint32_t *link = &nodes[parent].first;
    for (int cost = 0; cost < 4; cost++) {
        *link = heads[cost];
        while (*link)
            link = &nodes[*link].next;
    }
}

static bool always_true(const struct filter *f, uint32_t node)
{
    const struct node *n = &f->nodes[node];
    bool any = false, all = true;
    if (n->kind == NODE_ALL)
        return true;
    if (n->kind != NODE_AND && n->kind != NODE_OR)
        return false;
    for (uint32_t child = n->first; child; child = f->nodes[child].next) {
        bool is = always_true(f, child);
        any |= is;
        all &= is;
    }
    return n->kind == NODE_AND ? all : any;
}

static int by_key(const void *a, const void *b)
{
    ie_key x = *(const ie_key *)a, y = *(const ie_key *)b;
    return x < y ? -1 : x > y;
}

static bool collect_keys(struct filter *f)
{
    f->keys = malloc((f->leaf_count * (size_t)DERIVED_INPUTS + 1) * sizeof *f->keys);
    if (!f->keys)
        return false;
    size_t n = 0;
    for (uint32_t i = 0; i < f->leaf_count; i++) {
        const struct leaf *leaf = &f->leaves[i];
        if (leaf->kind != LEAF_DERIVED)
            f->keys[n++] = leaf->key;
        for (int k = 0; leaf->kind == LEAF_DERIVED && k < DERIVED_INPUTS; k++)
            if (derived_inputs[leaf->derived][k])
                f->keys[n++] = derived_inputs[leaf->derived][k];
    }
    qsort(f->keys, n, sizeof *f->keys, by_key);
    for (size_t i = 0; i < n; i++)
        if (!f->key_count || f->keys[i] != f->keys[f->key_count - 1])
            f->keys[f->key_count++] = f->keys[i];
    return true;
}

bool build_finish(struct parser *p, uint32_t root)
{
    struct filter *f = p->filter;
    for (uint32_t i = 1; i < f->node_count; i++)
        if (f->nodes[i].kind == NODE_AND || f->nodes[i].kind == NODE_OR)
            order_children(f->nodes, i);
    f->root = root;
    f->all = always_true(f, root);
    return collect_keys(f);
}
