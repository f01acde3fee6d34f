/* walk.c - stored records as columns, block by block (store_scan()). Neighbours: blocks.c decodes;
 * records.c walks the same way and prints. */
#include "store/inside.h"
#include "flow/filter.h"
#include <stdlib.h>
#include <string.h>

struct walk {
    struct sql *sql;
    const struct scan_request *request;
    struct filter *filter;
    struct arena arena; /* a block's */
    ie_key *keys;       /* sorted; from malloc() */
    size_t key_count, key_room;
    struct weir_error *error;
};

static enum weir_status no_memory(struct walk *w)
{
    return weir_fail(w->error, WEIR_ENOMEM, "", "out of memory while walking the blocks");
}

static enum weir_status open_block(struct walk *w, int64_t id, struct block_record *b, bool *keep)
{
    arena_reset(&w->arena);
    enum weir_status status = block_record_read(w->sql, id, &w->arena, b, w->error);
    *keep = status == WEIR_OK && filter_judge(w->filter, block_bounds, b) != FILTER_NONE;
    return status;
}

/* ---- which elements there are ---- */

static bool add_key(struct walk *w, ie_key key)
{
    size_t low = 0, high = w->key_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (w->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < w->key_count && w->keys[low] == key)
        return true;
    if (w->key_count == w->key_room) {
        size_t room = w->key_room ? 2 * w->key_room : 64;
        ie_key *more = realloc(w->keys, room * sizeof *more);
        if (!more)
            return false;
        w->keys = more;
        w->key_room = room;
    }
    memmove(w->keys + low + 1, w->keys + low, (w->key_count - low) * sizeof *w->keys);
    w->keys[low] = key;
    w->key_count++;
    return true;
}

static enum weir_status list_keys(struct walk *w, const struct stored_block *blocks, size_t count)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        struct block_record b;
        bool keep;
        status = open_block(w, blocks[i].rowid, &b, &keep);
        for (uint32_t c = 0; status == WEIR_OK && keep && c < b.count; c++)
            if (!add_key(w, b.columns[c].key))
                status = no_memory(w);
    }
    return status;
}

/* ---- rows ---- */

static uint32_t drop_outside(const struct frame *f, struct interval when, uint64_t *selected)
{
    const struct vector *end = frame_find(f, WEIR_FLOW_END);
    uint32_t count = 0;
    for (uint32_t row = 0; row < f->rows; row++) {
        int64_t at = end ? (int64_t)vector_u64(end, row) : 0;
        if (at < when.from_ms || at >= when.to_ms)
            selected[row / 64] &= ~(UINT64_C(1) << (row % 64));
    }
    for (uint32_t i = 0; i < (f->rows + 63) / 64; i++)
        count += (uint32_t)__builtin_popcountll(selected[i]);
    return count;
}

static enum weir_status hand_on(struct walk *w, int64_t id)
{
    struct block_record b;
    struct frame f;
    bool keep;
    enum weir_status status = open_block(w, id, &b, &keep);
    if (status != WEIR_OK || !keep)
        return status;
    status = block_decode(w->sql, &b, NULL, 0, &w->arena, &f, w->error);
    if (status != WEIR_OK)
        return status;
    uint64_t *selected = arena_alloc(&w->arena, (f.rows + 63) / 64 * sizeof *selected + 8);
    if (!selected || filter_select(w->filter, &f, &w->arena, selected) == UINT32_MAX)
        return no_memory(w);
    uint32_t count = drop_outside(&f, w->request->when, selected);
    return count ? w->request->rows(w->request->context, &f, selected, count) : WEIR_OK;
}

static enum weir_status walk_blocks(struct walk *w, struct reader *r)
{
    struct arena a = {0};
    struct stored_block *blocks;
    size_t count;
    enum weir_status status =
        reader_blocks(r, RECORD_FLOW, w->request->when, &a, &blocks, &count, w->error);
    if (status == WEIR_OK && w->request->begin) {
        status = list_keys(w, blocks, count);
        if (status == WEIR_OK)
            status = w->request->begin(w->request->context, w->keys, w->key_count);
    }
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        status = hand_on(w, blocks[i].rowid);
        if (status == WEIR_OK && w->request->progress)
            w->request->progress(w->request->context, i + 1, count);
    }
    arena_free(&a);
    return status;
}

enum weir_status store_scan(struct store *s, const struct scan_request *request,
                            struct weir_error *error)
{
    struct reader *r;
    struct walk w = {.request = request, .error = error};
    if (request->when.from_ms >= request->when.to_ms)
        return weir_fail(error, WEIR_EARGUMENT, "from",
                         "an interval that ends after it starts is expected");
    enum weir_status status = reader_open(s, &r, error);
    if (status != WEIR_OK)
        return status;
    w.sql = &r->sql;
    status = filter_parse(request->filter ? request->filter : "", reader_tag, r, &w.filter, error);
    if (status == WEIR_OK) {
        status = walk_blocks(&w, r);
        filter_free(w.filter);
    }
    arena_free(&w.arena);
    free(w.keys);
    return reader_end(r, status, error);
}
