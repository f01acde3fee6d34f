/* park.c - see park.h. Neighbours: ingest.c parks sets, and takes them out when a template
 * comes. */
#include "ingest/park.h"
#include <stdlib.h>
#include <string.h>

static uint64_t octets_of(const struct parked *p)
{
    return sizeof *p + p->length;
}

static void link_in(struct park *park, struct parked *p)
{
    struct session *s = p->message.session;
    p->before = park->newest;
    *(park->newest ? &park->newest->after : &park->oldest) = p;
    park->newest = p;
    *(s->parked_last ? &s->parked_last->session_next : &s->parked_first) = p;
    s->parked_last = p;
    park->octets += octets_of(p);
}

struct parked *park_put(struct park *park, const struct message *m, uint16_t template_id,
                        const struct cursor *content, void (*give_up)(void *, struct parked *),
                        void *context)
{
    size_t length = cursor_left(content);
    if (sizeof(struct parked) + length > park->octets_most)
        return NULL;
    while (park->octets + sizeof(struct parked) + length > park->octets_most)
        give_up(context, park->oldest);
    struct parked *p = malloc(sizeof *p + length);
    if (!p)
        return NULL;
    *p = (struct parked){.message = *m, .template_id = template_id, .length = (uint32_t)length};
    if (length)
        memcpy(p->bytes, content->at, length);
    link_in(park, p);
    return p;
}

static void unlink_from_session(struct parked *p)
{
    struct session *s = p->message.session;
    struct parked *before = NULL, **at = &s->parked_first;
    while (*at != p) {
        before = *at;
        at = &before->session_next;
    }
    *at = p->session_next;
    if (s->parked_last == p)
        s->parked_last = before;
}

void park_remove(struct park *park, struct parked *p)
{
    *(p->before ? &p->before->after : &park->oldest) = p->after;
    *(p->after ? &p->after->before : &park->newest) = p->before;
    unlink_from_session(p);
    park->octets -= octets_of(p);
}

void park_free_one(struct parked *p)
{
    free(p);
}

struct parked *park_find(const struct session *s, uint16_t template_id)
{
    struct parked *p = s->parked_first;
    while (p && p->template_id != template_id)
        p = p->session_next;
    return p;
}
