/* message_read.c - from a SOAP answer to lines or JSON; faults to one line. The depth of an answer
 * is bounded by the XML reader (256), so walking it by recursion is safe. */
#include "weir/json_number.h"
#include "weir/message.h"

#include <stdio.h>
#include <string.h>

/* ---- the envelope ---------------------------------------------------------------------------- */

/* Leaves of a fault's detail as "name=value", for the one line; what the text says already is left
 * out. */
static void detail_leaves(struct arena *a, const xmlNode *node, const char *said,
                          struct buffer *out)
{
    for (const xmlNode *child = xml_child(node); child; child = xml_next(child)) {
        if (xml_child(child)) {
            detail_leaves(a, child, said, out);
            continue;
        }
        const char *text = xml_text(a, child, true);
        if (text && *text && !strstr(said, text))
            buffer_print(out, "%s%s=%.200s", out->length ? ", " : "", (const char *)child->name,
                         text);
    }
}

static enum weir_status read_fault(struct arena *a, const xmlNode *fault, struct weir_error *error)
{
    const xmlNode *reason = xml_find(fault, NULL, "faultstring"),
                  *detail = xml_find(fault, NULL, "detail");
    if (!reason)
        reason = xml_find(fault, NULL, "Reason");
    if (!detail)
        detail = xml_find(fault, NULL, "Detail");
    const char *text = reason ? xml_text(a, reason, true) : NULL;
    struct buffer leaves = {0};
    if (detail)
        detail_leaves(a, detail, text ? text : "", &leaves);
    buffer_put_u8(&leaves, '\0');
    bool more = !leaves.failed && leaves.length > 1;
    (void)weir_fail(error, WEIR_EDENIED, NULL, "%.256s%s%.160s%s",
                    text && *text ? text : "a fault without a text", more ? " (" : "",
                    more ? (const char *)leaves.bytes : "", more ? ")" : "");
    buffer_free(&leaves);
    return WEIR_EDENIED;
}

enum weir_status message_read(struct wsdl *w, const void *bytes, size_t length,
                              struct message_answer *out, struct weir_error *error)
{
    *out = (struct message_answer){0};
    xmlDocPtr doc = xml_read(bytes, length, "the answer", error);
    if (!doc)
        return WEIR_EMALFORMED;
    xmlNode *root = xmlDocGetRootElement(doc);
    const char *ns = xml_is(root, SOAP11_NS, "Envelope") ? SOAP11_NS : SOAP12_NS;
    xmlNode *body = xml_is(root, ns, "Envelope") ? xml_find(root, ns, "Body") : NULL;
    xmlNode *content = body ? xml_child(body) : NULL;
    enum weir_status status = WEIR_OK;
    if (!body)
        status = weir_fail(error, WEIR_EMALFORMED, NULL, "the answer is no SOAP envelope");
    else if (content && xml_is(content, ns, "Fault"))
        status = read_fault(&w->arena, content, error);
    if (status) {
        xmlFreeDoc(doc);
        return status;
    }
    *out = (struct message_answer){.doc = doc, .body = content};
    return WEIR_OK;
}

/* ---- shared by both renderings --------------------------------------------------------------- */

static struct declaration *member_named(struct wsdl *w, struct declaration *d, const char *name,
                                        bool attribute)
{
    for (size_t i = 0; d && i < schema_members(&w->schemas, d); i++)
        if (d->members[i].attribute == attribute && strcmp(d->members[i].name, name) == 0)
            return &d->members[i];
    return NULL;
}

static bool declare_body(struct wsdl *w, const xmlNode *body, struct declaration *out)
{
    struct qname name = {xml_namespace(body), (const char *)body->name};
    return schema_element(&w->schemas, &name, out);
}

/* xsi:nil="true": there, but without a value. */
static bool is_nil(const xmlNode *node)
{
    const xmlAttr *nil = xmlHasNsProp(node, (const xmlChar *)"nil",
                                      (const xmlChar *)"http://www.w3.org/2001/XMLSchema-instance");
    return nil != NULL;
}

/* Attributes that carry data: those without a namespace. */
static const xmlAttr *data_attribute(const xmlAttr *at)
{
    while (at && at->ns)
        at = at->next;
    return at;
}

/* Texts of an answer may be many; each is freed at once instead of being kept in an arena. */
static void put_content(struct buffer *out, const xmlNode *node,
                        void (*put)(struct buffer *, const char *, size_t))
{
    xmlChar *text = xmlNodeGetContent(node);
    const char *shown = text ? (const char *)text : "";
    put(out, shown, strlen(shown));
    xmlFree(text);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_number(struct buffer *out, const char *text, size_t length)
{
    if (json_is_number(text))
        buffer_put(out, text, length);
    else
        buffer_put_json(out, text, length);
}

static void put_boolean(struct buffer *out, const char *text, size_t length)
{
    bool yes = (length == 4 && memcmp(text, "true", 4) == 0) || (length == 1 && *text == '1');
    buffer_print(out, "%s", yes ? "true" : "false");
}

static void put_typed(struct buffer *out, const xmlNode *node, const struct declaration *d)
{
    const char *base = d ? d->base : NULL;
    put_content(out, node,
                schema_is_number(base)    ? put_number
                : schema_is_boolean(base) ? put_boolean
                                          : buffer_put_json);
}

static void put_name(struct buffer *out, const xmlChar *name, bool *first)
{
    if (!*first)
        buffer_put_u8(out, ',');
    *first = false;
    buffer_put_json(out, (const char *)name, strlen((const char *)name));
    buffer_put_u8(out, ':');
}

static void json_element(struct wsdl *w, const xmlNode *node, struct declaration *d,
                         struct buffer *out);

/* All children called as `first_child`, from it on: an array when the schema says so, or when the
 * schema says nothing and there are several. */
static void json_group(struct wsdl *w, const xmlNode *first_child, struct declaration *m,
                       struct buffer *out)
{
    const char *name = (const char *)first_child->name;
    bool several = m && m->most > 1;
    for (const xmlNode *node = xml_next(first_child); !m && !several && node; node = xml_next(node))
        several = strcmp((const char *)node->name, name) == 0;
    if (!several) {
        json_element(w, first_child, m, out);
        return;
    }
    bool first = true;
    buffer_put_u8(out, '[');
    for (const xmlNode *node = first_child; node; node = xml_next(node)) {
        if (strcmp((const char *)node->name, name) != 0)
            continue;
        if (!first)
            buffer_print(out, ",\n");
        first = false;
        json_element(w, node, m, out);
    }
    buffer_put_u8(out, ']');
}

static bool seen_before(const xmlNode *parent, const xmlNode *node)
{
    for (const xmlNode *before = xml_child(parent); before != node; before = xml_next(before))
        if (strcmp((const char *)before->name, (const char *)node->name) == 0)
            return true;
    return false;
}

/* Declared elements in the schema's order (one walk each, so a long list costs its length), then
 * what the schema does not know, where each name is looked at against those before it. */
static void json_children(struct wsdl *w, const xmlNode *node, struct declaration *d,
                          struct buffer *out, bool *first)
{
    for (size_t i = 0; d && i < d->member_count; i++) {
        struct declaration *m = &d->members[i];
        const xmlNode *child = m->attribute ? NULL : xml_find(node, NULL, m->name);
        bool empty_list = !child && !m->attribute && m->most > 1;
        if (!child && !empty_list)
            continue;
        put_name(out, (const xmlChar *)m->name, first);
        if (child)
            json_group(w, child, m, out);
        else
            buffer_print(out, "[]");
    }
    for (const xmlNode *child = xml_child(node); child; child = xml_next(child)) {
        if (member_named(w, d, (const char *)child->name, false) || seen_before(node, child))
            continue;
        put_name(out, child->name, first);
        json_group(w, child, NULL, out);
    }
}

static void json_element(struct wsdl *w, const xmlNode *node, struct declaration *d,
                         struct buffer *out)
{
    const xmlAttr *attribute = data_attribute(node->properties);
    bool members = d && schema_members(&w->schemas, d) > 0;
    if (is_nil(node)) {
        buffer_print(out, "null");
        return;
    }
    if (!members && !attribute && !xml_child(node)) {
        if (d && !d->base)
            buffer_print(out, "{}");
        else
            put_typed(out, node, d);
        return;
    }
    bool first = true;
    buffer_put_u8(out, '{');
    for (; attribute; attribute = data_attribute(attribute->next)) {
        put_name(out, attribute->name, &first);
        put_typed(out, (const xmlNode *)attribute,
                  member_named(w, d, (const char *)attribute->name, true));
    }
    if (d && d->base && !xml_child(node)) {
        put_name(out, (const xmlChar *)"value", &first);
        put_typed(out, node, d);
    } else {
        json_children(w, node, d, out, &first);
    }
    buffer_put_u8(out, '}');
}

void message_print_json(struct wsdl *w, const xmlNode *body, struct buffer *out)
{
    struct declaration d;
    if (!body)
        buffer_print(out, "{}");
    else
        json_element(w, body, declare_body(w, body, &d) ? &d : NULL, out);
    buffer_put_u8(out, '\n');
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void put_line(struct buffer *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        buffer_put_u8(out, c < 0x20 || c == 0x7f ? ' ' : c);
    }
}

static void text_element(const xmlNode *node, int depth, struct buffer *out)
{
    buffer_print(out, "%*s%s", depth * 2, "", (const char *)node->name);
    for (const xmlAttr *at = data_attribute(node->properties); at; at = data_attribute(at->next)) {
        buffer_print(out, " %s=", (const char *)at->name);
        put_content(out, (const xmlNode *)at, put_line);
    }
    buffer_print(out, ":");
    if (!xml_child(node)) {
        buffer_print(out, " ");
        put_content(out, node, put_line);
    }
    buffer_print(out, "\n");
    for (const xmlNode *child = xml_child(node); child; child = xml_next(child))
        text_element(child, depth + 1, out);
}

void message_print_text(struct wsdl *w, const xmlNode *body, struct buffer *out)
{
    (void)w;
    for (const xmlNode *child = body ? xml_child(body) : NULL; child; child = xml_next(child))
        text_element(child, 0, out);
    if (!body || !xml_child(body))
        buffer_print(out, "done\n");
}
