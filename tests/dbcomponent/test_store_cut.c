/* test_store_cut.c - something else makes the store's file shorter while it is read, or the disk
 * stops giving octets: an error of the call, never a signal that ends the program and never another
 * answer; and all is well when the whole file is back. */
#include "store_fixture.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BLOCKS 48u
#define ROWS   3000u

static char file[96];
static uint8_t *whole; /* the file as it shall be */
static size_t whole_octets;
static struct counts expected;

/* ---- the program's handler, as store.h has it ---- */

static atomic_uint handled;
static volatile sig_atomic_t put_back_fd = -1; /* the next fault is mended behind it */

static void on_bus_error(int number, siginfo_t *info, void *unused)
{
    (void)unused;
    if (info->si_code > 0 && store_fault(info->si_addr)) {
        atomic_fetch_add(&handled, 1);
        for (size_t done = 0; put_back_fd >= 0 && done < whole_octets;) {
            ssize_t n = pwrite(put_back_fd, whole + done, whole_octets - done, (off_t)done);
            if (n <= 0)
                break;
            done += (size_t)n;
        }
        return;
    }
    signal(number, SIG_DFL);
}

static void guard(bool map)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    CU_ASSERT_EQUAL_FATAL(sigaction(SIGBUS, &action, NULL), 0);
    store_may_map(map);
}

/* ---- a store, its file in memory, and the question ---- */

static enum weir_status ask(struct store *s, bool (*unwanted)(void *), uint32_t threads,
                            struct totals *out, struct weir_error *error)
{
    const struct totals_request request = {.when = INTERVAL_ALL, .source = SOURCE_BLOCKS,
                                           .filter = "bytes > 0 and src net 10.0.0.0/8",
                                           .threads = threads, .unwanted = unwanted};
    return store_totals(s, &request, out, error);
}

static bool same(const struct totals *t)
{
    return t->row_count == 1 && memcmp(&t->rows[0].raw, &expected, sizeof expected) == 0;
}

static void make(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct totals t;
    enum store_outcome outcome;
    struct stat st;
    for (uint32_t i = 1; i <= BLOCKS; i++)
        CU_ASSERT_EQUAL(fixture_append(s, 1, i, ROWS, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(ask(s, NULL, 1, &t, &error), WEIR_OK);
    CU_ASSERT_EQUAL(t.rows[0].raw.flows, (uint64_t)BLOCKS * ROWS);
    expected = t.rows[0].raw;
    totals_free(&t);
    store_close(s);
    snprintf(file, sizeof file, "%s/weir.db", fixture_folder_name);
    FILE *f = fopen(file, "rb");
    CU_ASSERT_FATAL(f && fstat(fileno(f), &st) == 0);
    whole_octets = (size_t)st.st_size;
    free(whole);
    whole = malloc(whole_octets);
    CU_ASSERT_FATAL(whole && fread(whole, 1, whole_octets, f) == whole_octets);
    fclose(f);
}

/* Only while no store is open: closing a file lets go of all locks that the process has on it. */
static void put_back(void)
{
    FILE *f = fopen(file, "r+b");
    CU_ASSERT_FATAL(f && fwrite(whole, 1, whole_octets, f) == whole_octets);
    fclose(f);
}

static size_t octets_now(void)
{
    struct stat st;
    return stat(file, &st) == 0 ? (size_t)st.st_size : 0;
}

static bool says_cut(const struct weir_error *error)
{
    return error->status == WEIR_EIO && strstr(error->message, file) &&
           strstr(error->message, "was cut") && strstr(error->message, "start again");
}

/* ---- cutting ---- */

static size_t cut_to;
static atomic_uint asked;

static bool cut_at_once(void *unused)
{
    (void)unused;
    if (atomic_fetch_add(&asked, 1) == 0)
        CU_ASSERT_EQUAL(truncate(file, (off_t)cut_to), 0);
    return false;
}

/* Everything of the store refuses, nothing is written; the whole file and a new start cure it. */
static void check_refusals(struct store *s)
{
    struct totals t;
    struct store_status state;
    struct weir_error error = {0};
    enum store_outcome outcome;
    struct verify_report report;
    CU_ASSERT_EQUAL(ask(s, NULL, 1, &t, &error), WEIR_EIO);
    CU_ASSERT(says_cut(&error));
    CU_ASSERT_EQUAL(store_status(s, &state, &error), WEIR_EIO);
    CU_ASSERT(says_cut(&error));
    CU_ASSERT_EQUAL(fixture_append(s, 1, BLOCKS + 1, 10, &outcome, &error), WEIR_EIO);
    CU_ASSERT(says_cut(&error));
    CU_ASSERT_EQUAL(store_verify(s, fixture_print_difference, NULL, NULL, &report, &error),
                    WEIR_EIO);
    CU_ASSERT(says_cut(&error));
    char backup[128];
    snprintf(backup, sizeof backup, "%s/backup", fixture_folder_name);
    CU_ASSERT_EQUAL(store_backup(s, backup, NULL, NULL, &error), WEIR_EIO);
    CU_ASSERT_NOT_EQUAL(access(backup, F_OK), 0);
}

/* A new start finds so many blocks, and nothing wrong. */
static void check_start(uint32_t blocks)
{
    struct totals t;
    struct weir_error error = {0};
    struct store *s = fixture_open(fixture_folder_name);
    CU_ASSERT_EQUAL_FATAL(ask(s, NULL, 2, &t, &error), WEIR_OK);
    CU_ASSERT_EQUAL(t.rows[0].raw.flows, (uint64_t)blocks * ROWS);
    CU_ASSERT(blocks != BLOCKS || same(&t));
    totals_free(&t);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* In many sizes, before a question and within it; the question may only be answered right. */
static void cut_in(size_t size, bool within, bool map, uint32_t threads)
{
    struct totals t;
    struct weir_error error = {0};
    guard(map);
    struct store *s = fixture_open(fixture_folder_name);
    CU_ASSERT_EQUAL_FATAL(ask(s, NULL, threads, &t, &error), WEIR_OK); /* everything is mapped */
    totals_free(&t);
    cut_to = size;
    atomic_store(&asked, within ? 0 : 1);
    if (!within)
        CU_ASSERT_EQUAL(truncate(file, (off_t)size), 0);
    enum weir_status status = ask(s, cut_at_once, threads, &t, &error);
    if (status == WEIR_OK) {
        CU_ASSERT(same(&t));
        totals_free(&t);
    } else if (status != WEIR_EIO && status != WEIR_ECORRUPT) {
        printf("cut to %zu: status %d: %s\n", size, status, error.message);
        CU_FAIL("a damaged file is told in another way");
    }
    if (status == WEIR_EIO)
        check_refusals(s);
    /* Less than the half of it can not answer. */
    CU_ASSERT(status != WEIR_OK || size > whole_octets / 2);
    store_close(s);
    if (status == WEIR_EIO)
        CU_ASSERT_EQUAL(octets_now(), size);
    put_back();
    check_start(BLOCKS);
}

static void test_sizes(void)
{
    make();
    const size_t sizes[] = {0,
                            100,
                            4096,
                            8192,
                            12000,
                            whole_octets / 5,
                            whole_octets / 2 / 8192 * 8192,
                            whole_octets / 2 / 8192 * 8192 + 4096,
                            whole_octets / 2 / 8192 * 8192 - 77,
                            whole_octets - 3 * 8192,
                            whole_octets - 8192,
                            whole_octets - 4096,
                            whole_octets - 1};
    unsigned before = atomic_load(&handled);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned how = 0; how < 8; how++)
            cut_in(sizes[i], how & 1, how & 2, how & 4 ? 2 : 1);
    CU_ASSERT(atomic_load(&handled) > before + 10);
}

/* Without a handler nothing of the file is mapped: no signal comes. */
static void test_unmapped(void)
{
    make();
    unsigned before = atomic_load(&handled);
    cut_in(whole_octets / 3, false, false, 2);
    cut_in(whole_octets / 3, true, false, 1);
    CU_ASSERT_EQUAL(atomic_load(&handled), before);
}

/* ---- a disk that does not give some octets, once ---- */

static void test_disk(void)
{
    struct totals t;
    struct weir_error error = {0};
    make();
    guard(true);
    struct store *s = fixture_open(fixture_folder_name);
    CU_ASSERT_EQUAL_FATAL(ask(s, NULL, 1, &t, &error), WEIR_OK);
    totals_free(&t);
    put_back_fd = open(file, O_WRONLY);
    CU_ASSERT_FATAL(put_back_fd >= 0);
    cut_to = whole_octets / 3;
    atomic_store(&asked, 0);
    CU_ASSERT_EQUAL(ask(s, cut_at_once, 1, &t, &error), WEIR_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "can not be read from the disk"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "block "));
    /* The others, and what comes next, are not touched by it. */
    CU_ASSERT_EQUAL(ask(s, NULL, 2, &t, &error), WEIR_OK);
    CU_ASSERT(same(&t));
    totals_free(&t);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
    close(put_back_fd);
    put_back_fd = -1;
    check_start(BLOCKS);
}

/* ---- writing ---- */

/* What was acknowledged is in the log; the log is not folded into a file that was cut, by ingest
 * that reads nothing of what is gone, nor when it closes. */
static void test_log_stays(void)
{
    struct weir_error error = {0};
    enum store_outcome outcome;
    char log[112];
    struct stat st;
    make();
    guard(true);
    struct store *s = fixture_open(fixture_folder_name);
    CU_ASSERT_EQUAL(fixture_append(s, 1, BLOCKS + 1, ROWS, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(truncate(file, (off_t)(whole_octets / 4)), 0);
    store_close(s);
    CU_ASSERT_EQUAL(octets_now(), whole_octets / 4);
    snprintf(log, sizeof log, "%s-wal", file);
    CU_ASSERT_FATAL(stat(log, &st) == 0 && st.st_size > 0);
    put_back();
    check_start(BLOCKS + 1);
}

/* Ingest goes on until it is told; nothing that was acknowledged is lost. */
static void test_ingest(void)
{
    struct weir_error error = {0};
    enum store_outcome outcome;
    enum weir_status status = WEIR_OK;
    uint32_t stored = BLOCKS;
    make();
    guard(true);
    struct store *s = fixture_open(fixture_folder_name);
    CU_ASSERT_EQUAL(truncate(file, (off_t)(whole_octets / 4)), 0);
    while (status == WEIR_OK && stored < 1000) {
        status = fixture_append(s, 1, stored + 1, ROWS, &outcome, &error);
        stored += status == WEIR_OK;
    }
    CU_ASSERT(stored < 1000);
    CU_ASSERT_EQUAL(octets_now(), whole_octets / 4);
    store_close(s);
    put_back();
    check_start(stored);
}

/* The log's index is mapped in any case. */
static void test_index(void)
{
    struct weir_error error = {0};
    enum store_outcome outcome;
    struct totals t;
    char index[112];
    make();
    guard(false);
    struct store *s = fixture_open(fixture_folder_name);
    CU_ASSERT_EQUAL(fixture_append(s, 1, BLOCKS + 1, ROWS, &outcome, &error), WEIR_OK);
    snprintf(index, sizeof index, "%s-shm", file);
    unsigned before = atomic_load(&handled);
    CU_ASSERT_EQUAL(truncate(index, 0), 0);
    CU_ASSERT_EQUAL(ask(s, NULL, 1, &t, &error), WEIR_EIO);
    CU_ASSERT(atomic_load(&handled) > before);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "-shm was made shorter"));
    CU_ASSERT_EQUAL(fixture_append(s, 1, BLOCKS + 2, ROWS, &outcome, &error), WEIR_EIO);
    store_close(s);
    check_start(BLOCKS + 1);
}

/* ---- what is not ours ---- */

static void test_others(void)
{
    int here;
    guard(true);
    CU_ASSERT_FALSE(store_fault(&here));
    CU_ASSERT_FALSE(store_fault(NULL));
    CU_ASSERT_FALSE(store_fault((void *)UINTPTR_MAX));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"cut to many sizes", test_sizes},
        {"cut, unmapped", test_unmapped},
        {"a disk that fails once", test_disk},
        {"the log stays", test_log_stays},
        {"ingest into a file that was cut", test_ingest},
        {"the log's index", test_index},
        {"addresses of others", test_others},
        {NULL, NULL},
    };
    int code = fixture_main("a file that breaks", tests);
    free(whole);
    return code;
}
