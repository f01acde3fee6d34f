/* tls.h - the TLS side of a listening socket (RFC 7011 section 11, OpenSSL): TLS 1.2 or newer, the
 * collector's certificate, and exporters' certificates when a CA is given.
 *
 * Threads: a context may be used by any number at once; a session belongs to one. */
#ifndef WEIR_COLLECTOR_TLS_H
#define WEIR_COLLECTOR_TLS_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* PEM files. The certificate file may hold the chain after it. `ca`: exporters must show a
 * certificate that one of these signed (mutual authentication, as RFC 7011 section 11.3 wants it);
 * NULL: anyone may connect. */
struct tls_files {
    const char *certificate, *key, *ca;
};

struct tls; /* the context */
/* WEIR_EARGUMENT names the option whose file can not be used ("tls-cert", "tls-key", "tls-ca") and
 * why. WEIR_ENOMEM. */
enum weir_status tls_new(const struct tls_files *files, struct tls **out, struct weir_error *error);
void tls_free(struct tls *t);

/* What a step came to. */
enum tls_step {
    TLS_DONE,       /* the handshake is over; or octets were read */
    TLS_WANT_READ,  /* go on when the socket is readable */
    TLS_WANT_WRITE, /* … writable */
    TLS_ENDED,      /* the peer said that it ends: nothing was cut off */
    TLS_BROKEN,     /* not TLS, a refused certificate, a cut connection; tls_trouble() says why */
};

struct tls_session;
/* The server's side of a connected socket, which stays the caller's. NULL: no memory. */
struct tls_session *tls_session_new(struct tls *t, int fd);
void tls_session_free(struct tls_session *s); /* tells the peer, if the handshake was done */
enum tls_step tls_handshake(struct tls_session *s);
/* At most one TLS record a call: with room for 16 KiB nothing stays behind inside, so that epoll on
 * the socket is enough to know that there is more. */
enum tls_step tls_read(struct tls_session *s, uint8_t *into, size_t room, size_t *got);
/* Why the last step was TLS_BROKEN, in one line; the session's memory. */
const char *tls_trouble(const struct tls_session *s);
/* Octets that came in from the socket so far. */
uint64_t tls_octets(const struct tls_session *s);

#endif
