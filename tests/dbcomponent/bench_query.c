/* bench_query.c - nanoseconds a row of the questions that the design's numbers are about, over a
 * synthetic store, roll-ups off and one thread. Not a test: `bench_query FOLDER [ROWS [REPEATS
 * [WORD]]]` makes the store in FOLDER when there is none, and prints a table of the questions whose
 * name has the word. */
#include "block/block.h"
#include "flow/batch.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_A_BLOCK 65536u

static uint64_t state = 42;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}
static uint32_t below(uint32_t n)
{
    return (uint32_t)((next() >> 32) * n >> 32);
}
/* Few values often, many seldom. */
static uint32_t skewed(uint32_t n)
{
    uint64_t u = next() >> 40, v = next() >> 40;
    return (uint32_t)((u * v >> 24) * n >> 24);
}

struct target {
    ie_key key;
    uint8_t width;
    size_t index;
};
enum {
    EXP,
    DOM,
    STAG,
    DTAG,
    RATE,
    ORIGIN,
    START,
    END,
    OCT,
    PKT,
    IOCT,
    IPKT,
    SRC,
    DST,
    NEXT6,
    SPORT,
    DPORT,
    PROTO,
    TOS,
    FLAGS,
    IN,
    OUT,
    TARGETS
};
static struct target targets[TARGETS] = {
    {WEIR_EXPORTER, 16, 0}, {WEIR_DOMAIN, 4, 0}, {WEIR_SRC_TAG, 4, 0}, {WEIR_DST_TAG, 4, 0},
    {WEIR_SAMPLING_RATE, 8, 0}, {WEIR_SAMPLING_ORIGIN, 1, 0}, {WEIR_FLOW_START, 8, 0},
    {WEIR_FLOW_END, 8, 0}, {WEIR_OCTETS, 8, 0}, {WEIR_PACKETS, 8, 0}, {IANA(1), 8, 0},
    {IANA(2), 8, 0}, {IANA(8), 4, 0}, {IANA(12), 4, 0},
    {IANA(62), 16, 0}, {IANA(7), 2, 0}, {IANA(11), 2, 0},
    {IANA(4), 1, 0}, {IANA(5), 1, 0}, {IANA(6), 2, 0}, {IANA(10), 4, 0}, {IANA(14), 4, 0}};

static void *at(struct batch *b, unsigned target, uint32_t row)
{
    struct column *c = batch_column_at(b, targets[target].index);
    return (char *)c->values + (size_t)row * c->width;
}
#define PUT(b, target, row, type, value) (*(type *)at(b, target, row) = (type)(value))

static void fill_row(struct batch *b, uint32_t r, int64_t now)
{
    struct address e = address_from_ipv4(0x7f000002 + below(3));
    uint64_t packets = 1 + skewed(2000), octets = packets * (40 + skewed(1460));
    uint32_t src = 0x0a000000 + (skewed(64) << 16) + skewed(8192);
    uint32_t dst = 0x0a000000 + (skewed(64) << 16) + skewed(8192);
    int64_t end = now - below(60000);
    memcpy(at(b, EXP, r), &e, 16);
    PUT(b, STAG, r, uint32_t, 1 + (src >> 16 & 63) / 8);
    PUT(b, DTAG, r, uint32_t, 1 + (dst >> 16 & 63) / 8);
    PUT(b, RATE, r, double, 1);
    PUT(b, ORIGIN, r, uint8_t, 1);
    PUT(b, END, r, uint64_t, end);
    PUT(b, START, r, uint64_t, end - skewed(30000));
    PUT(b, OCT, r, uint64_t, octets);
    PUT(b, PKT, r, uint64_t, packets);
    PUT(b, IOCT, r, uint64_t, octets);
    PUT(b, IPKT, r, uint64_t, packets);
    PUT(b, SRC, r, uint32_t, src);
    PUT(b, DST, r, uint32_t, dst);
    memcpy(at(b, NEXT6, r), "\x20\x01\x0d\xb8\0\0\0\x01\0\0\0\0", 12);
    memcpy((char *)at(b, NEXT6, r) + 12, &src, 4); /* as many as there are sources */
    PUT(b, SPORT, r, uint16_t, 1024 + below(64000));
    PUT(b, DPORT, r, uint16_t, below(3) ? 443 : skewed(65536));
    PUT(b, PROTO, r, uint8_t, below(5) ? 6 : 17);
    PUT(b, TOS, r, uint8_t, below(4) ? 0 : below(8) * 32);
    PUT(b, FLAGS, r, uint16_t, below(5) ? 0x1b : below(64));
    PUT(b, IN, r, uint32_t, below(16));
    PUT(b, OUT, r, uint32_t, below(16));
}

static int make(struct store *s, uint64_t rows)
{
    struct batch *b = batch_new(ROWS_A_BLOCK, RECORD_FLOW);
    struct block_encoder *e = block_encoder_new(1);
    struct buffer bytes = {0};
    struct weir_error error;
    int64_t now = INT64_C(1750000020000);
    for (uint64_t done = 0, n = 0; done < rows; done += ROWS_A_BLOCK) {
        enum store_outcome outcome;
        struct block_id id = {.collector = {9}, .sequence = ++n};
        batch_reset(b);
        for (unsigned t = 0; t < TARGETS; t++)
            batch_column(b, targets[t].key, targets[t].width, &targets[t].index);
        batch_append(b, ROWS_A_BLOCK);
        for (uint32_t r = 0; r < ROWS_A_BLOCK; r++)
            fill_row(b, r, now += below(3) == 0);
        for (unsigned t = 0; t < TARGETS; t++)
            batch_mark(b, targets[t].index, 0, ROWS_A_BLOCK);
        buffer_clear(&bytes);
        if (block_encode(e, &id, b, NULL, &bytes, &error) ||
            store_append(s, bytes.bytes, bytes.length, &outcome, &error)) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
    }
    buffer_free(&bytes);
    block_encoder_free(e);
    batch_free(b);
    return 0;
}

static const struct {
    const char *name;
    const char *by[5];
    size_t keys;
    const char *filter;
    uint32_t top;
    int64_t step_ms;
} questions[] = {
    {"sum of everything", {NULL}, 0, NULL, 0, 0},
    {"two prefixes, totals", {NULL}, 0, "src net 10.1.0.0/16 and dst net 10.2.0.0/16", 0, 0},
    {"totals of one ToS", {NULL}, 0, "tos 32", 0, 0},
    {"totals of one host", {NULL}, 0, "host 10.0.1.77", 0, 0},
    {"top 10 source addresses", {"sourceIPv4Address"}, 1, NULL, 10, 0},
    {"top 10 srcIP", {"srcIP"}, 1, NULL, 10, 0},
    {"top 10 IPv6 addresses", {"ipNextHopIPv6Address"}, 1, NULL, 10, 0},
    {"matrix srcTag x dstTag", {"srcTag", "dstTag"}, 2, NULL, 0, 0},
    {"matrix /16 x /16", {"sourceIPv4Address/16", "destinationIPv4Address/16"}, 2, NULL, 0, 0},
    {"by destination port", {"destinationTransportPort"}, 1, NULL, 10, 0},
    {"by exporter, protocol", {"exporter", "protocolIdentifier"}, 2, NULL, 0, 0},
    {"address pairs", {"sourceIPv4Address", "destinationIPv4Address"}, 2, NULL, 10, 0},
    {"distinct 5-tuples",
     {"sourceIPv4Address", "destinationIPv4Address", "sourceTransportPort",
      "destinationTransportPort", "protocolIdentifier"}, 5, NULL, 1, 0},
    {"series of a minute", {NULL}, 0, NULL, 0, 60000},
    {"roll-ups: one minute", {"srcTag"}, 1, NULL, 0, 0},
    {"roll-ups: matrix", {"srcTag", "dstTag"}, 2, NULL, 0, 0},
};

int main(int argc, char **argv)
{
    struct store *s;
    struct weir_error error;
    struct store_status status;
    uint64_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000000;
    int repeats = argc > 3 ? atoi(argv[3]) : 3;
    store_may_map(true); /* as weird does; nobody touches the file here */
    if (argc < 2 || store_open(argv[1], STORE_CREATE, &s, &error)) {
        fprintf(stderr, "bench_query FOLDER [ROWS [REPEATS [WORD]]]: %s\n",
                argc < 2 ? "" : error.message);
        return 1;
    }
    if (store_status(s, &status, &error) || (status.records == 0 && make(s, rows)) ||
        store_status(s, &status, &error))
        return 1;
    printf("%llu rows, %.1f octets a row\n", (unsigned long long)status.records,
           (double)status.block_octets / (double)status.records);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        struct totals_request r = {.by = questions[i].by,
                                   .by_count = questions[i].keys,
                                   .filter = questions[i].filter,
                                   .top = questions[i].top,
                                   .step_ms = questions[i].step_ms,
                                   .source = strstr(questions[i].name, "roll-ups") ? SOURCE_ROLLUP
                                                                                   : SOURCE_BLOCKS,
                                   .when = {status.first_ms, status.last_ms + 1}};
        if (argc > 4 && !strstr(questions[i].name, argv[4]))
            continue;
        uint64_t best = 0, groups = 0, cpu = UINT64_MAX, scanned = 0;
        if (!questions[i].step_ms)
            r.when = INTERVAL_ALL;
        if (strstr(questions[i].name, "one minute"))
            r.when =
                (struct interval){minute_of(status.last_ms) - 60000, minute_of(status.last_ms)};
        for (int k = 0; k < repeats; k++) {
            struct totals t;
            if (store_totals(s, &r, &t, &error)) {
                printf("%-26s %s\n", questions[i].name, error.message);
                break;
            }
            if (t.cpu_us < cpu) {
                best = t.elapsed_us;
                cpu = t.cpu_us;
            }
            groups = t.groups;
            scanned = t.account.rows_scanned;
            totals_free(&t);
        }
        printf("%-26s %9.3f ms  %6.2f ns/row  cpu %6.2f  %9llu groups\n", questions[i].name,
               (double)best / 1e3, (double)best * 1e3 / (double)scanned,
               (double)cpu * 1e3 / (double)scanned, (unsigned long long)groups);
    }
    store_close(s);
    return 0;
}
