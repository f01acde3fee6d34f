/* fuzz_tag_scan.c - any octets as a SOAP message. Accepted ones keep the limits, counted another
 * way. */
#include "tag_scan.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    if (tag_scan(bytes, size))
        return 0;
    unsigned tags = 0, equals = 0;
    int declared = 0;
    for (size_t i = 0; i < size; i++) {
        tags += bytes[i] == '<';
        equals += declared && bytes[i] == '=';
        declared |= bytes[i] == '<' && i + 1 < size && bytes[i + 1] == '!';
    }
    if (tags > TAGS_MOST || equals > TAG_LOOSE_MOST)
        abort();
    return 0;
}
