/* http_head.c - see http_head.h. Called by connection.c on peeked octets. */
#include "http_head.h"
#include <string.h>
#include <strings.h>

bool text_is(struct text t, const char *word)
{
    return t.length == strlen(word) && strncasecmp(t.at, word, t.length) == 0;
}

bool text_starts(struct text t, const char *word)
{
    size_t n = strlen(word);
    return t.length >= n && strncasecmp(t.at, word, n) == 0;
}

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {202, "Accepted"},
    {400, "Bad Request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

static struct text trim(struct text t)
{
    while (t.length && (*t.at == ' ' || *t.at == '\t'))
        t.at++, t.length--;
    while (t.length && (t.at[t.length - 1] == ' ' || t.at[t.length - 1] == '\t'))
        t.length--;
    return t;
}

/* The text up to `stop`, which is skipped; all of the rest when there is none. */
static struct text take(struct text *rest, char stop)
{
    const char *end = rest->length ? memchr(rest->at, stop, rest->length) : NULL;
    struct text t = {rest->at, end ? (size_t)(end - rest->at) : rest->length};
    size_t skip = t.length + (end ? 1 : 0);
    rest->at += skip;
    rest->length -= skip;
    return t;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 9110 section 5.6.2 */
static bool is_token(struct text t)
{
    for (size_t i = 0; i < t.length; i++)
        if (!is_alphanumeric(t.at[i]) && (!t.at[i] || !strchr("!#$%&'*+-.^_`|~", t.at[i])))
            return false;
    return t.length > 0;
}

static int read_decimal(struct text t, uint64_t *out)
{
    uint64_t v = 0;
    if (t.length == 0)
        return 400;
    for (size_t i = 0; i < t.length; i++) {
        if (t.at[i] < '0' || t.at[i] > '9')
            return 400;
        v = v * 10 + (uint64_t)(t.at[i] - '0');
        if (v > UINT64_C(1) << 53)
            return 413;
    }
    *out = v;
    return HTTP_DONE;
}

/* ---- fields that matter, a row each ---- */

static int field_length(struct http_head *h, struct text value)
{
    if (h->has_body_length) /* twice: where the request ends is a matter of opinion */
        return 400;
    h->has_body_length = true;
    return read_decimal(value, &h->body_length);
}

static int field_transfer(struct http_head *h, struct text value)
{
    if (h->transfer_coding.length || h->minor == 0)
        return 400;
    h->transfer_coding = value;
    return text_is(value, "chunked") ? HTTP_DONE : 501;
}

static int field_encoding(struct http_head *h, struct text value)
{
    (void)h;
    return text_is(value, "identity") ? HTTP_DONE : 415;
}

static int field_expect(struct http_head *h, struct text value)
{
    h->expects_continue = text_is(value, "100-continue");
    return h->expects_continue ? HTTP_DONE : 417;
}

static int field_connection(struct http_head *h, struct text value)
{
    while (value.length) {
        struct text option = trim(take(&value, ','));
        if (text_is(option, "close"))
            h->keep_alive = false;
        else if (text_is(option, "keep-alive"))
            h->keep_alive = true;
    }
    return HTTP_DONE;
}

static int field_host(struct http_head *h, struct text value)
{
    for (size_t i = 0; i < value.length; i++)
        if (!is_alphanumeric(value.at[i]) && (!value.at[i] || !strchr(".-:[]_", value.at[i])))
            return 400;
    if (h->host.length || value.length > 255)
        return 400;
    h->host = value;
    return HTTP_DONE;
}

/* boundary=… of RFC 2046, quoted or not. */
static int field_type(struct http_head *h, struct text value)
{
    struct text rest = value;
    if (h->content_type.length)
        return 400;
    h->content_type = trim(take(&rest, ';'));
    if (!text_starts(h->content_type, "multipart/"))
        return HTTP_DONE;
    while (rest.length) {
        struct text parameter = trim(rest);
        struct text name = trim(take(&parameter, '='));
        bool quoted = parameter.length && *parameter.at == '"';
        if (quoted)
            parameter.at++, parameter.length--;
        struct text inside = take(&parameter, quoted ? '"' : ';');
        if (text_is(name, "boundary"))
            h->boundary = inside;
        if (quoted)
            (void)take(&parameter, ';');
        rest = parameter;
    }
    return h->boundary.length && h->boundary.length <= HTTP_BOUNDARY_MOST ? HTTP_DONE : 400;
}

static int field_action(struct http_head *h, struct text value)
{
    h->soap_action = value;
    return HTTP_DONE;
}

static const struct {
    const char *name;
    int (*read)(struct http_head *h, struct text value);
} fields[] = {
    {"content-length", field_length},     {"transfer-encoding", field_transfer},
    {"content-encoding", field_encoding}, {"expect", field_expect},
    {"connection", field_connection},     {"host", field_host},
    {"content-type", field_type},         {"soapaction", field_action},
};

static int read_field(struct http_head *h, struct text line)
{
    const char *colon = memchr(line.at, ':', line.length);
    struct text name = take(&line, ':');
    if (!colon || !is_token(name))
        return 400;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (text_is(name, fields[i].name))
            return fields[i].read(h, trim(line));
    return HTTP_DONE;
}

static int read_request_line(struct http_head *h, struct text line)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {{"GET", HTTP_GET}, {"HEAD", HTTP_HEAD}, {"POST", HTTP_POST}};
    struct text method = take(&line, ' '), target = take(&line, ' ');
    if (!is_token(method) || target.length == 0 || *target.at != '/')
        return 400;
    if (line.length != 8 || memcmp(line.at, "HTTP/", 5) != 0)
        return 400;
    if (memcmp(line.at, "HTTP/1.", 7) != 0)
        return 505;
    h->minor = line.at[7] == '0' ? 0 : 1;
    h->keep_alive = h->minor > 0;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (method.length == strlen(methods[i].name) &&
            memcmp(method.at, methods[i].name, method.length) == 0)
            h->method = methods[i].method;
    h->path = take(&target, '?');
    h->query = target;
    return HTTP_DONE;
}

/* No control characters but the tab, in lines that may be cut short by the end of the buffer. */
static bool is_clean(const char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)at[i] < 0x20 && at[i] != '\t') || at[i] == 0x7f)
            return false;
    return true;
}

/* The next line, without its CR LF; false when its end is not here yet. */
static bool next_line(const char *bytes, size_t length, size_t *at, struct text *line)
{
    const char *start = bytes + *at;
    const char *end = length > *at ? memchr(start, '\n', length - *at) : NULL;
    if (!end)
        return false;
    *at += (size_t)(end - start) + 1;
    *line = (struct text){start, (size_t)(end - start)};
    if (line->length && line->at[line->length - 1] == '\r')
        line->length--;
    return true;
}

/* Whether an unfinished first line can still become "METHOD /…": so that what is no HTTP at all is
 * refused at once instead of waited for. */
static bool may_be_http(const char *bytes, size_t length)
{
    size_t n = 0;
    while (n < length && bytes[n] >= 'A' && bytes[n] <= 'Z')
        n++;
    if (n == length)
        return n <= 16;
    return n > 0 && bytes[n] == ' ' && (n + 1 >= length || bytes[n + 1] == '/');
}

int http_head_read(const char *bytes, size_t length, struct http_head *head)
{
    size_t at = 0, fields_seen = 0;
    struct text line;
    int status;
    *head = (struct http_head){0};
    if (!may_be_http(bytes, length))
        return 400;
    for (size_t lines = 0; next_line(bytes, length, &at, &line); lines++) {
        if (at > HTTP_HEAD_MOST || (lines && line.length && ++fields_seen > HTTP_FIELDS_MOST))
            return 431;
        if (!is_clean(line.at, line.length))
            return 400;
        if (lines && line.length == 0) {
            head->length = at;
            if (head->has_body_length && head->transfer_coding.length)
                return 400; /* where it ends is a matter of opinion */
            if (head->method == HTTP_POST && !head->has_body_length &&
                !head->transfer_coding.length)
                return 411;
            return HTTP_DONE;
        }
        status = lines ? read_field(head, line) : read_request_line(head, line);
        if (status != HTTP_DONE)
            return status;
    }
    if (length - at && bytes[length - 1] == '\r')
        length--;
    if (!is_clean(bytes + at, length - at))
        return 400;
    return length > HTTP_HEAD_MOST ? 431 : HTTP_MORE;
}
