/* session.c - gSOAP contexts set up for calling a Weir service; see session.h. */
#include "weir/session.h"
#include "envelope.h"
#include "stdsoap2.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_SECONDS 5
/* A scan of many blocks may take its time; the server has a deadline of its own. */
#define ANSWER_SECONDS 900
#define ROWS_MOST      10000000

enum weir_status session_url(const char *base, const char *path, char *out, size_t size,
                             struct weir_error *error)
{
    bool scheme = strstr(base, "://") != NULL;
    if (scheme && strncmp(base, "http://", 7) != 0)
        return weir_fail(error, WEIR_EARGUMENT, "url", "--url: \"%.128s\" is not http://HOST:PORT",
                         base);
    size_t length = strlen(base);
    while (length && base[length - 1] == '/')
        length--;
    int n = snprintf(out, size, "%s%.*s%s", scheme ? "" : "http://",
                     (int)(length < 4096 ? length : 4096), base, path);
    if (length == 0 || n < 0 || (size_t)n >= size)
        return weir_fail(error, WEIR_EARGUMENT, "url",
                         "--url: empty or too long; write http://HOST:PORT");
    return WEIR_OK;
}

bool session_open(struct session *s, const struct request *r, const char *path,
                  const struct Namespace *namespaces)
{
    s->soap = NULL;
    if (session_url(r->settings->url, path, s->url, sizeof s->url, r->error))
        return false;
    /* The tree mode ignores id and href, whose look-up is quadratic in gSOAP. */
    soap_mode mode = SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE | SOAP_XML_TREE;
    s->soap = soap_new2(mode, mode);
    if (!s->soap) {
        (void)weir_fail(r->error, WEIR_ENOMEM, NULL, "out of memory");
        return false;
    }
    (void)soap_set_namespaces(s->soap, namespaces);
    soap_set_version(s->soap, 1);
    s->soap->connect_timeout = CONNECT_SECONDS;
    s->soap->recv_timeout = s->soap->send_timeout = ANSWER_SECONDS;
    s->soap->socket_flags = MSG_NOSIGNAL;
    s->soap->maxoccurs = ROWS_MOST;
    return true;
}

void session_close(struct session *s)
{
    if (!s->soap)
        return;
    soap_destroy(s->soap);
    soap_end(s->soap);
    soap_free(s->soap);
    s->soap = NULL;
}

void *session_alloc(struct session *s, size_t size)
{
    return soap_malloc(s->soap, size);
}

/* What a fault's code means as a status: the code's row, or "internal error". */
static enum weir_status status_of(const char *code)
{
    static const struct {
        const char *code;
        enum weir_status status;
    } rows[] = {
        {"BadArgument", WEIR_EARGUMENT},
        {"NotFound", WEIR_ENOTFOUND},
        {"Exists", WEIR_EEXISTS},
        {"BadBlock", WEIR_EMALFORMED},
        {"TooLarge", WEIR_ELIMIT},
        {"Deadline", WEIR_ECANCELLED},
        {"Denied", WEIR_EDENIED},
        {"Overload", WEIR_EBUSY},
        {"Full", WEIR_EFULL},
        {"Unavailable", WEIR_EUNAVAILABLE},
        {"Corrupt", WEIR_ECORRUPT},
        {"BadRequest", WEIR_EVERSION},
    };
    for (size_t i = 0; code && i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].code, code) == 0)
            return rows[i].status;
    return WEIR_EINTERNAL;
}

enum outcome session_fail(struct session *s, struct weir_error *error)
{
    struct soap *soap = s->soap;
    struct envelope_fault fault = {0};
    if (envelope_fault_read(soap, &fault)) {
        const char *field = fault.field && *fault.field ? fault.field : NULL;
        /* What is wrong with a filter may be that it ends: "the filter" is no name of the field. */
        bool named =
            !field || (strstr(fault.message, field) && strcmp(field, "filter") != 0);
        (void)weir_fail(error, status_of(fault.code), field, "%.64s%s%.900s%s", named ? "" : field,
                        named ? "" : ": ", fault.message,
                        fault.retryable ? " (try again later)" : "");
    } else if (soap->error == SOAP_TCP_ERROR) {
        (void)weir_fail(
            error, WEIR_EUNAVAILABLE, "url",
            "%.200s does not answer (%s); is weird running there? --url or WEIR_URL names another",
            s->url, soap->errnum ? strerror(soap->errnum) : "host not found");
    } else if (soap->error == SOAP_EOF) {
        (void)weir_fail(error, WEIR_EUNAVAILABLE, "url",
                        "%.200s ended the connection without an answer (%s)", s->url,
                        soap->errnum ? strerror(soap->errnum) : "closed, or too slow");
    } else if (soap->error >= 300 && soap->error < 600) {
        (void)weir_fail(error, WEIR_EUNAVAILABLE, "url",
                        "%.200s answered HTTP %d; is it a Weir service?", s->url, soap->error);
    } else {
        (void)weir_fail(error, WEIR_EMALFORMED, "url",
                        "%.200s sent what is no SOAP answer of this contract (gSOAP error %d)",
                        s->url, soap->error);
    }
    return OUTCOME_FAILED;
}
