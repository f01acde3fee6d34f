/* cryptopan.h - prefix-preserving pseudonyms of addresses: Crypto-PAn (Xu, Fan, Ammar, Moon,
 * "Prefix-Preserving IP Address Anonymization", ICNP 2002), with AES-128.
 *
 * The key is 32 octets: the first 16 key AES, the others, encrypted, are the padding. Bit i of an
 * address (from the most significant, 0) is flipped by the first bit of the AES block of its first
 * i bits, the rest taken from the padding. So two addresses that share n bits have pseudonyms that
 * share exactly n, whoever has the key can undo it, and it is one mapping for good. IPv4 addresses
 * and MAC addresses are the first 32 and 48 bits of such a block.
 *
 * Results are remembered by address and by prefix (16 bits of IPv4, 64 of IPv6) in tables of fixed
 * size, so that a flow seldom pays for 32 or 128 encryptions.
 *
 * Threads: one (the tables are written). */
#ifndef WEIR_COLLECTOR_CRYPTOPAN_H
#define WEIR_COLLECTOR_CRYPTOPAN_H

#include <stdint.h>

#define CRYPTOPAN_KEY_SIZE 32

struct cryptopan;
/* Copies what it needs of the key. NULL: no memory, or no AES. */
struct cryptopan *cryptopan_new(const uint8_t key[CRYPTOPAN_KEY_SIZE]);
void cryptopan_free(struct cryptopan *c); /* the key's traces are wiped */

uint32_t cryptopan_ipv4(struct cryptopan *c, uint32_t host_order);
void cryptopan_ipv6(struct cryptopan *c, uint8_t octets[16]); /* in place, NETWORK BYTE ORDER */
uint64_t cryptopan_mac(struct cryptopan *c, uint64_t mac);    /* 48 bits */

#endif
