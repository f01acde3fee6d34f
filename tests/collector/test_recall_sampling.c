/* test_recall_sampling.c - sampling over a restart: what options data said is kept, holds for
 * records with the origin it had, gives way to what is said anew, and ends when it is not repeated.
 * Neighbour: test_recall.c. */
#include "ingest/recall.h"
#include "ingest/sampling.h"
#include "ingest_output.h"
#include <math.h>

#define DAY 86400
#define HOST 0x0a000001u

static struct buffer entries;

static void recall(void)
{
    struct cursor c = cursor_over(entries.bytes, entries.length);
    struct recalled r;
    while (recall_next(&c, &r))
        recall_entry(in, &r);
    CU_ASSERT_FALSE(c.failed);
}

/* Ends a process, and starts the next one with what it left behind. */
static void restart(void)
{
    buffer_clear(&entries);
    (void)recall_write(in, &entries);
    finish();
    start((struct ingest_settings){0});
    recall();
}

static void put_sampler(uint16_t id, uint32_t rate)
{
    open_set(&w, 300);
    buffer_put_u32be(&w.b, 0);
    buffer_put_u16be(&w.b, id);
    buffer_put_u32be(&w.b, rate);
    close_set(&w);
}

/* NetFlow v9: two samplers, a rate of interface 3, and one of everything else. */
static void tell_rates(uint32_t sequence, uint32_t secs, uint32_t first_rate)
{
    static const uint16_t sampler[] = {1, 4, 48, 2, 50, 4}, interface[] = {2, 4, 34, 4};
    static const uint16_t all[] = {1, 4, 34, 4}, flow[] = {8, 4, 48, 2, 10, 2};
    write_netflow9(&w, 1000, secs, sequence, 7);
    write_options_template(&w, 300, sampler, 1, 3);
    write_options_template(&w, 301, interface, 1, 2);
    write_options_template(&w, 302, all, 1, 2);
    write_template(&w, 256, flow, 3);
    put_sampler(1, first_rate);
    put_sampler(2, 200);
    open_set(&w, 301);
    buffer_put_u32be(&w.b, 3);
    buffer_put_u32be(&w.b, 30);
    close_set(&w);
    open_set(&w, 302);
    buffer_put_u32be(&w.b, 0);
    buffer_put_u32be(&w.b, 50);
    close_set(&w);
    (void)send_from(HOST, 2055, MS(secs));
}

/* Four flows: of sampler 1, of 2, of interface 3, of none that is known. */
static void send_flows(uint32_t sequence, uint32_t secs)
{
    static const uint16_t flows[4][2] = {{1, 0}, {2, 0}, {9, 3}, {9, 9}};
    write_netflow9(&w, 1000 + (secs - T0) * 1000, secs, sequence, 7);
    open_set(&w, 256);
    for (uint32_t i = 0; i < 4; i++) {
        buffer_put_u32be(&w.b, i);
        buffer_put_u16be(&w.b, flows[i][0]);
        buffer_put_u16be(&w.b, flows[i][1]);
    }
    close_set(&w);
    (void)send_from(HOST, 2055, MS(secs));
    (void)ingest_flush(in);
}

/* The last four flows; 0 is unknown. */
static void check_rates(double one, double two, double three, double none)
{
    const double expected[4] = {one, two, three, none};
    uint32_t flows = 0;
    for (uint32_t i = 0; i < out.count; i++)
        flows += out.rows[i].kind == RECORD_FLOW;
    CU_ASSERT_EQUAL_FATAL(flows % 4, 0);
    CU_ASSERT_FATAL(flows > 0);
    uint32_t at = 0;
    for (uint32_t i = 0; i < out.count; i++) {
        const struct row *r = &out.rows[i];
        if (r->kind != RECORD_FLOW || at++ < flows - 4)
            continue;
        double rate = expected[r->element[8]];
        CU_ASSERT_EQUAL(r->rate, rate);
        CU_ASSERT_EQUAL(r->rate_origin, rate > 0 ? SAMPLING_OPTIONS : SAMPLING_UNKNOWN);
    }
}

static void known_at_once(void)
{
    start((struct ingest_settings){0});
    tell_rates(0, T0, 100);
    send_flows(1, T0 + 1);
    check_rates(100, 200, 30, 50);
    restart();
    send_flows(2, T0 + 60);
    check_rates(100, 200, 30, 50);
    restart(); /* never repeated in the second run */
    send_flows(3, T0 + 120);
    check_rates(100, 200, 30, 50);
    tell_rates(4, T0 + 130, 77);
    send_flows(5, T0 + 140);
    check_rates(77, 200, 30, 50);
    finish();
}

/* A line card's session has the same domain, and other sessions' domains have not. */
static void of_exporter_and_domain(void)
{
    static const uint16_t flow[] = {8, 4, 48, 2, 10, 2};
    start((struct ingest_settings){0});
    tell_rates(0, T0, 100);
    write_netflow9(&w, 1000, T0, 0, 7);
    write_template(&w, 256, flow, 3);
    (void)send_from(HOST, 3333, MS(T0));
    write_netflow9(&w, 1000, T0, 0, 8);
    write_template(&w, 256, flow, 3);
    (void)send_from(HOST, 2055, MS(T0));
    buffer_clear(&entries);
    CU_ASSERT_EQUAL(recall_write(in, &entries), 4); /* three sessions, one of them with samplers */
    finish();
    start((struct ingest_settings){0});
    recall();
    for (uint32_t domain = 7; domain <= 8; domain++) {
        write_netflow9(&w, 2000, T0 + 1, 1, domain);
        open_set(&w, 256);
        buffer_put(&w.b, "\0\0\0\0\0\1\0\0", 8);
        close_set(&w);
        (void)send_from(HOST, domain == 7 ? 3333 : 2055, MS(T0 + 1));
    }
    finish();
    CU_ASSERT_EQUAL_FATAL(out.count, 2);
    CU_ASSERT(out.rows[0].rate == 100 && out.rows[0].rate_origin == SAMPLING_OPTIONS);
    CU_ASSERT(out.rows[1].rate == 0 && out.rows[1].rate_origin == SAMPLING_UNKNOWN);
}

static void ends_when_not_repeated(void)
{
    static const uint16_t flow[] = {8, 4, 48, 2, 10, 2};
    start((struct ingest_settings){0});
    tell_rates(0, T0, 100);
    /* told by this run: holds until it is told otherwise */
    for (uint32_t day = 1; day <= 3; day++) {
        write_netflow9(&w, 1000, T0 + day * DAY, day, 7);
        write_template(&w, 256, flow, 3);
        (void)send_from(HOST, 2055, MS(T0 + day * DAY));
    }
    send_flows(4, T0 + 3 * DAY + 1);
    check_rates(100, 200, 30, 50);
    restart();
    /* said three days ago, and nobody saw whose router it is now */
    send_flows(5, T0 + 3 * DAY + 2);
    check_rates(0, 0, 0, 0);
    tell_rates(6, T0 + 3 * DAY + 3, 100);
    restart();
    send_flows(7, T0 + 4 * DAY + 2);
    check_rates(100, 200, 30, 50);
    write_netflow9(&w, 1000, T0 + 4 * DAY + 3, 8, 7);
    write_template(&w, 256, flow, 3);
    put_sampler(2, 200); /* one of them is repeated in time */
    (void)send_from(HOST, 2055, MS(T0 + 4 * DAY + 3));
    send_flows(9, T0 + 4 * DAY + 4);
    check_rates(0, 200, 0, 0);
    finish();
}

/* A sequence behind what was heard: the exporter began anew, and so may its samplers. */
static void not_after_an_exporters_restart(void)
{
    static const uint16_t flow[] = {8, 4, 48, 2, 10, 2};
    const struct account_checkpoint behind = {.exporter = address_from_ipv4(HOST),
                                              .domain = 7,
                                              .port = 2055,
                                              .protocol = 9,
                                              .next_sequence = 1000,
                                              .export_ms = MS(T0)};
    start((struct ingest_settings){0});
    tell_rates(999, T0, 100);
    restart();
    ingest_resume(in, &behind, 1);
    write_netflow9(&w, 1000, T0 + 60, 0, 7);
    write_template(&w, 256, flow, 3);
    (void)send_from(HOST, 2055, MS(T0 + 60));
    send_flows(1, T0 + 61);
    check_rates(0, 0, 0, 0);
    finish();
}

/* IPFIX: the moment of boot is told in the same way. */
static void init_time(void)
{
    static const uint16_t option[] = {149, 4, 160, 8}, flow[] = {8, 4, 22, 4, 21, 4};
    start((struct ingest_settings){0});
    write_ipfix(&w, T0, 0, 7);
    write_options_template(&w, 300, option, 1, 2);
    write_template(&w, 256, flow, 3);
    open_set(&w, 300);
    buffer_put_u32be(&w.b, 7);
    buffer_put_u64be(&w.b, (uint64_t)MS(T0 - 1000));
    close_set(&w);
    (void)send_it();
    restart();
    write_ipfix(&w, T0 + 1, 1, 7);
    open_set(&w, 256);
    buffer_put_u32be(&w.b, 1);
    buffer_put_u32be(&w.b, 900000);
    buffer_put_u32be(&w.b, 990000);
    close_set(&w);
    (void)send_it();
    finish();
    CU_ASSERT_EQUAL_FATAL(out.count, 1);
    CU_ASSERT_EQUAL(out.rows[0].start, MS(T0 - 100));
    CU_ASSERT_EQUAL(out.rows[0].end, MS(T0 - 10));
    CU_ASSERT_EQUAL(out.rows[0].origin, TIME_FROM_RECORD);
}

static void tells_when_to_write(void)
{
    start((struct ingest_settings){0});
    tell_rates(0, T0, 100);
    uint64_t version = recall_version(in);
    buffer_clear(&entries);
    (void)recall_write(in, &entries);
    write_netflow9(&w, 1000, T0 + 1, 1, 7);
    put_sampler(1, 100);
    (void)send_from(HOST, 2055, MS(T0 + 1));
    CU_ASSERT_EQUAL(recall_version(in), version);
    CU_ASSERT_TRUE(recall_repeated(in));
    write_netflow9(&w, 1000, T0 + 2, 2, 7);
    put_sampler(1, 101);
    (void)send_from(HOST, 2055, MS(T0 + 2));
    CU_ASSERT(recall_version(in) > version);
    finish();
}

static void nothing_is_trusted(void)
{
    const struct sampler bad[] = {
        {.rate = 0, .kind = SAMPLER_ID},        {.rate = NAN, .kind = SAMPLER_ID},
        {.rate = INFINITY, .kind = SAMPLER_ID}, {.rate = -5, .kind = SAMPLER_ALL},
        {.rate = 0.5, .kind = SAMPLER_ALL},     {.rate = 5, .kind = SAMPLER_KINDS},
        {.rate = 5, .kind = SAMPLER_INIT}, /* at 0 */
    };
    struct samplers known = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_FALSE(sampling_recall(&known, &bad[i]));
    CU_ASSERT(known.count == 0 && known.recalled == 0 && known.rate == 0);
    const struct sampler good = {.id = 1, .rate = 5, .kind = SAMPLER_ALL, .heard_ms = 7};
    const struct sampler later = {.id = 1, .rate = 6, .kind = SAMPLER_ALL, .heard_ms = 9};
    CU_ASSERT_TRUE(sampling_recall(&known, &good));
    CU_ASSERT_TRUE(sampling_recall(&known, &later)); /* the first one stays */
    CU_ASSERT(known.count == 1 && known.recalled == 1 && known.named == 0 && known.rate == 5);
    CU_ASSERT_EQUAL(sampling_forget_recalled(&known, 7), 0);
    CU_ASSERT_EQUAL(sampling_forget_recalled(&known, 8), 1);
    CU_ASSERT(known.count == 0 && known.recalled == 0 && known.rate == 0);
    for (uint64_t id = 0; id < 2 * SAMPLERS_MOST; id++) {
        const struct sampler s = {.id = id, .rate = 5, .kind = SAMPLER_ID};
        CU_ASSERT_EQUAL(sampling_recall(&known, &s), id < SAMPLERS_MOST);
    }
    samplers_free(&known);
    buffer_free(&entries);
}

UNIT_MAIN("recall of sampling", {"known at once", known_at_once},
          {"of exporter and domain", of_exporter_and_domain},
          {"ends when not repeated", ends_when_not_repeated},
          {"not after an exporter's restart", not_after_an_exporters_restart},
          {"init time", init_time}, {"tells when to write", tells_when_to_write},
          {"nothing is trusted", nothing_is_trusted})
