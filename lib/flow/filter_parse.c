/* filter_parse.c - and, or, not and parentheses, by recursive descent, and the doors of parsing.
 *
 *   or    = and { ("or" | "||") and }        "and" binds tighter than "or", "not" tightest, as in
 *   and   = not { ("and" | "&&") not }       nfdump
 *   not   = { "not" | "!" } ( "(" or ")" | term )
 *
 * Each "not" and each parenthesis is one of FILTER_DEPTH_MOST levels, so neither reading nor
 * evaluating can recurse deeper than a small multiple of that. Terms are in filter_term.c. */
#include "flow/filter_private.h"

#include <stdlib.h>
#include <string.h>

static bool enter(struct parser *p)
{
    if (++p->depth <= FILTER_DEPTH_MOST)
        return true;
    if (p->status == WEIR_OK)
        p->status = weir_fail(p->error, WEIR_ELIMIT, "filter", "column %u: nested deeper than %u",
                              (unsigned)p->now.at + 1, FILTER_DEPTH_MOST);
    return false;
}

static uint32_t parse_group(struct parser *p)
{
    if (p->now.kind != TOKEN_OPEN)
        return parse_term(p);
    struct token open = p->now;
    if (!enter(p))
        return 0;
    lex_advance(p);
    uint32_t node = parse_or(p);
    if (!node)
        return 0;
    if (p->now.kind != TOKEN_CLOSE)
        return parse_fail(p, &p->now, "'and', 'or', or the ')' for the '(' at column %u",
                          (unsigned)open.at + 1);
    lex_advance(p);
    p->depth--;
    return node;
}

static uint32_t parse_not(struct parser *p)
{
    uint32_t nots = 0;
    for (; p->now.kind == TOKEN_NOT; nots++) {
        if (!enter(p))
            return 0;
        lex_advance(p);
    }
    uint32_t node = parse_group(p);
    p->depth -= nots;
    if (node && nots % 2 && node == p->flags_node)
        return parse_flags_none(p);
    return nots % 2 ? build_not(p, node) : node;
}

static uint32_t parse_and(struct parser *p)
{
    uint32_t node = parse_not(p);
    while (node && p->now.kind == TOKEN_AND) {
        lex_advance(p);
        node = build_join(p, NODE_AND, node, parse_not(p));
    }
    return node;
}

uint32_t parse_or(struct parser *p)
{
    uint32_t node = parse_and(p);
    while (node && p->now.kind == TOKEN_OR) {
        lex_advance(p);
        node = build_join(p, NODE_OR, node, parse_and(p));
    }
    return node;
}

static uint32_t parse_whole(struct parser *p)
{
    lex_advance(p);
    if (p->now.kind == TOKEN_END)
        return build_all(p);
    uint32_t node = parse_or(p);
    if (!node || p->now.kind == TOKEN_END)
        return node;
    if (p->now.kind == TOKEN_CLOSE)
        return parse_fail(p, &p->now, "the end of the filter, since no '(' is open");
    return parse_fail(p, &p->now, "'and', 'or' or the end of the filter");
}

enum weir_status filter_parse(const char *text, filter_tag_resolver resolve, void *context,
                              struct filter **out, struct weir_error *error)
{
    size_t length = strlen(text);
    *out = NULL;
    if (length > FILTER_TEXT_MOST)
        return weir_fail(error, WEIR_ELIMIT, "filter", "%zu octets long, expected at most %u",
                         length, FILTER_TEXT_MOST);
    struct filter *f = calloc(1, sizeof *f);
    if (!f)
        return weir_fail(error, WEIR_ENOMEM, "filter", "out of memory");
    struct parser p = {.text = text,
                       .length = (uint32_t)length,
                       .resolve = resolve,
                       .context = context,
                       .filter = f,
                       .error = error};
    uint32_t root = parse_whole(&p);
    if (root && !build_finish(&p, root))
        (void)parse_out_of_memory(&p);
    free(p.values);
    if (p.status != WEIR_OK)
        filter_free(f);
    else
        *out = f;
    return p.status;
}

void filter_free(struct filter *f)
{
    if (!f)
        return;
    free(f->nodes);
    free(f->leaves);
    free(f->keys);
    arena_free(&f->memory);
    free(f);
}

bool filter_is_all(const struct filter *f)
{
    return f->all;
}

const ie_key *filter_keys(const struct filter *f, size_t *count)
{
    *count = f->key_count;
    return f->keys;
}
