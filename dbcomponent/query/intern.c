/* intern.c - numbering of wide values; see intern.h. A hash table of numbers with linear probing;
 * the values lie in an arena, in order of first appearance. */
#include "query/intern.h"

#include <stdlib.h>
#include <string.h>

enum weir_status budget_error(const struct budget *b, struct weir_error *error)
{
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
    budget_give(t->budget, t->taken);
    *t = (struct intern){0};
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

/* Twice the slots, at most half full; entries in proportion. */
static bool grow(struct intern *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : 64;
    size_t add = (capacity - t->capacity) * (sizeof *t->slots + sizeof *t->entries / 2);
    if (capacity >= UINT32_C(1) << 31 || !take(t, add))
        return false;
    uint32_t *slots = calloc(capacity, sizeof *slots);
    struct intern_entry *entries = realloc(t->entries, (capacity / 2 + 1) * sizeof *entries);
    if (entries)
        t->entries = entries;
    if (!slots || !entries) {
        free(slots);
        return false;
    }
    for (uint32_t n = 1; n < t->count; n++) {
        uint32_t at = entries[n].hash & (capacity - 1);
        while (slots[at])
            at = (at + 1) & (capacity - 1);
        slots[at] = n;
    }
    free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    return true;
}

static uint32_t add(struct intern *t, const uint8_t *bytes, uint32_t length, uint32_t hash,
                    uint32_t slot)
{
    if (!take(t, (size_t)length + 16))
        return INTERN_FAILED;
    char *copy = arena_copy(&t->bytes, bytes, length);
    if (!copy)
        return INTERN_FAILED;
    t->entries[t->count] = (struct intern_entry){(const uint8_t *)copy, length, hash};
    t->slots[slot] = t->count;
    return t->count++;
}

uint32_t intern_bytes(struct intern *t, const uint8_t *bytes, uint32_t length)
{
    if (t->count >= t->capacity / 2 && !grow(t))
        return INTERN_FAILED;
    uint32_t hash = hash_of(t, bytes, length);
    uint32_t at = hash & (t->capacity - 1);
    for (; t->slots[at]; at = (at + 1) & (t->capacity - 1)) {
        const struct intern_entry *e = &t->entries[t->slots[at]];
        if (e->hash == hash && e->length == length && !memcmp(e->bytes, bytes, length))
            return t->slots[at];
    }
    return add(t, bytes, length, hash, at);
}

uint32_t intern_number(struct intern *t, uint64_t value)
{
    uint8_t bytes[9] = {INTERNED_NUMBER};
    memcpy(bytes + 1, &value, 8);
    return intern_bytes(t, bytes, sizeof bytes);
}

uint32_t intern_wide(struct intern *t, const uint8_t octets[16])
{
    uint8_t bytes[17] = {INTERNED_WIDE};
    memcpy(bytes + 1, octets, 16);
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
