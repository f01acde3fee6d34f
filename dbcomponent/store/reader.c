/* reader.c - roll-ups and tag numbers for queries (container.h). Neighbours: blocks.c and account.c
 * have the readers of blocks and of the account, store.c opens and closes them. */
#include "store/inside.h"
#include "store/segment.h"
#include "store/sums.h"
#include <stdlib.h>

/* Longer walks do not come back to the same hours so soon. */
#define KEPT_HOURS_MOST 2

static enum weir_status read_rollups(struct reader *r, struct interval periods,
                                     struct interval when, rollup_row row, void *context,
                                     struct weir_error *error)
{
    struct arena a = {0};
    enum weir_status status = WEIR_OK;
    struct query q = query_start(&r->sql, SQL_ROLLUP_RANGE);
    query_bind_i64(&q, MINUTE_MS);
    query_bind_i64(&q, periods.from_ms);
    query_bind_i64(&q, periods.to_ms);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q)) {
        size_t length;
        int64_t period = query_i64(&q, 0);
        const uint8_t *bytes = query_blob(&q, 1, &length);
        status = segment_walk(period, bytes, length, when, row, context, &a, error);
        arena_reset(&a);
    }
    arena_free(&a);
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

enum weir_status rollups_walk(struct reader *r, struct interval when, bool apart, rollup_row row,
                              void *context, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    if (when.from_ms < INT64_MIN + PERIOD_MS || when.to_ms > INT64_MAX - PERIOD_MS ||
        (uint64_t)when.to_ms - (uint64_t)when.from_ms > KEPT_HOURS_MOST * PERIOD_MS) {
        int64_t first = when.from_ms < INT64_MIN + PERIOD_MS ? INT64_MIN : period_of(when.from_ms);
        return read_rollups(r, (struct interval){first, when.to_ms}, when, row, context, error);
    }
    for (int64_t period = period_of(when.from_ms); status == WEIR_OK && period < when.to_ms;
         period += PERIOD_MS) {
        bool done = false;
        status = sums_walk_hour(r, period, when, apart, row, context, &done, error);
        if (status == WEIR_OK && !done)
            status = read_rollups(r, (struct interval){period, period}, when, row, context, error);
    }
    return status;
}

enum weir_status reader_rollups(struct reader *r, struct interval when, rollup_row row,
                                void *context, struct weir_error *error)
{
    return rollups_walk(r, when, true, row, context, error);
}

bool reader_tag(void *reader, const char *name, uint32_t *tag)
{
    struct reader *r = reader;
    struct query q = query_start(&r->sql, SQL_TAG_BY_NAME);
    query_bind_text(&q, name);
    bool found = query_row(&q) && query_sealed(&q);
    if (found)
        *tag = (uint32_t)query_i64(&q, 0);
    return query_end(&q, NULL) == WEIR_OK && found;
}

enum weir_status reader_changes(struct reader *r, const struct changes **out,
                                struct weir_error *error)
{
    unsigned version = 0;
    sqlite3_file_control(r->sql.db, "main", SQLITE_FCNTL_DATA_VERSION, &version);
    *out = &r->changes;
    if (r->changes_known && r->changes_version == version)
        return WEIR_OK;
    enum weir_status status = changes_read(&r->sql, &r->changes, error);
    r->changes_known = status == WEIR_OK;
    r->changes_version = version;
    return status;
}

void reader_watch(struct reader *r, reader_go_on go_on, const void *context)
{
    r->go_on = go_on;
    r->go_on_context = context;
}

void reader_keep(struct reader *r, void *memory, void (*release)(void *))
{
    r->kept = memory;
    r->release = release;
}

void *reader_kept(const struct reader *r)
{
    return r->kept;
}

void reader_free(struct reader *r)
{
    if (r->kept)
        r->release(r->kept);
    sums_free(r->sums);
    sql_close(&r->sql);
    free(r);
}
