/* soap_engine.c - one SOAP request through gSOAP, from memory to the socket. Between serve.c's
 * exchanges and the handlers of db_service.c and collector_service.c.
 *
 * gSOAP never reads a socket here: the whole message is in memory, was bounded, scanned, and lost
 * its attachment (which a handler gets as octets) before the parser sees it. */
#include "envelope.h"
#include "fault.h"
#include "mime.h"
#include "services_private.h"
#include "soap_input.h"
#include "tag_scan.h"
#include <stdio.h>
#include <stdlib.h>
#include <stdsoap2.h>

#define DEPTH_MOST  16u
#define OCCURS_MOST 100000u
#define TIDY_OCTETS 65536u /* after a larger message the engine's own memory is given back, too */

struct caller *caller_of(struct soap *soap)
{
    return soap->user;
}

const char *caller_who(struct soap *soap, char out[WHO_SIZE])
{
    char address[ADDRESS_TEXT_SIZE];
    snprintf(out, WHO_SIZE, "soap %s", address_print(&caller_of(soap)->exchange->peer, address));
    return out;
}

/* ---- what gSOAP is given instead of a socket ---- */

static size_t read_memory(struct soap *soap, char *to, size_t room)
{
    struct caller *c = caller_of(soap);
    int run = c->left[0] ? 0 : 1;
    size_t n = c->left[run] < room ? c->left[run] : room;
    if (n == 0)
        return 0; /* the end */
    memcpy(to, c->next[run], n);
    c->next[run] += n;
    c->left[run] -= n;
    return n;
}

static bool flush_answer(struct caller *c)
{
    size_t length = c->out_length;
    c->out_length = 0;
    return length == 0 || exchange_write(c->exchange, c->out, length);
}

/* The engine hands over the head and the message one after the other: they leave together. */
static int write_answer(struct soap *soap, const char *from, size_t length)
{
    struct caller *c = caller_of(soap);
    c->answered = true;
    if (length > sizeof c->out - c->out_length && !flush_answer(c))
        return SOAP_EOF;
    if (length > sizeof c->out)
        return exchange_write(c->exchange, from, length) ? SOAP_OK : SOAP_EOF;
    memcpy(c->out + c->out_length, from, length);
    c->out_length += length;
    return SOAP_OK;
}

/* The connection is serve.c's to close. */
static int leave_socket(struct soap *soap, SOAP_SOCKET fd)
{
    (void)soap;
    (void)fd;
    return SOAP_OK;
}

static int leave_shutdown(struct soap *soap, SOAP_SOCKET fd, int how)
{
    (void)how;
    return leave_socket(soap, fd);
}

void *caller_new(void *services)
{
    struct caller *c = calloc(1, sizeof *c);
    /* SOAP_XML_TREE: id and href, whose resolution is quadratic, are ignored; document/literal has
     * none. SOAP_XML_STRICT: unknown and missing elements are refused. */
    /* SOAP_IO_STORE: an answer is written once, into memory, instead of counted and then written.
     */
    struct soap *soap =
        soap_new2(SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE | SOAP_XML_STRICT | SOAP_XML_TREE,
                  SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE | SOAP_XML_TREE | SOAP_IO_STORE);
    if (!c || !soap) {
        free(c);
        if (soap)
            soap_free(soap);
        return NULL;
    }
    c->services = services;
    c->soap = soap;
    soap->user = c;
    soap->frecv = read_memory;
    soap->fsend = write_answer;
    soap->fclosesocket = leave_socket;
    soap->fshutdownsocket = leave_shutdown;
    soap->maxlevel = DEPTH_MOST;
    soap->maxoccurs = OCCURS_MOST;
    soap->max_keep_alive = 0;
    soap->cors_allow = NULL; /* no page of another site may read answers */
    return c;
}

void caller_free(void *caller)
{
    struct caller *c = caller;
    c->soap->user = NULL;
    soap_destroy(c->soap);
    soap_end(c->soap);
    soap_free(c->soap);
    free(c);
}

/* ---- one request ---- */

static bool refuse_message(struct caller *c, const char *why)
{
    (void)envelope_fault_set(
        c->soap, &(struct envelope_fault){.code = "BadRequest", .message = why, .sender = true});
    return false;
}

/* Lays out what the parser reads; a fault is set when it must not read it. */
static bool admit_message(struct caller *c, struct exchange *x)
{
    struct weir_error error;
    struct mime_message m;
    size_t head = x->head->length;
    c->is_bare = SOAP_INPUT_BARE && !x->head->boundary.length;
    c->next[0] = c->is_bare ? x->body : x->message;
    c->left[0] = c->is_bare ? x->body_length : head + x->body_length;
    c->left[1] = 0;
    c->has_attachment = false;
    if (x->head->boundary.length) {
        if (mime_split(x->body, x->body_length, x->head->boundary, &m, &error) != WEIR_OK) {
            (void)fault_error(c->soap, &error);
            return false;
        }
        c->has_attachment = m.has_attachment;
        c->attachment = m.attachment;
        c->left[0] = head + m.root.length;
        c->next[1] = m.closing.at;
        c->left[1] = m.has_attachment ? m.closing.length : 0;
    }
    if (x->body_length == 0)
        return refuse_message(c, "the message is empty");
    const char *why = tag_scan(x->body, c->is_bare ? x->body_length : c->left[0] - head);
    return why ? refuse_message(c, why) : true;
}

static short version_of(const struct exchange *x)
{
    return text_is(x->head->content_type, "application/soap+xml") ? 2 : 1;
}

static void begin(struct caller *c, const struct soap_service *service, struct exchange *x)
{
    struct soap *soap = c->soap;
    c->service = service;
    c->exchange = x;
    c->answered = false;
    c->out_length = 0;
    soap->socket = x->fd;
    soap->bufidx = soap->buflen = 0;
    soap->error = SOAP_OK;
    soap->keep_alive = x->keep ? 1 : 0;
    soap->version = version_of(x);
    soap_set_namespaces(soap, service->namespaces);
}

/* Back from SOAP_IO_CHUNK, which a handler or nobody chose. */
static void store_output(struct soap *soap)
{
    soap->omode = (soap->omode & ~(soap_mode)SOAP_IO) | SOAP_IO_STORE;
}

static void end(struct caller *c, bool failed)
{
    struct soap *soap = c->soap;
    c->tidy = !failed && c->is_bare && c->exchange->body_length <= TIDY_OCTETS;
    if (c->tidy)
        soap_input_tidy(soap);
    else
        soap_end(soap);
    soap->socket = SOAP_INVALID_SOCKET;
    soap->keep_alive = 0;
    store_output(soap);
    c->exchange = NULL;
}

static void send_fault(struct caller *c, bool keep)
{
    struct soap *soap = c->soap;
    atomic_fetch_add(&c->services->faults, 1);
    if (soap->version == 0) /* it met no envelope, and would answer without one */
        soap->version = version_of(c->exchange);
    if (soap->error != SOAP_FAULT)
        fault_from_engine(soap);
    soap->keep_alive = keep ? 1 : 0;
    /* the engine forgets it, and then answers as a CGI program would */
    soap->socket = c->exchange->fd;
    store_output(soap);
    if (envelope_fault_send(soap) && !c->answered)
        c->exchange->broken = true;
}

/* soap_begin_serve(). */
static int begin_serve(struct caller *c)
{
    struct soap *soap = c->soap;
    if (!c->tidy || !c->is_bare)
        soap_begin(soap);
    if (c->is_bare)
        soap_input_begin(soap);
    else if (soap_begin_recv(soap))
        return soap->error;
    return soap_envelope_begin_in(soap) || soap_recv_header(soap) || soap_body_begin_in(soap)
               ? soap->error
               : SOAP_OK;
}

void caller_answer(struct caller *c, const struct soap_service *service, struct exchange *x)
{
    struct soap *soap = c->soap;
    begin(c, service, x);
    bool failed = !admit_message(c, x);
    if (!failed) {
        failed = begin_serve(c) != SOAP_OK;
        soap->keep_alive = x->keep ? 1 : 0; /* our reading of the head counts */
        failed = failed || service->serve(soap) != SOAP_OK;
    }
    if (failed && c->answered) /* it broke while being written: nothing sensible can follow */
        x->broken = true;
    else if (failed)
        send_fault(c, x->keep);
    if (!x->broken && !flush_answer(c))
        x->broken = true;
    end(c, failed);
}
