/* fuzz_chunks.c - any octets as a chunked body, in two pieces; the first octet says where they
 * part. One piece or two must give the same. */
#include "chunks.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t n = size - 1, cut = n ? data[0] % n : 0;
    char *whole = malloc(n ? n : 1), *parts = malloc(n ? n : 1), *second = malloc(n ? n : 1);
    struct chunks a = {0}, b = {0};
    memcpy(whole, data + 1, n);
    memcpy(parts, data + 1, cut);
    memcpy(second, data + 1 + cut, n - cut);
    size_t one = chunks_decode(&a, whole, n);
    size_t two = chunks_decode(&b, parts, cut);
    size_t three = b.failed ? 0 : chunks_decode(&b, second, n - cut);
    if (a.failed != b.failed || a.state != b.state || one != two + three || one > n ||
        a.after > n || memcmp(whole, parts, two) != 0 || memcmp(whole + two, second, three) != 0)
        abort();
    free(whole);
    free(parts);
    free(second);
    return 0;
}
