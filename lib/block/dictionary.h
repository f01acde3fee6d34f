/* dictionary.h - finds the distinct values of a column. Private to lib/block; encoders only.
 *
 * Codes are numbered by falling frequency (nearly: large counts are compared to 1 part in 64), so that
 * common values have small codes and packing with exceptions makes them short. */
#ifndef WEIR_BLOCK_DICTIONARY_H
#define WEIR_BLOCK_DICTIONARY_H

#include "flow/vector.h"
#include <stdbool.h>
#include <stdint.h>

#define DICTIONARY_MOST 65536u

/* All zero to begin with; memory is kept from one column to the next. */
struct dictionary {
    void *values;     /* `count` of them, as in the column; width 0: struct octets, bytes not owned */
    uint32_t *counts; /* rows that have the value */
    uint16_t *codes;  /* of every row */
    uint32_t count;
    /* private */
    uint64_t *slots;
    uint32_t slot_count, slot_room, code_room;
    uint32_t *order; /* DICTIONARY_MOST numbers, for ranking */
    void *sorted;
};

enum dictionary_result { DICTIONARY_DONE, DICTIONARY_TOO_MANY, DICTIONARY_NO_MEMORY };
/* Numbers the values of width 1, 2, 4, 8, 16 or 0 in the order of their first row; more than `limit`
 * (<= DICTIONARY_MOST) distinct ones: DICTIONARY_TOO_MANY. */
enum dictionary_result dictionary_build(struct dictionary *d, const void *values, uint32_t rows,
                                        unsigned width, uint32_t limit);
/* Renumbers by frequency. False: no memory. */
bool dictionary_rank(struct dictionary *d, uint32_t rows, unsigned width);
void dictionary_free(struct dictionary *d);

#endif
