/* merge.h - several blocks as one: decoded, sorted, encoded densely. Nothing is written here.
 *
 * Order of the rows: exporter and domain, export time, then what the flows of one message share most
 * of: TCP flags, type of service, destination port. Measured on weirgen's flows, blocks of 262,144,
 * octets a flow: as they came 15.0, by exporter and addresses 15.0, by exporter, protocol and ports
 * 14.9, as here 12.7 (with dense encoding). Sorting across messages loses at the times what it wins
 * elsewhere: nearly every column of Weir's own (export time, system up time, boot time, template) and
 * flow end are cheap only next to their message.
 *
 * Threads: a merger belongs to one thread. */
#ifndef WEIR_DB_MERGE_H
#define WEIR_DB_MERGE_H

#include "store/inside.h"

/* Rows of a merged block, at most. Twice as many would save 3 % of the octets, and their columns no
 * longer fit into a second-level cache when they are scanned. */
#define MERGE_ROWS_MOST 262144u

struct merger;
struct merger *merger_new(void); /* NULL when memory ends */
void merger_free(struct merger *m);

/* Whether a block can be merged with those before it: an element has numbers in all of them or octets in
 * all of them, and there are not too many elements. merger_start() forgets those before. */
void merger_start(struct merger *m);
bool merger_accepts(struct merger *m, const struct block_record *b);

/* Reads `count` blocks of one kind by `sql` and makes one of them: *out has head (but for the id), octets and
 * columns with their bytes, and lives until the next call. `seals` (block_seal()) gets what
 * they were when they were read. WEIR_ELIMIT: they do not go into one. */
enum weir_status merger_merge(struct merger *m, struct sql *sql, const int64_t *ids, size_t count,
                              int64_t *seals, struct block_record *out, struct weir_error *error);

#endif
