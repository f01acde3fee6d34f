/* time.h - instants and intervals. All times are milliseconds since 1970-01-01T00:00:00Z, signed 64
 * bits; every variable that holds one ends in `_ms`. Intervals are half open: [from, to).
 * Functions here are pure but for the clocks, and any thread may call them. */
#ifndef WEIR_BASE_TIME_H
#define WEIR_BASE_TIME_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

#define MINUTE_MS INT64_C(60000)

struct interval {
    int64_t from_ms; /* included */
    int64_t to_ms;   /* excluded */
};
#define INTERVAL_ALL ((struct interval){INT64_MIN, INT64_MAX})

int64_t clock_now_ms(void);       /* wall clock */
uint64_t clock_monotonic_us(void);/* for measuring; no relation to the wall clock */
uint64_t clock_thread_cpu_us(void);
/* For deadlines: who sets the wall clock neither makes them long nor ends them. */
static inline int64_t clock_monotonic_ms(void)
{
    return (int64_t)(clock_monotonic_us() / 1000);
}

/* Start of the minute that holds `t_ms`; right for times before 1970 too. */
static inline int64_t minute_of(int64_t t_ms)
{
    int64_t r = t_ms % MINUTE_MS;
    return t_ms - (r < 0 ? r + MINUTE_MS : r);
}

/* Reads RFC 3339 ("2026-02-03T04:05:06.789Z"), which may end after the date, the minutes or the
 * seconds (without an offset it is UTC: "2026-02-03", "2026-02-03 04:05"), epoch milliseconds,
 * "now", or "now-15m" (units ms s m h d w, also now+…). WEIR_ESYNTAX names `field` and says what
 * is accepted. */
enum weir_status time_parse(const char *text, const char *field, int64_t *out_ms,
                            struct weir_error *error);
/* A duration such as "5m", "1500ms", "1d", or a number of milliseconds; > 0. */
enum weir_status duration_parse(const char *text, const char *field, int64_t *out_ms,
                                struct weir_error *error);
/* RFC 3339 in UTC with milliseconds, e.g. 2026-02-03T04:05:06.789Z; `out` holds at least 32. */
#define TIME_TEXT_SIZE 32
void time_print(int64_t t_ms, char out[TIME_TEXT_SIZE]);

#endif
