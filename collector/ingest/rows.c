/* rows.c - records that are sets of values, one at a time, into the batch (ingest_private.h).
 * Neighbours: sflow.c and nfcapd.c make such records, lib/wire's values.c moves them, derive.c adds
 * what is Weir's. */
#include "ingest/ingest_private.h"

/* What is derived from values: in the order of the template's fields. */
static const enum wire_value sources[] = {V_OCTETS, V_PACKETS, V_SAMPLING_INTERVAL, V_FLOW_START,
                                          V_FLOW_END};
#define SOURCES (sizeof sources / sizeof *sources)

enum weir_status rows_make(struct ingest *in)
{
    struct wire_spec specs[SOURCES];
    for (size_t i = 0; i < SOURCES; i++) {
        ie_key key = wire_value_key(sources[i]);
        specs[i] = (struct wire_spec){key, ie_storage_width(key)};
    }
    return wire_template_new(0, RECORD_FLOW, 0, specs, SOURCES, &in->valued.wire);
}

/* The plan for this batch: the template's fields are where the values were put. Those that no row
 * has have no column, and are not in the plan. */
static const struct known_template *plan_for(struct ingest *in)
{
    struct known_template *known = &in->valued;
    const struct wire_columns *columns = &in->valued_columns;
    for (size_t i = 0; i < SOURCES; i++)
        known->wire->fields[i].column = wire_column_of(columns, sources[i]);
    record_plan_make(&known->plan, known->wire);
    if (!wire_is_bound(columns, V_OCTETS))
        known->plan.octets = -1;
    if (!wire_is_bound(columns, V_PACKETS))
        known->plan.packets = -1;
    if (!wire_is_bound(columns, V_FLOW_START))
        known->plan.start_count = 0;
    if (!wire_is_bound(columns, V_FLOW_END))
        known->plan.end_count = 0;
    if (!wire_is_bound(columns, V_SAMPLING_INTERVAL))
        known->plan.sampling.says_rate = false;
    return known;
}

void rows_finish(struct ingest *in, const struct message *m, struct pending_rows *rows)
{
    struct derived_sums sums = {0, 0};
    if (!rows->count)
        return;
    derive_rows(&in->columns[RECORD_FLOW], in->batches[RECORD_FLOW], m, plan_for(in), rows->first,
                rows->count, &sums);
    in->stats.octets += sums.octets;
    in->stats.packets += sums.packets;
    sets_count_rows(in, m, RECORD_FLOW, rows->count);
    rows->count = 0;
}

static enum weir_status append(struct ingest *in, const struct message *m,
                               const struct wire_values *v, uint32_t *row)
{
    struct batch *b = in->batches[RECORD_FLOW];
    if (!b)
        return WEIR_EBUSY;
    enum weir_status status = derive_bind(&in->columns[RECORD_FLOW], b, m);
    if (status == WEIR_ELIMIT && batch_rows(b))
        return WEIR_EBUSY;
    return status == WEIR_OK ? wire_values_append(v, &in->valued_columns, b, row) : status;
}

bool rows_add(struct ingest *in, const struct message *m, const struct wire_values *v,
              struct pending_rows *rows)
{
    uint32_t row = 0;
    enum weir_status status = append(in, m, v, &row);
    if (status == WEIR_EBUSY) {
        rows_finish(in, m, rows);
        status = handover_batch(in, RECORD_FLOW) ? append(in, m, v, &row) : WEIR_ENOMEM;
    }
    if (status == WEIR_ENOMEM)
        in->trouble = WEIR_ENOMEM;
    if (status != WEIR_OK) {
        ingest_counts(in, m)->dropped_records++;
        return false;
    }
    if (!rows->count)
        rows->first = row;
    rows->count++;
    return true;
}
