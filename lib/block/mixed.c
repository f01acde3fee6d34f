/* mixed.c - telling common values from rare ones, see mixed.h. Used by encode_values.c. */
#include "block/mixed.h"
#include <string.h>

#define COMMON_MOST  256u
#define COMMON_LEAST 4u /* of the sample, to be called common */

uint32_t mixed_choose(const struct dictionary *sample, double rare, double *bits)
{
    uint32_t all = 0, best = 0, covered = 0;
    for (uint32_t c = 0; c < sample->count; c++)
        all += sample->counts[c];
    *bits = 1e9; /* no sample: nothing is common */
    for (uint32_t c = 0; c < sample->count && c < COMMON_MOST && sample->counts[c] >= COMMON_LEAST;
         c++) {
        covered += sample->counts[c];
        double share = (double)covered / all;
        double code = c ? 32 - __builtin_clz(c) : 0;
        double needs = 1.1 + share * code + (1 - share) * rare;
        if (needs < *bits) {
            *bits = needs;
            best = c + 1;
        }
    }
    return best;
}

#define PART(width, type)                                                                          \
    static void part_##width(const struct values *v, const struct mixture *m)                      \
    {                                                                                              \
        const type *from = v->at;                                                                  \
        type *common = m->common, *rare = m->rare;                                                 \
        for (uint32_t row = 0; row < v->count; row++) { /* no branch: which it is is chance */     \
            size_t hit = m->bits[row / 64] >> (row % 64) & 1;                                      \
            *common = *rare = from[row];                                                           \
            common += hit;                                                                         \
            rare += 1 - hit;                                                                       \
        }                                                                                          \
    }
PART(1, uint8_t)
PART(2, uint16_t)
PART(4, uint32_t)
PART(8, uint64_t)

bool mixed_part(struct value_encoder *e, const struct values *v, uint32_t common, struct mixture *m)
{
    static void (*const part[4])(const struct values *, const struct mixture *) = {part_1, part_2,
                                                                                   part_4, part_8};
    size_t words = (v->count + 63) / 64, size = ((size_t)v->count + 1) * v->width;
    uint8_t *memory = scratch_take(e, SCRATCH_MIXED, words * 8 + 2 * size + 16 + COMMON_MOST * 8);
    if (!memory)
        return false;
    m->bits = (uint64_t *)(void *)memory;
    m->common = memory + words * 8;
    m->rare = memory + words * 8 + (size + 7) / 8 * 8;
    memcpy(m->common, e->sample.values, (size_t)common * v->width);
    memset(m->bits, 0, words * 8);
    if (dictionary_build(&e->sample, m->common, common, v->width, common, 0) != DICTIONARY_DONE)
        return false;
    m->common_count = dictionary_mark(&e->sample, v->at, v->count, v->width, m->bits);
    part[width_index(v->width)](v, m);
    return true;
}
