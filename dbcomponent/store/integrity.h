/* integrity.h - does SQLite find its way in the file, and is every page that is in use what was
 * written (page_sum.h)? Private to dbcomponent/store; the first step of store_verify().
 *
 * Threads: as the connection. */
#ifndef WEIR_DB_INTEGRITY_H
#define WEIR_DB_INTEGRITY_H

#include "store/sql.h"

/* Called with each thing that is wrong, a line without its end. */
typedef void (*integrity_found)(void *context, const char *line);

/* Looks at the whole of the file, as the connection's transaction sees it. What is damaged is told
 * and no error; errors are those of reading. *bare: pages in use, and not in the log, that have no
 * checksum; that is no damage. */
enum weir_status integrity_check(struct sql *sql, integrity_found found, void *context,
                                 uint64_t *bare, struct weir_error *error);

#endif
