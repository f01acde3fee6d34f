/* The proof: a sound store has no difference; a flipped bit anywhere is found, or lies where
 * nothing is; and whoever meets one while reading gets an error, never another number. */
#include "sqlite_file.h"
#include "store_fixture.h"
#include <sys/stat.h>

#define FLIPS_DEFAULT 1000
#define ROWS 400
#define SUMS 7 /* of everything that a store says */

static uint8_t *image; /* the sound file */
static size_t image_length;

static bool kept_up;
/* The first blocks leave, the others are merged, hours and days are summed; and one block comes
 * late. */
static void keep_up(struct store *s)
{
    struct upkeep_report report;
    enum store_outcome outcome;
    const struct upkeep_settings settings = {.retain_ms = clock_now_ms() - FIXTURE_TIME -
                                                          210 * INT64_C(1000)};
    CU_ASSERT_EQUAL(store_upkeep(s, &settings, NULL, NULL, &report, NULL), WEIR_OK);
    CU_ASSERT(report.blocks_removed > 0 && report.blocks_made > 0 && report.rollups_made > 2);
    CU_ASSERT_EQUAL(fixture_append(s, 7, 1, ROWS / 4, &outcome, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(store_upkeep(s, &(struct upkeep_settings){0}, NULL, NULL, &report, NULL),
                    WEIR_OK);
}

/* Names of interfaces, as exporters tell them: options data. */
static void append_names(struct store *s)
{
    enum { count = 40 };
    enum store_outcome outcome;
    struct batch *b = batch_new(64, RECORD_OPTIONS);
    struct buffer block = {0};
    struct block_encoder *e = block_encoder_new(1);
    const struct block_id id = fixture_id(9, 1);
    size_t name;
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    batch_append(b, count);
    const struct address exporter = address_from_ipv4(0x7f000001u);
    uint8_t *exporters = fixture_column(b, WEIR_EXPORTER, count)->values;
    for (uint32_t i = 0; i < count; i++)
        memcpy(exporters + 16 * (size_t)i, exporter.octets, 16);
    FIXTURE_FILL(WEIR_DOMAIN, uint32_t, 0);
    FIXTURE_FILL(WEIR_FLOW_END, uint64_t, FIXTURE_TIME + 200000);
    FIXTURE_FILL(WEIR_EXPORT_TIME, uint64_t, FIXTURE_TIME + 200000);
    FIXTURE_FILL(IANA(10), uint32_t, i + 1);
    CU_ASSERT_EQUAL_FATAL(batch_column(b, IANA(82), 0, &name), WEIR_OK);
    for (uint32_t i = 0; i < count; i++) {
        char text[16];
        int length = snprintf(text, sizeof text, "xe-0/0/%u", (unsigned)i);
        CU_ASSERT_EQUAL(batch_put_octets(b, name, i, text, (uint32_t)length), WEIR_OK);
    }
    batch_mark(b, name, 0, count);
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, b, NULL, &block, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(store_append(s, block.bytes, block.length, &outcome, NULL), WEIR_OK);
    buffer_free(&block);
    block_encoder_free(e);
    batch_free(b);
}

/* Something in every table of the selection. */
static void add_selection(struct store *s)
{
    const struct address device = address_from_ipv4(0x7f000001u);
    const struct observation_domain domain = {device, 1, "core", "the first one"};
    const struct observation_point point = {device, 1, 7, ROLE_EDGE_IN, "uplink"};
    const struct flow_type type = {.name = "web",
                                   .priority = 5,
                                   .filter = "dst port 443",
                                   .action = ACTION_KEEP,
                                   .keys = "",
                                   .anonymisation = {.fields = "", .key = ""}};
    const struct domain_policy policy = {.device = device,
                                         .domain = 1,
                                         .anonymisation = {.method = ANONYMISE_TRUNCATE,
                                                           .ipv4_length = 24,
                                                           .ipv6_length = 48,
                                                           .fields = "",
                                                           .key = ""}};
    struct weir_error error = {0};
    CU_ASSERT_EQUAL(store_domain_add(s, &domain, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_point_add(s, &point, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_flow_type_add(s, &type, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_policy_set(s, &policy, "test", &error), WEIR_OK);
    if (error.message[0])
        printf("%s\n", error.message);
}

static void make_store(const char *folder)
{
    struct weir_error error = {0};
    enum store_outcome outcome;
    struct prefix prefixes[2];
    uint32_t as = 64500;
    struct store *s = fixture_open(folder);
    CU_ASSERT_EQUAL(prefix_parse("10.0.0.0/24", "prefix", &prefixes[0], &error), WEIR_OK);
    CU_ASSERT_EQUAL(prefix_parse("2001:db8::/32", "prefix", &prefixes[1], &error), WEIR_OK);
    struct tag tag = {.id = 3,
                      .name = "PoP-BA",
                      .prefixes = prefixes,
                      .prefix_count = 2,
                      .ases = &as,
                      .as_count = 1};
    CU_ASSERT_EQUAL(store_tag_add(s, &tag, "test", &error), WEIR_OK);
    struct device_entry device = {
        .address = address_from_ipv4(0x7f000001), .name = "edge", .sampling_rate = 10};
    CU_ASSERT_EQUAL(store_device_add(s, &device, "test", &error), WEIR_OK);
    CU_ASSERT_EQUAL(store_db_add(s, &(struct db_entry){"http://a/db", "a"}, "test", &error),
                    WEIR_OK);
    add_selection(s);
    append_names(s);
    for (uint64_t n = 1; n <= 10; n++)
        CU_ASSERT_EQUAL(fixture_append(s, (uint8_t)(n % 2), n, ROWS, &outcome, &error), WEIR_OK);
    if (kept_up)
        keep_up(s);
    store_close(s);
}

static void path_of(const char *folder, char path[128])
{
    snprintf(path, 128, "%s/weir.db", folder);
}

static void load_image(const char *folder)
{
    char path[128];
    struct stat st;
    path_of(folder, path);
    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    image_length = (size_t)st.st_size;
    image = malloc(image_length);
    FILE *f = fopen(path, "r");
    CU_ASSERT_EQUAL_FATAL(fread(image, 1, image_length, f), image_length);
    fclose(f);
}

static void save_image(const char *folder)
{
    char path[128], side[160];
    path_of(folder, path);
    FILE *f = fopen(path, "w");
    CU_ASSERT_EQUAL_FATAL(fwrite(image, 1, image_length, f), image_length);
    fclose(f);
    snprintf(side, sizeof side, "%s-wal", path);
    unlink(side);
    snprintf(side, sizeof side, "%s-shm", path);
    unlink(side);
}

/* ---- everything a store says, as one number ---- */

static enum weir_status print_line(void *context, const char *text, size_t length)
{
    uint64_t *sum = context;
    *sum = *sum * 31 + crc32c(0, text, length);
    return WEIR_OK;
}

static enum weir_status sum_rollup(void *context, const struct rollup_key *key,
                                   const struct counts *c)
{
    uint64_t *sum = context;
    *sum += ((uint64_t)key->minute_ms ^ key->src_tag ^ (uint64_t)key->dst_tag << 8 ^
             (uint64_t)key->protocol << 16 ^ crc32c(0, &key->exporter, 16)) *
            (c->octets + 3 * c->packets + 7 * c->flows);
    return WEIR_OK;
}

/* Of what time a row is depends on how coarse it is; a segment that is not found is summed anew. */
static enum weir_status sum_coarse(void *context, const struct rollup_key *key,
                                   const struct counts *c)
{
    struct rollup_key timeless = *key;
    timeless.minute_ms = 0;
    return sum_rollup(context, &timeless, c);
}

static enum weir_status sum_account(void *context, const struct account_row *row)
{
    uint64_t *sum = context;
    *sum = *sum * 31 + crc32c(crc32c(0, &row->key.exporter, 16), &row->counts, sizeof row->counts);
    *sum +=
        (uint64_t)(row->key.minute_ms ^ row->first_heard_ms ^ row->last_heard_ms) + row->key.domain;
    return WEIR_OK;
}

static uint64_t sum_text(uint64_t sum, const char *text)
{
    return sum * 31 + crc32c(0, text, strlen(text));
}

static uint64_t sum_selection(uint64_t sum, const struct catalogue *c)
{
    char policy[ANONYMISATION_TEXT_SIZE];
    const struct catalogue_snapshot *s = &c->snapshot;
    for (size_t i = 0; i < c->domain_count; i++)
        sum = sum_text(sum_text(sum + c->domains[i].domain, c->domains[i].name),
                       c->domains[i].description);
    for (size_t i = 0; i < s->point_count; i++)
        sum = sum_text(sum + s->points[i].interface * 7 + s->points[i].role, s->points[i].name);
    for (size_t i = 0; i < s->flow_type_count; i++)
        sum = sum_text(sum_text(sum + s->flow_types[i].priority * 7 + s->flow_types[i].action,
                                s->flow_types[i].name),
                       s->flow_types[i].filter);
    for (size_t i = 0; i < s->policy_count; i++)
        sum = sum_text(sum + s->policies[i].domain,
                       anonymisation_print(&s->policies[i].anonymisation, policy));
    return sum;
}

static uint64_t sum_catalogue(const struct catalogue *c)
{
    uint64_t sum =
        crc32c(0, c->snapshot.prefixes, c->snapshot.prefix_count * sizeof *c->snapshot.prefixes);
    sum = sum * 31 + crc32c(0, c->snapshot.ases, c->snapshot.as_count * sizeof *c->snapshot.ases);
    sum = sum * 31 +
          crc32c(0, c->snapshot.devices, c->snapshot.device_count * sizeof *c->snapshot.devices);
    for (size_t i = 0; i < c->tag_count; i++)
        sum = sum * 31 + crc32c(c->tags[i].id, c->tags[i].name, strlen(c->tags[i].name));
    for (size_t i = 0; i < c->db_count; i++)
        sum = sum * 31 + crc32c(0, c->dbs[i].url, strlen(c->dbs[i].url));
    return sum_selection(sum, c);
}

/* A question to the blocks, or to the roll-ups. One that fails says where the damage is. */
static bool ask(struct store *s, enum answer_source source, uint64_t *sum)
{
    static const char *const places[] = {
        "block ",         "roll-up", "table ",  "malformed",
        "not a database", "schema",  "no such " /* column, table: the schema */};
    const char *by[] = {"srcTag", "protocolIdentifier"};
    struct totals t;
    struct weir_error error = {0};
    bool named = false;
    if (store_totals(s,
                     &(struct totals_request){
                         .by = by, .by_count = 2, .when = INTERVAL_ALL, .source = source},
                     &t, &error) != WEIR_OK) {
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            named |= strstr(error.message, places[i]) != NULL;
        if (!named)
            printf("an error that names no place: %s\n", error.message);
        CU_ASSERT(named);
        return false;
    }
    for (size_t i = 0; i < t.row_count; i++)
        *sum = *sum * 31 + t.rows[i].keys[0].number * 3 + t.rows[i].keys[1].number +
               crc32c(0, &t.rows[i].raw, sizeof t.rows[i].raw);
    *sum = *sum * 31 + crc32c(0, &t.account.counts, sizeof t.account.counts);
    totals_free(&t);
    return true;
}

static bool sum_names(struct store *s, uint64_t *sum)
{
    struct names names;
    if (store_names(s, INTERVAL_ALL, &names, NULL) != WEIR_OK)
        return false;
    for (size_t i = 0; i < names.count; i++)
        *sum = sum_text(*sum + names.list[i].number, names.list[i].name);
    names_free(&names);
    return true;
}

/* False when any of it is an error. */
static bool fingerprint(struct store *s, uint64_t sums[SUMS])
{
    struct reader *r;
    struct catalogue c;
    memset(sums, 0, SUMS * sizeof *sums);
    bool fine = store_records(s, NULL, INTERVAL_ALL, print_line, NULL, &sums[0], NULL) == WEIR_OK;
    if (reader_open(s, &r, NULL) != WEIR_OK)
        return false;
    fine &= reader_rollups(r, INTERVAL_ALL, sum_rollup, &sums[1], NULL) == WEIR_OK;
    fine &=
        reader_rollups_coarse(r, INTERVAL_ALL, INT64_MAX, sum_coarse, &sums[1], NULL) == WEIR_OK;
    fine &= reader_account(r, INTERVAL_ALL, sum_account, &sums[2], NULL) == WEIR_OK;
    reader_close(r);
    if (store_catalogue(s, &c, NULL) != WEIR_OK)
        return false;
    sums[3] = sum_catalogue(&c);
    catalogue_free(&c);
    fine &= ask(s, SOURCE_BLOCKS, &sums[4]);
    fine &= ask(s, SOURCE_ROLLUP, &sums[5]);
    fine &= sum_names(s, &sums[6]);
    return fine;
}

/* ---- tests ---- */

static void test_flips(void)
{
    const char *folder = fixture_folder();
    const char *wish = getenv("STORE_FLIPS");
    /* Kept up, its few rows are modelled, and proving each copy takes five times as long. */
    int flips = wish ? atoi(wish) : kept_up ? FLIPS_DEFAULT / 4 : FLIPS_DEFAULT;
    int found = 0, refused = 0, harmless = 0, missed = 0, wrong = 0;
    uint64_t sound[SUMS], sums[SUMS];
    struct verify_report proof;
    make_store(folder);
    load_image(folder);
    struct store *s = fixture_open(folder);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    CU_ASSERT_TRUE(fingerprint(s, sound));
    store_close(s);
    fixture_state = wish ? (uint64_t)flips : 1;
    for (int i = 0; i < flips; i++) {
        size_t at = (size_t)(fixture_random() % image_length);
        uint64_t how = fixture_random();
        uint8_t bit = (uint8_t)(i % 3 ? 1u << (how & 7) : how | 1); /* or several */
        image[at] ^= bit;
        save_image(folder);
        image[at] ^= bit;
        store_may_map(i & 2);
        struct weir_error error = {0};
        if (store_open(folder, i & 1 ? STORE_READ_ONLY : STORE_CREATE, &s, &error) != WEIR_OK) {
            refused++;
            continue;
        }
        bool told =
            store_verify(s, NULL, NULL, NULL, &proof, &error) != WEIR_OK || proof.differences != 0;
        bool whole = fingerprint(s, sums);
        bool same = memcmp(sums, sound, sizeof sums) == 0;
        found += told;
        harmless += !told && whole && same;
        if (!told && !(whole && same)) {
            missed++;
            printf("missed: octet %zu, bits %#x\n", at, bit);
        }
        if (whole && !same) {
            wrong++;
            printf("other numbers and no error: octet %zu, bits %#x\n", at, bit);
        }
        store_close(s);
    }
    store_may_map(false);
    printf("(%d flips: %d found, %d refused, %d in unused space) ", flips, found, refused,
           harmless);
    CU_ASSERT_EQUAL(missed, 0);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(found + refused > flips / 10 * 9); /* free pages alone are not looked at */
    free(image);
}

/* Merged blocks, roll-ups of removed ones, ranges of deliveries, coarse roll-ups. */
static void test_flips_kept_up(void)
{
    kept_up = true;
    test_flips();
    kept_up = false;
}

struct told {
    const char *words;
    bool found;
    char first[512];
};

static void look_for(void *context, const char *text)
{
    struct told *t = context;
    t->found |= strstr(text, t->words) != NULL;
    if (!t->first[0])
        snprintf(t->first, sizeof t->first, "%s", text);
}

static bool run_sql(sqlite3 *db, const char *text)
{
    char *message = NULL;
    int code = sqlite3_exec(db, text, NULL, NULL, &message);
    if (message)
        printf("%s\n", message);
    sqlite3_free(message);
    return code == SQLITE_OK;
}

/* Changes made by hand are named: each SQL text makes a difference whose text has the words. */
static void test_by_hand(void)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"UPDATE account SET missing_records = missing_records + 1 WHERE exporter IN"
         " (SELECT min(exporter) FROM account)", "table account"},
        {"DELETE FROM account", "account 2026-01-01T00:00:00.000Z exporter 127.0.0.1"},
        {"UPDATE rollup SET tier = tier + 20", "table rollup"},
        {"DELETE FROM rollup WHERE serial = 1", "roll-up 2026"},
        {"UPDATE block SET last_ms = last_ms + 1 WHERE id = 3", "block 3"},
        {"DELETE FROM block_column WHERE id = 3 * 1024 + 1", "block 3: column"},
        {"INSERT INTO block_column VALUES (999999, x'00')", "columns"},
        {"DELETE FROM block WHERE id = 4", "records: deliveries brought"},
        {"DELETE FROM delivery WHERE block = 5", "records: deliveries brought"},
        {"DELETE FROM checkpoint", "checkpoints of collector"},
        {"UPDATE tag SET name = 'PoP-XX'", "table tag"},
        {"DELETE FROM tag", "tag that is not there"},
        {"UPDATE audit SET who = 'nobody'", "table audit"},
        {"CREATE TABLE mine (x)", "schema"},
        {"DROP INDEX tag_as_tag", "schema"},
    };
    const char *folder = fixture_folder();
    make_store(folder);
    load_image(folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct told told = {.words = cases[i].words};
        save_image(folder);
        sqlite3 *db = sqlite_file(folder);
        CU_ASSERT_TRUE(run_sql(db, cases[i].sql));
        sqlite3_close(db);
        struct store *s = fixture_open(folder);
        CU_ASSERT(fixture_verify(s, look_for, &told) > 0);
        if (!told.found) {
            printf("%s\n  said: %s\n", cases[i].sql, told.first);
            CU_FAIL("the difference is not named");
        }
        store_close(s);
    }
    free(image);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"flipped bits", test_flips},
        {"flipped bits after upkeep", test_flips_kept_up},
        {"changes by hand", test_by_hand},
        {NULL, NULL},
    };
    return fixture_main("store: verify", tests);
}
