/* blocks.c - reading stored blocks: directories, columns, decoding (inside.h), and the reader_*
 * functions of container.h that walk them. Neighbours: append.c writes what this reads. */
#include "store/inside.h"
#include <stdio.h>
#include <string.h>

/* Puts "block N: " before a message that lib/block made, which knows no stores. */
static enum weir_status in_block(int64_t id, enum weir_status status, struct weir_error *error)
{
    if (status == WEIR_OK || !error || id == 0)
        return status;
    struct weir_error inner = *error;
    /* What arrived whole was stored; so bytes that do not decode now were damaged here. */
    if (status == WEIR_EMALFORMED || status == WEIR_ETRUNCATED || status == WEIR_ECHECKSUM)
        status = WEIR_ECORRUPT;
    return weir_fail(error, status, inner.field, "block %lld: %s", (long long)id, inner.message);
}

static enum weir_status damaged(int64_t id, const char *what, struct weir_error *error)
{
    return weir_fail(error, WEIR_ECORRUPT, "block", "block %lld: %s", (long long)id, what);
}

/* ---- directories ---- */

static enum weir_status open_directory(const uint8_t *bytes, size_t length, struct arena *a,
                                       struct block_record *out, struct weir_error *error)
{
    int64_t id = out->head.rowid;
    uint64_t octets = 0;
    out->count = (uint32_t)(length / BLOCK_COLUMN_HEAD_SIZE);
    if (block_heads_packed(length)) {
        uint8_t *heads = NULL;
        enum weir_status status = block_heads_unpack(bytes, length, a, &heads, &out->count);
        if (status != WEIR_OK)
            return status == WEIR_ENOMEM
                       ? weir_fail(error, status, "", "out of memory for a directory")
                       : damaged(id, "its directory can not be unpacked", error);
        bytes = heads;
    }
    if (out->count > BATCH_COLUMNS_MOST)
        return damaged(id, "its directory has an impossible length", error);
    out->columns = arena_alloc(a, (out->count + 1) * sizeof *out->columns);
    if (!out->columns)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for block %lld", (long long)id);
    for (uint32_t i = 0; i < out->count; i++) {
        struct block_column *c = &out->columns[i];
        enum weir_status status =
            block_column_read(bytes + (size_t)i * BLOCK_COLUMN_HEAD_SIZE, NULL, 0, c, error);
        if (status != WEIR_OK)
            return in_block(id, status, error);
        if (c->rows != out->head.rows || (i && c->key <= out->columns[i - 1].key))
            return damaged(id, "its directory does not belong to it", error);
        octets += c->length;
    }
    return octets == out->octets ? WEIR_OK : damaged(id, "its columns have another length", error);
}

enum weir_status block_record_read(struct sql *sql, int64_t id, struct arena *a,
                                   struct block_record *out, struct weir_error *error)
{
    *out = (struct block_record){.head.rowid = id};
    struct query q = query_start(sql, SQL_BLOCK_READ);
    query_bind_i64(&q, id);
    enum weir_status status = WEIR_OK;
    if (!query_row(&q)) {
        status = in_block(id, query_end(&q, error), error);
        return status != WEIR_OK ? status : weir_fail(error, WEIR_ENOTFOUND, "block",
                                                      "there is no block %lld", (long long)id);
    }
    if (query_i64(&q, 6) != 1) {
        status = damaged(id, "its head or directory does not match its seal", error);
    } else {
        size_t length;
        out->head.kind = (uint8_t)query_i64(&q, 0);
        out->head.rows = (uint32_t)query_i64(&q, 1);
        out->head.first_ms = query_i64(&q, 2);
        out->head.last_ms = query_i64(&q, 3);
        out->octets = query_u64(&q, 5);
        const uint8_t *bytes = query_blob(&q, 4, &length);
        status = open_directory(bytes, length, a, out, error);
    }
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? in_block(id, ended, error) : status;
}

uint8_t *block_directory(const struct block_record *b, struct arena *a, size_t *length)
{
    *length = (size_t)b->count * BLOCK_COLUMN_HEAD_SIZE;
    uint8_t *heads = arena_alloc(a, *length + 1);
    for (uint32_t i = 0; heads && i < b->count; i++)
        block_column_write(&b->columns[i], heads + (size_t)i * BLOCK_COLUMN_HEAD_SIZE);
    return heads;
}

/* ---- columns ---- */

/* The handle on table block_column, moved to a row: SQLite finds the row and copies nothing. */
static int seek(struct sql *sql, int64_t row)
{
    if (sql->column && sqlite3_blob_reopen(sql->column, row) == SQLITE_OK)
        return SQLITE_OK;
    sql_release_column(sql);
    return sqlite3_blob_open(sql->db, "main", "block_column", "data", row, 0, &sql->column);
}

enum weir_status block_column_load(struct sql *sql, int64_t id, uint32_t place,
                                   struct block_column *c, struct arena *a,
                                   struct weir_error *error)
{
    char name[IE_NAME_SIZE], what[IE_NAME_SIZE + 64];
    uint8_t *bytes = arena_alloc(a, (size_t)c->length + 1);
    if (!bytes)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for block %lld", (long long)id);
    int code = c->length ? sql_checked(sql, seek(sql, COLUMN_ID(id, place))) : SQLITE_OK;
    if (c->length && code == SQLITE_OK) {
        if (sqlite3_blob_bytes(sql->column) != (int)c->length) {
            snprintf(what, sizeof what, "column %s has another length than its head says",
                     ie_key_print(c->key, name));
            return damaged(id, what, error);
        }
        code = sql_checked(sql, sqlite3_blob_read(sql->column, bytes, (int)c->length, 0));
    }
    if (code == SQLITE_ERROR) { /* no such row, or not a blob */
        snprintf(what, sizeof what, "column %s is missing", ie_key_print(c->key, name));
        return damaged(id, what, error);
    }
    if (code != SQLITE_OK)
        return in_block(id, sql_fail(sql, code, error), error);
    c->bytes = bytes;
    return WEIR_OK;
}

struct decoding {
    struct sql *sql;
    struct block_record *block;
    struct vector *vectors; /* by place */
    uint8_t *state;         /* by place: 0 untouched, 1 under way, 2 done */
    struct arena *arena;
};

uint32_t block_place(const struct block_record *b, ie_key key)
{
    uint32_t low = 0, high = b->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (b->columns[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->count && b->columns[low].key == key ? low : UINT32_MAX;
}

bool block_bounds(void *context, ie_key key, struct column_bounds *out)
{
    const struct block_record *b = context;
    uint32_t place = block_place(b, key);
    *out = (struct column_bounds){.key = key};
    if (place != UINT32_MAX)
        column_bounds_of(&b->columns[place], out);
    return true;
}

/* A base of a base of … : columns refer to others without a circle, which `state` makes sure of. */
static enum weir_status decode_at(struct decoding *d, uint32_t place, struct weir_error *error)
{
    struct block_column *c = &d->block->columns[place];
    const struct vector *base = NULL;
    if (d->state[place] == 2)
        return WEIR_OK;
    if (d->state[place] == 1)
        return weir_fail(error, WEIR_EMALFORMED, "",
                         "columns are relative to each other in a circle");
    d->state[place] = 1;
    enum weir_status status = WEIR_OK;
    if (!c->bytes)
        status = block_column_load(d->sql, d->block->head.rowid, place, c, d->arena, error);
    if (status == WEIR_OK && c->base) {
        uint32_t other = block_place(d->block, c->base);
        if (other == UINT32_MAX)
            return weir_fail(error, WEIR_EMALFORMED, "",
                             "a column is relative to one that is not there");
        status = decode_at(d, other, error);
        base = &d->vectors[other];
    }
    if (status == WEIR_OK)
        status = column_decode(c, base, d->arena, &d->vectors[place], error);
    d->state[place] = 2;
    return status;
}

enum weir_status block_decode(struct sql *sql, struct block_record *b, const ie_key *keys,
                              size_t count, struct arena *a, struct frame *out,
                              struct weir_error *error)
{
    struct decoding d = {.sql = sql, .block = b, .arena = a};
    enum weir_status status = WEIR_OK;
    *out = (struct frame){.rows = b->head.rows};
    d.vectors = arena_alloc(a, (b->count + 1) * sizeof *d.vectors);
    d.state = arena_zero(a, b->count + 1);
    if (!d.vectors || !d.state)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for block %lld",
                         (long long)b->head.rowid);
    for (size_t i = 0; status == WEIR_OK && i < (keys ? count : b->count); i++) {
        uint32_t place = keys ? block_place(b, keys[i]) : (uint32_t)i;
        if (place != UINT32_MAX)
            status = decode_at(&d, place, error);
    }
    for (uint32_t i = 0; i < b->count; i++)
        if (d.state[i] == 2)
            d.vectors[out->count++] = d.vectors[i];
    out->vectors = d.vectors;
    return in_block(b->head.rowid, status, error);
}

/* ---- container.h ---- */

enum weir_status reader_blocks(struct reader *r, enum record_kind kind, struct interval when,
                               struct arena *a, struct stored_block **out, size_t *count,
                               struct weir_error *error)
{
    size_t room = 0;
    *out = NULL;
    *count = 0;
    struct query q = query_start(&r->sql, SQL_BLOCKS);
    query_bind_i64(&q, kind);
    query_bind_i64(&q, when.from_ms);
    query_bind_i64(&q, when.to_ms);
    while (query_row(&q) && query_sealed(&q)) {
        if (*count == room) {
            room = room ? room * 2 : 256;
            struct stored_block *more = arena_alloc(a, room * sizeof *more);
            if (!more) {
                query_end(&q, NULL);
                return weir_fail(error, WEIR_ENOMEM, "", "out of memory for %zu blocks", room);
            }
            if (*count)
                memcpy(more, *out, *count * sizeof *more);
            *out = more;
        }
        (*out)[(*count)++] = (struct stored_block){
            .rowid = query_i64(&q, 0),
            .kind = (uint8_t)query_i64(&q, 1),
            .rows = (uint32_t)query_i64(&q, 2),
            .first_ms = query_i64(&q, 3),
            .last_ms = query_i64(&q, 4),
        };
    }
    return query_end(&q, error);
}

enum weir_status reader_directory(struct reader *r, int64_t rowid, struct arena *a,
                                  struct block_column **out, uint32_t *count,
                                  struct weir_error *error)
{
    struct block_record b;
    *out = NULL;
    *count = 0;
    r->directory_of = 0;
    enum weir_status status = block_record_read(&r->sql, rowid, a, &b, error);
    if (status != WEIR_OK)
        return status;
    for (uint32_t i = 0; i < b.count; i++)
        r->keys[i] = b.columns[i].key;
    r->key_count = b.count;
    r->directory_of = rowid;
    *out = b.columns;
    *count = b.count;
    return WEIR_OK;
}

enum weir_status reader_load(struct reader *r, int64_t rowid, struct block_column *c,
                             struct arena *a, struct weir_error *error)
{
    struct block_column *columns;
    uint32_t count;
    enum weir_status status = WEIR_OK;
    if (r->directory_of != rowid)
        status = reader_directory(r, rowid, a, &columns, &count, error);
    for (uint32_t i = 0; status == WEIR_OK && i < r->key_count; i++)
        if (r->keys[i] == c->key)
            return block_column_load(&r->sql, rowid, i, c, a, error);
    if (status != WEIR_OK)
        return status;
    char name[IE_NAME_SIZE];
    return weir_fail(error, WEIR_ENOTFOUND, "block", "block %lld has no column %s",
                     (long long)rowid, ie_key_print(c->key, name));
}
