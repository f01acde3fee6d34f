/* status.c - the table of statuses and the one way to fill a struct weir_error. Everything in the
 * tree reports failures through here; it depends on nothing but the C library. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *weir_status_text(enum weir_status status)
{
    static const struct {
        enum weir_status status;
        const char *text;
    } rows[] = {
#define WEIR_STATUS_ROW(name, value, text) {name, text},
        WEIR_STATUS_MAP(WEIR_STATUS_ROW)
#undef WEIR_STATUS_ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "unknown error";
}

/* A message quotes bytes from outside; it must stay one line and must not drive a terminal. */
static void make_printable(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

/* A cut may have split a UTF-8 sequence; what is left of it is dropped. */
static void drop_split_tail(char *text, size_t length)
{
    size_t lead = length;
    while (lead > 0 && length - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char first = (unsigned char)text[lead - 1];
    size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    if (want > 1 && length - lead + 1 < want)
        text[lead - 1] = '\0';
}

enum weir_status weir_fail(struct weir_error *error, enum weir_status status, const char *field,
                           const char *format, ...)
{
    if (!error)
        return status;
    error->status = status;
    (void)snprintf(error->field, sizeof error->field, "%s", field ? field : "");
    /* Into a copy: an argument may be error->message itself, when a caller adds context. */
    char message[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length < 0)
        (void)snprintf(message, sizeof message, "%s", weir_status_text(status));
    else if ((size_t)length >= sizeof message)
        drop_split_tail(message, sizeof message - 1);
    make_printable(error->field);
    make_printable(message);
    (void)snprintf(error->message, sizeof error->message, "%s", message);
    return status;
}
