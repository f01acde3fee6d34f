/* backup.c - a copy of the store while it is in use (store_backup()). Neighbours: store.c. */
#include "store/inside.h"
#include "store/vfs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Pages a step. The copy is read in one transaction, so it is one state of the store however long
 * it takes, and writers go on. */
#define STEP_PAGES 2048

static enum weir_status copy(struct sql *from, struct sql *to, store_progress progress,
                             void *context, struct weir_error *error)
{
    sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from->db, "main");
    if (!b)
        return sql_fail(to, sqlite3_errcode(to->db), error);
    int code;
    do {
        code = sqlite3_backup_step(b, STEP_PAGES);
        if (progress && (code == SQLITE_OK || code == SQLITE_DONE))
            progress(context, (uint64_t)(sqlite3_backup_pagecount(b) - sqlite3_backup_remaining(b)),
                     (uint64_t)sqlite3_backup_pagecount(b));
    } while (code == SQLITE_OK);
    int ended = sqlite3_backup_finish(b);
    if (sql_checked(from, SQLITE_OK) != SQLITE_OK)
        return sql_fail(from, SQLITE_IOERR, error);
    return code == SQLITE_DONE && ended == SQLITE_OK
               ? WEIR_OK
               : sql_fail(to, code == SQLITE_DONE ? ended : code, error);
}

static enum weir_status make_part(const char *part, struct weir_error *error)
{
    int fd = open(part, O_CREAT | O_EXCL | O_WRONLY, 0640);
    if (fd >= 0) {
        close(fd);
        return WEIR_OK;
    }
    return weir_fail(error, errno == EEXIST ? WEIR_EEXISTS : WEIR_EIO, "file",
                     "can not make %s: %s", part, strerror(errno));
}

static enum weir_status settle(const char *part, const char *file, struct weir_error *error)
{
    int fd = open(part, O_RDONLY);
    bool fine = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    /* link() and not rename(): what somebody has put there meanwhile is not replaced. */
    if (fine && link(part, file) == 0) {
        unlink(part);
        return WEIR_OK;
    }
    return weir_fail(error, errno == EEXIST ? WEIR_EEXISTS : WEIR_EIO, "file",
                     "can not make %s: %s", file, strerror(errno));
}

/* Into the copy of a store from before pages had checksums. The first time makes room for them, and
 * writes pages before the one that says so. */
static enum weir_status give_sums(struct sql *to, struct weir_error *error)
{
    if (!vfs_reserve_sums(to->db))
        return weir_fail(error, WEIR_EINTERNAL, "file", "%s: pages have no room for checksums",
                         to->path);
    return sql_script(to, "PRAGMA synchronous = OFF; VACUUM; VACUUM", error);
}

static enum weir_status copy_to(struct reader *r, const char *part, store_progress progress,
                                void *context, struct weir_error *error)
{
    struct sql to = {0};
    enum weir_status status = sql_open(&to, part, part, SQLITE_OPEN_READWRITE, error);
    if (status != WEIR_OK)
        return status;
    bool sums = vfs_copy_of(to.file, r->sql.file);
    status = copy(&r->sql, &to, progress, context, error);
    if (status == WEIR_OK && !sums)
        status = give_sums(&to, error);
    /* The copy is a file alone, that can be read from a read-only medium. */
    if (status == WEIR_OK)
        status = sql_script(&to, "PRAGMA journal_mode = DELETE", error);
    sql_close(&to);
    return status;
}

enum weir_status store_backup(struct store *s, const char *file, store_progress progress,
                              void *context, struct weir_error *error)
{
    char part[4096];
    struct reader *r;
    if (snprintf(part, sizeof part, "%s.part", file) >= (int)sizeof part)
        return weir_fail(error, WEIR_EARGUMENT, "file", "the name is too long");
    if (access(file, F_OK) == 0)
        return weir_fail(error, WEIR_EEXISTS, "file", "%s is there already", file);
    enum weir_status status = reader_open(s, &r, error);
    if (status != WEIR_OK)
        return status;
    status = make_part(part, error);
    bool made = status == WEIR_OK;
    if (made)
        status = copy_to(r, part, progress, context, error);
    status = reader_end(r, status, error);
    if (status == WEIR_OK)
        status = settle(part, file, error);
    if (made && status != WEIR_OK)
        unlink(part);
    return status;
}
