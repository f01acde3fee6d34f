/* test_ingest.c - the decoding engine as a whole: datagrams in; records, account and checkpoints
 * out. Neighbours: test_derive.c (what is added to records), test_ingest_bounds.c. */
#include "ingest_output.h"

/* ---- NetFlow v5 ---- */

static void netflow5(void)
{
    static const struct v5_flow flows[] = {{1, 2, 3, 400, 90000, 95000},
                                           {5, 6, 7, 800, 99000, 101000}};
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
    const struct device devices[] = {{address_from_ipv4(0x0a000009), 10},
                                     {address_from_ipv4(0x0a000001), 25}};
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
    static const uint16_t both[] = {8, 4, 28, 16, 16, 4}, v4_only[] = {12, 4},
                          two[] = {8, 4, 27, 16, 16, 4};
    const struct prefix_rule prefixes[] = {{prefix("0.0.0.0/0"), 1},
                                           {prefix("10.0.0.0/8"), 2},
                                           {prefix("2001:db8::/32"), 3},
                                           {prefix("10.1.0.0/16"), 4}};
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
    k = knowledge_of(prefixes, 4, NULL, 0, NULL, 0); /* 0.0.0.0/0 is not for those without an
                                                        address */
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

/* A kill, with what was handed on kept, and a new ingest that goes on. Returns what the first one
 * counted as missing. */
static uint64_t kill_and_resume(void)
{
    finish();
    const struct account_checkpoint from = out.last_checkpoint;
    const uint64_t missing = out.counts.missing_records - out.counts.recovered_records;
    start((struct ingest_settings){0});
    ingest_resume(in, &from, 1);
    return missing;
}

/* One datagram is lost, and looks as if it were counted through its end (rule 8 of sequence.h):
 * what is not in the account when the next kill comes is found missing after it. */
static void killed_in_doubt(void)
{
    static const struct v5_flow flow = {1, 2, 3, 4, 5, 6};
    uint64_t missing = 0;
    start((struct ingest_settings){0});
    for (uint32_t i = 0; i < 20; i++) {
        if (i == 2 || i == 4 || i == 5)
            missing += kill_and_resume();
        if (i == 3)
            continue; /* lost */
        write_netflow5(&w, 1000 * i, T0 + i, 100 + i, 0, &flow, 1);
        (void)send_it();
    }
    CU_ASSERT_EQUAL(missing, 0);
    CU_ASSERT_EQUAL(missing + kill_and_resume(), 1);
    finish();
}

static void send_unknown(uint32_t sequence, uint32_t records)
{
    write_ipfix(&w, T0, sequence, 7);
    open_set(&w, 999);
    for (uint32_t i = 0; i < records; i++)
        put_plain(i, i + 1, 100 + i, 1, (uint64_t)MS(T0));
    close_set(&w);
    (void)send_it();
}

static void send_known(uint32_t sequence)
{
    write_ipfix(&w, T0, sequence, 7);
    write_template(&w, 256, plain, 6);
    write_plain_data(1);
    (void)send_it();
}

/* Data sets that wait for their template die with the process: their records are missing. Those
 * that were given up before it are undecodable, and not missing as well. */
static void killed_with_data_that_waits(void)
{
    for (int given_up = 0; given_up < 2; given_up++) {
        start((struct ingest_settings){0});
        send_known(0);
        send_unknown(1, 3);
        send_known(4);
        (void)ingest_flush(in);
        if (given_up)
            ingest_tick(in, MS(T0) + 3600000);
        CU_ASSERT_EQUAL(kill_and_resume(), 0);
        send_known(5);
        CU_ASSERT_EQUAL(kill_and_resume(), given_up ? 0 : 3);
        send_known(6);
        CU_ASSERT_EQUAL(kill_and_resume(), 0);
        finish();
    }
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

/* Thirty messages of four flows, of which every `step` is in the sequence; 3 steps are left out. */
static void send_counted(uint16_t version, uint32_t step)
{
    static const uint16_t flow[] = {8, 4, 12, 4, 1, 4};
    for (uint32_t i = 0, sequence = 0; i < 30; i++, sequence += step) {
        if (i == 20)
            sequence += 3 * step;
        if (version == 9)
            write_netflow9(&w, 1000 + i * 1000, T0 + i, sequence, 7);
        else
            write_ipfix(&w, T0 + i, sequence, 7);
        write_template(&w, 256, flow, 3);
        open_set(&w, 256);
        for (uint32_t n = 0; n < 12; n++)
            buffer_put_u32be(&w.b, n);
        close_set(&w);
        (void)send_from(0x0a000001, version, MS(T0 + i));
    }
}

/* What is missing is said in what the exporter counts, not in what its protocol should. */
static void counts_otherwise(void)
{
    static const struct {
        uint16_t version;
        uint32_t step;
        uint64_t records, datagrams;
    } cases[] = {{9, 1, 0, 3}, {9, 4, 12, 0}, {10, 4, 12, 0}, {10, 1, 0, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start((struct ingest_settings){0});
        send_counted(cases[i].version, cases[i].step);
        finish();
        CU_ASSERT_EQUAL(out.counts.missing_records, cases[i].records);
        CU_ASSERT_EQUAL(out.counts.missing_datagrams, cases[i].datagrams);
        CU_ASSERT_EQUAL(out.counts.unknown_gaps, 0);
    }
}

UNIT_MAIN("ingest", {"NetFlow v5", netflow5}, {"NetFlow v5 cut short", netflow5_cut_short},
          {"template first", template_first}, {"template later", template_later},
          {"template behind its data", template_behind_its_data},
          {"parked too long or too much", parked_too_long_or_too_much},
          {"template redefined and withdrawn", template_redefined_and_withdrawn},
          {"templates of others", templates_of_others}, {"configured rates", configured},
          {"tags", tags}, {"repeated and lost datagrams", repeated_and_lost_datagrams},
          {"killed and resumed", killed_and_resumed}, {"killed in doubt", killed_in_doubt},
          {"killed with data that waits", killed_with_data_that_waits}, {"suspended", suspended},
          {"kernel drops and noise", kernel_drops_and_noise},
          {"counts otherwise", counts_otherwise})
