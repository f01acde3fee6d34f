/* coverage.c - account rows added up by exporter, domain and protocol (coverage.h). Neighbours:
 * account_pages.c reads the rows, account.c says what the sums mean. */
#include "query/coverage.h"
#include <stdlib.h>
#include <string.h>

struct coverage_key {
    struct address exporter;
    uint32_t domain;
    uint16_t protocol;
};

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 31;
}

static size_t hash_key(const struct address *exporter, uint32_t domain, uint16_t protocol)
{
    uint64_t half[2];
    memcpy(half, exporter->octets, sizeof half);
    return (size_t)mix(mix(mix(0, half[0]), half[1]), (uint64_t)domain << 16 | protocol);
}

static bool is_same(const struct coverage_row *row, const struct coverage_key *key)
{
    return row->domain == key->domain && row->protocol == key->protocol &&
           !memcmp(&row->exporter, &key->exporter, sizeof row->exporter);
}

static bool grow_rows(struct coverage *c)
{
    size_t capacity = c->capacity ? 2 * c->capacity : 16;
    struct heard *rows = realloc(c->rows, capacity * sizeof *rows);
    if (!rows)
        return false;
    c->rows = rows;
    size_t *slots = calloc(2 * capacity, sizeof *slots);
    if (!slots)
        return false;
    free(c->slots);
    c->slots = slots;
    c->capacity = capacity;
    c->slot_count = 2 * capacity;
    for (size_t i = 0; i < c->count; i++) {
        const struct coverage_row *row = &rows[i].row;
        size_t at = hash_key(&row->exporter, row->domain, row->protocol) & (c->slot_count - 1);
        while (slots[at])
            at = (at + 1) & (c->slot_count - 1);
        slots[at] = i + 1;
    }
    return true;
}

static size_t *slot_of(const struct coverage *c, const struct coverage_key *key)
{
    size_t at = hash_key(&key->exporter, key->domain, key->protocol) & (c->slot_count - 1);
    while (c->slots[at] && !is_same(&c->rows[c->slots[at] - 1].row, key))
        at = (at + 1) & (c->slot_count - 1);
    return &c->slots[at];
}

/* The coverage row of the key, made if need be; NULL: no memory. An exporter past the limit has no
 * row of its own in any minute, so a row that names an exporter is all of it. */
static struct heard *row_of(struct coverage *c, struct coverage_key key, int64_t last_heard_ms)
{
    if (c->count == c->capacity && !grow_rows(c))
        return NULL;
    size_t *slot = slot_of(c, &key);
    if (!*slot && c->count >= COVERAGE_MOST) {
        key.exporter = (struct address){{0}};
        key.domain = 0;
        key.protocol = account_protocol_known(key.protocol);
        slot = slot_of(c, &key);
        if (last_heard_ms < c->others_until_ms)
            c->others_until_ms = last_heard_ms;
    }
    if (*slot)
        return &c->rows[*slot - 1];
    c->rows[c->count] = (struct heard){.row = {.exporter = key.exporter,
                                               .domain = key.domain,
                                               .protocol = key.protocol,
                                               .first_heard_ms = INT64_MAX,
                                               .last_heard_ms = INT64_MIN},
                                       .minute_ms = INT64_MIN};
    *slot = ++c->count;
    return &c->rows[c->count - 1];
}

static void add(struct coverage_row *row, const struct account_counts *counts, int64_t first_ms,
                int64_t last_ms)
{
    account_counts_add(&row->counts, counts);
    if (first_ms < row->first_heard_ms)
        row->first_heard_ms = first_ms;
    if (last_ms > row->last_heard_ms)
        row->last_heard_ms = last_ms;
}

enum weir_status coverage_visit(void *context, const struct account_row *from)
{
    static const struct address socket;
    struct coverage *c = context;
    account_counts_add(&c->counts, &from->counts);
    if (!memcmp(&from->key.exporter, &socket, sizeof socket))
        return WEIR_OK;
    struct heard *heard =
        row_of(c, (struct coverage_key){from->key.exporter, from->key.domain, from->key.protocol},
               from->last_heard_ms);
    if (!heard)
        return WEIR_ENOMEM;
    add(&heard->row, &from->counts, from->first_heard_ms, from->last_heard_ms);
    if (from->counts.datagrams && from->key.minute_ms != heard->minute_ms) {
        heard->minute_ms = from->key.minute_ms; /* once, however many sessions were heard in it */
        heard->row.minutes++;
    }
    return WEIR_OK;
}

bool coverage_add(struct coverage *c, const struct heard *rows, size_t count,
                  const struct account_counts *counts)
{
    account_counts_add(&c->counts, counts);
    for (size_t i = 0; i < count; i++) {
        const struct coverage_row *from = &rows[i].row;
        struct heard *heard =
            row_of(c, (struct coverage_key){from->exporter, from->domain, from->protocol},
                   from->last_heard_ms);
        if (!heard)
            return false;
        add(&heard->row, &from->counts, from->first_heard_ms, from->last_heard_ms);
        heard->row.minutes += from->minutes;
    }
    return true;
}

void coverage_free(struct coverage *c)
{
    free(c->rows);
    free(c->slots);
    *c = COVERAGE_EMPTY;
}
