/* groups.c - hash aggregation; see groups.h. The probing loops are written once and instantiated
 * for one word, two words, and any number. */
#include "query/groups.h"
#include "query/group_rows.h"
#include "query/hash.h"
#include "query/pages.h"

#include <stdlib.h>
#include <string.h>

#define AHEAD 32u /* rows between prefetching a record and looking at it */
#define FIRST_CAPACITY ((size_t)256)
#define START_CAPACITY ((size_t)64) /* most questions have few groups, and all of it is zeroed */
#define FAST_GROWTH ((size_t)1 << 18) /* records, up to which tables quadruple */
#define EARLY_OCTETS ((size_t)512 << 10) /* tables below it are left alone */
#define SCATTER_OCTETS ((size_t)8 << 20) /* and those below it, after a reunion */
#define SAMPLE_FROM UINT64_C(131072)     /* rows put aside, when they are first looked at again */
#define SAMPLE_ROWS UINT64_C(4096)
#define NEAR_OCTETS ((size_t)16 << 20)   /* tables below it pay when rows are two to a group */
#define CACHED_OCTETS ((size_t)512 << 10) /* below it prefetching costs more than it saves */
#define INLINE static inline __attribute__((always_inline))

static size_t octets_of(const struct groups *g, size_t capacity)
{
    return g->direct_bits ? sizeof(struct cell) << g->direct_bits
                          : capacity * g->stride * sizeof(uint64_t);
}

bool groups_init(struct groups *g, struct budget *budget, const struct loops *loops, uint64_t seed,
                 unsigned words, unsigned extra, unsigned direct_bits)
{
    *g = (struct groups){.budget = budget, .loops = loops, .seed = seed | 1, .words = words,
                         .extra = extra, .stride = GROUP_SUMS + words + extra,
                         .direct_bits = direct_bits, .capacity = START_CAPACITY,
                         .reconsider_at = SAMPLE_FROM};
    g->down = 64 - (unsigned)__builtin_ctzll(START_CAPACITY);
    size_t octets = octets_of(g, g->capacity);
    if (!budget_take(budget, octets))
        return false;
    void *memory = pages_take(octets);
    if (!memory) {
        budget_give(budget, octets);
        return false;
    }
    if (direct_bits)
        g->cells = memory;
    else
        g->records = memory;
    return true;
}

void groups_free(struct groups *g)
{
    if (g->cells || g->records)
        budget_give(g->budget, octets_of(g, g->capacity));
    pages_give(g->cells, octets_of(g, g->capacity));
    pages_give(g->records, octets_of(g, g->capacity));
    parts_free(g->parts);
    *g = (struct groups){0};
}

void groups_scatter(struct groups *g, const uint64_t *mask)
{
    g->may_scatter = true;
    memcpy(g->part_mask, mask, g->words * sizeof *mask);
}

/* The table as a probing loop wants it: in registers, which stores to records do not disturb. */
struct view {
    uint64_t *records;
    size_t mask;
    unsigned down, stride, words;
};

INLINE struct view view_of(const struct groups *g, unsigned words, unsigned stride)
{
    return (struct view){g->records, g->capacity - 1, g->down, stride, words};
}

/* The record of these words, where it is or where it goes. */
INLINE uint64_t *probe(struct view v, uint64_t hash, const uint64_t *words)
{
    size_t slot = hash >> v.down;
    for (;;) {
        uint64_t *record = v.records + slot * v.stride;
        if (!record[2] || same_words(record + GROUP_SUMS, words, v.words))
            return record;
        slot = (slot + 1) & v.mask;
    }
}

/* ---- putting groups aside ---- */

/* The high bits, so that of a table each part is a run of slots. */
INLINE uint16_t part_of(uint64_t hash)
{
    return (uint16_t)(hash >> (64 - PART_BITS));
}

INLINE bool put_aside(struct groups *g, const uint64_t *const *words, const uint64_t *octets,
                      const uint64_t *packets, const uint64_t *flows, uint32_t n, unsigned count)
{
    uint16_t part[LOOP_ROWS];
    for (uint32_t i = 0; i < n; i++) {
        uint64_t h = g->seed;
        for (unsigned w = 0; w < count; w++)
            h = hash_mix(h, words[w][i] & g->part_mask[w]);
        part[i] = part_of(h);
    }
    g->aside += n;
    return parts_put(g->parts, part, words, octets, packets, flows, n);
}

static bool scatter_rows(struct groups *g, const uint64_t *const *words, const uint64_t *octets,
                         const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    return g->words == 2 ? put_aside(g, words, octets, packets, flows, n, 2)
                         : put_aside(g, words, octets, packets, flows, n, g->words);
}

static bool scatter_run(struct groups *g, struct rows *r)
{
    uint32_t n = r->count;
    r->count = 0;
    return !n || scatter_rows(g, r->columns, r->octets, r->packets, r->flows, n);
}

static bool scatter_table(struct groups *g)
{
    struct rows *rows = new_rows();
    bool fine = rows != NULL;
    for (size_t i = 0; fine && i < g->capacity; i++) {
        const uint64_t *record = g->records + i * g->stride;
        if (!record[2])
            continue;
        put_row(rows, record, record + GROUP_SUMS, g->words);
        if (rows->count == LOOP_ROWS)
            fine = scatter_run(g, rows);
    }
    fine = fine && scatter_run(g, rows);
    free(rows);
    return fine;
}

/* Moves everything to its part and starts anew with a small table. Rows that seldom met their group
 * will not do better later, and go past the table from now on; so do all when there is little
 * memory. */
static bool scatter(struct groups *g, bool little)
{
    if (!g->parts && !(g->parts = parts_new(g->budget, g->words)))
        return false;
    g->scattering |= g->rows < 2 * g->count || little;
    size_t octets = octets_of(g, FIRST_CAPACITY);
    uint64_t *records = pages_take(octets);
    if (!records)
        return false;
    bool fine = scatter_table(g);
    budget_give(g->budget, octets_of(g, g->capacity));
    budget_force(g->budget, octets);
    pages_give(g->records, octets_of(g, g->capacity));
    g->records = records;
    g->capacity = FIRST_CAPACITY;
    g->down = 64 - (unsigned)__builtin_ctzll(FIRST_CAPACITY);
    g->count = 0;
    g->rows = 0;
    return fine;
}

/* A table this size that hardly ever finds a row's group. */
static bool is_sparse(const struct groups *g)
{
    return octets_of(g, g->capacity) >= (g->reunited ? SCATTER_OCTETS : EARLY_OCTETS) &&
           g->rows < g->count + g->count / 2;
}

static bool grow(struct groups *g)
{
    unsigned by = g->capacity < FAST_GROWTH ? 2 : 1;
    size_t old_octets = octets_of(g, g->capacity);
    size_t octets = octets_of(g, g->capacity << by);
    if (g->may_scatter && is_sparse(g))
        return scatter(g, false);
    if (!(g->may_scatter ? budget_try(g->budget, octets) : budget_take(g->budget, octets)))
        return g->may_scatter && scatter(g, octets < SCATTER_OCTETS);
    uint64_t *old = g->records, *records = pages_take(octets);
    if (!records) {
        budget_give(g->budget, octets);
        return false;
    }
    size_t old_capacity = g->capacity;
    g->records = records;
    g->capacity <<= by;
    g->down -= by;
    for (size_t i = 0; i < old_capacity; i++) {
        const uint64_t *from = old + i * g->stride;
        if (!from[2])
            continue;
        const uint64_t *words = from + GROUP_SUMS;
        uint64_t *to =
            probe(view_of(g, g->words, g->stride), hash_of_words(g->seed, words, g->words), words);
        memcpy(to, from, g->stride * sizeof *to);
    }
    pages_give(old, old_octets);
    budget_give(g->budget, old_octets);
    return true;
}

static bool make_room(struct groups *g, size_t more)
{
    while ((g->count + more) * 3 > g->capacity * 2) {
        if (!grow(g))
            return false;
        if (g->scattering && g->count == 0) /* the rows go past the table; one always fits it */
            break;
    }
    return true;
}

INLINE void add_run(struct groups *g, const uint64_t *const *words, const uint64_t *octets,
                    const uint64_t *packets, const uint64_t *flows, uint32_t n, unsigned count)
{
    const struct view v = view_of(g, count, GROUP_SUMS + count);
    const uint64_t seed = g->seed;
    uint64_t hashes[LOOP_ROWS + AHEAD], key[GROUP_WORDS_MOST];
    bool far = g->capacity * v.stride * sizeof(uint64_t) > CACHED_OCTETS;
    size_t added = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t h = seed;
        for (unsigned w = 0; w < count; w++)
            h = hash_mix(h, words[w][i]);
        hashes[i] = h;
    }
    memset(hashes + n, 0, AHEAD * sizeof *hashes);
    for (uint32_t i = 0; i < n; i++) {
        if (far)
            __builtin_prefetch(v.records + (hashes[i + AHEAD] >> v.down) * v.stride, 1);
        for (unsigned w = 0; w < count; w++)
            key[w] = words[w][i];
        uint64_t *record = probe(v, hashes[i], key);
        if (!record[2]) {
            memcpy(record + GROUP_SUMS, key, count * sizeof *key);
            added++;
        }
        record[0] = add_capped(record[0], octets[i]);
        record[1] = add_capped(record[1], packets[i]);
        record[2] = add_capped(record[2], flows[i]);
    }
    g->count += added;
    g->rows += n;
}

static bool reconsider(struct groups *g);

/* How many of n rows fit even if each is of a new group; 0: the table is to grow first. While a
 * quarter of it is free it grows for groups that came, not for rows that may come. */
static uint32_t rows_that_fit(const struct groups *g, uint32_t n)
{
    size_t room = g->capacity * 2 / 3 - g->count;
    return room >= n ? n : room >= g->capacity / 4 ? (uint32_t)room : 0;
}

bool groups_add(struct groups *g, const uint64_t *const *words, const uint64_t *octets,
                const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    if (g->cells) {
        g->loops->direct(g->cells, 0, words[0], octets, packets, flows, n);
        return true;
    }
    if (g->scattering)
        return scatter_rows(g, words, octets, packets, flows, n) && reconsider(g);
    bool fine = true;
    for (uint32_t done = 0, now; fine && done < n; done += now) {
        const uint64_t *at[GROUP_WORDS_MOST], *o = octets + done, *p = packets + done,
                                              *f = flows + done;
        for (unsigned w = 0; w < g->words; w++)
            at[w] = words[w] + done;
        now = rows_that_fit(g, n - done);
        if (now == 0)
            fine = make_room(g, now = n - done);
        if (fine && g->scattering)
            fine = scatter_rows(g, at, o, p, f, now);
        else if (fine && g->words == 1)
            add_run(g, at, o, p, f, now, 1);
        else if (fine && g->words == 2)
            add_run(g, at, o, p, f, now, 2);
        else if (fine)
            add_run(g, at, o, p, f, now, g->words);
    }
    return fine;
}

uint64_t *groups_add_one(struct groups *g, const uint64_t *words, const struct cell *sums)
{
    uint64_t *record;
    if (g->cells) {
        record = (uint64_t *)(void *)&g->cells[words[0]]; /* see the assertion below */
    } else {
        if (!make_room(g, 1))
            return NULL;
        record = probe(view_of(g, g->words, g->stride), hash_of_words(g->seed, words, g->words),
                       words);
        if (!record[2]) {
            memcpy(record + GROUP_SUMS, words, g->words * sizeof *words);
            g->count++;
        }
    }
    record[0] = add_capped(record[0], sums->octets);
    record[1] = add_capped(record[1], sums->packets);
    record[2] = add_capped(record[2], sums->flows);
    g->rows++;
    return record;
}

/* A cell and a record of one word have the same size, and the index fits where the spare word is.
 */
_Static_assert(sizeof(struct cell) == (GROUP_SUMS + 1) * sizeof(uint64_t),
               "cell and record differ");

static void turn_cells(struct groups *g)
{
    g->capacity = (size_t)1 << g->direct_bits;
    for (size_t i = 0; i < g->capacity; i++)
        g->cells[i].spare = i;
    g->records = &g->cells[0].octets;
    g->cells = NULL;
    g->direct_bits = 0;
}

uint64_t *groups_compact(struct groups *g, size_t *count)
{
    if (g->cells)
        turn_cells(g);
    size_t used = 0;
    for (size_t i = 0; i < g->capacity; i++) {
        const uint64_t *from = g->records + i * g->stride;
        if (!from[2])
            continue;
        if (used != i)
            memcpy(g->records + used * g->stride, from, g->stride * sizeof *from);
        used++;
    }
    *count = g->count = used;
    return g->records;
}

/* ---- part by part ---- */

bool groups_scattered(const struct groups *g)
{
    return g->parts != NULL;
}

/* Slots are by all bits, parts by those of the mask. */
static bool is_masked(const struct groups *g)
{
    bool masked = false;
    for (unsigned w = 0; w < g->words && g->may_scatter; w++)
        masked |= ~g->part_mask[w] != 0;
    return masked;
}

bool groups_divisible(const struct groups *g)
{
    return g->cells ? g->direct_bits >= PART_BITS : g->may_scatter;
}

uint64_t groups_growth(uint64_t count, unsigned words)
{
    uint64_t capacity = START_CAPACITY, before = 0;
    for (; count * 3 > capacity * 2; capacity <<= capacity < FAST_GROWTH ? 2 : 1)
        before = capacity;
    return (before + capacity) * (GROUP_SUMS + words) * sizeof(uint64_t);
}

bool groups_settle(struct groups *g)
{
    if (!g->parts && !is_masked(g))
        return true;
    bool little = atomic_load(&g->budget->used) > g->budget->most / 2;
    if (g->count && (little || is_masked(g)) && !scatter(g, false))
        return false;
    return !g->parts || parts_settle(g->parts);
}

uint64_t groups_part_rows(const struct groups *g, unsigned part)
{
    return (g->parts ? parts_rows(g->parts, part) : 0) + g->count / PARTS * 2;
}

typedef bool (*take_records)(struct dense *d, const uint64_t *const *records, uint32_t n);

/* The used cells of a part, which know their index then, as records do. */
static bool take_cells(struct groups *g, unsigned part, take_records take, struct dense *d)
{
    const uint64_t *run[LOOP_ROWS];
    uint32_t n = 0;
    bool fine = true;
    unsigned bits = g->direct_bits - PART_BITS;
    for (size_t i = (size_t)part << bits; fine && i < (size_t)(part + 1) << bits; i++) {
        g->cells[i].spare = i;
        run[n] = &g->cells[i].octets;
        n += g->cells[i].flows != 0;
        if (n == LOOP_ROWS) {
            fine = take(d, run, n);
            n = 0;
        }
    }
    return fine && (!n || take(d, run, n));
}

/* The records of a part: in the run of slots that its hashes name, and behind it as far as they
 * were pushed; so what the part before pushed in here is to be left out. */
static bool take_slots(const struct groups *g, unsigned part, take_records take, struct dense *d)
{
    const uint64_t *run[LOOP_ROWS];
    uint32_t n = 0;
    bool fine = true, pushed = true;
    size_t first = (uint64_t)part << (64 - PART_BITS) >> g->down;
    size_t last = ((uint64_t)part << (64 - PART_BITS) | UINT64_MAX >> PART_BITS) >> g->down;
    for (size_t i = first; fine; i++) {
        const uint64_t *record = g->records + (i & (g->capacity - 1)) * g->stride;
        pushed = record[2] && (pushed || i > last);
        if (i > last && !record[2])
            break;
        run[n] = record;
        n += record[2] && (!(pushed || first == last) ||
             part_of(hash_of_words(g->seed, record + GROUP_SUMS, g->words)) == part);
        if (n == LOOP_ROWS) {
            fine = take(d, run, n);
            n = 0;
        }
    }
    return fine && (!n || take(d, run, n));
}

bool groups_read(struct groups *g, unsigned part, bool alone, struct dense *d)
{
    take_records take = alone && !g->parts ? dense_append : dense_add;
    if (g->cells)
        return take_cells(g, part, take, d);
    if (g->parts && !parts_read(g->parts, part, dense_take, d))
        return false;
    if (g->parts)
        parts_drop(g->parts, part);
    return !g->count || take_slots(g, part, take, d);
}

/* ---- everything, as rows ---- */

struct draining {
    groups_take take;
    void *context;
    unsigned words;
    struct rows *rows;
};

static bool drain_run(struct draining *d)
{
    struct rows *r = d->rows;
    uint32_t n = r->count;
    r->count = 0;
    return !n || d->take(d->context, r->columns, r->octets, r->packets, r->flows, n);
}

static bool drain_span(void *context, const uint64_t *at, const uint64_t *end)
{
    struct draining *d = context;
    uint64_t sums[GROUP_SUMS];
    bool fine = true;
    while (fine && at < end) {
        const uint64_t *words = parts_sums(at, sums);
        put_row(d->rows, sums, words, d->words);
        at = words + d->words;
        if (d->rows->count == LOOP_ROWS)
            fine = drain_run(d);
    }
    return fine;
}

static bool drain_table(struct groups *g, struct draining *d)
{
    size_t count;
    bool fine = true;
    const uint64_t *record = groups_compact(g, &count);
    for (; fine && count; count--, record += g->stride) {
        put_row(d->rows, record, record + GROUP_SUMS, g->words);
        if (d->rows->count == LOOP_ROWS)
            fine = drain_run(d);
    }
    return fine && drain_run(d);
}

bool groups_drain(struct groups *g, groups_take take, void *context)
{
    struct draining d = {take, context, g->words, new_rows()};
    bool fine = d.rows != NULL;
    for (unsigned i = 0; fine && g->parts && i < PARTS; i++) {
        fine = parts_read(g->parts, i, drain_span, &d);
        parts_drop(g->parts, i);
    }
    fine = fine && drain_table(g, &d);
    free(d.rows);
    return fine;
}

/* ---- second thoughts ---- */

static bool add_run_again(void *context, const uint64_t *const *words, const uint64_t *octets,
                          const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    return groups_add(context, words, octets, packets, flows, n);
}

/* Room in the empty table for so many groups, which come in the order of their hashes: a table that
 * grew with them would be full at one end all the time. False: no memory, nothing has changed. */
static bool make_wide(struct groups *g, uint64_t groups)
{
    size_t capacity = FIRST_CAPACITY;
    while (capacity < 2 * groups)
        capacity *= 2;
    size_t octets = octets_of(g, capacity);
    uint64_t *records = NULL;
    if (g->count || !budget_try(g->budget, octets))
        return false;
    if (!(records = pages_take(octets))) {
        budget_give(g->budget, octets);
        return false;
    }
    budget_give(g->budget, octets_of(g, g->capacity));
    pages_give(g->records, octets_of(g, g->capacity));
    g->records = records;
    g->capacity = capacity;
    g->down = 64 - (unsigned)__builtin_ctzll(capacity);
    return true;
}

/* Everything back into one table, which scatters from now on only when it is large. */
static bool reunite(struct groups *g, uint64_t groups)
{
    struct groups aside = {.budget = g->budget, .words = g->words, .stride = g->stride,
                           .parts = g->parts};
    if (!make_wide(g, groups))
        return true;
    g->parts = NULL;
    g->scattering = false;
    g->reunited = true;
    bool fine = groups_drain(&aside, add_run_again, g);
    parts_free(aside.parts);
    return fine;
}

/* How many of the rows put aside there are to a group, times 16, by whole parts: of a group either
 * all rows are in the sample or none. 0: no memory to tell. */
static uint64_t rows_of_groups(const struct groups *g)
{
    struct dense d;
    uint64_t rows = 0, groups = 0;
    bool fine = true;
    dense_init(&d, g->budget, ~g->seed, g->words);
    for (unsigned i = 0; fine && i < PARTS && rows < SAMPLE_ROWS; i++) {
        fine = dense_start(&d, parts_rows(g->parts, i)) &&
               parts_read(g->parts, i, dense_take, &d);
        rows += parts_rows(g->parts, i);
        groups += d.count;
    }
    dense_free(&d);
    return fine && groups ? 16 * rows / groups : 0;
}

/* A few thousand rows do not tell many groups from very many. So what was put aside is looked at
 * again whenever it has doubled: rows of few groups are better off in a table. */
static bool reconsider(struct groups *g)
{
    if (g->aside < g->reconsider_at || g->reunited || parts_spilt(g->parts))
        return true;
    g->reconsider_at = 2 * g->aside;
    uint64_t share = rows_of_groups(g);
    if (share < 32)
        return true;
    uint64_t groups = g->aside * 16 / share, octets = groups * g->stride * sizeof(uint64_t) * 2;
    bool pays = share >= 64 || octets <= NEAR_OCTETS;
    bool fits = atomic_load(&g->budget->used) + octets <= g->budget->most / 2;
    return pays && fits ? reunite(g, groups) : true;
}
