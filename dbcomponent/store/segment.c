/* segment.c - roll-up segments: their bytes (segment.h). Neighbours: rollups.c sums in memory,
 * segment_table.c keeps them, reader.c and levels.c read. */
#include "store/segment.h"
#include "base/cursor.h"
#include <string.h>

#define SEGMENT_VERSION 2
#define SEGMENT_VERSION_OLDEST 1
#define CONTEXT_OCTETS 29 /* of the shortest */
#define SUM_OCTETS_MOST 16
#define CARRY_MOST ((INT64_C(1) << 48) - 1) /* nine million rows a second for a year */
#define GROUP_OCTETS_MOST (3 + 5 * 3 + 6 + 3 * SUM_OCTETS_MOST)

/* ---- bytes ---- */

static inline uint8_t *put_varint(uint8_t *to, uint64_t v)
{
    while (v >= 0x80) {
        *to++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *to++ = (uint8_t)v;
    return to;
}

static inline uint64_t get_varint(struct cursor *in)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t octet = cursor_u8(in);
        v |= (uint64_t)(octet & 0x7f) << shift;
        if (!(octet & 0x80))
            return v;
    }
    in->failed = true; /* longer than a u64 */
    return 0;
}

/* carry times 2^64 and v. */
static uint8_t *put_sum(uint8_t *to, uint64_t v, int64_t carry)
{
    if (carry <= 0)
        return put_varint(to, v);
    if (carry > CARRY_MOST)
        carry = CARRY_MOST;
    unsigned __int128 sum = (unsigned __int128)(uint64_t)carry << 64 | v;
    for (; sum >= 0x80; sum >>= 7)
        *to++ = (uint8_t)(sum | 0x80);
    *to++ = (uint8_t)sum;
    return to;
}

static void get_sum(struct cursor *in, uint64_t *v, int64_t *carry)
{
    unsigned __int128 sum = 0;
    for (unsigned shift = 0; shift < 7 * SUM_OCTETS_MOST; shift += 7) {
        uint8_t octet = cursor_u8(in);
        sum |= (unsigned __int128)(octet & 0x7f) << shift;
        if (octet & 0x80)
            continue;
        *v = (uint64_t)sum;
        *carry = (int64_t)(sum >> 64);
        return;
    }
    in->failed = true;
}

static void put_context(struct buffer *out, const struct rollup_context *c)
{
    buffer_put(out, c->exporter.octets, 16);
    buffer_put_u32le(out, c->domain);
    buffer_put_u64le(out, c->rate_bits);
    buffer_put_u8(out, c->origin);
    buffer_put_u8(out, c->role);
    buffer_put_u8(out, c->policy_length);
    buffer_put(out, c->policy, c->policy_length);
}

static uint8_t *put_group(uint8_t *to, const struct rollup_group *g, int64_t before_ms)
{
    uint64_t has = g->place >> 32 & 1;
    to = put_varint(to, (uint64_t)(g->minute_ms - before_ms) / MINUTE_MS);
    to = put_varint(to, g->place >> 33);
    to = put_varint(to, g->tags >> 32);
    to = put_varint(to, (uint32_t)g->tags);
    to = put_varint(to, has ? (uint64_t)(uint32_t)g->place + 1 : 0);
    to = put_sum(to, g->counts.octets, g->carries.octets);
    to = put_sum(to, g->counts.packets, g->carries.packets);
    return put_sum(to, g->counts.flows, g->carries.flows);
}

void segment_write(struct buffer *out, const struct rollups *r, int64_t period_ms,
                   const struct rollup_group *groups, size_t count)
{
    /* All contexts of the table: the few that this period does not use cost 29 octets each. */
    uint32_t contexts = 0;
    for (size_t i = 0; i < count; i++)
        if (groups[i].place >> 33 >= contexts)
            contexts = (uint32_t)(groups[i].place >> 33) + 1;
    uint8_t number[10];
    buffer_put_u8(out, SEGMENT_VERSION);
    buffer_put(out, number, (size_t)(put_varint(number, contexts) - number));
    for (uint32_t i = 0; i < contexts; i++)
        put_context(out, rollups_context_at(r, i));
    buffer_put(out, number, (size_t)(put_varint(number, count) - number));
    int64_t before = period_ms;
    for (size_t i = 0; i < count; i++) {
        uint8_t *start = buffer_extend(out, GROUP_OCTETS_MOST);
        if (!start)
            return;
        out->length -= (size_t)(start + GROUP_OCTETS_MOST - put_group(start, &groups[i], before));
        before = groups[i].minute_ms;
    }
}

struct segment { /* being read */
    struct cursor in;
    struct rollup_context *contexts; /* from the arena */
    uint64_t context_count, left;
    int64_t minute_ms, end_ms;
};

static enum weir_status segment_broken(int64_t period_ms, const char *what,
                                       struct weir_error *error)
{
    char text[TIME_TEXT_SIZE];
    time_print(period_ms, text);
    return weir_fail(error, WEIR_ECORRUPT, "rollup", "roll-up segment of %s: %s", text, what);
}

/* The policy is lent by the segment. */
static void read_context(struct cursor *in, uint8_t version, struct rollup_context *c)
{
    const uint8_t *exporter = cursor_bytes(in, 16);
    if (exporter)
        memcpy(&c->exporter, exporter, 16);
    c->domain = cursor_u32_le(in);
    c->rate_bits = cursor_u64_le(in);
    c->origin = cursor_u8(in);
    if (version == SEGMENT_VERSION_OLDEST)
        return;
    c->role = cursor_u8(in);
    size_t length = cursor_u8(in);
    const uint8_t *policy = cursor_bytes(in, length);
    if (length >= ANONYMISATION_TEXT_SIZE)
        in->failed = true;
    else if (policy)
        rollup_context_policy(c, (const char *)policy, length);
}

/* With a '\0' behind it. False: no memory. */
static bool own_policy(struct rollup_context *c, const struct rollup_context *before,
                       struct arena *a)
{
    if (c->policy_length == 0)
        c->policy = "";
    else if (before && before->policy_length == c->policy_length &&
             memcmp(before->policy, c->policy, c->policy_length) == 0)
        c->policy = before->policy;
    else
        c->policy = arena_copy(a, c->policy, c->policy_length);
    return c->policy != NULL;
}

static enum weir_status segment_open(struct segment *s, int64_t period_ms, const uint8_t *bytes,
                                     size_t length, struct arena *a, struct weir_error *error)
{
    *s = (struct segment){.in = cursor_over(bytes, length), .minute_ms = period_ms,
                          .end_ms = period_ms + PERIOD_MS};
    uint8_t version = cursor_u8(&s->in);
    if (version < SEGMENT_VERSION_OLDEST || version > SEGMENT_VERSION)
        return segment_broken(period_ms, "unknown version", error);
    s->context_count = get_varint(&s->in);
    if (s->context_count > cursor_left(&s->in) / CONTEXT_OCTETS)
        return segment_broken(period_ms, "more contexts than octets", error);
    s->contexts = arena_zero(a, (size_t)s->context_count * sizeof *s->contexts);
    if (!s->contexts && s->context_count)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for a roll-up segment");
    for (uint64_t i = 0; i < s->context_count; i++) {
        read_context(&s->in, version, &s->contexts[i]);
        if (!own_policy(&s->contexts[i], i ? &s->contexts[i - 1] : NULL, a))
            return weir_fail(error, WEIR_ENOMEM, "", "out of memory for a roll-up segment");
    }
    s->left = get_varint(&s->in);
    return s->in.failed ? segment_broken(period_ms, "cut off", error) : WEIR_OK;
}

enum { MINUTES, CONTEXT, SRC_TAG, DST_TAG, PROTOCOL, FIELDS };
#define VARINT_MOST 10

/* Of the least significant octets of `word`, up to seven bits each, the number that they write. */
static inline uint64_t join_sevens(uint64_t word)
{
    word = (word & UINT64_C(0x007f007f007f007f)) | (word & UINT64_C(0x7f007f007f007f00)) >> 1;
    word = (word & UINT64_C(0x00003fff00003fff)) | (word & UINT64_C(0x3fff00003fff0000)) >> 2;
    return (word & UINT64_C(0x0fffffff)) | (word & UINT64_C(0x0fffffff00000000)) >> 4;
}

/* A number of at most eight octets, where there are eight: most have one, and nearly all others are
 * taken at once. False: it is longer, and still there. */
static inline bool take_short(struct cursor *in, uint64_t *v)
{
    *v = *in->at;
    if (*v < 0x80) {
        in->at++;
        return true;
    }
    uint64_t word = load_le64(in->at), ends = ~word & UINT64_C(0x8080808080808080);
    if (!ends)
        return false;
    unsigned bits = (unsigned)__builtin_ctzll(ends) + 1;
    in->at += bits / 8;
    *v = join_sevens(bits == 64 ? word : word & ((UINT64_C(1) << bits) - 1));
    return true;
}

static inline uint64_t take_varint(struct cursor *in, bool room)
{
    uint64_t v;
    return room && take_short(in, &v) ? v : get_varint(in);
}

static inline void take_sum(struct cursor *in, bool room, uint64_t *v, int64_t *carry)
{
    *carry = 0;
    if (!room || !take_short(in, v))
        get_sum(in, v, carry);
}

static inline void read_group(struct cursor *in, uint64_t f[FIELDS], struct rollup_group *g)
{
    bool room = cursor_left(in) >= FIELDS * VARINT_MOST + 3 * SUM_OCTETS_MOST;
    for (unsigned i = 0; i < FIELDS; i++)
        f[i] = take_varint(in, room);
    take_sum(in, room, &g->counts.octets, &g->carries.octets);
    take_sum(in, room, &g->counts.packets, &g->carries.packets);
    take_sum(in, room, &g->counts.flows, &g->carries.flows);
}

/* The next group; false at the end, or when the bytes make no sense (then `in.failed`). */
static bool segment_next(struct segment *s, struct rollup_group *g)
{
    if (s->left == 0)
        return false;
    s->left--;
    uint64_t f[FIELDS];
    read_group(&s->in, f, g);
    if (s->in.failed || f[MINUTES] >= 60 || f[CONTEXT] >= s->context_count ||
        f[SRC_TAG] > UINT32_MAX || f[DST_TAG] > UINT32_MAX ||
        f[PROTOCOL] > (uint64_t)UINT32_MAX + 1) {
        s->in.failed = true;
        return false;
    }
    s->minute_ms += (int64_t)f[MINUTES] * MINUTE_MS;
    g->minute_ms = s->minute_ms;
    g->tags = f[SRC_TAG] << 32 | f[DST_TAG];
    g->place = GROUP_PLACE(f[CONTEXT], f[PROTOCOL] != 0, f[PROTOCOL] ? f[PROTOCOL] - 1 : 0);
    s->in.failed = s->minute_ms >= s->end_ms;
    return !s->in.failed;
}

static enum weir_status segment_close(const struct segment *s, int64_t period_ms,
                                      struct weir_error *error)
{
    if (s->in.failed)
        return segment_broken(period_ms, "a group that can not be", error);
    return cursor_left(&s->in) ? segment_broken(period_ms, "octets left over", error) : WEIR_OK;
}

/* at_ms: NULL, each group stays in its minute. */
static enum weir_status add_groups(struct rollups *r, int64_t period_ms, const int64_t *at_ms,
                                   const uint8_t *bytes, size_t length, int sign,
                                   struct weir_error *error)
{
    struct arena a = {0};
    struct segment s;
    struct rollup_group g;
    enum weir_status status = segment_open(&s, period_ms, bytes, length, &a, error);
    /* The table's number of each context + 1; 0: none yet, for it may be of no group that is taken.
     */
    uint32_t *numbers =
        status == WEIR_OK ? arena_zero(&a, (size_t)s.context_count * sizeof *numbers + 1) : NULL;
    bool room = numbers != NULL;
    while (status == WEIR_OK && room && segment_next(&s, &g)) {
        const struct rollup_context *context = &s.contexts[g.place >> 33];
        uint32_t *number = &numbers[g.place >> 33];
        g.minute_ms = at_ms ? *at_ms : g.minute_ms;
        if (!rollups_takes(r, context, &g))
            continue;
        if (*number == 0) {
            room = rollups_context(r, context, number);
            ++*number;
        }
        g.place = GROUP_PLACE(*number - 1, g.place >> 32 & 1, g.place);
        room = room && rollups_add(r, &g, sign);
    }
    if (status == WEIR_OK)
        status = room ? segment_close(&s, period_ms, error)
                      : weir_fail(error, WEIR_ENOMEM, "", "out of memory for roll-ups");
    arena_free(&a);
    return status;
}

enum weir_status segment_add(struct rollups *r, int64_t period_ms, const uint8_t *bytes,
                             size_t length, int sign, struct weir_error *error)
{
    return add_groups(r, period_ms, NULL, bytes, length, sign, error);
}

enum weir_status segment_add_at(struct rollups *r, int64_t period_ms, int64_t at_ms,
                                const uint8_t *bytes, size_t length, int sign,
                                struct weir_error *error)
{
    return add_groups(r, period_ms, &at_ms, bytes, length, sign, error);
}

enum weir_status segment_walk(int64_t period_ms, const uint8_t *bytes, size_t length,
                              struct interval when, rollup_row row, void *context, struct arena *a,
                              struct weir_error *error)
{
    struct segment s;
    struct rollup_group g;
    struct rollup_key key;
    enum weir_status status = segment_open(&s, period_ms, bytes, length, a, error);
    while (status == WEIR_OK && segment_next(&s, &g)) {
        if (g.minute_ms < when.from_ms || g.minute_ms >= when.to_ms)
            continue;
        rollup_key_fill(&key, &s.contexts[g.place >> 33], &g);
        const struct counts counts = rollup_counts(&g);
        status = row(context, &key, &counts);
    }
    return status == WEIR_OK ? segment_close(&s, period_ms, error) : status;
}
