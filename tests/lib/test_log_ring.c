/* test_log_ring.c - the last lines of the log: order, bounds, what is asked for, cut texts. */
#include "base/log_ring.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    size_t count, stop_at;
    int64_t first, last;
    char text[1024];
};

static bool see(void *context, const struct log_line *line)
{
    struct seen *s = context;
    if (s->count++ == 0)
        s->first = line->time_ms;
    s->last = line->time_ms;
    snprintf(s->text, sizeof s->text, "%s", line->text);
    return s->count != s->stop_at;
}

static struct seen read_ring(struct log_ring *ring, int64_t from, enum log_level least,
                             size_t limit, uint64_t *forgotten)
{
    struct seen s = {0};
    *forgotten = log_ring_read(ring, from, least, limit, see, &s);
    return s;
}

static void put(struct log_ring *ring, int64_t time_ms, enum log_level level, const char *text)
{
    log_ring_put(ring, &(struct log_line){time_ms, level, "room", text});
}

static void nothing_yet(void)
{
    uint64_t forgotten = 1;
    struct log_ring *ring = log_ring_new();
    struct seen s = read_ring(ring, INT64_MIN, LOG_LEVEL_DEBUG, 10, &forgotten);
    CU_ASSERT_EQUAL(s.count, 0);
    CU_ASSERT_EQUAL(forgotten, 0);
    log_ring_free(ring);
    log_ring_free(NULL);
}

static void what_is_asked_for(void)
{
    uint64_t forgotten;
    struct log_ring *ring = log_ring_new();
    for (int i = 0; i < 40; i++) /* every tenth an error, every fifth else a warning */
        put(ring, i,
            i % 10 == 0  ? LOG_LEVEL_ERROR
            : i % 5 == 0 ? LOG_LEVEL_WARNING
                         : LOG_LEVEL_INFO,
            "x");
    struct seen s = read_ring(ring, INT64_MIN, LOG_LEVEL_INFO, 1000, &forgotten);
    CU_ASSERT_TRUE(s.count == 40 && s.first == 0 && s.last == 39 && forgotten == 0);
    s = read_ring(ring, INT64_MIN, LOG_LEVEL_ERROR, 1000, &forgotten);
    CU_ASSERT_TRUE(s.count == 4 && s.first == 0 && s.last == 30);
    s = read_ring(ring, 11, LOG_LEVEL_WARNING, 1000, &forgotten);
    CU_ASSERT_TRUE(s.count == 5 && s.first == 15 && s.last == 35);
    s = read_ring(ring, INT64_MIN, LOG_LEVEL_WARNING, 3,
                  &forgotten); /* the last three that match */
    CU_ASSERT_TRUE(s.count == 3 && s.first == 25 && s.last == 35);
    s = read_ring(ring, 38, LOG_LEVEL_DEBUG, 5, &forgotten);
    CU_ASSERT_TRUE(s.count == 2 && s.first == 38);
    s = (struct seen){.stop_at = 2};
    log_ring_read(ring, INT64_MIN, LOG_LEVEL_DEBUG, 1000, see, &s);
    CU_ASSERT_EQUAL(s.count, 2);
    log_ring_free(ring);
}

static void older_lines_leave(void)
{
    uint64_t forgotten;
    struct log_ring *ring = log_ring_new();
    for (int i = 0; i < (int)LOG_RING_LINES * 2 + 7; i++)
        put(ring, i, LOG_LEVEL_INFO, "x");
    struct seen s = read_ring(ring, INT64_MIN, LOG_LEVEL_DEBUG, 5000, &forgotten);
    CU_ASSERT_EQUAL(s.count, LOG_RING_LINES);
    CU_ASSERT_EQUAL(s.first, (int64_t)LOG_RING_LINES + 7);
    CU_ASSERT_EQUAL(forgotten, LOG_RING_LINES + 7);
    log_ring_free(ring);
}

static void long_texts(void)
{
    uint64_t forgotten;
    char text[600];
    struct log_ring *ring = log_ring_new();
    for (size_t n = LOG_RING_TEXT - 4; n < LOG_RING_TEXT + 8;
         n++) { /* e-acute all along, at both parities */
        memset(text, 'a', n % 2);
        for (size_t i = n % 2; i + 1 < n; i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        text[n] = '\0';
        put(ring, 1, LOG_LEVEL_INFO, text);
        struct seen s = read_ring(ring, INT64_MIN, LOG_LEVEL_DEBUG, 1, &forgotten);
        size_t length = strlen(s.text);
        if (n < LOG_RING_TEXT) {
            CU_ASSERT_STRING_EQUAL(s.text, text);
            continue;
        }
        CU_ASSERT_TRUE_FATAL(length > LOG_RING_TEXT - 6 && length < LOG_RING_TEXT);
        CU_ASSERT_STRING_EQUAL(s.text + length - 3, "\xe2\x80\xa6");
        CU_ASSERT_EQUAL((length - 3 - n % 2) % 2, 0); /* whole characters */
        CU_ASSERT_EQUAL(memcmp(s.text, text, length - 3), 0);
    }
    log_ring_free(ring);
}

UNIT_MAIN("log ring", {"nothing yet", nothing_yet}, {"what is asked for", what_is_asked_for},
          {"older lines leave", older_lines_leave}, {"long texts", long_texts})
