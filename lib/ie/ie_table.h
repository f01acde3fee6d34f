/* ie_table.h - the shape of the generated table, shared by ie.c and build/gen/ie_table.c (made by
 * ietable.awk). Nobody else includes it. */
#ifndef WEIR_IE_TABLE_H
#define WEIR_IE_TABLE_H

#include "ie/ie.h"

extern const size_t ie_table_count;
extern const struct ie ie_table[];  /* sorted by (pen, id) */
extern const uint16_t ie_by_name[]; /* rows, sorted by lower-case name, then registry */

/* Open-addressed hash of (pen, id): row + 1, or 0. At most half full; probing is linear. */
#define IE_SLOTS 16384u
extern const uint16_t ie_slots[IE_SLOTS];

static inline size_t ie_slot_of(uint32_t pen, uint16_t id)
{
    return (size_t)(((uint64_t)pen * 7919 + (uint64_t)id * 101) % IE_SLOTS);
}

#endif
