/* packed.h - numbers as frame of reference, bit-packed in groups with exceptions: the payload of
 * CODEC_FOR, and of whatever is made of numbers inside other codecs. Private to lib/block.
 *
 *   u64 reference, u8 reference octets R, then for every 256 values (the last group has the rest):
 *   u8 bits b, u8 exceptions e, [u8 high bits h if e > 0], R octets: the group's own reference,
 *   the low b bits of each value packed, then e octets: places of the exceptions in ascending
 * order, and what those have above bit b, h bits each, packed.
 *
 *   value = reference + group reference + low + (high << b)       mod 2^(8 * width)
 *
 * A few large values among small ones (octets, packets, durations) cost only themselves. */
#ifndef WEIR_BLOCK_PACKED_H
#define WEIR_BLOCK_PACKED_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/status.h"
#include "block/kernels.h"

struct packed_plan {
    uint64_t reference;
    unsigned reference_octets; /* of each group */
    bool patch;                /* exceptions are worth looking for */
    double bits;               /* a value, estimated; headers included */
};
/* Looks at some of the groups. `least` and `most` are those of the values; count >= 1. */
void packed_plan(const void *values, uint32_t count, unsigned width, uint64_t least, uint64_t most,
                 struct packed_plan *out);
/* Appends; memory that ends shows in out->failed. */
void packed_write(const struct packed_plan *plan, const void *values, uint32_t count,
                  unsigned width, struct buffer *out);
/* Values the plan would use, rounded up to whole groups: what packed_read() fills. */
static inline size_t packed_room(uint32_t count)
{
    return ((size_t)count + PACK_GROUP - 1) / PACK_GROUP * PACK_GROUP;
}
/* Reads `count` values of `width` octets (1, 2, 4, 8) to `out`, which has room for
 * packed_room(count); what lies past `count` is undefined. WEIR_ETRUNCATED, WEIR_EMALFORMED. */
enum weir_status packed_read(struct cursor *in, uint32_t count, unsigned width, void *out);

/* The same, a group at a time: opens what packed_read() reads, then each call fills PACK_GROUP
 * values of `out`, of which the next group has some; `out` NULL: steps over it. */
struct packed_reader {
    uint64_t reference;
    uint8_t reference_octets, width;
};
enum weir_status packed_open(struct cursor *in, unsigned width, struct packed_reader *r);
enum weir_status packed_next(const struct packed_reader *r, struct cursor *in, unsigned count,
                             void *out);

/* The sum, mod 2^64, of those of `count` values of 8 octets whose bit in `selected` is set (NULL:
 * of all; bits past `count` are zero), without storing any. Groups of which none is selected are
 * not looked into. Errors as packed_read(). */
enum weir_status packed_sum(struct cursor *in, uint32_t count, const uint64_t *selected,
                            uint64_t *sum);

#endif
