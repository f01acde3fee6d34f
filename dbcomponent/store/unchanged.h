/* unchanged.h - columns that say the same in whichever order the rows are, and so need not be
 * decoded to be merged: constants, and those that differ from another column by a constant
 * (WEIR_OCTETS is octetDeltaCount itself).
 *
 * Invariant: their bytes are copied with the checksum that they came with, so damage is found as
 * before. */
#ifndef WEIR_DB_UNCHANGED_H
#define WEIR_DB_UNCHANGED_H

#include "store/inside.h"

/* Whether `key` is such a column, the same in all blocks; *out is it, for all their rows, with its
 * bytes from `a`. `scratch` is used. WEIR_OK with *found false: it is to be merged like any
 * other. */
enum weir_status unchanged_find(struct sql *sql, const struct block_record *blocks, size_t count,
                                ie_key key, struct arena *a, struct arena *scratch,
                                struct block_column *out, bool *found, struct weir_error *error);

#endif
