/* keeper.h - the file that keeps templates over a restart (recall.h), written by a thread of its
 * own so that no receiver waits for a disk.
 *
 *   "WEIRTMPL"   version u32 = 1   length of the entries u64   entries   CRC-32C of all before, u32
 *
 * LITTLE ENDIAN. A new file is written beside the old one and takes its place (rename), so there is
 * always a whole one. What can not be written is logged once, and tried again with the next change.
 *
 * Threads: keeper_offer() by each receiver, with its own number; the rest by the owner. */
#ifndef WEIR_COLLECTOR_KEEPER_H
#define WEIR_COLLECTOR_KEEPER_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/status.h"

struct keeper;
/* `receivers`: how many will offer. */
enum weir_status keeper_new(const char *path, uint32_t receivers, struct keeper **out,
                            struct weir_error *error);
/* Takes what a receiver knows now, in place of what it offered before; *entries comes back empty,
 * maybe with other memory. */
void keeper_offer(struct keeper *k, uint32_t receiver, struct buffer *entries);
/* Writes what is not written yet and ends the thread. */
void keeper_stop(struct keeper *k);
void keeper_free(struct keeper *k);

/* Reads a file; *entries is the caller's. WEIR_ENOTFOUND: there is none. WEIR_EIO. WEIR_EMALFORMED,
 * WEIR_EVERSION: it is damaged, or not one of ours; the error says what. */
enum weir_status keeper_read(const char *path, struct buffer *entries, struct weir_error *error);
/* The same from memory; the cursor is over the entries. */
enum weir_status keeper_open(const uint8_t *bytes, size_t length, struct cursor *entries,
                             struct weir_error *error);

#endif
