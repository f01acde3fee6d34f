/* rollups.c - the hash table that blocks are rolled up in (rollups.h). Neighbours: append.c fills
 * it from a new block, segment.c writes and reads it, segment_table.c, verify.c and levels.c sum
 * what is stored. */
#include "store/rollups.h"
#include <stdlib.h>
#include <string.h>

struct rollups {
    struct rollup_group *groups;
    uint32_t *slots; /* index + 1; 0: empty */
    uint32_t count, room, mask;
    struct rollup_context *contexts;
    uint32_t *context_slots;
    uint32_t context_count, context_room, context_mask;
    struct arena policies; /* of the contexts */
    uint32_t part, parts;  /* what is taken; parts below 2: all */
};

/* KEY_EXPORTER to KEY_POLICY make the context. */
enum {
    KEY_END, KEY_EXPORTER, KEY_DOMAIN, KEY_RATE, KEY_ORIGIN, KEY_ROLE, KEY_POLICY,
    KEY_SRC, KEY_DST, KEY_PROTOCOL, KEY_OCTETS, KEY_PACKETS, KEY_FLOWS, KEY_COUNT
};
const ie_key rollup_keys[KEY_COUNT] = {
    [KEY_END] = WEIR_FLOW_END,       [KEY_EXPORTER] = WEIR_EXPORTER,
    [KEY_DOMAIN] = WEIR_DOMAIN,      [KEY_RATE] = WEIR_SAMPLING_RATE,
    [KEY_ORIGIN] = WEIR_SAMPLING_ORIGIN, [KEY_SRC] = WEIR_SRC_TAG,
    [KEY_DST] = WEIR_DST_TAG,        [KEY_PROTOCOL] = IANA(4),
    [KEY_OCTETS] = WEIR_OCTETS,      [KEY_PACKETS] = WEIR_PACKETS,
    [KEY_ROLE] = WEIR_OBSERVATION_ROLE, [KEY_POLICY] = WEIR_ANONYMISATION,
    [KEY_FLOWS] = WEIR_FLOW_COUNT,
};
const size_t rollup_key_count = KEY_COUNT;
/* 0: an exporter may send more octets than the type has, so 1 to 8. */
static const uint8_t widths[KEY_COUNT] = {
    [KEY_END] = 8, [KEY_EXPORTER] = 16, [KEY_DOMAIN] = 4, [KEY_RATE] = 8,    [KEY_ORIGIN] = 1,
    [KEY_SRC] = 4, [KEY_DST] = 4,       [KEY_OCTETS] = 8, [KEY_PACKETS] = 8, [KEY_FLOWS] = 8,
    [KEY_ROLE] = 1,
};

#define FIRST_ROOM 1024u
#define SHRINK_ROOM (1u << 17)
#define FIRST_CONTEXTS 16u

/* ---- life ---- */

static void free_lists(struct rollups *r)
{
    free(r->groups);
    free(r->slots);
    free(r->contexts);
    free(r->context_slots);
}

/* An empty table of the first size. */
static bool make_lists(struct rollups *r)
{
    r->room = FIRST_ROOM;
    r->mask = 2 * FIRST_ROOM - 1;
    r->context_room = FIRST_CONTEXTS;
    r->context_mask = 2 * FIRST_CONTEXTS - 1;
    r->groups = malloc(r->room * sizeof *r->groups);
    r->slots = calloc(r->mask + 1, sizeof *r->slots);
    r->contexts = malloc(r->context_room * sizeof *r->contexts);
    r->context_slots = calloc(r->context_mask + 1, sizeof *r->context_slots);
    return r->groups && r->slots && r->contexts && r->context_slots;
}

struct rollups *rollups_new(void)
{
    struct rollups *r = calloc(1, sizeof *r);
    if (!r || make_lists(r))
        return r;
    rollups_free(r);
    return NULL;
}

void rollups_free(struct rollups *r)
{
    if (!r)
        return;
    free_lists(r);
    arena_free(&r->policies);
    free(r);
}

/* One block of many groups must not make every later clearing dear. */
static void shrink(struct rollups *r)
{
    struct rollups small = *r;
    if (!make_lists(&small)) {
        free_lists(&small);
        return;
    }
    free_lists(r);
    arena_free(&small.policies);
    *r = small;
}

void rollups_clear(struct rollups *r)
{
    r->part = r->parts = 0;
    if (r->room > SHRINK_ROOM || r->context_room > SHRINK_ROOM)
        shrink(r);
    memset(r->slots, 0, (r->mask + 1) * sizeof *r->slots);
    memset(r->context_slots, 0, (r->context_mask + 1) * sizeof *r->context_slots);
    r->count = r->context_count = 0;
    arena_reset(&r->policies);
}

void rollups_take_part(struct rollups *r, uint32_t part, uint32_t parts)
{
    rollups_clear(r);
    r->part = part;
    r->parts = parts;
}

size_t rollups_count(const struct rollups *r)
{
    return r->count;
}

const struct rollup_context *rollups_context_at(const struct rollups *r, uint32_t number)
{
    return &r->contexts[number];
}

/* ---- hashing ---- */

static inline uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

static inline uint64_t group_hash(int64_t minute_ms, uint64_t tags, uint64_t place)
{
    return mix((uint64_t)minute_ms * UINT64_C(0x9e3779b97f4a7c15) ^
               tags * UINT64_C(0xc2b2ae3d27d4eb4f) ^ place * UINT64_C(0x165667b19e3779f9));
}

static uint64_t context_hash(const struct rollup_context *c)
{
    uint64_t place = (uint64_t)c->domain << 32 | (uint32_t)c->role << 8 | c->origin;
    uint64_t h = mix(c->rate_bits ^ place);
    for (unsigned i = 0; i < c->policy_length; i++)
        h = (h ^ (uint8_t)c->policy[i]) * UINT64_C(0x100000001b3);
    return mix(h ^ load_le64(c->exporter.octets) ^ mix(load_le64(c->exporter.octets + 8)));
}

static bool context_equal(const struct rollup_context *a, const struct rollup_context *b)
{
    return a->rate_bits == b->rate_bits && a->domain == b->domain && a->origin == b->origin &&
           a->role == b->role && a->policy_length == b->policy_length &&
           (a->policy_length == 0 || memcmp(a->policy, b->policy, a->policy_length) == 0) &&
           memcmp(&a->exporter, &b->exporter, sizeof a->exporter) == 0;
}

void rollup_context_policy(struct rollup_context *c, const char *text, size_t length)
{
    c->policy = text;
    c->policy_length =
        (uint8_t)(length < ANONYMISATION_TEXT_SIZE ? length : ANONYMISATION_TEXT_SIZE - 1);
}

/* Neighbours mostly have the same. */
static const char *keep_policy(struct rollups *r, const struct rollup_context *c)
{
    const struct rollup_context *last =
        r->context_count ? &r->contexts[r->context_count - 1] : NULL;
    if (c->policy_length == 0)
        return "";
    if (last && last->policy_length == c->policy_length &&
        memcmp(last->policy, c->policy, c->policy_length) == 0)
        return last->policy;
    return arena_copy(&r->policies, c->policy, c->policy_length);
}

static bool grow_contexts(struct rollups *r)
{
    uint32_t room = r->context_room * 2, mask = 2 * room - 1;
    struct rollup_context *contexts = realloc(r->contexts, room * sizeof *contexts);
    uint32_t *slots = calloc((size_t)mask + 1, sizeof *slots);
    if (contexts)
        r->contexts = contexts;
    if (!contexts || !slots) {
        free(slots);
        return false;
    }
    for (uint32_t i = 0; i < r->context_count; i++) {
        uint64_t at = context_hash(&contexts[i]) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = i + 1;
    }
    free(r->context_slots);
    r->context_slots = slots;
    r->context_room = room;
    r->context_mask = mask;
    return true;
}

bool rollups_context(struct rollups *r, const struct rollup_context *c, uint32_t *number)
{
    if (r->context_count == r->context_room && !grow_contexts(r))
        return false;
    uint64_t at = context_hash(c) & r->context_mask;
    while (r->context_slots[at]) {
        *number = r->context_slots[at] - 1;
        if (context_equal(&r->contexts[*number], c))
            return true;
        at = (at + 1) & r->context_mask;
    }
    const char *policy = keep_policy(r, c);
    if (!policy)
        return false;
    *number = r->context_count++;
    r->contexts[*number] = *c;
    r->contexts[*number].policy = policy;
    r->context_slots[at] = *number + 1;
    return true;
}

static bool grow_groups(struct rollups *r)
{
    if (r->room > UINT32_MAX / 4)
        return false;
    uint32_t room = r->room * 2, mask = 2 * room - 1;
    struct rollup_group *groups = realloc(r->groups, room * sizeof *groups);
    uint32_t *slots = calloc((size_t)mask + 1, sizeof *slots);
    if (groups)
        r->groups = groups;
    if (!groups || !slots) {
        free(slots);
        return false;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        const struct rollup_group *g = &groups[i];
        uint64_t at = group_hash(g->minute_ms, g->tags, g->place) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = i + 1;
    }
    free(r->slots);
    r->slots = slots;
    r->room = room;
    r->mask = mask;
    return true;
}

/* The group of a key; made with zero counts. Room for one more is the caller's care. */
static inline struct rollup_group *group_of(struct rollups *r, int64_t minute_ms, uint64_t tags,
                                            uint64_t place)
{
    uint64_t at = group_hash(minute_ms, tags, place) & r->mask;
    while (r->slots[at]) {
        struct rollup_group *g = &r->groups[r->slots[at] - 1];
        if (g->minute_ms == minute_ms && g->tags == tags && g->place == place)
            return g;
        at = (at + 1) & r->mask;
    }
    struct rollup_group *g = &r->groups[r->count++];
    r->slots[at] = r->count;
    *g = (struct rollup_group){.minute_ms = minute_ms, .tags = tags, .place = place};
    return g;
}

static inline void add(uint64_t *sum, int64_t *carry, uint64_t more, int sign)
{
    if (sign > 0)
        *carry += __builtin_add_overflow(*sum, more, sum);
    else
        *carry -= __builtin_sub_overflow(*sum, more, sum);
}

/* Segments' carries are bounded (segment.c), so this ends far from the type's. */
static inline void carry_on(int64_t *carry, int64_t more, int sign)
{
    if (more && __builtin_add_overflow(*carry, sign * more, carry))
        *carry = sign > 0 ? INT64_MAX / 2 : INT64_MIN / 2;
}

bool rollups_add(struct rollups *r, const struct rollup_group *g, int sign)
{
    if (r->count == r->room && !grow_groups(r))
        return false;
    struct rollup_group *to = group_of(r, g->minute_ms, g->tags, g->place);
    add(&to->counts.octets, &to->carries.octets, g->counts.octets, sign);
    add(&to->counts.packets, &to->carries.packets, g->counts.packets, sign);
    add(&to->counts.flows, &to->carries.flows, g->counts.flows, sign);
    carry_on(&to->carries.octets, g->carries.octets, sign);
    carry_on(&to->carries.packets, g->carries.packets, sign);
    carry_on(&to->carries.flows, g->carries.flows, sign);
    return true;
}

bool rollups_takes(const struct rollups *r, const struct rollup_context *c,
                   const struct rollup_group *g)
{
    if (r->parts < 2)
        return true;
    uint64_t protocol = g->place & ((UINT64_C(1) << 33) - 1); /* and whether it has one */
    uint64_t h = mix(context_hash(c) ^ group_hash(g->minute_ms, g->tags, protocol));
    return (h & UINT32_MAX) * r->parts >> 32 == r->part;
}

bool rollups_join(struct rollups *r, const struct rollups *of, const struct rollup_group *groups,
                  size_t count, int sign)
{
    bool room = true;
    for (size_t i = 0; room && i < count; i++) {
        struct rollup_group g = groups[i];
        const struct rollup_context *c = &of->contexts[g.place >> 33];
        uint32_t number;
        if (!rollups_takes(r, c, &g))
            continue;
        room = rollups_context(r, c, &number);
        g.place = GROUP_PLACE(number, g.place >> 32 & 1, g.place);
        room = room && rollups_add(r, &g, sign);
    }
    return room;
}

/* ---- a frame of rows ---- */

/* A column read row by row without flattening it: the three forms differ in the index alone. */
struct cells {
    const void *values;
    const uint16_t *codes; /* DICTIONARY; else NULL */
    uint32_t mask;         /* FLAT: all ones; CONSTANT: 0 */
};

struct rows { /* what add_rows() reads */
    const struct vector *vectors[KEY_COUNT]; /* NULL: absent */
    struct cells end, octets, packets, src, dst;
    struct cells protocol8;   /* when it has its usual width of one octet */
    const struct vector *flows; /* NULL: each row is one flow */
    const uint8_t *changed;   /* row r has another context than row r - 1 */
};

static inline uint32_t cell_index(const struct cells *c, uint32_t row)
{
    return c->codes ? c->codes[row] : row & c->mask;
}

static inline uint64_t cell_u64(const struct cells *c, uint32_t row)
{
    return ((const uint64_t *)c->values)[cell_index(c, row)];
}

static inline uint32_t cell_u32(const struct cells *c, uint32_t row)
{
    return ((const uint32_t *)c->values)[cell_index(c, row)];
}

/* An absent element reads as zero. */
static struct cells cells_of(const struct vector *v)
{
    static const uint64_t zero;
    if (!v)
        return (struct cells){.values = &zero};
    return (struct cells){
        .values = v->values,
        .codes = v->form == VECTOR_DICTIONARY ? v->codes : NULL,
        .mask = v->form == VECTOR_FLAT ? UINT32_MAX : 0,
    };
}

static enum weir_status find_columns(const struct frame *f, struct rows *rows,
                                     struct weir_error *error)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct vector *v = frame_find(f, rollup_keys[i]);
        char name[IE_NAME_SIZE];
        bool fits = v && (i == KEY_POLICY ? v->width == 0
                          : widths[i]     ? v->width == widths[i]
                                          : v->width >= 1 && v->width <= 8);
        if (v && (v->rows != f->rows || !fits))
            return weir_fail(error, WEIR_EMALFORMED, ie_key_print(rollup_keys[i], name),
                             "column of %u octets and %u rows in a block of %u rows", v->width,
                             v->rows, f->rows);
        rows->vectors[i] = v;
    }
    const struct vector *end = rows->vectors[KEY_END];
    if (!end || end->present)
        return weir_fail(error, WEIR_EMALFORMED, "flowEnd", "a flow record has no flow end");
    return WEIR_OK;
}

#define MARK_CHANGES(type, array)                                                                  \
    do {                                                                                           \
        const type *at = (array);                                                                  \
        for (uint32_t i = 1; i < rows; i++)                                                        \
            changed[i] |= (uint8_t)(at[i] != at[i - 1]);                                           \
    } while (0)

static bool same_octets(struct octets a, struct octets b)
{
    return a.length == b.length &&
           (a.bytes == b.bytes || a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

/* Rows come in runs of one exporter's datagrams, so contexts are looked up where one changes. */
static void mark_changes(const struct vector *v, uint32_t rows, uint8_t *changed)
{
    if (!v || v->form == VECTOR_CONSTANT)
        return;
    if (v->form == VECTOR_DICTIONARY) {
        MARK_CHANGES(uint16_t, v->codes);
        return;
    }
    switch (v->width) {
    case 1: MARK_CHANGES(uint8_t, v->values); break;
    case 4: MARK_CHANGES(uint32_t, v->values); break;
    case 8: MARK_CHANGES(uint64_t, v->values); break;
    case 0: {
        const struct octets *at = v->values;
        for (uint32_t i = 1; i < rows; i++)
            changed[i] |= !same_octets(at[i], at[i - 1]);
        break;
    }
    default: { /* 16 */
        const uint8_t *at = v->values;
        for (uint32_t i = 1; i < rows; i++)
            changed[i] |= memcmp(at + 16 * (size_t)i, at + 16 * (size_t)i - 16, 16) != 0;
    }
    }
}

static enum weir_status prepare(const struct frame *f, struct rows *rows, struct arena *a,
                                struct weir_error *error)
{
    uint8_t *changed = arena_zero(a, f->rows);
    if (!changed)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for %u rows", f->rows);
    rows->end = cells_of(rows->vectors[KEY_END]);
    rows->octets = cells_of(rows->vectors[KEY_OCTETS]);
    rows->packets = cells_of(rows->vectors[KEY_PACKETS]);
    rows->src = cells_of(rows->vectors[KEY_SRC]);
    rows->dst = cells_of(rows->vectors[KEY_DST]);
    const struct vector *protocol = rows->vectors[KEY_PROTOCOL];
    if (protocol && protocol->width == 1)
        rows->protocol8 = cells_of(protocol);
    rows->flows = rows->vectors[KEY_FLOWS];
    changed[0] = 1;
    for (int key = KEY_EXPORTER; key <= KEY_POLICY; key++)
        mark_changes(rows->vectors[key], f->rows, changed);
    rows->changed = changed;
    return WEIR_OK;
}

static uint64_t number_at(const struct vector *v, uint32_t row)
{
    return v ? vector_u64(v, row) : 0;
}

static bool context_at(struct rollups *r, const struct rows *rows, uint32_t row, uint64_t *place)
{
    struct rollup_context c = {
        .rate_bits = number_at(rows->vectors[KEY_RATE], row),
        .domain = (uint32_t)number_at(rows->vectors[KEY_DOMAIN], row),
        .origin = (uint8_t)number_at(rows->vectors[KEY_ORIGIN], row),
        .role = (uint8_t)number_at(rows->vectors[KEY_ROLE], row),
    };
    uint32_t number;
    if (rows->vectors[KEY_EXPORTER])
        memcpy(&c.exporter, vector_octets(rows->vectors[KEY_EXPORTER], row).bytes, 16);
    if (rows->vectors[KEY_POLICY]) {
        struct octets policy = vector_octets(rows->vectors[KEY_POLICY], row);
        rollup_context_policy(&c, (const char *)policy.bytes, policy.length);
    }
    if (!rollups_context(r, &c, &number))
        return false;
    *place = GROUP_PLACE(number, 0, 0);
    return true;
}

/* Protocol and its presence as the lower 33 bits of a place. */
static inline uint64_t protocol_at(const struct rows *rows, uint32_t row)
{
    const struct vector *v = rows->vectors[KEY_PROTOCOL];
    if (!v || !vector_has(v, row))
        return 0;
    const struct cells *usual = &rows->protocol8;
    uint64_t value = usual->values ? ((const uint8_t *)usual->values)[cell_index(usual, row)]
                                   : vector_u64(v, row);
    return UINT64_C(1) << 32 | (value > UINT32_MAX ? UINT32_MAX : value);
}

/* How many flows a row stands for: one, unless it says (aggregated records); 0 means it does
 * not. */
static inline uint64_t flows_at(const struct rows *rows, uint32_t row)
{
    uint64_t said = rows->flows ? vector_u64(rows->flows, row) : 0;
    return said ? said : 1;
}

/* Minute of a flow's end. Ends so far off that their hour is no i64 any more go to the last that
 * is. */
static inline int64_t end_minute(uint64_t end)
{
    const int64_t least = INT64_MIN / PERIOD_MS * PERIOD_MS + PERIOD_MS;
    const int64_t most = INT64_MAX / PERIOD_MS * PERIOD_MS - PERIOD_MS;
    int64_t at = (int64_t)end;
    return minute_of(at < least ? least : at > most ? most : at);
}

static bool add_rows(struct rollups *r, const struct rows *rows, uint32_t count, int sign)
{
    uint64_t place = 0;
    for (uint32_t row = 0; row < count; row++) {
        if (rows->changed[row] && !context_at(r, rows, row, &place))
            return false;
        if (r->count == r->room && !grow_groups(r))
            return false;
        uint64_t tags = (uint64_t)cell_u32(&rows->src, row) << 32 | cell_u32(&rows->dst, row);
        struct rollup_group *g = group_of(r, end_minute(cell_u64(&rows->end, row)), tags,
                                          place | protocol_at(rows, row));
        add(&g->counts.octets, &g->carries.octets, cell_u64(&rows->octets, row), sign);
        add(&g->counts.packets, &g->carries.packets, cell_u64(&rows->packets, row), sign);
        add(&g->counts.flows, &g->carries.flows, flows_at(rows, row), sign);
    }
    return true;
}

enum weir_status rollups_add_frame(struct rollups *r, const struct frame *f, int sign,
                                   struct arena *a, struct weir_error *error)
{
    struct rows rows = {0};
    if (f->rows == 0)
        return WEIR_OK;
    enum weir_status status = find_columns(f, &rows, error);
    if (status == WEIR_OK)
        status = prepare(f, &rows, a, error);
    if (status == WEIR_OK && !add_rows(r, &rows, f->rows, sign))
        status = weir_fail(error, WEIR_ENOMEM, "", "out of memory for roll-ups");
    return status;
}

/* ---- giving out ---- */

static int group_compare(const void *left, const void *right)
{
    const struct rollup_group *a = left, *b = right;
    if (a->minute_ms != b->minute_ms)
        return a->minute_ms < b->minute_ms ? -1 : 1;
    if (a->place >> 33 != b->place >> 33)
        return a->place < b->place ? -1 : 1;
    if (a->tags != b->tags)
        return a->tags < b->tags ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static bool is_nothing(const struct rollup_group *g)
{
    return !(g->counts.octets | g->counts.packets | g->counts.flows) &&
           !(g->carries.octets | g->carries.packets | g->carries.flows);
}

const struct rollup_group *rollups_sorted_by(struct rollups *r, rollup_order *compare,
                                             size_t *count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->count; i++)
        if (!is_nothing(&r->groups[i]))
            r->groups[kept++] = r->groups[i];
    r->count = kept;
    qsort(r->groups, kept, sizeof *r->groups, compare);
    *count = kept;
    return r->groups;
}

const struct rollup_group *rollups_sorted(struct rollups *r, size_t *count)
{
    return rollups_sorted_by(r, group_compare, count);
}

void rollup_key_fill(struct rollup_key *out, const struct rollup_context *c,
                     const struct rollup_group *g)
{
    *out = (struct rollup_key){
        .minute_ms = g->minute_ms,
        .exporter = c->exporter,
        .domain = c->domain,
        .src_tag = (uint32_t)(g->tags >> 32),
        .dst_tag = (uint32_t)g->tags,
        .protocol = (uint32_t)g->place,
        .has_protocol = (uint8_t)(g->place >> 32 & 1),
        .sampling_origin = c->origin,
        .role = c->role,
        .policy = c->policy,
    };
    memcpy(&out->sampling_rate, &c->rate_bits, sizeof out->sampling_rate);
}
