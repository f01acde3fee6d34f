/* places.c - see places.h. Rows come in runs of one exporter and domain, so these are looked up
 * where they change. Neighbour: selection.c. */
#include "select/places.h"
#include <stdlib.h>
#include <string.h>

struct point {
    uint32_t place, interface; /* place: index + 1; 0: free slot */
    uint8_t role;
};

#define EVERY_DOMAIN (UINT64_C(1) << 32) /* behind all numbers of domains */

struct place {
    struct address device;
    uint64_t domain;
    /* Places of policies + 1; 0: none. */
    uint16_t policy;   /* the one of this scope */
    uint16_t implied;  /* EVERY_DOMAIN: what the device's domains come to */
    uint16_t in_force;
};

struct places {
    struct place *places;
    size_t count;
    uint32_t *slots; /* index + 1 */
    size_t slot_count;
    struct point *points; /* open hash */
    size_t point_slots;
    uint16_t everywhere;  /* the policy of every exporter */
};

/* ---- look-ups ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 31;
}

/* The slot of a domain: its own, or the free one where it belongs. */
static uint32_t *slot_of(const struct places *p, const uint8_t device[16], uint64_t domain)
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

static uint32_t add_place(struct places *p, const struct address *device, uint64_t domain)
{
    uint32_t *slot = slot_of(p, device->octets, domain);
    if (!*slot) {
        p->places[p->count++] = (struct place){.device = *device, .domain = domain};
        *slot = (uint32_t)p->count;
    }
    return *slot;
}

struct compiled { /* policies, with room behind them */
    struct policy *list;
    size_t count, given; /* those of the snapshot are the given ones */
};

/* Lets *number stand for `other`, too: joined in a policy of its own as soon as there are two. */
static enum weir_status join(struct compiled *c, uint16_t *number, uint16_t other,
                             struct weir_error *error)
{
    if (!*number || !other) {
        *number = *number ? *number : other;
        return WEIR_OK;
    }
    if (*number <= c->given) {
        c->list[c->count++] = c->list[*number - 1];
        *number = (uint16_t)c->count;
    }
    return policy_join(&c->list[*number - 1], &c->list[other - 1], error);
}

static enum weir_status add_policy(struct places *p, const struct domain_policy *policy,
                                   uint16_t number, struct compiled *c, struct weir_error *error)
{
    if (policy->scope == POLICY_ALL) {
        p->everywhere = number;
        return WEIR_OK;
    }
    uint32_t device = add_place(p, &policy->device, EVERY_DOMAIN);
    if (policy->scope == POLICY_DEVICE) {
        p->places[device - 1].policy = number;
        return WEIR_OK;
    }
    p->places[add_place(p, &policy->device, policy->domain) - 1].policy = number;
    return join(c, &p->places[device - 1].implied, number, error);
}

/* Exceptions do nothing: they were there to come before wider policies. */
static uint16_t hiding(const struct compiled *c, uint16_t number)
{
    return number && c->list[number - 1].how.method == ANONYMISE_EXEMPT ? 0 : number;
}

static enum weir_status put_in_force(struct places *p, struct place *place, struct compiled *c,
                                     struct weir_error *error)
{
    uint32_t device = *slot_of(p, place->device.octets, EVERY_DOMAIN);
    uint16_t wider = device ? p->places[device - 1].policy : 0;
    place->in_force = place->policy ? place->policy : wider ? wider : p->everywhere;
    if (place->domain != EVERY_DOMAIN || wider)
        return WEIR_OK;
    place->in_force = place->implied;
    return join(c, &place->in_force, p->everywhere, error);
}

static enum weir_status fill(struct places *p, const struct catalogue_snapshot *s,
                             struct compiled *c, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < s->policy_count; i++)
        status = add_policy(p, &s->policies[i], (uint16_t)(i + 1), c, error);
    for (size_t i = 0; i < s->domain_count; i++)
        (void)add_place(p, &s->domains[i].device, s->domains[i].domain);
    for (size_t i = 0; i < s->point_count; i++) {
        const struct observation_point *from = &s->points[i];
        uint32_t place = add_place(p, &from->device, from->domain);
        *point_of(p, place, from->interface) =
            (struct point){place, from->interface, (uint8_t)from->role};
    }
    for (size_t i = 0; status == WEIR_OK && i < p->count; i++) {
        status = put_in_force(p, &p->places[i], c, error);
        p->places[i].in_force = hiding(c, p->places[i].in_force);
    }
    p->everywhere = hiding(c, p->everywhere);
    return status;
}

static size_t slots_for(size_t count)
{
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

/* Each policy may be of another device, whose entry it makes: at most one joined policy each. */
size_t places_policies_most(const struct catalogue_snapshot *snapshot)
{
    return snapshot->policy_count;
}

enum weir_status places_new(const struct catalogue_snapshot *snapshot, struct policy *policies,
                            size_t *policy_count, struct places **out, struct weir_error *error)
{
    size_t most =
        2 * snapshot->policy_count + snapshot->domain_count + snapshot->point_count;
    struct compiled compiled = {policies, *policy_count, *policy_count};
    struct places *p = calloc(1, sizeof *p);
    *out = NULL;
    if (snapshot->policy_count >= (UINT16_MAX - FLOW_TYPES_MOST) / 2) {
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
    enum weir_status status = fill(p, snapshot, &compiled, error);
    *policy_count = compiled.count;
    if (status != WEIR_OK)
        places_free(p);
    else
        *out = p;
    return status;
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

static uint16_t policy_at(const struct places *p, uint32_t place, const uint8_t device[16])
{
    if (!place)
        place = *slot_of(p, device, EVERY_DOMAIN);
    return place ? p->places[place - 1].in_force : p->everywhere;
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
    uint16_t policy = 0;
    for (uint32_t row = 0; row < batch_rows(b); row++) {
        if (row == 0 || domains[row] != domains[row - 1] ||
            memcmp(exporters[row], exporters[row - 1], 16) != 0) {
            place = *slot_of(p, exporters[row], domains[row]);
            policy = policy_at(p, place, exporters[row]);
        }
        if (policy)
            policies[row] = policy;
        if (roles && place)
            mark_row(p, &in, place, roles, row);
    }
}
