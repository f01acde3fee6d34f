/* time.c - clocks, and times and durations as people and services write them. */
#include "base/time.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_MS INT64_C(1000)
#define DAY_MS    (INT64_C(86400) * SECOND_MS)

int64_t clock_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * SECOND_MS + now.tv_nsec / 1000000;
}

static uint64_t clock_us(clockid_t which)
{
    struct timespec now;
    (void)clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t clock_thread_cpu_us(void)
{
    return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- the proleptic Gregorian calendar ----------------------------------------------------------
 * Years are counted from March, so that the leap day is the last of its year and the lengths of
 * the months follow one line, (153 m + 2) / 5. 719468 days lie between 0000-03-01
 * and 1970-01-01. */

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t from_march = month > 2 ? month - 3 : month + 9;
    int64_t y = month > 2 ? year : year - 1;
    return 365 * y + floor_divide(y, 4) - floor_divide(y, 100) + floor_divide(y, 400) +
           (153 * from_march + 2) / 5 + day - 1 - 719468;
}

struct date {
    int64_t year, month, day;
};

static struct date date_of_days(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = floor_divide(z, 146097), in_era = z - era * 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
    int64_t from_march = (5 * in_year + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    return (struct date){
        .year = y + era * 400 + (month <= 2),
        .month = month,
        .day = in_year - (153 * from_march + 2) / 5 + 1,
    };
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    return month == 12 ? 31 : days_of_date(year, month + 1, 1) - days_of_date(year, month, 1);
}

void time_print(int64_t t_ms, char out[TIME_TEXT_SIZE])
{
    int64_t days = floor_divide(t_ms, DAY_MS), ms = t_ms % DAY_MS;
    if (ms < 0)
        ms += DAY_MS;
    struct date d = date_of_days(days);
    int64_t s = ms / SECOND_MS;
    (void)snprintf(out, TIME_TEXT_SIZE, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)d.year,
                   (int)d.month, (int)d.day, (int)(s / 3600 % 24), (int)(s / 60 % 60),
                   (int)(s % 60), (int)(ms % SECOND_MS));
}

/* ---- parsing --------------------------------------------------------------------------------- */

/* Exactly `digits` decimal digits at *p, and past them. */
static bool take_digits(const char **p, int digits, int64_t *out)
{
    int64_t v = 0;
    for (int i = 0; i < digits; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *out = v;
    return true;
}

static bool take_one_of(const char **p, const char *set)
{
    if (!**p || !strchr(set, **p))
        return false;
    (*p)++;
    return true;
}

/* A run of digits at *p as a number; false when there is none or it does not fit. */
static bool take_number(const char **p, int64_t *out)
{
    int64_t v = 0;
    const char *start = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, **p - '0', &v))
            return false;
    *out = v;
    return *p > start;
}

/* ".789…" to milliseconds; digits past the third are dropped, time does not round up. */
static bool take_fraction(const char **p, int64_t *out_ms)
{
    *out_ms = 0;
    if (!take_one_of(p, "."))
        return true;
    int64_t scale = 100;
    const char *start = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
        *out_ms += (**p - '0') * scale;
    return *p > start;
}

/* "Z" or "+hh:mm" (RFC 3339 section 4.2), in milliseconds east of UTC. Without one it is UTC, in
 * which times are printed. */
static bool take_offset(const char **p, int64_t *out_ms)
{
    *out_ms = 0;
    if (take_one_of(p, "Zz") || !**p)
        return true;
    bool west = **p == '-';
    int64_t hours, minutes;
    if (!take_one_of(p, "+-") || !take_digits(p, 2, &hours) || !take_one_of(p, ":") ||
        !take_digits(p, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *out_ms = (hours * 60 + minutes) * MINUTE_MS * (west ? -1 : 1);
    return true;
}

/* "04:05" or "04:05:06.789" and the offset, in milliseconds of the day in UTC. Second 60 is a leap
 * second: it is the first moment of the next minute, as POSIX time has it. */
static bool take_clock(const char **p, int64_t *out_ms)
{
    int64_t hour, minute, second = 0, ms = 0, offset_ms;
    if (!take_digits(p, 2, &hour) || !take_one_of(p, ":") || !take_digits(p, 2, &minute))
        return false;
    if (take_one_of(p, ":") && (!take_digits(p, 2, &second) || !take_fraction(p, &ms)))
        return false;
    if (!take_offset(p, &offset_ms) || hour > 23 || minute > 59 || second > 60)
        return false;
    *out_ms = ((hour * 60 + minute) * 60 + second) * SECOND_MS + ms - offset_ms;
    return true;
}

/* RFC 3339 section 5.6, date-time; and what people write of it: the date alone, which is its first
 * moment, and a time without seconds or offset. */
static bool parse_date(const char *p, int64_t *out_ms)
{
    int64_t year, month, day, clock_ms = 0;
    if (!take_digits(&p, 4, &year) || !take_one_of(&p, "-") || !take_digits(&p, 2, &month) ||
        !take_one_of(&p, "-") || !take_digits(&p, 2, &day))
        return false;
    if (*p && (!take_one_of(&p, "Tt ") || !take_clock(&p, &clock_ms) || *p))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *out_ms = days_of_date(year, month, day) * DAY_MS + clock_ms;
    return true;
}

static bool parse_epoch(const char *p, int64_t *out_ms)
{
    bool negative = *p == '-';
    if (negative)
        p++;
    int64_t v;
    if (!take_number(&p, &v) || *p)
        return false;
    *out_ms = negative ? -v : v;
    return true;
}

/* "15m", or a bare number of milliseconds; zero is allowed here. */
static bool parse_span(const char *p, int64_t *out_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {
        {"", 1},       {"ms", 1},         {"s", SECOND_MS}, {"m", MINUTE_MS}, {"h", 60 * MINUTE_MS},
        {"d", DAY_MS}, {"w", 7 * DAY_MS},
    };
    int64_t v;
    if (!take_number(&p, &v))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(p, units[i].unit) == 0)
            return !__builtin_mul_overflow(v, units[i].ms, out_ms);
    return false;
}

static bool parse_relative(const char *p, int64_t *out_ms)
{
    if (strncmp(p, "now", 3) != 0)
        return false;
    p += 3;
    int64_t now_ms = clock_now_ms(), span_ms = 0;
    bool back = *p == '-';
    if (*p && (!take_one_of(&p, "+-") || !parse_span(p, &span_ms)))
        return false;
    return back ? !__builtin_sub_overflow(now_ms, span_ms, out_ms)
                : !__builtin_add_overflow(now_ms, span_ms, out_ms);
}

enum weir_status time_parse(const char *text, const char *field, int64_t *out_ms,
                            struct weir_error *error)
{
    int64_t v;
    if (parse_date(text, &v) || parse_epoch(text, &v) || parse_relative(text, &v)) {
        *out_ms = v;
        return WEIR_OK;
    }
    return weir_fail(
        error, WEIR_ESYNTAX, field,
        "\"%.64s\" is not a time; write 2026-02-03, 2026-02-03T04:05:06Z, milliseconds since 1970, "
        "now, or now-15m (ms s m h d w)",
        text);
}

enum weir_status duration_parse(const char *text, const char *field, int64_t *out_ms,
                                struct weir_error *error)
{
    int64_t v;
    if (parse_span(text, &v) && v > 0) {
        *out_ms = v;
        return WEIR_OK;
    }
    return weir_fail(
        error, WEIR_ESYNTAX, field,
        "\"%.64s\" is not a duration above zero; write 5m, 1500ms, 1d (ms s m h d w) or "
        "a number of milliseconds",
        text);
}
