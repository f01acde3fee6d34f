/* bind.h - a component of the layout bound to the columns of one run. Private to dbcomponent/query.
 */
#ifndef WEIR_QUERY_BIND_H
#define WEIR_QUERY_BIND_H

#include "query/tally.h"

enum binding_form {
    BIND_CONSTANT, /* every row has `code` */
    BIND_MAYBE,    /* rows that have the element have `code`, others `lacking` */
    BIND_CODES,    /* dictionary: code of row r is lut[codes[r]] */
    BIND_NUMBER,   /* flat numbers */
    BIND_BIN,      /* flow ends */
    BIND_ROWS      /* a row at a time: interned values, both families */
};

struct binding {
    enum binding_form form;
    const struct component *component;
    struct intern *interned;
    const struct vector *v, *v6;
    uint64_t code, lacking;
    const uint64_t *lut;
    uint64_t least, span;   /* NUMBER, BIN: bounds within the run */
    unsigned local_bits;    /* 65: local codes do not exist */
    unsigned local_shift;
};

/* WEIR_ELIMIT, WEIR_ENOMEM, WEIR_ECORRUPT. */
enum weir_status bind_component(struct tally *t, unsigned index, const struct run *run,
                                struct arena *a, struct binding *out, struct weir_error *error);

/* Values of rows first…first + n - 1, or of rows index[0…n - 1], as numbers; absent ones are zero.
 */
void load_numbers(const struct loops *loops, const struct vector *v, uint32_t first, uint32_t n,
                  const uint32_t *index, uint64_t *out);

/* Puts the codes of those rows into their words, in one go, when the binding's form allows: true,
 * and *all is the codes or-ed together. False: use binding_codes(). */
bool binding_encode(const struct tally *t, const struct binding *b, bool local, uint32_t first,
                    uint32_t n, const uint32_t *index, uint64_t *word, uint64_t *all);
/* Codes of those rows, local to the run or the layout's, into `out`. False: budget or memory. */
bool binding_codes(const struct tally *t, const struct binding *b, bool local, uint32_t first,
                   uint32_t n, const uint32_t *index, uint64_t *out);
/* The layout's codes for the binding's local ones, which are cut out of the n numbers of
 * `cells`. */
void binding_widen(const struct binding *b, const uint32_t *cells, uint32_t n, uint64_t *out);

#endif
