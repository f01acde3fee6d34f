/* biflow.h - records of both directions, answered as two flows.
 *
 * RFC 5103 puts both directions of a conversation into one record: forward elements, and under
 * PEN 29305 those of the reverse direction. The record is kept as it came. Questions about totals,
 * matrices and series however ask for flows of one direction, so the reverse direction becomes a
 * row of its own behind the rows it was made from, marked by the element WEIR_DIRECTION:
 *
 *   reverse elements        become the elements they are the reverse of: counters, times, flags, …
 *   directional keys        change places: addresses, ports, prefixes, AS, interfaces, VRFs, MAC
 *                           addresses; source tags and destination tags follow from them
 *   what both share         is copied: protocol, application, flow id, sampling, …
 *   times                   of the reverse direction if the record has any, else the record's
 *   everything else         speaks of the forward direction alone, and is absent
 *
 * Where the reverse counters are zero there was no reverse direction, and no row is made. Records
 * that count by initiator and responder (IE 231, 232, 298, 299) and have no other counters are
 * answered the same way: the initiator's octets are the forward ones, the responder's come back.
 * NAT's post-translation elements stay with the forward row: what they are on the way back depends
 * on where the device measured.
 *
 * A made row is no record: accounts and sequences count the record once, `weird records` prints it
 * once. Threads: as a template. */
#ifndef WEIR_COLLECTOR_BIFLOW_H
#define WEIR_COLLECTOR_BIFLOW_H

#include "wire/template.h"

struct known_template;
struct biflow;

/* NULL: its records have one direction (or memory ended, or it has more than BIFLOW_FIELDS_MOST
 * fields: then the record is kept, and answers know its forward direction alone). */
#define BIFLOW_FIELDS_MOST 320u
struct biflow *biflow_new(const struct wire_template *t);
void biflow_free(struct biflow *f);
size_t biflow_memory(const struct biflow *f); /* octets */
/* The template as which the made rows are seen; the biflow's own. */
const struct known_template *biflow_template(const struct biflow *f);

/* Makes the columns that rows of the reverse direction need. To be called before the record's own
 * columns are bound; results are batch_column()'s. */
enum weir_status biflow_bind(struct biflow *f, struct batch *b);
/* How many of these records have a way back. */
uint32_t biflow_count(const struct biflow *f, const struct wire_template *t, struct batch *b,
                      uint32_t first, uint32_t rows);
/* Makes the rows for records [first, first + rows) of template `t`, whose fields are filled; *made
 * rows begin at *at, with all but Weir's derived values. The batch must be bound and have room for
 * `rows` more. WEIR_ENOMEM, WEIR_ELIMIT: nothing was made. */
enum weir_status biflow_make(struct biflow *f, const struct wire_template *t, struct batch *b,
                             uint32_t first, uint32_t rows, uint32_t *at, uint32_t *made);

#endif
