/* rollup.c - putting a question to the roll-ups: their rows become batches of columns, so that the
 * same filter and the same tally serve them as serve blocks. */
#include "query/question.h"

#include <string.h>

#define BATCH 256u /* a small question pays for little memory */
enum { EXPORTER, DOMAIN, SRC_TAG, DST_TAG, PROTOCOL, RATE, ORIGIN, MINUTE, ROLE, VECTORS };

struct batch_rows {
    uint8_t exporter[BATCH][16];
    uint32_t domain[BATCH], src_tag[BATCH], dst_tag[BATCH], protocol[BATCH];
    uint8_t origin[BATCH], role[BATCH], policy[BATCH];
    uint64_t has_protocol[BATCH / 64], has_role[BATCH / 64];
    uint64_t rate[BATCH], minute[BATCH];
    uint64_t octets[BATCH], packets[BATCH], flows[BATCH];
    uint64_t selected[BATCH / 64];
};

struct feed {
    struct question *question;
    struct tally *tally;
    struct arena arena;
    struct batch_rows *rows;
    uint32_t count;
    struct weir_error *error;
};

/* Each value equals the one before it? */
static bool is_constant(const struct vector *v, uint32_t count)
{
    const uint8_t *values = v->values;
    return count && !memcmp(values, values + v->width, (size_t)(count - 1) * v->width);
}

static void make_frame(const struct batch_rows *r, uint32_t count, struct vector out[VECTORS])
{
    const struct vector v[VECTORS] = {
        [EXPORTER] = {.key = WEIR_EXPORTER, .width = 16, .values = r->exporter},
        [DOMAIN] = {.key = WEIR_DOMAIN, .width = 4, .values = r->domain},
        [SRC_TAG] = {.key = WEIR_SRC_TAG, .width = 4, .values = r->src_tag},
        [DST_TAG] = {.key = WEIR_DST_TAG, .width = 4, .values = r->dst_tag},
        [PROTOCOL] = {.key = IANA(4),
                      .width = 4,
                      .values = r->protocol,
                      .present = r->has_protocol},
        [RATE] = {.key = WEIR_SAMPLING_RATE, .width = 8, .values = r->rate},
        [ORIGIN] = {.key = WEIR_SAMPLING_ORIGIN, .width = 1, .values = r->origin},
        [MINUTE] = {.key = WEIR_FLOW_END, .width = 8, .values = r->minute},
        [ROLE] = {.key = WEIR_OBSERVATION_ROLE, .width = 1, .values = r->role,
                  .present = r->has_role},
    };
    memcpy(out, v, sizeof v);
    for (unsigned i = 0; i < VECTORS; i++) {
        out[i].rows = count;
        if (!v[i].present && is_constant(&v[i], count))
            out[i].form = VECTOR_CONSTANT;
    }
}

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
    struct vector vectors[VECTORS];
    struct batch_rows *r = f->rows;
    struct question *q = f->question;
    struct vector octets = {.width = 8, .rows = f->count, .values = r->octets};
    struct vector packets = octets, flows = octets;
    packets.values = r->packets;
    flows.values = r->flows;
    make_frame(r, f->count, vectors);
    struct run run = {.frame = {.rows = f->count, .count = VECTORS, .vectors = vectors},
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
    memset(r->has_protocol, 0, sizeof r->has_protocol);
    memset(r->has_role, 0, sizeof r->has_role);
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
    memcpy(r->exporter[i], key->exporter.octets, 16);
    r->domain[i] = key->domain;
    r->src_tag[i] = key->src_tag;
    r->dst_tag[i] = key->dst_tag;
    r->protocol[i] = key->has_protocol ? key->protocol : 0;
    r->has_protocol[i / 64] |= (uint64_t)(key->has_protocol != 0) << (i % 64);
    memcpy(&r->rate[i], &key->sampling_rate, sizeof r->rate[i]);
    r->origin[i] = key->sampling_origin;
    r->role[i] = key->role;
    r->has_role[i / 64] |= (uint64_t)(key->role != ROLE_UNKNOWN) << (i % 64);
    r->policy[i] = (uint8_t)(*key->policy ? policies_number(&f->question->policies, key->policy,
                                                            strlen(key->policy))
                                          : 0);
    r->minute[i] = (uint64_t)key->minute_ms;
    r->octets[i] = counts->octets;
    r->packets[i] = counts->packets;
    r->flows[i] = counts->flows;
    return ++f->count < BATCH ? WEIR_OK : flush(f);
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
    struct feed f = {.question = q, .tally = t, .error = error};
    f.rows = arena_alloc(&q->arena, sizeof *f.rows);
    if (f.rows)
        *f.rows = (struct batch_rows){0};
    else
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory for roll-up rows");
    enum weir_status status = reader_rollups_coarse(q->reader, whole_minutes(when),
                                                    coarsest(&q->bins), take_row, &f, error);
    if (status == WEIR_OK)
        status = flush(&f);
    arena_free(&f.arena);
    return status;
}
