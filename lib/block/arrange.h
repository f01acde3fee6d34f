/* arrange.h - the rows of several frames as one set of columns, in the order in which they encode
 * best: for blocks that stay (compaction; imports that make their blocks as compaction would).
 *
 * Order of the rows, by content one of two:
 *
 *   alike   origin (exporter, domain, port, template, and which elements the row has), protocol,
 *           type of service, the lower of the two ports and which one it is, TCP flags, packets,
 *           octets. What flows are, not when they were told: the columns that differ most from row
 *           to row become the narrowest, and flow ends are kept as their age at export.
 *   told    exporter, domain and port, export time, then what the flows of one message share most
 *           of: TCP flags, type of service, destination port. Nearly every column of Weir's own
 *           (export time, system up time, template) and flow end are cheap next to their message.
 *
 * Rows that compare equal stay in their order. Any order gives back the logarithm of the number of
 * orders there are, 16.6 bits a row of 262,144, whichever columns take it; of weirgen's flows in
 * blocks of that size, bits a flow as told and alike: octets 15.4, 9.0; packets 6.1, 0.6; both
 * ports 18.3, 15.4; flow start 12.7, 10.6; export time 0.2, 8.8; flow end 14.1 either way. All
 * columns, octets: as they came 15.0, told 12.3, alike 11.2. Flow end, export time or duration as
 * further keys changed nothing.
 *
 * Rule: both orders are made, sixteen groups of 256 rows of each are looked at as the encoder
 * would, and "alike" is taken when it saves more than a bit a row by that. It loses where messages
 * say much that is unlike the next one's and flows little that is alike: many exporters with a few
 * flows each, options data. Fewer than 256 rows are ordered as told.
 *
 * Threads: an arranger belongs to one thread. */
#ifndef WEIR_BLOCK_ARRANGE_H
#define WEIR_BLOCK_ARRANGE_H

#include "base/status.h"
#include "block/block.h"
#include "flow/batch.h"
#include "flow/filter.h"
#include "flow/vector.h"

/* Rows of a block that stays, at most. Of weirgen's 10 million flows; ms of CPU for totals of two
 * networks, the ten largest sources, a matrix of /16 x /16, and five minutes that cut two blocks
 * (with the codecs of then; schemas/block-format.md has the octets of now):
 *
 *     262,144    11.32 octets a flow    15, 85, 134, 1.3    103 MB to compact, 191 to import
 *     393,216    11.13                  16, 86, 139, 1.8    148                266
 *     524,288    11.03                  16, 88, 139, 2.3    174                339 */
#define ARRANGED_ROWS_MOST 393216u

struct arranger; /* keeps memory from one call to the next */
struct arranger *arranger_new(void); /* NULL when memory ends */
void arranger_free(struct arranger *a);

/* What block_encode_columns() takes, `feed` included; the arranger's until the next call. A column
 * has values while it is filled, and only then. */
struct arranged {
    struct column *columns;
    size_t count;
    uint32_t rows;
    struct column_feed feed;
};

/* Takes all columns of all rows of `frames`, in as few octets as each allows: the frames may go
 * before arranger_finish() puts the rows in order. An element has numbers, or addresses, or octets
 * in all of them; of several widths, the widest is taken. WEIR_ENOMEM; WEIR_ELIMIT: more than
 * BATCH_COLUMNS_MOST elements. */
enum weir_status arranger_take(struct arranger *a, const struct frame *frames, size_t count,
                               struct weir_error *error);

/* The same a part at a time, for whoever decodes frames and has no room for all of them: says first
 * what columns there will be (ascending keys, at most BATCH_COLUMNS_MOST; width, whether all rows
 * have it, least and most of numbers); then hands in each column of each frame once, `first` being
 * the row that the frame starts with, and may forget it; columns that were not told of are passed
 * over. WEIR_EMALFORMED: a value is not within the bounds. */
enum weir_status arranger_start(struct arranger *a, uint32_t rows,
                                const struct column_bounds *columns, size_t count,
                                struct weir_error *error);
enum weir_status arranger_lay(struct arranger *a, uint32_t first, const struct frame *frame,
                              struct weir_error *error);
enum weir_status arranger_finish(struct arranger *a, struct arranged *out,
                                 struct weir_error *error);

#endif
