/* http_answer.c - bytes from a server to status, type and body (RFC 9112). Pure; see http.h. */
#include "weir/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct text {
    const char *at, *end;
};

struct head {
    int status;
    bool chunked, sized;
    size_t size; /* Content-Length, when sized */
    struct text type;
    size_t head_length; /* the empty line included */
};

/* The next line without its line end, and past it; false when there is no line end. */
static bool take_line(struct text *t, struct text *line)
{
    const char *nl = t->at < t->end ? memchr(t->at, '\n', (size_t)(t->end - t->at)) : NULL;
    if (!nl)
        return false;
    *line = (struct text){t->at, nl > t->at && nl[-1] == '\r' ? nl - 1 : nl};
    t->at = nl + 1;
    return true;
}

static size_t text_length(struct text t)
{
    return (size_t)(t.end - t.at);
}

static bool text_is(struct text t, const char *word)
{
    return text_length(t) == strlen(word) && strncasecmp(t.at, word, strlen(word)) == 0;
}

static struct text trim(struct text t)
{
    while (t.at < t.end && (*t.at == ' ' || *t.at == '\t'))
        t.at++;
    while (t.end > t.at && (t.end[-1] == ' ' || t.end[-1] == '\t'))
        t.end--;
    return t;
}

/* Digits of `base` (10 or 16) up to the first other character; false for none, or a number that no
 * answer may have. */
static bool take_number(struct text *t, unsigned base, size_t *out)
{
    static const char digits[] = "0123456789abcdef";
    const char *start = t->at;
    size_t v = 0;
    for (; t->at < t->end && *t->at; t->at++) {
        char c = *t->at >= 'A' && *t->at <= 'F' ? (char)(*t->at + 32) : *t->at;
        const char *digit = memchr(digits, c, base);
        if (!digit)
            break;
        v = v * base + (size_t)(digit - digits);
        if (v > HTTP_ANSWER_MOST)
            return false;
    }
    *out = v;
    return t->at > start;
}

static bool read_status_line(struct text line, int *status)
{
    struct text t = line;
    size_t v;
    if (text_length(t) < 12 || strncmp(t.at, "HTTP/1.", 7) != 0 || t.at[8] != ' ')
        return false;
    t.at += 9;
    t.end = t.at + 3;
    if (!take_number(&t, 10, &v) || t.at != t.end || v < 100 || v > 599)
        return false;
    *status = (int)v;
    return true;
}

/* Fields that say how long the body is, and what. A Content-Length that is no number is refused. */
static bool read_field(struct text line, struct head *h)
{
    const char *colon = memchr(line.at, ':', text_length(line));
    if (!colon)
        return false;
    struct text name = {line.at, colon}, value = trim((struct text){colon + 1, line.end});
    if (text_is(name, "content-length")) {
        struct text t = value;
        size_t size;
        if (!take_number(&t, 10, &size) || t.at != t.end || (h->sized && h->size != size))
            return false;
        h->sized = true;
        h->size = size;
    } else if (text_is(name, "transfer-encoding")) {
        if (!text_is(value, "chunked"))
            return false;
        h->chunked = true;
    } else if (text_is(name, "content-type")) {
        h->type = value;
    }
    return true;
}

enum head_state { HEAD_WHOLE, HEAD_SHORT, HEAD_BAD };

/* The head of the final answer; interim ones (1xx, RFC 9110 section 15.2) are passed over. */
static enum head_state read_head(const char *bytes, size_t length, struct head *h)
{
    struct text t = {bytes, bytes + length}, line;
    do {
        *h = (struct head){0};
        if (!take_line(&t, &line))
            return length > HTTP_HEAD_MOST ? HEAD_BAD : HEAD_SHORT;
        if (!read_status_line(line, &h->status))
            return HEAD_BAD;
        for (;;) {
            if (!take_line(&t, &line))
                return length > HTTP_HEAD_MOST ? HEAD_BAD : HEAD_SHORT;
            if (text_length(line) == 0)
                break;
            if (!read_field(line, h))
                return HEAD_BAD;
        }
    } while (h->status < 200);
    h->head_length = (size_t)(t.at - bytes);
    return h->head_length > HTTP_HEAD_MOST ? HEAD_BAD : HEAD_WHOLE;
}

/* RFC 9112 section 7.1. Trailers are ignored. WEIR_ETRUNCATED when the last chunk is not there. */
static enum weir_status read_chunks(struct text t, struct buffer *body)
{
    struct text line;
    size_t size;
    for (;;) {
        if (!take_line(&t, &line))
            return WEIR_ETRUNCATED;
        if (!take_number(&line, 16, &size) ||
            (line.at < line.end && *line.at != ';' && *line.at != ' '))
            return WEIR_EMALFORMED;
        if (size == 0)
            return WEIR_OK;
        if (text_length(t) < size)
            return WEIR_ETRUNCATED;
        buffer_put(body, t.at, size);
        t.at += size;
        if (!take_line(&t, &line))
            return WEIR_ETRUNCATED;
        if (text_length(line) != 0)
            return WEIR_EMALFORMED;
    }
}

static enum weir_status read_body(struct text t, const struct head *h, struct buffer *body)
{
    if (h->chunked)
        return read_chunks(t, body);
    if (h->sized && text_length(t) < h->size)
        return WEIR_ETRUNCATED;
    buffer_put(body, t.at, h->sized ? h->size : text_length(t));
    return WEIR_OK;
}

enum weir_status http_answer_read(const void *bytes, size_t length, struct http_answer *out,
                                  struct weir_error *error)
{
    struct head h;
    *out = (struct http_answer){0};
    enum head_state state = length ? read_head(bytes, length, &h) : HEAD_SHORT;
    if (state == HEAD_BAD)
        return weir_fail(error, WEIR_EMALFORMED, NULL, "not an HTTP answer");
    if (state == HEAD_SHORT)
        return weir_fail(error, WEIR_ETRUNCATED, NULL, "the connection ended before the answer");
    const char *body = (const char *)bytes + h.head_length;
    enum weir_status status =
        read_body((struct text){body, (const char *)bytes + length}, &h, &out->body);
    if (status == WEIR_OK && out->body.failed)
        status = WEIR_ENOMEM;
    if (status) {
        buffer_free(&out->body);
        return weir_fail(error, status, NULL, "%s",
                         status == WEIR_ETRUNCATED ? "the connection ended within the answer"
                                                   : weir_status_text(status));
    }
    out->status = h.status;
    if (h.type.at)
        (void)snprintf(out->content_type, sizeof out->content_type, "%.*s",
                       (int)(text_length(h.type) < 127 ? text_length(h.type) : 127), h.type.at);
    return WEIR_OK;
}

bool http_answer_whole(const void *bytes, size_t length)
{
    struct head h;
    static const char last[] = "\r\n0\r\n\r\n";
    if (!length || read_head(bytes, length, &h) != HEAD_WHOLE)
        return false;
    size_t body = length - h.head_length;
    if (h.chunked) /* the last chunk, if no trailer follows it; else the end of the connection tells
                    */
        return body >= 5 &&
               memcmp((const char *)bytes + length - (sizeof last - 1), last, sizeof last - 1) == 0;
    return h.sized && body >= h.size;
}
