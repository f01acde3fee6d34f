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
    const uint32_t *place; /* row of the sources -> row of the result */
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

/* ---- a column of the result: each source's values go where its rows went ---- */

#define SCATTER(type)                                                                              \
    do {                                                                                           \
        const type *in = v->values;                                                                \
        type *out = to;                                                                            \
        if (v->form == VECTOR_FLAT)                                                                \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                out[place[row]] = in[row];                                                         \
        else if (v->form == VECTOR_DICTIONARY)                                                     \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                out[place[row]] = in[v->codes[row]];                                               \
        else                                                                                       \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                out[place[row]] = in[0];                                                           \
    } while (0)

/* Of the width that the result has; its rows that lack the element are zero, as they were. */
static void scatter(void *to, const struct vector *v, const uint32_t *place)
{
    struct pair { uint64_t low, high; };
    switch (v->width) {
    case 1: SCATTER(uint8_t); break;
    case 2: SCATTER(uint16_t); break;
    case 4: SCATTER(uint32_t); break;
    case 8: SCATTER(uint64_t); break;
    default: SCATTER(struct pair); break;
    }
}

#define WIDEN(type)                                                                                \
    do {                                                                                           \
        type *out = to;                                                                            \
        for (uint32_t row = 0; row < v->rows; row++)                                               \
            out[place[row]] = (type)vector_u64(v, row);                                            \
    } while (0)

static void scatter_wider(void *to, const struct vector *v, uint8_t width, const uint32_t *place)
{
    switch (width) {
    case 2: WIDEN(uint16_t); break;
    case 4: WIDEN(uint32_t); break;
    default: WIDEN(uint64_t); break;
    }
}

static enum weir_status scatter_octets(struct batch *b, size_t column, const struct vector *v,
                                       const uint32_t *place, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (uint32_t row = 0; status == WEIR_OK && row < v->rows; row++)
        if (vector_has(v, row)) {
            struct octets o = vector_octets(v, row);
            status = batch_put_octets(b, column, place[row], o.bytes, o.length);
        }
    return status == WEIR_OK
               ? status : weir_fail(error, status, "block", "its octets do not go into one block");
}

static bool is_whole(const struct source *s, ie_key key)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct vector *v = frame_find(&s->frames[i], key);
        if (!v || v->present)
            return false;
    }
    return true;
}

/* Which rows of the result have the element, for a column that some lack. False: no memory. */
static bool mark(struct batch *b, size_t column, const struct source *s, ie_key key, struct arena *a)
{
    uint8_t *has = arena_zero(a, s->rows + 1);
    const uint32_t *place = s->place;
    for (size_t i = 0; has && i < s->count; place += s->frames[i++].rows) {
        const struct vector *v = frame_find(&s->frames[i], key);
        for (uint32_t row = 0; v && row < v->rows; row++)
            has[place[row]] = vector_has(v, row);
    }
    for (uint32_t row = 0, end; has && row < s->rows; row = end) {
        for (end = row + 1; end < s->rows && has[end] == has[row]; end++)
            ;
        if (has[row])
            batch_mark(b, column, row, end - row);
    }
    return has != NULL;
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
    enum weir_status status = batch_column(m->batch, e->key, e->width, &column);
    if (status != WEIR_OK)
        return weir_fail(error, status, "block", "columns do not go into one block");
    void *values = batch_column_at(m->batch, column)->values;
    const void *constant = constant_of(s, e);
    const uint32_t *place = s->place;
    if (constant)
        repeat(values, constant, e->width, s->rows);
    for (size_t i = 0; !constant && status == WEIR_OK && i < s->count; place += s->frames[i++].rows) {
        const struct vector *v = frame_find(&s->frames[i], e->key);
        if (v && e->width == 0)
            status = scatter_octets(m->batch, column, v, place, error);
        else if (v && v->width == e->width)
            scatter(values, v, place);
        else if (v)
            scatter_wider(values, v, e->width, place);
    }
    if (status != WEIR_OK)
        return status;
    if (is_whole(s, e->key))
        batch_mark(m->batch, column, 0, s->rows);
    else if (!mark(m->batch, column, s, e->key, &m->scratch))
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to merge blocks");
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
        s.place = order_rows(s.frames, count, s.rows, &m->arena, &m->scratch);
    if (status == WEIR_OK && !s.place)
        status = weir_fail(error, WEIR_ENOMEM, "", "out of memory to sort %u rows", s.rows);
    out->head.rows = s.rows;
    if (status == WEIR_OK)
        status = fill(m, &s, (enum record_kind)out->head.kind, error);
    if (status == WEIR_OK)
        status = encode(m, out, error);
    return status;
}
