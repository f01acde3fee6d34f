/* order_choice.c - which of two orders encodes shorter, by a sample, see order.h. Used by order.c.
 *
 * ORDER_WINDOWS places in the order are looked at, PACK_GROUP rows from each on, as the encoder
 * would see them: packed, less the base, in runs, or as a dictionary. Which rows have the same
 * values is not what an order changes: what a dictionary takes is one figure for both, from rows
 * that are spread evenly; but not for export times, of which there may be more than such a sample
 * tells apart. Their number is known. */
#include "block/codec.h"
#include "block/mixed.h"
#include "block/order.h"
#include "block/runs.h"
#include <math.h>
#include <string.h>

#define SAMPLE       (ORDER_WINDOWS * PACK_GROUP)
#define FEW          64u
#define GAIN_LEAST   1.0 /* bits a row that the new order must gain */
#define NOT_POSSIBLE 1e9

struct picked { /* a row, where it is */
    uint32_t frame, row;
};

struct choice {
    const struct unordered *u;
    const struct order *told;
    struct picked told_rows[SAMPLE], alike_rows[SAMPLE], even_rows[SAMPLE];
    uint32_t count;
    uint64_t values[SAMPLE], bases[SAMPLE];
    uint8_t there[SAMPLE];
};

/* ---- which rows ---- */

static struct picked pick(const struct unordered *u, uint32_t row)
{
    uint32_t frame = frame_of(u, row);
    return (struct picked){frame, row - u->first_rows[frame]};
}

static void pick_rows(struct choice *c, const uint32_t *alike)
{
    uint32_t rows = c->u->rows, size = order_window_size(rows);
    for (uint32_t w = 0; w < ORDER_WINDOWS; w++) {
        uint32_t at = order_window(rows, w);
        for (uint32_t i = 0; i < size; i++, c->count++) {
            c->told_rows[c->count] = pick(c->u, c->told->rows[at + i]);
            c->alike_rows[c->count] = pick(c->u, alike[at + i]);
        }
    }
    for (uint32_t i = 0; i < c->count; i++)
        c->even_rows[i] = pick(c->u, (uint32_t)((uint64_t)rows * i / c->count));
}

/* ---- a column ---- */

/* Octets as a number that tells them apart. */
static uint64_t number_for(struct octets o)
{
    uint64_t h = o.length, word;
    for (uint32_t at = 0; at < o.length; at += 8) {
        word = 0;
        memcpy(&word, o.bytes + at, o.length - at < 8 ? o.length - at : 8);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return h;
}

#define READ(type)                                                                                 \
    do {                                                                                           \
        const type *restrict in = v->values;                                                       \
        for (uint32_t i = 0; i < c->count; i++)                                                    \
            out[i] = in[rows[i].row] + base;                                                       \
    } while (0)

/* Of flat numbers that all rows have, in one frame: what a merge hands in. */
static void read_flat(struct choice *c, const struct vector *v, uint64_t base,
                      const struct picked *rows, uint64_t *out)
{
    memset(c->there, 1, c->count);
    switch (v->width) {
    case 1: READ(uint8_t); break;
    case 2: READ(uint16_t); break;
    case 4: READ(uint32_t); break;
    default: READ(uint64_t); break;
    }
}

static bool is_number(unsigned width)
{
    return width >= 1 && width <= 8;
}

/* The column's values in these rows; c->there says where it has any. Its width. */
static unsigned read_values(struct choice *c, uint32_t column, const struct picked *rows,
                            uint64_t *out)
{
    const struct vector *const *of = c->u->of + column * c->u->count;
    const struct laid *laid = c->u->laid ? &c->u->laid[column] : NULL;
    uint64_t base = laid ? laid->base : 0;
    unsigned width = laid ? laid->width : 0;
    if (c->u->count == 1 && of[0] && is_number(of[0]->width) && !of[0]->present &&
        of[0]->form == VECTOR_FLAT) {
        read_flat(c, of[0], base, rows, out);
        return width ? width : of[0]->width;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        const struct vector *v = of[rows[i].frame];
        c->there[i] = v && vector_has(v, rows[i].row);
        out[i] = 0;
        if (!v)
            continue;
        width = v->width > width ? v->width : width;
        out[i] = is_number(v->width) ? vector_u64(v, rows[i].row) + base
                                     : number_for(vector_octets(v, rows[i].row));
    }
    return width;
}

/* Rows without the element go; how many stay. */
static uint32_t squeeze(const struct choice *c, uint64_t *values)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        values[n] = values[i];
        n += c->there[i];
    }
    return n;
}

static double presence_bits(const struct choice *c)
{
    uint32_t changes = 0;
    for (uint32_t i = 1; i < c->count; i++)
        changes += c->there[i] != c->there[i - 1];
    double bits = 8.0 * changes / c->count;
    return bits < 1 ? bits : 1;
}

static struct values measured(const uint64_t *at, uint32_t count)
{
    struct values v = {.at = at, .count = count, .width = 8};
    values_measure(&v);
    return v;
}

/* Packed or in runs, or a dictionary of a few values. */
static double plain_bits(struct choice *c, const struct values *v)
{
    struct dictionary *d = c->u->dictionary;
    double bits = guess_bits(v), coded = 0;
    if (bits <= 1 || dictionary_find(d, v->at, v->count, 8, FEW, FEW) != DICTIONARY_DONE)
        return bits;
    for (uint32_t i = 0; i < d->count; i++)
        coded += d->counts[i] * (double)log2f((float)v->count / (float)d->counts[i]) / v->count;
    return coded < bits ? coded : bits;
}

/* The bits that the column's best base leaves. */
static double related_bits(struct choice *c, uint32_t column, unsigned width,
                           const struct picked *rows)
{
    double best = NOT_POSSIBLE;
    uint64_t mask = width < 8 ? (UINT64_C(1) << 8 * width) - 1 : UINT64_MAX;
    for (const ie_key *base = column_bases(c->u->keys[column]); *base; base++) {
        uint32_t at = 0;
        while (at < c->u->column_count && c->u->keys[at] != *base)
            at++;
        if (at == c->u->column_count)
            continue;
        (void)read_values(c, at, rows, c->bases);
        (void)read_values(c, column, rows, c->values);
        for (uint32_t i = 0; i < c->count; i++)
            c->values[i] = (c->bases[i] - c->values[i]) & mask;
        struct values v = measured(c->values, squeeze(c, c->values));
        double bits = plain_bits(c, &v);
        best = bits < best ? bits : best;
    }
    return best;
}

/* What the column takes in this order, without a dictionary's `coded` bits or with them. */
static double column_bits(struct choice *c, uint32_t column, const struct picked *rows,
                          double coded)
{
    unsigned width = read_values(c, column, rows, c->values);
    double presence = presence_bits(c);
    uint32_t count = squeeze(c, c->values);
    if (!count)
        return presence;
    bool number = is_number(width);
    struct values v = measured(c->values, count);
    double best = number ? guess_bits(&v) : 8.0 * (width ? width : 16);
    double runs = runs_rate(&v) * ((coded < best ? coded : best) + 8);
    best = runs < best ? runs : best;
    best = coded < best ? coded : best;
    if (number && best > 0) {
        double related = related_bits(c, column, width, rows);
        best = related < best ? related : best;
    }
    return presence + best * count / c->count;
}

/* ---- dictionaries ---- */

/* Export times in any order: each run's share of its exporter's rows. Told runs are by exporter. */
static double time_bits(const struct choice *c)
{
    const struct span *s = c->told->spans;
    uint32_t known = 0; /* the length before: messages are of one size, most often */
    double bits = 0, each = 0;
    for (uint32_t i = 0; i < c->told->span_count; i++) {
        uint32_t end = i + 1 < c->told->span_count ? s[i + 1].at : c->u->rows;
        if (end - s[i].at != known) {
            known = end - s[i].at;
            each = known * (double)log2f((float)c->u->rows / (float)known);
        }
        bits += each;
    }
    return bits / c->u->rows + 0.3;
}

/* The entropy of the values, and what the sample is too small to show; 0: all are equal. */
static double coded_bits(struct choice *c, uint32_t column)
{
    struct dictionary *d = c->u->dictionary;
    uint32_t once = 0, twice = 0;
    unsigned width = read_values(c, column, c->even_rows, c->values), n = squeeze(c, c->values);
    double bits = 0, all = (double)c->u->rows * n / c->count;
    if (!n || dictionary_build(d, c->values, n, 8, n, n) != DICTIONARY_DONE)
        return NOT_POSSIBLE;
    if (d->count == 1 && n == c->count)
        return 0;
    for (uint32_t i = 0; i < d->count; i++) {
        once += d->counts[i] == 1, twice += d->counts[i] == 2;
        bits += d->counts[i] * (double)log2f((float)n / (float)d->counts[i]) / n;
    }
    double skewed = (sqrt(all / n) - 1) * once, even = (double)once * once / (2.0 * twice + 1);
    double distinct = d->count + (skewed > even ? skewed : even);
    double each = 8.0 * (width ? width : 16), mixed = NOT_POSSIBLE;
    if (width && width <= 2)
        (void)mixed_choose(d, each, &mixed);
    if (distinct > DICTIONARY_MOST)
        return mixed;
    bits += log2(distinct / d->count) + distinct * (each < 16 ? each : 16) / all;
    return mixed < bits ? mixed : bits;
}

/* ---- both ---- */

static bool is_constant(const struct choice *c, uint32_t column)
{
    const struct vector *const *of = c->u->of + column * c->u->count;
    for (size_t i = 0; i < c->u->count; i++)
        if (!of[i] || of[i]->present || of[i]->form != VECTOR_CONSTANT)
            return false;
    return true;
}

bool order_choose(const struct unordered *u, const struct order *told, const uint32_t *alike,
                  struct arena *scratch, bool *better)
{
    struct choice *c = arena_alloc(scratch, sizeof *c);
    double gain = -GAIN_LEAST;
    if (!c)
        return false;
    c->u = u;
    c->told = told;
    c->count = 0;
    pick_rows(c, alike);
    for (uint32_t i = 0; i < u->column_count; i++) {
        if (is_constant(c, i))
            continue;
        double coded = u->keys[i] == WEIR_EXPORT_TIME ? time_bits(c) : coded_bits(c, i);
        if (coded <= 0)
            continue;
        gain += column_bits(c, i, c->told_rows, coded) - column_bits(c, i, c->alike_rows, coded);
    }
    *better = gain > 0;
    return true;
}
