/* services.c - the door (services.h): what is served where, and by whom. */
#include "base/buffer.h"
#include "base/time.h"
#include "dbStub.h"
#include "fault.h"
#include "metrics.h"
#include "services_private.h"
#include "store.h"
#include <stdlib.h>
#include <string.h>

#define WORKERS     8u
#define CONNECTIONS 1024u
#define IDLE_MS     60000
#define REQUEST_MS  10000
#define STALL_MS    10000
#define ASIDE_MOST  (UINT64_C(64) << 20) /* answers that clients take slowly */
#define BLOCK_MOST  (UINT64_C(64) << 20)
#define OTHER_MOST  (UINT64_C(4) << 20)
#define DEADLINE_MS 60000
#define ROWS_MOST   1000000u
#define CHANGE_WAIT_MS 100 /* for a slot, in which time others may wait for a worker */

extern struct Namespace db_namespaces[], col_namespaces[];
int col_serve_request(struct soap *soap);

const struct soap_service soap_services[] = {
    {"/db", SERVICE_DB, "db.wsdl", db_namespaces, db_serve_request},
    {"/collector", SERVICE_COLLECTOR, "collector.wsdl", col_namespaces, col_serve_request},
};
const size_t soap_service_count = sizeof soap_services / sizeof *soap_services;

/* ---- pages ---- */

static void get_index(struct services *s, struct exchange *x)
{
    struct buffer page = {0};
    buffer_print(&page, "Weir %s\n\n", s->version);
    for (size_t i = 0; i < soap_service_count; i++)
        if (soap_services[i].role & s->settings.roles)
            buffer_print(&page, "%-12s SOAP; its contract: %s?wsdl, with SOAP 1.2: %s?wsdl12\n",
                         soap_services[i].path, soap_services[i].path, soap_services[i].path);
    for (size_t i = 0; i < route_count; i++)
        buffer_print(&page, "%-12s %s\n", routes[i].path, routes[i].help);
    exchange_reply(x, 200, "text/plain; charset=utf-8", page.bytes, page.failed ? 0 : page.length);
    buffer_free(&page);
}

const struct route routes[] = {
    {"/", "this list", get_index},
    {"/healthz", "ok while the store answers and the collector runs", health_get},
    {"/metrics",
     "counters of server, store and collector, the account by exporter; Prometheus text",
     metrics_get},
    {"/xsd/", "schemas that the contracts import", documents_schema},
};
const size_t route_count = sizeof routes / sizeof *routes;

/* ---- routing ---- */

static bool path_is(struct text path, const char *word)
{
    return path.length == strlen(word) && memcmp(path.at, word, path.length) == 0;
}

const struct soap_service *soap_service_find(const struct services *s, struct text path)
{
    for (size_t i = 0; i < soap_service_count; i++)
        if ((soap_services[i].role & s->settings.roles) && path_is(path, soap_services[i].path))
            return &soap_services[i];
    return NULL;
}

static const struct route *route_find(struct text path)
{
    for (size_t i = 0; i < route_count; i++) {
        size_t n = strlen(routes[i].path);
        bool below = n > 1 && routes[i].path[n - 1] == '/';
        if (path_is(path, routes[i].path) ||
            (below && path.length > n && memcmp(path.at, routes[i].path, n) == 0))
            return &routes[i];
    }
    return NULL;
}

static bool is_soap(struct text type)
{
    static const char *const types[] = {"text/xml", "application/soap+xml", "application/xml",
                                        "multipart/related"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (text_is(type, types[i]))
            return true;
    return false;
}

static uint64_t admit(void *context, const struct http_head *head, int *status)
{
    const struct services *s = context;
    const struct soap_service *service = soap_service_find(s, head->path);
    if (head->method != HTTP_POST)
        return 0;
    *status = !service ? 404 : !is_soap(head->content_type) ? 415 : 413;
    if (*status != 413)
        return 0;
    return service->role == SERVICE_DB ? s->settings.block_most : OTHER_MOST;
}

static void answer_get(struct services *s, struct exchange *x)
{
    const struct soap_service *service = soap_service_find(s, x->head->path);
    const struct route *route = route_find(x->head->path);
    if (service)
        documents_service(service, x);
    else if (route)
        route->get(s, x);
    else
        exchange_refuse(x, 404, "see / for what is here");
}

static void answer(void *worker, struct exchange *x)
{
    struct caller *c = worker;
    const struct soap_service *service = soap_service_find(c->services, x->head->path);
    if (x->head->method == HTTP_GET || x->head->method == HTTP_HEAD)
        answer_get(c->services, x);
    else if (x->head->method != HTTP_POST)
        exchange_refuse(x, 405, NULL);
    else if (!service)
        exchange_refuse(x, 404, "see / for what is here");
    else if (!is_soap(x->head->content_type))
        exchange_refuse(x, 415, "expected text/xml or application/soap+xml");
    else
        caller_answer(c, service, x);
}

enum weir_status services_catalogue_changed(struct services *s, struct weir_error *error)
{
    tag_names_forget(s->tags);
    return s->settings.catalogue_changed
               ? s->settings.catalogue_changed(s->settings.context, error)
               : WEIR_OK;
}

/* ---- life ---- */

static void fill_defaults(struct services_settings *s)
{
    s->workers = s->workers ? s->workers : WORKERS;
    s->connections_most = s->connections_most ? s->connections_most : CONNECTIONS;
    s->idle_ms = s->idle_ms ? s->idle_ms : IDLE_MS;
    s->block_most = s->block_most ? s->block_most : BLOCK_MOST;
    s->query_deadline_ms = s->query_deadline_ms ? s->query_deadline_ms : DEADLINE_MS;
    s->query_threads = s->query_threads ? s->query_threads : 1;
    s->rows_most = s->rows_most ? s->rows_most : ROWS_MOST;
}

static enum weir_status open_server(struct services *s, struct weir_error *error)
{
    const struct services_settings *settings = &s->settings;
    uint32_t half = settings->workers / 2;
    struct serve_settings serve = {
        .listen = s->listen,
        .workers = settings->workers,
        .bulk = half ? half : 1,
        .slow = half > 2 ? half - 1 : 1,
        .aside_most = ASIDE_MOST,
        .connections_most = settings->connections_most,
        .idle_ms = settings->idle_ms,
        .request_ms = REQUEST_MS,
        .stall_ms = STALL_MS,
    };
    struct serve_handler handler = {.context = s,
                                    .worker_new = caller_new,
                                    .worker_free = caller_free,
                                    .admit = admit,
                                    .answer = answer};
    return server_new(&serve, &handler, &s->server, error);
}

enum weir_status services_check(const char *where, struct weir_error *error)
{
    return server_check(where, error);
}

/* However many long questions and changes there are, a worker is left for what is short. */
static void make_slots(struct services *s)
{
    unsigned workers = s->settings.workers, changes = workers / 4 ? workers / 4 : 1;
    sem_init(&s->changes, 0, changes);
    sem_init(&s->queries, 0, workers > changes + 1 ? workers - changes - 1 : 1);
}

int services_may_change(struct soap *soap)
{
    if (serve_slot(&services_of(soap)->changes, CHANGE_WAIT_MS))
        return SOAP_OK;
    return fault_make(soap, WEIR_EBUSY, NULL, "too many changes at a time; try again");
}

enum weir_status services_new(const struct services_settings *settings, struct services **out,
                              struct weir_error *error)
{
    *out = NULL;
    struct services *s = calloc(1, sizeof *s);
    if (!s)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the services");
    s->settings = *settings;
    fill_defaults(&s->settings);
    s->listen = strdup(settings->listen ? settings->listen : "");
    s->version = strdup(settings->version ? settings->version : "unknown");
    s->key_folder = settings->key_folder ? strdup(settings->key_folder) : NULL;
    s->tags = tag_names_new(settings->store);
    s->started_ms = clock_now_ms();
    pthread_mutex_init(&s->changing, NULL);
    make_slots(s);
    enum weir_status status = WEIR_OK;
    if (!s->listen || !s->version || !s->tags)
        status = weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the services");
    else if (!settings->store)
        status = weir_fail(error, WEIR_EARGUMENT, "store", "the services need a store");
    if (status == WEIR_OK)
        status = open_server(s, error);
    if (status != WEIR_OK)
        services_free(s);
    else
        *out = s;
    return status;
}

uint16_t services_port(const struct services *s)
{
    return server_port(s->server);
}

enum weir_status services_start(struct services *s, struct weir_error *error)
{
    return server_start(s->server, error);
}

void services_stop(struct services *s)
{
    server_stop(s->server);
}

void services_free(struct services *s)
{
    if (!s)
        return;
    server_free(s->server);
    tag_names_free(s->tags);
    pthread_mutex_destroy(&s->changing);
    sem_destroy(&s->queries);
    sem_destroy(&s->changes);
    free(s->listen);
    free(s->version);
    free(s->key_folder);
    free(s);
}
