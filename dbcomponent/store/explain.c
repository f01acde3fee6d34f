/* explain.c - why a file is no store that can be opened, in words that say what to do (inside.h).
 * Neighbours: store.c and migrate.c open it; vfs.c looks at the file through the handle that SQLite
 * has: to open and close another one would take away the locks of this process. */
#include "store/inside.h"
#include "base/log.h"
#include "store/page_sum.h"
#include "store/vfs.h"

#define PUT_BACK "put back the whole file, or a backup"

enum weir_status explain_empty(struct sql *sql, struct weir_error *error)
{
    if (vfs_look(sql->file).size <= 0)
        return weir_fail(error, WEIR_ENOTFOUND, "data",
                         "%s is empty: nothing was stored yet, or it was cut to nothing: put a "
                         "backup there, or let weird or an import make a store of it",
                         sql->path);
    return weir_fail(error, WEIR_ENOTFOUND, "data",
                     "%s has no tables: it is a copy without the log that was beside it "
                     "(weir.db-wal), or with another one; copy both while nobody writes, or use "
                     "`weird backup`",
                     sql->path);
}

enum weir_status explain_damage(struct sql *sql, enum weir_status status, struct weir_error *error)
{
    const struct vfs_look file = sql->file ? vfs_look(sql->file) : (struct vfs_look){.size = -1};
    /* What is known of one page is told already, and heads of damaged ones tell nothing. */
    if (status != WEIR_ECORRUPT || file.size < 0 || vfs_damage(sql->file).page)
        return status;
    if (!file.is_database)
        return weir_fail(error, status, "data",
                         "%s is not a database: it does not begin like a file of SQLite; if it is "
                         "another program's, name another folder with --data; else " PUT_BACK,
                         sql->path);
    if (sqlite3_extended_errcode(sql->db) != SQLITE_CORRUPT)
        return status;
    if (file.size < PAGE_LEAST)
        return weir_fail(error, status, "data",
                         "%s was cut, or not copied to its end: it has %lld octets; " PUT_BACK,
                         sql->path, (long long)file.size);
    if (file.size < file.size_in_head)
        return weir_fail(error, status, "data",
                         "%s was cut, or not copied to its end: it has %lld octets of %lld; "
                         PUT_BACK, sql->path, (long long)file.size, (long long)file.size_in_head);
    return status;
}

void explain_new(struct sql *sql)
{
    if (vfs_look(sql->file).size > 0)
        log_warning("store",
                    "%s has no tables, and a new store is made of it; if it is a copy, the log that"
                    " was beside it (weir.db-wal) is missing", sql->path);
}
