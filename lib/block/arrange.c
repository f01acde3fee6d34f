/* arrange.c - see arrange.h. Neighbours: lay.c holds the columns until order.c says where each row
 * goes; encode.c takes them one after the other. */
#include "block/arrange.h"
#include "base/arena.h"
#include "base/cursor.h"
#include "block/kernels.h"
#include "block/lay.h"
#include "block/order.h"
#include <stdlib.h>
#include <string.h>

#define LIKE_MOST 4u /* columns that are asked whether they have the same rows */

struct slot { /* memory for a column that is filled */
    void *at;
    size_t size;
    bool taken;
};

struct arranger {
    struct arena made;    /* everything of one call but for slots */
    struct arena scratch; /* of one column; and of sorting */
    uint32_t rows;
    struct laid *laid;          /* by column */
    struct vector *vectors;     /* theirs, for order.c */
    const struct vector **of;
    struct frame frame;
    uint32_t first_row;
    struct dictionary dictionary; /* order.c's */
    struct order order;
    struct slot slots[BATCH_COLUMNS_MOST];
    struct column columns[BATCH_COLUMNS_MOST];
    struct column_bounds bounds[BATCH_COLUMNS_MOST];
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
    for (size_t i = 0; i < BATCH_COLUMNS_MOST; i++)
        free(s->slots[i].at);
    arena_free(&s->made);
    arena_free(&s->scratch);
    dictionary_free(&s->dictionary);
    free(s);
}

/* ---- which rows have a column ---- */

/* Eight octets that are 0 or 1 as eight bits. */
static uint64_t bits_of(const uint8_t *has)
{
    return load_le64(has) * UINT64_C(0x0102040810204080) >> 56;
}

/* The other way: octet k takes bit k, which is made bit 7 of it, then bit 0. */
static uint64_t octets_of(uint64_t bits)
{
    uint64_t apart = bits * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (apart + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
}

/* In their order; false: no memory. */
static bool mark(struct arranger *s, struct column *c, const uint64_t *restrict present)
{
    size_t words = ((size_t)s->rows + 63) / 64;
    uint8_t *restrict had = arena_alloc(&s->scratch, words * 64 + 1);
    uint8_t *restrict has = arena_zero(&s->scratch, words * 64 + 1);
    const uint32_t *restrict rows = s->order.rows, count = s->rows;
    c->present = arena_zero(&s->made, words * sizeof *c->present);
    if (!had || !has || !c->present)
        return false;
    for (uint32_t row = 0; row < count; row += 8) {
        uint64_t octets = octets_of(present[row / 64] >> (row % 64) & 0xff);
        memcpy(had + row, &octets, 8);
    }
    for (uint32_t i = 0; i < count; i++)
        has[i] = had[rows[i]];
    for (size_t w = 0; w < words; w++) {
        for (unsigned k = 0; k < 8; k++)
            c->present[w] |= bits_of(has + 64 * w + 8 * k) << 8 * k;
        c->present_rows += (uint32_t)__builtin_popcountll(c->present[w]);
    }
    return true;
}

/* Columns of one protocol have the same rows: those of the one before, or of the one before
 * that. */
static bool mark_like(struct arranger *s, uint32_t column)
{
    struct column *c = &s->columns[column];
    const uint64_t *present = s->laid[column].present;
    uint32_t tried = 0;
    for (uint32_t i = column; i-- > 0 && tried < LIKE_MOST;) {
        const struct column *other = &s->columns[i];
        if (!other->present)
            continue;
        tried++;
        if (memcmp(present, s->laid[i].present, ((size_t)s->rows + 63) / 64 * 8) == 0) {
            c->present = other->present;
            c->present_rows = other->present_rows;
            return true;
        }
    }
    arena_reset(&s->scratch);
    return mark(s, c, present);
}

static bool mark_all(struct arranger *s)
{
    bool fine = true;
    for (uint32_t i = 0; fine && i < s->column_count; i++) {
        s->columns[i] = (struct column){.key = s->keys[i], .width = s->laid[i].width};
        if (s->laid[i].present)
            fine = mark_like(s, i);
        else
            s->columns[i].present_rows = s->rows;
    }
    return fine;
}

/* ---- values, when they are wanted ---- */

/* The smallest that is large enough, else a free one that is made larger. */
static void *take_slot(struct arranger *s, size_t size)
{
    struct slot *best = NULL;
    for (size_t i = 0; i < BATCH_COLUMNS_MOST; i++) {
        struct slot *t = &s->slots[i];
        bool enough = t->size >= size;
        if (!t->taken && (!best || (enough && (best->size < size || t->size < best->size))))
            best = t;
        if (!t->at)
            break; /* nor do those after it */
    }
    if (best && best->size < size) {
        free(best->at);
        best->at = aligned_alloc(64, (size + 63) / 64 * 64);
        best->size = best->at ? size : 0;
    }
    if (!best || !best->at)
        return NULL;
    best->taken = true;
    return best->at;
}

static void give_slot(struct arranger *s, const void *at)
{
    for (size_t i = 0; i < BATCH_COLUMNS_MOST; i++)
        if (s->slots[i].at == at)
            s->slots[i].taken = false;
}

/* What a span has in common is read once for all of it. */
static void fill_spans(const struct arranger *s, const struct laid *l, uint8_t *to)
{
    const struct order *o = &s->order;
    for (uint32_t i = 0; i < o->span_count; i++) {
        uint32_t end = i + 1 < o->span_count ? o->spans[i + 1].at : s->rows;
        laid_repeat(l, o->spans[i].row, end - o->spans[i].at,
                    to + o->spans[i].at * (size_t)l->width);
    }
}

static bool fill(void *context, size_t column)
{
    struct arranger *s = context;
    struct column *c = &s->columns[column];
    const struct laid *l = &s->laid[column];
    c->values = take_slot(s, s->rows * (c->width ? c->width : sizeof(struct octets)) + 1);
    if (!c->values)
        return false;
    if (l->vector.form == VECTOR_CONSTANT)
        laid_repeat(l, 0, s->rows, c->values);
    else if (s->order.span_count && c->width && !l->present && order_keeps_together(c->key))
        fill_spans(s, l, c->values);
    else
        laid_gather(l, s->order.rows, s->rows, c->values);
    return true;
}

static void drop(void *context, size_t column)
{
    struct arranger *s = context;
    if (s->columns[column].values)
        give_slot(s, s->columns[column].values);
    s->columns[column].values = NULL;
}

/* ---- the whole ---- */

static enum weir_status no_memory(const struct arranger *s, struct weir_error *error)
{
    return weir_fail(error, WEIR_ENOMEM, "", "out of memory to arrange %u rows", s->rows);
}

static bool start(struct arranger *s, uint32_t rows, size_t count)
{
    for (uint32_t i = 0; i < s->column_count; i++)
        drop(s, i);
    arena_reset(&s->made);
    arena_reset(&s->scratch);
    s->rows = rows;
    s->column_count = (uint32_t)count;
    s->laid = arena_zero(&s->made, (count + 1) * sizeof *s->laid);
    s->vectors = arena_alloc(&s->made, (count + 1) * sizeof *s->vectors);
    s->of = arena_alloc(&s->made, (count + 1) * sizeof *s->of);
    return s->laid && s->vectors && s->of;
}

/* `whole`: each column has something to say of every row. */
static enum weir_status start_columns(struct arranger *s, uint32_t rows,
                                      const struct column_bounds *columns, size_t count, bool whole,
                                      struct weir_error *error)
{
    bool fine = start(s, rows, count);
    for (size_t i = 0; fine && i < count; i++) {
        s->keys[i] = columns[i].key;
        fine = laid_start(&s->laid[i], &columns[i], order_reads_numbers(columns[i].key), whole,
                          rows, &s->made);
    }
    return fine ? WEIR_OK : no_memory(s, error);
}

enum weir_status arranger_start(struct arranger *s, uint32_t rows,
                                const struct column_bounds *columns, size_t count,
                                struct weir_error *error)
{
    return start_columns(s, rows, columns, count, false, error);
}

/* Of sorted keys; the count when it is not there. */
static uint32_t place_of(const struct arranger *s, ie_key key)
{
    uint32_t low = 0, high = s->column_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->column_count && s->keys[low] == key ? low : s->column_count;
}

enum weir_status arranger_lay(struct arranger *s, uint32_t first, const struct frame *frame,
                              struct weir_error *error)
{
    char name[IE_NAME_SIZE];
    enum weir_status status = WEIR_OK;
    arena_reset(&s->scratch);
    for (uint32_t i = 0; status == WEIR_OK && i < frame->count; i++) {
        const struct vector *v = &frame->vectors[i];
        uint32_t at = place_of(s, v->key);
        if (at < s->column_count)
            status = laid_add(&s->laid[at], first, v, &s->made, &s->scratch);
        if (status == WEIR_EMALFORMED)
            return weir_fail(error, status, ie_key_print(v->key, name),
                             "column %s: a value is not within its bounds", name);
    }
    return status == WEIR_OK ? WEIR_OK : no_memory(s, error);
}

/* False: no memory. */
static bool find_order(struct arranger *s)
{
    for (uint32_t i = 0; i < s->column_count; i++) {
        laid_end(&s->laid[i]);
        s->vectors[i] = s->laid[i].vector;
        s->of[i] = &s->vectors[i];
    }
    s->frame = (struct frame){s->rows, s->column_count, s->vectors};
    const struct unordered u = {&s->frame, 1,     s->rows,        &s->first_row, s->keys,
                                s->column_count, s->of, &s->dictionary, s->laid};
    arena_reset(&s->scratch);
    bool fine = order_rows(&u, &s->made, &s->scratch, &s->order);
    arena_free(&s->scratch); /* much more than what columns need, beside which it would stay */
    return fine;
}

enum weir_status arranger_finish(struct arranger *s, struct arranged *out,
                                 struct weir_error *error)
{
    if (!find_order(s) || !mark_all(s))
        return no_memory(s, error);
    *out = (struct arranged){s->columns, s->column_count, s->rows, {fill, drop, s}};
    return WEIR_OK;
}

/* ---- of frames ---- */

/* False: too many. */
static bool add_key(struct arranger *s, ie_key key)
{
    uint32_t at = s->column_count;
    if (place_of(s, key) < s->column_count)
        return true;
    if (at == BATCH_COLUMNS_MOST)
        return false;
    for (; at && s->keys[at - 1] > key; at--)
        s->keys[at] = s->keys[at - 1];
    s->keys[at] = key;
    s->column_count++;
    return true;
}

static bool add_keys(struct arranger *s, const struct frame *frames, size_t count)
{
    bool fine = true;
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; fine && k < frames[i].count; k++)
            fine = add_key(s, frames[i].vectors[k].key);
    return fine;
}

/* Rows that lack the element count as zero, which is what they hold. */
static void widen(struct column_bounds *b, const struct vector *v)
{
    uint64_t least, most;
    uint32_t count = v->form == VECTOR_FLAT ? v->rows
                     : v->form == VECTOR_CONSTANT ? 1
                                                  : v->code_count;
    if (v->width < 1 || v->width > 8 || !v->rows || !count)
        return;
    kernels_best()->range[width_index(v->width)](v->values, count, &least, &most);
    b->least = least < b->least ? least : b->least;
    b->most = most > b->most ? most : b->most;
}

static struct column_bounds bounds_of(const struct frame *frames, size_t count, ie_key key)
{
    struct column_bounds b = {
        .key = key, .any = true, .all_present = true, .least = UINT64_MAX};
    for (size_t i = 0; i < count; i++) {
        const struct vector *v = frame_find(&frames[i], key);
        b.all_present &= v && !v->present;
        b.width = v && v->width > b.width ? v->width : b.width;
        if (v)
            widen(&b, v);
    }
    b.least = b.least < b.most ? b.least : b.most; /* no number was seen */
    return b;
}

enum weir_status arranger_take(struct arranger *s, const struct frame *frames, size_t count,
                               struct weir_error *error)
{
    uint32_t rows = 0;
    for (uint32_t i = 0; i < s->column_count; i++)
        drop(s, i);
    s->column_count = 0;
    if (!add_keys(s, frames, count))
        return weir_fail(error, WEIR_ELIMIT, "block", "more than %u columns", BATCH_COLUMNS_MOST);
    for (size_t i = 0; i < count; i++)
        rows += frames[i].rows;
    for (uint32_t i = 0; i < s->column_count; i++)
        s->bounds[i] = bounds_of(frames, count, s->keys[i]);
    enum weir_status status =
        start_columns(s, rows, s->bounds, s->column_count, count == 1, error);
    rows = 0;
    for (size_t i = 0; status == WEIR_OK && i < count; rows += frames[i++].rows)
        status = arranger_lay(s, rows, &frames[i], error);
    return status;
}
