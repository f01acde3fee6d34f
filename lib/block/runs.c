/* runs.c - equal values in a row, see runs.h. Used by encode_values.c. A function a width, so that
 * the comparison is inlined into the loop. */
#include "block/runs.h"
#include <string.h>

#define RUN_CHUNK 128u

/* Rows i and j of a column, by width. */
#define SAME_NUMBER(name, type)                                                                    \
    static inline bool name(const void *values, uint32_t i, uint32_t j)                            \
    {                                                                                              \
        return ((const type *)values)[i] == ((const type *)values)[j];                             \
    }
SAME_NUMBER(same_1, uint8_t)
SAME_NUMBER(same_2, uint16_t)
SAME_NUMBER(same_4, uint32_t)
SAME_NUMBER(same_8, uint64_t)
static inline bool same_16(const void *values, uint32_t i, uint32_t j)
{
    const uint8_t *a = (const uint8_t *)values + 16 * (size_t)i;
    const uint8_t *b = (const uint8_t *)values + 16 * (size_t)j;
    return load_le64(a) == load_le64(b) && load_le64(a + 8) == load_le64(b + 8);
}
static inline bool same_0(const void *values, uint32_t i, uint32_t j)
{
    const struct octets *a = (const struct octets *)values + i,
                        *b = (const struct octets *)values + j;
    return a->length == b->length && (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

/* For each width: how many rows of [from, to), from >= 1, differ from the row before; and the first
 * row of each run with the run's length - 1, false when there are more than `most`. */
#define RUNS(width, size)                                                                          \
    static uint32_t changes_##width(const void *values, uint32_t from, uint32_t to)                \
    {                                                                                              \
        uint32_t n = 0;                                                                            \
        for (uint32_t i = from; i < to; i++)                                                       \
            n += !same_##width(values, i, i - 1);                                                  \
        return n;                                                                                  \
    }                                                                                              \
    static bool collect_##width(const struct values *v, uint8_t *firsts, uint32_t *lengths,        \
                                uint32_t most, uint32_t *count)                                    \
    {                                                                                              \
        uint32_t n = 0;                                                                            \
        for (uint32_t start = 0, end; start < v->count; start = end) {                             \
            end = start + 1;                                                                       \
            while (end < v->count && same_##width(v->at, end, start))                              \
                end++;                                                                             \
            if (n == most)                                                                         \
                return false;                                                                      \
            memcpy(firsts + n * (size), (const uint8_t *)v->at + start * (size), (size));          \
            lengths[n++] = end - start - 1;                                                        \
        }                                                                                          \
        *count = n;                                                                                \
        return true;                                                                               \
    }
RUNS(1, (size_t)1)
RUNS(2, (size_t)2)
RUNS(4, (size_t)4)
RUNS(8, (size_t)8)
RUNS(16, (size_t)16)
RUNS(0, sizeof(struct octets))

static const struct {
    bool (*same)(const void *values, uint32_t i, uint32_t j);
    uint32_t (*changes)(const void *values, uint32_t from, uint32_t to);
    bool (*collect)(const struct values *v, uint8_t *firsts, uint32_t *lengths, uint32_t most,
                    uint32_t *count);
} by_width[6] = {{same_1, changes_1, collect_1},    {same_2, changes_2, collect_2},
                 {same_4, changes_4, collect_4},    {same_8, changes_8, collect_8},
                 {same_16, changes_16, collect_16}, {same_0, changes_0, collect_0}};

static unsigned kind_of(unsigned width)
{
    return width ? width_index(width) : 5;
}

bool runs_all_same(const struct values *v)
{
    if (v->width && v->width <= 8)
        return v->least == v->most;
    unsigned kind = kind_of(v->width);
    return by_width[kind].same(v->at, 0, v->count - 1) &&
           by_width[kind].same(v->at, 0, v->count / 2) &&
           by_width[kind].changes(v->at, 1, v->count) == 0;
}

double runs_rate(const struct values *v)
{
    uint32_t step = v->count / 8 > RUN_CHUNK ? v->count / 8 : RUN_CHUNK;
    uint32_t seen = 0, changed = 0;
    for (uint32_t from = 1; from < v->count; from += step) {
        uint32_t to = v->count - from < RUN_CHUNK ? v->count : from + RUN_CHUNK;
        changed += by_width[kind_of(v->width)].changes(v->at, from, to);
        seen += to - from;
    }
    return seen ? (double)changed / seen : 1.0;
}

bool runs_collect(const struct values *v, uint8_t *firsts, uint32_t *lengths, uint32_t most,
                  uint32_t *count)
{
    return by_width[kind_of(v->width)].collect(v, firsts, lengths, most, count);
}
