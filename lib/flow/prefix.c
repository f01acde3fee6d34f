/* prefix.c - the tag table (prefix.h).
 *
 * IPv4 is a trie of strides 16, 8 and 8, leaves pushed down, so a look-up is one, two or three
 * reads. The root has 65,536 entries, and a node exists only where a prefix is longer than its
 * level: a handful of tags costs 256 KiB, of which untouched pages are no memory.
 *
 *   root[address >> 16] ──▶ entry: a tag, or NODE | index of 256 entries for the next octet
 *
 * IPv6 is split into its two halves, since hardly any prefix is longer than /64: prefixes become
 * the ranges between their ends, and a look-up finds the last range start not above the address.
 * The starts lie in a static B+-tree (prefix_range.h), nine ways a cache line, whose memory grows
 * with the number of prefixes and not with their length. A range that holds prefixes longer than
 * /64 is one address of the upper half; its entry is NODE | index of ranges of the lower half. */
#include "flow/prefix.h"
#include "flow/prefix_range.h"
#include "base/cursor.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NODE RANGE_NODE
#define ROOT_ENTRIES 65536u
#define NODE_ENTRIES 256u
#define V4_MAPPED 96u
#define HUGE_PAGE (2u << 20)

struct as_slot {
    uint32_t as, tag; /* tag 0: empty */
};

struct span {
    size_t first, count;
};

struct prefix_table {
    uint32_t *root;  /* NULL: no IPv4 prefix */
    uint32_t *nodes; /* node_count x NODE_ENTRIES */
    uint32_t node_count, node_room;
    struct range_tree upper;  /* of IPv6 addresses' upper halves */
    struct boundaries lower;  /* of the lower halves, where prefixes are longer than /64 … */
    struct span *spans;       /* … one after the other */
    uint32_t span_count;
    struct as_slot *as_slots;
    uint32_t as_mask; /* slots - 1 */
};

/* ---- order and duplicates ---- */

static int rule_compare(const void *left, const void *right)
{
    const struct prefix_rule *a = left, *b = right;
    int order = memcmp(a->prefix.address.octets, b->prefix.address.octets, 16);
    return order ? order : (int)a->prefix.length - (int)b->prefix.length;
}

static bool rule_same(const struct prefix_rule *a, const struct prefix_rule *b)
{
    return a->prefix.length == b->prefix.length &&
           memcmp(&a->prefix.address, &b->prefix.address, 16) == 0;
}

static bool rule_is_ipv4(const struct prefix_rule *r)
{
    return r->prefix.length >= V4_MAPPED && address_is_ipv4(&r->prefix.address);
}

static enum weir_status rules_check(const struct prefix_rule *rules, size_t count,
                                    struct weir_error *error)
{
    for (size_t i = 0; i < count; i++) {
        char text[PREFIX_TEXT_SIZE];
        const struct prefix_rule *r = &rules[i], *before = i ? r - 1 : NULL;
        if (r->prefix.length > 128)
            return weir_fail(error, WEIR_EARGUMENT, "prefix", "length %u is more than 128",
                             r->prefix.length);
        if (r->tag == 0 || r->tag > PREFIX_TAG_MOST)
            return weir_fail(error, WEIR_EARGUMENT, "tag", "tag %u of %s is not in 1-%u", r->tag,
                             prefix_print(&r->prefix, text), PREFIX_TAG_MOST);
        if (before && rule_same(before, r) && before->tag != r->tag)
            return weir_fail(error, WEIR_EEXISTS, "prefix",
                             "%s has tag %u already; it can not have tag %u too",
                             prefix_print(&r->prefix, text), before->tag, r->tag);
    }
    return WEIR_OK;
}

/* ---- IPv4 ---- */

static uint32_t *node_at(const struct prefix_table *t, uint32_t entry)
{
    return t->nodes + (size_t)(entry & ~NODE) * NODE_ENTRIES;
}

static void fill(uint32_t *entries, uint32_t first, uint32_t count, uint32_t tag)
{
    for (uint32_t i = first; i < first + count; i++)
        entries[i] = tag;
}

static bool nodes_grow(struct prefix_table *t)
{
    if (t->node_count + 1 < t->node_room) /* the next one and node 0 */
        return true;
    uint32_t room = t->node_room ? 2 * t->node_room : 16;
    uint32_t *nodes = realloc(t->nodes, (size_t)room * NODE_ENTRIES * sizeof *nodes);
    if (!nodes)
        return false;
    t->nodes = nodes;
    t->node_room = room;
    return true;
}

/* The node under entries[index] of `parent` (NODE: the root), made from its tag when it is none. */
static bool descend(struct prefix_table *t, uint32_t parent, uint32_t index, uint32_t *node)
{
    uint32_t *entries = parent == NODE ? t->root : node_at(t, parent);
    *node = entries[index];
    if (*node & NODE)
        return true;
    if (!nodes_grow(t)) /* may move the nodes */
        return false;
    uint32_t tag = *node;
    *node = NODE | ++t->node_count;
    entries = parent == NODE ? t->root : node_at(t, parent);
    entries[index] = *node;
    fill(node_at(t, *node), 0, NODE_ENTRIES, tag);
    return true;
}

/* Rules come shortest first, so a range that is filled holds no node yet. */
static bool ipv4_insert(struct prefix_table *t, uint32_t address, unsigned length, uint32_t tag)
{
    uint32_t parent = NODE;
    if (length <= 16) {
        fill(t->root, address >> 16, 1u << (16 - length), tag);
        return true;
    }
    if (!descend(t, parent, address >> 16, &parent))
        return false;
    if (length <= 24) {
        fill(node_at(t, parent), address >> 8 & 0xff, 1u << (24 - length), tag);
        return true;
    }
    if (!descend(t, parent, address >> 8 & 0xff, &parent))
        return false;
    fill(node_at(t, parent), address & 0xff, 1u << (32 - length), tag);
    return true;
}

/* Large tables are read at random: huge pages spare a page walk each read. */
static void nodes_settle(struct prefix_table *t)
{
    size_t size = (size_t)(t->node_count + 1) * NODE_ENTRIES * sizeof *t->nodes;
    size_t align = size >= HUGE_PAGE ? HUGE_PAGE : 64;
    uint32_t *settled =
        t->node_count ? aligned_alloc(align, (size + align - 1) / align * align) : NULL;
    if (!settled)
        return;
    if (align == HUGE_PAGE)
        (void)madvise(settled, size, MADV_HUGEPAGE);
    memcpy(settled, t->nodes, size);
    free(t->nodes);
    t->nodes = settled;
    t->node_room = t->node_count + 1;
}

static bool ipv4_build(struct prefix_table *t, const struct prefix_rule *rules, size_t count)
{
    if (!count)
        return true;
    t->root = calloc(ROOT_ENTRIES, sizeof *t->root);
    t->node_count = 0;
    if (!t->root || !nodes_grow(t))
        return false;
    /* Node 0 is no node: NODE alone names the root. */
    memset(t->nodes, 0, NODE_ENTRIES * sizeof *t->nodes);
    for (unsigned length = 0; length <= 32; length++)
        for (size_t i = 0; i < count; i++)
            if (rules[i].prefix.length == V4_MAPPED + length &&
                !ipv4_insert(t, address_ipv4(&rules[i].prefix.address), length, rules[i].tag))
                return false;
    nodes_settle(t);
    return true;
}

uint32_t prefix_lookup_ipv4(const struct prefix_table *t, uint32_t host_order)
{
    if (!t->root)
        return 0;
    uint32_t entry = t->root[host_order >> 16];
    if (entry & NODE)
        entry = node_at(t, entry)[host_order >> 8 & 0xff];
    if (entry & NODE)
        entry = node_at(t, entry)[host_order & 0xff];
    return entry;
}

/* Three passes over a window: while one address waits for memory the others ask for theirs. */
#define WINDOW 32u

static void lookup_window(const struct prefix_table *t, const uint32_t *addresses, size_t n,
                          uint32_t *tags)
{
    uint32_t entries[WINDOW];
    for (size_t i = 0; i < n; i++) {
        entries[i] = t->root[addresses[i] >> 16];
        if (entries[i] & NODE)
            __builtin_prefetch(node_at(t, entries[i]) + (addresses[i] >> 8 & 0xff));
    }
    for (size_t i = 0; i < n; i++) {
        if (!(entries[i] & NODE))
            continue;
        entries[i] = node_at(t, entries[i])[addresses[i] >> 8 & 0xff];
        if (entries[i] & NODE)
            __builtin_prefetch(node_at(t, entries[i]) + (addresses[i] & 0xff));
    }
    for (size_t i = 0; i < n; i++) {
        if (entries[i] & NODE)
            entries[i] = node_at(t, entries[i])[addresses[i] & 0xff];
        tags[i] = tags[i] ? tags[i] : entries[i];
    }
}

void prefix_lookup_ipv4_many(const struct prefix_table *t, const uint32_t *addresses, size_t n,
                             uint32_t *tags)
{
    if (!t->root)
        return;
    for (size_t i = 0; i < n; i += WINDOW)
        lookup_window(t, addresses + i, n - i < WINDOW ? n - i : WINDOW, tags + i);
}

/* ---- IPv6 ---- */

static uint64_t upper_half(const struct prefix_rule *r)
{
    return load_be64(r->prefix.address.octets);
}

/* Prefixes longer than /64 that share their upper half: rules [0, count). */
static size_t long_group(const struct prefix_rule *rules, size_t count)
{
    size_t n = 0;
    while (n < count && rules[n].prefix.length > 64 && upper_half(&rules[n]) == upper_half(rules))
        n++;
    return n;
}

/* What ipv6_build() works with; everything is freed at its end. */
struct workshop {
    struct range *ranges; /* of the upper half; one for each /64 that has longer ones under it */
    size_t range_count;
    struct span *groups;   /* the rules of span i */
    uint32_t *backgrounds; /* the tag around span i */
    struct boundaries upper;
};

static bool ipv6_collect(struct prefix_table *t, const struct prefix_rule *rules, size_t count,
                         struct workshop *w)
{
    w->ranges = malloc(count * sizeof *w->ranges);
    w->groups = malloc(count * sizeof *w->groups);
    if (!w->ranges || !w->groups)
        return false;
    for (size_t i = 0; i < count;) {
        size_t n = long_group(rules + i, count - i);
        struct range *r = &w->ranges[w->range_count++];
        *r = (struct range){upper_half(&rules[i]), rules[i].prefix.length, rules[i].tag};
        if (n) { /* 65 sorts after a real /64, whose tag it has around it */
            w->groups[t->span_count] = (struct span){i, n};
            *r = (struct range){upper_half(&rules[i]), 65, NODE | t->span_count++};
        }
        i += n ? n : 1;
    }
    return true;
}

/* The ranges of the upper half are done with, so their memory serves for each group's. */
static bool ipv6_lower(struct prefix_table *t, const struct prefix_rule *rules,
                       const struct workshop *w)
{
    t->spans = calloc(t->span_count, sizeof *t->spans);
    if (!t->spans)
        return false;
    for (uint32_t i = 0; i < t->span_count; i++) {
        const struct prefix_rule *group = rules + w->groups[i].first;
        size_t n = w->groups[i].count, first = t->lower.count;
        struct range *ranges = w->ranges;
        for (size_t r = 0; r < n; r++)
            ranges[r] = (struct range){load_be64(group[r].prefix.address.octets + 8),
                                       (uint8_t)(group[r].prefix.length - 64), group[r].tag};
        if (!boundaries_sweep(&t->lower, ranges, n, w->backgrounds[i], NULL))
            return false;
        t->spans[i] = (struct span){first, t->lower.count - first};
    }
    return true;
}

static bool ipv6_fill(struct prefix_table *t, const struct prefix_rule *rules, size_t count,
                      struct workshop *w)
{
    if (!ipv6_collect(t, rules, count, w))
        return false;
    w->backgrounds = calloc((size_t)t->span_count + 1, sizeof *w->backgrounds);
    return w->backgrounds &&
           boundaries_sweep(&w->upper, w->ranges, w->range_count, 0, w->backgrounds) &&
           range_tree_build(&t->upper, &w->upper) && (!t->span_count || ipv6_lower(t, rules, w));
}

static bool ipv6_build(struct prefix_table *t, const struct prefix_rule *rules, size_t count)
{
    struct workshop w = {0};
    bool built = !count || ipv6_fill(t, rules, count, &w);
    boundaries_free(&w.upper);
    free(w.backgrounds);
    free(w.ranges);
    free(w.groups);
    return built;
}

static uint32_t ipv6_lower_tag(const struct prefix_table *t, uint32_t entry,
                               const uint8_t octets[16])
{
    const struct span *span = &t->spans[entry & ~NODE];
    return boundaries_find(&t->lower, span->first, span->count, load_be64(octets + 8));
}

/* A mapped address that no IPv4 prefix holds may still lie in an IPv6 one, ::/64 for example. */
static uint32_t finish_ipv6(const struct prefix_table *t, const uint8_t octets[16], uint32_t entry)
{
    struct address address;
    memcpy(address.octets, octets, 16);
    uint32_t tag = address_is_ipv4(&address) ? prefix_lookup_ipv4(t, address_ipv4(&address)) : 0;
    if (tag)
        return tag;
    return entry & NODE ? ipv6_lower_tag(t, entry, octets) : entry;
}

uint32_t prefix_lookup_ipv6(const struct prefix_table *t, const uint8_t octets[16])
{
    return finish_ipv6(t, octets, range_tree_find(&t->upper, load_be64(octets)));
}

void prefix_lookup_ipv6_many(const struct prefix_table *t, const uint8_t (*addresses)[16], size_t n,
                             uint32_t *tags)
{
    uint64_t upper[RANGE_WINDOW];
    uint32_t entries[RANGE_WINDOW];
    for (size_t i = 0; i < n; i += RANGE_WINDOW) {
        size_t window = n - i < RANGE_WINDOW ? n - i : RANGE_WINDOW;
        for (size_t j = 0; j < window; j++)
            upper[j] = load_be64(addresses[i + j]);
        range_tree_find_many(&t->upper, upper, window, entries);
        for (size_t j = 0; j < window; j++)
            if (!tags[i + j])
                tags[i + j] = finish_ipv6(t, addresses[i + j], entries[j]);
    }
}

/* ---- AS numbers ---- */

static uint32_t as_slot_of(const struct prefix_table *t, uint32_t as)
{
    uint32_t slot = (as * UINT32_C(0x9e3779b1)) >> 7 & t->as_mask;
    while (t->as_slots[slot].tag && t->as_slots[slot].as != as)
        slot = (slot + 1) & t->as_mask;
    return slot;
}

static enum weir_status as_insert(struct prefix_table *t, const struct as_rule *rule,
                                  struct weir_error *error)
{
    struct as_slot *slot = &t->as_slots[as_slot_of(t, rule->as)];
    if (rule->tag == 0 || rule->tag > PREFIX_TAG_MOST)
        return weir_fail(error, WEIR_EARGUMENT, "tag", "tag %u of AS %u is not in 1-%u", rule->tag,
                         rule->as, PREFIX_TAG_MOST);
    if (slot->tag && slot->tag != rule->tag)
        return weir_fail(error, WEIR_EEXISTS, "as",
                         "AS %u has tag %u already; it can not have tag %u too", rule->as,
                         slot->tag, rule->tag);
    *slot = (struct as_slot){.as = rule->as, .tag = rule->tag};
    return WEIR_OK;
}

static enum weir_status as_build(struct prefix_table *t, const struct as_rule *rules, size_t count,
                                 struct weir_error *error)
{
    uint64_t slots = 4;
    if (!count)
        return WEIR_OK;
    while (slots < 2 * (uint64_t)count)
        slots *= 2;
    t->as_mask = (uint32_t)(slots - 1);
    t->as_slots = slots <= UINT32_MAX ? calloc(slots, sizeof *t->as_slots) : NULL;
    if (!t->as_slots)
        return weir_fail(error, WEIR_ENOMEM, "as", "no memory for %zu AS tags", count);
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = as_insert(t, &rules[i], error);
    return status;
}

uint32_t prefix_lookup_as(const struct prefix_table *t, uint32_t as)
{
    return t->as_slots ? t->as_slots[as_slot_of(t, as)].tag : 0;
}

/* ---- life ---- */

static struct prefix_rule without_host_bits(struct prefix_rule r)
{
    for (unsigned bit = r.prefix.length; bit < 128; bit++)
        r.prefix.address.octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return r;
}

/* IPv4 rules to the front. Returns how many. */
static size_t split_families(struct prefix_rule *to, const struct prefix_rule *from, size_t count)
{
    size_t ipv4 = 0, rest = count;
    for (size_t i = 0; i < count; i++)
        if (rule_is_ipv4(&from[i]))
            to[ipv4++] = without_host_bits(from[i]);
        else
            to[--rest] = without_host_bits(from[i]);
    return ipv4;
}

static enum weir_status prefixes_build(struct prefix_table *t, const struct prefix_rule *prefixes,
                                       size_t count, struct weir_error *error)
{
    if (!count)
        return WEIR_OK;
    struct prefix_rule *rules = malloc(count * sizeof *rules);
    if (!rules)
        return weir_fail(error, WEIR_ENOMEM, "prefix", "no memory for %zu prefixes", count);
    size_t ipv4 = split_families(rules, prefixes, count);
    qsort(rules, ipv4, sizeof *rules, rule_compare);
    qsort(rules + ipv4, count - ipv4, sizeof *rules, rule_compare);
    enum weir_status status = rules_check(rules, count, error);
    if (!status && !(ipv4_build(t, rules, ipv4) && ipv6_build(t, rules + ipv4, count - ipv4)))
        status = weir_fail(error, WEIR_ENOMEM, "prefix", "no memory for %zu prefixes", count);
    free(rules);
    return status;
}

enum weir_status prefix_table_new(const struct prefix_rule *prefixes, size_t prefix_count,
                                  const struct as_rule *ases, size_t as_count,
                                  struct prefix_table **out, struct weir_error *error)
{
    *out = NULL;
    struct prefix_table *t = calloc(1, sizeof *t);
    if (!t)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the tag table");
    enum weir_status status = prefixes_build(t, prefixes, prefix_count, error);
    if (!status)
        status = as_build(t, ases, as_count, error);
    if (status) {
        prefix_table_free(t);
        return status;
    }
    *out = t;
    return WEIR_OK;
}

void prefix_table_free(struct prefix_table *t)
{
    if (!t)
        return;
    range_tree_free(&t->upper);
    boundaries_free(&t->lower);
    free(t->spans);
    free(t->root);
    free(t->nodes);
    free(t->as_slots);
    free(t);
}

size_t prefix_table_memory(const struct prefix_table *t)
{
    size_t octets = sizeof *t + range_tree_memory(&t->upper);
    if (t->root)
        octets += (ROOT_ENTRIES + (size_t)t->node_room * NODE_ENTRIES) * sizeof *t->root;
    octets += t->lower.room * (sizeof *t->lower.starts + sizeof *t->lower.values);
    octets += t->span_count * sizeof *t->spans;
    return octets + (t->as_slots ? ((size_t)t->as_mask + 1) * sizeof *t->as_slots : 0);
}
