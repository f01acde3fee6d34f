/* fuzz_time.c - times and durations from any text; a time that has four digits of year is printed
 * and read back to the same millisecond. */
#include "base/time.h"
#include "fuzz_text.h"
#include <stdbool.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), printed[TIME_TEXT_SIZE];
    if (!text)
        return 0;
    struct weir_error error;
    int64_t ms, back;
    if (time_parse(text, "from", &ms, &error) == WEIR_OK) {
        time_print(ms, printed);
        bool four_digits =
            strlen(printed) == strlen("2026-02-03T04:05:06.789Z") && printed[0] != '-';
        if (four_digits && (time_parse(printed, NULL, &back, NULL) != WEIR_OK || back != ms))
            abort();
    }
    if (duration_parse(text, "step", &ms, &error) == WEIR_OK && ms <= 0)
        abort();
    free(text);
    return 0;
}
