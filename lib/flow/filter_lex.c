/* filter_lex.c - the filter's text as tokens, and the messages that point into it.
 *
 * A word is a run of letters, digits and . _ : / # + - % @ *; that covers addresses, prefixes, MAC
 * addresses, times, numbers with a factor, and element names ("name#2"). '#' where a word could
 * start is a comment to the end of the line. Next: filter_parse.c. */
#include "flow/filter_private.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("._:/#+-%@*", c)) || (unsigned char)c >= 0x80;
}

static uint32_t skip_blank(const struct parser *p, uint32_t at)
{
    while (at < p->length) {
        if (p->text[at] == '#')
            while (at < p->length && p->text[at] != '\n')
                at++;
        else if (isspace((unsigned char)p->text[at]))
            at++;
        else
            break;
    }
    return at;
}

static const struct {
    const char *text;
    enum token_kind kind;
    enum compare compare;
} signs[] = {
    /* longer ones first */
    {"&&", TOKEN_AND, 0},
    {"||", TOKEN_OR, 0},
    {"!=", TOKEN_COMPARE, COMPARE_NE},
    {"==", TOKEN_COMPARE, COMPARE_EQ},
    {"<=", TOKEN_COMPARE, COMPARE_LE},
    {">=", TOKEN_COMPARE, COMPARE_GE},
    {"<>", TOKEN_COMPARE, COMPARE_NE},
    {"=", TOKEN_COMPARE, COMPARE_EQ},
    {"<", TOKEN_COMPARE, COMPARE_LT},
    {">", TOKEN_COMPARE, COMPARE_GT},
    {"&", TOKEN_AND, 0},
    {"|", TOKEN_OR, 0},
    {"!", TOKEN_NOT, 0},
    {"(", TOKEN_OPEN, 0},
    {")", TOKEN_CLOSE, 0},
    {"[", TOKEN_LIST, 0},
    {"]", TOKEN_LIST_END, 0},
    {",", TOKEN_COMMA, 0},
};

static const struct {
    const char *text;
    enum token_kind kind;
} words[] = {{"and", TOKEN_AND}, {"or", TOKEN_OR}, {"not", TOKEN_NOT}};

static void lex_word(const struct parser *p, uint32_t at, struct token *t)
{
    uint32_t end = at;
    while (end < p->length && is_word(p->text[end]))
        end++;
    t->kind = TOKEN_WORD;
    t->length = end - at;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (token_is(t, words[i].text))
            t->kind = words[i].kind;
}

static void lex_quoted(const struct parser *p, uint32_t at, struct token *t)
{
    const char *close = memchr(p->text + at + 1, p->text[at], p->length - at - 1);
    t->kind = close ? TOKEN_TEXT : TOKEN_UNCLOSED;
    t->text = p->text + at + 1;
    t->length = close ? (uint32_t)(close - t->text) : p->length - at - 1;
}

static void lex_sign(const struct parser *p, uint32_t at, struct token *t)
{
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t n = strlen(signs[i].text);
        if (p->length - at >= n && memcmp(p->text + at, signs[i].text, n) == 0) {
            t->kind = signs[i].kind;
            t->compare = signs[i].compare;
            t->length = (uint32_t)n;
            return;
        }
    }
    t->kind = TOKEN_STRANGE;
    t->length = 1;
}

/* The token at or after `from`, and in *end where the next one may start. */
static struct token lex_at(const struct parser *p, uint32_t from, uint32_t *end)
{
    uint32_t at = skip_blank(p, from);
    struct token t = {.kind = TOKEN_END, .at = at, .text = p->text + at};
    if (at < p->length) {
        if (is_word(p->text[at]))
            lex_word(p, at, &t);
        else if (p->text[at] == '\'' || p->text[at] == '"')
            lex_quoted(p, at, &t);
        else
            lex_sign(p, at, &t);
    }
    *end = t.kind == TOKEN_TEXT ? at + t.length + 2 : at + t.length;
    return t;
}

void lex_advance(struct parser *p)
{
    p->now = lex_at(p, p->at, &p->at);
}

struct token lex_peek(const struct parser *p)
{
    uint32_t end;
    return lex_at(p, p->at, &end);
}

bool token_is(const struct token *t, const char *word)
{
    return t->kind == TOKEN_WORD && strlen(word) == t->length &&
           strncasecmp(t->text, word, t->length) == 0;
}

/* ---- messages ---- */

/* "column 7", or "line 2, column 7" once there is more than one line. Counted from 1, in octets. */
static void print_place(const struct parser *p, uint32_t at, char *out, size_t size)
{
    unsigned line = 1, column = 1;
    for (uint32_t i = 0; i < at && i < p->length; i++) {
        column++;
        if (p->text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    if (memchr(p->text, '\n', p->length))
        snprintf(out, size, "line %u, column %u", line, column);
    else
        snprintf(out, size, "column %u", column);
}

static void print_found(const struct token *t, char *out, size_t size)
{
    int shown = t->length > 40 ? 40 : (int)t->length;
    if (t->kind == TOKEN_END)
        snprintf(out, size, "the end of the filter");
    else if (t->kind == TOKEN_UNCLOSED)
        snprintf(out, size, "a quote that is never closed");
    else
        snprintf(out, size, "'%.*s%s'", shown, t->text, t->length > 40 ? "..." : "");
}

uint32_t parse_fail_hint(struct parser *p, const struct token *found, const char *hint,
                         const char *expected)
{
    char place[48], what[80];
    if (p->status != WEIR_OK)
        return 0;
    print_place(p, found->at, place, sizeof place);
    print_found(found, what, sizeof what);
    p->status =
        weir_fail(p->error, WEIR_ESYNTAX, "filter", "%s: found %s, expected %s%s%s%s", place, what,
                  expected, *hint ? "; did you mean '" : "", hint, *hint ? "'?" : "");
    return 0;
}

uint32_t parse_fail(struct parser *p, const struct token *found, const char *expected, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, expected);
    vsnprintf(text, sizeof text, expected, arguments);
    va_end(arguments);
    return parse_fail_hint(p, found, "", text);
}

uint32_t parse_out_of_memory(struct parser *p)
{
    if (p->status == WEIR_OK)
        p->status = weir_fail(p->error, WEIR_ENOMEM, "filter", "out of memory");
    return 0;
}

void suggest_for(struct suggestion *s, const struct token *t, const char *candidate)
{
    char wrong[64];
    if (t->kind != TOKEN_WORD || t->length >= sizeof wrong)
        return;
    memcpy(wrong, t->text, t->length);
    wrong[t->length] = '\0';
    suggest_consider(s, wrong, candidate);
}
