/* test_filter_beyond.c - elements compared with numbers and times that they can not be: too large
 * for their width, negative, before 1970, past 2106. Less and greater stay what they are in
 * arithmetic, whatever the operator and the form of the column; nothing is equal, and what lacks
 * the element matches nothing. nfdump's own fields refuse such numbers, and say what they take. */
#include "filter_grid.h"
#include "flow/filter.h"
#include "unit.h"

#include <stdio.h>

__extension__ typedef __int128 huge;
#define ROWS 5 /* the last has none of the elements */

/* Values as numbers that order them; stored as they are, in `width` octets. */
static const struct element {
    const char *name;
    ie_key key;
    uint8_t width; /* 0: four octets, big-endian */
    huge values[ROWS - 1];
} elements[] = {
    {"protocolIdentifier", IANA(4), 1, {0, 6, 17, 255}},
    {"sourceTransportPort", IANA(7), 2, {0, 80, 443, 65535}},
    {"ie95", IANA(95), 0, {0, 1, 65536, UINT32_MAX}},
    {"bgpSourceAsNumber", IANA(16), 4, {0, 1, 65536, UINT32_MAX}},
    {"octetDeltaCount", IANA(1), 8, {0, 1, INT64_MAX, UINT64_MAX}},
    {"mibObjectValueInteger", IANA(434), 4, {INT32_MIN, -1, 0, INT32_MAX}},
    {"dataRecordsReliability", IANA(276), 1, {1, 2, 1, 2}},
    {"flowStartSeconds", IANA(150), 4, {0, 1, 1767225600, UINT32_MAX}},
    {"flowStartMilliseconds", IANA(152), 8, {0, 1, INT64_C(1767225600000), UINT64_MAX}},
};

static const struct {
    const char *text;
    huge number;
} numbers[] = {
    {"256", 256},
    {"294", 294},
    {"65536", 65536},
    {"70k", 70000},
    {"4294967296", INT64_C(4294967296)},
    {"9223372036854775808", (huge)INT64_MAX + 1},
    {"18446744073709551616", (huge)UINT64_MAX + 1},
    {"20000000t", (huge)20000000 * INT64_C(1000000000000)},
    {"99999999999999999999999999999999999999999999999999", (huge)1 << 100},
    {"-1", -1},
    {"-5", -5},
    {"-0", 0},
    {"-9223372036854775809", (huge)INT64_MIN - 1},
    {"-99999999999999999999", -((huge)1 << 80)},
};

static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};

static bool holds(int sign, huge a, huge b)
{
    const bool all[] = {a == b, a != b, a < b, a <= b, a > b, a >= b};
    return all[sign];
}

static struct grid grid = {.rows = ROWS};

static void fill(void)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        for (uint32_t r = 0; r + 1 < ROWS; r++) {
            static uint8_t octets[sizeof elements / sizeof *elements][ROWS][4];
            uint64_t n = (uint64_t)elements[i].values[r];
            for (int k = 0; k < 4; k++)
                octets[i][r][k] = (uint8_t)(n >> (24 - 8 * k));
            if (elements[i].width)
                grid_number(&grid, r, elements[i].key, elements[i].width, n);
            else
                grid_octets(&grid, r, elements[i].key, octets[i][r], 4);
        }
}

static void expect(const char *text, const bool rows[ROWS])
{
    struct weir_error error = {0};
    struct filter *f = NULL;
    enum weir_status status = filter_parse(text, NULL, NULL, &f, &error);
    CU_ASSERT_EQUAL(status, WEIR_OK);
    if (status != WEIR_OK) {
        printf("\n  %s: %s", text, error.message);
        return;
    }
    for (int form = 0; form < 2; form++) {
        struct arena arena = {0};
        uint64_t selected = 0, wanted = 0;
        struct frame frame = form ? grid_dictionary(&grid) : grid_flat(&grid);
        uint32_t count = filter_select(f, &frame, &arena, &selected);
        for (uint32_t r = 0; r < ROWS; r++)
            wanted |= (uint64_t)rows[r] << r;
        CU_ASSERT_EQUAL(selected, wanted);
        CU_ASSERT_EQUAL(count, (uint32_t)__builtin_popcountll(wanted));
        if (selected != wanted)
            printf("\n  %s: %llx, expected %llx", text, (unsigned long long)selected,
                   (unsigned long long)wanted);
        arena_free(&arena);
    }
    filter_free(f);
}

static void test_numbers(void)
{
    char text[256];
    for (size_t e = 0; e < sizeof elements / sizeof *elements; e++)
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
            for (int s = 0; s < 6; s++) {
                bool rows[ROWS] = {false};
                for (uint32_t r = 0; r + 1 < ROWS; r++)
                    rows[r] = holds(s, elements[e].values[r], numbers[n].number);
                snprintf(text, sizeof text, "%s %s %s", elements[e].name, signs[s],
                         numbers[n].text);
                expect(text, rows);
            }
}

static void test_lists(void)
{
    expect("protocolIdentifier in [ 294 6 -1 18446744073709551616 17 ]",
           (bool[ROWS]){false, true, true, false, false});
    expect("not protocolIdentifier < 294", (bool[ROWS]){false, false, false, false, true});
    expect("protocolIdentifier in [ 294 ]", (bool[ROWS]){false});
    /* No tag is tag 0. */
    expect("srcTag > -1 and srcTag < 4294967296", (bool[ROWS]){true, true, true, true, true});
    expect("srcTag = 4294967296", (bool[ROWS]){false});
}

static void test_times(void)
{
    static const char *const before = "1960-01-01T00:00:00Z", *const after = "2200-01-01T00:00:00Z";
    char text[128];
    static const char *const names[] = {"flowStartSeconds", "flowStartMilliseconds",
                                        "flowStartMicroseconds", "flowStartNanoseconds"};
    for (uint32_t r = 0; r + 1 < ROWS; r++)
        for (int k = 154; k <= 156; k += 2) /* 1970, 1970, 2026, the end of the era */
            grid_number(&grid, r, IANA((uint16_t)k), 8,
                        r == 3 ? UINT64_MAX : (UINT64_C(2208988800) + r / 2 * 1767225600u) << 32);
    for (size_t i = 0; i < 4; i++)
        for (int s = 0; s < 6; s++) {
            bool rows[ROWS] = {false};
            for (uint32_t r = 0; r + 1 < ROWS; r++)
                rows[r] = holds(s, 0, -1);
            snprintf(text, sizeof text, "%s %s %s", names[i], signs[s], before);
            expect(text, rows);
            for (uint32_t r = 0; r + 1 < ROWS; r++) /* milliseconds reach further */
                rows[r] = holds(s, 0, i == 1 && r == 3 ? -1 : 1);
            snprintf(text, sizeof text, "%s %s %s", names[i], signs[s], after);
            expect(text, rows);
        }
    expect("flowStartMicroseconds > 1800-01-01T00:00:00Z",
           (bool[ROWS]){true, true, true, true, false});
    expect("flowStartMicroseconds <= 1800-01-01T00:00:00Z", (bool[ROWS]){false});
}

static void test_refused(void)
{
    static const char *const refused[][2] = {
        {"proto 294", "0 to 255"},
        {"proto < 294", "0 to 255"},
        {"port > -1", "0 to 65535"},
        {"port in [ 80 70000 ]", "0 to 65535"},
        {"tos <= 256", "0 to 255"},
        {"bytes < 18446744073709551616", "0 to 18446744073709551615"},
        {"octetDeltaCount < 12x", "a number"},
        {"octetDeltaCount < --1", "a number"},
        {"sourceIPv4Address < -1", "an IPv4 address"},
        {"sourceMacAddress = 5", "a MAC address"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct weir_error error = {0};
        struct filter *f = NULL;
        CU_ASSERT_EQUAL(filter_parse(refused[i][0], NULL, NULL, &f, &error), WEIR_ESYNTAX);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.message, refused[i][1]));
        if (!strstr(error.message, refused[i][1]))
            printf("\n  %s: %s", refused[i][0], error.message);
        filter_free(f);
    }
}

/* A block whose bounds are known need not be looked at. */
static bool bounds(void *context, ie_key key, struct column_bounds *out)
{
    (void)context;
    *out = (struct column_bounds){.key = key, .width = 1, .any = true, .all_present = true,
                                  .least = 1, .most = 255};
    return true;
}

static void test_judge(void)
{
    static const struct {
        const char *text;
        enum filter_verdict verdict;
    } judged[] = {
        {"protocolIdentifier < 294", FILTER_ALL},
        {"protocolIdentifier >= -3", FILTER_ALL},
        {"protocolIdentifier != 18446744073709551616", FILTER_ALL},
        {"protocolIdentifier = 294", FILTER_NONE},
        {"protocolIdentifier <= -3", FILTER_NONE},
        {"protocolIdentifier > 99999999999999999999999999", FILTER_NONE},
    };
    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++) {
        struct filter *f = NULL;
        CU_ASSERT_EQUAL_FATAL(filter_parse(judged[i].text, NULL, NULL, &f, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(filter_judge(f, bounds, NULL), judged[i].verdict);
        filter_free(f);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"numbers", test_numbers}, {"lists", test_lists}, {"times", test_times},
        {"refused", test_refused}, {"judge", test_judge},
    };
    fill();
    int code = unit_main("numbers that an element can not be", tests, sizeof tests / sizeof *tests);
    grid_free(&grid);
    return code;
}
