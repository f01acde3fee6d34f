/* value.h - one value of an element as text: for JSON lines, tables, XML and CSV.
 *
 * Numbers print in decimal, exactly, 64 bits; addresses and MAC addresses in their usual text;
 * dateTimeSeconds as seconds and dateTimeMilliseconds as milliseconds since 1970; boolean true or
 * false; strings as text without the trailing NULs that fixed-length fields carry; octet arrays and
 * everything kept as octets as "0x" and hex digits; dateTimeMicro/Nanoseconds as the two halves of
 * the NTP timestamp they are, {"ntp_s":…,"ntp_f":…}, since nothing less is exact; floating point as
 * the shortest decimal that reads back the same (null in JSON when it is not a finite number).
 *
 * Pure functions; any thread. */
#ifndef WEIR_FLOW_VALUE_H
#define WEIR_FLOW_VALUE_H

#include "base/buffer.h"
#include "flow/vector.h"

/* Appends the value of `row` as a JSON value. `type` is normally ie_storage_type(v->key). */
void value_print_json(struct buffer *out, const struct vector *v, uint32_t row, enum ie_type type);
/* A value of the element `key` as it is on the wire, NETWORK BYTE ORDER, for what is not in
 * columns: numbers may have fewer octets than their type (RFC 7011 section 6.2), or more, up to 8;
 * a length that the type cannot have prints as octets. Lists print as octets too (flow/structured.h
 * prints them). */
void value_print_wire_json(struct buffer *out, ie_key key, struct octets value);
/* The same as bare text: no quotes, strings as they are (escaping is the caller's), NTP halves as
 * "seconds:fraction". */
void value_print_text(struct buffer *out, const struct vector *v, uint32_t row, enum ie_type type);

#endif
