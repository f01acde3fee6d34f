/* log_ring.c - see log_ring.h. */
#include "base/log_ring.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_TEXT 16u

struct kept_line {
    int64_t time_ms;
    enum log_level level;
    char room[ROOM_TEXT];
    char text[LOG_RING_TEXT];
};

struct log_ring {
    pthread_mutex_t lock;
    uint64_t count; /* lines ever put; the next one's place is count % LOG_RING_LINES */
    struct kept_line lines[LOG_RING_LINES];
};

struct log_ring *log_ring_new(void)
{
    struct log_ring *ring = calloc(1, sizeof *ring); /* pages that no line needs yet cost nothing */
    if (ring)
        pthread_mutex_init(&ring->lock, NULL);
    return ring;
}

void log_ring_free(struct log_ring *ring)
{
    if (!ring)
        return;
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

static void copy_text(char *to, size_t size, const char *from)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    size_t length = strlen(from);
    if (length < size) {
        memcpy(to, from, length + 1);
        return;
    }
    length = size - sizeof ellipsis;
    while (length && ((unsigned char)from[length] & 0xc0) == 0x80) /* not within a character */
        length--;
    memcpy(to, from, length);
    memcpy(to + length, ellipsis, sizeof ellipsis);
}

void log_ring_put(struct log_ring *ring, const struct log_line *line)
{
    pthread_mutex_lock(&ring->lock);
    struct kept_line *to = &ring->lines[ring->count++ % LOG_RING_LINES];
    to->time_ms = line->time_ms;
    to->level = line->level;
    copy_text(to->room, sizeof to->room, line->room);
    copy_text(to->text, sizeof to->text, line->text);
    pthread_mutex_unlock(&ring->lock);
}

static bool is_wanted(const struct kept_line *line, int64_t from_ms, enum log_level least)
{
    return line->time_ms >= from_ms && line->level <= least;
}

/* The place of the first of the last `limit` lines that are wanted. */
static uint64_t first_wanted(const struct log_ring *ring, uint64_t oldest, int64_t from_ms,
                             enum log_level least, size_t limit)
{
    uint64_t at = ring->count;
    while (at > oldest && limit)
        limit -= is_wanted(&ring->lines[--at % LOG_RING_LINES], from_ms, least);
    return at;
}

uint64_t log_ring_read(struct log_ring *ring, int64_t from_ms, enum log_level least, size_t limit,
                       log_ring_visit visit, void *context)
{
    pthread_mutex_lock(&ring->lock);
    uint64_t oldest = ring->count > LOG_RING_LINES ? ring->count - LOG_RING_LINES : 0;
    bool more = true;
    for (uint64_t at = first_wanted(ring, oldest, from_ms, least, limit); more && at < ring->count;
         at++) {
        const struct kept_line *kept = &ring->lines[at % LOG_RING_LINES];
        const struct log_line line = {kept->time_ms, kept->level, kept->room, kept->text};
        if (is_wanted(kept, from_ms, least))
            more = visit(context, &line);
    }
    pthread_mutex_unlock(&ring->lock);
    return oldest;
}
