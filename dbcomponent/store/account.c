/* account.c - the account and the checkpoints in their tables. Neighbours: append.c calls
 * account_store() in the block's transaction; verify.c makes the tables anew from the deliveries.
 */
#include "store/inside.h"
#include <stdlib.h>

/* ---- account ---- */

static void bind_key(struct query *q, const struct account_key *key)
{
    query_bind_i64(q, key->minute_ms);
    query_bind_address(q, &key->exporter);
    query_bind_i64(q, key->domain);
    query_bind_i64(q, key->port);
    query_bind_i64(q, key->protocol);
}

void account_row_read(struct query *q, struct account_row *row)
{
    row->key.minute_ms = query_i64(q, 0);
    query_octets(q, 1, row->key.exporter.octets, sizeof row->key.exporter.octets);
    row->key.domain = (uint32_t)query_i64(q, 2);
    row->key.port = (uint16_t)query_i64(q, 3);
    row->key.protocol = (uint16_t)query_i64(q, 4);
    row->first_heard_ms = query_i64(q, 5);
    row->last_heard_ms = query_i64(q, 6);
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++)
        *account_counter(&row->counts, i) = query_u64(q, 7 + (int)i);
}

static enum weir_status put_row(struct sql *sql, const struct account_row *row,
                                struct weir_error *error)
{
    struct account_counts counts = row->counts;
    struct query q = query_start(sql, SQL_ACCOUNT_PUT);
    bind_key(&q, &row->key);
    query_bind_i64(&q, row->first_heard_ms);
    query_bind_i64(&q, row->last_heard_ms);
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++)
        query_bind_u64(&q, *account_counter(&counts, i));
    query_row(&q);
    return query_end(&q, error);
}

static enum weir_status add_row(struct sql *sql, const struct account_row *row,
                                struct weir_error *error)
{
    struct account_row sum = *row, old = {0};
    struct query q = query_start(sql, SQL_ACCOUNT_FIND);
    bind_key(&q, &row->key);
    if (query_row(&q) && query_sealed(&q)) {
        account_row_read(&q, &old);
        account_counts_add(&sum.counts, &old.counts);
        if (old.first_heard_ms < sum.first_heard_ms)
            sum.first_heard_ms = old.first_heard_ms;
        if (old.last_heard_ms > sum.last_heard_ms)
            sum.last_heard_ms = old.last_heard_ms;
    }
    enum weir_status status = query_end(&q, error);
    return status == WEIR_OK ? put_row(sql, &sum, error) : status;
}

/* ---- checkpoints ---- */

static void bind_session(struct query *q, int64_t collector, const struct account_checkpoint *c)
{
    query_bind_i64(q, collector);
    query_bind_address(q, &c->exporter);
    query_bind_i64(q, c->domain);
    query_bind_i64(q, c->port);
    query_bind_i64(q, c->protocol);
}

/* The newest block wins, and blocks may be delivered out of order: their sequences decide. */
static enum weir_status put_checkpoint(struct sql *sql, int64_t collector, uint64_t sequence,
                                       const struct account_checkpoint *c, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_CHECKPOINT_FIND);
    bind_session(&q, collector, c);
    bool older = query_row(&q) && query_sealed(&q) && query_u64(&q, 0) > sequence;
    enum weir_status status = query_end(&q, error);
    if (status != WEIR_OK || older)
        return status;
    q = query_start(sql, SQL_CHECKPOINT_PUT);
    bind_session(&q, collector, c);
    query_bind_u64(&q, sequence);
    query_bind_i64(&q, c->next_sequence);
    query_bind_i64(&q, c->sys_up_time_ms);
    query_bind_i64(&q, c->export_ms);
    query_row(&q);
    return query_end(&q, error);
}

enum weir_status account_store(struct sql *sql, int64_t collector, uint64_t sequence,
                               const struct account *account, struct weir_error *error)
{
    uint64_t forgotten = 0;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < account->row_count; i++) {
        changes_note(&sql->changed, account->rows[i].key.minute_ms);
        status = add_row(sql, &account->rows[i], error);
    }
    if (status == WEIR_OK && account->checkpoint_count)
        status = positions_forgotten(sql, collector, &forgotten, error);
    size_t count = sequence > forgotten ? account->checkpoint_count : 0;
    for (size_t i = 0; status == WEIR_OK && i < count; i++)
        status = put_checkpoint(sql, collector, sequence, &account->checkpoints[i], error);
    return status;
}

static enum weir_status collector_find(struct sql *sql, const uint8_t identity[16], int64_t *id,
                                       struct weir_error *error)
{
    *id = 0;
    struct query q = query_start(sql, SQL_COLLECTOR_FIND);
    query_bind_blob(&q, identity, 16);
    if (query_row(&q) && query_sealed(&q))
        *id = query_i64(&q, 0);
    return query_end(&q, error);
}

static void read_checkpoint(struct query *q, struct account_checkpoint *c)
{
    *c = (struct account_checkpoint){
        .domain = (uint32_t)query_i64(q, 2),
        .port = (uint16_t)query_i64(q, 3),
        .protocol = (uint16_t)query_i64(q, 4),
        .next_sequence = (uint32_t)query_i64(q, 6),
        .sys_up_time_ms = (uint32_t)query_i64(q, 7),
        .export_ms = query_i64(q, 8),
    };
    query_octets(q, 1, c->exporter.octets, sizeof c->exporter.octets);
}

static enum weir_status read_checkpoints(struct sql *sql, int64_t collector,
                                         struct account_checkpoint **out, size_t *count,
                                         struct weir_error *error)
{
    size_t room = 0;
    struct query q = query_start(sql, SQL_CHECKPOINTS);
    query_bind_i64(&q, collector);
    while (query_row(&q) && query_sealed(&q)) {
        if (*count == room) {
            room = room ? room * 2 : 16;
            struct account_checkpoint *more = realloc(*out, room * sizeof *more);
            if (!more) {
                query_end(&q, NULL);
                return weir_fail(error, WEIR_ENOMEM, "", "out of memory for %zu checkpoints", room);
            }
            *out = more;
        }
        read_checkpoint(&q, &(*out)[(*count)++]);
    }
    return query_end(&q, error);
}

enum weir_status store_checkpoints(struct store *s, const uint8_t collector[16],
                                   struct account_checkpoint **out, size_t *count,
                                   struct weir_error *error)
{
    struct reader *r;
    int64_t id;
    *out = NULL;
    *count = 0;
    enum weir_status status = reader_open(s, &r, error);
    if (status != WEIR_OK)
        return status;
    status = collector_find(&r->sql, collector, &id, error);
    if (status == WEIR_OK && id)
        status = read_checkpoints(&r->sql, id, out, count, error);
    status = reader_end(r, status, error);
    if (status != WEIR_OK) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return status;
}

/* ---- container.h ---- */

enum weir_status reader_account_rows(struct reader *r, int64_t from_ms, int64_t to_ms,
                                     account_visit visit, void *context, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    struct account_row row = {0};
    struct query q = query_start(&r->sql, SQL_ACCOUNT_RANGE);
    query_bind_i64(&q, from_ms);
    query_bind_i64(&q, to_ms);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q)) {
        account_row_read(&q, &row);
        status = visit(context, &row);
    }
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

enum weir_status reader_account(struct reader *r, struct interval when, account_visit visit,
                                void *context, struct weir_error *error)
{
    /* A minute that starts before the interval overlaps it when it ends inside. */
    int64_t from = when.from_ms < INT64_MIN + MINUTE_MS ? INT64_MIN : when.from_ms - MINUTE_MS + 1;
    return reader_account_rows(r, from, when.to_ms, visit, context, error);
}

enum weir_status reader_account_next(struct reader *r, int64_t at_ms, int64_t *minute_ms,
                                     struct weir_error *error)
{
    struct query q = query_start(&r->sql, SQL_ACCOUNT_NEXT);
    query_bind_i64(&q, at_ms);
    *minute_ms = query_row(&q) ? query_i64(&q, 0) : INT64_MAX;
    return query_end(&q, error);
}

enum weir_status reader_account_span(struct reader *r, int64_t *first_ms, int64_t *last_ms,
                                     struct weir_error *error)
{
    struct query q = query_start(&r->sql, SQL_ACCOUNT_LAST);
    *last_ms = query_row(&q) ? query_i64(&q, 0) : INT64_MIN;
    enum weir_status status = query_end(&q, error);
    return status == WEIR_OK ? reader_account_next(r, INT64_MIN, first_ms, error) : status;
}
