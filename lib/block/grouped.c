/* grouped.c - a column a group at a time (block.h, column_groups_open()): packed values, less those
 * of a base where there is one, each group while it is in the first-level cache. Uses packed.c. */
#include "block/codec.h"

struct column_groups {
    const struct block_column *column;
    const struct vector *base; /* NULL: none */
    struct cursor in;
    struct packed_reader reader;
    uint32_t done; /* rows */
};

/* Whole groups may be read of it: what lies past its rows is never used. */
static bool can_be_base(const struct vector *v, uint32_t rows)
{
    return v->width == 8 && v->rows == rows && v->form != VECTOR_ENCODED;
}

bool column_can_group(const struct block_column *c)
{
    return (c->codec == CODEC_FOR || c->codec == CODEC_RELATIVE) && c->width == 8 &&
           c->present_rows == c->rows;
}

enum weir_status column_groups_open(const struct block_column *c, const struct vector *base,
                                    struct arena *a, struct column_groups **out,
                                    struct weir_error *error)
{
    struct cursor in = cursor_over(c->bytes, c->length);
    *out = NULL;
    enum weir_status s = column_check(c, base, error);
    if (s != WEIR_OK)
        return s;
    if (c->codec == CODEC_RELATIVE && (!can_be_base(base, c->rows) || cursor_u8(&in) != CODEC_FOR))
        return WEIR_OK;
    struct column_groups *g = arena_alloc(a, sizeof *g);
    if (!g)
        return column_fail(c, WEIR_ENOMEM, weir_status_text(WEIR_ENOMEM), error);
    *g = (struct column_groups){.column = c, .in = in};
    g->base = c->codec == CODEC_RELATIVE ? base : NULL;
    s = packed_open(&g->in, 8, &g->reader);
    if (s != WEIR_OK)
        return column_fail(c, s, weir_status_text(s), error);
    *out = g;
    return WEIR_OK;
}

enum weir_status column_groups_next(struct column_groups *g, uint64_t values[COLUMN_GROUP],
                                    uint32_t *count, struct weir_error *error)
{
    uint32_t left = g->column->rows - g->done;
    *count = left < COLUMN_GROUP ? left : COLUMN_GROUP;
    if (!*count)
        return WEIR_OK;
    uint64_t room[COLUMN_GROUP];
    enum weir_status s = packed_next(&g->reader, &g->in, *count, g->base ? room : values);
    if (s == WEIR_OK && left <= COLUMN_GROUP && cursor_left(&g->in))
        s = WEIR_EMALFORMED;
    if (s != WEIR_OK)
        return column_fail(g->column, s, weir_status_text(s), error);
    if (g->base)
        less_than_base(g->base, g->done, *count, room, values);
    g->done += *count;
    return WEIR_OK;
}
