/* mime.h - an MTOM message in memory: the SOAP part and its one attachment (XOP, RFC 2387, RFC
 * 2046).
 *
 *   --boundary CRLF  headers CRLF CRLF  <Envelope…>            root
 *   CRLF --boundary CRLF  headers CRLF CRLF                    still root: what gSOAP is given
 *   octets of the attachment                                   attachment: never looked at by gSOAP
 *   CRLF --boundary-- …                                        closing
 *
 * gSOAP reads MIME octet by octet; cutting the attachment out of the message makes a block cost a
 * memory scan instead. The first part must be the root.
 *
 * Pure functions on the caller's bytes; any thread. */
#ifndef WEIR_MIME_H
#define WEIR_MIME_H

#include "base/status.h"
#include "http_head.h"
#include <stdbool.h>
#include <stddef.h>

struct mime_message {
    struct text
        root; /* from the first octet to the attachment's headers, their empty line included */
    struct text attachment; /* may be empty */
    bool has_attachment;    /* false: the message is the root part alone, `root` is all of it */
    struct text closing;    /* from the CRLF before the closing delimiter to the end */
};

/* WEIR_EMALFORMED: no delimiter at the start, no closing delimiter, headers without end.
 * WEIR_ELIMIT: more than one attachment. *out is undefined but after WEIR_OK. */
enum weir_status mime_split(const char *body, size_t length, struct text boundary,
                            struct mime_message *out, struct weir_error *error);

#endif
