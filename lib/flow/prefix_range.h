/* prefix_range.h - nested ranges of 64-bit numbers, and which one holds a number; the IPv6 half of
 * prefix.c, and private to it.
 *
 * Ranges are given as (start, length): the 2^(64-length) numbers that share the first `length` bits
 * of start, as an IPv6 prefix does. Sweeping over them, sorted, leaves boundaries: from this number
 * on, until the next boundary, the value is that. */
#ifndef WEIR_FLOW_PREFIX_RANGE_H
#define WEIR_FLOW_PREFIX_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_NODE (UINT32_C(1) << 31) /* in a value: the rest is an index, not a tag */

struct range {
    uint64_t start;
    uint8_t length; /* 0-64, or 65: one number, inside a range of length 64 that starts there too */
    uint32_t value;
};

struct boundaries {
    uint64_t *starts;
    uint32_t *values;
    size_t count, room;
};

/* Appends the boundaries of `ranges`, sorted by (start, length); the first appended is 0. Outside
 * all ranges the value is `background`. For a value with RANGE_NODE, backgrounds[index] becomes the
 * value that surrounds it. False when memory ends. */
bool boundaries_sweep(struct boundaries *b, const struct range *ranges, size_t count,
                      uint32_t background, uint32_t *backgrounds);
/* The value at x among boundaries [first, first + count); count > 0 and starts[first] is 0. */
uint32_t boundaries_find(const struct boundaries *b, size_t first, size_t count, uint64_t x);
void boundaries_free(struct boundaries *b);

/* The same boundaries in a static B+-tree: eight starts a cache line, nine ways down. */
#define RANGE_LEVELS 12
struct range_tree {
    uint64_t *keys;                /* 64-octet aligned, all levels */
    uint32_t *values;              /* beside the keys of level 0 */
    size_t first[RANGE_LEVELS];    /* where a level begins in keys; level 0 is the sorted list */
    size_t nodes[RANGE_LEVELS];
    unsigned levels;               /* 0: empty, everything is 0 */
};
bool range_tree_build(struct range_tree *t, const struct boundaries *b);
void range_tree_free(struct range_tree *t);
uint32_t range_tree_find(const struct range_tree *t, uint64_t x);
/* n <= RANGE_WINDOW look-ups at once, each level's reads overlapping. */
#define RANGE_WINDOW 32u
void range_tree_find_many(const struct range_tree *t, const uint64_t *x, size_t n,
                          uint32_t *values);
size_t range_tree_memory(const struct range_tree *t);

#endif
