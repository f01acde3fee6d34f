/* A small store that is put away has small pages, and large ones as soon as it is written to; the
 * same is in it, whoever dies, reads, writes or lacks space meanwhile. */
#include "sqlite_file.h"
#include "store_fixture.h"
#include "base/cursor.h"
#include "store/inside.h"
#include "store/page_sum.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ROWS 300
#define COLLECTOR 1

static char file[128];

static void begin(void)
{
    snprintf(file, sizeof file, "%s/weir.db", fixture_folder());
}

static struct store *open_here(enum store_mode mode)
{
    struct store *s = NULL;
    struct weir_error error = {0};
    if (store_open(fixture_folder_name, mode, &s, &error) != WEIR_OK)
        printf("store_open: %s\n", error.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static void append(struct store *s, uint64_t sequence, uint32_t rows)
{
    enum store_outcome outcome;
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(fixture_append(s, COLLECTOR, sequence, rows, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_STORED);
}

/* Of the file as any SQLite sees it. */
static int64_t pragma(const char *text)
{
    sqlite3 *db;
    sqlite3_stmt *q = NULL;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    int64_t value = -1;
    if (sqlite3_prepare_v2(db, text, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        value = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return value;
}

static int64_t page(void)
{
    return pragma("PRAGMA page_size");
}

/* Pages without a checksum. */
static unsigned bare_pages(void)
{
    static uint8_t octets[PAGE_OCTETS];
    size_t size = (size_t)page();
    unsigned bare = 0;
    FILE *f = fopen(file, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fread(octets, 1, size, f) == size)
        bare += load_le64(octets + size - PAGE_SUM_OCTETS) == 0;
    fclose(f);
    return bare;
}

static enum weir_status sum_line(void *context, const char *text, size_t length)
{
    uint64_t *sum = context;
    sum[0]++;
    sum[1] += (uint64_t)crc32c(0, text, length) * UINT64_C(0x9e3779b97f4a7c15);
    return WEIR_OK;
}

struct content {
    uint64_t records[2]; /* how many, and a hash of them */
    uint64_t differences;
};

static struct content content_of(struct store *s)
{
    struct content c = {0};
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(store_records(s, NULL, INTERVAL_ALL, sum_line, NULL, c.records, &error),
                    WEIR_OK);
    c.differences = fixture_verify(s, fixture_print_difference, NULL);
    CU_ASSERT_EQUAL(c.differences, 0);
    return c;
}

static struct content content(void)
{
    struct store *s = open_here(STORE_READ_ONLY);
    struct content c = content_of(s);
    store_close(s);
    return c;
}

static void check_same(const struct content *before)
{
    struct content after = content();
    CU_ASSERT_EQUAL(memcmp(before, &after, sizeof after), 0);
}

static bool is_there(const char *suffix)
{
    char name[160];
    snprintf(name, sizeof name, "%s%s", file, suffix);
    return access(name, F_OK) == 0;
}

static off_t octets_of_file(void)
{
    struct stat now = {0};
    CU_ASSERT_EQUAL(stat(file, &now), 0);
    return now.st_size;
}

/* A store of one block, put away. */
static struct content small_store(void)
{
    begin();
    struct store *s = open_here(STORE_CREATE);
    append(s, 1, ROWS);
    struct content c = content_of(s);
    uint64_t octets = store_put_away(s);
    CU_ASSERT_EQUAL(octets, (uint64_t)octets_of_file());
    CU_ASSERT_EQUAL(page(), 512);
    return c;
}

/* ---- what it does ---- */

static void test_small(void)
{
    struct stat now;
    begin();
    struct store *s = open_here(STORE_CREATE);
    append(s, 1, ROWS);
    struct content before = content_of(s);
    store_close(s);
    CU_ASSERT_EQUAL(page(), PAGE_OCTETS);
    off_t large = octets_of_file();
    CU_ASSERT_EQUAL(chmod(file, 0600), 0);
    s = open_here(STORE_CREATE);
    uint64_t octets = store_put_away(s);
    CU_ASSERT_EQUAL(octets, (uint64_t)octets_of_file());
    CU_ASSERT(octets * 5 < (uint64_t)large);
    CU_ASSERT_EQUAL(page(), 512);
    CU_ASSERT_EQUAL(pragma("PRAGMA auto_vacuum"), 2);
    CU_ASSERT_EQUAL(pragma("PRAGMA application_id"), SQL_APPLICATION_ID);
    CU_ASSERT_EQUAL(pragma("PRAGMA user_version"), store_schema_version());
    CU_ASSERT_EQUAL(pragma("SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    CU_ASSERT_EQUAL(stat(file, &now), 0);
    CU_ASSERT_EQUAL(now.st_mode & 07777, 0600);
    CU_ASSERT(!is_there("-journal"));
    CU_ASSERT_EQUAL(bare_pages(), 0);
    check_same(&before);
    CU_ASSERT_EQUAL(page(), 512); /* whoever reads leaves it */
}

static void test_written_again(void)
{
    small_store();
    struct store *s = open_here(STORE_CREATE);
    append(s, 2, ROWS);
    struct content both = content_of(s);
    CU_ASSERT_EQUAL(both.records[0], 2 * ROWS);
    store_close(s);
    CU_ASSERT_EQUAL(page(), PAGE_OCTETS);
    CU_ASSERT_EQUAL(bare_pages(), 0);
    CU_ASSERT_EQUAL(pragma("PRAGMA auto_vacuum"), 2);
    CU_ASSERT(!is_there("-journal"));
    check_same(&both);
    for (int i = 0; i < 3; i++) {
        store_put_away(open_here(STORE_CREATE));
        CU_ASSERT_EQUAL(page(), 512);
        check_same(&both);
    }
}

static void test_large_stays(void)
{
    begin();
    struct store *s = open_here(STORE_CREATE);
    append(s, 1, 60000);
    struct content before = content_of(s);
    store_put_away(s);
    CU_ASSERT(octets_of_file() > 1 << 20);
    CU_ASSERT_EQUAL(page(), PAGE_OCTETS);
    check_same(&before);
}

/* ---- when it can not ---- */

/* Another one has the file open, and even is between two transactions. */
static void test_others(void)
{
    struct reader *r;
    struct weir_error error = {0};
    struct content before = small_store();
    struct store *other = open_here(STORE_READ_ONLY);
    CU_ASSERT_EQUAL_FATAL(reader_open(other, &r, &error), WEIR_OK);
    reader_close(r);
    struct store *s = open_here(STORE_CREATE); /* which is no reason not to write */
    CU_ASSERT_EQUAL(page(), 512);
    append(s, 2, ROWS);
    CU_ASSERT_EQUAL(content_of(s).records[0], 2 * ROWS);
    CU_ASSERT_EQUAL(content_of(other).records[0], 2 * ROWS);
    store_close(other);
    store_close(s);
    s = open_here(STORE_CREATE);
    store_close(s);
    CU_ASSERT_EQUAL(page(), PAGE_OCTETS);
    other = open_here(STORE_CREATE);
    s = open_here(STORE_CREATE);
    store_put_away(s);
    CU_ASSERT_EQUAL(page(), PAGE_OCTETS);
    append(other, 3, ROWS);
    store_put_away(other);
    CU_ASSERT_EQUAL(page(), 512);
    CU_ASSERT_EQUAL(content().records[0], 3 * ROWS);
    (void)before;
}

static void exec(const char *text)
{
    sqlite3 *db = sqlite_file(fixture_folder_name);
    CU_ASSERT_EQUAL(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* A reader that holds no lock between transactions, as the file has no log, is no hindrance, and
 * sees what comes. A file without a log may have pages without checksums: it is made anew. */
static void test_without_log(void)
{
    small_store();
    exec("PRAGMA journal_mode = DELETE");
    struct store *other = open_here(STORE_READ_ONLY);
    CU_ASSERT_EQUAL(content_of(other).records[0], ROWS);
    struct store *s = open_here(STORE_CREATE);
    CU_ASSERT_EQUAL(page(), PAGE_OCTETS);
    append(s, 2, ROWS);
    CU_ASSERT_EQUAL(content_of(other).records[0], 2 * ROWS);
    store_close(other);
    store_close(s);
    exec("PRAGMA journal_mode = DELETE");
    struct sql sql;
    CU_ASSERT_EQUAL(sql_open(&sql, file, file, SQLITE_OPEN_READWRITE, NULL), WEIR_OK);
    CU_ASSERT(pages_are_wrong(&sql));
    sql_close(&sql);
    s = open_here(STORE_CREATE);
    CU_ASSERT_EQUAL(content_of(s).records[0], 2 * ROWS);
    store_close(s);
    CU_ASSERT_EQUAL(sql_open(&sql, file, file, SQLITE_OPEN_READWRITE, NULL), WEIR_OK);
    CU_ASSERT(!pages_are_wrong(&sql));
    sql_close(&sql);
}

static void limit_file(rlim_t octets)
{
    struct rlimit limit;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = octets;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* No space for a second file: everything goes on in the first. */
static void test_full(void)
{
    signal(SIGXFSZ, SIG_IGN);
    begin();
    struct store *s = open_here(STORE_CREATE);
    append(s, 1, ROWS);
    struct content before = content_of(s);
    store_close(s);
    s = open_here(STORE_CREATE);
    limit_file(10000);
    store_put_away(s);
    limit_file(RLIM_INFINITY);
    CU_ASSERT_EQUAL(page(), PAGE_OCTETS);
    CU_ASSERT(!is_there("-journal"));
    check_same(&before);
    store_put_away(open_here(STORE_CREATE));
    CU_ASSERT_EQUAL(page(), 512);
    limit_file(100000);
    s = open_here(STORE_CREATE);
    limit_file(RLIM_INFINITY);
    CU_ASSERT_EQUAL(page(), 512);
    CU_ASSERT(!is_there("-journal"));
    append(s, 2, ROWS);
    CU_ASSERT_EQUAL(content_of(s).records[0], 2 * ROWS);
    store_close(s);
}

static void test_link(void)
{
    char second[160];
    begin();
    struct store *s = open_here(STORE_CREATE);
    append(s, 1, ROWS);
    store_close(s);
    snprintf(second, sizeof second, "%s.second", file);
    CU_ASSERT_EQUAL(rename(file, second), 0);
    CU_ASSERT_EQUAL(symlink(second, file), 0);
    store_put_away(open_here(STORE_CREATE));
    CU_ASSERT_EQUAL(page(), 512);
    struct stat now;
    CU_ASSERT_EQUAL(lstat(file, &now), 0);
    CU_ASSERT(S_ISLNK(now.st_mode));
    CU_ASSERT_EQUAL(content().records[0], ROWS);
}

/* A copy would lack what a damaged index hides, and look sound. */
static void test_damaged(void)
{
    begin();
    struct store *s = open_here(STORE_CREATE);
    append(s, 1, ROWS);
    store_close(s);
    int64_t root = pragma("SELECT rootpage FROM sqlite_schema WHERE name = 'block_small'");
    FILE *f = fopen(file, "r+b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fseek(f, (long)(root - 1) * PAGE_OCTETS + 3, SEEK_SET), 0);
    uint8_t no_cells[2] = {0};
    CU_ASSERT_EQUAL(fwrite(no_cells, 1, 2, f), 2);
    fclose(f);
    pages_make_small(file);
    CU_ASSERT_EQUAL(page(), PAGE_OCTETS);
    CU_ASSERT(!is_there("-journal"));
}

/* ---- many at once, and killed ---- */

/* Several open the small store to write, at the same moment: nobody writes to what is gone. */
static void test_race(void)
{
    enum { WRITERS = 4, ROUNDS = 12 };
    uint64_t next = 2;
    small_store();
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pids[WRITERS];
        fflush(stdout);
        for (int i = 0; i < WRITERS; i++, next++)
            if ((pids[i] = fork()) == 0) {
                enum store_outcome outcome;
                struct store *s = NULL;
                struct weir_error error = {0};
                bool fine = store_open(fixture_folder_name, STORE_CREATE, &s, &error) == WEIR_OK &&
                            fixture_append(s, COLLECTOR, next, ROWS, &outcome, &error) == WEIR_OK;
                if (!fine)
                    fprintf(stderr, "writer: %s\n", error.message);
                if (fine && i % 2)
                    store_put_away(s);
                else
                    store_close(s);
                _exit(fine ? 0 : 1);
            }
        for (int i = 0; i < WRITERS; i++) {
            int status;
            CU_ASSERT_EQUAL(waitpid(pids[i], &status, 0), pids[i]);
            CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        CU_ASSERT_EQUAL(content().records[0], (next - 1) * ROWS);
        store_put_away(open_here(STORE_CREATE));
    }
}

static void test_kill(void)
{
    enum { ROUNDS = 60, ROUNDS_MOST = 1000 };
    struct content before = small_store();
    int halfway = 0;
    fixture_state = 7;
    for (int round = 0; round < ROUNDS || (!halfway && round < ROUNDS_MOST); round++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            for (struct store *s = NULL;; store_put_away(s))
                if (store_open(fixture_folder_name, STORE_CREATE, &s, NULL) != WEIR_OK)
                    _exit(1);
        usleep((useconds_t)(fixture_random() % 60000));
        int status;
        CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
        CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
        CU_ASSERT(WIFSIGNALED(status));
        halfway += is_there("-journal");
        check_same(&before);
    }
    CU_ASSERT(halfway > 0);
    store_put_away(open_here(STORE_CREATE));
    CU_ASSERT_EQUAL(page(), 512);
    CU_ASSERT(!is_there("-journal"));
    CU_ASSERT_EQUAL(bare_pages(), 0);
    check_same(&before);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a small store that is put away", test_small},
        {"a small store that is written to again", test_written_again},
        {"a large store", test_large_stays},
        {"somebody else has the file", test_others},
        {"a file without a log", test_without_log},
        {"no space", test_full},
        {"a link", test_link},
        {"a damaged file", test_damaged},
        {"writers at the same moment", test_race},
        {"SIGKILL", test_kill},
        {NULL, NULL},
    };
    return fixture_main("store: pages", tests);
}
