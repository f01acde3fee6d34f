/* metrics.c - GET /metrics (Prometheus text format 0.0.4) and GET /healthz: what the server, the
 * collector and the store count. Neighbour: services.c routes to it.
 *
 * The account's counters are those since the collector started, by exporter, domain and protocol;
 * they grow when batches are handed on, about once a second. GetAccount has all that was ever
 * stored. */
#include "base/buffer.h"
#include "collector.h"
#include "metrics.h"
#include "services_private.h"
#include "store.h"
#include <stdlib.h>
#include <string.h>

/* ---- single numbers ---- */

struct metric {
    const char *name, *type, *help;
    uint64_t value;
};

static void put_metrics(struct buffer *page, const struct metric *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_print(page, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", metrics[i].name,
                     metrics[i].help, metrics[i].name, metrics[i].type, metrics[i].name,
                     (unsigned long long)metrics[i].value);
}
#define PUT_METRICS(page, metrics) put_metrics(page, metrics, sizeof(metrics) / sizeof *(metrics))

static void put_server(struct buffer *page, struct services *s)
{
    const struct serve_counters *c = server_counters(s->server);
    const struct metric metrics[] = {
        {"weir_http_requests_total", "counter", "requests answered", atomic_load(&c->requests)},
        {"weir_http_refused_total", "counter", "requests refused as HTTP",
         atomic_load(&c->refused)},
        {"weir_soap_faults_total", "counter", "faults answered", atomic_load(&s->faults)},
        {"weir_http_connections", "gauge", "connections open", atomic_load(&c->connections)},
        {"weir_http_accepted_total", "counter", "connections accepted", atomic_load(&c->accepted)},
        {"weir_http_evicted_total", "counter", "connections closed to make room",
         atomic_load(&c->evicted)},
        {"weir_http_timeouts_total", "counter", "connections closed for silence",
         atomic_load(&c->timeouts)},
    };
    PUT_METRICS(page, metrics);
}

static void put_store(struct buffer *page, struct services *s)
{
    struct store_status status;
    if (store_status(s->settings.store, &status, NULL) != WEIR_OK)
        return;
    const struct metric metrics[] = {
        {"weir_store_blocks", "gauge", "blocks stored", status.blocks},
        {"weir_store_records", "gauge", "flow records stored", status.records},
        {"weir_store_option_records", "gauge", "records of options stored", status.option_records},
        {"weir_store_file_octets", "gauge", "size of the file", status.file_octets},
        {"weir_store_block_octets", "gauge", "octets of the blocks in it", status.block_octets},
        {"weir_store_rollup_rows", "gauge", "rows of per-minute sums", status.rollup_rows},
    };
    PUT_METRICS(page, metrics);
}

static void put_collector(struct buffer *page, struct collector *collector)
{
    struct collector_status status = {0};
    collector_status(collector, &status);
    const struct metric metrics[] = {
        {"weir_collector_running", "gauge", "1 while datagrams are received", status.running},
        {"weir_collector_suspended", "gauge", "1 while they are not decoded", status.suspended},
        {"weir_collector_delivering", "gauge", "0 while blocks are not taken, for whatever reason",
         !status.last_error[0]},
        {"weir_collector_catalogue_current", "gauge",
         "0 while changes that are kept are not in force yet", !status.catalogue_error[0]},
        {"weir_collector_exporters", "gauge", "exporters remembered", status.exporters},
        {"weir_collector_sessions", "gauge", "transport sessions remembered", status.sessions},
        {"weir_collector_templates", "gauge", "templates known", status.templates},
        {"weir_collector_blocks_total", "counter", "blocks taken by the DB component",
         status.blocks},
        {"weir_collector_block_octets_total", "counter", "octets of those blocks",
         status.block_octets},
        {"weir_collector_queued_blocks", "gauge", "blocks waiting in memory", status.queued_blocks},
        {"weir_collector_spooled_blocks", "gauge", "blocks waiting on disk", status.spooled_blocks},
        {"weir_collector_spooled_octets", "gauge", "octets of those blocks", status.spooled_octets},
        {"weir_collector_kernel_drops_total", "counter",
         "datagrams lost at a full socket buffer, or while the port was being opened",
         status.kernel_drops},
        {"weir_collector_last_datagram_ms", "gauge",
         "when the last datagram was received, milliseconds since 1970; 0: none yet",
         (uint64_t)status.last_datagram_ms},
    };
    PUT_METRICS(page, metrics);
}

/* ---- the account ---- */

static const struct {
    const char *name, *help;
} counters[] = {
#define COUNTER_ROW(field, text, help) {"weir_exporter_" #field "_total", help},
    ACCOUNT_COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
};

static void put_labels(struct buffer *page, const struct heard_exporter *row)
{
    char address[ADDRESS_TEXT_SIZE];
    buffer_print(page, "{exporter=\"%s\",domain=\"%u\",protocol=\"%u\"}",
                 address_print(&row->exporter, address), row->domain, row->protocol);
}

/* Who forges addresses makes tens of thousands of exporters, and each would have a line for every
 * counter: past this many, only counters that are not zero have one. */
#define ZEROS_OF_MOST 1000u

static void put_account(struct buffer *page, struct heard_exporter *rows, size_t count)
{
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        buffer_print(page, "# HELP %s %s\n# TYPE %s counter\n", counters[i].name, counters[i].help,
                     counters[i].name);
        for (size_t r = 0; r < count; r++) {
            uint64_t value = *account_counter(&rows[r].counts, i);
            if (value == 0 && count > ZEROS_OF_MOST)
                continue;
            buffer_print(page, "%s", counters[i].name);
            put_labels(page, &rows[r]);
            buffer_print(page, " %llu\n", (unsigned long long)value);
        }
    }
    buffer_print(page, "# HELP weir_exporter_last_heard_ms export time of the last message, "
                       "milliseconds since 1970\n# TYPE weir_exporter_last_heard_ms gauge\n");
    for (size_t r = 0; r < count; r++) {
        buffer_print(page, "weir_exporter_last_heard_ms");
        put_labels(page, &rows[r]);
        buffer_print(page, " %lld\n", (long long)rows[r].last_heard_ms);
    }
}

void metrics_get(struct services *s, struct exchange *x)
{
    struct buffer page = {0};
    struct heard_exporter *rows = NULL;
    size_t count = 0;
    put_server(&page, s);
    put_store(&page, s);
    if (s->settings.collector) {
        put_collector(&page, s->settings.collector);
        if (collector_heard(s->settings.collector, &rows, &count) == WEIR_OK)
            put_account(&page, rows, count);
        free(rows);
    }
    if (page.failed)
        exchange_refuse(x, 503, "out of memory");
    else
        exchange_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", page.bytes, page.length);
    buffer_free(&page);
}

/* ---- health ---- */

/* A DB component elsewhere that is away is no illness of this server: the spool waits for it. */
void health_get(struct services *s, struct exchange *x)
{
    struct store_status store;
    struct collector_status collector = {.running = true};
    struct weir_error error = {0};
    if (s->settings.collector)
        collector_status(s->settings.collector, &collector);
    if (store_status(s->settings.store, &store, &error) != WEIR_OK)
        exchange_refuse(x, 503, error.message);
    else if (!collector.running)
        exchange_refuse(x, 503, "the collector does not run");
    else
        exchange_reply(x, 200, "text/plain; charset=utf-8", "ok\n", 3);
}
