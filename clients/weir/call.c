/* call.c - `weir call`: any operation of any service, from its WSDL alone. Nothing here knows what
 * a service does; wsdl.c and schema.c read the contract, message_*.c speak it, http.c
 * carries it. */
#include "weir/http.h"
#include "weir/message.h"
#include "weir/words.h"

#include "base/suggest.h"

#include <string.h>

/* ---- what there is --------------------------------------------------------------------------- */

static void operations_json(struct buffer *out, const void *context)
{
    const struct wsdl *w = context;
    buffer_print(out, "{\"operations\":[");
    for (size_t i = 0; i < w->operation_count; i++) {
        buffer_print(out, "%s{\"name\":", i ? ",\n" : "\n");
        buffer_put_json(out, w->operations[i].name, strlen(w->operations[i].name));
        buffer_print(out, ",\"documentation\":");
        buffer_put_json(out, w->operations[i].doc, strlen(w->operations[i].doc));
        buffer_put_u8(out, '}');
    }
    buffer_print(out, "]}");
}

static enum outcome list_operations(struct request *r, struct wsdl *w)
{
    struct report report;
    report_open(&report);
    sheet_column(&report.sheet, "operation", 0);
    sheet_column(&report.sheet, "what it does", 0);
    for (size_t i = 0; i < w->operation_count; i++) {
        sheet_text(&report.sheet, w->operations[i].name);
        sheet_text(&report.sheet, w->operations[i].doc);
    }
    report_note(&report, "endpoint", "%.400s", w->endpoint);
    report.json = operations_json;
    report.json_context = w;
    enum outcome outcome = request_answer(r, &report);
    report_close(&report);
    return outcome;
}

static enum outcome refuse_operation(struct request *r, const struct wsdl *w, const char *name)
{
    struct suggestion near = {0};
    for (size_t i = 0; i < w->operation_count; i++)
        suggest_consider(&near, name, w->operations[i].name);
    if (near.name)
        return request_usage(r, "operation", "no operation \"%.64s\"; did you mean \"%.64s\"?",
                             name, near.name);
    return request_usage(r, "operation", "no operation \"%.64s\"; `weir call WSDL` lists them",
                         name);
}

/* ---- the call -------------------------------------------------------------------------------- */

static enum weir_status post(struct wsdl *w, const struct wsdl_operation *o,
                             const struct buffer *request, struct http_answer *answer,
                             struct weir_error *error)
{
    char headers[1024];
    int n;
    if (strpbrk(o->action, "\"\r\n"))
        return weir_fail(error, WEIR_EMALFORMED, "wsdl", "the soapAction of %.64s cannot be sent",
                         o->name);
    if (w->soap12)
        n = snprintf(headers, sizeof headers,
                     "Content-Type: application/soap+xml; charset=utf-8; action=\"%s\"\r\n",
                     o->action);
    else
        n = snprintf(headers, sizeof headers,
                     "Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"%s\"\r\n", o->action);
    if (n < 0 || (size_t)n >= sizeof headers)
        return weir_fail(error, WEIR_EMALFORMED, "wsdl", "the soapAction of %.64s is too long",
                         o->name);
    return http_send("POST", w->endpoint, headers, request->bytes, request->length, answer, error);
}

/* An answer that is no XML at all is told by its HTTP status. */
static enum weir_status read_answer(struct wsdl *w, const struct http_answer *answer,
                                    struct message_answer *out, struct weir_error *error)
{
    if (!strstr(answer->content_type, "xml"))
        return weir_fail(
            error, WEIR_EUNAVAILABLE, "url", "%.200s answered HTTP %d with %.64s instead of SOAP",
            w->endpoint, answer->status,
            *answer->content_type ? answer->content_type : "nothing to say what it is");
    return message_read(w, answer->body.bytes, answer->body.length, out, error);
}

static enum outcome call_operation(struct request *r, struct wsdl *w,
                                   const struct wsdl_operation *o, const struct buffer *request)
{
    struct http_answer http = {0};
    struct message_answer answer = {0};
    enum weir_status status = post(w, o, request, &http, r->error);
    if (!status)
        status = read_answer(w, &http, &answer, r->error);
    if (!status) {
        if (r->output->write == output_json)
            message_print_json(w, answer.body, r->out);
        else
            message_print_text(w, answer.body, r->out);
        xmlFreeDoc(answer.doc);
    }
    buffer_free(&http.body);
    if (!status && r->out->failed)
        status = weir_fail(r->error, WEIR_ENOMEM, NULL, "out of memory");
    return status ? OUTCOME_FAILED : OUTCOME_DONE;
}

static enum outcome prepare_and_call(struct request *r, struct wsdl *w)
{
    struct parameter *parameters;
    struct buffer request = {0};
    size_t count = (size_t)r->operand_count - 2;
    const struct wsdl_operation *o = wsdl_operation(w, r->operands[1]);
    if (!o)
        return refuse_operation(r, w, r->operands[1]);
    enum outcome outcome = OUTCOME_USAGE;
    enum weir_status status =
        message_parameters(&w->arena, r->operands + 2, count, &parameters, r->error);
    if (!status)
        status = message_write(w, o, parameters, count, &request, r->error);
    if (!status)
        outcome = call_operation(r, w, o, &request);
    else
        message_help(w, o, r->aside);
    buffer_free(&request);
    return outcome;
}

enum outcome word_call(struct request *r)
{
    struct wsdl w;
    if (r->output->write == output_csv)
        return request_usage(r, "format", "call writes table or json");
    if (wsdl_load(&w, r->operands[0], r->error))
        return OUTCOME_FAILED;
    enum outcome outcome = r->operand_count > 1 ? prepare_and_call(r, &w) : list_operations(r, &w);
    wsdl_free(&w);
    return outcome;
}
