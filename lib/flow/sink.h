/* sink.h - where a collector's blocks go. Collector and DB component meet here and in source.h, and
 * only a main program joins them.
 *
 * A sink takes a finished block (lib/block: bytes as they will be stored). When deliver() returns
 * WEIR_OK the block is safe: committed by a store, or kept by a spool on disk; the collector
 * forgets it. Delivering the same (collector, sequence) again is WEIR_OK and stores nothing twice.
 * WEIR_EFULL, WEIR_EBUSY, WEIR_EUNAVAILABLE: nothing was taken, try again later; the collector
 * holds the block and lets its queue fill. Any other error: the block itself was refused; it is
 * logged and counted, and not sent again.
 *
 * Threads: deliver() is called by one thread at a time. The bytes stay the caller's. */
#ifndef WEIR_FLOW_SINK_H
#define WEIR_FLOW_SINK_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

struct sink {
    enum weir_status (*deliver)(void *context, const uint8_t *block, size_t length,
                                struct weir_error *error);
    void *context;
};

#endif
