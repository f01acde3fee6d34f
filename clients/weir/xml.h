/* xml.h - reading XML that others wrote, with libxml2: no DTD, no entities, no network, bounded
 * depth and size. And a few short names for walking its tree.
 *
 * Threads: a document belongs to one thread. */
#ifndef WEIR_CLIENT_XML_H
#define WEIR_CLIENT_XML_H

#include "base/arena.h"
#include "base/status.h"
#include <libxml/tree.h>
#include <stdbool.h>

#define XSD_NS            "http://www.w3.org/2001/XMLSchema"
#define WSDL_NS           "http://schemas.xmlsoap.org/wsdl/"
#define SOAP11_BINDING_NS "http://schemas.xmlsoap.org/wsdl/soap/"
#define SOAP12_BINDING_NS "http://schemas.xmlsoap.org/wsdl/soap12/"
#define SOAP11_NS         "http://schemas.xmlsoap.org/soap/envelope/"
#define SOAP12_NS         "http://www.w3.org/2003/05/soap-envelope"

/* NULL with WEIR_EMALFORMED (what libxml2 says, and where) or WEIR_EDENIED (it has a DTD); the
 * caller frees with xmlFreeDoc(). `name` stands in messages and is the base of
 * relative addresses. */
xmlDocPtr xml_read(const void *bytes, size_t length, const char *name, struct weir_error *error);

/* Is this an element of that namespace and name? `ns` NULL: any. */
bool xml_is(const xmlNode *node, const char *ns, const char *name);
/* The first child element, the next sibling element: any of them, or NULL. */
xmlNode *xml_child(const xmlNode *node);
xmlNode *xml_next(const xmlNode *node);
/* The first child element with that name, or NULL. */
xmlNode *xml_find(const xmlNode *node, const char *ns, const char *name);
/* An attribute without a namespace, copied into the arena; NULL when it is not there. */
const char *xml_attribute(struct arena *a, const xmlNode *node, const char *name);
/* Whether it is there and has that value; copies nothing. */
bool xml_attribute_is(const xmlNode *node, const char *name, const char *value);
/* All text below the node; "" at least; NULL when memory ends. With `squeeze`, runs of blanks
 * become one. */
const char *xml_text(struct arena *a, const xmlNode *node, bool squeeze);
const char *xml_namespace(const xmlNode *node); /* "" for none */

/* A qualified name, as in type="wt:Count", resolved where it stands. */
struct qname {
    const char *ns, *name;
};
bool xml_qname(struct arena *a, const xmlNode *where, const char *text, struct qname *out);

#endif
