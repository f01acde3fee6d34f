/* shape.h - what a generated struct looks like, as a table: one row a field, named as the contract
 * names it. From the table come the JSON of an answer and its list of names and values; so a field
 * is written once. Shapes of the contract's types are in shapes_db.c and shapes_collector.c.
 *
 * Threads: constant; any thread. */
#ifndef WEIR_CLIENT_SHAPE_H
#define WEIR_CLIENT_SHAPE_H

#include "base/buffer.h"
#include "weir/report.h"
#include <stdbool.h>
#include <stddef.h>

enum shape_kind {
    SHAPE_U16,
    SHAPE_U32,
    SHAPE_U64,
    SHAPE_I64,
    SHAPE_TIME, /* int64_t, milliseconds since 1970 */
    SHAPE_DOUBLE,
    SHAPE_TEXT,   /* char *; NULL: absent */
    SHAPE_FLAG,   /* an enum whose 1 is true */
    SHAPE_NAME,   /* an enum with `names` */
    SHAPE_STRUCT, /* pointer to a struct `of`; NULL: absent */
    SHAPE_LIST,   /* int count at `count`, pointer to structs `of` */
    SHAPE_TEXTS,  /* int count at `count`, char ** */
    SHAPE_U32S,   /* int count at `count`, unsigned * */
};

struct shape_field {
    const char *name;
    enum shape_kind kind;
    bool pointer; /* an optional scalar: the struct holds a pointer to it, NULL: absent */
    size_t offset, count;
    const struct shape *of;
    const char *const *names;
    size_t name_count;
};

struct shape {
    const struct shape_field *fields;
    size_t field_count;
    size_t size;
};

/* Rows for the tables of fields. */
#define FIELD(type, member, of_kind)                                                               \
    {                                                                                              \
        .name = #member, .kind = (of_kind), .offset = offsetof(struct type, member)                \
    }
#define FIELD_OPTIONAL(type, member, of_kind)                                                      \
    {                                                                                              \
        .name = #member, .kind = (of_kind), .pointer = true,                                       \
        .offset = offsetof(struct type, member)                                                    \
    }
#define FIELD_NAME(type, member, list)                                                             \
    {                                                                                              \
        .name = #member, .kind = SHAPE_NAME, .offset = offsetof(struct type, member),              \
        .names = (list), .name_count = sizeof(list) / sizeof((list)[0])                            \
    }
#define FIELD_STRUCT(type, member, shape)                                                          \
    {                                                                                              \
        .name = #member, .kind = SHAPE_STRUCT, .offset = offsetof(struct type, member),            \
        .of = &(shape)                                                                             \
    }
#define FIELD_LIST(type, member, of_kind, shape)                                                   \
    {                                                                                              \
        .name = #member, .kind = (of_kind), .offset = offsetof(struct type, member),               \
        .count = offsetof(struct type, __size##member), .of = (shape)                              \
    }
#define SHAPE(type, list)                                                                          \
    {                                                                                              \
        .fields = (list), .field_count = sizeof(list) / sizeof((list)[0]),                         \
        .size = sizeof(struct type)                                                                \
    }

/* {"name":value,…}; what is absent is left out. NULL value: {}. */
void shape_json(struct buffer *out, const struct shape *s, const void *value);
/* A note a scalar field of `value` ("octets  1,234"), nested structs' fields too; lists are left
 * out. */
void shape_notes(struct report *r, const struct shape *s, const void *value);

#endif
