/* fuzz_options.c - an INI file of any octets over a table with every type of option. */
#include "base/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct {
        bool flag;
        const char *text;
        int64_t number, octets, duration, time;
        struct option_list list;
    } s;
    static const struct option_row rows[] = {
        {"flag", NULL, "", OPTION_FLAG, &s.flag, 0, 0},
        {"text", "T", "", OPTION_TEXT, &s.text, 0, 0},
        {"number", "N", "", OPTION_NUMBER, &s.number, 1, 64},
        {"size", "S", "", OPTION_SIZE, &s.octets, 0, 1 << 20},
        {"duration", "D", "", OPTION_DURATION, &s.duration, 0, 0},
        {"time", "T", "", OPTION_TIME, &s.time, 0, 0},
        {"list", "L", "", OPTION_LIST, &s.list, 0, 0},
    };
    struct weir_error error;
    s.number = 1;
    (void)options_text(rows, sizeof rows / sizeof rows[0], (const char *)data, size, "fuzz.ini",
                       &error);
    if (s.number < 1 || s.number > 64)
        abort();
    options_free_list(&s.list);
    options_free_texts();
    s.text = NULL;
    return 0;
}
