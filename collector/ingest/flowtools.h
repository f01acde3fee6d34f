/* flowtools.h - files of flow-tools: streams of version 3, plain or compressed, in both byte
 * orders.
 *
 *   0 magic 0xcf 0x10   2 byte order (1 little, 2 big; it holds from here on)
 *   3 stream version = 3   4 octets of the whole header (32 bits)
 *   8 fields: type (16 bits), length (16 bits), value. Read: 2 version of the export, 3 and 4
 *     version and method of aggregation (export version 8), 8 flags (bit 1: compressed by zlib)
 *   then records of one shape, which the export's version decides, one after the other
 *
 * A record repeats the header of the datagram it came in: time, sysUpTime, exporter, engine.
 * Sequence numbers it does not: what was lost before the file was written is unknown, and accounted
 * so. Export versions 1, 5, 6, 7, 8 (all fourteen aggregations) and 1005 (version 5 with
 * flow-tools' own tags, which are left out).
 *
 * Threads: one a reader. */
#ifndef WEIR_COLLECTOR_FLOWTOOLS_H
#define WEIR_COLLECTOR_FLOWTOOLS_H

#include "ingest/record_sink.h"
#include <stdbool.h>
#include <stdio.h>

bool flowtools_recognise(const uint8_t *first, size_t length); /* four octets are enough */
/* Reads the file from its start; `path` is for messages. WEIR_EMALFORMED: not a header, or a
 * version that is not understood. A file that ends or breaks in the middle gives what was whole,
 * and a logged warning. WEIR_ENOMEM. */
enum weir_status flowtools_read(FILE *file, const char *path, const struct record_sink *sink,
                                struct weir_error *error);

#endif
