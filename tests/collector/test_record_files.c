/* test_record_files.c - files that hold records without their datagrams: flow-tools streams in
 * every version, order and dress, and what nfdump prints of nfcapd's. */
#include "flowtools_writer.h"
#include "ingest/flowtools.h"
#include "ingest/nfcapd.h"
#include "unit.h"
#include "wire/values.h"
#include <stdlib.h>

static struct {
    uint32_t rows, calls;
    uint64_t octets, packets, sum[512], ends;
    uint32_t exporter, domain;
    struct account_counts counts;
} out;
static struct ingest *in;
static struct transport transport;
static struct flowtools_writer w;
static enum weir_status refusal; /* of the sink */

static void keep(struct batch *b)
{
    for (size_t i = 0; i < batch_column_count(b); i++) {
        const struct column *c = batch_column_at(b, i);
        struct vector v = {.width = c->width, .values = c->values, .present = c->present};
        for (uint32_t r = 0; c->width && c->width <= 8 && r < batch_rows(b); r++) {
            uint64_t n = vector_u64(&v, r);
            out.octets += c->key == WEIR_OCTETS ? n : 0;
            out.packets += c->key == WEIR_PACKETS ? n : 0;
            out.ends += c->key == WEIR_FLOW_END ? n : 0;
            out.domain = c->key == WEIR_DOMAIN ? (uint32_t)n : out.domain;
            if (ie_key_pen(c->key) == 0 && ie_key_id(c->key) < 512)
                out.sum[ie_key_id(c->key)] += n;
        }
        if (c->key == WEIR_EXPORTER)
            out.exporter = load_be32((const uint8_t *)c->values + 12);
    }
    out.rows += batch_rows(b);
}

static struct batch *take(void *context, struct batch *full, struct account *account)
{
    (void)context;
    if (full)
        keep(full);
    if (account) {
        for (size_t i = 0; i < account->row_count; i++)
            account_counts_add(&out.counts, &account->rows[i].counts);
        CU_ASSERT_EQUAL(account->checkpoint_count, 0); /* a file's session ends with it */
    }
    return ingest_give_back(full, account);
}

static enum weir_status give_records(void *context, const struct ingest_origin *from,
                                     struct ingest_layout *layout, const uint8_t *bytes,
                                     size_t length)
{
    struct ingest_origin origin = *from;
    (void)context;
    out.calls++;
    origin.transport = &transport;
    return refusal ? refusal : ingest_records(in, &origin, layout, bytes, length);
}

static enum weir_status give_values(void *context, const struct ingest_origin *from,
                                    const struct wire_values *values)
{
    struct ingest_origin origin = *from;
    (void)context;
    origin.transport = &transport;
    return ingest_values(in, &origin, values);
}

static const struct record_sink sink = {give_records, give_values, NULL, NULL};

static void start(void)
{
    struct ingest_output output = {take, NULL};
    struct ingest_settings settings = {.batch_rows = 128};
    memset(&out, 0, sizeof out);
    refusal = WEIR_OK;
    in = ingest_new(&settings, &output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
}

static void finish(void)
{
    ingest_end_transport(in, &transport, true);
    CU_ASSERT_PTR_NULL(transport.sessions);
    CU_ASSERT_EQUAL(ingest_flush(in), WEIR_OK);
    ingest_free(in);
}

static enum weir_status read_bytes(const uint8_t *bytes, size_t length, struct weir_error *error)
{
    FILE *file = fmemopen((void *)(uintptr_t)bytes, length, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    enum weir_status status = flowtools_read(file, "test.ft", &sink, error);
    fclose(file);
    return status;
}

/* ---- flow-tools ---- */

static const struct shape {
    unsigned version, method;
    size_t length, packets_at;
} shapes[] = {
    {1, 0, 60, 32},  {5, 0, 64, 32},  {6, 0, 72, 32},  {7, 0, 68, 32},  {1005, 0, 72, 32},
    {8, 1, 48, 20},  {8, 2, 48, 20},  {8, 3, 48, 20},  {8, 4, 48, 20},  {8, 5, 56, 20},
    {8, 6, 52, 16},  {8, 7, 56, 16},  {8, 8, 64, 16},  {8, 9, 48, 20},  {8, 10, 48, 20},
    {8, 11, 48, 20}, {8, 12, 48, 20}, {8, 13, 60, 20}, {8, 14, 60, 20},
};

static void every_shape(void)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int dress = 0; dress < 4; dress++) {
            start();
            begin_flowtools(&w, dress & 1, shapes[i].version, shapes[i].method, dress & 2);
            for (uint32_t n = 1; n <= 2000; n++) /* more than a buffer */
                (void)put_flowtools_record(&w, shapes[i].length, shapes[i].packets_at, n, 3 * n);
            end_flowtools(&w, dress & 2);
            CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, NULL), WEIR_OK);
            finish();
            CU_ASSERT_TRUE(out.rows == 2000 && out.packets == 2001000 && out.octets == 6003000);
            CU_ASSERT_TRUE(out.counts.records == 2000 && out.counts.datagrams == 0);
            CU_ASSERT_TRUE(out.counts.unknown_gaps >= 1 && out.counts.undecodable_octets == 0);
        }
}

static void version5_fields(void)
{
    static const struct {
        uint16_t at, length, element;
        uint32_t v;
    } fields[] = {
        {16, 4, 8, 0xc0000201}, {20, 4, 12, 0xc0000202}, {24, 4, 15, 0xc0000203},
        {28, 2, 10, 11},        {30, 2, 14, 12},         {40, 4, 22, 1000},
        {44, 4, 21, 4000},      {48, 2, 7, 1024},        {50, 2, 11, 53},
        {52, 1, 4, 17},         {53, 1, 5, 184},         {54, 1, 6, 0x1b},
        {58, 1, 9, 24},         {59, 1, 13, 16},         {60, 2, 16, 64500},
        {62, 2, 17, 64501},
    };
    for (int little = 0; little < 2; little++) {
        start();
        begin_flowtools(&w, little, 5, 0, false);
        size_t at = put_flowtools_record(&w, 64, 32, 5, 6);
        set_number_at(&w.records, at + 4, little, 500000000, 4);
        set_number_at(&w.records, at + 8, little, 10000, 4);
        set_number_at(&w.records, at + 12, little, 0xc0000209, 4);
        w.records.bytes[at + 56] = 1; /* engine type and number */
        w.records.bytes[at + 57] = 2;
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            set_number_at(&w.records, at + fields[i].at, little, fields[i].v, fields[i].length);
        end_flowtools(&w, false);
        CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, NULL), WEIR_OK);
        finish();
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            CU_ASSERT_EQUAL(out.sum[fields[i].element], fields[i].v);
        CU_ASSERT_TRUE(out.exporter == 0xc0000209 && out.domain == 0x102);
        CU_ASSERT_EQUAL(out.ends, UINT64_C(1700000000500) - 6000);
    }
}

/* Records of datagrams with different headers are told apart, and those of one go together. */
static void messages(void)
{
    start();
    begin_flowtools(&w, false, 5, 0, false);
    for (uint32_t i = 0; i < 30; i++) {
        size_t at = put_flowtools_record(&w, 64, 32, 1, 1);
        set_number_at(&w.records, at + 12, false, 0xc0000200 + i / 10, 4);
    }
    end_flowtools(&w, false);
    CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, NULL), WEIR_OK);
    finish();
    CU_ASSERT_TRUE(out.calls == 3 && out.rows == 30 && out.counts.unknown_gaps == 3);
}

static void several_streams(void)
{
    struct flowtools_writer more = {0};
    start();
    begin_flowtools(&w, true, 5, 0, true);
    (void)put_flowtools_record(&w, 64, 32, 1, 10);
    end_flowtools(&w, true);
    begin_flowtools(&more, true, 5, 0, true);
    size_t head = more.b.length;
    (void)put_flowtools_record(&more, 64, 32, 2, 20);
    end_flowtools(&more, true);
    buffer_put(&w.b, more.b.bytes + head, more.b.length - head);
    CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, NULL), WEIR_OK);
    finish();
    CU_ASSERT_TRUE(out.rows == 2 && out.octets == 30);
    buffer_free(&more.b);
    buffer_free(&more.records);
}

static void cut_and_damaged(void)
{
    for (int compressed = 0; compressed < 2; compressed++) {
        begin_flowtools(&w, true, 7, 0, compressed);
        for (uint32_t i = 0; i < 5; i++)
            (void)put_flowtools_record(&w, 68, 32, 1, 1);
        size_t head = w.b.length;
        end_flowtools(&w, compressed);
        for (size_t n = 1; n < w.b.length; n++) {
            start();
            CU_ASSERT_EQUAL(read_bytes(w.b.bytes, n, NULL), n < head ? WEIR_EMALFORMED : WEIR_OK);
            finish();
            CU_ASSERT_TRUE(compressed ? out.rows <= 5
                                      : out.rows == (n < head ? 0 : (n - head) / 68));
        }
        for (size_t n = head; compressed && n < w.b.length; n++) {
            w.b.bytes[n] ^= 0x55;
            start();
            CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, NULL), WEIR_OK);
            finish();
            w.b.bytes[n] ^= 0x55;
        }
    }
}

static void refused(void)
{
    struct weir_error error = {0};
    start();
    begin_flowtools(&w, false, 9, 0, false);
    CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, &error), WEIR_EMALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "version 9"));
    begin_flowtools(&w, false, 8, 15, false);
    CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, &error), WEIR_EMALFORMED);
    w.b.bytes[3] = 1;
    CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, &error), WEIR_EMALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "version 3 is understood"));
    begin_flowtools(&w, false, 5, 0, false);
    set_number_at(&w.b, 4, false, 0xffffffff, 4);
    CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, &error), WEIR_EMALFORMED);
    begin_flowtools(&w, false, 5, 0, true);
    (void)put_flowtools_record(&w, 64, 32, 1, 1);
    end_flowtools(&w, true);
    refusal = WEIR_EUNAVAILABLE; /* the sink's word ends reading */
    CU_ASSERT_EQUAL(read_bytes(w.b.bytes, w.b.length, NULL), WEIR_EUNAVAILABLE);
    finish();
}

/* ---- nfcapd, as nfdump prints it ---- */

static const char json[] =
    "[\n{\n\t\"type\" : \"FLOW\",\n\t\"sampled\" : 0,\n\t\"first\" : \"2026-01-02T03:04:05.006\",\n"
    "\t\"last\" : \"2026-01-02T03:04:06.007\",\n\t\"received\" : \"2026-01-02T03:05:00.000\",\n"
    "\t\"in_packets\" : 3,\n\t\"in_bytes\" : 18446744073709551615,\n\t\"proto\" : 6,\n"
    "\t\"tcp_flags\" : \"...AP.SF\",\n\t\"src_port\" : 50000,\n\t\"dst_port\" : 443,\n"
    "\t\"src_tos\" : 184,\n\t\"src4_addr\" : \"192.0.2.1\",\n\t\"dst4_addr\" : \"192.0.2.2\",\n"
    "\t\"src_mask\" : 24,\n\t\"dst_mask\" : 0,\n\t\"in_src_mac\" : \"02:00:00:00:00:ff\",\n"
    "\t\"mpls_1\" : \"1000-5-1\",\n\t\"src4_xlt_ip\" : \"203.0.113.1\",\n"
    "\t\"src_xlt_port\" : \"1234\",\n\t\"ip4_router\" : \"192.0.2.9\",\n\t\"label\" : "
    "\"a\\\"}{b\"\n},\n"
    "{ \"in_packets\" : 1, \"in_bytes\" : 1, \"proto\" : 58, \"icmp_type\" : 128, \"icmp_code\" : "
    "1,"
    " \"src6_addr\" : \"2001:db8::1\", \"dst6_addr\" : \"2001:db8::2\", \"dst_mask\" : 64 },\n"
    "{ \"type\" : \"STAT\", \"records\" : 7 },\n{ \"in_packets\" : 5, broken }, { \"in_packets\" : "
    "1";

static void nfdump_json(void)
{
    uint64_t records = 0;
    start();
    FILE *file = fmemopen((void *)(uintptr_t)json, sizeof json - 1, "r");
    CU_ASSERT_EQUAL(nfcapd_read_json(file, &sink, &records), WEIR_OK);
    fclose(file);
    CU_ASSERT_EQUAL(records, 2);
    finish();
    CU_ASSERT_TRUE(out.rows == 2 && out.packets == 4 && out.octets == 0); /* all ones and one */
    CU_ASSERT_TRUE(out.sum[6] == 0x1b && out.sum[7] == 50000 && out.sum[11] == 443);
    CU_ASSERT_TRUE(out.sum[8] == 0xc0000201 && out.sum[12] == 0xc0000202 && out.sum[5] == 184);
    CU_ASSERT_TRUE(out.sum[9] == 24 && out.sum[13] == 0 && out.sum[30] == 64 && out.sum[29] == 0);
    CU_ASSERT_TRUE(out.sum[56] == 0x0200000000ff && out.sum[139] == 0x8001 && out.sum[32] == 0);
    CU_ASSERT_TRUE(out.sum[225] == 0xcb007101 && out.sum[227] == 1234);
    CU_ASSERT_TRUE(out.sum[152] == 1767323045006 && out.sum[153] == 1767323046007);
    CU_ASSERT_TRUE(out.counts.records == 2 && out.counts.unknown_gaps >= 2);
    buffer_free(&w.b);
    buffer_free(&w.records);
}

static void recognised(void)
{
    CU_ASSERT_TRUE(nfcapd_recognise((const uint8_t *)"\x0c\xa5\x02\x00", 4));
    CU_ASSERT_TRUE(nfcapd_recognise((const uint8_t *)"\x0c\xa5\x01\x00", 4));
    CU_ASSERT_FALSE(nfcapd_recognise((const uint8_t *)"\x0c\xa5\x03\x00", 4));
    CU_ASSERT_FALSE(nfcapd_recognise((const uint8_t *)"\x0c\xa5\x02\x00", 3));
    CU_ASSERT_TRUE(flowtools_recognise((const uint8_t *)"\xcf\x10\x01\x03", 4));
    CU_ASSERT_FALSE(flowtools_recognise((const uint8_t *)"\xcf\x10\x03\x03", 4));
}

UNIT_MAIN("files of records", {"every shape", every_shape}, {"version 5", version5_fields},
          {"messages", messages}, {"several streams", several_streams},
          {"cut and damaged", cut_and_damaged}, {"refused", refused}, {"recognised", recognised},
          {"nfdump's JSON", nfdump_json})
