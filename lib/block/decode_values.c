/* decode_values.c - payloads back to values: the mirror of encode_values.c, for bytes of any
 * origin. See codec.h; called by column.c. Every length is checked against what is there, or
 * against the number of values the caller expects, before memory is taken for it. */
#include "block/model.h"
#include "block/ordered.h"
#include <string.h>

struct place {
    struct decompressor *d;
    struct cursor *in;
    enum nesting nesting;
};

typedef enum weir_status (*decode_codec)(const struct place *p, uint32_t count, uint8_t width,
                                         struct part *out);

static void *take(const struct place *p, size_t count, size_t size)
{
    return arena_alloc(p->d->arena, count * size + MERGE_SLACK);
}

static enum weir_status decode_nested(const struct place *p, enum nesting nesting, uint32_t count,
                                      uint8_t width, struct part *out);

static enum weir_status decode_constant(const struct place *p, uint32_t count, uint8_t width,
                                        struct part *out)
{
    (void)count;
    uint32_t length = width ? width : cursor_u32_le(p->in);
    const uint8_t *bytes = cursor_bytes(p->in, length);
    if (p->in->failed)
        return WEIR_ETRUNCATED;
    *out = (struct part){.form = VECTOR_CONSTANT, .values = take(p, 1, 16)};
    uint8_t *copy = width ? out->values : take(p, length, 1);
    if (!out->values || !copy)
        return WEIR_ENOMEM;
    memcpy(copy, bytes, length);
    if (!width)
        *(struct octets *)out->values = (struct octets){copy, length};
    return WEIR_OK;
}

static enum weir_status decode_for(const struct place *p, uint32_t count, uint8_t width,
                                   struct part *out)
{
    if (width != 1 && width != 2 && width != 4 && width != 8)
        return WEIR_EMALFORMED;
    *out = (struct part){.form = VECTOR_FLAT, .values = take(p, packed_room(count), width)};
    return out->values ? packed_read(p->in, count, width, out->values) : WEIR_ENOMEM;
}

/* Puts `width` planes of `count` octets together. */
static void join_planes(const uint8_t *planes, uint32_t count, unsigned width,
                        uint8_t *restrict out)
{
    for (unsigned k = 0; k < width; k++) {
        const uint8_t *plane = planes + (size_t)k * count;
        for (uint32_t i = 0; i < count; i++)
            out[(size_t)i * width + k] = plane[i];
    }
}

static enum weir_status decode_split(const struct place *p, uint32_t count, uint8_t width,
                                     struct part *out)
{
    if (width == 0)
        return WEIR_EMALFORMED;
    uint8_t *planes = take(p, count, width);
    *out = (struct part){.form = VECTOR_FLAT, .values = width > 1 ? take(p, count, width) : planes};
    if (!planes || !out->values)
        return WEIR_ENOMEM;
    for (unsigned k = 0; k < width; k++) {
        enum weir_status s = blob_read(p->d, p->in, planes + (size_t)k * count, count);
        if (s)
            return s;
    }
    if (width > 1)
        join_planes(planes, count, width, out->values);
    return WEIR_OK;
}

/* A part of CONSTANT form where an array is wanted. */
static enum weir_status spread(const struct place *p, uint32_t count, uint8_t width,
                               struct part *part)
{
    if (part->form != VECTOR_CONSTANT)
        return WEIR_OK;
    size_t size = value_size(width);
    uint8_t *values = take(p, count, size);
    if (!values)
        return WEIR_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        memcpy(values + i * size, part->values, size);
    *part = (struct part){.form = VECTOR_FLAT, .values = values};
    return WEIR_OK;
}

static enum weir_status decode_octets(const struct place *p, uint32_t count, uint8_t width,
                                      struct part *out)
{
    struct part lengths;
    enum weir_status s = width ? WEIR_EMALFORMED : decode_nested(p, NEST_PLAIN, count, 4, &lengths);
    if (s || (s = spread(p, count, 4, &lengths)))
        return s;
    uint32_t total = cursor_u32_le(p->in);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += ((uint32_t *)lengths.values)[i];
    if (p->in->failed || sum != total || total > BLOCK_OCTETS_MOST)
        return p->in->failed ? WEIR_ETRUNCATED : WEIR_EMALFORMED;
    uint8_t *bytes = take(p, total, 1);
    struct octets *values = take(p, count, sizeof *values);
    if (!bytes || !values)
        return WEIR_ENOMEM;
    *out = (struct part){.form = VECTOR_FLAT, .values = values};
    for (uint32_t i = 0; i < count; i++) {
        values[i] = (struct octets){bytes, ((uint32_t *)lengths.values)[i]};
        bytes += values[i].length;
    }
    return blob_read(p->d, p->in, bytes - total, total);
}

static enum weir_status decode_dictionary(const struct place *p, uint32_t count, uint8_t width,
                                          struct part *out)
{
    struct part values, codes;
    uint32_t code_count = cursor_u32_le(p->in);
    if (p->in->failed)
        return WEIR_ETRUNCATED;
    if (code_count == 0 || code_count > DICTIONARY_MOST || code_count > count)
        return WEIR_EMALFORMED;
    enum weir_status s = decode_nested(p, NEST_PLAIN, code_count, width, &values);
    if (s || (s = decode_nested(p, NEST_PLAIN, count, 2, &codes)) ||
        (s = spread(p, code_count, width, &values)) || (s = spread(p, count, 2, &codes)))
        return s;
    if (kernels_best()->most_code(codes.values, count) >= code_count)
        return WEIR_EMALFORMED;
    *out = (struct part){VECTOR_DICTIONARY, values.values, codes.values, code_count};
    return WEIR_OK;
}

static inline void repeat(void *restrict out, const void *restrict from, size_t size,
                          uint32_t times)
{
    for (uint32_t i = 0; i < times; i++)
        memcpy((uint8_t *)out + i * size, from, size);
}

/* Writes each of `runs` values as often as its run is long; false when they do not add up to count.
 */
#define EXPAND(name, size)                                                                         \
    static bool name(const void *from, const uint32_t *lengths, uint32_t runs, uint32_t count,     \
                     void *to)                                                                     \
    {                                                                                              \
        uint32_t done = 0;                                                                         \
        for (uint32_t i = 0; i < runs; i++) {                                                      \
            if (lengths[i] >= count - done)                                                        \
                return false;                                                                      \
            repeat((uint8_t *)to + done * (size), (const uint8_t *)from + i * (size), (size),      \
                   lengths[i] + 1);                                                                \
            done += lengths[i] + 1;                                                                \
        }                                                                                          \
        return done == count;                                                                      \
    }
EXPAND(expand_1, (size_t)1)
EXPAND(expand_2, (size_t)2)
EXPAND(expand_4, (size_t)4)
EXPAND(expand_8, (size_t)8)
EXPAND(expand_16, (size_t)16)

static bool expand(size_t size, const void *from, const uint32_t *lengths, uint32_t runs,
                   uint32_t count, void *to)
{
    static bool (*const of[5])(const void *, const uint32_t *, uint32_t, uint32_t,
                               void *) = {expand_1, expand_2, expand_4, expand_8, expand_16};
    return of[width_index((unsigned)size)](from, lengths, runs, count, to);
}

/* Lengths and values of runs, each an array. */
static enum weir_status read_runs(const struct place *p, uint32_t count, uint8_t width,
                                  struct run_parts *out)
{
    struct part lengths;
    uint32_t runs = cursor_u32_le(p->in);
    if (p->in->failed)
        return WEIR_ETRUNCATED;
    if (runs == 0 || runs > count)
        return WEIR_EMALFORMED;
    enum weir_status s = decode_nested(p, NEST_PLAIN, runs, 4, &lengths);
    if (s || (s = decode_nested(p, NEST_RUN, runs, width, &out->values)) ||
        (s = spread(p, runs, 4, &lengths)))
        return s;
    out->count = runs;
    out->lengths = lengths.values;
    return out->values.form == VECTOR_DICTIONARY ? WEIR_OK : spread(p, runs, width, &out->values);
}

static enum weir_status decode_runs(const struct place *p, uint32_t count, uint8_t width,
                                    struct part *out)
{
    struct run_parts runs;
    enum weir_status s = read_runs(p, count, width, &runs);
    if (s)
        return s;
    *out = runs.values;
    bool coded = out->form == VECTOR_DICTIONARY;
    size_t size = coded ? sizeof(uint16_t) : value_size(width);
    void *expanded = take(p, count, size);
    if (!expanded)
        return WEIR_ENOMEM;
    if (!expand(size, coded ? out->codes : out->values, runs.lengths, runs.count, count, expanded))
        return WEIR_EMALFORMED;
    if (coded)
        out->codes = expanded;
    else
        out->values = expanded;
    return WEIR_OK;
}

enum weir_status decode_run_parts(struct decompressor *d, struct cursor *in, uint32_t count,
                                  uint8_t width, struct run_parts *out)
{
    const struct place p = {d, in, NEST_COLUMN};
    enum weir_status s = read_runs(&p, count, width, out);
    uint64_t sum = 0;
    for (uint32_t i = 0; s == WEIR_OK && i < out->count; i++)
        sum += (uint64_t)out->lengths[i] + 1;
    return s == WEIR_OK && sum != count ? WEIR_EMALFORMED : s;
}

/* A part of a mixture as an array. */
static enum weir_status decode_half(const struct place *p, uint32_t count, uint8_t width,
                                    struct part *out)
{
    enum weir_status s = decode_nested(p, NEST_PART, count, width, out);
    if (s)
        return s;
    const struct vector v = {.width = width,
                             .form = out->form,
                             .rows = count,
                             .values = out->values,
                             .code_count = out->code_count,
                             .codes = out->codes};
    struct vector flat;
    uint8_t *copy = take(p, count, width);
    if (!copy || !vector_flatten(&v, p->d->arena, &flat))
        return WEIR_ENOMEM;
    memcpy(copy, flat.values, (size_t)count * width);
    *out = (struct part){.form = VECTOR_FLAT, .values = copy};
    return WEIR_OK;
}

static enum weir_status decode_mixed(const struct place *p, uint32_t count, uint8_t width,
                                     struct part *out)
{
    size_t words = ((size_t)count + 63) / 64;
    struct part common, rare;
    uint32_t hits = 0;
    if (width == 0 || width > 8)
        return WEIR_EMALFORMED;
    uint64_t *bits = arena_zero(p->d->arena, words * 8);
    void *values = take(p, count, width);
    if (!bits || !values)
        return WEIR_ENOMEM;
    enum weir_status s = blob_read(p->d, p->in, (uint8_t *)bits, ((size_t)count + 7) / 8);
    for (size_t i = 0; i < words; i++)
        hits += (uint32_t)__builtin_popcountll(bits[i]);
    if (!s && (hits == 0 || hits >= count || (count % 64 && bits[words - 1] >> (count % 64))))
        s = WEIR_EMALFORMED;
    if (s || (s = decode_half(p, hits, width, &common)) ||
        (s = decode_half(p, count - hits, width, &rare)))
        return s;
    kernels_best()->merge[width_index(width)](bits, common.values, rare.values, count, values);
    *out = (struct part){.form = VECTOR_FLAT, .values = values};
    return WEIR_OK;
}

static enum weir_status decode_in_order(const struct place *p, enum codec codec, uint32_t count,
                                        uint8_t width, struct part *out)
{
    struct ordered o;
    enum weir_status s = ordered_open(p->in, codec, count, width, p->d->arena, &o);
    return s ? s : ordered_decode(&o, p->d->arena, out);
}

static enum weir_status decode_ordered(const struct place *p, uint32_t count, uint8_t width,
                                       struct part *out)
{
    return decode_in_order(p, CODEC_ORDERED, count, width, out);
}

static enum weir_status decode_classes(const struct place *p, uint32_t count, uint8_t width,
                                       struct part *out)
{
    return decode_in_order(p, CODEC_CLASSES, count, width, out);
}

static enum weir_status decode_modelled(const struct place *p, uint32_t count, uint8_t width,
                                        struct part *out)
{
    if (count > MODEL_VALUES_MOST || p->d->unmodelled)
        return WEIR_EMALFORMED;
    *out = (struct part){.form = VECTOR_FLAT, .values = take(p, count, width)};
    return out->values ? model_read(p->in, count, width, NULL, out->values) : WEIR_ENOMEM;
}

/* MAP and GIVEN stand in RELATIVE only, and are column.c's. */
static enum weir_status decode_misplaced(const struct place *p, uint32_t count, uint8_t width,
                                         struct part *out)
{
    (void)p, (void)count, (void)width, (void)out;
    return WEIR_EMALFORMED;
}

/* Residuals; column.c adds the base. */
static enum weir_status decode_relative(const struct place *p, uint32_t count, uint8_t width,
                                        struct part *out)
{
    if (width == 0 || width > 8)
        return WEIR_EMALFORMED;
    return decode_nested(p, NEST_RESIDUAL, count, width, out);
}

/* A row a codec, in the order of enum codec: the deepest nesting it may have. */
static const struct {
    decode_codec decode;
    enum nesting deepest;
} codecs[CODEC_COUNT] = {
    {decode_constant, NEST_PLAIN},  {decode_for, NEST_PLAIN},   {decode_dictionary, NEST_PART},
    {decode_relative, NEST_COLUMN}, {decode_split, NEST_PLAIN}, {decode_octets, NEST_PLAIN},
    {decode_runs, NEST_RESIDUAL},   {decode_mixed, NEST_RUN},   {decode_misplaced, NEST_COLUMN},
    {decode_ordered, NEST_RESIDUAL}, {decode_classes, NEST_RESIDUAL},
    {decode_modelled, NEST_RESIDUAL}, {decode_misplaced, NEST_COLUMN},
};

static enum weir_status decode_at(const struct place *p, uint8_t codec, uint32_t count,
                                  uint8_t width, struct part *out)
{
    if (codec >= CODEC_COUNT || p->nesting > codecs[codec].deepest)
        return WEIR_EMALFORMED;
    return codecs[codec].decode(p, count, width, out);
}

static enum weir_status decode_nested(const struct place *p, enum nesting nesting, uint32_t count,
                                      uint8_t width, struct part *out)
{
    const struct place inner = {p->d, p->in, nesting};
    uint8_t codec = cursor_u8(p->in);
    return p->in->failed ? WEIR_ETRUNCATED : decode_at(&inner, codec, count, width, out);
}

enum weir_status decode_values(struct decompressor *d, struct cursor *in, uint8_t codec,
                               uint32_t count, uint8_t width, struct part *out)
{
    const struct place p = {d, in, NEST_COLUMN};
    return decode_at(&p, codec, count, width, out);
}

enum weir_status decode_map_values(struct decompressor *d, struct cursor *in, uint32_t count,
                                   uint8_t width, struct part *out)
{
    const struct place p = {d, in, NEST_COLUMN};
    return decode_nested(&p, NEST_RESIDUAL, count, width, out);
}
