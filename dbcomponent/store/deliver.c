/* deliver.c - deliveries of long ago become ranges (upkeep.h): a row a block for ever would be more
 * than the flows of a quiet network. Neighbours: append.c looks deliveries up in both tables,
 * account.c keeps what they carried, verify.c adds it up again.
 *
 * A range knows that each of its sequences was stored, and the sum of what their accounts said; not
 * which block each was, so a different block under an old name is taken for the old one. Collectors
 * send a block again within their spool's time, which is less. */
#include "store/upkeep.h"
#include <stdlib.h>
#include <string.h>

#define AGE_MS (60 * MINUTE_MS)
#define RUN_LEAST 64 /* deliveries that are worth a transaction */
#define RUN_MOST  4096
#define POSITIONS_MOST (1 << 20) /* of a run, in memory */
#define ACCOUNT_MOST (256 << 10) /* octets: a range is rewritten when it grows */

struct session {
    struct account_checkpoint checkpoint;
    uint64_t sequence;
};

struct range {
    uint64_t first, last, rows, deliveries;
    uint64_t forgotten; /* positions of deliveries up to this one are (positions.c) */
    struct account_book *book;
    struct session *sessions;
    size_t count, room;
};

/* ---- the sum of accounts ---- */

static void range_clear(struct range *r)
{
    account_book_free(r->book);
    free(r->sessions);
    *r = (struct range){0};
}

static bool add_session(struct range *r, const struct account_checkpoint *c, uint64_t sequence)
{
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        struct session *more = realloc(r->sessions, room * sizeof *more);
        if (!more)
            return false;
        r->sessions = more;
        r->room = room;
    }
    r->sessions[r->count++] = (struct session){*c, sequence};
    return true;
}

static bool is_empty(const struct account_row *row)
{
    static const struct account_counts none;
    return row->first_heard_ms == 0 && row->last_heard_ms == 0 &&
           memcmp(&row->counts, &none, sizeof none) == 0;
}

static bool add_account(struct range *r, const struct account *a, uint64_t sequence)
{
    bool fine = r->book || (r->book = account_book_new());
    for (size_t i = 0; fine && i < a->row_count; i++) {
        const struct account_row *from = &a->rows[i];
        struct account_row *to = account_book_row(r->book, &from->key);
        if (!(fine = to != NULL))
            break;
        bool new = is_empty(to);
        account_counts_add(&to->counts, &from->counts);
        if (new || from->first_heard_ms < to->first_heard_ms)
            to->first_heard_ms = from->first_heard_ms;
        if (new || from->last_heard_ms > to->last_heard_ms)
            to->last_heard_ms = from->last_heard_ms;
    }
    size_t positions = sequence > r->forgotten ? a->checkpoint_count : 0;
    for (size_t i = 0; fine && i < positions; i++)
        fine = add_session(r, &a->checkpoints[i], sequence);
    return fine;
}

static int same_session(const struct account_checkpoint *a, const struct account_checkpoint *b)
{
    int order = memcmp(&a->exporter, &b->exporter, sizeof a->exporter);
    if (order)
        return order;
    if (a->domain != b->domain)
        return a->domain < b->domain ? -1 : 1;
    return a->port != b->port ? (int)a->port - b->port : (int)a->protocol - b->protocol;
}

static int by_session(const void *left, const void *right)
{
    const struct session *a = left, *b = right;
    int order = same_session(&a->checkpoint, &b->checkpoint);
    return order ? order : (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

/* The newest of each session is its last. */
static enum weir_status write_account(struct range *r, struct buffer *out,
                                      struct weir_error *error)
{
    struct account a = {0};
    enum weir_status status = r->book ? account_book_take(r->book, &a) : WEIR_OK;
    struct account_checkpoint *last = calloc(r->count + 1, sizeof *last);
    if (status != WEIR_OK || !last) {
        free(last);
        account_free(&a);
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for an account");
    }
    if (r->count)
        qsort(r->sessions, r->count, sizeof *r->sessions, by_session);
    struct account whole = {.rows = a.rows, .row_count = a.row_count, .checkpoints = last};
    for (size_t i = 0; i < r->count; i++)
        if (i + 1 == r->count ||
            same_session(&r->sessions[i].checkpoint, &r->sessions[i + 1].checkpoint) != 0)
            last[whole.checkpoint_count++] = r->sessions[i].checkpoint;
    buffer_clear(out);
    account_write(out, &whole);
    free(last);
    account_free(&a);
    return out->failed ? weir_fail(error, WEIR_ENOMEM, "", "out of memory for an account")
                       : WEIR_OK;
}

static enum weir_status add_bytes(struct range *r, const uint8_t *bytes, size_t length,
                                  uint64_t sequence, struct weir_error *error)
{
    struct account a = {0};
    struct cursor in = cursor_over(bytes, length);
    if (length == 0)
        return WEIR_OK;
    enum weir_status status = account_read(&in, &a, error);
    if (status == WEIR_OK && !add_account(r, &a, sequence))
        status = weir_fail(error, WEIR_ENOMEM, "", "out of memory for an account");
    account_free(&a);
    return status;
}

/* ---- reading a run of deliveries, and the range before it ---- */

static enum weir_status read_run(struct sql *sql, int64_t collector, uint64_t from,
                                 int64_t before_ms, struct range *r, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    struct query q = query_start(sql, SQL_DELIVERY_RUN);
    query_bind_i64(&q, collector);
    query_bind_u64(&q, from);
    query_bind_i64(&q, before_ms);
    query_bind_i64(&q, RUN_MOST);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q)) {
        uint64_t sequence = query_u64(&q, 0);
        size_t length;
        if (r->deliveries && sequence != r->last + 1)
            break;
        if (!r->deliveries++)
            r->first = sequence;
        r->last = sequence;
        r->rows += query_u64(&q, 1);
        const uint8_t *bytes = query_blob(&q, 2, &length);
        status = add_bytes(r, bytes, length, sequence, error);
        if ((r->book && account_book_full(r->book)) || r->count >= POSITIONS_MOST)
            break;
    }
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

/* A range that ends right before this one is continued, unless its account is long. */
static enum weir_status join_range(struct sql *sql, int64_t collector, struct range *r,
                                   struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    struct query q = query_start(sql, SQL_DELIVERED_FIND);
    query_bind_i64(&q, collector);
    query_bind_u64(&q, r->first);
    if (query_row(&q) && query_sealed(&q) && query_u64(&q, 1) + 1 == r->first) {
        size_t length;
        const uint8_t *bytes = query_blob(&q, 3, &length);
        if (length < ACCOUNT_MOST) {
            status = add_bytes(r, bytes, length, query_u64(&q, 1), error);
            r->first = query_u64(&q, 0);
            r->rows += query_u64(&q, 2);
        }
    }
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

/* ---- writing ---- */

static enum weir_status run_between(struct sql *sql, enum sql_statement which, int64_t collector,
                                    uint64_t first, uint64_t last, struct weir_error *error)
{
    struct query q = query_start(sql, which);
    query_bind_i64(&q, collector);
    query_bind_u64(&q, first);
    query_bind_u64(&q, last);
    query_row(&q);
    return query_end(&q, error);
}

static enum weir_status put_range(struct sql *sql, int64_t collector, struct range *r,
                                  struct weir_error *error)
{
    struct buffer bytes = {0};
    uint64_t first = r->first;
    enum weir_status status = join_range(sql, collector, r, error);
    if (status == WEIR_OK)
        status = write_account(r, &bytes, error);
    if (status == WEIR_OK) {
        struct query q = query_start(sql, SQL_DELIVERED_PUT);
        query_bind_i64(&q, collector);
        query_bind_u64(&q, r->first);
        query_bind_u64(&q, r->last);
        query_bind_u64(&q, r->rows);
        query_bind_blob(&q, bytes.bytes, bytes.length);
        query_row(&q);
        status = query_end(&q, error);
    }
    buffer_free(&bytes);
    if (status == WEIR_OK)
        status = run_between(sql, SQL_DELIVERY_FORGET, collector, first, r->last, error);
    /* Positions are as new as the delivery that told them: now as the range. */
    return status == WEIR_OK
               ? run_between(sql, SQL_CHECKPOINT_MOVE, collector, r->first, r->last, error)
               : status;
}

/* The next run from *from on; *from moves behind it. */
static enum weir_status gather_run(struct upkeep *u, int64_t collector, uint64_t *from, bool *any,
                                   struct weir_error *error)
{
    struct range r = {0};
    struct sql *sql = &u->store->writer;
    enum weir_status status = store_begin(u->store, error);
    if (status != WEIR_OK)
        return status;
    status = positions_forgotten(sql, collector, &r.forgotten, error);
    int64_t before = u->thorough ? INT64_MAX : clock_now_ms() - AGE_MS;
    if (status == WEIR_OK)
        status = read_run(sql, collector, *from, before, &r, error);
    *any = r.deliveries != 0;
    *from = r.last + 1;
    if (status == WEIR_OK && r.deliveries >= (u->thorough ? 2 : RUN_LEAST))
        status = put_range(sql, collector, &r, error);
    range_clear(&r);
    return store_end(u->store, status, error);
}

enum weir_status upkeep_collectors(struct upkeep *u, int64_t **ids, size_t *count,
                                   struct weir_error *error)
{
    struct reader *r;
    arena_reset(&u->list);
    enum weir_status status = reader_open(u->store, &r, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(&r->sql, SQL_COLLECTORS);
    status = query_numbers(&q, &u->list, ids, count, error);
    return reader_end(r, status, error);
}

enum weir_status upkeep_deliveries(struct upkeep *u, struct weir_error *error)
{
    int64_t *collectors;
    size_t count = 0;
    enum weir_status status = upkeep_collectors(u, &collectors, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        uint64_t from = 0;
        bool any = true;
        while (status == WEIR_OK && any && !upkeep_stopped(u))
            status = gather_run(u, collectors[i], &from, &any, error);
    }
    return status;
}
