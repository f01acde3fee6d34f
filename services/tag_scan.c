/* tag_scan.c - see tag_scan.h. Called by exchange.c on every message. */
#include "tag_scan.h"
#include <stdbool.h>
#include <string.h>

struct scan {
    const char *at, *end;
    const char *refused;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void refuse(struct scan *s, const char *why)
{
    s->refused = why;
    s->at = s->end;
}

/* After '=': blanks, then a value in quotes without '<'. */
static void scan_value(struct scan *s)
{
    while (s->at < s->end && is_blank(*s->at))
        s->at++;
    if (s->at == s->end)
        return;
    char quote = *s->at++;
    if (quote != '"' && quote != '\'') {
        refuse(s, "an attribute value is not in quotes");
        return;
    }
    const char *close = memchr(s->at, quote, (size_t)(s->end - s->at));
    const char *stop = close ? close : s->end;
    if (memchr(s->at, '<', (size_t)(stop - s->at))) {
        refuse(s, "an attribute value contains '<'");
        return;
    }
    s->at = close ? close + 1 : s->end;
}

/* From after '<' to after the '>' of a start or end tag. */
static void scan_tag(struct scan *s)
{
    unsigned attributes = 0;
    while (s->at < s->end) {
        switch (*s->at++) {
        case '>':
            return;
        case '=':
            if (++attributes > TAG_ATTRIBUTES_MOST)
                refuse(s, "a tag has more than 64 attributes");
            else
                scan_value(s);
            break;
        case '<':
        case '"':
        case '\'':
            refuse(s, "a tag is malformed");
            break;
        default:
            break;
        }
    }
}

/* "<?…>": its '>' is at or before the one where the parser ends it. */
static void scan_instruction(struct scan *s)
{
    const char *close = memchr(s->at, '>', (size_t)(s->end - s->at));
    const char *stop = close ? close : s->end;
    if (memchr(s->at, '<', (size_t)(stop - s->at)))
        refuse(s, "a processing instruction contains '<'");
    else
        s->at = close ? close + 1 : s->end;
}

/* The rest of the message after "<!". */
static void scan_loosely(struct scan *s)
{
    for (unsigned equals = 0; s->at < s->end; s->at++) {
        s->at = memchr(s->at, '=', (size_t)(s->end - s->at));
        if (!s->at) {
            s->at = s->end;
            return;
        }
        if (++equals > TAG_LOOSE_MOST) {
            refuse(s, "too many attributes after a comment, CDATA section or declaration");
            return;
        }
    }
}

static void count_tags(struct scan *s)
{
    unsigned tags = 0;
    for (const char *at = s->at; at < s->end; at++) {
        at = memchr(at, '<', (size_t)(s->end - at));
        if (!at)
            return;
        if (++tags > TAGS_MOST) {
            refuse(s, "the message has more than 200,000 tags");
            return;
        }
    }
}

const char *tag_scan(const char *bytes, size_t length)
{
    struct scan s = {.at = bytes, .end = bytes + length};
    count_tags(&s);
    while (s.at < s.end) {
        const char *open = memchr(s.at, '<', (size_t)(s.end - s.at));
        if (!open)
            break;
        s.at = open + 1;
        if (s.at == s.end)
            break;
        if (*s.at == '!')
            scan_loosely(&s);
        else if (*s.at == '?')
            scan_instruction(&s);
        else
            scan_tag(&s);
    }
    return s.refused;
}
