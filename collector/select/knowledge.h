/* knowledge.h - what administrators know, compiled for the collector's threads (declared in
 * ingest/ingest.h: knowledge_new, knowledge_ref, knowledge_unref). Read-only once made. */
#ifndef WEIR_COLLECTOR_KNOWLEDGE_H
#define WEIR_COLLECTOR_KNOWLEDGE_H

#include "flow/prefix.h"
#include "flow/source.h"

struct knowledge;
struct selection;
/* The tag table; never NULL. Lives as long as the knowledge. */
const struct prefix_table *knowledge_tags(const struct knowledge *k);
bool knowledge_has_tags(const struct knowledge *k);
/* What to do with records before they are stored; NULL: nothing. Lives as long as the knowledge. */
const struct selection *knowledge_selection(const struct knowledge *k);
/* Did an administrator describe it? Constant time. */
bool knowledge_is_device(const struct knowledge *k, const struct address *exporter);
/* The sampling rate configured for a device, 0 when none is. Constant time. */
double knowledge_sampling_rate(const struct knowledge *k, const struct address *exporter);

#endif
