/* vfs.h - the files under SQLite, watched: the file system "weir" is the one that SQLite comes
 * with, and notes of every database it opens whether octets were missed that must be there. SQLite
 * itself takes what lies past the end of a file for zeros, and can not know that a mapping broke
 * under it (window.h). Pages are written with checksums and read with a look at them
 * (page_watch.h); one that is damaged SQLite is told of as SQLITE_IOERR_DATA.
 *
 * Threads: as SQLite's connections: a file belongs to one thread at a time. */
#ifndef WEIR_DB_VFS_H
#define WEIR_DB_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define VFS_NAME "weir"

/* Makes it known to SQLite; again is fine. */
int vfs_register(void);

/* The file of a connection's database that was opened through it; NULL: through another. */
struct vfs_file;
struct vfs_file *vfs_file_of(sqlite3 *db);

/* False from the moment that something was missed: nothing that came from this connection since the
 * last time it was whole may be believed. It never becomes true again. */
bool vfs_whole(struct vfs_file *f);

/* The same, and looks at the file too: of the page in which it ends now the rest reads as zeros,
 * and the system tells nobody. To be asked before a transaction ends. */
bool vfs_whole_to_its_end(struct vfs_file *f);

/* Pages of a database that is not made yet shall have checksums. After its page size is set, and
 * before anything else; false: SQLite would not. */
bool vfs_reserve_sums(sqlite3 *db);
struct vfs_look {
    int64_t size;         /* -1: not to be had */
    int64_t size_in_head; /* what the file's own head says; 0: it has none */
    bool is_database;     /* it is empty, or begins as SQLite's files do */
};
/* The file as it lies there, without SQLite's understanding of it. */
struct vfs_look vfs_look(struct vfs_file *f);

/* Of a database that is going to be a copy of another, page by page: its pages will have checksums
 * if those of the other have. Its first page, which says so, is the last that SQLite writes. False:
 * they have no room for any. */
bool vfs_copy_of(struct vfs_file *f, struct vfs_file *other);
/* From now on, check also the pages that hold nothing but parts of long values? What is in SQLite's
 * cache is not read, and so not checked. False: no memory. */
bool vfs_check_all(struct vfs_file *f, bool all);
/* How many pages of those that were read since then, each counted once, have no checksum. */
uint32_t vfs_bare_pages(const struct vfs_file *f);

struct vfs_damage {
    uint32_t page; /* from 1; 0: none was damaged */
    int64_t at;    /* its octets in the file */
    int64_t size;
};
/* After SQLITE_IOERR_DATA: the page that it was about. */
struct vfs_damage vfs_damage(const struct vfs_file *f);

struct vfs_loss {
    int64_t at;   /* the octet of the file that was missed; -1: of what is mapped of its log */
    int64_t size; /* of the file now; -1: not to be had */
    bool cut;     /* that lies past the end: the file was made shorter. Else the disk failed */
};
/* Once it is not whole. */
struct vfs_loss vfs_loss(struct vfs_file *f);

/* Is the file shorter than when it was opened or last looked at here, and than its own head says?
 * Then it is not whole. Making it shorter is nothing that Weir does without changing the head. Only
 * while nobody who has the file for writing folds his log into it. */
bool vfs_shorter(struct vfs_file *f);

#endif
