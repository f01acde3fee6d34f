/* batch.c - the columns a decoder fills (batch.h). Neighbours: lib/wire fills batches, lib/block
 * encodes them.
 *
 * Memory. A column's values and presence map are one mapping of zero pages, so a column of 65,536
 * rows costs what its rows touch. batch_reset() returns the pieces to a pool and zeroes only the
 * presence maps. Values of the round before are zeroed a stride of rows ahead of batch_append(),
 * where the next writes will find them in cache: clearing a whole batch at once would push ten
 * megabytes through the cache twice.
 *
 * Invariants:
 *  1. In every column, rows [rows, clean_rows) are zero; clean_rows >= rows.
 *  2. Past clean_rows a piece may hold old values, but none past its dirty_rows.
 *  3. A piece in the pool has an all-zero presence map. */
#include "flow/batch.h"
#include "flow/octet_heap.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STRIDE_ROWS 512u
#define SLOTS (2 * BATCH_COLUMNS_MOST) /* a power of two */
#define CLASSES 5u                     /* value sizes 1, 2, 4, 8, 16 */
#define POOL_KEPT (64u << 20)

/* A mapping that holds one column: `values`, then its presence map. */
struct piece {
    uint8_t *values;
    uint32_t dirty_rows;
};

struct pool {
    struct piece *pieces;
    size_t count, room;
};

/* Where the heap stood when the last rows were reserved, so that taking them back frees their
 * octets. */
struct row_mark {
    struct octet_mark heap;
    uint32_t rows;
};

struct batch {
    uint32_t capacity, rows, clean_rows;
    enum record_kind kind;
    uint64_t generation;
    size_t column_count;
    struct column columns[BATCH_COLUMNS_MOST];
    uint32_t dirty_rows[BATCH_COLUMNS_MOST]; /* of the piece under the column */
    uint16_t slots[SLOTS];                   /* column index + 1, by hash of its key; 0 empty */
    struct pool pools[CLASSES];
    struct octet_heap heap;
    struct row_mark mark;
};

/* Never the same twice in a process, so a remembered column index never meets another batch. */
static uint64_t next_generation(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static uint32_t value_size(uint8_t width)
{
    return width ? width : (uint32_t)sizeof(struct octets);
}

static unsigned class_of(uint8_t width)
{
    return (unsigned)__builtin_ctz(value_size(width));
}

static size_t values_length(const struct batch *b, unsigned class)
{
    return ((size_t)b->capacity << class);
}

static size_t piece_length(const struct batch *b, unsigned class)
{
    return values_length(b, class) + b->capacity / 8;
}

static uint64_t *piece_present(const struct batch *b, const struct piece *p, unsigned class)
{
    return (uint64_t *)(void *)(p->values + values_length(b, class));
}

/* ---- the pool ---- */

static bool pool_take(struct batch *b, unsigned class, struct piece *out)
{
    struct pool *pool = &b->pools[class];
    if (pool->count) {
        *out = pool->pieces[--pool->count];
        return true;
    }
    void *values = mmap(NULL, piece_length(b, class), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *out = (struct piece){.values = values};
    return values != MAP_FAILED;
}

static void piece_unmap(const struct batch *b, unsigned class, struct piece p)
{
    (void)munmap(p.values, piece_length(b, class));
}

/* Takes a piece back; one that finds no place in the pool is unmapped. */
static void pool_give(struct batch *b, unsigned class, struct piece p)
{
    struct pool *pool = &b->pools[class];
    if (pool->count == pool->room) {
        size_t room = pool->room ? 2 * pool->room : 16;
        struct piece *pieces = realloc(pool->pieces, room * sizeof *pieces);
        if (!pieces) {
            piece_unmap(b, class, p);
            return;
        }
        pool->pieces = pieces;
        pool->room = room;
    }
    pool->pieces[pool->count++] = p;
}

/* One template of a thousand elements must not hold its memory for ever. */
static void pool_trim(struct batch *b)
{
    size_t held = 0;
    for (unsigned class = 0; class < CLASSES; class++) {
        struct pool *pool = &b->pools[class];
        size_t kept = 0;
        while (kept < pool->count && held + piece_length(b, class) <= POOL_KEPT) {
            held += piece_length(b, class);
            kept++;
        }
        while (pool->count > kept)
            piece_unmap(b, class, pool->pieces[--pool->count]);
    }
}

static void column_give_back(struct batch *b, size_t index)
{
    struct column *c = &b->columns[index];
    uint32_t dirty = b->dirty_rows[index] > b->rows ? b->dirty_rows[index] : b->rows;
    memset(c->present, 0, (b->rows + 63) / 64 * 8);
    pool_give(b, class_of(c->width), (struct piece){.values = c->values, .dirty_rows = dirty});
}

enum weir_status batch_put_octets(struct batch *b, size_t column, uint32_t row, const void *bytes,
                                  uint32_t length)
{
    struct octets *value = (struct octets *)b->columns[column].values + row;
    const uint8_t *kept = NULL;
    enum weir_status status = octet_heap_put(&b->heap, bytes, length, &kept);
    if (status == WEIR_OK)
        *value = (struct octets){.bytes = kept, .length = length};
    return status;
}

/* ---- life ---- */

struct batch *batch_new(uint32_t capacity, enum record_kind kind)
{
    if (!capacity || capacity % 64 || capacity > 1u << 20)
        return NULL;
    struct batch *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->capacity = capacity;
    b->kind = kind;
    b->generation = next_generation();
    return b;
}

void batch_reset(struct batch *b)
{
    for (size_t i = 0; i < b->column_count; i++)
        column_give_back(b, i);
    pool_trim(b);
    if (b->column_count)
        memset(b->slots, 0, sizeof b->slots);
    octet_heap_return(&b->heap, (struct octet_mark){0});
    b->column_count = 0;
    b->rows = b->clean_rows = 0;
    b->mark = (struct row_mark){0};
    b->generation = next_generation();
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    batch_reset(b);
    for (unsigned class = 0; class < CLASSES; class++) {
        struct pool *pool = &b->pools[class];
        while (pool->count)
            piece_unmap(b, class, pool->pieces[--pool->count]);
        free(pool->pieces);
    }
    octet_heap_free(&b->heap);
    free(b);
}

uint32_t batch_rows(const struct batch *b)
{
    return b->rows;
}

uint32_t batch_room(const struct batch *b)
{
    return b->capacity - b->rows;
}

uint64_t batch_generation(const struct batch *b)
{
    return b->generation;
}

enum record_kind batch_kind(const struct batch *b)
{
    return b->kind;
}

size_t batch_column_count(const struct batch *b)
{
    return b->column_count;
}

struct column *batch_column_at(struct batch *b, size_t index)
{
    return &b->columns[index];
}

/* ---- columns ---- */

static size_t slot_of(const struct batch *b, ie_key key)
{
    size_t slot = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % SLOTS;
    while (b->slots[slot] && b->columns[b->slots[slot] - 1].key != key)
        slot = (slot + 1) % SLOTS;
    return slot;
}

/* Rows [from, to) of a piece become zero, as far as they may be anything else. */
static void clean(void *values, uint8_t width, uint32_t dirty_rows, uint32_t from, uint32_t to)
{
    if (to > dirty_rows)
        to = dirty_rows;
    if (from < to)
        memset((uint8_t *)values + (size_t)from * value_size(width), 0,
               (size_t)(to - from) * value_size(width));
}

static bool column_memory(struct batch *b, uint8_t width, struct column *c, uint32_t *dirty_rows)
{
    struct piece p;
    if (!pool_take(b, class_of(width), &p))
        return false;
    clean(p.values, width, p.dirty_rows, 0, b->clean_rows);
    c->width = width;
    c->values = p.values;
    c->present = piece_present(b, &p, class_of(width));
    *dirty_rows = p.dirty_rows;
    return true;
}

static int64_t load_signed(const void *values, uint8_t width, uint32_t row)
{
    switch (width) {
    case 1: return ((const int8_t *)values)[row];
    case 2: return ((const int16_t *)values)[row];
    case 4: return ((const int32_t *)values)[row];
    default: return ((const int64_t *)values)[row];
    }
}

static uint64_t load_unsigned(const void *values, uint8_t width, uint32_t row)
{
    uint64_t mask = width < 8 ? (UINT64_C(1) << (8 * width)) - 1 : UINT64_MAX;
    return (uint64_t)load_signed(values, width, row) & mask;
}

static uint64_t load_float(const void *values, uint8_t width, uint32_t row)
{
    if (width != 4)
        return load_unsigned(values, width, row);
    double wide = (double)((const float *)values)[row];
    uint64_t bits;
    memcpy(&bits, &wide, sizeof bits);
    return bits;
}

static uint64_t load_wide(enum ie_type type, const void *values, uint8_t width, uint32_t row)
{
    if (type == IE_FLOAT32 || type == IE_FLOAT64)
        return load_float(values, width, row);
    if (type >= IE_SIGNED8 && type <= IE_SIGNED64)
        return (uint64_t)load_signed(values, width, row);
    return load_unsigned(values, width, row);
}

/* Rare: an exporter sends an element with more octets than another did in this batch. */
static enum weir_status column_widen(struct batch *b, size_t index, uint8_t width)
{
    struct column wide = b->columns[index];
    uint32_t dirty_rows;
    if (!column_memory(b, width, &wide, &dirty_rows))
        return WEIR_ENOMEM;
    const struct column *old = &b->columns[index];
    enum ie_type type = ie_storage_type(old->key);
    for (uint32_t row = 0; row < b->rows; row++) {
        uint64_t value = load_wide(type, old->values, old->width, row);
        memcpy((uint8_t *)wide.values + (size_t)row * width, &value, width);
    }
    memcpy(wide.present, old->present, (b->rows + 63) / 64 * 8);
    column_give_back(b, index);
    b->columns[index] = wide;
    b->dirty_rows[index] = dirty_rows;
    return WEIR_OK;
}

/* Numbers widen to numbers; addresses, octets and numbers do not mix in one column. */
static unsigned shape_of(uint8_t width)
{
    return width == 0 ? 0 : width == 16 ? 2 : 1;
}

static enum weir_status column_fit(struct batch *b, size_t index, uint8_t width)
{
    const struct column *c = &b->columns[index];
    if (shape_of(c->width) != shape_of(width))
        return WEIR_ELIMIT;
    return width > c->width ? column_widen(b, index, width) : WEIR_OK;
}

static bool width_valid(uint8_t width)
{
    return width <= 16 && (width & (width - 1)) == 0;
}

enum weir_status batch_column(struct batch *b, ie_key key, uint8_t width, size_t *index)
{
    if (!width_valid(width))
        return WEIR_EARGUMENT;
    size_t slot = slot_of(b, key);
    if (b->slots[slot]) {
        *index = b->slots[slot] - 1u;
        return column_fit(b, *index, width);
    }
    if (b->column_count == BATCH_COLUMNS_MOST)
        return WEIR_ELIMIT;
    struct column *c = &b->columns[b->column_count];
    if (!column_memory(b, width, c, &b->dirty_rows[b->column_count]))
        return WEIR_ENOMEM;
    c->key = key;
    c->present_rows = 0;
    *index = b->column_count++;
    b->slots[slot] = (uint16_t)b->column_count;
    return WEIR_OK;
}

/* ---- rows ---- */

static void clean_ahead(struct batch *b)
{
    uint32_t to = b->rows + STRIDE_ROWS < b->capacity ? b->rows + STRIDE_ROWS : b->capacity;
    for (size_t i = 0; i < b->column_count; i++)
        clean(b->columns[i].values, b->columns[i].width, b->dirty_rows[i], b->clean_rows, to);
    b->clean_rows = to;
}

uint32_t batch_append(struct batch *b, uint32_t rows)
{
    uint32_t first = b->rows;
    b->mark.heap = octet_heap_mark(&b->heap);
    b->mark.rows = first;
    b->rows += rows;
    if (b->rows > b->clean_rows)
        clean_ahead(b);
    return first;
}

/* The bits of word `word` that rows [first, end) have. */
static uint64_t row_mask(uint32_t word, uint32_t first, uint32_t end)
{
    uint64_t mask = UINT64_MAX;
    if (first > word * 64)
        mask <<= first % 64;
    if (end < word * 64 + 64)
        mask &= (UINT64_C(1) << end % 64) - 1;
    return mask;
}

void batch_mark(struct batch *b, size_t column, uint32_t first, uint32_t rows)
{
    if (!rows)
        return;
    struct column *c = &b->columns[column];
    uint32_t end = first + rows, fresh = rows;
    for (uint32_t word = first / 64; word <= (end - 1) / 64; word++) {
        uint64_t mask = row_mask(word, first, end), before = c->present[word] & mask;
        if (before)
            fresh -= (uint32_t)__builtin_popcountll(before);
        c->present[word] |= mask;
    }
    c->present_rows += fresh;
}

static void column_retract(struct batch *b, struct column *c, uint32_t first)
{
    size_t size = value_size(c->width);
    memset((uint8_t *)c->values + first * size, 0, (b->rows - first) * size);
    for (uint32_t word = first / 64; word <= (b->rows - 1) / 64; word++) {
        uint64_t mask = row_mask(word, first, b->rows);
        c->present_rows -= (uint32_t)__builtin_popcountll(c->present[word] & mask);
        c->present[word] &= ~mask;
    }
}

void batch_retract(struct batch *b, uint32_t rows)
{
    if (!rows)
        return;
    uint32_t first = b->rows - rows;
    for (size_t i = 0; i < b->column_count; i++)
        column_retract(b, &b->columns[i], first);
    b->rows = first;
    if (b->mark.rows == first) /* everything put since that append goes with its rows */
        octet_heap_return(&b->heap, b->mark.heap);
}

/* ---- keeping some rows ---- */

#define MOVE_KEPT(type)                                                                            \
    do {                                                                                           \
        type *at = (type *)values;                                                                 \
        for (uint32_t i = 0; i < count; i++)                                                       \
            at[i] = at[rows[i]];                                                                   \
    } while (0)

struct sixteen {
    uint64_t halves[2];
};
_Static_assert(sizeof(struct octets) == 16, "octets move as sixteen octets do");

/* Row i becomes what row rows[i] was; rows[i] >= i, so nothing is overwritten before it moved. */
static void move_values(void *values, uint8_t width, const uint32_t *rows, uint32_t count)
{
    switch (width) {
    case 1: MOVE_KEPT(uint8_t); break;
    case 2: MOVE_KEPT(uint16_t); break;
    case 4: MOVE_KEPT(uint32_t); break;
    case 8: MOVE_KEPT(uint64_t); break;
    default: MOVE_KEPT(struct sixteen);
    }
}
#undef MOVE_KEPT

static void move_present(struct column *c, const uint32_t *rows, uint32_t count, uint32_t words)
{
    uint32_t present = 0;
    uint64_t word = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bit = c->present[rows[i] / 64] >> rows[i] % 64 & 1;
        present += (uint32_t)bit;
        word |= bit << i % 64;
        if (i % 64 == 63 || i == count - 1) {
            c->present[i / 64] = word; /* its own rows were read before: rows[i] >= i */
            word = 0;
        }
    }
    for (uint32_t w = (count + 63) / 64; w < words; w++)
        c->present[w] = 0;
    c->present_rows = present;
}

/* The numbers of the kept rows, as many at a time as one word of bits has. */
static uint32_t list_kept(const uint64_t *keep, uint32_t rows, uint32_t *out)
{
    uint32_t count = 0;
    for (uint32_t w = 0; w < (rows + 63) / 64; w++)
        for (uint64_t bits = keep[w]; bits; bits &= bits - 1)
            out[count++] = w * 64 + (uint32_t)__builtin_ctzll(bits);
    while (count && out[count - 1] >= rows) /* bits past the rows mean nothing */
        count--;
    return count;
}

enum weir_status batch_keep(struct batch *b, const uint64_t *keep)
{
    uint32_t *rows = malloc((b->rows + 64) * sizeof *rows), words = (b->rows + 63) / 64;
    if (!rows)
        return WEIR_ENOMEM;
    uint32_t count = list_kept(keep, b->rows, rows);
    for (size_t i = 0; i < b->column_count && count < b->rows; i++) {
        struct column *c = &b->columns[i];
        size_t size = value_size(c->width);
        move_values(c->values, c->width, rows, count);
        memset((uint8_t *)c->values + count * size, 0, (b->rows - count) * size);
        move_present(c, rows, count, words);
    }
    b->rows = count;
    b->mark = (struct row_mark){.rows = UINT32_MAX}; /* what was put since is mixed now */
    free(rows);
    return WEIR_OK;
}

/* ---- reading ---- */

static struct vector column_vector(const struct batch *b, const struct column *c)
{
    return (struct vector){.key = c->key,
                           .width = c->width,
                           .form = VECTOR_FLAT,
                           .rows = b->rows,
                           .values = c->values,
                           .present = c->present_rows == b->rows ? NULL : c->present};
}

struct frame batch_frame(struct batch *b, struct arena *a)
{
    struct vector *vectors = arena_alloc(a, (b->column_count + 1) * sizeof *vectors);
    if (!vectors)
        return (struct frame){.rows = b->rows};
    uint32_t count = 0;
    for (size_t i = 0; i < b->column_count; i++)
        if (b->columns[i].present_rows)
            vectors[count++] = column_vector(b, &b->columns[i]);
    return (struct frame){.rows = b->rows, .count = count, .vectors = vectors};
}
