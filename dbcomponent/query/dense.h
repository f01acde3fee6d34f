/* dense.h - the groups of one part: records without gaps, in the order of their first rows, and
 * beside them slots of 8 octets that find them by hash. Private to query.
 *
 *   slot     [ low half of the hash:32 | 1 + number of the record:32 ]   low bits first; 0: empty
 *   record   [ octets | packets | flows | word 0 | word 1 … ]            u64 each
 *
 * Parts are so small that the slots lie in the second cache. Where nearly every row is a group of
 * its own, a row costs one look at a slot and a record written behind the last one; nothing has to
 * be zeroed but the slots, or moved together afterwards. Memory is kept from one part to the next.
 *
 * Threads: belongs to one thread; the budget is shared. */
#ifndef WEIR_QUERY_DENSE_H
#define WEIR_QUERY_DENSE_H

#include "query/budget.h"
#include "query/loops.h"

struct dense {
    struct budget *budget;
    uint64_t seed;
    unsigned words, stride;     /* u64 a record */
    uint64_t *records;
    size_t count, room;
    uint64_t *slots;
    size_t capacity, slot_room; /* slots in use, a power of two; slots there is memory for */
    unsigned down;              /* hash >> down is a slot */
};

/* `seed`: not that by which the parts were made. Allocates nothing. */
void dense_init(struct dense *d, struct budget *budget, uint64_t seed, unsigned words);
void dense_free(struct dense *d);
/* Starts anew, for `rows` rows at most. False, as everywhere here: budget or memory. */
bool dense_start(struct dense *d, uint64_t rows);
/* Adds records, in runs of n <= LOOP_ROWS: pointers to them. */
bool dense_add(struct dense *d, const uint64_t *const *records, uint32_t n);
/* The same for records that are no group yet and are added once: they need not be looked up. To
 * one part either this or the others. */
bool dense_append(struct dense *d, const uint64_t *const *records, uint32_t n);
/* Adds packed rows (parts.h), from `at` to `end`; a parts_take of a struct dense. */
bool dense_take(void *dense, const uint64_t *at, const uint64_t *end);

#endif
