/* order.c - sorts the rows of several frames as they were told, see order.h, and takes the better
 * of that order and order_alike.c's. Used by arrange.c.
 *
 * Runs are sorted, which are few as a rule; then the rows of runs of one exporter and export time,
 * which are few again. */
#include "block/order.h"
#include "base/cursor.h"
#include <string.h>

#define TIME_BITS 44      /* of a run's key; above them, its exporter */
#define INSERTION_MOST 64 /* rows sorted without counting */
#define PROBES_MOST 512u
#define ALIKE_ROWS_LEAST 256u /* fewer have little to gain */

struct source { /* an exporter, or an origin */
    uint64_t address[2], port, domain;
    uint64_t shape; /* of an origin: its template, and which elements it has */
};

struct numbering {
    struct source *seen; /* in the order they were first seen */
    uint32_t count;
    uint32_t *slots; /* hash -> index in `seen` + 1 */
    uint32_t mask, last;
};

struct sorting {
    const struct unordered *u;
    uint8_t *starts;              /* by row: 1 where a run starts */
    uint64_t *changes;            /* of a frame: bits where the elements that are there change */
    const struct vector **sparse; /* of a frame: those that some rows lack */
    uint32_t sparse_count;
    struct run *runs, *sorted;
    uint32_t run_count;
    bool inexact;                /* equal keys do not mean equal times */
    uint64_t *entries, *others;  /* what flows have in common in the upper half, the row in the
                                    lower */
    struct numbering exporters, origins;
};

static const ie_key run_keys[] = {WEIR_EXPORTER, WEIR_DOMAIN, WEIR_EXPORTER_PORT, WEIR_EXPORT_TIME,
                                  WEIR_TEMPLATE};
#define SPAN_KEYS 4u /* the first of them */

/* ---- runs ---- */

#define STARTS(type)                                                                               \
    do {                                                                                           \
        const type *in = values;                                                                   \
        for (uint32_t row = 1; row < rows; row++)                                                  \
            starts[row] |= in[row] != in[row - 1];                                                 \
    } while (0)

static void starts_of_values(const void *values, uint32_t rows, unsigned width, uint8_t *starts)
{
    switch (width) {
    case 1: STARTS(uint8_t); break;
    case 2: STARTS(uint16_t); break;
    case 4: STARTS(uint32_t); break;
    case 8: STARTS(uint64_t); break;
    default:
        for (uint32_t row = 1; row < rows; row++)
            starts[row] |= memcmp((const uint8_t *)values + 16 * (size_t)row,
                                  (const uint8_t *)values + 16 * (size_t)(row - 1), 16) != 0;
    }
}

/* Where the value differs from that of the row before. Octets never do: they order nothing. */
static void starts_of(const struct frame *f, ie_key key, uint8_t *starts)
{
    const struct vector *v = frame_find(f, key);
    if (!v || v->width == 0 || v->form == VECTOR_CONSTANT)
        return;
    if (v->form == VECTOR_DICTIONARY)
        starts_of_values(v->codes, v->rows, sizeof *v->codes, starts);
    else
        starts_of_values(v->values, v->rows, v->width, starts);
}

static uint64_t number_at(const struct vector *v, uint32_t row)
{
    return v && v->width >= 1 && v->width <= 8 ? vector_u64(v, row) : 0;
}

static bool same_source(const struct source *a, const struct source *b)
{
    return a->address[0] == b->address[0] && a->address[1] == b->address[1] && a->port == b->port &&
           a->domain == b->domain && a->shape == b->shape;
}

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (h ^ h >> 32) * UINT64_C(0x94d049bb133111eb);
}

static uint32_t hash_of(const struct source *e)
{
    uint64_t h = mix(e->address[0] ^ e->port << 32 ^ e->domain);
    return (uint32_t)(mix(h + e->address[1] + e->shape) >> 32);
}

/* Who finds no place soon, because someone chose addresses that collide, gets one number more. */
static uint32_t number_of(struct numbering *n, const struct source *e)
{
    if (n->count && same_source(&n->seen[n->last], e))
        return n->last;
    uint32_t slot = hash_of(e) & n->mask, probes = 0;
    for (; n->slots[slot] && probes < PROBES_MOST; slot = (slot + 1) & n->mask, probes++)
        if (same_source(&n->seen[n->slots[slot] - 1], e))
            return n->last = n->slots[slot] - 1;
    n->seen[n->count] = *e;
    if (!n->slots[slot])
        n->slots[slot] = n->count + 1;
    return n->last = n->count++;
}

static bool make_numbering(struct numbering *n, uint32_t most, struct arena *scratch)
{
    uint32_t slots = 16;
    while (slots < 2 * most)
        slots *= 2;
    n->mask = slots - 1;
    n->slots = arena_zero(scratch, slots * sizeof *n->slots);
    n->seen = arena_alloc(scratch, (most + 1) * sizeof *n->seen);
    return n->slots && n->seen;
}

/* Which elements the row has, but for those that all rows of the frame have. */
static uint64_t shape_of(const struct sorting *s, uint32_t row)
{
    uint64_t shape = 0;
    for (uint32_t i = 0; i < s->sparse_count; i++)
        shape += -(uint64_t)vector_has(s->sparse[i], row) & mix(s->sparse[i]->key);
    return shape;
}

/* Those that all rows have; the others go to s->sparse. */
static uint64_t shape_of_frame(struct sorting *s, const struct frame *f)
{
    uint64_t shape = 0;
    s->sparse_count = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->vectors[i].present)
            s->sparse[s->sparse_count++] = &f->vectors[i];
        else
            shape += mix(f->vectors[i].key);
    }
    return shape;
}

/* The least export time is taken off later. */
static void add_runs(struct sorting *s, const struct frame *f, uint32_t before)
{
    const struct vector *address = frame_find(f, WEIR_EXPORTER),
                        *domain = frame_find(f, WEIR_DOMAIN);
    const struct vector *port = frame_find(f, WEIR_EXPORTER_PORT),
                        *time = frame_find(f, WEIR_EXPORT_TIME);
    const struct vector *template = frame_find(f, WEIR_TEMPLATE);
    uint64_t common = shape_of_frame(s, f);
    for (uint32_t row = 0; row < f->rows; row++) {
        if (!s->starts[before + row])
            continue;
        struct source e = {.domain = number_at(domain, row), .port = number_at(port, row)};
        if (address && address->width == 16)
            memcpy(e.address, vector_octets(address, row).bytes, 16);
        struct run *r = &s->runs[s->run_count++];
        *r = (struct run){.key = number_at(time, row), .first = before + row};
        r->exporter = number_of(&s->exporters, &e);
        e.shape = mix(number_at(template, row) + 1) + common + shape_of(s, row);
        r->origin = number_of(&s->origins, &e);
    }
}

/* Clocks may be far apart: the lowest bits of times are left out then, which makes a block larger
 * and nothing else. */
static void finish_runs(struct sorting *s)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (uint32_t i = 0; i < s->run_count; i++) {
        least = s->runs[i].key < least ? s->runs[i].key : least;
        most = s->runs[i].key > most ? s->runs[i].key : most;
    }
    unsigned left_out = 0;
    while ((most - least) >> left_out >> TIME_BITS)
        left_out++;
    s->inexact = left_out > 0;
    for (uint32_t i = 0; i < s->run_count; i++) {
        struct run *r = &s->runs[i];
        r->key = (uint64_t)r->exporter << TIME_BITS | (r->key - least) >> left_out;
        r->end = i + 1 < s->run_count ? s->runs[i + 1].first : s->u->rows;
    }
}

/* Where a row has other elements than the row before. */
static void starts_of_presence(struct sorting *s, const struct frame *f, uint8_t *starts)
{
    uint32_t words = (f->rows + 63) / 64;
    memset(s->changes, 0, words * sizeof *s->changes);
    for (uint32_t i = 0; i < f->count; i++) {
        const uint64_t *present = f->vectors[i].present;
        for (uint32_t w = 0; present && w < words; w++)
            s->changes[w] |= present[w] ^ (present[w] << 1 | (w ? present[w - 1] >> 63 : 0));
    }
    for (uint32_t w = 0; w < words; w++)
        for (uint64_t bits = s->changes[w]; bits; bits &= bits - 1) {
            uint32_t row = 64 * w + (uint32_t)__builtin_ctzll(bits);
            if (row < f->rows)
                starts[row] = 1;
        }
}

static void find_starts(struct sorting *s)
{
    memset(s->starts, 0, s->u->rows);
    for (size_t i = 0; i < s->u->count; i++) {
        const struct frame *f = &s->u->frames[i];
        uint8_t *starts = s->starts + s->u->first_rows[i];
        if (f->rows)
            starts[0] = 1;
        for (size_t k = 0; k < sizeof run_keys / sizeof *run_keys; k++)
            starts_of(f, run_keys[k], starts);
        starts_of_presence(s, f, starts);
    }
}

/* False: no memory. */
static bool find_runs(struct sorting *s, struct arena *scratch)
{
    const struct unordered *u = s->u;
    uint32_t runs = 0, most = 0;
    for (size_t i = 0; i < u->count; i++)
        most = u->frames[i].count > most ? u->frames[i].count : most;
    s->starts = arena_alloc(scratch, u->rows + 1);
    s->changes = arena_alloc(scratch, (u->rows / 64 + 1) * sizeof *s->changes);
    s->sparse = arena_alloc(scratch, (most + 1) * sizeof *s->sparse);
    if (!s->starts || !s->changes || !s->sparse)
        return false;
    find_starts(s);
    for (uint32_t row = 0; row < u->rows; row++)
        runs += s->starts[row];
    s->runs = arena_alloc(scratch, (runs + 1) * sizeof *s->runs);
    s->sorted = arena_alloc(scratch, (runs + 1) * sizeof *s->sorted);
    if (!s->runs || !s->sorted || !make_numbering(&s->exporters, runs, scratch) ||
        !make_numbering(&s->origins, runs, scratch))
        return false;
    for (size_t i = 0; i < u->count; i++)
        add_runs(s, &u->frames[i], u->first_rows[i]);
    finish_runs(s);
    return true;
}

/* Stable, from the least important octet that differs to the most important one. */
static void sort_runs(struct sorting *s)
{
    uint64_t differ = 0;
    for (uint32_t i = 0; i < s->run_count; i++)
        differ |= s->runs[i].key ^ s->runs[0].key;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (!(differ >> shift & 255))
            continue;
        uint32_t start[257] = {0};
        for (uint32_t i = 0; i < s->run_count; i++)
            start[(s->runs[i].key >> shift & 255) + 1]++;
        for (unsigned i = 0; i < 256; i++)
            start[i + 1] += start[i];
        for (uint32_t i = 0; i < s->run_count; i++)
            s->sorted[start[s->runs[i].key >> shift & 255]++] = s->runs[i];
        struct run *sorted = s->sorted;
        s->sorted = s->runs;
        s->runs = sorted;
    }
}

/* ---- rows of equal runs ---- */

#define ADD_NUMBERS(type)                                                                          \
    do {                                                                                           \
        const type *in = v->values;                                                                \
        if (v->form == VECTOR_FLAT)                                                                \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                entries[row] |= (in[row] & mask) << shift;                                         \
        else                                                                                       \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                entries[row] |= (in[vector_index(v, row)] & mask) << shift;                        \
    } while (0)

static void add_numbers(const struct frame *f, ie_key key, uint64_t mask, unsigned shift,
                        uint64_t *entries)
{
    const struct vector *v = frame_find(f, key);
    if (v && v->form == VECTOR_CONSTANT && !v->present)
        return; /* nothing to tell them apart by */
    switch (v ? v->width : 0) {
    case 1: ADD_NUMBERS(uint8_t); break;
    case 2: ADD_NUMBERS(uint16_t); break;
    case 4: ADD_NUMBERS(uint32_t); break;
    case 8: ADD_NUMBERS(uint64_t); break;
    default: break; /* absent, or no number */
    }
}

/* What the flows of a message have in common: TCP flags, type of service, destination port. */
static void make_entries(const struct sorting *s)
{
    const struct unordered *u = s->u;
    for (uint32_t row = 0; row < u->rows; row++)
        s->others[row] = row;
    for (size_t i = 0; i < u->count; i++) {
        add_numbers(&u->frames[i], IANA(6), 0xff, 56, s->others + u->first_rows[i]);
        add_numbers(&u->frames[i], IANA(5), 0xff, 48, s->others + u->first_rows[i]);
        add_numbers(&u->frames[i], IANA(11), 0xffff, 32, s->others + u->first_rows[i]);
    }
}

/* The entries are all different: a row is in each. */
static void sort_few(uint64_t *entries, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint64_t e = entries[i];
        uint32_t to = i;
        for (; to && entries[to - 1] > e; to--)
            entries[to] = entries[to - 1];
        entries[to] = e;
    }
}

/* `count` rows from `at` on; ascending rows to begin with. */
static void sort_many(uint64_t *at, uint64_t *spare, uint32_t count)
{
    uint64_t *from = at, *to = spare, differ = 0;
    for (uint32_t i = 0; i < count; i++)
        differ |= from[i] ^ from[0];
    for (unsigned shift = 32; shift < 64; shift += 8) {
        if (!(differ >> shift & 255))
            continue;
        uint32_t start[257] = {0};
        for (uint32_t i = 0; i < count; i++)
            start[(from[i] >> shift & 255) + 1]++;
        for (unsigned i = 0; i < 256; i++)
            start[i + 1] += start[i];
        for (uint32_t i = 0; i < count; i++)
            to[start[from[i] >> shift & 255]++] = from[i];
        uint64_t *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != at)
        memcpy(at, from, count * sizeof *at);
}

/* Gathers the rows of runs with one key, sorts them, and goes on to the next key. The rows before
 * those that are being gathered are in their place; `others` is read from, run by run. */
static void sort_rows(struct sorting *s, uint64_t *spare, struct order *out)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < s->run_count;) {
        uint32_t from = done;
        uint64_t key = s->runs[i].key;
        out->spans[out->span_count++] = (struct span){.at = from, .row = s->runs[i].first};
        for (; i < s->run_count && s->runs[i].key == key; i++) {
            uint32_t rows = s->runs[i].end - s->runs[i].first;
            memcpy(s->entries + done, s->others + s->runs[i].first, rows * sizeof *s->entries);
            done += rows;
        }
        if (done - from <= INSERTION_MOST)
            sort_few(s->entries + from, done - from);
        else
            sort_many(s->entries + from, spare, done - from);
    }
}

/* As the messages told them. False: no memory. */
static bool order_told(struct sorting *s, struct arena *a, struct arena *scratch,
                       struct order *out)
{
    uint32_t rows = s->u->rows;
    s->entries = arena_alloc(scratch, (rows + 1) * sizeof *s->entries);
    s->others = arena_alloc(scratch, (rows + 1) * sizeof *s->others);
    uint64_t *spare = arena_alloc(scratch, (rows + 1) * sizeof *spare);
    out->rows = arena_alloc(a, (rows + 1) * sizeof *out->rows);
    out->spans = arena_alloc(a, (s->run_count + 1) * sizeof *out->spans);
    if (!s->entries || !s->others || !spare || !out->rows || !out->spans)
        return false;
    sort_runs(s);
    make_entries(s);
    sort_rows(s, spare, out);
    for (uint32_t i = 0; i < rows; i++)
        out->rows[i] = (uint32_t)s->entries[i];
    return true;
}

bool order_rows(const struct unordered *u, struct arena *a, struct arena *scratch,
                struct order *out)
{
    struct sorting s = {.u = u};
    bool better = false;
    *out = (struct order){.rows = NULL};
    if (!find_runs(&s, scratch))
        return false;
    const struct runs runs = {s.runs, s.run_count, s.origins.count};
    uint32_t *alike = NULL;
    if (u->rows >= ALIKE_ROWS_LEAST && u->rows <= ORDER_ALIKE_ROWS_MOST &&
        !(alike = order_alike(u, &runs, a, scratch)))
        return false;
    if (!order_told(&s, a, scratch, out) ||
        (alike && !order_choose(u, out, alike, scratch, &better)))
        return false;
    if (better)
        *out = (struct order){.rows = alike};
    if (s.inexact)
        out->span_count = 0;
    return true;
}

bool order_keeps_together(ie_key key)
{
    for (size_t k = 0; k < SPAN_KEYS; k++)
        if (run_keys[k] == key)
            return true;
    return false;
}
