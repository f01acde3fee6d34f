/* options.c - one table of options read from the command line and from an INI file, and printed as
 * help. A row's type picks its reader from a table; nothing else knows types. */
#include "base/options.h"
#include "base/suggest.h"
#include "base/time.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST ((size_t)1 << 20)

/* ---- a reader a type ------------------------------------------------------------------------- */

typedef enum weir_status (*option_reader)(const struct option_row *row, const char *text,
                                          struct weir_error *error);

static enum weir_status read_flag(const struct option_row *row, const char *text,
                                  struct weir_error *error)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"true", true},   {"on", true},   {"1", true},
                 {"no", false}, {"false", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(text, words[i].word) == 0) {
            *(bool *)row->target = words[i].value;
            return WEIR_OK;
        }
    return weir_fail(error, WEIR_ESYNTAX, row->name, "\"%.64s\" is neither yes nor no", text);
}

static enum weir_status read_text(const struct option_row *row, const char *text,
                                  struct weir_error *error)
{
    (void)error;
    *(const char **)row->target = text;
    return WEIR_OK;
}

static enum weir_status check_bounds(const struct option_row *row, const char *text, long long v,
                                     struct weir_error *error)
{
    bool bounded = row->least != 0 || row->most != 0;
    if (bounded && (v < row->least || v > row->most))
        return weir_fail(error, WEIR_EARGUMENT, row->name, "%.64s is out of range; %lld to %lld",
                         text, row->least, row->most);
    *(int64_t *)row->target = v;
    return WEIR_OK;
}

/* strtoll without its habits: no leading blanks, no empty text. */
static bool take_integer(const char *text, long long *out, const char **rest)
{
    if (*text != '-' && (*text < '0' || *text > '9'))
        return false;
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    *rest = end;
    return errno == 0 && end > text;
}

static enum weir_status read_whole_number(const struct option_row *row, const char *text,
                                          struct weir_error *error)
{
    long long v;
    const char *rest;
    if (!take_integer(text, &v, &rest) || *rest)
        return weir_fail(error, WEIR_ESYNTAX, row->name, "\"%.64s\" is not a whole number", text);
    return check_bounds(row, text, v, error);
}

static enum weir_status read_size(const struct option_row *row, const char *text,
                                  struct weir_error *error)
{
    static const char suffixes[] = "KMGT";
    long long v;
    const char *rest, *suffix;
    bool good = take_integer(text, &v, &rest) && v >= 0;
    if (good && *rest) {
        suffix = strchr(suffixes, *rest & ~0x20);
        good = suffix && rest[1] == '\0' &&
               !__builtin_mul_overflow(v, 1LL << (10 * (suffix - suffixes + 1)), &v);
    }
    if (!good)
        return weir_fail(error, WEIR_ESYNTAX, row->name,
                         "\"%.64s\" is not a size; write octets, or a number with K, M, G or T",
                         text);
    return check_bounds(row, text, v, error);
}

static enum weir_status read_duration(const struct option_row *row, const char *text,
                                      struct weir_error *error)
{
    return duration_parse(text, row->name, row->target, error);
}

static enum weir_status read_time(const struct option_row *row, const char *text,
                                  struct weir_error *error)
{
    return time_parse(text, row->name, row->target, error);
}

static enum weir_status read_list(const struct option_row *row, const char *text,
                                  struct weir_error *error)
{
    struct option_list *list = row->target;
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return weir_fail(error, WEIR_ENOMEM, row->name, "out of memory");
    items[list->count++] = text;
    list->items = items;
    return WEIR_OK;
}

static const option_reader readers[] = {
    [OPTION_FLAG] = read_flag,           [OPTION_TEXT] = read_text,
    [OPTION_NUMBER] = read_whole_number, [OPTION_SIZE] = read_size,
    [OPTION_DURATION] = read_duration,   [OPTION_TIME] = read_time,
    [OPTION_LIST] = read_list,
};

void options_free_list(struct option_list *list)
{
    free(list->items);
    *list = (struct option_list){0};
}

/* ---- the command line ------------------------------------------------------------------------ */

static const struct option_row *find_row(const struct option_row *rows, size_t count,
                                         const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0)
            return &rows[i];
    return NULL;
}

static enum weir_status refuse_name(const struct option_row *rows, size_t count, const char *name,
                                    size_t length, struct weir_error *error)
{
    char wrong[64];
    (void)snprintf(wrong, sizeof wrong, "%.*s", (int)(length < 63 ? length : 63), name);
    struct suggestion near = {0};
    for (size_t i = 0; i < count; i++)
        suggest_consider(&near, wrong, rows[i].name);
    if (near.name)
        return weir_fail(error, WEIR_EARGUMENT, wrong,
                         "unknown option \"%s\"; did you mean \"%s\"?", wrong, near.name);
    return weir_fail(error, WEIR_EARGUMENT, wrong, "unknown option \"%s\"", wrong);
}

/* The option at argv[*i] and, when it takes one, its value; *i is left on the last one used. */
static enum weir_status parse_option(const struct option_row *rows, size_t count, int argc,
                                     char **argv, int *i, struct weir_error *error)
{
    const char *word = argv[*i];
    const char *name = strcmp(word, "-h") == 0 ? "help" : word + 1 + (word[1] == '-');
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_row *row = find_row(rows, count, name, length);
    if (!row || (word[1] != '-' && strcmp(word, "-h") != 0))
        return refuse_name(rows, count, name, length, error);
    const char *value = equals ? equals + 1 : NULL;
    if (!value && row->type == OPTION_FLAG)
        value = "yes";
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value)
        return weir_fail(error, WEIR_EARGUMENT, row->name, "--%s wants a value: --%s %s", row->name,
                         row->name, row->value ? row->value : "VALUE");
    struct weir_error inner;
    enum weir_status status = readers[row->type](row, value, &inner);
    if (status)
        return weir_fail(error, status, row->name, "--%s: %s", row->name, inner.message);
    return WEIR_OK;
}

enum weir_status options_parse(const struct option_row *rows, size_t count, int argc, char **argv,
                               int *operands, struct weir_error *error)
{
    int found = 0;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        if (strcmp(word, "--") == 0) {
            while (++i < argc)
                argv[++found] = argv[i];
        } else if (word[0] != '-' || word[1] == '\0') {
            argv[++found] = word;
        } else {
            enum weir_status status = parse_option(rows, count, argc, argv, &i, error);
            if (status)
                return status;
        }
    }
    *operands = found;
    return WEIR_OK;
}

/* ---- the INI file ---------------------------------------------------------------------------- */

/* Values point into the text that was read, so it lives as long as the program: kept reachable
 * here. Main thread, at start (options.h). */
struct kept_text {
    struct kept_text *before;
    char text[];
};
static struct kept_text *kept_texts;

static char *keep_text(const char *text, size_t length)
{
    struct kept_text *kept = malloc(sizeof *kept + length + 1);
    if (!kept)
        return NULL;
    memcpy(kept->text, text, length);
    kept->text[length] = '\0';
    kept->before = kept_texts;
    kept_texts = kept;
    return kept->text;
}

void options_free_texts(void)
{
    while (kept_texts) {
        struct kept_text *kept = kept_texts;
        kept_texts = kept->before;
        free(kept);
    }
}

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t length = strlen(text);
    while (length && strchr(" \t\r", text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* A value in double quotes may begin or end with blanks. */
static char *unquote(char *text)
{
    size_t length = strlen(text);
    if (length < 2 || text[0] != '"' || text[length - 1] != '"')
        return text;
    text[length - 1] = '\0';
    return text + 1;
}

static enum weir_status parse_line(const struct option_row *rows, size_t count, char *line,
                                   struct weir_error *error)
{
    line = trim(line);
    if (*line == '\0' || *line == '#' || *line == ';')
        return WEIR_OK;
    if (*line == '[')
        return line[strlen(line) - 1] == ']'
                   ? WEIR_OK
                   : weir_fail(error, WEIR_ESYNTAX, NULL, "a section is written [name]");
    char *equals = strchr(line, '=');
    if (!equals)
        return weir_fail(error, WEIR_ESYNTAX, NULL, "\"%.64s\" is not name = value", line);
    *equals = '\0';
    char *name = trim(line);
    const struct option_row *row = find_row(rows, count, name, strlen(name));
    if (!row)
        return refuse_name(rows, count, name, strlen(name), error);
    struct weir_error inner;
    enum weir_status status = readers[row->type](row, unquote(trim(equals + 1)), &inner);
    if (status)
        return weir_fail(error, status, row->name, "%s: %s", row->name, inner.message);
    return WEIR_OK;
}

enum weir_status options_text(const struct option_row *rows, size_t count, const char *text,
                              size_t length, const char *name, struct weir_error *error)
{
    if (length > FILE_MOST)
        return weir_fail(error, WEIR_ELIMIT, NULL, "%.128s: more than %zu octets", name, FILE_MOST);
    if (length && memchr(text, 0, length))
        return weir_fail(error, WEIR_ESYNTAX, NULL,
                         "%.128s: not a text file (it holds a zero octet)", name);
    char *line = keep_text(text, length);
    if (!line)
        return weir_fail(error, WEIR_ENOMEM, NULL, "%.128s: out of memory", name);
    for (unsigned number = 1; line; number++) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        struct weir_error inner = {0};
        enum weir_status status = parse_line(rows, count, line, &inner);
        if (status)
            return weir_fail(error, status, inner.field, "%.128s line %u: %s", name, number,
                             inner.message);
        line = next;
    }
    return WEIR_OK;
}

enum weir_status options_file(const struct option_row *rows, size_t count, const char *path,
                              struct weir_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return weir_fail(error, errno == ENOENT ? WEIR_ENOTFOUND : WEIR_EIO, path, "%.256s: %s",
                         path, strerror(errno));
    enum weir_status status;
    char *text = malloc(FILE_MOST + 1);
    size_t length = text ? fread(text, 1, FILE_MOST + 1, file) : 0;
    if (!text)
        status = weir_fail(error, WEIR_ENOMEM, path, "%.256s: out of memory", path);
    else if (ferror(file))
        status = weir_fail(error, WEIR_EIO, path, "%.256s: cannot be read", path);
    else
        status = options_text(rows, count, text, length, path, error);
    free(text);
    (void)fclose(file);
    return status;
}

/* ---- help ------------------------------------------------------------------------------------ */

static int head_print(const struct option_row *row, char *out, size_t size)
{
    return snprintf(out, size, "--%s%s%s", row->name, row->value ? " " : "",
                    row->value ? row->value : "");
}

void options_help(const struct option_row *rows, size_t count, char *out, size_t size)
{
    char head[96];
    int widest = 0;
    for (size_t i = 0; i < count; i++) {
        int width = head_print(&rows[i], head, sizeof head);
        widest = width > widest ? width : widest;
    }
    size_t at = 0;
    if (size)
        out[0] = '\0';
    for (size_t i = 0; i < count && at < size; i++) {
        (void)head_print(&rows[i], head, sizeof head);
        int n = snprintf(out + at, size - at, "  %-*s  %s\n", widest, head, rows[i].help);
        at += n > 0 ? (size_t)n : 0;
    }
}
