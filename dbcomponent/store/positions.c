/* positions.c - sequence positions of sessions that were not heard for long are forgotten
 * (upkeep.h). Neighbours: account.c keeps positions, deliver.c sums what deliveries said of them,
 * verify.c does both again.
 *
 * Of each collector the POSITIONS_MOST that were told last stay: it remembers no more sessions, so
 * more would help none over a restart. The line is drawn by the sequence of the block that told a
 * position, not by clocks: the exporter's may be wrong, and an import tells positions of years ago.
 * Deliveries are kept, with the positions they told; so what is forgotten is written down, as the
 * highest sequence whose positions are, and whoever adds deliveries up leaves those out. */
#include "base/log.h"
#include "store/upkeep.h"
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>

#define POSITIONS_MOST 65536
#define SLICE          16384 /* rows that a transaction deletes, about: writers wait for it */

#define NAME_SIZE 40
static const char *name_of(int64_t collector, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "forgotten %" PRId64, collector);
    return name;
}

enum weir_status positions_forgotten(struct sql *sql, int64_t collector, uint64_t *through,
                                     struct weir_error *error)
{
    char name[NAME_SIZE];
    uint8_t bytes[8] = {0};
    struct weir_error why = {0};
    enum weir_status status = meta_read(sql, name_of(collector, name), bytes, sizeof bytes, &why);
    *through = load_le64(bytes);
    if (status == WEIR_ENOTFOUND)
        return WEIR_OK;
    if (status != WEIR_OK && error)
        *error = why;
    return status;
}

enum weir_status positions_forget(struct sql *sql, int64_t collector, uint64_t through,
                                  struct weir_error *error)
{
    char name[NAME_SIZE];
    uint8_t bytes[8]; /* LITTLE ENDIAN */
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(through >> 8 * i);
    return meta_write(sql, name_of(collector, name), bytes, sizeof bytes, error);
}

/* ---- where to draw the line ---- */

/* The sequence of the position that has `rank` older ones, or as old. */
static enum weir_status sequence_at(struct sql *sql, int64_t collector, int64_t rank,
                                    uint64_t *sequence, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_CHECKPOINT_RANK);
    query_bind_i64(&q, collector);
    query_bind_i64(&q, rank);
    *sequence = query_row(&q) ? query_u64(&q, 0) : 0;
    return query_end(&q, error);
}

/* Positions of blocks before *below are to be forgotten now; 0: there are not too many. Those that
 * one block told stay or leave together. */
static enum weir_status draw(struct sql *sql, int64_t collector, uint64_t *below,
                             struct weir_error *error)
{
    uint64_t slice = 0;
    *below = 0;
    struct query q = query_start(sql, SQL_CHECKPOINT_COUNT);
    query_bind_i64(&q, collector);
    int64_t surplus = query_row(&q) ? query_i64(&q, 0) - POSITIONS_MOST : 0;
    enum weir_status status = query_end(&q, error);
    if (status != WEIR_OK || surplus <= 0)
        return status;
    status = sequence_at(sql, collector, surplus, below, error);
    if (status == WEIR_OK && surplus > SLICE)
        status = sequence_at(sql, collector, SLICE - 1, &slice, error);
    if (slice && slice < *below)
        *below = slice + 1;
    return status;
}

static enum weir_status look(struct upkeep *u, int64_t collector, uint64_t *below,
                             struct weir_error *error)
{
    struct reader *r;
    enum weir_status status = reader_open(u->store, &r, error);
    if (status != WEIR_OK)
        return status;
    status = draw(&r->sql, collector, below, error);
    return reader_end(r, status, error);
}

/* ---- forgetting ---- */

/* Both at once, or what is gone would be a difference. A position that was told again since the
 * look stays: its sequence is higher now. */
static enum weir_status forget_below(struct upkeep *u, int64_t collector, uint64_t below,
                                     uint64_t *count, struct weir_error *error)
{
    struct sql *sql = &u->store->writer;
    uint64_t before;
    *count = 0;
    enum weir_status status = store_begin(u->store, error);
    if (status != WEIR_OK)
        return status;
    status = positions_forgotten(sql, collector, &before, error);
    if (status == WEIR_OK && before < below - 1)
        status = positions_forget(sql, collector, below - 1, error);
    if (status == WEIR_OK) {
        struct query q = query_start(sql, SQL_CHECKPOINT_FORGET);
        query_bind_i64(&q, collector);
        query_bind_u64(&q, below);
        query_row(&q);
        status = query_end(&q, error);
    }
    if (status == WEIR_OK)
        *count = (uint64_t)sqlite3_changes(sql->db);
    return store_end(u->store, status, error);
}

static enum weir_status forget(struct upkeep *u, int64_t collector, struct weir_error *error)
{
    uint64_t below = 0, count = 1, all = 0;
    enum weir_status status = WEIR_OK;
    while (status == WEIR_OK && count && !upkeep_stopped(u)) {
        count = 0;
        status = look(u, collector, &below, error);
        if (status == WEIR_OK && below)
            status = forget_below(u, collector, below, &count, error);
        all += count;
    }
    if (all)
        log_info("store", "%" PRIu64 " transport sessions of collector %" PRId64 " were not heard "
                          "for long: where their sequences stood is forgotten", all, collector);
    u->report.positions_forgotten += all;
    return status;
}

enum weir_status upkeep_positions(struct upkeep *u, struct weir_error *error)
{
    int64_t *collectors;
    size_t count = 0;
    enum weir_status status = upkeep_collectors(u, &collectors, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++)
        status = forget(u, collectors[i], error);
    return status;
}
