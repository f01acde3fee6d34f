/* weird_tools.c - the words that work on the data directory itself: records, verify, retag. */
#include "weird.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum weir_status print_line(void *context, const char *text, size_t length)
{
    (void)context;
    return fwrite(text, 1, length, stdout) == length ? WEIR_OK : WEIR_EIO;
}

static void draw_beside(void *context, uint64_t done, uint64_t all)
{
    const struct progress *p = context;
    progress_draw_beside_output(p->what, done, all, p->start_us);
}

int weird_records(struct weird_settings *s, int operands, char **operand)
{
    struct weir_error error = {0};
    struct store *store;
    struct interval when = {s->from_ms, s->to_ms};
    struct progress work = {"writing", clock_monotonic_us()};
    if (operands > 0)
        return weird_usage("records: '%s' is too much", operand[0]);
    weird_reader_may_leave();
    if (store_open(s->data, STORE_READ_ONLY, &store, &error) != WEIR_OK)
        return weird_complain(&error, 1);
    enum weir_status status =
        store_records(store, s->filter, when, print_line, draw_beside, &work, &error);
    progress_clear();
    if (status == WEIR_EIO && !error.message[0]) /* print_line() has no words */
        status = weir_fail(&error, WEIR_EIO, NULL, "cannot write: %s", strerror(errno));
    store_close(store);
    if (fflush(stdout) != 0 && status == WEIR_OK)
        status = weir_fail(&error, WEIR_EIO, NULL, "cannot write: %s", strerror(errno));
    if (status == WEIR_ESYNTAX)
        return weird_usage("--filter: %s", error.message);
    return status == WEIR_OK ? 0 : weird_complain(&error, 1);
}

static void tell_difference(void *context, const char *text)
{
    (void)context;
    progress_clear();
    puts(text);
}

#define BARE_PAGES                                                                                 \
    "note: %" PRIu64 " pages without a checksum, written by another program or before there were"  \
    " any: no damage;\n      `weird backup FILE` makes a copy in which every page has one\n"

int weird_verify(struct weird_settings *s, int operands, char **operand)
{
    struct weir_error error = {0};
    struct progress work = {"verifying", clock_monotonic_us()};
    struct store *store;
    struct store_status state = {0};
    struct verify_report report = {0};
    if (operands > 0)
        return weird_usage("verify: '%s' is too much", operand[0]);
    if (store_open(s->data, STORE_READ_ONLY, &store, &error) != WEIR_OK)
        return weird_complain(&error, 1);
    enum weir_status status =
        store_verify(store, tell_difference, progress_draw_store, &work, &report, &error);
    if (status == WEIR_OK)
        status = store_status(store, &state, &error);
    progress_clear();
    store_close(store);
    if (status != WEIR_OK)
        return weird_complain(&error, 1);
    if (report.bare_pages)
        printf(BARE_PAGES, report.bare_pages);
    printf("%s: %" PRIu64 " blocks, %" PRIu64 " flow records, %" PRIu64 " roll-up rows, %" PRIu64
           " differences\n", report.differences ? "NOT proven" : "proven", state.blocks,
           state.records, state.rollup_rows, report.differences);
    return report.differences ? 1 : 0;
}

int weird_retag(struct weird_settings *s, int operands, char **operand)
{
    struct weir_error error = {0};
    struct progress work = {"retagging", clock_monotonic_us()};
    struct store *store;
    uint64_t changed = 0;
    if (operands > 0)
        return weird_usage("retag: '%s' is too much", operand[0]);
    if (store_open(s->data, STORE_WRITE, &store, &error) != WEIR_OK)
        return weird_complain(&error, 1);
    enum weir_status status = store_retag(store, progress_draw_store, &work, &changed, &error);
    progress_clear();
    store_close(store);
    if (status != WEIR_OK)
        return weird_complain(&error, 1);
    printf("%" PRIu64 " blocks changed\n", changed);
    return 0;
}
