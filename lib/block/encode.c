/* encode.c - a batch as a block: bounds, presence and base of every column, then its payload
 * (encode_values.c), the directory and the header. See block.h; layout in schemas/block-format.md.
 */
#include "block/encoder.h"
#include "block/header.h"
#include <stdlib.h>
#include <string.h>

/* A base must save this many bits a value: reading it costs a second column. */
#define BASE_GAIN_LEAST 0.3

/* Rows of what block_encoder_thorough() calls small. 8000 of them take 0.1 s. */
#define SMALL_ROWS 8192u

struct block_encoder *block_encoder_new(int zstd_level)
{
    struct block_encoder *e = calloc(1, sizeof *e);
    if (e && !(e->values.compressor = compressor_new(zstd_level))) {
        free(e);
        return NULL;
    }
    return e;
}

void block_encoder_free(struct block_encoder *e)
{
    if (!e)
        return;
    value_encoder_clear(&e->values);
    mapper_free(&e->mapper);
    free(e->columns);
    free(e->last_uses);
    free(e->dense);
    free(e->base);
    free(e->residual);
    buffer_free(&e->tried);
    buffer_free(&e->shortest);
    free(e);
}

void block_encoder_dense(struct block_encoder *e)
{
    e->values.dense = e->values.dictionary.by_value = true;
}

void block_encoder_thorough(struct block_encoder *e)
{
    block_encoder_dense(e);
    e->thorough = true;
}

void block_encoder_model(struct block_encoder *e, bool model)
{
    e->model = model;
}

static void *grown(void **memory, size_t *have, size_t want)
{
    if (want > *have) {
        free(*memory);
        *memory = malloc(want);
        *have = *memory ? want : 0;
    }
    return *memory;
}

/* ---- rows that have the element, one after the other ---- */
/* The values of `c` in the rows that `where` has; its own memory when that is all rows. NULL: no
 * memory. */
static const void *present_values(const struct column *c, const struct column *where, uint32_t rows,
                                  void **memory, size_t *have)
{
    size_t size = value_size(c->width);
    if (where->present_rows == rows)
        return c->values;
    void *to = grown(memory, have, where->present_rows * size);
    if (to)
        squeeze_values(to, c->values, size, where->present, rows);
    return to;
}

/* ---- directory facts ---- */
static void bounds_of_addresses(const struct values *v, struct block_column *out)
{
    const uint8_t *at = v->at, *least = at, *most = at;
    for (uint32_t i = 1; i < v->count; i++) {
        const uint8_t *here = at + 16 * (size_t)i;
        if (load_le64(here) == load_le64(here - 16) && load_le64(here + 8) == load_le64(here - 8))
            continue; /* most often: the exporter of the row before */
        if (memcmp(here, least, 16) < 0)
            least = here;
        else if (memcmp(here, most, 16) > 0)
            most = here;
    }
    memcpy(out->least_octets, least, 16);
    memcpy(out->most_octets, most, 16);
}

static void bounds_of(const struct values *v, struct block_column *out)
{
    out->least = v->least;
    out->most = v->most;
    if (v->width == 16)
        bounds_of_addresses(v, out);
}

/* ---- base columns ---- */
size_t encoder_place(const struct block_encoder *e, size_t count, ie_key key)
{
    size_t i = 0;
    while (i < count && e->columns[i]->key != key)
        i++;
    return i;
}

static bool is_number(const struct column *c)
{
    return c->width >= 1 && c->width <= 8;
}

/* ---- values that are there only while they are wanted ---- */

bool encoder_want(const struct block_encoder *e, size_t place)
{
    return e->columns[place]->values || (e->feed && e->feed->fill(e->feed->context, place));
}

static void find_last_uses(struct block_encoder *e, size_t count)
{
    for (size_t i = 0; i < count; i++)
        e->last_uses[i] = i;
    for (size_t i = 0; i < count; i++)
        for (const ie_key *key = column_bases(e->columns[i]->key); *key; key++) {
            size_t base = encoder_place(e, count, *key);
            if (base < count && e->last_uses[base] < i)
                e->last_uses[base] = i;
        }
}

/* After the column at `place`: it, and those that it may have stood on. In a modelled block any
 * may: they stay to its end. */
static void drop_used(const struct block_encoder *e, size_t count, size_t place)
{
    if (!e->feed)
        return;
    for (size_t i = 0; e->modelled && place + 1 == count && i < count; i++)
        e->feed->drop(e->feed->context, i);
    if (e->modelled)
        return;
    if (e->last_uses[place] == place)
        e->feed->drop(e->feed->context, place);
    for (const ie_key *key = column_bases(e->columns[place]->key); *key; key++) {
        size_t base = encoder_place(e, count, *key);
        if (base < count && e->last_uses[base] == place)
            e->feed->drop(e->feed->context, base);
    }
}

/* base - value in the rows that have the column; false: no memory. */
static bool subtract_base(struct block_encoder *e, const struct column *c,
                          const struct column *base, uint32_t rows, const struct values *v,
                          struct values *out)
{
    const void *values = present_values(base, c, rows, &e->base, &e->base_size);
    void *residual = grown(&e->residual, &e->residual_size, (size_t)v->count * v->width);
    if (!values || !residual)
        return false;
    kernels_best()->rebase[width_index(v->width)][width_index(base->width)](v->at, values, v->count,
                                                                            residual);
    *out = (struct values){.at = residual, .count = v->count, .width = v->width};
    values_measure(out);
    return true;
}

bool encoder_stand_on(struct block_encoder *e, const struct column *c, size_t count, uint32_t rows,
                     ie_key key, const struct values *v, struct values *residual)
{
    size_t base = encoder_place(e, count, key);
    return base < count && is_number(e->columns[base]) && encoder_want(e, base) &&
           subtract_base(e, c, e->columns[base], rows, v, residual);
}

/* Replaces `v` by its residuals to the column's first base that makes it smaller; the base's key,
 * or 0. */
static ie_key take_base(struct block_encoder *e, const struct column *c, size_t count,
                        uint32_t rows, struct values *v)
{
    struct values residual;
    if (!is_number(c) || v->least == v->most)
        return 0;
    for (const ie_key *key = column_bases(c->key); *key; key++) {
        if (!encoder_stand_on(e, c, count, rows, *key, v, &residual))
            continue;
        if (residual.least == residual.most ||
            guess_bits(&residual) + BASE_GAIN_LEAST < guess_bits(v)) {
            *v = residual;
            return *key;
        }
    }
    return 0;
}

/* ---- a column ---- */
static struct memory *remember(struct block_encoder *e, ie_key key)
{
    struct memory *m = &e->memories[(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) % MEMORIES];
    if (m->key != key)
        *m = (struct memory){.key = key};
    return m;
}

/* u8 codec and the payload. */
static void put_nested(struct block_encoder *e, const struct values *v, const struct advice *advice,
                       struct buffer *out)
{
    size_t codec_at = out->length;
    buffer_put_u8(out, 0);
    enum codec codec = encode_values(&e->values, v, advice, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
}

static void put_on_base(struct block_encoder *e, ie_key base, const struct values *v,
                        const struct advice *advice, struct block_column *entry,
                        struct buffer *out)
{
    entry->base = base;
    entry->codec = CODEC_RELATIVE;
    if (base)
        put_nested(e, v, advice, out);
    else
        entry->codec = (uint8_t)encode_values(&e->values, v, advice, out);
}

/* Every base, and none; as it is chosen, as were it never read, and in planes. The shortest again,
 * for what the encoder knows of a column afterwards is what it did last. */
static void put_shortest(struct block_encoder *e, size_t place, size_t count, uint32_t rows,
                         const struct values *v, const struct advice *usual,
                         struct block_column *entry, struct buffer *out)
{
    const struct column *c = e->columns[place];
    const struct advice ways[] = {
        *usual, {false, usual->code_limit, usual->wait, false}, {false, 0, usual->wait, true}};
    static const ie_key none[] = {0};
    const ie_key *bases = is_number(c) && v->least != v->most ? column_bases(c->key) : none;
    const bool ordered = e->values.ordered;
    struct values least = *v, on;
    ie_key least_base = 0;
    size_t way = 0, length = SIZE_MAX;
    for (const ie_key *base = bases;; base++) { /* the last one is none */
        on = *v;
        bool there = !*base || ((!e->modelled || encoder_may_stand(e, count, place,
                                                            encoder_place(e, count, *base))) &&
                                encoder_stand_on(e, c, count, rows, *base, v, &on));
        for (size_t i = 0; there && i < sizeof ways / sizeof *ways; i++) {
            buffer_clear(&e->tried);
            put_on_base(e, *base, &on, &ways[i], entry, &e->tried);
            e->values.ordered = ordered; /* what is only tried makes no block one of version 2 */
            if (!e->tried.failed && e->tried.length < length) {
                length = e->tried.length;
                least_base = *base;
                way = i;
            }
        }
        if (!*base)
            break;
    }
    if (e->modelled && encoder_model(e, place, count, rows, v, length, entry)) {
        buffer_put(out, e->shortest.bytes, e->shortest.length);
        e->version_3 = true;
    } else if (least_base && !encoder_stand_on(e, c, count, rows, least_base, v, &least))
        out->failed = true;
    else
        put_on_base(e, least_base, &least, &ways[way], entry, out);
}

static void put_values(struct block_encoder *e, size_t place, size_t count, uint32_t rows,
                       struct values *v, struct block_column *entry, struct buffer *out)
{
    const struct column *c = e->columns[place];
    const struct advice advice = {
        .hot = column_is_hot(c->key),
        .code_limit = c->present_rows == rows ? DICTIONARY_MOST : DICTIONARY_MOST - 1,
        .wait = &remember(e, c->key)->wait,
    };
    struct values map;
    if (!e->modelled && (entry->base = mapper_find(&e->mapper, c, v, rows, &map))) {
        entry->codec = CODEC_RELATIVE;
        buffer_put_u8(out, CODEC_MAP);
        buffer_put_u32le(out, map.count);
        put_nested(e, &map, &advice, out);
        return;
    }
    if (e->small)
        put_shortest(e, place, count, rows, v, &advice, entry, out);
    else
        put_on_base(e, take_base(e, c, count, rows, v), v, &advice, entry, out);
    if (entry->codec == CODEC_DICTIONARY || entry->codec == CODEC_CLASSES)
        mapper_keep(&e->mapper, c, &e->values.dictionary, v->count);
}

static enum weir_status encode_column(struct block_encoder *e, size_t place, size_t count,
                                      uint32_t rows, struct block_column *entry, struct buffer *out)
{
    const struct column *c = e->columns[place];
    size_t start = out->length;
    if (!encoder_want(e, place))
        return WEIR_ENOMEM;
    struct values v = {.at = present_values(c, c, rows, &e->dense, &e->dense_size),
                       .count = c->present_rows,
                       .width = c->width};
    if (!v.at)
        return WEIR_ENOMEM;
    values_measure(&v);
    *entry = (struct block_column){
        .key = c->key, .width = c->width, .rows = rows, .present_rows = c->present_rows};
    bounds_of(&v, entry);
    if (c->present_rows < rows)
        blob_write(e->values.compressor, (const uint8_t *)c->present, ((size_t)rows + 7) / 8, out);
    put_values(e, place, count, rows, &v, entry, out);
    if (e->modelled && entry->base)
        e->stands[place] = (uint16_t)encoder_place(e, count, entry->base);
    if (out->failed)
        return WEIR_ENOMEM;
    if (out->length - start > BLOCK_BYTES_MOST)
        return WEIR_ELIMIT;
    entry->length = (uint32_t)(out->length - start);
    entry->crc = crc32c(0, out->bytes + start, entry->length);
    return WEIR_OK;
}

/* ---- the block ---- */
static int by_key(const void *a, const void *b)
{
    ie_key ka = (*(struct column *const *)a)->key, kb = (*(struct column *const *)b)->key;
    return ka < kb ? -1 : ka > kb;
}

static bool reserve_columns(struct block_encoder *e, size_t count)
{
    if (count > e->column_room) {
        struct column **more = realloc(e->columns, count * sizeof(struct column *));
        size_t *uses = realloc(e->last_uses, count * sizeof *uses);
        e->columns = more ? more : e->columns;
        e->last_uses = uses ? uses : e->last_uses;
        if (!more || !uses)
            return false;
        e->column_room = count;
    }
    return true;
}

/* The columns that a row has, sorted, in e->columns; SIZE_MAX: no memory. */
static size_t collect_columns(struct block_encoder *e, struct batch *batch)
{
    size_t all = batch ? batch_column_count(batch) : 0, count = 0;
    if (!reserve_columns(e, all))
        return SIZE_MAX;
    for (size_t i = 0; i < all; i++) {
        struct column *c = batch_column_at(batch, i);
        if (c->present_rows)
            e->columns[count++] = c;
    }
    if (count)
        qsort(e->columns, count, sizeof(struct column *), by_key);
    return count;
}

static void put64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, 8);
}
static void put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, 4);
}

struct draft {
    size_t start; /* of the block in the buffer */
    size_t columns, columns_end;
    uint32_t rows;
    uint8_t kind, version;
    uint64_t first_ms, last_ms;
};

static void write_header(const struct draft *d, const struct block_id *id, struct buffer *out)
{
    uint8_t *h = out->bytes + d->start;
    size_t directory = d->columns * BLOCK_COLUMN_HEAD_SIZE;
    size_t account = out->length - d->columns_end;
    memset(h, 0, HEADER_SIZE);
    memcpy(h + HEADER_MAGIC, BLOCK_MAGIC, 8);
    h[HEADER_VERSION] = d->version;
    h[HEADER_KIND] = d->kind;
    put32(h + HEADER_ROWS, d->rows);
    memcpy(h + HEADER_COLLECTOR, id->collector, 16);
    put64(h + HEADER_SEQUENCE, id->sequence);
    put64(h + HEADER_FIRST, d->first_ms);
    put64(h + HEADER_LAST, d->last_ms);
    put32(h + HEADER_COLUMNS, (uint32_t)d->columns);
    put32(h + HEADER_ACCOUNT_LENGTH, (uint32_t)account);
    put64(h + HEADER_COLUMNS_LENGTH, d->columns_end - d->start - HEADER_SIZE - directory);
    put32(h + HEADER_ACCOUNT_CRC, crc32c(0, out->bytes + d->columns_end, account));
    put32(h + HEADER_DIRECTORY_CRC, crc32c(0, h + HEADER_SIZE, directory));
    put32(h + HEADER_CRC, crc32c(0, h, HEADER_CRC));
}

static enum weir_status write_columns(struct block_encoder *e, struct draft *d, struct buffer *out,
                                      struct weir_error *error)
{
    find_last_uses(e, d->columns);
    encoder_look_around(e, d->columns, d->rows);
    for (size_t i = 0; i < d->columns; i++) {
        struct block_column entry;
        enum weir_status s = encode_column(e, i, d->columns, d->rows, &entry, out);
        if (s) {
            char name[IE_NAME_SIZE];
            ie_key_print(e->columns[i]->key, name);
            return weir_fail(error, s, name, "column %s: %s", name, weir_status_text(s));
        }
        block_column_write(&entry,
                           out->bytes + d->start + HEADER_SIZE + i * BLOCK_COLUMN_HEAD_SIZE);
        if (entry.key == WEIR_FLOW_END) {
            d->first_ms = entry.least;
            d->last_ms = entry.most;
        }
        drop_used(e, d->columns, i);
    }
    return WEIR_OK;
}

/* The columns are in e->columns. */
static enum weir_status write_block(struct block_encoder *e, const struct block_id *id,
                                    struct draft *d, const struct account *account,
                                    struct buffer *out, struct weir_error *error)
{
    mapper_clear(&e->mapper);
    e->values.ordered = false;
    e->small = e->thorough && d->rows <= SMALL_ROWS;
    e->modelled = e->small && e->model;
    e->version_3 = false;
    compressor_thorough(e->values.compressor, e->small);
    d->start = out->length;
    if (d->columns == SIZE_MAX)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory to encode a block");
    if (d->rows > BLOCK_ROWS_MOST)
        return weir_fail(error, WEIR_ELIMIT, "rows", "a batch of %u rows; a block holds at most %u",
                         (unsigned)d->rows, BLOCK_ROWS_MOST);
    buffer_extend(out, HEADER_SIZE + d->columns * BLOCK_COLUMN_HEAD_SIZE);
    enum weir_status s = out->failed ? WEIR_OK : write_columns(e, d, out, error);
    if (s)
        return s;
    d->columns_end = out->length;
    if (account)
        account_write(out, account);
    if (out->failed)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory to encode a block");
    if (out->length - d->start > BLOCK_BYTES_MOST)
        return weir_fail(error, WEIR_ELIMIT, "length",
                         "a block of %zu octets; at most %u are allowed", out->length - d->start,
                         BLOCK_BYTES_MOST);
    d->version = e->version_3 ? 3 : e->values.ordered ? 2 : 1;
    write_header(d, id, out);
    return WEIR_OK;
}

static enum weir_status encode_draft(struct block_encoder *e, const struct block_id *id,
                                     struct draft *d, const struct account *account,
                                     struct buffer *out, struct weir_error *error)
{
    size_t before = out->length;
    if (out->failed)
        return weir_fail(error, WEIR_ENOMEM, NULL, "the buffer has failed before");
    enum weir_status s = write_block(e, id, d, account, out, error);
    if (s) {
        out->length = before;
        out->failed = false;
    }
    return s;
}

enum weir_status block_encode(struct block_encoder *e, const struct block_id *id,
                              struct batch *batch, const struct account *account,
                              struct buffer *out, struct weir_error *error)
{
    struct draft d = {.columns = collect_columns(e, batch),
                      .rows = batch ? batch_rows(batch) : 0,
                      .kind = (uint8_t)(batch ? batch_kind(batch) : RECORD_FLOW)};
    return encode_draft(e, id, &d, account, out, error);
}

enum weir_status block_encode_columns(struct block_encoder *e, const struct block_id *id,
                                      enum record_kind kind, struct column *columns, size_t count,
                                      uint32_t rows, const struct column_feed *feed,
                                      const struct account *account, struct buffer *out,
                                      struct weir_error *error)
{
    struct draft d = {.columns = reserve_columns(e, count) ? count : SIZE_MAX,
                      .rows = rows, .kind = (uint8_t)kind};
    for (size_t i = 0; d.columns != SIZE_MAX && i < count; i++)
        e->columns[i] = &columns[i];
    e->feed = feed;
    enum weir_status status = encode_draft(e, id, &d, account, out, error);
    e->feed = NULL;
    return status;
}
