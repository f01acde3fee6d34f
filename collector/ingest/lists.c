/* lists.c - see lists.h. */
#include "ingest/lists.h"
#include "flow/structured.h"

/* As flow/structured.h has it. */
static bool define(void *context, uint16_t id, struct buffer *definitions)
{
    const struct known_template *k = templates_find(context, id);
    if (!k)
        return false;
    buffer_put_u16be(definitions, id);
    buffer_put_u16be(definitions, k->wire->field_count);
    for (uint16_t i = 0; i < k->wire->field_count; i++) {
        ie_key key = k->wire->fields[i].key;
        buffer_put_u32be(definitions, ie_key_pen(key));
        buffer_put_u16be(definitions, ie_key_id(key));
        buffer_put_u16be(definitions, ie_key_nth(key));
        buffer_put_u16be(definitions, k->wire->fields[i].length);
    }
    return true;
}

enum weir_status lists_bind(struct batch *b)
{
    size_t index;
    return batch_column(b, WEIR_LIST_TEMPLATES, 0, &index);
}

/* All lists of one row; returns how many stay octets. */
static uint32_t gather(const struct known_template *known, struct templates *templates,
                       struct batch *b, uint32_t row, struct buffer *definitions)
{
    uint32_t plain = 0;
    buffer_clear(definitions);
    for (uint8_t i = 0; i < known->plan.list_count; i++) {
        const struct wire_field *f = &known->wire->fields[known->plan.lists[i]];
        struct octets list = ((const struct octets *)batch_column_at(b, f->column)->values)[row];
        plain += structured_collect(structured_type(f->key), list, define, templates,
                                    definitions) != WEIR_OK;
    }
    return plain;
}

uint32_t lists_describe(const struct known_template *known, struct templates *templates,
                        struct batch *b, uint32_t first, uint32_t rows, struct buffer *room)
{
    size_t column;
    uint32_t plain = 0;
    if (batch_column(b, WEIR_LIST_TEMPLATES, 0, &column) != WEIR_OK)
        return rows * known->plan.list_count;
    for (uint32_t row = first; row < first + rows; row++) {
        plain += gather(known, templates, b, row, room);
        if (room->failed || !room->length)
            continue;
        if (batch_put_octets(b, column, row, room->bytes, (uint32_t)room->length) == WEIR_OK)
            batch_mark(b, column, row, 1);
        else
            plain += known->plan.list_count;
    }
    return plain;
}
