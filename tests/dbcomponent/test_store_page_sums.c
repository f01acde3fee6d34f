/* Checksums of pages: what they hold for, that every page of a store has one, and what comes of
 * files that another program wrote to. */
#include "store_fixture.h"
#include "store/page_watch.h"
#include <sqlite3.h>
#include <sys/stat.h>

#define ROWS 500

/* ---- one page ---- */

static void test_sum(void)
{
    static uint8_t page[PAGE_MOST];
    static const size_t sizes[] = {PAGE_LEAST, 8192, PAGE_MOST};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t size = sizes[k];
        for (size_t i = 0; i < size; i++)
            page[i] = (uint8_t)fixture_random();
        page_sum_put(page, size, 7);
        CU_ASSERT_TRUE(page_sum_holds(page, size, 7));
        CU_ASSERT_FALSE(page_sum_holds(page, size, 8)); /* a page at another's place */
        for (size_t bit = 0; bit < 8 * size; bit += 1 + bit / 1000) {
            page[bit / 8] ^= (uint8_t)(1u << (bit & 7));
            CU_ASSERT_FALSE(page_sum_holds(page, size, 7));
            page[bit / 8] ^= (uint8_t)(1u << (bit & 7));
        }
        page[0] = 0; /* of no tree */
        page_sum_clear(page, size);
        CU_ASSERT_TRUE(page_sum_holds(page, size, 7));
    }
}

/* What page_sum.h says, a bit at a time. */
static void test_known(void)
{
    uint8_t page[PAGE_LEAST] = "123456789";
    uint32_t crc = ~UINT32_C(3);
    for (size_t i = 0; i < PAGE_LEAST - PAGE_SUM_OCTETS; i++) {
        crc ^= page[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    crc = ~crc;
    const uint8_t expected[PAGE_SUM_OCTETS] = {(uint8_t)crc,         (uint8_t)(crc >> 8),
                                               (uint8_t)(crc >> 16), (uint8_t)(crc >> 24), 3};
    page_sum_put(page, sizeof page, 3);
    CU_ASSERT_EQUAL(memcmp(page + PAGE_LEAST - PAGE_SUM_OCTETS, expected, sizeof expected), 0);
}

/* A page without a checksum passes, but not if its last cells are zeros like the checksum. */
static void test_lost_end(void)
{
    static const struct {
        uint8_t type, number, head, places;
    } pages[] = {{13, 7, 0, 8}, {10, 7, 0, 8}, {5, 7, 0, 12}, {2, 7, 0, 12}, {13, 1, 100, 8}};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        uint8_t page[2 * PAGE_LEAST] = {0};
        uint8_t *head = page + pages[i].head;
        head[0] = pages[i].type;
        CU_ASSERT_TRUE(page_sum_holds(page, sizeof page, pages[i].number)); /* an empty one */
        head[4] = 2;
        memcpy(head + pages[i].places, (uint8_t[]){1, 200, 3, 200}, 4); /* at 456 and 968 */
        page[456 + 3] = page[968 + 3] = page[456] = page[968] = 9;
        CU_ASSERT_TRUE(page_sum_holds(page, sizeof page, pages[i].number));
        memset(page + PAGE_LEAST, 0, PAGE_LEAST);
        CU_ASSERT_FALSE(page_sum_holds(page, sizeof page, pages[i].number));
    }
    /* Who owns which page looks like a page of a tree. */
    uint8_t map[2 * PAGE_LEAST] = {[0] = 5, [4] = 1, [12] = 1, [13] = 200};
    CU_ASSERT_TRUE(page_sum_holds(map, sizeof map, 2));
    CU_ASSERT_TRUE(page_sum_holds(map, sizeof map, 2 + 1016 / 5 + 1));
    CU_ASSERT_FALSE(page_sum_holds(map, sizeof map, 3));
}

/* Rows of small pages have keys behind the trees' pages; of large ones there are columns, which
 * have checksums of their own. */
static void test_mapped(void)
{
    static const struct {
        size_t size;
        bool passes;
    } cases[] = {{PAGE_LEAST, false}, {4096, false}, {8192, true}, {PAGE_MOST, true}};
    static uint8_t page[PAGE_MOST];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct page_watch w = {.known = true, .sums = true};
        page[0] = 0;
        page_sum_put(page, cases[i].size, 3);
        CU_ASSERT_TRUE(page_watch_map(&w, page, cases[i].size, 2 * (int64_t)cases[i].size));
        page_watch_turn(&w);
        page[50] ^= 1;
        CU_ASSERT_EQUAL(page_watch_map(&w, page, cases[i].size, 2 * (int64_t)cases[i].size),
                        cases[i].passes);
        CU_ASSERT_EQUAL(w.bad, cases[i].passes ? 0 : 3);
        page[50] ^= 1;
        page_watch_free(&w);
    }
}

/* ---- a store's file ---- */

struct bytes {
    uint8_t *at;
    size_t length;
};

static struct bytes load(const char *folder, const char *name)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    struct bytes b = {.at = malloc((size_t)st.st_size + 1), .length = (size_t)st.st_size};
    FILE *f = fopen(path, "r");
    CU_ASSERT_EQUAL_FATAL(fread(b.at, 1, b.length, f), b.length);
    fclose(f);
    return b;
}

static void save(const char *folder, const char *name, struct bytes b)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL_FATAL(fwrite(b.at, 1, b.length, f), b.length);
    fclose(f);
}

static void fill(struct store *s, uint32_t rows)
{
    enum store_outcome outcome;
    for (uint64_t n = 1; n <= 12; n++)
        CU_ASSERT_EQUAL(fixture_append(s, (uint8_t)(n % 2), n, rows, &outcome, NULL), WEIR_OK);
}

/* Pages without a checksum. */
static size_t bare_pages(const char *folder, const char *name)
{
    struct bytes file = load(folder, name);
    size_t size = page_head_size(file.at), pages = file.length / size, without = 0;
    CU_ASSERT_TRUE(page_head_sums(file.at));
    CU_ASSERT_EQUAL(pages * size, file.length);
    for (size_t i = 0; i < pages; i++) {
        static const uint8_t none[PAGE_SUM_OCTETS];
        const uint8_t *page = file.at + i * size;
        without += memcmp(page + size - sizeof none, none, sizeof none) == 0;
        CU_ASSERT_TRUE(page_sum_holds(page, size, (uint32_t)i + 1));
    }
    free(file.at);
    return without;
}

/* As store_verify() counts them. */
static uint64_t told_bare(struct store *s)
{
    struct verify_report report;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(store_verify(s, fixture_print_difference, NULL, NULL, &report, &error),
                    WEIR_OK);
    CU_ASSERT_EQUAL(report.differences, 0);
    return report.bare_pages;
}

static void check_copy(struct store *s, const char *folder)
{
    char copy[160];
    snprintf(copy, sizeof copy, "%s/copy.db", folder);
    CU_ASSERT_EQUAL(store_backup(s, copy, NULL, NULL, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(bare_pages(folder, "copy.db"), 0);
    unlink(copy);
}

/* Pages that the log holds, whose checksum is none, get theirs on the way into a copy too. */
static void test_every_page(void)
{
    const char *folder = fixture_folder();
    struct store *s = fixture_open(folder);
    fill(s, ROWS);
    check_copy(s, folder);
    CU_ASSERT_EQUAL(told_bare(s), 0);
    store_close(s);
    CU_ASSERT_EQUAL(bare_pages(folder, "weir.db"), 0);
}

static uint64_t octets_of(struct store *s, struct weir_error *error)
{
    struct totals t;
    uint64_t octets = 0;
    if (store_totals(s, &(struct totals_request){.when = INTERVAL_ALL, .source = SOURCE_BLOCKS}, &t,
                     error) != WEIR_OK)
        return UINT64_MAX;
    for (size_t i = 0; i < t.row_count; i++)
        octets += (uint64_t)t.rows[i].raw.octets;
    totals_free(&t);
    return octets;
}

/* What SQLite's shell does with a store that was killed: its log goes into the file as it is. The
 * store is larger than what SQLite keeps in memory of a copy. */
static void test_foreign_fold(void)
{
    const char *folder = fixture_folder();
    struct store *s = fixture_open(folder);
    fill(s, 40 * ROWS);
    uint64_t octets = octets_of(s, NULL);
    struct bytes file = load(folder, "weir.db"), log = load(folder, "weir.db-wal");
    store_close(s);
    CU_ASSERT(octets > 0 && octets != UINT64_MAX && log.length > 4000000);
    char path[160];
    snprintf(path, sizeof path, "%s/weir.db", folder);
    save(folder, "weir.db", file);
    save(folder, "weir.db-wal", log);
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
                    SQLITE_OK);
    sqlite3_close(db);
    struct bytes folded = load(folder, "weir.db");
    size_t bare = bare_pages(folder, "weir.db");
    CU_ASSERT(folded.length > file.length && bare > folded.length / 8192 - 10);
    for (int map = 0; map < 2; map++) {
        store_may_map(map);
        s = fixture_open(folder);
        CU_ASSERT_EQUAL(octets_of(s, NULL), octets);
        CU_ASSERT_EQUAL(told_bare(s), bare);
        CU_ASSERT_EQUAL(told_bare(s), bare); /* not fewer for what memory holds of it */
        check_copy(s, folder);
        store_close(s);
    }
    store_may_map(false);
    free(file.at);
    free(log.at);
    free(folded.at);
}

/* As a store was before there were checksums: the eight octets are SQLite's. */
static void test_without_room(void)
{
    const char *folder = fixture_folder();
    char path[160];
    snprintf(path, sizeof path, "%s/weir.db", folder);
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db,
                                 "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;"
                                 "CREATE TABLE t (x); DROP TABLE t",
                                 NULL, NULL, NULL),
                    SQLITE_OK);
    sqlite3_close(db);
    struct store *s = fixture_open(folder);
    fill(s, 10 * ROWS);
    store_close(s);
    struct bytes file = load(folder, "weir.db");
    CU_ASSERT_FALSE(page_head_sums(file.at));
    s = fixture_open(folder);
    CU_ASSERT_EQUAL(told_bare(s), file.length / 8192);
    check_copy(s, folder);
    store_close(s);
    free(file.at);
}

/* Another program's change of a page is seen as one, wherever it is met first. */
static void test_foreign_change(void)
{
    const char *folder = fixture_folder();
    struct weir_error error = {0};
    char path[160];
    snprintf(path, sizeof path, "%s/weir.db", folder);
    struct store *s = fixture_open(folder);
    fill(s, ROWS);
    store_close(s);
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, "DELETE FROM block WHERE id > 1", NULL, NULL, NULL),
                    SQLITE_OK);
    sqlite3_close(db);
    if (store_open(folder, STORE_READ_ONLY, &s, &error) == WEIR_OK) {
        CU_ASSERT_EQUAL(octets_of(s, &error), UINT64_MAX);
        store_close(s);
    }
    CU_ASSERT_EQUAL(error.status, WEIR_ECORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "malformed: page "));
}

static void flip_key(uint8_t *page, size_t size)
{
    page[size - 9] ^= 4; /* the end of the first key that came */
}

/* As of a sector that was never written. */
static void lose_sector(uint8_t *page, size_t size)
{
    memset(page + size - PAGE_LEAST, 0, PAGE_LEAST);
}

/* A key of an index that nothing but a tree's page holds: mapped or not, nobody is told less. */
static void hide_blocks(void (*damage)(uint8_t *page, size_t size))
{
    static uint8_t sound[PAGE_MOST];
    const char *folder = fixture_folder();
    struct store *s = fixture_open(folder);
    fill(s, ROWS);
    store_close(s);
    struct bytes file = load(folder, "weir.db");
    size_t size = page_head_size(file.at), refused = 0, told = 0;
    for (size_t i = 0; i < file.length / size; i++) {
        uint8_t *page = file.at + i * size;
        struct weir_error error = {0};
        /* A leaf of an index, or of a table without rowids, and not an empty one. */
        if (i == 0 || page[0] != 10 || (page[3] == 0 && page[4] == 0))
            continue;
        memcpy(sound, page, size);
        damage(page, size);
        save(folder, "weir.db", file);
        store_may_map(i & 1);
        if (store_open(folder, STORE_READ_ONLY, &s, &error) != WEIR_OK) {
            refused++;
        } else {
            if (octets_of(s, &error) == UINT64_MAX)
                told++;
            struct verify_report report = {0};
            CU_ASSERT(store_verify(s, NULL, NULL, NULL, &report, NULL) == WEIR_ECORRUPT ||
                      report.differences > 0);
            store_close(s);
        }
        CU_ASSERT(error.status == WEIR_OK || strstr(error.message, "malformed: page ") != NULL);
        memcpy(page, sound, size);
    }
    CU_ASSERT(told + refused >= 2); /* block_time, and what every reader looks at first */
    store_may_map(false);
    free(file.at);
}

static void test_hidden_block(void)
{
    hide_blocks(flip_key);
    hide_blocks(lose_sector);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a page", test_sum},
        {"a page, by hand", test_known},
        {"a page whose end is lost", test_lost_end},
        {"a mapped page", test_mapped},
        {"every page of a store", test_every_page},
        {"a log that another program folds in", test_foreign_fold},
        {"a store from before there were any", test_without_room},
        {"a change that another program makes", test_foreign_change},
        {"leaves of indexes", test_hidden_block},
        {NULL, NULL},
    };
    return fixture_main("store: checksums of pages", tests);
}
