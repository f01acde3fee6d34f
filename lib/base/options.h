/* options.h - options are rows of one table; the command line, the INI file, the help text and the
 * errors all come from it.
 *
 * A program declares `static const struct option_row rows[]` whose targets point into its own
 * settings struct (defaults are set there before parsing). On the command line an option is
 * `--name VALUE` or `--name=VALUE`; in the INI file it is `name = VALUE` (sections group, they do
 * not rename). Later settings win: file first, command line after.
 *
 * Threads: main thread, at start. */
#ifndef WEIR_BASE_OPTIONS_H
#define WEIR_BASE_OPTIONS_H

#include "base/status.h"
#include <stddef.h>

enum option_type {
    OPTION_FLAG,     /* bool *       no value on the command line; yes/no in a file */
    OPTION_TEXT,     /* const char **  argv's memory, or the options_file's */
    OPTION_NUMBER,   /* int64_t *    bounds from the row */
    OPTION_SIZE,     /* int64_t *    octets; suffix K M G T (1024) */
    OPTION_DURATION, /* int64_t *    milliseconds; see time.h */
    OPTION_TIME,     /* int64_t *    see time.h */
    OPTION_LIST,     /* struct option_list *  repeatable */
};

struct option_list {
    const char **items; /* grown by the parser, freed by options_free_list() */
    size_t count;
};

struct option_row {
    const char *name;    /* without the dashes */
    const char *value;   /* placeholder in the help, "DIR"; NULL for a flag */
    const char *help;    /* one line, lower case, with the default */
    enum option_type type;
    void *target;
    long long least, most; /* OPTION_NUMBER and OPTION_SIZE; both 0: no bounds */
};

/* Reads argv[1…argc-1]; operands (not options) are moved to argv[1…*operands], in their order. "-h"
 * is "--help" when a row has that name. "--" ends options. Unknown name: WEIR_EARGUMENT, and the
 * nearest known name is suggested. */
enum weir_status options_parse(const struct option_row *rows, size_t count, int argc, char **argv,
                               int *operands, struct weir_error *error);
/* Reads an INI file; errors carry file and line. */
enum weir_status options_file(const struct option_row *rows, size_t count, const char *path,
                              struct weir_error *error);
/* The same from memory; `name` stands in messages where the path would. At most 1 MiB. */
enum weir_status options_text(const struct option_row *rows, size_t count, const char *text,
                              size_t length, const char *name, struct weir_error *error);
/* Frees what OPTION_TEXT and OPTION_LIST values read from files point into: only when those
 * settings are no longer used. A program need not call it. */
void options_free_texts(void);
/* The aligned help lines of the table, into `out` (cut at `size`). */
void options_help(const struct option_row *rows, size_t count, char *out, size_t size);
void options_free_list(struct option_list *list);

#endif
