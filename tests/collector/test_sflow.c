/* test_sflow.c - sFlow, NetFlow v1 and v7 through the whole engine: records, their account, agents
 * behind one address, and a collector that was started anew. */
#include "ingest/ingest.h"
#include "packet_writer.h"
#include "unit.h"
#include <stdlib.h>

#define T0 INT64_C(1700000000000)
#define RELAY 0x0a0000fe
#define AGENT 0x0a000001

static struct {
    struct account_counts counts;
    struct account_checkpoint checkpoints[16];
    uint32_t rows, accounts, checkpoint_count;
    uint64_t octets, packets, ends;
    double rate;
    uint8_t rate_origin, time_origin, version;
    uint32_t domain;
} out;
static struct ingest *in;
static struct sflow_writer w;
static struct buffer p;

static const void *value(struct batch *b, ie_key key, uint32_t row)
{
    static const uint64_t nothing[2];
    for (size_t i = 0; i < batch_column_count(b); i++) {
        const struct column *c = batch_column_at(b, i);
        if (c->key == key && c->present[row / 64] >> (row % 64) & 1)
            return (const uint8_t *)c->values + (size_t)row * c->width;
    }
    return nothing;
}

static void keep(struct batch *b)
{
    for (uint32_t r = 0; r < batch_rows(b); r++) {
        out.octets += *(const uint64_t *)value(b, WEIR_OCTETS, r);
        out.packets += *(const uint64_t *)value(b, WEIR_PACKETS, r);
        out.ends += *(const uint64_t *)value(b, WEIR_FLOW_END, r);
        out.rate = *(const double *)value(b, WEIR_SAMPLING_RATE, r);
        out.rate_origin = *(const uint8_t *)value(b, WEIR_SAMPLING_ORIGIN, r);
        out.time_origin = *(const uint8_t *)value(b, WEIR_TIME_ORIGIN, r);
        out.version = *(const uint8_t *)value(b, WEIR_PROTOCOL_VERSION, r);
        out.domain = *(const uint32_t *)value(b, WEIR_DOMAIN, r);
        out.rows++;
    }
}

static struct batch *take(void *context, struct batch *full, struct account *account)
{
    (void)context;
    if (full)
        keep(full);
    if (account) {
        out.accounts++;
        for (size_t i = 0; i < account->row_count; i++)
            account_counts_add(&out.counts, &account->rows[i].counts);
        for (size_t i = 0; i < account->checkpoint_count; i++)
            out.checkpoints[out.checkpoint_count++ % 16] = account->checkpoints[i];
    }
    return ingest_give_back(full, account);
}

static void start(uint32_t batch_rows)
{
    struct ingest_output output = {take, NULL};
    struct ingest_settings settings = {.batch_rows = batch_rows};
    memset(&out, 0, sizeof out);
    in = ingest_new(&settings, &output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    buffer_clear(&p);
    put_ethernet(&p, 0x0800);
    put_ipv4(&p, 17, 8, 0);
    put_udp(&p);
}

static void finish(void)
{
    CU_ASSERT_EQUAL(ingest_flush(in), WEIR_OK);
    ingest_free(in);
}

static enum weir_status deliver(int64_t at)
{
    struct datagram d = {.bytes = w.b.bytes,
                         .length = w.b.length,
                         .from = address_from_ipv4(RELAY),
                         .port = 6343,
                         .received_ms = at};
    return ingest_datagram(in, &d);
}

/* A datagram of `samples` samples of 100 octets each, numbered on from first. */
static enum weir_status send(uint32_t agent, uint32_t sequence, uint32_t up, uint32_t first,
                             uint32_t samples, int64_t at)
{
    write_sflow(&w, agent, 3, sequence, up);
    for (uint32_t i = 0; i < samples; i++) {
        open_flow(&w, first + i, 0, 1, 2);
        put_raw_header(&w, 1, 100, &p);
        close_sample(&w);
    }
    return deliver(at);
}

static void records(void)
{
    start(64);
    for (uint32_t i = 0; i < 50; i++) /* batches end in the middle of datagrams */
        CU_ASSERT_EQUAL(send(AGENT, i, 1000 * i, 7 * i, 7, T0 + 1000 * i), WEIR_OK);
    finish();
    CU_ASSERT_TRUE(out.rows == 350 && out.octets == 35000 && out.packets == 350);
    CU_ASSERT_TRUE(out.rate == 1000.0 && out.rate_origin == SAMPLING_RECORD);
    CU_ASSERT_TRUE(out.time_origin == TIME_FROM_RECEPTION && out.version == 105 && out.domain == 3);
    CU_ASSERT_EQUAL(out.ends, 350 * (uint64_t)T0 + 7 * 1000 * 49 * 50 / 2);
    CU_ASSERT_TRUE(out.counts.datagrams == 50 && out.counts.records == 350);
    CU_ASSERT_TRUE(out.counts.missing_datagrams == 0 && out.counts.missing_samples == 0);
    CU_ASSERT_TRUE(out.counts.unknown_gaps == 0 && out.counts.undecodable_octets == 0);
}

static void losses(void)
{
    start(0);
    for (uint32_t i = 0; i < 40; i++)
        if (i % 10 != 5) /* four lost */
            (void)send(AGENT, i, 100 * i, 3 * i, 3, T0 + 100 * i);
    (void)send(AGENT, 15, 1500, 45, 3, T0 + 4000); /* one of them late */
    (void)send(AGENT, 39, 3900, 117, 3, T0 + 4001); /* and one again */
    (void)send(AGENT, 40, 4000, 125, 3, T0 + 4010); /* five samples lost inside the agent */
    finish();
    CU_ASSERT_TRUE(out.counts.missing_datagrams == 4 && out.counts.recovered_datagrams == 1);
    CU_ASSERT_TRUE(out.counts.missing_samples == 12 + 5 && out.counts.recovered_samples == 3);
    CU_ASSERT_TRUE(out.counts.duplicates == 1 && out.counts.reordered == 1);
    CU_ASSERT_TRUE(out.counts.unknown_gaps == 0 && out.counts.restarts == 0);
}

static void restarts(void)
{
    start(0);
    for (uint32_t i = 0; i < 20; i++)
        (void)send(AGENT, 500 + i, 900000 + 100 * i, 70 + i, 1, T0 + 100 * i);
    for (uint32_t i = 0; i < 20; i++)
        (void)send(AGENT, 1 + i, 5000 + 100 * i, 1 + i, 1, T0 + 60000 + 100 * i);
    finish();
    CU_ASSERT_TRUE(out.counts.restarts == 1 && out.counts.unknown_gaps == 1);
    CU_ASSERT_TRUE(out.counts.missing_datagrams == 0 && out.counts.missing_samples == 0);
}

/* Two agents behind one address and port, with the same sub-agent number. */
static void two_agents(void)
{
    start(0);
    for (uint32_t i = 0; i < 30; i++) {
        (void)send(AGENT, i, 100 * i, i, 1, T0 + 100 * i);
        if (i % 3)
            (void)send(AGENT + 1, 9000 + i, 777777 + 100 * i, i, 1, T0 + 100 * i);
    }
    finish();
    CU_ASSERT_TRUE(out.counts.missing_datagrams == 9 && out.counts.missing_samples == 9);
    CU_ASSERT_TRUE(out.counts.restarts == 0 && out.counts.unknown_gaps == 0);
}

/* An earlier run's checkpoint is for the agent that goes on from there; of another one it tells
 * nothing. */
static void resumed(void)
{
    start(0);
    for (uint32_t i = 0; i < 10; i++)
        (void)send(AGENT, i, 100 * i, i, 1, T0 + 100 * i);
    finish();
    CU_ASSERT_EQUAL_FATAL(out.checkpoint_count, 1);
    struct account_checkpoint checkpoint = out.checkpoints[0];
    CU_ASSERT_TRUE(checkpoint.next_sequence == 10 && checkpoint.protocol == 105);
    start(0);
    ingest_resume(in, &checkpoint, 1);
    (void)send(AGENT, 15, 30000, 15, 1, T0 + 30000);
    (void)send(AGENT + 1, 7, 30000, 15, 1, T0 + 30000);
    finish();
    CU_ASSERT_TRUE(out.counts.missing_datagrams == 5 && out.counts.unknown_gaps == 0);
    start(0);
    ingest_resume(in, &checkpoint, 1);
    (void)send(AGENT + 1, 15, 5000000, 15, 1, T0 + 30000); /* has been up too long */
    finish();
    CU_ASSERT_TRUE(out.counts.missing_datagrams == 0 && out.counts.unknown_gaps == 1);
    start(0);
    ingest_resume(in, &checkpoint, 1);
    (void)send(RELAY, 11, 30000, 15, 1, T0 + 30000); /* the exporter is the agent */
    finish();
    CU_ASSERT_TRUE(out.counts.missing_datagrams == 1 && out.counts.unknown_gaps == 0);
}

static void other_samples(void)
{
    start(0);
    write_sflow(&w, AGENT, 0, 1, 1);
    for (uint32_t format = 2; format < 7; format++) {
        if (format == 3)
            continue;
        open_sample(&w, format);
        put_words(&w.b, (const uint32_t[]){1, 2}, 2);
        close_sample(&w);
    }
    buffer_put_u32be(&w.b, 0xffffffff); /* behind what was said */
    CU_ASSERT_EQUAL(deliver(T0), WEIR_OK);
    finish();
    CU_ASSERT_TRUE(out.counts.other_samples == 3 && out.counts.records == 0);
    CU_ASSERT_EQUAL(out.counts.undecodable_octets, 16 + 4);
}

static void suspended(void)
{
    start(0);
    (void)send(AGENT, 1, 100, 1, 1, T0);
    ingest_suspend(in, true);
    (void)send(AGENT, 2, 200, 2, 1, T0 + 100);
    ingest_suspend(in, false);
    (void)send(AGENT, 9, 900, 9, 1, T0 + 800);
    finish();
    CU_ASSERT_TRUE(out.counts.datagrams == 3 && out.counts.records == 2);
    CU_ASSERT_TRUE(out.counts.unknown_gaps == 1 && out.counts.missing_datagrams == 0 &&
                   out.counts.missing_samples == 0);
}

/* Cut at every octet: nothing but what is whole, and every octet is accounted or refused. */
static void cut_everywhere(void)
{
    start(0);
    (void)send(AGENT, 1, 1, 1, 4, T0);
    size_t whole = w.b.length;
    for (size_t n = 0; n <= whole; n++) {
        uint8_t *flush = malloc(n ? n : 1);
        memcpy(flush, w.b.bytes, n);
        struct datagram d = {.bytes = flush, .length = n, .from = address_from_ipv4(9), .port = 1,
                             .received_ms = T0};
        CU_ASSERT_EQUAL(ingest_datagram(in, &d), n < 28 ? WEIR_EMALFORMED : WEIR_OK);
        free(flush);
    }
    finish();
    CU_ASSERT_EQUAL(out.counts.undecodable_datagrams, 28);
    CU_ASSERT_EQUAL(out.counts.datagrams, whole + 2);
}

/* ---- NetFlow v1 and v7 ---- */

static void put_record_of(uint32_t octets, size_t length)
{
    const uint32_t words[] = {1, 2, 3, 4, 10, octets, 1000, 2000};
    put_words(&w.b, words, 8);
    memset(buffer_extend(&w.b, length - 32), 0, length - 32);
}

static enum weir_status send_v1(uint16_t said, uint16_t there, uint32_t seconds)
{
    buffer_clear(&w.b);
    buffer_put_u16be(&w.b, 1);
    buffer_put_u16be(&w.b, said);
    put_words(&w.b, (const uint32_t[]){5000, seconds, 0}, 3);
    for (uint16_t i = 0; i < there; i++)
        put_record_of(100, 48);
    return deliver(T0);
}

static enum weir_status send_v7(uint16_t n, uint32_t sequence)
{
    buffer_clear(&w.b);
    buffer_put_u16be(&w.b, 7);
    buffer_put_u16be(&w.b, n);
    put_words(&w.b,
              (const uint32_t[]){5000 + sequence, 1700000000 + sequence / 100, 0, sequence, 0}, 5);
    for (uint16_t i = 0; i < n; i++)
        put_record_of(100, 52);
    return deliver(T0);
}

static void netflow1(void)
{
    start(0);
    CU_ASSERT_EQUAL(send_v1(3, 3, 1700000000), WEIR_OK);
    CU_ASSERT_EQUAL(send_v1(2, 2, 1700000001), WEIR_OK);
    CU_ASSERT_EQUAL(send_v1(1, 1, 1700000100), WEIR_OK); /* two minutes later */
    CU_ASSERT_EQUAL(send_v1(3, 2, 1700000101),
                    WEIR_EMALFORMED); /* less than it says: could be anything */
    CU_ASSERT_EQUAL(send_v1(0, 0, 1700000101), WEIR_EMALFORMED);
    finish();
    CU_ASSERT_TRUE(out.rows == 6 && out.octets == 600 && out.packets == 60 && out.version == 1);
    CU_ASSERT_EQUAL(out.ends, 3 * UINT64_C(1699999997000) + 2 * UINT64_C(1699999998000) +
                                  UINT64_C(1700000097000));
    /* No sequence: unknown from the start, and in every minute. */
    CU_ASSERT_TRUE(out.counts.unknown_gaps == 2 && out.counts.missing_records == 0);
}

static void netflow7(void)
{
    start(0);
    CU_ASSERT_EQUAL(send_v7(5, 100), WEIR_OK);
    CU_ASSERT_EQUAL(send_v7(5, 105), WEIR_OK);
    CU_ASSERT_EQUAL(send_v7(3, 120), WEIR_OK);
    CU_ASSERT_EQUAL(send_v7(5, 110), WEIR_OK);
    finish();
    CU_ASSERT_TRUE(out.rows == 18 && out.octets == 1800 && out.version == 7);
    CU_ASSERT_TRUE(out.counts.missing_records == 10 && out.counts.recovered_records == 5);
    CU_ASSERT_EQUAL(out.counts.unknown_gaps, 0);
    buffer_free(&w.b);
    buffer_free(&p);
}

static void recognised(void)
{
    static const uint8_t sflow4[28] = {0, 0, 0, 4, 0, 0, 0, 1},
                         sflow5[28] = {0, 0, 0, 5, 0, 0, 0, 1};
    static const uint8_t tftp[64] = {0, 1, 'f', 'i', 'l', 'e', 0, 'o', 'c', 't', 'e', 't'};
    CU_ASSERT_EQUAL(ingest_recognise(sflow5, sizeof sflow5), 105);
    CU_ASSERT_EQUAL(ingest_recognise(sflow4, sizeof sflow4), 0);
    CU_ASSERT_EQUAL(ingest_recognise(tftp, sizeof tftp), 0);
}

UNIT_MAIN("sFlow in the engine", {"records", records}, {"losses", losses}, {"restarts", restarts},
          {"two agents", two_agents}, {"resumed", resumed}, {"other samples", other_samples},
          {"suspended", suspended}, {"cut everywhere", cut_everywhere}, {"recognised", recognised},
          {"NetFlow v1", netflow1}, {"NetFlow v7", netflow7})
