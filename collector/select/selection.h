/* selection.h - what administrators said about records (flow/selection.h), compiled, and carried
 * out on a batch before it becomes a block:
 *
 *   roles ─▶ flow types ─▶ anonymisation ─▶ aggregation ─▶ the rest goes
 *
 * Filters of flow types see records as they came.
 *
 * Threads: a selection is read-only; a selection_work belongs to one thread. */
#ifndef WEIR_COLLECTOR_SELECTION_H
#define WEIR_COLLECTOR_SELECTION_H

#include "flow/account.h"
#include "flow/batch.h"
#include "flow/source.h"

struct selection;
/* WEIR_ENOMEM, or what a key file is wrong with. *out is NULL when there is nothing to carry out.
 */
enum weir_status selection_new(const struct catalogue_snapshot *snapshot, struct selection **out,
                               struct weir_error *error);
void selection_free(struct selection *s);

struct selection_work;
struct selection_work *selection_work_new(void); /* NULL: no memory */
void selection_work_free(struct selection_work *w);

/* Makes the columns that selection fills, while the batch has room for them: on an empty batch. */
void selection_reserve(struct batch *b);

/* Carries it out; records of options are anonymised only (flow/selection.h says by which flow
 * types). What flow types drop is counted in the book. WEIR_ENOMEM: the batch must not be handed on
 * as it is, and its records are counted as selection_give_up() does. `nowhere` is counted in when
 * there is no memory for a row of the book. `received_ms` is when the newest record was received:
 * there records of exporters are counted whose clock is off (ingest/clock.h). */
enum weir_status selection_apply(const struct selection *s, struct selection_work *w,
                                 struct batch *b, int64_t received_ms, struct account_book *book,
                                 struct account_counts *nowhere);

/* Counts a batch's records, in the book, as dropped rather than kept. */
void selection_give_up(struct batch *b, int64_t received_ms, struct account_book *book,
                       struct account_counts *nowhere);

#endif
