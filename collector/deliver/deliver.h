/* deliver.h - batches become blocks and reach the sink: a queue of batches, not a lock around a
 * table.
 *
 *   ingest threads ──take──▶ jobs ─▶ encoder thread ─▶ outbox (memory or spool)
 *                                                         ─▶ sender thread ─▶ sink
 *
 * Batches go round: what the encoder has emptied is what the next take() returns, so a running
 * collector allocates nothing. When the sink is slow the outbox fills, then the batches are all in
 * use, and take() waits: the receive buffer of the kernel is the last reserve, and what it drops is
 * counted.
 *
 * A block that must be given up (the spool is full, the sink refuses it for good) leaves its
 * account behind: its records become spoolDrops in the next block, so even that loss is told.
 *
 * Threads: deliver_output()'s take() by any number of ingest threads; the rest by the owner. */
#ifndef WEIR_COLLECTOR_DELIVER_H
#define WEIR_COLLECTOR_DELIVER_H

#include "collector.h"
#include "ingest/ingest.h"

struct deliver;

enum weir_status deliver_new(const struct collector_settings *settings, const struct sink *sink,
                             struct deliver **out, struct weir_error *error);
struct ingest_output deliver_output(struct deliver *d);
/* Hands over the sequence positions in the blocks that an earlier run left in the spool, oldest
 * first: they are newer than what any sink knows. The caller frees with account_free(). */
struct account deliver_left_behind(struct deliver *d);
/* For an import, and for an end: a sink (with a spool, the spool) that takes nothing for this long
 * is a failure, not a reason to wait. Live collectors wait for ever. */
void deliver_limit_patience(struct deliver *d, int64_t patience_ms);
/* True once that has happened; take() then no longer waits, and `error` (may be NULL) says why. */
bool deliver_failed(struct deliver *d, struct weir_error *error);
/* Waits until every batch taken so far is with the sink (or, with a spool, in the spool), at most
 * patience_ms, then ends both threads. WEIR_EUNAVAILABLE and the sink's last error when blocks were
 * left in memory, or the spool took no more: they are lost with the process. */
enum weir_status deliver_stop(struct deliver *d, int64_t patience_ms, struct weir_error *error);
void deliver_free(struct deliver *d);

/* While live: both threads go behind those that receive. The kernel's buffer holds milliseconds of
 * traffic, the round of batches and the outbox a second of it. */
void deliver_go_behind(struct deliver *d);

struct deliver_state {
    uint64_t blocks, block_octets;          /* encoded so far */
    uint64_t queued_blocks, spooled_blocks, spooled_octets;
    char last_error[256];                   /* "" while the sink takes blocks */
};
void deliver_state(struct deliver *d, struct deliver_state *out);

#endif
