/* status_collector.c - the collector's half of `weir status`. */
#include "colStub.h"
#include "weir/shape.h"
#include "weir/status.h"

extern struct Namespace col_namespaces[];

static const struct shape_field service_fields[] = {
    FIELD(wt__ServiceStatus, version, SHAPE_TEXT), FIELD(wt__ServiceStatus, now, SHAPE_TIME),
    FIELD(wt__ServiceStatus, started, SHAPE_TIME), FIELD(wt__ServiceStatus, connections, SHAPE_U64),
    FIELD(wt__ServiceStatus, requests, SHAPE_U64), FIELD(wt__ServiceStatus, faults, SHAPE_U64),
};
static const struct shape shape_service = SHAPE(wt__ServiceStatus, service_fields);

static const struct shape_field collector_fields[] = {
    FIELD(wt__CollectorStatus, running, SHAPE_FLAG),
    FIELD(wt__CollectorStatus, suspended, SHAPE_FLAG),
    FIELD(wt__CollectorStatus, started, SHAPE_TIME),
    FIELD(wt__CollectorStatus, exporters, SHAPE_U64),
    FIELD(wt__CollectorStatus, sessions, SHAPE_U64),
    FIELD(wt__CollectorStatus, templates, SHAPE_U64),
    FIELD(wt__CollectorStatus, datagrams, SHAPE_U64),
    FIELD(wt__CollectorStatus, records, SHAPE_U64),
    FIELD(wt__CollectorStatus, optionRecords, SHAPE_U64),
    FIELD(wt__CollectorStatus, blocks, SHAPE_U64),
    FIELD(wt__CollectorStatus, blockOctets, SHAPE_U64),
    FIELD(wt__CollectorStatus, queuedBlocks, SHAPE_U64),
    FIELD(wt__CollectorStatus, spooledBlocks, SHAPE_U64),
    FIELD(wt__CollectorStatus, spooledOctets, SHAPE_U64),
    FIELD(wt__CollectorStatus, kernelDrops, SHAPE_U64),
    FIELD_OPTIONAL(wt__CollectorStatus, lastDatagram, SHAPE_TIME),
    FIELD(wt__CollectorStatus, lastError, SHAPE_TEXT),
    FIELD(wt__CollectorStatus, catalogueError, SHAPE_TEXT),
};
static const struct shape shape_collector = SHAPE(wt__CollectorStatus, collector_fields);

enum outcome status_collector(struct request *r, struct report *report, struct buffer *json)
{
    struct session s;
    if (!session_open(&s, r, "/collector", col_namespaces))
        return OUTCOME_FAILED;
    struct _col__GetStatus question = {}; /* no members */
    struct _col__GetStatusResponse answer = {0};
    enum outcome outcome = OUTCOME_DONE;
    if (soap_call___col__GetStatus(s.soap, s.url, NULL, &question, &answer)) {
        outcome = session_fail(&s, r->error);
    } else {
        report_note(report, "", "%s", "");
        report_note(report, "collector", "%s", "");
        shape_notes(report, &shape_collector, answer.collector);
        buffer_print(json, "{\"service\":");
        shape_json(json, &shape_service, answer.service);
        buffer_print(json, ",\"collector\":");
        shape_json(json, &shape_collector, answer.collector);
        buffer_put_u8(json, '}');
    }
    session_close(&s);
    return outcome;
}
