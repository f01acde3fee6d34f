/* order.c - sorts the rows of several frames, see order.h: a stable radix sort, from the least
 * important key to the most important, of the octets that differ. Used by merge.c. */
#include "store/order.h"
#include "store/rollups.h"
#include <string.h>

struct sorting {
    const struct frame *frames;
    size_t count;
    uint32_t rows;
    uint64_t *keys; /* by row of the source */
    uint64_t *from, *to; /* entries: a key in the upper half, a row in the lower */
    struct rollups *exporters; /* numbers them */
};

/* ---- keys ---- */

static uint64_t number_at(const struct vector *v, uint32_t row)
{
    return v && v->width >= 1 && v->width <= 8 ? vector_u64(v, row) : 0;
}

#define ADD_NUMBERS(type)                                                                          \
    do {                                                                                           \
        const type *in = v->values;                                                                \
        if (v->form == VECTOR_FLAT)                                                                \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                keys[row] |= (in[row] & mask) << shift;                                            \
        else                                                                                       \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                keys[row] |= (in[vector_index(v, row)] & mask) << shift;                           \
    } while (0)

/* Puts the low bits of each row's number into its key. */
static void add_numbers(const struct frame *f, ie_key key, uint64_t mask, unsigned shift,
                        uint64_t *keys)
{
    const struct vector *v = frame_find(f, key);
    switch (v ? v->width : 0) {
    case 1: ADD_NUMBERS(uint8_t); break;
    case 2: ADD_NUMBERS(uint16_t); break;
    case 4: ADD_NUMBERS(uint32_t); break;
    case 8: ADD_NUMBERS(uint64_t); break;
    default: break; /* absent, or no number */
    }
}

/* What the flows of a message have in common: TCP flags, type of service, destination port. */
static bool key_of_traffic(struct sorting *s, const struct frame *f, uint64_t *keys)
{
    (void)s;
    memset(keys, 0, f->rows * sizeof *keys);
    add_numbers(f, IANA(6), 0xff, 24, keys);
    add_numbers(f, IANA(5), 0xff, 16, keys);
    add_numbers(f, IANA(11), 0xffff, 0, keys);
    return true;
}

static bool key_of_message(struct sorting *s, const struct frame *f, uint64_t *keys)
{
    (void)s;
    memset(keys, 0, f->rows * sizeof *keys);
    add_numbers(f, WEIR_EXPORT_TIME, UINT64_MAX, 0, keys);
    return true;
}

static bool key_of_exporter(struct sorting *s, const struct frame *f, uint64_t *keys)
{
    const struct vector *exporter = frame_find(f, WEIR_EXPORTER);
    const struct vector *domain = frame_find(f, WEIR_DOMAIN), *port = frame_find(f, WEIR_EXPORTER_PORT);
    struct rollup_context c = {0};
    uint32_t number = 0;
    for (uint32_t row = 0; row < f->rows; row++) {
        struct address a = {{0}};
        uint32_t of_domain = (uint32_t)number_at(domain, row);
        uint64_t of_port = number_at(port, row);
        if (exporter && exporter->width == 16)
            memcpy(&a, vector_octets(exporter, row).bytes, 16);
        if (row == 0 || of_domain != c.domain || of_port != c.rate_bits ||
            memcmp(&a, &c.exporter, sizeof a) != 0) {
            c.exporter = a;
            c.domain = of_domain;
            c.rate_bits = of_port; /* its place is free here */
            if (!rollups_context(s->exporters, &c, &number))
                return false;
        }
        keys[row] = number;
    }
    return true;
}

/* The least important first. */
static bool (*const keys_of[])(struct sorting *, const struct frame *, uint64_t *) = {
    key_of_traffic, key_of_message, key_of_exporter,
};

/* ---- sorting ---- */

static void sort_by_octet(struct sorting *s, unsigned shift)
{
    uint32_t start[257] = {0};
    for (uint32_t i = 0; i < s->rows; i++)
        start[(s->from[i] >> shift & 255) + 1]++;
    for (unsigned i = 0; i < 256; i++)
        start[i + 1] += start[i];
    for (uint32_t i = 0; i < s->rows; i++)
        s->to[start[s->from[i] >> shift & 255]++] = s->from[i];
    uint64_t *sorted = s->to;
    s->to = s->from;
    s->from = sorted;
}

/* Keys are sorted by 32 bits above their least: of clocks that are far apart, the lowest bits are left
 * out, which makes a block larger and nothing else. */
static void sort_by_keys(struct sorting *s)
{
    uint64_t least = UINT64_MAX, most = 0, differ = 0;
    for (uint32_t i = 0; i < s->rows; i++) {
        least = s->keys[i] < least ? s->keys[i] : least;
        most = s->keys[i] > most ? s->keys[i] : most;
    }
    unsigned left_out = most - least > UINT32_MAX ? 32u - (unsigned)__builtin_clzll(most - least) : 0;
    for (uint32_t i = 0; i < s->rows; i++) {
        uint32_t row = (uint32_t)s->from[i];
        s->from[i] = (s->keys[row] - least) >> left_out << 32 | row;
        differ |= s->from[i] ^ s->from[0];
    }
    for (unsigned shift = 32; shift < 64; shift += 8)
        if (differ >> shift & 255)
            sort_by_octet(s, shift);
}

static bool sort(struct sorting *s)
{
    for (uint32_t i = 0; i < s->rows; i++)
        s->from[i] = i;
    for (size_t k = 0; k < sizeof keys_of / sizeof *keys_of; k++) {
        uint32_t row = 0;
        for (size_t i = 0; i < s->count; row += s->frames[i++].rows)
            if (!keys_of[k](s, &s->frames[i], s->keys + row))
                return false;
        sort_by_keys(s);
    }
    return true;
}

const uint32_t *order_rows(const struct frame *frames, size_t count, uint32_t rows,
                           struct arena *a, struct arena *scratch)
{
    struct sorting s = {.frames = frames, .count = count, .rows = rows};
    s.keys = arena_alloc(scratch, (rows + 1) * sizeof *s.keys);
    s.from = arena_alloc(scratch, (rows + 1) * sizeof *s.from);
    s.to = arena_alloc(scratch, (rows + 1) * sizeof *s.to);
    s.exporters = rollups_new();
    uint32_t *place = arena_alloc(a, (rows + 1) * sizeof *place);
    bool fine = s.keys && s.from && s.to && s.exporters && place && sort(&s);
    for (uint32_t i = 0; fine && i < rows; i++)
        place[(uint32_t)s.from[i]] = i;
    rollups_free(s.exporters);
    arena_reset(scratch);
    return fine ? place : NULL;
}
