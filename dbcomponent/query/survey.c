/* survey.c - before the scan: which blocks, which of their columns, and how short the groups' codes
 * can be. Reads directories only; no column's bytes. */
#include "query/question.h"

#include <string.h>

/* Columns that a question needs, whatever block it is. */
struct wanted {
    ie_key keys[COMPONENTS_MOST * 2 + 10];
    size_t count;
    const ie_key *filter;
    size_t filter_count;
};

static void list_wanted(const struct question *q, struct wanted *w)
{
    const ie_key always[] = {WEIR_OCTETS,        WEIR_PACKETS,    WEIR_FLOW_END,
                             WEIR_SAMPLING_RATE, WEIR_FLOW_COUNT, WEIR_ANONYMISATION};
    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        w->keys[w->count++] = always[i];
    if (question_spreads(q))
        w->keys[w->count++] = WEIR_FLOW_START;
    for (unsigned i = 0; i < q->layout.count; i++) {
        w->keys[w->count++] = q->layout.components[i].column;
        if (q->layout.components[i].column6)
            w->keys[w->count++] = q->layout.components[i].column6;
    }
    if (q->filter)
        w->filter = filter_keys(q->filter, &w->filter_count);
}

static bool is_listed(const ie_key *keys, size_t count, ie_key key)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i] == key)
            return true;
    return false;
}

static const struct block_column *find(const struct block_column *columns, uint32_t count,
                                       ie_key key)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (columns[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && columns[low].key == key ? &columns[low] : NULL;
}

struct directory {
    const struct block_column *columns;
    uint32_t count;
};

static bool bounds_of(void *context, ie_key key, struct column_bounds *out)
{
    const struct directory *d = context;
    const struct block_column *c = find(d->columns, d->count, key);
    *out = (struct column_bounds){.key = key, .width = ie_storage_width(key)};
    if (c)
        column_bounds_of(c, out);
    return true;
}

/* Marks what is wanted, and the columns those are relative to, and those… */
static bool mark(const struct directory *d, const struct wanted *w, bool filtered, uint8_t *marked)
{
    for (uint32_t i = 0; i < d->count; i++)
        marked[i] = is_listed(w->keys, w->count, d->columns[i].key) ||
                    (filtered && is_listed(w->filter, w->filter_count, d->columns[i].key));
    bool again = true;
    while (again) {
        again = false;
        for (uint32_t i = 0; i < d->count; i++) {
            if (!marked[i] || d->columns[i].codec != CODEC_RELATIVE)
                continue;
            const struct block_column *base = find(d->columns, d->count, d->columns[i].base);
            if (!base)
                return false;
            again |= !marked[base - d->columns];
            marked[base - d->columns] = 1;
        }
    }
    return true;
}

static enum weir_status no_memory(struct weir_error *error)
{
    return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory while listing blocks");
}

static enum weir_status keep_columns(struct question *q, const struct directory *d,
                                     const struct wanted *w, struct arena *a,
                                     struct scan_block *block, struct weir_error *error)
{
    uint8_t *marked = arena_alloc(a, d->count);
    if (!marked)
        return no_memory(error);
    if (!mark(d, w, block->filtered, marked))
        return weir_fail(error, WEIR_ECORRUPT, NULL, "block %lld: a column's base is missing",
                         (long long)block->stored.rowid);
    for (uint32_t i = 0; i < d->count; i++)
        block->column_count += marked[i];
    block->columns = arena_alloc(&q->arena, block->column_count * sizeof *block->columns);
    if (!block->columns)
        return no_memory(error);
    struct block_column *to = block->columns;
    for (uint32_t i = 0; i < d->count; i++)
        if (marked[i])
            *to++ = d->columns[i];
    return WEIR_OK;
}

static void survey_column(struct component *c, const struct block_column *column, uint32_t rows)
{
    if (!column || column->present_rows < rows)
        c->seen.lacking = true;
    if (!column)
        return;
    if (column->width >= 1 && column->width <= 8)
        survey_number(c, column->width, column->least, column->most);
    c->seen.wide |= column->width == 16;
    c->seen.octets |= column->width == 0;
}

static void survey_block(struct layout *l, const struct scan_block *block)
{
    for (unsigned i = 0; i < l->count; i++) {
        struct component *c = &l->components[i];
        if (c->kind == COMPONENT_BIN)
            continue;
        uint32_t rows = block->stored.rows;
        survey_column(c, find(block->columns, block->column_count, c->column), rows);
        const struct block_column *six =
            c->column6 ? find(block->columns, block->column_count, c->column6) : NULL;
        if (six)
            survey_column(c, six, rows);
    }
}

/* Do all its flows start after the interval? Then it has no share for it. */
static bool starts_after(const struct directory *d, const struct stored_block *stored,
                         struct interval when)
{
    const struct block_column *c = find(d->columns, d->count, WEIR_FLOW_START);
    int64_t first = stored->first_ms;
    if (c && c->width == 8 && (int64_t)c->least < first)
        first = (int64_t)c->least;
    return first >= when.to_ms;
}

static bool is_inside(const struct question *q, const struct stored_block *stored)
{
    if (question_has_middle(q) && stored->first_ms < q->middle.to_ms &&
        stored->last_ms >= q->middle.from_ms)
        return false;
    return stored->first_ms >= q->when.from_ms && stored->last_ms < q->when.to_ms;
}

/* Judges one block; *keep says whether it has to be scanned. */
static enum weir_status take_block(struct question *q, const struct stored_block *stored,
                                   const struct wanted *w, struct arena *a, struct scan_block *out,
                                   bool *keep, struct weir_error *error)
{
    struct block_column *columns;
    struct directory d = {0};
    enum weir_status status =
        reader_directory(q->reader, stored->rowid, a, &columns, &d.count, error);
    if (status != WEIR_OK)
        return status;
    d.columns = columns;
    enum filter_verdict verdict = q->filter ? filter_judge(q->filter, bounds_of, &d) : FILTER_ALL;
    *keep = verdict != FILTER_NONE &&
            !(question_spreads(q) && starts_after(&d, stored, q->when));
    if (!*keep)
        return WEIR_OK;
    *out = (struct scan_block){.stored = *stored, .filtered = verdict == FILTER_SOME};
    out->inside = question_spreads(q) || is_inside(q, stored);
    return keep_columns(q, &d, w, a, out, error);
}

static enum weir_status survey_blocks(struct question *q, const struct stored_block *stored,
                                      size_t count, struct weir_error *error)
{
    struct wanted wanted;
    struct arena scratch = {0};
    enum weir_status status = WEIR_OK;
    list_wanted(q, &wanted);
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        bool keep = false;
        if (stored[i].rows == 0)
            continue;
        q->blocks_met++;
        arena_reset(&scratch);
        struct scan_block *block = &q->blocks[q->block_count];
        status = take_block(q, &stored[i], &wanted, &scratch, block, &keep, error);
        if (status == WEIR_OK)
            status = question_overdue(q, error);
        q->blocks_skipped += !keep;
        if (status != WEIR_OK || !keep)
            continue;
        survey_block(&q->layout, block);
        q->rows_to_scan += block->stored.rows;
        q->block_count++;
    }
    arena_free(&scratch);
    return status;
}

/* An array of all possible groups, when that is small beside the rows and within the budget. */
static unsigned choose_direct(const struct question *q)
{
    const struct layout *l = &q->layout;
    uint64_t cells = UINT64_C(1) << (l->bits < 63 ? l->bits : 63);
    if (l->words > 1 || l->interned || l->bits == 0 || l->bits > 20)
        return 0;
    if (cells > 4096 && cells > q->rows_to_scan / 4)
        return 0;
    return cells * sizeof(struct cell) <= q->budget.most / 4 ? l->bits : 0;
}

/* Both lists are in the order of rowid; so is *out, each block once. */
static bool unite(const struct stored_block *a, size_t a_count, const struct stored_block *b,
                  size_t b_count, struct arena *arena, struct stored_block **out, size_t *count)
{
    struct stored_block *to = arena_alloc(arena, (a_count + b_count + 1) * sizeof *to);
    size_t i = 0, j = 0, n = 0;
    while (to && (i < a_count || j < b_count)) {
        bool first = j == b_count || (i < a_count && a[i].rowid <= b[j].rowid);
        j += first && j < b_count && a[i].rowid == b[j].rowid;
        to[n++] = first ? a[i++] : b[j++];
    }
    *out = to;
    *count = n;
    return to != NULL;
}

/* Blocks that may hold what is asked: around the middle, when there is one; when flows are spread,
 * those that end after the interval too. */
static enum weir_status list_blocks(struct question *q, struct stored_block **out, size_t *count,
                                    struct weir_error *error)
{
    struct interval when = q->when;
    if (question_spreads(q))
        when.to_ms = INT64_MAX;
    if (!question_has_middle(q))
        return reader_blocks(q->reader, RECORD_FLOW, when, &q->arena, out, count, error);
    const struct interval edges[2] = {{when.from_ms, q->middle.from_ms},
                                      {q->middle.to_ms, when.to_ms}};
    struct stored_block *lists[2] = {NULL, NULL};
    size_t counts[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        enum weir_status status = WEIR_OK;
        if (edges[i].from_ms < edges[i].to_ms)
            status = reader_blocks(q->reader, RECORD_FLOW, edges[i], &q->arena, &lists[i],
                                   &counts[i], error);
        if (status != WEIR_OK)
            return status;
    }
    return unite(lists[0], counts[0], lists[1], counts[1], &q->arena, out, count)
               ? WEIR_OK
               : no_memory(error);
}

enum weir_status question_survey(struct question *q, struct weir_error *error)
{
    struct stored_block *stored = NULL;
    size_t count = 0;
    layout_start(&q->layout, q->keys, q->key_count, q->bins.count);
    if (question_spreads(q) && q->layout.bin >= 0)
        q->layout.components[q->layout.bin].column = SHARE_TIME;
    if (question_has_middle(q))
        question_survey_rollups(&q->layout);
    enum weir_status status = list_blocks(q, &stored, &count, error);
    if (status != WEIR_OK)
        return status;
    q->blocks = arena_alloc(&q->arena, count * sizeof *q->blocks);
    if (!q->blocks)
        return no_memory(error);
    status = survey_blocks(q, stored, count, error);
    layout_finish(&q->layout);
    q->direct_bits = choose_direct(q);
    return status;
}
