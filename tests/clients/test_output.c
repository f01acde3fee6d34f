/* test_output.c - the output drivers, letter by letter, and what they are made of. */
#include "unit.h"
#include "weir/json_number.h"
#include "weir/output.h"

#include <string.h>

static void a_report(struct report *r)
{
    report_open(r);
    sheet_column(&r->sheet, "name", 0);
    sheet_column(&r->sheet, "octets", SHEET_RIGHT);
    sheet_column(&r->sheet, "%", SHEET_RIGHT);
    sheet_column(&r->sheet, "sum", SHEET_RIGHT | SHEET_SUM);
    sheet_text(&r->sheet, "São Luís");
    sheet_number(&r->sheet, 1234567);
    sheet_decimal(&r->sheet, 1.5);
    sheet_number(&r->sheet, 1);
    sheet_row_flags(&r->sheet, SHEET_ALERT);
    sheet_text(&r->sheet, "a,\"b\"\n\033[31mred");
    sheet_number(&r->sheet, UINT64_MAX);
    sheet_text(&r->sheet, NULL);
    sheet_number(&r->sheet, 2);
    sheet_row_flags(&r->sheet, SHEET_SUM);
    sheet_text(&r->sheet, "sum");
    sheet_number(&r->sheet, 0);
    sheet_text(&r->sheet, NULL);
    sheet_number(&r->sheet, 3);
    report_note(r, "covers", "%s", "all");
    report_alert(r, "", "%s lost %d", "x", 5);
}

static void expect(void (*write)(struct buffer *, const struct report *,
                                 const struct output_style *),
                   const struct report *r, bool colour, const char *expected)
{
    struct buffer out = {0};
    write(&out, r, &(struct output_style){.colour = colour});
    buffer_put_u8(&out, '\0');
    CU_ASSERT_FALSE_FATAL(out.failed);
    CU_ASSERT_STRING_EQUAL((char *)out.bytes, expected);
    if (strcmp((char *)out.bytes, expected) != 0)
        printf("\n--- got\n%s--- expected\n%s---\n", (char *)out.bytes, expected);
    buffer_free(&out);
}

/* Notes go on below where a terminal ends; words are not cut, nor what is no terminal's. */
static void notes_fit_terminals(void)
{
    static const struct {
        size_t columns;
        const char *expected;
    } cases[] = {
        {0, "covers  alpha béta gamma\n        x\n"},
        {24, "covers  alpha béta gamma\n        x\n"},
        {23, "covers  alpha béta\n        gamma\n        x\n"},
        {18, "covers  alpha béta\n        gamma\n        x\n"},
        {17, "covers  alpha\n        béta\n        gamma\n        x\n"},
        {3, "covers  alpha\n        béta\n        gamma\n        x\n"},
    };
    struct report r;
    report_open(&r);
    report_note(&r, "covers", "%s", "alpha béta gamma");
    report_note(&r, "", "%s", "x");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        output_table(&out, &r, &(struct output_style){.columns = cases[i].columns});
        buffer_put_u8(&out, '\0');
        CU_ASSERT_STRING_EQUAL((char *)out.bytes, cases[i].expected);
        buffer_free(&out);
    }
    report_close(&r);
}

static void tables_align(void)
{
    struct report r;
    a_report(&r);
    expect(output_table, &r, false,
           "name                                octets     %  sum\n"
           "--------------  --------------------------  ----  ---\n"
           "São Luís                         1,234,567  1.50    1\n"
           "a,\"b\"??[31mred  18,446,744,073,709,551,615          2\n"
           "--------------  --------------------------  ----  ---\n"
           "sum                                      0          3\n"
           "\n"
           "covers  all\n"
           "        x lost 5\n");
    r.elapsed_us = 12345;
    r.cpu_us = 1;
    r.note_count = 0;
    r.sheet.cell_count = 0;
    expect(output_table, &r, false,
           "name  octets  %  sum\n"
           "----  ------  -  ---\n"
           "(nothing)\n"
           "time  12,345 us elapsed, 1 us processor (the server's)\n");
    report_close(&r);
}

static void what_is_wrong_is_red_on_a_terminal(void)
{
    struct report r;
    report_open(&r);
    sheet_column(&r.sheet, "a", 0);
    sheet_row_flags(&r.sheet, SHEET_ALERT);
    sheet_text(&r.sheet, "x");
    report_alert(&r, "loss", "LOSSY");
    expect(output_table, &r, true,
           "\033[1ma\033[0m\n-\n\033[31mx\033[0m\n\n\033[31mloss  LOSSY\033[0m\n");
    report_close(&r);
}

static void csv_leaves_sums_out(void)
{
    struct report r;
    a_report(&r);
    expect(output_csv, &r, false,
           "name,octets,%\n"
           "São Luís,1234567,1.5\n"
           "\"a,\"\"b\"\"\n\033[31mred\",18446744073709551615,\n");
    report_close(&r);
}

static void write_json(struct buffer *out, const void *context)
{
    buffer_print(out, "{\"n\":%d}", *(const int *)context);
}

static void json_is_the_words_own(void)
{
    struct report r;
    int n = 7;
    a_report(&r);
    r.json = write_json;
    r.json_context = &n;
    expect(output_json, &r, false, "{\"n\":7}\n");
    report_close(&r);
}

static void drivers_have_names(void)
{
    CU_ASSERT_PTR_NOT_NULL(output_find("table"));
    CU_ASSERT_PTR_NOT_NULL(output_find("json"));
    CU_ASSERT_PTR_NOT_NULL(output_find("csv"));
    CU_ASSERT_PTR_NULL(output_find("xml"));
    CU_ASSERT_PTR_NULL(output_find(""));
}

static void widths_are_what_terminals_show(void)
{
    CU_ASSERT_EQUAL(display_width(""), 0);
    CU_ASSERT_EQUAL(display_width("abc"), 3);
    CU_ASSERT_EQUAL(display_width("ção"), 3);
    CU_ASSERT_EQUAL(display_width("e\xcc\x81"), 1);                /* e and a combining acute */
    CU_ASSERT_EQUAL(display_width("\xe6\x9d\xb1\xe4\xba\xac"), 4); /* two wide letters */
    CU_ASSERT_EQUAL(display_width("\xf0\x9f\x8c\x8a"), 2);         /* outside the BMP */
    CU_ASSERT_EQUAL(display_width("\xe6\x9d"), 1);                 /* cut: still bounded */
    CU_ASSERT_EQUAL(display_width("\xff\xfe"), 2);
}

static void numbers_are_grouped(void)
{
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {
        {0, "0"},          {999, "999"},        {1000, "1,000"},
        {12345, "12,345"}, {123456, "123,456"}, {UINT64_MAX, "18,446,744,073,709,551,615"}};
    char out[GROUPED_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_STRING_EQUAL(print_grouped(cases[i].number, out), cases[i].text);
}

static void json_numbers_are_told(void)
{
    static const char *const yes[] = {
        "0", "-0", "12", "-5", "0.5", "1e9", "1E+9", "2.5e-3", "18446744073709551615"};
    static const char *const no[] = {"",   "-",   "+1",  "01",  "-01", ".5", "1.",
                                     "1e", "1e+", "NaN", "INF", "0x1", " 1", "1 "};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        CU_ASSERT_TRUE(json_is_number(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        CU_ASSERT_FALSE(json_is_number(no[i]));
}

static void many_rows_keep_their_order(void)
{
    struct report r;
    report_open(&r);
    sheet_column(&r.sheet, "n", SHEET_RIGHT);
    sheet_column(&r.sheet, "m", SHEET_RIGHT);
    for (uint64_t i = 0; i < 100000; i++) {
        if (i % 1000 == 999)
            sheet_row_flags(&r.sheet, SHEET_ALERT);
        sheet_number(&r.sheet, i);
        sheet_number(&r.sheet, i * i);
    }
    CU_ASSERT_EQUAL(sheet_rows(&r.sheet), 100000);
    size_t wrong = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        wrong +=
            sheet_cell(&r.sheet, i, 0)->number != i || sheet_cell(&r.sheet, i, 1)->number != i * i;
        wrong += (sheet_flags_of(&r.sheet, i) == SHEET_ALERT) != (i % 1000 == 999);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_FALSE(report_failed(&r));
    report_close(&r);
}

UNIT_MAIN("output", {"notes fit terminals", notes_fit_terminals},
          {"tables align", tables_align},
          {"what is wrong is red on a terminal", what_is_wrong_is_red_on_a_terminal},
          {"CSV leaves sums out", csv_leaves_sums_out},
          {"JSON is the word's own", json_is_the_words_own},
          {"drivers have names", drivers_have_names},
          {"widths are what terminals show", widths_are_what_terminals_show},
          {"numbers are grouped", numbers_are_grouped},
          {"JSON numbers are told", json_numbers_are_told},
          {"many rows keep their order", many_rows_keep_their_order})
