/* log_service.c - GetLog of the collector: the last lines of the log. Neighbour: weird_main.c,
 * whose sink fills the ring. */
#include "base/log_ring.h"
#include "colStub.h"
#include "collector_service.h"
#include "fault.h"
#include "services_private.h"

_Static_assert((int)wt__LogLevel__error == (int)LOG_LEVEL_ERROR &&
                   (int)wt__LogLevel__warning == (int)LOG_LEVEL_WARNING &&
                   (int)wt__LogLevel__info == (int)LOG_LEVEL_INFO &&
                   (int)wt__LogLevel__debug == (int)LOG_LEVEL_DEBUG,
               "the contract's levels are ours, in our order");

struct lines {
    struct soap *soap;
    struct _col__GetLogResponse *answer;
    bool failed;
};

static bool put_line(void *context, const struct log_line *from)
{
    struct lines *l = context;
    struct wt__LogLine *to = &l->answer->line[l->answer->__sizeline++];
    to->time = from->time_ms;
    to->level = (enum wt__LogLevel)from->level;
    to->room = soap_strdup(l->soap, from->room);
    to->text = soap_strdup(l->soap, from->text);
    l->failed = !to->room || !to->text;
    if (!l->failed) {
        fault_clean(to->room);
        fault_clean(to->text);
    }
    return !l->failed;
}

int __col__GetLog(struct soap *soap, struct _col__GetLog *q, struct _col__GetLogResponse *answer)
{
    struct log_ring *log = services_of(soap)->settings.log;
    struct lines lines = {.soap = soap, .answer = answer};
    if (!q)
        return fault_missing(soap, "GetLog");
    size_t limit = q->limit ? *q->limit : LOG_RING_LINES;
    if (limit == 0 || limit > LOG_RING_LINES)
        return fault_make(soap, WEIR_EARGUMENT, "limit",
                          "limit %zu is out of range: expected 1 to %u", limit, LOG_RING_LINES);
    if (!log)
        return fault_make(soap, WEIR_EUNAVAILABLE, NULL, "this server keeps no log");
    answer->line = collector_zeroed(soap, limit, sizeof *answer->line);
    if (!answer->line)
        return soap->error = SOAP_EOM;
    answer->forgotten = log_ring_read(log, q->from ? *q->from : INT64_MIN,
                                      q->level ? (enum log_level) * q->level : LOG_LEVEL_DEBUG,
                                      limit, put_line, &lines);
    return lines.failed ? (soap->error = SOAP_EOM) : SOAP_OK;
}
