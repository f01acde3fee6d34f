/* ipfix.c - IPFIX: header and template records (ipfix.h). Data Sets are mover.c's. */
#include "wire/ipfix.h"

#define ENTERPRISE_BIT 0x8000u

enum weir_status ipfix_read_header(struct cursor *datagram, struct ipfix_header *out)
{
    struct cursor at = *datagram;
    size_t whole = cursor_left(&at);
    if (whole < IPFIX_HEADER)
        return WEIR_ETRUNCATED;
    if (cursor_u16(&at) != 10)
        return WEIR_EVERSION;
    out->length = cursor_u16(&at);
    out->export_secs = cursor_u32(&at);
    out->sequence = cursor_u32(&at);
    out->domain = cursor_u32(&at);
    if (out->length < IPFIX_HEADER)
        return WEIR_EMALFORMED;
    size_t content = (out->length < whole ? out->length : whole) - IPFIX_HEADER;
    *datagram = cursor_sub(&at, content);
    return WEIR_OK;
}

/* Field specifiers, RFC 7011 section 3.2. Past the limit they are only stepped over:
 * wire_template_new() then refuses the count. False when one of them claims to be Weir's own. */
static bool read_specs(struct cursor *content, size_t count, struct wire_spec *specs)
{
    bool foreign = true;
    for (size_t i = 0; i < count && !content->failed; i++) {
        unsigned id = cursor_u16(content);
        uint16_t length = cursor_u16(content);
        uint32_t pen = id & ENTERPRISE_BIT ? cursor_u32(content) : 0;
        foreign &= pen != WEIR_PEN;
        if (i < WIRE_FIELDS_MOST)
            specs[i] = (struct wire_spec){IE_KEY(pen, id & ~ENTERPRISE_BIT), length};
    }
    return foreign;
}

/* Template and options template records differ by one number, the scope field count (RFC 7011
 * sections 3.4.1 and 3.4.2); withdrawals have neither fields nor that number (section 8.1). */
static bool read_record(struct cursor *content, struct wire_definition *out, enum record_kind kind)
{
    struct wire_spec specs[WIRE_FIELDS_MOST];
    struct cursor at = *content;
    *out = (struct wire_definition){.id = cursor_u16(&at)};
    size_t count = cursor_u16(&at);
    if (at.failed || (out->id == 0 && count == 0)) /* the end, or padding */
        return false;
    if (count == 0) {
        *content = at;
        out->withdrawn = true;
        return true;
    }
    uint16_t scopes = kind == RECORD_OPTIONS ? cursor_u16(&at) : 0;
    bool foreign = read_specs(&at, count, specs);
    if (at.failed)
        return false;
    *content = at;
    out->status = out->id < WIRE_FIRST_DATA_ID || !foreign
                      ? WEIR_EMALFORMED
                      : wire_template_new(out->id, kind, scopes, specs, count, &out->definition);
    return true;
}

bool ipfix_read_template(struct cursor *content, struct wire_definition *out)
{
    return read_record(content, out, RECORD_FLOW);
}

bool ipfix_read_options_template(struct cursor *content, struct wire_definition *out)
{
    return read_record(content, out, RECORD_OPTIONS);
}
