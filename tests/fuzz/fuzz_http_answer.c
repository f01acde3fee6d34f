/* fuzz_http_answer.c - any octets as a server's answer. */
#include "weir/http.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer a;
    struct weir_error error;
    (void)http_answer_whole(data, size);
    enum weir_status status = http_answer_read(data, size, &a, &error);
    if (status == WEIR_OK && (a.status < 200 || a.status > 599 || a.body.length > size))
        abort();
    buffer_free(&a.body);
    return 0;
}
