/* map.h - columns that another one decides: an AS number for an address. Private to lib/block;
 * encoders only.
 *
 * The codes of address columns are kept while a block is encoded; a column that routing makes of an
 * address is then a value for each code, if that is true of every row. */
#ifndef WEIR_BLOCK_MAP_H
#define WEIR_BLOCK_MAP_H

#include "block/codec.h"
#include "flow/batch.h"

struct kept_codes {
    uint16_t *codes; /* of the rows that have the column */
    uint32_t rows, room;
    uint32_t count; /* distinct; 0: not kept */
    const struct column *column;
};

struct mapper { /* all zero at first */
    struct kept_codes kept[DECIDERS_MOST];
    uint8_t *values; /* of the map */
    size_t size;
    struct codes_found *found; /* of fewer rows than the decider has */
};
void mapper_clear(struct mapper *m); /* nothing kept: a new block */
void mapper_free(struct mapper *m);

/* Keeps the codes of a column that was coded as a dictionary, if it may decide others. */
void mapper_keep(struct mapper *m, const struct column *c, const struct dictionary *d,
                 uint32_t rows);
/* The values of `c`, present in the same rows as its decider, or in fewer where that is in all, and
 * decided by it in all of them: *out, one for each code, and the decider's key. Else 0. A code that
 * no row of `c` has gets the value of the one before it. */
ie_key mapper_find(struct mapper *m, const struct column *c, const struct values *v, uint32_t rows,
                   struct values *out);

#endif
