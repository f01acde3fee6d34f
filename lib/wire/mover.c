/* mover.c - runs a compiled template over a data set: bytes to columns, one loop a field
 * (template.h). Neighbours: template.c compiles, flow/batch.h owns the columns.
 *
 * The loops are made by macro, one for each (octets on the wire, octets in the column), so that
 * each load is a plain one of constant size: a load, a byte swap, a store. */
#include "wire/template.h"
#include <stdlib.h>

/* Entries of the scratch arrays: at least 65536 / (WIRE_FIELDS_MOST + 1) records a pass. */
#define SCRATCH_ENTRIES 65536u

struct wire_scratch {
    uint32_t starts[SCRATCH_ENTRIES];  /* [segment * pass + record]: offset from the base */
    uint16_t lengths[SCRATCH_ENTRIES]; /* of the value that ends the segment */
};

struct wire_scratch *wire_scratch_new(void)
{
    return malloc(sizeof(struct wire_scratch));
}

void wire_scratch_free(struct wire_scratch *s)
{
    free(s);
}

/* The records of one pass: where they are and where they go. */
struct run {
    const uint8_t *base;
    uint32_t stride;       /* one segment: record r starts at base + r * stride */
    const uint32_t *starts;/* else: starts[segment * pass + r]; NULL with one segment */
    const uint16_t *lengths;
    uint32_t pass, rows, first;
};

/* ---- numbers ---- */

#define LOAD_1(p) ((uint64_t) * (p))
#define LOAD_2(p) ((uint64_t)load_be16(p))
#define LOAD_3(p) (LOAD_2(p) << 8 | (p)[2])
#define LOAD_4(p) ((uint64_t)load_be32(p))
#define LOAD_5(p) (LOAD_4(p) << 8 | (p)[4])
#define LOAD_6(p) (LOAD_4(p) << 16 | load_be16((p) + 4))
#define LOAD_7(p) (LOAD_6(p) << 8 | (p)[6])
#define LOAD_8(p) (load_be64(p))

typedef void (*number_mover)(const struct run *run, const uint32_t *starts, uint32_t at, void *to);

#define MOVER(from, type, to_width)                                                                \
    static void move_##from##_##to_width(const struct run *run, const uint32_t *starts,            \
                                         uint32_t at, void *to)                                    \
    {                                                                                              \
        const uint8_t *p = run->base + at;                                                         \
        type *restrict out = (type *)to;                                                           \
        if (!starts)                                                                               \
            for (uint32_t r = 0; r < run->rows; r++, p += run->stride)                             \
                out[r] = (type)LOAD_##from(p);                                                     \
        else                                                                                       \
            for (uint32_t r = 0; r < run->rows; r++)                                               \
                out[r] = (type)LOAD_##from(p + starts[r]);                                         \
    }
MOVER(1, uint8_t, 1)
MOVER(1, uint16_t, 2)
MOVER(1, uint32_t, 4)
MOVER(1, uint64_t, 8)
MOVER(2, uint16_t, 2)
MOVER(2, uint32_t, 4)
MOVER(2, uint64_t, 8)
MOVER(3, uint32_t, 4)
MOVER(3, uint64_t, 8)
MOVER(4, uint32_t, 4)
MOVER(4, uint64_t, 8)
MOVER(5, uint64_t, 8)
MOVER(6, uint64_t, 8)
MOVER(7, uint64_t, 8)
MOVER(8, uint64_t, 8)
#undef MOVER

/* [octets on the wire][column width]. A column is never narrower than its fields. */
static const number_mover movers[9][9] = {
    [1] = {[1] = move_1_1, [2] = move_1_2, [4] = move_1_4, [8] = move_1_8},
    [2] = {[2] = move_2_2, [4] = move_2_4, [8] = move_2_8},
    [3] = {[4] = move_3_4, [8] = move_3_8},
    [4] = {[4] = move_4_4, [8] = move_4_8},
    [5] = {[8] = move_5_8},
    [6] = {[8] = move_6_8},
    [7] = {[8] = move_7_8},
    [8] = {[8] = move_8_8},
};

/* ---- the rarer shapes, a value at a time ---- */

static inline const uint8_t *value_at(const struct run *run, const struct wire_field *f, uint32_t r)
{
    if (!run->starts)
        return run->base + (size_t)r * run->stride + f->at;
    return run->base + run->starts[(size_t)f->segment * run->pass + r] + f->at;
}

static void store_number(struct column *c, uint32_t row, uint64_t v)
{
    switch (c->width) {
    case 1: ((uint8_t *)c->values)[row] = (uint8_t)v; break;
    case 2: ((uint16_t *)c->values)[row] = (uint16_t)v; break;
    case 4: ((uint32_t *)c->values)[row] = (uint32_t)v; break;
    default: ((uint64_t *)c->values)[row] = v; break;
    }
}

static void move_signed(const struct run *run, const struct wire_field *f, struct column *c)
{
    unsigned spare = 64u - 8u * f->length;
    for (uint32_t r = 0; r < run->rows; r++) {
        const uint8_t *p = value_at(run, f, r);
        uint64_t v = 0;
        for (uint16_t i = 0; i < f->length; i++)
            v = v << 8 | p[i];
        store_number(c, run->first + r, (uint64_t)((int64_t)(v << spare) >> spare));
    }
}

static void move_narrow_float(const struct run *run, const struct wire_field *f, struct column *c)
{
    double *out = (double *)c->values + run->first;
    for (uint32_t r = 0; r < run->rows; r++) {
        uint32_t bits = load_be32(value_at(run, f, r));
        float v;
        memcpy(&v, &bits, sizeof v);
        out[r] = (double)v;
    }
}

static void move_sixteen(const struct run *run, const struct wire_field *f, struct column *c)
{
    uint8_t *out = (uint8_t *)c->values + (size_t)run->first * 16;
    for (uint32_t r = 0; r < run->rows; r++, out += 16)
        memcpy(out, value_at(run, f, r), 16);
}

/* A variable-length value ends where the next segment starts. */
static struct octets octets_at(const struct run *run, const struct wire_field *f, uint32_t r)
{
    if (f->length != WIRE_VARIABLE)
        return (struct octets){value_at(run, f, r), f->length};
    uint32_t length = run->lengths[(size_t)f->segment * run->pass + r];
    uint32_t end = run->starts[(size_t)(f->segment + 1) * run->pass + r];
    return (struct octets){run->base + end - length, length};
}

static enum weir_status move_octets(const struct run *run, const struct wire_field *f,
                                    struct batch *b)
{
    for (uint32_t r = 0; r < run->rows; r++) {
        struct octets v = octets_at(run, f, r);
        enum weir_status status = batch_put_octets(b, f->column, run->first + r, v.bytes, v.length);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static enum weir_status move_field(const struct run *run, const struct wire_field *f,
                                   struct batch *b)
{
    struct column *c = batch_column_at(b, f->column);
    const uint32_t *starts = run->starts ? run->starts + (size_t)f->segment * run->pass : NULL;
    switch (f->shape) {
    case WIRE_SKIP: return WEIR_OK;
    case WIRE_NUMBER:
        movers[f->length][c->width](run, starts, f->at,
                                    (uint8_t *)c->values + (size_t)run->first * c->width);
        break;
    case WIRE_SIGNED: move_signed(run, f, c); break;
    case WIRE_NARROW_FLOAT: move_narrow_float(run, f, c); break;
    case WIRE_SIXTEEN: move_sixteen(run, f, c); break;
    default: {
        enum weir_status status = move_octets(run, f, b);
        if (status != WEIR_OK)
            return status;
    }
    }
    batch_mark(b, f->column, run->first, run->rows);
    return WEIR_OK;
}

/* ---- binding ---- */

enum weir_status wire_template_bind(struct wire_template *t, struct batch *b)
{
    if (t->generation == batch_generation(b))
        return WEIR_OK;
    t->generation = 0;
    for (uint16_t i = 0; i < t->field_count; i++) {
        struct wire_field *f = &t->fields[i];
        size_t index = 0;
        if (f->shape == WIRE_SKIP)
            continue;
        enum weir_status status = batch_column(b, f->key, f->width, &index);
        if (status != WEIR_OK)
            return status;
        f->column = (uint16_t)index;
    }
    t->generation = batch_generation(b);
    return WEIR_OK;
}

/* ---- finding the records ---- */

/* Walks one record from `at`; false when it passes the end. Writes where its segments start. */
static bool walk_record(const struct wire_template *t, const uint32_t *spans, struct cursor *at,
                        const uint8_t *base, uint32_t *starts, uint16_t *lengths, uint32_t pass)
{
    for (uint16_t s = 0; s < t->segment_count; s++) {
        starts[(size_t)s * pass] = (uint32_t)(at->at - base);
        cursor_skip(at, spans[s]);
        if (s + 1 == t->segment_count)
            break;
        uint16_t length = cursor_u8(at); /* RFC 7011 section 7: one octet, or 255 and two more */
        if (length == 255)
            length = cursor_u16(at);
        cursor_skip(at, length);
        lengths[(size_t)s * pass] = length;
    }
    return !at->failed;
}

/* Octets of the fixed fields of each segment. */
static void segment_spans(const struct wire_template *t, uint32_t spans[WIRE_FIELDS_MOST + 1])
{
    for (uint16_t s = 0; s < t->segment_count; s++)
        spans[s] = 0;
    for (uint16_t i = 0; i < t->field_count; i++)
        if (t->fields[i].length != WIRE_VARIABLE)
            spans[t->fields[i].segment] += t->fields[i].length;
}

static void find_variable(const struct wire_template *t, struct wire_scratch *s,
                          struct cursor *set, uint32_t most, struct run *run)
{
    uint32_t spans[WIRE_FIELDS_MOST + 1];
    segment_spans(t, spans);
    run->pass = SCRATCH_ENTRIES / t->segment_count;
    run->base = set->at;
    run->starts = s->starts;
    run->lengths = s->lengths;
    if (most > run->pass)
        most = run->pass;
    struct cursor at = *set;
    while (run->rows < most && cursor_left(&at) >= t->least &&
           walk_record(t, spans, &at, run->base, s->starts + run->rows, s->lengths + run->rows,
                       run->pass)) {
        run->rows++;
        *set = at;
    }
}

static void find_fixed(const struct wire_template *t, struct cursor *set, uint32_t most,
                       struct run *run)
{
    size_t whole = cursor_left(set) / t->least;
    run->rows = whole < most ? (uint32_t)whole : most;
    run->stride = t->least;
    run->base = cursor_bytes(set, (size_t)run->rows * t->least);
}

uint32_t wire_count(const struct wire_template *t, struct cursor set)
{
    if (t->segment_count == 1)
        return (uint32_t)(cursor_left(&set) / t->least);
    uint32_t spans[WIRE_FIELDS_MOST + 1], starts[WIRE_FIELDS_MOST + 1], count = 0;
    uint16_t lengths[WIRE_FIELDS_MOST + 1];
    segment_spans(t, spans);
    while (cursor_left(&set) >= t->least &&
           walk_record(t, spans, &set, set.at, starts, lengths, 1))
        count++;
    return count;
}

/* ---- decoding ---- */

static enum weir_status full_or_limit(const struct batch *b, enum weir_status status)
{
    return status != WEIR_ELIMIT ? status : batch_rows(b) ? WEIR_EBUSY : WEIR_ELIMIT;
}

static enum weir_status move_all(const struct wire_template *t, const struct run *run,
                                 struct batch *b)
{
    for (uint16_t i = 0; i < t->field_count; i++) {
        enum weir_status status = move_field(run, &t->fields[i], b);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

enum weir_status wire_decode(struct wire_template *t, struct wire_scratch *scratch,
                             struct cursor *set, struct batch *b, uint32_t *first, uint32_t *rows)
{
    return wire_decode_most(t, scratch, set, b, UINT32_MAX, first, rows);
}

enum weir_status wire_decode_most(struct wire_template *t, struct wire_scratch *scratch,
                                  struct cursor *set, struct batch *b, uint32_t most,
                                  uint32_t *first, uint32_t *rows)
{
    struct cursor after = *set;
    struct run run = {0};
    *rows = 0;
    if (cursor_left(set) < t->least)
        return WEIR_OK;
    uint32_t room = batch_room(b) < most ? batch_room(b) : most;
    if (!room)
        return WEIR_EBUSY;
    if (t->segment_count == 1)
        find_fixed(t, &after, room, &run);
    else
        find_variable(t, scratch, &after, room, &run);
    if (!run.rows)
        return WEIR_OK;
    enum weir_status status = wire_template_bind(t, b);
    if (status != WEIR_OK)
        return full_or_limit(b, status);
    run.first = batch_append(b, run.rows);
    status = move_all(t, &run, b);
    if (status != WEIR_OK) {
        batch_retract(b, run.rows);
        return full_or_limit(b, status);
    }
    *set = after;
    *first = run.first;
    *rows = run.rows;
    return WEIR_OK;
}
