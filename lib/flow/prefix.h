/* prefix.h - the tag table: which tag has the address (longest prefix match, IPv4 and IPv6) or the
 * AS.
 *
 * Built once, then read-only; a change of tags builds a new table. A look-up of an IPv4 address is
 * at most three dependent memory reads whatever the number of prefixes; 1,000,000 prefixes are
 * fine. A tag given by AS applies when no prefix matches. Tag 0 means none. An IPv4-mapped IPv6
 * address is an IPv4 address; ::/0 matches IPv6 only.
 *
 * Threads: building, one; looking up, any. */
#ifndef WEIR_FLOW_PREFIX_H
#define WEIR_FLOW_PREFIX_H

#include "base/address.h"
#include "base/status.h"
#include <stddef.h>

#define PREFIX_TAG_MOST UINT32_C(0x7fffffff)

struct prefix_table;
struct prefix_rule {
    struct prefix prefix;
    uint32_t tag; /* 1 to PREFIX_TAG_MOST */
};
struct as_rule {
    uint32_t as;
    uint32_t tag;
};

/* The same prefix (or AS) twice with different tags: WEIR_EEXISTS and both tags named; a tag or a
 * length out of range: WEIR_EARGUMENT; WEIR_ENOMEM. On error *out is NULL. Input is not kept. */
enum weir_status prefix_table_new(const struct prefix_rule *prefixes, size_t prefix_count,
                                  const struct as_rule *ases, size_t as_count,
                                  struct prefix_table **out, struct weir_error *error);
void prefix_table_free(struct prefix_table *t);

uint32_t prefix_lookup_ipv4(const struct prefix_table *t, uint32_t host_order);
uint32_t prefix_lookup_ipv6(const struct prefix_table *t, const uint8_t octets[16]);
uint32_t prefix_lookup_as(const struct prefix_table *t, uint32_t as);
/* n look-ups, hiding memory latency (batches of prefetches). Only where tags[i] is 0 on entry. */
void prefix_lookup_ipv4_many(const struct prefix_table *t, const uint32_t *addresses, size_t n,
                             uint32_t *tags);
void prefix_lookup_ipv6_many(const struct prefix_table *t, const uint8_t (*addresses)[16], size_t n,
                             uint32_t *tags);
size_t prefix_table_memory(const struct prefix_table *t); /* octets */

#endif
