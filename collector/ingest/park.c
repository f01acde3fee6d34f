/* park.c - see park.h. Neighbours: ingest.c parks sets, and takes them out when a template
 * comes. */
#include "ingest/park.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t octets_of(const struct parked *p)
{
    return sizeof *p + p->length;
}

static bool make_chains(struct park *park)
{
    if (park->chains)
        return true;
    if (getrandom(&park->seed, sizeof park->seed, GRND_NONBLOCK) != sizeof park->seed)
        park->seed = (uint64_t)(uintptr_t)park; /* early at boot: better than nothing */
    park->chains = calloc(PARK_CHAINS, sizeof *park->chains);
    return park->chains != NULL;
}

static struct park_chain *chain_of(const struct park *park, const struct session *s,
                                   uint16_t template_id)
{
    uint64_t h = (park->seed ^ (uint64_t)(uintptr_t)s) * UINT64_C(0xd6e8feb86659fd93);
    h = (h ^ h >> 32 ^ template_id) * UINT64_C(0x9e3779b97f4a7c15);
    return &park->chains[h >> 32 & (PARK_CHAINS - 1)];
}

static void link_in(struct park *park, struct parked *p)
{
    struct session *s = p->message.session;
    struct park_chain *chain = chain_of(park, s, p->template_id);
    p->before = park->newest;
    *(park->newest ? &park->newest->after : &park->oldest) = p;
    park->newest = p;
    p->session_before = s->parked_last;
    *(s->parked_last ? &s->parked_last->session_after : &s->parked_first) = p;
    s->parked_last = p;
    p->chain_before = chain->newest;
    *(chain->newest ? &chain->newest->chain_after : &chain->oldest) = p;
    chain->newest = p;
    park->octets += octets_of(p);
}

struct parked *park_put(struct park *park, const struct message *m, uint16_t template_id,
                        const struct cursor *content, void (*give_up)(void *, struct parked *),
                        void *context)
{
    size_t length = cursor_left(content);
    if (sizeof(struct parked) + length > park->octets_most || !make_chains(park))
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

void park_remove(struct park *park, struct parked *p)
{
    struct session *s = p->message.session;
    struct park_chain *chain = chain_of(park, s, p->template_id);
    *(p->before ? &p->before->after : &park->oldest) = p->after;
    *(p->after ? &p->after->before : &park->newest) = p->before;
    *(p->session_before ? &p->session_before->session_after : &s->parked_first) = p->session_after;
    *(p->session_after ? &p->session_after->session_before : &s->parked_last) = p->session_before;
    *(p->chain_before ? &p->chain_before->chain_after : &chain->oldest) = p->chain_after;
    *(p->chain_after ? &p->chain_after->chain_before : &chain->newest) = p->chain_before;
    park->octets -= octets_of(p);
}

void park_free_one(struct parked *p)
{
    free(p);
}

void park_free(struct park *park)
{
    for (struct parked *p = park->oldest, *after; p; p = after) {
        after = p->after;
        park_free_one(p);
    }
    free(park->chains);
}

struct parked *park_find(const struct park *park, const struct session *s, uint16_t template_id)
{
    struct parked *p = park->chains ? chain_of(park, s, template_id)->oldest : NULL;
    while (p && (p->template_id != template_id || p->message.session != s))
        p = p->chain_after;
    return p;
}
