/* column.c - one column of a block back into a vector: checksum, presence, payload, base. See
 * block.h; payloads are decode_values.c's, directory entries directory.c's. */
#include "block/codec.h"
#include "block/given.h"
#include <string.h>

enum weir_status column_fail(const struct block_column *c, enum weir_status status,
                             const char *what, struct weir_error *error)
{
    char name[IE_NAME_SIZE];
    return weir_fail(error, status, ie_key_print(c->key, name), "column %s: %s", name, what);
}

/* ---- presence ---- */
static bool presence_true(const uint64_t *present, uint32_t rows, uint32_t present_rows)
{
    uint32_t words = (rows + 63) / 64, n = 0;
    for (uint32_t i = 0; i < words; i++)
        n += (uint32_t)__builtin_popcountll(present[i]);
    return n == present_rows && (rows % 64 == 0 || present[words - 1] >> (rows % 64) == 0);
}

enum weir_status column_presence(const struct block_column *c, struct decompressor *d,
                                 struct cursor *in, uint64_t **out)
{
    *out = NULL;
    if (c->present_rows == c->rows)
        return WEIR_OK;
    *out = arena_zero(d->arena, (size_t)(c->rows + 63) / 64 * 8);
    if (!*out)
        return WEIR_ENOMEM;
    enum weir_status s = blob_read(d, in, (uint8_t *)*out, ((size_t)c->rows + 7) / 8);
    return !s && !presence_true(*out, c->rows, c->present_rows) ? WEIR_EMALFORMED : s;
}

/* Values of present rows, one after the other, go to their rows; the others read as zero. */
static inline __attribute__((always_inline)) void scatter(uint8_t *restrict to, const uint8_t *from,
                                                          size_t size, const uint64_t *present,
                                                          uint32_t rows)
{
    for (uint32_t first = 0; first < rows; first += 64, to += 64 * size) {
        uint64_t bits = present[first / 64];
        if (bits == ~UINT64_C(0)) {
            memcpy(to, from, 64 * size);
            from += 64 * size;
            continue;
        }
        memset(to, 0, (rows - first < 64 ? rows - first : 64) * size);
        for (; bits; bits &= bits - 1, from += size)
            memcpy(to + (size_t)__builtin_ctzll(bits) * size, from, size);
    }
}

static void scatter_values(void *to, const void *from, size_t size, const uint64_t *present,
                           uint32_t rows)
{
    switch (size) {
    case 1:
        scatter(to, from, 1, present, rows);
        return;
    case 2:
        scatter(to, from, 2, present, rows);
        return;
    case 4:
        scatter(to, from, 4, present, rows);
        return;
    case 8:
        scatter(to, from, 8, present, rows);
        return;
    default:
        scatter(to, from, 16, present, rows);
        return;
    }
}

/* to[r] = from[codes[r]], or from[0] where there are no codes. Four a step: the loop is all there
 * is to it. */
static inline __attribute__((always_inline)) void
gather(uint8_t *restrict to, const uint8_t *restrict from, size_t size,
       const uint16_t *restrict codes, uint32_t rows)
{
    uint32_t i = 0;
    for (; codes && i + 4 <= rows; i += 4, to += 4 * size) {
        memcpy(to, from + codes[i] * size, size);
        memcpy(to + size, from + codes[i + 1] * size, size);
        memcpy(to + 2 * size, from + codes[i + 2] * size, size);
        memcpy(to + 3 * size, from + codes[i + 3] * size, size);
    }
    for (; i < rows; i++, to += size)
        memcpy(to, from + (codes ? codes[i] * size : 0), size);
}

static void gather_values(void *to, const void *from, size_t size, const uint16_t *codes,
                          uint32_t rows)
{
    switch (size) {
    case 1:
        gather(to, from, 1, codes, rows);
        return;
    case 2:
        gather(to, from, 2, codes, rows);
        return;
    case 4:
        gather(to, from, 4, codes, rows);
        return;
    case 8:
        gather(to, from, 8, codes, rows);
        return;
    default:
        gather(to, from, 16, codes, rows);
        return;
    }
}

static inline void clear_value(uint8_t *at, size_t size)
{
    switch (size) { /* a constant size is one store */
    case 1:
        *at = 0;
        return;
    case 2:
        memset(at, 0, 2);
        return;
    case 4:
        memset(at, 0, 4);
        return;
    case 8:
        memset(at, 0, 8);
        return;
    default:
        memset(at, 0, 16);
        return;
    }
}

static void clear_absent(const uint64_t *present, size_t size, uint32_t rows, void *values)
{
    for (uint32_t first = 0; present && first < rows; first += 64) {
        uint64_t absent = ~present[first / 64];
        if (rows - first < 64)
            absent &= (UINT64_C(1) << (rows - first)) - 1;
        for (; absent; absent &= absent - 1)
            clear_value((uint8_t *)values + (first + (size_t)__builtin_ctzll(absent)) * size, size);
    }
}

static bool value_is_zero(const void *values, uint32_t i, unsigned width)
{
    static const uint8_t zero[16];
    if (width == 0)
        return ((const struct octets *)values)[i].length == 0;
    return memcmp((const uint8_t *)values + (size_t)i * width, zero, width) == 0;
}

/* The code that reads as zero, appended to the dictionary when it is not there. 65536 entries and
 * none of them zero: DICTIONARY_MOST, and no memory: UINT32_MAX. */
static uint32_t zero_code(struct part *part, unsigned width, struct arena *a)
{
    for (uint32_t i = 0; i < part->code_count; i++)
        if (value_is_zero(part->values, i, width))
            return i;
    if (part->code_count == DICTIONARY_MOST)
        return DICTIONARY_MOST;
    size_t size = value_size(width);
    uint8_t *more = arena_alloc(a, (part->code_count + 1) * size);
    if (!more)
        return UINT32_MAX;
    memcpy(more, part->values, part->code_count * size);
    memset(more + part->code_count * size, 0, size);
    part->values = more;
    return part->code_count++;
}

static bool flatten_part(struct part *part, unsigned width, uint32_t rows, struct arena *a)
{
    const struct vector v = {.width = (uint8_t)width,
                             .form = part->form,
                             .rows = rows,
                             .code_count = part->code_count,
                             .values = part->values,
                             .codes = part->codes};
    struct vector flat;
    if (!vector_flatten(&v, a, &flat))
        return false;
    *part = (struct part){.form = VECTOR_FLAT, .values = (void *)(uintptr_t)flat.values};
    return true;
}

static enum weir_status expand_flat(const struct block_column *c, const uint64_t *present,
                                    struct arena *a, struct part *part)
{
    size_t size = value_size(c->width);
    if (!flatten_part(part, c->width, c->present_rows, a))
        return WEIR_ENOMEM;
    void *values = arena_alloc(a, c->rows * size);
    if (!values)
        return WEIR_ENOMEM;
    scatter_values(values, part->values, size, present, c->rows);
    part->values = values;
    return WEIR_OK;
}

static enum weir_status expand_codes(const struct block_column *c, const uint64_t *present,
                                     uint32_t zero, struct arena *a, struct part *part)
{
    /* The codes of present rows are merged with as many codes of zero as there are absent rows. */
    size_t room = (c->rows + (size_t)MERGE_SLACK) * sizeof(uint16_t);
    uint16_t *codes = arena_alloc(a, room), *zeros = arena_alloc(a, room), *ones = NULL;
    if (!part->codes)
        ones = arena_zero(a, room);
    if (!codes || !zeros || (!part->codes && !ones))
        return WEIR_ENOMEM;
    for (uint32_t i = 0; i < c->rows - c->present_rows; i++)
        zeros[i] = (uint16_t)zero;
    kernels_best()->merge[1](present, part->codes ? part->codes : ones, zeros, c->rows, codes);
    part->codes = codes;
    return WEIR_OK;
}

/* From present rows to all rows. */
static enum weir_status expand_part(const struct block_column *c, const uint64_t *present,
                                    struct arena *a, struct part *part)
{
    if (part->form == VECTOR_FLAT)
        return expand_flat(c, present, a, part);
    if (part->form == VECTOR_CONSTANT) {
        if (value_is_zero(part->values, 0, c->width))
            return WEIR_OK;
        part->form = VECTOR_DICTIONARY;
        part->code_count = 1;
    }
    uint32_t zero = zero_code(part, c->width, a);
    if (zero == UINT32_MAX)
        return WEIR_ENOMEM;
    return zero == DICTIONARY_MOST ? expand_flat(c, present, a, part)
                                   : expand_codes(c, present, zero, a, part);
}

/* ---- relative columns ---- */
static bool part_is_zero(const struct part *part, unsigned width)
{
    return part->form == VECTOR_CONSTANT && value_is_zero(part->values, 0, width);
}

void less_than_base(const struct vector *base, uint32_t first, uint32_t count,
                    const uint64_t *residual, uint64_t *out)
{
    const uint64_t *of = base->values;
    if (base->form == VECTOR_DICTIONARY)
        for (uint32_t i = 0; i < count; i++)
            out[i] = of[base->codes[first + i]] - residual[i];
    else if (base->form == VECTOR_CONSTANT)
        for (uint32_t i = 0; i < count; i++)
            out[i] = of[0] - residual[i];
    else
        kernels_best()->rebase[3][3](residual, of + first, count, out);
}

/* value = base - residual, over all rows; rows that lack the element are cleared afterwards. */
static enum weir_status add_base(const struct block_column *c, const struct vector *base,
                                 const uint64_t *present, struct arena *a, struct vector *out)
{
    struct vector flat = *base, residual;
    bool wide = base->width == 8 && c->width == 8;
    void *values = arena_alloc(a, (size_t)c->rows * c->width);
    if (!values || !vector_flatten(out, a, &residual) || (!wide && !vector_flatten(base, a, &flat)))
        return WEIR_ENOMEM;
    if (wide)
        less_than_base(base, 0, c->rows, residual.values, values);
    else
        kernels_best()->rebase[width_index(c->width)][width_index(base->width)](
            residual.values, flat.values, c->rows, values);
    clear_absent(present, c->width, c->rows, values);
    out->form = VECTOR_FLAT;
    out->values = values;
    out->codes = NULL;
    out->code_count = 0;
    return WEIR_OK;
}

static enum weir_status relate(const struct block_column *c, const struct vector *base, bool same,
                               struct arena *a, struct vector *out)
{
    if (same && !out->present && base->width == c->width) {
        /* The base itself, in whatever form it is; rows it lacks read as zero there and here. */
        *out = *base;
        out->key = c->key;
        out->present = NULL;
        return WEIR_OK;
    }
    return add_base(c, base, out->present, a, out);
}

/* ---- mapped columns ---- */
/* Codes of rows that have the element, all below `count`; absent rows get code 0. */
static const uint16_t *present_codes(const struct vector *base, const uint64_t *present,
                                     uint32_t count, struct arena *a, enum weir_status *status)
{
    const uint16_t *codes = base->codes;
    *status = WEIR_OK;
    if (present) {
        uint16_t *copy = arena_alloc(a, base->rows * sizeof *copy);
        *status = copy ? WEIR_OK : WEIR_ENOMEM;
        for (uint32_t r = 0; copy && r < base->rows; r++)
            copy[r] = (uint16_t)(codes[r] & -(present[r / 64] >> (r % 64) & 1));
        codes = copy;
    }
    if (codes && kernels_best()->most_code(codes, base->rows) >= count)
        *status = WEIR_EMALFORMED;
    return codes;
}

static enum weir_status decode_map(const struct block_column *c, const struct vector *base,
                                   struct decompressor *d, struct cursor *in, uint64_t *present,
                                   struct vector *out)
{
    struct part part;
    enum weir_status s;
    cursor_skip(in, 1);
    uint32_t count = cursor_u32_le(in);
    if (in->failed)
        return WEIR_ETRUNCATED;
    if (base->form != VECTOR_DICTIONARY || count == 0 || count > base->code_count)
        return WEIR_EMALFORMED;
    const uint16_t *codes = present_codes(base, present, count, d->arena, &s);
    if (s || (s = decode_map_values(d, in, count, c->width, &part)))
        return s;
    if (cursor_left(in))
        return WEIR_EMALFORMED;
    *out = (struct vector){.key = c->key,
                           .width = c->width,
                           .form = part.form,
                           .rows = c->rows,
                           .values = part.values,
                           .present = present};
    if (part.form == VECTOR_CONSTANT && !present)
        return WEIR_OK;
    bool coded = part.form == VECTOR_DICTIONARY && !present;
    if (!coded && !flatten_part(&part, c->width, count, d->arena))
        return WEIR_ENOMEM;
    size_t size = coded ? sizeof(uint16_t) : value_size(c->width);
    void *composed = arena_alloc(d->arena, c->rows * size);
    if (!composed)
        return WEIR_ENOMEM;
    gather_values(composed, coded ? part.codes : part.values, size, codes, c->rows);
    out->form = coded ? VECTOR_DICTIONARY : VECTOR_FLAT;
    out->code_count = coded ? part.code_count : 0;
    out->values = coded ? part.values : composed;
    out->codes = coded ? composed : NULL;
    clear_absent(present, size, c->rows, composed);
    return WEIR_OK;
}

/* ---- columns told from their base ---- */
static enum weir_status decode_given(const struct block_column *c, const struct vector *base,
                                     struct arena *a, struct cursor *in, uint64_t *present,
                                     struct vector *out)
{
    size_t room = ((size_t)c->present_rows + MERGE_SLACK) * value_size(c->width);
    struct part part = {.form = VECTOR_FLAT, .values = arena_alloc(a, room)};
    cursor_skip(in, 1);
    enum weir_status s =
        part.values ? given_read(c, base, present, in, a, part.values) : WEIR_ENOMEM;
    if (s == WEIR_OK && cursor_left(in))
        s = WEIR_EMALFORMED;
    if (s == WEIR_OK && present)
        s = expand_part(c, present, a, &part);
    *out = (struct vector){.key = c->key,
                           .width = c->width,
                           .form = part.form,
                           .rows = c->rows,
                           .values = part.values,
                           .present = present};
    return s;
}

static enum weir_status decode_checked(const struct block_column *c, const struct vector *base,
                                       struct arena *a, struct vector *out)
{
    struct decompressor d = {.arena = a, .unmodelled = c->unmodelled};
    struct cursor in = cursor_over(c->bytes, c->length);
    struct part part;
    uint64_t *present;
    enum weir_status s = column_presence(c, &d, &in, &present);
    if (s)
        return s;
    if (c->codec == CODEC_RELATIVE && cursor_left(&in) && *in.at == CODEC_MAP)
        return decode_map(c, base, &d, &in, present, out);
    if (c->codec == CODEC_RELATIVE && cursor_left(&in) && *in.at == CODEC_GIVEN && !c->unmodelled)
        return decode_given(c, base, a, &in, present, out);
    if (c->codec == CODEC_RELATIVE && (base->width == 0 || base->width > 8))
        return WEIR_EMALFORMED;
    if ((s = decode_values(&d, &in, c->codec, c->present_rows, c->width, &part)))
        return s;
    if (cursor_left(&in))
        return WEIR_EMALFORMED;
    bool same = c->codec == CODEC_RELATIVE && part_is_zero(&part, c->width);
    if (present && (s = expand_part(c, present, a, &part)))
        return s;
    *out = (struct vector){.key = c->key,
                           .width = c->width,
                           .form = part.form,
                           .rows = c->rows,
                           .code_count = part.code_count,
                           .values = part.values,
                           .codes = part.codes,
                           .present = present};
    return c->codec == CODEC_RELATIVE ? relate(c, base, same, a, out) : WEIR_OK;
}

enum weir_status column_check(const struct block_column *c, const struct vector *base,
                              struct weir_error *error)
{
    if (c->rows == 0 || c->rows > BLOCK_ROWS_MOST || c->present_rows == 0 ||
        c->present_rows > c->rows)
        return column_fail(c, WEIR_EMALFORMED, "row counts are not possible", error);
    if (c->codec == CODEC_RELATIVE && (!base || base->key != c->base || base->rows != c->rows))
        return column_fail(c, WEIR_EMALFORMED, "its base column is missing or does not fit", error);
    if (crc32c(0, c->bytes, c->length) != c->crc)
        return column_fail(c, WEIR_ECHECKSUM, "checksum does not match its bytes", error);
    return WEIR_OK;
}

enum weir_status column_decode(const struct block_column *c, const struct vector *base,
                               struct arena *a, struct vector *out, struct weir_error *error)
{
    enum weir_status s = column_check(c, base, error);
    if (s)
        return s;
    s = decode_checked(c, base, a, out);
    return s ? column_fail(c, s, weir_status_text(s), error) : WEIR_OK;
}

/* ---- sums ---- */
bool column_can_sum(const struct block_column *c)
{
    return (c->codec == CODEC_FOR || c->codec == CODEC_RUNS) && c->width == 8 &&
           c->present_rows == c->rows && c->rows && c->rows <= BLOCK_ROWS_MOST;
}

/* How many bits of [from, to) are set; from < to. */
static uint64_t count_between(const uint64_t *bits, uint32_t from, uint32_t to)
{
    uint32_t first = from / 64, last = (to - 1) / 64;
    uint64_t head = UINT64_MAX << (from % 64), tail = UINT64_MAX >> (63 - (to - 1) % 64);
    if (first == last)
        return (uint64_t)__builtin_popcountll(bits[first] & head & tail);
    uint64_t n = (uint64_t)__builtin_popcountll(bits[first] & head);
    for (uint32_t w = first + 1; w < last; w++)
        n += (uint64_t)__builtin_popcountll(bits[w]);
    return n + (uint64_t)__builtin_popcountll(bits[last] & tail);
}

static enum weir_status sum_runs(struct cursor *in, const struct block_column *c,
                                 const uint64_t *selected, struct arena *a, uint64_t *sum)
{
    struct decompressor d = {.arena = a};
    struct run_parts runs;
    uint32_t row = 0;
    *sum = 0;
    enum weir_status s = decode_run_parts(&d, in, c->rows, 8, &runs);
    if (s != WEIR_OK)
        return s;
    const uint64_t *values = runs.values.values;
    for (uint32_t i = 0; i < runs.count; i++) {
        uint32_t end = row + runs.lengths[i] + 1;
        uint64_t rows = selected ? count_between(selected, row, end) : end - row;
        *sum += rows * values[runs.values.codes ? runs.values.codes[i] : i];
        row = end;
    }
    return WEIR_OK;
}

enum weir_status column_sum(const struct block_column *c, const uint64_t *selected,
                            struct arena *a, uint64_t *sum, struct weir_error *error)
{
    struct cursor in = cursor_over(c->bytes, c->length);
    if (crc32c(0, c->bytes, c->length) != c->crc)
        return column_fail(c, WEIR_ECHECKSUM, "checksum does not match its bytes", error);
    enum weir_status s = c->codec == CODEC_RUNS ? sum_runs(&in, c, selected, a, sum)
                                                : packed_sum(&in, c->rows, selected, sum);
    if (s == WEIR_OK && cursor_left(&in))
        s = WEIR_EMALFORMED;
    return s ? column_fail(c, s, weir_status_text(s), error) : WEIR_OK;
}

enum weir_status column_is_base(const struct block_column *c, struct arena *a, bool *same,
                                struct weir_error *error)
{
    struct decompressor d = {.arena = a, .unmodelled = c->unmodelled};
    struct cursor in = cursor_over(c->bytes, c->length);
    struct part part;
    *same = false;
    if (c->codec != CODEC_RELATIVE || c->rows == 0 || c->present_rows != c->rows)
        return WEIR_OK;
    if (crc32c(0, c->bytes, c->length) != c->crc)
        return column_fail(c, WEIR_ECHECKSUM, "checksum does not match its bytes", error);
    if (cursor_left(&in) && (*in.at == CODEC_MAP || *in.at == CODEC_GIVEN))
        return WEIR_OK;
    enum weir_status s = decode_values(&d, &in, c->codec, c->present_rows, c->width, &part);
    if (s)
        return column_fail(c, s, weir_status_text(s), error);
    *same = part_is_zero(&part, c->width);
    return WEIR_OK;
}

/* ---- forms ---- */
bool vector_flatten(const struct vector *v, struct arena *a, struct vector *out)
{
    *out = *v;
    if (v->form == VECTOR_FLAT)
        return true;
    size_t size = value_size(v->width);
    uint8_t *to = arena_alloc(a, v->rows * size + 1);
    if (!to)
        return false;
    gather_values(to, v->values, size, v->form == VECTOR_DICTIONARY ? v->codes : NULL, v->rows);
    out->form = VECTOR_FLAT;
    out->values = to;
    out->codes = NULL;
    out->code_count = 0;
    /* A constant of which some rows are absent is zero (see vector.h), so nothing is to clear. */
    return true;
}

void column_bounds_of(const struct block_column *c, struct column_bounds *out)
{
    *out = (struct column_bounds){.key = c->key,
                                  .width = c->width,
                                  .any = c->present_rows > 0,
                                  .all_present = c->present_rows == c->rows,
                                  .least = c->least,
                                  .most = c->most};
    memcpy(out->least_octets, c->least_octets, 16);
    memcpy(out->most_octets, c->most_octets, 16);
}
