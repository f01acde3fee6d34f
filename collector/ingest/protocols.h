/* protocols.h - the export protocols as rows of a table: how each is recognised, how its header is
 * read, and who decodes what follows. Neighbours: ingest.c asks for each datagram.
 *
 * Threads: constant; any thread. */
#ifndef WEIR_COLLECTOR_PROTOCOLS_H
#define WEIR_COLLECTOR_PROTOCOLS_H

#include "ingest/ingest_private.h"

#define NETFLOW9 9 /* numbers as in the account */
#define SFLOW5 105

/* A datagram whose header was read. */
struct opened {
    struct session_key key;
    struct message message;
    uint32_t sequence;
    uint16_t count; /* NetFlow v1, v5, v7: records the exporter says it sent */
    enum netflow_fixed format; /* of these */
    struct sflow_header sflow;
    int64_t header_ms; /* 0: it has no time */
    bool untimed;      /* as struct datagram */
    struct cursor content;
};

struct protocol {
    uint16_t version;
    uint16_t header;
    enum weir_status (*open)(struct opened *o);
    void (*decode)(struct ingest *in, const struct opened *o, struct message_sum *sum);
    uint16_t
        record; /* where too much begins with such a number by chance: the count must fit too */
};
/* By the first octets; NULL: none of them. */
const struct protocol *protocol_recognise(const uint8_t *bytes, size_t length);

#endif
