/* merge.h - several blocks as one: decoded, arranged (block/arrange.h has the order of the rows,
 * and why), encoded densely. Columns that say the same in any order are copied as they are
 * (unchanged.h). Nothing is written here.
 *
 * Memory: of a block, columns that stand on each other are decoded together, laid beside those of
 * the other blocks in few octets each, and let go; then one column after the other is put in order
 * and encoded. Some 120 MB for MERGE_ROWS_MOST rows of 36 elements.
 *
 * Threads: a merger belongs to one thread. */
#ifndef WEIR_DB_MERGE_H
#define WEIR_DB_MERGE_H

#include "block/arrange.h"
#include "store/inside.h"

#define MERGE_ROWS_MOST ARRANGED_ROWS_MOST /* of a merged block */

struct merger;
struct merger *merger_new(void); /* NULL when memory ends */
void merger_free(struct merger *m);
/* Whether small blocks may be modelled (block/block.h, block_encoder_model()); at first not. */
void merger_model(struct merger *m, bool model);

/* Whether a block can be merged with those before it: an element has numbers in all of them or
 * octets in all of them, and there are not too many elements. merger_start() forgets those
 * before. */
void merger_start(struct merger *m);
bool merger_accepts(struct merger *m, const struct block_record *b);

/* Reads `count` blocks of one kind by `sql` and makes one of them: *out has head (but for the id),
 * octets and columns with their bytes, and lives until the next call. `seals` (block_seal()) gets
 * what they were when they were read. WEIR_ELIMIT: they do not go into one. */
enum weir_status merger_merge(struct merger *m, struct sql *sql, const int64_t *ids, size_t count,
                              int64_t *seals, struct block_record *out, struct weir_error *error);

#endif
