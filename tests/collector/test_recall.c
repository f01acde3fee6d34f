/* test_recall.c - templates over a restart: written as they came, read back, trusted no further
 * than their exporters' sequences allow; their lifetime; and the file that keeps them. */
#include "block/block.h"
#include "ingest/ingest.h"
#include "ingest/keeper.h"
#include "ingest/recall.h"
#include "unit.h"
#include "wire_writer.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define T0    1700000000u
#define MS(s) ((int64_t)(s)*1000)

static uint64_t flows, options;

static struct batch *take(void *context, struct batch *full, struct account *account)
{
    (void)context;
    if (full)
        *(batch_kind(full) == RECORD_FLOW ? &flows : &options) += batch_rows(full);
    return ingest_give_back(full, account);
}

static struct ingest *new_ingest(int64_t template_ms)
{
    const struct ingest_output output = {take, NULL};
    const struct ingest_settings settings = {.batch_rows = 256, .template_ms = template_ms};
    flows = options = 0;
    return ingest_new(&settings, &output);
}

static struct writer w;

static void give(struct ingest *in, uint16_t port, uint32_t secs, struct transport *transport)
{
    struct datagram d = {.bytes = w.b.bytes,
                         .length = w.b.length,
                         .from = address_from_ipv4(0x0a000001),
                         .port = port,
                         .received_ms = MS(secs),
                         .transport = transport};
    (void)ingest_datagram(in, &d);
}

static const uint16_t plain[] = {8, 4, 12, 4, 1, 4, 2, 4};
static const uint16_t odd[] = {0x8001, 4, 82, 65535, 1, 8};
static const uint16_t scoped[] = {149, 4, 41, 8};
static const uint16_t scoped9[] = {1, 4, 34, 4};

static void put_zeros(uint16_t id, size_t octets)
{
    open_set(&w, id);
    memset(buffer_extend(&w.b, octets), 0, octets);
    close_set(&w);
}

static void teach(struct ingest *in)
{
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, plain, 4);
    write_template(&w, 300, odd, 3);
    write_options_template(&w, 257, scoped, 1, 2);
    put_zeros(256, 32);
    give(in, 5000, T0, NULL);
    write_netflow9(&w, 1000, T0, 0, 3);
    write_template(&w, 260, plain, 4);
    write_options_template(&w, 261, scoped9, 1, 2);
    give(in, 5001, T0, NULL);
}

/* Data of all five templates; no definition. */
static void send_data(struct ingest *in, uint32_t sequence, uint32_t secs)
{
    write_ipfix(&w, secs, sequence, 7);
    put_zeros(256, 48); /* 3 */
    put_zeros(257, 24); /* 2 */
    open_set(&w, 300);  /* 1 */
    buffer_put(&w.b, "\0\0\0\1\3abc\0\0\0\0\0\0\0\2", 16);
    close_set(&w);
    give(in, 5000, secs, NULL);
    write_netflow9(&w, 2000, secs, 1, 3);
    put_zeros(260, 32); /* 2 */
    put_zeros(261, 8);  /* 1 */
    give(in, 5001, secs, NULL);
}

static void recall(struct ingest *in, const struct buffer *entries)
{
    struct cursor c = cursor_over(entries->bytes, entries->length);
    struct recalled r;
    while (recall_next(&c, &r))
        recall_entry(in, &r);
    CU_ASSERT_FALSE(c.failed);
}

/* What an ingest that was taught leaves behind. */
static void write_entries(struct buffer *entries)
{
    struct ingest *in = new_ingest(0);
    teach(in);
    CU_ASSERT_EQUAL(recall_write(in, entries), 2);
    ingest_free(in);
}

static void decodes_at_once(void)
{
    struct buffer entries = {0}, again = {0};
    struct ingest_stats stats;
    write_entries(&entries);
    struct ingest *in = new_ingest(0);
    recall(in, &entries);
    send_data(in, 2, T0 + 60);
    (void)ingest_flush(in);
    ingest_stats(in, &stats);
    CU_ASSERT_EQUAL(flows, 3 + 1 + 2);
    CU_ASSERT_EQUAL(options, 2 + 1);
    CU_ASSERT_EQUAL(stats.undecodable, 0);
    CU_ASSERT_EQUAL(stats.templates, 5);
    CU_ASSERT_EQUAL(recall_write(in, &again), 2);
    CU_ASSERT_EQUAL(again.length, entries.length);
    ingest_free(in);
    buffer_free(&entries);
    buffer_free(&again);
}

/* A connection's templates end with it. */
static void not_of_connections(void)
{
    struct buffer entries = {0};
    struct transport transport = {NULL};
    struct ingest *in = new_ingest(0);
    uint64_t before = recall_version(in);
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, plain, 4);
    give(in, 5000, T0, &transport);
    CU_ASSERT_EQUAL(recall_version(in), before);
    CU_ASSERT_EQUAL(recall_write(in, &entries), 0);
    ingest_end_transport(in, &transport, true);
    ingest_free(in);
    buffer_free(&entries);
}

static void version_tells_changes(void)
{
    struct buffer entries = {0};
    struct ingest *in = new_ingest(0);
    teach(in);
    uint64_t first = recall_version(in);
    CU_ASSERT(first > 0);
    (void)recall_write(in, &entries);
    CU_ASSERT_FALSE(recall_repeated(in));
    teach(in); /* the same again: only older templates became younger */
    CU_ASSERT_EQUAL(recall_version(in), first);
    write_ipfix(&w, T0 + 1, 2, 7);
    write_template(&w, 256, plain, 4);
    give(in, 5000, T0 + 1, NULL);
    CU_ASSERT(recall_repeated(in));
    CU_ASSERT_EQUAL(recall_version(in), first);
    write_ipfix(&w, T0 + 2, 2, 7);
    write_template(&w, 256, plain, 3);
    give(in, 5000, T0 + 2, NULL);
    CU_ASSERT(recall_version(in) > first);
    ingest_free(in);
    buffer_free(&entries);
}

/* A sequence behind what was heard before the restart: the exporter began anew, maybe with other
 * templates. */
static void not_after_an_exporters_restart(void)
{
    struct buffer entries = {0};
    struct ingest_stats stats;
    const struct account_checkpoint behind = {.exporter = address_from_ipv4(0x0a000001),
                                              .domain = 7,
                                              .port = 5000,
                                              .protocol = 10,
                                              .next_sequence = 1000,
                                              .export_ms = MS(T0)};
    write_entries(&entries);
    struct ingest *in = new_ingest(0);
    ingest_resume(in, &behind, 1);
    recall(in, &entries);
    send_data(in, 2, T0 + 60);
    (void)ingest_flush(in);
    CU_ASSERT_EQUAL(flows, 2); /* those of NetFlow v9 */
    CU_ASSERT_EQUAL(options, 1);
    write_ipfix(&w, T0 + 61, 8, 7);
    write_template(&w, 256, plain, 4);
    give(in, 5000, T0 + 61, NULL);
    (void)ingest_flush(in);
    ingest_stats(in, &stats);
    CU_ASSERT_EQUAL(flows, 5); /* what waited was not lost */
    CU_ASSERT_EQUAL(stats.templates, 3);
    ingest_free(in);
    buffer_free(&entries);
}

static void lifetime(void)
{
    struct ingest *in = new_ingest(10000);
    struct ingest_stats stats;
    teach(in);
    send_data(in, 2, T0 + 10);
    write_ipfix(&w, T0 + 15, 8, 7); /* one of three is repeated */
    write_template(&w, 256, plain, 4);
    give(in, 5000, T0 + 15, NULL);
    send_data(in, 8, T0 + 21);
    (void)ingest_flush(in);
    ingest_stats(in, &stats);
    CU_ASSERT_EQUAL(flows, 2 + 6 + 3);
    CU_ASSERT_EQUAL(options, 3);
    CU_ASSERT_EQUAL(stats.templates, 1);
    ingest_free(in);
}

/* ---- the file ---- */

static void read_back(const char *path, const struct buffer *expected)
{
    struct buffer entries = {0};
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(keeper_read(path, &entries, &error), WEIR_OK);
    CU_ASSERT_EQUAL(entries.length, expected->length);
    CU_ASSERT(entries.length == expected->length &&
              memcmp(entries.bytes, expected->bytes, entries.length) == 0);
    buffer_free(&entries);
}

static void keeps_a_file(void)
{
    char folder[] = "/tmp/weir-recall-XXXXXX", path[64], beside[80];
    struct buffer entries = {0}, both = {0}, given = {0};
    struct keeper *k = NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/templates", folder);
    snprintf(beside, sizeof beside, "%s.new", path);
    CU_ASSERT_EQUAL(keeper_read(path, &entries, NULL), WEIR_ENOTFOUND);
    write_entries(&entries);
    CU_ASSERT_EQUAL_FATAL(keeper_new(path, 2, &k, NULL), WEIR_OK);
    for (uint32_t i = 0; i < 200; i++) { /* any receiver, often: the newest of each counts */
        buffer_put(&given, entries.bytes, entries.length);
        keeper_offer(k, i % 2, &given);
        CU_ASSERT_EQUAL(given.length, 0);
    }
    keeper_stop(k);
    keeper_free(k);
    buffer_put(&both, entries.bytes, entries.length);
    buffer_put(&both, entries.bytes, entries.length);
    read_back(path, &both);
    CU_ASSERT_NOT_EQUAL(access(beside, F_OK), 0);
    unlink(path);
    rmdir(folder);
    buffer_free(&entries);
    buffer_free(&both);
    buffer_free(&given);
}

static void finds_every_damage(void)
{
    struct buffer entries = {0}, file = {0};
    struct cursor c;
    struct weir_error error;
    write_entries(&entries);
    buffer_put(&file, "WEIRTMPL", 8);
    buffer_put_u32le(&file, 1);
    buffer_put_u64le(&file, entries.length);
    buffer_put(&file, entries.bytes, entries.length);
    buffer_put_u32le(&file, crc32c(0, file.bytes, file.length));
    CU_ASSERT_EQUAL(keeper_open(file.bytes, file.length, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL(cursor_left(&c), entries.length);
    for (size_t i = 0; i < file.length; i++) {
        CU_ASSERT_NOT_EQUAL(keeper_open(file.bytes, i, &c, &error), WEIR_OK);
        for (int bit = 0; bit < 8; bit++) {
            file.bytes[i] ^= (uint8_t)(1 << bit);
            CU_ASSERT_NOT_EQUAL(keeper_open(file.bytes, file.length, &c, &error), WEIR_OK);
            file.bytes[i] ^= (uint8_t)(1 << bit);
        }
    }
    buffer_put_u8(&file, 0);
    CU_ASSERT_NOT_EQUAL(keeper_open(file.bytes, file.length, &c, &error), WEIR_OK);
    buffer_free(&entries);
    buffer_free(&file);
}

static void wrap_up(void)
{
    buffer_free(&w.b);
}

UNIT_MAIN("recall", {"decodes at once", decodes_at_once},
          {"not of connections", not_of_connections},
          {"version tells changes", version_tells_changes},
          {"not after an exporter's restart", not_after_an_exporters_restart},
          {"lifetime", lifetime}, {"keeps a file", keeps_a_file},
          {"finds every damage", finds_every_damage}, {"wrap up", wrap_up})
