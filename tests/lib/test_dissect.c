/* test_dissect.c - packet heads to values: every layer, cut everywhere. */
#include "wire/dissect.h"
#include "packet_writer.h"
#include "unit.h"
#include <stdlib.h>

static struct buffer p;
static struct wire_values v;

static void dissect(uint32_t link)
{
    wire_values_clear(&v);
    CU_ASSERT_TRUE(dissect_packet(&v, link, cursor_over(p.bytes, p.length)));
}

static uint64_t number(enum wire_value which)
{
    return wire_has(&v, which) ? v.at[which].number : UINT64_MAX;
}

static void start(void)
{
    buffer_clear(&p);
}

static void ethernet_ipv4_tcp(void)
{
    start();
    put_ethernet(&p, 0x0800);
    put_ipv4(&p, 6, 20, 0x4000); /* do not fragment: that alone is no fragment */
    put_tcp(&p, 0x112);
    dissect(DISSECT_ETHERNET);
    CU_ASSERT_EQUAL(number(V_DESTINATION_MAC), 0x020000000002);
    CU_ASSERT_EQUAL(number(V_SOURCE_MAC), 0x020000000001);
    CU_ASSERT_EQUAL(number(V_ETHERNET_TYPE), 0x0800);
    CU_ASSERT_EQUAL(number(V_SOURCE_IPV4), 0xc0000201);
    CU_ASSERT_EQUAL(number(V_DESTINATION_IPV4), 0xc6336402);
    CU_ASSERT_EQUAL(number(V_PROTOCOL), 6);
    CU_ASSERT_EQUAL(number(V_CLASS_OF_SERVICE), 40);
    CU_ASSERT_EQUAL(number(V_TTL), 61);
    CU_ASSERT_EQUAL(number(V_IP_LENGTH), 40);
    CU_ASSERT_EQUAL(number(V_SOURCE_PORT), 50000);
    CU_ASSERT_EQUAL(number(V_DESTINATION_PORT), 443);
    CU_ASSERT_EQUAL(number(V_TCP_FLAGS), 0x112);
    CU_ASSERT_FALSE(wire_has(&v, V_FRAGMENT_OFFSET) || wire_has(&v, V_VLAN) ||
                    wire_has(&v, V_MPLS_LABEL));
}

static void tags(void)
{
    start();
    put_ethernet(&p, 0x88a8);
    put_tag(&p, 5, 100, 0x8100);
    put_tag(&p, 3, 4095, 0x0800);
    put_ipv4(&p, 17, 8, 0);
    put_udp(&p);
    dissect(DISSECT_ETHERNET);
    CU_ASSERT_EQUAL(number(V_VLAN), 100);
    CU_ASSERT_EQUAL(number(V_DOT1Q_VLAN), 100);
    CU_ASSERT_EQUAL(number(V_DOT1Q_PRIORITY), 5);
    CU_ASSERT_EQUAL(number(V_CUSTOMER_VLAN), 4095);
    CU_ASSERT_EQUAL(number(V_CUSTOMER_PRIORITY), 3);
    CU_ASSERT_EQUAL(number(V_DESTINATION_PORT), 53);
    CU_ASSERT_FALSE(wire_has(&v, V_TCP_FLAGS));
}

static void labels(void)
{
    start();
    put_ethernet(&p, 0x8847);
    for (uint32_t i = 0; i < 12; i++)
        put_label(&p, 1000 + i, i & 7, i == 11, (uint8_t)(200 - i));
    put_ipv6(&p, 17, 8);
    put_udp(&p);
    dissect(DISSECT_ETHERNET);
    CU_ASSERT_EQUAL(number(V_TOP_LABEL_TTL), 200);
    for (unsigned i = 0; i < WIRE_MPLS_LABELS; i++) {
        struct octets label = v.at[V_MPLS_LABEL + i].octets;
        CU_ASSERT_TRUE(wire_has(&v, V_MPLS_LABEL + i) && label.length == 3);
        CU_ASSERT_EQUAL((uint32_t)load_be16(label.bytes) << 4 | label.bytes[2] >> 4, 1000 + i);
    }
    CU_ASSERT_EQUAL(number(V_SOURCE_PORT), 1053);
    CU_ASSERT_EQUAL(number(V_ETHERNET_TYPE), 0x8847);
    start(); /* a pseudowire: neither version follows */
    put_label(&p, 16, 0, true, 1);
    buffer_put_u32be(&p, 0);
    dissect(DISSECT_MPLS);
    CU_ASSERT_TRUE(wire_has(&v, V_MPLS_LABEL) && !wire_has(&v, V_PROTOCOL));
}

static void extension_headers(void)
{
    start();
    put_ipv6(&p, 0, 8 + 16 + 24 + 20);
    put_extension(&p, 43, 1);
    put_extension(&p, 51, 2);
    buffer_put_u8(&p, 60); /* authentication header: length in 4-octet units, less two */
    buffer_put_u8(&p, 4);
    memset(buffer_extend(&p, 22), 0, 22);
    p.bytes[40 + 8 + 16 + 1] = 4;
    put_extension(&p, 6, 1);
    put_tcp(&p, 2);
    dissect(DISSECT_IPV6);
    CU_ASSERT_EQUAL(number(V_PROTOCOL), 6);
    CU_ASSERT_EQUAL(number(V_FLOW_LABEL), 0xabcde);
    CU_ASSERT_EQUAL(number(V_CLASS_OF_SERVICE), 40);
    CU_ASSERT_EQUAL(number(V_TTL), 62);
    CU_ASSERT_EQUAL(memcmp(v.at[V_SOURCE_IPV6].octets.bytes, ipv6_source, 16), 0);
    CU_ASSERT_EQUAL(memcmp(v.at[V_DESTINATION_IPV6].octets.bytes, ipv6_destination, 16), 0);
}

static void put_ipv6_fragment(unsigned offset, bool more)
{
    start();
    put_ipv6(&p, 44, 16);
    buffer_put_u8(&p, 17);
    buffer_put_u8(&p, 0);
    buffer_put_u16be(&p, (uint16_t)(offset << 3 | more));
    buffer_put_u32be(&p, 0xdeadbeef);
    put_udp(&p);
    dissect(DISSECT_IPV6);
}

static void fragments(void)
{
    start();
    put_ipv4(&p, 17, 8, 0x2000);
    put_udp(&p);
    dissect(DISSECT_IPV4);
    CU_ASSERT_TRUE(number(V_FRAGMENT_ID) == 0x1234 && number(V_FRAGMENT_OFFSET) == 0);
    CU_ASSERT_EQUAL(number(V_FRAGMENT_FLAGS), 0x20);
    CU_ASSERT_EQUAL(number(V_DESTINATION_PORT), 53);
    start();
    put_ipv4(&p, 17, 8, 0x00b9);
    put_udp(&p);
    dissect(DISSECT_IPV4);
    CU_ASSERT_EQUAL(number(V_FRAGMENT_OFFSET), 0xb9);
    CU_ASSERT_EQUAL(number(V_PROTOCOL), 17);
    CU_ASSERT_FALSE(wire_has(&v, V_DESTINATION_PORT));
    put_ipv6_fragment(0, true);
    CU_ASSERT_TRUE(number(V_FRAGMENT_ID) == 0xdeadbeef && number(V_FRAGMENT_FLAGS) == 0x20);
    CU_ASSERT_EQUAL(number(V_DESTINATION_PORT), 53);
    put_ipv6_fragment(180, false);
    CU_ASSERT_TRUE(number(V_FRAGMENT_OFFSET) == 180 && number(V_FRAGMENT_FLAGS) == 0);
    CU_ASSERT_EQUAL(number(V_PROTOCOL), 17);
    CU_ASSERT_FALSE(wire_has(&v, V_DESTINATION_PORT));
}

static void icmp(void)
{
    start();
    put_ipv4(&p, 1, 8, 0);
    buffer_put_u32be(&p, 0x030d0000);
    dissect(DISSECT_IPV4);
    CU_ASSERT_EQUAL(number(V_ICMP_IPV4), 0x030d);
    start();
    put_ipv6(&p, 58, 4);
    buffer_put_u32be(&p, 0x80000000);
    dissect(DISSECT_IPV6);
    CU_ASSERT_EQUAL(number(V_ICMP_IPV6), 0x8000);
    CU_ASSERT_FALSE(wire_has(&v, V_SOURCE_PORT));
}

/* Ethernet pads short frames: what looks like a transport header behind a packet's end is none. */
static void padding(void)
{
    start();
    put_ipv4(&p, 6, 4, 0);
    put_tcp(&p, 2);
    dissect(DISSECT_IPV4);
    CU_ASSERT_EQUAL(number(V_SOURCE_PORT), 50000);
    CU_ASSERT_FALSE(wire_has(&v, V_TCP_FLAGS));
    p.bytes[2] = p.bytes[3] = 0; /* a length of 0: segmentation offload */
    dissect(DISSECT_IPV4);
    CU_ASSERT_EQUAL(number(V_TCP_FLAGS), 2);
    p.bytes[3] = 12; /* shorter than its own header */
    dissect(DISSECT_IPV4);
    CU_ASSERT_FALSE(wire_has(&v, V_SOURCE_PORT));
}

static void other_links(void)
{
    start();
    put_ethernet(&p, 0x8864); /* PPPoE */
    buffer_put_u32be(&p, 0x11000001);
    buffer_put_u32be(&p, 0x001e0021);
    put_ipv4(&p, 17, 8, 0);
    put_udp(&p);
    dissect(DISSECT_ETHERNET);
    CU_ASSERT_EQUAL(number(V_DESTINATION_PORT), 53);
    start();
    buffer_put_u32be(&p, 0xff030057);
    put_ipv6(&p, 17, 8);
    put_udp(&p);
    dissect(DISSECT_POS);
    CU_ASSERT_EQUAL(number(V_DESTINATION_PORT), 53);
    start();
    buffer_put_u8(&p, 0x21); /* compressed protocol */
    put_ipv4(&p, 17, 8, 0);
    put_udp(&p);
    dissect(DISSECT_PPP);
    CU_ASSERT_EQUAL(number(V_DESTINATION_PORT), 53);
    start();
    put_ethernet(&p, 36); /* 802.3 with SNAP */
    buffer_put_u32be(&p, 0xaaaa0300);
    buffer_put_u32be(&p, 0x00000800);
    put_ipv4(&p, 17, 8, 0);
    put_udp(&p);
    dissect(DISSECT_ETHERNET);
    CU_ASSERT_EQUAL(number(V_ETHERNET_TYPE), 0x0800);
    CU_ASSERT_EQUAL(number(V_DESTINATION_PORT), 53);
    start();
    put_ethernet(&p, 0x0806); /* ARP: only its Ethernet fields */
    memset(buffer_extend(&p, 28), 0x45, 28);
    dissect(DISSECT_ETHERNET);
    CU_ASSERT_TRUE(number(V_ETHERNET_TYPE) == 0x0806 && !wire_has(&v, V_PROTOCOL));
    wire_values_clear(&v);
    CU_ASSERT_FALSE(dissect_packet(&v, 99, cursor_over(p.bytes, p.length)));
    CU_ASSERT_EQUAL(v.present[0] | v.present[1], 0);
}

/* Cut at every octet, flush against the end of an allocation: what was whole stays, nothing more
 * comes. */
static void cut_everywhere(void)
{
    start();
    put_ethernet(&p, 0x8100);
    put_tag(&p, 1, 2, 0x8847);
    put_label(&p, 3, 0, true, 9);
    put_ipv6(&p, 60, 8 + 20);
    put_extension(&p, 6, 1);
    put_tcp(&p, 0x18);
    unsigned before = 0;
    for (size_t n = 0; n <= p.length; n++) {
        uint8_t *flush = malloc(n ? n : 1);
        memcpy(flush, p.bytes, n);
        wire_values_clear(&v);
        CU_ASSERT_TRUE(dissect_packet(&v, DISSECT_ETHERNET, cursor_over(flush, n)));
        unsigned now = (unsigned)__builtin_popcountll(v.present[0]) +
                       (unsigned)__builtin_popcountll(v.present[1]);
        CU_ASSERT_TRUE(now >= before);
        before = now;
        free(flush);
    }
    CU_ASSERT_EQUAL(number(V_TCP_FLAGS), 0x18);
    buffer_free(&p);
}

UNIT_MAIN("dissect", {"Ethernet, IPv4, TCP", ethernet_ipv4_tcp}, {"VLAN and QinQ", tags},
          {"MPLS", labels}, {"IPv6 extension headers", extension_headers},
          {"fragments", fragments}, {"ICMP", icmp}, {"padding and odd lengths", padding},
          {"PPP, PPPoE, SNAP, ARP", other_links}, {"cut everywhere", cut_everywhere})
