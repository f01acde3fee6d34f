/* handover.c - batches, account and checkpoints leave together; new knowledge comes in between
 * (ingest_private.h). */
#include "base/log.h"
#include "base/time.h"
#include "ingest/heard.h"
#include "ingest/ingest_private.h"
#include "select/selection.h"
#include "select/tag.h"
#include <stdlib.h>
#include <string.h>

struct batch *ingest_give_back(struct batch *full, struct account *account)
{
    if (account)
        account_free(account);
    free(account);
    if (full)
        batch_reset(full);
    return full;
}

/* What was counted when there was no memory for a row: in one of nobody (flow/account.h), as soon
 * as there is. */
static void take_nowhere(struct ingest *in)
{
    static const struct account_counts none;
    struct account_key nobody;
    memset(&nobody, 0, sizeof nobody);
    nobody.minute_ms = minute_of(in->stats.last_received_ms);
    if (memcmp(&in->nowhere.counts, &none, sizeof none) == 0)
        return;
    struct account_row *row = account_book_row(in->book, &nobody);
    if (!row)
        return;
    if (!row->first_heard_ms)
        row->first_heard_ms = row->last_heard_ms = in->stats.last_received_ms;
    account_counts_add(&row->counts, &in->nowhere.counts);
    in->nowhere.counts = none;
}

/* The account since the last time, with checkpoints; NULL when there is none, or no memory (then it
 * stays in the book for the next time). */
static struct account *take_account(struct ingest *in)
{
    take_nowhere(in);
    if (account_book_empty(in->book) && !sessions_changed(in->sessions))
        return NULL;
    struct account *account = calloc(1, sizeof *account);
    if (!account || account_book_take(in->book, account) != WEIR_OK) {
        free(account);
        return NULL;
    }
    account->checkpoints = sessions_take_checkpoints(in->sessions, &account->checkpoint_count);
    return account;
}

static void give_tags(struct ingest *in)
{
    struct batch *b = in->batches[RECORD_FLOW];
    if (in->knowledge && knowledge_has_tags(in->knowledge))
        (void)tag_batch(knowledge_tags(in->knowledge), b);
}

static bool has_rows(const struct ingest *in, enum record_kind kind)
{
    return in->batches[kind] && batch_rows(in->batches[kind]) > 0;
}

static const struct selection *selection_of(const struct ingest *in)
{
    return in->knowledge ? knowledge_selection(in->knowledge) : NULL;
}

/* So that a full batch has room for what selection adds. */
static void reserve(struct ingest *in, enum record_kind kind)
{
    if (selection_of(in) && in->batches[kind] && !has_rows(in, kind))
        selection_reserve(in->batches[kind]);
}

/* Tags first: they are of the addresses that came. False: there is nothing (left) to hand on. */
static bool select_rows(struct ingest *in, enum record_kind kind)
{
    const struct selection *s = selection_of(in);
    struct batch *b = in->batches[kind];
    const int64_t received_ms = in->stats.last_received_ms;
    if (!has_rows(in, kind))
        return false;
    if (kind == RECORD_FLOW)
        give_tags(in);
    if (!s)
        return true;
    if (!in->selection)
        in->selection = selection_work_new();
    if (!in->selection)
        selection_give_up(b, received_ms, in->book, &in->nowhere.counts);
    if (!in->selection || selection_apply(s, in->selection, b, received_ms, in->book,
                                          &in->nowhere.counts) != WEIR_OK) {
        /* Rather nothing than records as they came, which may be nobody's business. */
        log_error("collector", "no memory to select and anonymise: %u records are given up",
                  batch_rows(b));
        in->trouble = WEIR_ENOMEM;
        batch_reset(b);
    } else if (batch_rows(b) == 0) {
        batch_reset(b);
    }
    return has_rows(in, kind);
}

static void hand_on(struct ingest *in, enum record_kind kind, struct account *account)
{
    in->batches[kind] = in->output.take(in->output.context, in->batches[kind], account);
    reserve(in, kind);
}

static bool have_batch(struct ingest *in, enum record_kind kind)
{
    if (!in->batches[kind])
        in->batches[kind] = batch_new(in->settings.batch_rows, kind);
    return in->batches[kind] != NULL;
}

/* The account counts records of both kinds, so both go: options first, the account with the
 * last. */
static void hand_on_all(struct ingest *in)
{
    bool flows = select_rows(in, RECORD_FLOW), options = select_rows(in, RECORD_OPTIONS);
    struct account *account = take_account(in);
    if (account && in->settings.heard)
        heard_add(in->settings.heard, account);
    if (options)
        hand_on(in, RECORD_OPTIONS, flows ? NULL : account);
    if (flows)
        hand_on(in, RECORD_FLOW, account);
    if (!options && !flows && account)
        (void)in->output.take(in->output.context, NULL, account);
}

void handover_take_knowledge(struct ingest *in)
{
    if (!atomic_load_explicit(&in->knowledge_waits, memory_order_acquire))
        return;
    pthread_mutex_lock(&in->lock);
    struct knowledge *old = in->knowledge;
    in->knowledge = in->next_knowledge;
    in->next_knowledge = NULL;
    atomic_store(&in->knowledge_waits, false);
    pthread_mutex_unlock(&in->lock);
    in->knowledge_version++;
    knowledge_unref(old);
    reserve(in, RECORD_FLOW);
    reserve(in, RECORD_OPTIONS);
}

bool handover_batch(struct ingest *in, enum record_kind kind)
{
    if (has_rows(in, kind)) {
        hand_on_all(in);
        handover_take_knowledge(in);
    } else if (in->batches[kind]) {
        batch_reset(in->batches[kind]); /* columns of sets that held no record */
    }
    return have_batch(in, kind);
}

enum weir_status handover_all(struct ingest *in)
{
    hand_on_all(in);
    handover_take_knowledge(in);
    bool flows = have_batch(in, RECORD_FLOW), options = have_batch(in, RECORD_OPTIONS);
    return flows && options ? WEIR_OK : WEIR_ENOMEM;
}
