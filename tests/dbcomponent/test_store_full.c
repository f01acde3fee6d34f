/* No space left: appends say so and change nothing, reads go on, and appends go on when there is
 * space. */
#include "store_fixture.h"
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define ROWS 5000

/* Appends until the store is full; how many went in. */
static uint64_t fill(struct store *s, uint64_t sequence)
{
    struct weir_error error = {0};
    enum store_outcome outcome;
    enum weir_status status = WEIR_OK;
    uint64_t first = sequence;
    while (status == WEIR_OK && sequence < first + 10000)
        status = fixture_append(s, 1, sequence++, ROWS, &outcome, &error);
    if (status != WEIR_EFULL)
        printf("%s\n", error.message);
    CU_ASSERT_EQUAL(status, WEIR_EFULL);
    return sequence - 1 - first;
}

static void check_count(struct store *s, uint64_t blocks)
{
    struct weir_error error = {0};
    struct store_status status;
    CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
    CU_ASSERT_EQUAL(status.records, blocks * ROWS);
    CU_ASSERT_EQUAL(status.blocks, blocks);
}

/* RLIMIT_FSIZE makes writes past a size fail (EFBIG), which is a full disk for anybody. */
static void limit_file(rlim_t octets)
{
    struct rlimit limit;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = octets;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_limit(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    enum store_outcome outcome;
    signal(SIGXFSZ, SIG_IGN);
    limit_file(2 << 20);
    uint64_t stored = fill(s, 1);
    CU_ASSERT(stored > 3);
    check_count(s, stored);
    /* Again and again, as a collector does: always the same answer, and nothing piles up. */
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(fixture_append(s, 1, stored + 1, ROWS, &outcome, &error), WEIR_EFULL);
    /* A small change fits or does not, by what the last page leaves; nothing else may happen. */
    enum weir_status small = store_tag_add(s, &(struct tag){.id = 1, .name = "a"}, "test", &error);
    CU_ASSERT(small == WEIR_OK || small == WEIR_EFULL);
    check_count(s, stored);
    limit_file(RLIM_INFINITY);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    CU_ASSERT_EQUAL(fixture_append(s, 1, stored + 1, ROWS, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_STORED);
    check_count(s, stored + 1);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* A real one, where mounting a small tmpfs is permitted. */
static void test_tmpfs(void)
{
    const char *folder = fixture_folder();
    char waste[128];
    if (mount("tmpfs", folder, "tmpfs", 0, "size=6m") != 0) {
        printf("(no permission to mount: not run) ");
        return;
    }
    struct weir_error error = {0};
    enum store_outcome outcome;
    snprintf(waste, sizeof waste, "%s/waste", folder);
    FILE *f = fopen(waste, "w");
    for (int i = 0; f && i < 1 << 20; i++)
        fputc('w', f);
    if (f)
        fclose(f);
    struct store *s = fixture_open(folder);
    uint64_t stored = fill(s, 1);
    check_count(s, stored);
    CU_ASSERT_EQUAL(fixture_append(s, 1, stored + 1, ROWS, &outcome, &error), WEIR_EFULL);
    check_count(s, stored);
    unlink(waste); /* a megabyte comes back */
    CU_ASSERT_EQUAL(fixture_append(s, 1, stored + 1, ROWS, &outcome, &error), WEIR_OK);
    check_count(s, stored + 1);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
    CU_ASSERT_EQUAL(umount2(folder, MNT_DETACH), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"files may not grow", test_limit},
        {"a full file system", test_tmpfs},
        {NULL, NULL},
    };
    return fixture_main("store: full", tests);
}
