/* log_ring.h - the last lines of the log, in memory, for who asks a service for them.
 *
 * Threads: any; a lock inside, which a reader holds while its callback runs. */
#ifndef WEIR_BASE_LOG_RING_H
#define WEIR_BASE_LOG_RING_H

#include "base/log.h"
#include <stdbool.h>
#include <stddef.h>

#define LOG_RING_LINES 1000u
#define LOG_RING_TEXT  256u /* octets of a line's text that are kept, its NUL included */

struct log_ring;
struct log_ring *log_ring_new(void); /* NULL: no memory */
void log_ring_free(struct log_ring *ring);

/* A log_sink's work: keeps a copy; the oldest line gives way. A longer text is cut between
 * characters (UTF-8) and ends in an ellipsis. */
void log_ring_put(struct log_ring *ring, const struct log_line *line);

/* False ends the reading. The line and its texts are valid during the call. */
typedef bool (*log_ring_visit)(void *context, const struct log_line *line);
/* The last `limit` lines at or after from_ms that are as severe as `least` or more so, oldest
 * first. Returns how many lines, of any kind, have given way since the ring was made. */
uint64_t log_ring_read(struct log_ring *ring, int64_t from_ms, enum log_level least, size_t limit,
                       log_ring_visit visit, void *context);

#endif
