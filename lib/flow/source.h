/* source.h - where a collector's knowledge comes from: the catalogue that administrators keep.
 *
 * The collector room has no database. A main program hands it snapshots: plain arrays, owned by the
 * giver, copied by the taker. Handing over a new snapshot takes effect between two batches, without
 * a restart and without losing a datagram. Plain data: any thread may read it while its giver
 * leaves it alone. */
#ifndef WEIR_FLOW_SOURCE_H
#define WEIR_FLOW_SOURCE_H

#include "base/address.h"
#include "flow/account.h"
#include "flow/prefix.h"
#include "flow/selection.h"

/* A metering device that the administrator described (AddMDev). */
struct device {
    struct address address;
    double sampling_rate; /* one packet in this many; 0: not configured */
};

/* What a filter's "src tag NAME" means. A name that is not here (any more) is of no flow. */
struct named_tag {
    const char *name;
    uint32_t tag;
};

struct catalogue_snapshot {
    const struct prefix_rule *prefixes;
    size_t prefix_count;
    const struct as_rule *ases;
    size_t as_count;
    const struct device *devices;
    size_t device_count;
    const struct named_tag *names;
    size_t name_count;
    const struct flow_type *flow_types; /* by priority, the least first */
    size_t flow_type_count;
    const struct observation_point *points;
    size_t point_count;
    const struct domain_policy *policies;
    size_t policy_count;
    const struct observation_domain *domains; /* that were described */
    size_t domain_count;
    /* Where keys of anonymisation are (collector/include/collector.h, collector_key_make()); not of
     * the catalogue: the main program sets it. NULL: there are none, so crypto-pan is an error. */
    const char *key_folder;
};

#endif
