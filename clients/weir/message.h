/* message.h - requests out of words and answers into text, as a schema says; for `weir call`.
 *
 * A parameter is "path=value". The path is the name of an element below the operation's, with dots
 * where types nest: tag.id=1 tag.prefix=10.1.0.0/16 tag.prefix=10.2.0.0/16. A repeated element is a
 * repeated parameter; of repeated elements with members, "name[0].x=…" and "name[1].x=…" tell
 * which. When the operation's only element has members, its name may be left out: id=1. An
 * attribute is named like an element. "@FILE" as the value of binary data (base64Binary) is the
 * file's octets. Weir's times and durations may be written as on the command line: now-15m, 5m. */
#ifndef WEIR_CLIENT_MESSAGE_H
#define WEIR_CLIENT_MESSAGE_H

#include "base/buffer.h"
#include "weir/wsdl.h"

struct parameter {
    const char *path;
    const char *value;
    bool used;
};

/* Splits the words at their first '='; WEIR_EARGUMENT for a word without one. The array is the
 * arena's. */
enum weir_status message_parameters(struct arena *a, char **words, size_t count,
                                    struct parameter **out, struct weir_error *error);

/* The whole envelope. WEIR_EARGUMENT and WEIR_ESYNTAX: a parameter is missing, unknown or
 * malformed; the error's field names it. */
enum weir_status message_write(struct wsdl *w, const struct wsdl_operation *o,
                               struct parameter *parameters, size_t count, struct buffer *out,
                               struct weir_error *error);

struct message_answer {
    xmlDocPtr doc;
    xmlNode *body; /* the element in the body */
};
/* Reads an answer's envelope; the caller frees answer->doc with xmlFreeDoc(). A fault is an error
 * (its text and detail in one line), and so is what is no envelope. */
enum weir_status message_read(struct wsdl *w, const void *bytes, size_t length,
                              struct message_answer *out, struct weir_error *error);

/* The answer as indented lines of "name: value", or as JSON: numbers and booleans by their types,
 * repeated elements as arrays, attributes as members, the text of an element with attributes as
 * "value". */
void message_print_text(struct wsdl *w, const xmlNode *body, struct buffer *out);
void message_print_json(struct wsdl *w, const xmlNode *body, struct buffer *out);

/* What an operation takes: a line a parameter, with type and documentation. */
void message_help(struct wsdl *w, const struct wsdl_operation *o, struct buffer *out);

#endif
