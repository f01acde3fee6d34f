/* test_text.c - times, durations, addresses, prefixes, options and suggestions, against the C
 * library's own calendar and address printer where it has them. */
#include "base/address.h"
#include "base/options.h"
#include "base/suggest.h"
#include "base/time.h"
#include "unit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void times_are_read(void)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-02-03T04:05:06.789Z", INT64_C(1770091506789)}, /* date -ud … +%s */
        {"2026-02-03t04:05:06.7z", INT64_C(1770091506700)},
        {"2026-02-03 04:05:06.7899Z", INT64_C(1770091506789)},
        {"2026-02-03T01:05:06-03:00", INT64_C(1770091506000)},
        {"2026-02-03T09:35:06+05:30", INT64_C(1770091506000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
        {"2026-02-03", INT64_C(1770076800000)},
        {"2026-02-03T04:05", INT64_C(1770091500000)},
        {"2026-02-03 04:05Z", INT64_C(1770091500000)},
        {"2026-02-03T01:05-03:00", INT64_C(1770091500000)},
        {"2026-02-03T04:05:06", INT64_C(1770091506000)},
        {"2026-02-03 04:05:06.789", INT64_C(1770091506789)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
        {"1969-12-31T23:59:59.999Z", -1},
        {"0", 0},
        {"1770091506789", INT64_C(1770091506789)},
        {"-5", -5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = 77;
        CU_ASSERT_EQUAL(time_parse(cases[i].text, "from", &ms, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(ms, cases[i].ms);
    }
}

static void relative_times_follow_the_clock(void)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"now-15m", -900000}, {"now+2w", 1209600000}, {"now", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = 0, before = clock_now_ms();
        CU_ASSERT_EQUAL(time_parse(cases[i].text, "from", &ms, NULL), WEIR_OK);
        CU_ASSERT_TRUE(ms >= before + cases[i].ms && ms <= clock_now_ms() + cases[i].ms);
    }
}

static void wrong_times_are_refused(void)
{
    static const char *const wrong[] = {
        "",
        " ",
        "2026",
        "x",
        "2026-02",
        "2026-02-03T",
        "2026-02-03T04",
        "2026-02-03T04:",
        "2026-02-03T04:05:",
        "2026-02-03T04:05Z+01:00",
        "2026-02-03x",
        "2026-02-03Z",
        "2023-02-29",
        "2026-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-02-03T24:00:00Z",
        "2026-02-03T00:60:00Z",
        "2026-02-03T00:00:61Z",
        "2026-02-03T00:00:00.Z",
        "2026-02-03T00:00:00Zx",
        "2026-02-03T00:00:00+24:00",
        "2026-02-03T00:00:00+01",
        "26-02-03T00:00:00Z",
        "now-",
        "now-5",
        "now-5y",
        "now5m",
        "nowish",
        "9223372036854775808",
        "now-99999999999999999w",
        "1e3",
        "+5",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t ms = 77;
        struct weir_error error = {0};
        bool bare = strcmp(wrong[i], "2026") == 0 || strcmp(wrong[i], "now-5") == 0;
        enum weir_status status = time_parse(wrong[i], "from", &ms, &error);
        if (bare) { /* milliseconds need no unit */
            CU_ASSERT_EQUAL(status, WEIR_OK);
            continue;
        }
        CU_ASSERT_EQUAL(status, WEIR_ESYNTAX);
        CU_ASSERT_EQUAL(ms, 77);
        CU_ASSERT_STRING_EQUAL(error.field, "from");
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "now-15m"));
    }
}

/* A moment of every week from year 1 to year 9999: printed as gmtime_r() has it, and read back. */
static void the_calendar_is_the_c_librarys(void)
{
    size_t wrong = 0;
    for (int64_t s = -INT64_C(62135596800); s < INT64_C(253402300800); s += 86399 * 7) {
        char mine[TIME_TEXT_SIZE], theirs[64];
        time_t t = (time_t)s;
        struct tm tm;
        gmtime_r(&t, &tm);
        snprintf(theirs, sizeof theirs, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, 7);
        time_print(s * 1000 + 7, mine);
        int64_t back = 0;
        wrong += strcmp(mine, theirs) != 0;
        wrong += time_parse(theirs, NULL, &back, NULL) != WEIR_OK || back != s * 1000 + 7;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    char text[TIME_TEXT_SIZE];
    time_print(INT64_MIN, text);
    CU_ASSERT_STRING_EQUAL(text, "-292275055-05-16T16:47:04.192Z");
    time_print(INT64_MAX, text);
    CU_ASSERT_STRING_EQUAL(text, "292278994-08-17T07:12:55.807Z");
}

static void minutes_start_before_their_moments(void)
{
    CU_ASSERT_EQUAL(minute_of(0), 0);
    CU_ASSERT_EQUAL(minute_of(59999), 0);
    CU_ASSERT_EQUAL(minute_of(60000), 60000);
    CU_ASSERT_EQUAL(minute_of(-1), -60000);
    CU_ASSERT_EQUAL(minute_of(-60000), -60000);
}

static void durations_are_read(void)
{
    int64_t ms = 0;
    CU_ASSERT_EQUAL(duration_parse("5m", "step", &ms, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(ms, 300000);
    CU_ASSERT_EQUAL(duration_parse("1500ms", "step", &ms, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(ms, 1500);
    CU_ASSERT_EQUAL(duration_parse("250", "step", &ms, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(ms, 250);
    static const char *const wrong[] = {
        "", "0", "0m", "-5m", "5 m", "m", "5M", "5mm", "99999999999999w"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_EQUAL(duration_parse(wrong[i], "step", &ms, NULL), WEIR_ESYNTAX);
    CU_ASSERT_EQUAL(ms, 250);
}

/* RFC 5952's own examples, and what they imply. */
static void addresses_print_canonically(void)
{
    static const char *const cases[][2] = {
        {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:DB8::ABCD", "2001:db8::abcd"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"::1.2.3.4", "::102:304"},
        {"::ffff:192.0.2.33", "192.0.2.33"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"10.0.100.9", "10.0.100.9"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char text[ADDRESS_TEXT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a;
        CU_ASSERT_EQUAL(address_parse(cases[i][0], "address", &a, NULL), WEIR_OK);
        CU_ASSERT_STRING_EQUAL(address_print(&a, text), cases[i][1]);
    }
}

static void addresses_print_as_inet_ntop(void)
{
    size_t wrong = 0;
    srand(7);
    for (int i = 0; i < 100000; i++) {
        struct address a;
        for (int k = 0; k < 16; k++)
            a.octets[k] = (uint8_t)(rand() % 3 ? 0 : rand());
        a.octets[0] |= 0x20; /* not ::a.b.c.d, where inet_ntop does what RFC 5952 does not */
        char mine[ADDRESS_TEXT_SIZE], theirs[ADDRESS_TEXT_SIZE];
        inet_ntop(AF_INET6, a.octets, theirs, sizeof theirs);
        wrong += strcmp(address_print(&a, mine), theirs) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    struct address a = address_from_ipv4(0xc0000221);
    CU_ASSERT_TRUE(address_is_ipv4(&a));
    CU_ASSERT_EQUAL(address_ipv4(&a), 0xc0000221);
    CU_ASSERT_EQUAL(a.octets[12], 0xc0);
}

static void wrong_addresses_are_refused(void)
{
    static const char *const wrong[] = {"",          "1.2.3",     "1.2.3.4.5", "256.1.1.1",
                                        "1.2.3.4 ",  "::g",       "1::2::3",   "fe80::1%eth0",
                                        "localhost", "1.2.3.4/8", "12345::",   ":::"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct address a;
        struct weir_error error;
        CU_ASSERT_EQUAL(address_parse(wrong[i], "address", &a, &error), WEIR_ESYNTAX);
        CU_ASSERT_STRING_EQUAL(error.field, "address");
    }
}

static void prefixes_are_read_and_printed(void)
{
    static const struct {
        const char *text, *printed;
        uint8_t length;
    } cases[] = {
        {"10.1.0.0/16", "10.1.0.0/16", 112},
        {"0.0.0.0/0", "0.0.0.0/0", 96},
        {"192.0.2.1", "192.0.2.1/32", 128},
        {"2001:db8::/32", "2001:db8::/32", 32},
        {"::/0", "::/0", 0},
        {"2001:db8::1", "2001:db8::1/128", 128},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8", 104},
        {"128.0.0.0/1", "128.0.0.0/1", 97},
        {"10.1.2.252/30", "10.1.2.252/30", 126},
    };
    char text[PREFIX_TEXT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct prefix p;
        CU_ASSERT_EQUAL(prefix_parse(cases[i].text, "prefix", &p, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(p.length, cases[i].length);
        CU_ASSERT_STRING_EQUAL(prefix_print(&p, text), cases[i].printed);
    }
}

static void wrong_prefixes_are_refused(void)
{
    static const char *const wrong[] = {"",
                                        "/",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/8x",
                                        "::/129",
                                        "10.0.0/8",
                                        "10.0.0.0/0008",
                                        "/8",
                                        "10.0.0.0//8",
                                        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/12"};
    struct prefix p;
    struct weir_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_EQUAL(prefix_parse(wrong[i], "prefix", &p, &error), WEIR_ESYNTAX);
    CU_ASSERT_EQUAL(prefix_parse("10.1.2.3/15", "prefix", &p, &error), WEIR_ESYNTAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "10.0.0.0/15 was probably meant"));
    CU_ASSERT_EQUAL(prefix_parse("2001:db8::1/33", "prefix", &p, &error), WEIR_ESYNTAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "2001:db8::/33 was probably meant"));
}

/* ---- options --------------------------------------------------------------------------------- */

static struct {
    bool quiet, help;
    const char *data;
    int64_t threads, memory, step, from;
    struct option_list nets;
} settings;

static const struct option_row rows[] = {
    {"quiet", NULL, "say less", OPTION_FLAG, &settings.quiet, 0, 0},
    {"help", NULL, "this text", OPTION_FLAG, &settings.help, 0, 0},
    {"data", "DIR", "where (./d)", OPTION_TEXT, &settings.data, 0, 0},
    {"threads", "N", "how many (1)", OPTION_NUMBER, &settings.threads, 1, 64},
    {"memory", "SIZE", "how much", OPTION_SIZE, &settings.memory, 0, 0},
    {"step", "D", "bins", OPTION_DURATION, &settings.step, 0, 0},
    {"from", "T", "start", OPTION_TIME, &settings.from, 0, 0},
    {"net", "A:P", "listen", OPTION_LIST, &settings.nets, 0, 0},
};
#define ROWS rows, sizeof rows / sizeof rows[0]

static enum weir_status parse_words(const char *const *words, int *operands, char **argv,
                                    struct weir_error *error)
{
    int argc = 1;
    memset(&settings, 0, sizeof settings);
    static char program[] = "program";
    argv[0] = program;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    return options_parse(ROWS, argc, argv, operands, error);
}

static void the_command_line_is_read(void)
{
    static const char *const words[] = {
        "one", "--quiet",      "--data", "x", "--threads=8", "two", "--memory", "2G",      "--step",
        "5m",  "--from=60000", "--net",  "a", "--net=b",     "-",   "--",       "--quiet", NULL};
    char *argv[32];
    int operands = 0;
    CU_ASSERT_EQUAL(parse_words(words, &operands, argv, NULL), WEIR_OK);
    CU_ASSERT_TRUE(settings.quiet);
    CU_ASSERT_STRING_EQUAL(settings.data, "x");
    CU_ASSERT_EQUAL(settings.threads, 8);
    CU_ASSERT_EQUAL(settings.memory, INT64_C(2) << 30);
    CU_ASSERT_EQUAL(settings.step, 300000);
    CU_ASSERT_EQUAL(settings.from, 60000);
    CU_ASSERT_EQUAL_FATAL(settings.nets.count, 2);
    CU_ASSERT_STRING_EQUAL(settings.nets.items[1], "b");
    CU_ASSERT_EQUAL_FATAL(operands, 4);
    CU_ASSERT_STRING_EQUAL(argv[1], "one");
    CU_ASSERT_STRING_EQUAL(argv[2], "two");
    CU_ASSERT_STRING_EQUAL(argv[3], "-");
    CU_ASSERT_STRING_EQUAL(argv[4], "--quiet");
    options_free_list(&settings.nets);
}

static void wrong_command_lines_are_refused(void)
{
    static const struct {
        const char *words[3];
        const char *message;
    } cases[] = {
        {{"--thread", "5"}, "did you mean \"threads\"?"},
        {{"--zzz"}, "unknown option \"zzz\""},
        {{"-q"}, "unknown option \"q\""},
        {{"-quiet"}, "unknown option"},
        {{"--threads"}, "--threads wants a value: --threads N"},
        {{"--threads", "0"}, "--threads: 0 is out of range; 1 to 64"},
        {{"--threads", "65"}, "out of range"},
        {{"--threads", "5x"}, "not a whole number"},
        {{"--threads", " 5"}, "not a whole number"},
        {{"--threads", "99999999999999999999"}, "not a whole number"},
        {{"--memory", "5X"}, "is not a size"},
        {{"--memory", "5KB"}, "is not a size"},
        {{"--memory", "99999999T"}, "is not a size"},
        {{"--memory", "-1"}, "is not a size"},
        {{"--quiet=maybe"}, "neither yes nor no"},
        {{"--step", "0"}, "--step: "},
        {{"--from", "soon"}, "--from: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *argv[8];
        int operands;
        struct weir_error error = {0};
        CU_ASSERT_NOT_EQUAL(parse_words(cases[i].words, &operands, argv, &error), WEIR_OK);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].message));
    }
}

static void the_file_is_read(void)
{
    static const char text[] =
        "# comment\n; too\n\n[section]\r\ndata = a b \r\n threads=3\nquiet = yes\n"
        "net = \" x \"\nnet=y\nmemory = 4k";
    memset(&settings, 0, sizeof settings);
    CU_ASSERT_EQUAL(options_text(ROWS, text, sizeof text - 1, "t.ini", NULL), WEIR_OK);
    CU_ASSERT_STRING_EQUAL(settings.data, "a b");
    CU_ASSERT_EQUAL(settings.threads, 3);
    CU_ASSERT_TRUE(settings.quiet);
    CU_ASSERT_EQUAL(settings.memory, 4096);
    CU_ASSERT_EQUAL_FATAL(settings.nets.count, 2);
    CU_ASSERT_STRING_EQUAL(settings.nets.items[0], " x ");
    options_free_list(&settings.nets);
    options_free_texts();
}

static void wrong_files_are_refused(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"data = x\nthreads = 99\n", "t.ini line 2: threads: 99 is out of range; 1 to 64"},
        {"dtaa = x\n", "t.ini line 1: unknown option \"dtaa\"; did you mean \"data\"?"},
        {"\n\nwhat\n", "t.ini line 3: \"what\" is not name = value"},
        {"[open\n", "t.ini line 1: a section is written [name]"},
        {"= x", "t.ini line 1: unknown option"},
    };
    struct weir_error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_NOT_EQUAL(
            options_text(ROWS, cases[i].text, strlen(cases[i].text), "t.ini", &error), WEIR_OK);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].message));
    }
    CU_ASSERT_EQUAL(options_text(ROWS, "a\0b", 3, "t.ini", &error), WEIR_ESYNTAX);
    CU_ASSERT_EQUAL(options_text(ROWS, "", (size_t)2 << 20, "t.ini", &error), WEIR_ELIMIT);
    CU_ASSERT_EQUAL(options_file(ROWS, "/nonexistent/weir.ini", &error), WEIR_ENOTFOUND);
    CU_ASSERT_EQUAL(options_file(ROWS, "/", &error), WEIR_EIO);
    options_free_texts();
}

static void a_file_on_disk_is_read(void)
{
    char path[] = "/tmp/weir-test-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, "threads = 5\n", 12), 12);
    close(fd);
    memset(&settings, 0, sizeof settings);
    CU_ASSERT_EQUAL(options_file(ROWS, path, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(settings.threads, 5);
    unlink(path);
    options_free_texts();
}

static void help_is_aligned_and_cut(void)
{
    char text[1000], small[20];
    options_help(rows, 4, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, "  --quiet      say less\n  --help       this text\n"
                                 "  --data DIR   where (./d)\n  --threads N  how many (1)\n");
    options_help(rows, 4, small, sizeof small);
    CU_ASSERT_EQUAL(strlen(small), sizeof small - 1);
}

static void suggestions_are_near(void)
{
    static const char *const names[] = {"totals", "matrix", "account", "tag", "status"};
    static const char *const cases[][2] = {
        {"total", "totals"},  {"martix", "matrix"}, {"acount", "account"},
        {"TOTALS", "totals"}, {"tagg", "tag"},      {"zebra", NULL},
        {"", NULL},           {"x", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct suggestion s = {0};
        for (size_t k = 0; k < 5; k++)
            suggest_consider(&s, cases[i][0], names[k]);
        if (cases[i][1]) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(s.name);
            CU_ASSERT_STRING_EQUAL(s.name, cases[i][1]);
        } else {
            CU_ASSERT_PTR_NULL(s.name);
        }
    }
}

UNIT_MAIN("text", {"times are read", times_are_read},
          {"relative times follow the clock", relative_times_follow_the_clock},
          {"wrong times are refused", wrong_times_are_refused},
          {"the calendar is the C library's", the_calendar_is_the_c_librarys},
          {"minutes start before their moments", minutes_start_before_their_moments},
          {"durations are read", durations_are_read},
          {"addresses print canonically", addresses_print_canonically},
          {"addresses print as inet_ntop", addresses_print_as_inet_ntop},
          {"wrong addresses are refused", wrong_addresses_are_refused},
          {"prefixes are read and printed", prefixes_are_read_and_printed},
          {"wrong prefixes are refused", wrong_prefixes_are_refused},
          {"the command line is read", the_command_line_is_read},
          {"wrong command lines are refused", wrong_command_lines_are_refused},
          {"the file is read", the_file_is_read},
          {"wrong files are refused", wrong_files_are_refused},
          {"a file on disk is read", a_file_on_disk_is_read},
          {"help is aligned and cut", help_is_aligned_and_cut},
          {"suggestions are near", suggestions_are_near})
