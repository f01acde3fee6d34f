/* decode_bench.c - the decoder alone: a capture of export datagrams through the engine of one
 * thread, with no store behind it; and the tag table alone. `make bench` runs it.
 *
 *   decode_bench decode FILE [ROUNDS]       records per CPU-second, best round
 *   decode_bench tags PREFIXES [LOOK-UPS]   ns a flow for its two look-ups, source and destination
 *
 * The datagrams are read into memory first, so that only decoding is timed. Batches go round as
 * they do before the encoder. */
#include "base/time.h"
#include "flow/prefix.h"
#include "ingest/capture.h"
#include "ingest/ingest.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recording {
    struct datagram *datagrams;
    size_t count, room;
    struct buffer bytes;
};

static struct batch *recycle(void *context, struct batch *full, struct account *account)
{
    (void)context;
    return ingest_give_back(full, account);
}

static bool record_one(struct recording *r, const struct datagram *d)
{
    if (r->count == r->room) {
        size_t room = r->room ? 2 * r->room : 4096;
        struct datagram *more = realloc(r->datagrams, room * sizeof *more);
        if (!more)
            return false;
        r->datagrams = more;
        r->room = room;
    }
    r->datagrams[r->count++] = *d;
    buffer_put(&r->bytes, d->bytes, d->length);
    return !r->bytes.failed;
}

/* The buffer moves while it grows, so the pointers are set when it is whole. */
static void settle(struct recording *r)
{
    const uint8_t *at = r->bytes.bytes;
    for (size_t i = 0; i < r->count; i++) {
        r->datagrams[i].bytes = at;
        at += r->datagrams[i].length;
    }
}

static int read_capture(const char *path, struct recording *r)
{
    struct weir_error error = {0};
    struct capture *capture;
    struct datagram d = {0};
    if (capture_open(path, &capture, &error) != WEIR_OK) {
        fprintf(stderr, "decode_bench: %s\n", error.message);
        return 1;
    }
    bool whole = true;
    while (whole && capture_next(capture, &d))
        whole = record_one(r, &d);
    capture_close(capture);
    settle(r);
    return whole ? 0 : 1;
}

static double decode_once(const struct recording *r, uint64_t *records)
{
    struct ingest_settings settings = {.batch_rows = BATCH_ROWS_DEFAULT, .exporters_most = 65536};
    struct ingest_output output = {recycle, NULL};
    struct ingest *in = ingest_new(&settings, &output);
    if (!in)
        return 0;
    uint64_t start = clock_thread_cpu_us();
    for (size_t i = 0; i < r->count; i++)
        (void)ingest_datagram(in, &r->datagrams[i]);
    (void)ingest_flush(in);
    uint64_t spent = clock_thread_cpu_us() - start;
    struct ingest_stats stats;
    ingest_stats(in, &stats);
    ingest_free(in);
    *records = stats.records;
    return (double)stats.records / ((double)spent / 1e6);
}

static int decode(const char *path, int rounds)
{
    struct recording r = {0};
    uint64_t records = 0;
    double best = 0;
    if (read_capture(path, &r) != 0)
        return 1;
    for (int i = 0; i < rounds; i++) {
        double rate = decode_once(&r, &records);
        best = rate > best ? rate : best;
    }
    printf("{\"records\":%" PRIu64 ",\"datagrams\":%zu,\"recordsPerCpuSecond\":%.0f}\n", records,
           r.count, best);
    free(r.datagrams);
    buffer_free(&r.bytes);
    return 0;
}

/* ---- tags ---- */

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint32_t network(size_t i, uint32_t length)
{
    return (uint32_t)(i * UINT64_C(2654435761)) & (length == 24 ? 0xffffff00 : 0xfffff000);
}

static struct prefix_table *random_table(size_t count, uint64_t *state)
{
    struct prefix_rule *rules = calloc(count, sizeof *rules);
    struct prefix_table *table = NULL;
    struct weir_error error = {0};
    for (size_t i = 0; rules && i < count; i++) {
        /* Distinct /24s and /20s, as customers and sites have. */
        uint32_t length = draw(state) % 4 ? 24 : 20;
        uint32_t address = network(i, length);
        rules[i].prefix = (struct prefix){address_from_ipv4(address), (uint8_t)(96 + length)};
        /* by content: a repeated prefix agrees */
        rules[i].tag = (uint32_t)(address >> 12) % 2000000 + 1;
    }
    if (!rules || prefix_table_new(rules, count, NULL, 0, &table, &error) != WEIR_OK)
        fprintf(stderr, "decode_bench: %s\n", error.message);
    free(rules);
    return table;
}

static int tags(size_t prefixes, size_t flows)
{
    uint64_t state = UINT64_C(88172645463325252);
    struct prefix_table *table = random_table(prefixes, &state);
    uint32_t *addresses = malloc(2 * flows * sizeof *addresses);
    uint32_t *found = calloc(2 * flows, sizeof *found);
    if (!table || !addresses || !found) {
        prefix_table_free(table);
        free(addresses);
        free(found);
        return 1;
    }
    /* inside a random prefix, so that every look-up finds one */
    for (size_t i = 0; i < 2 * flows; i++)
        addresses[i] = network(draw(&state) % prefixes, 24) | (uint32_t)(draw(&state) & 0xff);
    uint64_t start = clock_thread_cpu_us();
    prefix_lookup_ipv4_many(table, addresses, flows, found);
    prefix_lookup_ipv4_many(table, addresses + flows, flows, found + flows);
    double spent = (double)(clock_thread_cpu_us() - start);
    size_t hits = 0;
    for (size_t i = 0; i < 2 * flows; i++)
        hits += found[i] != 0;
    printf("{\"prefixes\":%zu,\"nsPerFlow\":%.1f,\"hits\":%zu,\"memory\":%zu}\n", prefixes,
           spent * 1000 / (double)flows, hits, prefix_table_memory(table));
    prefix_table_free(table);
    free(addresses);
    free(found);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "decode") == 0)
        return decode(argv[2], argc > 3 ? atoi(argv[3]) : 3);
    if (argc >= 3 && strcmp(argv[1], "tags") == 0)
        return tags(strtoul(argv[2], NULL, 10), argc > 3 ? strtoul(argv[3], NULL, 10) : 4000000);
    fputs("usage: decode_bench decode FILE [ROUNDS] | tags PREFIXES [FLOWS]\n", stderr);
    return 2;
}
