/* retag.c - stored flows get the tags of the present catalogue (store_retag()), block by block.
 * Neighbours: lib/flow's prefix table looks up, blocks.c decodes, segment_table.c changes roll-ups.
 *
 * A block, its directory and the roll-ups of its hours change in one transaction, so at any moment
 * roll-ups equal blocks; a retag that is cut off has given some blocks the new tags, and can be run
 * again. Roll-ups of an hour are rewritten, not added to with negative counts: whoever reads them
 * never sees one. */
#include "store/inside.h"
#include "store/levels.h"
#include "store/segment.h"
#include <stdlib.h>
#include <string.h>

struct retagging {
    struct store *store;
    store_progress progress; /* or NULL */
    void *context;
    uint64_t blocks_changed;
    struct prefix_table *table;
    struct block_encoder *encoder;
    struct arena arena;
    struct rollups *change, *period;
    struct buffer bytes;
};

/* What the collector looks at, for the source and for the destination (RFC 7012 numbers). */
static const struct side {
    ie_key ipv4, ipv6, as, tag;
} sides[2] = {
    {IANA(8), IANA(27), IANA(16), WEIR_SRC_TAG},
    {IANA(12), IANA(28), IANA(17), WEIR_DST_TAG},
};

/* ---- new tags of a block ---- */

static bool is_zero(const uint8_t octets[16])
{
    static const uint8_t zero[16];
    return memcmp(octets, zero, sizeof zero) == 0;
}

/* As the collector does: records of both families (templates that name both) mean the one that is
 * not zero; the AS counts when no prefix has the address. */
static uint32_t tag_of(const struct retagging *r, const struct side *side, const struct frame *f,
                       uint32_t row)
{
    const struct vector *v4 = frame_find(f, side->ipv4), *v6 = frame_find(f, side->ipv6);
    const struct vector *as = frame_find(f, side->as);
    bool has4 = v4 && v4->width == 4 && vector_has(v4, row);
    bool has6 = v6 && v6->width == 16 && vector_has(v6, row);
    uint32_t ipv4 = has4 ? (uint32_t)vector_u64(v4, row) : 0, tag = 0;
    const uint8_t *ipv6 = has6 ? vector_octets(v6, row).bytes : NULL;
    if (has6 && (!has4 || (ipv4 == 0 && !is_zero(ipv6))))
        tag = prefix_lookup_ipv6(r->table, ipv6);
    else if (has4)
        tag = prefix_lookup_ipv4(r->table, ipv4);
    if (!tag && as && (as->width == 4 || as->width == 8) && vector_has(as, row))
        tag = prefix_lookup_as(r->table, (uint32_t)vector_u64(as, row));
    return tag;
}

/* Pseudonyms say nothing of where their owners are, and records that stand for many flows may have
 * no addresses: the tags these were given when they came are all there is. */
static bool keeps_tags(const struct frame *f, uint32_t row)
{
    const struct vector *policy = frame_find(f, WEIR_ANONYMISATION);
    const struct vector *flows = frame_find(f, WEIR_FLOW_COUNT);
    return (policy && vector_has(policy, row)) || (flows && vector_has(flows, row));
}

static bool new_tags(const struct retagging *r, const struct side *side, const struct frame *f,
                     uint32_t *tags)
{
    const struct vector *old = frame_find(f, side->tag);
    bool changed = false;
    for (uint32_t row = 0; row < f->rows; row++) {
        uint32_t before = old ? (uint32_t)vector_u64(old, row) : 0;
        tags[row] = keeps_tags(f, row) ? before : tag_of(r, side, f, row);
        changed |= tags[row] != before;
    }
    return changed;
}

/* Both tag columns, coded: a small block of its own, of which the columns are taken. */
static enum weir_status encode_tags(struct retagging *r, uint32_t rows, uint32_t *const tags[2],
                                    struct block *out, struct weir_error *error)
{
    struct block_id id = {.sequence = 0};
    struct batch *batch = batch_new((rows + 63) / 64 * 64, RECORD_OPTIONS);
    if (!batch)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for tags");
    enum weir_status status = WEIR_OK;
    batch_append(batch, rows);
    for (int i = 0; status == WEIR_OK && i < 2; i++) {
        size_t column;
        status = batch_column(batch, sides[i].tag, 4, &column);
        if (status != WEIR_OK)
            break;
        memcpy(batch_column_at(batch, column)->values, tags[i], (size_t)rows * 4);
        batch_mark(batch, column, 0, rows);
    }
    buffer_clear(&r->bytes);
    if (status == WEIR_OK)
        status = block_encode(r->encoder, &id, batch, NULL, &r->bytes, error);
    batch_free(batch);
    if (status == WEIR_OK)
        status = block_open(r->bytes.bytes, r->bytes.length, &r->arena, out, error);
    return status;
}

/* ---- writing ---- */

/* The block's columns with the new ones in place of, or beside, the old; sorted by key as they
 * were. */
static enum weir_status join(struct retagging *r, struct block_record *b, const struct block *tags,
                             struct weir_error *error)
{
    struct block_column *all = arena_alloc(&r->arena, (b->count + 2) * sizeof *all);
    uint32_t count = 0, i = 0, j = 0;
    if (!all)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for a directory");
    while (i < b->count || j < tags->head.column_count) {
        const struct block_column *old = i < b->count ? &b->columns[i] : NULL;
        const struct block_column *new = j < tags->head.column_count ? &tags->columns[j] : NULL;
        bool take_new = !old || (new && new->key <= old->key);
        i += !take_new || (old && new && new->key == old->key);
        j += take_new;
        all[count++] = take_new ? *new : *old;
    }
    if (count > BATCH_COLUMNS_MOST)
        return weir_fail(error, WEIR_ELIMIT, "block", "block %lld: no room for its tags",
                         (long long)b->head.rowid);
    b->columns = all;
    b->count = count;
    b->octets = 0;
    for (i = 0; i < count; i++)
        b->octets += all[i].length;
    return WEIR_OK;
}

static enum weir_status write_column(struct sql *sql, int64_t id, uint32_t place,
                                     const struct block_column *c, struct weir_error *error)
{
    if (c->length == 0)
        return WEIR_OK;
    struct query q = query_start(sql, SQL_COLUMN_ADD);
    query_bind_i64(&q, COLUMN_ID(id, place));
    query_bind_blob(&q, c->bytes, c->length);
    query_row(&q);
    return query_end(&q, error);
}

static enum weir_status delete_columns(struct sql *sql, int64_t first, int64_t end,
                                       struct weir_error *error)
{
    struct query q = query_start(sql, SQL_COLUMN_DELETE);
    query_bind_i64(&q, first);
    query_bind_i64(&q, end);
    query_row(&q);
    return query_end(&q, error);
}

static enum weir_status write_directory(struct retagging *r, const struct block_record *b,
                                        struct weir_error *error)
{
    size_t length;
    const uint8_t *directory = block_directory(b, &r->arena, &length);
    if (!directory)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for a directory");
    struct query q = query_start(&r->store->writer, SQL_BLOCK_DIRECTORY_SET);
    query_bind_i64(&q, b->head.rowid);
    query_bind_u64(&q, b->octets);
    struct buffer packed = {0};
    block_bind_directory(&q, b->head.rows, directory, length, &packed);
    query_row(&q);
    enum weir_status status = query_end(&q, error);
    buffer_free(&packed);
    return status;
}

/* Same columns as before: two of them are replaced. A block that came without tag columns gets
 * them, its columns move, and all of them are written anew. */
static enum weir_status write_block(struct retagging *r, struct block_record *b,
                                    const struct block *tags, struct weir_error *error)
{
    struct sql *sql = &r->store->writer;
    int64_t id = b->head.rowid;
    uint32_t before = b->count;
    enum weir_status status = WEIR_OK;
    for (uint32_t i = 0; status == WEIR_OK && i < b->count; i++)
        if (!b->columns[i].bytes)
            status = block_column_load(sql, id, i, &b->columns[i], &r->arena, error);
    sql_release_column(sql);
    if (status == WEIR_OK)
        status = join(r, b, tags, error);
    bool moved = b->count != before;
    if (status == WEIR_OK && moved)
        status = delete_columns(sql, COLUMN_ID(id, 0), COLUMN_ID(id + 1, 0), error);
    for (uint32_t i = 0; status == WEIR_OK && i < b->count; i++) {
        bool tag = b->columns[i].key == WEIR_SRC_TAG || b->columns[i].key == WEIR_DST_TAG;
        if (!moved && tag)
            status = delete_columns(sql, COLUMN_ID(id, i), COLUMN_ID(id, i) + 1, error);
        if (status == WEIR_OK && (moved || tag))
            status = write_column(sql, id, i, &b->columns[i], error);
    }
    return status == WEIR_OK ? write_directory(r, b, error) : status;
}

/* ---- roll-ups: taken away with the old tags, added with the new ---- */

static enum weir_status roll_up_change(struct retagging *r, const struct frame *old,
                                       uint32_t *const tags[2], struct weir_error *error)
{
    struct vector *vectors = arena_alloc(&r->arena, (old->count + 2) * sizeof *vectors);
    if (!vectors)
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for tags");
    struct frame new = {.rows = old->rows, .vectors = vectors};
    for (uint32_t i = 0; i < old->count; i++)
        if (old->vectors[i].key != WEIR_SRC_TAG && old->vectors[i].key != WEIR_DST_TAG)
            vectors[new.count++] = old->vectors[i];
    for (int i = 0; i < 2; i++)
        vectors[new.count++] = (struct vector){.key = sides[i].tag, .width = 4, .form = VECTOR_FLAT,
                                               .rows = old->rows, .values = tags[i]};
    rollups_clear(r->change);
    enum weir_status status = rollups_add_frame(r->change, old, -1, &r->arena, error);
    return status == WEIR_OK ? rollups_add_frame(r->change, &new, 1, &r->arena, error) : status;
}

static enum weir_status change_rollups(struct retagging *r, struct weir_error *error)
{
    size_t count;
    struct sql *sql = &r->store->writer;
    enum weir_status status = WEIR_OK;
    const struct rollup_group *groups = rollups_sorted(r->change, &count);
    for (size_t first = 0, next; status == WEIR_OK && first < count; first = next) {
        int64_t period = period_of(groups[first].minute_ms);
        for (next = first; next < count && period_of(groups[next].minute_ms) == period; next++)
            ;
        status = rollups_change(sql, r->period, r->change, period, false, groups + first,
                                next - first, 1, &r->bytes, error);
        if (status == WEIR_OK)
            status = levels_outdate(sql, period, error);
    }
    return status;
}

/* ---- one block after the other ---- */

static enum weir_status retag_block(struct retagging *r, int64_t id, bool *changed,
                                    struct weir_error *error)
{
    ie_key keys[32];
    size_t count = 0;
    struct block_record b;
    struct block tags;
    struct frame f;
    *changed = false;
    for (int i = 0; i < 2; i++) {
        keys[count++] = sides[i].ipv4;
        keys[count++] = sides[i].ipv6;
        keys[count++] = sides[i].as;
    }
    memcpy(keys + count, rollup_keys, rollup_key_count * sizeof *keys);
    count += rollup_key_count;
    enum weir_status status = block_record_read(&r->store->writer, id, &r->arena, &b, error);
    if (status != WEIR_OK)
        return status;
    uint32_t *new[2] = {arena_alloc(&r->arena, ((size_t)b.head.rows + 1) * 4),
                        arena_alloc(&r->arena, ((size_t)b.head.rows + 1) * 4)};
    if (!new[0] || !new[1])
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for tags");
    status = block_decode(&r->store->writer, &b, keys, count, &r->arena, &f, error);
    sql_release_column(&r->store->writer);
    if (status != WEIR_OK)
        return status;
    *changed = new_tags(r, &sides[0], &f, new[0]);
    *changed |= new_tags(r, &sides[1], &f, new[1]);
    if (!*changed)
        return WEIR_OK;
    status = roll_up_change(r, &f, new, error);
    if (status == WEIR_OK)
        status = encode_tags(r, f.rows, new, &tags, error);
    if (status == WEIR_OK)
        status = write_block(r, &b, &tags, error);
    return status == WEIR_OK ? change_rollups(r, error) : status;
}

static enum weir_status list_blocks(struct store *s, struct arena *a, struct stored_block **blocks,
                                    size_t *count, struct weir_error *error)
{
    struct reader *r;
    enum weir_status status = reader_open(s, &r, error);
    if (status != WEIR_OK)
        return status;
    status = reader_blocks(r, RECORD_FLOW, INTERVAL_ALL, a, blocks, count, error);
    return reader_end(r, status, error);
}

static enum weir_status prepare(struct retagging *r, struct weir_error *error)
{
    struct catalogue c;
    enum weir_status status = store_catalogue(r->store, &c, error);
    if (status != WEIR_OK)
        return status;
    status = prefix_table_new(c.snapshot.prefixes, c.snapshot.prefix_count, c.snapshot.ases,
                              c.snapshot.as_count, &r->table, error);
    catalogue_free(&c);
    r->encoder = block_encoder_new(3);
    r->change = rollups_new();
    r->period = rollups_new();
    if (status == WEIR_OK && (!r->encoder || !r->change || !r->period))
        status = weir_fail(error, WEIR_ENOMEM, "", "out of memory to give tags");
    return status;
}

/* Gives tags to the listed blocks that are newer than `after`. *gone: one at least had left since
 * it was listed. */
static enum weir_status retag_list(struct retagging *r, const struct stored_block *blocks,
                                   size_t count, int64_t after, bool *gone,
                                   struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        bool changed = false;
        struct weir_error found = {0};
        if (blocks[i].rowid <= after)
            continue;
        arena_reset(&r->arena);
        status = store_begin(r->store, &found);
        if (status == WEIR_OK)
            status = store_end(r->store, retag_block(r, blocks[i].rowid, &changed, &found), &found);
        r->blocks_changed += status == WEIR_OK && changed;
        if (status == WEIR_ENOTFOUND) {
            *gone = true;
            status = WEIR_OK;
        }
        if (status != WEIR_OK && error)
            *error = found;
        if (r->progress)
            r->progress(r->context, i + 1, count);
    }
    return status;
}

/* Whoever merges blocks meanwhile, this process or another, makes newer ones of them, with old tags
 * where a block had not had its turn: so what is newer than the last list has its turn, too, until
 * no block of a list has left. */
static enum weir_status retag_all(struct retagging *r, struct weir_error *error)
{
    struct arena list = {0};
    enum weir_status status = WEIR_OK;
    int64_t after = INT64_MIN, newest = INT64_MIN;
    for (bool gone = true; status == WEIR_OK && gone; after = newest) {
        struct stored_block *blocks = NULL;
        size_t count = 0;
        gone = false;
        arena_reset(&list);
        status = list_blocks(r->store, &list, &blocks, &count, error);
        for (size_t i = 0; status == WEIR_OK && i < count; i++)
            newest = blocks[i].rowid > newest ? blocks[i].rowid : newest;
        if (status == WEIR_OK)
            status = retag_list(r, blocks, count, after, &gone, error);
    }
    arena_free(&list);
    return status;
}

enum weir_status store_retag(struct store *s, store_progress progress, void *context,
                             uint64_t *blocks_changed, struct weir_error *error)
{
    struct retagging r = {.store = s, .progress = progress, .context = context};
    enum weir_status status = prepare(&r, error);
    if (status == WEIR_OK)
        status = retag_all(&r, error);
    *blocks_changed = r.blocks_changed;
    prefix_table_free(r.table);
    block_encoder_free(r.encoder);
    rollups_free(r.change);
    rollups_free(r.period);
    arena_free(&r.arena);
    buffer_free(&r.bytes);
    return status;
}
