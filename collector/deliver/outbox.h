/* outbox.h - finished blocks on their way to the sink, in order, oldest first.
 *
 * Without a folder the outbox is a short queue in memory: putting waits while it is full, which is
 * the back-pressure on ingest. With a folder it is the spool: a block is put when its file is
 * synced, and stays there until the sink took it, so a kill of either side loses nothing.
 *
 *   SPOOL/0000000300000007.block      name: the block's sequence in hex, so names sort in order
 *   SPOOL/0000000300000007.refused    a block that the sink refused for good; kept for a human
 *
 * Threads: one puts (the encoder), one takes (the sender); outbox_stop() and outbox_state() by
 * any. */
#ifndef WEIR_COLLECTOR_OUTBOX_H
#define WEIR_COLLECTOR_OUTBOX_H

#include "base/buffer.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

struct outbox;

/* folder NULL: in memory. Otherwise the folder is made if need be, and what an earlier run left in
 * it is first in line. `most`: octets the spool may hold. WEIR_EBUSY: another process has the
 * folder; WEIR_EFULL, WEIR_EIO, WEIR_ENOMEM. */
enum weir_status outbox_new(const char *folder, int64_t most, struct outbox **out,
                            struct weir_error *error);
void outbox_free(struct outbox *o);

/* Shows every block that waits, oldest first, before any thread uses the outbox. */
enum weir_status outbox_each(struct outbox *o,
                             void (*visit)(void *context, const uint8_t *bytes, size_t length),
                             void *context, struct weir_error *error);

/* Takes over the octets (the buffer comes back empty, its memory may be another's). Waits while the
 * queue in memory is full, unless stopped. WEIR_ELIMIT: the spool holds `most` octets. WEIR_EFULL,
 * WEIR_EIO: the disk did not take it; try again. On any error nothing was taken. */
enum weir_status outbox_put(struct outbox *o, uint64_t sequence, struct buffer *block,
                            struct weir_error *error);

/* The oldest block, waiting for one at most `wait_ms`. WEIR_ENOTFOUND: none came. The octets stay
 * the outbox's until outbox_done() or outbox_refused(); asking again gives the same block. */
enum weir_status outbox_next(struct outbox *o, int64_t wait_ms, const uint8_t **bytes,
                             size_t *length, struct weir_error *error);
void outbox_done(struct outbox *o);    /* the sink has it: forget it */
void outbox_refused(struct outbox *o); /* never to be sent again: set aside */

void outbox_stop(struct outbox *o); /* whoever waits in put or next comes back */
void outbox_state(struct outbox *o, uint64_t *blocks, uint64_t *octets);

#endif
