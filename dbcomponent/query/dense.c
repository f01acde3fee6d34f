/* dense.c - see dense.h. Neighbours: parts.c, whose rows it groups, and groups.c, whose records. */
#include "query/dense.h"
#include "query/groups.h"
#include "query/hash.h"

#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define FIRST_ROOM ((size_t)1024)
#define TAG UINT64_C(0xffffffff)

void dense_init(struct dense *d, struct budget *budget, uint64_t seed, unsigned words)
{
    *d = (struct dense){.budget = budget, .seed = seed, .words = words,
                        .stride = GROUP_SUMS + words};
}

void dense_free(struct dense *d)
{
    if (!d->budget)
        return;
    budget_give(d->budget, d->slot_room * sizeof *d->slots +
                               d->room * d->stride * sizeof *d->records);
    free(d->slots);
    free(d->records);
    *d = (struct dense){0};
}

static void use_slots(struct dense *d, size_t capacity)
{
    d->capacity = capacity;
    d->down = 64 - (unsigned)__builtin_ctzll(capacity);
    memset(d->slots, 0, capacity * sizeof *d->slots);
}

bool dense_start(struct dense *d, uint64_t rows)
{
    size_t capacity = FIRST_ROOM;
    d->count = 0;
    while (capacity < d->slot_room && capacity * 2 < (rows + LOOP_ROWS) * 3)
        capacity *= 2;
    if (d->slots)
        use_slots(d, capacity);
    return true;
}

/* A slot for every record again, in four times as many. */
static bool grow_slots(struct dense *d)
{
    size_t room = d->capacity ? d->capacity * 4 : FIRST_ROOM;
    if (room > d->slot_room) {
        size_t more = (room - d->slot_room) * sizeof *d->slots;
        if (!budget_take(d->budget, more))
            return false;
        uint64_t *slots = malloc(room * sizeof *slots);
        if (!slots) {
            budget_give(d->budget, more);
            return false;
        }
        free(d->slots);
        d->slots = slots;
        d->slot_room = room;
    }
    use_slots(d, room);
    for (size_t i = 0; i < d->count; i++) {
        uint64_t hash = hash_of_words(d->seed, d->records + i * d->stride + GROUP_SUMS, d->words);
        size_t at = hash >> d->down;
        while (d->slots[at])
            at = (at + 1) & (d->capacity - 1);
        d->slots[at] = (hash & TAG) | (i + 1) << 32;
    }
    return true;
}

static bool grow_records(struct dense *d, size_t count)
{
    size_t room = d->room ? d->room : FIRST_ROOM, octets = d->stride * sizeof *d->records;
    while (room < count)
        room += room / 2;
    if (room >= UINT32_MAX || !budget_take(d->budget, (room - d->room) * octets))
        return false;
    uint64_t *records = realloc(d->records, room * octets);
    if (!records) {
        budget_give(d->budget, (room - d->room) * octets);
        return false;
    }
    d->records = records;
    d->room = room;
    return true;
}

INLINE bool make_room(struct dense *d, uint32_t more)
{
    while ((d->count + more) * 3 > d->capacity * 2)
        if (!grow_slots(d))
            return false;
    return d->count + more <= d->room || grow_records(d, d->count + more);
}

/* There has to be room. */
INLINE void add(struct dense *d, const uint64_t *words, const uint64_t *sums, unsigned count)
{
    uint64_t hash = hash_of_words(d->seed, words, count), slot;
    size_t at = hash >> d->down;
    for (; (slot = d->slots[at]); at = (at + 1) & (d->capacity - 1)) {
        uint64_t *record = d->records + ((slot >> 32) - 1) * (GROUP_SUMS + count);
        if ((uint32_t)slot != (uint32_t)hash || !same_words(record + GROUP_SUMS, words, count))
            continue;
        for (unsigned i = 0; i < GROUP_SUMS; i++)
            record[i] = add_capped(record[i], sums[i]);
        return;
    }
    uint64_t *record = d->records + d->count++ * (GROUP_SUMS + count);
    d->slots[at] = (hash & TAG) | (uint64_t)d->count << 32;
    for (unsigned i = 0; i < GROUP_SUMS; i++)
        record[i] = sums[i];
    for (unsigned w = 0; w < count; w++)
        record[GROUP_SUMS + w] = words[w];
}

bool dense_add(struct dense *d, const uint64_t *const *records, uint32_t n)
{
    if (!make_room(d, n))
        return false;
    if (d->words == 1)
        for (uint32_t i = 0; i < n; i++)
            add(d, records[i] + GROUP_SUMS, records[i], 1);
    else
        for (uint32_t i = 0; i < n; i++)
            add(d, records[i] + GROUP_SUMS, records[i], d->words);
    return true;
}

bool dense_append(struct dense *d, const uint64_t *const *records, uint32_t n)
{
    if (d->count + n > d->room && !grow_records(d, d->count + n))
        return false;
    uint64_t *to = d->records + d->count * d->stride;
    for (uint32_t i = 0; i < n; i++, to += d->stride)
        memcpy(to, records[i], d->stride * sizeof *to);
    d->count += n;
    return true;
}

INLINE const uint64_t *take_run(struct dense *d, const uint64_t *at, const uint64_t *end,
                                unsigned count)
{
    uint64_t sums[GROUP_SUMS];
    for (uint32_t n = 0; n < LOOP_ROWS && at < end; n++) {
        const uint64_t *words = parts_sums(at, sums);
        add(d, words, sums, count);
        at = words + count;
    }
    return at;
}

bool dense_take(void *dense, const uint64_t *at, const uint64_t *end)
{
    struct dense *d = dense;
    while (at < end) {
        if (!make_room(d, LOOP_ROWS))
            return false;
        at = d->words == 1   ? take_run(d, at, end, 1)
             : d->words == 2 ? take_run(d, at, end, 2)
                             : take_run(d, at, end, d->words);
    }
    return true;
}
