/* classes.c - chooses classes of values, see classes.h. Called by dictionary.c. */
#include "block/classes.h"
#include <string.h>

/* Costs are in 1/64 of a bit. */
#define BIT 64u
/* Numbers of whole half octets are unpacked by faster loops (kernels_classes.c); more classes have
 * to gain what they cost in reading. */
#define ODD_BITS_COST(cost)     ((cost) / 32)
#define MORE_CLASSES_COST(cost) ((cost) / 64)
#define SIZES                   17 /* 1, 2, 4 … DICTIONARY_MOST */

struct chooser {
    const struct ranking *ranking;
    uint32_t values[CLASS_RANKS_MOST + 1]; /* of all ranks before */
    uint64_t rows[CLASS_RANKS_MOST + 1];
    uint32_t all;
    uint64_t best;
    struct classes *out;
};

/* Rows of the first `values` values. */
static uint64_t rows_before(const struct chooser *c, uint32_t values)
{
    uint32_t low = 0, high = c->ranking->ranks; /* the last rank that starts at or before it */
    while (low + 1 < high) {
        uint32_t middle = (low + high) / 2;
        if (c->values[middle] <= values)
            low = middle;
        else
            high = middle;
    }
    uint32_t inside = values - c->values[low], count = c->ranking->value_counts[low];
    return c->rows[low] + (count ? c->ranking->row_counts[low] * inside / count : 0);
}

/* What the values from number `from` to before `to` cost as a class: the numbers of their rows, and
 * longer gaps, as there are fewer values to share the range. */
static uint64_t class_cost(const struct chooser *c, uint32_t from, uint32_t to, uint64_t rows)
{
    unsigned bits = bits_below(to - from);
    uint64_t cost = rows * bits * BIT;
    cost += bits % 4 ? ODD_BITS_COST(cost) : 0;
    return cost + (uint64_t)(to - from) * (bits_below(c->all) - bits) * BIT;
}

static void take(struct chooser *c, uint64_t cost, uint32_t count, const uint32_t ends[])
{
    if (cost >= c->best)
        return;
    c->best = cost;
    *c->out = (struct classes){.count = count};
    for (uint32_t i = 0; i < count; i++)
        c->out->values[i] = ends[i] - (i ? ends[i - 1] : 0);
}

/* The last two classes, behind ends[count - 3] values of classes that cost `cost`: the last but one
 * or the last has a power of two of them. */
static void try_last(struct chooser *c, uint64_t cost, uint32_t count, uint32_t ends[])
{
    uint32_t start = count > 2 ? ends[count - 3] : 0;
    uint64_t before = rows_before(c, start);
    for (unsigned i = 0; i < 2 * SIZES && cost < c->best; i++) {
        uint32_t size = 1u << (i / 2), left = c->all - start;
        if (size >= left)
            break;
        uint32_t end = i % 2 ? c->all - size : start + size;
        uint64_t rows = rows_before(c, end);
        uint64_t both = class_cost(c, start, end, rows - before) +
                        class_cost(c, end, c->all, c->rows[c->ranking->ranks] - rows);
        ends[count - 2] = end;
        ends[count - 1] = c->all;
        take(c, cost + both + MORE_CLASSES_COST(cost + both), count, ends);
    }
}

static void try_four(struct chooser *c)
{
    uint64_t planes = c->rows[c->ranking->ranks] * 2 * BIT;
    uint32_t ends[CLASSES_MOST];
    for (unsigned a = 0; a < SIZES && 1u << a < c->all; a++)
        for (unsigned b = a; b < SIZES && (1u << a) + (1u << b) < c->all; b++) {
            ends[0] = 1u << a;
            ends[1] = ends[0] + (1u << b);
            uint64_t first = rows_before(c, ends[0]), second = rows_before(c, ends[1]) - first;
            uint64_t cost = planes + class_cost(c, 0, ends[0], first) +
                            class_cost(c, ends[0], ends[1], second);
            try_last(c, cost, 4, ends);
        }
}

void classes_choose(const struct ranking *r, struct classes *out)
{
    struct chooser c = {.ranking = r, .best = UINT64_MAX, .out = out};
    for (uint32_t i = 0; i < r->ranks; i++) {
        c.values[i + 1] = c.values[i] + r->value_counts[i];
        c.rows[i + 1] = c.rows[i] + r->row_counts[i];
    }
    uint64_t rows = c.rows[r->ranks];
    uint32_t ends[CLASSES_MOST];
    c.all = ends[0] = c.values[r->ranks];
    take(&c, class_cost(&c, 0, c.all, rows), 1, ends);
    try_last(&c, rows * BIT, 2, ends);
    try_four(&c);
}
