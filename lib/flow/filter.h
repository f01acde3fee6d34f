/* filter.h - filter expressions in nfdump's language, parsed once, evaluated on columns.
 *
 *   src net 10.1.0.0/16 and dst port 443 and proto tcp
 *   (host 192.0.2.1 or host 2001:db8::1) and not packets < 10
 *   src tag PoP-BA and octetDeltaCount > 1M and flags S and not flags AF
 *
 * Grammar (keywords in any case; and/&&, or/||, not/!, parentheses; "any" or an empty text is all):
 *   [src|dst|src or dst|src and dst] ip|host ADDRESS      [src|dst] net ADDRESS/LEN | ADDRESS MASK
 *   [src|dst] ip in [ LIST ]    [src|dst] port [=|<|>|<=|>=|!=] N | in [ LIST ]
 *   proto NAME|N     inet|inet6|ipv4|ipv6     [src|dst] as N | in [ LIST ]     [in|out] if N
 *   flags ASRPFUX | N   (all named set)   tos N   [src|dst] mask N   next ip ADDRESS   bgpnext ip ADDRESS
 *   packets|bytes|octets|duration|pps|bps|bpp CMP N[K|M|G|T]      icmp-type N   icmp-code N
 *   [src|dst] vlan N  [src|dst] mac ADDR   mpls label …  exporter ADDRESS | exporter ip ADDRESS   domain N
 *   [src|dst] tag NAME|N          ELEMENT CMP VALUE      (any information element by name)
 *   duration in ms; bytes, packets are the record's own counters (WEIR_OCTETS, WEIR_PACKETS).
 * A comparison with an element that a record lacks is false (so `not` of it is true).
 *
 * Threads: parsing, one; a parsed filter is read-only and may be evaluated by any number of threads. */
#ifndef WEIR_FLOW_FILTER_H
#define WEIR_FLOW_FILTER_H

#include "base/arena.h"
#include "base/status.h"
#include "flow/vector.h"

struct filter;

/* Turns a tag's name into its number; false when there is none. */
typedef bool (*filter_tag_resolver)(void *context, const char *name, uint32_t *tag);

/* WEIR_ESYNTAX: field "filter", and the message says at which column, what was found and what was
 * expected there. WEIR_ELIMIT: longer than 64 KiB, nested deeper than 256, or more than 65,536 list
 * items. `resolve` may be NULL (tags by number only). `text` is not kept. */
enum weir_status filter_parse(const char *text, filter_tag_resolver resolve, void *context,
                              struct filter **out, struct weir_error *error);
void filter_free(struct filter *f);
bool filter_is_all(const struct filter *f); /* matches every record without looking */

/* The elements it looks at; the caller provides them (those a block has) in the frame. */
const ie_key *filter_keys(const struct filter *f, size_t *count);

/* Sets bit r of `selected` (frame->rows rounded up to 64, in words; bits past rows are zero) for each
 * row that matches and returns how many do. Scratch memory comes from `a` and is left to the caller's
 * arena_reset(). UINT32_MAX: memory ended. */
uint32_t filter_select(const struct filter *f, const struct frame *frame, struct arena *a,
                       uint64_t *selected);

/* What is known about a column without decoding it. min and max as in the column's storage: u64 for
 * width 1–8, network order octets for 16; nothing for octets. */
struct column_bounds {
    ie_key key;
    uint8_t width;
    bool any;         /* false: no row has the element */
    bool all_present; /* every row has it */
    uint64_t least, most;
    uint8_t least_octets[16], most_octets[16];
};
typedef bool (*filter_bounds)(void *context, ie_key key, struct column_bounds *out);
enum filter_verdict { FILTER_NONE, FILTER_SOME, FILTER_ALL };
/* FILTER_NONE: certainly no row matches, skip the block. FILTER_ALL: certainly all do. */
enum filter_verdict filter_judge(const struct filter *f, filter_bounds bounds, void *context);

#endif
