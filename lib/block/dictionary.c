/* dictionary.c - distinct values by open addressing, see dictionary.h. Used by encode_column.c, and
 * by check.c to prove that a decoded dictionary's values are distinct.
 *
 * A slot is 32 bits of the hash above 32 bits of code + 1 (0: empty). For widths up to 4 the hash
 * is a bijection of the value, so equal hash bits are equal values and the value array is not
 * looked at. */
#include "block/dictionary.h"
#include "base/cursor.h"
#include "block/kernels.h"
#include <stdlib.h>
#include <string.h>

/* Whoever sends flows chooses their values, and could choose ones that collide: a search that takes
 * longer than chance would is given up, and the column coded in another way. */
#define PROBES_MOST 512u
#define SLOTS_LEAST 1024u
#define SLOTS_USUAL 32768u /* for long columns: 256 KiB, cleared in no time, seldom outgrown */
#define RANKS       1280u  /* see rank_of() */
#define CLASSES_LEAST 64u  /* of fewer values, classes are no use */

static inline uint64_t mix(uint64_t v)
{
    v ^= v >> 32;
    v *= UINT64_C(0x9fb21c651e98df25); /* odd: a bijection of 64 bits */
    v ^= v >> 29;
    return v * UINT64_C(0xd6e8feb86659fd93);
}

static inline uint32_t hash_1(const void *values, uint32_t row)
{
    return ((const uint8_t *)values)[row] * UINT32_C(0x9e3779b1);
}
static inline uint32_t hash_2(const void *values, uint32_t row)
{
    return ((const uint16_t *)values)[row] * UINT32_C(0x9e3779b1);
}
static inline uint32_t hash_4(const void *values, uint32_t row)
{
    /* Both steps are bijections; without the first, addresses that differ in high bits only
     * collide. */
    uint32_t v = ((const uint32_t *)values)[row];
    v ^= v >> 15;
    return v * UINT32_C(0x9e3779b1);
}
static inline uint32_t hash_8(const void *values, uint32_t row)
{
    return (uint32_t)(mix(((const uint64_t *)values)[row]) >> 32);
}
static inline uint32_t hash_16(const void *values, uint32_t row)
{
    const uint8_t *v = (const uint8_t *)values + 16 * (size_t)row;
    return (uint32_t)(mix(load_le64(v) + mix(load_le64(v + 8))) >> 32);
}
static inline uint32_t hash_0(const void *values, uint32_t row)
{
    const struct octets *v = (const struct octets *)values + row;
    uint64_t h = v->length, last = 0;
    uint32_t i = 0;
    for (; i + 8 <= v->length; i += 8)
        h = mix(h + load_le64(v->bytes + i));
    if (i < v->length)
        memcpy(&last, v->bytes + i, v->length - i);
    return (uint32_t)(mix(h + last) >> 32);
}

/* ---- equality of row `row` of the column and value `code` found before ---- */
static inline bool same_narrow(const void *values, uint32_t row, const void *found, uint32_t code)
{
    (void)values, (void)row, (void)found, (void)code;
    return true; /* the hash said it */
}
static inline bool same_8(const void *values, uint32_t row, const void *found, uint32_t code)
{
    return ((const uint64_t *)values)[row] == ((const uint64_t *)found)[code];
}
static inline bool same_16(const void *values, uint32_t row, const void *found, uint32_t code)
{
    return memcmp((const uint8_t *)values + 16 * (size_t)row,
                  (const uint8_t *)found + 16 * (size_t)code, 16) == 0;
}
static inline bool same_0(const void *values, uint32_t row, const void *found, uint32_t code)
{
    const struct octets *a = (const struct octets *)values + row;
    const struct octets *b = (const struct octets *)found + code;
    return a->length == b->length && (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

static bool grow_slots(struct dictionary *d, uint32_t slots)
{
    if (slots > d->slot_room) {
        uint64_t *more = realloc(d->slots, slots * sizeof *more);
        if (!more)
            return false;
        d->slots = more;
        d->slot_room = slots;
    }
    memset(d->slots, 0, slots * sizeof *d->slots);
    d->slot_count = slots;
    return true;
}

static bool make_room(struct dictionary *d, uint32_t rows)
{
    if (!d->values) { /* room for the widest value, 16 octets; and see dictionary_count() */
        d->values = malloc((size_t)(DICTIONARY_MOST + 1) * 16);
        d->sorted = malloc((size_t)(DICTIONARY_MOST + 1) * 16);
        d->counts = malloc((size_t)(DICTIONARY_MOST + 1) * sizeof *d->counts);
        d->sorted_counts = malloc((size_t)(DICTIONARY_MOST + 1) * sizeof *d->sorted_counts);
        d->tally = malloc((size_t)DICTIONARY_MOST * 2 * sizeof *d->tally);
        d->places = malloc((size_t)DICTIONARY_MOST * sizeof *d->places);
    }
    if (rows > d->code_room) {
        uint16_t *codes = realloc(d->codes, (rows + PACK_GROUP) * sizeof *codes);
        if (!codes)
            return false;
        d->codes = codes;
        d->code_room = rows;
    }
    return d->values && d->sorted && d->counts && d->sorted_counts && d->tally && d->places;
}

/* Where the hash belongs: its high bits choose the slot, so that growing keeps neighbours apart. */
static inline uint32_t slot_of(uint32_t hash, uint32_t slots)
{
    return (uint32_t)((uint64_t)hash * slots >> 32);
}

static bool rehash(struct dictionary *d)
{
    uint32_t old = d->slot_count, slots = old * 4;
    uint64_t *from = malloc(old * sizeof *from);
    if (!from)
        return false;
    memcpy(from, d->slots, old * sizeof *from);
    bool ok = grow_slots(d, slots);
    for (uint32_t i = 0; ok && i < old; i++)
        if (from[i]) {
            uint32_t s = slot_of((uint32_t)(from[i] >> 32), slots);
            while (d->slots[s])
                s = (s + 1) & (slots - 1);
            d->slots[s] = from[i];
        }
    free(from);
    return ok;
}

/* A function a width, so that hash and comparison are inlined into the loop. `size` is that of a
 * value in memory. */
#define BUILD(name, hash_of, same, size)                                                           \
    static enum dictionary_result name(struct dictionary *d, const void *values, uint32_t row,     \
                                       uint32_t rows, uint32_t limit)                              \
    {                                                                                              \
        uint32_t count = d->count, slots = d->slot_count;                                          \
        uint16_t *restrict codes = d->codes;                                                       \
        uint32_t *restrict counts = d->counts;                                                     \
        uint64_t *table = d->slots;                                                                \
        uint8_t *found = d->values;                                                                \
        for (; row < rows; row++) {                                                                \
            uint32_t hash = hash_of(values, row);                                                  \
            uint32_t s = slot_of(hash, slots);                                                     \
            uint64_t slot;                                                                         \
            uint32_t probes = 0;                                                                   \
            for (;; s = (s + 1) & (slots - 1)) {                                                   \
                if (++probes > PROBES_MOST)                                                        \
                    return DICTIONARY_TOO_MANY;                                                    \
                slot = table[s];                                                                   \
                if (!slot || ((uint32_t)(slot >> 32) == hash &&                                    \
                              same(values, row, found, (uint32_t)slot - 1)))                       \
                    break;                                                                         \
            }                                                                                      \
            if (slot) {                                                                            \
                uint32_t code = (uint32_t)slot - 1;                                                \
                codes[row] = (uint16_t)code;                                                       \
                counts[code]++;                                                                    \
                continue;                                                                          \
            }                                                                                      \
            if (count == limit)                                                                    \
                return DICTIONARY_TOO_MANY;                                                        \
            memcpy(found + (size_t)count * (size),                                                 \
                   (const uint8_t *)values + (size_t)row * (size), (size));                        \
            codes[row] = (uint16_t)count;                                                          \
            counts[count] = 1;                                                                     \
            table[s] = (uint64_t)hash << 32 | ++count;                                             \
            if (count > slots / 4 * 3) {                                                           \
                if (!rehash(d))                                                                    \
                    return DICTIONARY_NO_MEMORY;                                                   \
                table = d->slots;                                                                  \
                slots = d->slot_count;                                                             \
            }                                                                                      \
        }                                                                                          \
        d->count = count;                                                                          \
        return DICTIONARY_DONE;                                                                    \
    }
/* A value's slot holds its hash; for width 8 its code before ranking, which is not kept: hash alone
 * says no, and values[places[code]] says yes. */
#define MARK(name, hash_of, type)                                                                  \
    static uint32_t name(const struct dictionary *d, const void *values, uint32_t rows,            \
                         uint64_t *bits)                                                           \
    {                                                                                              \
        uint32_t marked = 0;                                                                       \
        for (uint32_t row = 0; row < rows; row++) {                                                \
            uint32_t hash = hash_of(values, row);                                                  \
            uint32_t s = slot_of(hash, d->slot_count);                                             \
            while (d->slots[s] && (uint32_t)(d->slots[s] >> 32) != hash)                           \
                s = (s + 1) & (d->slot_count - 1);                                                 \
            uint64_t hit =                                                                         \
                d->slots[s] && ((const type *)d->values)[d->places[(uint32_t)d->slots[s] - 1]] ==  \
                                   ((const type *)values)[row];                                    \
            bits[row / 64] |= hit << (row % 64);                                                   \
            marked += (uint32_t)hit;                                                               \
        }                                                                                          \
        return marked;                                                                             \
    }
MARK(mark_4, hash_4, uint32_t)
MARK(mark_8, hash_8, uint64_t)

/* Narrow values have a table that says which are in. */
#define MARK_NARROW(name, type, most)                                                              \
    static uint32_t name(const struct dictionary *d, const void *values, uint32_t rows,            \
                         uint64_t *bits)                                                           \
    {                                                                                              \
        uint8_t in[(most) + 1] = {0};                                                              \
        uint32_t marked = 0;                                                                       \
        for (uint32_t c = 0; c < d->count; c++)                                                    \
            in[((const type *)d->values)[c]] = 1;                                                  \
        for (uint32_t row = 0; row < rows; row++) {                                                \
            uint64_t hit = in[((const type *)values)[row]];                                        \
            bits[row / 64] |= hit << (row % 64);                                                   \
            marked += (uint32_t)hit;                                                               \
        }                                                                                          \
        return marked;                                                                             \
    }
MARK_NARROW(mark_1, uint8_t, UINT8_MAX)
MARK_NARROW(mark_2, uint16_t, UINT16_MAX)

uint32_t dictionary_mark(const struct dictionary *d, const void *values, uint32_t rows,
                         unsigned width, uint64_t *bits)
{
    switch (width) {
    case 1:
        return mark_1(d, values, rows, bits);
    case 2:
        return mark_2(d, values, rows, bits);
    case 4:
        return mark_4(d, values, rows, bits);
    default:
        return mark_8(d, values, rows, bits);
    }
}

BUILD(build_1, hash_1, same_narrow, 1)
BUILD(build_2, hash_2, same_narrow, 2)
BUILD(build_4, hash_4, same_narrow, 4)
BUILD(build_8, hash_8, same_8, 8)
BUILD(build_16, hash_16, same_16, 16)
BUILD(build_0, hash_0, same_0, sizeof(struct octets))

/* ---- ranking ---- */
/* Counts up to 511 as they are, larger ones to seven significant bits: RANKS classes in order. */
static inline uint32_t rank_of(uint32_t count)
{
    if (count < 512)
        return count;
    uint32_t top = 31u - (uint32_t)__builtin_clz(count); /* 9–20 */
    return 512 + ((top - 9) << 6 | (count >> (top - 6) & 63));
}

static inline void copy_value(void *to, uint32_t i, const void *from, uint32_t j, size_t size)
{
    if (size == 4)
        ((uint32_t *)to)[i] = ((const uint32_t *)from)[j];
    else if (size == 2)
        ((uint16_t *)to)[i] = ((const uint16_t *)from)[j];
    else if (size == 8)
        ((uint64_t *)to)[i] = ((const uint64_t *)from)[j];
    else
        memcpy((uint8_t *)to + i * size, (const uint8_t *)from + j * size, size);
}

/* Codes of values of four octets in ascending order of the values, in the low 16 bits of what is
 * returned, by a radix sort; NULL: not wanted, or no memory, which costs size alone. */
static const uint64_t *order_by_value(struct dictionary *d, size_t size)
{
    if ((!d->by_value && !d->in_classes) || size != 4 || d->count < 2)
        return NULL;
    for (int i = 0; i < 2; i++)
        if (!d->order[i] && !(d->order[i] = malloc(DICTIONARY_MOST * sizeof(uint64_t))))
            return NULL;
    uint64_t *from = d->order[0], *to = d->order[1];
    for (uint32_t c = 0; c < d->count; c++)
        from[c] = (uint64_t)((const uint32_t *)d->values)[c] << 16 | c;
    for (unsigned shift = 16; shift < 48; shift += 8) {
        uint32_t start[257] = {0};
        for (uint32_t c = 0; c < d->count; c++)
            start[(from[c] >> shift & 255) + 1]++;
        for (unsigned i = 0; i < 256; i++)
            start[i + 1] += start[i];
        for (uint32_t c = 0; c < d->count; c++)
            to[start[from[c] >> shift & 255]++] = from[c];
        uint64_t *sorted = to;
        to = from;
        from = sorted;
    }
    return from;
}

/* Values of each rank become values of the ranks before. */
static void accumulate(uint32_t start[RANKS + 1])
{
    for (uint32_t r = 0, at = 0; r <= RANKS; r++) {
        uint32_t n = start[r];
        start[r] = at;
        at += n;
    }
}

/* Class by class, those of each in ascending order; `start`: values of each rank. Of a rank that is
 * in two classes, the least values are in the first. */
static void part_by_value(struct dictionary *d, size_t size, const uint64_t *order, uint32_t *start)
{
    uint64_t rows_of[RANKS + 1] = {0};
    uint32_t end[CLASSES_MOST], next[CLASSES_MOST], before = 0;
    for (uint32_t c = 0; c < d->count; c++)
        rows_of[RANKS - rank_of(d->counts[c])] += d->counts[c];
    classes_choose(&(struct ranking){RANKS + 1, start, rows_of}, &d->classes);
    accumulate(start);
    for (unsigned k = 0; k < CLASSES_MOST; k++) {
        next[k] = before;
        before += d->classes.values[k];
        end[k] = before;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t c = (uint16_t)order[i];
        uint32_t place = start[RANKS - rank_of(d->counts[c])]++;
        unsigned k = (unsigned)(place >= end[0]) + (place >= end[1]) + (place >= end[2]);
        uint32_t to = next[k]++;
        d->classes.rows[k] += d->counts[c];
        d->places[c] = (uint16_t)to;
        d->sorted_counts[to] = d->counts[c];
        copy_value(d->sorted, to, d->values, c, size);
    }
}

/* The other way: by falling count. */
static void part_by_rank(struct dictionary *d, size_t size, const uint64_t *order, uint32_t *start)
{
    d->classes.count = 0;
    accumulate(start);
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t c = order ? (uint16_t)order[i] : i;
        uint32_t to = start[RANKS - rank_of(d->counts[c])]++;
        d->places[c] = (uint16_t)to;
        d->sorted_counts[to] = d->counts[c];
        copy_value(d->sorted, to, d->values, c, size);
    }
}

/* Sorts values and counts; places[old] is the new code. */
static void rank(struct dictionary *d, size_t size)
{
    const uint64_t *order = order_by_value(d, size);
    uint32_t start[RANKS + 1] = {0};
    for (uint32_t c = 0; c < d->count; c++)
        start[RANKS - rank_of(d->counts[c])]++;
    if (d->in_classes && order && d->count >= CLASSES_LEAST)
        part_by_value(d, size, order, start);
    else
        part_by_rank(d, size, order, start);
    void *values = d->values;
    d->values = d->sorted;
    d->sorted = values;
    uint32_t *counts = d->counts;
    d->counts = d->sorted_counts;
    d->sorted_counts = counts;
}

/* Rows [row, rows), after those before them. */
static enum dictionary_result build(struct dictionary *d, const void *values, uint32_t row,
                                    uint32_t rows, unsigned width, uint32_t limit)
{
    switch (width) {
    case 1:
        return build_1(d, values, row, rows, limit);
    case 2:
        return build_2(d, values, row, rows, limit);
    case 4:
        return build_4(d, values, row, rows, limit);
    case 8:
        return build_8(d, values, row, rows, limit);
    case 16:
        return build_16(d, values, row, rows, limit);
    default:
        return build_0(d, values, row, rows, limit);
    }
}

enum dictionary_result dictionary_find(struct dictionary *d, const void *values, uint32_t rows,
                                       unsigned width, uint32_t limit, uint32_t expected)
{
    uint32_t slots = rows > SLOTS_USUAL && expected > SLOTS_LEAST / 2 ? SLOTS_USUAL : SLOTS_LEAST;
    while (slots < 2 * DICTIONARY_MOST && slots < expected * 2)
        slots *= 2;
    d->count = 0;
    if (!make_room(d, rows) || !grow_slots(d, slots))
        return DICTIONARY_NO_MEMORY;
    /* What has found a third of the limit in an eighth of the rows will find too many. */
    uint32_t first = limit < rows / 8 ? rows / 8 : 0;
    enum dictionary_result r = build(d, values, 0, first, width, limit / 3 + 1);
    return r == DICTIONARY_DONE ? build(d, values, first, rows, width, limit) : r;
}

enum dictionary_result dictionary_build(struct dictionary *d, const void *values, uint32_t rows,
                                        unsigned width, uint32_t limit, uint32_t expected)
{
    enum dictionary_result r = dictionary_find(d, values, rows, width, limit, expected);
    if (r != DICTIONARY_DONE)
        return r;
    rank(d, width ? width : sizeof(struct octets));
    uint16_t *restrict codes = d->codes;
    const uint16_t *restrict places = d->places;
    for (uint32_t row = 0; row < rows; row++)
        codes[row] = places[codes[row]];
    return DICTIONARY_DONE;
}

/* ---- proving that values differ ---- */
static int order_octets(const void *a, const void *b)
{
    const struct octets *x = a, *y = b;
    uint32_t shorter = x->length < y->length ? x->length : y->length;
    int order = shorter ? memcmp(x->bytes, y->bytes, shorter) : 0;
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

#define ORDER(size)                                                                                \
    static int order_##size(const void *a, const void *b)                                          \
    {                                                                                              \
        return memcmp(a, b, (size));                                                               \
    }
ORDER(1)
ORDER(2)
ORDER(4)
ORDER(8)
ORDER(16)

/* Sorting takes no longer for values that someone chose with care. */
static bool distinct_by_sorting(void *values, uint32_t count, size_t size, unsigned width)
{
    static int (*const orders[5])(const void *, const void *) = {order_1, order_2, order_4, order_8,
                                                                 order_16};
    int (*order)(const void *, const void *) = width ? orders[width_index(width)] : order_octets;
    qsort(values, count, size, order);
    for (uint32_t i = 1; i < count; i++)
        if (order((uint8_t *)values + i * size, (uint8_t *)values + (i - 1) * size) == 0)
            return false;
    return true;
}

bool dictionary_distinct(struct dictionary *d, const void *values, uint32_t count, unsigned width,
                         bool *distinct)
{
    size_t size = width ? width : sizeof(struct octets);
    switch (dictionary_find(d, values, count, width, DICTIONARY_MOST, count)) {
    case DICTIONARY_NO_MEMORY:
        return false;
    case DICTIONARY_DONE:
        *distinct = d->count == count;
        return true;
    default:
        memcpy(d->sorted, values, count * size);
        *distinct = distinct_by_sorting(d->sorted, count, size, width);
        return true;
    }
}

/* ---- by counting ---- */
static void tally_rows(struct dictionary *d, const void *values, uint32_t rows, unsigned width,
                       uint64_t least)
{
    /* Two tables: one counter would be waited for by the next row of the same value. */
    uint32_t *even = d->tally, *odd = d->tally + DICTIONARY_MOST;
    const uint8_t *at = values;
    uint32_t row = 0;
    for (; row + PACK_GROUP <= rows; row += PACK_GROUP, at += PACK_GROUP * width) {
        uint64_t group[PACK_GROUP];
        kernels_best()->load[width_index(width)](at, least, group);
        for (unsigned i = 0; i < PACK_GROUP; i += 2) {
            even[group[i]]++;
            odd[group[i + 1]]++;
        }
    }
    for (; row < rows; row++, at += width) {
        uint64_t v = 0;
        memcpy(&v, at, width);
        even[v - least]++;
    }
}

enum dictionary_result dictionary_count(struct dictionary *d, const void *values, uint32_t rows,
                                        unsigned width, uint64_t least, uint32_t range,
                                        uint32_t limit)
{
    if (!make_room(d, rows))
        return DICTIONARY_NO_MEMORY;
    uint32_t *even = d->tally, *odd = d->tally + DICTIONARY_MOST;
    memset(even, 0, (range + 1) * sizeof *even);
    memset(odd, 0, (range + 1) * sizeof *odd);
    tally_rows(d, values, rows, width, least);
    uint32_t count = 0;
    for (uint32_t i = 0; i <= range; i++) {
        /* No branch: which values are there is chance. A place is written again until it is taken.
         */
        uint64_t v = least + i;
        uint32_t n = even[i] + odd[i];
        memcpy((uint8_t *)d->values + count * width, &v, 8);
        d->counts[count] = n;
        even[i] = count; /* from now on the value's code before ranking */
        count += n != 0;
    }
    if (count > limit)
        return DICTIONARY_TOO_MANY;
    d->count = count;
    rank(d, width);
    return DICTIONARY_DONE;
}

void dictionary_code(struct dictionary *d, const void *values, uint32_t rows, unsigned width,
                     uint64_t least)
{
    const uint8_t *at = values;
    uint16_t *restrict codes = d->codes;
    const uint16_t *restrict places = d->places;
    const uint32_t *restrict tally = d->tally;
    uint32_t row = 0;
    for (; row + PACK_GROUP <= rows; row += PACK_GROUP, at += PACK_GROUP * width) {
        uint64_t group[PACK_GROUP];
        kernels_best()->load[width_index(width)](at, least, group);
        for (unsigned i = 0; i < PACK_GROUP; i++)
            codes[row + i] = places[tally[group[i]]];
    }
    for (; row < rows; row++, at += width) {
        uint64_t v = 0;
        memcpy(&v, at, width);
        codes[row] = places[tally[v - least]];
    }
}

void dictionary_free(struct dictionary *d)
{
    free(d->values);
    free(d->sorted);
    free(d->counts);
    free(d->sorted_counts);
    free(d->tally);
    free(d->places);
    free(d->codes);
    free(d->slots);
    free(d->order[0]);
    free(d->order[1]);
    *d = (struct dictionary){0};
}
