/* SIGKILL during appends: the store opens, what was acknowledged is there, nothing is there twice,
 * and roll-ups equal blocks. */
#include "store_fixture.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define ROUNDS 12
#define ROUNDS_MOST 200 /* on a machine so slow that hardly anything is appended before the kill */
#define ROWS 3000

/* Appends from `sequence` on and tells each one that was acknowledged, until it is killed. */
static void child(const char *folder, uint64_t sequence, int out)
{
    struct store *s = NULL;
    struct weir_error error;
    enum store_outcome outcome;
    if (store_open(folder, STORE_CREATE, &s, &error) != WEIR_OK)
        _exit(2);
    for (;; sequence++) {
        if (fixture_append(s, 1, sequence, ROWS, &outcome, &error) != WEIR_OK)
            _exit(3);
        if (write(out, &sequence, sizeof sequence) != sizeof sequence)
            _exit(4);
    }
}

/* Runs the child for a while; the last sequence that it acknowledged. */
static uint64_t run_and_kill(const char *folder, uint64_t sequence, unsigned microseconds)
{
    int ends[2], state;
    uint64_t last = sequence - 1, told;
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    fflush(stdout);
    pid_t pid = fork();
    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child(folder, sequence, ends[1]);
    }
    close(ends[1]);
    usleep(microseconds);
    kill(pid, SIGKILL);
    while (read(ends[0], &told, sizeof told) == sizeof told)
        last = told;
    close(ends[0]);
    CU_ASSERT_EQUAL(waitpid(pid, &state, 0), pid);
    CU_ASSERT_TRUE(WIFSIGNALED(state));
    return last;
}

static void test_kill(void)
{
    const char *folder = fixture_folder();
    struct weir_error error = {0};
    struct store_status status;
    enum store_outcome outcome;
    uint64_t next = 1, appended = 0;
    fixture_state = 4711;
    for (int round = 0; round < ROUNDS || (appended < ROUNDS && round < ROUNDS_MOST); round++) {
        uint64_t last = run_and_kill(folder, next, 30000 + (unsigned)(fixture_random() % 150000));
        struct store *s = fixture_open(folder);
        CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
        CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
        /* One block may be committed and its acknowledgement not read: then it is known, not new.
         */
        CU_ASSERT(status.records == last * ROWS || status.records == (last + 1) * ROWS);
        for (uint64_t n = next; n <= last; n++) {
            CU_ASSERT_EQUAL(fixture_append(s, 1, n, ROWS, &outcome, &error), WEIR_OK);
            CU_ASSERT_EQUAL(outcome, STORE_KNOWN);
        }
        /* Deliver again what was under way, as a collector with a spool does. */
        CU_ASSERT_EQUAL(fixture_append(s, 1, last + 1, ROWS, &outcome, &error), WEIR_OK);
        CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
        CU_ASSERT_EQUAL(status.records, (last + 1) * ROWS);
        store_close(s);
        appended += last + 1 - next;
        next = last + 2;
    }
    printf("(%llu blocks) ", (unsigned long long)appended);
    CU_ASSERT(appended >= ROUNDS);
}

/* Killed while the file is being made: the next start makes it whole. */
static void test_kill_at_birth(void)
{
    fixture_state = 12;
    for (int round = 0; round < 10; round++) {
        const char *folder = fixture_folder();
        run_and_kill(folder, 1, (unsigned)(fixture_random() % 20000));
        struct store *s = fixture_open(folder);
        CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
        store_close(s);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"SIGKILL during appends", test_kill},
        {"SIGKILL while the file is made", test_kill_at_birth},
        {NULL, NULL},
    };
    return fixture_main("store: crash", tests);
}
