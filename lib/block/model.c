/* model.c - see model.h. Used by encode.c, given.c and decode_values.c. */
#include "block/model.h"
#include <stdlib.h>
#include <string.h>

#define CONTEXTS       6u
#define CONTEXTS_ALONE 4u
#define SEEN_KINDS     14u /* of what was seen in a context: how often, and always the same? */
#define SEEN_MOST      20u
#define ALWAYS         0x40u
#define EVEN           32768
#define CHANCE_LEAST   24
#define MIX_SHIFT      13
#define WEIGHT_MOST    (1 << 20)
#define PARTNER_BITS   14
#define SLOTS_LEAST    1024u
#define SLOTS_MOST     (1u << 20)
#define FLAG_PRIMED    1u

struct slot { /* a bit in a context; all zero: not seen */
    uint16_t chance; /* of 1, of 65536 */
    uint8_t seen;    /* times, and ALWAYS */
    uint8_t check;
};

struct model {
    struct slot *slots;
    unsigned shift; /* of a hash to the slot's place */
    unsigned contexts;
    int16_t stretch[4096];
    int32_t weights[16][CONTEXTS][SEEN_KINDS];
    uint32_t partners[1 << PARTNER_BITS];
    /* of the bit that is coded */
    uint32_t hashes[CONTEXTS];
    struct slot *found[CONTEXTS];
    int32_t *mixed[CONTEXTS];
    int says[CONTEXTS];
    /* the coder */
    uint32_t low, high, code;
    struct buffer *out; /* NULL: decoding */
    const uint8_t *at, *end;
};

struct shape { /* which octets differ from value to value */
    unsigned width, count;
    uint8_t places[16]; /* from the highest */
    uint8_t same[16];
};

/* ---- numbers ---- */

static inline uint32_t mix(uint32_t a, uint32_t b)
{
    uint32_t h = (a ^ b * UINT32_C(0x9e3779b1)) * UINT32_C(0x85ebca6b);
    h = (h ^ h >> 15) * UINT32_C(0xc2b2ae35);
    return h ^ h >> 13;
}

/* 65536 / (1 + e^-(i/2 - 8)) */
static const int32_t logistic[33] = {
    22,    36,    60,    98,    162,   267,   439,   720,   1179,  1921,  3108,
    4971,  7812,  11955, 17625, 24743, 32768, 40793, 47911, 53581, 57724, 60565,
    62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514};

static inline int squash(int64_t x)
{
    int bounded = x > 2047 ? 2047 : x < -2047 ? -2047 : (int)x;
    int place = (bounded + 2048) / 128, part = (bounded + 2048) % 128;
    return (logistic[place] * (128 - part) + logistic[place + 1] * part + 64) / 128;
}

static void start_stretch(struct model *m)
{
    int next = 0;
    for (int x = -2047; x <= 2047; x++)
        for (int most = squash(x) / 16; next <= most; next++)
            m->stretch[next] = (int16_t)x;
    while (next < 4096)
        m->stretch[next++] = 2047;
}

/* What is seen once or twice is believed less than what is seen often; what was never otherwise,
 * more. */
static void start_weights(struct model *m)
{
    for (unsigned place = 0; place < 16; place++)
        for (unsigned i = 0; i < CONTEXTS; i++)
            for (unsigned kind = 0; kind < SEEN_KINDS; kind++)
                m->weights[place][i][kind] = kind % 7 == 0 ? 0
                                             : kind > 7    ? 2200 * (10 + (int32_t)kind % 7)
                                                           : 15400;
}

static inline unsigned kind_of(const struct slot *s)
{
    static const uint8_t kinds[SEEN_MOST + 1] = {0, 1, 2, 3, 3, 4, 4, 4, 4, 5, 5,
                                                 5, 5, 5, 5, 5, 5, 6, 6, 6, 6};
    return kinds[s->seen & 0x3f] + (s->seen & ALWAYS ? 7u : 0u);
}

uint32_t model_hash(const void *value, unsigned width)
{
    uint8_t octets[16] = {0};
    uint32_t h = 77;
    memcpy(octets, value, width);
    for (unsigned i = 0; i < (width == 16 ? 16u : 8u); i += 4)
        h = mix(h, load_le32(octets + i));
    return h;
}

/* ---- what was seen ---- */

static inline void find_slots(struct model *m, unsigned place, uint32_t node, int *chance)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < m->contexts; i++) {
        uint32_t h = mix(m->hashes[i], node);
        struct slot *s = &m->slots[h >> m->shift];
        if (s->check != (uint8_t)h || !(s->seen & 0x3f))
            *s = (struct slot){.chance = EVEN, .seen = ALWAYS, .check = (uint8_t)h};
        unsigned kind = kind_of(s);
        m->found[i] = s;
        m->mixed[i] = &m->weights[place][i][kind];
        m->says[i] = kind % 7 ? m->stretch[s->chance >> 4] : 0;
        sum += (int64_t)*m->mixed[i] * m->says[i];
    }
    int p = squash(sum / 65536);
    *chance = p < CHANCE_LEAST ? CHANCE_LEAST : p > 65536 - CHANCE_LEAST ? 65536 - CHANCE_LEAST : p;
}

static inline void learn_slot(struct slot *s, unsigned bit)
{
    unsigned seen = s->seen & 0x3f, always = s->seen & ALWAYS;
    if (seen && (s->chance >= EVEN) != (bit != 0))
        always = 0;
    int miss = (bit ? 65535 : 0) - s->chance;
    s->chance = (uint16_t)(s->chance + 2 * miss / (2 * (int)seen + 3));
    s->seen = (uint8_t)((seen < SEEN_MOST ? seen + 1 : seen) | always);
}

static inline void learn(struct model *m, unsigned bit, int chance)
{
    int miss = (bit ? 65536 : 0) - chance;
    for (unsigned i = 0; i < m->contexts; i++) {
        int32_t w = *m->mixed[i] + m->says[i] * miss / (1 << MIX_SHIFT);
        *m->mixed[i] = w > WEIGHT_MOST ? WEIGHT_MOST : w < -WEIGHT_MOST ? -WEIGHT_MOST : w;
        learn_slot(m->found[i], bit);
    }
}

/* ---- bits ---- */

static inline uint8_t next_octet(struct model *m)
{
    return m->at < m->end ? *m->at++ : 0;
}

/* Codes `bit`, or gives the one that was coded. */
static inline unsigned code_bit(struct model *m, unsigned bit, int chance)
{
    uint32_t middle = m->low + (uint32_t)((uint64_t)(m->high - m->low) * (uint32_t)chance >> 16);
    if (!m->out)
        bit = m->code <= middle;
    if (bit)
        m->high = middle;
    else
        m->low = middle + 1;
    for (; !((m->low ^ m->high) >> 24); m->low <<= 8, m->high = m->high << 8 | 0xff) {
        if (m->out)
            buffer_put_u8(m->out, (uint8_t)(m->high >> 24));
        else
            m->code = m->code << 8 | next_octet(m);
    }
    return bit;
}

/* The fewest octets that lead, with zeros after them, to what was coded. */
static void finish(struct model *m)
{
    for (unsigned octets = 0; octets <= 4; octets++) {
        uint64_t rest = (UINT64_C(1) << (32 - 8 * octets)) - 1, last = (m->low + rest) & ~rest;
        if (last > m->high)
            continue;
        for (unsigned i = 0; i < octets; i++)
            buffer_put_u8(m->out, (uint8_t)(last >> (24 - 8 * i)));
        return;
    }
}

static inline uint8_t code_octet(struct model *m, unsigned place, uint32_t octet)
{
    uint32_t node = 1;
    for (unsigned k = 8; k-- > 0;) {
        int chance;
        find_slots(m, place, node, &chance);
        unsigned bit = code_bit(m, octet >> k & 1u, chance);
        learn(m, bit, chance);
        node = node * 2 + bit;
    }
    return (uint8_t)node;
}

/* ---- values ---- */

/* Octet `place` of a value, from its highest. */
static inline uint8_t *octet_of(void *value, unsigned width, unsigned place)
{
    return (uint8_t *)value + (width == 16 ? place : width - 1 - place);
}

/* A value that is known without being coded: what it adds to the first context. */
static void prime(struct model *m, const struct shape *s, const uint8_t *value)
{
    uint32_t prefix = 1;
    for (unsigned i = 0; i < s->count; i++) {
        uint32_t octet = value[s->width == 16 ? s->places[i] : s->width - 1u - s->places[i]];
        uint32_t context = mix(prefix, i), node = 1;
        for (unsigned k = 8; k-- > 0;) {
            unsigned bit = octet >> k & 1u;
            uint32_t h = mix(context, node);
            struct slot *slot = &m->slots[h >> m->shift];
            if (slot->check != (uint8_t)h || !(slot->seen & 0x3f))
                *slot = (struct slot){.chance = EVEN, .seen = ALWAYS, .check = (uint8_t)h};
            learn_slot(slot, bit);
            node = node * 2 + bit;
        }
        prefix = mix(prefix, octet + 1u);
    }
}

struct before { /* the value before */
    uint32_t hash;
    uint8_t octets[16];
};

static void code_value(struct model *m, const struct shape *s, struct before *b, uint32_t given,
                       uint32_t partner, uint8_t *value)
{
    uint32_t prefix = 1, same = 1;
    for (unsigned i = 0; i < s->count; i++) {
        uint8_t *octet = octet_of(value, s->width, s->places[i]);
        m->hashes[0] = mix(prefix, i);
        m->hashes[1] = mix(1, 16 + i);
        m->hashes[2] = mix(mix(prefix, 32 + i), b->hash);
        m->hashes[3] = mix(mix(same, 48 + i), b->octets[i]);
        m->hashes[4] = mix(mix(prefix, 64 + i), given);
        m->hashes[5] = mix(mix(prefix, 80 + i), partner);
        *octet = code_octet(m, i, *octet);
        prefix = mix(prefix, *octet + 1u);
        same &= *octet == b->octets[i];
        b->octets[i] = *octet;
    }
    b->hash = prefix;
}

static void code_values(struct model *m, const struct shape *s, uint32_t count,
                        const struct model_given *given, uint8_t *values)
{
    struct before b = {0};
    for (uint32_t i = 0; given && given->values && i < count; i++)
        prime(m, s, (const uint8_t *)given->values + (size_t)i * s->width);
    for (uint32_t i = 0; i < count; i++, values += s->width) {
        uint32_t other = given ? given->hashes[i] : 0;
        uint32_t *partner = &m->partners[other >> (32 - PARTNER_BITS)];
        code_value(m, s, &b, other, *partner, values);
        if (!given)
            continue;
        uint32_t own = model_hash(values, s->width);
        *partner = own;
        m->partners[own >> (32 - PARTNER_BITS)] = other;
    }
}

/* ---- the whole ---- */

/* NULL: no memory. */
static struct model *start(const struct shape *s, uint32_t count, const struct model_given *given)
{
    uint32_t slots = SLOTS_LEAST, shift = 22;
    for (; slots < SLOTS_MOST && slots < count * s->count * 16; slots *= 2)
        shift--;
    struct model *m = calloc(1, sizeof *m);
    if (m && !(m->slots = calloc(slots, sizeof *m->slots))) {
        free(m);
        return NULL;
    }
    if (m) {
        m->shift = shift;
        m->contexts = given ? CONTEXTS : CONTEXTS_ALONE;
        m->high = UINT32_MAX;
        start_stretch(m);
        start_weights(m);
    }
    return m;
}

static void end(struct model *m)
{
    free(m->slots);
    free(m);
}

static void shape_of(const struct values *v, struct shape *s)
{
    const uint8_t *first = v->at;
    *s = (struct shape){.width = v->width};
    for (unsigned place = 0; place < v->width; place++) {
        size_t at = v->width == 16 ? place : v->width - 1u - place;
        uint8_t differs = 0;
        for (uint32_t i = 1; i < v->count; i++)
            differs |= first[i * (size_t)v->width + at] ^ first[at];
        s->same[place] = first[at];
        if (differs)
            s->places[s->count++] = (uint8_t)place;
    }
}

static void put_shape(const struct shape *s, bool primed, struct buffer *out)
{
    uint16_t which = 0;
    for (unsigned i = 0; i < s->count; i++)
        which |= (uint16_t)(1u << s->places[i]);
    buffer_put_u8(out, primed ? FLAG_PRIMED : 0);
    buffer_put_u16le(out, which);
    for (unsigned place = 0; place < s->width; place++)
        if (!(which >> place & 1))
            buffer_put_u8(out, s->same[place]);
}

void model_write(const struct values *v, const struct model_given *given, struct buffer *out)
{
    struct shape s;
    shape_of(v, &s);
    struct model *m = start(&s, v->count, given);
    uint8_t *copy = malloc((size_t)v->count * v->width);
    if (m && copy) {
        memcpy(copy, v->at, (size_t)v->count * v->width);
        put_shape(&s, given && given->values, out);
        size_t head = out->length;
        buffer_put_u32le(out, 0);
        m->out = out;
        code_values(m, &s, v->count, given, copy);
        finish(m);
        uint32_t length = (uint32_t)(out->length - head - 4);
        if (!out->failed)
            memcpy(out->bytes + head, &length, 4);
    } else {
        out->failed = true;
    }
    if (m)
        end(m);
    free(copy);
}

static enum weir_status read_shape(struct cursor *in, unsigned width, bool *primed,
                                   struct shape *s)
{
    uint8_t flags = cursor_u8(in);
    uint16_t which = cursor_u16_le(in);
    *s = (struct shape){.width = width};
    *primed = flags & FLAG_PRIMED;
    for (unsigned place = 0; place < width; place++) {
        if (which >> place & 1)
            s->places[s->count++] = (uint8_t)place;
        else
            s->same[place] = cursor_u8(in);
    }
    if (in->failed)
        return WEIR_ETRUNCATED;
    return (unsigned)which >> width || flags > FLAG_PRIMED ? WEIR_EMALFORMED : WEIR_OK;
}

enum weir_status model_read(struct cursor *in, uint32_t count, unsigned width,
                            const struct model_given *given, void *values)
{
    struct shape s;
    bool primed;
    if (width == 0 || count == 0 || count > MODEL_VALUES_MOST)
        return WEIR_EMALFORMED;
    enum weir_status status = read_shape(in, width, &primed, &s);
    uint32_t length = cursor_u32_le(in);
    const uint8_t *bytes = cursor_bytes(in, length);
    if (status != WEIR_OK || in->failed)
        return status != WEIR_OK ? status : WEIR_ETRUNCATED;
    if (primed && !(given && given->values))
        return WEIR_EMALFORMED;
    struct model *m = start(&s, count, given);
    if (!m)
        return WEIR_ENOMEM;
    uint8_t *at = values;
    for (unsigned place = 0; place < width; place++)
        *octet_of(at, width, place) = s.same[place];
    for (uint32_t i = 1; i < count; i++)
        memcpy(at + (size_t)i * width, at, width);
    m->at = bytes;
    m->end = bytes + length;
    for (unsigned i = 0; i < 4; i++)
        m->code = m->code << 8 | next_octet(m);
    const struct model_given used = {given ? given->hashes : NULL, primed ? given->values : NULL};
    code_values(m, &s, count, given ? &used : NULL, values);
    end(m);
    return WEIR_OK;
}
