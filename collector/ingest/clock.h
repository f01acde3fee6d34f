/* clock.h - how far an exporter's clock is believed.
 *
 * Flows belong to the minute of their end, and exporters say when that was. One whose clock was
 * never set (1970, 1993, the day its firmware was made), or was set wrong, would put its flows
 * where no question looks for them and where retention removes them at once, or never. So times are
 * held against the reception of their message:
 *
 *   CLOCK_AHEAD_MS    nothing is exported before it happens: what lies farther ahead is a wrong
 *                     clock. An hour is far more than unset clocks drift in months, and less than
 *                     the mistake of a time zone.
 *   CLOCK_BEHIND_MS   old times may be true: exporters buffer, flows are exported again from
 *                     files. A year (366 days) is past both, and not as far as where unset
 *                     clocks begin.
 *
 * A message whose header lies outside is placed at its reception: in the account, and its records
 * by their age, which is what they say less what the header says. A record's own time that is
 * outside, whatever the header says, is as one that is not there (plan.h). WEIR_TIME_ORIGIN is
 * TIME_FROM_RECEPTION for all records of such a message; WEIR_EXPORT_TIME and the record's own
 * elements stay as they came. Sequences are told by the exporter's own clock: they only ask which
 * message is the later one. The first message of a session that is not believed is logged.
 *
 * Nothing is judged where no reception is known: files of bare datagrams or messages, files that
 * hold no datagrams, captures without times (before CLOCK_KNOWN_MS).
 *
 * Threads: pure. */
#ifndef WEIR_COLLECTOR_CLOCK_H
#define WEIR_COLLECTOR_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_AHEAD_MS  (INT64_C(3600) * 1000)
#define CLOCK_BEHIND_MS (INT64_C(366) * 86400 * 1000)
#define CLOCK_KNOWN_MS  (INT64_C(820454400) * 1000) /* 1996: the year of the first NetFlow */

struct clock_bounds {
    int64_t earliest_ms, latest_ms; /* both believed */
};

/* `received_ms`: of the message; `untimed`: that is only when it was read. */
static inline struct clock_bounds clock_bounds(int64_t received_ms, bool untimed)
{
    if (untimed || received_ms < CLOCK_KNOWN_MS)
        return (struct clock_bounds){INT64_MIN, INT64_MAX};
    return (struct clock_bounds){received_ms - CLOCK_BEHIND_MS, received_ms + CLOCK_AHEAD_MS};
}

static inline bool clock_believed(const struct clock_bounds *b, int64_t time_ms)
{
    return time_ms >= b->earliest_ms && time_ms <= b->latest_ms;
}

#endif
