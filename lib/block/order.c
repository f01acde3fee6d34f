/* order.c - sorts the rows of several frames, see order.h. Used by arrange.c.
 *
 * Rows that lie together and have exporter and export time in common are a run: most often the
 * flows of one message. Runs are sorted, which are few; then the rows of equal runs, which are few
 * again. */
#include "block/order.h"
#include "base/cursor.h"
#include <string.h>

#define TIME_BITS 44      /* of a run's key; above them, its exporter */
#define INSERTION_MOST 64 /* rows sorted without counting */
#define PROBES_MOST 512u

struct run {
    uint64_t key;
    uint32_t first, end; /* rows */
};

struct sorting {
    const struct frame *frames;
    size_t count;
    uint32_t rows;
    uint8_t *starts;             /* by row: 1 where a run starts */
    struct run *runs, *sorted;
    uint32_t run_count;
    bool inexact;                /* equal keys do not mean equal times */
    uint64_t *entries, *others;  /* what flows have in common in the upper half, the row in the
                                    lower */
    struct exporter *exporters;  /* in the order they were first seen */
    uint32_t exporter_count;
    uint32_t *slots;             /* hash -> index in `exporters` + 1 */
    uint32_t slot_mask;
};

struct exporter {
    uint64_t address[2], port;
    uint32_t domain;
};

static const ie_key run_keys[] = {WEIR_EXPORTER, WEIR_DOMAIN, WEIR_EXPORTER_PORT, WEIR_EXPORT_TIME};

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

static bool same_exporter(const struct exporter *a, const struct exporter *b)
{
    return a->address[0] == b->address[0] && a->address[1] == b->address[1] && a->port == b->port &&
           a->domain == b->domain;
}

static uint32_t hash_of(const struct exporter *e)
{
    uint64_t h = e->address[0] ^ e->port << 32 ^ e->domain;
    h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + e->address[1];
    h = (h ^ h >> 32) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(h >> 32);
}

/* Who finds no place soon, because someone chose addresses that collide, gets one number more. */
static uint32_t number_of(struct sorting *s, const struct exporter *e)
{
    uint32_t slot = hash_of(e) & s->slot_mask, probes = 0;
    for (; s->slots[slot] && probes < PROBES_MOST; slot = (slot + 1) & s->slot_mask, probes++)
        if (same_exporter(&s->exporters[s->slots[slot] - 1], e))
            return s->slots[slot] - 1;
    s->exporters[s->exporter_count] = *e;
    if (!s->slots[slot])
        s->slots[slot] = s->exporter_count + 1;
    return s->exporter_count++;
}

/* The least export time is taken off later. */
static void add_runs(struct sorting *s, const struct frame *f, uint32_t before)
{
    const struct vector *address = frame_find(f, WEIR_EXPORTER),
                        *domain = frame_find(f, WEIR_DOMAIN);
    const struct vector *port = frame_find(f, WEIR_EXPORTER_PORT),
                        *time = frame_find(f, WEIR_EXPORT_TIME);
    for (uint32_t row = 0; row < f->rows; row++) {
        if (!s->starts[before + row])
            continue;
        struct exporter e = {.domain = (uint32_t)number_at(domain, row),
                             .port = number_at(port, row)};
        if (address && address->width == 16)
            memcpy(e.address, vector_octets(address, row).bytes, 16);
        /* The number waits in `end`. */
        s->runs[s->run_count++] =
            (struct run){number_at(time, row), before + row, number_of(s, &e)};
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
        r->key = (uint64_t)r->end << TIME_BITS | (r->key - least) >> left_out;
        r->end = i + 1 < s->run_count ? s->runs[i + 1].first : s->rows;
    }
}

static void find_starts(struct sorting *s)
{
    uint32_t row = 0;
    memset(s->starts, 0, s->rows);
    for (size_t i = 0; i < s->count; row += s->frames[i++].rows) {
        if (s->frames[i].rows)
            s->starts[row] = 1;
        for (size_t k = 0; k < sizeof run_keys / sizeof *run_keys; k++)
            starts_of(&s->frames[i], run_keys[k], s->starts + row);
    }
}

/* False: no memory. */
static bool find_runs(struct sorting *s, struct arena *scratch)
{
    uint32_t runs = 0, slots = 16;
    find_starts(s);
    for (uint32_t row = 0; row < s->rows; row++)
        runs += s->starts[row];
    while (slots < 2 * runs)
        slots *= 2;
    s->slot_mask = slots - 1;
    s->slots = arena_zero(scratch, slots * sizeof *s->slots);
    s->exporters = arena_alloc(scratch, (runs + 1) * sizeof *s->exporters);
    s->runs = arena_alloc(scratch, (runs + 1) * sizeof *s->runs);
    s->sorted = arena_alloc(scratch, (runs + 1) * sizeof *s->sorted);
    if (!s->slots || !s->exporters || !s->runs || !s->sorted)
        return false;
    uint32_t row = 0;
    for (size_t i = 0; i < s->count; row += s->frames[i++].rows)
        add_runs(s, &s->frames[i], row);
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
    uint32_t before = 0;
    for (uint32_t row = 0; row < s->rows; row++)
        s->others[row] = row;
    for (size_t i = 0; i < s->count; before += s->frames[i++].rows) {
        add_numbers(&s->frames[i], IANA(6), 0xff, 56, s->others + before);
        add_numbers(&s->frames[i], IANA(5), 0xff, 48, s->others + before);
        add_numbers(&s->frames[i], IANA(11), 0xffff, 32, s->others + before);
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

bool order_rows(const struct frame *frames, size_t count, uint32_t rows, struct arena *a,
                struct arena *scratch, struct order *out)
{
    struct sorting s = {.frames = frames, .count = count, .rows = rows};
    s.starts = arena_alloc(scratch, rows + 1);
    s.entries = arena_alloc(scratch, (rows + 1) * sizeof *s.entries);
    s.others = arena_alloc(scratch, (rows + 1) * sizeof *s.others);
    uint64_t *spare = arena_alloc(scratch, (rows + 1) * sizeof *spare);
    *out = (struct order){.place = arena_alloc(a, (rows + 1) * sizeof *out->place)};
    bool fine = s.starts && s.entries && s.others && spare && out->place && find_runs(&s, scratch);
    if (fine)
        out->spans = arena_alloc(a, (s.run_count + 1) * sizeof *out->spans);
    fine = fine && out->spans;
    if (fine) {
        sort_runs(&s);
        make_entries(&s);
        sort_rows(&s, spare, out);
    }
    for (uint32_t i = 0; fine && i < rows; i++)
        out->place[(uint32_t)s.entries[i]] = i;
    if (s.inexact)
        out->span_count = 0;
    return fine;
}

bool order_keeps_together(ie_key key)
{
    for (size_t k = 0; k < sizeof run_keys / sizeof *run_keys; k++)
        if (run_keys[k] == key)
            return true;
    return false;
}
