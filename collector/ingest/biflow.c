/* biflow.c - makes rows of the reverse direction (biflow.h). A made row is seen through a template
 * of its own, whose fields are gathered from those of the record. Neighbours: templates.c owns one
 * a template, sets.c calls it behind wire_decode(). */
#include "ingest/biflow.h"
#include "ingest/templates.h"
#include <stdlib.h>

#define GATHER 512u
#define REVERSE(id) IE_KEY(REVERSE_PEN, id)

/* ---- which element comes from which ---- */

static const uint16_t swapped[][2] = {
    {7, 11},    {8, 12},    {9, 13},    {10, 14},   {16, 17},   {27, 28},   {29, 30},  {44, 45},
    {56, 80},   {57, 81},   {58, 59},   {128, 129}, {169, 170}, {180, 181}, {182, 183}, {234, 235},
    {252, 253}, {368, 369},
};
/* Of the conversation, its observation or its sampling: true in both directions. */
static const uint16_t shared[] = {
    4,   34,  35,  48,  49,  50,  60,  94,  95,  96,  130, 131, 136, 137, 138, 141, 142, 143, 144,
    145, 148, 149, 160, 236, 256, 302, 304, 305, 306, 307, 308, 309, 310, 311,
};
static const uint16_t ends[] = {21, 151, 153, 155, 157, 159};
static const uint16_t starts[] = {22, 150, 152, 154, 156, 158};
static const uint16_t durations[] = {161, 162};
static const struct {
    uint16_t responder, counter;
} responders[] = {{232, 1}, {299, 2}};

struct biflow {
    struct known_template seen; /* what the made rows look like */
    uint16_t from[];            /* field of the record, for each field of `seen` */
};

struct drawing { /* of the template of made rows */
    const struct wire_template *t;
    struct wire_spec specs[BIFLOW_FIELDS_MOST];
    uint16_t from[BIFLOW_FIELDS_MOST];
    uint16_t count;
};

static void draw(struct drawing *d, ie_key target, int field)
{
    if (field < 0 || d->count == BIFLOW_FIELDS_MOST || d->t->fields[field].shape == WIRE_SIGNED)
        return;
    for (uint16_t i = 0; i < d->count; i++)
        if (d->specs[i].key == target)
            return;
    d->specs[d->count] = (struct wire_spec){target, d->t->fields[field].length};
    d->from[d->count++] = (uint16_t)field;
}

/* The times of the way back; without any, those of the whole record. */
static void draw_times(struct drawing *d, const uint16_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (wire_template_find(d->t, REVERSE(ids[i])) >= 0)
            return; /* drawn with all that is reverse */
    for (size_t i = 0; i < n; i++)
        draw(d, IANA(ids[i]), wire_template_find(d->t, IANA(ids[i])));
}

static bool draw_counters(struct drawing *d)
{
    static const uint16_t counters[] = {1, 2, 85, 86};
    const struct wire_template *t = d->t;
    bool found = false, plain = false;
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        found = found || wire_template_find(t, REVERSE(counters[i])) >= 0;
        plain = plain || wire_template_find(t, IANA(counters[i])) >= 0;
    }
    for (size_t i = 0; !found && !plain && i < sizeof responders / sizeof *responders; i++)
        draw(d, IANA(responders[i].counter), wire_template_find(t, IANA(responders[i].responder)));
    return found || d->count;
}

static void draw_reverse(struct drawing *d)
{
    for (uint16_t i = 0; i < d->t->field_count; i++) {
        ie_key key = d->t->fields[i].key;
        if (ie_key_pen(key) == REVERSE_PEN && d->t->fields[i].shape != WIRE_SKIP &&
            ie_key_nth(key) == 0)
            draw(d, IANA(ie_key_id(key)), i);
    }
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void draw_all(struct drawing *d)
{
    draw_reverse(d);
    for (size_t i = 0; i < COUNT(swapped); i++) {
        draw(d, IANA(swapped[i][0]), wire_template_find(d->t, IANA(swapped[i][1])));
        draw(d, IANA(swapped[i][1]), wire_template_find(d->t, IANA(swapped[i][0])));
    }
    for (size_t i = 0; i < COUNT(shared); i++)
        draw(d, IANA(shared[i]), wire_template_find(d->t, IANA(shared[i])));
    draw_times(d, ends, COUNT(ends));
    draw_times(d, starts, COUNT(starts));
    draw_times(d, durations, COUNT(durations));
}

/* ---- life ---- */

struct biflow *biflow_new(const struct wire_template *t)
{
    struct drawing d = {.t = t};
    if (t->kind != RECORD_FLOW || t->field_count > BIFLOW_FIELDS_MOST || !draw_counters(&d))
        return NULL;
    draw_all(&d);
    struct biflow *f = malloc(sizeof *f + d.count * sizeof *f->from);
    if (!f)
        return NULL;
    f->seen = (struct known_template){0};
    if (wire_template_new(t->id, RECORD_FLOW, 0, d.specs, d.count, &f->seen.wire) != WEIR_OK) {
        free(f);
        return NULL;
    }
    memcpy(f->from, d.from, d.count * sizeof *f->from);
    record_plan_make(&f->seen.plan, f->seen.wire);
    return f;
}

void biflow_free(struct biflow *f)
{
    if (f)
        wire_template_free(f->seen.wire);
    free(f);
}

size_t biflow_memory(const struct biflow *f)
{
    return sizeof *f + f->seen.wire->memory + f->seen.wire->field_count * sizeof *f->from;
}

const struct known_template *biflow_template(const struct biflow *f)
{
    return &f->seen;
}

enum weir_status biflow_bind(struct biflow *f, struct batch *b)
{
    size_t index;
    enum weir_status status = batch_column(b, WEIR_DIRECTION, 1, &index);
    return status == WEIR_OK ? wire_template_bind(f->seen.wire, b) : status;
}

/* ---- rows ---- */

static uint64_t number_at(const struct column *c, uint32_t row)
{
    switch (c->width) {
    case 1: return ((const uint8_t *)c->values)[row];
    case 2: return ((const uint16_t *)c->values)[row];
    case 4: return ((const uint32_t *)c->values)[row];
    case 8: return ((const uint64_t *)c->values)[row];
    default: return 0;
    }
}

static bool counted(const struct biflow *f, const struct wire_template *t, struct batch *b,
                    int16_t field, uint32_t row)
{
    return field >= 0 &&
           number_at(batch_column_at(b, t->fields[f->from[field]].column), row) != 0;
}

/* The records that have a reverse direction. */
static uint32_t find_rows(const struct biflow *f, const struct wire_template *t, struct batch *b,
                          uint32_t first, uint32_t rows, uint32_t *index)
{
    uint32_t n = 0;
    for (uint32_t row = first; row < first + rows; row++)
        if (counted(f, t, b, f->seen.plan.octets, row) ||
            counted(f, t, b, f->seen.plan.packets, row))
            index[n++] = row;
    return n;
}

static void gather_numbers(const struct column *from, const uint32_t *index, uint32_t n,
                           struct column *to, uint32_t at)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t v = number_at(from, index[i]);
        switch (to->width) {
        case 1: ((uint8_t *)to->values)[at + i] = (uint8_t)v; break;
        case 2: ((uint16_t *)to->values)[at + i] = (uint16_t)v; break;
        case 4: ((uint32_t *)to->values)[at + i] = (uint32_t)v; break;
        default: ((uint64_t *)to->values)[at + i] = v; break;
        }
    }
}

static enum weir_status gather_octets(struct batch *b, const struct column *from,
                                      const uint32_t *index, uint32_t n, uint16_t to, uint32_t at)
{
    enum weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < n && status == WEIR_OK; i++) {
        struct octets v = ((const struct octets *)from->values)[index[i]];
        status = batch_put_octets(b, to, at + i, v.bytes, v.length);
    }
    return status;
}

static enum weir_status gather_field(struct batch *b, uint16_t source, const uint32_t *index,
                                     uint32_t n, uint16_t target, uint32_t at)
{
    const struct column *from = batch_column_at(b, source);
    struct column *to = batch_column_at(b, target);
    enum weir_status status = WEIR_OK;
    if (to->width == 0)
        status = gather_octets(b, from, index, n, target, at);
    else if (to->width < 16)
        gather_numbers(from, index, n, to, at);
    else
        for (uint32_t i = 0; i < n; i++)
            memcpy((uint8_t *)to->values + 16 * (size_t)(at + i),
                   (const uint8_t *)from->values + 16 * (size_t)index[i], 16);
    if (status == WEIR_OK)
        batch_mark(b, target, at, n);
    return status;
}

static enum weir_status gather_all(struct biflow *f, const struct wire_template *t,
                                   struct batch *b, const uint32_t *index, uint32_t n, uint32_t at)
{
    size_t direction = 0;
    enum weir_status status = batch_column(b, WEIR_DIRECTION, 1, &direction);
    for (uint16_t i = 0; i < f->seen.wire->field_count && status == WEIR_OK; i++)
        if (f->seen.wire->fields[i].shape != WIRE_SKIP)
            status = gather_field(b, t->fields[f->from[i]].column, index, n,
                                  f->seen.wire->fields[i].column, at);
    if (status == WEIR_OK) {
        memset((uint8_t *)batch_column_at(b, direction)->values + at, DIRECTION_REVERSE, n);
        batch_mark(b, direction, at, n);
    }
    return status;
}

uint32_t biflow_count(const struct biflow *f, const struct wire_template *t, struct batch *b,
                      uint32_t first, uint32_t rows)
{
    uint32_t index[GATHER], count = 0;
    for (uint32_t done = 0; done < rows; done += GATHER) {
        uint32_t left = rows - done;
        count += find_rows(f, t, b, first + done, left < GATHER ? left : GATHER, index);
    }
    return count;
}

enum weir_status biflow_make(struct biflow *f, const struct wire_template *t, struct batch *b,
                             uint32_t first, uint32_t rows, uint32_t *at, uint32_t *made)
{
    uint32_t index[GATHER];
    enum weir_status status = WEIR_OK;
    *at = batch_rows(b);
    *made = 0;
    for (uint32_t done = 0; done < rows && status == WEIR_OK; done += GATHER) {
        uint32_t left = rows - done, here = left < GATHER ? left : GATHER;
        uint32_t n = find_rows(f, t, b, first + done, here, index);
        if (!n)
            continue;
        status = gather_all(f, t, b, index, n, batch_append(b, n));
        *made += n;
    }
    if (status != WEIR_OK) {
        batch_retract(b, *made);
        *made = 0;
    }
    return status;
}
