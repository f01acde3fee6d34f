/* places.c - see places.h. Rows come in runs of one exporter and domain, so these are looked up
 * where they change. Neighbour: selection.c. */
#include "select/places.h"
#include <stdlib.h>
#include <string.h>

struct point {
    uint32_t place, interface; /* place: index + 1; 0: free slot */
    uint8_t role;
};

struct place {
    struct address device;
    uint32_t domain;
    uint16_t policy; /* its place in the snapshot + 1; 0: none */
};

struct places {
    struct place *places;
    size_t count;
    uint32_t *slots; /* index + 1 */
    size_t slot_count;
    struct point *points; /* open hash */
    size_t point_slots;
};

/* ---- look-ups ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 31;
}

/* The slot of a domain: its own, or the free one where it belongs. */
static uint32_t *slot_of(const struct places *p, const uint8_t device[16], uint32_t domain)
{
    uint64_t halves[2];
    memcpy(halves, device, 16);
    size_t at = (size_t)mix(mix(mix(0, halves[0]), halves[1]), domain) & (p->slot_count - 1);
    for (; p->slots[at]; at = (at + 1) & (p->slot_count - 1)) {
        const struct place *place = &p->places[p->slots[at] - 1];
        if (place->domain == domain && memcmp(place->device.octets, device, 16) == 0)
            break;
    }
    return &p->slots[at];
}

static struct point *point_of(const struct places *p, uint32_t place, uint32_t interface)
{
    size_t at = (size_t)mix(place, interface) & (p->point_slots - 1);
    while (p->points[at].place &&
           (p->points[at].place != place || p->points[at].interface != interface))
        at = (at + 1) & (p->point_slots - 1);
    return &p->points[at];
}

/* ---- making ---- */

static uint32_t add_place(struct places *p, const struct address *device, uint32_t domain)
{
    uint32_t *slot = slot_of(p, device->octets, domain);
    if (!*slot) {
        p->places[p->count++] = (struct place){.device = *device, .domain = domain};
        *slot = (uint32_t)p->count;
    }
    return *slot;
}

static void fill(struct places *p, const struct catalogue_snapshot *s)
{
    for (size_t i = 0; i < s->policy_count; i++) {
        uint32_t place = add_place(p, &s->policies[i].device, s->policies[i].domain);
        p->places[place - 1].policy = (uint16_t)(i + 1);
    }
    for (size_t i = 0; i < s->point_count; i++) {
        const struct observation_point *from = &s->points[i];
        uint32_t place = add_place(p, &from->device, from->domain);
        *point_of(p, place, from->interface) =
            (struct point){place, from->interface, (uint8_t)from->role};
    }
}

static size_t slots_for(size_t count)
{
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

enum weir_status places_new(const struct catalogue_snapshot *snapshot, struct places **out,
                            struct weir_error *error)
{
    size_t most = snapshot->policy_count + snapshot->point_count;
    struct places *p = calloc(1, sizeof *p);
    *out = NULL;
    if (snapshot->policy_count >= UINT16_MAX / 2) {
        free(p);
        return weir_fail(error, WEIR_ELIMIT, NULL, "%zu policies of anonymisation are too many",
                         snapshot->policy_count);
    }
    if (p) {
        p->slot_count = slots_for(most);
        p->point_slots = slots_for(snapshot->point_count);
        p->places = calloc(most + 1, sizeof *p->places);
        p->slots = calloc(p->slot_count, sizeof *p->slots);
        p->points = calloc(p->point_slots, sizeof *p->points);
    }
    if (!p || !p->places || !p->slots || !p->points) {
        places_free(p);
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for observation points");
    }
    fill(p, snapshot);
    *out = p;
    return WEIR_OK;
}

void places_free(struct places *p)
{
    if (!p)
        return;
    free(p->places);
    free(p->slots);
    free(p->points);
    free(p);
}

/* ---- a batch ---- */

static struct column *find(struct batch *b, ie_key key)
{
    for (size_t i = 0; i < batch_column_count(b); i++)
        if (batch_column_at(b, i)->key == key && batch_column_at(b, i)->present_rows)
            return batch_column_at(b, i);
    return NULL;
}

struct interfaces { /* columns; NULL: absent */
    const struct column *ingress, *egress, *direction;
};

static bool has(const struct column *c, uint32_t row)
{
    return c && (c->present[row / 64] >> row % 64 & 1);
}

static uint64_t number_at(const struct column *c, uint32_t row)
{
    switch (c->width) {
    case 1:
        return ((const uint8_t *)c->values)[row];
    case 2:
        return ((const uint16_t *)c->values)[row];
    case 4:
        return ((const uint32_t *)c->values)[row];
    case 8:
        return ((const uint64_t *)c->values)[row];
    default:
        return UINT64_MAX;
    }
}

/* Where the record was metered; false when it does not say. */
static bool interface_at(const struct interfaces *in, uint32_t row, uint32_t *out)
{
    bool egress = has(in->direction, row) && number_at(in->direction, row) == 1;
    const struct column *c = egress ? in->egress : in->ingress;
    uint64_t number = has(c, row) ? number_at(c, row) : UINT64_MAX;
    *out = (uint32_t)number;
    return number <= UINT32_MAX;
}

static uint8_t role_at(const struct places *p, const struct interfaces *in, uint32_t place,
                       uint32_t row)
{
    uint32_t interface;
    if (!place || !interface_at(in, row, &interface))
        return ROLE_UNKNOWN;
    return point_of(p, place, interface)->role; /* of a free slot: unknown */
}

static void mark_row(const struct places *p, const struct interfaces *in, uint32_t place,
                     struct column *roles, uint32_t row)
{
    uint8_t role = role_at(p, in, place, row);
    if (role == ROLE_UNKNOWN)
        return;
    ((uint8_t *)roles->values)[row] = role;
    roles->present_rows += !has(roles, row);
    roles->present[row / 64] |= UINT64_C(1) << row % 64;
}

/* NULL: nothing to fill. */
static struct column *role_column(struct batch *b)
{
    size_t index;
    if (batch_kind(b) != RECORD_FLOW ||
        batch_column(b, WEIR_OBSERVATION_ROLE, 1, &index) != WEIR_OK)
        return NULL;
    return batch_column_at(b, index);
}

void places_mark(const struct places *p, struct batch *b, uint16_t *policies)
{
    struct column *roles = role_column(b);
    const struct column *exporter = find(b, WEIR_EXPORTER), *domain = find(b, WEIR_DOMAIN);
    /* RFC 5102: ingressInterface, egressInterface, flowDirection (1: egress) */
    struct interfaces in = {find(b, IANA(10)), find(b, IANA(14)), find(b, IANA(61))};
    if (!exporter || !domain || exporter->width != 16 || domain->width != 4)
        return;
    const uint8_t(*exporters)[16] = exporter->values;
    const uint32_t *domains = domain->values;
    uint32_t place = 0;
    for (uint32_t row = 0; row < batch_rows(b); row++) {
        if (row == 0 || domains[row] != domains[row - 1] ||
            memcmp(exporters[row], exporters[row - 1], 16) != 0)
            place = *slot_of(p, exporters[row], domains[row]);
        if (!place)
            continue;
        if (p->places[place - 1].policy)
            policies[row] = p->places[place - 1].policy;
        if (roles)
            mark_row(p, &in, place, roles, row);
    }
}
