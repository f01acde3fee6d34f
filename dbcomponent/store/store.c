/* store.c - opening and closing the store, its transactions, its pool of readers, its state.
 * Neighbours: migrate.c makes the schema, append.c writes blocks, blocks.c reads them. */
#include "store/inside.h"
#include "base/time.h"
#include "store/rollups.h"
#include "store/vfs.h"
#include "store/window.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "weir.db"

/* Pages of 8 KiB: columns of a full block are tens of them, and a small block dirties few octets.
 * From 16 MiB on, the log is folded into the file at every commit, as far as readers permit: one
 * that began earlier still needs it. Readers that overlap each other for ever would let it grow for
 * ever; so from 64 MiB on the writer waits a moment for those that are there, while nobody commits.
 * Who comes meanwhile finds everything in the file and does not count. What a file system lent is
 * given back. */
#define TEXT_OF(number) #number
#define NEW_PAGES(octets) "PRAGMA page_size = " TEXT_OF(octets)
/* New files know who owns each page, so that upkeep can make them shorter; that costs ingest 2
 * %. The file is made with it. */
#define NEW_FILE "PRAGMA auto_vacuum = INCREMENTAL"
#define LOG_FOLD (16 << 20)
#define LOG_INSIST (64 << 20)
#define LOG_INSIST_MS 250
#define BUSY_PAUSE_MS 5
static const char writer_settings[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
    "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192; PRAGMA secure_delete = OFF;"
    "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON";
static const char reader_settings[] = "PRAGMA query_only = ON; PRAGMA mmap_size = 0;"
                                      "PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;"
                                      "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON";
/* Where that is safe readers map the file (as much of it as SQLite allows, 2 GiB; the rest is
 * read): a sixth less processor time for scans. WAL keeps what a reader sees from being cut off by
 * us; window.h says what happens when others do. */
static const char reader_maps[] = "PRAGMA mmap_size = 2147418112";

/* ---- a file that somebody else made shorter ---- */

static enum weir_status refuse_cut(const struct store *s, struct weir_error *error)
{
    return weir_fail(error, WEIR_EIO, "data",
                     "%s was cut while it was open: stop, put the whole file back, start again",
                     s->path);
}

/* Reading tells; but pages that are written behind the present end would hide it, so it is looked
 * for before that. Behind `writing`, or when nobody else has the store any more. */
static bool was_cut(struct store *s)
{
    if (s->writer.file && vfs_shorter(s->writer.file))
        (void)sql_checked(&s->writer, SQLITE_OK);
    return atomic_load(&s->cut);
}

/* ---- opening ---- */

static int log_grown(void *context, sqlite3 *db, const char *name, int frames)
{
    struct store *s = context;
    (void)db;
    (void)name;
    s->log_octets = frames * s->page_octets;
    return SQLITE_OK;
}

/* Looks first: nothing is written to a file that is not ours, or is newer than we are. */
static enum weir_status open_checked(struct store *s, bool *empty, struct weir_error *error)
{
    struct sql *sql = &s->writer;
    int64_t version = 0;
    enum weir_status status =
        sql_open(sql, s->path, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
    if (status == WEIR_OK)
        status = store_check_file(sql, &version, empty, error);
    if (status == WEIR_OK && sqlite3_db_readonly(sql->db, "main") == 1)
        status = weir_fail(error, WEIR_EDENIED, "data", "%s: not writable", s->path);
    return status;
}

static enum weir_status make_file(struct sql *sql, struct weir_error *error)
{
    enum weir_status status = sql_script(sql, NEW_PAGES(PAGE_OCTETS), error);
    if (status == WEIR_OK && !vfs_reserve_sums(sql->db))
        status = weir_fail(error, WEIR_EINTERNAL, "data", "%s: pages have no room for checksums",
                           sql->path);
    return status == WEIR_OK ? sql_script(sql, NEW_FILE, error) : status;
}

static enum weir_status try_writer(struct store *s, bool make, struct weir_error *error)
{
    struct sql *sql = &s->writer;
    bool empty = false;
    enum weir_status status = open_checked(s, &empty, error);
    if (status == WEIR_OK && empty && !make)
        status = explain_empty(sql, error);
    if (status == WEIR_OK && !empty && pages_are_wrong(sql)) {
        sql_close(sql);
        pages_make_large(s->path);
        status = open_checked(s, &empty, error);
    }
    if (status == WEIR_OK)
        folder_close_to_others(s->path);
    if (status == WEIR_OK && empty) {
        explain_new(sql);
        status = make_file(sql, error);
    }
    if (status == WEIR_OK)
        status = sql_script(sql, writer_settings, error);
    if (status == WEIR_OK)
        status = store_migrate(sql, error);
    if (status == WEIR_OK)
        status = sql_number(sql, "PRAGMA page_size", &s->page_octets, error);
    return status;
}

/* Others may be changing the file's pages at this moment (page_size.c). SQLite waits for no one
 * when it gives a file its log, and what was seen of the file before may not be so any more: so all
 * is looked at again until they are done. */
static enum weir_status open_writer(struct store *s, bool make, struct weir_error *error)
{
    struct sql *sql = &s->writer;
    const uint64_t until = clock_monotonic_us() + SQL_BUSY_MS * UINT64_C(1000);
    const struct timespec pause = {.tv_nsec = BUSY_PAUSE_MS * 1000000L};
    enum weir_status status;
    while ((status = try_writer(s, make, error)) == WEIR_EBUSY && clock_monotonic_us() < until) {
        sql_close(sql);
        (void)nanosleep(&pause, NULL);
    }
    s->insist_at = LOG_INSIST;
    sql->cut = &s->cut;
    if (status == WEIR_OK)
        sqlite3_wal_hook(sql->db, log_grown, s);
    return status;
}

/* file:PATH?immutable=1 as RFC 3986 wants it: a path may have '?', '#' and '%' in it. */
static char *immutable_uri(const char *path)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~";
    struct buffer uri = {0};
    buffer_print(&uri, "file:");
    for (const char *c = path; *c; c++) {
        if (strchr(plain, *c))
            buffer_put_u8(&uri, (uint8_t)*c);
        else
            buffer_print(&uri, "%%%02X", (unsigned char)*c);
    }
    buffer_put(&uri, "?immutable=1", sizeof "?immutable=1");
    if (uri.failed)
        buffer_free(&uri);
    return (char *)uri.bytes;
}

/* A reader of a file in a folder that can not be written has no place for WAL's shared memory. With
 * no log beside it the file is all there is, and may be read as something that never changes. */
static enum weir_status open_immutable(struct store *s, struct sql *sql, struct weir_error *error)
{
    struct stat log;
    if (asprintf(&s->uri, "%s-wal", s->path) < 0)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    bool logged = (stat(s->uri, &log) == 0 && log.st_size > 0) || pages_journal(s->path);
    free(s->uri);
    s->uri = NULL;
    if (logged)
        return weir_fail(
            error, WEIR_EDENIED, "data",
            "%s: in use, or not closed properly, and its log can not be read without permission to"
            " write in the folder: read it as the user that owns it, or read a copy (weird backup)",
            s->path);
    s->uri = immutable_uri(s->path);
    if (!s->uri)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    s->open = s->uri;
    return sql_open(sql, s->open, s->path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, error);
}

static enum weir_status check_version(struct store *s, struct sql *sql, struct weir_error *error)
{
    int64_t version = 0;
    bool empty = false;
    enum weir_status status = store_check_file(sql, &version, &empty, error);
    if (status == WEIR_OK && empty)
        status = explain_empty(sql, error);
    else if (status == WEIR_OK && version < store_schema_version())
        status = weir_fail(error, WEIR_EVERSION, "data",
                           "%s: schema %lld is older than %lld; start weird in its folder, or "
                           "`weird compact` it, once", s->path,
                           (long long)version, (long long)store_schema_version());
    return status;
}

static enum weir_status open_reading(struct store *s, struct weir_error *error)
{
    struct sql sql;
    struct weir_error first;
    enum weir_status status = folder_look(s->path, error);
    if (status != WEIR_OK)
        return status;
    pages_roll_back(s->path);
    status = sql_open(&sql, s->path, s->path, SQLITE_OPEN_READONLY, error);
    if (status != WEIR_OK)
        return status;
    status = check_version(s, &sql, &first);
    if (status == WEIR_EIO || status == WEIR_EDENIED) {
        sql_close(&sql);
        status = open_immutable(s, &sql, error);
        if (status == WEIR_OK)
            status = check_version(s, &sql, &first);
    }
    sql_close(&sql);
    if (status != WEIR_OK && error && first.status == status)
        *error = first;
    return status;
}

enum weir_status store_open(const char *data, enum store_mode mode, struct store **out,
                            struct weir_error *error)
{
    *out = NULL;
    struct store *s = calloc(1, sizeof *s);
    if (!s || asprintf(&s->path, "%s/" FILE_NAME, data) < 0) {
        free(s);
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    }
    s->open = s->path;
    s->read_only = mode == STORE_READ_ONLY;
    pthread_mutex_init(&s->writing, NULL);
    pthread_mutex_init(&s->pooling, NULL);
    enum weir_status status =
        s->read_only ? open_reading(s, error)
                     : folder_make(data, s->path, mode == STORE_CREATE, error);
    if (status == WEIR_OK && !s->read_only)
        status = open_writer(s, mode == STORE_CREATE, error);
    if (status != WEIR_OK)
        store_close(s);
    else
        *out = s;
    return status;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_upkeep_stop(s);
    for (struct reader *r = s->idle, *next; r; r = next) {
        next = r->next;
        reader_free(r);
    }
    for (struct scratch *c = s->scratches, *next; c; c = next) {
        next = c->next;
        arena_free(&c->arena);
        buffer_free(&c->bytes);
        rollups_free(c->rollups);
        free(c);
    }
    /* Last, so that it folds the log into the file; but not into one that was cut. */
    if (s->writer.db && was_cut(s))
        sqlite3_db_config(s->writer.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sql_close(&s->writer);
    pthread_mutex_destroy(&s->writing);
    pthread_mutex_destroy(&s->pooling);
    free(s->path);
    free(s->uri);
    free(s);
}

uint64_t store_put_away(struct store *s)
{
    struct stat file;
    char *path = strdup(s->path);
    /* What is short of its end is left alone. */
    bool whole = s->writer.db && !was_cut(s);
    store_close(s);
    if (path && whole)
        pages_make_small(path);
    uint64_t octets = path && stat(path, &file) == 0 ? (uint64_t)file.st_size : 0;
    free(path);
    return octets;
}

/* ---- writing ---- */

enum weir_status store_begin(struct store *s, struct weir_error *error)
{
    if (s->read_only)
        return weir_fail(error, WEIR_EDENIED, "", "%s is open for reading only", s->path);
    if (atomic_load(&s->cut))
        return refuse_cut(s, error);
    pthread_mutex_lock(&s->writing);
    s->writer.changed = (struct changes_noted){0};
    enum weir_status status = sql_run(&s->writer, SQL_BEGIN_IMMEDIATE, error);
    if (status != WEIR_OK)
        pthread_mutex_unlock(&s->writing);
    return status;
}

/* After a commit. What fails here (a full disk, a busy reader) is tried again at the next one. */
static void fold_log(struct store *s)
{
    sqlite3 *db = s->writer.db;
    if (s->log_octets < LOG_FOLD || was_cut(s))
        return;
    if (s->log_octets < s->insist_at) {
        sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        (void)was_cut(s);
        return;
    }
    sqlite3_busy_timeout(db, LOG_INSIST_MS);
    int code = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    sqlite3_busy_timeout(db, SQL_BUSY_MS);
    /* A reader that stays longer is not waited for again before the log has grown by as much more.
     */
    s->insist_at = code == SQLITE_OK ? LOG_INSIST : s->log_octets + LOG_FOLD;
    (void)was_cut(s);
}

void store_fold(struct store *s)
{
    pthread_mutex_lock(&s->writing);
    sqlite3_busy_timeout(s->writer.db, LOG_INSIST_MS);
    if (!was_cut(s))
        sqlite3_wal_checkpoint_v2(s->writer.db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(s->writer.db, SQL_BUSY_MS);
    (void)was_cut(s);
    pthread_mutex_unlock(&s->writing);
}

enum weir_status store_end(struct store *s, enum weir_status status, struct weir_error *error)
{
    sql_release_column(&s->writer);
    if (status == WEIR_OK)
        status = changes_store(&s->writer, error);
    if (status == WEIR_OK)
        status = sql_run(&s->writer, SQL_COMMIT, error);
    /* A full disk may have rolled back already; and a commit that failed leaves its transaction. */
    if (status != WEIR_OK && !sqlite3_get_autocommit(s->writer.db))
        sql_run(&s->writer, SQL_ROLLBACK, NULL);
    if (status == WEIR_OK)
        fold_log(s);
    pthread_mutex_unlock(&s->writing);
    return status;
}

struct scratch *append_room_take(struct store *s)
{
    pthread_mutex_lock(&s->pooling);
    struct scratch *c = s->scratches;
    if (c)
        s->scratches = c->next;
    pthread_mutex_unlock(&s->pooling);
    if (c)
        return c;
    c = calloc(1, sizeof *c);
    if (c && !(c->rollups = rollups_new())) {
        free(c);
        c = NULL;
    }
    return c;
}

void append_room_give(struct store *s, struct scratch *scratch)
{
    arena_reset(&scratch->arena);
    buffer_clear(&scratch->bytes);
    rollups_clear(scratch->rollups);
    pthread_mutex_lock(&s->pooling);
    scratch->next = s->scratches;
    s->scratches = scratch;
    pthread_mutex_unlock(&s->pooling);
}

/* ---- reading ---- */

static enum weir_status reader_new(struct store *s, struct reader **out, struct weir_error *error)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    r->store = s;
    enum weir_status status = sql_open(
        &r->sql, s->open, s->path, SQLITE_OPEN_READONLY | (s->uri ? SQLITE_OPEN_URI : 0), error);
    r->sql.cut = &s->cut;
    if (status == WEIR_OK)
        status = sql_script(&r->sql, reader_settings, error);
    if (status == WEIR_OK && window_wanted())
        status = sql_script(&r->sql, reader_maps, error);
    if (status == WEIR_OK) {
        *out = r;
        return WEIR_OK;
    }
    sql_close(&r->sql);
    free(r);
    return status;
}

enum weir_status reader_open(struct store *s, struct reader **out, struct weir_error *error)
{
    *out = NULL;
    if (atomic_load(&s->cut))
        return refuse_cut(s, error);
    pthread_mutex_lock(&s->pooling);
    struct reader *r = s->idle;
    if (r) {
        s->idle = r->next;
        s->idle_count--;
    }
    pthread_mutex_unlock(&s->pooling);
    enum weir_status status = r ? WEIR_OK : reader_new(s, &r, error);
    if (status != WEIR_OK)
        return status;
    status = sql_run(&r->sql, SQL_BEGIN, error);
    /* BEGIN alone takes no snapshot; the first read does, and it shall be now. */
    uint8_t identity[16];
    if (status == WEIR_OK)
        status = meta_read(&r->sql, "identity", identity, sizeof identity, error);
    if (status != WEIR_OK)
        reader_close(r);
    else
        *out = r;
    return status;
}

enum weir_status reader_end(struct reader *r, enum weir_status status, struct weir_error *error)
{
    struct store *s = r->store;
    sql_release_column(&r->sql);
    bool whole = !r->sql.file || vfs_whole_to_its_end(r->sql.file);
    bool ended = sqlite3_get_autocommit(r->sql.db) || sql_run(&r->sql, SQL_COMMIT, NULL) == WEIR_OK;
    whole = whole && sql_checked(&r->sql, SQLITE_OK) == SQLITE_OK;
    if (status == WEIR_OK && !whole)
        status = sql_fail(&r->sql, SQLITE_IOERR, error);
    pthread_mutex_lock(&s->pooling);
    bool keep = whole && ended && s->idle_count < IDLE_READERS_MOST;
    if (keep) {
        r->next = s->idle;
        s->idle = r;
        s->idle_count++;
    }
    pthread_mutex_unlock(&s->pooling);
    if (!keep)
        reader_free(r);
    return status;
}

void reader_close(struct reader *r)
{
    if (r)
        (void)reader_end(r, WEIR_OK, NULL);
}

/* ---- state ---- */

enum weir_status store_incarnation(struct store *s, uint8_t id[16], uint32_t *incarnation,
                                   struct weir_error *error)
{
    uint8_t counter[4];
    enum weir_status status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    status = meta_read(&s->writer, "identity", id, 16, error);
    if (status == WEIR_OK)
        status = meta_read(&s->writer, "incarnation", counter, sizeof counter, error);
    if (status == WEIR_OK) {
        *incarnation = load_le32(counter) + 1;
        memcpy(counter, incarnation, sizeof counter);
        status = *incarnation
                     ? meta_write(&s->writer, "incarnation", counter, sizeof counter, error)
                     : weir_fail(error, WEIR_ELIMIT, "", "incarnations are used up");
    }
    return store_end(s, status, error);
}

static enum weir_status status_of_kind(struct sql *sql, enum record_kind kind,
                                       struct store_status *out, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_BLOCK_STATUS);
    query_bind_i64(&q, kind);
    if (query_row(&q)) {
        out->blocks += query_u64(&q, 0);
        out->block_octets += query_u64(&q, 4);
        if (kind == RECORD_FLOW) {
            out->records = query_u64(&q, 1);
            out->first_ms = query_i64(&q, 2);
            out->last_ms = query_i64(&q, 3);
        } else {
            out->option_records = query_u64(&q, 1);
        }
    }
    return query_end(&q, error);
}

static enum weir_status status_number(struct sql *sql, enum sql_statement which, uint64_t *out,
                                      struct weir_error *error)
{
    struct query q = query_start(sql, which);
    *out = query_row(&q) ? query_u64(&q, 0) : 0;
    return query_end(&q, error);
}

enum weir_status store_status(struct store *s, struct store_status *out, struct weir_error *error)
{
    *out = (struct store_status){.schema_version = (uint32_t)store_schema_version()};
    struct reader *r;
    enum weir_status status = reader_open(s, &r, error);
    if (status != WEIR_OK)
        return status;
    status = status_of_kind(&r->sql, RECORD_FLOW, out, error);
    if (status == WEIR_OK)
        status = status_of_kind(&r->sql, RECORD_OPTIONS, out, error);
    if (status == WEIR_OK)
        status = status_number(&r->sql, SQL_ROLLUP_STATUS, &out->rollup_rows, error);
    if (status == WEIR_OK)
        status = status_number(&r->sql, SQL_COLLECTOR_COUNT, &out->collectors, error);
    if (status == WEIR_OK)
        status = status_number(&r->sql, SQL_PAGES, &out->file_octets, error);
    return reader_end(r, status, error);
}
