/* block_write.c - blocks into their tables, and out of them. Inside a transaction. Neighbours:
 * append.c stores what came, compact.c what was merged, retain.c removes; blocks.c reads. */
#include "store/inside.h"

static enum weir_status insert_columns(struct sql *sql, int64_t id, const struct block_record *b,
                                       struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (uint32_t i = 0; status == WEIR_OK && i < b->count; i++) {
        if (b->columns[i].length == 0)
            continue;
        struct query q = query_start(sql, SQL_COLUMN_ADD);
        query_bind_i64(&q, COLUMN_ID(id, i));
        query_bind_blob(&q, b->columns[i].bytes, b->columns[i].length);
        query_row(&q);
        status = query_end(&q, error);
    }
    return status;
}

/* Rows of a block of which the heads of the columns are worth packing: of a larger one they are a
 * thousandth. */
#define PACKED_ROWS 8192u

void block_bind_directory(struct query *q, uint32_t rows, const uint8_t *directory, size_t length,
                          struct buffer *packed)
{
    bool short_one = rows <= PACKED_ROWS && length &&
                     block_heads_pack(directory, (uint32_t)(length / BLOCK_COLUMN_HEAD_SIZE),
                                      packed);
    query_bind_blob(q, short_one ? packed->bytes : directory, short_one ? packed->length : length);
}

enum weir_status block_insert(struct sql *sql, const struct block_record *b,
                              const uint8_t *directory, size_t directory_length, int64_t *id,
                              struct weir_error *error)
{
    const struct stored_block *h = &b->head;
    *id = 0;
    struct query q = query_start(sql, SQL_BLOCK_NEXT);
    if (query_row(&q))
        *id = query_i64(&q, 0);
    enum weir_status status = query_end(&q, error);
    if (status != WEIR_OK)
        return status;
    q = query_start(sql, SQL_BLOCK_ADD);
    query_bind_i64(&q, *id);
    query_bind_i64(&q, h->kind);
    query_bind_i64(&q, h->rows);
    query_bind_i64(&q, h->first_ms);
    query_bind_i64(&q, h->last_ms);
    query_bind_u64(&q, b->octets);
    struct buffer packed = {0};
    block_bind_directory(&q, h->rows, directory, directory_length, &packed);
    query_row(&q);
    status = query_end(&q, error);
    buffer_free(&packed);
    return status == WEIR_OK ? insert_columns(sql, *id, b, error) : status;
}

enum weir_status block_delete(struct sql *sql, int64_t id, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_COLUMN_DELETE);
    query_bind_i64(&q, COLUMN_ID(id, 0));
    query_bind_i64(&q, COLUMN_ID(id + 1, 0));
    query_row(&q);
    enum weir_status status = query_end(&q, error);
    if (status != WEIR_OK)
        return status;
    q = query_start(sql, SQL_BLOCK_DELETE);
    query_bind_i64(&q, id);
    query_row(&q);
    return query_end(&q, error);
}

enum weir_status block_seal(struct sql *sql, int64_t id, int64_t *seal, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_BLOCK_SEAL);
    query_bind_i64(&q, id);
    *seal = query_row(&q) ? query_i64(&q, 0) : -1;
    return query_end(&q, error);
}
