/* intern.c - numbering of wide values; see intern.h. Hash tables with linear probing; the values
 * lie in an arena, in order of first appearance. */
#include "query/intern.h"

#include <stdlib.h>
#include <string.h>

#define AHEAD 32u /* values between prefetching a slot and looking at it */

enum weir_status budget_error(const struct budget *b, struct weir_error *error)
{
    if (atomic_load(&b->unwritten))
        return weir_fail(error, WEIR_EFULL, "memory",
                         "more groups than fit %llu MiB, and no room for them on disk (TMPDIR, "
                         "/var/tmp); ask by fewer keys, or allow more with --query-memory",
                         (unsigned long long)(b->most >> 20));
    if (atomic_load(&b->refused))
        return weir_fail(error, WEIR_ELIMIT, "memory",
                         "the groups of this question need more than the %llu MiB that a query may "
                         "use; narrow the interval or the filter, ask by fewer keys or shorter "
                         "prefixes, or allow more with --query-memory",
                         (unsigned long long)(b->most >> 20));
    return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory while grouping");
}

void intern_init(struct intern *t, struct budget *budget, uint64_t seed)
{
    *t = (struct intern){.budget = budget, .seed = seed, .count = 1};
}

void intern_free(struct intern *t)
{
    arena_free(&t->bytes);
    free(t->entries);
    free(t->slots);
    free(t->wide);
    free(t->numbers);
    budget_give(t->budget, t->taken);
    *t = (struct intern){0};
}

void intern_share(struct intern *t, struct intern *common, pthread_mutex_t *lock)
{
    t->common = common;
    t->lock = lock;
}

static uint64_t mix(uint64_t h)
{
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint32_t hash_of(const struct intern *t, const uint8_t *bytes, uint32_t length)
{
    uint64_t h = t->seed ^ length, word;
    for (; length >= 8; length -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        h = mix(h ^ word);
    }
    word = 0;
    memcpy(&word, bytes, length);
    return (uint32_t)(mix(mix(h ^ word)) >> 32);
}

static bool take(struct intern *t, size_t octets)
{
    if (!budget_take(t->budget, octets))
        return false;
    t->taken += octets;
    return true;
}

/* ---- entries: what a number stands for ---- */

static bool make_entry_room(struct intern *t)
{
    if (t->count < t->room)
        return true;
    uint32_t room = t->room ? t->room * 2 : 64;
    if (room >= UINT32_C(1) << 31 || !take(t, (room - t->room) * sizeof *t->entries))
        return false;
    struct intern_entry *entries = realloc(t->entries, room * sizeof *entries);
    if (!entries)
        return false;
    t->entries = entries;
    if (t->common) {
        if (!take(t, (room - t->room) * sizeof *t->numbers))
            return false;
        uint32_t *numbers = realloc(t->numbers, room * sizeof *numbers);
        if (!numbers)
            return false;
        t->numbers = numbers;
    }
    t->room = room;
    return true;
}

/* Asks the common table; *entry is its entry, whose octets stay where they are. */
static uint32_t number_in_common(struct intern *t, const uint8_t *bytes, uint32_t length,
                                 struct intern_entry *entry)
{
    pthread_mutex_lock(t->lock);
    uint32_t number = intern_bytes(t->common, bytes, length);
    if (number != INTERN_FAILED)
        *entry = t->common->entries[number];
    pthread_mutex_unlock(t->lock);
    return number;
}

static uint32_t add_common(struct intern *t, const uint8_t *bytes, uint32_t length, uint32_t hash)
{
    struct intern_entry entry;
    if (!make_entry_room(t))
        return INTERN_FAILED;
    uint32_t number = number_in_common(t, bytes, length, &entry);
    if (number == INTERN_FAILED)
        return INTERN_FAILED;
    t->entries[t->count] = (struct intern_entry){entry.bytes, length, hash};
    t->numbers[t->count] = number;
    return t->count++;
}

/* The place of a new entry. */
static uint32_t add_entry(struct intern *t, const uint8_t *bytes, uint32_t length, uint32_t hash)
{
    if (t->common)
        return add_common(t, bytes, length, hash);
    if (!make_entry_room(t) || !take(t, (size_t)length + 16))
        return INTERN_FAILED;
    char *copy = arena_copy(&t->bytes, bytes, length);
    if (!copy)
        return INTERN_FAILED;
    t->entries[t->count] = (struct intern_entry){(const uint8_t *)copy, length, hash};
    return t->count++;
}

/* ---- the general table, at most half full ---- */

static bool grow(struct intern *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : 64;
    if (capacity >= UINT32_C(1) << 31 || !take(t, (capacity - t->capacity) * sizeof *t->slots))
        return false;
    uint32_t *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = 0; i < t->capacity; i++) {
        if (!t->slots[i])
            continue;
        uint32_t at = t->entries[t->slots[i]].hash & (capacity - 1);
        while (slots[at])
            at = (at + 1) & (capacity - 1);
        slots[at] = t->slots[i];
    }
    free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    return true;
}

static uint32_t number_at(const struct intern *t, uint32_t place)
{
    return t->common && place != INTERN_FAILED ? t->numbers[place] : place;
}

static uint32_t intern_general(struct intern *t, const uint8_t *bytes, uint32_t length)
{
    if (t->slots_used >= t->capacity / 2 && !grow(t))
        return INTERN_FAILED;
    uint32_t hash = hash_of(t, bytes, length);
    uint32_t at = hash & (t->capacity - 1);
    for (; t->slots[at]; at = (at + 1) & (t->capacity - 1)) {
        const struct intern_entry *e = &t->entries[t->slots[at]];
        if (e->hash == hash && e->length == length && !memcmp(e->bytes, bytes, length))
            return number_at(t, t->slots[at]);
    }
    uint32_t place = add_entry(t, bytes, length, hash);
    if (place != INTERN_FAILED) {
        t->slots[at] = place;
        t->slots_used++;
    }
    return number_at(t, place);
}

/* ---- addresses, at most half full ---- */

static inline uint32_t hash_wide(const struct intern *t, const uint64_t half[2])
{
    return (uint32_t)(mix(mix(t->seed ^ half[0]) ^ half[1]) >> 32);
}

/* The slot where it is, or where it goes. */
static inline struct wide_slot *probe_wide(struct wide_slot *table, uint32_t capacity,
                                           uint32_t hash, const uint64_t half[2])
{
    uint32_t at = hash & (capacity - 1);
    while (table[at].number && (table[at].half[0] != half[0] || table[at].half[1] != half[1]))
        at = (at + 1) & (capacity - 1);
    return &table[at];
}

static bool grow_wide(struct intern *t)
{
    uint32_t capacity = t->wide_capacity ? t->wide_capacity * 2 : 2048;
    size_t octets = capacity * sizeof *t->wide;
    if (capacity >= UINT32_C(1) << 31 || !take(t, octets))
        return false;
    struct wide_slot *table = aligned_alloc(64, octets);
    if (!table)
        return false;
    memset(table, 0, octets);
    for (uint32_t i = 0; i < t->wide_capacity; i++)
        if (t->wide[i].number)
            *probe_wide(table, capacity, hash_wide(t, t->wide[i].half), t->wide[i].half) =
                t->wide[i];
    free(t->wide);
    budget_give(t->budget, t->wide_capacity * sizeof *t->wide);
    t->taken -= t->wide_capacity * sizeof *t->wide;
    t->wide = table;
    t->wide_capacity = capacity;
    return true;
}

static uint32_t add_wide(struct intern *t, struct wide_slot *slot, const uint64_t half[2])
{
    uint8_t bytes[17] = {INTERNED_WIDE};
    memcpy(bytes + 1, half, 16);
    struct intern_entry there; /* the slot has all of it */
    uint32_t number = t->common ? number_in_common(t, bytes, sizeof bytes, &there)
                                : add_entry(t, bytes, sizeof bytes, 0);
    if (number == INTERN_FAILED)
        return number;
    *slot = (struct wide_slot){.half = {half[0], half[1]}, .number = number};
    t->wide_used++;
    return number;
}

bool intern_wide_run(struct intern *t, const uint64_t (*halves)[2], uint32_t n, uint32_t *numbers)
{
    uint32_t hashes[INTERN_RUN + AHEAD];
    while ((t->wide_used + n) * UINT64_C(2) > t->wide_capacity)
        if (!grow_wide(t))
            return false;
    for (uint32_t i = 0; i < n; i++)
        hashes[i] = hash_wide(t, halves[i]);
    memset(hashes + n, 0, AHEAD * sizeof *hashes);
    for (uint32_t i = 0; i < n; i++) {
        __builtin_prefetch(&t->wide[hashes[i + AHEAD] & (t->wide_capacity - 1)], 1);
        struct wide_slot *slot = probe_wide(t->wide, t->wide_capacity, hashes[i], halves[i]);
        numbers[i] = slot->number ? slot->number : add_wide(t, slot, halves[i]);
        if (numbers[i] == INTERN_FAILED)
            return false;
    }
    return true;
}

uint32_t intern_wide(struct intern *t, const uint8_t octets[16])
{
    uint64_t half[1][2];
    uint32_t number;
    memcpy(half, octets, 16);
    return intern_wide_run(t, (const uint64_t(*)[2])half, 1, &number) ? number : INTERN_FAILED;
}

/* ---- any value ---- */

uint32_t intern_bytes(struct intern *t, const uint8_t *bytes, uint32_t length)
{
    return length == 17 && bytes[0] == INTERNED_WIDE ? intern_wide(t, bytes + 1)
                                                     : intern_general(t, bytes, length);
}

uint32_t intern_number(struct intern *t, uint64_t value)
{
    uint8_t bytes[9] = {INTERNED_NUMBER};
    memcpy(bytes + 1, &value, 8);
    return intern_bytes(t, bytes, sizeof bytes);
}

uint32_t intern_octets(struct intern *t, const uint8_t *bytes, uint32_t length)
{
    uint8_t small[256] = {INTERNED_OCTETS};
    uint8_t *copy = length < sizeof small ? small : malloc((size_t)length + 1);
    if (!copy)
        return INTERN_FAILED;
    copy[0] = INTERNED_OCTETS;
    if (length)
        memcpy(copy + 1, bytes, length);
    uint32_t number = intern_bytes(t, copy, length + 1);
    if (copy != small)
        free(copy);
    return number;
}
