/* merge.c - see merge.h. Neighbours: blocks.c decodes, order.c sorts, lib/block encodes, compact.c writes. */
#include "store/merge.h"
#include "store/order.h"
#include <stdlib.h>
#include <string.h>

struct element {
    ie_key key;
    uint8_t width;
};

struct merger {
    struct block_encoder *encoder;
    struct batch *batch;
    uint32_t capacity;    /* of the batch */
    struct arena arena;   /* everything of one merge */
    struct arena scratch; /* one column of it; and the sorting */
    struct buffer bytes;
    struct element elements[BATCH_COLUMNS_MOST]; /* of all blocks, sorted by key */
    uint32_t element_count;
};

struct source { /* the blocks that are merged, one after the other */
    struct frame *frames;
    size_t count;
    uint32_t rows;
    const uint32_t *order; /* row of the result -> row of the source */
};

struct merger *merger_new(void)
{
    struct merger *m = calloc(1, sizeof *m);
    if (m && !(m->encoder = block_encoder_new(1))) {
        free(m);
        return NULL;
    }
    if (m)
        block_encoder_dense(m->encoder);
    return m;
}

void merger_free(struct merger *m)
{
    if (!m)
        return;
    block_encoder_free(m->encoder);
    batch_free(m->batch);
    arena_free(&m->arena);
    arena_free(&m->scratch);
    buffer_free(&m->bytes);
    free(m);
}

/* ---- which elements there are ---- */

void merger_start(struct merger *m)
{
    m->element_count = 0;
}

static uint32_t element_place(const struct merger *m, ie_key key)
{
    uint32_t low = 0, high = m->element_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (m->elements[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_known(const struct merger *m, uint32_t place, ie_key key)
{
    return place < m->element_count && m->elements[place].key == key;
}

static void add_element(struct merger *m, ie_key key, uint8_t width)
{
    uint32_t at = element_place(m, key);
    struct element *e = &m->elements[at];
    if (is_known(m, at, key)) {
        e->width = width > e->width ? width : e->width;
        return;
    }
    memmove(e + 1, e, (m->element_count - at) * sizeof *e);
    *e = (struct element){key, width};
    m->element_count++;
}

/* Numbers of 16 octets are addresses: they are no wider form of shorter ones. */
static unsigned kind_of_width(uint8_t width)
{
    return width == 0 ? 0 : width == 16 ? 2 : 1;
}

bool merger_accepts(struct merger *m, const struct block_record *b)
{
    uint32_t more = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t at = element_place(m, b->columns[i].key);
        if (!is_known(m, at, b->columns[i].key))
            more++;
        else if (kind_of_width(m->elements[at].width) != kind_of_width(b->columns[i].width))
            return false;
    }
    if (m->element_count + more > BATCH_COLUMNS_MOST)
        return false;
    for (uint32_t i = 0; i < b->count; i++)
        add_element(m, b->columns[i].key, b->columns[i].width);
    return true;
}

/* ---- a column of the result ---- */

#define WIDEN(type)                                                                                \
    do {                                                                                           \
        type *at = to;                                                                             \
        for (uint32_t row = 0; row < v->rows; row++)                                               \
            at[row] = (type)vector_u64(v, row);                                                    \
    } while (0)

/* A vector's values one after the other, as wide as the result's. */
static enum weir_status unroll(const struct vector *v, uint8_t width, void *to, struct arena *a,
                               struct weir_error *error)
{
    struct vector flat;
    size_t size = width ? width : sizeof(struct octets);
    if (v->width == width) {
        if (!vector_flatten(v, a, &flat))
            return weir_fail(error, WEIR_ENOMEM, "", "out of memory to merge blocks");
        memcpy(to, flat.values, (size_t)v->rows * size);
        return WEIR_OK;
    }
    switch (width) {
    case 2: WIDEN(uint16_t); break;
    case 4: WIDEN(uint32_t); break;
    default: WIDEN(uint64_t); break;
    }
    return WEIR_OK;
}

static void unroll_presence(const struct vector *v, uint8_t *to)
{
    if (!v->present)
        memset(to, 1, v->rows);
    for (uint32_t row = 0; v->present && row < v->rows; row++)
        to[row] = v->present[row / 64] >> (row % 64) & 1;
}

#define GATHER(type)                                                                               \
    do {                                                                                           \
        const type *in = from;                                                                     \
        type *out = to;                                                                            \
        for (uint32_t row = 0; row < rows; row++)                                                  \
            out[row] = in[order[row]];                                                             \
    } while (0)

static void gather(void *to, const void *from, uint8_t width, const uint32_t *order, uint32_t rows)
{
    struct pair { uint64_t low, high; };
    switch (width) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    case 8: GATHER(uint64_t); break;
    default: GATHER(struct pair); break;
    }
}

static enum weir_status put_octets(struct batch *b, size_t column, const struct octets *from,
                                   const uint8_t *has, const struct source *s,
                                   struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (uint32_t row = 0; status == WEIR_OK && row < s->rows; row++) {
        const struct octets *o = &from[s->order[row]];
        if (has[s->order[row]])
            status = batch_put_octets(b, column, row, o->bytes, o->length);
    }
    if (status != WEIR_OK)
        return weir_fail(error, status, "block", "its octets do not go into one block");
    return WEIR_OK;
}

static void mark(struct batch *b, size_t column, const uint8_t *has, const struct source *s)
{
    for (uint32_t row = 0, end; row < s->rows; row = end) {
        bool present = has[s->order[row]];
        for (end = row + 1; end < s->rows && (has[s->order[end]] != 0) == present; end++)
            ;
        if (present)
            batch_mark(b, column, row, end - row);
    }
}

/* Values and presence of all rows of the sources, in their order. */
struct rows {
    uint8_t *values, *has; /* `has` when not every row has it */
    bool whole;
};

static bool is_whole(const struct source *s, ie_key key)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct vector *v = frame_find(&s->frames[i], key);
        if (!v || v->present)
            return false;
    }
    return true;
}

static enum weir_status unroll_all(const struct source *s, const struct element *e, struct arena *a,
                                   struct rows *out, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    uint32_t row = 0;
    size_t size = e->width ? e->width : sizeof(struct octets);
    out->whole = e->width && is_whole(s, e->key);
    out->values = arena_alloc(a, s->rows * size + 64);
    out->has = out->whole ? NULL : arena_alloc(a, s->rows + 1);
    if (!out->values || (!out->whole && !out->has))
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to merge blocks");
    for (size_t i = 0; status == WEIR_OK && i < s->count; row += s->frames[i++].rows) {
        const struct vector *v = frame_find(&s->frames[i], e->key);
        if (v)
            status = unroll(v, e->width, out->values + row * size, a, error);
        else
            memset(out->values + row * size, 0, s->frames[i].rows * size);
        if (v && !out->whole)
            unroll_presence(v, out->has + row);
        else if (!out->whole)
            memset(out->has + row, 0, s->frames[i].rows);
    }
    return status;
}

/* The value that all rows have: they need no sorting. NULL: none. */
static const void *constant_of(const struct source *s, const struct element *e)
{
    const void *value = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct vector *v = frame_find(&s->frames[i], e->key);
        if (!v || v->present || v->form != VECTOR_CONSTANT || v->width != e->width || v->width == 0 ||
            (value && memcmp(value, v->values, v->width) != 0))
            return NULL;
        value = v->values;
    }
    return value;
}

static void repeat(uint8_t *to, const void *value, size_t size, uint32_t rows)
{
    size_t done = size, all = rows * size;
    memcpy(to, value, size);
    for (; done < all; done *= 2)
        memcpy(to + done, to, done < all - done ? done : all - done);
}

static enum weir_status fill_column(struct merger *m, const struct source *s,
                                    const struct element *e, struct weir_error *error)
{
    size_t column;
    struct rows rows;
    enum weir_status status = batch_column(m->batch, e->key, e->width, &column);
    if (status != WEIR_OK)
        return weir_fail(error, status, "block", "columns do not go into one block");
    const void *value = constant_of(s, e);
    if (value) {
        repeat(batch_column_at(m->batch, column)->values, value, e->width, s->rows);
        batch_mark(m->batch, column, 0, s->rows);
        return WEIR_OK;
    }
    status = unroll_all(s, e, &m->scratch, &rows, error);
    if (status != WEIR_OK)
        return status;
    if (rows.whole)
        batch_mark(m->batch, column, 0, s->rows);
    else
        mark(m->batch, column, rows.has, s);
    if (e->width == 0)
        return put_octets(m->batch, column, (const struct octets *)(void *)rows.values, rows.has, s,
                          error);
    gather(batch_column_at(m->batch, column)->values, rows.values, e->width, s->order, s->rows);
    return WEIR_OK;
}

/* The batch of the merge before, when it has about the size: its memory is warm. */
static bool renew_batch(struct merger *m, uint32_t rows, enum record_kind kind)
{
    uint32_t capacity = (rows + 63) / 64 * 64;
    if (m->batch && batch_kind(m->batch) == kind && m->capacity >= capacity &&
        m->capacity / 4 <= capacity) {
        batch_reset(m->batch);
        return true;
    }
    batch_free(m->batch);
    m->batch = batch_new(capacity, kind);
    m->capacity = capacity;
    return m->batch != NULL;
}

static enum weir_status fill(struct merger *m, const struct source *s, enum record_kind kind,
                             struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    if (!renew_batch(m, s->rows, kind))
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to merge blocks");
    batch_append(m->batch, s->rows);
    for (uint32_t i = 0; status == WEIR_OK && i < m->element_count; i++) {
        status = fill_column(m, s, &m->elements[i], error);
        arena_reset(&m->scratch);
    }
    return status;
}

/* ---- the whole ---- */

static enum weir_status read_sources(struct merger *m, struct sql *sql, const int64_t *ids,
                                     int64_t *seals, struct source *s, struct block_record *out,
                                     struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < s->count; i++) {
        struct block_record b;
        status = block_record_read(sql, ids[i], &m->arena, &b, error);
        if (status == WEIR_OK)
            status = block_seal(sql, ids[i], &seals[i], error);
        if (status != WEIR_OK)
            break;
        if (!merger_accepts(m, &b) || (i && b.head.kind != out->head.kind) ||
            b.head.rows > BLOCK_ROWS_MOST - s->rows)
            return weir_fail(error, WEIR_ELIMIT, "block", "block %lld does not go into one with others",
                             (long long)ids[i]);
        status = block_decode(sql, &b, NULL, 0, &m->arena, &s->frames[i], error);
        s->rows += b.head.rows;
        out->head.kind = b.head.kind;
        if (i == 0 || b.head.first_ms < out->head.first_ms)
            out->head.first_ms = b.head.first_ms;
        if (i == 0 || b.head.last_ms > out->head.last_ms)
            out->head.last_ms = b.head.last_ms;
    }
    sql_release_column(sql);
    return status;
}

static enum weir_status encode(struct merger *m, struct block_record *out, struct weir_error *error)
{
    const struct block_id id = {.sequence = 0};
    struct block block;
    buffer_clear(&m->bytes);
    enum weir_status status = block_encode(m->encoder, &id, m->batch, NULL, &m->bytes, error);
    arena_reset(&m->arena);
    if (status == WEIR_OK)
        status = block_open(m->bytes.bytes, m->bytes.length, &m->arena, &block, error);
    if (status != WEIR_OK)
        return status;
    out->columns = block.columns;
    out->count = block.head.column_count;
    out->octets = 0;
    for (uint32_t i = 0; i < out->count; i++)
        out->octets += out->columns[i].length;
    return WEIR_OK;
}

enum weir_status merger_merge(struct merger *m, struct sql *sql, const int64_t *ids, size_t count,
                              int64_t *seals, struct block_record *out, struct weir_error *error)
{
    struct source s = {.count = count};
    *out = (struct block_record){0};
    arena_reset(&m->arena);
    merger_start(m);
    s.frames = arena_alloc(&m->arena, (count + 1) * sizeof *s.frames);
    if (!s.frames)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to merge blocks");
    enum weir_status status = read_sources(m, sql, ids, seals, &s, out, error);
    if (status == WEIR_OK)
        s.order = order_rows(s.frames, count, s.rows, &m->arena, &m->scratch);
    if (status == WEIR_OK && !s.order)
        status = weir_fail(error, WEIR_ENOMEM, "", "out of memory to sort %u rows", s.rows);
    out->head.rows = s.rows;
    if (status == WEIR_OK)
        status = fill(m, &s, (enum record_kind)out->head.kind, error);
    if (status == WEIR_OK)
        status = encode(m, out, error);
    return status;
}
