/* names_text.h - names that exporters told, as text: what `weird names` and ListNames have in
 * common. Pure; any thread. */
#ifndef WEIR_NAMES_TEXT_H
#define WEIR_NAMES_TEXT_H

#include "store.h"

/* The id as records and totals print it, and what an applicationId (RFC 6759) is made of. */
struct name_id {
    char text[32];
    bool is_application; /* the two below count */
    uint64_t engine, selector;
};
void name_id_print(const struct name_entry *e, struct name_id *out);

extern const char *const name_kinds[NAME_KIND_COUNT];

#endif
