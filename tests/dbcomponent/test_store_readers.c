/* Readers and a writer at once: every reader sees whole transactions and one state from open to
 * close. */
#include "store_fixture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define ROWS 500
#define BLOCKS 60
#define READERS 3

static struct store *shared;
static atomic_bool done;
static atomic_uint looks, faults;

static enum weir_status add_flows(void *context, const struct rollup_key *key,
                                  const struct counts *c)
{
    (void)key;
    *(uint64_t *)context += c->flows;
    return WEIR_OK;
}

static enum weir_status add_records(void *context, const struct account_row *row)
{
    *(uint64_t *)context += row->counts.records;
    return WEIR_OK;
}

/* Rows of the blocks, flows of the roll-ups, records of the account: the same number, whatever
 * happens. */
static bool look(struct reader *r, uint64_t *rows)
{
    struct arena a = {0};
    struct stored_block *blocks;
    size_t count;
    uint64_t flows = 0, records = 0;
    *rows = 0;
    bool fine = reader_blocks(r, RECORD_FLOW, INTERVAL_ALL, &a, &blocks, &count, NULL) == WEIR_OK;
    for (size_t i = 0; fine && i < count; i++)
        *rows += blocks[i].rows;
    fine = fine && reader_rollups(r, INTERVAL_ALL, add_flows, &flows, NULL) == WEIR_OK &&
           reader_account(r, INTERVAL_ALL, add_records, &records, NULL) == WEIR_OK;
    arena_free(&a);
    return fine && flows == *rows && records == *rows;
}

static void *reading(void *unused)
{
    (void)unused;
    while (!atomic_load(&done)) {
        struct reader *r;
        uint64_t first, second;
        if (reader_open(shared, &r, NULL) != WEIR_OK) {
            atomic_fetch_add(&faults, 1);
            continue;
        }
        bool fine = look(r, &first);
        usleep(2000); /* blocks are appended meanwhile */
        fine = fine && look(r, &second) && first == second;
        reader_close(r);
        atomic_fetch_add(fine ? &looks : &faults, 1);
    }
    return NULL;
}

static void test_readers(void)
{
    pthread_t threads[READERS];
    struct weir_error error = {0};
    enum store_outcome outcome;
    shared = fixture_open(fixture_folder());
    for (int i = 0; i < READERS; i++)
        pthread_create(&threads[i], NULL, reading, NULL);
    for (uint64_t n = 1; n <= BLOCKS; n++)
        CU_ASSERT_EQUAL(fixture_append(shared, 1, n, ROWS, &outcome, &error), WEIR_OK);
    /* On, where readers have not had their turn yet. */
    for (uint64_t n = BLOCKS + 1; atomic_load(&looks) <= 3 && n < 100 * BLOCKS; n++)
        CU_ASSERT_EQUAL(fixture_append(shared, 1, n, ROWS, &outcome, &error), WEIR_OK);
    atomic_store(&done, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&faults), 0);
    CU_ASSERT(atomic_load(&looks) > 3);
    CU_ASSERT_EQUAL(fixture_verify(shared, fixture_print_difference, NULL), 0);
    store_close(shared);
}

static void *writing(void *first)
{
    struct weir_error error;
    enum store_outcome outcome;
    for (uint64_t n = 1; n <= BLOCKS / 2; n++)
        if (fixture_append(shared, *(uint8_t *)first, n, ROWS, &outcome, &error) != WEIR_OK)
            atomic_fetch_add(&faults, 1);
    return NULL;
}

/* Two writers of one store, and another store of the same file as a second process would have it.
 */
static void test_writers(void)
{
    pthread_t one, two;
    uint8_t first = 1, second = 2;
    struct weir_error error = {0};
    struct store_status status;
    enum store_outcome outcome;
    const char *folder = fixture_folder();
    shared = fixture_open(folder);
    struct store *other = fixture_open(folder);
    atomic_store(&faults, 0);
    pthread_create(&one, NULL, writing, &first);
    pthread_create(&two, NULL, writing, &second);
    for (uint64_t n = 1; n <= BLOCKS / 2; n++)
        CU_ASSERT_EQUAL(fixture_append(other, 3, n, ROWS, &outcome, &error), WEIR_OK);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    CU_ASSERT_EQUAL(atomic_load(&faults), 0);
    CU_ASSERT_EQUAL(store_status(other, &status, &error), WEIR_OK);
    CU_ASSERT_EQUAL(status.blocks, 3 * (BLOCKS / 2));
    CU_ASSERT_EQUAL(status.records, 3 * (BLOCKS / 2) * ROWS);
    CU_ASSERT_EQUAL(fixture_verify(other, fixture_print_difference, NULL), 0);
    store_close(other);
    store_close(shared);
}

/* Readers that overlap for ever: the log is folded in all the same. */
static void *holding(void *unused)
{
    (void)unused;
    while (!atomic_load(&done)) {
        struct reader *r;
        if (reader_open(shared, &r, NULL) != WEIR_OK) {
            atomic_fetch_add(&faults, 1);
            continue;
        }
        usleep(20000);
        reader_close(r);
    }
    return NULL;
}

static void test_log(void)
{
    static struct flow flows[65536];
    pthread_t threads[READERS];
    struct weir_error error = {0};
    enum store_outcome outcome;
    struct stat st;
    char path[128];
    off_t most = 0, written = 0;
    shared = fixture_open(fixture_folder());
    snprintf(path, sizeof path, "%s/weir.db-wal", fixture_folder_name);
    atomic_store(&done, false);
    atomic_store(&faults, 0);
    fixture_flows(flows, 65536, 1, FIXTURE_TIME, MINUTE_MS);
    for (int i = 0; i < READERS; i++) {
        pthread_create(&threads[i], NULL, holding, NULL);
        usleep(7000);
    }
    for (uint64_t n = 1; n <= 300; n++) {
        struct buffer block = fixture_block(flows, 65536, 1, n);
        CU_ASSERT_EQUAL(store_append_own(shared, block.bytes, block.length, &outcome, &error),
                        WEIR_OK);
        written += (off_t)block.length;
        buffer_free(&block);
        CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
        most = st.st_size > most ? st.st_size : most;
    }
    atomic_store(&done, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    printf("(at most %lld MiB of log for %lld) ", (long long)most >> 20, (long long)written >> 20);
    /* 64 MiB and 16 for each time that a reader stays long: on a busy machine some do. */
    CU_ASSERT(most < written / 2);
    CU_ASSERT_EQUAL(atomic_load(&faults), 0);
    store_close(shared);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"readers see whole transactions", test_readers},
        {"writers queue", test_writers},
        {"the log among overlapping readers", test_log},
        {NULL, NULL},
    };
    return fixture_main("store: readers", tests);
}
