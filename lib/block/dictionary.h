/* dictionary.h - finds the distinct values of a column. Private to lib/block; encoders only.
 *
 * Codes are numbered by falling frequency (nearly: large counts are compared to 1 part in 64), so
 * that common values have small codes and packing with exceptions makes them short. Equally
 * frequent ones come in the order of their first row, or by value when `by_value` says so: numbers
 * that ascend are short themselves.
 *
 * In classes: the first codes are the values that occur most, in ascending order, and then come
 * those of the next class, in ascending order again (ordered.h). For numbers of four octets. */
#ifndef WEIR_BLOCK_DICTIONARY_H
#define WEIR_BLOCK_DICTIONARY_H

#include "block/classes.h"
#include "flow/vector.h"
#include <stdbool.h>
#include <stdint.h>

#define DICTIONARY_MOST 65536u

/* All zero to begin with; memory is kept from one column to the next. */
struct dictionary {
    void *values; /* `count` of them, as in the column; width 0: struct octets, bytes not owned */
    uint32_t *counts; /* rows that have the value */
    uint16_t *codes;  /* of every row */
    uint32_t count;
    bool by_value;    /* for the caller to set */
    bool in_classes;  /* likewise: if there are enough values for it */
    struct classes classes;
    /* private */
    uint64_t *slots;
    uint32_t slot_count, slot_room, code_room;
    uint32_t *tally; /* of values by counting: two tables of DICTIONARY_MOST */
    uint32_t *sorted_counts;
    uint16_t *places; /* DICTIONARY_MOST: where a value went */
    void *sorted;
    uint64_t *order[2]; /* DICTIONARY_MOST; NULL until by_value is first used */
};

enum dictionary_result { DICTIONARY_DONE, DICTIONARY_TOO_MANY, DICTIONARY_NO_MEMORY };
/* Finds and ranks the values of width 1, 2, 4, 8, 16 or 0, and the codes of all rows. More than
 * `limit`
 * (<= DICTIONARY_MOST) distinct ones, or ones that collide: DICTIONARY_TOO_MANY. `expected`: about
 * how many there will be. */
enum dictionary_result dictionary_build(struct dictionary *d, const void *values, uint32_t rows,
                                        unsigned width, uint32_t limit, uint32_t expected);

/* Whether `count` (<= DICTIONARY_MOST) values are all different. False: no memory. */
bool dictionary_distinct(struct dictionary *d, const void *values, uint32_t count, unsigned width,
                         bool *distinct);
/* Only finds: values in the order of their first row, `counts` and `codes` to go with them. */
enum dictionary_result dictionary_find(struct dictionary *d, const void *values, uint32_t rows,
                                       unsigned width, uint32_t limit, uint32_t expected);

/* The same in two steps for numbers of width 1–8 that lie close together, without hashing: first
 * values and counts, ranked, by counting (least <= all values <= least + range, range <
 * DICTIONARY_MOST); then, when that was worth it, the codes of all rows. */
enum dictionary_result dictionary_count(struct dictionary *d, const void *values, uint32_t rows,
                                        unsigned width, uint64_t least, uint32_t range,
                                        uint32_t limit);
void dictionary_code(struct dictionary *d, const void *values, uint32_t rows, unsigned width,
                     uint64_t least);
/* Sets bit r of `bits` (whole words, zero before) for each row whose value is one of the dictionary
 * built last by dictionary_build(), width 1–8; how many those are. */
uint32_t dictionary_mark(const struct dictionary *d, const void *values, uint32_t rows,
                         unsigned width, uint64_t *bits);
void dictionary_free(struct dictionary *d);

#endif
