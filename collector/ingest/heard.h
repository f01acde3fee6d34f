/* heard.h - who was heard since the collector started, and the account of each exporter, domain and
 * protocol from then on: for /metrics and for listing exporters that nobody described. Accounts are
 * added as they are handed on. Bounded: past HEARD_MOST rows the one longest without news leaves,
 * and its counts go on in one row for all such, with the address "::"; so sums stay whole.
 *
 * Threads: any; a lock inside. */
#ifndef WEIR_COLLECTOR_HEARD_H
#define WEIR_COLLECTOR_HEARD_H

#include "collector.h"

#define HEARD_MOST 65536u

struct heard;
struct heard *heard_new(void); /* NULL: no memory */
void heard_free(struct heard *h);
/* Adds rows and checkpoints (whose exporters were heard by an earlier run). Without memory they are
 * forgotten: this is for looking, not for the account. */
void heard_add(struct heard *h, const struct account *account);
/* A copy, sorted by exporter, domain, protocol; the caller frees it with free(). */
enum weir_status heard_list(struct heard *h, struct heard_exporter **out, size_t *count);

#endif
