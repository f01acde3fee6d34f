/* check.c - block_check(): every column decodes and is what its directory entry says. See block.h.
 */
#include "block/block.h"
#include "block/codec.h"
#include <string.h>

static enum weir_status fail_column(const struct block_column *c, const char *what,
                                    struct weir_error *error)
{
    char name[IE_NAME_SIZE];
    ie_key_print(c->key, name);
    return weir_fail(error, WEIR_EMALFORMED, name, "column %s: %s", name, what);
}

/* Decodes the column after its bases; block_open() saw that the chain ends. */
static enum weir_status decode_chain(const struct block *b, const struct block_column *c,
                                     struct arena *a, struct vector *out, struct weir_error *error)
{
    const struct block_column *chain[BASE_DEPTH_MOST + 1];
    unsigned depth = 0;
    struct vector base;
    for (chain[0] = c; chain[depth]->base; depth++) {
        if (depth == BASE_DEPTH_MOST || !(chain[depth + 1] = block_find(b, chain[depth]->base)))
            return fail_column(c, "its base column is missing", error);
    }
    enum weir_status s = column_decode(chain[depth], NULL, a, out, error);
    while (!s && depth--) {
        base = *out;
        s = column_decode(chain[depth], &base, a, out, error);
    }
    return s;
}

/* Bounds are taken over the values that occur: bit i of `occurs` stands for value i of the vector;
 * NULL: all of `count` values do. */
static bool value_occurs(const uint64_t *occurs, uint32_t i)
{
    return !occurs || (occurs[i / 64] >> (i % 64) & 1);
}

static void number_bounds(const struct vector *v, const uint64_t *occurs, uint32_t count,
                          uint64_t *least, uint64_t *most)
{
    const struct vector flat = {.width = v->width, .form = VECTOR_FLAT, .values = v->values};
    if (!occurs) {
        kernels_best()->range[width_index(v->width)](v->values, count, least, most);
        return;
    }
    *least = UINT64_MAX;
    *most = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!value_occurs(occurs, i))
            continue;
        uint64_t value = vector_u64(&flat, i);
        *least = value < *least ? value : *least;
        *most = value > *most ? value : *most;
    }
}

static void address_bounds(const struct vector *v, const uint64_t *occurs, uint32_t count,
                           uint8_t least[16], uint8_t most[16])
{
    bool any = false;
    for (uint32_t i = 0; i < count; i++) {
        if (!value_occurs(occurs, i))
            continue;
        const uint8_t *value = (const uint8_t *)v->values + 16 * (size_t)i;
        if (!any || memcmp(value, least, 16) < 0)
            memcpy(least, value, 16);
        if (!any || memcmp(value, most, 16) > 0)
            memcpy(most, value, 16);
        any = true;
    }
}

/* Which dictionary values occur in rows that have the element. */
static const uint64_t *codes_that_occur(const struct vector *v, struct arena *a)
{
    uint8_t *seen = arena_zero(a, v->code_count);
    uint64_t *occurs = arena_zero(a, ((size_t)v->code_count + 63) / 64 * 8);
    if (!seen || !occurs)
        return NULL;
    if (!v->present)
        for (uint32_t row = 0; row < v->rows; row++)
            seen[v->codes[row]] = 1;
    else
        for (uint32_t row = 0; row < v->rows; row++)
            seen[v->codes[row]] |= (uint8_t)(v->present[row / 64] >> (row % 64) & 1);
    for (uint32_t i = 0; i < v->code_count; i++)
        occurs[i / 64] |= (uint64_t)seen[i] << (i % 64);
    return occurs;
}

static enum weir_status check_bounds(const struct block_column *c, const struct vector *v,
                                     struct arena *a, struct weir_error *error)
{
    const uint64_t *occurs = v->form == VECTOR_FLAT ? v->present : NULL;
    uint32_t count = v->form == VECTOR_FLAT         ? v->rows
                     : v->form == VECTOR_DICTIONARY ? v->code_count
                                                    : 1;
    uint8_t low[16] = {0}, high[16] = {0};
    uint64_t least, most;
    bool right = true;
    if (v->form == VECTOR_DICTIONARY && c->width && !(occurs = codes_that_occur(v, a)))
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory to check a block");
    if (c->width == 16) {
        address_bounds(v, occurs, count, low, high);
        right = memcmp(low, c->least_octets, 16) == 0 && memcmp(high, c->most_octets, 16) == 0;
    } else if (c->width) {
        number_bounds(v, occurs, count, &least, &most);
        right = least == c->least && most == c->most;
    }
    return right ? WEIR_OK
                 : fail_column(c, "its least and most are not those of its values", error);
}

static enum weir_status check_column(const struct block *b, const struct block_column *c,
                                     struct dictionary *d, struct arena *a,
                                     struct weir_error *error)
{
    struct vector v;
    enum weir_status s = decode_chain(b, c, a, &v, error);
    if (s)
        return s;
    bool distinct = true;
    if (v.form == VECTOR_DICTIONARY &&
        !dictionary_distinct(d, v.values, v.code_count, v.width, &distinct))
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory to check a block");
    if (!distinct)
        return fail_column(c, "its dictionary has a value twice", error);
    return check_bounds(c, &v, a, error);
}

static enum weir_status check_account(const struct block *b, struct weir_error *error)
{
    if (b->account_length == 0)
        return WEIR_OK;
    struct cursor in = cursor_over(b->account_bytes, b->account_length);
    struct account account = {0};
    enum weir_status s = account_read(&in, &account, error);
    if (s)
        return s;
    account_free(&account);
    return cursor_left(&in) ? weir_fail(error, WEIR_EMALFORMED, "account",
                                        "block: octets after the end of the account")
                            : WEIR_OK;
}

enum weir_status block_check(const struct block *b, struct arena *a, struct weir_error *error)
{
    /* An arena of its own, emptied after each column: `a` may hold the block's directory. */
    size_t left = a->limit > a->used ? a->limit - a->used : 1;
    struct arena scratch = {.limit = a->limit ? left : 0};
    struct dictionary d = {0};
    enum weir_status s = check_account(b, error);
    for (uint32_t i = 0; !s && i < b->head.column_count; i++) {
        s = check_column(b, &b->columns[i], &d, &scratch, error);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    dictionary_free(&d);
    return s;
}
