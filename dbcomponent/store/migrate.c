/* migrate.c - schema versions: whose file it is, how old, and how it becomes the present one.
 *
 * Migrations are the files schemas/sql/NNNN_what.sql, carried in the program, applied in order,
 * each with its number in one transaction (PRAGMA user_version lives in the file's header and so in
 * the transaction). A crash between two leaves a file of the version between. */
#include "store/inside.h"
#include "embed.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static int64_t migration_number(const struct embedded *m)
{
    return strtoll(m->name, NULL, 10);
}

int64_t store_schema_version(void)
{
    int64_t last = 0;
    for (const struct embedded *m = migrations; m->name; m++)
        last = migration_number(m);
    return last;
}

enum weir_status store_check_file(struct sql *sql, int64_t *version, bool *empty,
                                  struct weir_error *error)
{
    int64_t application = 0, objects = 0;
    enum weir_status status = sql_number(sql, "PRAGMA application_id", &application, error);
    if (status == WEIR_OK)
        status = sql_number(sql, "PRAGMA user_version", version, error);
    if (status == WEIR_OK)
        status = sql_number(sql, "SELECT count(*) FROM sqlite_schema", &objects, error);
    if (status != WEIR_OK)
        return explain_damage(sql, status, error);
    *empty = application == 0 && *version == 0 && objects == 0;
    if (application == SQL_APPLICATION_ID_UNRELEASED)
        return weir_fail(error, WEIR_EVERSION, "data",
                         "%s was written by a Weir from before the first release, which this one "
                         "does not read: start with another folder",
                         sql->path);
    if (!*empty && application != SQL_APPLICATION_ID)
        return weir_fail(error, WEIR_ECORRUPT, "data",
                         "%s is a SQLite file but not a Weir store: name another folder with "
                         "--data", sql->path);
    if (*version > store_schema_version())
        return weir_fail(error, WEIR_EVERSION, "data",
                         "%s was written by a newer Weir: schema %lld, this one knows up to %lld; "
                         "use the newer one, or a backup from before it",
                         sql->path, (long long)*version, (long long)store_schema_version());
    return WEIR_OK;
}

/* ---- meta ---- */

static enum weir_status read_meta(struct sql *sql, const char *name, void *out, size_t least,
                                  size_t most, struct weir_error *error)
{
    size_t length;
    struct query q = query_start(sql, SQL_META_READ);
    query_bind_text(&q, name);
    bool found = query_row(&q);
    if (found && query_sealed(&q)) {
        (void)query_blob(&q, 0, &length);
        bool fits = length >= least && length <= most;
        query_octets(&q, 0, out, fits ? length : most);
    }
    enum weir_status status = query_end(&q, error);
    if (status == WEIR_OK && !found)
        status = weir_fail(error, WEIR_ENOTFOUND, "", "%s: table meta has no %s", sql->path, name);
    return status;
}

enum weir_status meta_read(struct sql *sql, const char *name, void *out, size_t size,
                           struct weir_error *error)
{
    return read_meta(sql, name, out, size, size, error);
}

enum weir_status meta_read_most(struct sql *sql, const char *name, void *out, size_t size,
                                struct weir_error *error)
{
    return read_meta(sql, name, out, 1, size, error);
}

enum weir_status meta_write(struct sql *sql, const char *name, const void *bytes, size_t size,
                            struct weir_error *error)
{
    struct query q = query_start(sql, SQL_META_WRITE);
    query_bind_text(&q, name);
    query_bind_blob(&q, bytes, size);
    query_row(&q);
    return query_end(&q, error);
}

/* The random identity and the counter that a new file starts with. */
static enum weir_status found(struct sql *sql, struct weir_error *error)
{
    uint8_t identity[16], zero[4] = {0};
    size_t have = 0;
    while (have < sizeof identity) {
        ssize_t got = getrandom(identity + have, sizeof identity - have, 0);
        if (got < 0 && errno != EINTR)
            return weir_fail(error, WEIR_EIO, "", "no random octets: %s", strerror(errno));
        have += got > 0 ? (size_t)got : 0;
    }
    enum weir_status status = meta_write(sql, "identity", identity, sizeof identity, error);
    return status == WEIR_OK ? meta_write(sql, "incarnation", zero, sizeof zero, error) : status;
}

/* The schema's own text has no row of ours to be sealed in: its digest is kept in meta. */
static enum weir_status seal_schema(struct sql *sql, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_SCHEMA_DIGEST);
    uint64_t digest = query_row(&q) ? query_u64(&q, 0) : 0;
    enum weir_status status = query_end(&q, error);
    return status == WEIR_OK ? meta_write(sql, "schema", &digest, sizeof digest, error) : status;
}

/* SQLite keeps the text of a table as it is given: so without what only sets it out, for it is a
 * third of a small store's schema. */
static char *set_tight(const char *text)
{
    char *tight = malloc(strlen(text) + 1), *to = tight;
    for (const char *at = text; tight && *at; at++) {
        bool space = *at == ' ' || *at == '\n';
        if (at[0] == '-' && at[1] == '-') /* a comment, to the end of its line */
            at += strcspn(at, "\n") - 1;
        else if (!space)
            *to++ = *at;
        else if (to > tight && to[-1] != ' ' && to[-1] != '(' && at[strspn(at, " \n")] != ')')
            *to++ = ' ';
    }
    if (tight)
        *to = 0;
    return tight;
}

static enum weir_status apply(struct sql *sql, const struct embedded *m, bool first,
                              struct weir_error *error)
{
    char mark[96];
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %lld",
             SQL_APPLICATION_ID, (long long)migration_number(m));
    char *text = set_tight(m->text);
    if (!text)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for the schema");
    enum weir_status status = sql_script(sql, text, error);
    free(text);
    if (status == WEIR_OK)
        status = sql_script(sql, mark, error);
    if (status == WEIR_OK && first)
        status = found(sql, error);
    if (status == WEIR_OK)
        status = seal_schema(sql, error);
    return status;
}

/* One migration, if another process has not made it meanwhile. */
static enum weir_status step(struct sql *sql, const struct embedded *m, struct weir_error *error)
{
    int64_t version = 0;
    enum weir_status status = sql_run(sql, SQL_BEGIN_IMMEDIATE, error);
    if (status != WEIR_OK)
        return status;
    status = sql_number(sql, "PRAGMA user_version", &version, error);
    if (status == WEIR_OK && version < migration_number(m))
        status = apply(sql, m, version == 0, error);
    if (status == WEIR_OK)
        status = sql_run(sql, SQL_COMMIT, error);
    if (status != WEIR_OK && !sqlite3_get_autocommit(sql->db))
        sql_run(sql, SQL_ROLLBACK, NULL);
    return status;
}

enum weir_status store_migrate(struct sql *sql, struct weir_error *error)
{
    int64_t version = 0;
    enum weir_status status = sql_number(sql, "PRAGMA user_version", &version, error);
    for (const struct embedded *m = migrations; m->name && status == WEIR_OK; m++)
        if (version < migration_number(m))
            status = step(sql, m, error);
    return status;
}
