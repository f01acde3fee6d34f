/* test_wire.c - NetFlow v9 and IPFIX bytes, made by hand, against the columns they must become. */
#include "base/buffer.h"
#include "cells.h"
#include "wire/ipfix.h"
#include "wire/netflow9.h"
#include <stdlib.h>

static struct wire_scratch *scratch;
static struct batch *batch;

static void set_up(enum record_kind kind)
{
    batch = batch_new(256, kind);
    scratch = wire_scratch_new();
}

static void tear_down(void)
{
    batch_free(batch);
    wire_scratch_free(scratch);
}

static struct column *column(ie_key key)
{
    return cells_find(batch, key);
}

/* UINT64_MAX: there is no such column. */
static uint64_t number(ie_key key, uint32_t row)
{
    return column(key) ? cells_number(batch, key, row) : UINT64_MAX;
}

static bool octets_are(ie_key key, uint32_t row, const void *bytes, uint32_t length)
{
    return column(key) && cells_octets_are(batch, key, row, bytes, length);
}

/* Decodes a whole set and says how many records it had. */
static uint32_t decode(struct wire_template *t, const void *bytes, size_t length)
{
    struct cursor set = cursor_over(bytes, length);
    uint32_t first, rows, all = 0;
    while (wire_decode(t, scratch, &set, batch, &first, &rows) == WEIR_OK && rows)
        all += rows;
    return all;
}

static struct wire_template *template_of(const struct wire_spec *specs, size_t n)
{
    struct wire_template *t = NULL;
    CU_ASSERT_EQUAL(wire_template_new(256, RECORD_FLOW, 0, specs, n, &t), WEIR_OK);
    return t;
}

static void headers_cut_short(void)
{
    struct netflow9_header h9;
    struct ipfix_header h10;
    for (size_t length = 0; length < 24; length++) {
        uint8_t *bytes = calloc(1, length ? length : 1); /* flush against the end */
        struct cursor b = cursor_over(bytes, length), c = b;
        CU_ASSERT_EQUAL(netflow9_read_header(&b, &h9),
                        length < 20 ? WEIR_ETRUNCATED : WEIR_EVERSION);
        CU_ASSERT_EQUAL(ipfix_read_header(&c, &h10), length < 16 ? WEIR_ETRUNCATED : WEIR_EVERSION);
        free(bytes);
    }
}

static void ipfix_lengths(void)
{
    for (uint32_t said = 0; said < 65536; said += said < 64 || said > 65500 ? 1 : 97) {
        uint8_t bytes[40] = {0, 10, (uint8_t)(said >> 8), (uint8_t)said};
        struct cursor c = cursor_over(bytes, sizeof bytes);
        struct ipfix_header h;
        enum weir_status status = ipfix_read_header(&c, &h);
        CU_ASSERT_EQUAL(status, said < 16 ? WEIR_EMALFORMED : WEIR_OK);
        if (said >= 16)
            CU_ASSERT_EQUAL(cursor_left(&c), (said < 40 ? said : 40) - 16);
    }
}

static void set_lengths(void)
{
    for (uint32_t said = 0; said < 65536; said++) {
        uint8_t bytes[12] = {1, 0, (uint8_t)(said >> 8), (uint8_t)said};
        struct cursor c = cursor_over(bytes, sizeof bytes);
        struct wire_set set;
        bool fits = said >= 4 && said <= 12;
        CU_ASSERT_EQUAL(wire_next_set(&c, &set), fits);
        CU_ASSERT_EQUAL(cursor_left(&c), fits ? 12 - said : 12);
        if (fits)
            CU_ASSERT_EQUAL(cursor_left(&set.content), said - 4);
    }
}

/* ---- lengths and types ---- */

static void reduced_and_wide_numbers(void)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (uint16_t length = 1; length <= 8; length++) {
        const struct wire_spec specs[] = {
            {IANA(1), length}, {IANA(4), length}, {IANA(434), length}};
        struct wire_template *t = template_of(specs, 3);
        uint8_t record[24];
        uint64_t expected = 0;
        for (uint16_t i = 0; i < length; i++)
            expected = expected << 8 | bytes[i];
        for (int f = 0; f < 3; f++)
            memcpy(record + f * length, bytes, length);
        set_up(RECORD_FLOW);
        CU_ASSERT_EQUAL(decode(t, record, 3u * length), 1);
        CU_ASSERT_EQUAL(number(IANA(1), 0), expected);       /* unsigned64 */
        CU_ASSERT_EQUAL(number(IANA(4), 0), expected);       /* unsigned8, wider */
        CU_ASSERT_EQUAL(column(IANA(1))->width, 8);
        CU_ASSERT_EQUAL(column(IANA(4))->width, length <= 2 ? length : length <= 4 ? 4 : 8);
        tear_down();
        wire_template_free(t);
    }
}

static void signed_numbers(void)
{
    /* 434 mibObjectValueInteger: signed32 */
    for (uint16_t length = 1; length <= 4; length++) {
        const struct wire_spec specs[] = {{IANA(434), length}};
        struct wire_template *t = template_of(specs, 1);
        set_up(RECORD_FLOW);
        CU_ASSERT_EQUAL(decode(t, (const uint8_t[]){0xff, 0xff, 0xff, 0xfe} + 4 - length, length),
                        1);
        CU_ASSERT_EQUAL(number(IANA(434), 0), 0xfffffffeu);
        tear_down();
        wire_template_free(t);
    }
}

static void floats(void)
{
    const struct wire_spec specs[] = {{IANA(320), 8}, {IANA(311), 4}}; /* both float64 */
    struct wire_template *t = template_of(specs, 2);
    set_up(RECORD_FLOW);
    /* 1.5, 0.25 */
    static const uint8_t record[] = {0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x3e, 0x80, 0, 0};
    CU_ASSERT_EQUAL(decode(t, record, sizeof record), 1);
    CU_ASSERT_EQUAL(((const double *)column(IANA(320))->values)[0], 1.5);
    CU_ASSERT_EQUAL(((const double *)column(IANA(311))->values)[0], 0.25);
    tear_down();
    wire_template_free(t);
}

/* A length that the type cannot have keeps its octets under the misfits' number. */
static void misfits(void)
{
    const struct wire_spec specs[] = {{IANA(8), 16}, {IANA(27), 4}, {IANA(56), 8}, {IANA(8), 4},
                                      {IANA(1), 9}, {IANA(7), 0}, {IANA(8), 1}};
    struct wire_template *t = template_of(specs, 7);
    uint8_t record[42];
    for (uint8_t i = 0; i < sizeof record; i++)
        record[i] = i;
    set_up(RECORD_FLOW);
    CU_ASSERT_EQUAL(decode(t, record, sizeof record), 1);
    CU_ASSERT(octets_are(IE_KEY(WIRE_MISFIT_PEN, 8), 0, record, 16));
    CU_ASSERT(octets_are(IE_KEY(WIRE_MISFIT_PEN, 27), 0, record + 16, 4));
    CU_ASSERT(octets_are(IE_KEY(WIRE_MISFIT_PEN, 56), 0, record + 20, 8));
    CU_ASSERT_EQUAL(number(IANA(8), 0), 0x1c1d1e1f);
    CU_ASSERT(octets_are(IE_KEY(WIRE_MISFIT_PEN, 1), 0, record + 32, 9));
    CU_ASSERT(octets_are(IE_KEY_NTH(WIRE_MISFIT_PEN, 8, 1), 0, record + 41, 1));
    CU_ASSERT_PTR_NULL(column(IANA(7)));
    tear_down();
    wire_template_free(t);
}

static void repeated_elements(void)
{
    const struct wire_spec specs[] = {{IANA(7), 2}, {IANA(7), 2}, {IE_KEY(9, 7), 1}, {IANA(7), 1}};
    struct wire_template *t = template_of(specs, 4);
    set_up(RECORD_FLOW);
    CU_ASSERT_EQUAL(decode(t, (const uint8_t[]){0, 1, 0, 2, 9, 3}, 6), 1);
    CU_ASSERT_EQUAL(number(IANA(7), 0), 1);
    CU_ASSERT_EQUAL(number(IE_KEY_NTH(0, 7, 1), 0), 2);
    CU_ASSERT_EQUAL(number(IE_KEY_NTH(0, 7, 2), 0), 3);
    CU_ASSERT(octets_are(IE_KEY(9, 7), 0, "\x09", 1));
    CU_ASSERT_EQUAL(wire_template_find(t, IE_KEY_NTH(0, 7, 2)), 3);
    tear_down();
    wire_template_free(t);
}

static void addresses_and_mac(void)
{
    const struct wire_spec specs[] = {{IANA(27), 16}, {IANA(56), 6}, {IANA(276), 1}};
    struct wire_template *t = template_of(specs, 3);
    uint8_t records[46];
    for (uint8_t i = 0; i < sizeof records; i++)
        records[i] = (uint8_t)(i + 1);
    set_up(RECORD_FLOW);
    CU_ASSERT_EQUAL(decode(t, records, sizeof records), 2);
    CU_ASSERT(memcmp(column(IANA(27))->values, records, 16) == 0);
    CU_ASSERT(memcmp((uint8_t *)column(IANA(27))->values + 16, records + 23, 16) == 0);
    CU_ASSERT_EQUAL(number(IANA(56), 0), 0x111213141516);
    CU_ASSERT_EQUAL(number(IANA(276), 1), 46);
    tear_down();
    wire_template_free(t);
}

/* ---- variable length ---- */

static struct wire_template *variable_template(void)
{
    const struct wire_spec specs[] = {{IANA(4), 1}, {IANA(96), WIRE_VARIABLE}, {IANA(7), 2},
                                      {IE_KEY(35632, 188), WIRE_VARIABLE}, {IANA(11), 2}};
    return template_of(specs, 5);
}

static void put_record(struct buffer *b, uint8_t proto, const char *name, bool long_form,
                       uint32_t blob)
{
    size_t length = strlen(name);
    buffer_put_u8(b, proto);
    if (long_form)
        buffer_put_u8(b, 255), buffer_put_u16be(b, (uint16_t)length);
    else
        buffer_put_u8(b, (uint8_t)length);
    buffer_put(b, name, length);
    buffer_put_u16be(b, (uint16_t)(1000 + proto));
    buffer_put_u8(b, 255);
    buffer_put_u16be(b, (uint16_t)blob);
    memset(buffer_extend(b, blob), proto, blob);
    buffer_put_u16be(b, (uint16_t)(2000 + proto));
}

static void check_variable(uint32_t row, uint8_t proto, const char *name, uint32_t blob)
{
    uint8_t expected[700];
    memset(expected, proto, sizeof expected);
    CU_ASSERT_EQUAL(number(IANA(4), row), proto);
    CU_ASSERT(octets_are(IANA(96), row, name, (uint32_t)strlen(name)));
    CU_ASSERT_EQUAL(number(IANA(7), row), 1000u + proto);
    CU_ASSERT(octets_are(IE_KEY(35632, 188), row, expected, blob));
    CU_ASSERT_EQUAL(number(IANA(11), row), 2000u + proto);
}

static void variable_length(void)
{
    struct wire_template *t = variable_template();
    struct buffer b = {0};
    CU_ASSERT_EQUAL(t->least, 7);
    put_record(&b, 1, "", false, 0);
    put_record(&b, 2, "https", true, 700);
    put_record(&b, 3, "dns", false, 3);
    buffer_put(&b, "\0\0\0\0\0\0", 6); /* padding shorter than a record */
    set_up(RECORD_FLOW);
    CU_ASSERT_EQUAL(wire_count(t, cursor_over(b.bytes, b.length)), 3);
    CU_ASSERT_EQUAL(decode(t, b.bytes, b.length), 3);
    check_variable(0, 1, "", 0);
    check_variable(1, 2, "https", 700);
    check_variable(2, 3, "dns", 3);
    buffer_free(&b);
    tear_down();
    wire_template_free(t);
}

/* Cut at every octet: the whole records, never a broken one, and no octet past the end is read. */
static void variable_cut_short(void)
{
    struct wire_template *t = variable_template();
    struct buffer b = {0};
    size_t ends[3];
    for (uint8_t i = 0; i < 3; i++) {
        put_record(&b, i, "name", i & 1, 5u * i);
        ends[i] = b.length;
    }
    for (size_t length = 0; length <= b.length; length++) {
        uint8_t *flush = malloc(length ? length : 1);
        memcpy(flush, b.bytes, length);
        uint32_t whole = 0;
        while (whole < 3 && ends[whole] <= length)
            whole++;
        set_up(RECORD_FLOW);
        CU_ASSERT_EQUAL(decode(t, flush, length), whole);
        CU_ASSERT_EQUAL(batch_rows(batch), whole);
        tear_down();
        free(flush);
    }
    buffer_free(&b);
    wire_template_free(t);
}

/* ---- template records ---- */

static void netflow9_templates(void)
{
    static const uint8_t flow[] = {1, 0, 0, 2, 0, 8, 0, 4, 0xdd, 0x7d, 0,
                                   3, 1, 1, 0, 1, 0, 1, 0, 4,    0,    0};
    struct cursor c = cursor_over(flow, sizeof flow);
    struct wire_definition d;
    CU_ASSERT(netflow9_read_template(&c, &d));
    CU_ASSERT_EQUAL(d.id, 256);
    CU_ASSERT_EQUAL(d.definition->least, 7);
    CU_ASSERT(wire_template_find(d.definition, IANA(56701)) == 1);
    wire_template_free(d.definition);
    CU_ASSERT(netflow9_read_template(&c, &d));
    CU_ASSERT_EQUAL(d.id, 257);
    wire_template_free(d.definition);
    CU_ASSERT_FALSE(netflow9_read_template(&c, &d));
    CU_ASSERT(wire_is_padding(&c));
    static const uint8_t options[] = {1, 2, 0, 4, 0, 8, 0, 1, 0, 4, 0, 34, 0, 4, 0, 35, 0, 1};
    c = cursor_over(options, sizeof options);
    CU_ASSERT(netflow9_read_options_template(&c, &d));
    CU_ASSERT_EQUAL(d.definition->kind, RECORD_OPTIONS);
    CU_ASSERT_EQUAL(d.definition->scope_count, 1);
    CU_ASSERT_EQUAL(d.definition->fields[0].key, WEIR_V9_SCOPE(1));
    CU_ASSERT_EQUAL(d.definition->least, 9);
    wire_template_free(d.definition);
}

static void ipfix_templates(void)
{
    static const uint8_t flow[] = {1, 0, 0, 2, 0x81, 0, 0xff, 0xff, 0, 0, 0x8b, 0x30, 0, 1, 0, 4,
                                   1, 1, 0, 0, 0, 2, 0, 0};
    struct cursor c = cursor_over(flow, sizeof flow);
    struct wire_definition d;
    CU_ASSERT(ipfix_read_template(&c, &d));
    CU_ASSERT_EQUAL(d.definition->segment_count, 2);
    CU_ASSERT_EQUAL(d.definition->fields[0].key, IE_KEY(35632, 256));
    CU_ASSERT_EQUAL(d.definition->fields[1].key, IANA(1));
    wire_template_free(d.definition);
    CU_ASSERT(ipfix_read_template(&c, &d) && d.withdrawn && d.id == 257);
    CU_ASSERT(ipfix_read_template(&c, &d) && d.withdrawn && d.id == 2); /* all */
    CU_ASSERT_FALSE(ipfix_read_template(&c, &d));
    static const uint8_t options[] = {1, 0, 0, 2, 0, 1, 0, 144, 0, 4, 0, 41, 0, 8, 1, 1, 0, 0};
    c = cursor_over(options, sizeof options);
    CU_ASSERT(ipfix_read_options_template(&c, &d));
    CU_ASSERT_EQUAL(d.definition->scope_count, 1);
    wire_template_free(d.definition);
    CU_ASSERT(ipfix_read_options_template(&c, &d) && d.withdrawn);
}

/* Definitions that are refused are stepped over, and the next is read. */
static void refused_templates(void)
{
    static const struct {
        uint8_t bytes[16];
        uint8_t length;
        enum weir_status status;
    } cases[] = {
        {{0, 255, 0, 1, 0, 1, 0, 4}, 8, WEIR_EMALFORMED}, /* id below 256 */
        {{1, 0, 0, 1, 0, 1, 0, 0}, 8, WEIR_EMALFORMED},   /* no octets */
        {{1, 0, 0, 1, 0x80, 6, 0, 4, 255, 255, 255, 255},
         12,
         WEIR_EMALFORMED}, /* our own elements */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer b = {0};
        struct wire_definition d;
        buffer_put(&b, cases[i].bytes, cases[i].length);
        buffer_put(&b, "\1\1\0\1\0\1\0\4", 8);
        struct cursor c = cursor_over(b.bytes, b.length);
        CU_ASSERT(ipfix_read_template(&c, &d));
        CU_ASSERT_EQUAL(d.status, cases[i].status);
        CU_ASSERT_PTR_NULL(d.definition);
        CU_ASSERT(ipfix_read_template(&c, &d));
        CU_ASSERT_PTR_NOT_NULL_FATAL(d.definition);
        wire_template_free(d.definition);
        buffer_free(&b);
    }
}

static void template_of_many_fields(void)
{
    static const size_t counts[] = {WIRE_FIELDS_MOST, WIRE_FIELDS_MOST + 1, 16000, 65535};
    for (size_t i = 0; i < 4; i++) {
        struct buffer b = {0};
        struct wire_definition d;
        size_t there = counts[i] > 16000 ? 16000 : counts[i];
        buffer_put_u16be(&b, 256);
        buffer_put_u16be(&b, (uint16_t)counts[i]);
        for (size_t f = 0; f < there; f++)
            buffer_put_u16be(&b, 210), buffer_put_u16be(&b, 1);
        struct cursor c = cursor_over(b.bytes, b.length);
        bool whole = there == counts[i];
        CU_ASSERT_EQUAL(netflow9_read_template(&c, &d), whole);
        CU_ASSERT_EQUAL(cursor_left(&c), whole ? 0 : b.length);
        if (whole)
            CU_ASSERT_EQUAL(d.status, counts[i] > WIRE_FIELDS_MOST ? WEIR_ELIMIT : WEIR_OK);
        if (d.definition)
            CU_ASSERT_EQUAL(ie_key_nth(d.definition->fields[WIRE_FIELDS_MOST - 1].key),
                            WIRE_FIELDS_MOST - 1);
        wire_template_free(d.definition);
        buffer_free(&b);
    }
}

/* Every field length there is, and whatever follows: decoded or refused, never past the end. */
static void every_field_length(void)
{
    uint8_t bytes[64] = {255, 255, 255, 255, 255};
    for (uint32_t length = 0; length < 65536; length++) {
        const struct wire_spec specs[] = {{IANA(4), 1}, {IANA(1), (uint16_t)length}, {IANA(2), 4}};
        struct wire_template *t = template_of(specs, 3);
        set_up(RECORD_FLOW);
        uint32_t rows = decode(t, bytes, sizeof bytes);
        if (length <= 59)
            CU_ASSERT_EQUAL(rows, 64 / (length + 5));
        if (length > 59 && length < 65535)
            CU_ASSERT_EQUAL(rows, 0);
        tear_down();
        wire_template_free(t);
        if (length > 70 && length < 65400)
            length += 111;
    }
}

/* ---- the batch as the limit ---- */

static void full_batches(void)
{
    const struct wire_spec specs[] = {{IANA(4), 1}};
    struct wire_template *t = template_of(specs, 1);
    uint8_t bytes[600];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    set_up(RECORD_FLOW);
    struct cursor set = cursor_over(bytes, sizeof bytes);
    uint32_t first = 0, rows = 0, seen = 0;
    while (seen < sizeof bytes) {
        enum weir_status status = wire_decode(t, scratch, &set, batch, &first, &rows);
        if (status == WEIR_EBUSY) {
            CU_ASSERT_EQUAL(batch_room(batch), 0);
            batch_reset(batch);
            continue;
        }
        CU_ASSERT_FATAL(status == WEIR_OK && rows > 0);
        for (uint32_t r = 0; r < rows; r++)
            CU_ASSERT_EQUAL(number(IANA(4), first + r), (uint8_t)(seen + r));
        seen += rows;
    }
    CU_ASSERT_EQUAL(seen, 600);
    tear_down();
    wire_template_free(t);
}

/* Two templates give one element two widths: the column widens, and both keep their values. */
static void widened_columns(void)
{
    struct wire_template *narrow = template_of((const struct wire_spec[]){{IANA(7), 2}}, 1);
    struct wire_template *wide = template_of((const struct wire_spec[]){{IANA(7), 4}}, 1);
    set_up(RECORD_FLOW);
    CU_ASSERT_EQUAL(decode(narrow, "\1\2", 2), 1);
    CU_ASSERT_EQUAL(decode(wide, "\1\2\3\4", 4), 1);
    CU_ASSERT_EQUAL(decode(narrow, "\3\4", 2), 1);
    CU_ASSERT_EQUAL(number(IANA(7), 0), 0x0102);
    CU_ASSERT_EQUAL(number(IANA(7), 1), 0x01020304);
    CU_ASSERT_EQUAL(number(IANA(7), 2), 0x0304);
    tear_down();
    wire_template_free(narrow);
    wire_template_free(wide);
}

UNIT_MAIN("wire", {"headers cut short", headers_cut_short},
          {"IPFIX message lengths", ipfix_lengths}, {"set lengths", set_lengths},
          {"reduced and wide numbers", reduced_and_wide_numbers},
          {"signed numbers", signed_numbers}, {"floats", floats}, {"misfits", misfits},
          {"repeated elements", repeated_elements}, {"addresses and MAC", addresses_and_mac},
          {"variable length", variable_length}, {"variable length cut short", variable_cut_short},
          {"NetFlow v9 templates", netflow9_templates}, {"IPFIX templates", ipfix_templates},
          {"refused templates", refused_templates},
          {"templates of many fields", template_of_many_fields},
          {"every field length", every_field_length}, {"full batches", full_batches},
          {"widened columns", widened_columns})
