/* catalogue.h - what the files that change the catalogue share: the audit, and how inserts and
 * deletes end. Private to dbcomponent/store. */
#ifndef WEIR_DB_CATALOGUE_H
#define WEIR_DB_CATALOGUE_H

#include "store/inside.h"

#define CATALOGUE_TEXT_MOST 1024

/* Text for people: bounded, no control characters. WEIR_EARGUMENT. */
enum weir_status catalogue_check_text(const char *text, const char *field,
                                      struct weir_error *error);
enum weir_status catalogue_audit(struct sql *sql, const char *who, const char *action,
                                 const char *subject, const char *detail, struct weir_error *error);
/* Ends an INSERT: a row that is there already becomes WEIR_EEXISTS with the given words. */
enum weir_status catalogue_end_insert(struct query *q, const char *field, const char *what,
                                      struct weir_error *error);
/* Ends a DELETE: nothing deleted becomes WEIR_ENOTFOUND. */
enum weir_status catalogue_end_delete(struct query *q, const char *field, const char *what,
                                      struct weir_error *error);

#endif
