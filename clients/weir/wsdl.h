/* wsdl.h - a service as its WSDL 1.1 document describes it: operations, what they take and answer,
 * and where. Document/literal over HTTP, SOAP 1.1 preferred, SOAP 1.2 otherwise; documents and
 * schemas that it imports are read too, from where it stands (a file or an http address).
 *
 * Threads: a wsdl belongs to one thread. */
#ifndef WEIR_CLIENT_WSDL_H
#define WEIR_CLIENT_WSDL_H

#include "weir/schema.h"

#define DOCUMENTS_MOST       32
#define DOCUMENT_OCTETS_MOST ((size_t)16 << 20)

struct wsdl_operation {
    const char *name;
    const char *doc;
    const char *action; /* soapAction; "" at least */
    struct qname input; /* the element in the request's body */
};

struct wsdl {
    struct arena arena;
    struct schema_set schemas;
    xmlDocPtr documents[DOCUMENTS_MOST];
    const char *addresses[DOCUMENTS_MOST]; /* where each was read */
    size_t document_count;
    struct wsdl_operation *operations;
    size_t operation_count;
    const char *endpoint; /* where requests go */
    bool soap12;
};

/* Reads the document at `address`: a path, file:///path or http://…. On error nothing is left to
 * free; the message names the document. WEIR_EVERSION: a binding style that is not
 * document/literal. */
enum weir_status wsdl_load(struct wsdl *w, const char *address, struct weir_error *error);
void wsdl_free(struct wsdl *w);

const struct wsdl_operation *wsdl_operation(const struct wsdl *w, const char *name);

#endif
