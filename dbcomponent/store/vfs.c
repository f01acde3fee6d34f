/* vfs.c - see vfs.h. A file of ours is SQLite's own one behind a watch; most of its calls are
 * handed on. Neighbours: window.c knows the mappings, page_watch.c the checksums of pages; sql.c
 * asks after every step. */
#include "store/vfs.h"
#include "base/cursor.h"
#include "store/page_watch.h"
#include "store/window.h"
#include <pthread.h>
#include <string.h>

/* The log's index is mapped in pieces of 32 KiB, one for 4096 pages in the log: this many are of a
 * log of a gigabyte. What is past it is not watched. */
#define PIECES_MOST 32
/* SQLite may look so far past the end of a page, into the mapping. */
#define OVERREAD 256
#define HEAD_PAGES 28 /* the pages of the file, big-endian, in its head */

struct vfs_file {
    sqlite3_file base;
    struct window *map; /* of the file; NULL: none yet */
    uintptr_t from;     /* where the first octet of the file is mapped; 0: nowhere */
    int64_t shown;      /* so many octets from there, at least, SQLite has mapped */
    struct window *pieces[PIECES_MOST];
    sqlite3_int64 size; /* of the file, when it was last looked at */
    unsigned losses; /* of all windows, when it was last seen that ours lost nothing */
    int64_t lost;    /* 1 + the octet that was missed; 0: none */
    bool lost_log;
    struct page_watch pages;
    _Alignas(sqlite3_int64) uint8_t real[]; /* SQLite's own file */
};

static sqlite3_vfs *below(sqlite3_vfs *v)
{
    return v->pAppData;
}

static struct vfs_file *ours(sqlite3_file *f)
{
    return (struct vfs_file *)f;
}

static sqlite3_file *real(sqlite3_file *f)
{
    return (sqlite3_file *)ours(f)->real;
}

static const sqlite3_io_methods *calls(sqlite3_file *f)
{
    return real(f)->pMethods;
}

/* ---- what is watched ---- */

/* Nothing of the file is mapped from here on, as far as we know. */
static void unmapped(struct vfs_file *f)
{
    if (f->map)
        window_hide(f->map);
    f->from = 0;
    f->shown = 0;
}

static int file_close(sqlite3_file *base)
{
    struct vfs_file *f = ours(base);
    window_give(f->map);
    for (int i = 0; i < PIECES_MOST; i++)
        window_give(f->pieces[i]);
    page_watch_free(&f->pages);
    return calls(base)->xClose(real(base));
}

/* A file may have been empty when it was opened. */
static void look_at_head(struct vfs_file *f)
{
    uint8_t head[PAGE_HEAD];
    if (!f->pages.known &&
        calls(&f->base)->xRead(real(&f->base), head, sizeof head, 0) == SQLITE_OK)
        page_watch_head(&f->pages, head);
}

/* Of a read that came to the end of the file. */
static sqlite3_int64 first_missing(sqlite3_file *base, sqlite3_int64 at, int length)
{
    sqlite3_int64 size;
    bool within = calls(base)->xFileSize(real(base), &size) == SQLITE_OK && size > at &&
                  size < at + length;
    return within ? size : at;
}

/* SQLite fills up with zeros what it does not get, and goes on. Only a file that is being made has
 * no first page. */
static int file_read(sqlite3_file *base, void *to, int length, sqlite3_int64 at)
{
    struct vfs_file *f = ours(base);
    int code = calls(base)->xRead(real(base), to, length, at);
    if (code == SQLITE_IOERR_SHORT_READ && at >= PAGE_LEAST && !f->lost)
        f->lost = first_missing(base, at, length) + 1;
    if (code != SQLITE_OK || !page_watch_is_page((size_t)length, at))
        return code;
    look_at_head(f);
    return page_watch_read(&f->pages, to, (size_t)length, at) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

/* The checksum goes into a copy: the page is SQLite's, which writes pages as wholes. */
static int file_write(sqlite3_file *base, const void *from, int length, sqlite3_int64 at)
{
    struct vfs_file *f = ours(base);
    if (page_watch_is_page((size_t)length, at)) {
        look_at_head(f);
        from = page_watch_write(&f->pages, from, (size_t)length, at);
    }
    return from ? calls(base)->xWrite(real(base), from, length, at) : SQLITE_IOERR_NOMEM;
}

static int unfetched(sqlite3_file *base, sqlite3_int64 at, void **page, int code)
{
    int let_go = calls(base)->xUnfetch(real(base), at, *page);
    *page = NULL;
    return code == SQLITE_OK ? let_go : code;
}

/* Pages of a mapping lie as in the file, and it stays where it is until it is let go as a whole; so
 * the window grows to the furthest page that was asked for, and never shows what SQLite has not
 * mapped. */
static bool show_until(struct vfs_file *f, uintptr_t from, int64_t shown)
{
    if (from == f->from && shown <= f->shown)
        return true;
    if (from != f->from || shown > f->shown)
        f->shown = shown;
    f->from = from;
    if (!f->map)
        f->map = window_take();
    return f->map && window_show(f->map, (const void *)from, (size_t)f->shown);
}

/* A page that is mapped, or *page NULL: then SQLite reads it. */
static int file_fetch(sqlite3_file *base, sqlite3_int64 at, int length, void **page)
{
    struct vfs_file *f = ours(base);
    int code = calls(base)->xFetch(real(base), at, length, page);
    if (code != SQLITE_OK || !*page)
        return code;
    if (!show_until(f, (uintptr_t)*page - (uintptr_t)at, at + length + OVERREAD))
        return unfetched(base, at, page, SQLITE_OK);
    if (page_watch_is_page((size_t)length, at)) {
        look_at_head(f);
        if (!page_watch_map(&f->pages, *page, (size_t)length, at))
            return unfetched(base, at, page, SQLITE_IOERR_DATA);
    }
    return SQLITE_OK;
}

static int file_unfetch(sqlite3_file *base, sqlite3_int64 at, void *page)
{
    if (!page)
        unmapped(ours(base));
    return calls(base)->xUnfetch(real(base), at, page);
}

static int file_control(sqlite3_file *base, int what, void *argument)
{
    if (what == SQLITE_FCNTL_MMAP_SIZE || what == SQLITE_FCNTL_SIZE_HINT)
        unmapped(ours(base)); /* it may be mapped anew; pages are fetched anew then */
    return calls(base)->xFileControl(real(base), what, argument);
}

static int file_map_log(sqlite3_file *base, int piece, int length, int extend,
                        void volatile **where)
{
    struct vfs_file *f = ours(base);
    if (!calls(base)->xShmMap) /* of a file that never changes */
        return SQLITE_IOERR_SHMMAP;
    int code = calls(base)->xShmMap(real(base), piece, length, extend, where);
    if (code != SQLITE_OK || !*where || piece < 0 || piece >= PIECES_MOST)
        return code;
    if (!f->pieces[piece])
        f->pieces[piece] = window_take();
    if (f->pieces[piece])
        window_show(f->pieces[piece], (const void *)*where, (size_t)length);
    return code;
}

static int file_unmap_log(sqlite3_file *base, int remove)
{
    for (int i = 0; i < PIECES_MOST; i++)
        if (ours(base)->pieces[i])
            window_hide(ours(base)->pieces[i]);
    return calls(base)->xShmUnmap(real(base), remove);
}

/* Transactions begin and end with a lock that several share: of a file without a log, file_lock().
 */
static int file_lock_log(sqlite3_file *base, int first, int count, int flags)
{
    if (flags & SQLITE_SHM_SHARED)
        page_watch_turn(&ours(base)->pages);
    return calls(base)->xShmLock(real(base), first, count, flags);
}

/* ---- what is handed on ---- */

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return calls(f)->xTruncate(real(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
    return calls(f)->xSync(real(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return calls(f)->xFileSize(real(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
    page_watch_turn(&ours(f)->pages);
    return calls(f)->xLock(real(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
    return calls(f)->xUnlock(real(f), level);
}

static int file_is_reserved(sqlite3_file *f, int *out)
{
    return calls(f)->xCheckReservedLock(real(f), out);
}

static int file_sector(sqlite3_file *f)
{
    return calls(f)->xSectorSize(real(f));
}

static int file_device(sqlite3_file *f)
{
    return calls(f)->xDeviceCharacteristics(real(f));
}

static void file_barrier(sqlite3_file *f)
{
    calls(f)->xShmBarrier(real(f));
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = file_map_log,
    .xShmLock = file_lock_log,
    .xShmBarrier = file_barrier,
    .xShmUnmap = file_unmap_log,
    .xFetch = file_fetch,
    .xUnfetch = file_unfetch,
};

/* ---- the file system ---- */

/* Databases are watched; their logs and what is temporary are SQLite's own: what is missing there
 * is an error of SQLite's. */
static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *base, int flags, int *out)
{
    if (!(flags & SQLITE_OPEN_MAIN_DB))
        return below(v)->xOpen(below(v), name, base, flags, out);
    struct vfs_file *f = ours(base);
    *f = (struct vfs_file){.losses = window_losses()};
    int code = below(v)->xOpen(below(v), name, real(base), flags, out);
    bool maps = calls(base) && calls(base)->iVersion >= 3; /* SQLite's own since 2013 */
    if (maps) {
        f->base.pMethods = &methods;
        (void)file_size(base, &f->size);
    } else if (calls(base)) {
        calls(base)->xClose(real(base));
    }
    return maps || code != SQLITE_OK ? code : SQLITE_CANTOPEN;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync)
{
    return below(v)->xDelete(below(v), name, sync);
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
    return below(v)->xAccess(below(v), name, flags, out);
}

static int vfs_full_name(sqlite3_vfs *v, const char *name, int size, char *out)
{
    return below(v)->xFullPathname(below(v), name, size, out);
}

static int vfs_randomness(sqlite3_vfs *v, int size, char *out)
{
    return below(v)->xRandomness(below(v), size, out);
}

static int vfs_sleep(sqlite3_vfs *v, int microseconds)
{
    return below(v)->xSleep(below(v), microseconds);
}

static int vfs_time(sqlite3_vfs *v, double *out)
{
    return below(v)->xCurrentTime(below(v), out);
}

static int vfs_last_error(sqlite3_vfs *v, int size, char *out)
{
    return below(v)->xGetLastError(below(v), size, out);
}

static int vfs_time_ms(sqlite3_vfs *v, sqlite3_int64 *out)
{
    return below(v)->xCurrentTimeInt64(below(v), out);
}

static sqlite3_vfs vfs = {
    .iVersion = 2,
    .zName = VFS_NAME,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_name,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time_ms,
};
static int registered = SQLITE_ERROR;

static void register_once(void)
{
    sqlite3_vfs *real_one = sqlite3_initialize() == SQLITE_OK ? sqlite3_vfs_find(NULL) : NULL;
    if (!real_one || real_one->iVersion < 2)
        return;
    vfs.pAppData = real_one;
    vfs.mxPathname = real_one->mxPathname;
    vfs.szOsFile = (int)sizeof(struct vfs_file) + real_one->szOsFile;
    registered = sqlite3_vfs_register(&vfs, 0);
}

int vfs_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_once);
    return registered;
}

/* ---- what became of a file ---- */

struct vfs_file *vfs_file_of(sqlite3 *db)
{
    sqlite3_file *f = NULL;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    return f && f->pMethods == &methods ? ours(f) : NULL;
}

/* Some window lost something: was it one of ours? */
static void look_through_windows(struct vfs_file *f)
{
    f->losses = window_losses();
    if (f->map && !f->lost)
        f->lost = window_lost(f->map);
    for (int i = 0; i < PIECES_MOST; i++)
        f->lost_log |= f->pieces[i] && window_lost(f->pieces[i]);
}

bool vfs_whole(struct vfs_file *f)
{
    if (f->losses != window_losses())
        look_through_windows(f);
    return !f->lost && !f->lost_log;
}

bool vfs_whole_to_its_end(struct vfs_file *f)
{
    sqlite3_int64 size;
    if (f->from && !f->lost && file_size(&f->base, &size) == SQLITE_OK &&
        f->shown - OVERREAD > size)
        f->lost = size + 1;
    return vfs_whole(f);
}

bool vfs_reserve_sums(sqlite3 *db)
{
    int octets = PAGE_SUM_OCTETS;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &octets) == SQLITE_OK;
}

bool vfs_copy_of(struct vfs_file *f, struct vfs_file *other)
{
    look_at_head(other);
    f->pages.known = other->pages.known;
    f->pages.sums = other->pages.sums;
    return f->pages.sums;
}

bool vfs_check_all(struct vfs_file *f, bool all)
{
    uint8_t head[PAGE_HEAD];
    sqlite3_int64 size = 0;
    bool counts = all && file_size(&f->base, &size) == SQLITE_OK &&
                  calls(&f->base)->xRead(real(&f->base), head, sizeof head, 0) == SQLITE_OK &&
                  page_head_size(head) >= PAGE_LEAST;
    return page_watch_all(&f->pages, all, counts ? (size_t)size / page_head_size(head) : 0);
}

uint32_t vfs_bare_pages(const struct vfs_file *f)
{
    return page_watch_bare(&f->pages);
}

struct vfs_damage vfs_damage(const struct vfs_file *f)
{
    int64_t size = f->pages.bad_size;
    return (struct vfs_damage){
        .page = f->pages.bad, .at = size * ((int64_t)f->pages.bad - 1), .size = size};
}

struct vfs_loss vfs_loss(struct vfs_file *f)
{
    sqlite3_int64 size;
    struct vfs_loss loss = {.at = f->lost ? f->lost - 1 : -1, .size = -1};
    if (file_size(&f->base, &size) == SQLITE_OK)
        loss.size = size;
    loss.cut = f->lost_log || (loss.size >= 0 && loss.at >= loss.size);
    return loss;
}

/* What the head of the first page says, in octets; 0: there is none. */
static int64_t size_in_head(struct vfs_file *f)
{
    uint8_t head[PAGE_HEAD] = {0};
    if (calls(&f->base)->xRead(real(&f->base), head, sizeof head, 0) != SQLITE_OK)
        return 0;
    return (int64_t)load_be32(head + HEAD_PAGES) * page_head_size(head);
}

struct vfs_look vfs_look(struct vfs_file *f)
{
    static const char magic[16] = "SQLite format 3";
    uint8_t head[sizeof magic];
    sqlite3_int64 size;
    if (file_size(&f->base, &size) != SQLITE_OK)
        return (struct vfs_look){.size = -1};
    bool begins = calls(&f->base)->xRead(real(&f->base), head, sizeof head, 0) == SQLITE_OK &&
                  memcmp(head, magic, sizeof magic) == 0;
    return (struct vfs_look){size, begins ? size_in_head(f) : 0, begins || size == 0};
}

bool vfs_shorter(struct vfs_file *f)
{
    sqlite3_int64 size, before = f->size;
    if (file_size(&f->base, &size) != SQLITE_OK)
        return false;
    f->size = size;
    if (size >= before || (size >= PAGE_HEAD && size >= size_in_head(f)))
        return false;
    if (!f->lost)
        f->lost = size + 1;
    return true;
}
