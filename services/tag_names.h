/* tag_names.h - tags by number and by name, remembered from the store's catalogue so that a
 * question about a tag costs no catalogue read.
 *
 * Threads: any. */
#ifndef WEIR_TAG_NAMES_H
#define WEIR_TAG_NAMES_H

#include "base/status.h"
#include <stdint.h>

struct store;
struct tag_names;

struct tag_names *tag_names_new(struct store *store); /* NULL: no memory */
void tag_names_free(struct tag_names *t);
/* What is remembered is out of date: read the catalogue at the next question. (Changes by other
 * processes are seen within TAG_NAMES_AGE_MS.) */
void tag_names_forget(struct tag_names *t);
#define TAG_NAMES_AGE_MS 2000

/* Turns "12" or "PoP-BA" into a number. `field` is named in every error. 0 is traffic without a
 * tag. WEIR_ENOTFOUND: no such tag; a number passes while the catalogue has no tags at all, for a
 * DB component whose tags are kept at its collectors. WEIR_EARGUMENT: neither a number nor a name.
 */
enum weir_status tag_names_resolve(struct tag_names *t, const char *text, const char *field,
                                   uint32_t *tag, struct weir_error *error);

#endif
