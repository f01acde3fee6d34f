/* scan.c - the scan over blocks, by one thread or several. A block is taken in two steps: the
 * columns that decide which rows count (filter, flow end), and only if any do, the columns that are
 * added.
 *
 * Helping threads have readers of their own, opened after the survey; should a block have been
 * rewritten in between, its columns do not match the surveyed directory, and the block is left to
 * the first thread, whose reader still sees the surveyed state. */
#include "query/question.h"
#include "query/bind.h"
#include "query/columns.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct gang {
    struct question *question;
    _Atomic size_t next;
    _Atomic bool stop;
    _Atomic bool *left_over; /* by block: a helper could not read it */
};

struct worker {
    struct gang *gang;
    struct reader *reader;
    struct tally *tally;
    struct arena arena; /* emptied after each block */
    bool helper;
    struct weir_error error;
    enum weir_status status;
    pthread_t thread;
};

/* One block in one worker's hands. */
struct pass {
    struct question *question;
    struct worker *worker;
    const struct scan_block *block;
    struct columns columns;
    struct vector *frame; /* room for all its columns */
    struct run run;
    struct vector flows; /* run.flows, when records say how many they are */
    uint64_t octets_sum, packets_sum;
};

static enum weir_status no_memory(struct weir_error *error)
{
    return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory while scanning a block");
}

/* Puts the column into the frame, if the block has it; in the place of its encoded form, if that is
 * there. */
static enum weir_status bring(struct pass *p, struct frame *frame, ie_key key,
                              struct weir_error *error)
{
    const struct vector *v, *there = frame_find(frame, key);
    if (there && there->form != VECTOR_ENCODED)
        return WEIR_OK;
    enum weir_status status = columns_get(&p->columns, key, &v, error);
    if (status == WEIR_OK && v)
        p->frame[there ? (uint32_t)(there - p->frame) : frame->count++] = *v;
    return status;
}

/* The same for the filter alone. */
static enum weir_status bring_for_filter(struct pass *p, ie_key key, struct weir_error *error)
{
    const struct vector *v;
    if (!filter_only_ranges(p->question->filter, key))
        return bring(p, &p->run.frame, key, error);
    enum weir_status status = columns_get_encoded(&p->columns, key, &v, error);
    if (status == WEIR_OK && v)
        p->frame[p->run.frame.count++] = *v;
    return status;
}

/* Why a filter came to no end. */
static enum weir_status filter_failed(struct pass *p, struct weir_error *error)
{
    char name[IE_NAME_SIZE];
    for (uint32_t i = 0; i < p->run.frame.count; i++) {
        const struct vector *v = &p->frame[i];
        enum weir_status s = v->form == VECTOR_ENCODED ? column_encoded_status(v) : WEIR_OK;
        if (s == WEIR_OK)
            continue;
        weir_fail(error, s, NULL, "column %s: %s", ie_key_print(v->key, name), weir_status_text(s));
        return columns_blame(&p->columns, s, error);
    }
    return no_memory(error);
}

static enum weir_status select_by_filter(struct pass *p, struct weir_error *error)
{
    size_t count;
    const ie_key *keys = filter_keys(p->question->filter, &count);
    for (size_t i = 0; i < count; i++) {
        enum weir_status status = bring_for_filter(p, keys[i], error);
        if (status != WEIR_OK)
            return status;
    }
    uint64_t *bits = arena_alloc(&p->worker->arena, ((size_t)p->block->stored.rows + 63) / 64 * 8);
    if (!bits)
        return no_memory(error);
    p->run.selected_count =
        filter_select(p->question->filter, &p->run.frame, &p->worker->arena, bits);
    if (p->run.selected_count == UINT32_MAX)
        return filter_failed(p, error);
    p->run.selected = bits;
    return WEIR_OK;
}

/* Which of the flow ends in room[0…n - 1] count: those inside the interval that roll-ups do not
 * answer for. */
static void mark_ends(const struct question *q, const uint64_t *room, uint32_t n, uint64_t *bits)
{
    uint64_t answered[LOOP_ROWS / 64];
    q->loops->inside(room, n, q->bins.from, question_width(q->when), bits);
    if (!question_has_middle(q))
        return;
    q->loops->inside(room, n, (uint64_t)q->middle.from_ms, question_width(q->middle), answered);
    for (uint32_t w = 0; w < (n + 63) / 64; w++)
        bits[w] &= ~answered[w];
}

/* Marks the rows whose ends count, a group of them at a time. */
static enum weir_status mark_groups(struct pass *p, struct column_groups *groups, uint64_t *bits,
                                    struct weir_error *error)
{
    uint64_t room[COLUMN_GROUP];
    uint32_t n;
    enum weir_status status;
    while ((status = column_groups_next(groups, room, &n, error)) == WEIR_OK && n) {
        mark_ends(p->question, room, n, bits);
        bits += COLUMN_GROUP / 64;
    }
    return status == WEIR_OK ? status : columns_blame(&p->columns, status, error);
}

static enum weir_status mark_rows(struct pass *p, uint64_t *bits, struct weir_error *error)
{
    uint32_t rows = p->block->stored.rows;
    const struct vector *end;
    enum weir_status status = columns_get(&p->columns, WEIR_FLOW_END, &end, error);
    uint64_t room[LOOP_ROWS];
    for (uint32_t first = 0; status == WEIR_OK && first < rows; first += LOOP_ROWS) {
        uint32_t n = rows - first < LOOP_ROWS ? rows - first : LOOP_ROWS;
        load_numbers(p->question->loops, end, first, n, NULL, room);
        mark_ends(p->question, room, n, bits + first / 64);
    }
    return status;
}

/* Whether flow ends are wanted once more: then they are better decoded. */
static bool ends_wanted(const struct question *q)
{
    bool wanted = question_spreads(q);
    for (unsigned i = 0; i < q->layout.count; i++)
        wanted |= q->layout.components[i].column == WEIR_FLOW_END;
    return wanted;
}

/* The rows whose flow ends count; with the filter's bits when there are any. */
static enum weir_status select_by_time(struct pass *p, struct weir_error *error)
{
    uint32_t rows = p->block->stored.rows, count = 0;
    struct column_groups *groups = NULL;
    enum weir_status status = WEIR_OK;
    uint64_t *bits = arena_alloc(&p->worker->arena, ((size_t)rows + 63) / 64 * 8);
    if (!bits)
        return no_memory(error);
    if (!ends_wanted(p->question))
        status = columns_groups(&p->columns, WEIR_FLOW_END, &groups, error);
    if (status == WEIR_OK)
        status = groups ? mark_groups(p, groups, bits, error) : mark_rows(p, bits, error);
    if (status != WEIR_OK)
        return status;
    for (uint32_t w = 0; w < (rows + 63) / 64; w++) {
        if (p->run.selected)
            bits[w] &= p->run.selected[w];
        count += (uint32_t)__builtin_popcountll(bits[w]);
    }
    p->run.selected = bits;
    p->run.selected_count = count;
    return WEIR_OK;
}

static enum weir_status select_rows(struct pass *p, struct weir_error *error)
{
    uint32_t rows = p->block->stored.rows;
    p->run.selected_count = rows;
    enum weir_status status = p->block->filtered ? select_by_filter(p, error) : WEIR_OK;
    if (status == WEIR_OK && p->run.selected_count && !p->block->inside)
        status = select_by_time(p, error);
    if (p->run.selected_count == rows)
        p->run.selected = NULL;
    return status;
}

/* The first and last bin that this block can reach; one and the same when it lies within a bin. */
static void bound_bins(struct pass *p)
{
    p->run.first_bin = question_bin(p->question, p->block->stored.first_ms);
    p->run.last_bin = question_bin(p->question, p->block->stored.last_ms);
}

static enum weir_status bring_components(struct pass *p, struct weir_error *error)
{
    const struct layout *l = &p->question->layout;
    enum weir_status status = WEIR_OK;
    for (unsigned i = 0; i < l->count && status == WEIR_OK; i++) {
        const struct component *c = &l->components[i];
        if (c->kind == COMPONENT_BIN && p->run.first_bin == p->run.last_bin)
            continue;
        status = bring(p, &p->run.frame, c->column, error);
        if (status == WEIR_OK && c->column6)
            status = bring(p, &p->run.frame, c->column6, error);
    }
    return status;
}

/* Flows a row stands for, where records say (aggregated ones); absent or 0 is one. */
static enum weir_status count_flows(struct pass *p, struct weir_error *error)
{
    const struct vector *v;
    enum weir_status status = columns_get(&p->columns, WEIR_FLOW_COUNT, &v, error);
    if (status != WEIR_OK || !v)
        return status;
    uint64_t *flows = arena_alloc(&p->worker->arena, (size_t)v->rows * sizeof *flows);
    if (!flows)
        return no_memory(error);
    for (uint32_t row = 0; row < v->rows; row++) {
        uint64_t n = vector_u64(v, row);
        flows[row] = n ? n : 1;
    }
    p->flows = (struct vector){.key = WEIR_FLOW_COUNT, .width = 8, .form = VECTOR_FLAT,
                               .rows = v->rows, .values = flows};
    p->run.flows = &p->flows;
    return WEIR_OK;
}

static enum weir_status note_policies(struct pass *p, struct weir_error *error)
{
    const struct vector *v;
    enum weir_status status = columns_get(&p->columns, WEIR_ANONYMISATION, &v, error);
    if (status == WEIR_OK)
        policies_use_rows(&p->question->policies, v, p->run.selected, p->block->stored.rows);
    return status;
}

static enum weir_status tally_rows(struct pass *p, struct weir_error *error)
{
    struct arena *a = &p->worker->arena;
    const struct spreader s = {p->question, p->worker->tally, a};
    const struct vector *start, *end;
    if (!question_spreads(p->question))
        return tally_add(p->worker->tally, &p->run, a, error);
    enum weir_status status = columns_get(&p->columns, WEIR_FLOW_START, &start, error);
    if (status == WEIR_OK)
        status = columns_get(&p->columns, WEIR_FLOW_END, &end, error);
    return status == WEIR_OK ? spread_run(&s, &p->run, start, end, error) : status;
}

/* A measure of the selected rows: their sum, where that is all that is asked and the column can be
 * added up as it lies; else its vector. */
static enum weir_status measure(struct pass *p, ie_key key, const struct vector **v, uint64_t *room,
                                const uint64_t **sum, struct weir_error *error)
{
    bool done = false;
    enum weir_status status = WEIR_OK;
    if (p->question->layout.count == 0 && !question_spreads(p->question))
        status = columns_sum(&p->columns, key, p->run.selected, room, &done, error);
    *sum = done ? room : NULL;
    return status == WEIR_OK && !done ? columns_get(&p->columns, key, v, error) : status;
}

static enum weir_status add_rows(struct pass *p, struct weir_error *error)
{
    bound_bins(p);
    enum weir_status status = bring_components(p, error);
    if (status == WEIR_OK)
        status = measure(p, WEIR_OCTETS, &p->run.octets, &p->octets_sum, &p->run.octets_sum, error);
    if (status == WEIR_OK)
        status =
            measure(p, WEIR_PACKETS, &p->run.packets, &p->packets_sum, &p->run.packets_sum, error);
    if (status == WEIR_OK)
        status = count_flows(p, error);
    if (status == WEIR_OK)
        status = note_policies(p, error);
    if (status != WEIR_OK)
        return status;
    status = tally_rows(p, error);
    return status == WEIR_ECORRUPT ? columns_blame(&p->columns, status, error) : status;
}

static enum weir_status scan_block(struct worker *w, const struct scan_block *block,
                                   struct weir_error *error)
{
    struct pass p = {.question = w->gang->question, .worker = w, .block = block};
    arena_reset(&w->arena);
    p.frame = arena_alloc(&w->arena, (block->column_count + 1) * sizeof *p.frame);
    if (!p.frame || !columns_open(&p.columns, w->reader, block, &w->arena))
        return no_memory(error);
    p.run.frame = (struct frame){.rows = block->stored.rows, .vectors = p.frame};
    p.run.columns = block->columns;
    p.run.column_count = block->column_count;
    enum weir_status status = select_rows(&p, error);
    if (status == WEIR_OK && p.run.selected_count)
        status = add_rows(&p, error);
    if (status == WEIR_OK)
        atomic_fetch_add(&w->gang->question->rows_scanned, block->stored.rows);
    return status;
}

/* A helper's reader may be of a later state; reading failed before anything was added, so the block
 * can be left over. Bounds and memory are the same for everybody. */
static bool may_be_left(const struct worker *w, enum weir_status status)
{
    return w->helper && status != WEIR_ELIMIT && status != WEIR_ENOMEM && status != WEIR_ECANCELLED;
}

static void work(struct worker *w)
{
    struct gang *g = w->gang;
    struct question *q = g->question;
    while (w->status == WEIR_OK && !atomic_load(&g->stop)) {
        size_t at = atomic_fetch_add(&g->next, 1);
        if (at >= q->block_count)
            break;
        w->status = question_overdue(q, &w->error);
        if (w->status == WEIR_OK)
            w->status = scan_block(w, &q->blocks[at], &w->error);
        if (w->status != WEIR_OK && may_be_left(w, w->status)) {
            atomic_store(&g->left_over[at], true);
            w->status = WEIR_OK;
        }
    }
    if (w->status != WEIR_OK)
        atomic_store(&g->stop, true);
}

static void *help(void *context)
{
    struct worker *w = context;
    uint64_t cpu = clock_thread_cpu_us();
    work(w);
    atomic_fetch_add(&w->gang->question->cpu_us, clock_thread_cpu_us() - cpu);
    return NULL;
}

/* A thread with a reader and a tally; when it can not be had, there is one helper less. */
static bool hire(struct worker *w, struct gang *g, struct team *team, size_t number)
{
    struct question *q = g->question;
    struct tally *t = &team->tallies[number];
    *w = (struct worker){.gang = g, .helper = true, .tally = t};
    if (reader_open(q->store, &w->reader, NULL) != WEIR_OK)
        return false;
    bool fine = tally_init(t, &q->layout, &q->bins, q->loops, &q->budget, q->seed, q->direct_bits);
    if (fine && team->shares)
        tally_share(t, &team->common, &team->lock);
    if (fine && pthread_create(&w->thread, NULL, help, w) == 0)
        return true;
    tally_free(t);
    reader_close(w->reader);
    return false;
}

static enum weir_status dismiss(struct worker *w, struct worker *first, struct weir_error *error)
{
    pthread_join(w->thread, NULL);
    arena_free(&w->arena);
    enum weir_status status = reader_end(w->reader, w->status, &w->error);
    if (status != WEIR_OK && first->status == WEIR_OK && error)
        *error = w->error;
    return status;
}

static enum weir_status scan_left_over(struct worker *first, struct weir_error *error)
{
    struct question *q = first->gang->question;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < q->block_count && status == WEIR_OK; i++) {
        if (!atomic_load(&first->gang->left_over[i]))
            continue;
        status = question_overdue(q, error);
        if (status == WEIR_OK)
            status = scan_block(first, &q->blocks[i], error);
    }
    return status;
}

size_t question_threads(const struct question *q)
{
    size_t threads = q->request->threads < 2 ? 1 : q->request->threads;
    if (threads > QUERY_THREADS_MOST)
        threads = QUERY_THREADS_MOST;
    if (threads > q->block_count)
        threads = q->block_count ? q->block_count : 1;
    return threads;
}

enum weir_status question_scan(struct question *q, struct team *team, struct weir_error *error)
{
    struct gang gang = {.question = q};
    struct worker first = {.gang = &gang, .reader = q->reader, .tally = team->tallies};
    /* Without a lock to share numbers behind there is one thread. */
    size_t wanted = q->layout.interned && !team->shares ? 0 : question_threads(q) - 1, hired = 0;
    struct worker *helpers = arena_zero(&q->arena, (wanted + 1) * sizeof *helpers);
    gang.left_over = arena_zero(&q->arena, (q->block_count + 1) * sizeof *gang.left_over);
    if (!helpers || !gang.left_over)
        return no_memory(error);
    while (hired < wanted && hire(&helpers[hired], &gang, team, hired + 1))
        hired++;
    team->count = 1 + hired;
    work(&first);
    enum weir_status status = first.status;
    if (status != WEIR_OK && error)
        *error = first.error;
    for (size_t i = 0; i < hired; i++) {
        enum weir_status his = dismiss(&helpers[i], &first, error);
        if (status == WEIR_OK)
            first.status = status = his;
    }
    if (status == WEIR_OK)
        status = scan_left_over(&first, error);
    arena_free(&first.arena);
    return status;
}
