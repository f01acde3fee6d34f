/* fuzz_text.h - the input as a C string: what targets of parsers of text share. */
#ifndef WEIR_FUZZ_TEXT_H
#define WEIR_FUZZ_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The octets with a zero behind them, flush against the end of their memory. The caller frees it;
 * NULL: no memory. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return NULL;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
