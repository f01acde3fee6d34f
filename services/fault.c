/* fault.c - see fault.h. envelope.c writes what is decided here. */
#include "fault.h"
#include "contract.h"
#include "envelope.h"
#include "services_private.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdsoap2.h>

/* clang-format off: a row a status */
static const struct fault_kind kinds[] = {
    /* the first row of a code is the status that a client makes of it */
    {WEIR_EARGUMENT, "BadArgument", true, false},    {WEIR_ESYNTAX, "BadArgument", true, false},
    {WEIR_ENOTFOUND, "NotFound", true, false},       {WEIR_EEXISTS, "Exists", true, false},
    {WEIR_EMALFORMED, "BadBlock", true, false},      {WEIR_ETRUNCATED, "BadBlock", true, false},
    {WEIR_ECHECKSUM, "BadBlock", true, false},       {WEIR_EVERSION, "BadBlock", true, false},
    {WEIR_ELIMIT, "TooLarge", true, false},          {WEIR_ECANCELLED, "Deadline", false, true},
    {WEIR_EDENIED, "Denied", true, false},           {WEIR_EBUSY, "Overload", false, true},
    {WEIR_ENOMEM, "Overload", false, true},          {WEIR_EFULL, "Full", false, true},
    {WEIR_EUNAVAILABLE, "Unavailable", false, true}, {WEIR_EIO, "Unavailable", false, true},
    {WEIR_ECORRUPT, "Corrupt", false, false},        {WEIR_EINTERNAL, "Internal", false, false},
};
/* clang-format on */
#define KINDS (sizeof kinds / sizeof *kinds)

const struct fault_kind *fault_kind_of(enum weir_status status)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].status == status)
            return &kinds[i];
    return &kinds[KINDS - 1];
}

enum weir_status fault_status_of(const char *code)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].code, code) == 0)
            return kinds[i].status;
    return strcmp(code, "BadRequest") == 0 ? WEIR_EARGUMENT : WEIR_EINTERNAL;
}

/* Octets of the UTF-8 sequence at `s` that XML may hold; 0: none. */
static size_t xml_character(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        size_t more;
        uint32_t least;
    } forms[] = {{0xe0, 0xc0, 1, 0x80}, {0xf0, 0xe0, 2, 0x800}, {0xf8, 0xf0, 3, 0x10000}};
    if (*s < 0x80)
        return *s >= 0x20 && *s != 0x7f ? 1 : 0;
    for (size_t i = 0; i < 3; i++) {
        if ((*s & forms[i].mask) != forms[i].lead)
            continue;
        uint32_t c = *s & (unsigned char)~forms[i].mask;
        for (size_t k = 1; k <= forms[i].more; k++) {
            if ((s[k] & 0xc0) != 0x80)
                return 0;
            c = c << 6 | (s[k] & 0x3fu);
        }
        bool ok = c >= forms[i].least && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) &&
                  c != 0xfffe && c != 0xffff;
        return ok ? forms[i].more + 1 : 0;
    }
    return 0;
}

void fault_clean(char *text)
{
    for (unsigned char *s = (unsigned char *)text; *s;) {
        size_t n = xml_character(s);
        if (n == 0)
            *s = '?';
        s += n ? n : 1;
    }
}

int fault_error(struct soap *soap, const struct weir_error *error)
{
    struct weir_error copy = *error;
    const struct fault_kind *kind = fault_kind_of(error->status);
    fault_clean(copy.field);
    fault_clean(copy.message);
    return envelope_fault_set(
        soap, &(struct envelope_fault){.code = kind->code,
                                       .field = copy.field,
                                       .message = *copy.message ? copy.message
                                                                : weir_status_text(error->status),
                                       .retryable = kind->retryable,
                                       .sender = kind->sender});
}

int fault_make(struct soap *soap, enum weir_status status, const char *field, const char *format,
               ...)
{
    char message[sizeof ((struct weir_error *)0)->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    struct weir_error error;
    weir_fail(&error, status, field, "%s", message);
    return fault_error(soap, &error);
}

int fault_missing(struct soap *soap, const char *field)
{
    return fault_make(soap, WEIR_EARGUMENT, field, "%s is missing", field);
}

/* ---- what gSOAP refuses ---- */

/* What elements that are not text look like, to say what was expected; gSOAP tells only
 * their name. */
static const struct {
    const char *element, *expected;
} values[] = {
    {"protocol", "a number from 0 to 255"},
    {"tos", "a number from 0 to 255"},
    {"port", "a number from 0 to 65535"},
    {"srcPort", "a number from 0 to 65535"},
    {"dstPort", "a number from 0 to 65535"},
    {"as", "a number from 0 to 4294967295"},
    {"srcAS", "a number from 0 to 4294967295"},
    {"dstAS", "a number from 0 to 4294967295"},
    {"top", "a number from 0 to 4294967295"},
    {"id", "a number from 1 to 4294967295"},
    {"from", "milliseconds since 1970, a whole number"},
    {"to", "milliseconds since 1970, a whole number"},
    {"step", "milliseconds, a whole number of at least 1"},
    {"samplingRate", "a number of at least 1"},
    {"order", "octets, packets or flows"},
    {"source", "auto, rollup or blocks"},
    {"block", "base64, or one MTOM attachment"},
};

static const char *local_name(const char *name)
{
    const char *colon = name ? strrchr(name, ':') : NULL;
    return colon ? colon + 1 : name ? name : "";
}

static const char *expected_of(const char *element)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strcmp(values[i].element, element) == 0)
            return values[i].expected;
    return "a value as the contract says";
}

enum engine_text { PLAIN, WITH_ELEMENT, WITH_TYPE };
/* gSOAP's errors while reading. `text` says what the element is to the message. */
static const struct engine_error {
    int error;
    const char *code;
    enum engine_text text;
    bool names_field;
    const char *message;
} engine_errors[] = {
    {SOAP_TYPE, "BadArgument", WITH_TYPE, true, "%s is malformed or out of range: expected %s"},
    {SOAP_OCCURS, "BadArgument", WITH_ELEMENT, true, "%s is missing, or there are too many of it"},
    {SOAP_EMPTY, "BadArgument", WITH_ELEMENT, true, "%s is empty"},
    {SOAP_LENGTH, "BadArgument", WITH_ELEMENT, true, "%s is too long or out of range"},
    {SOAP_NULL, "BadArgument", WITH_ELEMENT, true, "%s may not be nil"},
    {SOAP_FIXED, "BadArgument", WITH_ELEMENT, true, "%s has a value that is not allowed"},
    {SOAP_REQUIRED, "BadArgument", WITH_ELEMENT, true, "%s lacks a required attribute"},
    {SOAP_PROHIBITED, "BadRequest", WITH_ELEMENT, false, "%s has an attribute that is not allowed"},
    {SOAP_TAG_MISMATCH, "BadRequest", WITH_ELEMENT, true, "%s is not expected here; see ?wsdl"},
    {SOAP_NO_METHOD, "BadRequest", WITH_ELEMENT, false,
     "%s is no operation of this service; see ?wsdl"},
    {SOAP_SYNTAX_ERROR, "BadRequest", PLAIN, false, "the message is not well-formed XML"},
    {SOAP_NO_TAG, "BadRequest", PLAIN, false, "the message is no SOAP envelope"},
    {SOAP_POST, "BadRequest", PLAIN, false, "the message is no SOAP envelope"}, /* another root */
    {SOAP_NAMESPACE, "BadRequest", WITH_ELEMENT, false,
     "%s has a namespace that is not of this service"},
    {SOAP_LEVEL, "BadRequest", PLAIN, false, "elements are nested too deep"},
    {SOAP_UTF_ERROR, "BadRequest", PLAIN, false, "the message is not UTF-8"},
    {SOAP_DUPLICATE_ID, "BadRequest", PLAIN, false, "an id occurs twice"},
    {SOAP_MISSING_ID, "BadRequest", PLAIN, false,
     "a reference leads nowhere; references are not supported"},
    {SOAP_HREF, "BadRequest", PLAIN, false,
     "a reference leads nowhere; references are not supported"},
    {SOAP_MIME_ERROR, "BadRequest", PLAIN, false, "the attachment can not be read"},
    {SOAP_MIME_HREF, "BadRequest", PLAIN, false, "the attachment that is named is not there"},
    {SOAP_MIME_END, "BadRequest", PLAIN, false, "the attachments end too early"},
    {SOAP_EOF, "BadRequest", PLAIN, false, "the message ends too early"},
};

static const struct engine_error *engine_error_of(int code)
{
    static const struct engine_error other = {0, "BadRequest", PLAIN, false,
                                              "the message can not be read"};
    for (size_t i = 0; i < sizeof engine_errors / sizeof *engine_errors; i++)
        if (engine_errors[i].error == code)
            return &engine_errors[i];
    return &other;
}

/* gSOAP names the element that lacks something; the caller wants to know what. */
static void name_missing(struct soap *soap, char element[CONTRACT_NAME_SIZE])
{
    char missing[CONTRACT_NAME_SIZE];
    const struct caller *c = caller_of(soap);
    if (c && c->exchange &&
        contract_missing(c->service->document, element, c->exchange->body, c->exchange->body_length,
                         missing))
        memcpy(element, missing, sizeof missing);
}

void fault_from_engine(struct soap *soap)
{
    char element[CONTRACT_NAME_SIZE], message[256];
    int code = soap->error;
    if (code == SOAP_EOM) {
        (void)fault_make(soap, WEIR_ENOMEM, NULL, "out of memory; try again later");
        return;
    }
    if (code == SOAP_MUSTUNDERSTAND || code == SOAP_VERSIONMISMATCH) {
        /* Not about the body: a standard code, and no detail (SOAP 1.1, section 4.4). */
        soap_set_fault(soap);
        return;
    }
    const struct engine_error *e = engine_error_of(code);
    snprintf(element, sizeof element, "%.63s", local_name(soap->tag));
    fault_clean(element);
    if (code == SOAP_OCCURS || code == SOAP_NULL)
        name_missing(soap, element);
    if (!*element && e->text != PLAIN)
        snprintf(element, sizeof element, "the message");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(message, sizeof message, e->message, element, expected_of(element));
#pragma GCC diagnostic pop
    (void)envelope_fault_set(soap,
                             &(struct envelope_fault){.code = e->code,
                                                      .field = e->names_field ? element : NULL,
                                                      .message = message,
                                                      .retryable = false,
                                                      .sender = true});
}
