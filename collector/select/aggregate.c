/* aggregate.c - see aggregate.h. Works column by column: hashes, then groups, then sums.
 * Neighbour: selection.c says which rows and keys. */
#include "select/aggregate.h"
#include "base/time.h"
#include "flow/selection.h"
#include <string.h>

#define COLUMNS_MOST (FLOW_TYPE_KEYS_MOST + 16u)

static const ie_key always[] = {
    WEIR_EXPORTER,      WEIR_DOMAIN,          WEIR_SRC_TAG,          WEIR_DST_TAG,
    WEIR_SAMPLING_RATE, WEIR_SAMPLING_ORIGIN, WEIR_OBSERVATION_ROLE, WEIR_ANONYMISATION,
};

struct aggregation {
    struct batch *batch;
    const struct column *keys[COLUMNS_MOST];
    size_t key_count;
    const uint64_t *ends; /* WEIR_FLOW_END; NULL: none */
    uint32_t *rows;       /* those to aggregate, in order */
    uint32_t *leaders;    /* of rows[i]: the row it becomes part of */
    uint64_t *hashes;
    uint32_t count;
};

static struct column *find(struct batch *b, ie_key key)
{
    for (size_t i = 0; i < batch_column_count(b); i++)
        if (batch_column_at(b, i)->key == key)
            return batch_column_at(b, i);
    return NULL;
}

static bool has(const struct column *c, uint32_t row)
{
    return c->present[row / 64] >> row % 64 & 1;
}

static bool is_counter(const struct column *c)
{
    const struct ie *ie = ie_find(ie_key_pen(c->key), ie_key_id(c->key));
    return ie && c->width >= 1 && c->width <= 8 && strcmp(ie->semantics, "deltaCounter") == 0;
}

/* ---- who agrees with whom ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t hash_octets_of(const struct octets *o)
{
    uint64_t h = o->length;
    for (uint32_t i = 0; i < o->length; i++)
        h = (h ^ o->bytes[i]) * UINT64_C(0x100000001b3);
    return h;
}

#define HASH_AS(type)                                                                              \
    for (uint32_t i = 0; i < g->count; i++)                                                        \
        g->hashes[i] = mix(g->hashes[i], ((const type *)c->values)[g->rows[i]]);                   \
    break

static void hash_column(const struct aggregation *g, const struct column *c)
{
    const struct octets *octets = c->values;
    const uint64_t(*sixteen)[2] = c->values;
    switch (c->width) {
    case 1:
        HASH_AS(uint8_t);
    case 2:
        HASH_AS(uint16_t);
    case 4:
        HASH_AS(uint32_t);
    case 8:
        HASH_AS(uint64_t);
    case 16:
        for (uint32_t i = 0; i < g->count; i++) {
            const uint64_t *halves = sixteen[g->rows[i]];
            g->hashes[i] = mix(mix(g->hashes[i], halves[0]), halves[1]);
        }
        break;
    default:
        for (uint32_t i = 0; i < g->count; i++)
            g->hashes[i] = mix(g->hashes[i], hash_octets_of(&octets[g->rows[i]]));
    }
}

static bool same_value(const struct column *c, uint32_t a, uint32_t b)
{
    const uint8_t *values = c->values;
    if (has(c, a) != has(c, b))
        return false;
    if (c->width)
        return memcmp(values + (size_t)a * c->width, values + (size_t)b * c->width, c->width) == 0;
    const struct octets *x = (const struct octets *)c->values + a,
                        *y = (const struct octets *)c->values + b;
    return x->length == y->length && (!x->length || memcmp(x->bytes, y->bytes, x->length) == 0);
}

static int64_t minute_at(const struct aggregation *g, uint32_t row)
{
    return g->ends ? minute_of((int64_t)g->ends[row]) : 0;
}

static bool agree(const struct aggregation *g, uint32_t a, uint32_t b)
{
    if (minute_at(g, a) != minute_at(g, b))
        return false;
    for (size_t k = 0; k < g->key_count; k++)
        if (!same_value(g->keys[k], a, b))
            return false;
    return true;
}

static void hash_rows(const struct aggregation *g, uint64_t seed)
{
    for (uint32_t i = 0; i < g->count; i++)
        g->hashes[i] = mix(seed, (uint64_t)minute_at(g, g->rows[i]));
    for (size_t k = 0; k < g->key_count; k++)
        hash_column(g, g->keys[k]);
}

/* The first row of its kind leads. `slots` is zero, a power of two of them. */
static void find_leaders(const struct aggregation *g, uint32_t *slots, uint32_t mask)
{
    for (uint32_t i = 0; i < g->count; i++) {
        uint64_t at = (g->hashes[i] >> 20) & mask;
        while (slots[at] && !agree(g, g->rows[slots[at] - 1], g->rows[i]))
            at = (at + 1) & mask;
        if (!slots[at])
            slots[at] = i + 1;
        g->leaders[i] = g->rows[slots[at] - 1];
    }
}

/* ---- what the leaders become ---- */

static void add_counter(const struct aggregation *g, size_t index)
{
    struct column *c = batch_column_at(g->batch, index);
    uint64_t *values = c->values;
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->leaders[i] == g->rows[i] || !has(c, g->rows[i]))
            continue;
        values[g->leaders[i]] += values[g->rows[i]];
        batch_mark(g->batch, index, g->leaders[i], 1);
    }
}

static void count_flows(const struct aggregation *g, size_t index)
{
    uint64_t *flows = batch_column_at(g->batch, index)->values;
    for (uint32_t i = 0; i < g->count; i++) {
        uint64_t own = flows[g->rows[i]] ? flows[g->rows[i]] : 1;
        if (g->leaders[i] == g->rows[i]) {
            flows[g->rows[i]] = own;
            batch_mark(g->batch, index, g->rows[i], 1);
        } else {
            flows[g->leaders[i]] += own;
        }
    }
}

enum bound { LEAST, MOST };
static const struct {
    ie_key key;
    enum bound bound;
} spans[] = {
    {WEIR_FLOW_START, LEAST},
    {WEIR_FLOW_END, MOST},
    {WEIR_EXPORT_TIME, MOST},
};

static void widen_span(const struct aggregation *g, struct column *c, enum bound bound)
{
    int64_t *values = c->values;
    for (uint32_t i = 0; i < g->count; i++) {
        int64_t v = values[g->rows[i]], *to = &values[g->leaders[i]];
        if (bound == LEAST ? v < *to : v > *to)
            *to = v;
    }
}

static void worst_origin(const struct aggregation *g, struct column *c)
{
    uint8_t *values = c->values;
    for (uint32_t i = 0; i < g->count; i++)
        if (values[g->rows[i]] > values[g->leaders[i]])
            values[g->leaders[i]] = values[g->rows[i]];
}

static bool stays(const struct aggregation *g, const struct column *c)
{
    for (size_t k = 0; k < g->key_count; k++)
        if (g->keys[k] == c)
            return true;
    for (size_t k = 0; k < sizeof spans / sizeof *spans; k++)
        if (spans[k].key == c->key)
            return true;
    return c->key == WEIR_TIME_ORIGIN || c->key == WEIR_FLOW_COUNT || is_counter(c);
}

static void clear_rest(const struct aggregation *g)
{
    for (size_t index = 0; index < batch_column_count(g->batch); index++) {
        struct column *c = batch_column_at(g->batch, index);
        size_t size = c->width ? c->width : sizeof(struct octets);
        if (stays(g, c))
            continue;
        for (uint32_t i = 0; i < g->count; i++) {
            uint32_t row = g->rows[i];
            uint64_t bit = UINT64_C(1) << row % 64;
            memset((uint8_t *)c->values + row * size, 0, size);
            c->present_rows -= (c->present[row / 64] & bit) != 0;
            c->present[row / 64] &= ~bit;
        }
    }
}

static void merge(const struct aggregation *g, size_t flow_count)
{
    for (size_t index = 0; index < batch_column_count(g->batch); index++) {
        struct column *c = batch_column_at(g->batch, index);
        if (index != flow_count && is_counter(c) && c->width == 8)
            add_counter(g, index);
        for (size_t k = 0; k < sizeof spans / sizeof *spans; k++)
            if (c->key == spans[k].key && c->width == 8)
                widen_span(g, c, spans[k].bound);
        if (c->key == WEIR_TIME_ORIGIN && c->width == 1)
            worst_origin(g, c);
    }
    count_flows(g, flow_count);
    clear_rest(g);
}

/* ---- all of it ---- */

/* Counters get the width that sums need, and the flow count its column, before pointers are taken.
 */
static enum weir_status make_columns(struct batch *b, size_t *flow_count)
{
    enum weir_status status = batch_column(b, WEIR_FLOW_COUNT, 8, flow_count);
    for (size_t i = 0; status == WEIR_OK && i < batch_column_count(b); i++) {
        const struct column *c = batch_column_at(b, i);
        size_t same;
        if (is_counter(c) && c->width < 8)
            status = batch_column(b, c->key, 8, &same);
    }
    return status;
}

static void list_keys(struct aggregation *g, const ie_key *keys, size_t count)
{
    for (size_t i = 0; i < sizeof always / sizeof *always + count; i++) {
        size_t own = i - sizeof always / sizeof *always;
        ie_key key = i < sizeof always / sizeof *always ? always[i] : keys[own];
        const struct column *c = find(g->batch, key);
        if (c && c->present_rows && g->key_count < COLUMNS_MOST)
            g->keys[g->key_count++] = c;
    }
    const struct column *end = find(g->batch, WEIR_FLOW_END);
    g->ends = end && end->width == 8 ? end->values : NULL;
}

static bool list_rows(struct aggregation *g, const uint64_t *rows, struct arena *a)
{
    uint32_t all = batch_rows(g->batch);
    g->rows = arena_alloc(a, ((size_t)all + 64) * sizeof *g->rows);
    g->leaders = arena_alloc(a, ((size_t)all + 64) * sizeof *g->leaders);
    g->hashes = arena_alloc(a, ((size_t)all + 64) * sizeof *g->hashes);
    if (!g->rows || !g->leaders || !g->hashes)
        return false;
    for (uint32_t w = 0; w < (all + 63) / 64; w++)
        for (uint64_t bits = rows[w]; bits; bits &= bits - 1)
            g->rows[g->count++] = w * 64 + (uint32_t)__builtin_ctzll(bits);
    return true;
}

enum weir_status aggregate_rows(struct batch *b, const uint64_t *rows, const ie_key *keys,
                                size_t key_count, uint64_t seed, struct arena *a, uint64_t *keep)
{
    struct aggregation g = {.batch = b};
    size_t flow_count;
    uint32_t slot_count = 64;
    if (!list_rows(&g, rows, a))
        return WEIR_ENOMEM;
    while (slot_count < 2 * g.count)
        slot_count *= 2;
    uint32_t *slots = arena_zero(a, slot_count * sizeof *slots);
    enum weir_status status = slots ? make_columns(b, &flow_count) : WEIR_ENOMEM;
    if (status != WEIR_OK)
        return status;
    list_keys(&g, keys, key_count);
    hash_rows(&g, seed);
    find_leaders(&g, slots, slot_count - 1);
    merge(&g, flow_count);
    for (uint32_t i = 0; i < g.count; i++)
        if (g.leaders[i] != g.rows[i])
            keep[g.rows[i] / 64] &= ~(UINT64_C(1) << g.rows[i] % 64);
    return WEIR_OK;
}
