/* collect.c - see collect.h. Neighbours: scan.c, which filled the tallies, and finish.c, which
 * ranks what is collected and writes it down. */
#include "query/collect.h"
#include "query/estimate.h"
#include "query/rank.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MANY_GROUPS 16384u /* fewer are merged sooner than a thread is started */
#define CUT_MOST 65536u
#define OTHER_SEED UINT64_C(0x5bd1e995c2b2ae35) /* hashes of a part start alike by the first */

/* Sums over groups: exact, capped only when they are told. */
struct sums {
    u128 raw[3], unknown[3];
    struct estimate estimate;
};

/* One thread's share of the parts. */
struct collector {
    struct sharing *sharing;
    struct group_list kept;
    size_t room, all;
    struct ranked *rows; /* NULL: everything is kept */
    struct groups folded;
    struct dense dense;
    struct sums sums;
    bool fine;
    pthread_t thread;
};

struct sharing {
    struct question *question;
    struct team *team;
    unsigned parts;
    bool alone; /* only the first tally has groups */
    _Atomic unsigned next;
    _Atomic bool stop;
};

/* ---- sums ---- */

static void add_counts(u128 *to, struct counts sums)
{
    to[0] += sums.octets;
    to[1] += sums.packets;
    to[2] += sums.flows;
}

static struct counts capped(const u128 *sums)
{
    uint64_t of[3];
    for (unsigned i = 0; i < 3; i++)
        of[i] = sums[i] > UINT64_MAX ? UINT64_MAX : (uint64_t)sums[i];
    return (struct counts){of[0], of[1], of[2]};
}

/* A group's sums as counts: flows of shares are counted above their pieces. */
static struct counts counts_of(const struct question *q, const uint64_t *sums)
{
    return (struct counts){
        .octets = sums[0], .packets = sums[1], .flows = sums[2] >> q->flow_shift};
}

static void sum_of_one_rate(const struct question *q, const struct group_list *groups,
                            struct sums *out)
{
    u128 all[3] = {0};
    uint64_t rate = fixed_rate(q->layout.uniform_rate);
    uint64_t times = rate ? rate : UINT64_C(1) << RATE_FRACTION;
    for (size_t i = 0; i < groups->count; i++)
        add_counts(all, counts_of(q, groups->records + i * groups->stride));
    for (unsigned i = 0; i < 3; i++) {
        out->raw[i] += all[i];
        out->unknown[i] += rate ? 0 : all[i];
        out->estimate.of[i] += all[i] * times;
    }
}

static void sum_groups(const struct question *q, const struct tally *t,
                       const struct group_list *groups, struct sums *out)
{
    if (q->layout.rate < 0) {
        sum_of_one_rate(q, groups, out);
        return;
    }
    for (size_t i = 0; i < groups->count; i++) {
        const uint64_t *record = groups->records + i * groups->stride;
        struct counts sums = counts_of(q, record);
        uint64_t rate = fixed_rate(layout_rate(&q->layout, &t->interns, record + GROUP_SUMS));
        add_counts(out->raw, sums);
        if (!rate)
            add_counts(out->unknown, sums);
        estimate_add(&out->estimate, sums, rate);
    }
}

static void tell_sums(const struct sums *s, struct answer_account *out)
{
    out->raw = capped(s->raw);
    out->unknown_rate = capped(s->unknown);
    out->estimated = estimate_counts(&s->estimate);
}

/* ---- folding the rate ---- */

static void words_without_rate(const struct layout *l, const uint64_t *words, uint64_t *out)
{
    memcpy(out, words, l->words * sizeof *out);
    if (l->rate < 0)
        return;
    const struct component *c = &l->components[l->rate];
    out[c->word] &= ~(((UINT64_C(1) << c->bits) - 1) << c->shift);
}

/* Groups that differ in nothing but the rate become one, with the estimate behind its words. */
static bool fold(const struct question *q, const struct tally *t, const struct group_list *groups,
                 struct groups *out)
{
    const struct layout *l = &q->layout;
    for (size_t i = 0; i < groups->count; i++) {
        const uint64_t *from = groups->records + i * groups->stride;
        uint64_t words[GROUP_WORDS_MOST];
        struct cell sums = {from[0], from[1], from[2], 0};
        struct estimate e;
        words_without_rate(l, from + GROUP_SUMS, words);
        uint64_t *record = groups_add_one(out, words, &sums);
        if (!record)
            return false;
        uint64_t *behind = record + GROUP_SUMS + l->words;
        memcpy(&e, behind, sizeof e);
        estimate_add(&e, counts_of(q, from),
                     fixed_rate(layout_rate(l, &t->interns, from + GROUP_SUMS)));
        memcpy(behind, &e, sizeof e);
    }
    return true;
}

/* Nothing looks for empty records any more, so flows may be 0 from here on. */
static void drop_pieces(const struct question *q, const struct group_list *groups)
{
    for (size_t i = 0; q->flow_shift && i < groups->count; i++)
        groups->records[i * groups->stride + 2] >>= q->flow_shift;
}

/* ---- what is kept of a part ---- */

static struct ranking ranking_of(const struct collector *c, const struct group_list *groups)
{
    const struct question *q = c->sharing->question;
    return (struct ranking){.question = q, .tally = c->sharing->team->tallies,
                            .order = q->request->order, .stride = groups->stride,
                            .records = groups->records, .count = groups->count,
                            .rows = c->rows};
}

static bool make_room(struct collector *c, size_t more)
{
    struct budget *budget = &c->sharing->question->budget;
    size_t stride = c->kept.stride * sizeof(uint64_t), room = c->room ? c->room : 1024;
    if (c->kept.count + more <= c->room)
        return true;
    while (room < c->kept.count + more)
        room *= 2;
    if (!budget_take(budget, (room - c->room) * stride))
        return false;
    uint64_t *records = realloc(c->kept.records, room * stride);
    if (!records) {
        budget_give(budget, (room - c->room) * stride);
        return false;
    }
    c->kept.records = records;
    c->room = room;
    return true;
}

static bool keep_all(struct collector *c, const struct group_list *groups)
{
    if (!groups->count)
        return true;
    if (!make_room(c, groups->count))
        return false;
    memcpy(c->kept.records + c->kept.count * groups->stride, groups->records,
           groups->count * groups->stride * sizeof(uint64_t));
    c->kept.count += groups->count;
    return true;
}

static int by_place(const void *a, const void *b)
{
    size_t x = ((const struct ranked *)a)->at, y = ((const struct ranked *)b)->at;
    return (x > y) - (x < y);
}

/* Cuts what was kept to the first of it, in place. */
static void cut_kept(struct collector *c)
{
    struct group_list *l = &c->kept;
    struct ranking r = ranking_of(c, l);
    if (l->count <= 2 * (size_t)r.question->request->top)
        return;
    ranking_pick(&r);
    qsort(r.rows, r.row_count, sizeof *r.rows, by_place); /* so that none is written over unread */
    for (size_t i = 0; i < r.row_count; i++)
        memmove(l->records + i * l->stride, l->records + r.rows[i].at * l->stride,
                l->stride * sizeof(uint64_t));
    l->count = r.row_count;
}

/* Of a part, what is not among its first `top` is not among all. */
static bool keep_first(struct collector *c, const struct group_list *part)
{
    struct ranking r = ranking_of(c, part);
    ranking_pick(&r);
    if (!make_room(c, r.row_count))
        return false;
    for (size_t i = 0; i < r.row_count; i++)
        memcpy(c->kept.records + c->kept.count++ * part->stride,
               part->records + r.rows[i].at * part->stride, part->stride * sizeof(uint64_t));
    cut_kept(c);
    return true;
}

/* ---- reading ---- */

static bool load_part(struct collector *c, unsigned part, struct group_list *out)
{
    struct team *team = c->sharing->team;
    uint64_t rows = 0;
    for (size_t i = 0; i < team->count; i++)
        rows += groups_part_rows(&team->tallies[i].groups, part);
    dense_start(&c->dense, rows);
    for (size_t i = 0; i < team->count; i++)
        if (!groups_read(&team->tallies[i].groups, part, c->sharing->alone, &c->dense))
            return false;
    *out = (struct group_list){c->dense.records, c->dense.stride, c->dense.count};
    return true;
}

static void load_whole(struct collector *c, struct group_list *out)
{
    struct groups *g = &c->sharing->team->tallies->groups;
    out->records = groups_compact(g, &out->count);
    out->stride = g->stride;
}

/* A part's groups without the hidden rate; valid until the next part is read. */
static bool read_part(struct collector *c, unsigned part, struct group_list *out)
{
    struct question *q = c->sharing->question;
    const struct tally *t = c->sharing->team->tallies;
    if (c->sharing->parts == 1)
        load_whole(c, out);
    else if (!load_part(c, part, out))
        return false;
    sum_groups(q, t, out, &c->sums);
    if (q->layout.rate >= 0) {
        if (c->folded.records)
            groups_free(&c->folded);
        if (!groups_init(&c->folded, &q->budget, q->loops, q->seed ^ OTHER_SEED, q->layout.words,
                         ESTIMATE_WORDS, 0) ||
            !fold(q, t, out, &c->folded))
            return false;
        out->stride = c->folded.stride;
        out->records = groups_compact(&c->folded, &out->count);
    }
    drop_pieces(q, out);
    return true;
}

static void collect_parts(struct collector *c)
{
    struct sharing *s = c->sharing;
    unsigned part;
    c->fine = true;
    while (c->fine && !atomic_load(&s->stop) && (part = atomic_fetch_add(&s->next, 1)) < s->parts) {
        struct group_list groups;
        c->fine = read_part(c, part, &groups) && question_overdue(s->question, NULL) == WEIR_OK;
        if (!c->fine)
            break;
        c->kept.stride = groups.stride;
        c->all += groups.count;
        c->fine = c->rows ? keep_first(c, &groups) : keep_all(c, &groups);
    }
    if (!c->fine)
        atomic_store(&s->stop, true);
}

static void *help(void *context)
{
    struct collector *c = context;
    uint64_t cpu = clock_thread_cpu_us();
    collect_parts(c);
    atomic_fetch_add(&c->sharing->question->cpu_us, clock_thread_cpu_us() - cpu);
    return NULL;
}

/* Adds what another one found. */
static bool join(struct collector *to, const struct collector *from)
{
    for (unsigned i = 0; i < 3; i++) {
        to->sums.raw[i] += from->sums.raw[i];
        to->sums.unknown[i] += from->sums.unknown[i];
        to->sums.estimate.of[i] += from->sums.estimate.of[i];
    }
    to->all += from->all;
    if (from->kept.count)
        to->kept.stride = from->kept.stride;
    return keep_all(to, &from->kept);
}

/* The parts, by the collectors that there are threads for; the first is the caller's own. */
static bool share_parts(struct collected *out)
{
    struct collector *all = out->owners;
    size_t hired = 1;
    while (hired < out->owner_count &&
           pthread_create(&all[hired].thread, NULL, help, &all[hired]) == 0)
        hired++;
    collect_parts(&all[0]);
    for (size_t i = 1; i < hired; i++) {
        pthread_join(all[i].thread, NULL);
        all[0].fine = all[0].fine && all[i].fine && join(&all[0], &all[i]);
    }
    out->list = all[0].kept;
    out->all = all[0].all;
    return all[0].fine;
}

/* ---- one list ---- */

static bool merge_team(struct team *team)
{
    bool fine = true;
    for (; team->count > 1; team->count--) {
        struct tally *last = &team->tallies[team->count - 1];
        fine = fine && tally_merge(team->tallies, last, NULL) == WEIR_OK;
        tally_free(last);
    }
    return fine;
}

/* Is there memory for a second table beside the first one, to fold the rate in? */
static bool fold_fits(const struct question *q, uint64_t groups)
{
    if (q->layout.rate < 0)
        return true;
    uint64_t octets = groups_growth(groups, q->layout.words + ESTIMATE_WORDS);
    return atomic_load(&q->budget.used) + octets <= q->budget.most;
}

/* In how many parts the groups are to be read. */
static unsigned choose_parts(const struct question *q, const struct team *team)
{
    bool divisible = true, scattered = false;
    uint64_t groups = 0;
    for (size_t i = 0; i < team->count; i++) {
        const struct groups *g = &team->tallies[i].groups;
        divisible = divisible && groups_divisible(g);
        scattered |= groups_scattered(g);
        groups += g->cells ? UINT64_C(1) << g->direct_bits : g->count;
    }
    bool many = groups >= MANY_GROUPS && team->count > 1;
    return divisible && (scattered || many || !fold_fits(q, groups)) ? PARTS : 1;
}

static bool make_collectors(struct sharing *s, struct collected *out)
{
    struct question *q = s->question;
    uint32_t top = q->request->percentile || q->request->series ? 0 : q->request->top;
    bool cut = s->parts > 1 && top && top <= CUT_MOST;
    size_t wanted = s->parts > 1 ? question_threads(q) : 1;
    out->owners = arena_zero(&q->arena, wanted * sizeof *out->owners);
    for (; out->owners && out->owner_count < wanted; out->owner_count++) {
        struct collector *c = &out->owners[out->owner_count];
        c->sharing = s;
        dense_init(&c->dense, &q->budget, q->seed ^ OTHER_SEED, q->layout.words);
        if (cut && !(c->rows = arena_alloc(&q->arena, top * sizeof *c->rows)))
            return false;
    }
    return out->owners != NULL;
}

bool question_collect(struct question *q, struct team *team, struct collected *out,
                      struct answer_account *account)
{
    struct sharing s = {.question = q, .team = team, .parts = choose_parts(q, team)};
    bool fine = s.parts > 1 || merge_team(team);
    s.parts = choose_parts(q, team); /* what was merged may have scattered */
    s.alone = team->count == 1;
    for (size_t i = 0; fine && s.parts > 1 && i < team->count; i++)
        fine = groups_settle(&team->tallies[i].groups);
    fine = fine && make_collectors(&s, out);
    if (fine && s.parts > 1) {
        fine = share_parts(out);
    } else if (fine) {
        fine = read_part(&out->owners[0], 0, &out->list);
        out->all = out->list.count;
    }
    if (fine)
        tell_sums(&out->owners[0].sums, account);
    return fine;
}

void collected_free(struct collected *c)
{
    for (size_t i = 0; i < c->owner_count; i++) {
        struct collector *one = &c->owners[i];
        dense_free(&one->dense);
        if (one->folded.records)
            groups_free(&one->folded);
        free(one->kept.records);
    }
    *c = (struct collected){0};
}
