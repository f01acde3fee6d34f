/* encode_values.c - chooses a codec by content and writes the payload. See codec.h; called by
 * encode.c for columns, and by itself for what nests inside. The estimates only steer the choice:
 * whatever is chosen is exact. */
#include "block/codec.h"
#include "block/mixed.h"
#include "block/ordered.h"
#include "block/runs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_ROWS  2048u
#define SAMPLE_WHOLE 4096u /* up to here a dictionary is simply built */
#define SAMPLE_PLANE 1500u
#define RUN_LEAST    12u /* average run that pays */
/* How many times dearer a zstd octet is than a packed one: what scanning it costs. */
#define ZSTD_PRICE_HOT    2.0
#define ZSTD_PRICE_COLD   1.3
#define ZSTD_PRICE_DENSE  1.0 /* of what is cold, or codes, in a dense block */
#define ZSTD_PRICE_VALUES 1.05 /* the values of a dictionary: few beside the rows */

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

static bool encode_runs(struct value_encoder *e, const struct values *v,
                        const struct advice *advice, struct buffer *out);

static double price_of(const struct value_encoder *e, bool hot)
{
    return hot ? ZSTD_PRICE_HOT : e->dense ? ZSTD_PRICE_DENSE : ZSTD_PRICE_COLD;
}

/* ---- numbers in one piece: packed, or byte planes ---- */
static void split_write(struct value_encoder *e, const struct values *v, struct buffer *out)
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
    uint32_t step = (count / SAMPLE_PLANE + 1) | 1, n = 0, seen[256] = {0};
    for (uint32_t i = 0; i < count; i += step, n++)
        seen[at[(size_t)i * width]]++;
    double sum = 0, whole = (double)log2f((float)n);
    for (unsigned k = 0; k < 256; k++) {
        if (seen[k] == n)
            return 0;
        if (seen[k]) { /* Huffman spends at least a bit */
            double bits = whole - (double)log2f((float)seen[k]);
            sum += seen[k] * (bits < 1 ? 1 : bits);
        }
    }
    double bits = sum / n;
    return bits > 7.6 ? 8.0 : 1.1 * bits; /* what is nearly random is stored as it is */
}

static double split_bits(const struct values *v)
{
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
static enum codec write_plain(struct value_encoder *e, const struct values *v, double price,
                              const struct packed_plan *packed, struct buffer *out)
{
    if (v->count >= 64 && packed->bits > 1.5 && split_bits(v) * price < packed->bits) {
        split_write(e, v, out);
        return CODEC_SPLIT_ZSTD;
    }
    packed_write(packed, v->at, v->count, v->width, out);
    return CODEC_FOR;
}

static enum codec encode_plain(struct value_encoder *e, const struct values *v, double price,
                               struct buffer *out)
{
    struct packed_plan plan;
    if (v->width == 16) {
        split_write(e, v, out);
        return CODEC_SPLIT_ZSTD;
    }
    packed_plan(v->at, v->count, v->width, v->least, v->most, &plan);
    return write_plain(e, v, price, &plan, out);
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
    struct values numbers = {.at = lengths, .count = v->count, .width = 4};
    values_measure(&numbers);
    size_t codec_at = out->length;
    buffer_put_u8(out, 0);
    enum codec codec = encode_plain(e, &numbers, ZSTD_PRICE_COLD, out);
    buffer_put_u32le(out, (uint32_t)total);
    blob_write(e->compressor, memory + lengths_size, total, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    return CODEC_OCTETS_ZSTD;
}

static enum codec encode_flat(struct value_encoder *e, const struct values *v, double price,
                              struct buffer *out)
{
    return v->width ? encode_plain(e, v, price, out) : write_octets(e, v, out);
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
        return split_bits(v);
    if (v->width == 0) {
        const struct octets *o = v->at;
        double octets = 0;
        uint32_t n = v->count < 64 ? v->count : 64;
        for (uint32_t i = 0; i < n; i++)
            octets += o[(size_t)i * v->count / n].length;
        return 8 * octets / n + 8;
    }
    double range = log2((double)(v->most - v->least) + 1); /* some of it compresses, mostly */
    return range < 8 ? 8 : 0.8 * range + 2;
}

/* Distinct values, estimated from a sample in two ways, for both say too little: values seen once
 * stand for the square root of what was not looked at (guaranteed-error estimator, good for skewed
 * columns), and values seen once against those seen twice (Chao's, good for even ones). */
static double guess_distinct(struct value_encoder *e, const struct values *v)
{
    size_t size = value_size(v->width);
    uint8_t *sample = scratch_take(e, SCRATCH_SAMPLE, SAMPLE_ROWS * size);
    uint32_t step = (v->count / SAMPLE_ROWS) | 1, n = 0, once = 0, twice = 0;
    e->sample.count = 0;
    if (!sample)
        return v->count;
    for (uint64_t i = 0; i < v->count && n < SAMPLE_ROWS; i += step)
        memcpy(sample + size * n++, (const uint8_t *)v->at + i * size, size);
    if (dictionary_build(&e->sample, sample, n, v->width, SAMPLE_ROWS, SAMPLE_ROWS) !=
        DICTIONARY_DONE)
        return v->count;
    for (uint32_t c = 0; c < e->sample.count; c++)
        once += e->sample.counts[c] == 1, twice += e->sample.counts[c] == 2;
    double skewed = (sqrt((double)v->count / n) - 1) * once;
    double even = (double)once * once / (2.0 * twice + 1);
    double distinct = e->sample.count + (skewed > even ? skewed : even);
    return distinct < v->count ? distinct : v->count;
}

#define NEVER           1e9 /* bits: what is not possible */
#define DICTIONARY_WAIT 15

/* In classes: bits that say which, the number, and the gap between values. */
static double classes_bits(const struct dictionary *d, const struct values *v)
{
    double gap = log2((double)(v->most - v->least) / d->count + 1) + 2;
    double bits = bits_below(d->classes.count) + gap * d->count / v->count;
    for (uint32_t k = 0; k < d->classes.count; k++)
        bits += (double)d->classes.rows[k] / v->count * bits_below(d->classes.values[k]);
    return bits;
}

/* Bits a row with the dictionary as counted. */
static double dictionary_bits(const struct dictionary *d, const struct values *v, double each)
{
    if (d->classes.count)
        return classes_bits(d, v);
    return code_bits(d, v->count) + (each * d->count + 300.0) / v->count;
}

/* By counting: what it would take is known before a code is given. */
static double try_counting(struct value_encoder *e, const struct values *v, double bits,
                           uint32_t limit)
{
    struct dictionary *d = &e->dictionary;
    uint32_t range = (uint32_t)(v->most - v->least);
    if (dictionary_count(d, v->at, v->count, v->width, v->least, range, limit) != DICTIONARY_DONE)
        return NEVER;
    double needs = dictionary_bits(d, v, value_bits(v));
    if (needs < bits)
        dictionary_code(d, v->at, v->count, v->width, v->least);
    return needs;
}

/* Builds the dictionary when it may beat `bits` a value; what it takes then, else NEVER. */
static double build_dictionary(struct value_encoder *e, const struct values *v, double bits,
                               const struct advice *advice)
{
    double each = value_bits(v), expected = v->count;
    double most = v->count * (bits - 0.5 * log2(bits * v->count / each)) / each;
    uint32_t limit = most < 16                   ? 16
                     : most < advice->code_limit ? (uint32_t)most
                                                 : advice->code_limit;
    uint64_t range = v->width && v->width <= 8 ? v->most - v->least : UINT64_MAX;
    if (v->count > SAMPLE_WHOLE && range >= SAMPLE_WHOLE) {
        expected = guess_distinct(e, v);
        if (expected * each / v->count + 0.75 * log2(expected + 1) > bits)
            return NEVER;
    }
    if (range < DICTIONARY_MOST && range < 4 * (uint64_t)v->count)
        return try_counting(e, v, bits, limit);
    if (dictionary_build(&e->dictionary, v->at, v->count, v->width, limit, (uint32_t)expected) !=
        DICTIONARY_DONE)
        return NEVER;
    return dictionary_bits(&e->dictionary, v, each);
}

/* The same, but for columns of which dictionaries were no use of late. */
static double try_dictionary(struct value_encoder *e, const struct values *v, double bits,
                             const struct advice *advice)
{
    if (*advice->wait && v->count > SAMPLE_WHOLE && !e->dense) {
        --*advice->wait;
        return NEVER;
    }
    double needs = build_dictionary(e, v, bits, advice);
    if (needs >= bits && v->count > SAMPLE_WHOLE)
        *advice->wait = DICTIONARY_WAIT;
    return needs;
}

static enum codec write_dictionary(struct value_encoder *e, const struct values *v, bool hot,
                                   struct buffer *out)
{
    const struct dictionary *d = &e->dictionary;
    if (d->classes.count) {
        ordered_write(e, v, out);
        return CODEC_CLASSES;
    }
    struct values found = {
        .at = d->values, .count = d->count, .width = v->width, .least = v->least, .most = v->most};
    struct values codes = {.at = d->codes, .count = v->count, .width = 2, .most = d->count - 1};
    buffer_put_u32le(out, d->count);
    size_t codec_at = out->length;
    buffer_put_u8(out, 0);
    enum codec codec = encode_flat(e, &found, ZSTD_PRICE_VALUES, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    codec_at = out->length;
    buffer_put_u8(out, 0);
    codec = encode_plain(e, &codes, price_of(e, hot && !e->dense), out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    return CODEC_DICTIONARY;
}

/* ---- common and rare values ---- */
/* Two parts are dearer to read than one, and to write. */
#define MIXED_GAIN_HOT  0.75
#define MIXED_GAIN_COLD 0.85

static enum codec encode_any(struct value_encoder *e, const struct values *v,
                             const struct advice *advice, enum nesting nesting, struct buffer *out);

static bool write_mixed(struct value_encoder *e, const struct values *v,
                        const struct advice *advice, uint32_t common, struct buffer *out)
{
    struct mixture m;
    if (!mixed_part(e, v, common, &m) || m.common_count == 0 || m.common_count == v->count)
        return false;
    uint8_t wait = 0;
    const struct advice inside = {advice->hot, DICTIONARY_MOST, &wait, false};
    struct values parts[2] = {
        {.at = m.common, .count = m.common_count, .width = v->width},
        {.at = m.rare, .count = v->count - m.common_count, .width = v->width}};
    blob_write(e->compressor, (const uint8_t *)m.bits, ((size_t)v->count + 7) / 8, out);
    for (unsigned i = 0; i < 2; i++) {
        size_t codec_at = out->length;
        values_measure(&parts[i]);
        buffer_put_u8(out, 0);
        enum codec codec = encode_any(e, &parts[i], &inside, NEST_PART, out);
        if (!out->failed)
            out->bytes[codec_at] = (uint8_t)codec;
    }
    return true;
}

/* ---- the choice ---- */
static enum codec encode_numbers(struct value_encoder *e, const struct values *v,
                                 const struct advice *advice, enum nesting nesting,
                                 struct buffer *out)
{
    struct packed_plan plan;
    double mixed = NEVER;
    uint32_t common = 0;
    packed_plan(v->at, v->count, v->width, v->least, v->most, &plan);
    if (plan.bits > 1.2 && v->count >= 16) {
        double split = advice->hot ? plan.bits : split_bits(v) * price_of(e, false);
        double rival = split < plan.bits ? split : plan.bits;
        bool mixable = nesting < NEST_PART && plan.bits > 4 && v->count > SAMPLE_WHOLE &&
                       (v->width <= 2 || !advice->hot);
        e->dictionary.in_classes = e->dense && advice->hot && nesting == NEST_COLUMN;
        double coded = try_dictionary(e, v, rival, advice);
        if (mixable && coded > MIXED_GAIN_HOT * rival) {
            (void)guess_distinct(e, v); /* for its sample */
            common = mixed_choose(&e->sample, plan.bits, &mixed);
        }
        if (coded < rival && coded < mixed)
            return write_dictionary(e, v, advice->hot, out);
        if (mixed < (advice->hot ? MIXED_GAIN_HOT : MIXED_GAIN_COLD) * rival &&
            write_mixed(e, v, advice, common, out))
            return CODEC_MIXED;
    }
    return write_plain(e, v, price_of(e, advice->hot), &plan, out);
}

/* Width 16 and octets. */
static enum codec encode_strings(struct value_encoder *e, const struct values *v,
                                 const struct advice *advice, struct buffer *out)
{
    e->dictionary.in_classes = false;
    double flat = v->width ? value_bits(v) * price_of(e, advice->hot) : value_bits(v) + 8;
    if (try_dictionary(e, v, flat, advice) < flat)
        return write_dictionary(e, v, advice->hot, out);
    return encode_flat(e, v, price_of(e, advice->hot), out);
}

static enum codec encode_any(struct value_encoder *e, const struct values *v,
                             const struct advice *advice, enum nesting nesting, struct buffer *out)
{
    if (runs_all_same(v))
        return write_constant(v, out);
    if (nesting < NEST_RUN && v->count >= 64 && runs_rate(v) * RUN_LEAST < 1.0 &&
        encode_runs(e, v, advice, out))
        return CODEC_RUNS;
    if (v->width == 0 || v->width == 16)
        return encode_strings(e, v, advice, out);
    return encode_numbers(e, v, advice, nesting, out);
}

static bool encode_runs(struct value_encoder *e, const struct values *v,
                        const struct advice *advice, struct buffer *out)
{
    uint32_t most = (v->count / RUN_LEAST + 8) & ~7u, runs = 0; /* lengths behind it are aligned */
    size_t size = value_size(v->width);
    uint8_t *memory = scratch_take(e, SCRATCH_RUNS, most * (size + sizeof(uint32_t)));
    if (!memory) {
        out->failed = true;
        return true;
    }
    uint32_t *lengths = (uint32_t *)(void *)(memory + most * size);
    if (!runs_collect(v, memory, lengths, most, &runs))
        return false;
    struct values numbers = {.at = lengths, .count = runs, .width = 4};
    struct values firsts = {
        .at = memory, .count = runs, .width = v->width, .least = v->least, .most = v->most};
    values_measure(&numbers);
    buffer_put_u32le(out, runs);
    size_t codec_at = out->length;
    buffer_put_u8(out, 0);
    enum codec codec = encode_plain(e, &numbers, ZSTD_PRICE_HOT, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    codec_at = out->length;
    buffer_put_u8(out, 0);
    codec = encode_any(e, &firsts, advice, NEST_RUN, out);
    if (!out->failed)
        out->bytes[codec_at] = (uint8_t)codec;
    return true;
}

enum codec encode_values(struct value_encoder *e, const struct values *v,
                         const struct advice *advice, struct buffer *out)
{
    if (advice->planes && v->width && !runs_all_same(v)) {
        split_write(e, v, out);
        return CODEC_SPLIT_ZSTD;
    }
    return encode_any(e, v, advice, NEST_COLUMN, out);
}

void values_measure(struct values *v)
{
    if (v->width && v->width <= 8)
        kernels_best()->range[width_index(v->width)](v->at, v->count, &v->least, &v->most);
}

double guess_bits(const struct values *v)
{
    struct packed_plan plan;
    if (runs_all_same(v))
        return 0;
    packed_plan(v->at, v->count, v->width, v->least, v->most, &plan);
    double runs = runs_rate(v) * (plan.bits + 8);
    return runs < plan.bits ? runs : plan.bits;
}
