/* documents.c - GET of the contracts: WSDL with the address that the client asked, SOAP 1.1 alone
 * or with SOAP 1.2 beside it, and the schemas they import. The documents are those of wsdl/ and
 * schemas/xsd, carried in the program (schemas/embed.h).
 *
 * ?wsdl has one binding because some SOAP 1.1 tools stop at the first element they do not know;
 * ?wsdl12 is the same document with the binding and the port again in SOAP 1.2's namespace. */
#include "base/buffer.h"
#include "embed.h"
#include "services_private.h"
#include <string.h>

const char *document_find(struct text name)
{
    for (const struct embedded *d = documents; d->name; d++)
        if (strlen(d->name) == name.length && memcmp(d->name, name.at, name.length) == 0)
            return d->text;
    return NULL;
}

static void put_text(struct buffer *out, const char *from, const char *to)
{
    buffer_put(out, from, (size_t)(to - from));
}

static void put_word(struct buffer *out, const char *word)
{
    buffer_put(out, word, strlen(word));
}

/* [from, to) again with its SOAP 1.1 names made SOAP 1.2 ones. */
static void put_as_soap12(struct buffer *out, const char *from, const char *to)
{
    static const char *const pairs[][2] = {{"soap:", "soap12:"}, {"Soap11\"", "Soap12\""}};
    while (from < to) {
        size_t taken = 0;
        for (size_t i = 0; i < 2 && !taken; i++) {
            size_t n = strlen(pairs[i][0]);
            if ((size_t)(to - from) >= n && memcmp(from, pairs[i][0], n) == 0) {
                put_word(out, pairs[i][1]);
                taken = n;
            }
        }
        if (!taken)
            buffer_put_u8(out, (uint8_t)*from);
        from += taken ? taken : 1;
    }
}

/* Copies an element and, when asked, its SOAP 1.2 twin. Returns where the copy of `from` went on
 * to. */
static const char *put_element(struct buffer *out, const char *from, const char *open,
                               const char *close, bool twin)
{
    const char *start = strstr(from, open);
    const char *end = start ? strstr(start, close) : NULL;
    if (!end)
        return from;
    end += strlen(close);
    put_text(out, from, end);
    if (twin) {
        put_word(out, "\n");
        put_as_soap12(out, start, end);
    }
    return end;
}

/* Copies with every `what` replaced. */
static void put_replaced(struct buffer *out, const char *from, const char *what, const char *with)
{
    for (const char *hit; (hit = strstr(from, what)); from = hit + strlen(what)) {
        put_text(out, from, hit);
        put_word(out, with);
    }
    put_word(out, from);
}

static void put_wsdl(struct buffer *out, const char *text, bool soap12)
{
    static const char own[] = "xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\"";
    const char *at = strstr(text, own);
    if (soap12 && at) {
        put_text(out, text, at);
        put_word(out, "xmlns:soap12=\"http://schemas.xmlsoap.org/wsdl/soap12/\" ");
    } else {
        at = text;
    }
    at = put_element(out, at, "  <binding ", "</binding>", soap12);
    at = put_element(out, at, "    <port ", "</port>", soap12);
    put_word(out, at);
    buffer_put_u8(out, 0);
}

/* The document with addresses as the client sees this server. */
static void send_wsdl(struct exchange *x, const char *text, bool soap12)
{
    char base[300] = "http://";
    struct buffer raw = {0}, one = {0}, out = {0};
    struct text host = x->head->host;
    if (host.length) {
        memcpy(base + 7, host.at, host.length);
        base[7 + host.length] = '\0';
    } else {
        strcpy(base, "http://127.0.0.1:8080"); /* HTTP/1.0 without Host: as the document has it */
    }
    put_wsdl(&raw, text, soap12);
    if (!raw.failed)
        put_replaced(&one, (const char *)raw.bytes, "http://127.0.0.1:8080", base);
    buffer_put_u8(&one, 0);
    strcat(base, "/xsd/");
    if (!one.failed)
        put_replaced(&out, (const char *)one.bytes, "../schemas/xsd/", base);
    if (raw.failed || one.failed || out.failed)
        exchange_refuse(x, 503, "out of memory");
    else
        exchange_reply(x, 200, "text/xml; charset=utf-8", out.bytes, out.length);
    buffer_free(&raw);
    buffer_free(&one);
    buffer_free(&out);
}

void documents_service(const struct soap_service *service, struct exchange *x)
{
    const char *text = document_find((struct text){service->document, strlen(service->document)});
    bool soap12 = text_is(x->head->query, "wsdl12");
    if (text && (soap12 || text_is(x->head->query, "wsdl")))
        send_wsdl(x, text, soap12);
    else
        exchange_refuse(
            x, 405,
            "a SOAP service; its contract is at ?wsdl (SOAP 1.1) and ?wsdl12 (1.1 and 1.2)");
}

void documents_schema(struct services *s, struct exchange *x)
{
    (void)s;
    struct text name = x->head->path;
    for (size_t i = 0; i < x->head->path.length; i++)
        if (x->head->path.at[i] == '/')
            name = (struct text){x->head->path.at + i + 1, x->head->path.length - i - 1};
    const char *text = document_find(name);
    if (text && name.length > 4 && memcmp(name.at + name.length - 4, ".xsd", 4) == 0)
        exchange_reply(x, 200, "text/xml; charset=utf-8", text, strlen(text));
    else
        exchange_refuse(x, 404, NULL);
}
