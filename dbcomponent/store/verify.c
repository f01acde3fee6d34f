/* verify.c - the proof (store_verify()): every row's seal, every column's checksum and decoding,
 * and everything that was derived, derived again and compared. Neighbours: blocks.c decodes,
 * rollups.c and segment_table.c sum, account.c adds up.
 *
 * What is derived again goes into a private temporary database with the same schema, which SQLite
 * keeps in memory while it is small and in a temporary file when it is not: memory stays bounded,
 * and the functions that made the tables make them again; hours of very many groups are compared
 * part by part. One reader's snapshot is verified, so a
 * store in service can be. */
#include "base/wide.h"
#include "store/inside.h"
#include "store/integrity.h"
#include "store/levels.h"
#include "store/segment.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIFFERENCES_TOLD 1000

struct verifying {
    struct sql *sql;      /* the store, one snapshot */
    struct sql own;       /* the tables made again */
    struct reader *reader;
    struct scratch scratch;
    struct arena list;    /* ids of blocks, periods */
    uint64_t columns;     /* with octets */
    store_difference differs;
    store_progress progress;
    void *context;
    uint64_t done, all; /* blocks, and starts of roll-ups of every resolution */
    struct verify_report *report;
};

static void __attribute__((format(printf, 2, 3)))
differ(struct verifying *v, const char *format, ...)
{
    char text[512];
    va_list arguments;
    v->report->differences++;
    if (v->report->differences > DIFFERENCES_TOLD || !v->differs)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    v->differs(v->context, text);
}

/* Damage is what we look for: it is told and the walk goes on. Anything else ends it. */
static enum weir_status tell(struct verifying *v, enum weir_status status,
                             const struct weir_error *found, struct weir_error *error)
{
    if (status == WEIR_ECORRUPT || status == WEIR_EMALFORMED || status == WEIR_ENOTFOUND) {
        differ(v, "%s", found->message);
        return WEIR_OK;
    }
    if (status != WEIR_OK && error)
        *error = *found;
    return status;
}

static void step(struct verifying *v)
{
    v->done++;
    if (v->progress)
        v->progress(v->context, v->done < v->all ? v->done : v->all, v->all);
}

/* All integers of a one-column query, in the arena. */
static enum weir_status numbers(struct sql *sql, enum sql_statement which, int64_t parameter,
                                struct arena *a, int64_t **out, size_t *count,
                                struct weir_error *error)
{
    struct query q = query_start(sql, which);
    if (sqlite3_bind_parameter_count(q.statement))
        query_bind_i64(&q, parameter);
    return query_numbers(&q, a, out, count, error);
}

/* The one number of a query. */
static enum weir_status sum_of(struct sql *sql, enum sql_statement which, uint64_t *sum,
                               struct weir_error *error)
{
    struct query q = query_start(sql, which);
    *sum = query_row(&q) ? query_u64(&q, 0) : 0;
    return query_end(&q, error);
}

/* ---- the file ---- */

/* How much there is to do; it is told before the file as a whole is looked at, which may take long
 * and says nothing meanwhile. */
static enum weir_status plan_steps(struct verifying *v, struct weir_error *error)
{
    enum weir_status status = sum_of(v->sql, SQL_VERIFY_STEPS, &v->all, error);
    if (status == WEIR_OK && v->progress && v->all)
        v->progress(v->context, 0, v->all);
    return status;
}

static void tell_file(void *context, const char *line)
{
    differ(context, "file: %s", line);
}

static enum weir_status check_file(struct verifying *v, struct weir_error *error)
{
    uint64_t kept = 0, now = 0;
    struct changes changes;
    enum weir_status status = integrity_check(v->sql, tell_file, v, &v->report->bare_pages, error);
    if (status == WEIR_OK)
        status = changes_read(v->sql, &changes, error);
    if (status == WEIR_OK)
        status = meta_read(v->sql, "schema", &kept, sizeof kept, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(v->sql, SQL_SCHEMA_DIGEST);
    now = query_row(&q) ? query_u64(&q, 0) : 0;
    if (now != kept)
        differ(v, "schema: the tables are not those that were made");
    return query_end(&q, error);
}

/* ---- blocks ---- */

static enum weir_status check_ends(const struct block_record *b, const struct frame *f,
                                   struct weir_error *error)
{
    const struct vector *end = frame_find(f, WEIR_FLOW_END);
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (uint32_t row = 0; end && row < f->rows; row++) {
        int64_t at = (int64_t)vector_u64(end, row);
        first = at < first ? at : first;
        last = at > last ? at : last;
    }
    if (end && (first != b->head.first_ms || last != b->head.last_ms))
        return weir_fail(error, WEIR_ECORRUPT, "block",
                         "block %lld: its head has another interval than its rows",
                         (long long)b->head.rowid);
    return WEIR_OK;
}

static enum weir_status check_block(struct verifying *v, int64_t id, struct weir_error *error)
{
    struct block_record b;
    struct frame f;
    struct arena *a = &v->scratch.arena;
    arena_reset(a);
    rollups_clear(v->scratch.rollups);
    enum weir_status status = block_record_read(v->sql, id, a, &b, error);
    for (uint32_t i = 0; status == WEIR_OK && i < b.count; i++)
        v->columns += b.columns[i].length != 0;
    if (status == WEIR_OK)
        status = block_decode(v->sql, &b, NULL, 0, a, &f, error);
    if (status == WEIR_OK)
        status = check_ends(&b, &f, error);
    if (status == WEIR_OK && b.head.kind == RECORD_FLOW)
        status = rollups_add_frame(v->scratch.rollups, &f, 1, a, error);
    return status == WEIR_OK ? rollups_store(&v->own, &v->scratch, error) : status;
}

static enum weir_status check_blocks(struct verifying *v, struct weir_error *error)
{
    int64_t *ids;
    size_t count;
    struct weir_error found;
    enum weir_status status = numbers(v->sql, SQL_BLOCK_IDS, 0, &v->list, &ids, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        status = tell(v, check_block(v, ids[i], &found), &found, error);
        sql_release_column(v->sql);
        step(v);
    }
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(v->sql, SQL_COLUMN_COUNT);
    if (query_row(&q) && query_u64(&q, 0) != v->columns)
        differ(v, "columns: %llu stored, the blocks have %llu",
               (unsigned long long)query_u64(&q, 0), (unsigned long long)v->columns);
    return query_end(&q, error);
}

/* ---- deliveries, and what they carried ---- */

static enum weir_status check_delivery(struct verifying *v, struct query *q,
                                       struct weir_error *error)
{
    struct account account;
    size_t length;
    const uint8_t *bytes = query_blob(q, 4, &length);
    struct cursor in = cursor_over(bytes, length);
    long long collector = query_i64(q, 0);
    unsigned long long sequence = query_u64(q, 1);
    if ((query_i64(q, 2) == 0) != (query_i64(q, 3) == 0))
        return weir_fail(error, WEIR_ECORRUPT, "",
                         "delivery %lld/%llu: has rows and no block, or a block "
                         "and no rows",
                         collector, sequence);
    if (length == 0)
        return WEIR_OK;
    enum weir_status status = account_read(&in, &account, error);
    if (status != WEIR_OK)
        return status;
    status = account_store(&v->own, collector, sequence, &account, error);
    account_free(&account);
    return status;
}

/* The same of a range; its positions are as new as its end. */
static enum weir_status check_range(struct verifying *v, struct query *q, struct weir_error *error)
{
    struct account account;
    size_t length;
    const uint8_t *bytes = query_blob(q, 3, &length);
    struct cursor in = cursor_over(bytes, length);
    enum weir_status status = account_read(&in, &account, error);
    if (status != WEIR_OK)
        return status;
    status = account_store(&v->own, query_i64(q, 0), query_u64(q, 1), &account, error);
    account_free(&account);
    return status;
}

static enum weir_status copy_forgotten(struct verifying *v, int64_t collector,
                                       struct weir_error *error)
{
    uint64_t through;
    enum weir_status status = positions_forgotten(v->sql, collector, &through, error);
    return status == WEIR_OK && through ? positions_forget(&v->own, collector, through, error)
                                        : status;
}

/* What positions.c says is forgotten is not to be found again. */
static enum weir_status take_forgotten(struct verifying *v, struct weir_error *error)
{
    struct weir_error found;
    enum weir_status status = WEIR_OK;
    struct query q = query_start(v->sql, SQL_COLLECTORS);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q))
        status = tell(v, copy_forgotten(v, query_i64(&q, 0), &found), &found, error);
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

static enum weir_status check_deliveries(struct verifying *v, struct weir_error *error)
{
    struct weir_error found;
    enum weir_status status = take_forgotten(v, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(v->sql, SQL_DELIVERIES);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q))
        status = tell(v, check_delivery(v, &q, &found), &found, error);
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    if (status != WEIR_OK || ended != WEIR_OK)
        return status != WEIR_OK ? status : ended;
    q = query_start(v->sql, SQL_DELIVERED);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q))
        status = tell(v, check_range(v, &q, &found), &found, error);
    ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

/* Which delivery a row came with is forgotten when blocks are merged; that none was lost or
 * doubled is not. */
static enum weir_status check_rows(struct verifying *v, struct weir_error *error)
{
    uint64_t delivered, stored;
    struct removed gone[2];
    enum weir_status status = sum_of(v->sql, SQL_ROWS_DELIVERED, &delivered, error);
    if (status == WEIR_OK)
        status = sum_of(v->sql, SQL_ROWS_STORED, &stored, error);
    for (int kind = 0; status == WEIR_OK && kind < 2; kind++)
        status = removed_read(v->sql, kind, &gone[kind], error);
    if (status == WEIR_OK && delivered != stored + gone[0].rows + gone[1].rows)
        differ(v, "records: deliveries brought %llu, blocks have %llu, %llu were removed",
               (unsigned long long)delivered, (unsigned long long)stored,
               (unsigned long long)(gone[0].rows + gone[1].rows));
    return status;
}

/* ---- roll-ups ---- */

static void tell_group(struct verifying *v, const struct rollup_group *g)
{
    struct rollup_key k;
    char minute[TIME_TEXT_SIZE], exporter[ADDRESS_TEXT_SIZE], left[3][WIDE_TEXT_SIZE];
    rollup_key_fill(&k, rollups_context_at(v->scratch.rollups, (uint32_t)(g->place >> 33)), g);
    time_print(k.minute_ms, minute);
    differ(
        v,
        "roll-up %s exporter %s domain %u tags %u -> %u protocol %u rate %g: blocks less stored: "
        "octets %s packets %s flows %s",
        minute, address_print(&k.exporter, exporter), k.domain, k.src_tag, k.dst_tag, k.protocol,
        k.sampling_rate, wide_print(wide_join(g->carries.octets, g->counts.octets), left[0]),
        wide_print(wide_join(g->carries.packets, g->counts.packets), left[1]),
        wide_print(wide_join(g->carries.flows, g->counts.flows), left[2]));
}

/* What is left of one side less the other. */
static void tell_groups(struct verifying *v, struct rollups *r)
{
    size_t count;
    const struct rollup_group *groups = rollups_sorted(r, &count);
    for (size_t i = 0; i < count; i++)
        tell_group(v, &groups[i]);
}

static enum weir_status check_period(struct verifying *v, int64_t period_ms,
                                     struct weir_error *error)
{
    struct rollups *r = v->scratch.rollups;
    uint32_t mine, theirs = 1;
    enum weir_status status =
        rollups_parts(&v->own, MINUTE_MS, period_ms, 0, SEGMENT_TIER_MOST, &mine, error);
    if (status == WEIR_OK)
        status = rollups_parts(v->sql, MINUTE_MS, period_ms, 0, SEGMENT_TIER_MOST, &theirs, error);
    uint32_t parts = mine > theirs ? mine : theirs; /* both have the same groups if all is well */
    for (uint32_t part = 0; status == WEIR_OK && part < parts; part++) {
        rollups_take_part(r, part, parts);
        status = rollups_load(&v->own, r, period_ms, 1, error);
        if (status == WEIR_OK)
            status = rollups_load(v->sql, r, period_ms, -1, error);
        if (status == WEIR_OK)
            tell_groups(v, r);
    }
    return status;
}

/* Both lists are sorted; every period of either is compared once. */
static enum weir_status check_rollups(struct verifying *v, struct weir_error *error)
{
    int64_t *mine, *theirs;
    size_t mine_count, theirs_count, i = 0, j = 0;
    struct weir_error found;
    enum weir_status status =
        numbers(&v->own, SQL_ROLLUP_PERIODS, MINUTE_MS, &v->list, &mine, &mine_count, error);
    if (status == WEIR_OK)
        status =
            numbers(v->sql, SQL_ROLLUP_PERIODS, MINUTE_MS, &v->list, &theirs, &theirs_count, error);
    while (status == WEIR_OK && (i < mine_count || j < theirs_count)) {
        bool from_mine = j == theirs_count || (i < mine_count && mine[i] <= theirs[j]);
        int64_t period = from_mine ? mine[i] : theirs[j];
        i += i < mine_count && mine[i] == period;
        j += j < theirs_count && theirs[j] == period;
        status = tell(v, check_period(v, period, &found), &found, error);
        step(v);
    }
    return status;
}

/* The roll-ups of removed blocks stand for as many flows as were removed; nothing else is left to
 * compare them with. */
static enum weir_status check_kept(struct verifying *v, struct weir_error *error)
{
    int64_t *periods;
    size_t count;
    uint64_t flows = 0;
    struct removed of, gone, cut;
    enum weir_status status =
        numbers(v->sql, SQL_ROLLUPS_KEPT, MINUTE_MS, &v->list, &periods, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        status = rollups_kept_count(v->sql, periods[i], &of, error);
        flows += of.flows;
    }
    if (status == WEIR_OK)
        status = removed_read(v->sql, 0, &gone, error);
    if (status == WEIR_OK)
        status = removed_read(v->sql, 2, &cut, error);
    if (status == WEIR_OK && flows != gone.flows - cut.flows)
        differ(v,
               "roll-ups of removed blocks count %llu flows; %llu were removed, and %llu of them "
               "left the roll-ups too",
               (unsigned long long)flows, (unsigned long long)gone.flows,
               (unsigned long long)cut.flows);
    return status;
}

static enum weir_status check_slot(struct verifying *v, int level, int64_t start_ms,
                                   struct weir_error *error)
{
    struct rollups *r = v->scratch.rollups;
    uint32_t parts;
    enum weir_status status =
        rollups_parts(v->sql, level_ms[level], start_ms, 0, SEGMENT_TIER_MOST, &parts, error);
    for (uint32_t part = 0; status == WEIR_OK && part < parts; part++) {
        rollups_take_part(r, part, parts);
        status = levels_sum(v->sql, r, level, start_ms, SIZE_MAX, error);
        if (status == WEIR_OK)
            status = levels_load(v->sql, r, level, start_ms, -1, error);
        if (status == WEIR_OK)
            tell_groups(v, r);
    }
    return status;
}

/* Each level against the next finer one, which has been proven. */
static enum weir_status check_levels(struct verifying *v, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (int level = 0; status == WEIR_OK && level < LEVEL_COUNT; level++) {
        int64_t *starts;
        size_t count;
        struct weir_error found;
        status = numbers(v->sql, SQL_LEVELS, level_ms[level], &v->list, &starts, &count, error);
        for (size_t i = 0; status == WEIR_OK && i < count; i++) {
            status = tell(v, check_slot(v, level, starts[i], &found), &found, error);
            step(v);
        }
    }
    return status;
}

/* ---- account and checkpoints ---- */

static int key_compare(const struct account_key *a, const struct account_key *b)
{
    if (a->minute_ms != b->minute_ms)
        return a->minute_ms < b->minute_ms ? -1 : 1;
    int order = memcmp(&a->exporter, &b->exporter, sizeof a->exporter);
    if (order)
        return order;
    if (a->domain != b->domain)
        return a->domain < b->domain ? -1 : 1;
    return a->port != b->port ? (int)a->port - (int)b->port : (int)a->protocol - (int)b->protocol;
}

static void tell_row(struct verifying *v, const struct account_key *key, const char *what)
{
    char minute[TIME_TEXT_SIZE], exporter[ADDRESS_TEXT_SIZE];
    time_print(key->minute_ms, minute);
    differ(v, "account %s exporter %s domain %u port %u: %s", minute,
           address_print(&key->exporter, exporter), key->domain, key->port, what);
}

struct walk { /* over one account table, in the order of its keys */
    struct query query;
    struct account_row row;
    bool has;
};

static void walk_next(struct walk *w)
{
    w->has = query_row(&w->query) && query_sealed(&w->query);
    if (w->has) {
        memset(&w->row, 0, sizeof w->row);
        account_row_read(&w->query, &w->row);
    }
}

static void walk_start(struct walk *w, struct sql *sql)
{
    w->query = query_start(sql, SQL_ACCOUNT_RANGE);
    query_bind_i64(&w->query, INT64_MIN);
    query_bind_i64(&w->query, INT64_MAX);
    walk_next(w);
}

/* A walk that ended before its end, at a damaged row, is told by its query: nothing follows from
 * it. */
static bool is_cut_off(const struct walk *w)
{
    return !w->has && w->query.code != SQLITE_DONE;
}

static void compare_account(struct verifying *v, struct walk *mine, struct walk *theirs)
{
    while ((mine->has || theirs->has) && !is_cut_off(mine) && !is_cut_off(theirs)) {
        int order = !mine->has     ? 1
                    : !theirs->has ? -1
                                   : key_compare(&mine->row.key, &theirs->row.key);
        if (order < 0)
            tell_row(v, &mine->row.key, "the deliveries have it, the table does not");
        else if (order > 0)
            tell_row(v, &theirs->row.key, "the table has it, no delivery does");
        else if (memcmp(&mine->row.counts, &theirs->row.counts, sizeof mine->row.counts) ||
                 mine->row.first_heard_ms != theirs->row.first_heard_ms ||
                 mine->row.last_heard_ms != theirs->row.last_heard_ms)
            tell_row(v, &mine->row.key, "the table differs from the sum of the deliveries");
        if (order <= 0)
            walk_next(mine);
        if (order >= 0)
            walk_next(theirs);
    }
}

static enum weir_status check_account(struct verifying *v, struct weir_error *error)
{
    struct walk mine, theirs;
    walk_start(&mine, &v->own);
    walk_start(&theirs, v->sql);
    compare_account(v, &mine, &theirs);
    enum weir_status own = query_end(&mine.query, error);
    enum weir_status status = query_end(&theirs.query, own == WEIR_OK ? error : NULL);
    return own == WEIR_OK ? status : own;
}

static enum weir_status digest_checkpoints(struct sql *sql, int64_t collector, int64_t *out,
                                           struct weir_error *error)
{
    struct query q = query_start(sql, SQL_CHECKPOINT_DIGEST);
    query_bind_i64(&q, collector);
    *out = query_row(&q) ? query_i64(&q, 0) : 0;
    return query_end(&q, error);
}

static enum weir_status check_checkpoints(struct verifying *v, struct weir_error *error)
{
    int64_t mine = 0, theirs = 0;
    enum weir_status status = WEIR_OK;
    struct query q = query_start(v->sql, SQL_COLLECTORS);
    while (status == WEIR_OK && query_row(&q) && query_sealed(&q)) {
        int64_t id = query_i64(&q, 0);
        status = digest_checkpoints(&v->own, id, &mine, error);
        if (status == WEIR_OK)
            status = digest_checkpoints(v->sql, id, &theirs, error);
        if (status == WEIR_OK && mine != theirs)
            differ(v, "checkpoints of collector %lld are not those of its deliveries",
                   (long long)id);
    }
    enum weir_status ended = query_end(&q, status == WEIR_OK ? error : NULL);
    return status == WEIR_OK ? ended : status;
}

/* ---- catalogue ---- */

static enum weir_status check_catalogue(struct verifying *v, struct weir_error *error)
{
    struct catalogue c;
    struct prefix_table *table = NULL;
    enum weir_status status = catalogue_read(v->sql, &c, error);
    if (status != WEIR_OK)
        return status;
    status = prefix_table_new(c.snapshot.prefixes, c.snapshot.prefix_count, c.snapshot.ases,
                              c.snapshot.as_count, &table, error);
    if (status == WEIR_OK)
        prefix_table_free(table);
    catalogue_free(&c);
    if (status != WEIR_OK && status != WEIR_ENOMEM)
        status = WEIR_ECORRUPT;
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(v->sql, SQL_AUDITS);
    while (query_row(&q) && query_sealed(&q))
        ;
    return query_end(&q, error);
}

/* ---- all of it ---- */

static enum weir_status (*const steps[])(struct verifying *v, struct weir_error *error) = {
    plan_steps,    check_file, check_blocks, check_deliveries, check_rows,
    check_rollups, check_kept, check_levels, check_account,    check_checkpoints,
    check_catalogue,
};

static enum weir_status open_own(struct verifying *v, struct weir_error *error)
{
    enum weir_status status =
        sql_open(&v->own, "", "temporary file", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
    if (status == WEIR_OK)
        status = sql_script(&v->own, "PRAGMA synchronous = OFF; PRAGMA cache_size = -32768", error);
    if (status == WEIR_OK)
        status = store_migrate(&v->own, error);
    return status == WEIR_OK ? sql_run(&v->own, SQL_BEGIN, error) : status;
}

enum weir_status store_verify(struct store *s, store_difference differs, store_progress progress,
                              void *context, struct verify_report *report,
                              struct weir_error *error)
{
    struct weir_error found;
    struct verifying v = {
        .differs = differs, .progress = progress, .context = context, .report = report};
    *report = (struct verify_report){0};
    enum weir_status status = reader_open(s, &v.reader, error);
    if (status != WEIR_OK)
        return status;
    v.sql = &v.reader->sql;
    v.scratch.rollups = rollups_new();
    if (!v.scratch.rollups)
        status = weir_fail(error, WEIR_ENOMEM, "", "out of memory to verify");
    else
        status = open_own(&v, error);
    for (size_t i = 0; status == WEIR_OK && i < sizeof steps / sizeof *steps; i++)
        status = tell(&v, steps[i](&v, &found), &found, error);
    if (v.own.db)
        sql_close(&v.own);
    rollups_free(v.scratch.rollups);
    arena_free(&v.scratch.arena);
    buffer_free(&v.scratch.bytes);
    arena_free(&v.list);
    return reader_end(v.reader, status, error);
}
