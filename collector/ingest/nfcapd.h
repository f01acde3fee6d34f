/* nfcapd.h - files that nfcapd and nfpcapd wrote, streamed through the program nfdump (Debian's
 * package of that name), which knows every version of its own format. Nothing is written to disk in
 * between.
 *
 * nfdump prints records as JSON (of its formats the one that keeps most: times in milliseconds,
 * counters in full, only what a record has, and the exporter); TZ is UTC meanwhile. What it prints
 * becomes the IANA elements that mean the same. Counters are nfcapd's: where it knew a sampling
 * rate, it has multiplied them already, and does not say by how much. Which protocol a record came
 * by, its observation domain, and what was lost are not in there: all three are unknown.
 *
 * Threads: one a reader. */
#ifndef WEIR_COLLECTOR_NFCAPD_H
#define WEIR_COLLECTOR_NFCAPD_H

#include "ingest/record_sink.h"
#include <stdbool.h>
#include <stdio.h>

bool nfcapd_recognise(const uint8_t *first, size_t length); /* four octets are enough */
/* WEIR_EUNAVAILABLE: nfdump is not installed (the message says how to get it). WEIR_EMALFORMED: it
 * could not read the file; what it gave before is in the sink. */
enum weir_status nfcapd_read(const char *path, const struct record_sink *sink,
                             struct weir_error *error);
/* What nfdump printed: for nfcapd_read() and tests. Never fails on its content: what is not an
 * object with addresses or counters is stepped over. *records counts. */
enum weir_status nfcapd_read_json(FILE *json, const struct record_sink *sink, uint64_t *records);

#endif
