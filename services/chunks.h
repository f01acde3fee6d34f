/* chunks.h - the chunked transfer coding (RFC 9112 section 7.1), decoded in place as it arrives.
 *
 * Extensions and trailers are skipped. Threads: a struct chunks belongs to one. */
#ifndef WEIR_CHUNKS_H
#define WEIR_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_LINE_MOST     1024u /* octets of a size line or a trailer line */
#define CHUNK_TRAILERS_MOST 64u   /* lines */

enum chunk_state { CHUNK_SIZE, CHUNK_LINE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE };

struct chunks { /* all zero to begin with */
    enum chunk_state state;
    uint64_t left;   /* octets of data that this chunk still has */
    uint32_t line;   /* octets of the line being read */
    uint32_t lines;  /* trailers seen */
    uint32_t digits; /* of the size */
    size_t after;    /* octets past the end of the body, once DONE */
    bool failed;
};

/* `bytes` are the next `length` octets as received; the data in them is moved to their start.
 * Returns how many octets of data there are; sets `failed` when they are malformed, state
 * CHUNK_DONE at the end of the body. */
size_t chunks_decode(struct chunks *c, char *bytes, size_t length);

#endif
