/* test_weirgen.c - weirgen's truth against a plain receiver: what the datagrams that arrived say,
 * decoded by offsets written down here from the RFCs, must be what the truth says of them. */
#include "weirgen.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

#define EXPORTERS 3u
#define DOMAINS 2u
#define TAGS 3u
#define SEEN_MOST 4096u

struct stream { /* one sequence of one domain */
    bool begun;
    uint32_t first;              /* of the datagram heard first */
    int32_t least, end;          /* relative to it */
    uint64_t units;              /* heard, each once */
    uint32_t seen[SEEN_MOST];    /* their sequence numbers */
    size_t seen_count;
    int64_t boot_ms;
    int32_t highest;
};

struct receiver {
    struct output base;
    uint64_t datagrams, hash;
    struct {
        uint64_t records, octets, packets, missing, duplicates, sampling, ipv6;
        uint32_t domain_base;
        struct stream streams[DOMAINS];
        uint64_t missing_of[DOMAINS];
    } exporters[EXPORTERS];
    uint64_t matrix[TAGS + 1][TAGS + 1];
    unsigned malformed, templates;
    bool templates_known[EXPORTERS][DOMAINS];
    struct prefix prefixes[4 * TAGS];
    uint32_t prefix_tags[4 * TAGS];
    size_t prefix_count;
};

static uint64_t be(const uint8_t *p, unsigned length)
{
    uint64_t v = 0;
    while (length--)
        v = v << 8 | *p++;
    return v;
}

/* ---- tags, by a plain walk over the prefixes that the truth prints ---- */

static uint32_t tag_of(const struct receiver *r, const struct address *a)
{
    uint32_t tag = 0;
    int best = -1;
    for (size_t i = 0; i < r->prefix_count; i++) {
        const struct prefix *p = &r->prefixes[i];
        unsigned bit = 0;
        while (bit < p->length &&
               !((p->address.octets[bit / 8] ^ a->octets[bit / 8]) & 0x80 >> bit % 8))
            bit++;
        if (bit == p->length && p->length > best) {
            best = p->length;
            tag = r->prefix_tags[i];
        }
    }
    return tag;
}

static void count_record(struct receiver *r, size_t e, const uint8_t *src, const uint8_t *dst,
                         bool ipv6, uint64_t packets, uint64_t octets)
{
    struct address ends[2];
    for (unsigned i = 0; i < 2; i++)
        if (ipv6)
            memcpy(ends[i].octets, i ? dst : src, 16);
        else
            ends[i] = address_from_ipv4((uint32_t)be(i ? dst : src, 4));
    r->exporters[e].records++;
    r->exporters[e].packets += packets;
    r->exporters[e].octets += octets;
    r->exporters[e].ipv6 += ipv6;
    r->matrix[tag_of(r, &ends[0])][tag_of(r, &ends[1])] += octets;
    r->malformed += packets == 0 || octets < packets * 20 || octets > packets * 1500;
}

/* ---- sequences ---- */

static void stream_ends(struct receiver *r, size_t e, size_t domain)
{
    struct stream *s = &r->exporters[e].streams[domain];
    if (s->begun)
        r->exporters[e].missing_of[domain] += (uint64_t)(s->end - s->least) - s->units;
    memset(s, 0, sizeof *s);
}

/* False: heard already. Restarts show in the time of boot, or in a sequence far behind. */
static bool hear(struct receiver *r, size_t e, size_t domain, uint32_t sequence, uint32_t units,
                 int64_t boot_ms)
{
    struct stream *s = &r->exporters[e].streams[domain];
    if (s->begun && (s->boot_ms != boot_ms || (int32_t)(sequence - s->first) < s->highest - 400))
        stream_ends(r, e, domain);
    if (!s->begun)
        *s = (struct stream){.begun = true, .first = sequence, .boot_ms = boot_ms};
    for (size_t i = 0; i < s->seen_count && units; i++)
        if (s->seen[i] == sequence)
            return false;
    int32_t at = (int32_t)(sequence - s->first);
    s->least = at < s->least ? at : s->least;
    s->end = at + (int32_t)units > s->end ? at + (int32_t)units : s->end;
    s->highest = at > s->highest ? at : s->highest;
    s->units += units;
    if (units && s->seen_count < SEEN_MOST)
        s->seen[s->seen_count++] = sequence;
    return true;
}

/* ---- the three formats ---- */

static void receive_v5(struct receiver *r, size_t e, const uint8_t *d, size_t length)
{
    uint32_t count = (uint32_t)be(d + 2, 2);
    size_t domain = (size_t)be(d + 20, 2) - r->exporters[e].domain_base;
    int64_t boot = (int64_t)(be(d + 8, 4) * 1000 + be(d + 12, 4) / 1000000 - be(d + 4, 4));
    r->malformed += length != 24 + count * 48 || domain >= DOMAINS || count == 0 || count > 30;
    r->exporters[e].sampling = be(d + 22, 2) >> 14 == 1 ? be(d + 22, 2) & 0x3fff : 0;
    if (!hear(r, e, domain, (uint32_t)be(d + 16, 4), count, boot)) {
        r->exporters[e].duplicates++;
        return;
    }
    for (const uint8_t *p = d + 24; p < d + length; p += 48) {
        count_record(r, e, p, p + 4, false, be(p + 16, 4), be(p + 20, 4));
        r->malformed += be(p + 24, 4) > be(p + 28, 4) || be(p + 28, 4) > be(d + 4, 4);
    }
}

/* Octets of a record, and where its packets and octets are; by protocol and family. */
static const struct {
    unsigned length, packets, packets_length, octets;
} shapes[2][2] = {{{55, 20, 4, 24}, {91, 56, 4, 60}}, {{67, 20, 8, 28}, {103, 56, 8, 64}}};

static void receive_set(struct receiver *r, size_t e, size_t domain, bool ipfix, const uint8_t *set,
                        size_t length)
{
    uint16_t id = (uint16_t)be(set, 2);
    if (id == 256 || id == 257) {
        bool ipv6 = id == 257;
        unsigned size = shapes[ipfix][ipv6].length;
        r->malformed += !r->templates_known[e][domain] || (length - 4) % size > 3;
        for (const uint8_t *p = set + 4; p + size <= set + length; p += size)
            count_record(r, e, p, p + (ipv6 ? 16 : 4), ipv6,
                         be(p + shapes[ipfix][ipv6].packets, shapes[ipfix][ipv6].packets_length),
                         be(p + shapes[ipfix][ipv6].octets, 8));
    } else if (id == 258) {
        r->exporters[e].sampling = ipfix ? be(set + 10, 4) + be(set + 14, 4) : be(set + 8, 4);
    } else {
        r->templates += id == (ipfix ? 2 : 0);
        r->templates_known[e][domain] = true;
        r->malformed += id > 3;
    }
}

static uint32_t records_in(const uint8_t *d, size_t header, size_t length, bool ipfix)
{
    uint32_t records = 0;
    for (size_t at = header; at + 4 <= length; at += be(d + at + 2, 2)) {
        uint16_t id = (uint16_t)be(d + at, 2);
        if (id == 258)
            records++;
        else if (id >= 256)
            records += (uint32_t)((be(d + at + 2, 2) - 4) / shapes[ipfix][id - 256].length);
    }
    return records;
}

static void receive_sets(struct receiver *r, size_t e, const uint8_t *d, size_t length, bool ipfix)
{
    size_t header = ipfix ? 16 : 20;
    size_t domain = (size_t)be(d + header - 4, 4) - r->exporters[e].domain_base;
    uint32_t units = ipfix ? records_in(d, header, length, true) : 1;
    int64_t boot = ipfix ? 0 : (int64_t)(be(d + 8, 4) * 1000 - be(d + 4, 4));
    r->malformed += domain >= DOMAINS || (ipfix && be(d + 2, 2) != length);
    if (!hear(r, e, domain, (uint32_t)be(d + header - 8, 4), units, boot)) {
        r->exporters[e].duplicates++;
        return;
    }
    for (size_t at = header; at < length; at += be(d + at + 2, 2)) {
        if (length - at < 4 || be(d + at + 2, 2) < 4 || be(d + at + 2, 2) > length - at) {
            r->malformed++;
            return;
        }
        receive_set(r, e, domain, ipfix, d + at, be(d + at + 2, 2));
    }
}

static enum weir_status receive(struct output *o, size_t e, const uint8_t *bytes, size_t length,
                                int64_t now_ms, struct weir_error *error)
{
    struct receiver *r = (struct receiver *)o;
    (void)now_ms, (void)error;
    r->datagrams++;
    for (size_t i = 0; i < length; i++)
        r->hash = (r->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    if (bytes[1] == 5)
        receive_v5(r, e, bytes, length);
    else
        receive_sets(r, e, bytes, length, bytes[1] == 10);
    return WEIR_OK;
}

/* ---- running ---- */

static struct receiver *run(const char *const specs[EXPORTERS], struct settings s,
                            struct buffer *truth)
{
    struct receiver *r = calloc(1, sizeof *r);
    struct spec parsed[EXPORTERS];
    struct endpoint sources[EXPORTERS];
    char text[PREFIX_TEXT_SIZE];
    r->base.send = receive;
    for (size_t i = 0; i < EXPORTERS; i++) {
        struct weir_error error;
        spec_default(&parsed[i]);
        parsed[i].home = 1 + (int64_t)i % TAGS;
        parsed[i].address = address_from_ipv4(0x7f00000b + (uint32_t)i);
        CU_ASSERT_EQUAL_FATAL(spec_parse(specs[i], &parsed[i], &error), WEIR_OK);
        sources[i] = (struct endpoint){parsed[i].address, 1};
        r->exporters[i].domain_base = (uint32_t)parsed[i].first_domain;
    }
    for (uint32_t tag = 1; tag <= TAGS; tag++)
        for (unsigned n = 0; plan_prefix(TAGS, tag, n, text); n++) {
            CU_ASSERT_EQUAL(prefix_parse(text, "prefix", &r->prefixes[r->prefix_count], NULL),
                            WEIR_OK);
            r->prefix_tags[r->prefix_count++] = tag;
        }
    s.specs = parsed;
    s.spec_count = EXPORTERS;
    s.tags = TAGS;
    s.start_ms = INT64_C(1767225600000);
    s.template_every_ms = s.template_every_ms ? s.template_every_ms : 20000;
    CU_ASSERT_EQUAL_FATAL(weirgen_run(&s, sources, &r->base, truth, NULL), WEIR_OK);
    buffer_put_u8(truth, 0);
    for (size_t e = 0; e < EXPORTERS; e++)
        for (size_t d = 0; d < DOMAINS; d++)
            stream_ends(r, e, d);
    return r;
}

/* The number after "key": behind the first occurrence of each part of the path. */
static uint64_t number(const struct buffer *truth, const char *exporter, const char *domain,
                       const char *object, const char *key)
{
    const char *parts[] = {exporter, domain, object, key}, *at = (const char *)truth->bytes;
    for (size_t i = 0; i < 4; i++) {
        if (!parts[i])
            continue;
        at = strstr(at, parts[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        at += strlen(parts[i]);
    }
    return strtoull(at, NULL, 10);
}

static void compare_exporter(const struct receiver *r, const struct buffer *truth, size_t e,
                             unsigned domains)
{
    char exporter[40];
    uint64_t records = 0, octets = 0, packets = 0, duplicates = 0;
    snprintf(exporter, sizeof exporter, "\"address\":\"127.0.0.%u\"", 11 + (unsigned)e);
    for (unsigned d = 0; d < domains; d++) {
        char domain[40];
        snprintf(domain, sizeof domain, "\"domain\":%u,", r->exporters[e].domain_base + d);
        CU_ASSERT_EQUAL(number(truth, exporter, domain, NULL, "\"missing_knowable\":"),
                        r->exporters[e].missing_of[d]);
        records += number(truth, exporter, domain, "\"received\":", "\"records\":");
        octets += number(truth, exporter, domain, "\"received\":", "\"octets\":");
        packets += number(truth, exporter, domain, "\"received\":", "\"packets\":");
        duplicates += number(truth, exporter, domain, "\"duplicated\":", "\"datagrams\":");
    }
    CU_ASSERT_EQUAL(records, r->exporters[e].records);
    CU_ASSERT_EQUAL(octets, r->exporters[e].octets);
    CU_ASSERT_EQUAL(packets, r->exporters[e].packets);
    CU_ASSERT_EQUAL(duplicates, r->exporters[e].duplicates);
    CU_ASSERT_EQUAL(number(truth, exporter, NULL, NULL, "\"sampling\":"), r->exporters[e].sampling);
}

static void compare_matrix(const struct receiver *r, const struct buffer *truth)
{
    const char *at = (const char *)truth->bytes, *last = at;
    while ((at = strstr(at + 1, "\"matrix\":"))) /* the last one is the sum of all */
        last = at;
    for (unsigned src = 0; src <= TAGS; src++)
        for (unsigned dst = 0; dst <= TAGS; dst++) {
            char cell[64];
            snprintf(cell, sizeof cell, "\"srcTag\":%u,\"dstTag\":%u,\"octets\":", src, dst);
            const char *found = strstr(last, cell);
            CU_ASSERT_EQUAL(found ? strtoull(found + strlen(cell), NULL, 10) : 0,
                            r->matrix[src][dst]);
        }
}

static const char *const plain[EXPORTERS] = {"v5", "v9", "ipfix"};

static void test_plain(void)
{
    struct buffer truth = {0};
    struct receiver *r =
        run(plain, (struct settings){.flows = 20000, .seed = 1, .duration_ms = 60000}, &truth);
    CU_ASSERT_EQUAL(r->malformed, 0);
    uint64_t records = 0;
    for (size_t e = 0; e < EXPORTERS; e++) {
        compare_exporter(r, &truth, e, 1);
        records += r->exporters[e].records;
        CU_ASSERT_EQUAL(r->exporters[e].missing_of[0], 0);
    }
    CU_ASSERT_EQUAL(records, 20000);
    CU_ASSERT_EQUAL(r->templates, 2 * 3); /* at 0, 20 and 40 s */
    compare_matrix(r, &truth);
    for (unsigned src = 0; src <= TAGS; src++)
        for (unsigned dst = 0; dst <= TAGS; dst++)
            CU_ASSERT(r->matrix[src][dst] > 0);
    buffer_free(&truth);
    free(r);
}

static void test_everything_at_once(void)
{
    static const char *const specs[EXPORTERS] = {
        "v5,loss=7,reorder=10,duplicate=5,domains=2,domain=258,restarts=2,sampling=100",
        "v9,loss=15,loss-run=4,reorder=20,window=9,duplicate=3,domains=2,ipv6=40,restarts=1,"
        "sampling=50",
        "ipfix,loss=20,reorder=15,duplicate=10,domains=2,domain=7,ipv6=25,restarts=2,sampling="
        "1000"};
    for (int64_t seed = 1; seed <= 40; seed++) {
        struct buffer truth = {0};
        struct receiver *r = run(
            specs, (struct settings){.flows = 30000, .seed = seed, .duration_ms = 90000}, &truth);
        CU_ASSERT_EQUAL(r->malformed, 0);
        for (size_t e = 0; e < EXPORTERS; e++) {
            compare_exporter(r, &truth, e, 2);
            CU_ASSERT(e == 0 ? r->exporters[e].ipv6 == 0 : r->exporters[e].ipv6 > 1000);
        }
        compare_matrix(r, &truth);
        CU_ASSERT(number(&truth, "127.0.0.11", NULL, "]", "\"reordered\":") > 0);
        CU_ASSERT(number(&truth, "127.0.0.12", NULL, "]", "\"restarts\":") ==
                  2); /* of two domains */
        buffer_free(&truth);
        free(r);
    }
}

/* Sequence numbers and sysUpTime roll over in the middle. */
static void test_rollover(void)
{
    static const char *const specs[EXPORTERS] = {"v5,sequence=4294966000,uptime=4294937295,loss=10",
                                                 "v9,sequence=4294967200,uptime=4294937295,loss=10",
                                                 "ipfix,sequence=4294966000,loss=10"};
    struct buffer truth = {0};
    struct receiver *r =
        run(specs, (struct settings){.flows = 30000, .seed = 5, .duration_ms = 20000}, &truth);
    for (size_t e = 0; e < EXPORTERS; e++)
        compare_exporter(r, &truth, e, 1);
    CU_ASSERT(r->exporters[0].missing_of[0] > 100);
    buffer_free(&truth);
    free(r);
}

static void test_all_lost(void)
{
    static const char *const specs[EXPORTERS] = {"v5,loss=100", "v9,loss=100", "ipfix,loss=100"};
    struct buffer truth = {0};
    struct receiver *r =
        run(specs, (struct settings){.flows = 3000, .seed = 5, .duration_ms = 60000}, &truth);
    CU_ASSERT_EQUAL(r->exporters[0].records + r->exporters[1].records + r->exporters[2].records, 0);
    /* Nothing of the v5 exporter was ever heard; the others' templates show all but the last
     * losses. */
    CU_ASSERT_EQUAL(number(&truth, "127.0.0.11", NULL, NULL, "\"missing_knowable\":"), 0);
    uint64_t lost = number(&truth, "127.0.0.11", NULL, "\"dropped\":", "\"records\":");
    CU_ASSERT(lost > 500);
    CU_ASSERT_EQUAL(number(&truth, "127.0.0.11", NULL, NULL, "\"unknown\":"), lost);
    uint64_t missing = number(&truth, "127.0.0.13", NULL, NULL, "\"missing_knowable\":");
    CU_ASSERT_EQUAL(missing, r->exporters[2].missing_of[0]);
    CU_ASSERT(missing > 200);
    CU_ASSERT_EQUAL(missing + number(&truth, "127.0.0.13", NULL, NULL, "\"unknown\":"),
                    number(&truth, "127.0.0.13", NULL, "\"dropped\":", "\"records\":"));
    buffer_free(&truth);
    free(r);
}

static void test_deterministic(void)
{
    static const char *const lossy[EXPORTERS] = {"v5,loss=10", "v9,loss=10", "ipfix,loss=10"};
    struct buffer truths[4] = {{0}};
    struct receiver *r[4];
    for (int i = 0; i < 4; i++)
        r[i] = run(i == 3 ? lossy : plain,
                   (struct settings){.flows = 5000, .seed = i == 2 ? 9 : 8, .duration_ms = 60000},
                   &truths[i]);
    CU_ASSERT_EQUAL(r[0]->hash, r[1]->hash);
    CU_ASSERT_STRING_EQUAL((char *)truths[0].bytes, (char *)truths[1].bytes);
    CU_ASSERT_NOT_EQUAL(r[0]->hash, r[2]->hash);
    /* The same flows are made, whatever becomes of them. */
    for (unsigned e = 11; e <= 13; e++) {
        char exporter[20];
        snprintf(exporter, sizeof exporter, "127.0.0.%u", e);
        CU_ASSERT_EQUAL(number(&truths[0], exporter, NULL, "\"generated\":", "\"octets\":"),
                        number(&truths[3], exporter, NULL, "\"generated\":", "\"octets\":"));
    }
    for (int i = 0; i < 4; i++) {
        buffer_free(&truths[i]);
        free(r[i]);
    }
}

static void test_specs(void)
{
    static const struct {
        const char *text, *field;
    } bad[] = {
        {"v6", "protocol"},           {"protocol=", "protocol"},      {"loss=101", "loss"},
        {"loss=x", "loss"},           {"lose=1", "exporter"},         {"domains=0", "domains"},
        {"address=1.2.3", "address"}, {"sampling=16384", "sampling"}, {"v5,domain=65536", "domain"},
        {"uptime=-1d", "uptime"},     {"loss-run=0", "loss-run"},     {"window=65", "window"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct spec s;
        struct weir_error error = {0};
        spec_default(&s);
        CU_ASSERT_NOT_EQUAL(spec_parse(bad[i].text, &s, &error), WEIR_OK);
        CU_ASSERT_STRING_EQUAL(error.field, bad[i].field);
        CU_ASSERT(error.message[0] != '\0');
    }
    struct spec s;
    struct weir_error error = {0};
    spec_default(&s);
    CU_ASSERT_EQUAL(spec_parse("lose=1", &s, &error), WEIR_EARGUMENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "did you mean loss"));
    struct endpoint to;
    CU_ASSERT_EQUAL(endpoint_parse("[::1]:2055", "udp", &to, NULL), WEIR_OK);
    CU_ASSERT(to.port == 2055 && to.address.octets[15] == 1);
    CU_ASSERT_NOT_EQUAL(endpoint_parse("127.0.0.1", "udp", &to, NULL), WEIR_OK);
    CU_ASSERT_NOT_EQUAL(endpoint_parse("127.0.0.1:0", "udp", &to, NULL), WEIR_OK);
}

/* Heavy tails: the busiest tenth of the hosts has most draws; the mean is far above the median. */
static void test_distributions(void)
{
    struct random r;
    struct zipf *z = zipf_new(1000, 1.0);
    struct pareto *p = pareto_new(1.2);
    unsigned first = 0, tenth = 0, over10 = 0, over100 = 0;
    random_seed(&r, 1, 2);
    for (int i = 0; i < 100000; i++) {
        uint32_t rank = zipf_draw(z, &r);
        double x = pareto_draw(p, &r, 1e6);
        first += rank == 0;
        tenth += rank < 100;
        over10 += x > 10;
        over100 += x > 100;
        CU_ASSERT_FATAL(rank < 1000 && x >= 1 && x <= 1e6);
    }
    CU_ASSERT_DOUBLE_EQUAL(first / 1e5, 1 / 7.485, 0.005);       /* 1 / H(1000) */
    CU_ASSERT_DOUBLE_EQUAL(tenth / 1e5, 5.187 / 7.485, 0.01);    /* H(100) / H(1000) */
    CU_ASSERT_DOUBLE_EQUAL(over10 / 1e5, 0.0631, 0.004);         /* 10^-1.2 */
    CU_ASSERT_DOUBLE_EQUAL(over100 / 1e5, 0.00398, 0.001);
    zipf_free(z);
    pareto_free(p);
}

UNIT_MAIN("weirgen",
          {"plain", test_plain},
          {"everything at once", test_everything_at_once},
          {"rollover", test_rollover},
          {"all lost", test_all_lost},
          {"deterministic", test_deterministic},
          {"specs", test_specs},
          {"distributions", test_distributions})
