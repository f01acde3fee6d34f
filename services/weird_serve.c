/* weird_serve.c - `weird`: the server. Joins store, collector and services, and ends them in order.
 *
 * Order of ending: the collector first (what was received is stored, or spooled), while the
 * services still answer; then the services; the store last. */
#include "base/log.h"
#include "collector.h"
#include "services.h"
#include "weird.h"
#include "weird_sink.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_PATIENCE_MS 30000
#define RECEIVERS_USUAL 4
#define PATH_SIZE 4096
#define RETRY_S   2 /* between two tries to bring a catalogue into force */

struct server {
    const struct weird_settings *settings;
    struct store *store;
    struct weird_sink *sink;
    struct collector *collector;
    struct services *services;
    char spool[PATH_SIZE], templates[PATH_SIZE], keys[KEY_FOLDER_SIZE];
    uint16_t netflow, sflow, ipfix, ipfix_tls;
    pthread_mutex_t following; /* one at a time; guards `outdated` */
    bool outdated; /* the collector goes on with an older catalogue than the store's */
};

static bool plays(const struct server *s, enum role role)
{
    return (s->settings->role_bits & role) != 0;
}

/* ---- safe by default ---- */

/* Digits and points up to the port: "127.example.net" is a name, and may be anywhere. */
static bool is_loopback(const char *where)
{
    return (strncmp(where, "127.", 4) == 0 && where[strspn(where, "0123456789.")] == ':') ||
           strncmp(where, "[::1]:", 6) == 0 || strncmp(where, "localhost:", 10) == 0;
}

static enum weir_status check_exposure(const struct weird_settings *s, struct weir_error *error)
{
    if (services_check(s->http, error) != WEIR_OK)
        return WEIR_EARGUMENT;
    if (is_loopback(s->http) || s->insecure)
        return WEIR_OK;
    return weir_fail(error, WEIR_EARGUMENT, "http",
                     "--http %s is reachable from outside, without TLS or credentials; listen on "
                     "127.0.0.1, or say --insecure", s->http);
}

/* ---- the catalogue's way to whoever uses it ---- */

static enum weir_status follow_catalogue(struct server *s, struct weir_error *error)
{
    struct catalogue catalogue;
    enum weir_status status = store_catalogue(s->store, &catalogue, error);
    if (status != WEIR_OK) {
        if (s->collector)
            collector_outdated(s->collector, error);
        return status;
    }
    catalogue.snapshot.key_folder = s->keys;
    if (s->collector)
        status = collector_update(s->collector, &catalogue.snapshot, error);
    if (s->sink)
        weird_sink_update(s->sink, &catalogue);
    catalogue_free(&catalogue);
    return status;
}

/* What the services call; what they hear goes to whoever asked for the change. */
static enum weir_status catalogue_changed(void *context, struct weir_error *error)
{
    struct server *s = context;
    pthread_mutex_lock(&s->following);
    enum weir_status status = follow_catalogue(s, error);
    s->outdated = status != WEIR_OK;
    if (s->outdated)
        log_error("weird", "the collector keeps the catalogue it had, and tries again: %s",
                  error->message);
    pthread_mutex_unlock(&s->following);
    return status;
}

/* What stood in the way may be gone by itself: memory, a lock, a key that is put right. */
static void retry_catalogue(struct server *s)
{
    struct weir_error error = {0};
    pthread_mutex_lock(&s->following);
    if (s->outdated && follow_catalogue(s, &error) == WEIR_OK) {
        s->outdated = false;
        log_info("weird", "the collector has the newest catalogue");
    }
    pthread_mutex_unlock(&s->following);
}

/* ---- the collector ---- */

static enum weir_status resume(struct server *s, const uint8_t id[16], struct weir_error *error)
{
    struct account_checkpoint *checkpoints = NULL;
    size_t count = 0;
    enum weir_status status = store_checkpoints(s->store, id, &checkpoints, &count, error);
    if (status == WEIR_OK)
        collector_resume(s->collector, checkpoints, count);
    free(checkpoints);
    return status;
}

static enum weir_status listen_all(struct server *s, struct weir_error *error)
{
    const struct {
        unsigned how;
        const char *where;
        uint16_t *port;
    } sockets[] = {{COLLECTOR_UDP, s->settings->netflow, &s->netflow},
                   {COLLECTOR_UDP, s->settings->sflow, &s->sflow},
                   {COLLECTOR_UDP | COLLECTOR_TCP, s->settings->ipfix, &s->ipfix},
                   {COLLECTOR_TLS, s->settings->ipfix_tls, &s->ipfix_tls}};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets && status == WEIR_OK; i++)
        if (sockets[i].where)
            status = collector_listen(s->collector, sockets[i].how, sockets[i].where,
                                      sockets[i].port, error);
    return status;
}

/* More than one even on two cores: measured, it holds a higher rate there than one that shares its
 * core. */
static uint32_t receivers_of(const struct weird_settings *s)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (s->receivers)
        return (uint32_t)s->receivers;
    return cores < 1 ? 1 : cores > RECEIVERS_USUAL ? RECEIVERS_USUAL : (uint32_t)cores;
}

static struct collector_tls tls_of(const struct weird_settings *s)
{
    return (struct collector_tls){s->ipfix_tls ? s->tls_cert : NULL, s->tls_key, s->tls_ca};
}

static enum weir_status check_sockets(const struct weird_settings *s, struct weir_error *error)
{
    const struct collector_tls tls = tls_of(s);
    const char *const where[] = {s->netflow, s->sflow, s->ipfix, s->ipfix_tls};
    if (s->ipfix_tls && (!s->tls_cert || !s->tls_key))
        return weir_fail(error, WEIR_EARGUMENT, "ipfix-tls",
                         "--ipfix-tls wants --tls-cert FILE and --tls-key FILE");
    enum weir_status status = collector_check(NULL, &tls, error);
    for (size_t i = 0; i < sizeof where / sizeof *where && status == WEIR_OK; i++)
        status = collector_check(where[i], NULL, error);
    return status;
}

static enum weir_status make_collector(struct server *s, struct weir_error *error)
{
    struct collector_settings settings = {
        .batch_rows = (uint32_t)s->settings->batch_rows & ~63u,
        .spool_most = s->settings->spool_size,
        .receive_buffer = s->settings->receive_buffer,
        .receivers = receivers_of(s->settings),
        .known_only = s->settings->known_only,
        .connection_idle_ms = s->settings->connection_idle,
        .tls = tls_of(s->settings),
        .template_ms = s->settings->template_lifetime,
    };
    if (snprintf(s->templates, PATH_SIZE, "%s/templates", s->settings->data) < PATH_SIZE)
        settings.templates = s->templates;
    bool local = plays(s, ROLE_DB);
    if (!local && snprintf(s->spool, PATH_SIZE, "%s/spool", s->settings->data) < PATH_SIZE)
        settings.spool = s->spool;
    s->sink = weird_sink_new(s->store, local);
    if (!s->sink)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the sink");
    struct sink sink = weird_sink_of(s->sink);
    enum weir_status status =
        store_incarnation(s->store, settings.id, &settings.incarnation, error);
    if (status == WEIR_OK)
        status = collector_new(&settings, &sink, &s->collector, error);
    if (status == WEIR_OK)
        status = resume(s, settings.id, error);
    if (status == WEIR_OK)
        status = follow_catalogue(s, error);
    if (status == WEIR_OK)
        status = listen_all(s, error);
    return status;
}

/* ---- start ---- */

static enum weir_status make_services(struct server *s, struct weir_error *error)
{
    const struct weird_settings *w = s->settings;
    struct services_settings settings = {
        .listen = w->http,
        .version = w->version,
        .roles = (plays(s, ROLE_DB) ? SERVICE_DB : 0u) |
                 (plays(s, ROLE_COLLECTOR) ? SERVICE_COLLECTOR : 0u),
        .store = s->store,
        .collector = s->collector,
        .log = w->log,
        .key_folder = s->keys,
        .query_memory = (uint64_t)w->query_memory,
        .query_threads = (uint32_t)w->threads,
        .catalogue_changed = catalogue_changed,
        .context = s,
    };
    return services_new(&settings, &s->services, error);
}

static enum weir_status start(struct server *s, struct weir_error *error)
{
    enum weir_status status = check_exposure(s->settings, error);
    weird_key_folder(s->settings, s->keys);
    if (status == WEIR_OK && plays(s, ROLE_COLLECTOR))
        status = check_sockets(s->settings, error);
    if (status == WEIR_OK)
        status = store_open(s->settings->data, STORE_CREATE, &s->store, error);
    if (status == WEIR_OK && plays(s, ROLE_COLLECTOR))
        status = make_collector(s, error);
    if (status == WEIR_OK)
        status = make_services(s, error);
    if (status == WEIR_OK)
        status = services_start(s->services, error);
    if (status == WEIR_OK && s->collector)
        status = collector_start(s->collector, error);
    const struct upkeep_settings upkeep = weird_upkeep_settings(s->settings);
    if (status == WEIR_OK && !s->settings->no_upkeep)
        status = store_upkeep_start(s->store, &upkeep, error);
    return status;
}

/* "127.0.0.1:0" with the port that was bound. */
static void print_endpoint(const char *name, const char *where, uint16_t port)
{
    const char *colon = strrchr(where, ':');
    printf(" %s=%.*s:%u", name, (int)(colon ? colon - where : 0), where, port);
}

static void say_ready(const struct server *s)
{
    printf("ready");
    print_endpoint("http", s->settings->http, services_port(s->services));
    if (s->collector) {
        print_endpoint("netflow", s->settings->netflow, s->netflow);
        print_endpoint("sflow", s->settings->sflow, s->sflow);
        print_endpoint("ipfix", s->settings->ipfix, s->ipfix);
        if (s->settings->ipfix_tls)
            print_endpoint("ipfix-tls", s->settings->ipfix_tls, s->ipfix_tls);
    }
    putchar('\n');
    fflush(stdout);
}

/* ---- end ---- */

static enum weir_status stop(struct server *s, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    if (s->collector) {
        status = collector_stop(s->collector, STOP_PATIENCE_MS, error);
        if (s->sink)
            weird_sink_stop(s->sink);
    }
    if (s->services)
        services_stop(s->services);
    return status;
}

static void take_apart(struct server *s)
{
    services_free(s->services);
    collector_free(s->collector);
    weird_sink_free(s->sink);
    store_close(s->store);
}

/* Signals are blocked before any thread exists, so that only sigwait() gets them. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* Each connection of an exporter is one; the usual 1024 are only what programs get that do not
 * ask. */
static void raise_descriptors(void)
{
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &most) != 0 || most.rlim_cur == most.rlim_max)
        return;
    most.rlim_cur = most.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &most);
}

int weird_serve(struct weird_settings *settings, int operands, char **operand)
{
    struct weir_error error = {0};
    struct server server = {.settings = settings, .following = PTHREAD_MUTEX_INITIALIZER};
    const struct timespec a_while = {.tv_sec = RETRY_S};
    sigset_t signals;
    int which;
    if (operands > 0)
        return weird_usage("'%s' is too much", operand[0]);
    if (settings->check) {
        if (check_exposure(settings, &error) != WEIR_OK ||
            check_sockets(settings, &error) != WEIR_OK)
            return weird_complain(&error, 2);
        puts("the options are right");
        return 0;
    }
    block_signals(&signals);
    raise_descriptors();
    enum weir_status status = start(&server, &error);
    if (status == WEIR_OK) {
        log_info("weird", "%s serves %s", settings->version, settings->data);
        say_ready(&server);
        while ((which = sigtimedwait(&signals, NULL, &a_while)) < 0)
            retry_catalogue(&server);
        log_info("weird", "signal %d: storing what was received", which);
        status = stop(&server, &error);
    } else if (server.services) {
        services_stop(server.services);
    }
    take_apart(&server);
    return status == WEIR_OK ? 0 : weird_complain(&error, 1);
}
