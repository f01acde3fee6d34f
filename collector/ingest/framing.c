/* framing.c - see framing.h. Neighbours: stream.c reads from connections and feeds what it
 * reads. */
#include "ingest/framing.h"
#include "base/cursor.h"
#include "wire/ipfix.h"
#include <stdlib.h>

#define IPFIX_VERSION 10
#define ROOM_LEAST    64u

/* What is known of a header, from its first octets: how long the message is at least. 0: it is
 * none. */
static uint32_t length_from(const uint8_t *head, size_t have)
{
    if ((have >= 1 && head[0] != 0) || (have >= 2 && head[1] != IPFIX_VERSION))
        return 0;
    if (have < 4)
        return IPFIX_HEADER;
    uint32_t length = load_be16(head + 2);
    return length < IPFIX_HEADER ? 0 : length;
}

static bool make_room(struct framing *f, uint32_t octets)
{
    if (octets <= f->room)
        return true;
    uint32_t room = f->room ? 2 * f->room : ROOM_LEAST;
    if (room > FRAMING_MOST)
        room = FRAMING_MOST;
    if (room < octets)
        room = octets;
    uint8_t *more = realloc(f->begun, room);
    if (!more)
        return false;
    f->begun = more;
    f->room = room;
    return true;
}

/* Takes what the message that was begun still lacks, or what there is of it. */
static enum weir_status go_on(struct framing *f, struct cursor *in, framing_message each,
                              void *context)
{
    while (cursor_left(in)) {
        uint32_t whole = length_from(f->begun, f->have);
        if (!whole)
            return WEIR_EMALFORMED;
        /* The length is read before anything behind it: a header costs little, a length can lie. */
        uint32_t wanted = f->have < 4 ? 4 : whole;
        size_t take = wanted - f->have;
        if (take > cursor_left(in))
            take = cursor_left(in);
        if (!make_room(f, f->have + (uint32_t)take))
            return WEIR_ENOMEM;
        memcpy(f->begun + f->have, cursor_bytes(in, take), take);
        f->have += (uint32_t)take;
        if (f->have < 4 || f->have < length_from(f->begun, f->have))
            continue;
        if (!length_from(f->begun, f->have))
            return WEIR_EMALFORMED;
        each(context, f->begun, f->have);
        framing_free(f);
        return WEIR_OK;
    }
    return length_from(f->begun, f->have) ? WEIR_OK : WEIR_EMALFORMED;
}

enum weir_status framing_feed(struct framing *f, const uint8_t *octets, size_t length,
                              framing_message each, void *context)
{
    struct cursor in = cursor_over(octets, length);
    enum weir_status status = WEIR_OK;
    while (cursor_left(&in) && status == WEIR_OK) {
        uint32_t whole = length_from(in.at, cursor_left(&in));
        if (f->have || !whole || cursor_left(&in) < 4 || cursor_left(&in) < whole)
            status = go_on(f, &in, each, context);
        else
            each(context, cursor_bytes(&in, whole), whole);
    }
    return status;
}

void framing_free(struct framing *f)
{
    free(f->begun);
    *f = (struct framing){0};
}
