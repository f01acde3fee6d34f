/* segment_table.c - roll-up segments where they are kept, table rollup (segment.h): added, merged,
 * loaded and changed. Neighbours: segment.c has their bytes, rollups.c sums in memory; append.c
 * adds, retag.c and retain.c change, verify.c compares. */
#include "store/levels.h"
#include "store/segment.h"

enum weir_status segment_insert(struct sql *sql, int64_t resolution_ms, int64_t period_ms, int tier,
                                int64_t serial, size_t groups, const struct buffer *bytes,
                                struct weir_error *error)
{
    if (bytes->failed)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for a roll-up segment");
    struct query q = query_start(sql, SQL_ROLLUP_ADD);
    query_bind_i64(&q, resolution_ms);
    query_bind_i64(&q, period_ms);
    query_bind_i64(&q, tier);
    query_bind_i64(&q, serial);
    query_bind_u64(&q, groups);
    query_bind_blob(&q, bytes->bytes, bytes->length);
    query_row(&q);
    return query_end(&q, error);
}

/* Of the segments that are there; a change writes new ones behind them before they go. */
struct segments {
    int64_t period_ms, serial_most;
    int tier_least, tier_most;
};

static struct segments segments_of(int64_t period_ms, bool kept)
{
    return (struct segments){period_ms, INT64_MAX, kept ? SEGMENT_TIER_KEPT : 0,
                             kept ? SEGMENT_TIER_KEPT : SEGMENT_TIER_MOST};
}

static struct query segments_query(struct sql *sql, enum sql_statement which,
                                   const struct segments *of)
{
    struct query q = query_start(sql, which);
    query_bind_i64(&q, MINUTE_MS);
    query_bind_i64(&q, of->period_ms);
    query_bind_i64(&q, of->tier_least);
    query_bind_i64(&q, of->tier_most);
    query_bind_i64(&q, of->serial_most);
    return q;
}

static enum weir_status segments_load(struct sql *sql, struct rollups *r, const struct segments *of,
                                      int sign, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    struct query q = segments_query(sql, SQL_ROLLUP_TIER, of);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q)) {
        size_t length;
        const uint8_t *bytes = query_blob(&q, 1, &length);
        status = segment_add(r, of->period_ms, bytes, length, sign, error);
    }
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

static enum weir_status segments_delete(struct sql *sql, const struct segments *of,
                                        struct weir_error *error)
{
    struct query q = segments_query(sql, SQL_ROLLUP_TIER_DELETE, of);
    query_row(&q);
    return query_end(&q, error);
}

enum weir_status rollups_load(struct sql *sql, struct rollups *r, int64_t period_ms, int sign,
                              struct weir_error *error)
{
    const struct segments all = segments_of(period_ms, false);
    return segments_load(sql, r, &all, sign, error);
}

enum weir_status rollups_forget(struct sql *sql, int64_t period_ms, struct weir_error *error)
{
    const struct segments kept = segments_of(period_ms, true);
    return segments_delete(sql, &kept, error);
}

/* ---- in parts ---- */

static uint32_t parts_for(uint64_t groups)
{
    uint64_t parts = groups / SEGMENT_GROUPS_MOST + 1;
    return parts < UINT32_MAX ? (uint32_t)parts : UINT32_MAX;
}

static enum weir_status count_groups(struct sql *sql, int64_t resolution_ms, int64_t period_ms,
                                     int tier_least, int tier_most, uint64_t *groups,
                                     int64_t *serial, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_ROLLUP_GROUPS);
    query_bind_i64(&q, resolution_ms);
    query_bind_i64(&q, period_ms);
    query_bind_i64(&q, tier_least);
    query_bind_i64(&q, tier_most);
    bool found = query_row(&q);
    *groups = found ? query_u64(&q, 0) : 0;
    *serial = found ? query_i64(&q, 1) : 0;
    return query_end(&q, error);
}

enum weir_status rollups_parts(struct sql *sql, int64_t resolution_ms, int64_t period_ms,
                               int tier_least, int tier_most, uint32_t *parts,
                               struct weir_error *error)
{
    uint64_t groups;
    int64_t serial;
    enum weir_status status = count_groups(sql, resolution_ms, period_ms, tier_least, tier_most,
                                           &groups, &serial, error);
    *parts = parts_for(groups);
    return status;
}

/* The tier that so many groups would have reached by merging. */
static int tier_for(size_t groups)
{
    int tier = 0;
    for (size_t n = groups; n > 1000 && tier < SEGMENT_TIER_MOST; n /= SEGMENT_FAN)
        tier++;
    return tier;
}

/* One part of a changed period, as a segment; none when nothing is left of it. */
static enum weir_status write_part(struct sql *sql, struct rollups *r, int64_t period_ms, bool kept,
                                   int64_t serial, struct buffer *bytes, struct weir_error *error)
{
    size_t count;
    const struct rollup_group *groups = rollups_sorted(r, &count);
    if (count == 0)
        return WEIR_OK;
    buffer_clear(bytes);
    segment_write(bytes, r, period_ms, groups, count);
    return segment_insert(sql, MINUTE_MS, period_ms, kept ? SEGMENT_TIER_KEPT : tier_for(count),
                          serial, count, bytes, error);
}

enum weir_status rollups_change(struct sql *sql, struct rollups *r, const struct rollups *of,
                                int64_t period_ms, bool kept, const struct rollup_group *groups,
                                size_t count, int sign, struct buffer *bytes,
                                struct weir_error *error)
{
    uint64_t stored;
    struct segments old = segments_of(period_ms, kept);
    enum weir_status status = count_groups(sql, MINUTE_MS, period_ms, old.tier_least,
                                           old.tier_most, &stored, &old.serial_most, error);
    uint32_t parts = parts_for(stored + count);
    for (uint32_t part = 0; status == WEIR_OK && part < parts; part++) {
        rollups_take_part(r, part, parts);
        status = segments_load(sql, r, &old, 1, error);
        if (status == WEIR_OK && !rollups_join(r, of, groups, count, sign))
            status = weir_fail(error, WEIR_ENOMEM, "", "out of memory for roll-ups");
        if (status == WEIR_OK)
            status = write_part(sql, r, period_ms, kept, old.serial_most + 1 + part, bytes, error);
    }
    return status == WEIR_OK ? segments_delete(sql, &old, error) : status;
}

/* ---- merging ---- */

struct tier { /* what a tier of a period has */
    int64_t segments, serial, groups;
};

static enum weir_status tier_read(struct sql *sql, int64_t period_ms, int tier, struct tier *out,
                                  struct weir_error *error)
{
    struct query q = query_start(sql, SQL_ROLLUP_SERIALS);
    query_bind_i64(&q, MINUTE_MS);
    query_bind_i64(&q, period_ms);
    query_bind_i64(&q, tier);
    if (query_row(&q))
        *out = (struct tier){query_i64(&q, 0), query_i64(&q, 1), query_i64(&q, 2)};
    return query_end(&q, error);
}

/* The segments of `tier` become one of the next. */
static enum weir_status merge(struct sql *sql, int64_t period_ms, int tier, struct buffer *bytes,
                              struct weir_error *error)
{
    struct tier next = {0};
    size_t count = 0;
    struct rollups *r = rollups_new();
    if (!r)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for roll-ups");
    const struct segments of = {period_ms, INT64_MAX, tier, tier};
    enum weir_status status = segments_load(sql, r, &of, 1, error);
    if (status == WEIR_OK)
        status = segments_delete(sql, &of, error);
    if (status == WEIR_OK)
        status = tier_read(sql, period_ms, tier + 1, &next, error);
    if (status == WEIR_OK) {
        const struct rollup_group *groups = rollups_sorted(r, &count);
        buffer_clear(bytes);
        segment_write(bytes, r, period_ms, groups, count);
        status = segment_insert(sql, MINUTE_MS, period_ms, tier + 1, next.serial + 1, count, bytes,
                                error);
    }
    rollups_free(r);
    return status;
}

static enum weir_status store_period(struct sql *sql, const struct rollups *r, int64_t period_ms,
                                     const struct rollup_group *groups, size_t count,
                                     struct buffer *bytes, struct weir_error *error)
{
    struct tier now = {0};
    enum weir_status status = tier_read(sql, period_ms, 0, &now, error);
    if (status == WEIR_OK)
        status = levels_outdate(sql, period_ms, error);
    if (status == WEIR_OK) {
        buffer_clear(bytes);
        segment_write(bytes, r, period_ms, groups, count);
        status = segment_insert(sql, MINUTE_MS, period_ms, 0, now.serial + 1, count, bytes, error);
    }
    now.segments++;
    now.groups += (int64_t)count;
    for (int tier = 0; status == WEIR_OK && tier < SEGMENT_TIER_MOST &&
                       now.segments >= SEGMENT_FAN && now.groups <= SEGMENT_GROUPS_MOST;
         tier++) {
        status = merge(sql, period_ms, tier, bytes, error);
        if (status == WEIR_OK)
            status = tier_read(sql, period_ms, tier + 1, &now, error);
    }
    return status;
}

enum weir_status rollups_store(struct sql *sql, struct scratch *scratch, struct weir_error *error)
{
    size_t count;
    const struct rollup_group *groups = rollups_sorted(scratch->rollups, &count);
    enum weir_status status = WEIR_OK;
    for (size_t first = 0, next; status == WEIR_OK && first < count; first = next) {
        int64_t period = period_of(groups[first].minute_ms);
        for (next = first; next < count && groups[next].minute_ms < period + PERIOD_MS; next++)
            ;
        status = store_period(sql, scratch->rollups, period, groups + first, next - first,
                              &scratch->bytes, error);
    }
    return status;
}
