/* given.h - CODEC_GIVEN: a column that is told by a model (model.h) from the values of its base;
 * and which column tells most of which other one. Private to lib/block. */
#ifndef WEIR_BLOCK_GIVEN_H
#define WEIR_BLOCK_GIVEN_H

#include "block/model.h"
#include "flow/batch.h"

/* What model.h wants of a base of this width (1 to 16): of each of `rows` values, those in which
 * `present` has a bit (NULL: all). `hashes` and `values` have room for as many; *same_kind: whether
 * `values`, in `width`, was made. */
void given_make(const void *base, unsigned base_width, const uint64_t *present, uint32_t rows,
                unsigned width, uint32_t *hashes, uint8_t *values, bool *same_kind);

/* After the CODEC_GIVEN octet. `base`: decoded, of as many rows; `out` has room for c->present_rows
 * values. Errors as model_read(). */
enum weir_status given_read(const struct block_column *c, const struct vector *base,
                            const uint64_t *present, struct cursor *in, struct arena *a,
                            void *out);

/* ---- for encoders ---- */
#define GIVEN_MOST 3u
struct told { /* by other columns, by the first of them most; what is not taken is GIVEN_BY_NONE */
    uint16_t by[GIVEN_MOST]; /* places */
    bool shares[GIVEN_MOST]; /* values are among the other's: a source is a destination, too */
};
#define GIVEN_BY_NONE UINT16_MAX

/* Fills told[0 .. count): for each column those that tell most of it, by a sample of the rows; of
 * numbers and addresses that are not all equal. All values are there. False: no memory. */
bool given_find(struct column *const *columns, size_t count, uint32_t rows, struct told *told);

#endif
