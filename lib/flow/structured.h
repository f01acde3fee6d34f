/* structured.h - structured data of RFC 6313: lists inside a field.
 *
 *   basicList             values of one element      semantic, element, length, values
 *   subTemplateList       records of one template    semantic, template id, records
 *   subTemplateMultiList  records of any templates   semantic, then template id, length, records …
 *
 * Lists are kept as the octets that arrived, exactly (NETWORK BYTE ORDER). A basicList explains
 * itself; the others stand on templates, which an exporter may redefine later. So a record with
 * such lists also has the element WEIR_LIST_TEMPLATES: the definitions that were in force, of all
 * templates that its lists name, lists in lists included. NETWORK BYTE ORDER, one after the other:
 *
 *   0 template id   2 number of fields n   then n times:
 *      0 enterprise number (4)   4 element   6 occurrence   8 length, 65535: variable
 *
 * Occurrence: 0 for the first field of an element in its template, 1 for the second, and so on.
 *
 * As JSON:
 *   {"semantic":"allOf","element":"ingressInterface","values":[1,8]}
 *   {"semantic":"ordered","template":300,"records":[{"mplsTopLabelStackSection":"0x000010",…},…]}
 *   {"semantic":"exactlyOneOf","lists":[{"template":300,"records":[…]},…]}
 *
 * Semantics are noneOf, exactlyOneOf, oneOrMoreOf, allOf, ordered, undefined (RFC 6313 section
 * 4.4), or a number that has no name yet. Fields of no octets are left out.
 *
 * Nothing here trusts a length: lists nest at most STRUCTURED_DEPTH_MOST deep, and what is
 * malformed anywhere is malformed as a whole, and printed by nobody as a list.
 *
 * Pure functions; any thread. */
#ifndef WEIR_FLOW_STRUCTURED_H
#define WEIR_FLOW_STRUCTURED_H

#include "base/buffer.h"
#include "base/status.h"
#include "flow/vector.h"

#define STRUCTURED_DEPTH_MOST 16u
#define STRUCTURED_TEMPLATES_MOST 16384u /* octets of definitions for one record */
#define STRUCTURED_DEFINITION 4u         /* octets before the fields of a definition */
#define STRUCTURED_FIELD 10u

/* IE_BASIC_LIST, IE_SUBTEMPLATE_LIST or IE_SUBTEMPLATE_MULTILIST when the registry has `key` as one
 * (enterprise elements too), else IE_OCTET_ARRAY. */
enum ie_type structured_type(ie_key key);

/* Appends the definition of a template in the form above; false when nobody knows it. */
typedef bool (*structured_define)(void *context, uint16_t id, struct buffer *definitions);

/* Walks a list whole and appends to `definitions` those that it needs and that are not there yet.
 * WEIR_EMALFORMED: not a list of RFC 6313, or nested too deep. WEIR_ENOTFOUND: `define` did not
 * know a template. WEIR_ELIMIT: more than STRUCTURED_TEMPLATES_MOST. WEIR_ENOMEM. The definitions
 * gathered until then stay, and do no harm. */
enum weir_status structured_collect(enum ie_type type, struct octets list, structured_define define,
                                    void *context, struct buffer *definitions);

/* Appends the list as JSON. False: malformed, or a definition is missing; `out` is then as
 * before. */
bool structured_print_json(struct buffer *out, enum ie_type type, struct octets list,
                           struct octets definitions);

#endif
