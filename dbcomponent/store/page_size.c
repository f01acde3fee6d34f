/* page_size.c - the pages of a store's file are as large as suits the store (inside.h). Neighbours:
 * store.c asks, when it opens a store for writing and when one is put away; vfs.c puts checksums
 * into pages.
 *
 * SQLite gives every table and index at least a page, and ours are 28 before the first flow: 230
 * KiB in pages of 8 KiB, 14 in pages of 512 octets. In small pages columns are long chains, which
 * costs 3 % of their octets and time; so it is for small stores, and none grows in them: who opens
 * one for writing has large ones first.
 *
 * SQLite changes the size of pages in VACUUM, as one transaction with a rollback journal, not with
 * the log that a store in use has. So there are three steps, behind locks that wait for nobody:
 *
 *   1. the log leaves: the file alone is the store. Fails when anybody else has the store open
 *   2. VACUUM to the new size. It writes pages of the new size in pieces, or several at once, so
 *      this step goes past our file system, and the pages are without checksums
 *   3. VACUUM once more, through our file system, for the checksums; then there is a log again
 *
 * Whatever happens in a step, the file is a whole store in old or new pages, and what a crash in 2
 * or 3 leaves is a journal that the next one who opens the file rolls back. Without step 3 there is
 * no log: that tells the next writer to make up for it. */
#include "store/inside.h"
#include "base/log.h"
#include <stdio.h>
#include <sys/stat.h>

#define PAGE_SMALL 512
/* Half a page is empty at the end of every tree and value, and each page has 17 octets that are
 * not the store's: 512 loses less than 1024 up to 700 KiB, and hardly more up to this. */
#define SMALL_STORE (1 << 20)

#define ALONE "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = EXTRA;"                       \
              "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
#define WITHOUT_LOG "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE"
#define AGAIN ALONE "VACUUM"
#define WITH_LOG ALONE "PRAGMA journal_mode = WAL"

struct shape {
    int64_t page, pages, without_log;
};

static enum weir_status look(struct sql *sql, struct shape *out, struct weir_error *error)
{
    enum weir_status status = sql_number(sql, "PRAGMA page_size", &out->page, error);
    if (status == WEIR_OK)
        status = sql_number(sql, "PRAGMA page_count", &out->pages, error);
    if (status == WEIR_OK)
        status = sql_number(sql, "SELECT journal_mode <> 'wal' FROM pragma_journal_mode",
                            &out->without_log, error);
    return status;
}

/* A large one may be a backup that was put here, without a log and with its checksums. */
static bool is_left_halfway(const struct shape *s)
{
    return s->without_log && s->page * s->pages <= SMALL_STORE;
}

bool pages_are_wrong(struct sql *sql)
{
    struct shape s;
    return look(sql, &s, NULL) == WEIR_OK && (s.page < PAGE_OCTETS || is_left_halfway(&s));
}

/* What a copy of a damaged file lacks nobody would miss. */
static enum weir_status check_sound(struct sql *sql, const char *path, struct weir_error *error)
{
    int64_t faults = 0;
    enum weir_status status = sql_number(
        sql, "SELECT count(*) FROM pragma_integrity_check(1) WHERE integrity_check <> 'ok'",
        &faults, error);
    return status == WEIR_OK && faults
               ? weir_fail(error, WEIR_ECORRUPT, "", "%s is damaged (weird verify)", path)
               : status;
}

/* Step 1, if there is anything to do. */
static enum weir_status prepare(const char *path, int64_t page, struct shape *found, bool *wanted,
                                struct weir_error *error)
{
    struct sql sql;
    enum weir_status status = sql_open(&sql, path, path, SQLITE_OPEN_READWRITE, error);
    if (status != WEIR_OK)
        return status;
    sqlite3_busy_timeout(sql.db, 0);
    status = look(&sql, found, error);
    *wanted = status == WEIR_OK &&
              (is_left_halfway(found) ||
               (found->page != page &&
                (page == PAGE_OCTETS || found->page * found->pages <= SMALL_STORE)));
    if (*wanted)
        status = check_sound(&sql, path, error);
    if (*wanted && status == WEIR_OK)
        status = sql_script(&sql, WITHOUT_LOG, error);
    sql_close(&sql);
    return status;
}

/* Step 2. */
static bool remake(const char *path, int64_t page)
{
    char text[256];
    sqlite3 *db = NULL;
    snprintf(text, sizeof text, ALONE "PRAGMA page_size = %lld; VACUUM", (long long)page);
    bool done = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
                    SQLITE_OK &&
                sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_close(db);
    return done;
}

/* Step 3, or back from step 1. */
static enum weir_status finish(const char *path, bool again, struct weir_error *error)
{
    struct sql sql;
    enum weir_status status = sql_open(&sql, path, path, SQLITE_OPEN_READWRITE, error);
    if (status != WEIR_OK)
        return status;
    sqlite3_busy_timeout(sql.db, 0);
    if (again)
        status = sql_script(&sql, AGAIN, error);
    if (status == WEIR_OK)
        status = sql_script(&sql, WITH_LOG, error);
    sql_close(&sql);
    return status;
}

static void resize(const char *path, int64_t page)
{
    bool wanted = false;
    struct shape found = {0};
    struct weir_error error = {0};
    enum weir_status status = prepare(path, page, &found, &wanted, &error);
    if (status == WEIR_OK && wanted) {
        bool remade = found.page == page || remake(path, page);
        if (remade || !found.without_log)
            status = finish(path, remade, &error);
        if (!remade)
            log_debug("store", "%s: pages stay as they are", path);
    }
    if (status != WEIR_OK)
        log_debug("store", "pages: %s", error.message);
}

void pages_make_small(const char *path)
{
    resize(path, PAGE_SMALL);
}

void pages_make_large(const char *path)
{
    resize(path, PAGE_OCTETS);
}

/* ---- after a crash ---- */

bool pages_journal(const char *path)
{
    struct stat journal;
    char name[4096];
    return snprintf(name, sizeof name, "%s-journal", path) < (int)sizeof name &&
           stat(name, &journal) == 0 && journal.st_size > 0;
}

void pages_roll_back(const char *path)
{
    struct sql sql;
    int64_t any;
    if (!pages_journal(path) || sql_open(&sql, path, path, SQLITE_OPEN_READWRITE, NULL) != WEIR_OK)
        return;
    (void)sql_number(&sql, "SELECT count(*) FROM sqlite_schema", &any, NULL);
    sql_close(&sql);
}
