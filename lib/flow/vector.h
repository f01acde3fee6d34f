/* vector.h - how columns are read: the shape that filters, aggregation and printing work on.
 *
 * A batch (being filled) shows its columns as vectors; a block column decodes into one. A vector
 * never owns its memory: it is valid as long as the batch is unchanged, or until the arena it was
 * decoded into is reset.
 *
 *   form FLAT        row r has value  values[r]
 *   form CONSTANT    every row has    values[0]
 *   form DICTIONARY  row r has value  values[codes[r]], values distinct, code_count of them
 *   form ENCODED     a column still packed, which only answers ranges (struct encoded); for
 *                    filters, where filter_only_ranges() allows it, and for nobody else
 *
 * Fixed width (1, 2, 4, 8): host order, unsigned (signed types: two's complement of that width).
 * Width 16: sixteen octets a value, network order. Width 0: `values` is an array of struct octets.
 * A row whose bit in `present` is 0 does not have the element; its value reads as zero (or no
 * octets). present == NULL: every row has it. An element no row has is no vector at all.
 *
 * Threads: readable by any thread while its owner leaves it alone. */
#ifndef WEIR_FLOW_VECTOR_H
#define WEIR_FLOW_VECTOR_H

#include "ie/ie.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vector_form { VECTOR_FLAT, VECTOR_CONSTANT, VECTOR_DICTIONARY, VECTOR_ENCODED };

struct arena;
/* What an ENCODED vector answers: `select` ORs into out[] a bit for each row that has the element
 * with a number in [low, high]; where a word of `care` is zero, that of out[] may be left alone
 * (NULL: all matter). Scratch from `a`. False: memory ended, or the column's octets make no sense;
 * who made the vector knows which. */
struct encoded {
    bool (*select)(struct encoded *e, uint64_t low, uint64_t high, const uint64_t *care,
                   struct arena *a, uint64_t *out);
};

struct octets {
    const uint8_t *bytes;
    uint32_t length;
};

struct vector {
    ie_key key;
    uint8_t width;
    uint8_t form;            /* enum vector_form */
    uint32_t rows;
    uint32_t code_count;     /* DICTIONARY: distinct values, at most 65536 */
    const void *values;
    const uint16_t *codes;   /* DICTIONARY: `rows` of them */
    struct encoded *encoded; /* ENCODED */
    const uint64_t *present; /* bit r%64 of word r/64; NULL = all; bits past `rows` are zero */
};

/* The columns of one batch or block that a reader asked for. */
struct frame {
    uint32_t rows;
    uint32_t count;
    const struct vector *vectors;
};

/* The vector of `key`, or NULL when no row has the element. */
static inline const struct vector *frame_find(const struct frame *f, ie_key key)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->vectors[i].key == key)
            return &f->vectors[i];
    return NULL;
}

static inline bool vector_has(const struct vector *v, uint32_t row)
{
    return !v->present || (v->present[row / 64] >> (row % 64) & 1);
}

static inline uint32_t vector_index(const struct vector *v, uint32_t row)
{
    return v->form == VECTOR_FLAT ? row : v->form == VECTOR_CONSTANT ? 0 : v->codes[row];
}

/* Slow access, a row at a time: for printing and tests. Width 1–8. */
static inline uint64_t vector_u64(const struct vector *v, uint32_t row)
{
    uint32_t i = vector_index(v, row);
    switch (v->width) {
    case 1: return ((const uint8_t *)v->values)[i];
    case 2: return ((const uint16_t *)v->values)[i];
    case 4: return ((const uint32_t *)v->values)[i];
    default: return ((const uint64_t *)v->values)[i];
    }
}

/* The octets of a value of width 16 or 0. */
static inline struct octets vector_octets(const struct vector *v, uint32_t row)
{
    uint32_t i = vector_index(v, row);
    if (v->width == 0)
        return ((const struct octets *)v->values)[i];
    return (struct octets){(const uint8_t *)v->values + 16 * (size_t)i, 16};
}

#endif
