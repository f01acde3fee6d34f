/* structured.c - one walk over RFC 6313 lists (structured.h), which prints as it goes, gathers the
 * templates it needs, or both. Neighbours: value.c prints single values; collector/ingest/lists.c
 * gathers, dbcomponent/store/records.c prints. */
#include "flow/structured.h"
#include "base/cursor.h"
#include "flow/value.h"
#include <string.h>

#define VARIABLE 65535u

struct walk {
    struct buffer *out; /* NULL: nothing is printed */
    struct octets definitions;
    struct buffer *gathered; /* grows by what `define` appends; `definitions` shows it */
    structured_define define;
    void *context;
    unsigned depth;
    enum weir_status status;
};

static bool fail(struct walk *w, enum weir_status status)
{
    w->status = status;
    return false;
}

static bool malformed(struct walk *w)
{
    return fail(w, WEIR_EMALFORMED);
}

static void put(struct walk *w, const char *text)
{
    if (w->out)
        buffer_put(w->out, text, strlen(text));
}

static void put_number(struct walk *w, const char *name, unsigned v)
{
    if (w->out)
        buffer_print(w->out, "%s%u", name, v);
}

static void put_name(struct walk *w, ie_key key)
{
    char name[IE_NAME_SIZE];
    if (!w->out)
        return;
    ie_key_print(key, name);
    buffer_put_json(w->out, name, strlen(name));
}

static void put_semantic(struct walk *w, uint8_t semantic)
{
    static const char *const names[] = {"noneOf", "exactlyOneOf", "oneOrMoreOf", "allOf",
                                        "ordered"};
    put(w, "{\"semantic\":");
    if (semantic == 255 || semantic < sizeof names / sizeof *names) {
        put(w, "\"");
        put(w, semantic == 255 ? "undefined" : names[semantic]);
        put(w, "\"");
    } else {
        put_number(w, "", semantic);
    }
}

enum ie_type structured_type(ie_key key)
{
    const struct ie *ie = ie_find(ie_key_pen(key), ie_key_id(key));
    bool list = ie && ie->type >= IE_BASIC_LIST && ie->type <= IE_SUBTEMPLATE_MULTILIST;
    return list ? (enum ie_type)ie->type : IE_OCTET_ARRAY;
}

/* ---- values ---- */

static bool walk_list(struct walk *w, enum ie_type type, struct cursor content);

/* The octets of a value; RFC 7011 section 7 has the variable length in one octet or three. */
static struct cursor value_of(struct cursor *c, uint16_t length)
{
    size_t octets = length;
    if (length == VARIABLE) {
        octets = cursor_u8(c);
        if (octets == 255)
            octets = cursor_u16(c);
    }
    return cursor_sub(c, octets);
}

static bool walk_value(struct walk *w, ie_key key, struct cursor value)
{
    enum ie_type type = structured_type(key);
    if (type != IE_OCTET_ARRAY)
        return walk_list(w, type, value);
    if (w->out)
        value_print_wire_json(w->out, key,
                              (struct octets){value.at, (uint32_t)cursor_left(&value)});
    return true;
}

/* ---- basicList ---- */

static bool walk_basic(struct walk *w, struct cursor *c)
{
    uint8_t semantic = cursor_u8(c);
    uint16_t id = cursor_u16(c), length = cursor_u16(c);
    uint32_t pen = id & 0x8000 ? cursor_u32(c) : 0;
    const char *comma = "";
    if (c->failed || length == 0)
        return malformed(w);
    ie_key key = IE_KEY(pen, id & 0x7fff);
    put_semantic(w, semantic);
    put(w, ",\"element\":");
    put_name(w, key);
    put(w, ",\"values\":[");
    while (cursor_left(c)) {
        struct cursor value = value_of(c, length);
        put(w, comma);
        comma = ",";
        if (c->failed)
            return malformed(w);
        if (!walk_value(w, key, value))
            return false;
    }
    put(w, "]}");
    return true;
}

/* ---- definitions ---- */

struct definition {
    uint32_t at;    /* of its first field in the definitions, which may move as they grow */
    uint16_t count;
    uint32_t least; /* octets of the shortest record */
};

static uint32_t least_of(struct cursor fields)
{
    uint32_t least = 0;
    while (cursor_left(&fields)) {
        cursor_skip(&fields, STRUCTURED_FIELD - 2);
        uint16_t length = cursor_u16(&fields);
        least += length == VARIABLE ? 1 : length;
    }
    return least;
}

static bool look_up(const struct walk *w, uint16_t id, struct definition *out)
{
    struct cursor c = cursor_over(w->definitions.bytes, w->definitions.length);
    while (cursor_left(&c)) {
        uint16_t here = cursor_u16(&c), count = cursor_u16(&c);
        struct cursor fields = cursor_sub(&c, (size_t)count * STRUCTURED_FIELD);
        if (c.failed)
            return false;
        if (here != id)
            continue;
        *out = (struct definition){(uint32_t)(fields.at - w->definitions.bytes), count,
                                   least_of(fields)};
        return true;
    }
    return false;
}

static bool find_definition(struct walk *w, uint16_t id, struct definition *out)
{
    if (!look_up(w, id, out)) {
        if (!w->define || !w->define(w->context, id, w->gathered))
            return fail(w, WEIR_ENOTFOUND);
        if (w->gathered->failed)
            return fail(w, WEIR_ENOMEM);
        if (w->gathered->length > STRUCTURED_TEMPLATES_MOST)
            return fail(w, WEIR_ELIMIT);
        w->definitions = (struct octets){w->gathered->bytes, (uint32_t)w->gathered->length};
        if (!look_up(w, id, out))
            return fail(w, WEIR_ENOTFOUND);
    }
    return out->least > 0 || malformed(w); /* any number of empty records would fit */
}

/* ---- records of a template ---- */

static bool walk_record(struct walk *w, const struct definition *d, struct cursor *c)
{
    const char *comma = "";
    put(w, "{");
    for (uint16_t i = 0; i < d->count; i++) {
        size_t at = d->at + (size_t)i * STRUCTURED_FIELD;
        struct cursor fields = cursor_over(w->definitions.bytes + at, STRUCTURED_FIELD);
        uint32_t pen = cursor_u32(&fields);
        uint16_t id = cursor_u16(&fields), nth = cursor_u16(&fields), length = cursor_u16(&fields);
        struct cursor value = value_of(c, length);
        if (c->failed)
            return malformed(w);
        if (length == 0)
            continue;
        put(w, comma);
        comma = ",";
        put_name(w, IE_KEY_NTH(pen, id, nth));
        put(w, ":");
        if (!walk_value(w, IE_KEY_NTH(pen, id, nth), value))
            return false;
    }
    put(w, "}");
    return true;
}

static bool walk_records(struct walk *w, uint16_t id, struct cursor *c)
{
    struct definition d;
    const char *comma = "";
    put_number(w, "\"template\":", id);
    put(w, ",\"records\":[");
    if (!find_definition(w, id, &d))
        return false;
    while (cursor_left(c)) {
        put(w, comma);
        comma = ",";
        if (!walk_record(w, &d, c))
            return false;
    }
    put(w, "]");
    return true;
}

static bool walk_template_list(struct walk *w, struct cursor *c)
{
    uint8_t semantic = cursor_u8(c);
    uint16_t id = cursor_u16(c);
    if (c->failed)
        return malformed(w);
    put_semantic(w, semantic);
    put(w, ",");
    if (!walk_records(w, id, c))
        return false;
    put(w, "}");
    return true;
}

static bool walk_multi_list(struct walk *w, struct cursor *c)
{
    uint8_t semantic = cursor_u8(c);
    const char *comma = "";
    if (c->failed)
        return malformed(w);
    put_semantic(w, semantic);
    put(w, ",\"lists\":[");
    while (cursor_left(c)) {
        uint16_t id = cursor_u16(c), length = cursor_u16(c);
        if (c->failed || length < 4) /* RFC 6313 section 4.5.3: it counts these four octets too */
            return malformed(w);
        struct cursor records = cursor_sub(c, length - 4u);
        if (c->failed)
            return malformed(w);
        put(w, comma);
        put(w, "{");
        comma = ",";
        if (!walk_records(w, id, &records))
            return false;
        put(w, "}");
    }
    put(w, "]}");
    return true;
}

static bool walk_list(struct walk *w, enum ie_type type, struct cursor content)
{
    if (w->depth == STRUCTURED_DEPTH_MOST)
        return malformed(w);
    w->depth++;
    bool whole = type == IE_BASIC_LIST          ? walk_basic(w, &content)
                 : type == IE_SUBTEMPLATE_LIST ? walk_template_list(w, &content)
                                               : walk_multi_list(w, &content);
    w->depth--;
    return whole;
}

/* ---- the doors ---- */

enum weir_status structured_collect(enum ie_type type, struct octets list, structured_define define,
                                    void *context, struct buffer *definitions)
{
    struct walk w = {.definitions = {definitions->bytes, (uint32_t)definitions->length},
                     .gathered = definitions,
                     .define = define,
                     .context = context};
    return walk_list(&w, type, cursor_over(list.bytes, list.length)) ? WEIR_OK : w.status;
}

bool structured_print_json(struct buffer *out, enum ie_type type, struct octets list,
                           struct octets definitions)
{
    struct walk w = {.out = out, .definitions = definitions};
    size_t before = out->length;
    if (walk_list(&w, type, cursor_over(list.bytes, list.length)))
        return true;
    if (!out->failed)
        out->length = before;
    return false;
}
