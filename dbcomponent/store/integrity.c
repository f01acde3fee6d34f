/* integrity.c - see integrity.h. Neighbours: vfs.c checks the pages that SQLite asks for,
 * verify.c tells what is found. */
#include "store/integrity.h"
#include "store/vfs.h"
#include <stdio.h>
#include <string.h>

/* How SQLite calls a page that vfs.c did not let pass: SQLITE_IOERR_DATA. */
static const char refused[] = "unable to get the page. error code=8202";
_Static_assert(SQLITE_IOERR_DATA == 8202, "as in the text");

static void tell_line(const char *line, size_t length, integrity_found found, void *context)
{
    char text[512], name[32];
    const char *of = memmem(line, length, refused, sizeof refused - 1);
    if (of && length < sizeof text && sscanf(line, "Page %30[0-9]:", name) == 1)
        snprintf(text, sizeof text, "page %s: its checksum is another than was written", name);
    else
        snprintf(text, sizeof text, "%.*s", (int)(length < 400 ? length : 400), line);
    found(context, text);
}

/* SQLite tells several in one row, below a line that names the database. */
static void tell_row(const char *row, integrity_found found, void *context)
{
    while (*row) {
        size_t length = strcspn(row, "\n");
        if (length && strncmp(row, "***", 3) != 0)
            tell_line(row, length, found, context);
        row += length + (row[length] == '\n');
    }
}

enum weir_status integrity_check(struct sql *sql, integrity_found found, void *context,
                                 uint64_t *bare, struct weir_error *error)
{
    *bare = 0;
    sqlite3_db_release_memory(sql->db); /* or pages in it would not be read */
    if (sql->file && !vfs_check_all(sql->file, true))
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to look at pages");
    struct query q = query_start(sql, SQL_INTEGRITY);
    while (query_row(&q))
        if (strcmp(query_text(&q, 0), "ok") != 0)
            tell_row(query_text(&q, 0), found, context);
    enum weir_status status = query_end(&q, error);
    if (sql->file) {
        *bare = vfs_bare_pages(sql->file);
        vfs_check_all(sql->file, false);
    }
    return status;
}
