/* arrange.h - the rows of several frames as one set of columns, in the order in which they encode
 * best: for blocks that stay (compaction; imports that make their blocks as compaction would).
 *
 * Order of the rows: exporter and domain, export time, then what the flows of one message share
 * most of: TCP flags, type of service, destination port. Measured on weirgen's flows, blocks of
 * 262,144, octets a flow: as they came 15.0, by exporter and addresses 15.0, by exporter, protocol
 * and ports 14.9, as here 12.7 (with dense encoding). Sorting across messages loses at the times
 * what it wins elsewhere: nearly every column of Weir's own (export time, system up time, boot
 * time, template) and flow end are cheap only next to their message.
 *
 * Threads: an arranger belongs to one thread. */
#ifndef WEIR_BLOCK_ARRANGE_H
#define WEIR_BLOCK_ARRANGE_H

#include "base/status.h"
#include "flow/batch.h"
#include "flow/vector.h"

/* Rows of a block that stays, at most. Twice as many would save 3 % of the octets, and their
 * columns no longer fit into a second-level cache when they are scanned. */
#define ARRANGED_ROWS_MOST 262144u

struct arranger; /* keeps memory from one call to the next */
struct arranger *arranger_new(void); /* NULL when memory ends */
void arranger_free(struct arranger *a);

struct arranged { /* what block_encode_columns() takes; the arranger's until the next call */
    struct column *columns;
    size_t count;
    uint32_t rows;
};

/* The columns of `keys` (ascending; NULL: all there are) of all rows of `frames`. An element has
 * numbers, or addresses, or octets in all of them; of several widths, the widest is taken. Octets
 * are not copied: they stay where the frames have them. WEIR_ENOMEM; WEIR_ELIMIT: more than
 * BATCH_COLUMNS_MOST elements. */
enum weir_status arrange(struct arranger *a, const struct frame *frames, size_t count,
                         const ie_key *keys, size_t key_count, struct arranged *out,
                         struct weir_error *error);

#endif
