/* intern.h - values that do not fit a machine word, numbered: IPv6 addresses, strings, octets.
 *
 * Groups are kept by words of at most 64 bits; a component that is wider is represented by the
 * number of its value here. Number 0 stands for "absent" and has no value. An interned value is
 *
 *   octet 0: enum interned_form;  then 8 octets (a number, host order), 16 (an address), or any
 *
 * so one component may meet different storage widths in different blocks and still be one key.
 *
 * Addresses come by the million, so they have a table of their own beside the general one: the
 * address lies in the slot, one cache line answers, and a run of them is looked up together.
 *
 * Threads: a table belongs to one thread; the budget behind it is shared. So that a number means
 * the same to several threads, their tables share a common one behind a lock: that one numbers, and
 * each thread's own remembers what it was told, so the lock is taken once a value and thread. */
#ifndef WEIR_QUERY_INTERN_H
#define WEIR_QUERY_INTERN_H

#include "base/arena.h"
#include "flow/vector.h"
#include "query/budget.h"
#include <pthread.h>

enum interned_form { INTERNED_NUMBER = 1, INTERNED_WIDE = 2, INTERNED_OCTETS = 3 };

struct intern_entry {
    const uint8_t *bytes;
    uint32_t length;
    uint32_t hash;
};

struct wide_slot {
    uint64_t half[2]; /* the 16 octets as they are */
    uint32_t number;  /* 0: empty */
    uint32_t spare[3];
};

struct intern {
    struct budget *budget;
    uint64_t seed;
    struct arena bytes;
    struct intern_entry *entries; /* [0] is unused */
    uint32_t count;               /* entries in use, the unused one included */
    uint32_t room;                /* entries there is memory for */
    uint32_t capacity;            /* slots; a power of two, 0 before the first value */
    uint32_t *slots;              /* 0: empty */
    uint32_t slots_used;
    struct wide_slot *wide;
    uint32_t wide_capacity, wide_used;
    size_t taken;                 /* from the budget */
    struct intern *common;        /* NULL: numbers are its own */
    pthread_mutex_t *lock;        /* of the common one */
    uint32_t *numbers;            /* of entries, in the common one */
};

#define INTERN_FAILED UINT32_MAX
void intern_init(struct intern *t, struct budget *budget, uint64_t seed);
void intern_free(struct intern *t);
/* Before the first value: numbers are to be those of `common`, which outlives the table. */
void intern_share(struct intern *t, struct intern *common, pthread_mutex_t *lock);
/* The number of these bytes (copied when new); INTERN_FAILED when the budget or memory ends. */
uint32_t intern_bytes(struct intern *t, const uint8_t *bytes, uint32_t length);
uint32_t intern_number(struct intern *t, uint64_t value);
uint32_t intern_wide(struct intern *t, const uint8_t octets[16]);
/* The numbers of n <= INTERN_RUN addresses. False: budget or memory. */
#define INTERN_RUN 512u
bool intern_wide_run(struct intern *t, const uint64_t (*halves)[2], uint32_t n, uint32_t *numbers);
uint32_t intern_octets(struct intern *t, const uint8_t *bytes, uint32_t length);
/* What a number stands for; not while others may still add to a common table. */
static inline const struct intern_entry *intern_entry(const struct intern *t, uint32_t number)
{
    return t->common ? &t->common->entries[number] : &t->entries[number];
}

#endif
