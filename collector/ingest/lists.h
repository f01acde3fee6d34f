/* lists.h - gives records with RFC 6313 lists the definitions that the lists stand on, as long as
 * the session still has them (flow/structured.h says why and how). Neighbours: sets.c calls it
 * behind wire_decode(). Threads: one. */
#ifndef WEIR_COLLECTOR_LISTS_H
#define WEIR_COLLECTOR_LISTS_H

#include "base/buffer.h"
#include "ingest/templates.h"

/* Makes the column for a template that has lists; results are batch_column()'s. */
enum weir_status lists_bind(struct batch *b);
/* Rows [first, first + rows) of `known`, whose fields are filled. Returns how many lists stay plain
 * octets: malformed, or on a template that is not known. `room` is scratch. */
uint32_t lists_describe(const struct known_template *known, struct templates *templates,
                        struct batch *b, uint32_t first, uint32_t rows, struct buffer *room);

#endif
