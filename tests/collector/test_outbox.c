/* The outbox: order, the spool on disk, what an earlier run left, limits. */
#include "deliver/outbox.h"
#include "unit.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static struct buffer text(const char *s)
{
    struct buffer b = {0};
    buffer_put(&b, s, strlen(s));
    return b;
}

static void put(struct outbox *o, uint64_t sequence, const char *s)
{
    struct buffer b = text(s);
    CU_ASSERT_EQUAL(outbox_put(o, sequence, &b, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(b.length, 0);
    buffer_free(&b);
}

static void expect(struct outbox *o, const char *s)
{
    const uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(outbox_next(o, 1000, &bytes, &length, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(length, strlen(s));
    CU_ASSERT(memcmp(bytes, s, length) == 0);
}

static void expect_nothing(struct outbox *o)
{
    const uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL(outbox_next(o, 10, &bytes, &length, NULL), WEIR_ENOTFOUND);
}

static unsigned files_ending(const char *suffix)
{
    char command[160];
    unsigned count = 0;
    snprintf(command, sizeof command, "ls %s | grep -c '%s$'", folder, suffix);
    FILE *pipe = popen(command, "r");
    if (!pipe || fscanf(pipe, "%u", &count) != 1)
        count = 999;
    if (pipe)
        pclose(pipe);
    return count;
}

static struct outbox *open_outbox(const char *where, int64_t most)
{
    struct outbox *o = NULL;
    CU_ASSERT_EQUAL_FATAL(outbox_new(where, most, &o, NULL), WEIR_OK);
    return o;
}

static void in_order(void)
{
    const char *places[] = {NULL, folder};
    for (int i = 0; i < 2; i++) {
        struct outbox *o = open_outbox(places[i], 0);
        put(o, 1, "one");
        put(o, 2, "two");
        expect(o, "one");
        expect(o, "one"); /* asking again gives the same */
        outbox_done(o);
        put(o, 3, "three");
        expect(o, "two");
        outbox_done(o);
        expect(o, "three");
        outbox_done(o);
        expect_nothing(o);
        uint64_t blocks, octets;
        outbox_state(o, &blocks, &octets);
        CU_ASSERT_EQUAL(blocks, 0);
        CU_ASSERT_EQUAL(octets, 0);
        outbox_free(o);
    }
    CU_ASSERT_EQUAL(files_ending(".block"), 0);
}

static void survives_its_process(void)
{
    struct outbox *o = open_outbox(folder, 0);
    put(o, UINT64_C(0x200000001), "later");
    put(o, UINT64_C(0x100000009), "earlier");
    expect(o, "later");
    outbox_free(o); /* as if killed before the sink answered */
    char part[96];
    snprintf(part, sizeof part, "%s/0000000300000001.part", folder);
    CU_ASSERT_FATAL(close(open(part, O_CREAT | O_WRONLY, 0600)) == 0); /* a write that was cut */

    o = open_outbox(folder, 0);
    put(o, UINT64_C(0x300000001), "new");
    expect(o, "earlier"); /* by sequence, whatever order they came in */
    outbox_done(o);
    expect(o, "later");
    outbox_refused(o);
    expect(o, "new");
    outbox_done(o);
    expect_nothing(o);
    outbox_free(o);
    CU_ASSERT_EQUAL(files_ending(".refused"), 1);
    CU_ASSERT_EQUAL(files_ending(".block"), 0);
    o = open_outbox(folder, 0); /* what was refused is not sent again */
    expect_nothing(o);
    outbox_free(o);
}

static void respects_its_limit(void)
{
    struct weir_error error = {0};
    struct outbox *o = open_outbox(folder, 10);
    put(o, 1, "12345678");
    struct buffer b = text("abc");
    CU_ASSERT_EQUAL(outbox_put(o, 2, &b, &error), WEIR_ELIMIT);
    CU_ASSERT_STRING_EQUAL(error.field, "spool");
    CU_ASSERT_EQUAL(b.length, 3); /* nothing was taken */
    expect(o, "12345678");
    outbox_done(o);
    CU_ASSERT_EQUAL(outbox_put(o, 2, &b, NULL), WEIR_OK);
    expect(o, "abc");
    outbox_done(o);
    outbox_free(o);
    buffer_free(&b);
}

static void *put_many(void *context)
{
    for (uint64_t i = 1; i <= 40; i++) {
        char s[16];
        snprintf(s, sizeof s, "%d", (int)i);
        put(context, i, s);
    }
    return NULL;
}

static void waits_when_memory_is_full(void)
{
    pthread_t thread;
    struct outbox *o = open_outbox(NULL, 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, put_many, o), 0);
    for (int i = 1; i <= 40; i++) {
        char s[16];
        uint64_t blocks;
        snprintf(s, sizeof s, "%d", i);
        expect(o, s);
        outbox_state(o, &blocks, NULL);
        CU_ASSERT(blocks <= 8);
        outbox_done(o);
    }
    pthread_join(thread, NULL);
    outbox_free(o);
}

static void stop_lets_go(void)
{
    struct outbox *o = open_outbox(NULL, 0);
    outbox_stop(o);
    expect_nothing(o);
    for (uint64_t i = 0; i < 20; i++)
        put(o, i, "x"); /* does not wait any more */
    outbox_free(o);
}

static void has_one_owner(void)
{
    struct weir_error error = {0};
    struct outbox *other = NULL, *o = open_outbox(folder, 0);
    CU_ASSERT_EQUAL(outbox_new(folder, 0, &other, &error), WEIR_EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, folder));
    outbox_free(o);
    outbox_free(open_outbox(folder, 0));
}

static void says_what_is_wrong(void)
{
    struct weir_error error = {0};
    struct outbox *o = NULL;
    CU_ASSERT_EQUAL(outbox_new("/proc/no/such", 0, &o, &error), WEIR_EIO);
    CU_ASSERT(strstr(error.message, "/proc/no/such") != NULL);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"blocks come out in order", in_order},
        {"the spool survives its process", survives_its_process},
        {"the spool respects its limit", respects_its_limit},
        {"the spool has one owner", has_one_owner},
        {"memory is bounded by waiting", waits_when_memory_is_full},
        {"stop lets everyone go", stop_lets_go},
        {"a folder that cannot be made is named", says_what_is_wrong},
    };
    char command[96];
    snprintf(folder, sizeof folder, "/tmp/weir-outbox-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    int code = unit_main("outbox", tests, sizeof tests / sizeof *tests);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 || code != 0;
}
