/* chunks.c - see chunks.h. Called by exchange.c. */
#include "chunks.h"
#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A line has ended: what comes next? */
static void end_line(struct chunks *c)
{
    if (c->state == CHUNK_TRAILER)
        c->state = c->line == 0 ? CHUNK_DONE : CHUNK_TRAILER;
    else if (c->state == CHUNK_DATA_END)
        c->state = CHUNK_SIZE;
    else if (c->digits == 0)
        c->failed = true;
    else
        c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
    if (c->state == CHUNK_TRAILER && ++c->lines > CHUNK_TRAILERS_MOST)
        c->failed = true;
    c->line = 0;
    c->digits = c->state == CHUNK_SIZE ? 0 : c->digits;
}

/* One octet that is not data. */
static void read_octet(struct chunks *c, char octet)
{
    int digit = c->state == CHUNK_SIZE ? hex_value(octet) : -1;
    if (octet == '\n') {
        end_line(c);
    } else if (octet == '\r') {
        if (c->state == CHUNK_SIZE)
            c->state = CHUNK_LINE;
    } else if (c->state == CHUNK_DATA_END || ++c->line > CHUNK_LINE_MOST) {
        c->failed = true;
    } else if (digit >= 0) {
        c->failed = ++c->digits > 8;
        c->left = c->left * 16 + (uint64_t)digit;
    } else if (c->state == CHUNK_SIZE) {
        c->failed = c->digits == 0 || (octet != ';' && octet != ' ' && octet != '\t');
        c->state = CHUNK_LINE; /* an extension */
    }
}

size_t chunks_decode(struct chunks *c, char *bytes, size_t length)
{
    size_t at = 0, out = 0;
    while (at < length && !c->failed && c->state != CHUNK_DONE) {
        if (c->state != CHUNK_DATA) {
            read_octet(c, bytes[at++]);
            continue;
        }
        size_t n = length - at < c->left ? length - at : (size_t)c->left;
        memmove(bytes + out, bytes + at, n);
        at += n;
        out += n;
        c->left -= n;
        if (c->left == 0)
            c->state = CHUNK_DATA_END;
    }
    if (c->state == CHUNK_DONE)
        c->after += length - at;
    return out;
}
