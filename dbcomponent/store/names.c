/* names.c - what exporters call their interfaces, VRFs, applications and samplers, out of stored
 * options data (store_names()). Neighbours: blocks.c decodes; reader_blocks() finds blocks. */
#include "store/inside.h"
#include <stdlib.h>
#include <string.h>

#define COMPACT_FIRST 4096u
#define TEXT_MOST 1024u /* octets of a name that are kept */

/* Which elements may hold the number, and which the name; the first that a record has counts. */
struct source {
    enum name_kind kind;
    ie_key numbers[4], names[2], description;
};
static const struct source sources[] = {
    {NAME_INTERFACE, {IANA(10), IANA(14), WEIR_V9_SCOPE(2), IANA(252)}, {IANA(82), 0}, IANA(83)},
    {NAME_VRF, {IANA(234), IANA(235), 0, 0}, {IANA(236), 0}, 0},
    {NAME_APPLICATION, {IANA(95), 0, 0, 0}, {IANA(96), 0}, IANA(94)},
    {NAME_SAMPLER, {IANA(48), IANA(302), 0, 0}, {IANA(84), IANA(335)}, 0},
};
#define SOURCES (sizeof sources / sizeof *sources)

struct gathering {
    struct name_entry *list;
    size_t count, room, compact_at;
    struct arena texts; /* of the entries */
    struct arena block;
    struct weir_error *error;
};

/* ---- entries ---- */

static int same_thing(const struct name_entry *a, const struct name_entry *b)
{
    int order = memcmp(&a->exporter, &b->exporter, sizeof a->exporter);
    if (order)
        return order;
    if (a->domain != b->domain)
        return a->domain < b->domain ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* The latest of equal things first. */
static int compare(const void *left, const void *right)
{
    const struct name_entry *a = left, *b = right;
    int order = same_thing(a, b);
    return order ? order : a->told_ms > b->told_ms ? -1 : a->told_ms < b->told_ms;
}

/* The list has equal things together, the latest first. */
static void merge_into(struct name_entry *kept, const struct name_entry *earlier)
{
    if (earlier->first_told_ms < kept->first_told_ms)
        kept->first_told_ms = earlier->first_told_ms;
}

/* An exporter repeats its names every few minutes: keeps the latest of each. */
static void compact(struct gathering *g)
{
    size_t kept = 0;
    if (g->count)
        qsort(g->list, g->count, sizeof *g->list, compare);
    for (size_t i = 0; i < g->count; i++)
        if (i == 0 || same_thing(&g->list[i], &g->list[kept - 1]) != 0)
            g->list[kept++] = g->list[i];
        else
            merge_into(&g->list[kept - 1], &g->list[i]);
    g->count = kept;
    g->compact_at = kept * 2 > COMPACT_FIRST ? kept * 2 : COMPACT_FIRST;
}

static bool add(struct gathering *g, const struct name_entry *entry)
{
    if (g->count == g->compact_at)
        compact(g);
    if (g->count == g->room) {
        size_t room = g->room ? 2 * g->room : COMPACT_FIRST;
        struct name_entry *list = realloc(g->list, room * sizeof *list);
        if (!list)
            return false;
        g->list = list;
        g->room = room;
    }
    g->list[g->count++] = *entry;
    return true;
}

/* ---- rows ---- */

static const struct vector *first_of(const struct frame *f, const ie_key *keys, size_t n,
                                     uint32_t row)
{
    for (size_t i = 0; i < n && keys[i]; i++) {
        const struct vector *v = frame_find(f, keys[i]);
        if (v && vector_has(v, row))
            return v;
    }
    return NULL;
}

/* Octets (an applicationId, a scope of NetFlow v9) are a number of network order. */
static uint64_t number_at(const struct vector *v, uint32_t row)
{
    if (v->width >= 1 && v->width <= 8)
        return vector_u64(v, row);
    struct octets o = vector_octets(v, row);
    uint64_t number = 0;
    for (uint32_t i = 0; i < o.length; i++)
        number = number << 8 | o.bytes[i];
    return number;
}

/* Without the NULs that fields of fixed length end in. "" when there is none, NULL: no memory. */
static const char *text_at(struct gathering *g, const struct vector *v, uint32_t row)
{
    if (!v || v->width || !vector_has(v, row))
        return "";
    struct octets o = vector_octets(v, row);
    const uint8_t *nul = o.length ? memchr(o.bytes, 0, o.length) : NULL;
    size_t length = nul ? (size_t)(nul - o.bytes) : o.length;
    if (length > TEXT_MOST)
        length = TEXT_MOST;
    char *text = arena_alloc(&g->texts, length + 1);
    if (!text)
        return NULL;
    if (length)
        memcpy(text, o.bytes, length);
    text[length] = '\0';
    return text;
}

static bool read_row(struct gathering *g, const struct source *s, const struct frame *f,
                     uint32_t row)
{
    const struct vector *name = first_of(f, s->names, 2, row);
    const struct vector *number = first_of(f, s->numbers, 4, row);
    const struct vector *exporter = frame_find(f, WEIR_EXPORTER),
                        *told = frame_find(f, WEIR_EXPORT_TIME);
    const struct vector *domain = frame_find(f, WEIR_DOMAIN);
    if (!name || name->width || !number || !exporter || exporter->width != 16)
        return true;
    struct name_entry e = {.kind = s->kind, .number = number_at(number, row)};
    memcpy(e.exporter.octets, vector_octets(exporter, row).bytes, 16);
    e.domain = domain ? (uint32_t)vector_u64(domain, row) : 0;
    e.told_ms = e.first_told_ms = told ? (int64_t)vector_u64(told, row) : 0;
    e.element = name->key;
    e.octets = number->width ? 0 : vector_octets(number, row).length;
    e.name = text_at(g, name, row);
    e.description = text_at(g, s->description ? frame_find(f, s->description) : NULL, row);
    return e.name && e.description && add(g, &e);
}

/* ---- blocks ---- */

static bool tells_names(const struct block_record *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        for (size_t s = 0; s < SOURCES; s++)
            if (b->columns[i].key == sources[s].names[0] ||
                (sources[s].names[1] && b->columns[i].key == sources[s].names[1]))
                return true;
    return false;
}

static size_t wanted_keys(ie_key out[3 + 7 * SOURCES])
{
    size_t n = 0;
    out[n++] = WEIR_EXPORTER;
    out[n++] = WEIR_DOMAIN;
    out[n++] = WEIR_EXPORT_TIME;
    for (size_t s = 0; s < SOURCES; s++) {
        for (size_t i = 0; i < 4 && sources[s].numbers[i]; i++)
            out[n++] = sources[s].numbers[i];
        for (size_t i = 0; i < 2 && sources[s].names[i]; i++)
            out[n++] = sources[s].names[i];
        if (sources[s].description)
            out[n++] = sources[s].description;
    }
    return n;
}

static enum weir_status read_block(struct gathering *g, struct reader *r, int64_t id)
{
    struct block_record b;
    struct frame f;
    ie_key keys[3 + 7 * SOURCES];
    arena_reset(&g->block);
    enum weir_status status = block_record_read(&r->sql, id, &g->block, &b, g->error);
    if (status != WEIR_OK || !tells_names(&b))
        return status;
    status = block_decode(&r->sql, &b, keys, wanted_keys(keys), &g->block, &f, g->error);
    for (size_t s = 0; status == WEIR_OK && s < SOURCES; s++)
        for (uint32_t row = 0; row < f.rows; row++)
            if (!read_row(g, &sources[s], &f, row))
                return weir_fail(g->error, WEIR_ENOMEM, "", "out of memory for names");
    return status;
}

static enum weir_status read_blocks(struct gathering *g, struct reader *r, struct interval when)
{
    struct arena a = {0};
    struct stored_block *blocks;
    size_t count = 0;
    enum weir_status status = reader_blocks(r, RECORD_OPTIONS, when, &a, &blocks, &count, g->error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++)
        status = read_block(g, r, blocks[i].rowid);
    arena_free(&a);
    arena_free(&g->block);
    return status;
}

void names_free(struct names *n)
{
    struct gathering *g = n->memory;
    if (g) {
        arena_free(&g->texts);
        free(g->list);
        free(g);
    }
    *n = (struct names){0};
}

enum weir_status store_names(struct store *s, struct interval when, struct names *out,
                             struct weir_error *error)
{
    struct reader *r;
    *out = (struct names){0};
    struct gathering *g = calloc(1, sizeof *g);
    if (!g)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    out->memory = g;
    g->error = error;
    g->compact_at = COMPACT_FIRST;
    enum weir_status status = reader_open(s, &r, error);
    if (status == WEIR_OK) {
        status = read_blocks(g, r, when);
        status = reader_end(r, status, error);
    }
    if (status != WEIR_OK) {
        names_free(out);
        return status;
    }
    compact(g);
    out->list = g->list;
    out->count = g->count;
    return WEIR_OK;
}
