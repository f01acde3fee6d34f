/* encoded.c - columns that answer ranges as they lie (block.h, column_encoded()): dictionaries in
 * order (ordered.c), and runs, of which each is asked once. Used by queries for filters. */
#include "block/ordered.h"
#include <string.h>

struct encoded_column {
    struct encoded encoded; /* first: what a vector points to */
    uint8_t codec, width;
    uint32_t rows, present_rows;
    const uint64_t *present;
    struct ordered ordered;
    struct run_parts runs;
    enum weir_status status;
};

/* ---- runs ---- */

static void set_range(uint64_t *bits, uint32_t from, uint32_t to) /* from < to */
{
    uint32_t first = from / 64, last = (to - 1) / 64;
    uint64_t head = UINT64_MAX << (from % 64), tail = UINT64_MAX >> (63 - (to - 1) % 64);
    if (first == last) {
        bits[first] |= head & tail;
        return;
    }
    bits[first] |= head;
    for (uint32_t w = first + 1; w < last; w++)
        bits[w] = UINT64_MAX;
    bits[last] |= tail;
}

/* Of each run, or of each value of the runs' dictionary: is it in the range? */
static uint8_t *judge_values(const struct encoded_column *c, uint64_t low, uint64_t high,
                             struct arena *a)
{
    const struct part *p = &c->runs.values;
    const struct vector v = {.width = c->width, .form = VECTOR_FLAT, .values = p->values};
    uint32_t count = p->form == VECTOR_DICTIONARY ? p->code_count : c->runs.count;
    uint8_t *hits = arena_alloc(a, count);
    for (uint32_t i = 0; hits && i < count; i++) {
        uint64_t value = vector_u64(&v, i);
        hits[i] = value >= low && value <= high;
    }
    return hits;
}

static enum weir_status select_runs(const struct encoded_column *c, uint64_t low, uint64_t high,
                                    struct arena *a, uint64_t *out)
{
    const uint8_t *hits = judge_values(c, low, high, a);
    const uint16_t *codes = c->runs.values.codes;
    uint32_t row = 0;
    for (uint32_t i = 0; hits && i < c->runs.count; i++) {
        uint32_t end = row + c->runs.lengths[i] + 1;
        if (hits[codes ? codes[i] : i])
            set_range(out, row, end);
        row = end;
    }
    return hits ? WEIR_OK : WEIR_ENOMEM;
}

/* ---- both ---- */

/* Bits of the rows that have the element. */
static enum weir_status select_some(const struct encoded_column *c, uint64_t low, uint64_t high,
                                    const uint64_t *care, struct arena *a, uint64_t *out)
{
    return c->codec == CODEC_RUNS ? select_runs(c, low, high, a, out)
                                  : ordered_select(&c->ordered, low, high, care, a, out);
}

/* Rows that lack it are put between them. */
static enum weir_status select_present(const struct encoded_column *c, uint64_t low, uint64_t high,
                                       const uint64_t *care, struct arena *a, uint64_t *out)
{
    uint32_t words = (c->present_rows + 63) / 64;
    uint64_t *bits = arena_zero(a, (words + 1) * sizeof *bits);
    enum weir_status s = bits ? select_some(c, low, high, NULL, a, bits) : WEIR_ENOMEM;
    if (s == WEIR_OK)
        kernels_best()->expand(c->present, bits, NULL, care, (c->rows + 63) / 64, out);
    return s;
}

static bool select_encoded(struct encoded *e, uint64_t low, uint64_t high, const uint64_t *care,
                           struct arena *a, uint64_t *out)
{
    struct encoded_column *c = (struct encoded_column *)e;
    enum weir_status s = c->present ? select_present(c, low, high, care, a, out)
                                    : select_some(c, low, high, care, a, out);
    if (s != WEIR_OK && s != WEIR_ENOMEM)
        c->status = s;
    return s == WEIR_OK;
}

bool column_can_filter(const struct block_column *c)
{
    return (c->codec == CODEC_CLASSES || c->codec == CODEC_ORDERED || c->codec == CODEC_RUNS) &&
           c->width >= 1 && c->width <= 8;
}

static enum weir_status open_column(const struct block_column *c, struct arena *a,
                                    struct encoded_column *e)
{
    struct decompressor d = {.arena = a};
    struct cursor in = cursor_over(c->bytes, c->length);
    uint64_t *present;
    enum weir_status s = column_presence(c, &d, &in, &present);
    if (s)
        return s;
    s = c->codec == CODEC_RUNS
            ? decode_run_parts(&d, &in, c->present_rows, c->width, &e->runs)
            : ordered_open(&in, (enum codec)c->codec, c->present_rows, c->width, a, &e->ordered);
    e->present = present;
    return s == WEIR_OK && cursor_left(&in) ? WEIR_EMALFORMED : s;
}

enum weir_status column_encoded(const struct block_column *c, struct arena *a, struct vector *out,
                                struct weir_error *error)
{
    enum weir_status s = column_check(c, NULL, error);
    struct encoded_column *e = s == WEIR_OK ? arena_zero(a, sizeof *e) : NULL;
    if (s)
        return s;
    s = e ? open_column(c, a, e) : WEIR_ENOMEM;
    if (s)
        return column_fail(c, s, weir_status_text(s), error);
    e->encoded.select = select_encoded;
    e->codec = c->codec;
    e->width = c->width;
    e->rows = c->rows;
    e->present_rows = c->present_rows;
    *out = (struct vector){.key = c->key,
                           .width = c->width,
                           .form = VECTOR_ENCODED,
                           .rows = c->rows,
                           .encoded = &e->encoded,
                           .present = e->present};
    return WEIR_OK;
}

enum weir_status column_encoded_status(const struct vector *v)
{
    return ((const struct encoded_column *)v->encoded)->status;
}
