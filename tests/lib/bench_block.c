/* bench_block.c - how fast and how small blocks are: a measurement, not a test; built by hand.
 *
 * Makes a batch as a NetFlow v5 collector would (three exporters, Zipf addresses in a few hundred
 * /16, Pareto packets), encodes it, checks it, decodes each column, and prints a line a column.
 * Usage: bench_block [zstd level [rounds]] */
#include "block/block.h"
#include "block/kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS 60000u
static uint64_t state = 1;

static uint64_t next(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
static double uniform(void)
{
    return (double)(next() >> 11) / 9007199254740992.0;
}
/* Rank of a Zipf draw with exponent near 1, of `n`. */
static uint32_t zipf(uint32_t n)
{
    double r = pow(n, uniform());
    return r >= n ? n - 1 : (uint32_t)r;
}
static uint32_t host(uint32_t rank)
{
    uint32_t h = rank * UINT32_C(2654435761);
    uint32_t net = zipf(1) + (h >> 24) % 60 * 4;
    return (10u + net % 7 * 20) << 24 | (net * 37 & 255) << 16 | (h & 0xffff);
}

static void put(struct batch *b, ie_key key, uint32_t row, uint64_t v)
{
    size_t i;
    if (batch_column(b, key, ie_storage_width(key), &i))
        abort();
    memcpy((uint8_t *)batch_column_at(b, i)->values + (size_t)row * batch_column_at(b, i)->width,
           &v, batch_column_at(b, i)->width);
    batch_mark(b, i, row, 1);
}

static void put_address(struct batch *b, ie_key key, uint32_t row, const struct address *a)
{
    size_t i;
    if (batch_column(b, key, 16, &i))
        abort();
    memcpy((uint8_t *)batch_column_at(b, i)->values + (size_t)row * 16, a, 16);
    batch_mark(b, i, row, 1);
}

struct message {
    uint32_t exporter;
    uint64_t export_ms, boot_ms;
};

static void flow(struct batch *b, const struct message *m)
{
    static const uint16_t services[] = {443, 80, 53, 22, 25, 993, 123, 3389, 8080, 445, 5060, 853};
    uint32_t row = batch_append(b, 1);
    uint32_t client = host(zipf(HOSTS)), server = host(HOSTS + zipf(HOSTS / 4));
    uint32_t rank = zipf(3000);
    uint16_t service = rank < 12 ? services[rank] : (uint16_t)(1024 + rank * 7);
    uint16_t port = (uint16_t)(1024 + next() % 64512);
    bool back = next() & 1;
    uint64_t packets = (uint64_t)(1.0 / pow(uniform() + 1e-9, 0.8));
    uint64_t size = uniform() < 0.4 ? 40 + next() % 60 : uniform() < 0.4 ? 1000 + next() % 500 : 52;
    uint64_t octets = packets * size + next() % (packets + 1);
    uint64_t duration = packets == 1 ? 0 : (uint64_t)(exp(uniform() * 10));
    uint64_t end = m->export_ms - next() % 15000, start = end - duration;
    uint32_t src = back ? server : client, dst = back ? client : server;
    struct address exporter = address_from_ipv4(0xc0000201 + m->exporter);
    put(b, IANA(8), row, src), put(b, IANA(12), row, dst),
        put(b, IANA(15), row, 0xc0000200 + (dst >> 16) % 5);
    put(b, IANA(10), row, 1 + (src >> 16) % 7), put(b, IANA(14), row, 1 + (dst >> 16) % 7);
    put(b, IANA(2), row, packets), put(b, IANA(1), row, octets);
    put(b, IANA(22), row, start - m->boot_ms), put(b, IANA(21), row, end - m->boot_ms);
    put(b, IANA(7), row, back ? service : port), put(b, IANA(11), row, back ? port : service);
    put(b, IANA(6), row, packets == 1 ? 2 : uniform() < 0.8 ? 0x1b : next() % 64);
    put(b, IANA(4), row, service == 53 ? 17 : uniform() < 0.02 ? 1 : 6);
    put(b, IANA(5), row, uniform() < 0.9 ? 0 : 0x20 * (next() % 8));
    put(b, IANA(16), row, 64512 + (src >> 16) % 250),
        put(b, IANA(17), row, 64512 + (dst >> 16) % 250);
    put(b, IANA(9), row, 16 + (src >> 16) % 9), put(b, IANA(13), row, 16 + (dst >> 16) % 9);
    put_address(b, WEIR_EXPORTER, row, &exporter);
    put(b, WEIR_DOMAIN, row, 0), put(b, WEIR_FLOW_START, row, start),
        put(b, WEIR_FLOW_END, row, end);
    put(b, WEIR_TIME_ORIGIN, row, 0), put(b, WEIR_OCTETS, row, octets),
        put(b, WEIR_PACKETS, row, packets);
    put(b, WEIR_SRC_TAG, row, (src >> 16) % 12), put(b, WEIR_DST_TAG, row, (dst >> 16) % 12);
    put(b, WEIR_SAMPLING_RATE, row, 0x3ff0000000000000), put(b, WEIR_SAMPLING_ORIGIN, row, 1);
    put(b, WEIR_EXPORT_TIME, row, m->export_ms),
        put(b, WEIR_SYS_UP_TIME, row, m->export_ms - m->boot_ms);
    put(b, WEIR_PROTOCOL_VERSION, row, 5), put(b, WEIR_EXPORTER_PORT, row, 9000 + m->exporter);
}

static double seconds(void)
{
    return (double)clock_thread_cpu_us() / 1e6;
}

static double measure_decode(const struct block *b, const struct block_column *c, struct arena *a,
                             struct vector *out)
{
    struct vector base = {.rows = 0}, deep = {.rows = 0};
    const struct block_column *on = c->base ? block_find(b, c->base) : NULL;
    const struct block_column *under = on && on->base ? block_find(b, on->base) : NULL;
    if ((under && column_decode(under, NULL, a, &deep, NULL)) ||
        (on && column_decode(on, &deep, a, &base, NULL)))
        abort();
    double best = 1e9;
    struct arena own = {0};
    for (int round = 0; round < 7; round++) {
        double t = seconds();
        for (int i = 0; i < 20; i++) {
            arena_reset(&own);
            if (column_decode(c, &base, &own, out, NULL))
                abort();
        }
        t = (seconds() - t) / 20;
        best = t < best ? t : best;
    }
    arena_free(&own);
    return best;
}

/* Encoding a column alone (with its bases, when it has some); seconds. */
static double measure_encode(struct batch *all, const struct block_column *c,
                             struct block_encoder *e)
{
    struct batch *b = batch_new(65536, RECORD_FLOW);
    struct block_id id = {.sequence = 1};
    struct buffer out = {0};
    double best = 1e9;
    batch_append(b, batch_rows(all));
    for (size_t i = 0, to; i < batch_column_count(all); i++) {
        const struct column *from = batch_column_at(all, i);
        if (from->key != c->key)
            continue;
        if (batch_column(b, from->key, from->width, &to))
            abort();
        memcpy(batch_column_at(b, to)->values, from->values, (size_t)batch_rows(all) * from->width);
        batch_mark(b, to, 0, batch_rows(all));
    }
    for (int round = 0; round < 9; round++) {
        buffer_clear(&out);
        double t = seconds();
        if (block_encode(e, &id, b, NULL, &out, NULL))
            abort();
        t = seconds() - t;
        best = t < best ? t : best;
    }
    batch_free(b);
    buffer_free(&out);
    return best;
}

static void report(const struct block *b, struct batch *batch, struct block_encoder *e)
{
    static const char *const codecs[] = {"constant", "for",  "dictionary", "relative", "split",
                                         "octets",   "runs", "mixed",      "map"};
    static const char *const forms[] = {"flat", "constant", "dictionary"};
    struct arena a = {0};
    for (uint32_t i = 0; i < b->head.column_count; i++) {
        const struct block_column *c = &b->columns[i];
        struct vector v;
        char name[IE_NAME_SIZE];
        double t = measure_decode(b, c, &a, &v);
        printf("  %-28s %2u %-10s %-10s %8.3f octets/row  %6.2f ns/row in  %6.2f Gvalues/s out\n",
               ie_key_print(c->key, name), c->width, codecs[c->codec], forms[v.form],
               (double)c->length / c->rows, measure_encode(batch, c, e) * 1e9 / c->rows,
               c->rows / t / 1e9);
        arena_reset(&a);
    }
    arena_free(&a);
}

int main(int argc, char **argv)
{
    struct batch *batch = batch_new(65536, RECORD_FLOW);
    struct block_encoder *e = block_encoder_new(argc > 1 ? atoi(argv[1]) : 1);
    struct block_id id = {.sequence = 1};
    struct message m[3] = {{0, 1700000000000, 1690000000123},
                           {1, 1700000000000, 1600000000000},
                           {2, 1700000000000, 1699999999000}};
    struct buffer out = {0};
    struct arena a = {0};
    struct block block;
    while (batch_room(batch) >= 30) {
        struct message *at = &m[next() % 3];
        at->export_ms += next() % 40;
        for (int i = 0; i < 30; i++)
            flow(batch, at);
    }
    double best = 1e9, check = 1e9;
    int rounds = argc > 2 ? atoi(argv[2]) : 15;
    for (int round = 0; round < rounds; round++) {
        buffer_clear(&out);
        double t = seconds();
        if (block_encode(e, &id, batch, NULL, &out, NULL))
            abort();
        t = seconds() - t;
        best = t < best ? t : best;
        arena_reset(&a);
        t = seconds();
        struct weir_error error;
        if (block_open(out.bytes, out.length, &a, &block, &error) ||
            block_check(&block, &a, &error)) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
        t = seconds() - t;
        check = t < check ? t : check;
    }
    printf("%s: encode %.1f ns/row, check %.1f ns/row, %.2f octets/row\n", kernels_best()->name,
           best * 1e9 / batch_rows(batch), check * 1e9 / batch_rows(batch),
           (double)out.length / batch_rows(batch));
    if (rounds > 100)
        return 0; /* for a profiler: little but encoding and checking */
    report(&block, batch, e);
    kernels_force(&kernels_plain);
    printf("plain:\n");
    report(&block, batch, e);
    buffer_free(&out);
    arena_free(&a);
    block_encoder_free(e);
    batch_free(batch);
    return 0;
}
