/* number_out.c - counters and times as elements of an answer, in place of gSOAP's soap_outULONG64()
 * and soap_outLONG64(): generated_prelude.h puts these into the generated servers. An element that
 * needs more than <tag>number</tag> is left to gSOAP. */
#include <stdbool.h>
#include <stdsoap2.h>
#include <string.h>

#define DIGITS_MOST 20
#define TAG_MOST    60

int number_out_u64(struct soap *soap, const char *tag, int id, const ULONG64 *value,
                   const char *type, int n);
int number_out_i64(struct soap *soap, const char *tag, int id, const LONG64 *value,
                   const char *type, int n);

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

/* Neither attributes nor a type nor an id is wanted, and the tag has the prefix that the tables
 * bind. */
static bool is_plain(const struct soap *soap, const char *tag, size_t length, int id,
                     const char *type)
{
    return id <= 0 && !(type && *type) && length <= TAG_MOST && memchr(tag, ':', length) &&
           !has_attributes(soap) &&
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
    if (!is_plain(soap, tag, length, id, type))
        return soap_outULONG64(soap, tag, id, value, type, n);
    const char *number = digits(end, *value);
    return put(soap, tag, length, number, (size_t)(end - number));
}

int number_out_i64(struct soap *soap, const char *tag, int id, const LONG64 *value,
                   const char *type, int n)
{
    char text[DIGITS_MOST + 1], *end = text + sizeof text;
    size_t length = strlen(tag);
    if (!is_plain(soap, tag, length, id, type))
        return soap_outLONG64(soap, tag, id, value, type, n);
    char *number = digits(end, *value < 0 ? 0 - (uint64_t)*value : (uint64_t)*value);
    if (*value < 0)
        *--number = '-';
    return put(soap, tag, length, number, (size_t)(end - number));
}
