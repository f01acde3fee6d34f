/* redirect.h - put in front of every file of the extension (cc -include): SQLite's functions are
 * those of the program that loads it, reached through the table it hands over. Linking a SQLite of
 * our own beside it would be two of them on one file. */
#ifndef WEIR_SQLEXT_REDIRECT_H
#define WEIR_SQLEXT_REDIRECT_H

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

#endif
