/* tls.c - see tls.h. Neighbours: stream.c owns sockets and sessions, collector.c the context. */
#include "ingest/tls.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls {
    SSL_CTX *context;
};

struct tls_session {
    SSL *ssl;
    bool ready, broken;
    char trouble[160];
};

/* The first error that OpenSSL queued says what began it; the queue is empty afterwards. */
static const char *reason(void)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code && ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    return text ? text : "no reason given";
}

static enum weir_status unusable(const char *option, const char *file, const char *what,
                                 struct weir_error *error)
{
    return weir_fail(error, WEIR_EARGUMENT, option, "--%s %s: %s: %s", option, file, what,
                     reason());
}

static enum weir_status read_files(SSL_CTX *c, const struct tls_files *f, struct weir_error *error)
{
    if (SSL_CTX_use_certificate_chain_file(c, f->certificate) != 1)
        return unusable("tls-cert", f->certificate, "expected a certificate in PEM", error);
    if (SSL_CTX_use_PrivateKey_file(c, f->key, SSL_FILETYPE_PEM) != 1)
        return unusable("tls-key", f->key, "expected the certificate's private key in PEM", error);
    if (SSL_CTX_check_private_key(c) != 1)
        return unusable("tls-key", f->key, "not the key of the certificate", error);
    if (!f->ca)
        return WEIR_OK;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(f->ca);
    if (!names || SSL_CTX_load_verify_locations(c, f->ca, NULL) != 1)
        return unusable("tls-ca", f->ca, "expected certificates in PEM", error);
    SSL_CTX_set_client_CA_list(c, names); /* takes them over */
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return WEIR_OK;
}

/* Exporters stay connected for months: sessions to resume are of no use, and renegotiation, which
 * costs a server more than its peer, is of none either. */
static void set_modes(SSL_CTX *c)
{
    static const unsigned char name[] = "weir-ipfix";
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(c, name, sizeof name - 1);
    SSL_CTX_set_num_tickets(c, 0);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(c, 0);
}

enum weir_status tls_new(const struct tls_files *files, struct tls **out, struct weir_error *error)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t)
        t->context = SSL_CTX_new(TLS_server_method());
    if (!t || !t->context) {
        free(t);
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for TLS");
    }
    set_modes(t->context);
    enum weir_status status = read_files(t->context, files, error);
    if (status != WEIR_OK) {
        tls_free(t);
        return status;
    }
    *out = t;
    return WEIR_OK;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->context);
    free(t);
}

/* ---- one connection ---- */

struct tls_session *tls_session_new(struct tls *t, int fd)
{
    struct tls_session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    ERR_clear_error();
    s->ssl = SSL_new(t->context);
    if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1) {
        SSL_free(s->ssl);
        free(s);
        return NULL;
    }
    SSL_set_accept_state(s->ssl);
    return s;
}

void tls_session_free(struct tls_session *s)
{
    if (!s)
        return;
    ERR_clear_error();
    if (s->ready && !s->broken)
        (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
    SSL_free(s->ssl);
    free(s);
}

static enum tls_step failed(struct tls_session *s, const char *why)
{
    s->broken = true;
    snprintf(s->trouble, sizeof s->trouble, "%s", why);
    return TLS_BROKEN;
}

/* `saved` is errno as the call left it. */
static enum tls_step step_of(struct tls_session *s, int result, int saved)
{
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_NONE:
        return TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    case SSL_ERROR_SYSCALL:
        return failed(s, saved ? strerror(saved) : "cut off");
    default:
        return failed(s, reason());
    }
}

enum tls_step tls_handshake(struct tls_session *s)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(s->ssl);
    s->ready = result == 1;
    return step_of(s, result, errno);
}

enum tls_step tls_read(struct tls_session *s, uint8_t *into, size_t room, size_t *got)
{
    ERR_clear_error();
    errno = 0;
    *got = 0;
    int result = SSL_read(s->ssl, into, room > INT_MAX ? INT_MAX : (int)room);
    if (result > 0) {
        *got = (size_t)result;
        return TLS_DONE;
    }
    return step_of(s, result, errno);
}

const char *tls_trouble(const struct tls_session *s)
{
    return s->trouble;
}

uint64_t tls_octets(const struct tls_session *s)
{
    return BIO_number_read(SSL_get_rbio(s->ssl));
}
