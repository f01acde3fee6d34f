/* log.h - the only way for a library to say something. Nothing is printed unless a main program
 * installed a sink with log_open(); then each call is one line. Texts from outside are cleaned of
 * control characters. Repetitions are the caller's concern: log a change of state, not an event
 * per packet.
 *
 * Threads: any, after log_open() has returned in the main thread. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_line {
    int64_t time_ms;
    enum log_level level;
    const char *room; /* "collector", "store", … */
    const char *text;
};
typedef void (*log_sink)(void *context, const struct log_line *line);

void log_open(log_sink sink, void *context, enum log_level most);
void log_error(const char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_debug(const char *room, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
