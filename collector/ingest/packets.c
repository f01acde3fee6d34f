/* packets.c - see packets.h. */
#include "ingest/packets.h"
#include "wire/dissect.h"

enum weir_status packets_bind(struct batch *b)
{
    return batch_column_count(b) + WIRE_VALUE_COUNT > BATCH_COLUMNS_MOST ? WEIR_ELIMIT : WEIR_OK;
}

static uint64_t number(struct batch *b, const struct wire_template *t, int field, uint32_t row)
{
    if (field < 0)
        return UINT64_MAX;
    const struct column *c = batch_column_at(b, t->fields[field].column);
    const struct vector v = {.width = c->width, .values = c->values};
    return c->width >= 1 && c->width <= 8 ? vector_u64(&v, row) : UINT64_MAX;
}

/* The octets of the packet in this row; none when the field holds something else. */
static struct octets section_of(struct batch *b, const struct known_template *known, uint32_t row)
{
    const struct column *c = batch_column_at(b, known->wire->fields[known->plan.section].column);
    if (c->width)
        return (struct octets){0};
    struct octets section = ((const struct octets *)c->values)[row];
    uint64_t exported = number(b, known->wire, known->plan.exported, row);
    if (exported < section.length)
        section.length = (uint32_t)exported;
    return section;
}

/* The element in the record is the record's own word. */
static void leave_out_known(struct wire_values *v, const struct wire_template *t)
{
    for (unsigned which = 0; which < WIRE_VALUE_COUNT; which++)
        if (wire_has(v, which) && wire_template_find(t, wire_value_key(which)) >= 0)
            v->present[which / 64] &= ~(UINT64_C(1) << (which % 64));
}

static uint64_t octets_of(const struct wire_values *v, struct batch *b,
                          const struct wire_template *t, uint32_t row)
{
    if (wire_has(v, V_IP_LENGTH))
        return v->at[V_IP_LENGTH].number;
    uint64_t frame = number(b, t, wire_template_find(t, IANA(312)), row);
    return frame == UINT64_MAX ? 0 : frame;
}

static bool dissect(const struct record_plan *plan, struct octets section, struct wire_values *v)
{
    uint32_t link = plan->section_link;
    if (link == DISSECT_IPV4 && section.length && section.bytes[0] >> 4 == 6)
        link = DISSECT_IPV6;
    wire_values_clear(v);
    return section.length && dissect_packet(v, link, cursor_over(section.bytes, section.length));
}

void packets_dissect(const struct known_template *known, const struct derived_columns *derived,
                     struct wire_columns *columns, struct batch *b, uint32_t first, uint32_t rows,
                     struct derived_sums *sums)
{
    struct wire_values v;
    for (uint32_t row = first; row < first + rows; row++) {
        if (!dissect(&known->plan, section_of(b, known, row), &v))
            continue;
        uint64_t octets = octets_of(&v, b, known->wire, row);
        leave_out_known(&v, known->wire);
        if (wire_values_put(&v, columns, b, row) != WEIR_OK)
            continue;
        ((uint64_t *)batch_column_at(b, derived->index[D_OCTETS])->values)[row] = octets;
        ((uint64_t *)batch_column_at(b, derived->index[D_PACKETS])->values)[row] = 1;
        sums->octets += octets;
        sums->packets += 1;
    }
}
