/* shapes_db.c - tables of fields of the account and the state, as schemas/xsd/weir-types.xsd has
 * them (a test compares). */
#include "dbStub.h"
#include "flow/account.h"
#include "weir/shapes_db.h"

static const char *const loss_states[] = {"complete", "lossy", "unknown"};

static const struct shape_field counts_fields[] = {
    FIELD(wt__Counts, octets, SHAPE_U64),
    FIELD(wt__Counts, packets, SHAPE_U64),
    FIELD(wt__Counts, flows, SHAPE_U64),
};
const struct shape shape_counts = SHAPE(wt__Counts, counts_fields);

static const struct shape_field counters_fields[] = {
#define COUNTER_FIELD(name, text, help) FIELD(wt__Counters, text, SHAPE_U64),
    ACCOUNT_COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
};
const struct shape shape_counters = SHAPE(wt__Counters, counters_fields);

static const struct shape_field coverage_fields[] = {
    FIELD(wt__Coverage, exporter, SHAPE_TEXT),
    FIELD(wt__Coverage, domain, SHAPE_U32),
    FIELD(wt__Coverage, protocol, SHAPE_U16),
    FIELD(wt__Coverage, firstHeard, SHAPE_TIME),
    FIELD(wt__Coverage, lastHeard, SHAPE_TIME),
    FIELD(wt__Coverage, minutes, SHAPE_U64),
    FIELD(wt__Coverage, records, SHAPE_U64),
    FIELD(wt__Coverage, missing, SHAPE_U64),
    FIELD(wt__Coverage, unit, SHAPE_TEXT),
    FIELD_NAME(wt__Coverage, loss, loss_states),
    FIELD_STRUCT(wt__Coverage, counters, shape_counters),
};
const struct shape shape_coverage = SHAPE(wt__Coverage, coverage_fields);

static const struct shape_field loss_fields[] = {
    FIELD_NAME(wt__Loss, state, loss_states),
    FIELD(wt__Loss, missingRecords, SHAPE_U64),
    FIELD(wt__Loss, missingDatagrams, SHAPE_U64),
    FIELD_OPTIONAL(wt__Loss, missingRecordsPercent, SHAPE_DOUBLE),
    FIELD_OPTIONAL(wt__Loss, knownUntil, SHAPE_TIME),
};
const struct shape shape_loss = SHAPE(wt__Loss, loss_fields);

static const struct shape_field sampling_fields[] = {
    FIELD_STRUCT(wt__Sampling, raw, shape_counts),
    FIELD_STRUCT(wt__Sampling, estimated, shape_counts),
    FIELD_STRUCT(wt__Sampling, unknownRate, shape_counts),
};
const struct shape shape_sampling = SHAPE(wt__Sampling, sampling_fields);

static const struct shape_field account_fields[] = {
    FIELD(wt__Account, from, SHAPE_TIME),
    FIELD(wt__Account, to, SHAPE_TIME),
    FIELD_STRUCT(wt__Account, loss, shape_loss),
    FIELD_STRUCT(wt__Account, sampling, shape_sampling),
    FIELD(wt__Account, policy, SHAPE_TEXT),
    FIELD(wt__Account, source, SHAPE_TEXT),
    FIELD(wt__Account, blocks, SHAPE_U64),
    FIELD(wt__Account, blocksSkipped, SHAPE_U64),
    FIELD(wt__Account, rowsScanned, SHAPE_U64),
    FIELD_STRUCT(wt__Account, received, shape_counters),
    FIELD(wt__Account, exporters, SHAPE_U64),
    FIELD_LIST(wt__Account, coverage, SHAPE_LIST, &shape_coverage),
};
const struct shape shape_account = SHAPE(wt__Account, account_fields);

static const struct shape_field service_fields[] = {
    FIELD(wt__ServiceStatus, version, SHAPE_TEXT), FIELD(wt__ServiceStatus, now, SHAPE_TIME),
    FIELD(wt__ServiceStatus, started, SHAPE_TIME), FIELD(wt__ServiceStatus, connections, SHAPE_U64),
    FIELD(wt__ServiceStatus, requests, SHAPE_U64), FIELD(wt__ServiceStatus, faults, SHAPE_U64),
};
const struct shape shape_service = SHAPE(wt__ServiceStatus, service_fields);

static const struct shape_field store_fields[] = {
    FIELD(wt__StoreStatus, schemaVersion, SHAPE_U32),
    FIELD(wt__StoreStatus, blocks, SHAPE_U64),
    FIELD(wt__StoreStatus, records, SHAPE_U64),
    FIELD(wt__StoreStatus, optionRecords, SHAPE_U64),
    FIELD(wt__StoreStatus, fileOctets, SHAPE_U64),
    FIELD(wt__StoreStatus, blockOctets, SHAPE_U64),
    FIELD(wt__StoreStatus, rollupRows, SHAPE_U64),
    FIELD(wt__StoreStatus, collectors, SHAPE_U64),
    FIELD_OPTIONAL(wt__StoreStatus, first, SHAPE_TIME),
    FIELD_OPTIONAL(wt__StoreStatus, last, SHAPE_TIME),
};
const struct shape shape_store = SHAPE(wt__StoreStatus, store_fields);
