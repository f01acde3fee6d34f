/* json_number.c - the grammar of JSON numbers; used where texts of services become JSON. */
#include "weir/json_number.h"

#include <string.h>

/* A run of digits at *p, and past it. */
static bool take_digits(const char **p)
{
    size_t digits = strspn(*p, "0123456789");
    *p += digits;
    return digits > 0;
}

bool json_is_number(const char *text)
{
    const char *p = text + (*text == '-');
    bool leading_zero = p[0] == '0' && p[1] >= '0' && p[1] <= '9';
    if (leading_zero || !take_digits(&p))
        return false;
    if (*p == '.') {
        p++;
        if (!take_digits(&p))
            return false;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        if (!take_digits(&p))
            return false;
    }
    return *p == '\0';
}
