/* arrange.c - see arrange.h. Neighbours: order.c says where each row goes; encode.c takes the
 * columns. */
#include "block/arrange.h"
#include "base/arena.h"
#include "base/cursor.h"
#include "block/order.h"
#include <stdlib.h>
#include <string.h>

#define LIKE_MOST 4u /* columns that are asked whether they have the same rows */

struct arranger {
    struct arena made;    /* everything of one call */
    struct arena scratch; /* of one column; and of sorting */
    const struct frame *frames; /* one after the other */
    size_t count;
    uint32_t rows;
    uint32_t *first_rows;     /* of each frame */
    const struct vector **of; /* by column and frame, `count` for a column; NULL: the frame lacks
                                 it */
    struct unordered unordered;   /* all of that, for order.c */
    struct dictionary dictionary; /* its own */
    struct order order;
    struct column columns[BATCH_COLUMNS_MOST];
    ie_key keys[BATCH_COLUMNS_MOST]; /* of the columns */
    uint32_t column_count;
};

struct arranger *arranger_new(void)
{
    return calloc(1, sizeof(struct arranger));
}

void arranger_free(struct arranger *s)
{
    if (!s)
        return;
    arena_free(&s->made);
    arena_free(&s->scratch);
    dictionary_free(&s->dictionary);
    free(s);
}

/* A column in each of the frames. */
static const struct vector *const *vectors_of(const struct arranger *s, uint32_t column)
{
    return s->of + column * s->count;
}

/* ---- the frames' values one after the other, then in the order ---- */

struct pair {
    uint64_t low, high;
};

#define LAY(type)                                                                                  \
    do {                                                                                           \
        const type *restrict in = v->values;                                                       \
        type *restrict out = to;                                                                   \
        if (v->form == VECTOR_FLAT)                                                                \
            memcpy(out, in, rows * sizeof *out);                                                   \
        else if (v->form == VECTOR_DICTIONARY)                                                     \
            for (uint32_t row = 0; row < rows; row++)                                              \
                out[row] = in[codes[row]];                                                         \
        else                                                                                       \
            for (uint32_t row = 0; row < rows; row++)                                              \
                out[row] = in[0];                                                                  \
    } while (0)

/* Of the width that the result has; rows that lack the element are zero, as they were. The octets
 * of width 0 stay where they were decoded. */
static void lay(void *to, const struct vector *v)
{
    const uint16_t *restrict codes = v->codes;
    const uint32_t rows = v->rows;
    switch (v->width) {
    case 0: LAY(struct octets); break;
    case 1: LAY(uint8_t); break;
    case 2: LAY(uint16_t); break;
    case 4: LAY(uint32_t); break;
    case 8: LAY(uint64_t); break;
    default: LAY(struct pair); break;
    }
}

#define WIDEN(type)                                                                                \
    do {                                                                                           \
        type *out = to;                                                                            \
        for (uint32_t row = 0; row < v->rows; row++)                                               \
            out[row] = (type)vector_u64(v, row);                                                   \
    } while (0)

static void lay_wider(void *to, const struct vector *v, uint8_t width)
{
    switch (width) {
    case 2: WIDEN(uint16_t); break;
    case 4: WIDEN(uint32_t); break;
    default: WIDEN(uint64_t); break;
    }
}

#define GATHER(type)                                                                               \
    do {                                                                                           \
        const type *restrict in = from;                                                            \
        type *restrict out = to;                                                                   \
        for (uint32_t i = 0; i < count; i++)                                                       \
            out[i] = in[rows[i]];                                                                  \
    } while (0)

static void gather(void *to, const void *from, size_t size, const uint32_t *restrict rows,
                   uint32_t count)
{
    switch (size) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    case 8: GATHER(uint64_t); break;
    default: GATHER(struct pair); break;
    }
}
_Static_assert(sizeof(struct octets) == sizeof(struct pair), "octets are moved as pairs");

static bool is_whole(const struct arranger *s, const struct vector *const *of)
{
    for (size_t i = 0; i < s->count; i++)
        if (!of[i] || of[i]->present)
            return false;
    return true;
}

/* Eight octets that are 0 or 1 as eight bits. */
static uint64_t bits_of(const uint8_t *has)
{
    return load_le64(has) * UINT64_C(0x0102040810204080) >> 56;
}

static void mark_rows(uint8_t *restrict has, const struct vector *v)
{
    const uint64_t *restrict present = v->present;
    const uint32_t rows = v->rows;
    for (uint32_t row = 0; row < rows; row++)
        has[row] = !present || (present[row / 64] >> (row % 64) & 1);
}

/* Which rows of the result have the element, for a column that some lack. False: no memory. */
static bool mark(struct column *c, const struct arranger *s, const struct vector *const *of,
                 struct arena *memory, struct arena *scratch)
{
    size_t words = ((size_t)s->rows + 63) / 64;
    uint8_t *had = arena_zero(scratch, s->rows + 1), *has = arena_zero(scratch, words * 64 + 1);
    c->present = arena_zero(memory, words * sizeof *c->present);
    if (!had || !has || !c->present)
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (of[i])
            mark_rows(had + s->first_rows[i], of[i]);
    gather(has, had, 1, s->order.rows, s->rows);
    for (size_t w = 0; w < words; w++) {
        for (unsigned k = 0; k < 8; k++)
            c->present[w] |= bits_of(has + 64 * w + 8 * k) << 8 * k;
        c->present_rows += (uint32_t)__builtin_popcountll(c->present[w]);
    }
    return true;
}

static bool same_rows(const struct arranger *s, const struct vector *const *a,
                      const struct vector *const *b)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!a[i] || !b[i]) {
            if (a[i] != b[i])
                return false;
        } else if (!a[i]->present || !b[i]->present) {
            if (a[i]->present != b[i]->present)
                return false;
        } else if (memcmp(a[i]->present, b[i]->present, (a[i]->rows + 63) / 64 * 8) != 0) {
            return false;
        }
    }
    return true;
}

/* Columns of one protocol have the same rows: those of the one before, or of the one before
 * that. */
static bool mark_like(struct arranger *s, uint32_t column)
{
    struct column *c = &s->columns[column];
    uint32_t tried = 0;
    for (uint32_t i = column; i-- > 0 && tried < LIKE_MOST;) {
        const struct column *other = &s->columns[i];
        if (!other->present)
            continue;
        tried++;
        if (same_rows(s, vectors_of(s, column), vectors_of(s, i))) {
            c->present = other->present;
            c->present_rows = other->present_rows;
            return true;
        }
    }
    return mark(c, s, vectors_of(s, column), &s->made, &s->scratch);
}

/* All rows have the first one's value. */
static bool is_constant(const struct vector *v)
{
    if (v->form == VECTOR_CONSTANT)
        return true;
    return v->form == VECTOR_FLAT && memcmp(v->values, (const uint8_t *)v->values + v->width,
                                            (v->rows - 1) * (size_t)v->width) == 0;
}

/* The value that all rows of a whole column have: they need no sorting. NULL: none. */
static const void *constant_of(const struct arranger *s, const struct column *c,
                               const struct vector *const *of)
{
    for (size_t i = 0; i < s->count; i++)
        if (c->width == 0 || of[i]->width != c->width || !of[i]->rows || !is_constant(of[i]) ||
            memcmp(of[i]->values, of[0]->values, c->width) != 0)
            return NULL;
    return of[0]->values;
}

static void repeat(uint8_t *to, const void *value, size_t size, uint32_t rows)
{
    size_t done = size, all = rows * size;
    memcpy(to, value, size);
    for (; done < all; done *= 2)
        memcpy(to + done, to, done < all - done ? done : all - done);
}

/* All rows of the frames, in a piece; NULL: no memory. */
static const void *laid(struct arranger *s, const struct column *c, const struct vector *const *of)
{
    size_t size = c->width ? c->width : sizeof(struct octets);
    if (s->count == 1 && of[0] && of[0]->form == VECTOR_FLAT)
        return of[0]->values;
    uint8_t *all = arena_alloc(&s->scratch, s->rows * size + 1);
    for (size_t i = 0; all && i < s->count; i++) {
        uint8_t *to = all + s->first_rows[i] * size;
        if (!of[i])
            memset(to, 0, s->frames[i].rows * size);
        else if (of[i]->width == c->width)
            lay(to, of[i]);
        else
            lay_wider(to, of[i], c->width);
    }
    return all;
}

/* What a span has in common is read once for all of it. */
static void fill_spans(const struct arranger *s, const struct column *c,
                       const struct vector *const *of)
{
    const struct order *o = &s->order;
    uint8_t *to = c->values;
    for (uint32_t i = 0; i < o->span_count; i++) {
        uint32_t end = i + 1 < o->span_count ? o->spans[i + 1].at : s->rows;
        size_t frame = frame_of(&s->unordered, o->spans[i].row);
        uint32_t at = vector_index(of[frame], o->spans[i].row - s->first_rows[frame]);
        repeat(to + o->spans[i].at * (size_t)c->width,
               (const uint8_t *)of[frame]->values + at * (size_t)c->width, c->width,
               end - o->spans[i].at);
    }
}

/* A whole column of one width. */
static bool may_fill_spans(const struct arranger *s, const struct column *c,
                           const struct vector *const *of)
{
    bool may = s->order.span_count && c->width && order_keeps_together(c->key);
    for (size_t i = 0; may && i < s->count; i++)
        may = of[i]->width == c->width;
    return may;
}

static bool fill_column(struct arranger *s, uint32_t column)
{
    struct column *c = &s->columns[column];
    const struct vector *const *of = vectors_of(s, column);
    size_t size = c->width ? c->width : sizeof(struct octets);
    bool whole = is_whole(s, of);
    c->present_rows = whole ? s->rows : 0;
    c->values = arena_alloc(&s->made, s->rows * size);
    if (!c->values)
        return false;
    const void *constant = whole ? constant_of(s, c, of) : NULL, *all;
    if (constant)
        repeat(c->values, constant, size, s->rows);
    else if (whole && may_fill_spans(s, c, of))
        fill_spans(s, c, of);
    else if ((all = laid(s, c, of)))
        gather(c->values, all, size, s->order.rows, s->rows);
    else
        return false;
    return whole || mark_like(s, column);
}

/* ---- which elements there are ---- */

static uint32_t place_of(const struct arranger *s, ie_key key)
{
    uint32_t low = 0, high = s->column_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->columns[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_column(const struct arranger *s, uint32_t place, ie_key key)
{
    return place < s->column_count && s->columns[place].key == key;
}

/* False: too many. */
static bool add_column(struct arranger *s, ie_key key)
{
    uint32_t at = place_of(s, key);
    if (is_column(s, at, key))
        return true;
    if (s->column_count == BATCH_COLUMNS_MOST)
        return false;
    memmove(s->columns + at + 1, s->columns + at, (s->column_count - at) * sizeof *s->columns);
    s->columns[at] = (struct column){.key = key};
    s->column_count++;
    return true;
}

static bool add_columns(struct arranger *s, const ie_key *keys, size_t count)
{
    bool fine = true;
    s->column_count = 0;
    for (size_t i = 0; keys && fine && i < count; i++)
        fine = add_column(s, keys[i]);
    for (size_t i = 0; !keys && i < s->count; i++)
        for (uint32_t k = 0; fine && k < s->frames[i].count; k++)
            fine = add_column(s, s->frames[i].vectors[k].key);
    return fine;
}

/* Gathers `of` and the widths. False: no memory. */
static bool find_vectors(struct arranger *s)
{
    uint32_t rows = 0;
    s->of = arena_zero(&s->made, (s->column_count * s->count + 1) * sizeof *s->of);
    s->first_rows = arena_alloc(&s->made, (s->count + 1) * sizeof *s->first_rows);
    if (!s->of || !s->first_rows)
        return false;
    for (size_t i = 0; i < s->count; rows += s->frames[i++].rows) {
        s->first_rows[i] = rows;
        for (uint32_t k = 0; k < s->frames[i].count; k++) {
            const struct vector *v = &s->frames[i].vectors[k];
            uint32_t at = place_of(s, v->key);
            if (!is_column(s, at, v->key))
                continue;
            s->of[at * s->count + i] = v;
            s->columns[at].width =
                v->width > s->columns[at].width ? v->width : s->columns[at].width;
        }
    }
    return true;
}

/* False: no memory. */
static bool find_order(struct arranger *s)
{
    for (uint32_t i = 0; i < s->column_count; i++)
        s->keys[i] = s->columns[i].key;
    s->unordered = (struct unordered){s->frames,       s->count,
                                      s->rows,         s->first_rows,
                                      s->keys,         s->column_count,
                                      s->of,           &s->dictionary};
    bool fine = order_rows(&s->unordered, &s->made, &s->scratch, &s->order);
    arena_free(&s->scratch); /* much more than what columns need, beside which it would stay */
    return fine;
}

static bool fill(struct arranger *s)
{
    bool fine = true;
    for (uint32_t i = 0; fine && i < s->column_count; i++) {
        arena_reset(&s->scratch);
        fine = fill_column(s, i);
    }
    return fine;
}

enum weir_status arrange(struct arranger *s, const struct frame *frames, size_t count,
                         const ie_key *keys, size_t key_count, struct arranged *out,
                         struct weir_error *error)
{
    arena_reset(&s->made);
    arena_reset(&s->scratch);
    s->frames = frames;
    s->count = count;
    s->rows = 0;
    for (size_t i = 0; i < count; i++)
        s->rows += frames[i].rows;
    if (!add_columns(s, keys, key_count))
        return weir_fail(error, WEIR_ELIMIT, "block", "more than %u columns", BATCH_COLUMNS_MOST);
    if (!find_vectors(s) || !find_order(s) || !fill(s))
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to arrange %u rows", s->rows);
    *out = (struct arranged){s->columns, s->column_count, s->rows};
    return WEIR_OK;
}
