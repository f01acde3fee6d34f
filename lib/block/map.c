/* map.c - whether one column decides another, see map.h. Used by encode.c. */
#include "block/map.h"
#include <stdlib.h>
#include <string.h>

/* A map must be this many times shorter than the column. */
#define MAP_SHORTER 2u
#define TRIAL_ROWS  2048u

/* The decider's codes in the rows that a column has, and which of all codes they are. */
struct codes_found {
    uint8_t seen[DICTIONARY_MOST];
    uint16_t codes[];
};

void mapper_clear(struct mapper *m)
{
    for (size_t i = 0; i < DECIDERS_MOST; i++)
        m->kept[i].count = 0;
}

void mapper_free(struct mapper *m)
{
    for (size_t i = 0; i < DECIDERS_MOST; i++)
        free(m->kept[i].codes);
    free(m->values);
    free(m->found);
    *m = (struct mapper){0};
}

void mapper_keep(struct mapper *m, const struct column *c, const struct dictionary *d,
                 uint32_t rows)
{
    int i = column_decides(c->key);
    if (i < 0 || d->count > rows / MAP_SHORTER)
        return;
    struct kept_codes *k = &m->kept[i];
    if (rows > k->room) {
        free(k->codes);
        k->codes = malloc(rows * sizeof *k->codes);
        k->room = k->codes ? rows : 0;
    }
    if (!k->codes)
        return; /* only a chance is lost */
    memcpy(k->codes, d->codes, rows * sizeof *k->codes);
    k->rows = rows;
    k->count = d->count;
    k->column = c;
}

/* Writes every row's value to its code's place, then sees whether every row finds its own there. */
#define DECIDE(width, type)                                                                        \
    static bool decide_##width(const void *values, const uint16_t *codes, uint32_t rows,           \
                               void *map)                                                          \
    {                                                                                              \
        const type *v = values;                                                                    \
        type *at = map, wrong = 0;                                                                 \
        for (uint32_t row = 0; row < rows; row++)                                                  \
            at[codes[row]] = v[row];                                                               \
        uint32_t row = 0;                                                                          \
        for (; row + 4 <= rows; row += 4) {                                                        \
            wrong |= (type)(at[codes[row]] ^ v[row]);                                              \
            wrong |= (type)(at[codes[row + 1]] ^ v[row + 1]);                                      \
            wrong |= (type)(at[codes[row + 2]] ^ v[row + 2]);                                      \
            wrong |= (type)(at[codes[row + 3]] ^ v[row + 3]);                                      \
        }                                                                                          \
        for (; row < rows; row++)                                                                  \
            wrong |= (type)(at[codes[row]] ^ v[row]);                                              \
        return wrong == 0;                                                                         \
    }
DECIDE(1, uint8_t)
DECIDE(2, uint16_t)
DECIDE(4, uint32_t)
DECIDE(8, uint64_t)

static bool decides(const struct values *v, const uint16_t *codes, void *map)
{
    static bool (*const of[4])(const void *, const uint16_t *, uint32_t,
                               void *) = {decide_1, decide_2, decide_4, decide_8};
    unsigned i = width_index(v->width);
    return (v->count <= TRIAL_ROWS || of[i](v->at, codes, TRIAL_ROWS, map)) &&
           of[i](v->at, codes, v->count, map);
}

static bool same_rows(const struct column *a, const struct column *b, uint32_t rows)
{
    if (a->present_rows != b->present_rows)
        return false;
    return a->present_rows == rows || memcmp(a->present, b->present, (rows + 63) / 64 * 8) == 0;
}

/* Of the rows of `c`, where the decider has all. NULL: no memory, and a chance is lost. */
static const uint16_t *find_codes(struct mapper *m, const struct kept_codes *k,
                                  const struct column *c)
{
    free(m->found); /* as long as a block is, and few have such a column: not worth keeping */
    m->found = calloc(1, sizeof *m->found + c->present_rows * sizeof *m->found->codes);
    if (!m->found)
        return NULL;
    uint16_t *to = m->found->codes;
    for (uint32_t first = 0; first < k->rows; first += 64)
        for (uint64_t bits = c->present[first / 64]; bits; bits &= bits - 1) {
            *to = k->codes[first + (uint32_t)__builtin_ctzll(bits)];
            m->found->seen[*to++] = 1;
        }
    return m->found->codes;
}

static void fill_gaps(struct mapper *m, uint32_t count, unsigned width)
{
    uint32_t first = 0;
    while (!m->found->seen[first])
        first++;
    for (uint32_t i = 0; i < first; i++)
        memcpy(m->values + (size_t)i * width, m->values + (size_t)first * width, width);
    for (uint32_t i = first + 1; i < count; i++)
        if (!m->found->seen[i])
            memcpy(m->values + (size_t)i * width, m->values + (size_t)(i - 1) * width, width);
}

ie_key mapper_find(struct mapper *m, const struct column *c, const struct values *v, uint32_t rows,
                   struct values *out)
{
    ie_key key = column_decider(c->key);
    if (!key || v->width == 0 || v->width > 8 || v->least == v->most)
        return 0;
    const struct kept_codes *k = &m->kept[column_decides(key)];
    bool fewer = k->rows == rows && v->count < rows;
    if (!k->count || k->count > v->count / MAP_SHORTER ||
        (!fewer && !same_rows(c, k->column, rows)))
        return 0;
    size_t size = (size_t)k->count * v->width;
    if (size > m->size) {
        free(m->values);
        m->values = malloc(size);
        m->size = m->values ? size : 0;
    }
    const uint16_t *codes = fewer ? find_codes(m, k, c) : k->codes;
    if (!m->values || !codes || !decides(v, codes, m->values))
        return 0;
    if (fewer)
        fill_gaps(m, k->count, v->width);
    *out = (struct values){
        .at = m->values, .count = k->count, .width = v->width, .least = v->least, .most = v->most};
    return key;
}
