/* http_head.h - reads the head of an HTTP/1.x request (RFC 9112), without gSOAP: where it ends, how
 * long the body is, and the few fields that matter to us. gSOAP reads only what this has framed,
 * and of a head only that of a message with an attachment.
 *
 * Stricter than the RFC where leniency only helps attackers: a body needs Content-Length, said
 * once, or chunks, not both; other transfer codings and folded lines are refused; no control
 * characters.
 *
 * Pure functions on the caller's bytes; any thread. */
#ifndef WEIR_HTTP_HEAD_H
#define WEIR_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MOST     16384u /* octets of a head */
#define HTTP_FIELDS_MOST   100u
#define HTTP_BOUNDARY_MOST 70u /* RFC 2046 section 5.1.1 */

struct text { /* not terminated; points into the caller's bytes */
    const char *at;
    size_t length;
};

enum http_method { HTTP_OTHER, HTTP_GET, HTTP_HEAD, HTTP_POST };

struct http_head {
    size_t length;        /* of the head, the empty line included */
    uint64_t body_length; /* Content-Length; 0 without */
    bool has_body_length;
    enum http_method method;
    uint8_t minor;         /* HTTP/1.minor */
    bool keep_alive;       /* what the version and Connection: say */
    bool expects_continue; /* Expect: 100-continue (RFC 9110 section 10.1.1) */
    struct text path;      /* without the query */
    struct text query;     /* after '?'; length 0 without */
    struct text host; /* Host:, checked to be name or address with an optional port; else empty */
    struct text content_type;
    struct text soap_action;
    struct text transfer_coding; /* "chunked", else empty */
    struct text boundary;        /* of a multipart/related content type; else empty */
};

/* The value is HTTP_MORE, or HTTP_DONE, or the status code to refuse the request with. */
enum { HTTP_MORE = 0, HTTP_DONE = 1 };
/* Reads the head at the start of `bytes`. HTTP_MORE: it does not end within `length` octets, all of
 * them good so far. HTTP_DONE: *head is filled. 400 not HTTP or malformed; 411 a POST with
 * neither Content-Length nor chunks; 413 a body length past 2^53; 415 a Content-Encoding; 417
 * another Expect; 501 a transfer coding but chunked; 431 a head too long or with too many fields;
 * 505 another version. *head is undefined but after HTTP_DONE. */
int http_head_read(const char *bytes, size_t length, struct http_head *head);

bool text_is(struct text t, const char *word);     /* equal, ASCII case ignored */
bool text_starts(struct text t, const char *word); /* likewise */
const char *http_reason(int status);               /* "Not Found"; never NULL */

#endif
