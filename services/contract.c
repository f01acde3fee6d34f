/* contract.c - see contract.h. Used by fault.c. */
#include "contract.h"
#include "services_private.h"
#include <stdio.h>
#include <string.h>

static const char *find_document(const char *name)
{
    return document_find((struct text){name, strlen(name)});
}

/* Where the children of element `parent` are declared: in place, or in the named type of the
 * schema. */
static const char *find_declaration(const char *wsdl, const char *parent)
{
    char text[160], type[CONTRACT_NAME_SIZE];
    snprintf(text, sizeof text, "<xs:element name=\"%s\">", parent);
    const char *at = strstr(wsdl, text);
    if (at)
        return at + strlen(text);
    snprintf(text, sizeof text, "<xs:element name=\"%s\" type=\"wt:", parent);
    at = strstr(wsdl, text);
    const char *schema = find_document("weir-types.xsd");
    if (!at || !schema)
        return NULL;
    at += strlen(text);
    snprintf(type, sizeof type, "%.*s", (int)strcspn(at, "\""), at);
    snprintf(text, sizeof text, "<xs:complexType name=\"%s\">", type);
    at = strstr(schema, text);
    return at ? at + strlen(text) : NULL;
}

/* A start tag of this local name that is not nil. */
static bool is_present(const char *message, size_t length, const char *name)
{
    size_t n = strlen(name);
    const char *end = message + length;
    for (const char *at = message; (at = memmem(at, (size_t)(end - at), name, n)); at += n) {
        if (at == message || (at[-1] != '<' && at[-1] != ':') || at + n >= end ||
            !strchr("> \t\r\n/", at[n]))
            continue;
        const char *open = at;
        while (open > message && *open != '<')
            open--;
        const char *close = memchr(at, '>', (size_t)(end - at));
        if (open[1] == '/' || !close || memmem(at, (size_t)(close - at), ":nil", 4))
            continue;
        return true;
    }
    return false;
}

bool contract_missing(const char *document, const char *parent, const char *message, size_t length,
                      char out[CONTRACT_NAME_SIZE])
{
    static const char declared[] = "<xs:element name=\"";
    const char *wsdl = find_document(document);
    const char *at = wsdl ? find_declaration(wsdl, parent) : NULL;
    const char *end = at ? strstr(at, "</xs:complexType>") : NULL;
    while (end && (at = strstr(at, declared)) && at < end) {
        at += sizeof declared - 1;
        size_t name = strcspn(at, "\""), whole = strcspn(at, ">");
        if (name >= CONTRACT_NAME_SIZE || memmem(at, whole, "minOccurs=\"0\"", 13))
            continue;
        memcpy(out, at, name);
        out[name] = '\0';
        if (!is_present(message, length, out))
            return true;
    }
    return false;
}
