/* groups.c - hash aggregation; see groups.h. The probing loops are written once and instantiated
 * for one word, two words, and any number. */
#include "query/groups.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define AHEAD 32u /* rows between prefetching a record and looking at it */
#define FIRST_CAPACITY ((size_t)256)
#define START_CAPACITY ((size_t)64) /* most questions have few groups, and all of it is zeroed */
#define FAST_GROWTH ((size_t)1 << 18) /* records, up to which tables quadruple */
#define HUGE_PAGE ((size_t)2 << 20)
#define SCATTER_OCTETS ((size_t)8 << 20) /* tables below it are left alone */
#define CACHED_OCTETS ((size_t)512 << 10) /* below it prefetching costs more than it saves */
#define INLINE static inline __attribute__((always_inline))

/* Zeroed, aligned to a cache line so that no record of 32 or 64 octets straddles two. Big tables
 * are mapped, which zeroes them once and not twice, and ask for huge pages: a random look-up would
 * miss the TLB nearly every time. */
static void *zeroed(size_t octets)
{
    if (octets < HUGE_PAGE) {
        void *memory = aligned_alloc(64, (octets + 63) & ~(size_t)63);
        return memory ? memset(memory, 0, octets) : NULL;
    }
    uint8_t *memory = mmap(NULL, octets + HUGE_PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)memory & (HUGE_PAGE - 1);
    if (before)
        munmap(memory, before);
    size_t after = HUGE_PAGE - before, kept = (octets + 4095) & ~(size_t)4095;
    if (after > kept - octets)
        munmap(memory + before + kept, after - (kept - octets));
    (void)madvise(memory + before, kept, MADV_HUGEPAGE);
    return memory + before;
}

static void give_back(void *memory, size_t octets)
{
    if (octets < HUGE_PAGE)
        free(memory);
    else if (memory)
        munmap(memory, (octets + 4095) & ~(size_t)4095);
}

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
                         .direct_bits = direct_bits, .capacity = START_CAPACITY};
    g->down = 64 - (unsigned)__builtin_ctzll(START_CAPACITY);
    size_t octets = octets_of(g, g->capacity);
    if (!budget_take(budget, octets))
        return false;
    void *memory = zeroed(octets);
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
    give_back(g->cells, octets_of(g, g->capacity));
    give_back(g->records, octets_of(g, g->capacity));
    parts_free(g->parts);
    if (g->loaded)
        groups_free(g->loaded);
    free(g->loaded);
    *g = (struct groups){0};
}

void groups_scatter(struct groups *g, const uint64_t *mask)
{
    g->may_scatter = true;
    memcpy(g->part_mask, mask, g->words * sizeof *mask);
}

INLINE uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0xd6e8feb86659fd93);
    return (h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15);
}

INLINE bool same_words(const uint64_t *record, const uint64_t *words, unsigned count)
{
    for (unsigned w = 0; w < count; w++)
        if (record[GROUP_SUMS + w] != words[w])
            return false;
    return true;
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
        if (!record[2] || same_words(record, words, v.words))
            return record;
        slot = (slot + 1) & v.mask;
    }
}

INLINE uint64_t hash_words(const struct groups *g, const uint64_t *words, unsigned count)
{
    uint64_t h = g->seed;
    for (unsigned w = 0; w < count; w++)
        h = mix(h, words[w]);
    return h;
}

/* ---- putting groups aside ---- */

INLINE bool put_aside(struct groups *g, const uint64_t *const *words, const uint64_t *octets,
                      const uint64_t *packets, const uint64_t *flows, uint32_t n, unsigned count)
{
    uint8_t part[LOOP_ROWS];
    for (uint32_t i = 0; i < n; i++) {
        uint64_t h = g->seed;
        for (unsigned w = 0; w < count; w++)
            h = mix(h, words[w][i] & g->part_mask[w]);
        part[i] = (uint8_t)(h >> 20); /* not the bits that make a slot */
    }
    return parts_put(g->parts, part, words, octets, packets, flows, n);
}

static bool scatter_rows(struct groups *g, const uint64_t *const *words, const uint64_t *octets,
                         const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    return g->words == 2 ? put_aside(g, words, octets, packets, flows, n, 2)
                         : put_aside(g, words, octets, packets, flows, n, g->words);
}

static bool scatter_record(struct groups *g, const uint64_t *record)
{
    const uint64_t *words[GROUP_WORDS_MOST];
    for (unsigned w = 0; w < g->words; w++)
        words[w] = record + GROUP_SUMS + w;
    return scatter_rows(g, words, record, record + 1, record + 2, 1);
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
    uint64_t *records = zeroed(octets);
    if (!records)
        return false;
    bool fine = true;
    for (size_t i = 0; fine && i < g->capacity; i++) {
        const uint64_t *r = g->records + i * g->stride;
        if (r[2])
            fine = scatter_record(g, r);
    }
    budget_give(g->budget, octets_of(g, g->capacity));
    budget_force(g->budget, octets);
    give_back(g->records, octets_of(g, g->capacity));
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
    return octets_of(g, g->capacity) >= SCATTER_OCTETS && g->rows < g->count + g->count / 2;
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
    uint64_t *old = g->records, *records = zeroed(octets);
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
            probe(view_of(g, g->words, g->stride), hash_words(g, words, g->words), words);
        memcpy(to, from, g->stride * sizeof *to);
    }
    give_back(old, old_octets);
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
            h = mix(h, words[w][i]);
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

bool groups_add(struct groups *g, const uint64_t *const *words, const uint64_t *octets,
                const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    if (g->cells) {
        g->loops->direct(g->cells, 0, words[0], octets, packets, flows, n);
        return true;
    }
    if (g->scattering)
        return scatter_rows(g, words, octets, packets, flows, n);
    if (!make_room(g, n))
        return false;
    if (g->scattering)
        return scatter_rows(g, words, octets, packets, flows, n);
    if (g->words == 1)
        add_run(g, words, octets, packets, flows, n, 1);
    else if (g->words == 2)
        add_run(g, words, octets, packets, flows, n, 2);
    else
        add_run(g, words, octets, packets, flows, n, g->words);
    return true;
}

uint64_t *groups_add_one(struct groups *g, const uint64_t *words, const struct cell *sums)
{
    uint64_t *record;
    if (g->cells) {
        record = (uint64_t *)(void *)&g->cells[words[0]]; /* see the assertion below */
    } else {
        if (!make_room(g, 1))
            return NULL;
        record = probe(view_of(g, g->words, g->stride), hash_words(g, words, g->words), words);
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

/* ---- reading what was put aside ---- */

unsigned groups_parts(const struct groups *g)
{
    return g->parts ? PARTS : 1;
}

static bool add_taken(void *context, const uint64_t *const *words, const uint64_t *octets,
                      const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    return groups_add(context, words, octets, packets, flows, n);
}

/* What is left in the table goes to the parts too. */
static bool scatter_rest(struct groups *g)
{
    if (g->count && !scatter(g, false))
        return false;
    return g->loaded || parts_settle(g->parts);
}

/* An empty table for so many rows, as if none met its group; when the budget does not have it, one
 * that grows. Memory is kept from one part to the next: they are about as large. */
static bool have_room(struct groups *g, uint64_t rows)
{
    struct groups *t = g->loaded;
    size_t capacity = FIRST_CAPACITY;
    while (capacity * 2 < (rows + LOOP_ROWS) * 3)
        capacity *= 2;
    if (t->records && capacity <= t->capacity && capacity * 2 >= t->capacity) {
        memset(t->records, 0, octets_of(t, t->capacity));
        t->count = 0;
        t->rows = 0;
        return true;
    }
    if (t->records)
        groups_free(t);
    if (!groups_init(t, g->budget, g->loops, g->seed, g->words, 0, 0))
        return false;
    size_t octets = octets_of(t, capacity);
    bool taken = budget_try(g->budget, octets);
    uint64_t *records = taken ? zeroed(octets) : NULL;
    if (!records) {
        budget_give(g->budget, taken ? octets : 0);
        return true;
    }
    budget_give(g->budget, octets_of(t, t->capacity));
    give_back(t->records, octets_of(t, t->capacity));
    t->records = records;
    t->capacity = capacity;
    t->down = 64 - (unsigned)__builtin_ctzll(capacity);
    return true;
}

bool groups_load(struct groups *g, unsigned part, uint64_t **records, size_t *count)
{
    if (!g->parts) {
        *records = groups_compact(g, count);
        return true;
    }
    if (!scatter_rest(g))
        return false;
    if (!g->loaded && !(g->loaded = calloc(1, sizeof *g->loaded)))
        return false;
    if (!have_room(g, parts_rows(g->parts, part)) ||
        !parts_read(g->parts, part, add_taken, g->loaded))
        return false;
    parts_drop(g->parts, part);
    *records = groups_compact(g->loaded, count);
    return true;
}

static bool drain_records(const uint64_t *record, size_t count, unsigned stride, unsigned words,
                          parts_take take, void *context)
{
    bool fine = true;
    for (; fine && count; count--, record += stride) {
        const uint64_t *key[GROUP_WORDS_MOST];
        for (unsigned w = 0; w < words; w++)
            key[w] = record + GROUP_SUMS + w;
        fine = take(context, key, record, record + 1, record + 2, 1);
    }
    return fine;
}

bool groups_drain(struct groups *g, parts_take take, void *context)
{
    size_t count;
    for (unsigned i = 0; g->parts && i < PARTS; i++) {
        if (!parts_read(g->parts, i, take, context))
            return false;
        parts_drop(g->parts, i);
    }
    const uint64_t *records = groups_compact(g, &count);
    return drain_records(records, count, g->stride, g->words, take, context);
}
