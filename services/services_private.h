/* services_private.h - what the units of this room share: the server's state, a worker's, and the
 * tables that say what is served where.
 *
 * Threads: struct services is shared by all workers; what changes in it is atomic, or guarded by
 * `changing` or by what it points to. A struct caller is its worker's alone. */
#ifndef WEIR_SERVICES_PRIVATE_H
#define WEIR_SERVICES_PRIVATE_H

#include "serve.h"
#include "services.h"
#include "tag_names.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct soap;
struct Namespace;
struct soap_service;

struct services {
    struct services_settings settings;
    char *listen, *version, *key_folder;
    struct server *server;
    struct tag_names *tags;
    int64_t started_ms;
    _Atomic uint64_t faults;
    sem_t queries;            /* long questions that may still go on */
    sem_t changes;            /* changes of the store that may still wait for it */
    pthread_mutex_t changing; /* one catalogue change at a time, its callback included */
};

/* Takes a slot of `changes`, or is the fault that says to come back. Whoever changes the store may
 * wait for its disk, and for the others who do: without slots they would be all workers, and reads
 * would wait for writes. Give it back with sem_post(). */
int services_may_change(struct soap *soap);

#define ANSWER_RUN 32768

/* A worker's: the SOAP engine and the message it is reading. */
struct caller {
    struct services *services;
    struct soap *soap;
    const struct soap_service *service;
    struct exchange *exchange; /* the request being answered */
    const char *next[2];       /* what the engine reads: runs of octets, one after the other */
    size_t left[2];
    struct text attachment; /* of an MTOM request */
    bool has_attachment;
    bool is_bare;  /* the engine reads the envelope alone, without the HTTP head */
    bool answered; /* octets of an answer were written */
    bool tidy; /* the engine has nothing left of the request before but what its next one clears */
    size_t out_length;
    char out[ANSWER_RUN]; /* of the answer, to be sent */
};

/* ---- a SOAP service is a row ---- */
struct soap_service {
    const char *path; /* "/db" */
    unsigned role;
    const char *document; /* its WSDL, by file name */
    const struct Namespace *namespaces;
    int (*serve)(struct soap *soap);
};
extern const struct soap_service soap_services[];
extern const size_t soap_service_count;
const struct soap_service *soap_service_find(const struct services *s, struct text path);

/* ---- everything else is a row too; other renderings of the contract join here ---- */
struct route {
    const char *path; /* ending in '/': all paths below */
    const char *help;
    void (*get)(struct services *s, struct exchange *x);
};
extern const struct route routes[];
extern const size_t route_count;

/* ---- documents.c ---- */
/* A document by its file name; NULL when there is none. */
const char *document_find(struct text name);
/* GET of a service's path: ?wsdl, ?wsdl12, or how to get them. */
void documents_service(const struct soap_service *service, struct exchange *x);
/* GET /xsd/NAME */
void documents_schema(struct services *s, struct exchange *x);

/* ---- soap_engine.c ---- */
void *caller_new(void *services);
void caller_free(void *caller);
void caller_answer(struct caller *c, const struct soap_service *service, struct exchange *x);
struct caller *caller_of(struct soap *soap);
static inline struct services *services_of(struct soap *soap)
{
    return caller_of(soap)->services;
}
/* Who asks, for the audit: "soap 192.0.2.1". */
#define WHO_SIZE 64
const char *caller_who(struct soap *soap, char out[WHO_SIZE]);

/* ---- remote_sink.c ---- */
/* WEIR_EARGUMENT, field "url": no http://host[:port]/path. */
enum weir_status remote_url_check(const char *url, struct weir_error *error);

/* ---- catalogue changes ---- */
enum weir_status services_catalogue_changed(struct services *s, struct weir_error *error);

#endif
