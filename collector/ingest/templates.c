/* templates.c - see templates.h. Neighbours: sessions.c owns one a session. */
#include "ingest/templates.h"
#include <stdlib.h>
#include <string.h>

/* The first place whose id is not before `id`. */
static uint32_t lower_bound(const struct templates *all, uint16_t id)
{
    uint32_t low = 0, high = all->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (all->list[middle]->wire->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct known_template *templates_find(struct templates *all, uint16_t id)
{
    if (all->last < all->count && all->list[all->last]->wire->id == id)
        return all->list[all->last];
    uint32_t at = lower_bound(all, id);
    if (at == all->count || all->list[at]->wire->id != id)
        return NULL;
    all->last = at;
    return all->list[at];
}

static int64_t memory_of(const struct known_template *k)
{
    return (int64_t)(sizeof *k + k->wire->memory + k->record_length +
                     (k->biflow ? biflow_memory(k->biflow) : 0));
}

static void free_one(struct known_template *k, int64_t *memory)
{
    *memory -= memory_of(k);
    biflow_free(k->biflow);
    wire_template_free(k->wire);
    free(k->record);
    free(k);
}

static void keep_record(struct known_template *k, const struct template_record *record)
{
    uint8_t *copy = malloc(record->length ? record->length : 1);
    if (copy && record->length)
        memcpy(copy, record->bytes, record->length);
    free(k->record);
    k->record = copy;
    k->record_length = copy ? record->length : 0;
    k->heard_ms = record->heard_ms;
}

/* Takes `wire` for what it now is; what it was is freed already. */
static void become(struct known_template *k, struct wire_template *wire,
                   const struct template_record *record)
{
    k->wire = wire;
    record_plan_make(&k->plan, wire);
    k->biflow = biflow_new(wire);
    keep_record(k, record);
}

static bool grow(struct templates *all)
{
    if (all->count < all->room)
        return true;
    uint32_t room = all->room ? 2 * all->room : 4;
    if (room > TEMPLATES_MOST)
        return false;
    struct known_template **list = realloc(all->list, room * sizeof(void *));
    if (!list)
        return false;
    all->list = list;
    all->room = room;
    return true;
}

static enum template_change insert(struct templates *all, struct wire_template *wire,
                                   const struct template_record *record, int64_t *memory)
{
    struct known_template *k = grow(all) ? calloc(1, sizeof *k) : NULL;
    if (!k) {
        wire_template_free(wire);
        return TEMPLATE_REFUSED;
    }
    uint32_t at = lower_bound(all, wire->id);
    memmove(&all->list[at + 1], &all->list[at], (all->count - at) * sizeof(void *));
    become(k, wire, record);
    all->list[at] = k;
    all->count++;
    *memory += memory_of(k);
    return TEMPLATE_NEW;
}

enum template_change templates_put(struct templates *all, struct wire_template *wire,
                                   const struct template_record *record, int64_t *memory)
{
    struct known_template *known = templates_find(all, wire->id);
    if (!known)
        return insert(all, wire, record, memory);
    known->heard_ms = record->heard_ms;
    if (wire_template_same(known->wire, wire)) {
        wire_template_free(wire);
        return TEMPLATE_SAME;
    }
    *memory -= memory_of(known);
    biflow_free(known->biflow);
    wire_template_free(known->wire);
    become(known, wire, record);
    *memory += memory_of(known);
    return TEMPLATE_REDEFINED;
}

static void remove_at(struct templates *all, uint32_t at, int64_t *memory)
{
    free_one(all->list[at], memory);
    all->count--;
    memmove(&all->list[at], &all->list[at + 1], (all->count - at) * sizeof(void *));
}

bool templates_remove(struct templates *all, uint16_t id, int64_t *memory)
{
    uint32_t at = lower_bound(all, id);
    if (at == all->count || all->list[at]->wire->id != id)
        return false;
    remove_at(all, at, memory);
    return true;
}

uint32_t templates_remove_kind(struct templates *all, enum record_kind kind, int64_t *memory)
{
    uint32_t removed = 0;
    for (uint32_t i = all->count; i-- > 0;)
        if (all->list[i]->wire->kind == kind) {
            remove_at(all, i, memory);
            removed++;
        }
    return removed;
}

void templates_free(struct templates *all, int64_t *memory)
{
    for (uint32_t i = 0; i < all->count; i++)
        free_one(all->list[i], memory);
    free(all->list);
    *all = (struct templates){0};
}
