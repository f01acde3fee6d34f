/* sets.h - a message as a row of sets: NetFlow v9 FlowSets (RFC 3954 section 5.2) and IPFIX Sets
 * (RFC 7011 section 3.3) have the same shape, id and length in four octets, length counting
 * them. NETWORK BYTE ORDER. Pure functions; any thread. */
#ifndef WEIR_WIRE_SETS_H
#define WEIR_WIRE_SETS_H

#include "wire/template.h"

#define WIRE_SET_HEADER 4u
#define WIRE_FIRST_DATA_ID 256u /* set ids from here on are templates' numbers */

struct wire_set {
    uint16_t id;
    struct cursor content; /* without the header, padding included */
};

/* The next set; false at the end of the message, or where a length field is impossible (shorter
 * than the header, longer than the message): then cursor_left(message) says how many octets stay
 * unread. */
bool wire_next_set(struct cursor *message, struct wire_set *out);

/* What one record of a template set says. */
struct wire_definition {
    uint16_t id;             /* 2 or 3 with `withdrawn`: all of that kind (RFC 7011 section 8.1) */
    bool withdrawn;          /* the template `id` is no more; `definition` is NULL */
    enum weir_status status; /* why a definition was refused; WEIR_OK otherwise */
    struct wire_template *definition; /* the caller owns it; NULL when withdrawn or refused */
};

/* Reads the next template record of a template set's content. False at its end: what the cursor
 * still holds is padding, or a record cut short (nonzero octets). A refused record is stepped
 * over: the template it defined, and any older one of that id, cannot be used any more. */
typedef bool (*wire_template_reader)(struct cursor *content, struct wire_definition *out);

/* Whether all octets left are zero, as padding must be. */
bool wire_is_padding(const struct cursor *c);

#endif
