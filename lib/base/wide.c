/* wide.c - see wide.h. printf() has no conversion for 128 bits. */
#include "base/wide.h"
#include <string.h>

char *wide_print(wide_sum sum, char out[static WIDE_TEXT_SIZE])
{
    char digits[WIDE_TEXT_SIZE], *at = digits + sizeof digits - 1;
    /* The magnitude of the least number has no place in its own type. */
    unsigned __int128 left = sum < 0 ? -(unsigned __int128)sum : (unsigned __int128)sum;
    *at = '\0';
    do
        *--at = (char)('0' + (int)(left % 10));
    while (left /= 10);
    if (sum < 0)
        *--at = '-';
    return memcpy(out, at, (size_t)(digits + sizeof digits - at));
}
