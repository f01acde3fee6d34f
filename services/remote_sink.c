/* remote_sink.c - a collector's blocks to a DB component elsewhere: StoreBlock with MTOM over one
 * connection that is kept (lib/flow/sink.h is the contract, services.h the door).
 *
 * What the answer means is decided by what it is about. The block itself is refused (for good) only
 * when the DB component said so with a typed fault that is not retryable and about the block;
 * everything else - no connection, a time limit, a proxy's error page, damage over there - is a
 * reason to try again. */
#include "dbStub.h"
#include "envelope.h"
#include "fault.h"
#include "http_head.h"
#include "services_private.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CONNECT_MS 5000
#define ANSWER_MS  60000

extern struct Namespace db_namespaces[];

struct remote_sink {
    char *url;
    struct soap *soap;
    int64_t connect_ms, answer_ms;
    const uint8_t *block; /* being sent */
    size_t length, sent;
    _Atomic bool stopped;
    pthread_mutex_t
        lock; /* of `fd`: it is shut down from another thread, but never after its close */
    int fd;   /* of the open connection, for remote_sink_stop(); -1: none */
    SOAP_SOCKET (*open)(struct soap *, const char *, const char *, int);
    int (*close)(struct soap *, SOAP_SOCKET);
};

enum weir_status remote_url_check(const char *url, struct weir_error *error)
{
    static const char host_characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
    static const char path_characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_~/%";
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : "";
    size_t host_length = strspn(host, host_characters);
    const char *path = host + host_length;
    if (host_length && *path == '/' && strlen(url) <= 255 &&
        strspn(path, path_characters) == strlen(path))
        return WEIR_OK;
    return weir_fail(error, WEIR_EARGUMENT, "url", "\"%.80s\": expected http://host:port/db", url);
}

/* ---- the attachment: read from where it is, so that gSOAP does not search it for boundaries ----
 */

static void *open_block(struct soap *soap, void *handle, const char *id, const char *type,
                        const char *description)
{
    struct remote_sink *r = soap->user;
    (void)id;
    (void)type;
    (void)description;
    r->sent = 0;
    return handle;
}

static size_t read_block(struct soap *soap, void *handle, char *to, size_t room)
{
    struct remote_sink *r = handle;
    size_t n = r->length - r->sent < room ? r->length - r->sent : room;
    (void)soap;
    memcpy(to, r->block + r->sent, n);
    r->sent += n;
    return n;
}

static void close_block(struct soap *soap, void *handle)
{
    (void)soap;
    (void)handle;
}

/* ---- the connection ---- */

static SOAP_SOCKET open_connection(struct soap *soap, const char *endpoint, const char *host,
                                   int port)
{
    struct remote_sink *r = soap->user;
    SOAP_SOCKET fd = r->open(soap, endpoint, host, port);
    pthread_mutex_lock(&r->lock);
    r->fd = fd;
    if (atomic_load(&r->stopped) && fd >= 0)
        shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&r->lock);
    return fd;
}

static int close_connection(struct soap *soap, SOAP_SOCKET fd)
{
    struct remote_sink *r = soap->user;
    pthread_mutex_lock(&r->lock);
    r->fd = -1;
    pthread_mutex_unlock(&r->lock);
    return r->close(soap, fd);
}

/* ---- life ---- */

static bool set_up(struct remote_sink *r, const struct remote_sink_settings *settings)
{
    r->connect_ms = settings->connect_ms ? settings->connect_ms : CONNECT_MS;
    r->answer_ms = settings->answer_ms ? settings->answer_ms : ANSWER_MS;
    r->url = strdup(settings->url);
    /* No SOAP_XML_TREE on output: with it gSOAP silently sends base64 instead of an attachment. No
     * STRICT on input: a newer DB component may answer more. */
    r->soap = soap_new2(SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE | SOAP_XML_TREE,
                        SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE | SOAP_ENC_MTOM);
    if (!r->url || !r->soap)
        return false;
    struct soap *soap = r->soap;
    soap->user = r;
    soap_set_namespaces(soap, db_namespaces);
    soap_set_version(soap, 1);
    r->open = soap->fopen;
    r->close = soap->fclosesocket;
    soap->fopen = open_connection;
    soap->fclosesocket = close_connection;
    soap->fmimereadopen = open_block;
    soap->fmimeread = read_block;
    soap->fmimereadclose = close_block;
    soap->connect_timeout = -(int)(r->connect_ms * 1000); /* gSOAP: negative is microseconds */
    soap->recv_timeout = (int)((r->answer_ms + 999) / 1000);
    soap->send_timeout = soap->recv_timeout;
    soap->socket_flags = MSG_NOSIGNAL;
    soap->recv_maxlength = 1 << 20;
    soap->max_keep_alive = 0;
    return true;
}

enum weir_status remote_sink_new(const struct remote_sink_settings *settings,
                                 struct remote_sink **out, struct weir_error *error)
{
    *out = NULL;
    enum weir_status status = remote_url_check(settings->url ? settings->url : "", error);
    if (status != WEIR_OK)
        return status;
    struct remote_sink *r = calloc(1, sizeof *r);
    if (!r)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the sink");
    r->fd = -1;
    pthread_mutex_init(&r->lock, NULL);
    if (!set_up(r, settings)) {
        remote_sink_free(r);
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the sink");
    }
    *out = r;
    return WEIR_OK;
}

void remote_sink_free(struct remote_sink *r)
{
    if (!r)
        return;
    if (r->soap) {
        soap_force_closesock(r->soap);
        soap_destroy(r->soap);
        soap_end(r->soap);
        soap_free(r->soap);
    }
    pthread_mutex_destroy(&r->lock);
    free(r->url);
    free(r);
}

void remote_sink_stop(struct remote_sink *r)
{
    atomic_store(&r->stopped, true);
    pthread_mutex_lock(&r->lock);
    if (r->fd >= 0)
        shutdown(r->fd, SHUT_RDWR);
    pthread_mutex_unlock(&r->lock);
}

/* ---- delivering ---- */

/* Whether a fault is about the block, which no repetition makes better. */
static bool is_final(enum weir_status status)
{
    return status == WEIR_EMALFORMED || status == WEIR_ELIMIT || status == WEIR_EARGUMENT ||
           status == WEIR_EDENIED;
}

static enum weir_status told(struct remote_sink *r, const struct envelope_fault *fault,
                             struct weir_error *error)
{
    enum weir_status status = fault->code ? fault_status_of(fault->code) : WEIR_EUNAVAILABLE;
    bool again = fault->retryable || !fault->code || !is_final(status);
    if (again && status != WEIR_EFULL && status != WEIR_EBUSY)
        status = WEIR_EUNAVAILABLE;
    return weir_fail(error, status, "db", "%s: %s%s%s", r->url, fault->code ? fault->code : "",
                     fault->code ? ": " : "", fault->message);
}

static enum weir_status failed(struct remote_sink *r, struct weir_error *error)
{
    struct soap *soap = r->soap;
    struct envelope_fault fault;
    char text[200] = "";
    if (envelope_fault_read(soap, &fault))
        return told(r, &fault, error);
    int http = soap->error == SOAP_HTTP_ERROR || soap->error >= 300 ? soap->status : 0;
    if (http == 413)
        return weir_fail(error, WEIR_ELIMIT, "db", "%s: a block of %zu octets is too large", r->url,
                         r->length);
    if (http)
        return weir_fail(error, http == 503 ? WEIR_EBUSY : WEIR_EUNAVAILABLE, "db",
                         "%s: HTTP %d %s", r->url, http, http_reason(http));
    soap_set_fault(soap);
    const char **reason = soap_faultstring(soap);
    snprintf(text, sizeof text, "%.199s", reason && *reason ? *reason : "the call failed");
    text[strcspn(text, "\r\n")] = '\0';
    return weir_fail(error, WEIR_EUNAVAILABLE, "db", "%s: %s", r->url, text);
}

static int call(struct remote_sink *r, const uint8_t *block, size_t length, bool *known)
{
    struct _db__StoreBlock q = {0};
    struct _db__StoreBlockResponse answer = {0};
    r->block = block;
    r->length = length;
    q.block.__ptr = (unsigned char *)(void *)r; /* handed to open_block() */
    q.block.__size = (int)length;
    q.block.type = (char *)(uintptr_t) "application/octet-stream";
    int code = soap_call___db__StoreBlock(r->soap, r->url, "urn:weir:db:1/StoreBlock", &q, &answer);
    *known = answer.outcome == wt__StoreOutcome__known;
    return code;
}

static enum weir_status deliver(void *context, const uint8_t *block, size_t length,
                                struct weir_error *error)
{
    struct remote_sink *r = context;
    bool known, reused = soap_valid_socket(r->soap->socket);
    if (atomic_load(&r->stopped))
        return weir_fail(error, WEIR_EUNAVAILABLE, "db", "%s: stopped", r->url);
    if (length == 0 || length > INT32_MAX)
        return weir_fail(error, WEIR_ELIMIT, "db", "a block of %zu octets can not be sent", length);
    int code = call(r, block, length, &known);
    /* A kept connection may have been closed meanwhile; that says nothing about the peer. Sending
     * the block twice is harmless. */
    if (code != SOAP_OK && reused && (code == SOAP_EOF || code == SOAP_TCP_ERROR)) {
        soap_force_closesock(r->soap);
        soap_destroy(r->soap);
        soap_end(r->soap);
        code = call(r, block, length, &known);
    }
    enum weir_status status = code == SOAP_OK ? WEIR_OK : failed(r, error);
    if (code != SOAP_OK)
        soap_force_closesock(r->soap);
    soap_destroy(r->soap);
    soap_end(r->soap);
    return status;
}

struct sink remote_sink(struct remote_sink *r)
{
    return (struct sink){.deliver = deliver, .context = r};
}
