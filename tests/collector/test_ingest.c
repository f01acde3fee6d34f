/* test_ingest.c - the decoding engine as a whole: datagrams in; records, account and checkpoints
 * out. */
#include "ingest/ingest.h"
#include "unit.h"
#include "wire_writer.h"
#include <stdlib.h>
#include <time.h>

#define T0 1700000000u /* export times, seconds */
#define MS(s) ((int64_t)(s) * 1000)

/* ---- what comes out ---- */

#define ROWS_MOST 4096
struct row {
    enum record_kind kind;
    uint64_t end, start, octets, packets, element[512];
    double rate;
    uint32_t src_tag, dst_tag;
    uint8_t origin, rate_origin;
};
static struct output {
    struct row rows[ROWS_MOST];
    uint32_t count, batches, accounts, checkpoints;
    struct account_counts counts;
    struct account_row account_rows[64];
    uint32_t account_row_count;
    struct account_checkpoint last_checkpoint;
    bool give_nothing_back;
} out;

static uint64_t number(struct batch *b, ie_key key, uint32_t row)
{
    for (size_t i = 0; i < batch_column_count(b); i++) {
        const struct column *c = batch_column_at(b, i);
        struct vector v = {.width = c->width, .values = c->values, .present = c->present};
        if (c->key == key && c->width && c->width <= 8 && vector_has(&v, row))
            return vector_u64(&v, row);
    }
    return 0;
}

static double real(struct batch *b, ie_key key, uint32_t row)
{
    uint64_t bits = number(b, key, row);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void keep_row(struct batch *b, uint32_t row)
{
    if (out.count == ROWS_MOST)
        return;
    struct row *r = &out.rows[out.count++];
    *r = (struct row){.kind = batch_kind(b),
                      .end = number(b, WEIR_FLOW_END, row),
                      .start = number(b, WEIR_FLOW_START, row),
                      .octets = number(b, WEIR_OCTETS, row),
                      .packets = number(b, WEIR_PACKETS, row),
                      .rate = real(b, WEIR_SAMPLING_RATE, row),
                      .src_tag = (uint32_t)number(b, WEIR_SRC_TAG, row),
                      .dst_tag = (uint32_t)number(b, WEIR_DST_TAG, row),
                      .origin = (uint8_t)number(b, WEIR_TIME_ORIGIN, row),
                      .rate_origin = (uint8_t)number(b, WEIR_SAMPLING_ORIGIN, row)};
    for (uint16_t id = 1; id < 512; id++)
        r->element[id] = number(b, IANA(id), row);
}

static void keep_account(struct account *a)
{
    out.accounts++;
    for (size_t i = 0; i < a->row_count; i++) {
        account_counts_add(&out.counts, &a->rows[i].counts);
        out.account_rows[out.account_row_count++ % 64] = a->rows[i];
    }
    out.checkpoints += (uint32_t)a->checkpoint_count;
    if (a->checkpoint_count)
        out.last_checkpoint = a->checkpoints[a->checkpoint_count - 1];
    account_free(a);
    free(a);
}

static struct batch *take(void *context, struct batch *full, struct account *account)
{
    (void)context;
    CU_ASSERT(full || account);
    for (uint32_t r = 0; full && r < batch_rows(full); r++)
        keep_row(full, r);
    out.batches += full != NULL;
    if (account)
        keep_account(account);
    if (full && out.give_nothing_back) {
        batch_free(full);
        return NULL;
    }
    if (full)
        batch_reset(full);
    return full;
}

static struct ingest *in;
static struct writer w;

static void start(struct ingest_settings settings)
{
    struct ingest_output output = {take, NULL};
    memset(&out, 0, sizeof out);
    if (!settings.batch_rows)
        settings.batch_rows = 1024;
    in = ingest_new(&settings, &output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
}

static void finish(void)
{
    (void)ingest_flush(in);
    ingest_free(in);
    in = NULL;
    buffer_free(&w.b);
}

static enum weir_status send_from(uint32_t exporter, uint16_t port, int64_t received_ms)
{
    uint8_t *flush = malloc(w.b.length ? w.b.length : 1);
    memcpy(flush, w.b.bytes, w.b.length);
    struct datagram d = {flush, w.b.length, address_from_ipv4(exporter), port, received_ms, NULL};
    enum weir_status status = ingest_datagram(in, &d);
    free(flush);
    return status;
}

static enum weir_status send_it(void)
{
    return send_from(0x0a000001, 2055, MS(T0) + 5);
}

static const uint16_t plain[] = {8, 4, 12, 4, 1, 8, 2, 4, 152, 8, 153, 8};

static void put_plain(uint32_t src, uint32_t dst, uint64_t octets, uint32_t packets, uint64_t end)
{
    buffer_put_u32be(&w.b, src);
    buffer_put_u32be(&w.b, dst);
    buffer_put_u64be(&w.b, octets);
    buffer_put_u32be(&w.b, packets);
    buffer_put_u64be(&w.b, end ? end - 10 : 0);
    buffer_put_u64be(&w.b, end);
}

static void write_plain_data(uint32_t records)
{
    open_set(&w, 256);
    for (uint32_t i = 0; i < records; i++)
        put_plain(i, i + 1, 100 + i, 1, (uint64_t)MS(T0));
    close_set(&w);
}

/* ---- NetFlow v5 ---- */

static void netflow5(void)
{
    static const struct v5_flow flows[] = {{1, 2, 3, 400, 90000, 95000}, {5, 6, 7, 800, 99000, 101000}};
    start((struct ingest_settings){0});
    write_netflow5(&w, 100000, T0, 10, 0x4000 | 64, flows, 2);
    CU_ASSERT_EQUAL(send_it(), WEIR_OK);
    finish();
    CU_ASSERT_EQUAL_FATAL(out.count, 2);
    CU_ASSERT_EQUAL(out.rows[0].end, MS(T0) - 5000);
    CU_ASSERT_EQUAL(out.rows[0].start, MS(T0) - 10000);
    CU_ASSERT_EQUAL(out.rows[1].end, MS(T0) + 1000); /* a little ahead of its header */
    CU_ASSERT_EQUAL(out.rows[0].origin, TIME_FROM_RECORD);
    CU_ASSERT_EQUAL(out.rows[0].octets, 400);
    CU_ASSERT_EQUAL(out.rows[1].packets, 7);
    CU_ASSERT_EQUAL(out.rows[0].rate, 64);
    CU_ASSERT_EQUAL(out.rows[0].rate_origin, SAMPLING_RECORD);
    CU_ASSERT_EQUAL(out.counts.records, 2);
    CU_ASSERT_EQUAL(out.last_checkpoint.next_sequence, 12);
}

/* sysUpTime rolled over between flow and export; and an end that can not be. */
static void up_time_edges(void)
{
    static const struct v5_flow flows[] = {{1, 2, 3, 4, 0xfffff000, 0xffffff00}, {1, 2, 3, 4, 621761700, 621770700}};
    start((struct ingest_settings){0});
    write_netflow5(&w, 0x100, T0, 0, 0, flows, 2);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL(out.rows[0].end, MS(T0) - 0x200);
    CU_ASSERT_EQUAL(out.rows[0].start, MS(T0) - 0x1100);
    CU_ASSERT_EQUAL(out.rows[1].end, MS(T0));
    CU_ASSERT_EQUAL(out.rows[1].origin, TIME_FROM_EXPORT);
}

static void netflow5_cut_short(void)
{
    static const struct v5_flow flows[30] = {{1, 2, 3, 4, 5, 6}};
    for (size_t length = 0; length <= 24 + 30 * 48; length += 7) {
        start((struct ingest_settings){0});
        write_netflow5(&w, 100, T0, 0, 0, flows, 30);
        w.b.length = length;
        enum weir_status status = send_it();
        finish();
        CU_ASSERT_EQUAL(status, length < 24 ? WEIR_EMALFORMED : WEIR_OK);
        CU_ASSERT_EQUAL(out.count, length < 24 ? 0 : (length - 24) / 48);
        CU_ASSERT_EQUAL(out.counts.undecodable_octets, length < 24 ? length : (length - 24) % 48);
        CU_ASSERT_EQUAL(out.counts.undecodable_datagrams, length < 24);
    }
}

/* ---- templates ---- */

static void template_first(void)
{
    start((struct ingest_settings){0});
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, plain, 6);
    write_plain_data(3);
    CU_ASSERT_EQUAL(send_it(), WEIR_OK);
    finish();
    CU_ASSERT_EQUAL_FATAL(out.count, 3);
    CU_ASSERT_EQUAL(out.rows[2].element[8], 2);
    CU_ASSERT_EQUAL(out.rows[2].octets, 102);
    CU_ASSERT_EQUAL(out.rows[2].end, MS(T0));
    CU_ASSERT_EQUAL(out.rows[2].start, MS(T0) - 10);
    CU_ASSERT_EQUAL(out.account_rows[0].key.domain, 7);
    CU_ASSERT_EQUAL(out.account_rows[0].key.protocol, 10);
    CU_ASSERT_EQUAL(out.counts.wire_octets, 16 + 32 + 4 + 3 * 36);
}

/* Data first: parked, decoded when the template comes, and the sequence is exact about it. */
static void template_later(void)
{
    struct ingest_stats stats;
    start((struct ingest_settings){0});
    write_ipfix(&w, T0, 0, 7);
    write_plain_data(3);
    (void)send_it();
    ingest_stats(in, &stats);
    CU_ASSERT_EQUAL(stats.records, 0);
    CU_ASSERT_EQUAL(stats.undecodable, 1);
    write_ipfix(&w, T0, 8, 7); /* five records were lost in between */
    write_plain_data(2);
    (void)send_it();
    write_ipfix(&w, T0, 10, 7);
    write_template(&w, 256, plain, 6);
    (void)send_it();
    write_ipfix(&w, T0, 10, 7);
    write_plain_data(4);
    (void)send_it();
    ingest_stats(in, &stats);
    finish();
    CU_ASSERT_EQUAL(out.count, 9);
    CU_ASSERT_EQUAL(stats.undecodable, 0);
    CU_ASSERT_EQUAL(out.counts.no_template_sets, 2);
    CU_ASSERT_EQUAL(out.counts.parked_sets, 2);
    CU_ASSERT_EQUAL(out.counts.unparked_sets, 2);
    CU_ASSERT_EQUAL(out.counts.expired_sets, 0);
    CU_ASSERT_EQUAL(out.counts.missing_records, 5);
    CU_ASSERT_EQUAL(out.counts.unknown_gaps, 0);
}

/* The template at the end of the very message that needs it. */
static void template_behind_its_data(void)
{
    start((struct ingest_settings){0});
    write_ipfix(&w, T0, 0, 7);
    write_plain_data(3);
    write_template(&w, 256, plain, 6);
    (void)send_it();
    write_ipfix(&w, T0, 8, 7);
    write_plain_data(1);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL(out.count, 4);
    CU_ASSERT_EQUAL(out.counts.missing_records, 5); /* known exactly, at once */
    CU_ASSERT_EQUAL(out.counts.unknown_gaps, 0);
}

static void parked_too_long_or_too_much(void)
{
    start((struct ingest_settings){.park_ms = 1000, .park_octets_most = 3000});
    for (uint32_t i = 0; i < 50; i++) {
        write_netflow9(&w, 1000, T0, i, 7);
        write_plain_data(20);
        (void)send_it();
    }
    ingest_tick(in, MS(T0) + 1500); /* at most three fitted, the others had left already */
    finish();
    CU_ASSERT(out.counts.parked_sets == 50 && out.counts.expired_sets > 46);
    start((struct ingest_settings){.park_ms = 1000});
    write_netflow9(&w, 1000, T0, 0, 7);
    write_plain_data(20);
    (void)send_it();
    ingest_tick(in, MS(T0) + 1000);
    ingest_tick(in, MS(T0) + 1006);
    write_netflow9(&w, 1000, T0, 1, 7);
    write_template(&w, 256, plain, 6);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL(out.count, 0);
    CU_ASSERT_EQUAL(out.counts.expired_sets, 1);
    CU_ASSERT_EQUAL(out.counts.unparked_sets, 0);
}

static void template_redefined_and_withdrawn(void)
{
    static const uint16_t other[] = {12, 4, 8, 4};
    start((struct ingest_settings){0});
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, plain, 6);
    write_plain_data(1);
    write_template(&w, 256, other, 2); /* between two data sets of one message */
    open_set(&w, 256);
    buffer_put_u32be(&w.b, 77);
    buffer_put_u32be(&w.b, 88);
    close_set(&w);
    (void)send_it();
    write_ipfix(&w, T0, 2, 7);
    open_set(&w, 2);
    buffer_put_u16be(&w.b, 256);
    buffer_put_u16be(&w.b, 0); /* withdrawn */
    close_set(&w);
    write_plain_data(1);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL_FATAL(out.count, 2);
    CU_ASSERT_EQUAL(out.rows[1].element[12], 77);
    CU_ASSERT_EQUAL(out.rows[1].element[8], 88);
    CU_ASSERT_EQUAL(out.counts.no_template_sets, 1);
}

/* Templates are known by exporter, port, domain and id. */
static void templates_of_others(void)
{
    start((struct ingest_settings){0});
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, plain, 6);
    (void)send_it();
    write_ipfix(&w, T0, 0, 8);
    write_plain_data(1);
    (void)send_it();
    write_ipfix(&w, T0, 0, 7);
    write_plain_data(1);
    (void)send_from(0x0a000002, 2055, MS(T0));
    (void)send_from(0x0a000001, 2056, MS(T0));
    CU_ASSERT_EQUAL(send_it(), WEIR_OK);
    finish();
    CU_ASSERT_EQUAL(out.count, 1);
    CU_ASSERT_EQUAL(out.counts.no_template_sets, 3);
}

/* ---- times ---- */

/* One record of these fields; how many rows it gave. */
static size_t send_record(const uint16_t *pairs, size_t n, const uint64_t *values)
{
    start((struct ingest_settings){0});
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, pairs, n);
    open_set(&w, 256);
    for (size_t i = 0; i < n; i++)
        for (int shift = 8 * pairs[2 * i + 1] - 8; shift >= 0; shift -= 8)
            buffer_put_u8(&w.b, (uint8_t)(values[i] >> shift));
    close_set(&w);
    (void)send_it();
    finish();
    return out.count;
}

static struct row one_record(const uint16_t *pairs, size_t n, const uint64_t *values)
{
    CU_ASSERT_EQUAL_FATAL(send_record(pairs, n, values), 1);
    return out.rows[0];
}
#define RECORD(fields, ...)                                                                        \
    one_record((const uint16_t[]){ARGS fields}, sizeof((uint16_t[]){ARGS fields}) / 4,              \
               (const uint64_t[]){__VA_ARGS__})
#define ARGS(...) __VA_ARGS__

static void check_times(struct row r, int64_t begin, int64_t end, enum time_origin origin)
{
    CU_ASSERT_EQUAL(r.start, begin);
    CU_ASSERT_EQUAL(r.end, end);
    CU_ASSERT_EQUAL(r.origin, origin);
}

#define NTP(s, ms) (((uint64_t)((s) + UINT64_C(2208988800)) << 32) + ((uint64_t)(ms) << 32) / 1000 + 1)
static void times(void)
{
    const uint64_t s = T0 - 60, e = T0 - 30, init = (uint64_t)MS(T0 - 5000000); /* 57.9 days */
    check_times(RECORD((150, 4, 151, 4), s, e), MS(s), MS(e), TIME_FROM_RECORD);
    check_times(RECORD((150, 4, 151, 4, 152, 8, 153, 8), s, e, s * 1000 + 1, e * 1000 + 2),
                MS(s) + 1, MS(e) + 2, TIME_FROM_RECORD);
    check_times(RECORD((152, 8, 153, 8, 150, 4, 151, 4), 0, 0, s, e), MS(s), MS(e), TIME_FROM_RECORD);
    check_times(RECORD((154, 8, 155, 8), NTP(s, 250), NTP(e, 500)), MS(s) + 250, MS(e) + 500,
                TIME_FROM_RECORD);
    check_times(RECORD((156, 8, 157, 8), NTP(s, 1), NTP(e, 2)), MS(s) + 1, MS(e) + 2, TIME_FROM_RECORD);
    check_times(RECORD((155, 8), UINT64_C(100) << 32), 2085978496000 + 100000, 2085978496000 + 100000,
                TIME_FROM_RECORD); /* the NTP era that begins in 2036 */
    check_times(RECORD((158, 4, 159, 4), 3000000, 1000500), MS(T0) - 3000, MS(T0) - 1000,
                TIME_FROM_RECORD);
    check_times(RECORD((152, 8, 161, 4), s * 1000, 1500), MS(s), MS(s) + 1500, TIME_FROM_RECORD);
    check_times(RECORD((153, 8, 162, 4), e * 1000, 1500000), MS(e) - 1500, MS(e), TIME_FROM_RECORD);
    check_times(RECORD((152, 8), s * 1000), MS(s), MS(s), TIME_FROM_START);
    check_times(RECORD((152, 8, 153, 8), e * 1000, s * 1000), MS(s), MS(s), TIME_FROM_RECORD);
    check_times(RECORD((8, 4), 1), MS(T0), MS(T0), TIME_FROM_EXPORT);
    check_times(RECORD((323, 8), e * 1000), MS(e), MS(e), TIME_FROM_RECORD);
    /* sysUpTime in IPFIX: of no use without the time of boot; with it, past its roll-over */
    check_times(RECORD((22, 4, 21, 4), 1, 2), MS(T0), MS(T0), TIME_FROM_EXPORT);
    check_times(RECORD((160, 8, 22, 4, 21, 4), init, (uint32_t)4999000000, (uint32_t)4999900000),
                MS(T0) - 1000000, MS(T0) - 100000, TIME_FROM_RECORD);
}

static void counters(void)
{
    struct row r = RECORD((1, 4, 85, 8, 2, 8), 5, 900, 7);
    CU_ASSERT_EQUAL(r.octets, 5);
    CU_ASSERT_EQUAL(r.packets, 7);
    r = RECORD((85, 4, 86, 2), 900, 30);
    CU_ASSERT_EQUAL(r.octets, 900);
    CU_ASSERT_EQUAL(r.packets, 30);
    /* Initiator and responder are two directions (biflow.h). */
    size_t rows = send_record((const uint16_t[]){231, 8, 232, 8}, 2, (const uint64_t[]){900, 30});
    CU_ASSERT_EQUAL_FATAL(rows, 2);
    CU_ASSERT_EQUAL(out.rows[0].octets, 900);
    CU_ASSERT_EQUAL(out.rows[1].octets, 30);
}

/* ---- sampling ---- */

static void sampling_in_records(void)
{
    struct row r = RECORD((34, 4), 1000);
    CU_ASSERT(r.rate == 1000 && r.rate_origin == SAMPLING_RECORD);
    r = RECORD((34, 4), 0);
    CU_ASSERT(r.rate == 0 && r.rate_origin == SAMPLING_UNKNOWN);
    r = RECORD((305, 4, 306, 4), 1, 99);
    CU_ASSERT(r.rate == 100 && r.rate_origin == SAMPLING_RECORD);
    r = RECORD((309, 4, 310, 4), 3, 12);
    CU_ASSERT(r.rate == 4 && r.rate_origin == SAMPLING_RECORD);
    r = RECORD((311, 8), UINT64_C(0x3fa0000000000000)); /* 1/32 */
    CU_ASSERT(r.rate == 32);
}

static void write_sampler(uint32_t sequence, uint16_t id, uint32_t rate)
{
    static const uint16_t option[] = {1, 4, 48, 2, 50, 4};
    write_netflow9(&w, 1000, T0, sequence, 7);
    write_options_template(&w, 300, option, 1, 3);
    open_set(&w, 300);
    buffer_put_u32be(&w.b, 0);
    buffer_put_u16be(&w.b, id);
    buffer_put_u32be(&w.b, rate);
    close_set(&w);
}

static void sampling_by_options(void)
{
    static const uint16_t flow[] = {8, 4, 48, 2};
    static const uint16_t all[] = {1, 4, 34, 4};
    start((struct ingest_settings){0});
    write_sampler(0, 1, 100);
    (void)send_it();
    write_sampler(1, 2, 200);
    (void)send_it();
    write_netflow9(&w, 1000, T0, 2, 7);
    write_template(&w, 256, flow, 2);
    open_set(&w, 256);
    for (uint16_t id = 1; id <= 3; id++) {
        buffer_put_u32be(&w.b, id);
        buffer_put_u16be(&w.b, id);
    }
    close_set(&w);
    (void)send_from(0x0a000001, 999, MS(T0)); /* a line card with a port of its own */
    write_netflow9(&w, 1000, T0, 2, 7);
    write_options_template(&w, 301, all, 1, 2);
    open_set(&w, 301);
    buffer_put_u32be(&w.b, 0);
    buffer_put_u32be(&w.b, 50);
    close_set(&w);
    write_template(&w, 256, flow, 2);
    open_set(&w, 256);
    buffer_put_u32be(&w.b, 4);
    buffer_put_u16be(&w.b, 9);
    close_set(&w);
    (void)send_it();
    finish();
    static const double rates[] = {100, 200, 0, 50};
    uint32_t flows = 0;
    for (uint32_t i = 0; i < out.count; i++)
        if (out.rows[i].kind == RECORD_FLOW) {
            CU_ASSERT_EQUAL(out.rows[i].rate, rates[out.rows[i].element[8] - 1]);
            CU_ASSERT_EQUAL(out.rows[i].rate_origin,
                            out.rows[i].rate > 0 ? SAMPLING_OPTIONS : SAMPLING_UNKNOWN);
            flows++;
        }
    CU_ASSERT_EQUAL(flows, 4);
    CU_ASSERT_EQUAL(out.counts.option_records, 3);
    CU_ASSERT_EQUAL(out.counts.records, 4);
}

/* ---- what administrators know ---- */

static struct knowledge *knowledge_of(const struct prefix_rule *prefixes, size_t n,
                                      const struct as_rule *ases, size_t as_count,
                                      const struct device *devices, size_t device_count)
{
    struct catalogue_snapshot snapshot = {.prefixes = prefixes,
                                          .prefix_count = n,
                                          .ases = ases,
                                          .as_count = as_count,
                                          .devices = devices,
                                          .device_count = device_count};
    struct knowledge *k = NULL;
    CU_ASSERT_EQUAL(knowledge_new(&snapshot, &k, NULL), WEIR_OK);
    return k;
}

static struct prefix prefix(const char *text)
{
    struct prefix p;
    CU_ASSERT_EQUAL(prefix_parse(text, "p", &p, NULL), WEIR_OK);
    return p;
}

static void configured(void)
{
    const struct device devices[] = {{address_from_ipv4(0x0a000009), 10}, {address_from_ipv4(0x0a000001), 25}};
    static const struct v5_flow flow = {1, 2, 3, 4, 5, 6};
    start((struct ingest_settings){0});
    struct knowledge *k = knowledge_of(NULL, 0, NULL, 0, devices, 2);
    write_netflow5(&w, 100, T0, 0, 0, &flow, 1);
    (void)send_it();
    ingest_configure(in, k); /* holds for the next datagram */
    knowledge_unref(k);
    write_netflow5(&w, 100, T0, 1, 0, &flow, 1);
    (void)send_it();
    (void)ingest_flush(in);
    write_netflow5(&w, 100, T0, 2, 0, &flow, 1);
    (void)send_it();
    write_netflow5(&w, 100, T0, 3, 5, &flow, 1); /* the header knows better */
    (void)send_it();
    finish();
    CU_ASSERT(out.rows[0].rate == 0 && out.rows[0].rate_origin == SAMPLING_UNKNOWN);
    CU_ASSERT(out.rows[1].rate == 25 && out.rows[1].rate_origin == SAMPLING_CONFIGURED);
    CU_ASSERT(out.rows[2].rate == 25 && out.rows[2].rate_origin == SAMPLING_CONFIGURED);
    CU_ASSERT(out.rows[3].rate == 5 && out.rows[3].rate_origin == SAMPLING_RECORD);
}

static void put_two_families(uint32_t v4, const char *v6, uint32_t as)
{
    struct address a = {{0}};
    if (v6)
        CU_ASSERT_EQUAL(address_parse(v6, "a", &a, NULL), WEIR_OK);
    buffer_put_u32be(&w.b, v4);
    buffer_put(&w.b, a.octets, 16);
    buffer_put_u32be(&w.b, as);
}

static void tags(void)
{
    static const uint16_t both[] = {8, 4, 28, 16, 16, 4}, v4_only[] = {12, 4}, two[] = {8, 4, 27, 16, 16, 4};
    const struct prefix_rule prefixes[] = {{prefix("0.0.0.0/0"), 1}, {prefix("10.0.0.0/8"), 2},
                                           {prefix("2001:db8::/32"), 3}, {prefix("10.1.0.0/16"), 4}};
    const struct as_rule ases[] = {{65001, 5}};
    struct knowledge *k = knowledge_of(prefixes + 1, 3, ases, 1, NULL, 0);
    start((struct ingest_settings){0});
    ingest_configure(in, k);
    knowledge_unref(k);
    (void)ingest_flush(in);
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, both, 3);
    write_template(&w, 257, v4_only, 1);
    write_template(&w, 258, two, 3);
    open_set(&w, 256); /* source v4, destination v6 */
    put_two_families(0x0a010203, "2001:db8::1", 65001);
    put_two_families(0xc0000201, "2001:db9::1", 65001);
    close_set(&w);
    open_set(&w, 257);
    buffer_put_u32be(&w.b, 0x0a020304);
    close_set(&w);
    open_set(&w, 258); /* one template for both families */
    put_two_families(0, "2001:db8::5", 0);
    put_two_families(0x0a000001, NULL, 0);
    close_set(&w);
    (void)send_it();
    finish();
    static const uint32_t expected[][2] = {{4, 3}, {5, 0}, {0, 2}, {3, 0}, {2, 0}};
    CU_ASSERT_EQUAL_FATAL(out.count, 5);
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(out.rows[i].src_tag, expected[i][0]);
        CU_ASSERT_EQUAL(out.rows[i].dst_tag, expected[i][1]);
    }
    k = knowledge_of(prefixes, 4, NULL, 0, NULL, 0); /* 0.0.0.0/0 is not for those without an address */
    start((struct ingest_settings){0});
    ingest_configure(in, k);
    knowledge_unref(k);
    (void)ingest_flush(in);
    write_ipfix(&w, T0, 0, 7);
    write_template(&w, 256, both, 3);
    write_template(&w, 257, v4_only, 1);
    open_set(&w, 257);
    buffer_put_u32be(&w.b, 0xc0000201);
    close_set(&w);
    open_set(&w, 256);
    put_two_families(0xc0000202, "2001:db9::1", 0);
    close_set(&w);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL(out.rows[0].dst_tag, 1);
    CU_ASSERT_EQUAL(out.rows[0].src_tag, 0);
    CU_ASSERT_EQUAL(out.rows[1].dst_tag, 0);
    CU_ASSERT_EQUAL(out.rows[1].src_tag, 1);
}

/* ---- the account ---- */

static void repeated_and_lost_datagrams(void)
{
    static const struct v5_flow flows[] = {{1, 2, 3, 4, 5, 6}, {2, 3, 4, 5, 6, 7}};
    start((struct ingest_settings){0});
    for (uint32_t i = 0; i < 10; i++) {
        if (i == 4)
            continue;
        write_netflow5(&w, 1000 + i, T0, 2 * i, 0, flows, 2);
        (void)send_it();
        if (i == 6)
            (void)send_it();
    }
    finish();
    CU_ASSERT_EQUAL(out.counts.datagrams, 10);
    CU_ASSERT_EQUAL(out.counts.duplicates, 1);
    CU_ASSERT_EQUAL(out.counts.records, 18);
    CU_ASSERT_EQUAL(out.counts.missing_records, 2);
}

static void killed_and_resumed(void)
{
    static const struct v5_flow flows[] = {{1, 2, 3, 4, 5, 6}, {2, 3, 4, 5, 6, 7}};
    start((struct ingest_settings){0});
    write_netflow5(&w, 1000, T0, 100, 0, flows, 2);
    (void)send_it();
    finish();
    struct account_checkpoint from = out.last_checkpoint;
    CU_ASSERT_EQUAL(from.next_sequence, 102);
    CU_ASSERT_EQUAL(from.sys_up_time_ms, 1000);
    CU_ASSERT_EQUAL(from.export_ms, MS(T0));
    start((struct ingest_settings){0});
    ingest_resume(in, &from, 1);
    (void)ingest_flush(in);
    CU_ASSERT_EQUAL(out.accounts, 0);
    write_netflow5(&w, 61000, T0 + 60, 140, 0, flows, 2);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL(out.counts.missing_records, 38);
    CU_ASSERT_EQUAL(out.checkpoints, 1);
}

static void suspended(void)
{
    static const struct v5_flow flow = {1, 2, 3, 4, 5, 6};
    start((struct ingest_settings){0});
    write_netflow5(&w, 1000, T0, 0, 0, &flow, 1);
    (void)send_it();
    ingest_suspend(in, true);
    write_netflow5(&w, 1000, T0, 1, 0, &flow, 1);
    (void)send_it();
    write_ipfix(&w, T0, 0, 7); /* templates are still learned */
    write_template(&w, 256, plain, 6);
    (void)send_it();
    ingest_suspend(in, false);
    write_netflow5(&w, 1000, T0, 2, 0, &flow, 1);
    (void)send_it();
    write_ipfix(&w, T0, 0, 7);
    write_plain_data(1);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL(out.counts.datagrams, 5);
    CU_ASSERT_EQUAL(out.count, 3);
    CU_ASSERT_EQUAL(out.counts.missing_records, 0);
    CU_ASSERT_EQUAL(out.counts.unknown_gaps, 1); /* said, not a silent zero */
}

static void kernel_drops_and_noise(void)
{
    start((struct ingest_settings){0});
    ingest_kernel_drops(in, 2055, 17, MS(T0));
    buffer_put(&w.b, "GET / HTTP/1.1\r\n\r\n", 18);
    CU_ASSERT_EQUAL(send_it(), WEIR_EMALFORMED);
    finish();
    CU_ASSERT_EQUAL(out.counts.kernel_drops, 17);
    CU_ASSERT_EQUAL(out.counts.undecodable_datagrams, 1);
    CU_ASSERT_EQUAL(out.counts.undecodable_octets, 18);
    CU_ASSERT_EQUAL(out.batches, 0);
    CU_ASSERT_EQUAL(out.accounts, 1);
}

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
    struct datagram d = {w.b.bytes, w.b.length, {{0}}, 2055, MS(T0), NULL};
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
    CU_ASSERT((double)(clock() - before) / CLOCKS_PER_SEC < 1.0);
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

UNIT_MAIN("ingest", {"NetFlow v5", netflow5}, {"sysUpTime's edges", up_time_edges},
          {"NetFlow v5 cut short", netflow5_cut_short}, {"template first", template_first},
          {"template later", template_later}, {"template behind its data", template_behind_its_data},
          {"parked too long or too much", parked_too_long_or_too_much},
          {"template redefined and withdrawn", template_redefined_and_withdrawn},
          {"templates of others", templates_of_others}, {"times", times}, {"counters", counters},
          {"sampling in records", sampling_in_records}, {"sampling by options", sampling_by_options},
          {"configured rates", configured}, {"tags", tags},
          {"repeated and lost datagrams", repeated_and_lost_datagrams},
          {"killed and resumed", killed_and_resumed}, {"suspended", suspended},
          {"kernel drops and noise", kernel_drops_and_noise}, {"small batches", small_batches},
          {"many columns", many_columns}, {"nothing back", nothing_back},
          {"a million exporters", a_million_exporters},
          {"leaving with parked sets", leaving_with_parked_sets},
          {"many parked, many templates", many_parked_many_templates}, {"cut and bent", cut_and_bent})
