/* test_query_odd.c - what honest exporters do not send: sampling rates that no sampling has, times
 * and counters at the ends of their ranges, one element in several widths, and columns that are not
 * what their directory says. */
#include "dbcomponent/query_data.h"
#include "query/keys.h"
#include "query/tally.h"

#include <float.h>
#include <math.h>

static struct store *store;

static struct flow plain_flow(void)
{
    struct flavour f = {.ipv4 = true, .rate = 1, .exporters = 1, .from_ms = DATA_FROM_MS,
                        .to_ms = DATA_FROM_MS + MINUTE_MS};
    struct flow w;
    random_flow(&w, &f);
    w.octets = 1000;
    w.packets = 3;
    return w;
}

static void open_store(void)
{
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, NULL), WEIR_OK);
}

static void close_store(void)
{
    store_close(store);
    folder_remove();
}

static struct totals ask(struct totals_request r)
{
    struct totals t;
    struct weir_error e = {0};
    if (r.when.from_ms == 0 && r.when.to_ms == 0)
        r.when = INTERVAL_ALL;
    enum weir_status status = store_totals(store, &r, &t, &e);
    if (status != WEIR_OK)
        fprintf(stderr, "%s: %s\n", e.field, e.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    return t;
}

/* One flow a rate; the estimate is exact to the octet, and what can not be a rate is unknown. */
static void odd_rates(void)
{
    static const struct {
        double rate;
        uint64_t octets; /* of 1000 */
        bool unknown;
    } cases[] = {
        {0, 1000, true},       {-5, 1000, true},     {NAN, 1000, true},   {INFINITY, 1000, true},
        {DBL_MIN, 1000, true}, {1e300, 1000, true},  {1, 1000, false},    {1.0 / 3, 333, false},
        {2.4999, 2500, false}, {2.4994, 2499, false}, {4294967296.0, 4294967296000, false},
        {128.125, 128125, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int mixed = 0; mixed < 2; mixed++) {
            struct flow w[2] = {plain_flow(), plain_flow()};
            w[0].rate = cases[i].rate;
            w[1].rate = mixed ? 10 : cases[i].rate;
            open_store();
            append_block(store, w, 2, 1, NULL);
            for (int source = SOURCE_ROLLUP; source <= SOURCE_BLOCKS; source++) {
                struct totals t =
                    ask((struct totals_request){.source = (enum answer_source)source});
                uint64_t both = mixed ? cases[i].octets + 10000 : t.rows[0].estimated.octets;
                CU_ASSERT_EQUAL(t.rows[0].raw.octets, 2000);
                CU_ASSERT_EQUAL(t.rows[0].estimated.octets, both);
                if (!mixed) /* twice the same, rounded once */
                    CU_ASSERT(fabs((double)both - 2 * (double)cases[i].octets) <= 1);
                CU_ASSERT_EQUAL(t.account.unknown_rate.flows,
                                cases[i].unknown ? (mixed ? 1 : 2) : 0);
                totals_free(&t);
            }
            close_store();
        }
}

static void ends_of_ranges(void)
{
    struct flow w[3] = {plain_flow(), plain_flow(), plain_flow()};
    open_store();
    w[0].end_ms = 0;
    w[1].end_ms = INT64_C(1) << 47;
    w[2].octets = UINT64_MAX / 2;
    w[2].packets = UINT64_MAX / 2;
    append_block(store, w, 3, 1, NULL);
    struct totals t = ask((struct totals_request){.source = SOURCE_BLOCKS});
    CU_ASSERT_EQUAL(t.rows[0].raw.octets, UINT64_MAX / 2 + 2000);
    totals_free(&t);
    const char *by[] = {"octetDeltaCount", "packets"};
    t = ask((struct totals_request){.by = by, .by_count = 2, .source = SOURCE_BLOCKS});
    CU_ASSERT_EQUAL(t.row_count, 2);
    CU_ASSERT_EQUAL(t.rows[0].keys[0].number, UINT64_MAX / 2);
    totals_free(&t);
    t = ask(
        (struct totals_request){.when = {INT64_C(1) << 47, INT64_MAX}, .source = SOURCE_BLOCKS});
    CU_ASSERT_EQUAL(t.rows[0].raw.flows, 1);
    totals_free(&t);
    t = ask((struct totals_request){.when = {0, (INT64_C(1) << 47) + 1},
                                    .step_ms = (INT64_C(1) << 47), .source = SOURCE_BLOCKS});
    CU_ASSERT_EQUAL(t.row_count, 2);
    CU_ASSERT_EQUAL(t.rows[1].bin_ms, INT64_C(1) << 47);
    totals_free(&t);
    close_store();
}

/* Without a step the sum of nothing is a row; a bin with nothing in it is none, be it the only
 * one. */
static void nothing_matched(void)
{
    const struct interval hour = {0, 3600000};
    const char *by[] = {"exporter"};
    open_store();
    for (int source = SOURCE_AUTO; source <= SOURCE_BLOCKS; source++) {
        const struct totals_request asked[] = {
            {.when = hour},
            {.when = hour, .step_ms = 3600000},
            {.when = hour, .step_ms = 60000},
            {.when = hour, .step_ms = INT64_MAX},
            {.when = hour, .step_ms = 3600000, .percentile = 95},
            {.when = hour, .by = by, .by_count = 1},
            {.when = hour, .by = by, .by_count = 1, .step_ms = 3600000},
        };
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
            struct totals_request r = asked[i];
            r.source = (enum answer_source)source;
            struct totals t = ask(r);
            CU_ASSERT_EQUAL(t.row_count, i == 0);
            CU_ASSERT_EQUAL(t.groups, i == 0);
            CU_ASSERT_EQUAL(t.account.raw.flows, 0);
            CU_ASSERT_EQUAL(t.percentile_count, i == 4);
            totals_free(&t);
        }
    }
    close_store();
}

/* The same element as 4 octets in one block and as octets of another length in the next. */
static void widths_that_differ(void)
{
    struct batch *b = batch_new(64, RECORD_FLOW);
    struct block_encoder *e = block_encoder_new(1);
    CU_ASSERT_FATAL(b && e);
    open_store();
    for (uint64_t n = 0; n < 4; n++) {
        static const uint8_t widths[] = {4, 8, 0, 4};
        struct buffer bytes = {0};
        enum store_outcome outcome;
        size_t i;
        struct block_id id = {.collector = {3}, .sequence = n + 1};
        batch_reset(b);
        batch_append(b, 2);
        CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(16), widths[n], &i), WEIR_OK);
        if (widths[n] == 0) {
            batch_put_octets(b, i, 0, "\1\2\3", 3);
            batch_put_octets(b, i, 1, "", 0);
        } else {
            uint64_t numbers[2] = {65000, 65001};
            for (uint32_t r = 0; r < 2; r++)
                memcpy((char *)batch_column_at(b, i)->values + r * widths[n], &numbers[r],
                       widths[n]);
        }
        batch_mark(b, i, 0, n == 3 ? 1 : 2); /* and one row lacks it */
        CU_ASSERT_EQUAL_FATAL(batch_column(b, WEIR_FLOW_END, 8, &i), WEIR_OK);
        batch_mark(b, i, 0, 2);
        CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &bytes, NULL), WEIR_OK);
        CU_ASSERT_EQUAL_FATAL(store_append(store, bytes.bytes, bytes.length, &outcome, NULL),
                              WEIR_OK);
        buffer_free(&bytes);
    }
    const char *by[] = {"bgpSourceAsNumber"};
    struct totals t = ask((struct totals_request){.by = by, .by_count = 1, .order = MEASURE_FLOWS,
                                                  .source = SOURCE_BLOCKS});
    CU_ASSERT_EQUAL_FATAL(t.row_count, 5); /* two numbers, two texts, absent */
    CU_ASSERT(t.rows[0].keys[0].number == 65000 && t.rows[0].raw.flows == 3);
    CU_ASSERT_EQUAL(t.rows[0].keys[0].width, 4);
    CU_ASSERT(t.rows[1].keys[0].number == 65001 && t.rows[1].raw.flows == 2);
    CU_ASSERT(t.rows[2].keys[0].width == 0 && t.rows[2].keys[0].text.length == 0);
    CU_ASSERT(t.rows[3].keys[0].width == 0 && t.rows[3].keys[0].text.length == 3);
    CU_ASSERT(t.rows[4].keys[0].absent);
    totals_free(&t);
    close_store();
    block_encoder_free(e);
    batch_free(b);
}

/* ---- columns that lie ---- */

enum lie { LIE_NONE, LIE_ABOVE, LIE_BELOW, LIE_LACKING, LIE_SHAPE };

static enum weir_status add_lying(enum lie lie, unsigned direct_bits, bool local, uint8_t form)
{
    enum { ROWS = 600 };
    static uint16_t values[ROWS], codes[ROWS];
    static uint64_t measures[ROWS], present[(ROWS + 63) / 64];
    static uint8_t wide[16 * ROWS];
    struct totals_key key;
    struct layout l;
    struct tally t;
    struct arena a = {0};
    struct budget budget = {.most = 64 << 20};
    const struct bins bins = {.step = 1, .count = 1};
    struct weir_error e = {0};
    for (uint32_t i = 0; i < ROWS; i++) {
        values[i] = (uint16_t)(100 + i % 8);
        codes[i] = (uint16_t)(i % 8);
    }
    uint16_t *target = form == VECTOR_FLAT ? &values[577] : &values[5];
    *target = lie == LIE_ABOVE ? 60000 : lie == LIE_BELOW ? 3 : *target;
    memset(present, 0xff, sizeof present);
    present[9] = lie == LIE_LACKING ? 0xff : (UINT64_C(1) << (ROWS % 64)) - 1;
    CU_ASSERT_EQUAL_FATAL(key_parse("sourceTransportPort", &key, NULL), WEIR_OK);
    layout_start(&l, &key, 1, 1);
    survey_number(&l.components[0], 2, 100, 107);
    survey_number(&l.components[l.rate], 8, 0, 0);
    layout_finish(&l);
    CU_ASSERT_FATAL(tally_init(&t, &l, &bins, loops_best(), &budget, 3, direct_bits));
    struct vector v = {.key = key.key,
                       .width = lie == LIE_SHAPE ? 16 : 2,
                       .form = form,
                       .rows = ROWS,
                       .code_count = 8,
                       .codes = codes,
                       .values = lie == LIE_SHAPE ? (void *)wide : values,
                       .present = lie == LIE_LACKING ? present : NULL};
    struct vector octets = {.width = 8, .rows = ROWS, .values = measures};
    struct block_column column = {.key = key.key, .width = 2, .least = 100, .most = 107};
    struct run run = {.frame = {.rows = ROWS, .count = 1, .vectors = &v},
                      .selected_count = ROWS,
                      .octets = &octets,
                      .packets = &octets,
                      .columns = local ? &column : NULL,
                      .column_count = local};
    enum weir_status status = tally_add(&t, &run, &a, &e);
    if (status == WEIR_ECORRUPT)
        CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "sourceTransportPort"));
    tally_free(&t);
    arena_free(&a);
    CU_ASSERT_EQUAL(budget.used, 0);
    return status;
}

static void columns_that_lie(void)
{
    for (unsigned direct = 0; direct <= 3; direct += 3)
        for (int local = 0; local < 2; local++)
            for (uint8_t form = VECTOR_FLAT; form <= VECTOR_DICTIONARY; form += 2) {
                CU_ASSERT_EQUAL(add_lying(LIE_NONE, direct, local, form), WEIR_OK);
                CU_ASSERT_EQUAL(add_lying(LIE_ABOVE, direct, local, form), WEIR_ECORRUPT);
                CU_ASSERT_EQUAL(add_lying(LIE_BELOW, direct, local, form), WEIR_ECORRUPT);
                CU_ASSERT_EQUAL(add_lying(LIE_LACKING, direct, local, form), WEIR_ECORRUPT);
                CU_ASSERT_EQUAL(add_lying(LIE_SHAPE, direct, local, form), WEIR_ECORRUPT);
            }
}

/* Counters so large that their sums pass 2^64: the sum stays at the top, alone, of a selection and
 * by key, from blocks and from roll-ups, before and after compaction and what upkeep sums up. */
static void check_tops(const struct flow *flows, uint32_t n)
{
    static const struct {
        const char *filter, *by;
        enum answer_source source;
    } asked[] = {
        {"", NULL, SOURCE_BLOCKS},
        {"proto 6", NULL, SOURCE_BLOCKS},
        {"", "protocolIdentifier", SOURCE_BLOCKS},
        {"", "srcIP", SOURCE_BLOCKS},
        {"", NULL, SOURCE_ROLLUP},
        {"proto 6", NULL, SOURCE_ROLLUP},
        {"", "protocolIdentifier", SOURCE_ROLLUP},
    };
    unsigned __int128 all = 0, tcp = 0;
    for (uint32_t i = 0; i < n; i++) {
        all += flows[i].octets;
        tcp += flows[i].protocol == 6 ? flows[i].octets : 0;
    }
    CU_ASSERT(all > UINT64_MAX && tcp > UINT64_MAX);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct totals t = ask((struct totals_request){.by = &asked[i].by,
                                                      .by_count = asked[i].by != NULL,
                                                      .filter = asked[i].filter,
                                                      .source = asked[i].source});
        CU_ASSERT_EQUAL(t.account.raw.octets, UINT64_MAX);
        CU_ASSERT(t.row_count > 0 && t.rows[0].raw.octets == UINT64_MAX);
        CU_ASSERT(t.row_count < 2 || t.rows[t.row_count - 1].raw.octets < UINT64_MAX);
        totals_free(&t);
    }
}

static void sums_past_the_top(void)
{
    const struct upkeep_settings settings = {0};
    struct upkeep_report report;
    struct flow flows[800];
    open_store();
    for (uint32_t i = 0; i < 800; i++) {
        flows[i] = plain_flow();
        flows[i].src4 = 0x0a000000u + i % 90;
        flows[i].has_protocol = true;
        flows[i].protocol = i % 3 ? 6 : 17;
        if (i == 100 || i == 500 || i == 502)
            flows[i].octets = UINT64_MAX - (i == 500 ? 0 : 1u << 30);
    }
    append_block(store, flows, 400, 1, NULL);
    append_block(store, flows + 400, 400, 2, NULL);
    check_tops(flows, 800);
    CU_ASSERT_EQUAL(store_upkeep(store, &settings, NULL, NULL, &report, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(report.blocks_made, 1);
    CU_ASSERT(report.rollups_made > 0);
    check_tops(flows, 800);
    struct verify_report proof;
    CU_ASSERT_EQUAL(store_verify(store, NULL, NULL, NULL, &proof, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(proof.differences, 0);
    close_store();
}

UNIT_MAIN("query odd", {"sums past the top", sums_past_the_top}, {"odd rates", odd_rates},
          {"ends of ranges", ends_of_ranges}, {"widths that differ", widths_that_differ},
          {"columns that lie", columns_that_lie}, {"nothing matched", nothing_matched})
