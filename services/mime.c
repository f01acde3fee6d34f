/* mime.c - see mime.h. Called by exchange.c on multipart bodies. */
#include "mime.h"
#include <string.h>

#define DELIMITER_MOST (4 + HTTP_BOUNDARY_MOST) /* CR LF - - boundary */

static const char *find(const char *at, const char *end, const void *what, size_t length)
{
    return at < end ? memmem(at, (size_t)(end - at), what, length) : NULL;
}

static enum weir_status malformed(struct weir_error *error, const char *what)
{
    return weir_fail(error, WEIR_EMALFORMED, NULL, "multipart message: %s", what);
}

/* Whether the delimiter that ends at `at` is the closing one. */
static bool is_closing(const char *at, const char *end)
{
    return end - at >= 2 && at[0] == '-' && at[1] == '-';
}

enum weir_status mime_split(const char *body, size_t length, struct text boundary,
                            struct mime_message *out, struct weir_error *error)
{
    char delimiter[DELIMITER_MOST];
    size_t n = 4 + boundary.length;
    const char *end = body + length;
    if (boundary.length == 0 || boundary.length > HTTP_BOUNDARY_MOST)
        return malformed(error, "bad boundary");
    memcpy(delimiter, "\r\n--", 4);
    memcpy(delimiter + 4, boundary.at, boundary.length);

    /* The first delimiter opens the body; some clients put a CRLF before it. */
    const char *at = length >= 2 && memcmp(body, "\r\n", 2) == 0 ? body + 2 : body;
    if ((size_t)(end - at) < n || memcmp(at, delimiter + 2, n - 2) != 0)
        return malformed(error, "does not begin with its boundary");
    const char *root_end = find(at, end, delimiter, n);
    if (!root_end)
        return malformed(error, "the boundary after the first part is missing");
    *out = (struct mime_message){.root = {body, length}};
    if (is_closing(root_end + n, end))
        return WEIR_OK;

    const char *headers_end = find(root_end + n, end, "\r\n\r\n", 4);
    if (!headers_end)
        return malformed(error, "the attachment's headers do not end");
    const char *start = headers_end + 4;
    /* An empty attachment: the CRLF of the delimiter is the one that ends the headers. */
    const char *stop = find(headers_end + 2, end, delimiter, n);
    if (!stop)
        return malformed(error, "the closing boundary is missing");
    if (!is_closing(stop + n, end))
        return weir_fail(error, WEIR_ELIMIT, NULL, "multipart message: more than one attachment");
    out->root.length = (size_t)(start - body);
    out->attachment = (struct text){start, stop > start ? (size_t)(stop - start) : 0};
    out->has_attachment = true;
    out->closing = (struct text){stop > start ? stop : start, 0};
    out->closing.length = (size_t)(end - out->closing.at);
    return WEIR_OK;
}
