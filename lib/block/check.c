/* check.c - block_check(): every column decodes and is what its directory entry says. See block.h. */
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

/* Bounds over the rows that have the element, of a FLAT vector. */
static void number_bounds(const struct vector *v, uint64_t *least, uint64_t *most)
{
    if (!v->present) {
        kernels_best()->range[width_index(v->width)](v->values, v->rows, least, most);
        return;
    }
    *least = UINT64_MAX;
    *most = 0;
    for (uint32_t r = 0; r < v->rows; r++) {
        if (!vector_has(v, r))
            continue;
        uint64_t value = vector_u64(v, r);
        *least = value < *least ? value : *least;
        *most = value > *most ? value : *most;
    }
}

static void address_bounds(const struct vector *v, uint8_t least[16], uint8_t most[16])
{
    bool any = false;
    for (uint32_t r = 0; r < v->rows; r++) {
        if (!vector_has(v, r))
            continue;
        const uint8_t *value = (const uint8_t *)v->values + 16 * (size_t)r;
        if (!any || memcmp(value, least, 16) < 0)
            memcpy(least, value, 16);
        if (!any || memcmp(value, most, 16) > 0)
            memcpy(most, value, 16);
        any = true;
    }
}

static bool bounds_true(const struct block_column *c, const struct vector *flat)
{
    if (c->width == 0)
        return true;
    if (c->width == 16) {
        uint8_t least[16] = {0}, most[16] = {0};
        address_bounds(flat, least, most);
        return memcmp(least, c->least_octets, 16) == 0 && memcmp(most, c->most_octets, 16) == 0;
    }
    uint64_t least, most;
    number_bounds(flat, &least, &most);
    return least == c->least && most == c->most;
}

static enum weir_status check_column(const struct block *b, const struct block_column *c,
                                     struct dictionary *d, struct arena *a, struct weir_error *error)
{
    struct vector v, flat;
    enum weir_status s = decode_chain(b, c, a, &v, error);
    if (s)
        return s;
    if (v.form == VECTOR_DICTIONARY) {
        switch (dictionary_build(d, v.values, v.code_count, v.width, DICTIONARY_MOST, v.code_count)) {
        case DICTIONARY_NO_MEMORY: return weir_fail(error, WEIR_ENOMEM, NULL, "no memory to check a block");
        default: break;
        }
        if (d->count != v.code_count)
            return fail_column(c, "its dictionary has a value twice", error);
    }
    if (!vector_flatten(&v, a, &flat))
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory to check a block");
    return bounds_true(c, &flat) ? WEIR_OK
                                 : fail_column(c, "its least and most are not those of its values", error);
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
