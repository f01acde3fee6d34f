/* encode_values.c - chooses a codec by content and writes the payload. See codec.h; called by
 * encode.c for columns, and by itself for what nests inside. The estimates only steer the choice: whatever is
 * chosen is exact. */
#include "block/codec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_ROWS 1024u
#define SAMPLE_WHOLE 4096u  /* up to here a dictionary is simply built */
#define RUN_LEAST 6u        /* average run that pays */
#define RUN_CHUNK 128u
/* How many times dearer a zstd octet is than a packed one: what scanning it costs. */
#define ZSTD_PRICE_HOT 2.0
#define ZSTD_PRICE_COLD 1.1

void *scratch_take(struct value_encoder *e, enum scratch_use use, size_t size)
{
    if (size > e->scratch_size[use]) {
        free(e->scratch[use]);
        e->scratch[use] = malloc(size);
        e->scratch_size[use] = e->scratch[use] ? size : 0;
    }
    return e->scratch[use];
}

void value_encoder_clear(struct value_encoder *e)
{
    compressor_free(e->compressor);
    dictionary_free(&e->dictionary);
    dictionary_free(&e->sample);
    for (size_t i = 0; i < sizeof e->scratch / sizeof e->scratch[0]; i++)
        free(e->scratch[i]);
    *e = (struct value_encoder){0};
}

static bool same_value(const struct values *v, uint32_t i, uint32_t j)
{
    size_t size = value_size(v->width);
    const uint8_t *at = v->at;
    if (v->width)
        return memcmp(at + i * size, at + j * size, size) == 0;
    const struct octets *a = (const struct octets *)v->at + i, *b = (const struct octets *)v->at + j;
    return a->length == b->length && (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

/* ---- runs ---- */
#define CHANGES(name, type)                                                                        \
    static uint32_t name(const void *values, uint32_t from, uint32_t to)                           \
    {                                                                                              \
        const type *v = values;                                                                    \
        uint32_t n = 0;                                                                            \
        for (uint32_t i = from; i < to; i++)                                                       \
            n += v[i] != v[i - 1];                                                                 \
        return n;                                                                                  \
    }
CHANGES(changes_1, uint8_t)
CHANGES(changes_2, uint16_t)
CHANGES(changes_4, uint32_t)
CHANGES(changes_8, uint64_t)

/* Rows in [from, to) that differ from the row before; from >= 1. */
static uint32_t changes(const struct values *v, uint32_t from, uint32_t to)
{
    static uint32_t (*const of[4])(const void *, uint32_t, uint32_t) = {changes_1, changes_2, changes_4,
                                                                        changes_8};
    if (v->width && v->width <= 8)
        return of[width_index(v->width)](v->at, from, to);
    uint32_t n = 0;
    for (uint32_t i = from; i < to; i++)
        n += !same_value(v, i, i - 1);
    return n;
}

/* Share of rows that differ from the row before, from a few chunks. */
static double change_rate(const struct values *v)
{
    uint32_t step = v->count / 8 > RUN_CHUNK ? v->count / 8 : RUN_CHUNK;
    uint32_t seen = 0, changed = 0;
    for (uint32_t from = 1; from < v->count; from += step) {
        uint32_t to = v->count - from < RUN_CHUNK ? v->count : from + RUN_CHUNK;
        changed += changes(v, from, to);
        seen += to - from;
    }
    return seen ? (double)changed / seen : 1.0;
}

/* Copies the first value of each run and its length - 1; false when runs turn out too short. */
static bool collect_runs(const struct values *v, uint8_t *firsts, uint32_t *lengths, uint32_t most,
                         uint32_t *count)
{
    size_t size = value_size(v->width);
    uint32_t n = 0, start = 0;
    while (start < v->count) {
        uint32_t end = start + 1;
        while (end < v->count && same_value(v, end, end - 1))
            end++;
        if (n == most)
            return false;
        memcpy(firsts + n * size, (const uint8_t *)v->at + start * size, size);
        lengths[n++] = end - start - 1;
        start = end;
    }
    *count = n;
    return true;
}

static bool encode_runs(struct value_encoder *e, const struct values *v, bool hot, uint32_t code_limit,
                        struct buffer *out);

/* ---- numbers in one piece: packed, or byte planes ---- */
void split_write(struct value_encoder *e, const struct values *v, struct buffer *out)
{
    uint8_t *plane = scratch_take(e, SCRATCH_PLANES, v->count);
    if (!plane) {
        out->failed = true;
        return;
    }
    const uint8_t *at = v->at;
    for (unsigned k = 0; k < v->width; k++) {
        for (uint32_t i = 0; i < v->count; i++)
            plane[i] = at[(size_t)i * v->width + k];
        blob_write(e->compressor, plane, v->count, out);
    }
}

static double plane_bits(const uint8_t *at, uint32_t count, unsigned width)
{
    uint32_t step = count / SAMPLE_WHOLE + 1, n = 0, seen[256] = {0};
    for (uint32_t i = 0; i < count; i += step, n++)
        seen[at[(size_t)i * width]]++;
    double sum = 0;
    for (unsigned k = 0; k < 256; k++) {
        if (seen[k] == n)
            return 0;
        if (seen[k])
            sum += seen[k] * (double)log2f((float)seen[k]);
    }
    double bits = log2((double)n) - sum / n;
    /* Huffman spends at least a bit; what is nearly random is stored. */
    return bits < 0.05 ? bits : bits < 1.0 ? (1.0 + bits) / 2 : bits > 7.6 ? 8.0 : bits + 0.05;
}

double split_bits(struct value_encoder *e, const struct values *v)
{
    (void)e;
    double bits = 40.0 * v->width / v->count;
    for (unsigned k = 0; k < v->width; k++)
        bits += plane_bits((const uint8_t *)v->at + k, v->count, v->width);
    return bits;
}

static enum codec write_constant(const struct values *v, struct buffer *out)
{
    if (v->width) {
        buffer_put(out, v->at, v->width);
    } else {
        const struct octets *o = v->at;
        buffer_put_u32le(out, o->length);
        buffer_put(out, o->bytes, o->length);
    }
    return CODEC_CONSTANT;
}

/* Packed or split, for numbers of which not all are equal; `packed` is the plan for the first. */
static enum codec write_plain(struct value_encoder *e, const struct values *v, bool hot,
                              const struct packed_plan *packed, struct buffer *out)
{
    double price = hot ? ZSTD_PRICE_HOT : ZSTD_PRICE_COLD;
    if (v->count >= 64 && packed->bits > 1.5 && split_bits(e, v) * price < packed->bits) {
        split_write(e, v, out);
        return CODEC_SPLIT_ZSTD;
    }
    packed_write(packed, v->at, v->count, v->width, out);
    return CODEC_FOR;
}

enum codec encode_plain(struct value_encoder *e, const struct values *v, bool hot, struct buffer *out)
{
    uint64_t least, most;
    struct packed_plan plan;
    if (v->width == 16) {
        split_write(e, v, out);
        return CODEC_SPLIT_ZSTD;
    }
    kernels_best()->range[width_index(v->width)](v->at, v->count, &least, &most);
    packed_plan(v->at, v->count, v->width, least, most, &plan);
    return write_plain(e, v, hot, &plan, out);
}

/* Variable length: lengths, then all octets in one blob. */
static enum codec write_octets(struct value_encoder *e, const struct values *v, struct buffer *out)
{
    const struct octets *o = v->at;
    size_t total = 0;
    for (uint32_t i = 0; i < v->count; i++)
        total += o[i].length;
    size_t lengths_size = (size_t)v->count * sizeof(uint32_t);
    uint8_t *memory = scratch_take(e, SCRATCH_LENGTHS, lengths_size + total + 1);
    if (!memory) {
        out->failed = true;
        return CODEC_OCTETS_ZSTD;
    }
    uint32_t *lengths = (uint32_t *)(void *)memory;
    uint8_t *at = memory + lengths_size;
    for (uint32_t i = 0; i < v->count; i++) {
        lengths[i] = o[i].length;
        if (o[i].length)
            memcpy(at, o[i].bytes, o[i].length);
        at += o[i].length;
    }
    const struct values numbers = {lengths, v->count, 4};
    size_t codec_at = out->length;
    buffer_put_u8(out, 0);
    enum codec codec = encode_plain(e, &numbers, false, out);
    buffer_put_u32le(out, (uint32_t)total);
    blob_write(e->compressor, memory + lengths_size, total, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    return CODEC_OCTETS_ZSTD;
}

static enum codec encode_flat(struct value_encoder *e, const struct values *v, bool hot,
                              struct buffer *out)
{
    return v->width ? encode_plain(e, v, hot, out) : write_octets(e, v, out);
}

/* ---- dictionaries ---- */
/* Bits a row of codes that come with these frequencies, packed with exceptions. */
static double code_bits(const struct dictionary *d, uint32_t rows)
{
    unsigned most_bits = d->count > 1 ? 32u - (unsigned)__builtin_clz(d->count - 1) : 0;
    double best = most_bits;
    uint64_t covered = 0;
    uint32_t code = 0;
    for (unsigned bits = 0; bits < most_bits; bits++) {
        for (; code < 1u << bits; code++)
            covered += d->counts[code];
        double rest = (double)(rows - covered) / rows;
        double cost = bits + rest * (8 + most_bits - bits);
        if (rest * PACK_GROUP < 200 && cost < best)
            best = cost;
    }
    return best + 0.1;
}

/* Bits of one distinct value in the dictionary, roughly. */
static double value_bits(const struct values *v)
{
    if (v->width == 16)
        return 80; /* prefixes compress, interface identifiers do not */
    if (v->width == 0) {
        const struct octets *o = v->at;
        double octets = 0;
        uint32_t n = v->count < 64 ? v->count : 64;
        for (uint32_t i = 0; i < n; i++)
            octets += o[(size_t)i * v->count / n].length;
        return 8 * octets / n + 8;
    }
    return 7.0 * v->width;
}

/* Distinct values, estimated from a sample: values seen once stand for the square root of what was not
 * looked at (the guaranteed-error estimator). */
static double guess_distinct(struct value_encoder *e, const struct values *v)
{
    size_t size = value_size(v->width);
    uint8_t *sample = scratch_take(e, SCRATCH_SAMPLE, SAMPLE_ROWS * size);
    uint32_t step = (v->count / SAMPLE_ROWS) | 1, n = 0, once = 0;
    if (!sample)
        return v->count;
    for (uint64_t i = 0; i < v->count && n < SAMPLE_ROWS; i += step)
        memcpy(sample + size * n++, (const uint8_t *)v->at + i * size, size);
    if (dictionary_build(&e->sample, sample, n, v->width, SAMPLE_ROWS) != DICTIONARY_DONE)
        return v->count;
    for (uint32_t c = 0; c < e->sample.count; c++)
        once += e->sample.counts[c] == 1;
    return sqrt((double)v->count / n) * once + (e->sample.count - once);
}

/* Builds and ranks the dictionary when it beats `bits` a value; its own bits then, else a huge number. */
static double try_dictionary(struct value_encoder *e, const struct values *v, double bits,
                             uint32_t code_limit)
{
    double each = value_bits(v), never = 1e9;
    if (v->count > SAMPLE_WHOLE) {
        double distinct = guess_distinct(e, v);
        if (distinct * each / v->count + 0.6 * log2(distinct + 1) > bits)
            return never;
    }
    double most = bits * v->count / (each + 1);
    uint32_t limit = most < code_limit ? (uint32_t)most : code_limit;
    if (limit < 2 || dictionary_build(&e->dictionary, v->at, v->count, v->width, limit) != DICTIONARY_DONE ||
        !dictionary_rank(&e->dictionary, v->count, v->width))
        return never;
    return code_bits(&e->dictionary, v->count) + each * e->dictionary.count / v->count +
           400.0 / v->count;
}

static enum codec write_dictionary(struct value_encoder *e, const struct values *v, bool hot,
                                   struct buffer *out)
{
    const struct dictionary *d = &e->dictionary;
    const struct values found = {d->values, d->count, v->width};
    const struct values codes = {d->codes, v->count, 2};
    buffer_put_u32le(out, d->count);
    size_t codec_at = out->length;
    buffer_put_u8(out, 0);
    enum codec codec = encode_flat(e, &found, false, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    codec_at = out->length;
    buffer_put_u8(out, 0);
    codec = encode_plain(e, &codes, hot, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    return CODEC_DICTIONARY;
}

/* ---- the choice ---- */
static enum codec encode_numbers(struct value_encoder *e, const struct values *v, bool hot,
                                 uint64_t least, uint64_t most, uint32_t code_limit,
                                 struct buffer *out)
{
    struct packed_plan plan;
    packed_plan(v->at, v->count, v->width, least, most, &plan);
    if (plan.bits > 1.2 && v->count >= 16) {
        double split = hot ? plan.bits : split_bits(e, v) * ZSTD_PRICE_COLD;
        double rival = split < plan.bits ? split : plan.bits;
        if (try_dictionary(e, v, rival, code_limit) < rival)
            return write_dictionary(e, v, hot, out);
    }
    return write_plain(e, v, hot, &plan, out);
}

/* Width 16 and octets. */
static enum codec encode_strings(struct value_encoder *e, const struct values *v, bool hot,
                                 uint32_t code_limit, struct buffer *out)
{
    double flat = v->width ? 100 : value_bits(v) + 8;
    if (try_dictionary(e, v, flat, code_limit) < flat)
        return write_dictionary(e, v, hot, out);
    return encode_flat(e, v, hot, out);
}

static bool all_same(const struct values *v, uint64_t *least, uint64_t *most)
{
    if (v->width == 0 || v->width == 16) {
        if (!same_value(v, 0, v->count - 1) || !same_value(v, 0, v->count / 2))
            return false;
        return v->count == 1 || changes(v, 1, v->count) == 0;
    }
    kernels_best()->range[width_index(v->width)](v->at, v->count, least, most);
    return *least == *most;
}

static enum codec encode_any(struct value_encoder *e, const struct values *v, bool hot,
                             uint32_t code_limit, bool runs, struct buffer *out)
{
    uint64_t least = 0, most = 0;
    if (all_same(v, &least, &most))
        return write_constant(v, out);
    if (runs && v->count >= 64 && change_rate(v) * RUN_LEAST < 1.0 &&
        encode_runs(e, v, hot, code_limit, out))
        return CODEC_RUNS;
    if (v->width == 0 || v->width == 16)
        return encode_strings(e, v, hot, code_limit, out);
    return encode_numbers(e, v, hot, least, most, code_limit, out);
}

static bool encode_runs(struct value_encoder *e, const struct values *v, bool hot, uint32_t code_limit,
                        struct buffer *out)
{
    uint32_t most = (v->count / RUN_LEAST + 8) & ~7u, runs = 0; /* lengths behind it are aligned */
    size_t size = value_size(v->width);
    uint8_t *memory = scratch_take(e, SCRATCH_RUNS, most * (size + sizeof(uint32_t)));
    if (!memory) {
        out->failed = true;
        return true;
    }
    uint32_t *lengths = (uint32_t *)(void *)(memory + most * size);
    if (!collect_runs(v, memory, lengths, most, &runs))
        return false;
    const struct values numbers = {lengths, runs, 4}, firsts = {memory, runs, v->width};
    buffer_put_u32le(out, runs);
    size_t codec_at = out->length;
    buffer_put_u8(out, 0);
    enum codec codec = encode_plain(e, &numbers, true, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    codec_at = out->length;
    buffer_put_u8(out, 0);
    codec = encode_any(e, &firsts, hot, code_limit, false, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    return true;
}

enum codec encode_values(struct value_encoder *e, const struct values *v, bool hot, uint32_t code_limit,
                         struct buffer *out)
{
    return encode_any(e, v, hot, code_limit, true, out);
}

double guess_bits(const struct values *v)
{
    uint64_t least = 0, most = 0;
    struct packed_plan plan;
    if (all_same(v, &least, &most))
        return 0;
    packed_plan(v->at, v->count, v->width, least, most, &plan);
    double runs = change_rate(v) * (plan.bits + 8);
    return runs < plan.bits ? runs : plan.bits;
}
