/* tag.h - gives the flows of a batch their tags, source and destination alike: longest prefix
 * match of the address, else the AS number (flow/prefix.h).
 *
 * A record's address is its IPv4 element when it has one, else its IPv6 element. Exporters with one
 * template for both families fill the unused one with zeros: an IPv4 address of all zero beside an
 * IPv6 address that is not is taken as unused. */
#ifndef WEIR_COLLECTOR_TAG_H
#define WEIR_COLLECTOR_TAG_H

#include "flow/batch.h"
#include "flow/prefix.h"

/* Fills WEIR_SRC_TAG and WEIR_DST_TAG, whose columns exist, for all rows. WEIR_ENOMEM only. */
enum weir_status tag_batch(const struct prefix_table *tags, struct batch *b);

#endif
