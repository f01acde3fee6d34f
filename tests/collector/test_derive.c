/* test_derive.c - what is added to records: times, counters, sampling. Neighbour: test_ingest.c. */
#include "ingest_output.h"

/* ---- times ---- */

static uint32_t exported = T0; /* the clock of who sends, and of who receives */
static int64_t received = MS(T0) + 5;

/* One record of these fields; how many rows it gave. */
static size_t send_record(const uint16_t *pairs, size_t n, const uint64_t *values)
{
    start((struct ingest_settings){0});
    write_ipfix(&w, exported, 0, 7);
    write_template(&w, 256, pairs, n);
    open_set(&w, 256);
    for (size_t i = 0; i < n; i++)
        for (int shift = 8 * pairs[2 * i + 1] - 8; shift >= 0; shift -= 8)
            buffer_put_u8(&w.b, (uint8_t)(values[i] >> shift));
    close_set(&w);
    (void)send_from(0x0a000001, 2055, received);
    finish();
    return out.count;
}

static struct row one_record(const uint16_t *pairs, size_t n, const uint64_t *values)
{
    CU_ASSERT_EQUAL_FATAL(send_record(pairs, n, values), 1);
    return out.rows[0];
}
#define RECORD(fields, ...)                                                                        \
    one_record((const uint16_t[]){ARGS fields}, sizeof((uint16_t[]){ARGS fields}) / 4,             \
               (const uint64_t[]){__VA_ARGS__})
#define ARGS(...) __VA_ARGS__

static void check_times(struct row r, int64_t begin, int64_t end, enum time_origin origin)
{
    CU_ASSERT_EQUAL(r.start, begin);
    CU_ASSERT_EQUAL(r.end, end);
    CU_ASSERT_EQUAL(r.origin, origin);
}

#define NTP(s, ms)                                                                                 \
    (((uint64_t)((s) + UINT64_C(2208988800)) << 32) + ((uint64_t)(ms) << 32) / 1000 + 1)
static void times(void)
{
    const uint64_t s = T0 - 60, e = T0 - 30, init = (uint64_t)MS(T0 - 5000000); /* 57.9 days */
    check_times(RECORD((150, 4, 151, 4), s, e), MS(s), MS(e), TIME_FROM_RECORD);
    check_times(RECORD((150, 4, 151, 4, 152, 8, 153, 8), s, e, s * 1000 + 1, e * 1000 + 2),
                MS(s) + 1, MS(e) + 2, TIME_FROM_RECORD);
    check_times(RECORD((152, 8, 153, 8, 150, 4, 151, 4), 0, 0, s, e), MS(s), MS(e),
                TIME_FROM_RECORD);
    check_times(RECORD((154, 8, 155, 8), NTP(s, 250), NTP(e, 500)), MS(s) + 250, MS(e) + 500,
                TIME_FROM_RECORD);
    check_times(RECORD((156, 8, 157, 8), NTP(s, 1), NTP(e, 2)), MS(s) + 1, MS(e) + 2,
                TIME_FROM_RECORD);
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

/* sysUpTime rolled over between flow and export; and an end that can not be. */
static void up_time_edges(void)
{
    static const struct v5_flow flows[] = {{1, 2, 3, 4, 0xfffff000, 0xffffff00},
                                           {1, 2, 3, 4, 621761700, 621770700}};
    start((struct ingest_settings){0});
    write_netflow5(&w, 0x100, T0, 0, 0, flows, 2);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL(out.rows[0].end, MS(T0) - 0x200);
    CU_ASSERT_EQUAL(out.rows[0].start, MS(T0) - 0x1100);
    CU_ASSERT_EQUAL(out.rows[1].end, MS(T0));
    CU_ASSERT_EQUAL(out.rows[1].origin, TIME_FROM_EXPORT);
}

/* ---- clocks ---- */

#define HOUR 3600
#define YEAR (366 * 24 * HOUR)

static void set_clocks(int64_t ahead_s, int64_t received_ms)
{
    exported = (uint32_t)(received_ms / 1000 + ahead_s);
    received = received_ms;
}

/* A clock beyond the bounds: records go to their reception, less their age. */
static void clocks_of_messages(void)
{
    static const struct {
        int64_t ahead;
        bool believed;
    } cases[] = {{0, true},          {HOUR, true},  {HOUR + 1, false},  {10 * YEAR, false},
                 {-HOUR, true},      {-YEAR, true}, {-YEAR - 1, false}, {-(int64_t)T0 + 99, false},
                 {30 * YEAR, false}, {-300, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_clocks(cases[i].ahead, MS(T0));
        const uint64_t end = (uint64_t)MS(exported) - 7000, start = end - 3000;
        const int64_t placed = cases[i].believed ? MS(exported) : MS(T0);
        enum time_origin own = cases[i].believed ? TIME_FROM_RECORD : TIME_FROM_RECEPTION;
        enum time_origin none = cases[i].believed ? TIME_FROM_EXPORT : TIME_FROM_RECEPTION;
        struct row r = RECORD((152, 8, 153, 8), start, end);
        /* What was exported just inside the bound may be of before it. */
        if (cases[i].ahead != -YEAR)
            check_times(r, placed - 10000, placed - 7000, own);
        CU_ASSERT_EQUAL(r.exported, MS(exported)); /* as it came */
        CU_ASSERT_EQUAL(r.element[152], start);
        CU_ASSERT_EQUAL(r.element[153], end);
        check_times(RECORD((8, 4), 1), placed, placed, none);
        CU_ASSERT_EQUAL(out.account_row_count, 1);
        CU_ASSERT_EQUAL(out.account_rows[0].key.minute_ms, placed / 60000 * 60000);
        CU_ASSERT_EQUAL(out.account_rows[0].last_heard_ms, placed);
        CU_ASSERT_EQUAL(out.last_checkpoint.export_ms, MS(exported)); /* where its sequence is */
    }
    set_clocks(0, MS(T0));
}

static void clocks_of_records(void)
{
    const uint64_t future = MS(T0) + 2 * HOUR * 1000, good = T0 - 20;
    set_clocks(0, MS(T0));
    check_times(RECORD((153, 8), future), MS(T0), MS(T0), TIME_FROM_EXPORT);
    check_times(RECORD((153, 8, 151, 4), future, good), MS(good), MS(good), TIME_FROM_RECORD);
    check_times(RECORD((152, 8, 153, 8), future, good * 1000), MS(good), MS(good),
                TIME_FROM_RECORD);
    check_times(RECORD((150, 4, 151, 4), 5, 10), MS(T0), MS(T0), TIME_FROM_EXPORT); /* 1970 */
    CU_ASSERT_EQUAL(out.rows[0].element[151], 10);
    set_clocks(0, 2085978496000 + 100000); /* the NTP era that begins in 2036 */
    check_times(RECORD((155, 8), UINT64_C(90) << 32), 2085978496000 + 90000,
                2085978496000 + 90000, TIME_FROM_RECORD);
    set_clocks(0, MS(T0));
}

/* IPFIX: milliseconds since a start that the same clock tells. */
static void clock_and_init_time(void)
{
    set_clocks(10 * YEAR, MS(T0));
    const uint64_t init = (uint64_t)MS(exported) - 5000000;
    check_times(RECORD((160, 8, 22, 4, 21, 4), init, 4000000, 4900000), MS(T0) - 1000000,
                MS(T0) - 100000, TIME_FROM_RECEPTION);
    set_clocks(0, MS(T0));
}

/* sysUpTime needs no clock at all. */
static void clock_and_up_time(void)
{
    static const struct v5_flow flow = {1, 2, 3, 4, 90000, 95000};
    start((struct ingest_settings){0});
    write_netflow5(&w, 100000, 1000, 10, 0, &flow, 1); /* 1970 */
    (void)send_from(0x0a000001, 2055, MS(T0));
    write_netflow5(&w, 101000, 1001, 12, 0, &flow, 1);
    (void)send_from(0x0a000001, 2055, MS(T0) + 1000);
    write_netflow5(&w, 102000, T0 + 2, 13, 0, &flow, 1); /* somebody set it */
    (void)send_from(0x0a000001, 2055, MS(T0) + 2000);
    finish();
    CU_ASSERT_EQUAL_FATAL(out.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(out.rows[i].end, MS(T0) - 5000);
        CU_ASSERT_EQUAL(out.rows[i].start, MS(T0) - 10000);
        CU_ASSERT_EQUAL(out.rows[i].origin, i < 2 ? TIME_FROM_RECEPTION : TIME_FROM_RECORD);
    }
    CU_ASSERT_EQUAL(out.counts.missing_records, 1); /* sequences do not care */
    CU_ASSERT_EQUAL(out.counts.restarts, 0);
}

/* Nobody knows when it was received: files of messages, captures without times. */
static void clocks_without_reception(void)
{
    set_clocks(0, MS(T0));
    received = 0;
    check_times(RECORD((153, 8), MS(T0) - 7), MS(T0) - 7, MS(T0) - 7, TIME_FROM_RECORD);
    received = MS(T0);
    start((struct ingest_settings){0});
    write_netflow5(&w, 1000, 1000000000, 0, 0, &(struct v5_flow){1, 2, 3, 4, 0, 500}, 1);
    struct datagram d = {.bytes = w.b.bytes,
                         .length = w.b.length,
                         .from = address_from_ipv4(1),
                         .received_ms = MS(T0),
                         .untimed = true};
    CU_ASSERT_EQUAL(ingest_datagram(in, &d), WEIR_OK);
    finish();
    CU_ASSERT_EQUAL_FATAL(out.count, 1);
    CU_ASSERT_EQUAL(out.rows[0].end, MS(1000000000) - 500);
    CU_ASSERT_EQUAL(out.rows[0].origin, TIME_FROM_RECORD);
}

/* What a flow type drops is counted where its message is, not where the flow would be. */
static void clock_and_dropped_records(void)
{
    const struct flow_type drop = {
        .name = "all", .filter = "", .action = ACTION_DROP, .keys = "",
        .anonymisation = {.fields = "", .key = ""}};
    const struct catalogue_snapshot snapshot = {.flow_types = &drop, .flow_type_count = 1};
    struct knowledge *k = NULL;
    start((struct ingest_settings){0});
    CU_ASSERT_EQUAL_FATAL(knowledge_new(&snapshot, &k, NULL), WEIR_OK);
    ingest_configure(in, k);
    knowledge_unref(k);
    write_netflow5(&w, 9000000, 1000, 0, 0, &(struct v5_flow){1, 2, 3, 4, 900, 1000}, 1);
    (void)send_from(0x0a000001, 2055, MS(T0));
    finish();
    CU_ASSERT_EQUAL(out.count, 0);
    CU_ASSERT_EQUAL_FATAL(out.account_row_count, 1);
    CU_ASSERT_EQUAL(out.account_rows[0].counts.deselected_records, 1);
    CU_ASSERT_EQUAL(out.account_rows[0].counts.records, 1);
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

UNIT_MAIN("derive", {"times", times}, {"sysUpTime's edges", up_time_edges},
          {"clocks of messages", clocks_of_messages}, {"clocks of records", clocks_of_records},
          {"clock and init time", clock_and_init_time}, {"clock and sysUpTime", clock_and_up_time},
          {"clocks without reception", clocks_without_reception},
          {"clock and dropped records", clock_and_dropped_records}, {"counters", counters},
          {"sampling in records", sampling_in_records},
          {"sampling by options", sampling_by_options})
