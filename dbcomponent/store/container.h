/* container.h - the SQLite container, as the rest of the DB component sees it: connections, the
 * scan over stored blocks, roll-up rows. Private to dbcomponent; everything outside uses store.h.
 *
 * Threads: a struct reader belongs to one thread at a time and holds one read transaction: one
 * consistent state from reader_open() to reader_end(). Take as many readers as there are
 * threads. */
#ifndef WEIR_DB_CONTAINER_H
#define WEIR_DB_CONTAINER_H

#include "base/arena.h"
#include "block/block.h"
#include "store.h"
#include "store/changes.h"

struct reader;
enum weir_status reader_open(struct store *s, struct reader **out, struct weir_error *error);
/* Lets it go. `status` as it is when that is an error; else WEIR_EIO when octets of the file were
 * missed that a mapping should have had: what the reader told is not to be believed then. */
enum weir_status reader_end(struct reader *r, enum weir_status status, struct weir_error *error);
void reader_close(struct reader *r); /* the same where nothing of it will be believed; NULL: fine */

/* ---- blocks ---- */
struct stored_block {
    int64_t rowid;
    uint32_t rows;
    uint8_t kind;            /* enum record_kind */
    int64_t first_ms, last_ms;
};
/* The blocks of `kind` that may hold a flow end inside `when`, in rowid order, from `a`. One index
 * look-up; nothing of the columns is read. */
enum weir_status reader_blocks(struct reader *r, enum record_kind kind, struct interval when,
                               struct arena *a, struct stored_block **out, size_t *count,
                               struct weir_error *error);
/* Directory of a block: every column with its head, `bytes` NULL, sorted by key; from `a`. */
enum weir_status reader_directory(struct reader *r, int64_t rowid, struct arena *a,
                                  struct block_column **out, uint32_t *count,
                                  struct weir_error *error);
/* Loads the bytes of one column of that directory (c->bytes then points into `a`). */
enum weir_status reader_load(struct reader *r, int64_t rowid, struct block_column *c,
                             struct arena *a, struct weir_error *error);

/* ---- roll-ups: exact sums per minute of flow end ----
 * Kept as sorted, checksummed segments, one or more for every hour, that are merged as they grow
 * (store/segment.h). So the same key may come more than once, each time with a part of its counts:
 * the sum of the parts is exact. Add up raw counts before multiplying by the rate. */
struct rollup_key {
    int64_t minute_ms;
    struct address exporter;
    uint32_t domain, src_tag, dst_tag;
    uint32_t protocol;        /* protocolIdentifier; 0 when absent: see `has_protocol`; a value past
                                 32 bits, which no exporter can mean, is kept as UINT32_MAX */
    uint8_t has_protocol;
    double sampling_rate;     /* 0 unknown */
    uint8_t sampling_origin;
    uint8_t role;             /* enum observation_role */
    const char *policy;       /* of anonymisation; "": none. Valid during the call */
};
typedef enum weir_status (*rollup_row)(void *context, const struct rollup_key *key,
                                       const struct counts *counts);
/* Every roll-up row with minute in `when` (both ends must be whole minutes, or those of
 * INTERVAL_ALL). No order. WEIR_ECORRUPT names the segment. A result of `row` other than WEIR_OK
 * ends the walk and is returned. */
enum weir_status reader_rollups(struct reader *r, struct interval when, rollup_row row,
                                void *context, struct weir_error *error);
/* The same from coarser roll-ups where there are any: a row stands for all minutes of a slot of an
 * hour, a day or 32 days, never longer than coarsest_ms, that lies whole in `when`; its minute_ms
 * is the slot's start, a multiple of the slot's length since 1970. */
/* The coarsest_ms with which no row crosses an edge from_ms + n * step_ms. */
int64_t rollups_coarsest(int64_t from_ms, int64_t step_ms);
enum weir_status reader_rollups_coarse(struct reader *r, struct interval when, int64_t coarsest_ms,
                                       rollup_row row, void *context, struct weir_error *error);

/* ---- account ---- */
typedef enum weir_status (*account_visit)(void *context, const struct account_row *row);
/* Every account row with minute in `when` (minutes that overlap it). */
enum weir_status reader_account(struct reader *r, struct interval when, account_visit visit,
                                void *context, struct weir_error *error);

/* Every account row with minute_ms in [from_ms, to_ms). */
enum weir_status reader_account_rows(struct reader *r, int64_t from_ms, int64_t to_ms,
                                     account_visit visit, void *context, struct weir_error *error);
/* The first minute at or after at_ms that has a row; INT64_MAX: none. */
enum weir_status reader_account_next(struct reader *r, int64_t at_ms, int64_t *minute_ms,
                                     struct weir_error *error);
/* The first and the last minute that have a row; first > last: there is no row. */
enum weir_status reader_account_span(struct reader *r, int64_t *first_ms, int64_t *last_ms,
                                     struct weir_error *error);

/* Asked now and then while the reader adds up sums that it will give later: anything but WEIR_OK
 * ends that, and is what comes of it. NULL: nobody asks any more. */
typedef enum weir_status (*reader_go_on)(const void *context, struct weir_error *error);
void reader_watch(struct reader *r, reader_go_on go_on, const void *context);

/* ---- what is kept from one question to the next ----
 * Memory that goes with the reader's connection, from reader_end() to a later reader_open(). What
 * it says about the file, sums of roll-ups and of the account, holds for as long as the changes
 * that this and other processes tell of do not touch it (changes.h). *out is the reader's, of the
 * state that it sees. */
enum weir_status reader_changes(struct reader *r, const struct changes **out,
                                struct weir_error *error);
void reader_keep(struct reader *r, void *memory, void (*release)(void *));
void *reader_kept(const struct reader *r); /* NULL: nothing yet */

/* Tag numbers by name, for filters. */
bool reader_tag(void *reader, const char *name, uint32_t *tag); /* a filter_tag_resolver */

#endif
