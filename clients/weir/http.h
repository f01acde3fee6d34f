/* http.h - the little of HTTP/1.1 (RFC 9112) that the generic client needs: one request a
 * connection, the whole answer in memory, bounded in size and time. No TLS, no redirects, no
 * compression.
 *
 * Threads: any. */
#ifndef WEIR_CLIENT_HTTP_H
#define WEIR_CLIENT_HTTP_H

#include "base/buffer.h"
#include "base/status.h"

#define HTTP_ANSWER_MOST ((size_t)512 << 20)
#define HTTP_HEAD_MOST   ((size_t)64 << 10)

struct http_url {
    char host[256]; /* without the brackets of an IPv6 address */
    char port[8];
    char target[2048]; /* path and query; begins with '/' */
};

/* "http://host[:port][/path][?query]". WEIR_ESYNTAX. */
enum weir_status http_url_read(const char *text, struct http_url *out, struct weir_error *error);

struct http_answer {
    int status;             /* 200… */
    char content_type[128]; /* "" when not said */
    struct buffer body;     /* the caller's: buffer_free() */
};

/* Sends the request and reads the answer. `headers` are whole lines, each ended by \r\n; may be "".
 * An answer of any status is WEIR_OK. WEIR_EUNAVAILABLE: nobody answers. WEIR_ELIMIT,
 * WEIR_EMALFORMED, WEIR_ETRUNCATED: what came is no whole answer. On error out->body is empty. */
enum weir_status http_send(const char *method, const char *url, const char *headers,
                           const void *body, size_t length, struct http_answer *out,
                           struct weir_error *error);

/* Takes apart an answer that ended with its connection. Bytes from outside: bounded by a cursor's
 * discipline, fuzzed (fuzz_http_answer). */
enum weir_status http_answer_read(const void *bytes, size_t length, struct http_answer *out,
                                  struct weir_error *error);
/* Whether a whole answer lies in these bytes already; false as well when only the end of the
 * connection can tell. */
bool http_answer_whole(const void *bytes, size_t length);

#endif
