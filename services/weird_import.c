/* weird_import.c - `weird import FILE…`: files through collector and store, as fast as it goes. */
#include "block/arrange.h"
#include "collector.h"
#include "weird.h"
#include <inttypes.h>
#include <stdio.h>

struct import_state {
    struct store *store;
    uint64_t start_us;
};

static enum weir_status to_store(void *context, const uint8_t *block, size_t length,
                                 struct weir_error *error)
{
    struct import_state *state = context;
    enum store_outcome outcome;
    return store_append_own(state->store, block, length, &outcome, error);
}

static void draw(void *context, uint64_t done, uint64_t all, uint64_t records)
{
    struct import_state *state = context;
    char what[48];
    snprintf(what, sizeof what, "%" PRIu64 " records", records);
    progress_draw(what, done, all, state->start_us);
}

static enum weir_status new_collector(struct weird_settings *s, struct import_state *state,
                                      struct collector **out, struct weir_error *error)
{
    struct catalogue catalogue;
    struct collector_settings settings = {.batch_rows = (uint32_t)s->batch_rows & ~63u,
                                          .known_only = s->known_only,
                                          .lasting = s->compact};
    char keys[KEY_FOLDER_SIZE];
    struct sink sink = {to_store, state};
    if (s->compact && !settings.batch_rows)
        settings.batch_rows = ARRANGED_ROWS_MOST;
    enum weir_status status =
        store_incarnation(state->store, settings.id, &settings.incarnation, error);
    if (status == WEIR_OK)
        status = collector_new(&settings, &sink, out, error);
    if (status != WEIR_OK)
        return status;
    status = store_catalogue(state->store, &catalogue, error);
    if (status == WEIR_OK) {
        weird_key_folder(s, keys);
        catalogue.snapshot.key_folder = keys;
        status = collector_update(*out, &catalogue.snapshot, error);
        catalogue_free(&catalogue);
    }
    if (status != WEIR_OK)
        collector_free(*out);
    return status;
}

static void print_report(const struct import_report *r, uint64_t start_us)
{
    char octets[WIDE_TEXT_SIZE], packets[WIDE_TEXT_SIZE];
    printf("{\"datagrams\":%" PRIu64 ",\"records\":%" PRIu64 ",\"options\":%" PRIu64
           ",\"octets\":%s,\"packets\":%s,\"missing\":%" PRIu64 ",\"undecodable\":%" PRIu64
           ",\"seconds\":%.3f}\n",
           r->datagrams, r->records, r->options, wide_print(r->octets, octets),
           wide_print(r->packets, packets), r->missing, r->undecodable,
           (double)(clock_monotonic_us() - start_us) / 1e6);
}

int weird_import(struct weird_settings *s, int operands, char **operand)
{
    struct weir_error error = {0};
    struct import_state state = {.start_us = clock_monotonic_us()};
    struct collector *collector;
    struct import_report report = {0};
    struct upkeep_report upkeep;
    if (operands == 0)
        return weird_usage("import: which files?");
    if (store_open(s->data, STORE_CREATE, &state.store, &error) != WEIR_OK)
        return weird_complain(&error, 1);
    enum weir_status status = new_collector(s, &state, &collector, &error);
    if (status == WEIR_OK) {
        status = collector_import(collector, (const char *const *)operand, (size_t)operands, draw,
                                  &state, &report, &error);
        progress_clear();
        print_report(&report, state.start_us);
        collector_free(collector);
    }
    int code = status == WEIR_OK ? 0 : weird_complain(&error, 1);
    if (s->compact && (status == WEIR_OK || report.files_refused) &&
        weird_tidy(s, state.store, &upkeep, &error) != WEIR_OK)
        code = weird_complain(&error, 1);
    if (s->compact && code == 0)
        store_put_away(state.store);
    else
        store_close(state.store);
    return code;
}
