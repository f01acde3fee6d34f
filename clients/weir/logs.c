/* logs.c - `weir logs`: the last lines of the server's log. */
#include "colStub.h"
#include "base/time.h"
#include "weir/listing.h"

static const char *const levels[] = {"error", "warning", "info", "debug"};
static const struct shape_field line_fields[] = {
    FIELD(wt__LogLine, time, SHAPE_TIME),
    FIELD_NAME(wt__LogLine, level, levels),
    FIELD(wt__LogLine, room, SHAPE_TEXT),
    FIELD(wt__LogLine, text, SHAPE_TEXT),
};
static const struct shape shape_line = SHAPE(wt__LogLine, line_fields);

static void put_line(struct sheet *sheet, const struct wt__LogLine *line)
{
    char time[TIME_TEXT_SIZE];
    time_print(line->time, time);
    sheet_text(sheet, time);
    sheet_text(sheet, (size_t)line->level < sizeof levels / sizeof *levels ? levels[line->level]
                                                                           : "unknown");
    sheet_text(sheet, line->room);
    sheet_text(sheet, line->text);
}

static enum outcome show(struct request *r, const struct _col__GetLogResponse *answer)
{
    static const char *const columns[] = {"time", "level", "room", "text"};
    struct report report;
    listing_report(&report, columns, 4);
    for (int i = 0; i < answer->__sizeline; i++) {
        sheet_row_flags(&report.sheet,
                        answer->line[i].level == wt__LogLevel__error ? SHEET_ALERT : 0);
        put_line(&report.sheet, &answer->line[i]);
    }
    if (answer->forgotten)
        report_note(&report, "older", "%llu lines are kept no more; weird's stderr had them",
                    (unsigned long long)answer->forgotten);
    const struct listing l = {"lines", &shape_line, answer->line, answer->__sizeline};
    return listing_answer(r, &report, &l);
}

enum outcome word_logs(struct request *r)
{
    struct session s;
    size_t chosen = 0;
    const struct settings *o = r->settings;
    if (o->level &&
        !request_choice(r, "level", o->level, levels, sizeof levels / sizeof *levels, &chosen))
        return OUTCOME_USAGE;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    LONG64 from = o->from_ms;
    enum wt__LogLevel level = (enum wt__LogLevel)chosen;
    unsigned limit = (unsigned)o->limit;
    struct _col__GetLog question = {
        .from = &from, .level = o->level ? &level : NULL, .limit = limit ? &limit : NULL};
    struct _col__GetLogResponse answer = {0};
    enum outcome outcome = soap_call___col__GetLog(s.soap, s.url, NULL, &question, &answer)
                               ? session_fail(&s, r->error)
                               : show(r, &answer);
    session_close(&s);
    return outcome;
}
