/* selection.h - what administrators say about records before they are stored: flow types, where
 * they were metered, how their addresses are anonymised. The words of the catalogue (store.h), of
 * its snapshot (source.h) and of the services, with their names and checks; the collector carries
 * them out (collector/select).
 *
 * Everything a struct points to belongs to whoever gave it. Pure functions; any thread. */
#ifndef WEIR_FLOW_SELECTION_H
#define WEIR_FLOW_SELECTION_H

#include "base/address.h"
#include "base/status.h"
#include "ie/ie.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- observation points ---- */

/* WEIR_OBSERVATION_ROLE. A flow that crosses a network is metered at its edge-in point once, at
 * core points any number of times, at its edge-out point once: whoever counts only edge-in counts
 * each flow once. */
enum observation_role {
    ROLE_UNKNOWN = 0, /* nobody described the point */
    ROLE_EDGE_IN = 1,
    ROLE_EDGE_OUT = 2,
    ROLE_CORE = 3,
    ROLE_COUNT
};

struct observation_domain {
    struct address device;
    uint32_t domain;
    const char *name, *description; /* "" or text */
};

/* An interface of a domain: where records were metered whose ingressInterface (egressInterface when
 * their flowDirection is 1, egress) it is. */
struct observation_point {
    struct address device;
    uint32_t domain;
    uint32_t interface;
    enum observation_role role; /* not ROLE_UNKNOWN */
    const char *name;
};

/* ---- anonymisation ---- */

enum anonymise_method {
    ANONYMISE_NONE = 0,   /* no policy */
    ANONYMISE_CRYPTO_PAN, /* prefix-preserving pseudonyms (Xu, Fan, Ammar, Moon; ICNP 2002) */
    ANONYMISE_TRUNCATE,   /* addresses keep their first bits, the rest is zero */
    ANONYMISE_REMOVE,     /* only takes away: what `fields` names, and what that is also in */
    ANONYMISE_EXEMPT,     /* "none": an exception from a wider policy, records stay as they came */
    ANONYMISE_COUNT
};

/* Crypto-PAn and truncation change every element that is an address (source, destination, next
 * hops, post-NAT, prefixes, tunnels…, IPv4 and IPv6, IANA's and vendors') but the exporter's own;
 * what may hold addresses and can not be changed (packet sections, structured data) is removed. The
 * unspecified address (all zero) stays. Removal takes structured data along, too, and packet
 * sections when a packet may have what `fields` names. */
struct anonymisation {
    enum anonymise_method method;
    uint8_t ipv4_length, ipv6_length; /* TRUNCATE: bits kept, 0-32 and 0-128 */
    bool macs;          /* MAC addresses likewise: pseudonyms, or their first 24 bits */
    const char *fields; /* elements to remove, names with commas; "": none */
    const char *key;    /* CRYPTO_PAN: the name of the key; "" is "default" */
};

#define ANONYMISE_KEY_DEFAULT   "default"
#define ANONYMISE_FIELDS_MOST   32u
#define ANONYMISATION_TEXT_SIZE 128

/* What a policy is for; of those that fit a record the narrowest is carried out, and no other.
 *
 * Exporters choose the number of a domain themselves, and an exporter that takes another one must
 * not get out of its policy by that. So POLICY_DEVICE and POLICY_ALL hold for domains and exporters
 * that nobody described, too. And where only domains have policies, but not their device: a domain
 * that nobody described, of a device that has such a policy, is anonymised as its other domains are
 * when these agree, and otherwise so that it gives away no more than any of them. A domain that was
 * described and has no policy, own or wider, is stored as it comes: that was decided by someone.
 *
 * ANONYMISE_EXEMPT is a policy like the others: of a domain it takes that out of the device's and
 * of everyone's, of a device out of everyone's. It hides nothing, so beside others of a device it
 * adds nothing to what its undescribed domains come to. A flow type that anonymises reaches such
 * records, as it reaches those that no policy is for. */
enum policy_scope {
    POLICY_DOMAIN = 0, /* one domain of a device */
    POLICY_DEVICE,     /* every domain of a device; `domain` is 0 */
    POLICY_ALL,        /* every domain of every exporter; `device` is all zero, too */
    POLICY_SCOPE_COUNT
};

struct domain_policy {
    struct address device;
    uint32_t domain;
    struct anonymisation anonymisation;
    enum policy_scope scope;
};

/* Does it say what it is for, and nothing else? WEIR_EARGUMENT, field "device" or "domain"; or
 * "method" when it is an exception and there is nothing wider. */
enum weir_status policy_scope_check(const struct domain_policy *p, struct weir_error *error);
/* WEIR_EARGUMENT names the field: method, ipv4Length, ipv6Length, fields, macs, key; also when its
 * text would be longer than ANONYMISATION_TEXT_SIZE. */
enum weir_status anonymisation_check(const struct anonymisation *a, struct weir_error *error);
/* How records and answers call it: "crypto-pan", "truncate/24,48", "remove(applicationName)",
 * "crypto-pan+mac+remove(…)"; "none". Never a key's name. Returns `out`. */
char *anonymisation_print(const struct anonymisation *a, char out[ANONYMISATION_TEXT_SIZE]);

/* ---- flow types ---- */

enum flow_action {
    ACTION_KEEP = 0,
    ACTION_DROP,
    ACTION_AGGREGATE, /* records that agree on `keys` within a batch become one */
    ACTION_ANONYMISE, /* by the type's own method; without one by the domain's, else crypto-pan */
    ACTION_COUNT
};

#define FLOW_TYPES_MOST     256u
#define FLOW_TYPE_KEYS_MOST 32u

/* A named rule. Rules are tried by priority, the least first; the first whose filter matches
 * decides; what none matches is kept. The domain's policy applies whatever a rule says, unless the
 * rule anonymises by a method of its own.
 *
 * Records of options are about flows, or interfaces, or the exporter; they are never dropped or
 * aggregated, but they hold addresses. A rule that anonymises reaches them wherever it may reach
 * flows of their exporter and domain: unless its filter rules these out ("exporter ip 192.0.2.1 and
 * …"), or a rule before it keeps all of them. Where they have the policy of a domain, and the
 * filter asks for more than exporter and domain, that policy is enough. */
struct flow_type {
    const char *name;
    uint32_t priority;
    const char *filter; /* flow/filter.h; "": all */
    enum flow_action action;
    const char *keys;                   /* AGGREGATE: element names with commas; else "" */
    struct anonymisation anonymisation; /* ANONYMISE; method NONE: has none of its own */
};

/* All but whether the filter's tags exist. WEIR_EARGUMENT, WEIR_ESYNTAX name the field: name,
 * filter, action, keys, or one of anonymisation_check(). */
enum weir_status flow_type_check(const struct flow_type *t, struct weir_error *error);

/* Elements by name, with commas between: at most `most` keys into *keys. "srcTag,dstTag" are names
 * too. WEIR_EARGUMENT names `field` and the word that no element has. */
enum weir_status elements_parse(const char *text, const char *field, ie_key *keys, size_t most,
                                size_t *count, struct weir_error *error);

/* ---- names of the above ---- */
const char *observation_role_name(enum observation_role r); /* "edge-in"…; "" for unknown */
const char *anonymise_method_name(enum anonymise_method m); /* "" of NONE */
const char *flow_action_name(enum flow_action a);           /* "keep"… */
/* False: no such name. */
bool observation_role_parse(const char *name, enum observation_role *out);
bool anonymise_method_parse(const char *name, enum anonymise_method *out);
bool flow_action_parse(const char *name, enum flow_action *out);

/* 1 to 63 of A-Z a-z 0-9 . _ - and not beginning with a dot: of flow types, keys, tags. */
bool selection_name_valid(const char *name);

#endif
