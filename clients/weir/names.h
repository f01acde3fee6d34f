/* names.h - the names that administrators gave to tags and devices, for tables that show their
 * numbers and addresses. The collector is asked; when it does not answer, there are no names: a
 * table without names is better than none. */
#ifndef WEIR_CLIENT_NAMES_H
#define WEIR_CLIENT_NAMES_H

#include "base/address.h"
#include "weir/words.h"

struct tag_names {
    uint32_t *ids;      /* sorted */
    const char **names; /* beside them */
    size_t count;
    struct arena arena;
};

void tag_names_load(struct request *r, struct tag_names *out);
void tag_names_free(struct tag_names *t);
/* The name; NULL when the tag has none. */
const char *tag_name(const struct tag_names *t, uint32_t id);

struct device_names {
    struct address *addresses;
    const char **names; /* beside them */
    size_t count;
    struct arena arena;
};

void device_names_load(struct request *r, struct device_names *out);
void device_names_free(struct device_names *d);
/* The name of the device with that address, as text; NULL when it has none. */
const char *device_name(const struct device_names *d, const char *address);

#endif
