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

/* These are all that order.c's entries have, too. */
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
    uint64_t *keys, *spare; /* by row: bits from the top, the row's number at the bottom */
    uint32_t *codes;        /* by row, of one field */
    uint8_t *seen;          /* by code: whether it occurs; zero between fields */
    uint32_t *ranks;        /* by code: how many below it occur */
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

/* Marks codes as seen, and ORs them to `any`: no loop has to look for the largest one. */
#define READ_ROWS(index)                                                                           \
    for (uint32_t row = 0; row < rows; row++) {                                                    \
        uint32_t code = code_of(in[index], reading, first_bits, codes[row]);         \
        codes[row] = code;                                                                         \
        any |= code;                                                                               \
        if (seen)                                                                                  \
            seen[code] = 1;                                                                        \
    }
#define READ(type)                                                                                 \
    do {                                                                                           \
        const type *restrict in = v->values;                                                       \
        if (v->form == VECTOR_FLAT)                                                                \
            READ_ROWS(row)                                                                         \
        else                                                                                       \
            READ_ROWS(vector_index(v, row))                                                        \
    } while (0)

/* A function for each way of reading, so that the choice is not made row by row. */
static inline __attribute__((always_inline)) uint32_t
read_as(const struct vector *v, enum reading reading, unsigned first_bits,
        uint32_t *restrict codes, uint8_t *restrict seen)
{
    const uint32_t rows = v->rows;
    uint32_t any = 0;
    switch (v->width) {
    case 1: READ(uint8_t); break;
    case 2: READ(uint16_t); break;
    case 4: READ(uint32_t); break;
    default: READ(uint64_t); break;
    }
    return any;
}

static uint32_t read_numbers(const struct vector *v, unsigned first_bits, uint32_t *codes,
                             uint8_t *seen)
{
    return read_as(v, READ_NUMBER, first_bits, codes, seen);
}
static uint32_t read_service(const struct vector *v, unsigned first_bits, uint32_t *codes,
                             uint8_t *seen)
{
    return read_as(v, READ_SERVICE, first_bits, codes, seen);
}
static uint32_t read_sizes(const struct vector *v, unsigned first_bits, uint32_t *codes,
                           uint8_t *seen)
{
    return read_as(v, READ_SIZE, first_bits, codes, seen);
}

static const struct vector *find_number(const struct frame *f, ie_key key)
{
    const struct vector *v = key ? frame_find(f, key) : NULL;
    return v && v->width >= 1 && v->width <= 8 ? v : NULL;
}

/* Codes of a frame's rows, marked as seen; all of them ORed. What is missing reads as zero. */
static uint32_t read_frame(const struct frame *f, const struct field *field, uint32_t *codes,
                           uint8_t *seen)
{
    const struct vector *v = find_number(f, field->key), *other = find_number(f, field->other);
    if (field->reading == READ_SIZE)
        v = v ? v : other;
    if (v && field->reading == READ_SIZE)
        return read_sizes(v, field->first_bits, codes, seen);
    if (v && (field->reading == READ_NUMBER || !other))
        return read_numbers(v, 0, codes, seen);
    if (v) {
        (void)read_as(v, READ_NUMBER, 0, codes, NULL);
        return read_service(other, 0, codes, seen);
    }
    memset(codes, 0, f->rows * sizeof *codes);
    seen[0] |= f->rows > 0;
    return 0;
}

/* ---- keys ---- */

/* How many codes occur, of those up to `any`; forgets that they were seen. */
static uint32_t rank_codes(struct sorting *s, uint32_t any)
{
    uint32_t count = 0;
    for (uint32_t code = 0; code <= any; code++) {
        s->ranks[code] = count;
        count += s->seen[code];
        s->seen[code] = 0;
    }
    return count;
}

/* Below what the keys have; as many of its upper bits as fit. */
static void add_field(struct sorting *s, const struct field *f)
{
    const uint32_t rows = s->u->rows, *restrict codes = s->codes, *restrict ranks = s->ranks;
    uint64_t *restrict keys = s->keys;
    uint32_t any = 0;
    if (s->bits == KEY_BITS)
        return;
    for (size_t i = 0; i < s->u->count; i++)
        any |= read_frame(&s->u->frames[i], f, s->codes + s->u->first_rows[i], s->seen);
    unsigned bits = bits_below(rank_codes(s, any)), room = KEY_BITS - s->bits;
    if (!bits)
        return; /* all are equal */
    unsigned cut = bits > room ? bits - room : 0, shift = 64 - s->bits - (bits - cut);
    uint32_t row = 0;
    for (; row + 4 <= rows; row += 4) { /* the loop is much of what it does */
        keys[row] |= (uint64_t)(ranks[codes[row]] >> cut) << shift;
        keys[row + 1] |= (uint64_t)(ranks[codes[row + 1]] >> cut) << shift;
        keys[row + 2] |= (uint64_t)(ranks[codes[row + 2]] >> cut) << shift;
        keys[row + 3] |= (uint64_t)(ranks[codes[row + 3]] >> cut) << shift;
    }
    for (; row < rows; row++)
        keys[row] |= (uint64_t)(ranks[codes[row]] >> cut) << shift;
    s->bits += bits - cut;
}

static void make_keys(struct sorting *s, const struct runs *runs)
{
    s->bits = bits_below(runs->origins);
    for (uint32_t i = 0; i < runs->count; i++) {
        const struct run *r = &runs->runs[i];
        uint64_t origin = s->bits ? (uint64_t)r->origin << (64 - s->bits) : 0;
        for (uint32_t row = r->first; row < r->end; row++)
            s->keys[row] = origin | row;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        add_field(s, &fields[i]);
}

/* ---- sorting ---- */

struct digits {
    uint32_t start[DIGITS_MOST][1u << DIGIT_BITS];
    unsigned count, bits; /* digits, and of each */
};

/* `count` is known where this is called from, so that the inner loop is unrolled. */
static inline __attribute__((always_inline)) void count_rows(const struct sorting *s,
                                                             struct digits *d, unsigned count)
{
    const uint64_t *restrict keys = s->keys;
    const uint32_t rows = s->u->rows, mask = (UINT32_C(1) << d->bits) - 1;
    const unsigned bits = d->bits, low = 64 - s->bits;
    for (uint32_t row = 0; row < rows; row++) {
        uint64_t key = keys[row] >> low;
        for (unsigned k = 0; k < count; k++, key >>= bits)
            d->start[k][key & mask]++;
    }
}

static void count_digits(const struct sorting *s, struct digits *d)
{
    memset(d->start, 0, sizeof d->start);
    switch (d->count) {
    case 1: count_rows(s, d, 1); break;
    case 2: count_rows(s, d, 2); break;
    case 3: count_rows(s, d, 3); break;
    default: count_rows(s, d, DIGITS_MOST); break;
    }
    for (unsigned k = 0; k < d->count; k++) {
        uint32_t before = 0;
        for (uint32_t i = 0; i < UINT32_C(1) << d->bits; i++) {
            uint32_t here = d->start[k][i];
            d->start[k][i] = before;
            before += here;
        }
    }
}

/* Stable, from the least important digit to the most important one. */
static void sort_keys(struct sorting *s, struct digits *d)
{
    const uint32_t rows = s->u->rows;
    d->count = (s->bits + DIGIT_BITS - 1) / DIGIT_BITS;
    if (!d->count)
        return;
    d->bits = (s->bits + d->count - 1) / d->count;
    count_digits(s, d);
    for (unsigned k = 0; k < d->count; k++) {
        const uint64_t *restrict from = s->keys;
        uint64_t *restrict to = s->spare;
        uint32_t mask = (UINT32_C(1) << d->bits) - 1, *restrict start = d->start[k];
        unsigned shift = 64 - s->bits + k * d->bits;
        for (uint32_t row = 0; row < rows; row++)
            to[start[from[row] >> shift & mask]++] = from[row];
        s->spare = s->keys;
        s->keys = to;
    }
}

bool order_reads_numbers(ie_key key)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].key == key || fields[i].other == key)
            return true;
    return false;
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
    s.seen = arena_zero(scratch, CODES_MOST * sizeof *s.seen);
    s.ranks = arena_alloc(scratch, CODES_MOST * sizeof *s.ranks);
    if (!rows || !digits || !s.keys || !s.spare || !s.codes || !s.seen || !s.ranks)
        return NULL;
    make_keys(&s, runs);
    sort_keys(&s, digits);
    for (uint32_t i = 0; i < u->rows; i++)
        rows[i] = (uint32_t)s.keys[i] & ((1u << ROW_BITS) - 1);
    return rows;
}
