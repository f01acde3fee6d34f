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

/* The digits, which end at `end`; where they begin. */
static char *digits(char *end, uint64_t value)
{
    do
        *--end = (char)('0' + value % 10);
    while (value /= 10);
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
    char text[2 * TAG_MOST + DIGITS_MOST + 8], *at = text;
    *at++ = '<';
    at = mempcpy(at, tag, tag_length);
    *at++ = '>';
    at = mempcpy(at, number, length);
    *at++ = '<';
    *at++ = '/';
    at = mempcpy(at, tag, tag_length);
    *at++ = '>';
    return soap_send_raw(soap, text, (size_t)(at - text));
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

int text_out(struct soap *soap, const char *tag, int id, char *const *text, const char *type,
             int n)
{
    char line[2 * TAG_MOST + 2 * TEXT_MOST + 8], *at = line;
    size_t length = strlen(tag);
    bool plain = is_plain(soap, tag, length, id, type) && text && *text && **text &&
                 !(soap->mode & SOAP_C_NILSTRING);
    if (plain) {
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
    return soap_send_raw(soap, line, (size_t)(at - line));
}

/* The first element of an answer says what its prefixes mean, so it is not plain. */
int element_begin_out(struct soap *soap, const char *tag, int id, const char *type)
{
    char line[TAG_MOST + 2];
    size_t length = strlen(tag);
    if (!soap->ns || !is_plain(soap, tag, length, id, type) || has_attributes(soap))
        return soap_element_begin_out(soap, tag, id, type);
    soap->level++;
    line[0] = '<';
    memcpy(line + 1, tag, length);
    line[length + 1] = '>';
    return soap_send_raw(soap, line, length + 2);
}

int element_end_out(struct soap *soap, const char *tag)
{
    char line[TAG_MOST + 3];
    size_t length = strlen(tag);
    if (soap->nlist || !is_plain(soap, tag, length, 0, NULL))
        return soap_element_end_out(soap, tag);
    soap->level--;
    line[0] = '<';
    line[1] = '/';
    memcpy(line + 2, tag, length);
    line[length + 2] = '>';
    return soap_send_raw(soap, line, length + 3);
}
