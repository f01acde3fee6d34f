/* test_memory.c - memory that ends: each allocation fails in its turn, and all after it for a
 * while. Whatever was received is then stored, or counted: as dropped, as what a flow type does not
 * want, as a datagram refused, as a set without a template. */
#include "ingest_output.h"

#if defined(__SANITIZE_ADDRESS__)
#include <stdio.h>
int main(void)
{
    puts("the sanitizer has an allocator of its own");
    return 77;
}
#else

/* ---- an allocator that fails when it is told to ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static uint64_t allocations, fail_from = UINT64_MAX, fail_to = UINT64_MAX;

static bool fails(void)
{
    uint64_t n = allocations++;
    return n >= fail_from && n < fail_to;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

/* ---- what is sent ---- */

#define EXPORTERS 3u
#define ROUNDS    4u
#define FLOWS     20u /* of a datagram */
#define NEW_ONE   0x0a000100u

static uint64_t sent_flows, sent_options, taken_flows, taken_options;

/* Rows that stand for several count as those. */
static struct batch *count_and_give_back(void *context, struct batch *full, struct account *account)
{
    (void)context;
    for (uint32_t r = 0; full && r < batch_rows(full); r++) {
        uint64_t several = number(full, WEIR_FLOW_COUNT, r);
        *(batch_kind(full) == RECORD_FLOW ? &taken_flows : &taken_options) +=
            several ? several : 1;
    }
    if (account)
        keep_account(account);
    if (full)
        batch_free(full); /* the next one has to be made */
    return NULL;
}

/* Without memory of its own. */
static void send_to_it(uint32_t exporter, uint32_t secs)
{
    struct datagram d = {.bytes = w.b.bytes,
                         .length = w.b.length,
                         .from = address_from_ipv4(exporter),
                         .port = 2055,
                         .received_ms = MS(secs)};
    (void)ingest_datagram(in, &d);
}

static void send_v5(uint32_t exporter, uint32_t secs, uint32_t sequence)
{
    struct v5_flow flows[FLOWS];
    for (uint32_t i = 0; i < FLOWS; i++)
        flows[i] = (struct v5_flow){0x0a010000 + i, 0xc0000200 + i, 1 + i % 3, 100, 10, 20};
    write_netflow5(&w, 1000, secs, sequence, 0, flows, FLOWS);
    send_to_it(exporter, secs);
    sent_flows += FLOWS;
}

static void send_v9(uint32_t secs, uint32_t sequence, bool templates)
{
    static const uint16_t flow[] = {8, 4, 12, 4, 2, 4, 82, 8}, option[] = {1, 4, 34, 4, 130, 4};
    write_netflow9(&w, 1000, secs, sequence, 7);
    if (templates) {
        write_template(&w, 256, flow, 4);
        write_options_template(&w, 257, option, 1, 3);
    }
    open_set(&w, 256);
    memset(buffer_extend(&w.b, 5 * 20), 1, 5 * 20);
    close_set(&w);
    open_set(&w, 257);
    memset(buffer_extend(&w.b, 2 * 12), 1, 2 * 12);
    close_set(&w);
    send_to_it(0x0a000009, secs);
    sent_flows += 5;
    sent_options += 2;
}

static void send_all(void)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t e = 0; e < EXPORTERS; e++)
            send_v5(0x0a000001 + e, T0 + round * 60, round * FLOWS);
        send_v9(T0 + round * 60, round, round < 2);
        send_v5(NEW_ONE + round, T0 + round * 60, 0);
        ingest_tick(in, MS(T0 + round * 60));
        (void)ingest_flush(in);
    }
}

/* Three rules: one drops, one merges, one hides. */
static struct knowledge *make_knowledge(void)
{
    static const struct anonymisation none = {.fields = "", .key = ""};
    static const struct anonymisation cut = {
        .method = ANONYMISE_TRUNCATE, .ipv4_length = 8, .fields = "", .key = ""};
    const struct flow_type types[] = {
        {"few", 1, "src ip 10.1.0.3", ACTION_DROP, "", none},
        {"merged", 2, "packets 2", ACTION_AGGREGATE, "protocolIdentifier", none},
        {"hidden", 3, "", ACTION_ANONYMISE, "", cut}};
    const struct catalogue_snapshot snapshot = {.flow_types = types, .flow_type_count = 3};
    struct knowledge *k = NULL;
    CU_ASSERT_EQUAL_FATAL(knowledge_new(&snapshot, &k, NULL), WEIR_OK);
    return k;
}

/* One run with allocations [from, to) failing; how many there were. */
static uint64_t run(struct knowledge *k, uint64_t from, uint64_t to)
{
    const struct ingest_settings settings = {.batch_rows = 64, .park_ms = 1};
    const struct ingest_output output = {count_and_give_back, NULL};
    memset(&out, 0, sizeof out);
    sent_flows = sent_options = taken_flows = taken_options = 0;
    in = ingest_new(&settings, &output);
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    (void)buffer_extend(&w.b, 4096); /* the test's own memory, once */
    ingest_configure(in, k);
    uint64_t before = allocations;
    fail_from = from == UINT64_MAX ? from : before + from;
    fail_to = to == UINT64_MAX ? to : before + to;
    send_all();
    uint64_t count = allocations - before;
    fail_from = fail_to = UINT64_MAX;
    ingest_tick(in, MS(T0 + 100000)); /* nothing waits any more */
    ingest_finish(in);
    (void)ingest_flush(in);
    ingest_free(in);
    in = NULL;
    return count;
}

/* (Records that were counted before they were given up stay so where there is no memory even for a
 * row of the account.) */
static bool all_is_told(void)
{
    const struct account_counts *c = &out.counts;
    uint64_t unread = c->undecodable_datagrams * (FLOWS + 2) + c->expired_sets * 5;
    uint64_t told = taken_flows + taken_options + c->deselected_records + c->dropped_records;
    uint64_t sent = sent_flows + sent_options;
    return told <= sent && told + unread >= sent &&
           (unread ||
            (told == sent && c->records >= taken_flows + c->deselected_records &&
             c->option_records >= taken_options &&
             c->records + c->option_records <= told + c->dropped_records)) &&
           c->datagrams == ROUNDS * (EXPORTERS + 2);
}

static void whatever_fails(void)
{
    struct knowledge *k = make_knowledge();
    uint64_t all = run(k, UINT64_MAX, UINT64_MAX), dropped = 0, told = 0;
    CU_ASSERT_TRUE(all_is_told());
    CU_ASSERT_EQUAL(out.counts.dropped_records, 0);
    CU_ASSERT(out.counts.deselected_records > 0 && taken_options == 2 * ROUNDS);
    static const uint64_t lengths[] = {1, 2, 5, 20, 100, UINT64_MAX / 2};
    for (uint64_t from = 0; from < all; from++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            (void)run(k, from, from + lengths[i]);
            told += all_is_told();
            dropped += out.counts.dropped_records > 0;
        }
    CU_ASSERT_EQUAL(told, all * sizeof lengths / sizeof *lengths);
    CU_ASSERT(dropped > 0);
    knowledge_unref(k);
    buffer_free(&w.b);
}

UNIT_MAIN("memory", {"whatever fails", whatever_fails})
#endif
