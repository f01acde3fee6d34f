/* framing.h - IPFIX messages out of a stream of octets, by the length field of their header
 * (RFC 7011 sections 3.1 and 10.4: nothing stands between messages).
 *
 * Octets may come in pieces of any size. Whole messages are handed on where they are; only the
 * beginning of one that is not whole yet is copied, so that an idle stream holds no memory and a
 * busy one at most FRAMING_MOST octets.
 *
 * Threads: a framing belongs to one thread. */
#ifndef WEIR_COLLECTOR_FRAMING_H
#define WEIR_COLLECTOR_FRAMING_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

#define FRAMING_MOST 65535u /* octets of a message: its length has 16 bits */

struct framing {    /* all zero: a stream before its first octet */
    uint8_t *begun; /* the start of a message; the framing's own */
    uint32_t have, room;
};

/* The message is the framing's (or feeder's) memory and gone after the call. */
typedef void (*framing_message)(void *context, const uint8_t *message, size_t length);

/* Takes the next octets, calls `each` for every message that became whole. WEIR_EMALFORMED: here
 * starts no IPFIX message (another version, a length below a header's); the stream can not be
 * followed any further. It is found out as soon as the octets show it. WEIR_ENOMEM. After either
 * the framing can only be freed. */
enum weir_status framing_feed(struct framing *f, const uint8_t *octets, size_t length,
                              framing_message each, void *context);
/* Frees its memory; the stream then starts anew. */
void framing_free(struct framing *f);

#endif
