/* settings.h - the options of `weir`, one row each. A word accepts some of them: its row in words.c
 * has the bits. Times that were not given are the ends of time, so that nothing is left out
 * silently.
 *
 * The settings are one static struct, filled at start by the main thread. */
#ifndef WEIR_CLIENT_SETTINGS_H
#define WEIR_CLIENT_SETTINGS_H

#include "base/status.h"
#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define URL_DEFAULT "http://127.0.0.1:8080"

/* One row an option: name, placeholder, type, target's member, least, most, help. */
#define SETTINGS_ROWS(X)                                                                           \
    X(url, "url", "URL", OPTION_TEXT, 0, 0, "the service (" URL_DEFAULT ", or WEIR_URL)")          \
    X(format, "format", "F", OPTION_TEXT, 0, 0, "table, json or csv (table)")                      \
    X(help, "help", NULL, OPTION_FLAG, 0, 0, "what the word does and takes")                       \
    X(version, "version", NULL, OPTION_FLAG, 0, 0, "which Weir this is")                           \
    X(by, "by", "KEYS", OPTION_TEXT, 0, 0,                                                         \
      "keys with commas: IPFIX names, srcTag, dstIP, srcPort, dstAS, proto, exporter, NAME/LEN")   \
    X(filter, "filter", "F", OPTION_TEXT, 0, 0,                                                    \
      "which flows, as nfdump writes it: \"dst port 443 and proto tcp\"")                          \
    X(from_ms, "from", "T", OPTION_TIME, 0, 0,                                                     \
      "start, included: now-15m, 2026-02-03, 2026-02-03T04:05Z (all)")                             \
    X(to_ms, "to", "T", OPTION_TIME, 0, 0, "end, not included (all)")                              \
    X(step_ms, "step", "D", OPTION_DURATION, 0, 0,                                                 \
      "a row per key and time bin of this length: 5m, 1h")                                         \
    X(top, "top", "N", OPTION_NUMBER, 0, 10000000,                                                 \
      "only the N largest rows, or series (all; 10 series in a table)")                            \
    X(order, "order", "M", OPTION_TEXT, 0, 0,                                                      \
      "octets, packets or flows: what rows are ordered by (octets)")                               \
    X(source, "source", "S", OPTION_TEXT, 0, 0, "auto, rollup or blocks: what to read (auto)")     \
    X(spread, "spread", "S", OPTION_TEXT, 0, 0,                                                    \
      "end, or proportional: octets over the time from a flow's start to its end (end)")           \
    X(percentile, "percentile", "N", OPTION_NUMBER, 1, 100, "which one of each series (95)")       \
    X(time, "time", NULL, OPTION_FLAG, 0, 0, "say what the answer cost the server")                \
    X(measure, "measure", "M", OPTION_TEXT, 0, 0,                                                  \
      "octets, packets or flows: what the cells show (octets)")                                    \
    X(description, "description", "TEXT", OPTION_TEXT, 0, 0, "what the device is")                 \
    X(sampling_rate, "sampling-rate", "N", OPTION_TEXT, 0, 0,                                      \
      "it exports one packet in N (not known)")                                                    \
    X(once, "once", NULL, OPTION_FLAG, 0, 0,                                                       \
      "only flows metered at edge-in points, so that each counts once")                            \
    X(method, "method", "M", OPTION_TEXT, 0, 0,                                                    \
      "crypto-pan, truncate or remove: how to anonymise (as the domain does)")                     \
    X(lengths, "lengths", "N,N", OPTION_TEXT, 0, 0,                                                \
      "bits that truncate keeps of IPv4,IPv6 (24,48)")                                             \
    X(fields, "fields", "NAMES", OPTION_TEXT, 0, 0, "elements to remove, with commas")             \
    X(macs, "macs", NULL, OPTION_FLAG, 0, 0, "anonymise MAC addresses too")                        \
    X(key, "key", "NAME", OPTION_TEXT, 0, 0,                                                       \
      "which key of the collector's machine makes pseudonyms (default)")                           \
    X(level, "level", "L", OPTION_TEXT, 0, 0,                                                      \
      "error, warning, info or debug: lines so severe and worse (debug)")                          \
    X(kind, "kind", "K", OPTION_TEXT, 0, 0,                                                        \
      "interface, vrf, application or sampler: names of these only (all)")                         \
    X(exporter, "exporter", "ADDRESS", OPTION_TEXT, 0, 0,                                          \
      "names told by this exporter only (all)")                                                    \
    X(limit, "limit", "N", OPTION_NUMBER, 1, 1000, "only the last N lines (1000)")

enum setting {
#define SETTING_INDEX(member, name, value, type, least, most, help) SETTING_##member,
    SETTINGS_ROWS(SETTING_INDEX)
#undef SETTING_INDEX
        SETTING_COUNT
};
#define ACCEPT(member) (1u << SETTING_##member)

struct settings {
    const char *url, *format, *by, *filter, *order, *source, *spread, *measure, *description,
        *sampling_rate;
    const char *method, *lengths, *fields, *key, *level, *kind, *exporter;
    bool help, version, time, once, macs;
    int64_t from_ms, to_ms, step_ms, top, percentile,
        limit;      /* step, top, limit: 0 when not given */
    int64_t series; /* the largest so many: what --top of `weir series` means */
};

extern struct settings settings;

/* Reads the command line (see options_parse()); options whose bit is not in `accepted` are an error
 * that says so for the word called `word`. WEIR_EARGUMENT, WEIR_ESYNTAX. */
enum weir_status settings_parse(int argc, char **argv, unsigned accepted, const char *word,
                                int *operands, struct weir_error *error);
/* The help lines of the accepted options, into `out`. */
void settings_help(unsigned accepted, char *out, size_t size);

#endif
