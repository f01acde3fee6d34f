/* compact.c - small blocks become large ones (upkeep.h). Neighbours: merge.c makes the block,
 * block_write.c stores it.
 *
 * Blocks are merged with their neighbours in time, so that a merged one covers little time and
 * is skipped as often as those that it is made of were. Enough for a large block are merged at
 * once; of fewer, MERGE_FAN or more are, when they are together FAIR times the largest: so flows
 * that trickle in are rewritten a logarithmic number of times, and there are never many small
 * blocks.
 *
 * A block that is left without others is made anew alone, for blocks come as they were quickest
 * made; once, when everything is to be done that can be. Which blocks were looked at like that, or
 * made here, says meta `compacted`: those up to this id.
 *
 * When everything is to be done, blocks of a store that has FEW_ROWS as a whole are modelled, which
 * is shortest and slowest to read (block/model.h): so however the store grows, a scan meets few
 * such rows. */
#include "store/merge.h"
#include "store/upkeep.h"
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define MERGE_FAN 16u
#define FAIR 4u
#define SOURCES_MOST 4096u
#define FEW_ROWS 8192
#define SHORTER_BY 32 /* a block alone is made anew for this part of its octets */
#define SPAN_MOST_MS (24 * 60 * MINUTE_MS) /* retention is by whole blocks */

struct small {
    int64_t id, first_ms, last_ms;
    uint32_t rows;
};

static enum weir_status list_small(struct reader *r, enum record_kind kind, struct arena *a,
                                   struct small **out, size_t *count, struct weir_error *error)
{
    size_t room = 0;
    bool memory = true;
    *out = NULL;
    *count = 0;
    struct query q = query_start(&r->sql, SQL_BLOCKS_SMALL);
    query_bind_i64(&q, kind);
    while (memory && query_row(&q)) {
        if (*count == room) {
            room = room ? room * 2 : 256;
            struct small *more = arena_alloc(a, room * sizeof *more);
            memory = more != NULL;
            if (memory && *count)
                memcpy(more, *out, *count * sizeof *more);
            *out = more;
        }
        if (memory)
            (*out)[(*count)++] = (struct small){.id = query_i64(&q, 0),
                                                .rows = (uint32_t)query_i64(&q, 1),
                                                .last_ms = query_i64(&q, 2),
                                                .first_ms = query_i64(&q, 3)};
    }
    enum weir_status status = query_end(&q, error);
    return memory ? status
                  : weir_fail(error, WEIR_ENOMEM, "", "out of memory for a list of blocks");
}

/* ---- which ones ---- */

/* The last of them, as many as are worth it; how many are not taken: `count` when none are. */
static size_t worthy_from(const struct small *s, size_t count)
{
    uint64_t total = 0, largest = 0;
    size_t from = count;
    for (size_t i = count; i-- > 0;) {
        total += s[i].rows;
        largest = s[i].rows > largest ? s[i].rows : largest;
        if (count - i >= MERGE_FAN && total >= FAIR * largest)
            from = i;
    }
    return from;
}

/* How many of the first fit into one block; *full: no more can come to them. The span counts from
 * the oldest flow of all: were it from the end of the first, a block would grow by a span with each
 * merge, and its oldest flows would stay long after they had expired. */
static size_t fitting(const struct small *s, size_t count, bool *full)
{
    uint64_t total = 0;
    size_t n = 0;
    int64_t oldest = s[0].first_ms;
    while (n < count && n < SOURCES_MOST && total + s[n].rows <= MERGE_ROWS_MOST) {
        oldest = s[n].first_ms < oldest ? s[n].first_ms : oldest;
        if (n && (uint64_t)s[n].last_ms - (uint64_t)oldest > SPAN_MOST_MS)
            break;
        total += s[n++].rows;
    }
    *full = n < count || total >= MERGE_ROWS_MOST / 4 * 3;
    return n;
}

/* ---- one merge ---- */

static enum weir_status write(struct upkeep *u, const int64_t *ids, const int64_t *seals,
                              size_t count, const struct block_record *merged,
                              const uint8_t *directory, size_t length, struct weir_error *error)
{
    struct sql *sql = &u->store->writer;
    bool same = true;
    int64_t id, seal;
    enum weir_status status = store_begin(u->store, error);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; status == WEIR_OK && same && i < count; i++) {
        status = block_seal(sql, ids[i], &seal, error);
        same = seal == seals[i];
    }
    if (status == WEIR_OK && same)
        status = block_insert(sql, merged, directory, length, &id, error);
    for (size_t i = 0; status == WEIR_OK && same && i < count; i++)
        status = block_delete(sql, ids[i], error);
    status = store_end(u->store, status, error);
    if (status == WEIR_OK && same) {
        u->report.blocks_merged += count;
        u->report.blocks_made++;
        u->newest = id > u->newest ? id : u->newest;
    }
    return status;
}

/* *shorter: what became of one block alone is worth that it is written again. */
static enum weir_status read_and_merge(struct upkeep *u, struct reader *r, const int64_t *ids,
                                       size_t count, int64_t *seals, struct arena *a,
                                       struct block_record *merged, bool *shorter,
                                       struct weir_error *error)
{
    struct block_record before;
    enum weir_status status = WEIR_OK;
    *shorter = true;
    if (count == 1)
        status = block_record_read(&r->sql, ids[0], a, &before, error);
    if (status == WEIR_OK)
        status = merger_merge(u->merger, &r->sql, ids, count, seals, merged, error);
    if (status == WEIR_OK && count == 1)
        *shorter = merged->octets + before.octets / SHORTER_BY < before.octets;
    return status;
}

/* WEIR_ELIMIT: these blocks do not go into one. */
static enum weir_status merge(struct upkeep *u, const struct small *s, size_t count,
                              struct weir_error *error)
{
    struct arena a = {0};
    struct reader *r;
    struct block_record merged;
    size_t length;
    bool shorter = false;
    int64_t *ids = arena_alloc(&a, count * sizeof *ids),
            *seals = arena_alloc(&a, count * sizeof *seals);
    if (!u->merger)
        u->merger = merger_new();
    if (!ids || !seals || !u->merger) {
        arena_free(&a);
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory to merge blocks");
    }
    merger_model(u->merger, u->few);
    for (size_t i = 0; i < count; i++)
        ids[i] = s[i].id;
    enum weir_status status = reader_open(u->store, &r, error);
    if (status == WEIR_OK) {
        status = read_and_merge(u, r, ids, count, seals, &a, &merged, &shorter, error);
        status = reader_end(r, status, error);
    }
    shorter = shorter && status == WEIR_OK;
    const uint8_t *directory = shorter ? block_directory(&merged, &a, &length) : NULL;
    if (shorter && !directory)
        status = weir_fail(error, WEIR_ENOMEM, "", "out of memory for a directory");
    if (directory)
        status = write(u, ids, seals, count, &merged, directory, length, error);
    arena_free(&a);
    return status;
}

/* Those that do not go into one, in halves; a block that goes with no other stays. A block that has
 * left meanwhile is no matter either: the next round lists anew. */
static enum weir_status merge_patiently(struct upkeep *u, const struct small *s, size_t count,
                                        struct weir_error *error)
{
    struct weir_error found;
    bool alone = count == 1 && u->thorough && s->id > u->compacted;
    if ((count < 2 && !alone) || upkeep_stopped(u))
        return WEIR_OK;
    enum weir_status status = merge(u, s, count, &found);
    if (status == WEIR_ENOTFOUND)
        return WEIR_OK;
    if (status == WEIR_ELIMIT && alone) /* nothing of it goes into a block */
        return WEIR_OK;
    if (status == WEIR_ELIMIT) {
        status = merge_patiently(u, s, count / 2, error);
        return status == WEIR_OK ? merge_patiently(u, s + count / 2, count - count / 2, error)
                                 : status;
    }
    if (status != WEIR_OK && error)
        *error = found;
    return status;
}

/* ---- all ---- */

static enum weir_status compact_kind(struct upkeep *u, enum record_kind kind,
                                     struct weir_error *error)
{
    struct reader *r;
    struct small *s;
    size_t count = 0;
    arena_reset(&u->list);
    enum weir_status status = reader_open(u->store, &r, error);
    if (status != WEIR_OK)
        return status;
    status = list_small(r, kind, &u->list, &s, &count, error);
    status = reader_end(r, status, error);
    for (size_t i = 0; i < count; i++)
        u->newest = s[i].id > u->newest ? s[i].id : u->newest;
    for (size_t i = 0, n; status == WEIR_OK && i < count && !upkeep_stopped(u); i += n) {
        bool full;
        n = fitting(s + i, count - i, &full);
        size_t from = full || u->thorough ? 0 : worthy_from(s + i, n);
        status = merge_patiently(u, s + i + from, n - from, error);
        /* Merging takes its time when much came at once; the bound of the file does not wait for
         * it. */
        if (status == WEIR_OK && n - from > 1 && u->settings.retain_octets)
            status = upkeep_retain(u, error);
        upkeep_progress(u, i + n, count);
    }
    return status;
}

static enum weir_status rows_stored(struct sql *sql, int64_t *rows, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_ROWS_STORED);
    *rows = query_row(&q) ? query_i64(&q, 0) : 0;
    return query_end(&q, error);
}

static enum weir_status read_compacted(struct upkeep *u, struct weir_error *error)
{
    struct reader *r;
    int64_t rows = 0;
    enum weir_status status = reader_open(u->store, &r, error);
    u->compacted = 0;
    if (status != WEIR_OK)
        return status;
    status = meta_read(&r->sql, "compacted", &u->compacted, sizeof u->compacted, error);
    if (status == WEIR_OK || status == WEIR_ENOTFOUND)
        status = rows_stored(&r->sql, &rows, error);
    status = reader_end(r, status, error);
    u->few = status == WEIR_OK && rows <= FEW_ROWS;
    u->newest = u->compacted;
    return status;
}

static enum weir_status write_compacted(struct upkeep *u, struct weir_error *error)
{
    enum weir_status status = store_begin(u->store, error);
    if (status != WEIR_OK)
        return status;
    status = meta_write(&u->store->writer, "compacted", &u->newest, sizeof u->newest, error);
    return store_end(u->store, status, error);
}

enum weir_status upkeep_compact(struct upkeep *u, struct weir_error *error)
{
    enum weir_status status = u->thorough ? read_compacted(u, error) : WEIR_OK;
    if (status == WEIR_OK)
        status = compact_kind(u, RECORD_FLOW, error);
    if (status == WEIR_OK)
        status = compact_kind(u, RECORD_OPTIONS, error);
    if (status == WEIR_OK && u->thorough && u->newest > u->compacted && !upkeep_stopped(u))
        status = write_compacted(u, error);
    if (u->merger) { /* some 100 MB, which the steps that follow shall not add theirs to */
        merger_free(u->merger);
        u->merger = NULL;
#ifdef __GLIBC__
        malloc_trim(0);
#endif
    }
    return status;
}
