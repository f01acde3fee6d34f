/* merge.c - see merge.h. Neighbours: unchanged.c finds what need not be decoded, blocks.c decodes,
 * lib/block arranges and encodes, compact.c writes. */
#include "store/merge.h"
#include "store/unchanged.h"
#include <stdlib.h>
#include <string.h>

/* Of 10 million flows of weirgen's, rows as told (block/arrange.h), CPU seconds of the whole
 * merging and octets a flow: level -5 2.72, 12.62; 1 2.79, 12.51; 3 2.87, 12.51; 6 2.96, 12.50.
 * Most columns are packed; what is entropy-coded is short. */
#define ZSTD_LEVEL 1

struct element {
    ie_key key;
    uint8_t width;
};

struct merger {
    struct block_encoder *encoder;
    struct arranger *arranger;
    struct arena arena;   /* of one merge: directories; then the block's columns */
    struct arena kept_arena;
    struct arena scratch; /* a family that is decoded; bytes that are only compared */
    struct buffer bytes;
    struct element elements[BATCH_COLUMNS_MOST]; /* of all blocks, sorted by key */
    uint32_t element_count;
    struct block_column kept[BATCH_COLUMNS_MOST]; /* unchanged ones, sorted by key, from
                                                     kept_arena */
    uint32_t kept_count;
    struct column_bounds merged[BATCH_COLUMNS_MOST]; /* the others */
    uint32_t merged_count;
    ie_key family[BATCH_COLUMNS_MOST];
    /* By place in a block: the columns that stand on it, itself included, as a list that ends with
     * NO_PLACE. */
    uint16_t first_member[BATCH_COLUMNS_MOST], next_member[BATCH_COLUMNS_MOST];
};
#define NO_PLACE UINT16_MAX

struct source { /* the blocks that are merged, one after the other */
    struct block_record *blocks;
    size_t count;
    uint32_t rows;
};

struct merger *merger_new(void)
{
    struct merger *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->encoder = block_encoder_new(ZSTD_LEVEL);
    m->arranger = arranger_new();
    if (!m->encoder || !m->arranger) {
        merger_free(m);
        return NULL;
    }
    block_encoder_thorough(m->encoder);
    return m;
}

void merger_model(struct merger *m, bool model)
{
    block_encoder_model(m->encoder, model);
}

void merger_free(struct merger *m)
{
    if (!m)
        return;
    block_encoder_free(m->encoder);
    arranger_free(m->arranger);
    arena_free(&m->arena);
    arena_free(&m->kept_arena);
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

/* ---- the whole ---- */

static enum weir_status read_heads(struct merger *m, struct sql *sql, const int64_t *ids,
                                   int64_t *seals, struct source *s, struct block_record *out,
                                   struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < s->count; i++) {
        struct block_record *b = &s->blocks[i];
        status = block_record_read(sql, ids[i], &m->arena, b, error);
        if (status == WEIR_OK)
            status = block_seal(sql, ids[i], &seals[i], error);
        if (status != WEIR_OK)
            break;
        if (!merger_accepts(m, b) || (i && b->head.kind != out->head.kind) ||
            b->head.rows > BLOCK_ROWS_MOST - s->rows)
            return weir_fail(error, WEIR_ELIMIT, "block",
                             "block %lld does not go into one with others", (long long)ids[i]);
        s->rows += b->head.rows;
        out->head.kind = b->head.kind;
        if (i == 0 || b->head.first_ms < out->head.first_ms)
            out->head.first_ms = b->head.first_ms;
        if (i == 0 || b->head.last_ms > out->head.last_ms)
            out->head.last_ms = b->head.last_ms;
    }
    out->head.rows = s->rows;
    return status;
}

/* ---- columns ---- */

/* What all blocks say of a column. */
static struct column_bounds bounds_of(const struct source *s, const struct element *e)
{
    struct column_bounds all = {
        .key = e->key, .width = e->width, .any = true, .all_present = true, .least = UINT64_MAX};
    for (size_t i = 0; i < s->count; i++) {
        uint32_t place = block_place(&s->blocks[i], e->key);
        if (place == UINT32_MAX) {
            all.all_present = false;
            continue;
        }
        const struct block_column *c = &s->blocks[i].columns[place];
        all.all_present &= c->present_rows == c->rows;
        all.least = c->least < all.least ? c->least : all.least;
        all.most = c->most > all.most ? c->most : all.most;
    }
    return all;
}

/* Finds the columns that stay, and the others: one at least, which every block has. */
static enum weir_status find_merged(struct merger *m, struct sql *sql, struct source *s,
                                    struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    m->kept_count = m->merged_count = 0;
    for (uint32_t i = 0; status == WEIR_OK && i < m->element_count; i++) {
        bool found = false;
        ie_key key = m->elements[i].key;
        if (key != WEIR_FLOW_END)
            status = unchanged_find(sql, s->blocks, s->count, key, &m->kept_arena, &m->scratch,
                                    &m->kept[m->kept_count], &found, error);
        if (found)
            m->kept_count++;
        else
            m->merged[m->merged_count++] = bounds_of(s, &m->elements[i]);
    }
    return status;
}

/* The column that this one stands on in the end; itself, most often. */
static uint32_t root_of(const struct block_record *b, uint32_t place)
{
    uint32_t at = place;
    for (uint32_t steps = 0; b->columns[at].base && steps < b->count; steps++) {
        uint32_t base = block_place(b, b->columns[at].base);
        if (base == UINT32_MAX)
            return at;
        at = base;
    }
    return at;
}

/* Parts the block's merged columns by what they stand on. */
static void find_families(struct merger *m, const struct block_record *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        m->first_member[i] = NO_PLACE;
    for (uint32_t i = m->merged_count; i-- > 0;) {
        uint32_t place = block_place(b, m->merged[i].key);
        if (place == UINT32_MAX)
            continue;
        uint32_t root = root_of(b, place);
        m->next_member[place] = m->first_member[root];
        m->first_member[root] = (uint16_t)place;
    }
}

/* A family of columns is decoded together, laid, and forgotten. */
static enum weir_status lay_block(struct merger *m, struct sql *sql, struct block_record *b,
                                  uint32_t first, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    find_families(m, b);
    for (uint32_t i = 0; status == WEIR_OK && i < b->count; i++) {
        struct frame frame;
        uint32_t count = 0;
        for (uint16_t place = m->first_member[i]; place != NO_PLACE; place = m->next_member[place])
            m->family[count++] = b->columns[place].key;
        if (!count)
            continue;
        arena_reset(&m->scratch);
        status = block_decode(sql, b, m->family, count, &m->scratch, &frame, error);
        if (status == WEIR_OK)
            status = arranger_lay(m->arranger, first, &frame, error);
    }
    return status;
}

static enum weir_status lay_blocks(struct merger *m, struct sql *sql, struct source *s,
                                   struct weir_error *error)
{
    uint32_t first = 0;
    enum weir_status status =
        arranger_start(m->arranger, s->rows, m->merged, m->merged_count, error);
    for (size_t i = 0; status == WEIR_OK && i < s->count; first += s->blocks[i++].head.rows)
        status = lay_block(m, sql, &s->blocks[i], first, error);
    arena_free(&m->scratch); /* what comes now needs other memory */
    return status;
}

/* ---- the block ---- */

/* Merged columns and those that stayed, by key. */
static enum weir_status join_columns(struct merger *m, const struct block *made,
                                     struct block_record *out, struct weir_error *error)
{
    uint32_t count = made->head.column_count + m->kept_count, i = 0, k = 0;
    out->columns = arena_alloc(&m->arena, (count + 1) * sizeof *out->columns);
    out->octets = 0;
    if (!out->columns)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to merge blocks");
    for (out->count = 0; out->count < count; out->count++) {
        bool kept = i == made->head.column_count ||
                    (k < m->kept_count && m->kept[k].key < made->columns[i].key);
        out->columns[out->count] = kept ? m->kept[k++] : made->columns[i++];
        out->octets += out->columns[out->count].length;
    }
    return WEIR_OK;
}

static enum weir_status encode(struct merger *m, const struct arranged *arranged,
                               struct block_record *out, struct weir_error *error)
{
    const struct block_id id = {.sequence = 0};
    struct block block;
    buffer_clear(&m->bytes);
    enum weir_status status =
        block_encode_columns(m->encoder, &id, (enum record_kind)out->head.kind, arranged->columns,
                             arranged->count, arranged->rows, &arranged->feed, NULL, &m->bytes,
                             error);
    arena_reset(&m->arena);
    if (status == WEIR_OK)
        status = block_open(m->bytes.bytes, m->bytes.length, &m->arena, &block, error);
    return status == WEIR_OK ? join_columns(m, &block, out, error) : status;
}

enum weir_status merger_merge(struct merger *m, struct sql *sql, const int64_t *ids, size_t count,
                              int64_t *seals, struct block_record *out, struct weir_error *error)
{
    struct source s = {.count = count};
    struct arranged arranged;
    *out = (struct block_record){0};
    arena_reset(&m->arena);
    arena_reset(&m->kept_arena);
    merger_start(m);
    s.blocks = arena_zero(&m->arena, (count + 1) * sizeof *s.blocks);
    if (!s.blocks)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to merge blocks");
    enum weir_status status = read_heads(m, sql, ids, seals, &s, out, error);
    if (status == WEIR_OK)
        status = find_merged(m, sql, &s, error);
    if (status == WEIR_OK)
        status = lay_blocks(m, sql, &s, error);
    sql_release_column(sql);
    if (status == WEIR_OK)
        status = arranger_finish(m->arranger, &arranged, error);
    return status == WEIR_OK ? encode(m, &arranged, out, error) : status;
}
