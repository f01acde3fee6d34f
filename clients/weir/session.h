/* session.h - one gSOAP context for the calls of one word, and one line for every way a call can
 * fail.
 *
 *     struct session s;
 *     if (!session_open(&s, r, "/db", db_namespaces))
 *         return OUTCOME_FAILED;
 *     if (soap_call___db__GetStatus(s.soap, s.url, NULL, &q, &a))
 *         session_fail(&s, r->error);
 *     …
 *     session_close(&s);          // answers live until here
 *
 * Threads: a session belongs to one thread. */
#ifndef WEIR_CLIENT_SESSION_H
#define WEIR_CLIENT_SESSION_H

#include "weir/words.h"

struct soap;
struct Namespace;

struct session {
    struct soap *soap;
    char url[512];
};

/* False (error filled): no memory, or an URL that is too long or not http. */
bool session_open(struct session *s, const struct request *r, const char *path,
                  const struct Namespace *namespaces);
void session_close(struct session *s);
/* The error of the call that just failed; returns OUTCOME_FAILED. */
enum outcome session_fail(struct session *s, struct weir_error *error);
/* Memory that is freed with the session; NULL when there is none. */
void *session_alloc(struct session *s, size_t size);

/* "http://host:port" + path, without a doubled slash; "http://" is put in front of a bare host. */
enum weir_status session_url(const char *base, const char *path, char *out, size_t size,
                             struct weir_error *error);

#endif
