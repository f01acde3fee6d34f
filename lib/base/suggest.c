/* suggest.c - edit distance, for error messages of options.c and of the clients' words. */
#include "base/suggest.h"

#include <string.h>

#define NAME_MOST 63

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions and replacements that turn a into b (Levenshtein), a row at a time. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t row[NAME_MOST + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            diagonal = row[j];
            row[j] = least_of(replaced, least_of(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_length];
}

void suggest_consider(struct suggestion *s, const char *wrong, const char *candidate)
{
    size_t a = strlen(wrong), b = strlen(candidate);
    if (a > NAME_MOST || b > NAME_MOST)
        return;
    size_t d = distance(wrong, a, candidate, b);
    /* One slip in three letters; a single letter resembles everything. */
    if (d > 1 + a / 3 || d >= a || d >= b)
        return;
    if (!s->name || d < s->distance)
        *s = (struct suggestion){.name = candidate, .distance = d};
}
