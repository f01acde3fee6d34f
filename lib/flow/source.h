/* source.h - where a collector's knowledge comes from: the catalogue that administrators keep.
 *
 * The collector room has no database. A main program hands it snapshots: plain arrays, owned by the
 * giver, copied by the taker. Handing over a new snapshot takes effect between two batches, without
 * a restart and without losing a datagram. */
#ifndef WEIR_FLOW_SOURCE_H
#define WEIR_FLOW_SOURCE_H

#include "base/address.h"
#include "flow/account.h"
#include "flow/prefix.h"

/* A metering device that the administrator described (AddMDev). */
struct device {
    struct address address;
    double sampling_rate; /* one packet in this many; 0: not configured */
};

struct catalogue_snapshot {
    const struct prefix_rule *prefixes;
    size_t prefix_count;
    const struct as_rule *ases;
    size_t as_count;
    const struct device *devices;
    size_t device_count;
};

#endif
