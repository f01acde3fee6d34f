/* tally.c - adding a run of rows to the groups, the cheapest way its columns allow; see tally.h.
 * Codes come from bind.c, groups are kept by groups.c. */
#include "query/tally.h"
#include "query/bind.h"

#include <stdlib.h>
#include <string.h>

#define NEAR_BITS_MOST 12u /* cells of so many local codes stay in the first caches */

bool tally_init(struct tally *t, const struct layout *l, const struct bins *bins,
                const struct loops *loops, struct budget *budget, uint64_t seed,
                unsigned direct_bits)
{
    *t = (struct tally){.layout = l, .loops = loops, .bins = *bins};
    for (unsigned i = 0; i < COMPONENTS_MOST; i++)
        intern_init(&t->interns.tables[i], budget, seed);
    if (!groups_init(&t->groups, budget, loops, seed, l->words, 0, direct_bits))
        return false;
    /* Groups that differ in the hidden rate alone become one in the end: they stay together. */
    uint64_t mask[GROUP_WORDS_MOST];
    memset(mask, 0xff, sizeof mask);
    if (l->rate >= 0) {
        const struct component *c = &l->components[l->rate];
        mask[c->word] = ~(((UINT64_C(1) << c->bits) - 1) << c->shift);
    }
    if (!direct_bits)
        groups_scatter(&t->groups, mask);
    return true;
}

void tally_share(struct tally *t, struct interns *common, pthread_mutex_t *lock)
{
    for (unsigned i = 0; i < COMPONENTS_MOST; i++)
        intern_share(&t->interns.tables[i], &common->tables[i], lock);
}

void tally_free(struct tally *t)
{
    for (unsigned i = 0; t->groups.budget && i < COMPONENTS_MOST; i++)
        intern_free(&t->interns.tables[i]);
    if (t->groups.budget)
        groups_free(&t->groups);
    free(t->local);
    *t = (struct tally){0};
}

/* What the additions of one run work with. */
struct adding {
    struct tally *t;
    const struct run *run;
    struct binding bindings[COMPONENTS_MOST];
    uint64_t constant[GROUP_WORDS_MOST]; /* codes of what does not vary, in place */
    unsigned local_bits;                 /* of all; 65 and more: local codes do not exist */
    size_t local_cells;                  /* local codes are below it, when there are any */
    bool local;                          /* which codes the words of this run are made of */
    uint64_t (*words)[LOOP_ROWS];        /* as many as the layout has */
    uint64_t code[LOOP_ROWS], octets[LOOP_ROWS], packets[LOOP_ROWS], flows[LOOP_ROWS];
    uint32_t index[LOOP_ROWS];
};

static enum weir_status misfit(const struct binding *b, struct weir_error *error)
{
    char name[IE_NAME_SIZE];
    return weir_fail(error, WEIR_ECORRUPT, NULL,
                     "column %s has values outside its directory's bounds",
                     ie_key_print(b->component->column, name));
}

static bool fits(uint64_t code, unsigned bits)
{
    return bits >= 64 || code >> bits == 0;
}

static enum weir_status bind_all(struct adding *add, struct arena *a, struct weir_error *error)
{
    const struct layout *l = add->t->layout;
    memset(add->constant, 0, sizeof add->constant);
    add->local_bits = 0;
    unsigned varying = 0;
    size_t codes = 0;
    for (unsigned i = 0; i < l->count; i++) {
        struct binding *b = &add->bindings[i];
        enum weir_status status = bind_component(add->t, i, add->run, a, b, error);
        if (status != WEIR_OK)
            return status;
        b->local_shift = add->local_bits;
        add->local_bits += b->local_bits;
        if (b->form != BIND_CONSTANT) {
            varying++;
            codes = b->form == BIND_CODES ? (size_t)b->v->code_count + 1 : SIZE_MAX;
            continue;
        }
        if (!fits(b->code, b->component->bits))
            return misfit(b, error);
        add->constant[b->component->word] |= b->code << b->component->shift;
    }
    size_t all = (size_t)1 << (add->local_bits <= LOCAL_BITS_MOST ? add->local_bits : 0);
    add->local_cells = varying == 1 && codes < all ? codes : all;
    return WEIR_OK;
}

/* ---- no key varies: sums ---- */

static uint64_t sum_present(const struct vector *v, const struct run *run)
{
    uint64_t count = 0;
    for (uint32_t w = 0; w < (run->frame.rows + 63) / 64; w++)
        count += (uint64_t)__builtin_popcountll(v->present[w] &
                                                (run->selected ? run->selected[w] : UINT64_MAX));
    return multiply_capped(count, vector_u64(v, 0));
}

static uint64_t sum_slowly(struct adding *add, const struct vector *v)
{
    const struct run *run = add->run;
    uint64_t total = 0;
    for (uint32_t first = 0; first < run->frame.rows; first += LOOP_ROWS) {
        uint32_t left = run->frame.rows - first, n = left < LOOP_ROWS ? left : LOOP_ROWS;
        const uint32_t *index = NULL;
        if (run->selected) {
            n = loop_index(run->selected, first, n, add->index);
            index = add->index;
        }
        load_numbers(add->t->loops, v, first, n, index, add->code);
        total = add_capped(total, add->t->loops->sum(add->code, n));
    }
    return total;
}

static uint64_t sum_vector(struct adding *add, const struct vector *v)
{
    const struct run *run = add->run;
    if (!v || v->width == 0 || v->width > 8)
        return 0;
    if (v->form == VECTOR_CONSTANT)
        return v->present ? sum_present(v, run)
                          : multiply_capped(run->selected_count, vector_u64(v, 0));
    if (v->form != VECTOR_FLAT || v->width != 8)
        return sum_slowly(add, v);
    return run->selected
               ? add->t->loops->sum_selected(v->values, run->selected, run->frame.rows)
               : add->t->loops->sum(v->values, run->frame.rows);
}

static enum weir_status add_sums(struct adding *add, struct weir_error *error)
{
    const struct run *run = add->run;
    struct cell sums = {
                        .octets = run->octets_sum ? *run->octets_sum : sum_vector(add, run->octets),
                        .packets = run->packets_sum ? *run->packets_sum
                                                    : sum_vector(add, run->packets),
                        .flows = run->flows ? sum_vector(add, run->flows) : run->selected_count};
    if (sums.flows && !groups_add_one(&add->t->groups, add->constant, &sums))
        return budget_error(add->t->groups.budget, error);
    return WEIR_OK;
}

/* ---- keys vary: words ---- */

static enum weir_status make_words(struct adding *add, uint32_t first, uint32_t n,
                                   const uint32_t *index, struct weir_error *error)
{
    const struct layout *l = add->t->layout;
    for (unsigned w = 0; w < (add->local ? 1 : l->words); w++)
        for (uint32_t i = 0; i < n; i++)
            add->words[w][i] = add->local ? 0 : add->constant[w];
    for (unsigned c = 0; c < l->count; c++) {
        const struct binding *b = &add->bindings[c];
        if (b->form == BIND_CONSTANT)
            continue;
        uint64_t *word = add->words[add->local ? 0 : b->component->word], all;
        unsigned shift = add->local ? b->local_shift : b->component->shift;
        if (!binding_encode(add->t, b, add->local, first, n, index, word, &all)) {
            if (!binding_codes(add->t, b, add->local, first, n, index, add->code))
                return budget_error(add->t->groups.budget, error);
            all = add->t->loops->combine(word, add->code, n, shift);
        }
        if (!fits(all, add->local ? b->local_bits : b->component->bits))
            return misfit(b, error);
    }
    return WEIR_OK;
}

/* A measure's values: where they are when that will do, else loaded into `room`. */
static const uint64_t *measure(struct adding *add, const struct vector *v, uint32_t first,
                               uint32_t n, const uint32_t *index, uint64_t *room)
{
    if (!index && v && v->form == VECTOR_FLAT && v->width == 8)
        return (const uint64_t *)v->values + first;
    load_numbers(add->t->loops, v, first, n, index, room);
    return room;
}

static bool add_words(struct adding *add, uint32_t first, uint32_t n, const uint32_t *index)
{
    const struct run *run = add->run;
    const uint64_t *octets = measure(add, run->octets, first, n, index, add->octets);
    const uint64_t *packets = measure(add, run->packets, first, n, index, add->packets);
    const uint64_t *flows =
        run->flows ? measure(add, run->flows, first, n, index, add->flows) : add->flows;
    if (add->local) {
        size_t copy = add->local_bits <= COPIED_BITS_MOST ? (size_t)1 << add->local_bits : 0;
        add->t->loops->direct(add->t->local, copy, add->words[0], octets, packets, flows, n);
        return true;
    }
    const uint64_t *words[GROUP_WORDS_MOST];
    for (unsigned w = 0; w < add->t->layout->words; w++)
        words[w] = add->words[w];
    return groups_add(&add->t->groups, words, octets, packets, flows, n);
}

static enum weir_status add_rows(struct adding *add, struct weir_error *error)
{
    const struct run *run = add->run;
    for (uint32_t i = 0; !run->flows && i < LOOP_ROWS; i++)
        add->flows[i] = 1;
    for (uint32_t first = 0; first < run->frame.rows; first += LOOP_ROWS) {
        uint32_t left = run->frame.rows - first, here = left < LOOP_ROWS ? left : LOOP_ROWS;
        uint32_t n = run->selected ? loop_index(run->selected, first, here, add->index) : here;
        const uint32_t *index = n == here ? NULL : add->index;
        if (n == 0)
            continue;
        enum weir_status status = make_words(add, first, n, index, error);
        if (status != WEIR_OK)
            return status;
        if (!add_words(add, first, n, index))
            return budget_error(add->t->groups.budget, error);
    }
    return WEIR_OK;
}

/* ---- the small array of a run, into the groups ---- */

/* The words of the groups that the local codes of n cells stand for. */
static enum weir_status widen_cells(struct adding *add, uint32_t n, struct weir_error *error)
{
    const struct layout *l = add->t->layout;
    for (unsigned w = 0; w < l->words; w++)
        for (uint32_t i = 0; i < n; i++)
            add->words[w][i] = add->constant[w];
    for (unsigned c = 0; c < l->count; c++) {
        const struct binding *b = &add->bindings[c];
        if (b->form == BIND_CONSTANT)
            continue;
        binding_widen(b, add->index, n, add->code);
        uint64_t all = add->t->loops->combine(add->words[b->component->word], add->code, n,
                                              b->component->shift);
        if (!fits(all, b->component->bits))
            return misfit(b, error);
    }
    return WEIR_OK;
}

/* n cells, whose places are in `index` and sums beside it, into the groups. */
static enum weir_status flush_batch(struct adding *add, uint32_t n, struct weir_error *error)
{
    const uint64_t *words[GROUP_WORDS_MOST];
    enum weir_status status = widen_cells(add, n, error);
    if (status != WEIR_OK)
        return status;
    for (unsigned w = 0; w < add->t->layout->words; w++)
        words[w] = add->words[w];
    return groups_add(&add->t->groups, words, add->octets, add->packets, add->flows, n)
               ? WEIR_OK
               : budget_error(add->t->groups.budget, error);
}

static struct cell sum_of_copies(const struct adding *add, size_t at)
{
    const struct cell *local = add->t->local;
    size_t copy = (size_t)1 << add->local_bits;
    struct cell sums = local[at];
    for (unsigned k = 1; k < 4 && add->local_bits <= COPIED_BITS_MOST; k++) {
        sums.octets = add_capped(sums.octets, local[k * copy + at].octets);
        sums.packets = add_capped(sums.packets, local[k * copy + at].packets);
        sums.flows = add_capped(sums.flows, local[k * copy + at].flows);
    }
    return sums;
}

static enum weir_status flush_local(struct adding *add, struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    uint32_t n = 0;
    groups_foresee(&add->t->groups, add->run->selected_count);
    for (size_t i = 0; i < add->local_cells && status == WEIR_OK; i++) {
        struct cell sums = sum_of_copies(add, i);
        add->index[n] = (uint32_t)i;
        add->octets[n] = sums.octets;
        add->packets[n] = sums.packets;
        add->flows[n] = sums.flows;
        n += sums.flows != 0;
        if (n == LOOP_ROWS) {
            status = flush_batch(add, n, error);
            n = 0;
        }
    }
    if (status == WEIR_OK && n)
        status = flush_batch(add, n, error);
    size_t used = add->local_bits <= COPIED_BITS_MOST ? (size_t)4 << add->local_bits
                                                      : add->local_cells;
    memset(add->t->local, 0, used * sizeof *add->t->local);
    return status;
}

/* Worth it when the cells to flush are few beside the rows, and the groups are no array themselves
 * that is as near. */
static bool local_pays(const struct adding *add)
{
    if (add->local_bits > LOCAL_BITS_MOST)
        return false;
    if (add->t->groups.cells && add->local_bits > COPIED_BITS_MOST)
        return false;
    size_t share = add->local_bits > NEAR_BITS_MOST ? 4 : 8;
    return share * add->local_cells <= add->run->selected_count;
}

/* The small array is made when it is first wanted; without memory for it, the groups will do. */
static bool have_local(struct tally *t)
{
    size_t octets = sizeof(struct cell) << LOCAL_BITS_MOST;
    if (!t->local && (t->local = aligned_alloc(64, octets)) != NULL)
        memset(t->local, 0, octets);
    return t->local != NULL;
}

static enum weir_status add_run(struct adding *add, struct arena *a, struct weir_error *error)
{
    enum weir_status status = bind_all(add, a, error);
    if (status != WEIR_OK)
        return status;
    if (add->local_bits == 0)
        return add_sums(add, error);
    add->local = local_pays(add) && have_local(add->t);
    status = add_rows(add, error);
    return status == WEIR_OK && add->local ? flush_local(add, error) : status;
}

enum weir_status tally_add(struct tally *t, const struct run *run, struct arena *a,
                           struct weir_error *error)
{
    if (run->selected_count == 0)
        return WEIR_OK;
    struct adding *add = arena_alloc(a, sizeof *add);
    if (add)
        add->words = arena_alloc(a, t->layout->words * sizeof *add->words);
    if (!add || !add->words)
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory while adding a block");
    add->t = t;
    add->run = run;
    return add_run(add, a, error);
}

static bool merge_rows(void *context, const uint64_t *const *words, const uint64_t *octets,
                       const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    struct tally *to = context;
    return groups_add(&to->groups, words, octets, packets, flows, n);
}

enum weir_status tally_merge(struct tally *to, struct tally *from, struct weir_error *error)
{
    return groups_drain(&from->groups, merge_rows, to) ? WEIR_OK
                                                       : budget_error(to->groups.budget, error);
}
