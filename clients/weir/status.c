/* status.c - `weir status`: the state of the DB component and of the collector,
 * whichever answers. */
#include "dbStub.h"
#include "weir/shapes_db.h"
#include "weir/status.h"

extern struct Namespace db_namespaces[];

enum outcome status_db(struct request *r, struct report *report, struct buffer *json)
{
    struct session s;
    if (!session_open(&s, r, "/db", db_namespaces))
        return OUTCOME_FAILED;
    struct _db__GetStatus question = {}; /* no members */
    struct _db__GetStatusResponse answer = {0};
    enum outcome outcome = OUTCOME_DONE;
    if (soap_call___db__GetStatus(s.soap, s.url, NULL, &question, &answer)) {
        outcome = session_fail(&s, r->error);
    } else {
        report_note(report, "server", "%.200s", s.url);
        shape_notes(report, &shape_service, answer.service);
        report_note(report, "", "%s", "");
        report_note(report, "store", "%s", "");
        shape_notes(report, &shape_store, answer.store);
        buffer_print(json, "{\"service\":");
        shape_json(json, &shape_service, answer.service);
        buffer_print(json, ",\"store\":");
        shape_json(json, &shape_store, answer.store);
        buffer_put_u8(json, '}');
    }
    session_close(&s);
    return outcome;
}

struct halves {
    struct buffer db, collector; /* empty: did not answer */
};

static void status_json(struct buffer *out, const void *context)
{
    const struct halves *h = context;
    buffer_print(out, "{");
    if (h->db.length) {
        buffer_print(out, "\"db\":");
        buffer_put(out, h->db.bytes, h->db.length);
    }
    if (h->collector.length) {
        buffer_print(out, "%s\"collector\":", h->db.length ? ",\n" : "");
        buffer_put(out, h->collector.bytes, h->collector.length);
    }
    buffer_put_u8(out, '}');
}

/* CSV has rows of name and value; tables have the notes. */
static void notes_to_sheet(struct report *report)
{
    sheet_column(&report->sheet, "name", 0);
    sheet_column(&report->sheet, "value", 0);
    for (size_t i = 0; i < report->note_count; i++) {
        if (!*report->notes[i].text)
            continue;
        sheet_text(&report->sheet, report->notes[i].name);
        sheet_text(&report->sheet, report->notes[i].text);
    }
}

enum outcome word_status(struct request *r)
{
    struct report report;
    struct halves halves = {{0}, {0}};
    report_open(&report);
    enum outcome db = status_db(r, &report, &halves.db);
    struct weir_error first = *r->error;
    enum outcome collector = status_collector(r, &report, &halves.collector);
    enum outcome outcome = OUTCOME_DONE;
    if (db != OUTCOME_DONE && collector != OUTCOME_DONE) {
        *r->error = first;
        outcome = db;
    } else {
        if (db != OUTCOME_DONE)
            report_alert(&report, "store", "no answer: %.400s", first.message);
        if (collector != OUTCOME_DONE)
            report_alert(&report, "collector", "no answer: %.400s", r->error->message);
        if (r->output->write == output_csv)
            notes_to_sheet(&report);
        report.json = status_json;
        report.json_context = &halves;
        outcome = request_answer(r, &report);
    }
    buffer_free(&halves.db);
    buffer_free(&halves.collector);
    report_close(&report);
    return outcome;
}
