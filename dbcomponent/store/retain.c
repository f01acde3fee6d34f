/* retain.c - old blocks leave, and the space that they had is given back (upkeep.h). Neighbours:
 * rollups.c sums what a block counted, segment_table.c moves it, block_write.c deletes.
 *
 * What a removed block counted is moved, in the transaction that deletes it, from the roll-ups of
 * the blocks that are here to those of the blocks that are gone (segment.h: SEGMENT_TIER_KEPT). So
 * the first still equal the blocks, which verify proves; the second count as many flows as table
 * removed says; and an answer from roll-ups is the same before and after. They leave later, by
 * their own age. */
#include "base/log.h"
#include "store/levels.h"
#include "store/segment.h"
#include "store/upkeep.h"

#define HOUR_MS (60 * MINUTE_MS)
/* Free pages are given back when they are more than a quarter of the file and this much; in
 * transactions of some pages, for whoever writes waits. */
#define SLACK_OCTETS (64 << 20)
#define GIVE_SLICE   "PRAGMA incremental_vacuum(1024)"

/* ---- table removed ---- */

enum removed_kind { REMOVED_ROLLUPS = 2 }; /* the others are enum record_kind */

enum weir_status removed_read(struct sql *sql, int kind, struct removed *out,
                              struct weir_error *error)
{
    *out = (struct removed){.first_ms = INT64_MAX, .last_ms = INT64_MIN};
    struct query q = query_start(sql, SQL_REMOVED);
    query_bind_i64(&q, kind);
    if (query_row(&q) && query_sealed(&q))
        *out = (struct removed){.blocks = query_u64(&q, 0), .rows = query_u64(&q, 1),
                                .flows = query_u64(&q, 2), .first_ms = query_i64(&q, 3),
                                .last_ms = query_i64(&q, 4), .newest = query_i64(&q, 5)};
    return query_end(&q, error);
}

static enum weir_status removed_add(struct sql *sql, int kind, const struct removed *more,
                                    struct weir_error *error)
{
    struct removed sum;
    enum weir_status status = removed_read(sql, kind, &sum, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(sql, SQL_REMOVED_PUT);
    query_bind_i64(&q, kind);
    query_bind_u64(&q, sum.blocks + more->blocks);
    query_bind_u64(&q, sum.rows + more->rows);
    query_bind_u64(&q, sum.flows + more->flows);
    query_bind_i64(&q, more->first_ms < sum.first_ms ? more->first_ms : sum.first_ms);
    query_bind_i64(&q, more->last_ms > sum.last_ms ? more->last_ms : sum.last_ms);
    query_bind_i64(&q, more->newest > sum.newest ? more->newest : sum.newest);
    query_row(&q);
    return query_end(&q, error);
}

/* ---- roll-ups of a block that leaves ---- */

static enum weir_status move_rollups(struct sql *sql, struct rollups *of, struct scratch *scratch,
                                     struct weir_error *error)
{
    size_t count;
    enum weir_status status = WEIR_OK;
    const struct rollup_group *groups = rollups_sorted(of, &count);
    for (size_t first = 0, next; status == WEIR_OK && first < count; first = next) {
        int64_t period = period_of(groups[first].minute_ms);
        for (next = first; next < count && period_of(groups[next].minute_ms) == period; next++)
            ;
        for (int kept = 0; status == WEIR_OK && kept < 2; kept++)
            status = rollups_change(sql, scratch->rollups, of, period, kept, groups + first,
                                    next - first, kept ? 1 : -1, &scratch->bytes, error);
    }
    return status;
}

/* ---- a block leaves ---- */

struct leaving {
    struct block_record block;
    int64_t seal;
    struct scratch *counted; /* its roll-ups */
    struct scratch *work;
};

static enum weir_status look_at(struct store *s, int64_t id, struct leaving *l,
                                struct weir_error *error)
{
    struct reader *r;
    struct frame frame;
    struct arena *a = &l->counted->arena;
    enum weir_status status = reader_open(s, &r, error);
    if (status != WEIR_OK)
        return status;
    status = block_record_read(&r->sql, id, a, &l->block, error);
    if (status == WEIR_OK)
        status = block_seal(&r->sql, id, &l->seal, error);
    if (status == WEIR_OK && l->block.head.kind == RECORD_FLOW) {
        status = block_decode(&r->sql, &l->block, rollup_keys, rollup_key_count, a, &frame, error);
        if (status == WEIR_OK)
            status = rollups_add_frame(l->counted->rollups, &frame, 1, a, error);
    }
    return reader_end(r, status, error);
}

static uint64_t flows_of(struct rollups *r)
{
    size_t count;
    uint64_t sum = 0;
    const struct rollup_group *groups = rollups_sorted(r, &count);
    for (size_t i = 0; i < count; i++)
        sum += groups[i].counts.flows;
    return sum;
}

static enum weir_status take_away(struct upkeep *u, struct leaving *l, struct weir_error *error)
{
    struct sql *sql = &u->store->writer;
    const struct stored_block *h = &l->block.head;
    const struct removed more = {.blocks = 1,
                                 .rows = h->rows,
                                 .flows = flows_of(l->counted->rollups),
                                 .first_ms = h->first_ms,
                                 .last_ms = h->last_ms,
                                 .newest = h->rowid};
    int64_t seal;
    enum weir_status status = store_begin(u->store, error);
    if (status != WEIR_OK)
        return status;
    status = block_seal(sql, h->rowid, &seal, error);
    /* else it was merged or retagged: the next look finds what it became */
    bool same = seal == l->seal;
    if (status == WEIR_OK && same)
        status = move_rollups(sql, l->counted->rollups, l->work, error);
    if (status == WEIR_OK && same)
        status = block_delete(sql, h->rowid, error);
    if (status == WEIR_OK && same)
        status = removed_add(sql, h->kind, &more, error);
    status = store_end(u->store, status, error);
    if (status == WEIR_OK && same) {
        u->report.blocks_removed++;
        u->report.records_removed += h->rows;
    }
    return status;
}

static enum weir_status remove_block(struct upkeep *u, int64_t id, struct weir_error *error)
{
    struct leaving l = {.counted = append_room_take(u->store), .work = append_room_take(u->store)};
    enum weir_status status = l.counted && l.work
                                  ? look_at(u->store, id, &l, error)
                                  : weir_fail(error, WEIR_ENOMEM, "", "out of memory for a block");
    if (status == WEIR_OK)
        status = take_away(u, &l, error);
    if (l.counted)
        append_room_give(u->store, l.counted);
    if (l.work)
        append_room_give(u->store, l.work);
    return status == WEIR_ENOTFOUND ? WEIR_OK : status;
}

/* ---- by age ---- */

static enum weir_status one_number(struct upkeep *u, enum sql_statement which, int64_t first,
                                   int64_t second, int64_t *out, int64_t *beside, bool *found,
                                   struct weir_error *error)
{
    struct reader *r;
    *found = false;
    enum weir_status status = reader_open(u->store, &r, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(&r->sql, which);
    query_bind_i64(&q, first);
    if (which == SQL_BLOCK_EXPIRED)
        query_bind_i64(&q, second);
    if ((*found = query_row(&q))) {
        *out = query_i64(&q, 0);
        if (beside)
            *beside = query_i64(&q, 1);
    }
    status = query_end(&q, error);
    return reader_end(r, status, error);
}

static enum weir_status remove_expired(struct upkeep *u, enum record_kind kind, int64_t before_ms,
                                       struct weir_error *error)
{
    int64_t id;
    bool found = true;
    enum weir_status status = WEIR_OK;
    while (status == WEIR_OK && !upkeep_stopped(u)) {
        status = one_number(u, SQL_BLOCK_EXPIRED, kind, before_ms, &id, NULL, &found, error);
        if (status != WEIR_OK || !found)
            break;
        status = remove_block(u, id, error);
    }
    return status;
}

/* ---- roll-ups of removed flows ---- */

static enum weir_status count_flow(void *context, const struct rollup_key *key,
                                   const struct counts *counts)
{
    struct removed *sum = context;
    sum->flows += counts->flows;
    sum->first_ms = key->minute_ms < sum->first_ms ? key->minute_ms : sum->first_ms;
    sum->last_ms = key->minute_ms > sum->last_ms ? key->minute_ms : sum->last_ms;
    return WEIR_OK;
}

enum weir_status rollups_kept_count(struct sql *sql, int64_t period_ms, struct removed *out,
                                    struct weir_error *error)
{
    struct arena a = {0};
    enum weir_status status = WEIR_OK;
    *out = (struct removed){.first_ms = INT64_MAX, .last_ms = INT64_MIN};
    struct query q = query_start(sql, SQL_ROLLUP_TIER);
    query_bind_i64(&q, MINUTE_MS);
    query_bind_i64(&q, period_ms);
    query_bind_i64(&q, SEGMENT_TIER_KEPT);
    query_bind_i64(&q, SEGMENT_TIER_KEPT);
    query_bind_i64(&q, INT64_MAX);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q)) {
        size_t length;
        const uint8_t *bytes = query_blob(&q, 1, &length);
        arena_reset(&a);
        status = segment_walk(period_ms, bytes, length, INTERVAL_ALL, count_flow, out, &a, error);
    }
    arena_free(&a);
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

static enum weir_status cut_period(struct upkeep *u, int64_t period_ms, struct weir_error *error)
{
    struct sql *sql = &u->store->writer;
    struct removed cut;
    enum weir_status status = store_begin(u->store, error);
    if (status != WEIR_OK)
        return status;
    status = rollups_kept_count(sql, period_ms, &cut, error);
    if (status == WEIR_OK)
        status = rollups_forget(sql, period_ms, error);
    if (status == WEIR_OK)
        status = levels_outdate(sql, period_ms, error);
    if (status == WEIR_OK)
        status = removed_add(sql, REMOVED_ROLLUPS, &cut, error);
    return store_end(u->store, status, error);
}

/* The oldest hour of roll-ups that no block is behind any more. */
static enum weir_status oldest_kept(struct upkeep *u, int64_t *period_ms, bool *found,
                                    struct weir_error *error)
{
    return one_number(u, SQL_ROLLUP_KEPT_OLDEST, SEGMENT_TIER_KEPT, 0, period_ms, NULL, found,
                      error);
}

static enum weir_status cut_rollups(struct upkeep *u, int64_t before_ms, struct weir_error *error)
{
    int64_t period;
    bool found;
    enum weir_status status = WEIR_OK;
    while (status == WEIR_OK && !upkeep_stopped(u)) {
        status = oldest_kept(u, &period, &found, error);
        if (status != WEIR_OK || !found || period > before_ms - HOUR_MS)
            break;
        status = cut_period(u, period, error);
    }
    return status;
}

/* ---- by size ---- */

struct space {
    int64_t page, pages, free;
};

static enum weir_status measure(struct upkeep *u, struct space *out, struct weir_error *error)
{
    struct reader *r;
    enum weir_status status = reader_open(u->store, &r, error);
    if (status != WEIR_OK)
        return status;
    status = sql_number(&r->sql, "PRAGMA page_size", &out->page, error);
    if (status == WEIR_OK)
        status = sql_number(&r->sql, "PRAGMA page_count", &out->pages, error);
    if (status == WEIR_OK)
        status = sql_number(&r->sql, "PRAGMA freelist_count", &out->free, error);
    return reader_end(r, status, error);
}

/* The oldest block leaves; when there is none, the oldest hour of roll-ups. False in *any: there is
 * nothing that could. */
static enum weir_status remove_oldest(struct upkeep *u, bool *any, struct weir_error *error)
{
    int64_t id[2], first[2], period;
    bool has[2];
    enum weir_status status = WEIR_OK;
    for (int kind = 0; status == WEIR_OK && kind < 2; kind++)
        status =
            one_number(u, SQL_BLOCK_OLDEST, kind, 0, &id[kind], &first[kind], &has[kind], error);
    *any = status == WEIR_OK && (has[0] || has[1]);
    if (status != WEIR_OK)
        return status;
    if (*any)
        return remove_block(u, id[has[1] && (!has[0] || first[1] < first[0])], error);
    status = oldest_kept(u, &period, any, error);
    return status == WEIR_OK && *any ? cut_period(u, period, error) : status;
}

static enum weir_status shrink_to(struct upkeep *u, int64_t octets, struct weir_error *error)
{
    struct space now;
    bool any = true;
    enum weir_status status = WEIR_OK;
    while (status == WEIR_OK && any && !upkeep_stopped(u)) {
        status = measure(u, &now, error);
        if (status != WEIR_OK || (now.pages - now.free) * now.page <= octets)
            break;
        status = remove_oldest(u, &any, error);
    }
    return status;
}

enum weir_status upkeep_retain(struct upkeep *u, struct weir_error *error)
{
    const struct upkeep_settings *s = &u->settings;
    uint64_t before = u->report.records_removed;
    enum weir_status status = WEIR_OK;
    int64_t now = clock_now_ms();
    for (int kind = 0; s->retain_ms && status == WEIR_OK && kind < 2; kind++)
        status = remove_expired(u, (enum record_kind)kind, now - s->retain_ms, error);
    if (status == WEIR_OK && s->retain_rollups_ms)
        status = cut_rollups(u, now - s->retain_rollups_ms, error);
    if (status == WEIR_OK && s->retain_octets)
        status = shrink_to(u, s->retain_octets, error);
    if (u->report.records_removed != before)
        log_debug("store", "%llu records were removed, as retention says",
                 (unsigned long long)(u->report.records_removed - before));
    return status;
}

/* ---- giving space back ---- */

/* Pages that the file is to have less of. */
static int64_t surplus(const struct upkeep *u, const struct space *now)
{
    int64_t over = u->settings.retain_octets
                       ? now->pages - u->settings.retain_octets / now->page : 0;
    int64_t slack = u->thorough ? now->free : now->free - now->pages / 4;
    if (!u->thorough && now->free * now->page < SLACK_OCTETS)
        slack = 0;
    if (slack > over)
        over = slack;
    return over < now->free ? over : now->free;
}

/* Pages from the end of the file move into free ones, and the file gets shorter when the log is
 * folded in. */
static enum weir_status give_slice(struct upkeep *u, struct weir_error *error)
{
    enum weir_status status = store_begin(u->store, error);
    if (status != WEIR_OK)
        return status;
    return store_end(u->store, sql_script(&u->store->writer, GIVE_SLICE, error), error);
}

enum weir_status upkeep_give_back(struct upkeep *u, struct weir_error *error)
{
    struct space now, before = {0};
    enum weir_status status = measure(u, &now, error);
    int64_t start = now.pages;
    while (status == WEIR_OK && !upkeep_stopped(u) && surplus(u, &now) > 0 &&
           now.pages != before.pages) {
        before = now;
        status = give_slice(u, error);
        if (status == WEIR_OK)
            status = measure(u, &now, error);
        if (status == WEIR_OK) {
            uint64_t given = (uint64_t)(start - now.pages);
            int64_t left = surplus(u, &now);
            upkeep_progress(u, given, given + (uint64_t)(left > 0 ? left : 0));
        }
    }
    if (status == WEIR_OK && start > now.pages) {
        u->report.octets_given_back += (uint64_t)((start - now.pages) * now.page);
        store_fold(u->store);
    }
    return status;
}
