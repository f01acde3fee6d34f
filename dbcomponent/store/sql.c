/* sql.c - connections, statements and errors of SQLite (sql.h). The only file of the store room
 * that turns SQLite's codes into ours. Neighbours: store.c opens connections, everyone runs
 * queries. */
#define SQLITE_ENABLE_COLUMN_METADATA 1 /* Debian's library has it; the header hides it otherwise */
#include "store/sql.h"
#include "base/log.h"
#include "store/seal.h"
#include "store/vfs.h"
#include <errno.h>
#include <string.h>

static const char *const texts[SQL_STATEMENT_COUNT] = {
#define SQL_TEXT(name, text) [name] = text,
    SQL_STATEMENTS(SQL_TEXT)
#undef SQL_TEXT
};

/* ---- errors ---- */

static const struct {
    int code;
    enum weir_status status;
} statuses[] = {
    {SQLITE_FULL, WEIR_EFULL},         {SQLITE_NOMEM, WEIR_ENOMEM},
    {SQLITE_BUSY, WEIR_EBUSY},         {SQLITE_LOCKED, WEIR_EBUSY},
    {SQLITE_PROTOCOL, WEIR_EBUSY},     {SQLITE_READONLY, WEIR_EDENIED},
    {SQLITE_PERM, WEIR_EDENIED},       {SQLITE_AUTH, WEIR_EDENIED},
    {SQLITE_CORRUPT, WEIR_ECORRUPT},   {SQLITE_NOTADB, WEIR_ECORRUPT},
    {SQLITE_FORMAT, WEIR_ECORRUPT},    {SQLITE_MISMATCH, WEIR_ECORRUPT},
    /* Our texts are constant and tested: what they do not find, the schema has lost. */
    {SQLITE_ERROR, WEIR_ECORRUPT},     {SQLITE_SCHEMA, WEIR_ECORRUPT},
    {SQLITE_CONSTRAINT, WEIR_ECORRUPT},{SQLITE_IOERR, WEIR_EIO},
    {SQLITE_CANTOPEN, WEIR_EIO},       {SQLITE_INTERRUPT, WEIR_ECANCELLED},
    {SQLITE_TOOBIG, WEIR_ELIMIT},
};

/* The operating system says more than "I/O error": no space left, in its several forms. */
static bool is_full(int os_error)
{
    return os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG;
}

/* What the operating system said. The connection often has forgotten it by the time that a failed
 * write reaches us; the files (the database and its log) have not. */
static int os_error_of(sqlite3 *db, int code)
{
    int os_error = 0;
    sqlite3_file *log = NULL;
    if (!db || ((code & 0xff) != SQLITE_IOERR && (code & 0xff) != SQLITE_CANTOPEN))
        return 0;
    if (sqlite3_system_errno(db))
        return sqlite3_system_errno(db);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &os_error);
    if (os_error)
        return os_error;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &os_error);
    return os_error;
}

static enum weir_status status_of(int code, int os_error)
{
    if (code == SQLITE_IOERR_SHORT_READ || code == SQLITE_IOERR_CORRUPTFS ||
        code == SQLITE_IOERR_DATA)
        return WEIR_ECORRUPT;
    if ((code & 0xff) == SQLITE_CANTOPEN &&
        (os_error == EACCES || os_error == EPERM || os_error == EROFS))
        return WEIR_EDENIED;
    if (((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN) && is_full(os_error))
        return WEIR_EFULL;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].code == (code & 0xff))
            return statuses[i].status;
    return WEIR_EINTERNAL;
}

/* Not the file alone: a log that goes on beside a file that is not the one it was made for would
 * put pages where they do not belong. So the store is not used any more (sql->cut). */
static enum weir_status fail_lost(struct sql *sql, struct weir_error *error)
{
    const struct vfs_loss loss = vfs_loss(sql->file);
    if (loss.at < 0)
        return weir_fail(error, WEIR_EIO, "data",
                         "%s-shm was made shorter while it was open; start again", sql->path);
    if (loss.cut)
        return weir_fail(error, WEIR_EIO, "data",
                         "%s was cut to %lld octets while it was open; stop, put the whole file"
                         " back, and start again", sql->path, (long long)loss.size);
    return weir_fail(error, WEIR_EIO, "data", "%s: octet %lld can not be read from the disk",
                     sql->path, (long long)loss.at);
}

static enum weir_status fail_damaged(struct sql *sql, struct weir_error *error)
{
    const struct vfs_damage d = vfs_damage(sql->file);
    return weir_fail(error, WEIR_ECORRUPT, "data",
                     "%s: malformed: page %u (octets %lld to %lld) is not what was written there:"
                     " its checksum is another", sql->path, d.page, (long long)d.at,
                     (long long)(d.at + d.size - 1));
}

/* What SQLite finds damaged may be a file whose end is gone. */
static bool is_whole(struct sql *sql, int code)
{
    if (!sql->file)
        return true;
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
        (void)vfs_shorter(sql->file);
    return vfs_whole(sql->file);
}

int sql_checked(struct sql *sql, int code)
{
    if (is_whole(sql, code))
        return code;
    if (sql->cut && vfs_loss(sql->file).cut && !atomic_exchange(sql->cut, true)) {
        struct weir_error error;
        (void)fail_lost(sql, &error);
        log_error("store", "%s", error.message);
    }
    return SQLITE_IOERR;
}

enum weir_status sql_fail(struct sql *sql, int code, struct weir_error *error)
{
    (void)sql_checked(sql, code);
    if (sql->file && !vfs_whole(sql->file))
        return fail_lost(sql, error);
    if (sql->file && code == SQLITE_IOERR_DATA && vfs_damage(sql->file).page)
        return fail_damaged(sql, error);
    int os_error = os_error_of(sql->db, code);
    enum weir_status status = status_of(code, os_error);
    const char *said = sql->db && sqlite3_extended_errcode(sql->db) == code
                           ? sqlite3_errmsg(sql->db) : sqlite3_errstr(code);
    if (os_error)
        return weir_fail(error, status, "", "%s: %s: %s (%s)", sql->path,
                         weir_status_text(status), said, strerror(os_error));
    return weir_fail(error, status, "", "%s: %s: %s", sql->path, weir_status_text(status), said);
}

/* ---- connections ---- */

enum weir_status sql_open(struct sql *sql, const char *path, const char *name, int flags,
                          struct weir_error *error)
{
    *sql = (struct sql){.path = name};
    int code = vfs_register();
    if (code == SQLITE_OK)
        code = sqlite3_open_v2(path, &sql->db, flags | SQLITE_OPEN_NOMUTEX, VFS_NAME);
    if (!sql->db)
        return weir_fail(error, WEIR_ENOMEM, "", "%s: out of memory", name);
    sql->file = vfs_file_of(sql->db);
    sqlite3_extended_result_codes(sql->db, 1);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(sql->db, SQL_BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(sql->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (code == SQLITE_OK)
        code = seal_register(sql->db);
    if (code == SQLITE_OK)
        return WEIR_OK;
    enum weir_status status = sql_fail(sql, code, error);
    sql_close(sql);
    return status;
}

void sql_close(struct sql *sql)
{
    sql_release_column(sql);
    for (size_t i = 0; i < SQL_STATEMENT_COUNT; i++)
        sqlite3_finalize(sql->statements[i]);
    sqlite3_close(sql->db);
    *sql = (struct sql){.path = sql->path};
}

void sql_release_column(struct sql *sql)
{
    sqlite3_blob_close(sql->column);
    sql->column = NULL;
}

enum weir_status sql_script(struct sql *sql, const char *text, struct weir_error *error)
{
    int code = sql_checked(sql, sqlite3_exec(sql->db, text, NULL, NULL, NULL));
    return code == SQLITE_OK ? WEIR_OK : sql_fail(sql, code, error);
}

enum weir_status sql_number(struct sql *sql, const char *text, int64_t *out,
                            struct weir_error *error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(sql->db, text, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sql_checked(sql, sqlite3_step(statement));
    *out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    enum weir_status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? WEIR_OK : sql_fail(sql, code, error);
    sqlite3_finalize(statement);
    return status;
}

enum weir_status sql_run(struct sql *sql, enum sql_statement which, struct weir_error *error)
{
    struct query q = query_start(sql, which);
    while (query_row(&q))
        ;
    return query_end(&q, error);
}

/* ---- queries ---- */

struct query query_start(struct sql *sql, enum sql_statement which)
{
    struct query q = {.sql = sql, .code = SQLITE_OK};
    if (!sql->statements[which])
        q.code = sqlite3_prepare_v3(sql->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                    &sql->statements[which], NULL);
    q.statement = sql->statements[which];
    return q;
}

#define BIND(q, call)                                                                              \
    do {                                                                                           \
        if ((q)->code == SQLITE_OK)                                                                \
            (q)->code = call;                                                                      \
    } while (0)

void query_bind_i64(struct query *q, int64_t v)
{
    BIND(q, sqlite3_bind_int64(q->statement, ++q->bound, v));
}

void query_bind_u64(struct query *q, uint64_t v)
{
    query_bind_i64(q, (int64_t)v);
}

void query_bind_f64(struct query *q, double v)
{
    BIND(q, sqlite3_bind_double(q->statement, ++q->bound, v));
}

void query_bind_text(struct query *q, const char *text)
{
    BIND(q, sqlite3_bind_text(q->statement, ++q->bound, text, -1, SQLITE_STATIC));
}

void query_bind_blob(struct query *q, const void *bytes, size_t length)
{
    /* A NULL pointer would bind NULL, not an empty blob. */
    BIND(q,
         sqlite3_bind_blob64(q->statement, ++q->bound, length ? bytes : "", length, SQLITE_STATIC));
}

void query_bind_address(struct query *q, const struct address *a)
{
    query_bind_blob(q, a->octets, sizeof a->octets);
}

bool query_row(struct query *q)
{
    if (q->code == SQLITE_OK || q->code == SQLITE_ROW)
        q->code = sql_checked(q->sql, sqlite3_step(q->statement));
    return q->code == SQLITE_ROW;
}

int64_t query_i64(struct query *q, int column)
{
    return sqlite3_column_int64(q->statement, column);
}

uint64_t query_u64(struct query *q, int column)
{
    return (uint64_t)sqlite3_column_int64(q->statement, column);
}

double query_f64(struct query *q, int column)
{
    return sqlite3_column_double(q->statement, column);
}

const char *query_text(struct query *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q->statement, column);
    return text ? text : "";
}

const uint8_t *query_blob(struct query *q, int column, size_t *length)
{
    const uint8_t *bytes = sqlite3_column_blob(q->statement, column);
    *length = (size_t)sqlite3_column_bytes(q->statement, column);
    return bytes;
}

bool query_octets(struct query *q, int column, void *out, size_t size)
{
    size_t length;
    const uint8_t *bytes = query_blob(q, column, &length);
    if (!bytes || length != size) {
        q->code = SQLITE_CORRUPT;
        q->table = sqlite3_column_table_name(q->statement, column);
        return false;
    }
    memcpy(out, bytes, size);
    return true;
}

bool query_sealed(struct query *q)
{
    if (query_i64(q, sqlite3_column_count(q->statement) - 1) == 1)
        return true;
    q->code = SQLITE_CORRUPT;
    q->table = sqlite3_column_table_name(q->statement, 0);
    return false;
}

enum weir_status query_end(struct query *q, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    int code = sql_checked(q->sql, q->code);
    if (code != q->code)
        status = sql_fail(q->sql, code, error);
    else if (q->table)
        status = weir_fail(error, WEIR_ECORRUPT, q->table,
                           "%s: a row of table %s does not match its seal", q->sql->path, q->table);
    else if (q->code != SQLITE_OK && q->code != SQLITE_ROW && q->code != SQLITE_DONE)
        status = sql_fail(q->sql, q->code, error);
    if (q->statement) { /* none when the schema is damaged */
        sqlite3_reset(q->statement);
        sqlite3_clear_bindings(q->statement);
    }
    return status;
}

enum weir_status query_numbers(struct query *q, struct arena *a, int64_t **out, size_t *count,
                               struct weir_error *error)
{
    size_t room = 0;
    bool memory = true;
    *out = NULL;
    *count = 0;
    while (memory && query_row(q)) {
        if (*count == room) {
            room = room ? room * 2 : 256;
            int64_t *more = arena_alloc(a, room * sizeof *more);
            memory = more != NULL;
            if (memory && *count)
                memcpy(more, *out, *count * sizeof *more);
            *out = more;
        }
        if (memory)
            (*out)[(*count)++] = query_i64(q, 0);
    }
    enum weir_status status = query_end(q, error);
    return memory ? status : weir_fail(error, WEIR_ENOMEM, "", "out of memory for a list");
}
