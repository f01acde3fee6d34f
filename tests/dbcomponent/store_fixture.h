/* store_fixture.h - flows, blocks and folders for the tests of the store: made from a seed, so that
 * a test knows every record that it stored and can add up by itself. */
#ifndef WEIR_TEST_STORE_FIXTURE_H
#define WEIR_TEST_STORE_FIXTURE_H

#include "block/block.h"
#include "store/container.h"
#include "store.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXTURE_TIME INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

struct flow {
    int64_t end_ms;
    uint32_t exporter; /* IPv4 */
    uint32_t domain, src, dst, src_tag, dst_tag;
    uint8_t protocol, has_protocol, origin;
    double rate;
    uint64_t octets, packets;
};

static _Thread_local uint64_t fixture_state;

static inline uint64_t fixture_random(void)
{
    uint64_t x = fixture_state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline struct flow fixture_flow(int64_t base_ms, int64_t span_ms)
{
    uint64_t r = fixture_random(), s = fixture_random();
    struct flow f = {
        .end_ms = base_ms + (int64_t)(fixture_random() % (uint64_t)span_ms),
        .exporter = 0x7f000001u + (uint32_t)(r % 3),
        .domain = (uint32_t)(r >> 8 & 1),
        .src = 0x0a000000u | (uint32_t)(r >> 16 & 0xffff),
        .dst = 0x0a010000u | (uint32_t)(r >> 32 & 0xffff),
        .src_tag = (uint32_t)(s & 7),
        .dst_tag = (uint32_t)(s >> 8 & 7),
        .protocol = (uint8_t)(s >> 16 & 1 ? 6 : 17),
        .has_protocol = (s >> 24 & 15) != 0,
        .origin = (uint8_t)(s >> 32 & 1),
        .packets = 1 + (s >> 40 & 0xff),
    };
    f.rate = f.origin ? 100 : 0;
    f.octets = f.packets * (40 + (r >> 48 & 0x3ff));
    if (!f.has_protocol)
        f.protocol = 0;
    return f;
}

static inline void fixture_flows(struct flow *flows, uint32_t count, uint64_t seed, int64_t base_ms,
                                 int64_t span_ms)
{
    fixture_state = seed;
    for (uint32_t i = 0; i < count; i++)
        flows[i] = fixture_flow(base_ms, span_ms);
}

static inline struct column *fixture_column(struct batch *b, ie_key key, uint32_t rows)
{
    size_t index;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, ie_storage_width(key), &index), WEIR_OK);
    if (rows)
        batch_mark(b, index, 0, rows);
    return batch_column_at(b, index);
}

#define FIXTURE_FILL(key, type, expression)                                                        \
    do {                                                                                           \
        type *values = fixture_column(b, key, count)->values;                                      \
        for (uint32_t i = 0; i < count; i++)                                                       \
            values[i] = (type)(expression);                                                        \
    } while (0)

static inline struct batch *fixture_batch(const struct flow *flows, uint32_t count)
{
    struct batch *b = batch_new((count + 63) / 64 * 64, RECORD_FLOW);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    batch_append(b, count);
    uint8_t *exporters = fixture_column(b, WEIR_EXPORTER, count)->values;
    for (uint32_t i = 0; i < count; i++) {
        struct address a = address_from_ipv4(flows[i].exporter);
        memcpy(exporters + 16 * (size_t)i, a.octets, 16);
    }
    FIXTURE_FILL(WEIR_DOMAIN, uint32_t, flows[i].domain);
    FIXTURE_FILL(WEIR_EXPORTER_PORT, uint16_t, 40000);
    FIXTURE_FILL(WEIR_PROTOCOL_VERSION, uint8_t, 10);
    FIXTURE_FILL(WEIR_TEMPLATE, uint16_t, 256);
    FIXTURE_FILL(WEIR_EXPORT_TIME, uint64_t, (uint64_t)flows[i].end_ms + 1000);
    FIXTURE_FILL(WEIR_FLOW_START, uint64_t, (uint64_t)flows[i].end_ms - 500);
    FIXTURE_FILL(WEIR_FLOW_END, uint64_t, flows[i].end_ms);
    FIXTURE_FILL(WEIR_TIME_ORIGIN, uint8_t, 0);
    FIXTURE_FILL(WEIR_OCTETS, uint64_t, flows[i].octets);
    FIXTURE_FILL(WEIR_PACKETS, uint64_t, flows[i].packets);
    FIXTURE_FILL(WEIR_SRC_TAG, uint32_t, flows[i].src_tag);
    FIXTURE_FILL(WEIR_DST_TAG, uint32_t, flows[i].dst_tag);
    FIXTURE_FILL(WEIR_SAMPLING_ORIGIN, uint8_t, flows[i].origin);
    FIXTURE_FILL(WEIR_SAMPLING_RATE, double, flows[i].rate);
    FIXTURE_FILL(IANA(1), uint64_t, flows[i].octets);
    FIXTURE_FILL(IANA(2), uint64_t, flows[i].packets);
    FIXTURE_FILL(IANA(8), uint32_t, flows[i].src);
    FIXTURE_FILL(IANA(12), uint32_t, flows[i].dst);
    FIXTURE_FILL(IANA(7), uint16_t, flows[i].src * 7);
    FIXTURE_FILL(IANA(11), uint16_t, flows[i].dst % 1024);
    size_t protocol;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(4), 1, &protocol), WEIR_OK);
    for (uint32_t i = 0; i < count; i++)
        if (flows[i].has_protocol) {
            ((uint8_t *)batch_column_at(b, protocol)->values)[i] = flows[i].protocol;
            batch_mark(b, protocol, i, 1);
        }
    return b;
}

static inline struct block_id fixture_id(uint8_t collector, uint64_t sequence)
{
    struct block_id id = {.sequence = sequence};
    memset(id.collector, collector, sizeof id.collector);
    return id;
}

/* The account that goes with some flows: one row an exporter and domain 0, one checkpoint. */
static inline void fixture_account(const struct flow *flows, uint32_t count, uint64_t sequence,
                                   struct account_row rows[3],
                                   struct account_checkpoint *checkpoint, struct account *out)
{
    memset(rows, 0, 3 * sizeof *rows);
    for (uint32_t i = 0; i < 3; i++) {
        rows[i].key = (struct account_key){.exporter = address_from_ipv4(0x7f000001u + i),
                                           .port = 40000,
                                           .protocol = 10,
                                           .minute_ms = minute_of(FIXTURE_TIME)};
        rows[i].first_heard_ms = FIXTURE_TIME + (int64_t)(sequence % 1000);
        rows[i].last_heard_ms = FIXTURE_TIME + (int64_t)(sequence % 1000) + 7;
        rows[i].counts.datagrams = sequence;
        rows[i].counts.missing_records = i;
    }
    for (uint32_t i = 0; i < count; i++)
        rows[flows[i].exporter - 0x7f000001u].counts.records++;
    *checkpoint = (struct account_checkpoint){.exporter = rows[0].key.exporter,
                                              .port = 40000,
                                              .protocol = 10,
                                              .next_sequence = (uint32_t)sequence * 100,
                                              .export_ms = FIXTURE_TIME};
    *out = (struct account){rows, 3, checkpoint, 1};
}

/* A block of these flows with their account; the caller frees the buffer. */
static inline struct buffer fixture_block(const struct flow *flows, uint32_t count,
                                          uint8_t collector, uint64_t sequence)
{
    struct buffer out = {0};
    struct weir_error error = {0};
    struct account_row rows[3];
    struct account_checkpoint checkpoint;
    struct account account;
    struct block_id id = fixture_id(collector, sequence);
    struct block_encoder *e = block_encoder_new(1);
    struct batch *b = count ? fixture_batch(flows, count) : NULL;
    fixture_account(flows, count, sequence, rows, &checkpoint, &account);
    enum weir_status status = block_encode(e, &id, b, &account, &out, &error);
    if (status != WEIR_OK)
        printf("block_encode: %s\n", error.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    batch_free(b);
    block_encoder_free(e);
    return out;
}

/* Flows from a seed, as a block of their own sequence, appended. */
static inline enum weir_status fixture_append(struct store *s, uint8_t collector, uint64_t sequence,
                                              uint32_t count, enum store_outcome *outcome,
                                              struct weir_error *error)
{
    struct flow *flows = malloc((count + 1) * sizeof *flows);
    fixture_flows(flows, count, sequence * 1000 + collector,
                  FIXTURE_TIME + (int64_t)sequence * 10000, 3 * MINUTE_MS);
    struct buffer block = fixture_block(flows, count, collector, sequence);
    enum weir_status status = store_append(s, block.bytes, block.length, outcome, error);
    buffer_free(&block);
    free(flows);
    return status;
}

static char fixture_folder_name[64];

static inline void fixture_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_folder_name);
    if (fixture_folder_name[0] && system(command) != 0)
        printf("can not remove %s\n", fixture_folder_name);
    fixture_folder_name[0] = 0;
}

/* A new empty folder; the one before is removed. */
static inline const char *fixture_folder(void)
{
    fixture_remove();
    snprintf(fixture_folder_name, sizeof fixture_folder_name, "/tmp/weir-store-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(fixture_folder_name));
    return fixture_folder_name;
}

static inline struct store *fixture_open(const char *folder)
{
    struct store *s = NULL;
    struct weir_error error = {0};
    enum weir_status status = store_open(folder, STORE_CREATE, &s, &error);
    if (status != WEIR_OK)
        printf("store_open: %s\n", error.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    return s;
}

static inline void fixture_print_difference(void *context, const char *text)
{
    static unsigned told;
    (void)context;
    if (told++ < 20)
        printf("  differs: %s\n", text);
}

/* Differences that verify finds; a failure of verify itself is a failed test. */
static inline uint64_t fixture_verify(struct store *s, store_difference differs, void *context)
{
    struct verify_report report;
    struct weir_error error = {0};
    enum weir_status status = store_verify(s, differs, NULL, context, &report, &error);
    if (status != WEIR_OK)
        printf("store_verify: %s\n", error.message);
    CU_ASSERT_EQUAL(status, WEIR_OK);
    return report.differences;
}

/* Runs the tests of one program, ended by a row without name, and removes its folders. */
static inline int fixture_main(const char *suite_name, const struct unit_test *tests)
{
    size_t count = 0;
    while (tests[count].name)
        count++;
    int code = unit_main(suite_name, tests, count);
    fixture_remove();
    return code;
}

#endif
