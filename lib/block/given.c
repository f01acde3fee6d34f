/* given.c - see given.h. Used by column.c and encode.c. */
#include "block/given.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_MOST 2048u
#define STEPS_MOST  (1u << 26) /* a row of the sample, once a pair of columns */
#define GAIN_LEAST  64.0f /* bits that another column must save, of the sample */
#define NEW_VALUE   20.0f /* bits of a value that was not there before, roughly */
#define SHARED_LEAST 8u   /* one value in so many is one of the other column's */

/* ---- what a base gives ---- */

static bool is_number(unsigned width)
{
    return width >= 1 && width <= 8;
}

void given_make(const void *base, unsigned base_width, const uint64_t *present, uint32_t rows,
                unsigned width, uint32_t *hashes, uint8_t *values, bool *same_kind)
{
    const uint8_t *at = base;
    *same_kind = is_number(base_width) == is_number(width);
    unsigned copied = base_width < width ? base_width : width;
    for (uint32_t row = 0; row < rows; row++, at += base_width) {
        if (present && !(present[row / 64] >> (row % 64) & 1))
            continue;
        *hashes++ = model_hash(at, base_width);
        if (!*same_kind)
            continue;
        memset(values, 0, width);
        memcpy(values, at, copied); /* numbers are little endian */
        values += width;
    }
}

enum weir_status given_read(const struct block_column *c, const struct vector *base,
                            const uint64_t *present, struct cursor *in, struct arena *a,
                            void *out)
{
    struct vector flat;
    bool same_kind;
    if (base->width == 0 || c->width == 0 || c->present_rows > MODEL_VALUES_MOST)
        return WEIR_EMALFORMED;
    uint32_t *hashes = arena_alloc(a, c->present_rows * sizeof *hashes);
    uint8_t *values = arena_alloc(a, (size_t)c->present_rows * c->width);
    if (!hashes || !values || !vector_flatten(base, a, &flat))
        return WEIR_ENOMEM;
    given_make(flat.values, flat.width, present, c->rows, c->width, hashes, values, &same_kind);
    const struct model_given given = {hashes, same_kind ? values : NULL};
    return model_read(in, c->present_rows, c->width, &given, out);
}

/* ---- which column tells of which ---- */

static bool is_there(struct column *const *columns, size_t count, ie_key key)
{
    for (size_t i = 0; i < count; i++)
        if (columns[i]->key == key)
            return true;
    return false;
}

/* Tags are given anew without the columns beside them (weird retag). What is known to be nearly
 * another column is to stand on that, whichever stands on what. */
static bool may_tell(struct column *const *columns, size_t count, size_t by)
{
    ie_key key = columns[by]->key;
    bool may = key != WEIR_SRC_TAG && key != WEIR_DST_TAG;
    for (const ie_key *base = column_bases(key); may && *base; base++)
        may = !is_there(columns, count, *base);
    return may;
}

struct finder {
    uint32_t rows; /* of the sample */
    size_t count;
    uint32_t *numbers; /* by column and row: which value, the same for the same in any column */
    uint32_t *slots;   /* hash -> number + 1, or a pair */
    uint32_t *hashes;  /* by number */
    uint32_t mask, values, pair_slots;
    uint32_t *times, *pair_times, *given_times;
    uint64_t *pairs;
};

static bool start(struct finder *f, size_t count, uint32_t rows)
{
    const size_t pairs = count * count + 1, sample = STEPS_MOST / pairs + 1;
    *f = (struct finder){.rows = rows < SAMPLE_MOST ? rows : SAMPLE_MOST, .count = count};
    f->rows = f->rows < sample ? f->rows : (uint32_t)sample;
    f->pair_slots = 4 * f->rows;
    size_t all = (size_t)f->rows * count, slots = 1024;
    while (slots < 2 * all)
        slots *= 2;
    f->mask = (uint32_t)slots - 1;
    f->numbers = malloc(all * sizeof *f->numbers);
    f->hashes = malloc(all * sizeof *f->hashes);
    f->slots = calloc(slots, sizeof *f->slots);
    f->times = malloc(all * sizeof *f->times);
    f->given_times = malloc(all * sizeof *f->given_times);
    f->pairs = malloc(f->pair_slots * sizeof *f->pairs);
    f->pair_times = malloc(f->pair_slots * sizeof *f->pair_times);
    return f->numbers && f->hashes && f->slots && f->times && f->given_times && f->pairs &&
           f->pair_times;
}

static void end(struct finder *f)
{
    free(f->numbers);
    free(f->hashes);
    free(f->slots);
    free(f->times);
    free(f->given_times);
    free(f->pairs);
    free(f->pair_times);
}

static uint32_t number_of(struct finder *f, uint32_t hash)
{
    uint32_t at = hash & f->mask;
    while (f->slots[at] && f->hashes[f->slots[at] - 1] != hash)
        at = (at + 1) & f->mask;
    if (!f->slots[at]) {
        f->hashes[f->values] = hash;
        f->slots[at] = ++f->values;
    }
    return f->slots[at] - 1;
}

static void number_values(struct finder *f, struct column *const *columns)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct column *c = columns[i];
        for (uint32_t row = 0; c->width && row < f->rows; row++)
            f->numbers[i * f->rows + row] = number_of(
                f, model_hash((const uint8_t *)c->values + (size_t)row * c->width, c->width));
    }
}

static bool has(const struct column *c, uint32_t row, uint32_t rows)
{
    return c->present_rows == rows || (c->present[row / 64] >> (row % 64) & 1);
}

static bool varies(const struct finder *f, const struct column *c, size_t place)
{
    const uint32_t *n = f->numbers + place * f->rows;
    bool varied = false;
    for (uint32_t row = 1; c->width && row < f->rows; row++)
        varied |= n[row] != n[0];
    return varied;
}

/* How often the pair was seen before; it is seen now. */
static uint32_t see_pair(struct finder *f, uint32_t a, uint32_t b)
{
    uint64_t pair = ((uint64_t)a << 32 | b) + 1;
    uint32_t at = (uint32_t)(pair * UINT64_C(0x9e3779b97f4a7c15) >> 40) % f->pair_slots;
    while (f->pairs[at] && f->pairs[at] != pair)
        at = (at + 1) % f->pair_slots;
    if (!f->pairs[at]) {
        f->pairs[at] = pair;
        f->pair_times[at] = 0;
    }
    return f->pair_times[at]++;
}

/* Bits of the column's values in the sample, each by how often it was there before: with the value
 * of `by`, else at all. */
static float cost(struct finder *f, const struct column *c, size_t place, size_t by, uint32_t rows,
                  bool *shares)
{
    const uint32_t *own = f->numbers + place * f->rows, *other = f->numbers + by * f->rows;
    float bits = 0;
    uint32_t all = 0, shared = 0;
    for (uint32_t row = 0; row < f->rows; row++) /* all columns together have very many values */
        f->times[own[row]] = f->given_times[own[row]] = 0;
    memset(f->pairs, 0, f->pair_slots * sizeof *f->pairs);
    if (by != place)
        for (uint32_t row = 0; row < f->rows; row++)
            f->given_times[other[row]] = 1; /* and so one of the values that are told already */
    for (uint32_t row = 0; row < f->rows; row++) {
        if (!has(c, row, rows))
            continue;
        uint32_t value = own[row], given = other[row];
        uint32_t seen = f->times[value]++, pair = by == place ? 0 : see_pair(f, given, value);
        uint32_t given_seen = by == place ? 1 : f->given_times[given]++;
        bool known = by != place && f->given_times[value];
        float alone = seen    ? log2f((float)(all + 1) / (float)seen)
                      : known ? NEW_VALUE / 2
                              : NEW_VALUE;
        shared += known;
        all++;
        bits += pair ? log2f((float)(given_seen + 1) / (float)pair)
                     : alone + (by == place ? 0 : 0.5f * log2f((float)given_seen));
    }
    *shares = shared * SHARED_LEAST > all;
    return bits;
}

static void find_best(struct finder *f, struct column *const *columns, size_t place, uint32_t rows,
                      const bool *telling, struct told *out)
{
    bool shares;
    float best[GIVEN_MOST], alone = cost(f, columns[place], place, place, rows, &shares);
    for (unsigned i = 0; i < GIVEN_MOST; i++)
        best[i] = alone - GAIN_LEAST;
    for (size_t by = 0; by < f->count; by++) {
        if (by == place || !telling[by])
            continue;
        float bits = cost(f, columns[place], place, by, rows, &shares);
        unsigned at = GIVEN_MOST;
        for (; at && bits < best[at - 1]; at--)
            if (at < GIVEN_MOST) {
                best[at] = best[at - 1];
                out->by[at] = out->by[at - 1];
                out->shares[at] = out->shares[at - 1];
            }
        if (at == GIVEN_MOST)
            continue;
        best[at] = bits;
        out->by[at] = (uint16_t)by;
        out->shares[at] = shares && is_number(columns[by]->width) ==
                                        is_number(columns[place]->width);
    }
}

bool given_find(struct column *const *columns, size_t count, uint32_t rows, struct told *told)
{
    struct finder f;
    bool *varied = calloc(2 * count + 1, sizeof *varied);
    bool *telling = varied ? varied + count : NULL;
    bool fine = start(&f, count, rows) && varied;
    for (size_t i = 0; i < count; i++)
        told[i] = (struct told){.by = {GIVEN_BY_NONE, GIVEN_BY_NONE, GIVEN_BY_NONE}};
    if (fine)
        number_values(&f, columns);
    for (size_t i = 0; fine && i < count; i++) {
        varied[i] = varies(&f, columns[i], i);
        telling[i] = varied[i] && may_tell(columns, count, i);
    }
    for (size_t i = 0; fine && i < count; i++)
        if (varied[i])
            find_best(&f, columns, i, rows, telling, &told[i]);
    end(&f);
    free(varied);
    return fine;
}
