/* test_account.c - lib/flow/account.c: the book, the bytes (against a vector written by hand) and
 * every way they can be cut short. */
#include "flow/account.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

static struct account_key key_of(uint32_t n)
{
    return (struct account_key){.exporter = address_from_ipv4(0x7f000001 + n % 7),
                                .domain = n / 7 % 11,
                                .port = (uint16_t)(n / 77 % 13),
                                .protocol = 9,
                                .minute_ms = (int64_t)(n / 1001) * 60000};
}

static void test_book_counts(void)
{
    struct account_book *book = account_book_new();
    CU_ASSERT(account_book_empty(book));
    for (uint32_t i = 0; i < 30030; i++) {
        struct account_key key = key_of(i * 7919 % 10010);
        struct account_row *row = account_book_row(book, &key);
        CU_ASSERT_PTR_NOT_NULL_FATAL(row);
        row->counts.records += 2;
        row->counts.spool_drops++;
    }
    struct account a;
    CU_ASSERT(!account_book_empty(book));
    CU_ASSERT_EQUAL(account_book_take(book, &a), WEIR_OK);
    CU_ASSERT(account_book_empty(book));
    CU_ASSERT_EQUAL(a.row_count, 10010);
    CU_ASSERT_EQUAL(a.checkpoint_count, 0);
    for (size_t i = 0; i < a.row_count; i++)
        CU_ASSERT(a.rows[i].counts.records == 6 && a.rows[i].counts.spool_drops == 3);
    account_free(&a);
    struct account_key again = key_of(3);
    CU_ASSERT_EQUAL(account_book_row(book, &again)->counts.records, 0);
    account_book_free(book);
    account_book_free(NULL);
}

static void test_book_says_when_it_is_full(void)
{
    struct account_book *book = account_book_new();
    struct account_key key = key_of(0);
    for (uint32_t i = 0; i < 1u << 14; i++) {
        CU_ASSERT(!account_book_full(book));
        key.domain = i;
        CU_ASSERT_PTR_NOT_NULL_FATAL(account_book_row(book, &key));
    }
    CU_ASSERT(account_book_full(book));
    CU_ASSERT_PTR_NOT_NULL(account_book_row(book, &key)); /* a row that is there */
    key.domain++;
    CU_ASSERT_PTR_NOT_NULL(account_book_row(book, &key)); /* lost otherwise */
    struct account a;
    CU_ASSERT_EQUAL(account_book_take(book, &a), WEIR_OK);
    CU_ASSERT_EQUAL(a.row_count, (1u << 14) + 1);
    account_free(&a);
    CU_ASSERT_EQUAL(account_book_take(book, &a), WEIR_OK);
    CU_ASSERT(a.row_count == 0 && a.rows == NULL);
    account_book_free(book);
}

static void test_counters(void)
{
    struct account_counts a = {0}, b = {0};
    CU_ASSERT_EQUAL(ACCOUNT_COUNTER_COUNT, 35);
    CU_ASSERT_STRING_EQUAL(account_counter_names[0].name, "datagrams");
    CU_ASSERT_STRING_EQUAL(account_counter_names[19].name, "spoolDrops");
    CU_ASSERT_STRING_EQUAL(account_counter_names[21].name, "refusedDatagrams");
    CU_ASSERT_STRING_EQUAL(account_counter_names[25].name, "otherSamples");
    CU_ASSERT_STRING_EQUAL(account_counter_names[32].name, "ignoredPackets");
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++) {
        *account_counter(&a, i) = i;
        *account_counter(&b, i) = 1000;
    }
    account_counts_add(&a, &b);
    CU_ASSERT_EQUAL(a.datagrams, 1000);
    CU_ASSERT_EQUAL(a.missing_records, 1004);
    CU_ASSERT_EQUAL(a.spool_drops, 1019);
    CU_ASSERT_EQUAL(b.spool_drops, 1000);
}

/* One row with counters 0 and 19, one checkpoint: schemas/block-format.md by hand. */
#define ADDRESS 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1
static const uint8_t vector[] = {
    1,    0,    0,    0, 1, 0, 0,    0,    ADDRESS, 4, 3, 2, 1, 0x07, 0x08, 10,   0,    0x60, 0xea,
    0,    0,    0,    0, 0, 0, 0x61, 0xea, 0,       0, 0, 0, 0, 0,    0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 1, 0, 8, 0,    0,    0,       0, 0, 5, 0, 0,    0,    0,    0,    0,    0,
    0,    0,    0,    0, 0, 0, 0,    0x80, ADDRESS, 1, 0, 0, 0, 2,    0,    5,    0,    0xef, 0xbe,
    0xad, 0xde, 3,    0, 0, 0, 0xe8, 3,    0,       0, 0, 0, 0, 0,
};

static void test_known_bytes(void)
{
    struct cursor in = cursor_over(vector, sizeof vector);
    struct account a;
    CU_ASSERT_EQUAL_FATAL(account_read(&in, &a, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(cursor_left(&in), 0);
    CU_ASSERT(a.row_count == 1 && a.checkpoint_count == 1);
    struct account_row *r = &a.rows[0];
    CU_ASSERT_EQUAL(address_ipv4(&r->key.exporter), 0xc0000201);
    CU_ASSERT(r->key.domain == 0x01020304 && r->key.port == 0x0807 && r->key.protocol == 10);
    CU_ASSERT(r->key.minute_ms == 60000 && r->first_heard_ms == 60001 && r->last_heard_ms == -1);
    CU_ASSERT(r->counts.datagrams == 5 && r->counts.spool_drops == UINT64_C(1) << 63);
    CU_ASSERT(r->counts.records == 0 && r->counts.kernel_drops == 0);
    struct account_checkpoint *c = &a.checkpoints[0];
    CU_ASSERT(c->domain == 1 && c->port == 2 && c->protocol == 5 && c->next_sequence == 0xdeadbeef);
    CU_ASSERT(c->sys_up_time_ms == 3 && c->export_ms == 1000);
    struct buffer out = {0};
    account_write(&out, &a);
    CU_ASSERT(out.length == sizeof vector && !memcmp(out.bytes, vector, sizeof vector));
    buffer_free(&out);
    account_free(&a);
}

static void test_every_cut(void)
{
    for (size_t length = 0; length < sizeof vector; length++) {
        uint8_t *flush = malloc(length ? length : 1);
        memcpy(flush, vector, length);
        struct cursor in = cursor_over(flush, length);
        struct account a;
        struct weir_error error;
        CU_ASSERT_EQUAL(account_read(&in, &a, &error), WEIR_ETRUNCATED);
        CU_ASSERT(!a.rows && !a.checkpoints && !a.row_count && !a.checkpoint_count);
        free(flush);
    }
}

static void test_bad_bytes(void)
{
    uint8_t bad[sizeof vector];
    struct account a;
    memcpy(bad, vector, sizeof bad);
    bad[8 + 48 + 7] |= 0x80; /* counter 63: of no Weir yet */
    struct cursor in = cursor_over(bad, sizeof bad);
    CU_ASSERT_EQUAL(account_read(&in, &a, NULL), WEIR_EMALFORMED);
    CU_ASSERT_PTR_NULL(a.rows);
    memcpy(bad, vector, sizeof bad);
    memset(bad, 0xff, 8); /* counts past everything must not be allocated */
    in = cursor_over(bad, sizeof bad);
    CU_ASSERT_EQUAL(account_read(&in, &a, NULL), WEIR_ETRUNCATED);
    static const uint8_t empty[8];
    in = cursor_over(empty, 8);
    CU_ASSERT_EQUAL(account_read(&in, &a, NULL), WEIR_OK);
    CU_ASSERT(a.row_count == 0 && a.rows == NULL);
    account_free(&a);
}

UNIT_MAIN("account",
          {"the book counts", test_book_counts},
          {"the book is bounded", test_book_says_when_it_is_full},
          {"counters", test_counters},
          {"known bytes", test_known_bytes},
          {"every cut", test_every_cut},
          {"bad bytes", test_bad_bytes})
