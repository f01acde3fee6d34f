/* record_sink.h - where readers of files that hold no datagrams put their records (flowtools.h,
 * nfcapd.h). A result other than WEIR_OK ends reading and is returned. The octets stay the
 * reader's. */
#ifndef WEIR_COLLECTOR_RECORD_SINK_H
#define WEIR_COLLECTOR_RECORD_SINK_H

#include "ingest/ingest.h"

struct record_sink {
    enum weir_status (*records)(void *context, const struct ingest_origin *from,
                                struct ingest_layout *layout, const uint8_t *bytes, size_t length);
    enum weir_status (*values)(void *context, const struct ingest_origin *from,
                               const struct wire_values *values);
    void (*progress)(void *context, uint64_t octets); /* of the file; may be NULL */
    void *context;
};

#endif
