/* netflow9.c - NetFlow version 9: header and template records (netflow9.h). Data FlowSets are
 * mover.c's. */
#include "wire/netflow9.h"

/* Scope types have WEIR numbers 100 to 139, and stay octets. Past that range: misfits of that
 * number. */
#define SCOPE_TYPES 40u

enum weir_status netflow9_read_header(struct cursor *datagram, struct netflow9_header *out)
{
    if (cursor_left(datagram) < NETFLOW9_HEADER)
        return WEIR_ETRUNCATED;
    if (cursor_u16(datagram) != 9)
        return WEIR_EVERSION;
    out->count = cursor_u16(datagram);
    out->sys_up_time_ms = cursor_u32(datagram);
    out->unix_secs = cursor_u32(datagram);
    out->sequence = cursor_u32(datagram);
    out->source_id = cursor_u32(datagram);
    return WEIR_OK;
}

static ie_key scope_key(uint16_t type)
{
    return type < SCOPE_TYPES ? WEIR_V9_SCOPE(type) : IE_KEY(WIRE_MISFIT_PEN, type);
}

/* Reads `count` field specifiers, the first `scopes` of them scopes. Past the limit they are only
 * stepped over: wire_template_new() then refuses the count. */
static void read_specs(struct cursor *content, size_t count, size_t scopes, struct wire_spec *specs)
{
    for (size_t i = 0; i < count && !content->failed; i++) {
        uint16_t type = cursor_u16(content), length = cursor_u16(content);
        if (i < WIRE_FIELDS_MOST)
            specs[i] = (struct wire_spec){i < scopes ? scope_key(type) : IANA(type), length};
    }
}

static bool finish(struct cursor *content, struct cursor *at, struct wire_definition *out,
                   enum record_kind kind, size_t scopes, const struct wire_spec *specs,
                   size_t count)
{
    if (at->failed)
        return false;
    *content = *at;
    out->withdrawn = false;
    out->status = out->id < WIRE_FIRST_DATA_ID
                      ? WEIR_EMALFORMED
                      : wire_template_new(out->id, kind, (uint16_t)scopes, specs, count,
                                          &out->definition);
    return true;
}

bool netflow9_read_template(struct cursor *content, struct wire_definition *out)
{
    struct wire_spec specs[WIRE_FIELDS_MOST];
    struct cursor at = *content;
    *out = (struct wire_definition){.id = cursor_u16(&at)};
    size_t count = cursor_u16(&at);
    if (at.failed || (out->id == 0 && count == 0)) /* the end, or padding */
        return false;
    read_specs(&at, count, 0, specs);
    return finish(content, &at, out, RECORD_FLOW, 0, specs, count);
}

bool netflow9_read_options_template(struct cursor *content, struct wire_definition *out)
{
    struct wire_spec specs[WIRE_FIELDS_MOST];
    struct cursor at = *content;
    *out = (struct wire_definition){.id = cursor_u16(&at)};
    size_t scope_octets = cursor_u16(&at), option_octets = cursor_u16(&at);
    if (at.failed || (out->id == 0 && scope_octets == 0))
        return false;
    size_t scopes = scope_octets / 4, count = scopes + option_octets / 4;
    read_specs(&at, count, scopes, specs);
    return finish(content, &at, out, RECORD_OPTIONS, scopes, specs, count);
}
