/* sets.c - walking the sets of a message (sets.h). Neighbours: netflow9.c, ipfix.c. */
#include "wire/sets.h"

bool wire_next_set(struct cursor *message, struct wire_set *out)
{
    if (cursor_left(message) < WIRE_SET_HEADER)
        return false;
    struct cursor at = *message;
    out->id = cursor_u16(&at);
    uint16_t length = cursor_u16(&at);
    if (length < WIRE_SET_HEADER || length > cursor_left(message))
        return false;
    out->content = cursor_sub(&at, length - WIRE_SET_HEADER);
    *message = at;
    return true;
}

bool wire_is_padding(const struct cursor *c)
{
    for (size_t i = 0; i < cursor_left(c); i++)
        if (c->at[i])
            return false;
    return true;
}
