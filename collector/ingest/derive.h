/* derive.h - fills what Weir adds to records: exporter, times, counters, sampling (plan.h says
 * how). Neighbours: ingest.c calls it for rows that wire_decode() has just filled.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_DERIVE_H
#define WEIR_COLLECTOR_DERIVE_H

#include "base/wide.h"
#include "ingest/clock.h"
#include "ingest/sessions.h"

/* One message while it is decoded, and what parked sets keep of theirs. */
struct message {
    struct session *session;
    int64_t export_ms;   /* or reception, when the header has no time, or one not believed */
    int64_t stated_ms;   /* what the header says, believed or not; else reception */
    int64_t received_ms;
    struct clock_bounds bounds; /* of the times that are believed */
    uint32_t sys_up_time_ms;
    bool has_up_time;
    bool time_from_reception; /* the header has no time */
    bool clock_is_off;        /* it has one that is not believed */
    bool has_template; /* the records of this protocol have one, with a number */
    uint8_t version;
    double header_rate;  /* NetFlow v5; 0 unknown */
    double configured_rate;
};

/* The columns of one batch that Weir fills. */
enum derived {
    D_EXPORTER, D_DOMAIN, D_EXPORT_TIME, D_VERSION, D_PORT, D_START, D_END, D_TIME_ORIGIN,
    D_OPTIONS_COUNT, /* options records have the ones above, flow records all but the optional */
    D_OCTETS = D_OPTIONS_COUNT, D_PACKETS, D_RATE, D_RATE_ORIGIN, D_SRC_TAG, D_DST_TAG,
    D_FLOW_COUNT,
    D_SYS_UP_TIME = D_FLOW_COUNT, D_TEMPLATE, /* made when a record has them */
    D_COUNT
};
struct derived_columns {
    uint64_t generation; /* of the batch they belong to */
    uint16_t index[D_COUNT];
    bool bound[D_COUNT];
};

struct derived_sums {
    wide_sum octets, packets;
};

/* Binds the columns to a batch. On a new batch always WEIR_OK or WEIR_ENOMEM. */
enum weir_status derive_bind(struct derived_columns *columns, struct batch *b,
                             const struct message *m);
/* Fills rows [first, first + rows), whose template fields are filled. Bound columns only. */
void derive_rows(const struct derived_columns *columns, struct batch *b, const struct message *m,
                 const struct known_template *known, uint32_t first, uint32_t rows,
                 struct derived_sums *sums);

#endif
