/* query_data.h - flows at random, as structs that a test can recompute from and as stored blocks.
 * Shared by the tests of dbcomponent/query; the naive side uses nothing of that room. */
#ifndef WEIR_TESTS_QUERY_DATA_H
#define WEIR_TESTS_QUERY_DATA_H

#include "block/block.h"
#include "flow/batch.h"
#include "store.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct flow {
    struct address exporter;
    uint32_t domain, src_tag, dst_tag;
    double rate;
    uint8_t origin;
    int64_t end_ms, start_ms;
    uint64_t octets, packets;
    bool has_start, has_protocol, has_ports, has4, has6, has_as, has_name, has_flags;
    uint8_t protocol, tos;
    uint16_t src_port, dst_port, flags;
    uint32_t src4, dst4, src_as;
    uint8_t src6[16], dst6[16];
    char name[12];
};

static uint64_t random_state = UINT64_C(88172645463325252);
static inline uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}
static inline uint32_t random_below(uint32_t n)
{
    return (uint32_t)((random_u64() >> 20) % n);
}

/* ---- a temporary folder ---- */
static char test_folder[64];
static inline const char *folder_make(void)
{
    snprintf(test_folder, sizeof test_folder, "/tmp/weir-test-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(test_folder));
    return test_folder;
}
static inline void folder_remove(void)
{
    static const char *const names[] = {"weir.db", "weir.db-wal", "weir.db-shm", "weir.db-journal"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", test_folder, names[i]);
        unlink(path);
    }
    rmdir(test_folder);
}

/* ---- columns ---- */
static inline void put_column(struct batch *b, ie_key key, uint8_t width, const struct flow *flows,
                              uint32_t n, size_t offset, size_t has)
{
    size_t index;
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, width, &index), WEIR_OK);
    for (uint32_t i = 0; i < n; i++) {
        const char *flow = (const char *)&flows[i];
        if (has && !*(const bool *)(flow + has))
            continue;
        struct column *c = batch_column_at(b, index);
        if (width)
            memcpy((char *)c->values + (size_t)i * width, flow + offset, width);
        else
            batch_put_octets(b, index, i, flow + offset, (uint32_t)strlen(flow + offset));
        batch_mark(b, index, i, 1);
    }
}

static inline bool any_has(const struct flow *flows, uint32_t n, size_t has)
{
    for (uint32_t i = 0; i < n; i++)
        if (*(const bool *)((const char *)&flows[i] + has))
            return true;
    return false;
}

static const struct {
    ie_key key;
    uint8_t width;
    size_t offset, has; /* has 0: always */
} test_columns[] = {
    {WEIR_EXPORTER, 16, offsetof(struct flow, exporter), 0},
    {WEIR_DOMAIN, 4, offsetof(struct flow, domain), 0},
    {WEIR_SRC_TAG, 4, offsetof(struct flow, src_tag), 0},
    {WEIR_DST_TAG, 4, offsetof(struct flow, dst_tag), 0},
    {WEIR_SAMPLING_RATE, 8, offsetof(struct flow, rate), 0},
    {WEIR_SAMPLING_ORIGIN, 1, offsetof(struct flow, origin), 0},
    {WEIR_FLOW_END, 8, offsetof(struct flow, end_ms), 0},
    {WEIR_FLOW_START, 8, offsetof(struct flow, start_ms), offsetof(struct flow, has_start)},
    {WEIR_OCTETS, 8, offsetof(struct flow, octets), 0},
    {WEIR_PACKETS, 8, offsetof(struct flow, packets), 0},
    {IANA(1), 8, offsetof(struct flow, octets), 0},
    {IANA(4), 1, offsetof(struct flow, protocol), offsetof(struct flow, has_protocol)},
    {IANA(5), 1, offsetof(struct flow, tos), 0},
    {IANA(6), 2, offsetof(struct flow, flags), offsetof(struct flow, has_flags)},
    {IANA(7), 2, offsetof(struct flow, src_port), offsetof(struct flow, has_ports)},
    {IANA(11), 2, offsetof(struct flow, dst_port), offsetof(struct flow, has_ports)},
    {IANA(8), 4, offsetof(struct flow, src4), offsetof(struct flow, has4)},
    {IANA(12), 4, offsetof(struct flow, dst4), offsetof(struct flow, has4)},
    {IANA(27), 16, offsetof(struct flow, src6), offsetof(struct flow, has6)},
    {IANA(28), 16, offsetof(struct flow, dst6), offsetof(struct flow, has6)},
    {IANA(16), 4, offsetof(struct flow, src_as), offsetof(struct flow, has_as)},
    {IANA(82), 0, offsetof(struct flow, name), offsetof(struct flow, has_name)},
};

static inline void append_block(struct store *s, const struct flow *flows, uint32_t n,
                                uint64_t sequence, const struct account *account)
{
    struct batch *b = batch_new((n + 63) / 64 * 64 + 64, RECORD_FLOW);
    struct block_encoder *e = block_encoder_new(1);
    struct buffer bytes = {0};
    struct weir_error error = {0};
    struct block_id id = {.collector = {7}, .sequence = sequence};
    enum store_outcome outcome;
    CU_ASSERT_FATAL(b && e);
    batch_append(b, n);
    for (size_t c = 0; c < sizeof test_columns / sizeof test_columns[0]; c++)
        if (!test_columns[c].has || any_has(flows, n, test_columns[c].has))
            put_column(b, test_columns[c].key, test_columns[c].width, flows, n,
                       test_columns[c].offset, test_columns[c].has);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, account, &bytes, &error), WEIR_OK);
    enum weir_status status = store_append(s, bytes.bytes, bytes.length, &outcome, &error);
    if (status != WEIR_OK)
        fprintf(stderr, "append: %s\n", error.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    buffer_free(&bytes);
    block_encoder_free(e);
    batch_free(b);
}

/* ---- flows ---- */
#define DATA_FROM_MS INT64_C(1750000020000) /* a whole minute */
#define DATA_MS (3 * 60 * MINUTE_MS)

/* What the flows of a block have in common: some blocks lack elements, some are all of one rate… */
struct flavour {
    bool ipv4, ipv6, mixed_rate, names, as;
    double rate;
    uint32_t exporters;
    int64_t from_ms, to_ms;
};

static inline struct flavour random_flavour(uint32_t block, uint32_t blocks)
{
    static const double rates[] = {0, 1, 1, 10, 1000, 2.5};
    struct flavour f = {.ipv4 = random_below(5) > 0, .ipv6 = random_below(3) == 0,
                        .mixed_rate = random_below(4) == 0, .names = random_below(3) == 0,
                        .as = random_below(2) == 0, .rate = rates[random_below(6)],
                        .exporters = 1 + random_below(3)};
    f.ipv6 |= !f.ipv4;
    f.from_ms = DATA_FROM_MS + DATA_MS * block / blocks;
    f.to_ms = DATA_FROM_MS + DATA_MS * (block + 1) / blocks + 10 * MINUTE_MS;
    return f;
}

/* An answer that has to come. */
static inline struct totals answer_of(struct store *store, const struct totals_request *r)
{
    struct totals t;
    struct weir_error error = {0};
    enum weir_status status = store_totals(store, r, &t, &error);
    if (status != WEIR_OK)
        fprintf(stderr, "totals: %s\n", error.message);
    CU_ASSERT_EQUAL_FATAL(status, WEIR_OK);
    return t;
}

static inline void random_flow(struct flow *w, const struct flavour *f)
{
    static const double rates[] = {0, 1, 10, 2.5};
    static const uint8_t protocols[] = {1, 6, 17, 47, 6, 17, 6};
    uint32_t who = random_below(f->exporters);
    memset(w, 0, sizeof *w);
    w->exporter = address_from_ipv4(0xc0000201 + who);
    if (who == 2)
        memcpy(w->exporter.octets, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    w->domain = random_below(2) * 4000000000u + who;
    w->src_tag = random_below(6);
    w->dst_tag = random_below(6) * (random_below(9) ? 1 : 1000);
    w->rate = f->mixed_rate ? rates[random_below(4)] : f->rate;
    w->origin = w->rate > 0 ? 1 : 0;
    w->end_ms = f->from_ms + (int64_t)(random_u64() % (uint64_t)(f->to_ms - f->from_ms));
    w->packets = 1 + random_below(random_below(10) ? 20 : 100000);
    w->octets = w->packets * (40 + random_below(1460));
    w->has_protocol = random_below(50) > 0;
    w->protocol = w->has_protocol ? protocols[random_below(7)] : 0;
    w->tos = (uint8_t)(random_below(4) ? 0 : random_below(64) * 4);
    w->has_flags = w->protocol == 6;
    w->flags = w->has_flags ? (uint16_t)random_below(64) : 0;
    w->has_ports = w->protocol == 6 || w->protocol == 17;
    w->src_port = w->has_ports ? (uint16_t)random_below(65536) : 0;
    w->dst_port = w->has_ports ? (uint16_t)(random_below(2) ? 443 : random_below(2000)) : 0;
    w->has4 = f->ipv4 && (!f->ipv6 || random_below(3) > 0);
    w->has6 = f->ipv6 && (!w->has4 || random_below(10) == 0);
    if (w->has4) {
        w->src4 = random_below(20) ? 0x0a000000u + (random_below(30) << 16) + random_below(40) : 0;
        w->dst4 = (uint32_t)random_u64();
    }
    if (w->has6) {
        memcpy(w->src6, "\x20\x01\x0d\xb8", 4);
        w->src6[5] = (uint8_t)random_below(5);
        w->src6[15] = (uint8_t)random_below(20);
        if (random_below(6) == 0) /* an IPv4-mapped one, or none at all */
            memcpy(w->src6, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\0\x05", 16);
        else if (random_below(6) == 0)
            memset(w->src6, 0, 16);
        for (int i = 0; i < 16; i++)
            w->dst6[i] = (uint8_t)random_u64();
    }
    w->has_as = f->as && random_below(4) > 0;
    w->src_as = w->has_as ? 64500 + random_below(20) : 0;
    w->has_name = f->names && random_below(3) > 0;
    if (w->has_name)
        snprintf(w->name, sizeof w->name, "ge-0/%u", random_below(7));
}

#endif
