/* spread.c - spread=proportional: a flow's octets and packets shared out over the bins it spans, as
 * store.h defines. The selected rows of a run become pieces, one a row and bin, which are added
 * like rows of a run of their own; keys are copied from the rows the pieces come from.
 *
 * A group may have a share of octets and no flow that ends in it, while groups with no flows count
 * as empty (groups.h). So a piece counts as one, and a flow that ends in it as 2^32 more; the
 * answer takes the upper half (finish.c). Hence the bound on how many there can be. */
#include "query/question.h"
#include "query/bind.h"

#include <string.h>

#define PIECES 8192u
#define PIECES_MOST (UINT64_C(1) << 32)

struct pieces {
    uint32_t count;
    uint64_t first_bin, last_bin, ends;
    uint32_t row[PIECES];
    uint64_t time[PIECES], octets[PIECES], packets[PIECES], flows[PIECES];
};

struct spreading {
    const struct spreader *spreader;
    const struct run *run;
    struct pieces *pieces;
    struct arena scratch; /* of one addition */
    struct weir_error *error;
};

/* One flow. */
struct span {
    uint32_t row;
    int64_t start, end; /* both included */
    uint64_t octets, packets, flows;
};

static enum weir_status no_memory(struct weir_error *error)
{
    return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory while spreading flows");
}

/* ---- adding pieces ---- */

static bool gather_present(const struct pieces *p, const struct vector *v, struct arena *a,
                           struct vector *out)
{
    if (!v->present)
        return true;
    uint64_t *present = arena_zero(a, (p->count + 63) / 64 * sizeof *present);
    for (uint32_t i = 0; present && i < p->count; i++)
        present[i / 64] |= (uint64_t)vector_has(v, p->row[i]) << (i % 64);
    out->present = present;
    return present != NULL;
}

static void gather_flat(const struct pieces *p, const struct vector *v, size_t size, uint8_t *to)
{
    const uint8_t *from = v->values;
    for (uint32_t i = 0; i < p->count; i++)
        memcpy(to + i * size, from + p->row[i] * size, size);
}

/* The vector of the pieces' rows. */
static bool gather(const struct pieces *p, const struct vector *v, struct arena *a,
                   struct vector *out)
{
    *out = *v;
    out->rows = p->count;
    if (!gather_present(p, v, a, out))
        return false;
    if (v->form == VECTOR_CONSTANT)
        return true;
    if (v->form == VECTOR_DICTIONARY) {
        uint16_t *codes = arena_alloc(a, p->count * sizeof *codes);
        for (uint32_t i = 0; codes && i < p->count; i++)
            codes[i] = v->codes[p->row[i]];
        out->codes = codes;
        return codes != NULL;
    }
    size_t size = v->width ? v->width : sizeof(struct octets);
    void *values = arena_alloc(a, p->count * size);
    if (values)
        gather_flat(p, v, size, values);
    out->values = values;
    return values != NULL;
}

static bool make_frame(struct spreading *s, struct frame *out)
{
    const struct layout *l = s->spreader->tally->layout;
    const struct pieces *p = s->pieces;
    struct vector *vectors = arena_alloc(&s->scratch, (2 * l->count + 1) * sizeof *vectors);
    *out = (struct frame){.rows = p->count, .vectors = vectors};
    if (!vectors)
        return false;
    for (unsigned i = 0; i < 2 * l->count; i++) {
        const struct component *c = &l->components[i / 2];
        ie_key key = i % 2 ? c->column6 : c->column;
        const struct vector *v = key ? frame_find(&s->run->frame, key) : NULL;
        if (!v || frame_find(out, key))
            continue;
        if (!gather(p, v, &s->scratch, &vectors[out->count]))
            return false;
        out->count++;
    }
    vectors[out->count++] = (struct vector){.key = SHARE_TIME, .width = 8, .form = VECTOR_FLAT,
                                            .rows = p->count, .values = p->time};
    return true;
}

static enum weir_status count_pieces(struct spreading *s)
{
    struct question *q = s->spreader->question;
    struct pieces *p = s->pieces;
    uint64_t pieces = atomic_fetch_add(&q->pieces, p->count) + p->count;
    uint64_t ends = atomic_fetch_add(&q->ends, p->ends) + p->ends;
    return pieces < PIECES_MOST && ends < PIECES_MOST
               ? WEIR_OK
               : weir_fail(s->error, WEIR_ELIMIT, "spread",
                           "flows span more than 2^32 bins in all; give a longer step or a "
                           "shorter interval");
}

static enum weir_status flush(struct spreading *s)
{
    struct pieces *p = s->pieces;
    if (p->count == 0)
        return WEIR_OK;
    const struct vector numbers = {.width = 8, .form = VECTOR_FLAT, .rows = p->count};
    struct vector octets = numbers, packets = numbers, flows = numbers;
    octets.values = p->octets;
    packets.values = p->packets;
    flows.values = p->flows;
    struct run run = {.selected_count = p->count, .octets = &octets, .packets = &packets,
                      .flows = &flows, .columns = s->run->columns,
                      .column_count = s->run->column_count, .first_bin = p->first_bin,
                      .last_bin = p->last_bin};
    enum weir_status status = question_overdue(s->spreader->question, s->error);
    if (status == WEIR_OK)
        status = count_pieces(s);
    arena_reset(&s->scratch);
    if (status == WEIR_OK && !make_frame(s, &run.frame))
        status = no_memory(s->error);
    if (status == WEIR_OK)
        status = tally_add(s->spreader->tally, &run, &s->scratch, s->error);
    p->count = 0;
    p->ends = 0;
    p->first_bin = UINT64_MAX;
    p->last_bin = 0;
    return status;
}

static enum weir_status put(struct spreading *s, const struct span *f, uint64_t bin,
                            struct counts share)
{
    struct pieces *p = s->pieces;
    const struct bins *bins = &s->spreader->question->bins;
    if (!share.octets && !share.packets && !share.flows)
        return WEIR_OK;
    p->row[p->count] = f->row;
    p->time[p->count] = bins->from + bin * bins->step;
    p->octets[p->count] = share.octets;
    p->packets[p->count] = share.packets;
    p->flows[p->count] = (share.flows << 32) + 1;
    p->ends += share.flows;
    p->first_bin = bin < p->first_bin ? bin : p->first_bin;
    p->last_bin = bin > p->last_bin ? bin : p->last_bin;
    return ++p->count < PIECES ? WEIR_OK : flush(s);
}

/* ---- cutting flows ---- */

/* floor(count * part / whole), part <= whole */
static uint64_t portion(uint64_t count, uint64_t part, uint64_t whole)
{
    if (part == whole)
        return count;
    if (part <= UINT32_MAX && count <= UINT32_MAX)
        return count * part / whole;
    return (uint64_t)((unsigned __int128)count * part / whole);
}

/* What lies between `low` and `high` of the flow, both within its span. */
static struct counts share_of(const struct span *f, int64_t low, int64_t high)
{
    uint64_t whole = (uint64_t)f->end - (uint64_t)f->start + 1;
    uint64_t a = (uint64_t)low - (uint64_t)f->start, b = (uint64_t)high - (uint64_t)f->start + 1;
    return (struct counts){
        .octets = portion(f->octets, b, whole) - portion(f->octets, a, whole),
        .packets = portion(f->packets, b, whole) - portion(f->packets, a, whole),
        .flows = high == f->end ? f->flows : 0};
}

static enum weir_status cut(struct spreading *s, const struct span *f)
{
    const struct question *q = s->spreader->question;
    if (f->end < q->when.from_ms || f->start >= q->when.to_ms)
        return WEIR_OK;
    int64_t low = f->start < q->when.from_ms ? q->when.from_ms : f->start;
    int64_t last = f->end >= q->when.to_ms ? q->when.to_ms - 1 : f->end;
    uint64_t bin = question_bin(q, low), last_bin = question_bin(q, last);
    enum weir_status status = WEIR_OK;
    for (; status == WEIR_OK && bin < last_bin; bin++) {
        int64_t next = (int64_t)(q->bins.from + (bin + 1) * q->bins.step);
        status = put(s, f, bin, share_of(f, low, next - 1));
        low = next;
    }
    return status == WEIR_OK ? put(s, f, bin, share_of(f, low, last)) : status;
}

static uint64_t number_at(const struct vector *v, uint32_t row, uint64_t otherwise)
{
    return v && v->width >= 1 && v->width <= 8 && vector_has(v, row) ? vector_u64(v, row)
                                                                    : otherwise;
}

static enum weir_status spread_rows(struct spreading *s, const struct vector *start,
                                    const struct vector *end)
{
    const struct run *run = s->run;
    enum weir_status status = WEIR_OK;
    for (uint32_t row = 0; status == WEIR_OK && row < run->frame.rows; row++) {
        if (run->selected && !(run->selected[row / 64] >> (row % 64) & 1))
            continue;
        struct span f = {.row = row, .end = (int64_t)number_at(end, row, 0),
                         .octets = number_at(run->octets, row, 0),
                         .packets = number_at(run->packets, row, 0),
                         .flows = number_at(run->flows, row, 1)};
        f.start = (int64_t)number_at(start, row, (uint64_t)f.end);
        /* A span of more than 2^63 ms is none. */
        if (f.start > f.end || (uint64_t)f.end - (uint64_t)f.start > INT64_MAX)
            f.start = f.end;
        status = cut(s, &f);
    }
    return status == WEIR_OK ? flush(s) : status;
}

enum weir_status spread_run(const struct spreader *spreader, const struct run *run,
                            const struct vector *start, const struct vector *end,
                            struct weir_error *error)
{
    struct spreading s = {.spreader = spreader, .run = run, .error = error};
    s.pieces = arena_alloc(spreader->arena, sizeof *s.pieces);
    if (!s.pieces)
        return no_memory(error);
    s.pieces->count = 0;
    s.pieces->ends = 0;
    s.pieces->first_bin = UINT64_MAX;
    s.pieces->last_bin = 0;
    enum weir_status status = spread_rows(&s, start, end);
    arena_free(&s.scratch);
    return status;
}
