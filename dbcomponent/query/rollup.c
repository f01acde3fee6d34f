/* rollup.c - putting a question to the roll-ups: their rows become batches of columns, so that the
 * same filter and the same tally serve them as serve blocks. Of a row's key only what the groups
 * and the filter look at is made a column of. */
#include "query/question.h"

#include <stddef.h>
#include <string.h>

#define BATCH 256u /* a small question pays for little memory */

/* What a row's key has, and where. */
static const struct part {
    ie_key key;
    uint8_t width;
    uint8_t offset;
    enum { ALWAYS, IF_PROTOCOL, IF_ROLE } present;
} parts[] = {
    {WEIR_EXPORTER, 16, offsetof(struct rollup_key, exporter), ALWAYS},
    {WEIR_DOMAIN, 4, offsetof(struct rollup_key, domain), ALWAYS},
    {WEIR_SRC_TAG, 4, offsetof(struct rollup_key, src_tag), ALWAYS},
    {WEIR_DST_TAG, 4, offsetof(struct rollup_key, dst_tag), ALWAYS},
    {IANA(4), 4, offsetof(struct rollup_key, protocol), IF_PROTOCOL},
    {WEIR_SAMPLING_RATE, 8, offsetof(struct rollup_key, sampling_rate), ALWAYS},
    {WEIR_SAMPLING_ORIGIN, 1, offsetof(struct rollup_key, sampling_origin), ALWAYS},
    {WEIR_FLOW_END, 8, offsetof(struct rollup_key, minute_ms), ALWAYS},
    {WEIR_OBSERVATION_ROLE, 1, offsetof(struct rollup_key, role), IF_ROLE},
};
#define PARTS_OF_KEY (sizeof parts / sizeof *parts)

/* A column takes as much room as its widest values do. */
struct batch_rows {
    struct rollup_key keys[BATCH]; /* their policies are gone: see `policy` */
    uint8_t policy[BATCH];
    uint64_t octets[BATCH], packets[BATCH], flows[BATCH];
    uint64_t columns[PARTS_OF_KEY][BATCH * 16 / sizeof(uint64_t)];
    uint64_t present[PARTS_OF_KEY][BATCH / 64];
    uint64_t selected[BATCH / 64];
};

struct feed {
    struct question *question;
    struct tally *tally;
    struct arena arena;
    struct batch_rows *rows;
    uint32_t count;
    unsigned wanted; /* bit i: part i */
    struct weir_error *error;
};

/* ---- from rows to columns ---- */

static unsigned wanted_parts(const struct question *q)
{
    const struct layout *l = &q->layout;
    size_t filter_count = 0;
    const ie_key *of_filter = q->filter ? filter_keys(q->filter, &filter_count) : NULL;
    unsigned wanted = 0;
    for (unsigned i = 0; i < PARTS_OF_KEY; i++) {
        bool is_wanted = false;
        for (unsigned c = 0; c < l->count; c++)
            is_wanted |= l->components[c].column == parts[i].key;
        for (size_t k = 0; k < filter_count; k++)
            is_wanted |= of_filter[k] == parts[i].key;
        wanted |= (unsigned)is_wanted << i;
    }
    return wanted;
}

/* True: each value equals the first. */
static inline __attribute__((always_inline)) bool
gather_values(const struct rollup_key *keys, unsigned offset, size_t width, uint32_t count,
              uint8_t *to)
{
    bool same = true;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *from = (const uint8_t *)&keys[i] + offset;
        memcpy(to + i * width, from, width);
        same &= !memcmp(to, from, width);
    }
    return same;
}

static bool gather(const struct part *p, const struct rollup_key *keys, uint32_t count, void *to)
{
    switch (p->width) {
    case 1: return gather_values(keys, p->offset, 1, count, to);
    case 4: return gather_values(keys, p->offset, 4, count, to);
    case 8: return gather_values(keys, p->offset, 8, count, to);
    default: return gather_values(keys, p->offset, 16, count, to);
    }
}

static void gather_present(const struct part *p, const struct rollup_key *keys, uint32_t count,
                           uint64_t *to)
{
    memset(to, 0, BATCH / 8);
    for (uint32_t i = 0; i < count; i++) {
        bool has = p->present == IF_ROLE ? keys[i].role != ROLE_UNKNOWN : keys[i].has_protocol != 0;
        to[i / 64] |= (uint64_t)has << (i % 64);
    }
}

/* The columns that are wanted; how many they are. */
static uint32_t make_frame(struct batch_rows *r, uint32_t count, unsigned wanted,
                           struct vector out[PARTS_OF_KEY])
{
    uint32_t vectors = 0;
    for (unsigned i = 0; i < PARTS_OF_KEY; i++) {
        const struct part *p = &parts[i];
        if (!(wanted >> i & 1))
            continue;
        bool same = gather(p, r->keys, count, r->columns[i]), always = p->present == ALWAYS;
        if (!always)
            gather_present(p, r->keys, count, r->present[i]);
        out[vectors++] = (struct vector){.key = p->key,
                                         .width = p->width,
                                         .rows = count,
                                         .form = same && always ? VECTOR_CONSTANT : VECTOR_FLAT,
                                         .values = r->columns[i],
                                         .present = always ? NULL : r->present[i]};
    }
    return vectors;
}

/* ---- a batch ---- */

static enum weir_status select_rows(struct feed *f, struct run *run)
{
    run->selected_count = f->count;
    if (!f->question->filter)
        return WEIR_OK;
    run->selected_count =
        filter_select(f->question->filter, &run->frame, &f->arena, f->rows->selected);
    run->selected = run->selected_count < f->count ? f->rows->selected : NULL;
    return run->selected_count == UINT32_MAX
               ? weir_fail(f->error, WEIR_ENOMEM, NULL, "out of memory while filtering roll-ups")
               : WEIR_OK;
}

/* Those of the rows that count. */
static void note_policies(const struct feed *f, const struct run *run)
{
    uint64_t numbers = 0;
    for (uint32_t i = 0; i < f->count; i++)
        if (!run->selected || (run->selected[i / 64] >> i % 64 & 1))
            numbers |= UINT64_C(1) << f->rows->policy[i];
    if (run->selected_count)
        policies_use(&f->question->policies, numbers);
}

static enum weir_status flush(struct feed *f)
{
    struct vector vectors[PARTS_OF_KEY];
    struct batch_rows *r = f->rows;
    struct question *q = f->question;
    struct vector octets = {.width = 8, .rows = f->count, .values = r->octets};
    struct vector packets = octets, flows = octets;
    packets.values = r->packets;
    flows.values = r->flows;
    uint32_t count = make_frame(r, f->count, f->wanted, vectors);
    struct run run = {.frame = {.rows = f->count, .count = count, .vectors = vectors},
                      .octets = &octets, .packets = &packets, .flows = &flows,
                      .first_bin = 0, .last_bin = q->bins.count - 1};
    enum weir_status status = question_overdue(q, f->error);
    if (status == WEIR_OK && f->count)
        status = select_rows(f, &run);
    if (status == WEIR_OK && f->count)
        note_policies(f, &run);
    if (status == WEIR_OK && f->count)
        status = tally_add(f->tally, &run, &f->arena, f->error);
    atomic_fetch_add(&q->rows_scanned, f->count);
    arena_reset(&f->arena);
    f->count = 0;
    return status;
}

static enum weir_status take_row(void *context, const struct rollup_key *key,
                                 const struct counts *counts)
{
    struct feed *f = context;
    struct batch_rows *r = f->rows;
    uint32_t i = f->count;
    if (counts->flows == 0) /* all its flows were moved elsewhere: it counts nothing */
        return WEIR_OK;
    r->keys[i] = *key;
    r->octets[i] = counts->octets;
    r->packets[i] = counts->packets;
    r->flows[i] = counts->flows;
    r->policy[i] = (uint8_t)(*key->policy ? policies_number(&f->question->policies, key->policy,
                                                            strlen(key->policy))
                                          : 0);
    f->count = i + 1;
    return i + 1 < BATCH ? WEIR_OK : flush(f);
}

void question_survey_rollups(struct layout *l)
{
    static const struct {
        ie_key key;
        unsigned width;
    } widths[] = {{WEIR_EXPORTER, 16}, {WEIR_DOMAIN, 4},         {WEIR_SRC_TAG, 4},
                  {WEIR_DST_TAG, 4},   {IANA(4), 4},             {WEIR_SAMPLING_RATE, 8},
                  {WEIR_SAMPLING_ORIGIN, 1}, {WEIR_OBSERVATION_ROLE, 1}};
    for (unsigned i = 0; i < l->count; i++)
        for (size_t k = 0; k < sizeof widths / sizeof widths[0]; k++)
            if (l->components[i].column == widths[k].key)
                survey_anything(&l->components[i], widths[k].width);
}

void question_layout_rollups(struct question *q)
{
    layout_start(&q->layout, q->keys, q->key_count, q->bins.count);
    question_survey_rollups(&q->layout);
    layout_finish(&q->layout);
}

/* Whole minutes at the ends of time, for a reader that wants them whole. */
static struct interval whole_minutes(struct interval when)
{
    const int64_t last = INT64_MAX / MINUTE_MS * MINUTE_MS;
    if (when.from_ms < -last)
        when.from_ms = -last;
    if (when.to_ms > last)
        when.to_ms = last;
    return when;
}

/* How much time one row may stand for: all of it must be of one bin. */
static int64_t coarsest(const struct bins *b)
{
    return b->count == 1 ? INT64_MAX : rollups_coarsest((int64_t)b->from, (int64_t)b->step);
}

enum weir_status question_rollups(struct question *q, struct interval when, struct tally *t,
                                  struct weir_error *error)
{
    struct feed f = {.question = q, .tally = t, .wanted = wanted_parts(q), .error = error};
    f.rows = arena_alloc(&q->arena, sizeof *f.rows);
    if (!f.rows)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory for roll-up rows");
    enum weir_status status = reader_rollups_coarse(q->reader, whole_minutes(when),
                                                    coarsest(&q->bins), take_row, &f, error);
    if (status == WEIR_OK)
        status = flush(&f);
    arena_free(&f.arena);
    return status;
}
