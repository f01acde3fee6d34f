/* filter.h - filter expressions in nfdump's language, parsed once, evaluated on columns.
 *
 *   src net 10.1.0.0/16 and dst port 443 and proto tcp
 *   (host 192.0.2.1 or host 2001:db8::1) and not packets < 10
 *   src tag PoP-BA and octetDeltaCount > 1M and flags S and not flags AF
 *
 * Grammar (keywords in any case; and/&&, or/||, not/!, parentheses; "not" binds tightest, then
 * "and"; "any" or an empty text is all; # starts a comment):
 *   [src|dst|next] ip|host A           A: ADDRESS or ADDRESS/LEN    [src|dst] net A/LEN | A NETMASK
 *   [src|dst] port N     proto NAME|N  inet|ipv4|inet6|ipv6         [src|dst|prev|next] as N
 *   [in|out] if N        [src|dst] mask N  [src|dst] vlan N         [src|dst] tos N
 *   [in|out] [src|dst] mac ADDR        bgpnext ip A                 exporter|router [ip] A
 *   domain N | observation domain id N observation point id N       ingress|egress vrf N
 *   [in|out] packets|bytes|octets N    flows N                      duration|pps|bps|bpp N
 *   flags ASRPFUX | N    icmp-type N   icmp-code N                  engine-type N   engine-id N
 *   mpls labelI|expI|eos|any N         flowdir ingress|egress       fwdstat N
 *   [src|dst] tag NAME|N               has ELEMENT                  ELEMENT V
 * Before a value (N, A, V, …) may stand  = == != <> < <= > >=  or  eq ne lt le gt ge; nothing is
 * "=". "in [ V V, … ]" is any of a list. "src or dst" is either, as no direction is; "src and dst"
 * both. ELEMENT is any information element: octetDeltaCount, srcIP, e29305.1, ie400, name#2. Its V
 * follows its type: number, address or network, MAC address, time (RFC 3339, now-15m, epoch),
 * true/false, text (in quotes unless it is a plain word), octets as 0x and hex digits. Texts also
 * have "contains".
 *
 * A number that a field can not have ("port 70000", "proto 294") is refused with what it can have,
 * as nfdump does. An ELEMENT by its name is compared with any number, and any time: what is above
 * or below all that it can be is greater or less, and equals none ("protocolIdentifier < 294" is
 * every record that has one).
 *
 * What is nfdump's (1.7) stays nfdump's: k m g t are 1000, 1000², …; "flags" with letters is "all
 * set", "not flags" with letters "none set", with a number "exactly these"; flags imply TCP,
 * icmp-type and icmp-code imply ICMP or ICMPv6; duration is in milliseconds, and what has none has
 * pps and bps 0; host bits of a network do not matter. Not nfdump's: "!=" (nothing of the term is
 * equal, but something is there), comparisons and lists everywhere, tags, elements by name. Absent:
 * geo, payload, ident, count and the NSEL terms, though NSEL's elements are here, by name.
 * packets and bytes are the record's own counters (WEIR_PACKETS, WEIR_OCTETS). An absent tag is
 * tag 0. A comparison with an element that a record lacks is false (so `not` of it is true).
 *
 * Threads: parsing, one; a parsed filter is read-only, and any number may evaluate it. */
#ifndef WEIR_FLOW_FILTER_H
#define WEIR_FLOW_FILTER_H

#include "base/arena.h"
#include "base/status.h"
#include "flow/vector.h"

struct filter;

/* Turns a tag's name into its number; false when there is none. */
typedef bool (*filter_tag_resolver)(void *context, const char *name, uint32_t *tag);

/* WEIR_ESYNTAX: field "filter", and the message says at which column, what was found and what was
 * expected there. WEIR_ELIMIT: longer than 64 KiB (so a list has at most 32,768 items) or nested
 * deeper than 256. `resolve` may be NULL (tags by number only). `text` is not kept. */
enum weir_status filter_parse(const char *text, filter_tag_resolver resolve, void *context,
                              struct filter **out, struct weir_error *error);
void filter_free(struct filter *f);
bool filter_is_all(const struct filter *f); /* matches every record without looking */

/* What filters call a protocol (tcp, for 6), in IANA's keywords; NULL when it has no name. */
const char *filter_protocol_name(uint8_t number);

/* The elements it looks at; the caller provides them (those a block has) in the frame. */
const ie_key *filter_keys(const struct filter *f, size_t *count);

/* Is all that it asks of `key`, a number, whether it is there and whether it lies in a few ranges?
 * Then an ENCODED vector will do. */
bool filter_only_ranges(const struct filter *f, ie_key key);

/* Sets bit r of `selected` (frame->rows rounded up to 64, in words; bits past rows are zero) for
 * each row that matches and returns how many do. Scratch memory comes from `a` and is left to the
 * caller's arena_reset(). UINT32_MAX: memory ended. */
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
