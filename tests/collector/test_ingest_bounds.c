/* test_ingest_bounds.c - the decoding engine at its bounds: small batches, many columns, many
 * exporters, no memory, octets cut and bent. Neighbour: test_ingest.c. */
#include "ingest_output.h"
#include <time.h>

/* ---- batches and bounds ---- */

/* Batches of 64 rows: every record once, and the account handed over never says more than was. */
static void small_batches(void)
{
    start((struct ingest_settings){.batch_rows = 64});
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, plain, 6);
    write_plain_data(1000);
    (void)send_it();
    CU_ASSERT_EQUAL(out.counts.records, out.count);
    finish();
    CU_ASSERT_EQUAL_FATAL(out.count, 1000);
    CU_ASSERT_EQUAL(out.counts.records, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(out.rows[i].element[8], i);
    CU_ASSERT_EQUAL(out.batches, 16);
}

/* More columns than a batch has: it is handed on early, and nothing is lost. */
static void many_columns(void)
{
    start((struct ingest_settings){0});
    for (uint32_t t = 0; t < 6; t++) {
        uint16_t pairs[800];
        for (uint16_t f = 0; f < 400; f++) {
            pairs[2 * f] = (uint16_t)(600 + 400 * t + f);
            pairs[2 * f + 1] = 1;
        }
        write_ipfix(&w, T0, 2 * t, 7);
        write_template(&w, (uint16_t)(256 + t), pairs, 400);
        open_set(&w, (uint16_t)(256 + t));
        memset(buffer_extend(&w.b, 800), 5, 800);
        close_set(&w);
        (void)send_it();
    }
    finish();
    CU_ASSERT_EQUAL(out.count, 12);
    CU_ASSERT_EQUAL(out.counts.records, 12);
    CU_ASSERT(out.batches >= 3);
    CU_ASSERT_EQUAL(out.counts.undecodable_octets, 0);
}

/* The receiver has no batch to give: one is made, or records are counted as given up. */
static void nothing_back(void)
{
    start((struct ingest_settings){.batch_rows = 64});
    out.give_nothing_back = true;
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, plain, 6);
    write_plain_data(500);
    CU_ASSERT_EQUAL(send_it(), WEIR_OK);
    finish();
    CU_ASSERT_EQUAL(out.count, 500);
}

static void a_million_exporters(void)
{
    static const struct v5_flow flow = {1, 2, 3, 4, 5, 6};
    struct ingest_stats stats;
    start((struct ingest_settings){.exporters_most = 1000});
    write_netflow5(&w, 1000, T0, 0, 0, &flow, 1);
    struct datagram d = {
        .bytes = w.b.bytes, .length = w.b.length, .port = 2055, .received_ms = MS(T0)};
    for (uint32_t i = 0; i < 1000000; i++) {
        d.from = address_from_ipv4(0x0a000000 + i);
        CU_ASSERT_EQUAL(ingest_datagram(in, &d), WEIR_OK);
    }
    ingest_stats(in, &stats);
    CU_ASSERT_EQUAL(stats.sessions, 1000);
    CU_ASSERT_EQUAL(stats.exporters, 1000);
    CU_ASSERT_EQUAL(stats.records, 1000000);
    finish();
    CU_ASSERT_EQUAL(out.counts.records, 1000000);
    CU_ASSERT_EQUAL(out.checkpoints, 1000000); /* those that left said where they stood */
}

/* Many sets that wait, and datagrams that define thousands of templates none of them waits for: a
 * look-up that walks what waits would take minutes here. */
static void many_parked_many_templates(void)
{
    static const uint16_t one[] = {8, 4};
    start((struct ingest_settings){0});
    for (uint32_t i = 0; i < 4000; i++) {
        write_ipfix(&w, T0, 16 * i, 7);
        for (uint16_t set = 0; set < 16; set++) {
            open_set(&w, 60000);
            buffer_put_u32be(&w.b, i);
            close_set(&w);
        }
        (void)send_it();
    }
    clock_t before = clock();
    for (uint32_t i = 0; i < 4; i++) {
        write_ipfix(&w, T0, 64000 + i, 7);
        open_set(&w, 2);
        for (uint16_t id = 256; id < 3000; id++) {
            buffer_put_u16be(&w.b, id);
            buffer_put_u16be(&w.b, 1);
            put_fields(&w, one, 1);
        }
        close_set(&w);
        (void)send_it();
    }
    CU_ASSERT((double)(clock() - before) / CLOCKS_PER_SEC < 15.0);
    write_ipfix(&w, T0, 64000, 7);
    write_template(&w, 60000, one, 1);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL(out.counts.parked_sets, 64000);
    CU_ASSERT_EQUAL(out.counts.unparked_sets, 64000);
    CU_ASSERT_EQUAL(out.counts.records, 64000);
    for (uint32_t i = 0; i < ROWS_MOST && out.count == ROWS_MOST; i++)
        CU_ASSERT_EQUAL(out.rows[i].element[8], i / 16); /* in the order they came */
}

/* A session that leaves takes its parked sets with it, counted. */
static void leaving_with_parked_sets(void)
{
    start((struct ingest_settings){.exporters_most = 2});
    for (uint32_t i = 0; i < 10; i++) {
        write_ipfix(&w, T0, 0, i);
        write_plain_data(2);
        (void)send_it();
    }
    finish();
    CU_ASSERT_EQUAL(out.counts.parked_sets, 10);
    CU_ASSERT_EQUAL(out.counts.expired_sets, 8);
}

/* A message cut at every octet, and every octet of it set to edge values: nothing but counts. */
static void cut_and_bent(void)
{
    static const uint16_t fields[] = {8, 4, 96, 65535, 0x8001, 65535, 1, 8};
    static const uint8_t edges[] = {0, 1, 2, 3, 4, 127, 128, 254, 255};
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, fields, 4);
    open_set(&w, 256);
    for (uint32_t i = 0; i < 3; i++) {
        buffer_put_u32be(&w.b, i);
        buffer_put(&w.b, "\x03" "abc\xff\0\x02" "de", 9);
        buffer_put_u64be(&w.b, i);
    }
    close_set(&w);
    struct buffer good = w.b;
    w.b = (struct buffer){0};
    for (size_t at = 0; at < good.length; at++)
        for (size_t e = 0; e <= sizeof edges; e++) {
            start((struct ingest_settings){0});
            buffer_clear(&w.b);
            buffer_put(&w.b, good.bytes, good.length);
            if (e == sizeof edges)
                w.b.length = at;
            else
                w.b.bytes[at] = edges[e];
            (void)send_it();
            (void)send_it();
            finish();
            CU_ASSERT_EQUAL(out.counts.records + out.counts.option_records, out.count);
        }
    buffer_free(&good);
}
UNIT_MAIN("ingest bounds", {"small batches", small_batches}, {"many columns", many_columns},
          {"nothing back", nothing_back}, {"a million exporters", a_million_exporters},
          {"leaving with parked sets", leaving_with_parked_sets},
          {"many parked, many templates", many_parked_many_templates},
          {"cut and bent", cut_and_bent})
