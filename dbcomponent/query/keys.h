/* keys.h - the "by" of a question: names of keys read into elements. Private to dbcomponent/query.
 *
 *   srcTag, dstTag, exporter, domain   what the collector adds to every record
 *   srcIP, dstIP                       the address of either family, IPv4 as mapped: IPv4 where
 *                                      the record has one, unless that is 0.0.0.0 beside an IPv6
 *                                      address other than :: (exporters fill the family they do not
 *                                      use with zeros)
 *   srcPort, dstPort, srcAS, dstAS,    sourceTransportPort and so on, as filters call them
 *   proto, tos
 *   NAME                               any element, as ie_key_parse() reads it
 *   NAME/LEN                           of an address: its first LEN bits. For srcIP, dstIP and
 *                                      exporter, which hold both families, LEN counts from the
 *                                      start of each family's own address; past 32 it is the whole
 *                                      of IPv4
 *
 * Pure functions; any thread. */
#ifndef WEIR_QUERY_KEYS_H
#define WEIR_QUERY_KEYS_H

#include "store.h"

/* Fills *out; out->name is `name` itself, not a copy. WEIR_EARGUMENT, field "by": what is wrong
 * with the name, and the nearest known one. */
enum weir_status key_parse(const char *name, struct totals_key *out, struct weir_error *error);

/* All of a question's keys; a name given twice, or more than TOTALS_KEYS_MOST, is an error too. */
enum weir_status keys_parse(const char *const *names, size_t count, struct totals_key *out,
                            struct weir_error *error);

/* Does every record have this element? Where a stored block lacks it all the same, it reads as
 * zero: roll-ups keep it so, and both must answer alike. */
bool key_is_on_every_record(ie_key key);

/* Does this key hold IPv4 addresses as mapped IPv6 ones? */
bool key_holds_both_families(ie_key key);

/* Keeps the first `length` bits of 16 octets; `both` as of key_holds_both_families(). */
void key_mask(uint8_t octets[16], int length, bool both);

#endif
