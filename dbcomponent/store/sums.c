/* sums.c - see sums.h. Neighbours: rollups.c adds up, segment.c and levels.c read the file,
 * reader.c and levels.c ask, changes.c tells what is not true any more. */
#include "store/sums.h"
#include "store/inside.h"
#include "store/levels.h"
#include "store/segment.h"
#include <stdlib.h>
#include <string.h>

/* What the text of a policy takes: the first one, an arena's chunk. */
#define POLICY_OCTETS(first) ((first) ? 65536u : ANONYMISATION_TEXT_SIZE)

struct sums_key {
    struct rollup_key key; /* its minute is that of the row that was given last */
    uint64_t minutes; /* bit i: minute i has a cell; of a stretch, bit 0 */
    uint32_t first;   /* cell */
};

struct sums {
    bool used, is_hour;
    bool unkept; /* too much: there is nothing below */
    struct interval when;
    uint64_t stamp; /* of changes.h: what this says was true then, and is no less so now */
    uint64_t tick;  /* of the last use */
    struct sums_key *keys;
    size_t key_count;
    struct counts *cells;  /* from the hour's start to the minute's end, of the key */
    struct arena policies; /* their texts, the keys' */
    size_t octets;
};

struct sums_kept {
    struct sums list[SUMS_COUNT];
    size_t octets;
    uint64_t tick;
};

/* ---- life ---- */

static void empty(struct sums *s)
{
    free(s->keys);
    free(s->cells);
    arena_free(&s->policies);
    s->keys = NULL;
    s->cells = NULL;
    s->octets = s->key_count = 0;
}

static void forget(struct sums_kept *kept, struct sums *s)
{
    kept->octets -= s->octets;
    empty(s);
    *s = (struct sums){0};
}

void sums_free(struct sums_kept *kept)
{
    for (unsigned i = 0; kept && i < SUMS_COUNT; i++)
        forget(kept, &kept->list[i]);
    free(kept);
}

/* Those of `when` that are still true; NULL: none. */
static struct sums *find(struct sums_kept *kept, const struct changes *c, bool is_hour,
                         struct interval when)
{
    for (unsigned i = 0; i < SUMS_COUNT; i++) {
        struct sums *s = &kept->list[i];
        if (!s->used || s->is_hour != is_hour || s->when.from_ms != when.from_ms ||
            s->when.to_ms != when.to_ms)
            continue;
        if (changes_touch(c, s->stamp, when)) {
            forget(kept, s);
            return NULL;
        }
        s->stamp = c->stamp;
        s->tick = ++kept->tick;
        return s;
    }
    return NULL;
}

static struct sums *oldest(struct sums_kept *kept)
{
    struct sums *s = &kept->list[0];
    for (unsigned i = 1; i < SUMS_COUNT; i++)
        if (kept->list[i].tick < s->tick)
            s = &kept->list[i]; /* unused ones have tick 0 */
    return s;
}

/* Takes over what `s` has. */
static struct sums *keep(struct sums_kept *kept, const struct sums *s)
{
    struct sums *room = oldest(kept);
    forget(kept, room);
    while (kept->octets + s->octets > SUMS_MOST) {
        struct sums *next = &kept->list[0];
        for (unsigned i = 0; i < SUMS_COUNT; i++)
            if (kept->list[i].octets && (!next->octets || kept->list[i].tick < next->tick))
                next = &kept->list[i];
        forget(kept, next);
    }
    *room = *s;
    room->tick = ++kept->tick;
    kept->octets += s->octets;
    return room;
}

/* ---- from groups to cells ---- */

static bool same_key(const struct rollup_group *a, const struct rollup_group *b)
{
    return a->place == b->place && a->tags == b->tags;
}

static size_t count_keys(const struct rollup_group *groups, size_t count)
{
    size_t keys = 0;
    for (size_t i = 0; i < count; i++)
        keys += i == 0 || !same_key(&groups[i - 1], &groups[i]);
    return keys;
}

/* A key whose policy's text is the arena's; groups of one policy come together. */
static bool fill_key(struct sums *s, const struct rollup_context *c, const struct rollup_group *g,
                     struct sums_key *key)
{
    const char *before = key > s->keys ? key[-1].key.policy : "";
    rollup_key_fill(&key->key, c, g);
    if (strcmp(before, key->key.policy) == 0) {
        key->key.policy = before;
        return true;
    }
    s->octets += POLICY_OCTETS(!s->policies.chunks);
    key->key.policy = arena_copy(&s->policies, key->key.policy, strlen(key->key.policy));
    return key->key.policy != NULL;
}

/* `to` is `before` and `more`; false: one is past 2^64. */
static bool add_counts(struct counts *to, const struct counts *before, const struct counts *more)
{
    return !__builtin_add_overflow(before->octets, more->octets, &to->octets) &&
           !__builtin_add_overflow(before->packets, more->packets, &to->packets) &&
           !__builtin_add_overflow(before->flows, more->flows, &to->flows);
}

static bool has_carries(const struct rollup_group *g)
{
    return g->carries.octets || g->carries.packets || g->carries.flows;
}

static enum weir_status fill_cells(struct sums *s, const struct rollups *r,
                                   const struct rollup_group *groups, size_t count)
{
    static const struct counts nothing;
    struct sums_key *key = s->keys - 1;
    for (size_t i = 0; i < count; i++) {
        const struct rollup_group *g = &groups[i];
        bool starts = i == 0 || !same_key(&groups[i - 1], g);
        if (starts) {
            *++key = (struct sums_key){.first = (uint32_t)i};
            if (!fill_key(s, rollups_context_at(r, (uint32_t)(g->place >> 33)), g, key))
                return WEIR_ENOMEM;
        }
        key->minutes |= UINT64_C(1) << (g->minute_ms - s->when.from_ms) / MINUTE_MS;
        if (has_carries(g) ||
            !add_counts(&s->cells[i], starts ? &nothing : &s->cells[i - 1], &g->counts))
            s->unkept = true;
    }
    return WEIR_OK;
}

/* By key, then by minute. */
static int key_compare(const void *left, const void *right)
{
    const struct rollup_group *a = left, *b = right;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    if (a->tags != b->tags)
        return a->tags < b->tags ? -1 : 1;
    return a->minute_ms < b->minute_ms ? -1 : a->minute_ms > b->minute_ms;
}

/* What was added up in *r, whose groups are of minutes of s->when (of its first, in a stretch). */
static enum weir_status make(struct sums *s, struct rollups *r)
{
    size_t count;
    const struct rollup_group *groups = rollups_sorted_by(r, key_compare, &count);
    s->key_count = count_keys(groups, count);
    s->octets = s->key_count * sizeof *s->keys + count * sizeof *s->cells;
    s->unkept = s->octets > SUMS_MOST / 2;
    if (s->unkept)
        return WEIR_OK;
    s->keys = malloc(s->key_count * sizeof *s->keys + 1);
    s->cells = malloc(count * sizeof *s->cells + 1);
    enum weir_status status = s->keys && s->cells ? fill_cells(s, r, groups, count) : WEIR_ENOMEM;
    s->unkept |= s->octets > SUMS_MOST / 2;
    return status;
}

/* ---- from the file to groups ---- */

#define ROWS_A_LOOK 4096u /* how many are added before somebody is asked whether to go on */

struct adding { /* into a table, as if of one minute */
    const struct reader *reader;
    struct rollups *rollups;
    uint64_t rows;
    int64_t at_ms;
    bool too_many;
    struct weir_error *error;
};

static enum weir_status add_row(void *context, const struct rollup_key *key,
                                const struct counts *counts)
{
    struct adding *a = context;
    struct rollup_context c = {.exporter = key->exporter,
                               .domain = key->domain,
                               .origin = key->sampling_origin,
                               .role = key->role};
    uint32_t number;
    memcpy(&c.rate_bits, &key->sampling_rate, sizeof c.rate_bits);
    rollup_context_policy(&c, key->policy, strlen(key->policy));
    if (a->reader->go_on && ++a->rows % ROWS_A_LOOK == 0) {
        enum weir_status status = a->reader->go_on(a->reader->go_on_context, a->error);
        if (status != WEIR_OK)
            return status;
    }
    a->too_many = rollups_count(a->rollups) > SUMS_GROUPS_MOST;
    if (a->too_many)
        return WEIR_ELIMIT; /* ends the walk */
    bool room = rollups_context(a->rollups, &c, &number);
    const struct rollup_group g = {.minute_ms = a->at_ms,
                                   .tags = (uint64_t)key->src_tag << 32 | key->dst_tag,
                                   .place = GROUP_PLACE(number, key->has_protocol, key->protocol),
                                   .counts = *counts};
    return room && rollups_add(a->rollups, &g, 1)
               ? WEIR_OK
               : weir_fail(a->error, WEIR_ENOMEM, "", "out of memory for roll-ups");
}

static enum weir_status read_hour(struct reader *r, const struct sums *s, struct adding *a)
{
    enum weir_status status = WEIR_OK;
    int64_t groups = 0;
    struct query q = query_start(&r->sql, SQL_ROLLUP_RANGE);
    query_bind_i64(&q, MINUTE_MS);
    query_bind_i64(&q, s->when.from_ms);
    query_bind_i64(&q, s->when.from_ms);
    while (status == WEIR_OK && !a->too_many && query_row(&q) && query_sealed(&q)) {
        size_t length;
        const uint8_t *bytes = query_blob(&q, 1, &length);
        groups += query_i64(&q, 2);
        a->too_many = groups > SUMS_GROUPS_MOST;
        if (!a->too_many)
            status = segment_add(a->rollups, s->when.from_ms, bytes, length, 1, a->error);
    }
    enum weir_status ended = query_end(&q, status == WEIR_OK ? a->error : NULL);
    return status == WEIR_OK ? ended : status;
}

static enum weir_status walk_cells(const struct sums *s, struct interval when, bool apart,
                                   rollup_row row, void *context);
static enum weir_status get(struct reader *r, bool is_hour, struct interval when, bool cut,
                            struct sums **out, struct weir_error *error);

/* A part of a stretch that will stay when the whole does not. */
static enum weir_status add_part(struct reader *r, struct interval part, struct adding *a)
{
    struct sums *s = NULL;
    if (part.to_ms - part.from_ms <= 2 * PERIOD_MS)
        return levels_walk(r, part, INT64_MAX, add_row, a, a->error);
    enum weir_status status = get(r, false, part, false, &s, a->error);
    if (status != WEIR_OK)
        return status;
    if (s && !s->unkept)
        return walk_cells(s, part, false, add_row, a);
    return levels_walk(r, part, INT64_MAX, add_row, a, a->error);
}

static bool spans(struct interval when)
{
    return (uint64_t)when.to_ms - (uint64_t)when.from_ms <= INT64_MAX;
}

/* `cut`: in parts, at the edges near the hour in which things change. */
static enum weir_status read_stretch(struct reader *r, const struct sums *s, bool cut,
                                     struct adding *a)
{
    int64_t hot, at = s->when.from_ms;
    enum weir_status status = WEIR_OK;
    if (!cut || !spans(s->when) || !changes_latest(&r->changes, clock_now_ms() + PERIOD_MS, &hot) ||
        hot < PERIOD_MS)
        return levels_walk(r, s->when, INT64_MAX, add_row, a, a->error);
    hot -= PERIOD_MS; /* flows that ended before the last full hour still come */
    const int64_t cuts[] = {hot - hot % level_ms[2], hot - hot % level_ms[1], hot,
                            hot + 2 * PERIOD_MS};
    for (size_t i = 0; status == WEIR_OK && i < sizeof cuts / sizeof *cuts; i++)
        if (cuts[i] > at && cuts[i] < s->when.to_ms) {
            status = add_part(r, (struct interval){at, cuts[i]}, a);
            at = cuts[i];
        }
    return status == WEIR_OK ? add_part(r, (struct interval){at, s->when.to_ms}, a) : status;
}

static enum weir_status fill(struct reader *r, struct sums *s, bool cut, struct weir_error *error)
{
    struct adding a = {
        .reader = r, .rollups = rollups_new(), .at_ms = s->when.from_ms, .error = error};
    enum weir_status status = !a.rollups   ? WEIR_ENOMEM
                              : s->is_hour ? read_hour(r, s, &a)
                                           : read_stretch(r, s, cut, &a);
    if (a.too_many)
        status = WEIR_OK;
    else if (status == WEIR_OK)
        status = make(s, a.rollups);
    s->unkept |= a.too_many;
    rollups_free(a.rollups);
    return status;
}

/* The sums of `when`, made if need be; `*out` is NULL when there is no memory to keep any, and
 * valid until the next call. */
static enum weir_status get(struct reader *r, bool is_hour, struct interval when, bool cut,
                            struct sums **out, struct weir_error *error)
{
    const struct changes *c;
    enum weir_status status = reader_changes(r, &c, error);
    *out = NULL;
    if (!r->sums)
        r->sums = calloc(1, sizeof *r->sums);
    if (status != WEIR_OK || !r->sums || (*out = find(r->sums, c, is_hour, when)))
        return status;
    struct sums made = {.used = true, .is_hour = is_hour, .when = when, .stamp = c->stamp};
    status = fill(r, &made, cut, error);
    if (status != WEIR_OK || made.unkept)
        empty(&made);
    if (status == WEIR_OK)
        *out = keep(r->sums, &made);
    return status == WEIR_ENOMEM ? weir_fail(error, status, "", "out of memory for roll-ups")
                                 : status;
}

/* ---- from cells to rows ---- */

/* The bits of the minutes before t_ms. */
static uint64_t minutes_before(const struct sums *s, int64_t t_ms)
{
    if (t_ms <= s->when.from_ms)
        return 0;
    if (t_ms >= s->when.to_ms)
        return ~UINT64_C(0);
    return (UINT64_C(1) << (t_ms - s->when.from_ms) / MINUTE_MS) - 1;
}

/* How many bits are set; counted in parts, since not every processor that this is made for has an
 * instruction for it, and its function in the compiler's library takes twice as long. */
static inline uint32_t bits_of(uint64_t w)
{
    w -= w >> 1 & UINT64_C(0x5555555555555555);
    w = (w & UINT64_C(0x3333333333333333)) + (w >> 2 & UINT64_C(0x3333333333333333));
    w = (w + (w >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(w * UINT64_C(0x0101010101010101) >> 56);
}

/* The sums of the minutes in `until` that are not in `before`; at least one of the key's is. */
static inline struct counts difference(const struct sums *s, const struct sums_key *k,
                                       uint64_t before, uint64_t until)
{
    const struct counts *cells = &s->cells[k->first];
    struct counts c = cells[bits_of(k->minutes & until) - 1];
    if (k->minutes & before) {
        const struct counts *less = &cells[bits_of(k->minutes & before) - 1];
        c.octets -= less->octets;
        c.packets -= less->packets;
        c.flows -= less->flows;
    }
    return c;
}

/* A row of the cells of `minutes`, one or adjoining in the key. */
static inline enum weir_status give(const struct sums *s, struct sums_key *k, uint64_t before,
                                    uint64_t until, int64_t minute_ms, rollup_row row,
                                    void *context)
{
    const struct counts counts = difference(s, k, before, until);
    k->key.minute_ms = minute_ms;
    return row(context, &k->key, &counts);
}

static enum weir_status give_apart(const struct sums *s, struct sums_key *k, uint64_t wanted,
                                   rollup_row row, void *context)
{
    enum weir_status status = WEIR_OK;
    for (uint64_t left = wanted; status == WEIR_OK && left; left &= left - 1) {
        uint64_t bit = left & -left;
        status = give(s, k, bit - 1, bit | (bit - 1),
                      s->when.from_ms + __builtin_ctzll(bit) * MINUTE_MS, row, context);
    }
    return status;
}

static enum weir_status walk_cells(const struct sums *s, struct interval when, bool apart,
                                   rollup_row row, void *context)
{
    enum weir_status status = WEIR_OK;
    uint64_t before = minutes_before(s, when.from_ms), until = minutes_before(s, when.to_ms);
    int64_t first = when.from_ms > s->when.from_ms ? when.from_ms : s->when.from_ms;
    for (size_t i = 0; status == WEIR_OK && i < s->key_count; i++) {
        struct sums_key *k = &s->keys[i];
        uint64_t wanted = k->minutes & until & ~before;
        if (wanted)
            status = apart ? give_apart(s, k, wanted, row, context)
                           : give(s, k, before, until, first, row, context);
    }
    return status;
}

enum weir_status sums_walk_hour(struct reader *r, int64_t period_ms, struct interval when,
                                bool apart, rollup_row row, void *context, bool *done,
                                struct weir_error *error)
{
    struct sums *s;
    const struct interval hour = {period_ms, period_ms + PERIOD_MS};
    enum weir_status status = get(r, true, hour, false, &s, error);
    *done = status == WEIR_OK && s && !s->unkept;
    return *done ? walk_cells(s, when, apart, row, context) : status;
}

enum weir_status sums_walk_stretch(struct reader *r, struct interval when, rollup_row row,
                                   void *context, bool *done, struct weir_error *error)
{
    struct sums *s;
    enum weir_status status = get(r, false, when, true, &s, error);
    *done = status == WEIR_OK && s && !s->unkept;
    return *done ? walk_cells(s, when, false, row, context) : status;
}
