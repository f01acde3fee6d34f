/* heard.c - see heard.h. Neighbours: handover.c adds accounts, collector.c lists. */
#include "ingest/heard.h"
#include "base/time.h"
#include "ingest/clock.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct heard_exporter row;
    uint32_t newer, older; /* by the last account; index + 1 */
};

struct heard {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t count, room;
    uint32_t *slots; /* index + 1; twice as many as room, which is a power of two */
    uint32_t newest, oldest;
    struct heard_exporter others; /* of sockets, and of exporters that left */
    bool has_others;
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
    free(h->entries);
    free(h->slots);
    free(h);
}

/* ---- finding ---- */

static size_t hash(const struct address *exporter, uint32_t domain, uint16_t protocol)
{
    uint64_t halves[2], h;
    memcpy(halves, exporter, 16);
    h = (halves[0] ^ halves[1] * UINT64_C(0xd6e8feb86659fd93)) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29 ^ ((uint64_t)domain << 16 | protocol)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 24);
}

static size_t home_of(const struct heard *h, uint32_t entry)
{
    const struct heard_exporter *r = &h->entries[entry - 1].row;
    return hash(&r->exporter, r->domain, r->protocol) & (2 * h->room - 1);
}

static uint32_t *slot_of(const struct heard *h, const struct address *exporter, uint32_t domain,
                         uint16_t protocol)
{
    size_t mask = 2 * h->room - 1, at = hash(exporter, domain, protocol) & mask;
    for (; h->slots[at]; at = (at + 1) & mask) {
        const struct heard_exporter *r = &h->entries[h->slots[at] - 1].row;
        if (r->domain == domain && r->protocol == protocol &&
            memcmp(&r->exporter, exporter, sizeof *exporter) == 0)
            break;
    }
    return &h->slots[at];
}

static bool grow(struct heard *h)
{
    size_t room = h->room ? 2 * h->room : 64;
    struct entry *entries = realloc(h->entries, room * sizeof *entries);
    if (entries)
        h->entries = entries;
    uint32_t *slots = entries ? calloc(2 * room, sizeof *slots) : NULL;
    if (!slots)
        return false;
    free(h->slots);
    h->slots = slots;
    h->room = room;
    for (size_t i = 0; i < h->count; i++) {
        const struct heard_exporter *r = &entries[i].row;
        *slot_of(h, &r->exporter, r->domain, r->protocol) = (uint32_t)i + 1;
    }
    return true;
}

/* ---- the longest idle one leaves ---- */

static uint32_t *newer_of(struct heard *h, uint32_t entry)
{
    return entry ? &h->entries[entry - 1].newer : &h->oldest;
}

static uint32_t *older_of(struct heard *h, uint32_t entry)
{
    return entry ? &h->entries[entry - 1].older : &h->newest;
}

static void unlink_entry(struct heard *h, uint32_t entry)
{
    uint32_t newer = *newer_of(h, entry), older = *older_of(h, entry);
    *older_of(h, newer) = older;
    *newer_of(h, older) = newer;
}

static void link_newest(struct heard *h, uint32_t entry)
{
    uint32_t before = h->newest;
    *newer_of(h, entry) = 0;
    *older_of(h, entry) = before;
    *newer_of(h, before) = entry;
    h->newest = entry;
}

/* Empties a slot, and lets those behind it move up, so that no search ends too early. */
static void remove_slot(struct heard *h, uint32_t *slot)
{
    size_t mask = 2 * h->room - 1, hole = (size_t)(slot - h->slots), at = hole;
    for (;;) {
        h->slots[hole] = 0;
        do {
            at = (at + 1) & mask;
            if (!h->slots[at])
                return;
        } while (((at - home_of(h, h->slots[at])) & mask) < ((at - hole) & mask));
        h->slots[hole] = h->slots[at];
        hole = at;
    }
}

static void add_counts(struct heard_exporter *to, const struct account_counts *counts, int64_t ms)
{
    account_counts_add(&to->counts, counts);
    if (ms > to->last_heard_ms)
        to->last_heard_ms = ms;
}

/* Its counts stay, without its name. Returns its entry. */
static uint32_t evict(struct heard *h)
{
    uint32_t entry = h->oldest;
    const struct heard_exporter *r = &h->entries[entry - 1].row;
    h->has_others = true;
    add_counts(&h->others, &r->counts, r->last_heard_ms);
    remove_slot(h, slot_of(h, &r->exporter, r->domain, r->protocol));
    unlink_entry(h, entry);
    return entry;
}

static uint32_t make_entry(struct heard *h, const struct address *exporter, uint32_t domain,
                           uint16_t protocol)
{
    if (h->count == h->room && h->count < HEARD_MOST && !grow(h))
        return 0;
    uint32_t entry = h->count < HEARD_MOST ? (uint32_t)++h->count : evict(h);
    h->entries[entry - 1] = (struct entry){
        .row = {.exporter = *exporter, .domain = domain, .protocol = protocol}};
    *slot_of(h, exporter, domain, protocol) = entry;
    return entry;
}

static struct heard_exporter *row_of(struct heard *h, const struct address *exporter,
                                     uint32_t domain, uint16_t protocol)
{
    static const struct address nobody;
    if (memcmp(exporter, &nobody, sizeof nobody) == 0 && !domain && !protocol) {
        h->has_others = true;
        return &h->others;
    }
    uint32_t entry = h->room ? *slot_of(h, exporter, domain, protocol) : 0;
    if (entry)
        unlink_entry(h, entry);
    else if (!(entry = make_entry(h, exporter, domain, protocol)))
        return NULL;
    link_newest(h, entry);
    return &h->entries[entry - 1].row;
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
        add_counts(to, &from->counts, from->last_heard_ms);
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
    *count = 0;
    *out = malloc((h->count + 1) * sizeof **out);
    if (*out && h->has_others)
        (*out)[(*count)++] = h->others;
    for (size_t i = 0; *out && i < h->count; i++)
        (*out)[(*count)++] = h->entries[i].row;
    pthread_mutex_unlock(&h->lock);
    if (!*out)
        return WEIR_ENOMEM;
    qsort(*out, *count, sizeof **out, by_exporter);
    return WEIR_OK;
}
