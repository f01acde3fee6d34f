/* hash.h - a quick hash of a datagram's content, to recognise it when it comes again. Not for
 * anything where an opponent gains by a collision: all he could hide is his own datagram. */
#ifndef WEIR_COLLECTOR_HASH_H
#define WEIR_COLLECTOR_HASH_H

#include "base/cursor.h"

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(a ^ UINT64_C(0xa0761d6478bd642f)) * (b ^ UINT64_C(0xe7037ed1a0b428db));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two independent chains, 32 octets a round. */
static inline uint32_t hash_octets(const uint8_t *p, size_t length)
{
    uint64_t a = length, b = ~(uint64_t)length;
    for (; length >= 32; length -= 32, p += 32) {
        a = hash_mix(a ^ load_le64(p), load_le64(p + 8));
        b = hash_mix(b ^ load_le64(p + 16), load_le64(p + 24));
    }
    for (; length >= 8; length -= 8, p += 8)
        a = hash_mix(a ^ load_le64(p), b);
    uint64_t rest = 0;
    for (; length; length--, p++)
        rest = rest << 8 | *p;
    a = hash_mix(a ^ rest, b);
    return (uint32_t)(a ^ a >> 32);
}

#endif
