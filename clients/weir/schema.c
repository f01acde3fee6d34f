/* schema.c - declarations out of xs:schema elements; see schema.h. Depth is bounded everywhere a
 * hostile schema could refer to itself. */
#include "weir/schema.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_MOST 16 /* types derived from types */

bool schema_add(struct schema_set *s, xmlNode *schema)
{
    if (s->count == SCHEMAS_MOST)
        return false;
    s->schemas[s->count++] = schema;
    return true;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* The schema element that a node belongs to. */
static xmlNode *schema_of(xmlNode *node)
{
    while (node && !xml_is(node, XSD_NS, "schema"))
        node = node->parent;
    return node;
}

static const char *target_namespace(struct schema_set *s, xmlNode *node)
{
    xmlNode *schema = schema_of(node);
    return schema ? or_empty(xml_attribute(s->arena, schema, "targetNamespace")) : "";
}

/* A top-level definition of a kind ("element", "complexType", "simpleType") by its name. */
static xmlNode *find_global(struct schema_set *s, const char *kind, const struct qname *name)
{
    for (size_t i = 0; i < s->count; i++) {
        xmlNode *schema = s->schemas[i];
        bool has_target = xmlHasProp(schema, (const xmlChar *)"targetNamespace") != NULL;
        if (has_target ? !xml_attribute_is(schema, "targetNamespace", name->ns) : *name->ns != '\0')
            continue;
        for (xmlNode *node = xml_child(schema); node; node = xml_next(node))
            if (xml_is(node, XSD_NS, kind) && xml_attribute_is(node, "name", name->name))
                return node;
    }
    return NULL;
}

static const char *documentation(struct schema_set *s, const xmlNode *node)
{
    const xmlNode *note = node ? xml_find(node, XSD_NS, "annotation") : NULL;
    const xmlNode *text = note ? xml_find(note, XSD_NS, "documentation") : NULL;
    return text ? or_empty(xml_text(s->arena, text, true)) : "";
}

/* ---- types ----------------------------------------------------------------------------------- */

/* The restriction or extension inside a type, and where it points. */
static xmlNode *derivation(xmlNode *type)
{
    xmlNode *content = xml_find(type, XSD_NS, "simpleContent");
    if (!content)
        content = xml_find(type, XSD_NS, "complexContent");
    if (!content)
        content = type;
    xmlNode *step = xml_find(content, XSD_NS, "extension");
    return step ? step : xml_find(content, XSD_NS, "restriction");
}

static bool base_of(struct schema_set *s, xmlNode *type, struct qname *out)
{
    xmlNode *step = derivation(type);
    return step && xml_qname(s->arena, step, xml_attribute(s->arena, step, "base"), out);
}

static xmlNode *find_type(struct schema_set *s, const struct qname *name)
{
    xmlNode *type = find_global(s, "simpleType", name);
    return type ? type : find_global(s, "complexType", name);
}

/* The built-in type that a type's text comes down to; NULL when it has no text of its own. */
static const char *text_base(struct schema_set *s, xmlNode *type)
{
    for (int i = 0; type && i < CHAIN_MOST; i++) {
        bool texts = xml_is(type, XSD_NS, "simpleType") || xml_find(type, XSD_NS, "simpleContent");
        struct qname base;
        if (!texts)
            return NULL;
        if (!base_of(s, type, &base)) { /* list, union, or a type inside */
            xmlNode *step = derivation(type);
            type = step ? xml_find(step, XSD_NS, "simpleType") : NULL;
            if (!type)
                return "string";
        } else if (strcmp(base.ns, XSD_NS) == 0) {
            return base.name;
        } else {
            type = find_type(s, &base);
        }
    }
    return "string";
}

/* Fills what a declaration's type says, from the type attribute or the type written inside it. */
static void read_type(struct schema_set *s, xmlNode *node, struct declaration *d)
{
    struct qname name;
    xmlNode *type = NULL;
    d->type = d->type_ns = "";
    d->base = NULL;
    if (xml_qname(s->arena, node, xml_attribute(s->arena, node, "type"), &name)) {
        d->type = name.name;
        d->type_ns = name.ns;
        if (strcmp(name.ns, XSD_NS) == 0) {
            d->base = name.name;
            return;
        }
        type = find_type(s, &name);
    }
    if (!type)
        type = xml_find(node, XSD_NS, "complexType");
    if (!type)
        type = xml_find(node, XSD_NS, "simpleType");
    d->complex = xml_is(type, XSD_NS, "complexType") ? type : NULL;
    d->simple = xml_is(type, XSD_NS, "simpleType") ? type : NULL;
    d->base = type ? text_base(s, type) : "string";
    if (!*d->doc)
        d->doc = documentation(s, type);
}

static unsigned occurrence(struct schema_set *s, xmlNode *node, const char *which)
{
    const char *text = xml_attribute(s->arena, node, which);
    if (!text)
        return 1;
    if (strcmp(text, "unbounded") == 0)
        return UNBOUNDED;
    unsigned long v = strtoul(text, NULL, 10);
    return v > UNBOUNDED ? UNBOUNDED : (unsigned)v;
}

/* A local element is qualified when its form, or else its schema, says so. */
static bool qualified(struct schema_set *s, xmlNode *node, const char *default_name)
{
    const char *form = xml_attribute(s->arena, node, "form");
    xmlNode *schema = schema_of(node);
    if (!form && schema)
        form = xml_attribute(s->arena, schema, default_name);
    return form && strcmp(form, "qualified") == 0;
}

static void declare(struct schema_set *s, xmlNode *node, bool global, struct declaration *out)
{
    bool attribute = xml_is(node, XSD_NS, "attribute");
    *out = (struct declaration){.attribute = attribute, .least = 1, .most = 1};
    out->name = or_empty(xml_attribute(s->arena, node, "name"));
    out->ns =
        global || qualified(s, node, attribute ? "attributeFormDefault" : "elementFormDefault")
            ? target_namespace(s, node)
            : "";
    out->doc = documentation(s, node);
    read_type(s, node, out);
    if (attribute) {
        const char *use = xml_attribute(s->arena, node, "use");
        out->least = use && strcmp(use, "required") == 0;
    }
}

bool schema_element(struct schema_set *s, const struct qname *name, struct declaration *out)
{
    xmlNode *node = find_global(s, "element", name);
    if (!node)
        return false;
    declare(s, node, true, out);
    return true;
}

/* ---- members --------------------------------------------------------------------------------- */

struct members {
    struct schema_set *set;
    struct declaration *out;
    size_t count;
    bool attributes; /* which of the two this walk wants */
};

/* An element or attribute, following its ref. */
static void add_member(struct members *m, xmlNode *node, bool optional)
{
    if (m->count == MEMBERS_MOST)
        return;
    struct declaration *d = &m->out[m->count];
    struct qname ref;
    bool refers = xml_qname(m->set->arena, node, xml_attribute(m->set->arena, node, "ref"), &ref);
    xmlNode *target = refers ? find_global(m->set, (const char *)node->name, &ref) : node;
    if (!target)
        return;
    declare(m->set, target, refers, d);
    if (!d->attribute) {
        d->least = optional ? 0 : occurrence(m->set, node, "minOccurs");
        d->most = occurrence(m->set, node, "maxOccurs");
    }
    m->count++;
}

/* sequence, all and choice, nested as they like; in a choice, nothing is required. */
static void walk_particle(struct members *m, xmlNode *node, bool optional, int depth)
{
    if (depth > CHAIN_MOST)
        return;
    for (xmlNode *child = xml_child(node); child; child = xml_next(child)) {
        bool choice = xml_is(child, XSD_NS, "choice");
        bool particle = choice || xml_is(child, XSD_NS, "sequence") || xml_is(child, XSD_NS, "all");
        if (particle) {
            bool maybe = optional || choice || occurrence(m->set, child, "minOccurs") == 0;
            walk_particle(m, child, maybe, depth + 1);
        } else if (!m->attributes && xml_is(child, XSD_NS, "element")) {
            add_member(m, child, optional);
        } else if (m->attributes && xml_is(child, XSD_NS, "attribute")) {
            add_member(m, child, false);
        }
    }
}

/* What the type it extends has comes first. */
static void walk_type(struct members *m, xmlNode *type, int depth)
{
    struct qname base;
    xmlNode *step = derivation(type);
    if (!step) {
        walk_particle(m, type, false, 0);
        return;
    }
    if (depth < CHAIN_MOST && xml_is(step, XSD_NS, "extension") && base_of(m->set, type, &base)) {
        xmlNode *parent = find_global(m->set, "complexType", &base);
        if (parent && parent != type)
            walk_type(m, parent, depth + 1);
    }
    walk_particle(m, step, false, 0);
}

size_t schema_members(struct schema_set *s, struct declaration *d)
{
    if (d->resolved || !d->complex)
        return d->member_count;
    d->resolved = true;
    struct members m = {.set = s, .attributes = true};
    m.out = calloc(MEMBERS_MOST, sizeof *m.out);
    if (!m.out)
        return 0;
    walk_type(&m, d->complex, 0);
    m.attributes = false;
    walk_type(&m, d->complex, 0);
    d->members = arena_alloc(s->arena, (m.count + 1) * sizeof *d->members);
    if (d->members) {
        memcpy(d->members, m.out, m.count * sizeof *d->members);
        d->member_count = m.count;
    }
    free(m.out);
    return d->member_count;
}

/* ---- values ---------------------------------------------------------------------------------- */

const char *schema_choices(struct schema_set *s, const struct declaration *d)
{
    xmlNode *step = d->simple ? derivation(d->simple) : NULL;
    const char *list = NULL, *last = NULL;
    for (xmlNode *v = step ? xml_find(step, XSD_NS, "enumeration") : NULL; v; v = xml_next(v)) {
        const char *value = xml_attribute(s->arena, v, "value");
        if (!value)
            continue;
        if (last)
            list = list ? arena_print(s->arena, "%s, %s", list, last) : last;
        last = value;
    }
    return list && last ? arena_print(s->arena, "%s or %s", list, last) : last;
}

static bool is_among(const char *base, const char *const *names, size_t count)
{
    for (size_t i = 0; base && i < count; i++)
        if (strcmp(base, names[i]) == 0)
            return true;
    return false;
}

bool schema_is_number(const char *base)
{
    static const char *const names[] = {
        "byte",
        "short",
        "int",
        "long",
        "integer",
        "unsignedByte",
        "unsignedShort",
        "unsignedInt",
        "unsignedLong",
        "nonNegativeInteger",
        "positiveInteger",
        "nonPositiveInteger",
        "negativeInteger",
        "decimal",
        "float",
        "double",
    };
    return is_among(base, names, sizeof names / sizeof names[0]);
}

bool schema_is_boolean(const char *base)
{
    static const char *const names[] = {"boolean"};
    return is_among(base, names, 1);
}
