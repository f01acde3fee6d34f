/* layout.h - how the keys of a question are packed into the words of a group. Private to query.
 *
 * A question's keys, its time bin and, when records of different sampling rates meet, the rate
 * (hidden: folded away at the end, it keeps estimates exact) are components, in that order. Each
 * has a code of a fixed number of bits:
 *
 *   NUMBER    (value >> drop) - base        drop: bits that a prefix cuts; span + 1: absent
 *   EITHER    an address of either family: the IPv4 address, or 2^32 + number of an interned IPv6
 *             one (2^32 itself: absent)
 *   INTERNED  number of the interned value (intern.h); 0: absent
 *   BIN       number of the time bin
 *
 *   word 0   [ 0… | key 0 | key 1 | … ]   low end last; a component never straddles words
 *   word 1   [ 0… | … | bin | rate ]
 *
 * So codes of NUMBER and BIN compare like the values they stand for. What a survey of the blocks'
 * directories found (least, most, widths, absences) makes the codes as short as they can be, which
 * is what lets small questions index an array.
 *
 * Threads: fixed before the scan, then read-only; interned values belong to a thread's tables, or
 * to one that several share (intern.h). */
#ifndef WEIR_QUERY_LAYOUT_H
#define WEIR_QUERY_LAYOUT_H

#include "query/groups.h"
#include "query/intern.h"
#include "store.h"

enum component_kind { COMPONENT_NUMBER, COMPONENT_EITHER, COMPONENT_INTERNED, COMPONENT_BIN };
#define COMPONENTS_MOST (TOTALS_KEYS_MOST + 2)
_Static_assert(COMPONENTS_MOST <= GROUP_WORDS_MOST, "every component may need a word");

/* What is known of the values that will be met. */
struct survey {
    uint64_t least, most; /* over numbers, cut bits already gone; least > most: none seen */
    uint8_t width;        /* widest number seen */
    bool number, wide, octets, lacking;
};

struct component {
    enum component_kind kind;
    ie_key key;
    ie_key column;        /* where values are; for both families the IPv4 one */
    ie_key column6;       /* 0: none */
    int prefix;           /* -1: none */
    bool both_families;   /* answered as 16 octets, IPv4 mapped */
    bool zero_if_absent;
    uint8_t width;        /* of numbers in the answer; a number that does not fit has 8 */
    uint8_t drop;
    uint64_t base, span;  /* NUMBER: codes 0…span, and span + 1 for absent */
    unsigned bits, word, shift;
    struct survey seen;
};

struct layout {
    struct component components[COMPONENTS_MOST];
    unsigned count;
    unsigned visible;     /* components that rows of the answer show: keys, and the bin */
    int bin;              /* its index, or -1 */
    int rate;             /* index of the hidden one, or -1 */
    double uniform_rate;  /* when rate is -1: of every record */
    unsigned words;
    unsigned bits;        /* of all components, when words is 1; else 64 */
    bool interned;        /* some component's codes are numbers of interned values */
};

/* Tables that number wide values, one a component. */
struct interns {
    struct intern tables[COMPONENTS_MOST];
};

/* The column of spread flows' bins (spread.c); no block has it. */
#define SHARE_TIME WEIR(0)

void layout_start(struct layout *l, const struct totals_key *keys, size_t key_count, uint64_t bins);
/* Number `value` of component c, as it is surveyed and coded (after the prefix cut). */
static inline uint64_t component_cut(const struct component *c, uint64_t value)
{
    return value >> c->drop;
}
void survey_number(struct component *c, unsigned width, uint64_t least, uint64_t most);
/* Nothing is known: anything may come. */
void survey_anything(struct component *c, unsigned width);
/* Chooses kinds, bases, bits and places. `rates` is the survey of the sampling rate: one value for
 * all records makes the hidden component unnecessary. */
void layout_finish(struct layout *l);

/* The absent code of a component. */
uint64_t component_absent(const struct component *c);

/* Codes of single values; UINT64_MAX: budget or memory. */
uint64_t component_code_number(const struct component *c, struct intern *t, uint64_t value);
uint64_t component_code_wide(const struct component *c, struct intern *t, const uint8_t octets[16]);
uint64_t component_code_octets(const struct component *c, struct intern *t, struct octets value);
/* Of a record without the element. */
uint64_t component_code_lacking(const struct component *c, struct intern *t);

/* The value behind the code in a group's words. Text points into the interned values. */
void component_value(const struct component *c, const struct intern *t, const uint64_t *words,
                     struct key_value *out);
static inline uint64_t component_code(const struct component *c, const uint64_t *words)
{
    uint64_t mask = c->bits == 64 ? UINT64_MAX : (UINT64_C(1) << c->bits) - 1;
    return words[c->word] >> c->shift & mask;
}
/* By keys ascending, component by component (absent last), then by bin; <0, 0, >0. */
int layout_compare(const struct layout *l, const struct interns *interns, const uint64_t *a,
                   const uint64_t *b);
/* Sampling rate behind the hidden component. */
double layout_rate(const struct layout *l, const struct interns *interns, const uint64_t *words);

#endif
