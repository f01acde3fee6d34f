/* reader.c - roll-ups and tag numbers for queries (container.h). Neighbours: blocks.c and account.c
 * have the readers of blocks and of the account, store.c opens and closes them. */
#include "store/inside.h"
#include "store/segment.h"

enum weir_status reader_rollups(struct reader *r, struct interval when, rollup_row row,
                                void *context, struct weir_error *error)
{
    struct arena a = {0};
    enum weir_status status = WEIR_OK;
    struct query q = query_start(&r->sql, SQL_ROLLUP_RANGE);
    query_bind_i64(&q, MINUTE_MS);
    query_bind_i64(&q, when.from_ms < INT64_MIN + PERIOD_MS ? INT64_MIN : period_of(when.from_ms));
    query_bind_i64(&q, when.to_ms);
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
