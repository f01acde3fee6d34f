/* test_filter.c - the filter language by hand: which records of a small grid each filter selects,
 * in every form a vector can have; which elements it asks for; and each error message, word by
 * word. */
#include "flow/filter.h"
#include "filter_grid.h"
#include "unit.h"

#include <stdio.h>

#define V4(a, b, c, d) ((uint64_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const uint8_t v6_one[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t v6_two[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 2};
static const uint8_t v6_mapped[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 9};
static const uint8_t exporter_a[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 2};
static const uint8_t exporter_b[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0xfe};

/* Row 0: IPv4 TCP. Row 1: IPv4 UDP. Row 2: IPv6 TCP. Row 3: IPv4 ICMP of NetFlow v5. Row 4: IPv6
 * ICMP with its own elements. Row 5: IPv4 inside IPv6 columns, MPLS. Row 6: nothing but what every
 * record has. Row 7: enterprise and odd types. */
enum { ROWS = 8 };

static void put_every(struct grid *g, uint32_t r, uint64_t octets, uint64_t packets, uint64_t ms)
{
    grid_number(g, r, WEIR_OCTETS, 8, octets);
    grid_number(g, r, WEIR_PACKETS, 8, packets);
    grid_number(g, r, WEIR_FLOW_START, 8, 1700000000000 + r);
    grid_number(g, r, WEIR_FLOW_END, 8, 1700000000000 + r + ms);
    grid_put(g, r, WEIR_EXPORTER, 16, r % 2 ? exporter_b : exporter_a);
    grid_number(g, r, WEIR_DOMAIN, 4, r);
}

static void put_ipv4(struct grid *g, uint32_t r, uint64_t src, uint64_t dst, unsigned proto)
{
    grid_number(g, r, IANA(8), 4, src);
    grid_number(g, r, IANA(12), 4, dst);
    grid_number(g, r, IANA(4), 1, proto);
}

static void put_ports(struct grid *g, uint32_t r, unsigned src, unsigned dst)
{
    grid_number(g, r, IANA(7), 2, src);
    grid_number(g, r, IANA(11), 2, dst);
}

static void put_odd(struct grid *g)
{
    static const uint8_t number[] = {0x01, 0x00}, minus[] = {0xff, 0xfe}, array[] = {0xde, 0xad, 0};
    static const float quarter = 0.25f;
    static const double rate = 100.5;
    uint32_t bits;
    uint64_t bits64;
    memcpy(&bits, &quarter, sizeof bits);
    memcpy(&bits64, &rate, sizeof bits64);
    grid_number(g, 7, IANA(434), 4, (uint32_t)-5); /* mibObjectValueInteger, signed32 */
    grid_number(g, 7, IANA(311), 8, bits64);       /* samplingProbability, float64 */
    grid_number(g, 7, WEIR_SAMPLING_RATE, 8, bits64);
    grid_number(g, 7, IANA(276), 1, 1);          /* dataRecordsReliability, boolean */
    grid_number(g, 7, IANA(150), 4, 1700000000); /* flowStartSeconds */
    grid_number(g, 7, IANA(154), 8, (UINT64_C(1700000000) + 2208988800u) << 32 | 0x80000000u);
    grid_octets(g, 7, IANA(96), "dns\0\0", 5);      /* applicationName */
    grid_octets(g, 7, IANA(95), array, 3);          /* applicationId, octetArray */
    grid_octets(g, 7, IE_KEY(9, 12172), number, 2); /* of unknown type */
    grid_octets(g, 7, IE_KEY(9, 12173), minus, 2);
    grid_number(g, 7, IE_KEY_NTH(0, 2, 1), 8, 77); /* a second packetDeltaCount */
    grid_number(g, 7, IANA(3), 8, 4);              /* deltaFlowCount */
    grid_number(g, 7, IE_KEY(REVERSE_PEN, 1), 8, 500);
}

static void fill(struct grid *g)
{
    static const uint8_t label[] = {0x00, 0x06, 0x45}; /* label 100, class 2, bottom */
    *g = (struct grid){.rows = ROWS};
    for (uint32_t r = 0; r < ROWS; r++)
        put_every(g, r, 1000 * r * r, r, 500 * r);
    put_ipv4(g, 0, V4(10, 1, 2, 3), V4(192, 0, 2, 1), 6);
    put_ports(g, 0, 50000, 443);
    grid_number(g, 0, IANA(6), 2, 0x12);
    grid_number(g, 0, WEIR_SRC_TAG, 4, 1);
    grid_number(g, 0, WEIR_DST_TAG, 4, 2);
    grid_number(g, 0, IANA(16), 4, 64500);
    grid_number(g, 0, IANA(17), 4, 64501);
    grid_number(g, 0, IANA(10), 4, 3);
    grid_number(g, 0, IANA(14), 4, 4);
    grid_number(g, 0, IANA(9), 1, 24);
    grid_number(g, 0, IANA(15), 4, V4(10, 0, 0, 254));
    grid_number(g, 0, IANA(5), 1, 0xb8);
    put_ipv4(g, 1, V4(192, 0, 2, 1), V4(10, 1, 255, 255), 17);
    put_ports(g, 1, 53, 50001);
    grid_number(g, 1, IANA(6), 2, 0x12); /* not TCP: has no flags */
    grid_number(g, 1, WEIR_SRC_TAG, 4, 2);
    grid_number(g, 1, IANA(58), 2, 100);
    grid_number(g, 1, IANA(56), 8, UINT64_C(0x00005e005301));
    grid_number(g, 1, IANA(17), 4, 64500);
    grid_put(g, 2, IANA(27), 16, v6_one);
    grid_put(g, 2, IANA(28), 16, v6_two);
    grid_number(g, 2, IANA(4), 1, 6);
    put_ports(g, 2, 443, 443);
    grid_number(g, 2, IANA(6), 2, 0x02);
    put_ipv4(g, 3, V4(10, 2, 0, 1), V4(10, 1, 2, 3), 1);
    put_ports(g, 3, 0, 3 << 8 | 1);
    grid_number(g, 3, WEIR_PROTOCOL_VERSION, 1, 5);
    grid_number(g, 3, WEIR_DOMAIN, 4, 1 << 8 | 7);
    grid_put(g, 4, IANA(27), 16, v6_two);
    grid_number(g, 4, IANA(4), 1, 58);
    grid_number(g, 4, IANA(178), 1, 128);
    grid_number(g, 4, IANA(179), 1, 0);
    grid_put(g, 5, IANA(27), 16, v6_mapped);
    grid_octets(g, 5, IANA(70), label, 3);
    grid_number(g, 5, IANA(61), 1, 1);
    put_odd(g);
}

/* ---- which rows ---- */

static bool tag_of(void *context, const char *name, uint32_t *tag)
{
    (void)context;
    *tag = strcmp(name, "PoP-BA") == 0 ? 1 : strcmp(name, "PoP PE") == 0 ? 2 : 0;
    return *tag != 0;
}

/* '1' for each row the filter must select. Row:          01234567 */
static const struct {
    const char *filter, *rows;
} selections[] = {
    {"", "11111111"},
    {"any", "11111111"},
    {" # nothing but a comment", "11111111"},
    {"not any", "00000000"},
    {"src ip 10.1.2.3", "10000000"},
    {"SRC HOST 10.1.2.3", "10000000"},
    {"ip 10.1.2.3", "10010000"},
    {"src or dst ip 10.1.2.3", "10010000"},
    {"src and dst net 10.0.0.0/8", "00010000"},
    {"dst and src net 10.0.0.0/8", "00010000"},
    {"net 10.1.0.0/16", "11010000"},
    {"net 10.1/16", "11010000"},
    {"net 10.1.77.88/16", "11010000"},
    {"net 10.1.0.0 255.255.0.0", "11010000"},
    {"src net 0.0.0.0/0", "11010100"},
    {"ip 2001:db8::1", "00100000"},
    {"src net 2001:db8::/32", "00101000"},
    {"net 2001:db8:1:: ffff:ffff:ffff::", "00101000"},
    {"net 2001:db8:0:1:: ffff:ffff:ffff:ffff::", "00000000"},
    {"net 2001:db8:1::/48", "00101000"},
    {"net 2001:db8:2::/48", "00000000"},
    {"net 2001:db8:1::/32", "00101000"},
    {"ip 192.0.2.9", "00000100"},
    {"ip ::ffff:192.0.2.9", "00000100"},
    {"src ip in [192.0.2.1, 10.2.0.0/16 2001:db8::1]", "01110000"},
    {"srcIP = 10.1.2.3", "10000000"},
    {"srcIP != 10.1.2.3", "01111100"},
    {"dstIP in [10.1.0.0/16]", "01010000"},
    {"sourceIPv4Address = 10.0.0.0/8", "10010000"},
    {"sourceIPv4Address > 10.1.2.3", "01010000"},
    {"sourceIPv4Address != 10.1.2.3", "01010000"},
    {"sourceIPv6Address = 192.0.2.9", "00000100"},
    {"next ip 10.0.0.254", "10000000"},
    {"bgpnext ip 10.0.0.254", "00000000"},
    {"inet", "11010100"},
    {"ipv4 or ipv6", "11111100"},
    {"inet6", "00101000"},
    {"port 443", "10100000"},
    {"src and dst port 443", "00100000"},
    {"dst port > 443", "01010000"},
    {"dst port gt 443", "01010000"},
    {"port > 50000 and port <= 50001", "01000000"},
    {"port 0", "00010000"},
    {"port != 443", "01010000"},
    {"not port 443", "01011111"},
    {"port in [53 80 443]", "11100000"},
    {"src port in [1 3 5 7 9 11 13 15 17 53 443]", "01100000"},
    {"proto tcp", "10100000"},
    {"proto 17", "01000000"},
    {"proto in [udp icmp6]", "01001000"},
    {"protocolIdentifier = tcp", "10100000"},
    {"proto = 300", NULL},
    {"as 64500", "11000000"},
    {"src as 64500", "10000000"},
    {"as in [64501 64502]", "10000000"},
    {"prev as 64500", "00000000"},
    {"if 4", "10000000"},
    {"in if 4", "00000000"},
    {"out if 4", "10000000"},
    {"src mask 24", "10000000"},
    {"vlan 100", "01000000"},
    {"dst vlan 100", "00000000"},
    {"mac 00:00:5E:00:53:01", "01000000"},
    {"in src mac 00:00:5e:00:53:01", "01000000"},
    {"out mac 00:00:5e:00:53:01", "00000000"},
    {"tos 184", "10000000"},
    {"tos 0xb8", "10000000"},
    {"flags S", "10100000"},
    {"flags AS", "10000000"},
    {"flags S and not flags AF", "00100000"},
    {"not flags AF", "01111111"}, /* none of them, as in nfdump */
    {"not (flags AF)", "01111111"},
    {"not flags SF", "01011111"},
    {"not not flags SF", "00000000"},
    {"not (flags A and flags F)", "11111111"},
    {"flags 0x12", "10000000"},
    {"flags = 2", "00100000"},
    {"flags X", "00000000"},
    {"icmp-type 3", "00010000"},
    {"icmp-type 3 and icmp-code 1", "00010000"},
    {"icmp-type 128", "00001000"},
    {"icmp-type 0", "00000000"},
    {"packets > 5", "00000011"},
    {"bytes >= 4k", "00111111"},
    {"octets > 4K and bytes < 20000", "00011000"},
    {"bytes > 1m", "00000000"},
    {"out bytes 500", "00000001"},
    {"duration > 1000", "00011111"},
    {"duration = 0", "10000000"},
    {"pps = 2", "01111111"},
    {"pps 0", "10000000"},
    {"bps > 60000", "00001111"},
    {"bpp = 3k", "00010000"},
    {"bpp 0", "10000000"},
    {"flows 1", "11111110"},
    {"flows > 1", "00000001"},
    {"exporter 127.0.0.2", "10101010"},
    {"router ip 2001:db8::fe", "01010101"},
    {"exporter ip in [127.0.0.2 2001:db8::/64]", "11111111"},
    {"domain 6", "00000010"},
    {"observation domain id 6", "00000010"},
    {"observation point id 6", "00000000"},
    {"engine-type 1", "00010000"},
    {"engine-id 7", "00010000"},
    {"src tag PoP-BA", "10000000"},
    {"tag 2", "11000000"},
    {"tag 'PoP PE'", "11000000"},
    {"src tag 0", "00111111"},
    {"srcTag != 1", "01111111"},
    {"dst tag in [0 7]", "01111111"},
    {"src and dst tag 0", "00111111"},
    {"mpls label1 100", "00000100"},
    {"mpls label1 > 100", "00000000"},
    {"mpls exp1 = 2", "00000100"},
    {"mpls any 100", "00000100"},
    {"mpls eos 100", "00000100"},
    {"mpls label2 100", "00000000"},
    {"flowdir egress", "00000100"},
    {"flowDirection = 1", "00000100"},
    {"has sourceIPv6Address", "00101100"},
    {"not has flowEnd", "00000000"},
    {"octets != 0", "01111111"},
    {"octets in [1000 4k 9000 1 2 3 4 5 6 7 11 13]", "01110000"},
    {"mibObjectValueInteger = -5", "00000001"},
    {"mibObjectValueInteger < 0", "00000001"},
    {"mibObjectValueInteger > -5", "00000000"},
    {"samplingProbability = 100.5", "00000001"},
    {"samplingProbability >= 1e2", "00000001"},
    {"samplingRate < 100", "00000000"},
    {"dataRecordsReliability = true", "00000001"},
    {"dataRecordsReliability = false", "00000000"},
    {"flowStartSeconds = 1700000000", "00000001"},
    {"flowStartSeconds = 2023-11-14T22:13:20Z", "00000001"},
    {"flowStartSeconds > '2023-11-14T22:13:20.5Z'", "00000000"},
    {"flowStartSeconds < '2023-11-14T22:13:20.5Z'", "00000001"},
    {"flowStartMicroseconds = 2023-11-14T22:13:20.500Z", "00000001"},
    {"flowStartMicroseconds > 1700000000499", "00000001"},
    {"flowStartMicroseconds > 1700000000500", "00000000"},
    {"flowEnd >= 2023-11-14T22:13:21.002Z", "00111111"},
    {"flowStart = 1700000000007", "00000001"},
    {"applicationName = 'dns'", "00000001"},
    {"applicationName dns", "00000001"},
    {"applicationName != 'dns'", "00000000"},
    {"applicationName != http", "00000001"},
    {"applicationName contains n", "00000001"},
    {"applicationName contains 'dnss'", "00000000"},
    {"applicationName in [http dns smtp]", "00000001"},
    {"applicationName < 'dnt' and applicationName > dnr", "00000001"},
    {"applicationName < dns", "00000000"},
    {"applicationName <= dns", "00000001"},
    {"applicationName = 'DNS'", "00000000"},
    {"applicationId = 0xdead00", "00000001"},
    {"applicationId = 0xdead", "00000000"},
    {"applicationId contains 0xad", "00000001"},
    {"applicationId != 0xdead", "00000001"},
    {"applicationId = 14593280", "00000001"},
    {"e9.12172 = 256", "00000001"},
    {"e9.12172 > 0xff", "00000000"},
    {"e9.12172 = 0x0100", "00000001"},
    {"e9.12173 > 65533", "00000001"},
    {"packetDeltaCount#2 = 77", "00000001"},
    {"(src port 53 or dst port 443) and not proto udp", "10100000"},
    {"src port 53 or dst port 443 and proto udp", "01000000"},
    {"not src port 53 and not dst port 443", "00011111"},
    {"! ! proto tcp && (dst port 443 || port 53)", "10100000"},
    {"proto tcp\n# a comment\nand dst port 443", "10100000"},
};

static void expect_rows(const char *filter, const struct filter *f, const struct frame *frame,
                        const char *rows, const char *form)
{
    struct arena arena = {0};
    uint64_t selected[2] = {0};
    uint32_t count = 0;
    char got[ROWS + 1] = "";
    uint32_t said = filter_select(f, frame, &arena, selected);
    for (uint32_t r = 0; r < ROWS; r++) {
        got[r] = selected[0] >> r & 1 ? '1' : '0';
        count += (uint32_t)(selected[0] >> r & 1);
    }
    if (strcmp(got, rows) != 0)
        printf("\n  %s (%s): %s, expected %s", filter, form, got, rows);
    CU_ASSERT_STRING_EQUAL(got, rows);
    CU_ASSERT_EQUAL(said, count);
    CU_ASSERT_EQUAL(selected[0] >> ROWS, 0);
    arena_free(&arena);
}

/* 130 times the same record: all of them or none. */
static void expect_constant(const char *filter, const struct filter *f, struct grid *g,
                            const char *rows)
{
    for (uint32_t r = 0; r < ROWS; r++) {
        struct arena arena = {0};
        uint64_t selected[3] = {0};
        struct frame frame = grid_constant(g, r, 130);
        uint32_t said = filter_select(f, &frame, &arena, selected);
        if (said != (rows[r] == '1' ? 130u : 0u))
            printf("\n  %s (constant, row %u): %u", filter, r, said);
        CU_ASSERT_EQUAL(said, rows[r] == '1' ? 130u : 0u);
        CU_ASSERT_EQUAL(selected[2] >> 2, 0);
        arena_free(&arena);
    }
}

static void test_selections(void)
{
    struct grid g;
    fill(&g);
    for (size_t i = 0; i < sizeof selections / sizeof selections[0]; i++) {
        struct filter *f;
        struct weir_error error = {0};
        enum weir_status status = filter_parse(selections[i].filter, tag_of, NULL, &f, &error);
        CU_ASSERT_EQUAL(status, selections[i].rows ? WEIR_OK : WEIR_ESYNTAX);
        if (status != WEIR_OK && selections[i].rows)
            printf("\n  %s: %s", selections[i].filter, error.message);
        if (status != WEIR_OK)
            continue;
        struct frame flat = grid_flat(&g);
        expect_rows(selections[i].filter, f, &flat, selections[i].rows, "flat");
        struct frame dictionary = grid_dictionary(&g);
        expect_rows(selections[i].filter, f, &dictionary, selections[i].rows, "dictionary");
        expect_constant(selections[i].filter, f, &g, selections[i].rows);
        filter_free(f);
    }
    grid_free(&g);
}

/* ---- errors ---- */

static const struct {
    const char *filter, *message;
} errors[] = {
#define COUNTER "a number (0 to 18446744073709551615; k, m, g, t: thousands)"
#define TERM                                                                                       \
    "a term such as 'src ip 192.0.2.1', 'port 443', 'proto tcp', or the name of an "               \
    "information element"
    {"prot tcp", "column 1: found 'prot', expected " TERM "; did you mean 'proto'?"},
    {"octetDeltaCont > 5",
     "column 1: found 'octetDeltaCont', expected " TERM "; did you mean 'octetDeltaCount'?"},
    {"tcp", "column 1: found 'tcp', expected " TERM "; did you mean 'proto tcp'?"},
    {"port 80 and 10.0.0.1",
     "column 13: found '10.0.0.1', expected " TERM "; did you mean 'ip 10.0.0.1'?"},
    {"(", "column 2: found the end of the filter, expected " TERM},
    {"and", "column 1: found 'and', expected " TERM},
    {"src prot 80",
     "column 5: found 'prot', expected a field such as ip, net, port, as or tag; did "
     "you mean 'port'?"},
    {"src",
     "column 4: found the end of the filter, expected a field such as ip, net, port, as or tag"},
    {"src or port 80", "column 8: found 'port', expected 'dst'"},
    {"src proto 6",
     "column 5: found 'proto', expected a field that has the direction written before it"},
    {"port 70000", "column 6: found '70000', expected a port number (0 to 65535)"},
    {"port 80k", "column 6: found '80k', expected a port number (0 to 65535)"},
    {"port http", "column 6: found 'http', expected a port number (0 to 65535)"},
    {"port -1", "column 6: found '-1', expected a port number (0 to 65535)"},
    {"port", "column 5: found the end of the filter, expected a port number (0 to 65535)"},
    {"port in 80", "column 9: found '80', expected '[' and a list of values"},
    {"port in [80", "column 12: found the end of the filter, expected a port number (0 to 65535)"},
    {"port in []", "column 10: found ']', expected a port number (0 to 65535)"},
    {"src ip 1.2.3", "column 8: found '1.2.3', expected an IP address or network (192.0.2.1, "
                     "2001:db8::/32)"},
    {"net 10.1.0.0", "column 5: found '10.1.0.0', expected a network such as 10.1.0.0/16, or an "
                     "address and a netmask"},
    {"net 10.1.0.0/33", "column 5: found '10.1.0.0/33', expected an IP address or network "
                        "(192.0.2.1, 2001:db8::/32)"},
    {"net 10.1.0.0 255.0.255.0", "column 14: found '255.0.255.0', expected a netmask of leading "
                                 "ones, such as 255.255.0.0"},
    {"sourceIPv4Address = ::1", "column 21: found '::1', expected an IPv4 address or network"},
    {"proto tcpp",
     "column 7: found 'tcpp', expected a protocol (tcp, udp, icmp … or 0 to 255); did you "
     "mean 'tcp'?"},
    {"as 4294967296", "column 4: found '4294967296', expected an AS number (0 to 4294967295)"},
    {"in if x", "column 7: found 'x', expected an interface number (0 to 4294967295)"},
    {"mask 129", "column 6: found '129', expected a prefix length (0 to 128)"},
    {"tos 256", "column 5: found '256', expected a type of service (0 to 255)"},
    {"vlan 1/2", "column 6: found '1/2', expected a VLAN number (0 to 65535)"},
    {"mac 00:11:22:33:44", "column 5: found '00:11:22:33:44', expected a MAC address "
                           "(00:00:5e:00:53:01)"},
    {"bytes > 1.5m", "column 9: found '1.5m', expected " COUNTER},
    {"bytes > 20000000t", "column 9: found '20000000t', expected " COUNTER},
    {"bytes contains 5", "column 7: found 'contains', expected '=', '!=', '<', '<=', '>' or '>=', "
                         "since this is not a text"},
    {"flags ZZ", "column 7: found 'ZZ', expected TCP flags (letters of ASRPFUX, or a number)"},
    {"icmp-type 256", "column 11: found '256', expected a number (0 to 255)"},
    {"icmp-type > 3", "column 14: found the end of the filter, expected '=' only, after icmp-type "
                      "and icmp-code"},
    {"mpls label11 5",
     "column 6: found 'label11', expected label1 … label10, exp1 … exp10, eos or any"},
    {"mpls label1 1048576", "column 13: found '1048576', expected an MPLS label (0 to 1048575)"},
    {"observation id 5", "column 13: found 'id', expected 'domain id' or 'point id'"},
    {"observation domain 5", "column 20: found '5', expected 'id'"},
    {"src tag Nowhere", "column 9: found 'Nowhere', expected the name of a known tag, or a number"},
    {"has nothing", "column 5: found 'nothing', expected the name of an information element"},
    {"flowEnd > yesterday", "column 11: found 'yesterday', expected a time (RFC 3339, now-15m, or "
                            "milliseconds since 1970)"},
    {"applicationName = 'dns", "column 19: found a quote that is never closed, expected a text"},
    {"applicationId = 0xabc",
     "column 17: found '0xabc', expected a quoted text, 0x and hex digits, "
     "or a number"},
    {"dataRecordsReliability = maybe", "column 26: found 'maybe', expected true or false"},
    {"port 80 port 81", "column 9: found 'port', expected 'and', 'or' or the end of the filter"},
    {"port 80)", "column 8: found ')', expected the end of the filter, since no '(' is open"},
    {"(port 80", "column 9: found the end of the filter, expected 'and', 'or', or the ')' for the "
                 "'(' at column 1"},
    {"port 80 and\nport ?", "line 2, column 6: found '?', expected a port number (0 to 65535)"},
    {"port 80 and not", "column 16: found the end of the filter, expected " TERM},
};

static void test_errors(void)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct filter *f;
        struct weir_error error = {0};
        CU_ASSERT_EQUAL(filter_parse(errors[i].filter, tag_of, NULL, &f, &error), WEIR_ESYNTAX);
        CU_ASSERT_PTR_NULL(f);
        CU_ASSERT_STRING_EQUAL(error.field, "filter");
        CU_ASSERT_STRING_EQUAL(error.message, errors[i].message);
        if (strcmp(error.message, errors[i].message) != 0)
            printf("\n  %s\n    got  %s\n    not  %s", errors[i].filter, error.message,
                   errors[i].message);
    }
}

static void test_tag_without_resolver(void)
{
    struct filter *f;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(filter_parse("tag PoP-BA", NULL, NULL, &f, &error), WEIR_ESYNTAX);
    CU_ASSERT_STRING_EQUAL(error.message,
                           "column 5: found 'PoP-BA', expected the number of a tag (no "
                           "names are known here)");
    CU_ASSERT_EQUAL(filter_parse("tag 7", NULL, NULL, &f, NULL), WEIR_OK);
    filter_free(f);
}

/* ---- limits ---- */

static enum weir_status parse_repeated(const char *start, const char *each, size_t n,
                                       const char *end, struct weir_error *error)
{
    size_t size = strlen(start) + n * strlen(each) + strlen(end) + 1;
    char *text = malloc(size), *at = text;
    struct filter *f;
    at += sprintf(at, "%s", start);
    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "%s", each);
    sprintf(at, "%s", end);
    enum weir_status status = filter_parse(text, NULL, NULL, &f, error);
    filter_free(f);
    free(text);
    return status;
}

static void test_limits(void)
{
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(parse_repeated("", "not ", 256, "any", &error), WEIR_OK);
    CU_ASSERT_EQUAL(parse_repeated("", "not ", 257, "any", &error), WEIR_ELIMIT);
    CU_ASSERT_STRING_EQUAL(error.message, "column 1025: nested deeper than 256");
    CU_ASSERT_EQUAL(parse_repeated("", "(", 256, "any", &error), WEIR_ESYNTAX);
    CU_ASSERT_EQUAL(parse_repeated("", "(", 257, "any", &error), WEIR_ELIMIT);
    CU_ASSERT_EQUAL(parse_repeated("", "(", 60000, "", &error), WEIR_ELIMIT);
    CU_ASSERT_EQUAL(parse_repeated("port 1", " or port 1", 6000, "", &error), WEIR_OK);
    CU_ASSERT_EQUAL(parse_repeated("port in [", "1 ", 32700, "]", &error), WEIR_OK);
    CU_ASSERT_EQUAL(parse_repeated("any", " ", 65536, "", &error), WEIR_ELIMIT);
    CU_ASSERT_STRING_EQUAL(error.message, "65539 octets long, expected at most 65536");
    CU_ASSERT_EQUAL(parse_repeated("any", " ", 65533, "", &error), WEIR_OK);
}

/* Deep trees are evaluated, not only read. */
static void test_depth(void)
{
    char text[8192] = "";
    struct grid g;
    struct filter *f;
    fill(&g);
    for (int i = 0; i < 120; i++)
        strcat(text, "not (port 443 and not (proto tcp or ");
    strcat(text, "any");
    for (int i = 0; i < 240; i++)
        strcat(text, ")");
    CU_ASSERT_EQUAL(filter_parse(text, NULL, NULL, &f, NULL),
                    WEIR_ELIMIT); /* not and ( both count */
    text[0] = '\0';
    for (int i = 0; i < 120; i++)
        strcat(text, "(port 443 or (proto udp and ");
    strcat(text, "port 53");
    for (int i = 0; i < 240; i++)
        strcat(text, ")");
    CU_ASSERT_EQUAL_FATAL(filter_parse(text, NULL, NULL, &f, NULL), WEIR_OK);
    struct frame flat = grid_flat(&g);
    expect_rows("deep", f, &flat, "11100000", "flat");
    filter_free(f);
    grid_free(&g);
}

/* ---- what a filter says of itself ---- */

static void expect_keys(const char *text, const ie_key *keys, size_t n)
{
    struct filter *f;
    size_t count;
    CU_ASSERT_EQUAL_FATAL(filter_parse(text, NULL, NULL, &f, NULL), WEIR_OK);
    const ie_key *got = filter_keys(f, &count);
    CU_ASSERT_EQUAL(count, n);
    for (size_t i = 0; i < n && i < count; i++)
        CU_ASSERT_EQUAL(got[i], keys[i]);
    filter_free(f);
}

static void test_keys(void)
{
    expect_keys("any", NULL, 0);
    expect_keys("src ip 10.0.0.1 or src ip ::1", (ie_key[]){IANA(8), IANA(27)}, 2);
    expect_keys("port 80 and src port 80", (ie_key[]){IANA(7), IANA(11)}, 2);
    expect_keys("bps > 5", (ie_key[]){WEIR_FLOW_START, WEIR_FLOW_END, WEIR_OCTETS}, 3);
    expect_keys("flags S", (ie_key[]){IANA(4), IANA(6)}, 2);
}

static void test_is_all(void)
{
    static const struct {
        const char *text;
        bool all;
    } cases[] = {{"", true},
                 {"any", true},
                 {"any or port 80", true},
                 {"any and any", true},
                 {"any and port 80", false},
                 {"not any", false},
                 {"port 80", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter *f;
        CU_ASSERT_EQUAL_FATAL(filter_parse(cases[i].text, NULL, NULL, &f, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(filter_is_all(f), cases[i].all);
        filter_free(f);
    }
}

static void test_memory_ends(void)
{
    struct grid g;
    struct filter *f;
    struct arena arena = {.limit = 1};
    uint64_t selected[1] = {0};
    fill(&g);
    CU_ASSERT_EQUAL_FATAL(filter_parse("port 80 or proto udp", NULL, NULL, &f, NULL), WEIR_OK);
    struct frame flat = grid_flat(&g);
    CU_ASSERT_EQUAL(filter_select(f, &flat, &arena, selected), UINT32_MAX);
    struct frame empty = {0, 0, NULL};
    CU_ASSERT_EQUAL(filter_select(f, &empty, &arena, selected), 0);
    arena_free(&arena);
    filter_free(f);
    grid_free(&g);
}

UNIT_MAIN("filter", {"selections", test_selections}, {"errors", test_errors},
          {"tag without resolver", test_tag_without_resolver}, {"limits", test_limits},
          {"depth", test_depth}, {"keys", test_keys}, {"is all", test_is_all},
          {"memory ends", test_memory_ends})
