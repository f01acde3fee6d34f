/* xml.c - libxml2 with its dangerous parts off; see xml.h. */
#include "weir/xml.h"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <limits.h>
#include <string.h>

xmlDocPtr xml_read(const void *bytes, size_t length, const char *name, struct weir_error *error)
{
    /* No XML_PARSE_NOENT, DTDLOAD or HUGE: no entity is expanded, none fetched, depth stays under
     * 256. */
    int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_COMPACT;
    if (length > INT_MAX) {
        (void)weir_fail(error, WEIR_ELIMIT, NULL, "%.128s: too long", name);
        return NULL;
    }
    xmlResetLastError();
    xmlDocPtr doc = xmlReadMemory(bytes, (int)length, name, NULL, options);
    if (!doc) {
        const xmlError *last = xmlGetLastError();
        int line = last ? last->line : 0;
        (void)weir_fail(error, WEIR_EMALFORMED, NULL, "%.128s is not XML: line %d: %.200s", name,
                        line, last && last->message ? last->message : "empty");
        size_t end =
            error ? strlen(error->message) : 0; /* libxml2 ends its messages with a newline */
        if (end && error->message[end - 1] == '?')
            error->message[end - 1] = '\0';
        return NULL;
    }
    if (doc->intSubset || doc->extSubset) {
        (void)weir_fail(error, WEIR_EDENIED, NULL, "%.128s has a DTD, which is refused", name);
        xmlFreeDoc(doc);
        return NULL;
    }
    return doc;
}

const char *xml_namespace(const xmlNode *node)
{
    return node->ns && node->ns->href ? (const char *)node->ns->href : "";
}

bool xml_is(const xmlNode *node, const char *ns, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0 &&
           (!ns || strcmp(xml_namespace(node), ns) == 0);
}

static xmlNode *element_from(xmlNode *node)
{
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

xmlNode *xml_child(const xmlNode *node)
{
    return element_from(node->children);
}

xmlNode *xml_next(const xmlNode *node)
{
    return element_from(node->next);
}

xmlNode *xml_find(const xmlNode *node, const char *ns, const char *name)
{
    for (xmlNode *child = node ? xml_child(node) : NULL; child; child = xml_next(child))
        if (xml_is(child, ns, name))
            return child;
    return NULL;
}

static const char *keep(struct arena *a, xmlChar *text)
{
    const char *kept = text ? arena_copy(a, text, strlen((const char *)text)) : NULL;
    xmlFree(text);
    return kept;
}

const char *xml_attribute(struct arena *a, const xmlNode *node, const char *name)
{
    return keep(a, xmlGetNoNsProp(node, (const xmlChar *)name));
}

bool xml_attribute_is(const xmlNode *node, const char *name, const char *value)
{
    xmlChar *text = xmlGetNoNsProp(node, (const xmlChar *)name);
    bool same = text && strcmp((const char *)text, value) == 0;
    xmlFree(text);
    return same;
}

static void squeeze_blanks(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        bool blank = *p == ' ' || *p == '\t' || *p == '\n' || *p == '\r';
        if (!blank)
            *to++ = *p;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    while (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
}

const char *xml_text(struct arena *a, const xmlNode *node, bool squeeze)
{
    xmlChar *text = xmlNodeGetContent(node);
    if (!text)
        return arena_copy(a, "", 0);
    if (squeeze)
        squeeze_blanks((char *)text);
    return keep(a, text);
}

bool xml_qname(struct arena *a, const xmlNode *where, const char *text, struct qname *out)
{
    if (!text)
        return false;
    const char *colon = strchr(text, ':');
    const char *prefix = colon ? arena_copy(a, text, (size_t)(colon - text)) : NULL;
    if (colon && !prefix)
        return false;
    const xmlNs *ns = xmlSearchNs(where->doc, (xmlNode *)(uintptr_t)where, (const xmlChar *)prefix);
    if (colon && !ns)
        return false;
    out->ns = ns && ns->href ? (const char *)ns->href : "";
    out->name = colon ? colon + 1 : text;
    return *out->name != '\0';
}
