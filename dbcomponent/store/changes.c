/* changes.c - see changes.h. Neighbours: levels.c and account.c note, store.c writes down at the
 * end of a transaction, reader.c tells who keeps things. */
#include "store/changes.h"
#include "base/cursor.h"
#include "store/inside.h"
#include "store/rollups.h"
#include <string.h>

#define CHANGES_OCTETS (16 + 16 * CHANGES_KEPT)

void changes_note(struct changes_noted *noted, int64_t t_ms)
{
    /* An hour that begins before time does is none: its first part would be far off. */
    bool far = t_ms < INT64_MIN + PERIOD_MS;
    int64_t hour = far ? 0 : period_of(t_ms);
    for (unsigned i = 0; i < noted->count; i++)
        if (!far && noted->hours[i] == hour)
            return;
    if (far || noted->count == CHANGES_NOTED_MOST)
        noted->all = true;
    else
        noted->hours[noted->count++] = hour;
}

/* The entry of the hour, or the oldest, which is forgotten. */
static struct change *entry_of(struct changes *c, int64_t hour_ms)
{
    struct change *oldest = &c->list[0];
    for (unsigned i = 0; i < CHANGES_KEPT; i++) {
        struct change *at = &c->list[i];
        if (at->stamp && at->hour_ms == hour_ms)
            return at;
        if (at->stamp < oldest->stamp)
            oldest = at;
    }
    if (oldest->stamp > c->forgotten)
        c->forgotten = oldest->stamp;
    return oldest;
}

static enum weir_status write_down(struct sql *sql, const struct changes *c,
                                   struct weir_error *error)
{
    struct buffer b = {0};
    buffer_put_u64le(&b, c->stamp);
    buffer_put_u64le(&b, c->forgotten);
    for (unsigned i = 0; i < CHANGES_KEPT && c->list[i].stamp; i++) { /* from the first one on */
        buffer_put_u64le(&b, c->list[i].stamp);
        buffer_put_u64le(&b, (uint64_t)c->list[i].hour_ms);
    }
    enum weir_status status = b.failed
                                  ? weir_fail(error, WEIR_ENOMEM, "", "out of memory for a change")
                                  : meta_write(sql, "changes", b.bytes, b.length, error);
    buffer_free(&b);
    return status;
}

enum weir_status changes_store(struct sql *sql, struct weir_error *error)
{
    struct changes c;
    const struct changes_noted *noted = &sql->changed;
    if (!noted->count && !noted->all)
        return WEIR_OK;
    enum weir_status status = changes_read(sql, &c, error);
    if (status != WEIR_OK)
        return status;
    c.stamp++;
    for (unsigned i = 0; i < noted->count; i++)
        *entry_of(&c, noted->hours[i]) = (struct change){c.stamp, noted->hours[i]};
    if (noted->all)
        c.forgotten = c.stamp;
    return write_down(sql, &c, error);
}

enum weir_status changes_read(struct sql *sql, struct changes *out, struct weir_error *error)
{
    uint8_t octets[CHANGES_OCTETS] = {0};
    enum weir_status status = meta_read_most(sql, "changes", octets, sizeof octets, error);
    *out = (struct changes){0};
    if (status == WEIR_ENOTFOUND)
        return WEIR_OK;
    out->stamp = load_le64(octets);
    out->forgotten = load_le64(octets + 8);
    for (unsigned i = 0; i < CHANGES_KEPT; i++)
        out->list[i] = (struct change){load_le64(octets + 16 + 16 * i),
                                       (int64_t)load_le64(octets + 24 + 16 * i)};
    return status;
}

bool changes_touch(const struct changes *c, uint64_t since, struct interval when)
{
    if (since >= c->stamp)
        return false;
    bool touched = since < c->forgotten;
    for (unsigned i = 0; !touched && i < CHANGES_KEPT; i++) {
        const struct change *at = &c->list[i];
        bool before = at->hour_ms < when.from_ms &&
                      (uint64_t)when.from_ms - (uint64_t)at->hour_ms >= PERIOD_MS;
        touched = at->stamp > since && at->hour_ms < when.to_ms && !before;
    }
    return touched;
}

bool changes_latest(const struct changes *c, int64_t before_ms, int64_t *hour_ms)
{
    bool any = false;
    for (unsigned i = 0; i < CHANGES_KEPT; i++)
        if (c->list[i].stamp && c->list[i].hour_ms < before_ms &&
            (!any || c->list[i].hour_ms > *hour_ms)) {
            *hour_ms = c->list[i].hour_ms;
            any = true;
        }
    return any;
}
