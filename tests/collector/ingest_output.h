/* ingest_output.h - an ingest for tests: datagrams written with wire_writer.h go in, rows and
 * account are kept to be looked at. */
#ifndef WEIR_TESTS_INGEST_OUTPUT_H
#define WEIR_TESTS_INGEST_OUTPUT_H

#include "ingest/ingest.h"
#include "unit.h"
#include "wire_writer.h"
#include <stdlib.h>

#define T0 1700000000u /* export times, seconds */
#define MS(s) ((int64_t)(s) * 1000)

/* ---- what comes out ---- */

#define ROWS_MOST 4096
struct row {
    enum record_kind kind;
    uint64_t end, start, exported, octets, packets, element[512];
    double rate;
    uint32_t src_tag, dst_tag;
    uint8_t origin, rate_origin;
};
static struct output {
    struct row rows[ROWS_MOST];
    uint32_t count, batches, accounts, checkpoints;
    struct account_counts counts;
    struct account_row account_rows[64];
    uint32_t account_row_count;
    struct account_checkpoint last_checkpoint;
    bool give_nothing_back;
} out;

static inline uint64_t number(struct batch *b, ie_key key, uint32_t row)
{
    for (size_t i = 0; i < batch_column_count(b); i++) {
        const struct column *c = batch_column_at(b, i);
        struct vector v = {.width = c->width, .values = c->values, .present = c->present};
        if (c->key == key && c->width && c->width <= 8 && vector_has(&v, row))
            return vector_u64(&v, row);
    }
    return 0;
}

static inline double real(struct batch *b, ie_key key, uint32_t row)
{
    uint64_t bits = number(b, key, row);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline void keep_row(struct batch *b, uint32_t row)
{
    if (out.count == ROWS_MOST)
        return;
    struct row *r = &out.rows[out.count++];
    *r = (struct row){.kind = batch_kind(b),
                      .end = number(b, WEIR_FLOW_END, row),
                      .start = number(b, WEIR_FLOW_START, row),
                      .exported = number(b, WEIR_EXPORT_TIME, row),
                      .octets = number(b, WEIR_OCTETS, row),
                      .packets = number(b, WEIR_PACKETS, row),
                      .rate = real(b, WEIR_SAMPLING_RATE, row),
                      .src_tag = (uint32_t)number(b, WEIR_SRC_TAG, row),
                      .dst_tag = (uint32_t)number(b, WEIR_DST_TAG, row),
                      .origin = (uint8_t)number(b, WEIR_TIME_ORIGIN, row),
                      .rate_origin = (uint8_t)number(b, WEIR_SAMPLING_ORIGIN, row)};
    for (uint16_t id = 1; id < 512; id++)
        r->element[id] = number(b, IANA(id), row);
}

static inline void keep_account(struct account *a)
{
    out.accounts++;
    for (size_t i = 0; i < a->row_count; i++) {
        account_counts_add(&out.counts, &a->rows[i].counts);
        out.account_rows[out.account_row_count++ % 64] = a->rows[i];
    }
    out.checkpoints += (uint32_t)a->checkpoint_count;
    if (a->checkpoint_count)
        out.last_checkpoint = a->checkpoints[a->checkpoint_count - 1];
    account_free(a);
    free(a);
}

static inline struct batch *take(void *context, struct batch *full, struct account *account)
{
    (void)context;
    CU_ASSERT(full || account);
    for (uint32_t r = 0; full && r < batch_rows(full); r++)
        keep_row(full, r);
    out.batches += full != NULL;
    if (account)
        keep_account(account);
    if (full && out.give_nothing_back) {
        batch_free(full);
        return NULL;
    }
    if (full)
        batch_reset(full);
    return full;
}

static struct ingest *in;
static struct writer w;

static inline void start(struct ingest_settings settings)
{
    struct ingest_output output = {take, NULL};
    memset(&out, 0, sizeof out);
    if (!settings.batch_rows)
        settings.batch_rows = 1024;
    in = ingest_new(&settings, &output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
}

static inline void finish(void)
{
    (void)ingest_flush(in);
    ingest_free(in);
    in = NULL;
    buffer_free(&w.b);
}

static inline enum weir_status send_from(uint32_t exporter, uint16_t port, int64_t received_ms)
{
    uint8_t *flush = malloc(w.b.length ? w.b.length : 1);
    memcpy(flush, w.b.bytes, w.b.length);
    struct datagram d = {.bytes = flush,
                         .length = w.b.length,
                         .from = address_from_ipv4(exporter),
                         .port = port,
                         .received_ms = received_ms};
    enum weir_status status = ingest_datagram(in, &d);
    free(flush);
    return status;
}

static inline enum weir_status send_it(void)
{
    return send_from(0x0a000001, 2055, MS(T0) + 5);
}

static const uint16_t plain[] = {8, 4, 12, 4, 1, 8, 2, 4, 152, 8, 153, 8};

static inline void put_plain(uint32_t src, uint32_t dst, uint64_t octets, uint32_t packets,
                             uint64_t end)
{
    buffer_put_u32be(&w.b, src);
    buffer_put_u32be(&w.b, dst);
    buffer_put_u64be(&w.b, octets);
    buffer_put_u32be(&w.b, packets);
    buffer_put_u64be(&w.b, end ? end - 10 : 0);
    buffer_put_u64be(&w.b, end);
}

static inline void write_plain_data(uint32_t records)
{
    open_set(&w, 256);
    for (uint32_t i = 0; i < records; i++)
        put_plain(i, i + 1, 100 + i, 1, (uint64_t)MS(T0));
    close_set(&w);
}

#endif
