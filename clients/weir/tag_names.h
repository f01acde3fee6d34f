/* tag_names.h - the names of tags, for tables that show numbers of them. */
#ifndef WEIR_CLIENT_TAG_NAMES_H
#define WEIR_CLIENT_TAG_NAMES_H

#include "weir/words.h"

struct tag_names {
    uint32_t *ids;      /* sorted */
    const char **names; /* beside them */
    size_t count;
    struct arena arena;
};

/* Asks the collector for its tags. When it does not answer, there are no names: a table without
 * names is better than none. */
void tag_names_load(struct request *r, struct tag_names *out);
void tag_names_free(struct tag_names *t);
/* The name; NULL when the tag has none. */
const char *tag_name(const struct tag_names *t, uint32_t id);

#endif
