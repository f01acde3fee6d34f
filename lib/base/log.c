/* log.c - hands lines to the sink that a main program installed; silent without one. */
#include "base/log.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_MOST 1024

/* Written once by log_open() before other threads start (log.h), read-only afterwards. */
static struct {
    log_sink sink;
    void *context;
    enum log_level most;
} destination;

void log_open(log_sink sink, void *context, enum log_level most)
{
    destination.sink = sink;
    destination.context = context;
    destination.most = most;
}

static void clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

static void log_at(enum log_level level, const char *room, const char *format, va_list arguments)
{
    if (!destination.sink || level > destination.most)
        return;
    char text[LINE_MOST];
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        return;
    clean(text);
    struct log_line line = {.time_ms = clock_now_ms(), .level = level, .room = room, .text = text};
    destination.sink(destination.context, &line);
}

#define LOG_CALL(name, level)                                                                      \
    void name(const char *room, const char *format, ...)                                           \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        log_at(level, room, format, arguments);                                                    \
        va_end(arguments);                                                                         \
    }
LOG_CALL(log_error, LOG_LEVEL_ERROR)
LOG_CALL(log_warning, LOG_LEVEL_WARNING)
LOG_CALL(log_info, LOG_LEVEL_INFO)
LOG_CALL(log_debug, LOG_LEVEL_DEBUG)
