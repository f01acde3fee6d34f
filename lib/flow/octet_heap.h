/* octet_heap.h - where the variable-length values of a batch live: chunks that are filled one after
 * the other and given back together, so that a pointer into them stays valid until then.
 *
 * Private to lib/flow. An all-zero struct is an empty heap. It belongs to one thread. */
#ifndef WEIR_FLOW_OCTET_HEAP_H
#define WEIR_FLOW_OCTET_HEAP_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

struct octet_chunk;
struct octet_heap {
    struct octet_chunk *top;   /* being filled; linked to those before it */
    struct octet_chunk *spare; /* kept for the next round, at most 4 MiB */
    size_t octets, spare_octets;
};

/* A place in the heap; all zero: its start. */
struct octet_mark {
    struct octet_chunk *chunk;
    size_t used;
};

/* Copies `length` octets and says where they are; NULL when length is 0. WEIR_ENOMEM. WEIR_ELIMIT:
 * the heap would hold more than 256 MiB. */
enum weir_status octet_heap_put(struct octet_heap *h, const void *bytes, uint32_t length,
                                const uint8_t **kept);
struct octet_mark octet_heap_mark(const struct octet_heap *h);
/* Gives up everything that was put since the mark was taken. */
void octet_heap_return(struct octet_heap *h, struct octet_mark mark);
void octet_heap_free(struct octet_heap *h); /* empty afterwards, and usable */

#endif
