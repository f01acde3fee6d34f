/* Sequence positions: those of sessions that were not heard for long leave, the oldest first; what
 * left is not a difference, does not come back with deliveries that are summed up or come late, and
 * a session that is heard again has one as any other. */
#include "store_fixture.h"

#define BLOCKS 90u
#define SESSIONS 1000u /* a block, no two the same */
#define MOST 65536u    /* what store.h says is kept */
#define LATE 10u       /* the block that comes when its neighbours are forgotten */

static struct account_checkpoint position_of(uint64_t block, uint32_t session)
{
    return (struct account_checkpoint){.exporter = address_from_ipv4(0x0a000000u + session),
                                       .domain = (uint32_t)block,
                                       .port = 2055,
                                       .protocol = 10,
                                       .next_sequence = (uint32_t)block * 7 + session,
                                       .export_ms = FIXTURE_TIME - (int64_t)block};
}

/* The positions of `of`, told by the block `sequence`. */
static void append_positions(struct store *s, uint64_t sequence, uint64_t of, uint32_t count)
{
    static struct account_checkpoint all[SESSIONS];
    const struct block_id id = fixture_id(1, sequence);
    struct buffer out = {0};
    enum store_outcome outcome;
    struct block_encoder *e = block_encoder_new(1);
    for (uint32_t i = 0; i < count; i++)
        all[i] = position_of(of, i);
    struct account account = {.checkpoints = all, .checkpoint_count = count};
    CU_ASSERT_EQUAL_FATAL(block_encode(e, &id, NULL, &account, &out, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(store_append(s, out.bytes, out.length, &outcome, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(outcome, STORE_STORED);
    block_encoder_free(e);
    buffer_free(&out);
}

static uint64_t keep_up(struct store *s)
{
    struct upkeep_report report = {0};
    const struct upkeep_settings settings = {0};
    CU_ASSERT_EQUAL(store_upkeep(s, &settings, NULL, NULL, &report, NULL), WEIR_OK);
    return report.positions_forgotten;
}

static bool in_order;

/* What a restart would go on from: how many; `first` and `last` block that they are of; and whether
 * those told later come later, which ranges of deliveries do not keep. */
static size_t positions(struct store *s, uint32_t *first, uint32_t *last)
{
    struct account_checkpoint *all;
    size_t count;
    *first = UINT32_MAX, *last = 0, in_order = true;
    CU_ASSERT_EQUAL_FATAL(
        store_checkpoints(s, fixture_id(1, 0).collector, &all, &count, NULL), WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        *first = all[i].domain < *first ? all[i].domain : *first;
        *last = all[i].domain > *last ? all[i].domain : *last;
        in_order = in_order && (i == 0 || all[i].domain >= all[i - 1].domain);
        CU_ASSERT(address_ipv4(&all[i].exporter) - 0x0a000000u < SESSIONS);
    }
    free(all);
    return count;
}

static void forgets_the_oldest(void)
{
    uint32_t first, last;
    const uint32_t left = (MOST + SESSIONS - 1) / SESSIONS; /* blocks, whole */
    struct store *s = fixture_open(fixture_folder());
    for (uint64_t n = 1; n <= BLOCKS; n++)
        if (n != LATE)
            append_positions(s, n, n, SESSIONS);
    CU_ASSERT_EQUAL(positions(s, &first, &last), (BLOCKS - 1) * SESSIONS);
    CU_ASSERT(in_order);
    CU_ASSERT_EQUAL(keep_up(s), (BLOCKS - 1 - left) * SESSIONS);
    CU_ASSERT_EQUAL(positions(s, &first, &last), left * SESSIONS);
    CU_ASSERT_EQUAL(first, BLOCKS - left + 1);
    CU_ASSERT_EQUAL(last, BLOCKS);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);

    /* Late: it was told before what is forgotten. Then its range, and those beside it, are one. */
    append_positions(s, LATE, LATE, SESSIONS);
    CU_ASSERT_EQUAL(positions(s, &first, &last), left * SESSIONS);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    append_positions(s, BLOCKS + 1, 3, 5); /* heard again */
    append_positions(s, BLOCKS + 2, BLOCKS + 2, 5);
    CU_ASSERT_EQUAL(positions(s, &first, &last), left * SESSIONS + 10);
    CU_ASSERT_EQUAL(first, 3);
    CU_ASSERT_EQUAL(keep_up(s), 0);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

/* Not by the collector beside it, which has few. */
static void leaves_others_alone(void)
{
    uint32_t first, last;
    enum store_outcome outcome;
    struct account_checkpoint *all;
    size_t count;
    struct store *s = fixture_open(fixture_folder());
    CU_ASSERT_EQUAL(fixture_append(s, 2, 1, 10, &outcome, NULL), WEIR_OK);
    for (uint64_t n = 2; n <= 68; n++)
        append_positions(s, n, n, SESSIONS);
    CU_ASSERT_EQUAL(keep_up(s), SESSIONS);
    CU_ASSERT_EQUAL(positions(s, &first, &last), 66 * SESSIONS);
    CU_ASSERT_EQUAL(store_checkpoints(s, fixture_id(2, 0).collector, &all, &count, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(count, 1);
    free(all);
    CU_ASSERT_EQUAL(fixture_verify(s, fixture_print_difference, NULL), 0);
    store_close(s);
}

int main(void)
{
    static const struct unit_test tests[] = {{"forgets the oldest", forgets_the_oldest},
                                             {"leaves others alone", leaves_others_alone},
                                             {NULL, NULL}};
    return fixture_main("store: positions", tests);
}
