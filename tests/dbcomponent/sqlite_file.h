/* sqlite_file.h - for tests that change a store by hand: its file, opened as the store opens it, so
 * that pages get their checksums and what is found is what was changed in them. */
#ifndef WEIR_TEST_SQLITE_FILE_H
#define WEIR_TEST_SQLITE_FILE_H

#include "store/vfs.h"
#include "unit.h"
#include <stdio.h>

static inline sqlite3 *sqlite_file(const char *folder)
{
    char path[160];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/weir.db", folder);
    CU_ASSERT_EQUAL_FATAL(vfs_register(), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                          VFS_NAME), SQLITE_OK);
    return db;
}

#endif
