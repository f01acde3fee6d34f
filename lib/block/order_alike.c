/* order_alike.c - puts rows next to each other that are alike, whenever they were told, see
 * arrange.h for the keys. Used by order.c.
 *
 * A key of KEY_BITS a row, and the row's number below it. Each field adds what its values are among
 * those that occur, so it takes as many bits as there are values; what no longer fits is cut off.
 * Keys are made a field at a time and sorted by digits: nothing here compares two rows. */
#include "block/order.h"
#include <string.h>

#define ROW_BITS 20u /* ORDER_ALIKE_ROWS_MOST */
#define KEY_BITS (64u - ROW_BITS)
#define CODES_MOST (UINT32_C(1) << 17) /* of a field */
#define DIGIT_BITS 11u
#define DIGITS_MOST (KEY_BITS / DIGIT_BITS)

enum reading {
    READ_NUMBER,  /* 16 bits of it */
    READ_SERVICE, /* the lower one of two ports, and which one it is */
    READ_SIZE     /* the first bits of a number, and how many more it has */
};

static const struct field {
    ie_key key, other;
    enum reading reading;
    unsigned first_bits; /* CODES_MOST holds (66 - first_bits) << first_bits */
} fields[] = {
    {IANA(4), 0, READ_NUMBER, 0},         /* protocolIdentifier */
    {IANA(5), 0, READ_NUMBER, 0},         /* ipClassOfService */
    {IANA(7), IANA(11), READ_SERVICE, 0}, /* sourceTransportPort, destinationTransportPort */
    {IANA(6), 0, READ_NUMBER, 0},         /* tcpControlBits */
    /* What these are the same as, or else: a merge leaves out columns that say no more. */
    {WEIR_PACKETS, IANA(2), READ_SIZE, 5},
    {WEIR_OCTETS, IANA(1), READ_SIZE, 10},
};

struct sorting {
    const struct unordered *u;
    uint64_t *keys, *spare; /* by row */
    uint32_t *codes;        /* by row, of one field */
    uint32_t *ranks;        /* by code: whether it occurs, then how many below it do */
    unsigned bits;          /* of the keys, so far */
};

/* ---- codes: in the order of the values ---- */

static inline uint32_t code_of_size(uint64_t v, unsigned first_bits)
{
    unsigned length = 64u - (unsigned)__builtin_clzll(v | 1);
    unsigned more = length > first_bits + 1 ? length - first_bits - 1 : 0;
    return (uint32_t)((uint64_t)more << first_bits) + (uint32_t)(v >> more);
}

static inline uint32_t code_of(uint64_t v, enum reading reading, unsigned first_bits,
                               uint32_t before)
{
    uint32_t number = (uint32_t)(v & 0xffff);
    if (reading == READ_SIZE)
        return code_of_size(v, first_bits);
    return reading == READ_SERVICE && number >= before ? before
           : reading == READ_SERVICE                   ? 1u << 16 | number
                                                       : number;
}

#define READ(type)                                                                                 \
    do {                                                                                           \
        const type *in = v->values;                                                                \
        if (v->form == VECTOR_FLAT)                                                                \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                codes[row] = code_of(in[row], reading, first_bits, codes[row]);                    \
        else                                                                                       \
            for (uint32_t row = 0; row < v->rows; row++)                                           \
                codes[row] =                                                                       \
                    code_of(in[vector_index(v, row)], reading, first_bits, codes[row]);            \
    } while (0)

/* A function for each way of reading, so that the choice is not made row by row. */
static inline __attribute__((always_inline)) void
read_as(const struct vector *v, enum reading reading, unsigned first_bits, uint32_t *codes)
{
    switch (v->width) {
    case 1: READ(uint8_t); break;
    case 2: READ(uint16_t); break;
    case 4: READ(uint32_t); break;
    case 8: READ(uint64_t); break;
    default: break; /* no number */
    }
}

static void read_numbers(const struct vector *v, unsigned first_bits, uint32_t *codes)
{
    read_as(v, READ_NUMBER, first_bits, codes);
}
static void read_service(const struct vector *v, unsigned first_bits, uint32_t *codes)
{
    read_as(v, READ_SERVICE, first_bits, codes);
}
static void read_sizes(const struct vector *v, unsigned first_bits, uint32_t *codes)
{
    read_as(v, READ_SIZE, first_bits, codes);
}

/* All codes of a field; false: they are all equal. */
static bool read_field(struct sorting *s, const struct field *f)
{
    static void (*const reading[])(const struct vector *, unsigned, uint32_t *) = {
        read_numbers, read_service, read_sizes};
    uint64_t differ = 0;
    memset(s->codes, 0, s->u->rows * sizeof *s->codes);
    for (size_t i = 0; i < s->u->count; i++) {
        const struct frame *frame = &s->u->frames[i];
        const struct vector *v = frame_find(frame, f->key),
                            *other = f->other ? frame_find(frame, f->other) : NULL;
        uint32_t *codes = s->codes + s->u->first_rows[i];
        if (v)
            reading[f->reading == READ_SERVICE ? READ_NUMBER : f->reading](v, f->first_bits, codes);
        if (other && (f->reading == READ_SIZE) == !v)
            reading[f->reading](other, f->first_bits, codes);
    }
    for (uint32_t row = 0; row < s->u->rows; row++)
        differ |= s->codes[row] ^ s->codes[0];
    return differ != 0;
}

/* ---- keys ---- */

static void rank_codes(struct sorting *s, uint32_t *count)
{
    uint32_t most = 0;
    for (uint32_t row = 0; row < s->u->rows; row++)
        most = s->codes[row] > most ? s->codes[row] : most;
    memset(s->ranks, 0, (most + 1) * sizeof *s->ranks);
    for (uint32_t row = 0; row < s->u->rows; row++)
        s->ranks[s->codes[row]] = 1;
    *count = 0;
    for (uint32_t code = 0; code <= most; code++) {
        uint32_t occurs = s->ranks[code];
        s->ranks[code] = *count;
        *count += occurs;
    }
}

/* Below what the keys have; as many of its upper bits as fit. */
static void add_field(struct sorting *s, const struct field *f)
{
    uint32_t count;
    if (s->bits == KEY_BITS || !read_field(s, f))
        return;
    rank_codes(s, &count);
    unsigned bits = bits_below(count), room = KEY_BITS - s->bits;
    unsigned cut = bits > room ? bits - room : 0;
    for (uint32_t row = 0; row < s->u->rows; row++)
        s->keys[row] = s->keys[row] << (bits - cut) | s->ranks[s->codes[row]] >> cut;
    s->bits += bits - cut;
}

static void make_keys(struct sorting *s, const struct runs *runs)
{
    s->bits = bits_below(runs->origins);
    for (uint32_t i = 0; i < runs->count; i++)
        for (uint32_t row = runs->runs[i].first; row < runs->runs[i].end; row++)
            s->keys[row] = runs->runs[i].origin;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        add_field(s, &fields[i]);
    for (uint32_t row = 0; row < s->u->rows; row++)
        s->keys[row] = s->keys[row] << ROW_BITS | row;
}

/* ---- sorting ---- */

struct digits {
    uint32_t start[DIGITS_MOST][1u << DIGIT_BITS];
    unsigned count, bits; /* digits, and of each */
};

static void count_digits(const struct sorting *s, struct digits *d)
{
    uint32_t mask = (UINT32_C(1) << d->bits) - 1;
    memset(d->start, 0, sizeof d->start);
    for (uint32_t row = 0; row < s->u->rows; row++)
        for (unsigned k = 0; k < d->count; k++)
            d->start[k][s->keys[row] >> (ROW_BITS + k * d->bits) & mask]++;
    for (unsigned k = 0; k < d->count; k++) {
        uint32_t before = 0;
        for (uint32_t i = 0; i <= mask; i++) {
            uint32_t here = d->start[k][i];
            d->start[k][i] = before;
            before += here;
        }
    }
}

/* Stable, from the least important digit to the most important one. */
static void sort_keys(struct sorting *s, struct digits *d)
{
    d->count = (s->bits + DIGIT_BITS - 1) / DIGIT_BITS;
    d->bits = d->count ? (s->bits + d->count - 1) / d->count : 0;
    count_digits(s, d);
    for (unsigned k = 0; k < d->count; k++) {
        uint32_t mask = (UINT32_C(1) << d->bits) - 1, *start = d->start[k];
        unsigned shift = ROW_BITS + k * d->bits;
        for (uint32_t row = 0; row < s->u->rows; row++)
            s->spare[start[s->keys[row] >> shift & mask]++] = s->keys[row];
        uint64_t *sorted = s->spare;
        s->spare = s->keys;
        s->keys = sorted;
    }
}

uint32_t *order_alike(const struct unordered *u, const struct runs *runs, struct arena *a,
                      struct arena *scratch)
{
    struct sorting s = {.u = u};
    uint32_t *rows = arena_alloc(a, (u->rows + 1) * sizeof *rows);
    struct digits *digits = arena_alloc(scratch, sizeof *digits);
    s.keys = arena_alloc(scratch, (u->rows + 1) * sizeof *s.keys);
    s.spare = arena_alloc(scratch, (u->rows + 1) * sizeof *s.spare);
    s.codes = arena_alloc(scratch, (u->rows + 1) * sizeof *s.codes);
    s.ranks = arena_alloc(scratch, CODES_MOST * sizeof *s.ranks);
    if (!rows || !digits || !s.keys || !s.spare || !s.codes || !s.ranks)
        return NULL;
    make_keys(&s, runs);
    sort_keys(&s, digits);
    for (uint32_t i = 0; i < u->rows; i++)
        rows[i] = (uint32_t)(s.keys[i] & ((1u << ROW_BITS) - 1));
    return rows;
}
