/* append.c - a block comes in: checked whole, rolled up, and stored in one transaction (store.h).
 * Neighbours: lib/block decodes, rollups.c sums, segment_table.c and account.c write theirs. */
#include "store/inside.h"
#include "store/segment.h"
#include <string.h>

struct incoming { /* everything that is known of a block before the transaction */
    struct block block;
    struct block_record record;
    struct account account;
    const uint8_t *directory;
    size_t directory_length;
    uint32_t digest;
};

/* ---- before the transaction: nothing is locked, nothing is changed ---- */

/* Least and most flow end as signed times. The block's head has them by unsigned order, which is
 * another one for the times before 1970 that exporters without a clock make. */
static void measure_interval(struct stored_block *h, const struct frame *f)
{
    const struct vector *end = frame_find(f, WEIR_FLOW_END);
    if (h->rows == 0 || !end || end->width != 8 || (h->first_ms >= 0 && h->last_ms >= h->first_ms))
        return;
    h->first_ms = INT64_MAX;
    h->last_ms = INT64_MIN;
    for (uint32_t i = 0; i < h->rows; i++) {
        int64_t at = (int64_t)vector_u64(end, i);
        h->first_ms = at < h->first_ms ? at : h->first_ms;
        h->last_ms = at > h->last_ms ? at : h->last_ms;
    }
}

static enum weir_status roll_up(struct incoming *in, struct scratch *scratch,
                                struct weir_error *error)
{
    struct frame frame;
    struct arena *a = &scratch->arena;
    enum weir_status status = block_decode(NULL, &in->record, rollup_keys, rollup_key_count, a,
                                           &frame, error);
    if (status == WEIR_OK)
        measure_interval(&in->record.head, &frame);
    if (status == WEIR_OK && in->block.head.kind == RECORD_FLOW)
        status = rollups_add_frame(scratch->rollups, &frame, 1, a, error);
    return status;
}

static enum weir_status check_account(const struct account *account, struct weir_error *error)
{
    for (size_t i = 0; i < account->row_count; i++)
        if (minute_of(account->rows[i].key.minute_ms) != account->rows[i].key.minute_ms)
            return weir_fail(error, WEIR_EMALFORMED, "account", "row %zu is of no whole minute", i);
    return WEIR_OK;
}

/* What tells two blocks with one name apart: heads (which hold the columns' CRCs) and account. */
static uint32_t digest_of(const struct incoming *in)
{
    const struct block_head *h = &in->block.head;
    uint64_t fixed[4] = {h->kind, h->rows, (uint64_t)h->first_ms, (uint64_t)h->last_ms};
    uint32_t crc = crc32c(0, fixed, sizeof fixed);
    crc = crc32c(crc, in->directory, in->directory_length);
    return crc32c(crc, in->block.account_bytes, in->block.account_length);
}

/* Of a block that this process encoded a moment ago: the octets are those that it wrote. */
static enum weir_status check_octets(const struct block *b, struct weir_error *error)
{
    char name[IE_NAME_SIZE];
    for (uint32_t i = 0; i < b->head.column_count; i++) {
        const struct block_column *c = &b->columns[i];
        if (crc32c(0, c->bytes, c->length) != c->crc)
            return weir_fail(error, WEIR_ECHECKSUM, ie_key_print(c->key, name),
                             "checksum of column %s does not match", name);
    }
    return WEIR_OK;
}

static enum weir_status prepare(struct incoming *in, const uint8_t *bytes, size_t length, bool own,
                                struct scratch *scratch, struct weir_error *error)
{
    struct arena *a = &scratch->arena;
    struct block *b = &in->block;
    enum weir_status status = block_open(bytes, length, a, b, error);
    if (status == WEIR_OK && b->head.kind > RECORD_OPTIONS)
        status =
            weir_fail(error, WEIR_EMALFORMED, "block", "records of unknown kind %u", b->head.kind);
    /* A small block of models could cost minutes to check, and no collector sends any. */
    if (status == WEIR_OK && !own && b->head.version >= BLOCK_MODELS)
        status = weir_fail(error, WEIR_EMALFORMED, "block",
                           "version %u, which only stores have; deliver version 1 or 2",
                           b->head.version);
    if (status == WEIR_OK)
        status = own ? check_octets(b, error) : block_check(b, a, error);
    if (status != WEIR_OK)
        return status;
    in->record = (struct block_record){
        .head = {.rows = b->head.rows, .kind = b->head.kind, .first_ms = b->head.first_ms,
                 .last_ms = b->head.last_ms},
        .columns = b->columns,
        .count = b->head.column_count,
    };
    for (uint32_t i = 0; i < in->record.count; i++)
        in->record.octets += b->columns[i].length;
    in->directory = block_directory(&in->record, a, &in->directory_length);
    if (!in->directory)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for a directory");
    in->digest = digest_of(in);
    struct cursor account = cursor_over(b->account_bytes, b->account_length);
    if (b->account_length)
        status = account_read(&account, &in->account, error);
    if (status == WEIR_OK)
        status = check_account(&in->account, error);
    return status == WEIR_OK ? roll_up(in, scratch, error) : status;
}

/* ---- inside the transaction ---- */

static enum weir_status collector_id(struct sql *sql, const uint8_t identity[16], int64_t *id,
                                     struct weir_error *error)
{
    *id = 0;
    struct query q = query_start(sql, SQL_COLLECTOR_FIND);
    query_bind_blob(&q, identity, 16);
    if (query_row(&q) && query_sealed(&q))
        *id = query_i64(&q, 0);
    enum weir_status status = query_end(&q, error);
    if (status != WEIR_OK || *id)
        return status;
    q = query_start(sql, SQL_COLLECTOR_ADD);
    query_bind_blob(&q, identity, 16);
    while (query_row(&q))
        *id = query_i64(&q, 0);
    return query_end(&q, error);
}

/* In a range of deliveries of long ago? */
static enum weir_status look_up_range(struct sql *sql, int64_t collector, uint64_t sequence,
                                      bool *known, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_DELIVERED_FIND);
    query_bind_i64(&q, collector);
    query_bind_u64(&q, sequence);
    *known = query_row(&q) && query_sealed(&q) && sequence <= query_u64(&q, 1);
    return query_end(&q, error);
}

/* Delivered before? The same name for another content is a fault of the sender, and storing nothing
 * in silence would lose its records. */
static enum weir_status look_up(struct sql *sql, int64_t collector, const struct incoming *in,
                                enum store_outcome *outcome, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_DELIVERY_FIND);
    query_bind_i64(&q, collector);
    query_bind_u64(&q, in->block.head.id.sequence);
    bool same = true, known = false;
    if (query_row(&q) && query_sealed(&q)) {
        known = true;
        same = query_i64(&q, 0) == in->digest;
    }
    enum weir_status status = query_end(&q, error);
    if (status == WEIR_OK && !known)
        status = look_up_range(sql, collector, in->block.head.id.sequence, &known, error);
    *outcome = known ? STORE_KNOWN : STORE_STORED;
    if (status == WEIR_OK && !same)
        status = weir_fail(error, WEIR_EEXISTS, "block",
                           "another block of this collector with sequence %llu is stored already",
                           (unsigned long long)in->block.head.id.sequence);
    return status;
}

static enum weir_status insert_delivery(struct sql *sql, int64_t collector, int64_t block,
                                        const struct incoming *in, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_DELIVERY_ADD);
    query_bind_i64(&q, collector);
    query_bind_u64(&q, in->block.head.id.sequence);
    query_bind_i64(&q, clock_now_ms());
    query_bind_i64(&q, block);
    query_bind_i64(&q, in->block.head.rows);
    query_bind_i64(&q, in->digest);
    query_bind_blob(&q, in->block.account_bytes, in->block.account_length);
    query_row(&q);
    return query_end(&q, error);
}

static enum weir_status write_all(struct sql *sql, const struct incoming *in,
                                  struct scratch *scratch, enum store_outcome *outcome,
                                  struct weir_error *error)
{
    int64_t collector, block;
    enum weir_status status = collector_id(sql, in->block.head.id.collector, &collector, error);
    if (status == WEIR_OK)
        status = look_up(sql, collector, in, outcome, error);
    if (status != WEIR_OK || *outcome == STORE_KNOWN)
        return status;
    block = 0;
    if (in->record.head.rows)
        status = block_insert(sql, &in->record, in->directory, in->directory_length, &block, error);
    if (status == WEIR_OK)
        status = insert_delivery(sql, collector, block, in, error);
    if (status == WEIR_OK)
        status = rollups_store(sql, scratch, error);
    if (status == WEIR_OK)
        status = account_store(sql, collector, in->block.head.id.sequence, &in->account, error);
    return status;
}

static enum weir_status append(struct store *s, const uint8_t *block, size_t length, bool own,
                               enum store_outcome *outcome, struct weir_error *error)
{
    struct incoming in = {0};
    *outcome = STORE_STORED;
    struct scratch *scratch = append_room_take(s);
    if (!scratch)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for a block");
    enum weir_status status = prepare(&in, block, length, own, scratch, error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status == WEIR_OK)
        status = store_end(s, write_all(&s->writer, &in, scratch, outcome, error), error);
    account_free(&in.account);
    append_room_give(s, scratch);
    return status;
}

enum weir_status store_append(struct store *s, const uint8_t *block, size_t length,
                              enum store_outcome *outcome, struct weir_error *error)
{
    return append(s, block, length, false, outcome, error);
}

enum weir_status store_append_own(struct store *s, const uint8_t *block, size_t length,
                                  enum store_outcome *outcome, struct weir_error *error)
{
    return append(s, block, length, true, outcome, error);
}
