/* packed.c - frame of reference and bit packing in groups, see packed.h. Uses kernels.c; used by
 * the column codecs on both sides. */
#include "block/packed.h"
#include <string.h>

/* Groups that packed_plan() looks at, at most; evenly spread. */
#define PLAN_GROUPS       12u
#define EXCEPTIONS_MOST   255u
#define GROUP_HEADER_BITS 16u
/* Bits, exceptions, high bits, reference, the values plain (a plan is never dearer), and slack. */
#define GROUP_OCTETS_MOST (3 + 8 + PACK_GROUP * 8 + PACK_SLACK)

struct group_plan {
    unsigned bits, exceptions, high;
    unsigned cost; /* bits */
};

static unsigned bit_length(uint64_t v)
{
    return v ? 64u - (unsigned)__builtin_clzll(v) : 0;
}

/* The cheapest width: wider ones have fewer exceptions. */
static void plan_widths(const uint16_t lengths[66], unsigned count, unsigned most_bits,
                        struct group_plan *out)
{
    unsigned exceptions = 0;
    *out = (struct group_plan){.bits = most_bits, .cost = GROUP_HEADER_BITS + count * most_bits};
    unsigned fewest = most_bits < 64 ? 0 : 1; /* see count_lengths() */
    for (unsigned bits = most_bits; bits-- > fewest;) {
        exceptions += lengths[bits + 1];
        if (exceptions > EXCEPTIONS_MOST)
            return;
        unsigned cost = GROUP_HEADER_BITS + 8 + count * bits + exceptions * (8 + most_bits - bits);
        if (cost < out->cost)
            *out = (struct group_plan){bits, exceptions, most_bits - bits, cost};
    }
}

/* Without exceptions. */
static void plan_whole(const uint64_t *values, unsigned count, struct group_plan *out)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < PACK_GROUP; i++) /* zero past count: a loop that vectorises */
        all |= values[i];
    unsigned bits = bit_length(all);
    *out = (struct group_plan){.bits = bits, .cost = GROUP_HEADER_BITS + count * bits};
}

/* Four counters a length: one would be waited for by the next value of the same length. */
static inline __attribute__((always_inline)) void
count_above(const uint64_t *values, unsigned count, unsigned top, uint16_t lengths[4][66])
{
    unsigned i = 0;
    for (; i + 4 <= count; i += 4) {
        lengths[0][63u ^ (unsigned)__builtin_clzll(values[i] >> top << 1 | 1)]++;
        lengths[1][63u ^ (unsigned)__builtin_clzll(values[i + 1] >> top << 1 | 1)]++;
        lengths[2][63u ^ (unsigned)__builtin_clzll(values[i + 2] >> top << 1 | 1)]++;
        lengths[3][63u ^ (unsigned)__builtin_clzll(values[i + 3] >> top << 1 | 1)]++;
    }
    for (; i < count; i++)
        lengths[0][63u ^ (unsigned)__builtin_clzll(values[i] >> top << 1 | 1)]++;
}

/* How many values have which bit length, 1 to most_bits. The length of 2v + 1 is that of v and one,
 * for zero too; where a value has bit 63, the lowest one is given up for it: lengths 0 and 1 are
 * then not told apart. */
static void count_lengths(const uint64_t *values, unsigned count, unsigned most_bits,
                          uint16_t sum[66])
{
    uint16_t lengths[4][66] = {{0}};
    unsigned top = most_bits < 64 ? 0 : 1;
    if (top == 0) /* a constant: nothing to shift */
        count_above(values, count, 0, lengths);
    else
        count_above(values, count, 1, lengths);
    for (unsigned b = 0; b <= most_bits - top; b++)
        sum[b + top] = (uint16_t)(lengths[0][b] + lengths[1][b] + lengths[2][b] + lengths[3][b]);
}

static void plan_group(const uint64_t *values, unsigned count, struct group_plan *out)
{
    uint16_t lengths[66];
    plan_whole(values, count, out);
    if (out->bits == 0)
        return;
    unsigned most_bits = out->bits;
    count_lengths(values, count, most_bits, lengths);
    plan_widths(lengths, count, most_bits, out);
}

/* Loads a group as differences from `reference`. A short one is padded with `reference`. */
static void load_group(const void *values, uint32_t first, unsigned count, unsigned width,
                       uint64_t reference, uint64_t out[PACK_GROUP])
{
    const uint8_t *at = (const uint8_t *)values + (size_t)first * width;
    uint64_t padded[PACK_GROUP];
    if (count < PACK_GROUP) {
        memset(padded, 0, PACK_GROUP * width);
        memcpy(padded, at, (size_t)count * width);
        at = (const uint8_t *)padded;
    }
    kernels_best()->load[width_index(width)](at, reference, out);
    for (unsigned i = count; i < PACK_GROUP; i++)
        out[i] = 0;
}

/* Takes the least of the group off each value and returns it. */
static uint64_t take_least(uint64_t *values, unsigned count)
{
    uint64_t least, most;
    kernels_best()->range[3](values, count, &least, &most);
    for (unsigned i = 0; i < PACK_GROUP; i++) /* a loop that vectorises */
        values[i] -= least;
    for (unsigned i = count; i < PACK_GROUP; i++)
        values[i] = 0;
    return least;
}

/* Bits with exceptions, and without into *whole. */
static unsigned plan_both(const uint64_t *group, unsigned count, uint64_t *whole)
{
    struct group_plan plan;
    plan_whole(group, count, &plan);
    *whole += plan.cost;
    plan_group(group, count, &plan);
    return plan.cost;
}

void packed_plan(const void *values, uint32_t count, unsigned width, uint64_t least, uint64_t most,
                 struct packed_plan *out)
{
    uint32_t groups = (count + PACK_GROUP - 1) / PACK_GROUP;
    uint32_t step = groups / PLAN_GROUPS + 1;
    unsigned octets = (bit_length(most - least) + 7) / 8;
    uint64_t one = 0, own = 0, seen = 0, one_whole = 0, own_whole = 0; /* bits */
    for (uint32_t g = 0; g < groups; g += step) {
        uint64_t group[PACK_GROUP];
        uint32_t first = g * PACK_GROUP;
        unsigned n = count - first < PACK_GROUP ? count - first : PACK_GROUP;
        load_group(values, first, n, width, least, group);
        one += plan_both(group, n, &one_whole);
        if (octets > 1) {
            take_least(group, n);
            own += plan_both(group, n, &own_whole) + 8 * octets;
        }
        seen += n;
    }
    /* Each of the two must be worth something above noise: exceptions cost time to find. */
    bool use_own = octets > 1 && own + own / 32 < one;
    uint64_t bits = use_own ? own : one, whole = use_own ? own_whole : one_whole;
    out->patch = bits + bits / 64 < whole;
    out->reference = least;
    out->reference_octets = use_own ? octets : 0;
    out->bits = (double)bits / (double)seen;
}

static uint8_t *write_exceptions(const uint64_t *values, const struct group_plan *plan,
                                 uint8_t *out)
{
    uint64_t high[PACK_GROUP], above[PACK_GROUP / 64];
    unsigned n = 0;
    find_above(values, plan->bits, above);
    for (unsigned w = 0; w < PACK_GROUP / 64; w++)
        for (uint64_t bits = above[w]; bits; bits &= bits - 1) {
            unsigned place = 64 * w + (unsigned)__builtin_ctzll(bits);
            high[n++] = values[place] >> plan->bits;
            *out++ = (uint8_t)place;
        }
    return pack_bits(high, n, plan->high, out);
}

/* `values`: PACK_GROUP of them, zero from `count` on. */
static uint8_t *write_group(uint64_t *values, unsigned count, const struct packed_plan *column,
                            uint8_t *out)
{
    struct group_plan plan;
    uint64_t reference = column->reference_octets ? take_least(values, count) : 0;
    if (column->patch)
        plan_group(values, count, &plan);
    else
        plan_whole(values, count, &plan);
    *out++ = (uint8_t)plan.bits;
    *out++ = (uint8_t)plan.exceptions;
    if (plan.exceptions)
        *out++ = (uint8_t)plan.high;
    memcpy(out, &reference, 8);
    out += column->reference_octets;
    if (!plan.exceptions)
        return pack_bits(values, count, plan.bits, out);
    uint64_t low[PACK_GROUP], mask = (UINT64_C(1) << plan.bits) - 1;
    for (unsigned i = 0; i < PACK_GROUP; i++)
        low[i] = values[i] & mask;
    out = pack_bits(low, count, plan.bits, out);
    return write_exceptions(values, &plan, out);
}

void packed_write(const struct packed_plan *plan, const void *values, uint32_t count,
                  unsigned width, struct buffer *out)
{
    buffer_put_u64le(out, plan->reference);
    buffer_put_u8(out, (uint8_t)plan->reference_octets);
    for (uint32_t first = 0; first < count; first += PACK_GROUP) {
        uint64_t group[PACK_GROUP];
        unsigned n = count - first < PACK_GROUP ? count - first : PACK_GROUP;
        uint8_t *at = buffer_extend(out, GROUP_OCTETS_MOST);
        if (!at)
            return;
        load_group(values, first, n, width, plan->reference, group);
        uint8_t *end = write_group(group, n, plan, at);
        out->length -= GROUP_OCTETS_MOST - (size_t)(end - at);
    }
}

/* ---- reading ---- */
struct group {
    unsigned count, bits, exceptions, high;
    uint64_t reference;
    const uint8_t *low, *places, *highs;
};

static bool read_group(struct cursor *in, unsigned reference_octets, unsigned width,
                       struct group *g)
{
    g->bits = cursor_u8(in);
    g->exceptions = cursor_u8(in);
    g->high = g->exceptions ? cursor_u8(in) : 0;
    const uint8_t *reference = cursor_bytes(in, reference_octets);
    if (in->failed || g->bits + g->high > 8 * width || (g->exceptions && !g->high))
        return false;
    g->reference = 0;
    memcpy(&g->reference, reference, reference_octets);
    g->low = cursor_bytes(in, packed_size(g->count, g->bits));
    g->places = cursor_bytes(in, g->exceptions);
    g->highs = cursor_bytes(in, packed_size(g->exceptions, g->high));
    return !in->failed;
}

/* The high parts where packed_value() can read them; `room` is used at the end of the column. */
static const uint8_t *padded_highs(const struct group *g, const uint8_t *end, uint8_t *room)
{
    size_t size = packed_size(g->exceptions, g->high);
    if ((size_t)(end - g->highs) >= size + 9)
        return g->highs;
    memcpy(room, g->highs, size);
    memset(room + size, 0, 9);
    return room;
}

/* Adds the high parts; `wide` tells which of the two arrays holds the group. */
static bool patch_group(const struct group *g, const uint8_t *end, uint32_t *narrow, uint64_t *wide)
{
    uint8_t room[PACK_GROUP * 8 + PACK_SLACK];
    const uint8_t *highs = padded_highs(g, end, room);
    for (unsigned i = 0; i < g->exceptions; i++) {
        unsigned place = g->places[i];
        if (place >= g->count || (i && place <= g->places[i - 1]))
            return false;
        uint64_t high = packed_value(highs, i, g->high) << g->bits;
        if (wide)
            wide[place] |= high;
        else
            narrow[place] |= (uint32_t)high;
    }
    return true;
}

/* Unpacks a group into PACK_GROUP values at `out`. */
static bool unpack_group(const struct kernels *k, const struct group *g, const uint8_t *end,
                         uint64_t add, unsigned width, void *out)
{
    uint8_t padded[PACK_GROUP * 8 + PACK_SLACK];
    const uint8_t *low = g->low;
    size_t whole = PACK_GROUP / 8 * (size_t)g->bits;
    if ((size_t)(end - low) < whole + PACK_SLACK) {
        size_t size = packed_size(g->count, g->bits);
        memcpy(padded, low, size);
        memset(padded + size, 0, whole + PACK_SLACK - size);
        low = padded;
    }
    if (g->bits + g->high <= 32) {
        uint32_t values[PACK_GROUP];
        k->unpack32(low, g->bits, values);
        if (g->exceptions && !patch_group(g, end, values, NULL))
            return false;
        k->store32[width_index(width)](values, add, out);
    } else {
        uint64_t values[PACK_GROUP];
        k->unpack64(low, g->bits, values);
        if (g->exceptions && !patch_group(g, end, NULL, values))
            return false;
        k->store64[width_index(width)](values, add, out);
    }
    return true;
}

enum weir_status packed_open(struct cursor *in, unsigned width, struct packed_reader *r)
{
    uint64_t reference = cursor_u64_le(in);
    uint8_t octets = cursor_u8(in);
    *r = (struct packed_reader){reference, octets, (uint8_t)width};
    if (in->failed)
        return WEIR_ETRUNCATED;
    return octets > 8 ? WEIR_EMALFORMED : WEIR_OK;
}

enum weir_status packed_next(const struct packed_reader *r, struct cursor *in, unsigned count,
                             void *out)
{
    struct group g = {.count = count};
    if (!read_group(in, r->reference_octets, r->width, &g))
        return in->failed ? WEIR_ETRUNCATED : WEIR_EMALFORMED;
    bool fine = !out || unpack_group(kernels_best(), &g, in->end, r->reference + g.reference,
                                     r->width, out);
    return fine ? WEIR_OK : WEIR_EMALFORMED;
}

enum weir_status packed_read(struct cursor *in, uint32_t count, unsigned width, void *out)
{
    struct packed_reader r;
    enum weir_status s = packed_open(in, width, &r);
    uint8_t *at = out;
    for (uint32_t first = 0; s == WEIR_OK && first < count;
         first += PACK_GROUP, at += PACK_GROUP * width)
        s = packed_next(&r, in, count - first < PACK_GROUP ? count - first : PACK_GROUP, at);
    return s;
}

/* ---- adding up ---- */

/* Where a group's low parts can be unpacked from: PACK_SLACK octets past them can be read. */
static const uint8_t *padded_low(const struct group *g, const uint8_t *end, uint8_t *padded)
{
    size_t whole = PACK_GROUP / 8 * (size_t)g->bits, size = packed_size(g->count, g->bits);
    if ((size_t)(end - g->low) >= whole + PACK_SLACK)
        return g->low;
    memcpy(padded, g->low, size);
    memset(padded + size, 0, whole + PACK_SLACK - size);
    return padded;
}

static bool sum_exceptions(const struct group *g, const uint8_t *end, const uint64_t *selected,
                           uint64_t *sum)
{
    uint8_t room[PACK_GROUP * 8 + PACK_SLACK];
    const uint8_t *highs = padded_highs(g, end, room);
    uint64_t high = 0;
    int before = -1;
    bool fine = true;
    for (unsigned i = 0; i < g->exceptions; i++) { /* no branch: which are selected is chance */
        int place = g->places[i];
        uint64_t hit = selected[place / 64] >> (place % 64) & 1;
        fine &= place > before && place < (int)g->count;
        before = place;
        high += packed_value(highs, i, g->high) & (0 - hit);
    }
    *sum += high << g->bits;
    return fine;
}

static bool sum_group(const struct kernels *k, const struct group *g, const uint8_t *end,
                      uint64_t add, const uint64_t *selected, uint64_t *sum)
{
    uint8_t padded[PACK_GROUP * 8 + PACK_SLACK];
    uint64_t rows = 0;
    for (unsigned w = 0; w < PACK_GROUP / 64; w++)
        rows += (uint64_t)__builtin_popcountll(selected[w]);
    if (!rows)
        return true;
    *sum += rows * add;
    const uint8_t *low = padded_low(g, end, padded);
    if (g->bits <= 32) {
        uint32_t values[PACK_GROUP];
        k->unpack32(low, g->bits, values);
        *sum += k->sum32(values, selected);
    } else {
        uint64_t values[PACK_GROUP];
        k->unpack64(low, g->bits, values);
        for (unsigned i = 0; i < PACK_GROUP; i++)
            *sum += values[i] & (0 - (selected[i / 64] >> (i % 64) & 1));
    }
    return !g->exceptions || sum_exceptions(g, end, selected, sum);
}

/* The bits of one group, none past `count`. */
static void group_bits(const uint64_t *selected, uint32_t first, uint32_t count,
                       uint64_t out[PACK_GROUP / 64])
{
    for (uint32_t w = 0; w < PACK_GROUP / 64; w++) {
        uint32_t row = first + 64 * w;
        uint64_t all = row + 64 <= count ? ~UINT64_C(0)
                       : row < count     ? (UINT64_C(1) << (count - row)) - 1
                                         : 0;
        out[w] = all && selected ? selected[row / 64] & all : all;
    }
}

enum weir_status packed_sum(struct cursor *in, uint32_t count, const uint64_t *selected,
                            uint64_t *sum)
{
    const struct kernels *k = kernels_best();
    uint64_t reference = cursor_u64_le(in), bits[PACK_GROUP / 64];
    unsigned reference_octets = cursor_u8(in);
    *sum = 0;
    if (in->failed)
        return WEIR_ETRUNCATED;
    if (reference_octets > 8)
        return WEIR_EMALFORMED;
    for (uint32_t first = 0; first < count; first += PACK_GROUP) {
        struct group g = {.count = count - first < PACK_GROUP ? count - first : PACK_GROUP};
        if (!read_group(in, reference_octets, 8, &g))
            return in->failed ? WEIR_ETRUNCATED : WEIR_EMALFORMED;
        group_bits(selected, first, count, bits);
        if (!sum_group(k, &g, in->end, reference + g.reference, bits, sum))
            return WEIR_EMALFORMED;
    }
    return WEIR_OK;
}
