/* number_out.c - what answers are made of for the most part, numbers, short texts and the elements
 * around them, in place of functions of gSOAP's library: generated_prelude.h puts these into the
 * generated servers. What needs more than a tag, plain attributes and plain text is left to gSOAP,
 * so that every octet is what gSOAP would write. */
#include "number_out.h"
#include <stdbool.h>
#include <string.h>

#define DIGITS_MOST 20
#define TAG_MOST    60
#define TEXT_MOST   128 /* of a text, and of all attributes */
#define PIECE_MOST  (2 * TAG_MOST + 2 * TEXT_MOST + 8)

/* Where a piece is put together: in the engine's buffer, where it stays, while that has room and
 * nobody wants to see what is sent; else beside it, to be sent. */
struct piece {
    char *start;
    char line[PIECE_MOST];
};

static char *piece_begin(struct soap *soap, struct piece *p)
{
    bool is_kept = (soap->mode & SOAP_IO) && !(soap->mode & SOAP_IO_LENGTH) &&
                   !soap->fpreparesend && !soap->ffiltersend &&
                   sizeof soap->buf - soap->bufidx > PIECE_MOST;
    p->start = is_kept ? soap->buf + soap->bufidx : p->line;
    return p->start;
}

static int piece_end(struct soap *soap, const struct piece *p, const char *end)
{
    size_t length = (size_t)(end - p->start);
    if (p->start == p->line)
        return soap_send_raw(soap, p->line, length);
    soap->bufidx += length;
    return SOAP_OK;
}

/* The digits, which end at `end`; where they begin. */
static char *digits(char *end, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    for (; value >= 100; value /= 100)
        memcpy(end -= 2, pairs + value % 100 * 2, 2);
    if (value >= 10)
        return memcpy(end - 2, pairs + value * 2, 2);
    *--end = (char)('0' + value);
    return end;
}

static bool has_attributes(const struct soap *soap)
{
    for (const struct soap_attribute *a = soap->attributes; a; a = a->next)
        if (a->visible)
            return true;
    return false;
}

/* Neither a type nor an id is wanted, the tag has the prefix that the tables bind, and the answer
 * is plain XML. */
static bool is_plain(const struct soap *soap, const char *tag, size_t length, int id,
                     const char *type)
{
    return id <= 0 && !(type && *type) && *tag != '-' && length <= TAG_MOST &&
           ((length > 2 && tag[2] == ':') || memchr(tag, ':', length)) &&
           !(soap->mode &
             (SOAP_XML_DOM | SOAP_XML_CANONICAL | SOAP_XML_INDENT | SOAP_XML_DEFAULTNS)) &&
           !soap->encoding;
}

static int put(struct soap *soap, const char *tag, size_t tag_length, const char *number,
               size_t length)
{
    struct piece piece;
    char *at = piece_begin(soap, &piece);
    *at++ = '<';
    at = mempcpy(at, tag, tag_length);
    *at++ = '>';
    at = mempcpy(at, number, length);
    *at++ = '<';
    *at++ = '/';
    at = mempcpy(at, tag, tag_length);
    *at++ = '>';
    return piece_end(soap, &piece, at);
}

int number_out_u64(struct soap *soap, const char *tag, int id, const ULONG64 *value,
                   const char *type, int n)
{
    char text[DIGITS_MOST], *end = text + sizeof text;
    size_t length = strlen(tag);
    if (!is_plain(soap, tag, length, id, type) || has_attributes(soap))
        return soap_outULONG64(soap, tag, id, value, type, n);
    const char *number = digits(end, *value);
    return put(soap, tag, length, number, (size_t)(end - number));
}

int number_out_i64(struct soap *soap, const char *tag, int id, const LONG64 *value,
                   const char *type, int n)
{
    char text[DIGITS_MOST + 1], *end = text + sizeof text;
    size_t length = strlen(tag);
    if (!is_plain(soap, tag, length, id, type) || has_attributes(soap))
        return soap_outLONG64(soap, tag, id, value, type, n);
    char *number = digits(end, *value < 0 ? 0 - (uint64_t)*value : (uint64_t)*value);
    if (*value < 0)
        *--number = '-';
    return put(soap, tag, length, number, (size_t)(end - number));
}

static int put_u32(struct soap *soap, const char *tag, size_t tag_length, uint32_t value)
{
    char text[DIGITS_MOST], *end = text + sizeof text;
    const char *number = digits(end, value);
    return put(soap, tag, tag_length, number, (size_t)(end - number));
}

int number_out_u32(struct soap *soap, const char *tag, int id, const unsigned int *value,
                   const char *type, int n)
{
    size_t length = strlen(tag);
    if (!is_plain(soap, tag, length, id, type) || has_attributes(soap))
        return soap_outunsignedInt(soap, tag, id, value, type, n);
    return put_u32(soap, tag, length, *value);
}

int number_out_u16(struct soap *soap, const char *tag, int id, const unsigned short *value,
                   const char *type, int n)
{
    size_t length = strlen(tag);
    if (!is_plain(soap, tag, length, id, type) || has_attributes(soap))
        return soap_outunsignedShort(soap, tag, id, value, type, n);
    return put_u32(soap, tag, length, *value);
}

/* ---- texts and elements ---- */

/* The text, when nothing in it needs to be written otherwise than it is; NULL: it does, or there is
 * too little room. */
static char *put_text(char *at, const char *end, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (at == end || c < 0x20 || c > 0x7e || c == '&' || c == '<' || c == '>' || c == '"')
            return NULL;
        *at++ = (char)c;
    }
    return at;
}

/* All attributes that wait to be written; NULL: they are not plain. */
static char *put_attributes(const struct soap *soap, char *at, const char *end)
{
    for (const struct soap_attribute *a = soap->attributes; at && a; a = a->next) {
        if (!a->visible)
            continue;
        if (!a->value || a->flag == 2 || end - at < 2)
            return NULL;
        *at++ = ' ';
        at = put_text(at, end - 3, a->name);
        if (!at)
            return NULL;
        *at++ = '=';
        *at++ = '"';
        at = put_text(at, end - 1, a->value);
        if (at)
            *at++ = '"';
    }
    return at;
}

static void clear_attributes(struct soap *soap)
{
    for (struct soap_attribute *a = soap->attributes; a; a = a->next)
        a->visible = 0;
}

int text_out(struct soap *soap, const char *tag, int id, char *const *text, const char *type, int n)
{
    struct piece piece;
    char *at = NULL;
    size_t length = strlen(tag);
    bool plain = is_plain(soap, tag, length, id, type) && text && *text && **text &&
                 !(soap->mode & SOAP_C_NILSTRING);
    if (plain) {
        at = piece_begin(soap, &piece);
        *at++ = '<';
        at = mempcpy(at, tag, length);
        at = put_attributes(soap, at, at + TEXT_MOST);
    }
    if (plain && at) {
        *at++ = '>';
        at = put_text(at, at + TEXT_MOST, *text);
    }
    if (!plain || !at)
        return soap_outstring(soap, tag, id, text, type, n);
    clear_attributes(soap);
    *at++ = '<';
    *at++ = '/';
    at = mempcpy(at, tag, length);
    *at++ = '>';
    return piece_end(soap, &piece, at);
}

/* The first element of an answer says what its prefixes mean, so it is not plain. */
int element_begin_out(struct soap *soap, const char *tag, int id, const char *type)
{
    struct piece piece;
    size_t length = strlen(tag);
    if (!soap->ns || !is_plain(soap, tag, length, id, type) || has_attributes(soap))
        return soap_element_begin_out(soap, tag, id, type);
    soap->level++;
    char *at = piece_begin(soap, &piece);
    *at++ = '<';
    at = mempcpy(at, tag, length);
    *at++ = '>';
    return piece_end(soap, &piece, at);
}

int element_end_out(struct soap *soap, const char *tag)
{
    struct piece piece;
    size_t length = strlen(tag);
    if (soap->nlist || !is_plain(soap, tag, length, 0, NULL))
        return soap_element_end_out(soap, tag);
    soap->level--;
    char *at = piece_begin(soap, &piece);
    *at++ = '<';
    *at++ = '/';
    at = mempcpy(at, tag, length);
    *at++ = '>';
    return piece_end(soap, &piece, at);
}
