/* schema.h - the part of XML Schema 1.0 that contracts of services use: elements and attributes by
 * name and type, sequences (also all and choice, read as lists), extension and restriction, simple
 * content, minOccurs and maxOccurs, documentation, enumerations. What is outside (any, groups,
 * substitution, unions) is read as text or passed over; it never fails.
 *
 * Declarations point into the documents, which must outlive them; their own memory is the arena's.
 *
 * Threads: a set belongs to one thread. */
#ifndef WEIR_CLIENT_SCHEMA_H
#define WEIR_CLIENT_SCHEMA_H

#include "weir/xml.h"

#define SCHEMAS_MOST 64
#define MEMBERS_MOST 1024 /* of one type */
#define UNBOUNDED    0xffffffffu

struct schema_set {
    struct arena *arena;
    xmlNode *schemas[SCHEMAS_MOST]; /* xs:schema elements of all documents */
    size_t count;
};

struct declaration {
    const char *name;
    const char *ns;   /* "" when it stands unqualified */
    const char *type; /* as people would call it: "Count", "string"; "" for a type without a name */
    const char *type_ns;
    const char
        *base; /* the built-in type under it ("unsignedLong"); NULL: it has members, no text */
    const char *doc;      /* its own documentation, else its type's; "" for none */
    unsigned least, most; /* occurrences; most may be UNBOUNDED */
    bool attribute;
    xmlNode *complex; /* xs:complexType, or NULL */
    xmlNode *simple;  /* the xs:simpleType that may restrict it, or NULL */
    bool resolved;    /* the rest is filled by schema_members() */
    struct declaration *members;
    size_t member_count;
};

/* Adds an xs:schema; false past SCHEMAS_MOST. */
bool schema_add(struct schema_set *s, xmlNode *schema);
/* A top-level element. */
bool schema_element(struct schema_set *s, const struct qname *name, struct declaration *out);
/* Fills d->members, once, attributes first, then elements in order; the number of them. */
size_t schema_members(struct schema_set *s, struct declaration *d);
/* The values of an enumeration as "a, b or c"; NULL when it is none. */
const char *schema_choices(struct schema_set *s, const struct declaration *d);
/* Whether values of the built-in type are numbers in JSON, or true and false. */
bool schema_is_number(const char *base);
bool schema_is_boolean(const char *base);

#endif
