/* Opening: new files, files of others, newer files, reading only; identity and incarnations. */
#include "sqlite_file.h"
#include "store_fixture.h"
#include "store/seal.h"
#include <fcntl.h>
#include <sys/stat.h>

/* Runs SQL on the folder's file as a program would that has not our functions. */
static void run_sql(const char *folder, const char *text)
{
    char *message = NULL;
    sqlite3 *db = sqlite_file(folder);
    CU_ASSERT_EQUAL(sqlite3_exec(db, text, NULL, NULL, &message), SQLITE_OK);
    if (message)
        printf("%s\n", message);
    sqlite3_free(message);
    sqlite3_close(db);
}

static enum weir_status open_status(const char *folder, enum store_mode mode,
                                    struct weir_error *error)
{
    struct store *s = NULL;
    enum weir_status status = store_open(folder, mode, &s, error);
    CU_ASSERT_EQUAL(s != NULL, status == WEIR_OK);
    store_close(s);
    return status;
}

static void test_identity(void)
{
    const char *folder = fixture_folder();
    struct weir_error error = {0};
    uint8_t first[16], again[16];
    uint32_t one, two, three;
    struct store *s = fixture_open(folder);
    CU_ASSERT_EQUAL(store_incarnation(s, first, &one, &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_incarnation(s, again, &two, &error), WEIR_OK);
    CU_ASSERT_EQUAL(memcmp(first, again, 16), 0);
    store_close(s);
    s = fixture_open(folder);
    CU_ASSERT_EQUAL(store_incarnation(s, again, &three, &error), WEIR_OK);
    CU_ASSERT_EQUAL(memcmp(first, again, 16), 0);
    CU_ASSERT(one < two && two < three);
    store_close(s);
    s = fixture_open(fixture_folder());
    CU_ASSERT_EQUAL(store_incarnation(s, again, &one, &error), WEIR_OK);
    CU_ASSERT_NOT_EQUAL(memcmp(first, again, 16), 0);
    store_close(s);
}

static void test_empty(void)
{
    struct store *s = fixture_open(fixture_folder());
    struct weir_error error = {0};
    struct store_status status;
    struct catalogue c;
    CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
    CU_ASSERT_EQUAL(status.blocks + status.records + status.block_octets + status.rollup_rows, 0);
    CU_ASSERT_EQUAL(status.first_ms, 0);
    CU_ASSERT_EQUAL(status.last_ms, 0);
    CU_ASSERT(status.file_octets > 0);
    CU_ASSERT(status.schema_version >= 1);
    CU_ASSERT_EQUAL(store_catalogue(s, &c, &error), WEIR_OK);
    CU_ASSERT_EQUAL(c.tag_count + c.device_count + c.db_count, 0);
    catalogue_free(&c);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static void test_newer(void)
{
    const char *folder = fixture_folder();
    struct weir_error error = {0};
    struct store *s = fixture_open(folder);
    struct store_status present;
    char restore[64];
    CU_ASSERT_EQUAL_FATAL(store_status(s, &present, &error), WEIR_OK);
    snprintf(restore, sizeof restore, "PRAGMA user_version = %u", present.schema_version);
    store_close(s);
    run_sql(folder, "PRAGMA user_version = 999");
    CU_ASSERT_EQUAL(open_status(folder, STORE_CREATE, &error), WEIR_EVERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "999"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, folder));
    CU_ASSERT_EQUAL(open_status(folder, STORE_READ_ONLY, &error), WEIR_EVERSION);
    run_sql(folder, restore); /* nothing was changed meanwhile */
    s = fixture_open(folder);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

static void test_unreleased(void)
{
    const char *folder = fixture_folder();
    struct weir_error error = {0};
    store_close(fixture_open(folder));
    run_sql(folder, "PRAGMA application_id = 0x77656972");
    CU_ASSERT_EQUAL(open_status(folder, STORE_CREATE, &error), WEIR_EVERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "before the first release"));
    CU_ASSERT_EQUAL(open_status(folder, STORE_READ_ONLY, &error), WEIR_EVERSION);
    run_sql(folder, "PRAGMA application_id = 0x57656972"); /* nothing was changed meanwhile */
    struct store *s = fixture_open(folder);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* A column that a later schema appends, 0 in old rows, leaves their seals right; nothing else
 * does. */
static void test_seal_of_zeros(void)
{
    static const struct {
        const char *one, *other;
        int same;
    } cases[] = {
        {"1, x'00'", "1, x'00', 0, 0", 1}, {"5, 0", "5", 1},       {"0, 0", "0", 1},
        {"1, 2", "1, 2, 1", 0},            {"1, 2", "1, 2, NULL", 0}, {"1", "1, 0.0", 0},
        {"1, 2", "0, 1, 2", 0},            {"1, 0, 2", "1, 2", 0}, {"1", "1, ''", 0},
    };
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(":memory:", &db), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(seal_register(db), SQLITE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[96];
        sqlite3_stmt *statement;
        snprintf(text, sizeof text, "SELECT seal(%s) = seal(%s)", cases[i].one, cases[i].other);
        CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
        CU_ASSERT_EQUAL(sqlite3_step(statement), SQLITE_ROW);
        CU_ASSERT_EQUAL(sqlite3_column_int(statement, 0), cases[i].same);
        sqlite3_finalize(statement);
    }
    sqlite3_close(db);
}

static void write_file(const char *folder, const char *text, size_t length)
{
    char path[128];
    snprintf(path, sizeof path, "%s/weir.db", folder);
    FILE *f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(text, 1, length, f), length);
    fclose(f);
}

static void test_of_others(void)
{
    const char *folder = fixture_folder();
    struct weir_error error = {0};
    static char noise[10000];
    run_sql(folder, "CREATE TABLE mine (x)");
    CU_ASSERT_EQUAL(open_status(folder, STORE_CREATE, &error), WEIR_ECORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "not a Weir store"));
    folder = fixture_folder();
    memset(noise, 'x', sizeof noise);
    write_file(folder, noise, sizeof noise);
    CU_ASSERT_EQUAL(open_status(folder, STORE_CREATE, &error), WEIR_ECORRUPT);
    CU_ASSERT_EQUAL(open_status(folder, STORE_READ_ONLY, &error), WEIR_ECORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, folder));
    folder = fixture_folder();
    write_file(folder, "", 0); /* as a crash before the first page leaves it */
    CU_ASSERT_EQUAL(open_status(folder, STORE_CREATE, &error), WEIR_OK);
    CU_ASSERT_NOT_EQUAL(open_status("/nonexistent/deeper", STORE_CREATE, &error), WEIR_OK);
    CU_ASSERT_NOT_EQUAL(open_status("/nonexistent", STORE_READ_ONLY, &error), WEIR_OK);
}

struct unfit {
    enum weir_status read, write; /* of STORE_READ_ONLY and STORE_WRITE */
    const char *says;
};

static void check_unfit(const char *folder, const struct unfit *u)
{
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(open_status(folder, STORE_READ_ONLY, &error), u->read);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, u->says));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, folder));
    CU_ASSERT_EQUAL(open_status(folder, STORE_WRITE, &error), u->write);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, u->says));
}

/* The first octets of a store's file, and what is said of them. */
static void test_cut_files(void)
{
    static const struct {
        size_t length;
        struct unfit unfit;
    } cases[] = {{0, {WEIR_ENOTFOUND, WEIR_ENOTFOUND, "is empty"}},
                 {50, {WEIR_ECORRUPT, WEIR_ECORRUPT, "not copied to its end: it has 50"}},
                 {8192, {WEIR_ECORRUPT, WEIR_ECORRUPT, "it has 8192 octets of "}},
                 {20000, {WEIR_ECORRUPT, WEIR_ECORRUPT, "it has 20000 octets of "}}};
    static char octets[20000];
    char path[128];
    const char *folder = fixture_folder();
    store_close(fixture_open(folder));
    snprintf(path, sizeof path, "%s/weir.db", folder);
    FILE *f = fopen(path, "r");
    CU_ASSERT_EQUAL_FATAL(fread(octets, 1, sizeof octets, f), sizeof octets);
    fclose(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(folder, octets, cases[i].length);
        check_unfit(folder, &cases[i].unfit);
    }
    memset(octets, 0, sizeof octets);
    write_file(folder, octets, sizeof octets);
    check_unfit(folder, &(struct unfit){WEIR_ECORRUPT, WEIR_ECORRUPT, "name another folder with"});
}

/* All of a young store is in its log. */
static void test_without_log(void)
{
    char path[128];
    struct weir_error error = {0};
    const char *folder = fixture_folder();
    snprintf(path, sizeof path, "cd %s && mkdir copy && cp weir.db copy", folder);
    struct store *s = fixture_open(folder);
    CU_ASSERT_EQUAL(system(path), 0);
    store_close(s);
    snprintf(path, sizeof path, "%s/copy", folder);
    check_unfit(path, &(struct unfit){WEIR_ENOTFOUND, WEIR_ENOTFOUND, "without the log"});
    CU_ASSERT_EQUAL(open_status(path, STORE_CREATE, &error), WEIR_OK);
    CU_ASSERT_EQUAL(open_status(path, STORE_WRITE, &error), WEIR_OK);
}

static void test_no_file(void)
{
    char path[128];
    struct weir_error error = {0};
    const char *folder = fixture_folder();
    check_unfit(folder, &(struct unfit){WEIR_ENOTFOUND, WEIR_ENOTFOUND, "there is no store at"});
    snprintf(path, sizeof path, "%s/none", folder);
    check_unfit(path, &(struct unfit){WEIR_ENOTFOUND, WEIR_ENOTFOUND, "there is no store at"});
    CU_ASSERT_EQUAL(access(path, F_OK), -1); /* nothing was made */
    snprintf(path, sizeof path, "%s/weir.db", folder);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
    check_unfit(folder, &(struct unfit){WEIR_EIO, WEIR_EIO, "is not a file"});
    CU_ASSERT_EQUAL(open_status(folder, STORE_CREATE, &error), WEIR_EIO);
    CU_ASSERT_EQUAL(rmdir(path), 0);
    write_file(folder, "x", 1);
    CU_ASSERT_EQUAL(open_status(path, STORE_CREATE, &error), WEIR_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "is not a folder"));
}

static void test_read_only(void)
{
    const char *folder = fixture_folder();
    struct weir_error error = {0};
    struct store_status status;
    enum store_outcome outcome;
    uint8_t id[16];
    uint32_t incarnation;
    uint64_t changed;
    CU_ASSERT_NOT_EQUAL(open_status(folder, STORE_READ_ONLY, &error),
                        WEIR_OK); /* nothing is made */
    char path[128];
    snprintf(path, sizeof path, "%s/weir.db", folder);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    struct store *writer = fixture_open(folder), *s = NULL;
    CU_ASSERT_EQUAL(fixture_append(writer, 1, 1, 100, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(store_open(folder, STORE_READ_ONLY, &s, &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
    CU_ASSERT_EQUAL(status.records, 100);
    /* It sees what another process (here: another store) appends meanwhile. */
    CU_ASSERT_EQUAL(fixture_append(writer, 1, 2, 100, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
    CU_ASSERT_EQUAL(status.records, 200);
    CU_ASSERT_EQUAL(fixture_append(s, 1, 3, 100, &outcome, &error), WEIR_EDENIED);
    CU_ASSERT_EQUAL(store_incarnation(s, id, &incarnation, &error), WEIR_EDENIED);
    CU_ASSERT_EQUAL(store_tag_add(s, &(struct tag){.id = 1, .name = "a"}, "test", &error),
                    WEIR_EDENIED);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    CU_ASSERT_EQUAL(store_retag(s, NULL, NULL, &changed, &error), WEIR_EDENIED);
    store_close(s);
    store_close(writer);
}

/* A folder without permission to write, as a backup on a read-only medium is. Root may write
 * anywhere, so the test steps down to nobody when it is root. */
static void test_read_only_medium(void)
{
    const char *folder = fixture_folder();
    struct weir_error error = {0};
    struct store_status status;
    enum store_outcome outcome;
    char path[256], inner[240];
    struct store *s = NULL;
    snprintf(path, sizeof path, "%s/a?b#c%%41", folder); /* a name that a URI must escape */
    CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
    CU_ASSERT_EQUAL(store_open(path, STORE_CREATE, &s, &error), WEIR_OK);
    CU_ASSERT_EQUAL(fixture_append(s, 1, 1, 100, &outcome, &error), WEIR_OK);
    store_close(s);
    s = NULL;
    memcpy(inner, path, sizeof inner);
    snprintf(path, sizeof path, "%.200s/weir.db", inner);
    CU_ASSERT_EQUAL(chmod(path, 0444), 0);
    CU_ASSERT_EQUAL(chmod(inner, 0555), 0);
    CU_ASSERT_EQUAL(chmod(folder, 0755), 0);
    if (geteuid() == 0)
        CU_ASSERT_EQUAL_FATAL(seteuid(65534), 0);
    CU_ASSERT_EQUAL(open_status(inner, STORE_CREATE, &error), WEIR_EDENIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "give the folder to the user that runs weird"));
    CU_ASSERT_EQUAL(store_open(inner, STORE_READ_ONLY, &s, &error), WEIR_OK);
    if (s) {
        CU_ASSERT_EQUAL(store_status(s, &status, &error), WEIR_OK);
        CU_ASSERT_EQUAL(status.records, 100);
        CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
        store_close(s);
    }
    if (getuid() == 0)
        CU_ASSERT_EQUAL(seteuid(0), 0);
    chmod(inner, 0755);
}

static int mode_of(const char *folder, const char *name)
{
    char path[512];
    struct stat found;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &found) == 0 ? (int)(found.st_mode & 07777) : -1;
}

/* Flow records are not for every user of the machine, whatever the umask. */
static void test_modes(void)
{
    static const char *const names[] = {"weir.db", "weir.db-wal", "weir.db-shm"};
    char folder[256], path[300];
    struct weir_error error = {0};
    enum store_outcome outcome;
    mode_t before = umask(0);
    snprintf(folder, sizeof folder, "%s/data", fixture_folder());
    struct store *s = fixture_open(folder);
    CU_ASSERT_EQUAL(fixture_append(s, 1, 1, 100, &outcome, &error), WEIR_OK);
    CU_ASSERT_EQUAL(mode_of(folder, "."), 0750);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(mode_of(folder, names[i]), 0640);
    snprintf(path, sizeof path, "%s/copy.db", folder);
    CU_ASSERT_EQUAL(store_backup(s, path, NULL, NULL, &error), WEIR_OK);
    CU_ASSERT_EQUAL(mode_of(folder, "copy.db"), 0640);
    unlink(path);
    /* As an earlier release left it, while another one has it open; what the group may is its
     * owner's business. */
    snprintf(path, sizeof path, "%s/weir.db", folder);
    CU_ASSERT_EQUAL(chmod(path, 0664), 0);
    snprintf(path, sizeof path, "%s/weir.db-wal", folder);
    CU_ASSERT_EQUAL(chmod(path, 0644), 0);
    struct store *again = fixture_open(folder);
    CU_ASSERT_EQUAL(mode_of(folder, "weir.db"), 0660);
    CU_ASSERT_EQUAL(mode_of(folder, "weir.db-wal"), 0640);
    CU_ASSERT_EQUAL(fixture_append(again, 1, 2, 100, &outcome, &error), WEIR_OK);
    store_close(again);
    store_close(s);
    umask(before);
}

/* Somebody may write in the folder, but not read the file; or not even reach it. */
static void test_denied(void)
{
    struct weir_error error = {0};
    char path[128];
    const char *folder = fixture_folder();
    store_close(fixture_open(folder));
    snprintf(path, sizeof path, "%s/weir.db", folder);
    CU_ASSERT_EQUAL(chmod(path, 0600), 0);
    CU_ASSERT_EQUAL(chmod(folder, 0777), 0);
    if (geteuid() != 0)
        chmod(path, 0);
    else
        CU_ASSERT_EQUAL_FATAL(seteuid(65534), 0);
    CU_ASSERT_EQUAL(open_status(folder, STORE_CREATE, &error), WEIR_EDENIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "can not write"));
    CU_ASSERT_EQUAL(open_status(folder, STORE_READ_ONLY, &error), WEIR_EDENIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "the group that owns it"));
    if (getuid() == 0)
        CU_ASSERT_EQUAL(seteuid(0), 0);
    chmod(path, 0600);
    chmod(folder, 0700);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"identity and incarnation", test_identity},
        {"an empty store", test_empty},
        {"a newer file", test_newer},
        {"a file from before the first release", test_unreleased},
        {"seals and zeros at the end", test_seal_of_zeros},
        {"files of others", test_of_others},
        {"a part of a file", test_cut_files},
        {"a copy without its log", test_without_log},
        {"no file", test_no_file},
        {"reading only", test_read_only},
        {"a medium that can not be written", test_read_only_medium},
        {"who may read it", test_modes},
        {"who may not", test_denied},
        {NULL, NULL},
    };
    return fixture_main("store: open", tests);
}
