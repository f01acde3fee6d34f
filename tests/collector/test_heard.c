/* Who was heard, when more exporters come than are kept: the longest idle leave, those that go on
 * stay with all their counts, and the sums over all rows are those that were given. */
#include "ingest/heard.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

#define EXPORTERS (3u * HEARD_MOST)
#define FAITHFUL 7u /* heard again and again, among all the others */

static struct account_row row_for(uint32_t exporter, int64_t ms)
{
    struct account_row row = {.last_heard_ms = ms, .counts = {.datagrams = 1, .records = exporter}};
    row.key.exporter.octets[10] = row.key.exporter.octets[11] = 0xff;
    for (int i = 0; i < 4; i++)
        row.key.exporter.octets[12 + i] = (uint8_t)(exporter >> (24 - 8 * i));
    row.key.domain = exporter & 3;
    row.key.protocol = 9;
    return row;
}

static void hear(struct heard *h, uint32_t exporter, int64_t ms)
{
    struct account_row row = row_for(exporter, ms);
    const struct account a = {.rows = &row, .row_count = 1};
    heard_add(h, &a);
}

static const struct heard_exporter *find(const struct heard_exporter *rows, size_t count,
                                         uint32_t exporter)
{
    struct account_row wanted = row_for(exporter, 0);
    for (size_t i = 0; i < count; i++)
        if (memcmp(&rows[i].exporter, &wanted.key.exporter, sizeof rows[i].exporter) == 0)
            return &rows[i];
    return NULL;
}

static void test_the_longest_idle_leave(void)
{
    struct heard *h = heard_new();
    uint64_t records = 0, datagrams = 0;
    for (uint32_t i = 1; i <= EXPORTERS; i++) {
        hear(h, i, i);
        records += i, datagrams++;
        if (i > FAITHFUL && i % 1000 == 0) {
            hear(h, FAITHFUL, i);
            records += FAITHFUL, datagrams++;
        }
    }
    struct heard_exporter *rows;
    size_t count;
    CU_ASSERT_EQUAL_FATAL(heard_list(h, &rows, &count), WEIR_OK);
    CU_ASSERT_EQUAL(count, HEARD_MOST + 1);
    for (size_t i = 0; i < count; i++) {
        records -= rows[i].counts.records;
        datagrams -= rows[i].counts.datagrams;
        CU_ASSERT(i == 0 || memcmp(&rows[i - 1].exporter, &rows[i].exporter, 16) < 0);
    }
    CU_ASSERT(records == 0 && datagrams == 0);
    const struct heard_exporter *faithful = find(rows, count, FAITHFUL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(faithful);
    CU_ASSERT_EQUAL(faithful->counts.datagrams, 1 + EXPORTERS / 1000);
    for (uint32_t i = EXPORTERS; i > EXPORTERS - HEARD_MOST + 1; i -= 101)
        CU_ASSERT_PTR_NOT_NULL(find(rows, count, i));
    CU_ASSERT_PTR_NULL(find(rows, count, 1));
    CU_ASSERT_PTR_NULL(find(rows, count, EXPORTERS - HEARD_MOST));
    free(rows);
    heard_free(h);
}

/* Rows of sockets have no exporter; they are no reason to leave for anybody. */
static void test_sockets_have_one_row(void)
{
    struct heard *h = heard_new();
    struct account_row row = {.key = {.port = 2055}, .counts = {.kernel_drops = 5}};
    const struct account a = {.rows = &row, .row_count = 1};
    struct heard_exporter *rows;
    size_t count;
    CU_ASSERT_EQUAL_FATAL(heard_list(h, &rows, &count), WEIR_OK);
    CU_ASSERT_EQUAL(count, 0);
    free(rows);
    heard_add(h, &a);
    row.key.port = 4739;
    heard_add(h, &a);
    CU_ASSERT_EQUAL_FATAL(heard_list(h, &rows, &count), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    CU_ASSERT_EQUAL(rows[0].counts.kernel_drops, 10);
    free(rows);
    heard_free(h);
    heard_free(NULL);
}

UNIT_MAIN("exporters heard", {"the longest idle leave", test_the_longest_idle_leave},
          {"sockets have one row", test_sockets_have_one_row})
