/* batch.h - flow records in columns keyed by information element, while they are being collected.
 *
 *            row 0   row 1   row 2  …            one batch, up to `capacity` rows
 *   IE 8   [ 4 oct | 4 oct | 4 oct ]             sourceIPv4Address, width 4
 *   IE 27  [   -   |   -   | 16 oct]  present 001  sourceIPv6Address, width 16
 *   WEIR 4 [ 8 oct | 8 oct | 8 oct ]             flowEnd, width 8
 *
 * Every element that arrives has a column, known or not; an element that a record lacks is a zero
 * bit in the column's presence map. A decoder asks once per template and batch for its columns
 * (batch_column), reserves rows for a whole data set (batch_append), and then moves values straight
 * into the arrays, one loop a field. Nothing is allocated per record; memory is kept from one batch
 * to the next.
 *
 * A batch holds records of one kind: flow records, or records described by options templates,
 * which never count in totals.
 *
 * Invariants: a value that no one wrote is zero; `present` bits past `rows` are zero; a column that
 * exists has at least one row present once the batch is handed on.
 *
 * Threads: one thread fills a batch; handed on, it is read-only until its owner resets it. */
#ifndef WEIR_FLOW_BATCH_H
#define WEIR_FLOW_BATCH_H

#include "base/arena.h"
#include "base/status.h"
#include "flow/vector.h"
#include "ie/ie.h"

#define BATCH_ROWS_DEFAULT 65536u
#define BATCH_COLUMNS_MOST 1024u

enum record_kind { RECORD_FLOW = 0, RECORD_OPTIONS = 1 };

/* Where WEIR_FLOW_END came from, most trusted first. */
enum time_origin {
    TIME_FROM_RECORD = 0,    /* the record's own end (or start + duration) */
    TIME_FROM_START = 1,     /* it had only a start */
    TIME_FROM_EXPORT = 2,    /* it had none: the message's export time */
    TIME_FROM_RECEPTION = 3, /* nor that, or one that can not be believed: when it was received,
                                less the record's age at its export where that is known */
};

/* Where WEIR_SAMPLING_RATE came from. */
enum sampling_origin {
    SAMPLING_UNKNOWN = 0,
    SAMPLING_RECORD = 1,     /* the record or its message's header says it */
    SAMPLING_OPTIONS = 2,    /* options data of the exporter */
    SAMPLING_CONFIGURED = 3, /* the administrator said it (AddMDev) */
};

/* WEIR_DIRECTION: why a row is here that no exporter sent as a record. */
enum flow_direction {
    DIRECTION_REVERSE = 1, /* the reverse direction of a biflow record, which is a row of its own */
};

struct column {
    ie_key key;
    uint8_t width;         /* 1, 2, 4, 8, 16; 0: `values` is struct octets[], bytes in the batch's
                              heap */
    void *values;          /* 64-octet aligned, `capacity` values */
    uint64_t *present;     /* capacity / 64 words */
    uint32_t present_rows; /* rows that have it; kept by batch_mark() */
};

struct batch; /* private but for the accessors below, which inline nothing on purpose: they are per
                 data set */

/* `capacity` is a multiple of 64, at most 1<<20. NULL when memory ends. */
struct batch *batch_new(uint32_t capacity, enum record_kind kind);
void batch_free(struct batch *b);
/* Empties it for the next round; memory is kept, and the generation number changes, so that whoever
 * remembers column indexes knows to ask again. */
void batch_reset(struct batch *b);

uint32_t batch_rows(const struct batch *b);
uint32_t batch_room(const struct batch *b); /* rows that still fit */
uint64_t batch_generation(const struct batch *b);
enum record_kind batch_kind(const struct batch *b);
size_t batch_column_count(const struct batch *b);
struct column *batch_column_at(struct batch *b, size_t index);

/* The index of the column of `key`, made if need be. width as in struct column: pass
 * ie_storage_width(key), or more when the wire has more octets than the type (NetFlow v9 does).
 * A narrower existing column is widened in place, all its values kept; so pointers into columns are
 * taken anew after every batch_column().
 * WEIR_ELIMIT: BATCH_COLUMNS_MOST reached, or fixed width against octets: hand the batch on, reset
 * it, and ask again. WEIR_ENOMEM. */
enum weir_status batch_column(struct batch *b, ie_key key, uint8_t width, size_t *index);

/* Reserves `rows` rows (<= batch_room()) and returns the first; all values zero, nothing
 * present. */
uint32_t batch_append(struct batch *b, uint32_t rows);
/* Takes back the last `rows` reserved rows, values and presence and octets cleared. When these are
 * the rows of the last batch_append(), the octets put since then are given up too, so put none into
 * older rows in between. A column may be left that no row has; batch_frame() leaves it out. */
void batch_retract(struct batch *b, uint32_t rows);

/* Keeps the rows whose bit is set (bit r%64 of word r/64), in their order; the others are gone,
 * with their values and presence. Octets in the heap stay until batch_reset(). Values move, so
 * pointers into columns stay good but for the rows they meant. WEIR_ENOMEM: nothing was changed. */
enum weir_status batch_keep(struct batch *b, const uint64_t *keep);

/* Says that rows [first, first + rows) have the element of this column. */
void batch_mark(struct batch *b, size_t column, uint32_t first, uint32_t rows);
/* Copies `length` octets into the batch's heap and sets row `row` of an octets column to them.
 * WEIR_ENOMEM. WEIR_ELIMIT when the heap would pass 256 MiB. */
enum weir_status batch_put_octets(struct batch *b, size_t column, uint32_t row, const void *bytes,
                                  uint32_t length);

/* All columns that a row has as vectors (form FLAT), allocated from `a`. vectors == NULL and rows >
 * 0: no memory. */
struct frame batch_frame(struct batch *b, struct arena *a);

#endif
