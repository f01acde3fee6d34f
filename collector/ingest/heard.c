/* heard.c - see heard.h. Neighbours: handover.c adds accounts, collector.c lists. */
#include "ingest/heard.h"
#include "base/time.h"
#include "ingest/clock.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct heard {
    pthread_mutex_t lock;
    struct heard_exporter *rows;
    size_t count, room;
    uint32_t *slots; /* index + 1; twice as many as room */
};

struct heard *heard_new(void)
{
    struct heard *h = calloc(1, sizeof *h);
    if (h)
        pthread_mutex_init(&h->lock, NULL);
    return h;
}

void heard_free(struct heard *h)
{
    if (!h)
        return;
    pthread_mutex_destroy(&h->lock);
    free(h->rows);
    free(h->slots);
    free(h);
}

static size_t hash(const struct address *exporter, uint32_t domain, uint16_t protocol)
{
    uint64_t halves[2], h;
    memcpy(halves, exporter, 16);
    h = (halves[0] ^ halves[1] * UINT64_C(0xd6e8feb86659fd93)) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29 ^ ((uint64_t)domain << 16 | protocol)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 24);
}

static uint32_t *slot_of(const struct heard *h, const struct address *exporter, uint32_t domain,
                         uint16_t protocol)
{
    size_t mask = 2 * h->room - 1, at = hash(exporter, domain, protocol) & mask;
    for (; h->slots[at]; at = (at + 1) & mask) {
        const struct heard_exporter *r = &h->rows[h->slots[at] - 1];
        if (r->domain == domain && r->protocol == protocol &&
            memcmp(&r->exporter, exporter, sizeof *exporter) == 0)
            break;
    }
    return &h->slots[at];
}

static bool grow(struct heard *h)
{
    size_t room = h->room ? 2 * h->room : 64;
    struct heard_exporter *rows = realloc(h->rows, room * sizeof *rows);
    if (rows)
        h->rows = rows;
    uint32_t *slots = rows ? calloc(2 * room, sizeof *slots) : NULL;
    if (!slots)
        return false;
    free(h->slots);
    h->slots = slots;
    h->room = room;
    for (size_t i = 0; i < h->count; i++)
        *slot_of(h, &rows[i].exporter, rows[i].domain, rows[i].protocol) = (uint32_t)i + 1;
    return true;
}

static struct heard_exporter *row_of(struct heard *h, const struct address *exporter,
                                     uint32_t domain, uint16_t protocol)
{
    static const struct address others;
    if (h->count == h->room && !grow(h))
        return NULL;
    uint32_t *slot = slot_of(h, exporter, domain, protocol);
    if (!*slot && h->count >= HEARD_MOST - 1) {
        exporter = &others;
        domain = protocol = 0;
        slot = slot_of(h, exporter, domain, protocol);
    }
    if (!*slot) {
        h->rows[h->count++] =
            (struct heard_exporter){.exporter = *exporter, .domain = domain, .protocol = protocol};
        *slot = (uint32_t)h->count;
    }
    return &h->rows[*slot - 1];
}

void heard_add(struct heard *h, const struct account *account)
{
    const int64_t latest = clock_now_ms() + CLOCK_AHEAD_MS;
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < account->row_count; i++) {
        const struct account_row *from = &account->rows[i];
        struct heard_exporter *to =
            row_of(h, &from->key.exporter, from->key.domain, from->key.protocol);
        if (!to)
            break;
        account_counts_add(&to->counts, &from->counts);
        if (from->last_heard_ms > to->last_heard_ms)
            to->last_heard_ms = from->last_heard_ms;
    }
    for (size_t i = 0; i < account->checkpoint_count; i++) {
        const struct account_checkpoint *from = &account->checkpoints[i];
        struct heard_exporter *to = row_of(h, &from->exporter, from->domain, from->protocol);
        /* It is by the exporter's clock. */
        if (to && from->export_ms > to->last_heard_ms && from->export_ms <= latest)
            to->last_heard_ms = from->export_ms;
    }
    pthread_mutex_unlock(&h->lock);
}

static int by_exporter(const void *a, const void *b)
{
    const struct heard_exporter *x = a, *y = b;
    int order = memcmp(&x->exporter, &y->exporter, sizeof x->exporter);
    if (order)
        return order;
    if (x->domain != y->domain)
        return x->domain > y->domain ? 1 : -1;
    return (x->protocol > y->protocol) - (x->protocol < y->protocol);
}

enum weir_status heard_list(struct heard *h, struct heard_exporter **out, size_t *count)
{
    pthread_mutex_lock(&h->lock);
    *count = h->count;
    *out = malloc((h->count + 1) * sizeof **out);
    if (*out && h->count)
        memcpy(*out, h->rows, h->count * sizeof **out);
    pthread_mutex_unlock(&h->lock);
    if (!*out) {
        *count = 0;
        return WEIR_ENOMEM;
    }
    qsort(*out, *count, sizeof **out, by_exporter);
    return WEIR_OK;
}
