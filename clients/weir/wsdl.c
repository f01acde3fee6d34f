/* wsdl.c - fetches a WSDL and what it imports, and picks a SOAP port out of it; see wsdl.h. */
#include "weir/wsdl.h"
#include "weir/http.h"

#include <errno.h>
#include <libxml/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- fetching -------------------------------------------------------------------------------- */

static enum weir_status read_file(const char *path, struct buffer *out, struct weir_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return weir_fail(error, WEIR_ENOTFOUND, "wsdl", "%.256s: %s", path, strerror(errno));
    uint8_t *here = buffer_extend(out, DOCUMENT_OCTETS_MOST + 1);
    size_t length = here ? fread(here, 1, DOCUMENT_OCTETS_MOST + 1, file) : 0;
    bool bad = ferror(file);
    (void)fclose(file);
    out->length = length;
    if (!here)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory");
    if (bad)
        return weir_fail(error, WEIR_EIO, "wsdl", "%.256s cannot be read", path);
    return WEIR_OK;
}

static enum weir_status read_http(const char *url, struct buffer *out, struct weir_error *error)
{
    struct http_answer answer;
    enum weir_status status =
        http_send("GET", url, "Accept: text/xml, application/xml\r\n", NULL, 0, &answer, error);
    if (status)
        return status;
    *out = answer.body;
    if (answer.status != 200)
        return weir_fail(error, WEIR_ENOTFOUND, "wsdl", "%.256s: HTTP %d", url, answer.status);
    return WEIR_OK;
}

static enum weir_status fetch(const char *address, struct buffer *out, struct weir_error *error)
{
    enum weir_status status;
    if (strncmp(address, "http://", 7) == 0)
        status = read_http(address, out, error);
    else if (strncmp(address, "file://", 7) == 0)
        status = read_file(address + 7, out, error);
    else if (strstr(address, "://"))
        status = weir_fail(error, WEIR_EARGUMENT, "wsdl",
                           "%.256s: only http:// and files can be read", address);
    else
        status = read_file(address, out, error);
    if (!status && out->length > DOCUMENT_OCTETS_MOST)
        status = weir_fail(error, WEIR_ELIMIT, "wsdl", "%.256s is longer than %zu octets", address,
                           DOCUMENT_OCTETS_MOST);
    return status;
}

/* ---- documents ------------------------------------------------------------------------------- */

static enum weir_status load_document(struct wsdl *w, const char *address,
                                      struct weir_error *error);

/* Follows an import or include; an import without an address is satisfied elsewhere. A document
 * that came from the network may not send us to this machine's files. */
static enum weir_status follow(struct wsdl *w, const char *from, const char *to,
                               struct weir_error *error)
{
    if (!to)
        return WEIR_OK;
    xmlChar *built = xmlBuildURI((const xmlChar *)to, (const xmlChar *)from);
    const char *address = built ? arena_copy(&w->arena, built, strlen((const char *)built)) : NULL;
    xmlFree(built);
    if (!address)
        return weir_fail(error, WEIR_EMALFORMED, "wsdl",
                         "%.128s imports \"%.128s\", which is no address", from, to);
    if (strncmp(from, "http://", 7) == 0 && strncmp(address, "http://", 7) != 0)
        return weir_fail(error, WEIR_EDENIED, "wsdl", "%.128s imports %.128s, which is not http",
                         from, address);
    return load_document(w, address, error);
}

static enum weir_status take_schema(struct wsdl *w, xmlNode *schema, const char *address,
                                    struct weir_error *error)
{
    if (!schema_add(&w->schemas, schema))
        return weir_fail(error, WEIR_ELIMIT, "wsdl", "more than %d schemas", SCHEMAS_MOST);
    for (xmlNode *node = xml_child(schema); node; node = xml_next(node)) {
        if (!xml_is(node, XSD_NS, "import") && !xml_is(node, XSD_NS, "include"))
            continue;
        enum weir_status status =
            follow(w, address, xml_attribute(&w->arena, node, "schemaLocation"), error);
        if (status)
            return status;
    }
    return WEIR_OK;
}

static enum weir_status take_definitions(struct wsdl *w, xmlNode *root, const char *address,
                                         struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (xmlNode *node = xml_child(root); node && !status; node = xml_next(node)) {
        if (xml_is(node, WSDL_NS, "import"))
            status = follow(w, address, xml_attribute(&w->arena, node, "location"), error);
        for (xmlNode *schema = xml_is(node, WSDL_NS, "types") ? xml_child(node) : NULL;
             schema && !status; schema = xml_next(schema))
            if (xml_is(schema, XSD_NS, "schema"))
                status = take_schema(w, schema, address, error);
    }
    return status;
}

static bool loaded_already(const struct wsdl *w, const char *address)
{
    for (size_t i = 0; i < w->document_count; i++)
        if (strcmp(w->addresses[i], address) == 0)
            return true;
    return false;
}

static enum weir_status load_document(struct wsdl *w, const char *address, struct weir_error *error)
{
    struct buffer text = {0};
    if (loaded_already(w, address))
        return WEIR_OK;
    if (w->document_count == DOCUMENTS_MOST)
        return weir_fail(error, WEIR_ELIMIT, "wsdl", "more than %d documents are imported",
                         DOCUMENTS_MOST);
    enum weir_status status = fetch(address, &text, error);
    xmlDocPtr doc = status ? NULL : xml_read(text.bytes, text.length, address, error);
    buffer_free(&text);
    if (!doc)
        return status ? status : WEIR_EMALFORMED;
    w->addresses[w->document_count] = arena_copy(&w->arena, address, strlen(address));
    w->documents[w->document_count++] = doc;
    xmlNode *root = xmlDocGetRootElement(doc);
    if (xml_is(root, WSDL_NS, "definitions"))
        return take_definitions(w, root, address, error);
    if (xml_is(root, XSD_NS, "schema"))
        return take_schema(w, root, address, error);
    return weir_fail(error, WEIR_EMALFORMED, "wsdl", "%.256s is neither WSDL 1.1 nor a schema",
                     address);
}

/* ---- what it says ---------------------------------------------------------------------------- */

static xmlNode *root_of(const struct wsdl *w, size_t i)
{
    xmlNode *root = xmlDocGetRootElement(w->documents[i]);
    return xml_is(root, WSDL_NS, "definitions") ? root : NULL;
}

static xmlNode *find_by_attribute(xmlNode *in, const char *kind, const char *name)
{
    for (xmlNode *node = xml_child(in); node; node = xml_next(node))
        if (xml_is(node, WSDL_NS, kind) && xml_attribute_is(node, "name", name))
            return node;
    return NULL;
}

/* A definition of a kind ("binding", "portType", "message") by its qualified name. */
static xmlNode *find_definition(struct wsdl *w, const char *kind, const struct qname *name)
{
    for (size_t i = 0; i < w->document_count; i++) {
        xmlNode *root = root_of(w, i);
        if (!root || !xml_attribute_is(root, "targetNamespace", name->ns))
            continue;
        xmlNode *node = find_by_attribute(root, kind, name->name);
        if (node)
            return node;
    }
    return NULL;
}

/* The first port with an address of that SOAP version; its binding, or NULL. */
static xmlNode *find_port(struct wsdl *w, const char *soap_ns)
{
    for (size_t i = 0; i < w->document_count; i++) {
        xmlNode *root = root_of(w, i);
        for (xmlNode *service = root ? xml_child(root) : NULL; service; service = xml_next(service))
            for (xmlNode *port = xml_is(service, WSDL_NS, "service") ? xml_child(service) : NULL;
                 port; port = xml_next(port)) {
                struct qname name;
                xmlNode *address = xml_find(port, soap_ns, "address");
                if (!address ||
                    !xml_qname(&w->arena, port, xml_attribute(&w->arena, port, "binding"), &name))
                    continue;
                w->endpoint = xml_attribute(&w->arena, address, "location");
                xmlNode *binding = find_definition(w, "binding", &name);
                if (binding && w->endpoint)
                    return binding;
            }
    }
    return NULL;
}

/* The element of an operation's input message, by way of portType and message. */
static bool input_element(struct wsdl *w, xmlNode *abstract, struct qname *out)
{
    struct qname message;
    xmlNode *input = xml_find(abstract, WSDL_NS, "input");
    if (!input ||
        !xml_qname(&w->arena, input, xml_attribute(&w->arena, input, "message"), &message))
        return false;
    xmlNode *definition = find_definition(w, "message", &message);
    xmlNode *part = definition ? xml_find(definition, WSDL_NS, "part") : NULL;
    return part && xml_qname(&w->arena, part, xml_attribute(&w->arena, part, "element"), out);
}

static void take_operation(struct wsdl *w, xmlNode *bound, xmlNode *port_type, const char *soap_ns)
{
    struct wsdl_operation *o = &w->operations[w->operation_count];
    o->name = xml_attribute(&w->arena, bound, "name");
    xmlNode *abstract = o->name ? find_by_attribute(port_type, "operation", o->name) : NULL;
    if (!abstract || !input_element(w, abstract, &o->input))
        return;
    xmlNode *soap = xml_find(bound, soap_ns, "operation");
    const char *action = soap ? xml_attribute(&w->arena, soap, "soapAction") : NULL;
    const xmlNode *doc = xml_find(abstract, WSDL_NS, "documentation");
    o->action = action ? action : "";
    o->doc = doc ? xml_text(&w->arena, doc, true) : "";
    w->operation_count++;
}

static enum weir_status take_binding(struct wsdl *w, xmlNode *binding, const char *soap_ns,
                                     struct weir_error *error)
{
    struct qname name;
    xmlNode *soap = xml_find(binding, soap_ns, "binding");
    const char *style = soap ? xml_attribute(&w->arena, soap, "style") : NULL;
    if (style && strcmp(style, "document") != 0)
        return weir_fail(error, WEIR_EVERSION, "wsdl",
                         "its binding is of style %.32s; only document/literal is spoken", style);
    bool named = xml_qname(&w->arena, binding, xml_attribute(&w->arena, binding, "type"), &name);
    xmlNode *port_type = named ? find_definition(w, "portType", &name) : NULL;
    if (!port_type)
        return weir_fail(error, WEIR_EMALFORMED, "wsdl",
                         "its binding names no portType that is there");
    size_t most = 0;
    for (xmlNode *node = xml_child(binding); node; node = xml_next(node))
        most++;
    w->operations = arena_zero(&w->arena, (most + 1) * sizeof *w->operations);
    if (!w->operations)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory");
    for (xmlNode *node = xml_child(binding); node; node = xml_next(node))
        if (xml_is(node, WSDL_NS, "operation"))
            take_operation(w, node, port_type, soap_ns);
    return WEIR_OK;
}

static enum weir_status read_service(struct wsdl *w, const char *address, struct weir_error *error)
{
    const char *soap_ns = SOAP11_BINDING_NS;
    xmlNode *binding = find_port(w, soap_ns);
    if (!binding) {
        soap_ns = SOAP12_BINDING_NS;
        binding = find_port(w, soap_ns);
        w->soap12 = true;
    }
    if (!binding)
        return weir_fail(error, WEIR_EMALFORMED, "wsdl", "%.256s has no SOAP port with an address",
                         address);
    return take_binding(w, binding, soap_ns, error);
}

enum weir_status wsdl_load(struct wsdl *w, const char *address, struct weir_error *error)
{
    *w = (struct wsdl){0};
    w->schemas.arena = &w->arena;
    enum weir_status status = load_document(w, address, error);
    if (!status)
        status = read_service(w, address, error);
    if (status)
        wsdl_free(w);
    return status;
}

void wsdl_free(struct wsdl *w)
{
    for (size_t i = 0; i < w->document_count; i++)
        xmlFreeDoc(w->documents[i]);
    arena_free(&w->arena);
    *w = (struct wsdl){0};
}

const struct wsdl_operation *wsdl_operation(const struct wsdl *w, const char *name)
{
    for (size_t i = 0; i < w->operation_count; i++)
        if (strcmp(w->operations[i].name, name) == 0)
            return &w->operations[i];
    return NULL;
}
