/* fuzz_time.c - times and durations from any text; a time that has four digits of year is printed
 * and read back to the same millisecond. */
#include "base/time.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), printed[TIME_TEXT_SIZE];
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
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
