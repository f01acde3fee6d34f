/* weird_upkeep.c - the words that look after the store: compact, backup; and what of it goes on
 * while weird serves, or ends an import. */
#include "weird.h"
#include <inttypes.h>
#include <stdio.h>

#define DAY_MS (INT64_C(24) * 60 * MINUTE_MS)

struct upkeep_settings weird_upkeep_settings(const struct weird_settings *s)
{
    return (struct upkeep_settings){.retain_ms = s->retain_days * DAY_MS,
                                    .retain_octets = s->retain_size,
                                    .retain_rollups_ms = s->retain_rollups_days * DAY_MS};
}

enum weir_status weird_tidy(const struct weird_settings *s, struct store *store,
                            struct upkeep_report *report, struct weir_error *error)
{
    struct progress work = {"compacting", clock_monotonic_us()};
    struct upkeep_settings settings = weird_upkeep_settings(s);
    enum weir_status status =
        store_upkeep(store, &settings, progress_draw_store, &work, report, error);
    progress_clear();
    return status;
}

int weird_compact(struct weird_settings *s, int operands, char **operand)
{
    struct weir_error error = {0};
    struct store *store;
    struct store_status state = {0};
    struct upkeep_report report = {0};
    uint64_t start_us = clock_monotonic_us();
    if (operands > 0)
        return weird_usage("compact: '%s' is too much", operand[0]);
    if (store_open(s->data, STORE_WRITE, &store, &error) != WEIR_OK)
        return weird_complain(&error, 1);
    enum weir_status status = weird_tidy(s, store, &report, &error);
    if (status == WEIR_OK)
        status = store_status(store, &state, &error);
    if (status == WEIR_OK)
        state.file_octets = store_put_away(store);
    else
        store_close(store);
    if (status != WEIR_OK)
        return weird_complain(&error, 1);
    printf("{\"merged\":%" PRIu64 ",\"made\":%" PRIu64 ",\"removed\":%" PRIu64
           ",\"records\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"octets\":%" PRIu64
           ",\"seconds\":%.3f}\n",
           report.blocks_merged, report.blocks_made, report.records_removed, state.records,
           state.blocks, state.file_octets, (double)(clock_monotonic_us() - start_us) / 1e6);
    return 0;
}

int weird_backup(struct weird_settings *s, int operands, char **operand)
{
    struct weir_error error = {0};
    struct store *store;
    struct progress work = {"copying", clock_monotonic_us()};
    if (operands != 1)
        return weird_usage("backup: one file to make is expected");
    if (store_open(s->data, STORE_READ_ONLY, &store, &error) != WEIR_OK)
        return weird_complain(&error, 1);
    enum weir_status status = store_backup(store, operand[0], progress_draw_store, &work, &error);
    progress_clear();
    store_close(store);
    return status == WEIR_OK ? 0 : weird_complain(&error, 1);
}
