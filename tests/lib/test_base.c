/* test_base.c - statuses, cursor, buffer, arena and log: what everything else stands on. */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/status.h"
#include "base/wide.h"
#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void every_status_has_its_text(void)
{
    for (int s = 0; s >= -18; s--)
        CU_ASSERT_STRING_NOT_EQUAL(weir_status_text((enum weir_status)s), "unknown error");
    CU_ASSERT_STRING_EQUAL(weir_status_text(WEIR_EIO), "input or output failed");
    CU_ASSERT_STRING_EQUAL(weir_status_text((enum weir_status)(-99)), "unknown error");
}

static void failing_fills_the_error(void)
{
    struct weir_error e;
    CU_ASSERT_EQUAL(weir_fail(&e, WEIR_ESYNTAX, "from", "bad \"%s\"", "a\nb\033[1m"), WEIR_ESYNTAX);
    CU_ASSERT_EQUAL(e.status, WEIR_ESYNTAX);
    CU_ASSERT_STRING_EQUAL(e.field, "from");
    CU_ASSERT_STRING_EQUAL(e.message, "bad \"a?b?[1m\"");
    CU_ASSERT_EQUAL(weir_fail(NULL, WEIR_EIO, NULL, "x"), WEIR_EIO);
    weir_fail(&e, WEIR_EIO, NULL, "file: %s", e.message); /* context around itself */
    CU_ASSERT_STRING_EQUAL(e.message, "file: bad \"a?b?[1m\"");
    CU_ASSERT_STRING_EQUAL(e.field, "");
}

static void a_long_message_is_cut_between_letters(void)
{
    struct weir_error e;
    char text[1200] = "x";
    for (size_t i = 1; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa3", 3);
    weir_fail(&e, WEIR_EIO, text, "%s", text);
    CU_ASSERT_EQUAL(strlen(e.message), sizeof e.message - 1); /* 1023 = 1 + 2 * 511: fits exactly */
    weir_fail(&e, WEIR_EIO, NULL, "y%s", text);
    CU_ASSERT_EQUAL(strlen(e.message), sizeof e.message - 2);
    CU_ASSERT_EQUAL((unsigned char)e.message[strlen(e.message) - 1], 0xa3);
}

static void a_cursor_reads_network_order(void)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x10, 0x20};
    struct cursor c = cursor_over(bytes, sizeof bytes);
    CU_ASSERT_EQUAL(cursor_u8(&c), 1);
    CU_ASSERT_EQUAL(cursor_u16(&c), 0x0203);
    CU_ASSERT_EQUAL(cursor_u32(&c), 0x04050607);
    CU_ASSERT_EQUAL(cursor_u64(&c), UINT64_C(0x08090a0b0c0d0e0f));
    CU_ASSERT_EQUAL(cursor_u16_le(&c), 0x2010);
    CU_ASSERT_FALSE(c.failed);
    CU_ASSERT_EQUAL(cursor_u8(&c), 0);
    CU_ASSERT_TRUE(c.failed);
}

/* The bytes end where a page that cannot be read begins: one octet too far kills the test. */
static void a_cursor_never_passes_the_end(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_FATAL(map != MAP_FAILED);
    CU_ASSERT_EQUAL_FATAL(mprotect(map + page, page, PROT_NONE), 0);
    for (size_t length = 0; length < 8; length++) {
        struct cursor c = cursor_over(map + page - length, length);
        CU_ASSERT_EQUAL(cursor_u64(&c), 0);
        CU_ASSERT_TRUE(c.failed);
        CU_ASSERT_EQUAL(cursor_left(&c), 0);
        CU_ASSERT_PTR_NULL(cursor_bytes(&c, 0)); /* sticky, even for nothing */
        c = cursor_over(map + page - length, length);
        struct cursor sub = cursor_sub(&c, length + 1);
        CU_ASSERT_TRUE(sub.failed && c.failed);
    }
    munmap(map, 2 * page);
}

static void a_sub_cursor_has_its_own_end(void)
{
    struct cursor c = cursor_over("abcdef", 6);
    struct cursor sub = cursor_sub(&c, 2);
    CU_ASSERT_EQUAL(cursor_u16(&sub), 0x6162);
    CU_ASSERT_EQUAL(cursor_u8(&sub), 0);
    CU_ASSERT_TRUE(sub.failed);
    CU_ASSERT_FALSE(c.failed);
    CU_ASSERT_EQUAL(cursor_u8(&c), 'c');
    cursor_skip(&c, 3);
    CU_ASSERT_EQUAL(cursor_left(&c), 0);
    CU_ASSERT_FALSE(c.failed);
}

static void a_buffer_writes_both_orders(void)
{
    static const uint8_t expected[] = {7,    0x02, 0x01, 0x04, 0x03, 0x02, 0x01, 8,    7,    6,
                                       5,    4,    3,    2,    1,    0x01, 0x02, 0x01, 0x02, 0x03,
                                       0x04, 1,    2,    3,    4,    5,    6,    7,    8};
    struct buffer b = {0};
    buffer_put_u8(&b, 7);
    buffer_put_u16le(&b, 0x0102);
    buffer_put_u32le(&b, 0x01020304);
    buffer_put_u64le(&b, UINT64_C(0x0102030405060708));
    buffer_put_u16be(&b, 0x0102);
    buffer_put_u32be(&b, 0x01020304);
    buffer_put_u64be(&b, UINT64_C(0x0102030405060708));
    CU_ASSERT_EQUAL_FATAL(b.length, sizeof expected);
    CU_ASSERT_EQUAL(memcmp(b.bytes, expected, sizeof expected), 0);
    uint8_t *kept = b.bytes;
    buffer_clear(&b);
    CU_ASSERT_PTR_EQUAL(b.bytes, kept);
    CU_ASSERT_EQUAL(b.length, 0);
    buffer_free(&b);
    CU_ASSERT_PTR_NULL(b.bytes);
}

static void a_buffer_prints_and_grows(void)
{
    struct buffer b = {0};
    for (int i = 0; i < 1000; i++)
        buffer_print(&b, "%d,", i);
    CU_ASSERT_EQUAL(b.length, 10 * 2 + 90 * 3 + 900 * 4);
    CU_ASSERT_EQUAL(memcmp(b.bytes + b.length - 8, "998,999,", 8), 0);
    buffer_print(&b, "%5000d", 1);
    CU_ASSERT_EQUAL(b.length, 3890 + 5000);
    CU_ASSERT_EQUAL(b.bytes[b.length - 1], '1');
    buffer_free(&b);
}

static void a_buffer_that_failed_stays_failed(void)
{
    struct buffer b = {0};
    buffer_put(&b, "abc", 3);
    CU_ASSERT_PTR_NULL(buffer_extend(&b, SIZE_MAX - 1));
    CU_ASSERT_TRUE(b.failed);
    buffer_put(&b, "d", 1);
    buffer_print(&b, "%d", 1);
    CU_ASSERT_EQUAL(b.length, 3);
    buffer_clear(&b);
    buffer_put(&b, "e", 1);
    CU_ASSERT_FALSE(b.failed);
    CU_ASSERT_EQUAL(b.bytes[0], 'e');
    buffer_free(&b);
}

static void json_texts_are_escaped(void)
{
    static const struct {
        const char *text;
        size_t length;
        const char *json;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t\0\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\""},
        {"a\xc3\xa3o", 4, "\"a\xc3\xa3o\""},                             /* ã */
        {"\xf0\x9f\x8c\x8a", 4, "\"\xf0\x9f\x8c\x8a\""},                 /* outside the BMP */
        {"\xc3", 1, "\"\xef\xbf\xbd\""},                                 /* cut */
        {"\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
        {"\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer b = {0};
        buffer_put_json(&b, cases[i].text, cases[i].length);
        buffer_put_u8(&b, 0);
        CU_ASSERT_STRING_EQUAL((char *)b.bytes, cases[i].json);
        buffer_free(&b);
    }
}

static void an_arena_aligns(void)
{
    struct arena a = {0};
    for (size_t size = 0; size < 3000; size++) {
        uint8_t *p = arena_alloc(&a, size);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT_EQUAL((uintptr_t)p % (size >= 64 ? 64 : 16), 0);
        memset(p, 0xa5, size);
    }
    arena_free(&a);
    CU_ASSERT_PTR_NULL(a.chunks);
}

/* Writes a different octet into each of many runs, then looks whether any disturbed another. */
static void an_arena_never_overlaps(void)
{
    struct arena a = {0};
    static uint8_t *runs[2000];
    static size_t sizes[2000];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 2000; i++) {
            sizes[i] = i % 97 == 0 ? 70000 + i : (i * 7919) % 500;
            runs[i] = arena_alloc(&a, sizes[i]);
            CU_ASSERT_PTR_NOT_NULL_FATAL(runs[i]);
            memset(runs[i], (int)(i % 251), sizes[i]);
        }
        size_t wrong = 0;
        for (size_t i = 0; i < 2000; i++)
            for (size_t k = 0; k < sizes[i]; k++)
                wrong += runs[i][k] != i % 251;
        CU_ASSERT_EQUAL(wrong, 0);
        arena_reset(&a);
        CU_ASSERT_EQUAL(a.used, 0);
    }
    arena_free(&a);
}

static void an_arena_keeps_to_its_limit(void)
{
    struct arena a = {.limit = 10000};
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&a, 6000));
    CU_ASSERT_PTR_NULL(arena_alloc(&a, 4001));
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&a, 4000));
    CU_ASSERT_PTR_NULL(arena_alloc(&a, 1));
    arena_reset(&a);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(&a, 10000));
    CU_ASSERT_PTR_NULL(arena_alloc(&a, SIZE_MAX));
    arena_free(&a);
}

static void an_arena_copies_and_prints(void)
{
    struct arena a = {0};
    CU_ASSERT_STRING_EQUAL(arena_copy(&a, "abcdef", 3), "abc");
    CU_ASSERT_STRING_EQUAL(arena_copy(&a, NULL, 0), "");
    CU_ASSERT_STRING_EQUAL(arena_print(&a, "%s-%d", "x", 42), "x-42");
    memset(arena_alloc(&a, 4096), 0xff, 4096);
    arena_reset(&a);
    const uint8_t *zero = arena_zero(&a, 4096);
    size_t set = 0;
    for (size_t i = 0; i < 4096; i++)
        set += zero[i] != 0;
    CU_ASSERT_EQUAL(set, 0);
    arena_free(&a);
}

static void wide_sums_are_printed_in_full(void)
{
    static const struct {
        int64_t high;
        uint64_t low;
        const char *text; /* by other means: bc */
    } cases[] = {
        {0, 0, "0"},
        {0, 7, "7"},
        {0, UINT64_MAX, "18446744073709551615"},
        {1, 0, "18446744073709551616"},
        {2, 5, "36893488147419103237"},
        {INT64_MAX, UINT64_MAX, "170141183460469231731687303715884105727"},
        {-1, UINT64_MAX, "-1"},
        {-1, 0, "-18446744073709551616"},
        {INT64_MIN, 0, "-170141183460469231731687303715884105728"},
    };
    char text[WIDE_TEXT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_STRING_EQUAL(wide_print(wide_join(cases[i].high, cases[i].low), text),
                               cases[i].text);
}

static int heard;
static char last_text[64];
static void hear(void *context, const struct log_line *line)
{
    CU_ASSERT_PTR_EQUAL(context, &heard);
    CU_ASSERT_STRING_EQUAL(line->room, "room");
    heard++;
    snprintf(last_text, sizeof last_text, "%d %s", (int)line->level, line->text);
}

static void the_log_goes_to_its_sink(void)
{
    log_error("room", "nobody listens");
    log_open(hear, &heard, LOG_LEVEL_WARNING);
    log_info("room", "not this");
    CU_ASSERT_EQUAL(heard, 0);
    log_warning("room", "a\n%s", "b");
    CU_ASSERT_EQUAL(heard, 1);
    CU_ASSERT_STRING_EQUAL(last_text, "1 a?b");
    log_open(NULL, NULL, LOG_LEVEL_ERROR);
}

UNIT_MAIN("base", {"every status has its text", every_status_has_its_text},
          {"failing fills the error", failing_fills_the_error},
          {"a long message is cut between letters", a_long_message_is_cut_between_letters},
          {"a cursor reads network order", a_cursor_reads_network_order},
          {"a cursor never passes the end", a_cursor_never_passes_the_end},
          {"a sub-cursor has its own end", a_sub_cursor_has_its_own_end},
          {"a buffer writes both orders", a_buffer_writes_both_orders},
          {"a buffer prints and grows", a_buffer_prints_and_grows},
          {"a buffer that failed stays failed", a_buffer_that_failed_stays_failed},
          {"JSON texts are escaped", json_texts_are_escaped}, {"an arena aligns", an_arena_aligns},
          {"an arena never overlaps", an_arena_never_overlaps},
          {"an arena keeps to its limit", an_arena_keeps_to_its_limit},
          {"an arena copies and prints", an_arena_copies_and_prints},
          {"wide sums are printed in full", wide_sums_are_printed_in_full},
          {"the log goes to its sink", the_log_goes_to_its_sink})
