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

/* Of an exporter: address, port and domain. Of an origin: its exporter's number, and a hash of its
 * template and which elements it has. */
#define EXPORTER_WORDS 4u
#define ORIGIN_WORDS   2u

struct numbering {
    uint64_t *seen; /* in the order they were first seen, `words` each */
    unsigned words;
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
    uint32_t most_alike;         /* rows of equal runs, at most */
    bool inexact;                /* equal keys do not mean equal times */
    uint32_t *tags;              /* by row: what flows have in common */
    uint64_t *entries, *spare;   /* of the rows of equal runs: tag, and the row below it */
    struct numbering exporters, origins;
};

static const ie_key run_keys[] = {WEIR_EXPORTER, WEIR_DOMAIN, WEIR_EXPORTER_PORT, WEIR_EXPORT_TIME,
                                  WEIR_TEMPLATE};
#define SPAN_KEYS 4u /* the first of them */

/* ---- runs ---- */

/* The inner loop has a length that is known, so it vectorises. */
#define STARTS(type)                                                                               \
    do {                                                                                           \
        const type *restrict in = values;                                                          \
        uint32_t row = 1;                                                                          \
        for (; row + 64 <= rows; row += 64)                                                        \
            for (uint32_t i = row; i < row + 64; i++)                                              \
                starts[i] |= in[i] != in[i - 1];                                                   \
        for (; row < rows; row++)                                                                  \
            starts[row] |= in[row] != in[row - 1];                                                 \
    } while (0)

static void starts_of_values(const void *values, uint32_t rows, unsigned width,
                             uint8_t *restrict starts)
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

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return (h ^ h >> 32) * UINT64_C(0x94d049bb133111eb);
}

static uint32_t hash_of(const uint64_t *key, unsigned words)
{
    uint64_t h = 0;
    for (unsigned i = 0; i < words; i++)
        h = mix(h + key[i]);
    return (uint32_t)(h >> 32);
}

static bool is_seen(const struct numbering *n, uint32_t number, const uint64_t *key)
{
    return memcmp(n->seen + number * (size_t)n->words, key, n->words * sizeof *key) == 0;
}

/* Who finds no place soon, because someone chose addresses that collide, gets one number more. */
static uint32_t number_of(struct numbering *n, const uint64_t *key)
{
    if (n->count && is_seen(n, n->last, key))
        return n->last;
    uint32_t slot = hash_of(key, n->words) & n->mask, probes = 0;
    for (; n->slots[slot] && probes < PROBES_MOST; slot = (slot + 1) & n->mask, probes++)
        if (is_seen(n, n->slots[slot] - 1, key))
            return n->last = n->slots[slot] - 1;
    memcpy(n->seen + n->count * (size_t)n->words, key, n->words * sizeof *key);
    if (!n->slots[slot])
        n->slots[slot] = n->count + 1;
    return n->last = n->count++;
}

static bool make_numbering(struct numbering *n, unsigned words, uint32_t most,
                           struct arena *scratch)
{
    uint32_t slots = 16;
    while (slots < 2 * most)
        slots *= 2;
    n->words = words;
    n->mask = slots - 1;
    n->slots = arena_zero(scratch, slots * sizeof *n->slots);
    n->seen = arena_alloc(scratch, (most + 1) * (size_t)words * sizeof *n->seen);
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
        uint64_t e[EXPORTER_WORDS] = {0, 0, number_at(domain, row), number_at(port, row)};
        if (address && address->width == 16)
            memcpy(e, vector_octets(address, row).bytes, 16);
        struct run *r = &s->runs[s->run_count++];
        *r = (struct run){.key = number_at(time, row), .first = before + row};
        r->exporter = number_of(&s->exporters, e);
        const uint64_t origin[ORIGIN_WORDS] = {
            r->exporter, mix(number_at(template, row) + 1) + common + shape_of(s, row)};
        r->origin = number_of(&s->origins, origin);
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

/* False: no memory. `passing`: what is of no use afterwards. */
static bool find_runs(struct sorting *s, struct arena *scratch, struct arena *passing)
{
    const struct unordered *u = s->u;
    uint32_t runs = 0, most = 0;
    for (size_t i = 0; i < u->count; i++)
        most = u->frames[i].count > most ? u->frames[i].count : most;
    s->starts = arena_alloc(passing, u->rows + 1);
    s->changes = arena_alloc(passing, (u->rows / 64 + 1) * sizeof *s->changes);
    s->sparse = arena_alloc(passing, (most + 1) * sizeof *s->sparse);
    if (!s->starts || !s->changes || !s->sparse)
        return false;
    find_starts(s);
    for (uint32_t row = 0; row < u->rows; row++)
        runs += s->starts[row];
    s->runs = arena_alloc(scratch, (runs + 1) * sizeof *s->runs);
    s->sorted = arena_alloc(scratch, (runs + 1) * sizeof *s->sorted);
    if (!s->runs || !s->sorted ||
        !make_numbering(&s->exporters, EXPORTER_WORDS, runs, passing) ||
        !make_numbering(&s->origins, ORIGIN_WORDS, runs, passing))
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
        const type *restrict in = v->values;                                                       \
        if (v->form == VECTOR_FLAT)                                                                \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                tags[row] |= (uint32_t)(in[row] & mask) << shift;                                  \
        else                                                                                       \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                tags[row] |= (uint32_t)(in[vector_index(v, row)] & mask) << shift;                 \
    } while (0)

static void add_numbers(const struct vector *v, uint64_t mask, unsigned shift,
                        uint32_t *restrict tags)
{
    switch (v ? v->width : 0) {
    case 1: ADD_NUMBERS(uint8_t); break;
    case 2: ADD_NUMBERS(uint16_t); break;
    case 4: ADD_NUMBERS(uint32_t); break;
    case 8: ADD_NUMBERS(uint64_t); break;
    default: break; /* absent, or no number */
    }
}

/* What the flows of a message have in common: TCP flags, type of service, destination port. */
static void make_tags(const struct sorting *s)
{
    const struct unordered *u = s->u;
    memset(s->tags, 0, u->rows * sizeof *s->tags);
    for (size_t i = 0; i < u->count; i++) {
        uint32_t *tags = s->tags + u->first_rows[i];
        add_numbers(frame_find(&u->frames[i], IANA(6)), 0xff, 24, tags);
        add_numbers(frame_find(&u->frames[i], IANA(5)), 0xff, 16, tags);
        add_numbers(frame_find(&u->frames[i], IANA(11)), 0xffff, 0, tags);
    }
}

/* The same for the rows of a run alone. */
static void make_tags_of(const struct sorting *s, const struct run *r)
{
    uint32_t frame = frame_of(s->u, r->first), before = s->u->first_rows[frame];
    const struct frame *f = &s->u->frames[frame];
    const struct vector *flags = frame_find(f, IANA(6)), *service = frame_find(f, IANA(5)),
                        *port = frame_find(f, IANA(11));
    for (uint32_t row = r->first; row < r->end; row++)
        s->tags[row] = (uint32_t)(number_at(flags, row - before) & 0xff) << 24 |
                       (uint32_t)(number_at(service, row - before) & 0xff) << 16 |
                       (uint32_t)(number_at(port, row - before) & 0xffff);
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

/* Where runs with one key go: the order but for that of their rows. */
static void find_spans(struct sorting *s, struct order *out)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < s->run_count;) {
        uint32_t from = done;
        uint64_t key = s->runs[i].key;
        out->spans[out->span_count++] = (struct span){.at = from, .row = s->runs[i].first};
        for (; i < s->run_count && s->runs[i].key == key; i++)
            done += s->runs[i].end - s->runs[i].first;
        s->most_alike = done - from > s->most_alike ? done - from : s->most_alike;
    }
}

/* The rows of runs [first, end), which have one key, in their order. */
static void sort_span(const struct sorting *s, uint32_t first, uint32_t end, uint32_t *rows)
{
    uint32_t count = 0;
    for (uint32_t i = first; i < end; i++)
        for (uint32_t row = s->runs[i].first; row < s->runs[i].end; row++)
            s->entries[count++] = (uint64_t)s->tags[row] << 32 | row;
    if (count <= INSERTION_MOST)
        sort_few(s->entries, count);
    else
        sort_many(s->entries, s->spare, count);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (uint32_t)s->entries[i];
}

/* All rows, or `sampled` ones alone, as their messages told them. */
static void sort_spans(const struct sorting *s, bool sampled, struct order *out)
{
    uint32_t at = 0, window = 0, size = order_window_size(s->u->rows);
    if (!sampled)
        make_tags(s);
    for (uint32_t i = 0, first = 0; i < s->run_count; first = i) {
        uint32_t from = at;
        for (; i < s->run_count && s->runs[i].key == s->runs[first].key; i++)
            at += s->runs[i].end - s->runs[i].first;
        while (sampled && window < ORDER_WINDOWS &&
               order_window(s->u->rows, window) + size <= from)
            window++;
        if (sampled && (window == ORDER_WINDOWS || order_window(s->u->rows, window) >= at))
            continue;
        for (uint32_t r = first; sampled && r < i; r++)
            make_tags_of(s, &s->runs[r]);
        sort_span(s, first, i, out->rows + from);
    }
}

/* Everything but the rows. False: no memory. */
static bool order_told(struct sorting *s, struct arena *a, struct arena *scratch,
                       struct order *out)
{
    uint32_t rows = s->u->rows;
    s->tags = arena_alloc(scratch, (rows + 1) * sizeof *s->tags);
    out->rows = arena_alloc(a, (rows + 1) * sizeof *out->rows);
    out->spans = arena_alloc(a, (s->run_count + 1) * sizeof *out->spans);
    if (!s->tags || !out->rows || !out->spans)
        return false;
    sort_runs(s);
    find_spans(s, out);
    s->entries = arena_alloc(scratch, (s->most_alike + 1) * sizeof *s->entries);
    s->spare = arena_alloc(scratch, (s->most_alike + 1) * sizeof *s->spare);
    return s->entries && s->spare;
}

/* *alike: NULL when that order is not tried. False: no memory. */
static bool find_both(struct sorting *s, struct arena *a, struct arena *scratch,
                      struct order *told, uint32_t **alike)
{
    const struct unordered *u = s->u;
    struct arena passing = {.limit = scratch->limit};
    bool tried = u->rows >= ALIKE_ROWS_LEAST && u->rows <= ORDER_ALIKE_ROWS_MOST;
    bool fine = find_runs(s, scratch, &passing);
    const struct runs runs = {s->runs, s->run_count, s->origins.count};
    arena_reset(&passing);
    if (fine && tried)
        fine = (*alike = order_alike(u, &runs, a, &passing)) != NULL;
    arena_free(&passing);
    return fine && order_told(s, a, scratch, told);
}

/* The rows as they were told are sorted where the sample is looked at, and all of them only when
 * that order is taken. */
bool order_rows(const struct unordered *u, struct arena *a, struct arena *scratch,
                struct order *out)
{
    struct sorting s = {.u = u};
    uint32_t *alike = NULL;
    bool better = false;
    *out = (struct order){.rows = NULL};
    if (!find_both(&s, a, scratch, out, &alike))
        return false;
    if (alike) {
        sort_spans(&s, true, out);
        if (!order_choose(u, out, alike, scratch, &better))
            return false;
    }
    if (better)
        *out = (struct order){.rows = alike};
    else
        sort_spans(&s, false, out);
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
