/* segment.h - roll-up groups as bytes, and where they are kept (table rollup).
 *
 * A segment holds groups of one hour, sorted, each key once:
 *
 *   OFFSET  SIZE    DESCRIPTION                                    numbers LITTLE ENDIAN
 *   0       1       version, 2 (1: contexts end behind the origin)
 *   1       varint  contexts; for each, 31 octets and the policy:
 *           16        exporter, network order
 *           4         domain
 *           8         bits of the sampling rate (double)
 *           1         origin of the rate
 *           1         role of the observation point
 *           1         length of the policy of anonymisation, 0 to 127
 *           …         its text
 *   …       varint  groups; for each, eight varints:
 *                     minutes since the group before (the first: since the period's start)
 *                     context, source tag, destination tag, protocol + 1 (0: absent), octets,
 *                     packets, flows
 *
 * A varint is a u64, seven bits an octet from the low end, high bit: more follows; octets, packets
 * and flows may be longer, up to 112 bits: sums that exceed a u64. The row's seal
 * covers the segment. Why not a row a group: an upsert costs a search and a dirty page, 2-3 µs;
 * writing a sorted group here, tens of ns, its merges included. Segments of a tier are merged into
 * one of the next tier when there are SEGMENT_FAN of them, so a group is rewritten a logarithmic
 * number of times. */
#ifndef WEIR_DB_SEGMENT_H
#define WEIR_DB_SEGMENT_H

#include "store/inside.h"
#include "store/rollups.h"

#define SEGMENT_FAN 8
/* Merging stops at this many groups, and what has more is summed and written in parts of about as
 * many: their table and the octets of a segment, read and written, are what that takes of memory
 * (about 500 octets a group where every group has its own exporter). */
#define SEGMENT_GROUPS_MOST 250000
#define SEGMENT_TIER_MOST 60
/* Not a tier but what is left of the blocks that retention removed. */
#define SEGMENT_TIER_KEPT 100

/* Bytes of the groups, which are of one period, sorted as rollups_sorted() gives them. */
void segment_write(struct buffer *out, const struct rollups *r, int64_t period_ms,
                   const struct rollup_group *groups, size_t count);
/* Adds a segment's groups to the table, those that it takes, times sign. WEIR_ECORRUPT,
 * WEIR_ENOMEM. */
enum weir_status segment_add(struct rollups *r, int64_t period_ms, const uint8_t *bytes,
                             size_t length, int sign, struct weir_error *error);
/* The same, all of it as if of the minute `at_ms`: how coarser roll-ups are summed. */
enum weir_status segment_add_at(struct rollups *r, int64_t period_ms, int64_t at_ms,
                                const uint8_t *bytes, size_t length, int sign,
                                struct weir_error *error);
/* Gives every group with minute in `when` to `row`, sums capped (rollup_counts()). `a` is
 * scratch. */
enum weir_status segment_walk(int64_t period_ms, const uint8_t *bytes, size_t length,
                              struct interval when, rollup_row row, void *context, struct arena *a,
                              struct weir_error *error);

/* Inside a transaction. WEIR_ENOMEM when the buffer has failed. */
enum weir_status segment_insert(struct sql *sql, int64_t resolution_ms, int64_t period_ms, int tier,
                                int64_t serial, size_t groups, const struct buffer *bytes,
                                struct weir_error *error);
/* Stores the table's groups as new segments and merges where it is time; the table is used up.
 * Inside a transaction. */
enum weir_status rollups_store(struct sql *sql, struct scratch *scratch, struct weir_error *error);
/* Loads what the table takes of the stored segments of the period's blocks, times sign. */
enum weir_status rollups_load(struct sql *sql, struct rollups *r, int64_t period_ms, int sign,
                              struct weir_error *error);
/* The parts that what is stored at period_ms, in `tier_least` to `tier_most`, is to be summed in:
 * so many that none has much more than SEGMENT_GROUPS_MOST groups. */
enum weir_status rollups_parts(struct sql *sql, int64_t resolution_ms, int64_t period_ms,
                               int tier_least, int tier_most, uint32_t *parts,
                               struct weir_error *error);
/* Changes what is stored of the period's blocks (or, `kept`, of its removed ones) by `of`'s groups,
 * which are all of the period, times sign, and writes it anew. `r` and `bytes` are scratch. Inside
 * a transaction. */
enum weir_status rollups_change(struct sql *sql, struct rollups *r, const struct rollups *of,
                                int64_t period_ms, bool kept, const struct rollup_group *groups,
                                size_t count, int sign, struct buffer *bytes,
                                struct weir_error *error);
/* Takes away what is stored of the period's removed blocks. Inside a transaction. */
enum weir_status rollups_forget(struct sql *sql, int64_t period_ms, struct weir_error *error);

#endif
