/* test_netflow_fixed.c - NetFlow versions 1, 5 and 7: headers of every length, and one record of
 * each, whose octets count up from 1 so that a value tells where it stood. */
#include "cells.h"
#include "wire/netflow_fixed.h"
#include <stdlib.h>

struct place {
    ie_key key;
    uint32_t at, length; /* octets, in the record */
};

static const struct {
    enum netflow_fixed format;
    uint8_t version;
    uint32_t header, record;
    struct place own[10]; /* behind those that all have */
} formats[] = {
    {NETFLOW1, 1, 16, 48, {{IANA(4), 38, 1}, {IANA(5), 39, 1}, {IANA(6), 40, 1}}},
    {NETFLOW5,
     5,
     24,
     48,
     {{IANA(6), 37, 1}, {IANA(4), 38, 1}, {IANA(5), 39, 1}, {IANA(16), 40, 2}, {IANA(17), 42, 2},
      {IANA(9), 44, 1}, {IANA(13), 45, 1}}},
    {NETFLOW7,
     7,
     24,
     52,
     {{WEIR_V7_INVALID_FIELDS, 36, 1}, {IANA(6), 37, 1}, {IANA(4), 38, 1}, {IANA(5), 39, 1},
      {IANA(16), 40, 2}, {IANA(17), 42, 2}, {IANA(9), 44, 1}, {IANA(13), 45, 1},
      {WEIR_V7_FLAGS, 46, 2}, {WEIR_V7_BYPASSED_ROUTER, 48, 4}}},
};
#define FORMATS (sizeof formats / sizeof *formats)

static const struct place common[] = {
    {IANA(8), 0, 4},   {IANA(12), 4, 4},  {IANA(15), 8, 4},  {IANA(10), 12, 2},
    {IANA(14), 14, 2}, {IANA(2), 16, 4},  {IANA(1), 20, 4},  {IANA(22), 24, 4},
    {IANA(21), 28, 4}, {IANA(7), 32, 2},  {IANA(11), 34, 2},
};
#define COMMON (sizeof common / sizeof *common)

static void check_value(struct batch *b, const struct place *p)
{
    uint64_t expected = 0;
    for (uint32_t i = 0; i < p->length; i++)
        expected = expected << 8 | (p->at + i + 1);
    CU_ASSERT_EQUAL(cells_number(b, p->key, 0), expected);
}

static void records(void)
{
    for (size_t f = 0; f < FORMATS; f++) {
        struct batch *b = batch_new(64, RECORD_FLOW);
        struct wire_template *t;
        uint8_t record[52];
        uint32_t first, rows;
        size_t own = 0;
        for (uint8_t i = 0; i < sizeof record; i++)
            record[i] = (uint8_t)(i + 1);
        CU_ASSERT_EQUAL_FATAL(netflow_fixed_template(formats[f].format, &t), WEIR_OK);
        CU_ASSERT_EQUAL(t->least, formats[f].record);
        struct cursor c = cursor_over(record, formats[f].record);
        CU_ASSERT_EQUAL(wire_decode(t, NULL, &c, b, &first, &rows), WEIR_OK);
        CU_ASSERT_EQUAL(rows, 1);
        for (size_t i = 0; i < COMMON; i++)
            check_value(b, &common[i]);
        while (own < 10 && formats[f].own[own].length)
            check_value(b, &formats[f].own[own++]);
        CU_ASSERT_EQUAL(batch_column_count(b), COMMON + own);
        wire_template_free(t);
        batch_free(b);
    }
}

static void headers(void)
{
    static const uint8_t head[24] = {
        0, 0, 0, 2, [7] = 3, [11] = 4, [15] = 5, [19] = 6, 7, 8, 0x40, 9};
    for (size_t f = 0; f < FORMATS; f++) {
        uint8_t bytes[24];
        struct netflow_fixed_header h;
        struct cursor c = cursor_over(bytes, sizeof bytes);
        bool v5 = formats[f].version == 5;
        memcpy(bytes, head, sizeof bytes);
        bytes[1] = formats[f].version;
        CU_ASSERT_EQUAL(netflow_fixed_read_header(&c, &h), WEIR_OK);
        CU_ASSERT_EQUAL(cursor_left(&c), sizeof bytes - formats[f].header);
        CU_ASSERT_EQUAL(h.format, formats[f].format);
        CU_ASSERT_TRUE(h.count == 2 && h.sys_up_time_ms == 3);
        CU_ASSERT_TRUE(h.unix_secs == 4 && h.unix_nsecs == 5);
        CU_ASSERT_EQUAL(h.sequence, formats[f].version == 1 ? 0 : 6);
        CU_ASSERT_TRUE(h.engine_type == (v5 ? 7 : 0) && h.engine_id == (v5 ? 8 : 0));
        CU_ASSERT_TRUE(h.sampling_mode == (v5 ? 1 : 0) && h.sampling_interval == (v5 ? 9 : 0));
    }
}

static void headers_cut_short(void)
{
    for (uint8_t version = 0; version < 12; version++)
        for (size_t length = 0; length < 24; length++) {
            uint8_t *bytes = calloc(1, length ? length : 1); /* flush against the end */
            struct cursor c = cursor_over(bytes, length);
            struct netflow_fixed_header h;
            enum weir_status expected = length < 2 ? WEIR_ETRUNCATED : WEIR_EVERSION;
            for (size_t f = 0; length >= 2 && f < FORMATS; f++)
                if (formats[f].version == version)
                    expected = length < formats[f].header ? WEIR_ETRUNCATED : WEIR_OK;
            if (length > 1)
                bytes[1] = version;
            CU_ASSERT_EQUAL(netflow_fixed_read_header(&c, &h), expected);
            free(bytes);
        }
}

UNIT_MAIN("NetFlow v1, v5, v7", {"records", records}, {"headers", headers},
          {"headers cut short", headers_cut_short})
