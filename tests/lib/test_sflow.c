/* test_sflow.c - sFlow version 5 as values: samples, every kind of record, damage. */
#include "packet_writer.h"
#include "unit.h"
#include "wire/sflow.h"
#include <stdlib.h>

static struct sflow_writer w;
static struct sflow_header header;
static struct sflow_sample sample;
static struct wire_values v;

static uint64_t number(enum wire_value which)
{
    return wire_has(&v, which) ? v.at[which].number : UINT64_MAX;
}

static bool is_text(enum wire_value which, const char *text)
{
    return wire_has(&v, which) && v.at[which].octets.length == strlen(text) &&
           memcmp(v.at[which].octets.bytes, text, strlen(text)) == 0;
}

static struct cursor open_datagram(void)
{
    struct cursor c = cursor_over(w.b.bytes, w.b.length);
    CU_ASSERT_TRUE(sflow_recognise(w.b.bytes, w.b.length));
    CU_ASSERT_EQUAL_FATAL(sflow_read_header(&c, &header), WEIR_OK);
    return c;
}

/* The only sample of the datagram, which is a flow sample. */
static void read_one(void)
{
    close_sample(&w);
    struct cursor c = open_datagram();
    CU_ASSERT_TRUE_FATAL(sflow_next_sample(&c, &sample));
    CU_ASSERT_EQUAL(sample.kind, SFLOW_FLOW);
    CU_ASSERT_EQUAL(sflow_read_flow(&sample, &v), 0);
    CU_ASSERT_FALSE(sflow_next_sample(&c, &sample));
}

static void begin(uint32_t input, uint32_t output)
{
    write_sflow(&w, 0x0a000001, 3, 17, 4711);
    open_flow(&w, 5, 2, input, output);
}

static void headers_and_samples(void)
{
    begin(12, 13);
    read_one();
    CU_ASSERT_TRUE(address_is_ipv4(&header.agent) && address_ipv4(&header.agent) == 0x0a000001);
    CU_ASSERT_TRUE(header.sub_agent == 3 && header.sequence == 17 && header.up_time_ms == 4711);
    CU_ASSERT_EQUAL(header.samples, 1);
    CU_ASSERT_TRUE(number(V_INGRESS) == 12 && number(V_EGRESS) == 13 && number(V_PACKETS) == 1);
    CU_ASSERT_TRUE(number(V_OCTETS) == 0 && number(V_SAMPLING_INTERVAL) == 1000);
    CU_ASSERT_TRUE(number(V_OBSERVED_PACKETS) == 5000 && number(V_OBSERVATION_POINT) == 7);
    static const uint32_t expanded[] = {9, 2, 77, 0, 88, 3, 0, 300, 1, 256, 0};
    write_sflow(&w, 1, 0, 0, 0);
    open_sample(&w, 3);
    put_words(&w.b, expanded, 11);
    read_one();
    CU_ASSERT_TRUE(number(V_OBSERVATION_POINT) == (UINT64_C(2) << 32 | 77));
    CU_ASSERT_FALSE(wire_has(&v, V_SAMPLING_INTERVAL) || wire_has(&v, V_EGRESS));
    CU_ASSERT_TRUE(number(V_INGRESS) == 300 && number(V_FORWARDING) == 128);
}

/* Two bits of format: an ifIndex, discarded for a reason, several. */
static void interfaces(void)
{
    static const struct {
        uint32_t output;
        uint64_t egress, forwarding;
    } rows[] = {
        {0x00000007, 7, UINT64_MAX},          {0, UINT64_MAX, UINT64_MAX},
        {0x3fffffff, UINT64_MAX, UINT64_MAX}, {0x80000003, UINT64_MAX, UINT64_MAX},
        {0x40000102, UINT64_MAX, 130},        {0x40000000, UINT64_MAX, 131},
        {0x40000104, UINT64_MAX, 139},        {0x400000ff, UINT64_MAX, 128},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(rows[i].output & 0x3fffffff, rows[i].output);
        read_one();
        CU_ASSERT_EQUAL(number(V_EGRESS), rows[i].egress);
        CU_ASSERT_EQUAL(number(V_FORWARDING), rows[i].forwarding);
    }
}

static void raw_header_wins(void)
{
    struct buffer p = {0};
    put_ethernet(&p, 0x0800);
    put_ipv4(&p, 17, 8, 0);
    put_udp(&p);
    static const uint32_t ethernet[] = {60, 0x02aa0000, 0x00010000, 0x02aa0000, 0x00020000, 0x86dd};
    static const uint32_t ipv4[] = {28, 6, 0x01010101, 0x02020202, 1, 2, 3, 4};
    begin(1, 2);
    put_record(&w, 3, ipv4, 8);
    put_record(&w, 2, ethernet, 6);
    put_raw_header(&w, 1, 1400, &p);
    read_one();
    CU_ASSERT_TRUE(number(V_OCTETS) == 1400 && number(V_FRAME_SIZE) == 1400);
    CU_ASSERT_TRUE(number(V_PROTOCOL) == 17 && number(V_SOURCE_IPV4) == 0xc0000201);
    CU_ASSERT_TRUE(number(V_SOURCE_MAC) == 0x020000000001 && number(V_ETHERNET_TYPE) == 0x0800);
    buffer_free(&p);
}

static void sampled_packets(void)
{
    static const uint32_t ipv4[] = {1000, 6, 0x01010101, 0x02020202, 1025, 80, 0x12, 16};
    begin(1, 2);
    put_record(&w, 3, ipv4, 8);
    read_one();
    CU_ASSERT_TRUE(number(V_OCTETS) == 1000 && number(V_PROTOCOL) == 6 &&
                   number(V_TCP_FLAGS) == 0x12);
    CU_ASSERT_TRUE(number(V_SOURCE_IPV4) == 0x01010101 && number(V_DESTINATION_IPV4) == 0x02020202);
    CU_ASSERT_TRUE(number(V_SOURCE_PORT) == 1025 && number(V_DESTINATION_PORT) == 80);
    CU_ASSERT_TRUE(number(V_CLASS_OF_SERVICE) == 16 && !wire_has(&v, V_FRAME_SIZE));
    uint32_t ipv6[14] = {200, 17, 0x20010db8, [5] = 1, 0x20010db8, [9] = 2, 53, 5353, 0, 8};
    begin(1, 2);
    put_record(&w, 4, ipv6, 14);
    read_one();
    CU_ASSERT_TRUE(number(V_OCTETS) == 200 && number(V_SOURCE_PORT) == 53);
    CU_ASSERT_TRUE(v.at[V_SOURCE_IPV6].octets.bytes[15] == 1 &&
                   v.at[V_DESTINATION_IPV6].octets.bytes[15] == 2);
    static const uint32_t ethernet[] = {64, 0x02aa0000, 0x00010000, 0x02bb0000, 0x00020000, 0x0806};
    begin(1, 2);
    put_record(&w, 2, ethernet, 6);
    read_one();
    CU_ASSERT_TRUE(number(V_OCTETS) == 64 && number(V_SOURCE_MAC) == 0x02aa00000001);
    CU_ASSERT_TRUE(number(V_DESTINATION_MAC) == 0x02bb00000002);
}

static void extended_routing(void)
{
    static const uint32_t ipv4[] = {1000, 6, 1, 2, 3, 4, 5, 6};
    static const uint32_t router[] = {1, 0xc0000263, 24, 17};
    static const uint32_t lan[] = {100, 3, 200, 4};
    static const uint32_t gateway[] = {1, 0xc0000262, 64500, 64501, 64502, 2, 2, 2, 64503,
                                       64504, 1, 1, 64505, 1, 42, 100};
    begin(1, 2);
    put_record(&w, 3, ipv4, 8);
    put_record(&w, 1001, lan, 4);
    put_record(&w, 1002, router, 4);
    put_record(&w, 1003, gateway, 16);
    read_one();
    CU_ASSERT_TRUE(number(V_NEXT_HOP_IPV4) == 0xc0000263);
    CU_ASSERT_TRUE(number(V_SOURCE_IPV4_PREFIX) == 24 && number(V_DESTINATION_IPV4_PREFIX) == 17);
    CU_ASSERT_TRUE(number(V_VLAN) == 100 && number(V_POST_VLAN) == 200 &&
                   number(V_DOT1Q_PRIORITY) == 3);
    CU_ASSERT_TRUE(number(V_BGP_NEXT_HOP_IPV4) == 0xc0000262 && number(V_SOURCE_AS) == 64501);
    CU_ASSERT_TRUE(number(V_PREVIOUS_AS) == 64502 && number(V_NEXT_AS) == 64503);
    CU_ASSERT_EQUAL(number(V_DESTINATION_AS), 64505);
    uint32_t router6[] = {2, 0x20010db8, 0, 0, 9, 48, 64};
    begin(1, 2);
    put_record(&w, 1002, router6, 7);
    read_one();
    CU_ASSERT_EQUAL(v.at[V_NEXT_HOP_IPV6].octets.bytes[15], 9);
    CU_ASSERT_TRUE(number(V_SOURCE_IPV6_PREFIX) == 48 && number(V_DESTINATION_IPV6_PREFIX) == 64);
}

static void extended_others(void)
{
    static const uint32_t nat[] = {1, 0x01020304, 1, 0x05060708};
    static const uint32_t ports[] = {1111, 2222};
    static const uint32_t mpls[] = {1, 0xc0000211, 2, 1000 << 12 | 5 << 9 | 63, 2000 << 12 | 1 << 8,
                                    0};
    static const uint32_t tunnel[] = {2, 0x88a80000 | 3 << 13 | 11, 0x81000000 | 22};
    begin(1, 2);
    put_record(&w, 1007, nat, 4);
    put_record(&w, 1020, ports, 2);
    put_record(&w, 1006, mpls, 6);
    put_record(&w, 1012, tunnel, 3);
    open_record(&w, 1004);
    put_words(&w.b, (const uint32_t[]){106, 5}, 2);
    buffer_put(&w.b, "alice\0\0\0", 8);
    put_words(&w.b, (const uint32_t[]){106, 3}, 2);
    buffer_put(&w.b, "bob", 3);
    close_record(&w);
    open_record(&w, 1005);
    put_words(&w.b, (const uint32_t[]){1, 2}, 2);
    buffer_put(&w.b, "/a\0\0", 4);
    put_words(&w.b, (const uint32_t[]){4}, 1);
    buffer_put(&w.b, "host", 4);
    close_record(&w);
    put_record(&w, 4242, ports, 2); /* unknown: stepped over */
    read_one();
    CU_ASSERT_TRUE(number(V_POST_NAT_SOURCE_IPV4) == 0x01020304);
    CU_ASSERT_TRUE(number(V_POST_NAT_DESTINATION_IPV4) == 0x05060708);
    CU_ASSERT_TRUE(number(V_POST_NAT_SOURCE_PORT) == 1111 &&
                   number(V_POST_NAT_DESTINATION_PORT) == 2222);
    CU_ASSERT_TRUE(number(V_TOP_LABEL_IPV4) == 0xc0000211 && number(V_TOP_LABEL_TTL) == 63);
    CU_ASSERT_TRUE(wire_has(&v, V_MPLS_LABEL_2) && !wire_has(&v, V_MPLS_LABEL_3));
    CU_ASSERT_TRUE(number(V_DOT1Q_VLAN) == 11 && number(V_DOT1Q_PRIORITY) == 3 &&
                   number(V_CUSTOMER_VLAN) == 22);
    CU_ASSERT_TRUE(is_text(V_USER, "alice") && is_text(V_DESTINATION_USER, "bob"));
    CU_ASSERT_TRUE(is_text(V_HTTP_TARGET, "/a") && is_text(V_HTTP_HOST, "host"));
}

static void other_samples(void)
{
    write_sflow(&w, 1, 0, 0, 0);
    static const uint32_t formats[] = {2, 4, 5, 99, 1u << 12 | 1};
    static const enum sflow_kind kinds[] = {SFLOW_COUNTERS, SFLOW_COUNTERS, SFLOW_DISCARDED,
                                            SFLOW_UNKNOWN, SFLOW_UNKNOWN};
    for (size_t i = 0; i < 5; i++) {
        open_sample(&w, formats[i]);
        buffer_put_u32be(&w.b, 1);
        close_sample(&w);
    }
    struct cursor c = open_datagram();
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_TRUE_FATAL(sflow_next_sample(&c, &sample));
        CU_ASSERT_TRUE(sample.kind == kinds[i] && sample.length == 12);
    }
    CU_ASSERT_EQUAL(cursor_left(&c), 0);
}

/* What is not whole is not taken, and the octets that were not read are told. */
static void damage(void)
{
    static const uint32_t router[] = {1, 0xc0000263, 24, 17};
    begin(1, 2);
    put_record(&w, 1002, router, 4);
    put_record(&w, 1002, router, 2); /* too short for what it is */
    close_sample(&w);
    struct cursor c = open_datagram();
    CU_ASSERT_TRUE_FATAL(sflow_next_sample(&c, &sample));
    CU_ASSERT_EQUAL(sflow_read_flow(&sample, &v), 8);
    set_be32(&w.b, w.record - 4, 0xfffffff0); /* a length past the end */
    c = open_datagram();
    CU_ASSERT_TRUE_FATAL(sflow_next_sample(&c, &sample));
    CU_ASSERT_EQUAL(sflow_read_flow(&sample, &v), 16);
    set_be32(&w.b, w.sample - 4, 0xffffffff);
    c = open_datagram();
    CU_ASSERT_FALSE(sflow_next_sample(&c, &sample));
    CU_ASSERT_EQUAL(cursor_left(&c), w.b.length - 28);
    for (size_t n = 0; n < 28; n++) {
        c = cursor_over(w.b.bytes, n);
        CU_ASSERT_EQUAL(sflow_read_header(&c, &header), WEIR_ETRUNCATED);
        CU_ASSERT_FALSE(sflow_recognise(w.b.bytes, n));
    }
    w.b.bytes[7] = 2; /* IPv6: twelve octets more */
    c = cursor_over(w.b.bytes, 36);
    CU_ASSERT_EQUAL(sflow_read_header(&c, &header), WEIR_ETRUNCATED);
    w.b.bytes[7] = 3;
    c = cursor_over(w.b.bytes, w.b.length);
    CU_ASSERT_EQUAL(sflow_read_header(&c, &header), WEIR_EMALFORMED);
    w.b.bytes[3] = 4;
    c = cursor_over(w.b.bytes, w.b.length);
    CU_ASSERT_EQUAL(sflow_read_header(&c, &header), WEIR_EVERSION);
}

/* ---- values into columns ---- */

static void columns(void)
{
    struct batch *b = batch_new(64, RECORD_FLOW);
    struct wire_columns place = {0};
    uint32_t row = 99;
    size_t index;
    wire_values_clear(&v);
    wire_set_number(&v, V_PROTOCOL, 6);
    wire_set_octets(&v, V_SOURCE_IPV6, ipv6_source, 16);
    wire_set_octets(&v, V_USER, (const uint8_t *)"x", 1);
    CU_ASSERT_EQUAL(wire_values_append(&v, &place, b, &row), WEIR_OK);
    CU_ASSERT_TRUE(row == 0 && wire_is_bound(&place, V_USER) && !wire_is_bound(&place, V_OCTETS));
    struct column *c = batch_column_at(b, wire_column_of(&place, V_SOURCE_IPV6));
    CU_ASSERT_EQUAL(memcmp(c->values, ipv6_source, 16), 0);
    wire_values_clear(&v);
    wire_set_number(&v, V_OCTETS, UINT64_C(1) << 40);
    for (uint32_t i = 1; i < 64; i++)
        CU_ASSERT_EQUAL(wire_values_append(&v, &place, b, &row), WEIR_OK);
    c = batch_column_at(b, wire_column_of(&place, V_OCTETS));
    CU_ASSERT_TRUE(((uint64_t *)c->values)[63] == UINT64_C(1) << 40 && c->present_rows == 63);
    CU_ASSERT_EQUAL(wire_values_append(&v, &place, b, &row), WEIR_EBUSY);
    batch_reset(b);
    CU_ASSERT_EQUAL(batch_column(b, IANA(1), 0, &index), WEIR_OK); /* octets where a number goes */
    CU_ASSERT_EQUAL(wire_values_append(&v, &place, b, &row), WEIR_ELIMIT);
    (void)batch_append(b, 1);
    CU_ASSERT_EQUAL(wire_values_append(&v, &place, b, &row), WEIR_EBUSY);
    CU_ASSERT_EQUAL(batch_rows(b), 1);
    batch_free(b);
    buffer_free(&w.b);
}

UNIT_MAIN("sFlow", {"headers and samples", headers_and_samples}, {"interfaces", interfaces},
          {"the raw header wins", raw_header_wins}, {"sampled packets", sampled_packets},
          {"switch, router, gateway", extended_routing}, {"other extended data", extended_others},
          {"other samples", other_samples}, {"damage", damage}, {"values to columns", columns})
