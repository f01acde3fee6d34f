/* columns.c - loading and decoding on demand; see columns.h. Neighbours: reader_load() brings a
 * column's bytes, column_decode() makes a vector of them. */
#include "query/columns.h"

#include <stdio.h>
#include <string.h>

enum { UNTOUCHED, UNDER_WAY, DECODED };

bool columns_open(struct columns *c, struct reader *r, const struct scan_block *block,
                  struct arena *a)
{
    *c = (struct columns){.reader = r, .block = block, .arena = a};
    c->vectors = arena_alloc(a, block->column_count * sizeof *c->vectors);
    c->states = arena_zero(a, block->column_count);
    return c->vectors && c->states;
}

static uint32_t find(const struct scan_block *b, ie_key key)
{
    for (uint32_t i = 0; i < b->column_count; i++)
        if (b->columns[i].key == key)
            return i;
    return UINT32_MAX;
}

enum weir_status columns_blame(const struct columns *c, enum weir_status status,
                               struct weir_error *error)
{
    if (status == WEIR_ENOMEM)
        return status;
    char text[sizeof error->message], block[32];
    int length = snprintf(block, sizeof block, "block %lld: ", (long long)c->block->stored.rowid);
    snprintf(text, sizeof text, "%s", error ? error->message : "");
    if (status == WEIR_ECHECKSUM || status == WEIR_EMALFORMED || status == WEIR_ETRUNCATED)
        status = WEIR_ECORRUPT;
    bool named = strncmp(text, block, (size_t)length) == 0; /* by the store, or as another's base */
    return weir_fail(error, status, NULL, "%s%.400s", named ? "" : block, text);
}

static enum weir_status decode(struct columns *c, uint32_t at, struct weir_error *error)
{
    /* A copy: the directory is shared with other threads, the bytes are this one's. */
    struct block_column column = c->block->columns[at];
    const struct vector *base = NULL;
    enum weir_status status = WEIR_OK;
    if (c->states[at] == UNDER_WAY)
        return weir_fail(error, WEIR_ECORRUPT, NULL, "a column is relative to itself");
    c->states[at] = UNDER_WAY;
    if (column.codec == CODEC_RELATIVE)
        status = columns_get(c, column.base, &base, error);
    if (status == WEIR_OK)
        status = reader_load(c->reader, c->block->stored.rowid, &column, c->arena, error);
    if (status == WEIR_OK)
        status = column_decode(&column, base, c->arena, &c->vectors[at], error);
    if (status == WEIR_OK && c->vectors[at].rows != c->block->stored.rows)
        status = weir_fail(error, WEIR_ECORRUPT, NULL, "a column has %u rows of %u",
                           c->vectors[at].rows, c->block->stored.rows);
    c->states[at] = status == WEIR_OK ? DECODED : UNTOUCHED;
    return status;
}

enum weir_status columns_get(struct columns *c, ie_key key, const struct vector **out,
                             struct weir_error *error)
{
    uint32_t at = find(c->block, key);
    *out = NULL;
    if (at == UINT32_MAX)
        return WEIR_OK;
    enum weir_status status = c->states[at] == DECODED ? WEIR_OK : decode(c, at, error);
    if (status != WEIR_OK)
        return columns_blame(c, status, error);
    *out = &c->vectors[at];
    return WEIR_OK;
}

/* ---- ranges ---- */

enum weir_status columns_get_encoded(struct columns *c, ie_key key, const struct vector **out,
                                     struct weir_error *error)
{
    uint32_t at = find(c->block, key);
    if (at == UINT32_MAX || c->states[at] != UNTOUCHED ||
        !column_can_filter(&c->block->columns[at]) ||
        c->block->columns[at].rows != c->block->stored.rows)
        return columns_get(c, key, out, error);
    struct block_column column = c->block->columns[at];
    struct vector *v = arena_alloc(c->arena, sizeof *v);
    *out = v;
    if (!v)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory while scanning a block");
    enum weir_status status =
        reader_load(c->reader, c->block->stored.rowid, &column, c->arena, error);
    if (status == WEIR_OK)
        status = column_encoded(&column, c->arena, v, error);
    return status == WEIR_OK ? status : columns_blame(c, status, error);
}

/* ---- groups ---- */

enum weir_status columns_groups(struct columns *c, ie_key key, struct column_groups **out,
                                struct weir_error *error)
{
    const struct vector *base = NULL;
    uint32_t at = find(c->block, key);
    *out = NULL;
    if (at == UINT32_MAX || c->states[at] != UNTOUCHED ||
        !column_can_group(&c->block->columns[at]) ||
        c->block->columns[at].rows != c->block->stored.rows)
        return WEIR_OK;
    struct block_column *column = arena_alloc(c->arena, sizeof *column);
    if (!column)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory while scanning a block");
    *column = c->block->columns[at];
    enum weir_status status = WEIR_OK;
    c->states[at] = UNDER_WAY;
    if (column->codec == CODEC_RELATIVE)
        status = columns_get(c, column->base, &base, error);
    c->states[at] = UNTOUCHED;
    if (status != WEIR_OK)
        return status;
    status = reader_load(c->reader, c->block->stored.rowid, column, c->arena, error);
    if (status == WEIR_OK)
        status = column_groups_open(column, base, c->arena, out, error);
    return status == WEIR_OK ? status : columns_blame(c, status, error);
}

/* ---- sums ---- */

#define SAME_MOST 64u /* octets that a column which is its base takes at most */

/* The column whose values these are: itself, or the base that it is nothing but. UINT32_MAX: none
 * that can be summed. */
static enum weir_status find_summed(struct columns *c, ie_key key, uint32_t *at,
                                    struct weir_error *error)
{
    bool same = false;
    *at = find(c->block, key);
    if (*at == UINT32_MAX || c->block->columns[*at].codec != CODEC_RELATIVE)
        return WEIR_OK;
    struct block_column column = c->block->columns[*at];
    enum weir_status status = WEIR_OK;
    if (column.length <= SAME_MOST && c->states[*at] == UNTOUCHED) {
        status = reader_load(c->reader, c->block->stored.rowid, &column, c->arena, error);
        if (status == WEIR_OK)
            status = column_is_base(&column, c->arena, &same, error);
    }
    *at = same ? find(c->block, column.base) : UINT32_MAX;
    return status;
}

/* It can not reach 2^64: sums over packed columns would pass it in silence (see add_capped()). */
static bool sum_fits(const struct block_column *c)
{
    uint64_t most;
    return !__builtin_mul_overflow((uint64_t)c->rows, c->most, &most);
}

enum weir_status columns_sum(struct columns *c, ie_key key, const uint64_t *selected, uint64_t *sum,
                             bool *done, struct weir_error *error)
{
    uint32_t at;
    *done = false;
    enum weir_status status = find_summed(c, key, &at, error);
    if (status == WEIR_OK && at != UINT32_MAX && c->states[at] == UNTOUCHED &&
        column_can_sum(&c->block->columns[at]) && sum_fits(&c->block->columns[at]) &&
        c->block->columns[at].rows == c->block->stored.rows) {
        struct block_column column = c->block->columns[at];
        status = reader_load(c->reader, c->block->stored.rowid, &column, c->arena, error);
        if (status == WEIR_OK)
            status = column_sum(&column, selected, c->arena, sum, error);
        *done = status == WEIR_OK;
    }
    return status == WEIR_OK ? status : columns_blame(c, status, error);
}
